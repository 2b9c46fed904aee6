"""What reading gives: a text with the plain tables that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

from crmcore.errors import Problem

__all__ = ["NOTHING", "Plain", "Size", "Table", "Text", "copied"]

Plain: TypeAlias = "str | int | bool | Decimal | date | list[Plain] | dict[str, Plain]"
Table: TypeAlias = dict[str, Plain]
_Copied = TypeVar("_Copied", bound=Plain)


def copied(value: _Copied) -> _Copied:
    """Return a copy that shares no table and no list with the value."""
    found: Plain = value
    match value:
        case dict():
            found = {key: copied(one) for key, one in value.items()}
        case list():
            found = [copied(one) for one in value]
    return cast(_Copied, found)


@dataclass(frozen=True, slots=True)
class Size:
    """How much was read of a document, with the texts that it extends: what has limits.

    Parameters
    ----------
    length
        Bytes of text.
    signs
        Signs that part its values.
    values
        Tables, lists and single values.
    letters
        Characters of its values that are text.
    """

    length: int = 0
    signs: int = 0
    values: int = 0
    letters: int = 0


NOTHING: Final = Size()
"""What was read before the first text."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was read, with where it came from.

    Parameters
    ----------
    table
        What it says. An empty text stands where something has a problem.
    text
        The text itself; empty for a mapping.
    file
        The file, if it was one.
    name
        What messages call it; none for a text or mapping without a name.
    is_json
        Whether it is JSON; else it is TOML.
    problems
        What is wrong with single values, each with its place.
    size
        How much was read, this text and those before it.
    """

    table: Table
    text: str = ""
    file: Path | None = None
    name: str | None = None
    is_json: bool = False
    problems: tuple[Problem, ...] = ()
    size: Size = NOTHING
