"""The two segment maps: every combination of points belongs to exactly one row."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import crmcore as crm
from crmcore.columns import Column
from crmcore.segments import TableStep

POINTS = ("recency_points", "frequency_points", "monetary_points")
DAY = date(2025, 12, 31)

ELEVEN = {
    "champions": 8,
    "loyal": 22,
    "potential_loyalist": 20,
    "new": 5,
    "promising": 5,
    "need_attention": 6,
    "about_to_sleep": 9,
    "cant_lose": 8,
    "at_risk": 22,
    "hibernating": 10,
    "lost": 10,
}
GRID = """\
new             potential_loyalist  potential_loyalist  champions  champions
promising       potential_loyalist  potential_loyalist  loyal      loyal
about_to_sleep  about_to_sleep      need_attention      loyal      loyal
hibernating     hibernating         at_risk             at_risk    cant_lose
hibernating     hibernating         at_risk             at_risk    cant_lose
"""


def cells(policy: crm.Policy) -> tuple[list[tuple[int, ...]], dict[str, Column]]:
    """Return all combinations of points, and them as columns."""
    names = [name for name in POINTS if policy.step(name) is not None]
    every = list(product(range(1, 6), repeat=len(names)))
    grid = np.array(every, np.int64).T
    return every, {name: Column("int", values) for name, values in zip(names, grid, strict=True)}


def rows_met(name: str) -> Iterator[tuple[tuple[int, ...], list[str]]]:
    """Yield each cell with the labels of all rows of the map that hold there."""
    document = crm.presets.load(name).document
    every, columns = cells(crm.presets.load(name))
    segment = document["segment"]
    assert isinstance(segment, dict)
    found: list[list[str]] = [[] for _ in every]
    for condition, label in segment["first"]:  # type: ignore[union-attr, misc]
        alone = crm.load_policy({**document, "segment": {"first": [[condition, label]]}})
        step = alone.step("segment")
        assert isinstance(step, TableStep)
        labels, _ = step.table.apply(columns, len(every))
        for at in np.flatnonzero(labels.is_known()).tolist():
            found[at].append(str(label))
    yield from zip(every, found, strict=True)


@pytest.mark.parametrize(("name", "size"), [("segments11", 125), ("rf_grid", 25)])
def test_each_cell_meets_exactly_one_row(name: str, size: int) -> None:
    met = dict(rows_met(name))
    assert len(met) == size
    assert {cell: labels for cell, labels in met.items() if len(labels) != 1} == {}


def test_the_cells_of_each_of_the_eleven() -> None:
    found = Counter(label for _, labels in rows_met("segments11") for label in labels)
    assert found == ELEVEN
    assert sum(ELEVEN.values()) == 125


def test_the_grid_is_the_one_printed_in_its_file() -> None:
    met = dict(rows_met("rf_grid"))
    printed = [line.split() for line in GRID.splitlines()]
    assert met == {
        (recency, frequency): [printed[5 - recency][frequency - 1]]
        for recency, frequency in product(range(1, 6), repeat=2)
    }
    lines = crm.presets.text("rf_grid").splitlines()
    shown = [line.split()[3:] for line in lines if line.startswith("#  R ")]
    assert shown == printed


def test_the_map_of_the_r_package_has_holes_and_overlaps() -> None:
    met = [len(labels) for _, labels in rows_met("rfm_r")]
    assert (met.count(0), sum(count > 1 for count in met)) == (10, 58)


@pytest.mark.parametrize("name", ["segments11", "rf_grid"])
def test_every_name_has_its_wording(name: str) -> None:
    document = tomllib.loads(crm.presets.text(name))
    names = {label for _, label in document["segment"]["first"]} | {"no_sale"}
    assert document["labels"]["en"].keys() == document["labels"]["zh-CN"].keys() == names


FACTS: Mapping[str, list[object]] = {
    "customer_id": [1, 2, 3, 4, 5, 6],
    "days_since_last_sale": [30, 31, 90, 365, 366, None],
    "sale_count": [6, 5, 1, 3, 1, 0],
    "mean_sale": ["1000.00", "999.99", "2000.00", "300.00", "299.99", None],
}


def test_segments_of_customers() -> None:
    found = crm.evaluate_facts(crm.presets.load("segments11"), FACTS, as_of=DAY)
    assert found.columns["cell"].to_list() == [554, 443, 415, 232, 111, None]
    expected = ["champions", "loyal", "promising", "at_risk", "lost", "no_sale"]
    assert found.columns["segment"].to_list() == expected


def test_grid_of_customers() -> None:
    found = crm.evaluate_facts(crm.presets.load("rf_grid"), FACTS, as_of=DAY)
    assert found.columns["cell"].to_list() == [55, 44, 41, 23, 11, None]
    expected = ["champions", "loyal", "promising", "at_risk", "hibernating", "no_sale"]
    assert found.columns["segment"].to_list() == expected


# Quantiles on the sample orders of the R package rfm, whose own edges are in preset rfm_r.

RECIPE = """
extends = "rfm_r"
name = "rfm_fitted"

[scores.recency_points]
fact = "days_since_last_order"
quantiles = 5
best = "low"

[scores.frequency_points]
fact = "order_count"
quantiles = 5

[scores.monetary_points]
fact = "net_sales"
quantiles = 5
"""
EDGES = {
    "recency_points": [[114, 4], [180, 3], [297, 2], [481, 1]],
    "frequency_points": [[4, 2], [5, 3], [6, 4], [8, 5]],
    "monetary_points": [["255.00", 2], ["382.00", 3], ["506.00", 4], ["668.00", 5]],
}
OTHERWISE = {"recency_points": 12, "frequency_points": 0, "monetary_points": 2}
MEASURED_ON = date(2006, 12, 31)


@pytest.fixture(scope="module")
def orders(shared: Path) -> crm.OrderTable:
    source = crm.Source(
        currency={"code": "USD", "exponent": 2},
        zone="UTC",
        columns={"placed_at": "order_date", "amount": "revenue", "order_id": False},
    )
    with (shared / "data" / "rfm_data_orders.csv").open(newline="", encoding="utf-8") as file:
        return crm.OrderTable.from_rows(list(csv.DictReader(file)), source)


def test_quantiles_beside_those_of_the_r_package(orders: crm.OrderTable) -> None:
    policy = crm.fit(RECIPE, orders, as_of=MEASURED_ON)
    scores = policy.document["scores"]
    assert isinstance(scores, dict)
    assert {name: scores[name]["from"] for name in EDGES} == EDGES  # type: ignore[index, call-overload]
    ours = crm.evaluate(policy, orders, as_of=MEASURED_ON).columns
    theirs = crm.evaluate(crm.presets.load("rfm_r"), orders, as_of=MEASURED_ON).columns
    differing = {
        name: sum(a != b for a, b in zip(ours[name], theirs[name], strict=True)) for name in EDGES
    }
    assert differing == OTHERWISE
    for name in EDGES:
        expected = by_rank(ours[policy.step(name).needs[0]].to_list(), name)  # type: ignore[union-attr]
        assert ours[name].to_list() == expected


def by_rank(values: list[object], name: str) -> list[int]:
    low = name == "recency_points"
    worse = [
        sum(one > value if low else one < value for one in values)  # type: ignore[operator]
        for value in values
    ]
    return [1 + 5 * count // len(values) for count in worse]


def test_each_group_of_recency_is_measured_by_itself(orders: crm.OrderTable) -> None:
    recipe = RECIPE.replace('"order_count"', '"order_count"\ninside = "recency_points"')
    result = crm.evaluate(
        crm.fit(recipe, orders, as_of=MEASURED_ON), orders, as_of=MEASURED_ON
    ).columns
    rows = list(zip(result["recency_points"], result["order_count"], strict=True))
    for recency in range(1, 6):
        counts: list[object] = [count for group, count in rows if group == recency]
        pairs = zip(result["recency_points"], result["frequency_points"], strict=True)
        points = [found for group, found in pairs if group == recency]
        assert points == by_rank(counts, "frequency_points")
