"""Aggregates, tables and queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from crmcore.sql.nodes.expressions import Aggregate, Node, Query, identifier

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = [
    "aggregate",
    "ascending",
    "count_different",
    "count_rows",
    "exists",
    "over",
    "rows_of",
    "select",
    "subquery",
    "subselect",
    "table",
    "union",
]


def aggregate(name: Aggregate, value: Node, where: Node | None = None) -> Node:
    """Return an aggregate of all rows, or of those for which a condition holds."""
    from sqlglot import exp

    made = {"SUM": exp.Sum, "MIN": exp.Min, "MAX": exp.Max}
    return _filtered(made[name](this=value), where)


def count_rows(where: Node | None = None) -> Node:
    """Return the number of rows, or of those for which a condition holds."""
    from sqlglot import exp

    return _filtered(exp.Count(this=exp.Star()), where)


def count_different(value: Node) -> Node:
    """Return the number of different values that are not missing."""
    from sqlglot import exp

    return exp.Count(this=exp.Distinct(expressions=[value]))


def over(value: Node, groups: Sequence[Node], order: Sequence[Node] = ()) -> Node:
    """Return a function of all rows of the row's group, in an order where one matters."""
    from sqlglot import exp

    ordered = [ascending(one) for one in order]
    sorting = exp.Order(expressions=ordered) if ordered else None
    return exp.Window(this=value, partition_by=list(groups), order=sorting)


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


def subselect(query: Query, alias: str) -> Node:
    """Return a query as a table."""
    from sqlglot import exp

    return exp.Subquery(this=query, alias=exp.TableAlias(this=identifier(alias)))


def exists(query: Query) -> Node:
    """Return whether a query has rows."""
    from sqlglot import exp

    return exp.Exists(this=query)


def ascending(value: Node) -> Node:
    """Return what sorts by a value that is never missing."""
    from sqlglot import exp

    return exp.Ordered(this=value, desc=False, nulls_first=True)
