"""Small changes of conditions: a comparison swapped, a literal moved, a term left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from crmcore.conditions import FieldType
from crmcore.conditions.language.tree import (
    And,
    Arithmetic,
    Band,
    Between,
    BoolValue,
    Comparison,
    DecimalValue,
    FieldRef,
    IntegerValue,
    KnownTest,
    Membership,
    Node,
    Not,
    Or,
    TextValue,
)

__all__ = ["moved_number", "rewritten", "unit_of"]

_SWAPS: Final = {">": ">=", ">=": ">", "<": "<=", "<=": "<", "==": "!=", "!=": "=="}
_EDGES: Final = {
    "both": ("low", "high"),
    "low": ("both", "neither"),
    "high": ("both", "neither"),
    "neither": ("low", "high"),
}
_OPPOSITE: Final = {
    "in": "not_in",
    "not_in": "in",
    "is_known": "is_unknown",
    "is_unknown": "is_known",
}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_SIGNS: Final = (1, -1)

Fields = Mapping[str, FieldType]


def unit_of(type_: FieldType | None) -> Decimal | None:
    """Return the least step of a field's values; ``None`` where its values have none."""
    if type_ is None or type_.kind == "float":
        return None
    if type_.kind == "ratio" and not type_.exponent:
        return Decimal("0.01")
    return Decimal(1).scaleb(-type_.exponent)


def moved_number(number: Decimal, unit: Decimal | None) -> tuple[Decimal, Decimal]:
    """Return a number one step up and one step down; without a unit, of its last digit."""
    exponent = number.as_tuple().exponent
    step = unit or Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return number + step, number - step


def rewritten(node: Node, fields: Fields) -> Iterator[Node]:
    """Yield a condition with one thing in it changed, for each thing that may be.

    Parameters
    ----------
    node
        The condition.
    fields
        The types of the fields, which tell by how much a literal is moved.
    """
    yield from _walk(node, fields, None)


def _walk(node: Node, fields: Fields, type_: FieldType | None) -> Iterator[Node]:
    yield from _own(node, type_)
    inner = _compared(node, fields) or type_
    for name in type(node).model_fields:
        for changed in _within(getattr(node, name), fields, inner):
            yield node.model_copy(update={name: changed})


def _within(value: object, fields: Fields, type_: FieldType | None) -> Iterator[object]:
    match value:
        case Node():
            yield from _walk(value, fields, type_)
        case tuple():
            for at, one in enumerate(value):
                for changed in _within(one, fields, type_):
                    yield (*value[:at], changed, *value[at + 1 :])


def _compared(node: Node, fields: Fields) -> FieldType | None:
    """Return the type of the field that the literals of a test are compared with."""
    match node:
        case Comparison():
            operands: tuple[object, ...] = (node.left, node.right)
        case Between() | Membership() | Band():
            operands = (node.item,)
        case _:
            return None
    names = [one.name for one in operands if isinstance(one, FieldRef)]
    return fields.get(names[0]) if names else None


def _own(node: Node, type_: FieldType | None) -> Iterator[Node]:
    match node:
        case Comparison():
            yield node.model_copy(update={"op": _SWAPS[node.op]})
        case Between():
            yield from (node.model_copy(update={"edges": one}) for one in _EDGES[node.edges])
        case Membership() | KnownTest():
            yield node.model_copy(update={"op": _OPPOSITE[node.op]})
            if isinstance(node, Membership) and len(node.items) > 1:
                for at in range(len(node.items)):
                    rest = (*node.items[:at], *node.items[at + 1 :])
                    yield node.model_copy(update={"items": rest})
        case And() | Or():
            yield (Or if isinstance(node, And) else And)(terms=node.terms)
            for at in range(len(node.terms)):
                rest_terms = (*node.terms[:at], *node.terms[at + 1 :])
                yield rest_terms[0] if len(rest_terms) == 1 else type(node)(terms=rest_terms)
        case Not():
            yield node.term
        case Arithmetic(op="+" | "-"):
            yield node.model_copy(update={"op": "-" if node.op == "+" else "+"})
        case IntegerValue() | DecimalValue() | TextValue() | BoolValue():
            yield from _literals(node, type_)
        case Band():
            yield from _points(node)


def _points(node: Band) -> Iterator[Node]:
    for at, (edge, points) in enumerate(node.bands):
        for sign in _SIGNS:
            bands = (*node.bands[:at], (edge, points + sign), *node.bands[at + 1 :])
            yield node.model_copy(update={"bands": bands})


def _literals(
    node: IntegerValue | DecimalValue | TextValue | BoolValue, type_: FieldType | None
) -> Iterator[Node]:
    match node:
        case BoolValue():
            yield BoolValue(value=not node.value)
        case IntegerValue() | DecimalValue():
            for number in moved_number(Decimal(node.value), unit_of(type_)):
                if isinstance(node, IntegerValue) and number == int(number):
                    yield IntegerValue(value=int(number))
                else:
                    yield DecimalValue(value=number)
        case TextValue():
            yield from (TextValue(value=text) for text in _texts(node.value, type_))


def _texts(text: str, type_: FieldType | None) -> Iterator[str]:
    kind = None if type_ is None else type_.kind
    if kind == "date":
        day = date.fromisoformat(text)
        yield from ((day + timedelta(days=sign)).isoformat() for sign in _SIGNS)
    elif kind == "instant":
        moment = datetime.fromisoformat(text)
        yield from ((moment + timedelta(seconds=sign)).isoformat() for sign in _SIGNS)
    elif kind == "label" and type_ is not None and text in type_.categories:
        place = type_.categories.index(text)
        yield from (one for one in type_.categories[max(place - 1, 0) : place + 2] if one != text)
    elif kind in ("money", "ratio") and _NUMBER.fullmatch(text):
        yield from (f"{one:f}" for one in moved_number(Decimal(text), unit_of(type_)))
