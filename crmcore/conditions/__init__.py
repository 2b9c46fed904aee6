"""The condition language: one typed, three-valued meaning for every yes-or-no rule of a policy.

`parse` reads text into a tree, `bind` checks it against the fields there are, `evaluate` answers
for all rows at once and `explain` for one.
"""

from __future__ import annotations

from crmcore.conditions.binding import GIVEN, bind
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
    thresholds,
)
from crmcore.conditions.evaluation import evaluate
from crmcore.conditions.explanation import ConditionTrace, Threshold, explain
from crmcore.conditions.literals import FieldType, Suggestions, a_field, nearest
from crmcore.conditions.parser import ConditionField, ConditionSyntaxError, parse
from crmcore.conditions.printer import to_text
from crmcore.conditions.tree import KEYWORDS, Condition, names
from crmcore.conditions.truth import Truth

__all__ = [
    "GIVEN",
    "KEYWORDS",
    "Bound",
    "BoundBetween",
    "BoundCompare",
    "BoundConstant",
    "BoundIn",
    "BoundKnown",
    "BoundNot",
    "BoundPair",
    "BoundTerms",
    "Condition",
    "ConditionField",
    "ConditionSyntaxError",
    "ConditionTrace",
    "FieldType",
    "Suggestions",
    "Threshold",
    "Truth",
    "a_field",
    "bind",
    "evaluate",
    "explain",
    "names",
    "nearest",
    "parse",
    "thresholds",
    "to_text",
]
