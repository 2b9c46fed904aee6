"""Why one customer has their result, what would change it, and when it will change by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypedDict

from crmcore.bands import Band
from crmcore.calendars import to_datetime
from crmcore.columns import Column, Ints, Value
from crmcore.conditions import ConditionTrace
from crmcore.evaluation.foresight import Outlook, outlook_of
from crmcore.evaluation.pipeline import given_moments
from crmcore.evaluation.plain import plain_explanation
from crmcore.evaluation.telling import laid_out, messages_of
from crmcore.evaluation.usage import OrderUse, order_uses
from crmcore.evaluation.variation import Flip, nearest_flips
from crmcore.policy import Policy
from crmcore.records.orders import OrderTable
from crmcore.scoring import BandStep, NestedStep, SumStep
from crmcore.segments import TableStep
from crmcore.timing import Timing
from crmcore.wording import Catalogue, Message, Voice

__all__ = ["Decision", "Explanation", "Flip", "OrderUse", "Subject", "explain"]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What there is to explain: one customer's columns and orders as of a moment."""

    policy: Policy
    columns: Mapping[str, Column]
    orders: OrderTable | None
    timing: Timing
    known_us: int | None
    last_evaluated_us: Ints | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One score, grade, class, segment or stage, and why it is what it is.

    Parameters
    ----------
    name, value
        Which decision, and what it came to; ``None`` when missing.
    source, band
        For bands: the fact or score looked at, and where its value lies among the edges. The
        value of a personal attribute, and what would tell it, is left out.
    inside
        For bands that lie inside another score: that score and its points.
    parts
        For sums: each score with its weight and points.
    conditions
        For first-match lists: each condition up to the one that decided.
    changes_on, changes_to
        The first local day on which the value differs if nothing happens, and what it is then;
        ``None`` when it stays.
    unchanged_until
        The last day that was tried, where the value is the same up to it and may change after
        it; ``None`` when `changes_on` says all there is.
    change_hidden
        Whether nothing is said of changes, as the day would tell what is personal.
    flips
        For each fact, the nearest value on either side that would change this decision with
        everything else as it is; the nearest first.
    internal
        Whether the policy keeps its edges from customers.
    """

    name: str
    value: Value
    source: str | None = None
    band: Band | None = None
    inside: tuple[str, Value] | None = None
    parts: tuple[tuple[str, int, Value], ...] = ()
    conditions: tuple[ConditionTrace, ...] = ()
    changes_on: date | None = None
    changes_to: Value = None
    unchanged_until: date | None = None
    change_hidden: bool = False
    flips: tuple[Flip, ...] = ()
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons for one customer's result, as data.

    Parameters
    ----------
    as_of
        The moment, in UTC.
    known_at
        The moment as of which the data was taken as known, in UTC; ``None``: as known now.
    last_evaluated_at
        The evaluation before, in UTC, if one was given or is scheduled.
    policy_name, policy_hash
        Which policy, exactly.
    facts
        The facts by name. Attributes are left out unless the policy says they are not personal.
    decisions
        In the order in which they are taken; the class is among them.
    orders
        The customer's orders and returns, oldest first.
    policy
        The policy itself, for the wording of its names.

    Examples
    --------
    >>> import crmcore as crm
    >>> from datetime import date
    >>> policy = crm.presets.load("classic")
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "C1", "2025-03-01 10:00:00", "300.00")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> explanation = crm.evaluate(policy, orders, as_of=date(2025, 4, 1)).explain("C1")
    >>> grade = explanation["grade"]
    >>> grade.value, grade.band.margin_to_upper, grade.changes_on
    ('bronze', 1, datetime.date(2026, 3, 2))
    >>> print(explanation.text("zh-CN", voice="customer").splitlines()[1])
      您的状态：铜
    """

    as_of: datetime
    known_at: datetime | None
    last_evaluated_at: datetime | None
    policy_name: str
    policy_hash: str
    facts: Mapping[str, Value]
    decisions: tuple[Decision, ...]
    orders: tuple[OrderUse, ...]
    policy: Policy = field(repr=False)

    def __getitem__(self, name: str) -> Decision:
        """Return the decision of that name; raises `KeyError`."""
        for decision in self.decisions:
            if decision.name == name:
                return decision
        raise KeyError(name)

    def messages(self, voice: Voice = "staff") -> tuple[Message, ...]:
        """Return what there is to say, as keys with parameters, in the order of reading.

        Parameters
        ----------
        voice
            ``"staff"``: everything. ``"customer"``: in the second person, without points, and
            without any edge that the policy keeps internal.
        """
        return tuple(messages_of(self, voice))

    def text(
        self, language: str = "en", *, voice: Voice = "staff", catalogue: Catalogue | None = None
    ) -> str:
        """Return the explanation as plain text, one message a line.

        Parameters
        ----------
        language
            ``"en"``, ``"zh-CN"``, or one that the catalogue adds.
        voice
            As for `messages`.
        catalogue
            The host's own wording, before that of the package.
        """
        return laid_out(self.messages(voice), self.policy.label, language, catalogue)

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON, to be kept: the page on explanations lists its keys.

        Dates are in ISO form, exact numbers text, money in major units. What does not need the
        orders (all but the keys in `NEEDS_ORDERS`) can be rebuilt from the facts alone.
        """
        return plain_explanation(self)


def explain(subject: Subject) -> Explanation:
    """Explain one customer's result.

    Cost: two evaluations of a handful of pretended rows, and some milliseconds for each condition
    with calculations.
    """
    policy, timing, last = subject.policy, subject.timing, subject.last_evaluated_us
    columns = subject.columns
    flips = nearest_flips(policy, columns, timing, last)
    outlook = Outlook()
    if subject.orders is not None:
        outlook = outlook_of(policy, columns, subject.orders, timing, last)
    decisions = []
    for step in policy.steps:
        changes_on, changes_to = outlook.changes.get(step.name, (None, None))
        decisions.append(
            Decision(
                name=step.name,
                value=columns[step.name][0],
                changes_on=changes_on,
                changes_to=changes_to,
                unchanged_until=outlook.until.get(step.name),
                change_hidden=step.name in outlook.hidden,
                flips=flips.get(step.name, ()),
                internal=step.name in policy.internal,
                **_reasons(step, policy, columns, timing, last),
            )
        )
    return Explanation(
        to_datetime(int(timing.now.at[0])),
        None if subject.known_us is None else to_datetime(subject.known_us),
        None if last is None else to_datetime(int(last[0])),
        policy.name,
        policy.hash,
        dict(_shown(policy, columns)),
        tuple(decisions),
        () if subject.orders is None else order_uses(policy, subject.orders, timing),
        policy,
    )


class _Reasons(TypedDict, total=False):
    source: str
    band: Band | None
    inside: tuple[str, Value]
    parts: tuple[tuple[str, int, Value], ...]
    conditions: tuple[ConditionTrace, ...]


def _reasons(
    step: object,
    policy: Policy,
    columns: Mapping[str, Column],
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> _Reasons:
    match step:
        case BandStep() | NestedStep():
            band = step.band_of(columns, 0, timing)
            if band is not None and policy.fields[step.source].personal:
                band = replace(band, value=None, margin_to_lower=None, margin_to_upper=None)
            if isinstance(step, BandStep):
                return {"source": step.source, "band": band}
            inside = step.inside, columns[step.inside][0]
            return {"source": step.source, "band": band, "inside": inside}
        case SumStep():
            parts = tuple((name, weight, columns[name][0]) for name, weight in step.weights)
            return {"parts": parts}
        case TableStep():
            given = {**columns, **given_moments(timing, last_evaluated_us)}
            return {"conditions": tuple(step.table.explain(given, 0))}
    return {}


def _shown(policy: Policy, columns: Mapping[str, Column]) -> Iterator[tuple[str, Value]]:
    for name in policy.facts:
        yield name, columns[name][0]
    for name, field_type in policy.attributes.items():
        if not field_type.personal:
            yield name, columns[name][0]
