"""Customers counted by the engine, for quantiles that are measured on the counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar, Unpack

from crmcore.policy import Policy
from crmcore.scoring import Scorer
from crmcore.sql import nodes
from crmcore.sql.decisions import decided
from crmcore.sql.inputs import ROWS, Inputs
from crmcore.sql.moments import Parameter, refuse_several
from crmcore.sql.nodes import Node, Query
from crmcore.sql.options import SqlOptions
from crmcore.sql.query import stated, up_to_facts, with_parts
from crmcore.sql.rows import checks
from crmcore.sql.statement import Statement
from crmcore.sql.values import divisor_of
from crmcore.workbench.counting import CUSTOMERS, SCORE, Place, places, steps_between
from crmcore.workbench.fitting import recipe_of

__all__ = ["to_sql_counts"]

_Given = TypeVar("_Given")
_ROW: Final = "row"


def to_sql_counts(
    recipe: str | Path | Mapping[str, object],
    *,
    dialect: str = "duckdb",
    as_of: date | Parameter,
    scorers: Mapping[str, Scorer] | None = None,
    **relations: Unpack[SqlOptions],
) -> Statement:
    """Return the query that counts customers, for `crmcore.fit_counts` to fit quantiles from.

    It gives one row for each score with quantiles and each value that customers have there:
    ``score``, ``value``, ``divisor`` (of a ratio; floats have ``number`` in place of both) and
    ``customers``. Values are whole numbers: money in minor units, days and microseconds since
    1970-01-01; missing for customers who have none. A score inside other quantiles, or over them,
    is counted by several values at once: ``value_2`` and so on. No row tells of one customer by id.

    Parameters
    ----------
    recipe, scorers
        As for `crmcore.fit`: a policy with quantiles still to be fitted.
    dialect, as_of
        As for `to_sql`, but one moment.
    **relations
        The relations and their columns, all as for `to_sql`. Only what the quantiles need is read,
        and need have a SQL form.

    Returns
    -------
    Statement
        The query. Its rows are as many as there are different values.

    Raises
    ------
    PolicyError
        As by `crmcore.fit`; and as by `to_sql`, for what the quantiles need.
    DataError, MissingExtraError
        As by `to_sql`.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> con = duckdb.connect()
    >>> _ = con.execute('''create table orders as select unnest(['C1', 'C2', 'C2']) as customer_id,
    ...     1740794400000000 as placed_us, 30000 as amount_minor''')
    >>> recipe = '''
    ... extends = "classic"
    ... [scores.monetary_points]
    ... fact = "mean_sale"
    ... quantiles = 3
    ... '''
    >>> missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    >>> query = to_sql_counts(recipe, columns=missing, as_of=date(2025, 4, 1))
    >>> counts = con.sql(query)
    >>> counts.fetchall()
    [('monetary_points', 30000, 1, 1), ('monetary_points', 60000, 2, 1)]
    >>> policy = crm.fit_counts(recipe, counts, as_of=date(2025, 4, 1))
    >>> policy.document["scores"]["monetary_points"]["from"]
    [['300.00', 1]]
    """
    refuse_several(as_of, "customers are counted as of one moment")
    policy = recipe_of(recipe, scorers)
    where = places(policy)
    needed = _needed(policy, where, relations.get("scores") or {})
    inputs, up_to, wrongs = up_to_facts(needed, dialect, as_of, **_kept(policy, needed, relations))
    parts = dict(up_to)
    parts |= decided(needed.steps, inputs.part("facts"), inputs)
    last = next(reversed(parts))
    scores = inputs.part("scores")
    parts[scores] = _numbered(len(where))
    measured = _measured(where.values(), last, scores)
    parts[inputs.part("measured")] = measured.where(*checks(wrongs, inputs, last))
    query = with_parts(_counted(where, inputs), parts, inputs)
    return stated(query, policy, inputs, whole_days=relations.get("daily") is not None)


# What is needed


def _needed(
    policy: Policy, where: Mapping[str, Sequence[Place]], scores: Mapping[str, str]
) -> Policy:
    """Return the part of a policy that gives the columns to be counted by."""
    wanted = {place.name for place in chain.from_iterable(where.values())}
    steps = steps_between(policy, (), wanted)
    # What a score is made of is not read where the score itself is given.
    made_of = (step.needs for step in steps if step.name not in scores)
    read = wanted.union(*made_of)
    return replace(
        policy,
        facts={name: fact for name, fact in policy.facts.items() if name in read},
        attributes={name: type_ for name, type_ in policy.attributes.items() if name in read},
        steps=tuple(steps),
    )


def _kept(policy: Policy, needed: Policy, relations: SqlOptions) -> SqlOptions:
    """Return the relations without columns that nothing needed is read from."""
    steps = {step.name for step in needed.steps}
    gone = policy.attributes.keys() - needed.attributes.keys()
    gone |= {step.name for step in policy.steps if step.name not in steps}
    kept = relations.copy()
    # A name of both is the orders', whatever else has it.
    kept["columns"] = _without(gone - ROWS, relations.get("columns"))
    kept["scores"] = _without(gone, relations.get("scores"))
    return kept


def _without(
    gone: Collection[str], names: Mapping[str, _Given] | None
) -> Mapping[str, _Given] | None:
    if names is None:
        return None
    return {name: given for name, given in names.items() if name not in gone}


# The query


def _numbered(scores: int) -> Query:
    """Return the numbers of the scores: customers are counted once for each."""
    rows = nodes.rows_of([SCORE], [[at] for at in range(scores)], _ROW)
    return nodes.select({SCORE: nodes.cast(nodes.column(SCORE, _ROW), "bigint")}, rows)


def _measured(where: Iterable[Sequence[Place]], last: str, scores: str) -> Query:
    """Return the values of each customer for each score: missing in the places of others."""
    number = nodes.column(SCORE, scores)
    cases: dict[str, list[tuple[Node, Node]]] = {}
    for at, its in enumerate(where):
        for name, value in chain.from_iterable(_values(place, last) for place in its):
            holds = nodes.compare(number.copy(), "==", nodes.number(at))
            cases.setdefault(name, []).append((holds, value))
    columns = {name: nodes.choose(values) for name, values in cases.items()}
    query = nodes.select({SCORE: number, **columns}, nodes.table(last))
    return query.join(nodes.table(scores), join_type="cross", copy=False)


def _values(place: Place, last: str) -> Iterator[tuple[str, Node]]:
    value = nodes.column(place.name, last)
    yield place.value, value
    if place.divisor is not None:
        # Nothing has been divided where there is no value, whatever stands there.
        known = nodes.negate(nodes.is_missing(value.copy()))
        divisor = nodes.column(divisor_of(place.name), last)
        yield place.divisor, nodes.choose([(known, divisor)])


def _counted(where: Mapping[str, Sequence[Place]], inputs: Inputs) -> Query:
    """Return how many customers have the same values, with the names of the scores."""
    table = inputs.part("measured")
    names = {name: None for its in where.values() for place in its for name in place.columns}
    groups = {name: nodes.column(name, table) for name in (SCORE, *names)}
    shown = [
        (nodes.compare(groups[SCORE], "==", nodes.number(at)), nodes.text(score))
        for at, score in enumerate(where)
    ]
    columns = {**groups, SCORE: nodes.choose(shown), CUSTOMERS: nodes.count_rows()}
    query = nodes.select(columns, nodes.table(table))
    query = query.group_by(*(one.copy() for one in groups.values()))
    return query.order_by(*(nodes.ascending(one.copy()) for one in groups.values()))
