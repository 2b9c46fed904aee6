"""Streams against one reading of all rows: every column and the whole account, to the bit."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from streams import Shop, at_once, pa, same, shops, streamed

from crmcore.errors import DataError
from crmcore.streaming import job, partitions

EXAMPLES = {"quick": 150, "ci": 600, "record": 30_000}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

PLANS = {
    *(("no", False), ("no", True), ("if_repeated", False), ("if_repeated", True)),
    *(("yes", False), ("yes", True)),
}
REASONS = {
    *("missing_time", "missing_amount", "unreadable_amount", "amount_not_exact", "small"),
    *("large", "missing_order_id", "unknown_status", "bad_version", "conflicting_duplicate"),
    *("duplicate", "superseded", "conflicting_order", "positive_return", "refused"),
}
NOTICES = {"anonymous", "zero_amount", "return_link_not_found", "no_order_id", "no_line_id"}


def run(examples: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Counter[object]:
    """Compare so many shops, and return what was reached."""
    reached: Counter[object] = Counter()
    monkeypatch.setattr(partitions, "_BITS", 1)  # two files at a time: they are divided more often
    divided = partitions.Partitions._divided
    monkeypatch.setattr(
        partitions.Partitions,
        "_divided",
        lambda parts, file: (reached.update([f"level {parts.level + 1}"]), divided(parts, file))[1],
    )

    @settings(max_examples=examples, suppress_health_check=SLOW, database=None, **options)
    @given(shops())
    def check(shop: Shop) -> None:
        try:
            one, orders = at_once(shop)
        except DataError:
            with pytest.raises(DataError):
                streamed(shop)
            reached["refused"] += 1
            return
        stream = streamed(shop)
        same(stream, one, orders)
        reached[stream.plan.by_order, stream.plan.by_customer] += 1
        reached.update(entry.reason for entry in orders.intake.left_out)
        reached.update(orders.intake.notices)

    check()
    return reached


def test_streams_give_the_result_of_all_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = run(EXAMPLES[PROFILE], monkeypatch)
    wanted = {*PLANS, *REASONS, *NOTICES, "level 1", "level 2"}
    if PROFILE != "quick":
        assert wanted <= reached.keys(), wanted - reached.keys()


def emptied(table: pa.Table, whole: pa.Table, kind: pa.DataType) -> pa.Table:
    """The same rows; columns that hold nothing here, but elsewhere, have another type."""
    for at, name in enumerate(table.column_names):
        if table[name].null_count == len(table) and whole[name].null_count < len(whole):
            table = table.set_column(at, name, pa.nulls(len(table), kind))
    return table


@pytest.mark.parametrize("kind", [pa.null(), pa.float64(), pa.string()], ids=str)
def test_columns_that_hold_nothing_in_a_batch_fit_any_kind(kind: pa.DataType) -> None:
    @settings(max_examples=EXAMPLES[PROFILE] // 4, suppress_health_check=SLOW, database=None)
    @given(shops())
    def check(shop: Shop) -> None:
        shop = replace(shop, batches=[emptied(one, shop.table, kind) for one in shop.batches])
        try:
            one, orders = at_once(shop)
        except DataError:
            with pytest.raises(DataError):
                streamed(shop)
        else:
            same(streamed(shop), one, orders)

    check()


USABLE, CUSTOMER_KEYS = job.usable, job._Run._customer_keys
DEFECTS: dict[str, tuple[str, Any]] = {
    "repeats that are not seen": (
        "crmcore.streaming.job.hash_column",
        lambda raw, key: np.arange(len(raw), dtype=np.uint64) * np.uint64(2**50),
    ),
    "customers that are not brought together": (
        "crmcore.streaming.job._Run._customer_keys",
        lambda run, draft: CUSTOMER_KEYS(run, draft) ^ np.arange(draft.rows.rows, dtype=np.uint64),
    ),
    "positions in the batch in place of the stream": (
        "crmcore.streaming.job.usable",
        lambda draft: USABLE(replace(draft, positions=np.arange(draft.rows.rows))),
    ),
    "orders of one part only": ("crmcore.evaluation.review.Seen.__add__", lambda one, other: other),
    "the account of one part only": (
        "crmcore.streaming.accounts._sum",
        lambda one, other: other,
    ),
    "quantities that are always known": (
        "crmcore.streaming.stored._known",
        lambda table, name: None,
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_seeded_defect_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*DEFECTS[name])
    with pytest.raises((AssertionError, DataError)):
        run(1_000, monkeypatch, derandomize=True, phases=[Phase.generate])
