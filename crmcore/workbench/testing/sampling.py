"""Sampling: customers of the grid who reach what no case reaches, or who tell a change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import Final

import numpy as np

from crmcore.columns import Mask
from crmcore.policy import Policy
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.coverage import views_of_cases
from crmcore.workbench.testing.points import AllEnds, reach_of, union
from crmcore.workbench.testing.trials import Trial
from crmcore.workbench.testing.views import View

__all__ = ["Sample", "samples_of"]

_MOST_NAME: Final = 180


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A customer of the grid who shows something new.

    Parameters
    ----------
    name
        What it is that they show.
    view, row
        The customer.
    as_of, last_evaluated_at
        The moment.
    """

    name: str
    view: View
    row: int
    as_of: date
    last_evaluated_at: date | None


def samples_of(policy: Policy, cases: Sequence[Case], *, changes: bool) -> Iterator[Sample]:
    """Yield a customer for each point that no case reaches, and for each change if wanted."""
    sampling = _Sampling.of(policy, cases)
    names: dict[str, int] = {case.name: 1 for case in cases}
    for sample in sampling.all(cases, changes=changes):
        name = sample.name[:_MOST_NAME]
        names[name] = names.get(name, 0) + 1
        yield replace(sample, name=name if names[name] == 1 else f"{name} ({names[name]})")


@dataclass(slots=True)
class _Sampling:
    """Chooses customers of a trial's grid; the likeliest of those who will do."""

    trial: Trial
    chosen: list[list[int]] = field(default_factory=list)

    @classmethod
    def of(cls, policy: Policy, cases: Sequence[Case]) -> _Sampling:
        return cls.fresh(Trial.of(policy, cases))

    @classmethod
    def fresh(cls, trial: Trial) -> _Sampling:
        return cls(trial, [[] for _ in trial.views])

    def all(self, cases: Sequence[Case], *, changes: bool) -> Iterator[Sample]:
        yield from self._for_points(cases)
        if changes:
            yield from self._for_changes()

    def _for_points(self, cases: Sequence[Case]) -> Iterator[Sample]:
        trial = self.trial
        ends: AllEnds = {}
        reaches = [reach_of(view, ends, trial.grid.likely) for view in trial.views]
        views = views_of_cases(trial.policy, cases)
        covered = union(reach_of(view, ends) for view in views)
        open_keys = [key for key in reaches[0] if not covered.get(key, False)]
        while open_keys:
            key = open_keys.pop(0)
            for at, reach in enumerate(reaches):
                if reach[key].any():
                    row = self._likely(reach[key], [reach[one] for one in open_keys])
                    open_keys = [one for one in open_keys if not reach[one][row]]
                    yield self._sample(str(key), at, row)
                    break

    def _for_changes(self) -> Iterator[Sample]:
        for mutant, changed in self.trial.mutants():
            if changed is None or mutant.of_facts or self.trial.is_noticed(mutant, changed):
                continue
            told = [
                mask & ~view.refused
                for mask, view in zip(self.trial.telling(changed), self.trial.views, strict=False)
            ]
            if any(mask[rows].any() for mask, rows in zip(told, self.chosen, strict=False)):
                continue
            name = f"{mutant.path}: not {mutant.after or 'left out'}"
            yield from islice(self._telling(changed, name), 1)

    def _telling(self, changed: Policy, name: str) -> Iterator[Sample]:
        """Yield customers who are decided otherwise, and not refused as the policy is."""
        for trial in self.trial.beside(changed):
            for at, (mask, view) in enumerate(
                zip(trial.telling(changed), trial.views, strict=False)
            ):
                told = mask & ~view.refused
                if told.any():
                    sampling = self if trial is self.trial else _Sampling.fresh(trial)
                    yield sampling._sample(name, at, sampling._likely(told, []))

    def _likely(self, wanted: Mask, others: Sequence[Mask]) -> int:
        """Return the likeliest of some customers, of these one whom most others want too."""
        rows = np.flatnonzero(wanted)
        odd = self.trial.grid.odd[rows]
        rows = rows[odd == odd.min()]
        counts = np.zeros(len(rows), np.int64)
        for mask in others:
            counts += mask[rows]
        return int(rows[counts.argmax()])

    def _sample(self, name: str, at: int, row: int) -> Sample:
        self.chosen[at].append(row)
        scene = self.trial.grid.scenes[at]
        return Sample(name, self.trial.views[at], row, scene.as_of, scene.last_evaluated_at)
