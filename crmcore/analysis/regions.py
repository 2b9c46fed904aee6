"""Regions: for which customers the rows of a table hold, as boxes over classes of cells.

Cells that no condition of the table tells apart are one class. A box is a product of sets of
classes, one set a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.analysis.axes import Axis
from crmcore.analysis.boxes import Box, common
from crmcore.analysis.reading import names_of
from crmcore.analysis.space import Block, Space
from crmcore.columns import Mask
from crmcore.conditions import Bound, BoundBetween, BoundNot, BoundTerms, evaluate
from crmcore.segments import TableStep

__all__ = ["Region", "Row", "TableRegions", "TooManyBoxesError", "Wanted", "Where", "intersection"]

Region: TypeAlias = tuple[Box, ...]
"""The points of any of these boxes."""
Wanted: TypeAlias = Literal["true", "false", "maybe", "not_true"]
"""Where a condition is true, false, not false (true or unknown), or not true."""

_MOST_BOXES: Final = 1_000
_OPPOSITE: Final[dict[Wanted, Wanted]] = {
    "true": "false",
    "false": "true",
    "maybe": "not_true",
    "not_true": "maybe",
}


class TooManyBoxesError(Exception):
    """A condition falls into more boxes than are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class _Leaf:
    """A condition that depends on one block (on none: -1): where it is true, and not false."""

    block: int
    true: Mask
    maybe: Mask


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    op: Literal["and", "or", "not"]
    terms: tuple[_Plan, ...]


_Plan: TypeAlias = _Leaf | _Joined


@dataclass(frozen=True, slots=True, eq=False)
class Where:
    """Where one condition, or a term of one, holds.

    `region` gives the boxes for what is wanted; see `Wanted`.
    """

    _plan: _Plan
    _table: TableRegions

    def region(self, wanted: Wanted) -> Region:
        """Return where the condition is what is wanted.

        Raises
        ------
        TooManyBoxesError
            When that are too many boxes.
        """
        return self._table.boxes_of(self._plan, wanted)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row of a table: where its condition is true, where it is unknown, and its terms."""

    bound: Bound
    holds: Region
    unknown: Region
    terms: tuple[tuple[Bound, Where], ...]


class TableRegions:
    """The rows of a table as boxes.

    Parameters
    ----------
    space
        Where customers are.
    step
        The table.
    policy
        Which of the space's policies it belongs to.

    Attributes
    ----------
    blocks
        The blocks that the table depends on.
    full
        The box of all customers.
    impossible
        Boxes that no customer is in.
    rows
        The rows.
    references
        For the column that `otherwise` refers to: its block, and where it has each of its labels
        and none.

    Raises
    ------
    TooManyBoxesError
        When a condition falls into too many boxes.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> space = Space.of([load_policy("classic")])
    >>> table = TableRegions(space, space.step("class"))
    >>> len(table.rows), len(table.blocks)
    (5, 5)
    """

    def __init__(self, space: Space, step: TableStep, policy: int = 0) -> None:
        self.space = space
        self.step = step
        self.policy = policy
        self.blocks: list[Block] = []
        self._leaves: dict[int, _Leaf] = {}
        self._sets: dict[int, int] = {}
        plans = [self._plan_of_row(condition) for condition in step.table.conditions]
        self.references = list(self._of_reference())
        self._relations = list(self._related())
        self.classes = [self._classes(at) for at in range(len(self.blocks))]
        self.full: Box = tuple((1 << len(members)) - 1 for members in self.classes)
        self.impossible: Region = tuple(self._impossible())
        self.rows = tuple(map(self._row, step.table.conditions, plans))

    def referred(self) -> list[Region]:
        """Return where the column that `otherwise` refers to has each of its labels.

        In the order of its labels, and last where it has none; nothing when it refers to none.
        """
        return [self._region(at, self._sets[id(mask)]) for at, mask in self.references]

    # Plans: which block each part of a condition depends on

    def _plan_of_row(self, bound: Bound) -> _Plan:
        """Return the plan of a row, its terms one by one."""
        if isinstance(bound, BoundTerms):
            return _Joined(bound.op, tuple(map(self._plan, bound.terms)))
        return self._plan(bound)

    def _plan(self, bound: Bound) -> _Plan:
        free = self.space.free[self.policy]
        if bound.text in free:
            block = self.space.block_of(free[bound.text])
            return self._leaf(block, np.array([False, True, False]), np.array([False, True, True]))
        names = names_of(bound)
        match bound:
            case BoundTerms() | BoundNot() | BoundBetween() if not self._is_whole(bound, names):
                terms, op = _parts(bound)
                return _Joined(op, tuple(map(self._plan, terms)))
        if not names:
            truth = evaluate(bound, {}, 1)
            return _Leaf(-1, truth.true, truth.true)
        (block,) = self.space.blocks_of(names, self.policy)
        return self._leaf(block, *block.truth(self.policy, bound, self.space.given[self.policy]))

    def _is_whole(self, bound: Bound, names: frozenset[str]) -> bool:
        """Whether a condition depends on one block and on no test that stands for itself."""
        if len(self.space.blocks_of(names, self.policy)) != 1:
            return False
        free = self.space.free[self.policy]
        return not free or not any(part.text in free for part in _all_parts(bound))

    def _leaf(self, block: Block, true: Mask, maybe: Mask) -> _Leaf:
        leaf = _Leaf(self._place(block), true, maybe)
        self._leaves[id(leaf)] = leaf
        return leaf

    def _place(self, block: Block) -> int:
        for at, one in enumerate(self.blocks):
            if one is block:
                return at
        self.blocks.append(block)
        return len(self.blocks) - 1

    # Classes: cells that the table does not tell apart

    def _related(self) -> Iterator[tuple[int, Mask, int, Mask]]:
        """Yield what cannot go together of two blocks."""
        for low, first in enumerate(self.blocks):
            for high in range(low + 1, len(self.blocks)):
                second = self.blocks[high]
                for one, other in _pairs(first, second):
                    for mine, theirs in self.space.relations.impossible(one, other):
                        yield (
                            low,
                            mine[first.places_of(one.name)],
                            high,
                            theirs[second.places_of(other.name)],
                        )

    def _classes(self, at: int) -> list[NDArray[np.int64]]:
        """Return the cells of each class of a block, and make sets of its conditions."""
        block = self.blocks[at]
        leaves = [leaf for leaf in self._leaves.values() if leaf.block == at]
        masks = {id(mask): mask for leaf in leaves for mask in (leaf.true, leaf.maybe)}
        for low, mine, high, theirs in self._relations:
            masks.update(
                {id(mine): mine} if low == at else {id(theirs): theirs} if high == at else {}
            )
        masks.update({id(mask): mask for own, mask in self.references if own == at})
        there = np.flatnonzero(block.possible)
        if not masks:
            return [there]
        told = np.array([mask[there] for mask in masks.values()], np.bool_)
        packed = np.ascontiguousarray(np.packbits(told, axis=0).T)
        _, first, inverse = np.unique(
            packed.view(f"V{packed.shape[1]}").reshape(-1), return_index=True, return_inverse=True
        )
        for key, mask in zip(masks, told[:, first], strict=True):
            self._sets[key] = _bits(mask)
        order = np.argsort(inverse, kind="stable")
        counts = np.bincount(inverse, minlength=len(first))
        return np.split(there[order], np.cumsum(counts)[:-1])

    def _of_reference(self) -> Iterator[tuple[int, Mask]]:
        reference = self.step.table.otherwise or ""
        if not reference.startswith("@"):
            return
        (block,) = self.space.blocks_of(frozenset([reference[1:]]), self.policy)
        column = block.columns[self.policy][reference[1:]]
        at, known = self._place(block), column.is_known()
        for code in range(len(column.categories)):
            yield at, known & (column.values == code)
        yield at, ~known

    def _region(self, at: int, own: int) -> Region:
        return ((*self.full[:at], own, *self.full[at + 1 :]),) if own else ()

    def _impossible(self) -> Iterator[Box]:
        for low, mine, high, theirs in self._relations:
            box = list(self.full)
            box[low], box[high] = self._sets[id(mine)], self._sets[id(theirs)]
            if all(box):
                yield tuple(box)

    # Boxes

    def _row(self, bound: Bound, plan: _Plan) -> Row:
        unknown: Region = ()
        if self.step.table.unknown != "skip":
            unknown = intersection(self.boxes_of(plan, "maybe"), self.boxes_of(plan, "not_true"))
        terms: tuple[tuple[Bound, Where], ...] = ()
        if isinstance(bound, BoundTerms) and isinstance(plan, _Joined):
            wheres = (Where(term, self) for term in plan.terms)
            terms = tuple(zip(bound.terms, wheres, strict=True))
        return Row(bound, self.boxes_of(plan, "true"), unknown, terms)

    def boxes_of(self, plan: _Plan, wanted: Wanted) -> Region:
        """Return the boxes of a plan; see `Where.region`."""
        if isinstance(plan, _Leaf):
            return self._boxes_of_leaf(plan, wanted)
        if plan.op == "not":
            return self.boxes_of(plan.terms[0], _OPPOSITE[wanted])
        regions = [self.boxes_of(term, wanted) for term in plan.terms]
        if (plan.op == "and") is (wanted in ("true", "maybe")):
            found = regions[0]
            for region in regions[1:]:
                found = intersection(found, region)
            return found
        return _limited(tuple(dict.fromkeys(box for region in regions for box in region)))

    def _boxes_of_leaf(self, leaf: _Leaf, wanted: Wanted) -> Region:
        mask = leaf.true if wanted in ("true", "not_true") else leaf.maybe
        negative = wanted in ("false", "not_true")
        if leaf.block < 0:
            return (self.full,) if bool(mask[0]) is not negative else ()
        own = self._sets[id(mask)]
        return self._region(leaf.block, self.full[leaf.block] & ~own if negative else own)


def _parts(
    bound: BoundTerms | BoundNot | BoundBetween,
) -> tuple[Sequence[Bound], Literal["and", "or", "not"]]:
    match bound:
        case BoundTerms():
            return bound.terms, bound.op
        case BoundNot():
            return (bound.term,), "not"
        case _:
            return (bound.low, bound.high), "and"


def _all_parts(bound: Bound) -> Iterator[Bound]:
    yield bound
    if isinstance(bound, BoundTerms | BoundNot | BoundBetween):
        for part in _parts(bound)[0]:
            yield from _all_parts(part)


def _pairs(first: Block, second: Block) -> Iterator[tuple[Axis, Axis]]:
    for one in first.axes:
        for other in second.axes:
            yield one, other


def _bits(mask: Mask) -> int:
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


def _limited(region: Region) -> Region:
    if len(region) > _MOST_BOXES:
        raise TooManyBoxesError
    return region


def intersection(one: Region, other: Region) -> Region:
    """Return the points of both regions; raises `TooManyBoxesError`."""
    found = {both: None for left in one for right in other if (both := common(left, right))}
    return _limited(tuple(found))
