"""Moments: the instants as of which customers are judged, and Python's dates and datetimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import numpy as np

from crmcore.calendars.zones import DAY_US, FIRST_INSTANT, LAST_INSTANT, Zone
from crmcore.columns import Ints
from crmcore.errors import DataError

__all__ = [
    "AsOf",
    "Moments",
    "day_number",
    "instant_us",
    "moments",
    "to_date",
    "to_datetime",
]

AsOf: TypeAlias = date | Sequence[date]
"""A date, an aware datetime (which is a date to Python), or one for each customer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


def instant_us(moment: datetime) -> int:
    """Return the UTC microseconds since 1970-01-01 of an aware datetime, exactly.

    Raises
    ------
    DataError
        When it is naive.

    Examples
    --------
    >>> instant_us(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if moment.utcoffset() is None:
        raise DataError("a datetime without a time zone: give an aware one")
    return int((moment - _EPOCH) // _MICROSECOND)


def to_datetime(instant: int) -> datetime:
    """Return the datetime, in UTC, of microseconds since 1970-01-01.

    Examples
    --------
    >>> to_datetime(1_000_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """
    return _EPOCH + timedelta(microseconds=int(instant))


def day_number(day: date) -> int:
    """Return the days from 1970-01-01 to a date.

    Examples
    --------
    >>> day_number(date(1970, 1, 2))
    1
    """
    return day.toordinal() - _EPOCH_DAY


def to_date(day: int) -> date:
    """Return the date so many days after 1970-01-01.

    Examples
    --------
    >>> to_date(1)
    datetime.date(1970, 1, 2)
    """
    return date.fromordinal(_EPOCH_DAY + int(day))


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The moment as of which customers are judged: one for everybody, or one for each.

    Parameters
    ----------
    at
        UTC microseconds since 1970-01-01; length 1, or one for each customer.
    day
        The local day of each, in days since 1970-01-01.

    Examples
    --------
    >>> from crmcore.calendars.zones import zone
    >>> moments(date(2024, 6, 30), zone("UTC"))
    Moments(at=array([1719791999999999]), day=array([19904]))
    """

    at: Ints
    day: Ints

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def of(cls, instants: Ints, zone: Zone) -> Moments:
        """Return the moments at these instants."""
        return cls(instants, zone.local_days(instants))

    @classmethod
    def at_end_of(cls, days: Ints, zone: Zone) -> Moments:
        """Return the last microseconds of these local days."""
        return cls.of(zone.day_ends(days), zone)


def moments(as_of: AsOf, zone: Zone) -> Moments:
    """Return the moments meant by `as_of`.

    Parameters
    ----------
    as_of
        An aware datetime; or a date, which means the last microsecond of that local day; or a
        sequence with one of these for each customer.
    zone
        The zone whose days count.

    Raises
    ------
    DataError
        For a naive datetime, for anything else, and outside the years 1677 to 9999.

    Examples
    --------
    >>> from crmcore.calendars.zones import zone
    >>> to_datetime(moments(date(2024, 6, 30), zone("Asia/Shanghai")).at[0])
    datetime.datetime(2024, 6, 30, 15, 59, 59, 999999, tzinfo=datetime.timezone.utc)
    """
    if not isinstance(as_of, date | Sequence):
        raise DataError("give a date or an aware datetime", column="as_of")
    given = [as_of] if isinstance(as_of, date) else list(as_of)
    values = np.array([_number(one, row) for row, one in enumerate(given)], np.int64)
    is_day = np.array([not isinstance(one, datetime) for one in given], np.bool_)
    values[is_day] = zone.day_ends(values[is_day])
    return Moments.of(values, zone)


def _number(one: object, row: int) -> int:
    """Return a datetime's instant, or a date's day."""
    if not isinstance(one, date):
        raise DataError("give a date or an aware datetime", column="as_of", positions=[row])
    if not isinstance(one, datetime):
        number, first = day_number(one), FIRST_INSTANT // DAY_US
    elif one.utcoffset() is None:
        message = "a datetime without a time zone: give an aware one, or a date"
        raise DataError(message, column="as_of", positions=[row])
    else:
        number, first = instant_us(one), FIRST_INSTANT
    if number < first or number > LAST_INSTANT:
        raise DataError("outside the years 1677 to 9999", column="as_of", positions=[row])
    return number
