"""The typed form of expressions: nodes that yield one value a row, all literals converted.

A value is known or not; any operation with an operand that is not known is not known, except where
a node says otherwise. How a value is held follows from the `kind` of its `type`:

``int``, ``money``, ``ratio``
    A numerator and a positive divisor, both int64: numerator / divisor whole numbers, or minor
    units of `type.exponent` digits. The divisor is 1 of an ``int`` and of ``money``. They need not
    be in lowest terms. Binding has made sure that no numerator, no divisor and neither product of
    a `BoundSum`, `BoundProduct` or `BoundDivide` leaves int64, as long as each field that is
    `BoundField.checked` keeps to its domain. Both operands of a sum have the same unit; so nothing
    is ever scaled while it is evaluated.
``float``
    A finite float64; a result that is not finite is not known.
``date``
    Days since 1970-01-01, from 0001-01-01 to 9999-12-31. ``instant``: microseconds since then, UTC.
``label``
    A place in `type.categories`, which are never empty here unless it is a `BoundField` alone.
``bool``, ``text``
    As they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from crmcore.calendars import Zone
from crmcore.columns import Value
from crmcore.conditions.typed.literals import Edge
from crmcore.conditions.typed.types import FieldType

if TYPE_CHECKING:
    from crmcore.conditions.typed.bound import Bound

__all__ = [
    "BoundBand",
    "BoundCase",
    "BoundDays",
    "BoundDivide",
    "BoundField",
    "BoundLiteral",
    "BoundProduct",
    "BoundShift",
    "BoundSum",
    "BoundValue",
    "parts_of",
]


@dataclass(frozen=True, slots=True)
class BoundField:
    """The value of a field.

    With `checked` it takes part in a calculation: a known value outside `type.domain` (of a ratio:
    a numerator outside it, or a divisor outside 1 to `type.greatest_divisor`) refuses the data.
    """

    name: str
    type: FieldType
    checked: bool = False

    @property
    def text(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class BoundLiteral:
    """A literal, converted to its `type`.

    `literal` is a Python value of that kind, as written. `edge` is what is computed with: of exact
    numbers a `Fraction` whose numerator and denominator fit int64 (minor units for money; the
    denominator is 1 unless the kind is ``ratio``); of a date or an instant a whole `Fraction` of
    days or microseconds since 1970-01-01; a finite float; a bool; of a text or a label the `str`
    (a label always is one of `type.categories`).
    """

    text: str
    type: FieldType
    literal: Value
    edge: Edge


@dataclass(frozen=True, slots=True)
class BoundSum:
    """``left + right`` or ``left - right``.

    Exact: (a·d ± c·b) / (b·d) for a/b and c/d. Of floats (a literal is one then): in IEEE double.
    """

    text: str
    op: Literal["+", "-"]
    left: BoundValue
    right: BoundValue
    type: FieldType


@dataclass(frozen=True, slots=True)
class BoundProduct:
    """``left * right``.

    Exact: (a·c) / (b·d); at most one of them is money, and the product then is too. Of floats: in
    IEEE double. Zero times what is not known is not known.
    """

    text: str
    left: BoundValue
    right: BoundValue
    type: FieldType


@dataclass(frozen=True, slots=True)
class BoundDivide:
    """``divide(x, y, z)``: the quotient; where the divisor is known and zero, `zero`.

    Exact: (a·d) / (b·c), with both signs turned where c is negative; the kind is ``ratio``. Of
    floats: in IEEE double. `zero` is of the same type as the whole, or ``None`` for unknown; it is
    the result for a zero divisor even where the dividend is not known.
    """

    text: str
    dividend: BoundValue
    divisor: BoundValue
    zero: BoundLiteral | None
    type: FieldType


@dataclass(frozen=True, slots=True)
class BoundDays:
    """``days_between(start, end)``: local days from the one to the other, end less start; an int.

    Each is a date, or an instant, whose local day is that of `zone` (``Zone.local_days``). `zone`
    is ``None`` only where neither is an instant.
    """

    text: str
    start: BoundValue
    end: BoundValue
    zone: Zone | None
    type: FieldType


@dataclass(frozen=True, slots=True)
class BoundShift:
    """``shift_days(day, count)`` or ``shift_months(day, count)``: the local day, moved; a date.

    `day` is a date, or an instant, whose local day is that of `zone`; `count` is an int, any of
    int64 whose known value keeps ``day + count`` inside int64. Months are calendar months, the day
    clamped to the month's last. A day outside 0001-01-01 to 9999-12-31 is not known.
    """

    text: str
    unit: Literal["days", "months"]
    day: BoundValue
    count: BoundValue
    zone: Zone | None
    type: FieldType


@dataclass(frozen=True, slots=True)
class BoundBand:
    """``band(value, edge: points, …)``: the points of the greatest edge not above the value.

    Below the first edge it is `otherwise`, or not known where that is ``None``. `edges` ascend, in
    the unit of the value's type: ints for ``int``, ``money``, ``date`` and ``instant`` (rounded up,
    which changes nothing for whole numbers; two may be equal then, and the later one counts), a
    `Fraction` for ``ratio``, a float for ``float``. `literals` are the edges as written. An int.
    """

    text: str
    value: BoundValue
    edges: tuple[Edge | int, ...]
    points: tuple[int, ...]
    otherwise: int | None
    literals: tuple[Value, ...]
    type: FieldType


@dataclass(frozen=True, slots=True)
class BoundCase:
    """``case(condition: value, …, else: value)``: the value of the first condition that is true.

    A condition that is unknown is not true. Where none is true it is `otherwise`, or not known
    where that is ``None``. A value that is not known makes the case not known, in its own rows
    only. All values have the kind of the whole, except that where this is ``ratio`` some may be
    ``int`` or ``money`` of the same unit, with a divisor of 1.
    """

    text: str
    rows: tuple[tuple[Bound, BoundValue], ...]
    otherwise: BoundValue | None
    type: FieldType


BoundValue: TypeAlias = (
    BoundField
    | BoundLiteral
    | BoundSum
    | BoundProduct
    | BoundDivide
    | BoundDays
    | BoundShift
    | BoundBand
    | BoundCase
)


def parts_of(value: BoundValue) -> tuple[BoundValue, ...]:
    """Return the values that a value is made of; not the conditions of a case."""
    match value:
        case BoundSum() | BoundProduct():
            return (value.left, value.right)
        case BoundDivide():
            return (value.dividend, value.divisor)
        case BoundDays():
            return (value.start, value.end)
        case BoundShift():
            return (value.day, value.count)
        case BoundBand():
            return (value.value,)
        case BoundCase():
            rows = tuple(row for _, row in value.rows)
            return rows if value.otherwise is None else (*rows, value.otherwise)
        case _:
            return ()
