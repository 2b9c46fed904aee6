"""Attributes, scores, conditions over rows and held evaluations as SQL: what is read, and how."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import numpy as np
import pytest
import sqlglot

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
