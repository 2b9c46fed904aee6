"""Evaluation: the one pipeline from orders to decisions, its result and its reasons."""

from __future__ import annotations

from crmcore.evaluation.change import Change, Difference, Part, explain_change
from crmcore.evaluation.explanation import Decision, Explanation, Flip
from crmcore.evaluation.result import (
    Evaluation,
    evaluate,
    evaluate_customer,
    evaluate_facts,
)
from crmcore.evaluation.usage import OrderUse

__all__ = [
    "Change",
    "Decision",
    "Difference",
    "Evaluation",
    "Explanation",
    "Flip",
    "OrderUse",
    "Part",
    "evaluate",
    "evaluate_customer",
    "evaluate_facts",
    "explain_change",
]
