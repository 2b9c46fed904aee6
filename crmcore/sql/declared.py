"""Facts that the warehouse worked out itself: a table with one row a customer, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crmcore.conditions import FieldType
from crmcore.errors import Problem
from crmcore.facts.table import DIVISOR
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.attributes import checked, read
from crmcore.sql.dialects import IDS, Dialect
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.reading import counted_from
from crmcore.sql.rows import BINARY, collated
from crmcore.sql.values import divisor_of

__all__ = ["declared_facts", "declared_names", "declared_problems", "declared_wrongs"]

_GIVEN = "given"
# All that 64 bits hold; with more an engine compares decimals of different sizes by rounding.
_MINOR_DIGITS = 19


def declared_names(policy: Policy) -> dict[str, FieldType]:
    """Return the columns that a table of facts must have, but for the customer, by name."""
    return {name: policy.fields[name] for name in (*policy.facts, *policy.attributes)}


def declared_problems(policy: Policy) -> Iterator[Problem]:
    """Yield what a policy asks of its facts that a table of them cannot say."""
    for name in sorted(counted_from(policy) & policy.facts.keys()):
        message = "the local day of an instant has no SQL form, as the table has only the instant"
        yield Problem("not_in_sql", message, f"facts.{name}", name)


def declared_facts(policy: Policy, inputs: Inputs) -> Query:
    """Return the facts and attributes of the customers of a table, each checked."""
    dialect = inputs.dialect
    someone = nodes.column("customer_id", _GIVEN)
    columns = {"customer_id": _customer(someone, dialect)}
    for name, type_ in declared_names(policy).items():
        columns |= _fact(name, type_, dialect)
    return nodes.select(columns, nodes.table(inputs.orders, _GIVEN))


def declared_wrongs(inputs: Inputs, table: str) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the table as a whole, each with its message."""
    people = nodes.select({"customer_id": nodes.column("customer_id", table)}, nodes.table(table))
    found = inputs.dialect.repeats(people, nodes.column("customer_id", table))
    yield found, "a customer has several rows of facts"
    yield collated("customer_id", table, inputs), BINARY


def _customer(given: Node, dialect: Dialect) -> Node:
    empty = nodes.compare(dialect.text(given), "==", nodes.text(""))
    is_empty = nodes.choose([(dialect.is_kind(given, "text"), empty)], nodes.truth(False))
    absent = nodes.any_of([nodes.is_missing(given), is_empty])
    strange = nodes.negate(dialect.is_kind(given, *IDS))
    cases = [
        (absent, dialect.refuse("facts need a customer id in every row", given)),
        (strange, dialect.refuse("customer_id must be whole numbers, text or UUID", given)),
    ]
    return nodes.choose(cases, given)


def _fact(name: str, type_: FieldType, dialect: Dialect) -> Mapping[str, Node]:
    given = nodes.column(name, _GIVEN)
    match type_.kind:
        case "ratio":
            return _ratio(name, dialect)
        case "money":
            found = _minor(name, given, type_.exponent, dialect)
        case "instant":
            found = dialect.micros(given)
            wrong = dialect.refuse(f"{name} must be instants with a zone", found)
            found = nodes.choose([(dialect.is_kind(given, "instant"), found)], wrong)
        case kind:
            found = checked(name, type_, read(name, kind, given, dialect), dialect)
    return {name: found}


def _ratio(name: str, dialect: Dialect) -> Mapping[str, Node]:
    """Read a mean as its sum and count: whole numbers."""
    pair = [read(one, "int", nodes.column(one, _GIVEN), dialect) for one in (name, name + DIVISOR)]
    total, count = pair
    wrong = nodes.compare(nodes.coalesce(count, nodes.number(0)), "<", nodes.number(1))
    message = f"divisors must be positive (column {name + DIVISOR})"
    count = nodes.choose([(wrong, dialect.refuse(message, count))], count.copy())
    return {name: total, divisor_of(name): count}


def _minor(name: str, given: Node, digits: int, dialect: Dialect) -> Node:
    """Read money in major units, without digits beyond the currency's."""
    rounded = nodes.decimal(given, _MINOR_DIGITS, digits)
    minor = dialect.narrow(dialect.minor(rounded, digits))
    exact = nodes.compare(rounded.copy(), "==", given.copy())
    wrong = dialect.refuse(f"{name} must be money with {digits} digits", minor.copy())
    cases = [(nodes.is_missing(given.copy()), nodes.nothing("bigint")), (exact, minor)]
    typed = nodes.choose(cases, wrong)
    strange = nodes.negate(dialect.is_exact(given.copy()))
    kind = dialect.refuse(f"{name} must be exact decimals", minor.copy())
    return nodes.choose([(strange, kind)], typed)
