"""Grades, classes, segments and stages: labels for customers.

A grade is ordered, lowest first, and comes from bands over a number. Classes, segments and stages
are the first match of a list of conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crmcore.bands import Identifier, LabelBands
from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.errors import Problem
from crmcore.scoring import BandStep, Known, banded
from crmcore.tables import BoundTable
from crmcore.timing import Timing

__all__ = ["Grade", "TableStep"]


class Grade(LabelBands):
    """An ordered label by bands over a score or a fact.

    Parameters
    ----------
    score, fact
        What is banded: exactly one of them.

    Examples
    --------
    >>> Grade.model_validate({"score": "score", "from": [[8, "bronze"], [17, "silver"]]}).labels
    ('bronze', 'silver')
    """

    score: Identifier | None = None
    fact: Identifier | None = None

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
        field_type = FieldType("label", categories=bands.labels, ordered=True)
        return BandStep(name, source, bands, source in known.windowed, field_type), []


@dataclass(frozen=True, slots=True)
class TableStep:
    """A class, segment or stage: the first match of a list of conditions.

    Parameters
    ----------
    name
        Name of the resulting column.
    needs
        Names of the columns its conditions read.
    table
        The bound list.
    """

    name: str
    needs: tuple[str, ...]
    table: BoundTable

    @property
    def field_type(self) -> FieldType:
        """What the resulting column holds."""
        return FieldType("label", categories=self.table.categories)

    def apply(self, columns: Mapping[str, Column], rows: int, timing: Timing) -> Column:
        """Return the labels; see `crmcore.scoring.Step`."""
        labels, _ = self.table.apply(columns, rows)
        return labels
