"""From orders and customers to columns: facts, then each decision of the policy in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Column, Ints, label_dtype
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.facts import Fact, check_ranges, scatter, summarise
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.ids import Ids
from crmcore.records.orders import UNLINKED, WITHDRAWN, OrderTable
from crmcore.records.united import unite
from crmcore.timing import Timing

__all__ = [
    "Ledger",
    "Population",
    "attributes_of",
    "decide",
    "facts_of",
    "given_moments",
    "in_order",
]

_MAX_LISTED = 10
_LEADING = ("class", "segment", "stage", "grade")


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Everybody there is: the customers of the orders and those of the customer table.

    `of_orders` and `of_customers` are the positions of theirs among `ids`.
    """

    ids: Ids
    of_orders: Ints
    of_customers: Ints

    @classmethod
    def of(cls, ids: Ids, customers: CustomerTable | None) -> Population:
        """Return the population of the customers of orders and of a customer table."""
        if customers is None:
            return cls(ids, np.arange(len(ids)), np.empty(0, np.int64))
        return cls(*unite(ids, customers.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def without_customers(self) -> Population:
        """Return the same people, when nobody asks any more where those of the table stand."""
        return replace(self, of_customers=np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """The orders as known at the moment, and as known at the scheduled evaluation that stands.

    The two have the same customers; they are one table unless the orders say when each row
    became known and results are held.
    """

    now: OrderTable
    held: OrderTable

    @classmethod
    def of(cls, orders: OrderTable, now_us: int | None, held_us: int | None) -> Ledger:
        """Return the orders as known at two moments; ``None``: as known now."""
        if orders.known_us is None or now_us is None or held_us is None:
            return cls(orders, orders)
        now, held = orders.known_at(now_us), orders.known_at(held_us)
        there = np.zeros(len(now.customer_ids) + 1, np.bool_)
        there[now.customer] = True
        present = np.flatnonzero(there[:-1])
        now = now.only_customers(present)
        return cls(now, now if held_us == now_us else held.only_customers(present))


def facts_of(
    policy: Policy, ledger: Ledger, timing: Timing, population: Population | None = None
) -> dict[str, Column]:
    """Return the policy's facts for a population, or for the customers of the orders.

    Raises
    ------
    DataError
        When the currencies differ, when the policy refuses returns that name no order and there
        are some, or when a customer's amounts exceed 64 bits.
    """
    refuse(policy, ledger, timing)
    place, size = None, None  # each has its own place already, as ids ascend
    if population is not None and len(population.of_orders) < len(population):
        place, size = population.of_orders, len(population)
    columns: dict[str, Column] = {}
    for orders, facts in _facts_by_orders(policy, ledger):
        columns |= summarise(
            facts,
            orders,
            timing=timing,
            windows=policy.windows,
            sale_statuses=policy.sale_statuses,
            place=place,
            size=size,
        )
    return {name: columns[name] for name in policy.facts}


def _facts_by_orders(
    policy: Policy, ledger: Ledger
) -> Iterator[tuple[OrderTable, Mapping[str, Fact]]]:
    """Yield the orders to look at, with the facts to work out from them."""
    if ledger.now is ledger.held:
        yield ledger.now, policy.facts
        return
    for orders, windowed in ((ledger.now, False), (ledger.held, True)):
        facts = {name: fact for name, fact in policy.facts.items() if bool(fact.window) is windowed}
        yield orders, facts


def refuse(policy: Policy, ledger: Ledger, timing: Timing) -> None:
    """Raise `DataError` for orders that the policy cannot be asked about."""
    _check_currency(policy, ledger.now)
    if policy.returns == "refuse":
        _refuse_unlinked(ledger.now, timing.now.at)
        _refuse_unlinked(ledger.held, timing.held.at)


def _check_currency(policy: Policy, orders: OrderTable) -> None:
    if orders.currency != policy.currency:
        raise DataError(
            f"the policy is in {policy.currency.code} with {policy.currency.exponent} digits, "
            f"the orders are in {orders.currency.code} with {orders.currency.exponent}",
            column="currency",
        )


def _refuse_unlinked(orders: OrderTable, at: Ints) -> None:
    rows = orders.return_rows[orders.sale_of == UNLINKED]
    identified = orders.customer[rows] < len(orders.customer_ids)
    happened = orders.placed_us[rows] <= at.max()
    counting = orders.status[rows] != WITHDRAWN
    count = int(np.count_nonzero(identified & happened & counting))
    if count:
        raise DataError(
            "the policy refuses returns that name no order: link them, or say "
            "returns = 'customer_total'",
            column="returns_order_id",
            count=count,
        )


def spread_facts(
    policy: Policy, columns: Mapping[str, Column], place: Ints, size: int
) -> dict[str, Column]:
    """Return facts of the orders' customers as facts of everybody."""
    if len(place) == size:
        return dict(columns)
    return {
        name: scatter(column, place, size, zero=not policy.fields[name].nullable)
        for name, column in columns.items()
    }


def attributes_of(
    policy: Policy, customers: CustomerTable | None, population: Population
) -> dict[str, Column]:
    """Return the attributes that the policy names; marks and blocks nobody stated are false."""
    columns = {
        name: _attribute(name, field_type, customers, population)
        for name, field_type in policy.attributes.items()
    }
    check_ranges(columns, policy.attributes)
    return columns


def _attribute(
    name: str, field_type: FieldType, customers: CustomerTable | None, population: Population
) -> Column:
    size, is_mark = len(population), name == "blocked" or name.startswith("tag:")
    given = None if customers is None else customers.column(name, field_type.kind)
    if given is None:
        values = np.zeros(size, np.object_ if field_type.kind == "text" else np.int64)
        given = Column(field_type.kind, values, np.zeros(size, np.bool_))
    if is_mark:
        stated = given.values.astype(np.bool_, copy=False)
        given = Column("bool", stated if given.known is None else stated & given.known)
    given = _as_listed(name, given, field_type.categories)
    if len(given) == size:  # as customers stand in one order everywhere
        return given
    return scatter(given, population.of_customers, size, zero=is_mark)


def _as_listed(name: str, column: Column, labels: tuple[str, ...]) -> Column:
    """Return a label column in the order of the labels that the policy lists, if it lists any."""
    if column.kind != "label" or not labels:
        return column
    place = {label: at for at, label in enumerate(labels)}
    given = [place.get(label, -1) for label in (*column.categories, "")]
    codes: NDArray[np.integer] = np.array(given, label_dtype(len(labels)))
    values = codes[column.values.astype(np.int64)]
    strange = int(np.count_nonzero((values < 0) & column.is_known()))
    if strange:
        listed = ", ".join(labels[:_MAX_LISTED]) + (", …" if len(labels) > _MAX_LISTED else "")
        message = f"a label that the policy does not list: it lists {listed}"
        raise DataError(message, column=name, count=strange)
    return Column("label", np.maximum(values, 0), column.known, categories=labels)


def decide(
    policy: Policy,
    columns: Mapping[str, Column],
    rows: int,
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> dict[str, Column]:
    """Return the columns given, and after them one for each decision of the policy."""
    given = given_moments(timing, last_evaluated_us)
    result = dict(columns)
    for step in policy.steps:
        result[step.name] = step.apply(result | given, rows, timing)
    return result


def in_order(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Return the decisions that matter most first, the class before all."""
    leading = [name for name in _LEADING if name in columns]
    return {name: columns[name] for name in leading} | dict(columns)


def given_moments(timing: Timing, last_evaluated_us: Ints | None) -> dict[str, Column]:
    """Return the moments that conditions may name."""
    known = np.zeros(1, np.bool_) if last_evaluated_us is None else None
    last = np.zeros(1, np.int64) if last_evaluated_us is None else last_evaluated_us
    return {
        "as_of": Column("instant", timing.now.at),
        "last_evaluated_at": Column("instant", last, known),
    }
