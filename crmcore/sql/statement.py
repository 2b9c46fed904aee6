"""A query as text, and the values of its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from crmcore.calendars import Zone, moments
from crmcore.errors import DataError
from crmcore.sql.moments import Edges, Parameters, refuse_part_of_day

__all__ = ["Statement"]


class Statement(str):
    """A query as text, ready to be given to the engine's own client.

    Where its moment is a parameter, `parameters` gives what the client binds.

    Parameters
    ----------
    text
        The query.
    edges
        The numbers in it that depend on its moments.
    zone
        The shop's zone.
    columns
        The names of the columns of its result.
    reads
        The columns that it reads of each relation.
    whole_days
        Whether it is only right as of the ends of local days.

    Examples
    --------
    >>> import crmcore as crm
    >>> query = crm.presets.load("classic").to_sql("duckdb", as_of=date(2025, 4, 1))
    >>> query.columns[:3], sorted(query.reads)
    (('customer_id', 'class', 'grade'), ['orders'])
    """

    columns: tuple[str, ...]
    reads: Mapping[str, frozenset[str]]
    _edges: Edges
    _zone: Zone
    _whole_days: bool

    def __new__(
        cls,
        text: str,
        edges: Edges,
        zone: Zone,
        columns: Iterable[str],
        reads: Mapping[str, frozenset[str]],
        whole_days: bool = False,
    ) -> Statement:
        """Return the text with what is known of it."""
        made = super().__new__(cls, text)
        made.columns, made.reads = tuple(columns), reads
        made._edges, made._zone, made._whole_days = edges, zone, whole_days
        return made

    def __reduce__(self) -> tuple[type[Statement], tuple[object, ...]]:
        """Return what copies are made of, in this process or another."""
        known = (self._edges, self._zone, self.columns, self.reads, self._whole_days)
        return Statement, (str(self), *known)

    def parameters(
        self, as_of: date, last_evaluated_at: date | None = None
    ) -> dict[str, int | None]:
        """Return the values of the query's parameters as of a moment, by name.

        Parameters
        ----------
        as_of, last_evaluated_at
            As for `evaluate`.

        Raises
        ------
        DataError
            The query has no parameters, as its moment is written in it; or the moment lies after
            those that it was made for.
        """
        if not isinstance(self._edges, Parameters):
            raise DataError("the query was made as of its own moment", column="as_of")
        now = moments([as_of], self._zone)
        if self._whole_days:
            refuse_part_of_day(now, self._zone)
        before = None if last_evaluated_at is None else moments([last_evaluated_at], self._zone)
        return self._edges.values(now, before)
