"""The little language of amounts: sums of products of column names and decimal numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache

__all__ = ["Formula", "Product", "parse_formula"]

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[^\W\d]\w*)|`(?P<quoted>[^`]+)`"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<sign>[-+])|(?P<times>\*))"
)
_MOST_FACTORS = 64
_MOST_DIGITS = 30
_EXACT = Context(prec=100)


@dataclass(frozen=True, slots=True)
class Product:
    """Columns multiplied with each other and with a number."""

    factor: Decimal
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Formula:
    """A sum of products.

    Examples
    --------
    >>> parse_formula("Price * Quantity - `Gift card`").columns
    ('Price', 'Quantity', 'Gift card')
    """

    products: tuple[Product, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns used, each once."""
        return tuple(dict.fromkeys(name for one in self.products for name in one.columns))


@lru_cache(maxsize=256)
def parse_formula(text: str) -> Formula:
    """Read a formula such as ``"UnitPrice * Quantity + Shipping - 0.5 * `Gift card`"``.

    Raises
    ------
    ValueError
        Saying where it cannot be read and what is expected there.

    Examples
    --------
    >>> parse_formula("-Net * 1.19")
    Formula(products=(Product(factor=Decimal('-1.19'), columns=('Net',)),))
    >>> parse_formula("Net *")
    Traceback (most recent call last):
    ...
    ValueError: at character 6: expected a column or a number
    """
    tokens = _tokens(text)
    products: list[Product] = []
    at = 0
    while at < len(tokens):
        factor = Decimal(1)
        kind, value, place = tokens[at]
        if kind == "sign":
            factor, at = Decimal(f"{value}1"), at + 1
        elif products:
            raise ValueError(f"at character {place}: expected +, - or *")
        product, at = _product(tokens, at, factor, len(text) + 1)
        products.append(product)
    if not any(product.columns for product in products):
        raise ValueError("a formula must name at least one column")
    return Formula(tuple(products))


def _tokens(text: str) -> list[tuple[str, str, int]]:
    """Return kind, text and place (from 1) of each token."""
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"at character {_start(text, at)}: not a column, number, +, - or *")
        tokens.append((found.lastgroup, found[found.lastgroup], found.start(found.lastgroup) + 1))
        at = found.end()
    if len(tokens) > 2 * _MOST_FACTORS:
        raise ValueError(f"more than {_MOST_FACTORS} columns and numbers")
    return tokens


def _start(text: str, at: int) -> int:
    return at + len(text[at:]) - len(text[at:].lstrip()) + 1


def _product(
    tokens: list[tuple[str, str, int]], at: int, factor: Decimal, end: int
) -> tuple[Product, int]:
    """Read factors joined by ``*``; return them and where the next token stands."""
    columns: list[str] = []
    while True:
        kind, value, place = tokens[at] if at < len(tokens) else ("end", "", end)
        if kind == "number":
            factor = _EXACT.multiply(factor, Decimal(value))
            if len(value) > _MOST_DIGITS or len(factor.as_tuple().digits) > _MOST_DIGITS - 3:
                raise ValueError(f"at character {place}: too many digits")
        elif kind in {"name", "quoted"}:
            columns.append(value)
        else:
            raise ValueError(f"at character {place}: expected a column or a number")
        at += 1
        if at >= len(tokens) or tokens[at][0] != "times":
            return Product(factor, tuple(columns)), at
        at += 1
