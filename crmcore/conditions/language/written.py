"""Conditions in models of documents: text or tree, refused early where they are too large."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from crmcore.conditions.language import tree
from crmcore.conditions.language.parser import parse
from crmcore.conditions.language.tokens import ConditionSyntaxError
from crmcore.conditions.language.tree import Condition

__all__ = ["ConditionField", "ConditionReader"]

MAX_WORDS: Final = 24_000
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|\w+|[<>=!]=|[^\w\s]')
_CALCULATES: Final = re.compile(r"[-+*:(]")
_MAX_VALUES: Final = 20_000  # more than the largest tree allowed has, its keys' values counted


class ConditionReader:
    """Reads the conditions of one document: each text once, and not more than takes long.

    Given as the context of a validation, it is used for every condition there.
    """

    def __init__(self) -> None:
        self._read: dict[str, Condition | ConditionSyntaxError] = {}
        self._left = MAX_WORDS

    def read(self, text: str) -> Condition:
        """Return the tree of a text."""
        found = self._read.get(text)
        if found is None:
            # What calculates takes more work to check, and so counts three times.
            self._left -= len(_WORD.findall(text)) + 2 * len(_CALCULATES.findall(text))
            if self._left < 0:
                message = f"all conditions together have at most {MAX_WORDS:,} words and signs"
                raise PydanticCustomError("too_large", message)
            try:
                found = parse(text)
            except ConditionSyntaxError as error:
                found = error
            self._read[text] = found
        if isinstance(found, ConditionSyntaxError):
            raise ConditionSyntaxError(*found.args)
        return found


def _read(given: object, info: ValidationInfo) -> object:
    if isinstance(given, str):
        reader = info.context
        return reader.read(given) if isinstance(reader, ConditionReader) else parse(given)
    if isinstance(given, Mapping):
        _check_nesting(given)
    elif not isinstance(given, tree.Node):
        message = 'a condition in quotes is expected, such as "sale_count > 3"'
        raise PydanticCustomError("condition_type", message)
    return given


def _check_nesting(given: object) -> None:
    # Before pydantic descends into it, and with its own stack: it must not overflow Python's.
    stack: list[tuple[object, int]] = [(given, 1)]
    seen = 1
    while stack:
        value, depth = stack.pop()
        if depth > tree.MAX_DEPTH and isinstance(value, Mapping):
            raise ValueError(f"a condition has at most {tree.MAX_DEPTH} levels")
        children = _children(value)
        seen += len(children)
        if seen > _MAX_VALUES:
            raise ValueError(f"a condition has at most {tree.MAX_NODES} nodes")
        below = depth + isinstance(value, Mapping)
        stack.extend((child, below) for child in children)


def _children(value: object) -> Collection[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _check_size(condition: Condition) -> Condition:
    problem = tree.size_problem(condition)
    if problem:
        raise ValueError(problem)
    return condition


ConditionField: TypeAlias = Annotated[
    Condition,
    AfterValidator(_check_size),
    BeforeValidator(_read, json_schema_input_type=str | Condition),
]
"""For models that hold a condition: takes its text or its tree, and refuses what is too large."""
