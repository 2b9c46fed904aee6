"""The classic policy over orders on disk: as SQL in DuckDB and Spark, and in batches in crmcore.

    python benchmarks/out_of_core.py --folder /data/scratch

Writes an order set of each size (each with twice the orders and customers of the one before), and
runs every engine on it in a process of its own: from Parquet files to a Parquet file of the whole
result, a row a customer. Results are compared cell by cell at the smallest size. DuckDB and
crmcore get so little memory that they use the disk. Times are printed, never asserted.

`memory` is that of the process (Spark: of the Java machine) without mapped files; `temporary` what
lay on disk at the most. What Spark shuffles, it writes and
reads once, whatever memory there is.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from time import perf_counter, process_time

import pyarrow as pa
from calibration import calibrate
from data import AS_OF
from memory import Peak, apart
from on_disk import Shop, order_batches, order_files, write
from pyarrow import parquet

import crmcore as crm
from crmcore.sql import to_sql

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))  # how Spark is started

THREADS = 2
HEAD = (
    *("engine", "orders", "customers", "s", "ns an order", "processor s", "memory MB"),
    *("temporary MB", "rows read M", "shuffle written MB", "shuffle read MB", "spilled MB"),
)
WARM = Shop(orders=50_000, customers=5_000)
FIGURES = (
    "stageId",
    "numCompleteTasks",
    "inputRecords",
    "inputBytes",
    "shuffleReadRecords",
    "shuffleReadBytes",
    "shuffleWriteRecords",
    "shuffleWriteBytes",
    "peakExecutionMemory",
    "diskBytesSpilled",
    "executorCpuTime",
)
SOURCE = crm.Source(
    currency={"code": "CNY", "exponent": 2}, columns={"placed_at": "placed_us"}, time_unit="us"
)


@dataclass(frozen=True)
class Stage:
    """What a stage of Spark took, over all its tasks; as Spark names it."""

    number: int
    tasks: int
    rows_read: int
    bytes_read: int
    shuffled_rows_read: int
    shuffled_bytes_read: int
    shuffled_rows_written: int
    shuffled_bytes_written: int
    peak_memory: int
    spilled: int
    processor_ns: int


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds on the clock and of all threads, and bytes."""

    seconds: float
    processor: float
    memory: int
    temporary: int
    stages: Sequence[Stage] = ()

    def rows_read(self) -> int:
        return sum(stage.rows_read for stage in self.stages)

    def shuffles(self) -> Iterator[int]:
        """Yield the bytes written and read in shuffles, and spilled."""
        for name in ("shuffled_bytes_written", "shuffled_bytes_read", "spilled"):
            yield sum(getattr(stage, name) for stage in self.stages)


def query(dialect: str) -> str:
    return to_sql(
        crm.presets.load("classic"),
        dialect=dialect,
        customers="customers",
        as_of=AS_OF,
        columns={"returns_order_id": None},
    )


# Each engine: from a folder with orders to a result


def in_duckdb(folder: Path, result: Path, work: Path, memory_mb: int) -> Cost:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET enable_progress_bar = false")
    connection.execute(f"SET memory_limit = '{memory_mb}MiB'")
    connection.execute(f"SET temp_directory = '{work}'")
    connection.from_parquet([*map(str, order_files(folder))]).create_view("orders")
    connection.from_parquet(f"{folder}/customers/*.parquet").create_view("customers")
    text = query("duckdb")
    started, processor = perf_counter(), process_time()
    with Peak(work) as peak:
        connection.execute(f"COPY ({text}) TO '{result}' (FORMAT parquet)")
    seconds = perf_counter() - started
    return Cost(seconds, process_time() - processor, peak.memory, peak.disk)


def in_batches(folder: Path, result: Path, work: Path, memory_mb: int) -> Cost:
    policy = crm.presets.load("classic")
    started, processor = perf_counter(), process_time()
    with Peak(work) as peak:
        customers = crm.CustomerTable.from_frame(parquet.read_table(folder / "customers"))
        evaluation = crm.evaluate_batches(
            policy,
            lambda: order_batches(folder),
            SOURCE,
            customers,
            as_of=AS_OF,
            memory=memory_mb * 2**20,
            folder=work,
        )
        parquet.write_table(evaluation.to_frame(), result)
    seconds = perf_counter() - started
    return Cost(seconds, process_time() - processor, peak.memory, peak.disk)


def in_spark(folder: Path, result: Path, work: Path, memory_mb: int) -> Cost:
    from engines import spark_session

    settings = {
        "spark.driver.memory": f"{memory_mb}m",
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC",
        "spark.local.dir": str(work),
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.shuffle.partitions": "16",
    }
    with spark_session(settings) as session, tempfile.TemporaryDirectory() as warm:
        # The first query of a Java machine takes seconds that have nothing to do with its rows.
        write(WARM, Path(warm, "shop"))
        _spark_query(session, Path(warm, "shop"), Path(warm, "result"))
        warmed = {stage.number for stage in _spark_stages(session)}
        java = int(session._jvm.java.lang.ProcessHandle.current().pid())
        started = perf_counter()
        with Peak(work, java) as peak:
            _spark_query(session, folder, result)
        seconds = perf_counter() - started
        stages = [stage for stage in _spark_stages(session) if stage.number not in warmed]
    processor = sum(stage.processor_ns for stage in stages) / 1e9  # without planning, JIT and GC
    return Cost(seconds, processor, peak.memory, peak.disk, stages)


def _spark_query(session, folder: Path, result: Path) -> None:
    for name in ("orders", "customers"):
        session.read.parquet(str(folder / name)).createOrReplaceTempView(name)
    session.sql(query("spark")).write.parquet(str(result))


def _spark_stages(session) -> list[Stage]:
    """Return all stages so far, as Spark's own pages show them."""
    context, java = session.sparkContext, session._jvm
    none = context._gateway.new_array(java.double, 0)
    stages = (
        context._jsc.sc()
        .statusStore()
        .stageList(java.java.util.ArrayList(), False, False, none, java.java.util.ArrayList())
    )
    every = (stages.apply(place) for place in range(stages.size()))
    return [Stage(*(getattr(stage, name)() for name in FIGURES)) for stage in every]


Run = Callable[[Path, Path, Path, int], Cost]
ENGINES: dict[str, Run] = {"crmcore": in_batches, "DuckDB": in_duckdb, "Spark": in_spark}
MEMORY_MB = {"crmcore": 512, "DuckDB": 512, "Spark": 2048}


# The comparison


def compare(results: dict[str, Path]) -> None:
    """Raise unless all engines found the same in every cell."""
    (first, expected), *others = ((name, table(path)) for name, path in results.items())
    for name, found in others:
        if found.column_names != expected.column_names or len(found) != len(expected):
            raise SystemExit(f"{name}: other rows or columns than {first}")
        for column in expected.column_names:
            if not found[column].cast(expected[column].type).equals(expected[column]):
                raise SystemExit(f"{name}: {column} differs from that of {first}")
    print(f"{len(expected):,} rows of {len(expected.column_names)} columns: all cells equal")


def table(path: Path) -> pa.Table:
    """Read a result, a file or a folder of files, with labels as plain text."""
    given = parquet.read_table(path).sort_by("customer_id")
    columns = {
        name: column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for name, column in zip(given.column_names, given.columns, strict=True)
    }
    return pa.table({name: column.combine_chunks() for name, column in columns.items()})


def main() -> None:
    given = _arguments()
    print(calibrate(), flush=True)
    print(f"| {' | '.join(HEAD)} |\n|---{'|--:' * (len(HEAD) - 1)}|", flush=True)
    for size in range(given.sizes):
        orders = given.orders << size
        shop = Shop(orders, orders // 10, given.ids, given.ids)
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            _measure(shop, Path(name), given, compared=size == 0)
    print(calibrate())


def _measure(shop: Shop, folder: Path, given: argparse.Namespace, compared: bool) -> None:
    write(shop, folder / "shop")
    results = {}
    for name in given.engines:
        work = folder / "work"
        work.mkdir()
        results[name] = folder / f"{name}.parquet"
        memory_mb = given.memory_mb or MEMORY_MB[name]
        cost = apart(ENGINES[name], folder / "shop", results[name], work, memory_mb)
        shutil.rmtree(work)
        print(_line(name, shop, cost), flush=True)
        if given.stages and cost.stages:
            _print_stages(cost.stages)
    if compared:
        compare(results)


def _line(name: str, shop: Shop, cost: Cost) -> str:
    cells = [name, f"{shop.orders:,}", f"{shop.customers:,}", f"{cost.seconds:.1f}"]
    cells += [f"{cost.seconds / shop.orders * 1e9:.0f}", f"{cost.processor:.1f}"]
    cells += [_mb(cost.memory), _mb(cost.temporary)]
    if cost.stages:
        cells += [f"{cost.rows_read() / 1e6:.1f}", *map(_mb, cost.shuffles())]
    else:
        cells += [""] * 4
    return f"| {' | '.join(cells)} |"


def _mb(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _print_stages(stages: Sequence[Stage]) -> None:
    names = [one.name.replace("_", " ") for one in fields(Stage)]
    print(f"\n| {' | '.join(names)} |\n|{'--:|' * len(names)}")
    for stage in sorted(stages, key=lambda stage: stage.number):
        if stage.tasks:
            print(f"| {' | '.join(f'{value:,}' for value in astuple(stage))} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=2_500_000, help="of the smallest size")
    parser.add_argument("--sizes", type=int, default=4, help="each is twice the one before")
    parser.add_argument("--ids", choices=["dense", "random64", "uuid"], default="dense")
    parser.add_argument("--engines", nargs="*", choices=[*ENGINES], default=[*ENGINES])
    parser.add_argument("--memory-mb", type=int, default=None, help="of every engine")
    parser.add_argument("--stages", action="store_true", help="of Spark, one by one")
    parser.add_argument("--folder", default=None, help="where files may stand meanwhile")
    return parser.parse_args()


if __name__ == "__main__":
    main()
