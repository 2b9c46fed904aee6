"""Who moves: the same customers under two policies, decision by decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from crmcore.columns import Column, Ints, Mask, Value
from crmcore.evaluation import Evaluation
from crmcore.money import to_decimal
from crmcore.policy import Policy
from crmcore.records.ids import Id, Ids

__all__ = ["Movement", "Mover", "codes_of", "differing", "merged_order", "movements"]

_LABELS = ("class", "grade", "segment", "stage")


@dataclass(frozen=True, slots=True)
class Mover:
    """One customer whose decision differs, with what it was and what it becomes."""

    customer_id: Id
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Movement:
    """What becomes of one decision of all customers.

    Parameters
    ----------
    name
        The decision.
    customers, moved
        How many customers there are, and for how many the decision differs.
    upgraded, downgraded
        How many come to stand higher or lower, for numbers and ordered labels; ``None`` where
        there is no order. Whoever gains or loses the decision altogether is in neither.
    labels
        For labels: all of them, the lowest first where they are ordered; ``None``, for no label,
        stands last. Empty for numbers.
    matrix
        For labels: how many customers go from each (row) to each (column).
    sales_fact, sales_moved, sales
        The fact that holds net sales, its sum for those who move, and for all, in major units;
        ``None`` where the second policy has no such fact.
    """

    name: str
    customers: int
    moved: int
    upgraded: int | None
    downgraded: int | None
    labels: tuple[str | None, ...]
    matrix: tuple[tuple[int, ...], ...]
    sales_fact: str | None
    sales_moved: Value
    sales: Value
    _ids: Ids = field(repr=False, compare=False)
    _columns: tuple[Column, Column] = field(repr=False, compare=False)

    @property
    def unchanged(self) -> int:
        """For how many customers the decision is the same."""
        return self.customers - self.moved

    def movers(self, most: int | None = None) -> tuple[Mover, ...]:
        """Return those who move, by ascending id, at most so many."""
        rows = np.arange(len(self._ids))[:most]
        before, after = (column.take(rows) for column in self._columns)
        return tuple(map(Mover, self._ids.take(rows), before, after))

    def __bool__(self) -> bool:
        return self.moved > 0


def movements(before: Evaluation, after: Evaluation) -> tuple[Movement, ...]:
    """Return what becomes of each decision that both results have, labels first."""
    both = [step.name for step in after.policy.steps if step.name in before.columns]
    first = [name for name in _LABELS if name in both]
    sales = _sales_fact(after)
    return tuple(_movement(name, before, after, sales) for name in dict.fromkeys([*first, *both]))


def _movement(name: str, before: Evaluation, after: Evaluation, sales_fact: str | None) -> Movement:
    then, now = before.columns[name], after.columns[name]
    labels: tuple[str | None, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()
    order: tuple[str, ...] | None = None
    if then.kind == now.kind == "label":
        merged, agree = merged_order(then.categories, now.categories)
        if agree and all(_is_ordered(policy, name) for policy in (before.policy, after.policy)):
            order = merged
        labels = merged
        old, new = codes_of(then, merged), codes_of(now, merged)
        if _has_missing(then) or _has_missing(now):
            labels = (*merged, None)
        matrix = _matrix(old, new, len(labels))
        differ, comparable = old != new, order is not None
    else:
        old, new = then.values.astype(np.float64), now.values.astype(np.float64)
        differ, comparable = differing(then, now), True
    known = then.is_known() & now.is_known()
    rows = np.flatnonzero(differ)
    return Movement(
        name,
        len(after),
        len(rows),
        _count((new > old) & known) if comparable else None,
        _count((new < old) & known) if comparable else None,
        labels,
        matrix,
        sales_fact,
        None if sales_fact is None else _total(after.columns[sales_fact].take(rows)),
        None if sales_fact is None else _total(after.columns[sales_fact]),
        after.ids.take(rows),
        (then.take(rows), now.take(rows)),
    )


def merged_order(before: Sequence[str], after: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Return all labels in one order, and whether both orders agree with it.

    Those of the second stand as there; the others come after the one they came after.

    Examples
    --------
    >>> merged_order(["bronze", "silver", "gold"], ["bronze", "gold", "platinum"])
    (('bronze', 'silver', 'gold', 'platinum'), True)
    """
    merged = list(after)
    place = 0
    for label in before:
        if label in after:
            place = merged.index(label) + 1
        else:
            merged.insert(place, label)
            place += 1
    common = [label for label in before if label in after]
    return tuple(merged), common == [label for label in after if label in before]


def _is_ordered(policy: Policy, name: str) -> bool:
    return policy.fields[name].ordered


def _has_missing(column: Column) -> bool:
    return column.known is not None and not bool(column.known.all())


def codes_of(column: Column, labels: Sequence[str]) -> Ints:
    """Return each label's place among all of them; after the last where there is none."""
    places = np.array([*map(labels.index, column.categories), 0], np.int64)
    codes = places.take(column.values.astype(np.int64), mode="clip")
    return np.where(column.is_known(), codes, len(labels))


def _matrix(old: Ints, new: Ints, size: int) -> tuple[tuple[int, ...], ...]:
    counts = np.bincount(old * size + new, minlength=size * size)
    return tuple(map(tuple, counts.reshape(size, size).tolist()))


def differing(then: Column, now: Column) -> Mask:
    """Return where two columns of numbers differ; missing is like missing only."""
    known_then, known_now = then.is_known(), now.is_known()
    result: Mask = (known_then != known_now) | (known_then & (then.values != now.values))
    return result


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _sales_fact(result: Evaluation) -> str | None:
    """Return the fact that sums what was sold: the usual one before all."""
    facts = result.policy.facts
    sums = [
        name
        for name, fact in facts.items()
        if (fact.of, fact.take, fact.measure, fact.where) == ("sale", "sum", "value", None)
    ]
    return next(iter(sorted(sums, key=lambda name: name != "net_sales")), None)


def _total(column: Column) -> Value:
    """Return an exact sum, whatever its size."""
    values = np.where(column.is_known(), column.values, 0).astype(np.int64)
    total = (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())
    return to_decimal(total, column.exponent)
