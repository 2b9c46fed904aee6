"""The canonical form of a condition: a tree of frozen nodes, told apart by `op`.

A tree says what is asked, not of which columns: names are looked up when it is bound. Text is only
another spelling of the same tree (see `parse` and `to_text`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StrictBool,
    StrictInt,
    StrictStr,
)
from pydantic import Field as _Field

__all__ = [
    "And",
    "Between",
    "BoolValue",
    "Comparison",
    "Condition",
    "DecimalValue",
    "FieldRef",
    "IntegerValue",
    "KnownTest",
    "LiteralValue",
    "Membership",
    "Not",
    "Operand",
    "Or",
    "TextValue",
    "names",
    "size_problem",
]

KEYWORDS: Final = frozenset(
    ["and", "or", "not", "in", "is", "known", "unknown", "between", "true", "false"]
)
NAME_PATTERN: Final = r"(?:tag:)?[a-z_][a-z0-9_]*"
NUMBER_PATTERN: Final = r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
MAX_DEPTH: Final = 50
MAX_NODES: Final = 500
MAX_ITEMS: Final = 1_000
MAX_ALL_ITEMS: Final = 2_000
MAX_NAME: Final = 100
MAX_TEXT_VALUE: Final = 1_000
MAX_DIGITS: Final = 38

_NAME = re.compile(NAME_PATTERN)
_NUMBER = re.compile(f"-?{NUMBER_PATTERN}")
_WIDE = Context(prec=2 * MAX_DIGITS)

ComparisonOp: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]


def _check_name(name: str) -> str:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name) or name in KEYWORDS:
        raise ValueError("not a name: lower-case letters, digits and _, or tag:name; no keyword")
    return name


def _check_integer(value: int) -> int:
    if abs(value) >= 10**MAX_DIGITS:
        raise ValueError(f"at most {MAX_DIGITS} digits")
    return value


def _check_decimal(value: object) -> Decimal:
    # A float has lost the digits that were written, so only text or a Decimal will do.
    if isinstance(value, str) and len(value) <= 2 * MAX_DIGITS and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError('a decimal is written as text, such as "300.00"')
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)  # finite
    if max(len(digits) + max(exponent, 0), 1 - exponent) > MAX_DIGITS:
        raise ValueError(f"at most {MAX_DIGITS} digits")
    if exponent >= 0:
        value = value.quantize(Decimal("0.1"), context=_WIDE)
    return value.copy_abs() if value.is_zero() else value


def _check_text(value: str) -> str:
    if len(value) > MAX_TEXT_VALUE:
        raise ValueError(f"at most {MAX_TEXT_VALUE} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("half of a surrogate pair is not text")
    return value


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldRef(_Node):
    """A field by name; as a condition of its own, a true-or-false field."""

    op: Literal["field"] = "field"
    name: Annotated[StrictStr, AfterValidator(_check_name)]


class IntegerValue(_Node):
    """A whole number."""

    op: Literal["integer"] = "integer"
    value: Annotated[StrictInt, AfterValidator(_check_integer)]


class DecimalValue(_Node):
    """An exact decimal number, never a float; always with a decimal point in text."""

    op: Literal["decimal"] = "decimal"
    value: Annotated[Decimal, BeforeValidator(_check_decimal, json_schema_input_type=str)]


class TextValue(_Node):
    """Text: also how dates, instants, labels and, if wished, money are written."""

    op: Literal["text"] = "text"
    value: Annotated[StrictStr, AfterValidator(_check_text)]


class BoolValue(_Node):
    """``true`` or ``false``."""

    op: Literal["bool"] = "bool"
    value: StrictBool


LiteralValue: TypeAlias = Annotated[
    IntegerValue | DecimalValue | TextValue | BoolValue, Discriminator("op")
]
Operand: TypeAlias = Annotated[
    FieldRef | IntegerValue | DecimalValue | TextValue | BoolValue, Discriminator("op")
]


class Comparison(_Node):
    """Two operands compared. Unknown when a field in it is missing."""

    op: ComparisonOp
    left: Operand
    right: Operand


class Between(_Node):
    """``low <= item and item <= high``: both edges belong."""

    op: Literal["between"] = "between"
    item: FieldRef
    low: Operand
    high: Operand
    edges: Literal["both"] = "both"


class Membership(_Node):
    """Whether a field is one of some literals. Unknown, either way, when it is missing."""

    op: Literal["in", "not_in"]
    item: FieldRef
    items: Annotated[tuple[LiteralValue, ...], _Field(min_length=1, max_length=MAX_ITEMS)]


class KnownTest(_Node):
    """Whether a field has a value. Never unknown itself."""

    op: Literal["is_known", "is_unknown"]
    item: FieldRef


class And(_Node):
    """All terms hold; false as soon as one is false, whatever is unknown."""

    op: Literal["and"] = "and"
    terms: Annotated[tuple[Condition, ...], _Field(min_length=2)]


class Or(_Node):
    """A term holds; true as soon as one is true, whatever is unknown."""

    op: Literal["or"] = "or"
    terms: Annotated[tuple[Condition, ...], _Field(min_length=2)]


class Not(_Node):
    """The opposite; of unknown, unknown."""

    op: Literal["not"] = "not"
    term: Condition


Condition: TypeAlias = Annotated[
    FieldRef | BoolValue | Comparison | Between | Membership | KnownTest | And | Or | Not,
    Discriminator("op"),
]
for _model in (And, Or, Not):
    _model.model_rebuild()


def names(condition: Condition) -> frozenset[str]:
    """Return the names of all fields in a condition.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> sorted(names(parse("sale_count > 3 and first_sale_at > last_evaluated_at")))
    ['first_sale_at', 'last_evaluated_at', 'sale_count']
    """
    return frozenset(node.name for node, _ in _walk(condition) if isinstance(node, FieldRef))


def size_problem(condition: Condition) -> str | None:
    """Return what makes a tree too large to be used, ``None`` when nothing does.

    At most 50 levels, 500 nodes without the literals of lists, and 2,000 of those.
    """
    items = 0
    for count, (node, depth) in enumerate(_walk(condition), start=1):
        if depth > MAX_DEPTH:
            return f"a condition has at most {MAX_DEPTH} levels"
        if count > MAX_NODES:
            return f"a condition has at most {MAX_NODES} nodes"
        if isinstance(node, Membership):
            items += len(node.items)
            if items > MAX_ALL_ITEMS:
                return f"the lists of a condition have at most {MAX_ALL_ITEMS} literals together"
    return None


def _walk(condition: Condition) -> Iterator[tuple[Condition | Operand, int]]:
    # With its own stack: a tree that is too deep must be refused, not overflow Python's.
    stack: list[tuple[Condition | Operand, int]] = [(condition, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in _children(node))


def _children(node: Condition | Operand) -> tuple[Condition | Operand, ...]:
    match node:
        case Comparison():
            return (node.left, node.right)
        case Between():
            return (node.item, node.low, node.high)
        case Membership() | KnownTest():
            return (node.item,)
        case And() | Or():
            return node.terms
        case Not():
            return (node.term,)
        case _:
            return ()
