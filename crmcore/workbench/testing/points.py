"""Points: what tests of a policy may reach, each a question to be asked of many customers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from crmcore.analysis.reading import tests_of
from crmcore.bands import BoundBands
from crmcore.calendars import Moments
from crmcore.columns import Mask
from crmcore.conditions import Bound, BoundConstant, evaluate
from crmcore.scoring import BandStep, NestedStep
from crmcore.segments import TableStep
from crmcore.workbench.testing.cuts import Cut, Ends, cuts_of_atom, cuts_of_bands, equals
from crmcore.workbench.testing.values import as_text
from crmcore.workbench.testing.views import View

__all__ = ["AllEnds", "Key", "Part", "Reach", "reach_of", "union"]

Part: TypeAlias = Literal["rows", "conditions", "edges"]


@dataclass(frozen=True, slots=True)
class Key:
    """What tells a point from all others.

    Parameters
    ----------
    part
        ``rows``: somebody gets this row, band or label. ``conditions``: a condition is seen true,
        or false. ``edges``: somebody is just at, or just beside, an edge.
    path
        Where it stands in the policy.
    text
        What is to be seen there.
    """

    part: Part
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


Reach: TypeAlias = dict[Key, Mask]
"""For each point the customers who reach it."""
AllEnds: TypeAlias = dict[Key, Ends]
"""For edges of scores: the nearest values that can occur."""


def reach_of(view: View, ends: AllEnds, among: Mask | None = None) -> Reach:
    """Return who reaches each point of a policy.

    Parameters
    ----------
    view
        The customers.
    ends
        The nearest values of scores, by the first key of each edge; filled in where it lacks one.
    among
        Those of the customers who count; by default all whom the policy does not refuse.
    """
    there = ~view.refused if among is None else among & ~view.refused
    reach: Reach = {}
    for step in view.policy.steps:
        if isinstance(step, BandStep | NestedStep):
            reach |= _of_bands(step, view, there, ends)
        elif isinstance(step, TableStep):
            reach |= _of_table(step, view, there, ends)
    return reach


def _of_bands(step: BandStep | NestedStep, view: View, there: Mask, ends: AllEnds) -> Reach:
    scores = view.policy.document.get("scores", {})
    path = f"scores.{step.name}" if isinstance(scores, dict) and step.name in scores else step.name
    if isinstance(step, BandStep):
        return _of_one(step, path, view, there, ends)
    reach: Reach = {}
    outer = view.columns[step.inside]
    for points, bands in step.tables.items():
        one = BandStep(step.name, step.source, bands, step.windowed, step.field_type)
        here = there & equals(outer, points, view.rows)
        reach |= _of_one(one, f"{path}.by.{points}", view, here, ends)
    return reach


def _of_one(step: BandStep, path: str, view: View, here: Mask, ends: AllEnds) -> Reach:
    bands, cuts = step.bands, list(cuts_of_bands(step, view.timing))
    moments, count = view.timing.of(windowed=step.windowed), len(cuts)
    # Bands that give their own places tell who is in which.
    places = replace(bands, outcomes=tuple(range(count + 2)), labels=())
    place = places.apply(view.columns[step.source], moments, view.timing.zone).values
    names, lowest = _names_of(bands, path, moments)
    reach = {lowest: here & (place == 0)}
    for at, name in enumerate(names):
        reach[name] = here & (place == at + 1)
    if view.policy.fields[step.source].nullable:
        reach[Key("rows", path, f"{step.source} is missing")] = here & (place == count + 1)
    for name, cut in zip(names, cuts, strict=True):
        reach |= _of_cut(cut, name.path, view, here, ends)
    return reach


def _names_of(bands: BoundBands, path: str, moments: Moments) -> tuple[list[Key], Key]:
    """Return the keys of bands, the lowest first, and of what is below all."""
    if not bands.spans:
        texts = map(as_text, bands.edge_values(moments))
        names = [Key("rows", f"{path}.from.{at}", f"from {one}") for at, one in enumerate(texts)]
        return names, Key("rows", f"{path}.from", "below all edges")
    last = len(bands.spans) - 1  # written nearest first, held longest ago first
    names = [
        Key("rows", f"{path}.within.{last - at}", f"within {one}")
        for at, one in enumerate(bands.spans)
    ]
    return names, Key("rows", f"{path}.within", "longer ago than all")


def _of_table(step: TableStep, view: View, there: Mask, ends: AllEnds) -> Reach:
    reached, left = view.tables[step.name]
    reach: Reach = {}
    for row, (condition, (got_here, truth)) in enumerate(
        zip(step.table.conditions, reached, strict=True)
    ):
        here = got_here & there
        path = f"{step.name}.first.{row}"
        label = step.table.labels[row]
        reach[Key("rows", path, f"{condition.text} → {label}")] = here & truth.true
        for atom in _distinct(tests_of(condition)):
            if isinstance(atom, BoundConstant):
                continue
            its = evaluate(atom, view.columns, view.rows)
            false = ~its.true if its.known is None else its.known & ~its.true
            reach[Key("conditions", path, f"{atom.text} is true")] = here & its.true
            reach[Key("conditions", path, f"{atom.text} is false")] = here & false
            for cut in cuts_of_atom(atom):
                reach |= _of_cut(cut, path, view, here, ends)
    reach[Key("rows", f"{step.name}.otherwise", step.table.otherwise or "no label")] = left & there
    return reach


def _distinct(found: Iterable[Bound]) -> Iterator[Bound]:
    seen: set[str] = set()
    for one in found:
        if one.text not in seen:
            seen.add(one.text)
            yield one


def _of_cut(cut: Cut, path: str, view: View, here: Mask, ends: AllEnds) -> Reach:
    low, high = Key("edges", path, cut.below), Key("edges", path, cut.above)
    if cut.name is not None and view.policy.step(cut.name) is not None:
        column = view.columns[cut.name]
        if column.kind != "int":
            return {}
        found = ends.setdefault(low, cut.ends(view.columns, here))
        lower, upper = (equals(column, end, view.rows) for end in found)
    else:
        lower, upper = cut.sides(view.columns, view.rows)
    return {low: here & lower, high: here & upper}


def union(reaches: Iterable[Mapping[Key, Mask]]) -> dict[Key, bool]:
    """Return which points anybody reaches."""
    found: dict[Key, bool] = {}
    for reach in reaches:
        for key, mask in reach.items():
            found[key] = found.get(key, False) or bool(mask.any())
    return found
