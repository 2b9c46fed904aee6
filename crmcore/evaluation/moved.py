"""Which orders count for more, for less, or otherwise than before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from crmcore.evaluation.usage import OrderUse
from crmcore.facts import Fact
from crmcore.policy import Policy

__all__ = ["Moves", "looks_at", "moved"]

Uses: TypeAlias = tuple[OrderUse, ...]
Moves: TypeAlias = tuple[Uses, Uses, Uses]

_KINDS: Mapping[str, tuple[str, ...]] = {
    "sale": ("order", "sale", "line"),
    "linked_return": ("sale", "return"),
    "unlinked_return": ("sale", "return"),
    "return_of_no_sale": ("return",),
    "not_a_sale_status": ("order",),
    "zero_amount": ("order",),
    "nothing_left": ("order", "sale"),
}
"""The facts that look at each use, by what they are about."""


def moved(
    before: Policy, uses_before: Iterable[OrderUse], after: Policy, uses_after: Iterable[OrderUse]
) -> Moves:
    """Return the orders that entered, that left, and that count otherwise.

    An order enters when a fact looks at it that did not before, and leaves when one no longer
    does; facts that only one of the policies has do not matter.
    """
    names = [name for name in before.facts if name in after.facts]
    then, now = _by_key(uses_before), _by_key(uses_after)
    entered, left, altered = [], [], []
    for key in dict.fromkeys([*then, *now]):
        one, other = then.get(key), now.get(key)
        looked = _looking(before, names, one)
        looks = _looking(after, names, other)
        if other is not None and looks - looked:
            entered.append(other)
        if one is not None and looked - looks:
            left.append(one)
        if other is not None and looks == looked != set() and one != other:
            altered.append(other)
    return tuple(entered), tuple(left), tuple(altered)


def looks_at(fact: Fact, order: OrderUse) -> bool:
    """Tell whether a fact looks at an order or return; its own condition is not asked."""
    if fact.of not in _KINDS.get(order.use, ()):
        return False
    if order.use == "linked_return" and fact.of == "sale":
        return True  # wherever its sale counts
    if order.use == "nothing_left" and fact.of == "sale" and order.left == 0:
        return False
    return fact.window is None or fact.window in order.windows


def _looking(policy: Policy, names: Iterable[str], order: OrderUse | None) -> set[str]:
    if order is None:
        return set()
    return {name for name in names if looks_at(policy.facts[name], order)}


def _by_key(uses: Iterable[OrderUse]) -> dict[tuple[object, ...], OrderUse]:
    """Return the orders by what stays the same about them."""
    found: dict[tuple[object, ...], OrderUse] = {}
    for order in uses:
        named = order.order_id is not None
        base = (order.order_id,) if named else (order.placed_on, order.amount)
        number = 0
        while (key := (*base, order.amount < 0, number)) in found:
            number += 1
        found[key] = order
    return found
