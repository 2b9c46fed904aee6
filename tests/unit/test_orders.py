"""Orders from bad data: every row ends in one place, and nothing refused is repeated."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from golden.shop import (
    CNY,
    LINES,
    PERSONAL,
    SOURCE,
    discreet,
    left_out,
    policy,
    refused,
    table,
)

import crmcore as crm
from crmcore.money import Rate
from crmcore.records.orders import OrderTable

DAY = "2025-01-01"
FIRST: dict[str, Any] = {
    "order_id": 1,
    "customer_id": "C1",
    "placed_at": DAY,
    "amount": "1.00",
    "status": "paid",
    "quantity": 1,
    "status_at": DAY,
    "known_at": DAY,
    "returns_order_id": None,
    "line_id": 1,
    "version": 1,
}
NAN, INF = float("nan"), float("inf")
NOTHING = (None, NAN, "")


def one_bad(column: str, value: object) -> OrderTable:
    """Two orders; the second has that value in that column, worth 2.50."""
    given = {"amount": ["1.00", "2.50"], column: [FIRST[column], value]}
    return table(**given)


# One bad value


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("order_id", "missing_order_id"),
        ("placed_at", "missing_time"),
        ("known_at", "missing_time"),
        ("amount", "missing_amount"),
        ("status", "missing_status"),
    ],
)
def test_a_row_without_what_it_needs_is_set_aside(column: str, reason: str, value: object) -> None:
    intake = one_bad(column, value).intake
    assert left_out(intake) == {("quarantined", reason): 1}
    (entry,) = intake.left_out
    assert entry.positions == (1,)
    money = 0 if column == "amount" else 250
    assert (entry.amount_minor, entry.unreadable) == (money, int(column == "amount"))
    month = "unknown" if column == "placed_at" else "2025-01"
    assert entry.by_month == {month: (1, money)}


@pytest.mark.parametrize("value", NOTHING)
@pytest.mark.parametrize(
    "column", ["quantity", "status_at", "returns_order_id", "line_id", "version", "customer_id"]
)
def test_what_may_be_left_out_may_be_left_out(column: str, value: object) -> None:
    intake = one_bad(column, value).intake
    assert left_out(intake) == {}
    assert intake.notices.get("anonymous", 0) == int(column == "customer_id")


@pytest.mark.parametrize("value", [INF, -INF, True])
@pytest.mark.parametrize(
    ("column", "reasons"),
    [
        ("order_id", {"bad_id"}),
        ("customer_id", {"bad_id"}),
        ("returns_order_id", {"bad_id"}),
        ("line_id", {"bad_id"}),
        ("placed_at", {"unreadable_time"}),
        ("status_at", {"unreadable_time"}),
        ("known_at", {"unreadable_time"}),
        ("amount", {"not_finite", "unreadable_amount"}),
        ("status", {"unknown_status"}),
        ("quantity", {"unreadable_quantity"}),
    ],
)
def test_infinity_and_truth_values_are_set_aside(
    column: str, reasons: set[str], value: object
) -> None:
    found = left_out(one_bad(column, value).intake)
    assert [(kind, reason in reasons) for kind, reason in found] == [("quarantined", True)]
    assert sum(found.values()) == 1


@pytest.mark.parametrize("column", [name for name in FIRST if name != "version"])
def test_pandas_nat_is_missing_in_every_column(column: str) -> None:
    pandas = pytest.importorskip("pandas")
    with_nat, with_none = (one_bad(column, value).intake for value in (pandas.NaT, None))
    assert with_nat == with_none


@pytest.mark.parametrize("column", ["placed_at", "status_at", "known_at"])
def test_nat_in_a_column_of_times(column: str) -> None:
    times = np.array(["2025-01-01", "NaT"], "M8[us]")
    intake = table(**{column: times}).intake
    missing = {} if column == "status_at" else {("quarantined", "missing_time"): 1}
    assert left_out(intake) == missing


@pytest.mark.parametrize("version", [INF, -INF, NAN, None])
def test_a_repeated_order_whose_version_cannot_be_read_is_set_aside(version: float | None) -> None:
    # Nothing tells which of the two is newer: neither an infinite version nor the whole
    # table's refusal is an answer.
    intake = table(order_id=[1, 1, 2], version=[1.0, version, 1.0]).intake
    kinds = {kind for kind, _ in left_out(intake)}
    assert kinds == {"quarantined"}
    assert intake.kept >= 1


# Ids


@pytest.mark.parametrize("column", ["customer_id", "returns_order_id"])
def test_whole_numbers_with_gaps_are_read_without_a_warning(column: str) -> None:
    # What pandas makes of an integer column with missing values.
    given = np.array([7.0, np.nan, 7.0])
    orders = table(**{column: given, "amount": ["1.00", "1.00", "-1.00"]})
    assert orders.intake.kept + orders.intake.quarantined == 3
    if column == "customer_id":
        assert orders.customer_ids.tolist() == [7]
        assert orders.intake.notices["anonymous"] == 1


def test_whole_floats_are_whole_numbers_and_fractions_no_ids() -> None:
    orders = table(customer_id=[1.0, 2.5, -3.0, 2.0**60])
    assert orders.customer_ids.tolist() == [-3, 1]
    assert left_out(orders.intake) == {("quarantined", "bad_id"): 2}


def test_whole_floats_beside_text_are_whole_numbers_too() -> None:
    orders = table(customer_id=[1.0, "a", 1])
    assert orders.customer.tolist() == [0, 1, 0]
    assert orders.customer_ids.tolist() == [1, "a"]


def test_truth_values_are_no_ids() -> None:
    for column in ("customer_id", "order_id"):
        for given in ([True, False], np.array([True, False])):
            assert left_out(table(**{column: given}).intake) == {("quarantined", "bad_id"): 2}


def test_times_are_no_ids() -> None:
    for column in ("customer_id", "order_id"):
        given = [datetime(2025, 1, 1), datetime(2025, 1, 2)]
        assert left_out(table(**{column: given}).intake) == {("quarantined", "bad_id"): 2}


def test_ids_that_differ_in_kind_or_case_are_different() -> None:
    uuid = UUID(int=1)
    given = ["a", "A", 1, "1", uuid, str(uuid), " a", "a ", "á", "a\u0301"]
    orders = table(customer_id=given)
    assert len(orders.customer_ids) == len(given)
    expected = [1, *sorted(one for one in given if isinstance(one, str)), uuid]
    assert orders.customer_ids.tolist() == expected


def test_order_ids_of_different_kinds_are_no_duplicates() -> None:
    orders = table(order_id=[1, "1", UUID(int=1)], amount=["1.00", "2.00", "3.00"])
    assert left_out(orders.intake) == {}


def test_whole_numbers_and_text_never_match() -> None:
    orders = table(customer_id=np.array([1, 2]))
    customers = crm.CustomerTable.from_arrays({"customer_id": ["1", "2"], "blocked": [True, True]})
    result = crm.evaluate(crm.presets.load("classic"), orders, customers, as_of=date(2025, 2, 1))
    assert result.ids.tolist() == [1, 2, "1", "2"]
    assert result.columns["blocked"].to_list() == [False, False, True, True]
    assert "ids_of_different_kinds" in {finding.code for finding in result.findings}


def test_a_link_of_another_kind_finds_nothing() -> None:
    orders = table(
        order_id=[1, 2], amount=["5.00", "-1.00"], returns_order_id=np.array([None, "1"], object)
    )
    assert orders.sale_of.tolist() == [-1]
    assert orders.intake.notices["return_link_not_found"] == 1


def test_the_largest_whole_numbers_are_ids() -> None:
    largest = [2**63 - 1, -(2**63), 0]
    orders = table(customer_id=np.array(largest), order_id=np.array(largest))
    assert orders.customer_ids.tolist() == sorted(largest)
    result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 2, 1))
    assert result[2**63 - 1]["sale_count"] == result[-(2**63)]["sale_count"] == 1


def test_larger_whole_numbers_are_refused_as_a_whole() -> None:
    with refused(column="customer_id"):
        table(customer_id=[1, 2**63])
    with refused(column="order_id"):
        table(order_id=np.array([1, 2**63], np.uint64))


def test_larger_whole_numbers_are_refused_in_any_company() -> None:
    for given in ([1, 2**63], [2**63, None], [2**63, "a"], [2**63, UUID(int=1)]):
        with refused(column="customer_id"):
            table(customer_id=given)


def test_very_long_and_strange_text_is_an_id() -> None:
    given = ["x" * 100_000, "\x00", "\U0001f600", "nan", "None", "NaN", "-1"]
    orders = table(customer_id=given)
    assert orders.customer_ids.tolist() == sorted(given)


# Coded columns


def test_coded_columns_say_the_same_as_lists() -> None:
    codes = np.array([0, 1, -1, 2], np.int8)
    coded = table(
        customer_id=crm.Coded(codes, ["b", "a", ""]),
        status=crm.Coded(np.array([1, 1, 0, 0], np.uint8), ["cancelled", "paid"]),
        channel=crm.Coded(np.array([0, 0, 0, -1], np.int16), ["web"]),
    )
    plain = table(
        customer_id=["b", "a", None, None],
        status=["paid", "paid", "cancelled", "cancelled"],
        channel=["web", "web", "web", None],
    )
    assert coded.customer_ids.tolist() == plain.customer_ids.tolist() == ["a", "b"]
    assert coded.customer.tolist() == plain.customer.tolist() == [1, 0, 2, 2]
    assert coded.status.tolist() == plain.status.tolist()
    assert coded.intake == plain.intake


def test_coded_ids_of_several_kinds_with_repeated_categories() -> None:
    orders = table(customer_id=crm.Coded(np.array([0, 1, 2, 3]), [1, "1", 1, True]))
    assert orders.customer_ids.tolist() == [1, "1"]
    assert left_out(orders.intake) == {("quarantined", "bad_id"): 1}
    assert np.bincount(orders.customer).tolist() == [2, 1]


def test_categories_that_no_row_has_make_no_customer() -> None:
    orders = table(customer_id=crm.Coded(np.array([1]), ["never", "C1"]))
    assert orders.customer_ids.tolist() == ["C1"]


def test_codes_outside_their_categories_are_refused() -> None:
    for codes in ([0, 2], [0, -2]):
        with refused(column="customer_id"):
            table(customer_id=crm.Coded(np.array(codes), ["Zhang Wei", "b"]))


# Amounts


def test_zero_is_an_order_and_negative_a_return() -> None:
    orders = table(amount=["0.00", "-0.00", "-3.00", "2.00"])
    assert left_out(orders.intake) == {}
    assert orders.intake.notices == {"zero_amount": 2}
    assert orders.return_rows.tolist() == [2]
    assert orders.amount_minor.tolist() == [0, 0, -300, 200]


@pytest.mark.parametrize("amount", [-0.0, Decimal("-0"), 0])
def test_minus_zero_is_zero(amount: object) -> None:
    orders = table(amount=[amount])
    assert orders.return_rows.tolist() == []
    assert orders.intake.notices == {"zero_amount": 1}


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("8173.555", "amount_not_exact"),
        ("8,173.55", "unreadable_amount"),
        ("8173.55 CNY", "unreadable_amount"),
        ("1e3", "unreadable_amount"),
        ("٣", "unreadable_amount"),
        (" 5", "unreadable_amount"),
        ("1/2", "unreadable_amount"),
        ("99999999999999999999", "amount_too_large"),
        ("Infinity", "unreadable_amount"),
    ],
)
def test_text_that_is_no_amount_is_set_aside(amount: str, reason: str) -> None:
    orders = table(amount=["1.00", amount])
    assert left_out(orders.intake) == {("quarantined", reason): 1}
    assert orders.amount_minor.tolist() == [100]


def test_amounts_at_the_limit_of_64_bits() -> None:
    limit = 2**63 - 1
    orders = table(amount=[Decimal(limit) / 100, Decimal(limit + 1) / 100, Decimal(-limit) / 100])
    assert orders.amount_minor.tolist() == [limit, -limit]
    assert left_out(orders.intake) == {("quarantined", "amount_too_large"): 1}


def test_a_return_that_brings_money_in_is_set_aside() -> None:
    orders = table(amount=["5.00", "5.00", "0.00", "-5.00"], returns_order_id=[None, 1, 1, 1])
    assert left_out(orders.intake) == {("quarantined", "positive_return"): 2}
    assert orders.intake.left_out[0].positions == (1, 2)
    assert orders.intake.left_out[0].amount_minor == 500
    assert "zero_amount" not in orders.intake.notices


# Currencies


def test_other_currencies_are_set_aside_or_converted() -> None:
    given = {
        "amount": ["1.00", "1.00", "1.00", "1.00"],
        "currency": ["CNY", "USD", "EUR", None],
    }
    assert left_out(table(**given).intake) == {("quarantined", "other_currency"): 3}
    rates = crm.Rates({"USD": Rate(exponent=2, since=[(date(2025, 1, 1), "7.1")])})
    columns = {"order_id": [1, 2, 3, 4], "customer_id": ["C1"] * 4, "placed_at": [DAY] * 4, **given}
    orders = OrderTable.from_arrays(columns, SOURCE, rates=rates)
    assert orders.amount_minor.tolist() == [100, 710]
    assert left_out(orders.intake) == {("quarantined", "other_currency"): 2}
    assert orders.intake.notices["converted_currency"] == 1


def test_the_same_order_in_two_currencies_contradicts_itself() -> None:
    rates = crm.Rates({"USD": Rate(exponent=2, since=[(date(2020, 1, 1), "7")])})
    columns = {
        "order_id": [1, 1],
        "customer_id": ["C1"] * 2,
        "placed_at": [DAY] * 2,
        "amount": ["7.00", "1.00"],
        "currency": ["CNY", "USD"],
    }
    intake = OrderTable.from_arrays(columns, SOURCE, rates=rates).intake
    assert left_out(intake) == {("quarantined", "conflicting_duplicate"): 2}


def test_orders_in_another_currency_than_the_policy_are_refused() -> None:
    dollars = crm.Source(currency={"code": "USD", "exponent": 2}, zone="UTC")
    with refused(column="currency"):
        crm.evaluate(crm.presets.load("classic"), table(dollars), as_of=date(2025, 2, 1))


# Times


def test_the_first_and_the_last_instant_there_is() -> None:
    utc = crm.Source(currency=CNY, zone="UTC")
    times = [
        "1677-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "1676-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
    ]
    orders = table(utc, placed_at=times)
    assert left_out(orders.intake) == {("quarantined", "time_out_of_range"): 2}
    assert orders.intake.left_out[0].positions == (2, 3)
    for day in (date(1677, 1, 1), date(2025, 1, 1), date(9999, 12, 31)):
        counted = 1 + (day.year == 9999)
        ever = policy({"orders_ever": {"of": "order", "take": "count"}})
        assert crm.evaluate(ever, orders, as_of=day)["C1"]["orders_ever"] == counted


@pytest.mark.parametrize("unit", ["us", "ns", "s", "D", "Y"])
def test_far_years_in_any_unit(unit: str) -> None:
    given = np.array(["2025-01-01", "1677-01-01" if unit != "ns" else "1980-01-01"], f"M8[{unit}]")
    assert left_out(table(placed_at=given).intake) in (
        {},
        # Midnight of 1 January 1677 in Shanghai is still 1676 in UTC.
        {("quarantined", "time_out_of_range"): 1},
    )


@pytest.mark.parametrize(
    "text", ["2025-02-30", "2025-13-01", "01/02/2025", "2025-1-1", "yesterday", "20250101", "2025"]
)
def test_text_that_is_no_time_is_set_aside(text: str) -> None:
    intake = table(placed_at=[DAY, text]).intake
    assert left_out(intake) == {("quarantined", "unreadable_time"): 1}
    assert intake.left_out[0].by_month == {"unknown": (1, 100)}


def test_naive_times_need_a_zone_and_aware_ones_do_not() -> None:
    without = crm.Source(currency=CNY)
    for naive in ([DAY], [datetime(1987, 4, 23)], [date(1987, 4, 23)], np.array([DAY], "M8[s]")):
        with refused(column="placed_at"):
            table(without, placed_at=naive)
    aware = table(without, placed_at=["2025-01-01T00:00:00+08:00"])
    assert aware.placed_us.tolist() == table(placed_at=[DAY]).placed_us.tolist()


def test_aware_and_naive_datetimes_in_one_column_are_refused() -> None:
    with refused(column="placed_at"):
        table(placed_at=[datetime(1987, 4, 23), datetime(1987, 4, 23, tzinfo=UTC)])


def test_text_may_mix_times_with_and_without_an_offset() -> None:
    orders = table(placed_at=["2025-01-01T00:00:00", "2024-12-31T16:00:00Z", "2025-01-01T00:00+08"])
    assert len(set(orders.placed_us.tolist())) == 1


def test_times_as_numbers_need_a_unit() -> None:
    with refused(column="placed_at"):
        table(placed_at=[1_735_660_800])
    seconds = crm.Source(currency=CNY, zone="UTC", time_unit="s")
    orders = table(seconds, placed_at=[0, 253_402_300_799, 253_402_300_800, -9_300_000_000])
    assert left_out(orders.intake) == {("quarantined", "time_out_of_range"): 2}


def test_instants_of_any_offset_are_the_same() -> None:
    moment = datetime(2025, 1, 1, 12, tzinfo=UTC)
    given = [moment.astimezone(timezone(timedelta(hours=hours))) for hours in (-12, 0, 14)]
    assert len(set(table(placed_at=given).placed_us.tolist())) == 1


# Duplicates and versions


def test_a_repeated_order_counts_once() -> None:
    orders = table(order_id=[1, 2, 1, 1], amount=["5.00", "1.00", "5.00", "5"])
    assert left_out(orders.intake) == {("collapsed", "duplicate"): 2}
    assert sorted(orders.amount_minor.tolist()) == [100, 500]
    assert orders.intake.left_out[0].amount_minor == 1_000


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("amount", ["5.00", "5.01"]),
        ("customer_id", ["C1", "C2"]),
        ("customer_id", ["C1", None]),
        ("customer_id", [1, "1"]),
        ("placed_at", ["2025-01-01", "2025-01-02"]),
        ("status", ["paid", "shipped"]),
        ("quantity", [1, None]),
        ("quantity", [0, None]),
        ("product_id", ["P1", "P2"]),
        ("channel", ["web", None]),
        ("promotion", ["a", "A"]),
        ("status_at", [DAY, None]),
    ],
)
def test_an_order_that_contradicts_itself_is_set_aside(column: str, values: list[object]) -> None:
    orders = table(**{"order_id": [1, 1, 2], column: [*values, values[0]]})
    assert left_out(orders.intake) == {("quarantined", "conflicting_duplicate"): 2}
    assert orders.intake.left_out[0].positions == (0, 1)
    assert len(orders) == 1


def test_no_row_of_a_contradiction_is_kept_however_many_agree() -> None:
    orders = table(order_id=[1, 1, 1, 2], amount=["1.00", "1.00", "9.00", "1.00"])
    assert left_out(orders.intake) == {("quarantined", "conflicting_duplicate"): 3}


def test_the_same_instant_written_differently_is_no_contradiction() -> None:
    orders = table(
        order_id=[1, 1],
        placed_at=["2025-01-01T00:00:00+08:00", "2024-12-31T16:00:00Z"],
        amount=["1", "1.00"],
    )
    assert left_out(orders.intake) == {("collapsed", "duplicate"): 1}


def test_the_higher_version_wins_whatever_the_order() -> None:
    for turn in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        versions, amounts = [1, 3, 2], ["1.00", "3.00", "2.00"]
        orders = table(
            order_id=[7] * 3,
            version=[versions[i] for i in turn],
            amount=[amounts[i] for i in turn],
        )
        assert orders.amount_minor.tolist() == [300]
        assert left_out(orders.intake) == {("collapsed", "superseded"): 2}


def test_equal_versions_contradict_or_repeat_each_other() -> None:
    orders = table(
        order_id=[1, 1, 1, 2, 2, 2],
        version=[1, 2, 2, 1, 2, 2],
        amount=["1.00", "2.00", "3.00", "1.00", "2.00", "2.00"],
    )
    assert left_out(orders.intake) == {
        ("quarantined", "conflicting_duplicate"): 3,
        ("collapsed", "duplicate"): 1,
        ("collapsed", "superseded"): 1,
    }
    assert orders.amount_minor.tolist() == [200]


def test_a_contradiction_among_older_versions_does_not_matter() -> None:
    orders = table(order_id=[1, 1, 1], version=[1, 1, 2], amount=["1.00", "2.00", "3.00"])
    assert orders.amount_minor.tolist() == [300]
    assert sum(left_out(orders.intake).values()) == 2


def test_versions_may_be_times() -> None:
    orders = table(
        order_id=[1, 1],
        version=[datetime(2025, 1, 2), datetime(2025, 1, 1)],
        amount=["2.00", "1.00"],
    )
    assert orders.amount_minor.tolist() == [200]


def test_versions_must_have_an_order() -> None:
    with refused(column="version"):
        table(order_id=[1, 1], version=["v10", "v9"])


def test_without_order_ids_nothing_is_a_duplicate() -> None:
    columns = {"customer_id": ["C1"] * 2, "placed_at": [DAY] * 2, "amount": ["1.00"] * 2}
    orders = OrderTable.from_arrays(columns, SOURCE)
    assert left_out(orders.intake) == {}
    assert orders.intake.notices == {"no_order_id": 2}


# Lines


def lines(**columns: Any) -> OrderTable:
    return table(LINES, **columns)


def test_a_folded_order_may_be_worth_more_than_any_line() -> None:
    assert lines(order_id=["A", "A"], line_id=[1, 2], amount=["20.00", "30.00"]).bound == 50_00


def test_lines_fold_into_their_order_at_its_earliest_instant() -> None:
    orders = lines(
        order_id=["A", "B", "A", "A"],
        line_id=[1, 1, 2, 3],
        placed_at=["2025-01-03", "2025-01-05", "2025-01-02", "2025-01-04"],
        amount=["1.00", "9.00", "2.00", "-0.50"],
        quantity=[1, 1, None, 4],
    )
    assert left_out(orders.intake) == {}
    at = table(placed_at=["2025-01-02", "2025-01-05"]).placed_us
    found = zip(orders.amount_minor, orders.placed_us, orders.quantity, strict=True)
    assert sorted(found) == [(250, at[0], 5), (900, at[1], 1)]


def test_identical_lines_without_line_ids_stay() -> None:
    orders = lines(order_id=["A", "A"], amount=["1.00", "1.00"])
    assert orders.amount_minor.tolist() == [200]
    assert orders.intake.notices == {"no_line_id": 2}
    assert left_out(orders.intake) == {}


def test_lines_with_ids_collapse_or_contradict_each_other() -> None:
    orders = lines(
        order_id=["A", "A", "A", "B", "B"],
        line_id=[1, 1, 2, 1, 1],
        amount=["1.00", "1.00", "1.00", "5.00", "6.00"],
    )
    assert orders.amount_minor.tolist() == [200]
    assert left_out(orders.intake) == {
        ("collapsed", "duplicate"): 1,
        ("quarantined", "conflicting_duplicate"): 2,
    }


def test_a_line_without_an_id_is_like_no_other() -> None:
    orders = lines(order_id=["A"] * 3, line_id=[1, None, None])
    assert orders.amount_minor.tolist() == [300]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("customer_id", ["C1", "C2"]),
        ("customer_id", ["C1", None]),
        ("customer_id", [1, "1"]),
        ("status", ["paid", "cancelled"]),
        ("channel", ["web", "app"]),
        ("promotion", ["spring", None]),
    ],
)
def test_an_order_whose_lines_disagree_is_set_aside(column: str, values: list[object]) -> None:
    orders = lines(
        **{"order_id": ["A", "A", "B"], "line_id": [1, 2, 1], column: [*values, values[0]]}
    )
    assert left_out(orders.intake) == {("quarantined", "conflicting_order"): 2}
    assert orders.intake.left_out[0].positions == (0, 1)


def test_lines_that_return_different_unknown_orders_are_two_returns() -> None:
    orders = lines(
        order_id=["A", "R", "R"],
        line_id=[1, 1, 2],
        amount=["9.00", "-1.00", "-2.00"],
        returns_order_id=[None, "X", "Y"],
    )
    counted = policy({"returned": {"of": "return", "take": "count"}})
    assert crm.evaluate(counted, orders, as_of=date(2025, 2, 1))["C1"]["returned"] == 2


def test_lines_of_an_order_beyond_64_bits_are_refused() -> None:
    largest = 2**63 - 1
    with refused(column="amount"):
        lines(order_id=["A", "A"], line_id=[1, 2], amount_minor=[largest, 1])
    with refused(column="amount"):
        lines(order_id=["A", "A"], line_id=[1, 2], amount_minor=[largest, -1])
    fits = lines(order_id=["A", "A"], line_id=[1, 2], amount_minor=[largest - 1, 1])
    assert fits.amount_minor.tolist() == [largest]


def test_quantities_of_an_order_never_wrap_around() -> None:
    with refused():
        orders = lines(order_id=["A", "A"], line_id=[1, 2], quantity=[2**63 - 1] * 2)
        counted = policy({"items": {"of": "order", "take": "sum", "field": "quantity"}})
        crm.evaluate(counted, orders, as_of=date(2025, 2, 1))


# The table as a whole


def test_empty_tables_are_tables() -> None:
    names = ("order_id", "customer_id", "placed_at", "amount", "status", "known_at", "version")
    for source in (SOURCE, LINES):
        orders = OrderTable.from_rows([], source, columns=names)
        assert len(orders) == orders.intake.rows == orders.intake.kept == 0
        assert orders.intake.left_out == ()
        result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 1, 1))
        assert len(result) == 0
        assert all(len(column) == 0 for column in result.columns.values())
    typed = {
        "customer_id": np.empty(0, np.int64),
        "placed_at": np.empty(0, "M8[us]"),
        "amount": np.empty(0, np.float64),
    }
    assert len(OrderTable.from_arrays(typed, SOURCE)) == 0


@pytest.mark.parametrize("name", ["customer_id", "placed_at", "amount"])
def test_missing_columns_are_named(name: str) -> None:
    columns = {"customer_id": ["C1"], "placed_at": [DAY], "amount": ["1.00"]}
    del columns[name]
    with refused(column=name):
        OrderTable.from_arrays(columns, SOURCE)


@pytest.mark.parametrize("name", ["order_id", "amount", "status", "note"])
def test_columns_of_different_length_are_refused(name: str) -> None:
    with refused():
        columns = {"customer_id": ["C1", "C2"], "placed_at": [DAY, DAY], "amount": ["1.00", "1"]}
        OrderTable.from_arrays({**columns, name: ["1", "2", "8173.55"]}, SOURCE)


def test_unknown_columns_are_listed() -> None:
    orders = table(e_mail=["zhang.wei@example.org"], note=["Zhang Wei"])
    assert orders.intake.unused == ("e_mail", "note")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("placed_at", [True]),
        ("placed_at", [Decimal("8173.55")]),
        ("amount", [True]),
        ("amount", [datetime(1987, 4, 23)]),
        ("amount", [b"8173.55"]),
        ("amount", [["8173.55"]]),
        ("amount", [{"Zhang Wei": 1}]),
        ("customer_id", [("Zhang Wei",)]),
        ("customer_id", [object()]),
        ("customer_id", np.array([["Zhang Wei"]])),
        ("customer_id", "Zhang Wei"),
        ("quantity", [datetime(1987, 4, 23)]),
        ("status", [datetime(1987, 4, 23)]),
        ("amount", np.array([1 + 2j])),
    ],
)
def test_columns_of_the_wrong_type_are_refused(column: str, values: Any) -> None:
    columns: dict[str, Any] = {"customer_id": ["C1"], "placed_at": [DAY], "amount": ["1.00"]}
    with refused(column=column):
        OrderTable.from_arrays({**columns, column: values}, SOURCE)


def test_rows_that_do_not_fit_are_refused_with_their_positions() -> None:
    names = ("customer_id", "placed_at", "amount")
    good = ("C1", DAY, "1.00")
    with refused() as caught:
        OrderTable.from_rows([good, ("Zhang Wei", DAY), good], SOURCE, columns=names)
    assert caught.value.positions == (1,)
    with refused(column="amount") as caught:
        OrderTable.from_rows(
            [dict(zip(names, good, strict=True)), {"customer_id": "Zhang Wei", "placed_at": DAY}],
            SOURCE,
        )
    assert caught.value.positions == (1,)
    with refused():
        OrderTable.from_rows([good], SOURCE)


def test_rows_of_a_generator_are_read_once() -> None:
    names = ("customer_id", "placed_at", "amount")
    orders = OrderTable.from_rows((("C1", DAY, "1.00") for _ in range(3)), SOURCE, columns=names)
    assert len(orders) == 3


def test_every_row_ends_in_one_place_with_its_money() -> None:
    orders = table(
        order_id=[1, None, 2, 3, 3, 4, 4, 5, 6, 7, True],
        customer_id=["C1", "C1", 2.5, "C1", "C1", "C1", "C1", None, "C1", "C1", "C1"],
        placed_at=[DAY, DAY, DAY, DAY, DAY, DAY, DAY, DAY, "2025-03-01", None, DAY],
        amount=["1", "2", "4", "8", "9", "16", "16", "32", "x", "64", "128"],
    )
    assert left_out(orders.intake) == {
        ("quarantined", "missing_time"): 1,
        ("quarantined", "unreadable_amount"): 1,
        ("quarantined", "missing_order_id"): 1,
        ("quarantined", "bad_id"): 2,
        ("quarantined", "conflicting_duplicate"): 2,
        ("collapsed", "duplicate"): 1,
    }
    money = {entry.reason: entry.amount_minor for entry in orders.intake.left_out}
    assert money == {
        "missing_time": 6_400,
        "unreadable_amount": 0,
        "missing_order_id": 200,
        "bad_id": 13_200,
        "conflicting_duplicate": 1_700,
        "duplicate": 1_600,
    }
    months = {entry.reason: dict(entry.by_month) for entry in orders.intake.left_out}
    assert months["missing_time"] == {"unknown": (1, 6_400)}
    assert months["unreadable_amount"] == {"2025-03": (1, 0)}
    assert orders.intake.quarantined == 7
    assert orders.amount_minor.tolist() == [100, 1_600, 3_200]
    given = sum((1, 2, 4, 8, 9, 16, 16, 32, 64, 128)) * 100
    assert sum(money.values()) + int(orders.amount_minor.sum()) == given


def test_only_the_first_positions_are_kept() -> None:
    intake = table(amount=["x"] * 9).intake
    assert intake.left_out[0].positions == (0, 1, 2, 3, 4)


def test_months_are_those_of_the_shop() -> None:
    # 16:00 UTC on 31 January is 1 February in Shanghai.
    intake = table(placed_at=["2025-01-31T16:00:00Z", "2025-01-31T15:59:59Z"], amount=["x", "x"])
    assert dict(intake.intake.left_out[0].by_month) == {"2025-01": (1, 0), "2025-02": (1, 0)}


def test_money_at_stake_may_exceed_64_bits() -> None:
    largest = 2**63 - 1
    intake = table(order_id=[None] * 3, amount_minor=[largest] * 3).intake
    assert intake.left_out[0].amount_minor == 3 * largest


def test_findings_carry_no_personal_data() -> None:
    orders = table(
        customer_id=["Zhang Wei", "zhang.wei@example.org"],
        amount=["8173.55", "n/a"],
        channel=["1987-04-23", "4711000"],
    )
    result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 2, 1))
    text = "\n".join(map(str, result.findings)) + repr(result.findings) + repr(orders.intake)
    assert not [one for one in PERSONAL if one in text]


# Totals


def totals(amounts: list[int], links: list[int | None] | None = None) -> Any:
    """The net sum and the orders' sum of one customer."""
    both = policy(
        {"net": {"of": "sale", "take": "sum"}, "mean": {"of": "sale", "take": "mean"}},
    )
    more = {"returns_order_id": np.array(links, object)} if links else {}
    orders = table(amount_minor=amounts, **more)
    return crm.evaluate(both, orders, as_of=date(2025, 2, 1))["C1"]["net"]


LIMIT = 2**63 - 1


@pytest.mark.parametrize(
    "amounts",
    [
        [LIMIT],
        [LIMIT - 1, 1],
        [2**62, 2**62 - 1],
        [LIMIT - 5, -5],
        [2**60] * 7 + [2**60 - 1],
        [LIMIT, 0],
    ],
)
def test_a_total_at_the_limit_passes_whatever_the_order_of_rows(amounts: list[int]) -> None:
    expected = Decimal(sum(amounts)).scaleb(-2)
    assert totals(amounts) == totals(amounts[::-1]) == expected


@pytest.mark.parametrize(
    "amounts",
    [
        [LIMIT, 1],
        [2**62, 2**62],
        [LIMIT, -1],
        [2**62, -(2**62)],
        [2**60] * 8,
        [1, LIMIT - 1, -1],
    ],
)
def test_a_total_beyond_the_limit_is_refused_whatever_the_order_of_rows(
    amounts: list[int],
) -> None:
    for given in (amounts, amounts[::-1], amounts[1:] + amounts[:1]):
        with refused():
            totals(given)


def test_totals_of_different_customers_do_not_add_up() -> None:
    both = policy({"net": {"of": "sale", "take": "sum"}})
    orders = table(customer_id=["A", "B"], amount_minor=[LIMIT, LIMIT])
    result = crm.evaluate(both, orders, as_of=date(2025, 2, 1))
    assert result["A"]["net"] == result["B"]["net"] == Decimal(LIMIT).scaleb(-2)


def test_a_sale_and_its_returns_count_once_each() -> None:
    # 2**62 + 1 + 1 is far from the limit, however many returns name the one sale.
    assert totals([2**62, -1, -1], [None, 1, 1]) == Decimal(2**62 - 2).scaleb(-2)


def test_linked_returns_count_toward_the_limit() -> None:
    # Four sales of 2**61, each returned in full: what is left is 0, the sum of absolute amounts
    # is 2**64.
    with refused():
        totals([2**61, -(2**61)] * 4, [None, 1, None, 3, None, 5, None, 7])


def test_rows_that_enter_no_sum_do_not_overflow() -> None:
    orders = table(
        amount_minor=[LIMIT, LIMIT, 100],
        status=["cancelled", "cancelled", "paid"],
        placed_at=[DAY, DAY, DAY],
    )
    net = policy({"net": {"of": "sale", "take": "sum"}})
    assert crm.evaluate(net, orders, as_of=date(2025, 2, 1))["C1"]["net"] == Decimal("1.00")
    later = table(amount_minor=[LIMIT, 1], placed_at=["2025-01-01", "2025-03-01"])
    result = crm.evaluate(net, later, as_of=date(2025, 2, 1))
    assert result["C1"]["net"] == Decimal(LIMIT).scaleb(-2)


@pytest.mark.parametrize(
    "changes",
    [
        {"customer_id": [None, None, "C1"], "placed_at": ["2025-01-15"] * 3},
        {"status": ["cancelled", "paid", "paid"], "placed_at": ["2025-01-15"] * 3},
        {"placed_at": ["2020-01-01", "2020-01-01", "2025-01-15"]},
        {"customer_id": ["C2", "C2", "C1"], "placed_at": ["2020-01-01"] * 2 + ["2025-01-15"]},
    ],
)
def test_returns_of_orders_that_enter_no_sum_do_not_overflow(changes: dict[str, Any]) -> None:
    orders = table(
        **{
            "amount_minor": [LIMIT, -1, 100],
            "returns_order_id": np.array([None, 1, None], object),
            **changes,
        }
    )
    net = policy({"net": {"of": "sale", "take": "sum", "in": "w"}}, {"w": "1 month"})
    assert crm.evaluate(net, orders, as_of=date(2025, 2, 1))["C1"]["net"] == Decimal("1.00")


# Models


def order(**values: Any) -> crm.Order:
    usual = {"order_id": 1, "customer_id": "C1", "placed_at": datetime(2025, 1, 1, tzinfo=UTC)}
    return crm.Order(**{**usual, **values})


def of_models(*orders: crm.Order) -> OrderTable:
    return OrderTable.from_models(orders, currency=crm.presets.load("classic").currency)


def test_models_make_the_same_table() -> None:
    made = of_models(
        order(amount=Decimal("5.00"), status="paid"),
        order(order_id=2, amount=Decimal("-1.00"), returns_order_id=1),
    )
    assert made.amount_minor.tolist() == [500, -100]
    assert made.sale_of.tolist() == [0]


def test_an_order_of_lines_is_worth_their_sum() -> None:
    one = crm.OrderLine(amount=Decimal("1.00"), quantity=2)
    assert of_models(order(lines=(one, one))).amount_minor.tolist() == [200]
    said_twice = order(amount=Decimal("2.00"), lines=(one, one))
    assert of_models(said_twice).amount_minor.tolist() == [200]
    with pytest.raises(ValueError, match="not the sum of the lines"):
        order(amount=Decimal("7.50"), lines=(one, one))


def test_an_order_with_line_ids_given_twice_counts_once() -> None:
    one = crm.OrderLine(amount=Decimal("1.00"), line_id=1)
    other = crm.OrderLine(amount=Decimal("1.00"), line_id=2)
    given = order(lines=(one, other))
    assert of_models(given, given).amount_minor.tolist() == [200]
    assert "no_line_id" not in of_models(given).intake.notices


def test_an_order_needs_an_amount_or_lines() -> None:
    with pytest.raises(ValueError, match="needs an amount"):
        order()


def test_models_that_state_no_quantity_have_sold_none() -> None:
    # As in a table where others state theirs: the sum of no quantities is 0.
    among_others = table(customer_id=["C1", "C2"], quantity=[None, 3])
    alone = of_models(order(amount=Decimal("1.00")))
    items = policy({"items": {"of": "order", "take": "sum", "field": "quantity"}})
    expected = crm.evaluate(items, among_others, as_of=date(2025, 2, 1))["C1"]
    assert crm.evaluate(items, alone, as_of=date(2025, 2, 1))["C1"] == expected == {"items": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer_id": ["Zhang Wei"]},
        {"amount": "8173.55 Zhang Wei"},
        {"placed_at": "1987-04-23"},
        {"order_id": 8173.55},
        {"e_mail": "zhang.wei@example.org"},
        {"lines": ({"amount": "Zhang Wei"},)},
    ],
)
def test_models_refuse_without_repeating_what_was_given(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:
        order(**wrong)
    discreet(caught.value)


def test_no_models_make_an_empty_table() -> None:
    assert len(of_models()) == 0


# How far amounts and times reach


def test_a_table_knows_its_greatest_amount_and_its_last_row() -> None:
    days = ["2025-01-01", "2025-01-03", "2025-01-02"]
    orders = table(amount=["12.50", "-300.00", "0"], placed_at=days)
    assert (orders.bound, orders.latest_us) == (300_00, orders.placed_us[1])
    without = orders.take(np.array([0, 2]))
    assert without.bound >= 12_50
    assert without.latest_us >= orders.placed_us[2]


def test_rows_left_out_do_not_count_for_it() -> None:
    amounts = ["1.00", "900.00", "n/a", "5.00", "70.00"]
    days = ["2025-01-01", None, "2025-03-01", "2025-02-01", "2025-04-01"]
    orders = table(order_id=[1, 2, 3, 4, 4], amount=amounts, placed_at=days)
    assert len(orders) == 1
    assert (orders.bound, orders.latest_us) == (1_00, orders.placed_us[0])
