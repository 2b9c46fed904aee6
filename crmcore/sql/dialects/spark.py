"""Spark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from crmcore.calendars import DAY_US
from crmcore.errors import DataError
from crmcore.sql import nodes
from crmcore.sql.dialects.dialect import Dialect, Kind
from crmcore.sql.nodes import Node

__all__ = ["Spark"]

_SECOND_US: Final = 1_000_000
_MINUTE_US: Final = 60 * _SECOND_US
_HOUR_US: Final = 60 * _MINUTE_US
_MOST_PLACES: Final = 38
_SPECIAL: Final = re.compile(r"['\\$\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Spark(Dialect):
    """Spark: wide numbers are DECIMAL(38, 0); no product or sum of a query leaves 38 digits."""

    name: ClassVar[str] = "spark"
    title: ClassVar[str] = "Spark"
    types: ClassVar[Mapping[Kind, tuple[str, ...]]] = {
        "whole": ("tinyint", "smallint", "int", "bigint"),
        # With another collation the type has another name.
        "text": ("string",),
        "boolean": ("boolean",),
        "instant": ("timestamp",),
        "time": ("timestamp_ntz",),
        "decimal": ("decimal",),
        "float": ("double", "float"),
        "date": ("date",),
    }

    def check_name(self, name: str) -> None:
        """Refuse what the engine would put the value of a setting in the place of."""
        Dialect.check_name(self, name)
        if "${" in name:
            raise DataError(f"a name in {self.title} has no ${{: a setting would take its place")

    def literal(self, value: str) -> str | None:
        """Write bytes: in quotes, settings tell what a quote, a backslash and ``${`` mean."""
        special = _SPECIAL.search(value)
        return f"CAST(X'{value.encode().hex()}' AS STRING)" if special else None

    def wide(self, value: Node) -> Node:
        """Return a DECIMAL(38, 0)."""
        return nodes.decimal(value, 38, 0)

    def is_whole(self, value: Node) -> Node:
        """Take a DECIMAL without a fraction too: what a sum is here."""
        decimals = (f"decimal({digits},0)" for digits in range(1, 39))
        types = map(nodes.text, (*self.types["whole"], *decimals))
        return nodes.among(nodes.call("TYPEOF", value), types)

    def is_exact(self, value: Node) -> Node:
        """Take as many digits after the point as are compared without rounding."""
        exact = nodes.text("^decimal[(][0-9]+,([0-9]|1[0-8])[)]$")
        decimal = nodes.call("REGEXP_LIKE", nodes.call("TYPEOF", value), exact)
        return nodes.any_of([self.is_whole(value.copy()), decimal])

    def holds(self, type_: str, kind: Kind) -> bool:
        """Take a DECIMAL without a fraction too as whole."""
        whole = type_.startswith("decimal(") and type_.endswith(",0)")
        return (kind == "whole" and whole) or Dialect.holds(self, type_, kind)

    def quotient(self, value: Node, divisor: Node) -> Node:
        """Divide by ``DIV``."""
        return nodes.compute(value, "//", divisor)

    def refuse(self, message: str, instead: Node) -> Node:
        """Call ``RAISE_ERROR``, which takes every type and is not computed in advance."""
        del instead
        return nodes.call("RAISE_ERROR", nodes.text(f"crmcore: {message}"))

    def beside(self, ids: Node, others: Node) -> Node:
        """Return nothing of ids of another kind: the engine would make numbers of texts."""
        return nodes.choose([(nodes.compare(self.family(ids), "==", self.family(others)), ids)])

    def is_collated(self, ids: Node) -> None:
        """Return nothing: a column with another collation is of another type."""
        del ids

    def digits(self, value: Node) -> Node:
        """Write out what ``E`` stands in: a setting has decimals below 10**-6 so."""
        text = self.text(value)
        without = nodes.call("REPLACE", text, nodes.text("E"), nodes.text(""))
        places = nodes.number(_MOST_PLACES, "int")
        plain = nodes.call("FORMAT_NUMBER", value, places)
        return nodes.choose([(nodes.compare(without, "!=", text), plain)], text)

    def matches(self, value: Node, pattern: str) -> Node:
        r"""Call ``RLIKE``; ``\\z`` is the very end, where ``$`` may have a line break after it."""
        return nodes.call("RLIKE", value, nodes.text(rf"^(?:{pattern})\z"))

    def wall_micros(self, time: Node) -> Node:
        """Add up its fields: all else asks the session's zone, which may skip an hour or a day."""
        seconds = nodes.call("DATE_PART", nodes.text("SECOND"), time)  # a DECIMAL(8, 6)
        fields = [
            (self.day_number(nodes.cast(time.copy(), "date")), DAY_US),
            (nodes.cast(nodes.call("HOUR", time.copy()), "bigint"), _HOUR_US),
            (nodes.cast(nodes.call("MINUTE", time.copy()), "bigint"), _MINUTE_US),
        ]
        micros = nodes.cast(nodes.compute(seconds, "*", nodes.number(_SECOND_US, "int")), "bigint")
        for field, size in fields:
            micros = nodes.compute(micros, "+", nodes.compute(field, "*", nodes.number(size)))
        return micros

    def date(self, day: Node) -> Node:
        """Call ``DATE_FROM_UNIX_DATE``."""
        return nodes.call("DATE_FROM_UNIX_DATE", nodes.cast(day, "int"))

    def day_number(self, date: Node) -> Node:
        """Call ``UNIX_DATE``."""
        return nodes.cast(nodes.call("UNIX_DATE", date), "bigint")

    def months_later(self, date: Node, months: Node) -> Node:
        """Call ``ADD_MONTHS``."""
        return nodes.call("ADD_MONTHS", date, months)

    def instant(self, micros: Node) -> Node:
        """Call ``TIMESTAMP_MICROS``."""
        return nodes.call("TIMESTAMP_MICROS", micros)

    def micros(self, instant: Node) -> Node:
        """Call ``UNIX_MICROS``."""
        return nodes.call("UNIX_MICROS", instant)
