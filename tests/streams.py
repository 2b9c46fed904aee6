"""Random shops as Arrow data, cut into batches, and what makes two results the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import cases
import pytest
from cases import Case
from hypothesis import strategies as st

import crmcore as crm
from crmcore.columns import Column
from crmcore.streaming import StreamedEvaluation

pa = pytest.importorskip("pyarrow")

ID_TYPES = {"int": pa.int64(), "text": pa.string(), "uuid": pa.uuid()}
TYPES = {
    "placed_at": pa.timestamp("us", "UTC"),
    "amount": pa.string(),
    "quantity": pa.int64(),
    "status_at": pa.timestamp("us", "UTC"),
    "known_at": pa.timestamp("us", "UTC"),
    "version": pa.int64(),
    "line_id": pa.int64(),
    "note": pa.int64(),
}
FLAWS: tuple[tuple[str, Any], ...] = (
    ("placed_at", None),
    ("amount", "much"),
    ("amount", None),
    ("amount", "1.005"),
    ("order_id", None),
    ("status", "lost"),
    ("version", None),
    ("known_at", None),
    ("amount", "92233720368547758.07"),
)
EXCLUDE = [
    {"reason": "small", "column": "amount", "equals": "0.01"},
    {"reason": "large", "column": "amount", "above": "40000"},
]


@dataclass(frozen=True)
class Shop:
    """A case as one table, where it is cut, and how it is to be evaluated."""

    case: Case
    table: pa.Table
    batches: list[pa.Table]
    source: crm.Source
    identity: crm.IdentityMap | None
    memory: int
    again: bool
    unique: bool


def identifier(value: Any, kind: str) -> Any:
    """An id of the kind asked for; different ones stay different."""
    if value is None:
        return None
    number = value if isinstance(value, int) else 1000 + cases.CUSTOMERS.index(value)
    return {"int": number, "text": f"N{number}", "uuid": UUID(int=number)}[kind]


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    case = draw(cases.cases())
    customers, orders = (draw(st.sampled_from(sorted(ID_TYPES))) for _ in range(2))
    rows = [as_given(row, customers, orders) for row in case.rows]
    for row in draw(st.lists(st.sampled_from(rows), max_size=5)) if rows else ():
        name, value = draw(st.sampled_from(FLAWS))
        if name in row:
            row[name] = value
    table = table_of(rows, case, customers, orders)
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    edges = zip([0, *cuts], [*cuts, len(rows)], strict=True)
    return Shop(
        case,
        table,
        [table.slice(start, end - start) for start, end in edges],
        crm.Source(
            currency={"code": "CNY", "exponent": 2},
            zone="Asia/Shanghai",
            rows="lines" if case.by_line else "orders",
            exclude=draw(st.sampled_from(([], EXCLUDE))),
        ),
        draw(st.none() | identities(customers)),
        draw(st.sampled_from((1, 1, 2_000, 10_000, 1 << 29))),
        draw(st.booleans()),
        draw(st.booleans()) and unique(rows),
    )


def as_given(row: dict[str, Any], customers: str, orders: str) -> dict[str, Any]:
    """A row with ids of one kind and amounts as text, as files have them."""
    found = {**row, "customer_id": identifier(row["customer_id"], customers), "note": 7}
    for name in {"order_id", "returns_order_id"} & row.keys():
        found[name] = identifier(row[name], orders)
    return {**found, "amount": str(Decimal(row["amount"]).scaleb(-2))}


def unique(rows: list[dict[str, Any]]) -> bool:
    """Whether the caller may say that no order id repeats."""
    ids = [row.get("order_id") for row in rows]
    return len(set(ids)) == len(ids)


def table_of(rows: list[dict[str, Any]], case: Case, customers: str, orders: str) -> pa.Table:
    names = ["customer_id", "placed_at", "amount", "note", *sorted(case.columns)]
    types = {"customer_id": ID_TYPES[customers], "order_id": ID_TYPES[orders]}
    types |= {"returns_order_id": ID_TYPES[orders], **TYPES}
    return pa.table(
        {
            name: pa.array([row[name] for row in rows], types.get(name, pa.string()))
            for name in names
        }
    )


@st.composite
def identities(draw: st.DrawFn, kind: str) -> crm.IdentityMap:
    """Some customers are the person after them: never a circle."""
    people = [identifier(one, kind) for one in cases.CUSTOMERS]
    merged = draw(st.lists(st.integers(0, len(people) - 2), unique=True, max_size=4))
    since = datetime(2020, 1, 1, tzinfo=UTC)
    return crm.IdentityMap.from_rows([(people[at], people[at + 1], since, None) for at in merged])


def customers_of(shop: Shop) -> crm.CustomerTable | None:
    listed = shop.case.customers
    if listed is None:
        return None
    kind = shop.table.schema.field("customer_id").type
    name = next(name for name, type_ in ID_TYPES.items() if type_ == kind)
    columns = {
        "customer_id": [identifier(one["customer_id"], name) for one in listed],
        "blocked": [one["blocked"] for one in listed],
    }
    return crm.CustomerTable.from_arrays(columns)


def asked(shop: Shop) -> dict[str, Any]:
    case = shop.case
    return {
        "as_of": case.as_of,
        "known_at": case.known_at,
        "last_evaluated_at": case.last_evaluated_at,
        "identity": shop.identity,
    }


def at_once(shop: Shop) -> tuple[crm.Evaluation, crm.OrderTable]:
    orders = crm.OrderTable.from_frame(shop.table, shop.source)
    policy = crm.load_policy(shop.case.policy)
    return crm.evaluate(policy, orders, customers_of(shop), **asked(shop)), orders


def streamed(shop: Shop) -> StreamedEvaluation:
    return crm.evaluate_batches(
        crm.load_policy(shop.case.policy),
        shop.batches if shop.again else iter(shop.batches),
        shop.source,
        customers_of(shop),
        memory=shop.memory,
        unique_orders=shop.unique,
        **asked(shop),
    )


def same(stream: StreamedEvaluation, one: crm.Evaluation, orders: crm.OrderTable) -> None:
    """The same customers, columns, findings and account, to the bit."""
    assert stream.intake == orders.intake
    assert [entry.reason for entry in stream.intake.left_out] == [
        entry.reason for entry in orders.intake.left_out
    ]
    assert list(stream.intake.notices) == list(orders.intake.notices)
    assert stream.findings == one.findings
    assert stream.ids.tolist() == one.ids.tolist()
    assert list(stream.columns) == list(one.columns)
    assert stream.known_us == one.known_us
    for name, column in one.columns.items():
        assert bits(stream.columns[name]) == bits(column), name


def bits(column: Column) -> tuple[Any, ...]:
    """All of a column that has a meaning."""
    known = column.is_known()
    divisor = None if column.divisor is None else column.divisor[known].tolist()
    values = column.values[known]
    plain = values.tolist() if values.dtype == object else values.tobytes()
    return column.kind, column.exponent, column.categories, known.tolist(), plain, divisor
