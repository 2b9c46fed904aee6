"""The one form of a raw column: NumPy arrays, and what stands in their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Codes as Dense
from crmcore.columns import Mask
from crmcore.errors import DataError
from crmcore.records.objects import Codes, Objects, object_array
from crmcore.texts import Texts

__all__ = ["Coded", "Raw", "RawKind", "either", "encode_texts", "refuse_broken", "some", "uuids_of"]

RawKind: TypeAlias = Literal[
    "int", "decimal", "float", "bool", "coded", "text", "uuid", "time", "date"
]
Places: TypeAlias = NDArray[np.integer]

_NOTHING = np.empty(0, np.int8)


class Coded(NamedTuple):
    """A column given as codes into distinct values, like a pandas categorical.

    Parameters
    ----------
    codes
        Integers of any width: positions in `categories`; ``-1`` is missing. Never copied.
    categories
        The values. One that is ``None``, NaN or empty text stands for missing.

    Examples
    --------
    >>> from crmcore.records.raw import raw_column
    >>> raw = raw_column("status", Coded(np.array([0, 1, -1], np.int8), ["paid", "returned"]))
    >>> raw.kind, raw.is_missing().tolist()
    ('coded', [False, False, True])
    """

    codes: Codes
    categories: Sequence[object] | NDArray[np.generic] | Texts


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """One raw column.

    Parameters
    ----------
    kind
        ``int`` (int64); ``decimal`` (int64 over ``10**scale``); ``float`` (float64); ``bool``;
        ``coded`` (integers of any width into `categories`); ``text``; ``uuid`` (16 bytes a row);
        ``time`` (microseconds since 1970, UTC when `aware`, else as a wall clock shows them);
        ``date`` (days since 1970). `coded` makes one form of all that may hold text.
    values
        One value a row; nothing for ``text``. What stands in a row that is missing or invalid has
        no meaning, but a code always lies in ``-1 .. len(categories) - 1``.
    missing
        True where there is no value: null, NaN, NaT, ``None``, empty text. ``None``: nowhere.
    scale
        Only for ``decimal``: number of decimal digits.
    categories
        Only for ``coded``: distinct `Texts`, or Python objects (text, UUID, ...). ``1``, ``True``
        and ``"1"`` are different.
    aware
        Only for ``time``: instants, not wall-clock readings.
    invalid
        True where a value is present but cannot be used: an infinity, a time outside the years
        1677 to 9999. ``None``: nowhere.
    pool, rows
        Only for ``text``: texts, and which of them each row has; ``None``: each row its own.
    survey
        What one look at `values` told, where one was taken.

    Examples
    --------
    >>> from crmcore.records.raw import raw_column
    >>> raw = raw_column("order_id", ["a", "b", None, "a"])
    >>> raw.kind, raw.values.tolist(), raw.categories.tolist(), len(raw)
    ('coded', [0, 1, -1, 0], ['a', 'b'], 4)
    """

    kind: RawKind
    values: NDArray[np.generic]
    missing: Mask | None = None
    scale: int = 0
    categories: Objects | Texts | None = None
    aware: bool = False
    invalid: Mask | None = None
    pool: Texts | None = None
    rows: Places | None = None
    survey: kernels.Survey | None = None

    @classmethod
    def of_texts(cls, texts: Texts) -> Raw:
        """Return a column of text; what is empty is missing."""
        return cls("text", _NOTHING, some(texts.empty()), pool=texts)

    def __len__(self) -> int:
        if self.pool is None:
            return len(self.values)
        return len(self.pool if self.rows is None else self.rows)

    @property
    def texts(self) -> Texts | None:
        """The text of each row; ``None`` where the kind is another one. Copied if need be."""
        return self.pool if self.pool is None or self.rows is None else self.pool.take(self.rows)

    def item(self, row: int) -> object:
        """Return what stands in a row that is not missing, as a Python object."""
        if self.pool is not None:
            return self.pool[row if self.rows is None else int(self.rows[row])]
        if self.kind == "uuid":
            return UUID(bytes=self.values[row].tobytes())
        value = self.values[row].item()
        return value if self.categories is None else self.categories[value]

    def is_missing(self) -> Mask | None:
        """Return the mask of missing rows, ``None`` when there are none."""
        return self.missing

    def take(self, rows: Places | Mask) -> Raw:
        """Return the rows asked for (a mask, or positions), in that order."""
        missing = some(None if self.missing is None else self.missing[rows])
        if self.pool is not None:
            return _some_texts(self.pool, _places(rows, self.rows), missing)
        invalid = some(None if self.invalid is None else self.invalid[rows])
        values = self.values[rows]
        return Raw(self.kind, values, missing, self.scale, self.categories, self.aware, invalid)

    def coded(self, column: str | None = None) -> Raw:
        """Return a column of text or UUIDs as codes into them; any other as it is.

        Cost: the rows are looked through once. Do not ask where codes of ids will do.

        Raises
        ------
        DataError
            Text that is not UTF-8; `column` is the name for the message.
        """
        codes: Dense
        if isinstance(self.categories, Texts):
            refuse_broken(self.categories, self.values, column)
        if self.pool is not None:
            codes, categories = encode_texts(self.pool, self.rows)
            refuse_broken(categories, codes, column)
            return Raw("coded", codes, self.missing, categories=categories)
        if self.kind == "uuid":
            codes, distinct = kernels.encode_fixed(self.values.view(np.uint8))
            return Raw("coded", codes, self.missing, categories=object_array(uuids_of(distinct)))
        return self

    def also_missing(self, missing: Mask) -> Raw:
        """Return the column with more rows missing."""
        invalid = None if self.invalid is None else some(self.invalid & ~missing)
        return replace(self, missing=either(self.missing, missing), invalid=invalid)


def some(mask: Mask | None) -> Mask | None:
    """Return the mask, or ``None`` when nothing is marked."""
    return mask if mask is not None and np.count_nonzero(mask) else None


def either(one: Mask | None, other: Mask | None) -> Mask | None:
    """Return what is marked by either mask, ``None`` when nothing is."""
    if one is None or other is None:
        return some(other if one is None else one)
    return some(one | other)


def _places(rows: Places | Mask, of: Places | None) -> Places:
    """Return rows as positions, and those of rows that are positions as what they point at."""
    places = np.flatnonzero(rows) if rows.dtype == np.bool_ else cast(Places, rows)
    return places if of is None else of[places]


def _some_texts(texts: Texts, places: Places, missing: Mask | None) -> Raw:
    """Return a column of some of the texts: few of them are copied, many only pointed at."""
    if 4 * len(places) < len(texts):
        return Raw("text", _NOTHING, missing, pool=texts.take(places))
    return Raw("text", _NOTHING, missing, pool=texts, rows=places)


def encode_texts(texts: Texts, rows: Places | None = None) -> tuple[Dense, Texts]:
    """Code texts, or those of some rows: codes, -1 for empty text, and the others, ascending."""
    codes, distinct = kernels.encode_texts(texts)
    if rows is not None:
        codes, there = kernels.encode(codes[rows].astype(np.int64))
        distinct = distinct if len(there) == len(distinct) else distinct.take(there)
    if not distinct.between(0, 1).empty().any():
        return codes, distinct
    codes -= 1  # the empty text stands before all others
    return codes, distinct.between(1, len(distinct))


def refuse_broken(
    distinct: Texts, codes: NDArray[np.generic], column: str | None, first: int = 0
) -> None:
    """Refuse text that is not UTF-8: it could not be written anywhere.

    Raises
    ------
    DataError
        With the number of rows, by their codes; the `first` is that of the first text.
    """
    broken = distinct.broken()
    if broken is not None:
        count = int(np.count_nonzero(np.isin(codes, np.flatnonzero(broken) + first)))
        raise DataError("text that is not UTF-8", column=column, count=count)


def uuids_of(values: NDArray[np.uint8]) -> list[object]:
    """Return 16 bytes a row as UUIDs."""
    data = values.tobytes()
    return [UUID(bytes=data[at : at + 16]) for at in range(0, len(data), 16)]
