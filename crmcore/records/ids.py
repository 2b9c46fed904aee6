"""Identifiers: whole numbers, text and UUIDs, coded to dense integers once.

Ids of different kinds are never equal: the number 1 and the text "1" are two customers. Their
order is numbers, then text by code point, then UUIDs; every result lists customers in that order.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar, cast, overload
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Codes, Ints, Mask
from crmcore.errors import DataError
from crmcore.records.forms import Raw, encode_texts, refuse_broken, uuids_of
from crmcore.records.items import Id, checked_items, code_items
from crmcore.records.objects import object_array
from crmcore.texts import Texts

__all__ = ["Id", "IdKind", "Ids", "bad_ids", "code_ids", "has_repeated_ids", "rows_of"]

IdKind: TypeAlias = Literal["int", "str", "uuid"]
Rows: TypeAlias = slice | NDArray[np.integer | np.bool_] | list[int]
Bytes: TypeAlias = NDArray[np.uint8]
Part = TypeVar("Part", Ints, Texts, Bytes)

_EXACT = 2**53
_AT_ONCE = 2**16
_NO_NUMBERS = np.empty(0, np.int64)
_NO_TEXTS = Texts.joined([])
_NO_UUIDS = np.empty((0, 16), np.uint8)
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
_DASHES = [8, 13, 18, 23]


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """Distinct ids in ascending order: whole numbers, then text, then UUIDs.

    They become Python objects one by one, when asked for. As an array they are int64 where all
    are whole numbers, and objects otherwise; it is read-only where it is shared. ``==`` and
    ``!=`` compare as this array does, one by one; ``ids == "C1"`` is a mask.

    Parameters
    ----------
    numbers, texts, uuids
        The ids of each kind, ascending; a UUID is 16 bytes.

    Examples
    --------
    >>> ids = Ids.of(["C2", 7, "C1"])
    >>> ids.tolist(), ids[1], ids.locate("C2"), len(ids)
    ([7, 'C1', 'C2'], 'C1', 2, 3)
    >>> (ids == "C2").tolist(), ids[1:].tolist(), ids[[2, 0]].tolist()
    ([False, False, True], ['C1', 'C2'], ['C2', 7])
    """

    numbers: Ints = field(default_factory=lambda: _NO_NUMBERS)
    texts: Texts = field(default_factory=lambda: _NO_TEXTS)
    uuids: Bytes = field(default_factory=lambda: _NO_UUIDS)

    @classmethod
    def of(cls, items: Iterable[Id]) -> Ids:
        """Return the ids given, in any order and number, once each.

        Raises
        ------
        DataError
            What is no id: anything but whole numbers (of Python or NumPy), text and UUIDs; whole
            numbers beyond 64 bits; text that is not UTF-8.
        """
        codes, parts = code_items(checked_items(items))
        ids = cls(**parts)
        refuse_broken(ids.texts, codes, None, len(ids.numbers))
        return ids

    def __len__(self) -> int:
        return len(self.numbers) + len(self.texts) + len(self.uuids)

    def __repr__(self) -> str:
        return f"Ids({len(self)})"

    def __eq__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]  # as arrays
        """Compare one by one, as the array of these ids does; with other ids too."""
        return np.asarray(np.asarray(self) == np.asarray(other), np.bool_)

    def __ne__(self, other: object) -> NDArray[np.bool_]:  # type: ignore[override]  # as arrays
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]  # as of arrays

    @overload
    def __getitem__(self, index: int | np.integer) -> Id: ...

    @overload
    def __getitem__(self, index: Rows) -> Ids | NDArray[np.generic]: ...

    def __getitem__(self, index: int | np.integer | Rows) -> Id | Ids | NDArray[np.generic]:
        """Return one id; for a mask or a slice forward, ids; for other positions, an array.

        Ids ascend, which those at any positions need not do.

        Raises
        ------
        IndexError
            Beyond the ids, or a mask of another length.
        TypeError
            What is neither a position, a slice, a mask, nor an array of positions.
        """
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            return self._at(operator.index(index))
        if isinstance(index, slice):
            places = np.arange(len(self))[index]  # also by steps beyond 64 bits
            return self.take(places) if (index.step or 1) > 0 else np.asarray(self)[places]
        rows = np.asarray(index, np.int64 if isinstance(index, list) and not index else None)
        if rows.ndim != 1 or rows.dtype.kind not in "iub":
            raise TypeError("ids are taken by a position, a slice, a mask or an array of positions")
        return self.take(rows) if rows.dtype == np.bool_ else np.asarray(self)[rows]

    def _at(self, row: int) -> Id:
        size = len(self)
        if not -size <= row < size:
            raise IndexError(row)
        at = row % size
        if at < len(self.numbers):
            return int(self.numbers[at])
        at -= len(self.numbers)
        if at < len(self.texts):
            return self.texts[at]
        return UUID(bytes=self.uuids[at - len(self.texts)].tobytes())

    def __iter__(self) -> Iterator[Id]:
        return iter(self.tolist())

    def __array__(
        self, dtype: np.dtype[np.generic] | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        values: NDArray[np.generic] = self.numbers.view()
        values.flags.writeable = False  # where it is shared
        if len(self.numbers) < len(self):
            values = object_array(self.tolist())
        return np.array(values, dtype, copy=copy)

    def tolist(self) -> list[Id]:
        """Return all ids as Python objects."""
        uuids = cast("list[UUID]", uuids_of(self.uuids))
        return [*self.numbers.tolist(), *self.texts.tolist(), *uuids]

    @property
    def kinds(self) -> dict[IdKind, int]:
        """The kinds of ids there are, and how many of each, in their order."""
        sizes: dict[IdKind, int] = {
            "int": len(self.numbers),
            "str": len(self.texts),
            "uuid": len(self.uuids),
        }
        return {kind: size for kind, size in sizes.items() if size}

    def take(self, rows: Ints | Mask) -> Ids:
        """Return some of the ids: a mask, or ascending positions, each once.

        Raises
        ------
        IndexError
            A position beyond the ids, or a mask of another length.
        ValueError
            Positions that do not ascend: ids always do.
        """
        if rows.dtype == np.bool_ and len(rows) != len(self):
            raise IndexError(f"a mask of {len(rows)} for {len(self)} ids")
        places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        if (places[1:] <= places[:-1]).any():
            raise ValueError("positions of ids must ascend; np.asarray(ids) takes any order")
        if len(places) and not 0 <= places[0] <= places[-1] < len(self):
            raise IndexError(f"positions beyond {len(self)} ids")
        ends = np.cumsum([len(self.numbers), len(self.texts)])
        first, second = np.searchsorted(places, ends)
        return Ids(
            self.numbers[places[:first]],
            self.texts.take(places[first:second] - ends[0]),
            self.uuids[places[second:] - ends[1]],
        )

    def locate(self, wanted: object) -> int:
        """Return the position of one id, -1 where it is absent."""
        part: Any
        key: Any = wanted
        if type(wanted) is int:
            part, before = self.numbers, 0
        elif type(wanted) is str:
            part, before = self.texts, len(self.numbers)
        elif isinstance(wanted, UUID):
            # NumPy takes zeros from the end of bytes, which leaves their order as it is.
            part, key = self.uuids.view("S16")[:, 0], wanted.bytes.rstrip(b"\0")
            before = len(self.numbers) + len(self.texts)
        else:
            return -1
        place = bisect_left(part, key)
        return before + place if place < len(part) and part[place] == key else -1

    def find(self, wanted: Ids) -> Ints:
        """Return the position of each wanted id among these, -1 where it is absent."""
        found = (
            _found(kernels.find, wanted.numbers, self.numbers),
            _found(kernels.find_texts, wanted.texts, self.texts),
            _found(kernels.find_fixed, wanted.uuids, self.uuids),
        )
        return _in_a_row(found, self)

    def merge(self, other: Ids) -> tuple[Ids, Ints, Ints]:
        """Return all ids of both, and the position of each of these and of the others' there."""
        numbers = _merged(kernels.merge, self.numbers, other.numbers)
        texts = _merged(kernels.merge_texts, self.texts, other.texts)
        uuids = _merged(kernels.merge_fixed, self.uuids, other.uuids)
        both = Ids(numbers[0], texts[0], uuids[0])
        mine = _in_a_row((numbers[1], texts[1], uuids[1]), both)
        return both, mine, _in_a_row((numbers[2], texts[2], uuids[2]), both)

    def as_texts(self) -> Texts:
        """Return all ids written as text."""
        numbers = Texts.from_strings(map(str, self.numbers.tolist()))
        return Texts.joined([numbers, self.texts, _written(self.uuids)])


def _found(find: Callable[[Part, Part], Ints], wanted: Part, part: Part) -> Ints:
    """Return the places of the wanted ids of one kind; mostly none of that kind is wanted."""
    return find(wanted, part) if len(wanted) else _NO_NUMBERS


def _merged(
    merge: Callable[[Part, Part], tuple[Part, Ints, Ints]], left: Part, right: Part
) -> tuple[Part, Ints, Ints]:
    """Unite the ids of one kind; mostly one side or both have none of that kind."""
    if len(left) and len(right):
        return merge(left, right)
    return left if len(left) else right, np.arange(len(left)), np.arange(len(right))


def _in_a_row(places: Sequence[Ints], ids: Ids) -> Ints:
    """Return the places of each kind among those of its own kind as places among all ids."""
    starts = (0, len(ids.numbers), len(ids.numbers) + len(ids.texts))
    moved = [
        place if start == 0 else np.where(place < 0, -1, place + start)
        for place, start in zip(places, starts, strict=True)
        if len(place)
    ]
    return moved[0] if len(moved) == 1 else np.concatenate([np.empty(0, np.int64), *moved])


def _written(uuids: Bytes) -> Texts:
    """Return UUIDs as text: 32 digits with dashes between."""
    digits = np.full((len(uuids), 36), ord("-"), np.uint8)
    digits[:, np.delete(np.arange(36), _DASHES)] = _HEX[uuids].reshape(len(uuids), 32)
    return Texts(digits.reshape(-1), np.arange(len(uuids) + 1) * 36)


# Columns of ids


def bad_ids(raw: Raw, column: str) -> Mask | None:
    """Return True where a value is present but is no id: a fraction, a truth value, a time."""
    match raw.kind:
        case "int" | "text" | "uuid":
            return None
        case "float":
            floats = raw.values.astype(np.float64)
            bad = ~((floats == np.floor(floats)) & (np.abs(floats) < _EXACT))
        case "coded":
            assert raw.categories is not None
            if isinstance(raw.categories, Texts):
                return None
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


def code_ids(raw: Raw, column: str | None = None) -> tuple[Codes, Ids]:
    """Code a column without bad ids: codes (-1 where missing) and the ids that occur, ascending.

    Raises
    ------
    DataError
        Ids that are not UTF-8 text; `column` is the name for the message.
    """
    codes, ids = _coded(raw)
    refuse_broken(ids.texts, codes, column, len(ids.numbers))
    return codes, ids


def _coded(raw: Raw) -> tuple[Codes, Ids]:
    if raw.kind == "coded":
        return _code_categories(raw)
    if raw.missing is None:
        return _code_present(raw)
    if raw.pool is not None and not _hides_text(raw.pool, raw):
        return _code_present(raw)  # what is missing is empty, and coded -1 with the others
    found, ids = _code_present(raw.take(~raw.missing))
    codes = np.full(len(raw), -1, found.dtype)
    codes[~raw.missing] = found
    return codes, ids


def _hides_text(pool: Texts, raw: Raw) -> bool:
    """Tell whether a row has a text, and is missing all the same."""
    empty = pool.empty() if raw.rows is None else pool.empty()[raw.rows]
    return raw.missing is not None and bool((raw.missing & ~empty).any())


def _code_present(raw: Raw) -> tuple[Codes, Ids]:
    if raw.pool is not None:
        codes, texts = encode_texts(raw.pool, raw.rows)
        return codes, Ids(texts=texts)
    if raw.kind == "uuid":
        codes, uuids = kernels.encode_fixed(raw.values.view(np.uint8))
        return codes, Ids(uuids=uuids)
    codes, numbers = kernels.encode(raw.values.astype(np.int64, copy=False))
    return codes, Ids(numbers)


def _code_categories(raw: Raw) -> tuple[Codes, Ids]:
    """Code ids that are coded already: each category that occurs is looked at once."""
    categories, codes = raw.categories, raw.values.astype(np.int64, copy=False)
    assert categories is not None
    if raw.missing is not None:
        codes = np.where(raw.missing, -1, codes)
    used = np.zeros(len(categories) + 1, np.bool_)
    used[codes] = True
    rows = np.flatnonzero(used[:-1])
    if isinstance(categories, Texts):
        found, ids = _code_present(Raw.of_texts(categories.take(rows)))
    else:
        found, parts = code_items([_plain(item) for item in categories[rows].tolist()])
        ids = Ids(**parts)
    lookup = np.full(len(used), -1, found.dtype)
    lookup[rows] = found
    return lookup[codes], ids


def _plain(item: object) -> Id:
    return int(item) if isinstance(item, float) else cast(Id, item)


def has_repeated_ids(raw: Raw) -> bool:
    """Tell whether any id occurs twice, in a column without missing or bad ids."""
    if raw.pool is not None:
        repeated = kernels.has_duplicate_texts(raw.pool)
        return repeated and (raw.rows is None or len(_code_present(raw)[1]) < len(raw))
    if raw.kind == "uuid":
        return kernels.has_duplicate_fixed(raw.values.view(np.uint8))
    # Codes into distinct values repeat where these do.
    return kernels.has_duplicates(raw.values.astype(np.int64, copy=False))


def rows_of(codes: Codes, groups: int) -> Codes:
    """Return the row of each code, -1 for a code that no row has; no two rows share one."""
    rows: Codes = np.full(groups, -1, codes.dtype)
    for start in range(0, len(codes), _AT_ONCE):
        part = codes[start : start + _AT_ONCE]
        rows[part] = np.arange(start, start + len(part), dtype=codes.dtype)
    return rows
