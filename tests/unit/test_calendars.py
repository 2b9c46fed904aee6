"""Days, spans, windows and evaluation calendars: the named cases."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from crmcore.calendars import (
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
    zones,
)
from crmcore.errors import DataError

SHANGHAI = zone("Asia/Shanghai")
UTC_ZONE = zone("UTC")


def days_of(*dates: date):
    return np.array([day_number(one) for one in dates], np.int64)


def at(*texts: str):
    return np.array([instant_us(datetime.fromisoformat(text)) for text in texts], np.int64)


def dates_of(days) -> list[date]:
    return [to_date(day) for day in days]


def text_of(instants) -> list[str]:
    return [to_datetime(one).isoformat() for one in instants]


# --- zones --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../Asia/Shanghai",
        "/etc/localtime",
        "Asia",
        "Asia/Atlantis",
        "a\0b",
        "x" * 999,
        "localtime",
        "posixrules",
        "Factory",
        "posix/UTC",
        "right/UTC",
        "中国",
    ],
)
def test_unknown_zones_are_refused(name):
    with pytest.raises(ValueError, match=r"no time zone named .*give an IANA name"):
        zone(name)


def test_a_zone_is_a_value():
    assert zone("Asia/Shanghai") is SHANGHAI
    assert pickle.loads(pickle.dumps(SHANGHAI)) == SHANGHAI
    assert len({SHANGHAI, UTC_ZONE, zone("UTC")}) == 2


@pytest.mark.parametrize(
    ("name", "day", "start"),
    [
        ("UTC", date(2024, 2, 29), "2024-02-29T00:00:00+00:00"),
        ("Etc/GMT-5", date(2024, 2, 29), "2024-02-28T19:00:00+00:00"),
        ("Asia/Shanghai", date(2024, 2, 29), "2024-02-28T16:00:00+00:00"),
        # Midnight was skipped: the day starts at 01:00.
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00+00:00"),
        ("Asia/Beirut", date(2022, 3, 27), "2022-03-26T22:00:00+00:00"),
        # At midnight clocks went back to 23:00 of the day before, which was shown only once more.
        ("America/Sao_Paulo", date(2018, 2, 18), "2018-02-18T03:00:00+00:00"),
        ("Asia/Beirut", date(2022, 10, 30), "2022-10-29T22:00:00+00:00"),
        # One minute after midnight clocks went back: the day had begun, and stays.
        ("America/St_Johns", date(2006, 10, 29), "2006-10-29T02:30:00+00:00"),
        # A day that never was starts together with the next one.
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00:00+00:00"),
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00:00+00:00"),
        ("Pacific/Kwajalein", date(1993, 8, 21), "1993-08-21T12:00:00+00:00"),
        ("Pacific/Kwajalein", date(1993, 8, 22), "1993-08-21T12:00:00+00:00"),
        # Local mean time, with seconds.
        ("Asia/Shanghai", date(1700, 1, 1), "1699-12-31T15:54:17+00:00"),
    ],
)
def test_days_start_once(name, day, start):
    starts = zone(name).day_starts(days_of(day))
    assert text_of(starts) == [start]
    assert (
        zone(name).local_days(starts - 1)[0] < day_number(day) <= zone(name).local_days(starts)[0]
    )


def test_repeated_minutes_belong_to_the_later_day():
    # 00:01 became 23:01 in St. John's: 02:31 UTC showed 23:01 of 28 October once more.
    around = at(
        "2006-10-29T02:29:59+00:00",
        "2006-10-29T02:30:59+00:00",
        "2006-10-29T02:31:00+00:00",
        "2006-10-29T03:30:00+00:00",
    )
    expected = [date(2006, 10, 28), date(2006, 10, 29), date(2006, 10, 29), date(2006, 10, 29)]
    assert dates_of(zone("America/St_Johns").local_days(around)) == expected


@pytest.mark.parametrize("name", ["Etc/GMT-14", "Asia/Shanghai", "UTC", "America/New_York"])
def test_the_last_day_is_that_of_the_calendar(name):
    last = np.array([LAST_DAY, LAST_DAY + 1])
    assert zone(name).local_days(np.array([LAST_INSTANT])).tolist() == [LAST_DAY]
    assert zone(name).day_ends(last).tolist() == [LAST_INSTANT, LAST_INSTANT]


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
def test_nothing_and_nonsense_do_not_fail(name):
    here, none = zone(name), np.array([], np.int64)
    assert (
        len(here.local_days(none)) == len(here.day_starts(none)) == len(here.to_utc(none)[0]) == 0
    )
    nonsense = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max, 0])
    assert here.local_days(nonsense)[2] == 0
    assert len(here.day_starts(nonsense)) == len(here.to_utc(nonsense)[0]) == 3


@pytest.mark.parametrize("name", ["UTC", "Asia/Shanghai", "Europe/Berlin"])
def test_arguments_are_left_as_they_are(name):
    given = np.arange(3) * 10**15
    here = zone(name)
    here.local_days(given), here.day_starts(given // 10**11), here.day_ends(given // 10**11)
    for part in here.to_utc(given):
        part[:] = 1
    assert given.tolist() == [0, 10**15, 2 * 10**15]


def test_wall_clocks_in_a_gap_move_forward_and_in_a_fold_are_the_first():
    walls = at("2024-03-31T02:30+00:00", "2024-10-27T02:30+00:00", "2024-10-27T03:00+00:00")
    instants, ambiguous, nonexistent = zone("Europe/Berlin").to_utc(walls)
    assert text_of(instants) == [
        "2024-03-31T01:30:00+00:00",
        "2024-10-27T00:30:00+00:00",
        "2024-10-27T02:00:00+00:00",
    ]
    assert ambiguous.tolist() == [False, True, False]
    assert nonexistent.tolist() == [True, False, False]


def test_tables_are_made_once_for_a_year():
    here = zone("Australia/Lord_Howe")
    here.local_days(at("2024-01-01T00:00Z", "2024-12-31T00:00Z"))
    made = zones._block.cache_info().misses
    for month in range(1, 13):
        here.local_days(at(f"2024-{month:02}-05T00:00Z"))
    assert zones._block.cache_info().misses == made


def test_far_apart_years_cost_only_themselves():
    before = zones._block.cache_info().misses
    far = at("1700-06-01T00:00Z", "2024-06-01T00:00Z", "9999-06-01T00:00Z")
    assert dates_of(zone("Asia/Kathmandu").local_days(far)) == [
        date(1700, 6, 1),
        date(2024, 6, 1),
        date(9999, 6, 1),
    ]
    assert zones._block.cache_info().misses <= before + 3


def answers(here, instants) -> list[list[int]]:
    """Everything a zone tells of instants, asked all at once and one by one."""
    zones._block.cache_clear()
    zones._table.cache_clear()
    days = here.local_days(instants)
    return [
        days.tolist(),
        here.day_starts(days).tolist(),
        *(part.tolist() for part in here.to_utc(instants)),
        [here.local_days(one)[0] for one in instants[:, None]],
        [here.day_starts(one)[0] for one in days[:, None]],
        [here.to_utc(one)[0][0] for one in instants[:, None]],
    ]


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("America/St_Johns", "2006-10-28T00:00Z"),
        ("America/Juneau", "1867-10-17T00:00Z"),
        ("Pacific/Kwajalein", "1969-09-29T00:00Z"),
        ("Pacific/Apia", "2011-12-29T00:00Z"),
        ("America/Sao_Paulo", "2018-11-03T00:00Z"),
    ],
)
@pytest.mark.parametrize(("bits", "many"), [(33, 10_000), (39, 0)])
def test_how_time_is_cut_into_blocks_does_not_matter(name, begin, bits, many, monkeypatch):
    instants = at(begin) + np.arange(0, 3 * 86_400, 600) * 1_000_000
    here = zone(name)
    expected = answers(here, instants)
    # Blocks of two hours, which end everywhere; and blocks of a week, each found by itself.
    monkeypatch.setattr(zones, "_BLOCK_BITS", bits)
    monkeypatch.setattr(zones, "_MANY_BLOCKS", many)
    found = answers(here, instants)
    zones._block.cache_clear()
    zones._table.cache_clear()
    assert found == expected


def test_a_day_already_reached_is_known_after_a_gap_in_the_table(monkeypatch):
    # The second instant is in repeated minutes, with the offset that the first one has as well.
    apart = at("2006-02-01T12:00Z", "2006-10-29T03:00Z")
    for bits in (45, 28):
        monkeypatch.setattr(zones, "_BLOCK_BITS", bits)
        monkeypatch.setattr(zones, "_MANY_BLOCKS", 0)
        zones._block.cache_clear()
        zones._table.cache_clear()
        found = zone("America/St_Johns").local_days(apart)
        assert dates_of(found) == [date(2006, 2, 1), date(2006, 10, 29)]
    zones._block.cache_clear()
    zones._table.cache_clear()


# --- spans --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "months", "days"),
    [
        ("1 day", 0, 1),
        ("90 days", 0, 90),
        ("2 weeks", 0, 14),
        ("1 month", 1, 0),
        ("1 quarter", 3, 0),
        ("1 year", 12, 0),
        ("1000 years", 12_000, 0),
        ("365000 days", 0, 365_000),
    ],
)
def test_spans(text, months, days):
    span = parse_span(text)
    assert (span.months, span.days, str(span)) == (months, days, text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "year",
            "1",
            "0 days",
            "-1 day",
            "+1 day",
            "01 day",
            "1.5 years",
            "1  year",
            " 1 year",
        ),
        *("1 year ", "1 year\n", "1 Year", "１ year", "1 fortnight", "1 year 2 months", "9" * 5000),
    ],
)
def test_what_is_no_span_is_refused(text):
    with pytest.raises(ValueError, match="not a span"):
        parse_span(text)


@pytest.mark.parametrize("text", ["1001 years", "12001 months", "4001 quarters", "365001 days"])
def test_spans_beyond_a_thousand_years_are_refused(text):
    with pytest.raises(ValueError, match="longer than 1000 years"):
        parse_span(text)


def test_spans_are_equal_by_length():
    assert len({parse_span("1 year"), parse_span("12 months"), parse_span("4 quarters")}) == 1
    assert parse_span("1 month") != parse_span("30 days")


@pytest.mark.parametrize(
    ("day", "span", "sign", "expected"),
    [
        (date(2024, 3, 31), "1 month", -1, date(2024, 2, 29)),
        (date(2023, 3, 31), "1 month", -1, date(2023, 2, 28)),
        (date(2024, 2, 29), "1 year", -1, date(2023, 2, 28)),
        (date(2024, 2, 29), "4 years", 1, date(2028, 2, 29)),
        (date(1969, 12, 31), "2 months", 1, date(1970, 2, 28)),
        (date(2024, 3, 1), "1 day", -1, date(2024, 2, 29)),
    ],
)
def test_months_are_clamped(day, span, sign, expected):
    assert dates_of(shift_days(days_of(day), parse_span(span), sign)) == [expected]


@pytest.mark.parametrize(
    ("value", "span", "expected"),
    [
        (date(2024, 1, 15), "1 month", date(2024, 2, 16)),
        (date(2024, 1, 29), "1 month", date(2024, 3, 1)),
        (date(2023, 1, 28), "1 month", date(2023, 3, 1)),
        (date(2024, 2, 28), "1 year", date(2025, 3, 1)),
        (date(2024, 1, 1), "90 days", date(2024, 4, 1)),
    ],
)
def test_the_first_day_beyond(value, span, expected):
    assert dates_of(first_day_beyond(days_of(value), parse_span(span))) == [expected]


class Holder(BaseModel):
    span: Span | None = None
    window: Window | None = None
    evaluation: EvaluationCalendar = EvaluationCalendar()


def test_spans_are_fields():
    holder = Holder(span=parse_span("3 months"))
    assert Holder.model_validate(holder.model_dump()) == holder
    assert Holder.model_validate_json('{"span": "3 months"}') == holder
    assert holder.model_dump()["span"] == "3 months"
    assert Holder.model_json_schema()["properties"]["span"]["anyOf"][0]["type"] == "string"
    with pytest.raises(ValidationError, match="write a span as text"):
        Holder.model_validate({"span": 3})


# --- moments ------------------------------------------------------------------------------------


def test_a_date_is_its_last_microsecond_and_a_datetime_itself():
    noon = datetime(2024, 6, 30, 23, tzinfo=UTC)
    found = moments(
        [date(2024, 6, 30), noon, noon.astimezone(timezone(-timedelta(hours=5)))], SHANGHAI
    )
    assert text_of(found.at) == [
        "2024-06-30T15:59:59.999999+00:00",
        "2024-06-30T23:00:00+00:00",
        "2024-06-30T23:00:00+00:00",
    ]
    assert dates_of(found.day) == [date(2024, 6, 30), date(2024, 7, 1), date(2024, 7, 1)]
    assert len(found) == 3
    assert len(moments(noon, SHANGHAI)) == 1
    assert len(moments([], SHANGHAI)) == 0


def test_the_edges_of_time_are_moments():
    low, high = moments([date(1677, 1, 1), date.max], SHANGHAI).at
    assert text_of([low, high]) == [
        "1677-01-01T15:54:16.999999+00:00",
        "9999-12-31T23:59:59.999999+00:00",
    ]
    assert len(moments(datetime(1677, 1, 1, tzinfo=UTC), SHANGHAI)) == 1
    assert len(moments(datetime.max.replace(tzinfo=UTC), SHANGHAI)) == 1


class Unsure(tzinfo):
    def utcoffset(self, dt):
        return None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (datetime(2024, 1, 1), "without a time zone"),
        (datetime(2024, 1, 1, tzinfo=Unsure()), "without a time zone"),
        (date(1676, 12, 31), "outside the years"),
        (datetime(1676, 12, 31, 23, tzinfo=UTC), "outside the years"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=5))), "outside the years"),
        ("2024-01-01", "give a date or an aware datetime"),
        (None, "give a date or an aware datetime"),
    ],
)
def test_other_moments_are_refused(bad, message):
    with pytest.raises(DataError, match=message) as caught:
        moments([date(2024, 1, 1), bad], UTC_ZONE)
    assert caught.value.column == "as_of"
    assert caught.value.positions == (1,)


def test_a_naive_datetime_is_no_instant():
    with pytest.raises(DataError, match="without a time zone"):
        instant_us(datetime(2024, 1, 1))


# --- windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("1 year", "2023-03-30T16:00:00+00:00", None),
        ({"within": "1 month"}, "2024-02-28T16:00:00+00:00", None),
        ({"tiles": "1 month"}, "2024-02-29T16:00:00+00:00", None),
        ({"calendar": "year"}, "2023-12-31T16:00:00+00:00", None),
        (
            {"calendar": "quarter", "back": 1},
            "2023-09-30T16:00:00+00:00",
            "2023-12-31T15:59:59.999999+00:00",
        ),
        (
            {"calendar": "month", "back": 13},
            "2023-01-31T16:00:00+00:00",
            "2023-02-28T15:59:59.999999+00:00",
        ),
    ],
)
def test_bounds(written, low, high):
    moment = moments(datetime(2024, 3, 31, 4, tzinfo=UTC), SHANGHAI)
    found = Window.model_validate(written).bounds(moment, SHANGHAI)
    assert text_of([found[0][0], found[1][0]]) == [low, high or "2024-03-31T04:00:00+00:00"]


def test_bounds_are_one_for_each_customer():
    several = moments([date(2024, 3, 31), date(2023, 3, 31)], SHANGHAI)
    low, high = Window.model_validate("1 month").bounds(several, SHANGHAI)
    assert dates_of(SHANGHAI.local_days(low)) == [date(2024, 2, 29), date(2023, 2, 28)]
    assert high.tolist() == several.at.tolist()


@pytest.mark.parametrize(
    "written",
    ["1 year", {"tiles": "3 months"}, {"calendar": "quarter", "back": 2}],
)
def test_windows_are_written_as_they_were_read(written):
    window = Window.model_validate(written)
    assert window.model_dump() == written
    assert window.model_dump(mode="json") == written
    assert Holder(window=window).model_dump()["window"] == written
    assert hash(window) == hash(Window.model_validate(written))


def test_the_two_ways_to_write_within_are_one():
    assert Window.model_validate({"within": "12 months"}) == Window.model_validate("1 year")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("1.5 years", "not a span"),
        ({"within": 1}, "write a span as text"),
        ({}, "exactly one of"),
        ({"within": "1 year", "tiles": "1 year"}, "exactly one of"),
        ({"within": "1 year", "back": 0}, "'back' goes with 'calendar' only"),
        ({"calendar": "week"}, "'year', 'quarter' or 'month'"),
        ({"calendar": "year", "back": -1}, "greater than or equal to 0"),
        ({"calendar": "year", "back": True}, "valid integer"),
        ({"calender": "year"}, "not permitted"),
        (5, "valid dictionary"),
    ],
)
def test_bad_windows_say_why(written, message):
    with pytest.raises(ValidationError, match=message):
        Window.model_validate(written)


# --- evaluation calendars -----------------------------------------------------------------------

MONTHLY = EvaluationCalendar(every=parse_span("1 month"), anchor=date(2024, 1, 31))


def test_live_is_the_moment_itself():
    moment = moments(date(2024, 6, 30), SHANGHAI)
    assert EvaluationCalendar.model_validate("live").held(moment, SHANGHAI) is moment


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (date(2024, 1, 31), date(2024, 1, 31)),
        (date(2024, 2, 28), date(2024, 1, 31)),
        (date(2024, 2, 29), date(2024, 2, 29)),
        (date(2024, 3, 30), date(2024, 2, 29)),
        (date(2024, 3, 31), date(2024, 3, 31)),
        (date(2024, 4, 30), date(2024, 4, 30)),
        (date(2025, 2, 28), date(2025, 2, 28)),
        (date(2023, 12, 30), date(2023, 11, 30)),
    ],
)
def test_schedules_do_not_drift(as_of, expected):
    held = MONTHLY.held(moments(as_of, SHANGHAI), SHANGHAI)
    assert dates_of(held.day) == [expected]
    assert held.at.tolist() == SHANGHAI.day_ends(held.day).tolist()


def test_a_day_counts_when_it_is_over():
    end = moments(date(2024, 2, 29), SHANGHAI).at
    held = MONTHLY.held(Moments.of(np.concatenate([end - 1, end, end + 1]), SHANGHAI), SHANGHAI)
    assert dates_of(held.day) == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 2, 29)]


def test_schedules_in_days():
    weekly = EvaluationCalendar(every=parse_span("1 week"), anchor=date(2024, 1, 1))
    held = weekly.held(
        moments([date(2024, 1, 7), date(2024, 1, 8), date(2023, 12, 31)], UTC_ZONE), UTC_ZONE
    )
    assert dates_of(held.day) == [date(2024, 1, 1), date(2024, 1, 8), date(2023, 12, 25)]


def test_the_last_day_of_all_can_be_scheduled():
    yearly = EvaluationCalendar(every=parse_span("1 year"), anchor=date(2024, 12, 31))
    held = yearly.held(moments(date.max, SHANGHAI), SHANGHAI)
    assert held.at.tolist() == [LAST_INSTANT]


@pytest.mark.parametrize("written", ["live", {"every": "1 year", "anchor": date(2024, 1, 31)}])
def test_calendars_are_written_as_they_were_read(written):
    calendar = EvaluationCalendar.model_validate(written)
    assert calendar.model_dump() == written
    assert EvaluationCalendar.model_validate_json(calendar.model_dump_json()) == calendar


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("dead", "write 'live'"),
        ({"every": "1 year"}, "needs both"),
        ({"anchor": date(2024, 1, 1)}, "needs both"),
        ({"every": "1 year", "anchor": "2024-13-01"}, "month must be"),
        ({"every": "1 year", "anchor": 5}, "write a date"),
        ({"every": "1 year", "anchor": datetime(2024, 1, 1)}, "write a date"),
        ({"every": "1 year", "anchor": date(2024, 1, 1), "zone": "UTC"}, "not permitted"),
    ],
)
def test_bad_calendars_say_why(written, message):
    with pytest.raises(ValidationError, match=message):
        EvaluationCalendar.model_validate(written)


def test_schemas_allow_text_and_table():
    schema = Holder.model_json_schema()["$defs"]
    assert [one.get("type") for one in schema["Window"]["anyOf"]] == ["string", "object"]
    assert schema["EvaluationCalendar"]["anyOf"][0] == {"const": "live"}
