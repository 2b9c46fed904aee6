"""Parts of an evaluation as Arrow tables: their form, what is refused, and what survives."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from streams import pa

import crmcore as crm
from crmcore.errors import DataError
from crmcore.records.intake import LeftOut
from crmcore.streaming.accounts import Account

AS_OF = date(2025, 6, 30)
SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
POLICY = crm.presets.load("classic")
HOLISTIC = crm.load_policy(
    'extends = "classic"\nname = "h"\n'
    '[facts]\ngap_median_days = { of = "sale", take = "median", field = "gap_days" }\n'
)
IDS: dict[str, tuple[Any, list[Any]]] = {
    "int": (pa.int64(), [1, 2, None]),
    "text": (pa.string(), ["C1", "Zoë", None]),
    "large text": (pa.large_string(), ["C1", "", None]),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["C1", "C2", None]),
    "uuid": (pa.uuid(), [UUID(int=7), UUID(int=2**127), None]),
    "narrow": (pa.int16(), [-3, 2, None]),
    "nothing": (pa.null(), [None, None, None]),
}


def rows(kind: str = "text", **columns: Any) -> Any:
    type_, people = IDS[kind]
    given = {
        "order_id": [1, 2, 3, 4],
        "customer_id": pa.array([*people, people[0]], type_),
        "placed_at": ["2025-01-05", "2025-02-06", "2025-03-07", "2024-12-01"],
        "amount": ["300.00", "80.50", "7.00", "1200.00"],
    }
    return pa.table({**given, **columns})


def job_of(table: Any, policy: crm.Policy = POLICY, **options: Any) -> crm.PartialJob:
    return crm.PartialJob(policy, SOURCE, table.schema, **{"as_of": AS_OF, **options})


def expected(table: Any, job: crm.PartialJob, customers: Any = None) -> Any:
    orders = crm.OrderTable.from_frame(table, SOURCE)
    one = crm.evaluate(job.policy, orders, customers, as_of=AS_OF)
    return one.to_frame("pyarrow").cast(job.result_schema)


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_each_kind(kind: str) -> None:
    table = rows(kind)
    job = job_of(table)
    parts = [job.partial(table.slice(at, 1)) for at in range(4)]
    assert all(part.schema.equals(job.part_schema, check_metadata=True) for part in parts)
    assert job.finish(parts).equals(expected(table, job))
    assert job.finish(job.merge(parts)).equals(expected(table, job))
    assert job.evaluate_group(table).equals(expected(table, job))


def test_batches_tables_streams_and_iterators_are_taken() -> None:
    table = rows()
    job = job_of(table)
    ways = [table, table.to_batches()[0], table.to_batches(max_chunksize=2), table.to_reader()]
    ways.append(iter(table.to_batches(max_chunksize=3)))
    parts = [job.partial(way) for way in ways]
    assert all(part.equals(parts[0]) for part in parts)


def test_a_job_can_be_pickled_and_gives_the_same() -> None:
    table = rows()
    job = job_of(table)
    before = job.partial(table)  # what was worked out once stays behind
    size = len(pickle.dumps(job_of(table)))
    assert len(pickle.dumps(job)) == size
    again = pickle.loads(pickle.dumps(job))
    assert again.partial(table).equals(before, check_metadata=True)
    assert again.finish(before).equals(job.finish(before))


def test_no_rows_have_the_same_columns() -> None:
    table = rows()
    job = job_of(table)
    part = job.partial(table.slice(0, 0))
    assert part.schema.equals(job.part_schema)
    for result in (job.finish(part), job.finish([]), job.evaluate_group([])):
        assert result.schema.equals(job.result_schema)
        assert result.num_rows == 0
    assert job.account(part)[0].rows == 0
    assert job.merge([]).num_rows == 0


def test_a_part_has_one_row_a_customer_and_one_for_the_account() -> None:
    table = rows(amount=["300.00", "much", "7.00", "1200.00"])
    job = job_of(table)
    part = job.partial(table)
    assert part["customer_id"].to_pylist() == ["C1", None]
    assert part["account"].is_null().to_pylist() == [True, False]
    figures = set(part.column_names) - {"customer_id", "account", "job"}
    assert "largest_placed_sale_period_1" in figures
    assert all(part[name].null_count in (1, 2) for name in figures)
    intake, findings = job.account(job.merge([part, part.slice(0, 0)]))
    assert (intake.rows, intake.kept, intake.quarantined) == (4, 3, 1)
    assert [str(one) for one in findings] == [
        "1 row set aside: unreadable_amount",
        "1 row without customer, in the shop's totals only",
    ]


def test_the_order_of_rows_and_other_columns_of_a_part_do_not_matter() -> None:
    table = rows()
    job = job_of(table)
    part = pa.concat_tables([job.partial(table.slice(at, 1)) for at in range(4)])
    mixed = part.take([5, 2, 0, 6, 4, 1, 3]).append_column("bucket", pa.array([0] * 7))
    mixed = mixed.select(sorted(mixed.column_names)).replace_schema_metadata(None)
    assert job.finish(mixed).equals(expected(table, job))


def test_customers_without_orders_and_their_attributes() -> None:
    table = rows()
    job = job_of(table)
    listed = pa.table({"customer_id": ["C1", "C9"], "blocked": [True, False]})
    found = job.finish(job.partial(table), listed)
    assert found.equals(expected(table, job, crm.CustomerTable.from_frame(listed)))
    assert found["class"].to_pylist() == ["malicious", "non_ordering", "bronze"]
    # Without a single order here, who is listed has none all the same.
    nobody = job.finish([], listed)
    assert nobody["class"].to_pylist() == ["non_ordering", "non_ordering"]
    assert nobody["orders_ever"].to_pylist() == [0, 0]


def test_repeats_are_settled_among_the_rows_of_a_call() -> None:
    table = pa.concat_tables([rows(), rows().slice(1, 2)])
    for memory in (1, 1 << 29):  # on disk, and where they are
        job = job_of(table, memory=memory)
        part = job.partial(table.to_batches(max_chunksize=1))
        assert job.finish(part).equals(expected(table, job))
        assert [(one.reason, one.rows) for one in job.account(part)[0].left_out] == [
            ("duplicate", 2)
        ]


def test_sums_beyond_64_bits_are_seen_over_parts() -> None:
    policy = crm.load_policy(
        'extends = "classic"\nname = "t"\n[facts]\ntotal = { of = "order", take = "sum" }\n'
    )
    table = rows("int", amount=["92233720368547758.07"] * 4)
    job = job_of(table, policy)
    parts = [job.partial(table.slice(at, 1)) for at in range(4)]
    with pytest.raises(DataError, match="beyond 64 bits"):
        job.finish(parts)
    assert job.finish(parts[1:3])["total"].to_pylist() == [Decimal("92233720368547758.07")]


OTHERS: dict[str, Any] = {
    "another moment": lambda table: job_of(table, as_of=date(2025, 6, 29)),
    "another policy": lambda table: job_of(
        table, crm.load_policy('extends = "classic"\nname = "p"\nsale_statuses = ["paid"]\n')
    ),
    "another source": lambda table: crm.PartialJob(
        POLICY, SOURCE.model_copy(update={"zone": "UTC"}), table.schema, as_of=AS_OF
    ),
    "another column": lambda table: job_of(table.append_column("quantity", pa.array([1] * 4))),
    "another identity": lambda table: job_of(
        table,
        identity=crm.IdentityMap.from_rows([("C1", "C2", datetime(2020, 1, 1, tzinfo=UTC), None)]),
    ),
}
DIFFERENCE = {
    "another moment": "as_of_us",
    "another policy": "policy",
    "another source": "source",
    "another column": "columns",
    "another identity": "identity",
}


@pytest.mark.parametrize("name", OTHERS)
def test_parts_of_another_job_are_refused(name: str) -> None:
    table = rows()
    job, other = job_of(table), OTHERS[name](table)
    part = job.partial(table)
    with pytest.raises(DataError, match=f"another job, which differs in .*{DIFFERENCE[name]}"):
        other.merge([part])
    # Engines drop what a schema says of itself.
    with pytest.raises(DataError, match=r"another job|has to be there, once"):
        other.merge([part.replace_schema_metadata(None)])
    with pytest.raises(DataError):
        other.account(part)


def without_figure(part: Any) -> Any:
    name = next(name for name in part.column_names if name.startswith("largest"))
    values = part[name].to_pylist()
    at = part.column_names.index(name)
    return part.set_column(at, name, pa.array([None, *values[1:]], pa.int64()))


def with_account(text: str) -> Callable[[Any], Any]:
    def changed(part: Any) -> Any:
        at = part.column_names.index("account")
        given = [None] * (len(part) - 1) + [text]
        return part.set_column(at, "account", pa.array(given, pa.string()))

    return changed


def of_nobody(part: Any) -> Any:
    return part.set_column(0, "customer_id", pa.nulls(len(part), pa.string()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part.drop_columns("account"), "has to be there, once"),
        (lambda part: part.append_column("job", part["job"]), "has to be there, once"),
        (of_nobody, "figures without a customer"),
        (without_figure, "a figure is missing"),
        (lambda part: part.set_column(0, "customer_id", pa.array([1, 2, 3])), "int64, where"),
        (with_account("{"), "an account that cannot be read"),
        (with_account('{"rows": 1}'), "an account that cannot be read"),
        (with_account("[]"), "an account that cannot be read"),
        (lambda part: part.replace_schema_metadata({"crmcore": "{"}), "differs in format, policy"),
    ],
)
def test_what_is_no_part_is_refused(change: Any, message: str) -> None:
    table = rows()
    job = job_of(table)
    with pytest.raises(DataError, match=message):
        job.finish(change(job.partial(table)))


def test_rows_with_other_columns_than_the_schema_says_are_refused() -> None:
    table = rows()
    job = job_of(table)
    with pytest.raises(DataError, match="has to be there, once"):
        job.partial(table.drop_columns("amount"))
    with pytest.raises(DataError, match="int64, where string is expected"):
        job.partial(table.set_column(3, "amount", pa.array([1, 2, 3, 4])))
    more = table.append_column("note", pa.array(["x"] * 4))
    assert job.partial(more).equals(job.partial(table))


def test_what_is_wrong_is_refused_before_any_worker_starts() -> None:
    table = rows()
    with pytest.raises(DataError):
        job_of(table.drop_columns("customer_id"))
    with pytest.raises(DataError):
        job_of(table, as_of=datetime(2025, 1, 1))
    with pytest.raises(ValueError, match="positive"):
        job_of(table, memory=0)


def test_a_policy_that_needs_all_rows_of_a_customer_has_no_parts() -> None:
    table = rows()
    job = job_of(table, HOLISTIC)
    assert job.plan.by_customer
    with pytest.raises(DataError, match=r"for gap_median_days: use evaluate_group"):
        job.partial(table)
    assert job.evaluate_group(table.to_batches(max_chunksize=1)).equals(expected(table, job))
    part = job.account_group(table)
    assert part.schema.equals(job.part_schema)
    assert job.account([part, part])[0].rows == 8


def test_ids_of_another_kind_than_those_of_the_rows_are_refused() -> None:
    table = rows()
    job = job_of(table)
    with pytest.raises(DataError, match="ids of kind int, where str is expected"):
        job.finish(job.partial(table), pa.table({"customer_id": [1]}))


def test_an_account_as_text_keeps_sums_of_any_size() -> None:
    entry = LeftOut("quarantined", "amount_too_large", 3, 2**80, 1, (1, 2), {"2025-06": (3, 2**80)})
    account = Account(9, 6, [entry], [entry])
    account.notices.update(anonymous=2)
    again = Account.total([Account.from_json(one.to_json()) for one in (account, account)])
    assert again.rows == 18
    assert again.unusable[0].amount_minor == 2**81
    assert again.settled[0].by_month == {"2025-06": (6, 2**81)}
    assert again.unusable[0].positions == ()
    assert again.notices == {"anonymous": 4}
