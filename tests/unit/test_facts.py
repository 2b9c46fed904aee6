"""Each usual fact by a small shop worked out by hand, and each way to take a fact."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from golden.shop import LINES, SOURCE, policy, table

import crmcore as crm
from crmcore import kernels
from crmcore.facts import USUAL_FACTS, Fact

AS_OF = date(2025, 6, 30)

# One customer (times in UTC; the policies here count days in UTC):
#   1  2025-01-10  100.00  paid       web  spring  2 × P1 toys
#   2  2025-02-09   50.00  delivered  app  -       1 × P2 books    30 days after 1
#   3  2025-02-09   70.00  shipped    web  -       3 × P1 toys      0 days after 2
#   4  2025-05-20   30.00  cancelled  web  spring  9 × P3 games
#   5  2025-05-30  200.00  paid       -    -       4 × -  -       110 days after 3
#   6  2025-06-01    0.00  paid       web  spring  1 × P4 gifts   an order, no sale
#   7  2025-06-10  -20.00  return of 5
#   8  2025-06-11   -5.00  return that names no order
#   9  2025-06-12  -50.00  return of 2: nothing is left of it
#  10  2025-07-01  999.00  paid: after the moment
# Sales: 1 (100.00), 3 (70.00), 5 (180.00). Net: 350.00 - 5.00 = 345.00.
# Days of sales: 10 January, 9 February, 30 May: gaps 30 and 110.
HAND: dict[str, Any] = {
    "placed_at": [
        datetime(2025, month, day, 12, tzinfo=UTC)
        for month, day in (
            *((1, 10), (2, 9), (2, 9), (5, 20), (5, 30)),
            *((6, 1), (6, 10), (6, 11), (6, 12), (7, 1)),
        )
    ],
    "amount": [100, 50, 70, 30, 200, 0, -20, -5, -50, 999],
    "status": ["paid", "delivered", "shipped", "cancelled", *["paid"] * 6],
    "channel": ["web", "app", "web", "web", None, "web", None, None, None, "web"],
    "promotion": ["spring", None, None, "spring", None, "spring", *[None] * 4],
    "quantity": [2, 1, 3, 9, 4, 1, None, None, None, 7],
    "product_id": ["P1", "P2", "P1", "P3", None, "P4", None, None, None, "P9"],
    "category": ["toys", "books", "toys", "games", None, "gifts", None, None, None, "x"],
    "returns_order_id": np.array([None] * 6 + [5, None, 2, None], object),
}
SPREAD = math.sqrt(((30 - 70.0) ** 2 + (110 - 70.0) ** 2) / 1)
USUAL = {
    "order_count": 6,
    "sale_count": 3,
    "return_count": 3,
    "item_count": 9,
    "net_sales": Decimal("345.00"),
    "mean_sale": Fraction(345, 3),
    "min_sale": Decimal("70.00"),
    "max_sale": Decimal("180.00"),
    "first_order_at": datetime(2025, 1, 10, 12, tzinfo=UTC),
    "first_sale_on": date(2025, 1, 10),
    "last_order_on": date(2025, 6, 1),
    "last_sale_on": date(2025, 5, 30),
    "days_since_last_sale": 31,
    "tenure_days": 171,
    "gap_median_days": 30,
    "gap_spread_days": SPREAD,
    "product_count": 1,
    "category_count": 1,
    "promotion_share": Fraction(1, 3),
}
NOBODY = {name: 0 for name in USUAL if name.endswith("_count")} | {"net_sales": Decimal("0.00")}


def usual(orders: crm.OrderTable, customers: crm.CustomerTable | None = None) -> crm.Evaluation:
    """All the usual facts, with no window."""
    declared = {name: fact.model_dump(exclude_none=True) for name, fact in USUAL_FACTS.items()}
    return crm.evaluate(policy(declared), orders, customers, as_of=AS_OF)


def take(fact: dict[str, Any], name: str = "asked", **more: Any) -> Any:
    """One fact of the shop worked out by hand."""
    asked = policy({name: fact}, **more)
    return crm.evaluate(asked, table(**HAND), as_of=AS_OF)["C1"][name]


@pytest.mark.parametrize("name", USUAL_FACTS)
def test_the_usual_fact_of_the_shop_worked_out_by_hand(name: str) -> None:
    found = usual(table(**HAND))["C1"][name]
    assert found == USUAL[name]
    assert type(found) is type(USUAL[name])


def test_every_usual_fact_of_somebody_without_orders() -> None:
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C2"]})
    found = usual(table(**HAND), customers)["C2"]
    assert found == {name: NOBODY.get(name) for name in USUAL}


def test_every_usual_fact_of_somebody_whose_orders_come_later() -> None:
    later = table(
        placed_at=["2026-01-01"], quantity=[1], product_id=["P"], category=["x"], promotion=["y"]
    )
    assert usual(later)["C1"] == {name: NOBODY.get(name) for name in USUAL}


def test_the_usual_facts_may_be_named_without_declaring_them() -> None:
    asked = policy({}, segment={"first": [["net_sales >= 345", "here"]], "otherwise": "there"})
    result = crm.evaluate(asked, table(**HAND), as_of=AS_OF)["C1"]
    assert (result["segment"], result["net_sales"]) == ("here", Decimal("345.00"))


ABSENT = {
    "item_count": "quantity",
    "product_count": "product_id",
    "category_count": "category",
    "promotion_share": "promotion",
}


@pytest.mark.parametrize("name", USUAL_FACTS)
def test_a_fact_over_a_column_that_is_not_there_is_missing(name: str) -> None:
    without = {key: values for key, values in HAND.items() if key not in ABSENT.values()}
    found = usual(table(**without))["C1"][name]
    assert found == (None if name in ABSENT else USUAL[name])


def test_a_fact_over_an_absent_column_is_missing_also_for_those_without_orders() -> None:
    without = {key: values for key, values in HAND.items() if key not in ABSENT.values()}
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C2"]})
    found = usual(table(**without), customers)["C2"]
    assert [found[name] for name in ABSENT] == [None] * 4


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        # Orders 1 to 6: 100, 50, 70, 30, 200, 0 = 450 whatever became of them.
        ({"of": "order", "take": "sum"}, Decimal("450.00")),
        ({"of": "order", "take": "mean"}, Fraction(75)),
        ({"of": "order", "take": "min"}, Decimal("0.00")),
        ({"of": "order", "take": "max"}, Decimal("200.00")),
        # 0, 30, 50, 70, 100, 200: the lower of 50 and 70.
        ({"of": "order", "take": "median"}, Decimal("50.00")),
        ({"of": "order", "take": "sum", "field": "quantity"}, 20),
        ({"of": "order", "take": "mean", "field": "quantity"}, Fraction(20, 6)),
        ({"of": "order", "take": "distinct", "field": "channel"}, 2),
        ({"of": "order", "take": "distinct", "field": "promotion"}, 1),
        ({"of": "order", "take": "distinct", "field": "product"}, 4),
        ({"of": "order", "take": "share", "field": "promotion"}, Fraction(3, 6)),
        # Days of orders: 10.1. 9.2. 9.2. 20.5. 30.5. 1.6.: gaps 30, 0, 100, 10, 2.
        ({"of": "order", "take": "median", "field": "gap_days"}, 10),
        ({"of": "order", "take": "max", "field": "gap_days"}, 100),
        ({"of": "order", "take": "min", "field": "gap_days"}, 0),
        ({"of": "order", "take": "sum", "field": "gap_days"}, 142),
        ({"of": "order", "take": "mean", "field": "gap_days"}, Fraction(142, 5)),
        ({"of": "sale", "take": "median"}, Decimal("100.00")),
        ({"of": "sale", "take": "mean", "field": "quantity"}, Fraction(3)),
        ({"of": "sale", "take": "sum", "field": "gap_days"}, 140),
        ({"of": "sale", "take": "days_since_first"}, 171),
        # Returns: 20, 5, 50, linked or not, as positive numbers.
        ({"of": "return", "take": "sum"}, Decimal("75.00")),
        ({"of": "return", "take": "mean"}, Fraction(25)),
        ({"of": "return", "take": "min"}, Decimal("5.00")),
        ({"of": "return", "take": "max"}, Decimal("50.00")),
        ({"of": "return", "take": "median"}, Decimal("20.00")),
        ({"of": "return", "take": "days_since_last"}, 18),
        ({"of": "return", "take": "sum", "field": "quantity"}, 0),
        ({"of": "return", "take": "mean", "field": "quantity"}, None),
        # Lines are those of sales: 2 × P1, 3 × P1, 4 × nothing stated.
        ({"of": "line", "take": "count"}, 3),
        ({"of": "line", "take": "sum"}, 9),
        ({"of": "line", "take": "sum", "field": "value"}, Decimal("370.00")),
        ({"of": "line", "take": "max"}, 4),
        ({"of": "line", "take": "distinct", "field": "product"}, 1),
        # Conditions.
        ({"of": "order", "take": "count", "where": 'status == "cancelled"'}, 1),
        ({"of": "order", "take": "sum", "where": 'channel == "web"'}, Decimal("200.00")),
        ({"of": "order", "take": "count", "where": "channel is unknown"}, 1),
        ({"of": "order", "take": "count", "where": 'not (channel == "web")'}, 1),
        ({"of": "order", "take": "count", "where": 'amount >= "50.00"'}, 4),
        ({"of": "sale", "take": "count", "where": "quantity >= 3"}, 2),
        ({"of": "line", "take": "sum", "where": 'product == "P1"'}, 5),
        ({"of": "line", "take": "count", "where": "category is unknown"}, 1),
        ({"of": "order", "take": "last", "where": 'channel == "app"'}, "2025-02-09"),
    ],
)
def test_each_way_to_take_a_fact(fact: dict[str, Any], expected: object) -> None:
    name = "asked_on" if fact["take"] == "last" else "asked"
    found = take(fact, name)
    if isinstance(expected, str):
        expected = date.fromisoformat(expected)
    assert found == expected
    assert type(found) is type(expected)


def test_first_and_last_are_instants_or_local_days_by_their_name() -> None:
    # 23:30 UTC on 31 December is already the new year in Shanghai.
    late = table(placed_at=[datetime(2024, 12, 31, 23, 30, tzinfo=UTC)])
    facts = {
        "seen_on": {"of": "order", "take": "last"},
        "seen_at": {"of": "order", "take": "last"},
        "quiet": {"of": "order", "take": "days_since_last"},
    }
    for zone, day in (("UTC", date(2024, 12, 31)), ("Asia/Shanghai", date(2025, 1, 1))):
        asked = policy(facts, zone=zone)
        found = crm.evaluate(asked, late, as_of=date(2025, 1, 2))["C1"]
        assert found["seen_on"] == day
        assert found["seen_at"] == datetime(2024, 12, 31, 23, 30, tzinfo=UTC)
        assert found["quiet"] == (date(2025, 1, 2) - day).days


@pytest.mark.parametrize(
    ("amounts", "median"),
    [([3], 3), ([3, 1], 1), ([5, 1, 3], 3), ([4, 1, 3, 2], 2), ([2, 2, 2, 9], 2)],
)
def test_the_median_is_the_lower_one(amounts: list[int], median: int) -> None:
    asked = policy({"middle": {"of": "sale", "take": "median"}})
    found = crm.evaluate(asked, table(amount_minor=amounts), as_of=AS_OF)["C1"]["middle"]
    assert found == Decimal(median).scaleb(-2)


def test_the_spread_is_that_of_a_sample_and_needs_two_values() -> None:
    asked = policy({"spread": {"of": "sale", "take": "spread"}})
    for amounts in ([100, 200, 400], [400, 100, 200]):
        found = crm.evaluate(asked, table(amount_minor=amounts), as_of=AS_OF)["C1"]["spread"]
        mean = 700 / 3
        total = 0.0
        for amount in (100, 200, 400):
            total += (amount - mean) ** 2
        assert found == math.sqrt(total / 2)
    alone = crm.evaluate(asked, table(amount_minor=[5]), as_of=AS_OF)["C1"]["spread"]
    assert alone is None
    equal = crm.evaluate(asked, table(amount_minor=[5, 5]), as_of=AS_OF)["C1"]["spread"]
    assert equal == 0.0


def test_the_mean_is_exact_where_no_minor_unit_is() -> None:
    asked = policy({"mean": {"of": "sale", "take": "mean"}})
    found = crm.evaluate(asked, table(amount_minor=[1, 1, 2]), as_of=AS_OF)["C1"]["mean"]
    assert found == Fraction(4, 300)


def test_line_facts_count_the_lines_of_sales() -> None:
    # Order 1: 2 × P1 at 10 and 1 × P2 at 5, and P2 back: net 10 in one order. Order 2: cancelled.
    orders = table(
        LINES,
        order_id=[1, 1, 1, 2],
        line_id=[1, 2, 3, 1],
        amount=["10.00", "5.00", "-5.00", "8.00"],
        quantity=[2, 1, -1, 4],
        product_id=["P1", "P2", "P2", "P3"],
        status=["paid", "paid", "paid", "cancelled"],
    )
    asked = policy(
        {
            "items": {"of": "line", "take": "sum"},
            "lines": {"of": "line", "take": "count"},
            "value": {"of": "line", "take": "sum", "field": "value"},
            "products": {"of": "line", "take": "distinct", "field": "product"},
            "sale_products": {"of": "sale", "take": "distinct", "field": "product"},
            "order_products": {"of": "order", "take": "distinct", "field": "product"},
            "p2": {"of": "line", "take": "count", "where": 'product == "P2"'},
        }
    )
    assert crm.evaluate(asked, orders, as_of=AS_OF)["C1"] == {
        "items": 2,
        "lines": 3,
        "value": Decimal("10.00"),
        "products": 2,
        "sale_products": 2,
        "order_products": 3,
        "p2": 2,
    }


def test_products_of_different_kinds_are_different() -> None:
    orders = table(product_id=[1, "1", 1, None])
    asked = policy({"products": {"of": "sale", "take": "distinct", "field": "product"}})
    assert crm.evaluate(asked, orders, as_of=AS_OF)["C1"]["products"] == 2


def test_whether_partial_results_merge_is_stated() -> None:
    holistic = {"median", "spread", "distinct"}
    takes = ("count", "sum", "mean", "min", "max", "first", "last", "median", "spread")
    for one in takes:
        expected = "holistic" if one in holistic else "constant"
        assert Fact.model_validate({"of": "sale", "take": one}).merge_kind == expected
    for one in ("sum", "min", "max", "mean", "median", "spread"):
        gaps = Fact.model_validate({"of": "sale", "take": one, "field": "gap_days"})
        assert gaps.merge_kind == "holistic"
    distinct = Fact.model_validate({"of": "line", "take": "distinct", "field": "product"})
    assert distinct.merge_kind == "holistic"


def test_only_facts_that_are_asked_for_are_there() -> None:
    result = crm.evaluate(policy({}), table(**HAND), as_of=AS_OF)
    assert list(result.columns) == []


def test_anonymous_orders_are_in_no_fact() -> None:
    orders = table(customer_id=["C1", None, None], amount_minor=[100, 2**63 - 1, 2**63 - 1])
    asked = policy({"net": {"of": "sale", "take": "sum"}})
    result = crm.evaluate(asked, orders, as_of=AS_OF)
    assert result.ids.tolist() == ["C1"]
    assert result["C1"]["net"] == Decimal("1.00")
    assert len(orders) == 3


def test_gaps_count_local_days() -> None:
    # 15:59 and 16:00 UTC lie on two days in Shanghai, one minute apart.
    orders = table(placed_at=["2025-01-01T15:59:00Z", "2025-01-01T16:00:00Z"])
    fact = {"gap": {"of": "sale", "take": "median", "field": "gap_days"}}
    found = [
        crm.evaluate(policy(fact, zone=zone), orders, as_of=AS_OF)["C1"]["gap"]
        for zone in ("UTC", "Asia/Shanghai")
    ]
    assert found == [0, 1]


def test_the_source_zone_is_not_the_policy_zone() -> None:
    # Midnight in Shanghai is the day before in UTC.
    orders = crm.OrderTable.from_arrays(
        {"customer_id": ["C1"], "placed_at": ["2025-01-02"], "amount": ["1.00"]}, SOURCE
    )
    asked = policy({"seen_on": {"of": "order", "take": "last"}})
    assert crm.evaluate(asked, orders, as_of=AS_OF)["C1"]["seen_on"] == date(2025, 1, 1)


def test_one_pass_serves_all_facts_of_the_classic_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    measures: list[list[kernels.Measure]] = []
    tally = kernels.tally

    def counted(*given: Any) -> list[Any]:
        measures.append(given[2])
        return tally(*given)

    monkeypatch.setattr(kernels, "tally", counted)
    for name in ("count", "add", "smallest", "largest", "overflows"):
        monkeypatch.delattr(kernels, name)
    crm.evaluate(crm.presets.load("classic"), table(**HAND), as_of=AS_OF)
    # Sales, orders and orders ever; the last sale, the first order; the net sum.
    assert len(measures) == 1
    assert len(measures[0]) == len(set(measures[0])) == 6


def test_facts_share_what_they_are_made_of() -> None:
    declared = {
        "sales": {"of": "sale", "take": "count"},
        "mean": {"of": "sale", "take": "mean"},
        "net": {"of": "sale", "take": "sum"},
    }
    columns = crm.evaluate(policy(declared), table(**HAND), as_of=AS_OF).columns
    assert columns["mean"].divisor is not None
    assert np.shares_memory(columns["mean"].divisor, columns["sales"].values)
    assert np.shares_memory(columns["mean"].values, columns["net"].values)


def test_facts_of_moments_apart_see_rows_as_they_were_at_each() -> None:
    # Delivered and partly returned between the scheduled evaluation and the moment asked for.
    orders = table(
        order_id=[1, 2],
        placed_at=["2025-06-10", "2025-06-20"],
        status_at=["2025-06-18", "2025-06-20"],
        status=["delivered", "delivered"],
        amount=["10.00", "-4.00"],
        returns_order_id=[None, 1],
    )
    net = {"of": "sale", "take": "sum"}
    asked = policy(
        {"now": net, "held": net | {"in": "year"}, "placed": {"of": "order", "take": "count"}},
        {"year": {"within": "1 year"}},
        evaluation={"every": "1 month", "anchor": date(2025, 1, 15)},
    )
    found = crm.evaluate(asked, orders, as_of=date(2025, 6, 25))["C1"]
    assert found == {"now": Decimal("6.00"), "held": Decimal("0.00"), "placed": 1}
