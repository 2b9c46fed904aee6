"""Types, dimensions and domains of values: what fits together, and what is said if it does not."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from crmcore.calendars import zone
from crmcore.conditions import (
    Bound,
    BoundBand,
    BoundCompare,
    BoundField,
    BoundPair,
    BoundValue,
    FieldType,
    bind,
    fields_of,
    parse,
    thresholds,
)
from crmcore.errors import Problem

TIERS = ("bronze", "silver", "gold")
FIELDS = {
    "count": FieldType("int", low=0, nullable=False),
    "number": FieldType("int"),
    "age": FieldType("int", low=0, high=150, nullable=False),
    "wide": FieldType("int", low=0, high=2**62),
    "total": FieldType("money", 2, nullable=False),
    "refund": FieldType("money", 2),
    "yen": FieldType("money"),
    "mean": FieldType("ratio", 2),
    "mean_yen": FieldType("ratio", amount=True),
    "share": FieldType("ratio", low=0),
    "spread": FieldType("float"),
    "width": FieldType("float"),
    "flag": FieldType("bool"),
    "day": FieldType("date"),
    "birthday": FieldType("date", personal=True),
    "moment": FieldType("instant"),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "channel": FieldType("label", categories=("shop", "web")),
    "anything": FieldType("label"),
    "town": FieldType("text"),
    "city": FieldType("text", personal=True),
}
SHANGHAI = zone("Asia/Shanghai")


def bound_of(text: str) -> Bound:
    bound, problems = bind(parse(text), FIELDS, "here", zone=SHANGHAI)
    assert not problems, problems
    assert bound is not None
    return bound


def value_of(text: str) -> BoundValue:
    bound = bound_of(f"{text} is known")
    return bound.item  # type: ignore[union-attr]


def type_of(text: str) -> FieldType:
    return value_of(text).type


def problems_of(text: str) -> list[Problem]:
    bound, problems = bind(parse(text), FIELDS, "here", zone=SHANGHAI)
    assert bound is None
    return problems


# --- kinds and dimensions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("count + number", "int", False),
        ("count * number", "int", False),
        ("count + 0.5", "ratio", False),
        ("count * 0.5", "ratio", False),
        ("count + share", "ratio", False),
        ("total + refund", "money", True),
        ("total + 300", "money", True),
        ("300 - total", "money", True),
        ("total * age", "money", True),
        ("age * total", "money", True),
        ("total * 0.85", "ratio", True),
        ("mean - 300", "ratio", True),
        ("mean_yen - 300", "ratio", True),
        ("divide(total, refund, unknown)", "ratio", False),
        ("divide(total, count, 0)", "ratio", True),
        ("divide(count, number, 0)", "ratio", False),
        ("divide(1, count, 0)", "ratio", False),
        ("spread + 1", "float", False),
        ("2.5 * spread", "float", False),
        ("divide(spread, width, 0)", "float", False),
        ("days_between(day, moment)", "int", False),
        ('days_between("2024-01-31", as_of)', "int", False),
        ("shift_days(moment, count)", "date", False),
        ("shift_months(day, 1)", "date", False),
        ("band(total, 0: 1, 300.50: 2)", "int", False),
        ("case(flag: total, else: 300)", "money", True),
        ("case(flag: count, else: 2.5)", "ratio", False),
        ('case(flag: tier, else: "gold")', "label", False),
        ("case(flag: true, else: false)", "bool", False),
        ('case(flag: "x", else: "y")', "text", False),
        ("case(flag: day, else: shift_days(day, 1))", "date", False),
    ],
)
def test_each_value_has_its_kind_and_dimension(text: str, kind: str, amount: bool) -> None:
    type_ = type_of(text)
    assert (type_.kind, type_.amount) == (kind, amount)
    assert type_.exponent == (2 if amount and "yen" not in text else 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("total + count > 1", "an amount is added to an amount, a plain number to a plain number"),
        ("total - count > 1", "an amount is added to an amount, a plain number to a plain number"),
        (
            "total * refund > 1",
            "an amount times an amount means nothing: one of the two is a plain number",
        ),
        (
            "divide(3, total, 0) > 1",
            "a number divided by an amount means nothing: divide an amount",
        ),
        ("total + yen > 1", "amounts of different minor units are not mixed"),
        ("total > yen", "amounts of different minor units are not compared"),
        (
            "total > count",
            "an amount is compared with an amount, a plain number with a plain number",
        ),
        (
            "mean > share",
            "an amount is compared with an amount, a plain number with a plain number",
        ),
        (
            "spread + count > 1",
            "exact numbers and floats are not mixed: nothing exact becomes inexact in silence",
        ),
        ("spread > count", "a float field is not compared with an int field"),
        ("flag + 1 > 1", "true and false are no numbers: write case(x: 1, else: 0)"),
        ("tier + 1 > 1", "a label is no number: write case(x == …: 1, else: 0)"),
        ('town + "x" == "y"', "text is no number: write case(x == …: 1, else: 0)"),
        (
            "as_of - day > 30",
            "dates are not calculated with: days_between(start, end) counts days, "
            "shift_days(day, count) and shift_months(day, count) move a day",
        ),
        (
            "day + 30 > moment",
            "dates are not calculated with: days_between(start, end) counts days, "
            "shift_days(day, count) and shift_months(day, count) move a day",
        ),
        (
            "day > moment",
            "a date is not compared with an instant: shift_days(x, 0) is the instant's local day",
        ),
        (
            "day > 2024-12-31",
            "a date stands in quotes, and days are counted with days_between(start, end)",
        ),
        ("days_between(count, day) > 1", "a date or an instant is needed here"),
        ("shift_days(count, 1) > day", "a date or an instant is needed here"),
        ("shift_days(day, 1.5) > day", "days and months are moved by a whole number"),
        ("shift_days(day, total) > day", "days and months are moved by a whole number"),
        ('band(town, "a": 1) > 1', "bands measure numbers, amounts and dates"),
        ("band(tier, 1: 1) > 1", "bands measure numbers, amounts and dates"),
        ("case(flag: total, else: count) > 1", "the values of a case are of one kind and one unit"),
        ('case(flag: 1, else: "x") == 1', "the values of a case are of one kind and one unit"),
        (
            'case(flag: anything, else: "x") == "x"',
            "a case gives labels only where the policy lists them all",
        ),
        ("case(count: 1, else: 2) > 1", "an int field alone is not a condition: compare it"),
        (
            'case(flag: tier, else: "gold") == channel',
            "labels are compared only between fields that list the same labels",
        ),
        ("1 + 2 > 2", "this is the same for everybody: a field is needed"),
        ("3 in [3]", "this is the same for everybody: a field is needed"),
        ("3 is known", "this is the same for everybody: a field is needed"),
        ("3 between 1 and 5", "this is the same for everybody: a field is needed"),
    ],
)
def test_what_does_not_fit_together_is_told(text: str, message: str) -> None:
    problems = problems_of(text)
    assert [(problem.code, problem.message) for problem in problems] == [("type_mismatch", message)]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ('case(flag: tier, else: "golt") == tier', "unknown_label", '"golt"'),
        ("band(count, 2: 1, 1: 2) > 1", "not_ascending", "1"),
        ("band(count, 1: 1, 2: 2, 2.0: 3) > 1", "not_ascending", "2.0"),
        ("band(total, 1.005: 1) > 1", "money_digits", "1.005"),
        ("total + 0.005 > 1", "money_digits", "0.005"),
        ("case(flag: 1.005, else: total) > 1", "money_digits", "1.005"),
        ('days_between("2024-02-30", day) > 1', "bad_date", '"2024-02-30"'),
        ("count + 0.00000000000000000001 > 1", "out_of_range", "0.00000000000000000001"),
        ("count + 9223372036854775808 > 1", "out_of_range", "9223372036854775808"),
        (
            "total between above 3 and below 3",
            "reversed_edges",
            "total between above 3 and below 3",
        ),
        ("mean + 1 between 4 and 3", "reversed_edges", "mean + 1 between 4 and 3"),
        (
            'case(flag: channel, else: "web") > "shop"',
            "not_ordered",
            'case(flag: channel, else: "web") > "shop"',
        ),
        ("case(flag: town) > town", "not_ordered", "case(flag: town) > town"),
        ("sale_cout + 1 > 2", "unknown_name", "sale_cout"),
        ("count == null", "unknown_name", "null"),
    ],
)
def test_a_problem_knows_its_place_in_the_text(text: str, code: str, place: str) -> None:
    (problem,) = problems_of(text)
    assert problem.code == code
    assert problem.span is not None
    assert text[slice(*problem.span)] == place
    assert problem.given == place


def test_a_tree_has_no_places() -> None:
    condition = parse("nothing > 3")
    again = type(condition).model_validate_json(condition.model_dump_json())
    assert [problem.span for problem in bind(again, FIELDS, "here")[1]] == [None]


def test_all_mistakes_of_a_calculation_are_reported() -> None:
    text = 'divide(totl, cont, 0) > 1 or case(flg: 1, else: 2) > 1 or tier == "golt"'
    assert [problem.code for problem in problems_of(text)] == ["unknown_name"] * 3 + [
        "unknown_label"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "nothing + 1 > 2",
        "nothing * 2 > 2",
        "2 * nothing > 2",
        "divide(1, nothing, 0) > 2",
        "days_between(nothing, day) > 1",
        "days_between(day, nothing) > 1",
        "shift_days(nothing, 1) > day",
        "shift_days(day, nothing) > day",
        "band(nothing, 1: 1) > 1",
        "case(nothing: 1, else: 2) > 1",
        "case(flag: nothing, else: 2) > 1",
        "case(flag: 1, else: nothing) > 1",
        "nothing between 1 and 5",
        "total between nothing and 5",
        "total between 5 and nothing",
        "nothing in [1]",
        "nothing is known",
        "case(flag: 1, else: 2) > nothing",
    ],
)
def test_an_unknown_name_is_told_once_wherever_it_stands(text: str) -> None:
    (problem,) = problems_of(text)
    assert (problem.code, problem.given) == ("unknown_name", "nothing")


def test_the_value_for_a_zero_divisor_fits_the_quotient() -> None:
    text = "divide(total, count, 0.0000000000000000000001) > 1"
    assert [problem.code for problem in problems_of(text)] == ["out_of_range"]


@pytest.mark.parametrize("name", ["null", "none", "nan"])
def test_what_looks_like_a_missing_value_is_told_how_to_ask(name: str) -> None:
    (problem,) = problems_of(f"count == {name}")
    assert problem.message == "a missing value is asked for with 'is known' and 'is unknown'"


def test_no_clock_is_read() -> None:
    assert problems_of("moment > now")[0].message == "no clock is read: write as_of"


def test_the_day_of_an_instant_needs_a_zone() -> None:
    condition = parse("days_between(day, as_of) > 30")
    _, problems = bind(condition, FIELDS, "here")
    assert [problem.message for problem in problems] == [
        "an instant has no local day here, as there is no zone"
    ]
    assert bind(parse("days_between(day, birthday) > 30"), FIELDS, "here")[1] == []


# --- domains -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "domain", "divisor"),
    [
        ("count + 5", (5, 2**31 + 4), 1),
        ("5 - count", (6 - 2**31, 5), 1),
        ("count * -2", (-2 * (2**31 - 1), 0), 1),
        ("count + 0.25", (1, 4 * (2**31 - 1) + 1), 4),
        ("divide(count, 4, 0)", (0, 2**31 - 1), 4),
        ("divide(count, -4, 0)", (1 - 2**31, 2**31 - 1), 4),
        ("divide(count, 4, -9)", (-9, 2**31 - 1), 4),
        ("divide(4, count, 0.5)", (1, 4), 2**31 - 1),
        ("band(count, 1: 3, 5: -2, else: 7)", (-2, 7), 1),
        ("case(flag: count, else: -1)", (-1, 2**31 - 1), 1),
        ("total + 300", (30_001 - 10**15, 10**15 + 29_999), 1),
        ('days_between("2024-01-01", shift_days("2024-01-01", 7)) + count', (7, 2**31 + 6), 1),
    ],
)
def test_results_keep_to_their_domain(text: str, domain: tuple[int, int], divisor: int) -> None:
    type_ = type_of(text)
    assert type_.domain == domain
    assert type_.greatest_divisor == divisor


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("wide + wide > 1", False),
        ("wide + number > 1", True),
        ("wide * 1 > 1", True),
        ("wide * 2 > 1", False),
        ("wide - 9223372036854775807 > 1", True),
        ("number * number > 1", True),
        ("number * number * number > 1", False),
        ("total * 9223 > 1", True),
        ("total * 9224 > 1", False),
        ("divide(total, count, 0) - mean > 1", False),
        ("divide(divide(total, count, 0), count, 0) > 1", True),
        ("divide(divide(total, count, 0), wide, 0) > 1", False),
        ("mean + mean > 1", False),
        ("shift_days(day, wide) > day", True),
        ("shift_days(day, wide + 4611686018427387903) > day", False),
        ("shift_days(day, number - 9223372036854775807) > day", False),
        ("divide(wide, number, 0.5) > 1", True),
        ("divide(wide, 0.1, 0) > 1", False),
    ],
)
def test_what_could_leave_64_bits_is_refused(text: str, fits: bool) -> None:
    problems = bind(parse(text), FIELDS, "here", zone=SHANGHAI)[1]
    assert [problem.code for problem in problems] == ([] if fits else ["may_overflow"])


@pytest.mark.parametrize(
    ("text", "told", "instead"),
    [
        (
            "mean - total > 1",
            "mean is ±9999999999999.99 over 1 to 2147483647, total is ±9999999999999.99",
            "mean > total",
        ),
        ("mean + total > 1", "mean is ±9999999999999.99 over 1 to 2147483647", "mean > 9 - total"),
        ("divide(mean, total, 0) > 0.5", "total is ±9999999999999.99", "mean > total * 0.5"),
        ("total * 9.2241 > 1", "total is ±9999999999999.99", "a factor of at most 3 digits"),
        ("9.2241 * total > 1", "total is ±9999999999999.99", "a factor of at most 3 digits"),
        ("total * count > 1", "count is 0 to 2147483647", "count up to 9223, as its min and max"),
        ("total * share > 1", "over 1 to 2147483647", "attributes have min and max"),
        ("divide(mean, share, 0) > 1", "over 1 to 2147483647", "sums and counts"),
        (
            "shift_days(day, wide + 4611686018427387903) > day",
            "day is 1677-01-01 to 9999-12-31",
            "a smaller calculation",
        ),
    ],
)
def test_what_has_no_room_is_told_with_its_range_and_what_would_fit(
    text: str, told: str, instead: str
) -> None:
    problems = bind(parse(text), FIELDS, "here", zone=SHANGHAI)[1]
    [problem] = problems
    assert problem.code == "may_overflow"
    assert told in problem.message
    assert instead in (problem.allowed or "")
    for left in ("mean > total", "mean > 9 - total", "mean > total * 0.5", "total * 999 > 1"):
        assert not bind(parse(left), FIELDS, "here")[1]


def test_the_usual_domains() -> None:
    assert FieldType("int").domain == (-(2**31) + 1, 2**31 - 1)
    assert FieldType("money", 2).domain == (-(10**15) + 1, 10**15 - 1)
    assert FieldType("ratio").domain == FieldType("int").domain
    assert FieldType("ratio", 2).domain == FieldType("ratio", amount=True).domain
    assert FieldType("ratio").greatest_divisor == 2**31 - 1
    assert FieldType("int").greatest_divisor == 1
    low, high = FieldType("date").domain
    epoch = date(1970, 1, 1).toordinal()
    assert (date.fromordinal(epoch + low), date.fromordinal(epoch + high)) == (
        date(1677, 1, 1),
        date(9999, 12, 31),
    )


@pytest.mark.parametrize(
    ("text", "nullable"),
    [
        ("count + 1", False),
        ("count + number", True),
        ("divide(total, count, 0)", False),
        ("divide(total, count, unknown)", True),
        ("divide(total, count + 1, unknown)", False),
        ("band(count, 0: 1)", True),
        ("band(count, 1: 1, else: 0)", False),
        ("band(number, 1: 1, else: 0)", True),
        ("case(flag: 1)", True),
        ("case(flag: 1, else: 2)", False),
        ("case(flag: number, else: 2)", True),
        ('shift_days("2024-01-01", age)', False),
        ('shift_months("2024-01-01", 0 - age)', False),
        ('shift_days("9999-12-31", age)', True),
        ('shift_days("0001-01-01", 0 - age)', True),
    ],
)
def test_whether_a_value_may_be_missing(text: str, nullable: bool) -> None:
    assert type_of(text).nullable == nullable


def test_only_fields_in_calculations_are_held_to_their_domain() -> None:
    def checked(value: object) -> bool:
        assert isinstance(value, BoundField)
        return value.checked

    pair = bound_of("count > number")
    assert isinstance(pair, BoundPair)
    assert not checked(pair.left)
    assert not checked(pair.right)
    total = value_of("case(flag: count, else: number) + 1")
    inner = total.left  # type: ignore[union-attr]
    assert checked(inner.rows[0][1])  # type: ignore[union-attr]
    assert checked(inner.otherwise)  # type: ignore[union-attr]
    assert not checked(value_of("band(count, 1: 1)").value)  # type: ignore[union-attr]


def test_what_is_made_of_personal_values_is_personal() -> None:
    for text in [
        "days_between(birthday, as_of)",
        'case(city == "x": 1, else: 2)',
        "band(days_between(birthday, as_of), 0: 1)",
        "case(flag: birthday, else: day)",
    ]:
        assert type_of(text).personal
    assert not type_of("days_between(day, as_of)").personal


# --- which node it becomes -----------------------------------------------------------------------


def test_a_field_with_a_literal_stays_the_short_way() -> None:
    for text in ["total >= 300", "300 <= total", "flag == true", 'tier > "bronze"']:
        assert isinstance(bound_of(text), BoundCompare)
    for text in ["total > refund", "total + 1 > 300", "mean > total", "share > count"]:
        assert isinstance(bound_of(text), BoundPair)


def test_literals_take_the_unit_of_the_other_side() -> None:
    def edge(text: str) -> object:
        bound = bound_of(text)
        assert isinstance(bound, BoundPair)
        return bound.right.edge  # type: ignore[union-attr]

    assert edge("divide(total, count, 0) >= 300.50") == Fraction(30_050)
    assert edge("300.50 <= divide(total, count, 0)") == Fraction(30_050)
    assert edge("divide(total, refund, 0) >= 0.5") == Fraction(1, 2)
    assert edge('case(flag: tier, else: "gold") == "silver"') == "silver"
    assert edge("spread + 1 > 0.5") == 0.5
    assert edge('shift_days(day, 1) > "1970-01-11"') == Fraction(10)


def test_edges_of_bands_on_whole_numbers_are_rounded_up() -> None:
    band = value_of("band(count, 1: 1, 2.5: 2, 2.75: 3)")
    assert isinstance(band, BoundBand)
    assert band.edges == (1, 3, 3)
    ratio = value_of("band(share, 0.5: 1)")
    assert isinstance(ratio, BoundBand)
    assert ratio.edges == (Fraction(1, 2),)


def test_thresholds_are_edges_of_single_fields() -> None:
    text = (
        "total > 1 or divide(total, count, 0) > 2 or band(count, 3: 1, 4: 2) > 1 or "
        "case(number in [5, 6]: 1, else: 2) > 1 or band(count + 1, 7: 1) > 1 or count + 1 in [8]"
    )
    found = [(name, str(value)) for name, value in thresholds(bound_of(text))]
    assert found == [
        ("total", "1.00"),
        ("count", "3"),
        ("count", "4"),
        ("number", "5"),
        ("number", "6"),
    ]


def test_all_fields_of_a_condition_are_known() -> None:
    text = "flag or case(day is known: total, else: 3) between refund and 5 or count + 1 in [2]"
    assert [*fields_of(bound_of(text))] == ["flag", "day", "total", "refund", "count"]
