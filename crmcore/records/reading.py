"""From raw columns to standard columns, as a source says.

Every row ends in exactly one place: kept, excluded by one of the source's own filters, or set
aside for one reason. Nothing is repaired or guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Ints, Mask
from crmcore.money import Rates
from crmcore.records.amounts import Faults, any_of, minor_units, read_number
from crmcore.records.currencies import read_money
from crmcore.records.filters import meets
from crmcore.records.instants import Instants, read_instants
from crmcore.records.lookup import Lookup
from crmcore.records.raw import Raw
from crmcore.records.source import STATUSES, Source
from crmcore.records.statuses import read_statuses

__all__ = ["REASONS", "SINCE_EVER", "STATUSES", "SetAside", "Standard", "standardise"]

REASONS: Final = (
    "missing_time",
    "unreadable_time",
    "time_out_of_range",
    "missing_amount",
    "unreadable_amount",
    "not_finite",
    "amount_not_exact",
    "amount_too_large",
    "other_currency",
    "missing_status",
    "unknown_status",
    "unreadable_quantity",
)
"""Why a row may be set aside here; a row with several reasons counts under the first."""

SINCE_EVER: Final = -(2**63)
_OTHER_TIMES: Final = ("status_at", "known_at")
_PASSED_ON = (
    "currency",
    "order_id",
    "customer_id",
    "line_id",
    "returns_order_id",
    "product_id",
    "category",
    "channel",
    "promotion",
    "version",
)


@dataclass(frozen=True, slots=True, eq=False)
class SetAside:
    """Rows left out for one reason.

    Parameters
    ----------
    reason
        Why: one of `REASONS`, or for excluded rows the reason that the source states.
    rows
        True for the rows concerned.
    """

    reason: str
    rows: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """Standard columns, one value a row, in the order given.

    Each row is in at most one mask of `excluded` and `set_aside` together. In such a row the
    columns mean nothing, except the time and the amount where `placed_known` and `amount_known`
    hold; unknown ones are 0.

    Parameters
    ----------
    rows
        Number of rows given.
    placed_us, placed_known
        Instants, UTC microseconds, and where they could be read (``None``: everywhere).
    amount_minor, amount_known
        Amounts in minor units of the source's currency, those in another one converted, and
        where that could be done (``None``: everywhere).
    placed_survey, amount_survey
        What one look at these columns told, where one was taken.
    order_id, customer_id, line_id, returns_order_id, product_id, category, channel, promotion
        As given; ``None`` when there is no such column.
    currency
        As given, where there is such a column.
    version
        As given.
    status
        Codes into `STATUSES`; ``None`` when nothing says the status.
    status_us
        Since when the status holds; `SINCE_EVER` where that is not stated.
    known_us
        When the row became known.
    quantity, quantity_known
        Whole numbers, and where one is stated (``None``: everywhere).
    excluded
        Rows that the source filters out, by its own reasons.
    set_aside
        Rows that could not be read, by reasons from `REASONS`.
    notices
        Counts of what was kept but deserves a look: ``ambiguous_time``, ``nonexistent_time``,
        ``converted_currency``.
    unused
        Names of the columns given that nothing reads.
    """

    rows: int
    placed_us: Ints
    amount_minor: Ints
    placed_known: Mask | None = None
    amount_known: Mask | None = None
    placed_survey: kernels.Survey | None = None
    amount_survey: kernels.Survey | None = None
    order_id: Raw | None = None
    customer_id: Raw | None = None
    line_id: Raw | None = None
    returns_order_id: Raw | None = None
    product_id: Raw | None = None
    category: Raw | None = None
    channel: Raw | None = None
    promotion: Raw | None = None
    version: Raw | None = None
    currency: Raw | None = None
    status: NDArray[np.uint8] | None = None
    status_us: Ints | None = None
    known_us: Ints | None = None
    quantity: Ints | None = None
    quantity_known: Mask | None = None
    excluded: tuple[SetAside, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    notices: Mapping[str, int] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    def kept(self) -> Mask | None:
        """Return True for the rows neither excluded nor set aside; ``None`` when all are kept."""
        masks = [entry.rows for entry in (*self.excluded, *self.set_aside)]
        return ~np.logical_or.reduce(masks) if masks else None


def standardise(raw: Mapping[str, Raw], source: Source, *, rates: Rates | None = None) -> Standard:
    """Return the standard columns.

    Parameters
    ----------
    raw
        Columns by *their* names, all of one length.
    source
        How to read them.
    rates
        Rates for rows in another currency, chosen by the local day in the source's zone (UTC
        when it names none). Without a rate such rows are set aside.

    Raises
    ------
    DataError
        A column is missing or of a type that cannot hold what it should, lengths differ, times
        have no zone, or a converted amount does not fit 64 bits.

    Examples
    --------
    >>> from crmcore.records.raw import raw_column
    >>> columns = {
    ...     "customer_id": [7, 8],
    ...     "placed_at": ["2025-06-01", "2025-06-02"],
    ...     "amount": ["12.50", "n/a"],
    ... }
    >>> source = Source(currency={"code": "EUR", "exponent": 2}, zone="UTC")
    >>> standard = standardise(
    ...     {name: raw_column(name, values) for name, values in columns.items()}, source
    ... )
    >>> standard.amount_minor.tolist(), [entry.reason for entry in standard.set_aside]
    ([1250, 0], ['unreadable_amount'])
    """
    columns = Lookup(raw, source.columns)
    columns.required("customer_id")
    passed_on = {name: columns.optional(name) for name in _PASSED_ON}
    placed = _instants(columns.required("placed_at"), "placed_at", source)
    status_at, known_at = (_optional_instants(columns, name, source) for name in _OTHER_TIMES)
    money = read_money(columns, source, rates, placed.values)
    status, unclear = read_statuses(columns, source.status)
    quantity = _quantity(columns)

    account = _Account()
    excluded = account.enter(_exclusions(columns, source))
    faults = [placed.faults, money.faults, unclear, _unless_missing(status_at)]
    faults += [one.faults for one in (known_at, quantity) if one is not None]
    set_aside = account.enter(_in_order(faults))
    looks = {
        "ambiguous_time": placed.ambiguous,
        "nonexistent_time": placed.nonexistent,
        "converted_currency": money.converted,
    }
    return Standard(
        rows=columns.rows,
        placed_us=placed.values,
        amount_minor=money.values,
        placed_known=_all_but(placed.faults),
        amount_known=_all_but(money.faults),
        placed_survey=placed.survey,
        amount_survey=money.survey,
        status=status,
        status_us=None if status_at is None else _since(status_at),
        known_us=None if known_at is None else known_at.values,
        quantity=None if quantity is None else quantity.values,
        quantity_known=None if quantity is None else quantity.known,
        excluded=excluded,
        set_aside=set_aside,
        notices={name: count for name, mask in looks.items() if (count := account.count(mask))},
        unused=columns.unused(),
        **passed_on,
    )


def _instants(raw: Raw, name: str, source: Source) -> Instants:
    return read_instants(name, raw, source.zone, source.time_unit)


def _optional_instants(columns: Lookup, name: str, source: Source) -> Instants | None:
    raw = columns.optional(name)
    return None if raw is None else _instants(raw, name, source)


def _exclusions(columns: Lookup, source: Source) -> Iterator[tuple[str, Mask]]:
    """Return the rows that each filter finds; filters of one reason are put together."""
    found: dict[str, Mask] = {}
    for entry in source.exclude:
        columns.theirs([one.column for one in (entry, *entry.also)], "exclude")
        mask = meets(entry, columns.raw)
        found[entry.reason] = found[entry.reason] | mask if entry.reason in found else mask
    yield from found.items()


@dataclass(frozen=True, slots=True, eq=False)
class _Quantity:
    values: Ints
    known: Mask | None
    faults: Faults


def _quantity(columns: Lookup) -> _Quantity | None:
    """Return whole numbers; a missing one is no fault, one that is not whole is."""
    name = columns.name_of("quantity")
    if name is None:
        return None
    number = read_number("quantity", columns.raw[name])
    whole = minor_units(number, 0, "refuse")
    faults = {reason: mask for reason, mask in whole.faults.items() if reason != "missing_amount"}
    unread = any_of(faults)
    known = _all_but(whole.faults)
    return _Quantity(whole.values, known, {} if unread is None else {"unreadable_quantity": unread})


def _all_but(faults: Faults) -> Mask | None:
    bad = any_of(faults)
    return None if bad is None else ~bad


def _since(status_at: Instants) -> Ints:
    """Return since when statuses hold; one without a time always held."""
    missing = status_at.faults.get("missing_time")
    return status_at.values if missing is None else np.where(missing, SINCE_EVER, status_at.values)


def _unless_missing(times: Instants | None) -> Faults:
    if times is None:
        return {}
    return {reason: mask for reason, mask in times.faults.items() if reason != "missing_time"}


def _in_order(faults: Sequence[Faults]) -> Iterator[tuple[str, Mask]]:
    """Return the rows of each reason, whichever column it comes from, in the order of `REASONS`."""
    for reason in REASONS:
        masks = [one[reason] for one in faults if reason in one]
        if masks:
            yield reason, np.logical_or.reduce(masks)


class _Account:
    """Enters each row left out once, under the first reason that finds it."""

    def __init__(self) -> None:
        self.taken: Mask | None = None

    def enter(self, found: Iterable[tuple[str, Mask]]) -> tuple[SetAside, ...]:
        entries = []
        for reason, given in found:
            mask = given if self.taken is None else given & ~self.taken
            if mask.any():
                entries.append(SetAside(reason, mask))
                self.taken = mask if self.taken is None else self.taken | mask
        return tuple(entries)

    def count(self, mask: Mask | None) -> int:
        """Return how many of the rows that are kept the mask marks."""
        if mask is None:
            return 0
        return int(np.count_nonzero(mask if self.taken is None else mask & ~self.taken))
