"""What became of the rows given: excluded, set aside, collapsed, and what deserves a look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.calendars import Zone
from crmcore.columns import Ints, Mask

__all__ = ["POSITIONS", "Intake", "LeftOut", "LeftOutKind", "Month", "months_of"]

LeftOutKind: TypeAlias = Literal["excluded", "quarantined", "collapsed"]
Month: TypeAlias = str
"""A calendar month such as ``2025-06``, or ``unknown`` where the row has no readable time."""

POSITIONS = 5


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that were left out for one reason.

    Parameters
    ----------
    kind
        ``excluded`` by the source's own filter, ``quarantined`` because something is wrong with
        the row, or ``collapsed`` into another row that says the same or says it newer.
    reason
        Why, one of a closed list for quarantined and collapsed rows.
    rows, amount_minor, unreadable
        How many rows, their money in minor units, and how many of them have no readable amount.
    positions
        Positions (from 0, in the order given) of the first rows.
    by_month
        Rows and money of each local month.
    """

    kind: LeftOutKind
    reason: str
    rows: int
    amount_minor: int
    unreadable: int
    positions: tuple[int, ...]
    by_month: Mapping[Month, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Intake:
    """The account of one reading: no row is lost.

    Parameters
    ----------
    rows
        Rows given.
    kept
        Rows that became orders and returns (lines, where the rows are lines).
    left_out
        Everything else, by reason.
    notices
        Counts of what was kept but deserves a look.
    unused
        Columns given that nothing reads.

    Examples
    --------
    >>> Intake(rows=3, kept=3).quarantined
    0
    """

    rows: int
    kept: int
    left_out: tuple[LeftOut, ...] = ()
    notices: Mapping[str, int] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def quarantined(self) -> int:
        """Number of rows set aside because something is wrong with them."""
        return sum(entry.rows for entry in self.of("quarantined"))

    def of(self, kind: LeftOutKind) -> Iterator[LeftOut]:
        """Return the entries of one kind."""
        return (entry for entry in self.left_out if entry.kind == kind)


def left_out(
    kind: LeftOutKind,
    reason: str,
    positions: Ints,
    amounts: Ints,
    amount_known: Mask | None,
    months: Sequence[Month],
) -> LeftOut:
    """Account for rows left out, given their positions, amounts and months."""
    known = np.ones(len(positions), np.bool_) if amount_known is None else amount_known
    money = np.where(known, amounts, 0)
    names, codes = np.unique(np.array(months, dtype="U7"), return_inverse=True)
    rows = np.bincount(codes, minlength=len(names))
    return LeftOut(
        kind,
        reason,
        len(positions),
        exact_sum(money),
        int(np.count_nonzero(~known)),
        tuple(np.sort(positions)[:POSITIONS].tolist()),
        {str(name): (int(rows[i]), exact_sum(money[codes == i])) for i, name in enumerate(names)},
    )


def exact_sum(values: Ints) -> int:
    """Return the sum as a Python integer, which cannot wrap."""
    high = int((values >> 32).sum())
    low = int((values & 0xFFFFFFFF).sum())
    return (high << 32) + low


def months_of(instants: Ints, zone: Zone) -> NDArray[np.str_]:
    """Return the local month of each instant."""
    days = zone.local_days(instants).astype("datetime64[D]")
    return days.astype("datetime64[M]").astype("U7")
