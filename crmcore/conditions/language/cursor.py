"""A place in a text's tokens, and what is read there without looking further."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Final, NoReturn, TypeVar

from crmcore.conditions.language import tree
from crmcore.conditions.language.tokens import ConditionSyntaxError, Token, tokens_of
from crmcore.conditions.language.tree import LiteralValue, placed

__all__ = ["TOO_DEEP", "Cursor"]

TOO_DEEP: Final = f"a condition has at most {tree.MAX_DEPTH} levels"

_Node = TypeVar("_Node", bound=tree.Node)


class Cursor:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens_of(text)
        self._next = 0
        self._open = 0

    def at(self, node: _Node, start: int) -> _Node:
        """Return the node, placed from `start` to where reading is now."""
        return placed(node, start, self._tokens[self._next - 1].end)

    @property
    def token(self) -> Token:
        """The token that is read next."""
        return self._tokens[self._next]

    @property
    def following(self) -> Token:
        """The token after it; at the end, the end."""
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)]

    def skip(self) -> None:
        """Read the next token, whatever it is."""
        self._next += 1

    def accept(self, kind: str) -> bool:
        """Read the next token if it is of that kind."""
        if self.token.kind != kind:
            return False
        self.skip()
        return True

    def expect(self, kind: str) -> None:
        """Read a token that must be of that kind."""
        if not self.accept(kind):
            early = "the condition ends too early: " if self.token.kind == "end" else ""
            self.fail(f"{early}expected {kind!r}")

    def fail(self, message: str, token: Token | None = None) -> NoReturn:
        """Refuse the text at a token, the next one unless another is given."""
        token = token or self.token
        raise ConditionSyntaxError(message, token.start, token.end)

    def enter(self) -> None:
        """Read an opening bracket: one level more."""
        self.expect("(")
        self._open += 1
        if self._open > tree.MAX_DEPTH:
            self.fail(TOO_DEEP)

    def leave(self) -> None:
        """Read a closing bracket."""
        self.expect(")")
        self._open -= 1

    def literal(self) -> LiteralValue:
        """Read a literal."""
        token = self.token
        match token.kind:
            case "true" | "false":
                self.skip()
                return self.at(tree.BoolValue(value=token.kind == "true"), token.start)
            case "text":
                value = self._unquote(token)
                self.skip()
                return self.at(tree.TextValue(value=value), token.start)
            case "number" | "-":
                return self.number()
            case "end":
                self.fail("the condition ends too early")
            case "+":
                self.fail("no number begins with '+'")
            case _:
                self.fail("expected a number, quoted text, 'true', 'false' or a name")

    def number(self) -> tree.IntegerValue | tree.DecimalValue:
        """Read a number with its sign."""
        start = self.token.start
        sign = "-" if self.accept("-") else ""
        token = self.token
        if token.kind != "number":
            self.fail("after '-' stands a number; write 0 - x" if sign else "expected a number")
        if re.fullmatch(tree.NUMBER_PATTERN, token.text) is None:
            self.fail("a number has no leading zero; a date stands in quotes")
        if len(token.text.replace(".", "")) > tree.MAX_DIGITS:
            self.fail(f"a number has at most {tree.MAX_DIGITS} digits")
        self.skip()
        if "." in token.text:
            return self.at(tree.DecimalValue(value=Decimal(sign + token.text)), start)
        return self.at(tree.IntegerValue(value=int(sign + token.text)), start)

    def _unquote(self, token: Token) -> str:
        try:
            value = json.loads(token.text)
            assert isinstance(value, str)  # the token has quotes
            return tree.TextValue(value=value).value
        except json.JSONDecodeError:
            self.fail(r"in text '\' stands before one of: \" \\ \/ \n \t \r \b \f \u0000")
        except ValueError:
            self.fail(f"text has at most {tree.MAX_TEXT_VALUE} characters and no half surrogates")
