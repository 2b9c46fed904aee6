"""Figures of customers as Arrow tables, which any engine can carry, keep and bring together.

A part has one row a customer, with one whole number a figure; and rows without customer, which
hold the account of the rows that were read. Each row carries the mark of the job that made it, as
engines drop what an Arrow schema says of itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter, ValidationError

from crmcore.columns import Ints
from crmcore.errors import DataError
from crmcore.facts import Partial
from crmcore.facts.measures import Figure
from crmcore.facts.partial import impossible
from crmcore.frames import to_frame
from crmcore.records.arrow import raw_columns
from crmcore.records.frames import arrow_table
from crmcore.records.ids import IdKind, Ids, code_ids
from crmcore.records.source import Source
from crmcore.streaming.accounts import Account
from crmcore.streaming.kinds import fitted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ACCOUNT", "CUSTOMER", "JOB", "PartForm", "figure_names"]

CUSTOMER, ACCOUNT, JOB = "customer_id", "account", "job"
_METADATA = b"crmcore"
_OBJECT = TypeAdapter(dict[str, object])


def figure_names(figures: Iterable[Figure], of_nobody: Partial) -> dict[str, Figure]:
    """Return the column of each figure, such as ``sum_left_net_period_3``.

    What is not there in a part of no rows is of a column that the rows do not have, and left out;
    but for the high parts of values, which are not there where all are 0.
    """
    there = of_nobody.figures
    columns = {f"{figure.of}_high" for figure in there}
    kept = (figure for figure in figures if figure in there or figure.of in columns)
    return {"_".join(_words(figure, at)): figure for at, figure in enumerate(kept, 1)}


def _words(figure: Figure, at: int) -> Iterable[str]:
    yield figure.take
    if figure.take != "count":
        yield figure.of
    yield figure.rows.kind
    if figure.rows.window is not None:
        yield figure.rows.window
    yield str(at)


@dataclass(frozen=True, eq=False)
class PartForm:
    """The Arrow form of the parts of one job.

    Parameters
    ----------
    figures
        By the names of their columns.
    kind
        The one kind of ids that customers have.
    source
        That of the rows, by whose reasons some are excluded.
    made_by
        What parts must have in common to be merged, in values that JSON has.
    """

    figures: Mapping[str, Figure]
    kind: IdKind
    source: Source
    made_by: Mapping[str, object]

    @cached_property
    def mark(self) -> int:
        """What stands in each row: 64 bits of a hash of `made_by`."""
        digest = hashlib.sha256(_json(self.made_by)).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of a part."""
        import pyarrow as pa

        kinds = {"int": pa.int64(), "str": pa.string(), "uuid": pa.uuid()}
        figures = [(name, pa.int64()) for name in self.figures]
        last = [(ACCOUNT, pa.string()), (JOB, pa.int64())]
        columns = [(CUSTOMER, kinds[self.kind]), *figures, *last]
        return pa.schema(columns, {_METADATA: _json(self.made_by)})

    # Out

    def to_table(self, total: Partial, account: Account | None) -> pa.Table:
        """Return figures, and an account of the rows that they come from, as a part.

        Raises
        ------
        DataError
            An id of another kind.
        """
        import pyarrow as pa

        columns = {CUSTOMER: self.ids(total.ids)}
        for name, figure in self.figures.items():
            if figure in total.figures:
                columns[name] = pa.array(total.figures[figure])
        parts = [self._padded(columns, len(total))]
        if account is not None:
            parts.append(self._padded({ACCOUNT: pa.array([account.to_json()])}, 1))
        return pa.concat_tables(parts)

    def _padded(self, columns: Mapping[str, pa.Array], rows: int) -> pa.Table:
        """Return rows of a part; columns that are not given hold nothing."""
        import pyarrow as pa

        mark = {JOB: pa.array(np.full(rows, self.mark))}
        nothing = {one.name: pa.nulls(rows, one.type) for one in self.schema}
        return pa.table({**nothing, **columns, **mark}, self.schema)

    def ids(self, ids: Ids) -> pa.Array:
        """Return ids as the first column has them; raises `DataError` for one of another kind."""
        import pyarrow as pa

        self.refuse_other_kinds(ids)
        if self.kind == "uuid":
            buffers = [None, pa.py_buffer(np.ascontiguousarray(ids.uuids))]
            storage = pa.Array.from_buffers(pa.binary(16), len(ids), buffers)
            return pa.ExtensionArray.from_storage(pa.uuid(), storage)
        column = arrow_table(to_frame({}, ids))[CUSTOMER]
        return column.cast(self.schema.field(CUSTOMER).type).combine_chunks()

    def refuse_other_kinds(self, ids: Ids) -> None:
        """Raise `DataError` for ids of another kind: a column has one type."""
        others = ids.kinds.keys() - {self.kind}
        if others:
            kinds = ", ".join(sorted(others))
            raise DataError(f"ids of kind {kinds}, where {self.kind} is expected", column=CUSTOMER)

    # In

    def read(self, parts: Iterable[object]) -> tuple[Partial, Account | None]:
        """Return what parts come to: rows in any order, customers any number of times.

        There is no account where none of the rows holds one.

        Raises
        ------
        DataError
            What is no part, or was made by another job.
        """
        import pyarrow as pa

        tables = [self._checked(arrow_table(part)) for part in parts]
        table = pa.concat_tables([*tables, self.schema.empty_table()])
        accounts = self._accounts(table.filter(table[ACCOUNT].is_valid()))
        total = self._grouped(table.filter(table[ACCOUNT].is_null()))
        return total, Account.total(accounts) if accounts else None

    def _checked(self, part: pa.Table) -> pa.Table:
        """Return a part in the types of its columns."""
        import pyarrow.compute as pc

        said = (part.schema.metadata or {}).get(_METADATA)
        if said is not None:
            self._compare(said)
        table = fitted(part, {one.name: one.type for one in self.schema})
        marked = pc.all(pc.equal(table[JOB], self.mark), min_count=0, skip_nulls=False)
        if marked.as_py() is not True:
            raise DataError("made by another job: another policy, moment or source", column=JOB)
        return table.replace_schema_metadata(self.schema.metadata)

    def _compare(self, said: bytes) -> None:
        """Refuse a part that says of itself that another job made it, and say what differs."""
        if said == _json(self.made_by):
            return
        try:
            theirs = _OBJECT.validate_json(said)
        except ValidationError:
            theirs = {}
        names = [name for name, ours in self.made_by.items() if theirs.get(name) != ours]
        message = f"made by another job, which differs in {', '.join(names) or 'its form'}"
        raise DataError(message, column=JOB)

    def _accounts(self, table: pa.Table) -> list[Account]:
        """Read the accounts in rows that hold nothing else."""
        import pyarrow as pa

        for name in (CUSTOMER, *self.figures):
            if table[name].null_count < len(table):
                raise DataError("an account beside other figures", column=name)
        texts = table[ACCOUNT].cast(pa.binary()).to_pylist()  # what is no text is found in there
        return [Account.from_json(text, self.source) for text in texts]

    def _grouped(self, table: pa.Table) -> Partial:
        """Bring the rows of each customer together."""
        codes, ids = code_ids(raw_columns(table)[CUSTOMER], CUSTOMER)
        missing = int(np.count_nonzero(codes < 0))
        if missing:
            raise DataError("figures without a customer", column=CUSTOMER, count=missing)
        figures: dict[Figure, Ints] = {}
        for name, figure in self.figures.items():
            column = table[name]
            if column.null_count and not figure.of.endswith("_high"):
                message = "a figure is missing: not as a part was made"
                raise DataError(message, column=name, count=column.null_count)
            figures[figure] = column.fill_null(0).to_numpy()
        for name, figure in self.figures.items():
            wrong = int(np.count_nonzero(impossible(figure, figures)))
            if wrong:
                raise DataError("a figure that no orders come to", column=name, count=wrong)
        return Partial.grouped(ids, codes, figures)


def _json(given: Mapping[str, object]) -> bytes:
    return json.dumps(given, sort_keys=True, separators=(",", ":")).encode()
