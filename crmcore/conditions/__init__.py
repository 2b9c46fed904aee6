"""The condition language: one typed, three-valued meaning for every yes-or-no rule of a policy.

`parse` reads text into a tree, `bind` checks it against the fields there are, `evaluate` answers
for all rows at once and `explain` for one.
"""

from __future__ import annotations

from crmcore.conditions.evaluators.change import FieldChange, smallest_change
from crmcore.conditions.evaluators.compiled import compiled
from crmcore.conditions.evaluators.evaluation import evaluate
from crmcore.conditions.evaluators.explanation import ConditionTrace, Seen, Threshold, explain
from crmcore.conditions.evaluators.truth import Truth
from crmcore.conditions.language.parser import parse
from crmcore.conditions.language.printer import to_text
from crmcore.conditions.language.tokens import ConditionSyntaxError
from crmcore.conditions.language.tree import KEYWORDS, Condition, names
from crmcore.conditions.language.written import ConditionField, ConditionReader
from crmcore.conditions.rule import Rule, compile_condition
from crmcore.conditions.typed.binding import bind
from crmcore.conditions.typed.bound import (
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
    guarded_fields,
    parts_of,
    thresholds,
)
from crmcore.conditions.typed.types import GIVEN, FieldType, a_field

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
    "ConditionReader",
    "ConditionSyntaxError",
    "ConditionTrace",
    "FieldChange",
    "FieldType",
    "Rule",
    "Seen",
    "Threshold",
    "Truth",
    "a_field",
    "bind",
    "compile_condition",
    "compiled",
    "evaluate",
    "explain",
    "fields_of",
    "guarded_fields",
    "names",
    "parse",
    "parts_of",
    "smallest_change",
    "thresholds",
    "to_text",
]
