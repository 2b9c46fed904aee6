"""Looks at columns: NumPy's and the compiled kernels, beside plain Python."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crmcore.kernels import threads
from crmcore.kernels.plain import surveying as plain

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
WIDTHS = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]

columns = arrays(
    np.int64,
    st.integers(0, 70),
    elements=st.integers(-3, 3) | st.integers(INT64_MIN, INT64_MAX),
)


@pytest.fixture(params=["plain", "compiled"], scope="module")
def kernels(request):
    if request.param == "compiled":
        pytest.importorskip("crmcore.kernels.compiled.surveying", exc_type=ImportError)
    return import_module(f"crmcore.kernels.{request.param}.surveying")


@pytest.fixture(params=[1, 2, 3, 7], autouse=True, scope="module")
def some_threads(request):
    """Let even a few rows be shared among threads."""
    with pytest.MonkeyPatch.context() as patch, threads.threads(request.param):
        patch.setattr(threads, "ROWS_OF_A_THREAD", 4)
        yield


def negative_rows(kernels, values):
    return kernels.survey(values, listed=True).negative_rows


@given(values=columns)
def test_survey(kernels, values):
    given = values.tolist()
    found = kernels.survey(values)
    assert found == plain.Survey(
        min(given, default=0),
        max(given, default=0),
        given.count(0),
        sum(value < 0 for value in given),
    )
    assert found.reach == max(map(abs, given), default=0)


@given(values=columns, bound=st.integers(-3, 3) | st.integers(INT64_MIN, INT64_MAX))
def test_above(kernels, values, bound):
    assert kernels.above(values, bound) == sum(value > bound for value in values.tolist())


@given(values=columns)
def test_negative(kernels, values):
    found = kernels.survey(values, listed=True).negative_rows
    assert found.dtype == np.int64
    assert kernels.survey(values).negative_rows is None
    assert found.tolist() == [row for row, value in enumerate(values.tolist()) if value < 0]


@given(
    codes=st.lists(st.integers(-1, 90), max_size=70),
    table=st.lists(st.integers(0, 255), max_size=90),
    width=st.sampled_from(WIDTHS),
)
def test_translate(kernels, codes, table, width):
    codes = [code for code in codes if code >= 0 or width.startswith("int")]
    strange = any(not -1 <= code < len(table) for code in codes) or (codes and not table)
    given = np.array(codes, width), np.array(table, np.uint8)
    if strange:
        with pytest.raises(IndexError):
            kernels.translate(*given)
    else:
        found = kernels.translate(*given)
        assert found.dtype == np.uint8
        assert found.tolist() == [table[code] for code in codes]


def test_the_extremes_of_each_width_have_no_entry(kernels):
    for width in WIDTHS:
        for code in (np.iinfo(width).min, np.iinfo(width).max):
            if code != 0:
                with pytest.raises(IndexError):
                    kernels.translate(np.array([0, code], width), np.zeros(3, np.uint8))


@settings(max_examples=5)
@given(seed=st.integers(0, 99))
def test_many_rows(kernels, seed):
    """More than the kernels look at in one go."""
    values = np.random.default_rng(seed).integers(-(2**62), 2**62, 300_001)
    values[values % 7 == 0] = 0
    assert kernels.survey(values) == plain.survey(values)
    assert kernels.above(values, 12345) == plain.above(values, 12345)
    assert np.array_equal(negative_rows(kernels, values), negative_rows(plain, values))
    codes, table = (values % 5 - 1).astype(np.int16), np.arange(4, dtype=np.uint8)
    assert np.array_equal(kernels.translate(codes, table), table[codes])


def test_rows_that_do_not_lie_side_by_side(kernels):
    values = np.arange(-50, 50)[::-3]
    assert kernels.survey(values) == plain.Survey(-50, 49, 0, 17)
    assert negative_rows(kernels, values).tolist() == list(range(17, 34))
    assert kernels.above(values, 0) == 17
    table = np.arange(100, dtype=np.uint8)
    assert kernels.translate(np.arange(30)[::2], table).tolist() == list(range(0, 30, 2))


def test_a_column_that_may_not_be_written_to(kernels):
    values = np.array([3, -1, 0])
    values.flags.writeable = False
    assert kernels.survey(values) == plain.Survey(-1, 3, 1, 1)
    assert negative_rows(kernels, values).tolist() == [1]
    assert kernels.translate(values[::2], np.arange(4, dtype=np.uint8)).tolist() == [3, 0]


def test_codes_may_have_their_highest_byte_first(kernels):
    codes = np.array([1, 0, -1], ">i4")
    assert kernels.translate(codes, np.array([5, 6, 7], np.uint8)).tolist() == [6, 5, 7]
