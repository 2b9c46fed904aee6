"""Calculating conditions inside a policy: ranges of fields, its zone, its hash and its schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from golden.shop import table

import crmcore as crm
from crmcore.policy import Policy, load_policy, schema

AS_OF = datetime(2025, 6, 30, 16, 30, tzinfo=UTC)  # 00:30 on 1 July in Shanghai
ORDERS = table(placed_at=["2025-06-01", "2025-06-10"], amount=["300.00", "500.00"])


def policy(*rows: tuple[str, str], zone: str = "Asia/Shanghai", **more: Any) -> Policy:
    """Return a policy with one list of conditions."""
    return load_policy(
        {
            "format": 1,
            "name": "shop",
            "zone": zone,
            "currency": {"code": "CNY", "exponent": 2},
            "sale_statuses": ["delivered"],
            "segment": {"first": [list(row) for row in rows], "otherwise": "other"},
            **more,
        }
    )


def problems(*rows: tuple[str, str], **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(crm.PolicyError) as caught:
        policy(*rows, **more)
    return [(problem.code, problem.given or "") for problem in caught.value.problems]


def test_each_kind_of_field_has_its_range() -> None:
    made = policy(
        ("net_sales > 0 and sale_count > 0 and tenure_days > 0 and mean_sale > 0", "a"),
        ("promotion_share > 0 and points > 1 and total > 1 and age > 3 and visits > 3", "b"),
        ("blocked or tag:press", "c"),
        attributes={"age": {"type": "int", "min": 0, "max": 150}, "visits": "int"},
        scores={
            "points": {"fact": "sale_count", "from": [[1, 2], [5, 7]]},
            "total": {"weights": {"points": 3}},
        },
    )
    domains = {name: made.fields[name].domain for name in made.fields}
    assert domains["net_sales"] == (-(10**15) + 1, 10**15 - 1)
    assert domains["sale_count"] == (0, 2**31 - 1)
    assert domains["tenure_days"] == (0, 10**6 - 1)
    assert domains["mean_sale"] == domains["net_sales"]
    assert domains["promotion_share"] == (0, 2**31 - 1)
    assert domains["points"] == (0, 7) or domains["points"] == (2, 7)
    assert domains["total"] == tuple(3 * end for end in domains["points"])
    assert domains["age"] == (0, 150)
    assert domains["visits"] == (-(2**31) + 1, 2**31 - 1)
    always = [name for name, field in made.fields.items() if not field.nullable]
    assert sorted(always) == ["as_of", "blocked", "net_sales", "sale_count", "tag:press"]


def test_a_mean_of_money_without_digits_is_money() -> None:
    made = policy(("mean_sale > net_sales - 1", "a"), currency={"code": "JPY", "exponent": 0})
    assert made.fields["mean_sale"].amount
    assert not policy(("promotion_share > 0", "a")).fields["promotion_share"].amount


def test_a_range_decides_whether_a_calculation_fits() -> None:
    row = ("net_sales * visits > 0", "a")
    assert problems(row, attributes={"visits": "int"}) == [("may_overflow", "net_sales * visits")]
    assert policy(row, attributes={"visits": {"type": "int", "min": 0, "max": 9_000}})


@pytest.mark.parametrize(
    ("attribute", "fits"),
    [
        ({"type": "int", "min": 3, "max": 3}, True),
        ({"type": "int", "min": 4, "max": 3}, False),
        ({"type": "int", "min": 2**31 - 1}, True),
        ({"type": "int", "min": 2**31}, False),
        ({"type": "int", "min": 2**31, "max": 2**63 - 1}, True),
        ({"type": "int", "max": 2**63}, False),
        ({"type": "int", "min": True}, False),
        ({"type": "float", "min": 0}, False),
        ({"type": "text", "max": 0}, False),
    ],
)
def test_min_and_max_go_with_whole_numbers(attribute: dict[str, object], fits: bool) -> None:
    if fits:
        assert policy(("visits > 3", "a"), attributes={"visits": attribute})
    else:
        assert problems(("sale_count > 3", "a"), attributes={"visits": attribute})


@pytest.mark.parametrize(("visits", "fits"), [(0, True), (10, True), (-1, False), (11, False)])
def test_attributes_keep_to_their_min_and_max(visits: int, fits: bool) -> None:
    made = policy(("visits > 3", "a"), attributes={"visits": {"type": "int", "min": 0, "max": 10}})
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C1"], "visits": [visits]})
    if fits:
        crm.evaluate(made, ORDERS, customers, as_of=AS_OF)
        return
    with pytest.raises(crm.DataError) as caught:
        crm.evaluate(made, ORDERS, customers, as_of=AS_OF)
    assert (caught.value.column, caught.value.count) == ("visits", 1)
    assert str(visits) not in str(caught.value)


def test_a_missing_attribute_is_in_any_range() -> None:
    made = policy(("visits > 3", "a"), attributes={"visits": {"type": "int", "min": 5, "max": 10}})
    result = crm.evaluate(made, ORDERS, as_of=AS_OF)
    assert result["C1"]["segment"] == "other"


@pytest.mark.parametrize(
    ("zone", "segment"),
    [("Asia/Shanghai", "late"), ("UTC", "other"), ("America/New_York", "other")],
)
def test_days_are_those_of_the_policys_zone(zone: str, segment: str) -> None:
    # The moment is in July already in Shanghai alone.
    made = policy(('shift_days(as_of, 0) == "2025-07-01"', "late"), zone=zone)
    assert crm.evaluate(made, ORDERS, as_of=AS_OF)["C1"]["segment"] == segment


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("divide(net_sales, sale_count, 0) == 400", True),
        ("divide(net_sales, sale_count, 0) == mean_sale", True),
        ("max_sale - min_sale >= 200.01", False),
        ("max_sale - min_sale >= 200", True),
        ("band(net_sales, 0: 1, 800: 2) == 2", True),
        ("band(net_sales, 0: 1, 800.01: 2) == 2", False),
        ('case(sale_count > 1: "many", else: "few") == "many"', True),
        ("mean_sale between above 400 and 500", False),
        ("mean_sale between 400 and below 500", True),
    ],
)
def test_calculations_decide_in_a_policy(condition: str, holds: bool) -> None:
    made = policy((condition, "a"))
    one = crm.evaluate(made, ORDERS, as_of=AS_OF)["C1"]
    assert one["segment"] == ("a" if holds else "other")


def test_the_condition_of_a_fact_names_no_moments() -> None:
    facts = {
        "late_count": {"of": "sale", "take": "count", "where": "shift_days(as_of, 0) is known"}
    }
    assert problems(("late_count > 1", "a"), facts=facts) == [("unknown_name", "as_of")]


def test_the_condition_of_a_fact_calculates() -> None:
    facts = {"big_count": {"of": "sale", "take": "count", "where": "amount * 2 > 600"}}
    made = policy(("big_count == 1", "a"), facts=facts)
    assert crm.evaluate(made, ORDERS, as_of=AS_OF)["C1"]["segment"] == "a"


def test_the_hash_counts_what_conditions_mean() -> None:
    same = [policy((text, "a")) for text in ("net_sales+1>(3)", "net_sales + 1 > 3")]
    assert same[0].hash == same[1].hash
    other = policy(("net_sales + 1 >= 3", "a"))
    assert other.hash != same[0].hash
    edges = [
        f"net_sales between {low} 1 and {high} 3" for low in ("", "above") for high in ("", "below")
    ]
    assert len({policy((text, "a")).hash for text in edges}) == 4


def test_the_schema_takes_text_and_trees() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    text = "divide(net_sales, sale_count, unknown) >= 3 or band(sale_count, 1: 2) in [2]"
    document = {
        "format": 1,
        "name": "shop",
        "zone": "UTC",
        "currency": {"code": "CNY", "exponent": 2},
        "sale_statuses": ["paid"],
    }
    tree = crm.conditions.parse(text).model_dump(mode="json", exclude_none=True)
    for condition in (text, tree):
        given = {**document, "segment": {"first": [[condition, "a"]]}}
        validator.validate(given)
        assert load_policy(given) == load_policy({**document, "segment": {"first": [[text, "a"]]}})
    wrong = {**tree, "terms": [{**tree["terms"][0], "extra": 1}, tree["terms"][1]]}
    assert not validator.is_valid({**document, "segment": {"first": [[wrong, "a"]]}})
