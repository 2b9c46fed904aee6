"""Tallies in C, in NumPy and by hand are the same, to the bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest

from crmcore.columns import Codes, Ints, Mask
from crmcore.kernels import threads
from crmcore.kernels.plain import tallying as plain
from crmcore.kernels.plain.tallying import Choice, Measure, Rows, Take

INT64 = np.iinfo(np.int64)
EDGES = (int(INT64.min), int(INT64.min) + 1, -1, 0, 1, 7, 8, int(INT64.max) - 1, int(INT64.max))
TAKES: tuple[Take, ...] = ("count", "sum", "smallest", "largest")
NOTHING = {"count": 0, "sum": 0, "smallest": int(INT64.max), "largest": int(INT64.min)}


@dataclass
class Case:
    rows: Rows
    choices: list[Choice]
    measures: list[Measure]
    groups: int
    place: Ints | None
    size: int | None

    def by(self, tally: Callable[..., list[Ints]]) -> list[list[int]]:
        found = tally(self.rows, self.choices, self.measures, self.groups, self.place, self.size)
        assert all(result.dtype == np.int64 for result in found)
        return [result.tolist() for result in found]


def make(seed: int, most_rows: int = 300) -> Case:
    rng = np.random.default_rng(seed)
    count = int(rng.choice([0, 1, 2, 63, 127, 128, 129, 256, most_rows]))
    groups = int(rng.choice([0, 1, 2, 5, 1000]))
    codes = rng.integers(-1 if groups else -2, groups + 2, count)
    if count > 2:
        codes[:2] = INT64.min, INT64.max
    if rng.random() < 0.5:
        codes = np.clip(codes, -(2**31), 2**31 - 1).astype(np.int32)
    values = [numbers(rng, count) for _ in range(rng.integers(0, 4))]
    status = rng.integers(0, rng.choice([3, 256]), count).astype(np.uint8)
    rows = Rows(cast(Codes, codes), numbers(rng, count), status, values)
    choices = [choice(rng, count, len(values)) for _ in range(rng.choice([1, 3, 70]))]
    measures = [
        Measure(
            int(rng.integers(0, len(choices))),
            TAKES[rng.integers(0, 4)],
            int(rng.integers(-1, len(values))),
        )
        for _ in range(rng.choice([0, 1, 8, 90]))
    ]
    place = size = None
    if rng.random() < 0.5:
        size = groups + int(rng.choice([0, 1, 40]))
        place = np.sort(rng.permutation(size)[:groups])
    return Case(rows, choices, measures, groups, place, size)


def numbers(rng: np.random.Generator, count: int) -> Ints:
    """Make numbers at the ends of 64 bits, or close together, or anywhere."""
    kind = rng.integers(0, 3)
    if kind == 0:
        return rng.choice(np.array(EDGES), count)
    if kind == 1:
        return rng.integers(-2, 9, count)
    return rng.integers(INT64.min, INT64.max, count, endpoint=True)


def choice(rng: np.random.Generator, count: int, values: int) -> Choice:
    low, high = (int(edge) for edge in rng.choice(np.array(EDGES), 2))
    if rng.random() < 0.7:
        low, high = min(low, high), max(low, high)
    return Choice(
        rng.random(rng.choice([0, 2, 3, 256])) < 0.7,
        low,
        high,
        int(rng.integers(-1, values)),
        rng.random(count) < 0.6 if rng.random() < 0.3 else None,
    )


def by_hand(case: Case, defect: str = "") -> list[list[int]]:
    size = case.groups if case.size is None else case.size
    place = list(range(case.groups)) if case.place is None else case.place.tolist()
    results = []
    for measure in case.measures:
        result = [NOTHING[measure.take]] * size
        if defect == "nothing is 0":
            result = [0] * size
        for row in chosen(case, case.choices[measure.choice], defect):
            at = place[case.rows.codes[row]]
            column = case.rows.placed if measure.of < 0 else case.rows.values[measure.of]
            result[at] = taken(measure.take, result[at], int(column[row]), defect)
        results.append(result)
    return results


def taken(take: Take, so_far: int, value: int, defect: str) -> int:
    match take:
        case "count":
            return so_far + 1
        case "sum" if defect == "sums stop at the end":
            return min(max(so_far + value, int(INT64.min)), int(INT64.max))
        case "sum":
            return (so_far + value + 2**63) % 2**64 - 2**63
        case "smallest":
            return min(so_far, value)
        case _ if defect == "the last is the largest":
            return value
        case _:
            return max(so_far, value)


def chosen(case: Case, choice: Choice, defect: str) -> list[int]:
    rows, found = case.rows, []
    for row in range(len(rows.codes)):
        status, placed = int(rows.status[row]), int(rows.placed[row])
        tests = {
            "code": 0 <= rows.codes[row] < case.groups,
            "status": status < len(choice.statuses) and choice.statuses[status],
            "low": placed >= choice.low,
            "high": placed <= choice.high,
            "positive": choice.positive < 0 or rows.values[choice.positive][row] > 0,
            "marked": choice.marked is None or choice.marked[row],
        }
        lost = {
            "low belongs": placed == choice.low,
            "high belongs": placed == choice.high,
            "last row": row == len(rows.codes) - 1,
        }
        passed = all(passed for test, passed in tests.items() if test != defect)
        if passed and not lost.get(defect):
            found.append(row)
    return found


DEFECTS = [
    "nothing is 0",
    "sums stop at the end",
    "the last is the largest",
    "status",
    "low",
    "high",
    "positive",
    "marked",
    "low belongs",
    "high belongs",
    "last row",
]


@pytest.mark.parametrize("seed", range(300))
def test_numpy_is_as_by_hand(seed: int) -> None:
    case = make(seed)
    assert case.by(plain.tally) == by_hand(case)


@pytest.mark.parametrize("table_a_thread", [False, True])
@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_compiled_is_as_numpy(
    workers: int, table_a_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.tallying")
    monkeypatch.setattr(threads, "ROWS_OF_A_THREAD", 1)
    monkeypatch.setattr(compiled, "BYTES_A_ROW", 10**6 if table_a_thread else 0)
    monkeypatch.setattr(compiled, "GROUPS_AT_ONCE", 2)
    for seed in range(300):
        case = make(seed)
        with threads.threads(workers):
            assert case.by(compiled.tally) == case.by(plain.tally), seed


def test_row_by_row_is_as_several_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.tallying")
    cases = [make(seed, most_rows=1000) for seed in range(300)]
    found = [case.by(compiled.tally) for case in cases]
    monkeypatch.setattr(compiled, "SEVERAL_AT_ONCE", False)
    assert [case.by(compiled.tally) for case in cases] == found


@pytest.mark.parametrize("workers", [1, 2])
def test_more_rows_than_32_bits_count(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.tallying")
    monkeypatch.setattr(threads, "ROWS_OF_A_THREAD", 1)
    monkeypatch.setattr(compiled, "BYTES_A_ROW", 10**6)
    monkeypatch.setattr(compiled, "MOST_NARROW", 10)
    for seed in range(100):
        case = make(seed)
        with threads.threads(workers):
            assert case.by(compiled.tally) == case.by(plain.tally), seed


def test_many_rows_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.tallying")
    monkeypatch.setattr(compiled, "GROUPS_AT_ONCE", 40_000)  # tables of many pages shrink, too
    rng = np.random.default_rng(5)
    rows, groups = 400_000, 150_000
    for wide, table_a_thread in itertools.product((np.int32, np.int64), (False, True)):
        monkeypatch.setattr(compiled, "BYTES_A_ROW", 10**6 if table_a_thread else 0)
        codes = rng.integers(-1, groups + 1, rows).astype(wide)
        values = rng.integers(-5, 10**9, rows)
        status = rng.integers(0, 5, rows).astype(np.uint8)
        given = Rows(codes, rng.integers(0, 1000, rows), status, [values])
        choices = [Choice(np.arange(5) < 3, 200, 900, 0), Choice(np.arange(5) > 0, 0, 1000)]
        measures = [Measure(which, take, 0) for which in (0, 1) for take in TAKES]
        place = np.sort(rng.permutation(200_000)[:groups])
        case = Case(given, choices, measures, groups, place, 200_000)
        for workers in (1, 3):
            with threads.threads(workers):
                assert case.by(compiled.tally) == case.by(plain.tally)


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_cases_would_show(defect: str) -> None:
    cases = (make(seed) for seed in range(300))
    assert any(by_hand(case, defect) != case.by(plain.tally) for case in cases)


def test_arrays_in_steps_are_taken_as_they_are() -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.tallying")
    two = np.arange(12)[::2]
    rows = Rows(two // 4, two, (two % 3).astype(np.uint8)[::1], [two[::-1]])
    case = Case(rows, [Choice(np.ones(3, np.bool_), 0, 9)], [Measure(0, "sum", 0)], 3, None, None)
    assert case.by(compiled.tally) == case.by(plain.tally) == by_hand(case)


@pytest.mark.parametrize("name", ["plain", "compiled"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"measures": [Measure(1, "count")]}, IndexError),
        ({"measures": [Measure(-1, "count")]}, IndexError),
        ({"measures": [Measure(0, "sum", 1)]}, IndexError),
        ({"measures": [Measure(0, "sum", -2)]}, IndexError),
        ({"choices": [Choice(np.ones(1, np.bool_), 0, 9, 1)]}, IndexError),
        ({"place": np.array([0, 2]), "size": 2}, IndexError),
        ({"place": np.array([-1, 1]), "size": 2}, IndexError),
        ({"place": np.array([1, 0]), "size": 2}, IndexError),
        ({"place": np.array([1, 1]), "size": 2}, IndexError),
        ({"measures": [Measure(0, cast(Take, "max"))]}, ValueError),
        ({"choices": [Choice(np.ones(257, np.bool_), 0, 9)]}, ValueError),
        ({"choices": [Choice(np.ones(100_000, np.bool_), 0, 9)]}, ValueError),
        ({"choices": [Choice(np.ones((2, 2), np.bool_), 0, 9)]}, ValueError),
    ],
)
def test_what_is_not_there_is_refused(
    name: str, change: dict[str, object], error: type[Exception]
) -> None:
    module = pytest.importorskip(f"crmcore.kernels.{name}.tallying")
    one = np.zeros(1, np.int64)
    given: dict[str, object] = {
        "rows": Rows(one, one, np.zeros(1, np.uint8), [one]),
        "choices": [Choice(np.ones(1, np.bool_), 0, 9)],
        "measures": [Measure(0, "count")],
        "groups": 2,
    }
    with pytest.raises(error):
        module.tally(**(given | change))


def test_columns_of_another_shape_are_refused() -> None:
    compiled = pytest.importorskip("crmcore.kernels.compiled.tallying")
    choice, measure = Choice(np.ones(1, np.bool_), 0, 9), Measure(0, "count")
    for placed in (np.zeros((2, 0), np.int64), np.zeros((2, 1), np.int64), np.zeros(3, np.int64)):
        rows = Rows(np.zeros(2, np.int64), placed, np.zeros(2, np.uint8))
        with pytest.raises(ValueError, match="where 2 are needed"):
            compiled.tally(rows, [choice], [measure], 1)


@pytest.mark.parametrize("name", ["plain", "compiled"])
def test_any_number_but_0_says_that_a_status_is_chosen(name: str) -> None:
    module = pytest.importorskip(f"crmcore.kernels.{name}.tallying")
    rows = Rows(np.zeros(3, np.int64), np.zeros(3, np.int64), np.arange(3, dtype=np.uint8))
    choice = Choice(cast(Mask, np.array([256, 0, 2])), 0, 9)
    assert module.tally(rows, [choice], [Measure(0, "count")], 1)[0].tolist() == [2]
