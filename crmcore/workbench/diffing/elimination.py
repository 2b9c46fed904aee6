"""All customers at once, where they are too many to be listed: what no longer matters is dropped.

Facts are put together only when something reads several of them. As soon as a fact has been
banded, added or asked about for the last time it is left out, and rows that are then alike become
one. So ten facts of ten bands that go into a sum are a few hundred sums, not ten thousand million
customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis import Space, as_taken
from crmcore.analysis.reading import names_of
from crmcore.columns import Column, Ints
from crmcore.conditions import GIVEN, evaluate
from crmcore.errors import DataError
from crmcore.scoring import Step, SumStep
from crmcore.segments import TableStep
from crmcore.tables import MISSING, OTHERWISE, BoundTable
from crmcore.workbench.diffing.grid import leaves_of, steps_for
from crmcore.workbench.diffing.movement import codes_of

__all__ = ["Outcomes", "TooManyRowsError", "eliminated"]

_MOST: Final = 1_000_000
_OPEN: Final = -9

Columns: TypeAlias = Mapping[str, Column]


class TooManyRowsError(Exception):
    """Even so there are too many rows: nothing is decided."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Everything that two policies can make of one decision.

    Parameters
    ----------
    before, after
        What they make of it, row by row.
    cells
        For each fact and attribute the cell of somebody of whom they do, if orders can bring such
        facts about together.
    """

    before: Column
    after: Column
    cells: Mapping[str, Ints]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Facts that stand together, and what follows from them for each policy."""

    cells: dict[str, Ints]
    columns: tuple[dict[str, Column], dict[str, Column]]
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One thing to be computed for one policy: from which columns, and which one it gives."""

    policy: int
    reads: frozenset[str]
    gives: str
    run: Callable[[Columns, int], Column]


def eliminated(space: Space, name: str) -> Outcomes:
    """Return what two policies can make of one decision.

    Raises
    ------
    TooManyRowsError
        When there are too many combinations even so.
    DataError
        When a list refuses what is unknown, or one policy values that the other allows.
    """
    work = [
        one
        for at, policy in enumerate(space.policies)
        for step in steps_for(policy, [name])
        for one in _work(at, step, space)
    ]
    leaves = sorted({one for policy in space.policies for one in leaves_of(policy, [name])})
    groups = [_alone(space, leaf) for leaf in leaves]
    while work:
        todo = min(_ready(work, groups), key=lambda one: _cost(groups, one))
        work.remove(todo)
        groups = _done(groups, todo, _wanted(work, name))
    last = _joined([one for one in groups if any(name in columns for columns in one.columns)])
    return Outcomes(last.columns[0][name], last.columns[1][name], last.cells)


def _alone(space: Space, leaf: str) -> _Rows:
    axis = space.axes[leaf]
    column = axis.column([cell.value for cell in axis.cells])
    columns = tuple(
        {leaf: as_taken(policy.fields[leaf], column)}
        if leaf in policy.facts or leaf in policy.attributes
        else {}
        for policy in space.policies
    )
    for taken in columns:
        if leaf in taken and (taken[leaf].is_known() != column.is_known()).any():
            raise DataError(f"the two policies do not allow {leaf!r} the same values")
    return _Rows({leaf: np.arange(len(axis))}, (columns[0], columns[1]), len(axis))


# What there is to compute


def _work(at: int, step: Step, space: Space) -> Iterator[_Work]:
    policy, given = space.policies[at], space.given[at]
    match step:
        case SumStep():
            yield from _sum(at, step)
        case TableStep():
            yield from _table(at, step, given)
        case _:
            timing = space.scene.timing(policy)

            def run(columns: Columns, rows: int) -> Column:
                return step.apply({**columns, **given}, rows, timing)

            yield _Work(at, frozenset(step.needs) - GIVEN.keys(), step.name, run)


def _sum(at: int, step: SumStep) -> Iterator[_Work]:
    """Yield the sum part by part: in the order of their names, as for the other policy."""
    parts = sorted(step.weights)
    total = ""
    for place, (part, weight) in enumerate(parts):
        gives = step.name if place == len(parts) - 1 else f"{step.name}+{place}"
        yield _Work(
            at, frozenset([part, total] if total else [part]), gives, _add(total, part, weight)
        )
        total = gives


def _add(total: str, part: str, weight: int) -> Callable[[Columns, int], Column]:
    def run(columns: Columns, rows: int) -> Column:
        points = columns[part]
        values, known = points.values.astype(np.int64) * weight, points.is_known()
        if total:
            values = values + columns[total].values.astype(np.int64)
            known = known & columns[total].is_known()
        return Column("int", np.where(known, values, 0), known)

    return run


def _table(at: int, step: TableStep, given: Columns) -> Iterator[_Work]:
    """Yield the list row by row, each with the row that has decided so far."""
    table, matched = step.table, ""
    for row, bound in enumerate(table.conditions):
        reads = (names_of(bound) - GIVEN.keys()) | ({matched} if matched else set())
        gives = f"{step.name}#{row}"
        yield _Work(at, reads, gives, _match(table, row, matched, given))
        matched = gives
    reference = (table.otherwise or "").startswith("@")
    reads = frozenset([matched, (table.otherwise or "")[1:]] if reference else [matched])
    yield _Work(at, reads, step.name, _label(table, matched))


def _match(
    table: BoundTable, row: int, matched: str, given: Columns
) -> Callable[[Columns, int], Column]:
    def run(columns: Columns, rows: int) -> Column:
        state = columns[matched].values if matched else np.full(rows, _OPEN)
        state = state.astype(np.int64)
        truth = evaluate(table.conditions[row], {**columns, **given}, rows)
        still = state == _OPEN
        if truth.known is not None and table.unknown != "skip":
            unknown = still & ~truth.known
            if table.unknown == "error" and unknown.any():
                raise DataError(f"a condition of {table.path!r} is unknown for some customers")
            state = np.where(unknown, _default(table), state)
        return Column("int", np.where(still & truth.true, row, state))

    return run


def _default(table: BoundTable) -> int:
    return MISSING if table.otherwise is None else OTHERWISE


def _label(table: BoundTable, matched: str) -> Callable[[Columns, int], Column]:
    def run(columns: Columns, rows: int) -> Column:
        state = columns[matched].values.astype(np.int64)
        state = np.where(state == _OPEN, _default(table), state)
        codes, known = table.codes[state], state != MISSING
        if table.otherwise is not None and table.otherwise.startswith("@"):
            other = codes_of(columns[table.otherwise[1:]], table.categories)
            referred = state == OTHERWISE
            codes = np.where(referred, other, codes)
            known &= codes < len(table.categories)
        return Column("label", np.where(known, codes, 0), known, categories=table.categories)

    return run


# In which order


def _ready(work: Sequence[_Work], groups: Sequence[_Rows]) -> Iterator[_Work]:
    there = [
        frozenset[str]().union(*(one.columns[policy].keys() for one in groups))
        for policy in range(2)
    ]
    return (one for one in work if one.reads <= there[one.policy])


def _read_by(groups: Sequence[_Rows], work: _Work) -> list[_Rows]:
    return [one for one in groups if work.reads & one.columns[work.policy].keys()]


def _cost(groups: Sequence[_Rows], work: _Work) -> int:
    return prod(one.size for one in _read_by(groups, work))


def _wanted(work: Iterable[_Work], name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return what is still to be read of each policy."""
    left = list(work)
    first, second = (
        frozenset([name]).union(*(one.reads for one in left if one.policy == at)) for at in range(2)
    )
    return first, second


def _done(
    groups: Sequence[_Rows], work: _Work, wanted: tuple[frozenset[str], frozenset[str]]
) -> list[_Rows]:
    """Return the groups after one computation."""
    read = _read_by(groups, work)
    rows = _joined(read)
    columns = rows.columns
    columns[work.policy][work.gives] = work.run(columns[work.policy], rows.size)
    return [*(one for one in groups if one not in read), _reduced(rows, wanted)]


# Rows


def _joined(groups: Sequence[_Rows]) -> _Rows:
    """Return every combination of the rows of some groups."""
    size = prod(one.size for one in groups)
    if size > _MOST:
        raise TooManyRowsError
    cells: dict[str, Ints] = {}
    columns: tuple[dict[str, Column], dict[str, Column]] = ({}, {})
    places = np.unravel_index(np.arange(size), [one.size for one in groups]) if groups else ()
    for one, place in zip(groups, places, strict=True):
        cells |= {name: cell[place] for name, cell in one.cells.items()}
        for mine, theirs in zip(columns, one.columns, strict=True):
            mine.update({name: column.take(place) for name, column in theirs.items()})
    return _Rows(cells, columns, size)


def _reduced(rows: _Rows, wanted: tuple[frozenset[str], frozenset[str]]) -> _Rows:
    """Return the rows without what nothing reads any more, and those alike but once."""
    kept = [
        {name: column for name, column in columns.items() if name in names}
        for columns, names in zip(rows.columns, wanted, strict=True)
    ]
    keys = [
        key
        for columns in kept
        for name, column in columns.items()
        for key in ([rows.cells[name]] if name in rows.cells else _keys(column))
    ]
    first = np.zeros(1, np.int64)
    if keys:
        first = np.unique(np.stack(keys), axis=1, return_index=True)[1]
    then, now = ({name: one.take(first) for name, one in columns.items()} for columns in kept)
    cells = {name: cell[first] for name, cell in rows.cells.items()}
    return _Rows(cells, (then, now), len(first))


def _keys(column: Column) -> tuple[Ints, Ints]:
    known = column.is_known()
    values = np.unique(column.values, return_inverse=True)[1]
    return np.where(known, values, 0), known.astype(np.int64)
