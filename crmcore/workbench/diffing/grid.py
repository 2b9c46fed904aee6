"""One pretended customer for each combination of what two policies tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import Final

import numpy as np

from crmcore.analysis import Axis, Cell, Customer, Raw, Scene, Space, replay, witness_row
from crmcore.analysis.reading import atoms, names_of
from crmcore.columns import Column, Ints, Mask, Value
from crmcore.conditions import GIVEN, Bound
from crmcore.evaluation import Evaluation
from crmcore.policy import Policy
from crmcore.scoring import ScorerStep, Step
from crmcore.segments import TableStep
from crmcore.workbench.diffing.result import Witness

__all__ = ["Grid", "Names", "leaves_of", "replayed", "steps_for", "witness_of"]

Names = tuple[frozenset[str], frozenset[str]]
"""What is asked of the first and of the second policy."""

_MOST: Final = 500_000
_TRIED: Final = 50


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Pretended customers, and what both policies make of them.

    Parameters
    ----------
    space
        The space of both policies.
    axes
        The facts and attributes that matter.
    cells
        For each axis its cells; of an axis whose cells do not decide everything, one for each
        value that is tried.
    places
        For each axis the cell of each customer.
    columns
        For each policy: what is given, and what it decides of it.
    possible
        Which customers there can be.
    left_out
        Which test is not decided by cells, so that other customers may differ; ``None`` when all
        are.
    sampled
        How many of the combinations these are; ``None`` when all.
    """

    space: Space
    axes: tuple[Axis, ...]
    cells: tuple[tuple[Cell, ...], ...]
    places: tuple[Ints, ...]
    columns: tuple[Mapping[str, Column], Mapping[str, Column]]
    possible: Mask
    left_out: str | None
    sampled: str | None

    @classmethod
    def of(cls, space: Space, names: Names, tests: tuple[Bound, ...] = ()) -> Grid:
        """Return the customers who differ in anything that bears on some names.

        Parameters
        ----------
        space
            Of the two policies.
        names
            Facts, attributes and decisions of the one and of the other.
        tests
            A condition of each policy that is asked of them besides.
        """
        pairs = list(zip(space.policies, names, strict=True))
        leaves = sorted(frozenset[str]().union(*(leaves_of(*pair) for pair in pairs)))
        axes = tuple(space.axes[name] for name in leaves)
        open_, reason = _undecided(space, pairs, tests)
        cells = tuple(_tried(axis, apart=axis.name in open_) for axis in axes)
        places, sampled = _places([len(one) for one in cells])
        base = {
            axis.name: axis.column([cell.value for cell in one]).take(place)
            for axis, one, place in zip(axes, cells, places, strict=True)
        }
        rows = len(places[0]) if places else 1
        then, now = (
            _decided(policy, steps_for(policy, asked), base, rows, space.scene)
            for policy, asked in pairs
        )
        possible = _possible(space, axes, cells, places, rows)
        return cls(space, axes, cells, places, (then, now), possible, reason, sampled)

    def customers(self, which: Mask) -> Iterator[Customer]:
        """Yield some of the customers asked for, those of whom most is known first."""
        rows = np.flatnonzero(which & self.possible)
        missing = np.zeros(len(rows), np.int64)
        for one, place in zip(self.cells, self.places, strict=True):
            missing += np.array([cell.is_missing for cell in one])[place[rows]]
        for row in rows[np.argsort(missing, kind="stable")][:_TRIED].tolist():
            customer = self._customer([int(place[row]) for place in self.places])
            if customer is not None:
                yield customer

    def _customer(self, places: Sequence[int]) -> Customer | None:
        """Return a whole customer with values in these cells; ``None`` if there is none."""
        homes = {
            axis.name: int(_homes(axis, [one[place]])[0])
            for axis, one, place in zip(self.axes, self.cells, places, strict=True)
        }
        customer = witness_row(self.space, homes)
        if customer is None:
            return None
        for axis, one, place in zip(self.axes, self.cells, places, strict=True):
            if one is not axis.cells:  # it is this very value that matters
                customer[axis.name] = axis.column([one[place].value])[0]
        return customer

    @property
    def matters(self) -> tuple[str, ...]:
        """The names of the facts and attributes that matter."""
        return tuple(axis.name for axis in self.axes)


def replayed(space: Space, customer: Customer) -> tuple[Evaluation, Evaluation]:
    """Put a customer through the evaluator, by each policy of a space."""
    then, now = (replay(policy, [customer], space.scene) for policy in space.policies)
    return then, now


def witness_of(
    space: Space, customer: Customer, matters: Iterable[str], before: Value, after: Value
) -> Witness:
    """Return a customer with what the two policies make of it."""
    scene = space.scene
    moments = scene.as_of, scene.last_evaluated_at
    return Witness(customer, tuple(sorted(matters)), before, after, *moments)


def steps_for(policy: Policy, names: Iterable[str]) -> tuple[Step, ...]:
    """Return the decisions that some names need, themselves included, in order."""
    wanted = set(names)
    for step in reversed(policy.steps):
        if step.name in wanted:
            wanted.update(step.needs)
    return tuple(step for step in policy.steps if step.name in wanted)


def leaves_of(policy: Policy, names: Iterable[str]) -> frozenset[str]:
    """Return the facts and attributes on which some names depend."""
    names = frozenset(names)
    needs = names.union(*(step.needs for step in steps_for(policy, names)))
    return frozenset(name for name in needs if policy.step(name) is None) - GIVEN.keys()


def _undecided(
    space: Space, pairs: Sequence[tuple[Policy, frozenset[str]]], tests: Sequence[Bound]
) -> tuple[frozenset[str], str | None]:
    """Return the facts whose cells do not decide every test, and which test that is."""
    found, reason = frozenset[str](), None
    for at, (policy, asked) in enumerate(pairs):
        asked_here = list(tests[at : at + 1])
        for step in steps_for(policy, asked):
            if isinstance(step, ScorerStep):
                reason = f"the host's score {step.name} is not looked into"
            if isinstance(step, TableStep):
                asked_here += step.table.conditions
        for atom in (one for bound in asked_here for one in atoms(bound)):
            if atom.text in space.free[at]:
                found |= leaves_of(policy, names_of(atom))
                reason = f"not all values that bear on {atom.text!r} are tried"
    return found, reason


def _tried(axis: Axis, *, apart: bool) -> tuple[Cell, ...]:
    """Return the cells of an axis; where they do not decide all, one for each of their samples."""
    if not apart:
        return axis.cells
    return tuple(
        one
        for cell in axis.cells
        for one in ([Cell((sample,), cell.low, cell.high) for sample in cell.samples] or [cell])
    )


def _places(shape: Sequence[int]) -> tuple[tuple[Ints, ...], str | None]:
    """Return the cells of all combinations, or of as many as may be, drawn evenly."""
    size = prod(shape)
    if size <= _MOST:
        grid = np.unravel_index(np.arange(size), shape) if shape else ()
        return tuple(place.astype(np.int64) for place in grid), None
    draw = np.random.default_rng(0)
    places = tuple(draw.integers(0, cells, _MOST) for cells in shape)
    return places, f"{_MOST:,} of {size:,} combinations were tried"


def _decided(
    policy: Policy, steps: Sequence[Step], base: Mapping[str, Column], rows: int, scene: Scene
) -> dict[str, Column]:
    columns, timing = {**base, **scene.given(policy)}, scene.timing(policy)
    for step in steps:
        columns[step.name] = step.apply(columns, rows, timing)
    return columns


def _possible(
    space: Space,
    axes: Sequence[Axis],
    cells: Sequence[Sequence[Cell]],
    places: Sequence[Ints],
    rows: int,
) -> Mask:
    """Return which combinations some orders could bring about."""
    possible = np.ones(rows, np.bool_)
    # Where cells were split each stands for the one it comes from.
    homes = [_homes(axis, one)[place] for axis, one, place in zip(axes, cells, places, strict=True)]
    for (one, mine), (other, theirs) in combinations(zip(axes, homes, strict=True), 2):
        for left, right in space.relations.impossible(one, other):
            possible &= ~(left[mine] & right[theirs])
    return possible


def _homes(axis: Axis, cells: Sequence[Cell]) -> Ints:
    """Return for each cell tried the cell of the axis that it is or comes from."""
    home: dict[Raw | None, int] = {None: len(axis.cells) - 1}
    home |= {sample: at for at, cell in enumerate(axis.cells) for sample in cell.samples}
    return np.array([home[cell.value] for cell in cells], np.int64)
