"""Money: exact amounts, currencies and dated exchange rates."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crmcore.calendars import day_number
from crmcore.errors import DataError
from crmcore.money import Currency, Rate, Rates, format_minor, parse_minor, to_decimal

CNY = Currency(code="CNY", exponent=2)
LARGEST = 2**63 - 1
FIRST = date(2024, 1, 1)


def ints(*values: int):
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("amount", "exponent", "minor"),
    [
        ("1500.00", 2, 150_000),
        ("1500", 2, 150_000),
        ("-0.01", 2, -1),
        ("+1.5", 2, 150),
        (".5", 2, 50),
        ("007", 0, 7),
        ("0.000001", 6, 1),
        ("1.5000", 2, 150),
        ("-0.00", 2, 0),
        (3, 2, 300),
        (-3, 0, -3),
        (0, 2, 0),
        (Decimal("1.50"), 2, 150),
        (Decimal("1E+3"), 2, 100_000),
        (Decimal("0E+1000"), 2, 0),
        ("92233720368547758.07", 2, LARGEST),
        ("-92233720368547758.08", 2, -LARGEST - 1),
        (str(LARGEST), 0, LARGEST),
    ],
)
def test_amounts_are_read_exactly(amount, exponent, minor):
    assert parse_minor(amount, exponent) == minor


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("0.005", "more than 2 decimal digits"),
        (Decimal("0.001"), "more than 2"),
        (Decimal("1E-1000000"), "more than 2"),
        (Decimal("1.0000000001"), "more than 2"),
        ("92233720368547758.08", "64 bits"),
        ("-92233720368547758.09", "64 bits"),
        (2**63, "64 bits"),
        (Decimal("1E+1000000"), "64 bits"),
        ("9" * 99, "64 bits"),
        ("1e5", "plain digits"),
        ("1,500.00", "plain digits"),
        ("1 500", "plain digits"),
        ("1_500", "plain digits"),
        ("1.", "plain digits"),
        ("", "plain digits"),
        (" 1", "plain digits"),
        ("1\n", "plain digits"),
        ("１", "plain digits"),
        ("٣", "plain digits"),
        ("NaN", "plain digits"),
        ("inf", "plain digits"),
        ("--1", "plain digits"),
        ("¥5", "plain digits"),
        ("0" * 101, "plain digits"),
        (Decimal("NaN"), "finite"),
        (Decimal("sNaN"), "finite"),
        (Decimal("-Infinity"), "finite"),
        (1.5, "text, a whole number or a Decimal"),
        (True, "text, a whole number"),
        (None, "text, a whole number"),
    ],
)
def test_other_amounts_are_refused(amount, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_minor(amount, 2)
    assert str(amount) not in str(caught.value) or len(str(amount)) < 3


@given(st.integers(-LARGEST - 1, LARGEST), st.integers(0, 6))
def test_amounts_come_back(minor, exponent):
    assert parse_minor(format_minor(minor, exponent), exponent) == minor
    assert parse_minor(to_decimal(minor, exponent), exponent) == minor
    assert to_decimal(minor, exponent) == Fraction(minor, 10**exponent)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 6))
def test_reading_is_exact_or_refused(value, exponent):
    scaled = Fraction(value) * 10**exponent
    fits = scaled.denominator == 1 and -LARGEST - 1 <= scaled <= LARGEST
    try:
        assert parse_minor(value, exponent) == scaled
    except ValueError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [
        (150_000, 2, "1500.00"),
        (-5, 2, "-0.05"),
        (0, 6, "0.000000"),
        (1, 6, "0.000001"),
        (7, 0, "7"),
    ],
)
def test_amounts_are_written_with_all_their_digits(minor, exponent, text):
    assert format_minor(minor, exponent) == text
    assert str(to_decimal(np.int64(minor), exponent)) == text


@pytest.mark.parametrize(
    "written",
    [
        {"code": "cny", "exponent": 2}, {"code": "CNYX", "exponent": 2},
        {"code": "CNY\n", "exponent": 2}, {"code": "ＣＮＹ", "exponent": 2},
        {"code": "CNY", "exponent": 7}, {"code": "CNY", "exponent": -1},
        {"code": "CNY", "exponent": True}, {"code": "CNY", "exponent": "2"}, {"code": "CNY"},
        {"code": "CNY", "exponent": 2, "name": "yuan"},
    ],
)  # fmt: skip
def test_bad_currencies_are_refused(written):
    with pytest.raises(ValidationError):
        Currency.model_validate(written)


def test_currencies_are_values():
    assert {CNY, Currency(code="CNY", exponent=2)} == {CNY}
    assert CNY.model_dump() == {"code": "CNY", "exponent": 2}


# --- rates --------------------------------------------------------------------------------------


def convert(rate: Rate, amounts, days=None, to=CNY):
    days = [FIRST] * len(amounts) if days is None else days
    numbers = ints(*(day_number(day) for day in days))
    codes = np.zeros(len(amounts), np.int64)
    converted, no_rate = Rates({"XXX": rate}).convert(ints(*amounts), codes, ("XXX",), numbers, to)
    return converted.tolist(), no_rate.tolist()


def test_the_rate_of_the_day_is_used():
    rate = Rate(
        2, [(date(2024, 1, 2), "0.79"), (date(2024, 2, 1), Decimal("0.8")), (date(2025, 1, 1), 1)]
    )
    days = [
        FIRST,
        date(2024, 1, 2),
        date(2024, 1, 31),
        date(2024, 2, 1),
        date(2024, 12, 31),
        date.max,
    ]
    assert convert(rate, [100] * 6, days) == ([0, 79, 79, 80, 80, 100], [True] + [False] * 5)


def test_halves_go_to_even():
    rate = Rate(2, [(FIRST, "0.5")])
    assert convert(rate, [1, 3, 5, 7, -1, -3, 2, 0])[0] == [0, 2, 2, 4, 0, -2, 1, 0]


@pytest.mark.parametrize(
    ("foreign", "own", "rate", "amount", "expected"),
    [
        (0, 2, "0.05", 1000, 5000),
        (2, 0, "150", 199, 298),
        (6, 2, "1", 12_345, 1),
        (2, 2, "3", -5, -15),
    ],
)
def test_minor_units_may_differ(foreign, own, rate, amount, expected):
    to = Currency(code="OWN", exponent=own)
    assert convert(Rate(foreign, [(FIRST, rate)]), [amount], to=to)[0] == [expected]


@given(
    st.lists(st.integers(-LARGEST - 1, LARGEST), min_size=1, max_size=5),
    st.decimals("0.000001", "1000", places=6),
    st.integers(0, 6),
)
def test_conversion_is_exact(amounts, rate, exponent):
    exact = [Fraction(amount) * Fraction(rate) * 100 / 10**exponent for amount in amounts]
    expected = [round(value) for value in exact]
    over = [row for row, value in enumerate(expected) if not -LARGEST - 1 <= value <= LARGEST]
    schedule = Rate(exponent, [(FIRST, rate)])
    if not over:
        assert convert(schedule, amounts)[0] == expected
        return
    with pytest.raises(DataError, match="64 bits") as caught:
        convert(schedule, amounts)
    assert (caught.value.count, caught.value.positions) == (len(over), tuple(over))
    assert caught.value.column == "amount"


def test_what_does_not_fit_is_refused_with_its_positions():
    with pytest.raises(DataError, match="64 bits") as caught:
        convert(Rate(2, [(FIRST, 2)]), [1, LARGEST, LARGEST // 2, -LARGEST])
    assert (caught.value.count, caught.value.positions) == (2, (1, 3))


@pytest.mark.parametrize("amount", [10**6, 10**15])
def test_small_and_large_amounts_follow_one_rule(amount):
    rate = Rate(2, [(FIRST, "7.1234567")])
    assert convert(rate, [amount + 1])[0] == [round((amount + 1) * Fraction("7.1234567"))]


def test_own_rows_stay_and_unknown_currencies_have_no_rate():
    rates = Rates({"USD": Rate(2, [(FIRST, 7)])})
    days = np.full(5, day_number(FIRST))
    converted, no_rate = rates.convert(
        ints(1, 2, 3, 4, 5), ints(0, 1, 2, -1, 0), ("CNY", "USD", "EUR"), days, CNY
    )
    assert converted.tolist() == [1, 14, 0, 0, 5]
    assert no_rate.tolist() == [False, False, True, True, False]


def test_no_rows_are_no_problem():
    assert convert(Rate(2, [(FIRST, 7)]), []) == ([], [])


@pytest.mark.parametrize(
    ("exponent", "since"),
    [
        (7, [(FIRST, "1")]), (-1, [(FIRST, "1")]), (2, []),
        (2, [(FIRST, "1"), (FIRST, "2")]), (2, [(FIRST, "1"), (date(2023, 1, 1), "2")]),
        (2, [(FIRST, "0")]), (2, [(FIRST, "-1")]), (2, [(FIRST, 0.5)]), (2, [(FIRST, "1e5")]),
        (2, [(FIRST, Decimal("NaN"))]), (2, [(FIRST, Decimal("1E+100"))]),
        (2, [(FIRST, Decimal("1E-100"))]),
    ],
)  # fmt: skip
def test_bad_rates_are_refused(exponent, since):
    with pytest.raises(DataError) as caught:
        Rate(exponent, since)
    assert caught.value.column == "currency"


def test_rates_cannot_be_changed_from_outside():
    since = [(FIRST, "1")]
    rate = Rate(2, since)
    since.append((FIRST, "oops"))
    assert rate.since == ((FIRST, "1"),)
