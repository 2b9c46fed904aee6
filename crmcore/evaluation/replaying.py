"""One customer's orders as they were at other moments: known, merged, and without the news."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from crmcore.calendars import instant_us, moments
from crmcore.columns import Ints, Mask
from crmcore.evaluation.pipeline import Ledger
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.ids import Id, Ids
from crmcore.records.orders import RETURN, UNLINKED, OrderTable
from crmcore.records.reading import SINCE_EVER, STATUSES
from crmcore.timing import Timing

__all__ = ["Books", "Moment", "moment_of", "without_news"]

_PLACED = STATUSES.index("placed")


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The moment of one result: its policy, what was known, and the evaluation before.

    `known_us` is the moment as of which rows were known for facts of the moment itself,
    `held_us` that for facts with a window; `last_evaluated_us` as for `decide`.
    """

    policy: Policy
    timing: Timing
    known_us: int
    held_us: int
    last_evaluated_us: Ints | None

    @property
    def at_us(self) -> int:
        """The moment itself."""
        return int(self.timing.now.at[0])


def moment_of(
    policy: Policy,
    orders: OrderTable,
    day: date,
    known_at: datetime | None,
    last_evaluated_at: date | None,
) -> Moment:
    """Return the moment of a result, as `evaluate` takes its arguments."""
    now = moments(day, policy.zone)
    held = policy.evaluation.held(now, policy.zone)
    known, held_known = int(now.at[0]), int(held.at[0])
    if known_at is not None:
        known = held_known = instant_us(known_at)
    last = held.at if policy.evaluation.every is not None else None
    if last_evaluated_at is not None:
        last = moments(last_evaluated_at, policy.zone).at
    return Moment(policy, Timing(policy.zone, now, held), known, held_known, last)


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """Everything about one customer, in whatever way it was known and merged."""

    orders: OrderTable
    customers: CustomerTable | None
    identity: IdentityMap | None
    customer_id: Id

    def knows(self, moment: Moment) -> bool:
        """Tell whether there is anything of the customer at a moment."""
        customers = self.customers_as(moment)
        recorded = customers is not None and len(customers) > 0
        return recorded or len(self.orders_as(moment, moment).now) > 0

    def orders_as(self, known: Moment, merged: Moment) -> Ledger:
        """Return the customer's orders as known at one moment, and as merged at another."""
        orders = self._of_candidates(merged)
        if self.identity is not None:
            orders = self.identity.apply_to_orders(
                orders, as_of_us=merged.at_us, known_us=merged.known_us
            )
        own = orders.of_customer(self.customer_id)
        now = own.known_at(known.known_us)
        return Ledger(now, now if known.held_us == known.known_us else own.known_at(known.held_us))

    def customers_as(self, merged: Moment) -> CustomerTable | None:
        """Return the customer's record; none where it belonged to somebody else."""
        if self.customers is None:
            return None
        customers = _only(self.customers, self._candidates(merged))
        if self.identity is not None:
            customers = self.identity.apply_to_customers(
                customers, as_of_us=merged.at_us, known_us=merged.known_us
            )
        return _only(customers, Ids.of([self.customer_id]))

    def _of_candidates(self, merged: Moment) -> OrderTable:
        """Return the orders of all ids that are this customer, still under their own ids."""
        orders, ids = self.orders, self._candidates(merged)
        place = ids.find(orders.customer_ids)
        lookup = np.append(place, len(ids))
        rows = np.flatnonzero(np.append(place >= 0, False)[orders.customer])
        table = orders.take(rows)
        return replace(table, customer_ids=ids, customer=lookup[table.customer])

    def _candidates(self, merged: Moment) -> Ids:
        own = Ids.of([self.customer_id])
        if self.identity is None:
            return own
        everybody, _, person = self.identity.person_of(
            self.identity.ids, as_of_us=merged.at_us, known_us=merged.known_us
        )
        mine = person == everybody.locate(self.customer_id)
        return own.merge(self.identity.ids.take(mine))[0]


def _only(customers: CustomerTable, ids: Ids) -> CustomerTable:
    place = customers.ids.find(ids)
    return customers.take(place[place >= 0], ids.take(place >= 0))


def without_news(ledger: Ledger, start_us: int, end_us: int) -> Iterator[Ledger]:
    """Yield the orders without any news between two moments, then with one kind after the other.

    First without any; then with changes of status; then with returns of earlier orders, and of no
    order; then with everything.
    """
    pair = [_without_news(table, start_us, end_us) for table in (ledger.now, ledger.held)]
    for now, held in zip(*pair, strict=True):
        yield Ledger(now, held)


def _without_news(orders: OrderTable, start_us: int, end_us: int) -> Iterator[OrderTable]:
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
    placed = np.where(rows, end_us + 1, orders.placed_us)
    return replace(orders, placed_us=placed, latest_us=max(orders.latest_us, end_us + 1))


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
