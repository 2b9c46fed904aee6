"""Text to tokens, and what to write instead of characters that have no meaning."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple, NoReturn

from crmcore.conditions.language import tree
from crmcore.errors import CrmcoreError, spelled

__all__ = ["COMPARISONS", "MAX_TEXT", "ConditionSyntaxError", "Token", "tokens_of"]

MAX_TEXT: Final = 4_000
COMPARISONS: Final = frozenset(["==", "!=", "<", "<=", ">", ">="])

_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\n]+)
    | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_.])
    | (?P<text>"(?:[^"\\\x00-\x1f\x7f]|\\.)*")
    | (?P<tag>tag:(?=[a-z0-9_]*[A-Z])[A-Za-z0-9_]+)
    | (?P<name>{tree.NAME_PATTERN})(?![A-Za-z0-9_])
    | (?P<wrong>===|<>|=>|=<|\*\*|//|&&|\|\||[=/%^&|!;{{}}'](?!=))
    | (?P<sign>==|!=|<=|>=|[-<>()\[\],+*:])
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE,
)
# These change the order in which text is shown, so that it reads as something else.
_TURNS: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TURNED: Final = "this character turns the direction of writing: inside quotes write it as {}"
_INSTEAD: Final = {
    "=": "one '=' compares nothing: write '=='",
    "===": "write '=='",
    "<>": "write '!='",
    "=>": "write '>='",
    "=<": "write '<='",
    "&&": "write 'and'",
    "&": "write 'and'",
    "||": "write 'or'",
    "|": "write 'or'",
    "!": "write 'not', or '!='",
    "/": "there is no sign for division: write divide(x, y, z), z being the value where y is 0",
    "//": "there is no sign for division: write divide(x, y, z), z being the value where y is 0",
    "%": "there is no remainder and no percent sign: write 5 % as 0.05",
    "**": "there are no powers: write x * x",
    "^": "there are no powers: write x * x",
    "'": 'text stands in double quotes: "gold"',
    ";": "a condition is a single line of 'and' and 'or'; parts of a list stand with ','",
    "{": "a list stands in square brackets: in [1, 2]",
    "}": "a list stands in square brackets: in [1, 2]",
    "≥": "write '>='",
    "≤": "write '<='",
    "≠": "write '!='",
    "−": "this is a minus sign that only looks like '-': write '-'",
    "×": "write '*'",
    "÷": "there is no sign for division: write divide(x, y, z), z being the value where y is 0",
    "“": 'text stands in straight double quotes: "gold"',
    "”": 'text stands in straight double quotes: "gold"',
    "‘": 'text stands in straight double quotes: "gold"',
    "’": 'text stands in straight double quotes: "gold"',
    '"': "this text has no end, or holds a bare control character",
}
_MISSING: Final = "a missing value is asked for with 'is known' and 'is unknown'"
_NULLS: Final = frozenset(["null", "none", "nil", "nan", "na"])


class ConditionSyntaxError(CrmcoreError, ValueError):
    """A condition's text cannot be read.

    Parameters
    ----------
    message
        What is wrong and what to write.
    position
        Where: characters before it, counted from 0.
    end
        The characters before the end of what is wrong.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> try:
    ...     parse("sale_count = 3")
    ... except ConditionSyntaxError as error:
    ...     print(error)
    one '=' compares nothing: write '==' (at 11)
    """

    def __init__(self, message: str, position: int, end: int) -> None:
        super().__init__(message, position, end)
        self.message = message
        self.position = position
        self.end = end

    def __str__(self) -> str:
        return f"{self.message} (at {self.position})"


class Token(NamedTuple):
    """A word, number, text or sign: `kind` is ``name``, ``number``, ``text``, ``end`` or itself."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The characters before the end of it."""
        return self.start + len(self.text)


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of a text and one for its end, or refuse what has no meaning."""
    if len(text) > MAX_TEXT:
        message = f"a condition has at most {MAX_TEXT} characters"
        raise ConditionSyntaxError(message, MAX_TEXT, len(text))
    turned = _TURNS.search(text)
    if turned is not None:
        message = _TURNED.format(f"\\u{ord(turned[0]):04x}")
        raise ConditionSyntaxError(message, *turned.span())
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup in ("wrong", "word", "tag"):
            _refuse(text[position], match, position)
        if match.lastgroup != "space":
            kind = match.lastgroup or ""
            if kind == "sign" or match[0] in tree.KEYWORDS:
                kind = match[0]
            tokens.append(Token(kind, match[0], position))
        position = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens


def _refuse(character: str, match: re.Match[str] | None, position: int) -> NoReturn:
    if match is not None:
        hint = _INSTEAD.get(match[0]) or _of_word(match[0])
        raise ConditionSyntaxError(hint, position, match.end())
    raise ConditionSyntaxError(_of_character(character), position, position + 1)


def _of_word(word: str) -> str:
    lower = word.lower()
    if ":" in word:
        return f"tags are written in lower case: {lower!r}"
    if lower in _NULLS:
        return _MISSING
    if lower in tree.KEYWORDS:
        return f"keywords are written in lower case: {lower!r}"
    return "names are lower-case letters, digits and '_'"


def _of_character(character: str) -> str:
    if character in _INSTEAD:
        return _INSTEAD[character]
    if character.isdecimal() and character.isascii():
        return "a number is written like 12, 300.00 or -5"
    if character.isascii():
        return "this character has no meaning here"
    plain = unicodedata.normalize("NFKC", character)
    this = f"this is {spelled(character)}"
    if len(plain) == 1 and plain.isascii():
        return f"{this}, no ASCII character: write {plain!r}"
    return f"{this}: only text in quotes may hold other than ASCII characters"
