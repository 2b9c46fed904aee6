"""From a shop's own rows to canonical ones, as its source says, and the account of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from crmcore.errors import DataError
from crmcore.money import Currency
from crmcore.records.reading import REASONS
from crmcore.records.source import Source
from crmcore.sql import nodes
from crmcore.sql.dialects import Dialect
from crmcore.sql.judging import CONTENT, LATER, PASSED_ON, Judging, int_of
from crmcore.sql.nodes import Node, Query
from crmcore.sql.shop import Shop

__all__ = ["BadRows", "Reading"]

BadRows: TypeAlias = Literal["refuse", "set_aside"]


@dataclass(frozen=True, slots=True)
class Reading(Judging):
    """How a query reads a shop's own relation.

    Parameters
    ----------
    shop
        Its columns.
    relation, customers
        Names of the relations.
    strict
        Whether a row that would be set aside is an error.
    """

    strict: bool

    @classmethod
    def of(
        cls,
        source: Source,
        kinds: Mapping[str, str] | None,
        dialect: Dialect,
        relation: str,
        customers: str | None = None,
        bad_rows: BadRows = "refuse",
    ) -> Reading:
        """Return the reading of a relation.

        Raises
        ------
        DataError
            It is not said what the columns hold; or as for `Shop.of`.
        """
        if kinds is None:
            raise DataError("say in `kinds` what each of the columns holds")
        if bad_rows not in ("refuse", "set_aside"):
            raise DataError('`bad_rows` is "refuse" or "set_aside"')
        for name in (relation, *(() if customers is None else (customers,))):
            dialect.check_name(name)
        shop = Shop.of(source, kinds, dialect)
        return cls(shop, relation, customers, bad_rows == "refuse")

    def check_currency(self, currency: Currency) -> None:
        """Refuse a policy in another currency, as `evaluate` does."""
        if self.shop.source.currency != currency:
            raise DataError("the policy and the source are in different currencies")

    @property
    def given(self) -> str:
        """The name of the part with the canonical rows."""
        return self.part("given rows")

    @property
    def columns(self) -> dict[str, str | None]:
        """The canonical rows' columns by their standard names, ``None`` where there is none."""
        there = ["customer_id", "placed_us", "amount_minor", *self.passed_on]
        absent = ["order_id", "returns_order_id", "status", "quantity", "channel", "promotion"]
        return {**dict.fromkeys(absent), **{name: name for name in there}}

    # The parts of the query

    def parts(self) -> Iterator[tuple[str, Node]]:
        """Yield the parts from the shop's rows to canonical ones, each after what it reads."""
        yield from self._read()
        rows = self.part("single rows")
        columns = {name: nodes.column(name, rows) for name in self.columns.values() if name}
        query = nodes.select(columns, nodes.table(rows))
        if self.strict:
            columns["customer_id"] = self._or_fail(rows)
            yield self.given, nodes.select(columns, nodes.table(rows))
        else:
            fine = nodes.is_missing(nodes.column("reason", rows))
            yield self.given, query.where(fine)

    def _or_fail(self, rows: str) -> Node:
        """Return the customer's id; the query fails where the row would be set aside."""
        someone, reason = nodes.column("customer_id", rows), nodes.column("reason", rows)
        cases = [(nodes.is_missing(reason), someone)]
        for name in (*REASONS, *LATER):
            wrong = self.shop.dialect.refuse(f"a row would be set aside: {name}", someone)
            cases.append((nodes.compare(reason, "==", self.place(name)), wrong))
        return nodes.choose(cases)

    def _read(self) -> Iterator[tuple[str, Node]]:
        step = self.shop.dialect.step
        given = nodes.table(self.relation, "given")
        yield self.part("read columns"), step(nodes.select(self.shop.read("given"), given))
        yield self.part("read numbers"), step(self.numbers())
        if self.in_zone:
            yield self.part("zone"), self.zone()
        yield self.part("read sums"), step(self.sums())
        yield self.part("judged rows"), step(self.judged())
        yield self.part("usable rows"), step(self._usable())
        yield self.part("single rows"), step(self._single())

    # Single rows

    def _usable(self) -> Query:
        """Return the rows that are not excluded, or of these the ones nothing is wrong with."""
        part = self.part("judged rows")
        reason = nodes.column("reason", part)
        query = self.after("judged rows", {})
        kept = [nodes.is_missing(reason)]
        if self.strict:
            kept.append(nodes.compare(reason, ">=", int_of(len(self.excluded))))
        return query.where(nodes.any_of(kept))

    def _single(self) -> Query:
        """Collapse rows that say the same, and find orders that contradict themselves."""
        part, names = self.part("usable rows"), self._contents
        columns = {name: nodes.column(name, part) for name in names}
        copies: Node = nodes.number(1)
        reason = nodes.column("reason", part)
        cases = [(nodes.negate(nodes.is_missing(reason)), reason)]
        if "order_id" in self.shop.names:
            several = nodes.compare(_in_group(part), ">", nodes.number(1))
            cases.append((several, self.place("conflicting_duplicate")))
            copies = nodes.count_rows()
        if "returns_order_id" in self.shop.names:
            linked = nodes.negate(nodes.is_missing(nodes.column("returns_order_id", part)))
            kept = nodes.compare(nodes.column("amount_minor", part), ">=", nodes.number(0))
            cases.append((nodes.all_of([linked, kept]), self.place("positive_return")))
        judged = {"reason": nodes.choose(cases, nodes.nothing("int")), "copies": copies}
        query = nodes.select({**columns, **judged}, nodes.table(part))
        if "order_id" not in self.shop.names:
            return query
        return query.group_by(*(nodes.column(name, part) for name in (*names, "reason")))

    @property
    def _contents(self) -> list[str]:
        names = [name for name in (*PASSED_ON, *CONTENT) if name in self.shop.names]
        names += ["placed_us", *(["status"] if self.has_status else [])]
        return [*names, "amount_minor", *(["quantity"] if "quantity" in self.shop.names else [])]

    # The account

    def account(self) -> Query:
        """Return how many rows were kept, and how many were left out for which reason."""
        counts = self.part("counts")
        place = nodes.column("place", counts)
        known = [*self.excluded, *REASONS, *LATER, "duplicate"]
        kinds = ["excluded"] * len(self.excluded) + ["quarantined"] * (
            len(known) - len(self.excluded)
        )
        kinds[-1] = "collapsed"
        shown = [(nodes.compare(place, "==", int_of(at)), at) for at in range(len(known))]
        columns = {
            "kind": nodes.choose(
                [(here, nodes.text(kinds[at])) for here, at in shown], nodes.text("kept")
            ),
            "reason": nodes.choose([(here, nodes.text(known[at])) for here, at in shown]),
            "rows": nodes.column("rows", counts),
        }
        query = nodes.select(columns, nodes.table(counts)).order_by(nodes.ascending(place))
        parts = {**dict(self._read()), counts: nodes.union(list(self._counts()))}
        for name, part in parts.items():
            query = query.with_(nodes.identifier(name), as_=part, copy=False)
        return query

    def _counts(self) -> Iterator[Query]:
        judged, single = self.part("judged rows"), self.part("single rows")
        reason = nodes.column("reason", judged)
        columns = {"place": reason, "rows": nodes.count_rows()}
        early = nodes.select(columns, nodes.table(judged))
        yield early.where(nodes.negate(nodes.is_missing(reason))).group_by(reason)

        reason, copies = nodes.column("reason", single), nodes.column("copies", single)
        clash = nodes.compare(reason, "==", self.place("conflicting_duplicate"))
        kept = int_of(len(self.excluded) + len(REASONS) + len(LATER) + 1)
        counted = nodes.choose([(clash, copies)], nodes.number(1))
        place = nodes.coalesce(reason, kept)
        columns = {"place": place, "rows": _whole_sum(counted)}
        yield nodes.select(columns, nodes.table(single)).group_by(place)

        again = nodes.compute(copies, "-", nodes.number(1))
        again = nodes.choose([(clash, nodes.number(0))], again)
        repeated = nodes.column("rows", "repeated")
        columns = {"place": self.place("duplicate"), "rows": _whole_sum(again)}
        inner = nodes.subselect(nodes.select(columns, nodes.table(single)), "repeated")
        columns = {"place": nodes.column("place", "repeated"), "rows": repeated}
        yield nodes.select(columns, inner).where(nodes.compare(repeated, ">", nodes.number(0)))


def _whole_sum(value: Node) -> Node:
    return nodes.cast(nodes.aggregate("SUM", value), "bigint")


def _in_group(part: str) -> Node:
    """Return how many different rows have an order's id."""
    return nodes.over(nodes.count_rows(), [nodes.column("order_id", part)])
