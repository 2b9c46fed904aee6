"""PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from crmcore.calendars import DAY_US
from crmcore.sql import nodes
from crmcore.sql.dialects.dialect import Dialect, Kind
from crmcore.sql.nodes import Node, Query

__all__ = ["Postgres"]

_SCHEMA: Final = "pg_catalog"
_SPECIAL: Final = re.compile(r"['\\%\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Postgres(Dialect):
    """PostgreSQL: wide numbers are NUMERIC, which has no end that a query could reach."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    types: ClassVar[Mapping[Kind, tuple[str, ...]]] = {
        "whole": ("int2", "int4", "int8"),
        # CHAR(n) is none of them: it takes texts for equal that differ in spaces at the end.
        "text": ("text", "varchar"),
        "uuid": ("uuid",),
        "boolean": ("bool",),
        "instant": ("timestamptz",),
        "time": ("timestamp",),
        "decimal": ("numeric",),
        "float": ("float8", "float4"),
        "date": ("date",),
    }
    longest_name: ClassVar[int | None] = 63

    def literal(self, value: str) -> str | None:
        r"""Escape what a setting, or a driver with parameters, would read otherwise.

        `standard_conforming_strings` tells whether a backslash in plain quotes is one.
        """
        escaped = _SPECIAL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
        return None if escaped == value else f"E'{escaped}'"

    def adapt(self, query: Query) -> None:
        """Write names as its drivers read them, too, which mark parameters by percent signs."""
        Dialect.adapt(self, query)
        nodes.double_percents(query)

    def wide(self, value: Node) -> Node:
        """Return a NUMERIC."""
        return nodes.cast(value, "decimal")

    def total(self, value: Node, where: Node | None = None) -> Node:
        """Add without a cast: SUM of bigint is a numeric here."""
        return nodes.aggregate("SUM", value, where)

    def narrow(self, value: Node) -> Node:
        """Cast: the engine's error shows nothing of a number."""
        return nodes.cast(value, "bigint")

    def quotient(self, value: Node, divisor: Node) -> Node:
        """Divide bigint by bigint, which cuts the fraction off."""
        return nodes.compute(value, "/", divisor)

    def refuse(self, message: str, instead: Node) -> Node:
        """Cast the message to a boolean.

        The planner would compute a cast of a constant: so nothing of a column is added to it, by
        ``CONCAT``, which takes what is missing too.
        """
        given = nodes.cast(nodes.source_of(instead), "text")
        nobody = nodes.call("LEFT", given, nodes.number(0, "int"))
        whole = nodes.call("CONCAT", nodes.text(f"crmcore: {message}"), nobody)
        return nodes.choose([(nodes.cast(whole, "boolean"), instead)])

    def is_kind(self, value: Node, *kinds: Kind) -> Node:
        """Compare the type itself, so that no other type of that name will do."""
        return self._has_type(value, self._types_of(kinds))

    def _has_type(self, value: Node, names: Sequence[str]) -> Node:
        types = [nodes.cast_to(nodes.text(f"{_SCHEMA}.{name}"), "regtype") for name in names]
        return nodes.among(nodes.call("PG_TYPEOF", value), types)

    def is_decimal(self, value: Node) -> Node:
        """Compare the type itself: it has no sizes here."""
        return self._has_type(value, self._types_of(["decimal"]))

    def matches(self, value: Node, pattern: str) -> Node:
        """Compare by ``~``, whose ``$`` is the very end."""
        return nodes.alike(value, nodes.text(f"^(?:{pattern})$"))

    def wall_micros(self, time: Node) -> Node:
        """Extract the seconds: of a time without a zone they ask none."""
        return self.micros(time)

    def is_whole(self, value: Node) -> Node:
        """Take a NUMERIC too, where it has no fraction: NaN and infinity leave a rest."""
        rest = nodes.compute(nodes.cast(value, "decimal"), "%", self.wide_number(1))
        no_rest = nodes.compare(rest, "==", self.wide_number(0))
        cases = [(self.is_kind(value, "whole"), nodes.truth(True))]
        cases.append((self._has_type(value, ["numeric"]), no_rest))
        return nodes.choose(cases, nodes.truth(False))

    def is_exact(self, value: Node) -> Node:
        """Compare the type itself."""
        return self._has_type(value, [*self.types["whole"], "numeric"])

    def holds(self, type_: str, kind: Kind) -> bool:
        """Take a NUMERIC too as whole: each value tells whether it is."""
        return (kind == "whole" and type_ == "numeric") or Dialect.holds(self, type_, kind)

    def text(self, value: Node) -> Node:
        """Return text in the collation of bytes, whatever the column's."""
        return nodes.collate(nodes.cast(value, "text"), "C")

    def in_order(self, ids: Node) -> Sequence[Node]:
        """Sort numbers by size; a UUID as text sorts as its bytes do."""
        number = nodes.cast(nodes.cast(ids, "text"), "decimal")
        return [nodes.choose([(self.is_kind(ids, "whole"), number)]), self.text(ids)]

    def is_collated(self, ids: Node) -> Node:
        """Look the column's collation up: where it is deterministic, equal is the same bytes."""
        collation, schema = "collation", "schema"
        name = nodes.call("QUOTE_IDENT", nodes.column("collname", collation))
        prefix = nodes.call("QUOTE_IDENT", nodes.column("nspname", schema))
        names = [name, nodes.call("CONCAT", prefix, nodes.text("."), name.copy())]
        found = nodes.select(
            {"found": nodes.truth(True)}, nodes.table("pg_collation", collation, _SCHEMA)
        )
        same = [nodes.column("oid", schema), nodes.column("collnamespace", collation)]
        found = found.join(
            nodes.table("pg_namespace", schema, _SCHEMA), on=nodes.compare(same[0], "==", same[1])
        )
        own = self.text(nodes.call("PG_COLLATION_FOR", ids))
        blurred = nodes.negate(nodes.column("collisdeterministic", collation))
        found = found.where(nodes.among(own, names), blurred)
        cases = [(self.is_kind(ids, "text"), nodes.exists(found))]
        return nodes.choose(cases, nodes.truth(False))

    def date(self, day: Node) -> Node:
        """Add whole days to the first."""
        return nodes.compute(nodes.day_zero(), "+", nodes.cast(day, "int"))

    def day_number(self, date: Node) -> Node:
        """Subtract the first day, of what is not infinity."""
        days = nodes.cast(nodes.compute(date, "-", nodes.day_zero()), "bigint")
        return nodes.choose([(nodes.call("ISFINITE", date), days)])

    def months_later(self, date: Node, months: Node) -> Node:
        """Add an interval of months."""
        interval = nodes.call("MAKE_INTERVAL", nodes.number(0, "int"), months)
        return nodes.cast(nodes.compute(date, "+", interval), "date")

    def instant(self, micros: Node) -> Node:
        """Add the microseconds of a day, few enough for exact doubles, to the day in UTC."""
        day, rest = self.floor(micros, nodes.number(DAY_US))
        midnight = nodes.at_utc(nodes.cast(self.date(day), "timestamp"))
        return nodes.compute(midnight, "+", nodes.compute(rest, "*", nodes.microsecond()))

    def micros(self, instant: Node) -> Node:
        """Extract the seconds, which are an exact NUMERIC, of what 64 bits can count."""
        micros = nodes.compute(nodes.epoch(instant), "*", self.wide_number(1_000_000))
        inside = nodes.compare(micros, "<", self.wide_number(nodes.INT64_MAX))
        fits = nodes.all_of([nodes.call("ISFINITE", instant), inside])
        return nodes.choose([(fits, self.narrow(micros))])

    def session_checks(self) -> Iterator[Node]:
        """Look for a schema whose operators and functions hide the engine's own.

        Temporary schemas may come first: none is looked up there. As it reads no column, it is
        asked once, before any row.
        """
        schemas = nodes.call(f"{_SCHEMA}.CURRENT_SCHEMAS", nodes.truth(True))
        comma = nodes.text(",")
        path = nodes.call("CONCAT", nodes.call("ARRAY_TO_STRING", schemas, comma), comma.copy())
        first = self.matches(path, f"(pg_temp_[0-9]+,)*{_SCHEMA},.*")
        nothing = nodes.call("LEFT", path.copy(), nodes.number(0, "int"))
        message = nodes.text(f"crmcore: {_SCHEMA} must stand first in search_path")
        wrong = nodes.cast(nodes.call("CONCAT", message, nothing), "boolean")
        yield nodes.choose([(first, nodes.truth(True))], wrong)

    def step(self, query: Query) -> Query:
        """Keep the planner from writing each use of a column out, and out again."""
        return query.offset(0, copy=False)
