"""The account of a stream: the accounts of its parts, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from crmcore.errors import DataError
from crmcore.evaluation.review import Seen
from crmcore.records.draft import Draft
from crmcore.records.intake import POSITIONS, Intake, LeftOut, LeftOutKind, Month
from crmcore.records.reading import REASONS
from crmcore.records.source import Source

__all__ = ["Account"]

_Why: TypeAlias = tuple[LeftOutKind, str]

_UNUSABLE: tuple[_Why, ...] = tuple(
    ("quarantined", reason) for reason in (*REASONS, "missing_order_id", "bad_id", "bad_version")
)
_SETTLED: tuple[_Why, ...] = (
    ("quarantined", "bad_version"),
    ("quarantined", "conflicting_duplicate"),
    ("collapsed", "duplicate"),
    ("collapsed", "superseded"),
    ("quarantined", "conflicting_order"),
    ("quarantined", "positive_return"),
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
        return _Written.model_validate(self).model_dump_json()

    @classmethod
    def from_json(cls, text: bytes, source: Source) -> Self:
        """Return the account that `to_json` wrote for rows of this source.

        Raises
        ------
        DataError
            Any other text, and figures that no rows come to.
        """
        try:
            given = _Written.model_validate_json(text)
        except ValidationError:
            raise DataError("an account that cannot be read", column="account") from None
        unusable, settled = ([one.entry() for one in of] for of in (given.unusable, given.settled))
        known = (
            {_why(one) for one in unusable} <= {*_unusable(source)}
            and {_why(one) for one in settled} <= {*_SETTLED}
            and given.notices.keys() <= {*_NOTICES}
        )
        if not known:
            raise DataError("an account with reasons that there are not", column="account")
        seen = Seen(**dict(given.seen))
        return cls(given.rows, given.kept, unusable, settled, Counter(given.notices), seen)

    def intake(self, source: Source, unused: Sequence[str]) -> Intake:
        """Return the account as one reading of all rows gives it."""
        left_out = (
            *_in_order(self.unusable, _unusable(source)),
            *_in_order(self.settled, _SETTLED),
        )
        notices = {name: self.notices[name] for name in _NOTICES if name in self.notices}
        return Intake(self.rows, self.kept, left_out, notices, tuple(unused))


class _Node(BaseModel):
    """Of an account as text: what else there is, and what is of another type, is refused."""

    model_config = ConfigDict(strict=True, extra="forbid", from_attributes=True)


class _Entry(_Node):
    kind: LeftOutKind
    reason: str
    rows: PositiveInt
    amount_minor: int
    unreadable: NonNegativeInt
    by_month: dict[
        Annotated[str, Field(pattern="^([0-9]{4}-(0[1-9]|1[0-2])|unknown)$")],
        tuple[PositiveInt, int],
    ]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        rows, money = (
            sum(figures) for figures in zip((0, 0), *self.by_month.values(), strict=True)
        )
        if (rows, money) != (self.rows, self.amount_minor) or self.unreadable > self.rows:
            raise ValueError("months that do not add up")
        return self

    def entry(self) -> LeftOut:
        return LeftOut(**dict(self), positions=())


class _Seen(_Node):
    rows: NonNegativeInt
    late: NonNegativeInt
    unlinked: NonNegativeInt
    ordering: NonNegativeInt


class _Written(_Node):
    """An account as text."""

    rows: NonNegativeInt
    kept: NonNegativeInt
    unusable: list[_Entry]
    settled: list[_Entry]
    notices: Annotated[
        dict[str, NonNegativeInt], AfterValidator(lambda given: dict(sorted(given.items())))
    ]
    seen: _Seen

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.rows != self.kept + sum(one.rows for one in (*self.unusable, *self.settled)):
            raise ValueError("rows that do not add up")
        return self


def _unusable(source: Source) -> list[_Why]:
    """Return why rows of a source may be of no use, in the order of an account."""
    excluded = dict.fromkeys(entry.reason for entry in source.exclude)
    return [*(("excluded", reason) for reason in excluded), *_UNUSABLE]


def _why(entry: LeftOut) -> _Why:
    return entry.kind, entry.reason


def _in_order(entries: Iterable[LeftOut], order: Iterable[_Why]) -> list[LeftOut]:
    found = {_why(entry): entry for entry in entries}
    return [found[why] for why in order if why in found]


def _added(entries: Iterable[LeftOut]) -> list[LeftOut]:
    """Add up the entries of each reason, whose order is then that of their names."""
    found: dict[_Why, LeftOut] = {}
    for entry in entries:
        why = _why(entry)
        found[why] = _sum(found[why], entry) if why in found else entry
    return [found[why] for why in sorted(found)]


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
