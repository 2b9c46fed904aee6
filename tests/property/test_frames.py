"""Whatever kind of frame rows come in, they are the same rows; and results go out unchanged."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from frame_kinds import CLASSES, FRAMES, objects, without_uuids
from hypothesis import given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.facts import FactTable
from crmcore.frames import to_frame
from crmcore.records.arrow import raw_columns
from crmcore.records.ids import Ids

pa = pytest.importorskip("pyarrow")

FEWER = settings(max_examples=settings.default.max_examples // 5)
WORDS = ["", "a", "b", "Zoë", "北京", "x" * 20]
WHOLE = st.integers(-(2**63), 2**63 - 1)
MINOR = st.integers(-(10**18) + 1, 10**18 - 1)
# What pandas holds in nanoseconds too.
FIRST, LAST = date(1700, 1, 1), date(2200, 1, 1)
TIMES = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
VALUES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), st.sampled_from(WORDS)),
    "whole": (pa.int64(), WHOLE),
    "uuid": (pa.uuid(), st.uuids().map(lambda one: one.bytes)),
    "money": (pa.decimal128(18, 2), MINOR.map(lambda minor: Decimal(minor).scaleb(-2))),
    "share": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "day": (pa.date32(), st.dates(FIRST, LAST)),
    "at": (pa.timestamp("us", "UTC"), TIMES.map(lambda one: one.replace(tzinfo=UTC))),
    "local": (pa.timestamp("us"), TIMES),
    "flag": (pa.bool_(), st.booleans()),
    "label": (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(WORDS[1:])),
}


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """Rows of every type, some values missing, in chunks."""
    size = draw(st.integers(0, 8))
    columns = {}
    for name, (kind, values) in VALUES.items():
        drawn = draw(st.lists(st.none() | values, min_size=size, max_size=size))
        storage = pa.binary(16) if name == "uuid" else kind
        columns[name] = pa.array(drawn, storage).cast(kind)
    table = pa.table(columns)
    cuts = sorted(draw(st.lists(st.integers(0, size), max_size=3)))
    parts = [table.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, size], strict=True)]
    return pa.concat_tables(parts)


def expected(table: Any) -> dict[str, list[object]]:
    """The values as raw columns have them: times and days as numbers, no empty text."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_temporal(column.type):
            column = column.cast(pa.int32() if column.type == pa.date32() else pa.int64())
        found[name] = [None if value == "" else value for value in column.to_pylist()]
    return found


@pytest.mark.parametrize("name", FRAMES)
@FEWER
@given(table=tables())
def test_the_same_rows_in_every_frame(name: str, table: Any) -> None:
    kind, make = FRAMES[name]
    if "polars" in kind:
        table = without_uuids(table)
    columns = raw_columns(make(table))
    assert sorted(columns) == sorted(table.column_names)
    found = {column: objects(columns[column]) for column in table.column_names}
    assert found == expected(table)
    assert columns["at"].aware or table["at"].null_count == len(table)
    assert not columns["local"].aware


# Results

KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "int": WHOLE,
    "money": st.integers(-(2**63) + 1, 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "date": st.dates(FIRST, LAST).map(lambda day: (day - date(1970, 1, 1)).days),
    "instant": TIMES.map(lambda one: (one - datetime(1970, 1, 1)) // timedelta(microseconds=1)),
    "label": st.integers(0, 2),
    "text": st.sampled_from(WORDS[1:]),
}
TYPES: dict[str, Any] = {"bool": np.bool_, "float": np.float64, "text": object}
IDS = {
    "int": WHOLE,
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4),
    "uuid": st.uuids(),
}


@st.composite
def facts(draw: st.DrawFn) -> FactTable:
    """Facts of every kind, some not known, for customers with ids of one kind."""
    ids = draw(st.sets(IDS[draw(st.sampled_from(sorted(IDS)))], max_size=6))
    columns = {}
    for kind, values in KNOWN.items():
        drawn = draw(st.lists(values, min_size=len(ids), max_size=len(ids)))
        known = draw(st.none() | st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
        columns[kind] = Column(
            kind,  # type: ignore[arg-type]  # its name is its kind
            np.array(drawn, TYPES.get(kind, np.int64)),
            None if known is None else np.array(known, np.bool_),
            exponent=2 if kind == "money" else 0,
            categories=("low", "mid", "high") if kind == "label" else (),
        )
    divisor = draw(st.lists(st.integers(1, 2**62), min_size=len(ids), max_size=len(ids)))
    money = columns["money"]
    columns["ratio"] = Column("ratio", money.values, money.known, np.array(divisor, np.int64), 2)
    return FactTable(Ids.of(ids), columns)


FIELDS = {
    name: FieldType(
        name,  # type: ignore[arg-type]  # its kind
        exponent=2 if name in ("money", "ratio") else 0,
        categories=("low", "mid", "high") if name == "label" else (),
    )
    for name in (*KNOWN, "ratio")
}


@pytest.mark.parametrize("kind", CLASSES)
@FEWER
@given(given=facts())
def test_facts_go_out_and_come_back_in_every_frame(kind: str, given: FactTable) -> None:
    frame = given.to_frame(kind)
    assert isinstance(frame, CLASSES[kind])
    back = FactTable.from_frame(frame, FIELDS)
    assert back.ids.tolist() == [one if isinstance(one, int) else str(one) for one in given.ids]
    assert {name: one.to_list() for name, one in back.columns.items()} == {
        name: one.to_list() for name, one in given.columns.items()
    }
    assert back.frame_kind == kind
    assert isinstance(back.to_frame(), CLASSES[kind])


@pytest.mark.parametrize("kind", CLASSES)
@FEWER
@given(given=facts())
def test_results_are_the_same_in_every_frame(kind: str, given: FactTable) -> None:
    table: Any = to_frame(given.columns, given.ids)
    frame = to_frame(given.columns, given.ids, kind)
    assert isinstance(frame, CLASSES[kind])
    columns = raw_columns(frame)
    assert list(columns) == table.column_names
    assert {name: objects(columns[name]) for name in columns} == expected(table)


# From orders to grades

SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
POLICY = crm.presets.load("classic")
ORDERS = pa.table(
    {
        "order_id": pa.array([1, 2, 3, 4, 5]),
        "amount": pa.array(
            [Decimal("300.10"), Decimal("-20.05"), Decimal("0.35"), *[Decimal(7)] * 2],
            pa.decimal128(10, 2),
        ),
        "placed_at": pa.array(
            [datetime(2025, 3, day, 10, 30, tzinfo=UTC) for day in range(1, 6)],
            pa.timestamp("us", "UTC"),
        ),
        "customer_id": pa.array([UUID(int=number).bytes for number in (7, 5, 7, 9, 5)], pa.uuid()),
        "status": pa.array(["paid", None, "delivered", "cancelled", "paid"]).dictionary_encode(),
    }
)


@pytest.mark.parametrize("name", FRAMES)
def test_results_come_in_the_kind_of_the_orders(name: str) -> None:
    kind, make = FRAMES[name]
    given = without_uuids(ORDERS) if "polars" in kind else ORDERS
    orders = crm.OrderTable.from_frame(make(given), SOURCE)
    assert orders.frame_kind == orders.take(np.arange(3)).frame_kind == kind
    result = crm.evaluate(POLICY, orders, as_of=date(2025, 4, 1))
    frame = result.to_frame()
    assert isinstance(frame, CLASSES[kind])
    plain = crm.OrderTable.from_frame(given, SOURCE)
    table: Any = crm.evaluate(POLICY, plain, as_of=date(2025, 4, 1)).to_frame()
    columns, wanted = raw_columns(frame), raw_columns(table)
    assert {one: objects(columns[one]) for one in columns} == {
        one: objects(wanted[one]) for one in wanted
    }
    assert result.facts.frame_kind == kind
    again = crm.evaluate_facts(POLICY, result.facts, as_of=date(2025, 4, 1))
    assert isinstance(again.to_frame(), CLASSES[kind])
    assert isinstance(again.to_frame("polars"), CLASSES["polars"])


@pytest.mark.parametrize("name", FRAMES)
def test_batches_may_be_frames_of_every_kind(name: str) -> None:
    kind, make = FRAMES[name]
    given = pa.concat_tables([ORDERS, ORDERS[:2]])  # ids repeat, so rows are read a second time
    given = without_uuids(given) if "polars" in kind else given
    batches = [make(given[:4]), make(given[4:])]
    result = crm.evaluate_batches(POLICY, batches, SOURCE, as_of=date(2025, 4, 1))
    whole = crm.evaluate(POLICY, crm.OrderTable.from_frame(given, SOURCE), as_of=date(2025, 4, 1))
    assert result.intake.rows == 7
    assert [result[one] for one in whole.ids] == [whole[one] for one in whole.ids]
