"""Orders in columns: the one form in which many orders are evaluated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.calendars import Zone, zone
from crmcore.columns import Codes, Ints, Mask
from crmcore.errors import DataError
from crmcore.money import Currency, Rates
from crmcore.records.ids import Id, Ids, code_ids
from crmcore.records.intake import Intake
from crmcore.records.lines import Dimension, LineColumns
from crmcore.records.preparing import NO_LINK, Prepared, prepare
from crmcore.records.raw import Raw, RawValues, raw_column
from crmcore.records.reading import STATUSES, standardise
from crmcore.records.rows import columns_of_rows
from crmcore.records.source import Source

if TYPE_CHECKING:
    from crmcore.records.models import Order

__all__ = ["RETURN", "UNLINKED", "WITHDRAWN", "OrderTable", "assemble", "relink"]

RETURN = len(STATUSES)
"""Status code of a row that is a return."""
WITHDRAWN = RETURN + 1
"""Status code of a return that was cancelled or refused."""
UNLINKED = -1
_DELIVERED = STATUSES.index("delivered")
_RETURNED = np.array(
    [WITHDRAWN if status in ("cancelled", "refused") else RETURN for status in STATUSES], np.uint8
)
"""What each status means for a row that is a return."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderTable:
    """Validated orders and returns in columns; make one with a ``from_`` method.

    Rows stand in the order given. A table serves any number of evaluations, and is never changed.

    Parameters
    ----------
    currency
        Currency of all amounts.
    zone
        Zone of the shop's rows, as the source says; UTC when it does not.
    customer_ids
        Distinct ids of identified customers, ascending.
    customer
        Position of each row's customer in `customer_ids`; their number where it is anonymous.
    placed_us, amount_minor
        Instants in UTC microseconds and money in minor units.
    status
        Codes into the standard statuses, or `RETURN` or `WITHDRAWN`.
    sale_of
        For each row in `return_rows`, the row of the order it returns, or -1.
    intake
        What became of the rows given.
    bound
        No amount is greater than this, below zero or above it.
    latest_us
        No row was placed later.
    frame_kind
        The kind of frame the rows came in, and in which results go out by default.

    Examples
    --------
    >>> from crmcore import OrderTable, Source
    >>> source = Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    >>> rows = [("O1", "C1", "2025-03-01 10:00:00", "12.50"), ("O2", "C1", "2025-03-09", "8.00")]
    >>> orders = OrderTable.from_rows(
    ...     rows, source, columns=("order_id", "customer_id", "placed_at", "amount")
    ... )
    >>> len(orders), orders.amount_minor.tolist()
    (2, [1250, 800])
    """

    currency: Currency
    zone: Zone
    customer_ids: Ids
    customer: Codes
    placed_us: Ints
    amount_minor: Ints
    status: NDArray[np.uint8]
    return_rows: Ints
    sale_of: Ints
    lines: LineColumns
    intake: Intake
    bound: int
    latest_us: int
    order_ids: Raw | None = None
    order_code: Ints | None = None
    return_of: Ints | None = None
    status_us: Ints | None = None
    known_us: Ints | None = None
    known_until_us: Ints | None = None
    quantity: Ints | None = None
    quantity_known: Mask | None = None
    channel: Dimension | None = None
    promotion: Dimension | None = None
    frame_kind: str = "pyarrow"

    def __len__(self) -> int:
        return len(self.placed_us)

    def __repr__(self) -> str:
        return f"OrderTable({len(self)} rows, {len(self.customer_ids)} customers)"

    @classmethod
    def from_arrays(
        cls, columns: Mapping[str, RawValues], source: Source, *, rates: Rates | None = None
    ) -> OrderTable:
        """Build from one array or list a column. Cost: a few passes; clean columns are shared.

        Parameters
        ----------
        columns
            Columns by the names that `source` expects: NumPy arrays, lists or `Coded`.
        source
            How to read them.
        rates
            Rates for rows in another currency, which are set aside otherwise.

        Raises
        ------
        DataError
            A column is missing, has an unusable type, or columns differ in length.
        """
        raw = {name: raw_column(name, values) for name, values in columns.items()}
        if len({len(column) for column in raw.values()}) > 1:
            raise DataError("columns differ in length")
        return cls.from_raw(raw, source, rates=rates)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Sequence[object] | Mapping[str, object]],
        source: Source,
        *,
        columns: Sequence[str] | None = None,
        rates: Rates | None = None,
    ) -> OrderTable:
        """Build from tuples (name their `columns`) or mappings, such as a database cursor."""
        return cls.from_arrays(columns_of_rows(rows, columns), source, rates=rates)

    @classmethod
    def from_frame(cls, frame: object, source: Source, *, rates: Rates | None = None) -> OrderTable:
        """Build from a pandas, polars, pyarrow, DuckDB or narwhals frame, or any Arrow stream.

        Memory is shared where the frame allows it, and results go out in the same kind of frame;
        see the page on frames. Needs the extra ``crmcore[frames]``.

        Raises
        ------
        DataError
            It is no frame, a chunk has other columns than those before, or as for `from_arrays`.
        """
        from crmcore.records.arrow import raw_columns
        from crmcore.records.frames import frame_kind

        table = cls.from_raw(raw_columns(frame), source, rates=rates)
        return replace(table, frame_kind=frame_kind(frame))

    @classmethod
    def from_models(cls, orders: Iterable[Order], *, currency: Currency) -> OrderTable:
        """Build from `Order` models: for one customer at a time, or for tests."""
        from crmcore.records.models import columns_of_models

        columns, by_line = columns_of_models(orders)
        return cls.from_arrays(columns, _source_of_models(currency, by_line=by_line))

    @classmethod
    def from_raw(
        cls, raw: Mapping[str, Raw], source: Source, *, rates: Rates | None = None
    ) -> OrderTable:
        """Build from raw columns; every other constructor ends here."""
        standard = standardise(raw, source, rates=rates)
        local = zone(source.zone or "UTC")
        prepared = prepare(standard, by_line=source.rows == "lines", zone=local)
        return assemble(prepared, source.currency, local)

    def take(self, rows: Mask | Ints) -> OrderTable:
        """Return a table of some of the rows, in that order; links are found again."""
        where = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
        lines = self.lines.of_orders(where, len(self))
        return relink(replace(self, lines=lines, **self._columns_at(where)))

    def repeat(self, times: int) -> OrderTable:
        """Return the table so many times over, for as many pretended customers in a row.

        All rows must belong to one customer: the copies are customers 0, 1, 2 …
        """
        size = len(self)
        place = np.repeat(np.arange(times) * size, len(self.return_rows))
        sale_of = np.tile(self.sale_of, times)
        columns = self._columns_at(np.tile(np.arange(size), times))
        columns |= {
            "customer_ids": Ids(np.arange(times)),
            "customer": np.repeat(np.arange(times), size),
            "lines": self.lines.repeat(times, size),
            "return_rows": np.tile(self.return_rows, times) + place,
            "sale_of": np.where(sale_of < 0, UNLINKED, sale_of + place),
        }
        return replace(self, **columns)

    def _columns_at(self, rows: Ints) -> dict[str, Any]:
        """Return the columns with one value a row, at the rows asked for."""
        given = {name: getattr(self, name) for name in _BY_ROW}
        return {
            name: column[rows] if isinstance(column, np.ndarray) else column.take(rows)
            for name, column in given.items()
            if column is not None
        }

    def of_customer(self, customer_id: Id) -> OrderTable:
        """Return the table of one customer's rows; empty when there are none."""
        place = self.customer_ids.locate(customer_id)
        if place == 0 and len(self.customer_ids) == 1 and not self.customer.any():
            return self
        rows = np.flatnonzero(self.customer == place) if place >= 0 else np.empty(0, np.int64)
        table = self.take(rows)
        return replace(
            table,
            customer_ids=Ids.of([customer_id]),
            customer=np.zeros(len(rows), np.int32),
        )

    def only_customers(self, present: Ints) -> OrderTable:
        """Return the table with some of its customers; rows of the others belong to nobody."""
        lookup = np.full(len(self.customer_ids) + 1, len(present), self.customer.dtype)
        lookup[present] = np.arange(len(present))
        ids = self.customer_ids.take(present)
        return replace(self, customer_ids=ids, customer=lookup[self.customer])

    def order_id(self, row: int) -> object:
        """Return the id of one row's order as given, ``None`` when there are no ids."""
        return None if self.order_ids is None else self.order_ids.item(row)

    def known_at(self, moment_us: int) -> OrderTable:
        """Return the table as it was known at that moment; itself when that is not recorded."""
        if self.known_us is None:
            return self
        known = self.known_us <= moment_us
        if self.known_until_us is not None:
            known &= self.known_until_us > moment_us
        return self if known.all() else self.take(known)


_BY_ROW = (
    "customer",
    "placed_us",
    "amount_minor",
    "status",
    "order_ids",
    "order_code",
    "return_of",
    "status_us",
    "known_us",
    "known_until_us",
    "quantity",
    "quantity_known",
    "channel",
    "promotion",
)


def assemble(prepared: Prepared, currency: Currency, local: Zone) -> OrderTable:
    """Return clean rows as a table: customers and statuses coded, returns linked."""
    rows = prepared.rows
    customer, ids = _customers(rows.customer_id)
    amounts = rows.amount_survey or kernels.survey(rows.amount_minor, listed=True)
    placed = rows.placed_survey or kernels.survey(rows.placed_us)
    status, returns = _statuses(rows.status, len(rows.amount_minor), amounts.negative_rows)
    table = OrderTable(
        currency=currency,
        zone=local,
        customer_ids=ids,
        customer=customer,
        placed_us=rows.placed_us,
        amount_minor=rows.amount_minor,
        status=status,
        return_rows=returns,
        sale_of=np.full(len(returns), UNLINKED),
        lines=LineColumns.of(prepared.lines),
        intake=prepared.intake,
        bound=amounts.reach,
        latest_us=placed.greatest,
        order_ids=rows.order_id,
        order_code=prepared.order,
        return_of=prepared.return_of,
        status_us=rows.status_us,
        known_us=rows.known_us,
        known_until_us=prepared.known_until_us,
        quantity=rows.quantity,
        quantity_known=rows.quantity_known,
        channel=Dimension.of(rows.channel),
        promotion=Dimension.of(rows.promotion),
    )
    sale_of = _sales(table)
    found = {
        "zero_amount": amounts.zeros,
        "anonymous": _anonymous(table, rows.customer_id),
        "return_link_not_found": _dangling(table, sale_of),
    }
    notices = {**prepared.intake.notices, **{name: found[name] for name in found if found[name]}}
    intake = replace(prepared.intake, notices=notices)
    return replace(table, sale_of=sale_of, intake=intake)


@lru_cache
def _source_of_models(currency: Currency, *, by_line: bool) -> Source:
    return Source(currency=currency, rows="lines" if by_line else "orders")


def _anonymous(table: OrderTable, given: Raw | None) -> int:
    if given is None or given.missing is None:
        return 0
    return int(np.count_nonzero(table.customer == len(table.customer_ids)))


def _dangling(table: OrderTable, sale_of: Ints) -> int:
    """Count returns that name an order which their customer has in no version."""
    if table.return_of is None:
        return 0
    unlinked, who = table.return_rows[sale_of == UNLINKED], len(table.customer_ids) + 1
    returns = unlinked[table.return_of[unlinked] != NO_LINK]
    if table.order_code is None or len(returns) == 0:
        return len(returns)
    rows = np.flatnonzero(table.status < RETURN)
    there = table.order_code[rows] * who + table.customer[rows]
    named = table.return_of[returns] * who + table.customer[returns]
    return int(np.count_nonzero(~np.isin(named, there)))


def _customers(raw: Raw | None) -> tuple[Codes, Ids]:
    if raw is None:
        raise DataError("no customer ids", column="customer_id")
    codes, ids = code_ids(raw, "customer_id")
    if raw.missing is not None:
        codes[codes < 0] = len(ids)
    return codes, ids


def _statuses(
    given: NDArray[np.uint8] | None, size: int, negative: Ints | None
) -> tuple[NDArray[np.uint8], Ints]:
    """Return the status codes, with returns marked, and the rows of these.

    Returns are the rows with a negative amount. Without a status, orders are delivered.
    """
    assert negative is not None  # amounts are surveyed with them
    status = np.full(size, _DELIVERED, np.uint8) if given is None else given
    if len(negative):
        status = status.copy()
        status[negative] = _RETURNED[status[negative]]
    return status, negative


def relink(table: OrderTable) -> OrderTable:
    """Return the table with its returns and their links found again."""
    table = replace(table, return_rows=np.flatnonzero(table.status >= RETURN))
    return replace(table, sale_of=_sales(table))


def _sales(table: OrderTable) -> Ints:
    """Return the row of the order that each of the returns returns, or -1."""
    returns = table.return_rows
    if table.return_of is None or table.order_code is None or len(returns) == 0:
        return np.full(len(returns), UNLINKED)
    row_of = np.full(int(table.order_code.max()) + 2, UNLINKED)
    orders = np.flatnonzero(table.status < RETURN)
    row_of[table.order_code[orders]] = orders
    named = table.return_of[returns]
    known = (named >= 0) & (named < len(row_of))
    sale = np.where(known, row_of[np.where(known, named, -1)], UNLINKED)
    same = table.customer[np.where(sale < 0, 0, sale)] == table.customer[returns]
    return np.where(same, sale, UNLINKED)
