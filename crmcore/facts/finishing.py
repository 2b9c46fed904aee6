"""Figures to columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from crmcore.columns import Column, Ints, Mask
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.facts.measures import Figure, Recipe, Watch, beyond
from crmcore.facts.spec import Fact
from crmcore.timing import Timing

Shared = TypeVar("Shared", Ints, Mask)

__all__ = ["Finish", "nothing", "refuse_beyond"]

_ZERO = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Finish:
    """Makes columns of figures; several may share an array, which is read-only there.

    Parameters
    ----------
    figures
        The figures, of `size` customers each.
    timing
        The moments to which days are counted.
    exponent
        Decimal digits of the currency.
    owned
        Whether the figures are nobody else's, so that smallest and largest values can be filled
        in place where there are none.
    """

    figures: Mapping[Figure, Ints]
    size: int
    timing: Timing
    exponent: int
    owned: bool = False
    _known: dict[Figure, Mask | None] = field(default_factory=dict)

    def column(self, name: str, fact: Fact, recipe: Recipe) -> Column:
        """Return the column of one fact.

        Raises
        ------
        DataError
            When a customer's absolute amounts add up beyond 64 bits.
        """
        type_ = self.type_of(name, fact)
        values = self.figures.get(recipe.values)
        if values is None:
            return nothing(type_, self.size)
        if recipe.watch is not None:
            refuse_beyond(name, recipe.watch, self.figures)
        if recipe.counts is None:
            return Column(type_.kind, _signed(values, recipe), exponent=type_.exponent)
        known = self._known_by(recipe.counts)
        if type_.kind == "ratio":
            # Where it is 0 the ratio is not known.
            divisor = _shared(self.figures[recipe.counts])
            return Column("ratio", _signed(values, recipe), known, divisor, type_.exponent)
        if recipe.values.of == "placed":
            values = self._time(values, known, fact, type_)
        else:
            values = _signed(self._filled(values, known, _ZERO), recipe)
        return Column(type_.kind, values, known, exponent=type_.exponent)

    def type_of(self, name: str, fact: Fact) -> FieldType:
        """Return the kind of column that a fact gives."""
        return fact.field_type(name, self.exponent)

    def _known_by(self, counts: Figure) -> Mask | None:
        if counts not in self._known:
            known = self.figures[counts] > 0
            self._known[counts] = None if known.all() else _shared(known)
        return self._known[counts]

    def _time(self, found: Ints, known: Mask | None, fact: Fact, type_: FieldType) -> Ints:
        """Return instants, local days, or days up to the moment."""
        moment = self.timing.of(windowed=fact.window is not None)
        found = self._filled(found, known, moment.at[:1])
        if type_.kind == "instant":
            return _shared(found)
        days = self.timing.zone.local_days(found)
        return days if type_.kind == "date" else moment.day - days

    def _filled(self, values: Ints, known: Mask | None, other: Ints) -> Ints:
        """Return the values, and another one where they are not known.

        Facts that share a figure share what is known, and the moment: in place it comes to the same
        however often it is done.
        """
        if known is None:
            return values
        if not self.owned:
            return np.where(known, values, other)
        np.copyto(values, other, where=~known)
        return values


def _signed(values: Ints, recipe: Recipe) -> Ints:
    return -values if recipe.negated else _shared(values)


def _shared(array: Shared) -> Shared:
    """Return a view that nobody can write to: what changed one column would change others."""
    view = array.view()
    view.flags.writeable = False
    return view


def refuse_beyond(name: str, watch: Watch, figures: Mapping[Figure, Ints]) -> None:
    """Refuse a sum whose absolute values leave 64 bits, if the figures that tell it were kept.

    Raises
    ------
    DataError
        With the number of customers.
    """
    gross = None if watch.gross is None else figures.get(watch.gross)
    if watch.total not in figures or (gross is None and watch.gross is not None):
        return
    outside = beyond(figures[watch.total], gross, figures.get(watch.high))
    count = int(np.count_nonzero(outside))
    if count:
        message = "the absolute amounts of a customer add up beyond 64 bits"
        raise DataError(message, column=name, count=count)


def nothing(type_: FieldType, size: int) -> Column:
    """Return the column of a fact that is missing for everybody."""
    divisor = np.ones(size, np.int64) if type_.kind == "ratio" else None
    known = np.zeros(size, np.bool_)
    return Column(type_.kind, np.zeros(size, np.int64), known, divisor, type_.exponent)
