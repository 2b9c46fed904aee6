"""Text of many rows in two arrays, as Arrow keeps it: no Python object until one is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask

__all__ = ["Offsets", "Texts"]

Offsets: TypeAlias = "NDArray[np.int32] | NDArray[np.int64]"

_BLOCK = 1 << 16
# A text may hold half of a surrogate pair, as Python's strings may.
_ERRORS = "surrogatepass"
# The first bits of a byte within a character are 10.
_BEYOND_ASCII = 0x80
_LEAD = 0xC0


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Texts in UTF-8, one after the other, in row order; no text is missing.

    The order of texts by their bytes is their order by code points, which is that of Python.

    Parameters
    ----------
    data
        The bytes of all texts.
    offsets
        Where each text begins, and where the last one ends: ``len + 1`` positions in `data`, not
        descending, the first not necessarily 0.

    Examples
    --------
    >>> texts = Texts.from_strings(["C1", "", "Zoë"])
    >>> texts[2], texts.offsets.tolist(), texts.take(np.array([2, 0])).tolist()
    ('Zoë', [0, 2, 2, 6], ['Zoë', 'C1'])
    """

    data: NDArray[np.uint8]
    offsets: Offsets

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> Texts:
        """Return the texts of Python strings."""
        parts = [string.encode("utf-8", _ERRORS) for string in strings]
        offsets = np.fromiter(accumulate(map(len, parts), initial=0), np.int64, len(parts) + 1)
        return cls(np.frombuffer(b"".join(parts), np.uint8), offsets)

    @classmethod
    def joined(cls, parts: Iterable[Texts]) -> Texts:
        """Return the texts of all parts, one part after the other; a single one is shared."""
        filled = [part for part in parts if len(part)]
        if len(filled) == 1:
            return filled[0]
        offsets, data, size = [np.zeros(1, np.int64)], [np.empty(0, np.uint8)], 0
        for part in filled:
            first, last = int(part.offsets[0]), int(part.offsets[-1])
            offsets.append(part.offsets[1:].astype(np.int64) + (size - first))
            data.append(part.data[first:last])
            size += last - first
        return cls(np.concatenate(data), np.concatenate(offsets))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        at = row % len(self)
        text = self.data[self.offsets[at] : self.offsets[at + 1]]
        return text.tobytes().decode("utf-8", _ERRORS)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    def __repr__(self) -> str:
        return f"Texts({len(self)})"

    def tolist(self) -> list[str]:
        """Return all texts as Python strings."""
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        data = self.data[first:last].tobytes()
        ends = (self.offsets.astype(np.int64) - first).tolist()
        return [data[start:end].decode("utf-8", _ERRORS) for start, end in pairwise(ends)]

    def empty(self) -> Mask:
        """Return True for the texts without any character."""
        mask: Mask = self.offsets[1:] == self.offsets[:-1]
        return mask

    def check_offsets(self) -> None:
        """Raise `ValueError` where a text is not within the data, or ends before it begins."""
        ascend = bool((self.offsets[:-1] <= self.offsets[1:]).all())
        if not (ascend and self.offsets[0] >= 0 and self.offsets[-1] <= len(self.data)):
            raise ValueError("the offsets of texts lead out of their data")

    def broken(self) -> Mask | None:
        """Return True for the texts that are not UTF-8, ``None`` when all are."""
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        if not self.data[first:last].max(initial=0) >= _BEYOND_ASCII:
            return None
        found = np.zeros(len(self), np.bool_)
        for low in range(0, len(self), _BLOCK):
            part = self.between(low, low + _BLOCK)
            if not part._is_utf8():
                each = [part.between(row, row + 1)._is_utf8() for row in range(len(part))]
                found[low : low + _BLOCK] = np.logical_not(each)
        return found if found.any() else None

    def _is_utf8(self) -> bool:
        """Tell whether all bytes together are UTF-8, and no text begins within a character."""
        starts = self.offsets[:-1][~self.empty()]
        if (self.data[starts] & _LEAD == _BEYOND_ASCII).any():
            return False
        try:
            self.data[int(self.offsets[0]) : int(self.offsets[-1])].tobytes().decode()
        except UnicodeDecodeError:
            return False
        return True

    def between(self, start: int, stop: int) -> Texts:
        """Return neighbouring rows, which share memory with these."""
        return Texts(self.data, self.offsets[start : stop + 1])

    def take(self, rows: NDArray[np.integer] | Mask) -> Texts:
        """Return the rows asked for (a mask, or positions), in that order, copied."""
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        starts = self.offsets[:-1][places].astype(np.int64, copy=False)
        ends = np.zeros(len(places) + 1, np.int64)
        np.cumsum(self.offsets[1:][places] - starts, out=ends[1:])
        data = np.empty(int(ends[-1]), np.uint8)
        # In blocks: the position of every single byte needs more room than the bytes.
        for low in range(0, len(places), _BLOCK):
            high = min(low + _BLOCK, len(places))
            data[ends[low] : ends[high]] = self.data[_bytes(starts[low:high], ends[low : high + 1])]
        return Texts(data, ends)


def _bytes(starts: Ints, ends: Ints) -> Ints:
    """Return the positions of the bytes of texts, from where they start and will end."""
    positions = np.arange(ends[0], ends[-1])
    positions += np.repeat(starts - ends[:-1], np.diff(ends))
    return positions
