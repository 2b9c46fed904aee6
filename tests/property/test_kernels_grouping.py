"""Grouping in NumPy and in C, with any number of threads, against loops in Python: bit by bit."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from implementations import THREADS, both

from crmcore.columns import Codes, Ints
from crmcore.kernels import threads
from crmcore.kernels.plain import grouping as plain

INT64_MAX = 2**63 - 1
implementations = both("grouping")

# A span that stands for values whose sums reach the ends of int64, and go one beyond.
LIMIT = 2**62
AT_THE_LIMIT = np.array([0, 1, -1, 2**62, 2**62 - 1, -(2**62), INT64_MAX, -INT64_MAX - 1])


@dataclass(frozen=True)
class Case:
    """Rows made from a few numbers, so that a failure shrinks to a small case."""

    rows: int
    groups: int
    span: int
    seed: int
    order: str
    wide: bool
    strided: bool

    def arrays(self) -> tuple[Codes, Ints]:
        chance = np.random.default_rng(self.seed)
        rows = self.rows * (2 if self.strided else 1)
        codes = chance.integers(0, self.groups + 1, rows).astype(
            np.int64 if self.wide else np.int32
        )
        values = chance.integers(-self.span - 1, self.span, rows, endpoint=True)
        if self.span == LIMIT:
            values = chance.choice(AT_THE_LIMIT, rows)
        if self.order != "any":
            values.sort()
        if self.order == "descending":
            values = values[::-1]
        return (codes[::2], values[::2]) if self.strided else (codes, values)


cases = st.builds(
    Case,
    st.integers(0, 20) | st.integers(0, 900),
    st.integers(0, 3) | st.integers(0, 60),
    st.sampled_from((0, 2, 300, 2**20, 2**40, LIMIT, INT64_MAX)),
    st.integers(0, 2**32),
    st.sampled_from(("any", "ascending", "descending")),
    st.booleans(),
    st.booleans(),
)


def wrapped(total: int) -> int:
    return (total + 2**63) % 2**64 - 2**63


def spread(ascending: Sequence[int]) -> float:
    if len(ascending) < 2:
        return 0.0
    mean, squares = float(wrapped(sum(ascending))) / float(len(ascending)), 0.0
    for value in ascending:
        squares += (float(value) - mean) * (float(value) - mean)
    return math.sqrt(squares / float(len(ascending) - 1))


# What is said of one group with these values, in ascending order.
BRUTE: dict[str, Callable[[list[int]], float]] = {
    "add": lambda found: wrapped(sum(found)),
    "smallest": lambda found: min(found, default=INT64_MAX),
    "largest": lambda found: max(found, default=-INT64_MAX - 1),
    "lower_median": lambda found: found[(len(found) - 1) // 2] if found else 0,
    "spread": spread,
    "distinct": lambda found: len({item for item in found if item >= 0}),
}


def bits(values: Any) -> list[bytes]:
    return [struct.pack("d" if isinstance(value, float) else "q", value) for value in values]


def agree(kernels: Any, case: Case) -> None:
    """Compare all kernels with loops over the rows of the case."""
    codes, values = case.arrays()
    found: list[list[int]] = [[] for _ in range(case.groups + 1)]
    for code, value in zip(codes.tolist(), values.tolist(), strict=True):
        found[code].append(value)
    for group in found:
        group.sort()
    held = found[: case.groups]
    for name, brute in BRUTE.items():
        result = getattr(kernels, name)(codes, values, case.groups)
        assert result.dtype == (np.float64 if name == "spread" else np.int64), name
        assert bits(result.tolist()) == bits(map(brute, held)), name
    assert kernels.count(codes, case.groups).tolist() == list(map(len, held))
    beyond = [place for place, group in enumerate(held) if sum(map(abs, group)) > INT64_MAX]
    assert kernels.overflows(codes, values, case.groups).tolist() == beyond
    gaps = [
        (place, wrapped(late - early))
        for place, group in enumerate(found)
        for early, late in pairwise(group)
    ]
    group_of_gap, gap = kernels.gaps(codes, values)
    assert group_of_gap.dtype == codes.dtype
    assert list(zip(group_of_gap.tolist(), gap.tolist(), strict=True)) == gaps


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    """Let threads and buckets have few rows each, so that small cases have many of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "ROWS_OF_A_THREAD", 2)
        compiled = implementations.args[1][1].values[0]
        if compiled is not None:
            patch.setattr(compiled, "_ROWS_OF_A_BUCKET", 5)
        yield


@implementations
@given(cases, st.sampled_from(THREADS))
def test_all_agree_with_loops(kernels: ModuleType, case: Case, number: int) -> None:
    with threads.threads(number):
        agree(kernels, case)


@implementations
@pytest.mark.parametrize("codes", [[0, 3, 1], [0, -1, 1]])
def test_a_code_beyond_the_groups_is_refused(kernels: ModuleType, codes: list[int]) -> None:
    if kernels is plain:
        pytest.skip("NumPy counts negative positions from the end")
    for wide in (np.int32, np.int64):
        rows, values = np.array(codes, wide), np.arange(3)
        for name in BRUTE:
            with pytest.raises(IndexError):
                getattr(kernels, name)(rows, values, 2)
        with pytest.raises(IndexError):
            kernels.count(rows, 2)


@implementations
def test_what_is_given_is_not_changed(kernels: ModuleType) -> None:
    codes, values = Case(500, 7, 2**40, 1, "any", False, False).arrays()
    codes.flags.writeable = values.flags.writeable = False
    for name in BRUTE:
        getattr(kernels, name)(codes, values, 7)
    kernels.gaps(codes, values)


DEFECTS: dict[str, dict[str, Callable[..., Any]]] = {
    "the upper median": {
        "lower_median": lambda codes, values, groups: ~plain.lower_median(codes, ~values, groups)
    },
    "squares added from the largest": {
        "spread": lambda codes, values, groups: plain.spread(codes, -values, groups)
    },
    "negative items count": {
        "distinct": lambda codes, items, groups: plain.distinct(codes, items & INT64_MAX, groups)
    },
    "magnitudes in doubles": {
        "overflows": lambda codes, values, groups: np.flatnonzero(
            np.bincount(codes, np.abs(values.astype(np.float64)), groups + 1)[:groups] > INT64_MAX
        )
    },
    "gaps with wider codes": {"gaps": lambda codes, days: plain.gaps(codes.astype(np.int64), days)},
    "the last row is lost": {
        "add": lambda codes, values, groups: plain.add(codes[:-1], values[:-1], groups)
    },
    "nothing is the smallest": {
        "smallest": lambda codes, values, groups: (
            plain.smallest(codes, values, groups) * (plain.count(codes, groups) > 0)
        )
    },
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_seeded_defect_is_noticed(name: str) -> None:
    kernels = SimpleNamespace(**vars(plain) | DEFECTS[name])

    @settings(max_examples=2_000, derandomize=True, phases=[Phase.generate])
    @given(cases)
    def run(case: Case) -> None:
        agree(kernels, case)

    with pytest.raises(AssertionError):
        run()


def test_the_loss_of_one_threads_rows_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.grouping")
    whole = compiled._runs
    monkeypatch.setattr(compiled, "_runs", lambda *given: whole(*given)[:2])
    with threads.threads(3), pytest.raises(AssertionError):
        agree(compiled, Case(300, 5, 300, 1, "any", False, False))


@implementations
def test_gaps_of_few_rows_whose_codes_are_far_apart(kernels: ModuleType) -> None:
    group, gap = kernels.gaps(np.array([2**40, 3, 2**40]), np.array([9, 1, 2]))
    assert (group.tolist(), gap.tolist()) == ([2**40], [7])


def test_the_tables_of_all_threads_take_no_more_than_the_rows() -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.grouping")
    with threads.threads(64):
        for rows, groups in ((4_200_000, 1_000_000), (10**6, 10**6), (10**6, 3), (10**6, 0)):
            parts = len(compiled._runs(rows, groups))
            assert parts == 1 or 8 * parts * groups <= 8 * rows
            assert parts > 1 or rows < 4 * (groups + 1)
