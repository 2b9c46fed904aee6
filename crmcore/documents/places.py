"""On which line of a TOML text something stands, for messages; JSON texts have no lines told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from crmcore.errors import Problem

__all__ = ["placed", "places"]

# Within lists of several lines a row looks like a header, but has commas.
_HEADER: Final = re.compile(r"""[ \t]*+(\[\[?)([A-Za-z0-9_."' \t-]{1,500})\]\]?[ \t]*+(?:#|$)""")
_KEY: Final = re.compile(r"""[ \t]*+([A-Za-z0-9_."' -]{1,500}?)[ \t]*+=""")


def placed(problems: Iterable[Problem], texts: Sequence[tuple[str, Path | None]]) -> list[Problem]:
    """Return the problems with the file and line of the first text that has their path, by line."""
    known = [(places(text), str(file) if file else None) for text, file in texts if text]
    found = [_placed(problem, known) for problem in problems]
    files = [file for _, file in known]
    return sorted(found, key=lambda one: (files.index(one.file) if files else 0, one.line or 0))


def places(text: str) -> dict[str, int]:
    r"""Return on which line of a TOML text each key stands, as far as a look at its lines tells.

    Examples
    --------
    >>> places("zone = 'UTC'\n[scores.a]\nfact = 'b'")
    {'zone': 1, 'scores': 2, 'scores.a': 2, 'scores.a.fact': 3}
    >>> places("[[exclude]]\nin = [1]\n[[exclude]]")
    {'exclude': 1, 'exclude.0': 1, 'exclude.0.in': 2, 'exclude.1': 3}
    """
    found: dict[str, int] = {}
    if text.lstrip().startswith("{"):
        return found
    table: list[str] = []
    last: dict[str, int] = {}  # position of the latest table, of each list of tables
    for number, line in enumerate(text.split("\n"), start=1):
        header, key = _HEADER.match(line.rstrip("\r")), _KEY.match(line)
        parts: Sequence[str] = []
        if header:
            table = parts = _opened(_parts(header[2]), last, is_list=header[1] == "[[")
        elif key:
            parts = [*table, *_parts(key[1])]
        for depth in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:depth]), number)
    return found


def _opened(parts: Sequence[str], last: dict[str, int], *, is_list: bool) -> list[str]:
    """Return the path of the table that a header opens, with its positions in lists."""
    path: list[str] = []
    for at, part in enumerate(parts, start=1):
        path.append(part)
        name = ".".join(path)
        if is_list and at == len(parts):
            last[name] = last.get(name, -1) + 1
        if name in last:
            path.append(str(last[name]))
    return path


def _placed(problem: Problem, known: Sequence[tuple[dict[str, int], str | None]]) -> Problem:
    file, line = known[0][1] if known else None, None
    path = problem.path
    while path and line is None:
        for lines, its_file in known:
            if path in lines:
                file, line = its_file, lines[path]
                break
        path = path.rpartition(".")[0]
    return replace(problem, file=file, line=line)


def _parts(key: str) -> list[str]:
    return [part.strip(" \t\"'") for part in key.split(".")]
