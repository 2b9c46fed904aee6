"""From orders to facts: one row a customer, as of a moment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import Window
from crmcore.columns import Column, Ints, Mask
from crmcore.errors import DataError
from crmcore.facts.selection import Books, Selection
from crmcore.facts.spec import Fact
from crmcore.records.orders import OrderTable
from crmcore.timing import Timing

__all__ = ["scatter", "summarise"]


def summarise(
    facts: Mapping[str, Fact],
    orders: OrderTable,
    *,
    timing: Timing,
    windows: Mapping[str, Window],
    sale_statuses: frozenset[str],
) -> dict[str, Column]:
    """Work out facts for the customers of an order table, in the order of its `customer_ids`.

    Parameters
    ----------
    facts
        Declarations by name; only these are computed.
    orders
        The orders.
    timing
        The moment, or one for each customer.
    windows
        The windows that the facts name.
    sale_statuses
        Statuses in which an order is a sale.

    Returns
    -------
    dict
        Counts and sums are 0 for a customer without such rows; everything else is missing there.
        A fact over a column that the orders do not have is missing for everybody.

    Raises
    ------
    DataError
        When a customer's absolute amounts add up beyond 64 bits.

    Notes
    -----
    Cost: a few passes over the rows for each (of, window, where) that occurs, and one grouped
    pass a fact. Medians, spreads, gaps and distinct counts sort.
    """
    books = Books(orders, timing, windows, sale_statuses)
    return {name: _Summary(name, fact, books).column() for name, fact in facts.items()}


class _Summary:
    """One fact in the making."""

    def __init__(self, name: str, fact: Fact, books: Books) -> None:
        self.name = name
        self.fact = fact
        self.books = books
        self.orders = books.orders
        self.groups = len(books.orders.customer_ids)
        self.type = fact.field_type(name, self.orders.currency.exponent)

    def column(self) -> Column:
        match self.fact.take:
            case "count":
                return self._column(self._counts(self.books.select(self.fact)))
            case "sum":
                return self._sum()
            case "mean":
                return self._mean()
            case "distinct":
                return self._distinct()
            case "share":
                return self._share()
            case "first" | "last" | "days_since_first" | "days_since_last":
                return self._time()
            case "min" | "max" | "median" | "spread":
                return self._of_values()

    def _sum(self) -> Column:
        if self._is_net():
            return self._column(self._net())
        found = self._values()
        if found is None:
            return self._nothing()
        return self._column(self._add(*found))

    def _mean(self) -> Column:
        found = self._values()
        if found is None:
            return self._nothing()
        counts = kernels.count(found[0], self.groups)
        total = self._net() if self._is_net() else self._add(*found)
        return self._column(total, counts > 0, divisor=np.maximum(counts, 1))

    def _distinct(self) -> Column:
        selection = self.books.select(self.fact)
        items = self._dimension(selection)
        if items is None:
            return self._nothing()
        return self._column(kernels.distinct(*items, self.groups))

    def _share(self) -> Column:
        selection = self.books.select(self.fact)
        items = self._dimension(selection)
        if items is None:
            return self._nothing()
        codes, marks = items
        part = kernels.count(codes[marks >= 0], self.groups)
        whole = self._counts(selection)
        return self._column(part, whole > 0, divisor=np.maximum(whole, 1))

    def _time(self) -> Column:
        selection = self.books.select(self.fact)
        placed = selection.of(self.orders.placed_us)
        pick = kernels.smallest if self.fact.take.endswith("first") else kernels.largest
        found = pick(selection.codes, placed, self.groups)
        known = self._counts(selection) > 0
        if self.type.kind == "instant":
            return self._column(found, known)
        days = np.zeros(self.groups, np.int64)
        days[known] = self.books.timing.zone.local_days(found[known])
        if self.type.kind == "int":
            days = self.books.timing.of(windowed=self.fact.window is not None).day - days
        return self._column(days, known)

    def _of_values(self) -> Column:
        found = self._values()
        if found is None:
            return self._nothing()
        codes, values = found
        counts = kernels.count(codes, self.groups)
        match self.fact.take:
            case "min":
                return self._column(kernels.smallest(codes, values, self.groups), counts > 0)
            case "max":
                return self._column(kernels.largest(codes, values, self.groups), counts > 0)
            case "median":
                return self._column(kernels.lower_median(codes, values, self.groups), counts > 0)
            case _:
                self._check(*(self._net_parts() if self._is_net() else found))
                return self._column(kernels.spread(codes, values, self.groups), counts > 1)

    # What is aggregated

    def _is_net(self) -> bool:
        """Tell whether the sum is of money left of sales, which returns reduce."""
        return self.fact.of == "sale" and self.fact.measure == "value"

    def _net(self) -> Ints:
        """Return the net sum: what is left of sales, less the returns that belong to none."""
        self._check(*self._net_parts())
        sold, back = self._net_rows()
        total = kernels.add(sold.codes, sold.of(self.books.left(self.fact.window)), self.groups)
        if len(back.codes):
            total += kernels.add(back.codes, back.of(self.orders.amount_minor), self.groups)
        return total

    def _net_rows(self) -> tuple[Selection, Selection]:
        back = self.books.unlinked_returns(self.fact.window)
        return self.books.sold(self.fact), self.books.narrow(back, self.fact)

    def _net_parts(self) -> tuple[Ints, Ints]:
        if self.books.roomy:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return self.books.parts(*self._net_rows(), self.fact.window)

    def _values(self) -> tuple[Ints, Ints] | None:
        """Return the customer and the value of each thing that is aggregated."""
        selection = self.books.select(self.fact)
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

    def _quantities(self, selection: Selection) -> tuple[Ints, Ints] | None:
        source = self.orders.lines if self.fact.of == "line" else self.orders
        if source.quantity is None:
            return None
        if source.quantity_known is not None:
            selection = selection.where(selection.of(source.quantity_known))
        return selection.codes, selection.of(source.quantity)

    def _dimension(self, selection: Selection) -> tuple[Ints, Ints] | None:
        measure = self.fact.measure
        if measure in ("product", "category"):
            lines = self.orders.lines
            given = lines.product if measure == "product" else lines.category
            if self.fact.of != "line":
                selection = self.books.lines_of(selection)
        else:
            given = self.orders.channel if measure == "channel" else self.orders.promotion
        if given is None:
            return None
        return selection.codes, selection.of(given.codes)

    # Columns

    def _counts(self, selection: Selection) -> Ints:
        return kernels.count(selection.codes, self.groups)

    def _add(self, codes: Ints, values: Ints) -> Ints:
        self._check(codes, values)
        return kernels.add(codes, values, self.groups)

    def _check(self, codes: Ints, values: Ints) -> None:
        beyond = kernels.overflows(codes, values, self.groups)
        if len(beyond):
            raise DataError(
                "the absolute amounts of a customer add up beyond 64 bits",
                column=self.name,
                count=len(beyond),
            )

    def _column(
        self, values: NDArray[np.generic], known: Mask | None = None, divisor: Ints | None = None
    ) -> Column:
        if known is not None and known.all():
            known = None
        return Column(self.type.kind, values, known, divisor, self.type.exponent)

    def _nothing(self) -> Column:
        nothing = np.zeros(self.groups, np.int64)
        divisor = np.ones(self.groups, np.int64) if self.type.kind == "ratio" else None
        return Column(
            self.type.kind, nothing, np.zeros(self.groups, np.bool_), divisor, self.type.exponent
        )


def scatter(column: Column, place: Ints, size: int, *, zero: bool) -> Column:
    """Return a column for more customers, at new positions.

    A customer without any row has a missing value or, with `zero`, the known value 0.
    """
    values = np.zeros(size, column.values.dtype)
    values[place] = column.values
    known = None
    if not zero or column.known is not None:
        known = np.zeros(size, np.bool_)
        known[place] = column.is_known()
    divisor = None
    if column.divisor is not None:
        divisor = np.ones(size, np.int64)
        divisor[place] = column.divisor
    return Column(column.kind, values, known, divisor, column.exponent, column.categories)
