"""The policy as SQL in every engine: what differs between them, and what each must refuse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pyarrow as pa
import pytest
import sqlglot
from engines import Engine, Engines, every
from pages import ROOT
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

import crmcore as crm
from crmcore.calendars import FIRST_INSTANT, LAST_INSTANT
from crmcore.facts import spec
from crmcore.sql import nodes, to_sql, to_sql_account, to_sql_counts
from crmcore.sql.constructs import CONSTRUCTS, printed
from crmcore.sql.dialects import DIALECTS

AS_OF = date(2025, 6, 30)
NOON = 1_750_000_000_000_000  # in June 2025
CLASSIC: dict[str, Any] = {"extends": "classic", "format": 1, "name": "mine"}
NO_KEYS: dict[str, str | None] = dict.fromkeys(["order_id", "status", "returns_order_id"])
LIMIT = 2**63 - 1


def policy(**changes: Any) -> crm.Policy:
    return crm.load_policy({**CLASSIC, **changes})


def change(engine: Engine, statement: str) -> None:
    """Run a statement that gives no rows."""
    run = engine.connection.sql if engine.dialect == "spark" else engine.connection.execute
    run(statement)


def placed(ids: Any, instants: list[int], amounts: list[int]) -> pa.Table:
    return pa.table(
        {
            "customer_id": ids,
            "placed_us": pa.array(instants, pa.int64()),
            "amount_minor": pa.array(amounts, pa.int64()),
        }
    )


def queried(engine: Engine, orders: pa.Table, loaded: crm.Policy, as_of: date = AS_OF) -> pa.Table:
    engine.load({"orders": orders})
    return engine.fetch(to_sql(loaded, dialect=engine.dialect, as_of=as_of, columns=NO_KEYS))


def evaluated(orders: pa.Table, loaded: crm.Policy, as_of: date = AS_OF) -> pa.Table:
    columns = orders.to_pydict()
    start = datetime(1970, 1, 1, tzinfo=UTC)
    columns["placed_at"] = [start + timedelta(microseconds=n) for n in columns.pop("placed_us")]
    rows = zip(*columns.values(), strict=True)
    source = crm.Source(currency=loaded.currency)
    table = crm.OrderTable.from_rows(rows, source, columns=list(columns))
    return crm.evaluate(loaded, table, as_of=as_of).to_frame()


# The table of constructs


def test_the_page_prints_the_table_of_constructs() -> None:
    page = (ROOT / "docs" / "sql.md").read_text("utf-8")
    begin, end = "<!-- constructs: begin -->\n", "<!-- constructs: end -->"
    assert page.partition(begin)[2].partition(end)[0] == f"\n{printed()}\n"


@pytest.mark.parametrize(
    ("group", "names"),
    [("facts of", spec.Of), ("aggregate", spec.Take), ("field", spec.Measure)],
)
def test_every_word_of_a_fact_stands_in_the_table(group: str, names: Any) -> None:
    found = [one.name for one in CONSTRUCTS if one.group == group]
    assert sorted(found) == sorted(get_args(names))


def test_the_table_knows_the_dialects_only() -> None:
    assert {name for one in CONSTRUCTS for name in one.others} <= DIALECTS.keys()
    standings = [one.standing(name) for one in CONSTRUCTS for name in DIALECTS]
    assert all((one.support == "exact") == (one.why == "") for one in standings)


# 64 bits


AMOUNTS = [
    [LIMIT],
    [-LIMIT],
    [LIMIT - 7, -7],
    [LIMIT - 8, 7, -1],
    [1, -2],
    [100, -201],
    [1, 1, -3],
    [2**62, 1, -(2**61)],
    [33_333, 33_333, 33_334, 1],
    [0, 0, 5],
    [-5],
    [-1, -1, -1],
    [1, 1, -4, -4],
]
WIDE: dict[str, Any] = {
    "facts": {
        "spend": {"of": "order", "take": "sum"},
        "usual": {"of": "order", "take": "mean"},
        "net": {"of": "sale", "take": "sum"},
        "mean_sale": {"of": "sale", "take": "mean"},
        "back": {"of": "return", "take": "sum"},
        "worst": {"of": "return", "take": "max"},
        "mean_back": {"of": "return", "take": "mean"},
    },
    "segment": {
        "first": [["mean_sale < -0.5", "a"], ["usual == 0.01", "b"], ["usual >= 333.3333", "c"]]
    },
}
SCORES = {
    "m": {"fact": "mean_sale", "below": 0, "from": [["-1.005", 1], ["0.0001", 2], ["250.0025", 3]]}
}


def wide(exponent: int) -> crm.Policy:
    scores = {"scores": SCORES} if exponent == 2 else {}
    document = {"format": 1, "name": "wide", "zone": "UTC", "sale_statuses": ["delivered"]}
    currency = {"code": "XXX", "exponent": exponent}
    return crm.load_policy({**document, "currency": currency, **WIDE, **scores})


def crowd(lists: list[list[int]]) -> pa.Table:
    """One customer for each list of amounts."""
    pairs = [(at, amount) for at, amounts in enumerate(lists) for amount in amounts]
    ids, amounts = map(list, zip(*pairs, strict=True))
    return placed(pa.array(ids, pa.int64()), [NOON] * len(ids), amounts)


@every()
@pytest.mark.parametrize("exponent", [0, 2, 6])
def test_amounts_up_to_64_bits_are_exact(kind: str, exponent: int, engines: Engines) -> None:
    loaded, orders = wide(exponent), crowd(AMOUNTS)
    with engines.open(kind) as engine:
        found = queried(engine, orders, loaded)
    ours = evaluated(orders, loaded)
    assert found.to_pylist() == ours.to_pylist()
    money = found.schema.field("spend").type, found.schema.field("usual").type
    assert money == (ours.schema.field("spend").type, ours.schema.field("usual").type)


@every()
@pytest.mark.parametrize("amounts", [[LIMIT, 1], [2**62, -(2**62), 1], [-(2**63)]])
def test_sums_beyond_64_bits_are_refused(kind: str, amounts: list[int], engines: Engines) -> None:
    with engines.open(kind) as engine, pytest.raises(engine.failure, match="beyond 64 bits"):
        queried(engine, crowd([amounts]), policy())


# Days and instants


@every("duckdb", "postgres", "spark")
@pytest.mark.parametrize("name", ["America/Juneau", "Pacific/Apia"])
def test_days_are_those_of_the_package(kind: str, name: str, engines: Engines) -> None:
    facts = {
        "first_sale_on": {"of": "sale", "take": "first"},
        "first_at": {"of": "sale", "take": "first"},
        "age_days": {"of": "order", "take": "days_since_first"},
    }
    loaded = policy(zone=name, facts=facts)
    moments = [datetime(1867, 10, 17, tzinfo=UTC) + timedelta(hours=7 * n) for n in range(8)]
    moments += [datetime(2011, 12, 29, tzinfo=UTC) + timedelta(hours=5 * n) for n in range(12)]
    moments += [datetime(1999, 10, 31, tzinfo=UTC) + timedelta(minutes=31 * n) for n in range(9)]
    start, micro = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
    instants = [FIRST_INSTANT, -1, *((moment - start) // micro for moment in moments)]
    orders = placed(list(range(len(instants))), instants, [100] * len(instants))
    with engines.open(kind, zone="America/St_Johns") as engine:
        found = queried(engine, orders, loaded)
    assert found.to_pylist() == evaluated(orders, loaded).to_pylist()


@every("duckdb", "postgres", "spark")
def test_instants_reach_the_year_9999(kind: str, engines: Engines) -> None:
    loaded = policy(zone="UTC")
    instants = [LAST_INSTANT, 2**53 + 1, 4_102_444_800_123_457]
    orders = placed(["a", "b", "c"], instants, [100] * 3)
    as_of = date(9999, 12, 31)
    with engines.open(kind) as engine:
        found = queried(engine, orders, loaded, as_of).select(["first_order_at", "sale_count"])
    ours = evaluated(orders, loaded, as_of).select(["first_order_at", "sale_count"])
    assert found.to_pylist() == ours.to_pylist()


# Ids


@every("duckdb", "postgres", "spark")
def test_texts_sort_by_code_points_and_numbers_by_size(kind: str, engines: Engines) -> None:
    for ids in (["b", "A", "a", "é", "B", "10", "9", "顾客", "😀", "\uffee"], [10, 9, -1, 2**62]):
        orders = placed(ids, [NOON] * len(ids), [100] * len(ids))
        with engines.open(kind) as engine:
            assert queried(engine, orders, policy())["customer_id"].to_pylist() == sorted(ids)


@every("duckdb", "postgres")
def test_uuids_sort_by_bytes(kind: str, engines: Engines) -> None:
    ids = [UUID(int=n) for n in (2**127, 1, 2**128 - 1, 2**64, 0)]
    column = pa.array([one.bytes for one in ids], pa.uuid())
    with engines.open(kind) as engine:
        found = queried(engine, placed(column, [NOON] * 5, [1] * 5), policy())
    assert found["customer_id"].to_pylist() == sorted(map(str, ids))


# What the relations must be


ROW: dict[str, Any] = {
    "order_id": pa.array([1], pa.int64()),
    "customer_id": ["C1"],
    "placed_us": pa.array([NOON], pa.int64()),
    "amount_minor": pa.array([30_000], pa.int64()),
    "status": ["paid"],
    "returns_order_id": pa.array([None], pa.int64()),
}
PEOPLE: dict[str, Any] = {"customer_id": ["C1"], "blocked": [False]}
ANY = "."  # the engine may be the first to notice
NUMBER, NAN = pa.array([1], pa.int64()), pa.array([float("nan")])
BAD: dict[str, tuple[Mapping[str, Any], Mapping[str, Any], str]] = {
    "another status": ({"status": ["Paid"]}, {}, "standard status"),
    "no status": ({"status": pa.array([None], pa.string())}, {}, "standard status"),
    "no instant": ({"placed_us": pa.array([None], pa.int64())}, {}, "placed_us must"),
    "an instant too late": ({"placed_us": pa.array([LIMIT])}, {}, "placed_us must"),
    "no amount": ({"amount_minor": pa.array([None], pa.int64())}, {}, "amount_minor must"),
    "an amount that is no number": ({"amount_minor": NAN}, {}, "amount_minor must"),
    "a positive return": ({"returns_order_id": NUMBER}, {}, "not negative"),
    "no order_id": ({"order_id": pa.array([None], pa.int64())}, {}, "no order_id"),
    "an order_id that is a float": ({"order_id": pa.array([1.0])}, {}, "order_id must"),
    "a customer_id that is a date": (
        {"customer_id": [date(2025, 1, 1)]},
        {"customer_id": [date(2025, 1, 1)]},
        "customer_id must",
    ),
    "ids of two types": ({"customer_id": ["1"]}, {"customer_id": [1]}, ANY),
    "blocked as text": ({}, {"blocked": ["no"]}, ANY),
    "an order twice": (
        {name: [*pa.array(column).to_pylist()] * 2 for name, column in ROW.items()}
        | {"returns_order_id": pa.array([None] * 2, pa.int64())},
        {},
        "an order stands in several rows",
    ),
    "a return twice": (
        {
            "order_id": pa.array([1, 2, 2], pa.int64()),
            "customer_id": ["C1"] * 3,
            "placed_us": pa.array([NOON] * 3, pa.int64()),
            "amount_minor": pa.array([30_000, -6_000, -6_000], pa.int64()),
            "status": ["paid"] * 3,
            "returns_order_id": pa.array([None, 1, 1], pa.int64()),
        },
        {},
        "stands in several rows, or a return",
    ),
    "a return with the id of an order": (
        {
            "order_id": pa.array([1, 1], pa.int64()),
            "customer_id": ["C1"] * 2,
            "placed_us": pa.array([NOON] * 2, pa.int64()),
            "amount_minor": pa.array([30_000, -6_000], pa.int64()),
            "status": ["paid"] * 2,
            "returns_order_id": pa.array([None, 1], pa.int64()),
        },
        {},
        "stands in several rows, or a return",
    ),
    "a customer twice": (
        {},
        {"customer_id": ["C1"] * 2, "blocked": [False] * 2},
        "a customer stands in several rows",
    ),
}


def shop(orders: Mapping[str, Any], customers: Mapping[str, Any]) -> dict[str, pa.Table]:
    return {"orders": pa.table(ROW | orders), "customers": pa.table(PEOPLE | customers)}


@every("duckdb", "postgres", "spark")
@pytest.mark.parametrize("name", BAD)
def test_the_query_refuses_what_is_not_canonical(kind: str, name: str, engines: Engines) -> None:
    orders, customers, message = BAD[name]
    with engines.open(kind) as engine:
        engine.load(shop(orders, customers))
        query = to_sql(policy(), dialect=engine.dialect, customers="customers", as_of=AS_OF)
        with pytest.raises(engine.failure, match=message) as caught:
            engine.fetch(query)
        assert "C1" not in str(caught.value).replace('"', "").partition("LINE")[0]


KINDS_OF_IDS: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "customers as numbers": ({}, {"customer_id": pa.array([1], pa.int64())}),
    "orders as numbers": ({"customer_id": pa.array([1], pa.int64())}, {}),
    "returns as numbers": (
        {"order_id": ["C1"], "amount_minor": [-5], "returns_order_id": pa.array([1], pa.int64())},
        {},
    ),
    "orders as numbers, returns as text": (
        {"amount_minor": [-5], "returns_order_id": ["C1"]},
        {},
    ),
}


@every()
@pytest.mark.parametrize("name", KINDS_OF_IDS)
def test_ids_of_two_kinds_are_refused_and_not_shown(kind: str, name: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        engine.load(shop(*KINDS_OF_IDS[name]))
        query = to_sql(policy(), dialect=engine.dialect, customers="customers", as_of=AS_OF)
        # DuckDB and PostgreSQL look at types before any row, and name them.
        message = "of different types|of one type" if engine.dialect == "spark" else ANY
        with pytest.raises(engine.failure, match=message) as caught:
            engine.fetch(query)
        assert "C1" not in str(caught.value)


@every()
def test_a_list_that_must_be_known_fails_for_those_it_asks(kind: str, engines: Engines) -> None:
    rows = {"first": [["mean_sale > 1", "a"]], "unknown": "error", "otherwise": "b"}
    with engines.open(kind) as engine:
        engine.load(shop({}, {}) | {"others": pa.table(PEOPLE | {"customer_id": ["C2"]})})
        query = [
            to_sql(policy(segment=rows), dialect=engine.dialect, customers=people, as_of=AS_OF)
            for people in ("customers", "others")
        ]
        assert engine.fetch(query[0])["segment"].to_pylist() == ["a"]
        with pytest.raises(engine.failure, match="a condition of segment is unknown"):
            engine.fetch(query[1])


@every("duckdb", "postgres", "spark")
def test_names_stay_names(kind: str, engines: Engines) -> None:
    nasty = "a;drop table \"x\"; 'q' `b` /* 顾客 */ --"
    names = {one: f"{nasty} {one[:3]}" for one in ("amount_minor", "customer_id")}
    orders = pa.table(ROW).rename_columns([names.get(one, one) for one in ROW])
    with engines.open(kind) as engine:
        engine.load({nasty: orders})
        query = to_sql(policy(), dialect=engine.dialect, orders=nasty, as_of=AS_OF, columns=names)
        assert engine.fetch(query)["class"].to_pylist() == ["bronze"]


SETTINGS = {
    "duckdb": ["set default_order = 'desc'", "set integer_division = true"],
    "postgres": [
        "set standard_conforming_strings = off",
        "set transform_null_equals = on",
        "set intervalstyle = 'sql_standard'",
        "set datestyle = 'ISO, DMY'",
        "set extra_float_digits = -15",
        "set enable_hashagg = off",
    ],
    "spark": [
        "set spark.sql.decimalOperations.allowPrecisionLoss = false",
        "set spark.sql.caseSensitive = true",
        "set spark.sql.parser.escapedStringLiterals = true",
        "set spark.sql.timestampType = TIMESTAMP_NTZ",
        "set spark.sql.ansi.doubleQuotedIdentifiers = true",
    ],
}


@every()
def test_settings_of_the_session_change_nothing(kind: str, engines: Engines) -> None:
    orders, loaded = crowd(AMOUNTS), wide(0)
    with engines.open(kind, zone="Pacific/Apia") as engine:
        for setting in SETTINGS[engine.dialect]:
            change(engine, setting)
        assert queried(engine, orders, loaded).to_pylist() == evaluated(orders, loaded).to_pylist()


# PostgreSQL


NUMERIC = "alter table orders alter amount_minor type numeric; update orders set amount_minor = "
CHANGES = {
    "alter table orders alter customer_id type char(5)": "customer_id must",
    "alter table orders alter order_id type char(5); "
    "alter table orders alter returns_order_id type char(5)": "order_id must",
    "alter table orders alter customer_id type text collate blurred": "binary collation",
    "alter table customers alter customer_id type text collate blurred": "binary collation",
    "alter table orders alter order_id type text collate blurred; "
    "alter table orders alter returns_order_id type text collate blurred": "binary collation",
    "alter table orders alter status type text collate blurred; "
    "update orders set status = 'PAID'": "standard status",
    f"{NUMERIC} 'NaN'": "amount_minor must",
    f"{NUMERIC} 'Infinity'": "amount_minor must",
    f"{NUMERIC} 0.5": "amount_minor must",
    f"{NUMERIC} 1e30": "out of range",
    "alter table orders alter placed_us type numeric; "
    "update orders set placed_us = 'NaN'": "placed_us must",
    "alter table orders alter placed_us type timestamptz using 'infinity'": "timestamp",
}
BLURRED = (
    "create collation blurred (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
)


@pytest.mark.parametrize("statements", CHANGES)
def test_postgres_refuses(statements: str, engines: Engines) -> None:
    with engines.open("postgres") as engine:
        engine.load(shop({}, {}))
        change(engine, BLURRED)
        for one in statements.split(";"):
            change(engine, one)
        query = to_sql(policy(), dialect="postgres", customers="customers", as_of=AS_OF)
        with pytest.raises(engine.failure, match=CHANGES[statements]):
            engine.fetch(query)


def test_postgres_takes_whole_numerics_and_other_collations(engines: Engines) -> None:
    with engines.open("postgres") as engine:
        engine.load(shop({}, {}))
        change(engine, "alter table orders alter amount_minor type numeric(12, 2)")
        change(engine, "alter table orders alter placed_us type numeric")
        change(engine, "alter table orders alter order_id type smallint")
        change(engine, 'alter table orders alter customer_id type varchar(9) collate "de-x-icu"')
        query = to_sql(policy(), dialect="postgres", as_of=AS_OF)
        assert engine.fetch(query)["mean_sale"].to_pylist() == [300]


def test_postgres_computes_no_refusal_in_advance(engines: Engines) -> None:
    """A view of constants lets the planner compute what does not depend on rows."""
    constants = (
        "select 1::bigint as order_id, 'C1'::text as customer_id, "
        f"{NOON} as placed_us, 30000 as amount_minor, 'paid'::text as status, "
        "null::bigint as returns_order_id"
    )
    with engines.open("postgres") as engine:
        change(engine, f"create view orders as {constants}")
        change(engine, "create view customers as select 'C1'::text as customer_id, true as blocked")
        query = to_sql(policy(), dialect="postgres", customers="customers", as_of=AS_OF)
        assert engine.fetch(query)["class"].to_pylist() == ["malicious"]


def test_postgres_keeps_long_names_apart(engines: Engines) -> None:
    names = ["x" * 60 + end for end in ("_on", "aaa", "aab")]
    takes = ["first", "mean", "mean"]
    facts = {name: {"of": "sale", "take": take} for name, take in zip(names, takes, strict=True)}
    with engines.open("postgres") as engine:
        engine.load(shop({}, {}))
        found = engine.fetch(to_sql(policy(facts=facts), dialect="postgres", as_of=AS_OF))
    assert found.select(names).to_pylist()[0].keys() == set(names)


def test_postgres_has_no_longer_names() -> None:
    fact = {"x" * 64: {"of": "sale", "take": "count"}}
    with pytest.raises(crm.PolicyError, match="a name of more than 63 bytes") as caught:
        to_sql(policy(facts=fact), dialect="postgres", as_of=AS_OF)
    assert [one.path for one in caught.value.problems] == [f"facts.{'x' * 64}"]
    assert to_sql(policy(facts=fact), as_of=AS_OF)
    with pytest.raises(crm.DataError, match="cuts names off after 63 bytes"):
        to_sql(policy(), dialect="postgres", orders="é" * 32, as_of=AS_OF)


COLLATIONS = {"duckdb": "nocase", "postgres": "blurred"}


@every("duckdb", "postgres")
@pytest.mark.parametrize("blurred", ["order_id", "customer_id", "returns_order_id"])
def test_a_shops_own_ids_are_compared_as_they_are(
    kind: str, blurred: str, engines: Engines
) -> None:
    """Under such a collation all its rows could be set aside, and none be left to tell."""
    source = crm.Source(currency=policy().currency, time_unit="us")
    names = ["order_id", "customer_id", "returns_order_id"]
    kinds = {**dict.fromkeys(names, "text"), "placed_at": "whole", "amount_minor": "whole"}
    with engines.open(kind) as engine:
        if kind == "postgres":
            change(engine, BLURRED)
        collations = {blurred: f"collate {COLLATIONS[kind]}"}
        columns = ", ".join(f"{name} text {collations.get(name, '')}" for name in names)
        change(engine, f"create table orders ({columns}, placed_at bigint, amount_minor bigint)")
        for order, amount in (("b", 5), ("B", 6)):
            change(engine, f"insert into orders values ('{order}', 'x', null, {NOON}, {amount})")
        change(engine, f"insert into orders values ('c', 'x', 'b', {NOON}, -5)")
        given: dict[str, Any] = {"source": source, "kinds": kinds, "bad_rows": "set_aside"}
        for query in (
            to_sql_account(source, kinds=kinds, dialect=kind),
            to_sql(policy(), dialect=kind, as_of=AS_OF, **given),
        ):
            with pytest.raises(engine.failure, match="binary collation"):
                engine.fetch(query)


# Spark


@every("spark", "spark ansi")
def test_spark_takes_whole_decimals_only(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        engine.load(shop({}, {}))
        for type_, fits in (("decimal(38,0)", True), ("decimal(38,2)", False)):
            change(
                engine,
                "create or replace temporary view given as select * except (amount_minor), "
                f"cast(amount_minor as {type_}) as amount_minor from orders",
            )
            query = to_sql(policy(), dialect="spark", orders="given", as_of=AS_OF)
            if fits:
                assert engine.fetch(query)["mean_sale"].to_pylist() == [300]
            else:
                with pytest.raises(engine.failure, match="amount_minor must"):
                    engine.fetch(query)


@every("spark")
def test_spark_refuses_another_collation(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        engine.load(shop({}, {}))
        change(
            engine,
            "create or replace temporary view given as select * except (customer_id), "
            "collate(customer_id, 'UTF8_LCASE') as customer_id from orders",
        )
        with pytest.raises(engine.failure, match="customer_id must"):
            engine.fetch(to_sql(policy(), dialect="spark", orders="given", as_of=AS_OF))


# BigQuery: no server, so what can be known without one


def test_bigquery_reads_back_as_it_was_written() -> None:
    for loaded in (policy(), wide(0), wide(2), crm.presets.load("classic")):
        query = to_sql(loaded, dialect="bigquery", customers="customers", as_of=AS_OF)
        tree = sqlglot.parse_one(query, read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
        assert tree.sql(dialect="bigquery", pretty=True, max_text_width=120) == query


@pytest.mark.parametrize("name", ["a.b", "a`b", "a\\b", "", "a\0"])
def test_bigquery_takes_no_paths_for_names(name: str) -> None:
    with pytest.raises(crm.DataError, match="name"):
        to_sql(policy(), dialect="bigquery", orders=name, as_of=AS_OF)


def in_duckdb(query: str) -> str:
    """A query for BigQuery as SQLGlot says it for DuckDB; what it cannot translate is a macro."""
    translated = sqlglot.transpile(query, read="bigquery", write="duckdb")[0]
    return translated.replace("FORMAT('%T', ", "literal(").replace("COLLATE(", "collated(")


MACROS = """
    create macro collated(x, c) as x;
    create macro literal(x) as case
        when x is null then 'NULL' when typeof(x) = 'VARCHAR' then '"' || x || '"'
        else x::varchar end;
"""


def test_bigquery_gives_the_same_as_far_as_another_engine_can_tell(engines: Engines) -> None:
    amounts = [[30_000], [1, -2], [100, -201], [1, 1, -3], [33_333, 33_334, 1], [0, 5], [-5]]
    orders = crowd(amounts)
    for loaded in (policy(), wide(2)):
        query = to_sql(loaded, dialect="bigquery", as_of=AS_OF, columns=NO_KEYS)
        with engines.open("duckdb") as engine:
            change(engine, MACROS)
            engine.load({"orders": orders})
            found = engine.fetch(in_duckdb(query))
        ours = evaluated(orders, loaded)
        assert found.cast(ours.schema).to_pylist() == ours.to_pylist()


@pytest.mark.parametrize("name", BAD)
def test_bigquery_refuses_as_far_as_another_engine_can_tell(name: str, engines: Engines) -> None:
    orders, customers, message = BAD[name]
    query = to_sql(policy(), dialect="bigquery", customers="customers", as_of=AS_OF)
    with engines.open("duckdb") as engine:
        change(engine, MACROS)
        engine.load(shop(orders, customers))
        with pytest.raises(engine.failure, match=message):
            engine.fetch(in_duckdb(query))


def test_bigquery_has_the_types_that_the_package_shows() -> None:
    schema = {
        "orders": {"customer_id": "STRING", "placed_us": "INT64", "amount_minor": "INT64"},
    }
    query = to_sql(policy(), dialect="bigquery", as_of=AS_OF, columns=NO_KEYS)
    tree = qualify(sqlglot.parse_one(query, read="bigquery"), schema=schema, dialect="bigquery")
    typed = annotate_types(tree, schema=schema, dialect="bigquery")
    types = {one.alias: one.type.sql("bigquery") for one in typed.selects}
    names = ("class", "sale_count", "mean_sale", "last_sale_on", "first_order_at", "score")
    assert [types[name] for name in names] == [
        *("STRING", "INT64", "NUMERIC", "DATE", "TIMESTAMP", "INT64")
    ]


def test_bigquery_counts_customers_as_far_as_another_engine_can_tell(engines: Engines) -> None:
    scores: dict[str, Any] = {"m": {"fact": "mean_sale", "quantiles": 3}}
    scores["f"] = {"fact": "sale_count", "inside": "m", "quantiles": 2}
    recipe = {**CLASSIC, "scores": scores}
    orders = crowd([[30_000], [1, -2], [100, -201], [33_333, 33_334, 1], [0, 5], [-5], [5]])
    given: dict[str, Any] = {"as_of": AS_OF, "columns": NO_KEYS}
    query = to_sql_counts(recipe, dialect="bigquery", **given)
    tree = sqlglot.parse_one(query, read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
    assert tree.sql(dialect="bigquery", pretty=True, max_text_width=120) == query
    with engines.open("duckdb") as engine:
        change(engine, MACROS)
        engine.load({"orders": orders})
        found = engine.fetch(in_duckdb(query))
        assert found.to_pylist() == engine.fetch(to_sql_counts(recipe, **given)).to_pylist()


# Instants as microseconds


def of_column(name: str, node: Any, dialect: str) -> str:
    """A query for what a dialect makes of a column of a table."""
    return nodes.select({name: node}, nodes.table("given")).sql(dialect=dialect)


@every("duckdb", "postgres", "spark")
def test_instants_and_microseconds_are_the_same(kind: str, engines: Engines) -> None:
    micros = [FIRST_INSTANT, LAST_INSTANT, 0, -1, 2**53 + 1, -(2**53) - 1, 1_730_611_800_000_001]
    instants = pa.array(micros, pa.timestamp("us", "UTC"))
    with engines.open(kind, zone="America/New_York") as engine:
        engine.load({"given": pa.table({"at": instants, "us": micros})})
        dialect = DIALECTS[engine.dialect]
        at, us = nodes.column("at", "given"), nodes.column("us", "given")
        shown = engine.fetch(of_column("x", dialect.instant(us), dialect.name))
        read = engine.fetch(of_column("x", dialect.micros(at), dialect.name))
        fits = engine.fetch(of_column("x", dialect.is_kind(at, "instant"), dialect.name))
    assert sorted(shown["x"].cast(pa.int64()).to_pylist()) == sorted(micros)
    assert sorted(read["x"].to_pylist()) == sorted(micros)
    assert set(fits["x"].to_pylist()) == {True}


@every()
def test_local_times_do_not_pass_through_the_session_zone(kind: str, engines: Engines) -> None:
    """Paris skipped this hour in 2025, and Apia this whole day in 2011."""
    times = [
        datetime(2011, 12, 30, 12, 0, 0, 123_456),
        datetime(2025, 3, 30, 2, 30),
        datetime(1700, 1, 1, 1, 2, 3, 999_999),
        datetime(9999, 12, 31, 23, 59, 59, 999_999),
    ]
    given = pa.array(times, pa.timestamp("us"))
    for zone in ("Pacific/Apia", "Europe/Paris"):
        with engines.open(kind, zone=zone) as engine:
            engine.load({"given": pa.table({"at": given})})
            at = nodes.column("at", "given")
            read = of_column("x", DIALECTS[engine.dialect].wall_micros(at), engine.dialect)
            found = engine.fetch(read)["x"].to_pylist()
        assert sorted(found) == sorted(given.cast(pa.int64()).to_pylist())


@every("duckdb", "postgres")
@pytest.mark.parametrize("end", ["infinity", "-infinity"])
def test_times_without_end_have_no_microseconds(kind: str, end: str, engines: Engines) -> None:
    at = nodes.column("at", "given")
    dialect = DIALECTS[kind]
    with engines.open(kind) as engine:
        for type_, read in (("timestamptz", dialect.micros), ("timestamp", dialect.wall_micros)):
            change(engine, f"create table given as select '{end}'::{type_} as at")
            assert engine.fetch(of_column("x", read(at), kind))["x"].to_pylist() == [None]
            change(engine, "drop table given")


BEYOND = {
    "time": ["timestamp", "infinity", "-infinity", "0001-01-01", "294000-01-01"],
    "instant": ["timestamptz", "infinity", "-infinity", "0001-01-01 00:00+00"],
    "date": ["date", "infinity", "-infinity", "0001-01-01", "294000-01-01"],
}


@every("duckdb", "postgres")
@pytest.mark.parametrize("held", BEYOND)
def test_times_out_of_range_are_set_aside(kind: str, held: str, engines: Engines) -> None:
    type_, *times = BEYOND[held]
    # PostgreSQL has times that 64 bits of microseconds do not reach.
    times += ["294270-01-01"] if (kind, held) == ("postgres", "time") else []
    source = crm.Source(currency=policy().currency, zone="Asia/Shanghai")
    kinds = {"customer_id": "text", "placed_at": held, "amount_minor": "whole"}
    with engines.open(kind) as engine:
        change(
            engine,
            "create table orders (customer_id text, amount_minor bigint, placed_at " + type_ + ")",
        )
        for time in (*times, "2025-06-01"):
            change(engine, f"insert into orders values ('C1', 500, '{time}')")
        account = to_sql_account(source, kinds=kinds, dialect=kind)
        given: dict[str, Any] = {"source": source, "kinds": kinds, "bad_rows": "set_aside"}
        graded = to_sql(policy(), dialect=kind, as_of=AS_OF, **given)
        assert [tuple(row.values()) for row in engine.fetch(account).to_pylist()] == [
            ("quarantined", "time_out_of_range", len(times)),
            ("kept", None, 1),
        ]
        assert engine.fetch(graded)["sale_count"].to_pylist() == [1]
