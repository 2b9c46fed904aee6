"""The whole job in crmcore."""

from __future__ import annotations

import numpy as np
from data import AS_OF, STATUSES, Raw
from job import CLASSES, COLUMNS, THREADS, Columns, Contender, Job, texts

import crmcore as crm

GRADES = CLASSES[5:]


def prepare(raw: Raw) -> tuple[object, object]:
    """NumPy arrays; text in Arrow, as it comes from files and databases."""
    if raw.ids.dtype.kind == "U":
        from rival_duckdb import arrow_tables

        orders, customers = arrow_tables(raw)
        names = ["amount_minor" if name == "amount" else name for name in orders.column_names]
        return orders.rename_columns(names), customers
    orders = {
        "order_id": raw.order_id,
        "customer_id": raw.customer_id,
        "placed_at": raw.placed_at,
        "amount_minor": raw.amount_minor,
        "status": crm.Coded(raw.status, STATUSES),
    }
    return orders, {"customer_id": raw.listed_id, "blocked": raw.blocked}


def input_columns(given: tuple[object, object]) -> list[object]:
    """Return the columns of the orders, for those who read them only."""
    orders = given[0]
    if not isinstance(orders, dict):
        return orders.columns
    return [column.codes if isinstance(column, crm.Coded) else column for column in orders.values()]


def run(given: tuple[object, object], job: Job) -> crm.Evaluation:
    with crm.threads(THREADS):
        return _graded(given)


def _graded(given: tuple[object, object]) -> crm.Evaluation:
    policy = crm.presets.load("classic")
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})
    if isinstance(given[0], dict):
        orders = crm.OrderTable.from_arrays(given[0], source)
        read_customers = crm.CustomerTable.from_arrays
    else:
        orders = crm.OrderTable.from_frame(given[0], source)
        read_customers = crm.CustomerTable.from_frame
    # Read in the call, so that the customers are gone when their attributes are taken.
    result = crm.evaluate(policy, orders, read_customers(given[1]), as_of=AS_OF)
    assert result.ids[0] is not None  # ids are put in a row when first looked at
    return result


def columns(result: crm.Evaluation) -> Columns:
    """Codes of class and grade as the rivals have them: 0 where there is no grade."""
    found = {"customer_id": texts(np.asarray(result.ids))}
    for name in COLUMNS[1:]:
        column = result.columns[name]
        values = column.values
        if name == "class":
            values = np.array([CLASSES.index(label) for label in column.categories])[values]
        if name == "grade":
            values = np.array([1 + GRADES.index(label) for label in column.categories])[values]
        found[name] = np.where(column.is_known(), values, 0)
    return found


CRMCORE = Contender("crmcore", "evaluate", prepare, run, columns)
