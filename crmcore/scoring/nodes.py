"""How scores are written in a policy, and how they become steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, Tag

from crmcore.bands import Identifier, PointBands
from crmcore.conditions import FieldType, nearest
from crmcore.errors import Problem
from crmcore.scoring.steps import BandStep, Scorer, ScorerStep, SumStep

__all__ = ["BandScore", "Cell", "Known", "Score", "Scorecard", "ScoredBy", "banded"]

_INT64: Final = range(-(2**63), 2**63)


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
    windowed
        The facts that look at a window.
    scorers
        The host's scorers.
    broken
        Names that exist but have a problem of their own; what rests on them is not reported.
    nearest
        How to find the known name most like an unknown one.
    """

    facts: Mapping[str, FieldType]
    scores: Mapping[str, FieldType] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    windowed: frozenset[str] = frozenset()
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    broken: AbstractSet[str] = frozenset()
    nearest: Callable[[str, Collection[str]], str | None] = nearest

    def unknown(self, name: str, among: Mapping[str, object], path: str, what: str) -> Problem:
        """Return the problem of a name that is not among those allowed."""
        other = self.facts if among is self.scores else self.scores
        message = f"no such {what}"
        if name in other:
            message = f"this is {'a fact' if other is self.facts else 'a score'}, not a {what}"
        return Problem(
            "unknown_name", message, path, given=name, suggestion=self.nearest(name, among)
        )


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BandScore(PointBands):
    """Points by bands over one fact, attribute or other score.

    Parameters
    ----------
    fact, score
        What is banded: exactly one of them.

    Examples
    --------
    >>> BandScore.model_validate({"fact": "sale_count", "from": [[1, 1], [6, 5]]}).needs
    ('sale_count',)
    """

    fact: Identifier | None = None
    score: Identifier | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it is computed from."""
        return tuple(name for name in (self.fact, self.score) if name is not None)

    def bind_step(
        self, name: str, known: Known, path: str
    ) -> tuple[BandStep | None, list[Problem]]:
        """Return the step, or what is wrong."""
        source, problems = banded(self.fact, self.score, known, path)
        if source is None:
            return None, problems
        type_ = known.facts[source] if self.fact else known.scores[source]
        bands, problems = self.bind(type_.kind, exponent=type_.exponent, path=path)
        if bands is None:
            return None, problems
        return BandStep(name, source, bands, source in known.windowed, FieldType("int")), []


class Scorecard(_Node):
    """A weighted sum of scores; missing when one of them is.

    Parameters
    ----------
    weights
        A whole number, not 0, for each score.

    Examples
    --------
    >>> Scorecard(weights={"recency_points": 1, "frequency_points": 3}).needs
    ('recency_points', 'frequency_points')
    """

    weights: Annotated[
        dict[Identifier, Annotated[StrictInt, Field(ge=-(2**62), le=2**62)]], Field(min_length=1)
    ]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it is computed from."""
        return tuple(self.weights)

    def bind_step(self, name: str, known: Known, path: str) -> tuple[SumStep | None, list[Problem]]:
        """Return the step, or what is wrong."""
        parts = {part: f"{path}.weights.{part}" for part in self.weights}
        problems = _unsummable(parts, known)
        problems += [
            Problem("zero_weight", "a weight of 0 counts nothing: leave the score out", parts[part])
            for part, weight in self.weights.items()
            if weight == 0
        ]
        if problems or any(part in known.broken for part in parts):
            return None, problems
        step = SumStep.of(name, self.weights, known.ranges)
        if step.range[0] not in _INT64 or step.range[1] not in _INT64:
            message = "the sum may leave the 64-bit integers: choose smaller weights"
            return None, [Problem("out_of_range", message, f"{path}.weights")]
        return step, []


class Cell(_Node):
    """Scores of 0 to 9 as the digits of one number: ``["r", "f", "m"]`` gives 100 r + 10 f + m.

    Parameters
    ----------
    cell
        The scores, 2 to 9 of them, the one of the first digit first.

    Examples
    --------
    >>> Cell(cell=("r", "f", "m")).needs
    ('r', 'f', 'm')
    """

    cell: Annotated[tuple[Identifier, ...], Field(min_length=2, max_length=9)]

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it is computed from."""
        return tuple(dict.fromkeys(self.cell))

    def bind_step(self, name: str, known: Known, path: str) -> tuple[SumStep | None, list[Problem]]:
        """Return the step, or what is wrong."""
        places = {part: f"{path}.cell.{at}" for at, part in enumerate(self.cell)}
        problems = _unsummable(places, known)
        problems += [
            Problem(
                "not_a_digit", "a score in a cell is 0 to 9", places[part], given=_range(low_high)
            )
            for part in places
            if (low_high := known.ranges.get(part)) and not 0 <= low_high[0] <= low_high[1] <= 9
        ]
        if problems or any(part in known.broken for part in places):
            return None, problems
        weights: dict[str, int] = {}
        for at, part in enumerate(reversed(self.cell)):
            weights[part] = weights.get(part, 0) + 10**at
        return SumStep.of(name, weights, known.ranges), []


class ScoredBy(_Node):
    """A score computed by a host's `Scorer`; a float.

    Parameters
    ----------
    scorer
        Its name in ``load_policy(…, scorers={…})``.

    Examples
    --------
    >>> ScoredBy(scorer="alive")
    ScoredBy(scorer='alive')
    """

    scorer: Identifier

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing: the scorer itself names its inputs."""
        return ()

    def bind_step(
        self, name: str, known: Known, path: str
    ) -> tuple[ScorerStep | None, list[Problem]]:
        """Return the step, or what is wrong."""
        scorer = known.scorers.get(self.scorer)
        if scorer is None:
            return None, [_no_scorer(self.scorer, known, f"{path}.scorer")]
        inputs = tuple(scorer.inputs)
        problems = [
            known.unknown(one, known.facts, f"{path}.scorer.inputs", "fact or attribute")
            for one in inputs
            if one not in known.facts and one not in known.broken
        ]
        if problems or any(one in known.broken for one in inputs):
            return None, problems
        return ScorerStep(name, inputs, scorer, FieldType("float")), []


def _kind_of_score(given: object) -> str:
    if isinstance(given, BaseModel):
        return _TAGS[type(given)]
    if not isinstance(given, Mapping):
        return "score:bands"  # which then says that it is no table
    return next(
        (f"score:{key}" for key in ("weights", "cell", "scorer") if key in given), "score:bands"
    )


_TAGS: Final[Mapping[type, str]] = {
    BandScore: "score:bands",
    Scorecard: "score:weights",
    Cell: "score:cell",
    ScoredBy: "score:scorer",
}

Score: TypeAlias = Annotated[
    Annotated[BandScore, Tag("score:bands")]
    | Annotated[Scorecard, Tag("score:weights")]
    | Annotated[Cell, Tag("score:cell")]
    | Annotated[ScoredBy, Tag("score:scorer")],
    Discriminator(_kind_of_score),
]
"""Any of the four, told apart by the key ``weights``, ``cell`` or ``scorer``; else bands."""


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


def _unsummable(parts: Mapping[str, str], known: Known) -> list[Problem]:
    problems = []
    for part, path in parts.items():
        if part in known.broken or part in known.ranges:
            continue
        if part in known.scores:
            message = "a host's score has no whole points: band it first"
            problems.append(Problem("type_mismatch", message, path, given=part))
        else:
            problems.append(known.unknown(part, known.scores, path, "score"))
    return problems


def _range(ends: tuple[int, int]) -> str:
    return f"{ends[0]} to {ends[1]}"


def _no_scorer(name: str, known: Known, path: str) -> Problem:
    message = "no such scorer: pass it as load_policy(…, scorers={…})"
    allowed = ", ".join(sorted(known.scorers)) or "none was passed"
    suggestion = known.nearest(name, known.scorers)
    return Problem("unknown_name", message, path, name, allowed, suggestion)
