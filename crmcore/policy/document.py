"""The root of a policy as it is written: one frozen node for each table of the file.

What is checked here is the shape. Whether names exist and edges fit what they band is checked
when the document is bound (`crmcore.policy.binding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from crmcore.bands import Identifier, PointBands
from crmcore.calendars import EvaluationCalendar, Window, zone
from crmcore.columns import Kind
from crmcore.conditions import FieldType
from crmcore.documents import ANY, DocumentKind
from crmcore.facts.spec import Fact, FactField
from crmcore.money import Currency
from crmcore.scoring import BandScore, Cell, Fitted, Score, Scorecard, ScoredBy
from crmcore.segments import Grade
from crmcore.tables import FirstMatch

__all__ = ["POLICY", "Attribute", "AttributeType", "Document", "Notes"]

_NEVER_SALES: Final = ("cancelled", "refused", "returned")
_MOST: Final = 2**63 - 1
_REQUIRED: Final = ("format", "name", "zone", "currency", "sale_statuses")


def _zone_name(name: str) -> str:
    return zone(name).name


def _format(given: object) -> object:
    if type(given) is not int:  # to Python, true and 1.0 are 1
        raise PydanticCustomError("int_type", "a whole number is expected")
    return given


def _sale_status(given: object) -> object:
    if given in _NEVER_SALES:
        message = "an order that was cancelled, refused or returned is never a sale"
        raise PydanticCustomError("never_a_sale", message)
    return given


def _distinct(given: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(given)) < len(given):
        raise PydanticCustomError("duplicate", "each entry stands here once")
    return given


SaleStatus: TypeAlias = Annotated[
    Literal["placed", "paid", "shipped", "delivered"], BeforeValidator(_sale_status)
]
AttributeType: TypeAlias = Literal["bool", "int", "float", "date", "text", "label"]
Wording: TypeAlias = Annotated[StrictStr, Field(min_length=1, max_length=1_000)]
Language: TypeAlias = Annotated[
    StrictStr, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", examples=["en", "zh-CN"])
]


class Attribute(BaseModel):
    """What a customer's attribute holds. Text alone, ``"text"``, means a table with this type.

    Parameters
    ----------
    type
        ``bool``, ``int``, ``float``, ``date``, ``text``, or ``label``: text of which `values` are
        all there may be.
    personal
        Whether explanations hide its value; so unless the policy says otherwise.
    values
        For ``label``: every label, lowest first if `ordered`. Without them any label may occur.
    ordered
        For ``label``: whether ``<`` has a meaning.
    min, max
        For ``int``: the least and the greatest value there may be. Conditions that calculate with
        the attribute need to know; without them it is a number of 31 bits there.

    Examples
    --------
    >>> Attribute.model_validate("text").field_type.personal
    True
    >>> Attribute(type="int", min=0, max=150).field_type.domain
    (0, 150)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: AttributeType
    personal: StrictBool = True
    values: Annotated[tuple[Wording, ...], AfterValidator(_distinct)] = ()
    ordered: StrictBool = False
    min: Annotated[StrictInt, Field(ge=-_MOST, le=_MOST)] | None = None
    max: Annotated[StrictInt, Field(ge=-_MOST, le=_MOST)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: object) -> object:
        return {"type": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _labels_only(self) -> Attribute:
        if self.values and self.type != "label":
            raise PydanticCustomError("one_of", "'values' goes with type = 'label'")
        if self.ordered and not self.values:
            raise PydanticCustomError("one_of", "'ordered' needs the 'values', lowest first")
        if (self.min is not None or self.max is not None) and self.type != "int":
            raise PydanticCustomError("one_of", "'min' and 'max' go with type = 'int'")
        low, high = self.field_type.domain
        if self.type == "int" and low > high:
            raise PydanticCustomError(
                "out_of_range", "'min' lies above 'max', which is 2147483647 unless stated"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        table = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [table["properties"]["type"], table]}

    @property
    def field_type(self) -> FieldType:
        """The kind of column it is."""
        kind: Kind = self.type
        return FieldType(
            kind, 0, self.values, self.ordered, self.personal, low=self.min, high=self.max
        )


class Notes(BaseModel):
    """What a policy says of itself, for findings.

    Parameters
    ----------
    minimum_customers
        A result with fewer ordering customers than this carries the finding
        ``scheme_condition_not_met``.

    Examples
    --------
    >>> Notes(minimum_customers=150_000)
    Notes(minimum_customers=150000)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_customers: Annotated[StrictInt, Field(ge=0)] | None = None


def _schema_of_extends(schema: dict[str, JsonValue]) -> None:
    # What is required may come from the policy that is extended.
    schema.pop("required", None)
    # The rest keeps some editors from taking each part for all there is.
    schema["if"] = {"required": ["extends"], "additionalProperties": True}
    schema["else"] = {"required": [*_REQUIRED], "additionalProperties": True}


class Document(BaseModel):
    """A policy as written.

    Parameters
    ----------
    format
        Always 1.
    name
        Names the policy in results.
    extends
        A preset, or a file next to this one: what is not said here comes from there. Tables merge
        key by key; everything else, and the weights of a scorecard, is replaced as a whole; so is
        a score that is given another kind.
    zone
        IANA name of the zone whose days and months count.
    currency
        Its code and the decimal digits of its minor unit.
    sale_statuses
        The statuses in which an order is a sale.
    returns
        An unlinked return reduces the customer's net sum (``customer_total``), or is refused.
    evaluation
        ``"live"``, or held from one scheduled evaluation to the next.
    windows
        Stretches of time before the evaluation, by name.
    attributes
        The customer attributes that may be named, with their types.
    facts
        Figures about a customer, by name. The usual ones need no declaration.
    scores
        Points, weighted sums, cells and host scorers, by name.
    grade
        An ordered label over a score.
    class_, segment, stage
        First-match lists of conditions (key ``class``).
    internal
        The scores and decisions whose edges are not for customers: what is said to a customer
        gives none of them away.
    labels
        Wording of identifiers, by language.
    notes
        What the policy says of itself.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        title="crmcore policy",
        json_schema_extra=_schema_of_extends,
    )

    format: Annotated[Literal[1], BeforeValidator(_format)]
    name: Identifier
    extends: StrictStr | None = None
    zone: Annotated[
        StrictStr, Field(max_length=64, examples=["Asia/Shanghai"]), AfterValidator(_zone_name)
    ]
    currency: Currency
    sale_statuses: Annotated[tuple[SaleStatus, ...], Field(min_length=1), AfterValidator(_distinct)]
    returns: Literal["customer_total", "refuse"] = "customer_total"
    evaluation: EvaluationCalendar = Field(default_factory=EvaluationCalendar)
    windows: Mapping[Identifier, Window] = Field(default_factory=dict)
    attributes: Mapping[Identifier, Attribute] = Field(default_factory=dict)
    facts: Mapping[Identifier, FactField] = Field(default_factory=dict)
    scores: Mapping[Identifier, Score] = Field(default_factory=dict)
    grade: Grade | None = None
    class_: FirstMatch | None = Field(None, alias="class")
    segment: FirstMatch | None = None
    stage: FirstMatch | None = None
    internal: Annotated[tuple[Identifier, ...], AfterValidator(_distinct)] = ()
    labels: Mapping[Language, Mapping[Identifier, Wording]] = Field(default_factory=dict)
    notes: Notes = Field(default_factory=Notes)

    @property
    def tables(self) -> Mapping[str, FirstMatch]:
        """The first-match lists there are, by the name of their column."""
        given = {"class": self.class_, "segment": self.segment, "stage": self.stage}
        return {name: table for name, table in given.items() if table is not None}


_SCORES: Final[Mapping[str, type[BaseModel]]] = {
    "score:bands": BandScore,
    "score:weights": Scorecard,
    "score:cell": Cell,
    "score:scorer": ScoredBy,
}
POLICY: Final = DocumentKind(
    "policy",
    models={
        (): Document,
        ("currency",): Currency,
        ("evaluation",): EvaluationCalendar,
        ("windows", ANY): Window,
        ("attributes", ANY): Attribute,
        ("facts", ANY): Fact,
        **{("scores", ANY, tag): model for tag, model in _SCORES.items()},
        ("scores", ANY, "score:bands", "by", ANY): PointBands,
        ("scores", ANY, "score:bands", "fitted"): Fitted,
        ("grade",): Grade,
        **{(name,): FirstMatch for name in ("class", "segment", "stage")},
        ("notes",): Notes,
    },
    tags=frozenset(_SCORES),
    known={("zone",): available_timezones},
    meant={
        **{"window": "in", "filter": "where", "when": "where", "aggregate": "take"},
        **{"timezone": "zone", "time_zone": "zone", "tz": "zone"},
        **{"default": "otherwise", "else": "otherwise", "rules": "first", "classes": "class"},
    },
    examples={
        "format": "format = 1",
        "name": 'name = "shop"',
        "zone": 'zone = "Europe/Berlin"',
        "currency": 'currency = { code = "EUR", exponent = 2 }',
        "sale_statuses": 'sale_statuses = ["paid", "shipped", "delivered"]',
    },
)
"""Policies as a kind of document."""
