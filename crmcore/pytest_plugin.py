"""A pytest plugin: files that end in ``.test.toml`` and test a policy are collected as tests.

Each case is one test, ``shop.test.toml::name of the case``; of a file with mistakes there is one
test, ``shop.test.toml::refused``, which fails with all of them. With ``--crmcore-coverage-under N``
each policy's main test file has one test more, which fails when less than N percent is covered.
Nothing of crmcore is loaded before there is such a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crmcore.policy import Policy
    from crmcore.workbench.testing import Case

__all__ = ["CaseItem", "CoverageItem", "PolicyTests", "RefusedItem"]

_ENDING = ".test.toml"
_OPTION = "--crmcore-coverage-under"


class _Unmet(Exception):  # noqa: N818  # an outcome of a test, not an error of the program
    """What a test has to report, ready to be read."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the coverage."""
    parser.getgroup("crmcore").addoption(
        _OPTION,
        type=_percent,
        metavar="N",
        help="fail when the tests of a crmcore policy cover less than N percent of it",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PolicyTests | None:
    """Collect a file that tests a policy; other files with such a name are left alone."""
    if not file_path.name.endswith(_ENDING):
        return None
    from crmcore.workbench.testing.cases import is_test_file

    if not is_test_file(file_path):
        return None
    collected: PolicyTests = PolicyTests.from_parent(parent, path=file_path)
    return collected


def _percent(text: str) -> float:
    from crmcore.workbench.testing.coverage import percentage

    return percentage(text)


class PolicyTests(pytest.File):
    """A test file of a policy."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield a test for each case, and one for the coverage where that is asked for."""
        from crmcore.errors import PolicyError
        from crmcore.workbench.testing import load_tests, policy_under_test

        try:
            policy = policy_under_test(self.path)
            cases = load_tests(self.path, policy)
        except PolicyError as refusal:
            yield RefusedItem.from_parent(self, name="refused", why=str(refusal))
            return
        for case in cases:
            yield CaseItem.from_parent(self, name=case.name, policy=policy, case=case)
        least: float | None = self.config.getoption(_OPTION)
        if least is not None and "." not in self.path.name.removesuffix(_ENDING):
            yield CoverageItem.from_parent(self, name="coverage", policy=policy, least=least)


class _Item(pytest.Item):
    """A test that stands in a test file, or is about it."""

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """Return what there is to report; of what is not expected the traceback."""
        from crmcore.errors import CrmcoreError

        if isinstance(excinfo.value, (_Unmet, CrmcoreError)):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the file, and the name of the test."""
        return self.path, None, self.name


class RefusedItem(_Item):
    """A test file, or a policy, that is refused."""

    def __init__(self, *, why: str, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # as pytest itself gives them
        self.why = why

    def runtest(self) -> None:
        """Fail."""
        raise _Unmet(self.why)


class CaseItem(_Item):
    """One case of a test file."""

    def __init__(self, *, policy: Policy, case: Case, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # as pytest itself gives them
        self.policy = policy
        self.case = case

    def runtest(self) -> None:
        """Run the case."""
        from crmcore.workbench.testing.running import run_cases

        failures = run_cases(self.policy, [self.case]).failures
        if failures:
            raise _Unmet("\n".join(map(str, failures)))


class CoverageItem(_Item):
    """The coverage of a policy by all test files that stand beside it."""

    def __init__(self, *, policy: Policy, least: float, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]  # as pytest itself gives them
        self.policy = policy
        self.least = least

    def runtest(self) -> None:
        """Measure the coverage."""
        from crmcore.workbench.testing import load_tests
        from crmcore.workbench.testing.coverage import coverage_of

        cases = [case for path in self._files() for case in load_tests(path, self.policy)]
        coverage = coverage_of(self.policy, cases)
        if coverage.percent < self.least:
            head = f"{coverage.percent:g} % covered, {self.least:g} % asked for; not reached:"
            raise _Unmet("\n".join([head, *(f"  {point}" for point in coverage.uncovered)]))

    def _files(self) -> Iterator[Path]:
        stem = self.path.name.removesuffix(_ENDING)
        yield self.path
        yield from sorted(self.path.parent.glob(f"{stem}.*{_ENDING}"))
