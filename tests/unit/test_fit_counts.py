"""Quantiles fitted from customers counted by their values, and the query that counts them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import crmcore as crm
from crmcore.sql import Parameter, to_sql_counts, to_sql_daily

DAY = date(2025, 12, 31)
LIMIT = 2**63 - 1
HEAD: dict[str, Any] = {
    "format": 1,
    "name": "shop",
    "zone": "UTC",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["paid", "delivered"],
}


def recipe(scores: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**HEAD, **more, "scores": scores}


F = recipe({"f": {"fact": "sale_count", "quantiles": 5}})
M = recipe({"m": {"fact": "mean_sale", "quantiles": 5, "missing": 0}})


def fitted(policy: crm.Policy, name: str) -> Any:
    scores: Any = policy.document["scores"]
    return scores[name]


def counts(score: str, **columns: list[Any]) -> dict[str, list[Any]]:
    return {"score": [score] * len(columns["customers"]), **columns}


def refused(text: str, given: Any, of: Any = F) -> None:
    with pytest.raises(crm.DataError, match=text):
        crm.fit_counts(of, given, as_of=DAY)


# The same as from customers one by one


@pytest.mark.parametrize("best", ["high", "low"])
@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [7],
        [4, 4, 4],
        [1] * 8 + [2, 9],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        [0, None, 0, -3, LIMIT],
    ],
    ids=["nobody", "unknown", "one", "alike", "ties", "different", "far"],
)
def test_counts_and_customers_give_the_same(values: list[Any], best: str) -> None:
    of = recipe({"f": {"fact": "x", "quantiles": 5, "best": best}}, attributes={"x": "int"})
    facts = {"customer_id": list(range(len(values))), "x": values}
    different = list(dict.fromkeys(values))[::-1]
    rows = counts("f", value=different, customers=[values.count(one) for one in different])
    whole = crm.fit_facts(of, facts, as_of=DAY)
    assert crm.fit_counts(of, rows, as_of=DAY).to_toml() == whole.to_toml()


def test_ratios_that_are_equal_but_written_otherwise_are_one_value() -> None:
    # 1/2, 2/4 and 3/6 of a cent; then 1 cent.
    rows = counts("m", value=[1, 2, 3, 1], divisor=[2, 4, 6, 1], customers=[1, 5, 2, 2])
    means = {"mean_sale": [1] + [2] * 5 + [3] * 2 + [1] * 2}
    divisors = {"mean_sale.divisor": [2] + [4] * 5 + [6] * 2 + [1] * 2}
    facts = {"customer_id": list(range(10)), **means, **divisors}
    policy = crm.fit_counts(M, rows, as_of=DAY)
    assert policy.to_toml() == crm.fit_facts(M, facts, as_of=DAY).to_toml()
    assert fitted(policy, "m")["from"] == [["0.01", 5]]


def test_as_many_customers_as_64_bits_hold() -> None:
    many = [LIMIT // 2, LIMIT // 2, 1]
    policy = crm.fit_counts(F, counts("f", value=[1, 2, 3], customers=many), as_of=DAY)
    assert fitted(policy, "f")["from"] == [[2, 3], [3, 5]]
    assert fitted(policy, "f")["fitted"]["customers"] == LIMIT


def test_floats_stand_in_a_column_of_their_own() -> None:
    of = recipe({"f": {"fact": "x", "quantiles": 2}}, attributes={"x": "float"})
    rows = counts("f", number=[0.1, 0.3, float("nan")], customers=[3, 3, 1])
    policy = crm.fit_counts(of, rows, as_of=DAY)
    assert fitted(policy, "f")["fitted"]["customers"] == 6
    facts: dict[str, Any] = {"customer_id": list(range(7)), "x": [0.1] * 3 + [0.3] * 3 + [None]}
    assert policy.to_toml() == crm.fit_facts(of, facts, as_of=DAY).to_toml()


def test_a_score_inside_quantiles_is_counted_by_both_values() -> None:
    of = recipe(
        {
            "r": {"fact": "days_since_last_sale", "quantiles": 3, "best": "low", "missing": 0},
            "f": {"fact": "sale_count", "inside": "r", "quantiles": 2},
        }
    )
    days = [1, 1, 1, 9, 9, 9, None, None]
    sales = [1, 2, 3, 1, 8, 8, 0, 0]
    rows = {
        "score": ["r"] * 3 + ["f"] * 6,
        "value": [1, 9, None, 1, 2, 3, 1, 8, 0],
        "value_2": [None] * 3 + [1, 1, 1, 9, 9, None],
        "customers": [3, 3, 2, 1, 1, 1, 1, 2, 2],
    }
    facts: dict[str, Any] = {
        "customer_id": list(range(8)),
        "days_since_last_sale": days,
        "sale_count": sales,
    }
    policy = crm.fit_counts(of, rows, as_of=DAY)
    assert policy.to_toml() == crm.fit_facts(of, facts, as_of=DAY).to_toml()
    # Who has no value for the one has points of it, and is measured for the other.
    assert fitted(policy, "f")["by"]["0"] == {"from": [[0, 1]], "below": 1}
    assert fitted(policy, "f")["fitted"]["customers"] == 8


def test_any_frame_is_read() -> None:
    rows = counts("f", value=[1, 2, 9], customers=[2, 1, 1])
    expected = crm.fit_counts(F, rows, as_of=DAY).to_toml()
    table = pa.table(rows)
    wide = table.set_column(2, "customers", table["customers"].cast(pa.decimal128(38, 0)))
    columns = [table["score"], table["value"], table["customers"]]
    batches = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2))
    relation = duckdb.connect().from_arrow(table)
    shuffled = {name: column.to_numpy()[::-1] for name, column in zip(rows, columns, strict=True)}
    for given in (table, wide, batches, relation, shuffled):
        assert crm.fit_counts(F, given, as_of=DAY).to_toml() == expected


# What are no counts of this recipe


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"customers": [1, 0]}, "counts 1 customer or more.*column 'customers'.; rows: 1"),
        ({"customers": [1, -3]}, "counts 1 customer or more"),
        ({"customers": [1, None]}, "counts 1 customer or more"),
        ({"customers": [1, 1.5]}, "column 'customers'"),
        ({"customers": ["1", "x"]}, "column 'customers'"),
        ({"customers": [LIMIT, 1]}, "beyond 64 bits"),
        ({"customers": [LIMIT + 1, 1]}, "beyond 64 bits"),
        ({"customers": [1]}, "differ in length"),
        ({"value": [1, 1]}, "the same value in several rows"),
        ({"value": [None, None]}, "the same value in several rows"),
        ({"value": ["a", "b"]}, "column 'value'"),
        ({"score": ["f", "g"]}, "names a score with quantiles; there are: f"),
        ({"score": ["f", None]}, "names a score with quantiles; there are: f"),
        ({"score": [1, 2]}, "names a score with quantiles; there are: f"),
        ({"divisor": [1, 1]}, "have the columns score, customers, value.*column 'divisor'"),
    ],
)
def test_counts_that_cannot_be_are_refused(change: dict[str, Any], text: str) -> None:
    refused(text, counts("f", value=[1, 2], customers=[1, 1]) | change)


def test_a_column_that_is_missing_is_named() -> None:
    refused("column 'customers'", {"score": ["f"], "value": [1]})
    refused("column 'score'", {"value": [1], "customers": [1]})
    refused("column 'divisor'", counts("m", value=[1], customers=[1]), M)
    refused("not a frame", [("f", 1, 1)])


@pytest.mark.parametrize("divisor", [0, -1, None])
def test_a_ratio_needs_a_divisor_above_0(divisor: int | None) -> None:
    rows = counts("m", value=[1, 2], divisor=[1, divisor], customers=[1, 1])
    refused("a divisor above 0.*column 'divisor'", rows, M)


def test_a_divisor_without_a_value_is_refused() -> None:
    refused("a divisor above 0", counts("m", value=[None], divisor=[1], customers=[1]), M)


TWO = recipe(
    {
        "f": {"fact": "sale_count", "quantiles": 5},
        "m": {"fact": "mean_sale", "quantiles": 5},
    }
)


def test_scores_count_the_same_customers() -> None:
    rows: dict[str, list[Any]] = {
        "score": ["f", "m"],
        "value": [1, 100],
        "divisor": [None, 1],
        "customers": [3, 3],
    }
    crm.fit_counts(TWO, rows, as_of=DAY)
    refused("different numbers of customers", rows | {"customers": [3, 2]}, TWO)
    one = {name: values[:1] for name, values in rows.items()}
    refused("different numbers of customers", one, TWO)
    refused("a value where its score has none", rows | {"divisor": [1, 1]}, TWO)


def test_a_value_beyond_what_its_column_may_hold_is_refused() -> None:
    bands = {"fact": "order_count", "from": [[1, 1], [3, 2]]}
    of = recipe({"b": bands, "f": {"fact": "sale_count", "inside": "b", "quantiles": 2}})
    rows = counts("f", value=[1, 1], value_2=[1, 2], customers=[1, 1])
    crm.fit_counts(of, rows, as_of=DAY)
    refused("beyond the policy's min or max", rows | {"value_2": [1, 3]}, of)


def test_messages_hold_no_value() -> None:
    with pytest.raises(crm.DataError) as caught:
        crm.fit_counts(F, counts("Erika M", value=[1], customers=[1]), as_of=DAY)
    assert "Erika" not in str(caught.value)


def test_values_too_near_for_an_edge_are_refused() -> None:
    near = [10**12 + 1, 10**12 + 2]
    rows = counts("m", value=[10**12, 10**12 + 1], divisor=near, customers=[1, 1])
    with pytest.raises(crm.PolicyError) as caught:
        crm.fit_counts(M, rows, as_of=DAY)
    assert {problem.code for problem in caught.value.problems} == {"out_of_range"}


def test_a_policy_without_quantiles_has_nothing_to_count() -> None:
    with pytest.raises(crm.PolicyError, match="nothing to fit"):
        to_sql_counts("classic", as_of=DAY)
    with pytest.raises(crm.PolicyError, match="nothing to fit"):
        crm.fit_counts("classic", {}, as_of=DAY)


# The query

ORDERS = """
    select unnest([1, 1, 2, 3, 4]) as customer_id, 1740794400000000 as placed_us,
        unnest([100, 200, 300, 400, -500]) as amount_minor
"""
NO_KEYS: dict[str, str | None] = dict.fromkeys(
    ["order_id", "status", "returns_order_id", "blocked"]
)


def database(**tables: str) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for name, query in {"orders": ORDERS, **tables}.items():
        con.execute(f"create table {name} as {query}")
    return con


def ask(con: duckdb.DuckDBPyConnection, of: Any, **options: Any) -> list[Any]:
    usual: dict[str, Any] = {"as_of": DAY, "columns": NO_KEYS}
    return con.sql(to_sql_counts(of, **(usual | options))).fetchall()


def test_the_query_counts_everybody_once_a_score() -> None:
    found = ask(database(customers="select 7 as customer_id"), M, customers="customers")
    assert sorted(found, key=str) == [
        ("m", 300, 1, 1),
        ("m", 300, 2, 1),
        ("m", 400, 1, 1),
        ("m", None, None, 2),  # one who never ordered, and one who only gave back
    ]


def test_only_what_is_needed_is_read_and_refused() -> None:
    spread = {"evenness": {"of": "sale", "take": "spread"}}
    more: dict[str, Any] = {
        "facts": spread,
        "attributes": {"vip": "bool"},
        "segment": {"first": [["vip and evenness > 3", "a"]], "otherwise": "b", "unknown": "skip"},
    }
    # There is no column vip, and evenness has no SQL form: nothing asks for them.
    of = recipe(F["scores"], **more)
    con = database(customers="select 1 as customer_id")
    expected = ask(con, F, customers="customers")
    assert ask(con, of, customers="customers") == expected
    assert ask(con, of, customers="customers", columns={**NO_KEYS, "vip": None}) == expected
    of = recipe({"f": {"fact": "evenness", "quantiles": 5}}, **more)
    with pytest.raises(crm.PolicyError, match="spread has no SQL form") as caught:
        to_sql_counts(of, as_of=DAY)
    assert [(one.path, one.code) for one in caught.value.problems] == [
        ("facts.evenness.take", "not_in_sql")
    ]


class Half:
    inputs = ("evenness",)

    def score(self, facts: Any) -> Any:
        return np.zeros(len(facts["evenness"].values))


def test_quantiles_over_a_score_that_is_a_column() -> None:
    scores = {"half": {"scorer": "half"}, "h": {"score": "half", "quantiles": 2}}
    of = recipe(scores, facts={"evenness": {"of": "sale", "take": "spread"}})
    con = database(customers="select 1 as customer_id, 0.5::double as half")
    options: dict[str, Any] = {"scorers": {"half": Half()}, "customers": "customers"}
    given = ask(con, of, scores={"half": "half"}, **options)
    assert sorted(given, key=str) == [("h", 0.5, 1), ("h", None, 3)]
    with pytest.raises(crm.PolicyError, match="a host's scorer has no SQL form"):
        ask(con, of, **options)
    rows = counts("h", number=[0.5, None], customers=[1, 3])
    policy = crm.fit_counts(of, rows, as_of=DAY, scorers={"half": Half()})
    assert fitted(policy, "h")["fitted"]["customers"] == 1


def test_facts_days_and_parameters_are_counted_alike() -> None:
    con = database()
    of_orders = ask(con, TWO)
    assert len(of_orders) == 7
    facts = """select unnest([1, 2, 3, 4]) as customer_id, unnest([2, 1, 1, 0]) as sale_count,
        unnest([300, 300, 400, null]) as mean_sale, unnest([2, 1, 1, 1]) as "mean_sale.divisor" """
    con.execute(f"create table facts as {facts}")
    assert ask(con, TWO, facts="facts", columns=None) == of_orders
    facts_of_days = {
        "sale_count": {"of": "sale", "take": "count"},
        "mean_sale": {"of": "sale", "take": "mean"},
    }
    loaded = crm.load_policy({**HEAD, "facts": facts_of_days})
    con.execute(f"create table days as {to_sql_daily(loaded, as_of=DAY, columns=NO_KEYS)}")
    assert ask(con, TWO, daily="days", columns=None) == of_orders
    query = to_sql_counts(TWO, as_of=Parameter(), columns=NO_KEYS)
    found = con.sql(query, params=query.parameters(DAY)).fetchall()
    assert found == of_orders


def test_several_dates_are_refused() -> None:
    dates: Any = [DAY, DAY]
    with pytest.raises(crm.DataError, match="as of one moment"):
        to_sql_counts(F, as_of=dates)


def test_what_is_wrong_with_the_relations_is_an_error() -> None:
    con = database()
    with pytest.raises(duckdb.Error, match="an order stands in several rows"):
        ask(con, F, columns={**NO_KEYS, "order_id": "placed_us"})


def test_a_shops_own_rows_are_counted_by_its_source() -> None:
    source = crm.load_source("""
        zone = "UTC"
        currency = { code = "EUR", exponent = 2 }
        columns = { order_id = "no", customer_id = "who", placed_at = "day", amount = "paid" }
    """)
    rows = "select unnest([1, 2, 3]) as no, unnest(['a', 'a', 'b']) as who, "
    con = database(sales=rows + "date '2025-03-01' as day, unnest([1.25, 2.5, 3.75]) as paid")
    kinds = {"no": "whole", "who": "text", "day": "date", "paid": "decimal"}
    found = ask(con, M, orders="sales", source=source, kinds=kinds, columns=None)
    assert found == [("m", 375, 1, 1), ("m", 375, 2, 1)]
