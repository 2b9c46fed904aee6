"""A result depends on the set of orders only: not on their order, repetition or company."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from cases import Case, cases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from property.test_differential import answers, evaluation_of, table_of

import crmcore as crm
from crmcore.columns import Column

LAW = settings(
    max_examples=max(40, settings.default.max_examples // 3),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
Row = dict[str, Any]


def bits(column: Column) -> tuple[object, ...]:
    """All that a column says: kind, what is known, and every known value to the bit."""
    known = column.is_known()
    values: object = column.values[known].tolist()
    if column.values.dtype.kind == "f":
        values = column.values[known].tobytes()
    divisors = None if column.divisor is None else column.divisor[known].tolist()
    unit = (column.kind, column.exponent, column.categories)
    return (*unit, known.tolist(), values, divisors)


def said(result: crm.Evaluation) -> tuple[object, ...]:
    """All that a result says of everybody."""
    columns = [(name, bits(column)) for name, column in result.columns.items()]
    return result.ids.tolist(), columns


def account(orders: crm.OrderTable) -> tuple[object, ...]:
    """What became of the rows, but for their positions."""
    intake = orders.intake
    assert intake.rows == intake.kept + sum(entry.rows for entry in intake.left_out)
    left_out = sorted(
        (entry.kind, entry.reason, entry.rows, entry.amount_minor, sorted(entry.by_month.items()))
        for entry in intake.left_out
    )
    return intake.rows, intake.kept, left_out, sorted(intake.notices.items())


def has_key(case: Case) -> bool:
    if not case.by_line:
        return "order_id" in case.columns
    return "line_id" in case.columns and all(row["line_id"] is not None for row in case.rows)


def own_ids(case: Case) -> Case:
    """The case with order ids that no two customers share."""
    customers: dict[tuple[type, Any], int] = {}

    def own(row: Row, order: Any) -> Any:
        key = (type(row["customer_id"]), row["customer_id"])
        return None if order is None else 10_000 * customers.setdefault(key, len(customers)) + order

    names = [name for name in ("order_id", "returns_order_id") if name in case.columns]
    rows = [row | {name: own(row, row[name]) for name in names} for row in case.rows]
    return replace(case, rows=rows)


def is_the(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


# The set of rows


@LAW
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: Case, chance: random.Random) -> None:
    rows = list(case.rows)
    chance.shuffle(rows)
    assert said(evaluation_of(case, rows)) == said(evaluation_of(case))
    assert account(table_of(case, rows)) == account(table_of(case, case.rows))


@LAW
@given(cases(), st.data())
def test_rows_given_again_do_not_matter(case: Case, data: st.DataObject) -> None:
    assume(has_key(case))
    assume(case.rows)
    again = data.draw(st.lists(st.sampled_from(case.rows), max_size=6))
    assert said(evaluation_of(case, [*case.rows, *again])) == said(evaluation_of(case))


@LAW
@given(cases(), st.data())
def test_overlapping_batches_in_any_order_do_not_matter(case: Case, data: st.DataObject) -> None:
    assume(has_key(case))
    size = len(case.rows)
    cuts = data.draw(st.lists(st.integers(0, size), min_size=2, max_size=4).map(sorted))
    batches = [case.rows[: cuts[0]], case.rows[cuts[-1] :], case.rows]
    batches += [case.rows[first:last] for first, last in pairwise(cuts)]
    batches = data.draw(st.permutations(batches))
    rows = [row for batch in batches for row in batch]
    assert said(evaluation_of(case, rows)) == said(evaluation_of(case))


@LAW
@given(cases(), st.data())
def test_splitting_into_batches_does_not_matter(case: Case, data: st.DataObject) -> None:
    size = len(case.rows)
    cuts = [0, *data.draw(st.lists(st.integers(0, size), max_size=4).map(sorted)), size]
    batches = [case.rows[first:last] for first, last in pairwise(cuts)]
    rows = [row for batch in data.draw(st.permutations(batches)) for row in batch]
    assert said(evaluation_of(case, rows)) == said(evaluation_of(case))


# One customer among others


@LAW
@given(cases(), st.data())
def test_one_customer_alone_is_as_among_others(case: Case, data: st.DataObject) -> None:
    case = own_ids(case)
    whole = answers(evaluation_of(case))
    assume(whole)
    customer = data.draw(st.sampled_from(list(whole)))
    rows = [row for row in case.rows if is_the(row["customer_id"], customer)]
    known = case.customers and [
        one for one in case.customers if is_the(one["customer_id"], customer)
    ]
    alone = answers(evaluation_of(replace(case, rows=rows, customers=known)))
    assert alone == {customer: whole[customer]}


@LAW
@given(cases(), st.data())
def test_one_customers_part_of_the_table_is_enough(case: Case, data: st.DataObject) -> None:
    result = evaluation_of(case)
    assume(len(result))
    customer = data.draw(st.sampled_from(result.ids.tolist()))
    blocked = [
        one["blocked"] for one in case.customers or () if is_the(one["customer_id"], customer)
    ]
    alone = crm.evaluate(
        result.policy,
        table_of(case, case.rows).of_customer(customer),
        crm.CustomerTable.from_arrays({"customer_id": [customer], "blocked": blocked or [None]}),
        as_of=case.as_of,
        known_at=case.known_at,
        last_evaluated_at=case.last_evaluated_at,
    )
    assert alone[customer] == result[customer]


MODEL_COLUMNS = (
    "status",
    "status_at",
    "known_at",
    "returns_order_id",
    "quantity",
    "product_id",
    "category",
    "channel",
    "promotion",
)


def model_of(row: Row) -> crm.Order:
    amount = Decimal(row["amount"]).scaleb(-2)
    more = {name: row[name] for name in MODEL_COLUMNS if name in row}
    names = ("order_id", "customer_id", "placed_at")
    return crm.Order(**{name: row[name] for name in names}, amount=amount, **more)


@LAW
@given(cases(), st.data())
def test_one_customers_models_say_the_same(case: Case, data: st.DataObject) -> None:
    assume("order_id" in case.columns)
    assume(not case.by_line)
    assume("version" not in case.columns)
    case = own_ids(case)
    result = evaluation_of(case)
    assume(len(result))
    customer = data.draw(st.sampled_from(result.ids.tolist()))
    rows = [row for row in case.rows if is_the(row["customer_id"], customer)]
    blocked = [
        one["blocked"] for one in case.customers or () if is_the(one["customer_id"], customer)
    ]
    alone = crm.evaluate_customer(
        result.policy,
        crm.Customer(customer_id=customer, blocked=bool(blocked and blocked[0])),
        map(model_of, rows),
        as_of=case.as_of,
        known_at=case.known_at,
        last_evaluated_at=case.last_evaluated_at,
    )
    assert answers(alone) == {customer: answers(result)[customer]}


# Rows of others


@LAW
@given(cases(), st.data())
def test_anonymous_rows_change_nobody(case: Case, data: st.DataObject) -> None:
    assume(case.rows)
    strangers = [
        row | {"customer_id": None, "order_id": 1_000 + number}
        for number, row in enumerate(data.draw(st.lists(st.sampled_from(case.rows), max_size=5)))
    ]
    place = data.draw(st.integers(0, len(case.rows)))
    rows = [*case.rows[:place], *strangers, *case.rows[place:]]
    assert said(evaluation_of(case, rows)) == said(evaluation_of(case))


@LAW
@given(cases())
def test_money_scales_and_counts_stay(case: Case) -> None:
    scaled = [row | {"amount": 7 * row["amount"]} for row in case.rows]
    once, seven = evaluation_of(case), evaluation_of(case, scaled)
    assert once.ids.tolist() == seven.ids.tolist()
    for name in once.policy.facts:
        column, other = once.columns[name], seven.columns[name]
        for one, many in zip(column, other, strict=True):
            is_money = column.kind in ("money", "ratio") and column.exponent
            if one is None or column.kind == "float":
                assert (one is None) is (many is None)
            else:
                assert many == (7 * one if is_money else one)
