"""Where NumPy, Python and databases each do something else: one meaning, asked in every way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from crmcore.calendars import day_number, zone
from crmcore.columns import Column, Value
from crmcore.conditions import (
    ConditionSyntaxError,
    FieldType,
    bind,
    compiled,
    evaluate,
    explain,
    parse,
)
from crmcore.errors import DataError

SHANGHAI = zone("Asia/Shanghai")
SIZES = ("small", "middle", "large")
FIELDS = {
    "n": FieldType("int"),
    "d": FieldType("int"),
    "near": FieldType("int", low=-(2**62), high=2**62),
    "paid": FieldType("money", 2),
    "mean": FieldType("ratio", 2),
    "x": FieldType("float"),
    "day": FieldType("date"),
    "other": FieldType("date"),
    "moment": FieldType("instant"),
    "size": FieldType("label", categories=SIZES, ordered=True),
    "town": FieldType("text"),
}


def column(name: str, values: list[Value]) -> Column:
    """Return a column as the package would make it from these values."""
    type_ = FIELDS[name]
    known = np.array([value is not None and value == value for value in values])
    filled = [value if here else None for value, here in zip(values, known, strict=True)]
    divisor = None
    match type_.kind:
        case "money":
            raw = [0 if v is None else int(v * 100) for v in filled]  # type: ignore[operator, arg-type]
        case "ratio":
            parts = [Fraction(0) if v is None else Fraction(v) * 100 for v in filled]  # type: ignore[arg-type]
            raw = [part.numerator for part in parts]
            divisor = np.array([part.denominator for part in parts])
        case "date":
            raw = [0 if v is None else day_number(v) for v in filled]  # type: ignore[arg-type]
        case "instant":
            raw = [0 if v is None else _us(v) for v in filled]  # type: ignore[arg-type]
        case "label":
            raw = [0 if v is None else SIZES.index(str(v)) for v in filled]
        case "text":
            return Column("text", np.array(filled, np.object_), known)
        case _:
            raw = [0 if v is None else v for v in filled]  # type: ignore[misc]
    kind: type = np.float64 if type_.kind == "float" else np.int64
    return Column(
        type_.kind,
        np.array(raw, kind),
        None if known.all() else known,
        divisor,
        type_.exponent,
        type_.categories,
    )


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def answers(text: str, **values: list[Value]) -> list[bool | None]:
    """Ask over columns, of each customer alone, and for an explanation; all must agree."""
    bound, problems = bind(parse(text), FIELDS, "here", zone=SHANGHAI)
    assert bound is not None, problems
    columns = {name: column(name, given) for name, given in values.items()}
    rows = max(map(len, values.values()))
    truth = evaluate(bound, columns, rows)
    found = [truth[row] for row in range(rows)]
    single = compiled(bound)
    for row, answer in enumerate(found):
        customer = {name: given[row] for name, given in values.items()}
        assert single(customer) is answer, (customer, answer)
        assert explain(bound, columns, row).truth is answer
    return found


def codes(text: str) -> list[str]:
    return [problem.code for problem in bind(parse(text), FIELDS, "here", zone=SHANGHAI)[1]]


# --- NaN and missing values ----------------------------------------------------------------------


@pytest.mark.parametrize("missing", [float("nan"), None])
def test_nan_above_ninety_is_unknown(missing: Value) -> None:
    # NumPy: false. DuckDB, PostgreSQL and Spark: true.
    assert answers("x > 90", x=[missing, 91.0]) == [None, True]
    assert answers("not x > 90", x=[missing, 91.0]) == [None, False]
    assert answers("x == x", x=[missing, 91.0]) == [None, True]


def test_nan_is_in_no_band() -> None:
    # np.searchsorted puts NaN above the greatest edge.
    text = "band(x, 0: 1, 90: 2, else: 0) == 2"
    assert answers(text, x=[float("nan"), 90.0, 89.0]) == [None, True, False]
    assert answers("band(n, 0: 1, else: 9) == 9", n=[None, -1, 0]) == [None, True, False]


def test_a_missing_value_is_neither_in_a_list_nor_outside() -> None:
    # SQL: NOT IN with a NULL in the list is never true; in Python None not in [1] is.
    assert answers("n in [1, 2]", n=[1, 3, None]) == [True, False, None]
    assert answers("n not in [1, 2]", n=[1, 3, None]) == [False, True, None]
    with pytest.raises(ConditionSyntaxError):
        parse("n not in [1, null]")


def test_a_missing_value_is_neither_first_nor_last() -> None:
    # Sorting engines put NULL before or behind all others; here it has no place.
    assert answers('size >= "small"', size=[None, "small"]) == [None, True]
    assert answers('size < "small"', size=[None, "small"]) == [None, False]
    assert answers("n > d", n=[None, 1, None], d=[1, None, None]) == [None, None, None]
    assert answers('band(day, "2024-01-01": 1) is unknown', day=[None]) == [True]


def test_what_is_unknown_stays_unknown_in_calculations() -> None:
    # Some engines have 0 * NULL as 0, or sum as if NULL were 0.
    assert answers("n * d == 0", n=[0, 0], d=[None, 5]) == [None, True]
    assert answers("n + d > 0", n=[None, 1], d=[5, 0]) == [None, True]
    assert answers("n - n == 0", n=[None, 3]) == [None, True]


# --- division ------------------------------------------------------------------------------------


def test_seven_halves_is_three_and_a_half() -> None:
    # PostgreSQL: 7 / 2 is 3.
    assert answers("divide(n, d, 0) == 3.5", n=[7, 6], d=[2, 2]) == [True, False]
    assert answers("divide(n, 2, 0) > 3", n=[7, 6]) == [True, False]
    assert answers("divide(0 - n, 2, 0) == -3.5", n=[7]) == [True]


def test_a_third_is_a_third() -> None:
    # In binary, and in decimals of any length, three thirds are not one.
    assert answers("divide(n, 3, 0) * 3 == 1", n=[1]) == [True]
    assert answers("divide(n, 3, 0) == 0.3333333333333333", n=[1]) == [False]
    assert answers("n * 0.1 == 0.3", n=[3]) == [True]


def test_a_zero_divisor_gives_what_is_written() -> None:
    # 1 / 0 is infinite, an error, or NULL.
    assert answers("divide(n, d, 0) == 0", n=[1], d=[0]) == [True]
    assert answers("divide(n, d, -1.5) == -1.5", n=[1], d=[0]) == [True]
    assert answers("divide(n, d, unknown) is unknown", n=[1, 1], d=[0, 1]) == [True, False]
    assert answers("divide(n, d, 7) == 7", n=[None, None], d=[0, 1]) == [True, None]
    assert answers("divide(x, 0, unknown) is known", x=[1.0, 0.0]) == [False, False]
    with pytest.raises(ConditionSyntaxError, match="where y is 0"):
        parse("divide(n, d) > 1")


def test_there_is_no_remainder() -> None:
    # -7 % 3 is 2 in Python and -1 in C and SQL.
    with pytest.raises(ConditionSyntaxError, match="there is no remainder"):
        parse("n % 3 == 1")


# --- whole numbers and rounding ------------------------------------------------------------------


def test_nothing_wraps_around() -> None:
    # In NumPy 2**62 + 2**62 is negative.
    assert codes("near + near > 0") == ["may_overflow"]
    assert codes("near * near > 0") == ["may_overflow"]
    assert answers("near + 1 > near", near=[2**62, -(2**62)]) == [True, True]
    assert answers("n * n > 0", n=[2**31 - 1, 1 - 2**31]) == [True, True]


def test_data_beyond_the_domain_is_refused_not_wrapped() -> None:
    bound, _ = bind(parse("n * n > 0"), FIELDS, "here")
    assert bound is not None
    with pytest.raises(DataError) as caught:
        evaluate(bound, {"n": Column("int", np.array([1, 2**31]))}, 2)
    assert (caught.value.column, caught.value.count) == ("n", 1)
    assert str(2**31) not in str(caught.value)
    with pytest.raises(DataError):
        compiled(bound)({"n": 2**31})
    # A comparison alone cannot wrap, so any value will do.
    assert answers("n > 0", n=[2**62]) == [True]


def test_halves_are_not_rounded() -> None:
    # round(2.5) is 2 in Python and 3 in SQL.
    assert answers("divide(n, 2, 0) == 2.5", n=[5]) == [True]
    assert answers("divide(n, 2, 0) in [2, 3]", n=[5]) == [False]
    with pytest.raises(ConditionSyntaxError, match="nothing is rounded"):
        parse("round(n) == 2")


def test_decimals_are_not_cut_to_whole_numbers() -> None:
    # CAST(2.5 AS INT) is 2 or 3.
    assert answers("n >= 2.5", n=[2, 3]) == [False, True]
    assert answers("n == 2.5", n=[2, 3]) == [False, False]
    assert answers("band(n, 2.5: 1, else: 0) == 1", n=[2, 3]) == [False, True]
    assert answers("n * 2.5 == 5", n=[2]) == [True]
    assert codes("shift_days(day, 2.5) > other") == ["type_mismatch"]


def test_money_is_compared_to_the_last_minor_unit() -> None:
    # A mean of 300.00 less a hundredth of a cent is below 300 in no float of 24 bits.
    third = Fraction(29_999, 100) + Fraction(1, 3) / 100
    assert answers("mean >= 300", mean=[third, Fraction(300)]) == [False, True]
    assert answers("mean > paid", mean=[third], paid=[Decimal("299.99")]) == [True]
    assert codes("paid >= 299.995") == ["money_digits"]


def test_true_is_no_number() -> None:
    bound, _ = bind(parse("n > 0"), FIELDS, "here")
    assert bound is not None
    with pytest.raises(DataError, match="give an int"):
        compiled(bound)({"n": True})
    assert codes("n == true") == ["type_mismatch"]
    assert codes("n + true > 1") == ["type_mismatch"]


# --- dates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "months", "moved"),
    [
        ("2024-01-31", 1, "2024-02-29"),
        ("2023-01-31", 1, "2023-02-28"),
        ("2024-01-30", 1, "2024-02-29"),
        ("2024-01-28", 1, "2024-02-28"),
        ("2024-03-31", -1, "2024-02-29"),
        ("2024-05-31", 1, "2024-06-30"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2024-12-31", 2, "2025-02-28"),
        ("2024-01-01", -1, "2023-12-01"),
        ("2024-01-31", 0, "2024-01-31"),
    ],
)
def test_a_month_later_is_never_in_the_month_after(day: str, months: int, moved: str) -> None:
    # Python refuses 31 February; other engines give 2 or 3 March.
    text = f'shift_months(day, n) == "{moved}"'
    assert answers(text, day=[date.fromisoformat(day)], n=[months]) == [True]


def test_months_are_not_counted_between_days() -> None:
    # From 31 January to 29 February there is 1 month, or none. Moving a day has one answer.
    with pytest.raises(ConditionSyntaxError, match="months are not counted between days"):
        parse("months_between(day, other) >= 1")
    given: dict[str, list[Value]] = {
        "day": [date(2024, 1, 31), date(2024, 1, 31)],
        "other": [date(2024, 2, 28), date(2024, 2, 29)],
    }
    assert answers("shift_months(day, 1) <= other", **given) == [False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('shift_days(day, 1) == "9999-12-31"', [True, None]),
        ("shift_days(day, 1) is known", [True, False]),
        ("shift_months(day, 1) is known", [False, False]),
    ],
)
def test_there_is_no_day_after_the_last_one(text: str, expected: list[bool | None]) -> None:
    assert answers(text, day=[date(9999, 12, 30), date(9999, 12, 31)]) == expected


def test_there_is_no_day_before_the_first_one() -> None:
    text = 'shift_days("0001-01-02", 0 - n) is known'
    assert answers(text, n=[1, 2]) == [True, False]


def test_the_day_of_an_instant_is_that_of_the_policys_zone() -> None:
    # Engines take the zone of the session: here it is the next day in Shanghai already.
    late = datetime(2024, 1, 31, 16, 0, tzinfo=UTC)
    early = late - timedelta(microseconds=1)
    text = 'days_between("2024-01-31", moment) == 1'
    assert answers(text, moment=[early, late]) == [False, True]
    assert answers('shift_days(moment, 0) == "2024-02-01"', moment=[early, late]) == [False, True]
    assert codes("day == moment") == ["type_mismatch"]


def test_days_are_calendar_days_not_hours() -> None:
    # In Berlin the last day of March 2024 had 23 hours.
    bound, _ = bind(
        parse("days_between(moment, as_of) == 1"), FIELDS, "x", zone=zone("Europe/Berlin")
    )
    assert bound is not None
    before = datetime(2024, 3, 30, 23, 30, tzinfo=UTC)  # 00:30 on 31 March
    after = datetime(2024, 3, 31, 22, 10, tzinfo=UTC)  # 00:10 on 1 April
    columns = {
        "moment": Column("instant", np.array([_us(before)])),
        "as_of": Column("instant", np.array([_us(after)])),
    }
    assert evaluate(bound, columns, 1)[0] is True
    assert compiled(bound)({"moment": before, "as_of": after}) is True


# --- text and bands ------------------------------------------------------------------------------


def test_text_is_equal_only_if_it_is_the_same() -> None:
    # Collations ignore case, accents, ß or trailing spaces; CHAR columns are padded.
    given: list[Value] = ["straße", "strasse", "STRASSE", "straße ", "Straße"]
    assert answers('town == "straße"', town=given) == [True, False, False, False, False]
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    found = answers('town in ["caf\\u00e9"]', town=[composed, decomposed])
    assert found == [True, False]
    assert codes('town > "a"') == ["not_ordered"]


def test_bands_never_split_equal_values() -> None:
    # NTILE puts rows with the same value into different groups.
    given: list[Value] = [5, 5, 5, 5, 9, 1]
    text = "band(n, 0: 1, 5: 2, 9: 3) == 2"
    assert answers(text, n=given) == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n between 2 and 4", [False, True, True, True, False]),
        ("n between above 2 and 4", [False, False, True, True, False]),
        ("n between 2 and below 4", [False, True, True, False, False]),
        ("n between above 2 and below 4", [False, False, True, False, False]),
        ("n * 2 between above 4 and below 8", [False, False, True, False, False]),
    ],
)
def test_edges_belong_as_written(text: str, expected: list[bool]) -> None:
    assert answers(text, n=[1, 2, 3, 4, 5]) == expected


def test_the_first_true_row_of_a_case_decides() -> None:
    text = "case(n > 5: 1, d > 5: 2, else: 3) == {}"
    given: dict[str, list[Value]] = {"n": [6, None, None, 1], "d": [6, 6, None, 1]}
    assert answers(text.format(1), **given) == [True, False, False, False]
    assert answers(text.format(2), **given) == [False, True, False, False]
    assert answers(text.format(3), **given) == [False, False, True, True]
    assert answers("case(n > 5: 1) is known", n=[6, 1, None]) == [True, False, False]
    assert answers("case(n > 5: d, else: 1) == 1", n=[6, 1], d=[None, None]) == [None, True]
