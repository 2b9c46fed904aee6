"""How much memory the whole job takes: what is kept for each customer must not grow back."""

from __future__ import annotations

import subprocess
import sys
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


TALLY = """
from pathlib import Path
import numpy as np
from crmcore import kernels, threads
from crmcore.kernels.plain.tallying import Choice, Measure, Rows

def most():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

groups = 3_000_000
rows = Rows(np.arange(groups, dtype=np.int32), np.zeros(groups, np.int64),
            np.zeros(groups, np.uint8), [np.ones(groups, np.int64)])
measures = [Measure(which, "sum", 0) for which in range(4)]
choices = [Choice(np.ones(1, bool), 0, after, -1) for after in range(4)]
with threads(1):
    kernels.tally(Rows(*[part[:9] for part in (rows.codes, rows.placed, rows.status)],
                       [rows.values[0][:9]]), choices, measures, 9)
    before = most()
    found = kernels.tally(rows, choices, measures, groups)
assert [int(one.sum()) for one in found] == [groups] * 4
print((most() - before) / groups)
"""


@pytest.mark.skipif(
    not kernels.tally.__module__.startswith("crmcore.kernels.compiled"), reason="a table in C"
)
@pytest.mark.skipif(sys.platform != "linux", reason="memory is asked of Linux")
def test_figures_leave_a_table_that_shrinks() -> None:
    """A cell and its results take 64 bytes; together they never do."""
    done = subprocess.run(
        [sys.executable, "-c", TALLY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 31 < float(done.stdout) < 42
