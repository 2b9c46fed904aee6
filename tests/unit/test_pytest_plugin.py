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
    (pytester.path / "test_own.py").write_text("def test_own() -> None: pass\n")
    status, text = run()
    assert (status, "1 failed, 1 passed" in text) == (1, True)  # the others go on
    assert "shop.test.toml::refused" in text
    assert "2 problems in the test file" in text
    assert "did you mean 'class'?" in text
    assert "Traceback" not in text


BROKEN = [b"[[case]]\nname = 1\n[[case", b"\xff\xfe", b'policy = 1\n[[case]]\nname = "a"\n']
FOREIGN = [*BROKEN, b"x = 1\n", b'[[case]]\nname = "theirs"\ninput = [1]\n']


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("beside", [None, b"[tool]\nname = 'x'\n"])
def test_files_of_other_tools_are_left_alone(
    run: Run, pytester: pytest.Pytester, content: bytes, beside: bytes | None
) -> None:
    (pytester.path / "other.test.toml").write_bytes(content)
    if beside is not None:
        (pytester.path / "other.toml").write_bytes(beside)
    (pytester.path / "test_own.py").write_text("def test_own() -> None: pass\n")
    status, text = run()
    assert (status, "1 passed" in text) == (0, True)


@pytest.mark.parametrize("content", BROKEN)
def test_a_file_beside_a_policy_fails_by_itself(
    run: Run, pytester: pytest.Pytester, content: bytes
) -> None:
    (pytester.path / "shop.toml").write_text('extends = "classic"\nname = "shop"\n', "utf-8")
    (pytester.path / "shop.test.toml").write_bytes(content)
    (pytester.path / "test_own.py").write_text("def test_own() -> None: pass\n")
    status, text = run()
    assert (status, "1 failed, 1 passed" in text) == (1, True)
    assert "Traceback" not in text


def test_the_tests_of_a_policy_with_mistakes_fail(run: Run, pytester: pytest.Pytester) -> None:
    (pytester.path / "shop.test.toml").write_text(CASES.replace('policy = "classic"\n', ""))
    for policy in ('extends = "classic"\nname = 1\n', "extends = [\n"):
        (pytester.path / "shop.toml").write_text(policy, "utf-8")
        status, text = run()
        assert (status, "1 failed" in text) == (1, True)
        assert "in the policy" in text


@pytest.mark.parametrize(
    "cases",
    [
        'case = [{ name = "inline", expect = { class = "non_ordering" } }]\n',
        '[[ case ]]\nname = "inline"\nexpect = { class = "non_ordering" }\n',
    ],
)
def test_cases_may_be_written_in_any_way_that_toml_has(
    run: Run, pytester: pytest.Pytester, cases: str
) -> None:
    head = 'policy = "classic"\nas_of = 2025-12-31\n'
    (pytester.path / "shop.test.toml").write_text(head + cases, "utf-8")
    status, text = run("-v")
    assert (status, "shop.test.toml::inline PASSED" in text) == (0, True)


def test_orders_that_cannot_be_used_fail_their_case(run: Run, pytester: pytest.Pytester) -> None:
    order = "{ order_id = 1, placed_at = 2025-01-01, amount = 1 }"
    text = CASES.replace(
        "given = { orders_ever = 1, blocked = true }", f"orders = [{order}, {order}]"
    )
    (pytester.path / "shop.test.toml").write_text(text.replace("amount = 1 }]", "amount = 2 }]"))
    status, said = run()
    assert (status, "1 failed, 1 passed" in said) == (1, True)
    assert "an order that cannot be used" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("percent", ["nan", "-1", "101", "many"])
def test_the_coverage_asked_for_is_a_percentage(run: Run, percent: str) -> None:
    status, text = run("--crmcore-coverage-under", percent)
    assert (status, "a number from 0 to 100" in text) == (4, True)


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
