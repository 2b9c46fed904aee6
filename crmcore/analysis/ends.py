"""The least and the greatest value that a fact or an attribute can have."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from fractions import Fraction
from typing import Final, TypeAlias

import numpy as np

from crmcore.analysis.axes import WHOLE, Cut
from crmcore.analysis.scene import Scene
from crmcore.calendars import Moments, Window
from crmcore.conditions import FieldType
from crmcore.facts import Fact
from crmcore.policy import Policy

__all__ = ["ends_of", "never_missing", "widened"]

Ends: TypeAlias = tuple[int | Fraction, int | Fraction]

_TIMES: Final = ("first", "last")
_DAYS: Final = ("days_since_first", "days_since_last")
_COUNTED: Final = ("count", "distinct", "sum")
_GREATEST_FLOAT: Final = Fraction(sys.float_info.max)


def ends_of(name: str, policy: Policy, scene: Scene) -> Ends:
    """Return the least and the greatest value of a fact or attribute, in its own unit."""
    type_, fact = policy.fields[name], policy.facts.get(name)
    low, high = _usual(type_)
    if fact is None:
        return low, high
    if fact.take in (*_TIMES, *_DAYS):
        return _of_times(fact, type_, policy, scene)
    if fact.take == "share":
        return 0, 1
    return max(low, _least(fact, low)), high


def _least(fact: Fact, low: int | Fraction) -> int | Fraction:
    """Return the least that a figure can be: what is left of a sale is more than nothing."""
    if fact.take in ("count", "distinct", "spread") or fact.field == "gap_days":
        return 0
    if fact.measure != "value" or fact.of == "line":
        return low
    each = 1 if fact.of in ("sale", "return") else 0
    if fact.take in ("min", "median", "max"):
        return each
    # Returns that name no order make net sales what they will.
    return low if fact.of == "sale" else each if fact.take == "mean" else 0


def never_missing(name: str, policy: Policy) -> bool:
    """Whether a fact or attribute always has a value."""
    fact = policy.facts.get(name)
    if fact is not None:
        return fact.take in _COUNTED
    marked = name == "blocked" or name.startswith("tag:")
    return marked or not policy.fields[name].nullable


def widened(ends: Ends, type_: FieldType, cuts: Iterable[Cut]) -> Ends:
    """Return the ends of a number, moved beyond what it is compared with where nobody set them."""
    edges = [at for at, _ in cuts]
    low, high = ends
    if edges and type_.kind in ("int", "money", "ratio"):
        if type_.low is None and low < 0:
            low = min(low, min(edges) // 1 - 1)
        if type_.high is None and high > 1:
            high = max(high, max(edges) // 1 + 1)
    return low, high


def _usual(type_: FieldType) -> Ends:
    if type_.kind == "float":
        return -_GREATEST_FLOAT, _GREATEST_FLOAT
    return type_.domain if type_.kind in WHOLE or type_.kind == "ratio" else (0, 0)


def _of_times(fact: Fact, type_: FieldType, policy: Policy, scene: Scene) -> Ends:
    moment = scene.timing(policy).of(windowed=fact.window is not None)
    window = None if fact.window is None else policy.windows[fact.window]
    first, last = _bounds(window, moment, policy)
    if type_.kind == "instant":
        return first, last
    if first > last:
        return 1, 0
    start, end = policy.zone.local_days(np.array([first, last], np.int64)).tolist()
    if type_.kind == "date":
        return start, end
    today = int(moment.day[0])
    return today - end, today - start


def _bounds(window: Window | None, moment: Moments, policy: Policy) -> tuple[int, int]:
    if window is None:
        return FieldType("instant").domain[0], int(moment.at[0])
    first, last = window.bounds(moment, policy.zone)
    return int(first[0]), int(last[0])
