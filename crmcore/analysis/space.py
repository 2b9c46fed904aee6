"""The space of all customers, as far as some policies tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations
from math import prod
from typing import Final

import numpy as np

from crmcore.analysis.axes import Axis, axis_of
from crmcore.analysis.ends import Ends, ends_of, never_missing, widened
from crmcore.analysis.reading import Cuts, atoms, cuts_of, is_cut, names_of, unknown_without
from crmcore.analysis.relations import Relations
from crmcore.analysis.scene import Scene
from crmcore.analysis.taking import as_taken, common_type
from crmcore.bands import BoundBands
from crmcore.calendars import day_number
from crmcore.columns import Column, Ints, Mask
from crmcore.conditions import GIVEN, Bound, BoundConstant, FieldType, evaluate
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, ScorerStep, Step, SumStep
from crmcore.segments import TableStep

__all__ = ["Block", "Space"]

MOST_CELLS: Final = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Axes that belong together because something is computed from several of them.

    Parameters
    ----------
    axes
        One axis or several.
    columns
        For each policy: the facts, and all that follows from them alone, one row for every
        combination of cells.
    possible
        Which combinations there can be.
    odd
        How much in each is unusual: negative numbers, and facts that seldom go together.
    """

    axes: tuple[Axis, ...]
    columns: tuple[dict[str, Column], ...]
    possible: Mask
    odd: Ints
    _truths: dict[tuple[int, str], tuple[Mask, Mask]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.possible)

    def cells_at(self, place: int) -> dict[str, int]:
        """Return the cell of each axis in one combination."""
        shape = [len(axis) for axis in self.axes]
        places = np.unravel_index(place, shape)
        return {axis.name: int(at) for axis, at in zip(self.axes, places, strict=True)}

    def places_of(self, name: str) -> Ints:
        """Return the cell of one axis in each combination."""
        shape = [len(axis) for axis in self.axes]
        at = [axis.name for axis in self.axes].index(name)
        return np.unravel_index(np.arange(len(self)), shape)[at].astype(np.int64)

    def plainest(self, places: Ints) -> int:
        """Return one of some combinations: the first of those that are the least odd."""
        return int(places[self.odd[places].argmin()])

    def truth(self, policy: int, bound: Bound, given: Mapping[str, Column]) -> tuple[Mask, Mask]:
        """Return where a condition is true, and where it is not false."""
        key = (policy, bound.text)
        if key not in self._truths:
            truth = evaluate(bound, {**self.columns[policy], **given}, len(self))
            maybe = truth.true if truth.known is None else truth.true | ~truth.known
            self._truths[key] = (truth.true, maybe)
        return self._truths[key]


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """All customers, cut into cells that some policies do not tell apart.

    Parameters
    ----------
    policies
        The policies.
    scene
        The moment they are looked at.
    axes
        One for each fact and attribute, by name. What cannot be cut into cells has one of its own
        as well: a host's score, a sum of too many parts, a comparison of two facts. It stands
        there with every outcome, as if it depended on nothing.
    relations, usual
        What always holds between facts, and what does so unless orders are taken back.
    blocks
        The axes in groups.
    free
        For each policy: the axis of each single test, by its text, that cells do not decide.
    mixed
        Names that are of one kind in one policy and of another in another: their axis is that of
        the first, and for the others they are missing.

    Notes
    -----
    The cost grows with the number of edges and conditions, and with the product of the cells of
    facts that go into one sum; beyond 100,000 the sum stands for itself.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> space = Space.of([load_policy("classic")])
    >>> [cell.low for cell in space.axes["sale_count"].cells]
    [0, 1, 2, 3, 4, 6]
    """

    policies: tuple[Policy, ...]
    scene: Scene
    axes: Mapping[str, Axis]
    relations: Relations
    usual: Relations
    blocks: tuple[Block, ...]
    free: tuple[Mapping[str, str], ...]
    given: tuple[Mapping[str, Column], ...]
    mixed: frozenset[str]
    _home: Mapping[str, Block]
    _supports: tuple[Mapping[str, frozenset[str]], ...]

    @classmethod
    def of(cls, policies: Sequence[Policy], scene: Scene | None = None) -> Space:
        """Return the space of one or more policies."""
        return _Building(tuple(policies), scene or Scene.of(policies)).space()

    def block_of(self, axis: str) -> Block:
        """Return the block of an axis."""
        return self._home[axis]

    def axes_of(self, name: str, policy: int = 0) -> frozenset[str]:
        """Return the names of the axes on which a fact or decision depends."""
        return self._supports[policy][name]

    def blocks_of(self, names: frozenset[str], policy: int = 0) -> list[Block]:
        """Return the blocks on which some facts and decisions depend."""
        found = {
            id(block): block
            for name in sorted(names)
            if name not in GIVEN
            for axis in sorted(self.axes_of(name, policy))
            for block in [self._home[axis]]
        }
        return list(found.values())

    def step(self, name: str, policy: int = 0) -> Step:
        """Return a decision of a policy."""
        found = self.policies[policy].step(name)
        assert found is not None
        return found


class _Building:
    def __init__(self, policies: tuple[Policy, ...], scene: Scene) -> None:
        self.policies = policies
        self.scene = scene
        self.given = tuple(scene.given(policy) for policy in policies)
        self.cuts = tuple(Cuts() for _ in policies)
        self.axes: dict[str, Axis] = {}
        self.mixed: set[str] = set()
        self.groups: dict[str, frozenset[str]] = {}
        self.supports: tuple[dict[str, frozenset[str]], ...] = tuple({} for _ in policies)
        self.free: tuple[dict[str, str], ...] = tuple({} for _ in policies)
        self.tied: dict[str, frozenset[str]] = {}
        self.relations = replace(Relations.of(policies, scene), tied=self.tied)
        self.usual = replace(self.relations, live=True, usual=True, found={})

    def space(self) -> Space:
        for at in range(len(self.policies)):
            self._cut(at)
        for name in dict.fromkeys(
            name for policy in self.policies for name in (*policy.facts, *policy.attributes)
        ):
            self._add(self._base(name))
        for at, policy in enumerate(self.policies):
            self.supports[at].update(
                {name: frozenset([name]) for name in (*policy.facts, *policy.attributes)}
            )
            for step in policy.steps:
                self._support(at, step)
        blocks = tuple(map(self._block, dict.fromkeys(self.groups.values())))
        home = {axis.name: block for block in blocks for axis in block.axes}
        return Space(
            self.policies,
            self.scene,
            self.axes,
            self.relations,
            self.usual,
            blocks,
            self.free,
            self.given,
            frozenset(self.mixed),
            home,
            self.supports,
        )

    # Cuts

    def _cut(self, at: int) -> None:
        policy, cuts = self.policies[at], self.cuts[at]
        for step in policy.steps:
            if isinstance(step, BandStep | NestedStep):
                for bands in step.all_bands:
                    _cut_bands(step, bands, policy, self.scene, cuts)
            elif isinstance(step, TableStep):
                for condition in step.table.conditions:
                    cuts_of(
                        condition, cuts, lambda name: self._whole_ends(at, name), self.given[at]
                    )

    def _whole_ends(self, at: int, name: str) -> tuple[int, int]:
        policy = self.policies[at]
        step = policy.step(name)
        if isinstance(step, BandStep | NestedStep | SumStep):
            return step.range
        low, high = ends_of(name, policy, self.scene)
        return int(low), int(high)

    def _base(self, name: str) -> Axis:
        owners = [p for p in self.policies if name in p.facts or name in p.attributes]
        types = [replace(p.fields[name], nullable=not never_missing(name, p)) for p in owners]
        if len({(type_.kind, type_.exponent) for type_ in types}) > 1:
            self.mixed.add(name)
            owners, types = owners[:1], types[:1]
        type_ = common_type(types)
        cuts = {cut for one in self.cuts for cut in one.numbers.get(name, ())}
        cuts |= set(self.relations.cuts(name))
        if len({(one.low, one.high) for one in types}) > 1:  # where one of them refuses a value
            cuts |= {(Fraction(one.low), 0) for one in types if one.low is not None}
            cuts |= {(Fraction(one.high), 1) for one in types if one.high is not None}
        texts = {text for one in self.cuts for text in one.texts.get(name, ())}
        texts.update(*(one.categories for one in types))
        every = [widened(ends_of(name, p, self.scene), type_, cuts) for p in owners]
        ends: Ends = min(low for low, _ in every), max(high for _, high in every)
        return axis_of(name, type_, cuts, ends, texts)

    def _alone(self, at: int, name: str, type_: FieldType) -> str:
        """Add an axis for a decision that cells of facts do not tell; return its name."""
        step = self.policies[at].step(name)
        ends: Ends = (
            step.range if isinstance(step, BandStep | NestedStep | SumStep) else (-(10**9), 10**9)
        )
        cuts = self.cuts[at].numbers.get(name, set())
        ends = widened(ends, FieldType("float"), cuts)
        key = f"{name}@{at}"
        self._add(axis_of(key, replace(type_, nullable=True), cuts, ends, settable=False))
        return key

    def _add(self, axis: Axis) -> None:
        self.axes[axis.name] = axis
        self.groups[axis.name] = frozenset([axis.name])

    # What depends on what

    def _support(self, at: int, step: Step) -> None:
        supports = self.supports[at]
        match step:
            case BandStep() | NestedStep() | SumStep():
                supports[step.name] = self._together_or_alone(at, step, step.needs)
            case TableStep():
                self._table(at, step)
            case _:
                supports[step.name] = frozenset([self._alone(at, step.name, step.field_type)])

    def _table(self, at: int, step: TableStep) -> None:
        tests = [atom for condition in step.table.conditions for atom in atoms(condition)]
        for atom in tests:
            self._test(at, atom)
        if step.name in _read_by_others(self.policies[at]):
            told = not any(atom.text in self.free[at] for atom in tests)
            names = step.needs if told and step.table.unknown != "error" else None
            self.supports[at][step.name] = self._together_or_alone(at, step, names)

    def _test(self, at: int, atom: Bound) -> None:
        """Make sure that a test depends on one block, or give it an axis of its own."""
        if isinstance(atom, BoundConstant):
            return
        names = names_of(atom) - GIVEN.keys()
        cut = bool(names) and is_cut(atom, lambda name: self._is_constant(at, name))
        if cut and self._merge(self._axes(at, names)):
            return
        if atom.text not in self.free[at]:
            key = f"{atom.text}@{at}"
            self._add(axis_of(key, FieldType("bool"), (), (0, 0), settable=False))
            self.free[at][atom.text] = key
            self.tied[key] = unknown_without(atom) & self.axes.keys()

    def _is_constant(self, at: int, name: str) -> bool:
        type_ = self.policies[at].fields[name]
        if type_.kind == "bool" or (type_.kind == "label" and type_.categories):
            return True
        settable = all(self.axes[axis].settable for axis in self.supports[at][name])
        return self.policies[at].step(name) is not None and settable

    def _together_or_alone(
        self, at: int, step: Step, names: Sequence[str] | None
    ) -> frozenset[str]:
        axes = None if names is None else self._axes(at, frozenset(names) - GIVEN.keys())
        if axes is not None and self._merge(axes):
            return axes
        return frozenset([self._alone(at, step.name, step.field_type)])

    def _axes(self, at: int, names: frozenset[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.supports[at][name] for name in names))

    def _merge(self, axes: frozenset[str]) -> bool:
        """Put axes into one group unless it became too large."""
        if len(axes) == 1:
            return True
        group = frozenset[str]().union(*(self.groups[axis] for axis in axes))
        if prod(len(self.axes[axis]) for axis in group) > MOST_CELLS:
            return False
        self.groups.update(dict.fromkeys(group, group))
        return True

    # Blocks

    def _block(self, group: frozenset[str]) -> Block:
        axes = tuple(axis for name, axis in self.axes.items() if name in group)
        shape = [len(axis) for axis in axes]
        size = prod(shape)
        grid = np.unravel_index(np.arange(size), shape)
        base = {
            axis.name: axis.column([cell.value for cell in axis.cells]).take(places)
            for axis, places in zip(axes, grid, strict=True)
        }
        columns = tuple(self._decided(at, base, size) for at in range(len(self.policies)))
        possible, odd = np.ones(size, np.bool_), np.zeros(size, np.int64)
        for axis, places in zip(axes, grid, strict=True):
            odd += np.array([cell.is_negative for cell in axis.cells])[places]
        for (one, mine), (other, theirs) in combinations(zip(axes, grid, strict=True), 2):
            for left, right in self.relations.impossible(one, other):
                possible &= ~(left[mine] & right[theirs])
            for left, right in self.usual.impossible(one, other):
                odd += left[mine] & right[theirs]
        return Block(axes, columns, possible, odd)

    def _decided(self, at: int, base: Mapping[str, Column], size: int) -> dict[str, Column]:
        """Return the columns of a policy that follow from the axes of one block."""
        policy, timing = self.policies[at], self.scene.timing(self.policies[at])
        columns = {
            name: as_taken(policy.fields[name], column) if name in policy.fields else column
            for name, column in base.items()
            if name in self.supports[at]
        }
        for step in policy.steps:
            support = self.supports[at].get(step.name)
            if support is None or not support <= base.keys():
                continue
            own = next(iter(support)) if len(support) == 1 else ""
            if own == f"{step.name}@{at}":
                columns[step.name] = base[own]
            elif not isinstance(step, ScorerStep):
                columns[step.name] = step.apply({**columns, **self.given[at]}, size, timing)
        return columns


def _read_by_others(policy: Policy) -> frozenset[str]:
    return frozenset(_read(policy))


def _read(policy: Policy) -> Iterator[str]:
    for step in policy.steps:
        if isinstance(step, TableStep):
            for condition in step.table.conditions:
                yield from names_of(condition)


def _cut_bands(
    step: BandStep | NestedStep, bands: BoundBands, policy: Policy, scene: Scene, cuts: Cuts
) -> None:
    if not bands.spans:
        for edge in bands.edges.tolist():
            cuts.number(step.source, Fraction(edge) / bands.scale, (0,))
        return
    moment = scene.timing(policy).of(windowed=step.windowed)
    for day in bands.edge_values(moment):
        number = day_number(day)  # type: ignore[arg-type]  # the edges of spans are dates
        if bands.kind == "instant":
            number = int(policy.zone.day_starts(np.array([number]))[0])
        cuts.number(step.source, number, (0,))
