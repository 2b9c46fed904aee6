"""The grid: customers with every combination of values that a policy may tell apart, or a sample.

They are looked at as of the moments of the cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final

from crmcore.analysis import Customers, Scene, Space, calculated, tried
from crmcore.columns import Column, Ints, Mask
from crmcore.policy import Policy
from crmcore.scoring import ScorerStep
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.groups import usual_value
from crmcore.workbench.testing.values import column_of
from crmcore.workbench.testing.views import View, view_of

__all__ = ["Grid", "grid_of"]

_MOST_ROWS: Final = 150_000
_MOST_SCENES: Final = 3
_A_YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, eq=False)
class Grid:
    """Customers for analysis.

    Parameters
    ----------
    customers
        Those with the facts and attributes that the policy reads.
    scenes
        The moments at which they are looked at.
    is_whole
        Whether every combination is among them.
    is_certain
        Whether moreover every test is decided by the values tried.
    unread
        The facts and attributes that nothing reads.
    """

    customers: Customers
    scenes: tuple[Scene, ...]
    is_whole: bool
    is_certain: bool
    unread: Mapping[str, Column]

    @property
    def likely(self) -> Mask:
        """The customers whom orders could bring about; all where too few are tried to tell."""
        return self.customers.possible | (not self.customers.is_whole)

    @cached_property
    def odd(self) -> Ints:
        """How unlikely each customer is: facts that contradict each other, negative numbers."""
        negative = self.customers.count(lambda cell: cell.is_negative)
        return self.customers.contradictions + negative

    def views(self, policy: Policy) -> Iterator[View]:
        """Yield what a policy makes of the customers, once for each of the moments."""
        columns, rows = {**self.customers.columns, **self.unread}, self.customers.rows
        for scene in self.scenes:
            yield view_of(policy, columns, rows, scene.timing(policy), scene.last_us(policy))


def grid_of(policy: Policy, cases: Sequence[Case]) -> Grid:
    """Return customers at the moments of the cases; without cases at a moment of our own."""
    scenes = tuple(_scenes(policy, cases))
    spaces = [Space.of([policy], scene) for scene in scenes]
    customers = Customers.of(tried(spaces), spaces[0].relations, most=_MOST_ROWS)
    # Only a host's scorer itself knows where its scores turn.
    whole = customers.is_whole and not any(isinstance(step, ScorerStep) for step in policy.steps)
    certain = whole and not any(any(calculated(space)) for space in spaces)
    unread = {
        name: column_of([usual_value(policy, name)] * customers.rows, policy.fields[name])
        for name in (*policy.facts, *policy.attributes)
        if name not in customers.columns
    }
    return Grid(customers, scenes, whole, certain, unread)


def _scenes(policy: Policy, cases: Sequence[Case]) -> Iterator[Scene]:
    given = {
        (str(case.as_of), str(case.last_evaluated_at)): Scene(case.as_of, case.last_evaluated_at)
        for case in cases
    }
    scenes = [*given.values()][:_MOST_SCENES] or [Scene.of([policy])]
    yield from scenes
    is_read = any("last_evaluated_at" in step.needs for step in policy.steps)
    if is_read and all(scene.last_evaluated_at is None for scene in scenes):
        yield Scene(scenes[0].as_of, scenes[0].as_of - _A_YEAR)
