"""What is wrong with a row of a shop's own, if anything: read, added up, judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from crmcore.errors import DataError
from crmcore.records.formula import Product
from crmcore.records.reading import REASONS
from crmcore.records.source import STATUSES
from crmcore.sql import nodes
from crmcore.sql.inputs import part_name
from crmcore.sql.nodes import Node, Query
from crmcore.sql.rows import COLLATED, of_one
from crmcore.sql.source.clock import Clock
from crmcore.sql.source.numbers import (
    FINE,
    MISSING,
    NOT_FINITE,
    UNREADABLE,
    Sum,
    scaled,
    trouble,
    units,
    written,
)
from crmcore.sql.source.shop import Shop

__all__ = ["CONTENT", "LATER", "PASSED_ON", "TOO_MUCH", "Judging", "int_of"]

LATER: Final = (
    "missing_order_id",
    "conflicting_duplicate",
    "conflicting_order",
    "positive_return",
)
PASSED_ON: Final[tuple[str, ...]] = (
    "customer_id",
    "order_id",
    "returns_order_id",
    "channel",
    "promotion",
)
CONTENT: Final[tuple[str, ...]] = ("line_id", "product_id", "category")
NO_ZONE: Final = 'times without an offset: name their zone in the source, as zone = "..."'
TOO_MUCH: Final = "the lines of one order add up beyond 64 bits"


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

    @property
    def by_line(self) -> bool:
        """Whether rows are lines of orders; a line without an order is one of its own."""
        return self.shop.source.rows == "lines" and "order_id" in self.shop.names

    @property
    def clock(self) -> Clock:
        """How times are read."""
        return Clock(self.shop)

    @property
    def errors(self) -> dict[str, int]:
        """What makes the query fail whatever is set aside, each in place of a reason."""
        blurred = any(True for _ in self._blurred())
        found = {NO_ZONE: self.clock.needs_zone, COLLATED: blurred, TOO_MUCH: self.by_line}
        return {message: -1 - at for at, message in enumerate(found) if found[message]}

    def _blurred(self) -> Iterator[Node]:
        """Yield whether different texts are the same id, of each column of ids that is text."""
        for name in PASSED_ON[:3]:
            theirs = self.shop.names.get(name, "")
            if self.shop.kinds.get(theirs) == "text":
                ids = nodes.column(theirs, self.relation)
                told = self.shop.dialect.is_collated(ids)
                if told is not None:
                    yield of_one(ids, told, self.relation)

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

    def times(self) -> Iterator[tuple[str, Query]]:
        """Yield the parts that take times apart where they are text."""
        if self.clock.is_text:
            texts = self.clock.texts(self.part("read columns"))
            yield "time texts", self.after("read columns", texts)
            yield "read times", self.after("time texts", self.clock.pieces(self.part("time texts")))

    def numbers(self) -> Query:
        """Read each number, and the clock."""
        before = "read times" if self.clock.is_text else "read columns"
        part, shop, columns = self.part(before), self.shop, {}
        for measure, sum_ in self._measures.items():
            for at, (name, places) in enumerate(sum_.places.items()):
                value = shop.column(name, part)
                state = trouble(value, shop.kinds[name], shop.dialect)
                text = written(value, shop.kinds[name], shop.dialect)
                number = scaled(text, sum_.width, places, shop.dialect)
                fine = nodes.compare(state, "==", nodes.number(FINE, "int"))
                columns[f"{measure} state {at}"] = state
                columns[f"{measure} {at}"] = nodes.choose([(fine, number)])
        return self.after(before, {**columns, **self.clock.read(part)})

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
        if not self.clock.in_zone:
            columns["placed_us"] = nodes.column("clock_us", part)
            return self.after("read numbers", columns)
        run = self.part("zone")
        columns["placed_us"] = self.clock.instant(part, run)
        query = self.after("read numbers", columns)
        return query.join(nodes.table(run), on=self.clock.in_run(part, run), join_type="left")

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
        cases = [(blurred, int_of(self.errors[COLLATED])) for blurred in self._blurred()]
        if self.clock.needs_zone:
            cases.append((self.clock.lacks_zone(part), int_of(self.errors[NO_ZONE])))
        for at, reason in enumerate(self.excluded):
            mine = [one for one in self.shop.source.exclude if one.reason == reason]
            found = nodes.any_of([self.shop.meets(one, part) for one in mine])
            cases.append((found, int_of(at)))
        cases += [(condition, self.place(name)) for name, condition in self._faults(part)]
        return nodes.choose(cases, nodes.nothing("int"))

    def _faults(self, part: str) -> Iterator[tuple[str, Node]]:
        """Yield what may be wrong with a row, in the order of the reasons."""
        shop = self.shop
        yield from self.clock.faults(part).items()
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


def _worst(states: list[Node]) -> Node:
    """Return what is the matter with the numbers of a row, the first that is listed."""
    cases = []
    for code in (MISSING, UNREADABLE, NOT_FINITE):
        found = [nodes.compare(one, "==", int_of(code)) for one in states]
        cases.append((nodes.any_of(found), int_of(code)))
    return nodes.choose(cases, int_of(FINE))
