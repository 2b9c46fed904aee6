"""Mutation: which small changes of a policy its tests notice, and which they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crmcore.policy import Policy
from crmcore.workbench.testing.cases import Case, Tests
from crmcore.workbench.testing.mutants import Mutant
from crmcore.workbench.testing.running import run_tests
from crmcore.workbench.testing.trials import Trial

__all__ = ["Change", "MutationReport", "mutate", "mutate_cases"]


@dataclass(frozen=True, slots=True)
class Change:
    """A small change of a policy.

    Parameters
    ----------
    path
        Where in the policy.
    before, after
        What stands there, and what it was changed to; empty where it was left out.
    of_facts
        Whether it changes what facts mean; only a case given by orders can notice that.
    """

    path: str
    before: str
    after: str
    of_facts: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.before or '(nothing)'} → {self.after or '(left out)'}"


@dataclass(frozen=True, slots=True)
class MutationReport:
    """What the tests of a policy notice.

    Parameters
    ----------
    noticed
        How many changes made a test fail.
    unnoticed
        The changes that no test noticed.
    equivalent
        Those that no customer could tell: among all combinations of values that the policy tells
        apart, none is decided otherwise.
    invalid
        How many changes gave no valid policy, or the same policy.
    is_certain
        Whether every combination of values was tried for those. Not so where there are too many,
        or where a test calculates with several values.

    Examples
    --------
    >>> from crmcore.workbench.testing import mutate
    >>> report = mutate("classic")
    >>> report.unnoticed
    ()
    """

    noticed: int
    unnoticed: tuple[Change, ...]
    equivalent: tuple[Change, ...]
    invalid: int
    is_certain: bool

    @property
    def total(self) -> int:
        """How many changes could have been noticed."""
        return self.noticed + len(self.unnoticed)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "noticed": self.noticed,
            "of": self.total,
            "invalid": self.invalid,
            "certain": self.is_certain,
            "unnoticed": [_plain(change) for change in self.unnoticed],
            "equivalent": [_plain(change) for change in self.equivalent],
        }


def _plain(change: Change) -> dict[str, object]:
    return {
        "path": change.path,
        "before": change.before,
        "after": change.after,
        "of_facts": change.of_facts,
    }


def mutate(
    policy: Policy | str | Path, tests: Tests | Sequence[Tests] | None = None
) -> MutationReport:
    """Change a policy in every small way, and see which changes its tests notice.

    Parameters
    ----------
    policy, tests
        As for `run_tests`. The tests have to pass.

    Raises
    ------
    PolicyError
        The policy or a test file was refused.
    ValueError
        There are no tests, or some fail.

    Notes
    -----
    Cost: for each change one load of the policy and one run of the tests; some seconds for
    hundreds of changes.

    Examples
    --------
    >>> text = '''
    ... as_of = 2025-12-31
    ... [[case]]
    ... name = "never ordered"
    ... expect = { class = "non_ordering" }
    ... '''
    >>> report = mutate("classic", text)
    >>> report.noticed < len(report.unnoticed)
    True
    """
    report = run_tests(policy, tests)
    if not report.passed:
        raise ValueError("mutation needs tests, and all of them have to pass")
    return mutate_cases(report.policy, report.cases)


def mutate_cases(policy: Policy, cases: Sequence[Case]) -> MutationReport:
    """Do as `mutate`, with cases that were loaded for the policy and pass."""
    trial = Trial.of(policy, cases)
    noticed, invalid = 0, 0
    unnoticed, equivalent = [], []
    for mutant, changed in trial.mutants():
        if changed is None:
            invalid += 1
        elif trial.is_noticed(mutant, changed):
            noticed += 1
        elif mutant.of_facts or trial.tells(changed):
            unnoticed.append(_change(mutant))
        else:
            equivalent.append(_change(mutant))
    return MutationReport(noticed, tuple(unnoticed), tuple(equivalent), invalid, trial.is_certain)


def _change(mutant: Mutant) -> Change:
    return Change(mutant.path, mutant.before, mutant.after, mutant.of_facts)
