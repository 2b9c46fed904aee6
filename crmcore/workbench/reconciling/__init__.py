"""Reconciling: from raw rows to net sales, and somebody else's figures against ours."""

from __future__ import annotations

from crmcore.workbench.reconciling.comparing import Comparison, FactComparison, Reading, compare
from crmcore.workbench.reconciling.ladder import Ladder, Step, reconcile
from crmcore.workbench.reconciling.readings import other_sources

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
