"""Columns: each kind as Python values, and what is not known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from crmcore.columns import Column, Kind, floor_decimal, label_dtype

TEXT = np.array(["x", None], object)


@pytest.mark.parametrize(
    ("kind", "values", "more", "expected"),
    [
        ("bool", [True], {}, True),
        ("int", [2**63 - 1], {}, 2**63 - 1),
        ("money", [-5], {"exponent": 2}, Decimal("-0.05")),
        ("money", [2**63 - 1], {"exponent": 2}, Decimal("92233720368547758.07")),
        ("money", [5], {}, Decimal(5)),
        ("ratio", [1], {"divisor": np.array([3])}, Fraction(1, 3)),
        ("ratio", [100], {"divisor": np.array([3]), "exponent": 2}, Fraction(1, 3)),
        ("float", [0.1], {}, 0.1),
        ("date", [0], {}, date(1970, 1, 1)),
        ("date", [-107_015], {}, date(1677, 1, 1)),
        ("date", [2_932_896], {}, date(9999, 12, 31)),
        ("instant", [-1], {}, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("label", [1], {"categories": ("low", "high")}, "high"),
    ],
)
def test_each_kind_as_python_values(
    kind: Kind, values: list[Any], more: dict[str, Any], expected: object
) -> None:
    column = Column(kind, np.array(values), **more)
    assert column[0] == expected
    assert type(column[0]) is type(expected)
    unknown = Column(kind, np.array(values), np.array([False]), **more)
    assert unknown[0] is None


def test_text_is_as_it_was() -> None:
    assert Column("text", TEXT, np.array([True, False])).to_list() == ["x", None]


def test_the_decimal_context_of_the_host_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        column = Column("money", np.array([817355]), exponent=2)
        assert column[0] == Decimal("8173.55")
        assert floor_decimal(Fraction(817355, 100), 2) == Decimal("8173.55")


def test_rows_are_taken_in_the_order_asked_for() -> None:
    column = Column("ratio", np.arange(3), np.array([True, False, True]), np.array([1, 2, 3]), 1)
    taken = column.take(np.array([2, 1]))
    assert taken.to_list() == [Fraction(2, 30), None]
    assert column.take(np.array([False, True, True])).to_list() == [None, Fraction(2, 30)]


def test_what_is_known_is_known_for_every_row() -> None:
    assert Column("int", np.arange(2)).is_known().tolist() == [True, True]
    known = np.array([False, True])
    assert Column("int", np.arange(2), known).is_known() is known


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (Fraction(1, 3), 2, "0.33"),
        (Fraction(2, 3), 2, "0.66"),
        (Fraction(-1, 3), 2, "-0.34"),
        (Fraction(-1, 2), 0, "-1"),
        (Fraction(5), 2, "5.00"),
        (Fraction(2**63 - 1, 100), 2, "92233720368547758.07"),
    ],
)
def test_a_mean_is_rounded_down(value: Fraction, digits: int, expected: str) -> None:
    assert str(floor_decimal(value, digits)) == expected


def test_types_of_label_codes() -> None:
    found = [label_dtype(labels) for labels in (1, 2**8, 2**8 + 1, 2**15, 2**15 + 1)]
    assert found == [np.int16, np.int16, np.int16, np.int16, np.int64]
