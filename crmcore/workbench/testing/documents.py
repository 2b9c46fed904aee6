"""Test files as they are written: a default policy and moment, and cases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from crmcore.documents import ANY, DocumentKind
from crmcore.errors import PolicyError
from crmcore.records.models import Status

__all__ = ["TESTS", "CaseNode", "GivenOrder", "Single", "TestDocument", "TestFileError"]

Single: TypeAlias = bool | int | Decimal | str | date
"""A value as it stands in a file."""


class TestFileError(PolicyError):
    """A file of tests was refused; `problems` lists everything that is wrong with it.

    Examples
    --------
    >>> from crmcore.errors import Problem
    >>> error = TestFileError([Problem("unknown_name", "no such decision", "case.0.expect.grad")])
    >>> error.problems[0].path
    'case.0.expect.grad'
    """

    __test__ = False  # no test itself, whatever pytest makes of its name
    subject = "test file"


def _single(given: object) -> Single:
    if isinstance(given, bool | int | Decimal | str | date):
        return given
    raise PydanticCustomError("wrong_type", "a number, text, a date, true or false is expected")


def _moment(given: object) -> date | str:
    if isinstance(given, date):
        return given
    try:
        datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError:
        message = "a date such as 2025-12-31, or a time as text: '2025-12-31T18:00'"
        raise PydanticCustomError("bad_instant", message) from None
    assert isinstance(given, str)  # or it were no time
    return given


def _amount(given: object) -> Decimal:
    if isinstance(given, bool) or not isinstance(given, int | str | Decimal):
        raise PydanticCustomError("wrong_type", "an amount such as '300.00' is expected")
    try:
        amount = Decimal(given)
    except ArithmeticError:
        raise PydanticCustomError("not_a_number", "this is no amount such as '300.00'") from None
    if not amount.is_finite() or abs(amount.adjusted()) > 30:
        raise PydanticCustomError("out_of_range", "no amount is so large or so fine")
    return amount


Value: TypeAlias = Annotated[
    Single, PlainValidator(_single, json_schema_input_type=bool | int | float | str)
]
Moment: TypeAlias = Annotated[date | str, PlainValidator(_moment, json_schema_input_type=str)]
Amount: TypeAlias = Annotated[
    Decimal, BeforeValidator(_amount, json_schema_input_type=int | float | str)
]
RecordId: TypeAlias = StrictInt | Annotated[StrictStr, Field(min_length=1, max_length=100)]
Name: TypeAlias = Annotated[StrictStr, Field(min_length=1, max_length=200)]


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenOrder(_Node):
    """One order of a case, or one return where `amount` is negative.

    Parameters
    ----------
    placed_at
        A time as text, in the policy's zone unless it has an offset; or a date: its first moment.
    amount
        Money in major units, as text.
    status
        A standard status.
    status_at
        Since when it has that status.
    order_id, returns_order_id
        Names an order within the case, and the order that a return belongs to.
    quantity, product_id, category, channel, promotion
        What facts may look at.
    """

    placed_at: Moment
    amount: Amount
    status: Status = "delivered"
    status_at: Moment | None = None
    order_id: RecordId | None = None
    returns_order_id: RecordId | None = None
    quantity: StrictInt | None = None
    product_id: RecordId | None = None
    category: StrictStr | None = None
    channel: StrictStr | None = None
    promotion: StrictStr | None = None


class CaseNode(_Node):
    """One customer, given by facts or by orders, and what the policy is to make of them.

    Parameters
    ----------
    name
        Names the case in reports; once in a file.
    as_of
        The moment; by default the file's.
    last_evaluated_at
        The evaluation before; by default the file's.
    given
        Facts and attributes by name. What is not given is as for a customer without orders.
    orders, customer
        Instead of `given`: the customer's orders, and their attributes by name.
    expect
        Values of decisions and facts by name, each checked on its own.
    expect_missing
        The decisions and facts that have no value.
    """

    name: Name
    as_of: Moment | None = None
    last_evaluated_at: Moment | None = None
    given: Mapping[str, Value] | None = None
    orders: tuple[GivenOrder, ...] | None = None
    customer: Mapping[str, Value] = Field(default_factory=dict)
    expect: Mapping[str, Value] = Field(default_factory=dict)
    expect_missing: tuple[StrictStr, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> CaseNode:
        if self.given is not None and (self.orders is not None or self.customer):
            message = "a case has 'given', or 'orders' with 'customer': not both"
            raise PydanticCustomError("one_of", message)
        if not self.expect and not self.expect_missing:
            message = "a case expects something: give 'expect' or 'expect_missing'"
            raise PydanticCustomError("missing_key", message)
        return self


class TestDocument(_Node):
    """A file of tests of a policy.

    Parameters
    ----------
    policy
        A preset, or a file next to this one; by default the policy this file stands beside.
    as_of
        The moment of the cases that name none: a date (its end), or a time as text.
    last_evaluated_at
        The evaluation before, of the cases that name none.
    case
        The cases.
    """

    __test__ = False
    model_config = ConfigDict(title="crmcore policy tests")

    policy: StrictStr | None = None
    as_of: Moment | None = None
    last_evaluated_at: Moment | None = None
    case: tuple[CaseNode, ...] = ()


TESTS: Final = DocumentKind(
    "test file",
    error=TestFileError,
    models={
        (): TestDocument,
        ("case", ANY): CaseNode,
        ("case", ANY, "orders", ANY): GivenOrder,
    },
)
"""Test files as a kind of document."""
