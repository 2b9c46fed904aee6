"""Order sets on disk of any size, also far larger than memory.

    python benchmarks/on_disk.py /data/shop --orders 1000000000 --customers 50000000 --ids uuid

writes into the folder

    orders/month=2025-06/00000.parquet   the orders of a UTC month, in files of about 128 MB
    customers/00000.parquet              customer_id, blocked
    manifest.json                        what was asked for, and what there is; written last

Orders have the columns `order_id`, `customer_id`, `placed_us`, `amount_minor` and `status`. Months
are written one after the other, a batch at a time: memory holds one batch, however many orders
there are. The same options give the same rows. Nothing is kept about customers: their ids are
computed from their numbers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from data import FIRST, LAST, STATUS_SHARES, STATUSES, amounts_and_statuses, uuid_texts
from numpy.typing import NDArray
from pyarrow import parquet

Ids = Literal["dense", "random64", "uuid"]
IDS = ("dense", "random64", "uuid")
MONTHS = np.arange(FIRST.astype("M8[M]"), LAST.astype("M8[M]") + 1)
SECOND = np.timedelta64(1, "s")
POSITIVE = np.uint64(2**63 - 1)
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Shop:
    """What is asked for.

    `skew` is 1 where everybody orders as often; with 2, a hundredth of the customers make a tenth
    of the orders. Beside them, the first `heavy` customers make `heavy_share` of the orders.
    """

    orders: int = 10_000_000
    customers: int = 1_000_000
    ids: Ids = "dense"
    order_ids: Ids = "dense"
    skew: float = 2.0
    heavy: int = 0
    heavy_share: float = 0.0
    returns: float = 0.01
    statuses: dict[str, float] = field(
        default_factory=lambda: dict(zip(STATUSES, STATUS_SHARES, strict=True))
    )
    file_mb: float = 128.0
    batch: int = 500_000
    seed: int = 1

    def __post_init__(self) -> None:
        wrong = {
            "orders and customers must be positive": min(self.orders, self.customers) < 1,
            "a batch needs rows, and a file room": self.batch < 1 or self.file_mb <= 0,
            f"ids must be one of {', '.join(IDS)}": not {self.ids, self.order_ids} <= {*IDS},
            "skew must be at least 1": not self.skew >= 1,
            "shares must be from 0 to 1": not all(
                0 <= one <= 1 for one in (self.heavy_share, self.returns, *self.statuses.values())
            ),
            f"statuses must be of {', '.join(STATUSES)}": not {*self.statuses} <= {*STATUSES},
            "the shares of the statuses must add up to 1": abs(sum(self.statuses.values()) - 1)
            > 1e-9,
            "heavy customers and their share go together": (self.heavy > 0)
            != (self.heavy_share > 0),
            "there are fewer customers than heavy ones": self.heavy > self.customers,
        }
        for message, holds in wrong.items():
            if holds:
                raise ValueError(message)

    @property
    def shares(self) -> tuple[float, ...]:
        return tuple(self.statuses.get(name, 0.0) for name in STATUSES)


def write(shop: Shop, folder: Path) -> dict:
    """Write an order set, and return its manifest; one that is there already is not written again.

    Raises FileExistsError where the folder holds anything else.
    """
    if (folder / MANIFEST).exists():
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["asked"] == asdict(shop):
            return manifest
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"the folder holds something else: {folder}")
    totals = Totals()
    files = []
    before = 0
    for month, rows in zip(MONTHS, _rows_by_month(shop), strict=True):
        batches = _orders(shop, month, before, rows, totals)
        files += _write_files(folder, Path("orders") / f"month={month}", batches, shop.file_mb)
        before += rows
    files += _write_files(folder, Path("customers"), _customers(shop, totals), shop.file_mb)
    manifest = {"format": 1, "asked": asdict(shop), "totals": asdict(totals), "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


@dataclass
class Totals:
    """What was written, to compare with what an engine reads."""

    orders: int = 0
    returns: int = 0
    amount_minor: int = 0
    first_us: int | None = None
    last_us: int | None = None
    statuses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    listed_customers: int = 0
    blocked_customers: int = 0

    def add(self, placed: NDArray, amount: NDArray, status: NDArray) -> None:
        self.orders += len(amount)
        self.returns += int(np.count_nonzero(amount < 0))
        self.amount_minor += int(amount.sum())
        first, last = int(placed.min()), int(placed.max())
        self.first_us = first if self.first_us is None else min(self.first_us, first)
        self.last_us = last if self.last_us is None else max(self.last_us, last)
        for name, count in zip(STATUSES, np.bincount(status, minlength=len(STATUSES)), strict=True):
            self.statuses[name] += int(count)


# Orders


def _rows_by_month(shop: Shop) -> list[int]:
    """Divide the orders by the lengths of the months."""
    edges = np.clip(np.append(MONTHS, MONTHS[-1] + 1).astype("M8[s]"), FIRST, LAST)
    ends = np.cumsum(np.diff(edges) / SECOND)
    return np.diff(np.round(shop.orders * ends / ends[-1]).astype(int), prepend=0).tolist()


def _orders(
    shop: Shop, month: np.datetime64, before: int, rows: int, totals: Totals
) -> Iterator[pa.Table]:
    """Yield the orders of a month; their numbers ascend from batch to batch, but not within."""
    low = max(month.astype("M8[us]"), FIRST)
    seconds = int((min((month + 1).astype("M8[us]"), LAST) - low) / SECOND)
    for start in range(0, rows, shop.batch):
        size = min(shop.batch, rows - start)
        rng = np.random.default_rng([shop.seed, before + start])
        placed = (low + rng.integers(0, seconds, size) * SECOND).astype(np.int64)
        amount, status = amounts_and_statuses(rng, size, shop.returns, shop.shares)
        totals.add(placed, amount, status)
        numbers = before + start + rng.permutation(size)
        yield pa.table(
            {
                "order_id": _ids(numbers, shop.order_ids, shop.seed + 1),
                "customer_id": _ids(_buyers(shop, size, rng), shop.ids, shop.seed),
                "placed_us": placed,
                "amount_minor": amount,
                "status": pa.DictionaryArray.from_arrays(
                    pa.array(status.astype(np.int8)), pa.array(STATUSES)
                ),
            }
        )


def _buyers(shop: Shop, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return who ordered, as numbers from 0."""
    ranks = (shop.customers * rng.random(size) ** shop.skew).astype(np.int64)
    heavy = rng.random(size) < shop.heavy_share
    ranks[heavy] = rng.integers(0, max(shop.heavy, 1), np.count_nonzero(heavy))
    # Those who order most have their numbers anywhere: a factor without a common divisor
    # gives each rank a number of its own.
    factor = int(shop.customers * 0.618) | 1
    while gcd(factor, shop.customers) != 1:
        factor += 2
    return ranks * factor % shop.customers


def _ids(numbers: NDArray[np.int64], kind: Ids, seed: int) -> pa.Array:
    """Return the ids of some numbers: different ones for different numbers."""
    if kind == "dense":
        return pa.array(numbers + 1)
    if kind == "random64":
        return pa.array(_mixed(numbers, seed).astype(np.int64))
    halves = [_mixed(numbers, seed + half * 2**32).astype(">u8") for half in (1, 2)]
    raw = np.stack(halves, axis=1).view(np.uint8)
    texts = uuid_texts(raw)
    offsets = np.arange(len(texts) + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(texts))


def _mixed(numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """Scatter numbers over 63 bits; each step can be undone, so no two become one."""
    mixed = numbers.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**63) & POSITIVE
    for shift, factor in ((31, 0x7FB5D329728EA185), (27, 0x01DADEF4BC2DD44D)):
        mixed ^= mixed >> np.uint64(shift)
        mixed = mixed * np.uint64(factor) & POSITIVE
    return mixed ^ mixed >> np.uint64(33)


def _customers(shop: Shop, totals: Totals) -> Iterator[pa.Table]:
    """Yield the list of customers: one in a thousand is not in it, one in two hundred blocked."""
    for start in range(0, shop.customers, shop.batch):
        size = min(shop.batch, shop.customers - start)
        rng = np.random.default_rng([shop.seed, start, 1])
        listed = np.flatnonzero(rng.random(size) >= 0.001)
        blocked = rng.random(len(listed)) < 0.005
        totals.listed_customers += len(listed)
        totals.blocked_customers += int(np.count_nonzero(blocked))
        yield pa.table(
            {"customer_id": _ids(start + listed, shop.ids, shop.seed), "blocked": blocked}
        )


# Files


def _write_files(
    root: Path, folder: Path, batches: Iterator[pa.Table], file_mb: float
) -> Iterator[dict[str, object]]:
    """Write batches, a row group each, and begin another file when one is full."""
    batch = next(batches, None)
    (root / folder).mkdir(parents=True)
    for number in range(10**9):
        if batch is None:
            return
        path, rows = folder / f"{number:05}.parquet", 0
        with (
            pa.OSFile(str(root / path), "wb") as file,
            parquet.ParquetWriter(file, batch.schema) as writer,
        ):
            while batch is not None and file.tell() < file_mb * 2**20:
                writer.write_table(batch)
                rows += len(batch)
                batch = next(batches, None)
        yield {"path": path.as_posix(), "rows": rows, "bytes": (root / path).stat().st_size}


# Reading back


def order_files(folder: Path) -> list[Path]:
    """Return the files of the orders, as the manifest names them."""
    files = json.loads((folder / MANIFEST).read_text())["files"]
    return [folder / file["path"] for file in files if file["path"].startswith("orders/")]


def order_batches(folder: Path, rows: int = 131_072) -> Iterator[pa.RecordBatch]:
    """Yield the orders in batches of at most so many rows."""
    for path in order_files(folder):
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(rows)


# The command


def main() -> None:
    shop, folder = _given()
    manifest = write(shop, folder)
    totals, size = manifest["totals"], sum(file["bytes"] for file in manifest["files"])
    print(f"{totals['orders']:,} orders, {totals['listed_customers']:,} listed customers")
    print(f"{len(manifest['files']):,} files, {size / 2**20:,.0f} MB: {folder}")


def _given() -> tuple[Shop, Path]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="new, or empty")
    helps = {
        "ids": "of customers",
        "order_ids": "of orders",
        "skew": "1: everybody orders as often; 2: few order often",
        "heavy": "a few customers with very many orders",
        "heavy_share": "the share of all orders that these few make",
        "returns": "the share of rows that are returns",
        "file_mb": "a file is closed when it is as large",
        "batch": "rows in memory at a time, and in a row group",
    }
    for one in fields(Shop):
        add = partial(parser.add_argument, f"--{one.name.replace('_', '-')}")
        if one.name == "statuses":
            add(type=_shares, default=Shop().statuses, help="such as paid=0.1,delivered=0.9")
        else:
            choices = IDS if one.type == "Ids" else None
            add(
                type=type(one.default),
                choices=choices,
                default=one.default,
                help=helps.get(one.name),
            )
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    try:
        return Shop(**given), folder
    except ValueError as error:
        parser.error(str(error))


def _shares(text: str) -> dict[str, float]:
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name: float(share) for name, _, share in pairs}


if __name__ == "__main__":
    main()
