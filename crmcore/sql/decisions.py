"""Decisions in SQL: points, sums of points, grades, and first-match lists."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crmcore.bands import BoundBands
from crmcore.calendars import shift_days
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, Step, SumStep
from crmcore.segments import TableStep
from crmcore.sql import nodes
from crmcore.sql.conditions import Scope, condition
from crmcore.sql.facts import divisor_of, instant_of
from crmcore.sql.nodes import Node
from crmcore.tables import BoundTable

__all__ = ["decision"]


def decision(step: Step, scope: Scope, policy: Policy) -> Node:
    """Return what one step of a policy gives."""
    match step:
        case BandStep():
            return _banded(step.source, step.bands, scope, policy)
        case NestedStep():
            return _nested(step, scope, policy)
        case SumStep():
            return _summed(step, scope)
        case TableStep():
            return _first_match(step.table, scope)
    raise AssertionError(step.name)  # refused before


def _nested(step: NestedStep, scope: Scope, policy: Policy) -> Node:
    outer, cases = scope.value(step.inside), []
    for points, bands in step.tables.items():
        holds = nodes.compare(outer, "==", nodes.number(points))
        cases.append((holds, _banded(step.source, bands, scope, policy)))
    return nodes.choose(cases, nodes.nothing("bigint"))


def _banded(source: str, bands: BoundBands, scope: Scope, policy: Policy) -> Node:
    below, *reached, missing = [_outcome(bands, outcome) for outcome in bands.outcomes]
    cases = [(nodes.is_missing(scope.value(source)), missing)]
    met = list(_edges(source, bands, scope, policy))
    # The highest edge that is met decides, so the highest comes first.
    cases += reversed(list(zip(met, reached, strict=True)))
    return nodes.choose(cases, below)


def _outcome(bands: BoundBands, outcome: int | None) -> Node:
    labels = bands.labels
    if outcome is None:
        return nodes.nothing("varchar" if labels else "bigint")
    return nodes.text(labels[outcome]) if labels else nodes.number(outcome)


def _edges(source: str, bands: BoundBands, scope: Scope, policy: Policy) -> Iterator[Node]:
    """Yield for each edge, ascending, whether it is reached."""
    value = scope.value(source)
    if bands.spans:
        day = np.array([scope.inputs.day])
        if bands.kind == "date":
            value = scope.value(instant_of(source))
        for span in bands.spans:
            start = int(policy.zone.day_starts(shift_days(day, span, -1))[0])
            yield nodes.compare(value, ">=", nodes.number(start))
    elif bands.kind == "ratio":
        wide = nodes.cast(value, "int128")
        scaled = wide if bands.scale == 1 else nodes.compute(wide, "*", nodes.number(bands.scale))
        divisor = nodes.cast(scope.value(divisor_of(source)), "int128")
        for edge in bands.edges.tolist():
            yield nodes.compare(scaled, ">=", nodes.compute(nodes.number(edge), "*", divisor))
    else:
        for edge in bands.edges.tolist():
            yield nodes.compare(value, ">=", nodes.number(edge))


def _summed(step: SumStep, scope: Scope) -> Node:
    """Return the weighted sum: missing where a part is; its range was checked when loading."""
    total: Node | None = None
    for part, weight in step.weights:
        points = scope.value(part)
        if weight != 1:
            points = nodes.compute(nodes.cast(points, "int128"), "*", nodes.number(weight))
        total = points if total is None else nodes.compute(total, "+", points)
    assert total is not None  # a sum has parts
    return nodes.cast(total, "bigint")


def _first_match(table: BoundTable, scope: Scope) -> Node:
    otherwise = _otherwise(table, scope)
    cases = []
    for bound, label in zip(table.conditions, table.labels, strict=True):
        holds = condition(bound, scope)
        cases.append((holds, nodes.text(label)))
        if table.unknown != "skip":
            message = f"a condition of {table.path} is unknown: give the values it needs"
            instead = otherwise if table.unknown == "default" else nodes.refuse(message)
            cases.append((nodes.is_missing(nodes.bracket(holds)), instead))
    return nodes.choose(cases, otherwise)


def _otherwise(table: BoundTable, scope: Scope) -> Node:
    if table.otherwise is None:
        return nodes.nothing("varchar")
    if table.otherwise.startswith("@"):
        return scope.value(table.otherwise[1:])
    return nodes.text(table.otherwise)
