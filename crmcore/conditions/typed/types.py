"""What a field or an expression holds: its kind, its dimension and the values it can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from crmcore.calendars.zones import DAY_US, FIRST_INSTANT, LAST_DAY, LAST_INSTANT
from crmcore.columns import Kind

__all__ = [
    "EXACT",
    "FIRST_DAY",
    "GIVEN",
    "LAST_DAY",
    "MAX_DIVISOR",
    "FieldType",
    "a_field",
    "alike",
]

EXACT: Final = frozenset(["int", "money", "ratio"])
"""The kinds of exact numbers."""
FIRST_DAY: Final = date(1, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
"""The first day a calculation may give, counted from 1970-01-01; `LAST_DAY` is the last."""
MAX_DIVISOR: Final = 2**31 - 1
"""The greatest divisor of a ratio that is a field."""

_MAX_INT: Final = 2**31 - 1
_MAX_MONEY: Final = 10**15 - 1


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a field or an expression holds, known before there is any data.

    Parameters
    ----------
    kind
        The kind of its column.
    exponent
        For ``money`` and ``ratio``: decimal digits of the minor unit.
    categories
        For ``label``: every label it can have, lowest first where `ordered`; empty when only the
        data can tell, and then any label may be asked for.
    ordered
        For ``label``: whether ``<`` has a meaning.
    personal
        Whether explanations hide its value.
    nullable
        Whether its value may be missing.
    low, high
        The least and the greatest value it can have, in its own integer unit: whole numbers,
        minor units, days or microseconds since 1970-01-01; of a ratio, the numerator. ``None``
        means the usual one, see `domain`.
    amount
        For ``ratio``: whether it is an amount of money; so in any case with an exponent above 0.
    divisor
        For ``ratio``: the greatest divisor; the least is 1.

    Examples
    --------
    >>> FieldType("int", low=0).domain
    (0, 2147483647)
    """

    kind: Kind
    exponent: int = 0
    categories: tuple[str, ...] = ()
    ordered: bool = False
    personal: bool = False
    nullable: bool = True
    low: int | None = None
    high: int | None = None
    amount: bool = False
    divisor: int | None = None

    def __post_init__(self) -> None:
        if self.kind == "money" or (self.kind == "ratio" and self.exponent > 0):
            object.__setattr__(self, "amount", True)

    @property
    def is_exact(self) -> bool:
        """Whether it is an exact number: whole, money or a ratio."""
        return self.kind in EXACT

    @property
    def domain(self) -> tuple[int, int]:
        """The least and the greatest value, in the integer unit of `low` and `high`.

        Where they are not given: whole numbers of 31 bits, amounts below 10**15 minor units,
        moments from 1677 to 9999; of kinds that are no integers, nothing is said: (0, 0).
        """
        least, greatest = self._usual
        return (
            least if self.low is None else self.low,
            greatest if self.high is None else self.high,
        )

    @property
    def greatest_divisor(self) -> int:
        """The greatest divisor: 1 unless it is a ratio."""
        if self.kind != "ratio":
            return 1
        return MAX_DIVISOR if self.divisor is None else self.divisor

    @property
    def _usual(self) -> tuple[int, int]:
        match self.kind:
            case "date":
                return FIRST_INSTANT // DAY_US, LAST_DAY
            case "instant":
                return FIRST_INSTANT, LAST_INSTANT
            case "int" | "money" | "ratio":
                most = _MAX_MONEY if self.amount else _MAX_INT
                return -most, most
            case _:
                return 0, 0


GIVEN: Final[Mapping[str, FieldType]] = {
    "as_of": FieldType("instant", nullable=False),
    "last_evaluated_at": FieldType("instant"),
}
"""Names that conditions about customers may use beside the fields."""


def alike(left: FieldType, right: FieldType) -> bool:
    """Tell whether two types have one kind and one unit, so that their values compare."""
    if left.is_exact and right.is_exact:
        return (left.amount, left.exponent) == (right.amount, right.exponent)
    return left.kind == right.kind and left.categories == right.categories


def a_field(kind: Kind) -> str:
    """Return the words for a field of that kind, with their article.

    Examples
    --------
    >>> a_field("int"), a_field("text")
    ('an int field', 'a text field')
    """
    return f"{'an' if kind in ('int', 'instant') else 'a'} {kind} field"
