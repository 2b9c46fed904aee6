"""The days as of which two policies are compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from crmcore.analysis import Scene
from crmcore.policy import Policy

__all__ = ["scenes"]

_OTHER_DAYS: Final = (
    date(2024, 12, 31),
    date(2025, 2, 1),
    date(2025, 3, 1),
    date(2026, 3, 1),
    date(2027, 3, 1),
    date(2103, 3, 1),
    date(2103, 5, 1),
    date(2103, 7, 1),
)
"""Back from one of them any span of 1 to 120 months is as long as it can be, from another as short.

A span of months that is as long as one of days on all of them is so on every day. Four years are
a day shorter only around 2100, which is no leap year: hence the late ones.
"""


def scenes(before: Policy, after: Policy, as_of: date | None) -> Iterator[Scene]:
    """Yield the scenes: the one asked for, or the usual one and some that tell spans apart."""
    policies = [before, after]
    yield Scene.of(policies, as_of)
    if as_of is None:
        for day in _OTHER_DAYS:
            yield Scene.of(policies, day)
