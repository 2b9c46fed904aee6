"""What the analysis takes for impossible never happens to customers with real orders."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from random import Random

import numpy as np
from answers import evaluation_of
from cases import FACTS, Case, cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmcore.analysis import Axis, Raw, Scene, Space
from crmcore.analysis.axes import WHOLE
from crmcore.columns import Column
from crmcore.evaluation import Evaluation
from crmcore.workbench.checking import check

WINDOWS = {"ever": {}, "period": {"in": "period"}, "recent": {"in": "recent"}}
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def cells_of(axis: Axis, result: Evaluation, row: int) -> set[int]:
    """Return the cell of a value; where samples leave that open, the cells on both sides of it."""
    column = result.columns[axis.name]
    if column.known is not None and not column.known[row]:
        return {at for at, cell in enumerate(axis.cells) if cell.is_missing}
    known = {at: cell for at, cell in enumerate(axis.cells) if not cell.is_missing}
    if axis.type.kind in WHOLE:
        value = int(column.values[row])
        return {at for at, cell in known.items() if cell.low <= value <= cell.high}  # type: ignore[operator]
    if axis.type.kind != "ratio":
        return {0}
    assert column.divisor is not None
    ratio = Fraction(int(column.values[row]), int(column.divisor[row]))
    inside = {at for at, cell in known.items() if min(cell.samples) <= ratio <= max(cell.samples)}  # type: ignore[operator]
    below = [at for at, cell in known.items() if max(cell.samples) < ratio]  # type: ignore[operator]
    return inside or {max(below, default=0), min(max(below, default=-1) + 1, max(known))}


def as_analysed(case: Case) -> tuple[Evaluation, Scene]:
    """Evaluate a case at the moment at which its policy is analysed."""
    policy = evaluation_of(case).policy
    scene = Scene.of([policy], case.as_of)
    return evaluation_of(replace(case, last_evaluated_at=scene.last_evaluated_at)), scene


@given(cases())
@settings(suppress_health_check=SLOW)
def test_no_customer_is_in_cells_that_cannot_go_together(case: Case) -> None:
    result, scene = as_analysed(case)
    space = Space.of([result.policy], scene)
    names = [name for name in result.policy.facts if space.axes[name].settable]
    for row in range(len(result)):
        cells = {name: cells_of(space.axes[name], result, row) for name in names}
        assert all(cells.values()), cells
        for one, other in combinations(names, 2):
            found = space.relations.impossible(space.axes[one], space.axes[other])
            for mine, theirs in found:
                sure = mine[[*cells[one]]].all() and theirs[[*cells[other]]].all()
                assert not sure, (one, other)


@given(cases(), st.randoms(use_true_random=False))
@settings(suppress_health_check=SLOW, max_examples=25)
def test_no_values_of_a_customer_contradict_each_other(case: Case, chance: Random) -> None:
    """Each value is a cell of its own, so that relations are about the very values."""
    every = {f"{window}_{name}": (spec, window) for name, spec in FACTS for window in WINDOWS}
    drawn = chance.sample(sorted(every), 30)
    more = {f"y_{name}": {**every[name][0], **WINDOWS[every[name][1]]} for name in drawn}
    named = {f"z_{name}_on": {**spec} for name, spec in FACTS if spec["take"] in ("first", "last")}
    facts = {**case.policy["facts"], **more, **named}
    result, scene = as_analysed(replace(case, policy={**case.policy, "facts": facts}))
    space = Space.of([result.policy], scene)
    axes = {}
    for name in result.policy.facts:
        values = raw_values(result.columns[name])
        if space.axes[name].type.kind != "float":
            axes[name] = space.axes[name].only(values), values
    relations = replace(space.relations, found={})
    for (one, mine), (other, theirs) in combinations(axes.values(), 2):
        for left, right in relations.impossible(one, other):
            for value, beside in zip(mine, theirs, strict=True):
                at, by = place_of(one, value), place_of(other, beside)
                assert not (left[at] and right[by]), (one.name, value, other.name, beside)


def raw_values(column: Column) -> list[Raw | None]:
    """Return the values of a column in its own unit."""
    divisors = [1] * len(column) if column.divisor is None else column.divisor.tolist()
    known = column.is_known().tolist()
    rows = zip(column.values.tolist(), divisors, known, strict=True)
    whole = column.divisor is None
    return [(top if whole else Fraction(top, by)) if there else None for top, by, there in rows]


def place_of(axis: Axis, value: Raw | None) -> int:
    return [cell.value for cell in axis.cells].index(value)


def test_what_is_said_to_be_for_nobody_is_for_nobody() -> None:
    seen: Counter[str] = Counter()

    @given(cases())
    @settings(suppress_health_check=SLOW)
    def compared(case: Case) -> None:
        result, scene = as_analysed(case)
        report = check(result.policy, as_of=scene.as_of)
        assert report.scene == scene
        for finding in report.findings:
            name = finding.path.split(".")[-1 if finding.path.startswith("scores") else 0]
            column = result.columns.get(name)
            if column is None:
                continue
            given_to_some = {str(value) for value in column if value is not None}
            if finding.code == "unreachable":
                outcome = finding.message.split("leads to ")[-1].split(" points")[0]
                assert outcome.split(":")[0].strip("'") not in given_to_some
            elif finding.code == "constant":
                assert len(given_to_some) <= 1
            elif finding.code in ("masked", "never_true"):
                step = result.policy.step(name)
                assert step is not None
                _, matched = step.table.apply(  # type: ignore[attr-defined]
                    {**result.columns, **Space.of([result.policy], scene).given[0]}, len(result)
                )
                assert not np.any(matched == finding.rows[-1])
            else:
                continue
            seen[finding.code] += 1

    compared()
    assert seen["unreachable"]
