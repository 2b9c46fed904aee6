"""What the query cannot say yet: found, all of it, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from crmcore.conditions import (
    Bound,
    BoundBetween,
    BoundCompare,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundLiteral,
    BoundNot,
    BoundPair,
    BoundTerms,
    BoundValue,
    FieldType,
)
from crmcore.errors import Problem
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.scoring import ScorerStep, Step
from crmcore.segments import TableStep

__all__ = ["TAKES", "problems_of"]

TAKES: Final = (
    *("count", "sum", "mean", "min", "max"),
    *("first", "last", "days_since_first", "days_since_last"),
)
_DIALECTS: Final = ("duckdb",)
# A ratio is compared by multiplying both sides; 128 bits hold the products of up to 2**40 rows.
_NUMERATORS: Final = 2**87
_DENOMINATORS: Final = 2**63


def problems_of(policy: Policy, dialect: str) -> list[Problem]:
    """Return everything in a policy that the query cannot say."""
    problems = []
    if dialect not in _DIALECTS:
        problems.append(_problem("dialect", "this dialect", dialect, ", ".join(_DIALECTS)))
    if policy.evaluation.every is not None:
        every = policy.evaluation.every.text
        problems.append(_problem("evaluation", "an evaluation that is held", every, "live"))
    for name, fact in policy.facts.items():
        problems += _of_fact(fact, f"facts.{name}")
    for name, type_ in policy.attributes.items():
        if name != "blocked":
            problems.append(_problem(f"attributes.{name}", "this attribute", type_.kind, "blocked"))
    for step in policy.steps:
        problems += _of_step(step)
    return problems


def _problem(path: str, what: str, given: str, allowed: str | None = None) -> Problem:
    return Problem("not_in_sql", f"{what} has no SQL form yet", path, given, allowed)


def _of_fact(fact: Fact, path: str) -> Iterator[Problem]:
    if fact.of == "line":
        yield _problem(f"{path}.of", "a fact of lines", fact.of, "order, sale, return")
    elif fact.take not in TAKES:
        yield _problem(f"{path}.take", "this aggregate", fact.take, ", ".join(TAKES))
    elif fact.measure != "value":
        yield _problem(f"{path}.field", "this field", fact.measure, "value")
    if fact.where is not None:
        yield _problem(f"{path}.where", "a fact's own condition", "a condition")


def _of_step(step: Step) -> Iterator[Problem]:
    match step:
        case TableStep():
            for row, condition in enumerate(step.table.conditions):
                yield from _of_condition(condition, f"{step.table.path}.first.{row}")
        case ScorerStep():
            yield _problem(f"scores.{step.name}.scorer", "a score by a host's scorer", "scorer")


def _of_condition(bound: Bound, path: str) -> Iterator[Problem]:
    match bound:
        case BoundTerms():
            for term in bound.terms:
                yield from _of_condition(term, path)
        case BoundNot():
            yield from _of_condition(bound.term, path)
        case BoundBetween():
            yield from _of_condition(bound.low, path)
            yield from _of_condition(bound.high, path)
        case BoundPair():
            for side in (bound.left, bound.right):
                yield from _of_value(side, path)
            fields = isinstance(bound.left, BoundField) and isinstance(bound.right, BoundField)
            if fields and "ratio" in (bound.left.type.kind, bound.right.type.kind):
                yield _problem(path, "an exact ratio compared with more than a number", bound.text)
        case BoundKnown():
            yield from _of_value(bound.item, path)
        case BoundIn():
            yield from _of_value(bound.item, path)
            yield from _of_edges(bound.item.type, bound.edges, bound.text, path)
        case BoundCompare():
            yield from _of_edges(bound.type, [bound.edge], bound.text, path)


def _of_value(value: BoundValue, path: str) -> Iterator[Problem]:
    if not isinstance(value, (BoundField, BoundLiteral)):
        yield _problem(path, "a calculation, band or case in a condition", value.text)


def _of_edges(type_: FieldType, edges: Iterable[object], text: str, path: str) -> Iterator[Problem]:
    wide = [edge for edge in edges if not (isinstance(edge, Fraction) and _is_narrow(edge))]
    if type_.kind == "ratio" and wide:
        yield _problem(path, "an edge with so many digits", text)


def _is_narrow(edge: Fraction) -> bool:
    return abs(edge.numerator) < _NUMERATORS and edge.denominator < _DENOMINATORS
