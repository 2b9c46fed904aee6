"""Rows that say the same made one, and lines put together to orders and returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from crmcore.sql import nodes
from crmcore.sql.nodes import Node, Query
from crmcore.sql.source.judging import CONTENT, PASSED_ON, TOO_MUCH, Judging, int_of

__all__ = ["Folding"]

_OF_ORDER: Final = ("order_id", "reason")
_OF_PIECE: Final = ("order_id", "returns_order_id", "reason")


@dataclass(frozen=True, slots=True)
class Folding(Judging):
    """Parts of a query from usable rows to one for each order, and one for each return.

    Each row has the number of rows given that it stands for: `copies` of all, and `lines` without
    those that repeat another one.
    """

    @property
    def folded(self) -> str:
        """The name of the last part."""
        return self.part("whole orders" if self.by_line else "single rows")

    def fold(self) -> Iterator[tuple[str, Query]]:
        """Yield the parts, each after what it reads."""
        yield "single rows", self._single()
        if self.by_line:
            yield "order pieces", self._pieces()
            yield "told pieces", self._told()
            yield "judged orders", self._judged_orders()
            yield "whole orders", self._whole_orders()

    # Single rows

    @property
    def _key(self) -> list[str]:
        """What tells rows apart; of lines without an id nothing does."""
        names = ["order_id", "line_id"] if self.by_line else ["order_id"]
        return names if all(name in self.shop.names for name in names) else []

    @property
    def _contents(self) -> list[str]:
        names = [name for name in (*PASSED_ON, *CONTENT) if name in self.shop.names]
        names += ["placed_us", *(["status"] if self.has_status else [])]
        return [*names, "amount_minor", *(["quantity"] if "quantity" in self.shop.names else [])]

    def _single(self) -> Query:
        """Collapse rows that say the same, and find keys whose rows contradict each other."""
        part, names = self.part("usable rows"), self._contents
        columns = {name: nodes.column(name, part) for name in names}
        reason = nodes.column("reason", part)
        cases = [(nodes.negate(nodes.is_missing(reason)), reason)]
        copies: Node = nodes.number(1)
        kept: list[tuple[Node, Node]] = []
        if self._key:
            several = self._several(part)
            cases.append((several, self.place("conflicting_duplicate")))
            copies = nodes.count_rows()
            kept = [(several, copies)]
            if self.by_line:
                kept.append((nodes.is_missing(nodes.column("line_id", part)), copies))
        if not self.by_line and "returns_order_id" in self.shop.names:
            positive = _is_positive(part, nodes.column("amount_minor", part))
            cases.append((positive, self.place("positive_return")))
        columns["reason"] = nodes.choose(cases, nodes.nothing("int"))
        columns["copies"] = copies
        columns["lines"] = nodes.choose(kept, nodes.number(1)) if kept else copies
        query = nodes.select(columns, nodes.table(part))
        if not self._key:
            return query
        return query.group_by(*(nodes.column(name, part) for name in (*names, "reason")))

    def _several(self, part: str) -> Node:
        """Return whether different rows have a row's key; a line without an id has none."""
        group = [nodes.column(name, part) for name in self._key]
        several = nodes.compare(nodes.over(nodes.count_rows(), group), ">", nodes.number(1))
        named = [nodes.negate(nodes.is_missing(one)) for one in group[1:]]
        return nodes.all_of([*named, several])

    # Orders of lines

    @property
    def _shared(self) -> list[str]:
        """What an order has once, and so has each return of another order within it."""
        names = [name for name in PASSED_ON if name in self.shop.names]
        return [*names, *(["status"] if self.has_status else [])]

    @property
    def _added(self) -> dict[str, str]:
        """What the lines of an order are added up in: the column of each measure."""
        there = {"amount": "amount_minor", "quantity": "quantity"}
        return there if "quantity" in self.shop.names else {"amount": "amount_minor"}

    def _pieces(self) -> Query:
        """Put lines together that agree: an order without contradictions is one such piece."""
        part = self.part("single rows")
        keys = {name: nodes.column(name, part) for name in (*self._shared, "reason")}
        columns = {**keys, "placed_us": nodes.aggregate("MIN", nodes.column("placed_us", part))}
        times = self.shop.dialect.wide(nodes.column("lines", part))
        for measure, name in self._added.items():
            value = self.shop.dialect.wide(nodes.column(name, part))
            for key, one in (("total", value), ("reach", self._absolute(value))):
                product = nodes.compute(one, "*", times)
                columns[f"{measure} {key}"] = nodes.aggregate("SUM", product)
        for name in ("copies", "lines"):
            columns[name] = nodes.cast(nodes.aggregate("SUM", nodes.column(name, part)), "bigint")
        return nodes.select(columns, nodes.table(part)).group_by(*keys.values())

    def _absolute(self, value: Node) -> Node:
        zero = self.shop.dialect.wide_number(0)
        below = nodes.compare(value, "<", zero)
        return nodes.choose([(below, nodes.compute(zero, "-", value))], value)

    def _told(self) -> Query:
        """Tell pieces that have another beside them in one order or return, or its customer not.

        A missing customer, status, channel or promotion is a value like any other.
        """
        part = self.part("order pieces")
        order = self._in_groups(part, _OF_ORDER)
        of_customer = self._in_groups(part, (*_OF_ORDER, "customer_id"))
        odd = [
            nodes.compare(self._in_groups(part, _OF_PIECE), ">", nodes.number(1)),
            nodes.compare(of_customer, "<", order),
        ]
        told = nodes.choose([(nodes.any_of(odd), int_of(1))], int_of(0))
        return self.after("order pieces", {"odd": told})

    def _in_groups(self, part: str, names: Iterable[str]) -> Node:
        """Return how many pieces there are that are alike in some columns."""
        there = [*self._shared, "reason"]
        group = [nodes.column(name, part) for name in names if name in there]
        return nodes.over(nodes.count_rows(), group)

    def _judged_orders(self) -> Query:
        """Return the pieces, and why they are left out: with one, all of its order clash."""
        part = self.part("told pieces")
        group = [nodes.column(name, part) for name in _OF_ORDER]
        clash = nodes.over(nodes.aggregate("MAX", nodes.column("odd", part)), group)
        reason, most = nodes.column("reason", part), self.shop.dialect.wide_number(nodes.INT64_MAX)
        wrong = int_of(self.errors[TOO_MUCH])
        cases = [
            (nodes.negate(nodes.is_missing(reason)), reason),
            (nodes.compare(clash, ">", int_of(0)), self.place("conflicting_order")),
            (nodes.compare(nodes.column("amount reach", part), ">", most), wrong),
        ]
        if "returns_order_id" in self.shop.names:
            total = nodes.column("amount total", part)
            cases.append((_is_positive(part, total), self.place("positive_return")))
        if "quantity" in self._added:
            cases.append((nodes.compare(nodes.column("quantity reach", part), ">", most), wrong))
        names = [*self._shared, "placed_us", "lines", "copies"]
        columns = {name: nodes.column(name, part) for name in names}
        for measure in self._added:
            columns[f"{measure} total"] = nodes.column(f"{measure} total", part)
        columns["reason"] = nodes.choose(cases, nodes.nothing("int"))
        return nodes.select(columns, nodes.table(part))

    def _whole_orders(self) -> Query:
        """Return orders and returns with what they add up to, where it fits."""
        part = self.part("judged orders")
        names = [*self._shared, "placed_us", "lines", "copies", "reason"]
        columns = {name: nodes.column(name, part) for name in names}
        fine = nodes.is_missing(nodes.column("reason", part))
        for measure, name in self._added.items():
            total = nodes.cast(nodes.column(f"{measure} total", part), "bigint")
            columns[name] = nodes.choose([(fine, total)])
        return nodes.select(columns, nodes.table(part))


def _is_positive(part: str, amount: Node) -> Node:
    """Return whether a row that names an order it returns brings no money back."""
    linked = nodes.negate(nodes.is_missing(nodes.column("returns_order_id", part)))
    return nodes.all_of([linked, nodes.compare(amount, ">=", nodes.number(0))])
