"""Facts in parts: figures of fixed size a customer, which merge, and columns made of them.

    plan = FactPlan(policy.facts, policy.windows, policy.sale_statuses)
    total = plan.partial(batch, timing)                     # orders of one batch
    total = total.merge(plan.partial(other_batch, timing))  # any order, any tree, any customers
    columns = plan.finish(total, timing, policy.currency.exponent)

Only facts whose `merge_kind` is ``constant`` and that do not look at lines can be made so:
`FactPlan.constant` names them. The others, `FactPlan.holistic`, need all rows of a customer at
once: `summarise`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from crmcore import kernels
from crmcore.calendars import FIRST_INSTANT, LAST_INSTANT, Window
from crmcore.columns import Codes, Column, Ints, Mask
from crmcore.errors import DataError
from crmcore.facts.books import Books
from crmcore.facts.finishing import Finish
from crmcore.facts.measures import Figure, Recipe, recipe_of
from crmcore.facts.spec import Fact
from crmcore.facts.tallying import tally
from crmcore.kernels import Take
from crmcore.records.ids import Ids
from crmcore.records.orders import OrderTable
from crmcore.timing import Timing

__all__ = ["FactPlan", "Partial", "impossible"]


class _Joining(NamedTuple):
    """How two figures become one, and those of many rows; and the figure of no rows."""

    pair: np.ufunc
    group: Callable[[Codes, Ints, int], Ints]
    of_no_rows: int


_ADDING = _Joining(np.add, kernels.add, 0)
_JOINING: dict[Take, _Joining] = {
    "count": _ADDING,
    "sum": _ADDING,
    "smallest": _Joining(np.minimum, kernels.smallest, kernels.INT64_MAX),
    "largest": _Joining(np.maximum, kernels.largest, -kernels.INT64_MAX - 1),
}


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Figures of the customers of a batch of orders.

    Parameters
    ----------
    ids
        The customers, distinct and ascending.
    figures
        For each figure one int64 a customer; a figure that is not there is 0 for all of them, or
        of a column that the batch does not have. Never changed in place.
    """

    ids: Ids
    figures: Mapping[Figure, Ints]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Partial({len(self)} customers, {len(self.figures)} figures)"

    def merge(self, other: Partial) -> Partial:
        """Return the figures of the orders of both, which may have customers in common.

        Counts and sums are added, the smallest or the largest is taken: the result does not
        depend on the order or the tree in which batches are merged. Neither part is changed.

        Notes
        -----
        Cost: a copy of the larger part, and a few steps for each customer of the smaller one. So
        merge parts of about the same size with each other, where there are many.
        """
        if len(self) < len(other):
            return other.merge(self)
        ids, mine, theirs = self.ids.merge(other.ids)
        figures = {
            figure: _placed(figure, self.figures.get(figure), mine, len(ids))
            for figure in self.figures.keys() | other.figures.keys()
        }
        for figure, values in other.figures.items():
            join = _JOINING[figure.take].pair
            figures[figure][theirs] = join(figures[figure][theirs], values)
        return Partial(ids, figures)

    @classmethod
    def grouped(cls, ids: Ids, codes: Codes, figures: Mapping[Figure, Ints]) -> Partial:
        """Return the figures of customers of whom each has any number of rows: ``codes[i]`` of i.

        Figures of rows that are already those of the ids are not copied.

        Raises
        ------
        DataError
            Counts or high parts add up beyond 64 bits, as those of orders never do.
        """
        if len(ids) == len(codes) and bool((np.diff(codes) > 0).all()):
            return cls(ids, figures)
        for figure, values in figures.items():
            if _is_natural(figure) and len(kernels.overflows(codes, values, len(ids))):
                raise DataError("what is counted of a customer adds up beyond 64 bits")
        joined = {
            figure: _JOINING[figure.take].group(codes, values, len(ids))
            for figure, values in figures.items()
        }
        return cls(ids, joined)


def _placed(figure: Figure, values: Ints | None, place: Ints, size: int) -> Ints:
    """Return a copy of a figure for more customers, among whom these have their places."""
    if values is not None and len(values) == size:
        return values.copy()
    placed = np.full(size, _JOINING[figure.take].of_no_rows)
    if values is not None:
        placed[place] = values
    return placed


def _is_natural(figure: Figure) -> bool:
    return figure.take == "count" or figure.of.endswith("_high")


def impossible(figure: Figure, figures: Mapping[Figure, Ints]) -> Mask:
    """Tell in which rows of figures one of them is none that orders come to.

    Counts and high parts are never negative; what is the first, last, smallest or largest of no
    rows is fixed, and first and last are times.
    """
    values = figures[figure]
    if figure.take not in ("smallest", "largest"):
        wrong: Mask = (values < 0) & _is_natural(figure)
        return wrong
    some = figures[Figure(figure.rows, "count")] > 0
    wrong = (values != _JOINING[figure.take].of_no_rows) & ~some
    if figure.of == "placed":
        wrong |= ((values < FIRST_INSTANT) | (values > LAST_INSTANT)) & some
    return wrong


@dataclass(frozen=True, eq=False)
class FactPlan:
    """What is counted and added up to get facts, each figure once for all facts that need it.

    Parameters
    ----------
    facts
        Declarations by name.
    windows
        The windows that the facts name.
    sale_statuses
        Statuses in which an order is a sale.
    """

    facts: Mapping[str, Fact]
    windows: Mapping[str, Window]
    sale_statuses: frozenset[str]

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """How each fact that can be made of merged parts is made of figures."""
        return {
            name: recipe_of(fact)
            for name, fact in self.facts.items()
            if fact.of != "line" and fact.merge_kind == "constant"
        }

    @property
    def constant(self) -> dict[str, Fact]:
        """The facts that can be made of merged parts."""
        return {name: fact for name, fact in self.facts.items() if name in self.recipes}

    @property
    def holistic(self) -> dict[str, Fact]:
        """The facts that need all rows of a customer at once, or lines."""
        return {name: fact for name, fact in self.facts.items() if name not in self.recipes}

    def partial(self, orders: OrderTable, timing: Timing) -> Partial:
        """Return the figures of a batch of orders, for its customers. One pass over the rows.

        A linked return must stand in the same batch as its sale.

        Parameters
        ----------
        orders
            Orders of any customers.
        timing
            One moment for everybody, the same for every batch.

        Raises
        ------
        DataError
            When an order and its returns add up beyond 64 bits.
        """
        books = Books(orders, timing, self.windows, self.sale_statuses)
        return Partial(orders.customer_ids, tally(books, self.figures))

    def finish(self, partial: Partial, timing: Timing, exponent: int) -> dict[str, Column]:
        """Return the columns of the constant facts, one row for each of ``partial.ids``.

        Parameters
        ----------
        partial
            The figures of all batches. They are not changed, but columns may be views of them.
        timing
            That of the batches.
        exponent
            Decimal digits of the currency.

        Raises
        ------
        DataError
            When a customer's absolute amounts add up beyond 64 bits, in all batches together.
        """
        finish = Finish(partial.figures, len(partial), timing, exponent)
        return {
            name: finish.column(name, self.facts[name], recipe)
            for name, recipe in self.recipes.items()
        }

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """The figures to be kept of a batch, each once; of the other batches nothing is known."""
        recipes = self.recipes.values()
        kept = (figure for one in recipes for figure in (*one.figures, *_told(one)))
        return tuple(dict.fromkeys(kept))

    def figures_alone(self, books: Books) -> Iterator[Figure]:
        """Yield the figures to be kept of orders beside which there are no others.

        What tells of sums beyond 64 bits is left out where no sum of values so small can get
        there.
        """
        for recipe in self.recipes.values():
            yield from recipe.figures
            if recipe.watch is not None and not books.is_roomy(recipe.watch.total.of):
                yield from _told(recipe)


def _told(recipe: Recipe) -> list[Figure]:
    """Return the figures that tell of a sum beyond 64 bits."""
    watch = recipe.watch
    if watch is None:
        return []
    return [watch.high] if watch.gross is None else [watch.high, watch.gross]
