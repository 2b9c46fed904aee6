"""Scores by bands: plain, nested in another score, or as quantiles that are still to be fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from crmcore.bands import Best, Identifier, PointBands, quantile_bands
from crmcore.columns import Column, Ints
from crmcore.conditions import FieldType
from crmcore.errors import PolicyError, Problem
from crmcore.scoring.known import Known, banded
from crmcore.scoring.steps import BandStep, NestedStep, whole_numbers
from crmcore.timing import Timing

__all__ = ["BandScore", "Fitted", "QuantileStep"]

_KINDS: Final = ("from", "within", "by", "quantiles")
_GOES_WITH: Final = {
    "below": ("from",),
    "missing": ("from", "within", "quantiles"),
    "inside": ("by", "quantiles"),
    "best": ("quantiles",),
    "fitted": ("from", "by"),
}
_NUMBERS: Final = ("int", "money", "ratio", "float")

PointsKey: TypeAlias = Annotated[
    StrictStr, Field(pattern=r"^(0|-?[1-9][0-9]{0,9})$", examples=["5"])
]
Parts: TypeAlias = Annotated[StrictInt, Field(ge=2, le=10)]


class Fitted(BaseModel):
    """Where frozen bands come from; it decides nothing.

    Parameters
    ----------
    quantiles, best
        The quantiles that were asked for.
    on
        The local day as of which the customers were measured.
    customers
        How many of them had a value.

    Examples
    --------
    >>> Fitted(quantiles=5, best="low", on=date(2025, 12, 31), customers=1234).best
    'low'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantiles: Parts
    best: Best
    on: date
    customers: Annotated[StrictInt, Field(ge=0)]


class BandScore(PointBands):
    """Points by bands over one fact, attribute or other score.

    Parameters
    ----------
    fact, score
        What is banded: exactly one of them.
    inside
        Another score by bands: each of its points has bands of its own.
    by
        With `inside`: the bands for each of its points, as tables with ``from`` or ``within``.
    quantiles
        In place of edges: into how many parts the customers are divided by rank, 2 to 10. Such a
        policy is to be fitted before it is used.
    best
        With `quantiles`: whether ``"high"`` (the default) or ``"low"`` values get most points.
    fitted
        Where frozen edges come from, as `crmcore.fit` writes it; it decides nothing.

    Examples
    --------
    >>> BandScore.model_validate({"fact": "sale_count", "from": [[1, 1], [6, 5]]}).needs
    ('sale_count',)
    """

    fact: Identifier | None = None
    score: Identifier | None = None
    inside: Identifier | None = None
    by: Mapping[PointsKey, PointBands] | None = Field(None, min_length=1)
    quantiles: Parts | None = None
    best: Best | None = None
    fitted: Fitted | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns it is computed from."""
        return tuple(name for name in (self.fact, self.score, self.inside) if name is not None)

    def bind_step(
        self, name: str, known: Known, path: str
    ) -> tuple[BandStep | NestedStep | QuantileStep | None, list[Problem]]:
        """Return the step, or what is wrong."""
        source, problems = banded(self.fact, self.score, known, path)
        if source is None:
            return None, problems
        problems = list(self._clashes(path)) or self._problems_inside(known, path)
        if problems or self.inside in known.broken:
            return None, problems
        type_ = known.facts[source] if self.fact else known.scores[source]
        if self.quantiles is not None:
            problems = _unmeasurable(type_, known, f"{path}.quantiles")
            return None if problems else QuantileStep(name, source, self, known), problems
        if self.inside is not None:
            return self._nested(name, source, type_, known, path)
        bands, problems = self.bind(type_.kind, exponent=type_.exponent, path=path)
        if bands is None:
            return None, problems
        windowed, field_type = source in known.windowed, whole_numbers(bands.range)
        return BandStep(name, source, bands, windowed, field_type), []

    def _nested(
        self, name: str, source: str, type_: FieldType, known: Known, path: str
    ) -> tuple[NestedStep | None, list[Problem]]:
        assert self.inside is not None  # or it were not nested
        tables, problems = {}, []
        for points, table in (self.by or {}).items():
            where = f"{path}.by.{points}"
            bands, found = table.bind(type_.kind, exponent=type_.exponent, path=where)
            problems += found
            if bands is not None:
                tables[int(points)] = bands
        if problems:
            return None, problems
        return NestedStep(name, source, self.inside, tables, source in known.windowed), []

    def _clashes(self, path: str) -> Iterator[Problem]:
        """Yield what is wrong with the keys that are given together."""
        given = {name.removesuffix("_") for name in self.model_fields_set}
        kinds = [kind for kind in _KINDS if kind in given]
        if len(kinds) != 1:
            message = f"bands are given by {_either(_KINDS)}: exactly one of them"
            yield Problem("one_of", message, path, given=", ".join(kinds) or "none")
            return
        for key, among in _GOES_WITH.items():
            if key in given and kinds[0] not in among:
                yield Problem("one_of", f"'{key}' goes with {_either(among)}", f"{path}.{key}")
        if "by" in given and "inside" not in given:
            message = "'by' goes with 'inside', the score whose points it lists"
            yield Problem("one_of", message, f"{path}.by")

    def _problems_inside(self, known: Known, path: str) -> list[Problem]:
        """Return what is wrong with the other score, or with the tables for its points."""
        outer = self.inside
        if outer is None or outer in known.broken:
            return []
        if outer not in known.scores:
            return [known.unknown(outer, known.scores, f"{path}.inside", "score")]
        if outer not in known.points:
            message = "bands lie inside a score that is itself given by bands"
            return [Problem("type_mismatch", message, f"{path}.inside", given=outer)]
        lacking = sorted(known.points[outer] - set(map(int, self.by or known.points[outer])))
        if not lacking:
            return []
        message = f"each points of {outer!r} needs its table"
        allowed = ", ".join(map(str, sorted(known.points[outer])))
        given = "none for " + ", ".join(map(str, lacking))
        return [Problem("missing_table", message, f"{path}.by", given, allowed)]


@dataclass(frozen=True, slots=True)
class QuantileStep:
    """Points by quantiles that are not fitted yet; only a policy that is being fitted has any.

    Parameters
    ----------
    name
        Name of the resulting column.
    source
        Name of the column measured.
    score
        The score as written.
    known
        What it may name.
    """

    name: str
    source: str
    score: BandScore
    known: Known

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns read."""
        return self.score.needs

    @property
    def points(self) -> frozenset[int]:
        """All points that there may be."""
        own, missing = frozenset(range(1, self.quantiles + 1)), self.score.missing
        return own if missing is None else own | {missing}

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest points."""
        return min(self.points), max(self.points)

    @property
    def field_type(self) -> FieldType:
        """What the resulting column holds."""
        return whole_numbers(self.range)

    @property
    def quantiles(self) -> int:
        """The most points that rank can give."""
        assert self.score.quantiles is not None  # or it were another step
        return self.score.quantiles

    @property
    def best(self) -> Best:
        """Whether high or low values get the most points."""
        return self.score.best or "high"

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the points: those that the score will give once it is frozen.

        Raises
        ------
        PolicyError
            When no edge can be written between two values.
        """
        score = self.frozen(columns, np.ones(rows, np.int64))
        step, problems = score.bind_step(self.name, self.known, f"scores.{self.name}")
        if step is None:
            raise PolicyError(problems)
        return step.apply(columns, rows, timing)

    def frozen(self, columns: Mapping[str, Column], customers: Ints) -> BandScore:
        """Return the score with edges measured on columns in place of its quantiles.

        `customers` are how many customers each row stands for.
        """
        kept = self.score.model_dump(include={"fact", "score", "inside"}, exclude_none=True)
        column, inside = columns[self.source], self.score.inside
        if inside is None:
            return BandScore.model_validate(kept | self._edges(column, customers))
        outer, by = columns[inside], {}
        for points in sorted(self.known.points[inside]):
            here = outer.is_known() & (outer.values == points)
            by[str(points)] = self._edges(column.take(here), customers[here])
        return BandScore.model_validate({**kept, "by": by})

    def measured(self, columns: Mapping[str, Column], customers: Ints) -> int:
        """Return how many customers have what is needed to be measured."""
        known = [columns[name].is_known() for name in self.needs]
        return int(customers[np.logical_and.reduce(known)].sum())

    def _edges(self, column: Column, customers: Ints) -> dict[str, object]:
        bands = quantile_bands(column, self.quantiles, self.best, customers)
        missing = self.score.missing
        edges: dict[str, object] = bands.model_dump(by_alias=True, exclude_none=True)
        return edges if missing is None else {**edges, "missing": missing}


def _either(keys: Sequence[str]) -> str:
    *others, last = (f"'{key}'" for key in keys)
    return f"{', '.join(others)} or {last}" if others else last


def _unmeasurable(type_: FieldType, known: Known, path: str) -> list[Problem]:
    """Return why quantiles cannot be measured over a field, or not now."""
    if type_.kind in ("date", "instant"):
        message = "quantiles need a number: take days_since_last in place of last"
        return [Problem("type_mismatch", message, path, given=type_.kind)]
    if type_.kind not in _NUMBERS:
        return [Problem("type_mismatch", "quantiles need a number", path, given=type_.kind)]
    if not known.fitting:
        message = (
            "these quantiles are not fitted: crm.fit(…) or `crmcore fit` measures them once and "
            "gives the policy with numbers"
        )
        return [Problem("not_fitted", message, path)]
    return []
