"""What is missing of a document that has problems, and which other problems only follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from crmcore.documents import upwards
from crmcore.errors import Problem

__all__ = ["Gaps"]

# These are about a name, whatever it is given.
_OF_NAMES: Final = frozenset(["cycle", "reserved_name", "duplicate_name", "bad_name"])


@dataclass(frozen=True)
class Gaps:
    """What a document has that is not there for a problem of its own.

    Parameters
    ----------
    paths
        The places where something was left out.
    names
        The facts, attributes, scores and decisions that cannot be used for it.
    groups
        Those of ``windows``, ``attributes``, ``facts`` and ``scores`` that are missing as a whole:
        any name may be one of theirs.

    Examples
    --------
    >>> gaps = Gaps(frozenset(["scores.s.from"]), frozenset(["s"]))
    >>> gaps.explain(Problem("unknown_name", "no such score", "grade.score", "s"))
    True
    >>> gaps.explain(Problem("unknown_name", "no such score", "grade.score", "t"))
    False
    """

    paths: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def explain(self, problem: Problem) -> bool:
        """Whether a problem may do no more than follow from what is missing."""
        path = problem.path
        if not self.paths.isdisjoint(upwards(path) if self.paths else ()):
            return True
        match problem.code:
            case "unknown_name":
                return self._may_be_there(path.split("."), problem.given or "")
            case "money_digits":
                return "currency" in self.paths or "currency.exponent" in self.paths
        return path in self._around and problem.code not in _OF_NAMES

    def _may_be_there(self, parts: list[str], given: str) -> bool:
        head, last = parts[0], parts[-1]
        if head == "facts":
            return last == "in" and ("windows" in self.groups or f"windows.{given}" in self.paths)
        if last == "scorer":
            return False
        if last in ("fact", "inputs"):
            groups = {"facts", "attributes"}
            places = {f"{group}.{given}" for group in groups}
            return bool(groups & self.groups or places & (self.paths | self._around))
        of_score = last in ("score", "inside") or {"weights", "cell"} & set(parts[2:-1])
        groups = {"scores"} if of_score else {"facts", "attributes", "scores"}
        return given.removeprefix("@") in self.names or bool(groups & self.groups)

    @cached_property
    def _around(self) -> frozenset[str]:
        return frozenset(upper for path in self.paths for upper in upwards(path) if upper != path)
