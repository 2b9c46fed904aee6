"""What time alone can turn in a policy: on which days, and what would tell a personal value.

Dates leave spans, ages reach edges, and moments pass instants on days that can be told in
advance. What calculates with time is *restless*: its days are found by trying.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np

from crmcore.calendars import Zone, first_day_beyond, instant_us
from crmcore.columns import Column, Ints
from crmcore.conditions import (
    GIVEN,
    Bound,
    BoundBand,
    BoundBetween,
    BoundCase,
    BoundField,
    BoundPair,
    BoundValue,
    guarded_fields,
    parts_of,
    thresholds,
)
from crmcore.conditions.typed.bound import Leaf, leaves_of, values_of
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, Step, SumStep
from crmcore.segments import TableStep
from crmcore.timing import Timing

__all__ = ["AGES", "Passing", "ages_of", "days_of", "guarded_steps", "restless_steps"]


AGES: Final = ("days_since_first", "days_since_last")
"""What facts take that count days up to the evaluation."""


@dataclass(frozen=True, slots=True)
class Passing:
    """What grows while nothing happens.

    Parameters
    ----------
    moments
        The moments that conditions may name, and that move.
    ages
        The facts that grow by a day with every day, and whether they have a window.
    """

    moments: frozenset[str]
    ages: Mapping[str, bool]

    def __contains__(self, name: str) -> bool:
        return name in self.moments or name in self.ages


def ages_of(policy: Policy) -> dict[str, bool]:
    """Return the facts that count days up to the evaluation, and whether they have a window."""
    return {name: bool(fact.window) for name, fact in policy.facts.items() if fact.take in AGES}


# The days that can be told in advance


def days_of(
    step: Step, passing: Passing, facts: Mapping[str, Column], since: Timing
) -> Iterator[Ints]:
    """Yield the days on which dates, ages and moments cross the edges of a step.

    `facts` are as of the moments `since`, row by row: those with a window of the held ones, those
    without of the one now.
    """
    if isinstance(step, BandStep | NestedStep):
        spans = {span for bands in step.all_bands for span in bands.spans}
        days = _days_in(facts[step.source], since.zone) if spans else None
        yield from (first_day_beyond(days, span) for span in spans if days is not None)
        for bands in step.all_bands:
            if step.source in passing.ages:
                windowed = passing.ages[step.source]
                yield from _ages(bands.edges.tolist(), facts[step.source], since, windowed)
    if isinstance(step, TableStep):
        for condition in step.table.conditions:
            yield from _crossed(condition, passing, facts, since)


def _crossed(
    condition: Bound, passing: Passing, facts: Mapping[str, Column], since: Timing
) -> Iterator[Ints]:
    for name, edge in thresholds(condition):
        if name in passing.ages and isinstance(edge, int | Decimal):
            yield from _ages([math.ceil(edge)], facts[name], since, passing.ages[name])
        if name in passing.moments and isinstance(edge, datetime):
            yield from _passed(since.zone.local_days(np.array([instant_us(edge)])))
    for leaf in _leaves(condition):
        for pair in _pairs(leaf):
            other = _passed_by(pair, passing)
            if other is not None:
                yield from _passed(_days_in(facts[other], since.zone))


def _days_in(column: Column, zone: Zone) -> Ints:
    """Return the local days that a column has."""
    values = column.values.astype(np.int64, copy=False)
    values = values if column.known is None else values[column.known]
    return values if column.kind == "date" else zone.local_days(values)


def _ages(edges: list[int], column: Column, since: Timing, windowed: bool) -> Iterator[Ints]:
    """Yield the days on which an age comes to an edge, or one day beyond it."""
    ages = since.of(windowed=windowed).day - column.values.astype(np.int64, copy=False)
    origins = ages if column.known is None else ages[column.known]
    for edge in edges:
        if 0 <= edge < 1_000_000:
            yield from _passed(origins + edge)


def _passed(days: Ints) -> Iterator[Ints]:
    yield days
    yield days + 1


def _pairs(leaf: Leaf) -> Iterator[BoundPair]:
    if isinstance(leaf, BoundPair):
        yield leaf
    if isinstance(leaf, BoundBetween):
        yield from (one for one in (leaf.low, leaf.high) if isinstance(one, BoundPair))


def _passed_by(pair: BoundPair, passing: Passing) -> str | None:
    """Return the field of an instant that a moment is compared with, both as they are."""
    if not (isinstance(pair.left, BoundField) and isinstance(pair.right, BoundField)):
        return None
    moment, other = pair.left.name, pair.right.name
    if other in passing.moments:
        moment, other = other, moment
    return other if moment in passing.moments and other not in GIVEN else None


# What is found by trying only


def restless_steps(policy: Policy, passing: Passing) -> frozenset[str]:
    """Return the decisions that calculate with time, and those that rest on them."""
    return _resting(policy, lambda step: _is_restless(step, passing))


def _is_restless(step: Step, passing: Passing) -> bool:
    match step:
        case TableStep():
            leaves = (leaf for one in step.table.conditions for leaf in _leaves(one))
            return any(_calculates(leaf, passing) for leaf in leaves)
        case BandStep() | NestedStep() | SumStep():
            return False
        case _:  # a host's own scorer may turn on any day
            return any(name in passing for name in step.needs)


def _calculates(leaf: Leaf, passing: Passing) -> bool:
    pairs = list(_pairs(leaf))
    if pairs and all(_passed_by(pair, passing) is not None for pair in pairs):
        return False
    # A field that is compared with literals alone crosses them on days that can be told.
    return any(
        _moves(value, passing)
        for value in values_of(leaf)
        if pairs or not isinstance(value, BoundField)
    )


def _moves(value: BoundValue, passing: Passing) -> bool:
    """Tell whether a value may be another on a day that cannot be told in advance."""
    match value:
        case BoundField():
            return value.name in passing
        case BoundBand(value=BoundField()):
            return False
        case _:
            return any(_moves(part, passing) for part in parts_of(value))


def _leaves(condition: Bound) -> Iterator[Leaf]:
    """Yield the nodes that ask about values, those inside a case too."""
    for leaf in leaves_of(condition):
        yield leaf
        for value in values_of(leaf):
            yield from _leaves_inside(value)


def _leaves_inside(value: BoundValue) -> Iterator[Leaf]:
    if isinstance(value, BoundCase):
        for condition, _ in value.rows:
            yield from _leaves(condition)
    for part in parts_of(value):
        yield from _leaves_inside(part)


# What would tell a personal value


def guarded_steps(policy: Policy) -> frozenset[str]:
    """Return the decisions whose day of change would tell a personal value.

    They look at how long ago a personal date is, or compare a personal value with another; or
    they rest on such a decision.
    """
    if not any(type_.personal for type_ in policy.fields.values()):
        return frozenset()  # as in most policies
    return _resting(policy, lambda step: _is_guarded(step, policy))


def _is_guarded(step: Step, policy: Policy) -> bool:
    if isinstance(step, BandStep | NestedStep):
        return policy.fields[step.source].personal and any(one.spans for one in step.all_bands)
    if not isinstance(step, TableStep):
        return False
    return any(
        not policy.fields[name].personal
        for condition in step.table.conditions
        for name in guarded_fields(condition)
    )


def _resting(policy: Policy, is_one: Callable[[Step], bool]) -> frozenset[str]:
    """Return the decisions that are such, and all that rest on them."""
    found: set[str] = set()
    for step in policy.steps:  # each after what it needs
        if is_one(step) or not found.isdisjoint(step.needs):
            found.add(step.name)
    return frozenset(found)
