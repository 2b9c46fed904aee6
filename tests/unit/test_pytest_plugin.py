"""The pytest plugin: test files of policies as tests, in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable

import pytest

# Loaded here: pytest's own sessions take out what they loaded, and NumPy cannot be loaded twice.
import crmcore.workbench.testing  # noqa: F401

pytest_plugins = ["pytester"]

Run = Callable[..., tuple[int, str]]

CASES = """\
policy = "classic"
as_of = 2025-12-31
[[case]]
name = "never ordered"
expect = { class = "non_ordering" }
[[case]]
name = "blocked"
given = { orders_ever = 1, blocked = true }
expect = { class = "gold" }
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Return a function that runs pytest in a folder of its own: its status, what it prints."""
    # Where the package is installed the plugin is known under its own name already.
    own = ["-p", "no:crmcore", "-p", "crmcore.pytest_plugin"]
    others = [
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-p",
        "no:cov",
        "-p",
        "no:hypothesispytest",
    ]

    def call(*arguments: str) -> tuple[int, str]:
        done = pytester.runpytest_inprocess(*own, *others, *arguments)
        return int(done.ret), done.stdout.str() + done.stderr.str()

    return call


def test_cases_are_tests_and_failures_say_why(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "shop.test.toml").write_text(CASES, "utf-8")
    status, text = run("-v")
    assert status == 1
    assert "shop.test.toml::never ordered PASSED" in text
    assert "shop.test.toml::blocked FAILED" in text
    assert "class: expected gold, got malicious\n" in text
    assert "blocked: holds (blocked: yes)" in text
    assert "Traceback" not in text


def test_one_case_can_be_chosen(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "shop.test.toml").write_text(CASES, "utf-8")
    status, text = run("shop.test.toml::never ordered")
    assert (status, "1 passed" in text) == (0, True)
    assert run("-k", "never")[0] == 0


def test_a_refused_file_is_told_with_all_its_problems(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "shop.test.toml").write_text(CASES.replace("class =", "clas ="), "utf-8")
    status, text = run()
    assert status == 2
    assert "2 problems in the test file" in text
    assert "did you mean 'class'?" in text
    assert "Traceback" not in text


def test_other_files_are_left_alone(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "other.test.toml").write_text("x = 1\n", "utf-8")
    (pytester.path / "odd.test.toml").write_bytes(b"\xff\xfe")
    assert run()[0] == 5


def test_coverage_may_be_asked_for(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "shop.toml").write_text('extends = "rf_grid"\nname = "shop"\n', "utf-8")
    text = 'as_of = 2025-06-30\n[[case]]\nname = "none"\nexpect = { segment = "no_sale" }\n'
    (pytester.path / "shop.test.toml").write_text(text, "utf-8")
    more = text.replace("none", "one").replace("expect", "given = { sale_count = 1 }\nexpect")
    (pytester.path / "shop.more.test.toml").write_text(more, "utf-8")
    status, said = run("--crmcore-coverage-under", "90", "-v")
    assert status == 1
    assert "shop.test.toml::coverage FAILED" in said
    assert said.count("::coverage FAILED") == 1
    assert "% covered, 90 % asked for; not reached:\n  scores.recency_points" in said
    assert "scores.frequency_points.from.0: from 1\n" not in said  # reached by the other file
    assert run("--crmcore-coverage-under", "5")[0] == 0
    assert run()[0] == 0


def test_the_plugin_loads_nothing_before_it_is_needed() -> None:
    code = (
        "import crmcore.pytest_plugin, sys\n"
        "print([name for name in ('numpy', 'pydantic', 'crmcore.policy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_plugin_is_announced_to_pytest(pytestconfig: pytest.Config) -> None:
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text("utf-8"))
    found = project["project"]["entry-points"]["pytest11"]
    assert found == {"crmcore": "crmcore.pytest_plugin"}
