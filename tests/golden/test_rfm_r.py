"""The published segments of the R package rfm on its own orders, to the last customer."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import crmcore as crm

SOURCE = crm.Source(
    currency={"code": "USD", "exponent": 2},
    zone="UTC",
    columns={"placed_at": "order_date", "amount": "revenue", "order_id": False},
)
PUBLISHED = {
    "champions": (35, 316, 31_646),
    "potential_loyalist": (342, 2_211, 204_856),
    "loyal_customers": (170, 799, 76_562),
    "promising": (9, 28, 4_249),
    "new_customers": (104, 329, 28_837),
    "cant_lose_them": (47, 274, 32_446),
    "at_risk": (28, 216, 22_227),
    "need_attention": (10, 57, 4_562),
    "about_to_sleep": (102, 283, 23_449),
    "lost": (148, 393, 35_324),
}


@pytest.fixture(scope="module")
def result(shared: Path) -> crm.Evaluation:
    with (shared / "data" / "rfm_data_orders.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    orders = crm.OrderTable.from_rows(rows, SOURCE)
    assert len(orders) == 4_906
    assert orders.intake.unused == ("first_name", "last_name", "email")
    return crm.evaluate(crm.presets.load("rfm_r"), orders, as_of=date(2006, 12, 31))


def test_there_are_995_customers_with_all_revenue(result: crm.Evaluation) -> None:
    assert len(result) == 995
    assert sum(result.columns["net_sales"]) == Decimal("464158.00")
    assert sum(result.columns["order_count"]) == 4_906


@pytest.mark.parametrize("segment", PUBLISHED)
def test_the_published_segment(result: crm.Evaluation, segment: str) -> None:
    columns = result.columns
    triples = zip(columns["segment"], columns["order_count"], columns["net_sales"], strict=True)
    members = [(orders, revenue) for name, orders, revenue in triples if name == segment]
    orders, revenue = (sum(one) for one in zip(*members, strict=True))
    assert (len(members), orders, revenue) == PUBLISHED[segment]


def test_nobody_falls_outside_the_published_segments(result: crm.Evaluation) -> None:
    assert set(result.columns["segment"]) == PUBLISHED.keys()
    assert sum(customers for customers, _, _ in PUBLISHED.values()) == 995


def test_the_segments_outlive_saving_the_facts(result: crm.Evaluation) -> None:
    again = crm.evaluate_facts(result.policy, result.facts.to_arrays(), as_of=date(2006, 12, 31))
    assert again.columns["segment"].to_list() == result.columns["segment"].to_list()


def test_the_map_has_its_known_holes() -> None:
    # One customer for each of the 125 cells.
    values = {
        "r": {5: 0, 4: 115, 3: 181, 2: 298, 1: 482},
        "f": {1: 3, 2: 4, 3: 5, 4: 6, 5: 8},
        "m": {1: "255.79", 2: "255.80", 3: "382.00", 4: "506.40", 5: "666.00"},
    }
    cells = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    facts = {
        "customer_id": [100 * r + 10 * f + m for r, f, m in cells],
        "days_since_last_order": [values["r"][r] for r, _, _ in cells],
        "order_count": [values["f"][f] for _, f, _ in cells],
        "net_sales": [values["m"][m] for _, _, m in cells],
    }
    found = crm.evaluate_facts(crm.presets.load("rfm_r"), facts, as_of=date(2006, 12, 31))
    assert found.columns["cell"].to_list() == facts["customer_id"]
    holes = [
        one
        for one, name in zip(found.ids, found.columns["segment"], strict=True)
        if name == "others"
    ]
    assert holes == [215, 241, 251, 252, 341, 351, 441, 451, 541, 551]
