"""Rows become columns, and a row that differs from the others is never cut to fit."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

import crmcore as crm
from crmcore.records.rows import columns_of_rows

ROW = {"order_id": 1, "customer_id": "C1"}
MORE = {**ROW, "status": "cancelled"}


@pytest.mark.parametrize("rows", [[ROW, MORE], [MORE, ROW]])
def test_mappings_with_different_keys_are_refused_in_any_order(rows: list[Any]) -> None:
    with pytest.raises(crm.DataError) as caught:
        columns_of_rows(rows, None)
    assert caught.value.positions == (1,)


def test_named_columns_are_read_from_mappings_that_hold_more() -> None:
    found = columns_of_rows([ROW, MORE], ("order_id",))
    assert found == {"order_id": [1, 1]}


def test_a_named_column_must_be_in_every_mapping() -> None:
    with pytest.raises(crm.DataError, match="lack a column") as caught:
        columns_of_rows([MORE, ROW], ("order_id", "status"))
    assert (caught.value.column, caught.value.positions) == ("status", (1,))


def test_tuples_need_names_and_one_length() -> None:
    with pytest.raises(crm.DataError, match="without names"):
        columns_of_rows([(1, 2)], None)
    with pytest.raises(crm.DataError) as caught:
        columns_of_rows([(1, 2), (3,), (4, 5)], ("a", "b"))
    assert caught.value.positions == (1,)


def test_no_rows_are_empty_columns() -> None:
    assert columns_of_rows([], ("a", "b")) == {"a": [], "b": []}


def test_a_cursor_of_a_database_will_do() -> None:
    base = sqlite3.connect(":memory:")
    cursor = base.execute("select 1, 'C1', '2025-03-01', 300 union select 2, 'C1', '2025-03-02', 5")
    source = crm.Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    names = ("order_id", "customer_id", "placed_at", "amount_minor")
    assert len(crm.OrderTable.from_rows(cursor, source, columns=names)) == 2
