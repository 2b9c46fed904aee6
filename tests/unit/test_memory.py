"""How much memory the whole job takes: what is kept for each customer must not grow back."""

from __future__ import annotations

import tracemalloc
from datetime import date

import numpy as np
import pytest

import crmcore as crm
from crmcore import kernels

ORDERS, CUSTOMERS, UNLISTED = 400_000, 80_000, 80
MOST = 25
"""Bytes an order at the peak, with five orders a customer; 24.3 are taken."""

POLICY = crm.presets.load("classic")
SOURCE = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})


def columns(ids: np.ndarray) -> tuple[dict[str, object], dict[str, object]]:
    """Return orders and customers; a few of those who order are not among the customers."""
    rng = np.random.default_rng(1)
    amounts = rng.integers(1, 10_000, ORDERS)
    amounts[::100] *= -1
    seconds = rng.integers(0, 500 * 86_400, ORDERS).astype("timedelta64[s]")
    orders = {
        "order_id": np.arange(ORDERS),
        "customer_id": ids[rng.integers(0, CUSTOMERS, ORDERS)],
        "placed_at": np.datetime64("2024-01-01", "us") + seconds,
        "amount_minor": amounts,
        "status": crm.Coded((amounts < 0).astype(np.uint8), ["delivered", "returned"]),
    }
    blocked = np.zeros(CUSTOMERS - UNLISTED, np.bool_)
    return orders, {"customer_id": ids[UNLISTED:], "blocked": blocked}


def whole_job(orders: dict[str, object], customers: dict[str, object]) -> crm.Evaluation:
    """Grade everybody; nobody keeps the customers, which are read in the call."""
    table = crm.OrderTable.from_arrays(orders, SOURCE)
    read = crm.CustomerTable.from_arrays
    result = crm.evaluate(POLICY, table, read(customers), as_of=date(2025, 4, 1))
    assert result.ids[0] is not None  # ids are put in a row when first looked at
    return result


@pytest.mark.skipif(
    not kernels.tally.__module__.startswith("crmcore.kernels.compiled"),
    reason="NumPy needs more room while it works",
)
@pytest.mark.parametrize("kind", ["dense", "random64"])
def test_the_whole_job_takes_few_bytes_an_order(kind: str) -> None:
    ids = np.arange(CUSTOMERS)
    if kind == "random64":
        ids = np.random.default_rng(2).integers(0, 2**62, CUSTOMERS)
    given = columns(ids)
    whole_job(*given)  # imports, and what is kept for good
    tracemalloc.start()
    try:
        whole_job(*given)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / ORDERS < MOST
