"""Evaluation: the one pipeline from orders to decisions, its result and its reasons."""

from __future__ import annotations

from crmcore.evaluation.explanation import Decision, Explanation, Flip
from crmcore.evaluation.result import (
    Evaluation,
    evaluate,
    evaluate_customer,
    evaluate_facts,
)
from crmcore.evaluation.usage import OrderUse

__all__ = [
    "Decision",
    "Evaluation",
    "Explanation",
    "Flip",
    "OrderUse",
    "evaluate",
    "evaluate_customer",
    "evaluate_facts",
]
