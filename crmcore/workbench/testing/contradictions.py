"""Contradictions: cases given by facts that no orders of any customer could bring about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crmcore.analysis import Customers, Scene, Space
from crmcore.policy import Policy
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.groups import usual_value
from crmcore.workbench.testing.values import raw_of

__all__ = ["contradictory"]


def contradictory(policy: Policy, cases: Sequence[Case]) -> Iterator[Case]:
    """Yield the cases whose facts contradict each other: more sales than orders, say."""
    spaces: dict[str, Space] = {}
    for case in cases:
        if case.given is None:
            continue
        moment = f"{case.as_of} {case.last_evaluated_at}"
        if moment not in spaces:
            spaces[moment] = Space.of([policy], Scene(case.as_of, case.last_evaluated_at))
        if _contradicts(policy, spaces[moment], case):
            yield case


def _contradicts(policy: Policy, space: Space, case: Case) -> bool:
    given = case.given or {}
    read = {name for step in policy.steps for name in step.needs}
    axes = []
    for name in policy.facts:
        if name in read:
            raw = given.get(name, usual_value(policy, name))
            axes.append(space.axes[name].only([raw_of(raw, policy.fields[name])]))
    return not Customers.of(axes, space.relations, most=1).possible.all()
