"""The work on a stream: each step takes rows from the one before, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crmcore import kernels
from crmcore.calendars import Zone, zone
from crmcore.evaluation.asking import Question
from crmcore.evaluation.pipeline import Ledger
from crmcore.evaluation.review import Seen
from crmcore.facts import FactTable
from crmcore.money import Rates
from crmcore.records.arrow import raw_columns
from crmcore.records.draft import Draft
from crmcore.records.ids import code_ids
from crmcore.records.intake import Intake
from crmcore.records.orders import OrderTable, assemble
from crmcore.records.preparing import usable
from crmcore.records.raw import raw_column
from crmcore.records.reading import standardise
from crmcore.records.source import Source
from crmcore.streaming.accounts import Account
from crmcore.streaming.batches import Stream, Tell
from crmcore.streaming.hashing import Hashes, Key, hash_column, hash_ids, mixed
from crmcore.streaming.joining import Joined, Merged
from crmcore.streaming.partitions import KEY, Partitions, pieces
from crmcore.streaming.plan import StreamPlan, name_of
from crmcore.streaming.stored import AS_GIVEN, Rows, Settled

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Answer", "Job", "RepeatedError"]


class RepeatedError(Exception):
    """An order id turned up twice."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a stream comes to: facts of those who have orders, and the account of the rows."""

    facts: FactTable
    seen: Seen
    known_us: int | None
    intake: Intake


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One stream and what is asked of it.

    Parameters
    ----------
    question, stream, source, rates
        As given.
    folder
        Where rows are kept meanwhile.
    limit
        About how many bytes the rows of a part may have.
    tell
        Told of progress.
    """

    question: Question
    stream: Stream
    source: Source
    rates: Rates | None
    folder: Path
    limit: int
    tell: Tell

    def run(self, plan: StreamPlan) -> Answer:
        """Carry out a plan.

        Raises
        ------
        RepeatedError
            The plan hoped that no order id repeats, and one does.
        """
        question = self.question
        parts = (Joined if plan.by_customer else Merged)(question.policy, question.timing)
        run = self.gather(plan, parts.add)
        facts, seen = parts.result()
        return Answer(facts, seen, run.known_us, run.account.intake(self.source, run.unused))

    def gather(self, plan: StreamPlan, add: Callable[[Ledger], None]) -> _Run:
        """Hand over the orders a part at a time, and return what is known at the end.

        Raises
        ------
        RepeatedError
            As `run`.
        """
        with ExitStack() as opened:
            run = _Run(self, opened)
            for table in run.tables(plan):
                run.known_us = self.question.known_us(table)
                add(self.question.ledger(table))
        return run


class _Run:
    """One reading of a stream."""

    def __init__(self, job: Job, opened: ExitStack) -> None:
        self._job = job
        self._opened = opened
        self._key = Key.drawn()
        self.account = Account()
        self.known_us: int | None = None
        self._zone: Zone = zone(job.source.zone or "UTC")
        self._by_line = job.source.rows == "lines"
        # Nothing of the columns is asked but their names: the types are known with the rows.
        nothing = {name: raw_column(name, []) for name in job.stream.schema.names}
        self.unused = standardise(nothing, job.source).unused

    def tables(self, plan: StreamPlan) -> Iterator[OrderTable]:
        """Return the orders in at least one table."""
        rows = self._usable()
        if plan.by_order == "if_repeated":
            rows = self._watched(rows)
        elif plan.by_order == "yes":
            rows = self._by_order(rows)
        orders = self._settled(rows)
        if plan.by_customer:
            orders = self._by_customer(orders)
        return map(self._assembled, orders)

    # Steps

    def _usable(self) -> Iterator[Rows]:
        """Read the rows, and set aside what cannot be used."""
        job, position = self._job, 0
        names = {name: name_of(name, job.stream.schema.names, job.source) for name in AS_GIVEN}
        for table in self._read():
            standard = standardise(raw_columns(table), job.source, rates=job.rates)
            positions = np.arange(position, position + table.num_rows)
            draft = usable(Draft(standard, positions, [], dict(standard.notices), self._zone))
            self.account.read(table.num_rows, draft)
            given = {name: table[theirs] for name, theirs in names.items() if theirs is not None}
            yield Rows(_afresh(draft), given, positions)
            position += table.num_rows

    def _read(self) -> Iterator[pa.Table]:
        """Return the columns that are used, in tables that fit; at least one."""
        job, schema = self._job, None
        needed = [name for name in job.stream.schema.names if name not in self.unused]
        with closing(job.stream.tables(needed, job.tell)) as tables:
            for table in pieces(tables, job.limit):
                schema = table.schema
                yield table
        if schema is None:
            yield job.stream.schema.empty_table().select(needed)

    def _watched(self, given: Iterable[Rows]) -> Iterator[Rows]:
        """Look whether an order id repeats; equal ids have equal hashes."""
        import pyarrow as pa

        hashes = self._partitions()
        for rows in given:
            hashes.add(pa.table({KEY: _once(self._order_keys(rows.draft))}))
            yield rows
        for table in hashes.tables():
            _once(table[KEY].to_numpy())

    def _by_order(self, given: Iterable[Rows]) -> Iterator[Rows]:
        """Bring the rows of each order together."""
        parts = self._partitions()
        for rows in given:
            parts.add(_keyed(rows.to_table(), self._order_keys(rows.draft)))
        for table in self._told(parts, "by order"):
            yield Rows.from_table(table, self._zone)

    def _settled(self, given: Iterable[Rows]) -> Iterator[Settled]:
        """Make orders single, and fold their lines."""
        for rows in given:
            orders, kept = rows.settled(by_line=self._by_line)
            self.account.settle(kept, orders.draft)
            yield replace(orders, draft=_afresh(orders.draft))

    def _by_customer(self, given: Iterable[Settled]) -> Iterator[Settled]:
        """Bring the orders of each person together."""
        parts = self._partitions()
        for orders in given:
            parts.add(_keyed(orders.to_table(), self._customer_keys(orders.draft)))
        for table in self._told(parts, "by customer"):
            yield Settled.from_table(table, self._zone)

    def _assembled(self, orders: Settled) -> OrderTable:
        table = assemble(orders.prepared(), self._job.source.currency, self._zone)
        self.account.notices.update(table.intake.notices)
        return table

    # Partitions

    def _partitions(self) -> Partitions:
        return self._opened.enter_context(Partitions(self._job.folder, self._job.limit))

    def _told(self, parts: Partitions, phase: str) -> Iterator[pa.Table]:
        """Return the tables, and tell how many of the rows are done."""
        done, total = 0, parts.rows
        for table in parts.tables():
            yield table.combine_chunks()
            done += table.num_rows
            self._job.tell(done, total, phase)

    def _order_keys(self, draft: Draft) -> Hashes:
        assert draft.rows.order_id is not None
        return hash_column(draft.rows.order_id, self._key)

    def _customer_keys(self, draft: Draft) -> Hashes:
        """Return equal keys for the orders of one person.

        What nobody ordered has the key of its order: a return, that of the order it names.
        """
        rows, question = draft.rows, self._job.question
        assert rows.customer_id is not None
        codes, ids = code_ids(rows.customer_id, "customer_id")
        if question.identity is None:
            hashes = hash_ids(ids, self._key)
        else:
            everybody, _, person = question.identity.person_of(ids, **question.identity_moment)
            hashes = hash_ids(everybody, self._key)[person]
        keys = np.append(hashes, np.uint64(0))[codes]
        anonymous = codes < 0
        if anonymous.any():
            keys[anonymous] = self._loose_keys(draft)[anonymous]
        return keys

    def _loose_keys(self, draft: Draft) -> Hashes:
        own, named = draft.rows.order_id, draft.rows.returns_order_id
        if own is None:
            return mixed(draft.rows.placed_us, self._key.numbers)
        if named is None:
            return hash_column(own, self._key)
        hashes = hash_column(named, self._key)
        if named.missing is None:
            return hashes
        return np.where(named.missing, hash_column(own, self._key), hashes)


def _afresh(draft: Draft) -> Draft:
    """Return a draft whose account starts anew."""
    return replace(draft, left_out=[], notices={})


def _keyed(table: pa.Table, keys: Hashes) -> pa.Table:
    import pyarrow as pa

    return table.append_column(KEY, pa.array(keys))


def _once(hashes: Hashes) -> Hashes:
    if kernels.has_duplicates(hashes.view(np.int64)):
        raise RepeatedError
    return hashes
