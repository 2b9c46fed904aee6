"""Which rows a fact looks at: orders, sales, returns or lines of a window, with their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import Window
from crmcore.columns import Column, Ints, Mask
from crmcore.conditions import Condition, FieldType, bind, evaluate, names
from crmcore.errors import DataError, PolicyError
from crmcore.facts.spec import Fact
from crmcore.records.lines import Dimension
from crmcore.records.orders import RETURN, UNLINKED, WITHDRAWN, OrderTable
from crmcore.records.reading import STATUSES
from crmcore.timing import Timing

__all__ = ["Books", "Selection", "row_fields"]

Scalar = TypeVar("Scalar", bound=np.generic)

_PLACED = STATUSES.index("placed")
_STATUS_CODES = WITHDRAWN + 1


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Rows (or lines) that one or more facts aggregate.

    Parameters
    ----------
    rows
        Positions in the order table, or among its lines; ``None``: all of them.
    codes
        The customer of each.
    """

    rows: Ints | None
    codes: Ints

    def of(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the values of a column for the rows selected."""
        return column if self.rows is None else column[self.rows]

    def where(self, mask: Mask) -> Selection:
        """Return the selected rows for which the mask, one value a selected row, holds."""
        rows = np.flatnonzero(mask) if self.rows is None else self.rows[mask]
        return Selection(rows, self.codes[mask])


def row_fields(of: str, exponent: int) -> dict[str, FieldType]:
    """Return the fields that a fact's ``where`` may name."""
    fields = {
        "status": FieldType("label", categories=STATUSES),
        "channel": FieldType("text"),
        "promotion": FieldType("text"),
        "amount": FieldType("money", exponent=exponent),
        "quantity": FieldType("int"),
    }
    if of == "line":
        fields |= {"product": FieldType("text"), "category": FieldType("text")}
    return fields


@dataclass(slots=True, eq=False)
class Books:
    """The orders as of one evaluation: what is a sale, what is left of it, what lies in a window.

    Each answer is worked out once, however many facts ask for it.
    """

    orders: OrderTable
    timing: Timing
    windows: Mapping[str, Window]
    sale_statuses: frozenset[str]
    _left: dict[bool, Ints] = field(default_factory=dict)
    _taken: dict[bool, tuple[Ints, Ints]] = field(default_factory=dict)
    _roomy: bool | None = None
    _status: dict[bool, NDArray[np.uint8]] = field(default_factory=dict)
    _orders: dict[tuple[str, str | None], Selection] = field(default_factory=dict)
    _selections: dict[tuple[str, str | None, Condition | None], Selection] = field(
        default_factory=dict
    )

    def select(self, fact: Fact) -> Selection:
        """Return the rows that a fact counts: for sales, those with something left."""
        key = (fact.of, fact.window, fact.where)
        if key not in self._selections:
            self._selections[key] = self._selected(fact)
        return self._selections[key]

    def narrow(self, selection: Selection, fact: Fact) -> Selection:
        """Return the selected rows for which the fact's own condition holds."""
        if fact.where is None:
            return selection
        exponent = self.orders.currency.exponent
        bound, problems = bind(fact.where, row_fields(fact.of, exponent), "where", given={})
        if bound is None:
            raise PolicyError(problems)
        columns = {name: self._row_column(name, fact, selection) for name in names(fact.where)}
        return selection.where(evaluate(bound, columns, len(selection.codes)).true)

    def sold(self, fact: Fact) -> Selection:
        """Return the orders in a sale status that a fact may count, whatever is left of them."""
        sold = self._placed("sold", fact.window)
        return self.narrow(sold, fact) if fact.of == "sale" else sold

    def unlinked_returns(self, window: str | None) -> Selection:
        """Return the returns in the window that belong to no order."""
        returns = self._placed("return", window)
        if returns.rows is None or len(returns.rows) == 0:
            return returns
        linked = np.zeros(len(self.orders), np.bool_)
        linked[self.orders.return_rows] = self.orders.sale_of != UNLINKED
        return returns.where(~linked[returns.rows])

    def left(self, window: str | None) -> Ints:
        """Return what is left of each order after its returns, in minor units."""
        windowed = window is not None
        if windowed not in self._left:
            sales, amounts = self._linked(windowed)
            left = self.orders.amount_minor
            if len(sales):
                left = left.copy()
                np.add.at(left, sales, amounts)
            self._left[windowed] = left
        return self._left[windowed]

    def parts(self, sold: Selection, back: Selection, window: str | None) -> tuple[Ints, Ints]:
        """Return all amounts that a sum over sales is made of, and whose they are.

        Those are the orders as placed, the returns that reduce them, and the returns `back` that
        belong to no order.
        """
        amounts = self.orders.amount_minor
        sales, taken = self._linked(window is not None)
        chosen = self._marked(sold)[sales]
        codes = [sold.codes, self.orders.customer[sales[chosen]], back.codes]
        values = [sold.of(amounts), taken[chosen], back.of(amounts)]
        return np.concatenate(codes), np.concatenate(values)

    @property
    def roomy(self) -> bool:
        """Whether the amounts are so small that no sum of them can leave 64 bits."""
        if self._roomy is None:
            given = self.orders.amount_minor
            bound = max(int(given.max()), -int(given.min())) if len(given) else 0
            self._roomy = bound * len(given) <= kernels.INT64_MAX
        return self._roomy

    def lines_of(self, selection: Selection) -> Selection:
        """Return the lines of the selected orders."""
        lines = self.orders.lines
        if lines.row is None or selection.rows is None:
            if lines.row is None:
                return selection
            return Selection(None, self.orders.customer[lines.row])
        rows = np.flatnonzero(self._marked(selection)[lines.row])
        return Selection(rows, self.orders.customer[lines.row[rows]])

    # Rows

    def _selected(self, fact: Fact) -> Selection:
        if fact.of in ("order", "return"):
            return self.narrow(self._placed(fact.of, fact.window), fact)
        if fact.of == "line":
            return self.narrow(self.lines_of(self._with_something_left(fact)), fact)
        return self._with_something_left(fact)

    def _with_something_left(self, fact: Fact) -> Selection:
        key = ("sale", fact.window)
        plain = fact.where is None or fact.of == "line"
        if plain and key in self._orders:
            return self._orders[key]
        sold = self.sold(fact)
        self._check_each(sold, fact.window)
        something = sold.of(self.left(fact.window)) > 0
        sales = sold if something.all() else sold.where(something)
        if plain:
            self._orders[key] = sales
        return sales

    def _check_each(self, sold: Selection, window: str | None) -> None:
        """Refuse orders of customers whose own amount and returns leave 64 bits."""
        sales, taken = self._linked(window is not None)
        if self.roomy or len(sales) == 0:
            return
        every = np.concatenate([np.arange(len(self.orders)), sales])
        amounts = np.concatenate([self.orders.amount_minor, taken])
        beyond = kernels.overflows(every, amounts, len(self.orders))
        identified = self.orders.customer[beyond] < len(self.orders.customer_ids)
        count = int(np.count_nonzero(self._marked(sold)[beyond] & identified))
        if count:
            message = "an order and its returns add up beyond 64 bits"
            raise DataError(message, column="amount", count=count)

    def _marked(self, selection: Selection) -> Mask:
        """Return the mask of the rows selected."""
        marked = np.full(len(self.orders), selection.rows is None)
        if selection.rows is not None:
            marked[selection.rows] = True
        return marked

    def _placed(self, kind: str, window: str | None) -> Selection:
        key = (kind, window)
        if key not in self._orders:
            self._orders[key] = self._in_window(kind, window)
        return self._orders[key]

    def _in_window(self, kind: str, window: str | None) -> Selection:
        """Select rows by status and by when they were placed."""
        orders = self.orders
        if kind == "return":
            rows: Ints | None = orders.return_rows
            base = Selection(rows, orders.customer[rows])
        else:
            base = Selection(None, orders.customer)
        mask: Mask | None = None
        if kind != "order" or len(orders.return_rows):
            mask = self._wanted(kind)[base.of(self.statuses(windowed=window is not None))]
        placed = base.of(orders.placed_us)
        low, high = self._bounds(window)
        inside = placed <= self._of_row(high, base)
        mask = inside if mask is None else mask & inside
        if window is not None:
            mask &= placed >= self._of_row(low, base)
        return base if mask.all() else base.where(mask)

    def _wanted(self, kind: str) -> Mask:
        """Return, for each status code, whether rows of that status are of this kind."""
        wanted = np.zeros(_STATUS_CODES, np.bool_)
        if kind == "order":
            wanted[:RETURN] = True
        elif kind == "return":
            wanted[RETURN] = True
        else:
            wanted[[STATUSES.index(status) for status in self.sale_statuses]] = True
        return wanted

    def _bounds(self, window: str | None) -> tuple[Ints, Ints]:
        moments = self.timing.of(windowed=window is not None)
        if window is None:
            return moments.at, moments.at
        return self.windows[window].bounds(moments, self.timing.zone)

    def _of_row(self, values: Ints, selection: Selection) -> Ints:
        """Return the value for each row: the one for everybody, or that of its customer."""
        if len(values) == 1:
            return values
        # Anonymous rows count for nobody: any value will do.
        return np.append(values, values[:1])[selection.codes]

    def statuses(self, *, windowed: bool) -> NDArray[np.uint8]:
        """Return the status of each row as of the moment: before its time it was placed."""
        orders = self.orders
        if orders.status_us is None:
            return orders.status
        if windowed not in self._status:
            everything = Selection(None, orders.customer)
            at = self._of_row(self.timing.of(windowed=windowed).at, everything)
            early = orders.status_us > at
            before = np.where(orders.status >= RETURN, RETURN, _PLACED).astype(np.uint8)
            self._status[windowed] = np.where(early, before, orders.status)
        return self._status[windowed]

    def _linked(self, windowed: bool) -> tuple[Ints, Ints]:
        """Return the linked returns that count by now: the row of the order, and the amount."""
        if windowed not in self._taken:
            self._taken[windowed] = self._find_linked(windowed)
        return self._taken[windowed]

    def _find_linked(self, windowed: bool) -> tuple[Ints, Ints]:
        orders = self.orders
        linked = orders.sale_of != UNLINKED
        returns = Selection(orders.return_rows, orders.customer[orders.return_rows]).where(linked)
        at = self._of_row(self.timing.of(windowed=windowed).at, returns)
        happened = returns.of(orders.placed_us) <= at
        counts = happened & (returns.of(self.statuses(windowed=windowed)) == RETURN)
        return orders.sale_of[linked][counts], returns.of(orders.amount_minor)[counts]

    # Columns for the conditions of facts

    def _row_column(self, name: str, fact: Fact, selection: Selection) -> Column:
        orders, lines = self.orders, self.orders.lines
        by_line = fact.of == "line"
        rows = selection.rows
        if by_line and name in ("amount", "quantity", "product", "category"):
            of_lines: dict[str, Ints | Dimension | None] = {
                "amount": lines.amount_minor,
                "quantity": lines.quantity,
                "product": lines.product,
                "category": lines.category,
            }
            known = lines.quantity_known if name == "quantity" else None
            return _column(name, of_lines[name], known, rows, selection, orders)
        if by_line and lines.row is not None:
            rows = lines.row if rows is None else lines.row[rows]
        if name == "status":
            status = self.statuses(windowed=fact.window is not None)
            codes = status if rows is None else status[rows]
            inside = codes < RETURN
            return Column("label", np.where(inside, codes, 0), inside, categories=STATUSES)
        of_rows: dict[str, Ints | Dimension | None] = {
            "amount": orders.amount_minor,
            "quantity": orders.quantity,
            "channel": orders.channel,
            "promotion": orders.promotion,
        }
        known = orders.quantity_known if name == "quantity" else None
        return _column(name, of_rows[name], known, rows, selection, orders)


def _column(
    name: str,
    given: Ints | Dimension | None,
    known: Mask | None,
    rows: Ints | None,
    selection: Selection,
    orders: OrderTable,
) -> Column:
    kind = {"amount": "money", "quantity": "int"}.get(name, "text")
    size = len(selection.codes)
    if given is None:
        nothing = np.zeros(size, np.int64 if kind != "text" else np.object_)
        return Column("int" if kind == "int" else "text", nothing, np.zeros(size, np.bool_))
    if isinstance(given, Dimension):
        codes = given.codes if rows is None else given.codes[rows]
        values = np.empty(len(given.values) + 1, np.object_)
        values[:-1] = [str(value) for value in given.values]
        return Column("text", values[codes], codes >= 0)
    picked = given if rows is None else given[rows]
    known = known if known is None or rows is None else known[rows]
    if kind == "money":
        return Column("money", picked, known, exponent=orders.currency.exponent)
    return Column("int", picked, known)
