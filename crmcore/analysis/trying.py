"""Trying: the values of each fact and attribute beside which a policy may turn.

Where cells decide a test these are the values on both sides of each cut. Facts that are compared
with one another take each other's values; for ``divide(net_sales, sale_count, 0) > 9`` one field at
a time is moved over its whole range, the others held.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain, product
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis.axes import WHOLE, Axis, Raw, axis_of, unit_of
from crmcore.analysis.reading import atoms, names_of
from crmcore.analysis.relations import Relations
from crmcore.analysis.scales import TIMES
from crmcore.analysis.space import Space
from crmcore.analysis.turning import Moving, ladder
from crmcore.calendars import DAY_US
from crmcore.columns import Column
from crmcore.conditions import GIVEN, Bound, BoundField, BoundPair, FieldType
from crmcore.policy import Policy
from crmcore.scoring import ScorerStep
from crmcore.segments import TableStep

__all__ = ["calculated", "tried"]

_Tried: TypeAlias = dict[str, dict[Raw | None, None]]

_SETTINGS: Final = 6
_POWERS: Final = 8
_FEW: Final = (0, 1, 3)
_NUMBERS: Final = ("int", "money", "ratio")
_MOVED: Final = (*_NUMBERS, "date", "instant")


def tried(spaces: Sequence[Space]) -> tuple[Axis, ...]:
    """Return an axis of the values to be tried for each fact and attribute that is read.

    Parameters
    ----------
    spaces
        Of one policy, one for each moment.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> (axis, *_) = tried([Space.of([load_policy("rf_grid")])])
    >>> axis.name, axis.beside
    ('days_since_last_sale', (30, 31, 90, 91, 180, 181, 365, 366, None))
    """
    policy, axes = spaces[0].policies[0], spaces[0].axes
    read = {name for step in policy.steps for name in step.needs}
    values: _Tried = {
        name: dict.fromkeys(chain(*(space.axes[name].beside for space in spaces)))
        for name in (*policy.facts, *policy.attributes)
        if name in read
    }
    for space in spaces:
        for name in _scored(policy):
            if name in values:
                _add(values, axes[name], _sizes(space, policy.fields[name]))
        _link(space, values)
    for space in spaces:
        for atom in calculated(space):
            for name, found in list(_turning(space, atom, values)):
                if name in values:
                    _add(values, axes[name], found)
    for space in spaces:
        _before_windows(space.relations, axes, values)
    _make_room(spaces[0].relations, axes, values)
    return tuple(axes[name].only(found) for name, found in values.items())


def calculated(space: Space) -> Iterator[Bound]:
    """Yield the tests of a policy that no cells decide, but for two facts compared."""
    return (atom for atom in _free(space) if _linked(space, atom) is None)


def _free(space: Space) -> Iterator[Bound]:
    for step in space.policies[0].steps:
        if isinstance(step, TableStep):
            for atom in chain(*map(atoms, step.table.conditions)):
                if atom.text in space.free[0]:
                    yield atom


def _linked(space: Space, atom: Bound) -> tuple[str, str] | None:
    """Return the two facts or attributes that a test compares, if that is all it does."""
    match atom:
        case BoundPair(left=BoundField(name=one), right=BoundField(name=other)):
            return (one, other) if {one, other} <= space.axes.keys() else None
    return None


def _link(space: Space, values: _Tried) -> None:
    """Give facts that are compared with one another values on both sides of each other."""
    for atom in _free(space):
        pair = _linked(space, atom)
        if pair is None:
            continue
        both = [one for name in pair for one in values[name] if one is not None]
        numbers = [one for one in both if not isinstance(one, str)]
        unit = unit_of(space.axes[pair[0]].type, Fraction(0))
        near = {one + step * unit for one in numbers for step in (-1, 0, 1)}
        ends = {min(numbers) - 2 * unit, max(numbers) + 2 * unit} if numbers else set()
        for name in pair:
            _add(values, space.axes[name], [*both, *near, *ends])


def _add(values: _Tried, axis: Axis, more: Iterable[Raw | Fraction]) -> None:
    """Add values, in the unit of their axis, as far as they lie on it."""
    kind = axis.type.kind
    for one in more:
        if kind in WHOLE:
            assert not isinstance(one, str)
            whole = math.floor(one)
            if any(cell.holds(whole) for cell in axis.cells):
                values[axis.name][whole] = None
        elif not axis.type.categories:
            values[axis.name][float(one) if kind == "float" else one] = None


def _before_windows(relations: Relations, axes: Mapping[str, Axis], values: _Tried) -> None:
    """Add times just before a window and at its start, where something is read of that window.

    Only with a time before it can there be nothing in the window and something all the same.
    """
    facts = {name: relations.facts[name] for name in values if name in relations.facts}
    starts = {
        relations.windows[fact.window][0]
        for fact in facts.values()
        if fact.window is not None and fact.window in relations.windows
    }
    for name, fact in facts.items():
        if fact.take in TIMES and fact.window is None:
            kind = axes[name].type.kind
            near = (at for start in sorted(starts) for at in (start - 1, start))
            _add(
                values, axes[name], [Fraction(relations.clock.value(fact, kind, at)) for at in near]
            )


def _make_room(relations: Relations, axes: Mapping[str, Axis], values: _Tried) -> None:
    """Add values that go with every value of other facts.

    Who has the most sales needs as many orders, who bought last the latest day, and so on. A fact
    between two others takes every value of the lesser ones, or of the greater ones where that is
    less: then whatever cells go together in pairs have values that go together.
    """
    upward, downward = (
        _between(relations, axes, values, upward=upward) for upward in (True, False)
    )
    least = min((upward, downward), key=lambda found: math.prod(map(len, found.values())))
    values |= least


def _between(
    relations: Relations, axes: Mapping[str, Axis], values: _Tried, *, upward: bool
) -> _Tried:
    tried_on = {
        name: axes[name].only(one for one in found if one is not None)
        for name, found in values.items()
    }
    pairs = sorted((low, high) for low, high in relations.pairs if {low, high} <= tried_on.keys())
    lesser, greater = {low for low, _ in pairs}, {high for _, high in pairs}
    more = {name: dict(found) for name, found in values.items()}
    for name, other in pairs:
        low, high = tried_on[name], tried_on[other]
        if low and high:
            lows, highs = _starts(relations, low), _starts(relations, high)
            up = lows if upward and other in lesser else [max(lows)]
            down = highs if not upward and name in greater else [min(highs)]
            _add(more, axes[other], [_from(relations, high, one) for one in up])
            _add(more, axes[name], [_from(relations, low, one) for one in down])
    return more


def _starts(relations: Relations, axis: Axis) -> list[Fraction]:
    """Return the values of a fact; times as the instant at which each of them starts."""
    fact = relations.facts[axis.name]
    raw = [cell.value for cell in axis.cells]
    if fact.take in TIMES:
        values = np.array(raw, np.int64)
        raw = [*relations.clock.spans(fact, axis.type.kind, values, values)[0].tolist()]
    return [Fraction(one) for one in raw if one is not None]


def _from(relations: Relations, axis: Axis, at: Fraction) -> Fraction:
    """Return the value of a fact that starts there."""
    fact = relations.facts[axis.name]
    if fact.take in TIMES:
        return Fraction(relations.clock.value(fact, axis.type.kind, int(at)))
    return Fraction(math.ceil(at)) if axis.type.kind in WHOLE else at


# What cells do not decide


def _scored(policy: Policy) -> Iterator[str]:
    """Yield what a host's scorers read: only they know where their scores turn."""
    for step in policy.steps:
        if isinstance(step, ScorerStep):
            yield from step.needs


def _sizes(space: Space, type_: FieldType) -> Iterator[Fraction]:
    """Yield values small and large."""
    now = space.scene.timing(space.policies[0]).now
    for size in (0, *(10**power for power in range(_POWERS))):
        match type_.kind:
            case "int" | "money" | "ratio" | "float":
                yield Fraction(size)
            case "date":
                yield Fraction(int(now.day[0]) - size)
            case "instant":
                yield Fraction(int(now.at[0]) - size * DAY_US)


def _turning(space: Space, atom: Bound, values: _Tried) -> Iterator[tuple[str, Iterable[Raw]]]:
    """Yield values of fields beside which a test turns, and those at which others were held."""
    policy, given = space.policies[0], space.given[0]
    today = int(space.scene.timing(policy).now.day[0])
    names = sorted(names_of(atom) - GIVEN.keys())
    axes = {name: _values_of(space, name, values) for name in names}
    longest = max((len(axis) for axis in axes.values()), default=0)
    for name, setting in product(names, range(min(_SETTINGS, longest))):
        type_ = policy.fields[name]
        at = {
            one: axis.cells[setting % len(axis)].value
            for one, axis in axes.items()
            if one != name and len(axis)
        }
        if type_.kind not in _MOVED:
            continue

        def held(rows: int, at: Mapping[str, Raw | None] = at) -> dict[str, Column]:
            return {**given, **{one: axes[one].column([raw] * rows) for one, raw in at.items()}}

        found = Moving(name, type_, held).turns(atom, ladder(type_, today))
        if found:
            yield name, [*found, *(one - 1 for one in found)]
            yield from ((one, [raw]) for one, raw in at.items() if raw is not None)


def _values_of(space: Space, name: str, values: _Tried) -> Axis:
    """Return values at which a field may be held."""
    type_ = space.policies[0].fields[name]
    if name not in values:
        axis = axis_of(name, type_, (), type_.domain)
        return axis.only(one for cell in axis.cells for one in cell.samples)
    pool: _Tried = {name: dict(values[name])}
    if type_.kind in _NUMBERS:
        _add(pool, space.axes[name], (one * 10**type_.exponent for one in _FEW))
    return space.axes[name].only(one for one in pool[name] if one is not None)
