"""`link_returns` against the plain reading of its rules, one return after the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crmcore as crm

SOURCE = crm.Source(currency={"code": "EUR", "exponent": 2})
NAMES = ("order_id", "customer_id", "placed_at", "amount_minor", "product_id")
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
RULES = (["same_product", "latest_sale"], ["latest_sale"], ["same_product"])

rows_of = st.lists(
    st.tuples(
        st.sampled_from("AB"),
        st.integers(0, 9),
        st.sampled_from((100, 200, 300, 500, -50, -100, -150)),
        st.sampled_from(("p", "q", None)),
    ),
    max_size=25,
)


def table(rows: list[tuple[Any, ...]]) -> crm.OrderTable:
    return crm.OrderTable.from_rows(rows, SOURCE, columns=NAMES)


def links(orders: crm.OrderTable) -> dict[object, object]:
    pairs = zip(orders.return_rows.tolist(), orders.sale_of.tolist(), strict=True)
    return {orders.order_id(row): orders.order_id(sale) for row, sale in pairs if sale >= 0}


def plainly(rows: list[tuple[Any, ...]], rules: list[str]) -> dict[object, object]:
    left = {row[0]: row[3] for row in rows if row[3] > 0}
    found: dict[object, object] = {}
    waiting = sorted((row for row in rows if row[3] < 0), key=lambda row: (row[2], row[0]))
    for rule in rules:
        rest = []
        for row in waiting:
            fits = [
                sale
                for sale in rows
                if sale[3] > 0
                and sale[1] == row[1]
                and sale[2] <= row[2]
                and left[sale[0]] >= -row[3]
                and (rule == "latest_sale" or (row[4] is not None and sale[4] == row[4]))
            ]
            if not fits:
                rest.append(row)
                continue
            sale = max(fits, key=lambda sale: (sale[2], sale[0]))
            found[row[0]] = sale[0]
            left[sale[0]] += row[3]
        waiting = rest
    return found


@given(rows_of, st.sampled_from(RULES))
def test_links_as_one_would_by_hand(given_rows: list[Any], rules: list[str]) -> None:
    rows = [
        (number, customer, FIRST + timedelta(days=day), amount, product)
        for number, (customer, day, amount, product) in enumerate(given_rows)
    ]
    linked, report = crm.link_returns(table(rows), rules=rules)
    expected = plainly(rows, rules)
    assert links(linked) == expected
    returns = [row for row in rows if row[3] < 0]
    assert report.considered == len(returns)
    assert sum(report.linked.values()) == len(expected)
    assert report.remaining == len(returns) - len(expected)
    assert report.linked_minor + report.remaining_minor == -sum(row[3] for row in returns)


def test_a_return_that_names_its_order_is_left_alone() -> None:
    names = (*NAMES, "returns_order_id")
    rows = [
        (1, "A", FIRST, 100, "p", None),
        (2, "A", FIRST + timedelta(days=1), 100, "p", None),
        (3, "A", FIRST + timedelta(days=2), -100, "p", 1),
        (4, "A", FIRST + timedelta(days=3), -100, "p", None),
    ]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=names)
    linked, report = crm.link_returns(orders)
    assert links(linked) == {3: 1, 4: 2}
    assert report.considered == 1


def test_nothing_is_linked_to_a_cancelled_order_or_to_a_stranger() -> None:
    names = (*NAMES, "status")
    rows = [
        (1, "A", FIRST, 100, "p", "cancelled"),
        (2, None, FIRST, 100, "p", "paid"),
        (3, "A", FIRST + timedelta(days=2), -100, "p", "returned"),
        (4, None, FIRST + timedelta(days=2), -100, "p", "returned"),
    ]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=names)
    linked, report = crm.link_returns(orders)
    assert links(linked) == {}
    assert (report.considered, report.remaining) == (1, 1)


def test_links_survive_taking_a_part() -> None:
    rows = [(1, "B", FIRST, 900, "p"), (2, "A", FIRST, 100, "p"), (3, "A", FIRST, -50, "p")]
    linked, _ = crm.link_returns(table(rows))
    assert links(linked.of_customer("A")) == {3: 2}


def test_by_product_needs_products() -> None:
    orders = crm.OrderTable.from_rows(
        [(1, "A", FIRST, 100)], SOURCE, columns=("order_id", "customer_id", "placed_at", "amount")
    )
    with pytest.raises(crm.DataError, match="needs products"):
        crm.link_returns(orders)
