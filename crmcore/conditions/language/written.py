"""Conditions in models of documents: text or tree, refused early where they are too large."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from crmcore.conditions.language import tree
from crmcore.conditions.language.parser import parse
from crmcore.conditions.language.tree import Condition

__all__ = ["ConditionField"]

_MAX_VALUES: Final = 20_000  # more than the largest tree allowed has, its keys' values counted


def _read(given: object) -> object:
    if isinstance(given, str):
        return parse(given)
    if isinstance(given, Mapping):
        _check_nesting(given)
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
