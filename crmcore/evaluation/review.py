"""What deserves a look in the data behind a result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crmcore.columns import Mask
from crmcore.evaluation.pipeline import Population
from crmcore.findings import Finding, findings_of_intake
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.ids import Ids
from crmcore.records.orders import RETURN, UNLINKED, OrderTable
from crmcore.timing import Timing

__all__ = ["review"]


def review(
    policy: Policy,
    orders: OrderTable,
    customers: CustomerTable | None,
    population: Population,
    timing: Timing,
    known_us: int | None,
    *,
    asked_known: bool,
) -> tuple[Finding, ...]:
    """Return the findings of one evaluation, the scheme's own first."""
    late = orders.placed_us > int(timing.now.at.max())
    found = [
        *_of_scheme(policy, orders, late),
        *_of_orders(orders, late, known_us, asked_known),
        *_of_customers(orders, customers, population),
        *findings_of_intake(orders.intake),
    ]
    return tuple(found)


def _of_scheme(policy: Policy, orders: OrderTable, late: Mask) -> Iterator[Finding]:
    minimum = policy.notes.minimum_customers
    if minimum is None:
        return
    ordering = len(orders.customer_ids)
    if len(orders.return_rows) or late.any():
        seen = np.zeros(ordering + 1, np.bool_)
        seen[orders.customer[(orders.status < RETURN) & ~late]] = True
        ordering = int(np.count_nonzero(seen[:-1]))
    if ordering <= minimum:
        yield Finding("scheme_condition_not_met", ordering)


def _of_orders(
    orders: OrderTable, late: Mask, known_us: int | None, asked_known: bool
) -> Iterator[Finding]:
    after = int(np.count_nonzero(late))
    if after:
        yield Finding("orders_after_as_of", after)
    if known_us is None and (after or asked_known):
        yield Finding("as_known_now", len(orders))
    unlinked = orders.return_rows[orders.sale_of == UNLINKED]
    counting = (orders.status[unlinked] == RETURN) & ~late[unlinked]
    if counting.any():
        yield Finding("unlinked_returns", int(np.count_nonzero(counting)))


def _of_customers(
    orders: OrderTable, customers: CustomerTable | None, population: Population
) -> Iterator[Finding]:
    if customers is None:
        return
    yield from findings_of_intake(customers.intake)
    unregistered = len(population) - len(customers)
    if unregistered:
        yield Finding("customers_not_registered", unregistered)
    if _of_different_kinds(orders.customer_ids, customers.ids):
        yield Finding("ids_of_different_kinds", unregistered)


def _of_different_kinds(left: Ids, right: Ids) -> bool:
    """Tell whether the ids of both sides differ in kind; ids of a kind stand together."""
    if len(left) == 0 or len(right) == 0:
        return False
    kinds = [set(map(type, ids[:1].tolist() + ids[-1:].tolist())) for ids in (left, right)]
    return kinds[0].isdisjoint(kinds[1])
