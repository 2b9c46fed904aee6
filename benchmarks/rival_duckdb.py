"""The whole job in DuckDB."""

from __future__ import annotations

import os
from collections.abc import Callable

import duckdb
import pyarrow as pa
from data import STATUSES, Raw
from job import (
    COLUMNS,
    EARLIEST,
    FREQUENCY_EDGES,
    GRADE_EDGES,
    KEEPS_MEMORY,
    LATEST,
    MONETARY_EDGES,
    MOST,
    SALE,
    THREADS,
    WITHDRAWN,
    Columns,
    Job,
    refuse_if,
    texts,
)

pa.set_cpu_count(THREADS)


def arrow_tables(raw: Raw) -> tuple[pa.Table, pa.Table]:
    ids = pa.array(raw.ids)
    status = pa.DictionaryArray.from_arrays(pa.array(raw.status), pa.array(STATUSES))
    orders = {
        "order_id": raw.order_id,
        "customer_id": ids.take(pa.array(raw.customer_row)),
        "placed_at": raw.placed_at,
        "amount": raw.amount_minor,
        "status": status,
    }
    customers = {"customer_id": ids.take(pa.array(raw.listed)), "blocked": raw.blocked}
    return pa.table(orders), pa.table(customers)


def duckdb_arrow(raw: Raw) -> duckdb.DuckDBPyConnection:
    """The raw columns as Arrow tables, read where they are."""
    connection = _connection()
    orders, customers = arrow_tables(raw)
    connection.register("orders", orders)
    connection.register("customers", customers)
    return connection


def duckdb_native(raw: Raw) -> duckdb.DuckDBPyConnection:
    """The raw columns as tables of DuckDB's own, in memory."""
    connection = _connection()
    orders, customers = arrow_tables(raw)
    names = ", ".join(f"'{name}'" for name in STATUSES)
    connection.execute(f"CREATE TYPE order_status AS ENUM ({names})")
    connection.register("given_orders", orders)
    connection.register("given_customers", customers)
    columns = "* REPLACE (CAST(status AS order_status) AS status)"
    connection.execute(f"CREATE TABLE orders AS SELECT {columns} FROM given_orders")
    connection.execute("CREATE TABLE customers AS SELECT * FROM given_customers")
    connection.unregister("given_orders")
    connection.unregister("given_customers")
    return connection


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}")
    if os.environ.get(KEEPS_MEMORY):
        for name in ("flush_threshold", "bulk_deallocation_flush_threshold"):
            connection.execute(f"SET allocator_{name} = '1 TiB'")
    return connection


CHECKS = """
SELECT count(*), count(order_id), count(customer_id), count(placed_at), count(amount),
       count(status), min(placed_at), max(placed_at), min(amount), max(amount)
FROM orders
"""


def duckdb_checks(connection: duckdb.DuckDBPyConnection) -> None:
    rows, *known, first, last, least, most = duckdb_row(connection, CHECKS)
    refuse_if(any(count < rows for count in known), "something is missing")
    refuse_if(first < EARLIEST or last > LATEST, "a time is out of range")
    refuse_if(max(most, -least) * rows > MOST, "a sum could overflow")
    refuse_if(not duckdb_unique(connection, "orders", "order_id"), "an order id occurs twice")
    unique = duckdb_unique(connection, "customers", "customer_id")
    refuse_if(not unique, "a customer is listed twice")
    listed, ids, flags = duckdb_row(
        connection, "SELECT count(*), count(customer_id), count(blocked) FROM customers"
    )
    refuse_if(ids < listed or flags < listed, "something is missing")
    (kind,) = duckdb_row(connection, "SELECT typeof(status) FROM orders LIMIT 1")
    query = "SELECT enum_range(status) FROM orders LIMIT 1"
    if not kind.startswith("ENUM"):  # dictionaries of Arrow are read as text
        query = "SELECT list(DISTINCT status) FROM orders"
    (given,) = duckdb_row(connection, query)
    refuse_if(not set(given) <= set(STATUSES), "unknown status")


def duckdb_unique(connection: duckdb.DuckDBPyConnection, table: str, name: str) -> bool:
    """By a bit a number, where they do not spread too far: `count(DISTINCT)` takes ten times
    as long."""
    lowest, highest, rows = duckdb_row(
        connection, f"SELECT min({name}), max({name}), count(*) FROM {table}"
    )
    if isinstance(lowest, int) and highest - lowest < 16 * rows:
        count = f"bit_count(bitstring_agg({name}, {lowest}, {highest}))"
    else:
        count = f"count(DISTINCT {name})"
    return duckdb_row(connection, f"SELECT {count} FROM {table}") == (rows,)


def duckdb_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    (row,) = connection.execute(query).fetchall()
    return row


FILTERED = """
SELECT customer_id,
       max(placed_at) FILTER (WHERE amount >= 0 AND placed_at <= $end) AS last_order,
       count(*) FILTER (WHERE {period} AND {sold} AND amount > 0) AS sales,
       sum(amount) FILTER (WHERE {period} AND {counts}) AS net,
       max(placed_at) FILTER (WHERE {period} AND {sold} AND amount > 0) AS last
FROM orders GROUP BY customer_id
"""
MASKED = """
SELECT customer_id, max(placed) AS last_order, sum(sold) AS sales, sum(net) AS net,
       max(last) AS last
FROM (SELECT customer_id,
             CASE WHEN amount >= 0 AND placed_at <= $end THEN placed_at END AS placed,
             ({period} AND {sold} AND amount > 0)::INTEGER AS sold,
             CASE WHEN {period} AND {counts} THEN amount ELSE 0 END AS net,
             CASE WHEN {period} AND {sold} AND amount > 0 THEN placed_at END AS last
      FROM orders)
GROUP BY customer_id
"""
PERIOD = """
SELECT customer_id, coalesce(recent.last_order, earlier.last_order) AS last_order,
       sales, net, last
FROM (SELECT customer_id, max(placed_at) FILTER (WHERE amount >= 0) AS last_order,
             count(*) FILTER (WHERE {sold} AND amount > 0) AS sales,
             sum(amount) FILTER (WHERE {counts}) AS net,
             max(placed_at) FILTER (WHERE {sold} AND amount > 0) AS last
      FROM orders WHERE {period} GROUP BY customer_id) AS recent
FULL JOIN (SELECT customer_id,
                  max(placed_at) FILTER (WHERE amount >= 0 AND placed_at <= $end) AS last_order
           FROM orders WHERE NOT ({period}) GROUP BY customer_id) AS earlier
USING (customer_id)
"""
RESULT = """
WITH figures AS ({figures}),
all_customers AS (
    SELECT customer_id, last_order, coalesce(blocked, false) AS blocked,
           coalesce(sales, 0)::BIGINT AS sales,
           coalesce(net, 0)::BIGINT AS net, last
    FROM figures FULL JOIN customers USING (customer_id)),
points AS (
    SELECT *, sales > 0 AS bought,
           CASE WHEN bought THEN {recency} ELSE 0 END AS recency_points,
           CASE WHEN bought THEN {frequency} ELSE 0 END AS frequency_points,
           CASE WHEN bought THEN {monetary} ELSE 0 END AS monetary_points,
           recency_points + 3 * frequency_points + 4 * monetary_points AS score,
           {grade} AS grade
    FROM all_customers)
SELECT customer_id, recency_points, frequency_points, monetary_points, score, grade,
       CASE WHEN last_order IS NULL THEN 0 WHEN blocked THEN 1
            WHEN last_order < $start THEN 3 WHEN NOT bought THEN 4 ELSE grade + 4 END AS class
FROM points ORDER BY customer_id
"""


def duckdb_query(figures: str, job: Job) -> str:
    start, end = f"TIMESTAMP '{job.start}'", f"TIMESTAMP '{job.end}'"
    sold = f"status IN {SALE}"
    query = RESULT.format(
        figures=figures.format(
            period=f"placed_at BETWEEN {start} AND {end}",
            sold=sold,
            counts=f"CASE WHEN amount >= 0 THEN {sold} ELSE status NOT IN {WITHDRAWN} END",
        ),
        recency=_steps("1", [f"last >= TIMESTAMP '{edge}'" for edge in job.recency]),
        frequency=_steps("0", [f"sales >= {edge}" for edge in FREQUENCY_EDGES]),
        monetary=_steps("1", [f"net >= {edge} * sales" for edge in MONETARY_EDGES]),
        grade=_steps("0", [f"score >= {edge}" for edge in GRADE_EDGES]),
    )
    return query.replace("$start", start).replace("$end", end)


def _steps(base: str, conditions: list[str]) -> str:
    return " + ".join([base, *(f"({condition})::TINYINT" for condition in conditions)])


def duckdb_run(figures: str) -> Callable[[duckdb.DuckDBPyConnection, Job], pa.Table]:
    def run(connection: duckdb.DuckDBPyConnection, job: Job) -> pa.Table:
        duckdb_checks(connection)
        return connection.sql(duckdb_query(figures, job)).to_arrow_table()

    return run


def arrow_columns(result: pa.Table) -> Columns:
    columns = {name: result[name].to_numpy() for name in COLUMNS}
    return columns | {"customer_id": texts(columns["customer_id"])}
