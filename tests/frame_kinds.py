"""One table as every kind of frame that users bring, and raw columns read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest

from crmcore.records.raw import Raw

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")
na = pytest.importorskip("nanoarrow")
nw = pytest.importorskip("narwhals")

Make = Callable[[Any], Any]
"""Makes a frame of a pyarrow table."""

_NULLABLE = {
    pa.int64(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype(),
}


class Stream:
    """Offers an Arrow stream, and nothing else."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._inner.__arrow_c_stream__(requested_schema)


class Struct:
    """Offers a struct as an Arrow array, and nothing else."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._inner.__arrow_c_array__(requested_schema)


class Shop(pd.DataFrame):  # type: ignore[misc]  # pandas may be absent
    """A user's own class of frames."""


def one_batch(table: Any) -> Any:
    return pa.RecordBatch.from_arrays(
        [column.combine_chunks() for column in table.columns], schema=table.schema
    )


def reader(table: Any) -> Any:
    return pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches()))


def pandas_objects(table: Any) -> Any:
    columns = {
        name: pd.Series(table[name].to_pylist(), dtype=object) for name in table.column_names
    }
    return pd.DataFrame(columns)


def pandas_categories(table: Any) -> Any:
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    text = [field.name for field in table.schema if field.type == pa.string()]
    return frame.astype(dict.fromkeys(text, "category"))


def pandas_index(table: Any) -> Any:
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame.set_index(table.column_names[:2])


def relation(table: Any) -> Any:
    connection = duckdb.connect()
    connection.execute("set arrow_lossless_conversion = true")  # UUIDs go out as UUIDs
    return connection.from_arrow(table)


FRAMES: Mapping[str, tuple[str, Make]] = {
    "table": ("pyarrow", lambda table: table),
    "batch": ("pyarrow", one_batch),
    "reader": ("pyarrow", reader),
    "structs": ("pyarrow", lambda table: table.to_struct_array()),
    "stream": ("pyarrow", Stream),
    "struct": ("pyarrow", lambda table: Struct(one_batch(table))),
    "nanoarrow stream": ("pyarrow", na.ArrayStream),
    "nanoarrow array": ("pyarrow", lambda table: na.Array(one_batch(table))),
    "polars": ("polars", partial(pl.from_arrow, rechunk=False)),
    "polars lazy": ("polars.LazyFrame", lambda table: pl.from_arrow(table).lazy()),
    "pandas": ("pandas", lambda table: table.to_pandas(integer_object_nulls=True)),
    "pandas nullable": ("pandas", lambda table: table.to_pandas(types_mapper=_NULLABLE.get)),
    "pandas arrow": ("pandas", lambda table: table.to_pandas(types_mapper=pd.ArrowDtype)),
    "pandas objects": ("pandas", pandas_objects),
    "pandas categories": ("pandas", pandas_categories),
    "pandas index": ("pandas", pandas_index),
    "pandas subclass": ("pandas", lambda table: Shop(table.to_pandas(types_mapper=pd.ArrowDtype))),
    "duckdb": ("duckdb", relation),
    "narwhals table": ("narwhals.pyarrow", nw.from_native),
    "narwhals polars": ("narwhals.polars", lambda table: nw.from_native(pl.from_arrow(table))),
    "narwhals pandas": ("narwhals.pandas", lambda table: nw.from_native(pandas_objects(table))),
    "narwhals lazy": (
        "narwhals.polars.LazyFrame",
        lambda table: nw.from_native(pl.from_arrow(table).lazy()),
    ),
    "narwhals duckdb": ("narwhals.duckdb", lambda table: nw.from_native(relation(table))),
}
"""By name: the kind that results come in, and how the frame is made."""

CLASSES: Mapping[str, type] = {
    "pyarrow": pa.Table,
    "polars": pl.DataFrame,
    "polars.LazyFrame": pl.LazyFrame,
    "pandas": pd.DataFrame,
    "duckdb": duckdb.DuckDBPyRelation,
    "narwhals.pyarrow": nw.DataFrame,
    "narwhals.polars": nw.DataFrame,
    "narwhals.polars.LazyFrame": nw.LazyFrame,
    "narwhals.pandas": nw.DataFrame,
    "narwhals.duckdb": nw.LazyFrame,
}
"""The class of a result by its kind."""


def without_uuids(table: Any) -> Any:
    """The table as it is for packages that have no UUIDs."""
    for at, field in enumerate(table.schema):
        if isinstance(field.type, pa.UuidType):
            chunks = [
                pa.array([one and str(one) for one in chunk.to_pylist()], pa.string())
                for chunk in table.column(at).chunks
            ]
            table = table.set_column(at, field.name, pa.chunked_array(chunks, pa.string()))
    return table


def objects(raw: Raw) -> list[object]:
    """A column read back, value by value."""
    found: list[object] = []
    for row in range(len(raw)):
        if raw.missing is not None and raw.missing[row]:
            found.append(None)
        elif raw.kind == "decimal":
            found.append(Decimal(cast("int", raw.item(row))).scaleb(-raw.scale))
        else:
            found.append(raw.item(row))
    return found
