"""Quantiles fitted from counts that an engine worked out: the same policy as from the orders."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from cases import AS_OF_DAYS, WINDOWS, instants
from engines import Engine, Engines, every
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sql_cases import (
    ROW_COLUMNS,
    SESSION_ZONES,
    SESSIONS,
    SOURCE,
    Case,
    crowd,
    customer_table,
    order_table,
    relations,
    shops,
)

import crmcore as crm
from crmcore.sql import to_sql_counts

FULL_RUN = settings.default.max_examples >= 300
COUNTS = {"duckdb": 60, "postgres": 40}
HEAD = {"format": 1, "name": "mine", "currency": {"code": "CNY", "exponent": 2}}
FACTS: dict[str, Any] = {
    "sale_count": {"of": "sale", "take": "count"},
    "net_sales": {"of": "sale", "take": "sum"},
    "mean_sale": {"of": "sale", "take": "mean"},
    "max_sale": {"of": "sale", "take": "max"},
    "days_since_last_sale": {"of": "sale", "take": "days_since_last"},
    "promotion_share": {"of": "sale", "take": "share", "field": "promotion"},
}
BANDED: tuple[dict[str, Any], ...] = (
    {"fact": "first_order_at", "within": [["1 month", 3], ["1 year", 2], ["9 years", 1]]},
    {"fact": "order_count", "from": [[1, 1], [3, 2]], "missing": 0},
)


def sizes(kind: str) -> settings:
    return settings(
        max_examples=COUNTS[kind] if FULL_RUN else COUNTS[kind] // 2,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def quantiles(draw: st.DrawFn, over: dict[str, str]) -> dict[str, Any]:
    """A score whose edges are still to be measured."""
    parts: dict[str, Any] = {"quantiles": draw(st.sampled_from((2, 3, 5, 10)))}
    parts |= {"best": "low"} if draw(st.booleans()) else {}
    return over | parts | ({"missing": 0} if draw(st.booleans()) else {})


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """Quantiles over facts, inside bands, inside quantiles and over sums of them."""
    names = st.sampled_from(sorted(FACTS))
    scores = {"plain": draw(quantiles({"fact": draw(names)}))}
    if draw(st.booleans()):
        scores["bands"] = draw(st.sampled_from(BANDED))
        scores["in_bands"] = draw(quantiles({"fact": draw(names), "inside": "bands"}))
    if draw(st.booleans()):
        scores["in_quantiles"] = draw(quantiles({"fact": draw(names), "inside": "plain"}))
        scores["sum"] = {"weights": {"plain": 2, "in_quantiles": -1}}
        scores["of_sum"] = draw(quantiles({"score": "sum"}))
    # Only what is measured: a fact that is not may be beyond 64 bits, and the query never asks.
    used = [score["fact"] for score in scores.values() if "fact" in score]
    windows = {"period": draw(st.sampled_from(WINDOWS))}
    within = {"in": "period"} if draw(st.booleans()) else {}
    facts = {name: FACTS[name] | within for name in used if name in FACTS}
    head = {**HEAD, "zone": draw(st.sampled_from(SESSION_ZONES)), "windows": windows}
    head["sale_statuses"] = ["delivered", "paid"]
    head["returns"] = draw(st.sampled_from(("customer_total",) * 3 + ("refuse",)))
    if draw(st.integers(0, 3)) == 0:
        head["evaluation"] = {"every": "1 month", "anchor": date(2023, 1, 31)}
    return {**head, "facts": facts, "scores": scores}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    as_of, recipe = draw(st.sampled_from(AS_OF_DAYS)), draw(recipes())
    columns = ROW_COLUMNS | {"promotion"}
    rows, everybody = draw(shops(as_of, columns, "int", "int"))
    customers = None
    if draw(st.booleans()):
        customers = [{"customer_id": one, "blocked": None} for one in everybody]
    moment: date = draw(instants(as_of)) if draw(st.integers(0, 3)) == 0 else as_of
    zone, session = draw(st.sampled_from(SESSION_ZONES)), draw(st.integers(0, 2))
    return Case(recipe, rows, columns, "int", "int", customers, moment, None, zone, session)


def outcome(fit: Any) -> str:
    """The policy that was fitted, or the codes of what was refused."""
    try:
        policy: crm.Policy = fit()
    except crm.PolicyError as error:
        return str(sorted(problem.code for problem in error.problems))
    except crm.DataError:
        return "error"
    return policy.to_toml()


def from_orders(case: Case) -> str:
    orders, people = order_table(case), customer_table(case)
    return outcome(lambda: crm.fit(case.policy, orders, people, as_of=case.as_of))


def counted(engine: Engine, case: Case) -> Any:
    """The counts of an engine, or none where the query refuses."""
    given = relations(case, order_table(case))
    engine.load(given)
    execute = engine.connection.sql if engine.dialect == "spark" else engine.connection.execute
    for statement in SESSIONS[engine.dialect][case.session]:
        execute(statement)
    query = to_sql_counts(
        case.policy,
        dialect=engine.dialect,
        customers="customers" if "customers" in given else None,
        as_of=case.as_of,
    )
    try:
        return engine.fetch(query)
    except engine.failure as error:
        if "crmcore: " not in str(error):
            raise
        return None


def from_counts(engine: Engine, case: Case) -> str:
    counts = counted(engine, case)
    if counts is None:
        return "error"
    return outcome(lambda: crm.fit_counts(case.policy, counts, as_of=case.as_of))


# Spark takes ten times longer to plan a query: it is asked the fixed ones below.
@every(*COUNTS)
def test_counts_give_the_policy_that_the_orders_give(kind: str, engines: Engines) -> None:
    seen: Counter[str] = Counter()

    @sizes(kind)
    @given(cases())
    def agrees(case: Case) -> None:
        ours = from_orders(case)
        with engines.open(kind, case.zone) as engine:
            theirs = from_counts(engine, case)
        assert theirs == ours
        seen["error" if ours == "error" else "refused" if ours[0] == "[" else "fitted"] += 1
        seen["several points"] += "from = [[" in ours and ours.count("], [") > 2
        seen["in quantiles"] += "[scores.of_sum]" in ours

    agrees()
    if FULL_RUN:
        wanted = ("error", "fitted", "several points", "in quantiles")
        assert min(seen[one] for one in wanted) > 0


# What no few cases may leave out, and that a defect shows

FIXED: dict[str, Any] = {
    **HEAD,
    "zone": "Asia/Shanghai",
    "sale_statuses": ["delivered", "paid"],
    "windows": {"period": "1 year"},
    "facts": {"mean_sale": {"of": "sale", "take": "mean", "in": "period"}},
    "scores": {
        "m": {"fact": "mean_sale", "quantiles": 5, "missing": 0},
        "r": {"fact": "days_since_last_sale", "quantiles": 4, "best": "low"},
        "bands": {"fact": "order_count", "from": [[1, 1], [3, 2]]},
        "f": {"fact": "sale_count", "inside": "bands", "quantiles": 3},
        "in_m": {"fact": "net_sales", "inside": "m", "quantiles": 3},
        "sum": {"weights": {"m": 3, "r": 1}},
        "all": {"score": "sum", "quantiles": 4},
    },
}


def fixed(seed: int = 1) -> Case:
    as_of = date(2025, 6, 30)
    rows = crowd(Random(seed), as_of, ROW_COLUMNS)
    people = [{"customer_id": one, "blocked": None} for one in range(25, 35)]
    return Case(FIXED, rows, ROW_COLUMNS, "int", "int", people, as_of, None)


@every()
@pytest.mark.parametrize("seed", [1, 2])
def test_a_whole_recipe_is_fitted_from_counts(kind: str, seed: int, engines: Engines) -> None:
    ours = from_orders(fixed(seed))
    assert ours.count("fitted = {") == 5
    with engines.open(kind) as engine:
        assert from_counts(engine, fixed(seed)) == ours


ATTRIBUTES: dict[str, Any] = {
    **HEAD,
    "zone": "UTC",
    "sale_statuses": ["paid"],
    "attributes": {"x": "float", "since": "date", "level": {"type": "int", "min": 0, "max": 9}},
    "scores": {
        "of_x": {"fact": "x", "quantiles": 4},
        "age": {"fact": "since", "within": [["1 month", 2], ["1 year", 1]], "missing": 0},
        "l": {"fact": "level", "inside": "age", "quantiles": 2, "best": "low"},
        "x_in_l": {"fact": "x", "inside": "l", "quantiles": 3},
    },
}


@every()
def test_attributes_are_counted_as_they_are(kind: str, engines: Engines) -> None:
    floats = [0.0, -0.0, 0.1, 0.1 + 2**-55, 1e-30, -1e300, float("nan"), None, 2.5, 2.5]
    days = [date(2025, 6, 1), date(2024, 9, 1), date(2000, 1, 1), None, date(2025, 6, 29)]
    people = {
        "customer_id": list(range(20)),
        "x": floats * 2,
        "since": days * 4,
        "level": [one % 7 or None for one in range(20)],
    }
    as_of = date(2025, 6, 30)
    orders = crm.OrderTable.from_rows([], SOURCE, columns=["customer_id", "placed_at", "amount"])
    whole = crm.fit(ATTRIBUTES, orders, crm.CustomerTable.from_arrays(people), as_of=as_of)
    assert whole.to_toml().count("fitted = {") == 3
    ids, numbers = pa.array([], pa.int64()), pa.array([], pa.int64())
    empty = {"customer_id": ids, "placed_us": numbers, "amount_minor": numbers}
    columns: dict[str, str | None] = dict.fromkeys([*ROW_COLUMNS, "blocked"])
    with engines.open(kind) as engine:
        engine.load({"orders": pa.table(empty), "customers": pa.table(people)})
        given: dict[str, Any] = {"customers": "customers", "columns": columns, "as_of": as_of}
        counts = engine.fetch(to_sql_counts(ATTRIBUTES, dialect=engine.dialect, **given))
    assert crm.fit_counts(ATTRIBUTES, counts, as_of=as_of).to_toml() == whole.to_toml()


def test_other_orders_are_noticed(engines: Engines) -> None:
    case = fixed()
    fewer = replace(case, rows=[row for row in case.rows if row["customer_id"] != 3])
    assert len(fewer.rows) < len(case.rows)
    with engines.open("duckdb") as engine:
        assert from_counts(engine, fewer) != from_orders(case)


def test_no_row_is_of_one_customer_only_by_id(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        counts = counted(engine, fixed())
    assert "customer_id" not in counts.column_names
    people = len({row["customer_id"] for row in fixed().rows} - {None} | set(range(25, 35)))
    totals: Counter[str] = Counter()
    for row in counts.to_pylist():
        totals[row["score"]] += row["customers"]
    assert set(totals.values()) == {people}
    assert totals.keys() == {"m", "r", "f", "in_m", "all"}
