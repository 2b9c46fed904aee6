"""Values to dense codes, and positions of values among ascending ones; in NumPy.

What a value is to mean, nobody here knows. Codes follow the ascending distinct values, so that
they do not depend on the order of the rows. They are int32; int64 for more rows than int32 counts.

Each function is there for whole numbers, for texts (ascending by their bytes in UTF-8, which is
by code point), and for *fixed* values of 16 bytes each, an array of n rows and 16 columns
(ascending by their bytes), as UUIDs are kept. Nothing is ever missing: leave such rows out.

Fixed values without 16 columns, and texts whose offsets lead out of their data, are a `ValueError`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Codes, Ints
from crmcore.texts import Texts

__all__ = [
    "encode",
    "encode_fixed",
    "encode_texts",
    "find",
    "find_fixed",
    "find_texts",
    "has_duplicate_fixed",
    "has_duplicate_texts",
    "has_duplicates",
    "merge",
    "merge_fixed",
    "merge_texts",
    "places",
    "places_fixed",
    "places_texts",
]

Fixed: TypeAlias = NDArray[np.uint8]

_MOST = 2**31 - 2


def encode(values: Ints) -> tuple[Codes, Ints]:
    """Code values to dense integers: return the codes and the ascending distinct values.

    Cost: a few passes where the values lie close together, a sort otherwise.
    """
    values = np.asarray(values, np.int64)
    if len(values) == 0:
        return np.empty(0, np.int32), values
    low, high = int(values.min()), int(values.max())
    span = high - low + 1
    if span > 2 * len(values) + 1024:
        return _encode_by_sorting(values)
    shifted = values if low == 0 else values - low
    present = np.zeros(span, np.bool_)
    present[shifted] = True
    codes: Codes = (np.cumsum(present) - 1)[shifted].astype(_type_of_codes(values))
    return codes, np.flatnonzero(present) + low


def _encode_by_sorting(values: Ints) -> tuple[Codes, Ints]:
    # np.unique does the same with a slower, stable sort.
    order = np.argsort(values)
    ordered = values[order]
    first = np.empty(len(values), np.bool_)
    first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    codes = np.empty(len(values), _type_of_codes(values))
    codes[order] = np.cumsum(first) - 1
    return codes, ordered[first]


def _type_of_codes(rows: Ints | Fixed) -> type[np.int32] | type[np.int64]:
    return np.int32 if len(rows) <= _MOST else np.int64


def encode_texts(texts: Texts) -> tuple[Codes, Texts]:
    """Code texts to dense integers: return the codes and the ascending distinct texts."""
    rows = _bytes(texts)
    distinct = sorted(set(rows))
    place = {text: at for at, text in enumerate(distinct)}
    codes = np.fromiter((place[text] for text in rows), np.int64, len(rows))
    return codes.astype(_type_of_codes(codes)), _texts(distinct)


def encode_fixed(values: Fixed) -> tuple[Codes, Fixed]:
    """Code values of 16 bytes to dense integers: the codes and the ascending distinct values."""
    distinct, codes = np.unique(_records(values), return_inverse=True)
    return codes.astype(_type_of_codes(values)), _rows(distinct)


def has_duplicates(values: Ints) -> bool:
    """Tell whether any value occurs twice. Cost: one or two passes, a sort at worst."""
    values = np.asarray(values, np.int64)
    if len(values) < 2 or bool((values[1:] > values[:-1]).all()):
        return False
    low, high = int(values.min()), int(values.max())
    if high - low < 4 * len(values):
        seen = np.zeros(high - low + 1, np.bool_)
        seen[values if low == 0 else values - low] = True
        return int(np.count_nonzero(seen)) < len(values)
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())


def has_duplicate_texts(texts: Texts) -> bool:
    """Tell whether any text occurs twice."""
    return len(set(_bytes(texts))) < len(texts)


def has_duplicate_fixed(values: Fixed) -> bool:
    """Tell whether any value of 16 bytes occurs twice."""
    return len(np.unique(_records(values))) < len(values)


def find(wanted: Ints, ascending: Ints) -> Ints:
    """Return the position of each wanted value among ascending distinct ones, -1 where absent."""
    return _find(wanted, ascending)


def find_texts(wanted: Texts, ascending: Texts) -> Ints:
    """Return the position of each wanted text among ascending distinct ones, -1 where absent."""
    place = {text: at for at, text in enumerate(_bytes(ascending))}
    found = (place.get(text, -1) for text in _bytes(wanted))
    return np.fromiter(found, np.int64, len(wanted))


def find_fixed(wanted: Fixed, ascending: Fixed) -> Ints:
    """Return the position of each wanted value among ascending distinct ones, -1 where absent."""
    return _find(_records(wanted), _records(ascending))


def merge(left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
    """Unite ascending distinct values: return all of them, and the places of either side in them.

    Cost: a sort of all values together.
    """
    union = np.union1d(left, right)
    return union, np.searchsorted(union, left), np.searchsorted(union, right)


def merge_texts(left: Texts, right: Texts) -> tuple[Texts, Ints, Ints]:
    """Unite ascending distinct texts: return all of them, and the places of either side in them."""
    union = _texts(sorted({*_bytes(left), *_bytes(right)}))
    return union, find_texts(left, union), find_texts(right, union)


def merge_fixed(left: Fixed, right: Fixed) -> tuple[Fixed, Ints, Ints]:
    """Unite ascending distinct values of 16 bytes, as `merge` does."""
    union = np.union1d(_records(left), _records(right))
    places = np.searchsorted(union, _records(left)), np.searchsorted(union, _records(right))
    return _rows(union), *places


def places(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Return the places that `merge` finds; in C without making the union, which takes room."""
    return merge(left, right)[1:]


def places_texts(left: Texts, right: Texts) -> tuple[Ints, Ints]:
    """Return the places that `merge_texts` finds."""
    return merge_texts(left, right)[1:]


def places_fixed(left: Fixed, right: Fixed) -> tuple[Ints, Ints]:
    """Return the places that `merge_fixed` finds."""
    return merge_fixed(left, right)[1:]


def _find(wanted: NDArray[np.generic], ascending: NDArray[np.generic]) -> Ints:
    if len(ascending) == 0:
        return np.full(len(wanted), -1, np.int64)
    place = np.searchsorted(ascending, wanted)
    place[place == len(ascending)] = 0
    return np.where(ascending[place] == wanted, place, -1)


def _bytes(texts: Texts) -> list[bytes]:
    texts.check_offsets()
    data = texts.data.tobytes()
    return [data[start:end] for start, end in pairwise(texts.offsets.tolist())]


def _texts(rows: list[bytes]) -> Texts:
    ends = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=ends[1:])
    return Texts(np.frombuffer(b"".join(rows), np.uint8), ends)


def _records(values: Fixed) -> NDArray[np.bytes_]:
    """Return 16 bytes as one value; that NumPy leaves zeros at the end aside does not matter."""
    if values.shape[1:] != (16,):
        raise ValueError("each value should have 16 bytes")
    return np.ascontiguousarray(values).view("S16").ravel()


def _rows(records: NDArray[np.generic]) -> Fixed:
    return np.ascontiguousarray(records).view(np.uint8).reshape(-1, 16)
