from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.errors import DataError
from crmcore.tables import MISSING, OTHERWISE, BoundTable, FirstMatch

GRADES = ("bronze", "silver", "gold")
FIELDS = {
    "sale_count": FieldType("int"),
    "blocked": FieldType("bool"),
    "grade": FieldType("label", categories=GRADES, ordered=True),
}


def table(*first: tuple[str, str], **rest: object) -> FirstMatch:
    return FirstMatch.model_validate({"first": first, **rest})


def bound_of(*first: tuple[str, str], **rest: object) -> BoundTable:
    bound, problems = table(*first, **rest).bind(FIELDS, "class")
    assert not problems, problems
    assert bound is not None
    return bound


def ints(*values: int | None) -> Column:
    known = np.array([value is not None for value in values], np.bool_)
    return Column("int", np.array([value or 0 for value in values], np.int64), known)


def flags(*values: bool | None) -> Column:
    known = np.array([value is not None for value in values], np.bool_)
    return Column("bool", np.array([bool(value) for value in values], np.bool_), known)


def grades(*values: str | None, categories: tuple[str, ...] = GRADES) -> Column:
    known = np.array([value is not None for value in values], np.bool_)
    codes = np.array([99 if v is None else categories.index(v) for v in values], np.int64)
    return Column("label", codes, None if known.all() else known, categories=categories)


FIRST = (("blocked", "malicious"), ("sale_count == 0", "none"), ("sale_count > 3", "many"))


def test_the_first_condition_that_holds_decides() -> None:
    columns = {"blocked": flags(True, False, False, False), "sale_count": ints(9, 0, 4, 3)}
    label, matched = bound_of(*FIRST, otherwise="few").apply(columns, 4)
    assert label.to_list() == ["malicious", "none", "many", "few"]
    assert matched.tolist() == [0, 1, 2, OTHERWISE]
    assert matched.dtype == np.int16
    assert label.categories == ("malicious", "none", "many", "few")
    assert label.known is None


def test_without_otherwise_the_label_is_missing() -> None:
    columns = {"blocked": flags(True, False), "sale_count": ints(9, 3)}
    label, matched = bound_of(*FIRST).apply(columns, 2)
    assert label.to_list() == ["malicious", None]
    assert matched.tolist() == [0, MISSING]


def test_a_label_may_stand_twice() -> None:
    bound = bound_of(("sale_count == 0", "odd"), ("sale_count > 3", "odd"), otherwise="odd")
    label, matched = bound.apply({"sale_count": ints(0, 4, 3)}, 3)
    assert label.categories == ("odd",)
    assert label.to_list() == ["odd"] * 3
    assert matched.tolist() == [0, 1, OTHERWISE]


UNKNOWN = {
    "blocked": flags(None, None, False, True, False),
    "sale_count": ints(0, 2, None, None, 0),
}


@pytest.mark.parametrize("otherwise", [None, "few"])
def test_unknown_is_skipped(otherwise: str | None) -> None:
    label, _ = bound_of(*FIRST, otherwise=otherwise).apply(UNKNOWN, 5)
    assert label.to_list() == ["none", otherwise, otherwise, "malicious", "none"]


@pytest.mark.parametrize("otherwise", [None, "few"])
def test_unknown_goes_to_otherwise(otherwise: str | None) -> None:
    bound = bound_of(*FIRST, otherwise=otherwise, unknown="default")
    label, matched = bound.apply(UNKNOWN, 5)
    assert label.to_list() == [otherwise, otherwise, otherwise, "malicious", "none"]
    last = MISSING if otherwise is None else OTHERWISE
    assert matched.tolist() == [last, last, last, 0, 1]


def test_unknown_before_a_match_is_refused_with_positions() -> None:
    bound = bound_of(*FIRST, otherwise="few", unknown="error")
    with pytest.raises(DataError, match="'class'") as caught:
        bound.apply(UNKNOWN, 5)
    assert (caught.value.count, caught.value.positions) == (3, (0, 1, 2))
    decided = {name: column.take(np.array([3, 4])) for name, column in UNKNOWN.items()}
    assert bound.apply(decided, 2)[0].to_list() == ["malicious", "none"]


def test_only_the_first_positions_are_named() -> None:
    bound = bound_of(*FIRST, unknown="error")
    columns = {"blocked": flags(*[None] * 30), "sale_count": ints(*[0] * 30)}
    with pytest.raises(DataError) as caught:
        bound.apply(columns, 30)
    assert (caught.value.count, len(caught.value.positions)) == (30, 10)


def test_otherwise_may_refer_to_another_label_column() -> None:
    bound = bound_of(("blocked", "malicious"), ("sale_count == 0", "gold"), otherwise="@grade")
    columns = {
        "blocked": flags(True, False, False, False),
        "sale_count": ints(1, 0, 1, 1),
        "grade": grades(None, None, "silver", None),
    }
    label, matched = bound.apply(columns, 4)
    assert label.categories == bound.categories == ("malicious", "gold", "bronze", "silver")
    assert label.to_list() == ["malicious", "gold", "silver", None]
    assert matched.tolist() == [0, 1, OTHERWISE, MISSING]


def test_a_reference_that_is_known_everywhere_leaves_nothing_missing() -> None:
    bound = bound_of(("blocked", "malicious"), otherwise="@grade")
    columns = {"blocked": flags(True, None), "grade": grades("gold", "silver")}
    label, _ = bound.apply(columns, 2)
    assert label.known is None
    assert label.to_list() == ["malicious", "silver"]


def test_a_reference_is_read_by_its_labels_and_not_by_their_codes() -> None:
    bound = bound_of(("blocked", "malicious"), otherwise="@grade")
    columns = {
        "blocked": flags(False, False, True),
        "grade": grades("gold", "new", None, categories=("new", "gold")),
    }
    label, _ = bound.apply(columns, 3)
    assert label.to_list() == ["gold", "new", "malicious"]
    assert label.categories == (*bound.categories, "new")


def test_a_reference_may_be_one_value_for_all() -> None:
    bound = bound_of(("blocked", "malicious"), otherwise="@grade")
    for grade, expected in [("gold", "gold"), (None, None)]:
        columns = {"blocked": flags(False, True), "grade": grades(grade)}
        label, matched = bound.apply(columns, 2)
        assert label.to_list() == [expected, "malicious"]
        assert len(matched) == 2


def test_a_reference_to_another_kind_of_column_is_refused() -> None:
    bound = bound_of(("blocked", "malicious"), otherwise="@grade")
    with pytest.raises(DataError, match="grade"):
        bound.apply({"blocked": flags(False), "grade": ints(1)}, 1)


def test_no_rows_give_no_labels() -> None:
    bound = bound_of(*FIRST, otherwise="@grade")
    columns = {"blocked": flags(), "sale_count": ints(), "grade": grades()}
    label, matched = bound.apply(columns, 0)
    assert (len(label), len(matched)) == (0, 0)


def test_explanation_ends_where_the_decision_fell() -> None:
    columns = {"blocked": flags(True, False, None), "sale_count": ints(9, 3, 0)}
    bound = bound_of(*FIRST, otherwise="few")
    assert [trace.truth for trace in bound.explain(columns, 0)] == [True]
    assert [trace.truth for trace in bound.explain(columns, 1)] == [False, False, False]
    assert [trace.truth for trace in bound.explain(columns, 2)] == [None, True]
    stops = bound_of(*FIRST, otherwise="few", unknown="default")
    assert [trace.truth for trace in stops.explain(columns, 2)] == [None]


def test_names_are_those_of_conditions_and_reference() -> None:
    assert table(*FIRST, otherwise="@grade").names() == {"blocked", "sale_count", "grade"}
    assert table(*FIRST, otherwise="grade").names() == {"blocked", "sale_count"}


def test_every_problem_of_a_table_is_reported() -> None:
    first = (("blocked", "a"), ("sale_cout > 1", "b"), ("(blocked)", "c"), ("sale_count", "d"))
    bound, problems = table(*first, otherwise="@grad").bind(FIELDS, "class")
    assert bound is None
    assert {(problem.code, problem.path) for problem in problems} == {
        ("duplicate_condition", "class.first.2.0"),
        ("unknown_name", "class.otherwise"),
        ("unknown_name", "class.first.1.0"),
        ("type_mismatch", "class.first.3.0"),
    }
    assert {problem.suggestion for problem in problems} == {None, "grade", "sale_count"}


def test_an_empty_table_and_a_reference_to_a_number_are_problems() -> None:
    _, problems = table(otherwise="@sale_count").bind(FIELDS, "class")
    assert [problem.code for problem in problems] == ["empty_table", "type_mismatch"]


@pytest.mark.parametrize(
    "given",
    [
        {"first": [["blocked", "Bad"]]},
        {"first": [["blocked", "x" * 65]]},
        {"first": [["blocked", "x\n"]]},
        {"first": [["blocked", "_x"]]},
        {"first": [["blocked =", "x"]]},
        {"first": [["blocked"]]},
        {"first": [["blocked", "x"]] * 1001},
        {"first": [], "otherwise": "@"},
        {"first": [], "otherwise": ""},
        {"first": [], "unknown": "ignore"},
        {"first": [], "more": 1},
    ],
)
def test_a_table_of_another_shape_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        FirstMatch.model_validate(given)


def test_a_table_survives_json() -> None:
    written = table(*FIRST, otherwise="@grade", unknown="default")
    assert FirstMatch.model_validate_json(written.model_dump_json()) == written


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [(2, np.int16), (2**8 + 1, np.int16), (2**15, np.int16), (2**15 + 1, np.int64)],
)
def test_codes_of_labels_are_signed(labels: int, dtype: type) -> None:
    others = tuple(f"x{number}" for number in range(2, labels + 1))
    fields = {**FIELDS, "grade": FieldType("label", categories=("gold", *others))}
    rule = table(("sale_count >= 5", "gold"), otherwise="@grade")
    bound, _ = rule.bind(fields, "class")
    assert bound is not None
    categories = fields["grade"].categories
    grade = Column("label", np.array([len(categories) - 1] * 2), categories=categories)
    column, _ = bound.apply({"sale_count": ints(7, 2), "grade": grade}, 2)
    assert column.values.dtype == dtype
    assert column.to_list() == ["gold", others[-1]]
    assert np.where([True, False], column.values, -1).tolist() == [0, -1]
