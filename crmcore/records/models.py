"""One customer at a time: the models that a web request builds and a test writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Context, Decimal
from operator import attrgetter
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

__all__ = ["Customer", "Order", "OrderLine", "Status"]

Status: TypeAlias = Literal[
    "placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned"
]
Text: TypeAlias = Annotated[StrictStr, Field(min_length=1)]
Whole: TypeAlias = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
RecordId: TypeAlias = Annotated[Whole | Text | UUID, Field(union_mode="smart")]
Attribute: TypeAlias = bool | int | float | Decimal | date | str | None

# What was given is never repeated in an error: it may be personal.
_FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_CUSTOMER_COLUMNS = ("customer_id", "registered_on", "birthday", "time_zone", "blocked")


class OrderLine(BaseModel):
    """One line of an order: what, how many, for how much.

    Examples
    --------
    >>> OrderLine(product_id="P1", quantity=2, amount=Decimal("10.00")).quantity
    2
    """

    model_config = _FROZEN

    amount: Decimal
    quantity: StrictInt | None = None
    product_id: RecordId | None = None
    category: str | None = None
    line_id: RecordId | None = None


class Order(BaseModel):
    """One order, or one return where `amount` is negative.

    Parameters
    ----------
    order_id, customer_id
        Whole number, text or UUID.
    placed_at
        Aware datetime.
    amount
        Money in major units, exact. It may be left out where there are lines: then it is their
        sum.
    status
        One of the standard statuses; ``status_at`` says since when.
    returns_order_id
        For a return: the order that it belongs to, where known.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> Order(
    ...     order_id=1,
    ...     customer_id="C1",
    ...     placed_at=datetime(2025, 3, 1, tzinfo=UTC),
    ...     amount=Decimal("300.00"),
    ... ).status
    'delivered'
    """

    model_config = _FROZEN

    order_id: RecordId
    customer_id: RecordId | None
    placed_at: AwareDatetime
    amount: Decimal | None = None
    status: Status = "delivered"
    status_at: AwareDatetime | None = None
    known_at: AwareDatetime | None = None
    returns_order_id: RecordId | None = None
    quantity: StrictInt | None = None
    product_id: RecordId | None = None
    category: str | None = None
    channel: str | None = None
    promotion: str | None = None
    lines: tuple[OrderLine, ...] = ()

    @model_validator(mode="after")
    def _amount_is_clear(self) -> Self:
        if self.amount is None and not self.lines:
            raise ValueError("an order needs an amount, or lines")
        total = Decimal(0)
        for line in self.lines:
            total = _EXACT.add(total, line.amount)
        if self.amount is not None and self.lines and self.amount != total:
            raise ValueError("the amount is not the sum of the lines: leave one of them out")
        return self


class Customer(BaseModel):
    """One customer.

    Parameters
    ----------
    customer_id
        Whole number, text or UUID.
    registered_on, birthday, time_zone
        Where known.
    blocked
        True when they may not order.
    attributes
        Anything a policy declares under ``attributes``.
    tags
        Free marks, asked for in conditions as ``tag:name``.

    Examples
    --------
    >>> Customer(customer_id="C1", attributes={"city": "Shanghai"}, tags={"press"}).blocked
    False
    """

    model_config = _FROZEN

    customer_id: RecordId
    registered_on: date | None = None
    birthday: date | None = None
    time_zone: str | None = None
    blocked: bool = False
    attributes: Mapping[str, Attribute] = {}
    tags: frozenset[str] = frozenset()

    @field_validator("attributes")
    @classmethod
    def _names_are_free(cls, given: Mapping[str, Attribute]) -> Mapping[str, Attribute]:
        if any(name in _CUSTOMER_COLUMNS or name.startswith("tag:") for name in given):
            raise ValueError("an attribute may not have the name of a field, nor of a tag")
        return given


_EXACT = Context(prec=60)
_ORDER_COLUMNS = (
    "order_id",
    "customer_id",
    "placed_at",
    "amount",
    "status",
    "status_at",
    "known_at",
    "returns_order_id",
    "quantity",
    "product_id",
    "category",
    "channel",
    "promotion",
)
_LINE_COLUMNS = ("amount", "quantity", "product_id", "category", "line_id")
_WHERE_STATED = frozenset({"status_at", "known_at", "returns_order_id", "line_id"})
"""Columns that mean something only where some order has them."""


def columns_of_models(orders: Iterable[Order]) -> tuple[dict[str, list[object]], bool]:
    """Return standard columns of some orders, and whether they are lines."""
    orders = list(orders)
    by_line = any(map(attrgetter("lines"), orders))
    columns = _by_line(orders) if by_line else _attributes(orders, _ORDER_COLUMNS)
    return {
        name: values
        for name, values in columns.items()
        if name not in _WHERE_STATED or values.count(None) < len(values)
    }, by_line


def _attributes(models: Sequence[BaseModel], names: Iterable[str]) -> dict[str, list[object]]:
    return {name: list(map(attrgetter(name), models)) for name in names}


def _by_line(orders: Iterable[Order]) -> dict[str, list[object]]:
    pairs: list[tuple[Order, Order | OrderLine]] = [
        (order, line) for order in orders for line in order.lines or (order,)
    ]
    whole = [name for name in _ORDER_COLUMNS if name not in _LINE_COLUMNS]
    columns = _attributes([order for order, _ in pairs], whole)
    for name in _LINE_COLUMNS:
        columns[name] = [getattr(line, name, None) for _, line in pairs]
    return columns


def columns_of_customers(customers: Iterable[Customer]) -> dict[str, list[object]]:
    """Return standard columns of some customers; attributes and tags become columns."""
    customers = list(customers)
    columns = _attributes(customers, _CUSTOMER_COLUMNS)
    attributes = dict.fromkeys(name for customer in customers for name in customer.attributes)
    for name in attributes:
        columns[name] = [customer.attributes.get(name) for customer in customers]
    tags = sorted({tag for customer in customers for tag in customer.tags})
    for tag in tags:
        columns[f"tag:{tag}"] = [tag in customer.tags for customer in customers]
    return columns
