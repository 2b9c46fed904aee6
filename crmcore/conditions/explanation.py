"""Why a condition holds for one row: its tree again, with the truth and the values seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from crmcore.columns import Column, Value
from crmcore.conditions.bound import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundConstant,
    BoundIn,
    BoundKnown,
    BoundNot,
    BoundPair,
    BoundTerms,
)
from crmcore.conditions.evaluation import combine, truth_of
from crmcore.conditions.literals import FieldType
from crmcore.conditions.truth import Truth, opposite

__all__ = ["ConditionTrace", "Threshold", "explain"]

Threshold: TypeAlias = Value | tuple[Value, ...]
_Row: TypeAlias = dict[str, Column]


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """One node of a condition, as it came out for one row.

    Parameters
    ----------
    op, text
        What kind of node, and how it is written.
    truth
        ``None`` when unknown.
    field
        The field asked about; ``None`` for ``and``, ``or``, ``not`` and constants.
    value
        What the field holds; ``None`` when missing, or not shown.
    threshold
        What it was compared with: for ``between`` both edges, for ``in`` the list, for another
        field its value.
    hidden
        Whether a value is not shown because its field is personal.
    terms
        The traces of ``and``, ``or`` and ``not``.
    """

    op: str
    text: str
    truth: bool | None
    field: str | None = None
    value: Value = None
    threshold: Threshold = None
    hidden: bool = False
    terms: tuple[ConditionTrace, ...] = ()


def explain(bound: Bound, columns: Mapping[str, Column], row: int) -> ConditionTrace:
    """Return why a condition holds or not in one row.

    Parameters
    ----------
    bound, columns
        As for `evaluate`.
    row
        Position from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from crmcore.conditions import bind, parse
    >>> bound, _ = bind(parse("mean_sale >= 300"), {"mean_sale": FieldType("money", 2)}, "x")
    >>> trace = explain(bound, {"mean_sale": Column("money", np.array([29999]), exponent=2)}, 0)
    >>> trace.truth, trace.value, trace.threshold
    (False, Decimal('299.99'), Decimal('300.00'))
    """
    return _explain(bound, columns, row)[0]


def _explain(bound: Bound, columns: Mapping[str, Column], row: int) -> tuple[ConditionTrace, Truth]:
    match bound:
        case BoundTerms():
            parts = [_explain(term, columns, row) for term in bound.terms]
            truth = combine(bound, [part[1] for part in parts])
            traces = tuple(part[0] for part in parts)
            return ConditionTrace(bound.op, bound.text, truth[0], terms=traces), truth
        case BoundNot():
            trace, truth = _explain(bound.term, columns, row)
            truth = opposite(truth)
            return ConditionTrace("not", bound.text, truth[0], terms=(trace,)), truth
        case BoundConstant():
            truth = truth_of(bound, columns)
            return ConditionTrace("bool", bound.text, truth[0]), truth
        case _:
            here = {name: _at(columns[name], row) for name in _fields(bound)}
            truth = truth_of(bound, here)
            return _leaf(bound, here, truth[0]), truth


def _at(column: Column, row: int) -> Column:
    return column if len(column) == 1 else column.take(np.array([row]))


_Leaf: TypeAlias = BoundCompare | BoundKnown | BoundIn | BoundPair | BoundBetween


def _fields(leaf: _Leaf) -> tuple[str, ...]:
    match leaf:
        case BoundPair():
            return (leaf.left, leaf.right)
        case BoundBetween():
            return (*_fields(leaf.low), *_fields(leaf.high))
        case _:
            return (leaf.name,)


def _leaf(leaf: _Leaf, here: _Row, truth: bool | None) -> ConditionTrace:
    name, type_ = _subject(leaf)
    value = None if type_.personal else here[name][0]
    threshold, hidden = _threshold(leaf, here)
    op = "between" if isinstance(leaf, BoundBetween) else leaf.op
    hidden = hidden or type_.personal
    return ConditionTrace(op, leaf.text, truth, name, value, threshold, hidden)


def _subject(leaf: _Leaf) -> tuple[str, FieldType]:
    match leaf:
        case BoundPair():
            return leaf.left, leaf.left_type
        case BoundBetween():
            return _subject(leaf.low)
        case _:
            return leaf.name, leaf.type


def _threshold(leaf: _Leaf, here: _Row) -> tuple[Threshold, bool]:
    match leaf:
        case BoundCompare():
            return leaf.literal, False
        case BoundIn():
            return leaf.literals, False
        case BoundPair():
            hidden = leaf.right_type.personal
            return (None if hidden else here[leaf.right][0]), hidden
        case BoundBetween():
            low, low_hidden = _edge(leaf.low, here)
            high, high_hidden = _edge(leaf.high, here)
            return (low, high), low_hidden or high_hidden
        case _:
            return None, False


def _edge(bound: BoundCompare | BoundPair, here: _Row) -> tuple[Value, bool]:
    threshold, hidden = _threshold(bound, here)
    assert not isinstance(threshold, tuple)  # one comparison has one edge
    return threshold, hidden
