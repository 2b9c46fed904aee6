"""The workbench: where rows, figures and policies are checked against each other."""

from __future__ import annotations

from crmcore.workbench.comparing import Comparison, FactComparison, Reading, compare
from crmcore.workbench.ladder import Ladder, Step, reconcile
from crmcore.workbench.readings import other_sources

__all__ = [
    "Comparison",
    "FactComparison",
    "Ladder",
    "Reading",
    "Step",
    "compare",
    "other_sources",
    "reconcile",
]
