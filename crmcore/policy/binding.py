"""Binding: a document whose names are looked up and whose decisions are put in order.

Nothing stops at the first mistake. What rests on something that has a problem of its own is
passed over in silence, so that each mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Final

from crmcore.bands import LabelBands, PointBands
from crmcore.calendars import zone
from crmcore.conditions import GIVEN, KEYWORDS, FieldType, bind
from crmcore.errors import MAX_PROBLEMS, Problem
from crmcore.facts.selection import row_fields
from crmcore.facts.spec import USUAL_FACTS, Fact
from crmcore.policy.document import Document
from crmcore.policy.gaps import Gaps
from crmcore.scoring import (
    BandScore,
    BandStep,
    Known,
    NestedStep,
    QuantileStep,
    ScoredBy,
    Scorer,
    Step,
    SumStep,
)
from crmcore.segments import TableStep
from crmcore.suggestions import Suggestions

__all__ = ["BASE_FIELDS", "Bindings", "bind_document"]

BASE_FIELDS: Final[Mapping[str, FieldType]] = {
    "blocked": FieldType("bool", nullable=False),
    "registered_on": FieldType("date"),
}
"""Fields of a customer that need no declaration."""

_DECISIONS: Final = ("grade", "class", "segment", "stage")
_RESERVED: Final = frozenset(
    [
        *(*GIVEN, *BASE_FIELDS, *_DECISIONS, *KEYWORDS),
        *("customer_id", "person_id", "birthday", "time_zone"),
    ]
)


@dataclass(slots=True)
class Bindings:
    """What a document means: the facts asked for, the types of all names, the steps in order.

    Parameters
    ----------
    facts
        The declared facts, then the usual ones that something names.
    fields
        The type of every name.
    steps
        The decisions, each after what it needs.
    attributes
        What is read of customers: the declared attributes, and the others that something names.
    problems
        Everything that is wrong.
    """

    facts: dict[str, Fact]
    fields: dict[str, FieldType]
    steps: tuple[Step, ...]
    attributes: dict[str, FieldType]
    problems: list[Problem] = field(default_factory=list)


def bind_document(
    document: Document,
    scorers: Mapping[str, Scorer],
    gaps: Gaps,
    suggestions: Suggestions,
    *,
    fitting: bool = False,
) -> Bindings:
    """Look up every name of a document and put its decisions in order.

    Parameters
    ----------
    document
        The document.
    scorers
        The host's scorers, by name.
    gaps
        What was left out of the document for a problem of its own.
    suggestions
        Where nearest names are looked up.
    fitting
        Whether quantiles may stand in it that are not fitted yet.
    """
    return _Binder(document, scorers, gaps, suggestions, fitting=fitting).run()


class _Binder:
    def __init__(
        self,
        document: Document,
        scorers: Mapping[str, Scorer],
        gaps: Gaps,
        suggestions: Suggestions,
        *,
        fitting: bool,
    ) -> None:
        self.document = document
        self.gaps = gaps
        self.broken = set(gaps.names)
        self.problems: list[Problem] = []
        self.suggestions = suggestions
        self.types: dict[str, FieldType] = {}
        self.scores: dict[str, FieldType] = {}
        self.labels: dict[str, FieldType] = {}
        self.ranges: dict[str, tuple[int, int]] = {}
        self.points: dict[str, frozenset[int]] = {}
        self.used: set[str] = set()
        attributes = {name: one.field_type for name, one in document.attributes.items()}
        self.attributes = {**BASE_FIELDS, **attributes}
        usual = {name: fact for name, fact in USUAL_FACTS.items() if name not in gaps.names}
        self.known_facts = {**usual, **document.facts}
        # The tables given here fill up step by step.
        self.known = Known(
            facts=self.types,
            scores=self.scores,
            ranges=self.ranges,
            points=self.points,
            windowed=frozenset(name for name, fact in self.known_facts.items() if fact.window),
            scorers=scorers,
            fitting=fitting,
            broken=self.broken,
            nearest=suggestions.nearest,
        )

    def run(self) -> Bindings:
        self._check_names()
        self._check_facts()
        exponent = self.document.currency.exponent
        types = {name: fact.field_type(name, exponent) for name, fact in self.known_facts.items()}
        usable = {**types, **self.attributes}
        self.types.update({name: usable[name] for name in usable if name not in self.broken})
        steps = tuple(step for name in self._order() if (step := self._step(name)) is not None)
        if not self._has_enough:
            self._check_internal()
        asked = dict.fromkeys([*self.document.facts, *sorted(self.used)])
        facts = {name: self.known_facts[name] for name in asked}
        chosen = {name: types[name] for name in facts}
        tags = dict.fromkeys(self._tags(), _TAG)
        given = {**GIVEN, **self.attributes, **tags}
        fields = {**given, **chosen, **self.scores, **self.labels}
        read = {name for step in steps for name in step.needs}
        declared = {name: self.attributes[name] for name in self.document.attributes}
        others = {**BASE_FIELDS, **tags}
        attributes = declared | {name: others[name] for name in sorted(read & others.keys())}
        return Bindings(facts, fields, steps, attributes, self._unexplained())

    def _unexplained(self) -> list[Problem]:
        """Return the problems that do not only follow from others."""
        gaps = replace(self.gaps, names=frozenset(self.broken))
        return [problem for problem in self.problems if not gaps.explain(problem)]

    def _check_names(self) -> None:
        taken: dict[str, str] = {}
        document = self.document
        groups = {"attributes": document.attributes, "facts": document.facts}
        for group, names in {**groups, "scores": document.scores}.items():
            for name in names:
                path = f"{group}.{name}"
                if name in _RESERVED:
                    self._problem("reserved_name", "this name has a meaning of its own", path)
                elif name in taken:
                    message = f"this name is taken by {taken[name]}"
                    self._problem("duplicate_name", message, path)
                elif group != "facts" and name in USUAL_FACTS:
                    self._problem("duplicate_name", "this is the name of a usual fact", path)
                taken.setdefault(name, path)

    def _check_facts(self) -> None:
        windows = self.document.windows
        for name, fact in self.document.facts.items():
            path, window = f"facts.{name}", fact.window
            if window and window not in windows:
                suggestion = self.suggestions.nearest(window, windows)
                self._problem("unknown_name", "no such window", f"{path}.in", window, suggestion)
            if self._has_enough:
                break
            if fact.take in ("first", "last") and not name.endswith(("_on", "_at")):
                message = "the name of a first or last ends in _on (local day) or _at (instant)"
                wrong = Problem("bad_name", message, path, name, suggestion=f"{name}_on")
                self.problems.append(replace(wrong, at_key=True))
                self.broken.add(name)  # the name says what it holds
            if fact.where is not None:
                fields = row_fields(fact.of, self.document.currency.exponent)
                found = bind(fact.where, fields, f"{path}.where", self.suggestions, given={})[1]
                self.problems += found

    def _check_internal(self) -> None:
        decisions = {**self.scores, **self.labels}
        for at, name in enumerate(self.document.internal):
            if name not in decisions:
                suggestion = self.suggestions.nearest(name, decisions)
                message = "no such score or decision"
                self._problem("unknown_name", message, f"internal.{at}", name, suggestion)

    def _order(self) -> list[str]:
        """Return the names of scores and decisions, each after those that it needs."""
        needs = {name: set(score.needs) for name, score in self.document.scores.items()}
        if self.document.grade:
            needs["grade"] = set(self.document.grade.needs)
        needs |= {name: set(table.names()) for name, table in self.document.tables.items()}
        inner = {name: sorted(found & needs.keys()) for name, found in needs.items()}
        sorter = TopologicalSorter(inner)
        with suppress(CycleError):
            sorter.prepare()
        order: list[str] = []
        while ready := sorter.get_ready():
            order += ready
            sorter.done(*ready)
        left = inner.keys() - set(order)
        self._refuse_circles(
            {name: [one for one in inner[name] if one in left] for name in inner if name in left}
        )
        return order + [name for name in inner if name in left]

    def _refuse_circles(self, needs: Mapping[str, list[str]]) -> None:
        """Report circles among names each of which needs another of them."""
        seen: set[str] = set()
        for name in needs:
            walk: dict[str, None] = {}
            while name not in seen:
                seen.add(name)
                walk[name] = None
                name = needs[name][0]
            if name in walk:
                names = [*walk][[*walk].index(name) :]
                path = name if name in _DECISIONS else f"scores.{name}"
                circle = " → ".join([*names, name])
                self._problem("cycle", f"these rest on each other in a circle: {circle}", path)
        self.broken.update(needs)

    @property
    def _has_enough(self) -> bool:
        """Whether more problems were found than are told."""
        return len(self.problems) > MAX_PROBLEMS

    def _step(self, name: str) -> Step | None:
        if self._has_enough:
            return None
        if name in self.document.tables:
            return self._table(name)
        path = name if name == "grade" else f"scores.{name}"
        node = self.document.scores[name] if name != "grade" else self.document.grade
        assert node is not None  # or it were not in the order
        step, problems = node.bind_step(name, self.known, path)
        if step is None and isinstance(node, PointBands | LabelBands):
            problems += [one for one in self._of_edges(node, path, problems) if one not in problems]
        return self._add(name, step, problems)

    def _of_edges(
        self, node: PointBands | LabelBands, path: str, problems: Sequence[Problem]
    ) -> Iterator[Problem]:
        """Yield what is wrong with edges over something that is not known for certain."""
        bands = {path: node}
        if isinstance(node, BandScore):
            bands |= {f"{path}.by.{points}": one for points, one in (node.by or {}).items()}
        columns = {**self.types, **self.scores}
        ends = (f"{path}.fact", f"{path}.score")
        meant = next((one.suggestion for one in problems if one.path in ends), None)
        for where, one in bands.items():
            yield from one.unordered(where)
            if meant in columns:
                kind, exponent = columns[meant].kind, columns[meant].exponent
                found = one.bind(kind, exponent=exponent, path=where)[1]
                yield from (each for each in found if each.path.startswith(f"{where}.from."))

    def _table(self, name: str) -> Step | None:
        table = self.document.tables[name]
        reads = table.names()
        tags = {one: _TAG for one in reads if one.startswith("tag:")}
        bound, problems = table.bind(
            {**self._fields, **tags}, name, self.suggestions, zone=zone(self.document.zone)
        )
        step = None if bound is None else TableStep(name, tuple(sorted(reads)), bound)
        return self._add(name, step, problems)

    @property
    def _fields(self) -> dict[str, FieldType | None]:
        """The names there are, with their types as far as these are known."""
        broken = dict.fromkeys(sorted(self.broken))
        return {**broken, **self.types, **self.scores, **self.labels}

    def _add(self, name: str, step: Step | None, problems: list[Problem]) -> Step | None:
        self.problems += problems
        if step is None or name in self.broken:
            self._promise(name)
            return None
        if name not in _DECISIONS and isinstance(step, BandStep | NestedStep | QuantileStep):
            self.points[name], self.ranges[name] = step.points, step.range
        elif isinstance(step, SumStep):
            self.ranges[name] = step.range
        type_ = step.field_type
        if name in self.ranges:
            low, high = self.ranges[name]
            type_ = replace(type_, low=low, high=high)
        (self.labels if name in _DECISIONS else self.scores)[name] = type_
        self.used.update(name for name in step.needs if name in self.known_facts)
        return step

    def _promise(self, name: str) -> None:
        """Note a decision that cannot be used, with its type if what it gives can be read."""
        if name not in self.broken:
            grade, table = self.document.grade, self.document.tables.get(name)
            if name == "grade" and grade is not None:
                self.labels[name] = FieldType("label", categories=grade.labels, ordered=True)
            elif table is not None:
                labels = table.categories(self._fields)
                if labels is not None:
                    self.labels[name] = FieldType("label", categories=labels)
            elif name in self.document.scores:
                hosts = isinstance(self.document.scores[name], ScoredBy)
                self.scores[name] = FieldType("float" if hosts else "int")
        self.broken.add(name)

    def _tags(self) -> list[str]:
        found = {name for table in self.document.tables.values() for name in table.names()}
        return sorted(name for name in found if name.startswith("tag:"))

    def _problem(
        self,
        code: str,
        message: str,
        path: str,
        given: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        self.problems.append(Problem(code, message, path, given=given, suggestion=suggestion))


_TAG: Final = FieldType("bool", personal=True, nullable=False)
