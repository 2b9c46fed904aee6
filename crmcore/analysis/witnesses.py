"""Witnesses: concrete customers of a region, put through the evaluator."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis.axes import Axis, Cell, Raw
from crmcore.analysis.boxes import Box, members
from crmcore.analysis.regions import TableRegions
from crmcore.analysis.relations import Relations, presence
from crmcore.analysis.scene import Scene
from crmcore.analysis.settling import settled
from crmcore.analysis.space import Space
from crmcore.calendars import day_number, instant_us
from crmcore.columns import Column, Mask, Value
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.evaluation import Evaluation, evaluate_facts
from crmcore.facts import Fact, FactTable
from crmcore.policy import Policy
from crmcore.records.ids import Ids
from crmcore.wording import plain

__all__ = [
    "Customer",
    "Shown",
    "Shows",
    "fact_table",
    "first_of_each",
    "replay",
    "witness",
    "witness_row",
]

Customer: TypeAlias = dict[str, Value]
"""Facts and attributes by name, as plain values."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A customer who shows something, and what the policy gives them.

    Parameters
    ----------
    customer
        Facts and attributes by name, as plain values; ``None`` where missing.
    result
        Scores, grade, class, segment and stage by name: as the evaluator gave them.
    """

    customer: Customer
    result: Mapping[str, Value]

    @classmethod
    def of(cls, result: Evaluation, row: int) -> Shown:
        """Return one customer of an evaluation."""
        policy = result.policy
        return cls(
            {name: result.columns[name][row] for name in (*policy.facts, *policy.attributes)},
            {step.name: result.columns[step.name][row] for step in policy.steps},
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "customer": {name: plain(value) for name, value in self.customer.items()},
            "result": {name: plain(value) for name, value in self.result.items()},
        }


Shows: TypeAlias = Callable[[Evaluation], Mask]
"""Which of the customers of an evaluation show what is to be shown."""

_TRIES: Final = 512
_FEW: Final = 32


def witness(table: TableRegions, box: Box, shows: Shows) -> Shown | None:
    """Return a customer of a box of a table who shows something when evaluated.

    Parameters
    ----------
    table, box
        Where to look.
    shows
        Tells of evaluated customers who of them is a witness.

    Returns
    -------
    The customer with the result; ``None`` when none is found. Where all tests are decided by cells
    the first customer tried is one; else some hundreds are tried.
    """
    space = table.space
    policy = space.policies[table.policy]
    sure = all(axis.settable for block in table.blocks for axis in block.axes)
    for tries in (1, _TRIES):
        rows = list(_customers(table, box, tries))
        for result in _evaluations(space, policy, rows):
            found = np.flatnonzero(shows(result))
            if len(found):
                return Shown.of(result, int(found[0]))
            if sure:
                return None
    return None


def _evaluations(
    space: Space, policy: Policy, rows: Sequence[Mapping[str, Raw | None]]
) -> Iterator[Evaluation]:
    """Yield the customers evaluated together; one by one where the policy refuses some of them."""
    try:
        if rows:
            yield _evaluated(space, policy, rows)
    except DataError:
        for row in rows[:_FEW] if len(rows) > 1 else ():
            with suppress(DataError):
                yield _evaluated(space, policy, [row])


def first_of_each(table: TableRegions, boxes: Sequence[Box]) -> tuple[list[int], Evaluation]:
    """Return the plainest customer of each box, evaluated together, and which boxes have one.

    Raises
    ------
    DataError
        When the policy refuses one of them.
    """
    customers = [next(_customers(table, box, 1), None) for box in boxes]
    there = [at for at, customer in enumerate(customers) if customer is not None]
    rows = [customer for customer in customers if customer is not None]
    return there, _evaluated(table.space, table.space.policies[table.policy], rows)


def witness_row(space: Space, cells: Mapping[str, int]) -> Customer | None:
    """Return a customer with facts in given cells.

    Parameters
    ----------
    space
        The space.
    cells
        The cell of some axes, by their places; the others are chosen so that they go with them.

    Returns
    -------
    Facts and attributes of all policies of the space, by name; ``None`` when the facts cannot go
    together.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> space = Space.of([load_policy("classic")])
    >>> row = witness_row(space, {"sale_count": 0})
    >>> row["sale_count"], row["mean_sale"]
    (0, None)
    """
    raw = _customer(space, cells)
    if raw is None:
        return None
    return {name: space.axes[name].column([value])[0] for name, value in raw.items()}


def replay(policy: Policy, customers: Sequence[Customer], scene: Scene) -> Evaluation:
    """Put customers through the evaluator; they have the ids 0, 1, 2, and so on.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> policy = load_policy("classic")
    >>> space = Space.of([policy])
    >>> row = witness_row(space, {"sale_count": 3})
    >>> replay(policy, [row], space.scene)[0]["frequency_points"]
    3
    """
    table = fact_table(policy, customers)
    last = scene.last_evaluated_at
    return evaluate_facts(policy, table, as_of=scene.as_of, last_evaluated_at=last)


def fact_table(policy: Policy, customers: Sequence[Customer]) -> FactTable:
    """Return plain customers as the facts that a policy takes, with ids from 0 on."""
    columns = {
        name: column_of(policy.fields[name], [customer[name] for customer in customers])
        for name in (*policy.facts, *policy.attributes)
    }
    return FactTable(Ids(np.arange(len(customers))), columns)


def column_of(type_: FieldType, values: Sequence[Value]) -> Column:
    """Return plain values, as a column gives them, as a column again."""
    raw = [_raw(one, type_) for one in values]
    if type_.kind == "label" and not type_.categories:
        type_ = FieldType("label", categories=tuple(sorted({str(one) for one in values if one})))
    return Axis("", type_, ()).column(raw)


def _raw(value: Value, type_: FieldType) -> Raw | None:
    match value:
        case Decimal() | Fraction() | int() if type_.kind in ("money", "ratio"):
            exact = Fraction(value) * int(10**type_.exponent)
            return exact if type_.kind == "ratio" else exact.numerator
        case datetime():
            return instant_us(value)
        case date():
            return day_number(value)
        case Decimal():
            return float(value)
    return value


def _evaluated(
    space: Space, policy: Policy, rows: Sequence[Mapping[str, Raw | None]]
) -> Evaluation:
    columns = {
        name: space.axes[name].column([row[name] for row in rows])
        for name in (*policy.facts, *policy.attributes)
    }
    table = FactTable(Ids(np.arange(len(rows))), columns)
    scene = space.scene
    last = scene.last_evaluated_at
    return evaluate_facts(policy, table, as_of=scene.as_of, last_evaluated_at=last)


def _customers(table: TableRegions, box: Box, tries: int) -> Iterator[dict[str, Raw | None]]:
    """Yield customers of a box: first the plainest one, then any."""
    chance = random.Random(0)  # noqa: S311  # nothing secret
    places = [[table.classes[at][one] for one in members(own)] for at, own in enumerate(box)]
    for at in range(tries):
        cells: dict[str, int] = {}
        for block, classes in zip(table.blocks, places, strict=True):
            place = block.plainest(np.concatenate(classes))
            if at:
                one = chance.choice(classes)
                place = int(one[chance.randrange(len(one))])
            cells |= block.cells_at(place)
        cells = {name: cell for name, cell in cells.items() if table.space.axes[name].settable}
        raw = _customer(table.space, cells, chance if at else None)
        if raw is not None:
            yield raw


def _customer(
    space: Space, cells: Mapping[str, int], chance: random.Random | None = None
) -> dict[str, Raw | None] | None:
    """Return values in these cells, and values of all other axes that go with them."""
    for relations in (space.usual, space.relations):
        chosen = _all_cells(space, relations, cells, chance)
        if chosen is not None:
            values = settled(relations, space.axes, chosen, plain=chance is None)
            if values is not None:
                return values
    return None


def _all_cells(
    space: Space, relations: Relations, cells: Mapping[str, int], chance: random.Random | None
) -> dict[str, Cell] | None:
    """Return a cell of each axis, the given ones among them; ``None`` where they do not agree.

    Where nothing is given it is as wide as others leave it.
    """
    able: dict[str, Mask] = {}
    rest = {name: None for name, axis in space.axes.items() if axis.settable}
    for name in {**cells, **rest}:
        axis = space.axes[name]
        open_ = np.ones(len(axis), np.bool_)
        if name in cells:
            open_ = np.arange(len(axis)) == cells[name]
        for other, theirs_able in able.items():
            for mine, theirs in relations.impossible(axis, space.axes[other]):
                if theirs[theirs_able].all():
                    open_ &= ~mine
        if not open_.any():
            return None
        if name not in cells:
            open_ = _wanted(axis, open_, relations, chance)
        able[name] = open_
        for other in able:
            for mine, theirs in relations.impossible(axis, space.axes[other]):
                if mine[open_].all():
                    able[other] &= ~theirs
        if not all(one.any() for one in able.values()):
            return None
    return {name: _whole(space.axes[name], mask, chance) for name, mask in able.items()}


def _wanted(axis: Axis, able: Mask, relations: Relations, chance: random.Random | None) -> Mask:
    """Return those of the cells that are as plain as can be; with chance, any one of them."""
    places = np.flatnonzero(able).tolist()
    if chance is not None:
        first = last = chance.choice(places)
    else:
        fact = relations.facts.get(axis.name)
        first = last = min(places, key=lambda at: _oddness(axis.cells[at], axis, fact))
        while fact is not None and last + 1 in places and _is_like(axis, fact, first, last + 1):
            last += 1
    spots = np.arange(len(axis))
    found: Mask = (first <= spots) & (spots <= last)
    return found


def _oddness(cell: Cell, axis: Axis, fact: Fact | None) -> tuple[bool, bool]:
    """Return how odd a cell would be that nothing asks for; of attributes few are known."""
    wanted = fact is not None or axis.type.kind == "bool"
    return not (wanted or cell.is_missing), cell.is_negative


def _is_like(axis: Axis, fact: Fact, one: int, other: int) -> bool:
    """Whether two cells say alike that there are orders."""
    return presence(fact, axis.cells[one]) == presence(fact, axis.cells[other])


def _whole(axis: Axis, able: Mask, chance: random.Random | None) -> Cell:
    """Return neighbouring cells as one."""
    cells = [axis.cells[at] for at in np.flatnonzero(able).tolist()]
    if len(cells) > 1:
        samples = tuple(sample for cell in cells for sample in cell.samples)
        return Cell(samples, cells[0].low, cells[-1].high)
    (cell,) = cells
    return _any(cell, chance) if chance is not None else cell


def _any(cell: Cell, chance: random.Random) -> Cell:
    return replace(cell, samples=(chance.choice(cell.samples),)) if cell.samples else cell
