"""Broken policies without number: what loads must evaluate, and what does not, be refused well.

    python tests/fuzz_policies.py --inputs 200000 --processes 2

Presets and random policies are changed at random: keys and values swapped, parts of one put into
another, tokens of conditions exchanged, bytes changed. Each is given as a mapping or as TOML or
JSON text. Only a `PolicyError` may be raised; a policy that loads is evaluated for random
customers whose facts fit its schema, and must not raise at all. The same seed always gives the
same inputs.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import tomllib
import traceback
import unicodedata
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

import crmcore as crm
from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.errors import DataError, PolicyError
from crmcore.facts.table import FactTable
from crmcore.policy import Policy, load_policy, presets
from crmcore.policy.printing import to_toml
from crmcore.records.ids import Ids

ROWS = 9
BATCH = 500
FILES = Path(__file__).parent / "hostile" / "files"
DAYS = (
    date(2024, 2, 29),
    date(2025, 6, 30),
    date(1970, 1, 1),
    date(1700, 3, 1),
    date(9999, 12, 31),
)
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_@:]+|[0-9.]+|\s+|[<>=!]=|.', re.DOTALL)

NASTY: tuple[Any, ...] = (
    *(True, False, 0, 1, -1, 5, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, 10**40),
    *(0.5, 1.0, -0.0, 1e300, float("nan"), float("inf"), Decimal("1e999"), Decimal("0.1")),
    *("", " ", "x", "A", "é", "\u0430", "\u202e", "\u200b", "\x00", "\x1b[0m", "\ud800"),
    *("a" * 64, "a" * 65, "a" * 5_000, "1 year", "30 days", "0 days", "@grade", "@", "live"),
    *("300.00", "300.005", "-1", "1e3", "2024-01-31", "2024-02-30", "UTC", "Mars/Base", "classic"),
    *("blocked", "sale_count > 3", "sale_count", "true", "unknown", "class", "grade", "score"),
    *([], {}, [[]], [[1, 1]], [["1 year", 1]], [["blocked", "a"]], [1, 2, 3], {"a": 1}, {"": {}}),
    *(date(2024, 1, 31), date(1, 1, 1), date(9999, 12, 31), datetime(2024, 1, 1), None),
    *({"op": "field", "name": "blocked"}, {"op": "not", "term": {"op": "bool", "value": True}}),
    *({"op": "and", "terms": []}, {"op": "integer", "value": 1}, {"op": "?"}, {"calendar": "year"}),
)


# Random policies, most of which load.

INTS = ("sale_count", "order_count", "days_since_last_sale", "product_count", "age", "mine")
MONEY = ("net_sales", "min_sale", "max_sale")
DATES = ("last_sale_on", "first_sale_on", "registered_on", "since")
INSTANTS = ("first_order_at", "as_of", "last_evaluated_at")
FLAGS = ("blocked", "tag:vip", "vip")


class Maker:
    """Makes random policies and conditions."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def policy(self) -> dict[str, Any]:
        rng = self.rng
        table: dict[str, Any] = {
            "format": 1,
            "name": rng.choice(("shop", "other")),
            "zone": rng.choice(("UTC", "Asia/Shanghai", "America/St_Johns", "Pacific/Apia")),
            "currency": rng.choice(
                ({"code": "EUR", "exponent": 2}, {"code": "JPY", "exponent": 0})
            ),
            "sale_statuses": rng.sample(["placed", "paid", "shipped", "delivered"], 2),
            "windows": {
                "period": rng.choice(("1 year", "90 days", {"tiles": "1 month"})),
                "season": {"calendar": "quarter", "back": rng.randrange(3)},
            },
            "attributes": {
                "city": "text",
                "size": {"type": "label", "values": ["s", "m", "l"], "ordered": True},
                "kind": {"type": "label", "values": ["new", "old"], "personal": False},
                "age": "int",
                "height": "float",
                "since": "date",
                "vip": "bool",
            },
            "facts": {
                "mine": {"of": "sale", "take": "count", "in": "period", "where": self.filter()},
                "mean_gap": {"of": "order", "take": "mean", "field": "gap_days"},
            },
            "scores": self.scores(),
        }
        if rng.random() < 0.5:
            table["evaluation"] = {"every": rng.choice(("1 month", "2 weeks")), "anchor": DAYS[0]}
        if rng.random() < 0.7:
            edges = sorted(rng.sample(range(-5, 60), 3))
            labels = rng.sample(["low", "middle", "high", "top"], 3)
            rows = [list(pair) for pair in zip(edges, labels, strict=True)]
            table["grade"] = {"score": "score", "from": rows}
        for name in ("class", "segment", "stage"):
            if rng.random() < 0.6:
                table[name] = self.first_match()
        return table

    def scores(self) -> dict[str, Any]:
        rng = self.rng
        points = sorted(rng.sample(range(10), 4))
        counts = sorted(rng.sample(range(1, 40), 4))
        amounts = [f"{edge}.00" for edge in sorted(rng.sample(range(1, 3_000), 4))]
        spans = ["1 month", "3 months", "1 year", "1000 years"]
        scores: dict[str, Any] = {
            "r": {
                "fact": rng.choice(("last_sale_on", "first_order_at")),
                "within": [list(row) for row in zip(spans, points[::-1], strict=True)],
                "missing": 0,
            },
            "f": {"fact": "mine", "from": [list(row) for row in zip(counts, points, strict=True)]},
            "m": {
                "fact": rng.choice(("net_sales", "mean_sale")),
                "from": [list(row) for row in zip(amounts, points, strict=True)],
            },
            "score": {"weights": {"r": rng.randint(1, 9), "f": 3, "m": rng.choice((-2, 4))}},
        }
        if rng.random() < 0.5:
            scores["cell"] = {"cell": ["r", "f", "m"]}
        return scores

    def first_match(self) -> dict[str, Any]:
        rng = self.rng
        labels = ("alpha", "beta", "gamma", "delta")
        rows = [[self.condition(3), rng.choice(labels)] for _ in range(rng.randint(1, 4))]
        table: dict[str, Any] = {"first": rows, "unknown": rng.choice(("skip", "default"))}
        if rng.random() < 0.6:
            table["otherwise"] = "other"
        return table

    def filter(self) -> str:
        return self.rng.choice(
            ('channel == "web"', "promotion is known", "quantity >= 2", 'amount > "10.00"')
        )

    def condition(self, depth: int) -> str:
        rng = self.rng
        if depth == 0 or rng.random() < 0.2:
            return rng.choice((*FLAGS, "true", self.test(0)))
        match rng.randrange(6):
            case 0 | 1:
                word = rng.choice((" and ", " or "))
                terms = [self.condition(depth - 1) for _ in range(rng.randint(2, 3))]
                return f"({word.join(terms)})"
            case 2:
                return f"not {self.test(depth - 1)}"
            case _:
                return self.test(depth - 1)

    def test(self, depth: int) -> str:
        rng = self.rng
        if rng.random() < 0.2:
            return rng.choice(
                ('city == "Berlin"', 'size >= "m"', 'kind != "new"', 'size in ["s", "l"]', "vip")
            )
        make = rng.choice((self.int_, self.int_, self.money, self.date, self.instant, self.float_))
        left, right = make(max(1, depth)), make(depth)
        match rng.randrange(8):
            case 0:
                above, below = rng.choice(("", "above ")), rng.choice(("", "below "))
                return f"({left} between {above}{right} and {below}{make(depth)})"
            case 1 if make in (self.int_, self.money):
                return f"{left} {rng.choice(('in', 'not in'))} [{rng.randint(0, 9)}, 0, 1]"
            case 2:
                return f"{left} is {rng.choice(('known', 'unknown'))}"
            case 3:
                return f"mean_sale {rng.choice(('<', '>='))} {self.money(depth)}"
            case _:
                return f"{left} {rng.choice(('==', '!=', '<', '<=', '>', '>='))} {right}"

    def int_(self, depth: int) -> str:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.4:
            return rng.choice((*INTS, str(rng.randint(-9, 99)))[: 6 if depth else 7])
        a, b = self.int_(depth - 1), self.int_(depth - 1)
        match rng.randrange(6):
            case 0:
                return f"({a} {rng.choice('+-')} {b})"
            case 1:
                return f"{a} * {rng.randint(-3, 9)}"
            case 2:
                return f"days_between({self.date(depth - 1)}, {self.instant(depth - 1)})"
            case 3:
                return f"band({a}, 1: 1, 5: {rng.randint(-9, 9)}, else: 0)"
            case 4:
                return f"case({self.condition(depth - 1)}: {a}, else: {b})"
            case _:
                return a

    def money(self, depth: int) -> str:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.4:
            return rng.choice((*MONEY, str(rng.randint(-9, 999)))[: 3 if depth else 4])
        a, b = self.money(depth - 1), self.money(depth - 1)
        match rng.randrange(4):
            case 0:
                return f"({a} {rng.choice('+-')} {b})"
            case 1:
                return f"{rng.choice(MONEY)} * {rng.choice(('2', '0.19', '-1.5'))}"
            case 2:
                count = rng.choice(("sale_count", "mine", "4"))
                return f"divide({a}, {count}, {rng.choice(('0', 'unknown'))})"
            case _:
                return f"case({self.condition(depth - 1)}: {a}, else: {b})"

    def date(self, depth: int) -> str:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.5:
            return rng.choice((*DATES, '"2024-01-31"'))
        name = rng.choice(("shift_days", "shift_months"))
        return f"{name}({self.date(depth - 1)}, {self.int_(depth - 1)})"

    def instant(self, depth: int) -> str:
        return self.rng.choice((*INSTANTS, '"2024-01-31T09:00:00+08:00"'))

    def float_(self, depth: int) -> str:
        rng = self.rng
        plain = rng.choice(("gap_spread_days", "height", "2.5"))
        return plain if depth <= 0 else f"({plain} {rng.choice('+-*')} {self.float_(depth - 1)})"


# Changes


class Breaker:
    """Changes policies at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.maker = Maker(rng)
        self.texts = [presets.text(name) for name in presets.names()]
        self.texts += [path.read_text("utf-8", "replace") for path in sorted(FILES.glob("*.toml"))]
        self.tables = [tomllib.loads(presets.text(name)) for name in presets.names()]
        self.tokens = sorted(
            {token for text in self.texts for token in TOKEN.findall(text[:4_000])}
        )
        words = ("divide(", "band(", "case(", "shift_days(", "else:", "unknown", "between above")
        self.words = (*INTS, *MONEY, *DATES, *FLAGS, *words, *"+-*/()[],:", "==", "<", "and", "not")

    def source(self) -> object:
        rng = self.rng
        kind = rng.random()
        if kind < 0.15:
            return self.text(rng.choice(self.texts))
        table = self.maker.policy() if kind < 0.75 else copy.deepcopy(rng.choice(self.tables))
        for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 3, 6))):
            self.change(table)
        return self.given(table)

    def given(self, table: dict[str, Any]) -> object:
        """Return a table as a mapping, or as text, now and then with some bytes changed."""
        rng = self.rng
        form = rng.random()
        if form < 0.6:
            return table
        try:
            plain = load_json(table) if form < 0.8 else to_toml(table)
        except (TypeError, ValueError, AttributeError):  # it holds what the format cannot
            return table
        return self.text(plain) if rng.random() < 0.3 else plain

    def change(self, table: dict[str, Any]) -> None:
        rng = self.rng
        places = list(walk(table))
        if not places:
            return
        holder, key = rng.choice(places)
        other, other_key = rng.choice(places)
        match rng.randrange(9):
            case 0:
                holder[key] = copy.deepcopy(rng.choice(NASTY))
            case 1:
                holder[key], other[other_key] = copy.deepcopy((other[other_key], holder[key]))
            case 2 if isinstance(holder, dict):
                holder[str(rng.choice((other_key, rng.choice(NASTY), "class", "from")))] = (
                    holder.pop(key)
                )
            case 3:
                del holder[key]
            case 4 if isinstance(holder, list):
                holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
            case 4 | 5:
                source = self.maker.policy()
                place, its_key = rng.choice(list(walk(source)))
                holder[key] = place[its_key]
            case 6:
                holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])))
            case _:
                self.change_condition(places)

    def change_condition(self, places: list[tuple[Any, Any]]) -> None:
        rng = self.rng
        texts = [(holder, key) for holder, key in places if " " in str(holder[key])]
        if not texts:
            return
        holder, key = rng.choice(texts)
        if isinstance(holder[key], str):
            tokens = TOKEN.findall(holder[key])
            holder[key] = "".join(self.shuffled(tokens, self.words)) if tokens else "blocked"

    def text(self, text: str) -> str:
        rng = self.rng
        match rng.randrange(4):
            case 0:
                tokens = TOKEN.findall(text)
                return "".join(self.shuffled(tokens, self.tokens)) if tokens else "="
            case 1:
                lines = text.splitlines() or [""]
                other = rng.choice(self.texts).splitlines() or [""]
                return "\n".join(self.shuffled(lines, other))
            case 2:
                other_text = rng.choice(self.texts)
                here, there = rng.randrange(len(text) + 1), rng.randrange(len(other_text) + 1)
                return text[:here] + other_text[there:] + "\n"
            case _:
                letters = list(text) or ["="]
                return (
                    "".join(self.shuffled(letters, "\"'[]{}=.,#\n\t\\ 0eé\u202e\x00\ud800")) + "\n"
                )

    def shuffled(self, parts: list[str], pool: Any) -> list[str]:
        """Return the parts with a few exchanged, left out, doubled, or put in from elsewhere."""
        rng = self.rng
        parts = list(parts)
        for _ in range(rng.choice((1, 1, 2, 4))):
            if not parts:
                break
            at = rng.randrange(len(parts))
            match rng.randrange(4):
                case 0:
                    parts[at] = rng.choice(pool)
                case 1:
                    del parts[at]
                case 2:
                    parts.insert(at, rng.choice(pool))
                case _:
                    to = rng.randrange(len(parts))
                    parts[at], parts[to] = parts[to], parts[at]
        return parts


def load_json(table: object) -> str:
    def other(value: object) -> object:
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return float(value)
        raise TypeError

    return json.dumps(table, default=other)


def walk(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in a document: what holds it, and its key there."""
    places: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        holder = stack.pop()
        inner = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        for key, one in inner:
            places.append((holder, key))
            if isinstance(one, dict | list):
                stack.append(one)
    return places


# Customers


def facts_for(policy: Policy, rng: random.Random) -> FactTable:
    """Return customers whose facts are anything that their types allow."""
    names = (*policy.facts, *policy.attributes)
    columns = {name: column_of(policy.fields[name], rng) for name in names}
    return FactTable(Ids(np.arange(ROWS)), columns)


def column_of(type_: FieldType, rng: random.Random) -> Column:
    low, high = type_.domain
    near = (low, low + 1, -1, 0, 1, 2, 3, 100, 30_000, high - 1, high)
    inside = [one for one in near if low <= one <= high] or [0]
    known = None
    if type_.nullable:
        known = np.array([rng.random() < 0.8 for _ in range(ROWS)])
    categories = type_.categories
    divisor = None
    values: Any
    match type_.kind:
        case "bool":
            values = np.array([rng.random() < 0.5 for _ in range(ROWS)])
        case "float":
            values = np.array(rng.choices((0.0, -0.0, 0.1, -2.5, 1e308, 5e-324), k=ROWS))
        case "text":
            values = np.array(rng.choices(("", "Berlin", "é\0"), k=ROWS), np.object_)
        case "label":
            categories = categories or ("a", "b")
            values = np.array(rng.choices(range(len(categories)), k=ROWS), np.int64)
        case _:
            values = np.array([self_or_random(inside, low, high, rng) for _ in range(ROWS)])
    if type_.kind == "ratio":
        divisor = np.array(rng.choices((1, 2, 3, 7, type_.greatest_divisor), k=ROWS), np.int64)
    return Column(type_.kind, values, known, divisor, type_.exponent, categories)


def self_or_random(near: list[int], low: int, high: int, rng: random.Random) -> int:
    return rng.choice(near) if rng.random() < 0.7 else rng.randint(low, high)


# The run


@dataclass
class Tally:
    """What came of the inputs."""

    inputs: int = 0
    loads: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.inputs += other.inputs
        self.loads += other.loads
        self.codes += other.codes
        self.slowest = sorted([*self.slowest, *other.slowest], reverse=True)[:5]
        self.failures += other.failures


def run(seed: int, inputs: int) -> Tally:
    """Try so many inputs; the same seed gives the same ones."""
    rng = random.Random(seed)
    breaker, tally = Breaker(rng), Tally()
    for at in range(inputs):
        name = f"seed {seed}, input {at}"
        source = breaker.source()
        started = process_time()
        try:
            outcome = tried(source, rng, tally)
        except Exception:
            tally.failures.append(f"{name}: {traceback.format_exc(limit=-4)}\n{source!r:.3000}")
            outcome = "failed"
        tally.slowest.append((process_time() - started, f"{name}: {outcome}"))
        if len(tally.slowest) > 100:
            tally.slowest = sorted(tally.slowest, reverse=True)[:5]
        tally.inputs += 1
    return tally


def tried(source: Any, rng: random.Random, tally: Tally) -> str:
    try:
        policy = load_policy(source)
    except PolicyError as error:
        shown = str(error)
        hidden = {unicodedata.category(one) for one in shown if one != "\n"} & {"Cc", "Cf", "Cs"}
        if hidden or not error.problems:
            raise AssertionError("the message is not fit to be shown") from error
        tally.codes.update({problem.code for problem in error.problems})
        return "refused"
    tally.loads += 1
    refuses = any(table.get("unknown") == "error" for table in tables_of(policy))
    try:
        result = crm.evaluate_facts(policy, facts_for(policy, rng), as_of=rng.choice(DAYS))
    except DataError:
        if not refuses:
            raise
        return "loaded, and refuses what is unknown"
    if tally.loads % 16 == 0:
        str(result.explain(rng.randrange(ROWS)))
    if tally.loads % 4 == 0:
        assert load_policy(policy.to_toml()) == policy
    return "loaded"


def tables_of(policy: Policy) -> list[dict[str, Any]]:
    found = [policy.document.get(name) for name in ("class", "segment", "stage")]
    return [table for table in found if isinstance(table, dict)]


def batches(first: int, inputs: int) -> list[tuple[int, int]]:
    starts = range(0, inputs, BATCH)
    return [(first + at, min(BATCH, inputs - start)) for at, start in enumerate(starts)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Broken policies without number.")
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    started = perf_counter()
    tally = Tally()
    with ProcessPoolExecutor(arguments.processes) as pool:
        seeds, counts = zip(*batches(arguments.seed, arguments.inputs), strict=True)
        for part in pool.map(run, seeds, counts):
            tally.add(part)
            if tally.inputs % 20_000 == 0:
                print(f"{tally.inputs:,} …", flush=True)
    seconds = perf_counter() - started
    print(f"inputs {tally.inputs:,}; loaded and evaluated {tally.loads:,}; {seconds:,.0f} s")
    print(f"failures {len(tally.failures)}")
    for code, count in tally.codes.most_common():
        print(f"  {code:20} {count:>8,}")
    for spent, name in tally.slowest:
        print(f"  {spent * 1e3:6.0f} ms  {name}")
    for failure in tally.failures[:20]:
        print(failure)
    raise SystemExit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()
