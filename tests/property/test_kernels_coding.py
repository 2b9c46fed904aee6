"""Coding, finding and merging: the kernels in NumPy and in C against sets and dictionaries.

Threads are forced on a few rows: each row may be a part of its own.
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmcore.kernels import threads
from crmcore.kernels.plain import coding as plain
from crmcore.texts import Texts

tables = pytest.importorskip("crmcore.kernels.compiled.tables", exc_type=ImportError)
compiled = pytest.importorskip("crmcore.kernels.compiled.coding", exc_type=ImportError)


@pytest.fixture(autouse=True)
def tables_for_few_rows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FEW", 0)


BOTH = pytest.mark.parametrize("kernels", [plain, compiled], ids=("plain", "compiled"))
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

LOW, HIGH = -(2**63), 2**63 - 1
EDGES = st.sampled_from((LOW, LOW + 1, -1, 0, 1, 2**32, HIGH - 1, HIGH))
ints = st.lists(st.integers(-5, 5) | st.integers(LOW, HIGH) | EDGES, max_size=80)

UUIDS = [str(uuid.UUID(int=number**9 * 0x9E3779B97F4A7C15 % 2**128)) for number in range(40)]
NEARLY = [
    UUIDS[7].upper(),
    UUIDS[7].replace("-", "_", 1),
    UUIDS[7][:-1] + "g",
    UUIDS[7][:-1] + "`",
    UUIDS[7][:-1] + "\x16",
    UUIDS[7][:-1],
    UUIDS[7] + "0",
    UUIDS[7].replace("-", ""),
]
letters = st.text("ab\0zé漢\U0001f600", max_size=16)
short = st.lists(st.text("ab\0", max_size=15), max_size=60)
uuids = st.lists(st.sampled_from(UUIDS), max_size=60)
mixed = st.lists(
    letters
    | st.sampled_from(UUIDS + NEARLY)
    | st.builds(str.__mul__, st.sampled_from("a\0é"), st.integers(0, 40))
    | st.builds("customer-of-long-standing-{}".format, letters),
    max_size=60,
)
texts = short | uuids | mixed

fixed = st.lists(
    st.binary(min_size=16, max_size=16)
    | st.builds(lambda first, last: first * 8 + last * 8, *[st.sampled_from((b"\0", b"\x01"))] * 2),
    max_size=60,
)


@pytest.fixture(params=(1, 2, 3, 7), autouse=True)
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in so many threads, however few the rows."""
    monkeypatch.setattr(threads, "ROWS_OF_A_THREAD", 1)
    with threads.threads(request.param):
        yield


# Columns of each kind, from and to Python


def column_of_ints(rows: Sequence[int]) -> np.ndarray:
    return np.array(rows, np.int64)


def column_of_texts(rows: Sequence[str]) -> Texts:
    """Texts that begin somewhere within their data, by offsets of either width."""
    whole = Texts.from_strings(["before", *rows, "after"])
    offsets = whole.offsets.astype(np.int32 if len(rows) % 2 else np.int64)
    return Texts(whole.data, offsets).between(1, len(rows) + 1)


def column_of_fixed(rows: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 16)


def rows_of(column: np.ndarray | Texts) -> list:
    if isinstance(column, Texts) or column.ndim == 1:
        return column.tolist()
    return [row.tobytes() for row in column]


def kernels_of(kernels: ModuleType, kind: str) -> list[Callable]:
    ending = "" if kind == "ints" else f"_{kind}"
    twice = "has_duplicates" if kind == "ints" else f"has_duplicate{ending}"
    return [getattr(kernels, name) for name in (f"encode{ending}", twice)] + [
        getattr(kernels, name + ending) for name in ("find", "merge", "places")
    ]


def check(kernels: ModuleType, kind: str, column: Callable, rows: list, others: list) -> None:
    """Hold all kernels of a kind against sets of Python objects."""
    encode, twice, find, merge, places = kernels_of(kernels, kind)
    ascending, there = sorted(set(rows)), sorted(set(others))
    codes, distinct = encode(column(rows))
    assert codes.dtype == np.int32
    assert rows_of(distinct) == ascending
    assert codes.tolist() == [ascending.index(row) for row in rows]
    assert twice(column(rows)) is (len(ascending) < len(rows))
    assert twice(column(there)) is False
    found = [there.index(row) if row in set(there) else -1 for row in rows]
    assert find(column(rows), column(there)).tolist() == found
    union, place_of_left, place_of_right = merge(column(ascending), column(there))
    assert rows_of(union) == sorted({*rows, *others})
    assert [rows_of(union)[place] for place in place_of_left.tolist()] == ascending
    assert [rows_of(union)[place] for place in place_of_right.tolist()] == there
    alone = places(column(ascending), column(there))
    assert [one.tolist() for one in alone] == [place_of_left.tolist(), place_of_right.tolist()]


@BOTH
@many
@given(rows=ints, others=ints)
def test_ints(kernels: ModuleType, rows: list[int], others: list[int]) -> None:
    check(kernels, "ints", column_of_ints, rows, others)
    check(kernels, "ints", column_of_ints, rows, others + rows[::2])


@BOTH
@many
@given(rows=texts, others=texts)
def test_texts(kernels: ModuleType, rows: list[str], others: list[str]) -> None:
    check(kernels, "texts", column_of_texts, rows, others)
    check(kernels, "texts", column_of_texts, rows, others + rows[::2])


@BOTH
@many
@given(rows=fixed, others=fixed)
def test_fixed(kernels: ModuleType, rows: list[bytes], others: list[bytes]) -> None:
    check(kernels, "fixed", column_of_fixed, rows, others)
    check(kernels, "fixed", column_of_fixed, rows, others + rows[::2])


# Many rows: tables that grow, parts that are sorted by several digits


def same(left: tuple, right: tuple) -> None:
    for one, other in zip(left, right, strict=True):
        assert rows_of(one) == rows_of(other)


@pytest.mark.parametrize("distinct", [1, 40, 3_000, 20_000])
def test_many_ints(distinct: int) -> None:
    rng = np.random.default_rng(distinct)
    spread_out = rng.integers(LOW, HIGH, distinct)
    for ids in (spread_out, np.arange(distinct) - 7, np.arange(distinct) * 3, spread_out >> 30):
        values = ids[rng.integers(0, distinct, 20_000)]
        same(compiled.encode(values), plain.encode(values))
        same(compiled.merge(*two_parts(values)), plain.merge(*two_parts(values)))
        same(compiled.places(*two_parts(values)), plain.places(*two_parts(values)))
        assert compiled.has_duplicates(values)
        shuffled = rng.permutation(np.unique(ids))
        assert not compiled.has_duplicates(shuffled)
        assert compiled.has_duplicates(np.append(shuffled, shuffled[0]))
        ascending = np.unique(values)[::2]
        assert compiled.find(values, ascending).tolist() == plain.find(values, ascending).tolist()


@BOTH
def test_one_row_is_enough_to_be_twice(kernels: ModuleType) -> None:
    for values in (np.arange(200), np.arange(200) << 40):
        for row in range(1, 200):
            repeated = values[::-1].copy()
            repeated[row] = repeated[row - 1]
            assert kernels.has_duplicates(repeated)


def two_parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.unique(values[::3]), np.unique(values[::7])


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "customer {:07}",
        "a name that is the same for all of them {}",
        "{0:040x}",
        "{0:032x}-{0}",
    ],
)
def test_many_texts(form: str) -> None:
    rng = np.random.default_rng(1)
    rows = [form.format(number) for number in rng.integers(0, 3_000, 9_000).tolist()]
    column = column_of_texts(rows)
    same(compiled.encode_texts(column), plain.encode_texts(column))
    ascending = column_of_texts(sorted(set(rows[:500])))
    assert rows_of(compiled.find_texts(column, ascending)) == rows_of(
        plain.find_texts(column, ascending)
    )
    assert compiled.has_duplicate_texts(column)
    assert not compiled.has_duplicate_texts(ascending)


def test_texts_that_begin_alike_for_long() -> None:
    rows = ["x" * length for length in range(0, 6_000, 5)]
    column = column_of_texts(rows[::-1] * 2)
    same(compiled.encode_texts(column), plain.encode_texts(column))


def test_a_table_that_turns_out_too_small_is_made_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "estimate", lambda *_: 1)
    forbid(monkeypatch, "encode")
    values = np.random.default_rng(1).integers(LOW, HIGH, 30_000)
    codes, distinct = compiled.encode(values)
    assert (distinct[codes] == values).all()
    assert (distinct[1:] > distinct[:-1]).all()


# Numbers that lie close together

START = st.sampled_from((LOW, LOW + 1, -(2**40), -300, -1, 0, 1, 2**40, HIGH - 700, HIGH - 601))


def forbid_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a table was made")

    monkeypatch.setattr(tables, "fill", refuse)


def check_close(values: np.ndarray) -> None:
    """Hold codes, and whether a number occurs twice, against sorted numbers."""
    distinct, codes = np.unique(values, return_inverse=True)
    found, ascending = compiled.encode(values)
    assert (found.dtype, ascending.dtype) == (np.int32, np.int64)
    assert ascending.tolist() == distinct.tolist()
    assert found.tolist() == codes.tolist()
    assert compiled.has_duplicates(values) is (len(distinct) < len(values))
    assert compiled.has_duplicates(distinct[::-1]) is False


@many
@given(
    start=START,
    holes=st.sets(st.integers(0, 600)) | st.just(set()) | st.just({0, 1, 599, 600}),
    seed=st.integers(0, 99),
)
def test_ids_with_holes_and_without(
    start: int, holes: set[int], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Holes at both ends, in the middle, whole groups of them, one, or none."""
    forbid_a_table(monkeypatch)
    ids = [start + place for place in range(601) if place not in holes and place != 300]
    values = np.array([*ids, *ids[::3], start + 300], np.int64)
    check_close(np.random.default_rng(seed).permutation(values))
    check_close(np.append(values[::-1], start + 300))


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 127, 128, 129])
@pytest.mark.parametrize("start", [LOW, -64, -1, 0, 5, HIGH - 300])
def test_one_hole_or_none(start: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_a_table(monkeypatch)
    whole = start + np.arange(size)
    check_close(whole[::-1].copy())
    for hole in range(0, size, 7):
        check_close(np.append(np.delete(whole, hole)[::-1], start + size))


@pytest.mark.parametrize("beyond", [-4_000, -338, -337, 836, 837, 4_000])
def test_the_last_row_may_be_out_of_what_was_guessed(
    beyond: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ids lie close together. By the sample, 1999, 3499 and 999, they go from -337 to 4835."""
    monkeypatch.setattr(tables, "step_of_sample", lambda _: 2_500)
    forbid_a_table(monkeypatch)
    values = np.append(np.arange(6_000)[::-1] % 4_000, beyond + 3_999 * (beyond > 0))
    check_close(values)
    check_close(-values)


@pytest.mark.parametrize(("low", "high"), [(-5, 60), (LOW, LOW + 9), (HIGH - 64, HIGH)])
def test_only_numbers_within_the_range_are_marked(low: int, high: int) -> None:
    for value in {low - 1, low, high, high + 1, LOW, 0, HIGH} - {LOW - 1, HIGH + 1}:
        marks = np.zeros(4, np.uint64)
        inside = low <= value <= high
        values = np.array([low, value])
        assert compiled.hashing.mark(values, low, high, marks, 0, 2) is inside
        assert compiled.hashing.count_marks(marks, 0, 4) == 1 + (inside and value != low)


@pytest.mark.parametrize("last", [LOW, -(2**40), 2**40, HIGH])
def test_the_last_row_may_be_far_from_all_others(last: int) -> None:
    values = np.append(np.arange(6_000)[::-1] % 4_000, last)
    check_close(values)
    check_close(np.unique(values)[::-1].copy())


@pytest.mark.parametrize("start", [LOW, -700, HIGH - 4_000])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_numbers_as_far_apart_as_they_may_be(start: int, over: int) -> None:
    count = 100
    for most in (count + count // 4 + 1024, 16 * count):
        ends = np.array([start, start + most - 1 + over])
        between = start + 1 + np.arange(count - 2)[::-1]
        check_close(np.concatenate([ends, between]))
        check_close(np.concatenate([ends[::-1], between[1:], ends[:1]]))


def test_the_lowest_and_the_highest_number_are_far_apart() -> None:
    check_close(np.array([HIGH, LOW, 0, LOW, HIGH]))
    check_close(np.array([HIGH, HIGH - 1, LOW]))


# Ids made to crowd a table


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("NumPy was asked")

    monkeypatch.setattr(plain, name, refuse)


def listen(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    asked, kernel = [], getattr(plain, name)

    def answer(*given: object) -> object:
        asked.append(name)
        return kernel(*given)

    monkeypatch.setattr(plain, name, answer)
    return asked


@pytest.fixture
def weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hash be the same for all keys, as if someone had found ids that it fails for."""
    monkeypatch.setattr(tables, "seeds", lambda: np.array([1, 0, 0, 0], np.uint64))


def test_nobody_knows_the_next_key() -> None:
    """No key is there twice, and every bit of it is sometimes set and sometimes not."""
    keys = np.array([tables.seeds() for _ in range(100)])
    assert keys.shape == (100, 4)
    assert all(len(set(words)) == 100 for words in keys.T.tolist())
    assert np.bitwise_or.reduce(keys).tolist() == [2**64 - 1] * 4
    assert np.bitwise_and.reduce(keys).tolist() == [0] * 4


@pytest.mark.usefixtures("weak")
def test_ids_that_crowd_a_table_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = listen(monkeypatch, "encode")
    values = np.random.default_rng(1).integers(LOW, HIGH, 30_000)
    codes, distinct = compiled.encode(values)
    assert asked == ["encode"]
    assert (distinct[codes] == values).all()
    asked = listen(monkeypatch, "has_duplicates")
    assert not compiled.has_duplicates(values)
    assert asked == ["has_duplicates"]
    asked = listen(monkeypatch, "find")
    assert compiled.find(values[:9], distinct).tolist() == codes[:9].tolist()
    assert asked == ["find"]


@pytest.mark.usefixtures("weak")
@pytest.mark.parametrize("kind", ["ints", "fixed", "texts"])
def test_an_absent_id_asked_for_often_hides_no_other(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it is looked for among all ids, until the table gives up."""
    column = {"ints": column_of_ints, "fixed": column_of_fixed, "texts": column_of_texts}[kind]
    ids = {
        "ints": [number << 40 for number in range(60)],
        "fixed": [bytes([number]) * 8 + bytes(8) for number in range(60)],
        "texts": [chr(number + 40) * 20 for number in range(60)],
    }[kind]
    find = f"find_{kind}".removesuffix("_ints")
    asked = listen(monkeypatch, find)
    wanted = column([ids[7]] * 120_000 + ids[:20])
    found = getattr(compiled, find)(wanted, column(ids[:7] + ids[8:]))
    assert asked == [find]
    assert found.tolist() == [-1] * 120_000 + [*range(7), -1, *range(7, 19)]


def test_more_slots_than_codes_can_number_are_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_MOST_SLOTS", 4096)
    values = np.random.default_rng(1).integers(LOW, HIGH, 300)
    expected = plain.encode(values)
    ascending = expected[1]
    for name, given_ in (
        ("encode", (values,)),
        ("has_duplicates", (values,)),
        ("find", (values, ascending)),
    ):
        asked = listen(monkeypatch, name)
        found = getattr(compiled, name)(*given_)
        assert asked == [name]
        assert np.array_equal(found[0] if name == "encode" else found, expected[0]) or not found


def test_texts_of_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that holds the seed leaves nothing of what follows it in the hash."""
    seed = np.array([1, 2, int.from_bytes(b"the seed", "little"), 4], np.uint64)
    monkeypatch.setattr(tables, "seeds", lambda: seed)
    if sys.byteorder == "big":
        seed[2] = seed[2].byteswap()
    rows = [f"the seed{number % 9:8} and more" for number in range(40)]
    column, ascending = column_of_texts(rows), column_of_texts(sorted(set(rows)))
    asked = listen(monkeypatch, "encode_texts")
    codes, distinct = compiled.encode_texts(column)
    assert asked == ["encode_texts"]
    assert codes.tolist() == [number % 9 for number in range(40)]
    assert rows_of(distinct) == rows_of(ascending)
    assert not compiled.has_duplicate_texts(ascending)
    assert compiled.find_texts(column, ascending).tolist() == codes.tolist()
    absent = compiled.find_texts(ascending, column_of_texts([rows[3]])).tolist()
    assert absent == [0 if row == rows[3] else -1 for row in rows_of(ascending)]


def test_a_key_that_meets_the_mask_is_no_empty_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.array([2**62 + 5, 3, 5, 7], np.uint64)
    monkeypatch.setattr(tables, "seeds", lambda: mask)
    asked = listen(monkeypatch, "encode")
    values = np.array([1, 2**62 + 5, -(2**62), 2**62 + 5, 1])
    assert compiled.encode(values)[0].tolist() == [1, 2, 0, 2, 1]
    assert asked == ["encode"]
    half = mask[:1].astype(">u8").tobytes()
    rows = [half + b"\0" * 8, b"\0" * 8 + half, half + half, half + b"\0" * 8]
    codes, distinct = compiled.encode_fixed(column_of_fixed(rows))
    assert rows_of(distinct) == sorted(set(rows))
    assert codes.tolist() == [1, 0, 2, 1]


# Each way is taken


WAYS = {
    "short texts": ("_short_texts", [f"C-{number}" for number in range(50)]),
    "UUIDs": ("_uuid_texts", UUIDS),
    "hashes": ("_encode_hashed", [*UUIDS, "a text of more than fifteen bytes"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_texts_are_read_in_the_way_that_fits(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, rows = WAYS[way]
    taken, function = [], getattr(compiled, name)
    monkeypatch.setattr(compiled, name, lambda *given: taken.append(name) or function(*given))
    forbid(monkeypatch, "encode_texts")
    codes, distinct = compiled.encode_texts(column_of_texts(rows))
    assert [rows_of(distinct)[code] for code in codes.tolist()] == rows
    assert taken == [name]


def test_the_last_row_may_be_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample says all texts are short; the last one is not."""
    monkeypatch.setattr(tables, "step_of_sample", lambda count: count)
    forbid(monkeypatch, "encode_texts")
    for rows in (["short", "x" * 16], [UUIDS[0], UUIDS[0].upper()], [UUIDS[0], "x"]):
        codes, distinct = compiled.encode_texts(column_of_texts(rows))
        assert [rows_of(distinct)[code] for code in codes.tolist()] == rows


@pytest.mark.parametrize("near", NEARLY)
def test_what_is_nearly_a_uuid_stays_what_it_is(near: str) -> None:
    rows = [*UUIDS, near, near]
    codes, distinct = compiled.encode_texts(column_of_texts(rows))
    assert [rows_of(distinct)[code] for code in codes.tolist()] == rows


@pytest.mark.parametrize("way", ["_UUID", "_UUID_ANYWHERE"])
def test_a_uuid_with_any_byte_in_any_place(way: str) -> None:
    """Only the text that is written for a UUID is one: in both ways to read it."""
    one = UUIDS[7].encode()
    for place in range(36):
        fits = {ord("-")} if one[place] == ord("-") else set(b"0123456789abcdef")
        for byte in range(256):
            text = one[:place] + bytes([byte]) + one[place + 1 :]
            words = np.empty((3, 2), np.uint64)
            data = np.frombuffer(one + text + one, np.uint8)
            texts_of_three = Texts(data, np.array([0, 36, 72, 108]))
            read = compiled._texts(texts_of_three, getattr(compiled, way)).sample(1, words)
            assert read is (byte in fits)
            if read:
                high, low = words[1].tolist()
                assert str(uuid.UUID(int=high << 64 | low)).encode() == text


@pytest.mark.parametrize("way", ["_UUID", "_UUID_ANYWHERE"])
@given(rows=uuids, before=st.integers(0, 70))
@many
def test_both_ways_to_read_uuids(way: str, rows: list[str], before: int) -> None:
    """Within longer data, and at the very end of it."""
    data = np.frombuffer(b"-" * before + "".join(rows).encode(), np.uint8)
    if not rows:
        return
    words = np.empty((len(rows), 2), np.uint64)
    offsets = np.arange(before, len(data) + 1, 36)
    assert compiled._texts(Texts(data, offsets), getattr(compiled, way)).sample(1, words)
    read = [str(uuid.UUID(int=high << 64 | low)) for high, low in words.tolist()]
    assert read == rows
    same(compiled.encode_texts(Texts(data, offsets)), plain.encode_texts(Texts(data, offsets)))


def refused(kernels: ModuleType, beyond: Texts) -> None:
    """See that every kernel refuses texts that lead out of their data, on either side."""
    within = Texts.from_strings(["a", "b"])
    for name in ("encode_texts", "has_duplicate_texts"):
        with pytest.raises(ValueError, match="out of their data"):
            getattr(kernels, name)(beyond)
    for name in ("find_texts", "merge_texts", "places_texts"):
        for sides in ((beyond, within), (within, beyond), (beyond, beyond)):
            with pytest.raises(ValueError, match="out of their data"):
                getattr(kernels, name)(*sides)


@BOTH
@pytest.mark.parametrize("offsets", [[0, 2**33, 2**33 + 5], [-1, 0, 4], [3, 1, 2], [4, 5]])
def test_texts_that_end_out_of_their_data_are_refused(
    kernels: ModuleType, offsets: list[int]
) -> None:
    refused(kernels, Texts(np.zeros(4, np.uint8), np.array(offsets)))


WIDTHS = {np.int32: 2**31, np.int64: 2**63}


@BOTH
@many
@given(
    rows=st.lists(st.text("ab\0", max_size=20) | st.sampled_from(UUIDS), min_size=2, max_size=60),
    place=st.integers(1, 59),
    width=st.sampled_from(list(WIDTHS)),
    astray=st.integers(1, 40) | st.integers(1, 2**62),
    back=st.booleans(),
)
def test_texts_that_lead_out_of_their_data_in_the_middle_are_refused(
    kernels: ModuleType,
    rows: list[str],
    place: int,
    width: type[np.signedinteger],
    astray: int,
    back: bool,
) -> None:
    """By a little or by far, to either side, while the first and the last offset are right."""
    whole = column_of_texts(sorted(rows))
    offsets = whole.offsets.astype(width)
    place = min(place, len(rows) - 1)
    if back:
        offsets[place] = max(int(offsets[place - 1]) - astray, -WIDTHS[width])
    else:
        offsets[place] = min(int(offsets[place + 1]) + astray, WIDTHS[width] - 1)
    refused(kernels, Texts(whole.data, offsets))


@BOTH
@pytest.mark.parametrize("shape", [(1000, 8), (1000, 32), (1000,), (1000, 16, 1)])
def test_values_of_another_width_are_refused(kernels: ModuleType, shape: tuple[int, ...]) -> None:
    strange, right = np.zeros(shape, np.uint8), np.zeros((1, 16), np.uint8)
    for refused in (
        lambda: kernels.encode_fixed(strange),
        lambda: kernels.has_duplicate_fixed(strange),
        lambda: kernels.find_fixed(strange, right),
        lambda: kernels.find_fixed(right, strange),
        lambda: kernels.merge_fixed(strange, right),
        lambda: kernels.merge_fixed(right, strange),
        lambda: kernels.places_fixed(strange, right),
    ):
        with pytest.raises(ValueError, match="16 bytes"):
            refused()


@BOTH
def test_narrow_numbers_are_coded_as_wide_ones(kernels: ModuleType) -> None:
    codes, distinct = kernels.encode(np.array([-100, 100, -100], np.int8))
    assert (codes.tolist(), distinct.tolist()) == ([0, 1, 0], [-100, 100])
    assert distinct.dtype == np.int64
    assert kernels.has_duplicates(np.array([100, -100, 100], np.int8))


@pytest.mark.parametrize("way", ["_SHORT", "_UUID", "_HASHED", "_UUID_ANYWHERE"])
def test_offsets_out_of_the_data_are_never_followed(way: str) -> None:
    length = 36 if "UUID" in way else 4
    row = np.frombuffer(UUIDS[7].encode(), np.uint8)[:length]
    for offsets in ([0, length + 1, length], [1, length + 1], [-1, length - 1], [length, 0]):
        texts_beyond = compiled._texts(Texts(row, np.array(offsets)), getattr(compiled, way))
        assert not texts_beyond.sample(1, np.zeros((len(offsets) - 1, 2), np.uint64))
    words = np.zeros((1, 2), np.uint64)
    assert compiled._texts(Texts(row, np.array([0, length])), getattr(compiled, way)).sample(
        1, words
    )
