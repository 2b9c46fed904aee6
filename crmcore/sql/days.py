"""Local days in SQL: the zone as a small table, made here, so that no engine's own is used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crmcore.calendars import DAY_US, Zone
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.nodes import Node, Query

__all__ = ["COLUMNS", "day_table", "in_run", "local_day", "runs"]

COLUMNS = ("start_us", "end_us", "first_day", "last_day")


def runs(zone: Zone, low_us: int, high_us: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield runs of local days that start every 24 hours, from one instant to another.

    Each with its first and last instant, and its first and last day. The last day of a run may
    be longer or shorter than 24 hours: it ends where the next run begins.

    Examples
    --------
    >>> from datetime import datetime
    >>> from crmcore.calendars import instant_us, to_date, zone
    >>> low, high = (
    ...     instant_us(datetime.fromisoformat(f"{day}T00Z")) for day in ("2025-03-01", "2025-05-01")
    ... )
    >>> for _, _, first, last in runs(zone("Europe/Berlin"), low, high):
    ...     print(to_date(first), to_date(last))
    2025-03-01 2025-03-30
    2025-03-31 2025-05-01
    """
    first, last = (int(day) for day in zone.local_days(np.array([low_us, high_us])))
    days = np.arange(first, last + 1)
    starts = zone.day_starts(days)
    # A day that was skipped starts together with the next one, and holds no instant.
    real = np.append(starts[1:] > starts[:-1], True)
    days, starts = days[real], starts[real]
    regular = (np.diff(starts) == DAY_US) & (np.diff(days) == 1)
    begins = np.append(0, np.flatnonzero(~regular) + 1)
    ends = np.append(begins[1:], len(days)) - 1
    until = np.append(starts[begins[1:]] - 1, high_us)
    rows = zip(starts[begins], until, days[begins], days[ends], strict=True)
    for start, end, first_day, last_day in rows:
        yield int(start), int(end), int(first_day), int(last_day)


def day_table(zone: Zone, low_us: int, high_us: int) -> Query:
    """Return the runs of days as a query."""
    rows = nodes.rows_of(COLUMNS, runs(zone, low_us, high_us), "run")
    typed = {name: nodes.cast(nodes.column(name, "run"), "bigint") for name in COLUMNS}
    return nodes.select(typed, rows)


def in_run(instant: Node, run: str) -> Node:
    """Return whether an instant is in a run of days."""
    first, last = (nodes.column(end, run) for end in ("start_us", "end_us"))
    return nodes.all_of([nodes.compare(instant, ">=", first), nodes.compare(instant, "<=", last)])


def local_day(instant: Node, run: str, dialect: Dialect) -> Node:
    """Return the local day of an instant in a run, as days since 1970-01-01."""
    passed = nodes.compute(instant, "-", nodes.column("start_us", run))
    days = dialect.quotient(passed, nodes.number(DAY_US))
    day = nodes.compute(nodes.column("first_day", run), "+", days)
    last = nodes.column("last_day", run)
    return nodes.choose([(nodes.compare(day, ">", last), last)], day)
