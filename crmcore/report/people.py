"""Customers whose explanation tells something: close to the next grade, or about to lose theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np

from crmcore.columns import Ints
from crmcore.evaluation import Evaluation, Explanation
from crmcore.records.ids import Id
from crmcore.scoring import BandStep

__all__ = ["Person", "Why", "telling_people"]

Why: TypeAlias = Literal["near", "slipping"]

_TRIED = 12
_LEAST_SALES, _MOST_ORDERS = 3, 12


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A customer chosen to be explained.

    Parameters
    ----------
    customer_id
        Who.
    why
        ``near``: few points short of the next grade. ``slipping``: the grade changes soonest if
        nothing is bought.
    explanation
        The whole explanation.
    """

    customer_id: Id
    why: Why
    explanation: Explanation


def telling_people(result: Evaluation) -> tuple[Person, ...]:
    """Return up to two customers, the same ones for the same result.

    Both have a grade for their class. One has the fewest points to go to the next grade, and of
    those a short history and the highest grade. The other stands on the lower edge of a higher
    grade, and of a dozen such with the oldest last sale is the first to lose it.
    """
    step = result.policy.step("grade")
    assert isinstance(step, BandStep)  # as in the preset
    graded = _graded(result)
    if len(graded) == 0:
        return ()
    score = cast(Ints, result.columns[step.source].values[graded])
    edges = step.bands.edges
    place = np.searchsorted(edges, score, "right") - 1
    people = [_near(result, graded, score, place, cast(Ints, edges))]
    people.append(_slipping(result, graded[(place > 0) & (score == edges[place])]))
    return tuple(person for person in people if person is not None)


def _graded(result: Evaluation) -> Ints:
    """Return the rows whose class is their grade."""
    labels, grades = result.columns["class"], result.columns["grade"]
    codes = [labels.categories.index(name) for name in grades.categories]
    return np.flatnonzero(grades.is_known() & np.isin(labels.values, codes))


def _near(result: Evaluation, rows: Ints, score: Ints, place: Ints, edges: Ints) -> Person | None:
    below_top = place < len(edges) - 1
    rows, score, place = rows[below_top], score[below_top], place[below_top]
    if len(rows) == 0:
        return None
    short = edges[place + 1] - score
    orders = cast(Ints, result.columns["orders_ever"].values)[rows]
    sales = cast(Ints, result.columns["sale_count"].values)[rows]
    dull = (orders > _MOST_ORDERS) | (sales < _LEAST_SALES)
    best = np.lexsort((rows, orders, -place, dull, short))[0]
    return _person(result, int(rows[best]), "near")


def _slipping(result: Evaluation, rows: Ints) -> Person | None:
    last = result.columns["last_sale_on"].values[rows]
    tried = rows[np.lexsort((rows, last))[:_TRIED]]
    people = [_person(result, int(row), "slipping") for row in tried]
    changing = [one for one in people if one.explanation["class"].changes_on is not None]
    return min(changing, key=lambda one: str(one.explanation["class"].changes_on), default=None)


def _person(result: Evaluation, row: int, why: Why) -> Person:
    customer_id = result.ids[row]
    return Person(customer_id, why, result.explain(customer_id))
