"""Times: from whatever a column holds to instants in UTC microseconds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast

import numpy as np

from crmcore.calendars import DAY_US, FIRST_INSTANT, LAST_INSTANT, zone
from crmcore.calendars.spans import month_starts
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.raw import Raw

__all__ = ["Instants", "read_instants"]

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_MARKS = [4, 7, 10, 13, 16]
_DIGITS = [place for place in range(19) if place not in _MARKS]
# Which sign may stand at which mark: dashes, then a space or a T, then colons.
_ALLOWED = np.zeros((128, 5), np.bool_)
_ALLOWED[ord("-"), :2] = _ALLOWED[[ord(" "), ord("T")], 2] = _ALLOWED[ord(":"), 3:] = True
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UTC_NAMES = frozenset({"UTC", "Etc/UTC"})


@dataclass(frozen=True, slots=True, eq=False)
class Instants:
    """Instants, 0 in the rows of any of the faults.

    `ambiguous` marks wall-clock times that were shown twice and taken as the first showing,
    `nonexistent` those that were skipped and moved forward.
    """

    values: Ints
    faults: Mapping[str, Mask]
    ambiguous: Mask | None = None
    nonexistent: Mask | None = None


def read_instants(
    name: str, raw: Raw, zone_name: str | None, unit: Literal["s", "ms", "us"] | None
) -> Instants:
    """Return a column as instants.

    Parameters
    ----------
    name, raw
        The column, and its name for messages.
    zone_name
        The zone of times without an offset; a date means the start of its day there.
    unit
        What whole numbers count, since 1970 in UTC.

    Raises
    ------
    DataError
        The column holds no times; or times without an offset, and no zone is named; or whole
        numbers, and no unit.

    Examples
    --------
    >>> from crmcore.records.raw import raw_column
    >>> raw = raw_column("placed_at", ["2025-06-01 10:00:00", "2025-06-01T10:00:00+02:00"])
    >>> read_instants("placed_at", raw, "UTC", None).values.astype("M8[us]").astype("M8[h]")
    array(['2025-06-01T10', '2025-06-01T08'], dtype='datetime64[h]')
    """
    if raw.kind == "coded":
        return _by_category(name, raw, zone_name)
    if raw.kind in {"int", "float"}:
        return _from_numbers(name, raw, unit)
    if raw.kind not in {"time", "date"}:
        raise DataError("holds no times", column=name)
    faults = _marked(missing_time=raw.missing, time_out_of_range=raw.invalid)
    ticks = raw.values.astype(np.int64, copy=False)
    ticks = _cleared(ticks, faults)
    if raw.aware:
        return Instants(ticks, faults)
    return _in_zone(name, ticks * DAY_US if raw.kind == "date" else ticks, faults, zone_name)


def _marked(**masks: Mask | None) -> dict[str, Mask]:
    return {reason: mask for reason, mask in masks.items() if mask is not None and mask.any()}


def _cleared(values: Ints, faults: Mapping[str, Mask]) -> Ints:
    """Return the values with 0 in the rows of faults."""
    if not faults:
        return values
    return np.where(np.logical_or.reduce(list(faults.values())), 0, values)


def _within(values: Ints, faults: Mapping[str, Mask]) -> Instants:
    """Return instants, with those outside the years 1677 to 9999 marked."""
    if not len(values) or (values.min() >= FIRST_INSTANT and values.max() <= LAST_INSTANT):
        return Instants(values, faults)
    beyond = (values < FIRST_INSTANT) | (values > LAST_INSTANT)
    if "time_out_of_range" in faults:
        beyond |= faults["time_out_of_range"]
    faults = {**faults, "time_out_of_range": beyond}
    return Instants(_cleared(values, faults), faults)


def _in_zone(name: str, walls: Ints, faults: Mapping[str, Mask], zone_name: str | None) -> Instants:
    """Return wall-clock times as instants."""
    if zone_name is None:
        message = 'times without an offset: name their zone in the source, as zone = "..."'
        raise DataError(message, column=name)
    shown = _within(walls, faults)
    if zone_name in _UTC_NAMES:
        return shown
    values, ambiguous, nonexistent = zone(zone_name).to_utc(shown.values)
    found = _within(_cleared(values, shown.faults), shown.faults)
    return Instants(found.values, found.faults, _some(ambiguous), _some(nonexistent))


def _some(mask: Mask) -> Mask | None:
    return mask if mask.any() else None


# Whole numbers


def _from_numbers(name: str, raw: Raw, unit: Literal["s", "ms", "us"] | None) -> Instants:
    if unit is None:
        message = 'times as numbers: say what they count in the source, as time_unit = "s"'
        raise DataError(message, column=name)
    unreadable = None
    values = raw.values
    if raw.kind == "float":
        floats = values.astype(np.float64)
        whole = np.isfinite(floats) & (np.rint(floats) == floats) & (np.abs(floats) < 2**53)
        unreadable = ~whole if raw.missing is None else ~whole & ~raw.missing
        values = np.where(whole, floats, 0.0)
    ticks = values.astype(np.int64, copy=False)
    scale = _UNITS[unit]
    beyond = None
    if len(ticks) and (ticks.min() < FIRST_INSTANT // scale or ticks.max() > LAST_INSTANT // scale):
        beyond = (ticks < FIRST_INSTANT // scale) | (ticks > LAST_INSTANT // scale)
        beyond = beyond if raw.missing is None else beyond & ~raw.missing
    faults = _marked(missing_time=raw.missing, unreadable_time=unreadable, time_out_of_range=beyond)
    ticks = _cleared(ticks, faults)
    return Instants(ticks if scale == 1 else ticks * scale, faults)


# Text, by distinct value


def _by_category(name: str, raw: Raw, zone_name: str | None) -> Instants:
    """Read each distinct text once, then spread over the rows."""
    assert raw.categories is not None
    found = _from_texts(name, raw.categories.tolist(), zone_name)

    def spread(mask: Mask | None) -> Mask | None:
        if mask is None:
            return None
        rows: Mask = np.append(mask, False)[raw.values]  # the last entry serves code -1
        return rows if raw.missing is None else rows & ~raw.missing

    faults = _marked(
        missing_time=raw.missing,
        **{reason: spread(mask) for reason, mask in found.faults.items()},
    )
    values = _cleared(np.append(found.values, 0)[raw.values], faults)
    return Instants(values, faults, spread(found.ambiguous), spread(found.nonexistent))


def _from_texts(name: str, texts: list[object], zone_name: str | None) -> Instants:
    """Read distinct texts; those with an offset need no zone."""
    plain = plain_walls(texts)
    if plain is not None:
        return _in_zone(name, plain, {}, zone_name)
    moments = _moments(texts)
    unread = np.array([moment is None for moment in moments], np.bool_)
    zoned = np.array([moment is not None and moment.tzinfo is not None for moment in moments])
    naive = ~(unread | zoned.astype(np.bool_))
    faults = _marked(unreadable_time=unread)
    walls = [moment if bare else None for moment, bare in zip(moments, naive, strict=True)]
    aware = _within(_since_epoch(moments), faults)
    if not naive.any():
        return aware
    local = _cleared(np.array(walls, "M8[us]").view(np.int64), {"": ~naive})
    found = _in_zone(name, local, faults, zone_name)
    beyond = [
        one.faults["time_out_of_range"] for one in (aware, found) if len(one.faults) > len(faults)
    ]
    return Instants(
        np.where(naive, found.values, aware.values),
        {**faults, **({"time_out_of_range": np.logical_or.reduce(beyond)} if beyond else {})},
        None if found.ambiguous is None else _some(found.ambiguous & naive),
        None if found.nonexistent is None else _some(found.nonexistent & naive),
    )


def plain_walls(texts: list[object]) -> Ints | None:
    """Return texts like ``2025-06-01 10:00:00`` as wall-clock microseconds, all at once.

    ``None`` when any text is written in another way or names no time of the calendar; then they
    are read one by one.
    """
    if set(map(type, texts)) != {str} or set(map(len, cast("list[str]", texts))) != {19}:
        return None
    signs = np.array(texts, "U19").view(np.uint32).reshape(-1, 19)
    marks, digits = signs[:, _MARKS], signs[:, _DIGITS] - ord("0")
    if not _ALLOWED[np.minimum(marks, 127), np.arange(5)].all() or (digits > 9).any():
        return None
    year, month, day, hour, minute, second = (
        digits[:, places].astype(np.int64) @ 10 ** np.arange(len(places))[::-1]
        for places in ([0, 1, 2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13])
    )
    start = month_starts((year - 1970) * 12 + month - 1)
    length = month_starts((year - 1970) * 12 + month) - start
    fits = (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    if not (fits & (hour < 24) & (minute < 60) & (second < 60)).all():
        return None
    seconds = (((start + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    walls: Ints = seconds * 1_000_000
    return walls


def _since_epoch(moments: list[datetime | None]) -> Ints:
    """Return the instants of the moments with an offset, 0 for the others."""
    since = [
        _EPOCH - _EPOCH if moment is None or moment.tzinfo is None else moment - _EPOCH
        for moment in moments
    ]
    return np.array(since, "m8[us]").view(np.int64)


def _moments(texts: list[object]) -> list[datetime | None]:
    if all(isinstance(text, str) and _ISO.fullmatch(text) for text in texts):
        try:
            return list(map(datetime.fromisoformat, cast("list[str]", texts)))
        except ValueError:
            pass  # some 30 February: one by one
    return [_moment(text) for text in texts]


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str) or not _ISO.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
