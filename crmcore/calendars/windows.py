"""Windows of time before a moment, and the calendar by which customers are evaluated."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from crmcore.calendars.moments import Moments, day_number
from crmcore.calendars.spans import SCHEMA, Span, day_in_month, month_starts, months_of, shift_days
from crmcore.calendars.zones import LAST_DAY, LAST_INSTANT, Zone
from crmcore.columns import Ints

__all__ = ["EvaluationCalendar", "Window"]

_PERIOD_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Window(BaseModel):
    """A stretch of time before a moment, in whole local days, for counting what lies in it.

    Written as text, ``"1 year"``, or as a table with one of three keys. D is the local day of
    the moment; nothing later than the moment is ever counted.

    Parameters
    ----------
    within
        From the start of local day D - span on: both printed edges belong. Text alone means this.
    tiles
        Whole local days after D - span through D, so that the windows as of D and as of D - span
        neither overlap nor leave a gap.
    calendar
        The calendar ``"year"``, ``"quarter"`` or ``"month"`` that contains D.
    back
        With `calendar`: so many periods earlier.

    Examples
    --------
    >>> from datetime import date
    >>> from crmcore.calendars import Window, moments, to_datetime, zone
    >>> utc = zone("UTC")
    >>> lo, hi = Window.model_validate("1 year").bounds(moments(date(2024, 6, 30), utc), utc)
    >>> print(to_datetime(lo[0]), to_datetime(hi[0]))
    2023-06-30 00:00:00+00:00 2024-06-30 23:59:59.999999+00:00
    >>> Window(calendar="year", back=1).model_dump()
    {'calendar': 'year', 'back': 1}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    within: Span | None = None
    tiles: Span | None = None
    calendar: Literal["year", "quarter", "month"] | None = None
    back: int = Field(default=0, ge=0, le=1000, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return {"within": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [self.within, self.tiles, self.calendar]
        if sum(one is not None for one in given) != 1:
            raise ValueError("a window needs exactly one of: within, tiles, calendar")
        if self.calendar is None and "back" in self.model_fields_set:
            raise ValueError("'back' goes with 'calendar' only")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> object:
        if self.within is not None:
            return self.within.text
        kept = ("tiles",) if self.tiles is not None else ("calendar", "back")
        return {key: value for key, value in handler(self).items() if key in kept}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        table = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [SCHEMA, table]}

    def bounds(self, moments: Moments, zone: Zone) -> tuple[Ints, Ints]:
        """Return the first and the last instant of the window, for each moment.

        Both belong to the window. The last is never after the moment; where the last is before
        the first the window is empty.
        """
        if self.calendar is not None:
            return self._period(moments, zone)
        span = self.within or self.tiles
        assert span is not None  # as validated
        first = shift_days(moments.day, span, -1)
        return zone.day_starts(first if self.within else first + 1), moments.at

    def _period(self, moments: Moments, zone: Zone) -> tuple[Ints, Ints]:
        length = _PERIOD_MONTHS[self.calendar or "year"]
        period = months_of(moments.day) // length - self.back
        ends = zone.day_ends(month_starts((period + 1) * length) - 1)
        return zone.day_starts(month_starts(period * length)), np.minimum(ends, moments.at)


class EvaluationCalendar(BaseModel):
    """When customers are evaluated: at any moment (``"live"``), or on scheduled days.

    Written as ``"live"`` or as a table with both keys. Scheduled evaluations happen at the ends
    of the local days anchor + k · every, for every whole k: always counted from the anchor and
    clamped to month ends, so that they never drift.

    Parameters
    ----------
    every
        The span between scheduled evaluations.
    anchor
        One scheduled day.

    Examples
    --------
    >>> from datetime import date
    >>> from crmcore.calendars import EvaluationCalendar, moments, parse_span, to_date, zone
    >>> monthly = EvaluationCalendar(every=parse_span("1 month"), anchor=date(2024, 1, 31))
    >>> utc = zone("UTC")
    >>> [to_date(day) for day in monthly.held(moments(date(2024, 3, 30), utc), utc).day]
    [datetime.date(2024, 2, 29)]
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Span | None = None
    anchor: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value != "live":
            raise ValueError("write 'live', or a table with 'every' and 'anchor'")
        return {}

    @field_validator("anchor", mode="before")
    @classmethod
    def _a_date(cls, value: object) -> object:
        if isinstance(value, str) and _DATE.fullmatch(value):  # Python reads other spellings too
            return date.fromisoformat(value)
        if value is not None and type(value) is not date:
            raise ValueError("write a date, such as 2024-01-01")
        return value

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.every is None) != (self.anchor is None):
            raise ValueError("needs both 'every' and 'anchor', or the text 'live'")
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> object:
        return "live" if self.every is None else handler(self)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        table = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"const": "live"}, {**table, "required": ["every", "anchor"]}]}

    def held(self, moments: Moments, zone: Zone) -> Moments:
        """Return the latest scheduled evaluation at or before each moment.

        ``"live"`` returns the moments themselves.
        """
        if self.every is None or self.anchor is None:
            return moments
        # A day is over at a moment when the next microsecond belongs to a later one.
        next_day = zone.local_days(moments.at + 1)
        over = np.where(moments.at < LAST_INSTANT, next_day - 1, LAST_DAY)
        return Moments.at_end_of(_latest(day_number(self.anchor), self.every, over), zone)


def _latest(anchor: int, every: Span, days: Ints) -> Ints:
    """Return the latest day anchor + k · every that is not after each day."""
    if not every.months:
        return days - (days - anchor) % every.days
    start = np.array([anchor], np.int64)
    first = months_of(start)
    offset = start - month_starts(first)
    months = months_of(days)
    months -= (months - first) % every.months
    months = np.where(day_in_month(months, offset) > days, months - every.months, months)
    return day_in_month(months, offset)
