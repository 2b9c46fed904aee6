"""Texts and names as an engine keeps them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from crmcore.sql.nodes.expressions import Query

__all__ = [
    "is_writable",
    "shorten",
    "write_texts",
]


def is_writable(value: str) -> bool:
    """Return whether a text comes out of the writer as it went in."""
    from sqlglot.generator import Generator

    # Half a surrogate pair is no character of any encoding.
    broken = "\0" in value or any("\ud800" <= one <= "\udfff" for one in value)
    return not broken and Generator.SENTINEL_LINE_BREAK not in value


def write_texts(query: Query, written: Callable[[str], str | None]) -> None:
    """Write texts in a form of the engine's own, where `written` gives one."""
    from sqlglot import exp

    for one in list(query.find_all(exp.Literal)):
        form = written(one.name) if one.is_string else None
        if form is not None:
            one.replace(exp.Var(this=form))


def shorten(query: Query, longest: int) -> None:
    """Give names of more bytes than an engine keeps another name, each its own."""
    from sqlglot import exp

    found = list(query.find_all(exp.Identifier))
    taken = {one.name for one in found}
    long = sorted(name for name in taken if len(name.encode()) > longest)
    numbers = (f"crm {number}" for number in count(1))
    free = (name for name in numbers if name not in taken)
    short = dict(zip(long, free, strict=False))
    for one in found:
        one.set("this", short.get(one.name, one.name))
