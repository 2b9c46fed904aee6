"""Times written plainly are read all at once, to the same instants as one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crmcore.calendars import instant_us
from crmcore.records.instants import plain_walls

MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(
    lambda moment: moment.replace(microsecond=0)
)
SIGNS = st.text("0123456789-T: /٣²", min_size=19, max_size=19)
NEARLY = st.builds(
    "{:04d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}".format,
    *(st.integers(0, top) for top in (9999, 13, 32, 25, 61, 61)),
)


@given(st.lists(MOMENTS, min_size=1), st.sampled_from(" T"))
def test_reads_what_one_by_one_reading_reads(moments: list[datetime], mark: str) -> None:
    walls = plain_walls([moment.isoformat(mark) for moment in moments])
    assert walls is not None
    assert walls.tolist() == [instant_us(moment.replace(tzinfo=UTC)) for moment in moments]


@given(st.lists(SIGNS | NEARLY, min_size=1))
def test_leaves_alone_what_is_no_time(texts: list[Any]) -> None:
    walls = plain_walls(texts)
    try:
        read = [datetime.fromisoformat(text) for text in texts]
    except ValueError:
        assert walls is None
    else:
        if walls is not None:
            expected = [instant_us(moment.replace(tzinfo=UTC)) for moment in read]
            assert walls.tolist() == expected


def test_other_spellings_are_left_to_one_by_one_reading() -> None:
    assert plain_walls(["2025-06-01"]) is None
    assert plain_walls(["2025-06-01 10:00:00", None]) is None
    assert plain_walls(["2025-06-01 10:00:00", "2025-06-01 10:00"]) is None
    assert plain_walls(["2025-02-29 10:00:00"]) is None
