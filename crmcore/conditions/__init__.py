"""The condition language: one typed, three-valued meaning for every yes-or-no rule of a policy.

`parse` reads text into a tree, `bind` checks it against the fields there are, `evaluate` answers
for all rows at once and `explain` for one.
"""

from __future__ import annotations

from crmcore.conditions.binding import GIVEN, bind
from crmcore.conditions.bound import (
    Bound,
    BoundBand,
    BoundBetween,
    BoundCase,
    BoundCompare,
    BoundConstant,
    BoundDays,
    BoundDivide,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundLiteral,
    BoundNot,
    BoundPair,
    BoundProduct,
    BoundShift,
    BoundSum,
    BoundTerms,
    BoundValue,
    fields_of,
    parts_of,
    thresholds,
)
from crmcore.conditions.change import FieldChange, smallest_change
from crmcore.conditions.compiled import compiled
from crmcore.conditions.evaluation import evaluate
from crmcore.conditions.explanation import ConditionTrace, Seen, Threshold, explain
from crmcore.conditions.literals import Suggestions, nearest
from crmcore.conditions.parser import parse
from crmcore.conditions.printer import to_text
from crmcore.conditions.rule import Rule, compile_condition
from crmcore.conditions.tokens import ConditionSyntaxError
from crmcore.conditions.tree import KEYWORDS, Condition, names
from crmcore.conditions.truth import Truth
from crmcore.conditions.types import FieldType, a_field
from crmcore.conditions.written import ConditionField

__all__ = [
    "GIVEN",
    "KEYWORDS",
    "Bound",
    "BoundBand",
    "BoundBetween",
    "BoundCase",
    "BoundCompare",
    "BoundConstant",
    "BoundDays",
    "BoundDivide",
    "BoundField",
    "BoundIn",
    "BoundKnown",
    "BoundLiteral",
    "BoundNot",
    "BoundPair",
    "BoundProduct",
    "BoundShift",
    "BoundSum",
    "BoundTerms",
    "BoundValue",
    "Condition",
    "ConditionField",
    "ConditionSyntaxError",
    "ConditionTrace",
    "FieldChange",
    "FieldType",
    "Rule",
    "Seen",
    "Suggestions",
    "Threshold",
    "Truth",
    "a_field",
    "bind",
    "compile_condition",
    "compiled",
    "evaluate",
    "explain",
    "fields_of",
    "names",
    "nearest",
    "parse",
    "parts_of",
    "smallest_change",
    "thresholds",
    "to_text",
]
