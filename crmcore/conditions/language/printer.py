"""Tree to text: the one spelling that reads back as the same tree."""

from __future__ import annotations

import json
import re
from typing import Final

from crmcore.conditions.language import tree
from crmcore.conditions.language.tree import Condition, Operand

__all__ = ["to_text"]

_ABOVE: Final = {"neither": "above ", "high": "above "}
_BELOW: Final = {"neither": "below ", "low": "below "}
_SUMS: Final = ("+", "-")
# A field of such a name would read as the word that leaves an edge out.
_EDGE_WORD: Final = re.compile(r"(above|below)\b")


def to_text(condition: Condition | Operand) -> str:
    """Write a condition, or a value in one.

    ``parse(to_text(tree)) == tree`` for every condition whose text is within the limits of `parse`.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> to_text(parse('(a  or b) and not(tier in ["gold","x"])'))
    '(a or b) and not tier in ["gold", "x"]'
    >>> to_text(parse("(a-(b+1))*2 between above 0 and(5)"))
    '(a - (b + 1)) * 2 between above 0 and 5'
    """
    # Kept with the node: each node that is bound asks for it, and for that of all inside it.
    text: str | None = getattr(condition, "_text", None)
    if text is None:
        text = _written(condition)
        object.__setattr__(condition, "_text", text)
    return text


def _written(condition: Condition | Operand) -> str:
    match condition:
        case tree.Comparison():
            return f"{to_text(condition.left)} {condition.op} {to_text(condition.right)}"
        case tree.Between():
            low = _ABOVE.get(condition.edges, "") + _edge_text(condition.low)
            high = _BELOW.get(condition.edges, "") + _edge_text(condition.high)
            return f"{to_text(condition.item)} between {low} and {high}"
        case tree.Membership():
            items = ", ".join(map(to_text, condition.items))
            return f"{to_text(condition.item)} {condition.op.replace('_', ' ')} [{items}]"
        case tree.KnownTest():
            return f"{to_text(condition.item)} {condition.op.replace('_', ' ')}"
        case tree.And():
            return " and ".join(_nested(term, tree.And, tree.Or) for term in condition.terms)
        case tree.Or():
            return " or ".join(_nested(term, tree.Or) for term in condition.terms)
        case tree.Not():
            return f"not {_nested(condition.term, tree.And, tree.Or)}"
        case _:
            return _operand_text(condition)


def _operand_text(operand: Operand) -> str:
    """Write a value: a name, a literal or a calculation."""
    match operand:
        case tree.FieldRef():
            return operand.name
        case tree.BoolValue():
            return "true" if operand.value else "false"
        case tree.TextValue():
            # What cannot be seen is escaped, so that text cannot read as something else.
            return json.dumps(operand.value, ensure_ascii=not operand.value.isprintable())
        case tree.DecimalValue():
            return format(operand.value, "f")
        case tree.IntegerValue():
            return str(operand.value)
        case tree.Arithmetic():
            product = operand.op == "*"
            left = _part(operand.left, _SUMS if product else ())
            right = _part(operand.right, (*_SUMS, "*") if product else _SUMS)
            return f"{left} {operand.op} {right}"
        case _:
            return _call_text(operand)


def _part(operand: Operand, bracketed: tuple[str, ...]) -> str:
    text = to_text(operand)
    inside = isinstance(operand, tree.Arithmetic) and operand.op in bracketed
    return f"({text})" if inside else text


def _call_text(call: tree.Divide | tree.DaysBetween | tree.Shift | tree.Band | tree.Case) -> str:
    parts: list[str]
    match call:
        case tree.Divide():
            zero = "unknown" if call.zero == "unknown" else to_text(call.zero)
            parts = [to_text(call.dividend), to_text(call.divisor), zero]
        case tree.DaysBetween():
            parts = [to_text(call.start), to_text(call.end)]
        case tree.Shift():
            parts = [to_text(call.day), to_text(call.count)]
        case tree.Band():
            rows = [f"{to_text(edge)}: {points}" for edge, points in call.bands]
            last = [] if call.otherwise is None else [f"else: {call.otherwise}"]
            parts = [to_text(call.item), *rows, *last]
        case _:
            rows = [f"{to_text(one)}: {to_text(value)}" for one, value in call.rows]
            last = [] if call.otherwise is None else [f"else: {to_text(call.otherwise)}"]
            parts = [*rows, *last]
    return f"{call.op}({', '.join(parts)})"


def _edge_text(operand: Operand) -> str:
    text = to_text(operand)
    return f"({text})" if _EDGE_WORD.match(text) else text


def _nested(term: Condition, *looser: type[Condition]) -> str:
    text = to_text(term)
    return f"({text})" if isinstance(term, looser) else text
