"""A policy run where the data is: a relation, a frame or a table in, the same kind back.

No data passes through Python: only the names and types of columns are looked at.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Final, Literal, TypeAlias, Unpack
from uuid import uuid4

from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.policy import Policy
from crmcore.records.source import Source
from crmcore.sql.dialects import DIALECTS, IDS, Dialect
from crmcore.sql.dialects.dialect import Kind
from crmcore.sql.moments import Parameter
from crmcore.sql.options import ReadOptions
from crmcore.sql.query import to_sql
from crmcore.sql.source import BadRows, asked_names
from crmcore.sql.spine import DateSpine
from crmcore.sql.statement import Statement

__all__ = ["evaluate_on"]

_Kinds: TypeAlias = tuple[Kind | None, ...]
"""What a column may hold; ``None``: what is of no kind, such as an ``ENUM``."""
_OF_ORDERS: Final[Mapping[str, _Kinds]] = {
    "customer_id": IDS,
    "order_id": IDS,
    "returns_order_id": IDS,
    "placed_us": ("whole",),
    "amount_minor": ("whole",),
    "status": ("text", None),
    "quantity": ("whole",),
    "channel": ("text",),
    "promotion": ("text",),
}
_OF_FIELDS: Final[Mapping[str, _Kinds]] = {
    "int": ("whole",),
    "ratio": ("whole",),
    "date": ("date",),
    "instant": ("instant",),
    "bool": ("boolean",),
    "label": ("text",),
    "text": ("text",),
}
_Types: TypeAlias = Mapping[str, str]
"""The engine's name of the type of each column."""


def evaluate_on(
    policy: Policy,
    orders: object | None = None,
    customers: object | None = None,
    *,
    facts: object | None = None,
    connection: object | None = None,
    as_of: date | Sequence[date] | DateSpine,
    source: Source | None = None,
    bad_rows: BadRows = "refuse",
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
        As for `crmcore.sql.to_sql`: a moment, several dates, or a `crmcore.sql.DateSpine`.
    source, bad_rows
        As for `crmcore.sql.to_sql`: then `orders` has the shop's own columns. What each holds is
        found from its type.
    **options
        ``last_evaluated_at``, ``columns`` and ``scores``, as for `crmcore.sql.to_sql`.

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
        A column is missing or of a type that does not fit, with its name; or ids that are compared
        are of two types; or what is given is
        none of these kinds, or of two; or `as_of` is a `crmcore.sql.Parameter`; or a DuckDB session
        that has customers, too, does not look relations up (``python_enable_replacements``).
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
    if isinstance(as_of, Parameter):
        raise DataError("give the moment itself: nothing binds a parameter here", column="as_of")
    relations = {"orders": orders, "customers": customers, "facts": facts}
    given = {name: one for name, one in relations.items() if one is not None}
    if ("orders" in given) == ("facts" in given):
        raise DataError("give either orders or facts")
    if source is not None and orders is None:
        raise DataError("a source says how orders are read: give them, not facts")
    place = _place_of(list(given.values()), connection)
    names = dict(zip(given, place.names, strict=True))
    kinds = None if source is None else _kinds(source, place, orders)
    query = to_sql(
        policy,
        dialect=place.dialect.name,
        orders=names.get("orders", "orders"),
        customers=names.get("customers"),
        facts=names.get("facts"),
        as_of=as_of,
        source=source,
        kinds=kinds,
        bad_rows=bad_rows,
        **options,
    )
    columns = options.get("columns") or {}
    wanted = {
        "orders": _named(_OF_ORDERS, columns),
        "customers": _named(_of_fields(policy.attributes), _of_customers(columns)),
        "facts": _of_fields(policy.fields),
    }
    for name, relation in given.items():
        if source is None or name != "orders":
            read = query.reads.get(names[name], frozenset())
            _check(read, wanted[name], place, relation)
    for one, other in _compared(given, columns, source):
        _check_alike(one, other, place)
    return place.run(query)


def _kinds(source: Source, place: _Place, orders: object) -> dict[str, Kind]:
    """Return what the columns of a shop hold, without those that nothing reads."""
    found, types = {}, place.types(orders)
    fields = type(source.columns).model_fields
    unstated = {name for name in fields if getattr(source.columns, name) is None}
    for name in sorted(asked_names(source)):
        # A column that nobody named is read where it is called just so, as everywhere.
        type_ = types.get(name) if name in unstated else place.type_of(name, types)
        if type_ is not None:
            kind = place.dialect.kind_of(type_)
            if kind is None:
                raise DataError(f"{_bare(type_)} is no type that a query reads", column=name)
            found[name] = kind
    return found


def _bare(type_: str) -> str:
    """Return the name of a type without what it may hold: that may be anything of anybody."""
    return re.split(r"[(<]", type_, maxsplit=1)[0]


def _of_fields(fields: Mapping[str, FieldType]) -> Mapping[str, _Kinds]:
    found = {name: _OF_FIELDS.get(type_.kind, ()) for name, type_ in fields.items()}
    return {**found, "customer_id": IDS}


def _of_customers(columns: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Return the names of columns of the customers: what is the orders' too is the orders'."""
    own = columns.keys() - (_OF_ORDERS.keys() - {"customer_id"})
    return {name: columns[name] for name in own}


def _named(kinds: Mapping[str, _Kinds], columns: Mapping[str, str | None]) -> Mapping[str, _Kinds]:
    """Return what columns must hold, by the names they have."""
    return {columns.get(name, name) or name: found for name, found in kinds.items()}


def _check(
    read: frozenset[str], wanted: Mapping[str, _Kinds], place: _Place, relation: object
) -> None:
    types = place.types(relation)
    for name in sorted(read):
        type_ = place.type_of(name, types)
        if type_ is None:
            raise DataError("the relation has no such column", column=name)
        kinds = wanted.get(name, ())
        if kinds and not place.holds(type_, kinds):
            known = " or ".join(kind for kind in kinds if kind is not None)
            message = f"{_bare(type_)} is no type of this column: give {known}"
            raise DataError(message, column=name)


_Column: TypeAlias = tuple[object, str | None]
"""A relation, and the name of one of its columns; ``None``: it is said to have none."""


def _compared(
    given: Mapping[str, object], columns: Mapping[str, str | None], source: Source | None
) -> Iterator[tuple[_Column, _Column]]:
    """Yield ids that the query compares with each other."""
    if "orders" not in given:
        return
    buyer, own, returned = (
        (given["orders"], _named_by(name, columns, source))
        for name in ("customer_id", "order_id", "returns_order_id")
    )
    if "customers" in given:
        yield buyer, (given["customers"], columns.get("customer_id", "customer_id"))
    yield own, returned


def _named_by(name: str, columns: Mapping[str, str | None], source: Source | None) -> str | None:
    """Return what a standard column is called in the orders; ``None``: there is none."""
    if source is None:
        return columns.get(name, name)
    named: str | Literal[False] | None = getattr(source.columns, name)
    return name if named is None else named or None


def _check_alike(one: _Column, other: _Column, place: _Place) -> None:
    """Refuse ids of two types: they are never equal, and an engine says so in words of its own."""
    kinds: dict[Kind, str] = {}
    for relation, name in (one, other):
        type_ = None if name is None else place.type_of(name, place.types(relation))
        kind = None if type_ is None else place.dialect.kind_of(type_)
        if kind is not None and type_ is not None:
            kinds[kind] = _bare(type_)
    if len(kinds) > 1:
        types = " and ".join(kinds.values())
        message = f"{types} are compared here: give ids of one type"
        if one[0] is other[0]:
            message += ", or leave this column out"
        raise DataError(message, column=other[1])


# Where the data is


class _Place(ABC):
    """An engine, reached through what a user has of it."""

    dialect: ClassVar[Dialect]

    def __init__(self, given: Sequence[Any], connection: Any) -> None:
        self.given = given
        self.connection = connection
        # In the query; none that a table has, or that another thread uses.
        self.names: Sequence[str] = [f"crmcore_{uuid4().hex}" for _ in given]

    @property
    def folds(self) -> bool:
        """Whether a column is found by its name in other capitals."""
        return False

    def type_of(self, name: str, types: _Types) -> str | None:
        """Return the type of the column that the engine finds by a name."""
        if name in types or not self.folds:
            return types.get(name)
        same = (type_ for one, type_ in types.items() if one.casefold() == name.casefold())
        return next(same, None)

    def holds(self, type_: str, kinds: _Kinds) -> bool:
        """Return whether a type is one of some kinds."""
        own = self.dialect.kind_of(type_)
        return own in kinds or any(kind and self.dialect.holds(type_, kind) for kind in kinds)

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

    @property
    def folds(self) -> bool:
        """Names are the same in all capitals."""
        return True

    def run(self, query: Statement) -> object:
        """Run with the customers where the engine looks a name up: among this module's own."""
        (name, *others), (relation, *more) = self.names, self.given
        asked = "select current_setting('python_enable_replacements')"
        if more and relation.query(name, asked).fetchall() == [(False,)]:
            raise DataError("customers beside orders need DuckDB's python_enable_replacements")
        globals().update(zip(others, more, strict=True))
        try:
            return relation.query(name, query)
        finally:
            for one in others:
                del globals()[one]


class _Spark(_Place):
    dialect = DIALECTS["spark"]

    def types(self, relation: Any) -> _Types:
        return {one.name: one.dataType.simpleString() for one in relation.schema.fields}

    @property
    def folds(self) -> bool:
        """Names are the same in all capitals unless the session says otherwise."""
        return bool(self.given[0].sparkSession.conf.get("spark.sql.caseSensitive") == "false")

    def run(self, query: Statement) -> object:
        """Run over views that are there until the query is analysed."""
        session = self.given[0].sparkSession
        try:
            for name, frame in zip(self.names, self.given, strict=True):
                frame.createOrReplaceTempView(name)
            return session.sql(query)
        finally:
            for name in self.names:
                session.catalog.dropTempView(name)


class _SQLAlchemy(_Place):
    dialect = DIALECTS["postgres"]

    def __init__(self, given: Sequence[Any], connection: Any) -> None:
        super().__init__(given, connection)
        self.names = given

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
