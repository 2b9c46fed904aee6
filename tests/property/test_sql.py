"""The policy as SQL against the package: every cell of every customer, in every engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest
from engines import Engine, Engines, every
from hypothesis import HealthCheck, Phase, given, seed, settings
from sql_cases import (
    ROW_COLUMNS,
    SESSIONS,
    Case,
    cases,
    crowd,
    customer_table,
    order_table,
    relations,
)

import crmcore as crm
from crmcore.sql import nodes, to_sql
from crmcore.sql.dialects import Dialect
from crmcore.sql.inputs import Inputs

PROFILE = settings.default.max_examples
RECORD, FULL_RUN = PROFILE > 300, PROFILE >= 300
# How many policies, each over a shop of its own: on record, in CI, and otherwise. A query takes
# Spark ten times longer to plan than the others to run, so its two ways share them.
COUNTS = {
    "duckdb": (2_000, 200, 100),
    "postgres": (2_000, 200, 60),
    "spark": (1_000, 100, 10),
    "spark ansi": (1_000, 100, 10),
}
SIZE = 0 if RECORD else 1 if FULL_RUN else 2


def sizes(kind: str) -> settings:
    slow = kind.startswith("spark")
    return settings(
        max_examples=COUNTS[kind][SIZE],
        phases=(Phase.generate,) if slow else (Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


# Both answers


def package_answer(case: Case, policy: crm.Policy) -> tuple[list[str], list[dict[str, Any]]] | None:
    """The columns and rows of the package, or none where it refuses."""
    orders, people = order_table(case), customer_table(case)
    last = case.last_evaluated_at
    try:
        result = crm.evaluate(policy, orders, people, as_of=case.as_of, last_evaluated_at=last)
    except crm.DataError:
        return None
    frame: Any = result.to_frame()
    return frame.column_names, listed(frame)


def engine_answer(
    engine: Engine, case: Case, policy: crm.Policy, change: Callable[[str], str] = str
) -> tuple[list[str], list[dict[str, Any]]] | None:
    """The columns and rows of the query, or none where the query refuses."""
    given = relations(case, order_table(case))
    engine.load(given)
    spark = engine.dialect == "spark"
    execute = engine.connection.sql if spark else engine.connection.execute
    for statement in SESSIONS[engine.dialect][case.session]:
        execute(statement)
    query = to_sql(
        policy,
        dialect=engine.dialect,
        customers="customers" if "customers" in given else None,
        as_of=case.as_of,
        last_evaluated_at=case.last_evaluated_at,
        columns=dict.fromkeys(ROW_COLUMNS - set(given["orders"].column_names)),
    )
    try:
        found = engine.fetch(change(query))
    except engine.failure as error:
        if "crmcore: " not in str(error):
            raise
        return None
    return found.column_names, listed(found)


def listed(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.astimezone(UTC)
        row["customer_id"] = plain_id(row["customer_id"])
    return rows


def plain_id(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def compare(kind: str, engines: Engines, case: Case, seen: Counter[Any]) -> None:
    policy = crm.load_policy(case.policy)
    ours = package_answer(case, policy)
    with engines.open(kind, case.zone) as engine:
        theirs = engine_answer(engine, case, policy)
    seen["cases"] += 1
    seen["errors"] += ours is None
    seen["nobody"] += ours is not None and not ours[1]
    assert (theirs is None) == (ours is None)
    if ours is None or theirs is None:
        return
    assert theirs[0] == ours[0]
    assert theirs[1] == ours[1]
    for row in ours[1]:
        seen.update((step.name, row[step.name]) for step in policy.steps)
        seen.update((name, row[name] is None) for name in policy.facts)


# Random policies and shops, and what they reach


CLASSIC = crm.load_policy("classic").document
BANDS = {"recency_points", "frequency_points", "monetary_points"}
LABELS = {
    "class": {
        *("non_ordering", "malicious", "new", "no_order", "no_sale"),
        *("bronze", "silver", "gold", "platinum"),
    },
    "grade": {"bronze", "silver", "gold", "platinum", None},
    **{name: {5, 4, 3, 2, 1, None} for name in BANDS},
}
REACHED = {(name, value) for name, values in LABELS.items() for value in values}
# In the random cases: also both sides of refusals, and shops with nobody in them. A hundred do not
# reach every band; with the crowds, each engine does.
ALWAYS = {"errors", "nobody"}
RANDOM = {("segment", "core"), ("segment", "others"), ("stage", "row_0")}
RANDOM |= {("stage", None), ("age", 9), ("spend", -7), ("quiet", 2), ("cell", None)}


@every()
def test_sql_agrees_with_the_package_cell_by_cell(kind: str, engines: Engines) -> None:
    seen: Counter[Any] = Counter()

    @seed(Random().random() if RECORD else list(COUNTS).index(kind))
    @sizes(kind)
    @given(cases())
    def agrees(case: Case) -> None:
        compare(kind, engines, case, seen)

    agrees()
    if FULL_RUN:
        assert seen["cases"] >= COUNTS[kind][SIZE]
        wanted = ALWAYS | REACHED | RANDOM if seen["cases"] >= 200 else ALWAYS
        unreached = {one for one in wanted if not seen[one]}
        assert sorted(unreached, key=str) == []


FULL: dict[str, Any] = {
    **CLASSIC,
    "scores": {
        **CLASSIC["scores"],
        "age": {
            "fact": "first_order_at",
            "within": [["1 month", 7], ["1 quarter", 5], ["8 months", 3], ["5 years", 1]],
        },
        "quiet": {
            "fact": "days_since_last_sale",
            "from": [[0, 3], [30, 2], [400.5, 1]],
            "missing": 0,
        },
        "spend": {"fact": "net_sales", "below": -7, "from": [["0.01", 1], ["9000.00", 2]]},
        "sum": {"weights": {"age": -3, "spend": 1}},
    },
}
MORE = {
    "score": {8, 40, None},
    "age": {7, 5, 3, 1, None},
    "quiet": {3, 2, 1, 0},
    "spend": {-7, 1, 2},
}
CROWDS = 12


def crowds() -> Case:
    """Twelve crowds in one shop: other customers and orders in each."""
    as_of = date(2025, 6, 30)
    rows = []
    for number in range(CROWDS):
        for row in crowd(Random(number), as_of, ROW_COLUMNS):
            row["order_id"] += 1_000 * number
            if row["customer_id"] is not None:
                row["customer_id"] += 100 * number
            if row["returns_order_id"] is not None:
                row["returns_order_id"] += 1_000 * number
            rows.append(row)
    ids = [100 * number + one for number in range(CROWDS) for one in range(0, 40, 2)]
    customers = [{"customer_id": one, "blocked": one % 9 == 0} for one in ids]
    last = datetime(2025, 6, 1, tzinfo=UTC)
    return Case(FULL, rows, ROW_COLUMNS, "int", "int", customers, as_of, last)


@every()
def test_the_crowds_reach_every_class_and_band(kind: str, engines: Engines) -> None:
    seen: Counter[Any] = Counter()
    compare(kind, engines, crowds(), seen)
    wanted = REACHED | {(name, value) for name, values in MORE.items() for value in values}
    assert sorted((one for one in wanted if not seen[one]), key=str) == []


# Seeded defects


def noticed(kind: str, engines: Engines, wrong: Any, change: Callable[[str], str]) -> bool:
    """Whether the comparison notices that another policy or query was run."""
    case = crowds()
    ours = package_answer(case, crm.load_policy(FULL))
    with engines.open(kind) as engine:
        try:
            return engine_answer(engine, case, crm.load_policy(wrong), change) != ours
        except engine.failure:
            return True


POLICIES: tuple[tuple[str, Any], ...] = (
    ("windows.period", {"tiles": "1 year"}),
    ("zone", "UTC"),
    ("sale_statuses", ["paid", "shipped"]),
    ("facts.mean_sale.take", "max"),
    ("scores.monetary_points.from", [["300.01", 2], ["500", 3], ["1000", 4], ["2000", 5]]),
    ("scores.frequency_points.from", [[1, 1], [2, 2], [3, 3], [4, 4], [7, 5]]),
    ("grade.from", [[9, "bronze"], [17, "silver"], [26, "gold"], [36, "platinum"]]),
)


@pytest.mark.parametrize(("path", "value"), POLICIES, ids=[path for path, _ in POLICIES])
def test_another_policy_is_noticed(path: str, value: Any, engines: Engines) -> None:
    wrong = deepcopy(FULL)
    *where, last = path.split(".")
    table: Any = wrong
    for key in where:
        table = table[key]
    table[last] = value
    assert noticed("duckdb", engines, wrong, str)


def micros(text: str) -> str:
    return str(int(datetime.fromisoformat(text).timestamp()) * 1_000_000)


# The period begins with 30 June 2024 in Shanghai.
START = micros("2024-06-30T00:00+08:00")
CHANGES: dict[str, Callable[[str], str]] = {
    "after instead of from": lambda query: query.replace(">=", ">"),
    "before instead of until": lambda query: query.replace("<=", "<"),
    "the window begins one microsecond later": lambda query: query.replace(START, START[:-1] + "1"),
    "only who has orders": lambda query: query.replace("FULL JOIN", "RIGHT JOIN"),
    "only who is given": lambda query: query.replace("FULL JOIN", "LEFT JOIN"),
    "only orders with returns": lambda query: query.replace("LEFT JOIN", "JOIN"),
    "the first instead of the last": lambda query: query.replace("MAX(", "MIN("),
    "either instead of both": lambda query: query.replace(" AND ", " OR "),
    "some for none": lambda query: query.replace("IS NULL", "IS NOT NULL"),
    "no order": lambda query: query[: query.rindex("ORDER BY")] + "ORDER BY 1 DESC",
}
KINDS = ("duckdb", "postgres")


@every(*KINDS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_query_is_noticed(kind: str, change: str, engines: Engines) -> None:
    def changed(query: str) -> str:
        assert CHANGES[change](query) != query
        return CHANGES[change](query)

    assert noticed(kind, engines, FULL, changed)


@every("spark", "spark ansi")
def test_a_change_of_sparks_query_is_noticed(kind: str, engines: Engines) -> None:
    assert noticed(kind, engines, FULL, CHANGES["the window begins one microsecond later"])


@every(*KINDS)
def test_a_mean_that_is_cut_off_is_noticed(
    kind: str, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(self: Dialect, value: Any, divisor: Any) -> tuple[Any, Any]:
        return self.quotient(value, divisor), nodes.compute(value, "%", divisor)

    monkeypatch.setattr(Dialect, "floor", cut_off)
    assert noticed(kind, engines, FULL, str)


@every(*KINDS)
def test_a_band_of_days_one_microsecond_later_is_noticed(
    kind: str, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Inputs.back

    def later(self: Inputs, span: Any) -> Any:
        return nodes.compute(whole(self, span), "+", nodes.number(1))

    monkeypatch.setattr(Inputs, "back", later)
    assert noticed(kind, engines, FULL, str)
