"""How a problem reads: the line with a caret, what is cut, what is escaped, and as data."""

from __future__ import annotations

import json
import pickle
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from crmcore.cli.program import main
from crmcore.errors import PolicyError, Problem

LINE = 'first = [["sale_cout > 3", "regular"]]'
PROBLEM = Problem(
    "unknown_name",
    "no such field",
    "class.first.0.0",
    given="sale_cout",
    suggestion="sale_count",
    file="shop.toml",
    line=12,
    column=12,
    end_column=21,
    source=LINE,
    span=(0, 9),
)


def shown(source: str, column: int, end_column: int) -> tuple[str, str]:
    """Return the line as shown, and what is marked below it."""
    problem = replace(PROBLEM, source=source, column=column, end_column=end_column, suggestion=None)
    _, line, marks = str(problem).split("\n")
    assert line[:8].ljust(8) == "   12 | "
    assert marks[:8] == "      | "
    return line[8:], marks[8:]


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def test_a_problem_shows_its_line_with_carets() -> None:
    assert str(PROBLEM) == (
        "shop.toml:12:12: class.first.0.0: no such field [unknown_name]\n"
        '   12 | first = [["sale_cout > 3", "regular"]]\n'
        "      |            ^^^^^^^^^ did you mean 'sale_count'?"
    )


def test_what_is_allowed_stands_below() -> None:
    problem = replace(PROBLEM, suggestion=None, allowed=", ".join(["regular"] * 20))
    _, _, marks, first, second, _ = str(problem).split("\n")
    assert marks == "      |            ^^^^^^^^^"
    assert first.startswith("      = allowed: regular, regular,")
    assert second.startswith("        regular")
    assert max(map(len, (first, second))) <= 100


def test_what_was_given_is_told_where_the_line_does_not_show_it() -> None:
    seen = replace(PROBLEM, span=None)
    assert "given" not in str(seen)
    assert "; given 1 after 2 [" in str(replace(seen, given="1 after 2"))


def test_a_problem_without_a_line_is_one_line() -> None:
    bare = replace(PROBLEM, source=None, allowed="sale_count")
    assert str(bare) == (
        "shop.toml:12:12: class.first.0.0: no such field (at character 1); given sale_cout; "
        "allowed: sale_count (did you mean 'sale_count'?) [unknown_name]"
    )
    assert str(replace(bare, file=None)).startswith("line 12, column 12: class.first.0.0: no such")
    assert str(replace(bare, file=None, column=None)).startswith("line 12: class.first.0.0: no")


@pytest.mark.parametrize(
    ("source", "column", "end_column", "marked"),
    [
        ("zone = 'UTC'", 8, 13, "'UTC'"),
        ("\tzone\t= 'UTC'", 9, 14, "'UTC'"),
        ("# 金金金", 3, 5, "金金"),
        ("名 = '金'", 5, 8, "'金'"),
        ("a\u0308 = 'x'", 6, 9, "'x'"),
        ("\x1b[2J = 'x'", 8, 11, "'x'"),
        ("x = ", 5, 6, ""),
        ("x", 9, 9, ""),
        ("", 1, 2, ""),
    ],
)
def test_the_carets_stand_under_what_is_meant(
    source: str, column: int, end_column: int, marked: str
) -> None:
    line, marks = shown(source, column, end_column)
    plain = line.replace("a\u0308", "a")  # the dots take no room of their own
    before = marks.index("^")
    cut = next(at for at in range(len(plain) + 1) if width(plain[:at]) >= min(before, width(plain)))
    assert plain[cut:].startswith(marked)
    assert marks.count("^") == max(1, width(marked))


def test_tabs_are_four_columns() -> None:
    assert shown("\tx = 1", 6, 7) == ("    x = 1", "        ^")


LONG = "x = [" + ", ".join(f"{number:04}" for number in range(300)) + "]"


@pytest.mark.parametrize("number", [0, 5, 10, 17, 150, 290, 299])
def test_of_a_long_line_what_is_meant_is_shown(number: int) -> None:
    column = LONG.index(f"{number:04}") + 1
    line, marks = shown(LONG, column, column + 4)
    assert len(line) <= 92
    start = marks.index("^")
    assert line[start : start + 4] == f"{number:04}"
    assert marks.count("^") == 4
    assert line.startswith("…") == (number > 4)
    assert line.endswith("…") == (number < 289)


def test_marks_end_where_a_long_line_is_cut() -> None:
    line, marks = shown("金" * 90, 1, 91)
    assert width(line) <= 93
    assert len(marks) <= 92


HOSTILE = "a\x1b[31m\u202eb\u2066\r\n\x00\x85\u2028"


def test_nothing_steers_the_terminal() -> None:
    problem = Problem(
        "unknown_key",
        f"no {HOSTILE}",
        HOSTILE,
        given=HOSTILE,
        allowed=HOSTILE,
        suggestion=HOSTILE,
        file=HOSTILE,
        line=1,
        column=2,
        end_column=4,
        source=HOSTILE,
    )
    for text in (str(problem), str(replace(problem, source=None)), str(PolicyError([problem]))):
        assert all(one.isprintable() or one == "\n" for one in text)
        assert r"\x1b[31m\u202eb\u2066" in text
    assert problem.to_dict()["given"] == HOSTILE
    assert len(str(replace(problem, source=None)).split("\n")) == 1


def test_long_parts_are_shortened() -> None:
    problem = Problem("c", "m" * 5_000, "p" * 5_000, given="g" * 5_000, allowed="a, " * 5_000)
    assert len(str(problem)) < 2_500
    assert len(str(replace(problem, line=1, column=1, end_column=2, source="x" * 10**6))) < 2_500


def test_as_data() -> None:
    found = PROBLEM.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found == {
        "code": "unknown_name",
        "message": "no such field",
        "path": "class.first.0.0",
        "given": "sale_cout",
        "allowed": None,
        "suggestion": "sale_count",
        "file": "shop.toml",
        "line": 12,
        "column": 12,
        "end_column": 21,
        "source": LINE,
        "span": [0, 9],
        "at_key": False,
    }
    assert replace(PROBLEM, source="x" * 1_000).to_dict()["source"] == "x" * 1_000
    assert replace(PROBLEM, source="x" * 1_001).to_dict()["source"] is None


def test_the_command_line_writes_a_refusal_as_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('extends = "classic"\nzone = "Mars/Base"\n')
    assert main(["check", str(path), "--format", "json"]) == 3
    told = capsys.readouterr()
    data = json.loads(told.out)
    assert data["refused"] == "policy"
    assert [(one["path"], one["line"], one["column"]) for one in data["problems"]] == [
        ("zone", 2, 8)
    ]
    assert f"{path}:2:8: zone: " in told.err
    assert main(["check", str(path)]) == 3
    assert capsys.readouterr().out == ""


def test_only_the_first_twenty_of_many_are_told() -> None:
    problems = [Problem("code", "message", f"path.{at}") for at in range(921)]
    error = PolicyError(problems)
    lines = str(error).split("\n")
    assert lines[0] == "921 problems in the policy"
    assert (lines[1], lines[20]) == (str(problems[0]), str(problems[19]))
    assert lines[21:] == ["… and 901 more"]
    assert len(error.problems) == 921
    assert "more" not in str(PolicyError(problems[:20]))
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_of_very_many_the_first_are_told_and_that_there_are_more() -> None:
    problems = [Problem("code", "message", f"path.{at}") for at in range(1_001)]
    error = PolicyError(problems)
    assert error.problems[:-1] == tuple(problems[:1_000])
    assert error.problems[-1].code == "too_many"
    lines = str(error).split("\n")
    assert (lines[0], lines[-1]) == (
        "more than 1,000 problems in the policy",
        "… and more than 980 more",
    )
    assert pickle.loads(pickle.dumps(error)).problems == error.problems
    assert PolicyError(problems[:1_000]).problems == tuple(problems[:1_000])


@pytest.mark.parametrize("text", ["ที่นี่", "❤\ufe0f", "e\u0301", "a\u20dd"])
def test_marks_upon_letters_take_no_column(text: str) -> None:
    source = f"'{text}' = x"
    problem = Problem("code", "message", line=1, column=len(source), source=source)
    line, caret = str(problem).split("\n")[1:]
    width = {"ที่นี่": 2}.get(text, 1)
    assert caret.index("^") == line.index("'") + width + 5
