"""Likeliness: how far made-up facts contradict each other, so that likely customers are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis import Axis, Cell
from crmcore.analysis.axes import WHOLE
from crmcore.analysis.relations import Relations
from crmcore.columns import Ints
from crmcore.conditions import FieldType
from crmcore.conditions.typed.literals import Edge
from crmcore.policy import Policy
from crmcore.workbench.testing.values import raw_of

__all__ = ["Axes", "contradictions", "with_room"]


Axes: TypeAlias = Mapping[str, Sequence[Edge | None]]
"""For each fact and attribute the values it takes."""

_FAMILIES: Final = (
    ("count", "distinct"),
    ("first", "last"),
    ("min", "median", "max"),
    ("days_since_first", "days_since_last"),
)
_UPWARDS: Final = frozenset(["count", "last", "max", "days_since_first"])
_DOWNWARDS: Final = frozenset(["first", "min", "days_since_last"])


def contradictions(policy: Policy, axes: Axes, places: Mapping[str, Ints], rows: int) -> Ints:
    """Return for each customer how many pairs of facts no orders could bring about.

    More sales than orders, say, or a last sale without any sale.
    """
    relations = Relations(policy.facts, policy.evaluation.every is None)
    cut = {
        name: Axis(
            name, policy.fields[name], tuple(_cell(one, policy.fields[name]) for one in axes[name])
        )
        for name in policy.facts
    }
    found = np.zeros(rows, np.int64)
    for one, other in combinations(policy.facts, 2):
        for mine, theirs in relations.impossible(cut[one], cut[other]):
            found += mine[places[one]] & theirs[places[other]]
    return found


def with_room(policy: Policy, axes: Axes) -> Axes:
    """Return the axes with values that go with every value of other facts.

    Who has the most sales needs as many orders, who bought last the latest day, and so on.
    """
    wider = dict(axes)
    for name, fact in policy.facts.items():
        family = next((one for one in _FAMILIES if fact.take in one), ())
        alike = [
            edge
            for other, its in policy.facts.items()
            if its.take in family and policy.fields[other].kind == policy.fields[name].kind
            for edge in axes[other]
            if isinstance(edge, Fraction)
        ]
        extremes = [max(alike)] if alike and fact.take in _UPWARDS else []
        extremes += [min(alike)] if alike and fact.take in _DOWNWARDS else []
        if len(axes[name]) > 1:
            wider[name] = [*axes[name], *(one for one in extremes if one not in axes[name])]
    return wider


def _cell(edge: Edge | None, type_: FieldType) -> Cell:
    raw = raw_of(edge, type_)
    if raw is None:
        return Cell(())
    return Cell((raw,), raw, raw) if isinstance(raw, int) and type_.kind in WHOLE else Cell((raw,))
