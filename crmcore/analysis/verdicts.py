"""What the rows of a first-match table can and cannot do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from crmcore.analysis.boxes import Box, OutOfStepsError, Search, members, subset
from crmcore.analysis.regions import Region, Row, TableRegions, intersection
from crmcore.columns import Ints, Mask
from crmcore.conditions import BoundTerms

__all__ = ["TableVerdicts", "Verdict"]

_FEW: Final = 16
_MOST_TRIED: Final = 5_000_000
_STEPS: Final = 20_000  # for one question


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one row.

    Parameters
    ----------
    kind
        ``decides``: for some customers it gives the label; ``never_true``: its condition holds
        for nobody; ``masked``: for everybody that it holds for an earlier row decides;
        ``undecided``: the search took too long.
    box
        Of a row that decides, where it does; of a masked one, where it would.
    by
        The earlier rows that mask it.
    """

    kind: Literal["decides", "never_true", "masked", "undecided"]
    box: Box | None = None
    by: tuple[int, ...] = ()


class TableVerdicts:
    """The answers for one table, each worked out when it is asked for.

    Parameters
    ----------
    table
        The table as boxes.
    steps
        How many steps the search for one answer may take.

    Examples
    --------
    >>> from crmcore.analysis.space import Space
    >>> from crmcore.policy import load_policy
    >>> space = Space.of([load_policy("classic")])
    >>> verdicts = TableVerdicts(TableRegions(space, space.step("class")))
    >>> [one.kind for one in verdicts.rows]
    ['decides', 'decides', 'decides', 'decides', 'decides']
    """

    def __init__(self, table: TableRegions, steps: int = _STEPS) -> None:
        self.table = table
        self.steps = steps
        taken = [(-1, box, False) for box in table.impossible]
        for at, row in enumerate(table.rows):
            taken += [(at, box, True) for box in row.holds]
            taken += [(at, box, False) for box in row.unknown]
        self._owners = np.array([owner for owner, _, _ in taken], np.int64)
        self._holding = np.array([holds for _, _, holds in taken], np.bool_)
        self._boxes = [box for _, box, _ in taken]

    @cached_property
    def rows(self) -> tuple[Verdict, ...]:
        """One verdict for each row."""
        return tuple(self._verdict(at, row) for at, row in enumerate(self.table.rows))

    @cached_property
    def left(self) -> Box | None:
        """Where no row decides, so that `otherwise` does; ``None`` when that is nowhere.

        Raises
        ------
        OutOfStepsError
            When that is not decided within the steps.
        """
        return self.left_in((self.table.full,))

    def left_in(self, region: Region) -> Box | None:
        """Return where no row decides within a region; raises as `left` does."""
        found = self._outside(region, self._boxes)
        if found is None and self.table.step.table.unknown == "default":
            for row, (low, _) in zip(self.table.rows, self._spans, strict=True):
                unknown = intersection(region, row.unknown)
                found = found or self._outside(unknown, self._boxes[:low])
        return found

    def overlaps(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of rows that hold together for some customer, by the second row.

        Raises
        ------
        OutOfStepsError
            When that is not decided within the steps.
        """
        held = self._holding
        for second, (low, high) in enumerate(self._spans):
            for first in self._rows_met(low, high, held):
                if not self.table.impossible or self.both(first, second) is not None:
                    yield first, second

    def both(self, first: int, second: int) -> Box | None:
        """Return where two rows hold, ``None`` when that is nowhere; raises `OutOfStepsError`."""
        one, other = (self.table.rows[at].holds for at in (first, second))
        for box in intersection(one, other):
            found = self._left_of(box, len(self.table.impossible))
            if found is not None:
                return found
        return None

    def same(self, first: int, second: int) -> bool:
        """Whether two rows hold for the same customers; raises `OutOfStepsError`."""
        one, other = (self.table.rows[at].holds for at in (first, second))
        impossible = self.table.impossible
        return (
            self._outside(one, [*impossible, *other]) is None
            and self._outside(other, [*impossible, *one]) is None
        )

    def idle_terms(self, at: int) -> Iterator[int]:
        """Yield the terms of a row's ``and`` or ``or`` that could be left out: nothing changes.

        Nor would anything change if the rows stood in another order: a term that keeps a row
        apart from another one with another label is no idle one.

        Raises
        ------
        OutOfStepsError
            When that is not decided within the steps.
        """
        row, (low, _) = self.table.rows[at], self._spans[at]
        conjoined = isinstance(row.bound, BoundTerms) and row.bound.op == "and"
        for own, (_, mine) in enumerate(row.terms):
            others = [where for spot, (_, where) in enumerate(row.terms) if spot != own]
            # Without the term the row would hold here as well; or: would not hold here.
            found = mine.region("not_true" if conjoined else "true")
            for other in others:
                found = intersection(found, other.region("true" if conjoined else "not_true"))
            covered = all(self._left_of(box, low) is None for box in found)
            if covered and self._outside(found, self._alike(at)) is None:
                yield own

    def _alike(self, at: int) -> list[Box]:
        """Return where nobody is, and where other rows give the same label."""
        labels, rows = self.table.step.table.labels, self.table.rows
        same = (other for other in range(len(rows)) if other != at and labels[other] == labels[at])
        return [*self.table.impossible, *(box for other in same for box in rows[other].holds)]

    def idle_blocks(self) -> list[int]:
        """Return the blocks (their places) on which no label depends, although rows name them.

        Of tables with very many cells nothing is said.
        """
        shape = [len(classes) for classes in self.table.classes]
        if prod(shape) * len(self.table.rows) > _MOST_TRIED or not shape:
            return []
        codes = self._codes(shape)
        reference = {at for at, _ in self.table.references}
        return [
            at
            for at in range(len(shape))
            if at not in reference and (codes.max(at) == codes.min(at)).all()
        ]

    def _codes(self, shape: Sequence[int]) -> NDArray[np.int64]:
        """Return the label of every combination of classes."""
        table = self.table.step.table
        # What a reference gives is taken for a label of its own.
        plain = table.otherwise is not None and not table.otherwise.startswith("@")
        last = int(table.codes[-1]) if plain else len(table.categories)
        codes = np.full(shape, last, np.int64)
        for at in reversed(range(len(self.table.rows))):
            row = self.table.rows[at]
            for box in row.unknown:
                codes[_grid(box)] = last
            for box in row.holds:
                codes[_grid(box)] = table.codes[at]
        return codes

    # How

    @cached_property
    def _sets(self) -> list[NDArray[np.uint64]]:
        """For each axis, the sets of all boxes as rows of bits."""
        sizes = [len(classes) for classes in self.table.classes]
        return [_packed([box[at] for box in self._boxes], size) for at, size in enumerate(sizes)]

    @cached_property
    def _met(self) -> list[Ints]:
        """For each box, the boxes before it with which it has a point in common."""
        return [self._meeting(box, before) for before, box in enumerate(self._boxes)]

    def _meeting(self, box: Box, before: int) -> Ints:
        """Return which of the first boxes have a point in common with a box."""
        met = np.arange(before)
        for sets, own in zip(self._sets, box, strict=True):
            bits = np.frombuffer(own.to_bytes(8 * sets.shape[1], "little"), np.uint64)
            met = met[(sets[met] & bits).any(axis=1)]
        return met

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """Where the boxes of each row stand among all of them."""
        rows = np.arange(len(self.table.rows))
        low = np.searchsorted(self._owners, rows, "left").tolist()
        high = np.searchsorted(self._owners, rows, "right").tolist()
        return list(zip(low, high, strict=True))

    def _verdict(self, at: int, row: Row) -> Verdict:
        low, _ = self._spans[at]
        search = Search(self.steps)
        would: Box | None = None
        try:
            for spot, box in enumerate(row.holds, start=low):
                met = self._met[spot]
                earlier = [self._boxes[one] for one in met[met < low].tolist()]
                found = search.outside(box, earlier)
                if found is not None:
                    return Verdict("decides", found)
                would = would or search.outside(box, self.table.impossible)
            if would is None:
                return Verdict("never_true")
            return Verdict("masked", would, self._masking(at, row, search))
        except OutOfStepsError:
            return Verdict("undecided")

    def _masking(self, at: int, row: Row, search: Search) -> tuple[int, ...]:
        """Return earlier rows that mask a row, none of them without need where they are few."""
        low, high = self._spans[at]
        owners = self._rows_met(low, high, np.ones(len(self._boxes), np.bool_))
        for one in owners:
            whole = self.table.rows[one]
            taken = (*whole.holds, *whole.unknown)
            if all(any(subset(box, other) for other in taken) for box in row.holds):
                return (one,)
        if len(owners) <= _FEW:
            for one in list(owners):
                fewer = [other for other in owners if other != one]
                if self._covered(row.holds, fewer, search):
                    owners = fewer
        return tuple(owners)

    def _rows_met(self, low: int, high: int, among: Mask) -> list[int]:
        """Return the earlier rows whose boxes meet those from `low` to `high`."""
        met = [self._met[spot] for spot in range(low, high) if among[spot]]
        boxes = np.unique(np.concatenate([*met, np.empty(0, np.int64)]))
        owners = self._owners[boxes[(boxes < low) & among[boxes]]]
        rows: list[int] = np.unique(owners[owners >= 0]).tolist()
        return rows

    def _covered(self, region: Region, rows: Sequence[int], search: Search) -> bool:
        covers = [*self.table.impossible]
        for at in rows:
            covers += (*self.table.rows[at].holds, *self.table.rows[at].unknown)
        return all(search.outside(box, covers) is None for box in region)

    def _left_of(self, box: Box, before: int) -> Box | None:
        """Return what of a box the first boxes leave."""
        covers = [self._boxes[at] for at in self._meeting(box, before).tolist()]
        return Search(self.steps).outside(box, covers)

    def _outside(self, region: Region, covers: Sequence[Box]) -> Box | None:
        search = Search(self.steps)
        for box in region:
            found = search.outside(box, covers)
            if found is not None:
                return found
        return None


def _grid(box: Box) -> tuple[NDArray[np.intp], ...]:
    return np.ix_(*map(members, box))


def _packed(sets: Sequence[int], size: int) -> NDArray[np.uint64]:
    """Return sets as rows of bits."""
    width = 8 * ((size + 63) // 64)
    packed = b"".join(one.to_bytes(width, "little") for one in sets)
    return np.frombuffer(packed, np.uint64).reshape(len(sets), width // 8)
