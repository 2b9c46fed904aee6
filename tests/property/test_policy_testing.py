"""What is said of tests of random policies: that a change makes no difference, that nobody can
reach a row. Customers drawn at random must not say otherwise."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import crmcore as crm
from crmcore.columns import Column
from crmcore.policy import Policy
from crmcore.workbench.testing import generate
from crmcore.workbench.testing.coverage import coverage_of
from crmcore.workbench.testing.points import reach_of
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
