"""Raw columns: every form in which a host may hand over a column."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.errors import DataError
from crmcore.records.raw import Coded, Raw, raw_column

SOME_ID = UUID("12345678-1234-5678-1234-567812345678")
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def objects(raw: Raw) -> list[object]:
    """Read a column back, value by value."""
    found: list[object] = []
    for row, value in enumerate(raw.values.tolist()):
        if raw.missing is not None and raw.missing[row]:
            found.append(None)
        elif raw.invalid is not None and raw.invalid[row]:
            found.append("invalid")
        else:
            found.append(value if raw.categories is None else raw.categories[value])
    return found


def test_arrays_of_their_own_kind_are_shared() -> None:
    for values in (
        np.arange(4),
        np.array([1.5, 2.5]),
        np.array([True, False]),
        np.array(["2025-01-01", "2025-01-02"], "M8[us]"),
    ):
        assert np.shares_memory(raw_column("x", values).values, values)


def test_codes_of_any_width_are_shared() -> None:
    for width in (np.uint8, np.int8, np.uint16, np.int32, np.uint64):
        codes = np.array([1, 0, 1], width)
        raw = raw_column("status", Coded(codes, ["paid", "placed"]))
        assert np.shares_memory(raw.values, codes)
        assert objects(raw) == ["placed", "paid", "placed"]
        assert raw.is_missing() is None


def test_a_raw_column_stays_as_it_is() -> None:
    raw = raw_column("x", [1, None])
    assert raw_column("x", raw) is raw


@pytest.mark.parametrize("width", [np.int8, np.uint8, np.int16, np.uint32, np.uint64])
def test_narrow_integers_widen(width: type) -> None:
    raw = raw_column("x", np.array([0, 100], width))
    assert (raw.kind, raw.values.dtype, raw.values.tolist()) == ("int", np.int64, [0, 100])


def test_integers_beyond_64_bits_are_refused_with_positions() -> None:
    with pytest.raises(DataError) as caught:
        raw_column("order_id", np.array([1, 2**63, 2**64 - 1], np.uint64))
    assert (caught.value.count, caught.value.positions) == (2, (1, 2))
    with pytest.raises(DataError, match="beyond 64 bits"):
        raw_column("order_id", [1, 2**63])
    with pytest.raises(DataError, match="beside floats"):
        raw_column("amount", [2**53 + 1, 0.5])
    with pytest.raises(DataError, match="beyond 64 bits"):
        raw_column("amount", [10**400, 0.5])


def test_floats_know_missing_and_infinite() -> None:
    raw = raw_column("amount", np.array([1.5, np.nan, np.inf, -np.inf]))
    assert objects(raw) == [1.5, None, "invalid", "invalid"]
    assert raw_column("amount", np.array([1.5], np.float32)).values.dtype == np.float64
    assert objects(raw_column("amount", [1, None, 2.5, float("nan")])) == [1.0, None, 2.5, None]


def test_none_nan_and_empty_text_are_missing() -> None:
    assert objects(raw_column("x", [3, None, float("nan")])) == [3, None, None]
    assert raw_column("x", [3, None, float("nan")]).kind == "int"
    assert objects(raw_column("x", ["a", "", None, " "])) == ["a", None, None, " "]
    nothing = raw_column("x", [None, None])
    assert (nothing.kind, objects(nothing)) == ("coded", [None, None])
    assert len(raw_column("x", [])) == 0


def test_pandas_markers_are_missing() -> None:
    pd = pytest.importorskip("pandas")
    assert objects(raw_column("x", [pd.NA, "a", pd.NaT])) == [None, "a", None]
    raw = raw_column("x", [pd.Timestamp("2025-01-01"), pd.NaT])
    assert (raw.kind, raw.missing.tolist()) == ("time", [False, True])
    assert objects(raw_column("x", pd.Series(["a", None], dtype=object))) == ["a", None]


def test_values_that_python_finds_equal_stay_distinct() -> None:
    values = [1, True, "1", 1.0, Decimal(1), 0, False, SOME_ID, str(SOME_ID), 1]
    raw = raw_column("customer_id", values)
    assert raw.kind == "coded"
    assert raw.values.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]
    assert list(map(type, objects(raw))) == list(map(type, values))


def test_uuids_are_coded() -> None:
    raw = raw_column("customer_id", [SOME_ID, None, UUID(str(SOME_ID))])
    assert objects(raw) == [SOME_ID, None, SOME_ID]
    assert len(raw.categories) == 1


def test_subclasses_of_text_become_text() -> None:
    class Status(StrEnum):
        PAID = "paid"

    raw = raw_column("status", [Status.PAID, "paid", None])
    assert objects(raw) == ["paid", "paid", None]
    assert [type(one) for one in raw.categories] == [str]


def test_every_kind_of_text_array() -> None:
    for values in (
        np.array(["a", "", "ü"]),
        np.array([b"a", b"", "ü".encode()]),
        np.array(["a", "", "ü"], np.dtypes.StringDType()),
        np.array(["a", None, "ü"], np.dtypes.StringDType(na_object=None)),
        np.array(["a", None, "ü"], object),
    ):
        assert objects(raw_column("x", values)) == ["a", None, "ü"]


def test_decimals_share_a_scale() -> None:
    raw = raw_column("amount", [Decimal("1.5"), None, Decimal("-2.250"), Decimal("1E+2"), 3])
    assert (raw.kind, raw.scale) == ("decimal", 2)
    assert objects(raw) == [150, None, -225, 10000, 300]
    odd = raw_column("amount", [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal(7)])
    assert objects(odd) == [None, None, "invalid", 7]


@pytest.mark.parametrize("absurd", ["1E+30", "1E-30", "1E+1000000", "1E-1000000", "9223372036.1"])
def test_decimals_beyond_64_bits_stay_exact(absurd: str) -> None:
    values = [Decimal(absurd), Decimal("0.0000000001")]
    raw = raw_column("amount", values)
    assert raw.kind == "coded" or absurd == "9223372036.1"
    if raw.kind == "coded":
        assert objects(raw) == values


def test_times_of_every_unit() -> None:
    for unit in ("h", "m", "s", "ms", "us", "ns", "ps"):
        raw = raw_column(
            "placed_at", np.array([7200 * 10**6, None], "M8[us]").astype(f"M8[{unit}]")
        )
        assert (raw.kind, raw.aware) == ("time", False)
        assert objects(raw) == [7200 * 10**6, None], unit
    for unit in ("D", "W", "M", "Y"):
        raw = raw_column("placed_at", np.array(["1970-01-01", "NaT"], f"M8[{unit}]"))
        assert (raw.kind, objects(raw)) == ("date", [0, None])


def test_finer_than_a_microsecond_rounds_down() -> None:
    raw = raw_column("placed_at", np.array([-1, 1999], "M8[ns]"))
    assert raw.values.tolist() == [-1, 1]


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us"])
def test_far_years_do_not_wrap_around(unit: str) -> None:
    far = np.array([2**62, -(2**62), 0], f"M8[{unit}]")
    assert objects(raw_column("placed_at", far)) == ["invalid", "invalid", 0]


def test_the_years_1677_to_9999() -> None:
    edges = [
        "1676-12-31T23:59:59.999999",
        "1677-01-01",
        "9999-12-31T23:59:59.999999",
        "10000-01-01",
    ]
    raw = raw_column("placed_at", np.array(edges, "M8[us]"))
    assert raw.invalid.tolist() == [True, False, False, True]
    days = raw_column("placed_at", np.array(edges, "M8[us]").astype("M8[D]"))
    assert days.invalid.tolist() == [True, False, False, True]


def test_datetimes_aware_and_naive() -> None:
    plus_two = timezone(timedelta(hours=2))
    moments = [datetime(2025, 1, 1, 2, tzinfo=plus_two), None, datetime(2025, 1, 1, tzinfo=UTC)]
    raw = raw_column("placed_at", moments)
    assert raw.aware
    expected = (datetime(2025, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
    assert objects(raw) == [expected, None, expected]
    naive = raw_column("placed_at", [datetime(2025, 1, 1), datetime(1, 1, 1)])
    assert (naive.aware, objects(naive)) == (False, [expected, "invalid"])
    with pytest.raises(DataError, match="with and without a zone"):
        raw_column("placed_at", [*moments, datetime(2025, 1, 1)])


def test_dates() -> None:
    raw = raw_column("placed_at", [date(1970, 1, 3), None, date(1, 1, 1)])
    assert (raw.kind, objects(raw)) == ("date", [2, None, "invalid"])
    with pytest.raises(DataError, match="times, dates"):
        raw_column("placed_at", [date(2025, 1, 1), datetime(2025, 1, 1)])
    with pytest.raises(DataError, match="times, dates"):
        raw_column("placed_at", [date(2025, 1, 1), "2025-01-01"])


def test_masked_arrays() -> None:
    masked = np.ma.masked_array([1.5, np.inf, 2.5], [False, True, False])
    assert objects(raw_column("x", masked)) == [1.5, None, 2.5]
    assert objects(raw_column("x", np.ma.masked_array([1, 2]))) == [1, 2]


def test_numpy_scalars_in_lists() -> None:
    assert objects(raw_column("x", [np.int64(1), np.int64(2)])) == [1, 2]
    assert objects(raw_column("x", [np.int64(1), None, 3])) == [1, None, 3]
    assert objects(raw_column("x", [np.float64("nan"), 1.5])) == [None, 1.5]
    assert objects(raw_column("x", [np.str_("a"), np.str_("b")])) == ["a", "b"]
    assert objects(raw_column("x", [np.datetime64(5, "us"), np.datetime64("NaT")])) == [5, None]
    with pytest.raises(DataError, match="datetime64"):
        raw_column("x", [np.datetime64(5, "ns"), None])


@pytest.mark.parametrize(
    "values",
    [
        [b"bytes"],
        [[1], [2]],
        [object()],
        [1j],
        np.array([1j]),
        np.array([1], "m8[s]"),
        np.array([1], "M8[7s]"),
        np.array([(1,)], [("a", int)]),
        np.zeros((2, 2)),
        np.array(5),
        np.array([b"\xff"]),
        "text",
        b"bytes",
        Coded(np.array([0, 2]), ["a"]),
        Coded(np.array([-2]), ["a"]),
        Coded(np.array([0.0]), ["a"]),
        Coded(np.array([[0]]), ["a"]),
        Coded(np.array([0]), [date(2025, 1, 1)]),
        [datetime(2025, 1, 1), 5],
    ],
)
def test_refused_without_repeating_a_value(values: object) -> None:
    with pytest.raises(DataError) as caught:
        raw_column("customer_id", values)  # type: ignore[arg-type]
    assert caught.value.column == "customer_id"


def test_coded_missing_and_repeated_categories() -> None:
    codes = np.array([0, 1, 2, 3, -1])
    raw = raw_column("x", Coded(codes, ["a", "", None, "a"]))
    assert objects(raw) == ["a", None, None, "a", None]
    assert raw.values[0] == raw.values[3]
    mixed = raw_column("x", Coded(np.array([0, 1, 2]), np.array([1, True, "1"], object)))
    assert list(map(type, objects(mixed))) == [int, bool, str]
    assert objects(raw_column("x", Coded(np.array([0, 1]), [1.5, float("nan")]))) == [1.5, None]
    assert len(raw_column("x", Coded(np.array([], np.int8), []))) == 0


def test_take_by_mask_and_by_position() -> None:
    raw = raw_column("x", np.array([1.5, np.nan, np.inf, 2.5]))
    assert objects(raw.take(np.array([3, 0]))) == [2.5, 1.5]
    assert raw.take(np.array([3, 0])).missing is None
    assert objects(raw.take(np.array([False, True, True, False]))) == [None, "invalid"]


def test_also_missing_outweighs_invalid() -> None:
    raw = raw_column("x", np.array([np.inf, 1.0])).also_missing(np.array([True, False]))
    assert objects(raw) == [None, 1.0]


ONE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", "1", "True", "a"]),
    st.sampled_from([0.0, 1.0, 1.5, float("nan")]),
    st.sampled_from([Decimal(1), Decimal("1.0"), Decimal("0.5")]),
    st.uuids(),
)


@given(st.lists(ONE))
def test_any_mixture_reads_back(values: list[object]) -> None:
    raw = raw_column("x", values)
    expected = [None if one is None or one == "" or one != one else one for one in values]
    found = objects(raw)
    if raw.kind == "decimal":
        found = [None if one is None else Decimal(one).scaleb(-raw.scale) for one in found]
    assert found == expected
    if raw.kind == "coded":
        assert [type(one) for one in found] == [type(one) for one in expected]


@given(st.lists(st.datetimes(datetime(1677, 1, 2), timezones=st.just(UTC)), min_size=1))
def test_aware_datetimes_are_exact(moments: list[datetime]) -> None:
    raw = raw_column("placed_at", moments)
    assert raw.values.tolist() == [(one - EPOCH) // MICROSECOND for one in moments]
