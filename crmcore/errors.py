"""What callers catch: one root, and one class for each kind of refusal.

Messages never carry personal data: they name columns, row positions, reasons and counts.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from textwrap import wrap
from typing import Final

__all__ = [
    "MAX_PROBLEMS",
    "CrmcoreError",
    "DataError",
    "Lines",
    "MissingExtraError",
    "PolicyError",
    "Problem",
    "SourceError",
    "UnknownCustomerError",
]

_WIDTH: Final = 100
_ROOM: Final = _WIDTH - 9  # beside the number of the line and a mark of what is cut off
MAX_PROBLEMS: Final = 1_000
"""So many problems are told at most; all of very many would take long to find and to tell."""
_MAX_LISTED: Final = 20
_MAX_PATH: Final = 200
_MAX_SHOWN: Final = 600
_MAX_SOURCE: Final = 1_000


class CrmcoreError(Exception):
    """Root of every error that crmcore raises on purpose.

    Examples
    --------
    >>> import crmcore as crm
    >>> try:
    ...     crm.presets.load("clasic")
    ... except crm.CrmcoreError as error:
    ...     print(type(error).__name__)
    PolicyError
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a policy or source file.

    As text it has the line with a caret under what is meant, where that is known. Characters that
    could steer a terminal are escaped there; as data (`to_dict`) everything is as it was given.

    Parameters
    ----------
    code
        Stable identifier of the kind of mistake, such as ``"unknown_name"``.
    message
        One sentence: what is wrong and what to do.
    path
        Dotted path inside the document, such as ``"scores.recency_points.within.2"``.
    given, allowed, suggestion
        What stands there, what may stand there, and the nearest known name, where they apply.
    file, line, column, end_column
        Where the text stands, where that is known. Lines and columns (of characters) count from
        1; `end_column` is the first column after it, on the same line.
    source
        The line of text.
    span
        For what is wrong inside a text such as a condition: the positions in it (from 0) of the
        first character concerned and of the first after it.
    at_key
        Whether it is about the key at the end of the path, not about its value.

    Examples
    --------
    >>> print(Problem("unknown_name", "no such fact", path="grade.score", suggestion="score"))
    grade.score: no such fact (did you mean 'score'?) [unknown_name]
    >>> place = {"file": "shop.toml", "line": 7, "column": 9, "end_column": 16}
    >>> line = "score = 'scroe'"
    >>> print(Problem("unknown_name", "no such score", "grade.score", source=line, **place))
    shop.toml:7:9: grade.score: no such score [unknown_name]
        7 | score = 'scroe'
          |         ^^^^^^^
    """

    code: str
    message: str
    path: str = ""
    given: str | None = None
    allowed: str | None = None
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    end_column: int | None = None
    source: str | None = None
    span: tuple[int, int] | None = None
    at_key: bool = False

    def __str__(self) -> str:
        if self.source is None or self.line is None or self.column is None:
            return self._without_line()
        text, indent, marks = _excerpt(self.source, self.column, self.end_column)
        head = self._head(is_given_seen=self._is_given_seen())
        lines = [f"{head} [{self.code}]", f"{self.line:>5} | {text}".rstrip()]
        hint = f" did you mean '{_shown(self.suggestion)}'?" if self.suggestion else ""
        lines.append(f"{'':5} | {' ' * indent}{'^' * marks}{hint}")
        if self.allowed is not None:
            first, later = f"{'':5} = allowed: ", f"{'':5}   "
            lines += wrap(
                _shown(self.allowed), _WIDTH, initial_indent=first, subsequent_indent=later
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, for tools: every part by its name, None where it has none.

        A `source` of more than 1,000 characters is left out.

        Examples
        --------
        >>> found = Problem("unknown_key", "no such key", "windws", line=3).to_dict()
        >>> found["path"], found["line"], found["source"]
        ('windws', 3, None)
        """
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        source = self.source if len(self.source or "") <= _MAX_SOURCE else None
        return {**parts, "source": source, "span": list(self.span) if self.span else None}

    def _without_line(self) -> str:
        text = self._head(is_given_seen=False)
        if self.allowed is not None:
            text += f"; allowed: {_shown(self.allowed)}"
        if self.suggestion is not None:
            text += f" (did you mean '{_shown(self.suggestion)}'?)"
        return f"{text} [{self.code}]"

    def _head(self, *, is_given_seen: bool) -> str:
        parts = [self._where(), _shown(self.path, _MAX_PATH), _shown(self.message)]
        text = ": ".join(part for part in parts if part)
        if self.span is not None and self.source is None:
            text += f" (at character {self.span[0] + 1})"
        is_told = self.given is not None and not is_given_seen
        return f"{text}; given {_shown(self.given or '')}" if is_told else text

    def _where(self) -> str:
        if self.file is None:
            words = (("line", self.line), ("column", self.column))
            return ", ".join(f"{word} {at}" for word, at in words if at is not None)
        parts = (_shown(self.file), self.line, self.column)
        return ":".join(str(part) for part in parts if part is not None)

    def _is_given_seen(self) -> bool:
        """Whether what is marked in the line shows what was given."""
        marked = (self.source or "")[(self.column or 1) - 1 : (self.end_column or 1) - 1]
        return self.span is not None or (self.given or "").strip("'\"") in marked


class Lines:
    r"""The lines of a text, to say where in it a problem stands.

    Examples
    --------
    >>> print(Lines("a = 1\nb = 2").marked(Problem("wrong_type", "text is expected"), 10, 11))
    line 2, column 5: text is expected [wrong_type]
        2 | b = 2
          |     ^
    """

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self._lines)]

    def start(self, line: int) -> int:
        """Return the position of the first character of a line, both counted as in editors."""
        return self._starts[line - 1]

    def marked(self, problem: Problem, start: int, end: int) -> Problem:
        """Return a problem with the place of some characters, as far as one line goes."""
        line = bisect_right(self._starts, start)
        source = self._lines[line - 1].removesuffix("\r")
        column = start - self._starts[line - 1] + 1
        end_column = min(end - self._starts[line - 1], len(source)) + 1
        return replace(
            problem,
            line=line,
            column=column,
            end_column=max(end_column, column + 1),
            source=source,
        )


_MORE: Final = Problem("too_many", f"only the first {MAX_PROBLEMS:,} problems are told")


class PolicyError(CrmcoreError, ValueError):
    """A policy was refused; `problems` lists everything that is wrong with it.

    As text it tells the first 20 problems. Of more than 1,000 the first are told, and that there
    are more.

    Examples
    --------
    >>> error = PolicyError([Problem("unknown_key", "no such key", path="windws")])
    >>> print(error)
    1 problem in the policy
    windws: no such key [unknown_key]
    """

    subject = "policy"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = (*problems[:MAX_PROBLEMS], *([_MORE] if problems[MAX_PROBLEMS:] else []))
        super().__init__(self.problems)

    def __str__(self) -> str:
        more = "more than " if self.problems[MAX_PROBLEMS:] else ""
        count = len(self.problems) - bool(more)
        told = [str(problem) for problem in self.problems[:_MAX_LISTED]]
        if count > _MAX_LISTED:
            told.append(f"… and {more}{count - _MAX_LISTED:,} more")
        head = f"{more}{count:,} problem{'' if count == 1 else 's'} in the {self.subject}"
        return "\n".join([head, *told])


class SourceError(PolicyError):
    """A source file was refused; `problems` lists everything that is wrong with it.

    Examples
    --------
    >>> print(SourceError([Problem("unknown_key", "no such key", path="colums")]))
    1 problem in the source
    colums: no such key [unknown_key]
    """

    subject = "source"


class DataError(CrmcoreError, ValueError):
    """Data was refused as a whole: a column is missing, has the wrong type, or would overflow.

    Parameters
    ----------
    message
        What is wrong and what to do, without any value from the data.
    column
        The column concerned, by its standard name.
    count
        How many rows are concerned.
    positions
        Positions (from 0, in the order given) of the first rows concerned.

    Examples
    --------
    >>> print(DataError("times without a zone", column="placed_at", count=2, positions=[0, 4]))
    times without a zone (column 'placed_at'); rows: 2; first at: 0, 4
    """

    def __init__(
        self,
        message: str,
        *,
        column: str | None = None,
        count: int | None = None,
        positions: Sequence[int] = (),
    ) -> None:
        self.message = message
        self.column = column
        self.count = count
        self.positions = tuple(int(p) for p in positions)
        super().__init__(message)

    def __str__(self) -> str:
        text = self.message
        if self.column is not None:
            text += f" (column {self.column!r})"
        if self.count is not None:
            text += f"; rows: {self.count}"
        if self.positions:
            text += f"; first at: {', '.join(map(str, self.positions))}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions take their other attributes from the state on their own.
        state = {"column": self.column, "count": self.count, "positions": self.positions}
        return (type(self), (self.message,), state)


class UnknownCustomerError(CrmcoreError, KeyError):
    """The customer asked for is in neither table. The id itself is not repeated.

    Examples
    --------
    >>> print(UnknownCustomerError())
    no such customer in the orders or the customers
    """

    def __init__(self, message: str = "no such customer in the orders or the customers") -> None:
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0])


class MissingExtraError(CrmcoreError, ImportError):
    """An optional package is needed for what was asked.

    Examples
    --------
    >>> print(MissingExtraError("pyarrow", extra="frames"))
    this needs the package 'pyarrow': pip install 'crmcore[frames]'
    >>> print(MissingExtraError("polars"))  # belongs to no extra
    this needs the package 'polars': pip install 'polars'
    """

    def __init__(self, package: str, *, extra: str | None = None) -> None:
        self.package = package
        self.extra = extra
        what = package if extra is None else f"crmcore[{extra}]"
        super().__init__(f"this needs the package {package!r}: pip install {what!r}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_missing_extra, (self.package, self.extra))


def _missing_extra(package: str, extra: str | None) -> MissingExtraError:
    return MissingExtraError(package, extra=extra)


def spelled(letter: str) -> str:
    r"""Return a character by its escape and its name, for letters that look like others.

    Examples
    --------
    >>> print(spelled("\u0441"))
    \u0441, CYRILLIC SMALL LETTER ES
    """
    code = ord(letter)
    escape = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return f"{escape}, {unicodedata.name(letter, 'a character without a name')}"


def _shown(text: str, most: int = _MAX_SHOWN) -> str:
    """Return a text for people: shortened, and with nothing in it that steers a terminal."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(map(_letter, cut))


def _letter(letter: str) -> str:
    """Return how a character is shown: control and bidirectional ones by their escape."""
    return letter if letter.isprintable() else repr(letter)[1:-1]


def _cell(letter: str) -> tuple[str, int]:
    """Return how a character of a line is shown, and how many columns that takes."""
    if letter == "\t":
        return " " * 4, 4
    if unicodedata.category(letter) in ("Mn", "Me"):
        return letter, 0
    shown = _letter(letter)
    return shown, 2 if unicodedata.east_asian_width(letter) in "WF" else len(shown)


def _excerpt(source: str, column: int, end_column: int | None) -> tuple[str, int, int]:
    """Return what is shown of a line, the columns before what is marked, and how many are marked.

    Of a long line a part is shown, with what is marked beginning in its first third.
    """
    start = min(column - 1, len(source))
    fits = len(source) <= _ROOM and sum(_cell(one)[1] for one in source) <= _ROOM
    first = 0 if fits else start
    room = _ROOM // 3
    while first and (room := room - _cell(source[first - 1])[1]) >= 0:
        first -= 1
    text = "…" if first else ""
    places = [len(text)]  # the column of each character shown, and of the end
    for letter in source[first : first + _ROOM]:
        shown, width = _cell(letter)
        if places[-1] + width > _ROOM:
            break
        text += shown
        places.append(places[-1] + width)
    if first + len(places) <= len(source):
        text += "…"
    indent = places[start - first]
    end = min(max(end_column or 0, column) - 1 - first, len(places) - 1)
    return text, indent, max(1, places[end] - indent)
