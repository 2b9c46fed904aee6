"""Random policies that have a SQL form, and hostile shops in the canonical form that SQL reads.

What engines can say is read from `crmcore.sql.constructs`: where a construct is no longer refused,
policies here have it from then on. Where it needs a column, `COLUMNS` makes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
from cases import (
    AS_OF_DAYS,
    CONDITIONS,
    CUSTOMERS,
    FACTS,
    WINDOWS,
    instants,
    nested_bands,
    policies,
    row_lists,
)
from hypothesis import strategies as st

import crmcore as crm
from crmcore.records.orders import RETURN, STATUSES, WITHDRAWN
from crmcore.sql.constructs import construct

DIALECTS = ("duckdb", "postgres", "spark")
SOURCE = crm.Source(currency={"code": "CNY", "exponent": 2})
SESSION_ZONES = ("UTC", "Asia/Shanghai", "Pacific/Apia", "America/St_Johns", "Pacific/Kiritimati")
# Settings that change what SQL means, or how it is run. The first is what most cases have.
SESSIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "duckdb": (
        ("set threads = 1",),
        ("set default_order = 'desc'", "set default_null_order = 'nulls_first'"),
        ("set integer_division = true", "set old_implicit_casting = true"),
    ),
    "postgres": (
        (),
        ("set standard_conforming_strings = off", "set escape_string_warning = off"),
        ("set enable_hashagg = off", "set enable_hashjoin = off", "set intervalstyle = 'iso_8601'"),
    ),
    # Each query is new: to compile it takes longer than to run it.
    "spark": (
        (
            "set spark.sql.codegen.wholeStage = false",
            "set spark.sql.codegen.factoryMode = NO_CODEGEN",
            "set spark.sql.adaptive.enabled = false",
            "set spark.sql.shuffle.partitions = 1",
        ),
        (
            "set spark.sql.codegen.wholeStage = false",
            "set spark.sql.codegen.factoryMode = NO_CODEGEN",
            "set spark.sql.adaptive.enabled = false",
            "set spark.sql.shuffle.partitions = 3",
            "set spark.sql.parser.escapedStringLiterals = true",
            "set spark.sql.decimalOperations.allowPrecisionLoss = false",
            "set spark.sql.timestampType = TIMESTAMP_NTZ",
            "set spark.sql.legacy.literal.pickMinimumPrecision = false",
        ),
        ("set spark.sql.caseSensitive = true",),
    ),
}
IDS: dict[str, list[Any]] = {
    "int": [-5, 0, 1, 2, 7, 10, 100, 2**40, 2**62],
    "text": ["ß", "1", "10", "2", "A", "a", "e\u0301", "é", "顾客"],
    "uuid": [
        UUID(int=one) for one in (0, 1, 2, 255, 2**64, 2**100, 2**127, 2**127 + 1, 2**128 - 1)
    ],
}
ID_TYPES = {"int": pa.int64(), "text": pa.string(), "uuid": pa.uuid()}
ORDER_TEXTS = ("a", "A", "a ", "é", "e\u0301", "1", "01", "1.0", "ß", "ss", "%s", "'")
ORDER_IDS: dict[str, Callable[[Any], Any]] = {
    "int": lambda number: number,
    "text": lambda number: ORDER_TEXTS[number % 12] + "x" * (number // 12),
}
ROW_COLUMNS = frozenset({"order_id", "status", "returns_order_id"})
LIMIT = 2**63 - 1
HUGE = (2**53 + 1, 2**62, LIMIT - 5_000_000, LIMIT - 1, LIMIT)
DAY = timedelta(days=1)
BACK = (DAY * 0, DAY * 0, DAY / 24, DAY * 2 / 3, DAY - timedelta(microseconds=1))


@dataclass(frozen=True)
class Case:
    """One shop whose rows have a canonical form, and one policy that has a SQL form."""

    policy: dict[str, Any]
    rows: list[dict[str, Any]]
    columns: frozenset[str]
    ids: str
    order_ids: str
    customers: list[dict[str, Any]] | None
    as_of: date
    last_evaluated_at: datetime | None
    zone: str = "UTC"
    session: int = 0


# What SQL can say


def is_sayable(group: str, name: str) -> bool:
    """Whether every engine can say a construct."""
    one = construct(group, name)
    return all(one.standing(dialect).support != "refused" for dialect in DIALECTS)


def is_fact_sayable(spec: Mapping[str, Any]) -> bool:
    return (
        is_sayable("facts of", spec["of"])
        and is_sayable("aggregate", spec["take"])
        and is_sayable("field", spec.get("field", "value"))
    )


SAYABLE = [(name, spec) for name, spec in FACTS if is_fact_sayable(spec)]
WHERES = (None, None, *CONDITIONS) if is_sayable("fact", "`where`") else (None,)
# The column that a field or a name in a condition of rows is read from.
READ_FROM = {
    "quantity": "quantity",
    "product": "product_id",
    "category": "category",
    "channel": "channel",
    "promotion": "promotion",
}
TESTS = (
    "mean_sale == 500 or mean_sale != 300.005",
    "not (mean_sale > 333.333 and sale_count >= 1.5)",
    "sale_count in [1, 3, 5.5] or mean_sale in [300, 299.995]",
    'grade >= "silver" or grade is unknown',
    'grade not in ["bronze", "gold"]',
    'last_sale_on < "2024-03-01" or last_sale_on in ["2025-06-30"]',
    'last_sale_on between "2023-06-01" and "2024-02-29"',
    'first_order_at >= "2024-02-28T23:30:00+05:30" and first_order_at < as_of',
    "last_evaluated_at is known and first_order_at <= last_evaluated_at",
    "recency_points == frequency_points or sale_count > monetary_points",
    "sale_count == 2.5 or not sale_count != 1.5",
    "blocked or not blocked and cell >= 300",
    'mean_sale between 0 and "500.00"',
    "not (score > 20 or mean_sale < 400)",
    'class == "malicious" or class in ["silver"] or class != "new"',
)


# Policies


@st.composite
def documents(draw: st.DrawFn, as_of: date) -> dict[str, Any]:
    """Policies with random facts that have a SQL form, random edges and random conditions."""
    document = draw(policies(as_of))
    if not is_sayable("evaluation", "a held evaluation"):
        document.pop("evaluation", None)
    document["returns"] = draw(st.sampled_from(("customer_total",) * 7 + ("refuse",)))
    facts = {name: fact for name, fact in document["facts"].items() if not name.startswith("x_")}
    document["facts"] = facts | draw(more_facts())
    change_scores(draw, document["scores"])
    if draw(st.booleans()):
        document["stage"] = draw(stages())
    return draw(parts(document)) if draw(st.integers(0, 2)) else document


@st.composite
def more_facts(draw: st.DrawFn) -> dict[str, Any]:
    facts = {}
    chosen = st.lists(st.sampled_from(SAYABLE), max_size=4, unique_by=lambda fact: fact[0])
    for name, spec in draw(chosen):
        window = draw(st.sampled_from((None, "period", "recent")))
        where = draw(st.sampled_from(WHERES))
        facts[f"x_{name}"] = spec | ({"in": window} if window else {})
        facts[f"x_{name}"] |= {"where": where} if where else {}
    return facts


def change_scores(draw: st.DrawFn, scores: dict[str, Any]) -> None:
    """Give a policy other edges, points for what is missing, and more scores."""
    digits = draw(st.sampled_from((0, 2, 3, 5)))
    edges = draw(st.lists(st.integers(-50_000, 250_000), min_size=4, max_size=4, unique=True))
    if draw(st.booleans()):
        values = [
            str(Decimal(one).scaleb(-2) + Decimal(1).scaleb(-digits)) for one in sorted(edges)
        ]
        scores["monetary_points"]["from"] = [[one, at + 1] for at, one in enumerate(values)]
    if draw(st.booleans()):
        scores["recency_points"]["missing"] = 0
        scores["frequency_points"]["below"] = 0
    if draw(st.booleans()):
        scores["frequency_points"] = draw(nested_bands())
    if draw(st.booleans()):
        steps = [["2 weeks", 9], ["1 month", 7], ["1 quarter", 5], ["1 year", 3], ["5 years", 1]]
        scores["age"] = {"fact": "first_order_at", "within": steps}
        scores["quiet"] = {"fact": "days_since_last_sale", "from": [[0, 3], [30, 2], [400.5, 1]]}
        scores["spend"] = {"fact": "net_sales", "below": -7, "from": [["0.00", 1], ["900.01", 2]]}
        scores["sum"] = {"weights": {"age": -3, "spend": 1}}


@st.composite
def stages(draw: st.DrawFn) -> dict[str, Any]:
    wanted = draw(st.lists(st.sampled_from(TESTS), min_size=3, unique=True))
    unknown = draw(st.sampled_from(("skip", "skip", "skip", "default", "default", "error")))
    found: dict[str, Any] = {"unknown": unknown}
    found["first"] = [[condition, f"row_{at}"] for at, condition in enumerate(wanted)]
    if draw(st.booleans()):
        found["otherwise"] = draw(st.sampled_from(("@grade", "@class", "rest")))
    return found


@st.composite
def parts(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """A part of a policy: a few of its facts and scores, what these need, and what needs no more.

    Most policies are small, and a small query is planned sooner.
    """
    facts, scores = document["facts"], document["scores"]
    some = st.sets(st.sampled_from(sorted({*facts, *scores})), min_size=1, max_size=3)
    names = set(needed(draw(some), scores))
    kept = {one: document[one] for one in document if one not in ("facts", "scores", *LISTS)}
    kept["facts"] = {name: facts[name] for name in facts if name in names}
    kept["scores"] = {name: scores[name] for name in scores if name in names}
    if "score" not in names:
        kept.pop("grade")
    every = {*facts, *scores, *LISTS, "grade"}
    for name in LISTS:
        there = {*names, *kept}
        found = within(document[name], every - there) if name in document else None
        # Conditions on classes name labels: a class with fewer of them is left out whole.
        if found is not None and (name != "class" or found == document[name]):
            kept[name] = found
    return kept


LISTS = ("class", "segment", "stage")


def needed(names: set[str], scores: Mapping[str, Any]) -> Iterator[str]:
    """The names, and those of everything that they are made of."""
    for name in names:
        yield name
        spec = scores.get(name, {})
        made_of = {*spec.get("weights", ()), *spec.get("cell", ())}
        made_of |= {spec[key] for key in ("fact", "inside") if key in spec}
        yield from needed(made_of, scores)


def within(table: Mapping[str, Any], absent: set[str]) -> dict[str, Any] | None:
    """A list without the conditions that ask for what is not there, if any are left."""
    rows = [row for row in table["first"] if not absent & set(re.findall("[a-z_]+", row[0]))]
    otherwise = table.get("otherwise", "")
    if not rows:
        return None
    found = {**table, "first": rows}
    return found | {"otherwise": "rest"} if otherwise.removeprefix("@") in absent else found


# Shops


def crowd(chance: Random, as_of: date, columns: frozenset[str]) -> list[dict[str, Any]]:
    """Rows of thirty customers, from one order to eight each, over the last fourteen months."""
    end = datetime(as_of.year, as_of.month, as_of.day, 15, 59, 59, 999_999, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    for customer in range(30):
        last = chance.choice((1, 20, 50, 100, 150, 300, 400))
        for _ in range(chance.choice((1, 1, 2, 3, 4, 5, 6, 8))):
            mine = [row for row in rows if row["customer_id"] == customer]
            negative = bool(mine) and chance.random() < 0.15
            amount = chance.choice((1, 29_999, 30_000, 60_000, 100_000, 250_000, 900_000))
            days = chance.choice((chance.randint(last, last + 60),) * 14 + (365,))
            row = {
                "customer_id": chance.choice((customer, customer, customer, customer, None)),
                "placed_at": end - timedelta(days=days) - chance.choice(BACK),
                "amount": -amount if negative else amount,
                "order_id": len(rows),
                "status": chance.choice(("paid", "shipped", "delivered", "delivered", *STATUSES)),
                "returns_order_id": None,
                "quantity": chance.choice((None, 0, 1, 2, 7)),
                "product_id": chance.choice((None, "P1", "P2")),
                "category": chance.choice((None, "toys", "books")),
                "channel": chance.choice((None, "web", "app", "shop")),
                "promotion": chance.choice((None, "spring")),
            }
            if negative and chance.random() < 0.7:
                row["returns_order_id"] = chance.choice(mine)["order_id"]
            rows.append(row)
    needed = {"customer_id", "placed_at", "amount", *columns}
    return [{name: row[name] for name in row if name in needed} for row in rows]


@st.composite
def shops(
    draw: st.DrawFn, as_of: date, columns: frozenset[str], ids: str, order_ids: str
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Rows and the ids there may be: few rows full of edges, or a crowd that reaches all bands."""
    if draw(st.booleans()):
        names = dict(zip(CUSTOMERS, IDS[ids], strict=True)) | {None: None}
        rows = draw(row_lists(as_of, columns, by_line=False))
    else:
        many = {"int": lambda n: n, "text": lambda n: f"c{n}", "uuid": lambda n: UUID(int=n**20)}
        names = {one: many[ids](one) for one in range(40)} | {None: None}
        rows = crowd(Random(draw(st.integers(0, 2**32))), as_of, columns)
    if rows and draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(rows) - 1))
        rows[at]["amount"] = draw(st.sampled_from(HUGE))
        if "returns_order_id" in columns:
            rows[at]["returns_order_id"] = None
    as_order = ORDER_IDS[order_ids]
    for row in rows:
        row["customer_id"] = names[row["customer_id"]]
        for name in {"order_id", "returns_order_id"} & row.keys():
            row[name] = None if row[name] is None else as_order(row[name])
    return rows, [one for one in names.values() if one is not None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    as_of = draw(st.sampled_from(AS_OF_DAYS))
    if draw(st.integers(0, 4)):
        document = draw(documents(as_of))
    else:
        document = {"extends": "classic", "format": 1, "name": "mine"}
        if draw(st.booleans()):
            document["windows"] = {"period": draw(st.sampled_from(WINDOWS))}
    columns = frozenset(draw(st.sets(st.sampled_from(sorted(ROW_COLUMNS)))))
    columns |= columns_of(document)
    if "returns_order_id" in columns or draw(st.booleans()):
        columns |= {"order_id"}
    ids, order_ids = draw(st.sampled_from(sorted(IDS))), draw(st.sampled_from(sorted(ORDER_IDS)))
    rows, everybody = draw(shops(as_of, columns, ids, order_ids))
    customers = None
    if draw(st.integers(0, 3)):
        chosen = draw(st.lists(st.sampled_from(everybody), unique=True))
        blocked = st.sampled_from((False, False, False, True, None))
        customers = [{"customer_id": one, "blocked": draw(blocked)} for one in chosen]
    moment: date = as_of
    if draw(st.integers(0, 3)) == 0:
        moment = draw(instants(as_of))
    last = draw(st.none() | instants(as_of))
    zone = draw(st.sampled_from(SESSION_ZONES))
    session = draw(st.sampled_from((0, 0, 0, 0, 0, 0, 0, 1, 1, 2)))
    return Case(document, rows, columns, ids, order_ids, customers, moment, last, zone, session)


def columns_of(document: Mapping[str, Any]) -> frozenset[str]:
    """The columns of rows that the facts of a policy ask for."""
    words = {word for fact in document.get("facts", {}).values() for word in words_of(fact)}
    return frozenset(column for name, column in READ_FROM.items() if name in words)


def words_of(fact: Mapping[str, Any]) -> set[str]:
    return {fact.get("field", ""), *re.findall("[a-z_]+", fact.get("where", ""))}


# The shop in the package and in canonical form


def order_table(case: Case) -> crm.OrderTable:
    names = ["customer_id", "placed_at", "amount_minor", *sorted(case.columns)]
    rows = [{**row, "amount_minor": row["amount"]} for row in case.rows]
    return crm.OrderTable.from_rows(rows, SOURCE, columns=names)


def customer_table(case: Case) -> crm.CustomerTable | None:
    if case.customers is None:
        return None
    names = ("customer_id", "blocked")
    return crm.CustomerTable.from_arrays(
        {name: [one[name] for one in case.customers] for name in names}
    )


WORDS = (*STATUSES, "paid", "cancelled")
assert (len(WORDS) - 2, len(WORDS) - 1) == (RETURN, WITHDRAWN)


def statuses(orders: crm.OrderTable, _: Case) -> pa.Array:
    return pa.array([WORDS[code] for code in orders.status], pa.string())


def order_ids(orders: crm.OrderTable, case: Case) -> pa.Array:
    found = [orders.order_id(row) for row in range(len(orders))]
    return pa.array(found, ID_TYPES[case.order_ids])


def returned_ids(orders: crm.OrderTable, case: Case) -> pa.Array:
    """The order that each row returns: one that there is not where nothing has that id."""
    assert orders.return_of is not None
    nowhere = {"int": -999, "text": "nowhere"}[case.order_ids]
    own = [orders.order_id(row) for row in range(len(orders))]
    code = np.arange(len(orders)) if orders.order_code is None else orders.order_code
    of_code = dict(zip(code.tolist(), own, strict=True)) | {-1: None, -2: nowhere}
    named = [of_code.get(one, nowhere) for one in orders.return_of.tolist()]
    return pa.array(named, ID_TYPES[case.order_ids])


def quantities(orders: crm.OrderTable, _: Case) -> pa.Array:
    if orders.quantity is None:
        return pa.nulls(len(orders), pa.int64())
    known = orders.quantity_known
    return pa.array(orders.quantity, pa.int64(), mask=None if known is None else ~known)


def dimension(name: str) -> Callable[[crm.OrderTable, Case], pa.Array]:
    """What makes the column with an order's channel or promotion."""

    def column(orders: crm.OrderTable, _: Case) -> pa.Array:
        given = getattr(orders, name)
        if given is None:
            return pa.nulls(len(orders), pa.string())
        values = [*map(str, given.values), None]
        return pa.array([values[code] for code in given.codes], pa.string())

    return column


# Each column that the canonical relation may have, beside what it always has.
COLUMNS: dict[str, Callable[[crm.OrderTable, Case], pa.Array]] = {
    "order_id": order_ids,
    "status": statuses,
    "returns_order_id": returned_ids,
    "quantity": quantities,
    "channel": dimension("channel"),
    "promotion": dimension("promotion"),
}


def relations(case: Case, orders: crm.OrderTable) -> dict[str, pa.Table]:
    """The canonical relations of a case."""
    ids = [*orders.customer_ids.tolist(), None]
    columns = {
        "customer_id": id_array([ids[at] for at in orders.customer], case.ids),
        "placed_us": pa.array(orders.placed_us, pa.int64()),
        "amount_minor": pa.array(orders.amount_minor, pa.int64()),
    }
    columns |= {name: COLUMNS[name](orders, case) for name in sorted(case.columns)}
    found = {"orders": pa.table(columns)}
    if case.customers is not None:
        people = [one["customer_id"] for one in case.customers]
        blocked = pa.array([one["blocked"] for one in case.customers], pa.bool_())
        found["customers"] = pa.table(
            {"customer_id": id_array(people, case.ids), "blocked": blocked}
        )
    return found


def id_array(values: list[Any], ids: str) -> pa.Array:
    if ids != "uuid":
        return pa.array(values, ID_TYPES[ids])
    stored = [None if value is None else value.bytes for value in values]
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(stored, pa.binary(16)))
