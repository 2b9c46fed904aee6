"""Frames and files: in as raw columns, out as tables."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from frame_kinds import Stream, na, nw, objects, pd, pl
from hypothesis import given
from hypothesis import strategies as st

import crmcore as crm
from crmcore.columns import Column
from crmcore.errors import DataError, MissingExtraError
from crmcore.files import read_file
from crmcore.frames import to_frame, write_file
from crmcore.records.arrow import raw_columns
from crmcore.records.ids import Id, Ids, code_ids
from crmcore.records.raw import Raw
from crmcore.texts import Texts

pa = pytest.importorskip("pyarrow")

SOME_ID = UUID("12345678-1234-5678-1234-567812345678")
IDS = Ids.of([7, 8, 9])


def column(values: object, kind: object = None) -> Raw:
    array = values if isinstance(values, pa.ChunkedArray) else pa.array(values, kind)
    return raw_columns(pa.table({"x": array}))["x"]


# Arrow


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_integers(kind: str) -> None:
    raw = column([1, None, 3], kind)
    assert (raw.kind, objects(raw)) == ("int", [1, None, 3])


def test_integers_beyond_64_bits() -> None:
    with pytest.raises(DataError, match="beyond 64 bits"):
        column([2**63], pa.uint64())


def test_floats_and_truth_values() -> None:
    raw = column([1.5, None, float("nan"), float("inf")])
    assert objects(raw)[:3] == [1.5, None, None]
    assert raw.invalid.tolist() == [False, False, False, True]
    assert objects(column([1.5, None], pa.float32())) == [1.5, None]
    assert objects(column([True, None, False])) == [True, None, False]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_text(kind: pa.DataType) -> None:
    values = ["b", None, "", "Zoë", "b" * 20]
    raw = column(values, kind)
    assert (raw.kind, objects(raw)) == ("text", ["b", None, None, "Zoë", "b" * 20])
    coded = raw.coded()
    assert (coded.kind, objects(coded)) == ("coded", objects(raw))
    assert coded.categories.tolist() == ["Zoë", "b", "b" * 20]
    chunks = pa.chunked_array([pa.array(values, kind)[1:4], pa.array([], kind), values[:1]], kind)
    assert objects(column(chunks)) == [None, None, "Zoë", "b"]
    assert objects(column(chunks[:0])) == []


def test_text_is_shared() -> None:
    given = pa.array(["a", "bc", "", "d"])[1:]
    texts = column(given).texts
    assert texts.data.__array_interface__["data"][0] == given.buffers()[2].address
    assert texts.offsets.__array_interface__["data"][0] == given.buffers()[1].address + 4


def test_what_stands_behind_a_null_is_nothing() -> None:
    given = pa.array(["a", "hidden", "b"])
    nulls = pa.array([True, False, True]).buffers()[1]
    given = pa.Array.from_buffers(pa.string(), 3, [nulls, *given.buffers()[1:]])
    raw = column(given)
    assert objects(raw) == ["a", None, "b"]
    assert raw.coded().categories.tolist() == ["a", "b"]
    assert code_ids(raw)[1].tolist() == ["a", "b"]


def test_dictionaries() -> None:
    chunks = [pa.array(["a", None]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode()]
    raw = column(pa.chunked_array(chunks))
    assert objects(raw) == ["a", None, "b", "a"]
    assert len(raw.categories) == 2
    narrow = pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.uint8()), pa.array([7, 8]))
    raw = column(narrow)
    assert (raw.values.dtype, objects(raw)) == (np.uint8, [8, 7])
    assert raw.values.__array_interface__["data"][0] == narrow.indices.buffers()[1].address
    holes = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))
    assert objects(column(holes)) == ["a", None]
    twice = pa.DictionaryArray.from_arrays([2, 1, 0, 3], ["b", "a", "b", ""])
    raw = column(twice)
    assert objects(raw) == ["b", "a", "b", None]
    assert raw.values[0] == raw.values[2]


NUMBERS = (pa.int8(), pa.int64(), pa.uint64())
TEXTS = (pa.string(), pa.large_string(), pa.string_view())


@pytest.mark.parametrize("kind", [*NUMBERS, *TEXTS], ids=str)
@pytest.mark.parametrize("code", [pa.int8(), pa.uint32(), pa.int64()], ids=str)
def test_dictionaries_with_a_null_among_their_values(kind: pa.DataType, code: pa.DataType) -> None:
    """What is coded to a null is missing, in each chunk and in one alone."""
    seven, nine = ("7", "9") if kind in TEXTS else (7, 9)

    def coded(values: list, codes: list) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(codes, code), pa.array(values, kind))

    first, second = coded([seven, None], [0, 1, None, 0]), coded([nine, seven], [0, 1, 0])
    nothing = coded([None], [0])
    for chunks, expected in (
        ([first, second, nothing], [seven, None, None, seven, nine, seven, nine, None]),
        ([second, first[1:]], [nine, seven, nine, None, None, seven]),
        ([first[1:2], first[:0], first[3:]], [None, seven]),
        ([coded([None, None, nine], [1, 2, 0])], [None, nine, None]),
        ([nothing, nothing], [None, None]),
    ):
        whole = pa.table({"x": pa.chunked_array(chunks)})
        assert objects(raw_columns(whole)["x"]) == expected
        if kind in NUMBERS:
            continue
        numbers = [None if text is None else int(text) for text in expected]
        found = objects(raw_columns(whole, text_numbers=True)["x"])
        assert found == (numbers if any(numbers) else expected)


@pytest.mark.parametrize("code", [pa.int8(), pa.uint8(), pa.int16(), pa.uint32()], ids=str)
@pytest.mark.parametrize("kind", [*NUMBERS[1:], *TEXTS], ids=str)
def test_codes_may_be_narrower_than_all_chunks_need(code: pa.DataType, kind: pa.DataType) -> None:
    """A hundred values a chunk fit into eight bits, those of three chunks do not."""
    plain = pa.chunked_array(
        [pa.array(range(100 * at, 100 * at + 100)).cast(kind) for at in (1, 2, 3)]
    )
    order = pa.array([*range(99, -1, -1), None], code)
    coded = pa.chunked_array(
        [pa.DictionaryArray.from_arrays(order, chunk) for chunk in plain.chunks]
    )
    wanted = [one for chunk in plain.chunks for one in [*chunk.to_pylist()[::-1], None]]
    assert objects(column(coded)) == wanted
    assert objects(column(coded[250:])) == wanted[250:]
    assert len(column(coded).categories) == 300


def test_orders_in_narrow_codes_are_those_in_plain_text() -> None:
    words = {f"word {row}": ("cancelled", "paid")[row % 2] for row in range(600)}
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2}, status={"map": words})

    def month(at: int, kind: pa.DataType) -> Any:
        rows = range(200 * at, 200 * at + 200)
        columns = {
            "customer_id": pa.array([f"C{row}" for row in rows]).cast(kind),
            "status": pa.array([f"word {row}" for row in rows]).cast(kind),
            "placed_at": [date(2025, 3, 1)] * 200,
            "amount": ["1.00"] * 200,
        }
        return pa.table({"order_id": rows, **columns})

    found = []
    for kind in (pa.string(), pa.dictionary(pa.uint8(), pa.string())):
        months = pa.concat_tables([month(at, kind) for at in range(3)])
        orders = crm.OrderTable.from_frame(months, source)
        result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 4, 1))
        found.append(result.to_frame().to_pylist())  # type: ignore[attr-defined]
    assert found[0] == found[1]
    assert sum(one["sale_count"] for one in found[0]) == 300


def test_dictionaries_of_other_types() -> None:
    days = pa.DictionaryArray.from_arrays([1, None, 0], pa.array([1, None], pa.date32()))
    raw = column(pa.chunked_array([days, days[:1]]))
    assert (raw.kind, objects(raw)) == ("date", [None, None, 1, None])
    exact = pa.DictionaryArray.from_arrays([0, None], pa.array([Decimal("1.50")]))
    assert objects(column(exact)) == [Decimal("1.5"), None]
    ids = pa.DictionaryArray.from_arrays([0, None], pa.array([SOME_ID.bytes], pa.uuid()))
    assert (column(ids).kind, objects(column(ids))) == ("uuid", [SOME_ID, None])


def test_truth_values_of_eight_bits() -> None:
    given = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, None, 1, -1], pa.int8()))
    raw = column(given)
    assert (raw.kind, objects(raw)) == ("bool", [False, None, True, True])


def test_uuids() -> None:
    other = UUID(int=1)
    raw = column([SOME_ID.bytes, None, SOME_ID.bytes, other.bytes], pa.uuid())
    assert (raw.kind, objects(raw)) == ("uuid", [SOME_ID, None, SOME_ID, other])
    assert (raw.coded().kind, objects(raw.coded())) == ("coded", objects(raw))
    codes, ids = code_ids(raw)
    assert (codes.tolist(), ids.tolist()) == ([1, -1, 1, 0], [other, SOME_ID])
    given = pa.array([other.bytes, SOME_ID.bytes, None], pa.uuid())
    assert objects(column(pa.chunked_array([given[1:], given[:1]]))) == [SOME_ID, None, other]
    assert objects(column(given[1:])) == [SOME_ID, None]
    assert objects(column([], pa.uuid())) == []


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "UTC", "America/New_York"])
def test_times(unit: str, tz: str | None) -> None:
    raw = column(pa.array([7, None, -7], pa.int64()).cast(pa.timestamp(unit, tz=tz)))
    scale = {"s": 10**6, "ms": 1000, "us": 1}.get(unit)
    expected = [7 * scale, None, -7 * scale] if scale else [0, None, -1]  # rounded down
    assert (raw.kind, raw.aware, objects(raw)) == ("time", tz is not None, expected)


def test_dates() -> None:
    for kind in (pa.date32(), pa.date64()):
        raw = column([date(1970, 1, 3), None], kind)
        assert (raw.kind, objects(raw)) == ("date", [2, None])


@pytest.mark.parametrize("precision", [(9, 2), (18, 2), (38, 2), (38, 18), (38, 0), (60, 20)])
def test_decimals_of_any_width(precision: tuple[int, int]) -> None:
    digits, scale = precision
    kind = pa.decimal128(*precision) if digits <= 38 else pa.decimal256(*precision)
    values = [Decimal(7), None, Decimal(-7), Decimal(1).scaleb(-scale)]
    chunked = pa.chunked_array([pa.array(values[:2], kind), pa.array(values[2:], kind)])
    assert objects(column(chunked)) == values
    assert objects(column(chunked.slice(1, 2))) == values[1:3]


def test_decimals_beyond_64_bits_stay_exact() -> None:
    values = [Decimal(2**63), None, Decimal(-(2**63) - 1), Decimal(1)]
    assert objects(column(values, pa.decimal128(38, 2))) == values
    assert objects(column([None], pa.decimal256(50, 2))) == [None]
    edges = [Decimal(2**63 - 1), Decimal(-(2**63)), None]
    assert column(edges, pa.decimal128(38, 0)).kind == "int"
    assert objects(column(edges, pa.decimal128(38, 0))) == edges


@given(st.lists(st.none() | st.integers(-(10**18), 10**18)), st.integers(0, 18))
def test_decimals_agree_with_arrow(values: list[int | None], scale: int) -> None:
    exact = [None if one is None else Decimal(one).scaleb(-scale) for one in values]
    assert objects(column(exact, pa.decimal128(38, scale))) == exact


def test_other_types_are_refused_only_when_asked_for() -> None:
    table = pa.table(
        {"a": [1], "b": [[1]], "c": [b"x"], "d": pa.array([1], pa.time64("us")), "e": [None]}
    )
    columns = raw_columns(table)
    assert (list(columns), len(columns), "b" in columns) == (list("abcde"), 5, True)
    assert objects(columns["a"]) == [1]
    assert objects(columns["e"]) == [None]
    for name in "bcd":
        with pytest.raises(DataError, match="cannot be read"):
            columns[name]


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.dictionary(pa.int8(), one) for one in (*TEXTS, pa.int64(), pa.date32())),
        *(*TEXTS, pa.uuid(), pa.bool8(), pa.date64(), pa.decimal128(9, 2), pa.null()),
    ],
    ids=str,
)
def test_columns_without_chunks(kind: pa.DataType) -> None:
    assert objects(column(pa.chunked_array([], kind))) == []


def test_buffers_may_be_longer_than_their_rows_need() -> None:
    def padded(kind: pa.DataType, rows: Any, extra: int, *more: bytes) -> Any:
        buffers = [np.asarray(rows).tobytes() + b"\1" * extra, *more]
        return pa.Array.from_buffers(kind, 2, [None, *map(pa.py_buffer, buffers)])

    exact = padded(pa.decimal128(9, 2), [150, 0, -7, -1], 8)
    assert objects(column(exact)) == [Decimal("1.5"), Decimal("-0.07")]
    assert objects(column(exact[1:])) == [Decimal("-0.07")]
    for kind, width in ((pa.string(), np.int32), (pa.large_string(), np.int64)):
        text = padded(kind, np.array([0, 1, 3], width), 2, b"abc")
        assert objects(column(text)) == ["a", "bc"]
        assert objects(column(text[1:])) == ["bc"]
    ids = padded(pa.binary(16), np.frombuffer(2 * SOME_ID.bytes, np.uint8), 7)
    assert objects(column(pa.ExtensionArray.from_storage(pa.uuid(), ids)[1:])) == [SOME_ID]


SECRET_DAY = pa.array([1_728_000_000_005, 0]).view(pa.date64())
BROKEN = {
    "time of day": (SECRET_DAY, r"date64\[ms\] with values that date32\[day\] does not hold"),
    "time of day, coded": (
        pa.DictionaryArray.from_arrays([0, 1], SECRET_DAY),
        r"date64\[ms\] with values that date32\[day\] does not hold",
    ),
    "beyond all days": (
        pa.array([4711 * 10**9 * 86_400_000 // 10**6 * 10**3, 0]).view(pa.date64()),
        r"date64\[ms\] with values that date32\[day\] does not hold",
    ),
    "offsets": (
        pa.Array.from_buffers(
            pa.string(),
            2,
            [None, pa.py_buffer(np.array([0, 4711, 2], np.int32)), pa.py_buffer(b"ab")],
        ),
        "string with values that cannot be read",
    ),
    "codes in two chunks": (
        pa.chunked_array(
            [
                pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), ["a", "b"]),
                pa.DictionaryArray.from_arrays(pa.array([4711], pa.int32()), ["b"], safe=False),
            ]
        ),
        "dictionary<.*> with values that cannot be read",
    ),
    "codes of dates": (
        pa.DictionaryArray.from_arrays(
            pa.array([0, 4711], pa.int32()), pa.array([1], pa.date32()), safe=False
        ),
        "dictionary<.*> with values that cannot be read",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_values_that_cannot_be_read_are_refused_without_being_told(case: str) -> None:
    values, message = BROKEN[case]
    with pytest.raises(DataError, match=rf"^{message} \(column 'x'\)$") as caught:
        column(pa.chunked_array([values]) if isinstance(values, pa.Array) else values)
    assert caught.value.column == "x"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_days_with_a_time_are_refused_alike_wherever_they_come_from() -> None:
    rows = {"customer_id": [1, 2], "amount_minor": [100, 200], "placed_at": SECRET_DAY}
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})
    table, policy, day = pa.table(rows), crm.presets.load("classic"), date(2025, 4, 1)
    message = r"date64\[ms\] with values that date32\[day\] does not hold"
    for read in (
        lambda: crm.OrderTable.from_frame(table, source),
        lambda: crm.OrderTable.from_frame(table.to_pandas(types_mapper=pd.ArrowDtype), source),
        lambda: crm.evaluate_batches(policy, [table], source, as_of=day),
    ):
        with pytest.raises(DataError, match=rf"{message} \(column 'placed_at'\)$"):
            read()


def test_memory_that_is_not_there_is_no_matter_of_the_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 4711 failed")

    monkeypatch.setattr("crmcore.records.arrow._with_nulls", full)
    with pytest.raises(MemoryError, match="malloc"):
        column([1])


def test_two_columns_of_one_name() -> None:
    table = pa.table([[1], [2]], names=["x", "x"])
    index = pd.DataFrame({"x": [1]}).set_index("x", drop=False)
    for frame in (table, pd.DataFrame([[1, 2]], columns=["x", "x"]), index):
        with pytest.raises(DataError, match="two columns"):
            raw_columns(frame)


def test_no_frame() -> None:
    for thing in ({"x": [1]}, [pa.table({"x": [1]})], "orders.csv", 5):
        name = type(thing).__name__
        with pytest.raises(DataError, match=f"no Arrow stream: {name}; evaluate_batches takes"):
            raw_columns(thing)
    one = pa.array([1])
    for thing in (
        *(pa.chunked_array([one]), na.Array(one), pl.Series([1]), pd.Series([1])),
        pl.DataFrame({"x": pl.Series([1], dtype=pl.Int128)}),
    ):
        name = type(thing).__name__
        with pytest.raises(DataError, match=f"no table that can be taken over .*: {name}$"):
            raw_columns(thing)


def test_what_collects_to_itself_is_no_frame() -> None:
    class Lazy:
        def collect(self) -> object:
            return self

    class Endless:
        def collect(self) -> object:
            return Endless()

    for thing in (Lazy(), Endless()):
        with pytest.raises(DataError, match=f"no Arrow stream: {type(thing).__name__};"):
            raw_columns(thing)


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for ask in (
        lambda: raw_columns(5),
        lambda: raw_columns(frame),
        lambda: read_file(tmp_path / "x.csv"),
        lambda: to_frame({}, Ids.of([1])),
        lambda: write_file(frame, tmp_path / "x.csv"),
    ):
        with pytest.raises(MissingExtraError, match="pyarrow"):
            ask()


# Frames

ROWS = {
    "order_id": ["a", "b", None],
    "quantity": [1, 2, 3],
    "price": [1.5, None, 2.5],
    "at": [datetime(2025, 6, 1), None, datetime(2025, 6, 2)],
}


def check(frame: object) -> None:
    columns = raw_columns(frame)
    june = 1_748_736_000 * 10**6
    assert objects(columns["order_id"]) == ROWS["order_id"]
    assert objects(columns["quantity"]) == ROWS["quantity"]
    assert objects(columns["price"]) == ROWS["price"]
    assert objects(columns["at"]) == [june, None, june + 86_400 * 10**6]


def test_arrow_tables_and_streams() -> None:
    table = pa.table(ROWS)
    check(table)
    check(table.to_reader())
    check(table.to_batches()[0])
    check(pa.concat_tables([table.slice(0, 1), table.slice(1)]))


def test_pandas() -> None:
    check(pd.DataFrame(ROWS))
    check(pd.DataFrame(ROWS).convert_dtypes(dtype_backend="pyarrow"))
    frame = pd.DataFrame(
        {
            "mixed": pd.Series([1, "1", None], dtype=object),
            "category": pd.Categorical(["a", None, "a"]),
            "gaps": pd.Series([1, None, 3]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "aware": pd.to_datetime(["2025-06-01T02:00+02:00", None, None], utc=True),
            "decimal": pd.Series([Decimal("1.5"), None, None], dtype=object),
            7: [True, False, True],
        }
    )
    frame.index = [5, 5, 5]
    columns = raw_columns(frame)
    assert objects(columns["mixed"]) == [1, "1", None]
    assert objects(columns["category"]) == ["a", None, "a"]
    assert (columns["gaps"].kind, objects(columns["gaps"])) == ("float", [1.0, None, 3.0])
    assert (columns["nullable"].kind, objects(columns["nullable"])) == ("int", [1, None, 3])
    assert columns["aware"].aware
    assert objects(columns["decimal"])[0] == Decimal("1.5")
    assert objects(columns["7"]) == [True, False, True]


def test_polars() -> None:
    check(pl.DataFrame(ROWS))
    check(pl.DataFrame(ROWS).lazy())
    frame = pl.DataFrame(
        {
            "category": pl.Series(["a", None], dtype=pl.Categorical),
            "fixed": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
            "decimal": pl.Series([Decimal("1.50"), None]),
            "aware": pl.Series([1, None], dtype=pl.Datetime("ns", "Europe/Berlin")),
        }
    )
    columns = raw_columns(frame)
    assert objects(columns["category"]) == ["a", None]
    assert objects(columns["fixed"]) == ["a", "b"]
    assert objects(columns["decimal"]) == [Decimal("1.5"), None]
    assert (columns["aware"].aware, objects(columns["aware"])) == (True, [0, None])


def test_duckdb() -> None:
    duckdb = pytest.importorskip("duckdb")
    table = pa.table(ROWS)
    connection = duckdb.connect()
    connection.register("given", table)
    check(connection.sql("select * from given"))
    relation = connection.sql("select 1.5::decimal(18,3) as d, sum(2::integer) as s, 'a' as t")
    columns = raw_columns(relation)
    assert objects(columns["d"]) == [Decimal("1.5")]
    assert (columns["s"].kind, objects(columns["s"])) == ("int", [2])


def test_narwhals() -> None:
    check(nw.from_native(pl.DataFrame(ROWS)))
    check(nw.from_native(pl.LazyFrame(ROWS)))


def test_levels_of_an_index_with_names_are_columns() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5]})
    assert list(raw_columns(frame.set_index("b"))) == ["b", "a", "c"]
    columns = raw_columns(frame.set_index(["c", "b"]))
    assert objects(columns["b"]) == ["x", None]
    assert objects(columns["c"]) == [1.5, 2.5]
    frame.index = [7, 8]
    assert list(raw_columns(frame)) == ["a", "b", "c"]


def test_pandas_columns_that_arrow_does_not_have() -> None:
    frame = pd.DataFrame(
        {
            "sparse": pd.arrays.SparseArray([0, 2, 0]),
            "mixed": pd.Categorical([1, "1", None]),
            "complex": [1j, 2, 3],
            "period": pd.period_range("2025", periods=3, freq="M"),
        }
    )
    columns = raw_columns(frame)
    assert objects(columns["sparse"]) == [0, 2, 0]
    assert objects(columns["mixed"]) == [1, "1", None]
    for name in ("complex", "period"):
        with pytest.raises(DataError, match=f"cannot be read .*{name}"):
            columns[name]


# What is shared

SHARED = pa.table(
    {
        "int64": pa.array([1, 2]),
        "double": pa.array([1.5, 2.5]),
        "naive": pa.array([1, 2], pa.timestamp("us")),
        "aware": pa.array([1, 2], pa.timestamp("us", tz="Asia/Shanghai")),
        "dictionary": pa.array(["a", "b"]).dictionary_encode(),
        "string": pa.array(["a", None]),
        "large": pa.array(["a", None], pa.large_string()),
        "uuid": pa.array([SOME_ID.bytes, None], pa.uuid()),
    }
)


def address(raw: Raw) -> int:
    values = raw.values if raw.texts is None else raw.texts.data
    place: int = values.__array_interface__["data"][0]
    return place


def address_of(column: Any) -> int:
    """Where the values of the only chunk of a column stand."""
    array = pa.chunked_array(column).chunk(0)
    array = getattr(array, "indices", getattr(array, "storage", array))
    place: int = array.buffers()[-1].address
    return place


@pytest.mark.parametrize(
    "make",
    [
        lambda table: table,
        lambda table: table.to_reader(),
        lambda table: table.to_batches()[0],
        Stream,
        na.ArrayStream,
        lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
        lambda table: nw.from_native(table),
    ],
    ids=["table", "reader", "batch", "stream", "nanoarrow", "pandas", "narwhals"],
)
def test_columns_in_one_chunk_are_shared(make: Any) -> None:
    columns = raw_columns(make(SHARED))
    for name in SHARED.column_names:
        assert address(columns[name]) == address_of(SHARED[name]), name


def test_columns_of_polars_are_shared() -> None:
    labels = pl.Series("dictionary", ["a", "b"], dtype=pl.Enum(["a", "b"]))
    frame = pl.from_arrow(SHARED.drop_columns(["uuid"])).with_columns(labels)
    for thing in (frame, frame.lazy(), nw.from_native(frame)):
        columns = raw_columns(thing)
        for name in ("int64", "double", "naive", "aware", "dictionary"):
            assert address(columns[name]) == address_of(frame[name]), name


def test_arrays_of_pandas_are_shared() -> None:
    whole, times = np.arange(3), np.arange(3).view("M8[us]")
    frame = pd.DataFrame({"whole": whole, "times": times}, copy=False)
    columns = raw_columns(frame)
    for name in ("whole", "times"):
        place = frame[name].to_numpy().__array_interface__["data"][0]
        assert address(columns[name]) == place


# Chunks that are not alike

FIRST = pa.record_batch({"id": [1, 2], "name": ["a", "b"]})


def stream(*batches: Any) -> Any:
    return pa.RecordBatchReader.from_batches(FIRST.schema, iter(batches))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            {"id": ["1"], "name": ["a"]},
            r"string in chunk 3, but int64 in the stream \(column 'id'\)",
        ),
        (
            {"id": pa.array([1], pa.int32()), "name": ["a"]},
            r"int32 in chunk 3, but int64 in the stream \(column 'id'\)",
        ),
        ({"id": [1]}, r"chunk 3 has other columns than the stream \(column 'name'\)"),
        (
            {"id": [1], "name": ["a"], "more": [1]},
            r"chunk 3 has other columns than the stream \(column 'more'\)",
        ),
        ({"name": ["a"], "id": [1]}, r"chunk 3 has it in another place \(column 'name'\)"),
    ],
)
def test_a_chunk_with_other_columns_is_named(second: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}$"):
        raw_columns(stream(FIRST, FIRST, pa.record_batch(second)))
    source = crm.Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    with pytest.raises(DataError, match=message):
        crm.OrderTable.from_frame(stream(FIRST, FIRST, pa.record_batch(second)), source)


@pytest.mark.parametrize("wrap", [Stream, na.ArrayStream], ids=["stream", "nanoarrow"])
def test_behind_the_interface_of_c_the_chunk_is_named_too(wrap: Any) -> None:
    text = pa.record_batch({"id": ["1", "2"], "name": ["a", "b"]})
    for wrong in (text, pa.record_batch({"id": [1]})):
        with pytest.raises(DataError, match=r"^chunk 2 cannot be read \(ArrowInvalid\)$"):
            raw_columns(wrap(stream(FIRST, wrong)))


def test_of_a_stream_among_batches_the_chunk_is_named_as_well() -> None:
    def rows(*amounts: Any) -> Any:
        days = pa.array([date(2025, 3, 1)] * len(amounts), pa.date32())
        ids = pa.array([7] * len(amounts))
        return pa.record_batch({"customer_id": ids, "placed_at": days, "amount_minor": amounts})

    first, policy = rows(100, 200), crm.presets.load("classic")
    wrong = pa.RecordBatchReader.from_batches(first.schema, iter([first, rows("3")]))
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})
    message = r"^batch 2: string in chunk 2, but int64 in the stream \(column 'amount_minor'\)$"
    with pytest.raises(DataError, match=message):
        crm.evaluate_batches(policy, [first, wrong], source, as_of=date(2025, 4, 1))


def test_chunks_that_differ_in_no_values_are_alike() -> None:
    fields = [pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())]
    noted = pa.record_batch([[3], ["c"]], schema=pa.schema(fields, {"note": "x"}))
    columns = raw_columns(stream(FIRST, FIRST.slice(0, 0), noted))
    assert (objects(columns["id"]), objects(columns["name"])) == ([1, 2, 3], ["a", "b", "c"])


def test_what_a_stream_says_of_its_rows_is_not_repeated() -> None:
    def broken() -> Any:
        yield FIRST
        raise pa.ArrowInvalid("secret 4711")

    reader = pa.RecordBatchReader.from_batches(FIRST.schema, broken())
    with pytest.raises(DataError, match=r"^chunk 2 cannot be read \(ArrowInvalid\)$") as caught:
        raw_columns(reader)
    assert caught.value.__suppress_context__


def test_an_error_of_ones_own_generator_passes_on_as_it_is() -> None:
    own = ValueError("no answer from the shop")

    def failing() -> Any:
        yield FIRST
        raise own

    with pytest.raises(ValueError, match="no answer") as caught:
        raw_columns(pa.RecordBatchReader.from_batches(FIRST.schema, failing()))
    assert caught.value is own
    # Behind the interface of C there is only what Arrow makes of it.
    for wrap in (Stream, na.ArrayStream):
        reader = pa.RecordBatchReader.from_batches(FIRST.schema, failing())
        with pytest.raises(DataError, match=r"^chunk 2 cannot be read \(ArrowInvalid\)$"):
            raw_columns(wrap(reader))


# Files in


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_bytes(text.encode())
    return path


CSV = 'id,code,amount,note\n1,007,1.10,"a, ""b""\nnext line"\n22,12,0.30,\n,13,1e5," "\n'


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz", "X.CSV", "x.tsv", "x.tsv.gz"])
def test_text_files(tmp_path: Path, name: str) -> None:
    text = CSV.replace("a, ", "a; ").replace(",", "\t") if "tsv" in name else CSV
    shown: list[tuple[int, int]] = []
    path = written(tmp_path, name, text)
    columns = read_file(path, lambda done, total: shown.append((done, total)))
    assert (columns["id"].kind, objects(columns["id"])) == ("int", [1, 22, None])
    assert objects(columns["code"]) == ["007", "12", "13"]
    assert objects(columns["amount"]) == ["1.10", "0.30", "1e5"]
    assert objects(columns["note"])[1:] == [None, " "]
    assert shown[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_other_signs_between_fields(tmp_path: Path, sign: str) -> None:
    text = f'\ufeff"id, theirs"{sign}amount\n1{sign}"1,10"\n'
    columns = read_file(written(tmp_path, "x.csv.gz", text))
    assert list(columns) == ["id, theirs", "amount"]
    assert objects(columns["amount"]) == ["1,10"]


def test_commas_come_first_and_one_column_needs_none(tmp_path: Path) -> None:
    assert list(read_file(written(tmp_path, "x.csv", "a;b,c|d\n1,2\n"))) == ["a;b", "c|d"]
    assert list(read_file(written(tmp_path, "x.csv", "a\n1\n"))) == ["a"]
    assert list(read_file(written(tmp_path, "x.tsv", "a;b\n1\n"))) == ["a;b"]


def test_python_ends_well_after_a_file_was_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "x.csv", "a,b\n" + "1,2\n" * 50 + "1\n")
    code = f"from crmcore.files import read_file; read_file({str(path)!r})"
    for _ in range(3):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1  # not a signal
        assert "first at: 50" in done.stderr


def test_text_files_without_rows(tmp_path: Path) -> None:
    columns = read_file(written(tmp_path, "x.csv", "\ufeffid,amount\n"))
    assert (list(columns), len(columns["id"])) == (["id", "amount"], 0)


@pytest.mark.parametrize(
    "values",
    ["01", "+1", "1.0", "1234567890123456789", "", "-0", "1 ", "٣"],
)
def test_what_is_no_plain_whole_number_stays_text(tmp_path: Path, values: str) -> None:
    columns = read_file(written(tmp_path, "x.csv", f'id,x\n"{values}",a\n'))
    assert objects(columns["id"]) == [values or None]
    assert columns["id"].kind == "coded"


def test_many_blocks(tmp_path: Path) -> None:
    rows = 300_000
    text = "id,name\n" + "".join(f"{row},n{row % 7}\n" for row in range(rows))
    shown: list[int] = []
    columns = read_file(written(tmp_path, "x.csv", text), lambda done, total: shown.append(done))
    assert columns["id"].values.tolist() == list(range(rows))
    assert objects(columns["name"].take(np.array([0, 8, rows - 1]))) == ["n0", "n1", "n0"]
    assert len(columns["name"].categories) == 7
    assert shown == sorted(shown)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", "the file is empty"),
        ("x.csv", "a,b\n1,2\nsecret\n", "more or fewer fields"),
        ("x.csv", "a,b\n1,2\n1,2,secret\n", "more or fewer fields"),
        ("x.csv", "a,a\n1,2\n", "two columns of this name"),
        ("x.parquet", "secret", "cannot be read"),
        ("x.arrow", "secret", "cannot be read"),
        ("x.feather", "ARROW1secret", "cannot be read"),
        ("x.xlsx", "secret", "unknown type of file '.xlsx'"),
        ("x", "secret", "unknown type of file ''"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_file(written(tmp_path, name, text))
    assert "secret" not in str(caught.value)
    if "fields" in message:
        assert caught.value.positions == (1,)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="FileNotFoundError"):
        read_file(tmp_path / "absent.csv")
    path = tmp_path / "x.csv"
    for before in (1, 100_000):
        path.write_bytes(b"a\n" + b"1\n" * before + b"\xff\xfe\n")
        with pytest.raises(DataError, match="is not UTF-8 text; save it as UTF-8"):
            read_file(path)
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * 10_000)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_file(path)


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather"])
def test_typed_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    write_file(pa.table({**ROWS, "price": [Decimal("1.50"), None, Decimal("2.50")]}), path)
    shown: list[tuple[int, int]] = []
    columns = read_file(path, lambda done, total: shown.append((done, total)))
    assert objects(columns["order_id"]) == ROWS["order_id"]
    assert objects(columns["price"]) == [Decimal("1.5"), None, Decimal("2.5")]
    assert shown[-1][0] == shown[-1][1] == path.stat().st_size
    write_file(pa.table(ROWS).slice(0, 0), path)
    assert len(read_file(path)["order_id"]) == 0


def test_arrow_streams_in_files(tmp_path: Path) -> None:
    table = pa.table(ROWS)
    path = tmp_path / "x.arrow"
    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    check_file = read_file(path)
    assert objects(check_file["order_id"]) == ROWS["order_id"]


# Tables out

KNOWN = np.array([True, False, True])
COLUMNS = {
    "is": Column("bool", np.array([True, False, False]), KNOWN),
    "count": Column("int", np.array([1, 2, 3]), KNOWN),
    "money": Column("money", np.array([150, 2, -(2**63)]), KNOWN, exponent=2),
    "mean": Column("ratio", np.array([1000, 7, -1000]), KNOWN, np.array([3, 0, 3]), exponent=2),
    "share": Column("ratio", np.array([1, 7, 2]), KNOWN, np.array([3, 0, 3])),
    "spread": Column("float", np.array([0.5, 0, 1.5]), KNOWN),
    "day": Column("date", np.array([0, 0, -1]), KNOWN),
    "at": Column("instant", np.array([0, 0, -1]), KNOWN),
    "grade": Column("label", np.array([1, 9, 0], np.uint8), KNOWN, categories=("low", "high")),
    "text": Column("text", np.array(["a", None, "b"], object), KNOWN),
}
EXPECTED = {
    "customer_id": [7, 8, 9],
    "is": [True, None, False],
    "count": [1, None, 3],
    "money": [Decimal("1.50"), None, Decimal("-92233720368547758.08")],
    "mean": [Decimal("3.33"), None, Decimal("-3.34")],
    "share": [Decimal("0.333333"), None, Decimal("0.666666")],
    "spread": [0.5, None, 1.5],
    "day": [date(1970, 1, 1), None, date(1969, 12, 31)],
    "at": [datetime(1970, 1, 1, tzinfo=UTC), None, datetime.fromtimestamp(-1, UTC)],
    "grade": ["high", None, "low"],
    "text": ["a", None, "b"],
}
EXPECTED["at"][2] = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def test_every_kind_of_column() -> None:
    table = to_frame(COLUMNS, IDS)
    assert table.to_pydict() == EXPECTED
    table.validate(full=True)
    assert pa.types.is_decimal128(table.schema.field("money").type)
    assert pa.types.is_dictionary(table.schema.field("grade").type)
    every = {
        name: Column(one.kind, one.values[:1], None, one.divisor, one.exponent, one.categories)
        for name, one in COLUMNS.items()
        if one.kind != "ratio"
    }
    assert to_frame(every, Ids.of([7])).to_pylist()[0]["money"] == Decimal("1.50")


def test_other_frames() -> None:
    frame = to_frame(COLUMNS, IDS, "polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dict(as_series=False) == EXPECTED
    frame = to_frame(COLUMNS, IDS, "pandas")
    assert isinstance(frame, pd.DataFrame)
    assert frame["count"].to_list()[0] == 1
    assert str(frame["count"].dtype) == "int64[pyarrow]"
    assert frame["money"].to_list()[0] == Decimal("1.50")


def test_other_kinds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("spark", "narwhals", "narwhals.spark", "narwhals.narwhals.polars", ""):
        with pytest.raises(DataError, match=r"pyarrow, polars, polars\.LazyFrame, pandas, duckdb"):
            to_frame({}, Ids.of([1]), kind)
    for package in ("polars", "pandas", "duckdb", "narwhals"):
        kind = {"narwhals": "narwhals.pyarrow"}.get(package, package)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(MissingExtraError, match=f"pip install '{package}'"):
                to_frame({}, Ids.of([1]), kind)


def test_ids_of_every_kind() -> None:
    def ids(*items: Id) -> list[dict[str, object]]:
        return to_frame({}, Ids.of(items)).to_pylist()  # type: ignore[attr-defined, no-any-return]

    assert ids("a", "b") == [{"customer_id": "a"}, {"customer_id": "b"}]
    assert ids(SOME_ID) == [{"customer_id": str(SOME_ID)}]
    assert ids(SOME_ID, -1, "1") == [
        {"customer_id": "-1", "customer_id_kind": "int"},
        {"customer_id": "1", "customer_id_kind": "str"},
        {"customer_id": str(SOME_ID), "customer_id_kind": "uuid"},
    ]
    assert ids() == []


def test_text_ids_are_shared() -> None:
    ids = Ids(texts=Texts.from_strings(["-", "C1", "Zoë"]).between(1, 3))
    found = to_frame({}, ids)["customer_id"].chunk(0)  # type: ignore[index]
    assert (found.type, found.to_pylist()) == (pa.string(), ["C1", "Zoë"])
    assert found.buffers()[2].address == ids.texts.data.__array_interface__["data"][0]
    found.validate(full=True)


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**40)), min_size=1, max_size=4
    ),
    st.sampled_from([0, 2]),
)
def test_ratios_round_down(pairs: list[tuple[int, int]], exponent: int) -> None:
    above, below = (np.array(one) for one in zip(*pairs, strict=True))
    column = Column("ratio", above, divisor=below, exponent=exponent)
    found = to_frame({"x": column}, Ids(np.arange(len(pairs)))).to_pydict()["x"]
    step = Fraction(1, 10 ** (exponent or 6))
    for value, (one, other) in zip(found, pairs, strict=True):
        exact = Fraction(one, other * 10**exponent)
        assert Fraction(value) <= exact < Fraction(value) + step


# Files out


def test_files_out(tmp_path: Path) -> None:
    table = to_frame(COLUMNS, IDS)
    for name in ("x.parquet", "x.arrow", "x.feather"):
        write_file(table, tmp_path / name)
        assert objects(read_file(tmp_path / name)["money"])[0] == Decimal("1.5")
    for name in ("x.csv", "x.csv.gz"):
        write_file(table, tmp_path / name)
        columns = read_file(tmp_path / name)
        assert objects(columns["money"]) == ["1.50", None, "-92233720368547758.08"]
        assert objects(columns["grade"]) == ["high", None, "low"]
        assert objects(columns["day"])[0] == "1970-01-01"
    write_file(table, str(tmp_path / "x.json"))
    rows = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert rows[0]["money"] == "1.50"
    assert (rows[0]["day"], rows[0]["at"]) == ("1970-01-01", "1970-01-01T00:00:00+00:00")
    assert rows[1]["grade"] is None


def test_other_types_of_file_are_refused(tmp_path: Path) -> None:
    table = pa.table({"x": [1]})
    for name in ("x.xlsx", "x", "x.parquet.gz", "x.gz"):
        with pytest.raises(DataError, match="unknown type of file"):
            write_file(table, tmp_path / name)
    with pytest.raises(DataError, match="cannot be written"):
        write_file(table, tmp_path / "absent" / "x.csv")


@pytest.mark.parametrize("kind", [pa.string(), pa.uuid()], ids=str)
def test_ids_in_arrow_never_become_python_objects(
    kind: pa.DataType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    named = [UUID(int=one << 90) for one in (3, 1, 2)]
    written = [str(one) if kind == pa.string() else one.bytes for one in named]
    ids = pa.array(written, kind)
    days = pa.array([date(2025, 3, 1)] * 3, pa.date32())
    table = pa.table({"customer_id": ids, "placed_at": days, "amount_minor": [100] * 3})
    source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    for name in ("of", "tolist", "__getitem__", "__iter__"):
        for where in (Ids, Texts):
            monkeypatch.setattr(where, name, refuse, raising=False)
    orders = crm.OrderTable.from_frame(table, source)
    customers = crm.CustomerTable.from_frame(pa.table({"customer_id": ids}))
    result = crm.evaluate(crm.presets.load("classic"), orders, customers, as_of=date(2025, 4, 1))
    found = result.to_frame()["customer_id"].to_pylist()  # type: ignore[index]
    assert found == sorted(map(str, named))


# Bytes that are not text


def latin1(*texts: str) -> Any:
    """An Arrow array that nobody has looked through."""
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    data = "".join(texts).encode("latin-1")
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


@pytest.mark.parametrize("name", ["customer_id", "placed_at", "amount", "status"])
def test_text_that_is_not_utf8_is_refused(name: str) -> None:
    rows = {
        "order_id": [1, 2, 3],
        "customer_id": ["C1", "C2", "C3"],
        "placed_at": ["2025-03-01"] * 3,
        "amount": ["300.00"] * 3,
        "status": ["paid"] * 3,
    }
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})
    assert len(crm.OrderTable.from_frame(pa.table(rows), source)) == 3
    broken = pa.table({**rows, name: latin1("C1", "Zoë", "Zoë")})
    with pytest.raises(DataError, match=rf"not UTF-8 \(column '{name}'\); rows: 2"):
        crm.OrderTable.from_frame(broken, source)


def test_customers_whose_text_is_not_utf8_are_refused() -> None:
    for name in ("customer_id", "city"):
        rows = {"customer_id": [1, 2], "city": ["a", "b"], name: latin1("C1", "Zoë")}
        with pytest.raises(DataError, match=rf"not UTF-8 \(column '{name}'\)"):
            crm.CustomerTable.from_frame(pa.table(rows)).column("city", "text")


def test_an_empty_kind_of_frame_is_refused() -> None:
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})
    rows = {"order_id": [1], "customer_id": [1], "placed_at": ["2025-03-01"], "amount": ["1.00"]}
    orders = crm.OrderTable.from_arrays(rows, source)
    result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 4, 1))
    for refused in (result.to_frame, result.facts.to_frame):
        with pytest.raises(DataError, match="unknown kind of frame ''"):
            refused("")
