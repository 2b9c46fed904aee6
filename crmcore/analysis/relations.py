"""Relations between facts: what no order of any customer could bring about.

What always holds is used for claims:

- Who has no orders has a count of 0, sums of 0 (net sales apart, which unlinked returns reduce)
  and no first, last, mean, least or greatest one; and the other way round.
- Sales are orders. What is counted in a window is counted without it too, when policies look at
  the same moment; what meets a condition is among what is counted without it.
- A first is not after a last, whether they are told as dates, instants or days since; nor is a
  first of more orders after a first of fewer. A least is not above a greatest, a mean neither.

What holds unless goods are returned without naming an order, or quantities are odd, is used only
to make up customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import permutations
from math import ceil, floor
from typing import Final

import numpy as np

from crmcore.analysis.axes import Axis, Cell, Cut
from crmcore.analysis.scales import TIMES, Clock
from crmcore.analysis.scene import Scene
from crmcore.columns import Ints, Mask
from crmcore.facts import Fact
from crmcore.kernels import INT64_MAX
from crmcore.policy import Policy
from crmcore.timing import Timing

__all__ = ["Relations", "among", "presence", "same_rows"]

_ONE: Final[Cut] = (Fraction(1), 0)
_TWO: Final[Cut] = (Fraction(2), 0)
_ZERO: Final[tuple[Cut, ...]] = ((Fraction(0), 0), (Fraction(0), 1))
_ALWAYS_KNOWN: Final = ("mean", "min", "max", "median")
_RANKS: Final = {"min": 0, "median": 1, "max": 2}


@dataclass(frozen=True)
class Relations:
    """What holds between the facts of a policy.

    Parameters
    ----------
    facts
        The facts, by name.
    live
        Whether facts with and without a window are taken at one moment.
    timing
        Of all policies; ``None`` where they differ in it, or only values of a kind are compared.
    usual
        Whether also what usually holds is told.
    windows
        The first and the last instant of the windows, by name; only of live policies.
    tied
        The axes of comparisons by name, each with the facts and attributes without any of which
        it is unknown.
    found
        The answers of `impossible` so far.
    """

    facts: Mapping[str, Fact]
    live: bool
    timing: Timing | None = None
    usual: bool = False
    windows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    tied: Mapping[str, frozenset[str]] = field(default_factory=dict)
    found: dict[tuple[str, str], list[tuple[Mask, Mask]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, policies: Sequence[Policy], scene: Scene) -> Relations:
        """Return what holds between the facts that mean the same in all policies."""
        facts = {name: fact for policy in policies for name, fact in policy.facts.items()}
        windows = {name: window for policy in policies for name, window in policy.windows.items()}
        for policy in policies:
            for name, fact in policy.facts.items():
                other = facts.get(name)
                window = fact.window or ""
                if other != fact or windows.get(window) != policy.windows.get(window):
                    facts.pop(name, None)
        live = all(policy.evaluation.every is None for policy in policies)
        if len({(policy.zone.name, str(policy.evaluation)) for policy in policies}) > 1:
            return cls(facts, live)
        timing, bounds = scene.timing(policies[0]), {}
        for name in {fact.window for fact in facts.values() if fact.window and live}:
            first, last = windows[name].bounds(timing.now, timing.zone)
            bounds[name] = int(first[0]), int(last[0])
        return cls(facts, live, timing, windows=bounds)

    def cuts(self, name: str) -> tuple[Cut, ...]:
        """Return where an axis is cut so that relations are about whole cells."""
        fact = self.facts.get(name)
        if fact is None:
            return ()
        if fact.take in ("count", "distinct"):
            gaps = any(other.field == "gap_days" for other in self.facts.values())
            return (_ONE, _TWO) if gaps else (_ONE,)
        return _ZERO if fact.take == "sum" else ()

    def impossible(self, one: Axis, other: Axis) -> Sequence[tuple[Mask, Mask]]:
        """Return cells of one axis that cannot go with cells of another."""
        facts = one.name in self.facts and other.name in self.facts
        if not facts and one.name not in self.tied and other.name not in self.tied:
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
        if other.name in self.tied.get(one.name, ()):
            yield _known(one), ~_known(other)
        if one.name not in self.facts or other.name not in self.facts:
            return
        fact, more = self.facts[one.name], self.facts[other.name]
        if self.within(fact, more):
            present, absent = (
                (_usually_present, _usually_absent) if self.usual else (_present, _absent)
            )
            yield _cells(one, fact, present), _cells(other, more, absent)
        if fact.field == "gap_days" and more.take == "count" and same_rows(fact, more):
            yield _known(one), np.array([_at_most_one(cell) for cell in other.cells])
        if fact.take in TIMES and fact.window is None and more.window in self.windows:
            yield from self._by_window(one, other)
        if (one.name, other.name) in self.pairs:
            yield from _crossing(self._spans(one), self._spans(other))

    def _by_window(self, one: Axis, other: Axis) -> Iterator[tuple[Mask, Mask]]:
        """Yield times in a window in which there is nothing, and before one with something."""
        lows, highs, known = self._spans(one)
        fact, more = self.facts[one.name], self.facts[other.name]
        start, end = self.windows[more.window or ""]
        if among(fact, more):
            yield known & (lows >= start) & (highs <= end), _cells(other, more, _absent)
        if among(more, fact) and TIMES[fact.take] == "last":
            yield known & (highs < start), _cells(other, more, _present)

    def within(self, fact: Fact, more: Fact) -> bool:
        """Whether what the one looks at is among what the other looks at."""
        same = fact.window == more.window or (self.live and self._reaches(fact, more))
        return same and among(fact, more)

    def _reaches(self, fact: Fact, more: Fact) -> bool:
        """Whether one window lies in the other, as seen from this moment."""
        inner, outer = self.windows.get(fact.window or ""), self.windows.get(more.window or "")
        if inner is None or outer is None:
            return more.window is None
        return outer[0] <= inner[0] and inner[1] <= outer[1]

    def ordered(self, names: Sequence[str]) -> set[tuple[str, str]]:
        """Return the pairs of facts of one kind of which the first is never above the second."""
        kinds = {
            name: self.facts[name].field_type(name, 0).kind for name in names if name in self.facts
        }
        found = {
            (low, high)
            for low, high in self.pairs
            if low in kinds and high in kinds and kinds[low] == kinds[high]
        }
        return {
            (high, low) if self.facts[low].take.startswith("days_since") else (low, high)
            for low, high in found
        }

    @cached_property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The facts of which the first is never above the second, times being instants."""
        return frozenset(
            (low, high) for low, high in permutations(self.facts, 2) if self._never_above(low, high)
        )

    @property
    def clock(self) -> Clock:
        """What makes instants of all times."""
        return Clock(self.timing)

    def _never_above(self, low: str, high: str) -> bool:
        fact, more = self.facts[low], self.facts[high]
        if (fact.of == "line") != (more.of == "line"):
            return self.usual and self._usually_fewer(fact, more)
        if fact.take in TIMES and more.take in TIMES:
            kinds = (one.field_type(name, 0).kind for name, one in ((low, fact), (high, more)))
            return self.clock.is_one(*kinds) and self._never_later(fact, more)
        if "count" in (fact.take, more.take):
            return self._never_more(fact, more)
        if fact.measure != more.measure:
            return False
        if same_rows(fact, more):
            return _RANKS.get(fact.take, 2) < _RANKS.get(more.take, 0) or self._is_mean(fact, more)
        return fact.measure != "gap_days" and self._is_part(fact, more)

    def _never_later(self, fact: Fact, more: Fact) -> bool:
        fewer, wider = self.within(fact, more), self.within(more, fact)
        match TIMES[fact.take], TIMES[more.take]:
            case ("last", "last"):
                return fewer
            case ("first", "first"):
                return wider
            case ("first", "last"):
                return fewer or wider
        return False

    def _never_more(self, fact: Fact, more: Fact) -> bool:
        """Whether fewer orders are counted, or what each of them has one of."""
        each_has_one = fact.of == "line" or fact.measure in ("channel", "promotion")
        counted = fact.take == "count" or (fact.take == "distinct" and each_has_one)
        return counted and more.take == "count" and self.within(fact, more)

    def _is_mean(self, fact: Fact, more: Fact) -> bool:
        """Whether a mean is at most the greatest; of net sales it may be below the least."""
        match fact.take, more.take:
            case ("mean", "max"):
                return True
            case ("min", "mean"):
                return self.usual or fact.of != "sale" or fact.measure != "value"
            case ("mean" | "max", "sum"):
                return self.usual
        return False

    def _is_part(self, fact: Fact, more: Fact) -> bool:
        """Whether figures of fewer orders are at most those of more; of an order a sale is left."""
        same, value = fact.of == more.of, fact.measure == "value"
        match fact.take, more.take:
            case ("max" | "mean", "max"):
                return (same or value) and self.within(fact, more)
            case ("distinct", "distinct"):
                return same and self.within(fact, more)
            case ("min", "min"):
                return same and self.within(more, fact)
            case ("sum", "sum"):
                always = value and more.of == "order"
                return (always or self.usual) and self.within(fact, more)
            case ("max" | "mean", "sum"):
                return self.usual and self.within(fact, more)
            case ("min", "mean"):
                return self.usual and same and self.within(more, fact)
        return False

    def _usually_fewer(self, fact: Fact, more: Fact) -> bool:
        """Whether there are usually at least as many items as sales."""
        items = more.of == "line" and more.take == "sum" and more.measure == "quantity"
        counted = fact.take in ("count", "distinct") and fact.of in ("sale", "line")
        return items and counted and more.where is None and fact.window == more.window

    def _spans(self, axis: Axis) -> _Spans:
        """Return the least and the greatest value of each cell, times as instants."""
        known, fact = _known(axis), self.facts[axis.name]
        cells = [cell for cell in axis.cells if not cell.is_missing]
        lows, highs = np.zeros((2, len(axis)), np.int64)
        if axis.type.kind == "ratio":
            lows[known], highs[known] = _around(cells)
        else:
            lows[known] = [cell.low or 0 for cell in cells]
            highs[known] = [cell.high or 0 for cell in cells]
            if fact.take in TIMES and known.any():
                spans = self.clock.spans(fact, axis.type.kind, lows[known], highs[known])
                lows[known], highs[known] = spans
        return lows, highs, known


_Spans = tuple[Ints, Ints, Mask]
_AMONG: Final = frozenset([("sale", "order"), ("line", "sale"), ("line", "order")])


def among(fact: Fact, more: Fact) -> bool:
    """Whether what the one looks at is among what the other does, windows apart."""
    if fact.of != more.of and (fact.of, more.of) not in _AMONG:
        return False
    return more.where is None or (fact.of == more.of and fact.where == more.where)


def same_rows(fact: Fact, other: Fact) -> bool:
    """Whether two facts look at the same orders, sales, returns or lines."""
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
    if fact.take in TIMES:
        return cell.is_missing
    told = fact.take in _ALWAYS_KNOWN and fact.measure == "value" and fact.of != "line"
    return told and cell.is_missing


def _usually_present(fact: Fact, cell: Cell) -> bool:
    """Whether such a value usually takes at least one order."""
    return _present(fact, cell) or (fact.take == "sum" and cell.value != 0)


def _usually_absent(fact: Fact, cell: Cell) -> bool:
    """Whether such a value usually takes that there is none."""
    items = fact.take == "distinct" and fact.measure in ("product", "category")
    return _absent(fact, cell) or ((items or fact.take == "sum") and cell.value == 0)


def presence(fact: Fact, cell: Cell) -> tuple[bool, bool]:
    """Return whether a value usually takes that there are orders, and that there are none."""
    return _usually_present(fact, cell), _usually_absent(fact, cell)


def _cells(axis: Axis, fact: Fact, holds: Callable[[Fact, Cell], bool]) -> Mask:
    return np.array([holds(fact, cell) for cell in axis.cells], np.bool_)


def _at_most_one(cell: Cell) -> bool:
    return cell.high is not None and cell.high <= 1


def _around(cells: Sequence[Cell]) -> tuple[list[int], list[int]]:
    """Return whole numbers around cells of ratios: no cell holds values of its neighbours."""
    known = [[Fraction(one) for one in cell.samples] for cell in cells]
    lows = [-INT64_MAX, *(_limited(floor(max(own))) for own in known[:-1])]
    highs = [*(_limited(ceil(min(own))) for own in known[1:]), INT64_MAX]
    return lows[: len(cells)], highs[-len(cells) :] if cells else []


def _limited(value: int) -> int:
    return max(-INT64_MAX, min(value, INT64_MAX))


def _crossing(low: _Spans, high: _Spans) -> Iterator[tuple[Mask, Mask]]:
    """Yield the cells of the lesser axis wholly above those of the greater one."""
    (starts, _, mine), (_, ends, theirs) = low, high
    tops = np.unique(ends[theirs])
    over = mine.sum() - np.searchsorted(np.sort(starts[mine]), tops, "right")
    told = over > np.append(over, 0)[1:]  # else a greater one says as much
    for top in tops[told].tolist():
        yield mine & (starts > top), theirs & (ends <= top)
