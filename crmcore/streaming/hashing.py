"""Ids as 64-bit numbers: equal ids give equal numbers, whatever array they come in."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.records.forms import Raw
from crmcore.records.ids import Ids, code_ids
from crmcore.texts import Texts

__all__ = ["Hashes", "hash_column", "hash_ids", "mixed"]

Hashes: TypeAlias = NDArray[np.uint64]

_WORD = 8
# One for each kind of id: ids of different kinds are never equal.
_NUMBERS, _TEXTS, _UUIDS = np.array(
    [0x9E3779B97F4A7C15, 0x3C6EF372FE94F82A, 0xDAA66D2C7DDF743F], np.uint64
)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_LOW_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(_WORD + 1)], np.uint64)


def mixed(values: NDArray[np.generic], seed: np.uint64 | Hashes = _NUMBERS) -> Hashes:
    """Return 64-bit values with all bits mixed (splitmix64); no two of one seed become equal."""
    found: Hashes = np.ascontiguousarray(values).view(np.uint64) + seed
    found ^= found >> np.uint64(30)
    found *= _FIRST
    found ^= found >> np.uint64(27)
    found *= _SECOND
    found ^= found >> np.uint64(31)
    return found


def hash_column(raw: Raw) -> Hashes:
    """Return the hash of each id in a column without bad ids; any number where it is missing."""
    if raw.texts is not None:
        return _of_texts(raw.texts)
    if raw.kind == "uuid":
        return _of_uuids(raw.values.view(np.uint8))
    if raw.kind == "coded":
        codes, ids = code_ids(raw)
        return np.append(hash_ids(ids), _NUMBERS)[codes]  # the last serves code -1
    return mixed(raw.values.astype(np.int64, copy=False))


def hash_ids(ids: Ids) -> Hashes:
    """Return the hash of each id."""
    parts = [mixed(ids.numbers), _of_texts(ids.texts), _of_uuids(ids.uuids)]
    return np.concatenate(parts)


def _of_uuids(uuids: NDArray[np.uint8]) -> Hashes:
    words = np.ascontiguousarray(uuids).view("<u8").reshape(-1, 2)
    return mixed(words[:, 0], mixed(words[:, 1], _UUIDS))


def _of_texts(texts: Texts) -> Hashes:
    """Mix the texts word by word: all first words, then all second ones where there are any."""
    first, last = int(texts.offsets[0]), int(texts.offsets[-1])
    starts = texts.offsets[:-1].astype(np.int64) - first
    lengths = texts.offsets[1:] - first - starts
    hashes = mixed(lengths, _TEXTS)
    padded = np.append(texts.data[first:last], np.zeros(_WORD, np.uint8))
    words = np.ndarray(len(padded) - _WORD + 1, "<u8", padded, strides=(1,))  # one at each byte
    rows = np.arange(len(texts))
    for at in range(0, int(lengths.max(initial=0)), _WORD):
        rows = rows[lengths[rows] > at]
        left = np.minimum(lengths[rows] - at, _WORD)
        hashes[rows] = mixed(words[starts[rows] + at] & _LOW_BYTES[left], hashes[rows])
    return hashes
