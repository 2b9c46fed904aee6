"""Each kernel against a loop that nobody could get wrong."""

from __future__ import annotations

import math
import random
from statistics import median_low
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from implementations import both

from crmcore.columns import Ints
from crmcore.kernels import INT64_MAX

SMALL = st.integers(-20, 20)
ANY = st.integers(-(2**63), 2**63 - 1)
GROUPS = 4

# Pairs of a group (the last number means none) and a value.
pairs_of_small = st.lists(st.tuples(st.integers(0, GROUPS), SMALL), max_size=30)
pairs_of_any = st.lists(st.tuples(st.integers(0, GROUPS), ANY), max_size=12)
Pairs = list[tuple[int, int]]

grouping, coding = both("grouping"), both("coding")


def arrays(pairs: Pairs) -> tuple[Ints, Ints]:
    codes, values = ([pair[place] for pair in pairs] for place in (0, 1))
    return np.array(codes, np.int64), np.array(values, np.int64)


def grouped(pairs: Pairs) -> list[list[int]]:
    return [[value for code, value in pairs if code == group] for group in range(GROUPS)]


@grouping
@given(pairs_of_small)
def test_count_and_add(kernels: ModuleType, pairs: Pairs) -> None:
    codes, values = arrays(pairs)
    assert kernels.count(codes, GROUPS).tolist() == list(map(len, grouped(pairs)))
    assert kernels.add(codes, values, GROUPS).tolist() == list(map(sum, grouped(pairs)))


@grouping
@given(pairs_of_any)
def test_smallest_and_largest(kernels: ModuleType, pairs: Pairs) -> None:
    codes, values = arrays(pairs)
    low = [min(found, default=2**63 - 1) for found in grouped(pairs)]
    high = [max(found, default=-(2**63)) for found in grouped(pairs)]
    assert kernels.smallest(codes, values, GROUPS).tolist() == low
    assert kernels.largest(codes, values, GROUPS).tolist() == high


@grouping
@given(pairs_of_any)
def test_lower_median(kernels: ModuleType, pairs: Pairs) -> None:
    codes, values = arrays(pairs)
    expected = [median_low(found) if found else 0 for found in grouped(pairs)]
    assert kernels.lower_median(codes, values, GROUPS).tolist() == expected


@grouping
@given(pairs_of_small)
def test_spread(kernels: ModuleType, pairs: Pairs) -> None:
    codes, values = arrays(pairs)
    expected = []
    for found in grouped(pairs):
        if len(found) < 2:
            expected.append(0.0)
            continue
        mean, total = float(sum(found)) / len(found), 0.0
        for value in sorted(found):
            total += (value - mean) ** 2
        expected.append(math.sqrt(total / (len(found) - 1)))
    assert kernels.spread(codes, values, GROUPS).tolist() == expected


@grouping
@given(pairs_of_small)
def test_distinct(kernels: ModuleType, pairs: Pairs) -> None:
    codes, items = arrays(pairs)
    expected = [len({item for item in found if item >= 0}) for found in grouped(pairs)]
    assert kernels.distinct(codes, items, GROUPS).tolist() == expected


@grouping
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2**62)), max_size=8))
def test_distinct_of_huge_items(kernels: ModuleType, pairs: Pairs) -> None:
    codes, items = arrays(pairs)
    expected = [len({item for code, item in pairs if code == group}) for group in range(3)]
    assert kernels.distinct(codes, items, 3).tolist() == expected


@grouping
@given(st.lists(st.tuples(st.integers(0, 3), SMALL), max_size=20))
def test_gaps(kernels: ModuleType, pairs: Pairs) -> None:
    codes, days = arrays(pairs)
    group, gap = kernels.gaps(codes, days)
    expected = [
        (code, later - earlier)
        for code, found in enumerate(grouped(pairs))
        for earlier, later in zip(sorted(found)[:-1], sorted(found)[1:], strict=True)
    ]
    assert list(zip(group.tolist(), gap.tolist(), strict=True)) == expected


@grouping
@given(pairs_of_any)
def test_overflows_says_exactly_which_groups(kernels: ModuleType, pairs: Pairs) -> None:
    codes, values = arrays(pairs)
    expected = [
        group for group, found in enumerate(grouped(pairs)) if sum(map(abs, found)) > INT64_MAX
    ]
    assert kernels.overflows(codes, values, GROUPS).tolist() == expected


EDGES = st.sampled_from((0, 1, -1, 2**31, 2**32, 2**32 - 1, 2**61, 2**62, -(2**62), 2**62 - 1))
NEAR = st.sampled_from((INT64_MAX, -INT64_MAX, INT64_MAX - 1, -(2**63), 2**63 - 2**32))


@grouping
@given(st.lists(st.tuples(st.integers(0, 2), EDGES | NEAR), max_size=9), st.randoms())
def test_overflow_does_not_depend_on_the_order_of_rows(
    kernels: ModuleType, pairs: Pairs, chance: random.Random
) -> None:
    expected = [
        group
        for group in range(2)
        if sum(abs(value) for code, value in pairs if code == group) > INT64_MAX
    ]
    for _ in range(2):
        codes, values = arrays(pairs)
        assert kernels.overflows(codes, values, 2).tolist() == expected
        chance.shuffle(pairs)


@grouping
def test_overflow_of_many_rows_at_the_limit(kernels: ModuleType) -> None:
    codes = np.zeros(2**16, np.int64)
    values = np.full(2**16, 2**47 - 1, np.int64)
    assert kernels.overflows(codes, values, 1).tolist() == []
    values[0] += 2**16 - 1
    assert int(values.sum()) == INT64_MAX
    assert kernels.overflows(codes, values, 1).tolist() == []
    values[-1] += 1
    assert kernels.overflows(codes, values, 1).tolist() == [0]


@coding
@given(st.lists(ANY | SMALL))
def test_encode(kernels: ModuleType, values: list[int]) -> None:
    codes, distinct = kernels.encode(np.array(values, np.int64))
    assert distinct.tolist() == sorted(set(values))
    assert [distinct[code] for code in codes.tolist()] == values


@coding
@pytest.mark.parametrize(
    "values", [[-(2**63), 2**63 - 1], [2**63 - 1], [-(2**63)], [5, 5, 5], [0, 1, 2], [2, 1, 0], []]
)
def test_encode_at_the_edges(kernels: ModuleType, values: list[int]) -> None:
    codes, distinct = kernels.encode(np.array(values, np.int64))
    assert distinct.tolist() == sorted(set(values))
    assert distinct[codes].tolist() == values


@coding
def test_codes_take_four_bytes(kernels: ModuleType) -> None:
    codes, distinct = kernels.encode(np.array([2, 0, 1, 1]))
    assert codes.dtype == np.int32
    assert codes.tolist() == [2, 0, 1, 1]
    assert distinct.tolist() == [0, 1, 2]


@coding
@given(st.lists(ANY | SMALL))
def test_has_duplicates(kernels: ModuleType, values: list[int]) -> None:
    found = kernels.has_duplicates(np.array(values, np.int64))
    assert found is (len(set(values)) < len(values))


@coding
@given(st.lists(SMALL), st.sets(SMALL))
def test_find(kernels: ModuleType, wanted: list[int], there: set[int]) -> None:
    ascending = sorted(there)
    expected = [ascending.index(one) if one in there else -1 for one in wanted]
    given_arrays = np.array(wanted, np.int64), np.array(ascending, np.int64)
    assert kernels.find(*given_arrays).tolist() == expected


@coding
def test_find_at_the_edges_of_int64(kernels: ModuleType) -> None:
    ends = np.array([-(2**63), 2**63 - 1])
    assert kernels.find(ends, ends).tolist() == [0, 1]
    assert kernels.find(ends[::-1], ends[:1]).tolist() == [-1, 0]


@grouping
def test_no_rows_and_no_groups(kernels: ModuleType) -> None:
    nothing = np.empty(0, np.int64)
    for groups in (0, 3):
        for kernel in (kernels.add, kernels.smallest, kernels.largest, kernels.lower_median):
            assert len(kernel(nothing, nothing, groups)) == groups
        assert kernels.count(nothing, groups).tolist() == [0] * groups
        assert kernels.spread(nothing, nothing, groups).tolist() == [0.0] * groups
        assert kernels.distinct(nothing, nothing, groups).tolist() == [0] * groups
        assert kernels.overflows(nothing, nothing, groups).tolist() == []
    assert [len(found) for found in kernels.gaps(nothing, nothing)] == [0, 0]


@grouping
def test_rows_of_no_group_are_in_no_result(kernels: ModuleType) -> None:
    codes, values = np.array([2, 2, 0]), np.array([7, INT64_MAX, 3])
    assert kernels.add(codes, values, 2).tolist() == [3, 0]
    assert kernels.count(codes, 2).tolist() == [1, 0]
    assert kernels.overflows(codes, values, 2).tolist() == []
    assert kernels.distinct(codes, values, 2).tolist() == [1, 0]
