"""Somebody else's figures: read with patience, compared without any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.calendars import DAY_US, Zone, day_number, instant_us, to_date, to_datetime
from crmcore.columns import Codes, Column, Ints, Mask, Value
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.records.amounts import minor_units, read_number
from crmcore.records.ids import Ids, bad_ids, code_ids, rows_of
from crmcore.records.raw import Raw, RawValues, raw_column

__all__ = ["Figures", "read_theirs"]

Whole: TypeAlias = "NDArray[np.int64] | NDArray[np.object_]"

_MORE_DIGITS = 6
_LARGEST = 2**62
_ZERO_KINDS = ("int", "money")


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """One column of theirs.

    Parameters
    ----------
    kind
        ``number``, ``date`` or ``instant``.
    values
        Numbers times ``10**digits``; days; microseconds.
    known
        True where there is a value.
    digits
        As many as they give, but at least those of the currency.
    """

    kind: str
    values: Ints
    known: Mask
    digits: int = 0

    def take(self, rows: Ints, present: Mask) -> Figures:
        """Return the rows asked for; unknown where not present."""
        if len(self.values) == 0:
            nothing = np.zeros(len(rows), np.int64)
            return replace(self, values=nothing, known=np.zeros(len(rows), np.bool_))
        rows = np.where(present, rows, 0)
        return replace(self, values=self.values[rows], known=self.known[rows] & present)

    def agree(self, column: Column) -> Mask:
        """Return where ours is theirs, as far as they give digits.

        A mean agrees with its value rounded up or down in the last digit given. Nothing agrees
        with nothing, and with a count or sum of 0.
        """
        ours = column.is_known()
        same = self._same(column)
        empty = ~ours
        if column.kind in _ZERO_KINDS:
            empty = empty | (column.values == 0)
        return np.where(self.known, ours & same, empty)

    def _same(self, column: Column) -> Mask:
        if self.kind != "number":
            return np.asarray(self.values == column.values, np.bool_)
        if column.kind == "float":
            theirs = self.values / 10.0**self.digits
            near = np.abs(column.values.astype(np.float64) - theirs) <= 10.0**-self.digits
            return np.asarray(near, np.bool_)
        low, high = _bounds(column, self.digits)
        return np.asarray((self.values >= low) & (self.values <= high), np.bool_)

    def at(self, row: int) -> Value:
        """Return one value as a Python object."""
        if not self.known[row]:
            return None
        value = int(self.values[row])
        if self.kind == "date":
            return to_date(value)
        return to_datetime(value) if self.kind == "instant" else Decimal(value).scaleb(-self.digits)


def _bounds(column: Column, digits: int) -> tuple[Whole, Whole]:
    """Return a number times ``10**digits``, rounded down and up."""
    factor = 10 ** (digits - column.exponent)
    values = cast(Ints, column.values)
    if column.divisor is None:
        exact = _times(values, factor)
        return exact, exact
    divisor = np.where(column.is_known(), column.divisor, 1)
    whole = values // divisor
    rest = _times(values - whole * divisor, factor)
    low = _times(whole, factor) + rest // divisor
    return low, low + (rest % divisor != 0)


def _times(values: Ints, factor: int) -> Whole:
    largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
    if largest * factor < _LARGEST:
        return values * factor
    wide: NDArray[np.object_] = values.astype(np.object_) * factor
    return wide


# Reading


def read_theirs(
    theirs: Mapping[str, RawValues], fields: Mapping[str, FieldType], zone: Zone
) -> tuple[Ids, dict[str, Figures]]:
    """Return their customer ids, ascending, and their figures in that order.

    Raises
    ------
    DataError
        A customer is missing or repeated, or a column does not hold what it should.
    """
    raw = {name: raw_column(name, given) for name, given in theirs.items()}
    if "customer_id" not in raw:
        raise DataError("no customer ids", column="customer_id")
    ids = raw["customer_id"]
    for unusable in (ids.missing, bad_ids(ids, "customer_id")):
        if unusable is not None:
            raise _refused("figures need a customer id in every row", "customer_id", unusable)
    codes, distinct = code_ids(ids, "customer_id")
    if len(distinct) != len(codes):
        repeated = np.bincount(codes)[codes] > 1
        raise _refused("a customer has several rows of figures", "customer_id", repeated)
    order = rows_of(codes, len(distinct))
    return distinct, {
        name: _ordered(_figures(name, raw[name], field, zone), order)
        for name, field in fields.items()
    }


def _ordered(given: Figures, order: Codes) -> Figures:
    return replace(given, values=given.values[order], known=given.known[order])


def _figures(name: str, raw: Raw, field: FieldType, zone: Zone) -> Figures:
    if raw.invalid is not None:
        raise _unreadable(name, field, raw.invalid)
    raw = raw.coded(name)
    if field.kind in ("date", "instant"):
        return _times_of(name, raw, field, zone)
    number = read_number(name, raw, exact=False)
    digits = min(max(number.scale, field.exponent), field.exponent + _MORE_DIGITS)
    found = minor_units(number, digits, "half_even")
    while "amount_too_large" in found.faults and digits > field.exponent:
        digits -= 1
        found = minor_units(number, digits, "half_even")
    missing = found.faults.get("missing_amount", np.zeros(len(raw), np.bool_))
    wrong = [mask for reason, mask in found.faults.items() if reason != "missing_amount"]
    if wrong and np.logical_or.reduce(wrong).any():
        raise _unreadable(name, field, np.logical_or.reduce(wrong))
    return Figures("number", found.values, ~missing, digits)


def _times_of(name: str, raw: Raw, field: FieldType, zone: Zone) -> Figures:
    known = np.ones(len(raw), np.bool_) if raw.missing is None else ~raw.missing
    values = np.zeros(len(raw), np.int64)
    match raw.kind, field.kind:
        case ("date", "date") | ("time", "instant") if raw.kind == "date" or raw.aware:
            values = raw.values.astype(np.int64, copy=False)
        case ("time", "date"):
            given = raw.values.astype(np.int64, copy=False)
            values = zone.local_days(given) if raw.aware else given // DAY_US
        case ("coded", _):
            assert raw.categories is not None
            read = [_time(item, field) for item in raw.categories.tolist()]
            codes = raw.values.astype(np.int64)
            wrong = known & np.array([*(one is None for one in read), False])[codes]
            if wrong.any():
                raise _unreadable(name, field, wrong)
            values = np.array([*(one or 0 for one in read), 0], np.int64)[codes]
        case _ if known.any():
            raise _unreadable(name, field, known)
    return Figures(field.kind, np.where(known, values, 0), known)


def _time(item: object, field: FieldType) -> int | None:
    """Return the moment or day that a text gives, ``None`` if it gives none."""
    try:
        moment = datetime.fromisoformat(str(item))
        return instant_us(moment) if field.kind == "instant" else _day(str(item))
    except (ValueError, DataError):
        return None


def _day(text: str) -> int:
    return day_number(date.fromisoformat(text[:10]))


def _unreadable(name: str, field: FieldType, where: Mask) -> DataError:
    return _refused(f"expected {field.kind}", name, where)


def _refused(message: str, name: str, where: Mask) -> DataError:
    found = np.flatnonzero(where)
    return DataError(message, column=name, count=len(found), positions=found[:5].tolist())
