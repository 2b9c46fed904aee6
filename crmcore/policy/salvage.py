"""What can still be checked of a document that has problems: all but the places that have them.

What has a problem is taken out, as little as possible of it, and the rest is validated again
until nothing is wrong with it. What a later look finds where something was taken out, or at a
table around it, only follows from that, and is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import ValidationError

from crmcore.conditions import Suggestions
from crmcore.documents import MAX_TOLD, Location, Plain, Table, problems_of, upwards
from crmcore.errors import Problem
from crmcore.policy.document import POLICY, Document
from crmcore.policy.gaps import Gaps

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
_NEVER: Final[Plain] = ["as_of is unknown and last_evaluated_at is unknown", "x"]
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
    **{(name, "first"): [_NEVER] for name in _TABLES},
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
        self.rest: Table = {key: _copied(value) for key, value in table.items()}
        self.paths = told
        self.suggestions = suggestions
        self.taken: set[Location] = set()
        self.problems: list[Problem] = []
        self.renamed: dict[str, str] = {}

    def run(self) -> Salvaged:
        document = None
        for _ in range(_MAX_LOOKS):
            try:
                document = Document.model_validate(self.rest)
                break
            except ValidationError as error:
                found = problems_of(error, POLICY, self.suggestions, table=self.rest)
            if len(self.problems) + len(found) >= MAX_TOLD:
                self.problems += [problem for _, problem in found]
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
            row = _row(around, place, problem)
            if row is None:
                return False
            around[last] = row
        elif isinstance(around, dict):
            stand_in = _STAND_INS.get((place[0], *place[_ENTRY.get(str(place[0]), 1) :]))
            if stand_in is None:
                around.pop(str(last), None)
            else:
                around[str(last)] = _copied(stand_in)
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
        names = {str(place[1]) for place in self.taken if _is_unusable(place)}
        names |= {str(place[0]) for place in self.taken if place[0] in (*_TABLES, "grade")}
        groups = {str(place[0]) for place in self.taken if len(place) == 1} & {*_BY_NAME}
        return Gaps(frozenset(self.paths), frozenset(names), frozenset(groups))


def _row(rows: list[Plain], place: Location, problem: Location) -> Plain | None:
    """Return what can stand in the stead of a row, so that the others are checked all the same."""
    *_, key, at = place
    if place[0] in _TABLES:
        return _NEVER
    assert isinstance(at, int)  # as it is a position in a list
    row, outcome = rows[at], "x" if place[0] == "grade" else 0
    if isinstance(row, list) and len(row) == 2 and problem[-1] == 1:
        return [row[0], outcome]
    if at:
        return rows[at - 1]  # with it the next edge is compared
    return [_LOWEST, outcome] if key == "from" else None


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


def _copied(value: Plain) -> Plain:
    match value:
        case dict():
            return {key: _copied(one) for key, one in value.items()}
        case list():
            return [_copied(one) for one in value]
    return value
