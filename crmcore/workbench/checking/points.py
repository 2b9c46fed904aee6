"""What is wrong in scores and grades: what nobody gets, what is missing, what falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis import Block, Shown, Space, witness_row
from crmcore.bands import BoundBands
from crmcore.columns import Column, Ints, Mask
from crmcore.facts import Fact
from crmcore.scoring import BandStep, NestedStep, SumStep
from crmcore.workbench.checking.report import PolicyFinding
from crmcore.workbench.checking.showing import shown_by, told

__all__ = ["findings"]

Graded: TypeAlias = BandStep | NestedStep | SumStep

_LATER: Final = ("last",)
_FEWER: Final = ("days_since_last",)
_MORE: Final = ("count", "sum", "mean", "min", "max", "median", "distinct")


def findings(space: Space) -> list[PolicyFinding]:
    """Return what is wrong in the scores and the grade of a policy."""
    found: list[PolicyFinding] = []
    blamed: set[tuple[str, str]] = set()
    for step in space.policies[0].steps:
        if isinstance(step, BandStep | NestedStep | SumStep):
            one = _of(space, step)
            if one is not None:
                found += one.outcomes()
                found += one.directions(blamed)
    return found


def _of(space: Space, step: Graded) -> _Graded | None:
    """Return a step with its column over all cells, unless cells do not tell it."""
    blocks = space.blocks_of(frozenset([step.name]))
    if len(blocks) != 1 or not all(axis.settable for axis in blocks[0].axes):
        return None
    return _Graded(space, step, blocks[0])


@dataclass(eq=False)
class _Graded:
    space: Space
    step: Graded
    block: Block

    @property
    def path(self) -> str:
        name = self.step.name
        return name if name == "grade" else f"scores.{name}"

    @cached_property
    def column(self) -> Column:
        return self.block.columns[0][self.step.name]

    @cached_property
    def there(self) -> Mask:
        """Where customers can be who have a value."""
        return self.block.possible & self.column.is_known()

    def shown(self, *places: int) -> tuple[Shown, ...]:
        """Return the customers of some cells; nobody when one of them cannot be made."""
        customers = [witness_row(self.space, self.block.cells_at(place)) for place in places]
        found = [one for one in customers if one is not None]
        return shown_by(self.space, found) if len(found) == len(places) else ()

    # What comes out

    def outcomes(self) -> Iterator[PolicyFinding]:
        given = set(np.unique(self.column.values[self.there]).tolist())
        if isinstance(self.step, BandStep | NestedStep):
            yield from self._never_given(given)
            yield from self._lost()
        if isinstance(self.step, BandStep):
            yield from self._low_edge(given)
        if len(given) == 1:
            value = self._name(given.pop())
            shown = self.shown(self.block.plainest(np.flatnonzero(self.there)))
            message = f"always {value}, for every customer who has one"
            yield PolicyFinding("constant", "warning", self.path, message, (), shown)

    def _never_given(self, given: set[int]) -> Iterator[PolicyFinding]:
        assert isinstance(self.step, BandStep | NestedStep)
        source = self.step.source
        for outcome in sorted(self.step.points - given):
            range_ = self._range_of_source()
            message = f"no value of {source} leads to {self._name(outcome)}{range_}"
            if self.column.categories:
                yield PolicyFinding("unreachable", "error", self.path, message)
            else:
                yield PolicyFinding("unreachable", "warning", self.path, message)

    def _range_of_source(self) -> str:
        """Say from where to where a score goes that is banded."""
        assert isinstance(self.step, BandStep | NestedStep)
        if self.space.policies[0].facts.get(self.step.source) is not None:
            return ""
        values = self._source_values(self.block.possible)
        return f": it goes from {values[0]:,} to {values[-1]:,}" if len(values) else ""

    def _source_values(self, where: Mask) -> list[int]:
        assert isinstance(self.step, BandStep | NestedStep)
        source = self.block.columns[0][self.step.source]
        values: list[int] = np.unique(source.values[where & source.is_known()]).tolist()
        return values

    def _lost(self) -> Iterator[PolicyFinding]:
        """Find scores without grade, and facts without points that no list takes care of."""
        assert isinstance(self.step, BandStep | NestedStep)
        name, source = self.step.name, self.block.columns[0][self.step.source]
        lost = self.block.possible & source.is_known() & ~self.column.is_known()
        if isinstance(self.step, NestedStep):
            lost &= self.block.columns[0][self.step.inside].is_known()
        places = np.flatnonzero(lost)
        (policy,) = self.space.policies
        is_fact = policy.step(self.step.source) is None
        if not len(places) or (is_fact and _reaches_a_list(self.space, name)):
            return
        shown = self.shown(self.block.plainest(places))
        if is_fact:
            such = ""
            if shown:
                value = told(policy, self.step.source, shown[0].customer[self.step.source])
                such = f", such as {value},"
            message = f"some values of {self.step.source}{such} have no {name}"
            yield PolicyFinding("lost", "note", self.path, message, (), shown)
            return
        values = self._source_values(lost)
        span = f"{values[0]:,}" if len(values) == 1 else f"between {values[0]:,} and {values[-1]:,}"
        can = "total can" if len(values) == 1 else "totals can"
        message = f"{self.step.source} {span} has no {name}: {len(values):,} {can} occur there"
        yield PolicyFinding("lost", "error", self.path, message, (), shown)

    def _low_edge(self, given: set[int]) -> Iterator[PolicyFinding]:
        assert isinstance(self.step, BandStep)
        bands = self.step.bands
        if self.step.source not in self.space.policies[0].fields or not len(bands.edges):
            return
        if self.space.policies[0].step(self.step.source) is None:
            return
        values, first = self._source_values(self.block.possible), int(bands.edges[0])
        lowest = bands.outcomes[1]
        if values and first < values[0] and lowest in given:
            message = (
                f"{self._name(lowest)} is from {first:,} on, but {self.step.source} "
                f"is never below {values[0]:,}"
            )
            yield PolicyFinding("low_edge", "note", self.path, message)

    def _name(self, outcome: int | None) -> str:
        labels = self.column.categories
        return repr(labels[outcome]) if labels and outcome is not None else f"{outcome} points"

    # Which way it goes

    def directions(self, blamed: set[tuple[str, str]]) -> Iterator[PolicyFinding]:
        """Find where more of a fact gives less; facts already blamed below are passed over."""
        for at, axis in enumerate(self.block.axes):
            if any((name, axis.name) in blamed for name in self.step.needs):
                blamed.add((self.step.name, axis.name))
                continue
            if not self._is_meant(axis.name):
                blamed.add((self.step.name, axis.name))
                continue
            rises, falls = self._moves(at)
            wanted = _better(axis.name, self.space.policies[0].facts.get(axis.name))
            wrong = falls if wanted > 0 else rises if wanted < 0 else None
            turning = bool(len(rises)) and bool(len(falls))
            if wrong is None and turning and isinstance(self.step, BandStep):
                wrong = falls if len(falls) < len(rises) else rises
            if wrong is None or not len(wrong):
                continue
            first = self.block.plainest(wrong[:, 0])
            pair = tuple(wrong[wrong[:, 0] == first][0].tolist())
            finding = self._wrong_way(axis.name, pair, turning=turning)
            if finding is not None:
                blamed.add((self.step.name, axis.name))
                yield finding

    def _is_meant(self, axis: str) -> bool:
        """Whether a way is wanted: which table is used inside other points is on purpose."""
        if not isinstance(self.step, NestedStep):
            return True
        return axis in self.space.axes_of(self.step.source)

    def _moves(self, at: int) -> tuple[Ints, Ints]:
        """Return neighbouring cells on an axis between which the outcome rises, or falls."""
        axis = self.block.axes[at]
        if axis.type.kind in ("label", "text", "bool"):
            return np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)
        shape = [len(one) for one in self.block.axes]
        places = np.arange(len(self.block)).reshape(shape)
        low = np.moveaxis(places, at, 0)[:-1].reshape(-1)
        high = np.moveaxis(places, at, 0)[1:].reshape(-1)
        both = self.there[low] & self.there[high]
        if axis.cells[-1].is_missing:
            both &= self.block.places_of(axis.name)[high] < len(axis) - 1
        values = self.column.values.astype(np.int64)
        change = np.where(both, values[high] - values[low], 0)
        pairs = np.stack([low, high], axis=1)
        return pairs[change > 0], pairs[change < 0]

    def _wrong_way(
        self, fact: str, pair: tuple[int, int], *, turning: bool
    ) -> PolicyFinding | None:
        shown = self.shown(*pair)
        if len(shown) < 2:
            return None
        before, after = (one.customer[fact] for one in shown)
        then, now = (one.result[self.step.name] for one in shown)
        (policy,) = self.space.policies
        low, high = told(policy, fact, before), told(policy, fact, after)
        message = f"{fact} {low} gives {then}, but {high} gives {now}"
        if turning and isinstance(self.step, BandStep):
            message += f" ({_sequence(self.step.bands)})"
            return PolicyFinding("turning", "warning", self.path, message, (), shown)
        return PolicyFinding("falling", "warning", self.path, message, (), shown)


def _sequence(bands: BoundBands) -> str:
    given = [one for one in bands.outcomes[:-1] if one is not None]
    named = [bands.labels[one] if bands.labels else str(one) for one in given]
    return ", ".join(named)


def _better(name: str, fact: Fact | None) -> int:
    """Return whether more of a fact is better (1), worse (-1), or either (0)."""
    if fact is None or fact.field == "gap_days":
        return 0
    if fact.take in _FEWER:
        return 0 if fact.of == "return" else -1
    if fact.take in (*_MORE, *_LATER):
        if fact.of == "return":
            return -1 if fact.take in ("count", "sum") else 0
        return 1
    return 0


def _reaches_a_list(space: Space, name: str) -> bool:
    """Whether a list rests on a score, which then says what becomes of customers without it."""
    (policy,) = space.policies
    reached = {name}
    for step in policy.steps:
        if reached & set(step.needs):
            if step.name in ("class", "segment", "stage"):
                return True
            reached.add(step.name)
    return False
