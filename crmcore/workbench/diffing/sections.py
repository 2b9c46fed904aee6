"""A difference as tables of words: what people are shown, on a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from crmcore.columns import Value
from crmcore.evaluation.plain import Shower
from crmcore.policy import Policy
from crmcore.wording import Catalogue
from crmcore.workbench.diffing.movement import Movement
from crmcore.workbench.diffing.result import PolicyDiff, Verdict, Witness

__all__ = ["Cell", "Code", "Section", "sections", "summary"]

VERDICTS: Final[dict[Verdict, str]] = {
    "equivalent": "alike",
    "differs": "differs",
    "added": "added",
    "removed": "removed",
    "not_decided": "not decided",
}
_RELATIONS: Final = {
    "equivalent": "holds for the same",
    "implies": "holds for more",
    "implied_by": "holds for fewer",
    "disjoint": "holds for others",
    "overlaps": "holds for some others",
    "not_decided": "not decided",
}


@dataclass(frozen=True, slots=True)
class Code:
    """Something as it stands in a policy or in data, not words of ours."""

    text: str


Cell: TypeAlias = str | Code


@dataclass(frozen=True, slots=True)
class Section:
    """One table with its title; `right` are the places of columns of numbers."""

    title: str
    columns: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: tuple[int, ...] = ()
    folded: bool = False


def summary(found: PolicyDiff) -> str:
    """Return the one sentence of a difference."""
    if found.before.hash == found.after.hash:
        return "Both decide alike: only wording differs." if found.edits else "Both are the same."
    if found.decides_alike is None:
        return "Whether both decide alike is not decided."
    if found.decides_alike:
        return "Both decide alike, though they are written otherwise."
    names = [
        one.name for one in found.decisions if one.verdict not in ("equivalent", "not_decided")
    ]
    if names:
        return f"They decide otherwise: {', '.join(names)}."
    return "They look at other figures: facts are defined otherwise."


def sections(found: PolicyDiff, movers: int = 0) -> Iterator[Section]:
    """Yield the tables that have something to say."""
    shower = _Shown(found.after)
    for section in (
        _edits(found, decides=True),
        _edits(found, decides=False),
        _facts(found),
        _decisions(found, shower),
        _conditions(found, shower),
        *_customers(found, movers, shower),
    ):
        if section.rows:
            yield section


def _edits(found: PolicyDiff, *, decides: bool) -> Section:
    rows = tuple(
        (Code(edit.path), _code(edit.before), _code(edit.after))
        for edit in found.edits
        if edit.decides is decides
    )
    title = "What stands otherwise" if decides else "Wording that stands otherwise"
    return Section(title, ("place", "before", "after"), rows, folded=not decides)


def _facts(found: PolicyDiff) -> Section:
    rows = tuple((Code(one.name), Code(", ".join(one.because))) for one in found.facts)
    return Section("Facts that are defined otherwise", ("fact", "because of"), rows)


def _decisions(found: PolicyDiff, shown: _Shown) -> Section:
    rows = []
    for one in found.decisions:
        if one.verdict == "equivalent":
            continue
        before, after, example = shown.witness(one.name, one.witness)
        rows.append(
            (Code(one.name), VERDICTS[one.verdict], before, after, example or one.reason or "")
        )
    columns = ("decision", "", "before", "after", "for example")
    return Section("Decisions, given the same facts", columns, tuple(rows))


def _conditions(found: PolicyDiff, shown: _Shown) -> Section:
    rows = []
    for one in found.rows:
        example = shown.witness("", one.only_after or one.only_before)[2]
        relation = _RELATIONS[one.relation]
        rows.append((Code(one.path), Code(one.label), relation, example or one.reason or ""))
    return Section("Conditions", ("row", "label", "now", "for example"), tuple(rows))


def _customers(found: PolicyDiff, movers: int, shown: _Shown) -> Iterator[Section]:
    every = found.movements or ()
    numbers = tuple(range(1, 6))
    sales = next((one.sales_fact for one in every if one.sales_fact), None)
    columns: tuple[Cell, ...] = ("decision", "customers", "unchanged", "moved", "up", "down")
    if sales is not None:
        columns, numbers = (*columns, f"{sales} of the moved"), (*numbers, 6)
    rows = tuple(_movement(one, shown) for one in every if one)
    unmoved = [one for one in every if not one]
    if unmoved:
        count = f"{unmoved[0].customers:,}"
        rows += (_padded((f"{len(unmoved)} without movement", count, count, "0"), len(columns)),)
    given = "" if found.given == "orders" else ", by facts that are given"
    title = f"Customers as of {shown.text('as_of', found.as_of)}{given}"
    yield Section(title, columns, rows, numbers)
    for one in every:
        if one and one.matrix:
            yield _matrix(one)
    for one in every:
        if one and movers:
            yield _movers(one, movers, shown)


def _movement(one: Movement, shown: _Shown) -> tuple[Cell, ...]:
    counts = (one.customers, one.unchanged, one.moved, one.upgraded, one.downgraded)
    sales = (shown.value(one.sales_fact, one.sales_moved),) if one.sales_fact else ()
    return (Code(one.name), *("" if n is None else f"{n:,}" for n in counts), *sales)


def _padded(row: tuple[Cell, ...], size: int) -> tuple[Cell, ...]:
    return (*row, *[""] * (size - len(row)))


def _matrix(one: Movement) -> Section:
    """Return the customers from each label to each, without labels that nobody has."""
    used = [
        at
        for at in range(len(one.labels))
        if any(one.matrix[at]) or any(row[at] for row in one.matrix)
    ]
    names = [_code(one.labels[at]) if one.labels[at] else "(none)" for at in used]
    rows = tuple(
        (name, *(f"{one.matrix[at][to]:,}" if one.matrix[at][to] else "" for to in used))
        for name, at in zip(names, used, strict=True)
    )
    right = tuple(range(1, len(used) + 1))
    return Section(f"{one.name}: before (down) and after (across)", ("", *names), rows, right)


def _movers(one: Movement, most: int, shown: _Shown) -> Section:
    rows = tuple(
        (
            Code(str(mover.customer_id)),
            shown.value(one.name, mover.before),
            shown.value(one.name, mover.after),
        )
        for mover in one.movers(most)
    )
    title = f"{one.name}: {len(rows):,} of {one.moved:,} who move"
    return Section(title, ("customer", "before", "after"), rows, folded=True)


def _code(text: str | None) -> Cell:
    return "" if text is None else Code(text)


class _Shown:
    """Shows values of a policy."""

    def __init__(self, policy: Policy) -> None:
        self.shower = Shower(policy)
        self.words = Catalogue()

    def value(self, name: str, value: Value) -> Cell:
        """Return a value of the fact or decision of that name."""
        return Code(self.text(name, value)) if value is not None else "(none)"

    def text(self, name: str, value: Value) -> str:
        if value is None:
            return "missing"
        return self.words.shown(self.shower.shown(name, value))

    def witness(self, name: str, witness: Witness | None) -> Sequence[Cell]:
        """Return what both policies make of a witness, and who that is."""
        if witness is None:
            return "", "", ""
        before, after = (
            "(refused)" if side == witness.refused else self.value(name, one)
            for side, one in (("before", witness.before), ("after", witness.after))
        )
        given = ", ".join(f"{one} {self.text(one, value)}" for one, value in witness.given.items())
        return before, after, Code(f"{given}; as of {self.text('as_of', witness.as_of)}")
