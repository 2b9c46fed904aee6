"""Source files: how a shop's rows are to be read. Data, not code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeAlias, get_args
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from crmcore.calendars import zone
from crmcore.documents import ANY, DocumentKind, placed, problems_of, read, untold
from crmcore.errors import Problem, SourceError
from crmcore.money import Currency
from crmcore.records.formula import parse_formula

__all__ = [
    "STATUSES",
    "AmountRule",
    "Columns",
    "Exclusion",
    "Rounding",
    "Source",
    "StatusRule",
    "StatusRules",
    "Test",
    "load_source",
]

StatusName: TypeAlias = Literal[
    "placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned"
]
STATUSES: tuple[StatusName, ...] = get_args(StatusName)
Rounding: TypeAlias = Literal["refuse", "half_even", "half_up", "down"]

_DIGITS = 40
_DECIMAL = re.compile(rf"[+-]?[0-9]{{1,{_DIGITS}}}(?:\.[0-9]{{1,{_DIGITS}}})?")


def _column(value: object) -> str | Literal[False]:
    if value is False or (isinstance(value, str) and value):
        return value
    message = "write the column's name as text, or false when there is no such column"
    raise PydanticCustomError("wrong_type", message)


def _one_value(value: object) -> str | int:
    if isinstance(value, str | int):
        return value
    raise PydanticCustomError("wrong_type", "write text, a whole number, true or false")


def _bound(value: object) -> Decimal:
    if isinstance(value, Decimal) and abs(value.adjusted()) <= _DIGITS:
        value = f"{value:f}"  # NaN and infinities are no decimals then
    exact = isinstance(value, int | str) and not isinstance(value, bool)
    if exact and _DECIMAL.fullmatch(str(value)):
        return Decimal(str(value))
    message = f"a number is expected, or one as text, of at most {_DIGITS} digits"
    raise PydanticCustomError("wrong_type", message)


def _version(value: object) -> object:
    if isinstance(value, bool):  # to Python, True is 1
        raise PydanticCustomError("wrong_type", "a whole number is expected")
    return value


def _zone(name: str) -> str:
    return zone(name).name


def _formula(text: str) -> str:
    try:
        parse_formula(text)
    except ValueError as error:
        raise PydanticCustomError("bad_formula", "{reason}", {"reason": str(error)}) from None
    return text


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
ColumnName: TypeAlias = Annotated[
    str | Literal[False] | None,
    PlainValidator(_column),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"const": False}]}),
]
OneValue: TypeAlias = Annotated[
    str | int,
    PlainValidator(_one_value),
    WithJsonSchema({"type": ["string", "integer", "boolean"]}),
]
Bound: TypeAlias = Annotated[
    Decimal,
    PlainValidator(_bound),
    PlainSerializer(str),
    WithJsonSchema({"type": ["string", "number"]}),
]


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Columns(_Node):
    """Their name for each standard column.

    One that is not named here is read from the column of its standard name, if there is one;
    ``false`` says that there is none.

    Examples
    --------
    >>> Columns(order_id="InvoiceNo", status=False).order_id
    'InvoiceNo'
    """

    order_id: ColumnName = None
    customer_id: ColumnName = None
    placed_at: ColumnName = None
    amount: ColumnName = None
    amount_minor: ColumnName = None
    unit_price: ColumnName = None
    quantity: ColumnName = None
    line_id: ColumnName = None
    currency: ColumnName = None
    status: ColumnName = None
    status_at: ColumnName = None
    known_at: ColumnName = None
    version: ColumnName = None
    returns_order_id: ColumnName = None
    product_id: ColumnName = None
    category: ColumnName = None
    channel: ColumnName = None
    promotion: ColumnName = None


class AmountRule(_Node):
    """How amounts come about.

    Parameters
    ----------
    formula
        A sum of products of *their* column names and numbers, in major units; a name with
        spaces stands in backticks. Exact arithmetic.
    rounding
        What happens to an amount that is no whole number of minor units: ``refuse`` sets the
        row aside, the others round (``half_up``: ties away from zero; ``down``: towards zero).

    Examples
    --------
    >>> AmountRule(formula="UnitPrice * Quantity - `Gift card`").rounding
    'refuse'
    """

    formula: Annotated[str, AfterValidator(_formula)] | None = None
    rounding: Rounding = "refuse"


class Test(_Node):
    """Conditions on one of *their* columns; all that are given must hold.

    Parameters
    ----------
    column
        Their name of the column.
    starts_with, ends_with, contains, equals, in
        Compared as text, exactly; numbers as they are written without superfluous zeros.
    above, below
        Compared as exact decimals.
    missing
        Whether there is no value. A missing value meets no other condition.

    Examples
    --------
    >>> Test.model_validate({"column": "StockCode", "in": ["POST", "DOT"]}).one_of
    ('POST', 'DOT')
    """

    __test__ = False  # not one of pytest's

    column: Name
    starts_with: Name | None = None
    ends_with: Name | None = None
    contains: Name | None = None
    equals: OneValue | None = None
    one_of: Annotated[tuple[OneValue, ...], Field(min_length=1)] | None = Field(None, alias="in")
    above: Bound | None = None
    below: Bound | None = None
    missing: Annotated[bool, Field(strict=True)] | None = None

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        given = self.model_fields_set - {"column", "status", "reason", "also"}
        if not given:
            raise PydanticCustomError(
                "no_condition",
                "needs a condition: starts_with, ends_with, contains, equals, in, above, below"
                " or missing",
            )
        return self


class StatusRule(Test):
    """The status of rows that meet the conditions."""

    status: StatusName
    also: tuple[Test, ...] = ()


class StatusRules(_Node):
    """How statuses come about: the first rule that fits, else the map, else `otherwise`.

    Without a map the status column holds standard words.

    Parameters
    ----------
    first
        Rules in order.
    map
        Standard status of each of their words.
    otherwise
        The status of all other rows; they are set aside when it is not given.

    Examples
    --------
    >>> rules = StatusRules(map={"complete": "delivered"})
    """

    first: tuple[StatusRule, ...] = ()
    map: dict[str, StatusName] = {}
    otherwise: StatusName | None = None


class Exclusion(Test):
    """Rows that are no orders, such as test orders and postage, and why.

    Examples
    --------
    >>> Exclusion(reason="bad debt", column="InvoiceNo", starts_with="A").reason
    'bad debt'
    """

    reason: Name
    also: tuple[Test, ...] = ()


class Source(_Node):
    """How a shop's rows are to be read.

    Parameters
    ----------
    currency
        The currency of the amounts; rows of another one are set aside, or converted by rates.
    format
        Version of the file's format: 1.
    name
        What the source is called.
    rows
        Whether a row is a whole order, or one line of it.
    zone
        IANA zone of times without an offset.
    time_unit
        What times given as whole numbers count, since 1970 in UTC.
    columns, amount, status, exclude
        See `Columns`, `AmountRule`, `StatusRules` and `Exclusion`.

    Examples
    --------
    >>> Source(currency={"code": "EUR", "exponent": 2}, zone="Europe/Berlin").rows
    'orders'
    """

    currency: Currency
    format: Annotated[Literal[1], BeforeValidator(_version)] = 1
    name: Name | None = None
    rows: Literal["orders", "lines"] = "orders"
    zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] | None = None
    time_unit: Literal["s", "ms", "us"] | None = None
    columns: Columns = Columns()
    amount: AmountRule = AmountRule()
    status: StatusRules = StatusRules()
    exclude: tuple[Exclusion, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in _conflicts(self.model_dump(exclude_unset=True)):
            raise PydanticCustomError("conflict", "{text}", {"text": problem.message})
        return self


def _conflicts(data: Mapping[str, object]) -> list[Problem]:
    """Return what contradicts each other, in data that may still be wrong in any way."""
    problems = []
    columns, amount = data.get("columns"), data.get("amount")
    named = columns if isinstance(columns, Mapping) else {}
    has_formula = isinstance(amount, Mapping) and amount.get("formula") is not None
    ways = ["amount", "amount_minor", "unit_price"]
    ways = [way for way in ways if isinstance(named.get(way), str)]
    if has_formula and ways:
        message = f"the amount is given twice: leave out the formula or {' and '.join(ways)}"
        problems.append(Problem("conflict", message, path="amount.formula"))
    elif len(ways) > 1:
        message = f"the amount is given twice: keep one of {', '.join(ways)}"
        problems.append(Problem("conflict", message, path="columns"))
    if data.get("rows") == "lines" and named.get("order_id") is False:
        message = "lines need an order id to belong to"
        problems.append(Problem("conflict", message, path="columns.order_id"))
    return problems


SOURCE: Final = DocumentKind(
    "source file",
    SourceError,
    models={
        (): Source,
        ("currency",): Currency,
        ("columns",): Columns,
        ("amount",): AmountRule,
        ("status",): StatusRules,
        ("status", "first", ANY): StatusRule,
        ("status", "first", ANY, "also", ANY): Test,
        ("exclude", ANY): Exclusion,
        ("exclude", ANY, "also", ANY): Test,
    },
    known={("zone",): available_timezones},
)
"""Source files as a kind of document."""


def load_source(source: str | Path | Mapping[str, object]) -> Source:
    r"""Read a source file.

    Parameters
    ----------
    source
        The path of a ``.toml`` or ``.json`` file, the text itself (TOML, or JSON when it starts
        with a brace), or a mapping. A ``str`` is text when it has a line break or an equals sign
        or starts with a brace, else a path.

    Raises
    ------
    SourceError
        With every problem and its place; a syntax error comes alone.

    Examples
    --------
    >>> load_source('currency = { code = "EUR", exponent = 2 }').currency.code
    'EUR'
    >>> load_source('currency = { code = "EUR", exponent = 2 }\nrows = "order"')
    Traceback (most recent call last):
    ...
    crmcore.errors.SourceError: 1 problem in the source
    line 2, column 8: rows: this is not one of what may stand here [not_allowed]
        2 | rows = "order"
          |        ^^^^^^^ did you mean 'orders'?
          = allowed: orders, lines
    """
    text = read(source, SOURCE, collect=True)
    found: list[Problem] = []
    try:
        checked = Source.model_validate(text.table)
        if not text.problems:
            return checked
    except ValidationError as error:
        told = problems_of(error, SOURCE, table=text.table)
        found = [one for _, one in told if one.code != "conflict"] + _conflicts(text.table)
    found = [*text.problems, *untold(found, text.problems)]
    raise SourceError(placed(found, [text]))
