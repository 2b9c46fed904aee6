"""Where the problems of a document stand: file, line and column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import Final

from crmcore.documents.kinds import upwards
from crmcore.documents.spans import Node, Span, letter_spans, locate
from crmcore.documents.texts import Text
from crmcore.errors import MAX_PROBLEMS, Lines, Problem

__all__ = ["placed"]

# What these say is about a name, not about what it is given.
_OF_KEYS: Final = frozenset(
    ["unknown_key", "duplicate_key", "reserved_name", "duplicate_name", "cycle"]
)


def placed(problems: Iterable[Problem], texts: Sequence[Text]) -> list[Problem]:
    r"""Return the problems with file, line and column, ordered by them.

    Parameters
    ----------
    problems
        What is wrong, of which no more are looked at than are told. Where a file or line is told
        already, it stays.
    texts
        What was read, the text that is looked at first in front: a place is that of the first
        text which has the path, or, where none has, the path of a table around it.

    Examples
    --------
    >>> text = Text({}, "zone = 'UTC'\n[scores.a]\nfact = 'b'")
    >>> print(*placed([Problem("unknown_name", "no such fact", "scores.a.fact", "b")], [text]))
    line 3, column 8: scores.a.fact: no such fact [unknown_name]
        3 | fact = 'b'
          |        ^^^
    """
    problems = list(islice(problems, MAX_PROBLEMS + 1))
    if not any(text.text or text.name for text in texts):
        return problems  # a mapping has no places
    known = [_Places(text) for text in texts]
    found = [one if one.line or one.file else _placed(one, known) for one in problems]
    order = {text.name: at for at, text in reversed(list(enumerate(texts)))}
    return sorted(
        found,
        key=lambda one: (order.get(one.file, len(texts)), one.line or 0, one.column or 0),
    )


def _placed(problem: Problem, known: Sequence[_Places]) -> Problem:
    for path in upwards(problem.path):
        for places in known:
            found = places.placed(problem, path)
            if found is not None:
                return found
    name = known[0].text.name if known else None
    return problem if name is None else replace(problem, file=name)


class _Places:
    """The places in one text, which is walked through when the first is asked for."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self._letters: tuple[Span, list[Span]] = ((0, 0), [])

    @cached_property
    def _root(self) -> Node | None:
        return locate(self.text.text, is_json=self.text.is_json) if self.text.text else None

    @cached_property
    def _lines(self) -> Lines:
        return Lines(self.text.text)

    def placed(self, problem: Problem, path: str) -> Problem | None:
        """Return a problem with the place of a path, if the text has that path."""
        node = self._root and _node(self._root, path.split("."))
        span = None if node is None else _meant(node, problem)
        if span is None:
            return None
        if problem.span is not None and path == problem.path:
            span = self._within(span, problem.span)
        return replace(self._lines.marked(problem, *span), file=self.text.name)

    def _within(self, literal: Span, inner: Span) -> Span:
        """Return where some characters of a text stand."""
        start, end = literal
        written = self.text.text[start:end]
        if written[:1] not in ("'", '"'):
            return literal
        if self._letters[0] != literal:
            self._letters = literal, letter_spans(written)
        spans = self._letters[1]
        first = spans[min(inner[0], len(spans) - 1)][0]
        last = spans[min(max(inner[1] - 1, inner[0]), len(spans) - 1)][1]
        return start + first, start + last


def _meant(node: Node, problem: Problem) -> Span | None:
    """Return the place of a node's name or of its value, whichever a problem speaks of."""
    if node.key is None or node.value is None:
        return node.key or node.value
    if problem.code == "missing_key":
        has_header = node.value[0] <= node.key[0] < node.value[1]
        return node.key if has_header else node.value
    of_key = problem.at_key or (problem.given is None and problem.code in _OF_KEYS)
    return node.key if of_key else node.value


def _node(root: Node | None, parts: Sequence[str]) -> Node | None:
    """Return the only node with a dotted path; a key may have dots of its own."""
    reached = {0: [] if root is None else [root]}
    for start in range(len(parts)):
        for node in reached.get(start, ()):
            longest = len(parts) if node.has_dots else start + 1
            for end in range(start + 1, longest + 1):
                inner = node.inside.get(".".join(parts[start:end]))
                if inner is not None:
                    reached.setdefault(end, []).append(inner)
    found = reached.get(len(parts), [])
    return found[0] if len(found) == 1 else None
