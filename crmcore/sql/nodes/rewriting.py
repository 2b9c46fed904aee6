"""Whole queries read and rewritten: from one moment to many, and for what drivers want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crmcore.sql.nodes.expressions import (
    Node,
    Query,
    all_of,
    call,
    coalesce,
    column,
    compare,
    identifier,
)
from crmcore.sql.nodes.queries import table

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["double_percents", "lifted", "reads"]


def lifted(parts: Mapping[str, Node], dates: str, key: str) -> dict[str, Node]:
    """Return the parts of a query as of one moment as parts as of each of many dates.

    Each part that reads a column of `dates`, or a part that does, gets the column `key`: rows
    are made for each date, joined within a date, and grouped by it. The others stay as they are.

    Parameters
    ----------
    parts
        The parts by name, each after what it reads. They are changed in place.
    dates
        The name of the part with a row a date.
    key
        Its column that tells the dates apart, and the name of that column everywhere.
    """
    dated: set[str] = set()
    for name, part in parts.items():
        # The queries of a union all get the column, or none does.
        queries = _queries(part)
        if any(_is_dated(query, dated, dates) for query in queries):
            for query in queries:
                _lift(query, dated, dates, key)
            dated.add(name)
    return dict(parts)


def _queries(part: Node) -> list[Query]:
    """Return the queries of a union, or the one query."""
    from sqlglot import exp

    if isinstance(part, exp.Union):
        return [query for side in (part.left, part.right) for query in _queries(side)]
    assert isinstance(part, exp.Select)  # there are no others
    return [part]


def _asks(query: Query, dates: str) -> bool:
    from sqlglot import exp

    return any(one.table == dates for one in query.find_all(exp.Column))


def _joins(query: Query) -> list[exp.Join]:
    return query.args.get("joins") or []


def _is_dated(query: Query, dated: set[str], dates: str) -> bool:
    read = [query.args["from_"].this, *(join.this for join in _joins(query))]
    return _asks(query, dates) or any(one.name in dated for one in read)


def _lift(query: Query, dated: set[str], dates: str, key: str) -> None:
    """Make a query one for each date."""
    from sqlglot import exp

    first, joins = query.args["from_"].this, _joins(query)
    own = column(key, first.alias_or_name if first.name in dated else dates)
    for join in (join for join in joins if join.this.name in dated):
        same = compare(column(key, join.this.alias_or_name), "==", own.copy())
        join.set("on", all_of([join.args["on"], same]))
    if first.name not in dated:
        joins = [exp.Join(this=table(dates), kind="CROSS"), *joins]
    elif _asks(query, dates):
        same = compare(own.copy(), "==", column(key, dates))
        joins = [exp.Join(this=table(dates), on=same), *joins]
    query.set("joins", joins)
    if not (first.name in dated and query.is_star):
        shown = own.copy()
        for join in (join for join in joins if join.side == "FULL"):
            shown = coalesce(shown, column(key, join.this.alias_or_name))
        query.append("expressions", exp.Alias(this=shown, alias=identifier(key)))
    if query.args.get("group"):
        query.args["group"].append("expressions", own.copy())
    for window in query.find_all(exp.Window):
        window.append("partition_by", own.copy())


def reads(query: Query) -> dict[str, frozenset[str]]:
    """Return the columns that a query reads of each relation that is none of its own parts."""
    from sqlglot import exp

    found: dict[str, frozenset[str]] = {}
    for select in query.find_all(exp.Select):
        for given in select.args["from_"].find_all(exp.Table):
            columns = select.find_all(exp.Column)
            names = frozenset(one.name for one in columns if one.table == given.alias_or_name)
            found[given.name] = found.get(given.name, frozenset()) | names
    return {name: found[name] for name in found.keys() - {one.alias for one in query.ctes}}


def double_percents(query: Query) -> None:
    """Write percent signs of names as drivers read them that mark parameters by one.

    Texts are written without any before.
    """
    from sqlglot import exp

    if query.find(exp.Placeholder) is None:
        return
    for name in list(query.find_all(exp.Identifier)):
        name.set("this", name.this.replace("%", "%%"))
    for one in list(query.find_all(exp.Mod)):
        one.replace(call("MOD", one.this, one.expression))
