"""What the query cannot say: found, all of it, before anything is built."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
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
from crmcore.errors import DataError, MissingExtraError, Problem
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.records.source import Source
from crmcore.scoring import ScorerStep, Step
from crmcore.segments import TableStep
from crmcore.sql.constructs import construct, sayable
from crmcore.sql.dialects import DIALECTS
from crmcore.sql.moments import AsOf, refuse_several
from crmcore.sql.nodes import INT64_MAX
from crmcore.sql.reading import every_leaf, every_value
from crmcore.sql.selected import bound_where

__all__ = [
    "Use",
    "problems_of",
    "refuse_beside",
    "refuse_unread",
    "refuse_without_sqlglot",
    "refused",
    "too_long",
]

_MOST_ROWS: Final = 2**40
"""More rows of one customer than there are: what a mean may be divided by."""


@dataclass(frozen=True, slots=True)
class Use:
    """A construct that stands in a policy: what it is one of, which, where, and as what."""

    group: str
    name: str
    path: str
    given: str


def refuse_without_sqlglot() -> None:
    """Refuse to write queries where SQLGlot is not installed."""
    if find_spec("sqlglot") is None:
        raise MissingExtraError("sqlglot", extra="sql")


def refuse_unread(source: Source | None, kinds: Mapping[str, str] | None, bad_rows: str) -> None:
    """Refuse what only says how a source is read where there is none."""
    if source is None and (kinds is not None or bad_rows != "refuse"):
        raise DataError("`kinds` and `bad_rows` say how a source is read: give one")


def refuse_beside(
    as_of: AsOf,
    customers: str | None,
    columns: Mapping[str, str | None] | None,
    facts: str | None,
    daily: str | None,
    source: Source | None,
) -> None:
    """Refuse what makes no sense beside facts or days, which are read in place of orders."""
    if source is not None and (facts is not None or daily is not None):
        raise DataError("a source says how orders are read: give neither facts nor days")
    if facts is None:
        return
    if daily is not None:
        raise DataError("give either facts or days")
    if customers is not None or columns is not None:
        raise DataError("a table of facts has all facts and attributes, each under its own name")
    refuse_several(as_of, "facts are as of one moment")


def problems_of(
    policy: Policy, dialect: str, scores: Collection[str] = (), *, facts_given: bool = False
) -> list[Problem]:
    """Return everything in a policy that the query cannot say.

    `scores` are those whose values are given. Of facts that are given only the names matter.
    """
    problems = []
    if dialect not in DIALECTS:
        message = "there is no SQL of this dialect"
        problems.append(Problem("not_in_sql", message, "dialect", dialect, ", ".join(DIALECTS)))
    facts = {} if facts_given else policy.facts
    uses = _uses(policy, dialect, facts, scores)
    return problems + [problem for use in uses for problem in refused(use, dialect)]


def refused(use: Use, dialect: str) -> Iterator[Problem]:
    """Yield the problem of a construct, if an engine cannot have it."""
    standing = construct(use.group, use.name).standing(dialect)
    if standing.support == "refused":
        others = sayable(use.group, dialect) if use.given == use.name else []
        message = f"{use.name} has no SQL form, as {standing.why}"
        yield Problem("not_in_sql", message, use.path, use.given, ", ".join(others) or None)


def _uses(
    policy: Policy, dialect: str, facts: Mapping[str, Fact], scores: Collection[str]
) -> Iterator[Use]:
    """Yield what stands in a policy that not every engine, or none, can say."""
    for name, fact in facts.items():
        yield from _of_fact(fact, f"facts.{name}", policy)
    for step in policy.steps:
        if step.name not in scores:
            yield from _of_step(step)
    named = {f"facts.{name}": name for name in policy.facts}
    named |= {f"attributes.{name}": name for name in policy.attributes}
    named |= {f"scores.{step.name}": step.name for step in policy.steps}
    yield from too_long(named.items(), dialect)


def too_long(named: Iterable[tuple[str, str]], dialect: str) -> Iterator[Use]:
    """Yield what gives columns a name that an engine would cut off: places and such names.

    Parts of a query may have longer names, but no column that is shown, kept or read.
    """
    longest = DIALECTS[dialect].longest_name if dialect in DIALECTS else None
    for path, name in named:
        if longest is not None and len(name.encode()) > longest:
            yield Use("name", "a name of more than 63 bytes", path, name)


def _of_fact(fact: Fact, path: str, policy: Policy) -> Iterator[Use]:
    yield Use("facts of", fact.of, f"{path}.of", fact.of)
    if fact.of != "line":
        yield Use("aggregate", fact.take, f"{path}.take", fact.take)
        yield Use("field", fact.measure, f"{path}.field", fact.measure)
    where = bound_where(fact, policy)
    if where is not None:
        yield from _of_condition(where, f"{path}.where")


def _of_step(step: Step) -> Iterator[Use]:
    match step:
        case TableStep():
            for row, condition in enumerate(step.table.conditions):
                yield from _of_condition(condition, f"{step.table.path}.first.{row}")
        case ScorerStep():
            yield Use("score", "a host's scorer", f"scores.{step.name}.scorer", "scorer")


def _of_condition(bound: Bound, path: str) -> Iterator[Use]:
    for value in every_value(bound):
        if value.type.kind == "float" and isinstance(value, BoundSum | BoundProduct | BoundDivide):
            yield Use("condition", "a calculation with floats", path, value.text)
        if isinstance(value, BoundBand):
            yield from _of_edges(value.value.type, value.edges, value.text, path)
    for leaf in every_leaf(bound):
        if isinstance(leaf, BoundCompare):
            yield from _of_edges(leaf.type, [leaf.edge], leaf.text, path)
        if isinstance(leaf, BoundIn):
            yield from _of_edges(leaf.item.type, leaf.edges, leaf.text, path)


def _of_edges(type_: FieldType, edges: Iterable[object], text: str, path: str) -> Iterator[Use]:
    numbers = [edge for edge in edges if isinstance(edge, Fraction)]
    if type_.kind == "ratio" and not all(_is_narrow(edge, type_) for edge in numbers):
        yield Use("condition", "a mean and a longer edge", path, text)


def _is_narrow(edge: Fraction, type_: FieldType) -> bool:
    """Return whether 38 digits hold what a ratio and an edge are compared by.

    The numerator of a ratio has 64 bits.
    """
    divisor = max(type_.greatest_divisor, _MOST_ROWS)
    return abs(edge.numerator) * divisor < 10**38 and edge.denominator <= INT64_MAX
