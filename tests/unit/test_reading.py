"""From raw columns to standard ones: amounts, times, statuses, filters, and what is set aside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crmcore.errors import DataError
from crmcore.money import Rate, Rates
from crmcore.records.raw import Coded, Raw, raw_column
from crmcore.records.reading import REASONS, SINCE_EVER, STATUSES, Standard, standardise
from crmcore.records.source import Source, load_source

EUR = {"code": "EUR", "exponent": 2}
DAY = 86_400_000_000
JUNE = datetime(2025, 6, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def source_of(**rules: object) -> Source:
    return load_source({"currency": EUR, "zone": "UTC", **rules})


def columns_of(**columns: object) -> dict[str, Raw]:
    """Make columns; what a row must have is filled in."""
    rows = max(len(one.codes if isinstance(one, Coded) else one) for one in columns.values())
    needed = {
        "customer_id": np.arange(rows),
        "placed_at": [JUNE] * rows,
        "amount_minor": np.full(rows, 100),
    }
    if {"amount", "unit_price", "Price"} & set(columns):
        del needed["amount_minor"]
    return {name: raw_column(name, values) for name, values in {**needed, **columns}.items()}


def read(source: Source | None = None, rates: Rates | None = None, **columns: object) -> Standard:
    standard = standardise(columns_of(**columns), source or source_of(), rates=rates)
    entered = [entry.rows for entry in (*standard.excluded, *standard.set_aside)]
    if entered:
        assert np.sum(entered, axis=0).max() == 1  # no row is left out twice
    assert {entry.reason for entry in standard.set_aside} <= set(REASONS)
    return standard


def reasons(standard: Standard) -> list[str]:
    """Name what became of each row."""
    found = ["" for _ in range(standard.rows)]
    for entry in (*standard.excluded, *standard.set_aside):
        for row in np.flatnonzero(entry.rows):
            found[row] = entry.reason
    kept = standard.kept()
    assert kept is None or kept.tolist() == [not reason for reason in found]
    return found


# Columns


def test_clean_columns_are_shared() -> None:
    given = {
        "order_id": np.arange(3),
        "customer_id": np.arange(3),
        "placed_at": np.array([0, 1, 2], "M8[us]"),
        "amount_minor": np.array([100, 0, -100]),
        "quantity": np.array([1, 2, 3]),
        "status": Coded(np.array([0, 3, 6], np.uint8), list(STATUSES)),
    }
    standard = read(**given)
    assert np.shares_memory(standard.placed_us, given["placed_at"])
    assert np.shares_memory(standard.amount_minor, given["amount_minor"])
    assert np.shares_memory(standard.quantity, given["quantity"])
    assert np.shares_memory(standard.status, given["status"].codes)
    assert np.shares_memory(standard.order_id.values, given["order_id"])
    assert standard.kept() is None
    assert (standard.set_aside, standard.excluded, standard.notices) == ((), (), {})


def test_their_names_and_unused_columns() -> None:
    source = source_of(columns={"customer_id": "Kunde", "status": False})
    columns = columns_of(amount=["1.00"])
    columns["Kunde"] = columns.pop("customer_id")
    columns["status"] = raw_column("status", ["?"])
    standard = standardise(columns, source)
    assert standard.customer_id is columns["Kunde"]
    assert standard.status is None
    assert standard.unused == ("status",)


@pytest.mark.parametrize("absent", ["customer_id", "placed_at"])
def test_missing_columns_name_the_nearest(absent: str) -> None:
    columns = columns_of(amount=["1.00"])
    columns[absent.title().replace("_", " ")] = columns.pop(absent)
    with pytest.raises(DataError, match=f"no column '{absent}'; nearest given: '") as caught:
        standardise(columns, source_of())
    assert caught.value.column == absent


def test_a_named_column_must_be_there() -> None:
    for rules in (
        {"columns": {"channel": "Chanel"}},
        {"amount": {"formula": "Chanel"}},
        {"exclude": [{"reason": "r", "column": "Chanel", "equals": "x"}]},
        {"status": {"first": [{"column": "Chanel", "equals": "x", "status": "paid"}]}},
    ):
        with pytest.raises(DataError, match="no column 'Chanel'; nearest given: 'channel'"):
            read(source_of(**rules), channel=["web"])


def test_no_amount_no_rows_and_odd_lengths() -> None:
    columns = columns_of(channel=["web"])
    del columns["amount_minor"]
    with pytest.raises(DataError, match="'unit_price with quantity'"):
        standardise(columns, source_of())
    with pytest.raises(DataError, match="no column 'customer_id'"):
        standardise({}, source_of())
    with pytest.raises(DataError, match="no column 'quantity'"):
        read(unit_price=["1.00"])
    with pytest.raises(DataError, match="not as many rows"):
        read(channel=["web"], customer_id=[1, 2])
    empty = read(amount=[], placed_at=[], status=[], quantity=[], currency=[])
    assert (empty.rows, empty.kept()) == (0, None)


# Amounts

NINE = "9" * 19


@pytest.mark.parametrize(
    ("amount", "minor"),
    [
        ("12.50", 1250), ("-0.01", -1), ("+3", 300), (".5", 50), ("1.500", 150), ("0012", 1200),
        (12, 1200), (Decimal("12.5"), 1250), (Decimal("1E+2"), 10000), (0.29, 29), (-1.1, -110),
        (1e13 - 0.01, 10**15 - 1), ("92233720368547758.07", 2**63 - 1), (-0.0, 0),
        ("0." + "0" * 90, 0),
        (None, "missing_amount"), ("", "missing_amount"), (float("nan"), "missing_amount"),
        (Decimal("NaN"), "missing_amount"),
        (" 1", "unreadable_amount"), ("1,000", "unreadable_amount"), ("1e3", "unreadable_amount"),
        ("1.", "unreadable_amount"), ("€1", "unreadable_amount"), ("nan", "unreadable_amount"),
        ("١", "unreadable_amount"), ("--1", "unreadable_amount"), ("1" * 101, "unreadable_amount"),
        (float("inf"), "not_finite"), (Decimal("-Infinity"), "not_finite"),
        ("0.001", "amount_not_exact"), (0.1 + 0.2, "amount_not_exact"),
        (Decimal("0.005"), "amount_not_exact"), (Decimal("1E-1000000"), "amount_not_exact"),
        (1e13, "amount_not_exact"), (1e300, "amount_not_exact"), (5e-324, "amount_not_exact"),
        ("92233720368547758.08", "amount_too_large"), (NINE, "amount_too_large"),
        (Decimal("1E+1000000"), "amount_too_large"), (2**62, "amount_too_large"),
    ],
)  # fmt: skip
def test_one_amount_among_others(amount: object, minor: int | str) -> None:
    """An odd row is set aside, and changes nothing about its neighbours."""
    alike = type(amount) if amount is not None else str
    plain = {str: ["1.25", "-3"], float: [1.25, -3.0], int: [1.25, -3]}
    around = plain.get(alike, [Decimal("1.25"), Decimal(-3)])
    if alike is int:
        around = [Decimal("1.25"), Decimal(-3)]
    standard = read(amount=[around[0], amount, around[1]])
    assert standard.amount_minor[[0, 2]].tolist() == [125, -300]
    if isinstance(minor, str):
        assert reasons(standard) == ["", minor, ""]
        assert standard.amount_minor[1] == 0
        assert standard.amount_known.tolist() == [True, False, True]
    else:
        assert reasons(standard) == ["", "", ""]
        assert standard.amount_minor[1] == minor


def test_amounts_of_several_types_together() -> None:
    amounts = ["1.25", 2, 3.5, Decimal("4.75"), True, UUID(int=1), 0.1 + 0.2, float("inf")]
    standard = read(amount=amounts)
    assert standard.amount_minor.tolist() == [125, 200, 350, 475, 0, 0, 0, 0]
    assert reasons(standard)[4:] == [
        "unreadable_amount", "unreadable_amount", "amount_not_exact", "not_finite",
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[True], [JUNE], [date(2025, 1, 1)]])
def test_columns_that_hold_no_numbers(values: list[object]) -> None:
    with pytest.raises(DataError, match="not numbers"):
        read(amount=values)


def test_minor_units_are_taken_as_they_are() -> None:
    standard = read(amount_minor=[5, None, -(2**63), 7])
    assert standard.amount_minor.tolist() == [5, 0, 0, 7]
    assert reasons(standard) == ["", "missing_amount", "amount_too_large", ""]
    assert read(amount_minor=["5"]).amount_minor.tolist() == [5]
    assert read(amount_minor=[5.0, 2.0**52]).amount_minor.tolist() == [5, 2**52]
    assert reasons(read(amount_minor=[5.5, 2.0**53])) == ["amount_not_exact"] * 2


def test_which_amount_is_read() -> None:
    both = {"amount": ["1.00"], "amount_minor": [777], "unit_price": ["2.00"], "quantity": [3]}
    assert read(**both).amount_minor.tolist() == [777]
    assert read(source_of(columns={"amount": "amount"}), **both).amount_minor.tolist() == [100]
    named = source_of(columns={"unit_price": "unit_price"})
    assert read(named, **both).amount_minor.tolist() == [600]
    assert read(source_of(columns={"amount_minor": False}), **both).amount_minor.tolist() == [100]


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ("half_even", [0, 2, 2, 0, -2, -2, 3, 33]),
        ("half_up", [1, 2, 3, -1, -2, -3, 3, 33]),
        ("down", [0, 1, 2, 0, -1, -2, 2, 33]),
    ],
)
def test_rounding(rounding: str, expected: list[int]) -> None:
    amounts = ["0.005", "0.015", "0.025", "-0.005", "-0.015", "-0.025", "0.0251", "0.33"]
    source = source_of(amount={"rounding": rounding})
    wide = [f"{one}{'0' * 30}1" if one == "0.0251" else one for one in amounts]
    for form in (
        amounts,
        [Decimal(one) for one in amounts],
        [float(one) for one in amounts],
        [*amounts[:6], 0.1 * 0.251, "0.33"],
        wide,
    ):
        assert read(source, amount=form).amount_minor.tolist() == expected
    assert set(reasons(read(amount=amounts))[:6]) == {"amount_not_exact"}


def test_a_formula_over_their_columns() -> None:
    source = source_of(amount={"formula": "Qty * Price + 1.5 * `Ship cost` - Voucher"})
    standard = read(
        source,
        Qty=[2, 3, 1, 1],
        Price=["0.005", "1.10", None, 1],
        **{"Ship cost": [0.1, 2.0, 0, 0]},
        Voucher=[Decimal("0.01"), Decimal(0), Decimal(0), Decimal("0.001")],
    )
    assert standard.amount_minor.tolist() == [15, 630, 0, 0]
    assert reasons(standard) == ["", "", "missing_amount", "amount_not_exact"]


def test_floats_in_formulas_are_judged_one_by_one() -> None:
    source = source_of(amount={"formula": "Price * Qty"})
    prices = [1e7, 0.0000001, 1e13, 0.1 + 0.2, None, 1.5]
    standard = read(source, Price=prices, Qty=[1, 10**6, 1, 1, 1, 1])
    assert standard.amount_minor.tolist() == [10**9, 10, 0, 0, 0, 150]
    assert reasons(standard) == [
        "", "", "amount_not_exact", "amount_not_exact", "missing_amount", "",
    ]  # fmt: skip


def test_formulas_never_wrap_around() -> None:
    source = source_of(amount={"formula": "Price * Qty - Price * Qty + 0.01 * Qty * 3"})
    big = 2**62
    standard = read(source, Price=["0.001", str(big), "1"], Qty=[1, big, 7])
    assert reasons(standard) == ["", "amount_too_large", ""]
    assert standard.amount_minor.tolist() == [3, 0, 21]
    huge = source_of(amount={"formula": "Qty * 99999999999999999999 - Qty * 99999999999999999999"})
    assert read(huge, Price=[0], Qty=[5]).amount_minor.tolist() == [0]
    only_literal = source_of(amount={"formula": "Qty + 1.25"})
    assert read(only_literal, Price=[0, 0], Qty=[5, 6]).amount_minor.tolist() == [625, 725]


def test_the_decimal_context_of_the_host_changes_nothing() -> None:
    source = source_of(amount={"formula": "Price * 1.23456789"})
    expected = read(
        source_of(amount={"formula": "Price * 1.23456789", "rounding": "down"}), Price=["123456.78"]
    ).amount_minor
    with localcontext() as context:
        context.prec = 2
        fresh = {"formula": "Price * 1.23456789 ", "rounding": "down"}
        found = read(source_of(amount=fresh), Price=["123456.78"]).amount_minor
        assert read(amount=[123456.78]).amount_minor.tolist() == [12345678]
    assert found.tolist() == expected.tolist() == [15241577]
    assert source.amount.rounding == "refuse"


MINOR = st.integers(-(10**14), 10**14)


@given(st.lists(MINOR, min_size=1, max_size=20), st.sampled_from([0, 1, 2, 3, 6]))
def test_floats_decimals_and_text_agree(minor: list[int], exponent: int) -> None:
    source = load_source({"currency": {"code": "EUR", "exponent": exponent}})
    exact = [Decimal(one).scaleb(-exponent) for one in minor]
    forms = [
        exact,
        [f"{one:f}" for one in exact],
        np.array([f"{one:f}" for one in exact]),
        [float(one) for one in exact],
        np.array([float(one) for one in exact]),
        [*exact, "0"],
        [float(one) for one in exact] + ["0"],
    ]
    for amounts in forms:
        standard = read(source, amount=amounts)
        assert standard.amount_minor.tolist()[: len(minor)] == minor
        assert standard.kept() is None


@given(st.lists(st.floats(), min_size=1, max_size=10), st.booleans())
def test_a_float_is_the_decimal_that_it_prints_as(amounts: list[float], mixed: bool) -> None:
    given_amounts = [*amounts, "0"] if mixed else np.array(amounts)
    standard = read(amount=given_amounts)
    for row, (amount, reason) in enumerate(zip(amounts, reasons(standard), strict=False)):
        if reason == "":
            assert Decimal(repr(amount)) == Decimal(int(standard.amount_minor[row])).scaleb(-2)
        elif reason == "amount_not_exact":
            exact = Decimal(repr(amount))
            assert exact != exact.quantize(Decimal("0.01")) if abs(amount) < 1e13 else True
        else:
            assert not np.isfinite(amount)


PRICE = st.decimals(-10, 10, places=4) | st.decimals(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.tuples(PRICE, st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=5),
    st.sampled_from(["half_even", "half_up", "down", "refuse"]),
)
@example([(Decimal("9.99999292801E-11"), 0)], "half_even")
def test_formulas_equal_fractions(rows: list[tuple[Decimal, int]], rounding: str) -> None:
    rule = {"formula": "Price * Qty + 0.125 * Qty", "rounding": rounding}
    rows = [(price, quantity) for price, quantity in rows if abs(price.adjusted()) < 50]
    if not rows:
        return
    standard = read(
        source_of(amount=rule),
        Price=[one for one, _ in rows],
        Qty=np.array([one for _, one in rows]),
    )
    for row, (price, quantity) in enumerate(rows):
        exact = 100 * quantity * (Fraction(price) + Fraction(1, 8))
        whole = rounded(exact, rounding)
        reason = reasons(standard)[row]
        if whole is None:
            assert reason == "amount_not_exact"
        elif abs(whole) >= 2**63:
            assert reason == "amount_too_large"
        else:
            assert (reason, standard.amount_minor[row]) == ("", whole)


def rounded(exact: Fraction, rounding: str) -> int | None:
    if rounding == "half_even":
        return round(exact)
    if rounding == "half_up":
        sign = 1 if exact >= 0 else -1
        return sign * int(abs(exact) + Fraction(1, 2))
    if rounding == "down":
        return int(exact)
    return int(exact) if exact.denominator == 1 else None


# Currencies


def test_other_currencies_are_set_aside() -> None:
    standard = read(amount=["1", "2", "3", "4"], currency=["EUR", "USD", None, "eur"])
    assert reasons(standard) == ["", "other_currency", "other_currency", "other_currency"]
    assert standard.amount_minor.tolist() == [100, 0, 0, 0]
    same = read(amount=["1", "2"], currency=["EUR", "EUR"])
    assert same.kept() is None
    unused = Coded(np.array([0, 0]), ["EUR", "USD"])
    assert read(amount=["1", "2"], currency=unused).kept() is None


def test_other_currencies_are_converted() -> None:
    rates = Rates(
        {
            "JPY": Rate(exponent=0, since=[(date(2025, 1, 1), "0.006")]),
            "KWD": Rate(exponent=3, since=[(date(2025, 1, 1), "3")]),
        }
    )
    standard = read(
        rates=rates,
        amount=["1.50", "1000", "0.001", "1.5", "1", "1"],
        currency=["EUR", "JPY", "KWD", "JPY", "USD", "KWD"],
        placed_at=[JUNE] * 5 + [datetime(2024, 1, 1, tzinfo=UTC)],
    )
    assert standard.amount_minor.tolist() == [150, 600, 0, 0, 0, 0]
    assert reasons(standard) == [
        "", "", "", "amount_not_exact", "other_currency", "other_currency",
    ]  # fmt: skip
    assert standard.notices == {"converted_currency": 2}
    minor = read(rates=rates, amount_minor=[1000], currency=["JPY"])
    assert minor.amount_minor.tolist() == [600]


# Times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-06-01 08:26:00", datetime(2025, 6, 1, 6, 26, tzinfo=UTC)),
        ("2025-06-01T08:26", datetime(2025, 6, 1, 6, 26, tzinfo=UTC)),
        ("2025-06-01T08:26:00Z", datetime(2025, 6, 1, 8, 26, tzinfo=UTC)),
        ("2025-06-01 08:26:00+05:30", datetime(2025, 6, 1, 2, 56, tzinfo=UTC)),
        ("2025-06-01T08:26:00-0330", datetime(2025, 6, 1, 11, 56, tzinfo=UTC)),
        ("2025-06-01T08:26:00+01", datetime(2025, 6, 1, 7, 26, tzinfo=UTC)),
        ("2025-06-01T00:00:00.123456Z", datetime(2025, 6, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2025-06-01T00:00:00.1Z", datetime(2025, 6, 1, 0, 0, 0, 100000, tzinfo=UTC)),
        ("2025-06-01T00:00:00.123456999Z", datetime(2025, 6, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("2025-06-01", datetime(2025, 5, 31, 22, tzinfo=UTC)),
        ("1677-01-01T00:00:00Z", datetime(1677, 1, 1, tzinfo=UTC)),
        ("", "missing_time"),
        ("2025-02-30", "unreadable_time"),
        ("2025-06-01T24:00:00", "unreadable_time"),
        ("2025-06-01T08:26:60", "unreadable_time"),
        ("2025-06-01T08:26:00+25:00", "unreadable_time"),
        ("2025-06-01T08:26:00+01:60", "unreadable_time"),
        ("2025-06-01T08:26:00 UTC", "unreadable_time"),
        (" 2025-06-01", "unreadable_time"),
        ("20250601", "unreadable_time"),
        ("2025-W22-7", "unreadable_time"),
        ("01.06.2025", "unreadable_time"),
        ("6/1/2025", "unreadable_time"),
        ("2025-6-1", "unreadable_time"),
        ("２025-06-01", "unreadable_time"),
        ("1748764800", "unreadable_time"),
        ("1676-12-31T23:59:59Z", "time_out_of_range"),
        ("0001-01-01", "time_out_of_range"),
        ("9999-12-31T23:59:59-01:00", "time_out_of_range"),
    ],
)
def test_times_as_text(text: str, expected: datetime | str) -> None:
    source = source_of(zone="Europe/Berlin")
    standard = read(source, placed_at=["2025-01-01T00:00:00Z", text, "2025-01-01 01:00:00"])
    new_year = microseconds(datetime(2025, 1, 1, tzinfo=UTC))
    assert standard.placed_us[[0, 2]].tolist() == [new_year, new_year]
    if isinstance(expected, str):
        assert reasons(standard) == ["", expected, ""]
        assert standard.placed_known.tolist() == [True, False, True]
        assert standard.placed_us[1] == 0
    else:
        assert reasons(standard) == ["", "", ""]
        assert standard.placed_us[1] == microseconds(expected)


def test_all_forms_of_a_time_agree() -> None:
    moment = datetime(2025, 6, 1, 8, 26, 0, 5000, tzinfo=UTC)
    forms: Mapping[str, object] = {
        "text": [moment.isoformat()],
        "naive text": [moment.replace(tzinfo=None).isoformat(" ")],
        "aware": [moment.astimezone(timezone(timedelta(hours=-7)))],
        "naive": [moment.replace(tzinfo=None)],
        "array": np.array([moment.replace(tzinfo=None)], "M8[ms]"),
    }
    for values in forms.values():
        assert read(placed_at=values).placed_us.tolist() == [microseconds(moment)]


def test_clocks_that_change() -> None:
    source = source_of(zone="Europe/Berlin")
    walls = ["2025-10-26 02:30:00", "2025-03-30 02:30:00", "2025-06-01 12:00:00", "x"]
    for placed_at in (walls, np.array([*walls[:3], "NaT"], "M8[us]")):
        standard = read(source, placed_at=placed_at)
        assert standard.notices == {"ambiguous_time": 1, "nonexistent_time": 1}
        assert standard.placed_us[:3].tolist() == [
            microseconds(datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
            microseconds(datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),
            microseconds(datetime(2025, 6, 1, 10, tzinfo=UTC)),
        ]
    excluded = {"reason": "r", "column": "customer_id", "equals": 0}
    standard = read(source_of(zone="Europe/Berlin", exclude=[excluded]), placed_at=walls)
    assert standard.notices == {"nonexistent_time": 1}


def test_dates_start_their_local_day() -> None:
    source = source_of(zone="Asia/Shanghai")
    standard = read(source, placed_at=[date(1970, 1, 2), None])
    assert standard.placed_us.tolist() == [DAY - 8 * 3_600_000_000, 0]
    assert reasons(standard) == ["", "missing_time"]


def test_the_range_holds_for_instants() -> None:
    edges = [datetime(1677, 1, 1), datetime(1677, 1, 1, 9), datetime(9999, 12, 31, 23, 59)]
    assert reasons(read(source_of(zone="Asia/Shanghai"), placed_at=edges)) == [
        "time_out_of_range", "", "",
    ]  # fmt: skip
    assert reasons(read(source_of(zone="America/New_York"), placed_at=edges)) == [
        "", "", "time_out_of_range",
    ]  # fmt: skip
    far = np.array(["1600-01-01", "1677-01-01", "1970-01-01"], "M8[s]")
    assert reasons(read(source_of(zone="Asia/Shanghai"), placed_at=far)) == [
        "time_out_of_range", "time_out_of_range", "",
    ]  # fmt: skip
    assert reasons(read(placed_at=np.array([2**62, 0], "M8[s]"))) == ["time_out_of_range", ""]


@pytest.mark.parametrize(
    "values",
    [["2025-06-01"], [datetime(2025, 6, 1)], [date(2025, 6, 1)], np.array(["2025"], "M8[us]")],
)
def test_naive_times_need_a_zone(values: object) -> None:
    with pytest.raises(DataError, match="name their zone"):
        read(load_source({"currency": EUR}), placed_at=values)
    assert read(load_source({"currency": EUR}), placed_at=[JUNE]).kept() is None
    aware = read(load_source({"currency": EUR}), placed_at=["2025-06-01T00:00:00Z", "x"])
    assert reasons(aware) == ["", "unreadable_time"]


def test_times_as_numbers() -> None:
    with pytest.raises(DataError, match="time_unit"):
        read(placed_at=[1])
    for unit, scale in (("s", 10**6), ("ms", 1000), ("us", 1)):
        standard = read(source_of(time_unit=unit, zone="Asia/Shanghai"), placed_at=[-5, None, 7])
        assert standard.placed_us.tolist() == [-5 * scale, 0, 7 * scale]
        assert reasons(standard) == ["", "missing_time", ""]
        far = read(source_of(time_unit=unit), placed_at=[2**62, -(2**63), 1])
        assert reasons(far) == ["time_out_of_range", "time_out_of_range", ""]
    floats = read(source_of(time_unit="s"), placed_at=[1.0, None, 1.5, float("inf"), 1e300])
    assert floats.placed_us.tolist() == [10**6, 0, 0, 0, 0]
    assert reasons(floats) == [
        "", "missing_time", "unreadable_time", "unreadable_time", "unreadable_time",
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[True], [Decimal("1.5")]])
def test_columns_that_hold_no_times(values: list[object]) -> None:
    with pytest.raises(DataError, match="holds no times"):
        read(placed_at=values)


def test_status_times_and_times_of_knowledge() -> None:
    standard = read(
        status_at=["1970-01-01T00:00:01Z", None, "x", "0001-01-01"],
        known_at=["1970-01-01T00:00:02Z", "1970-01-01", "1970-01-01", "1970-01-01"],
    )
    assert standard.status_us[:2].tolist() == [10**6, SINCE_EVER]
    assert standard.known_us[0] == 2 * 10**6
    assert reasons(standard) == ["", "", "unreadable_time", "time_out_of_range"]
    assert reasons(read(known_at=["1970-01-01", None])) == ["", "missing_time"]


# Statuses


def test_standard_words() -> None:
    standard = read(status=["paid", "returned", "Paid", None, "placed"])
    assert standard.status[[0, 1, 4]].tolist() == [1, 6, 0]
    assert reasons(standard) == ["", "", "unknown_status", "missing_status", ""]
    assert read(amount=["1"]).status is None


def test_mapped_words() -> None:
    rules = {"map": {"complete": "delivered", "7": "cancelled", "true": "paid"}}
    standard = read(source_of(status=rules), status=["complete", "delivered", None])
    assert standard.status[0] == STATUSES.index("delivered")
    assert reasons(standard) == ["", "unknown_status", "missing_status"]
    assert read(source_of(status=rules), status=[7, 7]).status.tolist() == [4, 4]
    assert read(source_of(status=rules), status=[7.0, 7.0]).status.tolist() == [4, 4]
    assert read(source_of(status=rules), status=[True]).status.tolist() == [1]
    otherwise = source_of(status={**rules, "otherwise": "placed"})
    assert read(otherwise, status=["complete", "x", None]).status.tolist() == [3, 0, 0]
    with pytest.raises(DataError, match="maps statuses"):
        read(source_of(status=rules), amount=["1"])
    with pytest.raises(DataError, match="times cannot be compared"):
        read(source_of(status=rules), status=[JUNE])


def test_codes_in_another_order_are_translated() -> None:
    for width in (np.uint8, np.int8, np.int64):
        coded = Coded(np.array([0, 1, 2], width), ["returned", "paid", "?"])
        standard = read(status=coded)
        assert standard.status[:2].tolist() == [6, 1]
        assert reasons(standard) == ["", "", "unknown_status"]


def test_the_first_rule_that_fits() -> None:
    rules = {
        "first": [
            {"column": "No", "starts_with": "C", "status": "returned"},
            {"column": "No", "contains": "9", "status": "cancelled"},
            {"column": "No", "missing": True, "status": "refused"},
            {
                "column": "No",
                "ends_with": "5",
                "status": "shipped",
                "also": [{"column": "Paid", "equals": True}],
            },
        ]
    }
    given = {"No": ["C9", "A9", None, "5", "5", "7"], "Paid": [True] * 4 + [False, True]}
    standard = read(source_of(status=rules), **given)
    assert standard.status[:4].tolist() == [6, 4, 5, 2]
    assert reasons(standard) == ["", "", "", "", "unknown_status", "unknown_status"]
    with_rest = source_of(status={**rules, "otherwise": "paid"})
    assert read(with_rest, **given).status.tolist() == [6, 4, 5, 2, 1, 1]
    words = read(source_of(status=rules), **given, status=["paid"] * 6)
    assert words.status.tolist() == [6, 4, 5, 2, 1, 1]
    assert read(source_of(status={"otherwise": "paid"}), amount=["1"]).status.tolist() == [1]


# Quantities


@pytest.mark.parametrize(
    "values",
    [
        [2, None, -1],
        [2.0, None, -1.0],
        ["2", "", "-1.0"],
        [Decimal("2.0"), None, Decimal(-1)],
    ],
)
def test_quantities(values: list[object]) -> None:
    standard = read(quantity=values)
    assert standard.quantity.tolist() == [2, 0, -1]
    assert standard.quantity_known.tolist() == [True, False, True]
    assert standard.kept() is None


@pytest.mark.parametrize("bad", ["1.5", "x", 1.5, float("inf"), Decimal("1.5"), 10**19 * 1.0])
def test_quantities_that_are_no_whole_numbers(bad: object) -> None:
    standard = read(quantity=[type(bad)("3"), bad])
    assert reasons(standard) == ["", "unreadable_quantity"]
    assert standard.quantity[0] == 3


def test_price_times_quantity() -> None:
    standard = read(unit_price=[0.001, 2.5, 1.1], quantity=[1000, 3, None])
    assert standard.amount_minor.tolist() == [100, 750, 0]
    assert reasons(standard) == ["", "", "missing_amount"]
    assert reasons(read(unit_price=[0.001], quantity=[1])) == ["amount_not_exact"]


# Filters


def excluding(*tests: dict[str, object]) -> Source:
    return source_of(exclude=[{"reason": "r", **test} for test in tests])


def excluded(values: object, **test: object) -> list[bool]:
    standard = read(excluding({"column": "X", **test}), X=values)
    return [reason == "r" for reason in reasons(standard)]


def test_filters_on_text() -> None:
    codes = ["POST", "M", "85123A", None, "post"]
    assert excluded(codes, equals="POST") == [True, False, False, False, False]
    assert excluded(codes, **{"in": ["POST", "M"]}) == [True, True, False, False, False]
    assert excluded(codes, starts_with="8") == [False, False, True, False, False]
    assert excluded(codes, ends_with="A") == [False, False, True, False, False]
    assert excluded(codes, contains="OS") == [True, False, False, False, False]
    assert excluded(codes, missing=True) == [False, False, False, True, False]
    assert excluded(codes, missing=False) == [True, True, True, False, True]
    assert excluded(codes, starts_with="P", ends_with="T") == [True, False, False, False, False]


def test_filters_on_numbers() -> None:
    for values in (
        [5, -3, None],
        [5.0, -3.0, None],
        ["5", "-3", None],
        [Decimal(5), Decimal(-3), None],
        [Decimal("5.0"), Decimal("-3.00"), "x"],
    ):
        assert excluded(values, equals=5) == [True, False, False]
        assert excluded(values, equals="5") == [True, False, False]
        assert excluded(values, starts_with="-") == [False, True, False]
        assert excluded(values, above="4.999") == [True, False, False]
        assert excluded(values, above=5) == [False, False, False]
        assert excluded(values, below=5) == [False, True, False]
        assert excluded(values, below=5, above=-4) == [False, True, False]
        assert excluded(values, below=f"-{10**39}") == [False, False, False]
    assert excluded([0.1, 0.3, float("inf")], above="0.1") == [False, True, False]
    assert excluded([Decimal("0.10"), Decimal("1E+500")], equals="0.1") == [True, False]
    assert excluded([True, False], equals=True) == [True, False]
    assert excluded([UUID(int=1)], equals=str(UUID(int=1))) == [True]


def test_filters_on_codes_without_any_value() -> None:
    assert excluded([None, None], above=3) == [False, False]
    assert excluded([None, None], starts_with="a") == [False, False]


@pytest.mark.parametrize("test", [{"equals": "x"}, {"above": 5}])
def test_times_are_not_compared(test: dict[str, object]) -> None:
    with pytest.raises(DataError, match="times"):
        excluded([JUNE], **test)
    assert excluded([JUNE, None], missing=True) == [False, True]


def test_excluded_rows_come_before_anything_else() -> None:
    source = excluding(
        {"column": "X", "equals": "a", "reason": "one"},
        {"column": "X", "in": ["a", "b"], "reason": "two"},
        {"column": "X", "equals": "c", "reason": "one"},
    )
    standard = read(source, X=["a", "b", "c", "d"], amount=["x", "1", "x", "x"])
    assert reasons(standard) == ["one", "two", "one", "unreadable_amount"]
    assert [entry.reason for entry in standard.excluded] == ["one", "two"]
    assert standard.amount_known.tolist() == [False, True, False, False]


def test_the_first_reason_counts() -> None:
    standard = read(placed_at=["x", "2025-06-01"], amount=["x", "x"], status=["?", "?"])
    assert reasons(standard) == ["unreadable_time", "unreadable_amount"]


def test_reasons_come_in_one_order() -> None:
    amounts = ["x", "1", None, "9" * 20, "0.001"]
    found = [entry.reason for entry in read(amount=amounts).set_aside]
    assert found == [entry.reason for entry in read(amount=amounts[::-1]).set_aside]
    assert found == sorted(found, key=REASONS.index)
    unused = Coded(np.array([0, 0]), ["1", "x"])
    assert read(amount=unused).set_aside == ()


def test_every_reason_was_reached() -> None:
    standard = read(
        placed_at=[None, "x", "0001-01-01"] + ["2025-06-01"] * 9,
        amount=["1", "1", "1", None, "x", Decimal("Infinity"), "0.001", "9" * 20] + ["1"] * 4,
        currency=["EUR"] * 8 + ["USD"] + ["EUR"] * 3,
        status=["paid"] * 9 + [None, "?", "paid"],
        quantity=[1.0] * 11 + [1.5],
    )
    assert reasons(standard) == list(REASONS)


# A real file


def test_online_retail(shared: Path) -> None:
    files = pytest.importorskip("crmcore.files")
    source = load_source(
        """
        rows = "lines"
        zone = "Europe/London"
        currency = { code = "GBP", exponent = 2 }
        columns = { order_id = "InvoiceNo", customer_id = "CustomerID", placed_at = "InvoiceDate" }
        amount = { formula = "Quantity * UnitPrice" }
        status.first = [{ column = "InvoiceNo", starts_with = "C", status = "returned" }]
        status.otherwise = "delivered"
        exclude = [
            { reason = "bad debt", column = "InvoiceNo", starts_with = "A" },
            { reason = "no product", column = "StockCode", in = [
                "POST", "DOT", "M", "m", "D", "S", "BANK CHARGES", "AMAZONFEE", "CRUK", "C2", "B",
                "PADS",
            ] },
        ]
        """
    )
    standard = standardise(files.read_file(shared / "data/online_retail.csv.gz"), source)
    left_out = {entry.reason: int(entry.rows.sum()) for entry in standard.excluded}
    assert standard.rows == 541_909
    assert left_out == {"bad debt": 3, "no product": 2913}
    assert standard.set_aside == ()
    assert np.count_nonzero(standard.status == STATUSES.index("returned")) == 9_288
    assert np.count_nonzero(standard.customer_id.missing) == 135_080
    assert standard.unused == ("Description", "Country")


@pytest.mark.parametrize("infinite", [Decimal("Infinity"), float("-inf")])
@pytest.mark.parametrize("equals", ["0", "Infinity", "-inf"])
def test_an_infinity_meets_no_test_of_a_filter(infinite: Decimal | float, equals: str) -> None:
    kind = type(infinite)
    source = source_of(exclude=[{"reason": "r", "column": "w", "equals": equals}])
    standard = read(source, w=[infinite, kind(0), kind(2)])
    assert reasons(standard) == ["", "r" if equals == "0" else "", ""]
