"""The grid: customers with every combination of values that a policy may tell apart.

Each fact and attribute takes the values just beside every edge it is compared with; where there
are too many combinations, a sample of them, the same on every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import chain
from math import prod
from typing import Final

import numpy as np

from crmcore.analysis import Scene
from crmcore.calendars import DAY_US, moments
from crmcore.columns import Column, Ints, Mask
from crmcore.conditions import Bound, BoundCompare, BoundField, BoundIn, BoundPair, FieldType
from crmcore.conditions.typed.literals import Edge
from crmcore.evaluation.pipeline import given_moments
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, ScorerStep
from crmcore.segments import TableStep
from crmcore.timing import Timing
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.cuts import atoms, beside, cuts_of_atom, cuts_of_bands
from crmcore.workbench.testing.groups import usual_value
from crmcore.workbench.testing.likeliness import Axes, contradictions, with_room
from crmcore.workbench.testing.probing import Found, is_calculated, probed
from crmcore.workbench.testing.values import column_of
from crmcore.workbench.testing.views import View, view_of

__all__ = ["Grid", "World", "grid_of"]

_MOST_ROWS: Final = 60_000
_MOST_WORLDS: Final = 3
_SECOND_US: Final = 10**6
_OTHER: Final = "another"


@dataclass(frozen=True, slots=True)
class World:
    """The moments that customers are looked at: as for `evaluate_facts`."""

    as_of: date
    last_evaluated_at: date | None

    def timing(self, policy: Policy) -> Timing:
        """Return the moments at which a policy takes its figures."""
        now = moments(self.as_of, policy.zone)
        return Timing(policy.zone, now, policy.evaluation.held(now, policy.zone))

    def last_us(self, policy: Policy) -> Ints | None:
        """Return the evaluation before, as a policy sees it."""
        if self.last_evaluated_at is not None:
            return moments(self.last_evaluated_at, policy.zone).at
        return self.timing(policy).held.at if policy.evaluation.every is not None else None


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Customers for analysis.

    Parameters
    ----------
    columns
        Facts and attributes.
    rows
        How many customers.
    worlds
        The moments at which they are looked at.
    is_whole
        Whether every combination is among them.
    odd
        How many pairs of each customer's facts contradict each other.
    likely
        The customers whom orders could bring about; all of them where too few are tried to tell.
    """

    columns: Mapping[str, Column]
    rows: int
    worlds: tuple[World, ...]
    is_whole: bool
    odd: Ints
    likely: Mask

    def views(self, policy: Policy) -> Iterator[View]:
        """Yield what a policy makes of the customers, once for each of the moments."""
        for world in self.worlds:
            timing = world.timing(policy)
            yield view_of(policy, self.columns, self.rows, timing, world.last_us(policy))


def grid_of(policy: Policy, cases: Sequence[Case]) -> Grid:
    """Return customers at the moments of the cases; without cases at a moment of our own."""
    worlds = tuple(_worlds(policy, cases))
    axes = _axes(policy, worlds)
    wider = with_room(policy, axes)
    has_room = _size(wider) <= _MOST_ROWS
    axes = wider if has_room else axes
    sizes = [len(axis) for axis in axes.values()]
    fits = _size(axes) <= _MOST_ROWS
    # Only a host's scorer itself knows where its scores turn.
    whole = fits and not any(isinstance(step, ScorerStep) for step in policy.steps)
    rows = _size(axes) if fits else _MOST_ROWS
    if fits:
        places: Sequence[Ints] = np.unravel_index(np.arange(rows), sizes)
    else:
        chance = np.random.default_rng(0)
        places = [chance.integers(0, size, rows) for size in sizes]
    named = dict(zip(axes, places, strict=True))
    columns = {
        name: column_of(axis, policy.fields[name]).take(named[name]) for name, axis in axes.items()
    }
    odd = contradictions(policy, axes, named, rows)
    return Grid(columns, rows, worlds, whole, odd, odd == 0 if has_room else odd >= 0)


def _size(axes: Axes) -> int:
    return prod(len(axis) for axis in axes.values())


def _worlds(policy: Policy, cases: Sequence[Case]) -> Iterator[World]:
    given = {
        (str(case.as_of), str(case.last_evaluated_at)): World(case.as_of, case.last_evaluated_at)
        for case in cases
    }
    worlds = list(given.values())[:_MOST_WORLDS]
    if not worlds:
        scene = Scene.of([policy])
        worlds = [World(scene.as_of, scene.last_evaluated_at)]
    yield from worlds
    is_read = any("last_evaluated_at" in step.needs for step in policy.steps)
    if is_read and all(world.last_evaluated_at is None for world in worlds):
        yield World(worlds[0].as_of, worlds[0].as_of - timedelta(days=365))


def _axes(policy: Policy, worlds: Iterable[World]) -> Axes:
    values: dict[str, dict[Edge, None]] = {name: {} for name in (*policy.facts, *policy.attributes)}
    links: list[tuple[str, str]] = []
    for world in worlds:
        timing, last = world.timing(policy), world.last_us(policy)
        moments_of = {"as_of": int(timing.now.at[0])}
        if last is not None:
            moments_of["last_evaluated_at"] = int(last[0])
        for name, edge in _named(policy, timing, links):
            if name in values:
                values[name][edge] = None
        for one, other in links:
            if one in values and other in moments_of:
                for step in (-1, 0, 1):
                    values[one][Fraction(moments_of[other] + step * _SECOND_US)] = None
    _link(policy, values, links)
    for world in worlds:
        for found in _calculated(policy, world, values):
            if found.name in values:
                values[found.name][found.edge] = None
    read = {name for step in policy.steps for name in step.needs}
    return {name: _axis(policy, name, found, name in read) for name, found in values.items()}


def _calculated(
    policy: Policy, world: World, values: Mapping[str, Mapping[Edge, None]]
) -> Iterator[Found]:
    """Yield what the tests of calculated values turn on."""
    timing = world.timing(policy)
    given = given_moments(timing, world.last_us(policy))
    pools = {name: list(found) for name, found in values.items()}
    for step in policy.steps:
        if not isinstance(step, TableStep):
            low, high = step.field_type.domain
            pools[step.name] = [Fraction(one) for one in sorted({low, (low + high) // 2, high})]
    for step in policy.steps:
        if isinstance(step, TableStep):
            for atom in filter(is_calculated, chain(*map(atoms, step.table.conditions))):
                yield from probed(atom, pools, given, int(timing.now.day[0]))


def _axis(
    policy: Policy, name: str, found: Mapping[Edge, None], is_read: bool
) -> list[Edge | None]:
    type_, usual = policy.fields[name], usual_value(policy, name)
    if not is_read:
        return [usual]
    edges: list[Edge | None] = [*_completed(type_, found)]
    if name in policy.facts and type_.kind in ("int",):
        edges = [edge for edge in edges if isinstance(edge, Fraction) and edge >= 0]
    return [*edges, None] if usual is None else edges or [usual]


def _completed(type_: FieldType, found: Mapping[Edge, None]) -> list[Edge]:
    match type_.kind:
        case "bool":
            return [False, True]
        case "label" | "text":
            texts = sorted({str(edge) for edge in found})
            return [*(type_.categories or (*texts, _OTHER))]
        case "date" | "instant":
            return sorted(found, key=_as_number) or [Fraction(0)]
    return sorted(found, key=_as_number) or [Fraction(0), Fraction(1)]


def _as_number(edge: Edge) -> Fraction:
    return Fraction(edge) if not isinstance(edge, str) else Fraction(0)


def _named(
    policy: Policy, timing: Timing, links: list[tuple[str, str]]
) -> Iterator[tuple[str, Edge]]:
    """Yield each field with each value that something in the policy may tell from another."""
    for step in policy.steps:
        if isinstance(step, ScorerStep):
            for name in step.needs:
                yield from ((name, one) for one in _spread(policy.fields[name], timing))
        for bands in _plain_bands(step):
            for cut in cuts_of_bands(bands, timing):
                yield from ((bands.source, _edge(cut.kind, one)) for one in beside(cut))
        if isinstance(step, TableStep):
            for condition in step.table.conditions:
                for atom in atoms(condition):
                    yield from _of_atom(atom, links)


def _spread(type_: FieldType, timing: Timing) -> Iterator[Edge]:
    """Yield values small and large."""
    sizes = [0, *(10**power for power in range(8))]
    match type_.kind:
        case "int" | "money" | "ratio":
            yield from map(Fraction, sizes)
        case "float":
            yield from map(float, sizes)
        case "date":
            yield from (Fraction(int(timing.now.day[0]) - size) for size in sizes[:6])
        case "instant":
            yield from (Fraction(int(timing.now.at[0]) - size * DAY_US) for size in sizes[:6])


def _plain_bands(step: object) -> Iterator[BandStep]:
    if isinstance(step, BandStep):
        yield step
    if isinstance(step, NestedStep):
        for bands in step.all_bands:
            yield BandStep(step.name, step.source, bands, step.windowed, step.field_type)


def _of_atom(atom: Bound, links: list[tuple[str, str]]) -> Iterator[tuple[str, Edge]]:
    for cut in cuts_of_atom(atom):
        if cut.other is None and cut.name is not None:
            yield from ((cut.name, _edge(cut.kind, one)) for one in beside(cut))
    match atom:
        case BoundPair(left=BoundField(name=one), right=BoundField(name=other)):
            links.append((one, other))
        case BoundCompare() if atom.op in ("==", "!=") and atom.edge is not None:
            yield from _around(atom.name, atom.type, atom.edge)
        case BoundIn() if isinstance(atom.item, BoundField):
            for edge in atom.edges:
                yield from _around(atom.item.name, atom.item.type, edge)


def _around(name: str, type_: FieldType, edge: Edge | int) -> Iterator[tuple[str, Edge]]:
    if type_.kind in ("int", "money", "date", "ratio"):
        yield from ((name, Fraction(edge) + step) for step in (-1, 0, 1))
    else:
        yield name, _edge(type_.kind, edge)


def _edge(kind: str, value: Edge | int) -> Edge:
    if kind == "float":
        return float(value)
    return Fraction(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _link(
    policy: Policy, values: dict[str, dict[Edge, None]], links: Iterable[tuple[str, str]]
) -> None:
    """Give facts that are compared with one another values on both sides of each other."""
    for one, other in links:
        if one in values and other in values:
            unit = _SECOND_US if policy.fields[one].kind == "instant" else 1
            both = {**values[one], **values[other]} or {Fraction(unit): None}
            numbers = [edge for edge in both if isinstance(edge, Fraction)]
            ends = [min(numbers) - 2 * unit, max(numbers) + 2 * unit] if numbers else []
            steps = (edge + step * unit for edge in numbers for step in (-1, 0, 1))
            for edge in (*both, *steps, *ends):
                values[one][edge] = values[other][edge] = None
