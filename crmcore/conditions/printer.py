"""Tree to text: the one spelling that reads back as the same tree."""

from __future__ import annotations

import json

from crmcore.conditions import tree
from crmcore.conditions.tree import Condition, Operand

__all__ = ["to_text"]


def to_text(condition: Condition) -> str:
    """Write a condition; ``parse(to_text(tree)) == tree`` for text within the limits of `parse`.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> to_text(parse('(a  or b) and not(tier in ["gold","x"])'))
    '(a or b) and not tier in ["gold", "x"]'
    """
    match condition:
        case tree.Comparison():
            return f"{operand_text(condition.left)} {condition.op} {operand_text(condition.right)}"
        case tree.Between():
            edges = f"{operand_text(condition.low)} and {operand_text(condition.high)}"
            return f"{condition.item.name} between {edges}"
        case tree.Membership():
            items = ", ".join(map(operand_text, condition.items))
            return f"{condition.item.name} {condition.op.replace('_', ' ')} [{items}]"
        case tree.KnownTest():
            return f"{condition.item.name} {condition.op.replace('_', ' ')}"
        case tree.And():
            return " and ".join(_nested(term, tree.And, tree.Or) for term in condition.terms)
        case tree.Or():
            return " or ".join(_nested(term, tree.Or) for term in condition.terms)
        case tree.Not():
            return f"not {_nested(condition.term, tree.And, tree.Or)}"
        case _:
            return operand_text(condition)


def operand_text(operand: Operand) -> str:
    """Write a name or a literal."""
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
        case _:
            return str(operand.value)


def _nested(term: Condition, *looser: type[Condition]) -> str:
    text = to_text(term)
    return f"({text})" if isinstance(term, looser) else text
