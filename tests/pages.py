"""The commands on a page of documentation, and whether they print what the page says.

In a ``console`` block a line that starts with ``$ crmcore`` is a command; the lines after it are
what it prints, with ``...`` for what is left out, and ``; echo $?`` after a command shows its exit
status too. Blocks with a title are files.
"""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crmcore.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
PROMPT, STATUS = "$ crmcore ", "; echo $?"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Command:
    """A command line of a page, what the page says it prints, and the line it stands on."""

    text: str
    printed: str
    line: int


def commands(block: str, first_line: int) -> Iterator[Command]:
    """Return the commands of one ``console`` block."""
    starts = [at for at, line in enumerate(block.splitlines()) if line.startswith("$ ")]
    lines = block.splitlines()
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = start
        while lines[last].endswith("\\"):
            last += 1
        text = " ".join(line.rstrip("\\ ").strip() for line in lines[start : last + 1])
        yield Command(text, "\n".join(lines[last + 1 : end]) + "\n", first_line + start)


def parts(page: str) -> Iterator[tuple[str, str] | Command]:
    """Return the files (name and text) and the commands of a page, in order."""
    for match in FENCE.finditer(page):
        title = TITLE.search(match[2])
        if title:
            yield title[1], match[3]
        elif match[2].strip().startswith("console"):
            yield from commands(match[3], page.count("\n", 0, match.start(3)) + 1)


def answer(command: Command, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command; return what it prints."""
    assert command.text.startswith(PROMPT), f"line {command.line}: not a crmcore command"
    text = command.text.removeprefix(PROMPT)
    status = main(shlex.split(text.removesuffix(STATUS)))
    out, err = capsys.readouterr()
    return out + err + (f"{status}\n" if text.endswith(STATUS) else "")


def differences(page: str, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """Run a page in the current folder; return what is printed otherwise than it says."""
    checker = doctest.OutputChecker()
    for part in parts(page):
        if isinstance(part, tuple):
            target = Path(part[0])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(part[1], "utf-8")
            continue
        got = answer(part, capsys)
        if not checker.check_output(part.printed, got, FLAGS):
            yield f"line {part.line}: {part.text}\n{got}"


def table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, without its first two lines."""
    section = f"\n{page}".split(f"\n{heading}\n", 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines, f"no table under {heading!r}"
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[0].splitlines()]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cells: list[list[str]]) -> list[str]:
    """Return the names in backticks in the first column of a table."""
    return [name for row in cells for name in re.findall(r"`([^`]+)`", row[0])]
