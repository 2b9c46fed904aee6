"""Times: from whatever a column holds to instants in UTC microseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import DAY_US, FIRST_INSTANT, LAST_INSTANT, zone
from crmcore.calendars.spans import month_starts
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.objects import Objects
from crmcore.records.raw import Raw
from crmcore.texts import Texts

__all__ = ["Instants", "read_instants"]

# Hours and minutes in full: what else Python takes for such differs from version to version.
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?"
)
_PLAIN = "0000-00-00?00:00:00"
_PARTING = _PLAIN.index("?")
_MARKS = {place: mark for place, mark in enumerate(_PLAIN) if mark in "-:"}
_DIGITS = [place for place, mark in enumerate(_PLAIN) if mark == "0"]
_AT_ONCE = 2**16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WALL_EPOCH = datetime(1970, 1, 1)
_NOTHING = timedelta()
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UTC_NAMES = frozenset({"UTC", "Etc/UTC"})


@dataclass(frozen=True, slots=True, eq=False)
class Instants:
    """Instants, 0 in the rows of any of the faults.

    `ambiguous` marks wall-clock times that were shown twice and taken as the first showing,
    `nonexistent` those that were skipped and moved forward. `survey` is what one look at the values
    told, where one was taken.
    """

    values: Ints
    faults: Mapping[str, Mask]
    ambiguous: Mask | None = None
    nonexistent: Mask | None = None
    survey: kernels.Survey | None = None


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
    raw = raw.coded(name)
    if raw.kind == "coded":
        return _by_category(name, raw, zone_name)
    if raw.kind in {"int", "float"}:
        return _from_numbers(name, raw, unit)
    if raw.kind not in {"time", "date"}:
        raise DataError("holds no times", column=name)
    faults = _marked(missing_time=raw.missing, time_out_of_range=raw.invalid)
    ticks = _cleared(raw.values.astype(np.int64, copy=False), faults)
    if raw.kind == "date":
        return _in_zone(name, ticks * DAY_US, faults, zone_name)
    survey = None if faults else raw.survey
    if raw.aware:
        return Instants(ticks, faults, survey=survey)
    return _in_zone(name, ticks, faults, zone_name, survey)


def _marked(**masks: Mask | None) -> dict[str, Mask]:
    return {reason: mask for reason, mask in masks.items() if mask is not None and mask.any()}


def _cleared(values: Ints, faults: Mapping[str, Mask]) -> Ints:
    """Return the values with 0 in the rows of faults."""
    if not faults:
        return values
    return np.where(np.logical_or.reduce(list(faults.values())), 0, values)


def _within(
    values: Ints, faults: Mapping[str, Mask], survey: kernels.Survey | None = None
) -> Instants:
    """Return instants, with those outside the years 1677 to 9999 marked."""
    survey = kernels.survey(values) if survey is None else survey
    if survey.least >= FIRST_INSTANT and survey.greatest <= LAST_INSTANT:
        return Instants(values, faults, survey=survey)
    beyond = (values < FIRST_INSTANT) | (values > LAST_INSTANT)
    if "time_out_of_range" in faults:
        beyond |= faults["time_out_of_range"]
    faults = {**faults, "time_out_of_range": beyond}
    return Instants(_cleared(values, faults), faults)


def _in_zone(
    name: str,
    walls: Ints,
    faults: Mapping[str, Mask],
    zone_name: str | None,
    survey: kernels.Survey | None = None,
) -> Instants:
    """Return wall-clock times as instants."""
    if zone_name is None:
        message = 'times without an offset: name their zone in the source, as zone = "..."'
        raise DataError(message, column=name)
    shown = _within(walls, faults, survey)
    if zone_name in _UTC_NAMES:
        return shown
    values, ambiguous, nonexistent = zone(zone_name).to_utc(shown.values)
    found = _within(_cleared(values, shown.faults), shown.faults)
    return replace(found, ambiguous=_some(ambiguous), nonexistent=_some(nonexistent))


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
    first, last = FIRST_INSTANT // scale, LAST_INSTANT // scale
    beyond, survey = None, kernels.survey(ticks)
    if survey.least < first or survey.greatest > last:
        beyond = (ticks < first) | (ticks > last)
        beyond = beyond if raw.missing is None else beyond & ~raw.missing
    faults = _marked(missing_time=raw.missing, unreadable_time=unreadable, time_out_of_range=beyond)
    ticks = _cleared(ticks, faults)
    if scale > 1:
        return Instants(ticks * scale, faults)
    return Instants(ticks, faults, survey=None if faults else survey)


# Text, by distinct value


def _by_category(name: str, raw: Raw, zone_name: str | None) -> Instants:
    """Read each distinct text once, then spread over the rows."""
    assert raw.categories is not None
    found = _from_texts(name, raw.categories, zone_name)

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


def _from_texts(name: str, given: Texts | Objects, zone_name: str | None) -> Instants:
    """Read distinct texts; those with an offset need no zone."""
    texts = given if isinstance(given, Texts) else _as_texts(given)
    ticks, naive, aware = plain_times(texts)
    if naive.all() and len(naive):
        return _in_zone(name, ticks, {}, zone_name)
    rest = np.flatnonzero(~(naive | aware))
    moments = _moments(given.take(rest).tolist())
    unread = np.zeros(len(naive), np.bool_)
    unread[rest] = [moment is None for moment in moments]
    faults = _marked(unreadable_time=unread)
    naive[rest] = [moment is not None and moment.tzinfo is None for moment in moments]
    ticks[rest] = _since_epoch(moments)
    stated = _within(np.where(naive, 0, ticks), faults)
    if not naive.any():
        return stated
    found = _in_zone(name, np.where(naive, ticks, 0), faults, zone_name)
    beyond = [
        one.faults["time_out_of_range"] for one in (stated, found) if len(one.faults) > len(faults)
    ]
    return Instants(
        np.where(naive, found.values, stated.values),
        {**faults, **({"time_out_of_range": np.logical_or.reduce(beyond)} if beyond else {})},
        None if found.ambiguous is None else _some(found.ambiguous & naive),
        None if found.nonexistent is None else _some(found.nonexistent & naive),
    )


def _as_texts(given: Objects) -> Texts:
    """Return the texts among objects; what is no text is empty."""
    return Texts.from_strings(one if isinstance(one, str) else "" for one in given.tolist())


def plain_times(texts: Texts) -> tuple[Ints, Mask, Mask]:
    """Read texts like ``2025-06-01 10:00:00`` and ``2025-06-01T10:00:00Z``, many at once.

    Returns
    -------
    ticks, naive, aware
        Microseconds since 1970; which of them a wall clock shows, and which end in Z. Both are
        False, and the time 0, where a text is written in another way or names no time of the
        calendar.
    """
    ticks = np.zeros(len(texts), np.int64)
    naive, aware = np.zeros((2, len(texts)), np.bool_)
    for first in range(0, len(texts), _AT_ONCE):
        starts = texts.offsets[first : first + _AT_ONCE + 1].astype(np.int64)
        more = np.diff(starts) - len(_PLAIN)
        rows = np.flatnonzero((more == 0) | (more == 1))
        starts, more = starts[rows], more[rows]
        found, fits = _walls(texts.data[starts + np.arange(len(_PLAIN))[:, None]])
        last = texts.data[starts + (len(_PLAIN) - 1) + more]
        naive[first + rows] = fits & (more == 0)
        aware[first + rows] = fits & (more == 1) & (last == ord("Z"))
        ticks[first + rows] = found
    ticks[~(naive | aware)] = 0
    return ticks, naive, aware


def _walls(signs: NDArray[np.uint8]) -> tuple[Ints, Mask]:
    """Read times of which each column is one, and each row the signs at one place."""
    digits = signs[_DIGITS] - ord("0")
    as_it_should = [signs[place] == ord(mark) for place, mark in _MARKS.items()]
    fits = np.logical_and.reduce([*as_it_should, *(digits <= 9)])
    fits &= (signs[_PARTING] == ord(" ")) | (signs[_PARTING] == ord("T"))
    pairs = (digits[::2] * 10 + digits[1::2]).astype(np.int64)
    century, year, month, day, hour, minute, second = np.where(fits, pairs, 1)
    year += century * 100
    start = month_starts((year - 1970) * 12 + month - 1)
    length = month_starts((year - 1970) * 12 + month) - start
    fits &= (year > 0) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    fits &= (hour < 24) & (minute < 60) & (second < 60)
    seconds = (((start + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000, fits


def _moments(texts: Sequence[object]) -> list[datetime | None]:
    if all(isinstance(text, str) and _ISO.fullmatch(text) for text in texts):
        try:
            return list(map(datetime.fromisoformat, cast("Sequence[str]", texts)))
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


def _since_epoch(moments: Iterable[datetime | None]) -> Ints:
    """Return moments in microseconds since 1970, those without an offset as the clock shows."""
    since = [
        _NOTHING if moment is None else moment - (_EPOCH if moment.tzinfo else _WALL_EPOCH)
        for moment in moments
    ]
    return np.array(since, "m8[us]").view(np.int64)
