"""The reference, checked by cases worked out by hand.

Money is in fen (minor units): 30000 is 300 yuan. Where nothing else is said an order is placed at
noon in Shanghai (UTC+8, no summer time), and the evaluation is as of Sunday 30 June 2024, so that
1, 3, 4, 7 months and 1 year before are 30 May, 30 March, 29 February (30 February does not exist),
30 November and 30 June 2023.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import pytest
import reference
from reference import evaluate, prepare

AS_OF = date(2024, 6, 30)
CLASSIC = {
    "zone": "Asia/Shanghai",
    "currency": {"code": "CNY", "exponent": 2},
    "sale_statuses": ["paid", "shipped", "delivered"],
    "windows": {"period": "1 year"},
    "facts": {
        "last_sale_on": {"of": "sale", "take": "last", "in": "period"},
        "sale_count": {"of": "sale", "take": "count", "in": "period"},
        "mean_sale": {"of": "sale", "take": "mean", "in": "period"},
        "net": {"of": "sale", "take": "sum", "in": "period"},
        "order_count": {"of": "order", "take": "count", "in": "period"},
        "orders_ever": {"of": "order", "take": "count"},
        "first_order_at": {"of": "order", "take": "first"},
    },
    "scores": {
        "r": {
            "fact": "last_sale_on",
            "within": [
                ["1 month", 5],
                ["3 months", 4],
                ["4 months", 3],
                ["7 months", 2],
                ["1 year", 1],
            ],
        },
        "f": {"fact": "sale_count", "from": [[1, 1], [2, 2], [3, 3], [4, 4], [6, 5]]},
        "m": {
            "fact": "mean_sale",
            "from": [["0.00", 1], ["300.00", 2], ["500.00", 3], ["1000.00", 4], ["2000.00", 5]],
        },
        "score": {"weights": {"r": 1, "f": 3, "m": 4}},
        "cell": {"cell": ["r", "f", "m"]},
    },
    "grade": {
        "score": "score",
        "from": [[8, "bronze"], [17, "silver"], [26, "gold"], [36, "platinum"]],
    },
    "class": {
        "first": [
            ["orders_ever == 0", "non_ordering"],
            ["blocked", "malicious"],
            ["first_order_at > last_evaluated_at", "new"],
            ["order_count == 0", "no_order"],
            ["sale_count == 0", "no_sale"],
        ],
        "otherwise": "@grade",
    },
}


def instant(text, hour=4):
    """Noon in Shanghai, 04:00 UTC, of a day; or the UTC instant that the text says."""
    if "T" in text:
        return datetime.fromisoformat(text)
    return datetime.fromisoformat(text).replace(hour=hour, tzinfo=UTC)


def order(order_id, day, amount, customer="c", **more):
    return {
        "order_id": order_id,
        "customer_id": customer,
        "placed_at": instant(day),
        "amount": amount,
        **more,
    }


def sales(day, number, total):
    """`number` sales on one day that add up to `total`."""
    rows = [order(n, day, 1) for n in range(number - 1)]
    return [*rows, order(number, day, total - number + 1)]


def one(rows, policy=CLASSIC, as_of=AS_OF, customers=None, **more):
    return evaluate(policy, rows, customers, as_of=as_of, **more)["c"]


def with_facts(facts, **more):
    return {"zone": "Asia/Shanghai", "facts": facts, **more}


def value(rows, spec, name="x", as_of=AS_OF, zone="Asia/Shanghai", windows=None, **more):
    """One declared fact of customer c."""
    policy = {"zone": zone, "windows": windows or {}, "facts": {name: spec}}
    return one(rows, policy, as_of, **more)[name]


# --- the classic scheme -------------------------------------------------------------------------


def test_worked_example_is_24_silver():
    # Last sale two months before (30 April): R 4. Five sales: F 4. 1500.00 / 5 = 300.00: M 2.
    # 1*4 + 3*4 + 4*2 = 24.
    rows = [order(n, f"2024-0{n}-15", 30000) for n in range(1, 5)]
    rows.append(order(5, "2024-04-30", 30000))
    found = one(rows)
    assert (found["r"], found["f"], found["m"]) == (4, 4, 2)
    assert found["score"] == 24
    assert found["cell"] == 442
    assert found["grade"] == found["class"] == "silver"
    assert found["mean_sale"] == Fraction(30000)
    assert found["net"] == 150000


@pytest.mark.parametrize(
    ("day", "points"),
    [
        ("2024-06-30", 5),
        ("2024-05-30", 5),
        ("2024-05-29", 4),
        ("2024-03-30", 4),
        ("2024-03-29", 3),
        ("2024-02-29", 3),
        ("2024-02-28", 2),
        ("2023-11-30", 2),
        ("2023-11-29", 1),
        ("2023-06-30", 1),  # exactly one year ago
        ("2023-06-29", None),  # the day before: outside the period
    ],
)
def test_recency_edges(day, points):
    found = one([order(1, day, 30000)])
    assert found["r"] == points
    assert found["class"] == ("no_order" if points is None else found["grade"])


@pytest.mark.parametrize(
    ("number", "points"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (6, 5), (7, 5)]
)
def test_frequency_edges(number, points):
    assert one(sales("2024-06-01", number, 100000))["f"] == points


@pytest.mark.parametrize(
    ("number", "total", "points"),
    [
        (1, 1, 1),
        (1, 29999, 1),
        (1, 30000, 2),
        (1, 49999, 2),
        (1, 50000, 3),
        (1, 99999, 3),
        (1, 100000, 4),
        (1, 199950, 4),
        (1, 199999, 4),
        (1, 200000, 5),
        (3, 89999, 1),  # a third of 899.99 is under 300.00, however it would be rounded
        (3, 90000, 2),
    ],
)
def test_mean_edges(number, total, points):
    assert one(sales("2024-06-01", number, total))["m"] == points


@pytest.mark.parametrize(
    ("day", "number", "mean", "score", "grade"),
    [
        ("2023-12-01", 1, 29900, 2 + 3 + 4, "bronze"),
        ("2023-07-01", 1, 29900, 8, "bronze"),  # 1 + 3*1 + 4*1, the least there is
        ("2023-07-01", 1, 50000, 16, "bronze"),  # 1 + 3*1 + 4*3
        ("2023-12-01", 1, 50000, 17, "silver"),  # 2 + 3*1 + 4*3
        ("2024-06-01", 4, 30000, 25, "silver"),  # 5 + 3*4 + 4*2
        ("2024-03-01", 6, 30000, 26, "gold"),  # 3 + 3*5 + 4*2
        ("2024-04-01", 6, 100000, 35, "gold"),  # 4 + 3*5 + 4*4
        ("2024-06-01", 6, 100000, 36, "platinum"),  # 5 + 3*5 + 4*4
        ("2024-06-01", 6, 200000, 40, "platinum"),
    ],
)
def test_grade_edges(day, number, mean, score, grade):
    found = one(sales(day, number, number * mean))
    assert (found["score"], found["grade"], found["class"]) == (score, grade, grade)


CLASSES = {
    "non_ordering": [],
    "malicious": [order(1, "2024-06-01", 30000, status="delivered")],
    "new": [order(1, "2024-03-02", 30000, status="delivered")],
    "no_order": [order(1, "2023-06-29", 30000, status="delivered")],
    "no_sale": [order(1, "2023-08-01", 30000, status="cancelled")],
    "bronze": [order(1, "2023-08-01", 100, status="delivered")],
}


@pytest.mark.parametrize("expected", CLASSES)
def test_every_class(expected):
    last = instant("2024-03-01")
    blocked = [{"customer_id": "c", "blocked": expected == "malicious"}]
    found = one(CLASSES[expected], customers=blocked, last_evaluated_at=last)
    assert found["class"] == expected


def test_classes_go_by_the_first_that_holds():
    last = instant("2024-01-01")
    blocked = [{"customer_id": "c", "blocked": True}]
    assert one([], customers=blocked)["class"] == "non_ordering"
    first = [order(1, "2024-06-01", 100, status="cancelled")]
    assert one(first, customers=blocked, last_evaluated_at=last)["class"] == "malicious"
    assert one(first, last_evaluated_at=last)["class"] == "new"
    assert one(first)["class"] == "no_sale"  # without a last evaluation nobody is new


def test_first_order_at_the_last_evaluation_is_not_new():
    rows = [order(1, "2024-06-01", 100)]
    at = instant("2024-06-01")
    assert one(rows, last_evaluated_at=at)["class"] == "bronze"
    assert one(rows, last_evaluated_at=at - timedelta(microseconds=1))["class"] == "new"


def test_order_after_as_of_makes_a_customer_who_has_not_ordered():
    found = one([order(1, "2024-07-01", 100)])
    assert found["orders_ever"] == 0
    assert found["class"] == "non_ordering"


def test_as_of_day_ends_at_its_last_microsecond():
    # Midnight in Shanghai is 16:00 UTC.
    for at, count in [("2024-06-30T15:59:59.999999+00:00", 1), ("2024-06-30T16:00:00+00:00", 0)]:
        assert one([order(1, at, 100)])["orders_ever"] == count


def test_period_starts_with_the_first_microsecond_one_year_ago():
    for at, count in [("2023-06-29T16:00:00+00:00", 1), ("2023-06-29T15:59:59.999999+00:00", 0)]:
        assert one([order(1, at, 100)])["sale_count"] == count


def test_as_of_an_instant():
    rows = [order(1, "2024-06-30", 100)]  # at 04:00 UTC
    assert one(rows, as_of=instant("2024-06-30"))["sale_count"] == 1
    assert one(rows, as_of=instant("2024-06-30", hour=3))["sale_count"] == 0
    with pytest.raises(reference.DataError):
        one(rows, as_of=datetime(2024, 6, 30))


# --- returns ------------------------------------------------------------------------------------

MONEY = with_facts(
    {
        "count": {"of": "sale", "take": "count", "in": "period"},
        "net": {"of": "sale", "take": "sum", "in": "period"},
        "mean": {"of": "sale", "take": "mean", "in": "period"},
        "last_on": {"of": "sale", "take": "last", "in": "period"},
        "orders": {"of": "order", "take": "count", "in": "period"},
        "ordered": {"of": "order", "take": "sum", "in": "period"},
        "returns": {"of": "return", "take": "count", "in": "period"},
        "returned": {"of": "return", "take": "sum", "in": "period"},
    },
    windows={"period": "1 year"},
)


def money(rows, as_of=AS_OF, **more):
    found = one(rows, {**MONEY, **more}, as_of)
    return found["count"], found["net"], found["mean"]


TWO = [order(1, "2024-02-01", 10000), order(2, "2024-03-01", 20000)]


def test_linked_return_reduces_its_sale():
    back = order(3, "2024-04-01", -5000, returns_order_id=2)
    found = one([*TWO, back], MONEY)
    # 100 + (200 - 50) = 250.00 in two sales.
    assert (found["count"], found["net"], found["mean"]) == (2, 25000, Fraction(12500))
    assert found["last_on"] == date(2024, 3, 1)  # a return does not move recency
    assert (found["orders"], found["ordered"]) == (2, 30000)  # nor is it an order
    assert (found["returns"], found["returned"]) == (1, 5000)


def test_fully_returned_sale_is_no_sale():
    back = order(3, "2024-04-01", -20000, returns_order_id=2)
    found = one([*TWO, back], MONEY)
    assert (found["count"], found["net"], found["mean"]) == (1, 10000, Fraction(10000))
    assert found["last_on"] == date(2024, 2, 1)
    assert found["orders"] == 2


def test_over_returned_sale_keeps_its_rest_in_the_sum():
    back = order(3, "2024-04-01", -20001, returns_order_id=2)
    assert money([*TWO, back]) == (1, 9999, Fraction(9999))


def test_unlinked_return_reduces_the_sum_only():
    back = order(3, "2024-04-01", -5000)
    assert money([*TWO, back]) == (2, 25000, Fraction(12500))
    assert money([back]) == (0, -5000, None)


def test_unlinked_return_counts_in_its_own_period():
    # The sale lies before the period that starts on 30 June 2023, its return in it.
    old = order(1, "2023-06-29", 10000)
    assert money([old, order(2, "2023-07-01", -4000)]) == (0, -4000, None)
    assert money([old, order(2, "2023-07-01", -4000, returns_order_id=1)]) == (0, 0, None)


def test_linked_return_reduces_a_sale_of_a_past_period():
    # Calendar year 2023; the return of 2024 reduces the sale of 2023, the unlinked one does not.
    spec = {"of": "sale", "take": "sum", "in": "last_year"}
    windows = {"last_year": {"calendar": "year", "back": 1}}
    rows = [order(1, "2023-12-01", 10000), order(2, "2024-01-05", -4000, returns_order_id=1)]
    assert value(rows, spec, windows=windows) == 6000
    rows = [order(1, "2023-12-01", 10000), order(2, "2024-01-05", -4000)]
    assert value(rows, spec, windows=windows) == 10000


def test_return_after_as_of_has_not_happened():
    back = order(3, "2024-07-01", -20000, returns_order_id=2)
    assert money([*TWO, back]) == (2, 30000, Fraction(15000))
    assert money([*TWO, back], date(2024, 7, 1)) == (1, 10000, Fraction(10000))


def test_return_of_an_order_that_is_no_sale_reduces_nothing():
    rows = [
        order(1, "2024-02-01", 10000, status="cancelled"),
        order(2, "2024-03-01", -10000, status="returned", returns_order_id=1),
        order(3, "2024-03-02", 700, status="paid"),
    ]
    found = one(rows, MONEY)
    assert (found["count"], found["net"], found["returns"]) == (1, 700, 1)


def test_withdrawn_return_does_not_count():
    for status in ("cancelled", "refused"):
        back = order(3, "2024-04-01", -5000, status=status, returns_order_id=2)
        rows = [{**row, "status": "paid"} for row in TWO]
        assert money([*rows, back]) == (2, 30000, Fraction(15000))
        # Withdrawn only later: as of before, it counts.
        back["status_at"] = instant("2024-07-01")
        assert money([*rows, back]) == (2, 25000, Fraction(12500))


def test_link_needs_an_order_of_the_same_customer():
    rows = [
        order(1, "2024-02-01", 10000, customer="other"),
        order(2, "2024-02-01", 10000),
        order(3, "2024-03-01", -10000, returns_order_id=1),
    ]
    _, returns, _, notices = prepare(rows)
    assert returns[0].link is None
    assert notices == Counter(return_link_not_found=1)
    assert money(rows) == (1, 0, Fraction(0))  # 100 - 100 over one sale


def test_anonymous_return_links_to_an_anonymous_order():
    rows = [
        order(1, "2024-02-01", 10000, customer=None),
        order(2, "2024-02-02", -1, customer=math.nan, returns_order_id=1),
    ]
    _, returns, _, notices = prepare(rows)
    assert returns[0].link is not None
    assert notices == Counter(anonymous=2)
    assert evaluate(CLASSIC, rows, as_of=AS_OF) == {}


def test_unlinked_returns_may_be_refused():
    back = order(3, "2024-07-01", -1)
    money([*TWO, back], returns="refuse")  # not yet at the moment
    with pytest.raises(reference.DataError):
        money([*TWO, back], date(2024, 7, 1), returns="refuse")
    linked = order(3, "2024-04-01", -1, returns_order_id=1)
    assert money([*TWO, linked], returns="refuse")[0] == 2
    unknown = order(3, "2024-04-01", -1, customer=None)
    assert money([*TWO, unknown], returns="refuse")[0] == 2


def test_mean_is_net_over_sales_not_the_sum():
    # 1000 + 500 - 300 = 1200.00, over two sales 600.00.
    rows = [
        order(1, "2024-02-01", 100000),
        order(2, "2024-03-01", 50000),
        order(3, "2024-03-02", -30000),
    ]
    assert money(rows) == (2, 120000, Fraction(60000))
    assert one(rows)["m"] == 3


def test_negative_mean_is_below_the_first_edge():
    rows = [order(1, "2024-02-01", 100), order(2, "2024-02-02", -500)]
    found = one(rows)
    assert found["mean_sale"] == Fraction(-400)
    assert found["m"] is found["score"] is found["grade"] is None
    assert found["class"] is None


def test_zero_amount_is_an_order_not_a_sale():
    rows = [order(1, "2024-02-01", 0)]
    assert prepare(rows)[3] == Counter(zero_amount=1)
    assert money(rows) == (0, 0, None)
    assert one(rows)["class"] == "no_sale"


def test_positive_return_is_set_aside():
    for amount in (0, 1):
        rows = [order(1, "2024-02-01", 500), order(2, "2024-02-02", amount, returns_order_id=1)]
        orders, returns, quarantine, notices = prepare(rows)
        assert (len(orders), len(returns)) == (1, 0)
        assert quarantine == Counter(positive_return=1)
        assert not notices


def test_statuses():
    spec = {"of": "sale", "take": "count"}
    for status, count in [
        ("placed", 0),
        ("paid", 1),
        ("shipped", 1),
        ("delivered", 1),
        ("cancelled", 0),
        ("refused", 0),
        ("returned", 0),
    ]:
        rows = [order(1, "2024-02-01", 500, status=status)]
        assert value(rows, spec) == count
        assert value(rows, {"of": "order", "take": "count"}) == 1


def test_what_happens_at_the_moment_itself_has_happened():
    at = instant("2024-06-05")
    tick = timedelta(microseconds=1)
    rows = [
        order(1, "2024-06-01", 500, status="paid", status_at=at),
        order(2, "2024-06-02", 500, status="paid"),
        order(3, "2024-06-05", -200, status="paid", returns_order_id=2),
        order(4, "2024-06-05", 70, status="paid"),
    ]
    net = {"of": "sale", "take": "sum"}
    assert value(rows, net, as_of=at) == 870  # 500 + (500 - 200) + 70
    assert value(rows, net, as_of=at - tick) == 500


def test_sale_statuses_of_the_policy():
    policy = with_facts({"x": {"of": "sale", "take": "count"}}, sale_statuses=["placed"])
    assert one([order(1, "2024-02-01", 500, status="placed")], policy)["x"] == 1
    assert one([order(1, "2024-02-01", 500, status="paid")], policy)["x"] == 0


def test_later_status_is_not_yet_known():
    rows = [
        order(1, "2024-06-01", 500, status="delivered", status_at=instant("2024-07-02")),
        order(2, "2024-06-01", 700, status="delivered", status_at=instant("2024-06-02")),
    ]
    assert value(rows, {"of": "sale", "take": "sum"}) == 700
    assert value(rows, {"of": "sale", "take": "sum"}, as_of=date(2024, 7, 2)) == 1200


# --- facts --------------------------------------------------------------------------------------

# Local days 1, 4, 4, 14 January: gaps 3, 0, 10. Amounts 100, 400, 200, 300.
FOUR = [
    order(1, "2024-01-01", 100, product_id="p", category="x", promotion=None, quantity=1),
    order(2, "2024-01-04", 400, product_id="q", category="x", promotion="spring", quantity=2),
    order(3, "2024-01-04", 200, product_id="p", category=None, promotion="spring", quantity=3),
    order(4, "2024-01-14", 300, product_id="r", category="y", promotion="may", quantity=None),
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"of": "sale", "take": "count"}, 4),
        ({"of": "sale", "take": "sum"}, 1000),
        ({"of": "sale", "take": "mean"}, Fraction(250)),
        ({"of": "sale", "take": "min"}, 100),
        ({"of": "sale", "take": "max"}, 400),
        ({"of": "sale", "take": "median"}, 200),  # the lower of 200 and 300
        # Deviations from 250: -150, -50, 50, 150; squares 50000; over 3.
        ({"of": "sale", "take": "spread"}, math.sqrt(50000 / 3)),
        ({"of": "sale", "take": "median", "field": "gap_days"}, 3),  # 0, 3, 10
        # 3 + 0 + 10 over three gaps.
        ({"of": "sale", "take": "mean", "field": "gap_days"}, Fraction(13, 3)),
        ({"of": "sale", "take": "max", "field": "gap_days"}, 10),
        ({"of": "sale", "take": "sum", "field": "quantity"}, 6),
        ({"of": "sale", "take": "mean", "field": "quantity"}, Fraction(2)),
        ({"of": "sale", "take": "distinct", "field": "product"}, 3),
        ({"of": "sale", "take": "distinct", "field": "category"}, 2),
        ({"of": "sale", "take": "share", "field": "promotion"}, Fraction(3, 4)),
        ({"of": "sale", "take": "share"}, Fraction(3, 4)),
        ({"of": "line", "take": "sum"}, 6),
        ({"of": "line", "take": "sum", "field": "value"}, 1000),
        ({"of": "line", "take": "count"}, 4),
        ({"of": "line", "take": "distinct", "field": "product"}, 3),
        ({"of": "sale", "take": "days_since_first"}, 181),  # 2024: 30 + 29 + 31 + 30 + 31 + 30
        ({"of": "sale", "take": "days_since_last"}, 168),
        ({"of": "sale", "take": "sum", "where": 'promotion == "spring"'}, 600),
        ({"of": "sale", "take": "sum", "where": 'promotion != "spring"'}, 300),  # unknown is no
        ({"of": "sale", "take": "count", "where": "value >= 3.00"}, 2),
        ({"of": "sale", "take": "count", "where": 'value >= "3.00" and quantity is known'}, 1),
    ],
)
def test_takes(spec, expected):
    found = value(FOUR, spec)
    assert found == expected
    assert type(found) is type(expected)


def test_gap_spread_to_the_bit():
    # Gaps sorted 0, 3, 10; mean float(13)/3.
    mean = 13.0 / 3
    total = (0 - mean) ** 2 + (3 - mean) ** 2
    total += (10 - mean) ** 2
    found = value(FOUR, {"of": "sale", "take": "spread", "field": "gap_days"})
    assert found == math.sqrt(total / 2)


def test_first_and_last_by_their_names():
    sale = {"of": "sale", "take": "first"}
    assert value(FOUR, sale, "x_on") == date(2024, 1, 1)
    assert value(FOUR, sale, "x_at") == instant("2024-01-01")
    assert value(FOUR, {"of": "sale", "take": "last"}, "x_on") == date(2024, 1, 14)
    with pytest.raises(reference.PolicyError):
        value(FOUR, sale, "x")


@pytest.mark.parametrize("of", ["order", "sale", "return", "line"])
def test_nothing_there(of):
    for take in ("mean", "min", "max", "median", "spread", "share"):
        assert value([], {"of": of, "take": take}, customers=[{"customer_id": "c"}]) is None
    for take in ("days_since_first", "days_since_last"):
        assert value([], {"of": of, "take": take}, customers=[{"customer_id": "c"}]) is None
    assert value([], {"of": of, "take": "first"}, "x_on", customers=[{"customer_id": "c"}]) is None
    for take in ("count", "sum", "distinct"):
        assert value([], {"of": of, "take": take}, customers=[{"customer_id": "c"}]) == 0


def test_one_value_has_no_spread_and_no_gap():
    rows = FOUR[:1]
    assert value(rows, {"of": "sale", "take": "spread"}) is None
    assert value(rows, {"of": "sale", "take": "median", "field": "gap_days"}) is None


def test_sale_values_are_what_is_left():
    rows = [
        order(1, "2024-01-01", 1000),
        order(2, "2024-01-02", 600),
        order(3, "2024-01-03", -500, returns_order_id=1),
        order(4, "2024-01-04", -100),
    ]
    # Left are 500 and 600; 100 came back without a link.
    assert value(rows, {"of": "sale", "take": "min"}) == 500
    assert value(rows, {"of": "sale", "take": "max"}) == 600
    assert value(rows, {"of": "sale", "take": "median"}) == 500
    assert value(rows, {"of": "sale", "take": "sum"}) == 1000
    assert value(rows, {"of": "sale", "take": "mean"}) == Fraction(500)
    assert value(rows, {"of": "order", "take": "min"}) == 600
    assert value(rows, {"of": "return", "take": "max"}) == 500
    # The condition on a sale looks at what is left: 500 is not over 5.00.
    assert value(rows, {"of": "sale", "take": "sum", "where": "value > 5.00"}) == 600


def test_usual_facts_need_no_declaration():
    names = ["order_count", "net_sales", "days_since_last_sale", "tenure_days", "gap_median_days"]
    policy = with_facts(
        {},
        scores={name: {"fact": name, "from": [[0, 0], [4, 4], [160, 160]]} for name in names[2:]},
        segment={"first": [["order_count == 4 and net_sales == 10.00", "yes"]], "otherwise": "no"},
    )
    policy["scores"] = {f"s_{name}": spec for name, spec in policy["scores"].items()}
    assert one(FOUR, policy) == {
        "s_days_since_last_sale": 160,  # 168
        "s_tenure_days": 160,  # 181
        "s_gap_median_days": 0,  # 3
        "segment": "yes",
    }


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("return_count", "return_count == 0"),
        ("item_count", "item_count == 6"),
        ("mean_sale", "mean_sale == 2.5"),
        ("min_sale", 'min_sale == "1.00"'),
        ("max_sale", "max_sale == 4"),
        ("first_sale_on", 'first_sale_on == "2024-01-01"'),
        ("last_sale_on", 'last_sale_on == "2024-01-14"'),
        ("first_order_at", 'first_order_at == "2024-01-01T04:00:00Z"'),
        ("last_order_on", 'last_order_on == "2024-01-14"'),
        ("gap_spread_days", "gap_spread_days between 5.13 and 5.14"),  # sqrt(158/6) = 5.1316
        ("product_count", "product_count == 3"),
        ("category_count", "category_count == 2"),
        ("promotion_share", "promotion_share == 0.75"),
        ("sale_count", "sale_count == 4"),
    ],
)
def test_the_other_usual_facts(name, condition):
    assert name in reference.CATALOGUE
    policy = with_facts({}, segment={"first": [[condition, "yes"]], "otherwise": "no"})
    assert one(FOUR, policy)["segment"] == "yes"


def test_overflow_when_absolute_amounts_do_not_fit():
    top = 2**63 - 1
    spec = {"of": "sale", "take": "sum"}
    assert value([order(1, "2024-01-01", top)], spec) == top
    rows = [order(1, "2024-01-01", top - 1), order(2, "2024-01-02", -1)]
    assert value(rows, spec) == top - 2
    for amounts in [(top, 1), (top, -1), (1, top)]:
        rows = [order(n, "2024-01-01", amount) for n, amount in enumerate(amounts)]
        for take in ("sum", "mean"):
            with pytest.raises(OverflowError):
                value(rows, {"of": "sale", "take": take})
        assert value(rows, {"of": "order", "take": "count"}) == sum(a >= 0 for a in amounts)
    # Other customers' amounts are no part of the sum.
    rows = [order(1, "2024-01-01", top), order(2, "2024-01-01", top, customer="d")]
    assert value(rows, spec) == top


# --- local days ---------------------------------------------------------------------------------


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_local_day_never_goes_back():
    # St John's, 29 October 2006: at 00:01 (UTC-2:30) the clocks went back to 23:01 of the 28th.
    zone = "America/St_Johns"
    assert reference.day_start(date(2006, 10, 29), zone) == utc("2006-10-29T02:30:00")
    for at, day in [
        ("2006-10-29T02:29:59.999999", 28),
        ("2006-10-29T02:30:00", 29),
        ("2006-10-29T02:31:00", 29),  # the wall shows 23:01 of the 28th
        ("2006-10-29T03:29:59", 29),
        ("2006-10-29T03:30:00", 29),
    ]:
        assert reference.local_day(utc(at), zone) == date(2006, 10, day)
    assert reference.day_start(date(2006, 10, 30), zone) == utc("2006-10-30T03:30:00")


def test_skipped_day_and_skipped_midnight():
    # Apia had no 30 December 2011; Beirut no 00:00 to 01:00 on 31 March 2024.
    start = utc("2011-12-30T10:00:00")
    assert reference.day_start(date(2011, 12, 30), "Pacific/Apia") == start
    assert reference.day_start(date(2011, 12, 31), "Pacific/Apia") == start
    assert reference.local_day(start, "Pacific/Apia") == date(2011, 12, 31)
    start = utc("2024-03-30T22:00:00")
    assert reference.day_start(date(2024, 3, 31), "Asia/Beirut") == start


def test_repeated_day_belongs_to_the_later_date():
    # Sitka went back from +14:58:47 to -9:01:13 when Alaska was sold, at 00:31:13 UTC: from 15:30
    # on 19 October to 15:30 on the 18th. The day already reached stays.
    zone, after = "America/Sitka", utc("1867-10-19T00:31:13")
    assert reference.wall_clock(after, zone) == datetime(1867, 10, 18, 15, 30)
    assert reference.local_day(after, zone) == date(1867, 10, 19)
    assert reference.day_start(date(1867, 10, 19), zone) == utc("1867-10-18T09:01:13")
    assert reference.day_start(date(1867, 10, 20), zone) == utc("1867-10-20T09:01:13")


def test_days_of_23_and_25_hours():
    hours = [
        reference.day_start(date(2024, month, day), "America/New_York")
        for month, day in [(3, 10), (3, 11), (11, 3), (11, 4)]
    ]
    assert hours == [
        utc("2024-03-10T05:00:00"),
        utc("2024-03-11T04:00:00"),
        utc("2024-11-03T04:00:00"),
        utc("2024-11-04T05:00:00"),
    ]
    assert reference.day_end(date(2024, 11, 3), "America/New_York") == utc(
        "2024-11-04T04:59:59.999999"
    )


def test_the_last_day_there_is():
    assert reference.local_day(utc("9999-12-31T20:00:00"), "Asia/Shanghai") == date.max
    assert reference.day_end(date.max, "Asia/Shanghai") == reference.LAST_INSTANT
    assert reference.day_start(date.max, "America/New_York") == utc("9999-12-31T05:00:00")


def test_repeated_hour_is_told_apart():
    # 01:30 twice in New York: 05:30 UTC and 06:30 UTC. Wall clocks alone would be equal.
    zone = reference.zone_of("America/New_York")
    first = datetime(2024, 11, 3, 1, 30, tzinfo=zone)
    rows = [
        order(1, "2024-01-01", 100) | {"placed_at": at} for at in (first, first.replace(fold=1))
    ]
    assert prepare(rows)[2] == Counter(conflicting_duplicate=2)


@pytest.mark.parametrize(
    ("day", "span", "times", "expected"),
    [
        ("2024-03-31", "1 month", -1, "2024-02-29"),
        ("2023-03-31", "1 month", -1, "2023-02-28"),
        ("2024-01-31", "1 month", 1, "2024-02-29"),
        ("2024-02-29", "1 year", -1, "2023-02-28"),
        ("2024-02-29", "4 years", 1, "2028-02-29"),
        ("2024-03-31", "3 months", -1, "2023-12-31"),
        ("2024-05-31", "1 month", -3, "2024-02-29"),
        ("2024-03-01", "90 days", -1, "2023-12-02"),  # 29 + 31 + 30
        ("2024-03-01", "2 weeks", -1, "2024-02-16"),
        ("0001-01-01", "1 day", -1, "0001-01-01"),
        ("9999-12-31", "1 month", 1, "9999-12-31"),
    ],
)
def test_shift(day, span, times, expected):
    moved = reference.shift(date.fromisoformat(day), span, times)
    assert moved == date.fromisoformat(expected)


@pytest.mark.parametrize("span", ["", "1", "-1 day", "1.5 days", "year", "1 fortnight"])
def test_no_span(span):
    with pytest.raises(reference.PolicyError):
        reference.shift(AS_OF, span)


@pytest.mark.parametrize(
    ("window", "as_of", "first", "last"),
    [
        ("1 year", "2024-06-30", "2023-06-30", "2024-06-30"),
        ("1 month", "2024-03-31", "2024-02-29", "2024-03-31"),
        ("1 year", "2024-02-29", "2023-02-28", "2024-02-29"),
        ("90 days", "2024-03-01", "2023-12-02", "2024-03-01"),
        ({"tiles": "1 year"}, "2024-06-30", "2023-07-01", "2024-06-30"),
        ({"tiles": "1 month"}, "2024-03-31", "2024-03-01", "2024-03-31"),
        ({"calendar": "year"}, "2024-06-30", "2024-01-01", "2024-06-30"),
        ({"calendar": "year", "back": 1}, "2024-06-30", "2023-01-01", "2023-12-31"),
        ({"calendar": "quarter"}, "2024-06-30", "2024-04-01", "2024-06-30"),
        ({"calendar": "quarter", "back": 2}, "2024-06-30", "2023-10-01", "2023-12-31"),
        ({"calendar": "month", "back": 4}, "2024-06-30", "2024-02-01", "2024-02-29"),
    ],
)
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "UTC"])
def test_windows(window, as_of, first, last, zone):
    moment = reference.moment_of(date.fromisoformat(as_of), zone)
    start, end = reference.window_bounds(window, moment, zone)
    assert start == reference.day_start(date.fromisoformat(first), zone)
    assert end == reference.day_end(date.fromisoformat(last), zone)


def test_window_across_the_end_of_summer_time():
    # New York left summer time on 3 November 2024: that day began at 04:00 UTC, the next at 05:00.
    spec = {"of": "sale", "take": "count", "in": "w"}
    rows = [
        order(1, "2024-11-03T03:59:59.999999+00:00", 100),
        order(2, "2024-11-03T04:00:00+00:00", 100),
        order(3, "2024-11-04T04:59:59+00:00", 100),
        order(4, "2024-11-04T05:00:00+00:00", 100),
    ]
    found = {
        (window, day): value(
            rows, spec, as_of=date(2024, 11, day), zone="America/New_York", windows={"w": span}
        )
        for window, span in [("within", "1 day"), ("tiles", {"tiles": "1 day"})]
        for day in (3, 4)
    }
    assert found == {("within", 3): 3, ("within", 4): 3, ("tiles", 3): 2, ("tiles", 4): 1}


# --- evaluation calendar and knowledge ----------------------------------------------------------


def held(**schedule):
    return {**CLASSIC, "evaluation": schedule}


def test_held_evaluation():
    # Yearly on 1 January; as of 30 June 2024 the evaluation of 1 January 2024 is held.
    policy = held(every="1 year", anchor=date(2022, 1, 1))
    rows = [
        order(1, "2023-12-02", 30000),
        order(2, "2024-01-01", 30000),
        order(3, "2024-01-02", 90000),
        order(4, "2024-02-01", -10000, returns_order_id=1),
    ]
    found = one(rows, policy)
    assert (found["sale_count"], found["net"]) == (2, 60000)  # without the later sale and return
    assert found["r"] == 5  # counted from 1 January
    assert found["orders_ever"] == 3  # no window: live
    assert found["class"] == "silver"  # 5 + 3*2 + 4*2 = 19
    assert one(rows, policy, date(2023, 12, 31))["sale_count"] == 0  # held: 1 January 2023


def test_held_evaluation_makes_new_customers():
    policy = held(every="1 year", anchor=date(2022, 1, 1))
    rows = [order(1, "2024-01-02", 30000)]
    assert one(rows, policy)["class"] == "new"
    assert one(rows, policy, date(2025, 1, 1))["class"] == "bronze"  # 1 + 3 + 8 = 12
    # The first instant of 2 January in Shanghai is new, the last of 1 January is not.
    at = reference.day_start(date(2024, 1, 2), "Asia/Shanghai")
    last = at - timedelta(microseconds=1)
    assert one([{**rows[0], "placed_at": at}], policy)["class"] == "new"
    assert one([{**rows[0], "placed_at": last}], policy)["class"] == "bronze"  # 5 + 3 + 8 = 16
    earlier = instant("2023-01-01")
    assert (
        one([{**rows[0], "placed_at": last}], policy, last_evaluated_at=earlier)["class"] == "new"
    )


def test_schedule_counts_from_its_anchor():
    # Monthly from 31 January: ends of 29 February, 31 March, 30 April; no drift to the 29th.
    zone = "Asia/Shanghai"
    for as_of, expected in [
        ("2024-02-28", "2024-01-31"),
        ("2024-02-29", "2024-02-29"),
        ("2024-03-30", "2024-02-29"),
        ("2024-03-31", "2024-03-31"),
        ("2024-04-30", "2024-04-30"),
        ("2023-12-30", "2023-11-30"),
    ]:
        policy = {
            "zone": zone,
            "evaluation": {"every": "1 month", "anchor": date(2024, 1, 31)},
        }
        moment = reference.moment_of(date.fromisoformat(as_of), zone)
        assert reference.held_at(policy, moment) == reference.day_end(
            date.fromisoformat(expected), zone
        )
        just_before = reference.day_end(date(2024, 2, 29), zone) - timedelta(microseconds=1)
        assert reference.held_at(policy, just_before) == reference.day_end(date(2024, 1, 31), zone)


def test_rows_known_later_do_not_exist():
    rows = [
        order(1, "2024-02-01", 100, known_at=instant("2024-02-01")),
        order(2, "2024-02-02", 200, known_at=instant("2024-07-05")),
        order(3, "2024-02-03", 400, customer="late", known_at=instant("2024-07-05")),
    ]
    spec = {"of": "sale", "take": "sum"}
    assert value(rows, spec) == 100
    assert value(rows, spec, known_at=instant("2024-07-04")) == 100
    assert value(rows, spec, known_at=instant("2024-07-05")) == 300
    assert value(rows, spec, as_of=date(2024, 7, 5)) == 300
    assert list(evaluate(CLASSIC, rows, as_of=AS_OF)) == ["c"]
    assert list(evaluate(CLASSIC, rows, as_of=date(2024, 7, 5))) == ["c", "late"]


def test_return_whose_order_is_not_known_yet_is_unlinked():
    rows = [
        order(1, "2024-02-01", 100, known_at=instant("2024-07-05")),
        order(2, "2024-02-02", -30, known_at=instant("2024-02-02"), returns_order_id=1),
    ]
    assert value(rows, {"of": "sale", "take": "sum"}) == -30
    assert value(rows, {"of": "sale", "take": "sum"}, known_at=instant("2024-07-05")) == 70


def test_each_version_is_valid_until_the_next_is_known():
    rows = [
        order(1, "2024-02-01", amount, version=version, known_at=instant(known))
        for version, amount, known in [
            (1, 100, "2024-02-01"),
            (3, 300, "2024-04-01"),
            (2, 200, "2024-03-01"),
        ]
    ]
    assert prepare(rows)[2:] == (Counter(), Counter())
    spec = {"of": "sale", "take": "sum"}
    for known, expected in [
        ("2024-02-01", 100),
        ("2024-02-29", 100),
        ("2024-03-01", 200),
        ("2024-03-31", 200),
        ("2024-04-01", 300),
    ]:
        assert value(rows, spec, known_at=instant(known)) == expected
    assert evaluate(CLASSIC, rows, as_of=AS_OF, known_at=instant("2024-01-31")) == {}


def test_held_facts_are_as_known_at_their_evaluation():
    policy = held(every="1 year", anchor=date(2024, 1, 1))
    rows = [order(1, "2023-12-01", 100, known_at=instant("2024-02-01"))]
    assert one(rows, policy)["sale_count"] == 0
    assert one(rows, policy)["orders_ever"] == 1
    assert one(rows, policy, known_at=instant("2024-02-01"))["sale_count"] == 1


# --- rows ---------------------------------------------------------------------------------------


def reasons(rows, **more):
    return prepare(rows, **more)[2:]


def test_identical_rows_collapse_and_different_ones_are_set_aside():
    row = order(1, "2024-02-01", 100)
    assert reasons([row, dict(row), dict(row)]) == (Counter(), Counter(duplicate=2))
    other = {**row, "amount": 101}
    assert reasons([row, row, other]) == (Counter(conflicting_duplicate=3), Counter())
    assert money([row, row]) == (1, 100, Fraction(100))
    assert evaluate(CLASSIC, [row, other], as_of=AS_OF) == {}
    # Columns that are not among the given ones make no difference.
    assert reasons([{**row, "x": 1}, {**row, "x": 2}], has=set(row)) == (
        Counter(),
        Counter(duplicate=1),
    )


def test_the_higher_version_wins():
    a, b, c = (order(1, "2024-02-01", 100 + v, version=v) for v in (1, 2, 10))
    assert reasons([a, c, b]) == (Counter(), Counter(superseded=2))
    assert reasons([a, a, b]) == (Counter(), Counter(duplicate=1, superseded=1))
    assert money([a, c, b])[1] == 110
    clash = {**c, "amount": 1}
    assert reasons([a, c, clash]) == (Counter(conflicting_duplicate=3), Counter())
    low = {**a, "amount": 1}
    assert reasons([a, low, c]) == (Counter(), Counter(superseded=2))
    no_version = {**a, "version": None}
    assert money([no_version, b])[1] == 102


def test_same_version_twice_with_known_at_is_a_conflict():
    a, b = (order(1, "2024-02-01", n, version=1, known_at=instant("2024-02-01")) for n in (1, 2))
    c = order(1, "2024-02-01", 3, version=2, known_at=instant("2024-03-01"))
    assert reasons([a, b, c]) == (Counter(conflicting_duplicate=3), Counter())


def test_rows_that_cannot_be_read():
    good = order(1, "2024-02-01", 100)
    for change, reason in [
        ({"order_id": None}, "missing_order_id"),
        ({"order_id": True}, "bad_id"),
        ({"customer_id": 1.5}, "bad_id"),
        ({"customer_id": False}, "bad_id"),
        ({"placed_at": None}, "missing_time"),
        ({"placed_at": utc("1676-12-31T23:59:59.999999")}, "time_out_of_range"),
        ({"amount": math.nan}, "missing_amount"),
    ]:
        assert reasons([{**good, **change}]) == (Counter({reason: 1}), Counter())
    for edge in ("1677-01-01T00:00:00", "9999-12-31T23:59:59.999999"):
        assert reasons([{**good, "placed_at": utc(edge)}]) == (Counter(), Counter())


def test_whole_floats_are_ints_and_kinds_never_meet():
    uuid = UUID(int=7)
    ids = [uuid, "7", "10", 10, 7, 7.0]
    rows = [order(n, "2024-02-01", 100, customer=name) for n, name in enumerate(ids)]
    found = evaluate(CLASSIC, rows, as_of=AS_OF)
    assert list(found) == [7, 10, "10", "7", uuid]
    assert [facts["orders_ever"] for facts in found.values()] == [2, 1, 1, 1, 1]
    rows = [order(1, "2024-02-01", 100), order(2, "2024-02-02", -1, returns_order_id="1")]
    assert reasons(rows)[1] == Counter(return_link_not_found=1)


def test_without_order_ids_nothing_is_a_duplicate():
    row = order(1, "2024-02-01", 100)
    del row["order_id"]
    assert reasons([row, row]) == (Counter(), Counter(no_order_id=2))
    assert money([row, row]) == (2, 200, Fraction(100))


def test_row_order_makes_no_difference():
    rows = [
        *FOUR,
        order(5, "2024-02-02", -30, returns_order_id=2),
        order(6, "2024-02-02", 30, version=1),
        order(6, "2024-02-02", 40, version=2),
        order(7, "2024-02-02", 0, customer="d"),
    ]
    assert evaluate(CLASSIC, rows, as_of=AS_OF) == evaluate(CLASSIC, rows[::-1], as_of=AS_OF)


# --- lines --------------------------------------------------------------------------------------


def line(order_id, line_id, amount, day="2024-02-01", **more):
    return order(order_id, day, amount, line_id=line_id, **more)


LINES = [
    line(1, 1, 1000, quantity=2, product_id="p", category="x"),
    line(1, 2, 500, quantity=1, product_id="q", category="x", day="2024-01-31"),
    line(1, 3, -300, quantity=-1, product_id="p", category="x", returns_order_id=1),
    line(2, 1, 700, quantity=5, product_id="p", category="y"),
    line(3, 1, -200, quantity=-4, product_id="p", category="y", returns_order_id=2),
]


def test_lines_fold_into_orders_and_returns():
    orders, returns, quarantine, notices = prepare(LINES, "lines")
    assert (quarantine, notices) == (Counter(), Counter())
    assert [(row.order_id, row.amount, row.quantity) for row in orders] == [
        (1, 1500, 3),
        (2, 700, 5),
    ]
    assert orders[0].at == instant("2024-01-31")  # the earliest line
    assert [(row.order_id, row.amount, row.link.order_id) for row in returns] == [
        (1, -300, 1),
        (3, -200, 2),
    ]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"of": "sale", "take": "count"}, 2),
        ({"of": "sale", "take": "sum"}, 1700),  # 1500 - 300 + 700 - 200
        ({"of": "sale", "take": "median"}, 500),
        ({"of": "sale", "take": "median", "field": "gap_days"}, 1),  # 31 January, 1 February
        ({"of": "line", "take": "count"}, 3),
        ({"of": "line", "take": "sum"}, 8),  # returned items are not netted
        ({"of": "line", "take": "sum", "field": "value"}, 2200),
        ({"of": "line", "take": "sum", "where": 'product == "p"'}, 7),
        ({"of": "line", "take": "distinct", "field": "product"}, 2),
        ({"of": "line", "take": "distinct", "field": "category"}, 2),
    ],
)
def test_line_facts(spec, expected):
    assert value(LINES, spec, rows_are="lines") == expected


def test_duplicate_lines():
    row = line(1, 1, 100)
    assert reasons([row, row], rows_are="lines") == (Counter(), Counter(duplicate=1))
    rows = [row, {**row, "amount": 1}, line(1, 2, 50)]
    assert reasons(rows, rows_are="lines") == (Counter(conflicting_duplicate=2), Counter())
    assert value(rows, {"of": "sale", "take": "sum"}, rows_are="lines") == 50
    bare = order(1, "2024-02-01", 100)
    assert reasons([bare, bare], rows_are="lines") == (Counter(), Counter(no_line_id=2))
    assert value([bare, bare], {"of": "sale", "take": "sum"}, rows_are="lines") == 200


@pytest.mark.parametrize(
    "change",
    [{"customer_id": "d"}, {"status": "paid"}, {"channel": "shop"}, {"promotion": "may"}],
)
def test_lines_of_one_order_must_agree(change):
    same = {"status": "delivered", "channel": "web", "promotion": None}
    rows = [line(1, 1, 100, **same), line(1, 2, 50, **same) | change, line(2, 1, 10, **same)]
    assert reasons(rows, rows_are="lines") == (Counter(conflicting_order=2), Counter())


def test_sale_of_lines_in_several_categories_has_none():
    rows = [line(1, 1, 100, category="x"), line(1, 2, 100, category="y")]
    for category, expected in [("x", 0), ("y", 0)]:
        spec = {"of": "sale", "take": "count", "where": f'category == "{category}"'}
        assert value(rows, spec, rows_are="lines") == expected
    assert (
        value(rows, {"of": "sale", "take": "distinct", "field": "category"}, rows_are="lines") == 2
    )


# --- scores, conditions and tables --------------------------------------------------------------


def holds(condition, **attributes):
    """The truth of a condition over attributes: yes, no or unknown."""
    policy = {"segment": {"first": [[condition, "yes"], [f"not ({condition})", "no"]]}}
    customers = [{"customer_id": "c", **attributes}]
    found = evaluate(policy, [], customers, as_of=AS_OF)["c"]["segment"]
    return {"yes": True, "no": False, None: None}[found]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("age == 30", True),
        ("age != 30", False),
        ("age < 30", False),
        ("age <= 30", True),
        ("age > 29.5", True),
        ("age >= 31", False),
        ("age > -1", True),
        ("age between 30 and 40", True),
        ("age between 31 and 40", False),
        ("age in [1, 30]", True),
        ("age in [1, 31]", False),
        ("age not in [1, 31]", True),
        ("age is known", True),
        ("age is unknown", False),
        ('city == "Bonn"', True),
        ('"Bonn" == city', True),
        (r'city == "B\"onn"', False),
        ('city < "Born"', True),
        ("vip", True),
        ("not vip", False),
        ("vip == true", True),
        ('joined >= "2020-02-29"', True),
        ('joined < "2020-02-29"', False),
        ("weight == 0.1", True),
        ("gone == 1", None),
        ("gone != 1", None),
        ("not gone == 1", None),
        ("gone in [1, 2]", None),
        ("gone not in [1, 2]", None),
        ("gone between 1 and 2", None),
        ("gone is known", False),
        ("gone is unknown", True),
        ("nan > 90", None),
        ("nan is unknown", True),
        ("gone == 1 and age == 30", None),
        ("gone == 1 and age == 31", False),
        ("gone == 1 or age == 30", True),
        ("gone == 1 or age == 31", None),
        ("age == 31 and vip or vip", True),  # and binds closer than or
        ("age == 31 and (vip or vip)", False),
        ("not age == 31 and vip", True),  # not binds closer than and
        ("blocked", False),  # not known is not blocked
        ("last_evaluated_at is known", False),
        ('as_of == "2024-06-30T23:59:59.999999Z"', True),
    ],
)
def test_conditions(condition, expected):
    found = holds(
        condition,
        age=30,
        city="Bonn",
        vip=True,
        joined=date(2020, 2, 29),
        weight=0.1,
        nan=math.nan,
        gone=None,
    )
    assert found is expected


@pytest.mark.parametrize(
    "condition",
    [
        "age ==",
        "age == 1 2",
        "(age == 1",
        "age in 1",
        "1 < age < 3",
        "age & 1",
        'age == "1"',
        "age",
    ],
)
def test_conditions_that_mean_nothing(condition):
    with pytest.raises(reference.PolicyError):
        holds(condition, age=1)


def test_what_unknown_does():
    table = {"first": [["gone == 1", "a"], ["age == 1", "b"]], "otherwise": "c"}
    customers = [{"customer_id": "c", "age": 1}]

    def stage(**more):
        return one([], {"stage": {**table, **more}}, customers=customers)["stage"]

    assert stage() == stage(unknown="skip") == "b"
    assert stage(unknown="default") == "c"
    with pytest.raises(reference.DataError):
        stage(unknown="error")
    # A row that holds before the unknown one decides.
    first = [["age == 1", "b"], ["gone == 1", "a"]]
    assert stage(first=first, unknown="error") == "b"


def test_points_for_missing_and_below():
    spec = {"fact": "age", "from": [[18, 1], [65, 2]]}
    expected = [(17, None, 0), (18, 1, 1), (64, 1, 1), (65, 2, 2), (None, None, 9)]
    for age, plain, full in expected:
        policy = {"scores": {"plain": spec, "full": {**spec, "below": 0, "missing": 9}}}
        found = one([], policy, customers=[{"customer_id": "c", "age": age}])
        assert found == {"plain": plain, "full": full}


def test_older_than_every_row_is_missing_even_with_points_for_missing():
    spec = {"fact": "joined", "within": [["1 month", 5]], "missing": 1}
    for joined, points in [(date(2024, 5, 30), 5), (date(2024, 5, 29), None), (None, 1)]:
        customers = [{"customer_id": "c", "joined": joined}]
        assert one([], {"scores": {"p": spec}}, customers=customers)["p"] == points


def test_weights_and_cell_need_every_part():
    policy = {
        "scores": {
            "total": {"weights": {"a": 2, "b": -3}},
            "cell": {"cell": ["a", "b", "a"]},
        }
    }
    found = one([], policy, customers=[{"customer_id": "c", "a": 4, "b": 1}])
    assert found == {"total": 5, "cell": 414}
    found = one([], policy, customers=[{"customer_id": "c", "a": 4}])
    assert found == {"total": None, "cell": None}


def test_exponent_of_the_currency():
    rows = [order(1, "2024-02-01", 500)]
    for exponent, expected in [(0, "yes"), (2, "no"), (3, "no")]:
        policy = with_facts(
            {},
            currency={"code": "XXX", "exponent": exponent},
            segment={"first": [["net_sales >= 500", "yes"]], "otherwise": "no"},
        )
        assert one(rows, policy)["segment"] == expected


# --- a published table --------------------------------------------------------------------------

PUBLISHED = [  # segment, R, F, M, customers, orders, revenue (R package rfm)
    ("Champions", (5, 5), (5, 5), (5, 5), 35, 316, 31646),
    ("Potential Loyalist", (3, 5), (3, 5), (2, 5), 342, 2211, 204856),
    ("Loyal Customers", (2, 4), (2, 4), (2, 4), 170, 799, 76562),
    ("Promising", (3, 4), (1, 3), (3, 5), 9, 28, 4249),
    ("New Customers", (4, 5), (1, 3), (1, 5), 104, 329, 28837),
    ("Can't Lose Them", (1, 2), (3, 4), (4, 5), 47, 274, 32446),
    ("At Risk", (1, 2), (2, 5), (4, 5), 28, 216, 22227),
    ("Need Attention", (1, 3), (3, 5), (3, 5), 10, 57, 4562),
    ("About To Sleep", (2, 3), (1, 3), (1, 4), 102, 283, 23449),
    ("Lost", (1, 1), (1, 5), (1, 5), 148, 393, 35324),
]


def test_published_segments(shared: Path):
    with (shared / "data" / "rfm_data_orders.csv").open(newline="") as file:
        rows = [
            {
                "customer_id": row["customer_id"],
                "placed_at": utc(row["order_date"]),
                "amount": int(row["revenue"]) * 100,
            }
            for row in csv.DictReader(file)
        ]
    names = {"r": (5, 4, 3, 2, 1), "f": (1, 2, 3, 4, 5), "m": (1, 2, 3, 4, 5)}
    edges = {
        "r": [0, 115, 181, 297.4, 482],
        "f": [0, 4, 5, 6, 8],
        "m": ["0.00", "255.80", "382.00", "506.40", "666.00"],
    }
    facts = {"r": "days_since_last_sale", "f": "orders", "m": "revenue"}
    policy = {
        "zone": "UTC",
        "facts": {
            "orders": {"of": "sale", "take": "count"},
            "revenue": {"of": "sale", "take": "sum"},
        },
        "scores": {
            name: {
                "fact": facts[name],
                "from": [list(pair) for pair in zip(edges[name], names[name], strict=True)],
            }
            for name in names
        },
        "segment": {
            "first": [
                [
                    " and ".join(
                        f"{name} between {low} and {high}"
                        for name, (low, high) in zip("rfm", ranges, strict=True)
                    ),
                    segment,
                ]
                for segment, *ranges, _, _, _ in PUBLISHED
            ],
        },
    }
    found = evaluate(policy, rows, as_of=date(2006, 12, 31)).values()
    assert len(found) == 995
    assert sum(row["revenue"] for row in found) == 46415800
    for segment, _, _, _, customers, orders, revenue in PUBLISHED:
        members = [row for row in found if row["segment"] == segment]
        assert len(members) == customers
        assert sum(row["orders"] for row in members) == orders
        assert sum(row["revenue"] for row in members) == revenue * 100
