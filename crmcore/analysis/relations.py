"""Relations between facts: what no order of any customer could bring about.

Only what always holds is used, so that a witness could be a real customer:

- Who has no orders has a count of 0, sums of 0 (net sales apart, which unlinked returns reduce)
  and no first, last, mean, least or greatest one; and the other way round.
- Sales are orders. What is counted in a window is counted without it too, when policies look at
  the same moment; what meets a condition is among what is counted without it.
- A first is not after a last, a least is not above a greatest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import permutations
from typing import Final

import numpy as np

from crmcore.analysis.axes import Axis, Cell, Cut, Raw
from crmcore.columns import Mask
from crmcore.facts import Fact

__all__ = ["Relations"]

_ONE: Final[Cut] = (Fraction(1), 0)
_TWO: Final[Cut] = (Fraction(2), 0)
_ZERO: Final[tuple[Cut, ...]] = ((Fraction(0), 0), (Fraction(0), 1))
_ALWAYS_KNOWN: Final = ("mean", "min", "max", "median")
_TIMES: Final = ("first", "last", "days_since_first", "days_since_last")
_RANKS: Final = {"min": 0, "median": 1, "max": 2, "first": 0, "last": 2}


@dataclass(frozen=True, slots=True)
class Relations:
    """What holds between the facts of a policy.

    Parameters
    ----------
    facts
        The facts, by name.
    live
        Whether facts with and without a window are taken at one moment.
    found
        The answers of `impossible` so far.
    """

    facts: Mapping[str, Fact]
    live: bool
    found: dict[tuple[str, str], list[tuple[Mask, Mask]]] = field(default_factory=dict, repr=False)

    def cuts(self, name: str) -> tuple[Cut, ...]:
        """Return where an axis is cut so that relations are about whole cells."""
        fact = self.facts.get(name)
        if fact is None:
            return ()
        if fact.take in ("count", "distinct"):
            return (_ONE, _TWO)
        return _ZERO if fact.take == "sum" else ()

    def impossible(self, one: Axis, other: Axis) -> Sequence[tuple[Mask, Mask]]:
        """Return cells of one axis that cannot go with cells of another."""
        if one.name not in self.facts or other.name not in self.facts:
            return ()
        key = (one.name, other.name)
        if key not in self.found:  # a space has one axis of each name
            self.found[key] = list(self._impossible(one, other))
        return self.found[key]

    def _impossible(self, one: Axis, other: Axis) -> Iterator[tuple[Mask, Mask]]:
        for first, second in ((one, other), (other, one)):
            for mine, theirs in self._directed(first, second):
                if mine.any() and theirs.any():
                    yield (mine, theirs) if first is one else (theirs, mine)

    def _directed(self, one: Axis, other: Axis) -> Iterator[tuple[Mask, Mask]]:
        fact, more = self.facts[one.name], self.facts[other.name]
        if self._within(fact, more):
            yield _cells(one, fact, _present), _cells(other, more, _absent)
        if fact.field == "gap_days" and more.take == "count" and _same_rows(fact, more):
            yield _known(one), np.array([_at_most_one(cell) for cell in other.cells])
        if (one.name, other.name) in self._ordered([one.name, other.name]):
            yield from _falling(one, other)

    def _within(self, fact: Fact, more: Fact) -> bool:
        """Whether what the one looks at is among what the other looks at."""
        if fact.of != more.of and (fact.of, more.of) not in _AMONG:
            return False
        if more.where is not None and (fact.of != more.of or fact.where != more.where):
            return False
        return fact.window == more.window or (more.window is None and self.live)

    def settle(self, chosen: Mapping[str, Cell]) -> dict[str, Raw | None]:
        """Return a value of each cell, so that what is at most another is so."""
        pairs = self._ordered([name for name, cell in chosen.items() if not cell.is_missing])
        values = {name: cell.value for name, cell in chosen.items()}
        if all(_at_most(values[low], values[high]) for low, high in pairs):
            return values
        lows = {name: chosen[name].low or 0 for pair in pairs for name in pair}
        least = dict(lows)
        for low, high in pairs:
            lows[high] = max(lows[high], least[low])
        return values | lows

    def _ordered(self, names: Sequence[str]) -> set[tuple[str, str]]:
        """Return the pairs of facts of which the first is never above the second."""
        facts = [(name, self.facts[name]) for name in names if name in self.facts]
        return {
            (low, high)
            for (low, fact), (high, more) in permutations(facts, 2)
            if self._never_above(low, fact, high, more)
        }

    def _never_above(self, low: str, fact: Fact, high: str, more: Fact) -> bool:
        if low.endswith("_on") != high.endswith("_on") or "line" in (fact.of, more.of):
            return False
        fewer, wider = self._within(fact, more), self._within(more, fact)
        match fact.take, more.take:
            case ("count", "count"):
                return fewer
            case ("last", "last") | ("days_since_first", "days_since_first"):
                return fewer
            case ("first", "first") | ("days_since_last", "days_since_last"):
                return wider
            case ("first", "last") | ("days_since_last", "days_since_first"):
                return fewer or wider
            case (("min" | "median"), ("median" | "max")):
                same = fact.measure == more.measure and _same_rows(fact, more)
                return same and _RANKS[fact.take] < _RANKS[more.take]
        return False


_AMONG: Final = frozenset([("sale", "order"), ("line", "sale"), ("line", "order")])


def _same_rows(fact: Fact, other: Fact) -> bool:
    return (fact.of, fact.window, fact.where) == (other.of, other.window, other.where)


def _known(axis: Axis) -> Mask:
    return np.array([not cell.is_missing for cell in axis.cells], np.bool_)


def _present(fact: Fact, cell: Cell) -> bool:
    """Whether such a value takes at least one order (or sale, return, line)."""
    if fact.take in ("count", "distinct"):
        return not cell.is_missing and cell.value != 0
    if fact.take == "sum":
        net = fact.of == "sale" and fact.measure == "value"
        return not net and not cell.is_missing and cell.value != 0
    return not cell.is_missing


def _absent(fact: Fact, cell: Cell) -> bool:
    """Whether such a value takes that there is none."""
    if fact.take == "count":
        return cell.value == 0
    if fact.take in _TIMES:
        return cell.is_missing
    told = fact.take in _ALWAYS_KNOWN and fact.measure == "value" and fact.of != "line"
    return told and cell.is_missing


def _cells(axis: Axis, fact: Fact, holds: Callable[[Fact, Cell], bool]) -> Mask:
    return np.array([holds(fact, cell) for cell in axis.cells], np.bool_)


def _at_most_one(cell: Cell) -> bool:
    return cell.high is not None and cell.high <= 1


def _falling(low: Axis, high: Axis) -> Iterator[tuple[Mask, Mask]]:
    """Yield the cells of the lesser axis above those of the greater one."""
    tops = [cell.high for cell in high.cells]
    seen = -1
    for at, cell in enumerate(low.cells):
        if cell.low is None:
            continue
        under = np.array([top is not None and top < cell.low for top in tops], np.bool_)
        count = int(under.sum())
        if count > max(seen, 0):
            mine = np.array(
                [one.low is not None and spot >= at for spot, one in enumerate(low.cells)]
            )
            yield mine, under
        seen = count


def _at_most(low: Raw | None, high: Raw | None) -> bool:
    return low is None or high is None or (not isinstance(low, str) and low <= high)  # type: ignore[operator]
