"""Text to tree: a small precedence parser; ``or`` binds loosest, then ``and``, then ``not``.

::

    condition = all { "or" all }
    all       = negation { "and" negation }
    negation  = { "not" } test
    test      = "(" condition ")" | operand [ tail ]
    tail      = ("==" | "!=" | "<" | "<=" | ">" | ">=") operand
              | "between" operand "and" operand
              | [ "not" ] "in" "[" literal { "," literal } "]"
              | "is" ( "known" | "unknown" )
    operand   = name | literal
    literal   = [ "-" ] number | text | "true" | "false"
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Annotated, Final, Literal, NamedTuple, NoReturn, TypeAlias, cast

from pydantic import AfterValidator, BeforeValidator

from crmcore.conditions import tree
from crmcore.conditions.tree import Condition, LiteralValue, Operand
from crmcore.errors import CrmcoreError

__all__ = ["MAX_TEXT", "ConditionField", "ConditionSyntaxError", "parse"]

MAX_TEXT: Final = 4_000
_MAX_VALUES: Final = 20_000  # more than the largest tree allowed has, its keys' values counted

_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\n]+)
    | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![A-Za-z0-9_.])
    | (?P<text>"(?:[^"\\\x00-\x1f\x7f]|\\.)*")
    | (?P<name>{tree.NAME_PATTERN})(?![A-Za-z0-9_:])
    | (?P<sign>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|-)""",
    re.VERBOSE,
)
_COMPARISONS: Final = frozenset(["==", "!=", "<", "<=", ">", ">="])
_HINTS: Final = (
    (re.compile(r"="), "one '=' compares nothing: write '=='"),
    (re.compile(r"'"), 'text stands in double quotes: "gold"'),
    (re.compile(r'"'), "this text has no end, or holds a bare control character"),
    (re.compile(r"[0-9]"), "a number is written like 12, 300.00 or -5"),
    (re.compile(r"[A-Za-z_]"), "names and keywords are lower-case letters, digits and '_'"),
    (re.compile(r"[&|!]"), "write 'and', 'or', 'not'"),
    (re.compile(r"[^\x00-\x7f]"), "only text in quotes may hold other than ASCII characters"),
)


class ConditionSyntaxError(CrmcoreError, ValueError):
    """A condition's text cannot be read.

    Parameters
    ----------
    message
        What is wrong and what to write.
    position
        Where: characters before it, counted from 0.

    Examples
    --------
    >>> parse("sale_count = 3")
    Traceback (most recent call last):
        ...
    crmcore.conditions.parser.ConditionSyntaxError: one '=' compares nothing: write '==' (at 11)
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} (at {self.position})"


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def parse(text: str) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text
        At most 4,000 characters, ASCII outside quoted text; at most 50 levels and 500 nodes.

    Raises
    ------
    ConditionSyntaxError
        With the position of the first thing that cannot be read.

    Examples
    --------
    >>> parse("sale_count >= 3")
    Comparison(op='>=', left=FieldRef(op='field', name='sale_count'), \
right=IntegerValue(op='integer', value=3))
    """
    if len(text) > MAX_TEXT:
        raise ConditionSyntaxError(f"a condition has at most {MAX_TEXT} characters", MAX_TEXT)
    parser = _Parser(_tokens(text))
    condition = parser.condition()
    parser.expect_end()
    problem = tree.size_problem(condition)
    if problem:
        raise ConditionSyntaxError(problem, 0)
    return condition


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse_character(text, position)
        if match.lastgroup != "space":
            kind = match.lastgroup or ""
            if kind == "sign" or match[0] in tree.KEYWORDS:
                kind = match[0]
            tokens.append(_Token(kind, match[0], position))
        position = match.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


def _refuse_character(text: str, position: int) -> NoReturn:
    for pattern, hint in _HINTS:
        if pattern.match(text, position):
            raise ConditionSyntaxError(hint, position)
    raise ConditionSyntaxError("this character has no meaning here", position)


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._open = 0

    def condition(self) -> Condition:
        terms = [self._all()]
        while self._accept("or"):
            terms.append(self._all())
        return terms[0] if len(terms) == 1 else tree.Or(terms=tuple(terms))

    def expect_end(self) -> None:
        token = self._token
        if token.kind == "end":
            return
        if token.kind in _COMPARISONS:
            self._fail("comparisons are not chained: join two with 'and', or write 'between'")
        self._fail("expected 'and', 'or' or the end")

    def _all(self) -> Condition:
        terms = [self._negation()]
        while self._accept("and"):
            terms.append(self._negation())
        return terms[0] if len(terms) == 1 else tree.And(terms=tuple(terms))

    def _negation(self) -> Condition:
        count = 0
        while self._accept("not"):
            count += 1
            if count > tree.MAX_DEPTH:
                self._fail(f"a condition has at most {tree.MAX_DEPTH} levels")
        term = self._test()
        for _ in range(count):
            term = tree.Not(term=term)
        return term

    def _test(self) -> Condition:
        if not self._accept("("):
            return self._tail(self._operand())
        self._open += 1
        if self._open > tree.MAX_DEPTH:
            self._fail(f"a condition has at most {tree.MAX_DEPTH} levels")
        condition = self.condition()
        self._expect(")")
        self._open -= 1
        return condition

    def _tail(self, left: Operand) -> Condition:
        token = self._token
        if token.kind in _COMPARISONS:
            self._next += 1
            op = cast(tree.ComparisonOp, token.kind)
            return tree.Comparison(op=op, left=left, right=self._operand())
        if token.kind in ("between", "in", "not", "is"):
            if not isinstance(left, tree.FieldRef):
                self._fail(f"before {token.kind!r} stands the name of a field")
            return self._field_tail(left)
        if isinstance(left, (tree.FieldRef, tree.BoolValue)):
            return left
        self._fail("expected a comparison, such as '=='")

    def _field_tail(self, item: tree.FieldRef) -> Condition:
        if self._accept("between"):
            low = self._operand()
            self._expect("and")
            return tree.Between(item=item, low=low, high=self._operand())
        if self._accept("is"):
            return self._known(item)
        op: Literal["in", "not_in"] = "not_in" if self._accept("not") else "in"
        self._expect("in")
        return tree.Membership(op=op, item=item, items=self._items())

    def _known(self, item: tree.FieldRef) -> Condition:
        if self._accept("known"):
            return tree.KnownTest(op="is_known", item=item)
        if self._accept("unknown"):
            return tree.KnownTest(op="is_unknown", item=item)
        self._fail("after 'is' stands 'known' or 'unknown'; equality is written '=='")

    def _items(self) -> tuple[LiteralValue, ...]:
        self._expect("[")
        items = [self._literal()]
        while self._accept(","):
            if len(items) == tree.MAX_ITEMS:
                self._fail(f"a list has at most {tree.MAX_ITEMS} literals")
            items.append(self._literal())
        self._expect("]")
        return tuple(items)

    def _operand(self) -> Operand:
        token = self._token
        if token.kind != "name":
            return self._literal()
        if len(token.text) > tree.MAX_NAME:
            self._fail(f"a name has at most {tree.MAX_NAME} characters")
        self._next += 1
        return tree.FieldRef(name=token.text)

    def _literal(self) -> LiteralValue:
        token = self._token
        match token.kind:
            case "true" | "false":
                self._next += 1
                return tree.BoolValue(value=token.kind == "true")
            case "text":
                value = self._unquote(token)
                self._next += 1
                return tree.TextValue(value=value)
            case "number" | "-":
                return self._number("-" if self._accept("-") else "")
            case "end":
                self._fail("the condition ends too early")
            case _:
                self._fail("expected a number, quoted text, 'true', 'false' or a name")

    def _number(self, sign: str) -> LiteralValue:
        token = self._token
        if token.kind != "number":
            self._fail("after '-' stands a number")
        if re.fullmatch(tree.NUMBER_PATTERN, token.text) is None:
            self._fail("a number has no leading zero; a date stands in quotes")
        if len(token.text.replace(".", "")) > tree.MAX_DIGITS:
            self._fail(f"a number has at most {tree.MAX_DIGITS} digits")
        self._next += 1
        if self._token.kind == "-":
            self._fail('a date stands in quotes, such as "2024-01-31"; arithmetic is not known')
        if "." in token.text:
            return tree.DecimalValue(value=Decimal(sign + token.text))
        return tree.IntegerValue(value=int(sign + token.text))

    def _unquote(self, token: _Token) -> str:
        try:
            value = json.loads(token.text)
            assert isinstance(value, str)  # the token has quotes
            return tree.TextValue(value=value).value
        except json.JSONDecodeError:
            self._fail(r"in text '\' stands before one of: \" \\ \/ \n \t \r \b \f \u0000")
        except ValueError:
            self._fail(f"text has at most {tree.MAX_TEXT_VALUE} characters and no half surrogates")

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _accept(self, kind: str) -> bool:
        if self._token.kind != kind:
            return False
        self._next += 1
        return True

    def _expect(self, kind: str) -> None:
        if not self._accept(kind):
            self._fail(f"expected {kind!r}")

    def _fail(self, message: str) -> NoReturn:
        raise ConditionSyntaxError(message, self._token.position)


def _read(given: object) -> object:
    if isinstance(given, str):
        return parse(given)
    if isinstance(given, Mapping):
        _check_nesting(given)
    return given


def _check_nesting(given: object) -> None:
    # Before pydantic descends into it, and with its own stack, for the same reason.
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
