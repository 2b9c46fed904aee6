"""How values are shown, and explanations as plain data: dates in ISO form, exact numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crmcore.bands import Band
from crmcore.columns import Value
from crmcore.conditions import ConditionTrace
from crmcore.evaluation.usage import OrderUse
from crmcore.evaluation.variation import Flip
from crmcore.policy import Policy
from crmcore.wording import Label, Money, Parameter, plain

if TYPE_CHECKING:
    from crmcore.evaluation.explanation import Decision, Explanation

__all__ = ["Plainly", "Shower", "plain_explanation"]


@dataclass(frozen=True, slots=True)
class Shower:
    """Makes parameters of values: money with its currency, instants in the shop's zone."""

    policy: Policy

    def shown(self, name: str, value: Value) -> Parameter:
        """Return a value of the fact, score or decision of that name as a parameter."""
        field = self.policy.fields.get(name)
        match value:
            case datetime():
                return self.local(value)
            case Decimal():
                return self.money(value)
            case Fraction() if self._is_money(name):
                return self.money(value)
            case str() if field is not None and field.kind == "label":
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

    def _is_money(self, name: str) -> bool:
        fact = self.policy.facts.get(name)
        return fact is not None and fact.take == "mean" and fact.measure == "value"


def plain_explanation(explanation: Explanation) -> dict[str, object]:
    """Return an explanation as plain data."""
    plainly = Plainly(Shower(explanation.policy))
    return {
        "as_of": explanation.as_of.isoformat(),
        "policy": explanation.policy_name,
        "policy_hash": explanation.policy_hash,
        "currency": explanation.policy.currency.code,
        "facts": {name: plainly.value(name, value) for name, value in explanation.facts.items()},
        "decisions": [plainly.decision(decision) for decision in explanation.decisions],
        "orders": [plainly.order(order) for order in explanation.orders],
    }


class Plainly:
    """Turns the parts of explanations into plain data; money loses nothing but its currency."""

    def __init__(self, shower: Shower) -> None:
        self.shower = shower

    def value(self, name: str, value: Value) -> object:
        """Return a value of the fact, score or decision of that name."""
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat()
        shown = self.shower.shown(name, value)
        return f"{shown.shown:f}" if isinstance(shown, Money) else plain(shown)

    def decision(self, decision: Decision) -> dict[str, object]:
        """Return a decision with its reasons."""
        name, source = decision.name, decision.source
        return {
            "name": name,
            "value": self.value(name, decision.value),
            "source": source,
            "band": None if decision.band is None else self._band(source or "", decision.band),
            "parts": [
                {"name": part, "weight": weight, "points": self.value(part, points)}
                for part, weight, points in decision.parts
            ],
            "conditions": [self._trace(trace) for trace in decision.conditions],
            "changes_on": plain(decision.changes_on),
            "changes_to": self.value(name, decision.changes_to),
            "flips": [self._flip(name, flip) for flip in decision.flips],
            "internal": decision.internal,
        }

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

    def _band(self, source: str, band: Band) -> dict[str, object]:
        return {
            "value": self.value(source, band.value),
            "lower": self.value(source, band.lower),
            "upper": self.value(source, band.upper),
            "outcome": band.outcome,
            "margin_to_lower": self.value(source, band.margin_to_lower),
            "margin_to_upper": self.value(source, band.margin_to_upper),
        }

    def _flip(self, name: str, flip: Flip) -> dict[str, object]:
        return {
            "fact": flip.fact,
            "seen": self.value(flip.fact, flip.seen),
            "needed": self.value(flip.fact, flip.needed),
            "becomes": self.value(name, flip.becomes),
            "steps": flip.steps,
        }

    def _trace(self, trace: ConditionTrace) -> dict[str, object]:
        name, threshold = trace.field or "", trace.threshold
        several = threshold if isinstance(threshold, tuple) else None
        return {
            "condition": trace.text,
            "truth": trace.truth,
            "field": trace.field,
            "value": self.value(name, trace.value),
            "threshold": (
                self.value(name, threshold)
                if several is None and not isinstance(threshold, tuple)
                else [self.value(name, one) for one in several or ()]
            ),
            "hidden": trace.hidden,
            "terms": [self._trace(term) for term in trace.terms],
        }
