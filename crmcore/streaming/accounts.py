"""The account of a stream: the accounts of its parts, added up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from crmcore.errors import DataError
from crmcore.evaluation.review import Seen
from crmcore.records.draft import Draft
from crmcore.records.intake import POSITIONS, Intake, LeftOut, LeftOutKind, Month
from crmcore.records.reading import REASONS
from crmcore.records.source import Source

__all__ = ["Account"]

_UNUSABLE = (*REASONS, "missing_order_id", "bad_id", "bad_version")
_SETTLED = (
    *("bad_version", "conflicting_duplicate", "duplicate", "superseded"),
    *("conflicting_order", "positive_return"),
)
_NOTICES = (
    *("ambiguous_time", "nonexistent_time", "converted_currency", "no_order_id", "no_line_id"),
    *("zero_amount", "anonymous", "return_link_not_found"),
)
"""In the order in which one reading of all rows gives them."""


@dataclass(slots=True)
class Account:
    """What became of the rows so far; `seen` is what was counted in the orders, where they are."""

    rows: int = 0
    kept: int = 0
    unusable: list[LeftOut] = field(default_factory=list)
    settled: list[LeftOut] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    seen: Seen = field(default_factory=Seen)

    def read(self, rows: int, draft: Draft) -> None:
        """Enter rows read, and those of them that cannot be used."""
        self.rows += rows
        self.unusable = _added(self.unusable + draft.left_out)
        self.notices.update(draft.notices)

    def settle(self, kept: int, draft: Draft) -> None:
        """Enter rows kept, and those that repeat, contradict or supersede others."""
        self.kept += kept
        self.settled = _added(self.settled + draft.left_out)
        self.notices.update(draft.notices)

    @classmethod
    def total(cls, accounts: Iterable[Account]) -> Self:
        """Return the account of all that others account for."""
        total = cls()
        for one in accounts:
            total.rows, total.kept = total.rows + one.rows, total.kept + one.kept
            total.unusable = _added(total.unusable + one.unusable)
            total.settled = _added(total.settled + one.settled)
            total.notices.update(one.notices)
            total.seen += one.seen
        return total

    def to_json(self) -> str:
        """Return the account as text, without positions: those of a part mean nothing elsewhere."""
        given = {
            "rows": self.rows,
            "kept": self.kept,
            "unusable": [asdict(one) for one in self.unusable],
            "settled": [asdict(one) for one in self.settled],
            "notices": self.notices,
            "seen": asdict(self.seen),
        }
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the account that `to_json` wrote; raises `DataError` for any other text."""
        try:
            given: dict[str, Any] = json.loads(text)
            unusable, settled = (
                [_left_out(one) for one in given[name]] for name in ("unusable", "settled")
            )
            notices, seen = Counter(given["notices"]), Seen(**given["seen"])
            return cls(given["rows"], given["kept"], unusable, settled, notices, seen)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DataError("an account that cannot be read", column="account") from None

    def intake(self, source: Source, unused: Sequence[str]) -> Intake:
        """Return the account as one reading of all rows gives it."""
        excluded = dict.fromkeys(entry.reason for entry in source.exclude)
        left_out = (
            *_in_order(self.unusable, "excluded", excluded),
            *_in_order(self.unusable, "quarantined", _UNUSABLE),
            *(one for reason in _SETTLED for one in self.settled if one.reason == reason),
        )
        notices = {name: self.notices[name] for name in _NOTICES if name in self.notices}
        return Intake(self.rows, self.kept, left_out, notices, tuple(unused))


def _in_order(
    entries: Iterable[LeftOut], kind: LeftOutKind, reasons: Iterable[str]
) -> list[LeftOut]:
    found = {entry.reason: entry for entry in entries if entry.kind == kind}
    return [found[reason] for reason in reasons if reason in found]


def _added(entries: Iterable[LeftOut]) -> list[LeftOut]:
    """Add up the entries of each reason."""
    found: dict[tuple[LeftOutKind, str], LeftOut] = {}
    for entry in entries:
        key = entry.kind, entry.reason
        found[key] = _sum(found[key], entry) if key in found else entry
    return list(found.values())


def _left_out(given: dict[str, Any]) -> LeftOut:
    months = {month: (rows, money) for month, (rows, money) in given["by_month"].items()}
    return LeftOut(**{**given, "positions": (), "by_month": months})


def _sum(one: LeftOut, other: LeftOut) -> LeftOut:
    months: dict[Month, tuple[int, int]] = {}
    for month, (rows, money) in (*one.by_month.items(), *other.by_month.items()):
        before = months.get(month, (0, 0))
        months[month] = before[0] + rows, before[1] + money
    return LeftOut(
        one.kind,
        one.reason,
        one.rows + other.rows,
        one.amount_minor + other.amount_minor,
        one.unreadable + other.unreadable,
        tuple(sorted((*one.positions, *other.positions))[:POSITIONS]),
        dict(sorted(months.items())),
    )
