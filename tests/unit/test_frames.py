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
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.columns import Column
from crmcore.errors import DataError, MissingExtraError
from crmcore.frames import raw_columns, read_file, to_frame, write_file
from crmcore.records.raw import Raw

pa = pytest.importorskip("pyarrow")

SOME_ID = UUID("12345678-1234-5678-1234-567812345678")


def objects(raw: Raw) -> list[object]:
    """Read a column back, value by value."""
    found: list[object] = []
    for row, value in enumerate(raw.values.tolist()):
        if raw.missing is not None and raw.missing[row]:
            found.append(None)
        elif raw.kind == "decimal":
            found.append(Decimal(value).scaleb(-raw.scale))
        else:
            found.append(value if raw.categories is None else raw.categories[value])
    return found


def column(values: object, kind: object = None) -> Raw:
    array = values if isinstance(values, pa.ChunkedArray) else pa.array(values, kind)
    return raw_columns(pa.table({"x": array}))["x"]


# Arrow


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_integers(kind: str) -> None:
    raw = column([1, None, 3], kind)
    assert (raw.kind, objects(raw)) == ("int", [1, None, 3])


def test_whole_numbers_are_shared() -> None:
    for array in (
        pa.array([1, 2]),
        pa.array([1.5, 2.5]),
        pa.array([1, 2], pa.timestamp("us")),
        pa.array([1, 2], pa.timestamp("us", tz="Asia/Shanghai")),
    ):
        address = column(array).values.__array_interface__["data"][0]
        assert address == array.buffers()[1].address


def test_integers_beyond_64_bits() -> None:
    with pytest.raises(DataError, match="beyond 64 bits"):
        column([2**63], pa.uint64())


def test_floats_and_truth_values() -> None:
    raw = column([1.5, None, float("nan"), float("inf")])
    assert objects(raw)[:3] == [1.5, None, None]
    assert raw.invalid.tolist() == [False, False, False, True]
    assert objects(column([1.5, None], pa.float32())) == [1.5, None]
    assert objects(column([True, None, False])) == [True, None, False]


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view"])
def test_text_is_coded(kind: str) -> None:
    types = {"string": pa.string(), "large_string": pa.large_string()}
    raw = column(["b", None, "", "a", "b"], types.get(kind) or pa.string_view())
    assert (raw.kind, objects(raw)) == ("coded", ["b", None, None, "a", "b"])


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


def test_uuids() -> None:
    raw = column([SOME_ID.bytes, None, SOME_ID.bytes], pa.uuid())
    assert objects(raw) == [SOME_ID, None, SOME_ID]


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


def test_two_columns_of_one_name() -> None:
    pd = pytest.importorskip("pandas")
    table = pa.table([[1], [2]], names=["x", "x"])
    for frame in (table, pd.DataFrame([[1, 2]], columns=["x", "x"])):
        with pytest.raises(DataError, match="two columns"):
            raw_columns(frame)


def test_no_frame() -> None:
    with pytest.raises(DataError, match="not a frame"):
        raw_columns({"x": [1]})


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for ask in (
        lambda: raw_columns(5),
        lambda: raw_columns(frame),
        lambda: read_file(tmp_path / "x.csv"),
        lambda: to_frame({}, np.array([1])),
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
    pd = pytest.importorskip("pandas")
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
    pl = pytest.importorskip("polars")
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
    nw = pytest.importorskip("narwhals")
    pl = pytest.importorskip("polars")
    check(nw.from_native(pl.DataFrame(ROWS)))
    check(nw.from_native(pl.LazyFrame(ROWS)))


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
    code = f"from crmcore.frames import read_file; read_file({str(path)!r})"
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
    table = to_frame(COLUMNS, np.array([7, 8, 9]))
    assert table.to_pydict() == EXPECTED
    table.validate(full=True)
    assert pa.types.is_decimal128(table.schema.field("money").type)
    assert pa.types.is_dictionary(table.schema.field("grade").type)
    every = {
        name: Column(one.kind, one.values[:1], None, one.divisor, one.exponent, one.categories)
        for name, one in COLUMNS.items()
        if one.kind != "ratio"
    }
    assert to_frame(every, np.array([7])).to_pylist()[0]["money"] == Decimal("1.50")


def test_other_frames() -> None:
    pl = pytest.importorskip("polars")
    pd = pytest.importorskip("pandas")
    frame = to_frame(COLUMNS, np.array([7, 8, 9]), "polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dict(as_series=False) == EXPECTED
    frame = to_frame(COLUMNS, np.array([7, 8, 9]), "pandas")
    assert isinstance(frame, pd.DataFrame)
    assert frame["count"].to_list()[0] == 1
    assert str(frame["count"].dtype) == "int64[pyarrow]"
    assert frame["money"].to_list()[0] == Decimal("1.50")


def test_other_kinds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="pyarrow, polars, pandas"):
        to_frame({}, np.array([1]), "spark")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match="polars"):
        to_frame({}, np.array([1]), "polars")


def test_ids_of_every_kind() -> None:
    def ids(*items: object) -> list[dict[str, object]]:
        array = np.empty(len(items), object)
        array[:] = items
        return to_frame({}, array).to_pylist()  # type: ignore[attr-defined, no-any-return]

    assert ids("a", "b") == [{"customer_id": "a"}, {"customer_id": "b"}]
    assert ids(SOME_ID) == [{"customer_id": str(SOME_ID)}]
    assert ids(1, "1") == [
        {"customer_id": "1", "customer_id_kind": "int"},
        {"customer_id": "1", "customer_id_kind": "str"},
    ]
    assert ids() == []


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**40)), min_size=1, max_size=4
    ),
    st.sampled_from([0, 2]),
)
def test_ratios_round_down(pairs: list[tuple[int, int]], exponent: int) -> None:
    above, below = (np.array(one) for one in zip(*pairs, strict=True))
    column = Column("ratio", above, divisor=below, exponent=exponent)
    found = to_frame({"x": column}, np.arange(len(pairs))).to_pydict()["x"]
    step = Fraction(1, 10 ** (exponent or 6))
    for value, (one, other) in zip(found, pairs, strict=True):
        exact = Fraction(one, other * 10**exponent)
        assert Fraction(value) <= exact < Fraction(value) + step


# Files out


def test_files_out(tmp_path: Path) -> None:
    table = to_frame(COLUMNS, np.array([7, 8, 9]))
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
