"""Raw columns: whatever the host hands over, in one canonical NumPy form.

Nothing is interpreted here. A column of text stays text; whether it holds ids, times or
amounts is decided by the source (see `crmcore.records.reading`).
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import compress, count, repeat
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import DAY_US, FIRST_INSTANT, LAST_INSTANT
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.forms import Coded, Raw, RawKind, either, some
from crmcore.records.objects import (
    ID_FAMILIES,
    Codes,
    Families,
    absent,
    factorise,
    families,
    keys,
    object_array,
    scaled,
)
from crmcore.texts import Texts

__all__ = ["Coded", "Raw", "RawKind", "RawValues", "raw_column"]

RawValues: TypeAlias = "NDArray[np.generic] | Sequence[object] | Coded | Raw"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_EDGES = ("1677-01-01", "9999-12-31T23:59:59.999999")
_DAYS = (FIRST_INSTANT // DAY_US, LAST_INSTANT // DAY_US)
_NAT = -(2**63)


def raw_column(name: str, values: RawValues) -> Raw:
    """Return one column in canonical form.

    Parameters
    ----------
    name
        Its name, for messages.
    values
        A one-dimensional NumPy array (integers, floats, bool, ``datetime64``, text or objects,
        masked or not), a list, `Coded`, or a `Raw`, which stays as it is. Objects may be ``int``,
        ``str``, ``UUID``, ``Decimal``, ``float``, ``bool``, ``datetime``, ``date`` and ``None``.
        ``datetime64`` of a day or more is a date; finer than a microsecond is rounded down.

    Returns
    -------
    Raw
        Shares memory with int64, float64, bool and ``datetime64[us]`` arrays and with codes.

    Raises
    ------
    DataError
        A type that no column can hold, whole numbers beyond 64 bits, aware and naive times
        in one column, dates beside times, or more than one dimension.

    Examples
    --------
    >>> raw_column("quantity", [1, None, 3]).kind
    'int'
    >>> from decimal import Decimal
    >>> amounts = raw_column("amount", [Decimal("1.5"), Decimal("2.25")])
    >>> amounts.kind, amounts.values.tolist(), amounts.scale
    ('decimal', [150, 225], 2)
    """
    if isinstance(values, Raw):
        return values
    if isinstance(values, Coded):
        return _coded(name, values)
    if isinstance(values, np.ma.MaskedArray):
        return _array(name, values.data).also_missing(np.ma.getmaskarray(values))
    if isinstance(values, (str, bytes)):
        raise DataError("expected one value a row, not a single text", column=name)
    if hasattr(values, "__array__"):
        return _array(name, np.asarray(values))
    return _objects(name, list(values))


def _array(name: str, values: NDArray[np.generic]) -> Raw:
    if values.ndim != 1:
        raise DataError(f"expected one dimension, not {values.ndim}", column=name)
    match values.dtype.kind:
        case "i" | "u":
            return _integers(name, values)
        case "f":
            return _floats(values)
        case "b":
            return Raw("bool", values)
        case "M":
            return _datetimes(name, values)
        case "O" | "T":
            return _objects(name, values.tolist())
        case "U":
            return _text(values.tolist())
        case "S":
            return _bytes(name, values)
    raise DataError(f"values of type {values.dtype} cannot be read", column=name)


def _integers(name: str, values: NDArray[np.generic]) -> Raw:
    if values.dtype == np.uint64 and len(values):
        beyond = values > np.uint64(2**63 - 1)
        if beyond.any():
            raise _beyond(name, int(beyond.sum()), np.flatnonzero(beyond)[:5].tolist())
    return Raw("int", values.astype(np.int64, copy=False))


def _beyond(name: str, count: int | None = None, positions: Sequence[int] = ()) -> DataError:
    message = "whole numbers beyond 64 bits; give them as text"
    return DataError(message, column=name, count=count, positions=positions)


def _floats(values: NDArray[np.generic]) -> Raw:
    floats = values.astype(np.float64, copy=False)
    if np.isfinite(floats).all():
        return Raw("float", floats)
    return Raw("float", floats, some(np.isnan(floats)), invalid=some(np.isinf(floats)))


def _bytes(name: str, values: NDArray[np.generic]) -> Raw:
    try:
        return _text(np.strings.decode(values, "utf-8").tolist())  # type: ignore[arg-type]  # bytes
    except UnicodeDecodeError:
        raise DataError("bytes that are not UTF-8 text", column=name) from None


def _datetimes(name: str, values: NDArray[np.generic]) -> Raw:
    unit, step = np.datetime_data(cast("np.dtype[np.datetime64]", values.dtype))
    if step != 1 or (unit == "generic" and len(values)):
        raise DataError(f"times of type {values.dtype} cannot be read", column=name)
    if unit in {"us", "generic"}:
        return _ticks("time", values.view(np.int64), FIRST_INSTANT, LAST_INSTANT)
    far = None
    if unit in {"Y", "M", "W", "h", "m", "s", "ms"}:
        # Far years would wrap around in a finer unit, so they are looked for in this one.
        first, last = (np.datetime64(edge).astype(values.dtype) for edge in _EDGES)
        far = (values < first) | (values > last)
        values = np.where(far, np.array(0, values.dtype), values)
    if unit in {"Y", "M", "W", "D"}:
        raw = _ticks("date", values.astype("M8[D]").view(np.int64), *_DAYS)
    else:
        raw = _ticks("time", values.astype("M8[us]").view(np.int64), FIRST_INSTANT, LAST_INSTANT)
    return replace(raw, invalid=either(raw.invalid, far))


def _ticks(kind: RawKind, ticks: Ints, first: int, last: int, *, aware: bool = False) -> Raw:
    """Return times or dates; NaT is the lowest integer, so one look finds what is odd."""
    survey = kernels.survey(ticks)
    if first <= survey.least and survey.greatest <= last:
        return Raw(kind, ticks, aware=aware, survey=survey)
    missing = ticks == _NAT
    invalid = ((ticks < first) | (ticks > last)) & ~missing
    return Raw(kind, ticks, some(missing), aware=aware, invalid=some(invalid))


def _coded(name: str, given: Coded) -> Raw:
    codes, texts = np.asarray(given.codes), given.categories
    categories = texts if isinstance(texts, Texts) else np.array(texts, object).tolist()
    if codes.ndim != 1 or codes.dtype.kind not in "iu":
        raise DataError("codes must be integers, in one dimension", column=name)
    lowest, highest = (int(codes.min()), int(codes.max())) if len(codes) else (0, -1)
    if lowest < -1 or highest >= len(categories):
        raise DataError("codes outside -1 .. number of categories - 1", column=name)
    if isinstance(categories, Texts):
        return _coded_texts(codes, categories, some_missing=lowest < 0)
    found = families(name, categories)
    if not ID_FAMILIES.issuperset(found.values()):
        raise DataError("categories must be text, UUIDs or numbers", column=name)
    empty = absent(categories, found)
    missing = codes < 0 if lowest < 0 else None
    if empty is not None:
        missing = np.append(empty, True)[codes]  # the last entry serves code -1
    raw = Raw("coded", codes, some(missing), categories=object_array(categories))
    return _distinct(raw, categories, found)


def _coded_texts(codes: Codes, categories: Texts, *, some_missing: bool) -> Raw:
    missing = codes < 0 if some_missing else None
    empty = categories.empty()
    if empty.any():
        missing = np.append(empty, True)[codes]  # the last entry serves code -1
    if kernels.has_duplicate_texts(categories):
        places, categories = kernels.encode_texts(categories)
        codes = np.append(places, np.int32(-1))[codes]
    return Raw("coded", codes, some(missing), categories=categories)


def _distinct(raw: Raw, categories: list[object], found: Families) -> Raw:
    """Return the column with repeated categories put together."""
    if len(set(keys(categories, found))) == len(categories):
        return raw
    codes, distinct = factorise(keys(categories, found), categories)
    return replace(raw, values=np.append(codes, np.int32(-1))[raw.values], categories=distinct)


def _text(values: list[object]) -> Raw:
    """Return text, coded; ``None`` and empty text are missing."""
    index: dict[object, int] = defaultdict(count().__next__, {"": -1, None: -1})
    codes = np.fromiter(map(index.__getitem__, values), np.int32, len(values))
    _, _, *distinct = index
    return Raw("coded", codes, some(codes < 0), categories=object_array(distinct))


def _objects(name: str, values: list[object]) -> Raw:
    types = set(map(type, values))
    if types <= {str, type(None)}:
        return _text(values)
    if any(issubclass(found, np.generic) for found in types):
        if len(types) == 1:
            return _array(name, np.array(values))
        families(name, values)  # refuses what would lose its unit in the next line
        values = [v.item() if isinstance(v, np.generic) else v for v in values]
    found = families(name, values)
    empty = absent(values, found)
    if empty is None:
        return _present(name, values, found)
    present = list(compress(values, (~empty).tolist()))
    return _spread(_present(name, present, found), empty)


def _spread(raw: Raw, empty: Mask) -> Raw:
    """Return the column with the missing rows put back."""
    rows = np.flatnonzero(~empty)
    values = np.full(len(empty), -1 if raw.kind == "coded" else 0, raw.values.dtype)
    values[rows] = raw.values
    invalid = None
    if raw.invalid is not None:
        invalid = np.zeros(len(empty), np.bool_)
        invalid[rows] = raw.invalid
    return replace(raw, values=values, missing=empty, invalid=invalid)


def _present(name: str, values: list[object], found: Families) -> Raw:
    """Return a column of Python objects none of which is missing."""
    found = {kind: found[kind] for kind in set(map(type, values))}
    match sorted(set(found.values())):
        case ["bool"]:
            return Raw("bool", np.array(values, np.bool_))
        case ["int"]:
            return _whole(name, values)
        case ["float"] | ["float", "int"]:
            return _doubles(name, values)
        case ["decimal"] | ["decimal", "int"]:
            return _decimals(values)
        case ["time"]:
            return _moments(name, cast("list[datetime]", values))
        case ["date"]:
            days = np.array(values, "M8[D]").view(np.int64)
            return _ticks("date", days, *_DAYS)
    if not ID_FAMILIES.issuperset(found.values()):
        raise DataError("times, dates and other values in one column", column=name)
    if set(found.values()) == {"text"}:
        values = list(map(str.__str__, values))  # subclasses of str, such as enumerations
    codes, categories = factorise(keys(values, found), values)
    return Raw("coded", codes, categories=categories)


def _whole(name: str, values: list[object]) -> Raw:
    try:
        return Raw("int", np.array(values, np.int64))
    except OverflowError:
        raise _beyond(name) from None


def _doubles(name: str, values: list[object]) -> Raw:
    try:
        floats = np.array(values, np.float64)
    except OverflowError:
        raise _beyond(name) from None
    # Beyond 2**53 a whole number would silently become its neighbour.
    if not all(map(operator.eq, floats.tolist(), values)):
        raise DataError("large whole numbers beside floats; give them as text", column=name)
    return _floats(floats)


def _moments(name: str, values: list[datetime]) -> Raw:
    zoned = list(map(operator.is_not, map(operator.attrgetter("tzinfo"), values), repeat(None)))
    if not any(zoned):
        return _ticks(
            "time", np.array(values, "M8[us]").view(np.int64), FIRST_INSTANT, LAST_INSTANT
        )
    if not all(zoned):
        raise DataError("times with and without a zone in one column", column=name)
    since = map(operator.sub, values, repeat(_EPOCH))
    ticks = np.fromiter(map(operator.floordiv, since, repeat(_TICK)), np.int64, len(values))
    return _ticks("time", ticks, FIRST_INSTANT, LAST_INSTANT, aware=True)


def _decimals(values: list[object]) -> Raw:
    """Return scaled integers; what 64 bits do not hold stays as it is, coded."""
    codes, categories = factorise(values, values)
    distinct = [Decimal(cast("Decimal", value)) for value in categories.tolist()]
    fitting = scaled(distinct)
    if fitting is None:
        return Raw("coded", codes, categories=object_array(cast("list[object]", distinct)))
    infinite = np.array([not value.is_finite() for value in distinct], np.bool_)
    return Raw("decimal", fitting[0][codes], scale=fitting[1], invalid=some(infinite[codes]))
