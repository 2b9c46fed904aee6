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

from crmcore.calendars import Moments, Span, Zone, shift_days, to_date
from crmcore.columns import Column, Ints, Kind, Mask, Value

__all__ = ["Band", "BoundBands"]

Places: TypeAlias = NDArray[np.integer]
Edges: TypeAlias = NDArray[np.int64] | NDArray[np.float64]

_INT64_MAX: Final = 2**63 - 1
_WIDE: Final = Context(prec=60)
_FEW_ROWS: Final = 256
_MANY_EDGES: Final = 24


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
        place = self._place(column, moments, zone)
        if column.known is not None:
            place[~column.known] = len(self.outcomes) - 1
        values = np.array([outcome or 0 for outcome in self.outcomes], np.int64)[place]
        return Column(
            "label" if self.labels else "int", values, self._known(place), categories=self.labels
        )

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
        place = int(self._place(only, moments, zone)[0])
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

    def _known(self, place: Places) -> Mask | None:
        lacking = [at for at, outcome in enumerate(self.outcomes) if outcome is None]
        known = None
        for at in lacking:
            here = place != at
            known = here if known is None else known & here
        return None if known is None or known.all() else known

    def _place(self, column: Column, moments: Moments, zone: Zone) -> Places:
        """Return how many edges each value reaches; of a missing value anything."""
        values = cast(Ints, column.values)
        if not self.spans:
            return _reached(_floor(column, self) if self.kind == "ratio" else values, self.edges)
        if len(moments) == 1:
            day = int(moments.day[0])
            if self.kind == "date":
                return _reached(values, _edge_days(self.spans, day))
            return _reached(values, _edge_instants(self.spans, day, zone))
        place = np.zeros(len(values), np.uint8)
        for span in self.spans:
            days = shift_days(moments.day, span, -1)
            place += values >= (days if self.kind == "date" else zone.day_starts(days))
        return place


def _reached(values: Ints, edges: Edges) -> Places:
    if len(values) < _FEW_ROWS or len(edges) > _MANY_EDGES:
        return edges.searchsorted(values, "right")
    # A few passes over all rows take less time than a search in each row.
    place = np.zeros(len(values), np.uint8)
    for edge in edges:
        place += values >= edge
    return place


def _floor(column: Column, bands: BoundBands) -> Ints:
    """Return ratios, times the scale, rounded down: enough to compare with whole edges."""
    values = cast(Ints, column.values)
    assert column.divisor is not None  # as every ratio has
    # A divisor has no meaning where the ratio is missing.
    divisor = column.divisor if column.known is None else np.maximum(column.divisor, 1)
    whole: Ints = values // divisor
    if bands.scale == 1:
        return whole
    scale, low, high = bands.scale, int(bands.edges[0]), int(bands.edges[-1])
    if divisor.max(initial=0) > _INT64_MAX // scale:
        exact = values.astype(object) * scale // divisor.astype(object)
        whole = np.clip(exact, low - 1, high).astype(np.int64)
        return whole
    rest = values - whole * divisor
    # What is far outside the edges is brought nearer, so that nothing overflows.
    np.clip(whole, low // scale - 1, high // scale + 1, out=whole)
    whole *= scale
    whole += rest * scale // divisor
    return whole


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
