"""Random conditions over fields of every kind, and random customers full of edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import reference
from hypothesis import strategies as st

from crmcore.calendars import day_number, instant_us, zone
from crmcore.columns import Column, Value
from crmcore.conditions import Bound, FieldType, bind
from crmcore.conditions.language import tree

TIERS = ("bronze", "silver", "gold")
CITIES = ("ß", "ss", "e\u0301", "\u00e9", "")
FIELDS: Mapping[str, FieldType] = {
    "count": FieldType("int", low=-1000, high=1000),
    "count_before": FieldType("int", low=0, high=12, nullable=False),
    "count_ever": FieldType("int"),
    "total": FieldType("money", 2, low=-(10**6), high=10**6),
    "total_ever": FieldType("money", 2),
    "mean": FieldType("ratio", 2, low=-(10**6), high=10**6, divisor=1000),
    "share": FieldType("ratio", low=0, high=1000, divisor=1000),
    "spread": FieldType("float"),
    "spread_before": FieldType("float"),
    "blocked": FieldType("bool", nullable=False),
    "tag:vip": FieldType("bool"),
    "bought_on": FieldType("date"),
    "joined_on": FieldType("date"),
    "seen_at": FieldType("instant"),
    "as_of": FieldType("instant"),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "tier_before": FieldType("label", categories=TIERS, ordered=True),
    "channel": FieldType("label"),
    "city": FieldType("text"),
}
ZONES = ("UTC", "Asia/Shanghai", "America/St_Johns", "Pacific/Apia", "Africa/Cairo")
INT64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-6, 6)
DAYS = (
    *(date(2024, 1, 31), date(2024, 3, 31)) * 2,
    date(2024, 2, 1),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 3, 31),
)
FAR_DAYS = (
    date(1677, 1, 1),
    date(1900, 2, 28),
    date(1970, 1, 1),
    date(2011, 12, 29),
    date(2011, 12, 31),
    date(9999, 11, 30),
    date.max,
)
"""Ends of the calendar, and the days around one that Apia never had."""
INSTANTS = (
    datetime(2024, 1, 31, 3, 29, 59, 999_999, tzinfo=UTC),  # the day before in St. John's
    datetime(2024, 1, 31, 16, tzinfo=UTC),  # the day after in Shanghai
    datetime(2024, 2, 29, 15, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, 16, tzinfo=UTC),
    datetime(2024, 2, 29, 22, tzinfo=UTC),  # the day after in Cairo
)
FAR_INSTANTS = (
    datetime(1677, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2010, 11, 7, 2, 30, 59, 999_999, tzinfo=UTC),  # St. John's goes back over midnight
    datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
    datetime(2010, 11, 7, 3, 30, tzinfo=UTC),
    datetime(2011, 12, 30, 9, 59, 59, 999_999, tzinfo=UTC),  # Apia goes to the other side
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2024, 10, 31, 21, 30, tzinfo=UTC),  # Cairo's last hour comes twice
    datetime.max.replace(tzinfo=UTC),
)
SOME_DAYS = st.sampled_from((*DAYS * 3, *FAR_DAYS))
SOME_INSTANTS = st.sampled_from((*INSTANTS * 3, *FAR_INSTANTS))
FLOATS = (-1.5, -0.0, 0.0, 0.1, 0.2, 2.0, 1e308, 1e308, -1e308, 5e-324)


# --- literals and fields -----------------------------------------------------------------------

Strategy = st.SearchStrategy[tree.Operand]
Conditions = st.SearchStrategy[tree.Condition]


def ref(*names: str) -> Strategy:
    return st.sampled_from(names).map(lambda name: tree.FieldRef(name=name))


def number(value: int | Decimal) -> tree.LiteralValue:
    if isinstance(value, int):
        return tree.IntegerValue(value=value)
    return tree.DecimalValue(value=value)


def text(value: object) -> tree.TextValue:
    return tree.TextValue(value=value.isoformat() if isinstance(value, date) else str(value))


SMALL = st.integers(-6, 6).map(number)
DECIMALS = st.decimals(-6, 6, places=3).map(number)
NUMBERS = SMALL | DECIMALS
AMOUNTS = SMALL | st.decimals(-6, 6, places=2).map(number)
DAY_TEXTS = SOME_DAYS.map(text)
LITERALS: Mapping[str, st.SearchStrategy[tree.LiteralValue]] = {
    "int": NUMBERS | INT64.map(number),
    "money": AMOUNTS | st.sampled_from(["3", "-0.50"]).map(text),
    "ratio": NUMBERS | st.decimals(-6, 6, places=20).map(number),
    "float": NUMBERS,
    "bool": st.booleans().map(lambda value: tree.BoolValue(value=value)),
    "date": DAY_TEXTS,
    "instant": SOME_INSTANTS.map(text),
    "label": st.sampled_from(TIERS).map(text),
    "text": st.sampled_from(CITIES).map(text),
}
ALL_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
EQUALITY = st.sampled_from(["==", "!="])
ORDERED = tuple(name for name, type_ in FIELDS.items() if type_.kind not in ("bool", "text"))
COMPARED = tuple(name for name in ORDERED if name not in ("as_of", "channel"))
UNORDERED = ("blocked", "tag:vip", "city", "channel")


# --- a field and literals ----------------------------------------------------------------------


@st.composite
def comparisons(draw: st.DrawFn) -> tree.Condition:
    name = draw(st.sampled_from(COMPARED + UNORDERED))
    op = draw(ALL_OPS if name in COMPARED else EQUALITY)
    sides: list[tree.Operand] = [tree.FieldRef(name=name), draw(LITERALS[FIELDS[name].kind])]
    if draw(st.booleans()):
        sides.reverse()
    return tree.Comparison(op=op, left=sides[0], right=sides[1])


PAIRS = (
    ("count", "count_before"),
    ("count_ever", "count"),
    ("count_ever", "share"),
    ("share", "share"),
    ("total", "mean"),
    ("mean", "total_ever"),
    ("spread", "spread_before"),
    ("seen_at", "as_of"),
    ("tier", "tier_before"),
    ("bought_on", "joined_on"),
)


@st.composite
def pairs(draw: st.DrawFn) -> tree.Condition:
    left, right = draw(st.sampled_from(PAIRS))
    return tree.Comparison(
        op=draw(ALL_OPS), left=tree.FieldRef(name=left), right=tree.FieldRef(name=right)
    )


EDGES = st.sampled_from(["both", "low", "high", "neither"])


@st.composite
def betweens(draw: st.DrawFn) -> tree.Condition:
    name = draw(st.sampled_from(COMPARED))
    low, high = draw(st.lists(LITERALS[FIELDS[name].kind], min_size=2, max_size=2))
    return tree.Between(item=tree.FieldRef(name=name), low=low, high=high, edges=draw(EDGES))


@st.composite
def memberships(draw: st.DrawFn) -> tree.Condition:
    name = draw(st.sampled_from(COMPARED + UNORDERED))
    items = draw(st.lists(LITERALS[FIELDS[name].kind], min_size=1, max_size=25))
    op = draw(st.sampled_from(["in", "not_in"]))
    return tree.Membership(op=op, item=tree.FieldRef(name=name), items=tuple(items))


KNOWN_OPS = st.sampled_from(["is_known", "is_unknown"])
KNOWN_TESTS = st.builds(tree.KnownTest, op=KNOWN_OPS, item=ref(*FIELDS))
SIMPLE: Conditions = (
    comparisons()
    | pairs()
    | betweens()
    | memberships()
    | KNOWN_TESTS
    | ref("blocked", "tag:vip")
    | st.sampled_from([tree.BoolValue(value=True), tree.BoolValue(value=False)])
)


# --- expressions -------------------------------------------------------------------------------

NAMES: Mapping[str, tuple[str, ...]] = {
    "whole": ("count", "count_before"),
    "plain": ("count", "count_before", "share"),
    "amount": ("total", "mean"),
    "float": ("spread", "spread_before"),
    "date": ("bought_on", "joined_on"),
    "day": ("bought_on", "joined_on", "seen_at", "as_of"),
    "label": ("tier", "tier_before"),
    "bool": ("tag:vip",),
    "text": ("city",),
}
BESIDE: Mapping[str, st.SearchStrategy[tree.LiteralValue]] = {
    "whole": NUMBERS,
    "plain": NUMBERS,
    "amount": AMOUNTS,
    "float": NUMBERS,
    "date": DAY_TEXTS,
    "day": DAY_TEXTS,
    "label": LITERALS["label"],
    "bool": LITERALS["bool"],
    "text": LITERALS["text"],
}
FORMS: Mapping[str, tuple[str, ...]] = {
    "whole": ("days", "band"),
    "plain": ("days", "days", "band", "+", "-", "*", "divide", "divide", "case"),
    "amount": ("+", "-", "*", "divide", "case"),
    "float": ("+", "-", "*", "divide", "case"),
    "date": ("shift", "shift", "case"),
    "day": ("shift", "shift"),
    "label": ("case",),
    "bool": ("case",),
    "text": ("case",),
}
"""What a value of each kind can be made with; ``whole`` and ``day`` are parts of others."""


def value(draw: st.DrawFn, kind: str, depth: int) -> tree.Operand:
    """A value of a kind, never a literal alone."""
    if not depth or draw(st.integers(0, 3)) == 0:
        return tree.FieldRef(name=draw(st.sampled_from(NAMES[kind])))
    return made(draw, kind, draw(st.sampled_from(FORMS[kind])), depth - 1)


def made(draw: st.DrawFn, kind: str, form: str, depth: int) -> tree.Operand:
    """A value of a kind in one of its forms, made of values of this depth."""
    match form:
        case "+" | "-" | "*":
            return arithmetic(draw, kind, form, depth)
        case "divide":
            return quotient(draw, kind, depth)
        case "case":
            return choice(draw, kind, depth)
        case "band":
            return band(draw, depth)
        case "days":
            return tree.DaysBetween(
                start=value(draw, "day", depth), end=operand(draw, "day", depth)
            )
        case _:
            near = st.sampled_from([-2, -1, -1, 0, 1, 1, 2])
            count = near | near | st.integers(-31, 31) | st.integers(-(10**5), 10**5)
            moved = draw(count.map(number)) if draw(st.booleans()) else None
            return tree.Shift(
                op=draw(st.sampled_from(["shift_days", "shift_months"])),
                day=value(draw, "day", depth),
                count=moved or value(draw, "whole", depth),
            )


def operand(draw: st.DrawFn, kind: str, depth: int) -> tree.Operand:
    """A value of a kind or a literal."""
    return draw(BESIDE[kind]) if draw(st.booleans()) else value(draw, kind, depth)


def arithmetic(draw: st.DrawFn, kind: str, op: Literal["+", "-", "*"], depth: int) -> tree.Operand:
    """Plain with plain, amount with amount, or an amount times a plain number."""
    other = "plain" if kind == "amount" and op == "*" else kind
    sides = [value(draw, kind, depth), operand(draw, other, depth)]
    if draw(st.booleans()):
        sides.reverse()
    return tree.Arithmetic(op=op, left=sides[0], right=sides[1])


def quotient(draw: st.DrawFn, kind: str, depth: int) -> tree.Operand:
    """Plain by plain, amount by amount, amount by plain, float by float."""
    kinds = [kind, "plain" if kind == "amount" else kind]
    if kind == "plain" and draw(st.booleans()):
        kinds = ["amount", "amount"]
    exact = kind != "float"  # what divides floats is one, whatever is not known
    return tree.Divide(
        dividend=value(draw, kinds[0], depth),
        divisor=(operand if exact and kinds[1] != "amount" else value)(draw, kinds[1], depth),
        zero="unknown" if draw(st.booleans()) else draw(AMOUNTS if kind == "amount" else NUMBERS),
    )


def choice(draw: st.DrawFn, kind: str, depth: int) -> tree.Operand:
    """One value at least says what kind all are."""
    rows = [(draw(SIMPLE), value(draw, kind, depth))]
    if draw(st.booleans()):
        rows.append((condition(draw, 0), operand(draw, kind, depth)))
    if draw(st.booleans()):
        rows.reverse()
    otherwise = operand(draw, kind, depth) if draw(st.booleans()) else None
    return tree.Case(rows=tuple(rows), otherwise=otherwise)


def band(draw: st.DrawFn, depth: int) -> tree.Operand:
    kind = draw(st.sampled_from(["plain", "amount", "float", "date", "instant"]))
    if kind == "instant":
        item: tree.Operand = tree.FieldRef(name="seen_at")
        edges = LITERALS["instant"]
    else:
        item, edges = value(draw, kind, depth), BESIDE[kind]
    found = draw(st.lists(edges, min_size=1, max_size=4, unique_by=lambda edge: edge.value))
    found.sort(key=lambda edge: edge.value)
    points = draw(st.lists(st.integers(-3, 9), min_size=len(found), max_size=len(found)))
    return tree.Band(
        item=item,
        bands=tuple(zip(found, points, strict=True)),
        otherwise=draw(st.none() | st.integers(-3, 9)),
    )


def asked(draw: st.DrawFn, depth: int) -> tree.Condition:
    """A test of an expression."""
    kind = draw(st.sampled_from([*("plain", "amount", "float", "date") * 3, *BESIDE]))
    kind = {"day": "date"}.get(kind, kind)
    item = value(draw, kind, depth)
    form = draw(st.sampled_from(["compare", "compare", "compare", "between", "in", "known"]))
    if form == "known":
        return tree.KnownTest(op=draw(KNOWN_OPS), item=item)
    if form == "in":
        items = tuple(draw(st.lists(BESIDE[kind], min_size=1, max_size=3)))
        return tree.Membership(op=draw(st.sampled_from(["in", "not_in"])), item=item, items=items)
    ordered = kind not in ("bool", "text")
    other = operand(draw, kind, depth - 1)
    if form == "between" and ordered:
        high = operand(draw, kind, depth - 1)
        return tree.Between(item=item, low=other, high=high, edges=draw(EDGES))
    op = draw(ALL_OPS if ordered else EQUALITY)
    return tree.Comparison(op=op, left=item, right=other)


def condition(draw: st.DrawFn, depth: int) -> tree.Condition:
    """A test of a field or of an expression; with depth, also some joined."""
    if depth and draw(st.integers(0, 2)) == 0:
        form = draw(st.sampled_from([tree.And, tree.Or, tree.Not]))
        if form is tree.Not:
            return tree.Not(term=condition(draw, depth - 1))
        terms = tuple(condition(draw, depth - 1) for _ in range(draw(st.integers(2, 3))))
        return form(terms=terms)
    if draw(st.integers(0, 3)) == 0:
        return draw(SIMPLE)
    return asked(draw, draw(st.integers(1, 3 if depth else 1)))


@st.composite
def conditions(draw: st.DrawFn) -> tree.Condition:
    return condition(draw, 2)


@st.composite
def focused(draw: st.DrawFn, *forms: str) -> tree.Condition:
    """One expression of one of these forms over fields, against a literal: what one node does."""
    kinds = [(kind, form) for kind in BESIDE for form in FORMS[kind] if form in forms]
    kind, form = draw(st.sampled_from(kinds))
    op = draw(EQUALITY if kind in ("bool", "text") else ALL_OPS)
    literal = draw(BESIDE[kind])
    return tree.Comparison(op=op, left=made(draw, kind, form, 0), right=literal)


CONDITIONS: Conditions = conditions()
FOCUSED: Conditions = focused("+", "-", "*", "divide", "days", "shift", "band", "case")


# --- customers ---------------------------------------------------------------------------------


@st.composite
def columns_of(
    draw: st.DrawFn, names: Iterable[str], rows: int, checked: Iterable[str] = ()
) -> dict[str, Column]:
    """Columns of these fields; those checked keep to their domains."""
    kept = frozenset(checked)
    return {
        name: draw(column_of(FIELDS[name], 1 if name == "as_of" else rows, name in kept))
        for name in sorted(names)
    }


@st.composite
def column_of(draw: st.DrawFn, type_: FieldType, rows: int, checked: bool = False) -> Column:
    known = np.ones(rows, np.bool_)
    if type_.nullable:
        known = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
    mask = None if known.all() and draw(st.booleans()) else known

    def listed(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    low, high = type_.domain
    inside = st.integers(low, high) | st.sampled_from([low, high, 0]) | st.integers(0, 6)
    match type_.kind:
        case "bool":
            return Column("bool", np.array(listed(st.booleans()), np.bool_), mask)
        case "float":
            floats = np.array(listed(st.sampled_from(FLOATS)), np.float64)
            floats[~known] = np.nan  # what is not known has no meaning, whatever stands there
            return Column("float", floats, mask)
        case "label":
            order = tuple(draw(st.permutations(TIERS)))
            codes = np.array(listed(st.integers(0, 2)), np.int64)
            codes[~known] = draw(st.sampled_from([-5, 77]))
            return Column("label", codes, mask, categories=order)
        case "text":
            texts = np.array(listed(st.sampled_from(CITIES)), object)
            texts[~known] = None
            return Column("text", texts, mask)
        case "ratio":
            divisors = st.integers(1, 9) | st.integers(1, type_.greatest_divisor)
            tops = np.array(listed(inside if checked else INT64), np.int64)
            below = np.array(listed(divisors if checked else st.integers(1, 2**63 - 1)), np.int64)
            tops[~known], below[~known] = draw(INT64), 0
            return Column("ratio", tops, mask, below, type_.exponent)
        case "date":
            return Column(
                "date",
                _days(listed(SOME_DAYS), known, draw(INT64)),
                mask,
            )
        case "instant":
            instants = [instant_us(one) for one in listed(SOME_INSTANTS)]
            return Column("instant", _nonsense(instants, known, draw(INT64)), mask)
        case kind:
            values = listed(inside if checked else INT64 | st.integers(-600, 600))
            return Column(
                kind, _nonsense(values, known, draw(INT64)), mask, exponent=type_.exponent
            )


def _days(days: list[date], known: np.ndarray, nonsense: int) -> np.ndarray:
    return _nonsense([day_number(day) for day in days], known, nonsense)


def _nonsense(values: list[int], known: np.ndarray, nonsense: int) -> np.ndarray:
    found = np.array(values, np.int64)
    found[~known] = nonsense
    return found


# --- answers -----------------------------------------------------------------------------------


def row_of(columns: Mapping[str, Column], row: int) -> dict[str, Value]:
    return {name: column[0 if name == "as_of" else row] for name, column in columns.items()}


SCALES = {name: type_.categories for name, type_ in FIELDS.items() if type_.ordered}


def asking(row: Mapping[str, Value], zone_name: str = "UTC") -> reference.Asking:
    """What the reference asks: plain values."""

    def found_value(name: str) -> Any:
        found = row[name]
        return Fraction(found) if isinstance(found, Decimal) else found

    return reference.Asking(found_value, zone_name, SCALES)


def bound_of(condition: tree.Condition, zone_name: str = "UTC") -> Bound | None:
    """The condition bound, or None where it may overflow or its edges are reversed."""
    bound, problems = bind(condition, FIELDS, "here", zone=zone(zone_name))
    codes = {problem.code for problem in problems}
    assert codes <= {"may_overflow", "reversed_edges"}, problems
    return bound
