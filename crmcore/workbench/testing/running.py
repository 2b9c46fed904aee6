"""Running tests: every expectation of every case, and why it is not what was expected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from crmcore.analysis.reading import names_of
from crmcore.columns import Value
from crmcore.conditions.typed.literals import Edge
from crmcore.documents import Text, is_text, read
from crmcore.errors import DataError
from crmcore.evaluation import Evaluation, Explanation
from crmcore.evaluation.telling import laid_out, reasons_of
from crmcore.policy import Policy, load_policy
from crmcore.segments import TableStep
from crmcore.workbench.testing.cases import Case, Tests, cases_of, find_tests
from crmcore.workbench.testing.contradictions import contradictory
from crmcore.workbench.testing.coverage import Coverage, coverage_of
from crmcore.workbench.testing.documents import TESTS
from crmcore.workbench.testing.groups import Group, groups_of
from crmcore.workbench.testing.values import as_text, column_of, edge_at

__all__ = ["Failure", "TestReport", "passes", "run_cases", "run_tests"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met, or a case that the policy refused.

    Parameters
    ----------
    case, file
        The case, and its file if there is one.
    name
        The decision or fact; empty when the policy refused the case.
    expected, got
        The value expected and the value there is; ``None`` is missing.
    why
        Why the value is what it is, in the words of the explanation, or why it was refused.
    """

    case: str
    file: str | None
    name: str
    expected: Value
    got: Value
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.name:
            return "\n".join(["refused", *self.why])
        head = f"{self.name}: expected {as_text(self.expected)}, got {as_text(self.got)}"
        return "\n".join([head, *self.why])

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {
            "case": self.case,
            "file": self.file,
            "name": self.name,
            "expected": as_text(self.expected),
            "got": as_text(self.got),
            "why": list(self.why),
        }


@dataclass(frozen=True, slots=True)
class TestReport:
    """What came of the tests of a policy.

    Parameters
    ----------
    policy
        The policy that was tested.
    cases
        Every case that was run.
    failures
        Every expectation that was not met, in the order of the cases.

    Examples
    --------
    >>> import crmcore as crm
    >>> report = crm.run_tests("classic")
    >>> report.failures, report.coverage.percent
    ((), 100.0)
    """

    __test__: ClassVar[bool] = False  # no test itself, whatever pytest makes of its name

    policy: Policy
    cases: tuple[Case, ...] = field(repr=False)
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether there were cases, and all of them met what they expect."""
        return bool(self.cases) and not self.failures

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return len({(failure.file, failure.case) for failure in self.failures})

    @property
    def coverage(self) -> Coverage:
        """What of the policy the cases reach; worked out each time it is asked for."""
        return coverage_of(self.policy, self.cases)

    @property
    def contradictory(self) -> tuple[Case, ...]:
        """The cases with facts that no orders could give; worked out each time it is asked for."""
        return tuple(contradictory(self.policy, self.cases))

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON, without the coverage."""
        return {
            "policy": self.policy.name,
            "cases": len(self.cases),
            "failed": self.failed,
            "failures": [failure.to_dict() for failure in self.failures],
            "contradictory": [case.name for case in self.contradictory],
        }


def run_tests(
    policy: Policy | str | Path, tests: Tests | Sequence[Tests] | None = None
) -> TestReport:
    """Run the tests of a policy.

    Parameters
    ----------
    policy
        A policy, a file, or the name of a preset.
    tests
        Test files, as names, texts or mappings. By default those beside the policy's file:
        ``shop.test.toml`` and ``shop.*.test.toml`` beside ``shop.toml``.

    Raises
    ------
    PolicyError
        The policy was refused.
    TestFileError
        A test file was refused, with every problem.

    Notes
    -----
    Cost: one evaluation for all cases of one moment.

    Examples
    --------
    >>> text = '''
    ... as_of = 2025-12-31
    ... [[case]]
    ... name = "a year ago"
    ... given = { orders_ever = 1, order_count = 1, sale_count = 1, mean_sale = "80.00" }
    ... expect = { class = "bronze", frequency_points = 1 }
    ... '''
    >>> print(run_tests("classic", text).failures[0])
    class: expected bronze, got (missing)
    ...
    """
    loaded = policy if isinstance(policy, Policy) else load_policy(policy)
    return run_cases(loaded, cases_of(loaded, _texts(policy, tests)))


def _texts(policy: Policy | str | Path, tests: Tests | Sequence[Tests] | None) -> Iterable[Text]:
    if tests is None:
        if isinstance(policy, Policy) or (isinstance(policy, str) and is_text(policy)):
            return []
        return find_tests(policy)
    if isinstance(tests, Sequence) and not isinstance(tests, str):
        return [read(one, TESTS) for one in tests]
    return [read(tests, TESTS)]


def run_cases(policy: Policy, cases: Sequence[Case]) -> TestReport:
    """Run cases that were loaded for the policy."""
    failures = [
        failure for group in groups_of(policy, cases) for failure in _failures(policy, group)
    ]
    place = {id(case): at for at, case in enumerate(cases)}
    failures.sort(key=lambda pair: place[id(pair[0])])
    return TestReport(policy, tuple(cases), tuple(failure for _, failure in failures))


def passes(policy: Policy, group: Group) -> bool:
    """Tell whether all cases of a group come out as expected; a refusal is no pass."""
    try:
        result = group.evaluate(policy)
    except DataError:
        return False
    return not any(True for row in range(len(group.cases)) for _ in _unmet(result, group, row))


def _failures(policy: Policy, group: Group) -> Iterator[tuple[Case, Failure]]:
    try:
        result = group.evaluate(policy)
    except DataError as refusal:
        yield from _refused(policy, group, refusal)
        return
    for row, case in enumerate(group.cases):
        unmet = list(_unmet(result, group, row))
        explanation = result.explain(row) if unmet else None
        told: set[str] = set()
        for name, expected in unmet:
            field_type = policy.fields[name]
            wanted = None if expected is None else column_of([expected], field_type)[0]
            why = () if explanation is None else _reasons(explanation, name, told)
            got = result.columns[name][row]
            yield case, Failure(case.name, case.file, name, wanted, got, why)


def _refused(policy: Policy, group: Group, refusal: DataError) -> Iterator[tuple[Case, Failure]]:
    """Run the cases one by one, as a refusal does not say whose case it is."""
    if len(group.cases) == 1:
        case = group.cases[0]
        yield case, Failure(case.name, case.file, "", None, None, (f"  {refusal.message}",))
        return
    for case in group.cases:
        for one in groups_of(policy, [case]):
            yield from _failures(policy, one)


def _unmet(result: Evaluation, group: Group, row: int) -> Iterator[tuple[str, Edge | None]]:
    for name, expected in group.cases[row].expect.items():
        if not _is_same(expected, edge_at(result.columns[name], row)):
            yield name, expected


def _is_same(expected: Edge | None, got: Edge | None) -> bool:
    if isinstance(expected, float) and isinstance(got, float | Fraction):
        return math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-12)
    return expected == got


def _reasons(explanation: Explanation, name: str, told: set[str]) -> tuple[str, ...]:
    """Return the reasons of a decision and of those it rests on, but none that was told before."""
    wanted = _resting_on(explanation, name) - told
    told |= wanted
    messages = [
        message
        for decision in explanation.decisions
        if decision.name in wanted
        for message in reasons_of(explanation, replace(decision, changes_on=None))
    ]
    return tuple(laid_out(messages, explanation.policy.label, "en", None).splitlines())


def _resting_on(explanation: Explanation, name: str) -> set[str]:
    """Return the name of a decision, and of the others that were looked at for its value."""
    step = explanation.policy.step(name)
    if step is None:
        return set()
    read = set(step.needs)
    if isinstance(step, TableStep):
        read &= _looked_at(step, len(explanation[name].conditions))
    return {name}.union(*(_resting_on(explanation, one) for one in read))


def _looked_at(step: TableStep, rows: int) -> set[str]:
    """Return what a list looked at in so many rows; its last label may name a grade."""
    table = step.table
    labels = [*table.labels[:rows][-1:], *([table.otherwise] if rows == len(table.labels) else [])]
    named = {label.removeprefix("@") for label in labels if label}
    return named.union(*map(names_of, table.conditions[:rows]))
