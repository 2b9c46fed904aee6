"""Conditions: one customer beside other rule languages, columns beside NumPy, DuckDB and polars.

    python benchmarks/conditions.py

Results are compared before anything is measured. The contenders take turns in one process, on one
thread each. What is measured is processor time, which another program on the machine does not
count into. Times are printed, never asserted.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from statistics import median
from time import process_time

import numpy as np
from calibration import calibrate
from rival_columns import (
    FIELDS,
    TIERS,
    Customers,
    Line,
    connection,
    duckdb_condition,
    duckdb_table,
    easy_table,
    frame,
    make,
    make_table,
    numpy_condition,
    numpy_table,
    numpy_three_valued,
    polars_condition,
    polars_table,
)
from rival_expressions import RIVALS

from crmcore.columns import Column
from crmcore.conditions import FieldType, compile_condition
from crmcore.tables import FirstMatch

ONE = 'last_order_days > 90 and tier == "gold"'
TYPES = {
    "last_order_days": FieldType("int"),
    "count": FieldType("int"),
    "spend": FieldType("money", 2),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "day": FieldType("date"),
}
Tasks = dict[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Conditions, beside other tools.")
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    print(calibrate(), flush=True)
    print_ratios(f"{given.customers:,} customers, one by one", *one_by_one(given.customers), given)
    customers = make(given.rows)
    columns = columns_of(customers)
    con, polars = connection(customers), frame(customers)
    print_ratios(
        f"a condition over {given.rows:,} rows",
        *condition_tasks(customers, columns, con, polars),
        given,
    )
    for name, lines in (("20 x 4", make_table()), ("20 x 4, mostly first rows", easy_table())):
        tasks = table_tasks(lines, customers, columns, con, polars)
        print_ratios(f"a table of {name} over {given.rows:,} rows", *tasks, given)
    print(f"\n{calibrate()}")


# --- one customer ------------------------------------------------------------------------------


def one_by_one(count: int) -> tuple[Tasks, str]:
    rng = np.random.default_rng(1)
    days, tiers = rng.integers(0, 200, count).tolist(), rng.integers(0, 4, count).tolist()
    customers = [
        {"last_order_days": day, "tier": TIERS[tier]} for day, tier in zip(days, tiers, strict=True)
    ]
    asks = {"crmcore": compile_condition(ONE, TYPES)}
    asks |= {name: compile_() for name, compile_ in RIVALS.items()}
    expected = [ask(customers[0]) for ask in asks.values()]
    for name, ask in asks.items():
        assert [ask(one) for one in customers] == [asks["crmcore"](one) for one in customers], name
    assert len(set(expected)) == 1

    def loop(ask: Callable[[dict[str, object]], object]) -> Callable[[], None]:
        def run() -> None:
            for customer in customers:
                ask(customer)

        return run

    return {name: loop(ask) for name, ask in asks.items()}, "Python lambda"


# --- columns -----------------------------------------------------------------------------------


def columns_of(customers: Customers) -> dict[str, Column]:
    return {
        name: Column(
            TYPES[name].kind,
            customers.values[name],
            customers.known[name],
            exponent=TYPES[name].exponent,
            categories=TYPES[name].categories,
        )
        for name in FIELDS
    }


def condition_tasks(
    customers: Customers, columns: dict[str, Column], con: object, polars: object
) -> tuple[Tasks, str]:
    rule = compile_condition('count > 9 and tier == "gold"', TYPES)
    tasks: Tasks = {
        "crmcore": lambda: rule.holds_in(columns, len(customers)),
        "NumPy on codes, all known": numpy_condition(customers),
        "NumPy, three-valued": numpy_three_valued(customers),
        "DuckDB": duckdb_condition(con),
        "polars": polars_condition(polars),
    }
    truth = tasks["crmcore"]()
    true, known = tasks["NumPy, three-valued"]()
    assert np.array_equal(truth.true, true)
    assert np.array_equal(truth.known, known)
    assert np.array_equal(truth.true, np.ma.filled(tasks["DuckDB"](), False))
    assert np.array_equal(truth.true, tasks["polars"]().fill_null(False).to_numpy())
    return tasks, "NumPy on codes, all known"


def table_tasks(
    lines: Sequence[Line],
    customers: Customers,
    columns: dict[str, Column],
    con: object,
    polars: object,
) -> tuple[Tasks, str]:
    bound, problems = first_match(lines).bind(TYPES, "table")
    assert bound is not None, problems
    tasks: Tasks = {
        "crmcore": lambda: bound.apply(columns, len(customers))[1],
        "NumPy, by hand": numpy_table(customers, lines),
        "DuckDB": duckdb_table(con, lines),
        "polars": polars_table(polars, lines),
    }
    matched = tasks["crmcore"]()
    for name, task in tasks.items():
        assert np.array_equal(matched, np.asarray(task())), name
    return tasks, "DuckDB"


def first_match(lines: Sequence[Line]) -> FirstMatch:
    def condition(line: Line) -> str:
        day = date(1970, 1, 1) + timedelta(days=line.day)
        spend = f"spend {'>=' if line.at_least else '<'} {line.spend / 100:.2f}"
        tier = f'tier == "{TIERS[line.tier]}"'
        return f'count >= {line.count} and {spend} and {tier} and day >= "{day}"'

    first = [(condition(line), f"row_{row}") for row, line in enumerate(lines)]
    return FirstMatch.model_validate({"first": first, "otherwise": "none"})


# --- measuring ---------------------------------------------------------------------------------


def print_ratios(title: str, tasks: Tasks, base: str, given: argparse.Namespace) -> None:
    """Print medians and their ratios to one of them."""
    times = race(tasks, given.rounds)
    print(f"\n{title}\n\n| tool | median processor ms | x {base} | x crmcore |\n|---|--:|--:|--:|")
    for name, time in times.items():
        ratios = f"{time / times[base]:.2f} | {time / times['crmcore']:.2f}"
        print(f"| {name} | {time * 1e3:.1f} | {ratios} |", flush=True)


def race(tasks: Tasks, rounds: int) -> dict[str, float]:
    """Let all take turns, another one beginning each round; return medians."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    names = list(tasks)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            start = process_time()
            tasks[name]()
            times[name].append(process_time() - start)
    return {name: median(found) for name, found in times.items()}


if __name__ == "__main__":
    main()
