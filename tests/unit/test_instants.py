"""Times written plainly are read all at once, to the same instants as one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crmcore.calendars import instant_us
from crmcore.records.instants import plain_times, read_instants
from crmcore.records.raw import raw_column
from crmcore.texts import Texts

MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0)
)
SIGNS = st.text("0123456789-T: /٣²", min_size=19, max_size=19)
NEARLY = st.builds(
    "{:04d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}".format,
    *(st.integers(0, top) for top in (9999, 13, 32, 25, 61, 61)),
)


@given(st.lists(MOMENTS, min_size=1), st.sampled_from(" T"), st.sampled_from(["", "Z"]))
def test_reads_what_one_by_one_reading_reads(moments: list[datetime], mark: str, end: str) -> None:
    texts = Texts.from_strings(moment.isoformat(mark) + end for moment in moments)
    ticks, naive, aware = plain_times(texts)
    assert (aware if end else naive).all()
    assert not (naive if end else aware).any()
    assert ticks.tolist() == [instant_us(moment.replace(tzinfo=UTC)) for moment in moments]


@given(st.lists(st.tuples(SIGNS | NEARLY, st.sampled_from(["", "Z", "z", "0"])), min_size=1))
def test_leaves_alone_what_is_no_time(texts: list[tuple[str, str]]) -> None:
    found = plain_times(Texts.from_strings(text + end for text, end in texts))
    for (text, end), tick, naive, aware in zip(texts, *map(np.ndarray.tolist, found), strict=True):
        assert not (naive and end)
        assert not (aware and end != "Z")
        expected = 0
        if naive or aware:
            expected = instant_us(datetime.fromisoformat(text).replace(tzinfo=UTC))
        assert tick == expected


def test_other_spellings_are_left_to_one_by_one_reading() -> None:
    other = ["", "2025-06-01", "2025-06-01 10:00", "2025-02-29 10:00:00", "2025-06-01 10:00:00 "]
    plain = "2025-06-01 10:00:00"
    ticks, naive, aware = plain_times(Texts.from_strings([plain, *other, f"{plain}Z"]))
    assert naive.tolist() == [True, False, False, False, False, False, False]
    assert aware.tolist() == [False, False, False, False, False, False, True]
    assert ticks.tolist() == [1748772000000000, 0, 0, 0, 0, 0, 1748772000000000]


def test_plain_and_other_spellings_stand_in_one_column() -> None:
    texts = [
        "2025-06-01 10:00:00",
        "2025-06-01T10:00+02:00",
        "2025-06-01",
        "2025-06-01T09:00:00Z",
        "n/a",
        None,
    ]
    found = read_instants("placed_at", raw_column("placed_at", texts), "Asia/Shanghai", None)
    hours = np.datetime_as_string(found.values.view("M8[us]"), unit="h").tolist()
    assert hours[:4] == ["2025-06-01T02", "2025-06-01T08", "2025-05-31T16", "2025-06-01T09"]
    assert found.values[4:].tolist() == [0, 0]
    assert {reason: mask.tolist() for reason, mask in found.faults.items()} == {
        "missing_time": [False, False, False, False, False, True],
        "unreadable_time": [False, False, False, False, True, False],
    }


def test_many_texts_are_read_a_part_at_a_time() -> None:
    size = 2**16 + 3
    moments = np.datetime64("2025-01-01T00:00:00") + np.arange(size)
    texts = np.datetime_as_string(moments).tolist()
    texts[5] = texts[-2] = "?"
    walls, read, _ = plain_times(Texts.from_strings(texts))
    assert np.flatnonzero(~read).tolist() == [5, size - 2]
    assert (walls[read] == moments.astype("M8[us]").view(np.int64)[read]).all()
