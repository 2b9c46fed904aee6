"""Orders on disk that are larger than memory, evaluated in batches.

    python benchmarks/streaming.py --orders 5000000 --customers 500000

Writes Parquet files of so many orders and of ten times as many, of the same customers, and
evaluates each under several plans, in a process of its own. Prints seconds, processor seconds, peak
memory (of the process, and the part of it that is no file mapped into memory), and the most room
taken on disk. Times are printed, never asserted.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pyarrow as pa
from calibration import calibrate
from data import AS_OF, FIRST, LAST, RETURNED, STATUS_SHARES, STATUSES
from memory import Peak, apart, status
from pyarrow import parquet

import crmcore as crm

BATCH = 1_000_000
SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
HOLISTIC = """
extends = "classic"
name = "with_medians"
[facts]
gap_median_days = { of = "sale", take = "median", field = "gap_days" }
"""


def write(path: Path, orders: int, customers: int, repeats: bool) -> None:
    """Write orders batch by batch; ids are dense and in no order within a batch."""
    rng = np.random.default_rng(1)
    writer = None
    for start in range(0, orders, BATCH):
        table = batch(rng, start, min(BATCH, orders - start), customers)
        if repeats and start + BATCH >= orders:
            table = pa.concat_tables([table, table.slice(0, 1000)])
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=BATCH)
    assert writer is not None
    writer.close()


def batch(rng: np.random.Generator, start: int, size: int, customers: int) -> pa.Table:
    appetite = rng.random(size)
    seconds = rng.integers(0, int((LAST - FIRST) / np.timedelta64(1, "s")), size)
    amount = (rng.random(size) ** 4 * 490_000).astype(np.int64) + 1_000
    status = rng.choice(len(STATUSES), size, p=STATUS_SHARES).astype(np.int8)
    back = rng.random(size) < 0.01
    amount[back] = -(amount[back] // 4) - 1
    status[back] = RETURNED
    return pa.table(
        {
            "order_id": start + rng.permutation(size),
            "customer_id": (customers * appetite * appetite).astype(np.int64),
            "placed_at": pa.array(FIRST + (seconds * 1_000_000).astype("m8[us]")),
            "amount_minor": amount,
            "status": pa.DictionaryArray.from_arrays(pa.array(status), pa.array(STATUSES)),
        }
    )


def run(path: Path, policy: str, options: dict[str, object]) -> tuple:
    """Evaluate one file, and return what it took."""
    loaded = crm.load_policy(policy)
    clock, processor = perf_counter(), process_time()
    peak = Peak(Path(str(options["folder"])))
    with peak:
        result = crm.evaluate_batches(loaded, path, SOURCE, as_of=AS_OF, **options)
    return (
        perf_counter() - clock,
        process_time() - processor,
        status("VmHWM"),
        peak.memory,
        peak.disk,
        len(result),
        result.plan.by_order,
        result.plan.by_customer,
    )


PLANS = (
    ("unique ids", "classic", False, {"unique_orders": True}),
    ("ids watched", "classic", False, {}),
    ("by order", "classic", True, {}),
    ("by customer", HOLISTIC, False, {}),
    ("by order, by customer", HOLISTIC, True, {}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000_000)
    parser.add_argument("--customers", type=int, default=500_000)
    parser.add_argument("--memory", type=int, default=1 << 29)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--plans", nargs="*", default=[name for name, *_ in PLANS])
    given = parser.parse_args()
    print(calibrate(), flush=True)
    head = ("plan", "orders", "customers", "s", "cpu s", "RSS MB", "own MB", "disk MB", "ns/order")
    print("  ".join(f"{name:>12}" for name in head))
    for orders in (given.orders, 10 * given.orders):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            for repeats in (False, True):
                chosen = [one for one in PLANS if one[2] is repeats and one[0] in given.plans]
                path = Path(folder) / f"{repeats}.parquet"
                if chosen:
                    write(path, orders, given.customers, repeats)
                for name, policy, _, options in chosen:
                    work = Path(folder) / "work"
                    work.mkdir(exist_ok=True)
                    every = {**options, "memory": given.memory, "folder": str(work)}
                    told = apart(run, path, policy, every)
                    print_line(name, orders, told)
                    assert not list(work.iterdir()), "files are left behind"
    print(calibrate())


def print_line(name: str, orders: int, told: tuple) -> None:
    clock, processor, resident, own, disk, customers, *_ = told
    figures = (
        f"{name:>22}",
        f"{orders:,}",
        f"{customers:,}",
        f"{clock:.1f}",
        f"{processor:.1f}",
        f"{resident / 2**20:,.0f}",
        f"{own / 2**20:,.0f}",
        f"{disk / 2**20:,.0f}",
        f"{clock / orders * 1e9:.0f}",
    )
    print("  ".join(f"{one:>12}" for one in figures), flush=True)


if __name__ == "__main__":
    main()
