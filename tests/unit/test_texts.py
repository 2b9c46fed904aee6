"""Text in two arrays: what goes in comes out, whatever is taken of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmcore.texts import Texts

STRINGS = st.lists(st.text(max_size=4) | st.sampled_from(["", "ä", "\U0001f600", "\ud800"]))


@given(STRINGS)
def test_strings_come_back(strings: list[str]) -> None:
    texts = Texts.from_strings(iter(strings))
    assert len(texts) == len(strings)
    assert texts.tolist() == list(texts) == strings
    assert [texts[row] for row in range(len(texts))] == strings
    assert [texts[row - len(texts)] for row in range(len(texts))] == strings
    assert texts.empty().tolist() == [not one for one in strings]
    for row in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError):
            texts[row]


@given(STRINGS, st.data())
def test_some_rows(strings: list[str], data: st.DataObject) -> None:
    # A part of a longer run, as slices of Arrow arrays are.
    start = data.draw(st.integers(0, len(strings)))
    stop = data.draw(st.integers(start, len(strings)))
    whole = Texts.from_strings(strings)
    part, expected = whole.between(start, stop), strings[start:stop]
    assert part.tolist() == expected
    assert part.data is whole.data
    rows = data.draw(st.lists(st.integers(0, len(part) - 1)) if expected else st.just([]))
    assert part.take(np.array(rows, np.int64)).tolist() == [expected[row] for row in rows]
    mask = np.array([row in rows for row in range(len(part))], np.bool_)
    assert part.take(mask).tolist() == [expected[row] for row in sorted(set(rows))]


@given(st.lists(STRINGS), st.sampled_from([np.int32, np.int64]))
def test_parts_are_put_together(parts: list[list[str]], kind: type) -> None:
    texts = [Texts.from_strings(part) for part in parts]
    narrow = [Texts(part.data, part.offsets.astype(kind)) for part in texts]
    joined = Texts.joined(narrow)
    assert joined.tolist() == [one for part in parts for one in part]


def test_one_part_is_not_copied() -> None:
    nothing, some = Texts.from_strings([]), Texts.from_strings(["a"])
    assert Texts.joined([nothing, some, nothing]) is some
    assert repr(some) == "Texts(1)"


def test_rows_of_more_than_a_block() -> None:
    texts = Texts.from_strings(map(str, range(70_000)))
    rows = np.arange(70_000)[::-1]
    assert texts.take(rows).tolist() == list(map(str, range(69_999, -1, -1)))
