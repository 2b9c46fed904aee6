"""Decimals of a shop's columns as SQL: the smallest ones, and formulas of many places."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from engines import Engine, Engines, every, uncompiled

import crmcore as crm
from crmcore.money import Currency
from crmcore.sql import to_sql, to_sql_account

AS_OF = date(2025, 6, 30)
MARCH = datetime(2025, 3, 1)


def policy(currency: Currency) -> crm.Policy:
    total = {"of": "order", "take": "sum", "field": "value"}
    document = {"extends": "classic", "format": 1, "name": "totals", "facts": {"total": total}}
    return crm.load_policy({**document, "currency": currency.model_dump()})


def table(**decimals: tuple[pa.DataType, list[str]]) -> pa.Table:
    """One row for each number of a column, each of another customer."""
    rows = len(next(iter(decimals.values()))[1])
    columns = {
        "customer_id": pa.array([f"C{at:02}" for at in range(rows)]),
        "placed_at": pa.array([MARCH] * rows, pa.timestamp("us")),
    }
    for name, (type_, values) in decimals.items():
        columns[name] = pa.array(list(map(Decimal, values)), type_)
    return pa.table(columns)


def source(exponent: int = 2, **changes: Any) -> crm.Source:
    currency = {"code": "CNY", "exponent": exponent}
    return crm.load_source({"currency": currency, "zone": "UTC", **changes})


def assert_alike(engine: Engine, given: pa.Table, read: crm.Source) -> set[str | None]:
    """The query and its account give what the package gives; return the account's reasons."""
    orders = crm.OrderTable.from_frame(given, read)
    wanted = policy(read.currency)
    ours = crm.evaluate(wanted, orders, as_of=AS_OF).to_frame("pyarrow").to_pylist()
    kinds = dict.fromkeys(given.column_names, "decimal")
    kinds |= {"customer_id": "text", "placed_at": "time"}
    options: Any = {"dialect": engine.dialect, "orders": "sales", "source": read, "kinds": kinds}
    engine.load({"sales": given})
    found = engine.fetch(to_sql(wanted, as_of=AS_OF, bad_rows="set_aside", **options))
    assert found.to_pylist() == ours
    del options["source"]
    rows = engine.fetch(to_sql_account(read, **options)).to_pylist()
    left_out = [(one.kind, one.reason, one.rows) for one in orders.intake.left_out]
    told = [(one["kind"], one["reason"], one["rows"]) for one in rows]
    assert told == [*left_out, ("kept", None, orders.intake.kept)]
    return {reason for _, reason, _ in told}


# Small ones: some engines write them as powers of ten


WEIGHTS = ["0", "1.5", "0.000000001", "-0.00000001", "0.0000001", "100", "2", "3", "4"]
FINE = ["1", "0", "1", "1", "1", "1", "0.000000000000000001", "-0.00000000000000005", "1"]
FINEST = [*["1"] * 8, f"-0.{1:037}"]
NETS = ["1", "300.00", "5", "6", "0.000000001", "0", "0.01", "7", "8"]
SMALL = {
    "exclude": [
        {"reason": "free", "column": "weight", "equals": 0},
        {"reason": "light", "column": "weight", "above": 0, "below": "0.00000001"},
        {"reason": "negative", "column": "weight", "equals": "-0.00000001"},
        {"reason": "fine", "column": "fine", "equals": "0.000000000000000001"},
        {"reason": "finest", "column": "finest", "ends_with": "01", "starts_with": "-0.0000000"},
    ],
    "status": {
        "first": [{"status": "cancelled", "column": "fine", "contains": "00000005"}],
        "otherwise": "delivered",
    },
}


@every()
def test_small_decimals_are_what_they_are(kind: str, engines: Engines) -> None:
    given = table(
        amount=(pa.decimal128(18, 9), NETS),
        weight=(pa.decimal128(18, 9), WEIGHTS),
        fine=(pa.decimal128(38, 18), FINE),
        finest=(pa.decimal128(38, 37), FINEST),
    )
    with engines.open(kind) as engine:
        uncompiled(engine)
        reasons = assert_alike(engine, given, source(**SMALL))
    assert reasons == {
        *("free", "light", "negative", "fine", "finest"),
        *("amount_not_exact", None),
    }


# Formulas with so many places that 64 bits of units are more than 38 digits


FORMULAS = [
    ("price * qty * 0.0001", 2, "half_even"),
    ("price * qty * 0.8403361345", 2, "half_up"),
    ("price * 0.128205128205128", 2, "down"),
    ("price * qty * 0.05", 0, "half_even"),
    ("price * 0.0001", 2, "refuse"),
    # The unit itself is more than 38 digits: all that is left over is less than half of one.
    ("price * 0.0000000000000000000000000001 * 0.01", 0, "half_up"),
    ("price * 0.0000000000000000000000000001 * 0.01", 0, "refuse"),
    ("price * 0.0000000000000000000000000001", 0, "half_even"),
]
ON_SPARK = (0, 5)


@pytest.mark.parametrize(("formula", "exponent", "rounding"), FORMULAS)
@every("duckdb", "postgres")
def test_formulas_of_many_places_are_computed(
    kind: str, formula: str, exponent: int, rounding: str, engines: Engines
) -> None:
    amount = {"formula": formula, "rounding": rounding}
    given = table(
        price=(pa.decimal128(18, 2), ["30000.00", "-50.00", "0.01", "9999999.99", "0"]),
        qty=(pa.decimal128(18, 1), ["10.0", "1", "0.5", "-9999999.5", "1"]),
    )
    with engines.open(kind) as engine:
        uncompiled(engine)
        assert_alike(engine, given, source(exponent, amount=amount))


@pytest.mark.parametrize(("formula", "exponent", "rounding"), [FORMULAS[at] for at in ON_SPARK])
@every("spark", "spark ansi")
def test_formulas_of_many_places_are_computed_on_spark(
    kind: str, formula: str, exponent: int, rounding: str, engines: Engines
) -> None:
    test_formulas_of_many_places_are_computed(kind, formula, exponent, rounding, engines)
