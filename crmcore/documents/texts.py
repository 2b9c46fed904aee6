"""What reading gives: a text with the plain tables that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from crmcore.errors import Problem

__all__ = ["Plain", "Table", "Text"]

Plain: TypeAlias = "str | int | bool | Decimal | date | list[Plain] | dict[str, Plain]"
Table: TypeAlias = dict[str, Plain]


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
    """

    table: Table
    text: str = ""
    file: Path | None = None
    name: str | None = None
    is_json: bool = False
    problems: tuple[Problem, ...] = ()
