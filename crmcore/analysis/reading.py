"""What conditions read: names, single tests, and where a test cuts the axis of a field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis.axes import WHOLE, Cut
from crmcore.analysis.turning import Moving, evenly
from crmcore.columns import Column
from crmcore.conditions import (
    GIVEN,
    Bound,
    BoundBand,
    BoundBetween,
    BoundCase,
    BoundCompare,
    BoundConstant,
    BoundDays,
    BoundField,
    BoundIn,
    BoundKnown,
    BoundLiteral,
    BoundNot,
    BoundPair,
    BoundProduct,
    BoundShift,
    BoundSum,
    BoundTerms,
    BoundValue,
    fields_of,
    parts_of,
)

__all__ = ["Cuts", "atoms", "cuts_of", "is_cut", "names_of", "tests_of", "unknown_without"]

Ends: TypeAlias = tuple[int, int]

_SIDES: Final[Mapping[str, tuple[int, ...]]] = {
    "<": (0,),
    ">=": (0,),
    "<=": (1,),
    ">": (1,),
    "==": (0, 1),
    "!=": (0, 1),
}


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where fields are cut: numbers and moments, labels and texts."""

    numbers: dict[str, set[Cut]] = field(default_factory=dict)
    texts: dict[str, set[str]] = field(default_factory=dict)

    def number(self, name: str, at: Fraction | float, sides: tuple[int, ...]) -> None:
        """Cut a field at a number."""
        exact = Fraction(at)
        self.numbers.setdefault(name, set()).update((exact, side) for side in sides)

    def text(self, name: str, text: str) -> None:
        """Remember a label or a text."""
        self.texts.setdefault(name, set()).add(text)


def names_of(bound: Bound) -> frozenset[str]:
    """Return the names that a condition reads."""
    return frozenset(fields_of(bound))


def tests_of(bound: Bound) -> Iterator[Bound]:
    """Yield the conditions that ``and``, ``or`` and ``not`` join, in the order written."""
    match bound:
        case BoundTerms():
            for term in bound.terms:
                yield from tests_of(term)
        case BoundNot():
            yield from tests_of(bound.term)
        case _:
            yield bound


def atoms(bound: Bound) -> Iterator[Bound]:
    """Yield the single tests of a condition; of ``between`` that of each edge."""
    for test in tests_of(bound):
        if isinstance(test, BoundBetween):
            yield from (test.low, test.high)
        else:
            yield test


def is_cut(atom: Bound, constant: Callable[[str], bool]) -> bool:
    """Whether a test is the same everywhere in a cell, cut as `cuts_of` says.

    `constant` tells of a name whether it has one value only in each cell.
    """
    match atom:
        case BoundCompare() | BoundConstant():
            return True
        case BoundIn() | BoundKnown():
            return isinstance(atom.item, BoundField) or _is_constant(atom.item, constant)
        case BoundPair():
            sides = (atom.left, atom.right)
            return all(_is_constant(side, constant) for side in sides) or bool(_moving(atom))
        case _:
            return False


def _is_constant(value: BoundValue, constant: Callable[[str], bool]) -> bool:
    match value:
        case BoundField():
            return value.name in GIVEN or constant(value.name)
        case BoundBand():
            return isinstance(value.value, BoundField) or _is_constant(value.value, constant)
        case BoundCase():
            tests = (atom for condition, _ in value.rows for atom in atoms(condition))
            if not all(is_cut(atom, constant) for atom in tests):
                return False
    return all(_is_constant(part, constant) for part in parts_of(value))


def cuts_of(
    bound: Bound, cuts: Cuts, ends: Callable[[str], Ends], given: Mapping[str, Column]
) -> None:
    """Add where the tests of a condition cut the axes of its fields.

    Parameters
    ----------
    bound
        The condition.
    cuts
        What is added to.
    ends
        The least and the greatest value of a field of whole numbers.
    given
        The moments, of one row.
    """
    for atom in atoms(bound):
        match atom:
            case BoundCompare():
                _compared(atom, cuts)
            case BoundIn():
                _listed(atom, cuts)
                _cuts_of_value(atom.item, cuts, ends, given)
            case BoundKnown():
                _cuts_of_value(atom.item, cuts, ends, given)
            case BoundPair():
                _searched(atom, cuts, ends, given)
                _cuts_of_value(atom.left, cuts, ends, given)
                _cuts_of_value(atom.right, cuts, ends, given)


def _cuts_of_value(
    value: BoundValue, cuts: Cuts, ends: Callable[[str], Ends], given: Mapping[str, Column]
) -> None:
    if isinstance(value, BoundBand) and isinstance(value.value, BoundField):
        for edge in value.edges:
            assert not isinstance(edge, str)  # bands are over numbers and moments
            cuts.number(value.value.name, edge, (0,))
    if isinstance(value, BoundCase):
        for condition, _ in value.rows:
            cuts_of(condition, cuts, ends, given)
    for part in parts_of(value):
        _cuts_of_value(part, cuts, ends, given)


def _compared(atom: BoundCompare, cuts: Cuts) -> None:
    if atom.type.kind in ("label", "text"):
        cuts.text(atom.name, str(atom.literal))
    elif isinstance(atom.edge, int | float | Fraction) and atom.type.kind != "bool":
        cuts.number(atom.name, atom.edge, _SIDES[atom.test])


def _listed(atom: BoundIn, cuts: Cuts) -> None:
    if not isinstance(atom.item, BoundField):
        return
    for edge in atom.edges:
        if isinstance(edge, str):
            cuts.text(atom.item.name, edge)
        elif not isinstance(edge, bool):
            cuts.number(atom.item.name, edge, (0, 1))


def _moving(atom: BoundPair) -> BoundField | None:
    """Return the one field that moves the test, whole and from false to true once at most."""
    fields = [*_fields(atom.left), *_fields(atom.right)]
    moving = [one for one in fields if one is not None and one.name not in GIVEN]
    if None in fields or len(moving) != 1 or moving[0].type.kind not in WHOLE:
        return None
    return moving[0]


def unknown_without(atom: Bound) -> frozenset[str]:
    """Return the fields of a test of two calculations without any of which it is unknown."""
    if not isinstance(atom, BoundPair):
        return frozenset()
    sides = (atom.left, atom.right)
    return frozenset(one.name for side in sides for one in _fields(side) if one is not None)


def _fields(value: BoundValue) -> Iterator[BoundField | None]:
    """Yield the fields of a value that rises or falls with each; else ``None``."""
    match value:
        case BoundField():
            yield value
        case BoundLiteral():
            return
        case BoundSum() | BoundProduct() | BoundDays() | BoundShift():
            for part in parts_of(value):
                yield from _fields(part)
        case _:
            yield None


def _searched(
    atom: BoundPair, cuts: Cuts, ends: Callable[[str], Ends], given: Mapping[str, Column]
) -> None:
    """Find where a calculation with one field passes what it is compared with."""
    moving = _moving(atom)
    if moving is None:
        return
    low, high = ends(moving.name)
    if low >= high:
        return
    question, equal = Moving(moving.name, moving.type, lambda _: given), replace(atom, op="==")
    for side in _SIDES[atom.op]:
        for edge in question.turns(replace(atom, op=("<", "<=")[side]), evenly(low, high)):
            # What is equal is the edge: it lies above the cut, or else below.
            below = question.answers(equal, np.array([edge - 1]))[0] == 1
            cuts.number(moving.name, edge - int(below), (int(below),))
