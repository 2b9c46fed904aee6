"""Pieces of a SQL tree: the only place that knows SQLGlot.

Everything is built as a tree, so nothing that a user names can become anything but a name, and
no literal anything but a literal. SQLGlot is imported when a piece is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from crmcore.conditions.language.tree import ComparisonOp

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Node", "Query", "Type"]

Node: TypeAlias = "exp.Expr"
Query: TypeAlias = "exp.Select"
Type: TypeAlias = Literal["bigint", "int128", "int", "varchar", "boolean", "date"]
Aggregate: TypeAlias = Literal["SUM", "MIN", "MAX"]
Arithmetic: TypeAlias = Literal["+", "-", "*", "//", "%", "||"]

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


def number(value: int) -> Node:
    """Return a whole number: 64 bits where it fits, else 128."""
    from sqlglot import exp

    fits = -INT64_MAX <= value <= INT64_MAX
    return cast(exp.Literal.number(value), "bigint" if fits else "int128")


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
        "//": exp.IntDiv,
        "%": exp.Mod,
        "||": exp.DPipe,
    }
    return exp.Paren(this=made[sign](this=left, expression=right))


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


def choose(cases: Iterable[tuple[Node, Node]], otherwise: Node) -> Node:
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


def refuse(message: str) -> Node:
    """Return what makes the query fail with a message, once it is computed."""
    return call("ERROR", text(f"crmcore: {message}"))


def coalesce(value: Node, otherwise: Node) -> Node:
    """Return a value, and another where it is missing."""
    from sqlglot import exp

    return exp.Coalesce(this=value, expressions=[otherwise])


def bracket(value: Node) -> Node:
    """Return a value in brackets."""
    from sqlglot import exp

    return exp.Paren(this=value)


def day_zero() -> Node:
    """Return the date that days are counted from."""
    return cast(text("1970-01-01"), "date")


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


def table(name: str, alias: str | None = None) -> exp.Table:
    """Return a table by one name."""
    from sqlglot import exp

    shown = None if alias is None else exp.TableAlias(this=identifier(alias))
    return exp.Table(this=identifier(name), alias=shown)


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
