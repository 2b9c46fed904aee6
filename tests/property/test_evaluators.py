"""Three evaluators of one language: columns, one customer, and the slow reference.

They share no code where it matters: the reference reads the text itself and knows nothing of the
package.
"""

from __future__ import annotations

import math
import operator
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest
import reference
from expressions import (
    CONDITIONS,
    FOCUSED,
    SIMPLE,
    ZONES,
    asking,
    bound_of,
    columns_of,
    focused,
    row_of,
)
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from crmcore.columns import Column, Value
from crmcore.conditions import (
    Bound,
    BoundBetween,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
    Truth,
    compiled,
    evaluate,
    explain,
    names,
    parts_of,
    to_text,
)
from crmcore.conditions.evaluators import blocks, calculated, exact, operands
from crmcore.conditions.evaluators.domains import checked_fields
from crmcore.conditions.language import tree
from crmcore.conditions.typed import bound as typed
from crmcore.errors import DataError

EXAMPLES = {"quick": 200, "ci": 1_500, "record": 100_000}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
ROWS = 4
ALL = {True, False, None}
REACHED = {
    **dict.fromkeys(
        [
            *("BoundCompare", "BoundPair", "BoundBetween", "BoundIn", "BoundTerms", "BoundNot"),
            *("BoundField", "BoundSum", "BoundProduct", "BoundDivide", "BoundDays", "BoundShift"),
            *("BoundBand", "BoundCase"),
        ],
        ALL,
    ),
    "BoundKnown": {True, False},
    "BoundConstant": {True, False},
    "BoundLiteral": ALL,
}
"""What each node must come to, an expression in the comparison that it stands in."""

Reached = dict[str, set[bool | None]]


def compare(
    condition: tree.Condition, columns: Mapping[str, Column], zone: str, nan: bool, reached: Reached
) -> None:
    """Compare all evaluators in every row."""
    bound = bound_of(condition, zone)
    assert bound is not None
    text = to_text(condition)
    truth, holds = evaluate(bound, columns, ROWS), compiled(bound)
    assert len(truth.true) == ROWS
    for row in range(ROWS):
        plain = row_of(columns, row)
        expected = reference.truth(reference.parse(text), asking(plain, zone))
        assert truth[row] is expected, (text, plain)
        assert not (truth.true[row] and expected is None)
        assert holds(with_nan(plain) if nan else plain) is expected, (text, plain)
        assert explain(bound, columns, row).truth is expected
    note(bound, columns, reached)


def with_nan(row: Mapping[str, Value]) -> dict[str, Value]:
    return {name: math.nan if value is None else value for name, value in row.items()}


def note(bound: Bound, columns: Mapping[str, Column], reached: Reached) -> None:
    """Note what each condition came to, and each expression in the test that asks about it."""
    truth = evaluate(bound, columns, ROWS)
    found = {truth[row] for row in range(ROWS)}
    reached[type(bound).__name__] |= found
    for inside in _inside(bound):
        if isinstance(inside, typed.Bound):
            note(inside, columns, reached)
        else:
            note_value(inside, found, columns, reached)


def note_value(
    value: BoundValue, found: set[bool | None], columns: Mapping[str, Column], reached: Reached
) -> None:
    reached[type(value).__name__] |= found
    for part in parts_of(value):
        note_value(part, found, columns, reached)
    for row in getattr(value, "rows", ()):
        note(row[0], columns, reached)


def _inside(bound: Bound) -> Iterator[Bound | BoundValue]:
    match bound:
        case BoundTerms():
            yield from bound.terms
        case BoundNot():
            yield bound.term
        case BoundBetween():
            yield from (bound.low, bound.high)
        case BoundPair():
            yield from (bound.left, bound.right)
        case BoundIn() | BoundKnown():
            yield bound.item


def run(examples: int, conditions: st.SearchStrategy[tree.Condition], **options: Any) -> Reached:
    reached: Reached = defaultdict(set)

    @settings(max_examples=examples, suppress_health_check=SLOW, database=None, **options)
    @given(st.data(), conditions, st.sampled_from(ZONES), st.booleans())
    def check(data: st.DataObject, condition: tree.Condition, zone: str, nan: bool) -> None:
        bound = bound_of(condition, zone)
        assume(bound is not None)
        checked = [field.name for field in checked_fields([bound])]
        columns = data.draw(columns_of(names(condition), ROWS, checked))
        compare(condition, columns, zone, nan, reached)

    check()
    return reached


def test_columns_one_customer_and_the_reference_agree() -> None:
    reached = run(EXAMPLES[PROFILE], CONDITIONS | FOCUSED)
    lacking = {name: wanted - reached[name] for name, wanted in REACHED.items()}
    if PROFILE != "quick":
        assert not any(lacking.values()), lacking


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(suppress_health_check=SLOW, database=None)
    @given(st.data(), CONDITIONS, st.integers(1, 4), st.integers(0, 9))
    def check(data: st.DataObject, condition: tree.Condition, size: int, rows: int) -> None:
        bound = bound_of(condition)
        assume(bound is not None)
        checked = [field.name for field in checked_fields([bound])]
        columns = data.draw(columns_of(names(condition), rows, checked))
        monkeypatch.setattr(blocks, "BLOCK", 2**16)
        whole = evaluate(bound, columns, rows)
        monkeypatch.setattr(blocks, "BLOCK", size)
        parts = evaluate(bound, columns, rows)
        assert [parts[row] for row in range(rows)] == [whole[row] for row in range(rows)]

    check()


# --- seeded defects ----------------------------------------------------------------------------


def unknown_is_true(holds: Any, known: Any) -> Truth:
    return Truth(holds) if known is None else Truth(holds | ~known)


def or_of_known_only(left: Truth, right: Truth) -> Truth:
    true = left.true | right.true
    return Truth(true, left.is_known() & right.is_known())


QUOTIENT, LOCAL, CHOSEN = exact.quotient, operands._days, operands._chosen
MONTHS = calculated._months_later
Strategy = st.SearchStrategy[tree.Condition]
DEFECTS: dict[str, tuple[Strategy, str, Any]] = {
    "what is not known is true": (
        SIMPLE,
        "crmcore.conditions.evaluators.evaluation.where_known",
        unknown_is_true,
    ),
    "or needs both known": (
        CONDITIONS,
        "crmcore.conditions.evaluators.evaluation.either",
        or_of_known_only,
    ),
    "whole parts decide alone": (
        SIMPLE,
        "crmcore.conditions.evaluators.evaluation.compare",
        lambda op, left, right: exact.COMPARE[op](
            left.numerator // left.divisor, right.numerator // right.divisor
        ),
    ),
    "a quotient is rounded": (
        focused("divide"),
        "crmcore.conditions.evaluators.exact.quotient",
        lambda left, right: exact.Exact(
            QUOTIENT(left, right).numerator // QUOTIENT(left, right).divisor
        ),
    ),
    "a negative divisor keeps its sign": (
        focused("divide"),
        "crmcore.conditions.evaluators.exact.quotient",
        lambda left, right: exact.Exact(
            left.numerator * right.divisor, left.divisor * abs(right.numerator)
        ),
    ),
    "days of UTC": (
        focused("days", "shift"),
        "crmcore.conditions.evaluators.operands._days",
        lambda column, zone: LOCAL(column if column.kind == "date" else utc_days(column), zone),
    ),
    "months without clamping": (
        focused("shift"),
        "crmcore.conditions.evaluators.operands.day_in_month",
        lambda months, offsets: operands.month_starts(months) + offsets,
    ),
    "an infinite float is known": (
        focused("+", "*", "divide"),
        "numpy.isfinite",
        lambda values: values == values,
    ),
    "a value that is not known gives way to the next": (
        focused("case"),
        "crmcore.conditions.evaluators.operands._chosen",
        lambda type_, first, value, other: CHOSEN(type_, first & value.is_known(), value, other),
    ),
    "one customer: or after Boole": (
        CONDITIONS,
        "crmcore.conditions.evaluators.compiled._either",
        lambda first, second: lambda row: bool(first(row)) or bool(second(row)),
    ),
    "one customer: NaN is a number": (
        SIMPLE,
        "crmcore.conditions.evaluators.given._is_nan",
        lambda value: False,
    ),
    "one customer: a month too far": (
        focused("shift"),
        "crmcore.conditions.evaluators.calculated._months_later",
        lambda day, count: MONTHS(day, count + 1),
    ),
}


def utc_days(column: Column) -> Column:
    return Column("date", column.values // 86_400_000_000, column.known)


def refused(conditions: Strategy) -> bool:
    """Whether the comparison notices that something is wrong."""
    try:
        run(3_000, conditions, derandomize=True, phases=[Phase.generate])
    except (AssertionError, DataError, ExceptionGroup):
        return True
    return False


@pytest.mark.parametrize("name", DEFECTS)
def test_a_seeded_defect_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conditions, target, replacement = DEFECTS[name]
    room, _, attribute = target.rpartition(".")
    monkeypatch.setattr(import_module(room), attribute, replacement)
    assert refused(conditions)


@pytest.mark.parametrize("edge", [">=", "<="])
def test_a_strict_edge_is_noticed(edge: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sharper = {">=": operator.gt, "<=": operator.lt}[edge]
    monkeypatch.setitem(typed.COMPARE, edge, sharper)
    assert refused(SIMPLE)
