"""The check of a policy: every question, one after the other."""

from __future__ import annotations

from datetime import date

from crmcore.analysis import Scene, Space
from crmcore.policy import Policy
from crmcore.segments import TableStep
from crmcore.workbench.checking import calendars, names, points, tables
from crmcore.workbench.checking.report import CheckReport, PolicyFinding, in_order

__all__ = ["check"]


def check(policy: Policy, *, as_of: date | None = None) -> CheckReport:
    """Say what in a policy is surely not meant, whoever the customers are.

    Looks for customers whom a list leaves without label, rows that never decide, conditions that
    hold for nobody, grades that nobody gets, totals without grade, points that fall where more
    should be better, windows that overlap, and what nothing uses. Each finding that says that
    something can happen comes with a customer to whom it happens, put through the evaluator.

    Parameters
    ----------
    policy
        The policy.
    as_of
        The moment of the customers shown. By default 2025-06-30, or a year after the latest date
        that the policy names; for scheduled evaluations shortly after one of them.

    Returns
    -------
    CheckReport
        With the findings. What could not be decided within a number of steps is a finding too.

    Notes
    -----
    Facts are taken to come from orders: sales are orders, who has no sale has no mean sale, and
    what is counted in a window is at most what is counted without. Tests that compare two facts,
    and a host's scores, are not decided by cells: rows with such tests are tried on some hundred
    customers. The cost is that of the rows of the lists: about 50 ms for 100 rows of four columns,
    a second or two for 1,000.

    Examples
    --------
    >>> import crmcore as crm
    >>> text = '''
    ... extends = "classic"
    ... name = "shop"
    ... [segment]
    ... first = [["score >= 30", "best"], ["score >= 35", "never"]]
    ... otherwise = "rest"
    ... '''
    >>> print(crm.check(crm.load_policy(text)).findings[0])
    warning: segment.first.1 ["score >= 35" → never]: never decides: row 0 ... [masked]
    """
    scene = Scene.of([policy], as_of)
    space = Space.of([policy], scene)
    findings: list[PolicyFinding] = []
    findings += points.findings(space)
    for step in policy.steps:
        if isinstance(step, TableStep):
            findings += tables.findings(space, step)
    findings += calendars.findings(policy)
    findings += names.findings(policy)
    return CheckReport(in_order(findings), policy, scene)
