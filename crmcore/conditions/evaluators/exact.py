"""Exact numbers over many rows: numerators and divisors in 64 bits, nothing rounded, no overflow.

Binding has made sure that sums, products and quotients fit. Comparing two of them may still need
products that do not: then whole parts are compared, and only where these are equal the remainders.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column, Ints, Mask
from crmcore.conditions.language.tree import ComparisonOp
from crmcore.conditions.typed.bound import COMPARE

__all__ = ["Exact", "compare", "difference", "exact_of", "product", "quotient", "total"]

_MAX_INT64 = 2**63 - 1
_Part: TypeAlias = Ints | int


class Exact(NamedTuple):
    """Numerators over positive divisors; a Python integer stands for the same in every row."""

    numerator: _Part
    divisor: _Part = 1


def exact_of(column: Column) -> Exact:
    """Return the numbers of a column; the divisor is 1 where a ratio is not known."""
    values = column.values.astype(np.int64, copy=False)  # points may have fewer bits
    if column.divisor is None:
        return Exact(values)
    if column.known is None:
        return Exact(values, column.divisor)
    return Exact(values, np.where(column.known, column.divisor, 1))


def total(left: Exact, right: Exact) -> Exact:
    """Return the sums."""
    return Exact(
        _times(left.numerator, right.divisor) + _times(right.numerator, left.divisor),
        _times(left.divisor, right.divisor),
    )


def difference(left: Exact, right: Exact) -> Exact:
    """Return left less right."""
    return total(left, Exact(-right.numerator, right.divisor))


def product(left: Exact, right: Exact) -> Exact:
    """Return the products."""
    return Exact(left.numerator * right.numerator, _times(left.divisor, right.divisor))


def quotient(left: Exact, right: Exact) -> Exact:
    """Return left over right, whose numerators are not zero."""
    sign = np.sign(right.numerator)
    return Exact(
        _times(left.numerator, right.divisor) * sign,
        _times(right.numerator * sign, left.divisor),
    )


def compare(op: ComparisonOp, left: Exact, right: Exact) -> Mask:
    """Return where the comparison holds."""
    test = COMPARE[op]
    divisors = (left.divisor, right.divisor)
    if all(isinstance(divisor, int) and divisor == 1 for divisor in divisors):
        return cast(Mask, test(left.numerator, right.numerator))
    if _fits(left.numerator, right.divisor) and _fits(right.numerator, left.divisor):
        crossed = _times(left.numerator, right.divisor), _times(right.numerator, left.divisor)
        return cast(Mask, test(*crossed))
    return _by_parts(op, left, right)


def _by_parts(op: ComparisonOp, left: Exact, right: Exact) -> Mask:
    test = COMPARE[op]
    left_whole, left_rest = divmod(left.numerator, left.divisor)
    right_whole, right_rest = divmod(right.numerator, right.divisor)
    holds: Mask = test(left_whole, right_whole)
    ties = np.flatnonzero(np.equal(left_whole, right_whole))
    if len(ties):
        # A rest is below its divisor, so the product of the divisors bounds both products.
        room = np.int64 if _fits(left.divisor, right.divisor) else np.object_
        parts = (left_rest, right.divisor, right_rest, left.divisor)
        a, d, c, b = (_at(part, ties, len(holds), room) for part in parts)
        holds[ties] = test(a * d, c * b)
    return holds


def _times(part: _Part, other: _Part) -> _Part:
    return part if isinstance(other, int) and other == 1 else part * other


def _fits(numerator: _Part, divisor: _Part) -> bool:
    return max(_most(numerator), 1) * max(_most(divisor), 1) <= _MAX_INT64


def _most(part: _Part) -> int:
    """Return how far from zero the numbers go."""
    if isinstance(part, int):
        return abs(part)
    return max(int(part.max(initial=0)), -int(part.min(initial=0)))


def _at(part: _Part, rows: Ints, count: int, room: type[np.generic]) -> NDArray[Any]:
    if isinstance(part, int):
        return np.full(len(rows), part, room)
    return np.broadcast_to(part, count)[rows].astype(room)
