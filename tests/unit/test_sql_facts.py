"""Attributes, scores, conditions over rows and held evaluations as SQL: what is read, and how."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import sqlglot
from engines import Engine, Engines, every

import crmcore as crm
from crmcore.sql import to_sql

AS_OF = date(2025, 6, 30)
CLASSIC: dict[str, Any] = {"extends": "classic", "format": 1, "name": "mine"}
NO_KEYS: dict[str, str | None] = dict.fromkeys(
    ["order_id", "status", "returns_order_id", "blocked"]
)
JUNE = 1_750_000_000_000_000


class Half:
    inputs = ("sale_count",)

    def score(self, facts: Any) -> Any:
        return facts["sale_count"].values / 2


def database(orders: str, customers: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"create table orders as {orders}")
    con.execute(f"create table customers as {customers}")
    return con


def run(con: duckdb.DuckDBPyConnection, policy: crm.Policy, **options: Any) -> list[dict[str, Any]]:
    usual: dict[str, Any] = {"as_of": AS_OF, "customers": "customers", "columns": NO_KEYS}
    found: list[dict[str, Any]] = (
        con.sql(to_sql(policy, **(usual | options))).to_arrow_table().to_pylist()
    )
    return found


ONE_ORDER = f"select 'C1' as customer_id, {JUNE} as placed_us, 30000 as amount_minor"


def asking(attribute: Any, condition: str) -> crm.Policy:
    attributes = {"it": attribute}
    rows = [[condition, "yes"], [f"not ({condition})", "no"]]
    segment = {"first": rows, "unknown": "skip", "otherwise": "unknown"}
    return crm.load_policy({**CLASSIC, "attributes": attributes, "segment": segment})


@pytest.mark.parametrize(
    ("attribute", "condition", "value", "answer"),
    [
        ("bool", "it", "true", "yes"),
        ("bool", "it", "null::boolean", "unknown"),
        ("int", "it * 2 == 6", "3", "yes"),
        ("int", "it > 2.5", "null::int", "unknown"),
        ("float", "it == 0.1", "0.1::double", "yes"),
        ("float", "it is known", "'nan'::double", "no"),
        ("date", 'shift_months(it, 1) == "2024-02-29"', "date '2024-01-31'", "yes"),
        ("date", 'shift_months(it, -1) == "2023-02-28"', "date '2023-03-31'", "yes"),
        ("date", "shift_months(it, 12) is known", "date '9998-12-31'", "yes"),
        ("date", "shift_months(it, 13) is known", "date '9998-12-31'", "no"),
        ("date", "shift_days(it, 1) is known", "date '9999-12-31'", "no"),
        ("date", "shift_months(it, 99999999999) is known", "date '2024-01-31'", "no"),
        ("date", "days_between(it, as_of) == 29", "date '2025-06-01'", "yes"),
        ("date", "days_between(first_order_at, as_of) == 15", "date '2025-06-01'", "yes"),
        ("text", 'it == "é"', "'é'", "yes"),
        ("text", 'it == "a"', "'A' collate nocase", "no"),
        ("text", "it is known", "''", "no"),
        ({"type": "label", "values": ["b", "a"], "ordered": True}, 'it > "b"', "'a'", "yes"),
        ("int", "divide(1, it, unknown) is known", "0", "no"),
        ("int", "divide(1, it, 7) == 7", "0", "yes"),
        ("int", "divide(1, it, 7) == -0.5", "-2", "yes"),
        ("int", "case(it > 5: 1, it > 2: 2, else: 3) == 2", "4", "yes"),
        ("int", "case(it > 5: 1, else: 3) == 3", "null::int", "yes"),
        ("int", "band(it, 1: 10, 5: 50, else: 0) == 50", "5", "yes"),
        ("int", "band(it, 1: 10) is known", "0", "no"),
        ("int", "it between 1 and mean_sale * 0 + 5", "3", None),
    ],
)
def test_attributes_of_every_kind(
    attribute: Any, condition: str, value: str, answer: str | None
) -> None:
    con = database(ONE_ORDER, f"select 'C1' as customer_id, {value} as it")
    if answer is None:
        with pytest.raises(crm.PolicyError):
            asking(attribute, condition)
        return
    assert run(con, asking(attribute, condition))[0]["segment"] == answer


@pytest.mark.parametrize(
    ("attribute", "condition", "value", "message"),
    [
        ({"type": "int", "min": 0, "max": 9}, "it > 1", "10", "beyond the policy's min or max"),
        ("int", "it + 1 > 1", f"{2**31}", "outside what the field may hold"),
        ({"type": "label", "values": ["a"]}, 'it == "a"', "'b'", "does not list"),
        ("int", "it > 1", "1.5", "it must be whole numbers"),
        ("text", 'it == "1"', "1", "it must be text"),
        ("float", "it > 1", "1", "it must be floats"),
        ("bool", "it", "1", "it must be BOOLEAN"),
    ],
)
def test_attributes_of_another_kind_or_beyond_are_errors(
    attribute: Any, condition: str, value: str, message: str
) -> None:
    con = database(ONE_ORDER, f"select 'C1' as customer_id, {value} as it")
    with pytest.raises(duckdb.Error, match=message):
        run(con, asking(attribute, condition))


def test_attributes_may_have_other_names_or_be_absent() -> None:
    con = database(ONE_ORDER, "select 'C1' as customer_id, 3 as \"Größe\"")
    policy = asking("int", "it > 2")
    assert run(con, policy, columns={**NO_KEYS, "it": "Größe"})[0]["segment"] == "yes"
    assert run(con, policy, columns={**NO_KEYS, "it": None})[0]["segment"] == "unknown"
    with pytest.raises(duckdb.BinderException):
        run(con, policy)


def test_marks_that_nobody_stated_are_false() -> None:
    segment = {"first": [["tag:vip", "yes"]], "otherwise": "no"}
    policy = crm.load_policy({**CLASSIC, "segment": segment})
    con = database(
        f"{ONE_ORDER} union all select 'C2', {JUNE}, 1",
        "select 'C1' as customer_id, true as \"tag:vip\" union all select 'C3', null",
    )
    rows = run(con, policy)
    assert [row["segment"] for row in rows] == ["yes", "no", "no"]


SCORED = {
    **CLASSIC,
    "scores": {
        "half": {"scorer": "half"},
        "level": {"score": "half", "from": [["0.5", 1], ["1", 2]], "missing": 0},
    },
}


def scored() -> crm.Policy:
    return crm.load_policy(SCORED, scorers={"half": Half()})


def test_what_a_scorer_gave_is_read_from_a_column() -> None:
    con = database(
        f"{ONE_ORDER} union all select 'C2', {JUNE}, 1 union all select 'C3', {JUNE}, 1",
        "select 'C1' as customer_id, 0.5::double as made union all select 'C2', 'nan'::double",
    )
    rows = run(con, scored(), scores={"half": "made"})
    assert [(row["half"], row["level"]) for row in rows] == [(0.5, 1), (None, 0), (None, 0)]


@pytest.mark.parametrize(("value", "message"), [("1", "made must be"), ("'inf'::double", "infin")])
def test_what_a_scorer_gave_is_checked(value: str, message: str) -> None:
    con = database(ONE_ORDER, f"select 'C1' as customer_id, {value} as made")
    with pytest.raises(duckdb.Error, match=message):
        run(con, scored(), scores={"half": "made"})


def test_scores_are_of_scorers_and_of_customers() -> None:
    with pytest.raises(crm.DataError, match="no scorer"):
        to_sql(scored(), as_of=AS_OF, customers="customers", scores={"half": "a", "level": "b"})
    with pytest.raises(crm.DataError, match="name their relation"):
        to_sql(scored(), as_of=AS_OF, scores={"half": "made"})


def test_a_condition_over_rows_refuses_only_rows_that_it_is_asked_of() -> None:
    fact = {"of": "sale", "take": "count", "in": "period", "where": "quantity * 2 > 3"}
    policy = crm.load_policy({**CLASSIC, "facts": {"big": fact}})
    rows = "union all select 'C1', 1000000, 1, 4000000000"
    con = database(f"{ONE_ORDER}, 2::bigint as quantity {rows}", "select 'C1' as customer_id")
    assert run(con, policy)[0]["big"] == 1
    con.execute(f"insert into orders values ('C1', {JUNE}, 1, 4000000000)")
    with pytest.raises(duckdb.Error, match="outside what the field may hold"):
        run(con, policy)


def test_a_held_evaluation_counts_windows_up_to_its_day() -> None:
    document = {**CLASSIC, "evaluation": {"every": "1 month", "anchor": date(2024, 1, 15)}}
    gap = {"of": "sale", "take": "median", "field": "gap_days"}
    document["facts"] = {"gap": gap, "gap_then": {**gap, "in": "period"}}
    policy = crm.load_policy(document)
    days = [date(2024, 6, 20), date(2025, 6, 10), date(2025, 6, 20)]
    placed = [int(np.datetime64(day, "us").astype(np.int64)) for day in days]
    rows = [{"customer_id": 1, "placed_at": str(day) + "T00:00:00Z", "amount": 300} for day in days]
    orders = crm.OrderTable.from_rows(rows, crm.Source(currency={"code": "CNY", "exponent": 2}))
    listed = " union all ".join(
        f"select 1 as customer_id, {at} as placed_us, 30000 as amount_minor" for at in placed
    )
    con = database(listed, "select 1 as customer_id")
    for as_of in (date(2025, 6, 14), date(2025, 6, 15), AS_OF, date(2025, 7, 15)):
        ours: Any = crm.evaluate(policy, orders, as_of=as_of).to_frame()
        assert run(con, policy, as_of=as_of) == ours.to_pylist()


# BigQuery: no server, so what another engine can tell

EVERYTHING: dict[str, Any] = {
    **CLASSIC,
    "attributes": {"n": {"type": "int", "min": 0, "max": 9}, "d": "date", "t": "text"}
    | {"f": "float", "b": "bool", "l": {"type": "label", "values": ["x", "y"], "ordered": True}},
    "facts": {
        "usual": {"of": "order", "take": "median"},
        "gap": {"of": "order", "take": "mean", "field": "gap_days"},
        "ways": {"of": "sale", "take": "distinct", "field": "channel"},
        "part": {"of": "sale", "take": "share", "field": "promotion"},
        "items": {"of": "order", "take": "sum", "field": "quantity", "where": "quantity * 2 > 3"},
    },
    "stage": {
        "first": [
            ["shift_months(d, n) < shift_months(as_of, -3)", "early"],
            ["divide(n, 4, 0) * 2 > 1.5 and b", "some"],
            ["days_between(first_order_at, d) > 3", "late"],
            ['f > 0.5 and t == "é" or l > "x"', "last"],
        ],
        "unknown": "skip",
    },
}
MACROS = """
    create macro collated(x, c) as x;
    create macro literal(x) as case
        when x is null then 'NULL' when typeof(x) = 'VARCHAR' then '"' || x || '"'
        when x::varchar = 'nan' then 'CAST("nan" AS FLOAT64)'
        when typeof(x) = 'DATE' then 'DATE "' || x || '"' else x::varchar end;
"""


def test_bigquery_says_the_same_as_far_as_another_engine_can_tell() -> None:
    con = database(
        f"""select 'C1' as customer_id, {JUNE} as placed_us, 30000 as amount_minor,
            2::bigint as quantity, 'web' as channel, null::varchar as promotion
        union all select 'C1', {JUNE + 500_000_000_000}, 500, 1, 'app', 'spring'
        union all select 'C2', {JUNE}, 100, null, null, null""",
        """select 'C1' as customer_id, 2::bigint as n, date '2025-01-31' as d, 'é' as t,
            0.7::double as f, true as b, 'y' as l
        union all select 'C2', 1, date '2025-05-31', '', 'nan'::double, null, 'x'""",
    )
    policy = crm.load_policy(EVERYTHING)
    query = to_sql(policy, dialect="bigquery", customers="customers", as_of=AS_OF, columns=NO_KEYS)
    con.execute(MACROS)
    translated = sqlglot.transpile(query, read="bigquery", write="duckdb")[0]
    translated = translated.replace("FORMAT('%T', ", "literal(").replace("COLLATE(", "collated(")
    found = con.sql(translated).to_arrow_table().to_pylist()
    # Not means: SQLGlot writes NUMERIC as DuckDB's DECIMAL of three digits.
    names = ("stage", "usual", "ways", "items", "n", "t", "f", "b", "l", "blocked")
    ours = run(con, policy)
    assert [[row[name] for name in names] for row in found] == [
        [row[name] for name in names] for row in ours
    ]


# What no column holds: of customers missing, in a table of facts an error


FAR_DAYS = (date(1, 1, 1), date(1676, 12, 31), date(1677, 1, 1), date(9999, 12, 31))
UNHELD: tuple[tuple[str, Any], ...] = (
    *(("w", one) for one in (math.inf, -math.inf, math.nan, -0.0)),
    *(("registered_on", day) for day in FAR_DAYS),
    *(("b_on", day) for day in FAR_DAYS),
)
ASKING: dict[str, Any] = {
    **CLASSIC,
    "attributes": {"w": "float", "b_on": "date"},
    "scores": {"width": {"fact": "w", "from": [[-5, 1], [5, 2]], "below": 0, "missing": 9}},
    "segment": {
        "first": [
            ['registered_on < "2024-01-01" or b_on < "2024-01-01"', "early"],
            ["w > 0.5 or w < -0.5", "wide"],
            ["w is known and b_on is known and registered_on is known", "known"],
        ],
        "unknown": "skip",
        "otherwise": "unknown",
    },
}


@every("duckdb", "postgres", "spark")
def test_what_no_column_holds_is_missing_of_customers(kind: str, engines: Engines) -> None:
    usual = {"w": 0.1, "b_on": date(2024, 2, 1), "registered_on": date(2024, 2, 1)}
    people = [
        {"customer_id": f"P{at:02}", **usual, name: one} for at, (name, one) in enumerate(UNHELD)
    ]
    names = {"customer_id": pa.string(), "w": pa.float64(), "b_on": pa.date32()}
    names["registered_on"] = pa.date32()
    table = pa.Table.from_pylist(people, pa.schema(names.items()))
    rows = [{"customer_id": "P00", "placed_at": "2025-06-01T00:00:00Z", "amount": 300}]
    orders = crm.OrderTable.from_rows(rows, crm.Source(currency={"code": "CNY", "exponent": 2}))
    policy = crm.load_policy(ASKING)
    customers = crm.CustomerTable.from_frame(table)
    ours: Any = crm.evaluate(policy, orders, customers, as_of=AS_OF).to_frame("pyarrow")
    given = pa.table({"customer_id": ["P00"], "placed_us": [JUNE], "amount_minor": [30000]})
    shown = ("segment", "width", "w", "b_on", "registered_on")
    with engines.open(kind) as engine:
        engine.load({"orders": given, "customers": table})
        columns: dict[str, Any] = {**NO_KEYS, "blocked": None}
        query = to_sql(
            policy, dialect=engine.dialect, customers="customers", as_of=AS_OF, columns=columns
        )
        found = engine.fetch(query).select(shown).to_pylist()
    assert found == ours.select(shown).to_pylist()
    assert len({row["segment"] for row in found}) == 3
    assert {row["width"] for row in found} == {1, 9}


@pytest.mark.parametrize("day", ["infinity", "-infinity"])
@every("duckdb", "postgres")
def test_an_infinite_day_of_a_customer_is_missing(kind: str, day: str, engines: Engines) -> None:
    asked = [["registered_on is known", "yes"]]
    policy = crm.load_policy({**CLASSIC, "segment": {"first": asked, "otherwise": "no"}})
    with engines.open(kind) as engine:
        engine.connection.execute(f"create table orders as {ONE_ORDER}")
        engine.connection.execute("create table people (customer_id text, registered_on date)")
        engine.connection.execute(f"insert into people values ('C1', '{day}')")
        query = to_sql(policy, dialect=kind, customers="people", as_of=AS_OF, columns=NO_KEYS)
        assert engine.fetch(query)["segment"].to_pylist() == ["no"]


GIVEN: dict[str, Any] = {
    "format": 1,
    "name": "given",
    "zone": "Asia/Shanghai",
    "currency": {"code": "CNY", "exponent": 2},
    "sale_statuses": ["paid"],
    "facts": {
        "n": {"of": "sale", "take": "count"},
        "s": {"of": "sale", "take": "sum"},
        "m": {"of": "sale", "take": "mean"},
        "f_at": {"of": "order", "take": "first"},
        "l_on": {"of": "sale", "take": "last"},
        "ds": {"of": "sale", "take": "days_since_last"},
    },
    "attributes": {"w": "float", "ag": {"type": "int", "min": 0, "max": 9}},
    "class": {"first": [["n > -3 and s > 2 and m > 1 and w > 0.5", "x"]], "otherwise": "z"},
    "segment": {"first": [["ds < 3 or ag == 3", "a"], ["l_on is known", "b"]], "otherwise": "c"},
}
ONE_ROW: dict[str, tuple[Any, pa.DataType]] = {
    "customer_id": ("C1", pa.string()),
    "n": (3, pa.int64()),
    "s": (Decimal("2.50"), pa.decimal128(19, 2)),
    "m": (5, pa.int64()),
    "m.divisor": (2, pa.int64()),
    "f_at": (datetime(2025, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC")),
    "l_on": (date(2025, 1, 1), pa.date32()),
    "ds": (4, pa.int64()),
    "w": (0.75, pa.float64()),
    "ag": (3, pa.int64()),
}
LARGEST = Decimal("92233720368547758.07")
CELLS: tuple[tuple[str, Any], ...] = (
    *(("n", one) for one in (-1, -(2**63), 2**63 - 1, None)),
    *(("ds", one) for one in (-5, 10**7, None)),
    *(("ag", one) for one in (-1, 9, 10)),
    *(("s", one) for one in (LARGEST, -LARGEST, -LARGEST - Decimal("0.01"), None)),
    *(("m", one) for one in (-(2**63), 2**63 - 1, None)),
    *(("w", one) for one in (math.inf, -math.inf, math.nan, None)),
    *(("l_on", one) for one in (*FAR_DAYS, None)),
    *(
        ("f_at", datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tzinfo=UTC))
        for day in FAR_DAYS
    ),
    ("f_at", None),
)


def given_row(name: str, value: Any) -> pa.Table:
    row = ONE_ROW | {name: (value, ONE_ROW[name][1])}
    return pa.table({key: pa.array([one], type_) for key, (one, type_) in row.items()})


@every("duckdb", "postgres", "spark")
def test_facts_of_somebody_else_are_read_as_the_package_does(kind: str, engines: Engines) -> None:
    policy = crm.load_policy(GIVEN)
    fields = {name: policy.fields[name] for name in (*policy.facts, *policy.attributes)}
    answers: list[Any] = []
    with engines.open(kind) as engine:
        for at, (name, value) in enumerate(CELLS):
            table = given_row(name, value)
            ours: Any = None
            try:
                facts = crm.FactTable.from_frame(table, fields)
                ours = (
                    crm.evaluate_facts(policy, facts, as_of=AS_OF).to_frame("pyarrow").to_pylist()
                )
            except crm.DataError:
                pass
            engine.load({f"facts{at}": table})
            query = to_sql(policy, dialect=engine.dialect, facts=f"facts{at}", as_of=AS_OF)
            found, why = fetched(engine, query)
            assert found == ours, (name, value)
            assert ours or "crmcore: " in why, (name, value)
            answers.append(ours)
    assert 8 < answers.count(None) < len(answers) - 8


def fetched(engine: Engine, query: str) -> tuple[Any, str]:
    """The rows, or why they are refused."""
    try:
        return engine.fetch(query).to_pylist(), ""
    except engine.failure as error:
        return None, str(error)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "290000-01-01 00:00:00+00"])
@every("duckdb", "postgres")
def test_an_instant_that_is_none_is_refused(kind: str, moment: str, engines: Engines) -> None:
    policy = crm.load_policy(GIVEN)
    with engines.open(kind) as engine:
        engine.load({"aggregates": given_row("f_at", None)})
        engine.connection.execute(f"update aggregates set f_at = timestamptz '{moment}'")
        with pytest.raises(engine.failure, match=r"f_at must be instants|convert infinity"):
            engine.fetch(to_sql(policy, dialect=kind, facts="aggregates", as_of=AS_OF))


def test_instants_of_nanoseconds_are_refused_by_name(engines: Engines) -> None:
    moments = pa.array([1], pa.timestamp("ns", "UTC"))
    table = given_row("n", 1)
    with engines.open("duckdb") as engine:
        at = table.schema.get_field_index("f_at")
        engine.load({"aggregates": table.set_column(at, "f_at", moments)})
        with pytest.raises(engine.failure, match="f_at must be instants"):
            engine.fetch(to_sql(crm.load_policy(GIVEN), facts="aggregates", as_of=AS_OF))


def test_money_that_is_too_large_is_not_shown(engines: Engines) -> None:
    table, name = given_row("n", 1), "s"
    wide = pa.array([Decimal(7) * 10**30], pa.decimal128(38, 2))
    with engines.open("duckdb") as engine:
        at = table.schema.get_field_index(name)
        engine.load({"aggregates": table.set_column(at, name, wide)})
        with pytest.raises(engine.failure, match="s must be money") as refused:
            engine.fetch(to_sql(crm.load_policy(GIVEN), facts="aggregates", as_of=AS_OF))
    assert "7000" not in str(refused.value)


# Parts of the query have names of their own


@pytest.mark.parametrize(
    "name",
    ["rows", "facts", "totals", "everybody", "customers", "days", "dates", "given", "as_of_day"],
)
def test_a_fact_may_be_called_like_a_part_of_the_query(name: str) -> None:
    facts = {name: {"of": "sale", "take": "median"}, "other": {"of": "sale", "take": "median"}}
    policy = crm.load_policy({**CLASSIC, "facts": facts})
    con = database(ONE_ORDER, "select 'C1' as customer_id")
    assert [row[name] for row in run(con, policy)] == [Decimal("300.00")]
    both = run(con, policy, as_of=[date(2025, 1, 1), AS_OF])
    assert [row[name] for row in both] == [None, Decimal("300.00")]
