"""The examples in README.md and docs/ run, file by file, as a reader would type them.

All ``python`` blocks of a file share one session, in a folder of their own. A block of another
language with a title, such as ``toml title="shop.toml"``, is the file of that name.
"""

from __future__ import annotations

import doctest
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<indent>[ ]*)(?P<fence>`{3,})[ ]*(?P<info>[^`\n]*)\n"
    r"(?P<body>.*?)^(?P=indent)(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
TITLE = re.compile(r'title="([^"]+)"')
DOCTEST_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its title, its text, and the line its text starts at."""

    language: str
    title: str | None
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    for match in FENCE.finditer(page):
        info = match["info"]
        title = TITLE.search(info)
        yield Block(
            language=info.split()[0] if info.strip() else "",
            title=title and title[1],
            text=textwrap.dedent(match["body"]),
            line=page.count("\n", 0, match.start("body")) + 1,
        )


def run(block: Block, name: str, session: dict[str, object]) -> None:
    if block.text.lstrip().startswith(">>>"):
        examples = doctest.DocTestParser().get_doctest(
            block.text, session, name, name, block.line - 1
        )
        runner = doctest.DebugRunner(optionflags=DOCTEST_FLAGS)
        runner.run(examples, clear_globs=False)
        session.update(examples.globs)
    else:
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, name, "exec"), session)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {"__name__": "example"}
    for block in blocks(page.read_text("utf-8")):
        if block.language == "python":
            run(block, str(page), session)
        elif block.title:
            target = tmp_path / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")


def test_blocks_are_found_with_their_lines() -> None:
    page = 'a\n\n```toml title="p.toml"\nx = 1\n```\n\n    ```python\n    y = 2\n    ```\n'
    assert list(blocks(page)) == [
        Block("toml", "p.toml", "x = 1\n", 4),
        Block("python", None, "y = 2\n", 8),
    ]


def test_a_wrong_answer_is_noticed() -> None:
    with pytest.raises(doctest.DocTestFailure):
        run(Block("python", None, ">>> 1 + 1\n3\n", 1), "page.md", {})
