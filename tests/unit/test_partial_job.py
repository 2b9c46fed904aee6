"""Parts of an evaluation as Arrow tables: their form, what is refused, and what survives."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from streams import pa

import crmcore as crm
from crmcore.errors import DataError
from crmcore.money import Rate, Rates
from crmcore.records.intake import LeftOut
from crmcore.streaming import partitions
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


def test_rows_go_to_disk_only_where_they_take_more_than_a_share_of_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put: list[int] = []
    add = partitions.Partitions.add
    monkeypatch.setattr(
        partitions.Partitions,
        "add",
        lambda parts, table: (put.append(table.num_rows), add(parts, table))[1],
    )
    table = rows()
    job_of(table).partial(table)
    assert put == []
    job_of(table, memory=16 * 100).partial(table)
    assert sum(put) == 4


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
    "another state of knowledge": lambda table: job_of(
        table, known_at=datetime(2025, 6, 1, tzinfo=UTC)
    ),
    "other rates": lambda table: job_of(
        table, rates=Rates({"JPY": Rate(exponent=0, since=[(AS_OF, "0.05")])})
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
    "another state of knowledge": "known_us",
    "other rates": "rates",
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


def with_account(text: str | bytes) -> Callable[[Any], Any]:
    def changed(part: Any) -> Any:
        at = part.column_names.index("account")
        given = pa.array([None] * (len(part) - 1) + [text], pa.binary())
        return part.set_column(at, "account", given.view(pa.string()))

    return changed


def with_metadata(text: bytes) -> Callable[[Any], Any]:
    return lambda part: part.replace_schema_metadata({"crmcore": text})


def with_figure(start: str, value: int) -> Callable[[Any], Any]:
    """Change the first customer's figure in the first column whose name starts so."""

    def changed(part: Any) -> Any:
        at, name = next(one for one in enumerate(part.column_names) if one[1].startswith(start))
        values = [value, *part[name].to_pylist()[1:]]
        return part.set_column(at, name, pa.array(values, pa.int64()))

    return changed


def with_account_of_a_customer(part: Any) -> Any:
    return part.set_column(
        0, "customer_id", pa.array([*part["customer_id"].to_pylist()[:-1], "C1"])
    )


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
        (with_account("[" * 100_000), "an account that cannot be read"),
        (with_account(b'{"rows": "\xff"}'), "an account that cannot be read"),
        (with_account_of_a_customer, "an account beside other figures"),
        *(
            (with_metadata(text), "differs in format, policy")
            for text in (b"{", b"5", b"null", b"[1]", b'[["format", 1]]', b"1e999", b"\xff")
        ),
        (with_metadata(b"[" * 100_000), "differs in format, policy"),
        (with_figure("count", -1), "a figure that no orders come to"),
        (with_figure("sum_left_high", -1), "a figure that no orders come to"),
        (with_figure("largest_placed", -(2**63)), "a figure that no orders come to"),
        (with_figure("largest_placed", 2**62), "a figure that no orders come to"),
        (with_figure("smallest_placed", 2**63 - 1), "a figure that no orders come to"),
        (with_figure("count_sale", 0), "a figure that no orders come to"),
    ],
)
def test_what_is_no_part_is_refused(change: Any, message: str) -> None:
    table = rows(amount=["92233720368547758.07", "80.50", "7.00", "1200.00"])
    job = job_of(table)
    part = change(job.partial(table))
    for verb in (job.merge, job.finish, job.account):
        with pytest.raises(DataError, match=message):
            verb(part)


def test_counts_that_would_add_up_beyond_64_bits_are_refused() -> None:
    table = rows()
    job = job_of(table)
    part = with_figure("count_order", 2**62)(job.partial(table))
    assert job.merge([part]).num_rows == part.num_rows
    with pytest.raises(DataError, match="adds up beyond 64 bits"):
        job.merge([part] * 4)


OTHER_THINGS: list[Any] = [None, True, -1, 1.5, float("nan"), "x", [None], {"x": 1}]


def changes(given: Any) -> Iterator[Callable[[Any], None]]:
    """Everything that can be changed in a document, at one place each."""
    places = list(given.items() if isinstance(given, dict) else enumerate(given))
    for at, inner in places:
        for other in OTHER_THINGS:
            yield lambda one, at=at, other=other: one.__setitem__(at, other)
        yield lambda one, at=at: one.__delitem__(at)
        if isinstance(inner, dict | list):
            for change in changes(inner):
                yield lambda one, at=at, change=change: change(one[at])
    if isinstance(given, dict):
        yield lambda one: one.update(x=1)


def test_whatever_is_changed_in_an_account_is_refused() -> None:
    source = crm.Source(
        **SOURCE.model_dump(exclude={"exclude"}, exclude_unset=True),
        exclude=[{"reason": "tests", "column": "note", "equals": "test"}],
    )
    table = pa.concat_tables(
        [
            rows(amount=["300.00", "much", "7.00", "1200.00"]),
            rows().slice(0, 1),  # a repeat
            rows(order_id=[5, 6, 7, 8]).slice(1, 1),
        ]
    ).append_column("note", pa.array([None] * 5 + ["test"]))
    job = crm.PartialJob(POLICY, source, table.schema, as_of=AS_OF)
    part = job.partial(table)
    written = json.loads(part["account"].to_pylist()[-1])
    assert [len(written[name]) for name in ("unusable", "settled", "notices")] == [2, 1, 1]
    done = 0
    for change in changes(written):
        other = deepcopy(written)
        change(other)
        if other != {**written, "notices": {}}:  # which an account may have
            done += 1
            with pytest.raises(DataError, match="an account "):
                job.finish(with_account(json.dumps(other).encode())(part))
    assert done > 300
    assert job.account(with_account(json.dumps(written).encode())(part)) == job.account(part)


def test_rows_with_other_columns_than_the_schema_says_are_refused() -> None:
    table = rows()
    job = job_of(table)
    with pytest.raises(DataError, match="has to be there, once"):
        job.partial(table.drop_columns("amount"))
    with pytest.raises(DataError, match="int64, where string is expected"):
        job.partial(table.set_column(3, "amount", pa.array([1, 2, 3, 4])))
    more = table.append_column("note", pa.array(["x"] * 4))
    assert job.partial(more).equals(job.partial(table))


def test_values_that_a_column_does_not_hold_are_refused_by_batch_and_column() -> None:
    tenths, cents = (
        rows(amount=pa.array([Decimal("0.5")] * 3 + [last], pa.decimal128(30, scale)))
        for last, scale in ((Decimal("0.5"), 1), (Decimal("0.25"), 2))
    )
    job = job_of(tenths)
    message = "batch 2: decimal128(30, 2) with values that decimal128(30, 1) does not hold"
    for verb in (job.partial, job.evaluate_group):
        with pytest.raises(DataError) as refused:
            verb([tenths, cents])
        assert str(refused.value) == f"{message} (column 'amount')"
    narrow = rows(quantity=pa.array([1] * 4, pa.int32()))
    with pytest.raises(DataError, match="batch 1: whole numbers beyond 32 bits") as refused:
        job_of(narrow).partial(rows(quantity=[2**40] * 4))
    assert refused.value.column == "quantity"


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
    months = {"2025-06": (3, 2**80)}
    entry = LeftOut("quarantined", "amount_too_large", 3, 2**80, 1, (1, 2), months)
    repeats = LeftOut("collapsed", "duplicate", 3, 2**80, 1, (1, 2), months)
    account = Account(12, 6, [entry], [repeats])
    account.notices.update(anonymous=2)
    text = account.to_json()
    assert "positions" not in text
    again = Account.total([Account.from_json(text.encode(), SOURCE)] * 2)
    assert again.rows == 24
    assert again.unusable[0].amount_minor == 2**81
    assert again.settled[0].by_month == {"2025-06": (6, 2**81)}
    assert again.unusable[0].positions == ()
    assert again.notices == {"anonymous": 4}


def test_an_account_as_text_does_not_depend_on_the_order_of_its_parts() -> None:
    one, other = (
        Account(1, 0, [], [LeftOut(kind, reason, 1, 5, 0, (0,), {"2025-06": (1, 5)})])
        for kind, reason in (("quarantined", "conflicting_duplicate"), ("collapsed", "duplicate"))
    )
    one.notices.update(zero_amount=1)
    other.notices.update(anonymous=1)
    texts = {Account.total(given).to_json() for given in ([one, other], [other, one])}
    assert len(texts) == 1
