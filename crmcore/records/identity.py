"""Who is one person: a dated map from customer ids to person ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from crmcore import kernels
from crmcore.calendars import instant_us
from crmcore.columns import Codes, Ints
from crmcore.errors import DataError
from crmcore.records.customers import CustomerTable
from crmcore.records.ids import Id, Ids, bad_ids, code_ids
from crmcore.records.orders import OrderTable, relink
from crmcore.records.raw import raw_column

__all__ = ["IdentityMap"]


@dataclass(frozen=True, slots=True, eq=False)
class IdentityMap:
    """Which customer ids belong to one person, since when, and since when that is known.

    A later entry about a customer replaces an earlier one; an entry that names the customer
    itself separates it again. The map is applied before anything is counted. A person's
    attributes are those of the customer record with the person's own id, or, where there is none,
    of the lowest of their customer ids.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> merged = IdentityMap.from_rows(
    ...     [("guest-7", "C1", datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))]
    ... )
    >>> len(merged)
    1
    """

    ids: Ids
    customer: Codes
    person: Codes
    since_us: Ints
    known_us: Ints

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def from_rows(
        cls, rows: Iterable[tuple[Id, Id | None, datetime, datetime | None]]
    ) -> IdentityMap:
        """Build from (customer id, person id, since, known since); no person id: separated.

        Where it is not stated since when an entry is known, that is when it took effect.
        """
        entries = list(rows)
        customers = [customer for customer, _, _, _ in entries]
        persons = [customer if person is None else person for customer, person, _, _ in entries]
        raw = raw_column("customer_id", [*customers, *persons])
        if raw.missing is not None or bad_ids(raw, "customer_id") is not None:
            raise DataError("an identity map needs ids in every row", column="customer_id")
        codes, ids = code_ids(raw, "customer_id")
        since = [instant_us(moment) for _, _, moment, _ in entries]
        known = [instant_us(moment if late is None else late) for _, _, moment, late in entries]
        return cls(
            ids,
            codes[: len(entries)],
            codes[len(entries) :],
            np.array(since, np.int64),
            np.array(known, np.int64),
        )

    def person_of(self, ids: Ids, *, as_of_us: int, known_us: int) -> tuple[Ids, Ints, Ints]:
        """Return the person of each id, as of a moment and as known at another.

        Returns
        -------
        Ids, Ints, Ints
            All ids there are; the position in them of each id given, and of its person.

        Raises
        ------
        DataError
            When entries lead round in a circle.
        """
        everybody, place, own = ids.merge(self.ids)
        target = np.arange(len(everybody))
        valid = np.flatnonzero((self.since_us <= as_of_us) & (self.known_us <= known_us))
        order = valid[np.lexsort((self.person[valid], self.known_us[valid], self.since_us[valid]))]
        target[own[self.customer[order]]] = own[self.person[order]]
        return everybody, place, _roots(target)[place]

    def apply_to_orders(self, orders: OrderTable, *, as_of_us: int, known_us: int) -> OrderTable:
        """Return the orders with persons in place of customers."""
        everybody, _, person = self.person_of(
            orders.customer_ids, as_of_us=as_of_us, known_us=known_us
        )
        codes, persons = kernels.encode(person)
        customer = np.append(codes, len(persons)).astype(codes.dtype)[orders.customer]
        return relink(replace(orders, customer_ids=everybody.take(persons), customer=customer))

    def apply_to_customers(
        self, customers: CustomerTable, *, as_of_us: int, known_us: int
    ) -> CustomerTable:
        """Return one record a person: their own, or that of their lowest customer id."""
        everybody, place, person = self.person_of(
            customers.ids, as_of_us=as_of_us, known_us=known_us
        )
        codes, persons = kernels.encode(person)
        row = np.arange(len(codes))
        best = np.where(person == place, row, row + len(codes))
        chosen = kernels.smallest(codes, best, len(persons)) % max(len(codes), 1)
        return customers.take(chosen, everybody.take(persons))


def _roots(target: Ints) -> Ints:
    """Follow each pointer to its end, doubling the stride each time."""
    reached = target
    for _ in range(len(target).bit_length() + 1):
        reached = reached[reached]
    if not (target[reached] == reached).all():
        circle = int(np.count_nonzero(target[reached] != reached))
        raise DataError("identities lead round in a circle", column="person_id", count=circle)
    return reached
