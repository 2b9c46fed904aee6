"""What is wrong in first-match lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

from crmcore.analysis import (
    Box,
    OutOfStepsError,
    Search,
    Shown,
    Shows,
    Space,
    TableRegions,
    TableVerdicts,
    TooManyBoxesError,
    Verdict,
)
from crmcore.analysis.reading import atoms, names_of
from crmcore.conditions import GIVEN
from crmcore.segments import TableStep
from crmcore.workbench.checking.report import PolicyFinding
from crmcore.workbench.checking.showing import (
    all_holding,
    holding,
    labelled_by,
    shown_in,
    unlabelled,
)

__all__ = ["findings"]

_MOST_PAIRS: Final = 10
_MOST_TERMS: Final = 5
_MOST_BOXES: Final = 8
_MOST_ROWS: Final = 3
_MOST_SIGNS: Final = 40


def findings(space: Space, step: TableStep) -> list[PolicyFinding]:
    """Return what is wrong in one list."""
    try:
        table = TableRegions(space, step)
    except TooManyBoxesError:
        return [_undecided(step.name, "its conditions fall into too many cases")]
    return list(_Table(table).findings())


def _undecided(path: str, what: str) -> PolicyFinding:
    return PolicyFinding("undecided", "note", path, f"not decided: {what}")


class _Table:
    def __init__(self, table: TableRegions) -> None:
        self.table = table
        self.space = table.space
        self.bound = table.step.table
        self.name = table.step.name
        self.verdicts = TableVerdicts(table)
        # Where something stands for itself, a box may be one that no customer is in.
        self.sure = all(axis.settable for block in table.blocks for axis in block.axes)

    def findings(self) -> Iterator[PolicyFinding]:
        for at, verdict in enumerate(self.verdicts.rows):
            yield from self._row(at, verdict)
        questions = (self._left, self._overlaps, self._idle, self._idle_fields)
        for question in questions:
            try:
                yield from list(question())
            except OutOfStepsError:
                yield _undecided(self.name, f"{_QUESTIONS[question.__name__]} takes too long")
            except TooManyBoxesError:
                yield _undecided(self.name, f"{_QUESTIONS[question.__name__]} has too many cases")

    # Rows

    def _told(self, at: int) -> str:
        """Return a row's condition, cut off where it is long, and its label."""
        text = self.bound.conditions[at].text
        short = text if len(text) <= _MOST_SIGNS else f"{text[: _MOST_SIGNS - 1].rstrip()}…"
        return f'["{short}" → {self.bound.labels[at]}]'

    def _row(self, at: int, verdict: Verdict) -> Iterator[PolicyFinding]:
        for finding in self._of_row(at, verdict):
            yield replace(finding, row=self._told(at))

    def _of_row(self, at: int, verdict: Verdict) -> Iterator[PolicyFinding]:
        path = f"{self.name}.first.{at}"
        match verdict.kind:
            case "undecided":
                yield _undecided(path, "whether this row ever decides takes too long")
            case "never_true":
                message = f"its condition holds for nobody{self._so_nobody(at)}"
                yield PolicyFinding("never_true", "warning", path, message, (at,))
            case "masked":
                yield from self._masked(at, verdict, path)
            case "decides" if not self.sure:
                assert verdict.box is not None  # as for each row that decides
                if not self._shown(self._boxes_of(at), labelled_by(self.table, at)):
                    yield _undecided(path, "no customer was found for whom this row decides")

    @cached_property
    def _held(self) -> dict[int, tuple[Shown, ...]]:
        """For each masked row a customer for whom it holds, all evaluated at once."""
        masked = {
            at: verdict.box
            for at, verdict in enumerate(self.verdicts.rows)
            if verdict.kind == "masked" and verdict.box is not None
        }
        return all_holding(self.table, masked)

    def _masked(self, at: int, verdict: Verdict, path: str) -> Iterator[PolicyFinding]:
        assert verdict.box is not None  # as for each row that is masked
        shown = self._held.get(at, ())
        if not shown:
            holds = holding(self.space, self.bound.conditions[at])
            shown = shown_in(self.table, verdict.box, holds)
        if not shown and self.sure:
            return
        rows, label = (*verdict.by, at), self.bound.labels[at]
        if len(verdict.by) == 1 and self._same(verdict.by[0], at):
            if self.bound.labels[verdict.by[0]] == label:
                message = f"says in other words what {self._named(verdict.by)} says"
                yield PolicyFinding("repeated", "warning", path, message, rows, shown)
                return
            message = (
                f"holds for the same customers as {self._named(verdict.by)}; "
                f"so it never gives {label!r}"
            )
            yield PolicyFinding("conflict", "error", path, message, rows, shown)
            return
        hold = "holds" if len(verdict.by) == 1 else "together hold"
        message = (
            f"never decides: {self._named(verdict.by)} {hold} for all of its customers"
            f"{self._so_nobody(at)}"
        )
        yield PolicyFinding("masked", "warning", path, message, rows, shown)

    def _named(self, rows: Sequence[int]) -> str:
        if len(rows) == 1:
            return f"row {rows[0]} {self._told(rows[0])}"
        named = ", ".join(f"{row} {self._told(row)}" for row in rows[:_MOST_ROWS])
        more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
        return f"rows {named}{more}"

    def _same(self, first: int, second: int) -> bool:
        try:
            return self.verdicts.same(first, second)
        except OutOfStepsError:
            return False

    def _so_nobody(self, at: int) -> str:
        """Say that a label is given to nobody, where no other row or reference gives it."""
        label = self.bound.labels[at]
        idle = ("masked", "never_true")
        others = (
            verdict.kind not in idle
            for verdict, other in zip(self.verdicts.rows, self.bound.labels, strict=True)
            if other == label
        )
        last = self.bound.otherwise or ""
        referred = last.startswith("@") and label in self._referred_labels()
        if any(others) or last == label or referred:
            return f"; it would give {label!r}"
        return f"; nothing else gives {label!r}"

    def _referred_labels(self) -> tuple[str, ...]:
        return self.space.policies[0].fields[str(self.bound.otherwise)[1:]].categories

    def _boxes_of(self, at: int) -> list[Box]:
        """Return some disjoint boxes in which a row decides."""
        covers = [*self.table.impossible]
        for row in self.table.rows[:at]:
            covers += (*row.holds, *row.unknown)
        found: list[Box] = []
        try:
            for box in self.table.rows[at].holds:
                found += Search(1_000).all_outside(box, covers, _MOST_BOXES)
        except OutOfStepsError:
            pass
        return found[:_MOST_BOXES]

    def _shown(self, boxes: Sequence[Box], shows: Shows) -> tuple[Shown, ...]:
        for box in boxes:
            shown = shown_in(self.table, box, shows)
            if shown:
                return shown
        return ()

    # Who is left

    def _left(self) -> Iterator[PolicyFinding]:
        box = self.verdicts.left
        if self.bound.otherwise is None:
            if box is not None:
                yield self._hole(box)
        elif box is None:
            message = "nobody comes to otherwise: the rows together hold for everybody"
            yield PolicyFinding("idle_otherwise", "note", f"{self.name}.otherwise", message)
        elif self.bound.otherwise.startswith("@"):
            yield from self._referred()

    def _hole(self, box: Box) -> PolicyFinding:
        shown = self._shown([box, *self._left_boxes()], unlabelled(self.name))
        if not shown:
            return _undecided(self.name, "no customer was found who gets no label")
        message = (
            f"some customers get no {self.name}: no row holds for them, and otherwise is not said"
        )
        return PolicyFinding("hole", "error", self.name, message, (), shown)

    def _left_boxes(self) -> list[Box]:
        covers = [*self.table.impossible]
        for row in self.table.rows:
            covers += (*row.holds, *row.unknown)
        try:
            return Search(1_000).all_outside(self.table.full, covers, _MOST_BOXES)
        except OutOfStepsError:
            return []

    def _referred(self) -> Iterator[PolicyFinding]:
        source = str(self.bound.otherwise)[1:]
        path = f"{self.name}.otherwise"
        *regions, missing = self.table.referred()
        for label, region in zip(self._referred_labels(), regions, strict=False):
            given = label in self.bound.labels or not region
            if not given and self.verdicts.left_in(region) is None:
                message = f"nobody gets {label!r}: no customer of that {source} comes to otherwise"
                yield PolicyFinding("unreachable", "warning", path, message)
        box = self.verdicts.left_in(missing)
        if box is not None:
            shown = shown_in(self.table, box, unlabelled(self.name))
            if shown:
                message = (
                    f"some customers get no {self.name}: they come to otherwise without {source}"
                )
                yield PolicyFinding("hole", "error", path, message, (), shown)
            else:
                yield _undecided(path, f"no customer without {source} was found")

    # Rows that hold together

    def _overlaps(self) -> Iterator[PolicyFinding]:
        labels = self.bound.labels
        found = list(self.verdicts.overlaps())
        for code, alike in (("overlap", False), ("overlap_alike", True)):
            pairs = [pair for pair in found if (labels[pair[0]] == labels[pair[1]]) is alike]
            for pair in pairs[:_MOST_PAIRS]:
                shown = self._shown_together(*pair)
                if shown:
                    message = f"{_count(len(pairs))} together for some customers, {_ENDS[code]}"
                    message += f": {'' if len(pairs) == 1 else 'such as '}{pair[0]} and {pair[1]}"
                    yield PolicyFinding(code, "note", self.name, message, pair, shown)
                    break

    def _shown_together(self, first: int, second: int) -> tuple[Shown, ...]:
        box = self.verdicts.both(first, second)
        conditions = (self.bound.conditions[first], self.bound.conditions[second])
        return () if box is None else shown_in(self.table, box, holding(self.space, *conditions))

    # Terms without effect

    def _idle(self) -> Iterator[PolicyFinding]:
        found = [
            (at, self.table.rows[at].terms[own][0].text)
            for at, verdict in enumerate(self.verdicts.rows)
            if verdict.kind == "decides"
            for own in self.verdicts.idle_terms(at)
        ]
        if found:
            named = [f"{text!r} of row {at}" for at, text in found[:_MOST_TERMS]]
            more = ", …" if len(found) > _MOST_TERMS else ""
            terms = "one term" if len(found) == 1 else f"each of {len(found):,} terms"
            message = f"{terms} could be left out alone, and nothing would change: "
            message += ", ".join(named) + more
            rows = tuple(dict.fromkeys(at for at, _ in found))
            yield PolicyFinding("idle_term", "note", self.name, message, rows)

    def _idle_fields(self) -> Iterator[PolicyFinding]:
        # What is read by a test that cells do not decide may matter there.
        free = frozenset[str]().union(
            *(
                names_of(atom)
                for condition in self.bound.conditions
                for atom in atoms(condition)
                if atom.text in self.space.free[0]
            )
        )
        for at in self.verdicts.idle_blocks():
            own = {axis.name for axis in self.table.blocks[at].axes}
            read = sorted(
                name
                for name in self.table.step.needs
                if name not in GIVEN and name not in free and self.space.axes_of(name) <= own
            )
            if read:
                named = " and ".join(map(repr, read))
                message = (
                    f"no label depends on {named}: every customer gets the same with any value"
                )
                yield PolicyFinding("idle_field", "warning", self.name, message)


_QUESTIONS: Final = {
    "_left": "whether everybody gets a label",
    "_overlaps": "which rows hold together",
    "_idle": "which terms could be left out",
    "_idle_fields": "which fields matter",
}
_ENDS: Final = {
    "overlap": "with different labels (the first row decides)",
    "overlap_alike": "with the same label",
}


def _count(pairs: int) -> str:
    return "one pair of rows holds" if pairs == 1 else f"{pairs:,} pairs of rows hold"
