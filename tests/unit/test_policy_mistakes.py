"""One mistake in a small policy, and all that is said of it: code, path, place, and the message.

The mistakes are in ``tests/mistakes.py``; what is told of them, as a reader sees it, is in
``policy_mistakes.txt`` beside this file. After a change of wording
``python tests/unit/test_policy_mistakes.py`` writes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from mistakes import JSON, MISTAKES, UNREADABLE, place, policy, unmarked
from numpy.typing import NDArray

from crmcore.columns import Column
from crmcore.errors import PolicyError, Problem
from crmcore.policy import load_policy

TOLD = Path(__file__).with_name("policy_mistakes.txt")


class Alive:
    """A scorer of the host."""

    inputs = ("sale_count",)

    def score(self, facts: Mapping[str, Column]) -> NDArray[np.float64]:
        return np.zeros(len(facts["sale_count"]))


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PolicyError) as caught:
        load_policy(text, scorers={"alive": Alive()})
    return caught.value.problems


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_reported_once_and_at_its_place(name: str) -> None:
    mistake = MISTAKES[name]
    marked = policy(mistake.lines)
    (problem,) = problems(unmarked(marked))
    assert (problem.code, problem.path) == (mistake.code, mistake.path)
    assert problem.suggestion == mistake.suggestion
    if place(marked):
        assert (problem.line, problem.column, problem.end_column) == place(marked)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_the_only_problem(name: str) -> None:
    mistake = UNREADABLE[name]
    marked = policy(mistake.lines)
    (problem,) = problems(unmarked(marked))
    assert (problem.code, problem.path) == (mistake.code, mistake.path)


@pytest.mark.parametrize("name", JSON)
def test_mistakes_in_json(name: str) -> None:
    text, code, path, line, column = JSON[name]
    (found,) = [problem for problem in problems(text) if problem.code == code]
    assert (found.path, found.line) == (path, line)
    assert column is None or found.column == column


def told(name: str) -> str:
    """Return all that is said of a mistake, as a reader sees it."""
    mistake = {**MISTAKES, **{f"text: {name}": one for name, one in UNREADABLE.items()}}[name]
    found = problems(unmarked(policy(mistake.lines)))
    return "\n".join(str(problem) for problem in found)


def expected() -> dict[str, str]:
    """Return what the file beside this one says of each mistake."""
    parts = TOLD.read_text("utf-8").split("\n## ")[1:]
    return {name: text.strip("\n") for name, _, text in (part.partition("\n") for part in parts)}


@pytest.mark.parametrize("name", [*MISTAKES, *(f"text: {name}" for name in UNREADABLE)])
def test_each_mistake_is_told_as_written_down(name: str) -> None:
    assert told(name) == expected()[name]


def test_there_are_many_classes_of_mistakes() -> None:
    assert len(MISTAKES) + len(UNREADABLE) + len(JSON) >= 200
    assert expected().keys() == {*MISTAKES, *(f"text: {name}" for name in UNREADABLE)}


def test_one_attempt_reports_every_mistake() -> None:
    lines = [
        'windows.w = "1 yeer"',
        'facts.f = { of = "sails", take = "count" }',
        'facts.g = { of = "sale", take = "count", where = "chanel == 1" }',
        'scores.a = { fact = "sale_count", from = [[2, 1], [1, 2]] }',
        "scores.b.weights = { a = 1, c = 2 }",
        'grade = { score = "d", from = [[1, "Low"]] }',
        'segment.first = [["sale_count = 3", "x"], ["h > 1", "x"], ["city < 1", "Y"]]',
        "stage.otherwize = 3",
        'labels.en_GB.gold = "Gold"',
        "notes.minimum_customers = -3",
    ]
    found = problems(policy("\n".join(lines)))
    assert {problem.line for problem in found} == set(range(6, 16))
    assert [problem.line for problem in found] == sorted(problem.line or 0 for problem in found)


def test_of_a_hopeless_policy_not_everything_is_told() -> None:
    facts = {f"f{row}": {f"k{at}": 1 for at in range(18)} for row in range(999)}
    with pytest.raises(PolicyError) as caught:
        load_policy({"facts": facts})
    assert [one.code for one in caught.value.problems[999:]] == ["unknown_key", "too_many"]
    assert len(str(caught.value).splitlines()) < 50


if __name__ == "__main__":  # pragma: no cover; writes the file of what is told anew
    names = [*MISTAKES, *(f"text: {name}" for name in UNREADABLE)]
    sections = [f"\n## {name}\n{told(name)}\n" for name in names]
    TOLD.write_text("What is said of each mistake.\n" + "".join(sections), "utf-8")
