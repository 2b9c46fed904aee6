"""Facts that the warehouse worked out itself: a table with one row a customer, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from crmcore.conditions import FieldType
from crmcore.errors import Problem
from crmcore.facts.table import DIVISOR
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.attributes import checked, read
from crmcore.sql.dialects import Dialect
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.reading import counted_from
from crmcore.sql.refusals import Use, refused, too_long
from crmcore.sql.rows import id_wrongs, is_absent
from crmcore.sql.values import divisor_of

__all__ = ["declared_facts", "declared_names", "declared_problems", "declared_wrongs", "identified"]

T = TypeVar("T", int, float)
_GIVEN: Final = "given"
# All that 64 bits hold; with more an engine compares decimals of different sizes by rounding.
_MINOR_DIGITS: Final = 19


def declared_names(policy: Policy) -> dict[str, FieldType]:
    """Return the columns that a table of facts must have, but for the customer, by name."""
    return {name: policy.fields[name] for name in (*policy.facts, *policy.attributes)}


def declared_problems(policy: Policy, dialect: str) -> Iterator[Problem]:
    """Yield what a policy asks of its facts that a table of them cannot say."""
    for name in sorted(counted_from(policy) & policy.facts.keys()):
        use = Use("table of facts", "the local day of an instant", f"facts.{name}", name)
        yield from refused(use, dialect)
    ratios = [name for name in policy.facts if policy.fields[name].kind == "ratio"]
    for use in too_long(((f"facts.{name}", name + DIVISOR) for name in ratios), dialect):
        yield from refused(use, dialect)


def declared_facts(policy: Policy, inputs: Inputs) -> Query:
    """Return the facts and attributes of the customers of a table, each checked."""
    dialect = inputs.dialect
    someone = nodes.column("customer_id", _GIVEN)
    columns = {"customer_id": identified(someone, dialect)}
    for name, type_ in declared_names(policy).items():
        columns |= _fact(name, type_, dialect)
    for name, type_ in policy.attributes.items():
        columns[name] = checked(name, type_, columns[name], dialect)
    return nodes.select(columns, nodes.table(inputs.orders, _GIVEN))


def declared_wrongs(inputs: Inputs, table: str) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the table as a whole, each with its message."""
    ids = nodes.column("customer_id", table)
    people = nodes.select({"customer_id": ids}, nodes.table(table))
    yield inputs.dialect.repeats(people, ids), "a customer has several rows of facts"
    yield from id_wrongs("customer_id", ids, inputs, table)


def identified(given: Node, dialect: Dialect) -> Node:
    """Return the id of a customer, who must be there."""
    wrong = dialect.refuse("there must be a customer id in every row", given)
    return nodes.choose([(is_absent(given, dialect), wrong)], given)


def _fact(name: str, type_: FieldType, dialect: Dialect) -> Mapping[str, Node]:
    given = nodes.column(name, _GIVEN)
    match type_.kind:
        case "ratio":
            return _ratio(name, dialect)
        case "money":
            return {name: _minor(name, given, type_.exponent, dialect)}
    return {name: read(name, type_.kind, given, dialect, strict=True)}


def _ratio(name: str, dialect: Dialect) -> Mapping[str, Node]:
    """Read a mean as its sum and count: whole numbers."""
    pair = [read(one, "int", nodes.column(one, _GIVEN), dialect) for one in (name, name + DIVISOR)]
    total, count = pair
    wrong = nodes.compare(nodes.coalesce(count, nodes.number(0)), "<", nodes.number(1))
    message = f"divisors must be positive (column {name + DIVISOR})"
    count = nodes.choose([(wrong, dialect.refuse(message, count))], count.copy())
    return {name: total, divisor_of(name): count}


def _minor(name: str, given: Node, digits: int, dialect: Dialect) -> Node:
    """Read money in major units, without digits beyond the currency's, and of at most 64 bits."""
    rounded = nodes.decimal(given, _MINOR_DIGITS, digits)
    minor = dialect.minor(rounded, digits)
    most = nodes.INT64_MAX
    # First as floats, roughly: a decimal that is too large cannot be rounded.
    near = _between(nodes.cast(given, "double"), nodes.double, float(most) / 10**digits)
    fits = [nodes.compare(rounded, "==", given), *_between(minor, dialect.wide_number, most)]
    found = nodes.cast(minor, "bigint")
    wrong = dialect.refuse(f"{name} must be money with {digits} digits", found)
    cases = [
        (
            nodes.negate(dialect.is_exact(given)),
            dialect.refuse(f"{name} must be exact decimals", found),
        ),
        (nodes.is_missing(given), nodes.nothing("bigint")),
        (nodes.negate(nodes.all_of(near)), wrong),
        (nodes.all_of(fits), found),
    ]
    return nodes.choose(cases, wrong)


def _between(value: Node, literal: Callable[[T], Node], most: T) -> list[Node]:
    """Return what holds of a value that is at most so far from 0."""
    return [nodes.compare(value, ">=", literal(-most)), nodes.compare(value, "<=", literal(most))]
