"""Whole evaluations with kernels in C and in NumPy are the same to the bit.

With any number of threads, and with the orders in arrays or in Arrow chunks of any size.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import cases
import numpy as np
import pytest
from answers import evaluation_of
from cases import Case
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from implementations import THREADS

import crmcore as crm
from crmcore import kernels
from crmcore.kernels import threads
from crmcore.kernels.selection import THEMES

EXAMPLES = {"quick": 200, "ci": 2_000, "record": 20_000}[
    os.environ.get("HYPOTHESIS_PROFILE", "quick")
]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


@contextmanager
def kernels_of(implementation: str, calls: Counter[str]) -> Iterator[None]:
    """Let all of crmcore use the kernels of one implementation, and count what is called."""
    with pytest.MonkeyPatch.context() as patch:
        for theme in THEMES:
            module = import_module(f"crmcore.kernels.{implementation}.{theme}")
            names = import_module(f"crmcore.kernels.plain.{theme}").__all__
            for name in set(names) & set(kernels.__all__):
                if name.islower():  # no types
                    patch.setattr(kernels, name, counted(getattr(module, name), name, calls))
        yield


def counted(kernel, name: str, calls: Counter[str]):
    def called(*arguments, **named):
        calls[name] += 1
        return kernel(*arguments, **named)

    return called


def bits(result: crm.Evaluation) -> dict[str, tuple[object, ...]]:
    """Return everything that a result holds, as bytes; what is unknown has no meaning."""
    found: dict[str, tuple[object, ...]] = {"ids": tuple(result.ids.tolist())}
    for name, column in result.columns.items():
        known = column.is_known()
        parts = [column.values[known]]
        parts += [] if column.divisor is None else [column.divisor[known]]
        bytes_ = [part.tolist() if part.dtype == object else part.tobytes() for part in parts]
        kinds = [part.dtype.str for part in parts]
        found[name] = (column.kind, column.categories, known.tobytes(), *bytes_, *kinds)
    found["findings"] = (result.findings, repr(result.orders and result.orders.intake))
    return found


def outcome(case: Case) -> object:
    try:
        return bits(evaluation_of(case))
    except crm.CrmcoreError as error:
        return type(error), str(error)


def test_evaluations_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    coding = pytest.importorskip("crmcore.kernels.compiled.coding")
    monkeypatch.setattr(threads, "ROWS_OF_A_THREAD", 1)
    monkeypatch.setattr(coding, "FEW", 0)
    calls: dict[str, Counter[str]] = {"plain": Counter(), "compiled": Counter()}
    refused = 0

    @settings(max_examples=EXAMPLES, suppress_health_check=SLOW, database=None)
    @given(cases.cases(), st.sampled_from(THREADS))
    def check(case: Case, most: int) -> None:
        nonlocal refused
        with kernels_of("plain", calls["plain"]):
            expected = outcome(case)
        with kernels_of("compiled", calls["compiled"]), crm.threads(most):
            found = outcome(case)
        assert found == expected
        refused += isinstance(found, tuple)

    check()
    assert calls["plain"] == calls["compiled"]
    wanted = {"tally", "encode", "has_duplicates", "survey", "banded", "lower_median", "spread"}
    assert wanted <= set(+calls["compiled"]), calls["compiled"]
    assert refused < EXAMPLES / 2


def columns_of(size: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    people = max(size // 4, 1)
    ids = np.array(
        [f"{one:08x}-0000-4000-8000-{one:012x}" for one in rng.integers(0, 2**32, people)]
    )
    return {
        "order_id": rng.permutation(size * 2)[:size],
        "customer_id": ids[rng.integers(0, people, size)],
        "placed_at": np.datetime64("2024-03-01", "us")
        + rng.integers(0, 500 * 86_400, size) * 10**6,
        "amount_minor": rng.integers(-500, 90_000, size),
    }


@given(st.integers(0, 400), st.integers(1, 50), st.integers(0, 2**16), st.sampled_from(THREADS))
def test_chunks_of_any_size_are_the_same(size: int, chunk: int, seed: int, most: int) -> None:
    pa = pytest.importorskip("pyarrow")
    coding = pytest.importorskip("crmcore.kernels.compiled.coding")
    columns = columns_of(size, seed)
    table = pa.table(columns)
    parts = [table.slice(at, chunk) for at in range(0, size, chunk)] or [table]
    policy = crm.presets.load("classic")
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})
    as_of = np.datetime64("2025-06-30").astype(object)

    def evaluated(implementation: str, orders: object) -> object:
        with kernels_of(implementation, Counter()), crm.threads(most):
            table = crm.OrderTable.from_frame(orders, source)
            return bits(crm.evaluate(policy, table, as_of=as_of))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "ROWS_OF_A_THREAD", 1)
        patch.setattr(coding, "FEW", 0)
        found = evaluated("compiled", pa.concat_tables(parts))
    assert found == evaluated("plain", table)


def test_columns_cut_out_of_records_are_read_like_others() -> None:
    """No value of theirs stands where the processor reads such a value at once."""
    columns = columns_of(70_000, 3)
    pieces = {name: np.dtype(np.asarray(column).dtype) for name, column in columns.items()}
    packed = np.empty(70_000, [("mark", "i1"), *pieces.items()])
    for name, column in columns.items():
        packed[name] = column
    cut = {name: shifted(packed[name]) for name in columns}
    assert not any(column.flags.aligned for column in cut.values())
    policy = crm.presets.load("classic")
    source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2})

    def evaluated(given: dict[str, np.ndarray]) -> object:
        table = crm.OrderTable.from_arrays(given, source)
        return bits(crm.evaluate(policy, table, as_of=np.datetime64("2025-06-30").astype(object)))

    expected = evaluated(columns)
    assert evaluated(cut) == expected
    assert evaluated({name: packed[name] for name in columns}) == expected


def shifted(column: np.ndarray) -> np.ndarray:
    """Return the values one after the other, from an odd byte on."""
    room = np.empty(column.nbytes + 1, np.uint8)
    room[1:] = np.frombuffer(column.tobytes(), np.uint8)
    return room[1:].view(column.dtype)
