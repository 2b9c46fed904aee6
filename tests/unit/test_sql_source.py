"""The shop's own columns as SQL: texts and names that stay what they are, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from engines import Engines, evaluated_on, every, uncompiled
from time_texts import NO_TIME_TEXTS, OFFSET_TEXTS, TIME_TEXTS

import crmcore as crm
from crmcore.files import read_file
from crmcore.sql import nodes, to_sql, to_sql_account, to_sql_daily
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
        uncompiled(engine)
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


# Lines, and times as text


LINES: list[tuple[str, str, str | None, str, str, str, str | None]] = [
    # An order at its earliest line; a line twice; a line without an id is like no other.
    ("o1", "1", "b-1", "2025-03-30 02:30:00", "100.00", "1", None),
    ("o1", "2", "b-1", "2025-03-30T01:59", "20.00", "2", None),
    ("o1", "2", "b-1", "2025-03-30T01:59", "20.00", "2", None),
    ("o1", "", "b-1", "2025-03-30", "5.00", "x", None),
    ("o1", "", "b-1", "2025-03-29T23:00:00.000000999Z", "5.00", "", None),
    ("o1", "", "b-1", "2025-03-29T23:00:00.000000999Z", "5.00", "", None),
    # Within it, what comes back of another order.
    ("o2", "1", "b-1", "2025-04-01T00:30+0530", "70.00", "1", None),
    ("o2", "2", "b-1", "2025-04-02", "-30.00", "-1", "o1"),
    ("o2", "3", "b-1", "2025-04-03", "-4.00", "-1", "o1"),
    ("o2", "4", "b-1", "2025-04-04", "1.00", "1", "o3"),
    # Two lines of one id, of which one is another; two customers, or one and none, of one order.
    ("o3", "1", "b-2", "2025-04-01", "10.00", "1", None),
    ("o3", "1", "b-2", "2025-04-01", "10.01", "1", None),
    ("o3", "2", "b-2", "2025-04-01", "12.00", "1", None),
    ("o4", "1", "b-2", "2025-04-01", "10.00", "1", None),
    ("o4", "2", "b-3", "2025-04-01", "10.00", "1", None),
    ("o5", "1", "b-2", "2025-04-01", "10.00", "1", None),
    ("o5", "2", None, "2025-04-01", "10.00", "1", None),
    # Nobody's.
    ("o6", "1", None, "2025-04-01", "10.00", "1", None),
    # No such days.
    ("o7", "1", "b-4", "2025-02-29", "10.00", "1", None),
    ("o7", "2", "b-4", "1676-12-31T23:59:59Z", "10.00", "1", None),
    ("o7", "3", "b-4", "2024-02-29 23:59:59.9", "-10.00", "1", None),
    ("", "3", "b-4", "2024-02-29", "10.00", "1", None),
]
LINES += [
    (f"at {at}", "1", f"at {at:02}", text, "1.00", "1", None)
    for at, text in enumerate([*TIME_TEXTS, *OFFSET_TEXTS, *NO_TIME_TEXTS])
]
LINE_NAMES = ("Order", "Line", "Buyer", "When", "Net", "Count", "Of")
LINE_KINDS = dict.fromkeys(LINE_NAMES, "text")
LINE_COLUMNS = {
    "order_id": "Order",
    "line_id": "Line",
    "customer_id": "Buyer",
    "placed_at": "When",
    "amount": "Net",
    "quantity": "Count",
    "returns_order_id": "Of",
}


def of_lines(rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(one, pa.string()) for one in columns], LINE_NAMES)


def line_source(**changes: Any) -> crm.Source:
    given = {
        "rows": "lines",
        "zone": "Europe/Berlin",
        "currency": {"code": "CNY", "exponent": 2},
        "columns": LINE_COLUMNS,
    }
    return crm.load_source({**given, **changes})


def line_policy() -> crm.Policy:
    pieces = {"of": "order", "take": "sum", "field": "quantity"}
    known = {"of": "order", "take": "first"}
    document = {"extends": "classic", "format": 1, "name": "lines", "zone": "Europe/Berlin"}
    return crm.load_policy({**document, "facts": {"pieces": pieces, "known_at": known}})


@every("duckdb", "postgres", "spark")
def test_lines_are_graded_where_they_are(kind: str, engines: Engines) -> None:
    policy, source, table = line_policy(), line_source(), of_lines(LINES)
    orders = crm.OrderTable.from_frame(table, source)
    ours = crm.evaluate(policy, orders, as_of=AS_OF).to_frame().to_pylist()
    account = {(one.kind, one.reason): one.rows for one in orders.intake.left_out}
    with engines.open(kind, zone="Pacific/Apia") as engine:
        uncompiled(engine)
        engine.load({"lines": table})
        found = evaluated_on(
            engine, policy, "lines", source=source, bad_rows="set_aside", as_of=AS_OF
        )
        assert found == ours
        asked = to_sql_account(source, kinds=LINE_KINDS, dialect=engine.dialect, orders="lines")
        rows = engine.fetch(asked).to_pylist()
    told = {(one["kind"], one["reason"]): one["rows"] for one in rows}
    assert told == {**account, ("kept", None): orders.intake.kept}
    reasons = {"missing_time", "unreadable_time", "time_out_of_range", "unreadable_quantity"}
    reasons |= {"missing_order_id", "conflicting_duplicate", "conflicting_order"}
    reasons |= {"positive_return", "duplicate"}
    assert {reason for _, reason in told if reason} == reasons
    sales = {row["customer_id"]: row["sale_count"] for row in found}
    assert [sales[one] for one in ("b-1", "b-2", "b-4")] == [2, 1, 0]
    assert len(sales) == 3 + len(TIME_TEXTS) + len(OFFSET_TEXTS)


def test_days_are_made_of_lines_too(engines: Engines) -> None:
    policy = crm.load_policy({"extends": "classic", "format": 1, "name": "days"})
    source, table = line_source(), of_lines(LINES)
    orders = crm.OrderTable.from_frame(table, source)
    ours = crm.evaluate(policy, orders, as_of=AS_OF).to_frame().to_pylist()
    with engines.open("duckdb") as engine:
        engine.load({"lines": table})
        days = to_sql_daily(
            policy,
            orders="lines",
            source=source,
            kinds=LINE_KINDS,
            bad_rows="set_aside",
            as_of=date(2200, 1, 1),
        )
        engine.connection.execute(f"create table days as {days}")
        assert engine.fetch(to_sql(policy, daily="days", as_of=AS_OF)).to_pylist() == ours


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        # Together beyond 64 bits, though their sum is not; nobody's too.
        (
            [
                ("o", at, None, "2025-01-01", f"{sign}92233720368547758.07", "1", None)
                for at, sign in (("1", ""), ("2", "-"))
            ],
            {},
            "the lines of one order add up beyond 64 bits",
        ),
        (
            [("o", at, "b", "2025-01-01", "1", str(2**62), None) for at in "12"],
            {},
            "the lines of one order add up beyond 64 bits",
        ),
        # Without an offset, though a filter would leave the row out.
        (
            [("o", "1", "b", "2025-01-01 10:00", "1", "1", None)],
            {"zone": None, "exclude": [{"reason": "all", "column": "Order", "equals": "o"}]},
            "times without an offset: name their zone",
        ),
    ],
)
def test_what_is_an_error_of_lines_is_one_of_the_query(
    rows: list[tuple[Any, ...]], changes: dict[str, Any], message: str, engines: Engines
) -> None:
    given = {**line_source().model_dump(exclude_unset=True), **changes}
    source = crm.Source.model_validate({one: given[one] for one in given if given[one] is not None})
    table = of_lines(rows)
    with pytest.raises(crm.DataError, match=message):
        crm.OrderTable.from_frame(table, source)
    with engines.open("duckdb") as engine:
        engine.load({"lines": table})
        account = to_sql_account(source, kinds=LINE_KINDS, orders="lines")
        query = to_sql(
            line_policy(),
            orders="lines",
            source=source,
            kinds=LINE_KINDS,
            bad_rows="set_aside",
            as_of=AS_OF,
        )
        for one in (account, query):
            with pytest.raises(engine.failure, match=message):
                engine.fetch(one)


def test_one_bad_line_is_an_error_unless_it_may_be_set_aside(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        for at, (reason, rows) in enumerate(
            {
                "conflicting_order": LINES[13:15],
                "positive_return": LINES[9:10],
            }.items()
        ):
            engine.load({f"lines {at}": of_lines(rows)})
            query = to_sql(
                line_policy(),
                orders=f"lines {at}",
                source=line_source(),
                kinds=LINE_KINDS,
                as_of=AS_OF,
            )
            with pytest.raises(engine.failure, match=f"would be set aside: {reason}"):
                engine.fetch(query)


def test_online_retail_is_graded_as_it_is(shared: Path, root: Path, engines: Engines) -> None:
    data, example = shared / "data/online_retail.csv.gz", root / "docs/examples/online-retail"
    if not data.exists():
        pytest.skip("no Online Retail data")
    source = crm.load_source(example / "source.toml")
    policy = crm.load_policy(example / "policy.toml")
    orders = crm.OrderTable.from_raw(read_file(data), source)
    ours = crm.evaluate(policy, orders, as_of=date(2011, 12, 9)).to_frame().to_pylist()
    with engines.open("duckdb") as engine:
        connection = engine.connection
        connection.execute(f"create table lines as from read_csv('{data}', all_varchar = true)")
        # As text, customers would be sorted as text.
        connection.execute('alter table lines alter "CustomerID" type bigint')
        found = evaluated_on(engine, policy, "lines", source=source, as_of=date(2011, 12, 9))
        kinds = dict.fromkeys(("InvoiceNo", "StockCode", "Quantity", "InvoiceDate"), "text")
        kinds |= {"UnitPrice": "text", "CustomerID": "whole"}
        account = engine.fetch(to_sql_account(source, kinds=kinds, orders="lines")).to_pylist()
    assert len(found) > 4_000
    assert found == ours
    told = [(one["kind"], one["reason"], one["rows"]) for one in account]
    wanted = [(one.kind, one.reason, one.rows) for one in orders.intake.left_out]
    assert told == [*wanted, ("kept", None, orders.intake.kept)]


def test_a_type_that_no_query_reads_is_named(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        engine.load({"given": SHOP})
        engine.connection.execute(
            "create table orders as select *, 1::bit as channel, 2::bit as other from given"
        )
        with pytest.raises(crm.DataError, match="BIT is no type that a query reads") as refused:
            evaluated_on(engine, line_policy(), "orders", source=shop(), as_of=AS_OF)
    assert refused.value.column == "channel"


def test_an_amount_beside_a_formula_may_be_of_any_type(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        engine.load({"given": SHOP})
        engine.connection.execute("create table orders as select *, [1.0] as amount from given")
        options: Any = {"source": shop(), "as_of": AS_OF, "bad_rows": "set_aside"}
        policy = crm.presets.load("classic")
        found = evaluated_on(engine, policy, "orders", **options)
        assert found == evaluated_on(engine, policy, "given", **options)


# What is refused


REFUSED: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({}, {"Net": "float"}, "source.amount"),
    ({}, {"When": "boolean"}, "source.columns.placed_at"),
    ({}, {"Order": "decimal"}, "source.columns.order_id"),
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


PLAIN: dict[str, Any] = {"zone": "UTC", "currency": {"code": "CNY", "exponent": 2}}
PLAIN_KINDS = {"customer_id": "text", "placed_at": "date", "amount": "decimal"}


@pytest.mark.parametrize("columns", [{}, {"unit_price": "price", "quantity": False}])
def test_a_price_needs_a_quantity(columns: dict[str, Any]) -> None:
    source = crm.load_source({**PLAIN, "columns": columns})
    price = columns.get("unit_price", "unit_price")
    given = {"customer_id": ["a"], "placed_at": [AS_OF], price: [Decimal(1)]}
    kinds = dict(zip(given, PLAIN_KINDS.values(), strict=True))
    with pytest.raises(crm.DataError) as ours:
        crm.OrderTable.from_arrays(given, source)
    with pytest.raises(crm.DataError, match="no such column") as theirs:
        to_sql_account(source, kinds=kinds)
    assert ours.value.column == theirs.value.column == "quantity"


# Beside a source, `columns` are those of the customers


@pytest.mark.parametrize(
    ("columns", "customers"),
    [
        ({"amount_minor": "amount"}, "people"),
        ({"status": None}, "people"),
        ({"customer_id": "Buyer"}, None),
    ],
)
def test_the_columns_of_orders_are_named_by_the_source_alone(
    columns: dict[str, str | None], customers: str | None
) -> None:
    source, policy = crm.load_source(PLAIN), crm.presets.load("classic")
    given: Any = {"source": source, "kinds": PLAIN_KINDS, "columns": columns, "as_of": AS_OF}
    with pytest.raises(crm.DataError, match="the source says") as refused:
        to_sql(policy, customers=customers, **given)
    assert refused.value.column == next(iter(columns))
    with pytest.raises(crm.DataError, match="the source says"):
        to_sql_daily(policy, **given)


@pytest.mark.parametrize("name", ["Kunde", "customer_id", "Amount_Minor", "reason"])
@every("duckdb", "postgres")
def test_customers_may_call_their_ids_as_they_like(kind: str, name: str, engines: Engines) -> None:
    policy, source = crm.presets.load("classic"), shop()
    people = pa.table({name: ["b-1", "b-9"], "is_blocked": [True, False]})
    customers = crm.CustomerTable.from_frame(people.rename_columns(["customer_id", "blocked"]))
    orders = crm.OrderTable.from_frame(SHOP, source)
    ours = crm.evaluate(policy, orders, customers, as_of=AS_OF).to_frame().to_pylist()
    with engines.open(kind) as engine:
        engine.load({"sales": SHOP, "people": people})
        found = evaluated_on(
            engine,
            policy,
            "sales",
            "people",
            source=source,
            bad_rows="set_aside",
            columns={"customer_id": name, "blocked": "is_blocked"},
            as_of=AS_OF,
        )
    assert found == ours
    assert {one["customer_id"]: one["class"] for one in found}["b-1"] == "malicious"


# What DuckDB has beside


def test_lists_of_decimals_are_no_decimals(engines: Engines) -> None:
    policy, source = crm.presets.load("classic"), crm.load_source(PLAIN)
    with engines.open("duckdb") as engine:
        engine.connection.execute(
            "create table orders as select 'a' as customer_id, date '2025-03-01' as placed_at, "
            "[300.00] as amount"
        )
        with pytest.raises(crm.DataError, match="is no type that a query reads"):
            evaluated_on(engine, policy, "orders", source=source, as_of=AS_OF)
        with pytest.raises(engine.failure, match="a column is not of kind decimal"):
            engine.fetch(to_sql_account(source, kinds=PLAIN_KINDS))


@pytest.mark.parametrize("column", ["customer_id", "order_id"])
@pytest.mark.parametrize(
    ("type_", "value"), [("ubigint", 2**63), ("hugeint", 2**63), ("hugeint", -(2**63) - 1)]
)
def test_ids_beyond_64_bits_are_errors(
    column: str, type_: str, value: int, engines: Engines
) -> None:
    policy, source = crm.presets.load("classic"), crm.load_source(PLAIN)
    ids = {"customer_id": "place", "order_id": "place", column: f"id::{type_}"}
    both = ", ".join(f"{given} as {name}" for name, given in ids.items())
    message = f"{column} .*beyond 64 bits"
    missing = dict.fromkeys(["status", "returns_order_id"])
    options: Any = {"as_of": AS_OF, "bad_rows": "set_aside", "source": source}
    with engines.open("duckdb") as engine:
        for id_, fine in ((2**63 - 1, True), (value, False)):
            rows = f"from (values (1, 3::hugeint), (2, {id_})) as given(place, id)"
            engine.connection.execute(
                f"create or replace table sales as select {both}, date '2025-03-01' as placed_at, "
                f"300.00 as amount {rows}"
            )
            engine.connection.execute(
                f"create or replace table orders as select {both}, "
                f"1740794400000000 as placed_us, 30000 as amount_minor {rows}"
            )
            if fine:
                evaluated_on(engine, policy, "orders", columns=missing, as_of=AS_OF)
                evaluated_on(engine, policy, "sales", **options)
                continue
            with pytest.raises(engine.failure, match=message):
                evaluated_on(engine, policy, "orders", columns=missing, as_of=AS_OF)
            with pytest.raises(engine.failure, match=message):
                evaluated_on(engine, policy, "sales", **options)
