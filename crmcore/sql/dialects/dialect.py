"""What a query asks of an engine, in the words of the policy."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, TypeAlias

from crmcore.conditions.language.tree import ComparisonOp
from crmcore.errors import DataError
from crmcore.sql import nodes
from crmcore.sql.nodes import Node, Query

__all__ = ["IDS", "Dialect", "Kind"]

Kind: TypeAlias = Literal[
    "whole", "decimal", "float", "text", "uuid", "boolean", "instant", "time", "date"
]
IDS: Final[tuple[Kind, ...]] = ("whole", "text", "uuid")
"""What ids may be."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Dialect(ABC):
    """One engine's way to say what engines say in different ways.

    Whole numbers are of 64 bits (``bigint``) unless they are *wide*: then they hold every
    product and sum that a query forms. Nothing here depends on a setting of the session.
    """

    name: ClassVar[str]
    """As SQLGlot calls it."""
    title: ClassVar[str]
    types: ClassVar[Mapping[Kind, tuple[str, ...]]]
    """The engine's types of each kind; without any, the engine has none."""
    longest_name: ClassVar[int | None] = None
    """Bytes of a name; a longer one the engine would cut off."""
    reads_again: ClassVar[bool] = False
    """Whether reading what is given at each use, only the columns used, beats keeping it."""

    def write(self, query: Query, width: int = 120) -> str:
        """Return a query as text, in which every text means itself under every setting."""
        # Each piece once: what is written in another way is replaced where it stands.
        query = query.copy()
        self.adapt(query)
        return query.sql(dialect=self.name, pretty=True, max_text_width=width, copy=False)

    def adapt(self, query: Query) -> None:
        """Write texts and names of a query, in place, as the engine and its drivers read them."""
        nodes.write_texts(query, self._literal)
        if self.longest_name is not None:
            nodes.shorten(query, self.longest_name)

    def check_name(self, name: str) -> None:
        """Refuse a name of a relation or column that the engine would not take as it is."""
        if not name or "\0" in name:
            raise DataError("a relation or column needs a name")
        if not nodes.is_writable(name) or _CONTROL.search(name):
            raise DataError("a name with control characters cannot be written in a query")
        longest = self.longest_name
        if longest is not None and len(name.encode()) > longest:
            raise DataError(f"{self.title} cuts names off after {longest} bytes")

    def literal(self, value: str) -> str | None:
        """Return a text as the engine reads it under every setting; ``None``: in quotes."""
        del value
        return None

    def _literal(self, value: str) -> str | None:
        if not nodes.is_writable(value):
            raise DataError("a text that cannot be written in a query")
        return self.literal(value)

    # Whole numbers

    @abstractmethod
    def wide(self, value: Node) -> Node:
        """Return a whole number, or the digits of one, as wide."""

    def wide_number(self, value: int) -> Node:
        """Return a wide number that is written in the query."""
        return self.wide(nodes.text(str(value)))

    def narrow(self, value: Node) -> Node:
        """Return a number as one of 64 bits; fail where it does not fit, and show nothing of it."""
        fits = nodes.cast(value, "bigint")
        wrong = self.refuse("a number exceeds 64 bits", fits)
        return nodes.choose([(self._is_beyond(value), wrong)], fits)

    def _is_beyond(self, value: Node) -> Node:
        wide = self.wide(value)
        beyond = [
            nodes.compare(wide, ">", self.wide_number(nodes.INT64_MAX)),
            nodes.compare(wide, "<", self.wide_number(-nodes.INT64_MAX - 1)),
        ]
        return nodes.any_of(beyond)

    def is_large(self, ids: Node) -> Node | None:
        """Return whether an id is a number beyond 64 bits; ``None``: no id here is."""
        del ids
        return None

    def total(self, value: Node, where: Node | None = None) -> Node:
        """Return the wide sum of numbers, of 64 bits or wide, for which a condition holds."""
        return nodes.aggregate("SUM", self.wide(value), where)

    @abstractmethod
    def quotient(self, value: Node, divisor: Node) -> Node:
        """Return the quotient of two numbers of 64 bits without its fraction."""

    def floor(self, value: Node, divisor: Node) -> tuple[Node, Node]:
        """Return the quotient rounded down, and the rest; the divisor is above 0."""
        rest = nodes.compute(value, "%", divisor)
        below = nodes.compare(rest, "<", nodes.number(0))
        one = nodes.choose([(below, nodes.number(1))], nodes.number(0))
        whole = nodes.choose([(below, divisor)], nodes.number(0))
        quotient = nodes.compute(self.quotient(value, divisor), "-", one)
        return quotient, nodes.compute(rest, "+", whole)

    def decimal(self, minor: Node, width: int, digits: int) -> Node:
        """Return minor units as an exact decimal of so many digits after the point."""
        if digits == 0:
            return nodes.decimal(minor, width, 0)
        unit = nodes.decimal(nodes.text(f"0.{1:0{digits}}"), digits, digits)
        whole = nodes.decimal(minor, 38, 0)
        return nodes.decimal(nodes.compute(whole, "*", unit), width, digits)

    def minor(self, value: Node, digits: int) -> Node:
        """Return minor units, wide, of an exact decimal of so many digits after the point."""
        del digits
        point = nodes.call("REPLACE", nodes.cast(value, "varchar"), nodes.text("."), nodes.text(""))
        return self.wide(point)

    def is_exact(self, value: Node) -> Node:
        """Return whether a number is whole or an exact decimal, by the name of its type."""
        kind = nodes.call("LEFT", nodes.call("LOWER", nodes.call("TYPEOF", value)), nodes.number(7))
        return nodes.any_of(
            [self.is_whole(value), nodes.compare(kind, "==", nodes.text("decimal"))]
        )

    # Refusals

    @abstractmethod
    def refuse(self, message: str, instead: Node) -> Node:
        """Return what makes the query fail with a message once it is computed, never before.

        It has the type of `instead`, a value of the row that is refused, and does not show it.
        """

    # Types

    def is_kind(self, value: Node, *kinds: Kind) -> Node:
        """Return whether a column is of a kind: here by the name of its type."""
        return nodes.among(nodes.call("TYPEOF", value), map(nodes.text, self._types_of(kinds)))

    def holds(self, type_: str, kind: Kind) -> bool:
        """Return whether a type, by the engine's name, is one of a kind."""
        return type_ in self.types.get(kind, ())

    def kind_of(self, type_: str) -> Kind | None:
        """Return what columns of a type hold, by the engine's name; ``None``: nothing it reads."""
        name, sizes, _ = type_.partition("(")
        if sizes and not type_.endswith(")"):
            return None  # a list of such
        return next((kind for kind, names in self.types.items() if name in names), None)

    def _types_of(self, kinds: Sequence[Kind]) -> list[str]:
        return [name for kind in kinds for name in self.types.get(kind, ())]

    def is_whole(self, value: Node) -> Node:
        """Return whether a value is a whole number of a type that `narrow` takes."""
        return self.is_kind(value, "whole")

    def is_decimal(self, value: Node) -> Node:
        """Return whether a column holds exact decimals, of any number of digits."""
        names = "|".join(self.types["decimal"])
        return self.matches(nodes.call("TYPEOF", value), f"({names})[(][0-9,]+[)]")

    def family(self, value: Node) -> Node:
        """Return the kind of ids that a column holds, as text."""
        kinds = [kind for kind in IDS if kind in self.types]
        cases = [(self.is_kind(value, kind), nodes.text(kind)) for kind in kinds]
        return nodes.choose(cases, nodes.nothing("varchar"))

    # Text

    def text(self, value: Node) -> Node:
        """Return a value as text that is equal only to the same text, whatever its collation."""
        return nodes.cast(value, "varchar")

    def digits(self, value: Node) -> Node:
        """Return an exact decimal as text with all its digits, and none of a power of ten."""
        return self.text(value)

    @abstractmethod
    def matches(self, value: Node, pattern: str) -> Node:
        """Return whether all of a text is of a pattern of ASCII characters."""

    def beside(self, ids: Node, others: Node) -> Node:
        """Return ids such that they can be compared with others without showing one of them.

        Here as they are: the engine compares no columns of different kinds.
        """
        del others
        return ids

    def in_order(self, ids: Node) -> Sequence[Node]:
        """Return what sorts ids: numbers by size, text by code points, UUIDs by bytes."""
        return [ids]

    def is_collated(self, ids: Node) -> Node | None:
        """Return whether a column of ids takes different texts for equal, or sorts them so.

        ``None``: no column of ids does, as one in another collation is of another type.
        Pairs of letters are tried, each with nothing of an id before it: case, accents, and an
        accent that is a sign of its own.
        """
        empty = nodes.call("LEFT", nodes.cast(ids, "varchar"), nodes.number(0))
        pairs: list[tuple[str, ComparisonOp, str]]
        pairs = [("a", "<", "B"), ("é", "==", "e"), ("é", "==", "e\u0301")]
        letters = ((nodes.compute(empty, "||", nodes.text(one)), op, two) for one, op, two in pairs)
        return nodes.any_of([nodes.compare(one, op, nodes.text(two)) for one, op, two in letters])

    # Days and instants

    @abstractmethod
    def date(self, day: Node) -> Node:
        """Return days since 1970-01-01 as a date."""

    @abstractmethod
    def day_number(self, date: Node) -> Node:
        """Return a date as days since 1970-01-01."""

    @abstractmethod
    def months_later(self, date: Node, months: Node) -> Node:
        """Return a date some months later or before, its day at most the month's last."""

    @abstractmethod
    def instant(self, micros: Node) -> Node:
        """Return UTC microseconds as an instant with a zone."""

    @abstractmethod
    def micros(self, instant: Node) -> Node:
        """Return an instant with a zone as UTC microseconds; infinity is missing."""

    @abstractmethod
    def wall_micros(self, time: Node) -> Node:
        """Return a time without a zone as microseconds since 1970-01-01 00:00 by its clock."""

    # The query

    def session_checks(self) -> Iterator[Node]:
        """Yield what must hold of a session for words to mean the engine's own, or it fails."""
        yield from ()

    def repeats(self, rows: Query, value: Node) -> Node:
        """Return whether a value stands in several of the rows of a query."""
        several = nodes.compare(nodes.count_rows(), ">", nodes.number(1))
        return nodes.exists(rows.group_by(value).having(several))

    def step(self, query: Query) -> Query:
        """Return a step of the query such that the next computes it once, not once a use."""
        return query
