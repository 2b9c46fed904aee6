"""The sample shop: reproducible, and rich enough to show everything."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from datetime import date, timedelta

import numpy as np
import pytest
from dateutil.relativedelta import relativedelta

from crmcore.sample import RawColumn, SampleShop, sample_shop

SALE_STATUSES = {"paid", "shipped", "delivered"}
CLASSES = {
    "non_ordering",
    "malicious",
    "new",
    "no_order",
    "no_sale",
    "platinum",
    "gold",
    "silver",
    "bronze",
}


@pytest.fixture(scope="module")
def shop() -> SampleShop:
    return sample_shop()


def as_list(column: RawColumn) -> list[object]:
    return column if isinstance(column, list) else column.tolist()


def rows_of(columns: dict[str, RawColumn]) -> list[dict[str, object]]:
    lists = [as_list(column) for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)]


def good_orders(shop: SampleShop) -> list[dict[str, object]]:
    """Identified orders and returns, duplicates collapsed, bad rows left out."""
    by_id = defaultdict(set)
    for row in rows_of(shop.orders):
        by_id[row["order_id"]].add(tuple(row.items()))
    rows = [dict(next(iter(same))) for same in by_id.values() if len(same) == 1]
    return [row for row in rows if row["placed_at"] and row["customer_id"]]


def local_day(row: dict[str, object]) -> date:
    return (row["placed_at"] + timedelta(hours=8)).date()


def points(value: int, edges: tuple[int, ...]) -> int:
    return 1 + sum(value >= edge for edge in edges)


def grade(sales: list[tuple[date, int]], net: int, as_of: date) -> str:
    last = max(day for day, _ in sales)
    recency = 1 + sum(last >= as_of - relativedelta(months=m) for m in (1, 3, 4, 7))
    frequency = points(len(sales), (2, 3, 4, 6))
    monetary = points(net // len(sales), (300_00, 500_00, 1000_00, 2000_00))
    score = recency + 3 * frequency + 4 * monetary
    return ("bronze", "silver", "gold", "platinum")[points(score, (17, 26, 36)) - 1]


def classes(shop: SampleShop) -> dict[object, str]:
    """The classic classes, the slow and obvious way."""
    rows = good_orders(shop)
    start = shop.as_of - relativedelta(years=1)
    owner = {row["order_id"]: row["customer_id"] for row in rows if row["amount_minor"] >= 0}
    returned, orders, loose = Counter(), defaultdict(list), Counter()
    for row in rows:
        if row["amount_minor"] >= 0:
            orders[row["customer_id"]].append(row)
        elif row["status"] == "cancelled":
            continue
        elif owner.get(row["returns_order_id"]) == row["customer_id"]:
            returned[row["returns_order_id"]] += row["amount_minor"]
        elif local_day(row) >= start:
            loose[row["customer_id"]] += row["amount_minor"]
    found = {}
    for customer in rows_of(shop.customers):
        one = customer["customer_id"]
        recent = [row for row in orders[one] if local_day(row) >= start]
        left = [
            (local_day(row), row["amount_minor"] + returned[row["order_id"]])
            for row in recent
            if row["status"] in SALE_STATUSES
        ]
        sales = [(day, rest) for day, rest in left if rest > 0]
        if not orders[one]:
            found[one] = "non_ordering"
        elif customer["blocked"]:
            found[one] = "malicious"
        elif min(map(local_day, orders[one])) > shop.last_evaluated_at:
            found[one] = "new"
        elif not recent:
            found[one] = "no_order"
        elif not sales:
            found[one] = "no_sale"
        else:
            net = sum(rest for _, rest in left) + loose[one]
            found[one] = grade(sales, net, shop.as_of)
    return found


@pytest.mark.parametrize("seed", [7, 0, 2024])
def test_every_class_occurs(seed: int) -> None:
    count = Counter(classes(sample_shop(seed=seed)).values())
    assert set(count) == CLASSES
    assert min(count.values()) >= 3


def digest(columns: dict[str, RawColumn]) -> str:
    text = repr([(name, as_list(column)) for name, column in columns.items()])
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_default_shop_is_the_same_everywhere(shop: SampleShop) -> None:
    assert digest(shop.orders)[:16] == "3ea6bc0b9dba919b"
    assert digest(shop.customers)[:16] == "de98e5e6a8e3e2bf"


def test_a_seed_decides_the_shop() -> None:
    first, again, other = (sample_shop(200, seed) for seed in (1, 1, 2))
    assert digest(first.orders) == digest(again.orders)
    assert digest(first.orders) != digest(other.orders)


def test_size_and_columns(shop: SampleShop) -> None:
    assert {len(column) for column in shop.customers.values()} == {3000}
    (count,) = {len(column) for column in shop.orders.values()}
    assert 15_000 <= count <= 20_000
    assert shop.orders["placed_at"].dtype == np.dtype("datetime64[us]")
    assert shop.orders["amount_minor"].dtype == np.int64
    assert shop.customers["blocked"].dtype == np.bool_
    assert len(set(as_list(shop.customers["customer_id"]))) == 3000


def test_all_statuses_and_text_values_occur(shop: SampleShop) -> None:
    assert set(shop.orders["status"]) == {
        *SALE_STATUSES,
        "placed",
        "cancelled",
        "refused",
        "returned",
    }
    for name, distinct in {"channel": 4, "category": 6, "promotion": 6, "product_id": 48}.items():
        assert len(set(shop.orders[name])) == distinct, name


def test_nothing_lies_after_the_last_day_or_before_registration(shop: SampleShop) -> None:
    registered = dict(
        zip(shop.customers["customer_id"], as_list(shop.customers["registered_on"]), strict=True)
    )
    rows = good_orders(shop)
    assert max(map(local_day, rows)) == shop.as_of
    assert all(local_day(row) >= registered[row["customer_id"]] for row in rows)


def test_returns_follow_their_order_and_never_exceed_it(shop: SampleShop) -> None:
    rows = good_orders(shop)
    by_id = {row["order_id"]: row for row in rows}
    linked = [row for row in rows if row["returns_order_id"] in by_id]
    assert len(linked) > 300
    for row in linked:
        original = by_id[row["returns_order_id"]]
        assert row["customer_id"] == original["customer_id"]
        assert row["placed_at"] > original["placed_at"]
        assert -original["amount_minor"] <= row["amount_minor"] < 0
        assert -original["quantity"] <= row["quantity"] < 0
    partial = [
        r for r in linked if -r["amount_minor"] < by_id[r["returns_order_id"]]["amount_minor"]
    ]
    assert 0 < len(partial) < len(linked)
    assert any(row["status"] == "cancelled" for row in linked)


def test_blemishes(shop: SampleShop) -> None:
    rows = rows_of(shop.orders)
    ids = Counter(row["order_id"] for row in rows)
    repeated = [one for one, count in ids.items() if count > 1]
    different = [o for o in repeated if len({str(r) for r in rows if r["order_id"] == o}) > 1]
    assert (len(repeated), len(different)) == (6, 1)
    assert np.isnat(shop.orders["placed_at"]).sum() == 2
    named = Counter(row["returns_order_id"] for row in rows)
    assert sum(count for one, count in named.items() if one and one not in ids) == 2
    unlinked = [row for row in rows if row["amount_minor"] < 0 and not row["returns_order_id"]]
    assert len(unlinked) > 10
    assert 3 <= sum(row["amount_minor"] == 0 for row in rows) <= 30
    assert 0.005 < shop.orders["customer_id"].count(None) / len(rows) < 0.03
    assert 0 < np.isnat(shop.customers["birthday"]).sum() < 3000


def test_few_customers_bring_most_of_the_revenue(shop: SampleShop) -> None:
    spent = Counter()
    for row in good_orders(shop):
        spent[row["customer_id"]] += row["amount_minor"]
    best = [amount for _, amount in spent.most_common(len(spent) // 5)]
    assert 0.7 < sum(best) / sum(spent.values()) < 0.9


@pytest.mark.parametrize(("customers", "seed"), [(100, 0), (101, 1), (20_000, 3)])
def test_other_sizes(customers: int, seed: int) -> None:
    shop = sample_shop(customers, seed)
    assert len(shop.customers["customer_id"]) == customers
    assert len(set(shop.orders["customer_id"])) <= customers + 1


def test_too_few_customers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 100"):
        sample_shop(99)
