"""The hostile cases of tests/conformance/hostile: plain JSON, for other languages and engines too.

A file has policies and cases. A case has relations, a policy, a moment, and what is expected of
them. Values stand in the files as they are read best: instants, days, money and what JSON has no
number for (NaN) as text. What a case does not say, the `usual` of its file says.

Keys of a case:

- `name`, `why`: why it is hostile.
- `policy`: the name of one of the file's policies.
- `as_of`, `last_evaluated_at`: a day or an instant.
- `orders`, `customers`: rows. `order_columns`, `customer_columns`: names and types.
- `names`: what the relations and columns are called, where they have no standard names.
- `zone`: the zone of the session. `session`: other statements to each engine, after loading.
- `expected`: rows, ascending by customer, with some of the columns; or `"error"`: the package
  refuses, as the query does; or `"not canonical"`: the query refuses rows that the package would
  have set aside, or taken once.
- `says`: a pattern of what engines say of themselves, where it is not the query that refuses.
- `elsewhere`: what is expected of some engines instead; null where a case is not for one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

FOLDER = Path(__file__).parent / "conformance" / "hostile"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
REFUSALS = ("error", "not canonical")

Row = Sequence[Any]
Expected = Any


@dataclass(frozen=True)
class Relation:
    """Rows with the names and types of their columns."""

    types: Mapping[str, str]
    rows: Sequence[Row]

    def values(self, name: str) -> list[Any]:
        """A column's values in Python, instants as microseconds."""
        at, type_ = list(self.types).index(name), self.types[name]
        return [None if row[at] is None else read(row[at], type_) for row in self.rows]

    def arrow(self, names: Mapping[str, str]) -> pa.Table:
        """The relation with other names of columns where there are some."""
        arrays = [array(self.values(name), type_) for name, type_ in self.types.items()]
        return pa.table(arrays, [names.get(name, name) for name in self.types])


@dataclass(frozen=True)
class Case:
    """One hostile case."""

    file: str
    name: str
    why: str
    policy: Mapping[str, Any]
    as_of: date
    last_evaluated_at: date | None
    orders: Relation
    customers: Relation | None
    names: Mapping[str, str]
    zone: str
    session: Mapping[str, Sequence[str]]
    expected: Expected
    elsewhere: Mapping[str, Expected]
    says: str

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"

    def expected_of(self, kind: str) -> Expected:
        return self.elsewhere.get(kind, self.expected)

    @property
    def setting(self) -> str:
        """Everything but the rows and what is expected: cases of one setting may stand together."""
        return repr(replace(self, name="", why="", expected=(), **self._empty()))

    def _empty(self) -> dict[str, Relation | None]:
        customers = self.customers
        return {
            "orders": replace(self.orders, rows=()),
            "customers": None if customers is None else replace(customers, rows=()),
        }


def read(value: Any, type_: str) -> Any:
    if type_ == "instant":
        return (instant(value) - EPOCH) // TICK
    if type_ == "uuid":
        return UUID(value)
    if type_ == "date":
        return date.fromisoformat(value)
    if type_.startswith("decimal"):
        return Decimal(value)
    return float(value) if type_ == "float" else value


def instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    assert found.tzinfo is not None, f"{text} has no zone"
    return found.astimezone(UTC)


def array(values: list[Any], type_: str) -> pa.Array:
    if type_ == "uuid":
        stored = [None if value is None else value.bytes for value in values]
        return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(stored, pa.binary(16)))
    if type_.startswith("decimal"):
        width, digits = type_.removeprefix("decimal(").rstrip(")").split(",")
        return pa.array(values, pa.decimal128(int(width), int(digits)))
    types = {"int": pa.int64(), "small": pa.int32(), "instant": pa.int64(), "text": pa.string()}
    types |= {"float": pa.float64(), "bool": pa.bool_(), "date": pa.date32()}
    return pa.array(values, types[type_])


def moment(text: str | None) -> date | None:
    if text is None:
        return None
    return instant(text) if "T" in text or ":" in text else date.fromisoformat(text)


@cache
def cases() -> tuple[Case, ...]:
    """Every case of every file."""
    return tuple(case for path in sorted(FOLDER.glob("*.json")) for case in _of_file(path))


def _of_file(path: Path) -> Iterator[Case]:
    given = json.loads(path.read_text("utf-8"))
    for one in given["cases"]:
        whole = {**given.get("usual", {}), **one}
        known = {"name", "why", "policy", "as_of", "last_evaluated_at", "orders", "customers"}
        known |= {"order_columns", "customer_columns", "names", "zone", "session"}
        assert whole.keys() <= known | {"expected", "elsewhere", "says"}, (path.name, one["name"])
        customers = whole.get("customers")
        yield Case(
            path.stem,
            one["name"],
            one["why"],
            given["policies"][whole["policy"]],
            moment(whole["as_of"]) or EPOCH,
            moment(whole.get("last_evaluated_at")),
            Relation(whole["order_columns"], whole["orders"]),
            None if customers is None else Relation(whole["customer_columns"], customers),
            whole.get("names", {}),
            whole.get("zone", "UTC"),
            whole.get("session", {}),
            whole["expected"],
            whole.get("elsewhere", {}),
            whole.get("says", ""),
        )


# Many cases in one query


def together(kind: str) -> Iterator[Case]:
    """The cases for an engine where queries are slow: those of one setting stand in one query.

    Only those with rows to expect, whose customers and orders are others than all before: a
    customer's row rests on the customer's own orders.
    """
    groups: list[Case] = []
    for case in cases():
        if case.expected_of(kind) is None:
            continue
        if case.expected_of(kind) in REFUSALS or case.session.get(kind):
            yield case
            continue
        for at, group in enumerate(groups):
            if case.setting == group.setting and not _ids(case) & _ids(group):
                groups[at] = _united(group, case)
                break
        else:
            groups.append(case)
    yield from groups


def _ids(case: Case) -> set[tuple[str, Any]]:
    """What makes cases one: the ids of customers and of orders."""
    found = {("customer", value) for value in case.orders.values("customer_id")}
    if case.customers is not None:
        found |= {("customer", value) for value in case.customers.values("customer_id")}
    for name in {"order_id", "returns_order_id"} & set(case.orders.types):
        found |= {("order", value) for value in case.orders.values(name)}
    return {(what, value) for what, value in found if value is not None}


def _united(one: Case, other: Case) -> Case:
    orders = replace(one.orders, rows=[*one.orders.rows, *other.orders.rows])
    customers = one.customers
    if customers is not None and other.customers is not None:
        customers = replace(customers, rows=[*customers.rows, *other.customers.rows])
    rows = [*one.expected, *other.expected]
    type_ = one.orders.types["customer_id"]
    rows.sort(key=lambda row: read(row["customer_id"], type_))
    name = f"{one.name}; {other.name}"
    return replace(one, name=name, orders=orders, customers=customers, expected=rows)


# What came out, as the files say it


def written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date | UUID | Decimal):
        return str(value)
    return value


def shown(rows: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Rows with the columns that are asked for of each; of a row too many only its id."""
    asked = [set(row) for row in expected] + [{"customer_id"}] * len(rows)
    return [
        {name: written(value) for name, value in row.items() if name in names}
        for row, names in zip(rows, asked, strict=False)
    ]
