"""Where in a TOML or JSON text each key and each value stands.

The text was accepted by the standard parser; here it is only walked through once more. Where the
walk loses track there are no spans at all, rather than wrong ones.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import Final, TypeAlias

__all__ = ["Node", "Span", "letter_spans", "locate"]

Span: TypeAlias = tuple[int, int]
"""Position of the first character (from 0) and of the first after the last."""

_SPACE: Final = r"(?:[ \t\r\n]++|#[^\n]*+)*+"
_BLANK: Final = re.compile(_SPACE)
_AFTER: Final = re.compile(rf"{_SPACE}(,)?{_SPACE}([\]}}])?")
_STRING: Final = (
    r'"""(?:[^"\\]++|\\[\s\S]|""?(?!"))*+"{3,5}|'
    r"'''(?:[^']++|''?(?!'))*+'{3,5}|"
    r'"(?:[^"\\\n]++|\\.)*+"|'
    r"'[^'\n]*+'"
)
_VALUE: Final = re.compile(
    rf"([\[{{])|{_STRING}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9][^\s,\]}}#]*+|[^\s,\[\]{{}}#=]++"
)
_KEY: Final = re.compile(rf"{_STRING}|[A-Za-z0-9_-]++")
_LETTER: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\x[0-9a-fA-F]{2}"
    r"|(?P<nothing>\\[ \t\r]*+\n\s*+)|\\.|\r\n|[\s\S]"
)
_PLAIN_LETTER: Final = re.compile(r"\r\n|[\s\S]")


@dataclass(slots=True)
class Node:
    """One table, list or single value, with what is inside.

    Parameters
    ----------
    key
        Where its name stands; none for the root and for entries of lists.
    value
        Where it stands itself; of a table with a header, the header. None where there is no one
        such place.
    inside
        The nodes of its keys, or of its positions as text.
    is_list
        Whether it is a list.
    has_dots
        Whether a key of it has a dot in it.
    """

    key: Span | None = None
    value: Span | None = None
    inside: dict[str, Node] = field(default_factory=dict)
    is_list: bool = False
    has_dots: bool = False

    def enter(self, name: str, key: Span | None) -> Node:
        """Return the node of that name, which is added where there is none."""
        node = self.inside.get(name)
        if node is None:
            node = self.add(name, key)
        return node

    def add(self, name: str, key: Span | None) -> Node:
        """Return a new node of that name; of a name that stands twice, the last counts."""
        node = self.inside[name] = Node(key)
        self.has_dots = self.has_dots or "." in name
        return node

    def append(self) -> Node:
        """Return a new node at the end of a list."""
        self.is_list = True
        return self.add(str(len(self.inside)), None)

    def last(self) -> Node:
        """Return the node that a header with this one's name goes on in."""
        return self.inside.get(str(len(self.inside) - 1), self) if self.is_list else self


def locate(text: str, *, is_json: bool) -> Node | None:
    r"""Return the root of what a text holds, with the place of everything; none if it gets lost.

    Parameters
    ----------
    text
        As the standard parser accepted it.
    is_json
        Whether it is JSON; else it is TOML.

    Examples
    --------
    >>> text = "zone = 'UTC'\n[scores.a]\nfact = 'b'"
    >>> root = locate(text, is_json=False)
    >>> start, end = root.inside["scores"].inside["a"].inside["fact"].value
    >>> text[start:end]
    "'b'"
    """
    walk = _Walk(text)
    try:
        if is_json:
            walk.blank()
            walk.value(walk.root, ":")
        else:
            walk.statements()
    except _LostError:
        return None
    return None if walk.blank() else walk.root


def letter_spans(literal: str) -> list[Span]:
    r"""Return where in a string's literal each character of its value stands, and the quote after.

    Examples
    --------
    >>> letter_spans(r'"a\tb"')
    [(1, 2), (2, 4), (4, 5), (5, 6)]
    """
    quotes = 3 if literal.startswith(('"""', "'''")) and len(literal) >= 6 else 1
    start, end = quotes, len(literal) - quotes
    if quotes == 3:
        start += len(literal[3:5]) if literal.startswith("\r\n", 3) else literal[3] == "\n"
    letter = _LETTER if literal[0] == '"' else _PLAIN_LETTER
    found = letter.finditer(literal, start, end)
    spans = [one.span() for one in found if not one.groupdict().get("nothing")]
    return [*spans, (end, end + 1)]


class _LostError(Exception):
    """The text is not as expected."""


class _Walk:
    """Goes through a text from its beginning to its end, once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.root = Node()

    def statements(self) -> None:
        """Walk through the lines of a TOML text."""
        table = self.root
        while self.blank():
            if self._is_next("["):
                table = self._header()
            else:
                self.value(self._assigned(table, "="), "=")

    def value(self, node: Node, assigns: str) -> None:
        """Walk through one value and whatever is inside of it."""
        outer: list[tuple[Node, int]] = []
        while True:
            start = self.at
            is_open = self._take(_VALUE).lastindex is not None
            if is_open:
                node.is_list = self.text[start] == "["
                outer.append((node, start))
            else:
                node.value = start, self.at
            while outer and self._is_closed(outer[-1][0], is_first=is_open):
                node, start = outer.pop()
                node.value = start, self.at
                is_open = False
            if not outer:
                return
            node = outer[-1][0]
            node = node.append() if node.is_list else self._assigned(node, assigns)

    def blank(self) -> bool:
        """Pass over white space and comments; return whether anything follows."""
        self._take(_BLANK)
        return self.at < len(self.text)

    def _is_closed(self, node: Node, *, is_first: bool) -> bool:
        """Pass over the bracket that closes a list or table, or to its next entry."""
        comma, bracket = self._take(_AFTER).groups()
        if bracket is None and (comma is None) is is_first:
            return False
        if bracket != ("]" if node.is_list else "}"):
            raise _LostError
        return True

    def _header(self) -> Node:
        start = self.at
        ends = "]]" if self.text.startswith("[[", start) else "]"
        self.at += len(ends)
        *outer, (name, key) = self._keys(ends)
        node = self.root
        for part, its_key in outer:
            node = node.enter(part, its_key).last()
        node = node.enter(name, key)
        if ends == "]]":
            node.value = node.value or (start, self.at)
            node = node.append()
        node.key, node.value = key, (start, self.at)
        return node

    def _assigned(self, table: Node, assigns: str) -> Node:
        """Pass over a key and its sign; return the node of its value."""
        *outer, (name, key) = self._keys(assigns)
        for part, its_key in outer:
            table = table.enter(part, its_key)
        self.blank()
        return table.add(name, key)

    def _keys(self, ends: str) -> list[tuple[str, Span]]:
        found = []
        while True:
            self.blank()
            start = self.at
            name = _name(self._take(_KEY)[0])
            found.append((name, (start, self.at)))
            self.blank()
            if not self._is_next("."):
                self._expect(ends)
                return found
            self.at += 1

    def _is_next(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def _expect(self, mark: str) -> None:
        if not self._is_next(mark):
            raise _LostError
        self.at += len(mark)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _LostError
        self.at = found.end()
        return found


def _name(literal: str) -> str:
    """Return what a key says."""
    if literal[0] not in "\"'":
        return literal
    if literal[0] == "'" or "\\" not in literal:
        return literal[1:-1]
    try:
        return str(json.loads(literal))
    except ValueError:
        pass  # TOML has a few more ways to write a character
    try:
        return str(tomllib.loads(f"name = {literal}")["name"])
    except ValueError:
        raise _LostError from None
