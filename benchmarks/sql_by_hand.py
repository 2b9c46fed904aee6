"""The generated query for the classic policy beside the best one written by hand, in DuckDB.

    python benchmarks/sql_by_hand.py --orders 10000000 --customers 1000000

Both give the whole result of `evaluate`: facts, points, score, grade and class, from DuckDB's own
tables in memory, with two threads. They are compared cell by cell first, then take turns. Times
are printed, never asserted.

What is written by hand comes in several forms. *Without checks* it trusts the tables: it counts an
order twice that stands there twice, and does not notice an unknown status. *With checks* it looks
at what the generated query looks at: nothing is missing, statuses are known, times are in range,
no sum can leave 64 bits, customers are listed once, and no order id stands in two rows. Whether
ids repeat is asked of blocks of 32 numbers, a bit a number. Two more differ in that question:
*ids known to be dense* takes one bit for each number from the least to the greatest, which DuckDB
refuses where these lie far apart; *plain checks* ask it as one would of ids of any type, by a group
an id.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from time import perf_counter, process_time

import duckdb
import pyarrow as pa
from calibration import calibrate
from data import AS_OF, STATUSES, make
from job import GRADE_EDGES, MONETARY_EDGES, SALE, THREADS, WITHDRAWN, job_of
from rival_duckdb import arrow_tables

import crmcore as crm
from crmcore.calendars import instant_us
from crmcore.sql import to_sql

CHECKED = """
SELECT CASE
    WHEN count(*) > least(count(order_id), count(customer_id), count(placed_us),
                          count(amount_minor), count(status))
        THEN error('something is missing')
    WHEN NOT bool_and(status IN {statuses}) THEN error('unknown status')
    WHEN min(placed_us) < -9246096000000000 OR max(placed_us) > 253402300799999999
        THEN error('a time is out of range')
    WHEN greatest(max(amount_minor)::HUGEINT, -min(amount_minor)::HUGEINT) * count(*)
         > 9223372036854775807 THEN error('a sum could leave 64 bits')
    WHEN EXISTS ({repeated}) THEN error('an order id occurs twice')
    WHEN (SELECT count(*) > count(DISTINCT customer_id) FROM customers)
        THEN error('a customer is listed twice')
    ELSE true END
FROM orders
"""
IN_BLOCKS = """
SELECT 1 FROM orders WHERE amount_minor >= 0 GROUP BY order_id & -32
HAVING count(*) > bit_count(bit_or(1::BIGINT << (order_id & 31)))
"""
IN_A_RANGE = """
SELECT 1 FROM orders WHERE amount_minor >= 0
HAVING count(*) > bit_count(bitstring_agg(order_id))
"""
BY_ID = "SELECT 1 FROM orders WHERE amount_minor >= 0 GROUP BY order_id HAVING count(*) > 1"
BY_HAND = """
WITH rows AS (
    SELECT customer_id, placed_us, amount_minor, placed_us <= {end} AS past,
           placed_us BETWEEN {start} AND {end} AS recent,
           amount_minor > 0 AND status IN {sale} AS sold,
           CASE WHEN amount_minor >= 0 THEN status IN {sale}
                ELSE status NOT IN {withdrawn} END AS counts
    FROM orders),
totals AS (
    SELECT customer_id,
           max(placed_us) FILTER (WHERE sold AND recent) AS last_us,
           count(*) FILTER (WHERE sold AND recent) AS sale_count,
           sum(amount_minor) FILTER (WHERE counts AND recent) AS net,
           count(*) FILTER (WHERE amount_minor >= 0 AND recent) AS order_count,
           count(*) FILTER (WHERE amount_minor >= 0 AND past) AS orders_ever,
           min(placed_us) FILTER (WHERE amount_minor >= 0 AND past) AS first_us
    FROM rows GROUP BY customer_id),
facts AS (
    SELECT customer_id, last_us, coalesce(sale_count, 0) AS sale_count,
           CASE WHEN sale_count > 0 THEN net::BIGINT END AS net,
           coalesce(order_count, 0) AS order_count, coalesce(orders_ever, 0) AS orders_ever,
           first_us, coalesce(blocked, false) AS blocked
    FROM totals FULL JOIN customers USING (customer_id)),
points AS (
    SELECT *, CASE {recency} END AS recency_points,
           CASE WHEN sale_count >= 6 THEN 5 WHEN sale_count >= 4 THEN 4
                WHEN sale_count > 0 THEN sale_count END AS frequency_points,
           CASE {monetary} WHEN net IS NOT NULL THEN 1 END AS monetary_points,
           recency_points + 3 * frequency_points + 4 * monetary_points AS score,
           CASE {grade} END AS grade
    FROM facts)
SELECT customer_id,
       CASE WHEN orders_ever = 0 THEN 'non_ordering' WHEN blocked THEN 'malicious'
            WHEN order_count = 0 THEN 'no_order' WHEN sale_count = 0 THEN 'no_sale'
            ELSE grade END AS class,
       grade,
       -- Shanghai has been 8 hours before UTC since 1991
       DATE '1970-01-01' + ((last_us + 28800000000) // 86400000000)::INTEGER AS last_sale_on,
       sale_count,
       ((net // sale_count - (net % sale_count < 0)::BIGINT)::DECIMAL(19, 0) * 0.01)
           ::DECIMAL(19, 2) AS mean_sale,
       order_count, orders_ever, make_timestamptz(first_us) AS first_order_at, blocked,
       recency_points::BIGINT AS recency_points, frequency_points::BIGINT AS frequency_points,
       monetary_points::BIGINT AS monetary_points, score::BIGINT AS score
FROM points {where} ORDER BY customer_id
"""


def queries() -> dict[str, str]:
    """Return the queries by their names; the first is the one to beat."""
    checked = {
        "by hand, with checks": IN_BLOCKS,
        "by hand, ids known to be dense": IN_A_RANGE,
        "by hand, plain checks": BY_ID,
    }
    texts = {
        name: by_hand(f"WHERE ({CHECKED.format(statuses=STATUSES, repeated=repeated)})")
        for name, repeated in checked.items()
    }
    policy = crm.presets.load("classic")
    missing = {"returns_order_id": None}
    return {
        **texts,
        "by hand, without checks": by_hand(""),
        "generated": to_sql(policy, customers="customers", as_of=AS_OF, columns=missing),
    }


def by_hand(where: str) -> str:
    job = job_of(AS_OF)
    micros = [_micros(edge) for edge in (job.start, *job.recency)]
    labels = ("bronze", "silver", "gold", "platinum")
    recency = [(f"last_us >= {edge}", points) for points, edge in enumerate(micros, 1)]
    monetary = [(f"net >= {edge} * sale_count", 2 + k) for k, edge in enumerate(MONETARY_EDGES)]
    grade = [
        (f"score >= {edge}", f"'{label}'") for edge, label in zip(GRADE_EDGES, labels, strict=True)
    ]
    return BY_HAND.format(
        start=micros[0],
        end=_micros(job.end),
        sale=SALE,
        withdrawn=WITHDRAWN,
        recency=_highest(recency),
        monetary=_highest(monetary),
        grade=_highest(grade),
        where=where,
    )


def _micros(moment: datetime) -> int:
    return instant_us(moment.replace(tzinfo=UTC))


def _highest(edges) -> str:
    """Return the branches of a CASE of ascending edges: the highest that is reached decides."""
    return " ".join(f"WHEN {reached} THEN {value}" for reached, value in reversed(edges))


def tables(orders: int, customers: int) -> duckdb.DuckDBPyConnection:
    given_orders, given_customers = arrow_tables(make(orders, customers))
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET enable_progress_bar = false")
    connection.register("given_orders", given_orders)
    connection.register("given_customers", given_customers)
    connection.execute(
        "CREATE TABLE orders AS SELECT order_id, customer_id, epoch_us(placed_at) AS placed_us, "
        "amount AS amount_minor, status::VARCHAR AS status FROM given_orders"
    )
    connection.execute("CREATE TABLE customers AS FROM given_customers")
    connection.unregister("given_orders")
    connection.unregister("given_customers")
    return connection


@dataclass(frozen=True)
class Turn:
    clock: float
    processor: float
    result: pa.Table


def turn(connection: duckdb.DuckDBPyConnection, query: str) -> Turn:
    clock, processor = perf_counter(), process_time()
    result = connection.sql(query).to_arrow_table()
    return Turn(perf_counter() - clock, process_time() - processor, result)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--explain", action="store_true", help="show where the time goes")
    given = parser.parse_args()
    print(calibrate(), flush=True)
    connection = tables(given.orders, given.customers)
    texts = queries()
    check_equal(connection, texts)
    turns = {name: [] for name in texts}
    for count in range(given.rounds):
        names = [*texts]
        for name in names[count % len(names) :] + names[: count % len(names)]:
            one = turn(connection, texts[name])
            turns[name].append((one.clock, one.processor))
            del one
    _print(turns)
    print(calibrate())
    if given.explain:
        for name, text in texts.items():
            print(name, connection.sql(f"EXPLAIN ANALYZE {text}").fetchall()[0][1], sep="\n")


def check_equal(connection: duckdb.DuckDBPyConnection, texts: dict[str, str]) -> None:
    """Raise unless all queries find the same in every cell."""
    expected = turn(connection, texts["generated"]).result
    for name, text in texts.items():
        found = turn(connection, text).result
        if not found.equals(expected):
            raise SystemExit(f"{name}: differs from the generated query")
    print(f"{len(expected):,} rows of {len(expected.column_names)} columns: all cells equal\n")


def _print(turns: dict[str, list[tuple[float, float]]]) -> None:
    medians = {name: [*map(median, zip(*times, strict=True))] for name, times in turns.items()}
    base = next(iter(medians.values()))
    print("| query | median s | × | processor s | × |\n|---|--:|--:|--:|--:|")
    for name, (clock, processor) in medians.items():
        print(
            f"| {name} | {clock:.2f} | {clock / base[0]:.2f} "
            f"| {processor:.2f} | {processor / base[1]:.2f} |"
        )


if __name__ == "__main__":
    main()
