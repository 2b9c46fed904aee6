"""From orders to facts: one row a customer, as of a moment."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crmcore.calendars import Window
from crmcore.columns import Column, Ints
from crmcore.facts.books import Books
from crmcore.facts.finishing import Finish
from crmcore.facts.holistic import Holistic
from crmcore.facts.partial import FactPlan
from crmcore.facts.spec import Fact
from crmcore.facts.tallying import tally
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
    place: Ints | None = None,
    size: int | None = None,
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
    place, size
        Where each customer stands among so many: then the columns are of all of these, who had
        no orders but for those placed.

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
    Cost: one pass over the rows for all facts of merge kind ``constant`` that do not look at
    lines. For the others a few passes for each (of, window, where) that occurs, and one grouped
    pass a fact; medians, spreads, gaps and distinct counts sort.
    """
    plan = FactPlan(facts, windows, sale_statuses)
    books = Books(orders, timing, windows, sale_statuses)
    everybody = len(orders.customer_ids) if place is None else size or 0
    figures = tally(books, plan.figures_alone(books), place, size)
    finish = Finish(figures, everybody, timing, orders.currency.exponent, owned=True)
    columns: dict[str, Column] = {}
    for name, fact in facts.items():
        if name in plan.recipes:
            columns[name] = finish.column(name, fact, plan.recipes[name])
            continue
        column = Holistic(name, fact, books).column()
        if place is not None:
            column = scatter(column, place, everybody, zero=not finish.type_of(name, fact).nullable)
        columns[name] = column
    return columns


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
