"""What would change a decision: each fact is moved to every edge it could cross, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np

from crmcore.calendars import day_number, instant_us
from crmcore.columns import Column, Ints, Mask, Value
from crmcore.conditions import (
    GIVEN,
    Bound,
    BoundField,
    BoundLiteral,
    FieldType,
    fields_of,
    guarded_fields,
    smallest_change,
    thresholds,
)
from crmcore.conditions.evaluators.candidates import around
from crmcore.conditions.typed.bound import leaves_of, values_of
from crmcore.errors import DataError
from crmcore.evaluation.pipeline import decide, given_moments
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, ScorerStep, Step
from crmcore.segments import TableStep
from crmcore.timing import Timing

__all__ = ["Flip", "nearest_flips"]

_WHOLE = ("int", "money", "date", "instant", "bool")


@dataclass(frozen=True, slots=True)
class Flip:
    """A value of one fact that would change a decision, with everything else as it is.

    Parameters
    ----------
    fact
        The fact or attribute.
    seen, needed
        Its value now, and the nearest one on that side that changes the decision.
    becomes
        What the decision becomes.
    steps
        How many edges lie between, the one reached included.
    """

    fact: str
    seen: Value
    needed: Value
    becomes: Value
    steps: int


@dataclass(frozen=True, slots=True)
class _Trial:
    """One pretended value: in the column's own unit, over a divisor for ratios."""

    fact: str
    value: int | float
    divisor: int
    steps: int


def nearest_flips(
    policy: Policy,
    columns: Mapping[str, Column],
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> dict[str, tuple[Flip, ...]]:
    """Return, for each decision, the nearest changes of a single fact that would flip it.

    Every trial is put through the policy itself, so what is said to suffice does suffice. Nothing
    is said of a fact where what is personal decides which of its values suffice.
    """
    trials = list(_trials(policy, columns, timing, last_evaluated_us))
    if not trials:
        return {}
    pretended = _pretend(policy, columns, trials)
    try:
        outcome = decide(policy, pretended, len(trials), timing, last_evaluated_us)
    except DataError:  # a table refuses somebody who is only pretended
        return {}
    seen = {fact: columns[fact][0] for fact in {trial.fact for trial in trials}}
    guarded = _guarded_facts(policy)
    found: dict[str, tuple[Flip, ...]] = {}
    for step in policy.steps:
        then = outcome[step.name]
        nearest: dict[tuple[str, bool], int] = {}
        for row in np.flatnonzero(differs(then, columns[step.name])).tolist():
            # Trials of a fact stand in the order of their distance, for each side.
            if trials[row].fact not in guarded[step.name]:
                nearest.setdefault((trials[row].fact, trials[row].steps > 0), row)
        flips = [_flip(trials[row], seen, pretended, then[row], row) for row in nearest.values()]
        found[step.name] = tuple(sorted(flips, key=lambda flip: flip.steps))
    return found


def _guarded_facts(policy: Policy) -> dict[str, frozenset[str]]:
    """Return, for each decision, what it reads together with something personal."""
    read: dict[str, frozenset[str]] = {}
    guarded: dict[str, frozenset[str]] = {step.name: frozenset() for step in policy.steps}
    if not any(type_.personal for type_ in policy.fields.values()):
        return guarded  # as in most policies
    for step in policy.steps:  # each after what it needs
        read[step.name] = frozenset(step.needs).union(*(read.get(one, ()) for one in step.needs))
        joined = ({name}.union(read.get(name, ())) for name in _guarded_in(step, policy))
        needed = (guarded.get(name, ()) for name in step.needs)
        guarded[step.name] = frozenset[str]().union(*joined, *needed)
    return guarded


def _guarded_in(step: Step, policy: Policy) -> frozenset[str]:
    if isinstance(step, TableStep):
        return frozenset[str]().union(*map(guarded_fields, step.table.conditions))
    personal = any(policy.fields[name].personal for name in step.needs)
    return frozenset(step.needs if isinstance(step, ScorerStep) and personal else ())


def _flip(
    trial: _Trial,
    seen: Mapping[str, Value],
    pretended: Mapping[str, Column],
    becomes: Value,
    row: int,
) -> Flip:
    needed = pretended[trial.fact][row]
    return Flip(trial.fact, seen[trial.fact], needed, becomes, abs(trial.steps))


def _trials(
    policy: Policy,
    columns: Mapping[str, Column],
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> Iterator[_Trial]:
    """Yield each value just at and just under an edge, numbered outwards from the value seen."""
    edges: dict[str, set[tuple[int | float, int]]] = {}
    known = {**columns, **given_moments(timing, last_evaluated_us)}
    for step in policy.steps:
        for fact, value, divisor in _edges_of(step, known, timing):
            edges.setdefault(fact, set()).add((value, divisor))
    for fact, places in edges.items():
        type_ = policy.fields[fact]
        if type_.personal:
            continue  # a flip would show its value
        values = [(v, d) for v, d in places if _is_possible(v, d, type_)]
        column = columns[fact]
        seen = column.values[0].item()
        own = int(column.divisor[0]) if column.divisor is not None else 1
        # Compared as fractions, without division.
        above = sorted((v / d, v, d) for v, d in values if v * own > seen * d)
        below = sorted(((v / d, v, d) for v, d in values if v * own < seen * d), reverse=True)
        for sign, side in ((1, above), (-1, below)):
            for steps, (_, value, divisor) in enumerate(side, 1):
                yield _Trial(fact, value, divisor, sign * steps)


def _is_possible(value: int | float, divisor: int, type_: FieldType) -> bool:
    """Whether a fact of that type may have the value; calculations refuse any other."""
    low, high = type_.domain
    inside = low <= value <= high and divisor <= type_.greatest_divisor
    return inside or type_.kind in ("bool", "float")


def _edges_of(
    step: object, columns: Mapping[str, Column], timing: Timing
) -> Iterator[tuple[str, int | float, int]]:
    if isinstance(step, BandStep | NestedStep) and _usable(columns, step.source):
        column = columns[step.source]
        for bands in step.all_bands:
            for day in bands.edge_values(timing.of(windowed=step.windowed)) if bands.spans else ():
                assert isinstance(day, date)
                yield from _around_day(step.source, column, day_number(day), timing)
            for edge in bands.edges.tolist():
                yield from _around(step.source, column, edge, bands.scale, over=False)
    if isinstance(step, TableStep):
        for condition in step.table.conditions:
            types = fields_of(condition)
            for fact, literal in thresholds(condition):
                if fact not in GIVEN and _usable(columns, fact):
                    yield from _around_literal(fact, columns[fact], types[fact], literal)
            if _calculates(condition):
                yield from _turning(condition, columns)


def _calculates(condition: Bound) -> bool:
    values = (value for leaf in leaves_of(condition) for value in values_of(leaf))
    return any(not isinstance(value, BoundField | BoundLiteral) for value in values)


def _turning(
    condition: Bound, columns: Mapping[str, Column]
) -> Iterator[tuple[str, int | float, int]]:
    """Yield the nearest value of one field at which a condition with calculations turns."""
    for change in smallest_change(condition, columns, 0, most=1) or ():
        needed, exponent = change.needed, columns[change.field].exponent
        match needed:
            case datetime():
                yield change.field, instant_us(needed), 1
            case date():
                yield change.field, day_number(needed), 1
            case Decimal() | Fraction():
                top, bottom = (Fraction(needed) * 10**exponent).as_integer_ratio()
                yield change.field, top, bottom
            case int() | float():
                yield change.field, needed, 1


def _usable(columns: Mapping[str, Column], name: str) -> bool:
    column = columns.get(name)
    known = column is not None and (column.known is None or bool(column.known[0]))
    return known and column is not None and column.kind in (*_WHOLE, "ratio", "float")


def _around(
    fact: str, column: Column, edge: int | float, scale: int = 1, *, over: bool = True
) -> Iterator[tuple[str, int | float, int]]:
    """Yield an edge, the nearest value under it, and the nearest over it where that may matter.

    Facts that cannot be negative stay so.
    """
    floats = column.kind == "float"
    values = [edge, float(np.nextafter(edge, -np.inf)) if floats else edge - 1]
    if over:
        values.append(float(np.nextafter(edge, np.inf)) if floats else edge + 1)
    for value in values:
        if value >= 0 or column.kind not in ("int", "money", "ratio"):
            yield fact, value, scale


def _around_day(
    fact: str, column: Column, day: int, timing: Timing
) -> Iterator[tuple[str, int | float, int]]:
    if column.kind == "date":
        yield from _around(fact, column, day, over=False)
    else:
        start = int(timing.zone.day_starts(np.array([day]))[0])
        yield from _around(fact, column, start, over=False)


def _around_literal(
    fact: str, column: Column, type_: FieldType, literal: Value
) -> Iterator[tuple[str, int | float, int]]:
    if type_.kind == "bool":
        yield fact, int(not column.values[0]), 1
        return
    for value, divisor in around(literal, type_):
        assert not isinstance(value, str)  # texts are no edges
        if value >= 0 or type_.kind not in ("int", "money", "ratio"):
            yield fact, value, divisor


def _pretend(
    policy: Policy, columns: Mapping[str, Column], trials: list[_Trial]
) -> dict[str, Column]:
    """Return the facts and attributes once for each trial, with its one value put in."""
    rows = np.zeros(len(trials), np.int64)
    pretended = {}
    for name in (*policy.facts, *policy.attributes):
        column = columns[name].take(rows)
        own = [row for row, trial in enumerate(trials) if trial.fact == name]
        if own:
            values = column.values.copy()
            values[own] = [trials[row].value for row in own]
            divisor = column.divisor
            if divisor is not None:
                divisor = divisor.copy()
                divisor[own] = [trials[row].divisor for row in own]
            column = replace(column, values=values, divisor=divisor)
        pretended[name] = column
    return pretended


def differs(then: Column, now: Column) -> Mask:
    """Return where a column differs from the one value of another of the same decision."""
    known_then, known_now = then.is_known(), bool(now.is_known()[0])
    result: Mask = (known_then != known_now) | (known_then & (then.values != now.values[0]))
    return result
