"""Days, spans, windows and evaluation calendars: from the calendar to integers and back."""

from __future__ import annotations

from crmcore.calendars.moments import (
    AsOf,
    Moments,
    day_number,
    instant_us,
    moments,
    to_date,
    to_datetime,
)
from crmcore.calendars.spans import Span, first_day_beyond, parse_span, shift_days
from crmcore.calendars.windows import EvaluationCalendar, Window
from crmcore.calendars.zones import DAY_US, FIRST_INSTANT, LAST_DAY, LAST_INSTANT, Zone, zone

__all__ = [
    "DAY_US",
    "FIRST_INSTANT",
    "LAST_DAY",
    "LAST_INSTANT",
    "AsOf",
    "EvaluationCalendar",
    "Moments",
    "Span",
    "Window",
    "Zone",
    "day_number",
    "first_day_beyond",
    "instant_us",
    "moments",
    "parse_span",
    "shift_days",
    "to_date",
    "to_datetime",
    "zone",
]
