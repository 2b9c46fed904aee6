"""A policy run where the data is: a relation, a frame or a table in, the same kind back.

No data passes through Python: only the names and types of columns are looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Final, TypeAlias, Unpack

from crmcore.errors import DataError
from crmcore.policy import Policy
from crmcore.sql.dialects import DIALECTS, IDS, Dialect
from crmcore.sql.dialects.dialect import Kind
from crmcore.sql.query import ReadOptions, to_sql
from crmcore.sql.statement import Statement

__all__ = ["evaluate_on"]

_KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "customer_id": IDS,
    "order_id": IDS,
    "returns_order_id": IDS,
    "placed_us": ("whole",),
    "amount_minor": ("whole",),
    "status": ("text",),
    "blocked": ("boolean",),
}
_OF_FIELDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "int": ("whole",),
    "ratio": ("whole",),
    "date": ("date",),
    "instant": ("instant",),
    "bool": ("boolean",),
    "label": ("text",),
    "text": ("text",),
}
_NAMES: Final = ("crmcore_orders", "crmcore_customers")
_Types: TypeAlias = Mapping[str, str]
"""The engine's name of the type of each column."""


def evaluate_on(
    policy: Policy,
    orders: object | None = None,
    customers: object | None = None,
    *,
    facts: object | None = None,
    connection: object | None = None,
    as_of: date | Sequence[date],
    **options: Unpack[ReadOptions],
) -> object:
    """Grade everybody where the orders are, and return the same kind of relation, lazily.

    The rows and columns are those of `evaluate`. Nothing is computed until the engine is asked
    for rows, and no data passes through Python. Needs the extra ``crmcore[sql]``.

    Parameters
    ----------
    policy
        The policy.
    orders, customers
        A DuckDB relation or a Spark data frame each; or, with a `connection`, the names of
        tables. Their columns are those that `crmcore.sql.to_sql` says.
    facts
        The same, for facts that were worked out elsewhere, in place of both.
    connection
        A SQLAlchemy connection to PostgreSQL.
    as_of
        As for `crmcore.sql.to_sql`: a moment, or several dates.
    **options
        The rest of what `crmcore.sql.to_sql` is told.

    Returns
    -------
    object
        A DuckDB relation; a Spark data frame; for a connection a SQLAlchemy ``TextualSelect``,
        for ``connection.execute``, or as a subquery of another query.

    Raises
    ------
    PolicyError
        As by `crmcore.sql.to_sql`.
    DataError
        A column is missing or of a type that does not fit, with its name; or what is given is
        none of these kinds, or of two.
    MissingExtraError
        SQLGlot is not installed.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> orders = duckdb.sql('''select 'C1' as customer_id, 1740794400000000 as placed_us,
    ...     30000 as amount_minor''')
    >>> missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    >>> policy = crm.presets.load("classic")
    >>> graded = crm.evaluate_on(policy, orders, as_of=date(2025, 4, 1), columns=missing)
    >>> graded.filter("score > 10").select("customer_id, class, score").fetchall()
    [('C1', 'bronze', 16)]
    """
    relations = {"orders": orders, "customers": customers, "facts": facts}
    given = {name: one for name, one in relations.items() if one is not None}
    if ("orders" in given) == ("facts" in given):
        raise DataError("give either orders or facts")
    place = _place_of(list(given.values()), connection)
    names = dict(zip(given, place.names(), strict=True))
    query = to_sql(
        policy,
        dialect=place.dialect.name,
        orders=names.get("orders", "orders"),
        customers=names.get("customers"),
        facts=names.get("facts"),
        as_of=as_of,
        **options,
    )
    kinds = _wanted(policy, options.get("columns") or {})
    for name, relation in given.items():
        read = query.reads.get(names[name], frozenset())
        _check(read, place.types(relation), kinds, place.dialect)
    return place.run(query)


def _wanted(policy: Policy, columns: Mapping[str, str | None]) -> dict[str, tuple[Kind, ...]]:
    """Return what the columns must hold that are read as they are, by the names they have."""
    fields = {name: _OF_FIELDS.get(type_.kind, ()) for name, type_ in policy.fields.items()}
    return {columns.get(name, name) or name: kinds for name, kinds in {**fields, **_KINDS}.items()}


def _check(
    read: frozenset[str],
    types: _Types,
    wanted: Mapping[str, tuple[Kind, ...]],
    dialect: Dialect,
) -> None:
    for name in sorted(read):
        if name not in types:
            raise DataError("the relation has no such column", column=name)
        kinds = wanted.get(name, ())
        if kinds and not any(dialect.holds(types[name], kind) for kind in kinds):
            message = f"{types[name]} is no type of this column: give {' or '.join(kinds)}"
            raise DataError(message, column=name)


# Where the data is


class _Place(ABC):
    """An engine, reached through what a user has of it."""

    dialect: ClassVar[Dialect]

    def __init__(self, given: Sequence[Any], connection: Any) -> None:
        self.given = given
        self.connection = connection

    def names(self) -> Sequence[str]:
        """Return the names of the relations in the query."""
        return _NAMES[: len(self.given)]

    @abstractmethod
    def types(self, relation: Any) -> _Types:
        """Return the types of the columns of a relation."""

    @abstractmethod
    def run(self, query: Statement) -> object:
        """Return the result as the kind of relation that was given."""


class _DuckDB(_Place):
    dialect = DIALECTS["duckdb"]

    def types(self, relation: Any) -> _Types:
        return dict(zip(relation.columns, map(str, relation.types), strict=True))

    def run(self, query: Statement) -> object:
        # The engine finds a relation by the name of a variable.
        crmcore_customers = self.given[-1]
        found = self.given[0].query(_NAMES[0], query)
        del crmcore_customers
        return found


class _Spark(_Place):
    dialect = DIALECTS["spark"]

    def types(self, relation: Any) -> _Types:
        return {one.name: one.dataType.simpleString() for one in relation.schema.fields}

    def run(self, query: Statement) -> object:
        """Run over views that are there until the query is analysed."""
        session = self.given[0].sparkSession
        try:
            for name, frame in zip(self.names(), self.given, strict=True):
                frame.createOrReplaceTempView(name)
            return session.sql(query)
        finally:
            for name in self.names():
                session.catalog.dropTempView(name)


class _SQLAlchemy(_Place):
    dialect = DIALECTS["postgres"]

    def names(self) -> Sequence[str]:
        return self.given

    def types(self, relation: Any) -> _Types:
        from sqlalchemy import text

        asked = """
            select attname, typname from pg_catalog.pg_attribute
            join pg_catalog.pg_type on pg_type.oid = atttypid
            where attrelid = to_regclass(quote_ident(:name)) and attnum > 0 and not attisdropped
        """
        found = dict(self.connection.execute(text(asked), {"name": relation}).fetchall())
        if not found:
            raise DataError("there is no such table, or it has no columns")
        return found

    def run(self, query: Statement) -> object:
        from sqlalchemy import column, text

        return text(query.replace(":", "\\:")).columns(*map(column, query.columns))


_FRAMES: Final[Mapping[str, type[_Place]]] = {"duckdb": _DuckDB, "pyspark": _Spark}


def _place_of(given: Sequence[object], connection: object | None) -> _Place:
    if connection is not None:
        if _package(connection) != "sqlalchemy" or _dialect_of(connection) != "postgresql":
            raise DataError("give a SQLAlchemy connection to PostgreSQL")
        if not all(isinstance(one, str) for one in given):
            raise DataError("with a connection, give the names of tables")
        return _SQLAlchemy(given, connection)
    packages = {_package(one) for one in given}
    place = _FRAMES.get(packages.pop()) if len(packages) == 1 else None
    if place is None:
        raise DataError("give DuckDB relations, Spark data frames, or a connection and names")
    return place(given, None)


def _dialect_of(connection: Any) -> object:
    return connection.dialect.name


def _package(given: object) -> str:
    module = next((one.__module__ for one in type(given).__mro__ if one is not object), "")
    return module.partition(".")[0].lstrip("_")
