"""Comparing policies: what is said to be alike is alike for anybody, and witnesses do differ."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.analysis import Scene, fact_table
from crmcore.calendars import Span, day_number, parse_span, shift_days, to_date
from crmcore.facts import FactTable

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
CLASSIC: dict[str, Any] = dict(crm.presets.load("classic").document)
AS_OF = date(2025, 6, 30)
SCENE = Scene.of([crm.presets.load("classic")], AS_OF)
CONDITIONS = [
    "sale_count > 3",
    "sale_count >= 4",
    "sale_count between 1 and below 3",
    "mean_sale > 500",
    "not (mean_sale <= 500)",
    "mean_sale is unknown",
    "sale_count == 0",
    'grade == "gold"',
    "score >= 26 and score < 36",
    "blocked or sale_count in [1, 5]",
    'last_sale_on < "2025-01-01"',
    "days_between(last_sale_on, as_of) > 180",
    "sale_count + order_count > 5",
    "divide(mean_sale, sale_count, 0) > 100",
]
LABELS = ("one", "two")


@st.composite
def policies(draw: st.DrawFn) -> tuple[crm.Policy, crm.Policy]:
    """Two policies that differ in a few places, or in none."""
    before = deepcopy(CLASSIC)
    row = st.lists(
        st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(LABELS)),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one[0],
    )
    first = draw(row)
    before["stage"] = {"first": [list(one) for one in first], "otherwise": "@grade"}
    after = deepcopy(before)
    for change in draw(st.lists(st.sampled_from(CHANGES), max_size=2)):
        change(draw, after)
    return crm.load_policy(before), crm.load_policy(after)


def another_edge(draw: st.DrawFn, policy: Any) -> None:
    rows = policy["grade"]["from"]
    at = draw(st.integers(0, 3))
    rows[at] = [rows[at][0] + draw(st.integers(-2, 2)), rows[at][1]]


def other_points(draw: st.DrawFn, policy: Any) -> None:
    rows = policy["scores"]["monetary_points"]["from"]
    rows[1] = [rows[1][0], draw(st.integers(2, 3))]


def other_condition(draw: st.DrawFn, policy: Any) -> None:
    rows = policy["stage"]["first"]
    taken = {one for one, _ in rows}
    left = [one for one in CONDITIONS if one not in taken]
    rows[-1] = [draw(st.sampled_from(left)), rows[-1][1]]


def other_order(draw: st.DrawFn, policy: Any) -> None:
    policy["stage"]["first"] = draw(st.permutations(policy["stage"]["first"]))


CHANGES = (another_edge, other_points, other_condition, other_order)


@st.composite
def customers(draw: st.DrawFn) -> dict[str, Any]:
    """The facts of somebody there could be, near the edges."""
    orders = draw(st.integers(0, 7))
    sales = draw(st.integers(0, orders))
    day = AS_OF - timedelta(draw(st.integers(0, 365)))
    cents = draw(st.sampled_from([1, 10_000, 29_999, 30_000, 49_999, 50_000, 50_001, 200_000]))
    return {
        "sale_count": sales,
        "order_count": orders,
        "orders_ever": orders,
        "mean_sale": (cents, 100) if sales else None,
        "last_sale_on": day if sales else None,
        "first_order_at": None,
        "blocked": draw(st.booleans()),
    }


def facts_of(policy: crm.Policy, rows: list[dict[str, Any]]) -> FactTable:
    from fractions import Fraction

    plain = [{**row, "mean_sale": row["mean_sale"] and Fraction(*row["mean_sale"])} for row in rows]
    return fact_table(policy, plain)


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(policies(), st.lists(customers(), min_size=1, max_size=40))
def test_verdicts_hold_for_anybody(
    pair: tuple[crm.Policy, crm.Policy], rows: list[dict[str, Any]]
) -> None:
    before, after = pair
    found = crm.diff(before, after, as_of=AS_OF)
    moments = {"as_of": AS_OF, "last_evaluated_at": SCENE.last_evaluated_at}
    then, now = (crm.evaluate_facts(one, facts_of(one, rows), **moments) for one in pair)
    for decision in found.decisions:
        columns = then.columns[decision.name], now.columns[decision.name]
        differ = [row for row in range(len(rows)) if columns[0][row] != columns[1][row]]
        if decision.verdict == "equivalent":
            assert differ == []
        if decision.verdict == "differs":
            shown = decision.witness
            assert shown is not None
            results = [
                crm.evaluate_facts(
                    one,
                    fact_table(one, [dict(shown.customer)]),
                    as_of=shown.as_of,
                    last_evaluated_at=shown.last_evaluated_at,
                )[0][decision.name]
                for one in pair
            ]
            assert results == [shown.before, shown.after]
            assert shown.before != shown.after
    if before.hash == after.hash:
        assert found.decides_alike is True


BARE: dict[str, Any] = {
    "format": 1,
    "name": "bare",
    "zone": "Europe/Berlin",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["paid"],
}
SPANS = ["1 month", "30 days", "1 year", "12 months", "366 days", "24 months", "2 years"]
SPANS += ["730 days", "731 days", "3 years", "36 months", "1096 days", "48 months", "1461 days"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(SPANS), min_size=2, max_size=2),
    st.dates(date(2000, 1, 1), date(2110, 12, 31)),
)
def test_without_a_day_verdicts_hold_as_of_any_day(spans: list[str], day: date) -> None:
    pair = [
        crm.load_policy(
            {**BARE, "scores": {"recency": {"fact": "last_sale_on", "within": [[one, 1]]}}}
        )
        for one in spans
    ]
    verdict = crm.diff(*pair)["recency"].verdict
    assert verdict in ("equivalent", "differs")
    around = {near for span in spans for near in beside(parse_span(span), day)}
    rows = [{"last_sale_on": near} for near in sorted(around)]
    then, now = (
        crm.evaluate_facts(one, fact_table(one, rows), as_of=day).columns["recency"].to_list()
        for one in pair
    )
    assert then == now or verdict == "differs"


def beside(span: Span, day: date) -> list[date]:
    """The days about the one so long ago."""
    (number,) = shift_days(np.array([day_number(day)]), span, -1).tolist()
    return [to_date(number + more) for more in (-1, 0, 1)]


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(st.sampled_from(CONDITIONS), st.sampled_from(CONDITIONS), st.lists(customers(), max_size=40))
def test_relations_hold_for_anybody(one: str, other: str, rows: list[dict[str, Any]]) -> None:
    pair = tuple(
        crm.load_policy({**CLASSIC, "stage": {"first": [[text, "yes"]]}}) for text in (one, other)
    )
    relations = crm.diff(*pair, as_of=AS_OF).rows
    if one == other:
        assert relations == ()
        return
    (row,) = relations
    moments = {"as_of": AS_OF, "last_evaluated_at": SCENE.last_evaluated_at}
    truths = [
        np.array(
            [
                label == "yes"
                for label in crm.evaluate_facts(policy, facts_of(policy, rows), **moments).columns[
                    "stage"
                ]
            ],
            np.bool_,
        )
        for policy in pair
    ]
    if row.relation in ("equivalent", "implies", "disjoint"):
        wrong = truths[0] & (truths[1] if row.relation == "disjoint" else ~truths[1])
        assert not wrong.any()
    if row.relation in ("equivalent", "implied_by"):
        assert not (truths[1] & ~truths[0]).any()
    for witness, side in ((row.only_before, (True, False)), (row.only_after, (False, True))):
        if witness is not None:
            assert (witness.before is True, witness.after is True) == side


@settings(max_examples=30, deadline=None, suppress_health_check=SLOW)
@given(policies(), st.lists(customers(), min_size=1, max_size=40))
def test_movements_count_everybody_once(
    pair: tuple[crm.Policy, crm.Policy], rows: list[dict[str, Any]]
) -> None:
    facts = facts_of(pair[0], rows)
    found = crm.diff(*pair, facts=facts, as_of=AS_OF)
    for moves in found.movements or ():
        assert moves.moved + moves.unchanged == len(rows)
        assert len(moves.movers()) == moves.moved
        if moves.matrix:
            assert sum(map(sum, moves.matrix)) == len(rows)
            diagonal = sum(moves.matrix[at][at] for at in range(len(moves.labels)))
            assert diagonal == moves.unchanged
        verdict = found[moves.name].verdict
        assert verdict != "equivalent" or not moves
