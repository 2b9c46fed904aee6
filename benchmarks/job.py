"""The job that all contenders do: the classic policy of `crmcore`, written out by hand.

Everything that decides is compared in integers. The edges of local days are made once, with
zoneinfo, and handed to everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from data import Raw
from dateutil.relativedelta import relativedelta

CLASSES = (
    "non_ordering", "malicious", "new", "no_order", "no_sale",
    "bronze", "silver", "gold", "platinum",
)  # fmt: skip
COLUMNS = (
    "customer_id", "recency_points", "frequency_points", "monetary_points",
    "score", "grade", "class",
)  # fmt: skip
THREADS = 2
KEEPS_MEMORY = "BENCHMARK_KEEPS_MEMORY"  # in the environment: freed memory stays
ZONE = ZoneInfo("Asia/Shanghai")
SALE = ("paid", "shipped", "delivered")
WITHDRAWN = ("cancelled", "refused")
FREQUENCY_EDGES = (1, 2, 3, 4, 6)
MONETARY_EDGES = (300_00, 500_00, 1000_00, 2000_00)  # below the first: one point
GRADE_EDGES = (8, 17, 26, 36)
MOST = 2**63 - 1
EARLIEST, LATEST = datetime(1677, 1, 1), datetime(9999, 12, 31)

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Job:
    """When to evaluate: UTC instants, as naive datetimes."""

    start: datetime  # of the period
    end: datetime  # the last microsecond that counts
    recency: tuple[datetime, ...]  # a last sale from then on gets 2, 3, 4, 5 points


def job_of(as_of: date) -> Job:
    months = (12, 7, 4, 3, 1)
    edges = [_first_instant(as_of - relativedelta(months=count)) for count in months]
    end = _first_instant(as_of + timedelta(days=1)) - timedelta(microseconds=1)
    return Job(edges[0], end, tuple(edges[1:]))


def _first_instant(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE).astimezone(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class Contender:
    """One way to do the job; only `run` is measured."""

    tool: str
    phrasing: str
    prepare: Callable[[Raw], object]  # puts the raw columns into the tool's own form
    run: Callable[[object, Job], object]
    columns: Callable[[object], Columns]  # makes the result comparable


def texts(ids: np.ndarray) -> np.ndarray:
    return ids.astype(str) if ids.dtype == object else ids


def refuse_if(bad: bool, reason: str) -> None:
    if bad:
        raise ValueError(reason)


def all_different(ids: np.ndarray) -> bool | None:
    """By marking each number in a bitmap; None where the numbers spread too far for that."""
    lowest, highest = int(ids.min()), int(ids.max())
    if highest - lowest > 16 * len(ids):
        return None
    seen = np.zeros(highest - lowest + 1, bool)
    seen[ids - lowest] = True
    return np.count_nonzero(seen) == len(ids)
