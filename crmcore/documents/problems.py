"""From pydantic's errors to the problems of a document, in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from crmcore.conditions import ConditionSyntaxError
from crmcore.documents.kinds import DocumentKind, Location, upwards
from crmcore.documents.texts import Table
from crmcore.errors import MAX_PROBLEMS, Problem, spelled
from crmcore.suggestions import Suggestions

__all__ = ["pointing", "problems_of", "untold", "written"]

_MAX_GIVEN: Final = 60
_CODES: Final[Mapping[str, str]] = {
    "missing": "missing_key",
    "extra_forbidden": "unknown_key",
    "literal_error": "not_allowed",
    "string_pattern_mismatch": "bad_name",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "too_short": "wrong_length",
    "too_long": "wrong_length",
    "string_too_short": "wrong_length",
    "string_too_long": "wrong_length",
    "value_error": "bad_value",
    "date_from_datetime_inexact": "wrong_type",
}
_MESSAGES: Final[Mapping[str, str]] = {
    "extra_forbidden": "there is no such key here",
    "literal_error": "this is not one of what may stand here",
    "bool_type": "true or false is expected",
    "int_type": "a whole number is expected",
    "string_type": "text is expected",
    "tuple_type": "a list is expected",
    "list_type": "a list is expected",
    "mapping_type": "a table is expected",
    "dict_type": "a table is expected",
    "model_type": "a table is expected",
    "model_attributes_type": "a table is expected",
    "date_type": "a date such as 2024-01-31 is expected",
    "date_parsing": "a date such as 2024-01-31 is expected",
    "date_from_datetime_parsing": "a date such as 2024-01-31 is expected",
}
_AT: Final = re.compile(r"at character ([0-9]{1,6}): ")
_BOUNDS: Final[Mapping[str, str]] = {
    "ge": "of at least",
    "gt": "greater than",
    "le": "of at most",
    "lt": "less than",
}
_NAME: Final = "lower-case letters, digits and _, a letter first, at most 64"
_PATTERNS: Final[Mapping[str, str]] = {
    "^[A-Z]{3}$": "three capital letters, such as CNY",
    "^[A-Za-z]{2,3}": "a language such as en or zh-CN",
}


def problems_of(
    error: ValidationError,
    kind: DocumentKind,
    suggestions: Suggestions | None = None,
    *,
    table: Table | None = None,
) -> list[tuple[Location, Problem]]:
    """Return the problems of a document, each with its place.

    Parameters
    ----------
    error
        What pydantic found.
    kind
        The kind of document.
    suggestions
        Where nearest names are looked up; shared by all that is found in one document.
    table
        What was validated: with it places lead through what is there only.
    """
    errors = error.errors(include_url=False)[: MAX_PROBLEMS + 1]
    # Only where something is too short is it asked what is inside of what.
    locations = [details["loc"] for details in errors]
    is_short = any(details["type"] == "too_short" for details in errors)
    inner = {loc[:depth] for loc in locations for depth in range(len(loc))} if is_short else set()
    teller = _Teller(kind, suggestions or Suggestions(), table)
    return [
        teller.tell(details)
        for details in errors
        # Else it is too short only because of entries that have a problem of their own.
        if details["type"] != "too_short" or details["loc"] not in inner
    ]


def untold(problems: Iterable[Problem], told: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are not at a place of which something is told already.

    Examples
    --------
    >>> told = [Problem("not_finite", "NaN is no number", "edges.0")]
    >>> untold([Problem("wrong_type", "a number is expected", "edges.0")], told)
    []
    """
    paths = {one.path for one in told if one.code != "duplicate_key"}
    return [one for one in problems if paths.isdisjoint(upwards(one.path))]


def pointing(problem: Problem) -> Problem:
    """Return a problem told by a parser, ``at character 7: …``, with that place as its span.

    Examples
    --------
    >>> problem = pointing(Problem("bad_formula", "at character 7: a number is missing"))
    >>> problem.message, problem.span
    ('a number is missing', (6, 7))
    """
    found = _AT.match(problem.message)
    if found is None:
        return problem
    at = int(found[1])
    return replace(problem, message=problem.message[found.end() :], span=(at - 1, at))


def written(given: object) -> str:
    """Return a short spelling of what was given."""
    match given:
        case bool():
            text = "true" if given else "false"
        case str():
            text = repr(given[: _MAX_GIVEN + 1])
        case Mapping():
            text = "a table"
        case list() | tuple():
            text = "a list"
        case _:
            text = str(given)
    return text if len(text) <= _MAX_GIVEN else text[:_MAX_GIVEN] + "…"


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says what pydantic found."""

    kind: DocumentKind
    suggestions: Suggestions
    table: Table | None
    keys: dict[Location, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # looked up

    def tell(self, details: ErrorDetails) -> tuple[Location, Problem]:
        loc, is_key = details["loc"], False
        if loc[1:] and loc[-1] == "[key]" and loc[-2] == details["input"]:
            loc, is_key = loc[:-1], True  # pydantic's mark of a key that is wrong itself
        if self.table is not None:
            place = _through(self.table, loc, self.kind.tags, details["type"] == "missing")
        else:
            # At the top there are no tags, and a key may be spelled like one.
            place = (*loc[:2], *(part for part in loc[2:] if part not in self.kind.tags))
        if details["type"].startswith("union_tag"):
            place = (*place, details["ctx"]["discriminator"].strip("'"))
        problem = self._problem(details, place)
        return place, replace(problem, at_key=True) if is_key else pointing(problem)

    def _problem(self, details: ErrorDetails, place: Location) -> Problem:
        kind, path = details["type"], ".".join(map(str, place))
        match kind:
            case "extra_forbidden":
                return self._unknown_key(details, path)
            case "missing":
                return self._missing(details, path)
            case "too_long" | "too_short" | "string_too_long" | "string_too_short":
                return Problem("wrong_length", _length(details), path, _single(details["input"]))
            case "literal_error":
                return self._no_option(details["input"], details["ctx"]["expected"], path)
            case "union_tag_invalid":
                context = details["ctx"]
                return self._no_option(context["tag"], context["expected_tags"], path)
            case "union_tag_not_found":
                return Problem("missing_key", "this is required", path)
            case "string_pattern_mismatch":
                return _badly_written(details, path)
            case "value_error":
                return self._value_error(details, place, path)
        code = _CODES.get(kind, "wrong_type" if kind.endswith(("_type", "_parsing")) else kind)
        message = _MESSAGES.get(kind) or _range(details) or _lower(details["msg"])
        return Problem(code, message, path, given=_single(details["input"]))

    def _unknown_key(self, details: ErrorDetails, path: str) -> Problem:
        parent, key = details["loc"][:-1], details["loc"][-1]
        if parent not in self.keys:
            allowed = self.kind.keys_at(parent)
            is_tagged = parent[-1:] and parent[-1] in self.kind.tags
            self.keys[parent] = allowed, self.kind.keys_near(parent) if is_tagged else allowed
        allowed, near = self.keys[parent]
        meant = self.kind.meant.get(str(key))
        if meant not in near:
            meant = None if key in near else self.suggestions.nearest(str(key), near)
        message, listed = _MESSAGES["extra_forbidden"], ", ".join(allowed) or None
        return Problem("unknown_key", message, path, allowed=listed, suggestion=meant)

    def _missing(self, details: ErrorDetails, path: str) -> Problem:
        if isinstance(details["loc"][-1], int):
            return Problem("wrong_length", "a row is a pair of two entries", path)
        example = self.kind.examples.get(path)
        hint = f", such as {example}" if example else ""
        return Problem("missing_key", f"this is required{hint}", path)

    def _no_option(self, given: object, expected: str, path: str) -> Problem:
        options = re.findall(r"'([^']*)'", expected)
        suggestion = self.suggestions.nearest(str(given)[:64], options)
        allowed = ", ".join(options) or expected
        message = _MESSAGES["literal_error"]
        return Problem("not_allowed", message, path, written(given), allowed, suggestion)

    def _value_error(self, details: ErrorDetails, place: Location, path: str) -> Problem:
        cause, given = details.get("ctx", {}).get("error"), details["input"]
        if isinstance(cause, ConditionSyntaxError):
            message = f"the condition cannot be read: {cause.message}"
            span = (cause.position, cause.end)
            return Problem("condition_syntax", message, path, given=written(given), span=span)
        message = details["msg"].removeprefix("Value error, ")
        known = self.kind.known.get(place)
        suggestion = None
        if known and isinstance(given, str):
            suggestion = self.suggestions.nearest(given[:64], known())
        return Problem("bad_value", message, path, given=_single(given), suggestion=suggestion)


def _through(
    table: Table, place: Location, tags: frozenset[str], last_is_missing: bool
) -> Location:
    """Return a place without the tags in it: parts that are no keys of what is there."""
    found: list[str | int] = []
    here: object = table
    for at, part in enumerate(place):
        if isinstance(here, Mapping):
            if part not in here and not (last_is_missing and at == len(place) - 1):
                continue
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part] if part < len(here) else None
        elif part in tags:
            continue
        found.append(part)
    return tuple(found)


def _badly_written(details: ErrorDetails, path: str) -> Problem:
    pattern = str(details.get("ctx", {}).get("pattern"))
    allowed = next((v for k, v in _PATTERNS.items() if pattern.startswith(k)), _NAME)
    message = "this is not written as it must be"
    given = details["input"]
    strange = next((one for one in given if not one.isascii()), None)
    if strange is not None and strange.isalpha():
        message += f": it has {spelled(strange)}"
    return Problem("bad_name", message, path, written(given), allowed)


def _length(details: ErrorDetails) -> str:
    ctx = details.get("ctx", {})
    if "max_length" in ctx:
        return f"no more than {ctx['max_length']} may stand here"
    return f"at least {ctx.get('min_length', 1)} must stand here"


def _range(details: ErrorDetails) -> str | None:
    """Return what numbers are expected, if that is what is wrong."""
    ctx = details.get("ctx", {})
    for bound, words in _BOUNDS.items():
        if bound in ctx:
            return f"a number {words} {ctx[bound]} is expected"
    return None


def _single(given: object) -> str | None:
    return None if isinstance(given, (Mapping, list, tuple)) else written(given)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
