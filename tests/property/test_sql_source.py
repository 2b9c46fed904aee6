"""The shop's own rows as SQL against the package: each canonical row, the account, the grades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from engines import Engine, Engines, every, uncompiled
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from time_texts import NO_TIME_TEXTS, OFFSET_TEXTS, TIME_TEXTS

import crmcore as crm
from crmcore.calendars import Zone, zone
from crmcore.records.arrow import raw_columns
from crmcore.records.preparing import prepare
from crmcore.records.raw import Raw
from crmcore.records.reading import STATUSES, standardise
from crmcore.sql import nodes, to_sql, to_sql_account
from crmcore.sql.dialects import DIALECTS
from crmcore.sql.source.lines import Folding
from crmcore.sql.source.mapping import Reading

MANY = settings.default.max_examples > 300
CASES = settings(
    max_examples=1_500 if MANY else 60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
FEW = settings(CASES, max_examples=60 if MANY else 12)
FEWER = settings(CASES, max_examples=25 if MANY else 3, phases=[Phase.explicit, Phase.generate])
AS_OF = date(2025, 6, 30)
ZONES = ("UTC", "Europe/Berlin", "Asia/Shanghai", "America/St_Johns", "Pacific/Apia")
SESSION_ZONES = ("UTC", "Pacific/Apia", "America/New_York")

# What columns may hold: the type, the values, and what the query is told.

NUMBERS = [
    "0",
    "-0.00",
    "12.5",
    "12.50",
    "12.345",
    "12.355",
    "-12.345",
    "-7",
    "0.005",
    "-0.015",
    "99.999",
]
AMOUNT_TEXTS = [
    *NUMBERS,
    *(
        "+1.50",
        ".5",
        "5.",
        "1e3",
        "n/a",
        "",
        "1,000.00",
        " 1",
        "1\n",
        "٣",
        "--1",
        "1.2.3",
        "-",
        ".",
    ),
    *(
        "12.3450000000000",
        "000000000000000000000000000000012.5",
        "92233720368547758.07",
        "92233720368547758.08",
    ),
    *(
        "-92233720368547758.07",
        "-92233720368547758.08",
        "-92233720368547758.09",
        "99999999999999999999.99",
    ),
]
DECIMALS = [Decimal(one) for one in NUMBERS]
WHOLE = [0, 1, -1, 5, 1250, -1250, 2**31, 10**15, -(2**62), 2**63 - 1, -(2**63)]
WALLS = [
    datetime(2025, 3, 30, 1, 59, 59, 999_999),
    datetime(2025, 3, 30, 2, 0),
    datetime(2025, 3, 30, 2, 30),
    datetime(2025, 3, 30, 3, 0),
    datetime(2024, 10, 27, 2, 0),
    datetime(2024, 10, 27, 2, 59, 59, 999_999),
    datetime(2024, 10, 27, 3, 0),
    datetime(2011, 12, 30, 12, 0),
    datetime(1941, 5, 1, 0, 30),
    datetime(1850, 1, 1),
    datetime(1700, 1, 1),
    datetime(2025, 6, 1, 10, 0),
    datetime(2025, 6, 1, 10, 0, 0, 1),
    datetime(2099, 12, 31, 23, 59, 59),
]
FAR = datetime(1600, 1, 1)
NOTED_DECIMALS = [Decimal("1.50"), Decimal("-3.00"), Decimal("10.00"), Decimal("0.00")]
WORDS = [
    "paid",
    "delivered",
    "PAID",
    "done",
    "it's",
    "a\\b",
    "",
    "x",
    "cancelled",
    "${env:HOME}",
    "100%",
]
NOTES = [
    "",
    "test-1",
    "a test",
    "test",
    "est-",
    "%",
    "_",
    "\\",
    "it's",
    "POST",
    "1",
    "1.5",
    "-3",
    "abc",
    "é",
]


@dataclass(frozen=True)
class Held:
    """A kind of column: its type, its values, and those of them that make no trouble."""

    kind: str
    type: Any
    values: list[Any]
    plain: list[Any]

    def column(self, chance: Random, size: int) -> pa.Array:
        """Return a column with few troubles or many: a row without any should be left."""
        trouble = chance.choice((0, 0, 0, 0.05, 0.3))
        some = [*self.values, *self.values, None]
        drawn = [
            chance.choice(some if chance.random() < trouble else self.plain) for _ in range(size)
        ]
        return pa.array(drawn, self.type)


def texts(values: list[str], plain: list[str] | None = None) -> Held:
    return Held("text", pa.string(), values, plain or values)


IDS = [
    texts(["a", "A", "b", "", "é", "1"], ["a", "A", "b", "é", "1", *map(str, range(2, 30))]),
    Held("whole", pa.int64(), [1, 2, 3, -1, 2**40], [-1, 2**40, *range(1, 30)]),
]
AMOUNTS = [
    texts(AMOUNT_TEXTS, ["12.50", "7", "0", "-3.00", "+1.50", ".50", "1250.990"]),
    Held("decimal", pa.decimal128(12, 3), DECIMALS, [Decimal("12.50"), Decimal("-7"), Decimal(0)]),
    Held("decimal", pa.decimal128(38, 9), DECIMALS, [Decimal("12.50"), Decimal("-7"), Decimal(0)]),
    Held("whole", pa.int64(), WHOLE, [0, 1, -1, 1250, -1250]),
]
QUANTITIES = [
    Held("whole", pa.int64(), [0, 1, 2, -1, 10**6], [1, 2, 3]),
    texts(["1", "2.0", "1.5", "x", "", "-3"], ["1", "2.0", "3"]),
    Held(
        "decimal",
        pa.decimal128(9, 1),
        [Decimal("1.0"), Decimal("2.5"), Decimal("-1.0")],
        [Decimal("1.0"), Decimal("2.0")],
    ),
]
SECONDS = [0, 1_700_000_000, -(10**10), 10**12, 1_750_000_000_000, -(2**62)]
TIMES = [
    Held("time", pa.timestamp("us"), [*WALLS, FAR], WALLS),
    Held(
        "instant",
        pa.timestamp("us", "UTC"),
        [one.replace(tzinfo=UTC) for one in (*WALLS, FAR)],
        [one.replace(tzinfo=UTC) for one in WALLS],
    ),
    Held("date", pa.date32(), [one.date() for one in (*WALLS, FAR)], [w.date() for w in WALLS]),
    Held("whole", pa.int64(), SECONDS, [0, 1_700_000_000, 1_750_000_000]),
    texts([*NO_TIME_TEXTS, *TIME_TEXTS, *OFFSET_TEXTS], [*TIME_TEXTS, *OFFSET_TEXTS]),
    texts([*NO_TIME_TEXTS, TIME_TEXTS[0], *OFFSET_TEXTS], OFFSET_TEXTS),
]
LINES = [
    texts(["1", "2", "a", "A", ""], ["1", "2", "3", "4", "5"]),
    Held("whole", pa.int64(), [1, 2, 3], [1, 2, 3, 4, 5]),
]
OF_ONE_ORDER = ("Buyer", "Of", "Shop", "State")
NOTED = [
    texts(NOTES),
    Held("boolean", pa.bool_(), [True, False], [True, False]),
    Held("whole", pa.int64(), [0, 1, -3, 10], [0, 1, -3, 10]),
    Held("decimal", pa.decimal128(9, 2), NOTED_DECIMALS, NOTED_DECIMALS),
]


@dataclass(frozen=True)
class Case:
    """A shop's own table, and its source."""

    table: pa.Table
    kinds: dict[str, str]
    source: crm.Source
    is_graded: bool


@st.composite
def checks(draw: st.DrawFn, columns: dict[str, str]) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(columns)))
    conditions: dict[str, Any] = {
        "starts_with": st.sampled_from(["test", "\\", "%", "1", "it'", "t"]),
        "ends_with": st.sampled_from(["test", "1", "5", "s", "e", "\\"]),
        "contains": st.sampled_from(["t", "_", "es", "'", "."]),
        "equals": st.sampled_from(["test", 1, True, "1.5", "10", "-3", "é", "100%"]),
        "in": st.lists(st.sampled_from(["POST", "${env:HOME}", 1, "a\\b", False]), min_size=1),
        "above": st.sampled_from(["0", "1.5", "-3", "1.49999999999999999999", "1" * 40]),
        "below": st.sampled_from(["0", "1.5", "12.3450000001", "-" + "1" * 40]),
        "missing": st.booleans(),
    }
    allowed = list(conditions)
    if columns[name] == "boolean":
        allowed = [one for one in allowed if one not in ("above", "below")]
    wanted = draw(st.lists(st.sampled_from(allowed), min_size=1, max_size=2, unique=True))
    return {"column": name, **{one: draw(conditions[one]) for one in wanted}}


@st.composite
def rules(draw: st.DrawFn, columns: dict[str, str]) -> dict[str, Any]:
    rule = draw(checks(columns))
    if draw(st.booleans()):
        rule["also"] = [draw(checks(columns))]
    return rule


@st.composite
def cases(draw: st.DrawFn) -> Case:
    held: dict[str, Held] = {
        "Buyer": draw(st.sampled_from(IDS)),
        "When": draw(st.sampled_from(TIMES)),
        "Note": draw(st.sampled_from(NOTED)),
    }
    columns: dict[str, Any] = {"customer_id": "Buyer", "placed_at": "When"}
    amount: dict[str, Any] = {}
    if draw(st.booleans()):
        amount["rounding"] = draw(st.sampled_from(["refuse", "half_even", "half_up", "down"]))
    way = draw(st.sampled_from(["amount", "amount_minor", "unit_price", "formula"]))
    held["Net"] = draw(st.sampled_from(AMOUNTS))
    by_line = draw(st.booleans())
    if way == "formula":
        held["Post"] = draw(st.sampled_from(AMOUNTS))
        formulas = ["Net - Post", "Net * 1.19 + Post", "0.5 * Net - 2 * Post + 1.005", "Net * Post"]
        amount["formula"] = draw(st.sampled_from(formulas))
    else:
        columns[way] = "Net"
    if way == "unit_price" or draw(st.booleans()):
        held["Count"] = draw(st.sampled_from(QUANTITIES))
        columns["quantity"] = "Count"
    if by_line and draw(st.integers(0, 2)):
        held["Line"] = draw(st.sampled_from(LINES))
        columns["line_id"] = "Line"
    if draw(st.integers(0, 3 if by_line else 1)):
        held["Order"] = draw(st.sampled_from(IDS))
        columns["order_id"] = "Order"
        if draw(st.booleans()):
            held["Of"] = held["Order"]
            columns["returns_order_id"] = "Of"
    for name, theirs, values, plain in (
        ("currency", "Money", ["EUR", "eur", "USD", ""], ["EUR"]),
        ("channel", "Shop", ["web", "it's", ""], ["web", "it's", ""]),
        ("status", "State", WORDS, ["paid", "delivered", "cancelled"]),
        ("category", "Sort", ["a", "b", ""], ["a"]),
    ):
        if draw(st.booleans()):
            held[theirs] = texts(values, plain)
            columns[name] = theirs
    known = {name: one.kind for name, one in held.items()}
    tested = {name: known[name] for name in ("Note", "State", "Net") if name in known}
    status: dict[str, Any] = {}
    if "status" in columns and draw(st.booleans()):
        status["map"] = {"done": "delivered", "it's": "paid", "a\\b": "shipped", "100%": "placed"}
    names = st.sampled_from(STATUSES)
    if draw(st.booleans()):
        status["first"] = [{**draw(rules(tested)), "status": draw(names)} for _ in range(2)]
    if draw(st.booleans()):
        status["otherwise"] = draw(names)
    excluded = [
        {**draw(rules(tested)), "reason": draw(st.sampled_from(["test", "it's \\ postage"]))}
        for _ in range(draw(st.integers(0, 2)))
    ]
    chance, size = Random(draw(st.integers(0, 2**40))), draw(st.integers(0, 40))
    table = pa.table({name: one.column(chance, size) for name, one in held.items()})
    if by_line and "Order" in held:
        table = grouped(table, chance)
    # Rows that repeat others.
    again = [chance.randrange(size) for _ in range(chance.choice((0, 1, 5)))] if size else []
    table = pa.concat_tables([table, table.take(pa.array(again, pa.int64()))])
    stated = held["When"].plain != OFFSET_TEXTS or draw(st.booleans())
    source = crm.load_source(
        {
            "currency": {"code": "EUR", "exponent": draw(st.sampled_from([0, 2, 3]))},
            "rows": "lines" if by_line else "orders",
            **({"zone": draw(st.sampled_from(ZONES))} if stated else {}),
            "time_unit": draw(st.sampled_from(["s", "ms", "us"])),
            "columns": columns,
            "amount": amount,
            "status": status,
            "exclude": excluded,
        }
    )
    return Case(table, known, source, is_graded=draw(st.integers(0, 2)) == 0)


def grouped(table: pa.Table, chance: Random) -> pa.Table:
    """Lines of few orders, most of which agree in what an order has once."""
    if not len(table):
        return table
    few = [chance.randrange(min(len(table), 8)) for _ in range(len(table))]
    strays = chance.choice((0, 0, 0.1))
    first = [row if chance.random() < strays else few[row] for row in range(len(table))]
    for name in (one for one in ("Order", *OF_ONE_ORDER) if one in table.column_names):
        rows = few if name == "Order" else first
        column = table.column(name).take(pa.array(rows))
        table = table.set_column(table.column_names.index(name), name, column)
    return table


# The two ways


def item(raw: Raw | None, row: int) -> Any:
    if raw is None or (raw.missing is not None and raw.missing[row]):
        return None
    return raw.item(row)


def by_package(case: Case) -> tuple[Counter[Any], Counter[Any]]:
    """The canonical rows and the account, as the package has them."""
    standard = standardise(raw_columns(case.table), case.source)
    done = prepare(standard, by_line=case.source.rows == "lines", zone=zone("UTC"))
    rows = done.rows
    found = Counter(
        (
            item(rows.customer_id, at),
            item(rows.order_id, at),
            item(rows.returns_order_id, at),
            int(rows.placed_us[at]),
            int(rows.amount_minor[at]),
            None if rows.status is None else STATUSES[rows.status[at]],
            None
            if rows.quantity is None
            or (rows.quantity_known is not None and not rows.quantity_known[at])
            else int(rows.quantity[at]),
            item(rows.channel, at),
        )
        for at in range(rows.rows)
    )
    account = Counter({(one.kind, one.reason): one.rows for one in done.intake.left_out})
    account["kept", None] = done.intake.kept
    return found, +account


NAMES = (
    "customer_id",
    "order_id",
    "returns_order_id",
    "placed_us",
    "amount_minor",
    "status",
    "quantity",
    "channel",
)


def canonical(case: Case, dialect: str, bad_rows: Any = "set_aside") -> str:
    """A query for the canonical rows of a table."""
    engine = DIALECTS[dialect]
    reading = Reading.of(case.source, case.kinds, engine, "given", bad_rows=bad_rows)
    names = [name for name in NAMES if reading.columns("customer_id").get(name)]
    columns = {name: nodes.column(name, reading.given) for name in names}
    query = nodes.select(columns, nodes.table(reading.given))
    for name, part in reading.parts("customer_id"):
        query = query.with_(nodes.identifier(name), as_=part, copy=False)
    return engine.write(query, 100)


def by_engine(case: Case, engine: Engine) -> tuple[Counter[Any], Counter[Any]]:
    query = canonical(case, engine.dialect)
    rows = engine.fetch(query).to_pylist()
    found = Counter(tuple(row.get(name) for name in NAMES) for row in rows)
    account = to_sql_account(case.source, kinds=case.kinds, dialect=engine.dialect, orders="given")
    counted = engine.fetch(account).to_pylist()
    return found, +Counter({(one["kind"], one["reason"]): one["rows"] for one in counted})


def is_too_long(error: Exception) -> bool:
    return "more digits than" in str(error)


def policy_of(source: crm.Source) -> crm.Policy:
    """A policy whose facts read every column that rows are made of."""
    return crm.load_policy(
        {
            "extends": "classic",
            "format": 1,
            "name": "source",
            "zone": source.zone or "UTC",
            "currency": {"code": "EUR", "exponent": source.currency.exponent},
            "facts": {
                "pieces": {"of": "order", "take": "sum", "field": "quantity"},
                "channels": {"of": "order", "take": "distinct", "field": "channel"},
                "given_back": {"of": "return", "take": "count"},
                "first_ever_at": {"of": "order", "take": "first"},
            },
        }
    )


def graded_by_package(case: Case) -> list[dict[str, Any]]:
    orders = crm.OrderTable.from_frame(case.table, case.source)
    rows: list[dict[str, Any]]
    rows = crm.evaluate(policy_of(case.source), orders, as_of=AS_OF).to_frame().to_pylist()
    return rows


def graded_by_engine(case: Case, engine: Engine) -> list[dict[str, Any]]:
    query = to_sql(
        policy_of(case.source),
        dialect=engine.dialect,
        orders="given",
        source=case.source,
        kinds=case.kinds,
        bad_rows="set_aside",
        as_of=AS_OF,
    )
    rows: list[dict[str, Any]] = engine.fetch(query).to_pylist()
    return rows


def or_refused(found: Callable[[], Any], refusals: tuple[type[Exception], ...]) -> Any:
    """What is found, or that it is refused; nothing where a number is too long for a query."""
    try:
        return found()
    except refusals as error:
        return None if is_too_long(error) else "refused"


def differences(case: Case, engine: Engine, *, graded: bool) -> list[Any]:
    """What the engine has otherwise than the package: rows, account and grades."""
    ways = [(partial(by_package, case), partial(by_engine, case, engine))]
    if graded:
        ways.append((partial(graded_by_package, case), partial(graded_by_engine, case, engine)))
    found = []
    for package, by_query in ways:
        told = or_refused(by_query, engine.failure)
        wanted = or_refused(package, (crm.DataError,))
        found += [] if told is None or told == wanted else [(told, wanted)]
    return found


def same(case: Case, engine: Engine, *, graded: bool) -> None:
    assert not differences(case, engine, graded=graded)


@given(case=cases(), session=st.sampled_from(SESSION_ZONES))
@CASES
def test_duckdb_reads_rows_as_the_package_does(case: Case, session: str, engines: Engines) -> None:
    with engines.open("duckdb", zone=session) as engine:
        engine.load({"given": case.table})
        same(case, engine, graded=case.is_graded)


@every("postgres")
@given(case=cases(), session=st.sampled_from(SESSION_ZONES))
@FEW
def test_postgres_reads_rows_as_the_package_does(
    kind: str, case: Case, session: str, engines: Engines
) -> None:
    with engines.open(kind, zone=session) as engine:
        engine.connection.execute("set standard_conforming_strings = off")
        engine.load({"given": case.table})
        same(case, engine, graded=case.is_graded)


@every("spark", "spark ansi")
@given(case=cases(), session=st.sampled_from(SESSION_ZONES))
@FEWER
def test_spark_reads_rows_as_the_package_does(
    kind: str, case: Case, session: str, engines: Engines
) -> None:
    with engines.open(kind, zone=session) as engine:
        uncompiled(engine)
        engine.load({"given": case.table})
        same(case, engine, graded=MANY and case.is_graded)


# That it would be noticed

WALL_OFFSETS = Zone.wall_offsets


def other_way(zone: Zone, first: int, last: int) -> Iterator[tuple[int, int, int]]:
    return ((low, high, -offset) for low, high, offset in WALL_OFFSETS(zone, first, last))


def has_short_numbers(case: Case) -> bool:
    return "text" not in {case.kinds.get(name) for name in ("Net", "Post", "Count")}


def is_far_from_utc(case: Case) -> bool:
    is_local = case.kinds["When"] in ("time", "date") and case.source.zone != "UTC"
    return is_local and bool(by_package(case)[0])


def sets_aside(case: Case, reason: str) -> bool:
    return ("quarantined", reason) in by_package(case)[1]


DEFECTS: dict[str, tuple[tuple[Any, str, Any], Callable[[Case], bool]]] = {
    "an offset is added": ((Zone, "wall_offsets", other_way), is_far_from_utc),
    "rows of one key do not conflict": (
        (Folding, "_several", lambda *_: nodes.truth(False)),
        partial(sets_aside, reason="conflicting_duplicate"),
    ),
    "lines of one order do not conflict": (
        (Folding, "_in_groups", lambda *_: nodes.number(1)),
        partial(sets_aside, reason="conflicting_order"),
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_of_the_query_is_noticed(
    defect: str, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, is_touched = DEFECTS[defect]
    wanted = settings(CASES, max_examples=1_000, phases=[Phase.generate], derandomize=True)
    case = find(cases(), lambda one: has_short_numbers(one) and is_touched(one), settings=wanted)
    with engines.open("duckdb") as engine:
        engine.load({"given": case.table})
        same(case, engine, graded=False)
        monkeypatch.setattr(*change)
        assert differences(case, engine, graded=False)
