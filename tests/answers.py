"""The answers of the package and of the reference to a random case, in comparable form."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import reference
from cases import Case

import crmcore as crm
from crmcore.columns import Column

SOURCE = {"currency": {"code": "CNY", "exponent": 2}}


def table_of(case: Case, rows: list[dict[str, Any]]) -> crm.OrderTable:
    names = ["customer_id", "placed_at", "amount_minor", *sorted(case.columns)]
    given_rows = [{**row, "amount_minor": row["amount"]} for row in rows]
    source = crm.Source(**SOURCE, rows="lines" if case.by_line else "orders")
    return crm.OrderTable.from_rows(given_rows, source, columns=names)


def evaluation_of(case: Case, rows: list[dict[str, Any]] | None = None) -> crm.Evaluation:
    customers = None
    if case.customers is not None:
        columns = {
            name: [one[name] for one in case.customers] for name in ("customer_id", "blocked")
        }
        customers = crm.CustomerTable.from_arrays(columns)
    return crm.evaluate(
        crm.load_policy(case.policy),
        table_of(case, case.rows if rows is None else rows),
        customers,
        as_of=case.as_of,
        known_at=case.known_at,
        last_evaluated_at=case.last_evaluated_at,
    )


def plain(column: Column, row: int) -> Any:
    """One value as the reference gives it: money and means in minor units."""
    value = column[row]
    if value is None or column.kind not in ("money", "ratio"):
        return value
    if column.kind == "money":
        return column.values[row].item()
    return Fraction(column.values[row].item(), column.divisor[row].item())


def answers(result: crm.Evaluation) -> dict[Any, dict[str, Any]]:
    return {
        customer: {name: plain(column, row) for name, column in result.columns.items()}
        for row, customer in enumerate(result.ids.tolist())
    }


def expected(case: Case) -> dict[Any, dict[str, Any]]:
    columns = {"customer_id", "placed_at", "amount", *case.columns}
    return reference.evaluate(
        case.policy,
        case.rows,
        case.customers,
        as_of=case.as_of,
        known_at=case.known_at,
        last_evaluated_at=case.last_evaluated_at,
        rows_are="lines" if case.by_line else "orders",
        has=columns,
    )


def alone(case: Case, customer: Any) -> Case:
    """The same shop with one customer in it."""
    rows = [row for row in case.rows if row["customer_id"] == customer]
    listed = [one for one in case.customers or () if one["customer_id"] == customer]
    customers = listed or [{"customer_id": customer, "blocked": False}]
    return replace(case, rows=rows, customers=customers)


def one_by_one(case: Case) -> crm.Evaluation:
    """The answer of `evaluate_customer` for a shop with one customer in it."""
    assert case.customers is not None
    (customer,) = case.customers
    names = case.columns - {"version", "line_id"}
    orders = [
        crm.Order(
            customer_id=row["customer_id"],
            placed_at=row["placed_at"],
            amount=Decimal(row["amount"]).scaleb(-2),
            **{name: row[name] for name in names},
        )
        for row in case.rows
    ]
    return crm.evaluate_customer(
        crm.load_policy(case.policy),
        crm.Customer(customer_id=customer["customer_id"], blocked=bool(customer["blocked"])),
        orders,
        as_of=case.as_of,
        known_at=case.known_at,
        last_evaluated_at=case.last_evaluated_at,
    )
