"""Which grades and labels no combination of points can give, found by trying all combinations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from math import prod
from typing import Final, cast

import numpy as np

from crmcore.calendars import moments
from crmcore.columns import Column, Ints
from crmcore.policy import Policy
from crmcore.scoring import BandStep, SumStep
from crmcore.segments import TableStep
from crmcore.timing import Timing

__all__ = ["unreached"]

_MOST_COMBINATIONS: Final = 200_000


def unreached(policy: Policy) -> Iterator[str]:
    """Yield a sentence for each grade or label that no points lead to, and for totals without.

    Only what follows from points alone is looked at: the grade of a weighted sum, and lists whose
    conditions name nothing but points and sums. Where there are too many combinations nothing is
    said.
    """
    points = {
        step.name: sorted({one for one in step.bands.outcomes if one is not None})
        for step in policy.steps
        if isinstance(step, BandStep) and not step.bands.labels
    }
    if prod(map(len, points.values())) > _MOST_COMBINATIONS:
        return
    columns = _combinations(points)
    rows = prod(map(len, points.values()))
    # Any day will do: nothing that counts from a day is applied here.
    now = moments(date(2000, 1, 1), policy.zone)
    timing = Timing(policy.zone, now, now)
    for step in policy.steps:
        known = columns.keys() >= set(step.needs)
        if step.name in columns or not known:
            continue
        if isinstance(step, BandStep | SumStep | TableStep):
            columns[step.name] = step.apply(columns, rows, timing)
        if isinstance(step, BandStep):
            yield from _of_bands(step, columns)
        elif isinstance(step, TableStep) and not (step.table.otherwise or "").startswith("@"):
            yield from _of_labels(step.name, columns[step.name])


def _combinations(points: Mapping[str, list[int]]) -> dict[str, Column]:
    """Return a column for each score, so that every combination of points is one row."""
    grid = np.meshgrid(*(np.array(one, np.int64) for one in points.values()), indexing="ij")
    return {
        name: Column("int", values.reshape(-1)) for name, values in zip(points, grid, strict=True)
    }


def _of_bands(step: BandStep, columns: Mapping[str, Column]) -> Iterator[str]:
    result = columns[step.name]
    if result.categories:
        yield from _of_labels(step.name, result)
    lost = np.unique(cast(Ints, columns[step.source].values[~result.is_known()]))
    if len(lost):
        span = f"{lost[0]:,}" if len(lost) == 1 else f"between {lost[0]:,} and {lost[-1]:,}"
        yield f"{step.source} {span} has no {step.name}: {len(lost):,} totals can occur there"


def _of_labels(name: str, column: Column) -> Iterator[str]:
    given = set(np.unique(column.values[column.is_known()]).tolist())
    for code, label in enumerate(column.categories):
        if code not in given:
            yield f"{name}: no points lead to {label!r}"
