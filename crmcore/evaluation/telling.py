"""From an explanation to messages: the result first, then why, then what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from crmcore.bands import Band
from crmcore.columns import Value, floor_decimal
from crmcore.conditions import ConditionTrace
from crmcore.evaluation.plain import Shower
from crmcore.evaluation.usage import OrderUse, is_counted
from crmcore.evaluation.variation import Flip
from crmcore.wording import Catalogue, Label, Labels, Message, Money, Parameter, Voice
from crmcore.wording.catalogue import LANGUAGES

if TYPE_CHECKING:
    from crmcore.evaluation.explanation import Decision, Explanation

__all__ = ["laid_out", "messages_of", "reasons_of"]

_LABELS = ("class", "segment", "stage", "grade")
_MOST_STEPS = 3
_ONLY_GROWS = ("count", "distinct", "max")


def messages_of(explanation: Explanation, voice: Voice) -> Iterator[Message]:
    """Return what there is to say to staff or to the customer."""
    if voice == "customer":
        return _ToCustomer(explanation).messages()
    return _ToStaff(explanation).messages()


def reasons_of(explanation: Explanation, decision: Decision) -> Iterator[Message]:
    """Return, for staff, why one decision is what it is."""
    return _ToStaff(explanation).why(decision)


def laid_out(
    messages: Iterable[Message], labels: Labels, language: str, catalogue: Catalogue | None
) -> str:
    """Return messages one a line, with a free line before each heading."""
    words = catalogue or Catalogue()
    lines: list[str] = []
    for message in messages:
        if lines and ".heading" in message.key:
            lines.append("")
        lines.append(words.text(message, language, labels))
    return "\n".join(lines)


class _Teller:
    """What both voices have in common."""

    voice: Voice

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation
        self.policy = explanation.policy
        self.shower = Shower(self.policy)

    def say(self, key: str, **parameters: Parameter) -> Message:
        return Message(f"{self.voice}.{key}", parameters)

    def value_of(self, decision: Decision) -> Parameter:
        return self.shower.shown(decision.name, decision.value)

    def results(self) -> list[Decision]:
        """Return the decisions that are labels, the class before all."""
        found = {decision.name: decision for decision in self.explanation.decisions}
        return [found[name] for name in _LABELS if name in found]

    def holds(self, decision: Decision) -> bool:
        """Tell whether a decision stands: a grade does not where the class says otherwise."""
        step = self.policy.step("class")
        if decision.name != "grade" or step is None or "grade" not in step.needs:
            return True
        return self.explanation["class"].value == decision.value

    def orders(self) -> Iterator[Message]:
        every = self.explanation.orders
        counted = [order for order in every if is_counted(order, self.policy)]
        if counted:
            yield self.say("counted.heading")
            yield from map(self._counted, counted)
        left_out = [order for order in every if not is_counted(order, self.policy)]
        if left_out:
            yield self.say("not_counted.heading")
            yield from map(self._left_out, left_out)

    def _counted(self, order: OrderUse) -> Message:
        if order.use in ("linked_return", "unlinked_return"):
            reason = self.say(f"use.{order.use}")
            return self.say("counted.back", **self._order(order), reason=reason)
        key, given = "counted.sale", self._order(order)
        if order.left != order.amount:
            key, given["left"] = "counted.reduced", self.shower.money(order.left)
        if not order.windows:
            return self.say(f"{key}_ever", **given)
        return self.say(key, **given, windows=tuple(Label(name) for name in order.windows))

    def _left_out(self, order: OrderUse) -> Message:
        use = order.use if order.use not in ("sale", "unlinked_return") else "outside_windows"
        return self.say("not_counted.order", **self._order(order), reason=self.say(f"use.{use}"))

    def _order(self, order: OrderUse) -> dict[str, Parameter]:
        name = self.say("no_order_id")
        if order.order_id is not None:
            name = self.say("order_id", id=str(order.order_id))
        amount = self.shower.money(order.amount)
        return {"order": name, "day": order.placed_on, "amount": amount}

    # What would change it

    def steps(self, *, up: bool) -> list[tuple[Decision, Flip]]:
        """Return the nearest changes of one fact that lead to a higher (or lower) label."""
        found: list[tuple[Decision, Flip]] = []
        for decision in self.results():
            if self._is_moved(decision):
                found += [
                    (decision, flip) for flip in decision.flips if self._sensible(decision, flip)
                ]
        found = [pair for pair in found if self._leads_up(*pair) is up]
        return sorted(found, key=lambda pair: pair[1].steps)[:_MOST_STEPS]

    def _leads_up(self, decision: Decision, flip: Flip) -> bool:
        """Tell whether a change leads to a higher label; where there is no order, it does.

        A class without order is left downwards by less of a number, as from no sale to no order.
        """
        field = self.policy.fields[decision.name]
        if not field.ordered:
            match decision.name, flip.seen, flip.needed:
                case "class", int() | Decimal() | Fraction(), int() | Decimal() | Fraction():
                    return flip.seen is True or flip.needed > flip.seen
            return True
        order = field.categories
        return order.index(str(flip.becomes)) > order.index(str(decision.value))

    def _is_moved(self, decision: Decision) -> bool:
        """Tell whether to tell what would change a decision: the grade's, where it stands.

        Where it does not, the class says why; without any grade, every label is told.
        """
        grade = next((one for one in self.explanation.decisions if one.name == "grade"), None)
        if decision.value is None or grade is None:
            return decision.value is not None
        stands = grade.value is not None and self.holds(grade)
        return decision.name == ("grade" if stands else "class")

    def _sensible(self, decision: Decision, flip: Flip) -> bool:
        """Tell whether something that may still happen could bring the change about."""
        fact = self.policy.facts.get(flip.fact)
        if fact is None:  # a mark such as `blocked` may be taken off
            return decision.name == "class" and flip.seen is True and flip.becomes is not None
        if flip.becomes is None or fact.take in ("first", "days_since_first"):
            return False
        match flip.needed, flip.seen:
            case datetime(), _:
                return False
            case date() as needed, date() as seen:
                return seen < needed <= self.shower.local(self.explanation.as_of).date()
            case ((int() | Decimal() | Fraction()), (int() | Decimal() | Fraction())):
                grows = fact.window is None and fact.take in _ONLY_GROWS
                return not (grows and flip.needed < flip.seen)
            case _:
                return False

    def step(self, key: str, decision: Decision, flip: Flip) -> Message:
        return self.say(
            key,
            fact=Label(flip.fact),
            needed=self.shower.shown(flip.fact, flip.needed),
            seen=self.shower.shown(flip.fact, flip.seen),
            name=Label(decision.name),
            becomes=self.shower.shown(decision.name, flip.becomes),
        )

    def change(self, table: str, decision: Decision) -> Message:
        """Say what becomes of a decision, and when, if nothing happens."""
        if decision.changes_to is None:
            return self.say(f"{table}ends", day=decision.changes_on)
        to = self.shower.shown(decision.name, decision.changes_to)
        return self.say(f"{table}changes", day=decision.changes_on, value=to)


class _ToStaff(_Teller):
    voice = "staff"

    def messages(self) -> Iterator[Message]:
        as_of = self.shower.shown("as_of", self.explanation.as_of)
        yield self.say("heading", as_of=as_of, policy=self.explanation.policy_name)
        for decision in self.results():
            yield self.say("result", name=Label(decision.name), value=self.value_of(decision))
        yield self.say("why.heading")
        for decision in self.explanation.decisions:
            yield from self.why(decision)
        for key, up in (("up", True), ("down", False)):
            steps = self.steps(up=up)
            if steps:
                yield self.say(f"{key}.heading")
            yield from (self.step(f"{key}.step", *pair) for pair in steps)
        yield from self.orders()

    def why(self, decision: Decision) -> Iterator[Message]:
        """Return why a decision is what it is."""
        name, value = Label(decision.name), self.value_of(decision)
        if decision.source is not None:
            yield from self._banded(decision, decision.source)
        elif decision.parts:
            yield self.say("why.sum", name=name, value=value)
            yield from (self._term(*part) for part in decision.parts)
        elif decision.conditions:
            yield self.say("why.list", name=name, value=value)
            yield from map(self._condition, decision.conditions)
            if decision.conditions[-1].truth is not True:
                yield self.say("why.otherwise", value=value)
        else:
            yield self.say("why.given", name=name, value=value)
        if decision.changes_on is not None:
            yield self.change("why.", decision)
        if decision.unchanged_until is not None:
            yield self.say("why.stays", day=decision.unchanged_until)
        if decision.change_hidden:
            yield self.say("why.hidden_change")

    def _banded(self, decision: Decision, source: str) -> Iterator[Message]:
        head: dict[str, Parameter] = {
            "name": Label(decision.name),
            "value": self.value_of(decision),
            "source": Label(source),
        }
        band, inside = decision.band, decision.inside
        if band is None:
            if inside is not None and inside[1] is None:
                head["source"] = Label(inside[0])
            yield self.say("why.no_value", **head)
            return
        if self.policy.fields[source].personal:
            yield self.say("why.hidden_band", **head)
            return
        yield self.say("why.band", **head, seen=self.shower.shown(source, band.value))
        if inside is not None:
            yield self.say("why.inside", outer=Label(inside[0]), points=inside[1])
        yield self._edges(band, source)

    def _edges(self, band: Band, source: str) -> Message:
        days = "days_" if isinstance(band.value, date) else ""
        above = self.shower.shown(source, band.margin_to_lower)
        short = self._up(self.shower.shown(source, band.margin_to_upper))
        if days:
            above, short = self._days(above), self._days(short)
        lower = {"lower": self.shower.shown(source, band.lower), "above": above}
        upper = {"upper": self.shower.shown(source, band.upper), "short": short}
        if band.lower is None:
            return self.say(f"why.{days}under", **upper)
        if band.upper is None:
            return self.say(f"why.{days}from", **lower)
        return self.say(f"why.{days}between", **lower, **upper)

    def _up(self, margin: Parameter) -> Parameter:
        """Return a margin rounded up, as a value rounded down falls short by so much more."""
        if not isinstance(margin, Money):
            return margin
        short = floor_decimal(-Fraction(margin.amount), margin.exponent)
        return self.shower.money(-short)

    def _days(self, days: Parameter) -> Parameter:
        return self.say("why.day" if days == 1 else "why.days", days=days)

    def _term(self, name: str, weight: int, value: Value) -> Message:
        if not isinstance(value, int):
            return self.say("why.no_term", name=Label(name))
        return self.say(
            "why.term", name=Label(name), points=value, weight=weight, product=weight * value
        )

    def _condition(self, trace: ConditionTrace) -> Message:
        key = {True: "holds", False: "fails", None: "unknown"}[trace.truth]
        seen = tuple(dict.fromkeys(self._seen(trace)))
        if not seen:
            return self.say(f"why.{key}", condition=trace.text)
        return self.say(f"why.{key}_because", condition=trace.text, seen=seen)

    def _seen(self, trace: ConditionTrace) -> Iterator[Message]:
        """Yield what was looked at; of an expression its fields, and then what it gives."""
        for term in trace.terms:
            yield from self._seen(term)
        for one in trace.inputs:
            value = self.shower.shown(one.name, one.value)
            yield self._looked_at(Label(one.name), value, one.hidden)
        value = self.shower.typed(trace.type, trace.value)
        if trace.field is not None:
            hidden = trace.hidden and trace.value is None
            yield self._looked_at(Label(trace.field), value, hidden)
        elif trace.item is not None and not trace.hidden:
            yield self._looked_at(trace.item, value, hidden=False)

    def _looked_at(self, shown: Parameter, value: Parameter, hidden: bool) -> Message:
        if hidden:
            return self.say("why.hidden", name=shown)
        return self.say("why.seen", name=shown, value=value)


class _ToCustomer(_Teller):
    voice = "customer"

    def messages(self) -> Iterator[Message]:
        yield self.say("heading", day=self.shower.local(self.explanation.as_of).date())
        yield from self._results()
        yield from self._facts()
        steps = [pair for pair in self.steps(up=True) if not self._keeps_quiet(*pair)]
        if steps:
            yield self.say("up.heading")
        yield from (self.step("up.step", *pair) for pair in steps)
        yield from self.orders()

    def _results(self) -> Iterator[Message]:
        said: set[Value] = set()
        for decision in self.results():
            if decision.value in (None, *said) or not self.holds(decision):
                continue
            said.add(decision.value)
            yield self.say("result", name=Label(decision.name), value=self.value_of(decision))
            if self._sounds_the_same(decision, decision.changes_to):
                continue
            if decision.changes_on is not None and not self._reveals_change(decision):
                yield self.change("", decision)

    def _facts(self) -> Iterator[Message]:
        shown = dict.fromkeys(decision.source for decision in self.explanation.decisions)
        known = [name for name in shown if name in self.policy.facts]
        known = [name for name in known if name and self.explanation.facts.get(name) is not None]
        if known:
            yield self.say("facts.heading")
        for name in known:
            value = self.shower.shown(str(name), self.explanation.facts[str(name)])
            yield self.say("fact", name=Label(str(name)), value=value)

    # What a customer must not be told

    def _keeps_quiet(self, decision: Decision, flip: Flip) -> bool:
        """Tell whether a step is nothing for customers.

        It would give away an edge that the policy keeps internal, lies in the past (another day of
        an earlier order), or leads to what is worded as the present result is.
        """
        fact = self.policy.facts.get(flip.fact)
        if fact is None or isinstance(flip.needed, date) or fact.take == "days_since_last":
            return True
        if self._sounds_the_same(decision, flip.becomes):
            return True
        inner = self._between(decision.name, flip.fact)
        return any(one.internal for one in self.explanation.decisions if one.name in inner)

    def _sounds_the_same(self, decision: Decision, becomes: Value) -> bool:
        """Tell whether a customer would read the same words for another result."""
        now, then = (self.shower.shown(decision.name, one) for one in (decision.value, becomes))
        if not (isinstance(now, Label) and isinstance(then, Label)):
            return False
        words, labels = Catalogue(), self.policy.label
        return any(
            words.name(now.identifier, language, labels, customer=True)
            == words.name(then.identifier, language, labels, customer=True)
            for language in LANGUAGES
        )

    def _reveals_change(self, decision: Decision) -> bool:
        inner = self._rests_on(decision.name)
        assert decision.changes_on is not None  # as there is a change
        return any(
            one.internal and one.changes_on is not None and one.changes_on <= decision.changes_on
            for one in self.explanation.decisions
            if one.name in inner
        )

    def _rests_on(self, name: str) -> set[str]:
        """Return a decision and all decisions that it rests on."""
        step = self.policy.step(name)
        found = {name}
        for need in step.needs if step is not None else ():
            if self.policy.step(need) is not None:
                found |= self._rests_on(need)
        return found

    def _between(self, name: str, fact: str) -> set[str]:
        """Return the decisions through which a fact bears on a decision, itself included."""
        inner = self._rests_on(name)
        reached: set[str] = set()
        for step in self.policy.steps:  # each after what it needs
            if step.name in inner and reached & {*step.needs} | {fact} & {*step.needs}:
                reached.add(step.name)
        return reached
