"""What the query cannot say: found, all of it, before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
from crmcore.sql.constructs import construct, sayable
from crmcore.sql.dialects import DIALECTS, Dialect

__all__ = ["problems_of"]

# A ratio is compared by multiplying both sides; 38 digits hold the products of up to 2**40 rows.
_NUMERATORS: Final = 2**86
_DENOMINATORS: Final = 2**63


@dataclass(frozen=True, slots=True)
class _Use:
    """A construct that stands in a policy: what it is one of, which, where, and as what."""

    group: str
    name: str
    path: str
    given: str


def problems_of(policy: Policy, dialect: str) -> list[Problem]:
    """Return everything in a policy that the query cannot say."""
    problems = []
    if dialect not in DIALECTS:
        message = "there is no SQL of this dialect"
        problems.append(Problem("not_in_sql", message, "dialect", dialect, ", ".join(DIALECTS)))
    uses = _uses(policy, DIALECTS.get(dialect))
    return problems + [problem for use in uses for problem in _refused(use, dialect)]


def _refused(use: _Use, dialect: str) -> Iterator[Problem]:
    standing = construct(use.group, use.name).standing(dialect)
    if standing.support == "refused":
        others = sayable(use.group, dialect) if use.given == use.name else []
        message = f"{use.name} has no SQL form, as {standing.why}"
        yield Problem("not_in_sql", message, use.path, use.given, ", ".join(others) or None)


def _uses(policy: Policy, dialect: Dialect | None) -> Iterator[_Use]:
    """Yield what stands in a policy that not every engine, or none, can say."""
    every = policy.evaluation.every
    if every is not None:
        yield _Use("evaluation", "a held evaluation", "evaluation", every.text)
    for name, fact in policy.facts.items():
        yield from _of_fact(fact, f"facts.{name}")
    for name, type_ in policy.attributes.items():
        which = "blocked" if name == "blocked" else "any other attribute"
        yield _Use("attribute", which, f"attributes.{name}", type_.kind)
    for step in policy.steps:
        yield from _of_step(step)
    longest = None if dialect is None else dialect.longest_name
    named = {f"facts.{name}": name for name in policy.facts}
    named |= {f"scores.{step.name}": step.name for step in policy.steps}
    for path, name in named.items():
        if longest is not None and len(name.encode()) > longest:
            yield _Use("name", "a name of more than 63 bytes", path, name)


def _of_fact(fact: Fact, path: str) -> Iterator[_Use]:
    yield _Use("facts of", fact.of, f"{path}.of", fact.of)
    if fact.of != "line":
        yield _Use("aggregate", fact.take, f"{path}.take", fact.take)
        yield _Use("field", fact.measure, f"{path}.field", fact.measure)
    if fact.where is not None:
        yield _Use("fact", "`where`", f"{path}.where", "a condition")


def _of_step(step: Step) -> Iterator[_Use]:
    match step:
        case TableStep():
            for row, condition in enumerate(step.table.conditions):
                yield from _of_condition(condition, f"{step.table.path}.first.{row}")
        case ScorerStep():
            yield _Use("score", "a host's scorer", f"scores.{step.name}.scorer", "scorer")


def _of_condition(bound: Bound, path: str) -> Iterator[_Use]:
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
                yield _Use("condition", "a mean and a field", path, bound.text)
        case BoundKnown():
            yield from _of_value(bound.item, path)
        case BoundIn():
            yield from _of_value(bound.item, path)
            yield from _of_edges(bound.item.type, bound.edges, bound.text, path)
        case BoundCompare():
            yield from _of_edges(bound.type, [bound.edge], bound.text, path)


def _of_value(value: BoundValue, path: str) -> Iterator[_Use]:
    if not isinstance(value, (BoundField, BoundLiteral)):
        yield _Use("condition", "a calculation, band or case", path, value.text)


def _of_edges(type_: FieldType, edges: Iterable[object], text: str, path: str) -> Iterator[_Use]:
    wide = [edge for edge in edges if not (isinstance(edge, Fraction) and _is_narrow(edge))]
    if type_.kind == "ratio" and wide:
        yield _Use("condition", "a mean and a longer edge", path, text)


def _is_narrow(edge: Fraction) -> bool:
    return abs(edge.numerator) < _NUMERATORS and edge.denominator < _DENOMINATORS
