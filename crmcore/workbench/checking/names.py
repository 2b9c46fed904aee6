"""What is declared and never used, and wording of what does not exist."""

from __future__ import annotations

from collections.abc import Container, Iterator

from crmcore.conditions import nearest
from crmcore.policy import Policy
from crmcore.workbench.checking.report import PolicyFinding, Severity

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
    known = _identifiers(policy)
    languages: dict[str, list[str]] = {}
    for language, labels in policy.labels.items():
        for name in labels.keys() - known:
            languages.setdefault(name, []).append(language)
    for name, found in sorted(languages.items()):
        worded = policy.labels[found[0]]
        near = nearest(name, known - worded.keys())
        path, message = f"labels.{found[0]}", f"words {name!r}, which the policy does not have"
        if near:
            message += f" (did you mean {near!r}?)"
        # Without a like name that lacks words it may well come from the policy extended.
        severity: Severity = "warning" if near else "note"
        yield PolicyFinding("unknown_wording", severity, path, message)


def _identifiers(policy: Policy) -> frozenset[str]:
    labels = (label for field in policy.fields.values() for label in field.categories)
    return frozenset([*policy.fields, *policy.windows, *labels])
