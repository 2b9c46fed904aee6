"""Decisions in SQL: points, sums of points, grades, and first-match lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crmcore.bands import BoundBands
from crmcore.conditions.evaluators.domains import OUTSIDE
from crmcore.scoring import BandStep, NestedStep, Step, SumStep
from crmcore.segments import TableStep
from crmcore.sql import nodes
from crmcore.sql.attributes import given_of
from crmcore.sql.conditions import condition
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.values import Scope, divisor_of, outside
from crmcore.tables import BoundTable

__all__ = ["decided"]


def decided(steps: Iterable[Step], last: str, inputs: Inputs) -> Iterator[tuple[str, Query]]:
    """Yield the parts of the query that add the steps' columns to a part, `last`, each by name."""
    for step in steps:
        scope = Scope(inputs.part(f"before {step.name}"), inputs)
        columns = {step.name: _decision(step, scope)}
        for name, part in scope.parts(last):
            yield name, part
            last = name
        source = nodes.table(last, scope.table)
        query = nodes.select(columns, source, nodes.every_column(scope.table))
        last = inputs.part(f"with {step.name}")
        yield last, inputs.dialect.step(query)


def _decision(step: Step, scope: Scope) -> Node:
    """Return what one step of a policy gives."""
    match step:
        case BandStep():
            moment = scope.inputs.moment(windowed=step.windowed)
            return _banded(step.source, step.bands, scope, moment)
        case NestedStep():
            return _nested(step, scope)
        case SumStep():
            return _summed(step, scope)
        case TableStep():
            return _first_match(step.table, scope)
    return scope.value(given_of(step.name))  # a scorer's: all others are refused before


def _nested(step: NestedStep, scope: Scope) -> Node:
    outer, cases = scope.value(step.inside), []
    moment = scope.inputs.moment(windowed=step.windowed)
    for points, bands in step.tables.items():
        holds = nodes.compare(outer, "==", nodes.number(points))
        cases.append((holds, _banded(step.source, bands, scope, moment)))
    return nodes.choose(cases, nodes.nothing("bigint"))


def _banded(source: str, bands: BoundBands, scope: Scope, moment: Inputs) -> Node:
    below, *reached, missing = [_outcome(bands, outcome) for outcome in bands.outcomes]
    cases = [(nodes.is_missing(scope.value(source)), missing)]
    met = list(_edges(source, bands, scope, moment))
    # The highest edge that is met decides, so the highest comes first.
    cases += reversed(list(zip(met, reached, strict=True)))
    return nodes.choose(cases, below)


def _outcome(bands: BoundBands, outcome: int | None) -> Node:
    labels = bands.labels
    if outcome is None:
        return nodes.nothing("varchar" if labels else "bigint")
    return nodes.text(labels[outcome]) if labels else nodes.number(outcome)


def _edges(source: str, bands: BoundBands, scope: Scope, moment: Inputs) -> Iterator[Node]:
    """Yield for each edge, ascending, whether it is reached."""
    value = scope.value(source)
    if bands.spans:
        back = moment.back_day if bands.kind == "date" else moment.back
        for span in bands.spans:
            yield nodes.compare(value, ">=", back(span))
    elif bands.kind == "ratio":
        dialect = scope.inputs.dialect
        wide = dialect.wide(value)
        if bands.scale != 1:
            wide = nodes.compute(wide, "*", dialect.wide_number(bands.scale))
        divisor = dialect.wide(scope.value(divisor_of(source)))
        for edge in bands.edges.tolist():
            yield nodes.compare(wide, ">=", nodes.compute(dialect.wide_number(edge), "*", divisor))
    else:
        make = nodes.double if bands.kind == "float" else nodes.number
        for edge in bands.edges.tolist():
            yield nodes.compare(value, ">=", make(edge))


def _summed(step: SumStep, scope: Scope) -> Node:
    """Return the weighted sum: missing where a part is; its range was checked when loading."""
    dialect = scope.inputs.dialect
    total: Node | None = None
    for part, weight in step.weights:
        points = dialect.wide(scope.value(part))
        if weight != 1:
            points = nodes.compute(points, "*", dialect.wide_number(weight))
        total = points if total is None else nodes.compute(total, "+", points)
    assert total is not None  # a sum has parts
    return dialect.narrow(total)


def _first_match(table: BoundTable, scope: Scope) -> Node:
    otherwise = _otherwise(table, scope)
    cases = list(_refused(table, scope))
    for bound, label in zip(table.conditions, table.labels, strict=True):
        holds = condition(bound, scope)
        cases.append((holds, nodes.text(label)))
        if table.unknown != "skip":
            message = f"a condition of {table.path} is unknown: give the values it needs"
            someone = nodes.cast(scope.value("customer_id"), "varchar")
            refused = scope.inputs.dialect.refuse(message, someone)
            instead = otherwise if table.unknown == "default" else refused
            cases.append((nodes.is_missing(nodes.bracket(holds)), instead))
    return nodes.choose(cases, otherwise)


def _refused(table: BoundTable, scope: Scope) -> Iterator[tuple[Node, Node]]:
    """Yield what customers may not have where conditions calculate with it."""
    someone = nodes.cast(scope.value("customer_id"), "varchar")
    for name, wrong in outside(table.conditions, scope).items():
        message = f"{OUTSIDE} (column {name})"
        yield wrong, scope.inputs.dialect.refuse(message, someone)


def _otherwise(table: BoundTable, scope: Scope) -> Node:
    if table.otherwise is None:
        return nodes.nothing("varchar")
    if table.otherwise.startswith("@"):
        return scope.value(table.otherwise[1:])
    return nodes.text(table.otherwise)
