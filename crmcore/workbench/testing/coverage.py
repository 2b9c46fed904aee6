"""Coverage: which rows, conditions and edges of a policy its tests reach."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from crmcore.errors import DataError
from crmcore.policy import Policy
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.grid import Grid, grid_of
from crmcore.workbench.testing.groups import Group, groups_of
from crmcore.workbench.testing.points import AllEnds, Key, Part, reach_of, union
from crmcore.workbench.testing.views import View, view_of

__all__ = ["Coverage", "Point", "coverage_of", "measured", "percentage", "views_of_cases"]


_TABLES: Final = ("class.", "segment.", "stage.")


@dataclass(frozen=True, slots=True)
class Point:
    """Something in a policy that tests may reach, and whether they do.

    Parameters
    ----------
    part
        ``"rows"``, ``"conditions"`` or ``"edges"``.
    path
        Where it stands in the policy.
    text
        What is to be seen there.
    covered
        Whether a case reaches it.
    """

    part: Part
    path: str
    text: str
    covered: bool

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a policy its tests reach.

    Parameters
    ----------
    points
        Everything there is to reach, in the order of the policy.
    impossible
        How many points no customer can reach; they do not count.
    is_whole
        Whether it is certain what nobody can reach: every combination of values was tried, and
        no test calculates. Else everything of its lists counts, or everything.

    Examples
    --------
    >>> import crmcore as crm
    >>> coverage = crm.run_tests("classic").coverage
    >>> coverage.percent, coverage.uncovered
    (100.0, ())
    """

    points: tuple[Point, ...]
    impossible: int
    is_whole: bool

    @property
    def percent(self) -> float:
        """The share of points reached, in percent, rounded down to a tenth."""
        return _percent(*self.of())

    @property
    def uncovered(self) -> tuple[Point, ...]:
        """The points that no case reaches."""
        return tuple(point for point in self.points if not point.covered)

    def of(self, part: Part | None = None) -> tuple[int, int]:
        """Return how many points, of one part or of all, are reached, and how many there are."""
        found = [point.covered for point in self.points if part in (None, point.part)]
        return sum(found), len(found)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        parts: tuple[Part, ...] = get_args(Part)
        counts = {part: self.of(part) for part in parts}
        return {
            "percent": self.percent,
            **{part: {"covered": count[0], "of": count[1]} for part, count in counts.items()},
            "impossible": self.impossible,
            "uncovered": [
                {"part": one.part, "path": one.path, "text": one.text} for one in self.uncovered
            ],
        }


def _percent(covered: int, total: int) -> float:
    return covered * 1000 // total / 10 if total else 100.0


def coverage_of(policy: Policy, cases: Sequence[Case]) -> Coverage:
    """Return what the cases reach, out of what anybody can reach."""
    possible, covered, grid = measured(policy, cases)
    points = [
        Point(key.part, key.path, key.text, covered.get(key, False))
        for key, can in possible.items()
        if can or covered.get(key, False) or not _is_sure(grid, key)
    ]
    return Coverage(tuple(points), len(possible) - len(points), grid.is_certain)


def _is_sure(grid: Grid, key: Key) -> bool:
    """Tell whether nobody reaches what none of the grid does; only tables calculate."""
    return grid.is_certain or (grid.is_whole and not key.path.startswith(_TABLES))


def measured(
    policy: Policy, cases: Sequence[Case]
) -> tuple[dict[Key, bool], dict[Key, bool], Grid]:
    """Return which points anybody reaches, and which of them cases reach, with the grid."""
    grid = grid_of(policy, cases)
    ends: AllEnds = {}
    possible = union(reach_of(view, ends, grid.likely) for view in grid.views(policy))
    covered = union(reach_of(view, ends) for view in views_of_cases(policy, cases))
    return possible, covered, grid


def views_of_cases(policy: Policy, cases: Sequence[Case]) -> Iterator[View]:
    """Yield the cases as the policy sees them; those that it refuses are left out."""
    for group in groups_of(policy, cases):
        yield from _views(policy, group)


def _views(policy: Policy, group: Group) -> Iterator[View]:
    try:
        result = group.evaluate(policy)
    except DataError:
        if len(group.cases) > 1:
            for case in group.cases:
                for one in groups_of(policy, [case]):
                    yield from _views(policy, one)
        return
    facts = result.facts.columns
    yield view_of(policy, facts, len(result), result.timing, result.last_evaluated_us)


def percentage(text: str) -> float:
    """Return the least coverage that an argument asks for; raises `ArgumentTypeError`.

    Examples
    --------
    >>> percentage("99.5")
    99.5
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise ArgumentTypeError("a number from 0 to 100")
    return number
