"""Values to dense codes, in C: tables of distinct values, written by several threads at once.

The functions are described where they stand in NumPy, in `crmcore.kernels.plain.coding`; to which
they turn where ids were made to crowd a table.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from crmcore.columns import Codes, Ints
from crmcore.kernels.compiled import dense, hashing, tables
from crmcore.kernels.compiled.arrays import in_a_row
from crmcore.kernels.compiled.hashing import Order, Source
from crmcore.kernels.compiled.tables import Codes32, Found, Words, each
from crmcore.kernels.plain import coding as plain
from crmcore.kernels.plain.coding import Fixed
from crmcore.texts import Offsets, Texts

__all__ = plain.__all__

_MOST = 2**31 - 2
# Fewer rows are coded sooner without a table.
FEW = 256

# The ways to read a column; see hashing.pyx.
_INTS, _FIXED, _SHORT, _UUID, _HASHED, _FIXED_HASHED, _UUID_ANYWHERE = range(7)
_MERGED = {_INTS: 0, _FIXED: 1, _HASHED: 2}


# Numbers


def encode(values: Ints) -> tuple[Codes, Ints]:
    count = len(values)
    if not FEW < count <= _MOST:
        return plain.encode(values)
    values = in_a_row(values, np.int64)
    sample = values[:: tables.step_of_sample(count)]
    coded = dense.encode(values, sample)
    if coded is not None:
        return coded
    codes = np.empty(count, np.int32)
    expected = tables.estimate(sample, count)
    found = tables.fill(_ints(values), count, expected, words=1, codes=codes)
    if found is None:
        return plain.encode(values)
    keys = tables.rank(found, codes, tables.SIGN)
    return codes, keys.view(np.int64).ravel()


def has_duplicates(values: Ints) -> bool:
    count = len(values)
    if not FEW < count <= _MOST:
        return plain.has_duplicates(values)
    values = in_a_row(values, np.int64)
    if dense.rising(values):
        return False
    differ = dense.all_differ(values, values[:: tables.step_of_sample(count)])
    if differ is not None:
        return not differ
    found = tables.fill(_ints(values), count, count, words=1, codes=None, task=tables.INSERT_ONCE)
    return found is None and plain.has_duplicates(values)


def find(wanted: Ints, ascending: Ints) -> Ints:
    if not (FEW < len(wanted) + len(ascending) <= _MOST and len(wanted) and len(ascending)):
        return plain.find(wanted, ascending)
    wanted = in_a_row(wanted, np.int64)
    ascending = in_a_row(ascending, np.int64)
    low, high = int(ascending[0]), int(ascending[-1])
    if high - low == len(ascending) - 1:
        return np.where((wanted >= low) & (wanted <= high), wanted - low, -1)
    found = _find(_ints(wanted), len(wanted), _ints(ascending), len(ascending), words=1)
    return plain.find(wanted, ascending) if found is None else found.astype(np.int64)


def merge(left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
    if _few(left, right):
        return plain.merge(left, right)
    mine, theirs = places(left, right)
    size = _size(mine, theirs)
    if size in (len(left), len(right)):
        return left if size == len(left) else right, mine, theirs
    union = np.empty(size, np.int64)
    union[mine] = left
    union[theirs] = right
    return union, mine, theirs


def places(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    if _few(left, right):
        return plain.places(left, right)
    left = in_a_row(left, np.int64)
    right = in_a_row(right, np.int64)
    return _places(_ints(left), len(left), _ints(right), len(right), _INTS)


def _ints(values: Ints) -> Source:
    return Source(_INTS, values.view(np.uint8), None, tables.seeds())


# 16 bytes


def encode_fixed(values: Fixed) -> tuple[Codes, Fixed]:
    count = len(values)
    if not FEW < count <= _MOST:
        return plain.encode_fixed(values)
    source = _fixed(values, _FIXED)
    codes = np.empty(count, np.int32)
    keys = _encode_pairs(source, count, codes)
    if keys is None:
        return plain.encode_fixed(values)
    return codes, keys.astype(">u8").view(np.uint8).reshape(-1, 16)


def has_duplicate_fixed(values: Fixed) -> bool:
    if not FEW < len(values) <= _MOST:
        return plain.has_duplicate_fixed(values)
    if _all_differ(_fixed(values, _FIXED_HASHED), len(values)):
        return False
    return len(encode_fixed(values)[1]) < len(values)


def find_fixed(wanted: Fixed, ascending: Fixed) -> Ints:
    if not (FEW < len(wanted) + len(ascending) <= _MOST and len(wanted) and len(ascending)):
        return plain.find_fixed(wanted, ascending)
    sources = _fixed(wanted, _FIXED), _fixed(ascending, _FIXED)
    found = _find(sources[0], len(wanted), sources[1], len(ascending), words=2)
    return plain.find_fixed(wanted, ascending) if found is None else found.astype(np.int64)


def merge_fixed(left: Fixed, right: Fixed) -> tuple[Fixed, Ints, Ints]:
    if _few(left, right):
        return plain.merge_fixed(left, right)
    mine, theirs = places_fixed(left, right)
    size = _size(mine, theirs)
    if size in (len(left), len(right)):
        return left if size == len(left) else right, mine, theirs
    union = np.empty((size, 16), np.uint8)
    union[mine] = left
    union[theirs] = right
    return union, mine, theirs


def places_fixed(left: Fixed, right: Fixed) -> tuple[Ints, Ints]:
    if _few(left, right):
        return plain.places_fixed(left, right)
    sources = _fixed(left, _FIXED), _fixed(right, _FIXED)
    return _places(sources[0], len(left), sources[1], len(right), _FIXED)


def _fixed(values: Fixed, way: int) -> Source:
    if values.shape[1:] != (16,):
        raise ValueError("each value should have 16 bytes")
    return Source(way, in_a_row(values, np.uint8).ravel(), None, tables.seeds())


# Texts


def encode_texts(texts: Texts) -> tuple[Codes, Texts]:
    count = len(texts)
    if not FEW < count <= _MOST:
        return plain.encode_texts(texts)
    codes = np.empty(count, np.int32)
    for way, write in ((_SHORT, _short_texts), (_UUID, _uuid_texts)):
        keys = _encode_pairs(_texts(texts, way), count, codes)
        if keys is not None:
            return codes, write(keys)
    distinct = _encode_hashed(texts, codes)
    return plain.encode_texts(texts) if distinct is None else (codes, distinct)


def has_duplicate_texts(texts: Texts) -> bool:
    if not FEW < len(texts) <= _MOST:
        return plain.has_duplicate_texts(texts)
    if _all_differ(_texts(texts, _HASHED), len(texts)):
        return False
    return len(encode_texts(texts)[1]) < len(texts)


def find_texts(wanted: Texts, ascending: Texts) -> Ints:
    if not (FEW < len(wanted) + len(ascending) <= _MOST and len(wanted) and len(ascending)):
        return plain.find_texts(wanted, ascending)
    seed = tables.seeds()
    source, target = _texts(wanted, _HASHED, seed), _texts(ascending, _HASHED, seed)
    found = _find(source, len(wanted), target, len(ascending), words=1)
    if found is None:
        return plain.find_texts(wanted, ascending)
    # No two of the ascending ones have the same hash: who has it is the text, or it is absent.
    each(len(wanted), lambda first, last: source.same(first, last, found, target, True))
    return found.astype(np.int64)


def merge_texts(left: Texts, right: Texts) -> tuple[Texts, Ints, Ints]:
    if _few(left, right):
        return plain.merge_texts(left, right)
    mine, theirs = places_texts(left, right)
    size = _size(mine, theirs)
    if size in (len(left), len(right)):
        return left if size == len(left) else right, mine, theirs
    ends = np.zeros(size + 1, np.int64)
    ends[1:][mine] = np.diff(left.offsets)
    ends[1:][theirs] = np.diff(right.offsets)
    np.cumsum(ends, out=ends)
    data = np.empty(int(ends[-1]) or 1, np.uint8)
    for texts, own in ((left, mine), (right, theirs)):  # what both have is written twice
        each(len(own), partial(_texts(texts, _HASHED).place, own, ends, data))
    return Texts(data[: ends[-1]], _narrow(ends)), mine, theirs


def places_texts(left: Texts, right: Texts) -> tuple[Ints, Ints]:
    if _few(left, right):
        return plain.places_texts(left, right)
    for texts in (left, right):
        texts.check_offsets()
    sources = _texts(left, _HASHED), _texts(right, _HASHED)
    return _places(sources[0], len(left), sources[1], len(right), _HASHED)


def _texts(texts: Texts, way: int, seed: Words | None = None) -> Source:
    """Return texts to be read; a reader follows no offset that leads out of the data."""
    data = in_a_row(texts.data, np.uint8)
    if len(data) == 0:
        data = np.zeros(1, np.uint8)
    return Source(way, data, in_a_row(texts.offsets), tables.seeds() if seed is None else seed)


def _short_texts(keys: Words) -> Texts:
    ends = _ends_of_texts((keys[:, 1] & 0xFF).astype(np.int64))
    data = np.empty(int(ends[-1]) or 1, np.uint8)
    each(len(keys), partial(hashing.write_short, keys, ends, data))
    return Texts(data[: ends[-1]], ends)


def _uuid_texts(keys: Words) -> Texts:
    data = np.empty(36 * len(keys), np.uint8)
    each(len(keys), partial(hashing.write_uuids, keys, data))
    return Texts(data, _narrow(np.arange(0, len(data) + 1, 36)))


def _ends_of_texts(lengths: Ints) -> Ints:
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


def _narrow(ends: Ints) -> Offsets:
    """Return where texts end in 32 bits, if that is enough."""
    return ends.astype(np.int32) if ends[-1] <= _MOST else ends


def _encode_hashed(texts: Texts, codes: Codes32) -> Texts | None:
    """Code texts by their hash, and see that each is the text it was coded to."""
    source, count = _texts(texts, _HASHED), len(texts)
    sample = _sample(source, count, 1)
    if sample is None:
        return None
    expected = tables.estimate(sample[:, 0], count)
    found = tables.fill(source, count, expected, words=1, codes=codes, with_rows=True)
    rows = None if found is None else _sorted_rows(source, found)
    if found is None or rows is None:
        return None
    ranks = np.empty(len(found.slots), np.int32)
    ranks[codes[rows]] = np.arange(len(rows), dtype=np.int32)
    distinct = _take(source, texts, rows)
    each(count, partial(hashing.rerank, codes, ranks))
    target = _texts(distinct, _HASHED)
    same = each(count, lambda first, last: source.same(first, last, codes, target, False))
    return distinct if all(same) else None


def _sorted_rows(source: Source, found: Found) -> Codes32 | None:
    """Return a row of each text, in the order of the texts; None where they are too much alike."""
    assert found.rows is not None
    rows = found.rows[found.slots[:, 0] != 0]
    depth = min(each(len(rows), partial(source.common_start, rows)))
    words = np.empty((len(rows), 1), np.uint64)
    each(len(rows), lambda first, last: source.words(rows, first, last, depth, words[:, 0]))
    entries = tables.arrange(Order(words, rows, 0), len(rows), len(rows), source, depth)
    return None if entries is None else entries[:, 1].astype(np.int32)


def _take(source: Source, texts: Texts, rows: Codes32) -> Texts:
    ends = _ends_of_texts((texts.offsets[1:][rows] - texts.offsets[:-1][rows]).astype(np.int64))
    data = np.empty(int(ends[-1]) or 1, np.uint8)
    each(len(rows), lambda first, last: source.copy(rows, first, last, ends, data))
    return Texts(data[: ends[-1]], ends)


# All kinds


def _sample(source: Source, count: int, words: int) -> Words | None:
    step = tables.step_of_sample(count)
    sample = np.empty(((count - 1) // step + 1, words), np.uint64)
    return sample if source.sample(step, sample) else None


def _encode_pairs(source: Source, count: int, codes: Codes32) -> Words | None:
    """Code keys of two words and return the ascending ones; None where a row is no such key."""
    sample = _sample(source, count, 2)
    if sample is None:
        return None
    expected = tables.estimate(sample[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ sample[:, 1], count)
    found = tables.fill(source, count, expected, words=2, codes=codes)
    return None if found is None else tables.rank(found, codes)


def _all_differ(source: Source, count: int) -> bool:
    """Tell whether all hashes differ, and with them the rows."""
    return (
        tables.fill(source, count, count, words=1, codes=None, task=tables.INSERT_ONCE) is not None
    )


def _find(
    wanted: Source, count: int, ascending: Source, size: int, *, words: int
) -> Codes32 | None:
    slots = np.empty(size, np.int32)
    found = tables.fill(ascending, size, size, words=words, codes=slots, task=tables.INSERT_ONCE)
    rows = None if found is None else tables.look_up(wanted, count, found)
    if found is None or rows is None:
        return None
    # One more at the end, for those that have no slot.
    places = np.full(len(found.slots) + 1, -1, np.int32)
    places[slots] = np.arange(size, dtype=np.int32)
    return places[rows]


def _few(left: Ints | Fixed | Texts, right: Ints | Fixed | Texts) -> bool:
    return len(left) == 0 or len(right) == 0 or len(left) + len(right) < FEW


def _places(left: Source, lefts: int, right: Source, rights: int, way: int) -> tuple[Ints, Ints]:
    mine, theirs = np.empty(lefts, np.int64), np.empty(rights, np.int64)
    hashing.merge(_MERGED[way], left, lefts, right, rights, mine, theirs)
    return mine, theirs


def _size(mine: Ints, theirs: Ints) -> int:
    """Return how many there are, given the places of both sides among them, ascending."""
    return 1 + int(max(mine[-1], theirs[-1]))
