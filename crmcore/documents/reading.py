"""From a file, a text or a mapping to plain tables and lists, within limits.

TOML and JSON are read by their own parsers; what is refused here is what they let through:
keys given twice, NaN, and anything so large that looking at it would cost time or memory.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NoReturn

from crmcore.documents.kinds import DocumentKind
from crmcore.documents.places import placed
from crmcore.documents.texts import NOTHING, Plain, Size, Table, Text
from crmcore.errors import Lines, Problem

__all__ = ["is_text", "read", "read_file", "read_text"]

MAX_BYTES: Final = 1 << 20
MAX_LINES: Final = 10_000
MAX_DEPTH: Final = 50
MAX_NODES: Final = 20_000
MAX_SIGNS: Final = 30_000  # what parts values, counted before they are read
MAX_ENTRIES: Final = 1_000
MAX_STRING: Final = 10_000
MAX_KEY: Final = 200
MAX_TEXT: Final = 160_000
MAX_DIGITS: Final = 400
MAX_KEY_PARTS: Final = 8
MAX_PROBLEMS: Final = 100
_INT64: Final = range(-(2**63), 2**63)
_BYTE_ORDER_MARK: Final = "\ufeff"

# Possessive, and what has no end goes on to the end: one pass, whatever the text.
_LITERAL: Final = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|""?(?!"))*+(?:"{3,5})?|'
    r"'''(?:[^']++|''?(?!'))*+(?:'{3,5})?|"
    r'"(?:[^"\\\n]++|\\.)*+"?|'
    r"'[^'\n]*+'?|"
    r"#[^\n]*+"
)
_STAND_IN: Final = '"'
_PART: Final = rf"(?:[A-Za-z0-9_-]++|{_STAND_IN})"
_LONG_KEY: Final = re.compile(
    rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MAX_KEY_PARTS}}}"
)
_LONG_NUMBER: Final = re.compile(rf"(?<![0-9A-Za-z_.])[0-9][0-9A-Za-z_.]{{{MAX_DIGITS}}}")
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def is_text(source: str) -> bool:
    """Whether it is a document itself rather than the name of one.

    It is when it has a line break or an equals sign, starts with a brace, or says nothing.

    Examples
    --------
    >>> is_text('zone = "UTC"'), is_text('{"zone": "UTC"}'), is_text("shop.toml")
    (True, True, False)
    """
    return "\n" in source or "=" in source or _begins(source) in ("{", "")


def read(
    source: str | Path | Mapping[str, object], kind: DocumentKind, *, collect: bool = False
) -> Text:
    r"""Read a mapping, a file, or a text, told from the name of a file by `is_text`.

    Parameters
    ----------
    source
        What to read.
    kind
        The kind of document that it is to be.
    collect
        Whether the caller looks at `Text.problems`, so as to tell them with others that it finds.

    Raises
    ------
    PolicyError
        Of the kind's own class: it cannot be read, or holds more than may be; or, unless they are
        collected, single values are wrong for any document.

    Examples
    --------
    >>> read("[window]\nspan = 1.50", DocumentKind("policy")).table
    {'window': {'span': Decimal('1.50')}}
    """
    if isinstance(source, Mapping):
        return _finished(Text({}), source, kind, collect)
    if isinstance(source, str) and is_text(source):
        return read_text(source, kind, collect=collect)
    return read_file(Path(source), kind, collect=collect)


def read_file(
    path: Path, kind: DocumentKind, *, collect: bool = False, before: Size = NOTHING
) -> Text:
    """Read a ``.toml`` or ``.json`` file; see `read_text`."""
    refuse = _Refusing(kind, Text({}, name=str(path)))
    if path.suffix not in (".toml", ".json"):
        refuse("unknown_format", f"a {kind.word} is a .toml or a .json file")
    try:
        if path.exists() and not path.is_file():
            refuse("unreadable", "cannot be read: no ordinary file")  # a pipe could wait for ever
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as reason:  # a name with a zero byte is a ValueError
        why = reason.strerror if isinstance(reason, OSError) else None
        refuse("unreadable", f"cannot be read: {why or 'no file can have this name'}")
    if len(content) > MAX_BYTES:
        refuse("too_large", f"a file has at most {MAX_BYTES:,} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as reason:
        at = len(content[: reason.start].decode().removeprefix(_BYTE_ORDER_MARK))
        text = content.decode(errors="replace").removeprefix(_BYTE_ORDER_MARK)
        shown = replace(refuse.text, text=text)
        _Refusing(kind, shown)("not_utf8", "the file is not UTF-8 text", at)
    return read_text(text, kind, file=path, collect=collect, before=before)


def read_text(
    text: str,
    kind: DocumentKind,
    *,
    file: Path | None = None,
    name: str | None = None,
    collect: bool = False,
    before: Size = NOTHING,
) -> Text:
    """Read TOML, or JSON where the text starts with a brace or the file says so; see `read`.

    Messages call it by its file or its name. The limits hold for it together with what was read
    `before` of the same document.
    """
    is_json = file.suffix == ".json" if file else _begins(text) == "{"
    text = text.removeprefix(_BYTE_ORDER_MARK)
    found = Text({}, text, file, str(file) if file else name, is_json, size=before)
    refuse = _Refusing(kind, found)
    length = len(text) if len(text) > MAX_BYTES else len(text.encode(errors="replace"))
    if before.length + length > MAX_BYTES:
        refuse("too_large", f"a text has at most {MAX_BYTES:,} bytes")
    bare, parting = _LITERAL.sub(_STAND_IN, text), ",:[{" if is_json else ",=.[{"
    signs = before.signs + sum(map(bare.count, parting))
    if signs > MAX_SIGNS:
        outside = f"a {kind.word} has at most {MAX_SIGNS:,} of the signs {' '.join(parting)}"
        refuse("too_large", f"{outside} outside texts and comments")
    if not is_json:
        _check_toml(text, bare, refuse)
    try:
        given = _json(text) if is_json else tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        refuse("too_deep", f"tables and lists nest at most {MAX_DEPTH} deep")
    except tomllib.TOMLDecodeError as reason:
        _refuse_toml(str(reason), text, refuse)
    except json.JSONDecodeError as reason:
        refuse("json_syntax", reason.msg, reason.pos)
    except (ValueError, InvalidOperation):
        refuse("out_of_range", "a number or a date is too large to be read")
    found = replace(found, size=replace(before, length=before.length + length, signs=signs))
    return _finished(found, given, kind, collect)


def _begins(text: str) -> str:
    return text.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1]


def _finished(text: Text, given: object, kind: DocumentKind, collect: bool) -> Text:
    """Return a text with a copy in plain dicts and lists, numbers exact, all within limits."""
    if not isinstance(given, Mapping):
        _Refusing(kind, text)("wrong_type", f"a {kind.word} is a table at the top")
    copier = _Copier(kind.word, text.size)
    table = copier.table(given)
    problems = placed(copier.problems, [text])
    if problems and (copier.is_beyond or not collect):
        raise kind.error(problems)
    size = replace(text.size, values=copier.nodes, letters=copier.letters)
    return replace(text, table=table, problems=tuple(problems), size=size)


@dataclass(frozen=True, slots=True)
class _Refusing:
    """Raises the error of a kind of document, with one problem of a text."""

    kind: DocumentKind
    text: Text

    def __call__(self, code: str, message: str, at: int | None = None) -> NoReturn:
        problem = Problem(code, message, file=self.text.name)
        if at is not None:
            problem = Lines(self.text.text).marked(problem, at, at + 1)
        raise self.kind.error([problem]) from None


class _Copier:
    """Copies level by level, so that nothing overflows the stack."""

    def __init__(self, word: str, before: Size) -> None:
        self.word = word
        self.problems: list[Problem] = []
        self.is_beyond = False  # beyond a limit: then the rest is not looked at
        self.nodes = before.values
        self.letters = before.letters

    def table(self, given: Mapping[object, object]) -> Table:
        return self._table(given, "", 1)

    def _value(self, given: object, path: str, depth: int) -> Plain:
        self.nodes += 1
        if self.nodes > MAX_NODES or len(self.problems) > MAX_PROBLEMS:
            if self.nodes == MAX_NODES + 1:
                self._beyond("too_large", f"a {self.word} has at most {MAX_NODES:,} values", path)
            self.is_beyond = True
            return ""
        if isinstance(given, Mapping):
            return self._table(given, path, depth + 1)
        if isinstance(given, (list, tuple)):
            return self._list(given, path, depth + 1)
        return self._single(given, path)

    def _table(self, given: Mapping[object, object], path: str, depth: int) -> Table:
        table: Table = {}
        if self._is_too_much(given, path, depth):
            return table
        for key, value in given.items():
            if not isinstance(key, str) or len(key) > MAX_KEY or _has_half_surrogates(key):
                message = f"keys are text of at most {MAX_KEY} characters"
                self._problem("wrong_type", message, path)
                continue
            place = f"{path}.{key}" if path else str(key)
            if isinstance(key, _Twice):
                self._problem("duplicate_key", "this key stands twice in one table", place)
            table[str(key)] = self._value(value, place, depth)
        return table

    def _list(self, given: list[object] | tuple[object, ...], path: str, depth: int) -> Plain:
        if self._is_too_much(given, path, depth):
            return []
        return [self._value(value, f"{path}.{at}", depth) for at, value in enumerate(given)]

    def _is_too_much(
        self,
        given: Mapping[object, object] | list[object] | tuple[object, ...],
        path: str,
        depth: int,
    ) -> bool:
        if depth > MAX_DEPTH:
            self._beyond("too_deep", f"tables and lists nest at most {MAX_DEPTH} deep", path[:200])
        elif len(given) > MAX_ENTRIES:
            message = f"a list or table has at most {MAX_ENTRIES:,} entries"
            self._beyond("too_large", message, path, given=str(len(given)))
        else:
            return False
        return True

    def _single(self, given: object, path: str) -> Plain:
        match given:
            case bool():
                return given
            case str():
                return self._text(given, path)
            case int():
                if given in _INT64:
                    return int(given)
                self._problem("out_of_range", "no 64-bit integer is so far from zero", path)
            case float() | Decimal():
                return self._decimal(given, path)
            case datetime():
                message = f"a {self.word} holds dates, but no times of day"
                self._problem("wrong_type", message, path)
            case date():
                return given
            case None:
                self._problem("wrong_type", "leave out a key instead of giving it no value", path)
            case _:
                held = "tables, lists, text, numbers, dates, true and false"
                message = f"a {self.word} holds {held}"
                self._problem("wrong_type", message, path, given=type(given).__name__)
        return ""

    def _text(self, given: str, path: str) -> str:
        self.letters += len(given)
        if self.letters > MAX_TEXT >= self.letters - len(given):
            message = f"a {self.word} has at most {MAX_TEXT:,} characters of text"
            self._beyond("too_large", message, path)
        if len(given) > MAX_STRING:
            message = f"a text has at most {MAX_STRING:,} characters"
            self._beyond("too_large", message, path, given=str(len(given)))
        elif _has_half_surrogates(given):
            self._problem("not_utf8", "half of a surrogate pair is not text", path)
        else:
            return str(given)
        return ""

    def _decimal(self, given: float | Decimal, path: str) -> Plain:
        # A float's shortest spelling is what was written.
        value = Decimal(repr(float(given))) if isinstance(given, float) else given
        if not value.is_finite():
            self._problem("not_finite", "NaN and infinity are no numbers here", path)
            return ""
        return value

    def _beyond(self, code: str, message: str, path: str, given: str | None = None) -> None:
        self.is_beyond = True
        self._problem(code, message, path, given)

    def _problem(self, code: str, message: str, path: str, given: str | None = None) -> None:
        self.problems.append(Problem(code, message, path, given=given))


def _has_half_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)


class _Twice(str):
    """A key that stands twice in one table of a JSON text."""

    __slots__ = ()


def _json(text: str) -> object:
    return json.loads(
        text,
        parse_float=Decimal,
        parse_constant=Decimal,
        object_pairs_hook=_pairs,
    )


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table: dict[str, object] = {}
    for key, value in pairs:
        if key in table:
            del table[key]
            key = _Twice(key)
        table[key] = value
    return table


def _check_toml(text: str, bare: str, refuse: _Refusing) -> None:
    """Refuse a text that takes long to read, before it is read; `bare`: without its literals."""
    if text.count("\n") > MAX_LINES:
        refuse("too_large", f"a text has at most {MAX_LINES:,} lines")
    if _LONG_NUMBER.search(bare):
        refuse("out_of_range", f"a number has at most {MAX_DIGITS} digits")
    # Reading a key takes time that grows with the square of its parts.
    long_key = _LONG_KEY.search(bare)
    if long_key:
        at = long_key.start()
        for literal in _LITERAL.finditer(text):
            if literal.start() >= at:
                break
            at += len(literal[0]) - len(_STAND_IN)
        refuse("too_deep", f"a key has at most {MAX_KEY_PARTS} parts", at)


def _refuse_toml(message: str, text: str, refuse: _Refusing) -> NoReturn:
    place = _PLACE.search(message)
    message = _PLACE.sub("", message)
    at = len(text)
    if place and place[1]:
        at = Lines(text).start(int(place[1])) + int(place[2]) - 1
    twice = message.startswith(("Cannot overwrite", "Cannot declare", "Duplicate"))
    refuse("duplicate_key" if twice else "toml_syntax", message, at)
