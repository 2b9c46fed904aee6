"""What the analysis takes for impossible never happens to customers with real orders."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
from answers import evaluation_of
from cases import Case, cases
from hypothesis import HealthCheck, given, settings

from crmcore.analysis import Axis, Scene, Space
from crmcore.analysis.axes import WHOLE
from crmcore.evaluation import Evaluation
from crmcore.workbench.checking import check

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def cell_of(axis: Axis, result: Evaluation, row: int) -> int:
    """Return the cell of a value; of a kind without least and greatest any known one."""
    column = result.columns[axis.name]
    if column.known is not None and not column.known[row]:
        (found,) = (at for at, cell in enumerate(axis.cells) if cell.is_missing)
    elif axis.type.kind in WHOLE:
        value = int(column.values[row])
        (found,) = (
            at
            for at, cell in enumerate(axis.cells)
            if not cell.is_missing and cell.low <= value <= cell.high  # type: ignore[operator]
        )
    else:
        found = 0
    return found


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
        cells = {name: cell_of(space.axes[name], result, row) for name in names}
        for one, other in combinations(names, 2):
            found = space.relations.impossible(space.axes[one], space.axes[other])
            for mine, theirs in found:
                assert not (mine[cells[one]] and theirs[cells[other]]), (one, other)


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
