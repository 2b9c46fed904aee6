"""What becomes of the rows of a shop's own relation, as a query."""

from __future__ import annotations

from collections.abc import Mapping

from crmcore.errors import DataError
from crmcore.records.source import Source
from crmcore.sql.dialects import DIALECTS
from crmcore.sql.refusals import refuse_without_sqlglot
from crmcore.sql.source import Reading

__all__ = ["to_sql_account"]


def to_sql_account(
    source: Source,
    *,
    kinds: Mapping[str, str],
    dialect: str = "duckdb",
    orders: str = "orders",
) -> str:
    """Return a query for what becomes of the rows of a relation, read as a source says.

    It gives the columns ``kind``, ``reason`` and ``rows``: how many rows are kept (without a
    reason), and how many are left out for which reason, as `Intake.left_out` counts them.

    Parameters
    ----------
    source, kinds, dialect, orders
        As for `to_sql`.

    Raises
    ------
    PolicyError, DataError, MissingExtraError
        As by `to_sql`.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> con = duckdb.connect()
    >>> _ = con.execute(
    ...     "create table orders as select 'C1' as customer_id, date '2025-03-01' "
    ...     "as placed_at, unnest(['12.50', 'n/a']) as amount"
    ... )
    >>> source = crm.Source(currency={"code": "CNY", "exponent": 2}, zone="Asia/Shanghai")
    >>> kinds = {"customer_id": "text", "placed_at": "date", "amount": "text"}
    >>> con.sql(to_sql_account(source, kinds=kinds)).fetchall()
    [('quarantined', 'unreadable_amount', 1), ('kept', None, 1)]
    """
    refuse_without_sqlglot()
    if dialect not in DIALECTS:
        raise DataError(f"there is no SQL of this dialect; allowed: {', '.join(DIALECTS)}")
    engine = DIALECTS[dialect]
    reading = Reading.of(source, kinds, engine, orders, bad_rows="set_aside")
    return engine.write(reading.account())
