"""Figures of an order table, all in one pass over its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from crmcore import kernels
from crmcore.columns import Ints
from crmcore.facts.books import Books
from crmcore.facts.measures import Figure

__all__ = ["tally"]


def tally(
    books: Books, figures: Iterable[Figure], place: Ints | None = None, size: int | None = None
) -> dict[Figure, Ints]:
    """Return the figures for the customers of the orders, each worked out once.

    With `place` and `size` those of customer i stand at ``place[i]`` of so many. A figure of a
    column that the orders do not have is left out, and so is one that is 0 for everybody because
    its column is.

    Notes
    -----
    Cost: one pass over the rows; two where the moment of windows differs from that of the others
    and rows have changed, or been returned, between them.
    """
    asked = [figure for figure in dict.fromkeys(figures) if _is_there(books, figure)]
    found: dict[Figure, Ints] = {}
    for apart in (False, True):
        at_once = [one for one in asked if books.is_apart(one.rows.window) is apart]
        if at_once:
            found |= _pass(books, at_once, place, size)
    return found


def _is_there(books: Books, figure: Figure) -> bool:
    column = books.column(figure.of, figure.rows.window)
    return column is not None and books.states(figure.rows.stated)


def _pass(
    books: Books, figures: Sequence[Figure], place: Ints | None, size: int | None
) -> dict[Figure, Ints]:
    """Work out figures for which rows look the same."""
    orders, window = books.orders, figures[0].rows.window
    columns: list[Ints] = []
    place_of = {rows: at for at, rows in enumerate(dict.fromkeys(one.rows for one in figures))}
    choices = [
        books.choice(rows, _position(columns, books.left(window)) if rows.kind == "sale" else -1)
        for rows in place_of
    ]
    measures: dict[kernels.Measure, list[Figure]] = {}
    for figure in figures:
        of = -1
        if figure.of != "placed":
            column = books.column(figure.of, window)
            assert column is not None  # as it is there
            of = _position(columns, column)
        measure = kernels.Measure(place_of[figure.rows], figure.take, of)
        measures.setdefault(measure, []).append(figure)
    rows = kernels.Rows(orders.customer, orders.placed_us, books.codes(window), columns)
    groups = len(orders.customer_ids)
    results = kernels.tally(rows, choices, list(measures), groups, place, size)
    asking = zip(measures.values(), results, strict=True)
    return {figure: result for same, result in asking for figure in same}


def _position(columns: list[Ints], column: Ints) -> int:
    """Return where a column stands among the columns, put there if it is not."""
    for at, one in enumerate(columns):
        if one is column:
            return at
    columns.append(column)
    return len(columns) - 1
