"""Rows to columns, at the speed of the interpreter's own loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter

from crmcore.errors import DataError

__all__ = ["columns_of_rows"]

_BATCH = 100_000


def columns_of_rows(
    rows: Iterable[Sequence[object] | Mapping[str, object]], columns: Sequence[str] | None
) -> dict[str, list[object]]:
    """Return one list a column from tuples or mappings.

    Parameters
    ----------
    rows
        Tuples (or other sequences) in the order of `columns`, or mappings. A database cursor
        will do.
    columns
        Names of the columns. Required for tuples; for mappings, by default those of the first
        row, and then every row must have just these. Where columns are named, every mapping must
        have them, and others are not read.

    Raises
    ------
    DataError
        Rows of different lengths, mappings with other columns, or tuples without names.

    Examples
    --------
    >>> columns_of_rows([(1, "a"), (2, "b")], ("order_id", "customer_id"))
    {'order_id': [1, 2], 'customer_id': ['a', 'b']}
    """
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return {name: [] for name in columns or ()}
    keyed = isinstance(first, Mapping)
    only_these = columns is None
    if columns is None:
        if not isinstance(first, Mapping):
            raise DataError("rows without names: say which columns they hold")
        columns = tuple(first)
    result: dict[str, list[object]] = {name: [] for name in columns}
    iterator = chain([first], iterator)
    seen = 0
    while batch := list(islice(iterator, _BATCH)):
        parts = list(_by_name(batch, columns, seen) if keyed else _by_place(batch, columns, seen))
        if only_these:
            _check_lengths(batch, columns, seen)
        for name, part in zip(columns, parts, strict=True):
            result[name].extend(part)
        seen += len(batch)
    return result


def _check_lengths(
    batch: Sequence[Sequence[object] | Mapping[str, object]], columns: Sequence[str], seen: int
) -> None:
    lengths = list(map(len, batch))
    if set(lengths) != {len(columns)}:
        wrong = [seen + i for i, length in enumerate(lengths) if length != len(columns)]
        message = f"every row must have the same {len(columns)} values"
        raise DataError(message, count=len(wrong), positions=wrong[:5])


def _by_place(
    batch: Sequence[Sequence[object] | Mapping[str, object]], columns: Sequence[str], seen: int
) -> Iterable[Iterable[object]]:
    _check_lengths(batch, columns, seen)
    return zip(*batch, strict=True)


def _by_name(
    batch: Sequence[Sequence[object] | Mapping[str, object]], columns: Sequence[str], seen: int
) -> Iterable[Iterable[object]]:
    for name in columns:
        try:
            yield list(map(itemgetter(name), batch))
        except (KeyError, TypeError, IndexError):
            wrong = [
                seen + i
                for i, row in enumerate(batch)
                if not isinstance(row, Mapping) or name not in row
            ]
            raise DataError(
                "rows lack a column", column=name, count=len(wrong), positions=wrong[:5]
            ) from None
