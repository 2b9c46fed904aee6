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
from crmcore.conditions.typed.literals import Edge, RefusedLiteralError, convert
from crmcore.conditions.typed.types import FieldType
from crmcore.errors import Problem
from crmcore.suggestions import Suggestions

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
        The type of each name; ``None`` of one that there is, but whose type is not known because
        something is wrong with it. What rests on that is passed over in silence.
    path
        Where the condition stands in the policy.
    suggestions
        Where nearest names are looked up.
    zone
        Whose local days instants have; ``None`` where there is none.
    """

    fields: Mapping[str, FieldType | None]
    path: str
    suggestions: Suggestions
    zone: Zone | None
    is_complete: bool = True  # else something was passed over in silence
    _problems: dict[tuple[str, str, str], Problem] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)

    @property
    def problems(self) -> list[Problem]:
        """What is wrong: each mistake once, at the first of its places."""
        return list(self._problems.values())

    def type_of(self, ref: tree.FieldRef) -> FieldType | None:
        """Return the type of a field, if there is one of that name."""
        type_ = self.fields.get(ref.name)
        if ref.name in self.fields:
            self.is_complete = self.is_complete and type_ is not None
        elif ref.name not in self._unknown:
            self._unknown.add(ref.name)
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
        given = to_text(node)
        self._problems.setdefault(
            (code, message, given),
            Problem(code, message, self.path, given, allowed, suggestion, span=node.span),
        )
