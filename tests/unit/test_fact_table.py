"""Facts saved and given back, and facts that somebody else's warehouse made."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from golden.shop import policy, refused, table

import crmcore as crm
from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.facts import USUAL_FACTS
from crmcore.facts.table import FactTable
from crmcore.records.ids import Ids

CLASSIC = crm.presets.load("classic")
AS_OF = date(2025, 4, 1)
GIVEN: dict[str, Any] = {
    "customer_id": ["C1"],
    "last_sale_on": [date(2025, 2, 1)],
    "sale_count": [5],
    "mean_sale": ["300.00"],
    "order_count": [5],
    "orders_ever": [5],
    "first_order_at": [datetime(2024, 6, 1, tzinfo=UTC)],
    "blocked": [False],
}


def given(**changes: Any) -> crm.Evaluation:
    facts = {name: values for name, values in {**GIVEN, **changes}.items() if values is not None}
    return crm.evaluate_facts(CLASSIC, facts, as_of=AS_OF)


def one(kind: str, values: Any, exponent: int = 0, **more: Any) -> Any:
    """One column of facts, read back as Python values."""
    columns = {"customer_id": list(range(len(values))), "fact": values, **more}
    field = FieldType(kind, exponent=exponent)  # type: ignore[arg-type]
    return FactTable.from_arrays(columns, {"fact": field}).columns["fact"].to_list()


def shop() -> tuple[crm.OrderTable, crm.CustomerTable]:
    ids = [1, 30, "1", "A", "a", UUID(int=7), 1, 1, "A", "A"]
    orders = table(
        customer_id=ids,
        placed_at=[f"2025-0{1 + row % 3}-0{1 + row % 7}" for row in range(len(ids))],
        amount_minor=[100, 0, -5, 99_999, 7, 2**53 + 1, 33, -1, 1, 2],
        quantity=[1, None, 3, 4, 5, 6, 7, 8, 9, 10],
        product_id=["P"] * 10,
        category=["x"] * 10,
        promotion=["y", None] * 5,
    )
    customers = crm.CustomerTable.from_arrays(
        {
            "customer_id": [1, "A", "nobody"],
            "blocked": [True, None, False],
            "city": ["Köln", None, "上海"],
            "born_on": [date(1987, 4, 23), None, date(2000, 2, 29)],
            "points": [3, None, -4],
            "weight": [1.5, None, 1e300],
        }
    )
    return orders, customers


def test_facts_given_back_are_the_same_to_the_bit() -> None:
    declared = {name: fact.model_dump(exclude_none=True) for name, fact in USUAL_FACTS.items()}
    attributes = {
        "city": "text",
        "born_on": "date",
        "points": "int",
        "weight": "float",
    }
    asked = policy(
        declared,
        attributes=attributes,
        segment={"first": [["net_sales >= 1 and not blocked", "some"]], "otherwise": "none"},
    )
    result = crm.evaluate(asked, *shop(), as_of=AS_OF)
    again = crm.evaluate_facts(asked, result.facts.to_arrays(), as_of=AS_OF)
    assert again.ids.tolist() == result.ids.tolist()
    assert list(again.columns) == list(result.columns)
    for name, column in result.columns.items():
        other = again.columns[name]
        assert other.to_list() == column.to_list(), name
        assert (other.kind, other.exponent) == (column.kind, column.exponent)
        known = column.is_known()
        if column.kind == "text":
            continue
        assert other.values.dtype == column.values.dtype, name
        assert other.values[known].tobytes() == column.values[known].tobytes(), name
        if column.divisor is not None:
            assert other.divisor[known].tobytes() == column.divisor[known].tobytes()


def test_a_table_of_facts_of_the_classic_policy_gives_the_same_classes() -> None:
    orders, customers = shop()
    whole = crm.evaluate(CLASSIC, orders, customers, as_of=AS_OF)
    for facts in (whole.facts, whole.facts.to_arrays()):
        again = crm.evaluate_facts(CLASSIC, facts, as_of=AS_OF)
        for name in ("class", "score", "grade"):
            assert again.columns[name].to_list() == whole.columns[name].to_list()


def test_no_facts_at_all_are_an_empty_table() -> None:
    orders = table(customer_id=[None])
    nobody = crm.evaluate(CLASSIC, orders, as_of=AS_OF)
    again = crm.evaluate_facts(CLASSIC, nobody.facts.to_arrays(), as_of=AS_OF)
    assert len(nobody) == len(again) == 0


def test_facts_come_in_any_order_and_leave_by_id() -> None:
    result = crm.evaluate_facts(
        CLASSIC,
        {name: values * 3 for name, values in GIVEN.items()}
        | {"customer_id": ["b", 3, "a"], "sale_count": [1, 2, 3]},
        as_of=AS_OF,
    )
    assert result.ids.tolist() == [3, "a", "b"]
    assert result.columns["sale_count"].to_list() == [2, 3, 1]


# What a warehouse may write


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("int", [1, None], [1, None]),
        ("int", np.array([1.0, np.nan]), [1, None]),
        ("int", ["7", ""], [7, None]),
        ("int", [Decimal(7), None], [7, None]),
        ("bool", [True, None, False], [True, None, False]),
        ("float", [1, 2], [1.0, 2.0]),
        ("float", [1.5, float("nan")], [1.5, None]),
        ("float", ["1e300", None], [1e300, None]),
        ("money", [Decimal("8E+3"), Decimal("1.5")], [Decimal("8000.00"), Decimal("1.50")]),
        ("money", [Decimal("8173.55"), None], [Decimal("8173.55"), None]),
        ("money", ["-0.01", "3"], [Decimal("-0.01"), Decimal("3.00")]),
        ("money", [8173.55, 3.0], [Decimal("8173.55"), Decimal("3.00")]),
        ("ratio", ["0.005", None], [Fraction(1, 200), None]),
        ("date", ["2025-02-01", None], [date(2025, 2, 1), None]),
        ("date", np.array(["2025-02-01", "NaT"], "M8[D]"), [date(2025, 2, 1), None]),
        ("text", ["x", ""], ["x", None]),
    ],
)
def test_facts_in_the_forms_that_warehouses_write(
    kind: str, values: Any, expected: list[object]
) -> None:
    exponent = 2 if kind in ("money", "ratio") else 0
    assert one(kind, values, exponent) == expected


def test_the_decimal_context_of_the_host_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        assert one("money", [Decimal("8173.55")], 2) == [Decimal("8173.55")]


def test_an_exact_mean_comes_as_two_columns() -> None:
    found = one("ratio", [100], 2, **{"fact.divisor": [3]})
    assert found == [Fraction(1, 3)]


@pytest.mark.parametrize("divisor", [[0], [-3], [None], ["3"], [1.5]])
def test_divisors_are_positive_whole_numbers(divisor: list[object]) -> None:
    with refused():
        one("ratio", [817355], 2, **{"fact.divisor": divisor})


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int", [1.5]),
        ("int", ["Zhang Wei"]),
        ("int", [True]),
        ("int", [datetime(1987, 4, 23)]),
        ("int", ["99999999999999999999"]),
        ("int", [float("inf")]),
        ("bool", ["Zhang Wei"]),
        ("bool", [1]),
        ("float", ["Zhang Wei"]),
        ("float", [float("inf")]),
        ("float", [True]),
        ("money", ["Zhang Wei"]),
        ("money", ["8173.555"]),
        ("money", [8173.555]),
        ("money", [True]),
        ("money", ["817355/2"]),
        ("money", [" 8173.55 "]),
        ("money", ["8_173.55"]),
        ("money", ["8173.55e0"]),
        ("money", ["99999999999999999999"]),
        ("money", [Decimal("Infinity")]),
        ("ratio", ["Zhang Wei"]),
        ("ratio", ["817355/3"]),
        ("date", ["1987-04-31"]),
        ("date", ["Zhang Wei"]),
        ("date", [datetime(1987, 4, 23)]),
        ("date", [4711000]),
        ("date", [date(1500, 1, 1)]),
        ("instant", [datetime(1987, 4, 23)]),
        ("instant", ["1987-04-23T00:00:00"]),
        ("instant", [date(1987, 4, 23)]),
        ("instant", [4711000]),
        ("text", [4711000]),
    ],
)
def test_facts_of_another_type_or_unit_are_refused(kind: str, values: list[object]) -> None:
    exponent = 2 if kind in ("money", "ratio") else 0
    with refused(column="fact"):
        one(kind, values, exponent)


def test_the_text_of_floats_that_are_no_numbers_is_refused_or_missing() -> None:
    # NaN and infinity never stand in a column.
    for text in ("nan", "inf", "-Infinity"):
        try:
            assert one("float", [text, "1"]) == [None, 1.0]
        except crm.DataError:
            continue


def test_a_huge_power_of_ten_is_refused_at_once() -> None:
    with refused(column="fact"):
        one("money", [Decimal("1E+400000")], 2)
    with refused(column="fact"):
        one("money", ["1e400000"], 2)


@pytest.mark.parametrize("name", [name for name in GIVEN if name != "blocked"])
def test_a_missing_fact_is_named(name: str) -> None:
    with refused(column=name):
        given(**{name: None})


def test_a_table_of_facts_without_what_the_policy_needs_is_refused() -> None:
    fields = {name: CLASSIC.fields[name] for name in GIVEN if name in CLASSIC.fields}
    del fields["sale_count"]
    facts = FactTable.from_arrays(GIVEN, fields)
    with refused(column="sale_count"):
        crm.evaluate_facts(CLASSIC, facts, as_of=AS_OF)


def test_a_table_of_facts_of_another_kind_is_refused() -> None:
    fields = {name: CLASSIC.fields[name] for name in GIVEN if name in CLASSIC.fields}
    fields["mean_sale"] = FieldType("ratio", exponent=0)
    facts = FactTable.from_arrays(GIVEN, fields)
    with refused(column="mean_sale"):
        crm.evaluate_facts(CLASSIC, facts, as_of=AS_OF)


@pytest.mark.parametrize("count", [1, 3])
def test_columns_of_facts_must_be_equally_long(count: int) -> None:
    with refused():
        given(
            **{name: values * 2 for name, values in GIVEN.items()}
            | {"customer_id": ["Zhang Wei", "b"], "sale_count": [1] * count}
        )


@pytest.mark.parametrize(
    "ids",
    [
        ["Zhang Wei", "Zhang Wei"],
        ["Zhang Wei", None],
        [True, False],
        [1.5, 2.0],
        [4711000, 4711000.0],
    ],
)
def test_facts_need_one_row_for_each_customer(ids: list[object]) -> None:
    changes = {name: values * 2 for name, values in GIVEN.items()}
    with refused(column="customer_id"):
        given(**changes | {"customer_id": ids})


def test_facts_without_ids_are_refused() -> None:
    with refused(column="customer_id"):
        given(customer_id=None)


def test_columns_that_no_fact_declares_are_left_alone() -> None:
    result = given(e_mail=["zhang.wei@example.org"])
    assert result["C1"]["score"] == 24
    assert "e_mail" not in result.columns


# Frames


def test_frames_keep_facts_exactly() -> None:
    fields = {
        "mean_sale": FieldType("ratio", exponent=2),
        "never": FieldType("ratio", exponent=2),
        "city": FieldType("label"),
        "blocked": FieldType("bool"),
    }
    given = {
        "customer_id": ["B", "A"],
        "mean_sale": np.ma.masked_array([100, 7], [False, True]),
        "mean_sale.divisor": [3, 1],
        "never": np.ma.masked_array([0, 0], True),
        "never.divisor": [1, 1],
        "city": ["Suzhou", "Hangzhou"],
        "blocked": ["true", "false"],
    }
    facts = FactTable.from_arrays(given, fields)
    assert facts.columns["city"].to_list() == ["Hangzhou", "Suzhou"]
    assert facts.columns["blocked"].to_list() == [False, True]
    for kind in ("pyarrow", "polars", "pandas"):
        again = FactTable.from_frame(facts.to_frame(kind), fields)
        assert again.ids.tolist() == ["A", "B"]
        for name in fields:
            assert again.columns[name].to_list() == facts.columns[name].to_list(), (kind, name)
    assert facts.columns["mean_sale"].to_list() == [None, Fraction(1, 3)]


def test_truth_is_written_as_such() -> None:
    with pytest.raises(crm.DataError, match="bool"):
        FactTable.from_arrays(
            {"customer_id": [1], "blocked": ["yes"]}, {"blocked": FieldType("bool")}
        )


# The range of an attribute

VISITS = """
extends = "classic"
name = "shop"
attributes.visits = { type = "int", min = 0, max = 9, personal = false }
[segment]
first = [["visits > 3", "often"]]
otherwise = "seldom"
"""


@pytest.mark.parametrize("visits", [-1, 10])
def test_attributes_beyond_their_range_are_refused_wherever_they_come_from(visits: int) -> None:
    shop = crm.load_policy(VISITS)
    facts = {**GIVEN, "visits": [visits]}
    inside = crm.evaluate_facts(shop, {**GIVEN, "visits": [9]}, as_of=AS_OF)
    outside = FactTable(
        inside.ids, {**inside.facts.columns, "visits": Column("int", np.array([visits]))}
    )
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C1"], "visits": [visits]})
    for refused_by in (
        lambda: crm.evaluate_facts(shop, facts, as_of=AS_OF),
        lambda: crm.evaluate_facts(shop, outside, as_of=AS_OF),
        lambda: crm.evaluate(shop, table(customer_id=["C1"]), customers, as_of=AS_OF),
    ):
        with pytest.raises(crm.DataError) as refusal:
            refused_by()
        assert (refusal.value.column, refusal.value.count) == ("visits", 1)


def test_attributes_at_the_ends_of_their_range_or_missing_are_taken() -> None:
    shop = crm.load_policy(VISITS)
    many = {name: values * 3 for name, values in GIVEN.items()} | {"customer_id": [1, 2, 3]}
    result = crm.evaluate_facts(shop, many | {"visits": [0, 9, None]}, as_of=AS_OF)
    assert result.columns["segment"].to_list() == ["seldom", "often", "seldom"]


def test_a_range_with_one_end_is_open_at_the_other() -> None:
    shop = crm.load_policy(VISITS.replace(", max = 9", ""))
    facts = {**GIVEN, "visits": [2**40]}
    assert crm.evaluate_facts(shop, facts, as_of=AS_OF).columns["segment"][0] == "often"


def test_ids_may_be_any_array_or_list() -> None:
    columns = {"fact": Column("int", np.array([7, 8]))}
    for ids in (np.array([1, 2]), [1, 2], range(1, 3), crm.FactTable(np.array([1, 2]), {}).ids):
        facts = FactTable(ids, columns)  # type: ignore[arg-type]  # that is the question
        assert facts.ids.tolist() == [1, 2]
        assert facts.to_arrays()["customer_id"].tolist() == [1, 2]
    for wrong in ([2, 1], [1, 1], ["a", 1], [1, None]):
        with pytest.raises(crm.DataError):
            FactTable(wrong, columns)  # type: ignore[arg-type]  # that is the question
    with pytest.raises(crm.DataError, match="not UTF-8"):
        FactTable(["\ud800"], columns)  # type: ignore[arg-type]  # that is the question


def test_mixed_ids_come_back_from_a_frame_as_text() -> None:
    pytest.importorskip("pyarrow")
    columns = {"fact": Column("int", np.array([7, 8]))}
    frame = FactTable(Ids.of([1, "A"]), columns).to_frame()
    assert FactTable.from_frame(frame, {"fact": FieldType("int")}).ids.tolist() == ["1", "A"]


def test_figures_that_columns_share_are_read_only() -> None:
    orders, customers = shop()
    net = {"of": "sale", "take": "sum", "in": "period"}
    rules = crm.load_policy({"extends": "classic", "name": "x", "facts": {"net": net}})
    result = crm.evaluate(rules, orders, customers, as_of=AS_OF)
    mean, count = result.columns["mean_sale"], result.columns["sale_count"]
    assert mean.divisor is not None
    assert np.shares_memory(mean.divisor, count.values)
    for shared in (mean.values, mean.divisor, mean.known, count.values):
        assert shared is not None
        with pytest.raises(ValueError, match="read-only"):
            shared[:] = 7
