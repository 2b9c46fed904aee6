"""Trials: the changed policies, put before the tests and before customers of the grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from crmcore.calendars import to_date
from crmcore.columns import Mask
from crmcore.errors import DataError, PolicyError
from crmcore.policy import Policy, load_policy
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.grid import Grid, grid_of
from crmcore.workbench.testing.groups import Group, groups_of
from crmcore.workbench.testing.mutants import Mutant, mutants_of
from crmcore.workbench.testing.running import passes
from crmcore.workbench.testing.views import View, differing

__all__ = ["Trial"]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A policy with its tests, to see what changes of it they notice.

    Parameters
    ----------
    policy
        The policy, unchanged.
    cases, groups
        Its cases, and the same ready to be evaluated.
    grid, views
        Customers of every kind, and what the policy makes of them.
    """

    policy: Policy
    cases: tuple[Case, ...]
    groups: tuple[Group, ...]
    grid: Grid
    views: tuple[View, ...]

    @classmethod
    def of(cls, policy: Policy, cases: Sequence[Case]) -> Trial:
        """Return the trial of a policy with cases that pass."""
        grid = grid_of(policy, cases)
        groups = tuple(groups_of(policy, cases))
        return cls(policy, tuple(cases), groups, grid, tuple(grid.views(policy)))

    @property
    def is_certain(self) -> bool:
        """Whether no customer is left who could tell what none of the grid tells."""
        return self.grid.is_certain

    def mutants(self) -> Iterator[tuple[Mutant, Policy | None]]:
        """Yield each mutant with its policy; ``None`` when that is refused, or the same."""
        timing = self.views[0].timing
        day, held = (to_date(int(one.day[0])) for one in (timing.now, timing.held))
        for mutant in mutants_of(self.policy, day, held):
            try:
                changed = load_policy(mutant.table, scorers=self.policy.scorers)
            except PolicyError:
                yield mutant, None
            else:
                yield mutant, None if changed == self.policy else changed

    def is_noticed(self, mutant: Mutant, changed: Policy) -> bool:
        """Tell whether a case fails with the changed policy."""
        return any(
            not passes(changed, group)
            for group in self.groups
            if group.orders is not None or not mutant.of_facts or changed.facts == self.policy.facts
        )

    def tells(self, changed: Policy) -> bool:
        """Tell whether any customer is decided otherwise, beside the changed edges too."""
        return any(mask.any() for trial in self.beside(changed) for mask in trial.telling(changed))

    def beside(self, changed: Policy) -> Iterator[Trial]:
        """Yield the trial itself, and one with customers beside the changed edges."""
        yield self
        if changed.facts == self.policy.facts and changed.attributes == self.policy.attributes:
            grid = grid_of(changed, self.cases)
            yield Trial(self.policy, self.cases, (), grid, tuple(grid.views(self.policy)))

    def telling(self, changed: Policy) -> Iterator[Mask]:
        """Yield, for each moment of the grid, the customers who are decided otherwise."""
        changed_views = self.grid.views(changed)
        for before in self.views:
            try:
                told = np.logical_or.reduce(list(differing(before, next(changed_views))))
            except DataError:  # the changed policy refuses some of them
                yield self.grid.likely
                return
            yield self.grid.likely & told
