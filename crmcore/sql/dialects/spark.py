"""Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from crmcore.sql import nodes
from crmcore.sql.dialects.dialect import Dialect, Kind
from crmcore.sql.nodes import Node

__all__ = ["Spark"]


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
    }

    def wide(self, value: Node) -> Node:
        """Return a DECIMAL(38, 0)."""
        return nodes.decimal(value, 38, 0)

    def is_whole(self, value: Node) -> Node:
        """Take a DECIMAL without a fraction too: what a sum is here."""
        decimals = (f"decimal({digits},0)" for digits in range(1, 39))
        types = map(nodes.text, (*self.types["whole"], *decimals))
        return nodes.among(nodes.call("TYPEOF", value), types)

    def narrow(self, value: Node) -> Node:
        """Compare before the cast: without ANSI it would give other digits, and no error."""
        wide = self.wide(value)
        beyond = [
            nodes.compare(wide, ">", self.wide_number(nodes.INT64_MAX)),
            nodes.compare(wide, "<", self.wide_number(-nodes.INT64_MAX - 1)),
        ]
        fits = nodes.cast(value, "bigint")
        return nodes.choose(
            [(nodes.any_of(beyond), self.refuse("a number exceeds 64 bits", fits))], fits
        )

    def quotient(self, value: Node, divisor: Node) -> Node:
        """Divide by ``DIV``."""
        return nodes.compute(value, "//", divisor)

    def refuse(self, message: str, instead: Node) -> Node:
        """Call ``RAISE_ERROR``, which takes every type and is not computed in advance."""
        del instead
        return nodes.call("RAISE_ERROR", nodes.text(f"crmcore: {message}"))

    def is_collated(self, ids: Node) -> Node:
        """Return false: a column with another collation is of another type."""
        del ids
        return nodes.truth(False)

    def date(self, day: Node) -> Node:
        """Call ``DATE_FROM_UNIX_DATE``."""
        return nodes.call("DATE_FROM_UNIX_DATE", nodes.cast(day, "int"))

    def instant(self, micros: Node) -> Node:
        """Call ``TIMESTAMP_MICROS``."""
        return nodes.call("TIMESTAMP_MICROS", micros)

    def micros(self, instant: Node) -> Node:
        """Call ``UNIX_MICROS``."""
        return nodes.call("UNIX_MICROS", instant)
