"""Parts made, merged and finished in any way, against one evaluation of all rows: to the bit."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from streams import Shop, asked, at_once, customers_of, pa, shops

import crmcore as crm
from crmcore import kernels
from crmcore.errors import DataError
from crmcore.facts import partial
from crmcore.records.intake import Intake
from crmcore.streaming import partial_job
from crmcore.streaming.accounts import Account

EXAMPLES = {"quick": 150, "ci": 400, "record": 30_000}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
OF_CUSTOMERS = "scheme_condition_not_met"


def job_of(shop: Shop) -> crm.PartialJob:
    """The job, as it arrives in a worker."""
    job = crm.PartialJob(
        crm.load_policy(shop.case.policy),
        shop.source,
        shop.table.schema,
        **asked(shop),
        unique_orders=shop.unique,
        memory=shop.memory,
    )
    return pickle.loads(pickle.dumps(job))


def shares(keys: list[Hashable], data: st.DataObject) -> list[list[int]]:
    """The rows of some workers: rows of equal keys go to the same one."""
    workers = data.draw(st.integers(1, 4))
    worker = {key: data.draw(st.integers(0, workers - 1)) for key in dict.fromkeys(keys)}
    return [[at for at, key in enumerate(keys) if worker[key] == one] for one in range(workers)]


def batches(rows: pa.Table, data: st.DataObject) -> list[pa.RecordBatch]:
    """The rows as an engine hands them over."""
    return rows.to_batches(max_chunksize=data.draw(st.integers(1, 9)))


def taken(table: pa.Table, rows: list[int]) -> pa.Table:
    return table.take(pa.array(rows, pa.int64()))


def column(shop: Shop, name: str) -> list[Any]:
    rows = range(len(shop.table))
    return shop.table[name].to_pylist() if name in shop.table.column_names else [None for _ in rows]


def in_parts(shop: Shop, job: crm.PartialJob, data: st.DataObject) -> tuple[pa.Table, Any]:
    """The result by partial, merge and finish, and the account."""
    keys: list[Hashable] = list(range(len(shop.table)))
    if job.plan.by_order != "no":
        keys = column(shop, "order_id")
    made = [job.partial(batches(taken(shop.table, rows), data)) for rows in shares(keys, data)]
    assert all(part.schema.equals(job.part_schema) for part in made)
    account = job.account(made)
    for _ in range(data.draw(st.integers(0, 3))):  # any tree
        some = [made.pop(data.draw(st.integers(0, len(made) - 1))) for _ in made[:2]]
        made.append(job.merge(some))
    assert job.account(part for part in made) == account
    shuffled = pa.concat_tables(made).replace_schema_metadata(None)
    ids = shuffled["customer_id"].to_pylist()
    order = data.draw(st.permutations(range(len(ids))))
    listed = customers_of(shop)
    together = listed is not None and shop.identity is not None  # records of one person
    return finished(job, taken(shuffled, order), listed, data, together=together), account


def finished(
    job: crm.PartialJob,
    given: pa.Table,
    listed: crm.CustomerTable | None,
    data: st.DataObject,
    *,
    together: bool,
) -> pa.Table:
    """The results of all customers, some of them in each worker."""
    ids = given["customer_id"].to_pylist()
    everybody = [*ids, *([] if listed is None else listed.ids.tolist())]
    found = []
    for share in [range(len(everybody))] if together else shares(everybody, data):
        own = [at for at in share if at < len(ids)]
        theirs = np.array([at - len(ids) for at in share if at >= len(ids)], np.int64)
        records = None if listed is None else listed.take(theirs, listed.ids.take(theirs))
        found.append(job.finish(batches(taken(given, own), data) or given.slice(0, 0), records))
    return pa.concat_tables(found)


def in_groups(shop: Shop, job: crm.PartialJob, data: st.DataObject) -> tuple[pa.Table, Any]:
    """The result of all rows of some customers at a time, and the account."""
    groups = shares(persons(shop), data)
    given = [batches(taken(shop.table, rows), data) for rows in groups]
    found = [job.evaluate_group(rows) for rows in given]
    return pa.concat_tables(found), job.account([job.account_group(rows) for rows in given])


def persons(shop: Shop) -> list[Hashable]:
    """For each row, all that it has to do with: the customers of an order or of one person."""
    root: dict[Hashable, Hashable] = {}

    def find(one: Hashable) -> Hashable:
        while root.setdefault(one, one) != one:
            one = root[one]
        return one

    for name in ("customer_id", "order_id", "returns_order_id"):
        for at, value in enumerate(column(shop, name)):
            if value is not None:
                root[find((name == "customer_id", value))] = find(at)
    if shop.identity is not None:
        ids = shop.identity.ids.tolist()
        for one, other in zip(shop.identity.customer, shop.identity.person, strict=True):
            root[find((True, ids[one]))] = find((True, ids[other]))
    return [find(at) for at in range(len(shop.table))]


def without_positions(intake: Intake) -> Intake:
    return replace(intake, left_out=tuple(replace(one, positions=()) for one in intake.left_out))


def alike(found: pa.Table, expected: pa.Table) -> None:
    """The same rows, in any order, to the bit."""
    ids = found["customer_id"].to_pylist()
    place = {one: at for at, one in enumerate(ids)}
    assert len(place) == len(ids)
    wanted = expected["customer_id"].to_pylist()
    assert place.keys() == set(wanted)
    ordered = found.take(pa.array([place[one] for one in wanted], pa.int64()))
    for name in expected.column_names:
        assert ordered[name].combine_chunks().equals(expected[name].combine_chunks()), name
    assert ordered.schema.equals(expected.schema)


def either_way(shop: Shop, data: st.DataObject) -> tuple[pa.Table, Any]:
    job = job_of(shop)
    return (in_groups if job.plan.by_customer else in_parts)(shop, job, data)


def mergeable(shop: Shop) -> Shop:
    """The shop with facts that can be merged only, and returns that name no order."""
    policy = dict(shop.case.policy)
    facts = crm.load_policy(policy).facts
    policy["facts"] = {
        name: fact
        for name, fact in policy["facts"].items()
        if facts[name].of != "line" and facts[name].merge_kind == "constant"
    }
    try:
        crm.load_policy(policy)
    except crm.PolicyError:  # a decision names one of the others
        policy = dict(shop.case.policy)
    names = [name for name in shop.table.column_names if name != "returns_order_id"]
    case = replace(shop.case, policy=policy)
    batches = [one.select(names) for one in shop.batches]
    return replace(shop, case=case, table=shop.table.select(names), batches=batches)


def check(shop: Shop, data: st.DataObject, reached: Counter[object]) -> None:
    if data.draw(st.booleans()):
        shop = mergeable(shop)
    listed = customers_of(shop)
    try:
        one, orders = at_once(shop)
        without = crm.evaluate(one.policy, orders, **asked(shop))
    except DataError:
        with pytest.raises(DataError):
            either_way(shop, data)
        reached["refused"] += 1
        return
    job = job_of(shop)
    by_group = job.plan.by_customer or data.draw(st.booleans())
    if by_group and listed is not None:
        shop = replace(shop, case=replace(shop.case, customers=None))
        one = without
    found, (intake, findings) = (in_groups if by_group else in_parts)(shop, job, data)
    alike(found, one.to_frame("pyarrow").cast(job.result_schema))
    assert intake == without_positions(orders.intake)
    assert list(intake.notices) == list(orders.intake.notices)
    expected = [one for one in without.findings if one.code != OF_CUSTOMERS]
    assert list(findings) == expected
    reached[by_group, job.plan.by_order] += 1


def run(examples: int, **options: Any) -> Counter[object]:
    reached: Counter[object] = Counter()

    @settings(max_examples=examples, suppress_health_check=SLOW, database=None, **options)
    @given(shops(), st.data())
    def checked(shop: Shop, data: st.DataObject) -> None:
        check(shop, data, reached)

    checked()
    return reached


def test_parts_and_groups_give_the_result_of_all_rows_at_once() -> None:
    reached = run(EXAMPLES[PROFILE])
    wanted = {(False, "no"), (False, "yes"), (True, "no"), (True, "yes")}
    assert wanted <= reached.keys(), wanted - reached.keys()


ADDED, DECIDED = Account.total, partial_job.decided
JOINING = "crmcore.facts.partial._JOINING"


def joined_by(take: str, kernel: Any) -> tuple[str, Any]:
    """Rows of a customer brought together in another way."""
    other = partial._JOINING[take]._replace(group=kernel)
    return JOINING, {**partial._JOINING, take: other}


DEFECTS: dict[str, tuple[str, Any]] = {
    "the first order as the last": joined_by("largest", kernels.smallest),
    "counts of one part only": joined_by("count", kernels.largest),
    "customers that are not brought together": (
        "crmcore.facts.partial.Partial.grouped",
        lambda ids, codes, figures: partial.Partial(
            ids, {figure: values[: len(ids)] for figure, values in figures.items()}
        ),
    ),
    "repeats that are not seen": (
        "crmcore.streaming.job.hash_column",
        lambda raw, key: np.arange(len(raw), dtype=np.uint64) * np.uint64(2**50),
    ),
    "the account of one part only": (
        "crmcore.streaming.accounts.Account.total",
        lambda given: ADDED([*given][:1]),
    ),
    "results without those who have no orders": (
        "crmcore.streaming.partial_job.decided",
        lambda question, facts, persons: DECIDED(question, facts, None),
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_seeded_defect_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*DEFECTS[name])
    with pytest.raises((AssertionError, DataError)):
        run(1_000, derandomize=True, phases=[Phase.generate])
