"""Evaluation in the workers of another engine: partial, merge, finish over Arrow batches."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, fields
from datetime import date, datetime
from functools import cached_property
from itertools import chain, starmap
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from crmcore.columns import Column
from crmcore.errors import DataError
from crmcore.evaluation.asking import Question
from crmcore.evaluation.pipeline import Ledger
from crmcore.evaluation.review import Seen, review
from crmcore.facts import FactTable
from crmcore.findings import Finding, findings_of_intake
from crmcore.frames import to_frame
from crmcore.money import Rates
from crmcore.policy import Policy
from crmcore.records.arrow import raw_columns
from crmcore.records.customers import CustomerTable
from crmcore.records.frames import arrow_table, needs_arrow, once
from crmcore.records.identity import IdentityMap
from crmcore.records.ids import IdKind, Ids
from crmcore.records.intake import Intake
from crmcore.records.reading import standardise
from crmcore.records.source import Source
from crmcore.streaming.accounts import Account
from crmcore.streaming.batches import OfTables, frames_of, of_batch
from crmcore.streaming.evaluating import MEMORY, SHARE, decided
from crmcore.streaming.job import Job
from crmcore.streaming.joining import Joined, Merged, finished, plan_of
from crmcore.streaming.kinds import fitted
from crmcore.streaming.partitions import on_disk, pieces
from crmcore.streaming.parts import CUSTOMER, PartForm, figure_names
from crmcore.streaming.plan import StreamPlan, name_of, stream_plan

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["PartialJob"]

_FORMAT = 1
"""Of parts; another one where figures of the same names come to mean something else."""
_AT_ONCE = StreamPlan("no", False, "all rows of an order are here", "all are in one table")


@dataclass(frozen=True, eq=False)
class PartialJob:
    """One evaluation, to be carried out by the workers of another engine.

    It holds no rows, opens nothing and can be pickled. The rows, parts and results that go through
    its methods are Arrow data: a table, a batch, or an iterable of them, as engines hand them over.

    Parameters
    ----------
    policy, source
        As for `evaluate_batches`.
    schema
        The Arrow schema of the rows.
    as_of, known_at, last_evaluated_at, identity
        As for `evaluate`.
    rates
        As for `OrderTable.from_frame`.
    unique_orders
        The caller's word that no order id stands in two rows of all there are.
    memory
        About so many bytes are used for rows at any time; a worker with more of them puts them on
        disk, where temporary files go, if they have to be brought together.

    Raises
    ------
    DataError
        The rows lack a column that is needed, a moment is naive, or the policy has another
        currency.
    MissingExtraError
        pyarrow is not installed.

    Notes
    -----
    `plan` says what the workers need: with ``by_order`` ``"yes"``, all rows of an order in one
    call; with ``by_customer``, all rows of a customer in one call, and then `evaluate_group` is
    the way. Without either, rows may be divided in any way.

    Examples
    --------
    >>> import crmcore as crm
    >>> import pyarrow as pa
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = pa.table(
    ...     {
    ...         "order_id": [1, 2, 3],
    ...         "customer_id": ["C1", "C2", "C1"],
    ...         "placed_at": ["2025-03-01", "2025-03-02", "2024-11-15"],
    ...         "amount": ["300.00", "80.00", "500.00"],
    ...     }
    ... )
    >>> policy = crm.presets.load("classic")
    >>> job = crm.PartialJob(policy, source, rows.schema, as_of=date(2025, 4, 1))
    >>> parts = [job.partial(rows.slice(at, 1)) for at in range(3)]
    >>> job.finish(parts).select(["customer_id", "class", "score"]).to_pylist()
    [{'customer_id': 'C1', 'class': 'silver', 'score': 19},
     {'customer_id': 'C2', 'class': 'bronze', 'score': 12}]
    >>> intake, findings = job.account(parts)
    >>> intake.rows, intake.kept
    (3, 3)
    """

    policy: Policy
    source: Source
    schema: pa.Schema
    _: KW_ONLY
    as_of: date
    known_at: datetime | None = None
    last_evaluated_at: date | None = None
    identity: IdentityMap | None = None
    rates: Rates | None = None
    unique_orders: bool = False
    memory: int = MEMORY

    def __post_init__(self) -> None:
        needs_arrow()
        once(self.schema.names)
        if self.memory < 1:
            raise ValueError("memory must be a positive number of bytes")
        _ = self._form  # what is wrong is refused here, and not in a worker

    def __getstate__(self) -> dict[str, object]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    # What it is about

    @cached_property
    def plan(self) -> StreamPlan:
        """What has to stand together in one call, and why."""
        names, unique = self.schema.names, self.unique_orders
        return stream_plan(self.policy, names, self.source, unique_orders=unique, read_twice=False)

    @property
    def part_schema(self) -> pa.Schema:
        """The columns of what `partial` and `merge` return."""
        return self._form.schema

    @cached_property
    def result_schema(self) -> pa.Schema:
        """The columns of what `finish` and `evaluate_group` return.

        Those of `Evaluation.to_frame`, each with one type whatever the rows: labels are text, and
        ratios decimals of 38 digits.
        """
        import pyarrow as pa

        ids, columns = self._decided(self._facts(()), None)
        table = arrow_table(to_frame(columns, ids))
        types = {one.name: _fixed(one.type, columns.get(one.name)) for one in table.schema}
        types[CUSTOMER] = pa.int64() if self._form.kind == "int" else pa.string()
        return pa.schema(types.items())

    # Verbs

    def partial(self, rows: object) -> pa.Table:
        """Return the figures of the customers of some rows, and the account of these rows.

        Parameters
        ----------
        rows
            Rows as the source reads them, with the columns of `schema`, others aside. Where
            ``plan.by_order`` is ``"yes"``, all rows of their orders.

        Returns
        -------
        pyarrow.Table
            With `part_schema`: one row a customer, and one for the account.

        Raises
        ------
        DataError
            The policy needs all rows of a customer at once, a column is missing or of another
            type, or as for `evaluate`.

        Notes
        -----
        Cost: some milliseconds, and one pass over the rows; so give many rows at once, such as all
        batches of a task. Rows are put on disk only where orders have to be brought together and
        they take more than a sixteenth of `memory`.
        """
        if self.plan.by_customer:
            why = self.plan.why_by_customer
            raise DataError(f"no parts can be merged, as {why}: use evaluate_group")
        parts = Merged(self.policy, self._question.timing)
        account = self._gathered(rows, parts.add)
        account.seen = parts.seen
        return self._form.to_table(parts.total(), account)

    def merge(self, parts: object) -> pa.Table:
        """Return one part made of any number of them: one row a customer.

        In any order and any tree; rows of a part may be anywhere, as after a shuffle.

        Raises
        ------
        DataError
            What is no part, or was made by a job with another policy, source or moment.
        """
        return self._form.to_table(*self._form.read(frames_of(parts)))

    def finish(self, parts: object, customers: object = None) -> pa.Table:
        """Return the results of some customers, given all parts of them.

        Parameters
        ----------
        parts
            As for `merge`; accounts of rows are read, but no part of the results.
        customers
            The records of these customers and of others who are to have a result without orders:
            a `CustomerTable` or a frame of one.

        Returns
        -------
        pyarrow.Table
            With `result_schema`, by ascending id.

        Raises
        ------
        DataError
            As `merge`; ids of customers of another kind than those of the orders, or as for
            `evaluate`.
        """
        total, _ = self._form.read(frames_of(parts))
        facts, _ = finished(self.policy, self._question.timing, total)
        return self._result(facts, customers)

    def evaluate_group(self, rows: object, customers: object = None) -> pa.Table:
        """Return the results of some customers, given all their rows: for any policy.

        Parameters
        ----------
        rows
            As for `partial`, but all rows of these customers, and of everybody who is one person
            with them. No order id stands with two customers.
        customers
            As for `finish`.
        """
        return self._result(self._facts(rows), customers)

    def account_group(self, rows: object) -> pa.Table:
        """Return a part with the account alone of rows for `evaluate_group`, for `account`."""
        seen: list[Seen] = []
        timing = self._question.timing
        account = self._gathered(
            rows, lambda ledger: seen.append(Seen.of(ledger.now, timing, enough=None))
        )
        account.seen = sum(seen, Seen())
        return self._form.to_table(Merged(self.policy, timing).total(), account)

    def account(self, parts: object) -> tuple[Intake, tuple[Finding, ...]]:
        """Return what became of the rows of parts, and what deserves a look in them.

        Rows for customers are not needed: it is enough to give those in which the column
        ``account`` holds something. Positions are not in it, as parts have no order; nor are
        findings that count customers.
        """
        account = self._form.read(frames_of(parts))[1] or Account()
        intake = account.intake(self.source, self._unused)
        has_known = name_of("known_at", self.schema.names, self.source) is not None
        known_us = self._question.now_us if has_known else None
        asked = self.known_at is not None
        counted = review(self.policy, account.seen, known_us, asked_known=asked)
        found = [one for one in counted if one.code != "scheme_condition_not_met"]
        return intake, (*found, *findings_of_intake(intake))

    # What they are made of

    @cached_property
    def _question(self) -> Question:
        moments = self.as_of, self.known_at, self.last_evaluated_at
        return Question.of(self.policy, *moments, self.identity)

    @cached_property
    def _unused(self) -> tuple[str, ...]:
        return standardise(raw_columns(self.schema.empty_table()), self.source).unused

    @cached_property
    def _form(self) -> PartForm:
        nobody = Merged(self.policy, self._question.timing)
        self._gathered((), nobody.add)
        figures = figure_names(plan_of(self.policy).figures, nobody.total())
        question, kind = self._question, self._kind
        made_by = {
            "format": _FORMAT,
            "policy": self.policy.hash,
            "source": _digest([self.source.model_dump_json().encode()]),
            "as_of_us": question.now_us,
            "known_us": question.asked_known_us,
            "columns": sorted(set(self.schema.names) - set(self._unused)),
            "ids": kind,
            "figures": list(figures),
            "rates": None if self.rates is None else _digest([repr(self.rates).encode()]),
            "identity": None if self.identity is None else _digest(_bytes_of(self.identity)),
        }
        return PartForm(figures, kind, self.source, made_by)

    @property
    def _kind(self) -> IdKind:
        """The kind of the customers' ids, as their column's type says it."""
        import pyarrow as pa
        from pyarrow import types

        name = name_of(CUSTOMER, self.schema.names, self.source)
        assert name is not None  # as `standardise` needs it
        kind = self.schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if kind == pa.uuid():
            return "uuid"
        texts = (types.is_string, types.is_large_string, types.is_string_view)
        return "str" if any(is_text(kind) for is_text in texts) else "int"

    def _facts(self, rows: object) -> FactTable:
        """Return the facts of customers, given all their rows."""
        parts = (Joined if self.plan.by_customer else Merged)(self.policy, self._question.timing)
        self._gathered(rows, parts.add)
        return parts.result()[0]

    def _gathered(self, rows: object, add: Callable[[Ledger], None]) -> Account:
        """Read rows, and return the account of them."""
        limit = max(self.memory // SHARE, 1)
        tables = pieces(starmap(self._checked, enumerate(frames_of(rows), 1)), limit)
        ahead = [one for one in (next(tables, None), next(tables, None)) if one is not None]
        plan, room = self.plan, limit
        if len(ahead) < 2:  # what fits is settled and linked where it is, and never cut
            plan, room = _AT_ONCE, sys.maxsize
        stream = OfTables(self.schema, chain(ahead, tables))
        with on_disk():
            opened = TemporaryDirectory(prefix="crmcore-")
        with opened as place:
            job = Job(
                *(self._question, stream, self.source, self.rates, Path(place), room),
                lambda done, total, phase: None,
            )
            return job.gather(plan, add).account

    def _checked(self, number: int, rows: object) -> pa.Table:
        used = (one for one in self.schema if one.name not in self._unused)
        with of_batch(f"batch {number}"):
            return fitted(arrow_table(rows), {one.name: one.type for one in used})

    def _decided(self, facts: FactTable, customers: object) -> tuple[Ids, dict[str, Column]]:
        if customers is not None and not isinstance(customers, CustomerTable):
            customers = CustomerTable.from_frame(customers)
        population, columns = decided(self._question, facts, self._question.persons(customers))
        self._form.refuse_other_kinds(population.ids)
        return population.ids, columns

    def _result(self, facts: FactTable, customers: object) -> pa.Table:
        ids, columns = self._decided(facts, customers)
        return arrow_table(to_frame(columns, ids)).cast(self.result_schema)


def _fixed(kind: pa.DataType, column: Column | None) -> pa.DataType:
    """Return the type of a column of results that holds whatever it may come to hold."""
    import pyarrow as pa

    if column is None:
        return kind
    if column.kind == "label":
        return pa.string()
    return pa.decimal128(38, kind.scale) if column.kind == "ratio" else kind


def _digest(given: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(given)).hexdigest()


def _bytes_of(identity: IdentityMap) -> Iterator[bytes]:
    ids = identity.ids
    arrays = (ids.numbers, ids.texts.data, ids.texts.offsets, ids.uuids, identity.customer)
    for array in (*arrays, identity.person, identity.since_us, identity.known_us):
        yield array.astype("<i8").tobytes()
