"""The policy as SQL against the package: every cell of every customer, in DuckDB."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from cases import (
    AS_OF_DAYS,
    CUSTOMERS,
    FACTS,
    WINDOWS,
    instants,
    nested_bands,
    policies,
    row_lists,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.records.orders import RETURN, STATUSES, WITHDRAWN
from crmcore.sql import to_sql

CASES = settings(
    max_examples=2_000 if settings.default.max_examples > 300 else 150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SOURCE = crm.Source(currency={"code": "CNY", "exponent": 2})
TAKES = {"count", "sum", "mean", "min", "max", "first", "last"}
TAKES |= {"days_since_first", "days_since_last"}
SAYABLE = [
    (name, spec)
    for name, spec in FACTS
    if spec["of"] != "line" and spec["take"] in TAKES and "field" not in spec
]
IDS: dict[str, list[Any]] = {
    "int": [-5, 0, 1, 2, 7, 10, 100, 2**40, 2**62],
    "text": ["", "1", "10", "2", "A", "a", "ab", "é", "顾客"],
    "uuid": [
        UUID(int=one) for one in (0, 1, 2, 255, 2**64, 2**100, 2**127, 2**127 + 1, 2**128 - 1)
    ],
}
ID_TYPES = {"int": pa.int64(), "text": pa.string(), "uuid": pa.string()}
SQL_TYPES = {"int": "bigint", "text": "varchar", "uuid": "uuid"}
CONDITIONS = (
    "mean_sale == 500 or mean_sale != 300.005",
    "not (mean_sale > 333.333 and sale_count >= 1.5)",
    "sale_count in [1, 3, 5.5] or mean_sale in [300, 299.995]",
    'grade >= "silver" or grade is unknown',
    'grade not in ["bronze", "gold"]',
    'last_sale_on < "2024-03-01" or last_sale_on in ["2025-06-30"]',
    'last_sale_on between "2023-06-01" and "2024-02-29"',
    'first_order_at >= "2024-02-28T23:30:00+05:30" and first_order_at < as_of',
    "last_evaluated_at is known and first_order_at <= last_evaluated_at",
    "recency_points == frequency_points or sale_count > monetary_points",
    "sale_count == 2.5 or not sale_count != 1.5",
    "blocked or not blocked and cell >= 300",
    'mean_sale between 0 and "500.00"',
    "not (score > 20 or mean_sale < 400)",
    'class == "malicious" or class in ["silver"] or class != "new"',
)
DAY = timedelta(days=1)
BACK = (DAY * 0, DAY * 0, DAY / 24, DAY * 2 / 3, DAY - timedelta(microseconds=1))
ROW_COLUMNS = frozenset({"order_id", "status", "returns_order_id"})


@dataclass(frozen=True)
class Case:
    """One shop whose rows have a canonical form, and one policy that has a SQL form."""

    policy: dict[str, Any]
    rows: list[dict[str, Any]]
    columns: frozenset[str]
    kind: str
    customers: list[dict[str, Any]] | None
    as_of: date
    last_evaluated_at: datetime | None


@st.composite
def documents(draw: st.DrawFn, as_of: date) -> dict[str, Any]:
    """Policies with random facts that have a SQL form, random edges and random conditions."""
    document = draw(policies(as_of))
    document.pop("evaluation", None)
    facts = {name: fact for name, fact in document["facts"].items() if not name.startswith("x_")}
    for name, spec in draw(
        st.lists(st.sampled_from(SAYABLE), max_size=4, unique_by=lambda f: f[0])
    ):
        window = draw(st.sampled_from((None, "period", "recent")))
        facts[f"x_{name}"] = spec | ({"in": window} if window else {})
    document["facts"] = facts
    digits = draw(st.sampled_from((0, 2, 3, 5)))
    edges = draw(st.lists(st.integers(-50_000, 250_000), min_size=4, max_size=4, unique=True))
    scores = document["scores"]
    if draw(st.booleans()):
        values = [
            str(Decimal(one).scaleb(-2) + Decimal(1).scaleb(-digits)) for one in sorted(edges)
        ]
        scores["monetary_points"]["from"] = [[one, at + 1] for at, one in enumerate(values)]
    if draw(st.booleans()):
        scores["recency_points"]["missing"] = 0
        scores["frequency_points"]["below"] = 0
    if draw(st.booleans()):
        scores["frequency_points"] = draw(nested_bands())
    if draw(st.booleans()):
        steps = [["2 weeks", 9], ["1 month", 7], ["1 quarter", 5], ["1 year", 3], ["5 years", 1]]
        scores["age"] = {"fact": "first_order_at", "within": steps}
        scores["quiet"] = {"fact": "days_since_last_sale", "from": [[0, 3], [30, 2], [400.5, 1]]}
        scores["spend"] = {"fact": "net_sales", "below": -7, "from": [["0.00", 1], ["900.01", 2]]}
        scores["sum"] = {"weights": {"age": -3, "spend": 1}}
    if draw(st.booleans()):
        wanted = draw(st.lists(st.sampled_from(CONDITIONS), min_size=3, unique=True))
        rows = [[condition, f"row_{at}"] for at, condition in enumerate(wanted)]
        unknown = draw(st.sampled_from(("skip", "default")))
        document["stage"] = {"first": rows, "unknown": unknown}
        if draw(st.booleans()):
            document["stage"]["otherwise"] = draw(st.sampled_from(("@grade", "@class", "rest")))
    return document


def crowd(chance: Random, as_of: date, columns: frozenset[str]) -> list[dict[str, Any]]:
    """Rows of thirty customers, from one order to eight each, over the last fourteen months."""
    end = datetime(as_of.year, as_of.month, as_of.day, 15, 59, 59, 999_999, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    for customer in range(30):
        last = chance.choice((1, 20, 50, 100, 150, 300, 400))
        for _ in range(chance.choice((1, 1, 2, 3, 4, 5, 6, 8))):
            mine = [row for row in rows if row["customer_id"] == customer]
            negative = bool(mine) and chance.random() < 0.15
            amount = chance.choice((1, 29_999, 30_000, 60_000, 100_000, 250_000, 900_000))
            days = chance.choice((chance.randint(last, last + 60),) * 14 + (365,))
            row = {
                "customer_id": chance.choice((customer, customer, customer, customer, None)),
                "placed_at": end - timedelta(days=days) - chance.choice(BACK),
                "amount": -amount if negative else amount,
                "order_id": len(rows),
                "status": chance.choice(("paid", "shipped", "delivered", "delivered", *STATUSES)),
                "returns_order_id": None,
            }
            if negative and chance.random() < 0.7:
                row["returns_order_id"] = chance.choice(mine)["order_id"]
            rows.append(row)
    needed = {"customer_id", "placed_at", "amount", *columns}
    return [{name: row[name] for name in row if name in needed} for row in rows]


@st.composite
def shops(
    draw: st.DrawFn, as_of: date, columns: frozenset[str], kind: str
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Rows and the ids there may be: few rows full of edges, or a crowd that reaches all bands."""
    if draw(st.booleans()):
        names = dict(zip(CUSTOMERS, IDS[kind], strict=True)) | {None: None}
        rows = draw(row_lists(as_of, columns, by_line=False))
    else:
        many = {"int": lambda n: n, "text": lambda n: f"c{n}", "uuid": lambda n: UUID(int=n**20)}
        names = {one: many[kind](one) for one in range(40)} | {None: None}
        rows = crowd(Random(draw(st.integers(0, 2**32))), as_of, columns)
    rows = [{**row, "customer_id": names[row["customer_id"]]} for row in rows]
    return rows, [one for one in names.values() if one is not None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    as_of = draw(st.sampled_from(AS_OF_DAYS))
    columns = frozenset(draw(st.sets(st.sampled_from(sorted(ROW_COLUMNS)))))
    if "returns_order_id" in columns or draw(st.booleans()):
        columns |= {"order_id"}
    kind = draw(st.sampled_from(sorted(IDS)))
    rows, ids = draw(shops(as_of, columns, kind))
    customers = None
    if draw(st.integers(0, 3)):
        chosen = draw(st.lists(st.sampled_from(ids), unique=True))
        blocked = st.sampled_from((False, False, False, True, None))
        customers = [{"customer_id": one, "blocked": draw(blocked)} for one in chosen]
    moment: date = as_of
    if draw(st.integers(0, 3)) == 0:
        moment = draw(instants(as_of))
    if draw(st.integers(0, 2)):
        document = draw(documents(as_of))
    else:
        document = {"extends": "classic", "format": 1, "name": "mine"}
        if draw(st.booleans()):
            document["windows"] = {"period": draw(st.sampled_from(WINDOWS))}
    last = draw(st.none() | instants(as_of))
    return Case(document, rows, columns, kind, customers, moment, last)


def order_table(case: Case) -> crm.OrderTable:
    names = ["customer_id", "placed_at", "amount_minor", *sorted(case.columns)]
    rows = [{**row, "amount_minor": row["amount"]} for row in case.rows]
    return crm.OrderTable.from_rows(rows, SOURCE, columns=names)


def customer_table(case: Case) -> crm.CustomerTable | None:
    if case.customers is None:
        return None
    names = ("customer_id", "blocked")
    return crm.CustomerTable.from_arrays(
        {name: [one[name] for one in case.customers] for name in names}
    )


def canonical(case: Case, orders: crm.OrderTable, id_type: pa.DataType) -> pa.Table:
    """The canonical relation of an order table: only the columns that its source had."""
    ids = [*orders.customer_ids.tolist(), None]
    words = [*STATUSES, "paid", "cancelled"]
    assert (len(words) - 2, len(words) - 1) == (RETURN, WITHDRAWN)
    columns = {
        "customer_id": pa.array([plain_id(ids[at]) for at in orders.customer], id_type),
        "placed_us": pa.array(orders.placed_us, pa.int64()),
        "amount_minor": pa.array(orders.amount_minor, pa.int64()),
    }
    if "status" in case.columns:
        columns["status"] = pa.array([words[code] for code in orders.status], pa.string())
    if orders.order_ids is not None:
        numbers = [orders.order_id(row) for row in range(len(orders))]
        columns["order_id"] = pa.array(numbers, pa.int64())
        if orders.return_of is not None:
            code = np.arange(len(orders)) if orders.order_code is None else orders.order_code
            of_code = dict(zip(code.tolist(), numbers, strict=True)) | {-1: None, -2: -999}
            named = [of_code.get(one, -999) for one in orders.return_of.tolist()]
            columns["returns_order_id"] = pa.array(named, pa.int64())
    return pa.table(columns)


def plain_id(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def connection(case: Case, orders: crm.OrderTable) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set threads to 1")
    kind = ID_TYPES[case.kind]
    con.register("given_orders", canonical(case, orders, kind))
    cast = f"select * replace (customer_id::{SQL_TYPES[case.kind]} as customer_id) from"
    con.execute(f"create table orders as {cast} given_orders")
    if case.customers is not None:
        people = {
            "customer_id": pa.array([plain_id(one["customer_id"]) for one in case.customers], kind),
            "blocked": pa.array([one["blocked"] for one in case.customers], pa.bool_()),
        }
        con.register("given_customers", pa.table(people))
        con.execute(f"create table customers as {cast} given_customers")
    return con


def answers(case: Case, orders: crm.OrderTable, policy: crm.Policy) -> pa.Table:
    con = connection(case, orders)
    had = [row[0] for row in con.execute("describe orders").fetchall()]
    missing = {name: None for name in ROW_COLUMNS if name not in had}
    query = to_sql(
        policy,
        customers=None if case.customers is None else "customers",
        as_of=case.as_of,
        last_evaluated_at=case.last_evaluated_at,
        columns=missing,
    )
    return con.sql(query).to_arrow_table()


def listed(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.astimezone(UTC)
            if isinstance(value, UUID | bytes):
                row[name] = str(value if isinstance(value, UUID) else UUID(bytes=value))
    return rows


def compare(case: Case, seen: Counter[Any]) -> None:
    policy = crm.load_policy(case.policy)
    orders = order_table(case)
    result = crm.evaluate(
        policy,
        orders,
        customer_table(case),
        as_of=case.as_of,
        last_evaluated_at=case.last_evaluated_at,
    )
    ours = result.to_frame()
    theirs = answers(case, orders, policy)
    assert theirs.column_names == ours.column_names
    expected = listed(ours)
    assert listed(theirs) == expected
    for row in expected:
        seen.update((step.name, row[step.name]) for step in policy.steps)


CLASSIC = crm.load_policy("classic").document
FULL: dict[str, Any] = {
    **CLASSIC,
    "scores": {
        **CLASSIC["scores"],
        "age": {
            "fact": "first_order_at",
            "within": [["1 month", 7], ["1 quarter", 5], ["8 months", 3], ["5 years", 1]],
        },
        "quiet": {
            "fact": "days_since_last_sale",
            "from": [[0, 3], [30, 2], [400.5, 1]],
            "missing": 0,
        },
        "spend": {"fact": "net_sales", "below": -7, "from": [["0.01", 1], ["9000.00", 2]]},
        "sum": {"weights": {"age": -3, "spend": 1}},
    },
}
REACHED = {
    "class": {
        *("non_ordering", "malicious", "new", "no_order", "no_sale"),
        *("bronze", "silver", "gold", "platinum"),
    },
    "grade": {"bronze", "silver", "gold", "platinum", None},
    "recency_points": {5, 4, 3, 2, 1, None},
    "frequency_points": {5, 4, 3, 2, 1, None},
    "monetary_points": {5, 4, 3, 2, 1, None},
    "score": {8, 40, None},
    "age": {7, 5, 3, 1, None},
    "quiet": {3, 2, 1, 0},
    "spend": {-7, 1, 2},
}


CROWDS = 12


def crowd_case(seed: int) -> Case:
    chance, as_of = Random(seed), date(2025, 6, 30)
    rows = crowd(chance, as_of, ROW_COLUMNS)
    customers = [{"customer_id": one, "blocked": one % 9 == 0} for one in range(0, 40, 2)]
    last = datetime(2025, 6, 1, tzinfo=UTC)
    return Case(FULL, rows, ROW_COLUMNS, "int", customers, as_of, last)


def test_the_crowd_reaches_every_class_and_band() -> None:
    seen: Counter[Any] = Counter()
    for seed in range(CROWDS):
        compare(crowd_case(seed), seen)
    reached = {(name, value) for name, values in REACHED.items() for value in values}
    assert sorted(reached - seen.keys(), key=str) == []


@CASES
@given(cases())
def test_sql_agrees_with_the_package_cell_by_cell(case: Case) -> None:
    compare(case, Counter())


DEFECTS: tuple[tuple[str, Any], ...] = (
    ("windows.period", {"tiles": "1 year"}),
    ("zone", "UTC"),
    ("sale_statuses", ["paid", "shipped"]),
    ("facts.mean_sale.take", "max"),
    ("scores.monetary_points.from", [["300.01", 2], ["500", 3], ["1000", 4], ["2000", 5]]),
    ("scores.frequency_points.from", [[1, 1], [2, 2], [3, 3], [4, 4], [7, 5]]),
    ("grade.from", [[9, "bronze"], [17, "silver"], [26, "gold"], [36, "platinum"]]),
)


@pytest.mark.parametrize(("path", "value"), DEFECTS, ids=[path for path, _ in DEFECTS])
def test_a_defect_is_noticed(path: str, value: Any) -> None:
    wrong = deepcopy(CLASSIC)
    *where, last = path.split(".")
    table: Any = wrong
    for key in where:
        table = table[key]
    table[last] = value
    for seed in range(CROWDS):
        case = crowd_case(seed)
        orders = order_table(case)
        right = crm.evaluate(crm.load_policy("classic"), orders, as_of=case.as_of).to_frame()
        without = replace(case, customers=None, last_evaluated_at=None)
        if listed(answers(without, orders, crm.load_policy(wrong))) != listed(right):
            return
    pytest.fail("the comparison did not notice")
