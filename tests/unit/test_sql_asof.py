"""One query for every day: the moment as a parameter, and as a table of dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pyarrow as pa
import pytest
import sqlglot
from engines import Engine, Engines, evaluated_on, every
from frame_kinds import without_uuids

import crmcore as crm
from crmcore.facts import spec
from crmcore.sql import DateSpine, Parameter, to_sql_daily
from crmcore.sql.constructs import construct

ZONE = "Europe/Berlin"
DAYS = [date(2024, 2, 29), date(2025, 3, 30), date(2025, 3, 31), date(2025, 12, 31)]
AMOUNT = "100% of %(as_of)s"
COLUMNS = {"amount_minor": AMOUNT}
DAY = timedelta(days=1)
LABELS = ("distinct", "share")
NIGHT = datetime(2025, 3, 30, 1, 30, tzinfo=UTC)
SHOP: dict[str, Any] = {
    "format": 1,
    "name": "shop",
    "zone": ZONE,
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["paid", "delivered"],
    "windows": {
        "year": {"within": "12 months"},
        "quarter": {"calendar": "quarter", "back": 1},
        "days": {"tiles": "30 days"},
    },
    "facts": {
        "recent": {"of": "sale", "take": "count", "in": "year"},
        "spent": {"of": "sale", "take": "sum", "in": "quarter"},
        "usual": {"of": "sale", "take": "mean", "in": "days"},
        "largest": {"of": "order", "take": "max"},
        "last_on": {"of": "sale", "take": "last"},
        "idle": {"of": "order", "take": "days_since_last"},
        "first_at": {"of": "order", "take": "first"},
    },
    "scores": {
        "recency": {"fact": "last_on", "within": [["1 month", 3], ["6 months", 2]]},
        "often": {"fact": "recent", "from": [[2, 2], [4, 3]], "below": 1},
        "score": {"weights": {"recency": 2, "often": 1}},
    },
    "segment": {
        "first": [
            ["recency == 3 and usual >= 20.5", "best"],
            ["idle > 60", "asleep"],
            ["largest is unknown", "nobody"],
        ],
        "otherwise": "others",
    },
}


def shop() -> crm.Policy:
    return crm.load_policy(SHOP)


def rows() -> list[dict[str, Any]]:
    """Orders all over three years, some at the edges of days, and returns half a year later."""
    found = []
    start = datetime(2023, 1, 1, 22, 59, 59, 999_999, tzinfo=UTC)
    for at in range(240):
        placed = start + timedelta(days=(at * 37) % 1100, microseconds=at % 3)
        status = ["paid", "delivered", "cancelled", "paid"][at % 4]
        row = {"order_id": at, "customer_id": at % 11, "placed_at": placed, "status": status}
        found.append({**row, "amount": 500 + at * 7 % 5000, "returns_order_id": None})
        if at % 5 == 0:
            back = {"order_id": 1000 + at, "placed_at": placed + timedelta(days=200)}
            linked = at if at % 15 else None
            found.append({**row, **back, "amount": -(at + 1), "returns_order_id": linked})
    return found


def order_table() -> crm.OrderTable:
    source = crm.Source(zone=ZONE, currency={"code": "EUR", "exponent": 2})
    given = [{**row, "amount": Decimal(row["amount"]).scaleb(-2)} for row in rows()]
    values = [tuple(row.values()) for row in given]
    return crm.OrderTable.from_rows(values, source, columns=list(given[0]))


def canonical() -> pa.Table:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    given = rows()
    columns = {name: [row[name] for row in given] for name in given[0]}
    placed = [(at - epoch) // timedelta(microseconds=1) for at in columns.pop("placed_at")]
    whole = {name: pa.array(columns[name], pa.int64()) for name in columns if name != "status"}
    renamed = {AMOUNT: whole.pop("amount"), "placed_us": pa.array(placed, pa.int64())}
    return pa.table({**whole, **renamed, "status": columns["status"]})


def expected(as_of: date, last: date | None = None) -> list[dict[str, Any]]:
    frame: Any = crm.evaluate(shop(), order_table(), as_of=as_of, last_evaluated_at=last).to_frame(
        "pyarrow"
    )
    return plain(frame)


def plain(table: Any) -> list[dict[str, Any]]:
    """Rows, instants as such in every engine's own zone."""
    return [
        {
            name: value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in without_uuids(table).to_pylist()
    ]


def opened(engine: Engine) -> Engine:
    engine.load({"orders": canonical()})
    return engine


@every()
def test_one_query_with_a_parameter_serves_every_day(kind: str, engines: Engines) -> None:
    with engines.open(kind, zone="Asia/Tokyo") as engine:
        opened(engine)
        query = shop().to_sql(engine.dialect, as_of=Parameter(), columns=COLUMNS)
        for as_of in [*DAYS, NIGHT]:
            found = plain(engine.fetch(query, **query.parameters(as_of)))
            assert found == expected(as_of)
        assert expected(DAYS[0]) != expected(DAYS[1]) != expected(DAYS[2])


@every()
def test_a_table_of_dates_gives_each_date_its_rows(kind: str, engines: Engines) -> None:
    with engines.open(kind, zone="America/New_York") as engine:
        opened(engine)
        query = shop().to_sql(engine.dialect, as_of=[*reversed(DAYS), DAYS[0]], columns=COLUMNS)
        found = plain(engine.fetch(query))
    assert found == [{"as_of": day, **row} for day in DAYS for row in expected(day)]


# What is made of all rows of a customer and date, or is as of a moment before

WHOLE: dict[str, Any] = {
    **SHOP,
    "evaluation": {"every": "1 month", "anchor": date(2023, 1, 31)},
    "facts": {
        **SHOP["facts"],
        "typical": {"of": "sale", "take": "median", "in": "year"},
        "pause": {"of": "sale", "take": "median", "field": "gap_days", "in": "year"},
        "pauses": {"of": "order", "take": "sum", "field": "gap_days"},
        "statuses": {"of": "order", "take": "count", "where": 'status in ["paid"]'},
        "as_of_day": {"of": "sale", "take": "max", "in": "days"},
    },
    "scores": {
        **SHOP["scores"],
        "size": {"fact": "typical", "quantiles": 3, "inside": "often"},
    },
}


def whole(document: dict[str, Any], as_of: date) -> crm.Policy:
    """The policy, with quantiles fitted to the shop as of one day."""
    return crm.fit(document, order_table(), as_of=as_of)


def answer(policy: crm.Policy, as_of: date) -> list[dict[str, Any]]:
    return plain(crm.evaluate(policy, order_table(), as_of=as_of).to_frame("pyarrow"))


@every()
def test_each_of_several_dates_has_its_own_customers(kind: str, engines: Engines) -> None:
    policy = whole(WHOLE, DAYS[2])
    with engines.open(kind, zone="Asia/Tokyo") as engine:
        opened(engine)
        found = plain(engine.fetch(policy.to_sql(engine.dialect, as_of=DAYS, columns=COLUMNS)))
    assert found == [{"as_of": day, **row} for day in DAYS for row in answer(policy, day)]
    for name in ("typical", "pause", "pauses", "as_of_day", "size"):
        assert len({str([row[name] for row in answer(policy, day)]) for day in DAYS}) > 1, name


def test_a_date_that_a_zone_skipped_is_a_date_of_its_own(engines: Engines) -> None:
    policy = crm.load_policy({**SHOP, "zone": "Pacific/Apia"})
    days = [date(2011, 12, 29), date(2011, 12, 30), date(2011, 12, 31)]
    placed = datetime(2011, 12, 30, 9, tzinfo=UTC)
    row = {"customer_id": 1, "placed_at": placed, "amount": Decimal(1)}
    source = crm.Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    orders = crm.OrderTable.from_rows([row], source)
    columns = {"customer_id": [1], "placed_us": [int(placed.timestamp()) * 10**6]}
    given = pa.table({**columns, "amount_minor": [100]})
    missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    wanted = []
    for day in days:
        frame: Any = crm.evaluate(policy, orders, as_of=day).to_frame("pyarrow")
        wanted += [{"as_of": day, **one} for one in plain(frame)]
    with engines.open("duckdb") as engine:
        engine.load({"orders": given, "calendar": pa.table({"day": days})})
        query = policy.to_sql("duckdb", as_of=days, columns=missing)
        assert plain(engine.fetch(query)) == wanted
        spine = DateSpine("calendar", first=days[0], last=days[-1])
        query = policy.to_sql("duckdb", as_of=spine, columns=missing)
        assert plain(engine.fetch(query)) == wanted


@every("duckdb", "postgres")
def test_one_date_that_is_refused_refuses_all(kind: str, engines: Engines) -> None:
    placed = [datetime(2025, 3, day, 12, tzinfo=UTC) for day in (10, 20)]
    micros = pa.array([int(one.timestamp()) * 10**6 for one in placed], pa.int64())
    huge = pa.array([2**62] * 2, pa.int64())
    ids = {"order_id": [1, 2], "customer_id": [1, 1], "status": ["paid"] * 2}
    columns = {"returns_order_id": None}
    policy = crm.load_policy({**SHOP, "windows": {**SHOP["windows"], "quarter": "1 year"}})
    early, late = date(2025, 3, 15), date(2025, 3, 25)
    with engines.open(kind) as engine:
        engine.load({"orders": pa.table({**ids, "placed_us": micros, "amount_minor": huge})})
        query = policy.to_sql(engine.dialect, as_of=Parameter(), columns=columns)
        assert len(engine.fetch(query, **query.parameters(early))) == 1
        dates = policy.to_sql(engine.dialect, as_of=[early, late], columns=columns)
        for asked, values in ((query, query.parameters(late)), (dates, {})):
            with pytest.raises(engine.failure, match="beyond 64 bits"):
                engine.fetch(asked, **values)


# Dates in a table

CALENDAR = 'crm "dates"; %(as_of)s'
SPINE = DateSpine(CALENDAR, column="Tag %", first=DAYS[0], last=DAYS[-1])


def calendar(*days: object, type_: pa.DataType | None = None) -> dict[str, pa.Table]:
    column = pa.array(days, type_ or pa.date32())
    return {CALENDAR: pa.table({"week": range(len(days)), "Tag %": column})}


@every()
def test_dates_of_a_table_are_evaluated_each_once(kind: str, engines: Engines) -> None:
    days = [DAYS[3], DAYS[1], DAYS[3], DAYS[0]]
    with engines.open(kind, zone="America/New_York") as engine:
        opened(engine).load(calendar(*days))
        query = shop().to_sql(engine.dialect, as_of=SPINE, columns=COLUMNS)
        found = plain(engine.fetch(query))
    assert found == [{"as_of": day, **row} for day in sorted({*days}) for row in expected(day)]
    assert query.reads[CALENDAR] == {"Tag %"}


WRONG_DAYS: dict[str, tuple[list[object], Any, str]] = {
    "missing": ([DAYS[0], None], None, "a row of the date spine has no date"),
    "before": ([DAYS[0] - timedelta(days=1)], None, "has a day before `first`"),
    "after": ([DAYS[-1] + timedelta(days=1), DAYS[0]], None, "or after `last`"),
    "text": (["2025-03-31"], pa.string(), "must be dates"),
    "time": ([datetime(2025, 3, 31)], pa.timestamp("us"), "must be dates"),
    "instant": ([NIGHT], pa.timestamp("us", "UTC"), "must be dates"),
    "number": ([20_000], pa.int64(), "(?i)date"),
}


@every("duckdb", "postgres")
@pytest.mark.parametrize("wrong", WRONG_DAYS)
def test_a_table_of_dates_that_does_not_fit_is_refused(
    kind: str, wrong: str, engines: Engines
) -> None:
    refuses(kind, wrong, engines)


@every("spark", "spark ansi")
def test_spark_refuses_a_table_of_dates_that_does_not_fit(kind: str, engines: Engines) -> None:
    for wrong in ("missing", "text"):
        refuses(kind, wrong, engines)


@every("duckdb", "postgres")
@pytest.mark.parametrize("end", ["infinity", "-infinity"])
def test_no_day_of_a_table_of_dates_is_infinite(kind: str, end: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        opened(engine)
        days = f"select date '2025-03-31' as day union all select date '{end}'"
        engine.connection.execute(f"create table calendar as {days}")
        spine = DateSpine("calendar", first=DAYS[0], last=DAYS[-1])
        query = shop().to_sql(engine.dialect, as_of=spine, columns=COLUMNS)
        with pytest.raises(engine.failure, match="a day before `first` or after `last`"):
            engine.fetch(query)


def refuses(kind: str, wrong: str, engines: Engines) -> None:
    days, type_, message = WRONG_DAYS[wrong]
    with engines.open(kind) as engine:
        opened(engine).load(calendar(*days, type_=type_))
        query = shop().to_sql(engine.dialect, as_of=SPINE, columns=COLUMNS)
        with pytest.raises(engine.failure, match=message):
            engine.fetch(query)


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (DAYS[1], DAYS[0], "not after the last"),
        (NIGHT, DAYS[3], "no datetimes|not datetimes"),
        (DAYS[0], DAYS[0] + 1830 * DAY, "at most 1830 dates"),
    ],
)
def test_the_ends_of_a_table_of_dates_are_days(first: date, last: date, message: str) -> None:
    with pytest.raises(crm.DataError, match=message):
        shop().to_sql("duckdb", as_of=DateSpine("calendar", first=first, last=last))
    assert shop().to_sql("duckdb", as_of=DateSpine("calendar", first=last, last=last + DAY))


@pytest.mark.parametrize(("first", "last"), [("2025-01-01", DAYS[3]), (DAYS[0], None), (1, 2)])
def test_the_ends_of_a_table_of_dates_are_dates(first: Any, last: Any) -> None:
    with pytest.raises(crm.DataError, match="give dates") as refused:
        shop().to_sql("duckdb", as_of=DateSpine("calendar", first=first, last=last))
    assert refused.value.column == "as_of"


def test_names_of_a_table_of_dates_are_checked_as_others() -> None:
    for spine in (
        DateSpine("", first=DAYS[0], last=DAYS[1]),
        DateSpine("calendar", column="a\nb", first=DAYS[0], last=DAYS[1]),
        DateSpine("x" * 64, first=DAYS[0], last=DAYS[1]),
    ):
        with pytest.raises(crm.DataError, match="name"):
            shop().to_sql("postgres", as_of=spine)


def test_a_shop_of_its_own_columns_has_several_dates(engines: Engines) -> None:
    source = crm.load_source(
        {
            "zone": ZONE,
            "currency": {"code": "EUR", "exponent": 2},
            "columns": {"customer_id": "Buyer", "placed_at": "When", "amount": "Net"},
        }
    )
    days = [date(2025, 3, 30), date(2025, 4, 30)]
    when = [datetime(2025, 3, 30, 23, 59), datetime(2025, 4, 1), datetime(2024, 5, 1)]
    table = pa.table({"Buyer": [1, 1, 2], "When": when, "Net": [Decimal("10.00")] * 3})
    orders = crm.OrderTable.from_rows(table.to_pylist(), source)
    kinds = {"Buyer": "whole", "When": "time", "Net": "decimal"}
    with engines.open("duckdb") as engine:
        engine.load({"sales": table})
        query = shop().to_sql("duckdb", orders="sales", source=source, kinds=kinds, as_of=days)
        found = plain(engine.fetch(query))
    wanted = [(day, crm.evaluate(shop(), orders, as_of=day).to_frame("pyarrow")) for day in days]
    assert found == [{"as_of": day, **row} for day, rows in wanted for row in plain(rows)]


# Where the data is


def on(engine: Engine, as_of: Any, **options: Any) -> list[dict[str, Any]]:
    """Evaluate on a relation, a data frame or a table, and look at what comes back."""
    return evaluated_on(engine, shop(), "orders", as_of=as_of, columns=COLUMNS, **options)


@every()
def test_the_same_kind_comes_back(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        found = on(opened(engine), DAYS[1])
    assert found == expected(DAYS[1])


def test_dates_of_a_table_beside_a_relation(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        opened(engine).load(calendar(DAYS[1]))
        assert [row.pop("as_of") for row in on(engine, SPINE)] == [DAYS[1]] * 11


def test_bigquery_reads_moments_back_as_they_were_written() -> None:
    days = DateSpine("calendar", first=DAYS[1], last=DAYS[2])
    for as_of in (Parameter(), DAYS, days):
        query = shop().to_sql("bigquery", as_of=as_of)
        tree = sqlglot.parse_one(query, read="bigquery", error_level=sqlglot.ErrorLevel.RAISE)
        assert tree.sql(dialect="bigquery", pretty=True, max_text_width=120) == query


@every()
@pytest.mark.parametrize(
    ("column", "type_"), [("placed_us", pa.string()), ("amount", None), ("status", pa.int64())]
)
def test_a_column_that_does_not_fit_is_named(
    kind: str, column: str, type_: Any, engines: Engines
) -> None:
    table = canonical().slice(0, 0)
    name = AMOUNT if column == "amount" else column
    at = table.schema.get_field_index(name)
    if type_ is None:
        table = table.remove_column(at)
    else:
        table = table.set_column(at, name, pa.array([], type_))
    with engines.open(kind) as engine:
        engine.load({"orders": table})
        with pytest.raises(crm.DataError) as refused:
            on(engine, DAYS[0])
    assert refused.value.column == name


# Facts that were worked out elsewhere


def facts_as_of(as_of: date) -> tuple[crm.FactTable, pa.Table]:
    facts = crm.evaluate(shop(), order_table(), as_of=as_of).facts
    table: Any = facts.to_frame("pyarrow")
    return facts, table


@every()
def test_a_table_of_facts_gives_what_evaluate_facts_gives(kind: str, engines: Engines) -> None:
    facts, table = facts_as_of(DAYS[1])
    wanted: Any = crm.evaluate_facts(shop(), facts, as_of=DAYS[1]).to_frame("pyarrow")
    with engines.open(kind, zone="Asia/Tokyo") as engine:
        engine.load({"aggregates": table})
        query = shop().to_sql(engine.dialect, facts="aggregates", as_of=DAYS[1])
        assert plain(engine.fetch(query)) == plain(wanted)


WRONG_FACTS = {
    "recent": (pa.array(["1"]), "recent must be whole numbers"),
    "spent": (pa.array([Decimal("1.234")]), "spent must be money with 2 digits"),
    "largest": (pa.array([1.25]), "largest must be exact decimals"),
    "usual.divisor": (pa.array([0], pa.int64()), "divisors must be positive"),
    "last_on": (pa.array([1], pa.int64()), "last_on must be dates|DATE|date"),
    "first_at": (pa.array([date(2024, 1, 1)]), "first_at must be instants"),
    "customer_id": (pa.array([None], pa.int64()), "a customer id in every row"),
}


@every("duckdb", "postgres", "spark")
@pytest.mark.parametrize("name", WRONG_FACTS)
def test_facts_of_another_kind_are_refused(kind: str, name: str, engines: Engines) -> None:
    _, table = facts_as_of(DAYS[1])
    row = table.slice(0, 1)
    column, message = WRONG_FACTS[name]
    row = row.set_column(row.schema.get_field_index(name), name, column)
    with engines.open(kind) as engine:
        engine.load({"aggregates": row})
        query = shop().to_sql(engine.dialect, facts="aggregates", as_of=DAYS[1])
        with pytest.raises(engine.failure, match=message):
            engine.fetch(query)


def test_a_relation_of_facts_comes_back_graded(engines: Engines) -> None:
    facts, table = facts_as_of(DAYS[1])
    wanted: Any = crm.evaluate_facts(shop(), facts, as_of=DAYS[1]).to_frame("pyarrow")
    with engines.open("duckdb") as engine:
        engine.load({"aggregates": table, "fewer": table.drop_columns(["usual.divisor"])})
        relation = engine.connection.table("aggregates")
        found: Any = crm.evaluate_on(shop(), facts=relation, as_of=DAYS[1])
        assert plain(found.to_arrow_table()) == plain(wanted)
        with pytest.raises(crm.DataError, match=r"usual\.divisor"):
            crm.evaluate_on(shop(), facts=engine.connection.table("fewer"), as_of=DAYS[1])


def test_what_is_asked_beside_a_table_of_facts_is_refused() -> None:
    with pytest.raises(crm.DataError, match="its own name"):
        shop().to_sql("duckdb", facts="aggregates", as_of=DAYS[0], customers="people")
    with pytest.raises(crm.DataError, match="one moment"):
        shop().to_sql("duckdb", facts="aggregates", as_of=DAYS)
    with pytest.raises(crm.DataError, match="one moment"):
        shop().to_sql("duckdb", facts="aggregates", as_of=SPINE)


def test_postgres_has_no_divisor_with_a_longer_name() -> None:
    for length, is_refused in ((55, False), (56, True)):
        name = "x" * length
        its = crm.load_policy({**SHOP, "facts": {**SHOP["facts"], name: SHOP["facts"]["usual"]}})
        assert its.to_sql("duckdb", facts="aggregates", as_of=DAYS[0])
        if not is_refused:
            assert f'"{name}.divisor"' in its.to_sql("postgres", facts="aggregates", as_of=DAYS[0])
            continue
        with pytest.raises(crm.PolicyError, match="a name of more than 63 bytes") as caught:
            its.to_sql("postgres", facts="aggregates", as_of=DAYS[0])
        found = [(one.path, one.code) for one in caught.value.problems]
        assert found == [(f"facts.{name}", "not_in_sql")]


def test_a_customer_with_two_rows_of_facts_is_refused(engines: Engines) -> None:
    _, table = facts_as_of(DAYS[1])
    with engines.open("duckdb") as engine:
        engine.load({"aggregates": pa.concat_tables([table, table.slice(0, 1)])})
        with pytest.raises(engine.failure, match="several rows of facts"):
            engine.fetch(shop().to_sql("duckdb", facts="aggregates", as_of=DAYS[1]))


# Days


def daily(engine: Engine, as_of: date, name: str = "days") -> None:
    query = to_sql_daily(shop(), dialect=engine.dialect, as_of=as_of, columns=COLUMNS)
    engine.load({name: engine.fetch(query)})


def known(as_of: date) -> crm.OrderTable:
    """The orders and returns up to a moment."""
    source = crm.Source(zone=ZONE, currency={"code": "EUR", "exponent": 2})
    given = [{**row, "amount": Decimal(row["amount"]).scaleb(-2)} for row in rows()]
    end = datetime(as_of.year, as_of.month, as_of.day, 22, tzinfo=UTC)
    values = [tuple(row.values()) for row in given if row["placed_at"] < end]
    return crm.OrderTable.from_rows(values, source, columns=list(given[0]))


@every("duckdb", "postgres", "spark")
def test_days_merge_to_the_same_facts(kind: str, engines: Engines) -> None:
    last = date(2025, 9, 30)
    wanted: Any = crm.evaluate(shop(), known(last), as_of=last).to_frame("pyarrow")
    with engines.open(kind, zone="Asia/Tokyo") as engine:
        daily(opened(engine), last)
        query = shop().to_sql(engine.dialect, daily="days", as_of=last)
        assert plain(engine.fetch(query)) == plain(wanted)
        earlier = shop().to_sql(engine.dialect, daily="days", as_of=DAYS[1])
        with pytest.raises(engine.failure, match="returned later"):
            engine.fetch(earlier)


@pytest.mark.parametrize("as_of", [date(2023, 5, 1), date(2025, 3, 30), date(2026, 2, 28)])
def test_days_without_linked_returns_merge_as_of_every_day(as_of: date, engines: Engines) -> None:
    columns = {**COLUMNS, "returns_order_id": None}
    with engines.open("duckdb") as engine:
        opened(engine)
        days = to_sql_daily(shop(), as_of=date(2027, 1, 1), columns=columns)
        engine.load({"days": engine.fetch(days)})
        direct = plain(engine.fetch(shop().to_sql("duckdb", as_of=as_of, columns=columns)))
        assert plain(engine.fetch(shop().to_sql("duckdb", daily="days", as_of=as_of))) == direct
        query = shop().to_sql("duckdb", daily="days", as_of=Parameter())
        assert plain(engine.fetch(query, **query.parameters(as_of))) == direct
        with pytest.raises(crm.DataError, match="end of a local day"):
            query.parameters(NIGHT)
        dates = [as_of, date(2024, 2, 29)]
        found = plain(engine.fetch(shop().to_sql("duckdb", daily="days", as_of=dates)))
        engine.load({"calendar": pa.table({"day": dates})})
        spine = DateSpine("calendar", first=min(dates), last=max(dates))
        query = shop().to_sql("duckdb", daily="days", as_of=spine)
        assert plain(engine.fetch(query)) == found
    assert [row for row in found if row.pop("as_of") == as_of] == direct


def test_days_added_are_the_same_as_all_days_at_once(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        daily(opened(engine), date(2024, 6, 30))
        daily(engine, date(2025, 6, 30), "later")
        engine.connection.execute("""
            create table changed as select * from later
            where coalesce(changed_us >= (select max(changed_us) from days), true);
            delete from days using changed
            where days.customer_id = changed.customer_id and days.day = changed.day;
            insert into days from changed
        """)
        # What was dated later has a row of the day after: it says nothing, then and now.
        days, later = (
            engine.fetch(f"from {one} where changed_us is not null order by all")
            for one in ("days", "later")
        )
    assert days.to_pylist() == later.to_pylist()


@pytest.mark.parametrize("take", sorted({*get_args(spec.Take)} - {"spread"}))
def test_what_merges_from_days_is_what_the_table_says(take: str) -> None:
    fact = {"of": "sale", "take": take} | ({"field": "promotion"} if take in LABELS else {})
    policy = crm.load_policy({**SHOP, "facts": {**SHOP["facts"], "more_on": fact}})
    standing = construct("days", take).standing("duckdb")
    if standing.support == "guarded":
        assert to_sql_daily(policy, as_of=DAYS[0])
        return
    with pytest.raises(crm.PolicyError, match=f"{take} has no SQL form, as {standing.why}"):
        to_sql_daily(policy, as_of=DAYS[0])


def test_what_does_not_merge_from_days_is_refused() -> None:
    gaps = {"usual": {"of": "sale", "take": "max", "field": "gap_days"}}
    held = {"evaluation": {"every": "1 month", "anchor": date(2023, 1, 31)}}
    for more in ({"facts": {**SHOP["facts"], **gaps}}, held):
        policy = crm.load_policy({**SHOP, **more})
        with pytest.raises(crm.PolicyError, match="days"):
            to_sql_daily(policy, as_of=DAYS[0])
        with pytest.raises(crm.PolicyError, match="days"):
            policy.to_sql("duckdb", daily="days", as_of=DAYS[0])
    with pytest.raises(crm.DataError, match="end of a local day"):
        shop().to_sql("duckdb", daily="days", as_of=NIGHT)
    with pytest.raises(crm.DataError, match="up to one moment"):
        to_sql_daily(shop(), as_of=SPINE)


def test_a_fact_of_a_column_that_is_not_there_is_nobodys(engines: Engines) -> None:
    facts = {
        "part": {"of": "order", "take": "share", "field": "promotion"},
        "items": {"of": "order", "take": "sum", "field": "quantity"},
    }
    policy = crm.load_policy({**SHOP, "facts": {**SHOP["facts"], **facts}})
    columns = {**COLUMNS, "returns_order_id": None, "promotion": None, "quantity": None}
    with engines.open("duckdb") as engine:
        opened(engine)
        days = to_sql_daily(policy, as_of=DAYS[3], columns=columns)
        engine.load({"days": engine.fetch(days)})
        merged = policy.to_sql("duckdb", daily="days", as_of=DAYS[1], columns=columns)
        direct = policy.to_sql("duckdb", as_of=DAYS[1], columns=columns)
        found = plain(engine.fetch(merged))
        assert found == plain(engine.fetch(direct))
    assert {(row["part"], row["items"]) for row in found} == {(None, None)}
