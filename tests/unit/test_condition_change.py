"""What is told of one row: the values seen, the margins, and the smallest change that would do."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from crmcore.calendars import zone
from crmcore.columns import Column
from crmcore.conditions import (
    Bound,
    FieldType,
    bind,
    evaluate,
    explain,
    fields_of,
    parse,
    smallest_change,
)

TIERS = ("bronze", "silver", "gold")
FIELDS = {
    "count": FieldType("int", low=0),
    "number": FieldType("int"),
    "total": FieldType("money", 2),
    "refund": FieldType("money", 2),
    "mean": FieldType("ratio", 2),
    "share": FieldType("ratio", low=0),
    "spread": FieldType("float"),
    "flag": FieldType("bool"),
    "day": FieldType("date"),
    "birthday": FieldType("date", personal=True),
    "moment": FieldType("instant"),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "personal": FieldType("int", personal=True),
    "town": FieldType("text"),
    "city": FieldType("text", personal=True),
}
SHANGHAI = zone("Asia/Shanghai")
DAY_US = 86_400_000_000
ROW = {
    "count": Column("int", np.array([2])),
    "number": Column("int", np.array([0]), np.array([False])),
    "total": Column("money", np.array([50_000]), exponent=2),
    "refund": Column("money", np.array([10_000]), exponent=2),
    "mean": Column("ratio", np.array([50_000]), divisor=np.array([3]), exponent=2),
    "share": Column("ratio", np.array([1]), divisor=np.array([3])),
    "spread": Column("float", np.array([0.5])),
    "flag": Column("bool", np.array([False])),
    "day": Column("date", np.array([19_000])),  # 2022-01-08
    "birthday": Column("date", np.array([0])),
    "moment": Column("instant", np.array([0])),
    "tier": Column("label", np.array([0]), categories=TIERS),
    "personal": Column("int", np.array([777])),
    "town": Column("text", np.array(["x"], np.object_)),
    "city": Column("text", np.array(["x"], np.object_)),
    "as_of": Column("instant", np.array([19_100 * DAY_US])),  # 2022-04-18
}


def bound_of(text: str) -> Bound:
    bound, problems = bind(parse(text), FIELDS, "here", zone=SHANGHAI)
    assert not problems, problems
    assert bound is not None
    return bound


# --- what an explanation says --------------------------------------------------------------------


def columns(**values: Column) -> dict[str, Column]:
    return values


def money(minor: int) -> Column:
    return Column("money", np.array([minor]), exponent=2)


def test_an_explanation_shows_what_an_expression_gives() -> None:
    bound = bound_of("divide(total, count, 0) >= 300")
    trace = explain(bound, columns(total=money(50_000), count=Column("int", np.array([2]))), 0)
    assert (trace.field, trace.item) == (None, "divide(total, count, 0)")
    assert (trace.truth, trace.value, trace.threshold) == (False, Fraction(250), 300)
    assert trace.margin == -50
    assert [(one.name, str(one.value)) for one in trace.inputs] == [
        ("total", "500.00"),
        ("count", "2"),
    ]


@pytest.mark.parametrize(
    ("text", "column", "margin"),
    [
        ("total >= 300", money(30_001), "0.01"),
        ("total >= 300", money(29_999), "-0.01"),
        ("300 <= total", money(29_999), "-0.01"),
        ("total between 300 and 500", money(49_000), "10.00"),
        ("total between 300 and 500", money(51_000), "-10.00"),
        ("total in [300]", money(30_000), "None"),
        ("total is known", money(30_000), "None"),
        (
            "mean >= 300",
            Column("ratio", np.array([60_001]), divisor=np.array([2]), exponent=2),
            "1/200",
        ),
        ("share >= 0.5", Column("ratio", np.array([1]), divisor=np.array([3])), "-1/6"),
        ("number > 2.5", Column("int", np.array([4])), "3/2"),
        ("number > 2", Column("int", np.array([4])), "2"),
        ("spread > 0.5", Column("float", np.array([0.75])), "0.25"),
        ('day >= "1970-01-11"', Column("date", np.array([3])), "-7"),
        ('moment >= "1970-01-02T00:00:00Z"', Column("instant", np.array([0])), "-1"),
        ('moment >= "1970-01-01T12:00:00Z"', Column("instant", np.array([0])), "-1/2"),
        ('tier >= "gold"', Column("label", np.array([0]), categories=TIERS), "None"),
        ("flag", Column("bool", np.array([True])), "None"),
        ("number > 2", Column("int", np.array([4]), np.array([False])), "None"),
        (
            "total between 300 and 500",
            Column("money", np.array([4]), np.array([False]), exponent=2),
            "None",
        ),
        ('share >= "0.5"', Column("ratio", np.array([1]), divisor=np.array([3])), "-1/6"),
    ],
)
def test_the_margin_is_in_the_unit_of_the_field(text: str, column: Column, margin: str) -> None:
    bound = bound_of(text)
    (name,) = fields_of(bound)
    assert str(explain(bound, {name: column}, 0).margin) == margin


def test_personal_values_are_shown_nowhere() -> None:
    bound = bound_of("days_between(birthday, day) > 7 or birthday > day")
    given = columns(birthday=Column("date", np.array([3])), day=Column("date", np.array([5])))
    for trace in explain(bound, given, 0).terms:
        assert trace.truth is False
        assert trace.hidden
        assert (trace.value, trace.margin) == (None, None)
        assert all(
            one.hidden and one.value is None for one in trace.inputs if one.name == "birthday"
        )


# --- the smallest change -------------------------------------------------------------------------


def needed(text: str) -> list[tuple[str, str]] | None:
    """Return what would have to change, after putting it through the condition once more."""
    bound = bound_of(text)
    changes = smallest_change(bound, ROW, 0)
    if changes is None:
        return None
    for change in changes:
        assert change.seen == ROW[change.field][0]
    return [(change.field, str(change.needed)) for change in changes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count >= 5", [("count", "5")]),
        ("count > 5", [("count", "6")]),
        ("count < 2", [("count", "1")]),
        ("count <= 1.5", [("count", "1")]),
        ("count == 7", [("count", "7")]),
        ("count != 2", [("count", "1")]),
        ("count in [1, 2]", [("count", "3")]),
        ("not count > 1", [("count", "1")]),
        ("count between 4 and 6", [("count", "4")]),
        ("total > 500", [("total", "500.01")]),
        ("total between above 600 and below 600.02", [("total", "600.01")]),
        ("mean >= 300", [("mean", "300")]),
        ("mean < 166", [("mean", "16599/100")]),
        ("share >= 0.5", [("share", "1/2")]),
        ("spread > 0.5", [("spread", "0.5000000000000001")]),
        ("flag", [("flag", "True")]),
        ('tier >= "silver"', [("tier", "silver")]),
        ('day > "2022-01-31"', [("day", "2022-02-01")]),
        ("number > 3", [("number", "4")]),  # missing so far
        ("count > 5 and total > 1000", [("count", "6"), ("total", "1000.01")]),
        ("count > 5 or flag and total > 1000", [("count", "6")]),
        ("count > 5 and count < 10", [("count", "6")]),
        ("total > refund * 6", [("total", "600.01")]),
        ("refund > total", [("refund", "500.01")]),
        ("divide(total, count, 0) >= 300", [("total", "600.00")]),
        ("divide(total, count, 0) == 300", [("total", "600.00")]),
        ("days_between(day, as_of) < 30", [("day", "2022-03-20")]),
        ("days_between(day, as_of) > 365", [("day", "2021-04-17")]),
        ('shift_months(day, 1) > "2022-03-01"', [("day", "2022-02-02")]),
        ("band(count, 0: 1, 5: 2, 9: 3) == 3", [("count", "9")]),
        ('moment > "1970-01-02T00:00:00Z"', [("moment", "1970-01-02 00:00:00.000001+00:00")]),
        ("mean > total", [("mean", "50001/100")]),
        ("number == count", [("number", "2")]),
        ('tier == case(flag: "gold", else: "silver")', [("tier", "silver")]),
        ("case(flag: total, else: 0) > 600", [("flag", "True"), ("total", "600.01")]),
        ("case(count > 9: 1, else: 0) == 1", [("count", "10")]),
        ("total + 1 == 10.00", [("total", "9.00")]),
        ("total + 1 between 10.00 and 11.00", [("total", "10.00")]),
        ("total * 2 between 10.00 and 11.00", [("total", "5.50")]),
        ("(total + 1) in [10.00]", [("total", "9.00")]),
        ("(total + 1) not in [501.00]", [("total", "499.99")]),
        ("divide(total, count, 0) between 50.00 and below 60.00", [("total", "119.99")]),
        ('days_between(day, "2024-01-01") between 30 and 40', [("day", "2023-11-22")]),
        ("case(count > 3: count, else: 0) in [7]", [("count", "7")]),
        ('days_between(moment, "1970-03-01") == 30', [("moment", "1970-01-29 16:00:00+00:00")]),
        ('(share + 0) in ["0.5"]', [("share", "1/2")]),
        ('town == "y"', [("town", "y")]),
        ('town in ["y", "z"]', [("town", "y")]),
        ('town == case(flag: "a", else: "b")', [("town", "b")]),
        ("total > 600 and count > personal", None),
        ("count > personal or total > 600", [("total", "600.01")]),
    ],
)
def test_the_smallest_change(text: str, expected: list[tuple[str, str]] | None) -> None:
    assert needed(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "total > total + 1",
        "count < 0",  # there is no such count
        'city == "y"',  # personal
        'town != "x"',  # other text is not made up
        "count > personal",  # where that turns would tell it
        "case(personal > 9: total, else: 0) > 600",
        "divide(total, personal, unknown) is unknown",
        "days_between(birthday, as_of) < 30",  # personal
        'as_of > "2024-01-01T00:00:00Z"',
        "last_evaluated_at is known",
    ],
)
def test_where_nothing_does_there_is_no_change(text: str) -> None:
    row = {**ROW, "last_evaluated_at": Column("instant", np.array([0]), np.array([False]))}
    assert smallest_change(bound_of(text), row, 0) is None


def test_a_change_is_of_the_row_asked_for() -> None:
    count = Column("int", np.array([9, 2]))
    (change,) = smallest_change(bound_of("count >= 5"), {"count": count}, 1) or ()
    assert (change.seen, change.needed) == (2, 5)


def test_a_field_at_the_end_of_its_range_moves_the_other_way() -> None:
    given = {"count": Column("int", np.array([0]))}
    (change,) = smallest_change(bound_of("count * 2 > 5"), given, 0) or ()
    assert change.needed == 3


def test_the_search_has_an_end() -> None:
    fields = {f"n{at}": FieldType("int") for at in range(12)}
    given = {name: Column("int", np.array([0])) for name in fields}
    for count, found in [(8, True), (12, False)]:
        bound, _ = bind(
            parse(" and ".join(f"{name} > 1" for name in [*fields][:count])), fields, "x"
        )
        assert bound is not None
        assert (smallest_change(bound, given, 0) is not None) == found


def test_a_change_turns_the_condition() -> None:
    text = 'flag and count > 4 and total > 600 and tier == "gold" and mean > 300'
    bound = bound_of(text)
    changes = smallest_change(bound, ROW, 0)
    assert changes is not None
    assert [change.field for change in changes] == ["flag", "count", "total", "tier", "mean"]
    changed = {
        **ROW,
        "flag": Column("bool", np.array([True])),
        "count": Column("int", np.array([changes[1].needed])),
        "total": Column("money", np.array([60_001]), exponent=2),
        "tier": Column("label", np.array([2]), categories=TIERS),
        "mean": Column("ratio", np.array([30_001]), divisor=np.array([1]), exponent=2),
    }
    assert [str(change.needed) for change in changes] == [
        "True",
        "5",
        "600.01",
        "gold",
        "30001/100",
    ]
    assert evaluate(bound, changed, 1)[0] is True
