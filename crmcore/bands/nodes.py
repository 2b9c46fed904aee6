"""How bands are written, and how they are fitted to a column."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from crmcore.bands.bound import BoundBands
from crmcore.calendars import Span
from crmcore.columns import Kind
from crmcore.errors import Problem

__all__ = ["MAX_DIGITS", "Edge", "Identifier", "LabelBands", "PointBands", "Points"]

_INT64: Final = range(-(2**63), 2**63)
# Ratios are scaled while they are compared, which needs room.
_RATIO: Final = range(-(2**62), 2**62)
_MAX_SCALE: Final = 10**18
MAX_DIGITS: Final = 38
"""Digits that an edge may have before its point, and after it."""
_MONTH_DAYS: Final = 30.436875
_NUMERIC: Final = frozenset(["int", "money", "ratio", "float"])
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_A: Final[dict[Kind, str]] = {
    "bool": "true or false",
    "int": "a whole number",
    "money": "an amount of money",
    "ratio": "a ratio",
    "float": "a number",
    "date": "a date",
    "instant": "an instant",
    "label": "a label",
    "text": "text",
}


def _read_edge(given: object) -> int | Decimal | str:
    if isinstance(given, bool) or not isinstance(given, (int, float, Decimal, str)):
        raise PydanticCustomError("wrong_type", "an edge is a number, or text such as '300.00'")
    if isinstance(given, str) and (len(given) > 2 * MAX_DIGITS or not _NUMBER.fullmatch(given)):
        raise PydanticCustomError("not_a_number", "this text is no decimal number like '300.00'")
    # A float's shortest spelling is what was written.
    exact = Decimal(repr(given) if isinstance(given, float) else given)
    if not exact.is_finite():
        raise PydanticCustomError("not_finite", "an edge is a finite number")
    exponent = exact.as_tuple().exponent
    if exact.adjusted() >= MAX_DIGITS or (isinstance(exponent, int) and exponent < -MAX_DIGITS):
        raise PydanticCustomError("out_of_range", f"a number has at most {MAX_DIGITS} digits")
    return exact if isinstance(given, float) else given


Edge: TypeAlias = Annotated[
    int | Decimal | str,
    PlainValidator(
        _read_edge,
        json_schema_input_type=int
        | float
        | Annotated[str, Field(pattern=rf"^{_NUMBER.pattern}$", examples=["300.00"])],
    ),
]
"""A number exactly as written: whole, decimal, or, for money always, decimal text."""

Points: TypeAlias = Annotated[StrictInt, Field(gt=-(2**31), lt=2**31)]
Identifier: TypeAlias = Annotated[
    StrictStr, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64, examples=["gold"])
]


class PointBands(BaseModel):
    """Bands that give points: over a number (``from``), or back from the evaluation (``within``).

    Parameters
    ----------
    from_
        Key ``from``: rows ``[edge, points]``, edges ascending; a value from the edge on gets
        these points.
    within
        Rows ``[span, points]``, nearest first; for dates and instants: a value whose local day is
        not before the evaluation's local day less the span gets the points of the first such
        row. Older than all: missing.
    below
        With ``from``: the points below the first edge; without it such a value's are missing.
    missing
        The points of a missing value; without it they are missing too.

    Examples
    --------
    >>> PointBands.model_validate({"from": [[1, 1], [2, 2], ["3", 5]]}).from_
    ((1, 1), (2, 2), ('3', 5))
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_: tuple[tuple[Edge, Points], ...] | None = Field(None, alias="from", min_length=1)
    within: tuple[tuple[Span, Points], ...] | None = Field(None, min_length=1)
    below: Points | None = None
    missing: Points | None = None

    def bind(
        self, kind: Kind, *, exponent: int = 0, path: str = ""
    ) -> tuple[BoundBands | None, list[Problem]]:
        """Fit the edges to a kind of column; return what is wrong instead where they do not fit."""
        clash = self._clash(path)
        if clash:
            return None, [clash]
        if self.within is not None:
            return _bind_within(self.within, kind, self.missing, path)
        assert self.from_ is not None  # or there were a clash
        outcomes = (self.below, *(points for _, points in self.from_), self.missing)
        return _bind_from(self.from_, kind, exponent, outcomes, path)

    def unordered(self, path: str = "") -> list[Problem]:
        """Return the edges that do not grow, which is wrong whatever is banded."""
        problems = _unordered([edge for edge, _ in self.from_ or ()], f"{path}.from")
        return problems + _unordered_spans([span for span, _ in self.within or ()], path)

    def _clash(self, path: str) -> Problem | None:
        if (self.from_ is None) == (self.within is None):
            given = "neither" if self.from_ is None else "both"
            message = "bands are given by 'from' or by 'within': exactly one of them"
            return Problem("one_of", message, path, given=given)
        if self.within is not None and self.below is not None:
            message = "'below' goes with 'from'; what is older than all of 'within' is missing"
            return Problem("one_of", message, f"{path}.below")
        return None


class LabelBands(BaseModel):
    """Bands over a number that give labels, the lowest first: an ordered scale.

    Parameters
    ----------
    from_
        Key ``from``: rows ``[edge, label]``, edges ascending.
    below
        The label below the first edge; without it such a value has none.

    Examples
    --------
    >>> bands, problems = LabelBands.model_validate({"from": [[8, "low"], [36, "top"]]}).bind("int")
    >>> bands.labels, problems
    (('low', 'top'), [])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    from_: tuple[tuple[Edge, Identifier], ...] = Field(alias="from", min_length=1)
    below: Identifier | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, lowest first."""
        below = () if self.below is None else (self.below,)
        return tuple(dict.fromkeys((*below, *(label for _, label in self.from_))))

    def unordered(self, path: str = "") -> list[Problem]:
        """Return the edges that do not grow, which is wrong whatever is banded."""
        return _unordered([edge for edge, _ in self.from_], f"{path}.from")

    def bind(
        self, kind: Kind, *, exponent: int = 0, path: str = ""
    ) -> tuple[BoundBands | None, list[Problem]]:
        """Fit the edges to a kind of column; return what is wrong instead where they do not fit."""
        labels = self.labels
        codes = {label: code for code, label in enumerate(labels)}
        below = None if self.below is None else codes[self.below]
        outcomes = (below, *(codes[label] for _, label in self.from_), None)
        return _bind_from(self.from_, kind, exponent, outcomes, path, labels)


def _bind_within(
    rows: Sequence[tuple[Span, int]], kind: Kind, missing: int | None, path: str
) -> tuple[BoundBands | None, list[Problem]]:
    if kind not in ("date", "instant"):
        message = f"'within' is for dates and instants, and this is {_A[kind]}: use 'from'"
        return None, [Problem("type_mismatch", message, f"{path}.within")]
    problems = _unordered_spans([span for span, _ in rows], path)
    if problems:
        return None, problems
    ascending = list(reversed(rows))
    outcomes = (None, *(points for _, points in ascending), missing)
    none = np.array([], np.int64)
    return BoundBands(kind, 0, none, tuple(span for span, _ in ascending), outcomes), []


def _unordered_spans(spans: Sequence[Span], path: str) -> list[Problem]:
    return [
        Problem(
            "not_ascending",
            "spans grow from row to row, whatever the month's length",
            f"{path}.within.{at}.0",
            given=f"{after} after {before}",
        )
        for at, (before, after) in enumerate(pairwise(spans), start=1)
        if not _is_shorter(before, after)
    ]


def _is_shorter(before: Span, after: Span) -> bool:
    """Whether a span is shorter than another from every day on which both may be counted."""
    if (before.months == 0) == (after.months == 0):
        return (before.months, before.days) < (after.months, after.days)
    # Calendar months are compared with days by their greatest and least lengths.
    longest = before.days or math.ceil(before.months * _MONTH_DAYS) + 3
    shortest = after.days or math.floor(after.months * _MONTH_DAYS) - 3
    return longest < shortest


def _bind_from(
    rows: Sequence[tuple[int | Decimal | str, object]],
    kind: Kind,
    exponent: int,
    outcomes: tuple[int | None, ...],
    path: str,
    labels: tuple[str, ...] = (),
) -> tuple[BoundBands | None, list[Problem]]:
    path = f"{path}.from"
    if kind not in _NUMERIC:
        hint = "use 'within'" if kind in ("date", "instant") else "a number is needed"
        return None, [Problem("type_mismatch", f"'from' cannot band {_A[kind]}: {hint}", path)]
    written = [edge for edge, _ in rows]
    problems = _unordered(written, path)
    if exponent or kind == "money":
        problems += _not_text(written, exponent, path)
    exact = [Fraction(edge) * 10**exponent for edge in written]
    scale = _scale(exact) if kind == "ratio" else 1
    problems += _unfit(exact, kind, scale, path)
    if problems:
        return None, problems
    if kind == "float":
        edges: NDArray[np.int64] | NDArray[np.float64] = np.array([_float_up(e) for e in exact])
    else:
        edges = np.array([math.ceil(edge * scale) for edge in exact], np.int64)
    return BoundBands(kind, exponent, edges, (), outcomes, labels, scale), []


def _unordered(written: Sequence[int | Decimal | str], path: str) -> list[Problem]:
    return [
        Problem(
            "not_ascending",
            "edges grow from row to row",
            f"{path}.{at}.0",
            given=f"{after} after {before}",
        )
        for at, (before, after) in enumerate(pairwise(written), start=1)
        if Fraction(before) >= Fraction(after)
    ]


def _not_text(written: Sequence[int | Decimal | str], exponent: int, path: str) -> list[Problem]:
    return [
        Problem(
            "money_as_number",
            "an amount of money is written as text, in the currency's major unit",
            f"{path}.{at}.0",
            given=str(edge),
            suggestion=f"{edge:.{exponent}f}",
        )
        for at, edge in enumerate(written)
        if not isinstance(edge, str)
    ]


def _unfit(exact: Sequence[Fraction], kind: Kind, scale: int, path: str) -> list[Problem]:
    problems = []
    whole = [math.ceil(edge * scale) for edge in exact]
    for at, edge in enumerate(exact):
        where = f"{path}.{at}.0"
        if scale > _MAX_SCALE or whole[at] not in (_RATIO if kind == "ratio" else _INT64):
            message = "this edge is too far from zero, or has too many decimals"
            problems.append(Problem("out_of_range", message, where))
        elif kind == "money" and edge.denominator > 1:
            message = "this edge is finer than the currency's minor unit: no amount lies on it"
            problems.append(Problem("money_digits", message, where))
        elif kind == "int" and at and whole[at] == whole[at - 1] and exact[at - 1] < edge:
            message = "no whole number lies between this edge and the one before"
            problems.append(Problem("empty_band", message, where))
    return problems


def _scale(exact: Sequence[Fraction]) -> int:
    """Return the power of ten that makes all edges whole."""
    scale = 1
    while any(scale % edge.denominator for edge in exact):
        scale *= 10
    return scale


def _float_up(edge: Fraction) -> float:
    """Return the least float that is not below the edge."""
    nearest = float(edge)
    return math.nextafter(nearest, math.inf) if Fraction(nearest) < edge else nearest
