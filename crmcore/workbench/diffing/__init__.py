"""Diffing: what is otherwise in another policy: in its words, its decisions, its customers."""

from __future__ import annotations

from crmcore.workbench.diffing.comparing import diff
from crmcore.workbench.diffing.movement import Movement, Mover
from crmcore.workbench.diffing.result import (
    DecisionDiff,
    FactDiff,
    PolicyDiff,
    RowDiff,
    Witness,
)
from crmcore.workbench.diffing.sharing import pseudonymised
from crmcore.workbench.diffing.structure import Edit

__all__ = [
    "DecisionDiff",
    "Edit",
    "FactDiff",
    "Movement",
    "Mover",
    "PolicyDiff",
    "RowDiff",
    "Witness",
    "diff",
    "pseudonymised",
]
