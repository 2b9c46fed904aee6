"""Whether two policies decide alike, whoever the customers are, or one who shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Final, Literal

import numpy as np

from crmcore.analysis import Customer, Space, witness_row
from crmcore.columns import Column, Mask
from crmcore.documents import Table
from crmcore.errors import DataError
from crmcore.policy import Policy
from crmcore.workbench.diffing.elimination import TooManyRowsError, eliminated
from crmcore.workbench.diffing.grid import Grid, replayed, witness_of
from crmcore.workbench.diffing.movement import codes_of, differing, merged_order
from crmcore.workbench.diffing.result import DecisionDiff, Witness
from crmcore.workbench.diffing.scenes import scenes
from crmcore.workbench.diffing.structure import normal

__all__ = ["UNSHOWN", "compared_decisions"]

UNSHOWN: Final = "a difference was found, but no customer who shows it"
_TRIED: Final = 200


def compared_decisions(
    before: Policy, after: Policy, as_of: date | None
) -> tuple[DecisionDiff, ...]:
    """Return how each decision compares; those of the second policy in its order, then others.

    Parameters
    ----------
    before, after
        The policies.
    as_of
        The moment; by default some days that tell calendar spans apart.
    """
    return tuple(_Comparison(before, after, as_of).decisions())


class _Comparison:
    def __init__(self, before: Policy, after: Policy, as_of: date | None) -> None:
        self.before, self.after = before, after
        self.tables = normal(before), normal(after)
        self.as_of = as_of
        self.spaces: list[Space] = []

    def decisions(self) -> Iterator[DecisionDiff]:
        for step in self.after.steps:
            yield self._decision(step.name)
        for step in self.before.steps:
            if self.after.step(step.name) is None:
                yield DecisionDiff(step.name, "removed")

    def _decision(self, name: str) -> DecisionDiff:
        if self.before.step(name) is None:
            return DecisionDiff(name, "added")
        if self._is_same(name):
            return DecisionDiff(name, "equivalent")
        try:
            return self._searched(name)
        except (DataError, ValueError) as error:
            # Facts of two kinds under one name; too many customers for a list that refuses some.
            return DecisionDiff(name, "not_decided", reason=str(error))

    def _is_same(self, name: str) -> bool:
        """Tell whether a decision, and all that it rests on, is written alike."""
        before, after = self.before, self.after
        if before.step(name) is None or after.step(name) is None:
            return before.fields.get(name) == after.fields.get(name)
        then, now = before.step(name), after.step(name)
        assert then is not None  # just looked at
        assert now is not None
        settings = [(one.zone.name, one.evaluation, one.currency) for one in (before, after)]
        windowed = [getattr(one, "windowed", None) for one in (then, now)]
        return (
            settings[0] == settings[1]
            and windowed[0] == windowed[1]
            and _written(self.tables[0], name) == _written(self.tables[1], name)
            and getattr(then, "scorer", None) is getattr(now, "scorer", None)
            and set(then.needs) == set(now.needs)
            and all(self._is_same(need) for need in now.needs)
        )

    def _searched(self, name: str) -> DecisionDiff:
        reason = None
        for space in self._spaces():
            found = _compared(space, name)
            if isinstance(found, Witness):
                return DecisionDiff(name, "differs", found)
            reason = reason or found
        if reason is not None:
            return DecisionDiff(name, "not_decided", reason=reason)
        return DecisionDiff(name, "equivalent")

    def _spaces(self) -> Iterator[Space]:
        """Yield the space of all customers as of each day, each made once."""
        yield from self.spaces
        for scene in [*scenes(self.before, self.after, self.as_of)][len(self.spaces) :]:
            self.spaces.append(Space.of([self.before, self.after], scene))
            yield self.spaces[-1]


def _written(table: Table, name: str) -> object:
    scores = table.get("scores")
    return scores[name] if isinstance(scores, dict) and name in scores else table.get(name)


def _compared(space: Space, name: str) -> Witness | str | None:
    """Return who differs, why it is not decided, or ``None`` when nobody differs."""
    grid = Grid.of(space, (frozenset([name]), frozenset([name])))
    then, now = (columns[name] for columns in grid.columns)
    refused = grid.refused
    differ = _differ(then, now) & ~refused[0] & ~refused[1]
    found = _shown(space, name, grid.customers(differ), grid.matters)
    differ = (differ | (refused[0] != refused[1])) & grid.possible
    witness = found or _shown(space, name, grid.customers(differ), grid.matters)
    if witness is not None:
        return witness
    if differ.any():
        return UNSHOWN
    if grid.left_out is None and grid.sampled is not None:
        return _compared_at_once(space, name, grid.sampled)
    return grid.left_out


def _compared_at_once(space: Space, name: str, otherwise: str) -> Witness | str | None:
    """Do the same where the customers are too many to be listed."""
    try:
        outcomes = eliminated(space, name)
    except TooManyRowsError:
        return otherwise
    rows = np.flatnonzero(_differ(outcomes.before, outcomes.after)).tolist()
    made = (
        witness_row(space, {axis: int(cell[row]) for axis, cell in outcomes.cells.items()})
        for row in rows[:_TRIED]
    )
    customers = (one for one in made if one is not None)
    return _shown(space, name, customers, outcomes.cells) or (UNSHOWN if rows else None)


def _shown(
    space: Space, name: str, customers: Iterable[Customer], matters: Iterable[str]
) -> Witness | None:
    """Return the first of some customers who differs."""
    refused: Witness | None = None
    for customer in customers:
        results = replayed(space, customer)
        then, now = (None if one is None else one.columns[name][0] for one in results)
        if None not in results and then != now:
            return witness_of(space, customer, matters, then, now)
        if refused is None and (results[0] is None) != (results[1] is None):
            side: Literal["before", "after"] = "before" if results[0] is None else "after"
            found = witness_of(space, customer, matters, then, now)
            refused = replace(found, refused=side)
    return refused


def _differ(then: Column, now: Column) -> Mask:
    if then.kind == now.kind == "label":
        labels, _ = merged_order(then.categories, now.categories)
        result: Mask = codes_of(then, labels) != codes_of(now, labels)
        return result
    if "label" in (then.kind, now.kind):
        return then.is_known() | now.is_known()
    return differing(then, now)
