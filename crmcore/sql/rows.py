"""From the relations to rows that count: orders, sales and returns, and everybody there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from crmcore.calendars import FIRST_INSTANT, LAST_INSTANT
from crmcore.columns import Kind
from crmcore.policy import Policy
from crmcore.records.source import STATUSES
from crmcore.sql import nodes
from crmcore.sql.attributes import given_attributes, read
from crmcore.sql.dialects import IDS, Dialect
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query
from crmcore.sql.selected import asked_columns
from crmcore.sql.values import TYPES

__all__ = [
    "BINARY",
    "checks",
    "clean_customers",
    "clean_rows",
    "collated",
    "counted_rows",
    "customer_wrongs",
    "everybody",
    "linked_returns",
    "row_wrongs",
]

_UNDONE: Final = ("cancelled", "refused")
STATED: Final[Mapping[str, Kind]] = {"quantity": "int", "channel": "text", "promotion": "text"}
"""What rows may state, and which facts may ask for: the kind of each."""
_GIVEN: Final = "given"
BINARY: Final = "text must be compared as it is: use the binary collation"
"""What is wrong with a column that `collated` tells."""


# The rows as given, checked


def clean_rows(inputs: Inputs) -> Query:
    """Return the rows of customers, each checked for what the answer rests on.

    `link` is what ties returns to orders: an order's own id, and for a return the one it names.
    """
    columns = {
        "customer_id": _checked_id("customer_id", inputs),
        "placed_us": _placed(inputs),
        "amount_minor": _amount(inputs),
    }
    if "status" in inputs.columns:
        columns["status"] = _status(inputs)
    if "order_id" in inputs.columns:
        columns["link"] = _link(inputs)
    columns |= {name: _stated(name, inputs) for name in STATED if name in inputs.columns}
    known = nodes.negate(_is_absent("customer_id", inputs))
    return nodes.select(columns, nodes.table(inputs.orders, _GIVEN)).where(known)


def clean_customers(inputs: Inputs, policy: Policy) -> Query:
    """Return the customers with what is read of them."""
    assert inputs.customers is not None  # or there were nothing to read
    columns = {"customer_id": _checked_id("customer_id", inputs)}
    columns |= given_attributes(policy, inputs, _GIVEN)
    source = nodes.table(inputs.customers, _GIVEN)
    return nodes.select(columns, source).where(nodes.negate(_is_absent("customer_id", inputs)))


def _given(name: str, inputs: Inputs) -> Node:
    return nodes.column(inputs.columns[name], _GIVEN)


def _is_absent(name: str, inputs: Inputs) -> Node:
    """Return whether an id is missing: as everywhere, empty text is."""
    value, dialect = _given(name, inputs), inputs.dialect
    empty = nodes.compare(dialect.text(value), "==", nodes.text(""))
    is_empty = nodes.choose([(dialect.is_kind(value, "text"), empty)], nodes.truth(False))
    return nodes.any_of([nodes.is_missing(value), is_empty])


def _checked_id(name: str, inputs: Inputs) -> Node:
    value, dialect = _given(name, inputs), inputs.dialect
    wrong = dialect.refuse(f"{name} must be whole numbers, text or UUID", value)
    return nodes.choose([(dialect.is_kind(value, *IDS), value)], wrong)


def _placed(inputs: Inputs) -> Node:
    placed, dialect = _given("placed_us", inputs), inputs.dialect
    terms = [
        dialect.is_whole(placed),
        nodes.compare(placed, ">=", nodes.number(FIRST_INSTANT)),
        nodes.compare(placed, "<=", nodes.number(LAST_INSTANT)),
    ]
    fits = nodes.cast(placed, "bigint")
    message = "placed_us must be UTC microseconds, of the years 1677 to 9999"
    return nodes.choose([(nodes.all_of(terms), fits)], dialect.refuse(message, fits))


def _amount(inputs: Inputs) -> Node:
    amount, dialect = _given("amount_minor", inputs), inputs.dialect
    fits = dialect.narrow(amount)
    terms = [dialect.is_whole(amount), nodes.negate(nodes.is_missing(amount))]
    wrong = dialect.refuse("amount_minor must be whole numbers", nodes.cast(amount, "bigint"))
    cases = [(nodes.negate(nodes.all_of(terms)), wrong)]
    if "returns_order_id" in inputs.columns:
        named = nodes.negate(_is_absent("returns_order_id", inputs))
        positive = nodes.compare(amount, ">=", nodes.number(0))
        message = "a row that returns an order has an amount that is not negative"
        cases.append((nodes.all_of([named, positive]), dialect.refuse(message, fits)))
    return nodes.choose(cases, fits)


def _stated(name: str, inputs: Inputs) -> Node:
    return read(name, STATED[name], _given(name, inputs), inputs.dialect)


def _status(inputs: Inputs) -> Node:
    status = inputs.dialect.text(_given("status", inputs))
    known = nodes.among(status, map(nodes.text, STATUSES))
    wrong = inputs.dialect.refuse("a row has no standard status", status)
    return nodes.choose([(known, status)], wrong)


def _link(inputs: Inputs) -> Node:
    own, dialect = _given("order_id", inputs), inputs.dialect
    cases = [
        (_is_absent("order_id", inputs), dialect.refuse("a row has no order_id", own)),
        (
            nodes.compare(_given("amount_minor", inputs), ">=", nodes.number(0)),
            _checked_id("order_id", inputs),
        ),
    ]
    if not inputs.linked:
        return nodes.choose(cases)
    other = _given("returns_order_id", inputs)
    cases.append((_is_absent("returns_order_id", inputs), nodes.nothing()))
    cases.append((nodes.compare(dialect.family(own), "==", dialect.family(other)), other))
    wrong = dialect.refuse("order_id and returns_order_id must be of one type", own)
    return nodes.choose(cases, wrong)


# Orders, sales and returns


def linked_returns(inputs: Inputs) -> Query:
    """Return what was taken off each order by the returns that name it."""
    row, order = inputs.part("rows"), "named"
    customer, link = nodes.column("customer_id", row), nodes.column("link", row)
    same = [_same(name, order, row) for name in ("customer_id", "link")]
    found = nodes.select({"found": nodes.truth(True)}, nodes.table(row, order))
    found = found.where(nodes.all_of([_is_order(order), *same]))
    amount = inputs.dialect.wide(nodes.column("amount_minor", row))
    columns = {
        "customer_id": customer,
        "link": link,
        "amount_minor": nodes.aggregate("SUM", amount),
        "last_us": nodes.aggregate("MAX", nodes.column("placed_us", row)),
    }
    wanted = [_is_return(row, inputs), _has_happened(row, inputs), nodes.exists(found)]
    query = nodes.select(columns, nodes.table(row)).where(nodes.all_of(wanted))
    return query.group_by(customer, link)


def counted_rows(inputs: Inputs, policy: Policy) -> Query:
    """Return what happened up to the moment, and as what each row counts."""
    row = inputs.part("rows")
    names = ("customer_id", "placed_us", "amount_minor")
    happened = _has_happened(row, inputs)
    is_order = nodes.all_of([_is_order(row), happened])
    is_return = nodes.all_of([_is_return(row, inputs), happened])
    columns = {
        **{name: nodes.column(name, row) for name in names},
        **_asked(row, inputs, policy),
        "is_order": is_order,
        "is_sold": nodes.all_of([is_order, _in_sale_status(row, inputs, policy)]),
        "is_return": is_return,
        "is_unlinked": is_return,
        "left_minor": nodes.column("amount_minor", row),
        "changed_us": nodes.column("placed_us", row),
    }
    if not inputs.linked:
        return nodes.select(columns, nodes.table(row))
    linked = inputs.part("linked returns")
    nowhere = nodes.is_missing(nodes.column("link", linked))
    columns["is_unlinked"] = nodes.all_of([is_return, nowhere])
    columns["left_minor"] = _left(row, linked, inputs.dialect)
    placed, last = nodes.column("placed_us", row), nodes.column("last_us", linked)
    later = nodes.compare(last, ">", placed)
    columns["changed_us"] = nodes.choose([(later, last.copy())], placed.copy())
    same = nodes.all_of([_same(name, row, linked) for name in ("customer_id", "link")])
    query = nodes.select(columns, nodes.table(row))
    return query.join(nodes.table(linked), on=same, join_type="left")


def _asked(row: str, inputs: Inputs, policy: Policy) -> Mapping[str, Node]:
    """Return the columns that only some facts ask for: missing where the rows do not have them."""
    columns = {}
    for name in sorted(asked_columns(policy)):
        there, nothing = nodes.column(name, row), TYPES.get(STATED.get(name, "label"), "bigint")
        columns[name] = there if name in inputs.columns else nodes.nothing(nothing)
        if name == "status":
            given = there if name in inputs.columns else nodes.text("delivered")
            columns[name] = nodes.choose([(_is_order(row), given)])
    return columns


def _same(name: str, left: str, right: str) -> Node:
    return nodes.compare(nodes.column(name, left), "==", nodes.column(name, right))


def _left(row: str, linked: str, dialect: Dialect) -> Node:
    """Return what is left of an order, and of a return its own amount."""
    own = nodes.column("amount_minor", row)
    taken = nodes.column("amount_minor", linked)
    wide = dialect.wide(own)
    spread = nodes.compute(wide, "-", taken)
    beyond = nodes.compare(spread, ">", dialect.wide_number(nodes.INT64_MAX))
    left = nodes.cast(nodes.compute(wide, "+", taken), "bigint")
    cases = [
        (nodes.any_of([nodes.negate(_is_order(row)), nodes.is_missing(taken)]), own),
        (beyond, dialect.refuse("the returns of one order exceed 64 bits", own)),
    ]
    return nodes.choose(cases, left)


def _is_order(row: str) -> Node:
    return nodes.compare(nodes.column("amount_minor", row), ">=", nodes.number(0))


def _is_return(row: str, inputs: Inputs) -> Node:
    negative = nodes.compare(nodes.column("amount_minor", row), "<", nodes.number(0))
    if "status" not in inputs.columns:
        return negative
    undone = nodes.among(nodes.column("status", row), map(nodes.text, _UNDONE))
    return nodes.all_of([negative, nodes.negate(undone)])


def _in_sale_status(row: str, inputs: Inputs, policy: Policy) -> Node:
    if "status" not in inputs.columns:
        return nodes.truth("delivered" in policy.sale_statuses)
    wanted = map(nodes.text, sorted(policy.sale_statuses))
    return nodes.among(nodes.column("status", row), wanted)


def _has_happened(row: str, inputs: Inputs) -> Node:
    return nodes.compare(nodes.column("placed_us", row), "<=", inputs.at)


# Everybody


def everybody(inputs: Inputs) -> Node:
    """Return the ids of the customers of the orders and of those given."""
    parts = ["totals"] if inputs.customers is None else ["totals", "customers"]
    queries = []
    for part in parts:
        name = inputs.part(part)
        ids = {"customer_id": nodes.column("customer_id", name)}
        queries.append(nodes.select(ids, nodes.table(name)).distinct())
    return nodes.union(queries)


# Checks of whole relations


def checks(wrongs: Iterable[tuple[Node, str]], inputs: Inputs, table: str) -> Iterator[Node]:
    """Yield what must hold of the relations as a whole: true, or the query fails.

    `table` is what the query reads last: a refusal stands beside its ids.
    """
    someone = nodes.column("customer_id", table)
    for found, message in wrongs:
        holds = nodes.negate(nodes.is_missing(someone))
        yield nodes.choose([(found, inputs.dialect.refuse(message, holds))], nodes.truth(True))


def row_wrongs(inputs: Inputs, policy: Policy) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the relations as a whole, each with its message."""
    row = inputs.part("rows")
    if "order_id" in inputs.columns:
        orders = nodes.select({"link": nodes.column("link", row)}, nodes.table(row))
        found = inputs.dialect.repeats(orders.where(_is_order(row)), nodes.column("link", row))
        yield found, "an order stands in several rows"
        yield collated("link", row, inputs), BINARY
    if inputs.customers is not None:
        yield from customer_wrongs(inputs, row)
    if policy.returns == "refuse":
        counted = inputs.part("counted rows")
        unlinked = nodes.select({"found": nodes.truth(True)}, nodes.table(counted))
        unlinked = unlinked.where(nodes.column("is_unlinked", counted))
        message = "the policy refuses returns that name no order, and there are some"
        yield nodes.exists(unlinked), message
    yield collated("customer_id", row, inputs), BINARY


def customer_wrongs(inputs: Inputs, others: str) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the customers, beside a part with those of orders."""
    name = inputs.part("customers")
    people = nodes.select({"customer_id": nodes.column("customer_id", name)}, nodes.table(name))
    message = "a customer stands in several rows of the customers"
    ids = nodes.column("customer_id", name)
    yield inputs.dialect.repeats(people, ids), message
    message = "customer_id is of different types in the orders and the customers"
    yield _of_two_kinds(inputs, others), message
    yield collated("customer_id", name, inputs), BINARY


def _of_two_kinds(inputs: Inputs, others: str) -> Node:
    """Tell ids of different kinds: the number 1 and the text "1" are two customers."""
    kinds = [
        _of_one(inputs.dialect.family(nodes.column("customer_id", part)), part)
        for part in (others, inputs.part("customers"))
    ]
    return nodes.compare(kinds[0], "!=", kinds[1])


def collated(name: str, table: str, inputs: Inputs) -> Node:
    """Tell a collation under which different texts are equal, or sort by another order."""
    ids = nodes.column(name, table)
    return _of_one(inputs.dialect.is_collated(ids), table)


def _of_one(value: Node, table: str) -> Node:
    """Return what holds of a column, asked of one row."""
    return nodes.subquery(nodes.select({"one": value}, nodes.table(table)).limit(1))
