"""Ids as 64-bit numbers: equal ids give equal numbers, whatever array they come in.

The numbers depend on a key, which each run draws anew: whoever makes ids cannot make many of one
number, which would all have to be in memory at once. Results do not depend on it.
"""

from __future__ import annotations

import os
from functools import partial
from hashlib import blake2b
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints
from crmcore.records.forms import Raw
from crmcore.records.ids import Ids, code_ids
from crmcore.texts import Texts

__all__ = ["Hashes", "Key", "hash_column", "hash_ids", "mixed"]

Hashes: TypeAlias = NDArray[np.uint64]

_WORD = 8
# Bytes from which on it takes no longer to hash texts one by one than word by word.
_LONG = 320
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_LOW_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(_WORD + 1)], np.uint64)


class Key(NamedTuple):
    """What ids are mixed with, one for each kind: ids of different kinds are never equal."""

    numbers: np.uint64
    texts: np.uint64
    uuids: np.uint64

    @classmethod
    def drawn(cls) -> Self:
        """Return a new one, which nobody knows."""
        return cls(*np.frombuffer(os.urandom(24), np.uint64))


def mixed(values: NDArray[np.generic], seed: np.uint64 | Hashes) -> Hashes:
    """Return 64-bit values with all bits mixed (splitmix64); no two of one seed become equal."""
    found: Hashes = np.ascontiguousarray(values).view(np.uint64) + seed
    found ^= found >> np.uint64(30)
    found *= _FIRST
    found ^= found >> np.uint64(27)
    found *= _SECOND
    found ^= found >> np.uint64(31)
    return found


def hash_column(raw: Raw, key: Key) -> Hashes:
    """Return the hash of each id in a column without bad ids; any number where it is missing."""
    if raw.texts is not None:
        return _of_texts(raw.texts, key)
    if raw.kind == "uuid":
        return _of_uuids(raw.values.view(np.uint8), key)
    if raw.kind == "coded":
        codes, ids = code_ids(raw)
        return np.append(hash_ids(ids, key), np.uint64(0))[codes]  # the last serves code -1
    return mixed(raw.values.astype(np.int64, copy=False), key.numbers)


def hash_ids(ids: Ids, key: Key) -> Hashes:
    """Return the hash of each id."""
    parts = [
        mixed(ids.numbers, key.numbers),
        _of_texts(ids.texts, key),
        _of_uuids(ids.uuids, key),
    ]
    return np.concatenate(parts)


def _of_uuids(uuids: NDArray[np.uint8], key: Key) -> Hashes:
    words = np.ascontiguousarray(uuids).view("<u8").reshape(-1, 2)
    return mixed(words[:, 0], mixed(words[:, 1], key.uuids))


def _of_texts(texts: Texts, key: Key) -> Hashes:
    """Mix short texts word by word (all first words, then all second ones), and hash long ones.

    Which of the two it is depends on the text alone, so its hash does not depend on the others.
    """
    first, last = int(texts.offsets[0]), int(texts.offsets[-1])
    starts = texts.offsets[:-1].astype(np.int64) - first
    lengths = texts.offsets[1:] - first - starts
    hashes = mixed(lengths, key.texts)
    padded = np.append(texts.data[first:last], np.zeros(_WORD, np.uint8))
    words = np.ndarray(len(padded) - _WORD + 1, "<u8", padded, strides=(1,))  # one at each byte
    rows, at = np.flatnonzero(lengths < _LONG), 0
    while len(rows := rows[lengths[rows] > at]):
        left = np.minimum(lengths[rows] - at, _WORD)
        hashes[rows] = mixed(words[starts[rows] + at] & _LOW_BYTES[left], hashes[rows])
        at += _WORD
    rows = np.flatnonzero(lengths >= _LONG)
    hashes[rows] = _one_by_one(padded.data, starts[rows], lengths[rows], key.texts)
    return hashes


def _one_by_one(data: memoryview, starts: Ints, lengths: Ints, seed: np.uint64) -> Hashes:
    """Hash each text as a whole, in time that goes by its bytes."""
    spans = zip(starts.tolist(), (starts + lengths).tolist(), strict=True)
    keyed = partial(blake2b, digest_size=_WORD, key=seed.tobytes())
    return np.frombuffer(b"".join(keyed(data[low:high]).digest() for low, high in spans), np.uint64)
