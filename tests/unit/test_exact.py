"""Exact numbers: products that have no room in 64 bits, and rows in blocks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from crmcore.columns import Column
from crmcore.conditions import FieldType, bind, evaluate, parse
from crmcore.conditions.evaluators import blocks
from crmcore.conditions.evaluators.exact import Exact, compare, difference, product, quotient, total
from crmcore.conditions.typed.bound import COMPARE
from crmcore.tables import FirstMatch

TOP = 2**63 - 1


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        (Fraction(1, 3), Fraction(1, 3)),
        (Fraction(TOP, TOP - 1), Fraction(TOP - 1, TOP - 2)),
        (Fraction(-TOP, 2), Fraction(-TOP, 3)),
        (Fraction(-1, TOP), Fraction(-1, TOP - 1)),
        (Fraction(TOP), Fraction(TOP - 1)),
        (Fraction(7, 2), Fraction(TOP, 2)),
        (Fraction(10**37 + 1, 10**37), Fraction(1)),
    ],
)
def test_comparing_never_overflows(op: str, left: Fraction, right: Fraction) -> None:
    for a, b in ((left, right), (right, left), (left, left)):
        if a.numerator > TOP:
            continue
        column = Exact(np.array([a.numerator]), np.array([a.denominator]))
        literal = Exact(b.numerator, b.denominator)
        assert compare(op, column, literal).tolist() == [COMPARE[op](a, b)]
        if b.numerator <= TOP:
            others = Exact(np.array([b.numerator]), np.array([b.denominator]))
            assert compare(op, column, others).tolist() == [COMPARE[op](a, b)]


def test_ties_are_decided_by_their_remainders() -> None:
    # The first two tie in their whole parts; their products fit, or they do not.
    for factor in (1, 10**17):
        left = Exact(np.array([10 * factor, 11 * factor, TOP]), np.array([3 * factor] * 3))
        right = Exact(np.array([7 * factor, 7 * factor, 1]), np.array([2 * factor] * 3))
        assert compare("<", left, right).tolist() == [True, False, False]
        assert compare(">=", left, right).tolist() == [False, True, True]


def test_calculating_is_exact() -> None:
    a, b = Exact(np.array([1, -7]), np.array([3, 2])), Exact(np.array([-1, 3]), np.array([2, 5]))
    pairs = [(Fraction(1, 3), Fraction(-1, 2)), (Fraction(-7, 2), Fraction(3, 5))]

    def found(number: Exact) -> list[Fraction]:
        assert (np.asarray(number.divisor) > 0).all()
        return [Fraction(*pair) for pair in np.broadcast(*number)]

    assert found(total(a, b)) == [x + y for x, y in pairs]
    assert found(difference(a, b)) == [x - y for x, y in pairs]
    assert found(product(a, b)) == [x * y for x, y in pairs]
    assert found(quotient(a, b)) == [x / y for x, y in pairs]


# --- rows in blocks ----------------------------------------------------------------------------

FIELDS = {"count": FieldType("int"), "other": FieldType("int")}


@pytest.mark.parametrize("rows", [0, 1, 4, 5, 8, 9])
def test_blocks_give_what_one_block_gives(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "count": Column("int", np.arange(rows), np.arange(rows) != 2),
        "other": Column("int", np.array([5])),  # the same for all rows
    }
    bound, _ = bind(parse("count > 1 and count < other"), FIELDS, "here")
    assert bound is not None
    whole = evaluate(bound, columns, rows)
    monkeypatch.setattr(blocks, "BLOCK", 4)
    parts = evaluate(bound, columns, rows)
    assert parts.true.tolist() == whole.true.tolist()
    assert parts.is_known().tolist() == whole.is_known().tolist()


def test_columns_without_missing_values_have_no_mask_in_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 4)
    bound, _ = bind(parse("count > 1"), FIELDS, "here")
    assert bound is not None
    assert evaluate(bound, {"count": Column("int", np.arange(9))}, 9).known is None


@pytest.mark.parametrize("unknown", ["skip", "default"])
def test_tables_in_blocks_take_out_the_rows_still_open(
    unknown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [(f"count == {at}", f"row_{at}") for at in (0, 1, 2, 3, 5)]
    first.append(("other > 0", "other"))
    table = FirstMatch.model_validate({"first": first, "otherwise": "rest", "unknown": unknown})
    bound, problems = table.bind(FIELDS, "here")
    assert bound is not None, problems
    values = np.array([0] * 30 + [1, 2, 3, 4, 5, 5, 6, 7, 0, 0])
    columns = {
        "count": Column("int", values, np.arange(40) != 35),
        "other": Column("int", np.where(values == 7, 1, 0)),
    }
    expected = [{4: -1, 5: 4, 6: -1, 7: 5}.get(value, value) for value in values.tolist()]
    expected[35] = -1  # not known, and no other row holds
    for size in (1, 3, 7, 64):
        monkeypatch.setattr(blocks, "BLOCK", size)
        assert bound.apply(columns, 40)[1].tolist() == expected
