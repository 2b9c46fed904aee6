"""Spans of calendar time, such as "3 months", and moving local days by them.

Months are calendar months, clamped to the month's end: 31 March less one month is the last day
of February. Nothing here knows zones: days are integers since 1970-01-01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from crmcore.columns import Ints

__all__ = ["Span", "first_day_beyond", "parse_span", "shift_days"]

_PATTERN = re.compile(r"([1-9][0-9]{0,6}) (day|week|month|quarter|year)s?")
SCHEMA = {"type": "string", "pattern": f"^{_PATTERN.pattern}$", "examples": ["1 year"]}
"""A span in a JSON Schema."""
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAY, _MONTH = np.dtype("M8[D]"), np.dtype("M8[M]")
_MOST_DAYS, _MOST_MONTHS = 365_000, 12_000


@dataclass(frozen=True, slots=True)
class Span:
    """So many calendar months, or so many days. Make one with `parse_span`.

    May be used as the type of a field in a pydantic model: it is read from text and written as
    the same text. Spans of one length are equal however they are written.

    Parameters
    ----------
    months, days
        The length; one of the two is 0.
    text
        How it was written.

    Examples
    --------
    >>> parse_span("1 year") == parse_span("12 months")
    True
    """

    months: int
    days: int
    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _span, serialization=core_schema.to_string_ser_schema(when_used="always")
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(SCHEMA)


def parse_span(text: str) -> Span:
    """Read a span: a positive whole number and a unit, at most 1000 years.

    Units are day, week, month, quarter and year, with or without a final s.

    Raises
    ------
    ValueError
        When the text is anything else.

    Examples
    --------
    >>> parse_span("2 weeks")
    Span(months=0, days=14, text='2 weeks')
    >>> parse_span("1.5 years")
    Traceback (most recent call last):
    ...
    ValueError: not a span: '1.5 years'; write a whole number and a unit, such as '3 months'
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ValueError(
            f"not a span: {text!r}; write a whole number and a unit, such as '3 months'"
        )
    count, unit = int(found[1]), found[2]
    months, days = count * _MONTHS.get(unit, 0), count * _DAYS.get(unit, 0)
    if months > _MOST_MONTHS or days > _MOST_DAYS:
        raise ValueError(f"a span may not be longer than 1000 years: {text!r}")
    return Span(months, days, text)


def shift_days(days: Ints, span: Span, sign: Literal[1, -1]) -> Ints:
    """Return local days moved by a span, later (`sign` 1) or earlier (-1).

    Examples
    --------
    >>> import numpy as np
    >>> days = np.array(["2024-03-31"], "M8[D]").astype(np.int64)
    >>> shift_days(days, parse_span("1 month"), -1).astype("M8[D]").tolist()
    [datetime.date(2024, 2, 29)]
    """
    if not span.months:
        return days + sign * span.days
    months = months_of(days)
    return day_in_month(months + sign * span.months, days - month_starts(months))


def first_day_beyond(value_days: Ints, span: Span) -> Ints:
    """Return the first day on which a value is older than `span`.

    That is the smallest day D with D - span > value, so the day on which a band "within span"
    is left.

    Examples
    --------
    >>> import numpy as np
    >>> bought = np.array(["2024-01-30", "2024-01-31"], "M8[D]").astype(np.int64)
    >>> first_day_beyond(bought, parse_span("1 month")).astype("M8[D]").tolist()
    [datetime.date(2024, 3, 1), datetime.date(2024, 3, 1)]
    """
    after = value_days + 1
    if not span.months:
        return after + span.days
    months = months_of(after)
    later = months + span.months
    # Clamped to the month's end it would lead back too far: then it is the next month's first.
    same_day = month_starts(later) + (after - month_starts(months))
    return np.minimum(same_day, month_starts(later + 1))


def months_of(days: Ints) -> Ints:
    """Return the calendar month of each day, counted from January 1970."""
    return days.view(_DAY).astype(_MONTH).view(np.int64)


def month_starts(months: Ints) -> Ints:
    """Return the first day of each month, counted from January 1970."""
    return months.view(_MONTH).astype(_DAY).view(np.int64)


def day_in_month(months: Ints, offsets: Ints) -> Ints:
    """Return the day so many days after each month's first, clamped to the month's last."""
    last = month_starts(months + 1) - 1
    np.minimum(month_starts(months) + offsets, last, out=last)
    return last


def _span(value: object) -> Span:
    if isinstance(value, Span):
        return value
    if not isinstance(value, str):
        raise ValueError("write a span as text, such as '3 months'")
    return parse_span(value)
