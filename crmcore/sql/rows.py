"""From the relations to rows that count: orders, sales and returns; and what must hold of all."""

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
    "COLLATED",
    "LARGE",
    "checks",
    "clean_customers",
    "clean_rows",
    "counted_rows",
    "customer_wrongs",
    "id_wrongs",
    "is_absent",
    "linked_returns",
    "of_one",
    "row_wrongs",
]

_UNDONE: Final = ("cancelled", "refused")
STATED: Final[Mapping[str, Kind]] = {"quantity": "int", "channel": "text", "promotion": "text"}
"""What rows may state, and which facts may ask for: the kind of each."""
COLLATED: Final = "text must be compared as it is: use the binary collation"
_NO_ID: Final = "must be whole numbers, text or UUID"
LARGE: Final = "has numbers beyond 64 bits: give such ids as text"
_GIVEN: Final = "given"


# The rows as given, checked


def clean_rows(inputs: Inputs) -> Query:
    """Return the rows of customers, each checked for what the answer rests on.

    `link` is what ties returns to orders: an order's own id, and for a return the one it names.
    """
    columns = {
        "customer_id": _given("customer_id", inputs),
        "placed_us": _placed(inputs),
        "amount_minor": _amount(inputs),
    }
    if "status" in inputs.columns:
        columns["status"] = _status(inputs)
    if "order_id" in inputs.columns:
        columns["order_id"] = _own(inputs)
    if inputs.linked:
        columns["link"] = _link(inputs)
    columns |= {name: _stated(name, inputs) for name in STATED if name in inputs.columns}
    known = nodes.negate(_is_absent("customer_id", inputs))
    return nodes.select(columns, nodes.table(inputs.orders, _GIVEN)).where(known)


def clean_customers(inputs: Inputs, policy: Policy) -> Query:
    """Return the customers with what is read of them."""
    assert inputs.customers is not None  # or there were nothing to read
    columns = {"customer_id": _given("customer_id", inputs)}
    columns |= given_attributes(policy, inputs, _GIVEN)
    source = nodes.table(inputs.customers, _GIVEN)
    return nodes.select(columns, source).where(nodes.negate(_is_absent("customer_id", inputs)))


def _given(name: str, inputs: Inputs) -> Node:
    return nodes.column(inputs.columns[name], _GIVEN)


def _is_absent(name: str, inputs: Inputs) -> Node:
    return is_absent(_given(name, inputs), inputs.dialect)


def is_absent(value: Node, dialect: Dialect) -> Node:
    """Return whether an id is missing: as everywhere, empty text is."""
    empty = nodes.compare(dialect.text(value), "==", nodes.text(""))
    is_empty = nodes.choose([(dialect.is_kind(value, "text"), empty)], nodes.truth(False))
    return nodes.any_of([nodes.is_missing(value), is_empty])


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
    # One by one: DuckDB would join the rows with so many texts, even where no status is read.
    known = nodes.any_of([nodes.compare(status, "==", nodes.text(one)) for one in STATUSES])
    wrong = inputs.dialect.refuse("a row has no standard status", status)
    return nodes.choose([(known, status)], wrong)


def _own(inputs: Inputs) -> Node:
    own, dialect = _given("order_id", inputs), inputs.dialect
    # Here too: beside the links an engine may make whole numbers of what are none.
    strange = nodes.negate(dialect.is_kind(own, *IDS))
    cases = [
        (_is_absent("order_id", inputs), dialect.refuse("a row has no order_id", own)),
        (strange, dialect.refuse(f"order_id {_NO_ID}", own)),
    ]
    return nodes.choose(cases, own)


def _link(inputs: Inputs) -> Node:
    dialect = inputs.dialect
    own, other = _given("order_id", inputs), _given("returns_order_id", inputs)
    kinds = dialect.family(own), dialect.family(other)
    wrong = dialect.refuse("order_id and returns_order_id must be of one type", own)
    cases = [
        # First of all: an engine may make all ids of one type, and show one that it cannot.
        (nodes.compare(kinds[0], "!=", kinds[1]), wrong),
        (nodes.compare(_given("amount_minor", inputs), ">=", nodes.number(0)), own),
        (_is_absent("returns_order_id", inputs), nodes.nothing()),
        (nodes.compare(kinds[0], "==", kinds[1]), other),
    ]
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


# Checks of whole relations


def checks(wrongs: Iterable[tuple[Node, str]], inputs: Inputs, table: str) -> Iterator[Node]:
    """Yield what must hold of the relations as a whole: true, or the query fails.

    `table` is what the query reads last: a refusal stands beside its ids.
    """
    someone = nodes.column("customer_id", table)
    for found, message in wrongs:
        holds = nodes.negate(nodes.is_missing(someone))
        yield nodes.choose([(found, inputs.dialect.refuse(message, holds))], nodes.truth(True))
    yield from inputs.dialect.session_checks()


def row_wrongs(
    inputs: Inputs, policy: Policy, *, are_folded: bool = False
) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the relations as a whole, each with its message.

    What a source made of a shop's own rows, `are_folded`, has each order and each return once.
    """
    row = inputs.part("rows")
    if "order_id" in inputs.columns and not are_folded:
        own = nodes.column("order_id", row)
        rows = nodes.select({"order_id": own}, nodes.table(row))
        yield inputs.dialect.repeats(rows, own), "an order stands in several rows, or a return"
        yield from _large("order_id", own, inputs, row)
        link = nodes.column("link", row) if inputs.linked else own
        yield from id_wrongs("order_id", link, inputs, row)
    if inputs.customers is not None:
        yield from customer_wrongs(inputs, row)
    if policy.returns == "refuse":
        counted = inputs.part("counted rows")
        unlinked = nodes.select({"found": nodes.truth(True)}, nodes.table(counted))
        unlinked = unlinked.where(nodes.column("is_unlinked", counted))
        message = "the policy refuses returns that name no order, and there are some"
        yield nodes.exists(unlinked), message
    yield from id_wrongs("customer_id", nodes.column("customer_id", row), inputs, row)


def customer_wrongs(inputs: Inputs, others: str) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with the customers, beside a part with those of orders."""
    name = inputs.part("customers")
    people = nodes.select({"customer_id": nodes.column("customer_id", name)}, nodes.table(name))
    message = "a customer stands in several rows of the customers"
    ids = nodes.column("customer_id", name)
    yield inputs.dialect.repeats(people, ids), message
    message = "customer_id is of different types in the orders and the customers"
    yield _of_two_kinds(inputs, others), message
    yield from id_wrongs("customer_id", ids, inputs, name)


def id_wrongs(name: str, ids: Node, inputs: Inputs, table: str) -> Iterator[tuple[Node, str]]:
    """Yield what may be wrong with a whole column of ids: its type, its size, and its collation.

    A collation under which different texts are equal, or sort by another order, is refused.
    """
    strange = nodes.negate(inputs.dialect.is_kind(ids, *IDS))
    yield of_one(ids, strange, table), f"{name} {_NO_ID}"
    yield from _large(name, ids, inputs, table)
    blurred = inputs.dialect.is_collated(ids)
    if blurred is not None:
        yield of_one(ids, blurred, table), COLLATED


def _large(name: str, ids: Node, inputs: Inputs, table: str) -> Iterator[tuple[Node, str]]:
    large = inputs.dialect.is_large(ids)
    if large is not None:
        found = nodes.select({"found": nodes.truth(True)}, nodes.table(table)).where(large)
        yield nodes.exists(found), f"{name} {LARGE}"


def _of_two_kinds(inputs: Inputs, others: str) -> Node:
    """Tell ids of different kinds: the number 1 and the text "1" are two customers."""
    kinds = []
    for part in (others, inputs.part("customers")):
        ids = nodes.column("customer_id", part)
        kinds.append(of_one(ids, inputs.dialect.family(ids), part))
    return nodes.compare(kinds[0], "!=", kinds[1])


def of_one(ids: Node, told: Node, table: str) -> Node:
    """Return what an id tells of all of its column, whose type is that of each."""
    known = nodes.negate(nodes.is_missing(ids))
    return nodes.subquery(nodes.select({"one": told}, nodes.table(table)).where(known).limit(1))
