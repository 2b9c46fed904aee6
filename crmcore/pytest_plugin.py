"""A pytest plugin: files that end in ``.test.toml`` and hold cases are collected as tests.

Each case is one test, ``shop.test.toml::name of the case``. With ``--crmcore-coverage-under N``
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

__all__ = ["CaseItem", "CoverageItem", "PolicyTests"]

_ENDING = ".test.toml"
_OPTION = "--crmcore-coverage-under"


class _Unmet(Exception):  # noqa: N818  # an outcome of a test, not an error of the program
    """What a test has to report, ready to be read."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the coverage."""
    parser.getgroup("crmcore").addoption(
        _OPTION,
        type=float,
        metavar="N",
        help="fail when the tests of a crmcore policy cover less than N percent of it",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PolicyTests | None:
    """Collect a file of cases; other files with such a name are left alone."""
    if file_path.name.endswith(_ENDING) and "[[case]]" in file_path.read_text("utf-8", "replace"):
        collected: PolicyTests = PolicyTests.from_parent(parent, path=file_path)
        return collected
    return None


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
            raise self.CollectError(str(refusal)) from None
        for case in cases:
            yield CaseItem.from_parent(self, name=case.name, policy=policy, case=case)
        least: float | None = self.config.getoption(_OPTION)
        if least is not None and "." not in self.path.name.removesuffix(_ENDING):
            yield CoverageItem.from_parent(self, name="coverage", policy=policy, least=least)


class CaseItem(pytest.Item):
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

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """Return what was expected, what came, and why; no traceback."""
        return _told(self, excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the file and the name of the case."""
        return self.path, None, self.name


class CoverageItem(pytest.Item):
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

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """Return what is not covered; no traceback."""
        return _told(self, excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the file, and what is measured."""
        return self.path, None, self.name


def _told(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    if isinstance(excinfo.value, _Unmet):
        return str(excinfo.value)
    return str(pytest.Item.repr_failure(item, excinfo))
