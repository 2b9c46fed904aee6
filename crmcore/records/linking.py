"""Finding the sale that a return belongs to, where the shop's rows do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from crmcore.columns import Codes, Ints, Mask
from crmcore.errors import DataError
from crmcore.records.folding import NO_LINK
from crmcore.records.orders import RETURN, UNLINKED, OrderTable, relink
from crmcore.records.source import STATUSES

__all__ = ["LinkReport", "LinkRule", "link_returns"]

LinkRule: TypeAlias = Literal["same_product", "latest_sale"]


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What `link_returns` matched and what remains.

    Parameters
    ----------
    considered
        Returns of identified customers that named no order.
    linked
        How many of them each rule linked.
    remaining
        How many still belong to no order.
    linked_minor, remaining_minor
        Their money, in minor units, as positive numbers.
    """

    considered: int
    linked: Mapping[str, int]
    remaining: int
    linked_minor: int
    remaining_minor: int


def link_returns(
    orders: OrderTable,
    *,
    rules: Sequence[LinkRule] = ("same_product", "latest_sale"),
    sale_statuses: Sequence[str] = ("paid", "shipped", "delivered"),
) -> tuple[OrderTable, LinkReport]:
    """Link returns that name no order to the latest earlier sale that can have been returned.

    Use it, explicitly, where the shop does not record which order a return belongs to. Each
    customer's returns are taken oldest first. A sale qualifies when it was placed at or before the
    return, is in one of the `sale_statuses`, and has at least as much left as was returned.

    Parameters
    ----------
    orders
        The orders; they are not changed.
    rules
        Tried in this order: ``same_product`` wants a product in common, ``latest_sale`` does not.
    sale_statuses
        Statuses in which an order is a sale.

    Returns
    -------
    OrderTable, LinkReport
        The orders with more links, and what was matched.

    Raises
    ------
    DataError
        ``same_product`` without products.

    Examples
    --------
    >>> from crmcore import OrderTable, Source
    >>> source = Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> rows = [(1, "C1", "2025-03-01", "50.00"), (2, "C1", "2025-03-05", "-20.00")]
    >>> orders = OrderTable.from_rows(rows, source, columns=names)
    >>> linked, report = link_returns(orders, rules=["latest_sale"])
    >>> report.linked, report.remaining
    ({'latest_sale': 1}, 0)

    Notes
    -----
    Cost: a sort of the sales, then one step for each return of the customer with most returns and
    for each sale that has to be passed over.
    """
    waiting = orders.return_rows[orders.sale_of == UNLINKED]
    identified = orders.customer[waiting] < len(orders.customer_ids)
    waiting = waiting[identified & (orders.status[waiting] == RETURN)]
    considered = waiting
    left = _left(orders)
    sale_of = np.full(len(orders), UNLINKED)
    counts: dict[str, int] = {}
    is_sale = np.isin(orders.status, [STATUSES.index(status) for status in sale_statuses])
    for rule in rules:
        found = _Matching(orders, is_sale, left, rule).match(waiting)
        hit = found != UNLINKED
        sale_of[waiting[hit]] = found[hit]
        counts[rule] = int(np.count_nonzero(hit))
        waiting = waiting[~hit]
    amounts = -orders.amount_minor
    total, rest = int(amounts[considered].sum()), int(amounts[waiting].sum())
    report = LinkReport(len(considered), counts, len(waiting), total - rest, rest)
    return _with_links(orders, sale_of), report


def _left(orders: OrderTable) -> Ints:
    """Return what is left of each order after the returns that are linked already."""
    left = orders.amount_minor.copy()
    linked = (orders.sale_of != UNLINKED) & (orders.status[orders.return_rows] == RETURN)
    np.add.at(left, orders.sale_of[linked], orders.amount_minor[orders.return_rows[linked]])
    return left


def _with_links(orders: OrderTable, sale_of: Ints) -> OrderTable:
    code = np.arange(len(orders)) if orders.order_code is None else orders.order_code
    named = np.full(len(orders), NO_LINK) if orders.return_of is None else orders.return_of
    found = sale_of != UNLINKED
    return_of = np.where(found, code[np.where(found, sale_of, 0)], named)
    return relink(replace(orders, order_code=code, return_of=return_of))


class _Matching:
    """Sales sorted by key and time, and returns walking back through them.

    The key is the customer, or the customer and a product; then an order stands once for each of
    its products, and a return looks under each of its own.
    """

    def __init__(self, orders: OrderTable, is_sale: Mask, left: Ints, rule: LinkRule) -> None:
        self.orders = orders
        self.left = left
        rows, keys = self._keys(rule)
        sales = is_sale[rows]
        self.row, self.key = rows[sales], keys[sales]
        order = np.lexsort((self.row, orders.placed_us[self.row], self.key))
        self.row, self.key = self.row[order], self.key[order]
        self.asked_row, self.asked_key = rows[~sales], keys[~sales]

    def _keys(self, rule: LinkRule) -> tuple[Ints, Ints]:
        customer = self.orders.customer.astype(np.int64)
        if rule == "latest_sale":
            return np.arange(len(customer)), customer
        product = self.orders.lines.product
        if product is None:
            raise DataError("linking by product needs products", column="product_id")
        row, code = self.orders.lines.rows(), product.codes
        known = code >= 0
        row, code = row[known], code[known]
        keys = customer[row] * (len(product.values) + 1) + code
        pairs = np.unique(np.stack([row, keys]), axis=1)
        return pairs[0], pairs[1]

    def match(self, returns: Ints) -> Ints:
        """Return the sale of each return, -1 where none qualifies."""
        result = np.full(len(returns), UNLINKED)
        order = np.lexsort((returns, self.orders.placed_us[returns], self.orders.customer[returns]))
        turn = _turns(self.orders.customer[returns][order])
        # Customers do not touch each other's sales: all first returns go at once, then all
        # second ones.
        for now in range(int(turn.max(initial=-1)) + 1):
            these = order[turn == now]
            found = self._latest(returns[these])
            hit = found != UNLINKED
            result[these[hit]] = found[hit]
            self.left[found[hit]] += self.orders.amount_minor[returns[these[hit]]]
        return result

    def _latest(self, returns: Ints) -> Ints:
        """Return, for returns of different customers, the latest sale with enough left."""
        place = np.full(len(self.orders), -1, np.int64)
        place[returns] = np.arange(len(returns))
        mine = place[self.asked_row] >= 0
        asked, key = place[self.asked_row[mine]], self.asked_key[mine]
        need = -self.orders.amount_minor[returns][asked]
        at = self._start(key, self.orders.placed_us[returns][asked])
        best = np.full(len(returns), UNLINKED)
        while len(asked):
            inside = (at >= 0) & (self.key[np.maximum(at, 0)] == key) if len(self.key) else at > 0
            asked, key, need, at = asked[inside], key[inside], need[inside], at[inside]
            row = self.row[at]
            enough = self.left[row] >= need
            self._keep_latest(best, asked[enough], row[enough])
            asked, key, need, at = asked[~enough], key[~enough], need[~enough], at[~enough] - 1
        return best

    def _start(self, key: Ints, at: Ints) -> Ints:
        """Return the last sale of each key placed at or before a moment."""
        placed = self.orders.placed_us
        together_key = np.concatenate([self.key, key])
        together_at = np.concatenate([placed[self.row], at])
        is_return = np.repeat([0, 1], [len(self.key), len(key)])
        order = np.lexsort((is_return, together_at, together_key))
        seen = np.cumsum(is_return[order] == 0) - 1
        start = np.empty(len(order), np.int64)
        start[order] = seen
        return start[len(self.key) :]

    def _keep_latest(self, best: Ints, asked: Ints, row: Ints) -> None:
        """Enter the later of the sale found so far and the one found now."""
        placed = self.orders.placed_us
        order = np.lexsort((row, placed[row]))
        # Of several written to one place the last, which is the latest, stays.
        asked, row = asked[order], row[order]
        old = best[asked]
        later = (old == UNLINKED) | (placed[row] > placed[np.maximum(old, 0)])
        best[asked[later]] = row[later]


def _turns(customer: Codes) -> Ints:
    """Return the position of each entry among those of its customer; they stand together."""
    if len(customer) == 0:
        return np.empty(0, np.int64)
    start = np.append(True, customer[1:] != customer[:-1])
    first = np.flatnonzero(start)
    turns: Ints = np.arange(len(customer)) - first[np.cumsum(start) - 1]
    return turns
