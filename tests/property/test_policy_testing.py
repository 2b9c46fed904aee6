"""What is said of tests of random policies: that a change makes no difference, that nobody can
reach a row. Customers drawn at random must not say otherwise, nor those of random orders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
from answers import evaluation_of
from cases import OPTIONAL_COLUMNS, Case, row_lists
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.columns import Column
from crmcore.policy import Policy
from crmcore.workbench.testing import generate, load_tests
from crmcore.workbench.testing.coverage import coverage_of
from crmcore.workbench.testing.points import AllEnds, reach_of
from crmcore.workbench.testing.trials import Trial
from crmcore.workbench.testing.views import differing, view_of

NAMES = ("a", "b", "c")
OPERATORS = ("<", "<=", ">", ">=", "==", "!=")


@st.composite
def single_tests(draw: st.DrawFn) -> str:
    """One test of one or two attributes."""
    name, other = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    number, operator = draw(st.integers(0, 5)), draw(st.sampled_from(OPERATORS))
    return draw(
        st.sampled_from(
            [
                f"{name} {operator} {number}",
                f"{name} {operator} {number}",
                f"{name} between {number} and {number + 2}",
                f"{name} between above {number} and below {number + 3}",
                f"{name} in [{number}, {number + 2}]",
                f"{name} is known",
                f"{name} {operator} {other}",
            ]
        )
    )


@st.composite
def conditions(draw: st.DrawFn) -> str:
    parts = draw(st.lists(single_tests(), min_size=1, max_size=2))
    text = draw(st.sampled_from([" and ", " or "])).join(parts)
    return f"not ({text})" if draw(st.integers(0, 3)) == 0 else text


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A list of conditions, and sometimes a score before it."""
    rows = draw(st.lists(conditions(), min_size=1, max_size=3, unique=True))
    labels = [draw(st.sampled_from(("x", "y", "z"))) for _ in rows]
    table = {
        "first": [list(pair) for pair in zip(rows, labels, strict=True)],
        "otherwise": draw(st.sampled_from(("x", "w"))),
        "unknown": draw(st.sampled_from(("skip", "default", "error"))),
    }
    edges = sorted(draw(st.sets(st.integers(0, 5), min_size=1, max_size=3)))
    score = {"fact": "c", "from": [[edge, at] for at, edge in enumerate(edges)]}
    return crm.load_policy(
        {
            "format": 1,
            "name": "random",
            "zone": "UTC",
            "currency": {"code": "XXX", "exponent": 2},
            "sale_statuses": ["paid"],
            "attributes": {name: {"type": "int", "min": -9, "max": 20} for name in NAMES},
            "scores": {"s": score},
            "segment": table,
        }
    )


def customers(policy: Policy, rows: int = 2_000) -> dict[str, Column]:
    chance = np.random.default_rng(7)
    return {
        name: Column("int", chance.integers(-9, 21, rows), chance.random(rows) < 0.9)
        for name in policy.attributes
    }


@given(policies())
def test_no_customer_tells_a_change_that_makes_no_difference(policy: Policy) -> None:
    trial, columns = Trial.of(policy, ()), customers(policy)
    timing = trial.views[0].timing
    before = view_of(policy, columns, 2_000, timing, None)
    for mutant, changed in trial.mutants():
        if changed is None or mutant.of_facts:
            continue
        if trial.tells(changed) or not trial.is_certain:
            continue
        after = view_of(changed, columns, 2_000, timing, None)
        told = np.logical_or.reduce(list(differing(before, after)))
        assert not told.any(), f"{mutant.path}: {mutant.before} -> {mutant.after}"


@given(policies())
def test_no_customer_reaches_what_nobody_can_reach(policy: Policy) -> None:
    trial, columns = Trial.of(policy, ()), customers(policy)
    ends = {}
    possible = reach_of(trial.views[0], ends)
    seen = reach_of(view_of(policy, columns, 2_000, trial.views[0].timing, None), ends)
    assert trial.grid.is_whole
    assert [str(key) for key in seen if seen[key].any() and not possible[key].any()] == []


@given(policies())
def test_cases_made_pass_and_reach_everything(policy: Policy) -> None:
    report = crm.run_tests(policy, generate(policy))
    assert not report.failures
    assert coverage_of(policy, report.cases).uncovered == ()


# Policies with facts, and customers with orders

AS_OF = date(2025, 6, 30)
COLUMNS = frozenset([*OPTIONAL_COLUMNS, "order_id"]) - {"known_at", "version"}
FACTS: dict[str, dict[str, str]] = {
    "sales": {"of": "sale", "take": "count"},
    "lately": {"of": "sale", "take": "count", "in": "y"},
    "web": {"of": "sale", "take": "count", "in": "y", "where": 'channel == "web"'},
    "placed": {"of": "order", "take": "count"},
    "mean": {"of": "sale", "take": "mean"},
    "most": {"of": "sale", "take": "max"},
    "least": {"of": "order", "take": "min"},
    "net": {"of": "sale", "take": "sum"},
    "since": {"of": "sale", "take": "days_since_last"},
    "first_on": {"of": "order", "take": "first"},
    "last_on": {"of": "sale", "take": "last", "in": "y"},
}
MONEY = ("mean", "most", "least", "net")
DAYS = ("first_on", "last_on")
SOMETIMES_MISSING = ("mean", "most", "least", "since", *DAYS)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@st.composite
def fact_tests(draw: st.DrawFn) -> str:
    name, operator = draw(st.sampled_from([*FACTS])), draw(st.sampled_from(OPERATORS[:4]))
    if name in SOMETIMES_MISSING and draw(st.integers(0, 4)) == 0:
        return f"{name} is known"
    if name in MONEY:
        return f"{name} {operator} {draw(st.sampled_from((0, 300, 500)))}.00"
    if name in DAYS:
        return f'{name} {operator} "{draw(st.sampled_from(("2024-06-30", "2025-05-31")))}"'
    return f"{name} {operator} {draw(st.sampled_from((0, 1, 2, 3, 30)))}"


@st.composite
def shops(draw: st.DrawFn) -> Case:
    """A policy that reads few facts, and a shop with orders."""
    two = st.lists(fact_tests(), min_size=1, max_size=2, unique=True)
    rows = draw(
        st.lists(two, min_size=1, max_size=3, unique_by=lambda one: " and ".join(sorted(one)))
    )
    first = [[" and ".join(tests), f"row_{at}"] for at, tests in enumerate(rows)]
    policy: dict[str, Any] = {
        "format": 1,
        "name": "random",
        "zone": "Asia/Shanghai",
        "currency": {"code": "CNY", "exponent": 2},
        "sale_statuses": ["paid", "delivered"],
        "returns": "customer_total",
        "windows": {"y": "1 year"},
        "facts": FACTS,
        "segment": {"first": first, "otherwise": "rest"},
    }
    orders = draw(row_lists(AS_OF, COLUMNS, by_line=False))
    return Case(policy, orders, COLUMNS, False, None, AS_OF, None, None)


def with_orders(case: Case) -> tuple[Trial, Mapping[str, Column], int]:
    """Return the trial of a case's policy at its moment, and its customers' facts."""
    result = evaluation_of(case)
    moment = {"as_of": AS_OF.isoformat(), "case": [{"name": "x", "expect_missing": ["segment"]}]}
    trial = Trial.of(result.policy, load_tests(moment, result.policy))
    return trial, result.facts.columns, len(result)


@given(shops())
@settings(suppress_health_check=SLOW)
def test_no_orders_tell_a_change_that_makes_no_difference(case: Case) -> None:
    trial, columns, rows = with_orders(case)
    timing = trial.views[0].timing
    before = view_of(trial.policy, columns, rows, timing, None)
    for mutant, changed in trial.mutants():
        if changed is None or mutant.of_facts or not changed.facts.keys() <= columns.keys():
            continue
        after = view_of(changed, columns, rows, timing, None)
        told = np.logical_or.reduce(list(differing(before, after)))
        if told.any() and trial.is_certain:
            assert trial.tells(changed), f"{mutant.path}: {mutant.before} -> {mutant.after}"


@given(shops())
@settings(suppress_health_check=SLOW)
def test_no_orders_reach_what_nobody_can_reach(case: Case) -> None:
    trial, columns, rows = with_orders(case)
    ends: AllEnds = {}
    possible = reach_of(trial.views[0], ends, trial.grid.likely)
    seen = reach_of(view_of(trial.policy, columns, rows, trial.views[0].timing, None), ends)
    if trial.is_certain:
        assert [str(key) for key in seen if seen[key].any() and not possible[key].any()] == []
