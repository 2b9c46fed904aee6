"""Evaluation over columns: bound nodes and integers in, three-valued truth out.

A column of length 1, such as ``as_of``, stands for the same value in every row. No value is ever
compared as a float unless its field is one, and nothing can wrap.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column, Ints, Mask
from crmcore.conditions import bound as typed
from crmcore.conditions.bound import (
    COMPARE,
    Bound,
    BoundBetween,
    BoundCompare,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
)
from crmcore.conditions.literals import FieldType
from crmcore.conditions.tree import ComparisonOp
from crmcore.conditions.truth import Truth, both, either, opposite
from crmcore.errors import DataError

__all__ = ["evaluate"]

_Item = TypeVar("_Item", bound=np.generic)
_MAX_INT64 = 2**63 - 1
_FEW = 16  # up to here comparing with each is faster than searching
_CONSTANTS = {value: Truth(np.array([value])) for value in (False, True)}


def evaluate(bound: Bound, columns: Mapping[str, Column], rows: int) -> Truth:
    """Return in which rows a condition is true, and in which it is known.

    Parameters
    ----------
    bound
        The condition, bound to the types of these columns.
    columns
        By field name; each `rows` long, or of length 1 for all rows.
    rows
        How many rows there are.

    Raises
    ------
    DataError
        When a column is of another kind than the condition was bound to.

    Examples
    --------
    >>> import numpy as np
    >>> from crmcore.conditions import FieldType, bind, parse
    >>> bound, _ = bind(parse("sale_count not in [0, 1]"), {"sale_count": FieldType("int")}, "x")
    >>> known = np.array([True, True, False])
    >>> truth = evaluate(bound, {"sale_count": Column("int", np.array([1, 2, 3]), known)}, 3)
    >>> [truth[row] for row in range(3)]
    [False, True, None]
    """
    truth = truth_of(bound, columns)
    known = truth.known
    if len(truth.true) == rows and (known is None or len(known) == rows):
        return truth
    return Truth(_spread(truth.true, rows), None if known is None else _spread(known, rows))


def truth_of(bound: Bound, columns: Mapping[str, Column]) -> Truth:
    """Return the truth of a condition, of length 1 where it is the same in every row."""
    match bound:
        case BoundCompare():
            return _compare(bound, columns)
        case BoundTerms():
            return combine(bound, [truth_of(term, columns) for term in bound.terms])
        case BoundIn():
            return _member(bound, columns)
        case BoundPair():
            return _pair(bound, columns)
        case BoundBetween():
            return both(truth_of(bound.low, columns), truth_of(bound.high, columns))
        case BoundKnown():
            known = _column(columns, bound.name, bound.type).known
            if known is None:
                return _CONSTANTS[bound.op == "is_known"]
            return Truth(known if bound.op == "is_known" else ~known)
        case BoundNot():
            return opposite(truth_of(bound.term, columns))
        case _:
            return _CONSTANTS[bound.value]


def combine(bound: BoundTerms, truths: list[Truth]) -> Truth:
    """Return the truth of all or any terms from the truth of each."""
    join = both if bound.op == "and" else either
    result = truths[0]
    for truth in truths[1:]:
        result = join(result, truth)
    return result


def _spread(mask: Mask, rows: int) -> Mask:
    if len(mask) not in (1, rows):
        raise ValueError(f"columns of {len(mask)} rows do not fit {rows} rows")
    return mask if len(mask) == rows else np.full(rows, mask[0])


def _column(columns: Mapping[str, Column], name: str, type_: FieldType) -> Column:
    column = columns[name]
    if column.kind != type_.kind or column.exponent != type_.exponent:
        raise DataError(
            f"the column is {column.kind}, the condition needs {type_.kind}", column=name
        )
    return column


def _truth(holds: Mask, known: Mask | None) -> Truth:
    return Truth(holds) if known is None else Truth(holds & known, known)


def _compare(bound: BoundCompare, columns: Mapping[str, Column]) -> Truth:
    column = _column(columns, bound.name, bound.type)
    if bound.edge is None:
        return _truth(np.array([bound.op == "!="]), column.known)
    if bound.table is not None:
        table = bound.table
        if column.categories != bound.type.categories:
            if bound.op not in ("==", "!="):
                _check_labels(column, bound.name, bound.type)
            edge = str(bound.edge)
            table = typed.comparison_table(bound.type, bound.op, edge, column.categories)
        return _truth(_look_up(table, column), column.known)
    if isinstance(bound.edge, Fraction):
        return _truth(_ratio(column, bound.test, bound.edge), column.known)
    return _truth(COMPARE[bound.test](column.values, bound.edge), column.known)


def _look_up(table: NDArray[_Item], column: Column) -> NDArray[_Item]:
    # Codes where nothing is known may be anything; clipping keeps them inside the table.
    return table.take(cast(Ints, column.values), mode="clip")


def _check_labels(column: Column, name: str, type_: FieldType) -> None:
    if not set(column.categories) <= set(type_.categories):
        raise DataError("the column has labels without a declared order", column=name)


def _ratio(column: Column, test: ComparisonOp, edge: Fraction) -> Mask:
    """Compare values / divisor with an edge, in integers.

    The whole parts decide, except where they are equal; there the remainders do, and only their
    products are formed: remainder / divisor against the edge's own fraction.
    """
    assert column.divisor is not None
    divisor = column.divisor
    if column.known is not None:
        divisor = np.where(column.known, divisor, 1)
    whole, rest = np.divmod(column.values, divisor)
    whole_edge, part = divmod(edge.numerator, edge.denominator)
    compare = COMPARE[test]
    holds: Mask = compare(whole, whole_edge)
    ties = np.flatnonzero(whole == whole_edge)
    if len(ties):
        holds[ties] = compare(*_cross(rest[ties], divisor[ties], part, edge.denominator))
    return holds


def _cross(
    rest: Ints, divisor: Ints, part: int, denominator: int
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    # rest < divisor and part < denominator, so this product bounds both of those below.
    if int(divisor.max()) * denominator <= _MAX_INT64:
        return rest * denominator, divisor * part
    return rest.astype(np.object_) * denominator, divisor.astype(np.object_) * part


def _pair(bound: BoundPair, columns: Mapping[str, Column]) -> Truth:
    left = _column(columns, bound.left, bound.left_type)
    right = _column(columns, bound.right, bound.right_type)
    holds = COMPARE[bound.op](
        _comparable(left, bound.left, bound.left_type),
        _comparable(right, bound.right, bound.right_type),
    )
    if left.known is None or right.known is None:
        return _truth(holds, left.known if right.known is None else right.known)
    return _truth(holds, left.known & right.known)


def _comparable(column: Column, name: str, type_: FieldType) -> NDArray[np.generic]:
    if type_.kind != "label" or column.categories == type_.categories:
        return column.values
    _check_labels(column, name, type_)
    rank = [type_.categories.index(label) for label in column.categories]
    return _look_up(np.array([*rank, -1]), column)


def _member(bound: BoundIn, columns: Mapping[str, Column]) -> Truth:
    column = _column(columns, bound.name, bound.type)
    if bound.type.kind == "label":
        table = bound.table
        if column.categories != bound.type.categories:
            table = typed.member_table(bound.op, bound.edges, column.categories)
        return _truth(_look_up(table, column), column.known)
    holds = _is_member(bound, column)
    return _truth(holds if bound.op == "in" else ~holds, column.known)


def _is_member(bound: BoundIn, column: Column) -> Mask:
    if bound.type.kind == "text":
        return np.fromiter(map(bound.edges.__contains__, column.values), np.bool_, len(column))
    numbers = bound.numbers
    if numbers is not None and len(numbers) > _FEW:
        places = np.searchsorted(numbers[1:], column.values, side="right")
        found: Mask = np.equal(numbers[places], column.values)
        return found
    holds = np.zeros(len(column), np.bool_)
    for edge in bound.edges if numbers is None else numbers:
        holds |= _ratio(column, "==", edge) if isinstance(edge, Fraction) else column.values == edge
    return holds
