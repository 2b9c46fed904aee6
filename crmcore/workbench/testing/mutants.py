"""Mutants: a policy with one small change, such as a person might make by mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeAlias

import numpy as np
from pydantic import TypeAdapter

from crmcore.calendars import Span, day_number, parse_span, shift_days, to_date
from crmcore.conditions import Condition, ConditionField, FieldType, parse, to_text
from crmcore.conditions.language.tree import Not
from crmcore.documents import Plain, Table
from crmcore.policy import Policy
from crmcore.policy.printing import inline
from crmcore.scoring import BandStep, NestedStep
from crmcore.workbench.testing.rewriting import moved_number, rewritten, unit_of

__all__ = ["Mutant", "mutants_of"]

_TABLES: Final = ("class", "segment", "stage")
_STATUSES: Final = ("placed", "paid", "shipped", "delivered")
_TAKES: Final = {"mean": "sum", "sum": "mean", "first": "last", "last": "first", "min": "max",
                 "max": "min", "days_since_first": "days_since_last",
                 "days_since_last": "days_since_first"}  # fmt: skip
_WINDOWS: Final = {"within": "tiles", "tiles": "within"}
_FIELDS: Final = {"value": "quantity", "quantity": "value", "product": "category",
                  "category": "product", "channel": "promotion"}  # fmt: skip
_MEASURED: Final = ("sum", "mean", "min", "max", "median", "spread")
_OFS: Final = {"sale": "order", "order": "sale"}
_UNKNOWN: Final = ("skip", "default", "error")
_SIGNS: Final = (1, -1)

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """A policy with one change.

    Parameters
    ----------
    path
        Where in the policy.
    before, after
        What stands there, and what the mutant has; empty where a part is left out.
    table
        The mutant as plain tables.
    of_facts
        Whether what facts mean is changed, which only cases given by orders can notice.
    """

    path: str
    before: str
    after: str
    table: Table
    of_facts: bool = False


def mutants_of(policy: Policy, as_of: date, held: date | None = None) -> Iterator[Mutant]:
    """Yield every mutant of a policy, in the order of its document.

    Parameters
    ----------
    policy
        The policy.
    as_of
        The day from which spans are counted: a span is moved by one day.
    held
        The day of facts with a window, where the policy holds them; by default the same.
    """
    yield from _Mutation(policy, as_of, held or as_of).all()


class _Mutation:
    def __init__(self, policy: Policy, as_of: date, held: date) -> None:
        self.policy = policy
        self.document = policy.document
        self.day, self.held = day_number(as_of), day_number(held)

    def all(self) -> Iterator[Mutant]:
        yield from self._of_shop()
        yield from self._of_evaluation()
        for name in self._table("windows"):
            yield from self._of_window(name)
        for name in self._table("facts"):
            yield from self._of_fact(name)
        for name, score in self._table("scores").items():
            assert isinstance(score, dict)  # or the policy were refused
            yield from self._of_score(name, score)
        if "grade" in self.document:
            grade = self._table("grade")
            yield from self._of_bands(("grade",), grade, self._source(grade))
        for name in _TABLES:
            if name in self.document:
                yield from self._of_list(name, self._table(name))

    # What facts mean

    def _of_shop(self) -> Iterator[Mutant]:
        statuses = self.document["sale_statuses"]
        assert isinstance(statuses, list)  # or the policy were refused
        for one in _STATUSES:
            if one in statuses:
                rest: list[Plain] = [other for other in statuses if other != one]
            else:
                rest = [*statuses, one]
            yield self._change(("sale_statuses",), rest, of_facts=True)
        other = "refuse" if self.policy.returns == "customer_total" else "customer_total"
        yield self._change(("returns",), other, self.policy.returns, of_facts=True)

    def _of_evaluation(self) -> Iterator[Mutant]:
        evaluation = self._table("evaluation")
        every, anchor = evaluation.get("every"), evaluation.get("anchor")
        if every is not None:
            for span in self._spans(str(every), self.held):
                yield self._change(("evaluation", "every"), span, of_facts=True)
        if anchor is not None:
            day = day_number(date.fromisoformat(str(anchor)))
            for sign in _SIGNS:
                yield self._change(("evaluation", "anchor"), to_date(day + sign), of_facts=True)

    def _of_window(self, name: str) -> Iterator[Mutant]:
        path, window = ("windows", name), self._table("windows")[name]
        if isinstance(window, str):
            for span in self._spans(window, self.held):
                yield self._change(path, span, of_facts=True)
            yield self._change(path, {"tiles": window}, of_facts=True)
        elif isinstance(window, dict):
            for key, other in _WINDOWS.items():
                given = window.get(key)
                if isinstance(given, str):
                    for span in self._spans(given, self.held):
                        yield self._change((*path, key), span, of_facts=True)
                    yield self._change(path, {other: given}, of_facts=True)
            yield from self._numbers((*path, "back"), window.get("back"), of_facts=True)

    def _of_fact(self, name: str) -> Iterator[Mutant]:
        fact, path = self._table("facts")[name], ("facts", name)
        assert isinstance(fact, dict)  # or the policy were refused
        for key, swaps in (("take", _TAKES), ("of", _OFS)):
            if fact.get(key) in swaps:
                yield self._change((*path, key), swaps[str(fact[key])], of_facts=True)
        measure = fact.get("field", "value" if fact["take"] in _MEASURED else None)
        if measure in _FIELDS:
            before = str(measure)
            yield self._change((*path, "field"), _FIELDS[before], before, of_facts=True)
        if "in" in fact:
            yield self._without((*path, "in"), of_facts=True)
        if "where" in fact:
            yield self._without((*path, "where"), of_facts=True)
            for changed in self._conditions(fact["where"]):
                yield self._change((*path, "where"), changed, of_facts=True)

    # Scores and grades

    def _of_score(self, name: str, score: Table) -> Iterator[Mutant]:
        path: Path = ("scores", name)
        weights, cell, by = score.get("weights"), score.get("cell"), score.get("by")
        if isinstance(weights, dict):
            for part, weight in weights.items():
                yield from self._numbers((*path, "weights", part), weight)
        elif isinstance(cell, list):
            for at in range(len(cell) - 1):
                yield self._change((*path, "cell"), _swapped(cell, at))
        elif isinstance(by, dict):
            for points, bands in by.items():
                if isinstance(bands, dict):
                    yield from self._of_bands((*path, "by", points), bands, self._source(score))
        else:
            yield from self._of_bands(path, score, self._source(score))

    def _source(self, bands: Table) -> FieldType | None:
        name = bands.get("fact") or bands.get("score")
        return self.policy.fields.get(str(name))

    def _of_bands(self, path: Path, bands: Table, source: FieldType | None) -> Iterator[Mutant]:
        step = self.policy.step(str(path[1 if path[0] == "scores" else 0]))
        day = self.held if isinstance(step, BandStep | NestedStep) and step.windowed else self.day
        for key in ("from", "within"):
            rows = bands.get(key)
            if not isinstance(rows, list):
                continue
            for at, row in enumerate(rows):
                assert isinstance(row, list)  # or the policy were refused
                where = (*path, key, at)
                edges = (
                    self._edges(row[0], source) if key == "from" else self._spans(str(row[0]), day)
                )
                for edge in edges:
                    yield self._change((*where, 0), edge)
                yield from self._outcomes((*where, 1), rows, at)
                if len(rows) > 1:
                    yield self._without(where)
        for key in ("below", "missing"):
            if key in bands:
                yield from self._numbers((*path, key), bands[key])
                yield self._without((*path, key))

    def _edges(self, edge: Plain, source: FieldType | None) -> Iterator[Plain]:
        assert isinstance(edge, int | str | Decimal)  # or the policy were refused
        for number in moved_number(Decimal(edge), unit_of(source)):
            if isinstance(edge, str):
                yield f"{number:f}"
            else:
                yield int(number) if isinstance(edge, int) and number == int(number) else number

    def _outcomes(self, path: Path, rows: list[Plain], at: int) -> Iterator[Mutant]:
        outcomes = [row[1] for row in rows if isinstance(row, list)]
        own = outcomes[at]
        if isinstance(own, str):
            label = _neighbour(outcomes, at)
            if label is not None:
                yield self._change(path, label)
        else:
            yield from self._numbers(path, own)

    def _spans(self, text: str, day: int) -> Iterator[Plain]:
        """Yield a span that is one day longer, and one that is a day shorter."""
        span: Span = parse_span(text)
        days = day - int(shift_days(np.array([day], np.int64), span, -1)[0])
        yield from (f"{days + sign} days" for sign in _SIGNS if days + sign > 0)

    # First-match lists

    def _of_list(self, name: str, table: Table) -> Iterator[Mutant]:
        rows = table["first"]
        assert isinstance(rows, list)  # or the policy were refused
        labels = [row[1] for row in rows if isinstance(row, list)]
        for at, row in enumerate(rows):
            assert isinstance(row, list)  # or the policy were refused
            path = (name, "first", at)
            for changed in self._conditions(row[0]):
                yield self._change((*path, 0), changed)
            yield self._change((*path, 0), to_text(Not(term=_tree(row[0]))))
            label = _neighbour(labels, at)
            if label is not None:
                yield self._change((*path, 1), label)
            if len(rows) > 1:
                yield self._without(path)
            if at + 1 < len(rows):
                yield self._swap(name, rows, at)
        yield from self._otherwise(name, table, labels)
        given = table.get("unknown", "skip")
        for other in _UNKNOWN:
            if given not in (other, "error"):  # no case can expect to be refused
                yield self._change((name, "unknown"), other, str(given))

    def _otherwise(self, name: str, table: Table, labels: Sequence[Plain]) -> Iterator[Mutant]:
        if "otherwise" in table:
            yield self._without((name, "otherwise"))
        given = table.get("otherwise")
        label = next((label for label in reversed(labels) if label != given), None)
        if label is not None:
            yield self._change((name, "otherwise"), label, str(given or ""))

    def _swap(self, name: str, rows: list[Plain], at: int) -> Mutant:
        table = _with(self.document, (name, "first"), _swapped(rows, at))
        before, after = (f"row {at} {word} row {at + 1}" for word in ("before", "after"))
        return Mutant(f"{name}.first.{at}", before, after, table)

    def _conditions(self, given: Plain) -> Iterator[Plain]:
        seen = {to_text(_tree(given))}
        for changed in rewritten(_tree(given), self.policy.fields):
            text = to_text(changed)  # type: ignore[arg-type]  # a condition rewritten is one
            if text not in seen:
                seen.add(text)
                yield text

    # Changes

    def _table(self, name: str) -> Table:
        found = self.document.get(name, {})
        assert isinstance(found, dict)  # or the policy were refused
        return found

    def _numbers(
        self, path: Path, given: Plain | None, *, of_facts: bool = False
    ) -> Iterator[Mutant]:
        if isinstance(given, int) and not isinstance(given, bool):
            for sign in _SIGNS:
                yield self._change(path, given + sign, of_facts=of_facts)

    def _change(
        self, path: Path, value: Plain, before: str | None = None, *, of_facts: bool = False
    ) -> Mutant:
        old = before if before is not None else _shown(_at(self.document, path))
        table = _with(self.document, path, value)
        return Mutant(".".join(map(str, path)), old, _shown(value), table, of_facts)

    def _without(self, path: Path, *, of_facts: bool = False) -> Mutant:
        old = _shown(_at(self.document, path))
        return Mutant(".".join(map(str, path)), old, "", _with(self.document, path, None), of_facts)


def _shown(value: Plain) -> str:
    return value if isinstance(value, str) else inline(value)


def _tree(given: Plain) -> Condition:
    return parse(given) if isinstance(given, str) else _CONDITION.validate_python(given)


_CONDITION: Final[TypeAdapter[Condition]] = TypeAdapter(ConditionField)


def _neighbour(labels: Sequence[Plain], at: int) -> Plain | None:
    """Return the label of the next row that has another one, else of the nearest before."""
    own = labels[at]
    nearby = [*labels[at + 1 :], *reversed(labels[:at])]
    return next((label for label in nearby if label != own), None)


def _swapped(rows: Sequence[Plain], at: int) -> list[Plain]:
    return [*rows[:at], rows[at + 1], rows[at], *rows[at + 2 :]]


def _at(value: Any, path: Path) -> Plain:
    for key in path:
        value = value[key]
    found: Plain = value
    return found


def _with(document: Mapping[str, Plain], path: Path, value: Plain | None) -> Table:
    """Return a copy of the document with one value changed; ``None`` leaves it out."""
    changed = _replaced(dict(document), path, value)
    assert isinstance(changed, dict)  # as the document is
    return changed


def _replaced(old: Plain, path: Path, value: Plain | None) -> Plain | None:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(old, list):
        assert isinstance(key, int)
        new = _replaced(old[key], rest, value)
        middle = [] if new is None else [new]
        return [*old[:key], *middle, *old[key + 1 :]]
    assert isinstance(old, dict)
    new = _replaced(old.get(str(key), ""), rest, value)
    kept = {name: one for name, one in old.items() if name != key}
    if new is None:
        return kept
    return {**old, str(key): new}
