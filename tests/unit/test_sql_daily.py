"""Days in a table of their own: what stands in them, what they merge to, and what is refused."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from engines import Engine, Engines, every

import crmcore as crm
from crmcore.sql import Parameter, to_sql, to_sql_daily

PAGE = Path(__file__).resolve().parents[2] / "docs" / "warehouse.md"
AS_OF = date(2025, 3, 31)
BASE: dict[str, Any] = {
    "format": 1,
    "name": "shop",
    "zone": "Asia/Shanghai",
    "currency": {"code": "CNY", "exponent": 2},
    "sale_statuses": ["delivered"],
    "windows": {"period": "1 year"},
}
Row = tuple[int, str | None, str, int, int | None]
"""An order or return: its id, customer, local time, minor units, and the order that it returns."""
ROWS: tuple[Row, ...] = (
    (1, "C1", "2025-02-10T10:00", 48_000, None),
    (2, "C1", "2025-03-02T23:59", 30_000, None),
    (3, "C1", "2025-03-09T00:00", -6_000, 1),
    (4, "C2", "2025-03-20T10:00", 9_000, None),
    (5, "C3", "2024-06-20T10:00", 9_000, None),
    (6, "C3", "2025-03-30T23:00", -7_000, None),
)


def policy(**facts: dict[str, Any]) -> crm.Policy:
    return crm.load_policy({**BASE, "facts": facts})


def orders(rows: tuple[Row, ...] = ROWS) -> dict[str, pa.Table]:
    order, customer, placed, amount, returned = zip(*rows, strict=True)
    moments = [datetime.fromisoformat(f"{one}+08:00").astimezone(UTC) for one in placed]
    columns = {
        "order_id": pa.array(order, pa.int64()),
        "customer_id": pa.array(customer, pa.string()),
        "placed_us": pa.array(moments, pa.timestamp("us", "UTC")).cast(pa.int64()),
        "amount_minor": pa.array(amount, pa.int64()),
        "status": pa.array(["delivered"] * len(rows)),
        "returns_order_id": pa.array(returned, pa.int64()),
    }
    return {"orders": pa.table(columns)}


def kept(engine: Engine, its: crm.Policy, as_of: date = AS_OF) -> pa.Table:
    """Keep the days up to a moment."""
    days: pa.Table = engine.fetch(to_sql_daily(its, dialect=engine.dialect, as_of=as_of))
    engine.load({"days": days})
    return days


def direct(engine: Engine, its: crm.Policy, as_of: Any = AS_OF) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.fetch(its.to_sql(engine.dialect, as_of=as_of)).to_pylist()
    return found


def merged(engine: Engine, its: crm.Policy, as_of: Any = AS_OF) -> list[dict[str, Any]]:
    query = its.to_sql(engine.dialect, as_of=as_of, daily="days")
    found: list[dict[str, Any]] = engine.fetch(query).to_pylist()
    return found


SPENT = {"of": "sale", "take": "sum"}


# What stands in days


@every("duckdb", "postgres")
@pytest.mark.parametrize("name", ["changed_us", "day", "customer", "days", "rows", "totals", "run"])
def test_a_fact_may_be_called_like_a_column_of_the_days(
    name: str, kind: str, engines: Engines
) -> None:
    its = policy(**{name: SPENT, "mine_on": {**SPENT, "take": "last"}})
    with engines.open(kind) as engine:
        engine.load(orders())
        assert {"customer_id", "day", "changed_us"} < {*kept(engine, its).column_names}
        found = merged(engine, its)
        assert found == direct(engine, its)
    assert [str(row[name]) for row in found] == ["720.00", "90.00", "20.00"]


@every("duckdb", "postgres")
def test_a_query_for_days_knows_the_names_of_its_columns(kind: str, engines: Engines) -> None:
    its = policy(spent={**SPENT, "take": "mean"}, last_on={**SPENT, "take": "last"})
    with engines.open(kind) as engine:
        engine.load(orders())
        query = to_sql_daily(its, dialect=kind, as_of=AS_OF)
        assert [*query.columns] == engine.fetch(query).column_names
    assert query.columns[:4] == ("customer_id", "day", "spent", "spent absolute")


@every("duckdb", "postgres", "spark")
def test_who_has_only_later_orders_is_in_the_days(kind: str, engines: Engines) -> None:
    its = policy(spent=SPENT, first_at={"of": "order", "take": "first"})
    later: Row = (9, "C9", "2025-05-01T10:00", 100, None)
    with engines.open(kind) as engine:
        engine.load(orders((*ROWS, later)))
        days = kept(engine, its)
        found = merged(engine, its)
        assert found == direct(engine, its)
    assert [row["customer_id"] for row in found] == ["C1", "C2", "C3", "C9"]
    (row,) = [one for one in days.to_pylist() if one["customer_id"] == "C9"]
    assert (row["day"], row["changed_us"], row["spent"]) == (date(2025, 4, 1), None, 0)


def test_later_orders_are_in_the_days_whenever_the_moment_is_told(engines: Engines) -> None:
    its = policy(spent=SPENT)
    later = ((9, "C9", "2025-05-01T10:00", 100, None), (10, "C9", "2100-01-01T10:00", 100, None))
    with engines.open("duckdb") as engine:
        engine.load(orders((*ROWS, *later)))
        query = to_sql_daily(its, as_of=Parameter())
        engine.load({"days": engine.fetch(query, **query.parameters(AS_OF))})
        assert merged(engine, its) == direct(engine, its)
        last = date(9999, 12, 31)
        engine.load({"all": engine.fetch(to_sql_daily(its, as_of=last))})
        assert engine.fetch('select max("day") as day from "all"')["day"][0].as_py().year == 2100


@every("duckdb", "postgres", "spark", "spark ansi")
def test_a_day_beyond_64_bits_concerns_only_who_looks_at_it(kind: str, engines: Engines) -> None:
    recent, ever = {**SPENT, "in": "period"}, {**SPENT, "take": "mean"}
    far: tuple[Row, ...] = tuple(
        (10 + at, "C1", "2020-01-01T10:00", 2**62, None) for at in range(2)
    )
    with engines.open(kind) as engine:
        engine.load(orders((*ROWS, *far)))
        its = policy(recent=recent)
        kept(engine, its)
        assert merged(engine, its) == direct(engine, its)
    its = policy(recent=recent, ever=ever)
    with engines.open(kind) as engine:
        engine.load(orders((*ROWS, *far)))
        kept(engine, its)
        for answer in (merged, direct):
            with pytest.raises(engine.failure, match="beyond 64 bits"):
                answer(engine, its)


# As of an earlier day


ALIKE = {
    "orders": {"of": "order", "take": "count"},
    "largest": {"of": "order", "take": "max"},
    "back": {"of": "return", "take": "sum"},
    "part": {"of": "order", "take": "share", "field": "promotion"},
    "last_on": {"of": "order", "take": "last"},
}


@every("duckdb", "postgres")
def test_only_what_rests_on_sales_is_late(kind: str, engines: Engines) -> None:
    earlier, tables = date(2025, 3, 5), orders()
    promotion = pa.array(["spring", None] * 3)
    tables["orders"] = tables["orders"].append_column("promotion", promotion)
    with engines.open(kind) as engine:
        engine.load(tables)
        its = policy(**ALIKE)
        kept(engine, its)
        assert merged(engine, its, earlier) == direct(engine, its, earlier)
    for take in ("count", "sum", "mean", "min", "last"):
        its = policy(orders=ALIKE["orders"], sold_on={"of": "sale", "take": take})
        with engines.open(kind) as engine:
            engine.load(tables)
            kept(engine, its)
            with pytest.raises(engine.failure, match="returned later"):
                merged(engine, its, earlier)
            assert merged(engine, its, date(2025, 2, 9)) == direct(engine, its, date(2025, 2, 9))


# Days of somebody else


WRONG: dict[str, tuple[str, Any, str]] = {
    "nobody": ("customer_id", pa.nulls(1, pa.string()), "a customer id in every row"),
    "empty": ("customer_id", pa.array([""]), "a customer id in every row"),
    "never": ("day", pa.nulls(1, pa.date32()), "a day in every row"),
    "moment": ("day", pa.array([datetime(2025, 3, 2)], pa.timestamp("us")), "day must be dates"),
    "ancient": ("day", pa.array([date(1676, 12, 31)]), "day must be dates"),
    "half": ("sold", pa.array([1.5]), "sold must be whole numbers"),
    "none": ("sold", pa.nulls(1, pa.int64()), "sold must be whole numbers"),
    "divisor": ("usual divisor", pa.nulls(1, pa.int64()), "usual divisor must be whole"),
    "sum": ("spent absolute", pa.nulls(1, pa.int64()), "beyond 64 bits"),
    "text": ("changed_us", pa.array(["1"]), "changed_us must be whole numbers"),
}


@every("duckdb", "postgres")
@pytest.mark.parametrize("wrong", WRONG)
def test_days_that_are_none_are_refused(wrong: str, kind: str, engines: Engines) -> None:
    its = policy(sold={"of": "sale", "take": "count"}, spent=SPENT, usual={**SPENT, "take": "mean"})
    name, column, message = WRONG[wrong]
    with engines.open(kind) as engine:
        engine.load(orders())
        days: pa.Table = engine.fetch(to_sql_daily(its, dialect=kind, as_of=AS_OF)).slice(0, 1)
        engine.load({"days": days.set_column(days.schema.get_field_index(name), name, column)})
        with pytest.raises(engine.failure, match=message):
            merged(engine, its)


# The models of the page


def dbt(con: Any, name: str, text: str) -> None:
    """Run an incremental model as dbt does: make the table, or put rows in the place of others."""
    keys: list[str] = json.loads(text.split("unique_key=")[1].split(")")[0])
    text = re.sub(r"\{\{ config.*?\}\}|\{\{ ref.*?\}\}", "", text).replace("{{ this }}", name)
    if not con.sql("show tables").filter(f"name = '{name}'"):
        con.execute(f"create table {name} as " + re.sub(r"(?s)\{% if.*endif %\}", "", text))
        return
    con.execute("create or replace temp table new as " + re.sub(r"\{%.*?%\}", "", text))
    same = " and ".join(f"{name}.{key} = new.{key}" for key in keys)
    con.execute(f"delete from {name} using new where {same}; insert into {name} from new")


def test_the_models_of_the_page_keep_the_history_of_the_orders(engines: Engines) -> None:
    text = PAGE.read_text("utf-8")
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```", text)
    (block,) = [one for one in blocks if "def models" in one]
    its = policy(spent=SPENT, sold={"of": "sale", "take": "count"})
    session: dict[str, Any] = {"policy": its, "to_sql_daily": to_sql_daily}
    exec("\n".join(re.findall("^since = .*", text, re.MULTILINE)), session)
    exec(block, session)
    tie: Row = (7, "C2", "2025-03-20T10:00", 500, None)  # arrives a day after its like
    more: tuple[Row, ...] = (
        (8, "C1", "2025-03-21T00:00", -1_000, 2),
        (9, "C4", "2025-03-22T00:00", 700, None),
        (10, "C5", "2025-04-10T00:00", 700, None),
    )
    days = [date(2025, 3, day) for day in (1, 20, 21, 22, 31)]
    at_first = tuple(row for row in ROWS if row[2] < "2025-03-21")
    with engines.open("duckdb") as engine:
        con = engine.connection
        engine.load(orders(at_first))
        for day in days:
            for path, model in session["models"](day).items():
                dbt(con, Path(path).stem, model)
            if day == days[1]:
                con.execute("drop table orders")
                engine.load(orders((*at_first, tie, *more)))
        history = con.sql("from customer_grades order by as_of, customer_id").to_arrow_table()
        wanted = direct(engine, its, days[2:])
    assert [row for row in history.to_pylist() if row["as_of"] in days[2:]] == wanted
    assert len({str(row["spent"]) for row in wanted}) > 4


# Names that an engine would cut off


LONGEST = {
    "count": 63,
    "min": 63,
    "last": 63 - len(" us"),
    "share": 63 - len(" divisor"),
    "sum": 63 - len(" absolute"),
    "mean": 63 - len(" absolute"),
}
"""Bytes of the longest name of a fact whose days PostgreSQL can keep, by what it takes."""
WRITE = (to_sql_daily, partial(to_sql, daily="days"))


def named(start: str, length: int) -> str:
    return f"{start.ljust(length - 3, 'x')}_on"


def taking(take: str) -> dict[str, Any]:
    return {"of": "order", "take": take, **({"field": "promotion"} if take == "share" else {})}


@pytest.mark.parametrize("write", WRITE)
@pytest.mark.parametrize("take", LONGEST)
def test_postgres_has_no_days_with_longer_names(take: str, write: Any) -> None:
    name = named(take, LONGEST[take] + 1)
    its = policy(**{name: taking(take)})
    assert write(its, as_of=AS_OF)
    with pytest.raises(crm.PolicyError, match="a name of more than 63 bytes") as caught:
        write(its, dialect="postgres", as_of=AS_OF)
    found = [(one.path, one.code) for one in caught.value.problems]
    assert found == [(f"facts.{name}", "not_in_sql")]


@pytest.mark.parametrize("write", WRITE)
def test_a_longer_name_is_fine_where_the_columns_have_another(write: Any) -> None:
    short, long = {"short": SPENT}, {"x" * 63: {**SPENT, "in": "period"}}
    assert write(policy(**short, **long), dialect="postgres", as_of=AS_OF)
    with pytest.raises(crm.PolicyError, match="a name of more than 63 bytes"):
        write(policy(**long, **short), dialect="postgres", as_of=AS_OF)


def test_postgres_keeps_the_names_of_the_columns_of_days(engines: Engines) -> None:
    """Parts of the query have longer names, which are not kept."""
    facts = {named(take, most): taking(take) for take, most in LONGEST.items()}
    mean = named("mean", LONGEST["mean"])
    scores = {named("points", 63): {"fact": mean, "from": [["150.00", 5]], "below": 1}}
    its = crm.load_policy({**BASE, "facts": facts, "scores": scores})
    # Another policy numbers the names of its parts in another way.
    other = crm.load_policy({**BASE, "facts": {mean: facts[mean]}})
    tables = orders()
    promotion = pa.array(["spring", None] * 3)
    tables["orders"] = tables["orders"].append_column("promotion", promotion)
    names = {}
    for kind in ("duckdb", "postgres"):
        with engines.open(kind) as engine:
            engine.load(tables)
            names[kind] = kept(engine, its).column_names
            assert merged(engine, its) == direct(engine, its)
            assert merged(engine, other) == direct(engine, other)
    assert names["postgres"] == names["duckdb"]


RELATIONS: dict[str, Any] = {
    "orders": to_sql_daily,
    "days": partial(to_sql, daily="days"),
    "facts": partial(to_sql, facts="facts"),
}


def outside(its: crm.Policy, relation: str, dialect: str) -> tuple[set[str], list[str]]:
    """The columns that the text of a query reads of a relation, and those that it shows."""
    query = RELATIONS[relation](its, dialect=dialect, as_of=AS_OF)
    tree: Any = sqlglot.parse_one(query, read=dialect)
    read = {one.name for one in tree.find_all(sqlglot.exp.Column) if one.table == "given"}
    return read, tree.named_selects


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("take", ["last", "share", "mean"])
def test_no_column_of_a_table_is_ever_renamed(take: str, relation: str) -> None:
    """Names are refused, or stay as they are in what is read and in what is shown."""
    written = 0
    for length in (54, 55, 56, 60, 61, 64):
        its = policy(**{named(take, length): taking(take)})
        try:
            found = outside(its, relation, "postgres")
        except crm.PolicyError:
            continue
        assert found == outside(its, relation, "duckdb")
        written += 1
    assert 0 < written < 6
