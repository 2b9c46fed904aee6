"""BigQuery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from crmcore.errors import DataError
from crmcore.sql import nodes
from crmcore.sql.dialects.dialect import Dialect, Kind
from crmcore.sql.nodes import Node

__all__ = ["BigQuery"]

# `FORMAT("%T", x)` writes a value as a literal of its type.
_LITERALS: Final[Mapping[str, str]] = {
    "INT64": "-?[0-9]+",
    "STRING": "[\"'].*",
    "BOOL": "true|false",
    "DATE": "DATE .*",
    "FLOAT64": "-?[0-9]+[.e].*|CAST\\(.*",
    "TIMESTAMP": "TIMESTAMP .*",
}
_NOT_IN_NAMES: Final = frozenset('`\\!"$()*,./;?@[]^{}~')


@dataclass(frozen=True, slots=True)
class BigQuery(Dialect):
    """BigQuery: wide numbers are BIGNUMERIC, and leaving its 38 digits is an error."""

    name: ClassVar[str] = "bigquery"
    title: ClassVar[str] = "BigQuery"
    types: ClassVar[Mapping[Kind, tuple[str, ...]]] = {
        "whole": ("INT64",),
        "text": ("STRING",),
        "boolean": ("BOOL",),
        "instant": ("TIMESTAMP",),
        "float": ("FLOAT64",),
        "date": ("DATE",),
    }

    def check_name(self, name: str) -> None:
        """Refuse what is a path, or what no table or column can be called."""
        Dialect.check_name(self, name)
        if not _NOT_IN_NAMES.isdisjoint(name):
            raise DataError(f"a name in {self.title} has none of {''.join(sorted(_NOT_IN_NAMES))}")

    def wide(self, value: Node) -> Node:
        """Return a BIGNUMERIC."""
        return nodes.cast(value, "bigdecimal")

    def narrow(self, value: Node) -> Node:
        """Name the type of what is found: ``ERROR`` has none of its own."""
        return nodes.cast(super(BigQuery, self).narrow(value), "bigint")

    def quotient(self, value: Node, divisor: Node) -> Node:
        """Divide by ``DIV``."""
        return nodes.compute(value, "//", divisor)

    def decimal(self, minor: Node, width: int, digits: int) -> Node:
        """Return a NUMERIC, which has nine digits after the point."""
        del width
        unit = self.wide(nodes.text(f"0.{1:0{digits}}" if digits else "1"))
        return nodes.cast(nodes.compute(self.wide(minor), "*", unit), "decimal")

    def minor(self, value: Node, digits: int) -> Node:
        """Multiply: as text a NUMERIC has no zeros at its end."""
        return nodes.compute(self.wide(value), "*", self.wide_number(10**digits))

    def is_exact(self, value: Node) -> Node:
        """Look at how a value is written."""
        written = nodes.call("FORMAT", nodes.text("%T"), value)
        exact = nodes.text("^(NULL|-?[0-9]+|(BIG)?NUMERIC .*)$")
        return nodes.call("REGEXP_CONTAINS", written, exact)

    def refuse(self, message: str, instead: Node) -> Node:
        """Call ``ERROR``, which takes every type; ``CASE`` computes only what it gives."""
        del instead
        return nodes.call("ERROR", nodes.text(f"crmcore: {message}"))

    def is_kind(self, value: Node, *kinds: Kind) -> Node:
        """Look at how a value is written; one that is missing may be of any kind."""
        written = nodes.call("FORMAT", nodes.text("%T"), value)
        literals = "|".join(["NULL", *(_LITERALS[type_] for type_ in self._types_of(kinds))])
        return nodes.call("REGEXP_CONTAINS", written, nodes.text(f"^(?s:{literals})$"))

    def text(self, value: Node) -> Node:
        """Return text in no collation."""
        return nodes.call("COLLATE", nodes.cast(value, "varchar"), nodes.text(""))

    def matches(self, value: Node, pattern: str) -> Node:
        """Call ``REGEXP_CONTAINS``."""
        return nodes.call("REGEXP_CONTAINS", value, nodes.text(f"^(?:{pattern})$"))

    def wall_micros(self, time: Node) -> Node:
        """Read the clock as that of UTC."""
        return self.micros(nodes.call("TIMESTAMP", time, nodes.text("UTC")))

    def date(self, day: Node) -> Node:
        """Call ``DATE_FROM_UNIX_DATE``."""
        return nodes.call("DATE_FROM_UNIX_DATE", day)

    def day_number(self, date: Node) -> Node:
        """Call ``UNIX_DATE``."""
        return nodes.call("UNIX_DATE", date)

    def months_later(self, date: Node, months: Node) -> Node:
        """Call ``DATE_ADD``."""
        return nodes.months_later(date, months)

    def instant(self, micros: Node) -> Node:
        """Call ``TIMESTAMP_MICROS``."""
        return nodes.call("TIMESTAMP_MICROS", micros)

    def micros(self, instant: Node) -> Node:
        """Call ``UNIX_MICROS``."""
        return nodes.call("UNIX_MICROS", instant)
