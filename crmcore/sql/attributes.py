"""What is known of customers, in SQL: attributes, marks, and what the host's scorers gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Final

from crmcore.calendars import DAY_US, FIRST_INSTANT, LAST_INSTANT
from crmcore.columns import Kind as ColumnKind
from crmcore.conditions import FieldType
from crmcore.conditions.language.tree import ComparisonOp
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.dialects.dialect import Kind
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node
from crmcore.sql.values import TYPES

__all__ = ["attributes", "checked", "given_attributes", "given_of", "read"]

_KINDS: Final[Mapping[ColumnKind, tuple[Kind, str]]] = {
    "bool": ("boolean", "BOOLEAN"),
    "float": ("float", "floats, and none infinite"),
    "date": ("date", "dates of the years 1677 to 9999"),
    "instant": ("instant", "instants with a zone, of the years 1677 to 9999"),
    "text": ("text", "text"),
    "label": ("text", "text"),
}


def given_of(score: str) -> str:
    """Return the name of the column with what a host's scorer gave."""
    return f"{score} given"


def given_attributes(policy: Policy, inputs: Inputs, table: str) -> dict[str, Node]:
    """Return what is read of the customers, each column checked for what the policy says."""
    columns, dialect = {}, inputs.dialect
    for name, type_ in policy.attributes.items():
        if name in inputs.attributes:
            given = nodes.column(inputs.attributes[name], table)
            columns[name] = checked(name, type_, read(name, type_.kind, given, dialect), dialect)
    for name, given_name in inputs.scores.items():
        given = nodes.column(given_name, table)
        columns[given_of(name)] = read(given_name, "float", given, dialect, strict=True)
    return columns


def attributes(policy: Policy, inputs: Inputs) -> dict[str, Node]:
    """Return the attributes of everybody, and what scorers gave, beside the customers given.

    Marks and blocks that nobody stated are false; everything else is missing then.
    """
    given = policy.attributes.items()
    columns = {name: _of_everybody(name, type_, inputs) for name, type_ in given}
    for name in map(given_of, inputs.scores):
        columns[name] = nodes.column(name, inputs.part("customers"))
    return columns


def _of_everybody(name: str, type_: FieldType, inputs: Inputs) -> Node:
    is_mark = name == "blocked" or name.startswith("tag:")
    if name not in inputs.attributes or inputs.customers is None:
        return nodes.truth(False) if is_mark else nodes.nothing(TYPES.get(type_.kind, "bigint"))
    given = nodes.column(name, inputs.part("customers"))
    return nodes.coalesce(given, nodes.truth(False)) if is_mark else given


def read(
    name: str, kind: ColumnKind, given: Node, dialect: Dialect, *, strict: bool = False
) -> Node:
    """Return a column as it is computed with, or fail.

    No column holds infinite numbers, or days and instants beyond the years 1677 to 9999: of
    customers they are missing, and where it is `strict`, as with facts, an error.
    """
    if kind == "int":
        fits = dialect.narrow(given)
        wrong = dialect.refuse(f"{name} must be whole numbers", nodes.cast(given, "bigint"))
        return nodes.choose([(dialect.is_whole(given), fits)], wrong)
    needed, title = _KINDS[kind]
    found = _converted(kind, given, dialect)
    wrong = dialect.refuse(f"{name} must be {title}", found)
    beyond = list(_beyond(kind, given, dialect))
    if beyond:
        instead = wrong if strict else nodes.nothing(TYPES.get(kind, "bigint"))
        found = nodes.choose([(nodes.any_of(beyond), instead)], found)
    return nodes.choose([(dialect.is_kind(given, needed), found)], wrong)


def _converted(kind: ColumnKind, given: Node, dialect: Dialect) -> Node:
    match kind:
        case "date":
            return dialect.day_number(nodes.cast(given, "date"))
        case "instant":
            return dialect.micros(given)
        case "float":
            given = nodes.cast(given, "double")
            known = nodes.compare(given, "<=", nodes.double(inf))
            return nodes.choose([(known, given)], nodes.nothing("double"))
        case "bool":
            return given
    found = dialect.text(given)
    return nodes.choose([(nodes.compare(found, "!=", nodes.text("")), found)])


def _beyond(kind: ColumnKind, given: Node, dialect: Dialect) -> Iterator[Node]:
    """Yield when a value is beyond what a column holds."""
    match kind:
        case "float":
            for end in (-inf, inf):
                yield nodes.compare(nodes.cast(given, "double"), "==", nodes.double(end))
        case "date":
            # As dates: not every engine converts an infinite one.
            day = nodes.cast(given, "date")
            ends = [nodes.number(one // DAY_US) for one in (FIRST_INSTANT, LAST_INSTANT)]
            yield nodes.compare(day, "<", dialect.date(ends[0]))
            yield nodes.compare(day, ">", dialect.date(ends[1]))
        case "instant":
            micros = dialect.micros(given)
            yield nodes.compare(micros, "<", nodes.number(FIRST_INSTANT))
            yield nodes.compare(micros, ">", nodes.number(LAST_INSTANT))
            # Of an infinite one there may be none.
            yield nodes.all_of([nodes.is_missing(micros), nodes.negate(nodes.is_missing(given))])


def checked(name: str, type_: FieldType, value: Node, dialect: Dialect) -> Node:
    """Refuse labels that the policy does not list, and numbers beyond the ends it gives."""
    ends: list[tuple[ComparisonOp, int | None]] = [("<", type_.low), (">", type_.high)]
    beyond = [nodes.compare(value, op, nodes.number(end)) for op, end in ends if end is not None]
    cases = []
    if beyond:
        message = f"values beyond the policy's min or max (column {name})"
        cases.append((nodes.any_of(beyond), dialect.refuse(message, value)))
    if type_.categories:
        strange = nodes.negate(nodes.among(value, map(nodes.text, type_.categories)))
        message = f"a label that the policy does not list (column {name})"
        cases.append((strange, dialect.refuse(message, value)))
    return nodes.choose(cases, value) if cases else value
