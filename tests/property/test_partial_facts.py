"""Facts of batches, merged in any order and any tree, against those of all orders at once."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from golden.shop import policy, table
from hypothesis import assume, given
from hypothesis import strategies as st

import crmcore as crm
from crmcore.calendars import moments
from crmcore.columns import Column
from crmcore.errors import DataError
from crmcore.facts import FactPlan, Partial
from crmcore.facts.measures import beyond
from crmcore.timing import Timing

AS_OF = date(2025, 6, 30)
LIMIT = 2**63 - 1
SMALL = st.integers(-300, 300)
HUGE = st.sampled_from([2**31, 2**32 - 1, 2**32, 2**61, 2**62 - 1, 2**62, LIMIT - 1, LIMIT])
AMOUNT = SMALL | HUGE | HUGE.map(lambda value: -value)

WINDOWS = {"year": {"within": "1 year"}, "month": {"calendar": "month", "back": 1}}
CONDITIONS = ['channel == "web"', "quantity >= 2", 'amount >= "1.00"', 'status == "paid"']


def _facts() -> dict[str, dict[str, Any]]:
    """Each way to take a constant fact, with and without a window, some with a condition."""
    found: dict[str, dict[str, Any]] = {}
    for of in ("order", "sale", "return"):
        kinds = [{"take": "count"}, *({"take": take} for take in ("first", "last"))]
        kinds += [{"take": f"days_since_{take}"} for take in ("first", "last")]
        for field in ("value", "quantity"):
            kinds += [{"take": take, "field": field} for take in ("sum", "mean", "min", "max")]
        if of != "return":
            kinds.append({"take": "share", "field": "promotion"})
        for at, kind in enumerate(kinds):
            for window in (None, *WINDOWS):
                one = {"of": of, **kind} | ({"in": window} if window else {})
                found[f"f{len(found)}_on"] = one
                found[f"f{len(found)}_at"] = one | {"where": CONDITIONS[at % len(CONDITIONS)]}
    return found


FACTS = _facts()

order = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["A", "B", "C", None]),
        "placed_at": st.dates(date(2024, 5, 1), date(2025, 8, 1)),
        "amount_minor": AMOUNT,
        "status": st.sampled_from(["placed", "paid", "shipped", "cancelled"]),
        "channel": st.sampled_from(["web", "app", None]),
        "promotion": st.sampled_from(["spring", None]),
        "quantity": st.none() | SMALL | HUGE,
        "status_at": st.none() | st.dates(date(2024, 5, 1), date(2025, 8, 1)),
        "returned": st.lists(st.integers(1, 300) | HUGE, max_size=2),
        "batch": st.integers(0, 3),
    }
)
shops = st.lists(order, min_size=1, max_size=12)


def rows_of(shop: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Orders, and after each the returns that name it, in the same batch."""
    rows: list[dict[str, Any]] = []
    for given_order in shop:
        row = {name: value for name, value in given_order.items() if name != "returned"}
        row |= {"order_id": len(rows) + 1, "returns_order_id": None}
        rows.append(row)
        back = given_order["returned"] if row["amount_minor"] > 0 else []
        for amount in back:
            more = {"order_id": len(rows) + 1, "returns_order_id": row["order_id"]}
            rows.append(row | more | {"amount_minor": -amount, "status": "paid"})
    return rows


def orders_of(rows: list[dict[str, Any]]) -> crm.OrderTable:
    names = [name for name in rows[0] if name != "batch"]
    if all(row["status_at"] is None for row in rows):
        names.remove("status_at")
    return table(**{name: [row[name] for row in rows] for name in names})


def merged(parts: list[Partial], data: st.DataObject) -> Partial:
    """All parts in one, any two at a time."""
    while len(parts) > 1:
        left = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        right = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts.append(left.merge(right))
    return parts[0]


def to_lists(columns: dict[str, Column]) -> dict[str, list[Any]]:
    return {name: column.to_list() for name, column in columns.items()}


def taken(asked: crm.Policy, shop: list[list[dict[str, Any]]], data: st.DataObject) -> Any:
    """The ids and the facts, from a partial of each batch; or that they are refused."""
    now = moments(AS_OF, asked.zone)
    timing = Timing(asked.zone, now, asked.evaluation.held(now, asked.zone))
    plan = FactPlan(asked.facts, asked.windows, asked.sale_statuses)
    try:
        total = merged([plan.partial(orders_of(rows), timing) for rows in shop], data)
        columns = plan.finish(total, timing, asked.currency.exponent)
    except DataError:
        return "refused"
    return list(total.ids), to_lists(columns)


@given(shops, st.booleans(), st.data())
def test_batches_come_to_the_facts_of_all_orders(
    shop: list[dict[str, Any]], held: bool, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(FACTS)), min_size=1, max_size=8, unique=True))
    calendar = {"every": "1 month", "anchor": date(2024, 1, 15)} if held else "live"
    asked = policy({name: FACTS[name] for name in names}, WINDOWS, evaluation=calendar)
    rows = rows_of(shop)
    batches = [[row for row in rows if row["batch"] == number] for number in range(4)]
    try:
        result = crm.evaluate(asked, orders_of(rows), as_of=AS_OF)
        expected: Any = list(result.ids), to_lists(dict(result.columns))
    except DataError:
        expected = "refused"
    assert taken(asked, [batch for batch in batches if batch], data) == expected


@given(st.lists(AMOUNT, min_size=1, max_size=12), st.data())
def test_a_sum_is_refused_exactly_beyond_64_bits(amounts: list[int], data: st.DataObject) -> None:
    asked = policy({"net": {"of": "sale", "take": "sum"}})
    rows = [{"amount_minor": amount, "status_at": None} for amount in amounts]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(rows)), max_size=4)) | {0, len(rows)})
    batches = [rows[low:high] for low, high in pairwise(cuts)]
    found = taken(asked, batches, data)
    assert (found == "refused") is (sum(map(abs, amounts)) > LIMIT)


@given(st.lists(st.integers(-(2**63), LIMIT), min_size=1, max_size=20))
def test_what_is_kept_of_a_sum_tells_whether_it_fits(values: list[int]) -> None:
    def wrapped(total: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([total % 2**64], np.uint64).view(np.int64)

    total, gross = wrapped(sum(values)), wrapped(sum(value for value in values if value > 0))
    high = np.array([sum(abs(value) >> 32 for value in values)])
    assert bool(beyond(total, gross, high)[0]) is (sum(map(abs, values)) > LIMIT)


@given(shops, shops)
def test_merging_and_finishing_leave_the_parts_as_they_are(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    asked = policy({name: FACTS[name] for name in list(FACTS)[::7]}, WINDOWS)
    now = moments(AS_OF, asked.zone)
    plan = FactPlan(asked.facts, asked.windows, asked.sale_statuses)
    try:
        parts = [
            plan.partial(orders_of(rows_of(shop)), Timing(asked.zone, now, now))
            for shop in (first, second)
        ]
    except DataError:
        assume(False)
    before = [{name: one.tolist() for name, one in part.figures.items()} for part in parts]
    parts[0].merge(parts[1])
    with suppress(DataError):
        plan.finish(parts[0], Timing(asked.zone, now, now), 2)
    assert before == [{name: one.tolist() for name, one in part.figures.items()} for part in parts]


def test_a_batch_without_a_column_counts_as_not_stating_it() -> None:
    asked = policy({"items": {"of": "order", "take": "sum", "field": "quantity"}})
    now = moments(AS_OF, asked.zone)
    timing = Timing(asked.zone, now, now)
    plan = FactPlan(asked.facts, asked.windows, asked.sale_statuses)
    without = plan.partial(table(customer_id=["A", "B"]), timing)
    total = without.merge(plan.partial(table(customer_id=["B", "C"], quantity=[2, 3]), timing))
    assert total.ids.tolist() == ["A", "B", "C"]
    assert plan.finish(total, timing, 2)["items"].to_list() == [0, 2, 3]
    assert plan.finish(without, timing, 2)["items"].to_list() == [None, None]


@pytest.mark.parametrize("small", [1, -1])
def test_a_small_batch_may_be_what_takes_a_sum_beyond_64_bits(small: int) -> None:
    asked = policy({"net": {"of": "sale", "take": "sum"}})
    now = moments(AS_OF, asked.zone)
    timing = Timing(asked.zone, now, now)
    plan = FactPlan(asked.facts, asked.windows, asked.sale_statuses)
    parts = [plan.partial(table(amount_minor=[one]), timing) for one in (LIMIT, small)]
    for part in parts:
        assert len(plan.finish(part, timing, 2)["net"]) == 1
    for left, right in (parts, parts[::-1]):
        with pytest.raises(DataError, match="beyond 64 bits"):
            plan.finish(left.merge(right), timing, 2)
