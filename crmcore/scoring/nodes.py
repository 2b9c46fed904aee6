"""How scores made of other scores are written in a policy, and how they become steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictInt, Tag

from crmcore.bands import Identifier
from crmcore.conditions import FieldType
from crmcore.errors import Problem
from crmcore.scoring.banding import BandScore
from crmcore.scoring.known import Known
from crmcore.scoring.steps import ScorerStep, SumStep

__all__ = ["Cell", "Score", "Scorecard", "ScoredBy"]

_INT64: Final = range(-(2**63), 2**63)


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
        problems = [replace(one, at_key=True) for one in _unsummable(parts, known)]
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
