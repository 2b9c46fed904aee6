"""The engines for tests: each gives back what it was given, and tells when it is absent."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from engines import Engines, every

LARGE = Decimal("-" + "9" * 36 + ".99")
INSTANTS = [datetime(2024, 11, 3, 5, 30, 0, 1, UTC), datetime(1900, 1, 1, tzinfo=UTC), None]
# Two o'clock at night, where clocks are put forward, is no time of New York.
WALLS = [datetime(2024, 3, 10, 2, 30), datetime(1900, 1, 1), None]
TABLE = pa.table(
    {
        'Größe; "select"': pa.array([2**63 - 1, -(2**63), None], pa.int64()),
        "amount": pa.array([Decimal("0.10"), LARGE, None], pa.decimal128(38, 2)),
        "share": pa.array([float("inf"), 0.1, None]),
        "day": pa.array([date(1, 1, 1), date(9999, 12, 31), None]),
        "placed": pa.array(INSTANTS, pa.timestamp("us", "UTC")),
        "wall": pa.array(WALLS, pa.timestamp("us")),
        "name": pa.array(["it's 100 % \\N\t\n客", "", None]),
        "known": pa.array([True, False, None]),
        "small": pa.array([1, -1, None], pa.int32()),
    }
)


@every()
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_tables_come_back_as_they_went_in(engines: Engines, kind: str, zone: str) -> None:
    mark = "`" if kind.startswith("spark") else '"'
    with engines.open(kind, zone) as engine:
        engine.load({"an order": TABLE, "none": TABLE.slice(0, 0)})
        found = engine.fetch(f"select * from {mark}an order{mark} order by amount desc nulls last")
        assert found.to_pydict() == TABLE.to_pydict()
        assert found.schema.types == TABLE.schema.types
        empty = engine.fetch("select * from none")
        assert (empty.num_rows, empty.schema.types) == (0, TABLE.schema.types)


@every()
def test_uuids_come_back_as_text(engines: Engines, kind: str) -> None:
    one = UUID("00112233-4455-6677-8899-aabbccddeeff")
    with engines.open(kind) as engine:
        engine.load({"ids": pa.table({"id": pa.array([one.bytes, None], pa.uuid())})})
        found = engine.fetch("select id from ids order by id nulls last")
        assert found.to_pydict() == {"id": [str(one), None]}


@every()
def test_the_session_has_the_zone(engines: Engines, kind: str) -> None:
    with engines.open(kind, "Asia/Tokyo") as engine:
        engine.load({"one": pa.table({"placed": pa.array([datetime(2025, 1, 1, 18, tzinfo=UTC)])})})
        found = engine.fetch("select cast(placed as date) as day, placed from one")
        assert found["day"].to_pylist() == [date(2025, 1, 2)]
        assert found["placed"].to_pylist() == [datetime(2025, 1, 1, 18, tzinfo=UTC)]


@every()
def test_engines_have_tables_of_their_own(engines: Engines, kind: str) -> None:
    def one(value: int) -> Any:
        return {"shop": pa.table({"value": pa.array([value], pa.int64())})}

    with engines.open(kind) as first, engines.open(kind) as second:
        first.load(one(1))
        second.load(one(2))
        values = [each.fetch("select value from shop")["value"] for each in (first, second)]
        assert [value.to_pylist() for value in values] == [[1], [2]]
    with engines.open(kind) as third, pytest.raises(third.failure):
        third.fetch("select value from shop")


@every()
def test_errors_leave_the_engine_usable(engines: Engines, kind: str) -> None:
    with engines.open(kind) as engine:
        with pytest.raises(engine.failure):
            engine.fetch("select nothing from nowhere")
        assert engine.fetch("select 1 as one")["one"].to_pylist() == [1]


@every()
def test_parameters_are_bound(engines: Engines, kind: str) -> None:
    mark = {"duckdb": "$day", "postgres": "%(day)s"}.get(kind, ":day")
    with engines.open(kind) as engine:
        found = engine.fetch(f"select cast({mark} as date) as day", day=date(2024, 2, 29))
        assert found["day"].to_pylist() == [date(2024, 2, 29)]


@every("spark", "spark ansi")
def test_spark_is_ansi_where_it_is_asked(engines: Engines, kind: str) -> None:
    with engines.open(kind) as engine:
        engine.load({"one": pa.table({"n": pa.array([2**63 - 1], pa.int64())})})
        if kind == "spark ansi":
            with pytest.raises(engine.failure, match="ARITHMETIC_OVERFLOW"):
                engine.fetch("select n + 1 from one")
        else:
            assert engine.fetch("select n + 1 as n from one")["n"].to_pylist() == [-(2**63)]


@every("postgres")
def test_decimals_are_as_wide_as_they_come(engines: Engines, kind: str) -> None:
    with engines.open(kind) as engine:
        engine.load({"one": pa.table({"n": pa.array([Decimal("0.00"), None])})})
        found = engine.fetch("select n::numeric as n, n::numeric(38, 3) as m from one")
        assert found["n"].to_pylist() == [Decimal(0), None]
        assert found.schema.types == [pa.decimal128(2, 2), pa.decimal128(38, 3)]
        empty = engine.fetch("select n::numeric as n from one where n is null")
        assert empty.to_pydict() == {"n": [None]}


@every("postgres")
def test_postgres_orders_texts_as_in_english(engines: Engines, kind: str) -> None:
    with engines.open(kind) as engine:
        engine.load({"names": pa.table({"name": ["a", "B", "_c"]})})
        found = engine.fetch("select name from names order by name")
        assert found["name"].to_pylist() == ["_c", "a", "B"]


def test_wide_numbers_stay_exact(engines: Engines) -> None:
    with engines.open("duckdb") as engine:
        found = engine.fetch("select 9223372036854775807::hugeint + 1 as n")
        assert found["n"].to_pylist() == [Decimal(2**63)]


@pytest.mark.parametrize(
    ("kind", "module"),
    [("duckdb", "duckdb"), ("postgres", "psycopg"), ("spark", "pyspark.errors")],
)
def test_absent_engines_skip_or_fail(
    monkeypatch: pytest.MonkeyPatch, kind: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    engines = Engines()
    monkeypatch.setenv("CRMCORE_ENGINES", "")
    with pytest.raises(pytest.skip.Exception, match=f"{kind} is absent"), engines.open(kind):
        pass
    monkeypatch.setenv("CRMCORE_ENGINES", "required")
    with pytest.raises(pytest.fail.Exception, match=f"{kind} is absent"), engines.open(kind):
        pass
