"""Boxes: products of sets, one set an axis, and what of a box lies outside others.

A set is an integer whose bits are the members. A box is a tuple of sets, none of them empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Box", "OutOfStepsError", "Search", "common", "members", "size_of", "subset"]

Box: TypeAlias = tuple[int, ...]


class OutOfStepsError(Exception):
    """The search took more steps than it may: nothing is decided."""


def common(one: Box, other: Box) -> Box | None:
    """Return what two boxes have in common, ``None`` when that is nothing.

    Examples
    --------
    >>> common((0b011, 0b1), (0b110, 0b1)), common((0b001, 0b1), (0b110, 0b1))
    ((2, 1), None)
    """
    both = tuple([left & right for left, right in zip(one, other, strict=True)])
    return both if all(both) else None


def subset(one: Box, other: Box) -> bool:
    """Return whether a box lies in another."""
    return all(left & right == left for left, right in zip(one, other, strict=True))


def size_of(box: Box) -> int:
    """Return how many points a box has."""
    size = 1
    for one in box:
        size *= one.bit_count()
    return size


def members(one: int) -> list[int]:
    """Return the members of a set, ascending.

    Examples
    --------
    >>> members(0b1010)
    [1, 3]
    """
    found = []
    while one:
        lowest = one & -one
        found.append(lowest.bit_length() - 1)
        one ^= lowest
    return found


@dataclass(slots=True)
class Search:
    """Looks for points outside boxes, within a number of steps.

    Parameters
    ----------
    steps
        How many steps all searches together may still take; each looks at one box and at all
        others that meet it.

    Examples
    --------
    >>> Search(100).outside((0b11, 0b11), [(0b01, 0b11), (0b11, 0b01)])
    (2, 2)
    """

    steps: int

    def outside(self, box: Box, covers: Sequence[Box]) -> Box | None:
        """Return a part of a box that is outside all covers; ``None`` when there is none.

        Depth first: a cover is taken out, and each piece that is left is looked into, the largest
        first, with those covers only that meet it.

        Raises
        ------
        OutOfStepsError
            When the steps are used up.
        """
        pieces: list[tuple[Box, Sequence[Box]]] = [(box, covers)]
        while pieces:
            self.steps -= 1
            if self.steps < 0:
                raise OutOfStepsError
            trimmed = _trimmed(*pieces.pop())
            if trimmed is None:
                continue
            rest, live = trimmed
            if not live:
                return rest
            left = _without(rest, live[0] if len(live) == 1 else max(live, key=size_of))
            pieces += [(piece, live) for piece in sorted(left, key=size_of)]
        return None

    def all_outside(self, box: Box, covers: Iterable[Box], most: int) -> list[Box]:
        """Return disjoint parts of a box that are outside all covers, at most so many."""
        found: list[Box] = []
        covers = list(covers)
        while len(found) < most:
            part = self.outside(box, covers)
            if part is None:
                break
            found.append(part)
            covers.append(part)
        return found


def _trimmed(box: Box, covers: Sequence[Box]) -> tuple[Box, Sequence[Box]] | None:
    """Return the box without what covers cut off straight, and the covers that still meet it.

    ``None`` when a cover holds all of it.
    """
    shrunk = True
    while shrunk:
        shrunk = False
        live = []
        for cover in covers:
            parts = []
            partial, where = 0, 0
            for at, own in enumerate(box):
                part = own & cover[at]
                if not part:
                    break
                if part != own:
                    partial, where = partial + 1, at
                parts.append(part)
            else:
                if not partial:
                    return None
                if partial > 1:
                    live.append(tuple(parts))
                    continue
                # It spans the box on all axes but one: there it is cut off, and one piece is left.
                box = (*box[:where], box[where] & ~parts[where], *box[where + 1 :])
                shrunk = True
        covers = live
    return box, covers


def _without(box: Box, part: Box) -> list[Box]:
    """Return disjoint boxes that are the box without a part of it."""
    pieces = []
    for at, inside in enumerate(part):
        outside = box[at] & ~inside
        if outside:
            pieces.append((*part[:at], outside, *box[at + 1 :]))
    return pieces
