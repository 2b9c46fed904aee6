"""The moment as of which a policy is analysed: nothing here reads a clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from crmcore.calendars import moments, to_datetime
from crmcore.columns import Column, Ints, Value
from crmcore.conditions import thresholds
from crmcore.evaluation.pipeline import given_moments
from crmcore.policy import Policy
from crmcore.segments import TableStep
from crmcore.timing import Timing

__all__ = ["Scene"]

_USUAL = date(2025, 6, 30)
_LAST_YEAR = 2200  # literals beyond it mean "never", not a day to be analysed
_YEAR = timedelta(days=366)
_HALF_DAY_US = 12 * 60 * 60 * 10**6


@dataclass(frozen=True, slots=True)
class Scene:
    """When customers are looked at.

    Parameters
    ----------
    as_of
        The moment, as for `evaluate_facts`.
    last_evaluated_at
        The evaluation before: what conditions call by that name; ``None`` where there was none,
        but for policies that are evaluated at set times.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> Scene.of([load_policy("classic")])
    Scene(as_of=datetime.date(2025, 6, 30), last_evaluated_at=datetime.date(2025, 5, 30))
    """

    as_of: date
    last_evaluated_at: date | None

    @classmethod
    def of(cls, policies: Sequence[Policy], as_of: date | None = None) -> Scene:
        """Return the scene of some policies: that of the first whose evaluations are scheduled.

        Without `as_of` it is a day later than every date that they name, and for scheduled
        evaluations half a day after one of them.
        """
        given = as_of or max([_USUAL, *(_after(policy) for policy in policies)])
        for policy in policies:
            if policy.evaluation.every is not None:
                held = policy.evaluation.held(moments(given, policy.zone), policy.zone)
                last = to_datetime(int(held.at[0]))
                later = to_datetime(int(held.at[0]) + _HALF_DAY_US)
                return cls(given if as_of is not None else later, last)
        before = given - timedelta(days=31)
        return cls(given, before)

    def timing(self, policy: Policy) -> Timing:
        """Return the moments at which a policy takes its figures."""
        now = moments(self.as_of, policy.zone)
        return Timing(policy.zone, now, policy.evaluation.held(now, policy.zone))

    def given(self, policy: Policy) -> dict[str, Column]:
        """Return the moments that conditions may name, as columns of one row."""
        return given_moments(self.timing(policy), self.last_us(policy))

    def last_us(self, policy: Policy) -> Ints | None:
        """Return the evaluation before, as a policy sees it."""
        if self.last_evaluated_at is not None:
            return moments(self.last_evaluated_at, policy.zone).at
        return self.timing(policy).held.at if policy.evaluation.every is not None else None


def _after(policy: Policy) -> date:
    """Return a day more than a year after every date that a policy's conditions name."""
    named = [day for day in _days(policy) if day.year < _LAST_YEAR]
    return max(named, default=date.min) + _YEAR if named else date.min


def _days(policy: Policy) -> Iterator[date]:
    for step in policy.steps:
        if isinstance(step, TableStep):
            for condition in step.table.conditions:
                for _, literal in thresholds(condition):
                    day = _day(literal)
                    if day is not None:
                        yield day


def _day(literal: Value) -> date | None:
    if isinstance(literal, datetime):
        return literal.date()
    return literal if isinstance(literal, date) else None
