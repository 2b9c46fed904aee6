"""How a fact is declared, and the usual ones, which need no declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from crmcore.columns import Kind
from crmcore.conditions import ConditionField, FieldType

__all__ = ["USUAL_FACTS", "Fact", "FactField", "MergeKind"]

Of: TypeAlias = Literal["order", "sale", "return", "line"]
Take: TypeAlias = Literal[
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "first",
    "last",
    "median",
    "spread",
    "distinct",
    "share",
    "days_since_first",
    "days_since_last",
]
Measure: TypeAlias = Literal[
    "value", "quantity", "gap_days", "product", "category", "channel", "promotion"
]
MergeKind: TypeAlias = Literal["constant", "holistic"]

_TIMES = ("first", "last", "days_since_first", "days_since_last")
_NUMBERS = ("sum", "mean", "min", "max", "median", "spread")
_MOST_DAYS = 10**6 - 1
_HOLISTIC = ("median", "spread", "distinct")


class Fact(BaseModel):
    """A figure about one customer: an aggregate of orders, sales, returns or lines.

    Parameters
    ----------
    of
        ``order`` (placed, whatever became of it), ``sale`` (an order in a sale status with
        something left of it), ``return``, or ``line`` (the lines of sales).
    take
        The aggregate. ``first`` and ``last`` give the instant, or the local date where the
        fact's name ends in ``_on``; ``days_since_first`` and ``days_since_last`` count local days
        up to the day of the evaluation.
    window
        Name of a window of the policy; ``None`` means ever. In documents the key is ``in``.
    field
        What is aggregated: ``value`` (money), ``quantity``, ``gap_days`` (local days between
        neighbouring orders or sales), or, for ``distinct`` and ``share``, ``product``,
        ``category``, ``channel``, ``promotion``.
    where
        A condition over the rows: ``channel``, ``promotion``, ``status``, ``amount``,
        ``quantity``; for lines also ``product`` and ``category``.

    Examples
    --------
    >>> Fact(of="sale", take="mean", window="period").measure
    'value'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    of: Of
    take: Take
    window: str | None = Field(None, alias="in")
    field: Measure | None = None
    where: ConditionField | None = None

    @model_validator(mode="after")
    def _fits(self) -> Fact:
        allowed = self._allowed_fields()
        if self.field is not None and self.field not in allowed:
            listed = ", ".join(allowed) or "none"
            raise ValueError(
                f"take = {self.take!r} of {self.of!r} cannot use field {self.field!r}; "
                f"allowed: {listed}"
            )
        if self.take in _TIMES and self.of == "line":
            raise ValueError(f"take = {self.take!r} is not for lines; use of = 'sale'")
        if self.take in ("distinct", "share") and self.field is None:
            raise ValueError(f"take = {self.take!r} needs a field; allowed: {', '.join(allowed)}")
        if self.take == "share" and self.of not in ("order", "sale"):
            raise ValueError("take = 'share' is for orders and sales")
        return self

    def _allowed_fields(self) -> tuple[str, ...]:
        if self.take in _NUMBERS:
            gaps = ("gap_days",) if self.of in ("order", "sale") else ()
            return ("value", "quantity", *gaps)
        if self.take == "distinct":
            order_level = ("channel", "promotion") if self.of in ("order", "sale") else ()
            return ("product", "category", *order_level) if self.of != "return" else ()
        return ("promotion",) if self.take == "share" else ()

    @property
    def measure(self) -> Measure:
        """What is aggregated, the default filled in."""
        return self.field or ("quantity" if self.of == "line" else "value")

    @property
    def merge_kind(self) -> MergeKind:
        """``constant``: partial results merge in fixed space; ``holistic``: all rows are needed."""
        whole = self.take in _HOLISTIC or self.field == "gap_days"
        return "holistic" if whole else "constant"

    def field_type(self, name: str, exponent: int) -> FieldType:
        """Return the kind of column that this fact gives under that name, and what it can hold.

        Only counts and sums are never missing.
        """
        money = self.measure == "value"
        match self.take:
            case "count" | "distinct":
                return FieldType("int", nullable=False, low=0)
            case "days_since_first" | "days_since_last":
                return FieldType("int", low=0, high=_MOST_DAYS)
            case "first" | "last":
                return FieldType("date" if name.endswith("_on") else "instant")
            case "mean":
                return FieldType("ratio", exponent=exponent if money else 0, amount=money)
            case "share":
                return FieldType("ratio", low=0)
            case "spread":
                return FieldType("float")
            case "sum":
                kind: Kind = "money" if money else "int"
                return FieldType(kind, exponent=exponent if money else 0, nullable=False)
            case _ if money:
                return FieldType("money", exponent=exponent)
            case _ if self.measure == "gap_days":
                return FieldType("int", low=0, high=_MOST_DAYS)
            case _:
                return FieldType("int")


def _as_written(given: object) -> object:
    if isinstance(given, Mapping) and "window" in given:
        unknown = InitErrorDetails(type="extra_forbidden", loc=("window",), input=given["window"])
        raise ValidationError.from_exception_data("Fact", [unknown])
    return given


FactField: TypeAlias = Annotated[Fact, BeforeValidator(_as_written)]
"""For models of documents: a fact whose window is named by the key ``in`` only."""


def _usual(of: Of, take: Take, field: Measure | None = None) -> Fact:
    return Fact(of=of, take=take, field=field)


USUAL_FACTS: dict[str, Fact] = {
    "order_count": _usual("order", "count"),
    "sale_count": _usual("sale", "count"),
    "return_count": _usual("return", "count"),
    "item_count": _usual("line", "sum", "quantity"),
    "net_sales": _usual("sale", "sum"),
    "mean_sale": _usual("sale", "mean"),
    "min_sale": _usual("sale", "min"),
    "max_sale": _usual("sale", "max"),
    "first_order_at": _usual("order", "first"),
    "first_sale_on": _usual("sale", "first"),
    "last_order_on": _usual("order", "last"),
    "last_sale_on": _usual("sale", "last"),
    "days_since_last_sale": _usual("sale", "days_since_last"),
    "tenure_days": _usual("order", "days_since_first"),
    "gap_median_days": _usual("sale", "median", "gap_days"),
    "gap_spread_days": _usual("sale", "spread", "gap_days"),
    "product_count": _usual("sale", "distinct", "product"),
    "category_count": _usual("sale", "distinct", "category"),
    "promotion_share": _usual("sale", "share", "promotion"),
}
"""Facts that any policy may name without declaring them; they look at all time."""
