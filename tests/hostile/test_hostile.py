"""Whatever a document holds, loading it gives a result or a `PolicyError` that is fit to be shown.

How long that takes is measured by ``benchmarks/hostile.py``.
"""

from __future__ import annotations

import tracemalloc
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile.attacks import CATALOGUES, FILES, HEAD, IN_A_FOLDER, POLICIES, SOURCES, TESTS

from crmcore import load_source
from crmcore.errors import PolicyError
from crmcore.policy import load_policy
from crmcore.wording import load_catalogue
from crmcore.workbench.testing import load_tests

MOST_BYTES = 64 << 20
MOST_PROBLEMS = 1_001  # the last one says that there are more
CLASSIC = load_policy("classic")

# Odd, but nothing is wrong with them.
VALID = {
    "calendar_back_edge.toml",
    "condition_negative_zero.toml",
    "condition_newline.toml",
    "condition_parentheses.toml",
    "condition_tabs.toml",
    "condition_tag_keyword.toml",
    "date_beyond.toml",
    "dates.toml",
    "number_binary.toml",
    "number_hex.toml",
    "number_int64_edge.toml",
    "number_octal.toml",
    "number_plus.toml",
    "number_underscores.toml",
    "text_bom.json",
    "text_bom.toml",
    "text_crlf_valid.toml",
    "text_newline_condition.toml",
    "text_sql.toml",
    "text_wording.toml",
    "tree_decimal_number.json",
    "tree_deep.json",
    # Made when needed:
    "a chain of 900 scores",
    "a chain of four",
    "a condition of 4,000 letters",
    "a condition of bands",
    "a condition with a long list",
    "a tree with a long list",
    "braces in braces",
    "dots and tabs in a comment",
    "many short texts",
    "names without number",
    "no cases",
    "no language",
    "percent signs",
    "rows of cases in cases, as many as may be",
    "rows of sums",
    "ten thousand comments",
}


def refusal(load: Callable[[object], object], given: object) -> PolicyError | None:
    """Load something; return how it is refused. Any other exception fails the test."""
    try:
        load(given)
    except PolicyError as error:
        return error
    return None


def steering(text: str) -> list[str]:
    """Return the characters of a text that a terminal obeys, or that nobody sees."""
    kinds = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return [one for one in text if one != "\n" and unicodedata.category(one) in kinds]


def check(name: str, load: Callable[[object], object], given: object) -> None:
    tracemalloc.start()
    try:
        error = refusal(load, given)
        shown = str(error)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= MOST_BYTES
    assert (error is None) == (name in VALID)
    if error is not None:
        assert 0 < len(error.problems) <= MOST_PROBLEMS
        assert all(problem.code and problem.message for problem in error.problems)
        assert steering(shown) == []
        assert len(shown) < 30_000


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_hostile_files(name: str) -> None:
    check(name, load_policy, FILES / name)


@pytest.mark.parametrize("name", POLICIES)
def test_hostile_policies(name: str) -> None:
    check(name, load_policy, POLICIES[name]())


@pytest.mark.parametrize("name", SOURCES)
def test_hostile_sources(name: str) -> None:
    check(name, load_source, SOURCES[name]())


@pytest.mark.parametrize("name", CATALOGUES)
def test_hostile_catalogues(name: str) -> None:
    check(name, load_catalogue, CATALOGUES[name]())


@pytest.mark.parametrize("name", TESTS)
def test_hostile_tests(name: str) -> None:
    check(name, lambda given: load_tests(given, CLASSIC), TESTS[name]())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", IN_A_FOLDER)
def test_hostile_files_that_are_made(name: str, tmp_path: Path) -> None:
    path = IN_A_FOLDER[name](tmp_path)
    if name == "a file that nobody may read":
        try:
            path.read_bytes()
        except PermissionError:
            pass
        else:
            pytest.skip("this user may read every file")
    check(name, load_policy, path)


def test_there_are_enough_of_them() -> None:
    assert len(list(FILES.iterdir())) + len(POLICIES) + len(IN_A_FOLDER) >= 400


@pytest.mark.parametrize("letter", ["\x1b", "\x9b", "\u202e", "\u200b", "\u2028", "\ud800"])
def test_characters_that_steer_are_noticed(letter: str) -> None:
    assert steering(f"a{letter}b\n") == [letter]


def test_the_head_alone_is_a_policy() -> None:
    assert refusal(load_policy, HEAD) is None
