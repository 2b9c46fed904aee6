"""Lines folded into orders, and into one return for each order that their returns name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.draft import Draft, codes_of, dense, first_of_each, take_rows
from crmcore.records.raw import Raw
from crmcore.records.reading import Standard

__all__ = ["NO_LINK", "Lines", "fold", "own_lines"]

NO_LINK = -1
"""In place of the order that a return names: it names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The lines of the rows: products, categories and quantities.

    `row` is the row of each line, ``None`` where each row is its own single line.
    """

    row: Ints | None
    amount_minor: Ints
    quantity: Ints | None
    quantity_known: Mask | None
    product: Raw | None
    category: Raw | None


def own_lines(draft: Draft) -> tuple[Draft, Lines]:
    """Return rows that are orders and returns already, each its own single line."""
    if draft.return_of is not None:
        positive = (draft.return_of != NO_LINK) & (draft.rows.amount_minor >= 0)
        draft = draft.without("quarantined", "positive_return", positive)
    return draft, _lines(draft.rows, None)


def fold(draft: Draft) -> tuple[Draft, Lines]:
    """Fold lines into one row for each order, and one for each order that its returns name.

    Lines without order ids stay rows of their own.
    """
    if draft.order is None:
        return own_lines(draft)
    piece, pieces, links = _pieces(draft)
    clash = _clashes(draft.rows, draft.order, piece, pieces)
    draft = draft.without("quarantined", "conflicting_order", clash)
    piece, pieces, links = _pieces(draft)
    amounts = draft.rows.amount_minor
    if len(kernels.overflows(piece, amounts, pieces)):
        raise DataError("the lines of one order add up beyond 64 bits", column="amount")
    total = kernels.add(piece, amounts, pieces)
    positive = (links != NO_LINK) & (total[piece] >= 0)
    draft = draft.without("quarantined", "positive_return", positive)
    piece, pieces, links = _pieces(draft)
    first = np.flatnonzero(first_of_each(piece, pieces, None))
    first = first[np.argsort(piece[first])]
    folded = replace(draft.keep(first), rows=_folded(draft.rows, piece, pieces, first))
    return folded, _lines(draft.rows, piece)


def _pieces(draft: Draft) -> tuple[Ints, int, Ints]:
    """Code what each line is a piece of: an order, or its return of one other order."""
    order = draft.order
    assert order is not None
    links = np.full(len(order), NO_LINK) if draft.return_of is None else draft.return_of
    piece, pieces = dense(order * (int(links.max(initial=0)) + 2) + links + 1)
    return piece, pieces, links


def _lines(rows: Standard, row: Ints | None) -> Lines:
    return Lines(
        row,
        rows.amount_minor,
        rows.quantity,
        rows.quantity_known,
        rows.product_id,
        rows.category,
    )


def _clashes(rows: Standard, order: Ints, piece: Ints, pieces: int) -> Mask:
    """Mark all lines of orders whose lines disagree about what an order has only one of."""
    groups = int(order.max(initial=-1)) + 1
    bad = np.zeros(groups, np.bool_)
    shared: tuple[tuple[Ints, int, NDArray[np.generic] | Raw | None], ...] = (
        (order, groups, rows.customer_id),
        (piece, pieces, rows.status),
        (piece, pieces, rows.channel),
        (piece, pieces, rows.promotion),
    )
    for group, number, column in shared:
        if column is None or len(group) == 0:
            continue
        codes = codes_of(column)
        differs = codes != kernels.smallest(group, codes, number)[group]
        bad[order[differs]] = True
    return bad[order] if len(order) else np.zeros(0, np.bool_)


def _folded(rows: Standard, piece: Ints, pieces: int, first: Ints) -> Standard:
    quantity, quantity_known = rows.quantity, rows.quantity_known
    if quantity is not None:
        known = np.ones(rows.rows, np.bool_) if quantity_known is None else quantity_known
        quantity = kernels.add(piece, np.where(known, quantity, 0), pieces)
        quantity_known = kernels.count(piece[known], pieces) > 0
    latest: dict[str, Any] = {
        name: kernels.largest(piece, column, pieces)
        for name in ("status_us", "known_us")
        if (column := getattr(rows, name)) is not None
    }
    return replace(
        take_rows(rows, first),
        placed_us=kernels.smallest(piece, rows.placed_us, pieces),
        amount_minor=kernels.add(piece, rows.amount_minor, pieces),
        quantity=quantity,
        quantity_known=quantity_known,
        **latest,
    )
