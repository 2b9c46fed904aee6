"""Customers in columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import day_number
from crmcore.columns import Codes, Column, Ints, Kind, Mask, label_dtype
from crmcore.errors import DataError
from crmcore.records.draft import codes_of, dense
from crmcore.records.ids import Ids, bad_ids, code_ids, rows_of
from crmcore.records.intake import Intake, LeftOut, LeftOutKind
from crmcore.records.raw import Raw, RawValues, raw_column
from crmcore.records.rows import columns_of_rows

if TYPE_CHECKING:
    from crmcore.records.models import Customer

__all__ = ["CustomerTable"]

# 1 and 0 equal True and False, so the numbers are in here too.
_TRUE: frozenset[object] = frozenset({True, "true", "True", "TRUE", "1", "yes"})
_FALSE: frozenset[object] = frozenset({False, "false", "False", "FALSE", "0", "no"})
_EXPECTED: Mapping[str, str] = {
    "bool": "expected true or false, yes or no, 1 or 0",
    "date": "expected dates such as 2025-06-30",
    "int": "expected whole numbers",
    "float": "expected numbers",
    "text": "expected text",
    "label": "expected text",
}


@dataclass(frozen=True, slots=True, eq=False)
class CustomerTable:
    """Customers and their attributes in columns; make one with a ``from_`` method.

    Parameters
    ----------
    ids
        Distinct ids, ascending.
    raw
        The other columns, in the same order.
    intake
        What became of the rows given.
    positions
        Where each row stood among those given, from 0.

    Examples
    --------
    >>> customers = CustomerTable.from_arrays({"customer_id": ["C2", "C1"], "blocked": [1, 0]})
    >>> customers.ids.tolist(), customers.column("blocked", "bool").to_list()
    (['C1', 'C2'], [False, True])
    """

    ids: Ids
    raw: Mapping[str, Raw]
    intake: Intake
    positions: Codes

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def from_arrays(cls, columns: Mapping[str, RawValues]) -> CustomerTable:
        """Build from one array or list a column, by standard names.

        Rows without a usable id, and rows that contradict each other about one customer, are set
        aside; rows that repeat each other count once.
        """
        return cls.from_raw({name: raw_column(name, given) for name, given in columns.items()})

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Sequence[object] | Mapping[str, object]],
        *,
        columns: Sequence[str] | None = None,
    ) -> CustomerTable:
        """Build from tuples (name their `columns`) or mappings, such as a database cursor."""
        return cls.from_arrays(columns_of_rows(rows, columns))

    @classmethod
    def from_frame(cls, frame: object) -> CustomerTable:
        """Build from any frame or Arrow stream. Needs the extra ``crmcore[frames]``."""
        from crmcore.records.arrow import raw_columns

        return cls.from_raw(raw_columns(frame))

    @classmethod
    def from_models(cls, customers: Iterable[Customer]) -> CustomerTable:
        """Build from `Customer` models."""
        from crmcore.records.models import columns_of_customers

        return cls.from_arrays(columns_of_customers(customers))

    @classmethod
    def from_raw(cls, raw: Mapping[str, Raw]) -> CustomerTable:
        """Build from raw columns; every other constructor ends here."""
        if "customer_id" not in raw:
            raise DataError("no customer ids", column="customer_id")
        lengths = {len(column) for column in raw.values()}
        if len(lengths) > 1:
            raise DataError("columns differ in length")
        given = dict(raw)
        ids = given.pop("customer_id")
        left_out: list[LeftOut] = []
        rows = _usable(ids, left_out)
        codes, names = code_ids(ids if rows is None else ids.take(rows), "customer_id")
        if len(names) < len(codes):
            rows = np.arange(len(ids)) if rows is None else rows
            clash, repeat = _repeats(codes, [column.take(rows) for column in given.values()])
            _leave_out(left_out, "quarantined", "conflicting_duplicate", rows[clash])
            _leave_out(left_out, "collapsed", "duplicate", rows[repeat])
            single = ~(clash | repeat)
            rows, codes = rows[single], codes[single]
        places = rows_of(codes, len(names))
        there = places >= 0
        if not there.all():
            names, places = names.take(there), places[there]
        positions = places if rows is None else rows[places]
        return cls(
            names,
            {name: column.take(positions) for name, column in given.items()},
            Intake(len(ids), len(positions), tuple(left_out)),
            positions,
        )

    def take(self, rows: Ints, ids: Ids) -> CustomerTable:
        """Return some of the rows under other ids, which must be ascending."""
        raw = {name: column.take(rows) for name, column in self.raw.items()}
        return CustomerTable(ids, raw, self.intake, self.positions[rows])

    def __repr__(self) -> str:
        return f"CustomerTable({len(self)} customers)"

    def column(self, name: str, kind: Kind) -> Column | None:
        """Return a column as the kind asked for, ``None`` when there is no such column.

        Raises
        ------
        DataError
            When the column holds something else.
        """
        raw = self.raw.get(name)
        if raw is None:
            return None
        try:
            return _column(name, raw, kind)
        except _WrongError as wrong:
            found = np.sort(self.positions[wrong.where])
            raise DataError(
                wrong.expected, column=name, count=len(found), positions=found[:5].tolist()
            ) from None


class _WrongError(Exception):
    """Rows of a column, in the order of the table, do not hold what is expected."""

    def __init__(self, expected: str, where: Mask) -> None:
        super().__init__(expected)
        self.expected, self.where = expected, where


def _usable(ids: Raw, left_out: list[LeftOut]) -> Ints | None:
    """Return the rows with an id, ``None`` for all of them, and account for the others."""
    unusable: Mask | None = None
    for reason, mask in (
        ("missing_customer_id", ids.missing),
        ("bad_id", bad_ids(ids, "customer_id")),
    ):
        if mask is not None:
            _leave_out(left_out, "quarantined", reason, np.flatnonzero(mask))
            unusable = mask if unusable is None else unusable | mask
    return None if unusable is None else np.flatnonzero(~unusable)


def _leave_out(entries: list[LeftOut], kind: LeftOutKind, reason: str, rows: Ints) -> None:
    if len(rows):
        positions = tuple(rows[:5].tolist())
        entries.append(LeftOut(kind, reason, len(rows), 0, len(rows), positions, {}))


def _repeats(codes: Codes, columns: Sequence[Raw]) -> tuple[Mask, Mask]:
    """Mark rows that contradict another row of their customer, and rows that repeat one."""
    groups = int(codes.max()) + 1
    content = np.zeros(len(codes), np.int64)
    for column in columns:
        values = codes_of(column)
        content, _ = dense(content * (int(values.max()) + 1) + values)
    clash = (kernels.distinct(codes, content, groups) > 1)[codes]
    position = np.arange(len(codes))
    first = kernels.smallest(codes, position, groups)[codes] == position
    return clash, ~first & ~clash


def _column(name: str, raw: Raw, kind: Kind) -> Column:
    missing = raw.missing
    if raw.invalid is not None:
        missing = raw.invalid if missing is None else raw.invalid | missing
    known = None if missing is None else ~missing
    raw = raw.coded(name)
    if raw.kind == "coded":
        return _of_text(raw, kind, known)
    match raw.kind, kind:
        case ("bool", "bool") | ("int", "int") | ("float", "float") | ("date", "date"):
            return Column(kind, raw.values, known)
        case ("int", "bool") if bool(np.isin(raw.values, (0, 1)).all()):
            return Column(kind, raw.values.astype(np.bool_), known)
        case ("int", "float"):
            return Column(kind, raw.values.astype(np.float64), known)
        case ("decimal", "float"):
            return Column(kind, raw.values.astype(np.float64) / 10**raw.scale, known)
        case ("float", "bool") if _is_one_of(raw, known, (0.0, 1.0)):
            return Column(kind, raw.values == 1.0, known)
        case ("float", "int") if _whole(raw, known):
            values = raw.values if known is None else np.where(known, raw.values, 0)
            return Column(kind, values.astype(np.int64), known)
        case ("time", "date") if not raw.aware:
            days = raw.values.astype(np.int64) // 86_400_000_000
            return Column(kind, days, known)
        case ("bool" | "int" | "float" | "decimal" | "date" | "time", _) if (
            known is not None and not known.any()
        ):
            return Column(kind, np.zeros(len(raw), np.int64), known)
    present = np.ones(len(raw), np.bool_) if known is None else known
    if kind == "bool" and raw.kind in ("int", "float"):
        raise _WrongError(_EXPECTED[kind], present & ~np.isin(raw.values, (0, 1)))
    if kind == "int" and raw.kind == "float":
        values = np.where(present, raw.values, 0).astype(np.float64)
        raise _WrongError(_EXPECTED[kind], values != np.floor(values))
    raise _WrongError(
        _EXPECTED.get(kind, f"expected values of type {kind}, not {raw.kind}"), present
    )


def _is_one_of(raw: Raw, known: Mask | None, allowed: Sequence[float]) -> bool:
    values = raw.values if known is None else raw.values[known]
    return bool(np.isin(values, allowed).all())


def _whole(raw: Raw, known: Mask | None) -> bool:
    values = raw.values if known is None else raw.values[known]
    return bool((values == np.floor(values.astype(np.float64))).all())


def _of_text(raw: Raw, kind: Kind, known: Mask | None) -> Column:
    """Return a coded column as text, dates, numbers or truth values, each value read once."""
    assert raw.categories is not None
    codes = raw.values.astype(np.int64)
    items = [None if item == "" else item for item in raw.categories.tolist()]
    read = _READERS.get(kind, _text)
    found = [None if item is None else read(item) for item in items]
    wrong = [item is not None and one is None for item, one in zip(items, found, strict=True)]
    where = np.array([*wrong, False])[codes]
    if where.any() or kind not in _EXPECTED:
        raise _WrongError(_EXPECTED.get(kind, f"expected values of type {kind}"), where)
    match kind:
        case "text":
            texts = np.empty(len(items) + 1, np.object_)
            texts[:-1] = items
            return Column(kind, texts[codes], known)
        case "label":
            known = codes >= 0 if known is None else known & (codes >= 0)
            labels = np.maximum(codes, 0).astype(label_dtype(len(items)))
            return Column(kind, labels, known, categories=tuple(map(str, items)))
    dtype = {"bool": np.bool_, "float": np.float64}.get(kind, np.int64)
    values: NDArray[np.generic] = np.array([*(one or 0 for one in found), 0], dtype)
    finite = np.isfinite(values.astype(np.float64))[codes]
    if not finite.all():
        known = finite if known is None else known & finite
    return Column(kind, values[codes], known)


def _text(item: object) -> object:
    return item if isinstance(item, str) else None


def _truth(item: object) -> bool | None:
    return item in _TRUE if item in _TRUE | _FALSE else None


def _day(item: object) -> int | None:
    try:
        return day_number(date.fromisoformat(str(item)))
    except ValueError:
        return None


def _int(item: object) -> int | None:
    try:
        return int(np.int64(int(str(item))))
    except (ValueError, OverflowError):
        return None


def _float(item: object) -> float | None:
    try:
        return float(str(item))
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[object], object]] = {
    "bool": _truth,
    "date": _day,
    "int": _int,
    "float": _float,
}
