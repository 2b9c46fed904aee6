"""Why a condition holds for one row: its tree again, with the truth and the values seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from crmcore.columns import Column, Value
from crmcore.conditions.evaluators.blocks import Block
from crmcore.conditions.evaluators.domains import checked_fields, refuse_outside
from crmcore.conditions.evaluators.evaluation import combine, operand, truth_of
from crmcore.conditions.evaluators.truth import Truth, opposite
from crmcore.conditions.typed.bound import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundConstant,
    BoundField,
    BoundIn,
    BoundNot,
    BoundPair,
    BoundTerms,
    Leaf,
    note_fields,
    subject_of,
    values_of,
)
from crmcore.conditions.typed.types import FieldType

__all__ = ["ConditionTrace", "Seen", "Threshold", "explain"]

Threshold: TypeAlias = Value | tuple[Value, ...]

_WIDE: Final = Context(prec=60)
_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A field that an expression reads, and its value; `hidden` where that is not shown."""

    name: str
    value: Value
    hidden: bool


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
        The field asked about; ``None`` for expressions, ``and``, ``or``, ``not`` and constants.
    value
        What the field holds, or what the expression gives; ``None`` when missing, or not shown.
    threshold
        What it was compared with: for ``between`` both edges, for ``in`` the list, for another
        field or an expression its value.
    hidden
        Whether a value is not shown because a field in it is personal.
    terms
        The traces of ``and``, ``or`` and ``not``.
    item
        How what is asked about is written: the name of the field, or the expression.
    margin
        How far the value lies above the threshold, below it if negative: a `Decimal` for money,
        days for dates and instants, else a number of its kind. For ``between``: how far inside
        the nearer edge. ``None`` where there is no distance, or it is not shown.
    inputs
        The fields that the expressions in it read.
    type
        The type of what is asked about, which `value`, `threshold` and `margin` go by.
    """

    op: str
    text: str
    truth: bool | None
    field: str | None = None
    value: Value = None
    threshold: Threshold = None
    hidden: bool = False
    terms: tuple[ConditionTrace, ...] = ()
    item: str | None = None
    margin: Value = None
    inputs: tuple[Seen, ...] = ()
    type: FieldType | None = None


def explain(bound: Bound, columns: Mapping[str, Column], row: int) -> ConditionTrace:
    """Return why a condition holds or not in one row.

    Parameters
    ----------
    bound, columns
        As for `evaluate`.
    row
        Position from 0.

    Raises
    ------
    DataError
        As `evaluate` does, of this row.

    Examples
    --------
    >>> import numpy as np
    >>> from crmcore.conditions import FieldType, bind, parse
    >>> bound, _ = bind(parse("mean_sale >= 300"), {"mean_sale": FieldType("money", 2)}, "x")
    >>> trace = explain(bound, {"mean_sale": Column("money", np.array([29999]), exponent=2)}, 0)
    >>> trace.truth, trace.value, trace.threshold, trace.margin
    (False, Decimal('299.99'), Decimal('300.00'), Decimal('-0.01'))
    """
    here = Block(columns, np.array([row]), 1)
    refuse_outside(checked_fields([bound]), here)
    return _explain(bound, here)[0]


def _explain(bound: Bound, here: Block) -> tuple[ConditionTrace, Truth]:
    match bound:
        case BoundTerms():
            parts = [_explain(term, here) for term in bound.terms]
            truth = combine(bound, [part[1] for part in parts])
            traces = tuple(part[0] for part in parts)
            return ConditionTrace(bound.op, bound.text, truth[0], terms=traces), truth
        case BoundNot():
            trace, truth = _explain(bound.term, here)
            truth = opposite(truth)
            return ConditionTrace("not", bound.text, truth[0], terms=(trace,)), truth
        case BoundConstant():
            truth = truth_of(bound, here)
            return ConditionTrace("bool", bound.text, truth[0]), truth
        case _:
            truth = truth_of(bound, here)
            return _leaf(bound, here, truth[0]), truth


def _leaf(leaf: Leaf, here: Block, truth: bool | None) -> ConditionTrace:
    item = subject_of(leaf)
    value = None if item.type.personal else operand(item, here)[0]
    threshold, hidden = _threshold(leaf, here)
    shown = not (hidden or item.type.personal)
    return ConditionTrace(
        "between" if isinstance(leaf, BoundBetween) else leaf.op,
        leaf.text,
        truth,
        item.name if isinstance(item, BoundField) else None,
        value,
        threshold,
        not shown,
        item=item.text,
        margin=_margin(value, threshold) if shown and not isinstance(leaf, BoundIn) else None,
        inputs=_inputs(leaf, here),
        type=item.type,
    )


def _inputs(leaf: Leaf, here: Block) -> tuple[Seen, ...]:
    types: dict[str, FieldType] = {}
    for value in values_of(leaf):
        if not isinstance(value, BoundField):
            note_fields(value, types)
    return tuple(
        Seen(name, None if type_.personal else here[name][0], type_.personal)
        for name, type_ in types.items()
    )


def _threshold(leaf: Leaf, here: Block) -> tuple[Threshold, bool]:
    match leaf:
        case BoundCompare() | BoundPair():
            return _edge(leaf, here)
        case BoundIn():
            return leaf.literals, False
        case BoundBetween():
            low, low_hidden = _edge(leaf.low, here)
            high, high_hidden = _edge(leaf.high, here)
            return (low, high), low_hidden or high_hidden
        case _:
            return None, False


def _edge(bound: BoundCompare | BoundPair, here: Block) -> tuple[Value, bool]:
    if isinstance(bound, BoundCompare):
        return bound.literal, False
    hidden = bound.right.type.personal
    return (None if hidden else operand(bound.right, here)[0]), hidden


def _margin(value: Value, threshold: Threshold) -> Value:
    if isinstance(threshold, tuple):
        above, below = (_distance(value, edge) for edge in threshold)
        if above is None or below is None:
            return None
        return min(above, -below)
    return _distance(value, threshold)


def _distance(value: Value, edge: Value) -> Decimal | Fraction | float | int | None:
    match value, edge:
        case (None, _) | (_, None) | (bool(), _) | (str(), _):
            return None
        case datetime(), datetime():
            return _plain(Fraction((value - edge) // _MICROSECOND, _DAY // _MICROSECOND))
        case date(), date():
            return (value - edge).days
        case Decimal(), Decimal():
            return _WIDE.subtract(value, edge)
        case float(), (int() | float() | Decimal()):
            return value - float(edge)
    assert isinstance(value, (int, Decimal, Fraction))  # as all other kinds are
    assert isinstance(edge, (int, Decimal, Fraction, str))  # a ratio's edge may be text
    return _plain(Fraction(value) - Fraction(edge))


def _plain(number: Fraction) -> Fraction | int:
    return number.numerator if number.denominator == 1 else number
