"""Cost of the whole job against size: does twice as much take twice as long?

    python benchmarks/scaling.py --largest 200000000

crmcore alone, at four sizes, each in a process of its own, with twenty orders a customer. A ratio
of 2 beside a doubling is linear.
"""

from __future__ import annotations

import argparse
import gc
from functools import partial
from statistics import median
from time import perf_counter

from calibration import calibrate
from data import AS_OF, make
from job import job_of
from memory import apart, peak_beyond_input
from ours import prepare, run

HALVINGS = (8, 4, 2, 1)
ORDERS_A_CUSTOMER = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--largest", type=int, default=40_000_000, help="orders of the largest size"
    )
    parser.add_argument("--ids", choices=["dense", "random64", "uuid", "string"], default="dense")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(calibrate(), flush=True)
    print("\n| orders | customers | s | ratio | ns an order | peak bytes an order |")
    print("|--:|--:|--:|--:|--:|--:|")
    before = None
    for part in HALVINGS:
        orders = given.largest // part
        time = apart(measured, orders, given.ids, given.rounds)
        peak = peak_beyond_input(partial(form, orders, given.ids), result)
        ratio = f"{time / before:.2f}" if before else ""
        print(
            f"| {orders:,} | {orders // ORDERS_A_CUSTOMER:,} | {time:.3f} | {ratio} "
            f"| {time / orders * 1e9:.0f} | {peak / orders:.1f} |",
            flush=True,
        )
        before = time
    print(f"\n{calibrate()}")


def measured(orders: int, ids: str, rounds: int) -> float:
    """Return the median time of the job, its input made here."""
    given = form(orders, ids)
    return median(_timed(given) for _ in range(rounds))


def _timed(given: object) -> float:
    gc.collect()
    start = perf_counter()
    answer = result(given)
    time = perf_counter() - start
    del answer
    return time


def form(orders: int, ids: str) -> object:
    """Return the raw columns in crmcore's form, after a first small job has loaded everything."""
    result(prepare(make(20_000, 1_000, ids)))
    return prepare(make(orders, orders // ORDERS_A_CUSTOMER, ids))


def result(given: object) -> object:
    return run(given, job_of(AS_OF))


if __name__ == "__main__":
    main()
