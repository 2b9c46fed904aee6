"""Ids of several kinds: their order, their codes, and finding them again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.records.ids import as_ids, bad_ids, code_ids, find_ids, locate, unite
from crmcore.records.raw import Coded, raw_column

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(min_size=1, max_size=3)
UUIDS = st.uuids()
IDS = st.one_of(st.integers(-3, 3), st.sampled_from(["1", "a", "A", "ä", "b"]), UUIDS)
WIDE = st.one_of(NUMBERS, TEXTS, UUIDS)
RANK = {int: 0, str: 1, UUID: 2}


def in_order(ids: Any) -> list[Any]:
    return sorted(set(ids), key=lambda one: (RANK[type(one)], one))


@given(st.lists(WIDE))
def test_codes_lead_back_to_the_ids(ids: list[Any]) -> None:
    codes, distinct = code_ids(raw_column("id", ids))
    assert distinct.tolist() == in_order(ids)
    assert [distinct.tolist()[code] for code in codes.tolist()] == ids


@given(st.lists(IDS | st.none()))
def test_missing_ids_have_the_code_minus_one(ids: list[Any]) -> None:
    codes, distinct = code_ids(raw_column("id", ids))
    assert distinct.tolist() == in_order(one for one in ids if one is not None)
    expected = [-1 if one is None else in_order(set(ids) - {None}).index(one) for one in ids]
    assert codes.tolist() == expected


@given(st.lists(IDS, unique=True), st.lists(IDS, unique=True))
def test_unite_and_find(left: list[Any], right: list[Any]) -> None:
    mine, others = (as_ids(in_order(ids)) for ids in (left, right))
    both = unite(mine, others)
    assert both.tolist() == in_order([*left, *right])
    assert [both[place] for place in find_ids(mine, both)] == mine.tolist()
    expected = [in_order(right).index(one) if one in right else -1 for one in in_order(left)]
    assert find_ids(mine, others).tolist() == expected


@given(st.lists(IDS, unique=True), IDS)
def test_locate(ids: list[Any], wanted: Any) -> None:
    ascending = as_ids(in_order(ids))
    expected = in_order(ids).index(wanted) if wanted in ids else -1
    assert locate(wanted, ascending) == expected


@pytest.mark.parametrize("wanted", [True, 1.0, "1", None, 2**70, -(2**70), b"1", (1,), UUID(int=1)])
def test_locate_finds_nothing_of_another_kind(wanted: Any) -> None:
    assert locate(wanted, as_ids([0, 1, 2])) == -1
    assert locate(wanted, as_ids([0, 1, "a"])) == -1
    assert locate(wanted, as_ids([])) == -1


def test_ids_are_compact_when_all_are_whole_numbers() -> None:
    assert as_ids([1, 2]).dtype == np.int64
    assert as_ids([1, "2"]).dtype == np.object_
    assert as_ids([-(2**63), 2**63 - 1]).dtype == np.int64
    assert as_ids([]).dtype == np.int64


def test_text_is_ordered_by_code_point() -> None:
    given_ids = ["ä", "a", "Z", "z", "\U0001f600", "\uffff", "aa", "a\u0308"]
    _, distinct = code_ids(raw_column("id", given_ids))
    assert distinct.tolist() == ["Z", "a", "aa", "a\u0308", "z", "ä", "\uffff", "\U0001f600"]


def test_uuids_are_ordered_by_their_bytes() -> None:
    given_ids = [UUID(int=2**127), UUID(int=1), UUID(int=2**64)]
    _, distinct = code_ids(raw_column("id", given_ids))
    assert distinct.tolist() == [UUID(int=1), UUID(int=2**64), UUID(int=2**127)]


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ([1, 2], None),
        (["a", None], None),
        (np.array([1.0, 2.5, np.nan, np.inf]), [False, True, False, True]),
        ([1.0, 2.0**53], [False, True]),
        ([True, None], [True, False]),
        ([1, "a", True], [False, False, True]),
        (np.array(["2025-01-01"], "M8[D]"), [True]),
        (Coded(np.array([0, -1, 1]), ["a", True]), [False, False, True]),
    ],
)
def test_what_is_no_id(values: Any, bad: list[bool] | None) -> None:
    found = bad_ids(raw_column("id", values), "id")
    assert (None if found is None else found.tolist()) == bad


def test_whole_floats_with_gaps_are_coded_without_a_warning() -> None:
    codes, ids = code_ids(raw_column("id", np.array([7.0, np.nan, -3.0])))
    assert (codes.tolist(), ids.tolist()) == ([1, -1, 0], [-3, 7])


def test_categories_that_do_not_occur_are_no_ids() -> None:
    codes, ids = code_ids(raw_column("id", Coded(np.array([2, 2, -1]), ["z", 1, "a"])))
    assert (codes.tolist(), ids.tolist()) == ([0, 0, -1], ["a"])


def test_nothing_is_an_id_of_no_kind() -> None:
    codes, ids = code_ids(raw_column("id", []))
    assert len(codes) == len(ids) == 0
    assert unite(ids, ids).tolist() == []
    assert find_ids(as_ids(["a"]), ids).tolist() == [-1]
