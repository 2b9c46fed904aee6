"""Views: many customers as a policy sees them, with how far each got in every table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from crmcore.columns import Column, Ints, Mask
from crmcore.conditions import Truth, evaluate
from crmcore.evaluation.pipeline import decide, given_moments
from crmcore.policy import Policy
from crmcore.scoring import Step
from crmcore.segments import TableStep
from crmcore.timing import Timing

__all__ = ["Reached", "View", "view_of", "walk"]


class Reached(NamedTuple):
    """One row of a table: who gets as far as it, and for whom it holds."""

    here: Mask
    truth: Truth


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Customers with all decisions.

    Parameters
    ----------
    policy
        The policy that decided.
    columns
        Facts, attributes, decisions, and the moments that conditions may name.
    rows
        How many customers.
    timing
        The moment.
    tables
        For each table its rows, and last who is left over for otherwise.
    refused
        The customers for whom a table refuses an unknown condition.
    """

    policy: Policy
    columns: Mapping[str, Column]
    rows: int
    timing: Timing
    tables: Mapping[str, tuple[tuple[Reached, ...], Mask]]
    refused: Mask


def view_of(
    policy: Policy,
    columns: Mapping[str, Column],
    rows: int,
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> View:
    """Put customers through a policy; those whom it refuses are marked instead of raised."""
    lenient = replace(policy, steps=tuple(map(_lenient, policy.steps)))
    decided = decide(lenient, columns, rows, timing, last_evaluated_us)
    decided |= given_moments(timing, last_evaluated_us)
    refused = np.zeros(rows, np.bool_)
    tables = {}
    for step in policy.steps:
        if isinstance(step, TableStep):
            reached, left, unknown = walk(step, decided, rows)
            tables[step.name] = (reached, left)
            refused |= unknown
    return View(policy, decided, rows, timing, tables, refused)


def _lenient(step: Step) -> Step:
    if isinstance(step, TableStep) and step.table.unknown == "error":
        return replace(step, table=replace(step.table, unknown="skip"))
    return step


def walk(
    step: TableStep, columns: Mapping[str, Column], rows: int
) -> tuple[tuple[Reached, ...], Mask, Mask]:
    """Return who reaches each row of a table, who is left over, and whom the table refuses."""
    unknown = step.table.unknown
    left, refused = np.ones(rows, np.bool_), np.zeros(rows, np.bool_)
    over = np.zeros(rows, np.bool_)
    reached = []
    for condition in step.table.conditions:
        truth = evaluate(condition, columns, rows)
        reached.append(Reached(left, truth))
        stays = left & ~truth.true
        if unknown != "skip" and truth.known is not None:
            unclear = stays & ~truth.known
            stays = stays & truth.known
            if unknown == "default":
                over |= unclear
            else:
                refused |= unclear
        left = stays
    return tuple(reached), left | over, refused


def differing(one: View, other: View) -> Iterator[Mask]:
    """Yield, for each decision, the customers for whom two views of them differ."""
    yield one.refused != other.refused
    for step in one.policy.steps:
        yield differs(one.columns[step.name], other.columns[step.name])


def differs(one: Column, other: Column) -> Mask:
    """Return the rows in which two columns differ; labels are compared by name."""
    known, also = one.is_known(), other.is_known()
    values = other.values
    if one.kind == "label" and one.categories != other.categories:
        places = {label: at for at, label in enumerate(one.categories)}
        codes = np.array([places.get(label, -1) for label in (*other.categories, "")], np.int64)
        values = codes[np.minimum(values.astype(np.int64), len(other.categories))]
    return np.asarray((known != also) | (known & (one.values != values)))
