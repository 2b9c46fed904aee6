"""A condition and a table over columns in NumPy, DuckDB and polars, on one thread each.

What is missing never decides. NumPy is given codes in place of labels, the others their own enums.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # is read when polars is imported

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

TIERS = ("bronze", "silver", "gold", "platinum")
FIELDS = ("count", "spend", "tier", "day")


@dataclass(frozen=True)
class Line:
    """One row of the table: all four hold."""

    count: int
    spend: int
    at_least: bool
    tier: int
    day: int


@dataclass(frozen=True)
class Customers:
    """Columns and which of their values are known, by name; all int64."""

    values: dict[str, NDArray[np.int64]]
    known: dict[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.values["count"])


def make(rows: int, seed: int = 1) -> Customers:
    rng = np.random.default_rng(seed)
    values = {
        "count": rng.integers(0, 30, rows),
        "spend": rng.integers(0, 500_000, rows),
        "tier": rng.integers(0, len(TIERS), rows),
        "day": rng.integers(19_000, 20_300, rows),
    }
    known = {name: rng.random(rows) >= 0.05 for name in FIELDS}
    return Customers(values, known)


def make_table(lines: int = 20, seed: int = 1) -> list[Line]:
    rng = np.random.default_rng(seed)
    return [
        Line(
            int(rng.integers(1, 25)),
            int(rng.integers(50_000, 450_000)),
            bool(rng.integers(0, 2)),
            int(rng.integers(0, len(TIERS))),
            int(rng.integers(19_100, 20_200)),
        )
        for _ in range(lines)
    ]


def easy_table(lines: int = 20) -> list[Line]:
    """Most rows are decided by the first lines."""
    return [Line(at // 3, 400_000 - at * 10_000, True, at % 4, 19_000) for at in range(lines)]


# --- NumPy -------------------------------------------------------------------------------------


def numpy_condition(customers: Customers) -> Callable[[], NDArray[np.bool_]]:
    """On codes, and as if everything were known: what costs least."""
    count, tier = customers.values["count"], customers.values["tier"]
    return lambda: (count > 9) & (tier == 2)


def numpy_three_valued(
    customers: Customers,
) -> Callable[[], tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """True and known, after Kleene."""
    count, tier = customers.values["count"], customers.values["tier"]
    count_known, tier_known = customers.known["count"], customers.known["tier"]

    def run() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        first, second = (count > 9) & count_known, (tier == 2) & tier_known
        true = first & second
        return true, true | (count_known & ~first) | (tier_known & ~second)

    return run


def numpy_table(customers: Customers, lines: Sequence[Line]) -> Callable[[], NDArray[np.integer]]:
    values, known = customers.values, customers.known

    def run() -> NDArray[np.integer]:
        matched = np.full(len(customers), -1, np.int16)
        everything = known["count"] & known["spend"] & known["tier"] & known["day"]
        for row in reversed(range(len(lines))):
            line = lines[row]
            spend = values["spend"]
            holds = (values["count"] >= line.count) & (values["tier"] == line.tier)
            holds &= (spend >= line.spend) if line.at_least else (spend < line.spend)
            holds &= (values["day"] >= line.day) & everything
            matched[holds] = row
        return matched

    return run


# --- DuckDB ------------------------------------------------------------------------------------


def connection(customers: Customers) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("SET threads = 1")
    arrays = {
        name: pa.array(customers.values[name], mask=~customers.known[name]) for name in FIELDS
    }
    given = pa.table(arrays)  # noqa: F841  # read by its name
    labels = ", ".join(f"'{tier}'" for tier in TIERS)
    con.execute(f"CREATE TYPE tiers AS ENUM ({labels})")
    con.execute(
        f"CREATE TABLE customers AS SELECT count, spend, [{labels}][tier + 1]::tiers AS tier, day "
        "FROM given"
    )
    return con


def duckdb_condition(con: duckdb.DuckDBPyConnection) -> Callable[[], NDArray[np.bool_]]:
    query = "SELECT count > 9 AND tier = 'gold' AS holds FROM customers"
    return lambda: con.execute(query).fetchnumpy()["holds"]


def duckdb_table(
    con: duckdb.DuckDBPyConnection, lines: Sequence[Line]
) -> Callable[[], NDArray[np.integer]]:
    whens = " ".join(
        f"WHEN count >= {line.count} AND spend {'>=' if line.at_least else '<'} {line.spend} "
        f"AND tier = '{TIERS[line.tier]}' AND day >= {line.day} THEN {row}"
        for row, line in enumerate(lines)
    )
    query = f"SELECT CASE {whens} ELSE -1 END AS matched FROM customers"
    return lambda: con.execute(query).fetchnumpy()["matched"]


# --- polars ------------------------------------------------------------------------------------


def frame(customers: Customers) -> pl.DataFrame:
    columns = {
        name: pl.from_arrow(pa.array(customers.values[name], mask=~customers.known[name]))
        for name in FIELDS
    }
    labels = pl.Series(TIERS, dtype=pl.Enum(TIERS))
    columns["tier"] = labels.gather(columns["tier"])
    return pl.DataFrame(columns)


def polars_condition(given: pl.DataFrame) -> Callable[[], pl.Series]:
    query = (pl.col("count") > 9) & (pl.col("tier") == "gold")
    return lambda: given.select(query.alias("holds"))["holds"]


def polars_table(given: pl.DataFrame, lines: Sequence[Line]) -> Callable[[], pl.Series]:
    chain = pl
    for row, line in enumerate(lines):
        spend = pl.col("spend")
        holds = (
            (pl.col("count") >= line.count)
            & (spend >= line.spend if line.at_least else spend < line.spend)
            & (pl.col("tier") == TIERS[line.tier])
            & (pl.col("day") >= line.day)
        )
        chain = chain.when(holds).then(pl.lit(row, pl.Int16))
    query = chain.otherwise(pl.lit(-1, pl.Int16)).alias("matched")
    return lambda: given.select(query)["matched"]
