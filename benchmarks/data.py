"""Made-up raw columns for the benchmarks: orders of three years and a list of customers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
from numpy.typing import NDArray

IdKind = Literal["dense", "random64", "string"]

AS_OF = date(2025, 6, 30)
STATUSES = ("placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned")
STATUS_SHARES = (0.01, 0.04, 0.06, 0.80, 0.05, 0.01, 0.03)
RETURNED = STATUSES.index("returned")
FIRST = np.datetime64("2022-07-20T00:00:00", "us")
LAST = np.datetime64("2025-07-20T00:00:00", "us")  # some orders come after the evaluation


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
    appetite = rng.random(orders)
    rows = rng.permutation(customers)[(customers * appetite * appetite).astype(np.int64)]
    seconds = rng.integers(0, int((LAST - FIRST) / np.timedelta64(1, "s")), orders)
    amount = (rng.random(orders) ** 4 * 490_000).astype(np.int64) + 1_000
    amount[rng.random(orders) < 0.0005] = 0
    status = rng.choice(len(STATUSES), orders, p=STATUS_SHARES).astype(np.uint8)
    is_return = rng.random(orders) < 0.01
    amount[is_return] = -(amount[is_return] // 4) - 1
    status[is_return] = RETURNED
    listed = np.flatnonzero(rng.random(customers) >= 0.001)
    rng.shuffle(listed)
    return Raw(
        order_id=10_000_000 + rng.permutation(orders) * 10 // 9,  # a tenth of the numbers unused
        customer_row=rows,
        placed_at=FIRST + (seconds * 1_000_000).astype("timedelta64[us]"),
        amount_minor=amount,
        status=status,
        ids=_ids(customers, ids, rng),
        listed=listed,
        blocked=rng.random(len(listed)) < 0.005,
    )


def _ids(customers: int, kind: IdKind, rng: np.random.Generator) -> NDArray:
    if kind == "dense":
        return np.arange(1, customers + 1)
    if kind == "random64":
        return _distinct(customers, 2**63 - 1, rng)
    return np.char.mod("C-%012d", _distinct(customers, 10**12, rng))


def _distinct(count: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    found = np.unique(rng.integers(1, limit, count + count // 100 + 10))
    return rng.permutation(found)[:count]
