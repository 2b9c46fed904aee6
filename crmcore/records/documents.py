"""Documents: text to plain data, and what is wrong with it as a list of problems."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from crmcore.errors import PolicyError, Problem

__all__ = ["Document", "Sections", "problems_of", "read_document"]

Sections: TypeAlias = Mapping[tuple[str, ...], type[BaseModel]]
"""The model that stands at each path, positions in lists left out."""

_LARGEST_BYTES = 1 << 20
_TOML_PLACE = re.compile(
    r"^(.*?)(?: \(at (?:line (\d+), column (\d+)|end of document)\))?$", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and the file that it came from."""

    data: Mapping[str, object]
    file: str | None = None


def read_document(source: str | Path | Mapping[str, object], error: type[PolicyError]) -> Document:
    """Read a mapping, a path, or text: TOML, or JSON when it starts with a brace.

    A ``str`` is text when it has a line break, an equals sign or a brace, else a path.

    Raises
    ------
    PolicyError
        Of the type `error`, with one problem: the file cannot be read, is no UTF-8 text or
        larger than 1 MiB, or breaks the syntax.
    """
    if isinstance(source, Mapping):
        return Document(dict(source))
    if isinstance(source, str) and any(sign in source for sign in "\n={"):
        problem_or_data = _parsed(source)
        file = None
    else:
        file = str(source)
        text = _text(Path(source))
        problem_or_data = text if isinstance(text, Problem) else _parsed(text)
    if isinstance(problem_or_data, Problem):
        raise error([_in_file(problem_or_data, file)])
    return Document(problem_or_data, file)


def _in_file(problem: Problem, file: str | None) -> Problem:
    return Problem(
        problem.code, problem.message, file=file, line=problem.line, column=problem.column
    )


def _text(path: Path) -> str | Problem:
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError):
        return Problem("unreadable_file", "no such file, or it cannot be read")
    if len(content) > _LARGEST_BYTES:
        return _too_large()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Problem("not_utf8", "this is not UTF-8 text")


def _too_large() -> Problem:
    return Problem("too_large", "larger than 1 MiB")


def _parsed(text: str) -> Mapping[str, object] | Problem:
    if len(text) > _LARGEST_BYTES or len(text.encode("utf-8", "replace")) > _LARGEST_BYTES:
        return _too_large()
    try:
        if text.lstrip().startswith("{"):
            return _json(text)
        return tomllib.loads(text)
    except json.JSONDecodeError as error:
        return Problem("syntax", error.msg, line=error.lineno, column=error.colno)
    except tomllib.TOMLDecodeError as error:
        return _toml_problem(str(error), text)
    except RecursionError:
        return Problem("syntax", "nested too deeply")
    except ValueError as error:
        return Problem("syntax", str(error))


def _json(text: str) -> Mapping[str, object]:
    data: dict[str, object] = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice in one object")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not allowed")


def _toml_problem(message: str, text: str) -> Problem:
    what, line, column = _TOML_PLACE.findall(message)[0]
    if line:
        return Problem("syntax", what, line=int(line), column=int(column))
    lines = text.split("\n")
    return Problem("syntax", what, line=len(lines), column=len(lines[-1]) + 1)


# What is wrong with the data

_MESSAGES = {
    "missing": ("missing_key", "this key is required"),
    "extra_forbidden": ("unknown_key", "no such key"),
    "literal_error": ("not_allowed", "not one of the words allowed here"),
    "model_type": ("wrong_type", "write a table"),
    "string_type": ("wrong_type", "write text, in quotes"),
    "int_type": ("wrong_type", "write a whole number"),
    "bool_type": ("wrong_type", "write true or false"),
    "tuple_type": ("wrong_type", "write a list"),
    "dict_type": ("wrong_type", "write a table"),
    "too_short": ("too_short", "write at least one"),
}


def problems_of(error: ValidationError, sections: Sections) -> list[Problem]:
    """Return all that a validation found, each with what may stand there where that is a list."""
    return [_problem(details, sections) for details in error.errors(include_url=False)]


def _problem(error: ErrorDetails, sections: Sections) -> Problem:
    kind, where = error["type"], error["loc"]
    code, message = _MESSAGES.get(kind, (kind, error["msg"]))
    allowed = _allowed(error, sections)
    unknown = kind == "extra_forbidden"
    wrong = where[-1] if unknown else error["input"]
    return Problem(
        code,
        message[:1].lower() + message[1:],
        path=".".join(map(str, where)),
        given=None if unknown or kind == "missing" else _shortened(error["input"]),
        allowed=", ".join(allowed) if kind == "literal_error" else None,
        suggestion=_nearest(wrong, allowed),
    )


def _allowed(error: ErrorDetails, sections: Sections) -> list[str]:
    kind, where = error["type"], error["loc"]
    if kind == "unknown_zone":
        return sorted(zoneinfo.available_timezones())
    if kind == "literal_error":
        return re.findall(r"\w+", str(error["ctx"]["expected"]).replace(" or ", ", "))
    model = sections.get(tuple(step for step in where[:-1] if isinstance(step, str)))
    if kind != "extra_forbidden" or model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _nearest(word: object, words: Iterable[str]) -> str | None:
    if not isinstance(word, str):
        return None
    return next(iter(difflib.get_close_matches(word, list(words), 1)), None)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
