"""Conditions worked out by hand, against every evaluator there is: columns, one customer, why.

The vectors are plain JSON, for evaluators in other languages too.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference

from crmcore.calendars import day_number, instant_us, zone
from crmcore.columns import Column, Value
from crmcore.conditions import FieldType, bind, compiled, evaluate, explain, parse, to_text

GIVEN = json.loads((Path(__file__).parent / "conditions.json").read_text("utf-8"))
TRUTHS = {"true": True, "false": False, "unknown": None}
READ = {
    "money": Decimal,
    "ratio": Fraction,
    "float": float,
    "date": date.fromisoformat,
    "instant": lambda text: datetime.fromisoformat(text).astimezone(UTC),
}


def type_of(given: dict[str, Any]) -> FieldType:
    return FieldType(**{**given, "categories": tuple(given.get("categories", ()))})


FIELDS = {name: type_of(given) for name, given in GIVEN["fields"].items()}
ZONE = zone(GIVEN["zone"])


def plain(row: dict[str, Any]) -> dict[str, Value]:
    return {
        name: None if value is None else READ.get(FIELDS[name].kind, lambda same: same)(value)
        for name, value in row.items()
    }


ROWS = [plain(row) for row in GIVEN["rows"]]


def column(name: str) -> Column:
    type_, values = FIELDS[name], [row[name] for row in ROWS]
    known = np.array([value is not None for value in values], np.bool_)
    kind, scale = type_.kind, 10**type_.exponent
    match kind:
        case "label":
            labels = type_.categories or tuple(sorted({str(value) for value in values if value}))
            codes = [labels.index(str(value)) if value else 9 for value in values]
            return Column(kind, np.array(codes), known, categories=labels)
        case "ratio":
            exact = [Fraction(value or 0) * scale for value in values]
            tops, divisors = zip(*(one.as_integer_ratio() for one in exact), strict=True)
            return Column(kind, np.array(tops), known, np.array(divisors), type_.exponent)
        case "text":
            return Column(kind, np.array(values, np.object_), known)
        case "float" | "bool":
            return Column(kind, np.array([value or 0 for value in values], kind), known)
    number = {"int": int, "money": lambda value: int(value * scale), "date": day_number}
    found = [
        0 if value is None else number.get(kind, instant_us)(value)  # type: ignore[arg-type]
        for value in values
    ]
    return Column(kind, np.array(found, np.int64), known, exponent=type_.exponent)


COLUMNS = {name: column(name) for name in FIELDS}
SCALES = {name: type_.categories for name, type_ in FIELDS.items() if type_.ordered}


@pytest.mark.parametrize("vector", GIVEN["vectors"], ids=lambda vector: vector["condition"])
def test_every_evaluator_agrees_with_what_was_worked_out(vector: dict[str, Any]) -> None:
    expected = [TRUTHS[truth] for truth in vector["truth"]]
    bound, problems = bind(parse(vector["condition"]), FIELDS, "here", zone=ZONE)
    assert bound is not None, problems
    truth, holds = evaluate(bound, COLUMNS, len(ROWS)), compiled(bound)
    assert [truth[row] for row in range(len(ROWS))] == expected
    assert [holds(row) for row in ROWS] == expected
    assert [explain(bound, COLUMNS, row).truth for row in range(len(ROWS))] == expected
    assert [by_reference(vector["condition"], row) for row in ROWS] == expected


def by_reference(condition: str, row: dict[str, Value]) -> bool | None:
    def value(name: str) -> Any:
        return Fraction(row[name]) if isinstance(row[name], Decimal) else row[name]

    asking = reference.Asking(value, GIVEN["zone"], SCALES)
    return reference.truth(reference.parse(condition), asking)


@pytest.mark.parametrize("vector", GIVEN["vectors"], ids=lambda vector: vector["condition"])
def test_the_text_of_a_vector_is_the_usual_one(vector: dict[str, Any]) -> None:
    tree = parse(vector["condition"])
    assert parse(to_text(tree)) == tree
