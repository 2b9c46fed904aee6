"""Customers counted by the values that quantiles are measured on, as an engine counts them.

A score is measured on columns that do not rest on quantiles themselves: customers who have the
same values there get the same points, so that it is enough to know how many they are. Counts are
rows of ``score``, ``value`` (whole numbers: minor units, days or microseconds since 1970-01-01),
``divisor`` (of a ratio) and ``customers``. Floats stand in ``number``. Where a score is measured
on several columns at once, the values of the others stand in ``value_2`` and so on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, cast

import numpy as np

from crmcore.columns import Column, Ints
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.facts import check_ranges, read_column
from crmcore.kernels import INT64_MAX
from crmcore.policy import Policy
from crmcore.records.raw import Raw, RawValues, raw_column
from crmcore.scoring import QuantileStep, Step

__all__ = [
    "CUSTOMERS",
    "SCORE",
    "Group",
    "Place",
    "grounds",
    "places",
    "read_counts",
    "steps_between",
]

SCORE: Final = "score"
CUSTOMERS: Final = "customers"


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """What a score is measured on: columns, and how many customers each row stands for."""

    columns: Mapping[str, Column]
    customers: Ints


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column of a policy stands in counts.

    Parameters
    ----------
    name, type
        The column's name, and what it holds.
    value, divisor
        The columns of counts with its values and, of a ratio, its divisors.
    """

    name: str
    type: FieldType
    value: str
    divisor: str | None

    @property
    def columns(self) -> dict[str, FieldType]:
        """What the columns of counts hold, by name."""
        held = FieldType("float" if self.type.kind == "float" else "int")
        return {self.value: held} | ({} if self.divisor is None else {self.divisor: held})


def grounds(policy: Policy) -> dict[str, tuple[str, ...]]:
    """Return for each score with quantiles the columns it is measured on, or rests on.

    None of them rests on quantiles that are still to be measured.
    """
    found: dict[str, dict[str, None]] = {}
    for step in policy.steps:
        if isinstance(step, QuantileStep) or any(name in found for name in step.needs):
            parts = (found.get(name, (name,)) for name in step.needs)
            found[step.name] = dict.fromkeys(chain.from_iterable(parts))
    measured = [step.name for step in policy.steps if isinstance(step, QuantileStep)]
    return {name: tuple(found[name]) for name in measured}


def steps_between(policy: Policy, given: Collection[str], wanted: Collection[str]) -> list[Step]:
    """Return the steps that lead from given columns to wanted ones, each after what it needs."""
    found, names = [], set(wanted).difference(given)
    for step in reversed(policy.steps):
        if step.name in names:
            found.append(step)
            names.update(set(step.needs).difference(given))
    return found[::-1]


def places(policy: Policy) -> dict[str, tuple[Place, ...]]:
    """Return for each score with quantiles where its columns stand in counts."""
    return {
        score: tuple(_place(name, at, policy) for at, name in enumerate(names, start=1))
        for score, names in grounds(policy).items()
    }


def _place(name: str, at: int, policy: Policy) -> Place:
    type_, end = policy.fields[name], "" if at == 1 else f"_{at}"
    value = "number" if type_.kind == "float" else "value"
    return Place(name, type_, value + end, f"divisor{end}" if type_.kind == "ratio" else None)


# Counts read


def read_counts(policy: Policy, counts: object | Mapping[str, RawValues]) -> dict[str, Group]:
    """Return what each score with quantiles is measured on.

    Raises
    ------
    DataError
        These are not the counts of this policy.
    """
    where = places(policy)
    columns = _columns(counts, where)
    _check_customers(columns[CUSTOMERS])
    labels, groups = columns[SCORE], {}
    if not labels.is_known().all() or not where.keys() >= set(labels.categories):
        message = f"each row names a score with quantiles; there are: {', '.join(where)}"
        raise DataError(message, column=SCORE)
    for score, its in where.items():
        code = labels.categories.index(score) if score in labels.categories else -1
        rows = np.flatnonzero(labels.values == code)
        here = {name: column.take(rows) for name, column in columns.items()}
        customers = cast(Ints, here[CUSTOMERS].values)
        groups[score] = Group(_measured(here, its, policy), customers)
    _check_sums([group.customers for group in groups.values()])
    return groups


def _columns(counts: object, where: Mapping[str, Sequence[Place]]) -> dict[str, Column]:
    """Return the columns of counts, all there and of one length."""
    fields = {SCORE: FieldType("label"), CUSTOMERS: FieldType("int")}
    for place in chain.from_iterable(where.values()):
        fields |= place.columns
    raw = _raw(counts)
    for name in (*fields, *raw):
        if name not in raw or name not in fields:
            message = f"counts for this policy have the columns {', '.join(fields)}"
            raise DataError(message, column=name)
        if len(raw[name]) != len(raw[SCORE]):
            raise DataError("columns differ in length", column=name)
    return {name: read_column(name, raw[name], None, field) for name, field in fields.items()}


def _raw(counts: object) -> Mapping[str, Raw]:
    if isinstance(counts, Mapping):
        return {name: raw_column(name, given) for name, given in counts.items()}
    from crmcore.records.arrow import raw_columns

    return raw_columns(counts)


def _check_customers(customers: Column) -> None:
    few = cast(Ints, customers.values) < 1
    wrong = int(np.count_nonzero(few | ~customers.is_known()))
    if wrong:
        raise DataError("each row counts 1 customer or more", column=CUSTOMERS, count=wrong)


def _check_sums(customers: Iterable[Ints]) -> None:
    """Refuse more customers than 64 bits hold, and scores that do not count the same people."""
    sums = {sum(one.tolist()) for one in customers}
    if max(sums) > INT64_MAX:
        raise DataError("customers add up beyond 64 bits", column=CUSTOMERS)
    if len(sums) > 1:
        message = "scores count different numbers of customers, and each counts everybody"
        raise DataError(message, column=CUSTOMERS)


def _measured(
    here: Mapping[str, Column], its: Sequence[Place], policy: Policy
) -> dict[str, Column]:
    """Return the columns that a score is measured on, from the rows of counts for it."""
    mine = [name for place in its for name in place.columns]
    for name, column in here.items():
        if name not in (SCORE, CUSTOMERS, *mine) and column.is_known().any():
            raise DataError("a value where its score has none", column=name)
    rows = list(zip(*(here[name].to_list() for name in mine), strict=True))
    if len(set(rows)) < len(rows):
        raise DataError("a score counts the same value in several rows", column=mine[0])
    found = {place.name: _column(place, here) for place in its}
    check_ranges(found, {one.name: one.type for one in its if one.name not in policy.facts})
    return found


def _column(place: Place, here: Mapping[str, Column]) -> Column:
    values, type_, divisor = here[place.value], place.type, None
    if place.divisor is not None:
        below = here[place.divisor]
        divisor = cast(Ints, below.values)
        known = values.is_known()
        if (known != below.is_known()).any() or (divisor[known] < 1).any():
            message = "a ratio has a divisor above 0 beside each value, and nowhere else"
            raise DataError(message, column=place.divisor)
    return Column(type_.kind, values.values, values.known, divisor, type_.exponent)
