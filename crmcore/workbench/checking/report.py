"""What a check of a policy gives: findings, each with customers that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from crmcore.analysis import Customer, Scene, Shown
from crmcore.columns import Value
from crmcore.policy import Policy
from crmcore.wording import plain

__all__ = ["CheckReport", "PolicyFinding", "Severity", "in_order"]

Severity: TypeAlias = Literal["error", "warning", "note"]

_USUAL_CODES: Final = ("overlap", "overlap_alike")
_ORDER: Final[tuple[Severity, ...]] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class PolicyFinding:
    """Something in a policy that is wrong or worth a look.

    Parameters
    ----------
    code
        Stable identifier, such as ``"hole"``.
    severity
        ``error``: some customer gets nothing, or a label is for nobody; ``warning``: surely not
        meant; ``note``: worth knowing.
    path
        Where in the policy, such as ``"class.first.3"``.
    message
        What it is, in one sentence with its numbers.
    rows
        The rows concerned, of the table at the path; from 0.
    shown
        Customers who show it: one, or two of whom the second has more of something.
    row
        Of a finding about one row: its condition, cut off where it is long, and its label.

    Examples
    --------
    >>> import crmcore as crm
    >>> policy = crm.load_policy(
    ...     {"extends": "classic", "name": "x", "segment": {"first": [["score >= 30", "best"]]}}
    ... )
    >>> finding = crm.check(policy).findings[0]
    >>> finding.code, finding.path, finding.result["segment"]
    ('hole', 'segment', None)
    """

    code: str
    severity: Severity
    path: str
    message: str
    rows: tuple[int, ...] = ()
    shown: tuple[Shown, ...] = ()
    row: str = ""

    @property
    def where(self) -> str:
        """The path, and the row there."""
        return f"{self.path} {self.row}" if self.row else self.path

    @property
    def witness(self) -> Customer | None:
        """The first customer who shows it; ``None`` where nobody can."""
        return self.shown[0].customer if self.shown else None

    @property
    def result(self) -> Mapping[str, Value] | None:
        """What the policy gives to the witness."""
        return self.shown[0].result if self.shown else None

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message} [{self.code}]"

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "path": self.path,
            "message": self.message,
            "rows": list(self.rows),
            "shown": [one.to_dict() for one in self.shown],
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Everything that a check found; true when there is an error or a warning.

    Parameters
    ----------
    findings
        Errors first, then warnings, then notes, each in the order of the policy; notes of rows
        that hold together come last.
    policy
        The policy checked.
    scene
        The moment as of which customers were looked at.

    Examples
    --------
    >>> import crmcore as crm
    >>> report = crm.check(crm.presets.load("classic"))
    >>> bool(report), [finding.code for finding in report.findings]
    (False, ['overlap'])
    """

    findings: tuple[PolicyFinding, ...]
    policy: Policy = field(repr=False)
    scene: Scene

    def __bool__(self) -> bool:
        return any(finding.severity != "note" for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or "nothing found"

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "policy": self.policy.name,
            "policy_hash": self.policy.hash,
            "as_of": self.scene.as_of.isoformat(),
            "last_evaluated_at": plain(self.scene.last_evaluated_at),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def in_order(findings: list[PolicyFinding]) -> tuple[PolicyFinding, ...]:
    """Return findings by severity, else as they stand; rows that hold together at the end."""
    return tuple(
        sorted(findings, key=lambda one: (_ORDER.index(one.severity), one.code in _USUAL_CODES))
    )
