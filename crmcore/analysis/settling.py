"""Settling: plain values for the cells of a customer that go together.

Of times the last noon, of amounts a round one, of counts the least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import permutations
from math import ceil
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis.axes import WHOLE, Axis, Cell, Raw
from crmcore.analysis.relations import Relations, among, presence, same_rows
from crmcore.analysis.scales import TIMES
from crmcore.conditions import FieldType
from crmcore.facts import Fact

__all__ = ["settled"]

_Number: TypeAlias = int | Fraction
_Pairs: TypeAlias = Iterable[tuple[str, str]]

_ORDER: Final = ("count", "distinct", *TIMES, "mean", "sum", "min", "max", "median")
"""What later ones are fitted to stands before them."""
_ROUND: Final = (100, 50, 10, 5, 1)
_VALUES: Final = frozenset(["min", "median", "max", "mean", "sum"])


def settled(
    relations: Relations, axes: Mapping[str, Axis], cells: Mapping[str, Cell], *, plain: bool = True
) -> dict[str, Raw | None] | None:
    """Return a value of each cell, all of them together as relations allow.

    Parameters
    ----------
    relations
        What holds between facts.
    axes, cells
        The axes by name, and a cell of each.
    plain
        Whether to choose values that people would; else those that stand for the cells, as near
        as may be.

    Returns
    -------
    By name the value, ``None`` where the cell is of the missing one; ``None`` when no values of
    these cells go together.
    """
    values = {name: _alone(axes[name].type, cell, plain) for name, cell in cells.items()}
    together = _Together(relations, axes, cells, plain=plain)
    return values | together.values() if together.narrow(relations.pairs) else None


def _alone(type_: FieldType, cell: Cell, plain: bool) -> Raw | None:
    if plain and type_.kind == "money" and cell.low is not None and cell.high is not None:
        return _round(cell.low, cell.high, type_.exponent)
    return cell.value


class _Together:
    """The facts of one customer, each between a least and a greatest value."""

    def __init__(
        self,
        relations: Relations,
        axes: Mapping[str, Axis],
        cells: Mapping[str, Cell],
        *,
        plain: bool,
    ) -> None:
        self.relations, self.axes, self.cells, self.plain = relations, axes, cells, plain
        self.windows = relations.windows
        told = [
            name
            for name, cell in cells.items()
            if name in relations.facts
            and not cell.is_missing
            and (axes[name].type.kind in WHOLE or axes[name].type.kind == "ratio")
        ]
        self.names = sorted(told, key=lambda name: self._rank(relations.facts[name]))
        self.spans = {name: self._windowed(name, *self._span(name)) for name in self.names}
        self.pairs: list[tuple[str, str]] = []

    def _rank(self, fact: Fact) -> int:
        return _ORDER.index(fact.take) if fact.take in _ORDER else len(_ORDER)

    def _span(self, name: str) -> tuple[_Number, _Number]:
        cell, kind = self.cells[name], self.axes[name].type.kind
        if kind == "ratio":  # the samples of a cell surely lie in it, and all between them
            known = [Fraction(one) for one in (*cell.samples, *cell.edges)]
            return min(known), max(known)
        assert cell.low is not None  # as of all whole numbers
        assert cell.high is not None
        return self._as_times(name, cell.low, cell.high)

    def _windowed(self, name: str, low: _Number, high: _Number) -> tuple[_Number, _Number]:
        """Narrow the time of a first or last ever to what windows tell of it, if that can be."""
        facts = self.relations.facts
        if facts[name].take not in TIMES or facts[name].window is not None:
            return low, high
        least, most = low, high
        for other, cell in self.cells.items():
            if other not in facts or (window := facts[other].window or "") not in self.windows:
                continue
            start, end = self.windows[window]
            there, none = presence(facts[other], cell)
            if none and end >= high and among(facts[name], facts[other]):
                most = min(most, start - 1)
            if there and TIMES[facts[name].take] == "last" and among(facts[other], facts[name]):
                least = max(least, start)
        return (least, most) if least <= most else (low, high)

    def _as_times(self, name: str, low: int, high: int) -> tuple[int, int]:
        fact, kind = self.relations.facts[name], self.axes[name].type.kind
        if fact.take not in TIMES:
            return low, high
        spans = self.relations.clock.spans(fact, kind, np.array([low]), np.array([high]))
        return int(spans[0][0]), int(spans[1][0])

    def narrow(self, pairs: _Pairs) -> bool:
        """Narrow the facts down to what pairs allow; do nothing where that leaves nothing."""
        spans = dict(self.spans)
        known = [(low, high) for low, high in pairs if low in spans and high in spans]
        more = [*self.pairs, *(pair for pair in known if pair not in self.pairs)]
        if not _narrowed(spans, more):
            return False
        self.spans, self.pairs = spans, more
        return True

    def values(self) -> dict[str, Raw | None]:
        """Return a value of each fact, as the fact gives it."""
        facts = self.relations.facts
        times = next((at for at, name in enumerate(self.names) if facts[name].take in TIMES), None)
        for at, name in enumerate(self.names):
            if at == times and self.plain and self.relations.usual:
                self.narrow(self._of_single_ones())
            value = self._chosen(name)
            self.spans[name] = value, value
            _narrowed(self.spans, self.pairs)
        return {name: self._raw(name) for name in self.names}

    def _of_single_ones(self) -> Iterator[tuple[str, str]]:
        """Yield the facts that are equal as there is one order only."""
        facts = self.relations.facts
        for one in self.names:
            if facts[one].take == "count" and self.spans[one] == (1, 1):
                among = [
                    name
                    for name in self.names
                    if self.relations.within(facts[name], facts[one])
                    and (facts[name].take in TIMES or same_rows(facts[name], facts[one]))
                ]
                for low, high in permutations(among, 2):
                    takes = {facts[low].take, facts[high].take}
                    if takes <= TIMES.keys() or (
                        takes <= _VALUES and _like(facts[low], facts[high])
                    ):
                        yield low, high

    def _chosen(self, name: str) -> _Number:
        (low, high), fact = self.spans[name], self.relations.facts[name]
        if not self.plain:
            return min(max(self._standing(name), low), high)
        type_ = self.axes[name].type
        if fact.take in TIMES:
            return self.relations.clock.plainest(int(low), int(high), type_.kind)
        if fact.take == "mean":
            low, high = self._fitting(fact, low, high, lambda total, count: total / count)
        if fact.take == "sum":
            low, high = self._fitting(fact, low, high, lambda mean, count: mean * count)
        if type_.kind == "money" or type_.amount:
            return _round(low, high, type_.exponent)
        return min(max(self._standing(name), low), high)

    def _fitting(
        self,
        fact: Fact,
        low: _Number,
        high: _Number,
        other: Callable[[Fraction, Fraction], Fraction],
    ) -> tuple[_Number, _Number]:
        """Narrow a mean to the sum of as many, or the sum to the mean, where that is possible."""
        facts = self.relations.facts
        alike = [name for name in self.names if same_rows(facts[name], fact)]
        counts = [self.spans[name][0] for name in alike if facts[name].take == "count"]
        wanted = "sum" if fact.take == "mean" else "mean"
        spans = [
            self.spans[name]
            for name in alike
            if facts[name].take == wanted and _like(facts[name], fact)
        ]
        for count in counts[:1] if counts and counts[0] else ():
            for start, end in spans[:1]:
                least = max(low, other(Fraction(start), Fraction(count)))
                most = min(high, other(Fraction(end), Fraction(count)))
                if least <= most:
                    return least, most
        return low, high

    def _standing(self, name: str) -> _Number:
        """Return the value that stands for a cell, times as instants."""
        value = self.cells[name].value
        assert isinstance(value, int | Fraction)  # as of all of these kinds
        return self._as_times(name, value, value)[1] if isinstance(value, int) else value

    def _raw(self, name: str) -> Raw:
        value, fact = self.spans[name][0], self.relations.facts[name]
        kind = self.axes[name].type.kind
        if fact.take in TIMES:
            return self.relations.clock.value(fact, kind, int(value))
        return Fraction(value) if kind == "ratio" else int(value)


def _like(fact: Fact, other: Fact) -> bool:
    return fact.measure == other.measure and same_rows(fact, other)


def _is_one(fact: Fact, other: Fact) -> bool:
    """Whether two facts about a single order are the same."""
    takes = {fact.take, other.take}
    return takes <= TIMES.keys() or (takes <= _VALUES and _like(fact, other))


def _narrowed(spans: dict[str, tuple[_Number, _Number]], pairs: _Pairs) -> bool:
    """Narrow spans until the first of each pair can be at most the second; whether all are left."""
    changed = True
    while changed:
        changed = False
        for one, other in pairs:
            (low, high), (least, most) = spans[one], spans[other]
            if low > most:
                return False
            if high > most:
                spans[one], changed = (low, most), True
            if least < low:
                spans[other], changed = (low, most), True
    return True


def _round(low: _Number, high: _Number, exponent: int) -> _Number:
    """Return an amount that is easy to read: not negative, and not 0, if that can be."""
    if high < 0:
        return -_round(-high, -low, exponent)
    least = max(low, min(1, high))
    if least <= 0:
        return least
    for step in (part * power for power in (int(10**exponent), 1) for part in _ROUND):
        found: int = ceil(least / Fraction(step)) * step
        if found <= high:
            return found
    return least
