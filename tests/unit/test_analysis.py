from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import crmcore as crm
from crmcore.analysis import (
    Axis,
    OutOfStepsError,
    Scene,
    Search,
    Space,
    TableRegions,
    TableVerdicts,
    TooManyBoxesError,
    fact_table,
    replay,
    witness,
    witness_row,
)
from crmcore.analysis.boxes import common, members, size_of, subset
from crmcore.policy import Policy
from crmcore.segments import TableStep

BASE = {
    "format": 1,
    "name": "small",
    "zone": "Europe/Berlin",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["delivered"],
}


def policy_of(**rest: object) -> Policy:
    return crm.load_policy({**BASE, **rest})


def segment(*conditions: str, **rest: object) -> Policy:
    first = [[condition, f"l{at}"] for at, condition in enumerate(conditions)]
    return policy_of(segment={"first": first}, **rest)


def regions(policy: Policy, name: str = "segment") -> TableRegions:
    space = Space.of([policy])
    step = policy.step(name)
    assert isinstance(step, TableStep)
    return TableRegions(space, step)


def kinds(policy: Policy) -> list[str]:
    return [verdict.kind for verdict in TableVerdicts(regions(policy)).rows]


# Boxes


def test_boxes() -> None:
    assert common((0b11, 0b01), (0b10, 0b11)) == (0b10, 0b01)
    assert common((0b11, 0b01), (0b10, 0b10)) is None
    assert subset((0b10, 0b01), (0b11, 0b01))
    assert not subset((0b11, 0b01), (0b10, 0b01))
    assert size_of((0b111, 0b101)) == 6
    assert members(0b1001) == [0, 3]


def test_what_is_left_of_a_box_is_found_or_there_is_none() -> None:
    box = (0b111, 0b111)
    rows = [(0b001, 0b111), (0b110, 0b011)]
    assert Search(100).outside(box, rows) == (0b110, 0b100)
    assert Search(100).outside(box, [*rows, (0b110, 0b110)]) is None
    assert Search(100).outside(box, []) == box


def test_the_search_stops_when_its_steps_are_used_up() -> None:
    with pytest.raises(OutOfStepsError):
        Search(0).outside((0b1,), [])


def test_all_parts_outside_are_disjoint_and_complete() -> None:
    covers = [(0b010, 0b010)]
    parts = Search(100).all_outside((0b111, 0b111), covers, 9)
    assert sum(map(size_of, parts)) == 8
    assert len(Search(100).all_outside((0b111, 0b111), covers, 1)) == 1


# Axes


def axis(name: str, policy: Policy) -> Axis:
    return Space.of([policy]).axes[name]


def test_an_axis_is_cut_at_the_edges_of_bands_and_conditions() -> None:
    scores = {"points": {"fact": "sale_count", "from": [[2, 1], [5, 2]]}}
    policy = segment("sale_count > 7", "sale_count == 9", scores=scores)
    cells = axis("sale_count", policy).cells
    # Counts are also cut at 1 and 2, where what else a customer has changes.
    assert [cell.low for cell in cells] == [0, 1, 2, 5, 8, 9, 10]
    assert all(low.high + 1 == high.low for low, high in pairwise(cells))


def test_cells_of_exact_ratios_hold_edges_and_what_lies_between() -> None:
    policy = segment('mean_sale > "1.00"', 'mean_sale in ["3.00"]')
    cells = axis("mean_sale", policy).cells
    assert [cell.value for cell in cells] == [0, 101, 300, 301, None]
    assert Fraction(100) in cells[0].samples
    assert Fraction(100) not in cells[1].samples


def test_labels_and_texts_have_a_value_that_nobody_names() -> None:
    policy = segment('city == "Kiel"', 'city == "another"', attributes={"city": "text"})
    assert axis("city", policy).values == ("Kiel", "another", "another_", None)


def test_the_window_bounds_what_a_fact_can_be() -> None:
    facts = {"last_sale_on": {"of": "sale", "take": "last", "in": "year"}}
    policy = segment('last_sale_on < "2020-01-01"', facts=facts, windows={"year": "1 year"})
    cells = axis("last_sale_on", policy).cells
    assert len(cells) == 2  # in the window, and missing
    assert axis("last_sale_on", policy).values[:2] == (date(2025, 6, 30), date(2024, 6, 30))
    assert kinds(policy) == ["never_true"]


def test_calculations_with_one_field_cut_its_axis() -> None:
    policy = segment("sale_count * 3 > 10", "days_between(last_sale_on, as_of) >= 90")
    assert 4 in [cell.low for cell in axis("sale_count", policy).cells]
    assert date(2025, 4, 1) in axis("last_sale_on", policy).values
    assert kinds(policy) == ["decides", "decides"]
    assert kinds(segment("sale_count * 3 > 10", "sale_count >= 4")) == ["decides", "masked"]
    assert kinds(segment("sale_count * 3 > 10", "sale_count >= 3")) == ["decides", "decides"]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("band(sale_count, 2: 1, 5: 2) >= 2", "sale_count >= 5", "masked"),
        ("band(sale_count, 2: 1, 5: 2) >= 1", "sale_count == 1", "decides"),
        ("band(mean_sale, 1.5: 1) == 1", "mean_sale >= 1.5", "masked"),
        ("band(mean_sale, 1.5: 1) == 1", "mean_sale >= 1.4", "decides"),
        ("case(sale_count > 4: 2, else: 1) in [2, 3]", "sale_count >= 5", "masked"),
        (
            "case(sale_count > 4: 2, blocked: 3) is unknown",
            "not blocked and sale_count < 3",
            "masked",
        ),
        ("3 * sale_count == 12", "sale_count == 4", "masked"),
        ("3 * sale_count == 13", "sale_count == 4", "never_true"),
        ('shift_days(last_sale_on, 30) < "2025-06-30"', 'last_sale_on < "2025-05-31"', "masked"),
        ('shift_days(last_sale_on, 30) < "2025-06-30"', 'last_sale_on < "2025-06-01"', "decides"),
        ('days_between("2025-01-01", last_sale_on) >= 0', 'last_sale_on > "2025-01-01"', "masked"),
        ("sale_count * sale_count > 9", "sale_count > 3", "decides"),  # not by cells
        ("divide(net_sales, sale_count, 0) > 9", "net_sales > 9", "decides"),
    ],
)
def test_calculations_are_told_by_cells_where_they_can_be(
    first: str, second: str, kind: str
) -> None:
    found = kinds(segment(first, second))
    assert kind in (found if kind == "never_true" else found[1:])


def test_tests_of_the_moment_alone_are_open() -> None:
    policy = segment(
        "last_evaluated_at is unknown", 'as_of < "2020-01-01T00:00:00Z"', "true", "blocked"
    )
    assert kinds(policy) == ["decides", "decides", "decides", "masked"]
    undecided = [one.path for one in crm.check(policy).findings if one.code == "undecided"]
    assert undecided == ["segment.first.0", "segment.first.1"]


def test_new_customers_are_those_after_the_last_evaluation() -> None:
    policy = segment("first_order_at > last_evaluated_at", "order_count > 0", "order_count == 0")
    assert kinds(policy) == ["decides", "decides", "decides"]


def test_answers_that_take_too_many_steps_are_not_given() -> None:
    table = regions(segment("sale_count > 3", "blocked"))
    verdicts = TableVerdicts(table, steps=0)
    assert [verdict.kind for verdict in verdicts.rows] == ["undecided", "undecided"]
    with pytest.raises(OutOfStepsError):
        _ = verdicts.left
    with pytest.raises(OutOfStepsError):
        list(TableVerdicts(regions(segment("sale_count > 3 and blocked")), 0).idle_terms(0))


def test_values_beyond_every_edge_are_among_the_cells() -> None:
    far = {"member": {"type": "int", "personal": False}}
    assert kinds(segment("member > 90000000000", attributes=far)) == ["decides"]


def test_a_space_names_what_is_of_two_kinds() -> None:
    age = {"age": {"type": "int"}}
    policies = [
        segment("age > 1", attributes=age),
        segment('age == "x"', attributes={"age": "text"}),
    ]
    space = Space.of(policies)
    assert space.mixed == {"age"}
    assert space.axes["age"].type.kind == "int"


def test_two_policies_cut_their_axes_together() -> None:
    policies = [segment("sale_count > 3"), segment("sale_count > 7")]
    lows = [cell.low for cell in Space.of(policies).axes["sale_count"].cells]
    assert lows == [0, 1, 4, 8]


# Scenes


def test_the_scene_is_later_than_every_date_named() -> None:
    policy = segment('first_sale_on >= "2031-05-01"')
    assert Scene.of([policy]).as_of > date(2031, 5, 1)
    assert kinds(policy) == ["decides"]


def test_the_scene_of_scheduled_evaluations_is_after_one_of_them() -> None:
    evaluation = {"every": "1 month", "anchor": date(2024, 1, 31)}
    scene = Scene.of([segment("blocked", evaluation=evaluation)])
    assert scene.last_evaluated_at == datetime(2025, 6, 30, 21, 59, 59, 999999, tzinfo=UTC)
    assert isinstance(scene.as_of, datetime)
    assert scene.last_evaluated_at < scene.as_of


def test_a_given_day_is_kept() -> None:
    policy = segment("blocked")
    assert Scene.of([policy], date(2024, 2, 29)).as_of == date(2024, 2, 29)


# What always holds between facts


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ("order_count == 0", "sale_count == 0", "decides"),
        ("sale_count == 0", "order_count == 0", "masked"),
        ("sale_count == 0", "mean_sale is unknown", "masked"),
        ("mean_sale is unknown", "sale_count == 0", "masked"),
        ("mean_sale is known", "net_sales != 0", "decides"),  # returns without a sale
        ("sale_count == 0", "gap_median_days is unknown", "decides"),  # a single sale has no gap
        ("sale_count <= 1", "gap_median_days is known", "decides"),
        ("gap_median_days is unknown", "sale_count <= 1", "masked"),
        ("order_count < 5", "sale_count < 5", "decides"),
        ("sale_count < 5", "order_count < 5", "masked"),
        ("first_order_at is unknown", "sale_count == 0", "decides"),
        ("first_order_at is known", "sale_count > 0", "masked"),
        ("return_count == 0", "sale_count == 0", "decides"),
        ('first_sale_on < "2020-01-01"', 'last_sale_on < "2020-01-01"', "masked"),
        ('last_sale_on < "2020-01-01"', 'first_sale_on < "2020-01-01"', "decides"),
        ('min_sale > "5.00"', 'max_sale > "5.00"', "decides"),
        ('max_sale > "5.00"', 'min_sale > "5.00"', "masked"),
        ("item_count > 0", "order_count == 0", "decides"),
        ("order_count > 0", "item_count > 0", "masked"),
        ("sale_count < 0", "blocked", "never_true"),
    ],
)
def test_facts_hold_together(first: str, second: str, kind: str) -> None:
    found = kinds(segment(first, second))
    assert kind in (found if kind == "never_true" else found[1:])


@pytest.mark.parametrize(
    ("evaluation", "where", "kind"),
    [
        ("live", None, "masked"),
        ("live", 'channel == "web"', "masked"),
        ({"every": "1 month", "anchor": date(2024, 1, 1)}, None, "decides"),
    ],
)
def test_what_a_window_counts_is_counted_without_it(
    evaluation: object, where: str | None, kind: str
) -> None:
    counted = {"of": "sale", "take": "count", "in": "year"}
    facts = {"lately": counted if where is None else {**counted, "where": where}}
    policy = segment(
        "sale_count < 5", "lately >= 5 and sale_count < 5", "lately < 5", facts=facts,
        windows={"year": "1 year"}, evaluation=evaluation,
    )  # fmt: skip
    assert kinds(policy)[0] == "decides"
    first = segment(
        "sale_count >= 5", "lately >= 5", facts=facts, windows={"year": "1 year"},
        evaluation=evaluation,
    )  # fmt: skip
    assert kinds(first)[1] == kind


def test_conditions_of_facts_are_kept_apart() -> None:
    facts = {
        "web": {"of": "sale", "take": "count", "where": 'channel == "web"'},
        "shop": {"of": "sale", "take": "count", "where": 'channel == "shop"'},
    }
    assert kinds(segment("web > 0", "shop > 0", facts=facts)) == ["decides", "decides"]


# Regions


def test_sums_and_grades_are_told_by_the_facts_they_rest_on() -> None:
    policy = crm.load_policy(
        {
            "extends": "classic",
            "name": "x",
            "segment": {
                "first": [
                    ["score >= 37", "l0"],
                    ['grade == "platinum" and frequency_points == 1', "l1"],
                    ['grade == "platinum"', "l2"],
                    ["score == 36", "l3"],
                ]
            },
        }
    )
    # With 1 for frequency no more than 5 + 3 + 20 come together.
    assert kinds(policy) == ["decides", "never_true", "decides", "masked"]


def test_the_cells_of_rfm_r_are_as_published() -> None:
    policy = crm.presets.load("rfm_r")
    table = regions(policy)
    (block,) = table.blocks
    columns = [block.columns[0][f"{name}_points"] for name in ("recency", "frequency", "monetary")]
    known = block.possible & columns[0].is_known()
    cells: dict[tuple[int, ...], int] = {}
    for own, places in enumerate(table.classes[0]):
        if known[places[0]]:
            digits = tuple(int(column.values[places[0]]) for column in columns)
            met = sum(box[0] >> own & 1 for row in table.rows for box in row.holds)
            cells[digits] = met
    assert len(cells) == 125
    assert sum(count == 0 for count in cells.values()) == 10
    assert sum(count > 1 for count in cells.values()) == 58


def test_a_condition_of_too_many_cases_is_said_to_be_one() -> None:
    names = [f"a{at}" for at in range(12)]
    attributes = {name: {"type": "int"} for name in names}
    text = " and ".join(f"({name} == 1 or other_{name} == 1)" for name in names)
    attributes |= {f"other_{name}": {"type": "int"} for name in names}
    with pytest.raises(TooManyBoxesError):
        regions(segment(text, attributes=attributes))


def test_a_list_that_reads_another_list_is_told_by_its_facts() -> None:
    policy = policy_of(
        **{"class": {"first": [["sale_count > 3", "many"]], "otherwise": "few"}},
        segment={
            "first": [
                ['class == "many"', "a"],
                ["sale_count > 4", "b"],
                ['class == "few" and sale_count == 3', "c"],
                ['class != "few"', "d"],
            ]
        },
    )
    assert kinds(policy) == ["decides", "masked", "decides", "masked"]


# Witnesses


def test_a_witness_row_keeps_what_holds_between_facts() -> None:
    space = Space.of([crm.presets.load("classic")])
    none = witness_row(space, {"order_count": 0})
    assert none is not None
    assert (none["sale_count"], none["last_sale_on"]) == (0, None)
    some = witness_row(space, {"sale_count": 5})
    assert some is not None
    assert some["order_count"] >= some["sale_count"] == 6  # type: ignore[operator]
    assert witness_row(space, {"order_count": 0, "sale_count": 1}) is None


def test_customers_replay_to_the_same_facts() -> None:
    attributes = {
        "age": "int", "height": "float", "city": "text", "vip": "bool", "joined": "date",
        "kind": "label",
    }  # fmt: skip
    policy = segment(
        "age > 1", "height > 1.5", 'city == "x"', "vip", 'kind == "k"', "mean_sale > 1",
        'joined > "2020-01-01"', "net_sales > 1", "first_order_at is known",
        attributes=attributes,
    )  # fmt: skip
    customer: dict[str, object] = {
        "age": 3, "height": 1.25, "city": "x", "vip": True, "joined": date(2024, 1, 1),
        "kind": "k", "mean_sale": Fraction(1, 3), "net_sales": Decimal("12.34"),
        "first_order_at": datetime(2024, 1, 1, 5, tzinfo=UTC),
    }  # fmt: skip
    nothing = dict.fromkeys(customer)
    table = fact_table(policy, [customer, nothing])  # type: ignore[list-item]
    for name, value in customer.items():
        assert table.columns[name].to_list() == [value, None]
    result = replay(policy, [customer], Scene.of([policy]))  # type: ignore[list-item]
    assert result[0]["segment"] == "l0"


def test_tests_of_two_facts_are_tried_on_customers() -> None:
    policy = segment("sale_count * 2 > order_count", "sale_count > 3")
    table = regions(policy)
    verdict = TableVerdicts(table).rows[0]
    assert verdict.box is not None
    found = witness(
        table, verdict.box, lambda result: np.array([x == "l0" for x in result.columns["segment"]])
    )
    assert found is not None
    again = replay(policy, [found.customer], table.space.scene)[0]
    assert again["segment"] == found.result["segment"] == "l0"


def test_the_score_of_a_host_stands_for_itself() -> None:
    class Alive:
        inputs = ("sale_count",)

        def score(self, facts):  # type: ignore[no-untyped-def]
            return facts["sale_count"].values / 10

    document = {
        **BASE,
        "scores": {"alive": {"scorer": "alive"}},
        "segment": {"first": [["alive > 0.5", "a"], ["alive > 0.7", "b"], ["alive > 0.3", "c"]]},
    }
    policy = crm.load_policy(document, scorers={"alive": Alive()})
    assert kinds(policy) == ["decides", "masked", "decides"]
    report = crm.check(policy)
    hole = next(finding for finding in report.findings if finding.code == "hole")
    assert hole.result is not None
    assert hole.result["segment"] is None


def test_sums_of_very_many_parts_stand_for_themselves() -> None:
    names = [f"a{at}" for at in range(9)]
    scores: dict[str, object] = {
        f"p_{name}": {"fact": name, "from": [[1, 1], [2, 2], [3, 3]], "below": 0, "missing": 0}
        for name in names
    }
    scores["total"] = {"weights": {f"p_{name}": 1 for name in names}}
    attributes = {name: {"type": "int", "personal": False} for name in names}
    policy = segment("total > 20", "total > 27", "total >= 0", scores=scores, attributes=attributes)
    space = Space.of([policy])
    assert not space.axes["total@0"].settable
    assert max(len(block) for block in space.blocks) <= 100_000
    assert kinds(policy) == ["decides", "never_true", "decides"]


def test_cells_answer_for_every_value_in_them() -> None:
    space = Space.of([crm.presets.load("classic")])
    found = space.axes["sale_count"]
    values = [value for value in found.values if value is not None]
    rows = []
    for value in values:
        row = witness_row(space, {"sale_count": 5})
        assert row is not None
        rows.append({**row, "sale_count": value})
    points = replay(space.policies[0], rows, space.scene).columns["frequency_points"]
    expected = [None if v < 1 else np.searchsorted([1, 2, 3, 4, 6], v, "right") for v in values]
    assert points.to_list() == [None if e is None else int(e) for e in expected]


SHOP = {
    "every_sale": {"of": "sale", "take": "count"},
    "sale_count": {"of": "sale", "take": "count", "in": "year"},
    "order_count": {"of": "order", "take": "count", "in": "year"},
    "orders_ever": {"of": "order", "take": "count"},
    "last_sale_on": {"of": "sale", "take": "last", "in": "year"},
    "first_order_at": {"of": "order", "take": "first"},
}


def everything() -> Policy:
    """Return a policy that asks for figures of all kinds, some within a year."""
    return segment(
        "sale_count >= 3", "first_order_at > last_evaluated_at", "order_count == 0",
        'last_sale_on < "2025-01-01"', "mean_sale >= 300", "net_sales < 100", "min_sale > 50",
        "max_sale > 80", "days_since_last_sale > 90", "tenure_days > 100", "item_count > 2",
        "orders_ever == 1", "every_sale == 1", 'first_sale_on < "2024-01-01"',
        facts=SHOP, windows={"year": "1 year"},
    )  # fmt: skip


def test_witnesses_could_be_customers() -> None:
    policy = everything()
    space = Space.of([policy])
    shown = [
        row
        for name, axis in space.axes.items()
        for at in range(len(axis))
        if (row := witness_row(space, {name: at})) is not None
    ]
    assert len(shown) > 40
    for row in shown:
        if row["first_sale_on"] is not None:
            first, last = row["first_order_at"], row["last_sale_on"]
            assert isinstance(first, datetime)
            first_day = first.astimezone(policy_zone(policy)).date()
            assert first_day <= row["first_sale_on"]  # type: ignore[operator]
            assert last is None or row["first_sale_on"] <= last  # type: ignore[operator]
            days = (space.scene.as_of - first_day).days
            assert row["tenure_days"] == days >= row["days_since_last_sale"]  # type: ignore[operator]
            assert 0 < row["min_sale"] <= row["max_sale"]  # type: ignore[operator]
            assert row["mean_sale"] <= row["max_sale"]  # type: ignore[operator]
        counts = [row[name] for name in ("sale_count", "order_count", "orders_ever")]
        assert counts == sorted(counts)  # type: ignore[type-var]
        assert (row["sale_count"] == 0) == (row["last_sale_on"] is None)


def policy_zone(policy: Policy) -> ZoneInfo:
    return ZoneInfo(policy.zone.name)


def test_witnesses_are_plain() -> None:
    space = Space.of([crm.presets.load("classic")])
    row = witness_row(space, {"sale_count": 5, "mean_sale": 1})
    assert row == {
        "last_sale_on": date(2025, 6, 30), "sale_count": 6, "mean_sale": Fraction(300),
        "order_count": 6, "orders_ever": 6, "blocked": False,
        "first_order_at": datetime(2025, 6, 30, 4, tzinfo=UTC),  # noon in Shanghai
    }  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ('first_order_at > "2024-02-01T00:00:00Z"', 'last_sale_on < "2024-02-01"', "decides"),
        ('first_order_at < "2024-02-01T00:00:00Z"', 'last_sale_on < "2024-02-01"', "masked"),
        ("tenure_days >= 30", "days_since_last_sale >= 30", "masked"),
        ("tenure_days >= 31", "days_since_last_sale >= 30", "decides"),
        ('last_sale_on <= "2024-06-29"', "days_since_last_sale >= 366", "masked"),
        ("days_since_last_sale >= 366", 'last_sale_on <= "2024-06-29"', "masked"),
        ("max_sale >= 300", "mean_sale >= 301", "masked"),
        ("min_sale < 300", "mean_sale < 300", "decides"),  # returns that name no order
        ("min_sale <= 0 or max_sale <= 0", "blocked", "never_true"),
    ],
)
def test_times_and_amounts_hold_together(first: str, second: str, kind: str) -> None:
    found = kinds(segment(first, second))
    assert kind in (found if kind == "never_true" else found[1:])


def test_who_ordered_lately_has_orders_in_the_window() -> None:
    facts, windows = {"lately": {"of": "order", "take": "count", "in": "year"}}, {"year": "1 year"}
    rows = ("lately > 0", "first_order_at > last_evaluated_at")
    assert kinds(segment(*rows, facts=facts, windows=windows)) == ["decides", "masked"]
    rows = ("lately > 0", 'first_order_at > "2024-01-01T00:00:00Z"')
    assert kinds(segment(*rows, facts=facts, windows=windows)) == ["decides", "decides"]


def test_a_comparison_of_two_facts_is_unknown_without_one_of_them() -> None:
    rows = ("mean_sale is unknown", "max_sale > mean_sale", "max_sale <= mean_sale and blocked")
    policy = segment("not (max_sale > mean_sale) and mean_sale is unknown", *rows)
    assert kinds(policy)[0] == "never_true"
    assert kinds(segment("max_sale > mean_sale and mean_sale is known"))[0] == "decides"
