"""One customer with 20 orders, as in a web request: evaluate, and explain.

    python benchmarks/one_customer.py

Prints medians beside the calibration loop. The policy is loaded once, as a host does; building
the tables from the models belongs to the time of `evaluate_customer`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from statistics import median, quantiles
from time import perf_counter

from calibration import calibrate

import crmcore as crm

AS_OF = date(2025, 6, 30)
ORDERS = 20
DAYS_APART = 25


def main() -> None:
    parser = argparse.ArgumentParser(description="One customer with 20 orders.")
    parser.add_argument("--rounds", type=int, default=500)
    rounds = parser.parse_args().rounds
    policy = crm.presets.load("classic")
    customer = crm.Customer(customer_id="C-17")
    orders = make_orders()
    result = crm.evaluate_customer(policy, customer, orders, as_of=AS_OF)
    tasks = {
        "evaluate_customer": lambda: crm.evaluate_customer(policy, customer, orders, as_of=AS_OF),
        "explain its result": lambda: result.explain("C-17"),
        "explain, as text": lambda: str(result.explain("C-17")),
        "models of the orders": make_orders,
        "load the policy": lambda: crm.presets.load("classic"),
    }
    before = calibrate()
    print("| task | median ms | 9 in 10 under ms |\n|---|--:|--:|")
    for name, task in tasks.items():
        middle, high = times_of(task, rounds)
        print(f"| {name} | {middle * 1e3:.3f} | {high * 1e3:.3f} |")
    print(f"\n{before}\n{calibrate()}")


def make_orders() -> list[crm.Order]:
    """Sales, a cancelled order and a partial return, over a year and more."""
    latest = datetime(2025, 6, 20, 4, tzinfo=UTC)
    orders = [
        crm.Order(
            order_id=number,
            customer_id="C-17",
            placed_at=latest - timedelta(days=DAYS_APART * number),
            amount=Decimal("199.00") + 37 * number,
            status="cancelled" if number == 3 else "delivered",
        )
        for number in range(ORDERS - 1)
    ]
    back = crm.Order(
        order_id=ORDERS,
        customer_id="C-17",
        placed_at=latest,
        amount=Decimal("-50.00"),
        status="returned",
        returns_order_id=2,
    )
    return [*orders, back]


def times_of(task: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the median and the ninth decile, in seconds, after a warm-up."""
    for _ in range(5):
        task()
    times = []
    for _ in range(rounds):
        start = perf_counter()
        task()
        times.append(perf_counter() - start)
    return median(times), quantiles(times, n=10)[-1]


if __name__ == "__main__":
    main()
