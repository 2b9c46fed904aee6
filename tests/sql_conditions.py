"""Random conditions and attributes of every kind in policies, and shops to ask them of.

The conditions are those of tests/expressions.py: so the facts and attributes have its names.
Each is asked with its opposite, so that unknown shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Any

import expressions
import pyarrow as pa
from cases import AS_OF_DAYS, WINDOWS, instants
from hypothesis import strategies as st
from sql_cases import COLUMNS, SESSION_ZONES, SOURCE, crowd

import crmcore as crm
from crmcore.conditions.language import tree
from crmcore.conditions.language.printer import to_text
from crmcore.sql.refusals import problems_of

LISTS = ("class", "segment", "stage")
ROW_COLUMNS = frozenset(
    {"order_id", "status", "returns_order_id", "quantity", "channel", "promotion"}
)
ATTRIBUTES: dict[str, Any] = {
    "count": {"type": "int", "min": -1000, "max": 1000},
    "count_before": {"type": "int", "min": 0, "max": 12},
    "joined_on": "date",
    "tier": {"type": "label", "values": list(expressions.TIERS), "ordered": True},
    "tier_before": {"type": "label", "values": list(expressions.TIERS), "ordered": True},
    "channel": "label",
    "city": "text",
    "spread": "float",
    "spread_before": "float",
}
FACTS: dict[str, Any] = {
    "count_ever": {"of": "order", "take": "count"},
    "total": {"of": "sale", "take": "sum", "in": "period"},
    "total_ever": {"of": "sale", "take": "sum"},
    "mean": {"of": "sale", "take": "mean"},
    "share": {"of": "order", "take": "share", "field": "promotion"},
    "bought_on": {"of": "sale", "take": "last"},
    "seen_at": {"of": "order", "take": "first"},
}
WHERES = (
    "quantity * 3 - 1 > quantity + 3",
    'amount + amount > "600.00"',
    'divide(amount, quantity, 0) >= "10.005" or channel == "web"',
    "case(channel is known: quantity, promotion is known: 2) in [2, 7]",
    'band(amount, "0.01": 1, "300.00": 2, else: 0) != 1',
    'status in ["paid", "delivered"] and not amount > "600.00"',
    'status is unknown or amount between "-100.00" and "299.99"',
    "divide(quantity, quantity - 1, unknown) > 1.5",
)
TAKES: tuple[dict[str, Any], ...] = (
    *({"of": of, "take": "count"} for of in ("order", "sale", "return")),
    *(
        {"of": of, "take": take, "field": field}
        for of in ("order", "sale", "return")
        for take in ("sum", "mean", "min", "max", "median")
        for field in ("value", "quantity")
    ),
    *(
        {"of": of, "take": take, "field": "gap_days"}
        for of in ("order", "sale")
        for take in ("sum", "mean", "min", "max", "median")
    ),
    *(
        {"of": of, "take": "distinct", "field": field}
        for of in ("order", "sale")
        for field in ("channel", "promotion")
    ),
    {"of": "sale", "take": "share", "field": "promotion"},
    {"of": "sale", "take": "days_since_last"},
)
DAYS = st.sampled_from(
    (*expressions.DAYS * 2, date(1, 1, 1), date(1676, 12, 31), date(1677, 1, 1), date.max)
)
"""Days of customers, some of which no column holds; then they are missing."""
INFINITE = (float("inf"), float("-inf"), float("nan"))
VALUES: Mapping[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "count": (pa.int64(), st.sampled_from((*range(-4, 8), -1000, 1000))),
    "count_before": (pa.int64(), st.integers(0, 12)),
    "joined_on": (pa.date32(), DAYS),
    "tier": (pa.string(), st.sampled_from(expressions.TIERS)),
    "tier_before": (pa.string(), st.sampled_from(expressions.TIERS)),
    "channel": (pa.string(), st.sampled_from(expressions.TIERS)),
    "city": (pa.string(), st.sampled_from(expressions.CITIES)),
    "spread": (pa.float64(), st.sampled_from((*expressions.FLOATS, *INFINITE))),
    "spread_before": (pa.float64(), st.sampled_from((*expressions.FLOATS, *INFINITE))),
    "blocked": (pa.bool_(), st.booleans()),
    "tag:vip": (pa.bool_(), st.booleans()),
    "registered_on": (pa.date32(), DAYS),
}
STRANGE: Mapping[str, st.SearchStrategy[Any]] = {
    "count": st.sampled_from((-1001, 1001)),
    "count_before": st.just(13),
    "tier": st.just("Gold"),
}
"""What the policy does not list, or what is beyond its ends."""


@dataclass(frozen=True)
class Case:
    """One shop and one policy."""

    policy: dict[str, Any]
    seed: int
    columns: frozenset[str]
    customers: list[dict[str, Any]]
    as_of: date
    last_evaluated_at: datetime | None
    zone: str
    order_ids: str = "int"

    @property
    def rows(self) -> list[dict[str, Any]]:
        return crowd(Random(self.seed), self.as_of, self.columns)


@st.composite
def policies(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Policies with three conditions, and facts that look at rows of every kind."""
    period = draw(st.sampled_from(WINDOWS))
    base: dict[str, Any] = {
        "format": 1,
        "name": "asking",
        "zone": draw(st.sampled_from(expressions.ZONES)),
        "currency": {"code": "CNY", "exponent": 2},
        "sale_statuses": ["paid", "shipped", "delivered"],
        "windows": {"period": period},
        "attributes": ATTRIBUTES,
        "facts": FACTS | draw(row_facts()),
    }
    base["scores"] = {
        "since": {"fact": "registered_on", "within": [["1 month", 2], ["1 year", 1]]},
        "width": {"fact": "spread", "below": 0, "from": [[-1.5, 1], ["0.1", 2]], "missing": 9},
    }
    found = [expressions.condition(draw, depth) for _ in range(8)]
    tables = [table for one in found if (table := asked(one, base))]
    return base | dict(zip(LISTS, tables, strict=False))


def asked(condition: tree.Condition, base: Mapping[str, Any]) -> dict[str, Any] | None:
    """A list that tells what a condition is, if the policy can ask it and SQL can say it."""
    text = to_text(condition)
    rows = [[text, "true"], [f"not ({text})", "false"]]
    table = {"first": rows, "unknown": "skip", "otherwise": "unknown"}
    try:
        policy = crm.load_policy({**base, "class": table})
    except crm.PolicyError:
        return None
    return None if problems_of(policy, "duckdb") else table


@st.composite
def row_facts(draw: st.DrawFn) -> dict[str, Any]:
    """Facts with conditions over rows, windows, and every aggregate there is in SQL."""
    facts = {}
    for number, spec in enumerate(draw(st.lists(st.sampled_from(TAKES), max_size=4))):
        where = draw(st.none() | st.sampled_from(WHERES))
        facts[f"x_{number}"] = spec | ({"where": where} if where else {})
        facts[f"x_{number}"] |= draw(st.sampled_from(({}, {"in": "period"})))
    return facts


@st.composite
def customers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Customers with values of every kind; now and then one that is refused."""
    ids = draw(st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=25))
    some = {name: st.none() | values | values for name, (_, values) in VALUES.items()}
    people = [{"customer_id": one} | draw(st.fixed_dictionaries(some)) for one in ids]
    if draw(st.integers(0, 11)) == 11:
        name = draw(st.sampled_from(sorted(STRANGE)))
        people[0][name] = draw(STRANGE[name])
    return people


@st.composite
def cases(draw: st.DrawFn, depth: int = 2) -> Case:
    as_of = draw(st.sampled_from(AS_OF_DAYS))
    columns = ROW_COLUMNS - frozenset(
        draw(st.sets(st.sampled_from(["quantity", "channel", "promotion"]), max_size=1))
    )
    seed = draw(st.integers(0, 2**32))
    last = draw(st.none() | instants(as_of))
    zone = draw(st.sampled_from(SESSION_ZONES))
    return Case(draw(policies(depth)), seed, columns, draw(customers()), as_of, last, zone)


def package(case: Case) -> tuple[crm.OrderTable, crm.CustomerTable]:
    """The shop in the package."""
    names = ["customer_id", "placed_at", "amount_minor", *sorted(case.columns)]
    rows = [{**row, "amount_minor": row["amount"]} for row in case.rows]
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=names)
    people = crm.CustomerTable.from_rows(case.customers, columns=["customer_id", *VALUES])
    return orders, people


def relations(case: Case, orders: crm.OrderTable) -> dict[str, pa.Table]:
    """The shop in canonical form."""
    ids = [*orders.customer_ids.tolist(), None]
    columns = {
        "customer_id": pa.array([ids[at] for at in orders.customer], pa.int64()),
        "placed_us": pa.array(orders.placed_us, pa.int64()),
        "amount_minor": pa.array(orders.amount_minor, pa.int64()),
    }
    columns |= {name: COLUMNS[name](orders, case) for name in sorted(case.columns)}
    people = {"customer_id": pa.array([one["customer_id"] for one in case.customers], pa.int64())}
    for name, (type_, _) in VALUES.items():
        people[name] = pa.array([one[name] for one in case.customers], type_)
    return {"orders": pa.table(columns), "customers": pa.table(people)}
