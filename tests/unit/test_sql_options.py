"""What a query is told: what excludes each other, names, moments, and copies of what comes out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import copy, deepcopy
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from engines import Engines

import crmcore as crm
from crmcore.sql import (
    DateSpine,
    Parameter,
    Statement,
    constructs,
    to_sql,
    to_sql_account,
    to_sql_daily,
)
from crmcore.sql.constructs import Construct, Standing

TODAY = date(2025, 6, 30)
NOON = 1_750_000_000_000_000  # in June 2025
CLASSIC: dict[str, Any] = {"extends": "classic", "format": 1, "name": "mine"}
NO_KEYS: dict[str, str | None] = dict.fromkeys(["order_id", "status", "returns_order_id"])
SOURCE = crm.load_source({"currency": {"code": "CNY", "exponent": 2}, "time_unit": "us"})
KINDS = {"customer_id": "text", "placed_at": "whole", "amount": "whole"}
SHOP: dict[str, Any] = {"source": SOURCE, "kinds": KINDS}


def policy(**changes: Any) -> crm.Policy:
    return crm.load_policy({**CLASSIC, **changes})


def sales(**columns: Any) -> pa.Table:
    given = {"customer_id": ["C1"], "placed_us": [NOON], "amount_minor": [30_000]}
    return pa.table({**given, **columns})


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"facts": "f", "daily": "d"}, "either facts or days"),
        ({"facts": "f", **SHOP}, "neither facts nor days"),
        ({"daily": "d", **SHOP}, "neither facts nor days"),
        ({"kinds": KINDS}, "how a source is read"),
        ({"bad_rows": "set_aside"}, "how a source is read"),
        ({"bad_rows": "nonsense"}, "how a source is read"),
        ({"bad_rows": "nonsense", **SHOP}, '"refuse" or "set_aside"'),
    ],
)
def test_what_excludes_each_other_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(crm.DataError, match=message):
        to_sql(policy(), as_of=TODAY, **told)
    if not told.keys() & {"facts", "daily"}:
        with pytest.raises(crm.DataError, match=message):
            to_sql_daily(policy(), as_of=TODAY, **told)


def test_dates_are_not_mixed_with_moments() -> None:
    mixed: list[list[Any]] = [[TODAY, datetime(2025, 1, 1, tzinfo=UTC)], [TODAY, "2025-01-01"]]
    for dates in mixed:
        with pytest.raises(crm.DataError, match="give dates, no datetimes"):
            to_sql(policy(), as_of=dates)


# Names and texts


def test_a_text_with_percents_is_the_same_beside_a_parameter(engines: Engines) -> None:
    texts = ["100%", "a%%b", "%(as_of)s"]
    rows = [['city == "100%"', "at0"], ['city in ["a%%b", "%(as_of)s"]', "at1"]]
    loaded = policy(attributes={"city": "text"}, segment={"first": rows, "otherwise": "no"})
    people = pa.table({"customer_id": list("abc"), "city": texts})
    given: dict[str, Any] = {"dialect": "postgres", "columns": {**NO_KEYS, "blocked": None}}
    with engines.open("postgres") as engine:
        engine.load({"orders": sales(), "people": people})
        query = to_sql(loaded, customers="people", as_of=TODAY, **given)
        wanted = engine.fetch(query).to_pylist()
        query = to_sql(loaded, customers="people", as_of=Parameter(), **given)
        assert engine.fetch(query, **query.parameters(TODAY)).to_pylist() == wanted
    assert [row["segment"] for row in wanted] == ["no", "at0", "at1", "at1"]


def test_a_name_with_percents_is_as_long_as_without_a_parameter(engines: Engines) -> None:
    name = "%" + "x" * 62
    orders = sales().rename_columns(["customer_id", "placed_us", name])
    columns = {**NO_KEYS, "amount_minor": name}
    with engines.open("postgres") as engine:
        engine.load({"orders": orders})
        query = to_sql(policy(), dialect="postgres", as_of=Parameter(), columns=columns)
        found = engine.fetch(query, **query.parameters(TODAY))
        assert found["class"].to_pylist() == ["bronze"]


def test_postgres_has_no_longer_names_of_attributes() -> None:
    long, tag, count = "x" * 64, f"tag:{'y' * 60}", "z" * 64
    loaded = policy(
        attributes={long: "text"},
        facts={count: {"of": "sale", "take": "count"}},
        segment={"first": [[tag, "a"]], "otherwise": "b"},
    )
    with pytest.raises(crm.PolicyError, match="a name of more than 63 bytes") as caught:
        to_sql(loaded, dialect="postgres", as_of=TODAY)
    wanted = [f"facts.{count}", f"attributes.{long}", f"attributes.{tag}"]
    assert [one.path for one in caught.value.problems] == wanted
    with pytest.raises(crm.PolicyError) as caught:
        to_sql(loaded, dialect="postgres", facts="facts", as_of=TODAY)
    assert [one.path for one in caught.value.problems] == wanted
    assert to_sql(loaded, as_of=TODAY)


def test_a_source_is_refused_where_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert to_sql(policy(), as_of=TODAY, **SHOP)
    why = {"duckdb": Standing("refused", "nobody tried")}
    refused = Construct("source", "any source", others=why)
    known = {("source", "any source"): refused}
    monkeypatch.setattr(constructs, "_BY_NAME", {**constructs._BY_NAME, **known})
    with pytest.raises(crm.PolicyError, match="any source has no SQL form, as nobody tried"):
        to_sql(policy(), as_of=TODAY, **SHOP)


# Copies

HELD = {"evaluation": {"every": "1 month", "anchor": date(2023, 1, 31)}}
SPINE = DateSpine("calendar", first=TODAY, last=TODAY)


def pickled(query: Statement) -> Any:
    return pickle.loads(pickle.dumps(query))


@pytest.mark.parametrize("how", [copy, deepcopy, pickled])
@pytest.mark.parametrize("more", [{}, HELD], ids=["live", "held"])
@pytest.mark.parametrize(
    "as_of", [TODAY, [TODAY], SPINE, Parameter()], ids=["moment", "dates", "spine", "parameter"]
)
def test_a_copy_of_a_query_knows_what_it_knows(
    as_of: Any, more: dict[str, Any], how: Callable[[Statement], Any]
) -> None:
    late = {"of": "sale", "take": "count", "in": "week"}
    loaded = policy(windows={"week": "7 days"}, facts={"late": late}, **more)
    query = to_sql(loaded, as_of=as_of)
    copied = how(query)
    assert type(copied) is Statement
    assert (copied, copied.columns, copied.reads) == (query, query.columns, query.reads)
    if isinstance(as_of, Parameter):
        assert copied.parameters(TODAY) == query.parameters(TODAY)
    else:
        with pytest.raises(crm.DataError, match="its own moment"):
            copied.parameters(TODAY)


# What a session of PostgreSQL has before the engine's own


def test_postgres_asks_its_own_operators_only(engines: Engines) -> None:
    query = to_sql(policy(), dialect="postgres", as_of=TODAY, columns=NO_KEYS)
    days = to_sql_daily(policy(), dialect="postgres", as_of=TODAY, columns=NO_KEYS)
    account = to_sql_account(SOURCE, kinds=KINDS, dialect="postgres")
    with engines.open("postgres") as engine:
        engine.load({"orders": sales(placed_at=[NOON], amount=[300])})
        (own,) = engine.connection.execute("select current_schema").fetchone()
        engine.connection.execute(
            "create function never(bigint, bigint) returns boolean return false; "
            "create operator <= (leftarg = bigint, rightarg = bigint, function = never);"
            "create temporary table anything ()"
        )
        for path in (own, f"pg_temp, pg_catalog, {own}", f"nowhere, pg_catalog, {own}, pg_temp"):
            engine.connection.execute(f"set search_path to {path}")
            assert engine.fetch(query)["class"].to_pylist() == ["bronze"]
            assert engine.fetch(account)["kind"].to_pylist() == ["kept"]
        for path in (f"{own}, pg_catalog", f"pg_temp, {own}, pg_catalog"):
            engine.connection.execute(f"set search_path to {path}")
            for asked in (query, days, account):
                with pytest.raises(engine.failure, match="pg_catalog must stand first"):
                    engine.fetch(asked)
