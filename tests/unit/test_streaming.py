"""Streams: what may be given, what is refused, the plan, partitions, and what is left behind."""

from __future__ import annotations

import errno
import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from streams import pa, same

import crmcore as crm
from crmcore import files
from crmcore.cli import main
from crmcore.errors import DataError
from crmcore.files import read_file
from crmcore.records.arrow import raw_columns
from crmcore.records.ids import Ids
from crmcore.streaming import batches, hashing, job, partitions
from crmcore.streaming.hashing import Hashes, hash_column, hash_ids, mixed
from crmcore.streaming.hashing import Key as HashKey
from crmcore.streaming.partitions import KEY, Partitions, pieces

AS_OF = date(2025, 6, 30)
SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
POLICY = crm.presets.load("classic")
HOLISTIC = crm.load_policy(
    'extends = "classic"\nname = "h"\n'
    '[facts]\ngap_median_days = { of = "sale", take = "median", field = "gap_days" }\n'
)


def shop(orders: int = 200, customers: int = 20) -> pa.Table:
    """A made-up shop without repeats; every tenth order is anonymous."""
    number = np.arange(orders)
    who = [None if n % 10 == 0 else f"C{n * 7 % customers}" for n in number.tolist()]
    return pa.table(
        {
            "order_id": number,
            "customer_id": pa.array(who, pa.string()),
            "placed_at": pa.array([f"2025-0{1 + n % 6}-1{n % 9} 10:00:00" for n in number]),
            "amount": pa.array([f"{n % 700}.{n % 10}0" for n in number]),
            "note": number,
        }
    )


def at_once(table: pa.Table, policy: crm.Policy = POLICY) -> tuple[crm.Evaluation, crm.OrderTable]:
    orders = crm.OrderTable.from_frame(table, SOURCE)
    return crm.evaluate(policy, orders, as_of=AS_OF), orders


def check(given: object, table: pa.Table, policy: crm.Policy = POLICY, **options: object) -> str:
    """Compare a stream with all rows at once; return how orders were brought together."""
    stream = crm.evaluate_batches(policy, given, SOURCE, as_of=AS_OF, **options)
    same(stream, *at_once(table, policy))
    return stream.plan.by_order


# What may be given


def test_iterables_and_callables() -> None:
    table = shop()
    parts = table.to_batches(max_chunksize=30)
    assert check(parts, table) == "if_repeated"
    assert check(lambda: iter(parts), table) == "if_repeated"
    assert check(iter(parts), table) == "yes"
    assert check(iter(parts), table, unique_orders=True) == "no"
    assert check((pa.Table.from_batches([one]) for one in parts), table) == "yes"


def test_a_single_frame_is_a_stream() -> None:
    table = shop()
    check(table, table)
    check(pa.RecordBatchReader.from_batches(table.schema, table.to_batches()), table)


def test_frames_of_other_packages() -> None:
    rows = table = shop()
    pandas = pytest.importorskip("pandas")
    check([table.to_pandas(), table.slice(0, 0).to_pandas(types_mapper=pandas.ArrowDtype)], table)
    polars = pytest.importorskip("polars")
    check([polars.from_arrow(table), polars.from_arrow(table.slice(0, 0)).lazy()], table)
    duckdb = pytest.importorskip("duckdb")
    check(duckdb.sql("select * from rows"), rows)


def test_batches_may_be_empty() -> None:
    table = shop()
    check([table.slice(0, 0), table, table.slice(0, 0)], table)
    check([table.slice(0, 0)], table.slice(0, 0))
    check([table.slice(0, 0)], table.slice(0, 0), HOLISTIC)


def test_forms_of_one_kind_go_together() -> None:
    table = shop()
    number = table["order_id"].cast(pa.int32())
    narrow = table.set_column(0, "order_id", number)
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())):
        name = table["customer_id"].cast(kind) if "dict" not in str(kind) else coded(table)
        other = narrow.set_column(1, "customer_id", name)
        whole = pa.concat_tables([table.slice(0, 90), table.slice(90)])
        check([table.slice(0, 90), other.slice(90)], whole)
        check([other.slice(0, 90), table.slice(90)], whole)


def coded(table: pa.Table) -> pa.Array:
    codes = table["customer_id"].combine_chunks().dictionary_encode()
    return pa.DictionaryArray.from_arrays(codes.indices.cast(pa.int8()), codes.dictionary)


def test_a_column_may_hold_nothing_in_a_batch() -> None:
    table = shop()
    nobody = table.set_column(1, "customer_id", pa.nulls(200)).slice(150)
    numbers = table.set_column(1, "customer_id", pa.nulls(200, pa.float64())).slice(150)
    strings = table.set_column(1, "customer_id", pa.nulls(200, pa.string())).slice(150)
    for kind in (nobody, numbers):
        for first, second in ((table.slice(0, 150), kind), (kind, table.slice(0, 150))):
            whole = [strings if one is kind else one for one in (first, second)]
            check([first, second, kind.slice(0, 0)], pa.concat_tables(whole))
            check(iter([first, second]), pa.concat_tables(whole), HOLISTIC, memory=3_000)


def test_a_column_that_holds_nothing_for_long_is_what_the_first_batch_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "_AHEAD", 0)
    table = shop()
    nobody = table.set_column(1, "customer_id", pa.nulls(200))
    found = refusal([nobody.slice(0, 100), table.slice(100)])
    assert str(found) == "string in batch 2, but null in batch 1 (column 'customer_id')"


@pytest.mark.parametrize("policy", [POLICY, HOLISTIC], ids=["merged", "whole"])
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "x.tsv", "x.parquet", "x.arrow", "x.arrows"])
def test_files(name: str, policy: crm.Policy, tmp_path: Path) -> None:
    table, path = shop(), tmp_path / name.replace("arrows", "feather")
    write(table, path, stream=name == "x.arrows")
    orders = crm.OrderTable.from_raw(read_file(path), SOURCE)
    stream = crm.evaluate_batches(policy, path, SOURCE, as_of=AS_OF, memory=4_000)
    same(stream, crm.evaluate(policy, orders, as_of=AS_OF), orders)
    assert stream.intake.unused == ("note",)


def write(table: pa.Table, path: Path, *, stream: bool = False) -> None:
    from pyarrow import csv, parquet

    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=50)
    elif path.suffix in {".arrow", ".feather"}:
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=40)
    else:
        sink = pa.BufferOutputStream()
        options = csv.WriteOptions(delimiter="\t" if ".tsv" in path.name else ",")
        csv.write_csv(table, sink, options)
        data = sink.getvalue().to_pybytes()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (["1", "2", "3", "4"], int),
        (["1", "2", "3", "x"], str),
        (["1", "2", "3", "04"], str),
        (["x", "2", "3", "4"], str),
        (["", "2", "", "4"], int),
    ],
)
def test_text_is_whole_numbers_over_the_whole_column(
    ids: list[str], kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_BLOCK_BYTES", 64)
    path = tmp_path / "x.csv"
    lines = [f"{10 + at},{one},2025-03-0{at + 1} 10:00:00,9.50" for at, one in enumerate(ids)]
    path.write_text("\n".join(["order_id,customer_id,placed_at,amount", *lines]) + "\n")
    orders = crm.OrderTable.from_raw(read_file(path), SOURCE)
    stream = crm.evaluate_batches(POLICY, path, SOURCE, as_of=AS_OF)
    same(stream, crm.evaluate(POLICY, orders, as_of=AS_OF), orders)
    assert {type(one) for one in stream.ids.tolist()} == {kind}


def test_files_of_polars(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    table = shop()
    for name in ("x.feather", "x.arrow", "x.parquet"):
        for rows in (table, pa.concat_tables([table, table.slice(3, 2)])):
            frame = polars.from_arrow(rows)
            write = frame.write_parquet if name.endswith("parquet") else frame.write_ipc
            write(tmp_path / name)
            for policy in (POLICY, HOLISTIC):
                check(tmp_path / name, rows, policy, memory=4_000)


def test_text_of_parquet_files_has_no_dictionary_of_a_whole_group(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    parquet.write_table(shop(), path, row_group_size=200)
    for batch in files.RowFile.of(path).batches():
        assert batch.schema.field("customer_id").type == pa.string()


def test_what_progress_raises_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    def broken(*now: object) -> None:
        raise BrokenPipeError

    for name in ("x.csv", "x.parquet", "x.arrow"):
        write(shop(), tmp_path / name)
        with pytest.raises(BrokenPipeError):
            crm.evaluate_batches(POLICY, tmp_path / name, SOURCE, as_of=AS_OF, progress=broken)


# How often the rows are read


def test_rows_are_read_again_only_when_an_order_repeats() -> None:
    table, readings = shop(), []
    repeated = pa.concat_tables([table, table.slice(3, 2)])

    def batches() -> Iterator[pa.RecordBatch]:
        readings.append(1)
        yield from repeated.to_batches(max_chunksize=50)

    for policy in (POLICY, HOLISTIC):
        readings.clear()
        assert check(batches, repeated, policy, memory=3_000) == "yes"
        assert len(readings) == 2
    repeated = table
    readings.clear()
    assert check(batches, repeated, memory=3_000) == "if_repeated"
    assert len(readings) == 1


class Once:
    """An iterable that goes on where it was."""

    def __init__(self, given: list[pa.Table]) -> None:
        self.given = iter(given)

    def __iter__(self) -> Iterator[pa.Table]:
        return self.given


@pytest.mark.parametrize("memory", [800, 1 << 29])
def test_batches_that_come_once_are_not_taken_for_ones_that_come_again(memory: int) -> None:
    table = shop()
    parts = [table.slice(0, 20), table.slice(3, 1), table.slice(20, 100), table.slice(120)]
    whole = pa.concat_tables(parts)
    assert check(Once(parts), whole, memory=memory) == "yes"
    assert check(lambda: parts, whole, memory=memory) == "yes"
    given = iter(parts)
    assert "give a callable that opens them anew" in str(refusal(lambda: given, memory=memory))


def test_a_second_reading_with_fewer_rows_is_refused() -> None:
    table = shop()
    given = iter([table, table.slice(3, 1), table.slice(0, 0)])
    found = refusal(lambda: (one for one in given), memory=1 << 20)
    assert "when they were first read, and then" in str(found)


def readings(*given: list[pa.Table]) -> Callable[[], Iterator[pa.Table]]:
    """A callable that gives something else each time."""
    left = iter(given)
    return lambda: iter(next(left))


def test_a_second_reading_with_more_rows_is_refused() -> None:
    table = shop()
    first = [table, table.slice(3, 1)]
    found = refusal(readings(first, [*first, table.slice(4, 1)]))
    assert "gave 201 rows when they were first read, and then 202; give a call" in str(found)


def test_a_second_reading_with_other_types_says_so() -> None:
    table = shop()
    numbers = table.set_column(3, "amount", pa.array(np.arange(200)))
    first = [table, table.slice(3, 1)]
    found = refusal(readings(first, [numbers, *first]))
    where = "batch 1 at the second reading"
    assert str(found) == f"int64 in {where}, but string in batch 1 (column 'amount')"
    found = refusal(readings(first, [table.drop_columns("amount")]))
    assert str(found) == f"{where} has no such column, as batch 1 (column 'amount')"


def test_generators_are_closed_when_a_batch_is_refused() -> None:
    closed = []

    def given() -> Iterator[pa.Table]:
        try:
            yield shop()
            yield shop().drop_columns("amount")
        finally:
            closed.append(True)

    kept = given()
    refusal(kept)
    assert closed == [True]


def test_the_memory_must_be_positive() -> None:
    for memory in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            crm.evaluate_batches(POLICY, [shop()], SOURCE, as_of=AS_OF, memory=memory)


def test_colliding_hashes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    zero = lambda given, key: np.zeros(len(given), np.uint64)  # noqa: E731
    monkeypatch.setattr(job, "hash_column", zero)
    monkeypatch.setattr(job, "hash_ids", zero)
    table = shop()
    assert check([table], table, memory=2_000) == "yes"
    check(iter([table]), table, HOLISTIC, memory=2_000)


def of_one_hash(count: int, key: HashKey) -> pa.Array:
    """UUIDs of one hash, as somebody makes them who knows the key."""
    last = np.arange(count, dtype=np.uint64)
    words = np.stack([-mixed(last, key.uuids), last], axis=1)
    storage = pa.array([one.tobytes() for one in words], pa.binary(16))
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


def test_ids_made_to_have_one_hash_are_divided_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    tables = partitions.Partitions.tables
    monkeypatch.setattr(
        partitions.Partitions,
        "tables",
        lambda parts, *told: (sizes.append(one.nbytes) or one for one in tables(parts, *told)),
    )
    key, table = HashKey.drawn(), shop(2_000, 200)
    table = table.set_column(0, "order_id", of_one_hash(2_000, key))
    assert len(set(hashes_of(table["order_id"], key).tolist())) == 1
    rows = table.to_batches(max_chunksize=100)
    assert check(rows, table, memory=160_000) == "if_repeated"  # and not taken for repeats
    assert check(iter(rows), table, memory=160_000) == "yes"
    assert max(sizes) <= 10_000
    # Somebody who knew the key of the run would have all rows in memory at once.
    monkeypatch.setattr(HashKey, "drawn", lambda: key)
    assert check(iter(rows), table, memory=160_000) == "yes"
    assert max(sizes) > 100_000


def test_one_customer_and_one_order_with_all_rows() -> None:
    table = shop(300, 1)
    check(iter(table.to_batches(max_chunksize=10)), table, HOLISTIC, memory=800)
    same_id = table.set_column(0, "order_id", pa.array(np.full(300, 7)))
    check(iter(same_id.to_batches(max_chunksize=10)), same_id, memory=800)


def test_returns_of_nobody_meet_the_orders_that_they_name() -> None:
    number = np.arange(120)
    table = pa.table(
        {
            "order_id": number,
            "customer_id": pa.nulls(120, pa.int64()),
            "placed_at": pa.array(["2025-03-01"] * 120),
            "amount": pa.array(["9.00"] * 60 + ["-9.00"] * 60),
            "returns_order_id": pa.array([None] * 60 + number[:60].tolist()),
        }
    )
    stream = crm.evaluate_batches(POLICY, [table], SOURCE, as_of=AS_OF, memory=1_000)
    same(stream, *at_once(table))
    assert stream.intake.notices == {"anonymous": 120}


# Refusals


def refusal(*given: object, source: crm.Source = SOURCE, **options: object) -> DataError:
    with pytest.raises(DataError) as refused:
        crm.evaluate_batches(POLICY, *given, source, as_of=AS_OF, **options)
    return refused.value


def test_columns_that_change_are_refused_by_batch() -> None:
    table = shop(20)
    numbers = table.set_column(3, "amount", pa.array(np.arange(20)))
    found = refusal([table, table, numbers])
    assert str(found) == "int64 in batch 3, but string in batch 1 (column 'amount')"
    found = refusal([table, table.drop_columns("amount")])
    assert str(found) == "batch 2 has no such column, as batch 1 (column 'amount')"
    found = refusal([table, table.append_column("more", table["note"])])
    assert str(found) == "batch 2 has it, and batch 1 has not (column 'more')"
    twice = table.append_column("amount", table["amount"])
    assert str(refusal([table, twice])) == "batch 2 has two columns of this name (column 'amount')"


def test_columns_that_nothing_reads_may_change() -> None:
    table = shop(20)
    text = table.set_column(4, "note", pa.array(["x"] * 20))
    check([table.slice(0, 9), text.slice(9)], table)


def test_columns_may_change_places() -> None:
    table = shop()
    check([table.slice(0, 9), table.select(table.column_names[::-1]).slice(9)], table)


def dollars(scale: int, start: int) -> pa.Table:
    amounts = pa.array(np.arange(start, start + 9)).cast(pa.decimal128(30, scale))
    return shop(9).set_column(3, "amount", amounts).set_column(0, "order_id", amounts.cast("int64"))


@pytest.mark.parametrize("scales", [(1, 2), (2, 1), (0, 2, 1)])
def test_decimals_may_have_different_scales(scales: tuple[int, ...]) -> None:
    parts = [dollars(scale, 10 * at) for at, scale in enumerate(scales)]
    wide = pa.decimal128(38, 2)
    whole = [one.set_column(3, "amount", one["amount"].cast(wide)) for one in parts]
    check(parts, pa.concat_tables(whole))
    check(iter(parts), pa.concat_tables(whole), HOLISTIC, memory=1_000)


def test_versions_of_different_scales_are_refused() -> None:
    parts = [one.append_column("version", one["amount"]) for one in (dollars(1, 0), dollars(2, 0))]
    assert str(refusal(parts)).endswith("or text (column 'version')")


@pytest.mark.parametrize("zone", [None, "Asia/Shanghai"])
@pytest.mark.parametrize("units", [("us", "ns"), ("ns", "s"), ("ms", "ns", "us")])
def test_times_may_have_different_units(units: tuple[str, ...], zone: str | None) -> None:
    # Finer than a microsecond they are rounded down, also before 1970.
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    parts, whole = [], []
    for at, unit in enumerate(units):
        values = np.array([-1, 10**9 * ticks[unit] + 1, -7 * ticks[unit] - 1])
        rows = shop(3).set_column(0, "order_id", pa.array(np.arange(3) + 3 * at))
        parts.append(rows.set_column(2, "placed_at", pa.array(values, pa.timestamp(unit, zone))))
        micros = values // 1000 if unit == "ns" else values * (10**6 // ticks[unit])
        whole.append(rows.set_column(2, "placed_at", pa.array(micros, pa.timestamp("us", zone))))
    check(parts, pa.concat_tables(whole))


def test_chunks_of_pandas_objects() -> None:
    pandas = pytest.importorskip("pandas")
    parts = []
    for at, amounts in enumerate((["1", "2.5"], ["3.25", "4"])):
        frame = shop(2).to_pandas()
        frame["order_id"] = [2 * at, 2 * at + 1]
        frame["amount"] = [Decimal(one) for one in amounts]
        frame["customer_id"] = [None, None] if at == 0 else ["C1", None]
        parts.append(frame)
    whole = pandas.concat(parts, ignore_index=True)
    stream = crm.evaluate_batches(POLICY, parts, SOURCE, as_of=AS_OF)
    orders = crm.OrderTable.from_frame(whole, SOURCE)
    same(stream, crm.evaluate(POLICY, orders, as_of=AS_OF), orders)
    assert isinstance(stream.to_frame(), pandas.DataFrame)


def test_what_is_no_stream_is_refused() -> None:
    assert "must return an iterable of frames" in str(refusal(lambda: None))
    assert str(refusal(lambda: shop(5))).endswith("and it returned: Table")
    assert "it returned: str" in str(refusal(lambda: "x.csv"))
    assert str(refusal([])) == "there is not one batch, so that nothing tells the columns"
    assert str(refusal(7)) == "no batches, and no file: int"
    assert str(refusal([shop(5), 7])).startswith("batch 2: not a frame")
    twice = pa.table([[1], [2]], ["a", "a"])
    assert str(refusal([twice])) == "two columns of this name (column 'a')"
    assert refusal([pa.table({"customer_id": [1]})]).column == "placed_at"


def test_a_batch_that_cannot_be_read() -> None:
    table = shop(20)

    def broken() -> Iterator[pa.RecordBatch]:
        yield table.to_batches()[0]
        raise pa.ArrowInvalid("secret 4711")

    reader = pa.RecordBatchReader.from_batches(table.schema, broken())
    assert str(refusal([table, reader])) == "batch 2: chunk 2 cannot be read (ArrowInvalid)"
    pandas = pytest.importorskip("pandas")
    mixed = pandas.DataFrame({"customer_id": [1, "a"]})
    message = "batch 1: values of several types, or of one that Arrow does not have"
    assert str(refusal([mixed])) == f"{message} (column 'customer_id')"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "FileNotFoundError" in str(refusal(tmp_path / "x.csv"))
    path = tmp_path / "x.csv"
    path.write_text("customer_id,placed_at,amount\n1,2025-03-01,9\n2,2025-03-01\n")
    assert "more or fewer fields" in str(refusal(path))


def test_numbers_beyond_64_bits_are_refused() -> None:
    table = shop(4)
    large = pa.array([2**63, 1, 2, 3], pa.uint64())
    assert "beyond 64 bits" in str(refusal([table, table.set_column(0, "order_id", large)]))


def test_times_that_no_common_unit_holds_are_refused_by_batch_and_column() -> None:
    parts = [
        shop(1).set_column(2, "placed_at", pa.array([ticks], pa.timestamp(unit, "UTC")))
        for ticks, unit in ((10**18, "ns"), (10**14, "s"))
    ]
    found = refusal(parts)
    assert found.column == "placed_at"
    assert "batch 2: timestamp[s, tz=UTC] with values that timestamp[us, tz=UTC]" in str(found)


def test_refusals_of_the_policy() -> None:
    table = shop(20)
    linked = table.set_column(3, "amount", pa.array(["-1.00"] * 20))
    strict = crm.load_policy('extends = "classic"\nname = "s"\nreturns = "refuse"\n')
    with pytest.raises(DataError, match="refuses returns"):
        crm.evaluate_batches(strict, [linked], SOURCE, as_of=AS_OF)
    other = SOURCE.model_copy(
        update={"currency": crm.Source(currency={"code": "EUR", "exponent": 2}).currency}
    )
    assert refusal([table], source=other).column == "currency"


def test_sums_beyond_64_bits_are_refused_also_across_batches() -> None:
    half = pa.table(
        {
            "customer_id": ["C1"],
            "placed_at": ["2025-03-01"],
            "amount": ["50000000000000000.00"],
        }
    )
    with pytest.raises(DataError, match="beyond 64 bits"):
        crm.evaluate_batches(POLICY, [half, half], SOURCE, as_of=AS_OF, memory=1)


# Nothing is left behind


@pytest.mark.parametrize("policy", [POLICY, HOLISTIC], ids=["merged", "whole"])
def test_nothing_is_left_behind(policy: crm.Policy, tmp_path: Path) -> None:
    table = shop()
    check(iter(table.to_batches(max_chunksize=9)), table, policy, memory=900, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
@pytest.mark.parametrize("phase", ["reading", "by order", "by customer"])
def test_nothing_is_left_behind_by_an_interruption(
    phase: str, failure: type[BaseException], tmp_path: Path
) -> None:
    def stop(done: int, total: int | None, now: str) -> None:
        if now == phase:
            assert list(tmp_path.iterdir())  # there is something to leave behind
            raise failure

    batches = iter(shop().to_batches(max_chunksize=9))
    with pytest.raises(failure):
        crm.evaluate_batches(
            HOLISTIC, batches, SOURCE, as_of=AS_OF, memory=900, folder=tmp_path, progress=stop
        )
    assert list(tmp_path.iterdir()) == []


def test_mistakes_of_the_host_are_passed_on(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.Table]:
        yield shop(20)
        raise LookupError("connection lost")

    with pytest.raises(LookupError, match="connection lost"):
        crm.evaluate_batches(POLICY, broken(), SOURCE, as_of=AS_OF, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("policy", [POLICY, HOLISTIC], ids=["merged", "whole"])
def test_a_disk_that_takes_no_rows(
    policy: crm.Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, f"writing to {tmp_path}")

    assert str(refusal([shop()], folder=tmp_path / "none")).startswith(
        "rows cannot be kept on disk"
    )
    monkeypatch.setattr(partitions._File, "write", full)
    with pytest.raises(DataError) as refused:
        crm.evaluate_batches(policy, [shop()], SOURCE, as_of=AS_OF, folder=tmp_path)
    why = "No space left on device"
    advice = "give folder=, or TMPDIR on the command line"
    assert str(refused.value) == f"rows cannot be kept on disk ({why}): {advice}"
    assert list(tmp_path.iterdir()) == []


def test_what_the_batches_raise_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.Table]:
        yield shop()
        raise OSError(errno.ENOSPC, "theirs")

    with pytest.raises(OSError, match="theirs"):
        crm.evaluate_batches(POLICY, broken(), SOURCE, as_of=AS_OF, folder=tmp_path)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="open files cannot be counted")
def test_at_most_128_files_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    place = partitions._place
    monkeypatch.setattr(
        partitions,
        "_place",
        lambda keys, level: (counts.append(len(os.listdir("/dev/fd"))), place(keys, level))[1],
    )
    before, table = len(os.listdir("/dev/fd")), shop(3000, 2000)
    for given in ([table], iter(table.to_batches(max_chunksize=500))):
        crm.evaluate_batches(HOLISTIC, given, SOURCE, as_of=AS_OF, memory=16_000)
    assert 64 < max(counts) - before <= 130  # also what is read, and the folder that is listed


@pytest.mark.skipif(os.name == "nt", reason="processes are ended otherwise")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_command_that_is_ended_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    write(shop(), tmp_path / "orders.csv")
    call = ["score", str(tmp_path / "orders.csv"), "--policy", "classic", "--stream"]
    number, kept = signal.Signals[name], tmp_path / "kept"
    kept.mkdir()
    code = (
        "import os, signal, sys, crmcore.streaming.job as job\n"
        "from crmcore.cli import main\n"
        f"signal.signal({int(number)}, signal.SIG_DFL)\n"  # whoever runs the tests may ignore it
        f"job.hash_column = lambda raw, key: (print(*os.listdir({str(kept)!r})),"
        f" os.kill(os.getpid(), {int(number)}))\n"
        f"sys.exit(main({[*call, '--as-of', '2025-06-30']!r}))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(kept)},
    )
    assert ended.returncode == 128 + number, ended.stderr
    assert ended.stdout.startswith("crmcore-")
    assert list(kept.iterdir()) == []


# Progress, plan, explanations


def test_progress(tmp_path: Path) -> None:
    told: list[tuple[int, int | None, str]] = []
    batches = iter(shop().to_batches(max_chunksize=20))
    crm.evaluate_batches(
        HOLISTIC,
        batches,
        SOURCE,
        as_of=AS_OF,
        memory=2_000,
        progress=lambda *now: told.append(now),
    )
    phases = list(dict.fromkeys(phase for _, _, phase in told))
    assert phases == ["reading", "by order", "by customer"]
    for phase in phases:
        done = [one for one, _, now in told if now == phase]
        assert done[-1] == 200
        assert all(before < after for before, after in pairwise(done))
    assert {total for _, total, phase in told if phase == "reading"} == {None}
    path = tmp_path / "x.csv"
    write(shop(), path)
    told.clear()
    crm.evaluate_batches(POLICY, path, SOURCE, as_of=AS_OF, progress=lambda *now: told.append(now))
    assert told[-1] == (path.stat().st_size, path.stat().st_size, "reading")
    assert told[0][2] == "looking for whole numbers"


@pytest.mark.parametrize(
    ("columns", "options", "expected"),
    [
        ((), {}, ("no", False)),
        (("order_id",), {}, ("if_repeated", False)),
        (("order_id",), {"read_twice": False}, ("yes", False)),
        (("order_id",), {"unique_orders": True}, ("no", False)),
        (("order_id", "version"), {}, ("yes", False)),
        (("order_id", "version"), {"unique_orders": True}, ("no", False)),
        (("order_id", "returns_order_id"), {}, ("if_repeated", True)),
    ],
)
def test_plans(columns: tuple[str, ...], options: dict[str, bool], expected: object) -> None:
    plan = crm.stream_plan(POLICY, columns, SOURCE, **options)
    assert (plan.by_order, plan.by_customer) == expected
    assert len(str(plan).splitlines()) == 3


def test_plans_for_lines_holistic_facts_and_what_was_known() -> None:
    lines = crm.Source(currency=SOURCE.currency, rows="lines")
    assert crm.stream_plan(POLICY, ["order_id"], lines, unique_orders=True).by_order == "yes"
    plan = crm.stream_plan(HOLISTIC, ["order_id"], SOURCE)
    assert plan.by_customer
    assert "gap_median_days" in str(plan)
    held = crm.load_policy(
        'extends = "classic"\nname = "k"\n[evaluation]\nevery = "1 year"\nanchor = 2024-01-01\n'
    )
    assert crm.stream_plan(held, ["known_at"], SOURCE).by_customer
    renamed = SOURCE.model_copy(update={"columns": type(SOURCE.columns)(order_id="Invoice")})
    assert crm.stream_plan(POLICY, ["Invoice"], renamed).by_order == "if_repeated"
    none = SOURCE.model_copy(update={"columns": type(SOURCE.columns)(order_id=False)})
    assert crm.stream_plan(POLICY, ["order_id"], none).by_order == "no"


def test_the_result_explains_as_facts_do() -> None:
    stream = crm.evaluate_batches(POLICY, [shop()], SOURCE, as_of=AS_OF)
    assert stream.orders is None
    given = crm.evaluate_facts(POLICY, stream.facts, as_of=AS_OF)
    assert str(stream.explain("C1")) == str(given.explain("C1"))


# Partitions


def keyed(keys: list[int]) -> pa.Table:
    return pa.table({KEY: pa.array(keys, pa.uint64()), "row": np.arange(len(keys))})


def test_partitions_bring_rows_together_and_keep_their_order(tmp_path: Path) -> None:
    keys = np.random.default_rng(3).integers(0, 2**63, 50).repeat(6)
    np.random.default_rng(4).shuffle(keys)
    with Partitions(tmp_path, 400) as parts:
        for start in range(0, 300, 70):
            parts.add(keyed(keys.tolist()).slice(start, 70))
        assert parts.rows == 300
        tables = list(parts.tables())
    seen: dict[int, int] = {}
    for at, table in enumerate(tables):
        rows: dict[int, int] = {}
        for key, row in zip(table[KEY].to_pylist(), table["row"].to_pylist(), strict=True):
            assert seen.setdefault(key, at) == at
            assert rows.get(key, -1) < row
            rows[key] = row
    assert sum(table.num_rows for table in tables) == 300
    assert all(table.nbytes <= 400 for table in tables)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_rows_of_one_key_are_not_divided(tmp_path: Path) -> None:
    with Partitions(tmp_path, 10) as parts:
        parts.add(keyed([5] * 100 + [2**64 - 1]))
        assert sorted(table.num_rows for table in parts.tables()) == [1, 100]


def test_keys_that_differ_in_the_last_bits_only(tmp_path: Path) -> None:
    with Partitions(tmp_path, 1) as parts:
        parts.add(keyed([0, 1, 2, 3, 0]))
        assert sorted(table.num_rows for table in parts.tables()) == [1, 1, 1, 2]


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    new = pa.ipc.new_stream
    monkeypatch.setattr(pa.ipc, "new_stream", lambda *a: opened.append("") or new(*a))
    keys = np.random.default_rng(5).integers(0, 2**63, 3000).astype(np.uint64) * 2
    with Partitions(tmp_path, 1 << 20) as parts:
        parts.add(keyed(keys.tolist()))
        assert len(opened) == 1 << partitions._BITS
        assert len(list(parts.tables())) == 1  # small ones are read together


def test_pieces_are_joined_and_cut() -> None:
    table = pa.table({"x": np.arange(1000)})
    sizes = [one.num_rows for one in pieces(table.to_batches(max_chunksize=3), 800)]
    assert sizes == [100] * 10
    assert [one.num_rows for one in pieces([table], 1_600)] == [200] * 5
    assert [one.num_rows for one in pieces([table], 1)] == [1] * 1000
    assert list(pieces([table.slice(0, 0)], 100)) == []


# Hashes


def hashes_of(column: pa.Array, key: HashKey) -> Hashes:
    return hash_column(raw_columns(pa.table({"x": column}))["x"], key)


def test_each_key_that_is_drawn_is_another() -> None:
    keys = {HashKey.drawn() for _ in range(100)}
    assert len(keys) == 100
    assert len({seed for key in keys for seed in key}) == 300


def test_equal_ids_have_equal_hashes_whatever_holds_them() -> None:
    key = HashKey.drawn()
    words = ["a", "bc", "12345678", "123456789", "Zoë", "x" * 40, "y" * 16]
    words += ["z" * length for length in (319, 320, 5_000)]
    text = pa.array(words)
    forms = {
        "plain": text,
        "large": text.cast(pa.large_string()),
        "coded": text.dictionary_encode(),
        "sliced": pa.array(["zzz", *words]).slice(1),
    }
    found = {name: hashes_of(one, key) for name, one in forms.items()}
    expected = hash_ids(Ids.of(words), key)[np.argsort(np.argsort(words))]
    for name, hashes in found.items():
        assert hashes.tolist() == expected.tolist(), name
    numbers = np.array([0, 1, -1, 2**53 - 1])
    for array in (numbers, numbers.astype(float)):
        hashes = hashes_of(array, key)
        assert sorted(hashes.tolist()) == sorted(hash_ids(Ids.of(numbers.tolist()), key).tolist())
    uuids = [UUID(int=value) for value in (1, 2**64, 2**127)]
    column = pa.array([one.bytes for one in uuids], pa.binary(16)).cast(pa.uuid())
    assert hashes_of(column, key).tolist() == hash_ids(Ids.of(uuids), key).tolist()


def test_different_ids_have_different_hashes() -> None:
    numbers, texts = range(-5000, 5000), [f"{a}{'x' * b}" for a in range(500) for b in range(20)]
    ids = Ids.of([*numbers, *texts, *(UUID(int=one) for one in range(5000))])
    hashes = hash_ids(ids, HashKey(*np.arange(3, dtype=np.uint64)))
    assert len(set(hashes.tolist())) == len(ids)
    spread = np.bincount((hashes >> np.uint64(58)).astype(int), minlength=64)
    assert spread.min() > 0.7 * spread.mean()


LENGTHS = [0, 1, 7, 8, 9, 36, 312, 319, 320, 321, 328, 600, 5_000]


def test_the_hash_of_a_text_does_not_depend_on_the_texts_beside_it() -> None:
    key = HashKey.drawn()
    column = pa.array([chr(97 + at) * length for at, length in enumerate(LENGTHS)])
    hashes = hashes_of(column, key).tolist()
    assert hashes_of(column[::-1], key).tolist() == hashes[::-1]
    assert [hashes_of(column.slice(at, 1), key)[0] for at in range(len(column))] == hashes
    longer = pa.concat_arrays([pa.array(["b" * 100_000]), column, pa.array(["c" * 100_000])])
    assert hashes_of(longer, key).tolist()[1:-1] == hashes


def test_texts_that_differ_in_little_have_different_hashes() -> None:
    texts = ["\0" * length for length in range(700)]
    for length in filter(None, LENGTHS):
        long = "a" * (length - 1)
        texts += [f"{long}b", f"{long}c", f"b{long}\0", f"b{long}\0\0", f"\0{long}b"]
    hashes = hashes_of(pa.array(texts), HashKey.drawn())
    assert len(set(hashes.tolist())) == len(set(texts)) == len(texts)


def test_the_hash_of_a_text_depends_on_the_key() -> None:
    column = pa.array(["a" * length for length in LENGTHS])
    one, other = (hashes_of(column, HashKey.drawn()) for _ in range(2))
    assert not (one == other).any()


def test_one_long_text_takes_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[int] = []

    def counted(values: Hashes, seed: Hashes) -> Hashes:
        steps[-1] += 1
        return mixed(values, seed)

    monkeypatch.setattr(hashing, "mixed", counted)
    for length in (8, 300, 1_000, 1_000_000):
        steps.append(0)
        hashes_of(pa.array(["a" * length, "b"]), HashKey.drawn())
    assert max(steps) < 100, steps


# The command


def test_the_command_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "orders.csv"
    write(pa.concat_tables([shop(), shop().slice(4, 3)]), path)
    call = ["score", str(path), "--policy", "classic", "--as-of", "2025-06-30"]
    for more in ([], ["--format", "csv"], ["--strict"]):
        assert main([*call, *more]) == 0
        at_once = capsys.readouterr()
        assert main([*call, *more, "--stream"]) == 0
        assert capsys.readouterr() == at_once


def test_the_command_reads_large_files_in_batches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orders.csv"
    write(shop(), path)
    call = ["score", str(path), "--policy", "classic", "--as-of", "2025-06-30", "--explain-plan"]
    assert main(call) == 0
    assert "into memory, all together" in capsys.readouterr().out
    monkeypatch.setattr("crmcore.cli.score._LARGE", path.stat().st_size)
    assert main(call) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("orders.csv is read in batches")
    assert lines[1].startswith("1. read all rows once")
    monkeypatch.setattr("crmcore.cli.score.read_orders", None)
    assert main(call[:-1]) == 0


def test_the_command_names_the_file_that_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("customer_id,placed_at\n1,2025-03-01\n")
    call = ["score", str(path), "--policy", "classic", "--as-of", "2025-06-30", "--stream"]
    assert main(call) == 4
    assert f"crmcore: {path}: no column 'amount'" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "no.csv"), *call[2:]]) == 4
    assert "no.csv: no such file" in capsys.readouterr().err


def test_level_of_the_partitions_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[int] = []
    place = partitions._place
    monkeypatch.setattr(
        partitions, "_place", lambda keys, level: (levels.append(level), place(keys, level))[1]
    )
    table = shop(2000, 300)
    check(iter(table.to_batches(max_chunksize=100)), table, HOLISTIC, memory=4_000)
    assert {0, 1} <= set(levels)


def test_batches_that_have_gone_at_the_second_reading_are_noticed() -> None:
    table = shop()
    repeated = pa.concat_tables([table, table[:1]])
    reader = repeated.to_reader()
    with pytest.raises(DataError, match="rows when they were first read, and then 0; give a call"):
        crm.evaluate_batches(POLICY, lambda: [reader], SOURCE, as_of=AS_OF)
    result = crm.evaluate_batches(POLICY, [repeated.to_reader()], SOURCE, as_of=AS_OF)
    assert result.intake.rows == len(repeated)
