"""Hostile cases worked out by hand, against the package, the reference, and every engine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import corpus
import pytest
import reference
from corpus import EPOCH, REFUSALS, Case
from engines import Engine, Engines, every

import crmcore as crm
from crmcore.sql import to_sql

CASES = corpus.cases()
CANONICAL = [case for case in CASES if case.expected != "not canonical"]
SOON = ("duckdb", "postgres")
SPARK = ("spark", "spark ansi")


def test_there_are_many_and_each_says_why() -> None:
    assert len(CASES) >= 100
    assert all(case.name and case.why for case in CASES)
    assert max(Counter(map(str, CASES)).values()) == 1
    expected = Counter(
        str(case.expected) if case.expected in REFUSALS else "rows" for case in CASES
    )
    assert min(expected[one] for one in ("rows", *REFUSALS)) >= 5


# The package and the reference


def rows_of(case: Case) -> list[dict[str, Any]]:
    orders = case.orders
    named = zip(*(orders.values(name) for name in orders.types), strict=True)
    rows = [dict(zip(orders.types, values, strict=True)) for values in named]
    for row in rows:
        placed = row.pop("placed_us")
        row["placed_at"] = None if placed is None else EPOCH + timedelta(microseconds=placed)
        row["amount"] = row.pop("amount_minor")
    return rows


def people_of(case: Case) -> list[dict[str, Any]] | None:
    if case.customers is None:
        return None
    people = case.customers
    named = zip(*(people.values(name) for name in people.types), strict=True)
    return [dict(zip(people.types, values, strict=True)) for values in named]


def evaluated(case: Case) -> tuple[crm.OrderTable, list[dict[str, Any]]]:
    policy = crm.load_policy(case.policy)
    rows = [{**row, "amount_minor": row["amount"]} for row in rows_of(case)]
    names = [*case.orders.types, "placed_at"]
    names.remove("placed_us")
    orders = crm.OrderTable.from_rows(rows, crm.Source(currency=policy.currency), columns=names)
    people = None
    if case.customers is not None:
        columns = {name: case.customers.values(name) for name in case.customers.types}
        people = crm.CustomerTable.from_arrays(columns)
    last = case.last_evaluated_at
    result = crm.evaluate(policy, orders, people, as_of=case.as_of, last_evaluated_at=last)
    return orders, result.to_frame().to_pylist()


@pytest.mark.parametrize("case", CANONICAL, ids=str)
def test_the_package_gives_what_was_worked_out(case: Case) -> None:
    if case.expected == "error":
        with pytest.raises(crm.CrmcoreError):
            evaluated(case)
        return
    assert corpus.shown(evaluated(case)[1], case.expected) == case.expected


@pytest.mark.parametrize("case", CANONICAL, ids=str)
def test_the_reference_gives_what_was_worked_out(case: Case) -> None:
    policy = crm.load_policy(case.policy)
    names = {"placed_us": "placed_at", "amount_minor": "amount"}

    # What reads rows takes an empty text for a missing id; the reference starts after that.
    last = case.last_evaluated_at
    zone = policy.document["zone"]
    rows = [
        {**row, "customer_id": None if row["customer_id"] == "" else row["customer_id"]}
        for row in rows_of(case)
    ]

    def answer() -> dict[Any, dict[str, Any]]:
        return reference.evaluate(
            policy.document,
            rows,
            people_of(case),
            as_of=case.as_of,
            last_evaluated_at=None if last is None else reference.moment_of(last, zone),
            has={names.get(name, name) for name in case.orders.types},
        )

    if case.expected == "error":
        with pytest.raises((OverflowError, reference.DataError, reference.PolicyError)):
            answer()
        return
    found = [
        {"customer_id": one, **{name: major(policy, name, row[name]) for name in row}}
        for one, row in answer().items()
    ]
    assert corpus.shown(found, case.expected) == case.expected


def major(policy: crm.Policy, name: str, value: Any) -> Any:
    """A value of the reference as the package shows it: money and means in major units."""
    type_ = policy.fields[name]
    if value is None or type_.kind not in ("money", "ratio"):
        return value
    digits = type_.exponent or (0 if type_.kind == "money" else 6)
    exact = Fraction(value) / 10**type_.exponent * 10**digits
    return Decimal(exact.numerator // exact.denominator).scaleb(-digits)


# Engines


def outcome(engine: Engine, case: Case) -> Any:
    """What the query gives: rows, or why it was refused."""
    try:
        return queried(engine, case)
    except crm.CrmcoreError as error:
        return f"crmcore: {error}"
    except engine.failure as error:
        return str(error)


def queried(engine: Engine, case: Case) -> list[dict[str, Any]]:
    def called(name: str) -> str:
        return case.names.get(name, name)

    optional = ("order_id", "status", "returns_order_id", "blocked")
    people = case.customers
    there = {*case.orders.types, *(() if people is None else people.types)}
    columns = {name: called(name) if name in there else None for name in optional}
    columns |= {name: called(name) for name in ("customer_id", "placed_us", "amount_minor")}
    sql = to_sql(
        crm.load_policy(case.policy),
        dialect=engine.dialect,
        orders=called("orders"),
        customers=None if people is None else called("customers"),
        as_of=case.as_of,
        last_evaluated_at=case.last_evaluated_at,
        columns=columns,
    )
    engine.load({called("orders"): case.orders.arrow(case.names)})
    if people is not None:
        engine.load({called("customers"): people.arrow(case.names)})
    set_up(engine, case.session.get(engine.dialect, ()))
    rows: list[dict[str, Any]] = engine.fetch(sql).to_pylist()
    return rows


def set_up(engine: Engine, statements: Sequence[str]) -> None:
    spark = engine.dialect == "spark"
    execute = engine.connection.sql if spark else engine.connection.execute
    for statement in statements:
        execute(statement)


def check(found: Any, case: Case, kind: str) -> None:
    expected = case.expected_of(kind)
    if expected in REFUSALS:
        assert isinstance(found, str), f"{case}: no refusal, but {len(found)} rows"
        assert re.search(f"crmcore: |{case.says or 'crmcore: '}", found), f"{case}: {found}"
        return
    assert not isinstance(found, str), f"{case}: {found}"
    assert corpus.shown(found, expected) == expected, str(case)


@every(*SOON)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_query_gives_what_was_worked_out(kind: str, case: Case, engines: Engines) -> None:
    if case.expected_of(kind) is None:
        pytest.skip("not for this engine")
    with engines.open(kind, case.zone) as engine:
        check(outcome(engine, case), case, kind)


# Where numbers and types decide, both ways of Spark have every case; else they take turns.
BOTH = ("sums", "means", "types", "ids", "missing")
TOGETHER = list(corpus.together("spark"))


@every(*SPARK)
@pytest.mark.parametrize("file", sorted({case.file for case in CASES}))
def test_queries_of_spark_give_it_too(kind: str, file: str, engines: Engines) -> None:
    for number, case in enumerate(TOGETHER):
        if case.file == file and (file in BOTH or number % 2 == SPARK.index(kind)):
            with engines.open(kind, case.zone) as engine:
                check(outcome(engine, case), case, "spark")


def test_cases_that_stand_together_are_all_of_them(engines: Engines) -> None:
    groups = list(corpus.together("duckdb"))
    names = Counter(name for group in groups for name in group.name.split("; "))
    assert names == Counter(case.name for case in CASES if case.expected_of("duckdb") is not None)
    for group in groups:
        with engines.open("duckdb", group.zone) as engine:
            check(outcome(engine, group), group, "duckdb")
