"""Cases of one moment, made ready to be evaluated together, and as often as is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from crmcore.columns import Column, Value
from crmcore.errors import Problem
from crmcore.evaluation import Evaluation, evaluate, evaluate_facts
from crmcore.facts import FactTable
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.ids import Ids
from crmcore.records.models import Customer
from crmcore.records.orders import OrderTable
from crmcore.records.source import Source
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.documents import GivenOrder, TestFileError
from crmcore.workbench.testing.values import column_of

__all__ = ["Group", "groups_of", "usual_value"]

_WHERE_STATED: Final = ("status_at", "returns_order_id")
_PLAIN: Final = ("amount", "status", "quantity", "product_id", "category", "channel", "promotion")


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Cases of one moment, all by facts or all by orders.

    Parameters
    ----------
    cases
        The cases; their rows in a result are in this order.
    as_of, last_evaluated_at
        Their moments.
    facts
        Their facts and attributes; ``None`` when they are given by orders.
    orders, customers
        Their orders and their customers.
    """

    cases: tuple[Case, ...]
    as_of: date
    last_evaluated_at: date | None
    facts: FactTable | None = None
    orders: OrderTable | None = None
    customers: CustomerTable | None = None

    def evaluate(self, policy: Policy) -> Evaluation:
        """Return the result of all cases; `DataError` when the policy refuses one of them."""
        if self.facts is not None:
            return evaluate_facts(
                policy, self.facts, as_of=self.as_of, last_evaluated_at=self.last_evaluated_at
            )
        assert self.orders is not None  # as it is no group by facts
        return evaluate(
            policy,
            self.orders,
            self.customers,
            as_of=self.as_of,
            last_evaluated_at=self.last_evaluated_at,
        )


def groups_of(policy: Policy, cases: Iterable[Case]) -> Iterator[Group]:
    """Put cases together that can be evaluated together.

    Raises
    ------
    TestFileError
        Orders that cannot be used.
    """
    together: dict[tuple[object, ...], list[Case]] = {}
    for case in cases:
        # A date and a datetime may be equal to Python, and mean different moments.
        key = (str(case.as_of), str(case.last_evaluated_at), case.given is None)
        together.setdefault(key, []).append(case)
    for found in together.values():
        first = found[0]
        if first.given is None:
            orders, customers = _orders(policy, found), _customers(policy, found)
            yield Group(tuple(found), first.as_of, first.last_evaluated_at, None, orders, customers)
        else:
            facts = FactTable(Ids(np.arange(len(found))), _columns(policy, found))
            yield Group(tuple(found), first.as_of, first.last_evaluated_at, facts)


def usual_value(policy: Policy, name: str) -> bool | int | None:
    """Return what a fact or an attribute is that nobody states: as for one without orders."""
    field = policy.fields[name]
    if field.nullable:
        return None
    return False if field.kind == "bool" else 0


def _columns(policy: Policy, cases: Sequence[Case]) -> dict[str, Column]:
    columns = {}
    for name in (*policy.facts, *policy.attributes):
        usual = usual_value(policy, name)
        edges = [(case.given or {}).get(name, usual) for case in cases]
        columns[name] = column_of(edges, policy.fields[name])
    return columns


def _orders(policy: Policy, cases: Sequence[Case]) -> OrderTable:
    rows = [(at, number, order) for at, case in enumerate(cases)
            for number, order in enumerate(case.orders)]  # fmt: skip
    columns: dict[str, list[object]] = {
        "order_id": [f"{at}/{_own_id(order, number)}" for at, number, order in rows],
        "customer_id": [at for at, _, _ in rows],
        "placed_at": [str(order.placed_at) for _, _, order in rows],
        "status_at": [_text(order.status_at) for _, _, order in rows],
        "returns_order_id": [
            None if order.returns_order_id is None else f"{at}/{order.returns_order_id}"
            for at, _, order in rows
        ],
    }
    columns |= {name: [getattr(order, name) for _, _, order in rows] for name in _PLAIN}
    for name in _WHERE_STATED:
        if all(value is None for value in columns[name]):
            del columns[name]
    table = OrderTable.from_arrays(columns, Source(zone=policy.zone.name, currency=policy.currency))
    problems = [
        Problem(left.reason, "an order that cannot be used", f"{case.name}, order {number + 1}")
        for left in table.intake.left_out
        for at, number, _ in (rows[position] for position in left.positions)
        for case in [cases[at]]
    ]
    if problems:
        raise TestFileError(problems)
    return table


def _own_id(order: GivenOrder, number: int) -> int | str:
    return f"#{number + 1}" if order.order_id is None else order.order_id


def _text(moment: date | str | None) -> str | None:
    return None if moment is None else str(moment)


def _customers(policy: Policy, cases: Sequence[Case]) -> CustomerTable:
    return CustomerTable.from_models([_customer(policy, at, case) for at, case in enumerate(cases)])


def _customer(policy: Policy, at: int, case: Case) -> Customer:
    values: dict[str, Value] = {
        name: column_of([edge], policy.fields[name])[0] for name, edge in case.customer.items()
    }
    registered_on, blocked = values.pop("registered_on", None), values.pop("blocked", False)
    assert registered_on is None or isinstance(registered_on, date)  # as the field's type says
    tags = {name for name, value in values.items() if name.startswith("tag:") and value}
    return Customer(
        customer_id=at,
        registered_on=registered_on,
        blocked=bool(blocked),
        # Which names there are is data: the attributes of the policy.
        attributes={n: v for n, v in values.items() if not n.startswith("tag:")},  # type: ignore[misc]
        tags=frozenset(tag.removeprefix("tag:") for tag in tags),
    )
