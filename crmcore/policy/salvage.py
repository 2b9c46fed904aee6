"""What can still be checked of a document that has problems: all but the places that have them.

What has a problem is taken out, as little as possible of it, and the rest is validated again
until nothing is wrong with it. What a later look finds where something was taken out, or at a
table around it, only follows from that, and is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, get_args

from pydantic import ValidationError

from crmcore.conditions import ConditionReader
from crmcore.documents import Location, Plain, Table, copied, problems_of, upwards
from crmcore.errors import MAX_PROBLEMS, Problem
from crmcore.policy.document import POLICY, AttributeType, Document
from crmcore.policy.gaps import Gaps
from crmcore.suggestions import Suggestions

__all__ = ["Salvaged", "salvaged"]

_MAX_LOOKS: Final = 12
_ROWS: Final = ("from", "within", "first", "weights")
_BY_NAME: Final = ("windows", "attributes", "facts", "scores")
_TABLES: Final = ("class", "segment", "stage")
# How many parts the path of an entry has of which single keys can be taken out.
_ENTRY: Final[Mapping[str, int]] = {
    **{"facts": 2, "scores": 2, "grade": 1, "currency": 1},
    **dict.fromkeys(_TABLES, 1),
}
_NEVER: Final[Plain] = "as_of is unknown and last_evaluated_at is unknown"
_LABEL: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_LOWEST: Final = f"-{'9' * 38}"
# What stands in where something is needed.
_STAND_INS: Final[Mapping[Location, Plain]] = {
    ("format",): 1,
    ("name",): "policy",
    ("zone",): "UTC",
    ("currency",): {"code": "XXX", "exponent": 2},
    ("currency", "code"): "XXX",
    ("currency", "exponent"): 2,
    ("sale_statuses",): ["delivered"],
    ("facts", "of"): "sale",
    ("facts", "take"): "count",
    **{(name, "first"): [[_NEVER, "x"]] for name in _TABLES},
}
_NO_TYPE: Final = (("facts", "in"), ("facts", "where"))  # these do not change what a fact holds


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What is left of a document, and what was found in it.

    Parameters
    ----------
    document
        The document without what has a problem; none where nothing can be said of the rest.
    problems
        What is wrong with its shape.
    gaps
        What was left out.
    renamed
        The paths of what was taken for something misspelt, each with the path as written.
    """

    document: Document | None
    problems: list[Problem]
    gaps: Gaps
    renamed: Mapping[str, str]

    def as_written(self, problem: Problem) -> Problem:
        """Return a problem with the path that the document itself has."""
        path = _as_written(problem.path, self.renamed)
        return problem if path == problem.path else replace(problem, path=path)


def salvaged(table: Table, told: Iterable[Problem], suggestions: Suggestions) -> Salvaged:
    """Validate a document, and what is left of it without what has a problem.

    Parameters
    ----------
    table
        The document.
    told
        What is known to be wrong with single values of it.
    suggestions
        Where nearest names are looked up.

    Examples
    --------
    >>> found = salvaged({"format": 1, "nmae": "shop"}, [], Suggestions())
    >>> [(problem.code, problem.path) for problem in found.problems][:2]
    [('unknown_key', 'nmae'), ('missing_key', 'zone')]
    >>> found.document.name, found.renamed
    ('shop', {'name': 'nmae'})
    """
    paths = {problem.path for problem in told if problem.code != "duplicate_key"}
    return _Salvage(table, paths, suggestions).run()


class _Salvage:
    def __init__(self, table: Table, told: set[str], suggestions: Suggestions) -> None:
        self.rest: Table = copied(table)
        self.paths = told
        self.suggestions = suggestions
        self.taken: set[Location] = set()
        self.typed: set[Location] = set()  # of what was taken, all that others need is left
        self.conditions = ConditionReader()
        self.problems: list[Problem] = []
        self.renamed: dict[str, str] = {}

    def run(self) -> Salvaged:
        document = None
        for _ in range(_MAX_LOOKS):
            try:
                document = Document.model_validate(self.rest, context=self.conditions)
                break
            except ValidationError as error:
                found = problems_of(error, POLICY, self.suggestions, table=self.rest)
            beyond = [problem for _, problem in found if problem.code == "too_large"]
            if beyond or len(self.problems) + len(found) > MAX_PROBLEMS:
                self.problems += beyond[:1] or [problem for _, problem in found]
                break
            # Whatever else there is may look different once the keys are right.
            if not self._mend_keys(found):
                self._take_out(found)
        return Salvaged(document, self.problems, self._gaps(), self.renamed)

    def _tell(self, problem: Problem, gaps: Gaps) -> None:
        # Of what was misspelt the spelling is told; it may have been meant for something else.
        if not gaps.explain(problem) and problem.path not in self.renamed:
            path = _as_written(problem.path, self.renamed)
            self.problems.append(problem if path == problem.path else replace(problem, path=path))

    def _mend_keys(self, found: list[tuple[Location, Problem]]) -> bool:
        """Take unknown keys for those that they are most like, or take them out."""
        unknown = [one for one in found if one[1].code == "unknown_key"]
        gaps, is_mended = self._gaps(), False
        for place, problem in unknown:
            self._tell(problem, gaps)
            table, key, near = self._at(place[:-1]), str(place[-1]), problem.suggestion
            if not isinstance(table, dict) or key not in table:
                continue
            value, is_mended = table.pop(key), True
            if near is None or not self._rename(table, near, value, problem.path):
                self.paths.add(problem.path)
        return is_mended

    def _rename(self, table: Table, near: str, value: Plain, path: str) -> bool:
        """Put a value where it was meant to stand; return whether there was room for it."""
        around, dot, _ = path.rpartition(".")
        meant, written = f"{around}{dot}{near}", _as_written(path, self.renamed)
        there = table.get(near)
        if there is None:
            table[near], self.renamed[meant] = value, written
        elif isinstance(there, dict) and isinstance(value, dict):
            for key in value.keys() - there.keys():
                there[key], self.renamed[f"{meant}.{key}"] = value[key], f"{written}.{key}"
        else:
            return False
        return True

    def _take_out(self, found: list[tuple[Location, Problem]]) -> None:
        gaps, before = self._gaps(), set(self.taken)
        for _, problem in found:
            self._tell(problem, gaps)
        for place, _ in found:
            for part in _parts(place):
                if part not in before and (part in self.taken or self._remove(part, place)):
                    break

    def _remove(self, place: Location, problem: Location) -> bool:
        """Take out a place with a problem, or put something in its stead, if that is possible."""
        around, last = self._at(place[:-1]), place[-1]
        if isinstance(around, list) and isinstance(last, int):
            if place[0] in _TABLES and _label(around[last]):
                self.typed.add(place)
            row = _row(around, place, problem)
            if row is None:
                return False
            around[last] = row
        elif isinstance(around, dict):
            stand_in = _STAND_INS.get((place[0], *place[_ENTRY.get(str(place[0]), 1) :]))
            if place[0] == "attributes" and len(place) == 2:
                stand_in = _attribute(around[str(last)])
                self.typed |= set() if stand_in is None else {place}
            if stand_in is None:
                around.pop(str(last), None)
            else:
                around[str(last)] = copied(stand_in)
        else:
            return False
        self.taken.add(place)
        self.paths.add(_dotted(place))
        return True

    def _at(self, place: Location) -> Plain | None:
        found: Plain | None = self.rest
        for part in place:
            if isinstance(found, dict):
                found = found.get(str(part))
            elif isinstance(found, list) and isinstance(part, int) and part < len(found):
                found = found[part]
            else:
                return None
        return found

    def _gaps(self) -> Gaps:
        taken = self.taken - self.typed
        names = {str(place[1]) for place in taken if _is_unusable(place)}
        names |= {str(place[0]) for place in taken if place[0] in (*_TABLES, "grade")}
        groups = {str(place[0]) for place in self.taken if len(place) == 1} & {*_BY_NAME}
        return Gaps(frozenset(self.paths), frozenset(names), frozenset(groups))


def _row(rows: list[Plain], place: Location, problem: Location) -> Plain | None:
    """Return what can stand in the stead of a row, so that the others are checked all the same."""
    *_, key, at = place
    if place[0] in _TABLES:
        return [_NEVER, _label(rows[int(at)]) or "x"]
    assert isinstance(at, int)  # as it is a position in a list
    row, outcome = rows[at], "x" if place[0] == "grade" else 0
    if isinstance(row, list) and len(row) == 2 and problem[-1] == 1:
        return [row[0], outcome]
    if at:
        return rows[at - 1]  # with it the next edge is compared
    return [_LOWEST, outcome] if key == "from" else None


def _label(row: Plain) -> str | None:
    """Return the label of a row of a list of conditions, if it can be one."""
    if isinstance(row, list) and len(row) == 2 and isinstance(row[1], str):
        return row[1] if _LABEL.fullmatch(row[1]) else None
    return None


def _attribute(given: Plain) -> Plain | None:
    """Return what is certain of an attribute with a mistake: its type, and all of its labels."""
    if not isinstance(given, dict) or given.get("type") not in get_args(AttributeType):
        return None
    found: Table = {"type": given["type"]}
    values = given.get("values")
    if found["type"] == "label" and values:
        if not isinstance(values, list) or not all(one and isinstance(one, str) for one in values):
            return None
        found |= {"values": list(dict.fromkeys(values)), "ordered": given.get("ordered") is True}
    return found


def _is_unusable(place: Location) -> bool:
    """Whether something with a name cannot be used without what is missing there."""
    is_named = len(place) > 1 and place[0] in ("attributes", "facts", "scores")
    return is_named and (place[0], *place[2:3]) not in _NO_TYPE


def _parts(place: Location) -> Iterator[Location]:
    """Yield what may be taken out because of a problem there, the least first."""
    head = str(place[0]) if place else ""
    entry = _ENTRY.get(head, 2 if head in _BY_NAME else 1)
    most = entry
    if head in _ENTRY:
        is_row = len(place) > entry + 1 and place[entry] in _ROWS
        most += 2 if is_row else 1
    for length in range(min(most, len(place)), 0, -1):
        yield place[:length]


def _as_written(path: str, renamed: Mapping[str, str]) -> str:
    """Return a path with what was misspelt as it was written."""
    for upper in upwards(path) if renamed else ():
        if upper in renamed:
            return renamed[upper] + path[len(upper) :]
    return path


def _dotted(place: Location) -> str:
    return ".".join(map(str, place))
