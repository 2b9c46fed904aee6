"""Turning: where the answer of a test changes as one field moves, all others held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.calendars import DAY_US
from crmcore.columns import Column, Ints
from crmcore.conditions import Bound, FieldType, evaluate

__all__ = ["Moving", "evenly", "ladder"]

Answers: TypeAlias = NDArray[np.int64]

_PROBES: Final = 1_000
_MOMENTS: Final = ("date", "instant")


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """A condition as a question about one field.

    Parameters
    ----------
    name, type
        The field that moves.
    held
        Gives all other columns, with so many rows.
    """

    name: str
    type: FieldType
    held: Callable[[int], Mapping[str, Column]]

    def answers(self, bound: Bound, numbers: Ints) -> Answers:
        """Return 1 where a condition holds, 0 where not, -1 where it is unknown."""
        rows, type_ = len(numbers), self.type
        divisor = np.ones(rows, np.int64) if type_.kind == "ratio" else None
        moved = Column(type_.kind, numbers, None, divisor, type_.exponent)
        truth = evaluate(bound, {**self.held(rows), self.name: moved}, rows)
        true = truth.true.astype(np.int64)
        return true if truth.known is None else np.where(truth.known, true, -1)

    def turns(self, bound: Bound, rungs: Ints) -> list[int]:
        """Return each whole number at which the answer is another than just below it.

        Between two rungs, ascending numbers, that are answered alike nothing is looked for.
        """
        found = self.answers(bound, rungs)
        at = np.flatnonzero(found[1:] != found[:-1])
        low, high, first = rungs[at], rungs[at + 1], found[at]
        while len(low) and (high - low).max() > 1:
            middle = low + (high - low) // 2
            same = self.answers(bound, middle) == first
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        turned: list[int] = high.tolist()
        return turned


def evenly(low: int, high: int) -> Ints:
    """Return numbers from one to another, all as far apart."""
    step = max((high - low) // _PROBES, 1)
    return np.array([*range(low, high, step), high], np.int64)


def ladder(type_: FieldType, today: int) -> Ints:
    """Return numbers over the whole range of a field, close together where they are small."""
    low, high = type_.domain
    steps = {sign * 2**power + more for power in range(44) for sign in (1, -1) for more in (0, 1)}
    if type_.kind in _MOMENTS:
        unit = 1 if type_.kind == "date" else DAY_US
        steps = {(today + step) * unit for step in steps if abs(step) < 2**20}
    return np.array(sorted(one for one in {0, *steps} if low <= one <= high), np.int64)
