"""Customers from bad data, and their attributes as a policy declares them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from golden.shop import discreet, left_out, policy, refused, table

import crmcore as crm
from crmcore.records.customers import CustomerTable

AS_OF = date(2025, 2, 1)


def attribute(kind: Any, values: Any) -> list[Any]:
    """An attribute of customers 0, 1, 2 … as an evaluation sees it."""
    customers = CustomerTable.from_arrays({"customer_id": list(range(len(values))), "mark": values})
    asked = policy({}, attributes={"mark": kind})
    orders = table(customer_id=[None])
    return crm.evaluate(asked, orders, customers, as_of=AS_OF).columns["mark"].to_list()


# Rows


def test_customers_stand_in_ascending_order() -> None:
    ids = ["b", 2, UUID(int=1), "B", 1]
    customers = CustomerTable.from_arrays({"customer_id": ids, "blocked": [True, *[False] * 4]})
    assert customers.ids.tolist() == [1, 2, "B", "b", UUID(int=1)]
    blocked = customers.column("blocked", "bool")
    assert blocked is not None
    assert blocked.to_list() == [False, False, False, True, False]


def test_customers_without_a_usable_id_are_set_aside() -> None:
    ids = [1, None, 2.5, True, float("nan"), "", "a"]
    customers = CustomerTable.from_arrays({"customer_id": ids})
    assert customers.ids.tolist() == [1, "a"]
    assert left_out(customers.intake) == {
        ("quarantined", "missing_customer_id"): 3,
        ("quarantined", "bad_id"): 2,
    }
    positions = {entry.reason: entry.positions for entry in customers.intake.left_out}
    assert positions == {"missing_customer_id": (1, 4, 5), "bad_id": (2, 3)}


def test_whole_floats_beside_text_are_whole_numbers() -> None:
    customers = CustomerTable.from_arrays({"customer_id": [1.0, "a"]})
    assert customers.ids.tolist() == [1, "a"]


def test_whole_numbers_with_gaps_are_read_without_a_warning() -> None:
    customers = CustomerTable.from_arrays({"customer_id": np.array([7.0, np.nan, 9.0])})
    assert customers.ids.tolist() == [7, 9]


def test_repeated_customers_count_once_and_contradictions_not_at_all() -> None:
    customers = CustomerTable.from_arrays(
        {
            "customer_id": ["a", "b", "a", "b", "c", "a"],
            "blocked": [True, True, True, False, None, True],
        }
    )
    assert customers.ids.tolist() == ["a", "c"]
    assert left_out(customers.intake) == {
        ("collapsed", "duplicate"): 2,
        ("quarantined", "conflicting_duplicate"): 2,
    }


@pytest.mark.parametrize(
    "values",
    [
        ["x", None],
        [1, None],
        [True, None],
        [date(1987, 4, 23), None],
        [1.5, float("nan")],
        [0, None],
        ["", "x"],
        [Decimal("0.5"), Decimal("0.6")],
    ],
)
def test_a_value_and_none_contradict_each_other(values: list[object]) -> None:
    customers = CustomerTable.from_arrays({"customer_id": [1, 1], "mark": values})
    assert left_out(customers.intake) == {("quarantined", "conflicting_duplicate"): 2}


@pytest.mark.parametrize("values", [[None, None], [float("nan")] * 2, ["", None], [1.0, 1]])
def test_two_missing_values_agree(values: list[object]) -> None:
    customers = CustomerTable.from_arrays({"customer_id": [1, 1], "mark": values})
    assert left_out(customers.intake) == {("collapsed", "duplicate"): 1}


def test_findings_tell_of_customers_that_were_set_aside() -> None:
    customers = CustomerTable.from_arrays(
        {"customer_id": ["C1", "C1", None], "blocked": [True, False, True]}
    )
    result = crm.evaluate(policy({}), table(), customers, as_of=AS_OF)
    reasons = {finding.reason for finding in result.findings}
    assert {"conflicting_duplicate", "missing_customer_id"} <= reasons


def test_empty_tables_are_tables() -> None:
    for given in (
        {"customer_id": []},
        {"customer_id": np.empty(0, np.int64), "blocked": np.empty(0, np.bool_)},
        {"customer_id": [None], "blocked": [True]},
    ):
        customers = CustomerTable.from_arrays(given)
        assert len(customers) == 0
        result = crm.evaluate(crm.presets.load("classic"), table(), customers, as_of=AS_OF)
        assert result.ids.tolist() == ["C1"]
    rows = CustomerTable.from_rows([], columns=("customer_id",))
    assert len(rows) == 0
    with refused(column="customer_id"):
        CustomerTable.from_rows([])


def test_one_customer_and_no_orders() -> None:
    orders = crm.OrderTable.from_models([], currency=crm.presets.load("classic").currency)
    customers = CustomerTable.from_arrays({"customer_id": ["C1"], "blocked": [True]})
    result = crm.evaluate(crm.presets.load("classic"), orders, customers, as_of=AS_OF)
    assert result["C1"]["class"] == "non_ordering"


def test_tables_without_ids_or_of_odd_lengths_are_refused() -> None:
    with refused(column="customer_id"):
        CustomerTable.from_arrays({"name": ["Zhang Wei"]})
    with refused():
        CustomerTable.from_arrays({"customer_id": [1, 2], "name": ["Zhang Wei"]})


# Attributes


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("bool", [True, False, None], [True, False, None]),
        ("bool", [1, 0, None], [True, False, None]),
        ("bool", np.array([1.0, 0.0, np.nan]), [True, False, None]),
        ("bool", ["true", "FALSE", ""], [True, False, None]),
        ("bool", ["yes", "no", None], [True, False, None]),
        ("int", [3, -4, None], [3, -4, None]),
        ("int", ["3", "-4", ""], [3, -4, None]),
        ("int", np.array([3.0, np.nan]), [3, None]),
        ("int", np.array([3.0, 4.0]), [3, 4]),
        ("int", [2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        ("float", [1.5, float("nan"), None], [1.5, None, None]),
        ("float", [float("inf"), 1.5], [None, 1.5]),
        ("float", [1, 2], [1.0, 2.0]),
        ("float", [Decimal("1.5"), None], [1.5, None]),
        ("float", ["1.5", ""], [1.5, None]),
        ("float", ["nan", "1.5"], [None, 1.5]),
        ("float", ["inf", "1.5"], [None, 1.5]),
        ("date", [date(1987, 4, 23), None], [date(1987, 4, 23), None]),
        ("date", ["1987-04-23", ""], [date(1987, 4, 23), None]),
        ("date", np.array(["1987-04-23", "NaT"], "M8[D]"), [date(1987, 4, 23), None]),
        ("date", np.array(["1987-04-23", "NaT"], "M8[ns]"), [date(1987, 4, 23), None]),
        ("date", np.array(["1960-04-23T13"], "M8[s]"), [date(1960, 4, 23)]),
        ("date", [date(1600, 1, 1), date(2000, 1, 1)], [None, date(2000, 1, 1)]),
        ("text", ["上海", "", None], ["上海", None, None]),
        ("text", crm.Coded(np.array([0, -1, 1], np.int8), ["a", "b"]), ["a", None, "b"]),
        ("label", ["x", None, "y"], ["x", None, "y"]),
        (
            {"type": "label", "values": ["low", "high"]},
            ["high", "low", None],
            ["high", "low", None],
        ),
        ("text", [None, None], [None, None]),
        ("int", [None, None], [None, None]),
        ("date", [None], [None]),
        ("bool", [None], [None]),
        ("label", [None], [None]),
    ],
)
def test_attributes_in_the_forms_that_shops_write(
    kind: Any, values: Any, expected: list[object]
) -> None:
    if isinstance(values, crm.Coded):
        asked = policy({}, attributes={"mark": kind})
        customers = CustomerTable.from_arrays({"customer_id": [0, 1, 2], "mark": values})
        result = crm.evaluate(asked, table(customer_id=[None]), customers, as_of=AS_OF)
        assert result.columns["mark"].to_list() == expected
        return
    found = attribute(kind, values)
    assert found == expected
    assert [type(one) for one in found] == [type(one) for one in expected]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bool", ["Zhang Wei"]),
        ("bool", [2]),
        ("bool", [date(1987, 4, 23)]),
        ("int", ["Zhang Wei"]),
        ("int", [1.5]),
        ("int", ["99999999999999999999"]),
        ("float", ["Zhang Wei"]),
        ("date", ["1987-04-31"]),
        ("date", ["Zhang Wei"]),
        ("date", ["23.04.1987"]),
        ("date", [4711000]),
        ("date", [datetime(1987, 4, 23, tzinfo=UTC)]),
        ("text", [4711000]),
        ("text", [date(1987, 4, 23)]),
        ({"type": "label", "values": ["low", "high"]}, ["Zhang Wei"]),
    ],
)
def test_attributes_of_another_type_are_refused(kind: Any, values: list[object]) -> None:
    with refused(column="mark"):
        attribute(kind, values)


@pytest.mark.parametrize(
    ("kind", "values", "expected", "positions"),
    [
        ("bool", ["Y", "true", "", "N", "Y"], "true or false, yes or no, 1 or 0", (0, 3, 4)),
        ("bool", [1, 0, 2, 0, 3], "true or false, yes or no, 1 or 0", (2, 4)),
        ("date", ["2025-06-30", "30.06.2025", None, "", "x"], "dates such as", (1, 4)),
        ("int", ["1", "1.5", "2", "", "99999999999999999999"], "whole numbers", (1, 4)),
        ("int", [1.5, 2.0, np.nan, 2.5, 3.0], "whole numbers", (0, 3)),
        ("float", ["1.5", "one", "", "2", "3"], "expected numbers", (1,)),
        ("text", [7, "a", None, "b", "c"], "expected text", (0,)),
    ],
)
def test_bad_attributes_are_found_where_they_stand_in_the_rows_given(
    kind: Any, values: list[object], expected: str, positions: tuple[int, ...]
) -> None:
    customers = CustomerTable.from_arrays({"customer_id": [9, 8, 7, 6, 5], "mark": values})
    with refused(column="mark") as caught:
        customers.column("mark", kind)
    assert expected in str(caught.value)
    assert (caught.value.count, caught.value.positions) == (len(positions), positions)
    part = customers.take(np.arange(5), customers.ids)
    with refused(column="mark") as caught:
        part.column("mark", kind)
    assert caught.value.positions == positions


def test_attributes_that_no_table_has_are_missing() -> None:
    kinds = {"a": "bool", "b": "int", "c": "float", "d": "date", "e": "text", "f": "label"}
    asked = policy({}, attributes=kinds)
    for customers in (None, CustomerTable.from_arrays({"customer_id": ["C1"]})):
        found = crm.evaluate(asked, table(), customers, as_of=AS_OF)["C1"]
        assert found == dict.fromkeys(kinds)


def test_who_is_not_in_the_table_is_not_blocked_and_has_no_tags() -> None:
    asked = policy(
        {},
        segment={"first": [["blocked", "blocked"], ["tag:press", "press"]], "otherwise": "others"},
    )
    customers = CustomerTable.from_models(
        [
            crm.Customer(customer_id="A", blocked=True),
            crm.Customer(customer_id="B", tags={"press"}),
            crm.Customer(customer_id="C", tags={"friend"}),
        ]
    )
    orders = table(customer_id=["D"])
    result = crm.evaluate(asked, orders, customers, as_of=AS_OF)
    assert result.columns["segment"].to_list() == ["blocked", "press", "others", "others"]


@pytest.mark.parametrize("values", [[None, True], np.array([np.nan, 1.0]), ["", "yes"]])
def test_blocked_without_a_known_value_is_false(values: Any) -> None:
    customers = CustomerTable.from_arrays({"customer_id": ["C1", "C2"], "blocked": values})
    orders = table(customer_id=["C1", "C2"])
    result = crm.evaluate(crm.presets.load("classic"), orders, customers, as_of=AS_OF)
    assert result.columns["blocked"].to_list() == [False, True]


def test_columns_that_nothing_asks_for_may_hold_anything_readable() -> None:
    customers = CustomerTable.from_arrays({"customer_id": [1], "e_mail": ["zhang.wei@example.org"]})
    result = crm.evaluate(policy({}), table(), customers, as_of=AS_OF)
    assert "e_mail" not in result.columns


def test_models_with_different_attributes_make_one_table() -> None:
    customers = CustomerTable.from_models(
        [
            crm.Customer(customer_id=1, attributes={"points": 3}),
            crm.Customer(customer_id=2, attributes={"city": "Köln"}),
            crm.Customer(customer_id=3, attributes={"born_on": date(1987, 4, 23)}),
        ]
    )
    asked = policy({}, attributes={"points": "int", "city": "text", "born_on": "date"})
    result = crm.evaluate(asked, table(customer_id=[None]), customers, as_of=AS_OF)
    assert result.columns["points"].to_list() == [3, None, None]
    assert result.columns["city"].to_list() == [None, "Köln", None]
    assert result.columns["born_on"].to_list() == [None, None, date(1987, 4, 23)]


@pytest.mark.parametrize("name", ["customer_id", "blocked", "registered_on", "tag:press"])
def test_attributes_do_not_stand_in_for_what_the_model_says(name: str) -> None:
    with pytest.raises(ValueError):
        CustomerTable.from_models(
            [crm.Customer(customer_id=1, blocked=True, tags={"press"}, attributes={name: 2})]
        )


@pytest.mark.parametrize("wrong", [{"customer_id": 8173.55}, {"birthday": "Zhang Wei"}, {"x": 1}])
def test_models_refuse_without_repeating_what_was_given(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:
        crm.Customer(**{"customer_id": "Zhang Wei", **wrong})
    discreet(caught.value)


def test_a_customer_needs_an_id_that_is_not_empty() -> None:
    with pytest.raises(ValueError):
        crm.evaluate_customer(policy({}), crm.Customer(customer_id=""), [], as_of=AS_OF)
