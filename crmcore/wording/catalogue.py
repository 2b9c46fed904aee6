"""Catalogues: a template for each message, in each language, checked when they are loaded.

A template is text with named places, such as ``{value}``; two braces stand for one. A place is
only ever filled with text: a template cannot look into what it is given.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, TypeAlias

from crmcore.documents import DocumentKind, placed, pointing, read, untold, written
from crmcore.errors import PolicyError, Problem
from crmcore.suggestions import Suggestions
from crmcore.wording.message import Label, Message, Money, Parameter, exact_text

__all__ = ["LANGUAGES", "Catalogue", "Labels", "WordingError", "load_catalogue", "places"]

Templates: TypeAlias = Mapping[str, str]
Labels: TypeAlias = Callable[[str, str], str]
"""Returns the wording of an identifier in a language, or the identifier itself."""

LANGUAGES: Final = ("en", "zh-CN")
"""The languages that come with the package."""

_PLACE: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[{}]")
_NAMES: Final = ("names.", "customer_names.")


class WordingError(PolicyError):
    """A catalogue was refused; `problems` lists everything that is wrong with it."""

    subject = "catalogue"


_CATALOGUE: Final = DocumentKind("catalogue", WordingError)


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """A host's own wording, before that of the package. Make one with `load_catalogue`.

    Parameters
    ----------
    templates
        By language, then by key.

    Examples
    --------
    >>> message = Message("staff.result", {"name": Label("grade"), "value": Label("gold")})
    >>> print(Catalogue().text(message, "zh-CN"))
      等级：gold
    >>> own = load_catalogue({"de": {"staff": {"result": "{name} ist {value}"}}})
    >>> own.text(message, "de-AT")
    'grade ist gold'
    """

    templates: Mapping[str, Templates] | None = None

    def text(self, message: Message, language: str = "en", labels: Labels | None = None) -> str:
        """Return a message in a language.

        Parameters
        ----------
        message
            What to say.
        language
            Where it has no wording, a wider one (``de`` for ``de-AT``) or English serves.
        labels
            Wording of identifiers in a language, or the identifier itself; as `Policy.label`.

        Raises
        ------
        KeyError
            No catalogue knows the key.
        """
        template = self._template(message.key, language)
        customer = message.key.startswith("customer.")
        words = _Words(self, language, labels, customer)
        return _filled(template, {n: words.shown(v) for n, v in message.parameters.items()})

    def shown(self, value: Parameter, language: str = "en", labels: Labels | None = None) -> str:
        """Return a parameter as it stands in a message.

        Examples
        --------
        >>> Catalogue().shown(Money(Decimal(300), "CNY", 2))
        'CNY 300.00'
        """
        return _Words(self, language, labels, customer=False).shown(value)

    def name(
        self,
        identifier: str,
        language: str,
        labels: Labels | None = None,
        *,
        customer: bool = False,
    ) -> str:
        """Return the wording of an identifier: the policy's, else a catalogue's, else itself."""
        for one in _chain(language):
            if customer:
                found = self._find(f"customer_names.{identifier}", one)
                if found is not None:
                    return found
            worded = identifier if labels is None else labels(identifier, one)
            if worded != identifier:
                return worded
            found = self._find(f"names.{identifier}", one)
            if found is not None:
                return found
        return identifier

    def _template(self, key: str, language: str) -> str:
        for one in _chain(language):
            found = self._find(key, one)
            if found is not None:
                return found
        raise KeyError(key)

    def _find(self, key: str, language: str) -> str | None:
        own = (self.templates or {}).get(language, {}).get(key)
        return own if own is not None else _ours().get(language, {}).get(key)


@dataclass(frozen=True, slots=True)
class _Words:
    """Turns parameters into text."""

    catalogue: Catalogue
    language: str
    labels: Labels | None
    customer: bool

    def shown(self, value: Parameter) -> str:
        match value:
            case None:
                return self._say("value.missing")
            case bool():
                return self._say("value.yes" if value else "value.no")
            case Label():
                return self.catalogue.name(
                    value.identifier, self.language, self.labels, customer=self.customer
                )
            case Message():
                return self.catalogue.text(value, self.language, self.labels)
            case Money():
                given = {"currency": value.currency, "amount": f"{value.shown:f}"}
                return self._say("value.money", given)
            case tuple():
                return self._say("value.separator").join(self.shown(one) for one in value)
            case _:
                return _written(value)

    def _say(self, key: str, given: Mapping[str, str] | None = None) -> str:
        return _filled(self.catalogue._template(key, self.language), given or {})


def _written(value: int | float | str | Decimal | Fraction | date) -> str:
    match value:
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date():
            return value.isoformat()
        case Fraction():
            return exact_text(value)
        case Decimal():
            return f"{value:f}"
        case float():
            return f"{value:.10g}"
        case _:
            return str(value)


def _filled(template: str, given: Mapping[str, str]) -> str:
    def fill(found: re.Match[str]) -> str:
        name = found[1]
        return found[0][0] if name is None else given[name]

    return _PLACE.sub(fill, template)


def places(template: str) -> frozenset[str]:
    """Return the names of a template's places.

    Raises
    ------
    ValueError
        A brace stands alone, or around something that is no name.

    Examples
    --------
    >>> sorted(places("{name} is {value}"))
    ['name', 'value']
    >>> places("{value.__class__}")
    Traceback (most recent call last):
    ...
    ValueError: at character 1: write {name} for a place, {{ or }} for a brace
    """
    names = set()
    for found in _PLACE.finditer(template):
        if found[0] in ("{", "}"):
            message = "write {name} for a place, {{ or }} for a brace"
            raise ValueError(f"at character {found.start() + 1}: {message}")
        if found[1] is not None:
            names.add(found[1])
    return frozenset(names)


def load_catalogue(source: str | Path | Mapping[str, object]) -> Catalogue:
    """Load and check a host's catalogue.

    Parameters
    ----------
    source
        The path of a ``.toml`` or ``.json`` file, a TOML or JSON text, or a mapping. At the top
        stand languages; in each of them tables as in the catalogues of the package
        (``crmcore/wording/en.toml``): any part of them, and any ``names``.

    Raises
    ------
    WordingError
        With every problem: a key that there is not, a place that its message does not fill, a
        stray brace.

    Examples
    --------
    >>> load_catalogue({"de": {"staff": {"result": "{nmae}: {value}"}}})
    Traceback (most recent call last):
    ...
    crmcore.wording.catalogue.WordingError: 1 problem in the catalogue
      de.staff.result: no such place in this message; given {nmae}; allowed: {name}, {value} \
(did you mean 'name'?) [unknown_name]
    """
    text, suggestions = read(source, _CATALOGUE, collect=True), Suggestions()
    problems: list[Problem] = []
    templates: dict[str, Templates] = {}
    for language, table in text.table.items():
        if not isinstance(table, Mapping):
            given = written(table)
            problems.append(Problem("wrong_type", "a table is expected", language, given))
            continue
        templates[language] = dict(_flat(table))
        for key, template in templates[language].items():
            problems.extend(_problems(f"{language}.{key}", key, template, suggestions))
    problems = [*text.problems, *untold(problems, text.problems)]
    if problems:
        raise WordingError(placed(problems, [text]))
    return Catalogue(templates)


def _problems(path: str, key: str, template: object, suggestions: Suggestions) -> Iterator[Problem]:
    if not isinstance(template, str):
        yield Problem("wrong_type", "text is expected", path, written(template))
        return
    known = _ours()["en"]
    if key not in known and not key.startswith(_NAMES):
        suggestion = suggestions.nearest(key, known)
        yield Problem("unknown_key", "there is no such message", path, suggestion=suggestion)
        return
    allowed = places(known.get(key, "")) if not key.startswith(_NAMES) else frozenset()
    try:
        given = places(template)
    except ValueError as error:
        yield pointing(Problem("template_syntax", str(error), path))
        return
    listed = ", ".join(f"{{{name}}}" for name in sorted(allowed)) or "none"
    for name in sorted(given - allowed):
        yield Problem(
            "unknown_name",
            "no such place in this message",
            path,
            f"{{{name}}}",
            listed,
            suggestions.nearest(name, allowed),
        )


def _flat(table: Mapping[str, object], head: str = "") -> Iterator[tuple[str, str]]:
    """Return the entries of nested tables by dotted keys."""
    for name, entry in table.items():
        if isinstance(entry, Mapping):
            yield from _flat(entry, f"{head}{name}.")
        else:
            yield f"{head}{name}", entry  # type: ignore[misc]  # checked by `_problems`


@cache
def _ours() -> Mapping[str, Templates]:
    folder = resources.files("crmcore") / "wording"
    return {
        language: dict(
            _flat(tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8")))
        )
        for language in LANGUAGES
    }


def _chain(language: str) -> Iterator[str]:
    """Yield languages from the one asked for to English, ever less fitting."""
    while language:
        yield language
        primary, language = language.partition("-")[0], language.rpartition("-")[0]
        if not language:
            yield from (one for one in LANGUAGES if one.partition("-")[0] == primary)
    yield "en"
