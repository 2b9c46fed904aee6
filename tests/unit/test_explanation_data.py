"""Explanations as data: their keys, their places in the policy, and that they can be rebuilt."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from pages import ROOT, names, table

import crmcore as crm
from crmcore.evaluation.nodes import NODE_KEYS
from crmcore.evaluation.plain import NEEDS_ORDERS
from crmcore.facts import FactTable
from crmcore.files import read_file
from crmcore.frames import write_file
from crmcore.sample import sample_shop
from crmcore.wording import Catalogue, Message, Voice
from crmcore.wording.catalogue import LANGUAGES, places

SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
ROWS = [
    (1, "C1", "2025-02-01 10:00:00", "300.00"),
    (2, "C1", "2025-01-01 10:00:00", "400.01"),
    (3, "C1", "2024-01-01 10:00:00", "400.00"),
]
COLUMNS = ("order_id", "customer_id", "placed_at", "amount")
RICH = """
extends = "classic"
name = "rich"

[attributes]
city = { type = "label", personal = false }
lucky = "int"

[facts]
net_sales = { of = "sale", take = "sum", in = "period" }
spread = { of = "sale", take = "spread" }
days_since_last_sale = { of = "sale", take = "days_since_last", in = "period" }
share = { of = "sale", take = "share", field = "promotion" }

[scores.volume]
fact = "net_sales"
inside = "frequency_points"
by.1 = { from = [["500.00", 2]], below = 1 }
by.2 = { from = [["900.00", 2]], below = 1 }
by.3 = { from = [["900.00", 3]] }
by.4 = { from = [["2000.00", 3]], below = 2 }
by.5 = { from = [["3000.00", 4]], below = 2 }

[segment]
first = [
  ["divide(net_sales, sale_count, 0) >= 1000 and city in [\\"Shanghai\\"]", "local_star"],
  ["days_between(first_order_at, as_of) > 900 or spread > 500.5", "old"],
  ["band(sale_count, 1: 1, 4: 2, else: 0) == 2", "steady"],
  ["case(share > 0.5: 2, blocked: 1, else: 0) >= 1", "hunter"],
  ["lucky > 3", "lucky"],
  ["not (days_since_last_sale between 1 and below 90)", "away"],
  ["net_sales - 300 > 2 * mean_sale and tag:vip", "vip"],
]
otherwise = "other"
"""


@cache
def shop(text: str = RICH, **moments: Any) -> crm.Evaluation:
    """Evaluate the made-up shop by a policy."""
    made = sample_shop(300)
    orders = crm.OrderTable.from_arrays(made.orders, SOURCE)
    customers = crm.CustomerTable.from_arrays(made.customers)
    policy = crm.load_policy(text)
    given = {"as_of": made.as_of, "last_evaluated_at": made.last_evaluated_at, **moments}
    return crm.evaluate(policy, orders, customers, **given)


def some(result: crm.Evaluation, count: int = 10) -> list[Any]:
    """Customers drawn at random, and one of each class and segment."""
    drawn = random.Random(3).sample(result.ids.tolist(), count)
    for name in ("class", "segment"):
        if name in result.columns:
            values = result.columns[name].to_list()
            drawn += [result.ids.tolist()[values.index(one)] for one in set(values)]
    return drawn


def explained(rows: list[Any] = ROWS, **moments: Any) -> dict[str, Any]:
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=COLUMNS)
    policy = crm.load_policy("classic")
    given = {"as_of": date(2025, 4, 1), **moments}
    return crm.evaluate(policy, orders, **given).explain("C1").to_dict()


# Its keys


def listed(heading: str) -> list[str]:
    return names(table((ROOT / "docs/explanations.md").read_text("utf-8"), heading))


def every_name(cells: list[list[str]]) -> list[str]:
    return [name for row in cells for name in names([row])]


def test_every_key_has_its_row_in_order() -> None:
    data = explained()
    assert listed("## What it holds") == list(data)
    assert listed("### A decision") == list(data["decisions"][0])
    assert listed("### A node") == list(NODE_KEYS)
    assert set(NEEDS_ORDERS) < set(data)


def nodes(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stack = [node for decision in data["decisions"] for node in decision["nodes"]]
    while stack:
        yield stack[-1]
        stack += stack.pop()["terms"]


def test_all_nodes_have_the_same_keys_and_json_keeps_everything() -> None:
    result = shop()
    for customer in some(result):
        data = result.explain(customer).to_dict()
        assert json.loads(json.dumps(data)) == data
        assert all(tuple(node) == NODE_KEYS for node in nodes(data))


def test_moments_are_told() -> None:
    data = explained(last_evaluated_at=date(2025, 3, 31))
    assert data["as_of"] == "2025-04-01T15:59:59.999999+00:00"
    assert data["last_evaluated_at"] == "2025-03-31T15:59:59.999999+00:00"
    assert data["known_at"] is None
    rows = [(*row, "2025-01-01T00:00:00Z") for row in ROWS]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=(*COLUMNS, "known_at"))
    known = datetime(2025, 2, 2, tzinfo=UTC)
    result = crm.evaluate(
        crm.load_policy("classic"), orders, as_of=date(2025, 4, 1), known_at=known
    )
    assert result.explain("C1").to_dict()["known_at"] == "2025-02-02T00:00:00+00:00"


# Its nodes


def test_a_band_names_its_row_its_edges_and_how_far_they_are() -> None:
    decisions = {one["name"]: one for one in explained()["decisions"]}
    (node,) = decisions["monetary_points"]["nodes"]
    assert {key: value for key, value in node.items() if value not in (None, [], False)} == {
        "path": "scores.monetary_points.from.0",
        "op": "from",
        "field": "mean_sale",
        "value": "350.00",
        "threshold": ["300.00", "500.00"],
        "margin": ["50.00", "149.99"],
        "truth": True,
        "unit": "CNY",
    }
    (node,) = decisions["recency_points"]["nodes"]
    assert (node["path"], node["unit"], node["margin"]) == (
        "scores.recency_points.within.1",
        "date",
        [31, 28],
    )
    assert decisions["grade"]["nodes"][0]["path"] == "grade.from.1"
    assert [one["path"] for one in decisions["score"]["nodes"]] == [
        "scores.score.weights.recency_points",
        "scores.score.weights.frequency_points",
        "scores.score.weights.monetary_points",
    ]


def test_paths_lead_to_what_the_policy_says() -> None:
    result = shop()
    document: Any = result.policy.document
    seen: dict[str, Any] = {}
    for customer in some(result):
        for decision in result.explain(customer).to_dict()["decisions"]:
            for node in decision["nodes"]:
                place = document
                for part in node["path"].split("."):
                    place = place[int(part)] if isinstance(place, list) else place[part]
                seen.setdefault(node["op"], []).append(place)
                if node["op"] in ("from", "within"):
                    value = decision["value"]
                    assert place[1] == value, node
                if node["text"] and node["op"] != "otherwise":
                    assert crm_text(place[0]) == node["text"]
    assert {"from", "within", "weight", "otherwise", "missing", "or", "not", "below"} <= set(seen)


def crm_text(written: str) -> str:
    from crmcore.conditions import parse, to_text

    return to_text(parse(written))


def test_what_is_below_all_bands_or_missing_is_named_so() -> None:
    result = shop()
    found = {
        (node["op"], node["path"])
        for customer in some(result, 25)
        for node in nodes(result.explain(customer).to_dict())
    }
    assert ("below", "scores.monetary_points.below") in found
    assert ("missing", "scores.recency_points") in found
    assert ("missing", "scores.volume.by") in found
    assert any(path.startswith("scores.volume.by.2.") for _, path in found)


def test_expressions_tell_what_they_give_and_what_they_read() -> None:
    result = shop()
    customer = next(one for one in result.ids.tolist() if result[one]["sale_count"])
    decisions = {one["name"]: one for one in result.explain(customer).to_dict()["decisions"]}
    first = decisions["segment"]["nodes"][0]
    assert (first["op"], first["path"]) == ("and", "segment.first.0")
    term = first["terms"][0]
    assert term["path"] == "segment.first.0.terms.0"
    assert (term["field"], term["item"]) == (None, "divide(net_sales, sale_count, 0)")
    assert [one["field"] for one in term["inputs"]] == ["net_sales", "sale_count"]
    assert [one["unit"] for one in term["inputs"]] == ["CNY", "count"]
    assert float(term["value"]) - 1000 == pytest.approx(float(term["margin"]), abs=0.02)


def test_personal_values_are_in_no_node() -> None:
    made = shop()
    for customer in some(made):
        for node in nodes(made.explain(customer).to_dict()):
            if node["field"] == "lucky" or node["field"] == "tag:vip":
                assert node["hidden"]
                assert (node["value"], node["margin"]) == (None, None)


def test_units_are_told() -> None:
    result = shop()
    units = {
        name: fact["unit"]
        for name, fact in result.explain(result.ids[0]).to_dict()["facts"].items()
    }
    assert units == {
        "last_sale_on": "date",
        "sale_count": "count",
        "mean_sale": "CNY",
        "order_count": "count",
        "orders_ever": "count",
        "first_order_at": "instant",
        "net_sales": "CNY",
        "spread": "number",
        "days_since_last_sale": "days",
        "share": "share",
        "city": "label",
        "blocked": "truth",
    }


# Rebuilt


def test_a_replay_gives_the_same_explanation() -> None:
    result = shop()
    again = shop(result.policy.to_toml())
    assert again is not result
    for customer in some(result):
        assert again.explain(customer).to_dict() == result.explain(customer).to_dict()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_saved_facts_give_all_that_does_not_need_the_orders(suffix: str, tmp_path: Path) -> None:
    result = shop()
    path = tmp_path / f"facts{suffix}"
    write_file(result.facts.to_frame(), path)
    fields = {name: result.policy.fields[name] for name in result.facts.columns}
    facts = FactTable.from_arrays(read_file(path), fields)
    again = crm.evaluate_facts(
        result.policy,
        facts,
        as_of=sample_shop(100).as_of,
        last_evaluated_at=sample_shop(100).last_evaluated_at,
    )
    for customer in some(result):
        first, second = (one.explain(customer).to_dict() for one in (result, again))
        for key in first:
            if key not in NEEDS_ORDERS:
                assert first[key] == second[key], key
        assert second["orders"] == []
        assert second["outlook"] == {}


def test_another_policy_shows_in_the_hash() -> None:
    one, other = shop(), shop(RICH.replace("900.00", "901.00"))
    customer = one.ids.tolist()[0]
    first, second = (result.explain(customer).to_dict() for result in (one, other))
    assert first["policy"] == second["policy"]
    assert first["policy_hash"] != second["policy_hash"]


# Its messages


def told(result: crm.Evaluation) -> Iterator[Message]:
    for customer in some(result, 25):
        for voice in get_args(Voice):
            yield from result.explain(customer).messages(voice)


def inner(message: Message) -> Iterator[Message]:
    yield message
    for parameter in message.parameters.values():
        for one in parameter if isinstance(parameter, tuple) else (parameter,):
            if isinstance(one, Message):
                yield from inner(one)


def test_every_message_has_its_template_in_both_languages() -> None:
    catalogue, keys = Catalogue(), set()
    for message in (one for outer in told(shop()) for one in inner(outer)):
        keys.add(message.key)
        for language in LANGUAGES:
            template = catalogue._find(message.key, language)
            assert template is not None, (message.key, language)
            assert places(template) <= message.parameters.keys(), (message.key, language)
    assert {"staff.why.inside", "staff.why.hidden", "customer.up.step"} <= keys


@pytest.mark.parametrize("language", LANGUAGES)
def test_expressions_are_told_with_their_fields(language: str) -> None:
    result = shop()
    customer = next(one for one in result.ids.tolist() if result[one]["sale_count"] == 2)
    text = result.explain(customer).text(language)
    (line,) = [one for one in text.splitlines() if one.strip().startswith("divide(")]
    wanted = (
        Catalogue().name("net_sales", language),
        Catalogue().name("sale_count", language),
        "divide(net_sales, sale_count, 0)",
    )
    seen = re.split(r"holds? \(|成立（", line)[1]
    places_of = [seen.index(one) for one in wanted]
    assert places_of == sorted(places_of)


def test_what_turns_a_calculation_is_among_the_flips() -> None:
    text = (
        'extends = "classic"\nname = "calculating"\n'
        '[segment]\nfirst = [["divide(mean_sale, sale_count, unknown) < 100", "thin"]]\n'
        'otherwise = "thick"\n'
    )
    orders = crm.OrderTable.from_rows(ROWS, SOURCE, columns=COLUMNS)
    result = crm.evaluate(crm.load_policy(text), orders, as_of=date(2025, 4, 1))
    segment = result.explain("C1")["segment"]
    assert (segment.value, result["C1"]["sale_count"]) == ("thick", 2)
    (flip,) = (one for one in segment.flips if one.fact == "mean_sale")
    # Two sales: a mean of less than 200.00 makes it less than 100.00 a sale.
    assert flip.becomes == "thin"
    assert 199 < flip.needed < 200


# Its outlook


def looked_ahead(text: str, as_of: date = date(2025, 4, 1), **attributes: Any) -> crm.Explanation:
    """Explain C1 by the classic policy and some more."""
    orders = crm.OrderTable.from_rows(ROWS, SOURCE, columns=COLUMNS)
    people = {"customer_id": ["C1"], **{name: [value] for name, value in attributes.items()}}
    customers = crm.CustomerTable.from_arrays(people)
    policy = crm.load_policy(f'extends = "classic"\nname = "ahead"\n{text}')
    return crm.evaluate(policy, orders, customers, as_of=as_of).explain("C1")


def segment_by(condition: str) -> str:
    return f'[segment]\nfirst = [[\'{condition}\', "yes"]]\notherwise = "no"\n'


JOINED = """
[attributes]
joined_on = { type = "date", personal = %s }
[scores.loyalty]
fact = "joined_on"
within = [["1 year", 2], ["5 years", 1]]
[stage]
first = [["loyalty == 1", "old"]]
otherwise = "other"
"""


def test_a_date_of_the_customer_leaves_its_span_on_its_own_day() -> None:
    found = looked_ahead(JOINED % "false", joined_on=date(2023, 11, 17))
    loyalty = found["loyalty"]
    assert (loyalty.value, loyalty.changes_on, loyalty.changes_to) == (1, date(2028, 11, 18), None)
    assert found["stage"].changes_on == date(2028, 11, 18)


def test_the_day_of_a_personal_date_is_told_to_nobody() -> None:
    found = looked_ahead(JOINED % "true", joined_on=date(2023, 11, 17))
    data = found.to_dict()
    assert data["outlook_hidden"] == ["loyalty", "stage"]
    assert not {"loyalty", "stage"} & data["outlook"].keys()
    assert {"score", "class"} <= data["outlook"].keys()  # nothing personal in them
    for language in LANGUAGES:
        for voice in get_args(Voice):
            assert "2028" not in found.text(language, voice=voice)
    assert "2028" not in json.dumps(data)


def test_what_compares_a_personal_value_with_time_is_not_told() -> None:
    text = '[attributes]\nlimit = { type = "int", min = 0, max = 999 }\n'
    found = looked_ahead(text + segment_by("days_since_last_sale > limit"), limit=70)
    assert (found["segment"].change_hidden, found["segment"].changes_on) == (True, None)
    assert found["segment"].flips == ()


@pytest.mark.parametrize(
    ("condition", "day"),
    [
        ("days_between(last_order_on, as_of) > 100", date(2025, 5, 13)),
        ("days_since_last_sale * 2 > 300", date(2025, 7, 2)),
        ("shift_months(last_order_on, 12) < shift_days(as_of, 0)", date(2026, 2, 2)),
        ('as_of >= "2025-12-24T12:00:00+08:00"', date(2025, 12, 24)),
        ("case(days_since_last_sale > 100: 1, else: 0) == 1", date(2025, 5, 13)),
        ("days_since_last_sale > 5000", date(2038, 10, 12)),
        ("days_between(last_order_on, as_of) > 5000", None),
        ("sale_count == 0", date(2026, 2, 2)),
    ],
)
def test_the_first_day_on_which_a_condition_turns(condition: str, day: date | None) -> None:
    segment = looked_ahead(segment_by(condition))["segment"]
    assert (segment.value, segment.changes_on) == ("no", day)
    assert segment.changes_to == (None if day is None else "yes")
    until = date(2035, 5, 19) if day is None else None
    assert segment.unchanged_until == until


def test_how_far_was_looked_is_told() -> None:
    found = looked_ahead(segment_by("days_between(last_order_on, as_of) > 5000"))
    assert found.to_dict()["outlook_until"] == {"segment": "2035-05-19"}
    assert "the same up to 2035-05-19" in found.text()
    assert "2035-05-19 不变" in found.text("zh-CN")
    assert "2035" not in found.text(voice="customer")


def test_a_schedule_of_months_ends_is_met_on_each_of_them() -> None:
    text = 'evaluation = { every = "1 month", anchor = 2025-01-31 }\n'
    found = looked_ahead(text, as_of=date(2025, 3, 30))["recency_points"]
    # As of 28 February within one month; the next evaluation is that of 31 March.
    assert (found.value, found.changes_on, found.changes_to) == (5, date(2025, 3, 31), 4)


# Its wording


def test_orders_without_a_window_have_no_empty_brackets() -> None:
    text = looked_ahead(segment_by("net_sales > 2000")).text()
    assert "order 3 of 2024-01-01: CNY 400.00\n" in text + "\n"
    assert "order 1 of 2025-02-01: CNY 300.00 (period)" in text
    assert "()" not in text


@pytest.mark.parametrize(
    ("condition", "value", "unit", "told"),
    [
        ("divide(sale_count, orders_ever, 0) < 0", "2/3", "number", "2/3"),
        ("divide(sale_count, 4, 0) < 0", "0.5", "number", "0.5"),
        ("divide(net_sales, orders_ever, 0) < 0", "366.67", "CNY", "CNY 366.67"),
        ("net_sales - 1 < 0", "1099.01", "CNY", "CNY 1099.01"),
    ],
)
def test_what_an_expression_gives_is_exact(
    condition: str, value: str, unit: str, told: str
) -> None:
    found = looked_ahead(segment_by(condition))
    decisions = {one["name"]: one for one in found.to_dict()["decisions"]}
    node = decisions["segment"]["nodes"][0]
    assert (node["value"], node["unit"]) == (value, unit)
    assert f"{node['item']}: {told})" in found.text()


@pytest.mark.parametrize("condition", ["rp + rp > 20", "rp * fp >= 20"])
def test_points_that_are_never_0_are_explained_where_there_are_none(condition: str) -> None:
    policy = crm.load_policy(
        {
            "format": 1,
            "name": "points",
            "zone": "UTC",
            "currency": {"code": "CNY", "exponent": 2},
            "sale_statuses": ["delivered"],
            "facts": {
                "sale_count": {"of": "sale", "take": "count"},
                "last_sale_on": {"of": "sale", "take": "last"},
            },
            "scores": {
                "rp": {"fact": "last_sale_on", "within": [["1 month", 50], ["3 months", 10]]},
                "fp": {"fact": "sale_count", "from": [[1, 1], [2, 2]]},
            },
            "segment": {"first": [[condition, "a"]], "otherwise": "b"},
        }
    )
    orders = crm.OrderTable.from_rows(
        [(1, "C1", "2025-03-20", "1.00", "cancelled"), (2, "C2", "2025-03-20", "1.00", "paid")],
        SOURCE,
        columns=(*COLUMNS, "status"),
    )
    result = crm.evaluate(policy, orders, as_of=date(2025, 4, 1))
    assert result.columns["rp"].to_list() == [None, None]
    for customer in ("C1", "C2"):
        explained = result.explain(customer)
        assert [one.value for one in explained.decisions if one.name == "segment"] == ["b"]
