"""The smallest change: nothing nearer would do, and nothing personal can be read from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.columns import Column
from crmcore.conditions import (
    Bound,
    FieldType,
    bind,
    compile_condition,
    evaluate,
    fields_of,
    parse,
    smallest_change,
)
from crmcore.conditions.typed.bound import leaves_of

SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
SMALL = {
    "n": FieldType("int", low=-30, high=30),
    "k": FieldType("int", low=0, high=30),
    "m": FieldType("money", 2, low=-40, high=40),
    "d": FieldType("date", low=-40, high=40),
}
LARGE = {
    "n": FieldType("int", low=-50_000, high=50_000),
    "m": FieldType("money", 2, low=-50_000, high=50_000),
    "d": FieldType("date", low=-50_000, high=50_000),
}
NUMBERS = st.integers(-12, 30).map(str)
CENTS = st.integers(-40, 40).map(lambda cents: f"{'-' * (cents < 0)}0.{abs(cents):02}")
DAYS = st.integers(-40, 40).map(lambda day: f'"{date.fromordinal(719_163 + day)}"')
LITERALS = {"plain": NUMBERS, "amount": CENTS, "day": DAYS}
VALUES = {
    "plain": ["n", "k", "n + {plain}", "{plain} - k", "n - k", "n * 3", "n * k", "divide(n, k, 2)",
              "case(n > {plain}: k, else: n)", "days_between(d, {day})",
              "band(n, -5: 1, 3: 2, 9: 1, else: 4)"],
    "amount": ["m", "m + {amount}", "m * k", "divide(m, k, 0)", "case(k > 3: m, else: 0.07)"],
    "day": ["d", "shift_days(d, k)", "shift_months(d, n)"],
}  # fmt: skip
TESTS = [
    "{value} {op} {literal}",
    "{value} {op} {other}",
    "{value} between {literal} and ({other})",
    "{value} in [{literal}, {literal}]",
    "{value} not in [{literal}]",
]
OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


@st.composite
def asked(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["plain", "amount", "day"]))
    form = draw(st.sampled_from(TESTS))
    while "{literal}" in form:
        form = form.replace("{literal}", draw(LITERALS[kind]), 1)
    for part in ("{value}", "{other}"):
        value = draw(st.sampled_from(VALUES[kind]))
        for name, literals in LITERALS.items():
            value = value.replace(f"{{{name}}}", draw(literals))
        form = form.replace(part, value)
    return form.replace("{op}", draw(OPS))


CONDITIONS = (
    asked() | st.builds("{} and {}".format, asked(), asked()) | asked().map("not {}".format)
)


def bound_of(text: str, fields: dict[str, FieldType]) -> Bound:
    bound, problems = bind(parse(text), fields, "here")
    assume({problem.code for problem in problems} <= {"reversed_edges", "type_mismatch"})
    assume(bound is not None)
    assert bound is not None
    return bound


def column(type_: FieldType, values: Iterable[int]) -> Column:
    return Column(type_.kind, np.fromiter(values, np.int64), exponent=type_.exponent)


def nearest(bound: Bound, row: dict[str, int], fields: dict[str, FieldType]) -> Any:
    """Return the first field of the condition that suffices, and how far it has to go."""
    columns = {name: column(type_, [row[name]]) for name, type_ in fields.items()}
    now = evaluate(bound, columns, 1)[0] is True
    for name, type_ in fields_of(bound).items():
        low, high = type_.domain
        every = column(type_, range(low, high + 1))
        truth = evaluate(bound, {**columns, name: every}, high - low + 1)
        flips = np.flatnonzero(truth.is_known() & (truth.true != now)) + low
        if len(flips):
            return name, int(np.abs(flips - row[name]).min())
    return None


def found(bound: Bound, row: dict[str, int], fields: dict[str, FieldType]) -> Any:
    """Return the same of the smallest change, after trying it."""
    columns = {name: column(type_, [row[name]]) for name, type_ in fields.items()}
    changes = smallest_change(bound, columns, 0)
    if changes is None:
        return None
    changed = dict(columns)
    for change in changes:
        type_ = fields[change.field]
        changed[change.field] = column(type_, [unit(change.needed)])
        assert change.seen == columns[change.field][0]
    now = evaluate(bound, columns, 1)[0] is True
    assert evaluate(bound, changed, 1)[0] is not now
    if len(changes) > 1:
        return None
    return changes[0].field, abs(unit(changes[0].needed) - row[changes[0].field])


def unit(value: Any) -> int:
    if isinstance(value, date):
        return value.toordinal() - 719_163
    return int(value) if isinstance(value, int) else int(value * 100)


def rows(fields: dict[str, FieldType]) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries(
        {name: st.integers(*type_.domain) for name, type_ in fields.items()}
    )


@settings(max_examples=150, suppress_health_check=SLOW, deadline=None)
@given(CONDITIONS, rows(SMALL))
def test_where_one_field_suffices_its_nearest_value_is_told(text: str, row: dict[str, int]) -> None:
    bound = bound_of(text, SMALL)
    assert found(bound, row, SMALL) == nearest(bound, row, SMALL)


FAR = st.sampled_from(
    [
        *("{n} {op} 700", "{n} between 700 and 1100", "{n} in [700, 702, 40]", "{n} not in [9]"),
        *("{m} {op} 9.75", "{m} between above 3 and below 9.75", "{m} in [3, 9.75]"),
        *("{d} {op} 30", "{d} between 30 and 40", "{d} in [4, 400]"),
        'shift_months(d, 1) == "1980-02-29"',
        "case(n > 3: n, else: 0) in [7]",
    ]
)
STRAIGHT = {
    "{n}": ["n + 1", "3 - n", "n * 7", "(n - 5) * 3"],
    "{m}": ["m + 1", "3 - m", "m * 0.25", "divide(m, 8, 0)"],
    "{d}": ['days_between(d, "1990-05-06")', 'days_between("1950-01-01", shift_days(d, 3))'],
}


@settings(max_examples=100, suppress_health_check=SLOW, deadline=None)
@given(FAR, OPS, st.data(), rows(LARGE))
def test_far_away_too_what_rises_or_falls_is_met(
    text: str, op: str, data: st.DataObject, row: dict[str, int]
) -> None:
    for part, values in STRAIGHT.items():
        text = text.replace(part, data.draw(st.sampled_from(values)))
    assume("n > 3" not in text or row["n"] > 3)
    bound = bound_of(text.replace("{op}", op), LARGE)
    assert found(bound, row, LARGE) == nearest(bound, row, LARGE)


# --- what is personal ----------------------------------------------------------------------------

PERSONAL = {**SMALL, "k": replace(SMALL["k"], personal=True)}


@settings(max_examples=100, suppress_health_check=SLOW, deadline=None)
@given(CONDITIONS, rows(PERSONAL), st.integers(0, 30))
def test_a_change_is_the_same_for_any_personal_value_of_the_same_truth(
    text: str, row: dict[str, int], other: int
) -> None:
    bound = bound_of(text, PERSONAL)
    assume("k" in fields_of(bound))
    told, truths = [], []
    for personal in (row["k"], other):
        values = {**row, "k": personal}
        columns = {name: column(type_, [values[name]]) for name, type_ in PERSONAL.items()}
        told.append(smallest_change(bound, columns, 0))
        truths.append([evaluate(leaf, columns, 1)[0] for leaf in leaves_of(bound)])
    assume(truths[0] == truths[1])
    assert told[0] == told[1]


ASKED = [
    "sale_count > income + 0",
    "income * 2 <= sale_count",
    "sale_count == income",
    "sale_count - 1 in [3, 5] and income > 4",
    "case(income > 3: sale_count, else: 0) > 4",
    "frequency > income",
    "divide(sale_count, income, 0) > 1",
    "income > 5",
    "sale_count == 5",
    "net_sales > 40.00",
    'class == "high"',
]
HEAD = {
    "format": 1,
    "name": "personal",
    "zone": "UTC",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["paid"],
    "attributes": {"income": {"type": "int", "min": 0, "max": 12}},
    "scores": {"frequency": {"fact": "sale_count", "from": [[0, 1], [3, 2], [6, 3], [9, 12]]}},
}
AS_OF = date(2025, 1, 1)


@settings(max_examples=80, suppress_health_check=SLOW, deadline=None)
@given(
    st.lists(st.sampled_from(ASKED[:-1]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(ASKED), min_size=1, max_size=2, unique=True),
    st.integers(0, 12),
    st.tuples(st.integers(0, 12), st.integers(0, 12)),
)
def test_an_explanation_tells_the_same_for_any_personal_value_of_the_same_truth(
    classes: list[str], segments: list[str], sales: int, incomes: tuple[int, int]
) -> None:
    policy = crm.load_policy(
        {
            **HEAD,
            "class": {"first": [[" or ".join(classes), "high"]], "otherwise": "low"},
            "segment": {"first": [[one, f"s{at}"] for at, one in enumerate(segments)],
                        "otherwise": "rest"},
        }
    )  # fmt: skip
    told, truths = [], []
    for income in incomes:
        facts = {"customer_id": [1], "sale_count": [sales], "income": [income]}
        if "net_sales" in policy.facts:
            facts["net_sales"] = [1_234]
        result = crm.evaluate_facts(policy, facts, as_of=AS_OF)
        told.append([decision.flips for decision in result.explain(1).decisions])
        row = {**{name: one[0] for name, one in result.columns.items()}, "income": income}
        every = " and ".join([*classes, *segments]).split(" and ")
        truths.append([compile_condition(one, policy.fields)(row) for one in every])
    assume(truths[0] == truths[1])
    assert told[0] == told[1]
