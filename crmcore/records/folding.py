"""Lines folded into orders, and into one return for each order that their returns name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.draft import Draft, codes_of, dense, first_of_each, take_rows
from crmcore.records.raw import Raw
from crmcore.records.reading import Standard

__all__ = ["NO_LINK", "Lines", "fold", "lines_of", "own_lines"]

NO_LINK = -1
"""In place of the order that a return names: it names none."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The lines of the rows: products, categories and quantities.

    `row` is the row of each line, ``None`` where each row is its own single line. `positions` is
    where each line stood in what was given; ``None``: where its row did.
    """

    row: Ints | None
    amount_minor: Ints
    quantity: Ints | None
    quantity_known: Mask | None
    product: Raw | None
    category: Raw | None
    positions: Ints | None = None


def own_lines(draft: Draft) -> tuple[Draft, Lines, int]:
    """Return rows that are orders and returns already, each its own single line; and how many."""
    if draft.return_of is not None:
        positive = (draft.return_of != NO_LINK) & (draft.rows.amount_minor >= 0)
        draft = draft.without("quarantined", "positive_return", positive)
    return draft, lines_of(draft.rows, None), draft.rows.rows


def fold(draft: Draft) -> tuple[Draft, Lines, int]:
    """Fold lines into one row for each order, and one for each order that its returns name.

    Where it is recorded when each line became known, an order has a row for each time at which
    more of it became known. Lines without order ids stay rows of their own.

    Returns
    -------
    Draft, Lines, int
        The folded rows, the lines of each, and how many of the lines given are among them.
    """
    if draft.order is None:
        return own_lines(draft)
    before = len(draft.left_out)
    shown, lines = _as_it_became_known(draft)
    clash = _clashes(shown)
    positive = np.zeros(len(clash), np.bool_)
    positive[~clash] = _positive(shown.keep(~clash))
    _leave_out(draft, lines, clash, positive)
    shown = shown.keep(~(clash | positive))
    piece, pieces = _pieces(shown)
    first = np.flatnonzero(first_of_each(piece, pieces, None))
    first = first[np.argsort(piece[first])]
    folded = replace(shown.keep(first), rows=_folded(shown.rows, piece, pieces, first))
    kept = draft.rows.rows - sum(one.rows for one in draft.left_out[before:])
    return folded, replace(lines_of(shown.rows, piece), positions=shown.positions), kept


def _leave_out(draft: Draft, lines: Ints, clash: Mask, positive: Mask) -> None:
    """Account for the lines that are at no time part of an order or return that counts."""
    size = draft.rows.rows
    seen, used = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    clashed = np.zeros(size, np.bool_)
    seen[lines] = True
    used[lines[~(clash | positive)]] = True
    clashed[lines[clash]] = True
    never = seen & ~used
    draft.account("quarantined", "conflicting_order", never & clashed)
    draft.account("quarantined", "positive_return", never & ~clashed)


def _links(draft: Draft) -> Ints:
    assert draft.order is not None
    return np.full(len(draft.order), NO_LINK) if draft.return_of is None else draft.return_of


def _pieces(shown: Draft) -> tuple[Ints, int]:
    """Code what each line is a piece of at a time: an order, or its return of one other order."""
    links = _links(shown)
    assert shown.order is not None
    return _at_each_time(shown.order * (int(links.max(initial=0)) + 2) + links + 1, shown)


def _at_each_time(group: Ints, draft: Draft) -> tuple[Ints, int]:
    if draft.rows.known_us is None:
        return dense(group)
    times, count = dense(draft.rows.known_us)
    return dense(group * count + times)


def _as_it_became_known(draft: Draft) -> tuple[Draft, Ints]:
    """Return each line once for each stretch of time with the same knowledge of its order.

    Also returns which line each one is. Where nothing is recorded, the lines themselves.
    """
    order, known = draft.order, draft.rows.known_us
    if order is None or known is None:
        return draft, np.arange(draft.rows.rows)
    until = np.full(len(order), kernels.INT64_MAX) if draft.until is None else draft.until
    ends = until < kernels.INT64_MAX
    pairs = np.stack([np.append(order, order[ends]), np.append(known, until[ends])])
    cuts = np.unique(pairs, axis=1)
    start = _place_of(order, known, cuts)
    stop = np.where(ends, _place_of(order, until, cuts), np.searchsorted(cuts[0], order, "right"))
    times = np.maximum(stop - start, 0)
    lines = np.repeat(np.arange(len(order)), times)
    offset = np.arange(len(lines)) - np.repeat(np.cumsum(times) - times, times)
    place = start[lines] + offset
    following = np.append(cuts[1][1:], kernels.INT64_MAX)
    last = np.append(cuts[0][1:] != cuts[0][:-1], True)
    holds = np.where(last, kernels.INT64_MAX, following)
    shown = draft.keep(lines)
    rows = replace(shown.rows, known_us=cuts[1][place])
    return replace(shown, rows=rows, until=holds[place]), lines


def _place_of(order: Ints, time: Ints, cuts: Ints) -> Ints:
    """Return the position of each pair of order and time among the ascending cuts."""
    both = np.concatenate([np.stack([order, time]), cuts], axis=1)
    is_cut = np.repeat([1, 0], [len(order), cuts.shape[1]])
    ranked = np.lexsort((is_cut, both[1], both[0]))
    place = np.empty(len(ranked), np.int64)
    place[ranked] = np.cumsum(is_cut[ranked] == 0) - 1
    return place[: len(order)]


def lines_of(rows: Standard, row: Ints | None) -> Lines:
    """Return rows as lines of the rows stated; ``None``: each is a row of its own."""
    return Lines(
        row,
        rows.amount_minor,
        rows.quantity,
        rows.quantity_known,
        rows.product_id,
        rows.category,
    )


def _clashes(shown: Draft) -> Mask:
    """Mark the lines of orders whose lines, as known at a time, contradict each other.

    An order has one customer; it, and each of its returns, has one status, channel and promotion.
    """
    order, rows = shown.order, shown.rows
    assert order is not None
    whole, wholes = _at_each_time(order, shown)
    parts = _pieces(shown)
    shared: tuple[tuple[tuple[Ints, int], NDArray[np.generic] | Raw | None], ...] = (
        ((whole, wholes), rows.customer_id),
        (parts, rows.status),
        (parts, rows.channel),
        (parts, rows.promotion),
    )
    bad = np.zeros(wholes, np.bool_)
    for (group, number), column in shared:
        if column is not None and len(group):
            codes = codes_of(column)
            bad[whole[codes != kernels.smallest(group, codes, number)[group]]] = True
    return bad[whole]


def _positive(shown: Draft) -> Mask:
    """Mark the lines of returns that, as known at a time, do not bring money back."""
    piece, pieces = _pieces(shown)
    total = _total(piece, shown.rows.amount_minor, pieces, "amount")
    positive: Mask = (_links(shown) != NO_LINK) & (total[piece] >= 0)
    return positive


def _total(piece: Ints, values: Ints, pieces: int, column: str) -> Ints:
    if len(kernels.overflows(piece, values, pieces)):
        raise DataError("the lines of one order add up beyond 64 bits", column=column)
    return kernels.add(piece, values, pieces)


def _folded(rows: Standard, piece: Ints, pieces: int, first: Ints) -> Standard:
    quantity, quantity_known = rows.quantity, rows.quantity_known
    if quantity is not None:
        known = np.ones(rows.rows, np.bool_) if quantity_known is None else quantity_known
        quantity = _total(piece, np.where(known, quantity, 0), pieces, "quantity")
        quantity_known = kernels.count(piece[known], pieces) > 0
    status_us = rows.status_us
    if status_us is not None:
        status_us = kernels.largest(piece, status_us, pieces)
    return replace(
        take_rows(rows, first),
        placed_us=kernels.smallest(piece, rows.placed_us, pieces),
        amount_minor=_total(piece, rows.amount_minor, pieces, "amount"),
        quantity=quantity,
        quantity_known=quantity_known,
        status_us=status_us,
    )
