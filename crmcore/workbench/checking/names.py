"""What is declared and never used, and wording of what does not exist."""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import cache

from crmcore.policy import Policy
from crmcore.presets import load, names
from crmcore.suggestions import nearest
from crmcore.workbench.checking.report import PolicyFinding

__all__ = ["findings"]

_DECISIONS = ("grade", "class", "segment", "stage")


def findings(policy: Policy) -> list[PolicyFinding]:
    """Return what nothing uses, and wording of unknown names."""
    return [*_unused(policy), *_wording(policy)]


def _unused(policy: Policy) -> Iterator[PolicyFinding]:
    used = {name for step in policy.steps for name in step.needs}
    windows = {fact.window for fact in policy.facts.values()}
    decides = any(step.name in _DECISIONS for step in policy.steps)
    groups: dict[str, Container[str | None]] = {
        "windows": windows,
        "attributes": used,
        "facts": used,
    }
    if decides:  # else the scores are what the policy is for
        groups["scores"] = used
    for group, users in groups.items():
        for name in _declared(policy, group):
            if name not in users:
                message = f"no {_USERS[group]} uses {name!r}"
                yield PolicyFinding("unused", "note", f"{group}.{name}", message)


_USERS = {
    "windows": "fact",
    "attributes": "score or condition",
    "facts": "score or condition",
    "scores": "other score, grade or condition",
}


def _declared(policy: Policy, group: str) -> tuple[str, ...]:
    table = policy.document.get(group, {})
    return tuple(table) if isinstance(table, dict) else ()


def _wording(policy: Policy) -> Iterator[PolicyFinding]:
    """Find wording of a name much like one that lacks it: other wording may well be inherited."""
    known = _identifiers(policy)
    told: set[str] = set()
    for language, labels in policy.labels.items():
        for name in sorted(labels.keys() - known - told):
            near = nearest(name, known - labels.keys())
            if near and (language, name, labels[name]) not in _worded_by_presets():
                told.add(name)
                message = f"words {name!r}, which the policy does not have (did you mean {near!r}?)"
                yield PolicyFinding("unknown_wording", "note", f"labels.{language}", message)


@cache
def _worded_by_presets() -> frozenset[tuple[str, str, str]]:
    return frozenset(
        (language, name, words)
        for policy in map(load, names())
        for language, labels in policy.labels.items()
        for name, words in labels.items()
    )


def _identifiers(policy: Policy) -> frozenset[str]:
    labels = (label for field in policy.fields.values() for label in field.categories)
    return frozenset([*policy.fields, *policy.windows, *labels])
