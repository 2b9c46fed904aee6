"""Moments given later, several dates, facts that are there, and days: as in the package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeAlias

import pyarrow as pa
import pytest
import sql_cases
import sql_conditions
from engines import Engine, Engines, every
from hypothesis import HealthCheck, Phase, assume, given, reject, seed, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.calendars import DAY_US
from crmcore.sql import Parameter, Statement, to_sql, to_sql_daily
from crmcore.sql.daily import daily_problems
from crmcore.sql.declared import declared_problems

PROFILE = settings.default.max_examples
RECORD, FULL_RUN = PROFILE > 300, PROFILE >= 300
# How many policies are asked in each way: in CI, and otherwise.
COUNTS = {"duckdb": (10, 10), "postgres": (6, 4), "spark": (1, 1)}
LISTS = ("class", "segment", "stage", "grade")
GUARDED = "the returns of one order exceed 64 bits"
"""A query looks at all orders there; the package at those that a fact asks for."""
backs = st.lists(st.sampled_from((-1, 0, 1, 30, 91, 366)), min_size=2, max_size=3, unique=True)
Answer: TypeAlias = list[dict[str, Any]] | None
"""The rows; none where it is refused."""
Compared: TypeAlias = list[tuple[tuple[Answer, str], Answer]]
"""What an engine gives, and why it refuses; what the package gives."""


def sizes(kind: str) -> settings:
    return settings(
        max_examples=1_000 if RECORD else COUNTS[kind][0 if FULL_RUN else 1],
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True)
class Asked:
    """A shop in the package and as tables, its policy, and the dates to ask it of."""

    policy: crm.Policy
    orders: crm.OrderTable
    people: crm.CustomerTable | None
    tables: dict[str, pa.Table]
    moment: date
    last: datetime | None
    days: list[date]
    zone: str
    session: int

    @property
    def relations(self) -> dict[str, Any]:
        """How the query is told of the tables."""
        missing = sql_conditions.ROW_COLUMNS - set(self.tables["orders"].column_names)
        customers = None if self.people is None else "customers"
        return {"customers": customers, "columns": dict.fromkeys(missing)}

    @property
    def end(self) -> date:
        """A day after all rows and dates."""
        placed = [
            date(1970, 1, 1) + timedelta(us // DAY_US) for us in self.orders.placed_us.tolist()
        ]
        return max([*self.days, *placed]) + timedelta(days=2)

    def answer(self, as_of: date) -> Answer:
        moments: Any = {"as_of": as_of, "last_evaluated_at": self.last}
        try:
            found = crm.evaluate(self.policy, self.orders, self.people, **moments)
        except crm.DataError:
            return None
        return listed(found.to_frame("pyarrow"))

    def answers(self) -> Answer:
        """The answers of all dates as one: refused where one is."""
        found = [(day, self.answer(day)) for day in self.days]
        if any(rows is None for _, rows in found):
            return None
        return [{"as_of": day, **row} for day, rows in found for row in rows or ()]


def asked(case: Any, back: Sequence[int]) -> Asked:
    orders: crm.OrderTable
    people: crm.CustomerTable | None
    if isinstance(case, sql_cases.Case):
        orders, people = sql_cases.order_table(case), sql_cases.customer_table(case)
        tables, session = sql_cases.relations(case, orders), case.session
    else:
        orders, people = sql_conditions.package(case)
        tables, session = sql_conditions.relations(case, orders), 0
    day = date(case.as_of.year, case.as_of.month, case.as_of.day)
    days = sorted(day - timedelta(days=one) for one in back)
    policy, last = crm.load_policy(case.policy), case.last_evaluated_at
    return Asked(policy, orders, people, tables, case.as_of, last, days, case.zone, session)


def listed(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name, value in row.items():
            if isinstance(value, datetime):
                row[name] = value.astimezone(UTC)
        one = row["customer_id"]
        row["customer_id"] = one if isinstance(one, int) else str(one)
    return rows


def fetched(engine: Engine, query: str, **values: object) -> tuple[Answer, str]:
    """The answer, or why it is refused."""
    try:
        return listed(engine.fetch(query, **values)), ""
    except engine.failure as error:
        if "crmcore: " not in str(error):
            raise
        return None, str(error)


# The ways: each gives what the engine does, and what the package does


def by_parameter(engine: Engine, one: Asked) -> Compared:
    """One query, two moments."""
    query = asking(engine, one, Parameter())
    return [
        (fetched(engine, query, **query.parameters(as_of, one.last)), one.answer(as_of))
        for as_of in (one.moment, one.days[0])
    ]


def by_dates(engine: Engine, one: Asked) -> Compared:
    query = asking(engine, one, one.days, last_evaluated_at=one.last)
    return [(fetched(engine, query), one.answers())]


def asking(engine: Engine, one: Asked, as_of: Any, **more: Any) -> Statement:
    return to_sql(one.policy, dialect=engine.dialect, as_of=as_of, **one.relations, **more)


def by_facts(engine: Engine, one: Asked) -> Compared:
    """The facts that the package gives, as a table."""
    assume(not list(declared_problems(one.policy, engine.dialect)))
    moments: Any = {"as_of": one.moment, "last_evaluated_at": one.last}
    try:
        facts = crm.evaluate(one.policy, one.orders, one.people, **moments).facts
    except crm.DataError:
        reject()
    table = decoded(facts.to_frame("pyarrow"))
    tables = {"facts": table, "spoiled": spoiled(table, Random(str((one.moment, one.zone))))}
    engine.load(tables)
    fields = {name: one.policy.fields[name] for name in facts.columns}
    compared: Compared = []
    for name, given_facts in tables.items():
        query = to_sql(one.policy, dialect=engine.dialect, facts=name, **moments)
        ours: Answer = None
        try:
            read = crm.FactTable.from_frame(given_facts, fields)
            ours = listed(crm.evaluate_facts(one.policy, read, **moments).to_frame("pyarrow"))
        except crm.DataError:
            assert name == "spoiled"
        compared.append((fetched(engine, query), ours))
    return compared


FAR = [date(1, 1, 1), date(1676, 12, 31), date(1677, 1, 1), date(2024, 2, 29), date.max]
STRANGE: dict[str, list[Any]] = {
    "int64": [None, -(2**63), -1, 0, 10**7, 2**63 - 1],
    "double": [None, float("inf"), float("-inf"), float("nan"), -0.0],
    "date32[day]": [None, *FAR],
    "timestamp[us, tz=UTC]": [
        None,
        *(datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC) for day in FAR),
    ],
    "string": [None, "", "none of them"],
    "bool": [None],
}


def spoiled(table: pa.Table, chance: Random) -> pa.Table:
    """The same with another value in two of its cells: some that no column holds."""
    for _ in range(2 if len(table) else 0):
        at, row = chance.randrange(1, table.num_columns), chance.randrange(len(table))
        column = table.column(at)
        if pa.types.is_decimal(column.type):
            ends = [-(2**63), 1 - 2**63, 0, 2**63 - 1]
            strange = [None, *(Decimal(one).scaleb(-column.type.scale) for one in ends)]
        else:
            strange = STRANGE[str(column.type)]
        values = column.to_pylist()
        values[row] = chance.choice(strange)
        name = table.column_names[at]
        table = table.set_column(at, name, pa.array(values, column.type))
    return table


def by_days(engine: Engine, one: Asked) -> Compared:
    """Days up to the last row, and up to an earlier day, merged as of it; and as of the dates."""
    assume(not list(daily_problems(one.policy, engine.dialect)))
    about: Any = {"dialect": engine.dialect, **one.relations}
    columns, compared = about["columns"], list[Any]()
    for name, last in (("fewer", one.days[0]), ("days", one.end)):
        daily = to_sql_daily(one.policy, dialect=engine.dialect, as_of=last, columns=columns)
        why = kept(engine, name, daily)
        if why:
            return [*compared, ((None, why), one.answer(last))]
        query = to_sql(one.policy, as_of=Parameter(), daily=name, **about)
        found = fetched(engine, query, **query.parameters(last, one.last))
        compared.append((found, one.answer(last)))
    query = to_sql(one.policy, as_of=one.days, last_evaluated_at=one.last, daily="days", **about)
    found = fetched(engine, query)
    of_sales = any(fact.of == "sale" for fact in one.policy.facts.values())
    if not (of_sales and "returned later" in found[1]):
        compared.append((found, one.answers()))
    return compared


def decoded(table: Any) -> pa.Table:
    """Labels as text: not every loader takes them otherwise."""
    types = [pa.string() if pa.types.is_dictionary(one) else one for one in table.schema.types]
    return table.cast(pa.schema(zip(table.column_names, types, strict=True)))


def kept(engine: Engine, name: str, query: str) -> str:
    """Keep the rows of a query as a table; say why it is refused."""
    try:
        if engine.dialect == "spark":
            engine.load({name: engine.fetch(query)})
        else:
            engine.connection.execute(f"create table {name} as {query}")
    except engine.failure as error:
        if "crmcore: " not in str(error):
            raise
        return str(error)
    return ""


WAYS = {"parameter": by_parameter, "dates": by_dates, "facts": by_facts, "days": by_days}


@every(*COUNTS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_ask_agrees_with_the_package(way: str, kind: str, engines: Engines) -> None:
    seen: Counter[Any] = Counter()

    @seed(Random().random() if RECORD else list(COUNTS).index(kind))
    @sizes(kind)
    @given(sql_cases.cases() | sql_conditions.cases(), backs)
    def agrees(case: Any, back: list[int]) -> None:
        one = asked(case, back)
        with engines.open(kind, one.zone) as engine:
            spark = engine.dialect == "spark"
            for setting in sql_cases.SESSIONS[engine.dialect][one.session]:
                (engine.connection.sql if spark else engine.connection.execute)(setting)
            engine.load(one.tables)
            for (theirs, why), ours in WAYS[way](engine, one):
                if theirs is None and GUARDED in why:
                    continue
                assert theirs == ours, why
                seen["refused"] += ours is None
                seen["rows"] += bool(ours)
                for row in ours or ():
                    seen.update(row[name] for name in LISTS if name in row)

    agrees()
    assert seen["rows"]
    # Few cases do not meet everything.
    if RECORD or kind == "duckdb":
        assert {"true", "false", "unknown", "silver", "no_order", None} <= seen.keys()
    if RECORD and way != "facts":  # which are of shops that are not refused
        assert seen["refused"]
