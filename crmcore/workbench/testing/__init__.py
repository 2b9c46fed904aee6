"""Testing: the tests of a policy, what they reach of it, and what they would notice."""

from __future__ import annotations

from crmcore.workbench.testing.cases import Case, find_tests, load_tests, policy_under_test
from crmcore.workbench.testing.coverage import Coverage, Point
from crmcore.workbench.testing.documents import TestFileError
from crmcore.workbench.testing.generating import generate
from crmcore.workbench.testing.mutating import Change, MutationReport, mutate
from crmcore.workbench.testing.running import Failure, TestReport, run_tests

__all__ = [
    "Case",
    "Change",
    "Coverage",
    "Failure",
    "MutationReport",
    "Point",
    "TestFileError",
    "TestReport",
    "find_tests",
    "generate",
    "load_tests",
    "mutate",
    "policy_under_test",
    "run_tests",
]
