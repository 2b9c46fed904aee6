"""Conditions, attributes and facts of every kind as SQL, cell by cell, in every engine."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from engines import Engine, Engines, every
from hypothesis import HealthCheck, Phase, given, settings
from sql_conditions import ATTRIBUTES, LISTS, ROW_COLUMNS, VALUES, Case, cases, package, relations

import crmcore as crm
from crmcore.sql import to_sql

FULL_RUN = settings.default.max_examples >= 300
COUNTS = {"duckdb": 60, "postgres": 20, "spark": 3, "spark ansi": 3}


def sizes(kind: str) -> settings:
    slow = kind.startswith("spark")
    return settings(
        max_examples=3 * COUNTS[kind] if FULL_RUN else COUNTS[kind],
        phases=(Phase.generate,) if slow else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def answers(engine: Engine, case: Case) -> tuple[Any, Any]:
    """The answer of the package and that of the engine; none where it refuses."""
    policy, (orders, people) = crm.load_policy(case.policy), package(case)
    moments = {"as_of": case.as_of, "last_evaluated_at": case.last_evaluated_at}
    ours: Any = None
    try:
        frame: Any = crm.evaluate(policy, orders, people, **moments).to_frame()
        ours = frame.column_names, frame.to_pylist()
    except crm.DataError:
        pass
    engine.load(relations(case, orders))
    query = to_sql(
        policy,
        dialect=engine.dialect,
        customers="customers",
        columns=dict.fromkeys(ROW_COLUMNS - case.columns),
        **moments,
    )
    try:
        found = engine.fetch(query)
    except engine.failure as error:
        if "crmcore: " not in str(error):
            raise
        return ours, None
    return ours, (found.column_names, found.to_pylist())


@every()
def test_conditions_and_facts_agree(kind: str, engines: Engines) -> None:
    seen: Counter[Any] = Counter()

    @sizes(kind)
    @given(cases())
    def agrees(case: Case) -> None:
        with engines.open(kind, case.zone) as engine:
            ours, theirs = answers(engine, case)
        assert theirs == ours
        seen["errors"] += ours is None
        for row in ours[1] if ours else ():
            seen.update(row[name] for name in LISTS if name in row)

    agrees()
    if kind == "duckdb":  # the others are asked too few to meet everything
        assert min(seen[one] for one in ("true", "false", "unknown", "errors")) > 0


# A defect shows

FIXED: dict[str, Any] = {
    "extends": "classic",
    "format": 1,
    "name": "fixed",
    "attributes": ATTRIBUTES,
    "facts": {
        "usual": {"of": "sale", "take": "median"},
        "gap": {"of": "sale", "take": "median", "field": "gap_days"},
        "ways": {"of": "sale", "take": "distinct", "field": "channel"},
        "part": {"of": "sale", "take": "share", "field": "promotion"},
        "items": {"of": "order", "take": "sum", "field": "quantity", "where": "quantity > 1"},
    },
    "segment": {
        "first": [
            ["shift_months(first_order_at, 2) > last_sale_on", "short"],
            ["divide(max_sale, min_sale, 0) > 3", "wide"],
        ],
        "unknown": "skip",
        "otherwise": "rest",
    },
}
DEFECTS: tuple[tuple[str, Any], ...] = (
    ("facts.usual.take", "mean"),
    ("facts.gap.of", "order"),
    ("facts.gap.take", "max"),
    ("facts.ways.field", "promotion"),
    ("facts.part.of", "order"),
    ("facts.items.where", "quantity >= 1"),
    ("segment.first.0.0", "shift_months(first_order_at, 4) > last_sale_on"),
    ("segment.first.1.0", "divide(max_sale, min_sale, 0) > 4"),
)


def fixed(seed: int) -> Case:
    people = [{"customer_id": one} | dict.fromkeys(VALUES) for one in range(20)]
    return Case(FIXED, seed, ROW_COLUMNS, people, date(2025, 6, 30), None, "UTC")


@pytest.mark.parametrize("path", [None, *range(len(DEFECTS))])
def test_a_defect_is_noticed(path: int | None, engines: Engines) -> None:
    wrong = deepcopy(FIXED)
    if path is not None:
        *where, last = DEFECTS[path][0].split(".")
        table: Any = wrong
        for key in where:
            table = table[int(key) if key.isdigit() else key]
        table[int(last) if last.isdigit() else last] = DEFECTS[path][1]
    noticed = False
    for seed in range(4):
        with engines.open("duckdb") as engine:
            ours, _ = answers(engine, fixed(seed))
        with engines.open("duckdb") as engine:
            _, theirs = answers(engine, replace(fixed(seed), policy=wrong))
        noticed |= ours != theirs
    assert noticed is (path is not None)
