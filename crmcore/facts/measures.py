"""What is counted and added up to get a fact: figures of rows, each an int64 a customer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from crmcore.columns import Ints, Mask
from crmcore.conditions import Condition
from crmcore.facts.spec import Fact
from crmcore.kernels import Take

__all__ = [
    "Chosen",
    "Figure",
    "Kind",
    "Of",
    "Recipe",
    "Stated",
    "Watch",
    "beyond",
    "recipe_of",
    "watch_of",
]

Kind: TypeAlias = Literal["order", "sold", "sale", "back", "net", "return"]
"""Which rows by status: all orders; those in a sale status; of these the ones with something left;
returns of no order; what is sold and those returns; all returns."""
Of: TypeAlias = Literal[
    "placed",
    "amount",
    "amount_high",
    "left",
    "left_high",
    "quantity",
    "quantity_high",
    "quantity_positive",
]
"""A column of the rows. The `high` ones are absolute values over 2³²."""
Stated: TypeAlias = Literal["quantity", "promotion"]


class Chosen(NamedTuple):
    """Rows of one kind in one window.

    Parameters
    ----------
    kind, window, where
        As a fact has them.
    stated
        A column that must hold something in the row.
    """

    kind: Kind
    window: str | None
    where: Condition | None = None
    stated: Stated | None = None


class Figure(NamedTuple):
    """A count, a sum, the smallest or the largest value of the rows chosen, for each customer."""

    rows: Chosen
    take: Take
    of: Of = "placed"


@dataclass(frozen=True, slots=True)
class Watch:
    """What tells whether the absolute values of a sum add up beyond 64 bits.

    Parameters
    ----------
    total
        The sum itself: of the amounts of orders and returns, each for itself, or of quantities.
    gross
        The sum of those above 0. With it the sum of absolute values is 2 gross - total, up to
        multiples of 2⁶⁴. ``None``: none is above 0.
    high
        The sum of their absolute values over 2³², each rounded down. Not kept where all are 0.
    """

    total: Figure
    gross: Figure | None
    high: Figure


def beyond(total: Ints, gross: Ints | None, high: Ints | None) -> Mask:
    """Tell where absolute values add up beyond 64 bits, from what a `Watch` keeps.

    Exact where less than 2³¹ values are added: unless their high parts come to 2³¹ or more, their
    sum is below 2⁶⁴, and then its uppermost bit tells.
    """
    outside: Mask = (-total if gross is None else 2 * gross - total) < 0
    return outside if high is None else outside | (high >= 2**31)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a fact is made of figures.

    Parameters
    ----------
    values
        The figure that it is, or that its mean or share is made of.
    counts
        The figure that is 0 where the fact is missing, and by which a ratio is divided; ``None``
        for a fact that is never missing.
    watch
        What tells whether a sum is beyond 64 bits.
    negated
        Whether the values are of returns, whose amounts are negative.
    """

    values: Figure
    counts: Figure | None = None
    watch: Watch | None = None
    negated: bool = False

    @property
    def figures(self) -> list[Figure]:
        """The figures that the fact itself is made of."""
        return [self.values] if self.counts is None else [self.values, self.counts]


@lru_cache(maxsize=1024)
def recipe_of(fact: Fact) -> Recipe:
    """Return how to make a fact of merge kind ``constant`` that does not look at lines."""
    rows = _rows_of(fact)
    counts = Figure(rows, "count")
    negated = fact.of == "return" and fact.measure == "value"
    match fact.take:
        case "count":
            return Recipe(counts)
        case "share":
            return Recipe(Figure(rows._replace(stated="promotion"), "count"), counts)
        case "sum" | "mean":
            watch = watch_of(fact)
            return Recipe(watch.total, counts if fact.take == "mean" else None, watch, negated)
        case "min" | "max":
            least = (fact.take == "min") is not negated
            figure = Figure(rows, "smallest" if least else "largest", _column_of(fact))
            return Recipe(figure, counts, negated=negated)
    first = fact.take.endswith("first")
    return Recipe(Figure(rows, "smallest" if first else "largest"), counts)


def watch_of(fact: Fact) -> Watch:
    """Return what is added up for a sum, and what tells whether it fits.

    The sum over sales is net: what is left of all orders in a sale status, less the returns that
    belong to no order. Its absolute values are those of the orders and of all returns.
    """
    rows, column = _rows_of(fact), _column_of(fact)
    match column:
        case "quantity":
            high: Of = "quantity_high"
            gross: Figure | None = Figure(rows, "sum", "quantity_positive")
        case "left":
            high, gross = "left_high", Figure(rows._replace(kind="sold"), "sum", "amount")
            rows = rows._replace(kind="net")
        case _:
            high = "amount_high"
            gross = Figure(rows, "sum", "amount") if fact.of == "order" else None
    return Watch(Figure(rows, "sum", column), gross, Figure(rows, "sum", high))


def _rows_of(fact: Fact) -> Chosen:
    assert fact.of != "line"
    numbers = fact.take in ("sum", "mean", "min", "max")
    stated: Stated | None = "quantity" if numbers and fact.measure == "quantity" else None
    return Chosen(fact.of, fact.window, fact.where, stated)


def _column_of(fact: Fact) -> Literal["quantity", "left", "amount"]:
    if fact.measure == "quantity":
        return "quantity"
    return "left" if fact.of == "sale" else "amount"
