"""What an explanation says would happen does happen, and not a day or a unit earlier."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from answers import evaluation_of
from cases import Case, cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmcore as crm

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@st.composite
def quiet_cases(draw: st.DrawFn) -> Case:
    """Shops in which nothing lies ahead of the moment, so that nothing happens after it."""
    case = draw(cases())
    columns = case.columns - {"status_at", "known_at", "version"}
    end = crm.load_policy(case.policy).zone
    limit = draw(st.just(crm_end(case.as_of, end)))
    rows = [row for row in case.rows if row["placed_at"] <= limit]
    return replace(case, rows=rows, columns=columns, known_at=None)


def crm_end(day: date, zone: Any) -> Any:
    from crmcore.calendars import moments, to_datetime

    return to_datetime(int(moments(day, zone).at[0]))


@settings(max_examples=60, suppress_health_check=SLOW)
@given(quiet_cases(), st.data())
def test_the_date_of_the_next_change_is_right(case: Case, data: st.DataObject) -> None:
    result = evaluation_of(case)
    if len(result) == 0:
        return
    customer = data.draw(st.sampled_from(result.ids.tolist()))
    explanation = result.explain(customer)
    for decision in explanation.decisions:
        if decision.changes_on is None:
            for days in (1, 31, 366, 1000):
                assert value_on(case, case.as_of + timedelta(days), customer, decision.name) == (
                    decision.value
                )
            continue
        day = decision.changes_on
        assert value_on(case, day, customer, decision.name) == decision.changes_to
        assert decision.changes_to != decision.value
        between = data.draw(st.integers(1, (day - case.as_of).days))
        for before in {day - timedelta(1), case.as_of + timedelta(between - 1)}:
            assert value_on(case, before, customer, decision.name) == decision.value


def value_on(case: Case, day: date, customer: Any, name: str) -> Any:
    return evaluation_of(replace(case, as_of=day))[customer][name]


@settings(max_examples=100, suppress_health_check=SLOW)
@given(quiet_cases(), st.data())
def test_the_nearest_change_suffices_and_nothing_nearer_does(
    case: Case, data: st.DataObject
) -> None:
    result = evaluation_of(case)
    if len(result) == 0:
        return
    customer = data.draw(st.sampled_from(result.ids.tolist()))
    explanation = result.explain(customer)
    for decision in explanation.decisions:
        sides = [(flip.fact, flip.needed > flip.seen) for flip in decision.flips]
        assert len(sides) == len(set(sides))
        for flip in decision.flips:
            assert with_fact(case, result, customer, flip.fact, flip.needed)[decision.name] == (
                flip.becomes
            )
            assert flip.becomes != decision.value
            nearer = one_unit_nearer(flip.needed, flip.seen)
            if nearer is not None:
                found = with_fact(case, result, customer, flip.fact, nearer)
                assert found[decision.name] == decision.value


def with_fact(case: Case, result: Any, customer: Any, fact: str, value: Any) -> Any:
    row = result[customer]
    names = (*result.policy.facts, *result.policy.attributes)
    facts: dict[str, list[Any]] = {name: [row[name]] for name in names}
    facts[fact] = [value]
    facts["customer_id"] = [customer]
    for name, one in list(facts.items()):
        if isinstance(one[0], Fraction):
            scale = 10 ** result.policy.fields[name].exponent
            facts[name] = [(one[0] * scale).numerator]
            facts[name + ".divisor"] = [(one[0] * scale).denominator]
    return crm.evaluate_facts(
        result.policy,
        facts,
        as_of=case.as_of,
        last_evaluated_at=case.last_evaluated_at,
    )[customer]


def one_unit_nearer(needed: Any, seen: Any) -> Any:
    """The value one unit back towards the one seen; ``None`` when that is the one seen."""
    unit: Any = Fraction(1, 100) if isinstance(needed, Fraction) else 1
    if isinstance(needed, bool):
        return None
    if isinstance(needed, Decimal):
        unit = Decimal("0.01")
    if isinstance(needed, date):
        unit = timedelta(1)
    nearer = needed - unit if needed > seen else needed + unit
    return None if (nearer > seen) != (needed > seen) or nearer == seen else nearer


def test_who_is_new_is_graded_at_the_next_scheduled_evaluation() -> None:
    yearly = {"every": "1 year", "anchor": date(2025, 1, 1)}
    held = crm.load_policy({"extends": "classic", "name": "held", "evaluation": yearly})
    source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    names = ("order_id", "customer_id", "placed_at", "amount")
    orders = crm.OrderTable.from_rows([(1, "C1", "2025-03-01", "300.00")], source, columns=names)
    found = crm.evaluate(held, orders, as_of=date(2025, 4, 1)).explain("C1")["class"]
    assert (found.value, found.changes_on, found.changes_to) == ("new", date(2026, 1, 1), "bronze")
