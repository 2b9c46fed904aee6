"""A condition that a host writes itself, checked against the fields there are and ready to ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from crmcore.calendars import Zone
from crmcore.columns import Column, Value
from crmcore.conditions.evaluators.compiled import no_such_field, test_of
from crmcore.conditions.evaluators.evaluation import evaluate
from crmcore.conditions.evaluators.explanation import ConditionTrace, explain
from crmcore.conditions.evaluators.truth import Truth
from crmcore.conditions.language.parser import parse
from crmcore.conditions.language.tokens import ConditionSyntaxError
from crmcore.conditions.typed.binding import bind
from crmcore.conditions.typed.bound import Bound
from crmcore.conditions.typed.types import FieldType
from crmcore.errors import Lines, PolicyError, Problem

__all__ = ["Rule", "compile_condition"]

_PATH = "condition"


class Rule:
    """A condition ready to be asked: of one customer, of many, and why.

    Make one with `Policy.condition` or `compile_condition`. It may be shared between threads and
    pickled.

    Parameters
    ----------
    text
        The condition.
    fields
        The type of each field.
    zone
        Whose local days instants have.

    Raises
    ------
    PolicyError
        With everything that is wrong with the text.

    Examples
    --------
    >>> import crmcore as crm
    >>> rule = crm.presets.load("classic").condition("sale_count >= 5 and not blocked")
    >>> rule({"sale_count": 7, "blocked": False}), rule({"sale_count": None, "blocked": False})
    (True, None)
    """

    __slots__ = ("_bound", "_fields", "_test", "_zone", "text")

    def __init__(
        self, text: str, fields: Mapping[str, FieldType], *, zone: Zone | None = None
    ) -> None:
        self.text = text
        self._fields = fields
        self._zone = zone
        self._bound = _bound(text, fields, zone)
        self._test = test_of(self._bound)

    def __call__(self, row: Mapping[str, Value]) -> bool | None:
        """Return whether the condition holds for one customer; ``None`` when that is unknown.

        Parameters
        ----------
        row
            Plain values by field name: int, `Decimal` (money), `Fraction` (exact ratios), float,
            date, aware datetime, str, bool; ``None`` or NaN where one is missing.

        Raises
        ------
        DataError
            When a field that is asked about is not there, or its value does not fit its type.
        """
        try:
            return self._test(row)
        except KeyError as lacking:
            raise no_such_field(lacking) from None

    def holds_in(self, columns: Mapping[str, Column], rows: int) -> Truth:
        """Return in which of many rows the condition is true, and in which it is known.

        Parameters
        ----------
        columns
            By field name, such as those of an `Evaluation`; each `rows` long, or of length 1 for
            all rows.
        rows
            How many rows there are.

        Raises
        ------
        DataError
            When a column is of another kind than its field, or its values leave their domain in a
            calculation.

        Examples
        --------
        >>> import numpy as np
        >>> rule = compile_condition("days > 90", {"days": FieldType("int")})
        >>> truth = rule.holds_in({"days": Column("int", np.array([30, 120]))}, 2)
        >>> truth.true.tolist()
        [False, True]
        """
        return evaluate(self._bound, columns, rows)

    def explain(self, columns: Mapping[str, Column], row: int) -> ConditionTrace:
        """Return why the condition holds or not in one row, from position 0 on."""
        return explain(self._bound, columns, row)

    def __repr__(self) -> str:
        return f"Rule({self.text!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return compile_condition, (self.text, dict(self._fields), self._zone)


def compile_condition(text: str, fields: Mapping[str, FieldType], zone: Zone | None = None) -> Rule:
    """Return a condition over a host's own fields, without a policy.

    Parameters
    ----------
    text
        The condition.
    fields
        The type of each field it may ask about; ``as_of`` and ``last_evaluated_at`` are instants.
    zone
        Whose local days instants have, for calculations with days.

    Raises
    ------
    PolicyError
        With everything that is wrong with the text.

    Examples
    --------
    >>> fields = {"days": FieldType("int"), "tier": FieldType("text")}
    >>> rule = compile_condition('days > 90 and tier == "gold"', fields)
    >>> rule({"days": 120, "tier": "gold"}), rule({"days": 30, "tier": None})
    (True, False)
    >>> compile_condition("day > 90", fields)
    Traceback (most recent call last):
        ...
    crmcore.errors.PolicyError: 1 problem in the policy
    line 1, column 1: condition: no such field [unknown_name]
        1 | day > 90
          | ^^^ did you mean 'days'?
    """
    return Rule(text, fields, zone=zone)


def _bound(text: str, fields: Mapping[str, FieldType], zone: Zone | None) -> Bound:
    try:
        bound, problems = bind(parse(text), fields, _PATH, zone=zone)
    except ConditionSyntaxError as error:
        wrong = Problem("condition_syntax", error.message, _PATH)
        raise PolicyError([Lines(text).marked(wrong, error.position, error.end)]) from None
    if bound is None:
        lines, whole = Lines(text), (0, len(text))
        marked = [lines.marked(problem, *(problem.span or whole)) for problem in problems]
        raise PolicyError([replace(problem, span=None) for problem in marked])
    return bound
