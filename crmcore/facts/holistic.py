"""Facts that need all rows of a customer at once, and those over lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Codes, Column, Ints, Mask
from crmcore.errors import DataError
from crmcore.facts.books import Books
from crmcore.facts.finishing import nothing, refuse_beyond
from crmcore.facts.measures import Chosen, watch_of
from crmcore.facts.selection import Selection, narrow
from crmcore.facts.spec import Fact
from crmcore.facts.tallying import tally

__all__ = ["Holistic"]


class Holistic:
    """One fact in the making, from the rows or lines selected for it."""

    def __init__(self, name: str, fact: Fact, books: Books) -> None:
        self.name = name
        self.fact = fact
        self.books = books
        self.orders = books.orders
        self.groups = len(books.orders.customer_ids)
        self.type = fact.field_type(name, self.orders.currency.exponent)

    def column(self) -> Column:
        """Return the column, one row for each customer of the orders.

        Raises
        ------
        DataError
            When a customer's absolute amounts add up beyond 64 bits.
        """
        selection = self._selected()
        if self.fact.take == "count":
            return self._column(kernels.count(selection.codes, self.groups))
        if self.fact.take == "distinct":
            return self._distinct(selection)
        found = self._values(selection)
        if found is None:
            return nothing(self.type, self.groups)
        return self._aggregated(*found)

    def _aggregated(self, codes: Codes, values: Ints) -> Column:
        groups = self.groups
        if self.fact.take == "sum":
            return self._column(self._add(codes, values))
        counts = kernels.count(codes, groups)
        match self.fact.take:
            case "mean":
                return self._column(self._add(codes, values), counts > 0, counts)
            case "min":
                return self._column(kernels.smallest(codes, values, groups), counts > 0)
            case "max":
                return self._column(kernels.largest(codes, values, groups), counts > 0)
            case "median":
                return self._column(kernels.lower_median(codes, values, groups), counts > 0)
        self._check_spread(codes, values)
        return self._column(kernels.spread(codes, values, groups), counts > 1)

    def _distinct(self, selection: Selection) -> Column:
        fact, orders = self.fact, self.orders
        if fact.measure in ("product", "category"):
            lines = orders.lines
            given = lines.product if fact.measure == "product" else lines.category
            if fact.of != "line":
                selection = self.books.lines_of(selection)
        else:
            given = orders.channel if fact.measure == "channel" else orders.promotion
        if given is None:
            return nothing(self.type, self.groups)
        codes = selection.of(given.codes)
        return self._column(kernels.distinct(selection.codes, codes, self.groups))

    # What is aggregated

    def _selected(self) -> Selection:
        fact, books = self.fact, self.books
        if fact.of != "line":
            return books.select(Chosen(fact.of, fact.window, fact.where))
        lines = books.lines_of(books.select(Chosen("sale", fact.window)))
        if fact.where is None:
            return lines
        return narrow(lines, fact.where, "line", self.orders, books.statuses(fact.window))

    def _values(self, selection: Selection) -> tuple[Codes, Ints] | None:
        """Return the customer and the value of each thing that is aggregated."""
        match self.fact.measure:
            case "gap_days":
                placed = selection.of(self.orders.placed_us)
                known = selection.codes < self.groups
                days = self.books.timing.zone.local_days(placed[known])
                return kernels.gaps(selection.codes[known], days)
            case "quantity":
                return self._quantities(selection)
        match self.fact.of:
            case "sale":
                return selection.codes, selection.of(self.books.left(self.fact.window))
            case "return":
                return selection.codes, -selection.of(self.orders.amount_minor)
            case "line":
                return selection.codes, selection.of(self.orders.lines.amount_minor)
            case _:
                return selection.codes, selection.of(self.orders.amount_minor)

    def _quantities(self, selection: Selection) -> tuple[Codes, Ints] | None:
        source = self.orders.lines if self.fact.of == "line" else self.orders
        if source.quantity is None:
            return None
        if source.quantity_known is not None:
            selection = selection.where(selection.of(source.quantity_known))
        return selection.codes, selection.of(source.quantity)

    # Sums and columns

    def _add(self, codes: Codes, values: Ints) -> Ints:
        self._check(codes, values)
        return kernels.add(codes, values, self.groups)

    def _check(self, codes: Codes, values: Ints) -> None:
        beyond = kernels.overflows(codes, values, self.groups)
        if len(beyond):
            message = "the absolute amounts of a customer add up beyond 64 bits"
            raise DataError(message, column=self.name, count=len(beyond))

    def _check_spread(self, codes: Codes, values: Ints) -> None:
        """Refuse what the sum of the same values would refuse: of sales, also their returns."""
        if self.fact.of != "sale" or self.fact.measure != "value":
            self._check(codes, values)
        elif not self.books.is_roomy("left"):
            watch = watch_of(self.fact)
            asked = [one for one in (watch.total, watch.gross, watch.high) if one is not None]
            refuse_beyond(self.name, watch, tally(self.books, asked))

    def _column(
        self, values: NDArray[np.generic], known: Mask | None = None, divisor: Ints | None = None
    ) -> Column:
        if known is not None and known.all():
            known = None
        return Column(self.type.kind, values, known, divisor, self.type.exponent)
