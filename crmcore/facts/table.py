"""Facts saved and given back: also those that somebody else's warehouse worked out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import cast

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import day_number, instant_us
from crmcore.columns import Column, Ints, Mask, label_dtype
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.records.ids import Id, Ids, bad_ids, code_ids, rows_of
from crmcore.records.raw import Raw, RawValues, raw_column

__all__ = ["FactTable", "check_ranges", "read_column"]

_WIDE = Context(prec=60)
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?")
DIVISOR = ".divisor"
"""Ending of the second column of an exact ratio when facts are saved."""


@dataclass(frozen=True, slots=True, eq=False)
class FactTable:
    """One row of facts a customer, in ascending order of customer id.

    Parameters
    ----------
    ids
        Customer ids, distinct and ascending: `Ids`, or any array or list of them.
    columns
        A `Column` for each fact and attribute.
    frame_kind
        The kind of frame they came in, and in which they go out by default.

    Examples
    --------
    >>> from crmcore.conditions import FieldType
    >>> facts = FactTable.from_arrays(
    ...     {"customer_id": ["C1"], "mean_sale": ["300.00"], "sale_count": [5]},
    ...     {"mean_sale": FieldType("ratio", exponent=2), "sale_count": FieldType("int")},
    ... )
    >>> facts.columns["mean_sale"][0], len(facts)
    (Fraction(300, 1), 1)
    """

    ids: Ids
    columns: Mapping[str, Column]
    frame_kind: str = "pyarrow"

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _ascending(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def from_arrays(
        cls, columns: Mapping[str, RawValues], fields: Mapping[str, FieldType]
    ) -> FactTable:
        """Build from one array or list a column, checked against the facts that are declared.

        Money comes as exact decimals or text in major units. An exact mean comes as a decimal, or
        as two whole-number columns as `to_arrays` gives them.

        Raises
        ------
        DataError
            A column is missing or does not hold what the fact is declared to be, a value has more
            digits than the currency, or a customer is missing or repeated.
        """
        raw = {name: raw_column(name, given) for name, given in columns.items()}
        if "customer_id" not in raw:
            raise DataError("no customer ids", column="customer_id")
        ids = raw["customer_id"]
        uneven = [name for name, column in raw.items() if len(column) != len(ids)]
        if uneven:
            raise DataError("columns differ in length", column=uneven[0])
        if ids.missing is not None or bad_ids(ids, "customer_id") is not None:
            raise DataError("facts need a customer id in every row", column="customer_id")
        codes, distinct = code_ids(ids, "customer_id")
        if len(distinct) != len(codes):
            raise DataError("a customer has several rows of facts", column="customer_id")
        order = rows_of(codes, len(distinct))
        _all_there(raw, fields)
        read = {
            name: read_column(name, raw[name], raw.get(name + DIVISOR), field).take(order)
            for name, field in fields.items()
        }
        return cls(distinct, read)

    def checked(self, fields: Mapping[str, FieldType]) -> FactTable:
        """Return the table itself if its columns are what the facts are declared to be.

        Raises
        ------
        DataError
            A fact is missing or of another kind or currency digits.
        """
        _all_there(self.columns, fields)
        for name, field in fields.items():
            column = self.columns[name]
            if (column.kind, column.exponent) != (field.kind, field.exponent):
                raise _wrong(name, field)
        return self

    @classmethod
    def from_frame(cls, frame: object, fields: Mapping[str, FieldType]) -> FactTable:
        """Build from any frame or Arrow stream, checked as by `from_arrays`.

        Needs the extra ``crmcore[frames]``.
        """
        from crmcore.records.arrow import raw_columns
        from crmcore.records.frames import frame_kind

        return replace(cls.from_arrays(raw_columns(frame), fields), frame_kind=frame_kind(frame))

    def to_frame(self, kind: str | None = None) -> object:
        """Return a frame that `from_frame` reads back to the same facts, also after a file.

        Unlike the frame of a result it keeps an exact ratio, as two columns. UUIDs are written as
        text, and come back as text. Where ids of several kinds stand together, all are: a column
        ``customer_id_kind`` tells them apart, but `from_frame` does not read it. Needs the extra
        ``crmcore[frames]``.

        Parameters
        ----------
        kind
            As for `Evaluation.to_frame`: by default the kind that the facts, or the orders
            behind them, came in.
        """
        from crmcore.frames import to_frame

        columns: dict[str, Column] = {}
        for name, column in self.columns.items():
            if column.divisor is None:
                columns[name] = column
                continue
            columns[name] = Column("int", column.values, column.known)
            columns[name + DIVISOR] = Column("int", _divisor(column))
        return to_frame(columns, self.ids, self.frame_kind if kind is None else kind)

    def __repr__(self) -> str:
        return f"FactTable({len(self)} customers)"

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return new arrays that `from_arrays` reads back to the same facts, bit for bit.

        Money is whole minor units over a power of ten as `Decimal`; an exact ratio is two
        columns; labels and text are objects, ``None`` where missing.
        """
        arrays: dict[str, NDArray[np.generic]] = {"customer_id": np.array(self.ids)}
        for name, column in self.columns.items():
            if column.kind == "ratio" and column.divisor is not None:
                arrays[name] = np.ma.masked_array(column.values.copy(), ~column.is_known())
                arrays[name + DIVISOR] = _divisor(column)
            elif column.kind in ("int", "float", "bool"):
                arrays[name] = np.ma.masked_array(column.values.copy(), ~column.is_known())
            else:
                values = np.empty(len(column), np.object_)
                values[:] = column.to_list()
                arrays[name] = values
        return arrays


def _ascending(given: Ids | Iterable[Id]) -> Ids:
    """Return the ids of rows, which have to be in the order of ids already."""
    if isinstance(given, Ids):
        return given
    items = list(given)
    ids = Ids.of(items)
    if ids.tolist() != items:
        message = "ids must be distinct and ascend: numbers, text, UUIDs; or use from_arrays"
        raise DataError(message, column="customer_id")
    return ids


def _divisor(column: Column) -> Ints:
    """Return the divisors of a ratio, 1 where it is not known."""
    return np.where(column.is_known(), cast(Ints, column.divisor), 1)


def check_ranges(columns: Mapping[str, Column], attributes: Mapping[str, FieldType]) -> None:
    """Refuse values beyond the ``min`` and the ``max`` that a policy gives its attributes.

    Raises
    ------
    DataError
        With the attribute, and how many rows have such a value.
    """
    for name, field in attributes.items():
        if field.low is None and field.high is None:
            continue
        column = columns[name]
        values, outside = cast(Ints, column.values), np.zeros(len(column), np.bool_)
        if field.low is not None:
            outside |= values < field.low
        if field.high is not None:
            outside |= values > field.high
        count = int(np.count_nonzero(outside & column.is_known()))
        if count:
            raise DataError("values beyond the policy's min or max", column=name, count=count)


def _all_there(columns: Mapping[str, object], fields: Mapping[str, FieldType]) -> None:
    lacking = sorted(set(fields) - set(columns))
    if lacking:
        raise DataError(f"facts are missing: {', '.join(lacking)}", column=lacking[0])


def read_column(name: str, raw: Raw, divisor: Raw | None, field: FieldType) -> Column:
    """Return a raw column, of a ratio with its divisors, as what it is declared to hold.

    Raises
    ------
    DataError
        It holds something else.
    """
    if divisor is not None and field.kind == "ratio":
        return _pair(name, raw, divisor, field)
    known = None if raw.missing is None else ~raw.missing
    if raw.invalid is not None:
        raise _wrong(name, field, raw.invalid)
    raw = raw.coded(name)
    match field.kind, raw.kind:
        case ("int", "int") | ("bool", "bool") | ("float", "float") | ("date", "date"):
            return Column(field.kind, raw.values, known)
        case ("instant", "time") if raw.aware:
            return Column(field.kind, raw.values, known)
    return _of_objects(name, raw, known, field)


def _pair(name: str, raw: Raw, divisor: Raw, field: FieldType) -> Column:
    nothing = raw.missing is not None and bool(raw.missing.all())
    if divisor.kind != "int" or divisor.missing is not None or not (raw.kind == "int" or nothing):
        raise _wrong(name, field)
    if len(divisor) and int(divisor.values.min()) < 1:
        raise DataError("divisors must be positive", column=name + DIVISOR)
    known = None if raw.missing is None else ~raw.missing
    return Column(
        "ratio",
        raw.values.astype(np.int64, copy=False),
        known,
        divisor.values.astype(np.int64, copy=False),
        field.exponent,
    )


def _of_objects(name: str, raw: Raw, known: Mask | None, field: FieldType) -> Column:
    """Read what has no array form of its own: each distinct value once."""
    if raw.kind not in ("int", "float", "decimal", "coded") and raw.missing is None:
        raise _wrong(name, field)
    values, codes = _distinct(raw)
    if field.kind == "label" and not field.categories:
        field = replace(field, categories=tuple(sorted(map(str, values))))
    try:
        read = [_number(value, field) for value in values]
    except (ValueError, TypeError, ArithmeticError):
        raise _wrong(name, field) from None
    if field.kind == "text":
        texts = np.empty(len(read) + 1, np.object_)
        texts[:-1] = read
        return Column("text", texts[codes], known)
    numbers = [one for one in read if not isinstance(one, str)]
    top = [one.numerator if isinstance(one, Fraction) else one for one in numbers]
    bottom = [one.denominator if isinstance(one, Fraction) else 1 for one in numbers]
    if field.kind != "float" and any(abs(one) > kernels.INT64_MAX for one in (*top, *bottom)):
        raise _wrong(name, field)
    labels = label_dtype(len(field.categories))
    dtypes = {"float": np.float64, "bool": np.bool_, "label": labels}
    dtype = dtypes.get(field.kind, np.int64)
    column: NDArray[np.generic] = np.array([*top, 0], dtype)[codes]
    divisor = np.array([*bottom, 1], np.int64)[codes] if field.kind == "ratio" else None
    return Column(field.kind, column, known, divisor, field.exponent, field.categories)


def _distinct(raw: Raw) -> tuple[list[object], Ints]:
    if raw.kind == "coded":
        assert raw.categories is not None
        codes = raw.values.astype(np.int64)
        if raw.missing is not None:
            codes = np.where(raw.missing, -1, codes)
        used = np.unique(codes[codes >= 0])
        place = np.full(len(raw.categories) + 1, -1, np.int64)
        place[used] = np.arange(len(used))
        items = raw.categories.tolist()
        return [items[at] for at in used.tolist()], place[codes]
    present = np.ones(len(raw), np.bool_) if raw.missing is None else ~raw.missing
    values, inverse = np.unique(raw.values[present], return_inverse=True)
    codes = np.full(len(raw), -1, np.int64)
    codes[present] = inverse
    if raw.kind == "decimal":
        return [_WIDE.scaleb(Decimal(value), -raw.scale) for value in values.tolist()], codes
    return values.tolist(), codes


def _number(value: object, field: FieldType) -> int | float | str | Fraction:
    match field.kind:
        case "money" | "ratio":
            return _exact(value, field)
        case "label":
            return field.categories.index(str(value))
        case "text" if isinstance(value, str):
            return value
        case "bool" if value in ("true", "false"):
            return value == "true"
        case "date" if isinstance(value, str):
            return day_number(date.fromisoformat(value))
        case "instant" if isinstance(value, str):
            return instant_us(datetime.fromisoformat(value))
        case "int":
            return _whole(value)
        case "float":
            return _finite(value)
    raise TypeError


def _whole(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    exact = _exact(value, FieldType("money"))
    assert isinstance(exact, int)  # as money without digits is
    return exact


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | float):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _exact(value: object, field: FieldType) -> int | Fraction:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal | float):
        raise TypeError
    text = repr(value) if isinstance(value, float) else str(value)
    if isinstance(value, Decimal):
        text = f"{value:f}" if abs(value.adjusted()) < 40 else ""
    if not _DECIMAL.fullmatch(text):
        raise ValueError
    number = Fraction(text)
    scaled: Fraction = number * int(10**field.exponent)
    if field.kind == "ratio":
        return scaled
    if scaled.denominator != 1:
        raise ValueError
    return scaled.numerator


def _wrong(name: str, field: FieldType, where: Mask | None = None) -> DataError:
    what = f"{field.kind} with {field.exponent} digits" if field.exponent else field.kind
    count = None if where is None else int(np.count_nonzero(where))
    return DataError(f"not what the column is declared to hold: {what}", column=name, count=count)
