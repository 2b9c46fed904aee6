"""The ladder: from the rows given to net sales, by month, in rows and money, to the minor unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crmcore import kernels
from crmcore.calendars import Moments, Zone
from crmcore.calendars import zone as zone_of
from crmcore.columns import Ints, Mask, Value
from crmcore.errors import DataError
from crmcore.facts import Books
from crmcore.money import Currency, to_decimal
from crmcore.records.intake import LeftOut, Month
from crmcore.records.orders import RETURN, UNLINKED, WITHDRAWN, OrderTable
from crmcore.records.source import STATUSES
from crmcore.timing import Timing
from crmcore.workbench.reconciling.steps import (
    Step,
    StepKind,
    figures_of,
    negated,
    only_money,
    plus,
    step_over,
    sum_of,
)

__all__ = ["Ladder", "Step", "StepKind", "reconcile"]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The account from the rows given to net sales. Each level is the one before with its changes.

    Parameters
    ----------
    currency
        Of all money.
    zone
        The zone whose months these are. Rows that were left out keep the months of their source.
    steps
        From the top.

    Examples
    --------
    >>> from crmcore import OrderTable, Source
    >>> source = Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    >>> rows = [(1, "C1", "2025-03-01", "12.50", "paid"), (2, "C2", "2025-04-02", "8", "refused")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount", "status")
    >>> ladder = reconcile(OrderTable.from_rows(rows, source, columns=names))
    >>> [(step.name, step.rows, step.amount_minor) for step in ladder.steps if step.rows]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('given', 2, 2050), ('kept', 2, 2050), ('orders_and_returns', 2, 2050), ('orders', 2, 2050),
     ('not_a_sale_status', -1, -800), ('gross_sales', 1, 1250), ('net_sales', 1, 1250)]
    """

    currency: Currency
    zone: Zone
    steps: tuple[Step, ...]

    def level(self, name: str) -> Step:
        """Return the level of that name; raises `KeyError`."""
        for step in self.steps:
            if step.name == name and step.kind == "level":
                return step
        raise KeyError(name)

    @property
    def months(self) -> tuple[Month, ...]:
        """The months that occur, ascending; ``unknown``, where it occurs, comes last."""
        return tuple(sorted({month for step in self.steps for month in step.by_month}))

    def rows(self, *, by_month: bool = False) -> Iterator[dict[str, Value]]:
        """Return one row a step, or one a step and month, ready for a table.

        Keys: ``step``, ``kind``, ``reason``, ``month`` (with `by_month`), ``rows``, ``amount``,
        ``unreadable`` (without). Amounts are in major units.
        """
        for step in self.steps:
            head: dict[str, Value] = {"step": step.name, "kind": step.kind, "reason": step.reason}
            if not by_month:
                figures = self._figures(step.rows, step.amount_minor)
                yield head | figures | {"unreadable": step.unreadable}
                continue
            for month, pair in sorted(step.by_month.items()):
                yield head | {"month": month} | self._figures(*pair)

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON: amounts as text in major units."""
        return {
            "currency": self.currency.code,
            "zone": self.zone.name,
            "steps": [self._plain(step) for step in self.steps],
        }

    def check(self) -> None:
        """Raise `DataError` unless every level is the one before with its changes, each month."""
        level = self.steps[0]
        total = figures_of(level)
        for step in self.steps[1:]:
            if step.kind == "change":
                total = plus(total, figures_of(step))
            elif step.kind == "level":
                if total != figures_of(step):
                    raise DataError(
                        f"the ladder does not add up from {level.name!r} to {step.name!r}: "
                        "build it from a whole table of orders, as it was read"
                    )
                level = step

    def _figures(self, rows: int, amount_minor: int) -> dict[str, Value]:
        return {"rows": rows, "amount": to_decimal(amount_minor, self.currency.exponent)}

    def _plain(self, step: Step) -> dict[str, object]:
        def figures(rows: int, minor: int) -> dict[str, object]:
            return {"rows": rows, "amount": str(to_decimal(minor, self.currency.exponent))}

        return {
            "step": step.name,
            "kind": step.kind,
            "reason": step.reason,
            **figures(step.rows, step.amount_minor),
            "unreadable": step.unreadable,
            "by_month": {month: figures(*pair) for month, pair in sorted(step.by_month.items())},
        }


def reconcile(
    orders: OrderTable,
    *,
    sale_statuses: Sequence[str] = ("paid", "shipped", "delivered"),
    zone: str | None = None,
) -> Ladder:
    """Account for every row given, down to net sales.

    Parameters
    ----------
    orders
        A table as it was read, not a part of one.
    sale_statuses
        The statuses in which an order is a sale.
    zone
        The IANA zone whose months count; by default that of the source.

    Returns
    -------
    Ladder
        All that is known counts, whenever it happened. A linked return reduces the month of its
        sale, as it does in facts; an unlinked one the month in which it happened. Of an order of
        several lines all lines count in its own month. Of several versions of an order the newest
        counts.

    Raises
    ------
    DataError
        When it does not add up, which a table that was cut or changed does not; or for a status
        that there is not.

    Notes
    -----
    Cost: some twenty passes over the rows.
    """
    unknown = sorted(set(sale_statuses) - set(STATUSES))
    if unknown:
        allowed = ", ".join(STATUSES)
        raise DataError(f"no such status: {unknown[0]}; allowed: {allowed}", column="status")
    local = orders.zone if zone is None else zone_of(zone)
    steps = _Builder(orders, frozenset(sale_statuses), local).steps()
    ladder = Ladder(orders.currency, local, tuple(steps))
    ladder.check()
    return ladder


class _Builder:
    """Makes the steps; each level is counted by itself, not from the level before it."""

    def __init__(self, orders: OrderTable, sale_statuses: frozenset[str], zone: Zone) -> None:
        newest: Mask | None = None
        if orders.known_until_us is not None:
            newest = orders.known_until_us == kernels.INT64_MAX
        self.given = orders
        self.newest = newest
        self.orders = orders if newest is None or newest.all() else orders.take(newest)
        self.zone = zone
        self.given_month = _month_numbers(orders, zone)
        self.month = self.given_month if newest is None else self.given_month[newest]
        latest = int(max(_latest(self.orders.placed_us), _latest(self.orders.status_us)))
        moment = Moments.of(np.array([latest]), zone)
        timing = Timing(zone, moment, moment)
        self.books = Books(self.orders, timing, {}, sale_statuses)

    def steps(self) -> Iterator[Step]:
        left_out = [_left_out(entry) for entry in self.given.intake.left_out]
        older = self._older()
        kept = self._kept(older)
        yield _given(self.given.intake.rows, [kept, *left_out], older.unreadable)
        yield from left_out
        yield kept
        if older.rows:
            yield negated(older)
        yield from self._folding()
        yield from self._orders()
        yield from self._sales()

    def _older(self) -> Step:
        """Return the rows that newer versions took the place of.

        Of lines that is known by number only: a table has them once for each time at which they
        were part of an order.
        """
        given, name = self.given, "collapsed"
        if given.lines.row is not None and self.newest is not None:
            count = given.intake.kept - len(self.orders.lines.amount_minor)
            months = {"unknown": (count, 0)} if count else {}
            return Step(name, "change", count, 0, months, "superseded", count)
        old = np.zeros(len(given), np.bool_) if self.newest is None else ~self.newest
        amounts = given.amount_minor[old]
        return step_over(name, "change", self.given_month[old], amounts, "superseded")

    def _kept(self, older: Step) -> Step:
        lines = self.orders.lines
        newest = step_over("kept", "level", self.month[lines.rows()], lines.amount_minor)
        return sum_of("kept", newest, older)

    def _folding(self) -> Iterator[Step]:
        orders, lines = self.orders, self.orders.lines
        if lines.row is not None:
            gone = step_over("folded", "change", self.month[lines.row], lines.amount_minor * 0)
            back = step_over("folded", "change", self.month, orders.amount_minor * 0)
            yield sum_of("folded", negated(gone), back)
        yield self._of("orders_and_returns", "level", np.ones(len(orders), np.bool_))
        anonymous = orders.customer == len(orders.customer_ids)
        if anonymous.any():
            yield self._of("anonymous", "part", anonymous, "orders_and_returns")

    def _orders(self) -> Iterator[Step]:
        orders = self.orders
        is_return = orders.status >= RETURN
        for reason, mask in self._returns().items():
            if mask.any():
                yield negated(self._of("returns", "change", mask, reason))
        yield self._of("orders", "level", ~is_return)
        for code, status in enumerate(STATUSES):
            mask = orders.status == code
            if status not in self.books.sale_statuses and mask.any():
                yield negated(self._of("not_a_sale_status", "change", mask, status))

    def _returns(self) -> dict[str, Mask]:
        """Return the rows of each kind of return."""
        orders = self.orders
        sale_of = np.full(len(orders), UNLINKED)
        sale_of[orders.return_rows] = orders.sale_of
        linked = sale_of != UNLINKED
        of_sale = linked & self._in_sale_status()[np.where(linked, sale_of, 0)]
        counts = orders.status == RETURN
        return {
            "linked": counts & of_sale,
            "unlinked": counts & ~linked,
            "of_no_sale": counts & linked & ~of_sale,
            "withdrawn": orders.status == WITHDRAWN,
        }

    def _in_sale_status(self) -> Mask:
        codes = [STATUSES.index(status) for status in self.books.sale_statuses]
        mask: Mask = np.isin(self.orders.status, codes)
        return mask

    def _sales(self) -> Iterator[Step]:
        orders, sold, left = self.orders, self._in_sale_status(), self.books.left(None)
        zero = sold & (orders.amount_minor == 0)
        nothing = sold & ~zero & (left <= 0)
        yield self._of("gross_sales", "level", sold)
        for name, mask in (("zero_amount", zero), ("nothing_left", nothing)):
            if mask.any():
                gone = step_over(name, "change", self.month[mask], left[mask] * 0)
                yield negated(gone)
        for reason, months, amounts in self._reductions():
            if len(months):
                money = step_over("returned", "change", months, amounts, reason)
                yield only_money(money)
        yield self._net(sold, left, sold & ~zero & ~nothing, "level", "net_sales")
        identified = orders.customer < len(orders.customer_ids)
        if not identified.all():
            here = ~identified
            counted = sold & ~zero & ~nothing & here
            part = self._net(sold & here, left, counted, "part", "anonymous")
            yield replace(part, reason="net_sales")

    def _reductions(self) -> Iterator[tuple[str, Ints, Ints]]:
        """Return the returns that reduce sales: the month that they reduce, and their money."""
        kinds, orders = self._returns(), self.orders
        sale_of = np.zeros(len(orders), np.int64)
        sale_of[orders.return_rows] = orders.sale_of
        linked = np.flatnonzero(kinds["linked"])
        yield "linked", self.month[sale_of[linked]], orders.amount_minor[linked]
        unlinked = np.flatnonzero(kinds["unlinked"])
        yield "unlinked", self.month[unlinked], orders.amount_minor[unlinked]

    def _net(self, sold: Mask, left: Ints, sales: Mask, kind: StepKind, name: str) -> Step:
        """Return net sales as facts have them: rows are sales with something left of them."""
        unlinked = self._returns()["unlinked"]
        if kind == "part":
            unlinked = unlinked & (self.orders.customer == len(self.orders.customer_ids))
        rows = step_over(name, kind, self.month[sales], left[sales] * 0)
        money = only_money(step_over(name, kind, self.month[sold], left[sold]))
        back = step_over(name, kind, self.month[unlinked], self.orders.amount_minor[unlinked])
        return sum_of(name, rows, money, only_money(back))

    def _of(self, name: str, kind: StepKind, mask: Mask, reason: str | None = None) -> Step:
        return step_over(name, kind, self.month[mask], self.orders.amount_minor[mask], reason)


def _month_numbers(orders: OrderTable, zone: Zone) -> Ints:
    days = zone.local_days(orders.placed_us)
    return days.astype("M8[D]").astype("M8[M]").astype(np.int64)


def _latest(instants: Ints | None) -> int:
    return 0 if instants is None or len(instants) == 0 else int(instants.max())


def _left_out(entry: LeftOut) -> Step:
    step = Step(
        entry.kind,
        "change",
        entry.rows,
        entry.amount_minor,
        entry.by_month,
        entry.reason,
        entry.unreadable,
    )
    return negated(step)


def _given(rows: int, steps: Sequence[Step], unreadable: int) -> Step:
    """Return the top: what was kept and all that was left out; its rows were counted apart."""
    kept, left_out = steps[0], steps[1:]
    total = sum_of("given", kept, *map(negated, left_out))
    unreadable += sum(step.unreadable for step in left_out)
    return replace(total, rows=rows, unreadable=unreadable)
