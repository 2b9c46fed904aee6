"""The whole job in pandas, and in pandas and NumPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from data import STATUSES, Raw
from job import (
    COLUMNS,
    EARLIEST,
    FREQUENCY_EDGES,
    GRADE_EDGES,
    LATEST,
    MONETARY_EDGES,
    SALE,
    WITHDRAWN,
    Columns,
    Job,
    all_different,
    refuse_if,
    texts,
)

Frames = tuple[pd.DataFrame, pd.DataFrame]


def pandas_frames(raw: Raw) -> Frames:
    text = "str" if raw.ids.dtype.kind == "U" else None
    ids = pd.Series(raw.ids, dtype=text)
    orders = pd.DataFrame(
        {
            "order_id": raw.order_id,
            "customer_id": ids.take(raw.customer_row).reset_index(drop=True),
            "placed_at": raw.placed_at,
            "amount": raw.amount_minor,
            "status": pd.Categorical.from_codes(raw.status, STATUSES),
        }
    )
    listed = ids.take(raw.listed).reset_index(drop=True)
    return orders, pd.DataFrame({"customer_id": listed, "blocked": raw.blocked})


def pandas_checks(orders: pd.DataFrame, customers: pd.DataFrame) -> None:
    missing = any(orders[name].hasnans for name in orders) or customers["customer_id"].hasnans
    refuse_if(missing, "something is missing")
    refuse_if(not pandas_unique(orders["order_id"]), "an order id occurs twice")
    refuse_if(not pandas_unique(customers["customer_id"]), "a customer is listed twice")
    refuse_if(not set(orders["status"].cat.categories) <= set(STATUSES), "unknown status")
    first, last = orders["placed_at"].min(), orders["placed_at"].max()
    refuse_if(first < EARLIEST or last > LATEST, "a time is out of range")
    largest = max(int(orders["amount"].max()), -int(orders["amount"].min()))
    refuse_if(largest * len(orders) > 2**53, "a sum could overflow")  # also exact as floats


def pandas_unique(ids: pd.Series) -> bool:
    """`Series.is_unique` takes twenty times as long."""
    different = all_different(ids.to_numpy()) if ids.dtype == np.int64 else None
    return ids.is_unique if different is None else different


def masks(amount: np.ndarray, status: np.ndarray, placed: np.ndarray, job: Job):
    """Masks of the rows that are orders so far, orders, sales and net value in the period."""
    start, end = np.datetime64(job.start, "us"), np.datetime64(job.end, "us")
    ever = (amount >= 0) & (placed <= end)
    period = (placed >= start) & (placed <= end)
    order = ever & period
    good = np.isin(np.arange(len(STATUSES)), [STATUSES.index(name) for name in SALE])[status]
    valid = ~np.isin(np.arange(len(STATUSES)), [STATUSES.index(name) for name in WITHDRAWN])
    sale = order & good
    net = sale | (period & (amount < 0) & valid[status])
    return ever, order, sale & (amount > 0), net


def recency_of(last: np.ndarray, job: Job) -> np.ndarray:
    return 1 + np.searchsorted(np.array(job.recency, "M8[us]").astype(np.int64), last, "right")


def numpy_points(ids, blocked, ever, orders, sales, net, recency) -> Columns:
    """From figures to points, score, grade and class."""
    some = sales > 0
    frequency = np.searchsorted(FREQUENCY_EDGES, sales, side="right")
    monetary = 1 + sum((net >= edge * sales).astype(np.int8) for edge in MONETARY_EDGES)
    score = np.where(some, recency + 3 * frequency + 4 * monetary, 0)
    grade = np.searchsorted(GRADE_EDGES, score, side="right")
    conditions = [ever == 0, blocked, orders == 0, ~some]
    return {
        "customer_id": ids,
        "recency_points": np.where(some, recency, 0),
        "frequency_points": np.where(some, frequency, 0),
        "monetary_points": np.where(some, monetary, 0),
        "score": score,
        "grade": grade,
        "class": np.select(conditions, [0, 1, 3, 4], grade + 4),
    }


def pandas_one_groupby(frames: Frames, job: Job) -> pd.DataFrame:
    """Every figure a masked column, one groupby over all rows."""
    orders, customers = frames
    pandas_checks(orders, customers)
    amount, placed = orders["amount"].to_numpy(), orders["placed_at"].to_numpy()
    ever, order, sale, net = masks(amount, orders["status"].cat.codes.to_numpy(), placed, job)
    figures = pd.DataFrame(
        {
            "ever": ever,
            "orders": order,
            "sales": sale,
            "net": np.where(net, amount, 0),
            "last": np.where(sale, placed.view(np.int64), 0),
        }
    )
    groups = figures.groupby(orders["customer_id"])
    found = groups[["ever", "orders", "sales", "net"]].sum()
    found["last"] = groups["last"].max()
    return _pandas_result(found, customers, job)


def pandas_period_first(frames: Frames, job: Job) -> pd.DataFrame:
    """A groupby over the rows of the period only, and who ordered at all apart."""
    orders, customers = frames
    pandas_checks(orders, customers)
    amount, placed = orders["amount"].to_numpy(), orders["placed_at"].to_numpy()
    ever, order, sale, net = masks(amount, orders["status"].cat.codes.to_numpy(), placed, job)
    rows = np.flatnonzero(order | net)
    figures = pd.DataFrame(
        {
            "orders": order[rows],
            "sales": sale[rows],
            "net": np.where(net[rows], amount[rows], 0),
            "last": np.where(sale[rows], placed.view(np.int64)[rows], 0),
        }
    )
    groups = figures.groupby(orders["customer_id"].take(rows).to_numpy())
    found = groups[["orders", "sales", "net"]].sum()
    found["last"] = groups["last"].max()
    who = pd.Index(orders["customer_id"].unique())
    ordered = pd.Index(orders["customer_id"][ever].unique())
    found = found.reindex(who, fill_value=0)
    found["ever"] = who.isin(ordered)
    return _pandas_result(found, customers, job)


def _pandas_result(found: pd.DataFrame, customers: pd.DataFrame, job: Job) -> pd.DataFrame:
    blocked = customers.set_index("customer_id")["blocked"]
    ids = found.index.union(blocked.index, sort=True)
    found = found.reindex(ids, fill_value=0)
    flags = blocked.reindex(ids, fill_value=False).to_numpy()
    figures = (found[name].to_numpy() for name in ("ever", "orders", "sales", "net"))
    recency = recency_of(found["last"].to_numpy(), job)
    return pd.DataFrame(numpy_points(ids, flags, *figures, recency))


def pandas_numpy(frames: Frames, job: Job) -> pd.DataFrame:
    """pandas only codes the ids; NumPy counts and adds up by code (exact below 2**53)."""
    orders, customers = frames
    pandas_checks(orders, customers)
    listed, codes, ids = codes_of(customers["customer_id"], orders["customer_id"])
    many = len(ids)
    amount, placed = orders["amount"].to_numpy(), orders["placed_at"].to_numpy()
    ever, order, sale, net = masks(amount, orders["status"].cat.codes.to_numpy(), placed, job)
    ordered, ordered_lately = np.zeros(many, bool), np.zeros(many, bool)
    ordered[codes[ever]] = True
    ordered_lately[codes[order]] = True
    blocked = np.zeros(many, bool)
    blocked[listed] = customers["blocked"]
    rows = np.flatnonzero(sale)
    sellers, when = codes[rows], placed[rows]
    recency = np.ones(many, np.int8)
    for points, edge in enumerate(job.recency, 2):  # the latest edge is written last, and stays
        recency[sellers[when >= np.datetime64(edge, "us")]] = points
    rows = np.flatnonzero(net)
    total = np.bincount(codes[rows], amount[rows], many).astype(np.int64)
    sales = np.bincount(sellers, minlength=many)
    columns = numpy_points(ids, blocked, ordered, ordered_lately, sales, total, recency)
    return pd.DataFrame(columns)


def codes_of(listed: pd.Series, ordering: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code two columns of ids by position among all the ids, ascending."""
    both = pd.concat([listed, ordering], ignore_index=True)
    if both.dtype == np.int64 and both.max() - both.min() < 4 * len(both):
        lowest = both.min()
        codes = both.to_numpy() - lowest
        seen = np.zeros(codes.max() + 1, bool)
        seen[codes] = True
        ids = np.flatnonzero(seen) + lowest
        codes = (np.cumsum(seen) - 1)[codes]
    else:
        codes, ids = pd.factorize(both)
        order = ids.argsort()
        place = np.empty(len(ids), np.int64)
        place[order] = np.arange(len(ids))
        codes, ids = place[codes], ids[order]
    return codes[: len(listed)], codes[len(listed) :], ids


def pandas_columns(result: pd.DataFrame) -> Columns:
    columns = {name: result[name].to_numpy() for name in COLUMNS}
    return columns | {"customer_id": texts(columns["customer_id"])}
