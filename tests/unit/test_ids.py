"""Ids of several kinds: their order, their codes, and finding them again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.errors import DataError
from crmcore.records.ids import Ids, bad_ids, code_ids, has_repeated_ids
from crmcore.records.raw import Coded, Raw, raw_column
from crmcore.records.united import unite
from crmcore.texts import Texts

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


@given(st.lists(IDS), st.lists(IDS))
def test_merge_and_find(left: list[Any], right: list[Any]) -> None:
    mine, others = Ids.of(left), Ids.of(right)
    both, of_mine, of_others = mine.merge(others)
    assert both.tolist() == in_order([*left, *right])
    for ids, places in ((mine, of_mine), (others, of_others)):
        assert [both[place] for place in places.tolist()] == ids.tolist()
        assert both.find(ids).tolist() == places.tolist()
    expected = [in_order(right).index(one) if one in right else -1 for one in in_order(left)]
    assert others.find(mine).tolist() == expected


@given(st.lists(IDS), st.lists(IDS))
def test_united_ids_are_those_that_are_merged(left: list[Any], right: list[Any]) -> None:
    mine, others = Ids.of(left), Ids.of(right)
    both, *places = mine.merge(others)
    united, *same_places = unite(mine, others)
    assert len(united) == len(both)  # before they are looked at
    assert [one.tolist() for one in same_places] == [one.tolist() for one in places]
    assert copy.deepcopy(united).tolist() == united.tolist() == both.tolist()
    assert united.kinds == both.kinds


@given(st.lists(IDS), IDS)
def test_locate(ids: list[Any], wanted: Any) -> None:
    expected = in_order(ids).index(wanted) if wanted in ids else -1
    assert Ids.of(ids).locate(wanted) == expected


@pytest.mark.parametrize("wanted", [True, 1.0, "1", None, 2**70, -(2**70), b"1", (1,), UUID(int=1)])
def test_locate_finds_nothing_of_another_kind(wanted: Any) -> None:
    assert Ids.of([0, 1, 2]).locate(wanted) == -1
    assert Ids.of([0, 1, "a", UUID(int=2**120)]).locate(wanted) == -1
    assert Ids().locate(wanted) == -1


@given(st.lists(IDS), st.data())
def test_some_of_the_ids(given_ids: list[Any], data: st.DataObject) -> None:
    ids, expected = Ids.of(given_ids), in_order(given_ids)
    kept = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    taken = ids.take(np.array(kept, np.bool_))
    assert taken.tolist() == [one for one, stays in zip(expected, kept, strict=True) if stays]
    assert ids.take(np.flatnonzero(kept)).tolist() == taken.tolist()
    kinds = [{int: "int", str: "str", UUID: "uuid"}[type(one)] for one in expected]
    assert ids.kinds == {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


@given(st.lists(WIDE))
def test_ids_are_a_row_of_objects(given_ids: list[Any]) -> None:
    ids, expected = Ids.of(given_ids), in_order(given_ids)
    assert len(ids) == len(expected)
    assert list(ids) == [ids[row] for row in range(len(ids))] == expected
    assert [ids[row - len(ids)] for row in range(len(ids))] == expected
    assert [type(one) for one in ids] == [type(one) for one in expected]
    assert np.asarray(ids).tolist() == expected
    assert ids.as_texts().tolist() == list(map(str, expected))
    for row in (len(ids), -len(ids) - 1):
        with pytest.raises(IndexError):
            ids[row]


def test_ids_as_an_array() -> None:
    assert np.asarray(Ids.of([1, 2])).dtype == np.asarray(Ids()).dtype == np.int64
    assert np.asarray(Ids.of([1, "2"])).dtype == np.object_
    ids = Ids.of([-(2**63), 2**63 - 1])
    assert np.shares_memory(np.asarray(ids), ids.numbers)
    assert not np.shares_memory(np.array(ids), ids.numbers)
    assert repr(ids) == "Ids(2)"


def test_whole_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(DataError, match="beyond 64 bits"):
        Ids.of([2**63])


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
        (Coded(np.array([0, -1]), Texts.from_strings(["a"])), None),
        (Raw.of_texts(Texts.from_strings(["a", ""])), None),
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
    assert ids.merge(ids)[0].tolist() == []
    assert ids.find(Ids.of(["a"])).tolist() == [-1]


# The same ids in every form a column of them may have


def forms(ids: list[Any]) -> Iterator[Raw]:
    """Yield a column of ids of one kind in each of its forms."""
    yield raw_column("id", ids)
    named = [one for one in dict.fromkeys(ids) if one is not None]
    codes = np.array([-1 if one is None else named.index(one) for one in ids], np.int8)
    yield raw_column("id", Coded(codes, ["unused", *named])).take(np.zeros(0, np.int64))
    yield raw_column("id", Coded(np.where(codes < 0, -1, codes + 1), [UUID(int=7), *named]))
    if all(one is None or isinstance(one, str) for one in ids):
        yield Raw.of_texts(Texts.from_strings(["" if one is None else one for one in ids]))
        yield raw_column("id", Coded(codes, Texts.from_strings(named)))
        hidden = Texts.from_strings(["hidden" if one is None else one for one in ids])
        missing = np.array([one is None for one in ids], np.bool_)
        yield Raw.of_texts(hidden).also_missing(missing)
        more = Texts.from_strings(["" if one is None else one for one in [*ids, "more"]])
        yield Raw.of_texts(more).take(np.arange(len(ids)))
        yield Raw.of_texts(hidden).take(np.arange(len(ids))).also_missing(missing)
    if all(one is None or isinstance(one, UUID) for one in ids):
        data = b"".join(bytes(16) if one is None else one.bytes for one in ids)
        raw = Raw("uuid", np.frombuffer(data, np.uint8).reshape(-1, 16))
        yield raw.also_missing(np.array([one is None for one in ids], np.bool_))


OF_ONE_KIND = st.one_of(
    st.lists(st.integers(-3, 3) | st.none(), max_size=8),
    st.lists(st.sampled_from(["a", "aa", "b", "\U0001f600", "ä"]) | st.none(), max_size=8),
    st.lists(st.integers(0, 3).map(lambda one: UUID(int=one << 60)) | st.none(), max_size=8),
)


@given(OF_ONE_KIND)
def test_every_form_is_coded_alike(ids: list[Any]) -> None:
    expected = in_order(one for one in ids if one is not None)
    for raw in forms(ids):
        codes, found = code_ids(raw)
        rows = ids if len(raw) else []
        assert found.tolist() == (expected if len(raw) else [])
        assert codes.tolist() == [-1 if one is None else expected.index(one) for one in rows]
        assert codes.dtype in (np.int32, np.int64)
        assert bad_ids(raw, "id") is None


@given(OF_ONE_KIND)
def test_repeated_ids(ids: list[Any]) -> None:
    present = [one for one in ids if one is not None]
    for raw in forms(present):
        expected = len(set(present)) < len(present) if len(raw) else False
        assert has_repeated_ids(raw) is expected


@given(OF_ONE_KIND, st.data())
def test_rows_of_every_form(ids: list[Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=9) if ids else st.just([]))
    for raw in forms(ids):
        if len(raw) == len(ids):
            taken = raw.take(np.array(rows, np.int64))
            for one in (taken, taken.coded()):
                missing = np.zeros(len(rows), np.bool_) if one.missing is None else one.missing
                found = [None if gone else one.item(at) for at, gone in enumerate(missing)]
                assert found == [ids[row] for row in rows]


# Ids beside arrays


MIXED = Ids.of([3, 1, "b", "a", UUID(int=5)])


def test_ids_are_compared_one_by_one() -> None:
    assert (MIXED == "a").tolist() == [False, False, True, False, False]
    assert (MIXED != 3).tolist() == [True, False, True, True, True]
    assert (Ids.of([1, 2, 3]) == np.array([1, 0, 3])).tolist() == [True, False, True]
    assert (Ids.of(MIXED.tolist()) == MIXED).all()
    assert (UUID(int=5) == MIXED).sum() == 1
    assert not (Ids.of([1, 2]) == "1").any()
    assert (Ids.of([1, 2]) == None).tolist() == [False, False]  # noqa: E711
    assert (Ids() == "x").shape == (0,)
    with pytest.raises(TypeError, match="unhashable"):
        hash(MIXED)


@given(st.lists(IDS), st.data())
def test_slices_masks_and_positions(given_ids: list[Any], data: st.DataObject) -> None:
    ids, expected = Ids.of(given_ids), in_order(given_ids)
    places = data.draw(st.slices(len(expected)))
    assert np.asarray(ids[places]).tolist() == expected[places]
    kept = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    some = ids[np.array(kept, np.bool_)]
    assert isinstance(some, Ids)
    assert some.tolist() == [one for one, stays in zip(expected, kept, strict=True) if stays]
    if expected:
        rows = data.draw(st.lists(st.integers(-len(ids), len(ids) - 1)))
        for index in (rows, np.array(rows, np.int32)):
            found = ids[index]
            assert isinstance(found, np.ndarray)
            assert found.tolist() == [expected[row] for row in rows]


def test_what_ids_are_taken_by() -> None:
    assert isinstance(MIXED[1:3], Ids)
    assert MIXED[np.int8(-1)] == UUID(int=5)
    for wrong in ("a", 1.0, None, True, [1.0], ["a"], np.zeros((2, 2), np.int64)):
        with pytest.raises(TypeError):
            MIXED[wrong]  # type: ignore[call-overload]  # that is the question
    for beyond in (5, [5], [True], [-6]):
        with pytest.raises(IndexError):
            MIXED[beyond]


def test_ids_taken_ascend() -> None:
    for rows in ([1, 0], [1, 1]):
        with pytest.raises(ValueError, match="ascend"):
            MIXED.take(np.array(rows))
    for rows in ([-1, 0], [0, 5]):
        with pytest.raises(IndexError):
            MIXED.take(np.array(rows))
    with pytest.raises(IndexError):
        MIXED.take(np.array([True]))


def test_the_shared_array_is_read_only() -> None:
    ids = Ids.of([1, 2])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(ids)[0] = 7
    np.array(ids)[0] = 7
    assert ids.tolist() == [1, 2]


@pytest.mark.parametrize("wrong", [None, 1.5, 2.0, True, np.True_, b"a", (1,)])
def test_what_is_no_id_is_refused(wrong: Any) -> None:
    with pytest.raises(DataError, match="whole numbers, text or UUIDs"):
        Ids.of([1, wrong])


def test_numbers_of_numpy_are_ids() -> None:
    ids = Ids.of([np.int64(5), np.uint8(3), 4, np.str_("a")])
    assert ids.tolist() == [3, 4, 5, "a"]
    assert [type(one) for one in ids] == [int, int, int, str]


# Text that is not UTF-8


def texts_of(parts: list[bytes]) -> Texts:
    ends = np.cumsum([0, *map(len, parts)])
    return Texts(np.frombuffer(b"".join(parts), np.uint8), ends)


BROKEN = [b"Zo\xeb", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"a\xff"]


@given(st.lists(st.sampled_from([*BROKEN, b"", b"a", "ä".encode(), "\U0001f600".encode()])))
def test_texts_that_are_not_utf8(parts: list[bytes]) -> None:
    found = texts_of(parts).broken()
    expected = [part in BROKEN for part in parts]
    assert ([False] * len(parts) if found is None else found.tolist()) == expected


@pytest.mark.parametrize(
    "raw",
    [
        raw_column("id", ["a", "\ud800", "\ud800"]),
        raw_column("id", np.array([1, "\ud800", "\ud800"], object)),
        raw_column("id", np.array(["a", "\ud800", "\ud800"])),
        Raw.of_texts(texts_of([b"a", b"Zo\xeb", b"Zo\xeb"])),
        Raw.of_texts(texts_of([b"a", b"\xc3", b"\xa9"])),  # only together a character
        raw_column("id", Coded(np.array([0, 1, 1]), texts_of([b"a", b"Zo\xeb"]))),
    ],
)
def test_ids_that_are_not_utf8_are_refused(raw: Raw) -> None:
    with pytest.raises(DataError, match=r"not UTF-8 \(column 'id'\); rows: 2"):
        code_ids(raw, "id")


def test_ids_of_objects_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        Ids.of([1, "\udc80"])


def test_other_columns_that_are_not_utf8_are_refused() -> None:
    for raw in (
        Raw.of_texts(texts_of([b"a", b"Zo\xeb", b"Zo\xeb"])),
        raw_column("status", Coded(np.array([0, 1, 1]), texts_of([b"a", b"Zo\xeb"]))),
    ):
        with pytest.raises(DataError, match=r"not UTF-8 \(column 'status'\); rows: 2"):
            raw.coded("status")
