"""A difference as Markdown for a comment: tables, folded details, nothing that could act.

Whatever stands in a policy or in data goes into code spans, where neither HTML nor mentions of
people work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from crmcore.workbench.diffing.result import PolicyDiff
from crmcore.workbench.diffing.sections import Cell, Code, Section, sections, summary

__all__ = ["code_span", "to_markdown"]

_TICKS: Final = re.compile("`+")
# Comments are cut off, or refused, where they become too long.
_MOST_ROWS: Final = 100


def to_markdown(found: PolicyDiff, movers: int = 0) -> str:
    """Return the tables of a difference as Markdown."""
    return "\n".join(_lines(found, movers)) + "\n"


def _lines(found: PolicyDiff, movers: int) -> Iterator[str]:
    before, after = found.before, found.after
    yield f"### Policy {code_span(before.name)} → {code_span(after.name)}"
    yield ""
    yield f"**{summary(found)}**"
    for section in sections(found, movers):
        yield ""
        yield from _folded(section) if section.folded else _open(section)
    yield ""
    yield f"Hashes: {code_span(before.hash[:12])} → {code_span(after.hash[:12])}"


def _open(section: Section) -> Iterator[str]:
    yield f"#### {_titled(section)}"
    yield ""
    yield from _table(section)


def _folded(section: Section) -> Iterator[str]:
    # The only HTML: there is no other way to fold, and the titles are words of ours.
    yield f"<details><summary>{_titled(section)} ({len(section.rows):,})</summary>"
    yield ""
    yield from _table(section)
    yield ""
    yield "</details>"


def _titled(section: Section) -> str:
    return "".join(sign for sign in section.title if sign not in "<>&`|")


def _table(section: Section) -> Iterator[str]:
    yield _row(section.columns)
    signs = ["---:" if at in section.right else "---" for at in range(len(section.columns))]
    yield _row(signs)
    for row in section.rows[:_MOST_ROWS]:
        yield _row(row)
    if len(section.rows) > _MOST_ROWS:
        more = f"… and {len(section.rows) - _MOST_ROWS:,} more"
        yield _row([more, *[""] * (len(section.columns) - 1)])


def _row(cells: Sequence[Cell]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(cell: Cell) -> str:
    return code_span(cell.text, in_table=True) if isinstance(cell, Code) else cell


def code_span(text: str, *, in_table: bool = False) -> str:
    r"""Return text as a code span, whatever stands in it.

    Examples
    --------
    >>> print(code_span("gold"), code_span("a`b"), code_span("a|<b>", in_table=True))
    `gold` ``a`b`` `a\|<b>`
    """
    plain = "".join(sign if sign.isprintable() else " " for sign in text) or " "
    longest = max(map(len, _TICKS.findall(plain)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if plain[0] in "` " or plain[-1] in "` " else ""
    span = f"{fence}{pad}{plain}{pad}{fence}"
    return span.replace("|", "\\|") if in_table else span
