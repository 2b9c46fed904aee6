"""Customers: one for each combination of some facts' cells, or a sample of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import prod

import numpy as np

from crmcore.analysis.axes import Axis, Cell
from crmcore.analysis.relations import Relations
from crmcore.columns import Column, Ints, Mask

__all__ = ["Customers"]


@dataclass(frozen=True, eq=False)
class Customers:
    """Pretended customers; the value that stands for a cell is the customer's.

    Parameters
    ----------
    axes
        The facts and attributes they have; see `Axis.only` for one of values of your own.
    places
        For each axis the cell of each customer.
    rows
        How many customers there are.
    combinations
        How many there would be, if every combination was there.
    contradictions
        How many pairs of facts of each no orders could bring about: more sales than orders, say.

    Examples
    --------
    >>> from crmcore.analysis import Space
    >>> from crmcore.policy import load_policy
    >>> space = Space.of([load_policy("classic")])
    >>> found = Customers.of([space.axes["sale_count"]], space.relations, most=100)
    >>> found.columns["sale_count"].to_list(), found.is_whole
    ([0, 1, 2, 3, 4, 6], True)
    """

    axes: tuple[Axis, ...]
    places: tuple[Ints, ...]
    rows: int
    combinations: int
    contradictions: Ints

    @classmethod
    def of(cls, axes: Iterable[Axis], relations: Relations, *, most: int) -> Customers:
        """Return every combination of cells; where there are more than `most`, some at random.

        The same on every run.
        """
        axes = tuple(axes)
        shape = [len(axis) for axis in axes]
        size = prod(shape)
        rows = min(size, most)
        places = _places(shape, size, rows)
        related = replace(relations, found={})  # an axis of values is not that of the space
        odd = np.zeros(rows, np.int64)
        for (one, mine), (other, theirs) in combinations(zip(axes, places, strict=True), 2):
            for left, right in related.impossible(one, other):
                odd += left[mine] & right[theirs]
        return cls(axes, places, rows, size, odd)

    @property
    def is_whole(self) -> bool:
        """Whether every combination is among them."""
        return self.rows == self.combinations

    @property
    def possible(self) -> Mask:
        """Those whom orders could bring about."""
        result: Mask = self.contradictions == 0
        return result

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Their facts and attributes."""
        return {
            axis.name: axis.column([cell.value for cell in axis.cells]).take(place)
            for axis, place in zip(self.axes, self.places, strict=True)
        }

    def cells_of(self, row: int) -> dict[str, Cell]:
        """Return the cells of one customer."""
        return {
            axis.name: axis.cells[place[row]]
            for axis, place in zip(self.axes, self.places, strict=True)
        }

    def count(self, holds: Callable[[Cell], bool]) -> Ints:
        """Return for each customer how many of the cells are such as asked for."""
        found = np.zeros(self.rows, np.int64)
        for axis, place in zip(self.axes, self.places, strict=True):
            found += np.array([holds(cell) for cell in axis.cells], np.bool_)[place]
        return found


def _places(shape: Sequence[int], size: int, rows: int) -> tuple[Ints, ...]:
    """Return the cells of all combinations, or of as many as may be, drawn evenly."""
    if rows == size:
        grid = np.unravel_index(np.arange(size), shape) if shape else ()
        return tuple(place.astype(np.int64) for place in grid)
    chance = np.random.default_rng(0)
    return tuple(chance.integers(0, cells, rows) for cells in shape)
