"""What is wrong with a row of a shop's own, if anything: read, added up, judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from crmcore.calendars import DAY_US, FIRST_INSTANT, LAST_INSTANT, zone
from crmcore.errors import DataError
from crmcore.records.formula import Product
from crmcore.records.reading import REASONS
from crmcore.records.source import STATUSES
from crmcore.sql import nodes
from crmcore.sql.inputs import part_name
from crmcore.sql.nodes import Node, Query
from crmcore.sql.numbers import FINE, MISSING, NOT_FINITE, UNREADABLE, Sum, scaled, trouble, units
from crmcore.sql.shop import Shop

__all__ = ["CONTENT", "LATER", "PASSED_ON", "Judging", "int_of"]

_UNITS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UNTIL: Final = (datetime(2100, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // (
    datetime.resolution
)
LATER: Final = ("missing_order_id", "conflicting_duplicate", "positive_return")
PASSED_ON: Final[tuple[str, ...]] = (
    "customer_id",
    "order_id",
    "returns_order_id",
    "channel",
    "promotion",
)
CONTENT: Final[tuple[str, ...]] = ("line_id", "product_id", "category")
_RUN: Final = ("from_us", "to_us", "offset_us")


@dataclass(frozen=True, slots=True)
class Judging:
    """Parts of a query that read a shop's rows, and say of each what is wrong with it.

    Parameters
    ----------
    shop
        The columns.
    relation, customers
        Names of the relations.
    """

    shop: Shop
    relation: str
    customers: str | None

    @property
    def passed_on(self) -> list[str]:
        """The standard columns that are passed on beside who, when and how much."""
        there = [name for name in PASSED_ON[1:] if name in self.shop.names]
        there += ["status"] if self.has_status else []
        return there + (["quantity"] if "quantity" in self.shop.names else [])

    @property
    def has_status(self) -> bool:
        """Whether something says a status."""
        rules = self.shop.source.status
        if "status" not in self.shop.names and rules.map:
            message = "the source maps statuses, but there is no such column"
            raise DataError(message, column="status")
        return "status" in self.shop.names or bool(rules.first) or rules.otherwise is not None

    @property
    def excluded(self) -> list[str]:
        """The source's own reasons, each once."""
        return list(dict.fromkeys(one.reason for one in self.shop.source.exclude))

    def place(self, reason: str) -> Node:
        """Return the place of a reason among all."""
        at = [*REASONS, *LATER, "duplicate"].index(reason) + len(self.excluded)
        return nodes.number(at, "int")

    def part(self, name: str) -> str:
        """Return the name of a part of the query."""
        return part_name(name, self.relation, self.customers)

    def after(self, part: str, columns: Mapping[str, Node]) -> Query:
        """Return the columns of a part, and more."""
        name = self.part(part)
        return nodes.select(columns, nodes.table(name), nodes.every_column(name))

    # Numbers

    @property
    def _measures(self) -> dict[str, Sum]:
        shop = self.shop
        exponent = 0 if shop.in_minor else shop.source.currency.exponent
        found = {"amount": Sum.of(shop.products, shop.kinds, exponent)}
        if "quantity" in shop.names:
            product = Product(Decimal(1), (shop.names["quantity"],))
            found["quantity"] = Sum.of([product], shop.kinds, 0)
        return found

    def numbers(self) -> Query:
        """Read each number, and the clock."""
        part, shop, columns = self.part("read columns"), self.shop, {}
        for measure, sum_ in self._measures.items():
            for at, (name, places) in enumerate(sum_.places.items()):
                value = shop.column(name, part)
                state = trouble(value, shop.kinds[name], shop.dialect)
                number = scaled(value, sum_.width, places, shop.dialect)
                fine = nodes.compare(state, "==", nodes.number(FINE, "int"))
                columns[f"{measure} state {at}"] = state
                columns[f"{measure} {at}"] = nodes.choose([(fine, number)])
        columns["clock_us"] = self._clock(part)
        return self.after("read columns", columns)

    def sums(self) -> Query:
        """Add up, and turn the clock's time into an instant."""
        part, columns = self.part("read numbers"), {}
        for measure, sum_ in self._measures.items():
            numbers = {
                name: nodes.column(f"{measure} {at}", part) for at, name in enumerate(sum_.places)
            }
            states = [nodes.column(f"{measure} state {at}", part) for at in range(len(numbers))]
            columns[f"{measure} state"] = _worst(states)
            columns[f"{measure} sum"] = sum_.node(numbers, self.shop.dialect)
        clock = nodes.column("clock_us", part)
        if not self.in_zone:
            return self.after("read numbers", {**columns, "placed_us": clock})
        run = self.part("zone")
        offset = nodes.column("offset_us", run)
        late = nodes.all_of([nodes.negate(nodes.is_missing(clock)), nodes.is_missing(offset)])
        message = "a local time after the year 2099"
        wrong = self.shop.dialect.refuse(message, clock)
        columns["placed_us"] = nodes.choose([(late, wrong)], nodes.compute(clock, "-", offset))
        within = [
            nodes.compare(clock, ">=", nodes.column("from_us", run)),
            nodes.compare(clock, "<=", nodes.column("to_us", run)),
        ]
        query = self.after("read numbers", columns)
        return query.join(nodes.table(run), on=nodes.all_of(within), join_type="left")

    # Times

    @property
    def _time_kind(self) -> str:
        return self.shop.kinds[self.shop.names["placed_at"]]

    @property
    def in_zone(self) -> bool:
        """Whether the times are those of a clock."""
        return self._time_kind in ("time", "date")

    def _clock(self, table: str) -> Node:
        """Return microseconds by the clock, or of UTC; missing where there is no usable time."""
        placed, dialect = self.shop.column(self.shop.names["placed_at"], table), self.shop.dialect
        match self._time_kind:
            case "date":
                day = dialect.day_number(placed)
                whole = nodes.compute(nodes.cast(day, "bigint"), "*", nodes.number(DAY_US))
                return _between(day, FIRST_INSTANT // DAY_US, LAST_INSTANT // DAY_US, whole)
            case "whole":
                scale = _UNITS[self.shop.source.time_unit or "us"]
                first, last = FIRST_INSTANT // scale, LAST_INSTANT // scale
                ticks = nodes.compute(nodes.cast(placed, "bigint"), "*", nodes.number(scale))
                return _between(placed, first, last, ticks)
            case "time":
                clock = dialect.wall_micros(placed)
            case _:
                clock = dialect.micros(placed)
        return _between(clock, FIRST_INSTANT, LAST_INSTANT, clock)

    def zone(self) -> Query:
        """Return the runs of the clock's times, and how far each is from UTC."""
        assert self.shop.source.zone is not None  # or times without an offset were refused
        runs = zone(self.shop.source.zone).wall_offsets(FIRST_INSTANT, _UNTIL - 1)
        rows = nodes.rows_of(_RUN, runs, "run")
        typed = {name: nodes.cast(nodes.column(name, "run"), "bigint") for name in _RUN}
        return nodes.select(typed, rows)

    # Judging

    def judged(self) -> Query:
        """Return each row with its canonical columns, and why it is left out if it is."""
        part, shop = self.part("read sums"), self.shop
        columns = {"reason": self._reason(part)}
        columns["placed_us"] = nodes.column("placed_us", part)
        for measure, name in (("amount", "amount_minor"), ("quantity", "quantity")):
            if measure in self._measures:
                columns[name] = self._whole(measure, part)
        if self.has_status:
            columns["status"] = self._status(part)
        for name in (*PASSED_ON, *CONTENT):
            if name in shop.names:
                theirs = shop.names[name]
                value = shop.column(theirs, part)
                plain = shop.kinds[theirs] == "text" and name not in PASSED_ON[:3]
                columns[name] = shop.dialect.text(value) if plain else value
        return nodes.select(columns, nodes.table(part))

    def _rounded(self, measure: str, part: str) -> tuple[Node, Node]:
        sum_, shop = self._measures[measure], self.shop
        total = nodes.column(f"{measure} sum", part)
        if measure == "quantity":
            return units(total, sum_.scale, "refuse", shop.dialect)
        wanted = 0 if shop.in_minor else shop.source.currency.exponent
        rounding = shop.source.amount.rounding
        return units(total, sum_.scale - wanted, rounding, shop.dialect)

    def _whole(self, measure: str, part: str) -> Node:
        """Return whole units, where they are usable."""
        rounded, _ = self._rounded(measure, part)
        state = nodes.compare(nodes.column(f"{measure} state", part), "==", int_of(FINE))
        fits = nodes.all_of([state, *self._in_range(rounded)])
        return nodes.choose([(fits, nodes.cast(rounded, "bigint"))])

    def _in_range(self, rounded: Node) -> list[Node]:
        most = self.shop.dialect.wide_number
        return [
            nodes.compare(rounded, "<=", most(nodes.INT64_MAX)),
            nodes.compare(rounded, ">=", most(-nodes.INT64_MAX)),
        ]

    def _reason(self, part: str) -> Node:
        """Return the place of the first reason to leave a row out."""
        cases = []
        for at, reason in enumerate(self.excluded):
            mine = [one for one in self.shop.source.exclude if one.reason == reason]
            found = nodes.any_of([self.shop.meets(one, part) for one in mine])
            cases.append((found, int_of(at)))
        cases += [(condition, self.place(name)) for name, condition in self._faults(part)]
        return nodes.choose(cases, nodes.nothing("int"))

    def _faults(self, part: str) -> Iterator[tuple[str, Node]]:
        """Yield what may be wrong with a row, in the order of the reasons."""
        shop = self.shop
        given, placed = shop.column(shop.names["placed_at"], part), nodes.column("placed_us", part)
        yield "missing_time", nodes.is_missing(given)
        inside = _between(placed, FIRST_INSTANT, LAST_INSTANT, placed)
        yield "time_out_of_range", nodes.is_missing(inside)
        yield from self._money_faults(part)
        if "currency" in shop.names:
            currency = shop.text(shop.names["currency"], part)
            own = nodes.compare(currency, "==", nodes.text(shop.source.currency.code))
            yield "other_currency", nodes.choose([(own, nodes.truth(False))], nodes.truth(True))
        if self.has_status and shop.source.status.otherwise is None:
            none = nodes.is_missing(self._status(part))
            if "status" in shop.names:
                word = nodes.is_missing(shop.column(shop.names["status"], part))
                yield "missing_status", nodes.all_of([none, word])
            yield "unknown_status", none
        if "quantity" in shop.names:
            state = nodes.column("quantity state", part)
            wrong = nodes.any_of(
                [nodes.compare(state, ">", int_of(MISSING)), self._odd("quantity", part)]
            )
            yield (
                "unreadable_quantity",
                nodes.all_of([nodes.compare(state, "!=", int_of(MISSING)), wrong]),
            )
        if "order_id" in shop.names:
            yield "missing_order_id", nodes.is_missing(shop.column(shop.names["order_id"], part))

    def _money_faults(self, part: str) -> Iterator[tuple[str, Node]]:
        state = nodes.column("amount state", part)
        names = {
            "missing_amount": MISSING,
            "unreadable_amount": UNREADABLE,
            "not_finite": NOT_FINITE,
        }
        for name, code in names.items():
            yield name, nodes.compare(state, "==", int_of(code))
        rounded, left = self._rounded("amount", part)
        if self.shop.source.amount.rounding == "refuse":
            yield "amount_not_exact", left
        inside = nodes.choose([(nodes.all_of(self._in_range(rounded)), nodes.truth(True))])
        yield "amount_too_large", nodes.is_missing(inside)

    def _odd(self, measure: str, part: str) -> Node:
        """Return whether a number is no whole one of 64 bits."""
        rounded, left = self._rounded(measure, part)
        inside = nodes.choose([(nodes.all_of(self._in_range(rounded)), nodes.truth(True))])
        return nodes.any_of([left, nodes.is_missing(inside)])

    def _status(self, part: str) -> Node:
        """Return the status of a row: of the first rule, else of its word, else of the rest."""
        shop, rules = self.shop, self.shop.source.status
        cases = [(shop.meets(rule, part), nodes.text(rule.status)) for rule in rules.first]
        if "status" in shop.names:
            word = shop.text(shop.names["status"], part)
            words = rules.map or {status: status for status in STATUSES}
            for status in dict.fromkeys(words.values()):
                mine = [nodes.text(one) for one, meant in words.items() if meant == status]
                cases.append((nodes.among(word, mine), nodes.text(status)))
        rest = nodes.nothing("varchar") if rules.otherwise is None else nodes.text(rules.otherwise)
        return nodes.choose(cases, rest) if cases else rest


def int_of(value: int) -> Node:
    """Return a small whole number."""
    return nodes.number(value, "int")


def _between(value: Node, first: int, last: int, found: Node) -> Node:
    """Return what was found where a value is within bounds; else it is missing."""
    inside = [nodes.compare(value, ">=", nodes.number(first))]
    inside.append(nodes.compare(value, "<=", nodes.number(last)))
    return nodes.choose([(nodes.all_of(inside), found)])


def _worst(states: list[Node]) -> Node:
    """Return what is the matter with the numbers of a row, the first that is listed."""
    cases = []
    for code in (MISSING, UNREADABLE, NOT_FINITE):
        found = [nodes.compare(one, "==", int_of(code)) for one in states]
        cases.append((nodes.any_of(found), int_of(code)))
    return nodes.choose(cases, int_of(FINE))
