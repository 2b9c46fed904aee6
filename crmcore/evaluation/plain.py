"""How values are shown, and explanations as plain data: dates in ISO form, exact numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, get_args
from zoneinfo import ZoneInfo

from crmcore.columns import Value
from crmcore.conditions import FieldType
from crmcore.evaluation.nodes import path_of, plain_nodes, unit_of
from crmcore.evaluation.usage import OrderUse
from crmcore.evaluation.variation import Flip
from crmcore.policy import Policy
from crmcore.wording import Label, Money, Parameter, Voice, plain

if TYPE_CHECKING:
    from crmcore.evaluation.explanation import Decision, Explanation

__all__ = ["NEEDS_ORDERS", "Plainly", "Shower", "plain_explanation"]


@dataclass(frozen=True, slots=True)
class Shower:
    """Makes parameters of values: money with its currency, instants in the shop's zone."""

    policy: Policy

    def shown(self, name: str, value: Value) -> Parameter:
        """Return a value of the fact, score or decision of that name as a parameter."""
        return self.typed(self.policy.fields.get(name), value)

    def typed(self, type_: FieldType | None, value: Value) -> Parameter:
        """Return a value of that type as a parameter; ``None`` for the type of none."""
        match value:
            case datetime():
                return self.local(value)
            case int() | Decimal() | Fraction() if type_ is not None and type_.amount:
                return self.money(Fraction(value))
            case str() if type_ is not None and type_.kind == "label":
                return Label(value)
            case _:
                return value

    def local(self, moment: datetime) -> datetime:
        """Return a moment in the shop's zone, or in UTC at the very end of the calendar."""
        try:
            return moment.astimezone(ZoneInfo(self.policy.zone.name))
        except OverflowError:  # local time would lie beyond the last day of the last year
            return moment.astimezone(UTC)

    def money(self, amount: Decimal | Fraction) -> Money:
        """Return an amount in the policy's currency."""
        return Money(amount, self.policy.currency.code, self.policy.currency.exponent)


NEEDS_ORDERS: Final = (
    *("known_at", "outlook", "outlook_until", "outlook_hidden", "orders", "messages"),
)
"""The keys of an explanation that only the orders can tell; all others follow from the facts."""


def plain_explanation(explanation: Explanation) -> dict[str, object]:
    """Return an explanation as plain data."""
    plainly, policy = Plainly(Shower(explanation.policy)), explanation.policy
    last = explanation.last_evaluated_at
    return {
        "format": 1,
        "policy": explanation.policy_name,
        "policy_hash": explanation.policy_hash,
        "currency": policy.currency.code,
        "zone": policy.zone.name,
        "as_of": explanation.as_of.isoformat(),
        "last_evaluated_at": plain(last),
        "facts": {
            name: {"value": plainly.value(name, value), "unit": unit_of(policy, name)}
            for name, value in explanation.facts.items()
        },
        "decisions": [_decision(one, explanation, plainly) for one in explanation.decisions],
        "known_at": plain(explanation.known_at),
        "outlook": dict(_outlook(explanation, plainly)),
        "outlook_until": {
            one.name: one.unchanged_until.isoformat()
            for one in explanation.decisions
            if one.unchanged_until is not None
        },
        "outlook_hidden": [one.name for one in explanation.decisions if one.change_hidden],
        "orders": [plainly.order(order) for order in explanation.orders],
        "messages": {
            voice: [message.to_dict() for message in explanation.messages(voice)]
            for voice in get_args(Voice)
        },
    }


def _decision(decision: Decision, explanation: Explanation, plainly: Plainly) -> dict[str, object]:
    """Return a decision with its reasons."""
    name, policy = decision.name, explanation.policy
    return {
        "name": name,
        "path": path_of(policy, name),
        "value": plainly.value(name, decision.value),
        "unit": unit_of(policy, name),
        "internal": decision.internal,
        "nodes": plain_nodes(explanation, decision, plainly),
        "flips": [plainly.flip(name, flip) for flip in decision.flips],
    }


def _outlook(explanation: Explanation, plainly: Plainly) -> Iterator[tuple[str, object]]:
    """Yield what becomes of decisions, and when, if nothing happens."""
    for decision in explanation.decisions:
        if decision.changes_on is not None:
            value = plainly.value(decision.name, decision.changes_to)
            yield decision.name, {"on": decision.changes_on.isoformat(), "value": value}


class Plainly:
    """Turns the parts of explanations into plain data; money loses nothing but its currency."""

    def __init__(self, shower: Shower) -> None:
        self.shower = shower

    def value(self, name: str, value: Value) -> object:
        """Return a value of the fact, score or decision of that name."""
        return self.typed(self.shower.policy.fields.get(name), value)

    def typed(self, type_: FieldType | None, value: Value) -> object:
        """Return a value of that type."""
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat()
        shown = self.shower.typed(type_, value)
        return f"{shown.shown:f}" if isinstance(shown, Money) else plain(shown)

    def order(self, order: OrderUse) -> dict[str, object]:
        """Return an order and whether it counted."""
        known = isinstance(order.order_id, int | str | None)
        return {
            "order_id": order.order_id if known else str(order.order_id),
            "placed_on": order.placed_on.isoformat(),
            "amount": f"{order.amount:f}",
            "left": f"{order.left:f}",
            "use": order.use,
            "windows": list(order.windows),
        }

    def flip(self, name: str, flip: Flip) -> dict[str, object]:
        """Return what would change a decision."""
        return {
            "fact": flip.fact,
            "unit": unit_of(self.shower.policy, flip.fact),
            "seen": self.value(flip.fact, flip.seen),
            "needed": self.value(flip.fact, flip.needed),
            "becomes": self.value(name, flip.becomes),
            "steps": flip.steps,
        }
