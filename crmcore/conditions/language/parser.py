"""Text to tree: one small precedence parser for conditions and for the values they compare.

::

    condition  = all { "or" all }
    all        = negation { "and" negation }
    negation   = { "not" } test
    test       = expression [ tail ] | "(" condition ")"
    tail       = ("==" | "!=" | "<" | "<=" | ">" | ">=") expression
               | "between" [ "above" ] expression "and" [ "below" ] expression
               | [ "not" ] "in" "[" literal { "," literal } "]"
               | "is" ( "known" | "unknown" )
    expression = product { ("+" | "-") product }
    product    = primary { "*" primary }
    primary    = name | literal | call | "(" expression ")"
    call       = "divide(" expression "," expression "," ( number | "unknown" ) ")"
               | "days_between(" expression "," expression ")"
               | ( "shift_days(" | "shift_months(" ) expression "," expression ")"
               | "band(" expression { "," literal ":" points } [ "," "else" ":" points ] ")"
               | "case(" condition ":" expression { "," condition ":" expression }
                         [ "," "else" ":" expression ] ")"
    literal    = number | text | "true" | "false"
    number     = [ "-" ] digits [ "." digits ]
    points     = [ "-" ] digits
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NoReturn, TypeAlias, cast

from crmcore.conditions.language import tree
from crmcore.conditions.language.cursor import TOO_DEEP, Cursor
from crmcore.conditions.language.tokens import COMPARISONS, ConditionSyntaxError, Token
from crmcore.conditions.language.tree import Condition, LiteralValue, Operand
from crmcore.suggestions import nearest

__all__ = ["parse"]

_Read: TypeAlias = Condition | Operand

_VALUE_STARTS: Final = ("name", "number", "text", "(", "-", "true", "false")
_FORMS: Final = {
    "divide": "divide(x, y, z), z being a number or unknown: the value where y is 0",
    "days_between": "days_between(start, end)",
    "shift_days": "shift_days(day, count)",
    "shift_months": "shift_months(day, count)",
    "band": "band(x, 1: 1, 5: 2, else: 0)",
    "case": "case(condition: value, else: value)",
}
_NO_FUNCTION: Final = {
    "months_between": "months are not counted between days, as their lengths differ: compare the "
    "day with shift_months(day, count)",
    "round": "nothing is rounded: ratios are exact",
    "floor": "nothing is rounded: ratios are exact",
    "if": "write case(condition: value, else: value)",
    "min": "write case(a < b: a, else: b)",
    "max": "write case(a > b: a, else: b)",
    "today": "no clock is read: write as_of",
    "now": "no clock is read: write as_of",
}


def parse(text: str) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text
        At most 4,000 characters, ASCII outside quoted text; at most 50 levels and 500 nodes.

    Returns
    -------
    The tree; each node's ``span`` says where in the text it stands.

    Raises
    ------
    ConditionSyntaxError
        With the place of the first thing that cannot be read.

    Examples
    --------
    >>> condition = parse("sale_count >= 3")
    >>> condition
    Comparison(op='>=', left=FieldRef(op='field', name='sale_count'), \
right=IntegerValue(op='integer', value=3))
    >>> condition.right.span
    (14, 15)
    """
    condition = _Parser(text).whole()
    problem = tree.size_problem(condition)
    if problem:
        raise ConditionSyntaxError(problem, 0, len(text))
    return condition


class _Parser(Cursor):
    def whole(self) -> Condition:
        condition = self._as_condition(self._any())
        if self.token.kind == ":":
            self.fail("':' stands in band(…) and case(…) only")
        if self.token.kind != "end":
            self.fail("expected 'and', 'or' or the end")
        return condition

    # Conditions

    def _any(self) -> _Read:
        return self._joined("or", self._all, tree.Or)

    def _all(self) -> _Read:
        return self._joined("and", self._negation, tree.And)

    def _joined(
        self, word: str, read: Callable[[], _Read], model: type[tree.And | tree.Or]
    ) -> _Read:
        start = self.token.start
        first = read()
        if self.token.kind != word:
            return first
        terms = [self._as_condition(first)]
        while self.accept(word):
            terms.append(self._as_condition(read()))
        return self.at(model(terms=tuple(terms)), start)

    def _negation(self) -> _Read:
        starts = []
        while self.token.kind == "not":
            starts.append(self.token.start)
            self.skip()
        if len(starts) > tree.MAX_DEPTH:
            self.fail(TOO_DEEP)
        term = self._test()
        for start in reversed(starts):
            term = self.at(tree.Not(term=self._as_condition(term)), start)
        return term

    def _test(self) -> _Read:
        start = self.token.start
        left = self._sum()
        kind = self.token.kind
        if kind in COMPARISONS:
            op = cast(tree.ComparisonOp, kind)
            left = self._as_value(left)
            self.skip()
            right = self._as_value(self._sum())
            if self.token.kind in COMPARISONS:
                self.fail("comparisons are not chained: join two with 'and', or write 'between'")
            return self.at(tree.Comparison(op=op, left=left, right=right), start)
        if kind in ("between", "in", "not", "is"):
            return self.at(self._tail(self._as_value(left)), start)
        return left

    def _tail(self, item: Operand) -> Condition:
        if self.accept("between"):
            return self._between(item)
        if self.accept("is"):
            if self.accept("known"):
                return tree.KnownTest(op="is_known", item=item)
            if self.accept("unknown"):
                return tree.KnownTest(op="is_unknown", item=item)
            self.fail("after 'is' stands 'known' or 'unknown'; equality is written '=='")
        op: Literal["in", "not_in"] = "not_in" if self.accept("not") else "in"
        if op == "not_in" and self.token.kind == "between":
            self.fail("'not' stands before the whole: not x between 1 and 5")
        self.expect("in")
        return tree.Membership(op=op, item=item, items=self._items())

    def _between(self, item: Operand) -> tree.Between:
        above = self._edge_word("above", "below")
        low = self._as_value(self._sum())
        self.expect("and")
        below = self._edge_word("below", "above")
        high = self._as_value(self._sum())
        edges: dict[tuple[bool, bool], tree.Edges] = {
            (False, False): "both",
            (False, True): "low",
            (True, False): "high",
            (True, True): "neither",
        }
        return tree.Between(item=item, low=low, high=high, edges=edges[above, below])

    def _edge_word(self, word: str, wrong: str) -> bool:
        """Read the word, unless it is the name of a field: then no value follows."""
        if self.token.text not in (word, wrong) or self.following.kind not in _VALUE_STARTS:
            return False
        if self.token.text == wrong:
            self.fail(f"'{wrong}' does not stand here: between above 1 and below 5")
        self.skip()
        return True

    def _items(self) -> tuple[LiteralValue, ...]:
        if self.token.kind == "(":
            self.fail("expected '[': a list stands in square brackets, in [1, 2]")
        self.expect("[")
        items = [self.literal()]
        while self.accept(","):
            if len(items) == tree.MAX_ITEMS:
                self.fail(f"a list has at most {tree.MAX_ITEMS} literals")
            items.append(self.literal())
        self.expect("]")
        return tuple(items)

    # Values

    def _sum(self) -> _Read:
        return self._chained(("+", "-"), self._product)

    def _product(self) -> _Read:
        return self._chained(("*",), self._primary)

    def _chained(self, signs: tuple[str, ...], read: Callable[[], _Read]) -> _Read:
        start = self.token.start
        left = read()
        length = 1
        while self.token.kind in signs:
            op = cast(Literal["+", "-", "*"], self.token.kind)
            left = self._as_value(left)
            self.skip()
            length += 1
            if length > tree.MAX_DEPTH:
                self.fail(TOO_DEEP)
            right = self._as_value(read())
            left = self.at(tree.Arithmetic(op=op, left=left, right=right), start)
        return left

    def _primary(self) -> _Read:
        token = self.token
        if token.kind == "(":
            self.enter()
            inner = self._any()
            self.leave()
            return inner
        if token.kind != "name":
            return self.literal()
        if len(token.text) > tree.MAX_NAME:
            self.fail(f"a name has at most {tree.MAX_NAME} characters")
        self.skip()
        if self.token.kind != "(":
            return self.at(tree.FieldRef(name=token.text), token.start)
        if self.token.start != token.end:
            self.fail("'(' stands directly after the name of a function, and after nothing else")
        return self.at(self._call(token), token.start)

    # Calls

    def _call(self, name: Token) -> Operand:
        if name.text not in _FORMS:
            near = nearest(name.text, _FORMS)
            meant = f"did you mean {near!r}?" if near else f"there are {', '.join(_FORMS)}"
            hint = _NO_FUNCTION.get(name.text, meant)
            self.fail(f"there is no function {name.text!r}: {hint}", name)
        self.enter()
        call = self._arguments(name.text)
        if self.token.kind not in (")", "end"):
            self.fail(f"write {_FORMS[name.text]}")
        self.leave()
        return call

    def _arguments(self, name: str) -> Operand:
        match name:
            case "case":
                return self._case()
            case "band":
                return self._band()
            case "divide":
                dividend, divisor = self._two(name)
                return tree.Divide(dividend=dividend, divisor=divisor, zero=self._zero())
            case "days_between":
                start, end = self._two(name)
                return tree.DaysBetween(start=start, end=end)
            case _:
                day, count = self._two(name)
                op = cast(Literal["shift_days", "shift_months"], name)
                return tree.Shift(op=op, day=day, count=count)

    def _two(self, name: str) -> tuple[Operand, Operand]:
        first = self._argument(name)
        self._separator(name)
        return first, self._argument(name)

    def _argument(self, name: str) -> Operand:
        if self.token.kind == ")":
            self.fail(f"write {_FORMS[name]}")
        return self._as_value(self._any())

    def _separator(self, name: str) -> None:
        if not self.accept(","):
            self.fail(f"write {_FORMS[name]}")

    def _zero(self) -> tree.Number | Literal["unknown"]:
        self._separator("divide")
        if self.accept("unknown"):
            return "unknown"
        if self.token.kind not in ("number", "-"):
            self.fail("what stands for a division by 0 is a number, or unknown")
        return self.number()

    def _band(self) -> tree.Band:
        item = self._argument("band")
        bands: list[tuple[LiteralValue, int]] = []
        while not bands or (self.token.kind == "," and not self._at_else()):
            self._separator("band")
            edge = self.literal()
            self.expect(":")
            bands.append((edge, self._points()))
        otherwise = self._points() if self._else() else None
        return tree.Band(item=item, bands=tuple(bands), otherwise=otherwise)

    def _case(self) -> tree.Case:
        rows: list[tuple[Condition, Operand]] = []
        while not rows or (self.token.kind == "," and not self._at_else()):
            if rows:
                self._separator("case")
            condition = self._as_condition(self._any())
            self.expect(":")
            rows.append((condition, self._as_value(self._any())))
        otherwise = self._as_value(self._any()) if self._else() else None
        return tree.Case(rows=tuple(rows), otherwise=otherwise)

    def _at_else(self) -> bool:
        return self.following.kind == "else"

    def _else(self) -> bool:
        """Read ``, else:`` if it stands here."""
        if not self.accept(","):
            return False
        self.expect("else")
        self.expect(":")
        return True

    def _points(self) -> int:
        token = self.token
        number = self.number()
        if isinstance(number, tree.DecimalValue) or abs(number.value) > tree.MAX_POINTS:
            self.fail(f"points are whole numbers up to {tree.MAX_POINTS}", token)
        return number.value

    # What was read

    def _as_condition(self, node: _Read) -> Condition:
        if isinstance(node, tree.CONDITIONS):
            return node
        self._refuse(node, "this is a value, a condition is needed: compare it, such as with '=='")

    def _as_value(self, node: _Read) -> Operand:
        if isinstance(node, tree.OPERANDS):
            return node
        self._refuse(node, "this is a condition, a value is needed: write case(condition: value)")

    def _refuse(self, node: _Read, message: str) -> NoReturn:
        assert node.span is not None  # as it was read here
        raise ConditionSyntaxError(message, *node.span)
