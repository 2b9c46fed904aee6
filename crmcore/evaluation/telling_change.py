"""From a change to messages: what became of the result, then what each cause did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from crmcore.columns import Value
from crmcore.evaluation.plain import Plainly, Shower
from crmcore.evaluation.usage import OrderUse
from crmcore.policy import Policy
from crmcore.wording import Label, Message, Money, Parameter, Voice, plain

if TYPE_CHECKING:
    from crmcore.evaluation.change import Change, Difference, Part

__all__ = ["change_messages", "plain_change"]

_LABELS = ("class", "segment", "stage", "grade")


def change_messages(change: Change, voice: Voice) -> Iterator[Message]:
    """Return what there is to say to staff or to the customer."""
    return _Teller(change, voice).messages()


class _Teller:
    def __init__(self, change: Change, voice: Voice) -> None:
        self.change = change
        self.voice = voice
        self.shower = Shower(change.policy)

    def messages(self) -> Iterator[Message]:
        change = self.change
        before, after = (self._moment(at) for at in (change.before_at, change.after_at))
        if self.voice == "staff":
            yield self._say("heading", before=before, after=after, policy=change.policy.name)
        else:
            yield self._say("heading", before=before, after=after)
        yield from self._results()
        if not any(change.parts):
            yield self._say("none")
        if self.voice == "staff" and change.unrecorded:
            causes = tuple(self._say(f"cause.{cause}") for cause in change.unrecorded)
            yield self._say("unrecorded", causes=causes)
        for part in change.parts:
            yield from self._part(part)

    def _say(self, key: str, **parameters: Parameter) -> Message:
        return Message(f"{self.voice}.change.{key}", parameters)

    def _moment(self, at: datetime) -> Parameter:
        local = self.shower.local(at)
        return local if self.voice == "staff" else local.date()

    def _results(self) -> Iterator[Message]:
        for name in _LABELS:
            if not self._is_told(name):
                continue
            one, other = self.change.before.get(name), self.change.after.get(name)
            after = self._shown(name, other)
            if one == other:
                yield self._say("same", name=Label(name), after=after)
            else:
                before = self._shown(name, one)
                yield self._say("result", name=Label(name), before=before, after=after)

    def _is_told(self, name: str) -> bool:
        """Leave a grade that the class includes to the class, for customers."""
        change = self.change
        if name not in change.after and name not in change.before:
            return False
        step = change.policy.step("class")
        included = name == "grade" and step is not None and name in step.needs
        return self.voice == "staff" or not included

    def _part(self, part: Part) -> Iterator[Message]:
        if not part:
            return
        yield self._say(f"part.heading_{part.cause}")
        for key in ("entered", "left", "altered"):
            orders: tuple[OrderUse, ...] = getattr(part, key)
            yield from (self._say(key, **self._order(order)) for order in orders)
        for one in part.differences:
            if self.voice == "staff" or self._is_for_customers(one.name):
                yield self._figure(one)

    def _is_for_customers(self, name: str) -> bool:
        field = self.change.policy.fields.get(name)
        if field is None or field.kind == "instant":
            return False
        return name in self.change.policy.facts or (name in _LABELS and self._is_told(name))

    def _figure(self, one: Difference) -> Message:
        figures: dict[str, Parameter] = {
            "name": Label(one.name),
            "before": self._shown(one.name, one.before),
            "after": self._shown(one.name, one.after),
        }
        delta = self._delta(one)
        if delta is None or self.voice == "customer":
            return self._say("figure", **figures)
        return self._say("figure_by", **figures, delta=delta)

    def _delta(self, one: Difference) -> Parameter:
        shown = self._shown(one.name, one.after)
        match one.delta:
            case Decimal() | Fraction() if isinstance(shown, Money):
                return self.shower.money(one.delta)
            case int() if isinstance(one.after, int):
                return f"{one.delta:+d}"
            case _:
                return None

    def _shown(self, name: str, value: Value) -> Parameter:
        known = name in self.change.policy.fields
        policy: Policy = self.change.policy if known else self.change.policy_before
        return Shower(policy).shown(name, value)

    def _order(self, order: OrderUse) -> dict[str, Parameter]:
        name = Message(f"{self.voice}.no_order_id")
        if order.order_id is not None:
            name = Message(f"{self.voice}.order_id", {"id": str(order.order_id)})
        return {"order": name, "day": order.placed_on, "amount": self.shower.money(order.amount)}


def plain_change(change: Change) -> dict[str, object]:
    """Return a change as plain data."""
    plainly = Plainly(Shower(change.policy))
    return {
        "before_at": change.before_at.isoformat(),
        "after_at": change.after_at.isoformat(),
        "policy_before": change.policy_before.name,
        "policy_before_hash": change.policy_before.hash,
        "policy": change.policy.name,
        "policy_hash": change.policy.hash,
        "currency": change.policy.currency.code,
        "differences": [_plain_difference(plainly, one) for one in change.differences],
        "parts": [_plain_part(plainly, part) for part in change.parts],
        "unrecorded": list(change.unrecorded),
    }


def _plain_part(plainly: Plainly, part: Part) -> dict[str, object]:
    return {
        "cause": part.cause,
        "differences": [_plain_difference(plainly, one) for one in part.differences],
        "entered": [plainly.order(order) for order in part.entered],
        "left": [plainly.order(order) for order in part.left],
        "altered": [plainly.order(order) for order in part.altered],
    }


def _plain_difference(plainly: Plainly, one: Difference) -> dict[str, object]:
    delta = one.delta
    return {
        "name": one.name,
        "before": plainly.value(one.name, one.before),
        "after": plainly.value(one.name, one.after),
        "delta": delta.total_seconds() if isinstance(delta, timedelta) else plain(delta),
    }
