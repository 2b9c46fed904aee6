"""Amounts: from whatever a column holds to whole minor units, exactly.

Numbers are integers over a power of ten, in int64 as long as nothing can wrap and in Python
integers from there on, so that one absurd row costs time but never changes another one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.formula import Formula, Product
from crmcore.records.objects import object_array, shortest
from crmcore.records.raw import Raw
from crmcore.records.source import Rounding

__all__ = ["Amounts", "Faults", "Number", "minor_units", "read_amounts", "read_number"]

Faults: TypeAlias = Mapping[str, Mask]
Whole: TypeAlias = "NDArray[np.int64] | NDArray[np.object_]"
Reason: TypeAlias = Literal[
    "missing_amount", "unreadable_amount", "not_finite", "amount_not_exact", "amount_too_large"
]

_LARGEST = 2**63 - 1
_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_LONGEST_TEXT = 100
_MOST_DIGITS = 100
_WIDE = Context(prec=400)
# A double tells decimals of up to 15 digits apart, and whole numbers below 2**53.
_FLOAT_DIGITS = 15
_FLOAT_LARGEST = 10**_FLOAT_DIGITS
_FLOAT_WHOLE = 2**53
_FLOAT_MOST_PLACES = 9


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """Exact decimals, ``values / 10**scale``; 0 in the rows of any of the faults."""

    values: Whole
    scale: int
    faults: Faults


@dataclass(frozen=True, slots=True, eq=False)
class Amounts:
    """Whole minor units, 0 in the rows of any of the faults.

    `converted` marks the rows that were in another currency. `survey` is what one look at the
    values told, where one was taken.
    """

    values: Ints
    faults: Faults
    converted: Mask | None = None
    survey: kernels.Survey | None = None


def read_amounts(
    columns: Mapping[str, Raw], formula: Formula, exponent: int, rounding: Rounding
) -> Amounts:
    """Return amounts in minor units."""
    single = [one for one in formula.products if one.factor == 1 and len(one.columns) == 1]
    plain = len(formula.products) == len(single) == 1
    exact = rounding == "refuse"
    places = exponent if plain and exact else _FLOAT_MOST_PLACES
    numbers = {
        name: read_number(name, columns[name], exponent, places, exact=exact)
        for name in formula.columns
    }
    return minor_units(_total(numbers, formula.products), exponent, rounding)


def read_number(
    name: str, raw: Raw, exponent: int = 0, places: int = _FLOAT_MOST_PLACES, *, exact: bool = True
) -> Number:
    """Return a column as exact decimals.

    Parameters
    ----------
    name, raw
        The column, and its name for messages.
    exponent
        Floats must tell decimals of at least so many places apart.
    places
        Floats are looked at as decimals of at most so many places before anything slower.
    exact
        Whether a float that is no short decimal is a fault; otherwise it counts as the shortest
        decimal that it is nearest to.
    """
    raw = raw.coded(name)
    faults: dict[str, Mask] = {}
    if raw.missing is not None:
        faults["missing_amount"] = raw.missing
    if raw.invalid is not None:
        faults["not_finite"] = raw.invalid
    match raw.kind:
        case "int" | "decimal":
            number = Number(raw.values.astype(np.int64, copy=False), raw.scale, faults)
        case "float":
            number = _floats(raw, exponent, places, faults, exact=exact)
        case "coded":
            number = _coded(raw, exponent, faults, exact=exact)
        case _:
            raise DataError(f"holds {_PLURAL[raw.kind]}, not numbers", column=name)
    return _cleared(number)


_PLURAL = {"bool": "truth values", "time": "times", "date": "dates"}


def _cleared(number: Number) -> Number:
    """Return the number with 0 in the rows of faults."""
    bad = any_of(number.faults)
    if bad is None:
        return number
    return replace(number, values=np.where(bad, 0, number.values))


def any_of(faults: Faults) -> Mask | None:
    """Return the rows of any fault."""
    masks = list(faults.values())
    return np.logical_or.reduce(masks) if masks else None


# Floats


def _floats(
    raw: Raw, exponent: int, places: int, faults: dict[str, Mask], *, exact: bool
) -> Number:
    given = raw.values.astype(np.float64, copy=False)
    bad = any_of(faults)
    values = given if bad is None else np.where(bad, 0.0, given)
    for scale in range(exponent, places + 1):
        nearest = _nearest(values, scale)
        limit = _FLOAT_WHOLE if scale == 0 else _FLOAT_LARGEST
        wrong = (nearest / 10.0**scale != values) | (np.abs(nearest) >= limit)
        if not wrong.any():
            return Number(nearest.astype(np.int64), scale, faults)
        if exact and places == exponent:
            whole = np.where(wrong, 0.0, nearest).astype(np.int64)
            return Number(whole, scale, {**faults, "amount_not_exact": wrong})
    # Some need more places than others can have: each distinct value is looked at by itself.
    distinct, codes = np.unique(values, return_inverse=True)
    categories = object_array(distinct.tolist())
    return _coded(Raw("coded", codes, categories=categories), exponent, faults, exact=exact)


def _nearest(values: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        nearest: NDArray[np.float64] = values * 10.0**scale
    return np.rint(nearest, out=nearest)


# Text and mixed objects, by distinct value


def _coded(raw: Raw, exponent: int, faults: dict[str, Mask], *, exact: bool) -> Number:
    assert raw.categories is not None
    read = [_decimal(value, exponent, exact=exact) for value in raw.categories.tolist()]
    decimals = [one if isinstance(one, Decimal) else Decimal(0) for one in read]
    scale = max([0, *(-int(one.as_tuple().exponent) for one in decimals)])
    whole = [int(one.scaleb(scale, _WIDE)) for one in decimals]
    values = _whole([*whole, 0])[raw.values]  # the last entry serves code -1
    found = dict(faults)
    for reason in dict.fromkeys(one for one in read if isinstance(one, str)):
        marks = np.array([*(one == reason for one in read), False], np.bool_)[raw.values]
        marks = marks if raw.missing is None else marks & ~raw.missing
        if marks.any():
            found[reason] = _joined(found.get(reason), marks)
    return Number(values, scale, found)


def _decimal(value: object, exponent: int, *, exact: bool) -> Decimal | Reason:
    """Return one distinct value without superfluous zeros, or why that is not possible."""
    match value:
        case bool():
            return "unreadable_amount"
        case str():
            if len(value) > _LONGEST_TEXT or not _PLAIN.fullmatch(value):
                return "unreadable_amount"
            return _short(Decimal(value))
        case int():
            return _short(Decimal(value))
        case Decimal():
            return _short(value) if value.is_finite() else "not_finite"
        case float():
            return _float_decimal(value, exponent, exact=exact)
        case _:
            return "unreadable_amount"


def _short(value: Decimal) -> Decimal | Reason:
    if value and value.adjusted() > _MOST_DIGITS:
        return "amount_too_large"
    value = shortest(value)
    if -int(value.as_tuple().exponent) > _MOST_DIGITS:
        return "amount_not_exact"
    return value


def _float_decimal(value: float, exponent: int, *, exact: bool) -> Decimal | Reason:
    if not math.isfinite(value):
        return "not_finite"
    short = shortest(Decimal(repr(value)))
    places = max(exponent, -int(short.as_tuple().exponent), 0)
    limit = _FLOAT_WHOLE if places == 0 else _FLOAT_LARGEST
    if exact and short.scaleb(places, _WIDE).copy_abs() >= limit:
        return "amount_not_exact"
    return _short(short)


# Arithmetic


def _whole(values: list[int]) -> Whole:
    if all(-_LARGEST <= value <= _LARGEST for value in values):
        return np.array(values, np.int64)
    return np.array(values, np.object_)


def _total(numbers: Mapping[str, Number], products: Sequence[Product]) -> Number:
    terms = [_term([numbers[name] for name in one.columns], one.factor) for one in products]
    scale = max(term.scale for term in terms)
    rows = max(len(number.values) for number in numbers.values())
    values: Whole = terms[0].values if len(terms) == 1 else np.zeros(rows, np.int64)
    for term in terms if len(terms) > 1 else ():
        values = _plus(values, _times(term.values, 10 ** (scale - term.scale)))
    return _cleared(Number(values, scale, _all_faults(numbers.values())))


def _all_faults(numbers: Iterable[Number]) -> Faults:
    faults: dict[str, Mask] = {}
    for number in numbers:
        for reason, mask in number.faults.items():
            faults[reason] = _joined(faults.get(reason), mask)
    return faults


def _term(numbers: Sequence[Number], factor: Decimal) -> Number:
    places = max(0, -int(factor.as_tuple().exponent))
    whole = int(factor.scaleb(places, _WIDE))
    if not numbers:
        return Number(_whole([whole]), places, {})
    values = numbers[0].values if whole == 1 else _times(numbers[0].values, whole)
    for number in numbers[1:]:
        values = _times(values, number.values)
    return Number(values, places + sum(number.scale for number in numbers), {})


def _times(one: Whole, other: Whole | int) -> Whole:
    # At least 1: zeros times a number of more than 64 bits do not fit either.
    if max(_reach(one), 1) * _reach(other) > _LARGEST:
        one = one.astype(np.object_)
    return cast("Whole", one * other)


def _plus(one: Whole, other: Whole) -> Whole:
    if _reach(one) + _reach(other) > _LARGEST:
        one = one.astype(np.object_)
    return cast("Whole", one + other)


def _reach(values: Whole | int) -> int:
    """Return the largest absolute value."""
    if isinstance(values, int):
        return abs(values)
    return max(-int(values.min()), int(values.max()), 0) if len(values) else 0


def minor_units(number: Number, exponent: int, rounding: Rounding) -> Amounts:
    """Return whole numbers of ``10**-exponent``; what cannot be one is 0 and a fault."""
    faults = dict(number.faults)
    if number.scale <= exponent:
        whole = number.values
        if number.scale < exponent:
            whole = _times(whole, 10 ** (exponent - number.scale))
    else:
        whole, rest = _divided(number.values, 10 ** (number.scale - exponent), rounding)
        if rounding == "refuse" and rest.any():
            faults["amount_not_exact"] = _joined(faults.get("amount_not_exact"), rest)
    survey = None if whole.dtype == np.object_ else kernels.survey(cast("Ints", whole), listed=True)
    if (_reach(whole) if survey is None else survey.reach) > _LARGEST:
        beyond = np.asarray((whole > _LARGEST) | (whole < -_LARGEST), np.bool_)
        faults["amount_too_large"] = _joined(faults.get("amount_too_large"), beyond)
    bad = None if len(faults) == len(number.faults) else any_of(faults)
    if bad is not None:
        whole, survey = np.where(bad, 0, whole), None
    return Amounts(whole.astype(np.int64, copy=False), faults, survey=survey)


def _joined(one: Mask | None, other: Mask) -> Mask:
    return other if one is None else one | other


def _divided(values: Whole, divisor: int, rounding: Rounding) -> tuple[Whole, Mask]:
    """Return the rounded quotient, and where something was left over."""
    if divisor > _LARGEST // 2:
        values = values.astype(np.object_)
    down = values // divisor
    rest = values - down * divisor
    up: object = False
    if rounding == "half_even":
        up = (rest * 2 > divisor) | ((rest * 2 == divisor) & (down % 2 == 1))
    elif rounding == "half_up":
        up = (rest * 2 > divisor) | ((rest * 2 == divisor) & (values > 0))
    elif rounding == "down":
        up = (rest > 0) & (values < 0)
    return down + np.asarray(up, np.int64), np.asarray(rest != 0, np.bool_)
