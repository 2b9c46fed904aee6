"""The banding kernels, in NumPy and in C, against exact arithmetic and each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from crmcore.kernels import threads
from crmcore.kernels.plain import banding as plain

compiled = pytest.importorskip("crmcore.kernels.compiled.banding")

LOW, HIGH = -(2**63), 2**63 - 1
DAY = plain.DAY_US
MOST_THREADS = (1, 2, 3, 7)

int64s = st.sampled_from([LOW, LOW + 1, -1, 0, 1, HIGH - 1, HIGH]) | st.integers(LOW, HIGH)
small = st.integers(-30, 30)
divisors = st.sampled_from([1, 2, 3, 10, HIGH - 1, HIGH]) | st.integers(1, HIGH)
floats = st.floats(allow_nan=False) | small.map(float)
nan = float("nan")


@pytest.fixture(autouse=True)
def many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few rows use several threads, and stand in several blocks."""
    monkeypatch.setattr(threads, "ROWS_OF_A_THREAD", 1)
    monkeypatch.setattr(plain, "_BLOCK", 3)


def same(one: object, other: object) -> None:
    """Fail unless two results are the same to the bit."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        for part, also in zip(one, other, strict=True):
            same(part, also)
        return
    if one is None or other is None:
        assert one is other
        return
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    assert one.dtype == other.dtype
    assert one.tobytes() == other.tobytes()


def by_all(name: str, *arguments: object) -> object:
    """Return what a kernel gives, whichever it is and with any number of threads."""
    found = getattr(plain, name)(*arguments)
    for most in MOST_THREADS:
        with threads.threads(most):
            same(getattr(compiled, name)(*arguments), found)
    return found


def masked(data: st.DataObject, rows: int) -> NDArray[np.bool_] | None:
    given = st.none() | st.lists(st.booleans(), min_size=rows, max_size=rows)
    found = data.draw(given)
    return None if found is None else np.array(found, np.bool_)


def place_of(value: Fraction | float, edges: list[int] | list[float], known: bool) -> int:
    return bisect_right(edges, value) if known else len(edges) + 1


def check_bands(
    data: st.DataObject,
    values: NDArray[np.generic],
    edges: list[int] | list[float],
    exact: Sequence[Fraction | float],
    divisor: NDArray[np.int64] | None = None,
    scale: int = 1,
) -> None:
    """Compare outcomes of every width with those of places found one by one."""
    known = masked(data, len(values))
    there = masked(data, len(edges) + 2)
    places = [
        place_of(value, edges, known is None or bool(known[row])) for row, value in enumerate(exact)
    ]
    written = np.array(edges, values.dtype if values.dtype == np.float64 else np.int64)
    for dtype in (np.uint8, np.int16, np.int32, np.int64):
        outcomes = np.arange(len(edges) + 2).astype(dtype)[::-1].copy()
        found = by_all("banded", values, written, outcomes, there, known, divisor, scale)
        assert isinstance(found, tuple)
        assert found[0].tolist() == [int(outcomes[place]) for place in places]
        if there is not None:
            assert found[1].tolist() == [bool(there[place]) for place in places]


@given(st.data(), st.lists(int64s, max_size=12), st.sets(int64s, max_size=30))
def test_whole_numbers(data: st.DataObject, values: list[int], edges: set[int]) -> None:
    ascending = sorted(edges)
    near = [edge + step for edge in ascending for step in (-1, 0, 1) if LOW <= edge + step <= HIGH]
    rows = [*values, *near]
    check_bands(data, np.array(rows, np.int64), ascending, [Fraction(row) for row in rows])


@given(st.data(), st.lists(st.integers(-(2**31), 2**31 - 1)), st.sets(int64s, max_size=5))
def test_points(data: st.DataObject, values: list[int], edges: set[int]) -> None:
    exact = [Fraction(value) for value in values]
    check_bands(data, np.array(values, np.int32), sorted(edges), exact)


@given(st.data(), st.lists(floats), st.sets(floats, max_size=30))
def test_floats(data: st.DataObject, values: list[float], edges: set[float]) -> None:
    check_bands(data, np.array([*values, *edges], np.float64), sorted(edges), [*values, *edges])


@pytest.mark.parametrize("rows", [1, 300])
@pytest.mark.parametrize("edges", [0, 2, 30])
def test_what_is_no_number_is_below_the_first_edge(
    rows: int, edges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "_BLOCK", 2**15)
    values = np.full(rows, nan)
    values[1:] = np.inf
    found = by_all("banded", values, np.arange(float(edges)), np.arange(edges + 2))
    assert isinstance(found, tuple)
    assert found[0].tolist() == [0] + [edges] * (rows - 1)


@pytest.mark.parametrize("kind", [">i8", ">f8", "f4", "i2"])
def test_numbers_of_other_kinds_are_converted(kind: str) -> None:
    values = np.array([-1, 0.5, 1.5, 3], kind)
    edges = np.array([0.25, 1, 2] if "f" in kind else [0, 1, 2])
    found = by_all("banded", values, edges, np.arange(5))
    assert isinstance(found, tuple)
    assert found[0].tolist() == [0, 1, 2, 3]
    summed = by_all("weighed", [values], [2], np.int64)
    assert isinstance(summed, np.ndarray)
    assert summed.tolist() == [-2, 0, 2, 6]


@pytest.mark.parametrize("kind", ["S3", "S16", "U5", "c16", ">i4"])
def test_outcomes_may_be_of_any_width(kind: str) -> None:
    outcomes = np.arange(10, 14).astype(kind)
    found = by_all("banded", np.arange(1000) % 3, np.array([1, 2]), outcomes)
    assert isinstance(found, tuple)
    assert found[0].tolist() == outcomes[np.arange(1000) % 3].tolist()


def test_outcomes_may_be_objects() -> None:
    outcomes = np.array(["low", "high", None], object)
    for kernels in (plain, compiled):
        found, _ = kernels.banded(np.arange(3), np.array([1]), outcomes)
        assert found.tolist() == ["low", "high", "high"]


at_the_ends = st.sampled_from([LOW, LOW + 1, LOW + 10**6, HIGH - 10**6, HIGH - 1, HIGH])


@given(
    st.data(),
    st.lists(st.tuples(int64s | small, divisors | st.integers(1, 9)), max_size=12),
    st.sets(at_the_ends | int64s | small, min_size=1, max_size=8),
    st.integers(0, 18) | st.just(62),
)
def test_ratios_and_edges_at_the_ends(
    data: st.DataObject, ratios: list[tuple[int, int]], edges: set[int], power: int
) -> None:
    scale = 2**62 if power == 62 else 10**power
    rows = [*ratios, *((edge, scale) for edge in edges), (LOW, 1), (HIGH, 1), (5, 1), (10**15, 1)]
    values, divisor = (np.array(part, np.int64) for part in zip(*rows, strict=True))
    exact = [Fraction(value, under) * scale for value, under in rows]
    check_bands(data, values, sorted(edges), exact, divisor, scale)


@given(
    st.data(),
    st.lists(st.tuples(int64s | small, divisors | st.integers(1, 9)), max_size=12),
    st.sets(st.integers(-(2**62), 2**62) | small, min_size=1, max_size=8),
    st.integers(0, 18),
)
def test_ratios(
    data: st.DataObject, ratios: list[tuple[int, int]], edges: set[int], digits: int
) -> None:
    scale = 10**digits
    on_edges = [(edge, scale) for edge in edges]  # they reach their edge, and what is less does not
    rows = [*ratios, *on_edges, *((edge - 1, scale) for edge, _ in on_edges)]
    values, divisor = (np.array(part, np.int64) for part in zip(*rows, strict=True))
    exact = [Fraction(value, under) * scale for value, under in rows]
    check_bands(data, values, sorted(edges), exact, divisor, scale)


@given(st.lists(st.tuples(int64s, int64s, st.booleans()), max_size=12), st.sets(small, min_size=1))
def test_unknown_ratios_may_be_anything(rows: list[tuple[int, int, bool]], edges: set[int]) -> None:
    values = np.array([value for value, _, _ in rows], np.int64)
    divisor = np.array([max(d, 1) if known else d for _, d, known in rows], np.int64)
    known = np.array([known for *_, known in rows], np.bool_)
    outcomes = np.arange(len(edges) + 2)
    found = by_all("banded", values, np.array(sorted(edges)), outcomes, None, known, divisor, 100)
    assert isinstance(found, tuple)
    assert (found[0][~known] == len(edges) + 1).all()
    assert (found[0][known] <= len(edges)).all()


@given(
    st.lists(st.tuples(st.lists(int64s, min_size=7, max_size=7), st.booleans(), int64s), min_size=1)
)
def test_weighted_sums_wrap(columns: list[tuple[list[int], bool, int]]) -> None:
    given_ = [
        np.array(values, np.int64).astype(np.int32 if narrow else np.int64)
        for values, narrow, _ in columns
    ]
    weights = [weight for *_, weight in columns]
    totals = [
        sum(int(column[row]) * weight for column, weight in zip(given_, weights, strict=True))
        for row in range(7)
    ]
    for dtype, bits in ((np.int64, 64), (np.int32, 32)):
        found = by_all("weighed", given_, weights, dtype)
        assert isinstance(found, np.ndarray)
        half = 2 ** (bits - 1)
        assert found.tolist() == [(total + half) % 2**bits - half for total in totals]


instants = st.integers(-(2**62), 2**62) | small.map(lambda day: day * DAY)


@given(st.lists(instants), st.sets(instants, max_size=30), st.booleans(), st.data())
def test_local_days(values: list[int], cuts: set[int], floored: bool, data: st.DataObject) -> None:
    several = st.lists(st.integers(-DAY, DAY), min_size=len(cuts) + 1, max_size=len(cuts) + 1)
    days = st.lists(small, min_size=len(cuts) + 1, max_size=len(cuts) + 1)
    offsets, floors = data.draw(several), data.draw(days) if floored else None
    rows = [*values, *(cut + step for cut in cuts for step in (-1, 0, 1))]
    places = [bisect_right(sorted(cuts), row) for row in rows]
    want = [(row + offsets[place]) // DAY for row, place in zip(rows, places, strict=True)]
    if floors is not None:
        want = [max(day, floors[place]) for day, place in zip(want, places, strict=True)]
    found = by_all(
        "local_days",
        np.array(rows, np.int64),
        np.array(sorted(cuts), np.int64),
        np.array(offsets, np.int64),
        None if floors is None else np.array(floors, np.int64),
        25,
    )
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [min(day, 25) for day in want]


@pytest.mark.parametrize("kernels", [plain, compiled])
@pytest.mark.parametrize(
    ("offsets", "floors"), [([0], None), ([], None), ([0] * 5, None), ([0] * 4, [0] * 3)]
)
def test_an_offset_too_few_is_refused(
    kernels: ModuleType, offsets: list[int], floors: list[int] | None
) -> None:
    low = None if floors is None else np.array(floors)
    with pytest.raises(ValueError, match="an offset is needed"):
        kernels.local_days(np.array([10]), np.arange(3), np.array(offsets, np.int64), low, 99)


@pytest.mark.parametrize("kernels", [plain, compiled])
def test_many_rows_in_blocks_of_their_own_size(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    values = np.arange(200_001) * 7 % 1000
    edges, outcomes = np.array([0, 300, 999]), np.array([0, 1, 2, 3, 9], np.uint8)
    found, _ = kernels.banded(values, edges, outcomes)
    assert np.array_equal(found, outcomes[np.searchsorted(edges, values, "right")])
    assert np.array_equal(kernels.weighed([values, values], [2, 3], np.int32), values * 5)


@pytest.mark.parametrize(
    "columns", [{"known": np.ones(2, np.bool_)}, {"divisors": np.ones(2, int)}]
)
def test_columns_of_different_lengths_are_refused(columns: dict[str, NDArray[np.generic]]) -> None:
    with pytest.raises(ValueError, match="differ in length"):
        compiled.banded(np.arange(3), np.array([1]), np.arange(3), **columns)
