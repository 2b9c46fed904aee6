"""From pydantic's errors to the problems of a policy, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from crmcore.conditions import ConditionSyntaxError, nearest
from crmcore.errors import Problem
from crmcore.policy.document import keys_at

__all__ = ["Location", "location_of", "problems_of", "written"]

Location = tuple[str | int, ...]

_MAX_GIVEN: Final = 60
_MAX_SUGGESTIONS: Final = 20
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
    "union_tag_invalid": "not_allowed",
    "union_tag_not_found": "missing_key",
}
_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "this is required",
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
_NAME: Final = "lower-case letters, digits and _, a letter first, at most 64"
_PATTERNS: Final[Mapping[str, str]] = {
    "^[A-Z]{3}$": "three capital letters, such as CNY",
    "^[A-Za-z]{2,3}": "a language such as en or zh-CN",
}
_TAG: Final = re.compile(r"score:[a-z]+")


def location_of(details: ErrorDetails) -> Location:
    """Return where an error is, in the document as written."""
    return tuple(
        part
        for part in details["loc"]
        if not (isinstance(part, str) and (part == "[key]" or _TAG.fullmatch(part)))
    )


def problems_of(error: ValidationError) -> list[tuple[Location, Problem]]:
    """Return the problems of a document, each with its place."""
    found: list[tuple[Location, Problem]] = []
    errors = error.errors(include_url=False)
    inner = {details["loc"][:depth] for details in errors for depth in range(len(details["loc"]))}
    for details in errors:
        if details["type"] == "too_short" and details["loc"] in inner:
            continue  # too short only because of entries that have a problem of their own
        place = location_of(details)
        suggest = len(found) < _MAX_SUGGESTIONS
        found.append((place, _problem(details, ".".join(map(str, place)), suggest)))
    return found


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


def _problem(details: ErrorDetails, path: str, suggest: bool) -> Problem:
    kind, given = details["type"], written(details["input"])
    match kind:
        case "extra_forbidden":
            return _unknown_key(details, path, suggest)
        case "missing":
            row = isinstance(details["loc"][-1], int)
            message = "a row is a pair of two entries" if row else _MESSAGES[kind]
            return Problem("wrong_length" if row else "missing_key", message, path)
        case "too_long" | "too_short" | "string_too_long" | "string_too_short":
            return Problem("wrong_length", _length(details), path)
        case "literal_error":
            return _not_allowed(details, path, given)
        case "string_pattern_mismatch":
            pattern = str(details.get("ctx", {}).get("pattern"))
            allowed = next((v for k, v in _PATTERNS.items() if pattern.startswith(k)), _NAME)
            return Problem("bad_name", "this is not written as it must be", path, given, allowed)
        case "value_error":
            return _value_error(details, path, given)
    code = _CODES.get(kind, "wrong_type" if kind.endswith(("_type", "_parsing")) else kind)
    message = _MESSAGES.get(kind) or _lower(details["msg"])
    return Problem(code, message, path, given=_single(details["input"]))


def _unknown_key(details: ErrorDetails, path: str, suggest: bool) -> Problem:
    *parent, key = details["loc"]
    allowed = keys_at(parent)
    suggestion = nearest(str(key), allowed) if suggest and allowed else None
    message = _MESSAGES["extra_forbidden"]
    return Problem(
        "unknown_key", message, path, allowed=", ".join(allowed) or None, suggestion=suggestion
    )


def _not_allowed(details: ErrorDetails, path: str, given: str) -> Problem:
    expected = str(details.get("ctx", {}).get("expected", ""))
    options = re.findall(r"'([^']*)'", expected)
    suggestion = nearest(str(details["input"])[:64], options) if options else None
    allowed = ", ".join(options) or expected
    return Problem("not_allowed", _MESSAGES["literal_error"], path, given, allowed, suggestion)


def _length(details: ErrorDetails) -> str:
    ctx = details.get("ctx", {})
    if "max_length" in ctx:
        return f"no more than {ctx['max_length']} may stand here"
    return f"at least {ctx.get('min_length', 1)} must stand here"


def _value_error(details: ErrorDetails, path: str, given: str) -> Problem:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, ConditionSyntaxError):
        message = (
            f"the condition cannot be read: {cause.message} (at character {cause.position + 1})"
        )
        return Problem("condition_syntax", message, path, given=given)
    message = details["msg"].removeprefix("Value error, ")
    return Problem("bad_value", message, path, given=_single(details["input"]))


def _single(given: object) -> str | None:
    return None if isinstance(given, (Mapping, list, tuple)) else written(given)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
