"""Explanations as plain data for JSON: dates in ISO form, exact numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crmcore.bands import Band
from crmcore.columns import Value
from crmcore.conditions import ConditionTrace
from crmcore.evaluation.telling import Shower
from crmcore.evaluation.usage import OrderUse
from crmcore.evaluation.variation import Flip
from crmcore.wording import Money, plain

if TYPE_CHECKING:
    from crmcore.evaluation.explanation import Decision, Explanation

__all__ = ["Plainly", "plain_explanation"]


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
