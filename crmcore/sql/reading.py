"""What conditions ask about, all the way down."""

from __future__ import annotations

from collections.abc import Iterator

from crmcore.conditions import (
    Bound,
    BoundBetween,
    BoundCase,
    BoundDays,
    BoundField,
    BoundShift,
    BoundValue,
    parts_of,
)
from crmcore.conditions.typed.bound import Leaf, leaves_of, values_of
from crmcore.policy import Policy
from crmcore.segments import TableStep

__all__ = ["counted_from", "every_leaf", "every_value"]


def every_leaf(bound: Bound) -> Iterator[Leaf]:
    """Yield the nodes of a condition that ask about values, those inside others too."""
    for leaf in leaves_of(bound):
        yield leaf
        if isinstance(leaf, BoundBetween):
            yield from (leaf.low, leaf.high)
        for value in values_of(leaf):
            for one in _inside(value):
                if isinstance(one, BoundCase):
                    for condition, _ in one.rows:
                        yield from every_leaf(condition)


def every_value(bound: Bound) -> Iterator[BoundValue]:
    """Yield every value of a condition, those that others are made of too."""
    for leaf in every_leaf(bound):
        for value in values_of(leaf):
            yield from _inside(value)


def counted_from(policy: Policy) -> frozenset[str]:
    """Return the names of the instants whose local days the conditions of a policy ask for."""
    found: set[str] = set()
    for step in policy.steps:
        for bound in step.table.conditions if isinstance(step, TableStep) else ():
            for value in every_value(bound):
                if isinstance(value, BoundDays | BoundShift):
                    found.update(_instants(value))
    return frozenset(found)


def _instants(value: BoundValue) -> Iterator[str]:
    for one in _inside(value):
        if isinstance(one, BoundField) and one.type.kind == "instant":
            yield one.name


def _inside(value: BoundValue) -> Iterator[BoundValue]:
    yield value
    for part in parts_of(value):
        yield from _inside(part)
