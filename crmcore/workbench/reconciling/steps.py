"""The rungs of a ladder, and their arithmetic: rows and money, by month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from crmcore import kernels
from crmcore.columns import Ints
from crmcore.records.intake import Month
from crmcore.wording import Label, Message

__all__ = [
    "Figures",
    "Step",
    "StepKind",
    "figures_of",
    "negated",
    "only_money",
    "plus",
    "step_over",
    "sum_of",
]

StepKind: TypeAlias = Literal["level", "change", "part"]
Figures: TypeAlias = tuple[int, int, dict[Month, tuple[int, int]]]

_LOW_32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder.

    Parameters
    ----------
    name
        ``given``, ``excluded``, ``quarantined``, ``collapsed``, ``kept``, ``folded``,
        ``orders_and_returns``, ``anonymous``, ``returns``, ``orders``, ``not_a_sale_status``,
        ``gross_sales``, ``zero_amount``, ``nothing_left``, ``returned``, ``net_sales``.
    kind
        A ``level`` is what there is; a ``change`` leads from one level to the next; a ``part`` is
        included in the level above it.
    rows, amount_minor
        Rows and money in minor units; of a change what it adds, so mostly negative.
    by_month
        Rows and money of each local month.
    reason
        What tells steps of one name apart: why rows were left out, which status, which
        returns, part of which level.
    unreadable
        How many of the rows have no readable amount and count as 0.
    """

    name: str
    kind: StepKind
    rows: int
    amount_minor: int
    by_month: Mapping[Month, tuple[int, int]]
    reason: str | None = None
    unreadable: int = 0

    @property
    def message(self) -> Message:
        """What the step is, to be worded by a `Catalogue`."""
        told = self.kind == "change" and self.reason is not None
        return Message(f"ladder.{self.name}", {"reason": Label(self.reason or "")} if told else {})


def step_over(
    name: str, kind: StepKind, months: Ints, amounts: Ints, reason: str | None = None
) -> Step:
    """Return a step over rows, given the month and the amount of each."""
    codes, numbers = kernels.encode(months)
    rows = kernels.count(codes, len(numbers)).tolist()
    # In halves, so that no sum can wrap.
    high = kernels.add(codes, amounts >> 32, len(numbers)).tolist()
    low = kernels.add(codes, amounts & _LOW_32, len(numbers)).tolist()
    names = np.array(numbers, "M8[M]").astype("U7").tolist()
    money = [(one << 32) + other for one, other in zip(high, low, strict=True)]
    by_month = {month: (rows[at], money[at]) for at, month in enumerate(names)}
    return Step(name, kind, len(months), sum(money), by_month, reason)


def negated(step: Step) -> Step:
    """Return the step that takes away what this one adds."""
    by_month = {month: (-rows, -money) for month, (rows, money) in step.by_month.items()}
    return replace(step, rows=-step.rows, amount_minor=-step.amount_minor, by_month=by_month)


def only_money(step: Step) -> Step:
    """Return the step without its rows."""
    by_month = {month: (0, money) for month, (_, money) in step.by_month.items()}
    return replace(step, rows=0, by_month=by_month)


def sum_of(name: str, *steps: Step) -> Step:
    """Return the sum of some steps, of the kind of the first."""
    rows, money, by_month = figures_of(steps[0])
    for step in steps[1:]:
        rows, money, by_month = plus((rows, money, by_month), figures_of(step))
    return Step(name, steps[0].kind, rows, money, by_month)


def figures_of(step: Step) -> Figures:
    """Return rows, money and months; months without anything are left out."""
    return step.rows, step.amount_minor, {m: p for m, p in step.by_month.items() if any(p)}


def plus(one: Figures, other: Figures) -> Figures:
    """Return the sum of rows, money and months."""
    months = dict(one[2])
    for month, (rows, money) in other[2].items():
        before = months.get(month, (0, 0))
        months[month] = (before[0] + rows, before[1] + money)
    months = {month: pair for month, pair in months.items() if any(pair)}
    return one[0] + other[0], one[1] + other[1], months
