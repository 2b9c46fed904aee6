"""Checking: what is wrong in a policy, shown on customers who would meet it."""

from __future__ import annotations

from crmcore.analysis import Shown
from crmcore.workbench.checking.checking import check
from crmcore.workbench.checking.report import CheckReport, PolicyFinding, Severity

__all__ = ["CheckReport", "PolicyFinding", "Severity", "Shown", "check"]
