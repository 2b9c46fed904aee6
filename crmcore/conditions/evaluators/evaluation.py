"""Evaluation over columns: bound nodes and integers in, three-valued truth out.

A column of length 1, such as ``as_of``, stands for the same value in every row. No value is ever
compared as a float unless its field is one, and nothing can wrap. Many rows are taken block by
block, so that what one block needs stays in the processor's cache; the results are the same for
any size of block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import reduce
from typing import Final, cast

import numpy as np

from crmcore.columns import Column, Mask
from crmcore.conditions.evaluators.blocks import by_blocks
from crmcore.conditions.evaluators.domains import checked_fields, refuse_outside
from crmcore.conditions.evaluators.exact import Exact, compare, exact_of
from crmcore.conditions.evaluators.operands import all_known, column_of, labels_as, value_of
from crmcore.conditions.evaluators.truth import Truth, both, either, opposite, where_known
from crmcore.conditions.typed.bound import (
    COMPARE,
    Bound,
    BoundBetween,
    BoundCompare,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
)

__all__ = ["combine", "evaluate", "operand", "truth_of"]

_FEW: Final = 16  # up to here comparing with each is faster than searching
_CONSTANTS: Final = {value: Truth(np.array([value])) for value in (False, True)}


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
        When a column is of another kind than the condition was bound to, or a field that takes
        part in a calculation has values outside its domain.

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
    refuse_outside(checked_fields([bound]), columns)
    parts = by_blocks(lambda block: _spread(truth_of(bound, block), block.count), columns, rows)
    if len(parts) == 1:
        return parts[0]
    true = np.concatenate([part.true for part in parts])
    if all(part.known is None for part in parts):
        return Truth(true)
    return Truth(true, np.concatenate([part.is_known() for part in parts]))


def truth_of(bound: Bound, columns: Mapping[str, Column]) -> Truth:
    """Return the truth of a condition, of length 1 where it is the same in every row."""
    match bound:
        case BoundCompare():
            return _compare(bound, columns)
        case BoundTerms():
            return combine(bound, (truth_of(term, columns) for term in bound.terms))
        case BoundIn():
            return _member(bound, columns)
        case BoundPair():
            return _pair(bound, columns)
        case BoundBetween():
            return both(truth_of(bound.low, columns), truth_of(bound.high, columns))
        case BoundKnown():
            known = operand(bound.item, columns).known
            if known is None:
                return _CONSTANTS[bound.op == "is_known"]
            return Truth(known if bound.op == "is_known" else ~known)
        case BoundNot():
            return opposite(truth_of(bound.term, columns))
        case _:
            return _CONSTANTS[bound.value]


def operand(node: BoundValue, columns: Mapping[str, Column]) -> Column:
    """Return the values of an expression, of length 1 where they are the same in every row."""
    return value_of(node, columns, truth_of)


def combine(bound: BoundTerms, truths: Iterable[Truth]) -> Truth:
    """Return the truth of all or any terms from the truth of each, asked for as long as needed."""
    every = bound.op == "and"
    join = both if every else either
    result: Truth | None = None
    for truth in truths:
        result = truth if result is None else join(result, truth)
        if result.is_false_everywhere if every else result.is_true_everywhere:
            break
    assert result is not None  # there are two terms or more
    return result


def _spread(truth: Truth, rows: int) -> Truth:
    known = truth.known
    if len(truth.true) == rows and (known is None or len(known) == rows):
        return truth
    return Truth(_mask(truth.true, rows), None if known is None else _mask(known, rows))


def _mask(mask: Mask, rows: int) -> Mask:
    if len(mask) not in (1, rows):
        raise ValueError(f"columns of {len(mask)} rows do not fit {rows} rows")
    return mask if len(mask) == rows else np.full(rows, mask[0])


def _compare(bound: BoundCompare, columns: Mapping[str, Column]) -> Truth:
    column = column_of(columns, bound.name, bound.type)
    if bound.edge is None:
        return where_known(np.array([bound.op == "!="]), column.known)
    if bound.type.kind == "label":
        return where_known(_label(bound, column), column.known)
    if isinstance(bound.edge, Fraction):
        edge = Exact(*bound.edge.as_integer_ratio())
        return where_known(compare(bound.test, exact_of(column), edge), column.known)
    return where_known(COMPARE[bound.test](column.values, bound.edge), column.known)


def _label(bound: BoundCompare, column: Column) -> Mask:
    """Return where a label compares; codes are in order, so that they stand for their labels."""
    edge = str(bound.edge)
    if bound.op not in ("==", "!="):
        column = labels_as(column, bound.type.categories, bound.name)
    elif edge not in column.categories:
        return np.array([bound.op == "!="])
    code = column.categories.index(edge)
    holds: Mask = COMPARE[bound.op](column.values, code)
    return holds


def _pair(bound: BoundPair, columns: Mapping[str, Column]) -> Truth:
    left, right = operand(bound.left, columns), operand(bound.right, columns)
    if bound.left.type.is_exact:
        holds = compare(bound.op, exact_of(left), exact_of(right))
    else:
        holds = COMPARE[bound.op](left.values, right.values)
    return where_known(holds, all_known(left, right))


def _member(bound: BoundIn, columns: Mapping[str, Column]) -> Truth:
    item = bound.item
    if isinstance(item, BoundField):  # its labels need no declared order, so they stay as they are
        column = column_of(columns, item.name, item.type)
    else:
        column = operand(item, columns)
    holds = _is_member(bound, column)
    return where_known(holds if bound.op == "in" else ~holds, column.known)


def _is_member(bound: BoundIn, column: Column) -> Mask:
    if column.kind == "text":
        return np.fromiter(map(bound.edges.__contains__, column.values), np.bool_, len(column))
    if column.kind == "ratio":
        number = exact_of(column)
        edges = (Exact(*cast(Fraction, edge).as_integer_ratio()) for edge in bound.edges)
        return _any(compare("==", number, edge) for edge in edges)
    numbers = bound.numbers
    if column.kind == "label":
        codes = [code for code, label in enumerate(column.categories) if label in bound.edges]
        numbers = np.array(codes, np.int64)
    assert numbers is not None  # as of all other kinds
    if len(numbers) > _FEW:
        places = np.searchsorted(numbers[1:], column.values, side="right")
        found: Mask = np.equal(numbers[places], column.values)
        return found
    return _any(column.values == number for number in numbers)


def _any(masks: Iterable[Mask]) -> Mask:
    """Return where one mask or more is true; nowhere when there is none."""
    return reduce(np.bitwise_or, masks, np.zeros(1, np.bool_))
