"""Laws of days, spans, windows and evaluation calendars, against zoneinfo and dateutil."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta

import numpy as np
import reference
from dateutil.relativedelta import relativedelta
from hypothesis import example, given
from hypothesis import strategies as st

from crmcore.calendars import (
    DAY_US,
    FIRST_INSTANT,
    LAST_DAY,
    LAST_INSTANT,
    EvaluationCalendar,
    Moments,
    Span,
    Window,
    day_number,
    first_day_beyond,
    instant_us,
    moments,
    parse_span,
    shift_days,
    to_date,
    to_datetime,
    zone,
)

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1)
# Clocks were set back across midnight, midnight was skipped, or whole days were or came twice.
HARD = (
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2018, 2, 17)),
    ("Asia/Beirut", date(2022, 3, 27)),
    ("Asia/Beirut", date(2022, 10, 30)),
    ("America/St_Johns", date(2006, 10, 29)),
    ("America/St_Johns", date(2006, 4, 2)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Pacific/Kwajalein", date(1969, 9, 30)),
    ("Asia/Manila", date(1844, 12, 31)),
    ("America/Juneau", date(1867, 10, 18)),
    ("America/Havana", date(2020, 11, 1)),
    ("Asia/Gaza", date(2011, 8, 1)),
    ("Antarctica/Casey", date(2010, 3, 5)),
    ("Europe/Dublin", date(2024, 10, 27)),
    ("Asia/Shanghai", date(2024, 2, 29)),
    ("UTC", date(2024, 2, 29)),
    ("Etc/GMT-14", date(9999, 12, 31)),
    ("Etc/GMT+12", date(1677, 1, 1)),
)
NAMES = sorted(zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"})

names = st.sampled_from(NAMES)
instants = st.integers(FIRST_INSTANT, LAST_INSTANT)
days = st.integers(FIRST_INSTANT // DAY_US, LAST_DAY)
sane_days = st.integers(day_number(date(1900, 1, 1)), day_number(date(2100, 1, 1)))
spans = st.one_of(
    st.builds("{} {}".format, st.integers(1, 60), st.sampled_from(["day", "weeks"])),
    st.builds("{} {}".format, st.integers(1, 60), st.sampled_from(["month", "quarter", "years"])),
).map(parse_span)


@st.composite
def zones_and_instants(draw: st.DrawFn) -> tuple[str, list[int]]:
    """A zone with instants: anywhere, or in the two days around something unusual."""
    if draw(st.booleans()):
        name, day = draw(st.sampled_from(HARD))
        around = st.integers(-36 * 3600, 60 * 3600).map(
            lambda second: min(
                max(day_number(day) * DAY_US + second * 10**6, FIRST_INSTANT), LAST_INSTANT
            )
        )
        return name, draw(st.lists(st.one_of(around, around, instants), min_size=1, max_size=8))
    recent = st.integers(
        instant_us(datetime(1880, 1, 1, tzinfo=UTC)), instant_us(datetime(2040, 1, 1, tzinfo=UTC))
    )
    return draw(names), draw(st.lists(st.one_of(recent, instants), min_size=1, max_size=8))


def ints(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def relative(span: Span) -> relativedelta:
    return relativedelta(months=span.months, days=span.days)


@given(zones_and_instants())
def test_local_days_are_those_of_zoneinfo_and_never_go_back(case):
    name, at = case
    expected = [day_number(reference.local_day(to_datetime(one), name)) for one in at]
    assert zone(name).local_days(ints(at)).tolist() == expected
    assert (np.diff(zone(name).local_days(ints(sorted(at)))) >= 0).all()


@given(zones_and_instants())
def test_one_by_one_is_the_same_as_all_together(case):
    name, at = case
    here = zone(name)
    together = here.local_days(ints(at))
    assert together.tolist() == [here.local_days(ints([one]))[0] for one in at]
    starts = here.day_starts(together)
    assert starts.tolist() == [here.day_starts(ints([one]))[0] for one in together]
    for whole, single in zip(
        here.to_utc(ints(at)), zip(*map(here.to_utc, ints(at)[:, None]), strict=True), strict=True
    ):
        assert whole.tolist() == np.concatenate(single).tolist()


@given(zones_and_instants())
def test_a_day_starts_at_the_first_instant_that_has_it(case):
    name, at = case
    here = zone(name)
    for day in here.local_days(ints(at)):
        start, end = here.day_starts(ints([day])), here.day_ends(ints([day]))
        if start[0] > FIRST_INSTANT:
            assert start[0] == instant_us(reference.day_start(to_date(day), name))
            assert here.local_days(start)[0] >= day > here.local_days(start - 1)[0]
        assert end[0] == instant_us(reference.day_end(to_date(day), name))
        if day < LAST_DAY:
            assert end[0] + 1 == here.day_starts(ints([day + 1]))[0]


@given(zones_and_instants())
def test_wall_clocks_are_read_as_zoneinfo_reads_the_first_of_two(case):
    name, walls = case
    tz = zoneinfo.ZoneInfo(name)
    at, ambiguous, nonexistent = zone(name).to_utc(ints(walls))
    for row, wall in enumerate(walls):
        naive = EPOCH + timedelta(microseconds=wall)
        first = naive.replace(tzinfo=tz).utcoffset()
        second = naive.replace(tzinfo=tz, fold=1).utcoffset()
        assert at[row] == wall - first // MICROSECOND
        assert ambiguous[row] == (first > second)
        assert nonexistent[row] == (first < second)


@given(st.lists(sane_days, min_size=1, max_size=5), spans, st.sampled_from([1, -1]))
def test_shifting_agrees_with_relativedelta(some, span, sign):
    expected = [day_number(to_date(day) + sign * relative(span)) for day in some]
    assert shift_days(ints(some), span, sign).tolist() == expected


@given(sane_days, spans)
@example(day_number(date(2024, 1, 30)), parse_span("1 month"))
@example(day_number(date(2024, 2, 28)), parse_span("1 year"))
def test_first_day_beyond_is_the_first(value, span):
    beyond = first_day_beyond(ints([value]), span)
    assert shift_days(beyond, span, -1)[0] > value
    assert shift_days(beyond - 1, span, -1)[0] <= value


@given(sane_days, sane_days, spans)
def test_first_day_beyond_splits_all_days(value, today, span):
    is_older = shift_days(ints([today]), span, -1)[0] > value
    assert is_older == (today >= first_day_beyond(ints([value]), span)[0])


@given(names, sane_days, spans, sane_days)
@example("Asia/Shanghai", day_number(date(2024, 1, 31)), parse_span("1 month"), 20_000)
def test_held_is_the_latest_schedule_counted_from_the_anchor(name, anchor, every, today):
    calendar = EvaluationCalendar(every=every, anchor=to_date(anchor))
    here = zone(name)
    at = here.day_starts(ints([today, today])) + ints([-1, 0])
    for row, held in enumerate(calendar.held(Moments.of(at, here), here).at.tolist()):
        # No month is shorter than 28 days or longer than 31: this schedule is surely later.
        length = every.days or every.months * (28 if today > anchor else 32)
        count = (today - anchor) // length + 2
        ends = []
        while not ends or ends[-1] > at[row]:
            scheduled = to_date(anchor) + relativedelta(
                months=count * every.months, days=count * every.days
            )
            ends.append(here.day_ends(ints([day_number(scheduled)]))[0])
            count -= 1
        assert held == ends[-1]


@given(names, sane_days, spans)
def test_what_was_held_stays_held_until_the_next_schedule(name, anchor, every):
    calendar, here = EvaluationCalendar(every=every, anchor=to_date(anchor)), zone(name)
    scheduled = [
        to_date(anchor) + relativedelta(months=k * every.months, days=k * every.days)
        for k in (0, 1)
    ]
    first, second = here.day_ends(ints([day_number(one) for one in scheduled])).tolist()
    held = calendar.held(Moments.of(ints([first, second - 1, second]), here), here)
    assert held.at.tolist() == [first, max(first, held.at[1]), second]
    assert held.at[1] == (first if second > first else held.at[1])


@given(names, sane_days, spans)
def test_tiles_meet_without_gap_or_overlap(name, today, span):
    here, window = zone(name), Window(tiles=span)
    earlier = shift_days(ints([today]), span, -1)
    low, _ = window.bounds(Moments.at_end_of(ints([today]), here), here)
    assert low[0] == here.day_ends(earlier)[0] + 1


@given(
    names,
    days.filter(lambda day: day > -100_000),
    st.sampled_from(["year", "quarter", "month"]),
    st.integers(0, 40),
)
def test_calendar_periods_meet_without_gap_or_overlap(name, today, unit, back):
    here = zone(name)
    now = Moments.at_end_of(ints([today]), here)
    low, high = Window(calendar=unit, back=back).bounds(now, here)
    earlier_low, earlier_high = Window(calendar=unit, back=back + 1).bounds(now, here)
    assert earlier_low[0] <= earlier_high[0] == low[0] - 1
    assert high[0] <= now.at[0]
    assert back or high[0] == now.at[0]


@given(
    zones_and_instants(),
    st.sampled_from(
        [
            "1 year",
            "3 months",
            "90 days",
            {"tiles": "1 month"},
            {"calendar": "quarter", "back": 1},
            {"calendar": "year"},
        ]
    ),
)
def test_bounds_are_those_of_the_reference(case, written):
    name, at = case
    here = zone(name)
    low, high = Window.model_validate(written).bounds(Moments.of(ints(at), here), here)
    for row, one in enumerate(at):
        first, last = reference.window_bounds(written, to_datetime(one), name)
        assert (to_datetime(low[row]), to_datetime(high[row])) == (first, last)


@given(names, days)
def test_a_date_means_its_last_microsecond(name, day):
    here = zone(name)
    found = moments(to_date(day), here)
    assert to_datetime(found.at[0]) == reference.moment_of(to_date(day), name)
    assert found.day[0] == here.local_days(found.at)[0]


@given(instants)
def test_instants_come_back(instant):
    assert instant_us(to_datetime(instant)) == instant
