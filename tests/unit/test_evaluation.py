"""Returns, windows, what was known when, and evaluations that hold: cases worked out by hand."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from golden.shop import LINES, policy, refused, table

import crmcore as crm

MICROSECOND = timedelta(microseconds=1)
SALES: dict[str, Any] = {
    "orders": {"of": "order", "take": "count"},
    "sales": {"of": "sale", "take": "count"},
    "net": {"of": "sale", "take": "sum"},
    "mean": {"of": "sale", "take": "mean"},
    "last_on": {"of": "sale", "take": "last"},
    "returns": {"of": "return", "take": "count"},
    "returned": {"of": "return", "take": "sum"},
}
IN_PERIOD = {name: {**fact, "in": "period"} for name, fact in SALES.items()}
AS_OF = date(2025, 6, 30)


def utc(year: int, month: int, day: int, hour: int = 12) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def links(*named: object) -> Any:
    return np.array(named, object)


def found(orders: crm.OrderTable, as_of: date = AS_OF, **more: Any) -> dict[str, Any]:
    """The facts of one customer, with no window."""
    return crm.evaluate(policy(SALES), orders, as_of=as_of, **more)["C1"]


def figures(orders: crm.OrderTable, as_of: date = AS_OF, **more: Any) -> tuple[Any, ...]:
    """Orders, sales, net sum and returns."""
    one = found(orders, as_of, **more)
    return one["orders"], one["sales"], str(one["net"]), one["returns"]


# Orders, sales, returns


@pytest.mark.parametrize(
    ("status", "sales"),
    [
        ("placed", 0),
        ("paid", 1),
        ("shipped", 1),
        ("delivered", 1),
        ("cancelled", 0),
        ("refused", 0),
        ("returned", 0),
    ],
)
def test_an_order_counts_whatever_became_of_it_and_a_sale_by_its_status(
    status: str, sales: int
) -> None:
    assert figures(table(status=[status])) == (1, sales, f"{sales}.00", 0)


def test_without_a_status_orders_are_delivered() -> None:
    orders = table(amount=["5.00", "-2.00"])
    assert figures(orders) == (1, 1, "3.00", 1)
    placed_only = policy(SALES, sale_statuses=["placed"])
    assert crm.evaluate(placed_only, orders, as_of=AS_OF)["C1"]["sales"] == 0


def test_a_linked_return_reduces_its_sale_from_its_own_instant_on() -> None:
    back = utc(2025, 3, 1)
    orders = table(
        placed_at=[utc(2025, 1, 1), back],
        amount=["10.00", "-4.00"],
        returns_order_id=links(None, 1),
    )
    assert figures(orders, back - MICROSECOND) == (1, 1, "10.00", 0)
    assert figures(orders, back) == (1, 1, "6.00", 1)


def test_a_sale_with_nothing_left_is_no_sale_but_an_order() -> None:
    orders = table(amount=["10.00", "-6.00", "-4.00"], returns_order_id=links(None, 1, 1))
    result = found(orders)
    assert (result["orders"], result["sales"], result["net"]) == (1, 0, Decimal("0.00"))
    assert (result["mean"], result["last_on"]) == (None, None)


def test_an_over_returned_sale_is_no_sale_and_its_rest_stays_in_the_sum() -> None:
    # 10 - 12 = -2, and another sale of 5: 3.00 over one sale.
    orders = table(amount=["10.00", "-12.00", "5.00"], returns_order_id=links(None, 1, None))
    result = found(orders)
    assert (result["sales"], result["net"], result["mean"]) == (1, Decimal("3.00"), Fraction(3))


def test_an_unlinked_return_reduces_the_sum_of_its_own_period_and_nothing_else() -> None:
    orders = table(
        placed_at=[utc(2024, 1, 1), utc(2025, 2, 1), utc(2025, 3, 1), utc(2024, 3, 1)],
        amount=["100.00", "10.00", "-3.00", "-50.00"],
    )
    asked = policy(IN_PERIOD, {"period": "1 year"})
    result = crm.evaluate(asked, orders, as_of=AS_OF)["C1"]
    assert (result["sales"], result["net"], result["returns"]) == (1, Decimal("7.00"), 1)
    assert result["last_on"] == date(2025, 2, 1)
    assert found(orders)["net"] == Decimal("57.00")


def test_a_linked_return_reduces_its_sale_whenever_it_happened() -> None:
    # The sale is in 2023, its return in 2025: the window of 2025 has the return only, and the
    # linked return takes nothing from the sum of 2025.
    orders = table(
        placed_at=[utc(2023, 5, 1), utc(2025, 5, 1), utc(2025, 5, 2)],
        amount=["100.00", "-40.00", "10.00"],
        returns_order_id=links(None, 1, None),
    )
    asked = policy(IN_PERIOD, {"period": "1 year"})
    result = crm.evaluate(asked, orders, as_of=AS_OF)["C1"]
    assert (result["net"], result["sales"], result["returns"]) == (Decimal("10.00"), 1, 1)
    assert result["returned"] == Decimal("40.00")
    assert found(orders)["net"] == Decimal("70.00")


def test_a_late_return_reduces_a_sale_that_is_still_in_the_window() -> None:
    orders = table(
        placed_at=[utc(2025, 1, 1), utc(2025, 6, 1)],
        amount=["100.00", "-40.00"],
        returns_order_id=links(None, 1),
    )
    asked = policy(IN_PERIOD, {"period": "1 year"})
    assert crm.evaluate(asked, orders, as_of=AS_OF)["C1"]["net"] == Decimal("60.00")


@pytest.mark.parametrize("status", ["cancelled", "refused"])
def test_a_withdrawn_return_does_not_count(status: str) -> None:
    orders = table(
        amount=["10.00", "-4.00", "-1.00"],
        status=["paid", status, status],
        returns_order_id=links(None, 1, None),
    )
    assert figures(orders) == (1, 1, "10.00", 0)
    codes = {finding.code for finding in crm.evaluate(policy(SALES), orders, as_of=AS_OF).findings}
    assert "unlinked_returns" not in codes


def test_a_return_of_an_order_that_is_no_sale_reduces_nothing() -> None:
    orders = table(
        amount=["10.00", "-4.00", "7.00"],
        status=["cancelled", "delivered", "paid"],
        returns_order_id=links(None, 1, None),
    )
    assert figures(orders) == (2, 1, "7.00", 1)


def test_a_return_never_moves_recency() -> None:
    orders = table(placed_at=[utc(2025, 1, 1), utc(2025, 6, 1)], amount=["10.00", "-1.00"])
    assert found(orders)["last_on"] == date(2025, 1, 1)


@pytest.mark.parametrize("owner", ["C2", None])
def test_a_return_of_another_customers_order_is_unlinked(owner: str | None) -> None:
    orders = table(
        customer_id=[owner, "C1", "C1"],
        amount=["10.00", "-4.00", "5.00"],
        returns_order_id=links(None, 1, None),
    )
    assert orders.intake.notices["return_link_not_found"] == 1
    assert figures(orders) == (1, 1, "1.00", 1)


def test_anonymous_returns_belong_to_anonymous_orders() -> None:
    orders = table(
        customer_id=[None, None], amount=["10.00", "-4.00"], returns_order_id=links(None, 1)
    )
    assert orders.sale_of.tolist() == [0]
    assert "return_link_not_found" not in orders.intake.notices


def test_a_return_may_name_the_order_that_it_stands_in() -> None:
    orders = table(
        LINES,
        order_id=["A", "A", "A"],
        line_id=[1, 2, 3],
        amount=["10.00", "5.00", "-5.00"],
        returns_order_id=links(None, None, "A"),
    )
    assert figures(orders) == (1, 1, "10.00", 1)


def test_a_return_does_not_return_a_return() -> None:
    orders = table(amount=["10.00", "-4.00", "-3.00"], returns_order_id=links(None, None, 2))
    assert orders.intake.notices["return_link_not_found"] == 1
    assert figures(orders) == (1, 1, "3.00", 2)


def test_unlinked_returns_may_be_refused() -> None:
    strict = policy(SALES, returns="refuse")
    unlinked = table(placed_at=[utc(2025, 1, 1), utc(2025, 3, 1)], amount=["10.00", "-4.00"])
    with refused() as caught:
        crm.evaluate(strict, unlinked, as_of=AS_OF)
    assert caught.value.count == 1
    before = crm.evaluate(strict, unlinked, as_of=utc(2025, 3, 1) - MICROSECOND)
    assert before["C1"]["net"] == Decimal("10.00")
    with refused():
        crm.evaluate(strict, unlinked, as_of=utc(2025, 3, 1))
    withdrawn = table(amount=["10.00", "-4.00"], status=["paid", "refused"])
    assert crm.evaluate(strict, withdrawn, as_of=AS_OF)["C1"]["sales"] == 1
    anonymous = table(customer_id=["C1", None], amount=["10.00", "-4.00"])
    assert crm.evaluate(strict, anonymous, as_of=AS_OF)["C1"]["sales"] == 1
    linked = table(amount=["10.00", "-4.00"], returns_order_id=links(None, 1))
    assert crm.evaluate(strict, linked, as_of=AS_OF)["C1"]["net"] == Decimal("6.00")


def test_zero_is_an_order_and_never_a_sale() -> None:
    assert figures(table(amount=["0.00"])) == (1, 0, "0.00", 0)


# Windows


def days(window: Any, as_of: date, zone: str = "UTC") -> tuple[date, date]:
    """The first and the last local day on which an order counts in a window."""
    first = as_of - timedelta(days=800)
    placed = [utc(first.year, first.month, first.day) + timedelta(days=n) for n in range(1700)]
    asked = policy(
        {
            "first_on": {"of": "order", "take": "first", "in": "w"},
            "last_on": {"of": "order", "take": "last", "in": "w"},
        },
        {"w": window},
        zone=zone,
    )
    result = crm.evaluate(asked, table(placed_at=placed), as_of=as_of)["C1"]
    return result["first_on"], result["last_on"]


@pytest.mark.parametrize(
    ("window", "as_of", "first", "last"),
    [
        ("1 year", date(2025, 6, 30), date(2024, 6, 30), date(2025, 6, 30)),
        ("1 year", date(2024, 2, 29), date(2023, 2, 28), date(2024, 2, 29)),
        ("1 year", date(2025, 2, 28), date(2024, 2, 28), date(2025, 2, 28)),
        ("1 month", date(2025, 3, 31), date(2025, 2, 28), date(2025, 3, 31)),
        ("3 months", date(2025, 5, 31), date(2025, 2, 28), date(2025, 5, 31)),
        ("90 days", date(2025, 3, 31), date(2024, 12, 31), date(2025, 3, 31)),
        ("2 weeks", date(2025, 3, 31), date(2025, 3, 17), date(2025, 3, 31)),
        # Tiles leave the first printed edge to the tile before.
        ({"tiles": "1 year"}, date(2025, 6, 30), date(2024, 7, 1), date(2025, 6, 30)),
        ({"tiles": "1 month"}, date(2025, 3, 31), date(2025, 3, 1), date(2025, 3, 31)),
        ({"tiles": "7 days"}, date(2025, 3, 31), date(2025, 3, 25), date(2025, 3, 31)),
        # Calendar periods: what is left of the present one, or a whole earlier one.
        ({"calendar": "year"}, date(2025, 6, 30), date(2025, 1, 1), date(2025, 6, 30)),
        ({"calendar": "year", "back": 1}, date(2025, 6, 30), date(2024, 1, 1), date(2024, 12, 31)),
        ({"calendar": "quarter"}, date(2025, 5, 10), date(2025, 4, 1), date(2025, 5, 10)),
        (
            {"calendar": "quarter", "back": 1},
            date(2025, 2, 10),
            date(2024, 10, 1),
            date(2024, 12, 31),
        ),
        (
            {"calendar": "month", "back": 2},
            date(2025, 1, 31),
            date(2024, 11, 1),
            date(2024, 11, 30),
        ),
    ],
)
def test_the_days_of_a_window(window: Any, as_of: date, first: date, last: date) -> None:
    assert days(window, as_of) == (first, last)


def test_tiles_leave_no_day_out_and_count_none_twice() -> None:
    ends = [date(2025, month, 28) for month in (1, 2, 3, 4)]
    spans = [days({"tiles": "1 month"}, end) for end in ends]
    for (_, before), (after, _) in pairwise(spans):
        assert after - before == timedelta(days=1)


def test_a_window_in_a_day_that_is_not_over() -> None:
    orders = table(placed_at=[utc(2025, 6, 30, 9), utc(2025, 6, 30, 11)])
    for window in ("1 day", {"tiles": "1 day"}, {"calendar": "month"}):
        asked = policy({"n": {"of": "order", "take": "count", "in": "w"}}, {"w": window})
        assert crm.evaluate(asked, orders, as_of=utc(2025, 6, 30, 10))["C1"]["n"] == 1


def test_a_window_begins_with_the_local_day_also_where_clocks_change() -> None:
    # 30 March 2025 in Berlin has 23 hours and begins at 23:00 UTC the day before.
    start = datetime(2025, 3, 29, 23, tzinfo=UTC)
    asked = policy(
        {"n": {"of": "order", "take": "count", "in": "w"}}, {"w": "1 day"}, zone="Europe/Berlin"
    )
    orders = table(placed_at=[start - MICROSECOND, start, start + timedelta(hours=47)])
    assert crm.evaluate(asked, orders, as_of=date(2025, 3, 31))["C1"]["n"] == 1
    orders = table(placed_at=[start + timedelta(hours=47) - MICROSECOND])
    assert crm.evaluate(asked, orders, as_of=date(2025, 3, 31))["C1"]["n"] == 1


def test_naive_moments_are_refused() -> None:
    naive = datetime(1987, 4, 23)
    orders = table()
    asked = policy(SALES)
    with refused():
        crm.evaluate(asked, orders, as_of=naive)
    with refused():
        crm.evaluate(asked, orders, as_of=AS_OF, known_at=naive)
    with refused():
        crm.evaluate(asked, orders, as_of=AS_OF, last_evaluated_at=naive)


@pytest.mark.parametrize("as_of", [date(1600, 1, 1), "1987-04-23", None, 4711000])
def test_moments_that_are_none_are_refused(as_of: Any) -> None:
    with refused():
        crm.evaluate(policy(SALES), table(), as_of=as_of)


@pytest.mark.parametrize("known_at", ["1987-04-23", date(1987, 4, 23), 4711000])
def test_a_moment_of_knowledge_is_an_aware_datetime(known_at: Any) -> None:
    with refused():
        crm.evaluate(policy(SALES), table(), as_of=AS_OF, known_at=known_at)


def test_the_first_and_the_last_day_there_is() -> None:
    orders = table(placed_at=[utc(2025, 1, 1)])
    asked = policy(IN_PERIOD, {"period": "1 year"})
    assert crm.evaluate(asked, orders, as_of=date(9999, 12, 31))["C1"]["orders"] == 0
    assert crm.evaluate(asked, orders, as_of=date(1678, 1, 1))["C1"]["orders"] == 0
    assert crm.evaluate(asked, orders, as_of=date(1677, 1, 1))["C1"]["orders"] == 0


# What was known when


def test_rows_known_later_do_not_exist() -> None:
    orders = table(
        placed_at=[utc(2025, 1, 1), utc(2025, 1, 2)],
        known_at=[utc(2025, 1, 1), utc(2025, 2, 1)],
        customer_id=["C1", "C2"],
    )
    asked = policy(SALES)
    assert crm.evaluate(asked, orders, as_of=date(2025, 1, 31)).ids.tolist() == ["C1"]
    assert crm.evaluate(asked, orders, as_of=date(2025, 2, 1)).ids.tolist() == ["C1", "C2"]
    hindsight = crm.evaluate(asked, orders, as_of=date(2025, 1, 31), known_at=utc(2025, 2, 1))
    assert hindsight.ids.tolist() == ["C1", "C2"]
    at_once = crm.evaluate(asked, orders, as_of=AS_OF, known_at=utc(2025, 2, 1) - MICROSECOND)
    assert at_once.ids.tolist() == ["C1"]


def test_a_return_known_later_has_not_happened_yet() -> None:
    orders = table(
        placed_at=[utc(2025, 1, 1), utc(2025, 1, 5)],
        known_at=[utc(2025, 1, 1), utc(2025, 3, 1)],
        amount=["10.00", "-10.00"],
        returns_order_id=links(None, 1),
    )
    assert figures(orders, date(2025, 2, 1)) == (1, 1, "10.00", 0)
    assert figures(orders, date(2025, 3, 1)) == (1, 0, "0.00", 1)


def test_a_return_known_before_its_order_is_unlinked_until_then() -> None:
    orders = table(
        placed_at=[utc(2025, 1, 1), utc(2025, 1, 5), utc(2025, 1, 1)],
        known_at=[utc(2025, 3, 1), utc(2025, 1, 5), utc(2025, 1, 1)],
        amount=["10.00", "-10.00", "3.00"],
        returns_order_id=links(None, 1, None),
    )
    assert figures(orders, date(2025, 2, 1)) == (1, 1, "-7.00", 1)
    assert figures(orders, date(2025, 3, 1)) == (2, 1, "3.00", 1)


def test_each_version_holds_until_a_higher_one_is_known() -> None:
    orders = table(
        order_id=[1, 1, 1],
        version=[1, 2, 3],
        amount=["1.00", "2.00", "3.00"],
        placed_at=[utc(2025, 1, 1)] * 3,
        known_at=[utc(2025, 1, 1), utc(2025, 2, 1), utc(2025, 3, 1)],
    )
    assert [
        str(found(orders, day)["net"])
        for day in (date(2025, 1, 31), utc(2025, 2, 1) - MICROSECOND, utc(2025, 2, 1), AS_OF)
    ] == ["1.00", "1.00", "2.00", "3.00"]


def test_a_higher_version_known_earlier_holds_at_once() -> None:
    # Version 2 arrived before version 1: version 1 never held.
    orders = table(
        order_id=[1, 1],
        version=[1, 2],
        amount=["1.00", "2.00"],
        placed_at=[utc(2025, 1, 1)] * 2,
        known_at=[utc(2025, 3, 1), utc(2025, 2, 1)],
    )
    asked = policy(SALES)
    assert len(crm.evaluate(asked, orders, as_of=date(2025, 1, 31))) == 0
    assert figures(orders, date(2025, 2, 15)) == (1, 1, "2.00", 0)
    assert figures(orders, date(2025, 4, 1)) == (1, 1, "2.00", 0)


def test_a_version_may_move_an_order_to_another_customer() -> None:
    orders = table(
        order_id=[1, 1],
        version=[1, 2],
        customer_id=["C1", "C2"],
        placed_at=[utc(2025, 1, 1)] * 2,
        known_at=[utc(2025, 1, 1), utc(2025, 2, 1)],
    )
    asked = policy(SALES)
    assert crm.evaluate(asked, orders, as_of=date(2025, 1, 15)).ids.tolist() == ["C1"]
    assert crm.evaluate(asked, orders, as_of=date(2025, 2, 15)).ids.tolist() == ["C2"]


def test_lines_known_later_are_not_in_their_order_yet() -> None:
    orders = table(
        LINES,
        order_id=["A", "A"],
        line_id=[1, 2],
        placed_at=[utc(2025, 1, 1), utc(2025, 1, 2)],
        amount=["10.00", "5.00"],
        known_at=[utc(2025, 1, 1), utc(2025, 2, 1)],
    )
    assert figures(orders, date(2025, 2, 1)) == (1, 1, "15.00", 0)
    assert figures(orders, date(2025, 1, 15)) == (1, 1, "10.00", 0)


def test_each_version_of_a_line_holds_until_a_higher_one_is_known() -> None:
    orders = table(
        LINES,
        order_id=["A", "A"],
        line_id=[1, 1],
        version=[1, 2],
        placed_at=[utc(2025, 1, 1)] * 2,
        amount=["1.00", "2.00"],
        known_at=[utc(2025, 1, 1), utc(2025, 2, 1)],
    )
    assert figures(orders, date(2025, 2, 1)) == (1, 1, "2.00", 0)
    assert figures(orders, date(2025, 1, 15)) == (1, 1, "1.00", 0)


def test_what_is_counted_of_several_versions_does_not_depend_on_their_order() -> None:
    # Version 2 moved order 2 to another customer: the return of customer C1 names it in vain.
    columns: dict[str, Any] = {
        "order_id": [1, 2, 2],
        "customer_id": ["C1", "C1", "C2"],
        "amount": ["-1.00", "5.00", "5.00"],
        "returns_order_id": [2, None, None],
        "version": [1, 1, 2],
        "known_at": [utc(2025, 1, 1)] * 3,
    }
    turned = {name: values[::-1] for name, values in columns.items()}
    once, again = (
        table(**{**given, "returns_order_id": links(*given["returns_order_id"])})
        for given in (columns, turned)
    )
    assert once.intake.notices == again.intake.notices


def test_a_later_status_was_placed_before() -> None:
    orders = table(
        placed_at=[utc(2025, 1, 1)] * 3,
        status=["paid", "cancelled", "paid"],
        status_at=[utc(2025, 2, 1), utc(2025, 2, 1), None],
    )
    assert figures(orders, utc(2025, 2, 1) - MICROSECOND) == (3, 1, "1.00", 0)
    assert figures(orders, utc(2025, 2, 1)) == (3, 2, "2.00", 0)
    placed = policy(SALES, sale_statuses=["placed", "paid"])
    assert crm.evaluate(placed, orders, as_of=date(2025, 1, 15))["C1"]["sales"] == 3


def test_a_return_withdrawn_later_counts_until_then() -> None:
    orders = table(
        placed_at=[utc(2025, 1, 1), utc(2025, 1, 10)],
        amount=["10.00", "-4.00"],
        status=["paid", "cancelled"],
        status_at=[utc(2025, 1, 1), utc(2025, 2, 1)],
        returns_order_id=links(None, 1),
    )
    assert figures(orders, date(2025, 1, 5)) == (1, 1, "10.00", 0)
    assert figures(orders, date(2025, 1, 15)) == (1, 1, "6.00", 1)
    assert figures(orders, date(2025, 2, 1)) == (1, 1, "10.00", 0)


def test_the_result_says_as_of_when_the_data_was_known() -> None:
    asked = policy(SALES)
    recorded = table(placed_at=[utc(2025, 1, 1)], known_at=[utc(2025, 1, 1)])
    by_default = crm.evaluate(asked, recorded, as_of=utc(2025, 2, 1))
    assert by_default.known_us == by_default.timing.now.at[0]
    now = crm.evaluate(asked, table(placed_at=[utc(2025, 1, 1)]), as_of=utc(2025, 2, 1))
    assert now.known_us is None


def test_asking_what_was_known_of_data_that_does_not_record_it_says_so() -> None:
    later = table(placed_at=[utc(2025, 1, 1)])
    result = crm.evaluate(policy(SALES), later, as_of=AS_OF, known_at=utc(2024, 1, 1))
    assert result["C1"]["orders"] == 1
    assert result.known_us is None
    assert "as_known_now" in {finding.code for finding in result.findings}


# Evaluations that hold

HELD = {"every": "1 year", "anchor": date(2024, 1, 1)}
BOTH = {
    "sales": {"of": "sale", "take": "count", "in": "period"},
    "net": {"of": "sale", "take": "sum", "in": "period"},
    "last_on": {"of": "sale", "take": "last", "in": "period"},
    "quiet": {"of": "sale", "take": "days_since_last", "in": "period"},
    "ever": {"of": "sale", "take": "count"},
    "quiet_ever": {"of": "sale", "take": "days_since_last"},
}


def both(evaluation: Any, orders: crm.OrderTable, as_of: date, **more: Any) -> dict[str, Any]:
    scores = {"points": {"fact": "last_on", "within": [["1 month", 5], ["1 year", 1]]}}
    asked = policy(BOTH, {"period": "1 year"}, evaluation=evaluation, scores=scores)
    return crm.evaluate(asked, orders, as_of=as_of, **more)["C1"]


def test_facts_with_a_window_hold_from_one_evaluation_to_the_next() -> None:
    # Evaluated at the end of 1 January. The sale of 15 December 2024 counts on 1 January 2025;
    # that of 5 January 2025 not before 1 January 2026.
    orders = table(
        placed_at=[utc(2024, 12, 15), utc(2025, 1, 5), utc(2025, 2, 1)],
        amount=["10.00", "20.00", "-4.00"],
        returns_order_id=links(None, None, 1),
    )
    held = both(HELD, orders, date(2025, 6, 30))
    assert (held["sales"], held["net"], held["last_on"]) == (
        1,
        Decimal("10.00"),
        date(2024, 12, 15),
    )
    assert (held["quiet"], held["points"]) == (17, 5)
    assert (held["ever"], held["quiet_ever"]) == (2, 176)
    live = both("live", orders, date(2025, 6, 30))
    assert (live["sales"], live["net"], live["last_on"]) == (2, Decimal("26.00"), date(2025, 1, 5))
    assert (live["quiet"], live["points"]) == (176, 1)
    for moment in (datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC), date(2026, 1, 1)):
        # From 1 January 2025 on: the sale of December 2024 is older than a year.
        assert both(HELD, orders, moment)["net"] == Decimal("20.00")
    before = datetime(2026, 1, 1, 23, 59, 59, 999_998, tzinfo=UTC)
    assert both(HELD, orders, before)["net"] == Decimal("10.00")


def test_evaluations_also_lie_before_their_anchor_and_never_drift() -> None:
    monthly = {"every": "1 month", "anchor": date(2024, 1, 31)}
    orders = table(placed_at=[utc(2023, 11, 30), utc(2024, 2, 29), utc(2024, 3, 30)])
    assert both(monthly, orders, date(2023, 11, 30))["sales"] == 1
    assert both(monthly, orders, date(2024, 2, 28))["sales"] == 1
    assert both(monthly, orders, date(2024, 2, 29))["sales"] == 2
    # Counted from the anchor: 31 March, not 29 March.
    assert both(monthly, orders, date(2024, 3, 30))["sales"] == 2
    assert both(monthly, orders, date(2024, 3, 31))["sales"] == 3


def test_a_held_result_is_as_known_at_its_evaluation() -> None:
    orders = table(
        placed_at=[utc(2024, 12, 15), utc(2024, 12, 20)],
        known_at=[utc(2024, 12, 15), utc(2025, 1, 10)],
    )
    held = both(HELD, orders, date(2025, 6, 30))
    assert (held["sales"], held["ever"]) == (1, 2)
    replayed = both(HELD, orders, date(2025, 6, 30), known_at=utc(2025, 6, 30))
    assert (replayed["sales"], replayed["ever"]) == (2, 2)


NEW = {
    "class": {
        "first": [["first_order_at > last_evaluated_at", "new"]],
        "otherwise": "existing",
    }
}


def status_of(orders: crm.OrderTable, as_of: date, evaluation: Any = "live", **more: Any) -> str:
    facts = {"first_order_at": {"of": "order", "take": "first"}}
    asked = policy(facts, evaluation=evaluation, **NEW)
    result: str = crm.evaluate(asked, orders, as_of=as_of, **more)["C1"]["class"]
    return result


def test_who_first_ordered_after_the_last_evaluation_is_new() -> None:
    orders = table(placed_at=[utc(2025, 3, 1), utc(2025, 4, 1)], status=["cancelled", "paid"])
    assert status_of(orders, AS_OF) == "existing"
    assert status_of(orders, AS_OF, last_evaluated_at=utc(2025, 3, 1)) == "existing"
    assert status_of(orders, AS_OF, last_evaluated_at=utc(2025, 3, 1) - MICROSECOND) == "new"
    # A date means the end of its day.
    assert status_of(orders, AS_OF, last_evaluated_at=date(2025, 3, 1)) == "existing"
    assert status_of(orders, AS_OF, last_evaluated_at=date(2025, 2, 28)) == "new"


def test_a_held_policy_knows_when_it_last_evaluated() -> None:
    orders = table(placed_at=[utc(2025, 1, 1), utc(2025, 4, 1)])
    assert status_of(orders, AS_OF, HELD) == "existing"
    orders = table(placed_at=[utc(2025, 1, 2)])
    assert status_of(orders, AS_OF, HELD) == "new"
    assert status_of(orders, date(2026, 1, 1), HELD) == "existing"
    assert status_of(orders, AS_OF, HELD, last_evaluated_at=date(2025, 6, 1)) == "existing"


# The result


def test_rows_come_in_ascending_order_of_id() -> None:
    ids = ["b", 30, UUID(int=9), "B", 4, UUID(int=2), "10", -1]
    result = crm.evaluate(policy(SALES), table(customer_id=ids), as_of=AS_OF)
    assert result.ids.tolist() == [-1, 4, 30, "10", "B", "b", UUID(int=2), UUID(int=9)]


def test_everybody_of_both_tables_is_there() -> None:
    orders = table(customer_id=["B", None], placed_at=["2025-01-01", "2025-01-01"])
    customers = crm.CustomerTable.from_arrays({"customer_id": ["A", "C"]})
    result = crm.evaluate(policy(SALES), orders, customers, as_of=AS_OF)
    assert result.ids.tolist() == ["A", "B", "C"]
    assert result.columns["orders"].to_list() == [0, 1, 0]
    counts = {finding.code: finding.count for finding in result.findings}
    assert counts == {"customers_not_registered": 1, "anonymous": 1}


def test_an_order_to_come_makes_its_customer_exist() -> None:
    orders = table(placed_at=[utc(2026, 1, 1)])
    assert figures(orders) == (0, 0, "0.00", 0)
    classic = crm.evaluate(crm.presets.load("classic"), orders, as_of=AS_OF)
    assert classic["C1"]["class"] == "non_ordering"
    assert "orders_after_as_of" in {finding.code for finding in classic.findings}


@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
@pytest.mark.parametrize("minimum", range(6))
def test_few_ordering_customers_are_counted(
    monkeypatch: pytest.MonkeyPatch, at_once: int, minimum: int
) -> None:
    monkeypatch.setattr("crmcore.evaluation.review._AT_ONCE", at_once)
    orders = table(
        customer_id=["A", "B", "A", "C", "D", "E", None],
        amount=["5.00", "5.00", "5.00", "-5.00", "5.00", "5.00", "5.00"],
        placed_at=["2025-01-01"] * 4 + ["2026-01-01"] + ["2025-01-01"] * 2,
    )
    small = {"extends": "classic", "name": "small", "notes": {"minimum_customers": minimum}}
    findings = crm.evaluate(crm.load_policy(small), orders, as_of=AS_OF).findings
    found = [one.count for one in findings if one.code == "scheme_condition_not_met"]
    assert found == ([3] if minimum >= 3 else [])  # A, B and E


@pytest.mark.parametrize("wanted", [1, "c1", "C2", "", UUID(int=0), True, 1.0, None])
def test_unknown_customers_are_unknown(wanted: Any) -> None:
    result = crm.evaluate(policy(SALES), table(), as_of=AS_OF)
    with refused(kind=crm.UnknownCustomerError):
        result[wanted]
    with refused(kind=crm.UnknownCustomerError):
        result.explain(wanted)
    whole = crm.evaluate(policy(SALES), table(customer_id=[1]), as_of=AS_OF)
    if type(wanted) is not int:
        with refused(kind=crm.UnknownCustomerError):
            whole[wanted]


def test_one_customers_orders_are_not_anothers() -> None:
    order = crm.Order(
        order_id=1, customer_id="Zhang Wei", placed_at=utc(2025, 1, 1), amount=Decimal(1)
    )
    with refused(kind=crm.UnknownCustomerError):
        crm.evaluate_customer(policy(SALES), crm.Customer(customer_id="C1"), [order], as_of=AS_OF)


def test_one_customer_without_orders_has_an_answer() -> None:
    customer = crm.Customer(customer_id="C1", blocked=True)
    result = crm.evaluate_customer(crm.presets.load("classic"), customer, [], as_of=AS_OF)
    assert result["C1"]["class"] == "non_ordering"


def test_a_policy_of_another_currency_is_refused() -> None:
    other = policy(SALES, currency={"code": "CNY", "exponent": 3})
    with refused(column="currency"):
        crm.evaluate(other, table(), as_of=AS_OF)


def test_threads_share_tables_and_policies() -> None:
    orders = table(
        customer_id=[f"C{row % 7}" for row in range(200)],
        amount_minor=[(-1) ** (row % 5 == 0) * row * 37 for row in range(200)],
        placed_at=[utc(2025, 1 + row % 6, 1 + row % 28) for row in range(200)],
    )
    asked = crm.presets.load("classic")

    def answer(_: int) -> list[list[Any]]:
        result = crm.evaluate(asked, orders, as_of=AS_OF)
        return [column.to_list() for column in result.columns.values()]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(answer, range(32)))
    assert answers == [answer(0)] * 32


def test_tables_and_arguments_are_never_changed() -> None:
    orders = table(amount=["10.00", "-4.00"], returns_order_id=links(None, 1))
    before = pickle.dumps((orders.amount_minor, orders.placed_us, orders.status, orders.customer))
    first = figures(orders)
    assert figures(orders) == first
    after = pickle.dumps((orders.amount_minor, orders.placed_us, orders.status, orders.customer))
    assert before == after
