"""The package against the slow reference: every column of every customer, bit for bit."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import cases
import numpy as np
import pytest
import reference
from answers import alone, answers, evaluation_of, expected, one_by_one, table_of
from cases import Case
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crmcore import kernels
from crmcore.calendars import shift_days
from crmcore.scoring import BandStep

EXAMPLES = {"quick": 200, "ci": 2_000, "record": 50_000}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

REACHED = {
    "class": {"non_ordering", "malicious", "new", "no_order", "no_sale", *cases.GRADES, None},
    "grade": {*cases.GRADES, None},
    "segment": {"core", "likely", "medal", "others"},
    "recency_points": {1, 3, 4, 5, None},
    "frequency_points": {1, 2, 3, 4, 5, None},
    "monetary_points": {0, 1, 2, 3, 4, 5, None},
    "quarantined": {"conflicting_duplicate", "conflicting_order", "positive_return"},
    "collapsed": {"duplicate", "superseded"},
    "notice": {"anonymous", "zero_amount", "return_link_not_found", "no_order_id", "no_line_id"},
}
"""What the cases must reach at least once for the comparison to mean anything."""


def compare(case: Case, reached: dict[str, Counter[Any]]) -> None:
    """Compare every cell, and what was set aside; note what the case reached."""
    theirs = expected(case)
    result = evaluation_of(case)
    ours = answers(result)
    assert list(ours) == list(theirs)
    for customer, values in theirs.items():
        for name, value in values.items():
            assert ours[customer][name] == value, name
            assert type(ours[customer][name]) is type(value), name
            if name in reached:
                reached[name][value] += 1
    intake = table_of(case, case.rows).intake
    given_columns = {"customer_id", "placed_at", "amount", *case.columns}
    rows_are = "lines" if case.by_line else "orders"
    _, _, quarantined, _ = reference.prepare(case.rows, rows_are, given_columns, None)
    own_rows_each_day = "known_at" in case.columns and (case.by_line or "version" in case.columns)
    if not own_rows_each_day:
        assert {one.reason: one.rows for one in intake.of("quarantined")} == +quarantined
    assert intake.rows == intake.kept + sum(one.rows for one in intake.left_out)
    for one in intake.left_out:
        reached[one.kind][one.reason] += one.rows
    reached["notice"].update(intake.notices)


def compare_one(case: Case, customer: Any) -> None:
    """Compare one customer in a web request with the reference, and with the columns."""
    if case.by_line or "order_id" not in case.columns or "version" in case.columns:
        return  # models have ids, and no versions
    case = alone(case, customer)
    theirs = expected(case)
    for ours in (answers(one_by_one(case)), answers(evaluation_of(case))):
        for name, value in theirs.get(customer, {}).items():
            assert ours[customer][name] == value, name


def busiest(case: Case) -> list[Any]:
    """The customer with most rows, if there is one."""
    rows = Counter(row["customer_id"] for row in case.rows if row["customer_id"] is not None)
    return [customer for customer, _ in rows.most_common(1)]


ANY = cases.cases()


def run(
    examples: int, some: st.SearchStrategy[Case] = ANY, **options: Any
) -> dict[str, Counter[Any]]:
    reached: dict[str, Counter[Any]] = {name: Counter() for name in REACHED}

    @settings(max_examples=examples, suppress_health_check=SLOW, database=None, **options)
    @given(some)
    def check(case: Case) -> None:
        compare(case, reached)
        for customer in busiest(case):
            compare_one(case, customer)

    check()
    return reached


def test_every_cell_agrees_with_the_reference() -> None:
    reached = run(EXAMPLES[PROFILE])
    lacking = {name: wanted - reached[name].keys() for name, wanted in REACHED.items()}
    if PROFILE != "quick":
        assert not any(lacking.values()), lacking


ADD, MEDIAN, SPREAD = kernels.add, kernels.lower_median, kernels.spread
DEFECTS = {
    "the first in place of the last": ("crmcore.kernels.largest", kernels.smallest),
    "returns by the wrong sign": (
        "crmcore.kernels.add",
        lambda codes, values, groups: ADD(codes, abs(values), groups),
    ),
    "the upper median": (
        "crmcore.kernels.lower_median",
        lambda codes, values, groups: -MEDIAN(codes, -values, groups),
    ),
    "population in place of sample": (
        "crmcore.kernels.spread",
        lambda codes, values, groups: SPREAD(codes, values, groups) * 0.999,
    ),
    "a window that ends a day early": (
        "crmcore.calendars.windows.shift_days",
        lambda days, span, sign: shift_days(days, span, sign) - 1,
    ),
    "the bands of other points": (
        "crmcore.scoring.steps.NestedStep.apply",
        lambda step, columns, rows, timing: BandStep(
            step.name, step.source, step.tables[5], step.windowed, step.field_type
        ).apply(columns, rows, timing),
    ),
    "months without clamping": (
        "crmcore.bands.bound._edge_days",
        lambda spans, day: np.array([day - 30 * span.months - span.days for span in spans]),
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_seeded_defect_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, replacement = DEFECTS[name]
    monkeypatch.setattr(target, replacement)
    takes_all = target.endswith(("lower_median", "spread"))
    some = cases.cases(cases.HOLISTIC) if takes_all else ANY
    with pytest.raises(AssertionError):
        run(2_000, some, derandomize=True, phases=[Phase.generate])
