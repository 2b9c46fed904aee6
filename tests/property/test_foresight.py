"""What is told of the days to come, where conditions calculate with time.

The truth is what an evaluation says on each of those days, nothing else having happened.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.evaluation.foresight import DAYS_AHEAD

AS_OF = date(2025, 1, 30)
COLUMNS = ("order_id", "customer_id", "placed_at", "amount")
MIDNIGHTS = ("00:00", "05:00", "12:00")
NUMBERS = st.integers(10, 70)
ALL_DAYS = 90
"""Every coming day up to this one is tried, later ones are sampled."""

CONDITIONS = (
    "days_between(last_sale_on, as_of) {op} {n}",
    "days_between(as_of, due_on) {op} {n}",
    "shift_months(last_sale_on, {few}) {op} shift_days(as_of, {n})",
    "shift_days(due_on, sale_count) {op} shift_days(as_of, 0)",
    "days_since_last_sale * {few} {op} {n} + sale_count",
    "days_in_window - {n} {op} days_since_last_sale - days_in_window",
    "days_since_last_sale in [{n}, {few}]",
    "days_since_last_sale + 0 in [{n}, {few}]",
    "days_since_last_sale between {few} and below {n}",
    "band(days_since_last_sale, {few}: 1, 40: 2, else: 0) {op} 1",
    "band(days_since_last_sale * 2, {few}: 1, 40: 2, else: 0) == 1",
    'case(days_in_window > {n}: 1, as_of > "{moment}": 2, else: 3) == {one}',
    "divide(days_since_last_sale, sale_count, unknown) {op} {n}",
    "first_order_at > last_evaluated_at",
    'as_of {op} "{moment}" and days_between(last_evaluated_at, as_of) {op} {few}',
    "shift_days(last_evaluated_at, {n}) {op} shift_days(as_of, 0)",
    "days_between(due_on, as_of) * days_between(due_on, as_of) < {n} * {few}",
)


@st.composite
def conditions(draw: st.DrawFn) -> list[str]:
    chosen = draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3, unique=True))
    return [draw(filled(one)) for one in chosen]


@st.composite
def filled(draw: st.DrawFn, template: str) -> str:
    return template.format(
        op=draw(st.sampled_from(("<", "<=", ">", ">=", "==", "!="))),
        n=draw(NUMBERS),
        few=draw(st.integers(1, 9)),
        one=draw(st.integers(1, 3)),
        moment=f"{AS_OF + timedelta(draw(NUMBERS))}T{draw(st.sampled_from(MIDNIGHTS))}:00Z",
    )


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    window = st.sampled_from(("1 month", "40 days", {"calendar": "quarter"}, {"tiles": "1 month"}))
    every = draw(st.sampled_from((None, None, "1 month", "10 days")))
    chosen = draw(conditions())
    document: dict[str, Any] = {
        "format": 1,
        "name": "time",
        "zone": draw(st.sampled_from(("UTC", "America/New_York"))),
        "currency": {"code": "EUR", "exponent": 2},
        "sale_statuses": ["paid"],
        "windows": {"recent": draw(window)},
        "attributes": {
            "due_on": {"type": "date", "personal": False},
        },
        "facts": {
            "sale_count": {"of": "sale", "take": "count", "in": "recent"},
            "last_sale_on": {
                "of": "sale",
                "take": "last",
                "in": draw(st.none() | st.just("recent")),
            },
            "days_in_window": {"of": "sale", "take": "days_since_last", "in": "recent"},
            "days_since_last_sale": {"of": "sale", "take": "days_since_last"},
            "first_order_at": {"of": "order", "take": "first"},
        },
        "scores": {"waiting": {"fact": "due_on", "within": [["20 days", 3], ["2 months", 2]]}},
        "segment": {
            "first": [[text, f"s{at}"] for at, text in enumerate(chosen)],
            "otherwise": "none",
            "unknown": "skip",
        },
        "class": {
            "first": [['segment == "s0"', "first"], ["waiting == 2", "second"]],
            "otherwise": "other",
        },
    }
    if document["facts"]["last_sale_on"]["in"] is None:
        del document["facts"]["last_sale_on"]["in"]
    if every:
        document["evaluation"] = {"every": every, "anchor": date(2024, 12, 31)}
    return document


@st.composite
def shops(draw: st.DrawFn) -> tuple[list[Any], dict[str, Any]]:
    back = draw(st.lists(st.integers(0, 60), max_size=4))
    rows = [(at, "C1", f"{AS_OF - timedelta(days)}", "9.00") for at, days in enumerate(back)]
    due = draw(st.none() | st.integers(-50, 60))
    due_on = None if due is None else AS_OF + timedelta(due)
    return rows, {"customer_id": ["C1"], "due_on": [due_on]}


class Shop:
    """One customer, to be evaluated on many days."""

    def __init__(self, document: dict[str, Any], rows: list[Any], people: Any, last: Any) -> None:
        self.policy, self.last = crm.load_policy(document), last
        source = crm.Source(zone=document["zone"], currency=document["currency"])
        self.orders = crm.OrderTable.from_rows(rows, source, columns=COLUMNS)
        self.customers = crm.CustomerTable.from_arrays(people)

    def on(self, day: date) -> crm.Evaluation:
        return crm.evaluate(
            self.policy, self.orders, self.customers, as_of=day, last_evaluated_at=self.last
        )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(policies(), shops(), st.none() | st.just(AS_OF - timedelta(7)), st.data())
def test_the_first_day_that_differs_is_told(
    document: dict[str, Any], given: Any, last: Any, data: st.DataObject
) -> None:
    shop = Shop(document, *given, last)
    explanation = shop.on(AS_OF).explain("C1")
    sampled = data.draw(st.lists(st.integers(ALL_DAYS, DAYS_AHEAD), max_size=10))
    days = [AS_OF + timedelta(days) for days in sorted({*range(1, ALL_DAYS), *sampled})]
    for decision in explanation.decisions:
        changes = decision.changes_on
        if changes is not None:
            days.append(changes)
            assert decision.unchanged_until is None
    then = {day: shop.on(day)["C1"] for day in sorted(days)}
    for decision in explanation.decisions:
        first = decision.changes_on or date.max
        for day, row in then.items():
            if day < first:
                assert row[decision.name] == decision.value, (decision.name, day)
            if day == first:
                assert row[decision.name] == decision.changes_to != decision.value
