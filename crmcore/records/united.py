"""The ids of two sides as one row, which is written when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Ints
from crmcore.records.ids import Ids
from crmcore.texts import Texts

__all__ = ["unite"]

Part = TypeVar("Part", Ints, Texts, NDArray[np.uint8])


def unite(left: Ids, right: Ids) -> tuple[Ids, Ints, Ints]:
    """Return what ``left.merge(right)`` does, but that the ids take no room until looked at.

    Examples
    --------
    >>> ids, mine, theirs = unite(Ids.of(["C1", "C3"]), Ids.of(["C2", "C3"]))
    >>> len(ids), mine.tolist(), theirs.tolist(), ids.tolist()
    (3, [0, 2], [1, 2], ['C1', 'C2', 'C3'])
    """
    mine, theirs, size = _places(left, right)
    for ids in (left, right):
        if len(ids) == size:  # the others are all among them
            return ids, mine, theirs
    known = np.zeros(size, np.bool_)
    known[mine] = True
    return _United(left, right.take(~known[theirs]), size), mine, theirs


class _United(Ids):
    """All ids of two sides, of which nothing is known but how many they are, until looked at."""

    __slots__ = ("_row", "_size")

    _row: Ids | tuple[Ids, Ids]
    _size: int

    def __init__(self, left: Ids, right: Ids, size: int) -> None:
        object.__setattr__(self, "_row", (left, right))
        object.__setattr__(self, "_size", size)

    def __len__(self) -> int:
        return self._size

    def __reduce__(self) -> tuple[type[Ids], tuple[object, ...]]:
        return Ids, (self.numbers, self.texts, self.uuids)

    @property
    def numbers(self) -> Ints:
        return self._made().numbers

    @property
    def texts(self) -> Texts:
        return self._made().texts

    @property
    def uuids(self) -> NDArray[np.uint8]:
        return self._made().uuids

    def _made(self) -> Ids:
        row = self._row
        if not isinstance(row, Ids):
            row = _put_together(*row)
            object.__setattr__(self, "_row", row)
        return row


def _put_together(left: Ids, right: Ids) -> Ids:
    """Return all ids of two sides that share none; numbers with no more room than they take."""
    numbers = np.concatenate([left.numbers, right.numbers])
    numbers.sort(kind="stable")  # which sees that these are two ascending rows
    others, _, _ = Ids(texts=left.texts, uuids=left.uuids).merge(
        Ids(texts=right.texts, uuids=right.uuids)
    )
    return Ids(numbers, others.texts, others.uuids)


def _places(left: Ids, right: Ids) -> tuple[Ints, Ints, int]:
    """Return where the ids of each side stand among all ids, and how many these are."""
    kinds = (
        _of_kind(kernels.places, left.numbers, right.numbers),
        _of_kind(kernels.places_texts, left.texts, right.texts),
        _of_kind(kernels.places_fixed, left.uuids, right.uuids),
    )
    size = 0
    for pair in kinds:
        last = max((int(places[-1]) for places in pair if len(places)), default=-1)
        for places in pair:
            places += size  # after the ids of the kinds before
        size += last + 1
    return _in_a_row([mine for mine, _ in kinds]), _in_a_row([theirs for _, theirs in kinds]), size


def _of_kind(
    find: Callable[[Part, Part], tuple[Ints, Ints]], left: Part, right: Part
) -> tuple[Ints, Ints]:
    """Return the places of the ids of one kind; mostly one side or both have none of that kind."""
    if len(left) and len(right):
        return find(left, right)
    return np.arange(len(left)), np.arange(len(right))


def _in_a_row(parts: Sequence[Ints]) -> Ints:
    filled = [part for part in parts if len(part)]
    return filled[0] if len(filled) == 1 else np.concatenate(parts)
