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
from crmcore.sql.nodes import Node, Query
from crmcore.sql.source.judging import LATER, int_of
from crmcore.sql.source.lines import Folding
from crmcore.sql.source.shop import Shop

__all__ = ["BadRows", "Reading", "given_rows"]

BadRows: TypeAlias = Literal["refuse", "set_aside"]


@dataclass(frozen=True, slots=True)
class Reading(Folding):
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

    @property
    def given(self) -> str:
        """The name of the part with the canonical rows."""
        return self.part("given rows")

    def columns(self, ids: str) -> dict[str, str | None]:
        """Return the canonical rows' columns by their standard names, ``None`` for what is not.

        `ids` is what the customers call theirs: so the rows do, and no other column.
        """
        there = ["placed_us", "amount_minor", *self.passed_on]
        absent = ["order_id", "returns_order_id", "status", "quantity", "channel", "promotion"]
        named = {one: f"{one} of rows" if one == ids.casefold() else one for one in there}
        return {**dict.fromkeys(absent), **named, "customer_id": ids}

    # The parts of the query

    def parts(self, ids: str) -> Iterator[tuple[str, Node]]:
        """Yield the parts from the shop's rows to canonical ones, each after what it reads."""
        yield from self._read()
        rows = self.folded
        named = self.columns(ids)
        columns = {name: nodes.column(one, rows) for one, name in named.items() if name}
        columns[ids] = self._or_fail(rows)
        query = nodes.select(columns, nodes.table(rows))
        if not self.strict:
            query = query.where(self._counts_or_fails(rows))
        yield self.given, query

    def _counts_or_fails(self, part: str) -> Node:
        """Return whether nothing is wrong with a row, or what cannot be set aside."""
        reason = nodes.column("reason", part)
        return nodes.any_of([nodes.is_missing(reason), nodes.compare(reason, "<", int_of(0))])

    def _or_fail(self, rows: str) -> Node:
        """Return the customer's id; the query fails where the row would be set aside."""
        someone, reason = nodes.column("customer_id", rows), nodes.column("reason", rows)
        wrongs = {int_of(place): message for message, place in self.errors.items()}
        if self.strict:
            names = (*REASONS, *LATER)
            wrongs |= {self.place(one): f"a row would be set aside: {one}" for one in names}
        if not wrongs:
            return someone
        cases = [(nodes.is_missing(reason), someone)]
        for place, message in wrongs.items():
            refused = self.shop.dialect.refuse(message, someone)
            cases.append((nodes.compare(reason, "==", place), refused))
        return nodes.choose(cases)

    def _read(self) -> Iterator[tuple[str, Node]]:
        step = self.shop.dialect.step
        given = nodes.table(self.relation, "given")
        yield self.part("read columns"), step(nodes.select(self.shop.read("given"), given))
        for name, query in self.times():
            yield self.part(name), step(query)
        yield self.part("read numbers"), step(self.numbers())
        if self.clock.in_zone:
            yield self.part("zone"), self.clock.zone()
        yield self.part("read sums"), step(self.sums())
        yield self.part("judged rows"), step(self.judged())
        yield self.part("usable rows"), step(self._usable())
        for name, query in self.fold():
            yield self.part(name), step(query)

    def _usable(self) -> Query:
        """Return the rows that are not excluded, or of these the ones nothing is wrong with."""
        part = self.part("judged rows")
        reason = nodes.column("reason", part)
        query = self.after("judged rows", {})
        kept = self._counts_or_fails(part)
        if self.strict:
            wrong = nodes.compare(reason, ">=", int_of(len(self.excluded)))
            kept = nodes.any_of([kept, wrong])
        return query.where(kept)

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
        query = query.where(*self.shop.dialect.session_checks())
        parts = {**dict(self._read()), counts: nodes.union(list(self._counts()))}
        for name, part in parts.items():
            query = query.with_(nodes.identifier(name), as_=part, copy=False)
        return query

    def _counts(self) -> Iterator[Query]:
        """Yield rows left out early, rows left out later or kept, and rows that repeat others."""
        judged, last = self.part("judged rows"), self.folded
        reason = nodes.column("reason", judged)
        left_out = nodes.compare(reason, ">=", int_of(0))
        columns = {"place": reason, "rows": nodes.count_rows()}
        yield nodes.select(columns, nodes.table(judged)).where(left_out).group_by(reason)

        lines, copies = (nodes.column(name, last) for name in ("lines", "copies"))
        place = self._place_or_fail(last)
        columns = {"place": place, "rows": _whole_sum(lines)}
        yield nodes.select(columns, nodes.table(last)).group_by(place)

        rows = nodes.column("rows", "repeated")
        again = _whole_sum(nodes.compute(copies, "-", lines))
        columns = {"place": self.place("duplicate"), "rows": again}
        inner = nodes.subselect(nodes.select(columns, nodes.table(last)), "repeated")
        columns = {"place": nodes.column("place", "repeated"), "rows": rows}
        yield nodes.select(columns, inner).where(nodes.compare(rows, ">", nodes.number(0)))

    def _place_or_fail(self, part: str) -> Node:
        """Return the place of a row's reason, the last of all where it is kept."""
        reason, kept = nodes.column("reason", part), len(self.excluded) + len(REASONS)
        cases = []
        for message, place in self.errors.items():
            refused = self.shop.dialect.refuse(message, reason)
            cases.append((nodes.compare(reason, "==", int_of(place)), refused))
        found = nodes.coalesce(reason, int_of(kept + len(LATER) + 1))
        return nodes.choose(cases, found) if cases else found


def given_rows(
    reading: Reading, currency: Currency, columns: Mapping[str, str | None] | None
) -> tuple[list[tuple[str, Node]], str, dict[str, str | None]]:
    """Return the parts that make canonical rows, the name of the last, and their columns.

    Raises
    ------
    DataError
        The policy is in another currency, as by `evaluate`; or `columns` name what the source
        says. The ids of the customers they name.
    """
    if reading.shop.source.currency != currency:
        raise DataError("the policy and the source are in different currencies")
    named = {} if columns is None else dict(columns)
    ids = named.get("customer_id") or "customer_id"
    there = reading.columns(ids)
    told = there.keys() - ({"customer_id"} if reading.customers is not None else ())
    for name in named:
        if name in told:
            raise DataError("the source says what the orders call this column", column=name)
    return list(reading.parts(ids)), reading.given, {**there, **named}


def _whole_sum(value: Node) -> Node:
    return nodes.cast(nodes.aggregate("SUM", value), "bigint")
