"""Scores: points by bands, weighted sums of them, digits in cells, and the host's own scorers.

A policy's named decisions are *steps*: each takes columns by name and gives one more. Scores give
whole numbers, a host's scorer gives floats, and whatever lacks one of its parts is missing.
"""

from __future__ import annotations

from crmcore.scoring.banding import BandScore, Fitted, QuantileStep
from crmcore.scoring.known import Known, banded
from crmcore.scoring.nodes import Cell, Score, Scorecard, ScoredBy
from crmcore.scoring.steps import BandStep, NestedStep, Scorer, ScorerStep, Step, SumStep

__all__ = [
    "BandScore",
    "BandStep",
    "Cell",
    "Fitted",
    "Known",
    "NestedStep",
    "QuantileStep",
    "Score",
    "Scorecard",
    "ScoredBy",
    "Scorer",
    "ScorerStep",
    "Step",
    "SumStep",
    "banded",
]
