"""Numbers of a shop's columns, exactly: from text and decimals to whole minor units.

A number becomes a wide whole number of a power of ten. How many digits each column may have is
fixed when the query is written, so that no product or sum leaves what every engine holds; a number
with more is an error when it is met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from crmcore.errors import DataError
from crmcore.records.formula import Product
from crmcore.records.source import Rounding
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.nodes import Node

__all__ = [
    "FINE",
    "MISSING",
    "NOT_FINITE",
    "UNREADABLE",
    "Sum",
    "bound",
    "scaled",
    "trouble",
    "units",
    "written",
]

FINE, MISSING, UNREADABLE, NOT_FINITE = range(4)

_PLAIN: Final = "[+-]?(?:[0-9]+(?:[.][0-9]+)?|[.][0-9]+)"
_LONGEST_TEXT: Final = 100
_WIDEST: Final = 36
_NARROWEST: Final = 9
_MOST_PLACES: Final = 9
_LIMIT: Final = 10**37
_EXACT: Final = Context(prec=400)


# One number


def written(value: Node, kind: str, dialect: Dialect) -> Node:
    """Return a value of a kind as text, decimals with all their digits."""
    return dialect.digits(value) if kind == "decimal" else dialect.text(value)


def trouble(value: Node, kind: str, dialect: Dialect) -> Node:
    """Return whether a value is a number, or why not: one of the constants of this module."""
    text = dialect.text(value)
    cases, rest = [(nodes.is_missing(value), _number(MISSING))], FINE
    if kind == "text":
        short = nodes.compare(nodes.call("LENGTH", text), "<=", nodes.number(_LONGEST_TEXT))
        plain = nodes.all_of([short, dialect.matches(text, _PLAIN)])
        cases.append((plain, _number(FINE)))
        rest = UNREADABLE
    if kind == "decimal":
        infinite = nodes.among(text, map(nodes.text, ("Infinity", "-Infinity")))
        cases.append((infinite, _number(NOT_FINITE)))
    return nodes.choose(cases, _number(rest))


def scaled(text: Node, width: int, places: int, dialect: Dialect) -> Node:
    """Return a number, as it is written, as a wide whole number of ``10**-places``."""
    plain = nodes.call("REPLACE", text, nodes.text("-"), nodes.text(""))
    plain = nodes.call("REPLACE", plain, nodes.text("+"), nodes.text(""))
    whole, part = (nodes.call("SPLIT_PART", plain, nodes.text("."), _number(at)) for at in (1, 2))
    beyond = nodes.call("SUBSTR", part, _number(places + 1))
    fits = [
        dialect.matches(whole, f"0*[0-9]{{0,{width - places}}}"),
        nodes.compare(_without_zeros(beyond), "==", nodes.text("")),
    ]
    padded = nodes.call(
        "LEFT", nodes.compute(part, "||", nodes.text("0" * places)), _number(places)
    )
    digits = nodes.compute(nodes.compute(nodes.text("0"), "||", whole), "||", padded)
    size = dialect.wide(nodes.call("RIGHT", digits, _number(width)))
    below = nodes.compare(nodes.call("LEFT", text, _number(1)), "==", nodes.text("-"))
    signed = nodes.choose([(below, nodes.compute(dialect.wide_number(0), "-", size))], size)
    wrong = dialect.refuse("a number has more digits than the query can compute with", signed)
    return nodes.choose([(nodes.all_of(fits), signed)], wrong)


def _without_zeros(text: Node) -> Node:
    return nodes.call("REPLACE", text, nodes.text("0"), nodes.text(""))


def _number(value: int) -> Node:
    return nodes.number(value, "int")


# Sums of products


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of products as a whole number of ``10**-scale``.

    Parameters
    ----------
    products
        The products, by *their* column names.
    factors
        What each is multiplied with, as a whole number.
    scale
        Decimal places of the sum, not fewer than those of the minor unit.
    width, places
        Digits of each column's number, and of these after the point; whole numbers have no such.
    """

    products: tuple[Product, ...]
    factors: tuple[int, ...]
    scale: int
    width: int
    places: Mapping[str, int]

    @classmethod
    def of(cls, products: Sequence[Product], kinds: Mapping[str, str], exponent: int) -> Sum:
        """Return the sum with as many digits a column as fit.

        Raises
        ------
        DataError
            It multiplies too many columns.
        """
        for width in range(_WIDEST, _NARROWEST - 1, -1):
            made = cls._with(tuple(products), kinds, exponent, width)
            sizes = zip(made.factors, made.products, strict=True)
            if sum(abs(f) * 10 ** (width * len(one.columns)) for f, one in sizes) < _LIMIT:
                return made
        raise DataError("an amount of too many columns for a query: 38 digits do not hold it")

    @classmethod
    def _with(
        cls, products: tuple[Product, ...], kinds: Mapping[str, str], exponent: int, width: int
    ) -> Sum:
        names = {name for one in products for name in one.columns}
        most = min(_MOST_PLACES, width // 2)
        places = {name: 0 if kinds[name] == "whole" else most for name in names}
        own = [max(0, -int(one.factor.as_tuple().exponent)) for one in products]
        scales = [
            at + sum(places[name] for name in one.columns)
            for at, one in zip(own, products, strict=True)
        ]
        scale = max(*scales, exponent)
        factors = tuple(
            int(one.factor.scaleb(at, _EXACT)) * 10 ** (scale - whole)
            for one, at, whole in zip(products, own, scales, strict=True)
        )
        return cls(products, factors, scale, width, places)

    def node(self, numbers: Mapping[str, Node], dialect: Dialect) -> Node:
        """Return the sum, given the number of each column."""
        terms = []
        for factor, product in zip(self.factors, self.products, strict=True):
            term = dialect.wide_number(factor)
            for name in product.columns:
                term = nodes.compute(term, "*", numbers[name])
            terms.append(term)
        total = terms[0]
        for term in terms[1:]:
            total = nodes.compute(total, "+", term)
        return total


# Minor units


def units(total: Node, digits: int, rounding: Rounding, dialect: Dialect) -> tuple[Node, Node]:
    """Return wide whole units, missing beyond 64 bits, and whether something was left over.

    `digits` is how many digits are to go.
    """
    if digits == 0:
        return total, nodes.truth(False)
    # No sum reaches the limit: of a unit beyond it there is less than half of one.
    unit = min(10**digits, 2 * _LIMIT)
    most = min(2**63 * unit, _LIMIT)
    wide = dialect.wide_number
    inside = nodes.all_of(
        [nodes.compare(total, ">", wide(-most)), nodes.compare(total, "<", wide(most))]
    )
    cut = dialect.wide(nodes.compute(total, "//", wide(unit)))
    rest = nodes.compute(total, "%", wide(unit))
    rounded = nodes.compute(cut, "+", _step(cut, rest, unit, rounding, dialect))
    return nodes.choose([(inside, rounded)]), nodes.compare(rest, "!=", wide(0))


def _step(cut: Node, rest: Node, unit: int, rounding: Rounding, dialect: Dialect) -> Node:
    """Return what is added to the quotient without its fraction: -1, 0 or 1."""
    wide = dialect.wide_number
    if rounding in ("refuse", "down"):
        return wide(0)
    cases = []
    for sign in (1, -1):
        twice = nodes.compute(rest, "*", wide(2 * sign))
        past, tie = nodes.compare(twice, ">", wide(unit)), nodes.compare(twice, "==", wide(unit))
        if rounding == "half_even":
            odd = nodes.compare(nodes.compute(cut, "%", wide(2)), "!=", wide(0))
            tie = nodes.all_of([tie, odd])
        cases.append((nodes.any_of([past, tie]), wide(sign)))
    return nodes.choose(cases, wide(0))


def bound(value: Decimal, places: int, *, up: bool) -> int:
    """Return a bound as a whole number of ``10**-places``, rounded up or down."""
    shifted = value.scaleb(places, _EXACT)
    rounded = shifted.to_integral_value("ROUND_CEILING" if up else "ROUND_FLOOR", _EXACT)
    return max(-_LIMIT, min(_LIMIT, int(rounded)))
