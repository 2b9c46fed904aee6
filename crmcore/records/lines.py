"""The lines of orders, and what rows are sorted by: products, categories, channels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from crmcore.columns import Ints, Mask
from crmcore.records.folding import Lines
from crmcore.records.raw import Raw

__all__ = ["Dimension", "LineColumns"]


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """What rows are sorted by, such as their channel: codes (-1: not stated) and the values."""

    codes: Ints
    values: tuple[object, ...]

    @classmethod
    def of(cls, raw: Raw | None) -> Dimension | None:
        """Return the dimension of a raw column; ``None`` when there is no column."""
        if raw is None:
            return None
        raw = raw.coded()
        if raw.categories is not None:
            codes = raw.values.astype(np.int64, copy=False)
            values = tuple(raw.categories.tolist())
        else:
            distinct, codes = np.unique(raw.values, return_inverse=True)
            values = tuple(distinct.tolist())
        if raw.missing is not None:
            codes = np.where(raw.missing, -1, codes)
        return cls(codes, values)

    def take(self, rows: Ints | Mask) -> Dimension:
        """Return the rows asked for."""
        return Dimension(self.codes[rows], self.values)


@dataclass(frozen=True, slots=True, eq=False)
class LineColumns:
    """The lines of the orders. `row` is the order's row; ``None``: each order is one line."""

    row: Ints | None
    amount_minor: Ints
    quantity: Ints | None
    quantity_known: Mask | None
    product: Dimension | None
    category: Dimension | None

    @classmethod
    def of(cls, lines: Lines) -> LineColumns:
        """Return the lines that preparing left."""
        return cls(
            lines.row,
            lines.amount_minor,
            lines.quantity,
            lines.quantity_known,
            Dimension.of(lines.product),
            Dimension.of(lines.category),
        )

    def rows(self) -> Ints:
        """Return the order's row of each line."""
        return np.arange(len(self.amount_minor)) if self.row is None else self.row

    def of_orders(self, rows: Ints, orders: int) -> LineColumns:
        """Return the lines of some of the orders, which stand in the order asked for."""
        if self.row is None:
            return self._take(rows)
        place = np.full(orders, -1, np.int64)
        place[rows] = np.arange(len(rows))
        kept = np.flatnonzero(place[self.row] >= 0)
        return replace(self._take(kept), row=place[self.row[kept]])

    def repeat(self, times: int, orders: int) -> LineColumns:
        """Return the lines so many times over, for as many copies of all orders."""
        size = len(self.amount_minor)
        copies = self._take(np.tile(np.arange(size), times))
        if copies.row is None:
            return copies
        return replace(copies, row=copies.row + np.repeat(np.arange(times) * orders, size))

    def _take(self, kept: Ints) -> LineColumns:
        return LineColumns(
            None if self.row is None else self.row[kept],
            self.amount_minor[kept],
            None if self.quantity is None else self.quantity[kept],
            None if self.quantity_known is None else self.quantity_known[kept],
            None if self.product is None else self.product.take(kept),
            None if self.category is None else self.category.take(kept),
        )
