"""A column: values of one kind, and which of them are known.

Every fact, score, grade and attribute of many customers is a `Column`; the pipeline passes
nothing else between its rooms. NaN and NaT never appear in one: what is missing is not *known*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "Column", "Ints", "Kind", "Mask", "Value", "label_dtype", "points_dtype"]

Kind: TypeAlias = Literal[
    "bool", "int", "money", "ratio", "float", "date", "instant", "label", "text"
]
Value: TypeAlias = bool | int | float | Decimal | Fraction | date | datetime | str | None
Mask: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32 | np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_WIDE = Context(prec=60)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Values of one kind for a run of customers, in row order.

    Parameters
    ----------
    kind
        ``bool``; ``int``; ``money`` (int64 minor units); ``ratio`` (exact: `values` over
        `divisor`, in minor units when `exponent` is set); ``float``; ``date`` (days since
        1970-01-01); ``instant`` (UTC microseconds); ``label`` (codes into `categories`);
        ``text`` (Python strings).
    values
        One value a row. What stands in a row that is not known has no meaning. Numbers are int64
        or float64, but for points and codes of few labels, which may have fewer bits.
    known
        True where the value is known; ``None`` when all are.
    divisor
        Only for ``ratio``: the divisors, positive where the value is known, elsewhere anything.
    exponent
        Only for ``money`` and ``ratio``: decimal digits of the minor unit.
    categories
        Only for ``label``: the labels, lowest first where they are ordered.

    Examples
    --------
    >>> import numpy as np
    >>> column = Column("money", np.array([150000, 0]), np.array([True, False]), exponent=2)
    >>> column[0], column[1], len(column)
    (Decimal('1500.00'), None, 2)
    """

    kind: Kind
    values: NDArray[np.generic]
    known: Mask | None = None
    divisor: Ints | None = None
    exponent: int = 0
    categories: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> Value:
        """Return one value as a Python object: exact, ``None`` when it is not known."""
        if self.known is not None and not self.known[row]:
            return None
        value: Any = self.values[row] if self.kind == "text" else self.values[row].item()
        match self.kind:
            case "money":
                return _decimal(value, self.exponent)
            case "ratio":
                assert self.divisor is not None
                return Fraction(value, int(self.divisor[row]) * 10**self.exponent)
            case "date":
                return date.fromordinal(_EPOCH_DAY + value)
            case "instant":
                return _EPOCH + timedelta(microseconds=value)
            case "label":
                return self.categories[int(value)]
        return cast(Value, value)

    def __iter__(self) -> Iterator[Value]:
        return (self[row] for row in range(len(self)))

    def to_list(self) -> list[Value]:
        """Return all values as Python objects, ``None`` where not known."""
        return list(self)

    def take(self, rows: NDArray[np.integer] | Mask | slice) -> Column:
        """Return the rows asked for, in that order."""
        return Column(
            self.kind,
            self.values[rows],
            None if self.known is None else self.known[rows],
            None if self.divisor is None else self.divisor[rows],
            self.exponent,
            self.categories,
        )

    def is_known(self) -> Mask:
        """Return the mask of known rows, made when all are known."""
        return np.ones(len(self), np.bool_) if self.known is None else self.known


def points_dtype(low: int, high: int) -> type[np.int32] | type[np.int64]:
    """Return the type for points in this range.

    Those of 16 bits stand in 32, so that products with other such numbers fit too.
    """
    return np.int32 if -(2**15) <= low <= high < 2**15 else np.int64


def label_dtype(labels: int) -> type[np.int16] | type[np.int64]:
    """Return the type for codes of so many labels: signed, so that -1 is never a label."""
    return np.int16 if labels <= 2**15 else np.int64


def _decimal(minor: int, exponent: int) -> Decimal:
    return Decimal(minor).scaleb(-exponent, _WIDE)


def floor_decimal(value: Fraction, digits: int) -> Decimal:
    """Return the largest decimal with so many digits that is not above `value`."""
    scaled = value * 10**digits
    return _decimal(int(scaled // 1), digits).quantize(
        Decimal(1).scaleb(-digits), ROUND_FLOOR, _WIDE
    )
