"""The policy as SQL: what is refused, what is quoted, and what the query checks when it runs."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

import crmcore as crm
from crmcore.calendars import zone
from crmcore.sql import to_sql, to_sql_daily
from crmcore.sql.days import runs

AS_OF = date(2025, 6, 30)
NOON = 1_750_000_000_000_000  # in June 2025
CLASSIC: dict[str, Any] = {"extends": "classic", "format": 1, "name": "mine"}
NO_KEYS: dict[str, str | None] = dict.fromkeys(["order_id", "status", "returns_order_id"])


def policy(**changes: Any) -> crm.Policy:
    return crm.load_policy({**CLASSIC, **changes})


def database(
    orders: str = "(1, 'C1', 1750000000000000, 30000, 'paid', null)",
    customers: str = "('C1', false)",
    *,
    ids: str = "varchar",
) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(
        f"create table orders (order_id bigint, customer_id {ids}, placed_us bigint, "
        "amount_minor bigint, status varchar, returns_order_id bigint)"
    )
    con.execute(f"create table customers (customer_id {ids}, blocked boolean)")
    if orders:
        con.execute(f"insert into orders values {orders}")
    if customers:
        con.execute(f"insert into customers values {customers}")
    return con


def run(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = con.sql(sql).to_arrow_table().to_pylist()
    return rows


class Half:
    inputs = ("sale_count",)

    def score(self, facts: Any) -> Any:
        return facts["sale_count"].values / 2


FACT = {"of": "sale", "take": "count"}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"facts": {"x": {"of": "line", "take": "sum"}}}, "facts.x.of", "line"),
    ({"facts": {"x": FACT | {"take": "spread"}}}, "facts.x.take", "spread"),
    (
        {"facts": {"x": FACT | {"take": "distinct", "field": "product"}}},
        "facts.x.field",
        "product",
    ),
    (
        {"facts": {"x": FACT | {"where": f"divide(amount, quantity, 0) in [0.{'1' * 30}]"}}},
        "facts.x.where",
        "digits",
    ),
    (
        {"segment": {"first": [[f"mean_sale > 0.{'1' * 30}", "a"]], "otherwise": "b"}},
        "segment.first.0",
        "digits",
    ),
    (
        {
            "segment": {
                "first": [[f"not (blocked or mean_sale between 0.{'1' * 30} and 2)", "a"]],
                "otherwise": "b",
            }
        },
        "segment.first.0",
        "digits",
    ),
    *(
        (
            {"attributes": {"width": "float"}}
            | {"segment": {"first": [[text, "a"]], "otherwise": "b"}},
            "segment.first.0",
            named,
        )
        for text, named in [
            ("width + 1 > 3", "a calculation with floats"),
            ("divide(width, 2, 0) is known", "a calculation with floats"),
            ("case(width * 2 > 1: 1, else: 2) == 1", "width * 2"),
            (f"band(mean_sale, 0.{'1' * 30}: 2) in [2]", "a mean and a longer edge"),
        ]
    ),
]


@pytest.mark.parametrize(("changes", "path", "named"), REFUSED)
def test_what_has_no_sql_form_is_refused_by_name(
    changes: dict[str, Any], path: str, named: str
) -> None:
    with pytest.raises(crm.PolicyError) as caught:
        to_sql(policy(**changes), as_of=AS_OF)
    assert {one.code for one in caught.value.problems} == {"not_in_sql"}
    assert caught.value.problems[-1].path == path
    assert named in str(caught.value)


def test_a_hosts_scorer_is_refused() -> None:
    document = {**CLASSIC, "scores": {"half": {"scorer": "half"}}}
    loaded = crm.load_policy(document, scorers={"half": Half()})
    with pytest.raises(crm.PolicyError, match=r"scores\.half\.scorer: a host's scorer has no"):
        to_sql(loaded, as_of=AS_OF)


def test_everything_is_refused_at_once() -> None:
    facts = {"x": {"of": "line", "take": "sum"}, "y": FACT | {"take": "spread"}}
    with pytest.raises(crm.PolicyError) as caught:
        to_sql(policy(facts=facts), as_of=AS_OF, dialect="sqlite")
    assert [one.path for one in caught.value.problems] == ["dialect", "facts.x.of", "facts.y.take"]


@pytest.mark.parametrize(
    ("columns", "column"),
    [({"amount": "total"}, "amount"), ({"placed_us": None}, "placed_us")],
)
def test_columns_are_the_standard_ones(columns: dict[str, str | None], column: str) -> None:
    with pytest.raises(crm.DataError) as caught:
        to_sql(policy(), as_of=AS_OF, columns=columns)
    assert caught.value.column == column


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_have_characters(name: str) -> None:
    with pytest.raises(crm.DataError, match="needs a name"):
        to_sql(policy(), as_of=AS_OF, orders=name)


def test_moments_are_aware_and_there_is_one() -> None:
    with pytest.raises(crm.DataError, match="time zone"):
        to_sql(policy(), as_of=datetime(2025, 1, 1))
    with pytest.raises(crm.DataError, match="time zone"):
        to_sql(policy(), as_of=AS_OF, last_evaluated_at=datetime(2025, 1, 1))
    with pytest.raises(crm.DataError, match="give at least one date"):
        to_sql(policy(), as_of=[])


def test_without_sqlglot_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(crm.MissingExtraError, match=r"crmcore\[sql\]"):
        to_sql(policy(), as_of=AS_OF)


# Names


NASTY = [
    "select",
    "order",
    'say "hi"',
    "a;drop table customers;--",
    "x y",
    "'quoted'",
    "naïve 顾客",
    "crm rows",
    "CRM Everybody",
    "given",
    "run",
    "/* */",
]


@pytest.mark.parametrize("name", NASTY)
def test_names_stay_names(name: str) -> None:
    con = database()
    quoted = '"' + name.replace('"', '""') + '"'
    con.execute(f"alter table orders rename to {quoted}")
    con.execute(f'alter table customers rename to {quoted[:-1]} too"')
    for column in ("amount_minor", "customer_id"):
        con.execute(f'alter table {quoted} rename column {column} to {quoted[:-1]} {column}"')
    con.execute(
        f'alter table {quoted[:-1]} too" rename column customer_id to {quoted[:-1]} customer_id"'
    )
    sql = to_sql(
        policy(),
        orders=name,
        customers=f"{name} too",
        as_of=AS_OF,
        columns={one: f"{name} {one}" for one in ("amount_minor", "customer_id")},
    )
    assert [(row["customer_id"], row["class"]) for row in run(con, sql)] == [("C1", "bronze")]
    assert len(con.execute("show tables").fetchall()) == 2


def test_reserved_words_may_name_facts_scores_and_labels() -> None:
    loaded = policy(
        facts={"select": FACT},
        scores={
            "from_": {"fact": "select", "from": [[0, 1]]},
            "case": {"fact": "select", "from": [[1, 3]]},
        },
        segment={"first": [["case == 3 and from_ == 1", "union"]], "otherwise": "where"},
    )
    row = run(database(), to_sql(loaded, as_of=AS_OF))[0]
    assert (row["select"], row["case"], row["segment"]) == (1, 3, "union")


# What the relations must be


BAD: list[tuple[str, str, str]] = [
    ("update orders set status = 'Paid'", "C1", "standard status"),
    ("update orders set status = null", "C1", "standard status"),
    ("update orders set placed_us = null", "C1", "placed_us"),
    ("update orders set placed_us = 9223372036854775807", "C1", "placed_us"),
    ("update orders set placed_us = -9223372036854775808", "C1", "placed_us"),
    ("update orders set amount_minor = null", "C1", "amount_minor"),
    ("update orders set returns_order_id = 1", "C1", "not negative"),
    ("update orders set order_id = null", "C1", "no order_id"),
    ("insert into orders from orders", "C1", "an order stands in several rows"),
    ("insert into customers from customers", "C1", "a customer stands in several rows"),
    ("alter table orders alter order_id type uhugeint", "C1", "order_id must be"),
    (
        "alter table orders alter customer_id type uhugeint using 7;"
        "alter table customers alter customer_id type hugeint using 7",
        "7",
        "customer_id must be",
    ),
    (
        "alter table orders alter amount_minor type hugeint using (1::hugeint << 90)",
        str(2**90),
        "a number exceeds 64 bits",
    ),
    (
        "alter table orders alter amount_minor type hugeint using (1::hugeint << 90) * -1",
        str(2**90),
        "a number exceeds 64 bits",
    ),
    (
        "alter table orders alter amount_minor type ubigint using 18446744073709551615",
        "18446744073709551615",
        "a number exceeds 64 bits",
    ),
    ("alter table orders alter amount_minor type double", "C1", "amount_minor"),
    ("alter table orders alter amount_minor type varchar", "C1", "amount_minor|Cannot compare"),
    ("alter table orders alter placed_us type double", "C1", "placed_us"),
    (
        "alter table orders alter customer_id type date using date '2025-01-01';"
        "alter table customers alter customer_id type date using date '2025-01-01'",
        "",
        "customer_id must be",
    ),
    ("alter table orders alter customer_id type bigint using 1", "C1", "Cannot mix"),
    ("alter table customers alter blocked type varchar", "C1", "BOOLEAN"),
    (
        "alter table orders alter returns_order_id type double;"
        "update orders set amount_minor = -1, returns_order_id = 1",
        "C1",
        "one type",
    ),
    (
        "alter table orders alter returns_order_id type varchar using 'x';"
        "update orders set amount_minor = -1",
        "C1",
        "one type|Cannot mix",
    ),
]


@pytest.mark.parametrize(("change", "customer", "message"), BAD)
def test_the_query_refuses_what_is_not_canonical(change: str, customer: str, message: str) -> None:
    con = database()
    con.execute(change)
    sql = to_sql(policy(), customers="customers", as_of=AS_OF)
    with pytest.raises(duckdb.Error, match=message) as caught:
        con.sql(sql).fetchall()
    if customer:
        assert customer not in str(caught.value).replace('"', "").partition("LINE")[0]


@pytest.mark.parametrize("name", ["rows", "totals", "facts", "customers"])
def test_a_median_may_have_the_name_of_a_part_of_the_query(name: str) -> None:
    facts = {name: {"of": "order", "take": "median"}}
    con = database("(1, 'C1', 1750000000000000, 30000, 'paid', null)")
    sql = to_sql(policy(facts=facts), customers="customers", as_of=AS_OF)
    assert [row[name] for row in run(con, sql)] == [Decimal("300.00")]


def test_days_have_ids_of_a_kind_too() -> None:
    con = database()
    con.execute(f"create table days as {to_sql_daily(policy(), as_of=AS_OF)}")
    con.execute("alter table days alter customer_id type double using 1.0")
    with pytest.raises(duckdb.Error, match="customer_id must be"):
        con.sql(to_sql(policy(), daily="days", as_of=AS_OF)).fetchall()


@pytest.mark.parametrize("collation", ["nocase", "noaccent", "nfc", "de"])
def test_another_collation_is_refused(collation: str) -> None:
    con = database()
    con.execute(
        f"create or replace table other (order_id bigint, customer_id varchar collate {collation},"
        " placed_us bigint, amount_minor bigint)"
    )
    con.execute(
        "insert into other select order_id, customer_id, placed_us, amount_minor from orders"
    )
    missing = {"status": None, "returns_order_id": None}
    with pytest.raises(duckdb.Error, match="binary collation"):
        con.sql(to_sql(policy(), orders="other", as_of=AS_OF, columns=missing)).fetchall()


@pytest.mark.parametrize("collation", ["nocase", "nfc"])
def test_another_collation_of_orders_is_refused_whatever_stands_first(collation: str) -> None:
    con = duckdb.connect()
    con.execute(
        f"create table orders (order_id varchar collate {collation}, customer_id varchar,"
        " placed_us bigint, amount_minor bigint, status varchar,"
        f" returns_order_id varchar collate {collation})"
    )
    con.execute(f"insert into orders values ('r', 'z', {NOON}, -5, 'paid', null)")
    con.execute(f"insert into orders values ('a', 'z', {NOON}, 50, 'paid', null)")
    with pytest.raises(duckdb.Error, match="binary collation"):
        con.sql(to_sql(policy(), as_of=AS_OF)).fetchall()


def test_a_status_is_compared_as_it_is() -> None:
    con = database()
    con.execute(
        "create table other as select * replace ('PAID' collate nocase as status) from orders"
    )
    with pytest.raises(duckdb.Error, match="no standard status"):
        con.sql(to_sql(policy(), orders="other", as_of=AS_OF)).fetchall()


def test_settings_of_the_session_change_nothing() -> None:
    con = database(
        "(1, 'b', 1750000000000000, 1, 'paid', null), (2, 'a', 1750000000000000, 1, 'paid', null)"
    )
    sql = to_sql(policy(), as_of=AS_OF)
    before = run(con, sql)
    con.execute("set TimeZone = 'Pacific/Apia'")
    con.execute("set default_order = 'desc'")
    con.execute("set default_null_order = 'nulls_first'")
    con.execute("set integer_division = true")
    assert run(con, sql) == before
    assert [row["customer_id"] for row in before] == ["a", "b"]


def test_text_without_a_letter_is_missing() -> None:
    con = database("(1, '', 1750000000000000, 1, 'paid', null)", "('', true)")
    assert run(con, to_sql(policy(), customers="customers", as_of=AS_OF)) == []


def test_small_integers_and_enums_will_do() -> None:
    con = database()
    con.execute("alter table orders alter amount_minor type integer")
    con.execute("alter table orders alter order_id type utinyint")
    con.execute("alter table orders alter status type enum('paid', 'x')")
    assert run(con, to_sql(policy(), as_of=AS_OF))[0]["sale_count"] == 1


# Returns


def test_links_of_text_join_orders_of_the_same_customer_only() -> None:
    con = duckdb.connect()
    con.execute(
        "create table orders (order_id varchar, customer_id bigint, placed_us bigint, "
        "amount_minor bigint, status varchar, returns_order_id varchar)"
    )
    con.execute(f"""insert into orders values
        ('a', 1, {NOON}, 50000, 'paid', null), ('b', 1, {NOON + 1}, -20000, 'paid', 'a'),
        ('c', 2, {NOON}, 50000, 'paid', null), ('d', 2, {NOON + 1}, -20000, 'paid', 'a'),
        ('e', 3, {NOON}, 50000, 'paid', null), ('f', 3, {NOON + 1}, -50000, 'paid', 'e'),
        ('g', 4, {NOON}, 50000, 'paid', null), ('h', 4, {NOON + 1}, -90000, 'refused', 'g'),
        ('i', 5, {NOON}, 50000, 'cancelled', null), ('j', 5, {NOON + 1}, -90000, 'paid', 'i'),
        ('k', 6, {NOON}, 50000, 'paid', null), ('l', 6, {NOON + 1}, -90000, 'paid', 'k'),
        ('m', null, {NOON}, 7, 'paid', null), ('n', null, {NOON}, -7, 'paid', 'm')""")
    facts = {
        "net": {"of": "sale", "take": "sum"},
        "least": {"of": "sale", "take": "min"},
        "back": {"of": "return", "take": "max"},
    }
    rows = run(con, to_sql(policy(facts=facts), as_of=AS_OF))
    found = {row["customer_id"]: (row["net"], row["least"], row["back"]) for row in rows}
    euros = {n: Decimal(n).scaleb(-2) for n in (0, 20000, 30000, 50000, 90000, -40000)}
    assert found == {
        1: (euros[30000], euros[30000], euros[20000]),
        2: (euros[30000], euros[50000], euros[20000]),
        3: (euros[0], None, euros[50000]),
        4: (euros[50000], euros[50000], None),
        5: (euros[0], None, euros[90000]),
        6: (euros[-40000], None, euros[90000]),
    }


def test_returns_refuse() -> None:
    linked = (
        "(1, 'C1', 1750000000000000, 5, 'paid', null), (2, 'C1', 1750000000000001, -5, 'paid', 1)"
    )
    refusing = policy(returns="refuse")
    assert len(run(database(linked), to_sql(refusing, as_of=AS_OF))) == 1
    for row in (
        "(3, 'C1', 1750000000000001, -5, 'paid', null)",
        "(3, 'C2', 1750000000000001, -5, 'paid', 1)",
    ):
        con = database(f"{linked}, {row}")
        with pytest.raises(duckdb.Error, match="refuses returns"):
            con.sql(to_sql(refusing, as_of=AS_OF)).fetchall()
        assert len(run(con, to_sql(refusing, as_of=date(2025, 6, 1)))) >= 1
    for row in (
        "(3, 'C1', 1750000000000001, -5, 'refused', null)",
        "(3, null, 1750000000000001, -5, 'paid', null)",
    ):
        assert len(run(database(f"{linked}, {row}"), to_sql(refusing, as_of=AS_OF))) == 1


def test_conditions_that_must_be_known() -> None:
    table = {"first": [["mean_sale > 1", "a"]], "unknown": "error", "otherwise": "b"}
    strict = policy(segment=table)
    assert run(database(), to_sql(strict, as_of=AS_OF))[0]["segment"] == "a"
    con = database(customers="('C2', false)")
    with pytest.raises(duckdb.Error, match="a condition of segment is unknown"):
        con.sql(to_sql(strict, customers="customers", as_of=AS_OF)).fetchall()


# For a customer with one sale of 300.00, and for one without: there all are unknown.
CONDITIONS = {
    "recency_points == 1.5": "no",
    "recency_points != 1.5": "yes",
    "recency_points in [1.5]": "no",
    "recency_points not in [1.5, 4]": "yes",
    "recency_points >= 4.5 and recency_points < 5.5": "yes",
    'grade in ["gold"] or score > 20': "no",
    'grade not in ["gold"]': "yes",
    'grade < "silver"': "yes",
    "mean_sale in [1, 300]": "yes",
    "mean_sale not in [299.995, 300.005]": "yes",
    "mean_sale != 300": "no",
    "mean_sale > 299.999": "yes",
    "recency_points == frequency_points": "no",
    'last_sale_on between "2025-06-15" and "2025-06-16"': "yes",
    'last_sale_on not in ["2025-06-15"]': "no",
    "first_order_at > last_evaluated_at": "unknown",
    "first_order_at <= as_of": "yes",
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_are_true_false_or_unknown(condition: str) -> None:
    rows = [[condition, "yes"], [f"not ({condition})", "no"]]
    loaded = policy(segment={"first": rows, "otherwise": "unknown"})
    con = database(customers="('C2', false)")
    found = run(con, to_sql(loaded, customers="customers", as_of=AS_OF))
    assert [row["segment"] for row in found] == [CONDITIONS[condition], "unknown"]


# 64 bits


LIMIT = 2**63 - 1


def test_returns_of_one_order_beyond_64_bits_are_refused() -> None:
    con = database(f"(1, 'C1', {NOON}, {LIMIT}, 'paid', null), (2, 'C1', {NOON}, -1, 'paid', 1)")
    with pytest.raises(duckdb.Error, match="one order"):
        con.sql(to_sql(policy(), as_of=AS_OF)).fetchall()


# Local days


ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",  # set back at one minute past midnight for years
    "Pacific/Apia",  # has no 30 December 2011
    "Pacific/Kwajalein",
    "America/Juneau",  # had a day twice in 1867
    "Africa/Casablanca",
]


@pytest.mark.parametrize("name", ZONES)
def test_runs_of_days_give_the_local_day_of_every_instant(name: str) -> None:
    local = zone(name)
    high = 1_751_299_199_999_999
    table = np.array(list(runs(local, -9_246_096_000_000_000, high)))
    starts, ends, first, last = table.T
    assert (starts[1:] == ends[:-1] + 1).all()
    jumps = starts[:, None] + np.arange(-50, 51)[None, :] * 1_800_000_000
    near = np.concatenate([starts, starts - 1, jumps.ravel(), jumps.ravel() - 1])
    chance = np.random.default_rng(7).integers(-9_246_096_000_000_000, high, 20_000)
    instants = np.concatenate([near, chance, [high]])
    instants = instants[(instants >= -9_246_096_000_000_000) & (instants <= high)]
    row = np.searchsorted(starts, instants, "right") - 1
    passed = (instants - starts[row]) // 86_400_000_000
    assert (np.minimum(first[row] + passed, last[row]) == local.local_days(instants)).all()


@pytest.mark.parametrize("name", ZONES)
def test_days_in_sql_are_those_of_the_package(name: str) -> None:
    loaded = policy(
        zone=name,
        facts={
            "first_sale_on": {"of": "sale", "take": "first"},
            "age_days": {"of": "order", "take": "days_since_first"},
        },
    )
    moments = [datetime(1867, 10, 17, tzinfo=UTC) + timedelta(hours=7 * n) for n in range(8)]
    moments += [datetime(2011, 12, 29, tzinfo=UTC) + timedelta(hours=5 * n) for n in range(12)]
    moments += [datetime(1999, 10, 31, tzinfo=UTC) + timedelta(minutes=31 * n) for n in range(64)]
    rows = [(n, at, 100) for n, at in enumerate(moments)]
    source = crm.Source(currency=loaded.currency)
    orders = crm.OrderTable.from_rows(
        rows, source, columns=("customer_id", "placed_at", "amount_minor")
    )
    con = duckdb.connect()
    con.register(
        "placed",
        pa.table(
            {
                "customer_id": orders.customer_ids,
                "placed_us": orders.placed_us,
                "amount_minor": orders.amount_minor,
            }
        ),
    )
    theirs = run(con, to_sql(loaded, orders="placed", as_of=AS_OF, columns=NO_KEYS))
    ours: Any = crm.evaluate(loaded, orders, as_of=AS_OF).to_frame()
    names = ("first_sale_on", "age_days")
    assert [[row[name] for name in names] for row in theirs] == [
        [row[name] for name in names] for row in ours.to_pylist()
    ]


def test_both_ends_of_a_window_belong() -> None:
    at = 1_751_299_199_999_999  # the end of 30 June 2025 in Shanghai
    low = 1_719_676_800_000_000  # the start of 30 June 2024
    con = database(
        f"(1, 'early', {low - 1}, 9, 'paid', null), (2, 'first', {low}, 9, 'paid', null),"
        f"(3, 'last', {at}, 9, 'paid', null), (4, 'late', {at + 1}, 9, 'paid', null),"
        f"(5, 'back', {low}, 9, 'paid', null), (6, 'back', {at}, -9, 'paid', 5),"
        f"(7, 'kept', {low}, 9, 'paid', null), (8, 'kept', {at + 1}, -9, 'paid', 7)"
    )
    rows = run(con, to_sql(policy(), as_of=AS_OF))
    names = ("sale_count", "orders_ever", "recency_points")
    assert {row["customer_id"]: tuple(row[name] for name in names) for row in rows} == {
        "early": (0, 1, None),
        "first": (1, 1, 1),
        "last": (1, 1, 5),
        "late": (0, 0, None),
        "back": (0, 1, None),
        "kept": (1, 1, 1),
    }


# Repeats of whole numbers, looked at 32 at a time

LEAST, GREATEST = -(2**63), 2**63 - 1


@pytest.mark.parametrize("kind", ["bigint", "hugeint", "varchar", "ubigint"])
@pytest.mark.parametrize(
    "ids",
    [
        [0, 31, 32, 63, 64, GREATEST],
        [-1, -31, -32, -33, -64, LEAST, GREATEST],
        [*range(-3, 3), *range(30, 34)],
    ],
)
def test_an_order_in_several_rows_is_found_wherever_its_id_lies(kind: str, ids: list[int]) -> None:
    if kind == "ubigint":
        ids = [abs(one) for one in ids if one >= 0]
    con = duckdb.connect()
    columns: dict[str, str | None] = {"status": None, "returns_order_id": None}
    query = to_sql(crm.presets.load("classic"), as_of=date(2025, 4, 1), columns=columns)
    query = f"select customer_id, grade from ({query})"
    row = "1 as customer_id, 1740794400000000 as placed_us, 30000 as amount_minor"
    for twice in ids:
        for given, repeats in ((ids, False), ([*ids, twice], True)):
            listed = ", ".join(f"('{one}'::{kind})" for one in given)
            con.execute(
                f"create or replace view orders as select {row}, id as order_id"
                f" from (values {listed}) given(id)"
            )
            if repeats:
                with pytest.raises(duckdb.Error, match="an order stands in several rows"):
                    con.sql(query).fetchall()
            elif twice == ids[0]:
                assert len(con.sql(query).fetchall()) == 1
