"""The days as of which two policies are compared."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from crmcore.analysis import Scene
from crmcore.policy import Policy

__all__ = ["scenes"]

_OTHER_DAYS: Final = (date(2024, 3, 1), date(2024, 12, 31), date(2025, 3, 1), date(2025, 5, 1))
"""After months of 29, 30, 28 and 30 days, and after a leap day: where spans come apart."""


def scenes(before: Policy, after: Policy, as_of: date | None) -> Iterator[Scene]:
    """Yield the scenes: the one asked for, or the usual one and some that tell spans apart."""
    policies = [before, after]
    yield Scene.of(policies, as_of)
    if as_of is None:
        for day in _OTHER_DAYS:
            yield Scene.of(policies, day)
