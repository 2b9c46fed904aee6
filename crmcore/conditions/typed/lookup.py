"""What binding looks up, and the list of everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from crmcore.calendars import Zone
from crmcore.columns import Value
from crmcore.conditions.language import tree
from crmcore.conditions.language.printer import to_text
from crmcore.conditions.language.tree import Condition, LiteralValue, Operand
from crmcore.conditions.typed.literals import Edge, RefusedLiteralError, Suggestions, convert
from crmcore.conditions.typed.types import FieldType
from crmcore.errors import Problem

__all__ = ["Lookup"]

_NO_NULL: Final = "a missing value is asked for with 'is known' and 'is unknown'"
_NO_CLOCK: Final = "no clock is read: write as_of"
_HINTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(["null", "none", "nil", "nan", "na", "missing"], _NO_NULL),
    **dict.fromkeys(["now", "today"], _NO_CLOCK),
}


@dataclass
class Lookup:
    """Names and literals of one condition, with the problems found so far.

    Parameters
    ----------
    fields
        The type of each name.
    path
        Where the condition stands in the policy.
    suggestions
        Where nearest names are looked up.
    zone
        Whose local days instants have; ``None`` where there is none.
    """

    fields: Mapping[str, FieldType]
    path: str
    suggestions: Suggestions
    zone: Zone | None
    problems: list[Problem] = field(default_factory=list)

    def type_of(self, ref: tree.FieldRef) -> FieldType | None:
        """Return the type of a field, if there is one of that name."""
        type_ = self.fields.get(ref.name)
        if type_ is None:
            suggestion = self.suggestions.nearest(ref.name, self.fields)
            message = _HINTS.get(ref.name, "no such field")
            self.refuse("unknown_name", message, ref, suggestion=suggestion)
        return type_

    def convert(self, literal: LiteralValue, type_: FieldType) -> tuple[Value, Edge] | None:
        """Return a literal in the terms of a type, if it fits."""
        try:
            return convert(literal, type_)
        except RefusedLiteralError as refused:
            suggestion = None
            if refused.code == "unknown_label":
                suggestion = self.suggestions.nearest(str(literal.value), type_.categories)
            self.refuse(refused.code, refused.message, literal, refused.allowed, suggestion)
            return None

    def refuse(
        self,
        code: str,
        message: str,
        node: Condition | Operand,
        allowed: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        """Note what is wrong with a node."""
        self.problems.append(
            Problem(code, message, self.path, to_text(node), allowed, suggestion, span=node.span)
        )
