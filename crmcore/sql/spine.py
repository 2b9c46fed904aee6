"""Several dates: given one by one, or as a table of them in the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime
from typing import Final

from crmcore.calendars import day_number
from crmcore.errors import DataError
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.nodes import Query

__all__ = ["DateSpine", "asked_days", "distinct_days"]

_MOST_DATES: Final = 1_830
"""Five years of days. A query has up to some hundred characters for each, and one engine
(BigQuery) takes a million in all."""


@dataclass(frozen=True, slots=True)
class DateSpine:
    """Says that the dates stand in a table: each date there is evaluated, once.

    The query holds the numbers of every day from `first` to `last`. It fails where a row of the
    table has no date, or one beyond these ends, so that nothing is left out silently.

    Parameters
    ----------
    table
        The name of the table.
    column
        The name of its column of dates, a ``DATE``. Its other columns are not read.
    first, last
        The ends of the dates that may stand there: at most 1,830 days, which is five
        years: the query has them all in it.

    Examples
    --------
    >>> import duckdb
    >>> import crmcore as crm
    >>> con = duckdb.connect()
    >>> _ = con.execute(
    ...     "create table calendar as select unnest(range("
    ...     "timestamp '2025-03-30', timestamp '2025-04-02', interval 1 day))::date as day"
    ... )
    >>> _ = con.execute('''create table orders as select 'C1' as customer_id,
    ...     1740794400000000 as placed_us, 30000 as amount_minor''')
    >>> spine = DateSpine("calendar", first=date(2025, 1, 1), last=date(2025, 12, 31))
    >>> missing = dict.fromkeys(["order_id", "status", "returns_order_id"])
    >>> query = crm.presets.load("classic").to_sql("duckdb", as_of=spine, columns=missing)
    >>> con.sql(query).select("as_of, customer_id, class").fetchall()[-1]
    (datetime.date(2025, 4, 1), 'C1', 'bronze')
    """

    table: str
    _: KW_ONLY
    column: str = "day"
    first: date
    last: date

    def days(self) -> list[date]:
        """Return every day that may stand there."""
        _check_dates([self.first, self.last])
        first, last = self.first.toordinal(), self.last.toordinal()
        # Looked at before they are made.
        _check_number(last - first + 1)
        return [date.fromordinal(day) for day in range(first, last + 1)]


def distinct_days(given: Iterable[date]) -> list[date]:
    """Return dates in order, each once."""
    days = set(given)
    _check_dates(days)
    _check_number(len(days))
    return sorted(days)


def _check_dates(days: Iterable[object]) -> None:
    if any(isinstance(day, datetime) or not isinstance(day, date) for day in days):
        raise DataError("give dates, no datetimes", column="as_of")


def _check_number(dates: int) -> None:
    if dates < 1:
        raise DataError("give at least one date, the first not after the last", column="as_of")
    if dates > _MOST_DATES:
        message = f"a query is as of at most {_MOST_DATES} dates: write several"
        raise DataError(message, column="as_of")


def asked_days(spine: DateSpine, name: str, dialect: Dialect) -> Query:
    """Return the days of a spine, each once; fail where one is missing, or beyond its ends."""
    given = nodes.column(spine.column, "spine")
    its = nodes.cast(given, "date")
    day = dialect.day_number(its)
    strange = nodes.negate(dialect.is_kind(given, "date"))
    # As dates: an infinite one has no number everywhere.
    ends = [dialect.date(nodes.number(day_number(one))) for one in (spine.first, spine.last)]
    beyond = nodes.any_of([nodes.compare(its, "<", ends[0]), nodes.compare(its, ">", ends[1])])
    cases = [
        (strange, dialect.refuse("the days of the date spine must be dates", day)),
        (nodes.is_missing(given), dialect.refuse("a row of the date spine has no date", day)),
        (beyond, dialect.refuse("the date spine has a day before `first` or after `last`", day)),
    ]
    columns = {name: nodes.choose(cases, day)}
    return nodes.select(columns, nodes.table(spine.table, "spine")).distinct()
