"""Why one customer's result on one day is not what it was on another: the difference in parts.

The states between the two answers are replayed one after the other, each with one more cause let
in: the difference of neighbouring states is what that cause did. So the parts add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal, TypeAlias, get_args

from crmcore.calendars import to_datetime
from crmcore.columns import Value
from crmcore.errors import DataError, UnknownCustomerError
from crmcore.evaluation.moved import Moves, moved
from crmcore.evaluation.pipeline import Ledger, Population, attributes_of, decide, facts_of
from crmcore.evaluation.replaying import Books, Moment, moment_of, without_news
from crmcore.evaluation.telling import laid_out
from crmcore.evaluation.telling_change import change_messages, plain_change
from crmcore.evaluation.usage import OrderUse, order_uses
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.ids import Id
from crmcore.records.orders import OrderTable
from crmcore.wording import Catalogue, Message, Voice

__all__ = ["CAUSES", "Cause", "Change", "Delta", "Difference", "Part", "explain_change"]

Cause: TypeAlias = Literal[
    "policy", "late_data", "merge", "time", "status", "returns", "new_orders"
]
Delta: TypeAlias = int | Decimal | Fraction | timedelta | None

CAUSES: Final[tuple[Cause, ...]] = get_args(Cause)
"""In the order in which they are let in."""

_WIDE = Context(prec=60)
_NUMBERS = (int, Decimal, Fraction, float)


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact, score or decision that differs.

    Parameters
    ----------
    name
        Which.
    before, after
        Its values; ``None`` when missing.
    delta
        By how much, exactly: in days for dates; ``None`` where there is nothing to subtract.
    """

    name: str
    before: Value
    after: Value
    delta: Delta


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause did.

    Parameters
    ----------
    cause
        ``policy`` (it was edited), ``late_data`` (rows became known later), ``merge``
        (customers were merged or separated), ``time`` (orders aged and left windows, evaluations
        took place), ``status`` (orders changed it), ``returns`` (of earlier orders), or
        ``new_orders`` (with their returns).
    before, after
        All facts, scores and decisions without and with it. What is after one part is before the
        next.
    entered, left
        The orders and returns that more (or fewer) facts look at than before.
    altered
        Those that count as before, but with another amount, remainder or status.
    """

    cause: Cause
    before: Mapping[str, Value] = field(repr=False)
    after: Mapping[str, Value] = field(repr=False)
    entered: tuple[OrderUse, ...] = ()
    left: tuple[OrderUse, ...] = ()
    altered: tuple[OrderUse, ...] = ()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs."""
        return differences(self.before, self.after)

    def __bool__(self) -> bool:
        return bool(self.differences or self.entered or self.left or self.altered)


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between one customer's results on two days.

    Parameters
    ----------
    before_at, after_at
        The two moments, in UTC.
    policy_before, policy
        The policies of the two results.
    parts
        One for each of `CAUSES`, in that order; a part where nothing differs is false.
    unrecorded
        Causes that cannot be told apart, as the orders do not say when they became known or since
        when a status holds: both results show that as known now.

    Examples
    --------
    >>> import crmcore as crm
    >>> from datetime import date
    >>> policy = crm.presets.load("classic")
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "C1", "2024-03-01", "300.00"), (2, "C1", "2025-03-09", "500.00")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> change = explain_change(
    ...     policy, orders, customer_id="C1", from_=date(2025, 2, 1), to=date(2025, 4, 1)
    ... )
    >>> [
    ...     (part.cause, one.before, one.after)
    ...     for part in change.parts
    ...     for one in part.differences
    ...     if one.name == "class"
    ... ]
    [('time', 'bronze', 'no_order'), ('new_orders', 'no_order', 'silver')]
    """

    before_at: datetime
    after_at: datetime
    policy_before: Policy = field(repr=False)
    policy: Policy = field(repr=False)
    parts: tuple[Part, ...]
    unrecorded: tuple[Cause, ...] = ()

    @property
    def before(self) -> Mapping[str, Value]:
        """The first result: all facts, scores and decisions."""
        return self.parts[0].before

    @property
    def after(self) -> Mapping[str, Value]:
        """The second result."""
        return self.parts[-1].after

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs between the two."""
        return differences(self.before, self.after)

    def __getitem__(self, cause: Cause) -> Part:
        """Return the part of a cause; raises `KeyError`."""
        for part in self.parts:
            if part.cause == cause:
                return part
        raise KeyError(cause)

    def messages(self, voice: Voice = "staff") -> tuple[Message, ...]:
        """Return what there is to say, as keys with parameters; see `Explanation.messages`."""
        return tuple(change_messages(self, voice))

    def text(
        self, language: str = "en", *, voice: Voice = "staff", catalogue: Catalogue | None = None
    ) -> str:
        """Return the change as plain text; see `Explanation.text`."""
        return laid_out(self.messages(voice), self._label, language, catalogue)

    def _label(self, identifier: str, language: str) -> str:
        """Return the wording of the one policy, or else of the other."""
        worded = self.policy.label(identifier, language)
        return self.policy_before.label(worded, language) if worded == identifier else worded

    def __str__(self) -> str:
        return self.text()

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON: dates in ISO form, exact numbers as text."""
        return plain_change(self)


def explain_change(
    policy: Policy,
    orders: OrderTable,
    customers: CustomerTable | None = None,
    *,
    customer_id: Id,
    from_: date,
    to: date,
    policy_before: Policy | None = None,
    identity: IdentityMap | None = None,
    last_evaluated_at: date | None = None,
    last_evaluated_before: date | None = None,
    known_at: datetime | None = None,
    known_before: datetime | None = None,
) -> Change:
    """Explain the difference between one customer's results on two days.

    Parameters
    ----------
    policy, policy_before
        The policy of the second result, and that of the first where it was another one.
    orders, customers, identity
        As for `evaluate`; of customers only the present attributes are known.
    customer_id
        The customer, or the person where there is an identity map.
    from_, to
        The moments of the two results, each as ``as_of`` for `evaluate`.
    last_evaluated_at, last_evaluated_before
        For the second and for the first result, each as for `evaluate`.
    known_at, known_before
        For the second and for the first result, each as ``known_at`` for `evaluate`.

    Raises
    ------
    UnknownCustomerError
        The customer is there on neither day.
    DataError
        `from_` is later than `to`, or what `evaluate` refuses.

    Notes
    -----
    The first part's `before` is what `evaluate` gives as of `from_`, the last part's `after` what
    it gives as of `to`. A customer who is not there on one of the days counts as one without
    orders. Cost: one look at all orders, then eight evaluations of one customer.

    Examples
    --------
    >>> import crmcore as crm
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "C1", "2025-01-10", "300.00"), (2, "C1", "2025-03-09", "100.00")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> change = explain_change(
    ...     crm.presets.load("classic"),
    ...     orders,
    ...     customer_id="C1",
    ...     from_=date(2025, 2, 1),
    ...     to=date(2025, 4, 1),
    ... )
    >>> [order.order_id for order in change["new_orders"].entered]
    [2]
    """
    first_policy = policy_before or policy
    books = Books(orders, customers, identity, customer_id)
    replay = _Replay(
        books,
        first=moment_of(first_policy, orders, from_, known_before, last_evaluated_before),
        start=moment_of(policy, orders, from_, known_before, last_evaluated_before),
        last=moment_of(policy, orders, to, known_at, last_evaluated_at),
    )
    if replay.start.at_us > replay.last.at_us:
        raise DataError("the first day is later than the second", column="from")
    if not any(books.knows(moment) for moment in (replay.first, replay.last)):
        raise UnknownCustomerError
    states = tuple(replay.states())
    recorded = {"late_data": orders.known_us, "status": orders.status_us}
    return Change(
        to_datetime(replay.first.at_us),
        to_datetime(replay.last.at_us),
        first_policy,
        policy,
        tuple(_part(cause, *pair) for cause, pair in zip(CAUSES, pairwise(states), strict=True)),
        tuple(cause for cause in CAUSES if cause in recorded and recorded[cause] is None),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """One answer on the way, and which orders counted for it."""

    policy: Policy
    values: Mapping[str, Value]
    uses: tuple[OrderUse, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Replay:
    """Evaluates the customer again and again.

    `first` and `last` are the moments of the two results, `start` is that of the first one under
    the policy of the second.
    """

    books: Books
    first: Moment
    start: Moment
    last: Moment

    def states(self) -> Iterator[_State]:
        """Yield the first answer, and then one for each cause let in."""
        books, first, start, last = self.books, self.first, self.start, self.last
        people = books.customers_as(first)
        yield self._answer(first, books.orders_as(first, first), people)
        yield self._answer(start, books.orders_as(start, first), people)
        yield self._answer(start, books.orders_as(last, first), people)
        merged, people = books.orders_as(last, last), books.customers_as(last)
        yield self._answer(start, merged, people)
        for ledger in without_news(merged, start.at_us, last.at_us):
            yield self._answer(last, ledger, people)

    def _answer(self, moment: Moment, ledger: Ledger, customers: CustomerTable | None) -> _State:
        """Do what `evaluate` does, for the one customer."""
        policy, timing = moment.policy, moment.timing
        population = Population.of(ledger.now.customer_ids, customers)
        columns = facts_of(policy, ledger, timing) | attributes_of(policy, customers, population)
        columns = decide(policy, columns, 1, timing, moment.last_evaluated_us)
        personal = {name for name, kind in policy.attributes.items() if kind.personal}
        values = {name: column[0] for name, column in columns.items() if name not in personal}
        return _State(policy, values, order_uses(policy, ledger.now, timing))


def _part(cause: Cause, before: _State, after: _State) -> Part:
    moves: Moves = moved(before.policy, before.uses, after.policy, after.uses)
    entered, left, altered = (tuple(sorted(one, key=_day_of)) for one in moves)
    return Part(cause, before.values, after.values, entered, left, altered)


def _day_of(order: OrderUse) -> date:
    return order.placed_on


def differences(before: Mapping[str, Value], after: Mapping[str, Value]) -> tuple[Difference, ...]:
    """Return what differs between two results; a name that one has not counts as missing there."""
    names = dict.fromkeys([*before, *after])
    pairs = ((name, before.get(name), after.get(name)) for name in names)
    return tuple(
        Difference(name, one, other, _delta(one, other))
        for name, one, other in pairs
        if one != other
    )


def _delta(before: Value, after: Value) -> Delta:
    if isinstance(before, bool) or isinstance(after, bool):
        return None
    match before, after:
        case (int(), int()):
            return after - before
        case (Decimal(), Decimal()):
            return _WIDE.subtract(after, before)
        case (datetime(), datetime()):
            return after - before
        case (datetime(), _) | (_, datetime()):
            return None
        case (date(), date()):
            return (after - before).days
    if isinstance(before, _NUMBERS) and isinstance(after, _NUMBERS):
        return Fraction(after) - Fraction(before)
    return None
