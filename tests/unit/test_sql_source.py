"""The shop's own columns as SQL: texts and names that stay what they are, and what is refused."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from engines import Engines, every

import crmcore as crm
from crmcore.sql import nodes, to_sql, to_sql_account
from crmcore.sql.dialects import DIALECTS

AS_OF = date(2025, 6, 30)

# Texts and names


HOSTILE = [
    "it's",
    "'",
    "''",
    "\\",
    "\\'",
    "\\' or 1=1 --",
    "\\\\'; drop table given; --",
    "a\\nb",
    "a\nb\tc\r\nd",
    "\\u0041\\101\\x41\\",
    "${env:HOME}",
    "${spark.app.name}$",
    "$$; $1 $body$",
    "100 %s %(as_of)s %%",
    ":name ? @x",
    "/* */ -- #",
    "naïve 顾客 \U0001f600",
    "  spaces  ",
    "\x01\x1f\x7f\x85\u2028",
    "X'41' E'a' b'c' q'[x]'",
]
SETTINGS = {
    "duckdb": [[]],
    "postgres": [
        [f"set standard_conforming_strings = {one}", f"set backslash_quote = {two}"]
        for one in ("on", "off")
        for two in ("on", "off")
    ],
    "spark": [
        [],
        ["set spark.sql.parser.escapedStringLiterals = true"],
        ["set spark.sql.legacy.consecutiveStringLiterals.enabled = true"],
        ["set spark.sql.variable.substitute = false"],
    ],
}


@every("duckdb", "postgres", "spark")
def test_texts_mean_themselves_whatever_the_session_says(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        engine.load({"given": pa.table({"one": [1]})})
        dialect = DIALECTS[engine.dialect]
        for settings in SETTINGS[dialect.name]:
            for one in settings:
                run = engine.connection.sql if kind == "spark" else engine.connection.execute
                run(one)
            columns = {f"c{at}": nodes.text(text) for at, text in enumerate(HOSTILE)}
            query = dialect.write(nodes.select(columns, nodes.table("given")), 80)
            assert list(engine.fetch(query).to_pylist()[0].values()) == HOSTILE


def test_texts_of_postgres_do_not_change_with_parameters(engines: Engines) -> None:
    query = nodes.select({"x": nodes.text("100 %s %%")}, nodes.table("given"))
    written = DIALECTS["postgres"].write(query, 80)
    with engines.open("postgres") as engine:
        engine.load({"given": pa.table({"one": [1]})})
        found = engine.connection.execute(written + " where %(on)s", {"on": True}).fetchall()
    assert found == [("100 %s %%",)]


def test_texts_of_bigquery_read_back() -> None:
    for text in HOSTILE:
        query = DIALECTS["bigquery"].write(
            nodes.select({"x": nodes.text(text)}, nodes.table("t")), 80
        )
        tree = sqlglot.parse_one(query, read="bigquery")
        assert tree.selects[0].unalias().name == text


@pytest.mark.parametrize("text", ["a\0", "__SQLGLOT__LB__", "\ud800"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_texts_that_cannot_be_written_are_refused(text: str, dialect: str) -> None:
    query = nodes.select({"x": nodes.text(text)}, nodes.table("t"))
    with pytest.raises(crm.DataError, match="cannot be written"):
        DIALECTS[dialect].write(query, 80)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "__SQLGLOT__LB__", "\ud800"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_names_that_cannot_be_written_are_refused(name: str, dialect: str) -> None:
    with pytest.raises(crm.DataError, match="name"):
        to_sql(crm.presets.load("classic"), dialect=dialect, orders=name, as_of=AS_OF)


def test_spark_has_no_names_with_settings_in_them() -> None:
    with pytest.raises(crm.DataError, match="a setting would take its place"):
        to_sql(crm.presets.load("classic"), dialect="spark", orders="${env:HOME}", as_of=AS_OF)
    with pytest.raises(crm.DataError, match="a setting would take its place"):
        to_sql(
            crm.presets.load("classic"),
            dialect="spark",
            columns={"customer_id": "${env:HOME}"},
            as_of=AS_OF,
        )


# The shop's own columns


SHOP = pa.table(
    {
        "Order": [1, 2, 2, 3, 4],
        "Buyer": ["b-1", "b-1", "b-1", "b-2", "test-7"],
        "When": pa.array([datetime(2025, 3, 30, 2, 30)] * 5, pa.timestamp("us")),
        "Net": pa.array([Decimal("100.00"), *[Decimal("10.50")] * 2, Decimal("20"), Decimal(1)]),
        "State": ["done", "open", "open", "lost", "done"],
    }
)
KINDS = {"Order": "whole", "Buyer": "text", "When": "time", "Net": "decimal", "State": "text"}
SOURCE: dict[str, Any] = {
    "zone": "Europe/Berlin",
    "currency": {"code": "CNY", "exponent": 2},
    "columns": {
        "order_id": "Order",
        "customer_id": "Buyer",
        "placed_at": "When",
        "status": "State",
    },
    "amount": {"formula": "Net * 1.19", "rounding": "half_up"},
    "status": {"map": {"open": "placed", "done": "delivered"}},
    "exclude": [{"reason": "test order", "column": "Buyer", "starts_with": "test-"}],
}


def shop(**changes: Any) -> crm.Source:
    return crm.load_source({**SOURCE, **changes})


@every("duckdb", "postgres", "spark")
def test_a_shop_is_graded_through_its_source(kind: str, engines: Engines) -> None:
    policy, source = crm.presets.load("classic"), shop()
    ours = crm.evaluate(policy, crm.OrderTable.from_frame(SHOP, source), as_of=AS_OF).to_frame()
    with engines.open(kind, zone="Pacific/Apia") as engine:
        engine.load({"sales": SHOP})
        query = to_sql(
            policy,
            dialect=engine.dialect,
            orders="sales",
            source=source,
            kinds=KINDS,
            bad_rows="set_aside",
            as_of=AS_OF,
        )
        assert engine.fetch(query).to_pylist() == ours.to_pylist()
        account = to_sql_account(source, kinds=KINDS, dialect=engine.dialect, orders="sales")
        found = {
            (one["kind"], one["reason"]): one["rows"] for one in engine.fetch(account).to_pylist()
        }
    assert found == {
        ("excluded", "test order"): 1,
        ("quarantined", "unknown_status"): 1,
        ("collapsed", "duplicate"): 1,
        ("kept", None): 2,
    }


@every("duckdb", "postgres", "spark")
def test_a_row_that_would_be_set_aside_is_an_error(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        engine.load({"sales": SHOP, "one": SHOP.slice(3, 1)})
        for name in ("sales", "one"):
            query = to_sql(
                crm.presets.load("classic"),
                dialect=engine.dialect,
                orders=name,
                source=shop(),
                kinds=KINDS,
                as_of=AS_OF,
            )
            with pytest.raises(engine.failure, match="would be set aside: unknown_status"):
                engine.fetch(query)


REFUSED: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({}, {"Net": "float"}, "source.amount"),
    ({}, {"When": "text"}, "source.columns.placed_at"),
    ({}, {"Order": "decimal"}, "source.columns.order_id"),
    ({"rows": "lines"}, {}, "source.rows"),
    ({}, {"version": "whole"}, "source.columns.version"),
    ({}, {"known_at": "instant"}, "source.columns.known_at"),
]


@pytest.mark.parametrize(("changes", "kinds", "path"), REFUSED)
def test_what_a_source_has_and_no_query_can_read_is_refused(
    changes: dict[str, Any], kinds: dict[str, str], path: str
) -> None:
    with pytest.raises(crm.PolicyError) as caught:
        to_sql_account(shop(**changes), kinds={**KINDS, **kinds})
    assert [(one.code, one.path) for one in caught.value.problems] == [("not_in_sql", path)]


def test_bigquery_reads_no_source() -> None:
    with pytest.raises(crm.PolicyError, match="any source has no SQL form"):
        to_sql_account(shop(), kinds=KINDS, dialect="bigquery")


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"columns": {**SOURCE["columns"], "status": False}}, {}),
        ({}, {"When": "whole"}),
        ({}, {"Order": "number"}),
        ({"columns": {"customer_id": "Nobody"}}, {}),
    ],
)
def test_what_is_not_said_is_asked_for(changes: dict[str, Any], kinds: dict[str, str]) -> None:
    with pytest.raises(crm.DataError):
        to_sql_account(shop(**changes), kinds={**KINDS, **kinds})


@pytest.mark.parametrize(
    ("type_", "kind"), [("double", "decimal"), ("varchar", "whole"), ("bigint", "decimal")]
)
def test_a_column_of_another_kind_is_an_error(type_: str, kind: str, engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        engine.load({"given": SHOP})
        engine.connection.execute(
            f"create table orders as select * replace (cast(Net as {type_}) as Net) from given"
        )
        with pytest.raises(engine.failure, match=f"a column is not of kind {kind}"):
            engine.fetch(to_sql_account(shop(), kinds={**KINDS, "Net": kind}))
