"""Pieces of a SQL tree: the only place that knows SQLGlot.

Everything is built as a tree, so nothing that a user names can become anything but a name, and
no literal anything but a literal. SQLGlot is imported when a piece is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from crmcore.conditions.language.tree import ComparisonOp

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Node", "Query", "Type"]

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
    "date",
    "timestamp",
]
Aggregate: TypeAlias = Literal["SUM", "MIN", "MAX"]
Arithmetic: TypeAlias = Literal["+", "-", "*", "/", "//", "%", "||"]

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

    assert abs(value) <= INT64_MAX  # a dialect writes what is wider
    return cast(exp.Literal.number(value), type_)


def text(value: str) -> Node:
    """Return a text."""
    from sqlglot import exp

    return exp.Literal.string(value)


def truth(value: bool) -> Node:
    """Return true or false."""
    from sqlglot import exp

    return exp.Boolean(this=value)


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


def day_zero() -> Node:
    """Return the date that days are counted from."""
    return cast(text("1970-01-01"), "date")


def source_of(value: Node) -> Node:
    """Return a column, or an aggregate of one, that a value is computed from."""
    from sqlglot import exp

    found = value.find(exp.Filter, exp.AggFunc, exp.Column)
    assert found is not None  # nothing is refused that does not come from a row
    return found


# Aggregates and queries


def aggregate(name: Aggregate, value: Node, where: Node | None = None) -> Node:
    """Return an aggregate of all rows, or of those for which a condition holds."""
    from sqlglot import exp

    made = {"SUM": exp.Sum, "MIN": exp.Min, "MAX": exp.Max}
    return _filtered(made[name](this=value), where)


def count_rows(where: Node | None = None) -> Node:
    """Return the number of rows, or of those for which a condition holds."""
    from sqlglot import exp

    return _filtered(exp.Count(this=exp.Star()), where)


def _filtered(whole: Node, where: Node | None) -> Node:
    from sqlglot import exp

    return whole if where is None else exp.Filter(this=whole, expression=exp.Where(this=where))


def table(name: str, alias: str | None = None, schema: str | None = None) -> exp.Table:
    """Return a table by one name; the engine's own tables stand in a schema."""
    from sqlglot import exp

    shown = None if alias is None else exp.TableAlias(this=identifier(alias))
    where = None if schema is None else identifier(schema)
    return exp.Table(this=identifier(name), db=where, alias=shown)


def select(columns: Mapping[str, Node], source: Node, *more: Node) -> Query:
    """Return a query for named columns of a source; `more` come first, without a name."""
    from sqlglot import exp

    named = [exp.Alias(this=node, alias=identifier(name)) for name, node in columns.items()]
    return exp.select(*more, *named, copy=False).from_(source, copy=False)


def rows_of(columns: Sequence[str], rows: Iterable[Sequence[int]], alias: str) -> exp.Values:
    """Return a small table of whole numbers."""
    from sqlglot import exp

    numbers = [exp.Tuple(expressions=[exp.Literal.number(one) for one in row]) for row in rows]
    shown = exp.TableAlias(this=identifier(alias), columns=[identifier(one) for one in columns])
    return exp.Values(expressions=numbers, alias=shown)


def union(queries: Sequence[Query]) -> exp.Query:
    """Return the distinct rows of queries."""
    from sqlglot import exp

    return queries[0] if len(queries) == 1 else exp.union(*queries, distinct=True, copy=False)


def subquery(query: Query) -> Node:
    """Return the one value of a query."""
    from sqlglot import exp

    return exp.Subquery(this=query)


def exists(query: Query) -> Node:
    """Return whether a query has rows."""
    from sqlglot import exp

    return exp.Exists(this=query)


def ascending(value: Node) -> Node:
    """Return what sorts by a value that is never missing."""
    from sqlglot import exp

    return exp.Ordered(this=value, desc=False, nulls_first=True)


# Names made here


def shorten(query: Query, longest: int) -> None:
    """Give names of more bytes than an engine keeps another name, each its own."""
    from sqlglot import exp

    found = list(query.find_all(exp.Identifier))
    taken = {one.name for one in found}
    long = sorted(name for name in taken if len(name.encode()) > longest)
    numbers = (f"crm {number}" for number in count(1))
    free = (name for name in numbers if name not in taken)
    short = dict(zip(long, free, strict=False))
    for one in found:
        one.set("this", short.get(one.name, one.name))
