"""What is asked: by which policy, as of when, as known when, and who is one person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from crmcore.calendars import instant_us, moments
from crmcore.columns import Ints
from crmcore.errors import DataError
from crmcore.evaluation.pipeline import Ledger
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.orders import OrderTable
from crmcore.timing import Timing

__all__ = ["Question", "last_evaluated"]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One evaluation as it is asked for, whatever the data.

    Parameters
    ----------
    policy
        Says how.
    timing
        The moment asked for, and the scheduled evaluation that still stands.
    asked_known_us
        The moment of knowledge asked for; ``None``: none.
    last_evaluated_us
        The evaluation before.
    identity
        Which customer ids are one person.
    """

    policy: Policy
    timing: Timing
    asked_known_us: int | None = None
    last_evaluated_us: Ints | None = None
    identity: IdentityMap | None = None

    @classmethod
    def of(
        cls,
        policy: Policy,
        as_of: date,
        known_at: datetime | None,
        last_evaluated_at: date | None,
        identity: IdentityMap | None,
    ) -> Question:
        """Return the question with all moments read."""
        if known_at is not None and not isinstance(known_at, datetime):
            raise DataError("give an aware datetime", column="known_at")
        now = moments(as_of, policy.zone)
        timing = Timing(policy.zone, now, policy.evaluation.held(now, policy.zone))
        known_us = None if known_at is None else instant_us(known_at)
        last = last_evaluated(policy, timing, last_evaluated_at)
        return cls(policy, timing, known_us, last, identity)

    @property
    def now_us(self) -> int:
        """The moment asked for."""
        return int(self.timing.now.at[0])

    @property
    def identity_moment(self) -> dict[str, int]:
        """The moments as of which it is asked who is one person."""
        known = self.now_us if self.asked_known_us is None else self.asked_known_us
        return {"as_of_us": self.now_us, "known_us": known}

    def known_us(self, orders: OrderTable) -> int | None:
        """Return the moment of knowledge; ``None`` where the orders do not record any."""
        if orders.known_us is None:
            return None
        return self.now_us if self.asked_known_us is None else self.asked_known_us

    def ledger(self, orders: OrderTable) -> Ledger:
        """Return the orders of persons as known at the moment and when results were held."""
        known_us = self.known_us(orders)
        held_us = int(self.timing.held.at[0])
        if self.identity is not None:
            orders = self.identity.apply_to_orders(orders, **self.identity_moment)
        return Ledger.of(orders, known_us, held_us if self.asked_known_us is None else known_us)

    def persons(self, customers: CustomerTable | None) -> CustomerTable | None:
        """Return one record a person."""
        if customers is None or self.identity is None:
            return customers
        return self.identity.apply_to_customers(customers, **self.identity_moment)


def last_evaluated(policy: Policy, timing: Timing, given: date | None) -> Ints | None:
    """Return the evaluation before: the one given, or the scheduled one of a policy that holds."""
    if given is not None:
        return moments(given, timing.zone).at
    return timing.held.at if policy.evaluation.every is not None else None
