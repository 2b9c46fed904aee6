"""One query for every day: the moment as a parameter, and as a table of dates."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from engines import Engine, Engines, every
from frame_kinds import without_uuids

import crmcore as crm
from crmcore.sql import Parameter, to_sql_daily

ZONE = "Europe/Berlin"
DAYS = [date(2024, 2, 29), date(2025, 3, 30), date(2025, 3, 31), date(2025, 12, 31)]
AMOUNT = "100% of %(as_of)s"
COLUMNS = {"amount_minor": AMOUNT}
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


# Where the data is


def on(engine: Engine, as_of: Any, **options: Any) -> list[dict[str, Any]]:
    """Evaluate on a relation, a data frame or a table, and look at what comes back."""
    connection = engine.connection
    if engine.dialect == "postgres":
        sqlalchemy = pytest.importorskip("sqlalchemy")
        made = sqlalchemy.create_engine(
            "postgresql+psycopg://", creator=lambda: connection, poolclass=sqlalchemy.StaticPool
        )
        with made.connect() as reached:
            query: Any = crm.evaluate_on(
                shop(), "orders", connection=reached, as_of=as_of, columns=COLUMNS, **options
            )
            return [dict(row) for row in reached.execute(query).mappings()]
    orders = connection.table("orders")
    found: Any = crm.evaluate_on(shop(), orders, as_of=as_of, columns=COLUMNS, **options)
    assert isinstance(found, type(orders))
    return plain(found.to_arrow_table() if engine.dialect == "duckdb" else found.toArrow())


@every()
def test_the_same_kind_comes_back(kind: str, engines: Engines) -> None:
    with engines.open(kind) as engine:
        found = on(opened(engine), DAYS[1])
    assert [plain_row(row) for row in found] == expected(DAYS[1])


def plain_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


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
    assert [row for row in found if row.pop("as_of") == as_of] == direct


def test_days_added_are_the_same_as_all_days_at_once(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        daily(opened(engine), date(2024, 6, 30))
        daily(engine, date(2025, 6, 30), "later")
        engine.connection.execute("""
            create table changed as select * from later
            where changed_us > (select max(changed_us) from days);
            delete from days using changed
            where days.customer_id = changed.customer_id and days.day = changed.day;
            insert into days from changed
        """)
        days, later = (engine.fetch(f"from {one} order by all") for one in ("days", "later"))
    assert days.to_pylist() == later.to_pylist()


def test_what_does_not_merge_from_days_is_refused() -> None:
    facts = {"usual": {"of": "sale", "take": "median"}}
    policy = crm.load_policy({**SHOP, "facts": {**SHOP["facts"], **facts}})
    with pytest.raises(crm.PolicyError, match="does not merge from days"):
        to_sql_daily(policy, as_of=DAYS[0])
    with pytest.raises(crm.DataError, match="end of a local day"):
        shop().to_sql("duckdb", daily="days", as_of=NIGHT)
