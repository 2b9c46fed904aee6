"""Names, literals and what is computed of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from crmcore.conditions.language.tree import ComparisonOp

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = [
    "INT64_MAX",
    "Aggregate",
    "Arithmetic",
    "Node",
    "Query",
    "Type",
    "alike",
    "all_of",
    "among",
    "any_of",
    "at_utc",
    "bracket",
    "call",
    "cast",
    "cast_to",
    "choose",
    "coalesce",
    "collate",
    "column",
    "columns_of",
    "compare",
    "compute",
    "day_zero",
    "decimal",
    "double",
    "epoch",
    "every_column",
    "extract",
    "identifier",
    "is_column",
    "is_missing",
    "microsecond",
    "months_later",
    "negate",
    "nothing",
    "number",
    "parameter",
    "source_of",
    "text",
    "truth",
    "without_end",
]

Node: TypeAlias = "exp.Expr"
Query: TypeAlias = "exp.Select"
Type: TypeAlias = Literal[
    "bigint",
    "int128",
    "int",
    "decimal",
    "bigdecimal",
    "varchar",
    "text",
    "boolean",
    "double",
    "date",
    "timestamp",
]
Aggregate: TypeAlias = Literal["SUM", "MIN", "MAX"]
Arithmetic: TypeAlias = Literal["+", "-", "*", "/", "//", "%", "||", "&", "<<"]

INT64_MAX: Final = 2**63 - 1


# Names and literals


def identifier(name: str) -> exp.Identifier:
    """Return a name in quotes, whatever stands in it."""
    from sqlglot import exp

    return exp.Identifier(this=name, quoted=True)


def column(name: str, table: str) -> Node:
    """Return a column of a table of this query."""
    from sqlglot import exp

    return exp.Column(this=identifier(name), table=identifier(table))


def every_column(table: str) -> Node:
    """Return all columns of a table."""
    from sqlglot import exp

    return exp.Column(this=exp.Star(), table=identifier(table))


def number(value: int, type_: Type = "bigint") -> Node:
    """Return a whole number of at most 64 bits."""
    from sqlglot import exp

    assert -INT64_MAX - 1 <= value <= INT64_MAX  # a dialect writes what is wider
    return cast(exp.Literal.number(value), type_)


def text(value: str) -> Node:
    """Return a text; `Dialect.write` sees to it that it means itself."""
    from sqlglot import exp

    return exp.Literal.string(value)


def truth(value: bool) -> Node:
    """Return true or false."""
    from sqlglot import exp

    return exp.Boolean(this=value)


def double(value: float) -> Node:
    """Return a float: its shortest digits are read back as the same float."""
    written = {inf: "Infinity", -inf: "-Infinity"}.get(value, repr(float(value)))
    return cast(text(written), "double")


def parameter(name: str) -> Node:
    """Return a value that is given when the query is run."""
    from sqlglot import exp

    return exp.Placeholder(this=name)


def nothing(type_: Type | None = None) -> Node:
    """Return a missing value, of a type where the rest does not tell."""
    from sqlglot import exp

    return exp.Null() if type_ is None else cast(exp.Null(), type_)


# Expressions


def cast(value: Node, type_: Type) -> Node:
    """Return a value as another type."""
    from sqlglot import exp

    return exp.Cast(this=value, to=exp.DataType(this=exp.DataType.Type[type_.upper()]))


def cast_to(value: Node, name: str) -> Node:
    """Return a value as one of the engine's own types, by a name that is written here."""
    from sqlglot import exp

    type_ = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=name.upper())
    return exp.Cast(this=value, to=type_)


def decimal(value: Node, width: int, digits: int) -> Node:
    """Return a value as an exact decimal of so many digits, and so many after the point."""
    from sqlglot import exp

    sizes = [exp.DataTypeParam(this=exp.Literal.number(size)) for size in (width, digits)]
    type_ = exp.DataType(this=exp.DataType.Type.DECIMAL, expressions=sizes)
    return exp.Cast(this=value, to=type_)


def compute(left: Node, sign: Arithmetic, right: Node) -> Node:
    """Return two values joined by a sign, in brackets."""
    from sqlglot import exp

    made = {
        "+": exp.Add,
        "-": exp.Sub,
        "*": exp.Mul,
        "/": exp.Div,
        "//": exp.IntDiv,
        "%": exp.Mod,
        "||": exp.DPipe,
        "&": exp.BitwiseAnd,
        "<<": exp.BitwiseLeftShift,
    }
    # Whole numbers are divided as the engine divides them: `typed` adds no cast.
    kind = {"typed": True, "safe": False} if sign == "/" else {}
    return exp.Paren(this=made[sign](this=left, expression=right, **kind))


def compare(left: Node, op: ComparisonOp, right: Node) -> Node:
    """Return a comparison: unknown where a side is missing."""
    from sqlglot import exp

    made = {
        "==": exp.EQ,
        "!=": exp.NEQ,
        "<": exp.LT,
        "<=": exp.LTE,
        ">": exp.GT,
        ">=": exp.GTE,
    }
    return made[op](this=left, expression=right)


def is_missing(value: Node) -> Node:
    """Return whether a value is missing."""
    from sqlglot import exp

    return exp.Is(this=value, expression=exp.Null())


def among(value: Node, items: Iterable[Node]) -> Node:
    """Return whether a value is one of at least one item, none of which is missing."""
    from sqlglot import exp

    return exp.In(this=value, expressions=list(items))


def all_of(terms: Sequence[Node]) -> Node:
    """Return whether all terms hold."""
    from sqlglot import exp

    return exp.and_(*terms, copy=False)


def any_of(terms: Sequence[Node]) -> Node:
    """Return whether a term holds."""
    from sqlglot import exp

    return exp.or_(*terms, copy=False)


def negate(term: Node) -> Node:
    """Return the opposite; of unknown, unknown."""
    from sqlglot import exp

    return exp.not_(term, copy=False)


def choose(cases: Iterable[tuple[Node, Node]], otherwise: Node | None = None) -> Node:
    """Return the value of the first condition that holds; unknown does not."""
    from sqlglot import exp

    node = exp.Case(default=otherwise)
    for condition, value in cases:
        node.append("ifs", exp.If(this=condition, true=value))
    return node


def call(name: str, *arguments: Node) -> Node:
    """Return a call of one of the engine's functions, by a name that is written here."""
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=list(arguments))


def coalesce(value: Node, otherwise: Node) -> Node:
    """Return a value, and another where it is missing."""
    from sqlglot import exp

    return exp.Coalesce(this=value, expressions=[otherwise])


def alike(value: Node, pattern: Node) -> Node:
    """Return whether a text has a pattern in it."""
    from sqlglot import exp

    return exp.RegexpLike(this=value, expression=pattern)


def without_end(value: Node, sign: str) -> Node:
    """Return a text without a sign, however often it stands at its end."""
    from sqlglot import exp

    return exp.Trim(this=value, expression=text(sign), position="TRAILING")


def bracket(value: Node) -> Node:
    """Return a value in brackets."""
    from sqlglot import exp

    return exp.Paren(this=value)


def collate(value: Node, name: str) -> Node:
    """Return a text in a collation."""
    from sqlglot import exp

    return exp.Paren(this=exp.Collate(this=value, expression=identifier(name)))


def at_utc(value: Node) -> Node:
    """Return a wall clock time of UTC as an instant."""
    from sqlglot import exp

    return exp.Paren(this=exp.AtTimeZone(this=value, zone=text("UTC")))


def epoch(value: Node) -> Node:
    """Return the seconds since 1970-01-01 00:00 UTC of an instant."""
    from sqlglot import exp

    return exp.Extract(this=exp.Var(this="EPOCH"), expression=value)


def microsecond() -> Node:
    """Return the length of a microsecond."""
    from sqlglot import exp

    return exp.Interval(this=text("1"), unit=exp.Var(this="MICROSECOND"))


def extract(part: Literal["YEAR", "MONTH"], day: Node) -> Node:
    """Return a part of a date."""
    from sqlglot import exp

    return exp.Extract(this=exp.Var(this=part), expression=day)


def months_later(day: Node, months: Node) -> Node:
    """Return ``DATE_ADD`` of a date and some months."""
    from sqlglot import exp

    return exp.DateAdd(this=day, expression=months, unit=exp.Var(this="MONTH"))


def day_zero() -> Node:
    """Return the date that days are counted from."""
    return cast(text("1970-01-01"), "date")


def source_of(value: Node) -> Node:
    """Return a column, or an aggregate of one, that a value is computed from."""
    from sqlglot import exp

    found = value.find(exp.Filter, exp.AggFunc, exp.Column)
    assert found is not None  # nothing is refused that does not come from a row
    return found


def is_column(value: Node) -> bool:
    """Return whether a value is a column as it is."""
    from sqlglot import exp

    return isinstance(value, exp.Column)


def columns_of(value: Node) -> set[str]:
    """Return the names of the columns that a value is computed from."""
    from sqlglot import exp

    return {one.name for one in value.find_all(exp.Column)}
