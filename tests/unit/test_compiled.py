"""One customer: plain Python values, what is refused, and what is not looked at."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import crmcore as crm
from crmcore.calendars import zone
from crmcore.columns import Column
from crmcore.conditions import FieldType, Rule, compile_condition
from crmcore.conditions.typed.bound import COMPARE
from crmcore.errors import DataError, PolicyError

TIERS = ("bronze", "silver", "gold")
FIELDS = {
    "count": FieldType("int", low=-5, high=100),
    "other": FieldType("int"),
    "total": FieldType("money", 2, low=0, high=10**6),
    "mean": FieldType("ratio", 2, low=0, high=10**6, divisor=7),
    "spread": FieldType("float"),
    "blocked": FieldType("bool"),
    "bought_on": FieldType("date"),
    "seen_at": FieldType("instant"),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "tier_before": FieldType("label", categories=TIERS, ordered=True),
    "channel": FieldType("label"),
    "city": FieldType("text"),
}
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


def holds(text: str, **row: Any) -> bool | None:
    return compile_condition(text, FIELDS, zone("Asia/Shanghai"))(row)


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize(
    ("name", "literal", "below", "at", "above"),
    [
        ("count", "3", 2, 3, 4),
        ("total", "3", Decimal("2.99"), Decimal("3.00"), Decimal("3.01")),
        ("mean", "0.5", Fraction(49, 100), Fraction(1, 2), Fraction(51, 100)),
        ("spread", "0.5", 0.4, 0.5, float("inf")),
        ("bought_on", '"2024-02-29"', date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)),
        (
            "seen_at",
            '"2024-02-29T12:00:00Z"',
            NOON - timedelta(microseconds=1),
            NOON.astimezone(timezone(timedelta(hours=8))),
            NOON + timedelta(microseconds=1),
        ),
        ("tier", '"silver"', "bronze", "silver", "gold"),
    ],
)
def test_both_sides_of_an_edge(
    op: str, name: str, literal: str, below: Any, at: Any, above: Any
) -> None:
    expected = {
        "==": (False, True, False),
        "!=": (True, False, True),
        "<": (True, False, False),
        "<=": (True, True, False),
        ">": (False, False, True),
        ">=": (False, True, True),
    }[op]
    rule = compile_condition(f"{name} {op} {literal}", FIELDS)
    assert tuple(rule({name: value}) for value in (below, at, above)) == expected
    nans = (float("nan"), np.float32("nan"), np.float64("nan"), Decimal("NaN"), Decimal("sNaN"))
    for missing in (None, *nans):
        assert rule({name: missing}) is None


class NotATime(datetime):
    """Like the NaT of pandas: a datetime that is not equal to itself."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_a_missing_time_of_a_data_frame_is_missing() -> None:
    assert holds('seen_at > "2024-01-01T00:00:00Z"', seen_at=NotATime(2024, 1, 1)) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count > 3", True),
        ("count > 3", 4.0),
        ("count > 3", "4"),
        ("count > 3", np.int64(4)),
        ("count in [3]", True),
        ("total > 3", 4),
        ("total > 3", 4.0),
        ("total > 3", Decimal("Infinity")),
        ("mean > 3", Decimal(4)),
        ("spread > 3", 4),
        ("blocked", 1),
        ('bought_on > "2024-01-01"', NOON),
        ('bought_on > "2024-01-01"', "2024-02-01"),
        ('seen_at > "2024-01-01T00:00:00Z"', date(2024, 2, 1)),
        ('seen_at > "2024-01-01T00:00:00Z"', datetime(2024, 2, 1)),
        ('seen_at > "2024-01-01T00:00:00Z"', datetime.min.replace(tzinfo=ZoneInfo("Asia/Tokyo"))),
        ('tier == "gold"', 2),
        ('tier > "bronze"', 2),
        ('tier > "bronze"', "diamond"),
        ("tier == tier_before", "diamond"),
        ('city == "Bonn"', b"Bonn"),
        ("count is known", "4"),
    ],
)
def test_a_value_of_another_type_is_refused_without_telling_it(text: str, value: Any) -> None:
    name = text.split()[0]
    row = {"tier_before": "gold", name: value}
    with pytest.raises(DataError) as caught:
        compile_condition(text, FIELDS)(row)
    assert caught.value.column == name
    assert "diamond" not in str(caught.value)


def test_a_label_nobody_declared_is_only_not_equal() -> None:
    assert holds('tier == "gold"', tier="diamond") is False
    assert holds('tier not in ["gold"]', tier="diamond") is True
    assert holds('channel != "web"', channel="fair") is True


class Level(IntEnum):
    LOW = 2
    HIGH = 4


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
def test_an_int_by_another_name_is_an_int(op: str) -> None:
    for level in Level:
        assert holds(f"count {op} 4", count=level) is COMPARE[op](int(level), 4)


class Tier(str, Enum):  # noqa: UP042  # a StrEnum is its own text
    SILVER = "silver"
    GOLD = "gold"


@pytest.mark.parametrize("kind", [str, np.str_, Tier])
def test_a_label_by_another_name_is_that_label(kind: Any) -> None:
    gold = kind("gold")
    for text in ('tier == "gold"', 'tier in ["gold"]', 'tier > "silver"', 'tier != "silver"'):
        assert holds(text, tier=gold) is True
    assert holds("tier > tier_before", tier=gold, tier_before=kind("silver")) is True
    assert holds('tier < "gold"', tier=gold) is False
    assert holds('city in ["gold"]', city=gold) is True
    assert holds('case(count > 0: city, else: "x") == "gold"', city=gold, count=1) is True


def test_subclasses_of_a_type_are_taken() -> None:
    assert holds("spread > 0.5", spread=np.float64(0.6)) is True
    assert holds('city == "Bonn"', city=np.str_("Bonn")) is True


def test_a_field_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="no such field") as caught:
        holds("blocked or count > 3", blocked=False)
    assert caught.value.column == "count"
    # What is decided already asks no more.
    assert holds("blocked or count > 3", blocked=True) is True
    assert holds("blocked and count > 3", blocked=False) is False


@pytest.mark.parametrize(
    ("text", "field", "inside", "outside"),
    [
        ("count + 1 > 0", "count", (-5, 100), (-6, 101)),
        ("total * 2 > 0", "total", (Decimal(0), Decimal(10_000)), (Decimal("10000.01"),)),
        ("mean + mean > 0", "mean", (Fraction(10**6, 700),), (Fraction(1, 800), Fraction(10**5))),
        (
            'shift_days(bought_on, 0) > "2000-01-01"',
            "bought_on",
            (date(1677, 1, 1), date.max),
            (date(1676, 12, 31),),
        ),
        (
            "days_between(seen_at, seen_at) == 0",
            "seen_at",
            (NOON,),
            (datetime(1676, 12, 31, tzinfo=UTC),),
        ),
    ],
)
def test_what_takes_part_in_a_calculation_keeps_to_its_domain(
    text: str, field: str, inside: tuple[Any, ...], outside: tuple[Any, ...]
) -> None:
    for value in inside:
        assert holds(text, **{field: value}) is not None
    for value in outside:
        with pytest.raises(DataError, match="outside") as caught:
            holds(text, **{field: value})
        assert caught.value.column == field
    # Without a calculation any value will do.
    assert holds("count == other", count=2**70, other=2**70) is True


@pytest.mark.parametrize("text", ["total > 1", "total in [1]", "total + 1 > 1", "total is known"])
@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("1.005", "more digits"),
        ("1E-3000000", "more digits"),
        ("1E+3000000", "64 bits"),  # not written out first, which takes long
        ("1E+18", "64 bits"),
        ("9" * 100_000 + ".00", "64 bits"),
    ],
)
def test_what_is_no_amount_is_refused_wherever_it_is_read(
    text: str, amount: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        holds(text, total=Decimal(amount))
    assert caught.value.column == "total"


@pytest.mark.parametrize("amount", ["3", "3.0", "3.00000", "0.3E1", "300E-2"])
def test_an_amount_may_be_written_in_any_way(amount: str) -> None:
    for text in ("total == 3", "total in [3]", "total + 1 == 4"):
        assert holds(text, total=Decimal(amount)) is True
    assert holds("total + 1 == 1", total=Decimal("0E-3000000")) is True


def test_what_is_explained_keeps_to_its_domain_too() -> None:
    rule = compile_condition("a * b > 0", {"a": FieldType("int"), "b": FieldType("int")})
    far = Column("int", np.array([3, 2**40]))
    assert rule.explain({"a": far, "b": far}, 0).value == 9
    with pytest.raises(DataError, match="outside") as caught:
        rule.explain({"a": far, "b": far}, 1)
    assert caught.value.column == "a"


def test_columns_outside_the_domain_are_refused_with_a_count() -> None:
    rule = compile_condition("count + 1 > 0", FIELDS)
    known = np.array([True, True, False, True])
    column = Column("int", np.array([101, 3, 2**62, -6]), known)
    with pytest.raises(DataError) as caught:
        rule.holds_in({"count": column}, 4)
    assert (caught.value.column, caught.value.count) == ("count", 2)
    mean = Column("ratio", np.array([1, 1]), None, np.array([7, 8]), 2)
    with pytest.raises(DataError) as caught:
        compile_condition("mean * 2 > 0", FIELDS).holds_in({"mean": mean}, 2)
    assert caught.value.count == 1


def test_in_one_zone_an_hour_that_comes_twice_is_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2024, 10, 27, 2, 30, tzinfo=berlin)
    second = first.replace(fold=1)
    rule = compile_condition("seen_at < as_of", FIELDS)
    assert rule({"seen_at": first, "as_of": second}) is True


def test_a_rule_of_a_policy() -> None:
    policy = crm.presets.load("classic")
    rule = policy.condition('grade >= "gold" and days_between(as_of, as_of) == 0')
    assert rule({"grade": "gold", "as_of": NOON}) is True
    assert repr(rule) == f"Rule({rule.text!r})"
    again = pickle.loads(pickle.dumps(rule))
    assert isinstance(again, Rule)
    assert again({"grade": "silver", "as_of": NOON}) is False
    columns = {"sale_count": Column("int", np.array([1, 9]))}
    assert policy.condition("sale_count > 3").explain(columns, 1).truth is True


def test_every_mistake_of_a_rule_is_told_with_its_place() -> None:
    with pytest.raises(PolicyError) as caught:
        compile_condition('cuont > 1 or\n  tier == "gould"', FIELDS)
    places = [(one.code, one.line, one.column, one.end_column) for one in caught.value.problems]
    assert places == [("unknown_name", 1, 1, 6), ("unknown_label", 2, 11, 18)]
    assert "^^^^^ did you mean 'count'?" in str(caught.value)
    with pytest.raises(PolicyError) as caught:
        compile_condition("count = 1", FIELDS)
    [problem] = caught.value.problems
    assert (problem.code, problem.line, problem.column) == ("condition_syntax", 1, 7)
    with pytest.raises(PolicyError) as caught:
        compile_condition("count >\r\n cuont\r\n", FIELDS)
    assert caught.value.problems[0].source == " cuont"
