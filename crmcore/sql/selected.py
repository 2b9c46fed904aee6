"""The rows that a fact looks at, and what it looks at in them."""

from __future__ import annotations

from collections.abc import Iterator

from crmcore.conditions import Bound, bind, names
from crmcore.conditions.evaluators.domains import OUTSIDE
from crmcore.errors import PolicyError
from crmcore.facts import Fact
from crmcore.facts.selection import row_fields
from crmcore.policy import Policy
from crmcore.sql import nodes
from crmcore.sql.conditions import condition
from crmcore.sql.dialects import Dialect
from crmcore.sql.inputs import Inputs
from crmcore.sql.nodes import Node
from crmcore.sql.values import Scope, outside

__all__ = ["ROW_COLUMNS", "Selected", "asked_columns", "bound_where", "exact_sum", "rows_scope"]

ROW_COLUMNS = ("status", "quantity", "channel", "promotion")
"""Columns of the rows that only some facts ask for."""


def asked_columns(policy: Policy) -> frozenset[str]:
    """Return the columns of rows that the facts of a policy ask for, of those not always read."""
    asked = {fact.measure for fact in policy.facts.values()}
    wheres = [fact.where for fact in policy.facts.values() if fact.where is not None]
    return frozenset(ROW_COLUMNS) & asked.union(*map(names, wheres))


def bound_where(fact: Fact, policy: Policy) -> Bound | None:
    """Return the condition over the rows of a fact, bound to their fields."""
    if fact.where is None:
        return None
    fields = row_fields(fact.of, policy.currency.exponent)
    bound, problems = bind(fact.where, fields, "where", given={})
    if bound is None:
        raise PolicyError(problems)
    return bound


def rows_scope(inputs: Inputs) -> Scope:
    """Return where the conditions over rows look names up."""
    return Scope(inputs.part("counted rows"), inputs, {"amount": "amount_minor"})


class Selected:
    """The rows of a fact: what each of them gives, and which of them count.

    Parameters
    ----------
    fact, policy
        The fact.
    scope
        Where names are looked up; conditions over rows may add levels to it.
    """

    def __init__(self, fact: Fact, policy: Policy, scope: Scope) -> None:
        self.fact = fact
        self.scope = scope
        self.table = scope.table
        self.dialect = scope.inputs.dialect
        window = None if fact.window is None else policy.windows[fact.window]
        self.bounds = None if window is None else scope.inputs.window(window)
        self.where = bound_where(fact, policy)

    @property
    def customer(self) -> Node:
        """Whose row it is."""
        return nodes.column("customer_id", self.table)

    @property
    def placed(self) -> Node:
        """When it was placed."""
        return nodes.column("placed_us", self.table)

    @property
    def value(self) -> Node:
        """What is aggregated: of an order its amount, of a sale what is left of it."""
        if self.fact.measure == "quantity":
            return nodes.column("quantity", self.table)
        if self.fact.of == "sale":
            return nodes.column("left_minor", self.table)
        amount = nodes.column("amount_minor", self.table)
        if self.fact.of == "order":
            return amount
        return nodes.compute(self.dialect.wide_number(0), "-", self.dialect.wide(amount))

    @property
    def counted(self) -> Node:
        """Whether a row counts; for sales, if something is left of it."""
        more = []
        if self.fact.of == "sale":
            left = nodes.column("left_minor", self.table)
            more.append(nodes.compare(left, ">", nodes.number(0)))
        if self._states_quantity:
            more.append(nodes.negate(nodes.is_missing(self.value)))
        kind = {"order": "is_order", "sale": "is_sold"}.get(self.fact.of, "is_return")
        return self._those([kind], more)

    @property
    def total(self) -> tuple[Node, Node]:
        """The sum, and the sum of absolute values, as wide numbers.

        For sales also rests below 0 and unlinked returns enter it; the absolute values are those
        of the orders and of all their returns.
        """
        if self._states_quantity:
            positive = nodes.compare(self.value, ">", nodes.number(0))
            found = self.dialect.total(self.value, self.counted)
            gross = self.dialect.total(self.value, nodes.all_of([self.counted, positive]))
        elif self.fact.of == "sale":
            found = self.dialect.total(self.value, self._those(["is_sold", "is_unlinked"]))
            amount = nodes.column("amount_minor", self.table)
            gross = self.dialect.total(amount, self._those(["is_sold"]))
        else:
            found = self.dialect.total(self.value, self.counted)
            return found, found
        zero = self.dialect.wide_number(0)
        twice = nodes.compute(nodes.coalesce(gross, zero), "*", self.dialect.wide_number(2))
        return found, nodes.compute(twice, "-", found)

    @property
    def _states_quantity(self) -> bool:
        return self.fact.take != "count" and self.fact.measure == "quantity"

    def _those(self, kinds: list[str], more: list[Node] | None = None) -> Node:
        """Return whether a row is of these kinds, in the window, and as the condition says."""
        terms = [nodes.any_of([nodes.column(kind, self.table) for kind in kinds])]
        if self.bounds is not None:
            low, high = self.bounds
            terms.append(nodes.compare(self.placed, ">=", low))
            terms.append(nodes.compare(self.placed, "<=", high))
        return nodes.all_of([*terms, *self._holding(terms), *(more or [])])

    def _holding(self, terms: list[Node]) -> Iterator[Node]:
        """Yield the condition; it refuses rows, of those that it is asked of, by themselves."""
        if self.where is None:
            return
        holds = condition(self.where, self.scope)
        wrong = outside([self.where], self.scope)
        if not wrong:
            yield nodes.bracket(holds)
            return
        refused = self.dialect.refuse(f"{OUTSIDE} (column {', '.join(wrong)})", holds)
        found = nodes.choose([(nodes.any_of([*wrong.values()]), refused)], holds)
        yield nodes.choose([(nodes.all_of(terms), found)], nodes.truth(False))


def exact_sum(
    name: str, total: tuple[Node, Node], dialect: Dialect, where: Node | None = None
) -> Node:
    """Return a sum as 64 bits, missing where `where` does not hold.

    `total` is the sum, and that of absolute values: where that one leaves 64 bits, it is refused.
    """
    found, absolute = total
    fits = nodes.cast(found, "bigint")
    beyond = nodes.compare(absolute, ">", dialect.wide_number(nodes.INT64_MAX))
    message = f"the absolute amounts of a customer add up beyond 64 bits (column {name})"
    cases = [(beyond, dialect.refuse(message, fits))]
    if where is not None:
        cases.append((nodes.negate(where), nodes.nothing("bigint")))
    return nodes.choose(cases, fits)
