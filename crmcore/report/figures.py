"""The figures of the demo's page: headline figures, the tree of classes, and who buys how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final, TypeAlias, cast

import numpy as np

from crmcore.columns import Column, Ints, Mask
from crmcore.evaluation import Evaluation
from crmcore.money import to_decimal
from crmcore.scoring import BandStep

__all__ = ["NET_SALES", "ClassLine", "Figures", "SpendBand", "SpendBin", "figures_of"]

NET_SALES: Final = "net_sales"
"""The fact, a sum of sales in the period, that these figures need beside those of the preset."""

_TREE: Final[Mapping[str, Sequence[str]]] = {
    "all": ("non_ordering", "ordering"),
    "ordering": ("malicious", "new", "dormant", "graded"),
    "dormant": ("no_order", "no_sale"),
    "graded": ("platinum", "gold", "silver", "bronze"),
}
_MOST_POINTS: Final = 5
_BINS: Final = 4

_Totals: TypeAlias = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One line of the tree of classes.

    Parameters
    ----------
    name, level
        A class, or a group of classes; how deep it stands in the tree.
    customers, customer_share
        How many, and their share of all.
    net_sales, sales_share
        What they bought in the period, and its share of the whole.
    is_group
        Whether the lines under it belong to it.
    """

    name: str
    level: int
    customers: int
    customer_share: float
    net_sales: Decimal
    sales_share: float
    is_group: bool


@dataclass(frozen=True, slots=True)
class SpendBin:
    """How many customers have a mean sale from `lower` to under `upper` (``None``: no limit)."""

    lower: Decimal
    upper: Decimal | None
    customers: int


@dataclass(frozen=True, slots=True)
class SpendBand:
    """The bins of one band of the mean sale, and the points that the band gives."""

    points: int
    lower: Decimal | None
    upper: Decimal | None
    customers: int
    bins: tuple[SpendBin, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the page shows of everybody.

    Parameters
    ----------
    customers, ordering, buyers, repeat_buyers
        Everybody; who ever ordered; who has a sale, or two, in the period.
    sales, net_sales, mean_sale
        Number and net value of the customers' sales in the period, and the one over the other.
    classes
        The tree, from the root.
    recency_by_frequency
        Customers by points: rows from 5 for recency down to 1, columns from 1 for frequency up.
    spending
        Customers by their mean sale.
    """

    customers: int
    ordering: int
    buyers: int
    repeat_buyers: int
    sales: int
    net_sales: Decimal
    mean_sale: Decimal | None
    classes: tuple[ClassLine, ...]
    recency_by_frequency: tuple[tuple[int, ...], ...]
    spending: tuple[SpendBand, ...]


def figures_of(result: Evaluation) -> Figures:
    """Return the figures of an evaluation by the preset ``classic`` with the fact `NET_SALES`."""
    columns, exponent = result.columns, result.policy.currency.exponent
    count, net = _ints(columns["sale_count"]), _ints(columns[NET_SALES])
    sales, total = int(count.sum()), int(net.sum())
    return Figures(
        customers=len(result),
        ordering=int(np.count_nonzero(_ints(columns["orders_ever"]))),
        buyers=int(np.count_nonzero(count >= 1)),
        repeat_buyers=int(np.count_nonzero(count >= 2)),
        sales=sales,
        net_sales=to_decimal(total, exponent),
        mean_sale=to_decimal(total // sales, exponent) if sales else None,
        classes=tuple(_tree(_totals(columns["class"], net), "all", 0, exponent)),
        recency_by_frequency=_crossed(columns["recency_points"], columns["frequency_points"]),
        spending=tuple(_spending(result)),
    )


def _ints(column: Column) -> Ints:
    """Return whole numbers, 0 where not known."""
    return np.where(column.is_known(), column.values, 0).astype(np.int64)


def _totals(classes: Column, net: Ints) -> _Totals:
    """Return customers and net sales of each class."""
    codes, size = cast(Ints, classes.values), len(classes.categories)
    customers = np.bincount(codes, minlength=size).tolist()
    money = np.zeros(size, np.int64)
    np.add.at(money, codes, net)
    return dict(zip(classes.categories, zip(customers, money.tolist(), strict=True), strict=True))


def _tree(totals: _Totals, name: str, level: int, exponent: int) -> Iterator[ClassLine]:
    customers, money = _total(totals, name)
    everybody, everything = _total(totals, "all")
    yield ClassLine(
        name,
        level,
        customers,
        customers / max(everybody, 1),
        to_decimal(money, exponent),
        money / max(everything, 1),
        name in _TREE,
    )
    for part in _TREE.get(name, ()):
        yield from _tree(totals, part, level + 1, exponent)


def _total(totals: _Totals, name: str) -> tuple[int, int]:
    parts = [_total(totals, part) for part in _TREE.get(name, ())]
    if not parts:
        return totals.get(name, (0, 0))
    return sum(customers for customers, _ in parts), sum(money for _, money in parts)


def _crossed(recency: Column, frequency: Column) -> tuple[tuple[int, ...], ...]:
    known = recency.is_known() & frequency.is_known()
    table = np.zeros((_MOST_POINTS + 1, _MOST_POINTS + 1), np.int64)
    rows, across = cast(Ints, recency.values)[known], cast(Ints, frequency.values)[known]
    np.add.at(table, (rows, across), 1)
    return tuple(tuple(row) for row in table[:0:-1, 1:].tolist())


def _spending(result: Evaluation) -> Iterator[SpendBand]:
    """Yield the bands of the mean sale, each in bins of one width; the open one in doublings."""
    step = result.policy.step("monetary_points")
    assert isinstance(step, BandStep)  # as in the preset
    column, exponent = result.columns[step.source], result.policy.currency.exponent
    assert column.divisor is not None  # a mean is a ratio
    known = column.is_known()
    mean = cast(Ints, column.values)[known] // column.divisor[known]
    edges = [None, *(step.bands.edges // step.bands.scale).tolist(), None]
    for place, points in enumerate(step.bands.outcomes[:-1]):
        lower, upper = edges[place], edges[place + 1]
        limits = _limits(lower or 0, upper)
        bins = tuple(
            SpendBin(
                to_decimal(low, exponent),
                None if high is None else to_decimal(high, exponent),
                int(np.count_nonzero(_between(mean, low if at or place else None, high))),
            )
            for at, (low, high) in enumerate(pairwise(limits))
            if low is not None
        )
        yield SpendBand(
            points or 0,
            None if lower is None else to_decimal(lower, exponent),
            None if upper is None else to_decimal(upper, exponent),
            sum(one.customers for one in bins),
            bins,
        )


def _limits(lower: int, upper: int | None) -> list[int | None]:
    if upper is None:
        return [*(lower * 2**step for step in range(_BINS)), None]
    return [lower + (upper - lower) * step // _BINS for step in range(_BINS + 1)]


def _between(values: Ints, lower: int | None, upper: int | None) -> Mask:
    inside = np.ones(len(values), np.bool_)
    if lower is not None:
        inside &= values >= lower
    if upper is not None:
        inside &= values < upper
    return inside
