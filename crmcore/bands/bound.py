"""Bands fitted to a column: the array form, and where one value lies in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import Moments, Span, Zone, shift_days, to_date
from crmcore.columns import Column, Ints, Kind, Mask, Value, label_dtype, points_dtype

__all__ = ["Band", "BoundBands"]

Edges: TypeAlias = NDArray[np.int64] | NDArray[np.float64]

_WIDE: Final = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Band:
    """Where one value lies, for an explanation.

    Parameters
    ----------
    index
        The band, from 0 for the one of the lowest edge; −1 below it (or older than all).
    value
        The value; for ``within`` its local day.
    lower, upper
        The band's own edge, which belongs to it, and the next one, which does not; ``None``
        where it is open. Dates for ``within``, `Decimal` for money, else numbers.
    outcome
        Its points or its label; ``None`` when there are none.
    margin_to_lower, margin_to_upper
        How far the value is above the one and below the other; in days for ``within``.
    """

    index: int
    value: Value
    lower: Value
    upper: Value
    outcome: int | str | None
    margin_to_lower: Value
    margin_to_upper: Value


@dataclass(frozen=True, slots=True, eq=False)
class BoundBands:
    """Bands fitted to one kind of column.

    Parameters
    ----------
    kind, exponent
        The kind of column they take.
    edges
        Ascending, in the column's unit times `scale`, so that a value reaches one exactly if it
        reaches the number written. Empty for ``within``.
    spans
        For ``within``: the spans, the longest first, so that the days they lead to ascend.
    outcomes
        Points or label codes: below the first edge, of each band, of a missing value.
    labels
        The ordered labels; empty for points.
    scale
        Above 1 only for ratios whose edges have decimals beyond the unit.
    """

    kind: Kind
    exponent: int
    edges: Edges
    spans: tuple[Span, ...]
    outcomes: tuple[int | None, ...]
    labels: tuple[str, ...] = ()
    scale: int = 1

    @property
    def points(self) -> frozenset[int]:
        """The points (or label codes) there are, those of a missing value among them."""
        return frozenset(outcome for outcome in self.outcomes if outcome is not None)

    @property
    def range(self) -> tuple[int, int]:
        """The least and the greatest of them."""
        return min(self.points), max(self.points)

    def apply(self, column: Column, moments: Moments, zone: Zone) -> Column:
        """Return the points or labels of a column.

        Parameters
        ----------
        column
            A column of the kind bound. What is missing never reaches an edge.
        moments
            For ``within``: the moment, or one for each row, from whose local day is counted.
        zone
            The shop's zone.
        """
        values, known = self._outcomes_of(column, moments, zone)
        kind: Kind = "label" if self.labels else "int"
        known = None if known is None or known.all() else known
        return Column(kind, values, known, categories=self.labels)

    def _outcomes_of(
        self, column: Column, moments: Moments, zone: Zone
    ) -> tuple[NDArray[np.integer], Mask | None]:
        """Return the outcomes, and where there are any."""
        entries, there = _entries(self.outcomes, len(self.labels))
        if self.spans and len(moments) != 1:
            place = self._places(column, moments, zone)
            return entries[place], there[place]
        edges = self._edges(moments, zone)
        if there[:-1].all():  # so it is only where nothing is known that there may be none
            found, _ = _banded(column, edges, self.scale, entries)
            return found, None if there[-1] else column.known
        return _banded(column, edges, self.scale, entries, there)

    def band_of(self, column: Column, row: int, moments: Moments, zone: Zone) -> Band | None:
        """Return where one row's value lies; ``None`` when it is missing."""
        only = column if len(column) == 1 else column.take(np.array([row]))
        value = only[0]
        if value is None:
            return None
        if len(moments) > 1:
            moments = Moments(moments.at[row : row + 1], moments.day[row : row + 1])
        if only.kind == "instant":
            value = to_date(zone.local_days(cast(Ints, only.values))[0])
        places, _ = _banded(
            only, self._edges(moments, zone), self.scale, np.arange(len(self.outcomes))
        )
        place = int(places[0])
        edges = [None, *self.edge_values(moments), None]
        lower, upper = edges[place], edges[place + 1]
        outcome = self._outcome(self.outcomes[place])
        margins = _distance(value, lower), _distance(upper, value)
        return Band(place - 1, value, lower, upper, outcome, *margins)

    def edge_values(self, moments: Moments) -> list[Value]:
        """Return the edges, ascending, as Python values; for ``within`` as of the first moment."""
        if self.spans:
            return [to_date(day) for day in _edge_days(self.spans, int(moments.day[0]))]
        if self.kind == "ratio":
            unit = self.scale * 10**self.exponent
            return [Fraction(int(edge), unit) for edge in self.edges]
        return Column(self.kind, self.edges, exponent=self.exponent).to_list()

    def _outcome(self, outcome: int | None) -> int | str | None:
        return self.labels[outcome] if self.labels and outcome is not None else outcome

    def _edges(self, moments: Moments, zone: Zone) -> Edges:
        """Return the edges in the column's unit, as of the first moment."""
        if not self.spans:
            return self.edges
        day = int(moments.day[0])
        if self.kind == "date":
            return _edge_days(self.spans, day)
        return _edge_instants(self.spans, day, zone)

    def _places(self, column: Column, moments: Moments, zone: Zone) -> Ints:
        """Return each row's place among the outcomes, where each has a moment of its own."""
        values = cast(Ints, column.values)
        place = np.zeros(len(values), np.int64)
        for span in self.spans:
            days = shift_days(moments.day, span, -1)
            place += values >= (days if self.kind == "date" else zone.day_starts(days))
        if column.known is not None:
            place[~column.known] = len(self.outcomes) - 1
        return place


def _banded(
    column: Column,
    edges: Edges,
    scale: int,
    entries: NDArray[np.integer],
    there: Mask | None = None,
) -> tuple[NDArray[np.integer], Mask | None]:
    values = cast(Ints, column.values)
    return kernels.banded(values, edges, entries, there, column.known, column.divisor, scale)


@lru_cache(maxsize=1024)
def _entries(outcomes: tuple[int | None, ...], labels: int) -> tuple[NDArray[np.integer], Mask]:
    """Return outcomes as an array, and which of them there are."""
    values = [outcome or 0 for outcome in outcomes]
    dtype = label_dtype(labels) if labels else points_dtype(min(values), max(values))
    return np.array(values, dtype), np.array([outcome is not None for outcome in outcomes])


@lru_cache(maxsize=1024)
def _edge_days(spans: tuple[Span, ...], day: int) -> Ints:
    today = np.array([day], np.int64)
    return np.concatenate([shift_days(today, span, -1) for span in spans])


@lru_cache(maxsize=1024)
def _edge_instants(spans: tuple[Span, ...], day: int, zone: Zone) -> Ints:
    return zone.day_starts(_edge_days(spans, day))


def _distance(high: Value, low: Value) -> Value:
    if high is None or low is None:
        return None
    if isinstance(high, date) and isinstance(low, date):
        return (high - low).days
    if isinstance(high, Decimal) and isinstance(low, Decimal):
        return _WIDE.subtract(high, low)
    difference: Value = high - low  # type: ignore[operator, assignment]  # numbers of one kind
    return difference
