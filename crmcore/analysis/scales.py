"""Scales: facts that say when something was, in whatever unit, as instants of one clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from crmcore.calendars import DAY_US
from crmcore.columns import Ints
from crmcore.facts import Fact
from crmcore.timing import Timing

__all__ = ["TIMES", "Clock"]

TIMES: Final = {
    "first": "first",
    "last": "last",
    "days_since_first": "first",
    "days_since_last": "last",
}
"""Which of the orders a fact is the time of."""

_SECOND_US: Final = 10**6


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns dates, instants and days since into instants, and back.

    Parameters
    ----------
    timing
        The zone, and the moments from which days are counted; ``None`` where policies differ in
        them. Then each unit is a scale of its own.
    """

    timing: Timing | None

    def is_one(self, kind: str, other: str) -> bool:
        """Whether times of these kinds can be compared."""
        return self.timing is not None or kind == other

    def spans(self, fact: Fact, kind: str, lows: Ints, highs: Ints) -> tuple[Ints, Ints]:
        """Return the first and the last instant of times from one value to another."""
        if kind == "instant":
            return lows, highs
        days = kind == "date"
        if self.timing is None:
            return (lows, highs) if days else (-highs, -lows)
        moment = self.timing.of(windowed=fact.window is not None)
        first, last = (lows, highs) if days else (moment.day - highs, moment.day - lows)
        ends = np.minimum(self.timing.zone.day_ends(last), moment.at)
        return self.timing.zone.day_starts(first), ends

    def value(self, fact: Fact, kind: str, at: int) -> int:
        """Return what a fact says of an instant."""
        if kind == "instant":
            return at
        if self.timing is None:
            return at if kind == "date" else -at
        day = int(self.timing.zone.local_days(np.array([at]))[0])
        moment = self.timing.of(windowed=fact.window is not None)
        return day if kind == "date" else int(moment.day[0]) - day

    def plainest(self, low: int, high: int, kind: str) -> int:
        """Return the last noon from one instant to another, else the last whole second."""
        if self.timing is not None:
            day = int(self.timing.zone.local_days(np.array([high]))[0])
            starts = self.timing.zone.day_starts(np.array([day, day - 1])).tolist()
            for noon in (start + DAY_US // 2 for start in starts):
                if low <= noon <= high:
                    return int(noon)
        elif kind != "instant":
            return high
        second = high - high % _SECOND_US
        return second if second >= low else high
