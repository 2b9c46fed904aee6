"""What deserves a look in the data behind a result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crmcore import kernels
from crmcore.evaluation.pipeline import Population
from crmcore.findings import Finding, findings_of_intake
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.ids import Ids
from crmcore.records.orders import RETURN, UNLINKED, OrderTable
from crmcore.timing import Timing

__all__ = ["Seen", "review", "review_customers"]

_AT_ONCE = 2**18


@dataclass(frozen=True, slots=True)
class Seen:
    """What is counted in a table of orders to tell what deserves a look.

    Parameters
    ----------
    rows
        Orders and returns.
    late
        Those after the moment asked for.
    unlinked
        Returns up to then that belong to no order.
    ordering
        Customers with an order up to then, counted until they are enough.
    """

    rows: int = 0
    late: int = 0
    unlinked: int = 0
    ordering: int = 0

    @classmethod
    def of(cls, orders: OrderTable, timing: Timing, *, enough: int | None) -> Seen:
        """Count in one table; it is enough to know of so many customers that there are more.

        ``None``: customers are not counted.
        """
        now = int(timing.now.at.max())
        late = kernels.above(orders.placed_us, now) if orders.latest_us > now else 0
        unlinked = orders.return_rows[orders.sale_of == UNLINKED]
        counting = (orders.status[unlinked] == RETURN) & (orders.placed_us[unlinked] <= now)
        ordering = 0
        if enough is not None:
            everybody = not late and not len(orders.return_rows)
            ordering = len(orders.customer_ids) if everybody else _ordering(orders, now, enough)
        return cls(len(orders), late, int(np.count_nonzero(counting)), ordering)

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.rows + other.rows,
            self.late + other.late,
            self.unlinked + other.unlinked,
            self.ordering + other.ordering,
        )


def _ordering(orders: OrderTable, now: int, enough: int) -> int:
    """Count customers with an order up to now, in as many of the rows as it takes."""
    seen, count = np.zeros(len(orders.customer_ids) + 1, np.bool_), 0
    for start in range(0, len(orders), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        ordered = (orders.status[rows] < RETURN) & (orders.placed_us[rows] <= now)
        seen[orders.customer[rows][ordered]] = True
        count = int(np.count_nonzero(seen[:-1]))
        if count > enough:
            break
    return count


def review(
    policy: Policy, seen: Seen, known_us: int | None, *, asked_known: bool
) -> Iterator[Finding]:
    """Return the findings about the orders, the scheme's own first."""
    minimum = policy.notes.minimum_customers
    if minimum is not None and seen.ordering <= minimum:
        yield Finding("scheme_condition_not_met", seen.ordering)
    if seen.late:
        yield Finding("orders_after_as_of", seen.late)
    if known_us is None and (seen.late or asked_known):
        yield Finding("as_known_now", seen.rows)
    if seen.unlinked:
        yield Finding("unlinked_returns", seen.unlinked)


def review_customers(
    ids: Ids, customers: CustomerTable | None, population: Population
) -> Iterator[Finding]:
    """Return the findings about the customers, given the ids of those who have orders."""
    if customers is None:
        return
    yield from findings_of_intake(customers.intake)
    unregistered = len(population) - len(customers)
    if unregistered:
        yield Finding("customers_not_registered", unregistered)
    if _of_different_kinds(ids, customers.ids):
        yield Finding("ids_of_different_kinds", unregistered)


def _of_different_kinds(left: Ids, right: Ids) -> bool:
    """Tell whether the ids of both sides differ in kind."""
    return len(left) > 0 and len(right) > 0 and left.kinds.keys().isdisjoint(right.kinds)
