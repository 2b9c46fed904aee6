"""One pretended customer for each combination of what two policies tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from crmcore.analysis import (
    Axis,
    Cell,
    Customer,
    Customers,
    Scene,
    Space,
    as_taken,
    replay,
    tried,
    witness_row,
)
from crmcore.analysis.axes import Raw
from crmcore.analysis.reading import atoms, names_of
from crmcore.columns import Column, Mask, Value
from crmcore.conditions import GIVEN, Bound, BoundConstant
from crmcore.errors import DataError
from crmcore.evaluation import Evaluation
from crmcore.policy import Policy
from crmcore.scoring import ScorerStep, Step
from crmcore.segments import TableStep
from crmcore.tables import MISSING, BoundTable
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
    everybody
        Who they are; of a fact whose cells do not decide everything each value that is tried is a
        cell of its own.
    columns
        For each policy: what is given, and what it decides of it.
    refused
        For each policy: whom it refuses, for a value that it does not allow or because a list
        says so of what is unknown. What `columns` says of them means nothing.
    left_out
        Which test is not decided by cells, so that other customers may differ; ``None`` when all
        are.
    """

    space: Space
    everybody: Customers
    columns: tuple[Mapping[str, Column], Mapping[str, Column]]
    refused: tuple[Mask, Mask]
    left_out: str | None

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

        Raises
        ------
        ValueError
            When one of the facts or attributes is of one kind here and of another there.
        """
        pairs = list(zip(space.policies, names, strict=True))
        leaves = sorted(frozenset[str]().union(*(leaves_of(*pair) for pair in pairs)))
        for name in leaves:
            if name in space.mixed:
                message = f"{name!r} is of one kind in one policy and of another in the other"
                raise ValueError(message)
        open_, reason = _undecided(space, pairs, tests)
        more = _beside(space) if open_ else {}
        axes = (
            _tried(space.axes[name], more.get(name, ())) if name in open_ else space.axes[name]
            for name in leaves
        )
        everybody = Customers.of(axes, space.relations, most=_MOST)
        then, now = (
            _decided(policy, steps_for(policy, asked), everybody, space.scene)
            for policy, asked in pairs
        )
        columns, refused = (then[0], now[0]), (then[1], now[1])
        return cls(space, everybody, columns, refused, reason)

    @property
    def possible(self) -> Mask:
        """Which customers there can be."""
        return self.everybody.possible

    @property
    def sampled(self) -> str | None:
        """How many of the combinations these are; ``None`` when all."""
        rows, size = self.everybody.rows, self.everybody.combinations
        return None if rows == size else f"{rows:,} of {size:,} combinations were tried"

    @property
    def matters(self) -> tuple[str, ...]:
        """The names of the facts and attributes that matter."""
        return tuple(axis.name for axis in self.everybody.axes)

    def customers(self, which: Mask) -> Iterator[Customer]:
        """Yield some of the customers asked for, those first of whom most is known and usual."""
        rows = np.flatnonzero(which & self.possible)
        missing = self.everybody.count(lambda cell: cell.is_missing)[rows]
        negative = self.everybody.count(lambda cell: cell.is_negative)[rows]
        for row in rows[np.lexsort((negative, missing))][:_TRIED].tolist():
            customer = self._customer(self.everybody.cells_of(row))
            if customer is not None:
                yield customer

    def _customer(self, cells: Mapping[str, Cell]) -> Customer | None:
        """Return a whole customer with values in these cells; ``None`` if there is none."""
        homes = {name: _home(self.space.axes[name], cell.value) for name, cell in cells.items()}
        customer = witness_row(self.space, homes)
        if customer is None:
            return None
        for axis in self.everybody.axes:
            if axis is not self.space.axes[axis.name]:  # it is this very value that matters
                customer[axis.name] = axis.column([cells[axis.name].value])[0]
        return customer


def replayed(space: Space, customer: Customer) -> tuple[Evaluation | None, Evaluation | None]:
    """Put a customer through the evaluator, by each policy of a space; ``None`` if it refuses."""
    asked = {**customer, **dict.fromkeys(space.mixed)}
    then, now = (_replayed(policy, asked, space.scene) for policy in space.policies)
    return then, now


def _replayed(policy: Policy, customer: Customer, scene: Scene) -> Evaluation | None:
    for name, type_ in policy.attributes.items():
        value = customer[name]
        if type_.categories and value is not None and value not in type_.categories:
            return None
    try:
        return replay(policy, [customer], scene)
    except DataError:
        return None


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


def _tried(axis: Axis, more: Iterable[Raw | None]) -> Axis:
    """Return an axis with each sample of its cells, and some values more, by itself."""
    return axis.only([*(one for cell in axis.cells for one in cell.samples or (None,)), *more])


def _beside(space: Space) -> dict[str, list[Raw | None]]:
    """Return for each fact the values beside which a test of either policy may turn."""
    found: dict[str, list[Raw | None]] = {}
    for policy in space.policies:
        for axis in tried([Space.of([policy], space.scene)]):
            found.setdefault(axis.name, []).extend(axis.beside)
    return found


def _home(axis: Axis, value: Raw | None) -> int:
    """Return the cell of a value, or of the nearest sample below it."""
    for at, cell in enumerate(axis.cells):
        if value in (cell.samples or (None,)):
            return at
    assert value is not None
    assert not isinstance(value, str)
    numbers = [[one for one in cell.samples if not isinstance(one, str)] for cell in axis.cells]
    return max((at for at, own in enumerate(numbers) if own and min(own) <= value), default=0)


def _decided(
    policy: Policy, steps: Sequence[Step], customers: Customers, scene: Scene
) -> tuple[dict[str, Column], Mask]:
    columns, timing = {**customers.columns, **scene.given(policy)}, scene.timing(policy)
    refused = np.zeros(customers.rows, np.bool_)
    for name in customers.columns.keys() & policy.fields.keys():
        columns[name] = as_taken(policy.fields[name], customers.columns[name])
        refused |= customers.columns[name].is_known() & ~columns[name].is_known()
    for step in steps:
        if isinstance(step, TableStep) and step.table.unknown == "error":
            refused |= _unknown(step.table, columns, customers.rows)
            step = replace(step, table=replace(step.table, unknown="skip"))
        columns[step.name] = step.apply(columns, customers.rows, timing)
    return columns, refused


def _unknown(table: BoundTable, columns: Mapping[str, Column], rows: int) -> Mask:
    """Return for whom a condition is unknown before any holds."""
    always = (*table.conditions, BoundConstant("true", True))
    asked = replace(table, conditions=always, otherwise=None, unknown="default")
    result: Mask = asked.apply(columns, rows)[1] == MISSING
    return result
