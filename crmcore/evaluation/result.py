"""What an evaluation returns, and the functions that make one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np

from crmcore.calendars import Moments, moments
from crmcore.columns import Column, Ints, Value
from crmcore.errors import UnknownCustomerError
from crmcore.evaluation.asking import Question, last_evaluated
from crmcore.evaluation.explanation import Explanation, Subject, explain
from crmcore.evaluation.pipeline import (
    Ledger,
    Population,
    attributes_of,
    decide,
    facts_of,
    in_order,
    refuse,
)
from crmcore.evaluation.review import Seen, review, review_customers
from crmcore.facts import FactTable, check_ranges
from crmcore.findings import Finding, findings_of_intake
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.ids import Id, Ids
from crmcore.records.orders import OrderTable
from crmcore.records.raw import RawValues
from crmcore.timing import Timing

if TYPE_CHECKING:
    from crmcore.records.models import Customer, Order

__all__ = ["Evaluation", "concluded", "evaluate", "evaluate_customer", "evaluate_facts"]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Everybody's facts, scores, grade and class as of one moment.

    Rows stand in ascending order of customer id: whole numbers, then text, then UUIDs.

    Parameters
    ----------
    policy
        The policy that was applied.
    ids
        Customer ids, ascending: ``ids[row]``, ``ids.tolist()``, or an array with ``np.asarray``.
    columns
        One `Column` for each decision of the policy and for each fact and attribute.
    timing
        The moment asked for, and the scheduled evaluation that still stands.
    known_us
        The moment as of which the data was taken as known; ``None``: as known now.
    last_evaluated_us
        The evaluation before, after which a first order makes a customer new.
    findings
        What deserves a look.
    orders
        The orders as they were counted; ``None`` for an evaluation of facts.
    frame_kind
        The kind of frame the orders or facts came in.

    Examples
    --------
    >>> import crmcore as crm
    >>> from datetime import date
    >>> policy = crm.presets.load("classic")
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "C1", "2025-03-01 10:00:00", "300.00")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> result = crm.evaluate(policy, orders, as_of=date(2025, 4, 1))
    >>> result.columns["grade"][0], result["C1"]["score"]
    ('bronze', 16)
    """

    policy: Policy
    ids: Ids
    columns: Mapping[str, Column]
    timing: Timing
    known_us: int | None
    last_evaluated_us: Ints | None
    findings: tuple[Finding, ...]
    orders: OrderTable | None = None
    frame_kind: str = "pyarrow"

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Evaluation({len(self)} customers, policy {self.policy.name!r})"

    def __getitem__(self, customer_id: Id) -> dict[str, Value]:
        """Return one customer's values by name.

        Raises
        ------
        UnknownCustomerError
            When nobody has that id.
        """
        row = self.row_of(customer_id)
        return {name: column[row] for name, column in self.columns.items()}

    def row_of(self, customer_id: Id) -> int:
        """Return the row of a customer; raises `UnknownCustomerError`."""
        row = self.ids.locate(customer_id)
        if row < 0:
            raise UnknownCustomerError
        return row

    @property
    def facts(self) -> FactTable:
        """The facts and attributes alone, to be saved and given to `evaluate_facts`."""
        names = (*self.policy.facts, *self.policy.attributes)
        columns = {name: self.columns[name] for name in names}
        return FactTable(self.ids, columns, self.frame_kind)

    def explain(self, customer_id: Id) -> Explanation:
        """Explain one customer's result; see `Explanation`.

        Raises
        ------
        UnknownCustomerError
            When nobody has that id.
        """
        row = self.row_of(customer_id)
        here = np.array([row])
        orders = None if self.orders is None else self.orders.of_customer(customer_id)
        last, timing = self.last_evaluated_us, self.timing
        return explain(
            Subject(
                policy=self.policy,
                columns=self.columns
                if len(self) == 1
                else {name: column.take(here) for name, column in self.columns.items()},
                orders=orders,
                timing=Timing(timing.zone, _pick(timing.now, row), _pick(timing.held, row)),
                known_us=self.known_us,
                last_evaluated_us=last if last is None or len(last) == 1 else last[here],
            )
        )

    def to_frame(self, kind: str | None = None) -> object:
        """Return the result as a frame of the kind that the orders, or the facts, came in.

        What came as arrays, rows or Arrow streams gives a pyarrow table; so does `kind`
        ``"pyarrow"``, and the others are ``"polars"``, ``"polars.LazyFrame"``, ``"pandas"``,
        ``"duckdb"``, and each of them after ``"narwhals."``. Another one raises `DataError`.

        Money is an exact decimal, a mean is rounded down to the minor unit, dates are dates,
        labels are dictionaries, and what is missing is null. Needs the extra
        ``crmcore[frames]``.
        """
        from crmcore.frames import to_frame

        return to_frame(self.columns, self.ids, self.frame_kind if kind is None else kind)


def _pick(given: Moments, row: int) -> Moments:
    return given if len(given) == 1 else Moments(given.at[row : row + 1], given.day[row : row + 1])


def evaluate(
    policy: Policy,
    orders: OrderTable,
    customers: CustomerTable | None = None,
    *,
    as_of: date,
    known_at: datetime | None = None,
    last_evaluated_at: date | None = None,
    identity: IdentityMap | None = None,
) -> Evaluation:
    """Grade everybody as of one moment.

    Parameters
    ----------
    policy
        Says how.
    orders
        The shop's orders, in the currency of the policy.
    customers
        The shop's customers. Without them, everybody who ever ordered.
    as_of
        An aware datetime; or a date, which means the end of that local day.
    known_at
        Take the data as it was known then. By default as of `as_of` where the orders say when
        each row became known, else as it is known now; a finding says so.
    last_evaluated_at
        A first-ever order after it makes a customer new. By default nobody is new, unless the
        policy holds results from one scheduled evaluation to the next.
    identity
        Which customer ids are one person.

    Returns
    -------
    Evaluation
        One row for each customer in `orders` or `customers`, by ascending id.

    Raises
    ------
    DataError
        Another currency, totals beyond 64 bits, a naive datetime, or what the policy refuses.

    Notes
    -----
    Cost: a few passes over the orders; memory for a few integers a row while it runs. Customers
    that nobody else keeps, as where they are read in the call, are gone when their attributes are
    taken.

    Examples
    --------
    >>> import crmcore as crm
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> orders = crm.OrderTable.from_arrays(
    ...     {
    ...         "order_id": [1, 2],
    ...         "customer_id": ["C1", "C2"],
    ...         "placed_at": ["2025-03-01", "2024-01-15"],
    ...         "amount": ["300.00", "80.00"],
    ...     },
    ...     source,
    ... )
    >>> result = evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 4, 1))
    >>> result.columns["class"].to_list()
    ['bronze', 'no_order']
    """
    question = Question.of(policy, as_of, known_at, last_evaluated_at, identity)
    ledger, customers = question.ledger(orders), question.persons(customers)
    known_us = question.known_us(orders)
    refuse(policy, ledger, question.timing)
    population, attributes, about_customers = _people(policy, ledger, customers)
    del customers  # before there are facts, which take the most room
    given = facts_of(policy, ledger, question.timing, population) | attributes
    ids = population.ids
    del population
    seen = Seen.of(ledger.now, question.timing, enough=policy.notes.minimum_customers)
    findings = (
        *review(policy, seen, known_us, asked_known=known_at is not None),
        *about_customers,
        *findings_of_intake(orders.intake),
    )
    last, timing, kind = question.last_evaluated_us, question.timing, orders.frame_kind
    columns = in_order(decide(policy, given, len(ids), timing, last))
    return Evaluation(policy, ids, columns, timing, known_us, last, findings, ledger.now, kind)


def _people(
    policy: Policy, ledger: Ledger, customers: CustomerTable | None
) -> tuple[Population, dict[str, Column], tuple[Finding, ...]]:
    """Return everybody, their attributes, and the findings about the customers."""
    ids = ledger.now.customer_ids
    population = Population.of(ids, customers)
    attributes = attributes_of(policy, customers, population)
    findings = tuple(review_customers(ids, customers, population))
    return population.without_customers(), attributes, findings


def concluded(
    question: Question,
    facts: Mapping[str, Column],
    customers: CustomerTable | None,
    population: Population,
) -> dict[str, Column]:
    """Return all columns of a result, given everybody's facts."""
    policy, last = question.policy, question.last_evaluated_us
    given = {**facts, **attributes_of(policy, customers, population)}
    return in_order(decide(policy, given, len(population), question.timing, last))


def evaluate_facts(
    policy: Policy,
    facts: FactTable | Mapping[str, RawValues],
    *,
    as_of: date,
    last_evaluated_at: date | None = None,
) -> Evaluation:
    """Grade customers whose facts are known already.

    Parameters
    ----------
    policy
        Says how; its declared facts and attributes are the columns needed.
    facts
        A `FactTable`, or one array or list a column.
    as_of, last_evaluated_at
        As for `evaluate`.

    Raises
    ------
    DataError
        A fact or an attribute is missing, not what it is declared to be, or out of its range.

    Examples
    --------
    >>> import crmcore as crm
    >>> policy = crm.presets.load("classic")
    >>> result = crm.evaluate_facts(
    ...     policy,
    ...     {
    ...         "customer_id": ["C1"],
    ...         "last_sale_on": [date(2025, 2, 1)],
    ...         "sale_count": [5],
    ...         "mean_sale": ["300.00"],
    ...         "order_count": [5],
    ...         "orders_ever": [5],
    ...         "first_order_at": ["2024-06-01T00:00:00+08:00"],
    ...         "blocked": [False],
    ...     },
    ...     as_of=date(2025, 4, 1),
    ... )
    >>> result["C1"]["score"], result["C1"]["class"]
    (24, 'silver')
    """
    fields = {name: policy.fields[name] for name in (*policy.facts, *policy.attributes)}
    if isinstance(facts, FactTable):
        facts = facts.checked(fields)
    else:
        facts = FactTable.from_arrays(facts, fields)
    check_ranges(facts.columns, policy.attributes)
    now = moments(as_of, policy.zone)
    timing = Timing(policy.zone, now, policy.evaluation.held(now, policy.zone))
    last = last_evaluated(policy, timing, last_evaluated_at)
    columns = in_order(decide(policy, facts.columns, len(facts), timing, last))
    kind = facts.frame_kind
    return Evaluation(policy, facts.ids, columns, timing, None, last, (), frame_kind=kind)


def evaluate_customer(
    policy: Policy,
    customer: Customer,
    orders: Iterable[Order],
    *,
    as_of: date,
    known_at: datetime | None = None,
    last_evaluated_at: date | None = None,
) -> Evaluation:
    """Grade one customer, as a web request needs it.

    The answer is, to the bit, the one that `evaluate` gives among millions: it is the same code.

    Parameters
    ----------
    policy
        Says how.
    customer
        The customer.
    orders
        The customer's orders and returns; those of other customers are refused.
    as_of, known_at, last_evaluated_at
        As for `evaluate`.

    Returns
    -------
    Evaluation
        With one row.

    Raises
    ------
    UnknownCustomerError
        When an order belongs to another customer.

    Examples
    --------
    >>> import crmcore as crm
    >>> from datetime import UTC
    >>> customer = crm.Customer(customer_id="C1")
    >>> order = crm.Order(
    ...     order_id=1,
    ...     customer_id="C1",
    ...     amount="300.00",
    ...     placed_at=datetime(2025, 3, 1, tzinfo=UTC),
    ... )
    >>> policy = crm.presets.load("classic")
    >>> result = evaluate_customer(policy, customer, [order], as_of=date(2025, 4, 1))
    >>> result["C1"]["score"]
    16
    """
    orders = list(orders)
    ids = {(type(order.customer_id), order.customer_id) for order in orders}
    if not ids <= {(type(customer.customer_id), customer.customer_id)}:
        raise UnknownCustomerError("an order belongs to another customer, or to nobody")
    table = OrderTable.from_models(orders, currency=policy.currency)
    customers = CustomerTable.from_models([customer])
    return evaluate(
        policy,
        table,
        customers,
        as_of=as_of,
        known_at=known_at,
        last_evaluated_at=last_evaluated_at,
    )
