"""Identifiers: whole numbers, text and UUIDs, coded to dense integers once.

Ids of different kinds are never equal: the number 1 and the text "1" are two customers. Their
order is numbers, then text by code point, then UUIDs; every result lists customers in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.raw import Raw

__all__ = ["Id", "Ids", "bad_ids", "code_ids", "find_ids", "locate", "unite"]

Id: TypeAlias = int | str | UUID
Ids: TypeAlias = "Ints | NDArray[np.object_]"
"""Distinct ids in ascending order: int64, or Python objects when not all are whole numbers."""

_EXACT = 2**53
_RANK: dict[type, int] = {int: 0, str: 1, UUID: 2}


def bad_ids(raw: Raw, column: str) -> Mask | None:
    """Return True where a value is present but is no id: a fraction, a truth value, a time."""
    match raw.kind:
        case "int":
            return None
        case "float":
            floats = raw.values.astype(np.float64)
            bad = ~((floats == np.floor(floats)) & (np.abs(floats) < _EXACT))
        case "coded":
            assert raw.categories is not None
            wrong = np.array([not _is_id(item, column) for item in raw.categories], np.bool_)
            if not wrong.any():
                return None
            # One more entry at the end, for code -1.
            bad = np.append(wrong, False)[raw.values.astype(np.int64)]
        case _:
            bad = np.ones(len(raw), np.bool_)
    if raw.missing is not None:
        bad &= ~raw.missing
    return bad if bad.any() else None


def _is_id(item: object, column: str) -> bool:
    """Tell whether an object can be an id: whole numbers may come as floats, as pandas has them."""
    match item:
        case bool():
            return False
        case int() if not -(2**63) <= item < 2**63:
            raise DataError("whole numbers beyond 64 bits; give them as text", column=column)
        case int():
            return True
        case float():
            return item.is_integer() and abs(item) < _EXACT
        case _:
            return isinstance(item, str | UUID)


def code_ids(raw: Raw) -> tuple[Ints, Ids]:
    """Code a column without bad ids: codes (-1 where missing) and the ids that occur, ascending."""
    if raw.kind == "coded":
        return _code_objects(raw)
    values = raw.values
    if raw.missing is None:
        return kernels.encode(values.astype(np.int64, copy=False))
    present = ~raw.missing
    codes = np.full(len(raw), -1, np.int64)
    codes[present], ids = kernels.encode(values[present].astype(np.int64))
    return codes, ids


def _code_objects(raw: Raw) -> tuple[Ints, Ids]:
    assert raw.categories is not None
    codes = raw.values.astype(np.int64, copy=False)
    if raw.missing is not None:
        codes = np.where(raw.missing, -1, codes)
    counts = np.bincount(codes + 1, minlength=len(raw.categories) + 1)
    used = np.flatnonzero(counts[1:])
    items = raw.categories[used].tolist()
    if float in set(map(type, items)):
        return _code_with_floats(codes, used, items, len(raw.categories))
    ids, order = sort_ids(items)
    lookup = np.full(len(raw.categories) + 1, -1, np.int64)
    lookup[used[order]] = np.arange(len(used))
    return lookup[codes], ids


def _code_with_floats(
    codes: Ints, used: Ints, items: list[object], categories: int
) -> tuple[Ints, Ids]:
    """Code ids of which some are whole numbers written as floats, equal to those that are not."""
    plain = [int(item) if isinstance(item, float) else item for item in items]
    place = {item: at for at, item in enumerate(dict.fromkeys(plain))}
    ids, order = sort_ids(cast("list[Id]", list(place)))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    lookup = np.full(categories + 1, -1, np.int64)
    lookup[used] = rank[[place[item] for item in plain]]
    return lookup[codes], ids


def sort_ids(items: Sequence[Id]) -> tuple[Ids, Ints]:
    """Return distinct ids in ascending order, and the position in `items` that each came from."""
    kinds = set(map(type, items))
    if len(kinds) <= 1:
        order = sorted(range(len(items)), key=items.__getitem__)
    else:
        order = sorted(range(len(items)), key=lambda i: (_RANK[type(items[i])], items[i]))
    ranked = [items[i] for i in order]
    return as_ids(ranked), np.array(order, np.int64)


def as_ids(ascending: Sequence[Id]) -> Ids:
    """Return ascending ids as an array: int64 when all are whole numbers that fit."""
    if all(type(item) is int and -(2**63) <= item < 2**63 for item in ascending):
        return np.array(ascending, np.int64)
    ids = np.empty(len(ascending), np.object_)
    ids[:] = ascending
    return ids


def find_ids(wanted: Ids, ids: Ids) -> Ints:
    """Return the position of each wanted id among ascending ids, -1 where it is absent."""
    if wanted.dtype != np.object_ and ids.dtype != np.object_:
        return kernels.find(wanted, ids)
    place = {item: i for i, item in enumerate(ids.tolist())}
    found = map(place.get, wanted.tolist(), [-1] * len(wanted))
    return np.fromiter(found, np.int64, len(wanted))


def locate(wanted: Id, ids: Ids) -> int:
    """Return the position of one id, -1 where it is absent."""
    if ids.dtype != np.object_:
        if type(wanted) is not int:
            return -1
        place = int(np.searchsorted(ids, wanted))
        return place if place < len(ids) and ids[place] == wanted else -1
    rank = _RANK.get(type(wanted))
    low, high = 0, len(ids)
    while rank is not None and low < high:
        middle = (low + high) // 2
        item = ids[middle]
        key = (_RANK[type(item)], item)
        if key == (rank, wanted):
            return middle
        if key < (rank, wanted):
            low = middle + 1
        else:
            high = middle
    return -1


def unite(left: Ids, right: Ids) -> Ids:
    """Return all ids of both, ascending."""
    if left.dtype != np.object_ and right.dtype != np.object_:
        both = np.sort(np.concatenate([left, right]))
        return both[np.append(True, both[1:] != both[:-1])] if len(both) else both
    merged = dict.fromkeys(left.tolist()) | dict.fromkeys(right.tolist())
    return sort_ids(list(merged))[0]
