"""What became of each of a customer's orders: which counted, and why the others did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

import numpy as np

from crmcore.calendars import to_date
from crmcore.columns import Ints, Mask
from crmcore.facts import Books
from crmcore.money import to_decimal
from crmcore.policy import Policy
from crmcore.records.orders import RETURN, UNLINKED, WITHDRAWN, OrderTable
from crmcore.records.reading import STATUSES
from crmcore.timing import Timing

__all__ = ["OrderUse", "is_counted", "order_uses"]


@dataclass(frozen=True, slots=True)
class OrderUse:
    """One order or return, and whether it counted.

    Parameters
    ----------
    order_id
        Its id, as given; ``None`` when there are no ids.
    placed_on
        Its local day.
    amount, left
        Its amount, and what is left of it after its returns.
    use
        ``sale``, ``linked_return``, ``unlinked_return``; or why it is none of them:
        ``after_as_of``, ``not_a_sale_status``, ``nothing_left``, ``zero_amount``, ``withdrawn``,
        ``return_of_no_sale``.
    windows
        The windows of the policy that it lies in.
    """

    order_id: object
    placed_on: date
    amount: Decimal
    left: Decimal
    use: str
    windows: tuple[str, ...]


def is_counted(order: OrderUse, policy: Policy) -> bool:
    """Tell whether any fact about sales, returns or lines looks at an order or return."""
    if order.use == "linked_return":
        return True  # it counts wherever its sale does
    if order.use not in ("sale", "unlinked_return"):
        return False
    asked = {fact.window for fact in policy.facts.values() if fact.of != "order"}
    return None in asked or not asked or not asked.isdisjoint(order.windows)


def order_uses(policy: Policy, orders: OrderTable, timing: Timing) -> tuple[OrderUse, ...]:
    """Return the use of each row of one customer's orders, oldest first.

    Those of the same instant stand by id, then by amount, so the order of the rows given does not
    matter.
    """
    books = Books(orders, timing, policy.windows, policy.sale_statuses)
    left = books.left(None)
    days = timing.zone.local_days(orders.placed_us)
    uses = _uses(books, left, int(timing.now.at[0]))
    inside = {
        name: (orders.placed_us >= low) & (orders.placed_us <= high)
        for name, window in policy.windows.items()
        for low, high in [window.bounds(timing.held, timing.zone)]
    }
    amounts = _decimals(orders.amount_minor, orders.currency.exponent)
    rest = amounts if left is orders.amount_minor else _decimals(left, orders.currency.exponent)
    ids = [orders.order_id(row) for row in range(len(orders))]
    placed = orders.placed_us.tolist()
    return tuple(
        OrderUse(
            ids[row],
            to_date(int(days[row])),
            amounts[row],
            rest[row],
            uses[row],
            tuple(name for name, mask in inside.items() if mask[row]),
        )
        for row in sorted(
            range(len(orders)),
            key=lambda row: (placed[row], _place(ids[row]), amounts[row], uses[row], rest[row]),
        )
    )


def _place(order_id: object) -> tuple[int, int | float, str]:
    """Return what an order id is sorted by: numbers, then text, then anything else."""
    match order_id:
        case None:
            return 0, 0, ""
        case int() | float():
            return 0, order_id, ""
        case str():
            return 1, 0, order_id
        case _:
            return 2, 0, str(order_id)


def _decimals(minor: Ints, exponent: int) -> list[Decimal]:
    return [to_decimal(value, exponent) for value in minor.tolist()]


def _uses(books: Books, left: Ints, now: int) -> list[str]:
    orders = books.orders
    status = books.statuses(None)
    wanted = np.zeros(WITHDRAWN + 1, np.bool_)
    wanted[[STATUSES.index(name) for name in books.sale_statuses]] = True
    in_sale_status = wanted[status]
    link = np.full(len(orders), UNLINKED)
    link[orders.return_rows] = orders.sale_of
    of_no_sale = (link != UNLINKED) & ~in_sale_status[np.where(link < 0, 0, link)]
    cases: list[tuple[str, Mask]] = [
        ("after_as_of", orders.placed_us > now),
        ("withdrawn", status == WITHDRAWN),
        ("unlinked_return", (status == RETURN) & (link == UNLINKED)),
        ("return_of_no_sale", (status == RETURN) & of_no_sale),
        ("linked_return", status == RETURN),
        ("not_a_sale_status", ~in_sale_status),
        ("zero_amount", orders.amount_minor == 0),
        ("nothing_left", left <= 0),
    ]
    uses = np.full(len(orders), "sale", np.object_)
    for name, mask in reversed(cases):  # the first case that holds is the one that stays
        uses[mask] = name
    return cast("list[str]", uses.tolist())
