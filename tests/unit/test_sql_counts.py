"""Customers counted by an engine, where the names of the relations' columns need care."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from engines import Engine, Engines, every

import crmcore as crm
from crmcore.sql import to_sql_counts

AS_OF = date(2025, 4, 1)
NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
COINS: Any = {"code": "CNY", "exponent": 2}
BASE: dict[str, Any] = {
    "format": 1,
    "name": "mine",
    "zone": "UTC",
    "currency": COINS,
    "sale_statuses": ["paid"],
    "scores": {"m": {"fact": "mean_sale", "quantiles": 3}},
}
ROWS: dict[str, list[Any]] = {
    "customer_id": ["C1", "C2", "C3"],
    "placed_us": [int(NOON.timestamp()) * 10**6] * 3,
    "amount_minor": [30_000, 90_000, 10_000],
    "status": ["paid", "cancelled", "paid"],
}
NO_KEYS: dict[str, str | None] = dict.fromkeys(["order_id", "returns_order_id"])


def from_orders(of: dict[str, Any], statuses: list[str] | None = None) -> crm.Policy:
    """The policy that the orders themselves give."""
    amounts = [Decimal(one).scaleb(-2) for one in ROWS["amount_minor"]]
    placed = [NOON] * len(amounts)
    given = [ROWS["customer_id"], placed, amounts, *([statuses] if statuses else [])]
    columns = ["customer_id", "placed_at", "amount", *(["status"] if statuses else [])]
    orders = crm.OrderTable.from_rows(
        list(zip(*given, strict=True)), crm.Source(zone="UTC", currency=COINS), columns=columns
    )
    people = crm.CustomerTable.from_arrays({"customer_id": ["C1"]})
    return crm.fit(of, orders, people, as_of=AS_OF)


def from_counts(engine: Engine, of: dict[str, Any], **columns: str | None) -> crm.Policy:
    named: dict[str, str | None] = {**NO_KEYS, **columns}
    query = to_sql_counts(of, dialect=engine.dialect, as_of=AS_OF, columns=named)
    return crm.fit_counts(of, engine.fetch(query), as_of=AS_OF)


OTHERS: dict[str, list[Any]] = {
    "status": ["cancelled", "paid", "paid"],
    "amount_minor": [1, 2, 3],
    "placed_us": [2**52] * 3,  # after the moment
}


@every("duckdb", "postgres")
@pytest.mark.parametrize("name", OTHERS)
def test_a_name_of_the_orders_stays_theirs_beside_an_attribute(
    name: str, kind: str, engines: Engines
) -> None:
    """The quantiles do not need the attribute; the orders have another column of its name."""
    segment = {"first": [[f"{name} is known", "a"]], "otherwise": "b"}
    of = {**BASE, "attributes": {name: "text"}, "segment": segment}
    with engines.open(kind) as engine:
        engine.load({"orders": pa.table({**ROWS, "theirs": ROWS[name], name: OTHERS[name]})})
        found = from_counts(engine, of, **{name: "theirs"})
    assert found.to_toml() == from_orders(of, ROWS["status"]).to_toml()


@every("duckdb", "postgres")
def test_a_column_that_is_not_there_stays_so_beside_a_score(kind: str, engines: Engines) -> None:
    score = {"fact": "order_count", "from": [[2, 5]], "below": 1}
    of = {**BASE, "scores": {**BASE["scores"], "status": score}}
    given = {name: values for name, values in ROWS.items() if name != "status"}
    with engines.open(kind) as engine:
        engine.load({"orders": pa.table(given)})
        found = from_counts(engine, of, status=None)
    assert found.to_toml() == from_orders(of).to_toml()
