"""A policy where the data is: whatever names, types and settings are there already."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from engines import Engine, Engines, evaluated_on, every

import crmcore as crm
from crmcore.sql import Parameter

TODAY = date(2025, 6, 30)
NOON = 1_750_000_000_000_000  # in June 2025
ORDERS: dict[str, list[Any]] = {
    "order_id": [1, 2, 3],
    "customer_id": ["C1", "C1", "C2"],
    "placed_us": [NOON, NOON + 1, NOON],
    "amount_minor": [30_000, 20_000, 100],
    "status": ["paid", "paid", "placed"],
}
NO_LINKS = {"returns_order_id": None}
CLASSIC_MONEY: dict[str, Any] = {"code": "CNY", "exponent": 2}
CLASSIC: dict[str, Any] = {"extends": "classic", "format": 1, "name": "mine"}


def opened(engine: Engine, **more: pa.Table) -> Engine:
    engine.load({"orders": pa.table(ORDERS), **more})
    return engine


def classes(found: Any) -> dict[str, str]:
    return dict(found.select("customer_id, class").fetchall())


@pytest.mark.parametrize("name", ["crmcore_orders", "crmcore_customers"])
def test_a_table_of_the_users_is_never_taken_for_what_is_given(name: str, engines: Engines) -> None:
    blocked = pa.table({"customer_id": ["C1"], "blocked": [True]})
    others = pa.table({"customer_id": ["C9"], "blocked": [False]})
    with engines.open("duckdb") as engine:
        opened(engine, people=blocked, **{name: others})
        orders, people = (engine.connection.table(one) for one in ("orders", "people"))
        policy = crm.load_policy(CLASSIC)
        found = crm.evaluate_on(policy, orders, people, as_of=TODAY, columns=NO_LINKS)
        assert classes(found) == {"C1": "malicious", "C2": "no_sale"}
        assert engine.fetch(f"from {name}") == others


@every("spark")
def test_a_view_of_the_users_is_left_alone(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        opened(engine)
        session = engine.connection
        session.sql("select 7 as seven").createOrReplaceTempView("crmcore_orders")
        policy = crm.load_policy(CLASSIC)
        views = {one.name for one in session.catalog.listTables()}
        evaluated_on(engine, policy, "orders", as_of=TODAY, columns=NO_LINKS)
        assert engine.fetch("select * from crmcore_orders")["seven"].to_pylist() == [7]
        assert {one.name for one in session.catalog.listTables()} == views


def test_customers_need_a_session_that_looks_relations_up(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        opened(engine, people=pa.table({"customer_id": ["C3"], "blocked": [True]}))
        engine.connection.execute("set python_enable_replacements = false")
        orders, people = (engine.connection.table(one) for one in ("orders", "people"))
        policy = crm.load_policy(CLASSIC)
        found = crm.evaluate_on(policy, orders, as_of=TODAY, columns=NO_LINKS)
        assert classes(found) == {"C1": "bronze", "C2": "no_sale"}
        with pytest.raises(crm.DataError, match="python_enable_replacements"):
            crm.evaluate_on(policy, orders, people, as_of=TODAY, columns=NO_LINKS)


def test_columns_of_customers_may_have_names_of_others(engines: Engines) -> None:
    document = {
        **CLASSIC,
        "attributes": {"city": "text"},
        "segment": {"first": [['tag:vip and city == "x"', "here"]], "otherwise": "there"},
    }
    people = pa.table({"customer_id": ["C1"], "status": [True], "sale_count": ["x"]})
    columns = {**NO_LINKS, "tag:vip": "status", "city": "sale_count", "blocked": None}
    with engines.open("duckdb") as engine:
        opened(engine, people=people)
        orders, given = (engine.connection.table(one) for one in ("orders", "people"))
        policy = crm.load_policy(document)
        found: Any = crm.evaluate_on(policy, orders, given, as_of=TODAY, columns=columns)
        segments = found.select("customer_id, segment").fetchall()
        assert segments == [("C1", "here"), ("C2", "there")]
        wrong = {**columns, "tag:vip": None, "city": "status"}
        with pytest.raises(crm.DataError, match="BOOLEAN is no type of this column"):
            crm.evaluate_on(policy, orders, given, as_of=TODAY, columns=wrong)


@every()
def test_ids_of_two_types_are_refused_by_name(kind: str, engines: Engines) -> None:
    people = pa.table({"customer_id": [1, 2], "blocked": [True, False]})
    returned = pa.table({**ORDERS, "returns_order_id": pa.array([None] * 3, pa.string())})
    policy = crm.load_policy(CLASSIC)
    with engines.open(kind) as engine:
        engine.load({"orders": returned, "people": people})
        with pytest.raises(crm.DataError, match="give ids of one type") as refused:
            evaluated_on(engine, policy, "orders", "people", as_of=TODAY, columns=NO_LINKS)
        assert refused.value.column == "customer_id"
        with pytest.raises(crm.DataError, match="of one type, or leave this column out") as refused:
            evaluated_on(engine, policy, "orders", as_of=TODAY)
        assert refused.value.column == "returns_order_id"
        found = evaluated_on(engine, policy, "orders", as_of=TODAY, columns=NO_LINKS)
        assert [row["class"] for row in found] == ["bronze", "no_sale"]


def test_members_of_a_type_are_in_no_message(engines: Engines) -> None:
    policy, source = crm.load_policy(CLASSIC), crm.Source(zone="UTC", currency=CLASSIC_MONEY)
    with engines.open("duckdb") as engine:
        engine.connection.execute("create type who as enum ('alice@example.com', 'C1')")
        rows = engine.connection.sql(
            f"""select 'C1'::who as customer_id, 'x' as order_id, 1 as returns_order_id,
            {NOON} as placed_us, 1 as amount_minor, date '2025-03-01' as placed_at"""
        )
        for options in ({"source": source}, {}):
            with pytest.raises(crm.DataError) as refused:
                crm.evaluate_on(policy, rows, as_of=TODAY, **options)
            assert refused.value.column == "customer_id"
            assert "ENUM" in str(refused.value)
            assert "alice" not in str(refused.value)


def test_a_column_nobody_named_is_read_where_it_is_called_just_so(engines: Engines) -> None:
    columns = {
        "customer_id": ["C1", "C2"],
        "placed_at": [date(2025, 6, 1)] * 2,
        "amount": ["300.00"] * 2,
        "Status": ["cancelled", "paid"],
    }
    policy, source = crm.load_policy(CLASSIC), crm.Source(zone="UTC", currency=CLASSIC_MONEY)
    expected = crm.evaluate(policy, crm.OrderTable.from_arrays(columns, source), as_of=TODAY)
    with engines.open("duckdb") as engine:
        engine.load({"orders": pa.table(columns)})
        orders = engine.connection.table("orders")
        found = crm.evaluate_on(policy, orders, as_of=TODAY, source=source)
        ours = expected.columns["class"].to_list()
        assert classes(found) == dict(zip(expected.ids.tolist(), ours, strict=True))
        assert ours == ["bronze", "bronze"]


CAPITALS = {"order_id": "ORDER_ID", "customer_id": "Customer_Id"}


@every()
def test_columns_are_found_as_the_engine_finds_them(kind: str, engines: Engines) -> None:
    orders = pa.table({CAPITALS.get(name, name): column for name, column in ORDERS.items()})
    policy = crm.load_policy(CLASSIC)
    with engines.open(kind) as engine:
        engine.load({"orders": orders})
        if kind == "postgres":
            with pytest.raises(crm.DataError, match="no such column") as refused:
                evaluated_on(engine, policy, "orders", as_of=TODAY, columns=NO_LINKS)
            assert refused.value.column == "customer_id"
            return
        found = evaluated_on(engine, policy, "orders", as_of=TODAY, columns=NO_LINKS)
        assert [row["class"] for row in found] == ["bronze", "no_sale"]


@every("spark")
def test_a_session_of_spark_may_tell_capitals_apart(kind: str, engines: Engines) -> None:
    orders = pa.table({CAPITALS.get(name, name): column for name, column in ORDERS.items()})
    with engines.open(kind) as engine:
        engine.load({"orders": orders})
        engine.connection.conf.set("spark.sql.caseSensitive", "true")
        policy = crm.load_policy(CLASSIC)
        with pytest.raises(crm.DataError, match="no such column"):
            evaluated_on(engine, policy, "orders", as_of=TODAY, columns=NO_LINKS)


def test_columns_of_a_shop_are_found_in_other_capitals(engines: Engines) -> None:
    names = {"customer_id": "BUYER", "placed_at": "When", "amount_minor": "Cents"}
    source = crm.load_source(
        {
            "currency": {"code": "CNY", "exponent": 2},
            "time_unit": "us",
            "columns": {name: given.capitalize() for name, given in names.items()},
        }
    )
    given = {**ORDERS, "placed_at": ORDERS["placed_us"]}
    with engines.open("duckdb") as engine:
        engine.load({"orders": pa.table({names[name]: given[name] for name in names})})
        orders = engine.connection.table("orders")
        policy = crm.load_policy(CLASSIC)
        found = crm.evaluate_on(policy, orders, as_of=TODAY, source=source)
        assert classes(found) == {"C1": "bronze", "C2": "bronze"}


STATED = {
    "duckdb": "alter table orders alter status type enum ('paid', 'placed')",
    "postgres": "create type stated as enum ('paid', 'placed'); "
    "alter table orders alter status type stated using status::stated",
}


@every("duckdb", "postgres")
def test_a_status_may_be_of_a_type_of_its_own(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        opened(engine).connection.execute(STATED[kind])
        policy = crm.load_policy(CLASSIC)
        found = evaluated_on(engine, policy, "orders", as_of=TODAY, columns=NO_LINKS)
        assert [row["class"] for row in found] == ["bronze", "no_sale"]


def test_a_moment_that_comes_later_is_refused(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        opened(engine)
        orders, later = engine.connection.table("orders"), Parameter()
        policy = crm.load_policy(CLASSIC)
        with pytest.raises(crm.DataError, match="give the moment itself"):
            crm.evaluate_on(policy, orders, as_of=later)  # type: ignore[arg-type]
