"""Money at the edge: exact decimals in, integer minor units inside, and dated exchange rates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from itertools import pairwise
from math import gcd, lcm
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crmcore.calendars import day_number
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError

__all__ = [
    "Amount",
    "Currency",
    "Rate",
    "Rates",
    "format_minor",
    "parse_minor",
    "to_decimal",
]

Amount: TypeAlias = str | int | Decimal
"""What an exact amount in major units may be written as. Floats are not exact."""

_LARGEST = 2**63 - 1
_WIDE = Context(prec=60)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
# No number worth reading is longer, and longer ones could be made to cost time.
_LONGEST = 100


class Currency(BaseModel):
    """A currency: its code and the number of decimal digits of its minor unit.

    Parameters
    ----------
    code
        Three upper-case letters, as in ISO 4217.
    exponent
        Decimal digits of the minor unit, 0 to 6: 2 for CNY, 0 for JPY.

    Examples
    --------
    >>> Currency(code="CNY", exponent=2)
    Currency(code='CNY', exponent=2)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str = Field(pattern="^[A-Z]{3}$")
    exponent: int = Field(ge=0, le=6, strict=True)


def parse_minor(amount: Amount, exponent: int) -> int:
    """Return an amount of major units in minor units, exactly.

    Text is plain digits with an optional sign and decimal point: no thousands separators, no
    powers of ten, no spaces. Zeros beyond the minor unit are accepted, other digits are not.

    Raises
    ------
    ValueError
        When the amount is written otherwise, is not a whole number of minor units, is NaN or
        infinite, or does not fit 64 bits. The message does not repeat the amount.

    Examples
    --------
    >>> parse_minor("-1500.5", 2), parse_minor(3, 2), parse_minor("1.500", 2)
    (-150050, 300, 150)
    >>> parse_minor("0.005", 2)
    Traceback (most recent call last):
    ...
    ValueError: an amount has more than 2 decimal digits
    """
    value = _exact(amount)
    if not value:
        return 0
    if value.adjusted() > 18:
        raise ValueError("an amount does not fit 64 bits")
    # A tiny number is not written out: its power of ten may be huge.
    tiny = value.adjusted() < -exponent
    over, under = (0, 1) if tiny else value.as_integer_ratio()
    minor, rest = divmod(over * 10**exponent, under)
    if tiny or rest:
        raise ValueError(f"an amount has more than {exponent} decimal digits")
    if not -_LARGEST - 1 <= minor <= _LARGEST:
        raise ValueError("an amount does not fit 64 bits")
    return int(minor)


def _exact(amount: Amount) -> Decimal:
    """Return a finite decimal, read by the rules of `parse_minor`."""
    if isinstance(amount, str):
        if len(amount) > _LONGEST or not _NUMBER.fullmatch(amount):
            raise ValueError("an amount must be written in plain digits, such as '1500.00'")
        return Decimal(amount)
    if isinstance(amount, Decimal):
        if not amount.is_finite():
            raise ValueError("an amount must be finite")
        return amount
    if type(amount) is not int:
        raise ValueError("an amount must be text, a whole number or a Decimal")
    return Decimal(amount)


def to_decimal(minor: int, exponent: int) -> Decimal:
    """Return an amount of minor units in major units, with all its decimal digits.

    Examples
    --------
    >>> to_decimal(150000, 2)
    Decimal('1500.00')
    """
    return Decimal(int(minor)).scaleb(-exponent, _WIDE)


def format_minor(minor: int, exponent: int) -> str:
    """Return an amount of minor units as text that `parse_minor` reads.

    Examples
    --------
    >>> format_minor(-5, 2)
    '-0.05'
    """
    return f"{to_decimal(minor, exponent):f}"


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a foreign currency is worth, from each day on.

    Parameters
    ----------
    exponent
        Decimal digits of the foreign currency's minor unit.
    since
        Pairs of the first day and the units of the policy's currency for one unit of this one,
        positive and exact (text, a whole number or a Decimal), days ascending. The last one
        holds from its day on; before the first day there is no rate.

    Raises
    ------
    DataError
        When a rate is not a positive exact number, or days do not ascend.

    Examples
    --------
    >>> Rate(exponent=2, since=[(date(2024, 1, 1), "0.79"), (date(2024, 2, 1), "0.8")]).exponent
    2
    """

    exponent: int
    since: Sequence[tuple[date, Amount]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", tuple((day, value) for day, value in self.since))
        if not 0 <= self.exponent <= 6:
            raise DataError("a currency has 0 to 6 decimal digits", column="currency")
        days = [day for day, _ in self.since]
        if not days or any(a >= b for a, b in pairwise(days)):
            raise DataError("exchange rates need days in ascending order", column="currency")
        for _, value in self.since:
            _rate(value)


def _rate(value: Amount) -> Decimal:
    try:
        rate = _exact(value)
    except ValueError as error:
        raise DataError(f"exchange rate: {error}", column="currency") from error
    if rate <= 0 or not -18 <= rate.adjusted() <= 18 or len(rate.as_tuple().digits) > _LONGEST:
        raise DataError("an exchange rate must be a positive number", column="currency")
    return rate


@dataclass(frozen=True, slots=True)
class Rates:
    """Dated exchange rates into the policy's currency, given by the host.

    Parameters
    ----------
    rates
        The `Rate` of each foreign currency, by its code.

    Examples
    --------
    >>> import numpy as np
    >>> from crmcore.calendars import day_number
    >>> rates = Rates({"JPY": Rate(exponent=0, since=[(date(2024, 1, 1), "0.05")])})
    >>> days = np.array([day_number(date(2024, 3, 1))] * 2)
    >>> cny = Currency(code="CNY", exponent=2)
    >>> rates.convert(np.array([1000, 700]), np.array([0, 1]), ("JPY", "CNY"), days, cny)
    (array([5000,  700]), array([False, False]))
    """

    rates: Mapping[str, Rate]

    def convert(
        self, amounts: Ints, codes: Ints, currencies: Sequence[str], days: Ints, to: Currency
    ) -> tuple[Ints, Mask]:
        """Return amounts in minor units of another currency, rounded half to even.

        Parameters
        ----------
        amounts
            Minor units of each row's own currency.
        codes, currencies
            The currency of each row, as a position in `currencies`.
        days
            The local day of each row, which chooses the rate.
        to
            The currency to convert into; its own rows stay as they are.

        Returns
        -------
        amounts, no_rate
            `no_rate` is True where no rate is given for that currency and day; the amount is 0.

        Raises
        ------
        DataError
            When a converted amount does not fit 64 bits.
        """
        converted = np.zeros_like(amounts)
        no_rate = np.ones(len(amounts), np.bool_)
        for code, currency in enumerate(currencies):
            rows = np.flatnonzero(codes == code)
            if currency == to.code:
                converted[rows], no_rate[rows] = amounts[rows], False
            elif currency in self.rates:
                schedule = _Schedule.of(self.rates[currency], to.exponent)
                rows = rows[days[rows] >= schedule.days[0]]
                converted[rows] = schedule.convert(amounts[rows], days[rows], rows)
                no_rate[rows] = False
        return converted, no_rate


@dataclass(frozen=True, slots=True)
class _Schedule:
    """One currency's rates between minor units: numerators over one common divisor."""

    days: Ints
    numerators: list[int]
    divisor: int

    @classmethod
    def of(cls, rate: Rate, exponent: int) -> _Schedule:
        ratios = [_rate(value).as_integer_ratio() for _, value in rate.since]
        common = lcm(*(under for _, under in ratios))
        numerators = [over * (common // under) * 10**exponent for over, under in ratios]
        divisor = common * 10**rate.exponent
        shared = gcd(divisor, *numerators)
        days = np.array([day_number(day) for day, _ in rate.since], np.int64)
        return cls(days, [one // shared for one in numerators], divisor // shared)

    def convert(self, amounts: Ints, days: Ints, rows: NDArray[np.intp]) -> Ints:
        """Return amounts times the rate of each day; `rows` are for the error only."""
        largest = max(-int(amounts.min(initial=-1)), int(amounts.max(initial=1)))
        fits = max(largest * max(self.numerators), self.divisor) < 2**61
        kind = np.int64 if fits else object
        at = self.days.searchsorted(days, "right") - 1
        product = amounts.astype(kind) * np.array(self.numerators, kind)[at]
        quotient = product // self.divisor
        twice = 2 * (product - quotient * self.divisor)
        rounded = quotient + (twice + quotient % 2 > self.divisor)
        over = np.asarray((rounded > _LARGEST) | (rounded < -_LARGEST - 1), np.bool_)
        if over.any():
            raise DataError(
                "a converted amount does not fit 64 bits",
                column="amount",
                count=int(over.sum()),
                positions=rows[over][:5].tolist(),
            )
        return np.asarray(rounded, np.int64)
