"""Python objects, looked at at C speed: of which families they are, which stand for nothing."""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import reduce
from itertools import count
from typing import Literal, TypeAlias, cast
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask
from crmcore.errors import DataError

__all__ = [
    "ID_FAMILIES",
    "Codes",
    "Families",
    "Objects",
    "absent",
    "factorise",
    "families",
    "keys",
    "object_array",
    "scaled",
    "shortest",
]

Codes: TypeAlias = NDArray[np.integer]
Objects: TypeAlias = NDArray[np.object_]
Family: TypeAlias = Literal[
    "none", "bool", "int", "float", "decimal", "text", "uuid", "time", "date"
]
Families: TypeAlias = dict[type, Family]

ID_FAMILIES: frozenset[Family] = frozenset(
    {"none", "bool", "int", "float", "decimal", "text", "uuid"}
)
# In this order: bool is an int, and datetime is a date.
_BASES: dict[Family, tuple[type, ...]] = {
    "none": (type(None),),
    "bool": (bool, np.bool_),
    "int": (int, np.integer),
    "float": (float, np.floating),
    "decimal": (Decimal,),
    "text": (str,),
    "uuid": (UUID,),
    "time": (datetime,),
    "date": (date,),
}
_ABSENT: dict[Family, Callable[[object], bool]] = {
    "none": lambda _: True,
    "float": cast("Callable[[object], bool]", math.isnan),
    "decimal": cast("Callable[[object], bool]", Decimal.is_nan),
    "text": operator.not_,
}
_MOST_DIGITS = 18
_UNROUNDED = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
_WIDE = Context(prec=60)


def families(name: str, values: Iterable[object]) -> Families:
    """Return the family of each Python type among the values."""
    return {found: _family(name, found) for found in set(map(type, values))}


def _family(name: str, found: type) -> Family:
    if found.__name__ in {"NAType", "NaTType"}:  # pandas; NaT would pass for a datetime
        return "none"
    for family, bases in _BASES.items():
        if issubclass(found, bases):
            return family
    raise DataError(f"values of type {found.__name__} cannot be read", column=name)


def absent(values: list[object], families: Families) -> Mask | None:
    """Return where there is no value: ``None``, NaN, empty text."""
    if _ABSENT.keys().isdisjoint(families.values()):
        return None
    never = ().__contains__
    tests = {found: _ABSENT.get(family, never) for found, family in families.items()}
    marks = map(operator.call, map(tests.__getitem__, map(type, values)), values)
    mask = np.fromiter(marks, np.bool_, len(values))
    return mask if mask.any() else None


def keys(values: list[object], families: Families) -> Iterable[Hashable]:
    """Return what tells the values apart: alone, ``1``, ``1.0`` and ``True`` are equal."""
    kinds = set(families.values())
    if kinds == {"uuid"}:
        return map(operator.attrgetter("int"), values)  # hashed in C, unlike a UUID
    if len(kinds) <= 1:
        return values
    return zip(map(families.__getitem__, map(type, values)), values, strict=True)


def factorise(keys: Iterable[Hashable], values: list[object]) -> tuple[Codes, Objects]:
    """Return codes and the distinct values, in the order in which they first appear."""
    index: dict[Hashable, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(index.__getitem__, keys), np.int32, len(values))
    first = np.empty(len(index), np.int64)
    # Of several written to one place the last, which is the first row, stays.
    first[codes[::-1]] = np.arange(len(values))[::-1]
    return codes, object_array(list(map(values.__getitem__, first.tolist())))


def object_array(values: Sequence[object]) -> Objects:
    """Return an array of the objects themselves, also of sequences."""
    array = np.empty(len(values), np.object_)
    array[:] = values
    return array


def shortest(value: Decimal) -> Decimal:
    """Return a finite decimal without superfluous zeros, and without rounding."""
    return value.normalize(_UNROUNDED)


def scaled(values: list[Decimal]) -> tuple[Ints, int] | None:
    """Return integers and their common number of digits; ``None`` when 64 bits do not hold them.

    What is not finite counts as zero.
    """
    finite = [shortest(value) if value.is_finite() else Decimal(0) for value in values]
    if any(value.adjusted() > _MOST_DIGITS for value in finite):
        return None
    # A sum has as many digits as that of its terms that has most; or so many that it is rounded.
    total = reduce(_WIDE.add, finite, Decimal(0))
    digits = -cast("int", total.as_tuple().exponent)
    if digits > _MOST_DIGITS:
        return None
    whole = [int(value.scaleb(digits, _WIDE)) for value in finite]
    try:
        return np.array(whole, np.int64), digits
    except OverflowError:
        return None
