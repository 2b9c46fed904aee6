"""What comparing two policies finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, TypeAlias

from crmcore.columns import Value
from crmcore.policy import Policy
from crmcore.workbench.diffing.movement import Movement
from crmcore.workbench.diffing.structure import Edit

__all__ = ["DecisionDiff", "FactDiff", "PolicyDiff", "Relation", "RowDiff", "Verdict", "Witness"]

Verdict: TypeAlias = Literal["equivalent", "differs", "not_decided", "added", "removed"]
Relation: TypeAlias = Literal[
    "equivalent", "implies", "implied_by", "disjoint", "overlaps", "not_decided"
]


@dataclass(frozen=True, slots=True)
class Witness:
    """A customer who shows a difference, put through both policies.

    Parameters
    ----------
    customer
        The facts and attributes, those of both policies; ``None`` for what is missing.
    matters
        Those that bear on it.
    before, after
        What the first and the second policy make of it; ``None`` where that one refuses it.
    as_of, last_evaluated_at
        The moments at which they do.
    refused
        Which of the two policies refuses such data, if one does: it does not allow a value, or a
        list says ``unknown = "error"``.
    """

    customer: Mapping[str, Value] = field(repr=False)
    matters: tuple[str, ...]
    before: Value
    after: Value
    as_of: date
    last_evaluated_at: date | None
    refused: Literal["before", "after"] | None = None

    @property
    def given(self) -> dict[str, Value]:
        """The facts and attributes that bear on it."""
        return {name: self.customer[name] for name in self.matters}


@dataclass(frozen=True, slots=True)
class FactDiff:
    """A fact that both policies name, but define otherwise.

    Parameters
    ----------
    name
        The fact.
    because
        The places of the policy that make the difference, such as ``"windows.period"``.
    """

    name: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecisionDiff:
    """How one decision compares, for any customer there could be.

    Parameters
    ----------
    name
        The score, grade, class, segment or stage.
    verdict
        ``equivalent``: every customer gets the same, given the same facts. ``differs``: the
        witness does not. ``added``, ``removed``: only one policy has it. ``not_decided``: neither
        could be shown, for the reason given.
    witness, reason
        As above.
    """

    name: str
    verdict: Verdict
    witness: Witness | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RowDiff:
    """How the condition of one row of a list compares with what it was.

    Parameters
    ----------
    path
        The row in the second policy, such as ``"class.first.2"``.
    label
        The label that it gives there.
    before, after
        Both conditions.
    relation
        ``equivalent``: they hold for the same customers. ``implies``: where the first holds, so
        does the second, which holds for more. ``implied_by``: the second holds for fewer.
        ``disjoint``: never both. ``overlaps``: none of these. Or ``not_decided``.
    only_before, only_after
        A customer for whom only the first, and one for whom only the second holds; ``before`` and
        ``after`` of them tell whether each condition holds, ``None`` where it is unknown.
    reason
        Why it is not decided.
    """

    path: str
    label: str
    before: str
    after: str
    relation: Relation
    only_before: Witness | None = None
    only_after: Witness | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """The difference between two policies: in their text, their decisions, and for customers.

    Parameters
    ----------
    before, after
        The policies.
    edits
        What stands otherwise, place by place.
    facts
        Facts of one name whose own definition differs: their figures may differ for the same
        orders. Decisions are compared as if they were the same figures.
    decisions
        How each decision compares, for any customer there could be.
    rows
        How the conditions compare that were changed in class, segment and stage.
    movements
        Given orders or facts: what becomes of each decision of these customers. Else ``None``.
    as_of
        The moment of the movements.
    given
        What the movements rest on: ``"orders"``, or ``"facts"``, which then are the same figures
        for both policies, however they define them.

    Examples
    --------
    >>> import crmcore as crm
    >>> then = crm.presets.load("classic")
    >>> strict = {"score": "score", "from": [[8, "bronze"], [18, "silver"], [30, "gold"]]}
    >>> now = crm.load_policy({"extends": "classic", "name": "strict", "grade": strict})
    >>> found = crm.diff(then, now)
    >>> found.decides_alike, [one.name for one in found.decisions if one.verdict == "differs"]
    (False, ['grade', 'class'])
    >>> witness = found["grade"].witness
    >>> witness.before, witness.after
    ('silver', 'bronze')
    """

    before: Policy = field(repr=False)
    after: Policy = field(repr=False)
    edits: tuple[Edit, ...]
    facts: tuple[FactDiff, ...]
    decisions: tuple[DecisionDiff, ...]
    rows: tuple[RowDiff, ...]
    movements: tuple[Movement, ...] | None = None
    as_of: date | None = None
    given: Literal["orders", "facts"] | None = None

    def __getitem__(self, name: str) -> DecisionDiff:
        """Return how the decision of that name compares; raises `KeyError`."""
        for decision in self.decisions:
            if decision.name == name:
                return decision
        raise KeyError(name)

    @property
    def decides_alike(self) -> bool | None:
        """Whether both decide alike for any orders; ``None`` where that is not decided."""
        verdicts = {decision.verdict for decision in self.decisions}
        if self.facts or verdicts - {"equivalent", "not_decided"}:
            return False
        if self.movements is not None and any(self.movements):
            return False
        return None if "not_decided" in verdicts else True

    @property
    def wording(self) -> tuple[Edit, ...]:
        """The edits that change no decision: names, labels, what is kept internal."""
        return tuple(edit for edit in self.edits if not edit.decides)

    def movement(self, name: str) -> Movement:
        """Return what becomes of the decision of that name; raises `KeyError`."""
        for movement in self.movements or ():
            if movement.name == name:
                return movement
        raise KeyError(name)

    def to_dict(self, *, movers: int = 0) -> dict[str, object]:
        """Return plain data for JSON.

        Parameters
        ----------
        movers
            How many of the customers who move to name for each decision, by ascending id.
        """
        from crmcore.workbench.diffing.plain import plain_diff

        return plain_diff(self, movers)

    def to_markdown(self, *, movers: int = 0) -> str:
        """Return Markdown, fit for a comment on a proposal; see `to_dict`."""
        from crmcore.workbench.diffing.markdown import to_markdown

        return to_markdown(self, movers)
