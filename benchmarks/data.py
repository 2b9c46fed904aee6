"""Made-up raw columns for the benchmarks: orders of three years and a list of customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

IdKind = Literal["dense", "random64", "uuid", "string"]

AS_OF = date(2025, 6, 30)
STATUSES = ("placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned")
STATUS_SHARES = (0.01, 0.04, 0.06, 0.80, 0.05, 0.01, 0.03)
RETURNED = STATUSES.index("returned")
FIRST = np.datetime64("2022-07-20T00:00:00", "us")
LAST = np.datetime64("2025-07-20T00:00:00", "us")  # some orders come after the evaluation
SLICE = 4_000_000


@dataclass(frozen=True)
class Raw:
    """Raw columns; `customer_row` points into `ids`, so that each contender can be given the
    ids in its own form."""

    order_id: NDArray[np.int64]
    customer_row: NDArray[np.int64]
    placed_at: NDArray[np.datetime64]
    amount_minor: NDArray[np.int64]
    status: NDArray[np.uint8]
    ids: NDArray[np.int64] | NDArray[np.str_]
    listed: NDArray[np.int64]  # rows of `ids` that are in the customer table
    blocked: NDArray[np.bool_]  # beside `listed`

    @property
    def customer_id(self) -> NDArray[np.int64] | NDArray[np.str_]:
        return self.ids[self.customer_row]

    @property
    def listed_id(self) -> NDArray[np.int64] | NDArray[np.str_]:
        return self.ids[self.listed]


def make(orders: int, customers: int, ids: IdKind = "dense", seed: int = 1) -> Raw:
    """Make raw columns.

    Few customers order often; some never do; one in a thousand is not in the customer table.
    One row in a hundred is a return that does not say of which order, one in two thousand is
    worth nothing. Neither rows nor customers stand in any order.
    """
    rng = np.random.default_rng(seed)
    listed = np.flatnonzero(rng.random(customers) >= 0.001)
    rng.shuffle(listed)
    raw = Raw(
        order_id=np.arange(orders),
        customer_row=np.empty(orders, np.int64),
        placed_at=np.empty(orders, "M8[us]"),
        amount_minor=np.empty(orders, np.int64),
        status=np.empty(orders, np.uint8),
        ids=_ids(customers, ids, rng),
        listed=listed,
        blocked=rng.random(len(listed)) < 0.005,
    )
    _number(raw.order_id, rng)
    order_of_appetite = rng.permutation(customers)
    for start in range(0, orders, SLICE):
        _fill(raw, slice(start, min(start + SLICE, orders)), order_of_appetite, rng)
    return raw


def _number(order_id: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Shuffle the numbers 0, 1, 2 …, and leave out a tenth of those that there could be."""
    rng.shuffle(order_id)
    order_id *= 10
    order_id //= 9
    order_id += 10_000_000


def _fill(raw: Raw, part: slice, customers: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Make up some of the rows; in slices, so that little memory is needed beside the columns."""
    rows = part.stop - part.start
    appetite = rng.random(rows)
    raw.customer_row[part] = customers[(len(customers) * appetite * appetite).astype(np.int64)]
    seconds = rng.integers(0, int((LAST - FIRST) / np.timedelta64(1, "s")), rows)
    raw.placed_at[part] = FIRST + (seconds * 1_000_000).astype("timedelta64[us]")
    raw.amount_minor[part], raw.status[part] = amounts_and_statuses(rng, rows)


def amounts_and_statuses(
    rng: np.random.Generator,
    rows: int,
    returns: float = 0.01,
    shares: Sequence[float] = STATUS_SHARES,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Make amounts, mostly small and a few of nothing, and statuses; some rows are returns."""
    amount = (rng.random(rows) ** 4 * 490_000).astype(np.int64) + 1_000
    amount[rng.random(rows) < 0.0005] = 0
    is_return = rng.random(rows) < returns
    amount[is_return] = -(amount[is_return] // 4) - 1
    status = rng.choice(len(STATUSES), rows, p=shares).astype(np.uint8)
    status[is_return] = RETURNED
    return amount, status


def _ids(customers: int, kind: IdKind, rng: np.random.Generator) -> NDArray:
    if kind == "dense":
        return np.arange(1, customers + 1)
    if kind == "random64":
        return _distinct(customers, 2**63 - 1, rng)
    if kind == "uuid":
        # 122 random bits repeat nowhere.
        return uuid_texts(rng.integers(0, 256, (customers, 16), np.uint8)).astype("U36")
    return np.char.mod("C-%012d", _distinct(customers, 10**12, rng))


def uuid_texts(raw: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return rows of 16 random bytes as UUIDs, such as ``7f1c2a90-…``."""
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.full((len(raw), 36), ord("-"), np.uint8)
    places = [place for place in range(36) if place not in (8, 13, 18, 23)]
    text[:, places[0::2]] = digits[raw >> 4]
    text[:, places[1::2]] = digits[raw & 15]
    return text.view("S36")[:, 0]


def _distinct(count: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    found = np.unique(rng.integers(1, limit, count + count // 100 + 10))
    return rng.permutation(found)[:count]
