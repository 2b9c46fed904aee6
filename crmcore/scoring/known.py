"""What a score may name, and how a name is looked up."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from crmcore.conditions import FieldType
from crmcore.errors import Problem
from crmcore.scoring.steps import Scorer
from crmcore.suggestions import nearest

__all__ = ["Known", "banded"]


@dataclass(frozen=True, slots=True)
class Known:
    """What a step may name when it is bound.

    Parameters
    ----------
    facts
        Types of facts and attributes.
    scores
        Types of the scores that are bound already.
    ranges
        Least and greatest value of those scores that are whole numbers.
    points
        All points of those scores that are given by bands.
    windowed
        The facts that look at a window.
    scorers
        The host's scorers.
    fitting
        Whether the policy is loaded to be fitted, and may have quantiles that are not.
    broken
        Names that exist but have a problem of their own; what rests on them is not reported.
    nearest
        How to find the known name most like an unknown one.
    """

    facts: Mapping[str, FieldType]
    scores: Mapping[str, FieldType] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    points: Mapping[str, frozenset[int]] = field(default_factory=dict)
    windowed: frozenset[str] = frozenset()
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    fitting: bool = False
    broken: AbstractSet[str] = frozenset()
    nearest: Callable[[str, Collection[str]], str | None] = nearest

    def unknown(self, name: str, among: Mapping[str, object], path: str, what: str) -> Problem:
        """Return the problem of a name that is not among those allowed."""
        other = self.facts if among is self.scores else self.scores
        message = f"no such {what}"
        if name in other:
            message = f"this is {'a fact' if other is self.facts else 'a score'}, not a {what}"
        suggestion = self.nearest(name, [*among, *sorted(self.broken - among.keys())])
        return Problem("unknown_name", message, path, given=name, suggestion=suggestion)


def banded(
    fact: str | None, score: str | None, known: Known, path: str
) -> tuple[str | None, list[Problem]]:
    """Return the name of the one column that bands are over, or what is wrong with it."""
    if (fact is None) == (score is None):
        given = "neither" if fact is None else "both"
        message = "bands are over a 'fact' or over a 'score': exactly one of them"
        return None, [Problem("one_of", message, path, given=given)]
    name, among = (fact, known.facts) if fact is not None else (score, known.scores)
    assert name is not None  # one of the two is given
    if name in known.broken:
        return None, []
    if name not in among:
        what, key = ("fact or attribute", "fact") if fact is not None else ("score", "score")
        return None, [known.unknown(name, among, f"{path}.{key}", what)]
    return name, []
