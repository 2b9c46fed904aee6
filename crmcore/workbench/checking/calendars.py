"""Windows that ought to tile the time between scheduled evaluations, and do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Final

import numpy as np

from crmcore.calendars import Moments, Window, day_number, shift_days, to_date
from crmcore.policy import Policy
from crmcore.workbench.checking.report import PolicyFinding

__all__ = ["findings"]

_EVALUATIONS: Final = 48  # leap years come among them


def findings(policy: Policy) -> list[PolicyFinding]:
    """Return the windows as long as the time between evaluations that overlap or leave gaps."""
    return [
        finding
        for name, window in policy.windows.items()
        if (finding := _finding(policy, name, window)) is not None
    ]


def _finding(policy: Policy, name: str, window: Window) -> PolicyFinding | None:
    every = policy.evaluation.every
    if every is None or window.tiles != every:
        return None
    for (before, _, last), (after, first, _) in pairwise(_windows(policy, window)):
        days = (last - first).days + 1
        if days:
            number = "one day" if abs(days) == 1 else f"{abs(days)} days"
            what = f"share {number}" if days > 0 else f"leave out {number} between them"
            message = (
                f"the windows of the evaluations on {before} and {after} {what}: "
                "an anchor on day 28 or earlier avoids that"
            )
            return PolicyFinding("tiles_overlap", "warning", f"windows.{name}", message)
    return None


def _windows(policy: Policy, window: Window) -> Iterator[tuple[date, date, date]]:
    """Yield scheduled evaluations with the first and last day of the window."""
    anchor, every = policy.evaluation.anchor, policy.evaluation.every
    assert anchor is not None  # as it is scheduled
    assert every is not None
    day = np.array([day_number(anchor)], np.int64)
    for _ in range(_EVALUATIONS):
        held = policy.evaluation.held(Moments.at_end_of(day, policy.zone), policy.zone)
        first, last = window.bounds(held, policy.zone)
        ends = policy.zone.local_days(np.concatenate([first, last])).tolist()
        yield to_date(held.day[0]), to_date(ends[0]), to_date(ends[1])
        # A little further than the next one, whatever the month's length.
        day = shift_days(held.day, every, 1) + (3 if every.months else 0)
