"""For whom changed conditions of a list hold: for more, fewer, or others than before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from crmcore.analysis import Space
from crmcore.analysis.reading import names_of
from crmcore.columns import Mask
from crmcore.conditions import GIVEN, Bound, evaluate
from crmcore.errors import DataError
from crmcore.policy import Policy
from crmcore.segments import TableStep
from crmcore.workbench.diffing.deciding import UNSHOWN
from crmcore.workbench.diffing.grid import Grid, replayed, witness_of
from crmcore.workbench.diffing.result import Relation, RowDiff, Witness
from crmcore.workbench.diffing.scenes import scenes
from crmcore.workbench.diffing.structure import aligned_rows

__all__ = ["compared_rows"]

_RELATIONS: Final[Mapping[tuple[bool, bool, bool], Relation]] = {
    (False, False, True): "equivalent",
    (False, False, False): "equivalent",
    (True, False, True): "implied_by",
    (False, True, True): "implies",
    (True, True, True): "overlaps",
    (True, True, False): "disjoint",
    (True, False, False): "disjoint",
    (False, True, False): "disjoint",
}
"""By whether somebody meets only the first, only the second, and both conditions."""


def compared_rows(before: Policy, after: Policy, as_of: date | None) -> tuple[RowDiff, ...]:
    """Return how the conditions compare that were changed, row by row."""
    if before.hash == after.hash:
        return ()
    return tuple(_rows(before, after, as_of))


def _rows(before: Policy, after: Policy, as_of: date | None) -> Iterator[RowDiff]:
    space: Space | None = None
    for now in after.steps:
        then = before.step(now.name)
        if not isinstance(now, TableStep) or not isinstance(then, TableStep):
            continue
        for old, new in aligned_rows(before, after, now.name):
            bounds = then.table.conditions[old], now.table.conditions[new]
            if bounds[0].text == bounds[1].text:
                continue
            path, label = f"{now.name}.first.{new}", now.table.labels[new]
            row = RowDiff(path, label, bounds[0].text, bounds[1].text, "not_decided")
            try:
                if space is None:
                    scene = next(scenes(before, after, as_of))
                    space = Space.of([before, after], scene)
                yield _Asked.of(space, bounds).told(row)
            except (DataError, ValueError) as error:
                yield replace(row, reason=str(error))


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Two conditions, asked of all customers there could be."""

    grid: Grid
    bounds: tuple[Bound, Bound]
    then: Mask
    now: Mask

    @classmethod
    def of(cls, space: Space, bounds: tuple[Bound, Bound]) -> _Asked:
        first, second = (names_of(bound) - GIVEN.keys() for bound in bounds)
        grid = Grid.of(space, (first, second), bounds)
        then, now = (
            evaluate(bound, columns, len(grid.possible)).true & grid.possible
            for bound, columns in zip(bounds, grid.columns, strict=True)
        )
        return cls(grid, bounds, then, now)

    def told(self, row: RowDiff) -> RowDiff:
        """Return the row with the relation of the two, and who shows it on either side."""
        sides = self.then & ~self.now, self.now & ~self.then
        only_then, only_now = map(self._witness, sides)
        common = bool((self.then & self.now).any())
        reason = self.grid.left_out or self.grid.sampled
        if any(
            side.any()
            for side, shown in zip(sides, (only_then, only_now), strict=True)
            if not shown
        ):
            reason = UNSHOWN
        if only_then and only_now and common:
            reason = None  # whatever was left out
        found = _RELATIONS[only_then is not None, only_now is not None, common]
        return replace(
            row,
            relation=found if reason is None else "not_decided",
            only_before=only_then,
            only_after=only_now,
            reason=reason,
        )

    def _witness(self, which: Mask) -> Witness | None:
        """Return a customer for whom one condition holds and the other does not."""
        for customer in self.grid.customers(which):
            then, now = (
                None if result is None else evaluate(bound, {**result.columns, **given}, 1)[0]
                for bound, result, given in zip(
                    self.bounds,
                    replayed(self.grid.space, customer),
                    self.grid.space.given,
                    strict=True,
                )
            )
            if (then is True) != (now is True):
                return witness_of(self.grid.space, customer, self.grid.matters, then, now)
        return None
