"""The engines that policies are written for as SQL, started for tests and behind one face.

`engines` of conftest.py keeps what is slow to start (a PostgreSQL server, a Java machine) for the
whole run. Each engine that it opens has tables of its own:

    with engines.open("postgres", zone="Asia/Tokyo") as engine:
        engine.load({"orders": table})
        engine.fetch("select ...")

Where an engine is absent, the test is skipped with the reason. It fails instead with
CRMCORE_ENGINES=required, as CI sets it.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pytest

KINDS = ("duckdb", "postgres", "spark", "spark ansi")
WAIT_SECONDS = 60


class Absent(Exception):
    """An engine is not on this machine."""


class Engine(Protocol):
    """One session of an engine, with its own tables, time zone and settings."""

    kind: str
    dialect: str
    connection: Any
    failure: tuple[type[Exception], ...]
    """What `fetch` raises when the engine gives an error, of whatever kind: look at its text."""

    def load(self, tables: Mapping[str, Any]) -> None:
        """Make a table of each pyarrow table, with the columns' types; names as they are."""

    def fetch(self, sql: str, **parameters: object) -> Any:
        """Return a query's rows as a pyarrow table: UUIDs as text, instants in UTC."""

    def close(self) -> None: ...


def every(*kinds: str) -> pytest.MarkDecorator:
    """Give a test each kind of engine as `kind`; Spark's tests are marked `spark`."""
    spark = pytest.mark.spark
    params = [
        pytest.param(kind, marks=[spark] if kind.startswith("spark") else [])
        for kind in kinds or KINDS
    ]
    return pytest.mark.parametrize("kind", params)


def uncompiled(engine: Engine) -> None:
    """Have Spark run queries without compiling them, which takes longer for a few rows."""
    if engine.dialect == "spark":
        engine.connection.sql("set spark.sql.codegen.wholeStage = false")
        engine.connection.sql("set spark.sql.codegen.factoryMode = NO_CODEGEN")


def evaluated_on(engine: Engine, policy: Any, *tables: str, **options: Any) -> list[dict[str, Any]]:
    """Return the rows that `evaluate_on` gives for tables, instants in UTC."""
    import crmcore as crm

    if engine.dialect == "postgres":
        sqlalchemy = pytest.importorskip("sqlalchemy")
        made = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=lambda: engine.connection,
            poolclass=sqlalchemy.StaticPool,
        )
        with made.connect() as reached:
            query: Any = crm.evaluate_on(policy, *tables, connection=reached, **options)
            return [_row_in_utc(row) for row in reached.execute(query).mappings()]
    relations = [engine.connection.table(one) for one in tables]
    found: Any = crm.evaluate_on(policy, *relations, **options)
    assert isinstance(found, type(relations[0]))
    table = found.to_arrow_table() if engine.dialect == "duckdb" else found.toArrow()
    return [_row_in_utc(row) for row in table.to_pylist()]


def _row_in_utc(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


class Engines:
    """Opens engines, and keeps what is slow to start until the end."""

    def __init__(self) -> None:
        self._kept = ExitStack()

    def close(self) -> None:
        self._kept.close()

    @contextmanager
    def open(self, kind: str, zone: str = "UTC") -> Iterator[Engine]:
        """Open an engine whose session is in a time zone; skip or fail where it is absent."""
        try:
            engine = self._opened(kind, zone)
        except Absent as absent:
            reason = f"{kind} is absent: {absent}"
            if os.environ.get("CRMCORE_ENGINES") == "required":
                pytest.fail(reason)
            pytest.skip(reason)
        try:
            yield engine
        finally:
            engine.close()

    def _opened(self, kind: str, zone: str) -> Engine:
        if kind == "duckdb":
            return DuckDB(zone)
        if kind == "postgres":
            return Postgres(self._server, zone)
        return Spark(self._spark, zone, ansi=kind == "spark ansi")

    @cached_property
    def _server(self) -> str:
        return self._kept.enter_context(postgres_server())

    @cached_property
    def _spark(self) -> Any:
        return self._kept.enter_context(spark_session())


def _quoted(name: str, mark: str = '"') -> str:
    return mark + name.replace(mark, mark * 2) + mark


def _in_utc(table: Any) -> Any:
    """The same instants, whatever zone the session shows them in."""
    import pyarrow as pa

    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            column = table.column(at).cast(pa.timestamp("us", "UTC"))
            table = table.set_column(at, field.name, column)
    return table


# DuckDB


class DuckDB:
    kind = dialect = "duckdb"

    def __init__(self, zone: str) -> None:
        try:
            import duckdb
        except ImportError as error:
            raise Absent(str(error)) from error
        self.failure: tuple[type[Exception], ...] = (duckdb.Error,)
        self.connection = duckdb.connect()
        self.connection.execute(f"set TimeZone = '{zone}'")

    def load(self, tables: Mapping[str, Any]) -> None:
        for name, table in tables.items():
            self.connection.register("crmcore arriving", table)
            self.connection.execute(f'create table {_quoted(name)} as from "crmcore arriving"')
            self.connection.unregister("crmcore arriving")

    def fetch(self, sql: str, **parameters: object) -> Any:
        rows = self.connection.sql(sql, params=parameters or None)
        columns = map(_lossless, rows.columns, rows.types)
        return _in_utc(rows.project(", ".join(columns)).to_arrow_table())

    def close(self) -> None:
        self.connection.close()


def _lossless(name: str, type_: Any) -> str:
    """A column as Arrow can hold it: 128 bits would become floats."""
    shown = {"HUGEINT": "::decimal(38, 0)", "UUID": "::varchar"}.get(str(type_), "")
    return f"{_quoted(name)}{shown} as {_quoted(name)}"


# PostgreSQL


def _programs() -> Path:
    """The folder of the server's programs; Debian keeps them off the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    newest = max(folders, key=lambda bin: int(bin.parent.name), default=None)
    if newest is None:
        raise Absent("no program initdb (Debian's package postgresql)")
    return newest


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server on a socket in a folder of its own; give what psycopg connects with.

    The order of its texts is that of English and not of their bytes, so that a query that relies
    on the server's order is found out.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise Absent(str(error)) from error
    programs = _programs()
    # The server refuses to run as root.
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        from pwd import getpwnam  # not on every system

        nobody = getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="crmcore-postgres-") as folder:
        if account:
            os.chown(folder, account["user"], account["group"])
        cluster = ["-D", f"{folder}/data", "-U", "crmcore", "-A", "trust", "--no-sync"]
        texts = ["-E", "UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        made = subprocess.run(
            [programs / "initdb", *cluster, *texts],
            cwd=folder,
            capture_output=True,
            text=True,
            **account,
        )
        if made.returncode != 0:
            raise Absent(f"initdb failed: {made.stderr.strip()}")
        with _running(programs, folder, account):
            yield f"host={folder} user=crmcore dbname=postgres"


@contextmanager
def _running(programs: Path, folder: str, account: dict[str, Any]) -> Iterator[None]:
    quick = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "jit=off"]
    quick += ["listen_addresses=", f"unix_socket_directories={folder}", "max_connections=20"]
    options = [part for one in quick for part in ("-c", one)]
    with open(f"{folder}/log", "w+b") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", f"{folder}/data", *options],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **account,
        )
        try:
            _wait_for(server, programs, folder)
            yield
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is connected
            server.wait(WAIT_SECONDS)


def _wait_for(server: subprocess.Popen[bytes], programs: Path, folder: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    asked = [programs / "pg_isready", "-q", "-h", folder, "-d", "postgres", "-U", "crmcore"]
    while subprocess.run(asked).returncode != 0:
        if server.poll() is not None or time.monotonic() > until:
            raise Absent(f"the server did not start: {Path(folder, 'log').read_text()}")
        time.sleep(0.02)


class Postgres:
    kind = dialect = "postgres"

    def __init__(self, server: str, zone: str) -> None:
        import psycopg

        self.failure: tuple[type[Exception], ...] = (psycopg.Error,)
        self.connection = psycopg.connect(server, autocommit=True)
        self._schema = f"session_{self.connection.info.backend_pid}"
        self.connection.execute(f"create schema {self._schema}")
        self.connection.execute(f"set search_path to {self._schema}")
        self.connection.execute(f"set time zone '{zone}'")

    def load(self, tables: Mapping[str, Any]) -> None:
        for name, table in tables.items():
            columns = [f"{_quoted(one.name)} {_postgres_type(one.type)}" for one in table.schema]
            self.connection.execute(f"create table {_quoted(name)} ({', '.join(columns)})")
            with self.connection.cursor().copy(f"copy {_quoted(name)} from stdin") as copy:
                for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                    copy.write_row(row)

    def fetch(self, sql: str, **parameters: object) -> Any:
        import pyarrow as pa

        cursor = self.connection.execute(sql, parameters or None)
        rows = cursor.fetchall()
        columns = zip(*rows, strict=True) if rows else [() for _ in cursor.description]
        arrays = map(_arrow, cursor.description, columns)
        return pa.table(list(arrays), [one.name for one in cursor.description])

    def close(self) -> None:
        self.connection.execute(f"drop schema {self._schema} cascade")
        self.connection.close()


def _postgres_types() -> dict[str, Any]:
    import pyarrow as pa

    return {
        "bool": pa.bool_(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float8": pa.float64(),
        "numeric": pa.decimal128(38, 0),
        "text": pa.string(),
        "varchar": pa.string(),
        "uuid": pa.string(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }


def _postgres_type(type_: Any) -> str:
    import pyarrow as pa

    if pa.types.is_decimal(type_):
        return f"numeric({type_.precision}, {type_.scale})"
    if isinstance(type_, pa.UuidType):
        return "uuid"
    return next(name for name, one in _postgres_types().items() if one == type_)


def _arrow(shown: Any, values: Sequence[Any]) -> Any:
    """A column that psycopg has read as an Arrow array of the type that the server named."""
    import pyarrow as pa

    name = shown.type_display.partition("(")[0]
    if name == "numeric" and shown.precision is not None:
        return pa.array(values, pa.decimal128(shown.precision, shown.scale))
    if name == "numeric" and any(value is not None for value in values):
        return pa.array(values)  # as many digits as its values have
    if name == "uuid":
        values = [value if value is None else str(value) for value in values]
    return pa.array(values, _postgres_types()[name])


# Spark


@contextmanager
def spark_session(settings: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Start Spark in a Java machine of its own, with two threads; `settings` come before these."""
    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise Absent(str(error)) from error
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        raise Absent("no Java; Spark 4 needs Java 17 or later")
    # The machine's own name may be one that nothing resolves.
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Each error would be written with its whole Java stack; the tests expect many.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    with tempfile.TemporaryDirectory(prefix="crmcore-spark-") as folder:
        builder = SparkSession.builder.master("local[2]")
        for key, value in {**_spark_settings(folder), **(settings or {})}.items():
            builder = builder.config(key, value)
        try:
            session = builder.getOrCreate()
        except PySparkRuntimeError as error:
            raise Absent(str(error)) from error
        try:
            yield session
        finally:
            session.stop()


def _spark_settings(folder: str) -> dict[str, str]:
    return {
        "spark.driver.memory": "1g",
        # Queries here are many and small: what matters is how soon they are ready to run.
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": folder,
        "spark.log.level": "OFF",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }


class Spark:
    dialect = "spark"

    def __init__(self, session: Any, zone: str, *, ansi: bool) -> None:
        from py4j.protocol import Py4JJavaError
        from pyspark.errors import PySparkException

        self.kind = "spark ansi" if ansi else "spark"
        # Errors of subqueries come as Java gave them.
        self.failure: tuple[type[Exception], ...] = (PySparkException, Py4JJavaError)
        self.connection = session.newSession()  # views and settings of its own
        self.connection.conf.set("spark.sql.session.timeZone", zone)
        self.connection.conf.set("spark.sql.ansi.enabled", str(ansi).lower())
        self._views: list[str] = []

    def load(self, tables: Mapping[str, Any]) -> None:
        from frame_kinds import without_uuids
        from pyspark.sql.pandas.types import from_arrow_schema

        for name, table in tables.items():
            plain = without_uuids(table)
            # Without a schema, local times would be taken for instants of the session's zone.
            schema = from_arrow_schema(plain.schema, prefer_timestamp_ntz=True)
            frame = self.connection.createDataFrame(plain, schema)
            frame.createOrReplaceTempView(_quoted(name, "`"))
            self._views.append(name)

    def fetch(self, sql: str, **parameters: object) -> Any:
        return _in_utc(self.connection.sql(sql, args=parameters or None).toArrow())

    def close(self) -> None:
        for name in self._views:
            self.connection.catalog.dropTempView(name)
