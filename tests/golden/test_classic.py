"""The classic grade: the worked example, every class, and every edge one step on either side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from golden.shop import SOURCE

import crmcore as crm

SHANGHAI = ZoneInfo("Asia/Shanghai")
CLASSIC = crm.presets.load("classic")
BY_SUM = crm.load_policy(
    {
        "extends": "classic",
        "name": "classic_by_sum",
        "facts": {"net_sales": {"of": "sale", "take": "sum", "in": "period"}},
        "scores": {"monetary_points": {"fact": "net_sales"}},
    }
)
NAMES = ("order_id", "customer_id", "placed_at", "amount", "status")
MICROSECOND = timedelta(microseconds=1)

Sales = list[tuple[datetime, Decimal]]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=SHANGHAI)


def sales(last: date, count: int, total: str) -> Sales:
    """So many sales, the last one on that day, one noon before the other, of that total."""
    amounts = [Decimal("0.01")] * (count - 1)
    amounts.append(Decimal(total) - sum(amounts))
    return [(noon(last - timedelta(days=row)), amount) for row, amount in enumerate(amounts)]


def by_table(policy: crm.Policy, given: Sales, as_of: date, **more: Any) -> dict[str, Any]:
    rows = [(row, "C1", at, amount, "paid") for row, (at, amount) in enumerate(given)]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=NAMES)
    return crm.evaluate(policy, orders, as_of=as_of, **more)["C1"]


def by_models(policy: crm.Policy, given: Sales, as_of: date, **more: Any) -> dict[str, Any]:
    orders = [
        crm.Order(order_id=row, customer_id="C1", placed_at=at, amount=amount, status="paid")
        for row, (at, amount) in enumerate(given)
    ]
    customer = crm.Customer(customer_id="C1")
    return crm.evaluate_customer(policy, customer, orders, as_of=as_of, **more)["C1"]


def by_facts(policy: crm.Policy, given: Sales, as_of: date, **more: Any) -> dict[str, Any]:
    """By facts worked out here, as somebody's warehouse would."""
    start = noon(as_of.replace(year=as_of.year - 1)).replace(hour=0)
    inside = [(at, amount) for at, amount in given if at >= start]
    total = sum(amount for _, amount in inside)
    facts = {
        "customer_id": ["C1"],
        "last_sale_on": [max(at for at, _ in inside).date()],
        "sale_count": [len(inside)],
        "mean_sale": [int(total * 100)],
        "mean_sale.divisor": [len(inside)],
        "net_sales": [total],
        "order_count": [len(inside)],
        "orders_ever": [len(given)],
        "first_order_at": [min(at for at, _ in given)],
        "blocked": [False],
    }
    return crm.evaluate_facts(policy, facts, as_of=as_of, **more)["C1"]


ROUTES = pytest.mark.parametrize("route", [by_table, by_models, by_facts])
Route = Callable[..., dict[str, Any]]


# The worked example


def example() -> tuple[Sales, date]:
    """Last sale two months ago, 5 sales, mean sale value 300 yuan."""
    return sales(date(2025, 4, 30), 5, "1500.00"), date(2025, 6, 30)


@ROUTES
def test_the_worked_example_is_24_points_and_silver(route: Route) -> None:
    given, as_of = example()
    result = route(CLASSIC, given, as_of)
    points = [result[f"{name}_points"] for name in ("recency", "frequency", "monetary")]
    assert points == [4, 4, 2]
    assert (result["score"], result["grade"], result["class"]) == (24, "silver", "silver")
    assert result["mean_sale"] == Fraction(300)


@ROUTES
def test_the_worked_example_by_sum_is_32_points_and_gold(route: Route) -> None:
    given, as_of = example()
    result = route(BY_SUM, given, as_of)
    points = [result[f"{name}_points"] for name in ("recency", "frequency", "monetary")]
    assert points == [4, 4, 4]
    assert (result["score"], result["grade"], result["class"]) == (32, "gold", "gold")
    assert result["net_sales"] == Decimal("1500.00")


def test_the_scheme_is_meant_for_larger_shops_and_says_so() -> None:
    rows = [(1, "C1", noon(date(2025, 6, 1)), "300.00", "paid")]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=NAMES)
    result = crm.evaluate(CLASSIC, orders, as_of=date(2025, 6, 30))
    found = [finding for finding in result.findings if finding.code == "scheme_condition_not_met"]
    assert [finding.count for finding in found] == [1]
    assert result["C1"]["class"] == "bronze"  # graded all the same: 5 + 3 + 8 = 16


def test_only_customers_who_have_ordered_count_for_the_scheme() -> None:
    # C2 orders a year later: as of June 2025 there is one ordering customer.
    rows = [
        (1, "C1", noon(date(2025, 6, 1)), "300.00", "paid"),
        (2, "C2", noon(date(2026, 6, 1)), "300.00", "paid"),
    ]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=NAMES)
    result = crm.evaluate(CLASSIC, orders, as_of=date(2025, 6, 30))
    assert result["C2"]["class"] == "non_ordering"
    found = {finding.code: finding.count for finding in result.findings}
    assert found["scheme_condition_not_met"] == 1


@pytest.mark.parametrize(("minimum", "is_met"), [(1, True), (2, False), (3, False)])
def test_the_scheme_wants_more_customers_than_its_number(minimum: int, is_met: bool) -> None:
    small = {"extends": "classic", "name": "small", "notes": {"minimum_customers": minimum}}
    rows = [(row, row, noon(date(2025, 6, 1)), "300.00", "paid") for row in (1, 2)]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=NAMES)
    result = crm.evaluate(crm.load_policy(small), orders, as_of=date(2025, 6, 30))
    codes = {finding.code for finding in result.findings}
    assert ("scheme_condition_not_met" not in codes) is is_met


# R


@ROUTES
@pytest.mark.parametrize(
    ("as_of", "day", "points"),
    [
        # An ordinary day.
        (date(2025, 6, 15), date(2025, 6, 15), 5),
        (date(2025, 6, 15), date(2025, 5, 15), 5),
        (date(2025, 6, 15), date(2025, 5, 14), 4),
        (date(2025, 6, 15), date(2025, 3, 15), 4),
        (date(2025, 6, 15), date(2025, 3, 14), 3),
        (date(2025, 6, 15), date(2025, 2, 15), 3),
        (date(2025, 6, 15), date(2025, 2, 14), 2),
        (date(2025, 6, 15), date(2024, 11, 15), 2),
        (date(2025, 6, 15), date(2024, 11, 14), 1),
        (date(2025, 6, 15), date(2024, 6, 15), 1),
        # 31 March: one month before is 28 February, four months before 30 November.
        (date(2025, 3, 31), date(2025, 2, 28), 5),
        (date(2025, 3, 31), date(2025, 2, 27), 4),
        (date(2025, 3, 31), date(2024, 12, 31), 4),
        (date(2025, 3, 31), date(2024, 12, 30), 3),
        (date(2025, 3, 31), date(2024, 11, 30), 3),
        (date(2025, 3, 31), date(2024, 11, 29), 2),
        (date(2025, 3, 31), date(2024, 8, 31), 2),
        (date(2025, 3, 31), date(2024, 8, 30), 1),
        (date(2025, 3, 31), date(2024, 3, 31), 1),
        # 31 March of a leap year.
        (date(2024, 3, 31), date(2024, 2, 29), 5),
        (date(2024, 3, 31), date(2024, 2, 28), 4),
        # 30 September: seven months before is 29 February or the last day of February.
        (date(2024, 9, 30), date(2024, 2, 29), 2),
        (date(2024, 9, 30), date(2024, 2, 28), 1),
        (date(2025, 9, 30), date(2025, 2, 28), 2),
        (date(2025, 9, 30), date(2025, 2, 27), 1),
    ],
)
def test_recency_counts_calendar_months(route: Route, as_of: date, day: date, points: int) -> None:
    result = route(CLASSIC, sales(day, 1, "1.00"), as_of)
    assert result["recency_points"] == points
    assert result["score"] == points + 3 + 4


@pytest.mark.parametrize(
    ("as_of", "edge"),
    [
        (date(2025, 6, 15), date(2024, 6, 15)),
        (date(2025, 2, 28), date(2024, 2, 28)),
        (date(2024, 2, 29), date(2023, 2, 28)),
        (date(2025, 3, 31), date(2024, 3, 31)),
    ],
)
@pytest.mark.parametrize("route", [by_table, by_models])
def test_exactly_one_year_ago_belongs_and_a_day_earlier_does_not(
    route: Route, as_of: date, edge: date
) -> None:
    at_edge = route(CLASSIC, sales(edge, 1, "1.00"), as_of)
    assert (at_edge["recency_points"], at_edge["class"]) == (1, "bronze")
    before = route(CLASSIC, sales(edge - timedelta(days=1), 1, "1.00"), as_of)
    assert (before["recency_points"], before["score"], before["class"]) == (None, None, "no_order")


@pytest.mark.parametrize("route", [by_table, by_models])
def test_the_period_begins_at_midnight_in_shanghai(route: Route) -> None:
    # 31 March 2024, 00:00 in Shanghai is 16:00 of the day before in UTC.
    start = datetime(2024, 3, 30, 16, tzinfo=UTC)
    as_of = date(2025, 3, 31)
    assert route(CLASSIC, [(start, Decimal(1))], as_of)["class"] == "bronze"
    assert route(CLASSIC, [(start - MICROSECOND, Decimal(1))], as_of)["class"] == "no_order"


@pytest.mark.parametrize("route", [by_table, by_models])
def test_the_period_ends_with_the_last_microsecond_in_shanghai(route: Route) -> None:
    end = datetime(2025, 3, 31, 16, tzinfo=UTC)
    as_of = date(2025, 3, 31)
    assert route(CLASSIC, [(end - MICROSECOND, Decimal(1))], as_of)["recency_points"] == 5
    assert route(CLASSIC, [(end, Decimal(1))], as_of)["class"] == "non_ordering"


@pytest.mark.parametrize("route", [by_table, by_models])
def test_a_month_begins_at_midnight_in_shanghai(route: Route) -> None:
    # One month before 31 March is 28 February, which begins at 16:00 UTC on the 27th.
    start = datetime(2025, 2, 27, 16, tzinfo=UTC)
    as_of = date(2025, 3, 31)
    assert route(CLASSIC, [(start, Decimal(1))], as_of)["recency_points"] == 5
    assert route(CLASSIC, [(start - MICROSECOND, Decimal(1))], as_of)["recency_points"] == 4


@pytest.mark.parametrize("route", [by_table, by_models])
def test_as_of_an_instant_counts_the_local_day_and_nothing_later(route: Route) -> None:
    # 16:30 UTC on 14 March is already the 15th in Shanghai: 15 February scores 5.
    as_of = datetime(2025, 3, 14, 16, 30, tzinfo=UTC)
    given: Sales = [(noon(date(2025, 2, 15)), Decimal(1)), (as_of + MICROSECOND, Decimal(1))]
    result = route(CLASSIC, given, as_of)
    assert (result["recency_points"], result["sale_count"]) == (5, 1)
    assert route(CLASSIC, [(as_of, Decimal(1))], as_of)["sale_count"] == 1


# F


@ROUTES
@pytest.mark.parametrize(
    ("count", "points"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 5), (7, 5), (40, 5)]
)
def test_frequency_counts_sales(route: Route, count: int, points: int) -> None:
    result = route(CLASSIC, sales(date(2025, 6, 15), count, "10.00"), date(2025, 6, 15))
    assert result["frequency_points"] == points
    assert result["score"] == 5 + 3 * points + 4


# M


@ROUTES
@pytest.mark.parametrize(
    ("count", "total", "points"),
    [
        (1, "0.01", 1),
        (1, "299.99", 1),
        (1, "300.00", 2),
        (1, "499.99", 2),
        (1, "500.00", 3),
        (1, "999.99", 3),
        (1, "1000.00", 4),
        (1, "1999.50", 4),
        (1, "1999.99", 4),
        (1, "2000.00", 5),
        # Means that no minor unit can express are not rounded.
        (3, "899.99", 1),
        (3, "900.00", 2),
        (3, "900.01", 2),
        (7, "13999.99", 4),
        (7, "14000.00", 5),
    ],
)
def test_mean_sale_value_is_exact(route: Route, count: int, total: str, points: int) -> None:
    result = route(CLASSIC, sales(date(2025, 6, 15), count, total), date(2025, 6, 15))
    assert result["mean_sale"] == Fraction(total) / count
    assert result["monetary_points"] == points


def test_returns_may_bring_the_mean_below_nothing() -> None:
    day = noon(date(2025, 6, 1))
    given: Sales = [(day, Decimal("1.00")), (day, Decimal("-5.00"))]
    result = by_table(CLASSIC, given, date(2025, 6, 15))
    assert (result["mean_sale"], result["monetary_points"]) == (Fraction(-4), 1)
    assert result["class"] == "bronze"


# Grades

DAYS = {5: date(2025, 6, 1), 4: date(2025, 4, 1), 3: date(2025, 3, 1), 2: date(2025, 1, 1)}
DAYS[1] = date(2024, 9, 1)
COUNTS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6}
MEANS = {1: 1, 2: 300, 3: 500, 4: 1000, 5: 2000}


@ROUTES
@pytest.mark.parametrize(
    ("points", "score", "grade"),
    [
        ((1, 1, 1), 8, "bronze"),
        ((1, 1, 3), 16, "bronze"),
        ((2, 1, 3), 17, "silver"),
        ((5, 4, 2), 25, "silver"),
        ((3, 5, 2), 26, "gold"),
        ((3, 4, 5), 35, "gold"),
        ((4, 4, 5), 36, "platinum"),
        ((5, 5, 5), 40, "platinum"),
    ],
)
def test_grade_edges(route: Route, points: tuple[int, int, int], score: int, grade: str) -> None:
    r, f, m = points
    given = sales(DAYS[r], COUNTS[f], str(COUNTS[f] * MEANS[m]))
    result = route(CLASSIC, given, date(2025, 6, 15))
    assert (result["score"], result["grade"], result["class"]) == (score, grade, grade)


# Classes

EVALUATED = noon(date(2025, 1, 1))
LONG_AGO, RECENT = noon(date(2023, 5, 1)), noon(date(2025, 5, 1))
CLASS_ROWS: dict[str, list[tuple[datetime, str, str]]] = {
    "non_ordering": [],
    "malicious": [(LONG_AGO, "1.00", "paid")],
    "new": [(RECENT, "1.00", "paid")],
    "no_order": [(LONG_AGO, "1.00", "paid")],
    "no_sale": [(LONG_AGO, "1.00", "paid"), (RECENT, "1.00", "cancelled")],
    "bronze": [(LONG_AGO, "1.00", "paid"), (RECENT, "1.00", "paid")],
    "silver": [(LONG_AGO, "1.00", "paid"), (RECENT, "500.00", "paid")],
    "gold": [(LONG_AGO, "1.00", "paid"), (RECENT, "2000.00", "paid")],
    "platinum": [(LONG_AGO, "1.00", "paid"), *[(RECENT, "2000.00", "paid")] * 6],
}


def classes(
    rows: dict[str, list[tuple[datetime, str, str]]],
    blocked: dict[str, bool],
    last: datetime | None = EVALUATED,
) -> dict[str, Any]:
    every = [(customer, *row) for customer, given in rows.items() for row in given]
    orders = crm.OrderTable.from_rows(
        [(number, *row) for number, row in enumerate(every)], SOURCE, columns=NAMES
    )
    customers = crm.CustomerTable.from_arrays(
        {"customer_id": list(rows), "blocked": [blocked.get(name, False) for name in rows]}
    )
    result = crm.evaluate(
        CLASSIC, orders, customers, as_of=date(2025, 6, 15), last_evaluated_at=last
    )
    return {name: result[name]["class"] for name in rows}


def test_every_class_of_the_tree() -> None:
    # Platinum: R 4 (1 May), F 5, M 5 = 4 + 15 + 20 = 39. Gold: 4 + 3 + 20 = 27.
    # Silver: 4 + 3 + 12 = 19. Bronze: 4 + 3 + 4 = 11.
    assert classes(CLASS_ROWS, {"malicious": True}) == {name: name for name in CLASS_ROWS}


def test_without_a_last_evaluation_nobody_is_new() -> None:
    found = classes(CLASS_ROWS, {"malicious": True}, last=None)
    assert found["new"] == "bronze"
    assert {name for name in found if found[name] != name} == {"new"}


@pytest.mark.parametrize(
    ("rows", "blocked", "expected"),
    [
        ([], True, "non_ordering"),
        ([(RECENT, "1.00", "paid")], True, "malicious"),
        ([(RECENT, "1.00", "cancelled")], False, "new"),
        ([(EVALUATED, "1.00", "paid")], False, "bronze"),
        ([(EVALUATED + MICROSECOND, "1.00", "paid")], False, "new"),
        ([(LONG_AGO, "1.00", "cancelled")], False, "no_order"),
        ([(LONG_AGO, "1.00", "paid"), (RECENT, "0.00", "paid")], False, "no_sale"),
        ([(LONG_AGO, "1.00", "paid"), (RECENT, "1.00", "placed")], False, "no_sale"),
        ([(LONG_AGO, "1.00", "paid"), (RECENT, "1.00", "returned")], False, "no_sale"),
        # A return alone is no order of any kind.
        ([(LONG_AGO, "1.00", "paid"), (RECENT, "-1.00", "paid")], False, "no_order"),
        ([(RECENT, "-1.00", "paid")], False, "non_ordering"),
        # Nobody has ordered before the order of next year.
        ([(noon(date(2026, 1, 1)), "1.00", "paid")], False, "non_ordering"),
    ],
)
def test_the_first_class_that_holds(
    rows: list[tuple[datetime, str, str]], blocked: bool, expected: str
) -> None:
    assert classes({"C1": rows}, {"C1": blocked})["C1"] == expected


def test_points_that_cannot_be_known_are_missing() -> None:
    result = by_table(CLASSIC, [(LONG_AGO, Decimal(1))], date(2025, 6, 15))
    assert result["class"] == "no_order"
    for name in ("recency_points", "frequency_points", "monetary_points", "score", "grade"):
        assert result[name] is None
