"""Random shops and policies for the differential tests: small, and full of edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

AS_OF_DAYS = (date(2024, 2, 29), date(2024, 3, 31), date(2025, 2, 28), date(2025, 6, 30))
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "America/St_Johns", "Pacific/Apia")
STATUSES = ("placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned")
WINDOWS: tuple[Any, ...] = (
    "1 year",
    "1 month",
    "90 days",
    {"tiles": "1 year"},
    {"tiles": "1 month"},
    {"calendar": "year"},
    {"calendar": "quarter", "back": 1},
    {"calendar": "month"},
)
CUSTOMERS: tuple[Any, ...] = (1, 2, 30, "1", "A", "a", "ab", UUID(int=1), UUID(int=7))
ORDERS = tuple(range(1, 13))
CHANNELS = ("web", "app", "shop")
PRODUCTS = ("P1", "P2", "P3")
AMOUNTS = (0, 1, 29_999, 30_000, 30_001, 50_000, 99_999, 100_000, 199_950, 200_000, 5_000_000)
GRADES = ("bronze", "silver", "gold", "platinum")
HOURS = (0, 1, 12, 15, 16, 20, 23)


@dataclass(frozen=True)
class Case:
    """One shop, one policy, one moment."""

    policy: Mapping[str, Any]
    rows: list[dict[str, Any]]
    columns: frozenset[str]
    by_line: bool
    customers: list[dict[str, Any]] | None
    as_of: date
    known_at: datetime | None
    last_evaluated_at: datetime | None


@st.composite
def instants(draw: st.DrawFn, as_of: date) -> datetime:
    """Instants near the edges of months and years before a day, and some after it."""
    months = draw(st.sampled_from((0, 0, 1, 1, 3, 4, 7, 12, 12, 13, 25, -1)))
    days = draw(st.sampled_from((-1, 0, 0, 1, 2, 5, 17)))
    hour = draw(st.sampled_from(HOURS))
    tick = draw(st.sampled_from((0, 0, 59_999_999, 1)))
    day = as_of - timedelta(days=round(months * 30.4375) - days)
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC) + timedelta(microseconds=tick)


@st.composite
def row_lists(
    draw: st.DrawFn, as_of: date, columns: frozenset[str], by_line: bool
) -> list[dict[str, Any]]:
    """Rows of a shop: orders, returns linked and not, repeats, contradictions, strangers."""
    rows = draw(st.lists(_rows(as_of, columns, by_line), max_size=22))
    for number in range(draw(st.sampled_from((0, 0, 0, 4, 7)))):
        # Somebody who buys often, and whose last amount makes the mean high or low.
        row: dict[str, Any] = dict.fromkeys(columns)
        row |= {"customer_id": 1, "placed_at": draw(instants(as_of)), "amount": 50_000}
        fixed = {"order_id": 100 + number, "status": "paid", "line_id": 1, "version": 1}
        fixed |= {"status_at": row["placed_at"], "known_at": row["placed_at"]}
        rows.append(row | {name: fixed[name] for name in fixed if name in columns})
        rows[-1]["amount"] = draw(st.sampled_from((50_000, 5_000_000)))
    for row in draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else ():
        rows.append(dict(row))
    return rows


@st.composite
def _rows(draw: st.DrawFn, as_of: date, columns: frozenset[str], by_line: bool) -> dict[str, Any]:
    negative = draw(st.integers(0, 3)) == 0
    amount = draw(st.sampled_from(AMOUNTS))
    row: dict[str, Any] = {
        "customer_id": draw(st.sampled_from((*CUSTOMERS[:3], 1, 1, 1, *CUSTOMERS, None))),
        "placed_at": draw(instants(as_of)),
        "amount": -amount if negative else amount,
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "order_id": st.sampled_from(ORDERS),
        "status": st.sampled_from((*STATUSES, *["paid", "delivered"] * 3)),
        "returns_order_id": st.sampled_from(ORDERS) if negative else st.none(),
        "quantity": st.sampled_from((None, 0, 1, 2, 7)),
        "product_id": st.sampled_from((None, *PRODUCTS)),
        "category": st.sampled_from((None, "toys", "books")),
        "channel": st.sampled_from((None, *CHANNELS)),
        "promotion": st.sampled_from((None, "spring")),
        "status_at": instants(as_of),
        "known_at": instants(as_of),
        "version": st.integers(1, 3),
        "line_id": st.sampled_from((1, 2, 3, None)),
    }
    for name, values in optional.items():
        if name in columns:
            row[name] = draw(values)
    if by_line and draw(st.booleans()):
        # Lines of one order mostly agree on what an order has only one of.
        shared = row["order_id"]
        row["customer_id"] = CUSTOMERS[shared % 3]
        for name, value in (("status", "paid"), ("channel", "web"), ("promotion", None)):
            if name in columns:
                row[name] = value
    return row


FACTS: tuple[tuple[str, dict[str, Any]], ...] = tuple(
    (name, {"of": of, "take": take, **({"field": field} if field else {})})
    for of in ("order", "sale", "return", "line")
    for take, field, ending in (
        ("count", None, "count"),
        ("sum", None, "sum"),
        ("sum", "quantity", "items"),
        ("mean", None, "mean"),
        ("mean", "quantity", "mean_items"),
        ("min", None, "min"),
        ("max", None, "max"),
        ("median", None, "median"),
        ("spread", None, "spread"),
        ("first", None, "first_on"),
        ("last", None, "last_at"),
        ("days_since_first", None, "age_days"),
        ("days_since_last", None, "quiet_days"),
        ("median", "gap_days", "gap"),
        ("spread", "gap_days", "gap_spread"),
        ("min", "gap_days", "gap_min"),
        ("distinct", "product", "products"),
        ("distinct", "category", "categories"),
        ("distinct", "channel", "channels"),
        ("share", "promotion", "share"),
    )
    if not (of == "line" and (take in ("first", "last") or take.startswith("days")))
    and not (of in ("line", "return") and field in ("gap_days", "channel", "promotion"))
    and not (of == "return" and take == "distinct")
    for name in (f"{of}_{ending}",)
)
FREQUENCIES = ([[1, 1], [2, 2], [3, 3], [4, 4], [6, 5]], [[1, 3], [2, 4], [3, 5]])
CONDITIONS = (
    'channel == "web"',
    "promotion is known",
    "quantity >= 2",
    'not (channel == "app" or quantity < 1)',
    'channel in ["web", "shop"] and promotion is unknown',
)


HOLISTIC = tuple(fact for fact in FACTS if fact[1]["take"] in ("median", "spread"))


@st.composite
def policies(
    draw: st.DrawFn, as_of: date, some: Sequence[tuple[str, dict[str, Any]]] = FACTS
) -> dict[str, Any]:
    """Policies over a few random facts, always with a score, a grade and a class."""
    windows = {"period": draw(st.sampled_from(WINDOWS)), "recent": draw(st.sampled_from(WINDOWS))}
    facts: dict[str, Any] = {
        "last_sale_on": {"of": "sale", "take": "last", "in": "period"},
        "sale_count": {"of": "sale", "take": "count", "in": "period"},
        "mean_sale": {"of": "sale", "take": "mean", "in": "period"},
        "order_count": {"of": "order", "take": "count", "in": "period"},
        "orders_ever": {"of": "order", "take": "count"},
        "first_order_at": {"of": "order", "take": "first"},
    }
    for name, spec in draw(st.lists(st.sampled_from(some), max_size=4, unique_by=lambda f: f[0])):
        window = draw(st.sampled_from((None, "period", "recent")))
        where = draw(st.sampled_from((None, None, *CONDITIONS)))
        extra = {"in": window} if window else {}
        facts[f"x_{name}"] = spec | extra | ({"where": where} if where else {})
    monetary: dict[str, Any] = {
        "fact": "mean_sale",
        "from": [["300.00", 2], ["500.00", 3], ["1000.00", 4], ["2000.00", 5]],
    }
    if draw(st.booleans()):
        monetary["below"] = 1
    if draw(st.booleans()):
        monetary["missing"] = 0
    document: dict[str, Any] = {
        "format": 1,
        "name": "random",
        "zone": draw(st.sampled_from(ZONES)),
        "currency": {"code": "CNY", "exponent": 2},
        "sale_statuses": draw(
            st.sampled_from((["paid", "shipped", "delivered"], ["delivered"], ["placed", "paid"]))
        ),
        "returns": "customer_total",
        "windows": windows,
        "facts": facts,
        "scores": {
            "recency_points": {
                "fact": "last_sale_on",
                "within": [["1 month", 5], ["3 months", 4], ["4 months", 3], ["1 year", 1]],
            },
            "frequency_points": {
                "fact": "sale_count",
                "from": draw(st.sampled_from(FREQUENCIES)),
            },
            "monetary_points": monetary,
            "score": {
                "weights": {"recency_points": 1, "frequency_points": 3, "monetary_points": 4}
            },
            "cell": {"cell": ["recency_points", "frequency_points", "monetary_points"]},
        },
        "grade": {
            "score": "score",
            "from": [[8, "bronze"], [17, "silver"], [26, "gold"], [36, "platinum"]],
        },
        "class": {
            "first": [
                ["orders_ever == 0", "non_ordering"],
                ["blocked", "malicious"],
                ["first_order_at > last_evaluated_at", "new"],
                ["order_count == 0", "no_order"],
                ["sale_count == 0", "no_sale"],
            ],
            "otherwise": "@grade",
        },
        "segment": {
            "first": [
                ["score >= 20 and not blocked", "core"],
                ['grade in ["silver", "gold"]', "medal"],
                ['mean_sale >= "300.00" or last_sale_on >= "2024-01-01"', "likely"],
            ],
            "unknown": draw(st.sampled_from(("skip", "default"))),
            "otherwise": "others",
        },
    }
    if draw(st.integers(0, 3)) == 0:
        every = draw(st.sampled_from(("1 year", "1 month", "2 weeks")))
        document["evaluation"] = {"every": every, "anchor": date(2023, 1, 31)}
    return document


NESTED = (
    {"from": [[1, 1], [2, 2], [3, 3], [4, 4], [6, 5]]},
    {"from": [[2, 2], [3, 5]], "below": 1},
    {"from": [[1, 4]], "missing": 1},
)


@st.composite
def nested_bands(draw: st.DrawFn) -> dict[str, Any]:
    """Bands of their own for each points that recency may have, and for 0, should it have that."""
    tables = {points: draw(st.sampled_from(NESTED)) for points in "01345"}
    return {"fact": "sale_count", "inside": "recency_points", "by": tables}


OPTIONAL_COLUMNS = (
    "status",
    "returns_order_id",
    "quantity",
    "product_id",
    "category",
    "channel",
    "promotion",
    "status_at",
    "known_at",
    "version",
)


@st.composite
def cases(draw: st.DrawFn, some: Sequence[tuple[str, dict[str, Any]]] = FACTS) -> Case:
    """Everything that one evaluation needs; `some` are the facts that a policy may have beside."""
    as_of = draw(st.sampled_from(AS_OF_DAYS))
    by_line = draw(st.integers(0, 3)) == 0
    chosen = set(draw(st.lists(st.sampled_from(OPTIONAL_COLUMNS), unique=True)))
    if by_line:
        chosen |= {"line_id"} if draw(st.booleans()) else set()
    if "status_at" in chosen:
        chosen.add("status")
    if by_line or draw(st.integers(0, 5)) or chosen & {"returns_order_id", "version"}:
        chosen.add("order_id")
    policy = draw(policies(as_of, some))
    # A fact over a column that is not there is tested by hand: it is missing for everybody.
    asked = repr(policy["facts"])
    names = {
        "quantity": "quantity",
        "line": "quantity",
        "product": "product_id",
        "category": "category",
    }
    names |= {"channel": "channel", "promotion": "promotion"}
    asked += "".join(f" '{name}'" for name in names if f"{name} " in asked)
    chosen |= {column for name, column in names.items() if f"'{name}'" in asked}
    columns = frozenset(chosen)
    rows = draw(row_lists(as_of, columns, by_line))
    customers = None
    if draw(st.integers(0, 3)):
        ids = draw(st.lists(st.sampled_from(CUSTOMERS), unique=True))
        customers = [
            {"customer_id": one, "blocked": draw(st.sampled_from((False, False, True, None)))}
            for one in ids
        ]
    known_at = draw(st.none() | instants(as_of)) if "known_at" in columns else None
    last = draw(st.none() | instants(as_of))
    if draw(st.integers(0, 3)) == 0:
        policy["scores"]["frequency_points"] = draw(nested_bands())
    return Case(policy, rows, columns, by_line, customers, as_of, known_at, last)
