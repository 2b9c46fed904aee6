"""Findings: what is worth a look in data or results, without being an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crmcore.records.intake import Intake

__all__ = ["Finding", "findings_of_intake"]

# One, and several.
_TEXTS = {
    "scheme_condition_not_met": (
        "ordering customer, fewer than the scheme is meant for",
        "ordering customers, fewer than the scheme is meant for",
    ),
    "as_known_now": (
        "row without a record of what was known when: shown as known now",
        "rows without a record of what was known when: shown as known now",
    ),
    "orders_after_as_of": (
        "order or return after the moment asked for, not counted",
        "orders and returns after the moment asked for, not counted",
    ),
    "unlinked_returns": (
        "return that names no order, taken off the customer's total",
        "returns that name no order, taken off the customer's total",
    ),
    "customers_not_registered": (
        "customer with orders but without a customer record",
        "customers with orders but without a customer record",
    ),
    "ids_of_different_kinds": (
        "customer: orders and customers have ids of different kinds",
        "customers: orders and customers have ids of different kinds",
    ),
    "ambiguous_time": (
        "time that a clock change makes ambiguous, read as the earlier",
        "times that a clock change makes ambiguous, read as the earlier",
    ),
    "nonexistent_time": (
        "time that a clock change skipped, moved forward",
        "times that a clock change skipped, moved forward",
    ),
    "anonymous": (
        "row without customer, in the shop's totals only",
        "rows without customer, in the shop's totals only",
    ),
    "zero_amount": (
        "order of amount zero, which is no sale",
        "orders of amount zero, which are no sales",
    ),
    "return_link_not_found": (
        "return that names an order which the customer does not have",
        "returns that name an order which the customer does not have",
    ),
    "no_line_id": (
        "line without line id: repeated lines cannot be seen",
        "lines without line id: repeated lines cannot be seen",
    ),
    "no_order_id": (
        "row without order id: repeated rows cannot be seen",
        "rows without order id: repeated rows cannot be seen",
    ),
    "excluded": ("row excluded by the source", "rows excluded by the source"),
    "quarantined": ("row set aside", "rows set aside"),
    "collapsed": ("repeated row counted once", "repeated rows counted once"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth a look.

    Parameters
    ----------
    code
        Stable identifier.
    count
        How many rows or customers are concerned.
    reason
        For rows left out: why.

    Examples
    --------
    >>> print(Finding("quarantined", 2, "missing_time"))
    2 rows set aside: missing_time
    """

    code: str
    count: int
    reason: str | None = None

    def __str__(self) -> str:
        one, several = _TEXTS.get(self.code, (self.code.replace("_", " "),) * 2)
        text = f"{self.count:,} {one if self.count == 1 else several}"
        return text if self.reason is None else f"{text}: {self.reason}"


def findings_of_intake(intake: Intake) -> Iterator[Finding]:
    """Return the findings of one reading: rows left out, and notices."""
    for entry in intake.left_out:
        yield Finding(entry.kind, entry.rows, entry.reason)
    for code, count in intake.notices.items():
        yield Finding(code, count)
