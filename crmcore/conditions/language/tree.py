"""The canonical form of a condition: a tree of frozen nodes, told apart by `op`.

A tree says what is asked, not of which columns: names are looked up when it is bound. Text is only
another spelling of the same tree (see `parse` and `to_text`). A node that was read from text knows
where it stood there; trees are equal wherever they come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Annotated, Final, Literal, TypeAlias, TypeVar

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
    "Arithmetic",
    "Band",
    "Between",
    "BoolValue",
    "Case",
    "Comparison",
    "Condition",
    "DaysBetween",
    "DecimalValue",
    "Divide",
    "Edges",
    "FieldRef",
    "IntegerValue",
    "KnownTest",
    "LiteralValue",
    "Membership",
    "Not",
    "Number",
    "Operand",
    "Or",
    "Shift",
    "Span",
    "TextValue",
    "names",
    "placed",
    "size_problem",
    "walk",
]

KEYWORDS: Final = frozenset(
    ["and", "or", "not", "in", "is", "known", "unknown", "between", "else", "true", "false"]
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
MAX_POINTS: Final = 2**31 - 1

_NAME = re.compile(NAME_PATTERN)
_NUMBER = re.compile(f"-?{NUMBER_PATTERN}")
_WIDE = Context(prec=2 * MAX_DIGITS)

ComparisonOp: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
Edges: TypeAlias = Literal["both", "low", "high", "neither"]
Span: TypeAlias = tuple[int, int]
"""Where a node stands in its text: the first character, from 0, and the first one after it."""


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
    if type(value) is int and abs(value) < 10**MAX_DIGITS:
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


class Node(BaseModel):
    """What all nodes of a tree have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Where it stood; and what is worked out once: its text, the names in it, whether it is small.
    __slots__ = ("_fits", "_names", "_span", "_text")

    @property
    def span(self) -> Span | None:
        """Where it stood in the text it was read from, if it was."""
        return getattr(self, "_span", None)

    def __eq__(self, other: object) -> bool:
        # Where it stood does not count.
        return type(self) is type(other) and self.__dict__ == other.__dict__


class FieldRef(Node):
    """A field by name; as a condition of its own, a true-or-false field."""

    op: Literal["field"] = "field"
    name: Annotated[StrictStr, AfterValidator(_check_name)]


Points: TypeAlias = Annotated[StrictInt, _Field(ge=-MAX_POINTS, le=MAX_POINTS)]


class IntegerValue(Node):
    """A whole number."""

    op: Literal["integer"] = "integer"
    value: Annotated[StrictInt, AfterValidator(_check_integer)]


_Written: TypeAlias = Annotated[str, _Field(pattern=f"^-?{NUMBER_PATTERN}$")] | float


class DecimalValue(Node):
    """An exact decimal number, never a float; always with a decimal point in text."""

    op: Literal["decimal"] = "decimal"
    value: Annotated[Decimal, BeforeValidator(_check_decimal, json_schema_input_type=_Written)]


class TextValue(Node):
    """Text: also how dates, instants, labels and, if wished, money are written."""

    op: Literal["text"] = "text"
    value: Annotated[StrictStr, AfterValidator(_check_text)]


class BoolValue(Node):
    """``true`` or ``false``."""

    op: Literal["bool"] = "bool"
    value: StrictBool


Number: TypeAlias = Annotated[IntegerValue | DecimalValue, Discriminator("op")]
LiteralValue: TypeAlias = Annotated[
    IntegerValue | DecimalValue | TextValue | BoolValue, Discriminator("op")
]


class Arithmetic(Node):
    """A sum, difference or product. Unknown when an operand is."""

    op: Literal["+", "-", "*"]
    left: Operand
    right: Operand


class Divide(Node):
    """A quotient, exact; where the divisor is zero, `zero`: a number or ``"unknown"``."""

    op: Literal["divide"] = "divide"
    dividend: Operand
    divisor: Operand
    zero: Number | Literal["unknown"]


class DaysBetween(Node):
    """The local days from `start` to `end`; negative where `end` is the earlier one."""

    op: Literal["days_between"] = "days_between"
    start: Operand
    end: Operand


class Shift(Node):
    """The local date `count` days or months after `day`."""

    op: Literal["shift_days", "shift_months"]
    day: Operand
    count: Operand


class Band(Node):
    """The points of the greatest edge not above the item; `otherwise` below the first edge."""

    op: Literal["band"] = "band"
    item: Operand
    bands: Annotated[
        tuple[tuple[LiteralValue, Points], ...], _Field(min_length=1, max_length=MAX_ITEMS)
    ]
    otherwise: Points | None = None


class Case(Node):
    """The value of the first condition that is true; `otherwise` where none is."""

    op: Literal["case"] = "case"
    rows: Annotated[tuple[tuple[Condition, Operand], ...], _Field(min_length=1)]
    otherwise: Operand | None = None


class Comparison(Node):
    """Two operands compared. Unknown when one of them is."""

    op: ComparisonOp
    left: Operand
    right: Operand


class Between(Node):
    """The item lies between two edges; `edges` says which of them belong."""

    op: Literal["between"] = "between"
    item: Operand
    low: Operand
    high: Operand
    edges: Edges = "both"


class Membership(Node):
    """Whether the item is one of some literals. Unknown, either way, when it is unknown."""

    op: Literal["in", "not_in"]
    item: Operand
    items: Annotated[tuple[LiteralValue, ...], _Field(min_length=1, max_length=MAX_ITEMS)]


class KnownTest(Node):
    """Whether the item has a value. Never unknown itself."""

    op: Literal["is_known", "is_unknown"]
    item: Operand


class And(Node):
    """All terms hold; false as soon as one is false, whatever is unknown."""

    op: Literal["and"] = "and"
    terms: Annotated[tuple[Condition, ...], _Field(min_length=2)]


class Or(Node):
    """A term holds; true as soon as one is true, whatever is unknown."""

    op: Literal["or"] = "or"
    terms: Annotated[tuple[Condition, ...], _Field(min_length=2)]


class Not(Node):
    """The opposite; of unknown, unknown."""

    op: Literal["not"] = "not"
    term: Condition


Condition: TypeAlias = Annotated[
    FieldRef | BoolValue | Comparison | Between | Membership | KnownTest | And | Or | Not,
    Discriminator("op"),
]
Operand: TypeAlias = Annotated[
    FieldRef
    | IntegerValue
    | DecimalValue
    | TextValue
    | BoolValue
    | Arithmetic
    | Divide
    | DaysBetween
    | Shift
    | Band
    | Case,
    Discriminator("op"),
]
CONDITIONS: Final = (FieldRef, BoolValue, Comparison, Between, Membership, KnownTest, And, Or, Not)
LITERALS: Final = (IntegerValue, DecimalValue, TextValue, BoolValue)
OPERANDS: Final = (FieldRef, *LITERALS, Arithmetic, Divide, DaysBetween, Shift, Band, Case)
for _model in (*CONDITIONS, *OPERANDS):
    _model.model_rebuild()

_LEAVES: Final = frozenset([FieldRef, *LITERALS])
_AnyNode = TypeVar("_AnyNode", bound=Node)


def placed(node: _AnyNode, start: int, end: int) -> _AnyNode:
    """Return the node, knowing now where it stands in its text."""
    object.__setattr__(node, "_span", (start, end))
    return node


def names(condition: Condition | Operand) -> frozenset[str]:
    """Return the names of all fields in a condition, or in a value.

    Examples
    --------
    >>> from crmcore.conditions import parse
    >>> sorted(names(parse("sale_count > 3 and first_sale_at > last_evaluated_at")))
    ['first_sale_at', 'last_evaluated_at', 'sale_count']
    """
    found: frozenset[str] | None = getattr(condition, "_names", None)
    if found is None:
        found = frozenset(node.name for node, _ in walk(condition) if isinstance(node, FieldRef))
        object.__setattr__(condition, "_names", found)
    return found


def size_problem(condition: Condition) -> str | None:
    """Return what makes a tree too large to be used, ``None`` when nothing does.

    At most 50 levels, 500 nodes without the literals of lists, and 2,000 of those.
    """
    if getattr(condition, "_fits", False):
        return None
    items = 0
    for count, (node, depth) in enumerate(walk(condition), start=1):
        if depth > MAX_DEPTH:
            return f"a condition has at most {MAX_DEPTH} levels"
        if count > MAX_NODES:
            return f"a condition has at most {MAX_NODES} nodes"
        if isinstance(node, (Membership, Band)):
            items += len(node.items if isinstance(node, Membership) else node.bands)
            if items > MAX_ALL_ITEMS:
                return f"the lists of a condition have at most {MAX_ALL_ITEMS} literals together"
    object.__setattr__(condition, "_fits", True)
    return None


def walk(condition: Condition | Operand) -> Iterator[tuple[Condition | Operand, int]]:
    """Yield every node, without the literals of lists, with its level from 1."""
    # With its own stack: a tree that is too deep must be refused, not overflow Python's.
    stack: list[tuple[Condition | Operand, int]] = [(condition, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in _children(node))


def _children(node: Condition | Operand) -> tuple[Condition | Operand, ...]:
    if type(node) in _LEAVES:  # most nodes are: faster than to try all the others first
        return ()
    match node:
        case Comparison() | Arithmetic():
            return (node.left, node.right)
        case Between():
            return (node.item, node.low, node.high)
        case Membership() | KnownTest() | Band():
            return (node.item,)
        case And() | Or():
            return node.terms
        case Not():
            return (node.term,)
        case Divide():
            return (node.dividend, node.divisor)
        case DaysBetween():
            return (node.start, node.end)
        case Shift():
            return (node.day, node.count)
        case Case():
            parts = tuple(part for row in node.rows for part in row)
            return parts if node.otherwise is None else (*parts, node.otherwise)
        case _:
            return ()
