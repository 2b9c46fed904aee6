"""Messages: what is to be said, before any language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias, Union

from crmcore.columns import Value, floor_decimal

__all__ = ["Label", "Message", "Money", "Parameter", "Voice", "exact_text", "plain"]

Voice: TypeAlias = Literal["staff", "customer"]

_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Label:
    """A name to be worded: of a class, a grade, a score, a fact, a window.

    Examples
    --------
    >>> Label("gold").identifier
    'gold'
    """

    identifier: str


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units, exact; a mean is shown rounded down to the minor unit.

    Examples
    --------
    >>> Money(Fraction(200, 3), "CNY", 2).shown
    Decimal('66.66')
    """

    amount: Decimal | Fraction
    currency: str
    exponent: int

    @property
    def shown(self) -> Decimal:
        """The amount with exactly the digits of the currency."""
        return floor_decimal(Fraction(self.amount), self.exponent)


Parameter: TypeAlias = Union[Value, Label, Money, "Message", tuple["Parameter", ...]]
"""What a template may be given; several are joined as a list."""


@dataclass(frozen=True, slots=True)
class Message:
    """A key and its parameters.

    Parameters
    ----------
    key
        Names a template in every catalogue; its first part is the voice.
    parameters
        By the names that the template uses.

    Examples
    --------
    >>> message = Message("staff.result", {"name": Label("grade"), "value": Label("gold")})
    >>> message.to_dict()["parameters"]
    {'name': 'grade', 'value': 'gold'}
    """

    key: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.key, tuple(self.parameters.items())))

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "key": self.key,
            "parameters": {name: plain(value) for name, value in self.parameters.items()},
        }


def exact_text(value: Fraction) -> str:
    """Return an exact number as text: a decimal of at most six digits, else a fraction.

    Examples
    --------
    >>> exact_text(Fraction(1, 2)), exact_text(Fraction(6, 3)), exact_text(Fraction(-1, 3))
    ('0.5', '2', '-1/3')
    """
    for digits in range(_MOST_DIGITS + 1):
        if 10**digits % value.denominator == 0:
            return f"{floor_decimal(value, digits):f}"
    return str(value)


def plain(value: Parameter) -> object:
    """Return a value as plain data for JSON: dates in ISO form, exact numbers as text.

    Examples
    --------
    >>> plain(date(2025, 6, 30)), plain(Decimal("1500.00")), plain(True)
    ('2025-06-30', '1500.00', True)
    """
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case Fraction():
            return exact_text(value)
        case Label():
            return value.identifier
        case Money():
            return {"amount": f"{value.shown:f}", "currency": value.currency}
        case Message():
            return value.to_dict()
        case tuple():
            return [plain(one) for one in value]
        case _:
            return value
