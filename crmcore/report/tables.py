"""A policy's bands as tables for people: from which edge to which, and what that gives."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from crmcore.columns import Value
from crmcore.evaluation import Evaluation
from crmcore.scoring import BandStep

__all__ = ["EdgeRow", "EdgeTable", "edge_tables"]


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """One band, its points or label highest first.

    Parameters
    ----------
    lower, upper
        From this edge on, to under this one; ``None`` where there is no limit. For spans of time
        (text such as ``"3 months"``): over `lower`, at most `upper`.
    outcome
        Points or label.
    """

    lower: Value
    upper: Value
    outcome: int | str


@dataclass(frozen=True, slots=True)
class EdgeTable:
    """The bands of one score or of the grade.

    Parameters
    ----------
    name, source
        The score, and what is banded.
    in_spans
        Whether the edges are spans of time back from the evaluation.
    rows
        Its bands that give something, the best first.
    """

    name: str
    source: str
    in_spans: bool
    rows: tuple[EdgeRow, ...]


def edge_tables(result: Evaluation) -> tuple[EdgeTable, ...]:
    """Return the tables of a policy's bands, in the order in which they are applied."""
    return tuple(_table(step, result) for step in result.policy.steps if isinstance(step, BandStep))


def _table(step: BandStep, result: Evaluation) -> EdgeTable:
    bands = step.bands
    inner: list[Value] = [span.text for span in bands.spans]
    edges = [None, *(inner or bands.edge_values(result.timing.now)), None]
    pairs = list(pairwise(edges))
    if bands.spans:  # the longest comes first
        pairs = [(shorter, longer) for longer, shorter in pairs]
    rows = [
        EdgeRow(lower, upper, bands.labels[outcome] if bands.labels else outcome)
        for (lower, upper), outcome in zip(pairs, bands.outcomes[:-1], strict=True)
        if outcome is not None
    ]
    return EdgeTable(step.name, step.source, bool(bands.spans), tuple(reversed(rows)))
