"""Parts in the workers of Spark: partial, a shuffle, merge and finish, with equal results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from engines import Engines, every

import crmcore as crm

pa = pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully:FutureWarning")

AS_OF = date(2025, 6, 30)
SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
CLASSIC = crm.presets.load("classic")
HOLISTIC = crm.load_policy(
    'extends = "classic"\nname = "h"\n'
    '[facts]\ngap_median_days = { of = "sale", take = "median", field = "gap_days" }\n'
)
IDS = {"text": pa.string(), "int": pa.int64()}


def instants(texts: Any) -> Any:
    return texts.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))


def shop(kind: str) -> Any:
    """Orders with repeats, contradictions, rows that cannot be used, and rows of nobody."""
    number = range(3_000)
    people = [None if n % 11 == 0 else n * 7 % 401 for n in number]
    texts = [None if one is None else f"C{one}" for one in people]
    table = pa.table(
        {
            "order_id": pa.array([None if n % 500 == 3 else n for n in number], pa.int64()),
            "customer_id": pa.array(texts if kind == "text" else people, IDS[kind]),
            "placed_at": pa.array(
                [f"202{3 + n % 3}-0{1 + n % 6}-1{n % 9} 10:00:00" for n in number]
            ),
            "amount": pa.array(
                ["much" if n % 700 == 5 else f"{n % 900}.{n % 10}0" for n in number]
            ),
            "quantity": pa.array([None if n % 4 == 0 else n % 5 for n in number], pa.int64()),
        }
    )
    if kind == "int":  # instants as such; Spark hands them over in the zone of its session
        table = table.set_column(2, "placed_at", instants(table["placed_at"]))
    contradicting = table.slice(100, 20).set_column(3, "amount", pa.array(["1.00"] * 20))
    return pa.concat_tables([table, table.slice(500, 200), contradicting])


def worker(verb: Callable[[Any], Any]) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """A verb as Spark calls it: once a task, with the batches of the task."""
    return lambda batches: iter(verb(batches).to_batches(max_chunksize=10_000))


def spark_type(schema: Any) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def at_once(policy: crm.Policy, table: Any, customers: Any = None) -> tuple[crm.Evaluation, Any]:
    orders = crm.OrderTable.from_frame(table, SOURCE)
    listed = None if customers is None else crm.CustomerTable.from_frame(customers)
    return crm.evaluate(policy, orders, listed, as_of=AS_OF), orders.intake


def same(found: Any, one: crm.Evaluation, job: crm.PartialJob) -> None:
    """All columns of everybody, to the bit."""
    expected = one.to_frame("pyarrow").cast(job.result_schema)
    ordered = found.sort_by("customer_id")
    expected = expected.sort_by("customer_id")
    assert ordered.column_names == expected.column_names
    for name in expected.column_names:
        column = ordered[name].combine_chunks().cast(expected.schema.field(name).type)
        assert column.equals(expected[name].combine_chunks()), name


@every("spark", "spark ansi")
@pytest.mark.parametrize("ids", IDS)
def test_partial_merge_finish(kind: str, ids: str, engines: Engines) -> None:
    table = shop(ids)
    with engines.open(kind, zone="America/New_York") as engine:
        from pyspark.sql.pandas.types import to_arrow_schema

        engine.load({"orders": table})
        rows = engine.connection.table("orders")
        schema = to_arrow_schema(rows.schema, timezone="UTC")
        job = crm.PartialJob(CLASSIC, SOURCE, schema, as_of=AS_OF)
        assert (job.plan.by_order, job.plan.by_customer) == ("yes", False)
        parts = (
            rows.repartition(5, "order_id")
            .mapInArrow(worker(job.partial), spark_type(job.part_schema))
            .persist()
        )
        results = parts.repartition(4, "customer_id").mapInArrow(
            worker(job.finish), spark_type(job.result_schema)
        )
        one, intake = at_once(CLASSIC, table)
        same(results.toArrow(), one, job)
        found, findings = job.account(parts.where("account is not null").toArrow())
        parts.unpersist()
    assert (found.rows, found.kept, found.notices) == (intake.rows, intake.kept, intake.notices)
    counts = [(entry.reason, entry.rows, entry.amount_minor) for entry in intake.left_out]
    assert [(entry.reason, entry.rows, entry.amount_minor) for entry in found.left_out] == counts
    assert list(findings) == [one for one in one.findings if one.code != "scheme_condition_not_met"]


def bucketed(frame: Any) -> Any:
    """Groups of many customers, so that no function is called for a single one."""
    return frame.selectExpr("*", "pmod(hash(customer_id), 6) as bucket").groupBy("bucket")


@every("spark")
def test_customers_meet_their_parts_in_cogroups(kind: str, engines: Engines) -> None:
    table = shop("text")
    customers = pa.table(
        {
            "customer_id": [f"C{n}" for n in range(300, 500)],  # some of them without orders
            "blocked": [n % 3 == 0 for n in range(200)],
        }
    )
    with engines.open(kind) as engine:
        engine.load({"orders": table, "customers": customers})
        job = crm.PartialJob(CLASSIC, SOURCE, table.schema, as_of=AS_OF)
        parts = (
            engine.connection.table("orders")
            .repartition(3, "order_id")
            .mapInArrow(worker(job.partial), spark_type(job.part_schema))
        )
        listed = engine.connection.table("customers")
        results = (
            bucketed(parts)
            .cogroup(bucketed(listed))
            .applyInArrow(
                lambda some, records: job.finish(some, records), spark_type(job.result_schema)
            )
        )
        same(results.toArrow(), at_once(CLASSIC, table, customers)[0], job)


@every("spark")
def test_groups_of_customers_for_a_policy_that_needs_all_their_rows(
    kind: str, engines: Engines
) -> None:
    table = shop("text")
    with engines.open(kind) as engine:
        engine.load({"orders": table})
        job = crm.PartialJob(HOLISTIC, SOURCE, table.schema, as_of=AS_OF)
        assert job.plan.by_customer
        groups = bucketed(engine.connection.table("orders"))
        results = groups.applyInArrow(
            lambda rows: job.evaluate_group(rows), spark_type(job.result_schema)
        )
        accounts = groups.applyInArrow(
            lambda rows: job.account_group(rows), spark_type(job.part_schema)
        )
        one, intake = at_once(HOLISTIC, table)
        same(results.toArrow(), one, job)
        found, _ = job.account(accounts.toArrow())
    assert (found.rows, found.kept, found.notices) == (intake.rows, intake.kept, intake.notices)


@every("spark ansi")
def test_the_examples_of_the_page_run(kind: str, engines: Engines, root: Path) -> None:
    page = (root / "docs" / "spark.md").read_text("utf-8")
    fences = re.findall(r"^```(python|py)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in fences].count("py") == 4
    with engines.open(kind) as engine:
        session: dict[str, object] = {"spark": engine.connection, "__name__": "example"}
        for _, text in fences:
            exec(text, session)
