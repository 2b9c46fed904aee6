"""The commands in README.md and docs/ print what the pages say; see `pages`.

The page whose commands need the Online Retail data is run by
``tests/golden/test_online_retail.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import PAGES, ROOT, Command, commands, differences

NEEDS_DATA = "online-retail.md"


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != NEEDS_DATA],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_commands_print_what_the_page_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert "\n".join(differences(page.read_text("utf-8"), capsys)) == ""


def test_a_wrong_page_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    right = "```console\n$ crmcore preset list\nclassic ...\n```\n"
    assert list(differences(right, capsys)) == []
    assert len(list(differences(right.replace("classic", "modern"), capsys))) == 1


def test_commands_may_go_over_several_lines() -> None:
    block = "$ crmcore score a.csv \\\n      --policy classic; echo $?\nx\n$ crmcore preset list\n"
    assert list(commands(block, 5)) == [
        Command("$ crmcore score a.csv --policy classic; echo $?", "x\n", 5),
        Command("$ crmcore preset list", "\n", 8),
    ]
