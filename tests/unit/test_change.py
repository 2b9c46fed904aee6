"""Each cause of a change by hand, and how a change is told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import crmcore as crm
from crmcore.evaluation import Change, explain_change
from crmcore.evaluation.change import CAUSES
from crmcore.wording.catalogue import LANGUAGES

CLASSIC = crm.load_policy("classic")
SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
NAMES = ("order_id", "customer_id", "placed_at", "amount", "status", "returns_order_id")
D1, D2 = date(2025, 2, 1), date(2025, 4, 1)
OLD: list[tuple[Any, ...]] = [
    ("A1", "C1", "2024-01-15 10:00:00", "900.00", "paid", None),  # always outside the period
    ("A2", "C1", "2024-03-01 10:00:00", "300.00", "paid", None),  # leaves the period
    ("A3", "C1", "2025-01-20 10:00:00", "600.00", "paid", None),
]


def change_of(
    rows: list[tuple[Any, ...]],
    *more_columns: str,
    policy: crm.Policy = CLASSIC,
    customer_id: Any = "C1",
    from_: date = D1,
    to: date = D2,
    **arguments: Any,
) -> Change:
    names = (*NAMES, *more_columns)
    filled = [(*row, *(None,) * (len(names) - len(row))) for row in rows]
    orders = crm.OrderTable.from_rows(filled, SOURCE, columns=names)
    return explain_change(policy, orders, customer_id=customer_id, from_=from_, to=to, **arguments)


def causes(change: Change) -> list[str]:
    return [part.cause for part in change.parts if part]


def ids(orders: tuple[Any, ...]) -> list[Any]:
    return [order.order_id for order in orders]


def figures(change: Change, cause: Any) -> dict[str, tuple[Any, Any, Any]]:
    return {one.name: (one.before, one.after, one.delta) for one in change[cause].differences}


def test_time_alone() -> None:
    change = change_of(OLD)
    assert causes(change) == ["time"]
    time = change["time"]
    assert (ids(time.entered), ids(time.left), ids(time.altered)) == ([], ["A2"], [])
    found = figures(change, "time")
    assert found["sale_count"] == (2, 1, -1)
    assert found["mean_sale"] == (450, 600, Fraction(150))
    assert found["recency_points"] == (5, 4, -1)
    # 1·5 + 3·2 + 4·2 = 19 before, 1·4 + 3·1 + 4·3 = 19 after.
    assert change.before["class"] == change.after["class"] == "silver"
    assert not {"last_sale_on", "score"} & found.keys()


def test_new_orders_and_their_returns_come_together() -> None:
    rows = [
        *OLD,
        ("A4", "C1", "2025-03-01 10:00:00", "100.00", "paid", None),
        ("R4", "C1", "2025-03-05 10:00:00", "-30.00", "paid", "A4"),
        ("A5", "C1", "2025-05-01 10:00:00", "1.00", "paid", None),  # after the second day
    ]
    change = change_of(rows)
    assert causes(change) == ["time", "new_orders"]
    new = change["new_orders"]
    assert ids(new.entered) == ["A4", "R4"]
    assert new.entered[0].left == Decimal("70.00")
    found = figures(change, "new_orders")
    assert found["mean_sale"] == (600, 335, Fraction(-265))
    assert found["last_sale_on"] == (date(2025, 1, 20), date(2025, 3, 1), 40)


def test_returns_of_earlier_orders_and_of_none() -> None:
    rows = [
        *OLD,
        ("R3", "C1", "2025-03-01 10:00:00", "-100.00", "paid", "A3"),
        ("R0", "C1", "2025-03-02 10:00:00", "-50.00", "paid", None),
    ]
    change = change_of(rows)
    assert causes(change) == ["time", "returns"]
    returns = change["returns"]
    assert (ids(returns.entered), ids(returns.altered)) == (["R3", "R0"], ["A3"])
    assert figures(change, "returns")["mean_sale"] == (600, 450, Fraction(-150))


def test_a_change_of_status() -> None:
    rows: list[tuple[Any, ...]] = [
        (*OLD[2], None),
        ("A4", "C1", "2025-01-25 10:00:00", "80.00", "cancelled", None, "2025-03-01 00:00:00"),
        ("A5", "C1", "2025-01-26 10:00:00", "90.00", "delivered", None, "2025-03-01 00:00:00"),
    ]
    change = change_of(rows, "status_at")
    assert causes(change) == ["time", "status"]
    status = change["status"]
    # A4 was placed, which is no sale either; A5 became one.
    assert (ids(status.entered), ids(status.altered)) == (["A5"], [])
    assert figures(change, "status")["sale_count"] == (1, 2, 1)
    assert change.unrecorded == ("late_data",)


def test_late_data() -> None:
    rows: list[tuple[Any, ...]] = [
        (*OLD[2], "2025-01-20 10:00:00"),
        ("A4", "C1", "2025-01-25 10:00:00", "80.00", "paid", None, "2025-03-01 00:00:00"),
    ]
    change = change_of(rows, "known_at")
    assert causes(change) == ["late_data", "time"]
    assert ids(change["late_data"].entered) == ["A4"]
    assert figures(change, "late_data")["sale_count"] == (1, 2, 1)
    assert change.unrecorded == ("status",)


def test_the_same_day_as_known_then_and_later() -> None:
    rows: list[tuple[Any, ...]] = [
        (*OLD[2], "2025-01-20 10:00:00"),
        ("A4", "C1", "2025-01-25 10:00:00", "80.00", "paid", None, "2025-03-01 00:00:00"),
    ]
    change = change_of(rows, "known_at", to=D1, known_at=datetime(2025, 3, 2, tzinfo=UTC))
    assert causes(change) == ["late_data"]


def test_a_later_version_is_late_data() -> None:
    rows: list[tuple[Any, ...]] = [
        (*OLD[2], 1, "2025-01-20 10:00:00"),
        ("A3", "C1", "2025-01-20 10:00:00", "60.00", "paid", None, 2, "2025-03-01 00:00:00"),
    ]
    change = change_of(rows, "version", "known_at")
    late = change["late_data"]
    assert (ids(late.altered), late.altered[0].amount) == (["A3"], Decimal("60.00"))


def test_a_merge() -> None:
    rows = [OLD[2], ("A4", "guest-7", "2025-01-25 10:00:00", "80.00", "paid", None)]
    merged = crm.IdentityMap.from_rows([("guest-7", "C1", datetime(2025, 3, 1, tzinfo=UTC), None)])
    change = change_of(rows, identity=merged)
    assert causes(change) == ["merge", "time"]
    assert ids(change["merge"].entered) == ["A4"]
    # Who was merged away is without orders afterwards.
    away = change_of(rows, identity=merged, customer_id="guest-7")
    assert ids(away["merge"].left) == ["A4"]
    assert away.after["class"] == "non_ordering"


def test_an_edited_policy() -> None:
    edited = crm.load_policy(
        'extends = "classic"\nname = "edited"\n'
        'facts.mean_sale = { of = "sale", take = "sum", in = "period" }\n'
        'facts.items = { of = "line", take = "count" }\n'
    )
    change = change_of(OLD, policy=edited, policy_before=CLASSIC)
    assert causes(change) == ["policy", "time"]
    found = figures(change, "policy")
    assert found["mean_sale"] == (450, Decimal("900.00"), Fraction(450))
    assert found["items"] == (None, 3, None)
    assert ids(change["policy"].entered) == []  # only facts that both have are looked at
    assert json.loads(json.dumps(change.to_dict()))["policy_before"] == "classic"


def test_an_evaluation_between_ends_being_new() -> None:
    change = change_of(
        OLD[2:], last_evaluated_before=date(2025, 1, 1), last_evaluated_at=date(2025, 3, 1)
    )
    assert causes(change) == ["time"]
    assert figures(change, "time")["class"] == ("new", "silver", None)


def test_a_held_result_changes_with_its_evaluation() -> None:
    held = crm.load_policy(
        'extends = "classic"\nname = "held"\n'
        'evaluation = { every = "1 month", anchor = 2024-01-15 }\n'
    )
    change = change_of(OLD, policy=held, to=date(2025, 2, 10))
    assert causes(change) == []
    change = change_of(OLD, policy=held, to=date(2025, 2, 15))
    assert ids(change["time"].entered) == ["A3"]


def test_all_causes_at_once_add_up() -> None:
    names = ("status_at", "known_at")
    rows: list[tuple[Any, ...]] = [
        *((*row, None, row[2]) for row in OLD),
        ("L", "C1", "2025-01-02 10:00:00", "11.00", "paid", None, None, "2025-03-01 00:00:00"),
        ("G", "guest-7", "2025-01-03 10:00:00", "12.00", "paid", None, None, "2025-01-03"),
        ("S", "C1", "2025-01-04 10:00:00", "13.00", "paid", None, "2025-03-01", "2025-01-04"),
        ("R", "C1", "2025-03-05 10:00:00", "-5.00", "paid", "A3", None, "2025-03-05"),
        ("N", "C1", "2025-03-06 10:00:00", "14.00", "paid", None, None, "2025-03-06"),
    ]
    merged = crm.IdentityMap.from_rows([("guest-7", "C1", datetime(2025, 3, 1, tzinfo=UTC), None)])
    edited = crm.load_policy(
        'extends = "classic"\nname = "sum"\nfacts.net_sales.of = "sale"\n'
        'facts.net_sales.take = "sum"\nscores.score.weights.monetary_points=5'
    )
    change = change_of(rows, *names, policy=edited, policy_before=edited, identity=merged)
    assert set(causes(change)) == set(CAUSES) - {"policy"}
    deltas = [
        one.delta for part in change.parts for one in part.differences if one.name == "net_sales"
    ]
    assert deltas == [
        Decimal("11.00"),
        Decimal("12.00"),
        Decimal("13.00"),
        Decimal("-5.00"),
        Decimal("14.00"),
    ]
    total = {one.name: one.delta for one in change.differences}["net_sales"]
    assert total == sum(deltas) == Decimal("45.00")
    change = change_of(rows, *names, policy=edited, policy_before=CLASSIC, identity=merged)
    assert set(causes(change)) == set(CAUSES)


def test_orders_without_ids_are_told_apart_by_what_they_are() -> None:
    source_rows = [
        ("C1", "2024-03-01 10:00:00", "5.00"),
        ("C1", "2024-03-01 11:00:00", "5.00"),
        ("C1", "2025-01-01 11:00:00", "5.00"),
    ]
    orders = crm.OrderTable.from_rows(
        source_rows, SOURCE, columns=("customer_id", "placed_at", "amount")
    )
    change = explain_change(CLASSIC, orders, customer_id="C1", from_=D1, to=D2)
    assert [order.order_id for order in change["time"].left] == [None, None]
    assert "no longer counts: an order of 2024-03-01, CNY 5.00" in str(change)


def test_attributes_and_blocks() -> None:
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C1", "C2"], "blocked": [0, 1]})
    orders = crm.OrderTable.from_rows(OLD, SOURCE, columns=NAMES)
    change = explain_change(CLASSIC, orders, customers, customer_id="C2", from_=D1, to=D2)
    assert causes(change) == []
    assert change.after["class"] == "non_ordering"


def test_a_record_that_was_merged_away_is_gone() -> None:
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C1", "guest-7"], "blocked": [0, 1]})
    orders = crm.OrderTable.from_rows(OLD, SOURCE, columns=NAMES)
    merged = crm.IdentityMap.from_rows([("guest-7", "C1", datetime(2025, 3, 1, tzinfo=UTC), None)])
    change = explain_change(
        CLASSIC, orders, customers, customer_id="guest-7", from_=D1, to=D2, identity=merged
    )
    assert figures(change, "merge") == {"blocked": (True, False, None)}


def test_withdrawn_and_fully_returned_orders() -> None:
    rows = [
        *OLD,
        ("R3", "C1", "2025-03-01 10:00:00", "-600.00", "paid", "A3"),
        ("W3", "C1", "2025-03-01 10:00:00", "-1.00", "cancelled", "A3"),
    ]
    change = change_of(rows)
    returns = change["returns"]
    assert (ids(returns.entered), ids(returns.left)) == (["R3"], ["A3"])
    assert figures(change, "returns")["last_sale_on"] == (date(2025, 1, 20), None, None)
    assert change.after["class"] == "no_sale"


def test_instants_have_a_delta_of_time() -> None:
    timed = crm.load_policy(
        'extends = "classic"\nname = "t"\nfacts.last_sale_at = { of = "sale", take = "last" }\n'
    )
    rows = [*OLD, ("A4", "C1", "2025-03-01 12:00:00", "100.00", "paid", None)]
    change = change_of(rows, policy=timed)
    assert figures(change, "new_orders")["last_sale_at"][2] == timedelta(days=40, hours=2)
    found = {one["name"]: one for one in change.to_dict()["differences"]}  # type: ignore[attr-defined]
    assert found["last_sale_at"]["delta"] == 3_463_200
    assert "last_sale_at: 2025-01-20 10:00:00+08:00 → 2025-03-01 12:00:00+08:00" in str(change)
    no_class = crm.load_policy(
        'format = 1\nname = "plain"\nzone = "UTC"\nsale_statuses = ["paid"]\n'
        'currency = { code = "CNY", exponent = 2 }\nfacts.sale_count.of = "sale"\n'
        'facts.sale_count.take = "count"\n'
    )
    text = change_of(rows, policy=no_class, policy_before=CLASSIC).text(voice="customer")
    assert "Your status: Silver → nothing" in text


def test_what_is_refused() -> None:
    with pytest.raises(crm.UnknownCustomerError):
        change_of(OLD, customer_id="C9")
    with pytest.raises(crm.DataError, match="the first day is later"):
        change_of(OLD, from_=D2, to=D1)
    with pytest.raises(crm.DataError, match="time zone"):
        change_of(OLD, to=datetime(2025, 4, 1))
    with pytest.raises(KeyError):
        change_of(OLD)["weather"]  # type: ignore[index]


# Told


def test_a_change_told_to_staff() -> None:
    rows = [*OLD, ("R3", "C1", "2025-03-01 10:00:00", "-350.00", "paid", "A3")]
    change = change_of(rows)
    assert (
        str(change)
        == """\
From 2025-02-01 23:59:59+08:00 to 2025-04-01 23:59:59+08:00, by the policy “classic”
  class: Silver → Bronze
  grade: Silver → Bronze
  not told apart: late data, as the orders do not say when they became known, changes of status, \
as the orders do not say since when a status holds

Because time passed
    no longer counts: order A2 of 2024-03-01, CNY 300.00
    number of sales: 2 → 1 (-1)
    mean sale: CNY 450.00 → CNY 600.00 (CNY 150.00)
    number of orders: 2 → 1 (-1)
    points for recency (R): 5 → 4 (-1)
    points for frequency (F): 2 → 1 (-1)
    points for value (M): 2 → 3 (+1)

Because of returns
    now counts: order R3 of 2025-03-01, CNY -350.00
    counts otherwise: order A3 of 2025-01-20, CNY 600.00
    mean sale: CNY 600.00 → CNY 250.00 (CNY -350.00)
    points for value (M): 3 → 1 (-2)
    score: 19 → 11 (-8)
    grade: Silver → Bronze
    class: Silver → Bronze"""
    )


def test_a_change_told_to_the_customer_in_chinese() -> None:
    rows = [*OLD, ("R3", "C1", "2025-03-01 10:00:00", "-350.00", "paid", "A3")]
    assert (
        change_of(rows).text("zh-CN", voice="customer")
        == """\
自 2025-02-01 至 2025-04-01
  您的状态：银 → 铜

因为时间推移
    不再计入：订单 A2（2024-03-01），CNY 300.00
    您的购买次数：2 → 1
    您的平均每次消费：CNY 450.00 → CNY 600.00
    您的下单次数：2 → 1

因为退货
    开始计入：订单 R3（2025-03-01），CNY -350.00
    计入方式改变：订单 A3（2025-01-20），CNY 600.00
    您的平均每次消费：CNY 600.00 → CNY 250.00
    您的状态：银 → 铜"""
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_change_told(language: str) -> None:
    change = change_of(OLD, to=D1 + timedelta(days=1))
    for voice in ("staff", "customer"):
        text = change.text(language, voice=voice)  # type: ignore[arg-type]
        assert ("Nothing changed" in text) or ("nothing changed" in text) or ("没有变化" in text)


@pytest.mark.parametrize("voice", ["staff", "customer"])
def test_a_change_until_the_last_day_of_the_calendar(voice: Any) -> None:
    text = change_of(OLD, to=date(9999, 12, 31)).text(voice=voice)
    assert " to 9999-12-31" in text.partition("\n")[0]


def test_a_change_as_plain_data() -> None:
    plain = json.loads(json.dumps(change_of(OLD).to_dict()))
    assert [part["cause"] for part in plain["parts"]] == list(CAUSES)
    time = plain["parts"][CAUSES.index("time")]
    assert time["left"][0]["order_id"] == "A2"
    found = {one["name"]: one for one in time["differences"]}
    assert found["mean_sale"]["before"] == "450.00"
    assert found["mean_sale"]["after"] == "600.00"
    assert json.dumps(change_of(OLD, from_=date(2023, 1, 1)).to_dict())
    messages = [message.to_dict() for message in change_of(OLD).messages()]
    assert json.loads(json.dumps(messages))[1]["key"] == "staff.change.same"
