"""A shop's own columns: which there are, what each holds, and what a source asks of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, get_args

from crmcore.errors import DataError, PolicyError, Problem
from crmcore.records.formula import Product, parse_formula
from crmcore.records.source import Exclusion, Source, StatusRule, Test
from crmcore.sql import nodes
from crmcore.sql.dialects import IDS, Dialect
from crmcore.sql.dialects.dialect import Kind
from crmcore.sql.nodes import Node
from crmcore.sql.refusals import Use, refused
from crmcore.sql.rows import LARGE
from crmcore.sql.source.numbers import FINE, bound, scaled, trouble, written

__all__ = ["Shop", "asked_names", "kinds_of"]

_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_NUMBERS: Final = ("whole", "decimal", "text")
_TEXTS: Final = ("text", "whole", "decimal", "uuid", "boolean")
_WIDTH: Final = 36
_PLACES: Final = 9
_NEEDED: Final = ("customer_id", "placed_at")
_READ: Final[Mapping[str, tuple[str, ...]]] = {
    "customer_id": IDS,
    "order_id": IDS,
    "returns_order_id": IDS,
    "line_id": IDS,
    "product_id": IDS,
    "category": IDS,
    "channel": ("text",),
    "promotion": ("text",),
    "placed_at": ("instant", "time", "date", "whole", "text"),
    "quantity": _NUMBERS,
    "status": _TEXTS,
    "currency": _TEXTS,
}
_WAYS: Final = ("amount_minor", "amount", "unit_price")
_UNREAD: Final = ("status_at", "known_at", "version")


def kinds_of(kinds: Mapping[str, str]) -> dict[str, Kind]:
    """Return what columns hold, each kind being one of those there are.

    Raises
    ------
    DataError
        There is no such kind.
    """
    for name, kind in kinds.items():
        if kind not in _KINDS:
            raise DataError(f"no such kind; allowed: {', '.join(_KINDS)}", column=name)
    return {name: _KINDS[kind] for name, kind in kinds.items()}


def asked_names(source: Source) -> set[str]:
    """Return *their* names of all columns that a source reads where they are there."""
    named = {name: getattr(source.columns, name) for name in type(source.columns).model_fields}
    if source.amount.formula is not None:
        named = {one: named[one] for one in named if one not in _WAYS or named[one] is not None}
    standard = {name if theirs is None else theirs for name, theirs in named.items()}
    tested = {one.column for one in _tests(source)}
    return (standard | tested | {name for one in _terms(source) for name in one.columns}) - {False}


def _tests(source: Source) -> list[Test]:
    """Return all tests, those beside others too."""
    rules: list[Exclusion | StatusRule] = [*source.exclude, *source.status.first]
    return [test for rule in rules for test in (rule, *rule.also)]


def _terms(source: Source) -> tuple[Product, ...]:
    """Return the products that the amount is the sum of, where there is a formula."""
    formula = source.amount.formula
    return () if formula is None else parse_formula(formula).products


@dataclass(frozen=True, slots=True)
class Shop:
    """The columns of a relation as a source means them.

    Parameters
    ----------
    source
        How the rows are to be read.
    kinds
        What each of *their* columns holds.
    dialect
        How the engine says things.
    """

    source: Source
    kinds: Mapping[str, Kind]
    dialect: Dialect

    @classmethod
    def of(cls, source: Source, kinds: Mapping[str, str], dialect: Dialect) -> Shop:
        """Return the shop's columns, all of which the query can read.

        Raises
        ------
        PolicyError
            The source asks for what has no SQL form (``not_in_sql``).
        DataError
            A column that the source names is not there, or cannot hold what it should.
        """
        shop = cls(source, kinds_of(kinds), dialect)
        for name in _NEEDED:
            shop._needed(name)
        problems = list(shop._problems())
        if problems:
            raise PolicyError(problems)
        for name in shop.named:
            dialect.check_name(name)
        if shop.kinds[shop.names["placed_at"]] in ("time", "date") and source.zone is None:
            message = 'times without an offset: name their zone in the source, as zone = "..."'
            raise DataError(message, column="placed_at")
        if shop.kinds[shop.names["placed_at"]] == "whole" and source.time_unit is None:
            message = 'times as numbers: say what they count in the source, as time_unit = "s"'
            raise DataError(message, column="placed_at")
        return shop

    # What there is

    @property
    def names(self) -> dict[str, str]:
        """*Their* name for each standard column there is."""
        found = {}
        for standard in (*_READ, *_UNREAD, *_WAYS):
            named = getattr(self.source.columns, standard)
            theirs = standard if named is None else named
            if named is not None and theirs and theirs not in self.kinds:
                raise DataError("the source names a column that is not there", column=standard)
            if theirs and theirs in self.kinds:
                found[standard] = theirs
        return found

    def _needed(self, standard: str) -> str:
        """Return *their* name for a standard column, which must be there."""
        found = self.names.get(standard)
        if found is None:
            message = "no such column; say in the source what it is called"
            raise DataError(message, column=standard)
        return found

    @property
    def products(self) -> tuple[Product, ...]:
        """The sum that makes the amount."""
        if self.source.amount.formula is not None:
            return _terms(self.source)
        return (Product(Decimal(1), tuple(self._needed(name) for name in self._way)),)

    @property
    def in_minor(self) -> bool:
        """Whether the amount is given in minor units."""
        return self.source.amount.formula is None and self._way == ("amount_minor",)

    @property
    def _way(self) -> tuple[str, ...]:
        """The standard columns whose product is the amount: named ones before others."""
        columns, names = self.source.columns, self.names
        ways = sorted(_WAYS, key=lambda way: not isinstance(getattr(columns, way), str))
        for way in ways:
            if way in names and way == "unit_price":
                return (way, "quantity")
            if way in names:
                return (way,)
        raise DataError(
            "no column of amounts; say in the source what it is called", column="amount"
        )

    @property
    def factors(self) -> tuple[str, ...]:
        """*Their* names of the columns that make the amount."""
        return tuple(dict.fromkeys(name for one in self.products for name in one.columns))

    @property
    def tests(self) -> list[Test]:
        """All tests of the source."""
        return _tests(self.source)

    @property
    def named(self) -> list[str]:
        """*Their* names of all columns that are read, each once."""
        passed = [self.names[name] for name in _READ if name in self.names]
        tested = [one.column for one in self.tests]
        return list(dict.fromkeys([*passed, *self.factors, *tested]))

    # What cannot be read

    def _problems(self) -> Iterator[Problem]:
        names, uses = self.names, [Use("source", "any source", "source", "source")]
        for name in _UNREAD:
            if name in names:
                what = "`status_at`, `known_at`, `version`"
                uses.append(Use("source", what, f"source.columns.{name}", names[name]))
        for use in uses:
            yield from refused(use, self.dialect.name)
        for name, fitting in _READ.items():
            if name in names:
                yield from self._unfit(f"source.columns.{name}", names[name], fitting)
        for name in self.factors:
            yield from self._unfit("source.amount", name, _NUMBERS)
        for test in self.tests:
            text = {"starts_with", "ends_with", "contains", "equals", "one_of"}
            numeric = {"above", "below"} & test.model_fields_set
            given = (
                _NUMBERS if numeric else _TEXTS if text & test.model_fields_set else tuple(_KINDS)
            )
            given = tuple(kind for kind in given if kind != "float")
            yield from self._unfit("source", test.column, given)

    def _unfit(self, path: str, name: str, fitting: tuple[str, ...]) -> Iterator[Problem]:
        kind = self.kinds.get(name)
        if kind is None:
            raise DataError("the source names a column that is not there", column=name)
        if kind not in fitting:
            message = f"a column of kind {kind} has no SQL form here"
            yield Problem("not_in_sql", message, path, kind, ", ".join(fitting))

    # Texts and tests

    def column(self, name: str, table: str) -> Node:
        """Return one of *their* columns that was read, by the name it has from then on."""
        return nodes.column(f"column {self.named.index(name)}", table)

    def read(self, table: str) -> dict[str, Node]:
        """Return the columns that are read, each of the kind it should be."""
        return {f"column {at}": self._checked(name, table) for at, name in enumerate(self.named)}

    def _checked(self, name: str, table: str) -> Node:
        """Return a column, missing where it is empty; of another kind, an error."""
        value, kind, dialect = nodes.column(name, table), self.kinds[name], self.dialect
        fits = dialect.is_decimal(value) if kind == "decimal" else dialect.is_kind(value, kind)
        cases = [(nodes.negate(fits), dialect.refuse(f"a column is not of kind {kind}", value))]
        cases += self._large(name, value)
        nothing = {"text": "", "decimal": "NaN"}.get(kind)
        if nothing is None:
            return nodes.choose(cases, value)
        there = nodes.compare(dialect.text(value), "!=", nodes.text(nothing))
        return nodes.choose([*cases, (there, value)])

    def _large(self, name: str, value: Node) -> Iterator[tuple[Node, Node]]:
        """Yield whether an id is too large a number, and what becomes of it."""
        large = self.dialect.is_large(value)
        for standard, theirs in self.names.items():
            if large is not None and theirs == name and _READ.get(standard) == IDS:
                yield large, self.dialect.refuse(f"{standard} {LARGE}", value)

    def text(self, name: str, table: str) -> Node:
        """Return a column as text: numbers without superfluous zeros."""
        value, kind = self.column(name, table), self.kinds[name]
        if kind == "boolean":
            cases = [(value, nodes.text("true")), (nodes.negate(value), nodes.text("false"))]
            return nodes.choose(cases)
        text = written(value, kind, self.dialect)
        if kind != "decimal":
            return text
        point = nodes.text(".")
        whole = nodes.compare(nodes.call("REPLACE", text, point, nodes.text("")), "==", text)
        shorter = nodes.without_end(nodes.without_end(text, "0"), ".")
        return nodes.choose([(whole, text)], shorter)

    def meets(self, test: Test, table: str) -> Node:
        """Return whether a row meets a test and those beside it: unknown counts as not."""
        also = test.also if isinstance(test, Exclusion | StatusRule) else ()
        return nodes.all_of([term for one in (test, *also) for term in self._terms(one, table)])

    def _terms(self, test: Test, table: str) -> Iterator[Node]:
        if test.missing is not None:
            missing = nodes.is_missing(self.column(test.column, table))
            yield missing if test.missing else nodes.negate(missing)
        yield from self._text_terms(test, table)
        if test.above is not None:
            low = bound(test.above, _PLACES, up=False)
            yield self._number_term(test.column, table, ">", low)
        if test.below is not None:
            high = bound(test.below, _PLACES, up=True)
            yield self._number_term(test.column, table, "<", high)

    def _text_terms(self, test: Test, table: str) -> Iterator[Node]:
        text = (
            self.text(test.column, table) if self.kinds[test.column] in _TEXTS else nodes.text("")
        )
        for function, part in (("LEFT", test.starts_with), ("RIGHT", test.ends_with)):
            if part is not None:
                cut = nodes.call(function, text, nodes.number(len(part), "int"))
                yield nodes.compare(cut, "==", nodes.text(part))
        if test.contains is not None:
            without = nodes.call("REPLACE", text, nodes.text(test.contains), nodes.text(""))
            yield nodes.compare(without, "!=", text)
        if test.equals is not None:
            yield nodes.compare(text, "==", nodes.text(_written(test.equals)))
        if test.one_of is not None:
            yield nodes.among(text, map(nodes.text, map(_written, test.one_of)))

    def _number_term(self, name: str, table: str, op: Literal["<", ">"], limit: int) -> Node:
        value, kind, dialect = self.column(name, table), self.kinds[name], self.dialect
        fine = nodes.compare(trouble(value, kind, dialect), "==", nodes.number(FINE, "int"))
        number = scaled(written(value, kind, dialect), _WIDTH, _PLACES, dialect)
        holds = nodes.compare(number, op, dialect.wide_number(limit))
        return nodes.choose([(fine, holds)], nodes.truth(False))


def _written(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
