"""First-match tables: the first condition that holds names the label.

Classes, segments, stages and audiences are such tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from crmcore.calendars import Zone
from crmcore.columns import Column, Mask, label_dtype
from crmcore.conditions import (
    Bound,
    BoundField,
    Condition,
    ConditionField,
    ConditionTrace,
    FieldType,
    a_field,
    bind,
    explain,
    names,
    to_text,
)
from crmcore.conditions.evaluators.blocks import Block, by_blocks
from crmcore.conditions.evaluators.domains import checked_fields, refuse_outside
from crmcore.conditions.evaluators.evaluation import truth_of
from crmcore.errors import MAX_PROBLEMS, DataError, Problem
from crmcore.suggestions import Suggestions

__all__ = ["MISSING", "OTHERWISE", "BoundTable", "FirstMatch"]

OTHERWISE = -1
"""In the matched rows: no condition held, the label is the one for otherwise."""
MISSING = -2
"""In the matched rows: no condition held and there is no label for otherwise."""

_REFUSED = -3
_MAX_ROWS = 1_000
_FIRST_POSITIONS = 10
_FEWER = 4
"""Where fewer than one in so many rows are open, they are taken out and asked about alone."""

Label: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Otherwise: TypeAlias = Annotated[
    str, Field(pattern=r"^([a-z][a-z0-9_]{0,63}|@[a-z_][a-z0-9_]{0,99})$")
]
Unknown: TypeAlias = Literal["skip", "default", "error"]
Codes: TypeAlias = NDArray[np.int16 | np.int64]
Places: TypeAlias = NDArray[np.int16]


class FirstMatch(BaseModel):
    """Conditions in order, each with its label.

    Parameters
    ----------
    first
        Pairs of a condition (text or tree) and the label of those it holds for.
    otherwise
        The label where none holds; ``"@grade"`` takes it from the label column ``grade``. Without
        it the label is missing there.
    unknown
        What a condition does that is unknown for a row: ``"skip"``, it does not hold;
        ``"default"``, the row goes straight to `otherwise`; ``"error"``, the data is refused.

    Examples
    --------
    >>> table = FirstMatch(first=[("sale_count >= 5", "regular")], otherwise="other")
    >>> sorted(table.names())
    ['sale_count']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Annotated[tuple[tuple[ConditionField, Label], ...], Field(max_length=_MAX_ROWS)]
    otherwise: Otherwise | None = None
    unknown: Unknown = "skip"

    @property
    def reference(self) -> str | None:
        """The column that `otherwise` refers to, if it does."""
        if self.otherwise is None or not self.otherwise.startswith("@"):
            return None
        return self.otherwise[1:]

    def names(self) -> frozenset[str]:
        """Return the names of all fields the table reads."""
        found = frozenset[str]().union(*(names(condition) for condition, _ in self.first))
        return found if self.reference is None else found | {self.reference}

    def bind(
        self,
        fields: Mapping[str, FieldType | None],
        path: str,
        suggestions: Suggestions | None = None,
        *,
        zone: Zone | None = None,
    ) -> tuple[BoundTable | None, list[Problem]]:
        """Check the table against the fields there are, and make it ready to apply.

        Parameters
        ----------
        fields
            The type of each field; ``None`` where it is not known because something is wrong
            with it. Nothing is said then of what rests on it.
        path
            Where the table stands in the policy, for the problems.
        suggestions
            Where nearest names are looked up; shared by the tables of one document.
        zone
            Whose local days instants have.

        Returns
        -------
        The bound table and no problem, or ``None`` and every problem.
        """
        suggestions = suggestions or Suggestions()
        conditions: list[Bound] = []
        problems = [
            *self._shape_problems(path),
            *self._reference_problems(fields, path, suggestions),
        ]
        for row, (condition, _) in enumerate(self.first):
            bound, found = bind(condition, fields, f"{path}.first.{row}.0", suggestions, zone=zone)
            problems += found
            if len(problems) > MAX_PROBLEMS:
                break  # no more are told
            if bound is not None:
                conditions.append(bound)
        categories = self.categories(fields)
        if problems or categories is None or len(conditions) < len(self.first):
            return None, problems
        return self._bound(tuple(conditions), categories, path), []

    def categories(self, fields: Mapping[str, FieldType | None]) -> tuple[str, ...] | None:
        """Return every label there may be; ``None`` when it refers to a column not known."""
        last: tuple[str, ...] = ()
        if self.reference is not None:
            type_ = fields.get(self.reference)
            if type_ is None:
                return None
            last = type_.categories
        elif self.otherwise is not None:
            last = (self.otherwise,)
        return tuple(dict.fromkeys((*(label for _, label in self.first), *last)))

    def _bound(
        self, conditions: tuple[Bound, ...], categories: tuple[str, ...], path: str
    ) -> BoundTable:
        labels = tuple(label for _, label in self.first)
        places = [categories.index(label) for label in labels]
        otherwise = 0
        if self.otherwise is not None and self.reference is None:
            otherwise = categories.index(self.otherwise)
        codes: Codes = np.array([*places, 0, otherwise], label_dtype(len(categories)))
        return BoundTable(
            conditions,
            labels,
            self.otherwise,
            self.unknown,
            categories,
            codes,
            path,
            checked_fields(conditions),
        )

    def _shape_problems(self, path: str) -> Iterator[Problem]:
        if not self.first:
            yield Problem("empty_table", "a table needs at least one condition", f"{path}.first")
        seen: dict[Condition, int] = {}
        for row, (condition, _) in enumerate(self.first):
            earlier = seen.setdefault(condition, row)
            if earlier != row:
                message = f"this is the condition of row {earlier} again and never decides"
                where = f"{path}.first.{row}.0"
                yield Problem("duplicate_condition", message, where, to_text(condition))

    def _reference_problems(
        self, fields: Mapping[str, FieldType | None], path: str, suggestions: Suggestions
    ) -> Iterator[Problem]:
        if self.reference is None:
            return
        where = f"{path}.otherwise"
        type_ = fields.get(self.reference)
        if self.reference not in fields:
            labels = [name for name, other in fields.items() if not other or other.kind == "label"]
            suggestion = suggestions.nearest(self.reference, labels)
            message = "no such label column"
            yield Problem("unknown_name", message, where, self.otherwise, suggestion=suggestion)
        elif type_ is not None and type_.kind != "label":
            message = f"a label cannot come from {a_field(type_.kind)}"
            yield Problem("type_mismatch", message, where, self.otherwise, "a label field")


@dataclass(frozen=True, slots=True, eq=False)
class BoundTable:
    """A first-match table whose conditions are ready to be evaluated; see `FirstMatch.bind`.

    Parameters
    ----------
    conditions, labels
        The rows of the table.
    otherwise, unknown
        As in `FirstMatch`.
    categories
        Every label the table can give: its own in order of first appearance, then those of the
        column `otherwise` refers to.
    codes
        For each row its label's place in `categories`; then two more, for missing and otherwise,
        so that -2 and -1 find them.
    path
        Where the table stands in the policy.
    checked
        The fields that calculations need to keep to their domains.
    """

    conditions: tuple[Bound, ...]
    labels: tuple[str, ...]
    otherwise: str | None
    unknown: Unknown
    categories: tuple[str, ...]
    codes: Codes
    path: str
    checked: tuple[BoundField, ...]

    def apply(self, columns: Mapping[str, Column], rows: int) -> tuple[Column, Places]:
        """Return the label of each row, and which condition gave it.

        Parameters
        ----------
        columns
            By field name; each `rows` long, or of length 1 for all rows.
        rows
            How many rows there are.

        Returns
        -------
        A label column, and for each row the position of the condition that held, -1 for
        otherwise, -2 where the label is missing.

        Raises
        ------
        DataError
            When a condition is unknown before any holds, and the table says ``"error"``; or when
            a column is of another kind than the table was bound to.

        Examples
        --------
        >>> import numpy as np
        >>> table = FirstMatch(first=[("sale_count >= 5", "regular")], otherwise="other")
        >>> bound, _ = table.bind({"sale_count": FieldType("int")}, "segment")
        >>> label, matched = bound.apply({"sale_count": Column("int", np.array([7, 2]))}, 2)
        >>> label.to_list(), matched.tolist()
        (['regular', 'other'], [0, -1])
        """
        refuse_outside(self.checked, columns)
        categories, referred = self._referred(columns)
        codes: Codes = np.empty(rows, label_dtype(len(categories)))
        matched: Places = np.empty(rows, np.int16)

        def decide(block: Block) -> None:
            codes[block.rows], matched[block.rows] = self._decide(block, referred)

        by_blocks(decide, columns, rows)
        if self.unknown == "error":
            self._refuse_unknown(matched)
        known = matched != MISSING
        return Column("label", codes, None if known.all() else known, None, 0, categories), matched

    def explain(self, columns: Mapping[str, Column], row: int) -> list[ConditionTrace]:
        """Return why one row has its label: each condition up to the one that decided."""
        traces: list[ConditionTrace] = []
        for condition in self.conditions:
            trace = explain(condition, columns, row)
            traces.append(trace)
            if trace.truth or (trace.truth is None and self.unknown != "skip"):
                break
        return traces

    def _referred(self, columns: Mapping[str, Column]) -> tuple[tuple[str, ...], Codes | None]:
        """Return all labels, and the code of each label of the column that `otherwise` names."""
        if self.otherwise is None or not self.otherwise.startswith("@"):
            return self.categories, None
        name = self.otherwise[1:]
        column = columns[name]
        if column.kind != "label":
            raise DataError(f"the column is {column.kind}, the table needs label", column=name)
        # Labels that only the data knows come last, so the codes of the others stay.
        categories = tuple(dict.fromkeys((*self.categories, *column.categories)))
        codes = [*map(categories.index, column.categories), 0]
        return categories, np.array(codes, label_dtype(len(categories)))

    def _decide(self, block: Block, referred: Codes | None) -> tuple[Codes, Places]:
        """Return the label code of each row, and which condition gave it."""
        matched = self._match_block(block)
        if referred is None:
            return self.codes[matched], matched
        assert self.otherwise is not None  # as it refers
        column, others = block[self.otherwise[1:]], matched == OTHERWISE
        if column.known is not None:
            matched += _where(np.greater(others, column.known), MISSING - OTHERWISE)
        codes = referred.take(cast(Codes, column.values), mode="clip")
        return self.codes[matched] + codes * others, matched  # a row that refers has the code 0

    def _match_block(self, block: Block) -> Places:
        """Return which condition decides each row, asking only as long as a row is open."""
        matched = np.zeros(block.count, np.int16)
        stopped = np.zeros(block.count, np.bool_)
        where: NDArray[np.intp] | slice = slice(None)  # the rows still asked about
        open_, place = np.ones(block.count, np.bool_), matched
        for condition in self.conditions:
            truth = truth_of(condition, block)
            # Of two truth values "greater" means the first and not the second, in one pass.
            open_ = np.greater(open_, truth.true)
            if truth.known is not None and self.unknown != "skip":
                stopped[where] |= np.greater(open_, truth.known)
                open_ &= truth.known
            place += open_  # so many conditions before the one that decides
            left = int(np.count_nonzero(open_))
            if not left:
                break
            if left < len(open_) // _FEWER:
                matched[where] = place
                here = np.flatnonzero(open_)
                where = here if isinstance(where, slice) else where[here]
                block, open_, place = Block(block, here, left), open_[here], place[here]
        default = MISSING if self.otherwise is None else OTHERWISE
        place += _where(open_, default - len(self.conditions))
        matched[where] = place
        if self.unknown != "skip":
            matched[stopped] = _REFUSED if self.unknown == "error" else default
        return matched

    def _refuse_unknown(self, matched: Places) -> None:
        positions = np.flatnonzero(matched == _REFUSED)
        if len(positions):
            message = f"a condition of {self.path!r} is unknown: give the values it needs"
            first = positions[:_FIRST_POSITIONS].tolist()
            raise DataError(message, count=len(positions), positions=first)


def _where(mask: Mask, number: int) -> Places:
    """Return the number where the mask is true, else 0: much faster than to assign it there."""
    return np.multiply(mask, number, dtype=np.int16)
