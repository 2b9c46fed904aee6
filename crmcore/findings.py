"""Findings: what is worth a look in data or results, without being an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crmcore.records.intake import Intake

__all__ = ["Finding", "findings_of_intake"]

_TEXTS = {
    "scheme_condition_not_met": "ordering customers, fewer than the scheme is meant for",
    "as_known_now": "the data does not record what was known when: shown as known now",
    "orders_after_as_of": "orders and returns after the moment asked for, not counted",
    "unlinked_returns": "returns that name no order, taken off the customer's total",
    "customers_not_registered": "customers with orders but without a customer record",
    "ids_of_different_kinds": "customers: orders and customers have ids of different kinds",
    "ambiguous_time": "times that a clock change makes ambiguous, read as the earlier",
    "nonexistent_time": "times that a clock change skipped, moved forward",
    "anonymous": "rows without customer, in the shop's totals only",
    "zero_amount": "orders of amount zero, which are no sales",
    "return_link_not_found": "returns that name an order which the customer does not have",
    "no_line_id": "lines without line id: repeated lines cannot be seen",
    "no_order_id": "rows without order id: repeated rows cannot be seen",
    "excluded": "rows excluded by the source",
    "quarantined": "rows set aside",
    "collapsed": "repeated rows counted once",
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
        text = f"{self.count:,} {_TEXTS.get(self.code, self.code.replace('_', ' '))}"
        return text if self.reason is None else f"{text}: {self.reason}"


def findings_of_intake(intake: Intake) -> Iterator[Finding]:
    """Return the findings of one reading: rows left out, and notices."""
    for entry in intake.left_out:
        yield Finding(entry.kind, entry.rows, entry.reason)
    for code, count in intake.notices.items():
        yield Finding(code, count)
