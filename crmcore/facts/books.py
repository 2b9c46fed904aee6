"""The orders as of one evaluation: what is a sale, what is left of it, what lies in a window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import Window
from crmcore.columns import Ints, Mask
from crmcore.conditions import Condition
from crmcore.errors import DataError
from crmcore.facts.measures import Chosen, Kind, Of, Stated, beyond
from crmcore.facts.selection import Selection, narrow
from crmcore.records.orders import RETURN, UNLINKED, WITHDRAWN, OrderTable
from crmcore.records.reading import STATUSES
from crmcore.timing import Timing

__all__ = ["Books"]

_PLACED = STATUSES.index("placed")
_LINKED = WITHDRAWN + 1
"""Code of a return that names an order, so that returns that name none can be chosen by status."""
_SINCE_EVER, _FOR_EVER = -kernels.INT64_MAX - 1, kernels.INT64_MAX


@dataclass(eq=False)
class Books:
    """The orders as of one evaluation.

    Each answer is worked out once, however many facts ask for it. What may differ between the
    moment of facts with a window and that of the others is asked for a window, ``None`` for none.

    Parameters
    ----------
    orders, timing
        The orders and the moments.
    windows
        The windows that may be asked for.
    sale_statuses
        Statuses in which an order is a sale.
    """

    orders: OrderTable
    timing: Timing
    windows: Mapping[str, Window]
    sale_statuses: frozenset[str]
    _statuses: dict[bool, NDArray[np.uint8]] = field(default_factory=dict)
    _codes: dict[bool, NDArray[np.uint8]] = field(default_factory=dict)
    _columns: dict[tuple[Of, bool], Ints | None] = field(default_factory=dict)
    _periods: dict[str | None, tuple[int, int, Mask | None]] = field(default_factory=dict)
    _wheres: dict[Chosen, Mask] = field(default_factory=dict)
    _selections: dict[Chosen, Selection] = field(default_factory=dict)

    # Rows

    def choice(self, rows: Chosen, positive: int = -1) -> kernels.Choice:
        """Return the rows for a tally; what is left of orders is its value number `positive`.

        Raises
        ------
        DataError
            When sales are asked for, and one and its returns add up beyond 64 bits.
        """
        if rows.kind == "sale":
            self._check_each(rows._replace(kind="sold"))
        low, high, inside = self._period(rows.window)
        masks = (inside, self._where(rows), self._stated(rows))
        given = [mask for mask in masks if mask is not None]
        marked = reduce(np.logical_and, given) if given else None
        return kernels.Choice(_codes_of(rows.kind, self.sale_statuses), low, high, positive, marked)

    def mask(self, rows: Chosen) -> Mask:
        """Return the mask of the rows chosen."""
        choice = self.choice(rows)
        mask: Mask = choice.statuses[self.codes(rows.window)]
        mask &= self.orders.placed_us <= choice.high
        if choice.low > _SINCE_EVER:
            mask &= self.orders.placed_us >= choice.low
        if choice.marked is not None:
            mask &= choice.marked
        if rows.kind == "sale":
            mask &= self.left(rows.window) > 0
        return mask

    def select(self, rows: Chosen) -> Selection:
        """Return the positions of the rows chosen, and whose they are."""
        if rows not in self._selections:
            everything, mask = Selection(None, self.orders.customer), self.mask(rows)
            self._selections[rows] = everything if mask.all() else everything.where(mask)
        return self._selections[rows]

    def lines_of(self, selection: Selection) -> Selection:
        """Return the lines of the selected orders."""
        lines = self.orders.lines
        if lines.row is None:
            return selection
        if selection.rows is None:
            return Selection(None, self.orders.customer[lines.row])
        marked = np.zeros(len(self.orders), np.bool_)
        marked[selection.rows] = True
        rows = np.flatnonzero(marked[lines.row])
        return Selection(rows, self.orders.customer[lines.row[rows]])

    # Columns

    def is_apart(self, window: str | None) -> bool:
        """Tell whether rows look otherwise at the moment of a window than at that of no window."""
        if window is None or self.timing.held is self.timing.now:
            return False
        return self.orders.status_us is not None or len(self._links[0]) > 0

    def statuses(self, window: str | None) -> NDArray[np.uint8]:
        """Return the status of each row as of the moment: before its time it was placed."""
        orders, apart = self.orders, self.is_apart(window)
        if orders.status_us is None:
            return orders.status
        if apart not in self._statuses:
            early = orders.status_us > self._of_row(self._at(apart))
            before = np.where(orders.status >= RETURN, RETURN, _PLACED).astype(np.uint8)
            self._statuses[apart] = np.where(early, before, orders.status)
        return self._statuses[apart]

    def codes(self, window: str | None) -> NDArray[np.uint8]:
        """Return the statuses, with another code for returns that name an order."""
        linked, _ = self._links
        if len(linked) == 0:
            return self.statuses(window)
        apart = self.is_apart(window)
        if apart not in self._codes:
            codes = self.statuses(window).copy()
            codes[linked[codes[linked] == RETURN]] = _LINKED
            self._codes[apart] = codes
        return self._codes[apart]

    def left(self, window: str | None) -> Ints:
        """Return what is left of each order after its returns, in minor units."""
        left = self.column("left", window)
        assert left is not None  # as it is made of columns that every table has
        return left

    def states(self, column: Stated | None) -> bool:
        """Tell whether the orders have a column that rows have to state; ``None``: yes."""
        return column is None or getattr(self.orders, column) is not None

    def column(self, of: Of, window: str | None) -> Ints | None:
        """Return a column of the rows; ``None`` where there is none, or all of it would be 0."""
        key = of, self.is_apart(window)
        if key not in self._columns:
            self._columns[key] = self._column(of, window)
        return self._columns[key]

    def is_roomy(self, of: Of) -> bool:
        """Tell whether values are so small that no sum of them can leave 64 bits."""
        return self._reach(of) * len(self.orders) <= kernels.INT64_MAX

    def _column(self, of: Of, window: str | None) -> Ints | None:
        orders = self.orders
        match of:
            case "placed":
                return orders.placed_us
            case "amount":
                return orders.amount_minor
            case "left":
                return self._with_returns(orders.amount_minor, window)
            case "quantity":
                return orders.quantity
            case "quantity_positive":
                return None if orders.quantity is None else np.maximum(orders.quantity, 0)
            case "left_high":
                high = self.column("amount_high", window)
                return None if high is None else self._with_returns(high, window)
            case "amount_high" | "quantity_high":
                given = orders.amount_minor if of == "amount_high" else orders.quantity
                return None if given is None or self._reach(of) < 2**32 else _high(given)

    def _reach(self, of: Of) -> int:
        """Return a number which no absolute value of a column is above."""
        return self._most_of_an_order if of.startswith("quantity") else self.orders.bound

    @cached_property
    def _most_of_an_order(self) -> int:
        """The greatest absolute quantity."""
        return 0 if self.orders.quantity is None else kernels.survey(self.orders.quantity).reach

    @cached_property
    def _links(self) -> tuple[Ints, Ints]:
        """The returns that name an order, and the rows of those orders."""
        named = self.orders.sale_of != UNLINKED
        return self.orders.return_rows[named], self.orders.sale_of[named]

    def _with_returns(self, values: Ints, window: str | None) -> Ints:
        """Return values of rows, those of returns that count by now added to their orders."""
        returns, sales = self._links
        if len(returns) == 0:
            return values
        moment = self._of_row(self._at(self.is_apart(window)), returns)
        counts = self.orders.placed_us[returns] <= moment
        counts &= self.statuses(window)[returns] == RETURN
        total = values.copy()
        np.add.at(total, sales[counts], values[returns[counts]])
        return total

    # Tests of rows

    def _period(self, window: str | None) -> tuple[int, int, Mask | None]:
        """Return the first and the last instant of a window; or for all time, and what lies in it.

        The latter where customers have moments of their own.
        """
        if window not in self._periods:
            self._periods[window] = self._bounds(window)
        return self._periods[window]

    def _bounds(self, window: str | None) -> tuple[int, int, Mask | None]:
        moments = self.timing.of(windowed=window is not None)
        if window is None:
            low, high = np.array([_SINCE_EVER]), moments.at
        else:
            low, high = self.windows[window].bounds(moments, self.timing.zone)
        if len(high) == 1:
            return int(low[0]), int(high[0]), None
        placed = self.orders.placed_us
        inside = (placed >= self._of_row(low)) & (placed <= self._of_row(high))
        return _SINCE_EVER, _FOR_EVER, inside

    def _where(self, rows: Chosen) -> Mask | None:
        """Return the mask of the rows for which the condition holds; it is asked of no others."""
        if rows.where is None:
            return None
        parts: dict[Kind, tuple[Kind, ...]] = {"sale": ("sold",), "net": ("sold", "back")}
        kinds = parts.get(rows.kind, (rows.kind,))
        parted = [rows._replace(kind=kind, stated=None) for kind in kinds]
        return reduce(np.logical_or, [self._holds(part, rows.where) for part in parted])

    def _holds(self, rows: Chosen, where: Condition) -> Mask:
        if rows not in self._wheres:
            plain = self.select(rows._replace(where=None))
            holding = narrow(plain, where, "order", self.orders, self.statuses(rows.window))
            self._wheres[rows] = np.zeros(len(self.orders), np.bool_)
            self._wheres[rows][holding.rows] = True
        return self._wheres[rows]

    def _stated(self, rows: Chosen) -> Mask | None:
        match rows.stated:
            case "quantity":
                return self.orders.quantity_known
            case "promotion":
                promotion = self.orders.promotion
                return None if promotion is None else promotion.codes >= 0
        return None

    def _check_each(self, sold: Chosen) -> None:
        """Refuse orders of customers whose own amount and returns leave 64 bits."""
        if len(self._links[0]) == 0 or self.is_roomy("amount"):
            return
        amounts, high = self.orders.amount_minor, self.column("left_high", sold.window)
        outside = beyond(self.left(sold.window), amounts, high)
        outside &= self.orders.customer < len(self.orders.customer_ids)
        count = int(np.count_nonzero(outside & self.mask(sold))) if outside.any() else 0
        if count:
            message = "an order and its returns add up beyond 64 bits"
            raise DataError(message, column="amount", count=count)

    def _at(self, apart: bool) -> Ints:
        return self.timing.of(windowed=apart).at

    def _of_row(self, values: Ints, rows: Ints | None = None) -> Ints:
        """Return the value for each row: the one for everybody, or that of its customer."""
        if len(values) == 1:
            return values
        customer = self.orders.customer if rows is None else self.orders.customer[rows]
        # Anonymous rows count for nobody: any value will do.
        return np.append(values, values[:1])[customer]


@lru_cache
def _codes_of(kind: Kind, sale_statuses: frozenset[str]) -> Mask:
    """Return, for each status code, whether rows of it are of this kind."""
    sales = [STATUSES.index(status) for status in sale_statuses]
    codes = {
        "order": [*range(RETURN)],
        "sold": sales,
        "sale": sales,
        "back": [RETURN],
        "net": [*sales, RETURN],
        "return": [RETURN, _LINKED],
    }
    wanted = np.zeros(_LINKED + 1, np.bool_)
    wanted[codes[kind]] = True
    wanted.flags.writeable = False
    return wanted


def _high(values: Ints) -> Ints:
    """Return absolute values over 2³², rounded down."""
    # The absolute value of the lowest int64 is positive only without a sign.
    return (np.abs(values).view(np.uint64) >> np.uint64(32)).view(np.int64)
