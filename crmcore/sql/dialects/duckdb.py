"""DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from crmcore.sql import nodes
from crmcore.sql.dialects.dialect import Dialect, Kind
from crmcore.sql.nodes import Node, Query

__all__ = ["DuckDB"]

_AT_MOST_64_BITS: Final = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER"),
)
_BEYOND_64_BITS: Final = ("UBIGINT", "HUGEINT")
_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class DuckDB(Dialect):
    """DuckDB: wide numbers are HUGEINT, and leaving 128 bits is an error."""

    name: ClassVar[str] = "duckdb"
    title: ClassVar[str] = "DuckDB"
    reads_again: ClassVar[bool] = True
    types: ClassVar[Mapping[Kind, tuple[str, ...]]] = {
        # Not UHUGEINT: beside any other the engine would make floats of it.
        "whole": (*_AT_MOST_64_BITS, *_BEYOND_64_BITS),
        "text": ("VARCHAR",),
        "uuid": ("UUID",),
        "boolean": ("BOOLEAN",),
        "instant": ("TIMESTAMP WITH TIME ZONE",),
        "time": ("TIMESTAMP",),
        "decimal": ("DECIMAL",),
        "float": ("DOUBLE", "FLOAT"),
        "date": ("DATE",),
    }

    def wide(self, value: Node) -> Node:
        """Return a HUGEINT."""
        return nodes.cast(value, "int128")

    def narrow(self, value: Node) -> Node:
        """Compare first only what may be larger: the engine shows what it cannot cast."""
        found = super(DuckDB, self).narrow(value)
        return nodes.choose([(self._is_small(value), nodes.cast(value, "bigint"))], found)

    def _is_small(self, value: Node) -> Node:
        return nodes.among(nodes.call("TYPEOF", value), map(nodes.text, _AT_MOST_64_BITS))

    def is_large(self, ids: Node) -> Node:
        """Look at ids of wider types only: of others nothing is computed."""
        wider = nodes.among(nodes.call("TYPEOF", ids), map(nodes.text, _BEYOND_64_BITS))
        beyond = self._is_beyond(nodes.cast(ids, "varchar"))
        return nodes.choose([(wider, beyond)], nodes.truth(False))

    def total(self, value: Node, where: Node | None = None) -> Node:
        """Add without a cast: SUM of BIGINT is a HUGEINT here."""
        return nodes.aggregate("SUM", value, where)

    def quotient(self, value: Node, divisor: Node) -> Node:
        """Divide by ``//``, which is the same under every `integer_division`."""
        return nodes.compute(value, "//", divisor)

    def refuse(self, message: str, instead: Node) -> Node:
        """Call ``ERROR``, which takes every type and is not computed in advance."""
        del instead
        return nodes.call("ERROR", nodes.text(f"crmcore: {message}"))

    def repeats(self, rows: Query, value: Node) -> Node:
        """Look at whole numbers 32 at a time, with a bit for each: there are far fewer groups."""
        fits = self._is_small(value)
        number = nodes.cast(value, "bigint")
        bit = nodes.compute(
            nodes.number(1), "<<", nodes.compute(number, "&", nodes.number(_AT_ONCE - 1))
        )
        bits = nodes.call("BIT_COUNT", nodes.call("BIT_OR", bit))
        numbers = rows.select(nodes.truth(True), append=False).where(fits)
        numbers = numbers.group_by(nodes.compute(number, "&", nodes.number(-_AT_ONCE)))
        several = nodes.exists(numbers.having(nodes.compare(nodes.count_rows(), ">", bits)))
        others = super(DuckDB, self).repeats(rows.where(nodes.negate(fits)), value)
        return nodes.any_of([several, others])

    def text(self, value: Node) -> Node:
        """Return text in the binary collation: a cast keeps the column's."""
        return nodes.collate(nodes.cast(value, "varchar"), "binary")

    def matches(self, value: Node, pattern: str) -> Node:
        """Call ``REGEXP_FULL_MATCH``."""
        return nodes.call("REGEXP_FULL_MATCH", value, nodes.text(pattern))

    def wall_micros(self, time: Node) -> Node:
        """Call ``EPOCH_US``, which asks no zone of a ``TIMESTAMP``."""
        return nodes.call("EPOCH_US", time)

    def date(self, day: Node) -> Node:
        """Add whole days to the first."""
        return nodes.compute(nodes.day_zero(), "+", nodes.cast(day, "int"))

    def day_number(self, date: Node) -> Node:
        """Subtract the first day."""
        return nodes.cast(nodes.compute(date, "-", nodes.day_zero()), "bigint")

    def months_later(self, date: Node, months: Node) -> Node:
        """Add an interval of months."""
        return nodes.cast(nodes.compute(date, "+", nodes.call("TO_MONTHS", months)), "date")

    def instant(self, micros: Node) -> Node:
        """Call ``MAKE_TIMESTAMPTZ``, which takes microseconds."""
        return nodes.call("MAKE_TIMESTAMPTZ", micros)

    def micros(self, instant: Node) -> Node:
        """Call ``EPOCH_US``, which would not take a column of every type."""
        return nodes.call("EPOCH_US", nodes.cast_to(instant, "timestamptz"))
