"""Steps: decisions ready to run, and the protocol of a host's own scorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.bands import Band, BoundBands
from crmcore.columns import Column, Ints, Mask, points_dtype
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.timing import Timing

__all__ = ["BandStep", "NestedStep", "Scorer", "ScorerStep", "Step", "SumStep", "whole_numbers"]


def whole_numbers(ends: tuple[int, int]) -> FieldType:
    """Return the type of whole numbers from the one to the other."""
    return FieldType("int", low=ends[0], high=ends[1])


class Scorer(Protocol):
    """A host's own way to score, passed as ``load_policy(…, scorers={"name": scorer})``.

    `inputs` are the names of the facts and attributes that `score` reads. `score` gets a column
    for each of them and returns one number a row, as a one-dimensional float64 or int64 array;
    NaN where there is no score. It must not change its arguments, must not look at a clock, and
    has to give the same numbers for the same columns. To pickle a policy its scorers must pickle.

    Examples
    --------
    >>> class Mean:
    ...     inputs = ("net_sales", "sale_count")
    ...
    ...     def score(self, facts):
    ...         count = np.where(facts["sale_count"].values > 0, facts["sale_count"].values, np.nan)
    ...         return facts["net_sales"].values / count
    """

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the facts and attributes to be given to `score`."""
        ...

    def score(self, facts: Mapping[str, Column]) -> NDArray[np.float64] | NDArray[np.int64]:
        """Return one number for each row of the columns."""
        ...


class Step(Protocol):
    """A named decision of a policy, ready to run: columns in, one column out.

    `name` is the name of the column given, `needs` the columns read, `field_type` what is given.
    """

    @property
    def name(self) -> str:
        """Name of the resulting column."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns that `apply` reads."""
        ...

    @property
    def field_type(self) -> FieldType:
        """What the resulting column holds."""
        ...

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the column: `rows` values, one a customer."""
        ...


@dataclass(frozen=True, slots=True)
class BandStep:
    """Points (or, for the grade, a label) by bands over one column.

    Parameters
    ----------
    name
        Name of the resulting column.
    source
        Name of the column banded.
    bands
        The bands, bound to its kind.
    windowed
        Whether `source` is a fact with a window: then ``within`` counts from the scheduled
        evaluation, else from the moment asked for.
    field_type
        What the resulting column holds.
    """

    name: str
    source: str
    bands: BoundBands
    windowed: bool
    field_type: FieldType

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns read."""
        return (self.source,)

    @property
    def all_bands(self) -> tuple[BoundBands, ...]:
        """All bands there are: these."""
        return (self.bands,)

    @property
    def points(self) -> frozenset[int]:
        """All points (or label codes) that there are."""
        return self.bands.points

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest points."""
        return self.bands.range

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the points or labels; see `Step`."""
        moments = timing.of(windowed=self.windowed)
        return self.bands.apply(columns[self.source], moments, timing.zone)

    def band_of(self, columns: Mapping[str, Column], row: int, timing: Timing) -> Band | None:
        """Return where one row's value lies; ``None`` when it is missing."""
        moments = timing.of(windowed=self.windowed)
        return self.bands.band_of(columns[self.source], row, moments, timing.zone)


@dataclass(frozen=True, slots=True)
class NestedStep:
    """Points by bands over one column, with bands of their own for each points of another score.

    Parameters
    ----------
    name
        Name of the resulting column.
    source
        Name of the column banded.
    inside
        Name of the other score. Where it is missing, so are the points.
    tables
        The bands for each of its points.
    windowed
        As for `BandStep`.
    """

    name: str
    source: str
    inside: str
    tables: Mapping[int, BoundBands]
    windowed: bool

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns read."""
        return (self.source, self.inside)

    @property
    def all_bands(self) -> tuple[BoundBands, ...]:
        """All bands there are."""
        return tuple(self.tables.values())

    @property
    def points(self) -> frozenset[int]:
        """All points that there are."""
        return frozenset[int]().union(*(bands.points for bands in self.all_bands))

    @property
    def range(self) -> tuple[int, int]:
        """Least and greatest points."""
        return min(self.points), max(self.points)

    @property
    def field_type(self) -> FieldType:
        """What the resulting column holds."""
        return whole_numbers(self.range)

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the points; see `Step`."""
        outer, moments = columns[self.inside], timing.of(windowed=self.windowed)
        values, known = np.zeros(rows, points_dtype(*self.range)), np.zeros(rows, np.bool_)
        for points, bands in self.tables.items():
            here = outer.values == points
            if outer.known is not None:
                here &= outer.known
            found = bands.apply(columns[self.source], moments, timing.zone)
            np.copyto(values, found.values, where=here)
            known |= here if found.known is None else here & found.known
        return Column("int", values, None if known.all() else known)

    def band_of(self, columns: Mapping[str, Column], row: int, timing: Timing) -> Band | None:
        """Return where one row's value lies among the bands that are for it."""
        bands = self.tables.get(cast(int, columns[self.inside][row]))
        if bands is None:
            return None
        moments = timing.of(windowed=self.windowed)
        return bands.band_of(columns[self.source], row, moments, timing.zone)


@dataclass(frozen=True, slots=True)
class SumStep:
    """A weighted sum of whole-number scores; missing where one of them is.

    Parameters
    ----------
    name
        Name of the resulting column.
    weights
        The scores and their weights, in the order written. A cell is a sum with weights of
        powers of ten.
    range
        Least and greatest sum.
    """

    name: str
    weights: tuple[tuple[str, int], ...]
    range: tuple[int, int]

    @classmethod
    def of(
        cls, name: str, weights: Mapping[str, int], ranges: Mapping[str, tuple[int, int]]
    ) -> SumStep:
        """Return the step with its range worked out."""
        ends = [[weight * end for end in ranges[part]] for part, weight in weights.items()]
        reach = sum(min(pair) for pair in ends), sum(max(pair) for pair in ends)
        return cls(name, tuple(weights.items()), reach)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns read."""
        return tuple(part for part, _ in self.weights)

    @property
    def field_type(self) -> FieldType:
        """What the resulting column holds."""
        return whole_numbers(self.range)

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the sums; see `Step`."""
        parts = [columns[part] for part, _ in self.weights]
        total = kernels.weighed(
            [cast(Ints, part.values) for part in parts],
            [weight for _, weight in self.weights],
            points_dtype(*self.range),
        )
        known = [part.known for part in parts if part.known is not None]
        return Column("int", total, reduce(np.logical_and, known) if known else None)


@dataclass(frozen=True, slots=True)
class ScorerStep:
    """A host's scorer, its result checked.

    Parameters
    ----------
    name
        Name of the resulting column.
    needs
        Names of the columns it reads.
    scorer
        The host's object.
    """

    name: str
    needs: tuple[str, ...]
    scorer: Scorer
    field_type: FieldType

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the scores; see `Step`.

        Raises
        ------
        DataError
            When the scorer returns anything but `rows` finite numbers or NaN.
        """
        # A host may return anything, whatever its annotations say.
        scores: object = self.scorer.score({name: columns[name] for name in self.needs})
        if not isinstance(scores, np.ndarray) or scores.dtype not in (np.int64, np.float64):
            raise self._refuse("returned no int64 or float64 array")
        if scores.shape != (rows,):
            raise self._refuse(f"returned the shape {scores.shape} for {rows} customers")
        values = scores.astype(np.float64)
        if np.isinf(values).any():
            raise self._refuse("returned an infinite number", np.isinf(values))
        known = ~np.isnan(values)
        return Column("float", values, None if known.all() else known)

    def _refuse(self, what: str, where: Mask | None = None) -> DataError:
        positions = [] if where is None else np.flatnonzero(where)[:5].tolist()
        count = None if where is None else int(where.sum())
        message = f"the scorer of {self.name!r} {what}"
        return DataError(message, column=self.name, count=count, positions=positions)
