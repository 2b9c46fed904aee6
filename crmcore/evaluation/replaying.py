"""One customer's orders as they were at other moments: known, merged, and without the news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from crmcore.columns import Mask
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.ids import Id, Ids, as_ids, find_ids, locate, unite
from crmcore.records.orders import RETURN, UNLINKED, OrderTable
from crmcore.records.reading import SINCE_EVER, STATUSES

__all__ = ["Books", "Moment", "hidden_news"]

_PLACED = STATUSES.index("placed")


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment, what was known then, and whether that is looked at for orders at all."""

    at_us: int
    known_us: int
    records: bool


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """Everything about one customer, in whatever way it was known and merged."""

    orders: OrderTable
    customers: CustomerTable | None
    identity: IdentityMap | None
    customer_id: Id

    def orders_as(self, known: Moment, merged: Moment) -> OrderTable:
        """Return the customer's orders as known at one moment, and as merged at another."""
        orders = self._of_candidates(merged)
        if known.records:
            orders = orders.known_at(known.known_us)
        if self.identity is not None:
            orders = self.identity.apply_to_orders(
                orders, as_of_us=merged.at_us, known_us=merged.known_us
            )
        return orders.of_customer(self.customer_id)

    def customers_as(self, merged: Moment) -> CustomerTable | None:
        """Return the customer's own record: none where it belonged to somebody else."""
        if self.customers is None:
            return None
        place = locate(self.customer_id, self.customers.ids)
        own = self.customers.take(np.array([place] if place >= 0 else [], np.int64))
        if self.identity is None:
            return own
        return self.identity.apply_to_customers(
            own, as_of_us=merged.at_us, known_us=merged.known_us
        )

    def _of_candidates(self, merged: Moment) -> OrderTable:
        """Return the orders of all ids that are this customer, still under their own ids."""
        orders, ids = self.orders, self._candidates(merged)
        place = find_ids(orders.customer_ids, ids)
        lookup = np.append(place, len(ids))
        rows = np.flatnonzero(np.append(place >= 0, False)[orders.customer])
        table = orders.take(rows)
        return replace(table, customer_ids=ids, customer=lookup[table.customer])

    def _candidates(self, merged: Moment) -> Ids:
        own = as_ids([self.customer_id])
        if self.identity is None:
            return own
        persons = self.identity.person_of(
            self.identity.ids, as_of_us=merged.at_us, known_us=merged.known_us
        )
        return unite(own, self.identity.ids[find_ids(persons, own) >= 0])


def hidden_news(orders: OrderTable, start_us: int, end_us: int) -> Iterator[OrderTable]:
    """Yield the orders without any news between two moments, then with one kind after the other.

    First without any; then with changes of status; then with returns of earlier orders, and of no
    order; then with everything.
    """
    placed = orders.placed_us
    new = (placed > start_us) & (placed <= end_us)
    returns = _returns_of_earlier(orders, new)
    plain = _without_status_changes(orders, start_us, end_us)
    yield _hidden(plain, new, end_us)
    yield _hidden(orders, new, end_us)
    yield _hidden(orders, new & ~returns, end_us)
    yield orders


def _hidden(orders: OrderTable, rows: Mask, end_us: int) -> OrderTable:
    """Return the table with rows put beyond the end: so they stay, linked, but do not count."""
    return replace(orders, placed_us=np.where(rows, end_us + 1, orders.placed_us))


def _returns_of_earlier(orders: OrderTable, new: Mask) -> Mask:
    """Mark the returns whose order is not new itself."""
    mask = np.zeros(len(orders), np.bool_)
    linked = orders.sale_of != UNLINKED
    of_new = linked & new[np.where(linked, orders.sale_of, 0)] if len(orders) else linked
    mask[orders.return_rows] = ~of_new
    return mask


def _without_status_changes(orders: OrderTable, start_us: int, end_us: int) -> OrderTable:
    if orders.status_us is None:
        return orders
    changed = (orders.status_us > start_us) & (orders.status_us <= end_us)
    before = np.where(orders.status >= RETURN, RETURN, _PLACED).astype(np.uint8)
    return replace(
        orders,
        status=np.where(changed, before, orders.status),
        status_us=np.where(changed, SINCE_EVER, orders.status_us),
    )
