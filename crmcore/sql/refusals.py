"""What the query cannot say: found, all of it, before anything is built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from crmcore.conditions import (
    Bound,
    BoundBand,
    BoundCompare,
    BoundDivide,
    BoundIn,
    BoundProduct,
    BoundSum,
    FieldType,
)
from crmcore.errors import Problem
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.scoring import ScorerStep, Step
from crmcore.segments import TableStep
from crmcore.sql.constructs import construct, sayable
from crmcore.sql.dialects import DIALECTS, Dialect
from crmcore.sql.nodes import INT64_MAX
from crmcore.sql.reading import every_leaf, every_value
from crmcore.sql.selected import bound_where

__all__ = ["problems_of"]

_MOST_ROWS: Final = 2**40
"""More rows of one customer than there are: what a mean may be divided by."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A construct that stands in a policy: what it is one of, which, where, and as what."""

    group: str
    name: str
    path: str
    given: str


def problems_of(policy: Policy, dialect: str, scores: Collection[str] = ()) -> list[Problem]:
    """Return everything in a policy that the query cannot say.

    `scores` are those whose values are given.
    """
    problems = []
    if dialect not in DIALECTS:
        message = "there is no SQL of this dialect"
        problems.append(Problem("not_in_sql", message, "dialect", dialect, ", ".join(DIALECTS)))
    uses = _uses(policy, DIALECTS.get(dialect), scores)
    return problems + [problem for use in uses for problem in _refused(use, dialect)]


def _refused(use: _Use, dialect: str) -> Iterator[Problem]:
    standing = construct(use.group, use.name).standing(dialect)
    if standing.support == "refused":
        others = sayable(use.group, dialect) if use.given == use.name else []
        message = f"{use.name} has no SQL form, as {standing.why}"
        yield Problem("not_in_sql", message, use.path, use.given, ", ".join(others) or None)


def _uses(policy: Policy, dialect: Dialect | None, scores: Collection[str]) -> Iterator[_Use]:
    """Yield what stands in a policy that not every engine, or none, can say."""
    for name, fact in policy.facts.items():
        yield from _of_fact(fact, f"facts.{name}", policy)
    for step in policy.steps:
        if step.name not in scores:
            yield from _of_step(step)
    longest = None if dialect is None else dialect.longest_name
    named = {f"facts.{name}": name for name in policy.facts}
    named |= {f"scores.{step.name}": step.name for step in policy.steps}
    for path, name in named.items():
        if longest is not None and len(name.encode()) > longest:
            yield _Use("name", "a name of more than 63 bytes", path, name)


def _of_fact(fact: Fact, path: str, policy: Policy) -> Iterator[_Use]:
    yield _Use("facts of", fact.of, f"{path}.of", fact.of)
    if fact.of != "line":
        yield _Use("aggregate", fact.take, f"{path}.take", fact.take)
        yield _Use("field", fact.measure, f"{path}.field", fact.measure)
    where = bound_where(fact, policy)
    if where is not None:
        yield from _of_condition(where, f"{path}.where")


def _of_step(step: Step) -> Iterator[_Use]:
    match step:
        case TableStep():
            for row, condition in enumerate(step.table.conditions):
                yield from _of_condition(condition, f"{step.table.path}.first.{row}")
        case ScorerStep():
            yield _Use("score", "a host's scorer", f"scores.{step.name}.scorer", "scorer")


def _of_condition(bound: Bound, path: str) -> Iterator[_Use]:
    for value in every_value(bound):
        if value.type.kind == "float" and isinstance(value, BoundSum | BoundProduct | BoundDivide):
            yield _Use("condition", "a calculation with floats", path, value.text)
        if isinstance(value, BoundBand):
            yield from _of_edges(value.value.type, value.edges, value.text, path)
    for leaf in every_leaf(bound):
        if isinstance(leaf, BoundCompare):
            yield from _of_edges(leaf.type, [leaf.edge], leaf.text, path)
        if isinstance(leaf, BoundIn):
            yield from _of_edges(leaf.item.type, leaf.edges, leaf.text, path)


def _of_edges(type_: FieldType, edges: Iterable[object], text: str, path: str) -> Iterator[_Use]:
    numbers = [edge for edge in edges if isinstance(edge, Fraction)]
    if type_.kind == "ratio" and not all(_is_narrow(edge, type_) for edge in numbers):
        yield _Use("condition", "a mean and a longer edge", path, text)


def _is_narrow(edge: Fraction, type_: FieldType) -> bool:
    """Return whether 38 digits hold what a ratio and an edge are compared by.

    The numerator of a ratio has 64 bits.
    """
    divisor = max(type_.greatest_divisor, _MOST_ROWS)
    return abs(edge.numerator) * divisor < 10**38 and edge.denominator <= INT64_MAX
