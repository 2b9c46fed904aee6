"""Rows on their way from what was given to what counts, and the account of those left out."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import Zone
from crmcore.columns import Ints, Mask
from crmcore.records.intake import LeftOut, LeftOutKind, left_out, months_of
from crmcore.records.raw import Raw
from crmcore.records.reading import Standard

__all__ = ["Draft", "codes_of", "dense", "first_of_each", "take_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """Rows on their way, where they stood, and what was left out so far.

    Parameters
    ----------
    rows
        The rows that are still there.
    positions
        Where each stood in what was given; ``None``: where it stands now.
    left_out, notices
        The account so far.
    zone
        The zone by whose months the account is kept.
    order, return_of
        The order of each row, and the order that a return names, coded alike; ``None`` where
        nothing needs them.
    until
        Until when each row holds, where several versions of rows are kept.
    """

    rows: Standard
    positions: Ints | None
    left_out: list[LeftOut]
    notices: dict[str, int]
    zone: Zone
    order: Ints | None = None
    return_of: Ints | None = None
    until: Ints | None = None

    def without(self, kind: LeftOutKind, reason: str, mask: Mask) -> Draft:
        """Return the draft without some rows, which are accounted for."""
        if not mask.any():
            return self
        self.account(kind, reason, mask)
        return self.keep(~mask)

    def account(self, kind: LeftOutKind, reason: str, mask: Mask) -> None:
        """Account for some rows without dropping them yet."""
        where = np.flatnonzero(mask)
        if len(where) == 0:
            return
        placed, amounts = self.rows.placed_known, self.rows.amount_known
        months = months_of(self.rows.placed_us[where], self.zone)
        if placed is not None:
            months[~placed[where]] = "unknown"
        self.left_out.append(
            left_out(
                kind,
                reason,
                where if self.positions is None else self.positions[where],
                self.rows.amount_minor[where],
                None if amounts is None else amounts[where],
                months.tolist(),
            )
        )

    def keep(self, rows: Mask | Ints) -> Draft:
        """Return the draft with some of its rows, in the order asked for."""
        positions = np.arange(self.rows.rows) if self.positions is None else self.positions
        return replace(
            self,
            rows=take_rows(self.rows, rows),
            positions=positions[rows],
            order=None if self.order is None else self.order[rows],
            return_of=None if self.return_of is None else self.return_of[rows],
            until=None if self.until is None else self.until[rows],
        )


def take_rows(standard: Standard, rows: Mask | Ints) -> Standard:
    """Return the rows asked for, in that order."""
    taken: dict[str, Any] = {
        field.name: column[rows] if isinstance(column, np.ndarray) else column.take(rows)
        for field in fields(standard)
        if isinstance(column := getattr(standard, field.name), np.ndarray | Raw)
    }
    length = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
    # What was seen of all rows need not hold for these.
    unseen: dict[str, Any] = {"placed_survey": None, "amount_survey": None}
    return replace(standard, rows=length, excluded=(), set_aside=(), **unseen, **taken)


def dense(values: Ints) -> tuple[Ints, int]:
    """Code values to dense integers that may be multiplied; return them and how many there are."""
    codes, distinct = kernels.encode(values)
    return codes.astype(np.int64, copy=False), len(distinct)


def codes_of(column: NDArray[np.generic] | Raw) -> Ints:
    """Code the values of a column; missing is a value like any other."""
    column = column.coded() if isinstance(column, Raw) else column
    values = column.values if isinstance(column, Raw) else column
    codes: Ints = np.unique(values, return_inverse=True)[1].astype(np.int64, copy=False)
    if isinstance(column, Raw) and column.missing is not None:
        codes = np.where(column.missing, 0, codes + 1)
    return codes


def first_of_each(group: Ints, groups: int, known_us: Ints | None) -> Mask:
    """Mark one row of each group: the one known first, then the one given first."""
    position = np.arange(len(group))
    order = position if known_us is None else np.lexsort((position, known_us))
    rank = np.empty(len(group), np.int64)
    rank[order] = position
    marked: Mask = rank == kernels.smallest(group, rank, groups)[group]
    return marked
