"""From the relations to rows that count: orders, sales and returns, and everybody there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crmcore.calendars import FIRST_INSTANT, LAST_INSTANT
from crmcore.policy import Policy
from crmcore.records.source import STATUSES
from crmcore.sql import nodes
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node, Query

__all__ = ["checks", "clean_customers", "clean_rows", "counted_rows", "everybody", "linked_returns"]

_WHOLE: Final = tuple(
    f"{sign}{size}"
    for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
    for sign in ("", "U")
)
_IDS: Final = (*_WHOLE, "VARCHAR", "UUID")
_UNDONE: Final = ("cancelled", "refused")
_GIVEN: Final = "given"


# The rows as given, checked


def clean_rows(inputs: Inputs) -> Query:
    """Return the rows of customers, each checked for what the answer rests on.

    `link` is what ties returns to orders: an order's own id, and for a return the one it names.
    """
    columns = {
        "customer_id": _checked_id(_given("customer_id", inputs), "customer_id"),
        "placed_us": _placed(inputs),
        "amount_minor": _amount(inputs),
    }
    if "status" in inputs.columns:
        columns["status"] = _status(inputs)
    if "order_id" in inputs.columns:
        columns["link"] = _link(inputs)
    known = nodes.negate(_is_absent(_given("customer_id", inputs)))
    return nodes.select(columns, nodes.table(inputs.orders, _GIVEN)).where(known)


def clean_customers(inputs: Inputs, policy: Policy) -> Query:
    """Return the customers with what is read of them."""
    assert inputs.customers is not None  # or there were nothing to read
    ids = _given("customer_id", inputs)
    columns = {"customer_id": _checked_id(ids, "customer_id")}
    if "blocked" in policy.attributes and "blocked" in inputs.columns:
        blocked = _given("blocked", inputs)
        fits = nodes.among(nodes.call("TYPEOF", blocked), [nodes.text("BOOLEAN")])
        wrong = nodes.refuse("blocked must be BOOLEAN")
        columns["blocked"] = nodes.choose([(fits, blocked)], wrong)
    source = nodes.table(inputs.customers, _GIVEN)
    return nodes.select(columns, source).where(nodes.negate(_is_absent(ids)))


def _given(name: str, inputs: Inputs) -> Node:
    return nodes.column(inputs.columns[name], _GIVEN)


def _has_type(value: Node, types: tuple[str, ...]) -> Node:
    return nodes.among(nodes.call("TYPEOF", value), map(nodes.text, types))


def _is_absent(value: Node) -> Node:
    """Return whether an id is missing: as everywhere, empty text is."""
    empty = nodes.compare(nodes.cast(value, "varchar"), "==", nodes.text(""))
    is_empty = nodes.choose([(_has_type(value, ("VARCHAR",)), empty)], nodes.truth(False))
    return nodes.any_of([nodes.is_missing(value), is_empty])


def _checked_id(value: Node, name: str) -> Node:
    wrong = nodes.refuse(f"{name} must be whole numbers, VARCHAR or UUID")
    return nodes.choose([(_has_type(value, _IDS), value)], wrong)


def _placed(inputs: Inputs) -> Node:
    placed = _given("placed_us", inputs)
    terms = [
        _has_type(placed, _WHOLE),
        nodes.compare(placed, ">=", nodes.number(FIRST_INSTANT)),
        nodes.compare(placed, "<=", nodes.number(LAST_INSTANT)),
    ]
    wrong = nodes.refuse("placed_us must be UTC microseconds, of the years 1677 to 9999")
    return nodes.choose([(nodes.all_of(terms), nodes.cast(placed, "bigint"))], wrong)


def _amount(inputs: Inputs) -> Node:
    amount = _given("amount_minor", inputs)
    terms = [_has_type(amount, _WHOLE), nodes.negate(nodes.is_missing(amount))]
    cases = [
        (nodes.negate(nodes.all_of(terms)), nodes.refuse("amount_minor must be whole numbers"))
    ]
    if "returns_order_id" in inputs.columns:
        named = nodes.negate(_is_absent(_given("returns_order_id", inputs)))
        positive = nodes.compare(amount, ">=", nodes.number(0))
        wrong = nodes.refuse("a row that returns an order has an amount that is not negative")
        cases.append((nodes.all_of([named, positive]), wrong))
    return nodes.choose(cases, nodes.cast(amount, "bigint"))


def _status(inputs: Inputs) -> Node:
    status = nodes.cast(_given("status", inputs), "varchar")
    known = nodes.among(status, map(nodes.text, STATUSES))
    return nodes.choose([(known, status)], nodes.refuse("a row has no standard status"))


def _link(inputs: Inputs) -> Node:
    own = _given("order_id", inputs)
    cases = [
        (_is_absent(own), nodes.refuse("a row has no order_id")),
        (nodes.compare(_given("amount_minor", inputs), ">=", nodes.number(0)), own),
    ]
    if not inputs.linked:
        return nodes.choose(cases, nodes.nothing())
    other = _given("returns_order_id", inputs)
    cases.append((_is_absent(other), nodes.nothing()))
    cases.append((nodes.compare(_family(own), "==", _family(other)), other))
    wrong = nodes.refuse("order_id and returns_order_id must be of one type")
    return nodes.choose(cases, wrong)


def _family(value: Node) -> Node:
    """Return the kind of ids a column holds: whole numbers are one, whatever their size."""
    kind = nodes.call("TYPEOF", value)
    return nodes.choose([(_has_type(value, _WHOLE), nodes.text("BIGINT"))], kind)


# Orders, sales and returns


def linked_returns(inputs: Inputs) -> Query:
    """Return what was taken off each order by the returns that name it."""
    row, order = inputs.part("rows"), "named"
    customer, link = nodes.column("customer_id", row), nodes.column("link", row)
    same = [_same(name, order, row) for name in ("customer_id", "link")]
    found = nodes.select({"found": nodes.truth(True)}, nodes.table(row, order))
    found = found.where(nodes.all_of([_is_order(order), *same]))
    amount = nodes.cast(nodes.column("amount_minor", row), "int128")
    columns = {
        "customer_id": customer,
        "link": link,
        "amount_minor": nodes.aggregate("SUM", amount),
    }
    wanted = [_is_return(row, inputs), _has_happened(row, inputs), nodes.exists(found)]
    query = nodes.select(columns, nodes.table(row)).where(nodes.all_of(wanted))
    return query.group_by(customer, link)


def counted_rows(inputs: Inputs, policy: Policy) -> Query:
    """Return what happened up to the moment, and as what each row counts."""
    row = inputs.part("rows")
    names = ("customer_id", "placed_us", "amount_minor")
    columns = {
        **{name: nodes.column(name, row) for name in names},
        "is_order": _is_order(row),
        "is_sold": nodes.all_of([_is_order(row), _in_sale_status(row, inputs, policy)]),
        "is_return": _is_return(row, inputs),
        "is_unlinked": _is_return(row, inputs),
        "left_minor": nodes.column("amount_minor", row),
    }
    if not inputs.linked:
        return nodes.select(columns, nodes.table(row)).where(_has_happened(row, inputs))
    linked = inputs.part("linked returns")
    nowhere = nodes.is_missing(nodes.column("link", linked))
    columns["is_unlinked"] = nodes.all_of([_is_return(row, inputs), nowhere])
    columns["left_minor"] = _left(row, linked)
    same = nodes.all_of([_same(name, row, linked) for name in ("customer_id", "link")])
    query = nodes.select(columns, nodes.table(row))
    query = query.join(nodes.table(linked), on=same, join_type="left")
    return query.where(_has_happened(row, inputs))


def _same(name: str, left: str, right: str) -> Node:
    return nodes.compare(nodes.column(name, left), "==", nodes.column(name, right))


def _left(row: str, linked: str) -> Node:
    """Return what is left of an order, and of a return its own amount."""
    own = nodes.column("amount_minor", row)
    taken = nodes.column("amount_minor", linked)
    wide = nodes.cast(own, "int128")
    beyond = nodes.compare(nodes.compute(wide, "-", taken), ">", nodes.number(nodes.INT64_MAX))
    left = nodes.cast(nodes.compute(wide, "+", taken), "bigint")
    cases = [
        (nodes.any_of([nodes.negate(_is_order(row)), nodes.is_missing(taken)]), own),
        (beyond, nodes.refuse("the returns of one order exceed 64 bits")),
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
    return nodes.compare(nodes.column("placed_us", row), "<=", nodes.number(inputs.at_us))


# Everybody


def everybody(inputs: Inputs) -> Node:
    """Return the ids of the customers of the orders and of those given."""
    parts = ["rows"] if inputs.customers is None else ["rows", "customers"]
    queries = []
    for part in parts:
        name = inputs.part(part)
        ids = {"customer_id": nodes.column("customer_id", name)}
        queries.append(nodes.select(ids, nodes.table(name)).distinct())
    return nodes.union(queries)


# Checks of whole relations


def checks(inputs: Inputs, policy: Policy) -> Iterator[Node]:
    """Yield what must hold of the relations as a whole: true, or the query fails."""
    row = inputs.part("rows")
    if "order_id" in inputs.columns:
        orders = nodes.select({"link": nodes.column("link", row)}, nodes.table(row))
        yield _never(
            _repeated(orders.where(_is_order(row)), "link", row), "an order stands in several rows"
        )
    if inputs.customers is not None:
        name = inputs.part("customers")
        people = nodes.select({"customer_id": nodes.column("customer_id", name)}, nodes.table(name))
        message = "a customer stands in several rows of the customers"
        yield _never(_repeated(people, "customer_id", name), message)
        yield _one_kind(inputs)
    if policy.returns == "refuse":
        counted = inputs.part("counted rows")
        unlinked = nodes.select({"found": nodes.truth(True)}, nodes.table(counted))
        message = "the policy refuses returns that name no order, and there are some"
        yield _never(unlinked.where(nodes.column("is_unlinked", counted)), message)
    yield _binary(inputs)


def _never(query: Query, message: str) -> Node:
    return nodes.choose([(nodes.exists(query), nodes.refuse(message))], nodes.truth(True))


def _repeated(query: Query, name: str, table: str) -> Query:
    several = nodes.compare(nodes.count_rows(), ">", nodes.number(1))
    return query.group_by(nodes.column(name, table)).having(several)


def _one_kind(inputs: Inputs) -> Node:
    """Refuse ids of different kinds: the number 1 and the text "1" are two customers."""
    kinds = []
    for part in ("rows", "customers"):
        name = inputs.part(part)
        any_id = nodes.aggregate("MIN", nodes.column("customer_id", name))
        kinds.append(nodes.subquery(nodes.select({"kind": _family(any_id)}, nodes.table(name))))
    wrong = nodes.refuse("customer_id is of different types in the orders and the customers")
    return nodes.choose([(nodes.compare(kinds[0], "!=", kinds[1]), wrong)], nodes.truth(True))


def _binary(inputs: Inputs) -> Node:
    """Refuse a collation under which different texts are equal, or sort by another order."""
    name = inputs.part("everybody")
    ids = nodes.cast(nodes.column("customer_id", name), "varchar")
    empty = nodes.call("LEFT", ids, nodes.number(0))
    a, e = (nodes.compute(empty, "||", nodes.text(letter)) for letter in ("a", "é"))
    odd = nodes.any_of(
        [nodes.compare(a, "<", nodes.text("B")), nodes.compare(e, "==", nodes.text("e"))]
    )
    one = nodes.subquery(nodes.select({"odd": odd}, nodes.table(name)).limit(1))
    wrong = nodes.refuse("text must be compared as it is: use the binary collation")
    return nodes.choose([(one, wrong)], nodes.truth(True))
