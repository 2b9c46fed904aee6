"""The nodes of a decision as plain data: each place of the policy that bore on it.

All nodes have the same keys, in the same order; what does not apply is ``None`` or empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from crmcore.bands import Band
from crmcore.conditions import ConditionTrace, FieldType
from crmcore.evaluation.crossing import AGES
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, SumStep
from crmcore.segments import TableStep

if TYPE_CHECKING:
    from crmcore.evaluation.explanation import Decision, Explanation
    from crmcore.evaluation.plain import Plainly

__all__ = ["NODE_KEYS", "path_of", "plain_nodes", "unit_of"]

NODE_KEYS: Final = (
    *("path", "op", "text", "item", "field", "value", "threshold", "margin", "truth", "unit"),
    *("weight", "hidden", "inputs", "terms"),
)
_UNITS: Final = {
    **{kind: kind for kind in ("date", "instant", "text", "label")},
    **{"bool": "truth", "int": "number", "ratio": "number", "float": "number"},
}


def path_of(policy: Policy, name: str) -> str:
    """Return where a decision stands in the policy, such as ``"scores.score"`` or ``"grade"``."""
    scores = policy.document.get("scores")
    return f"scores.{name}" if isinstance(scores, dict) and name in scores else name


def unit_of(policy: Policy, name: str) -> str | None:
    """Return the unit of a fact, attribute, score or decision.

    A currency code, ``days``, ``date``, ``instant``, ``count``, ``points``, ``share``,
    ``number``, ``truth``, ``label`` or ``text``; ``None`` for what is no name.
    """
    field, fact = policy.fields.get(name), policy.facts.get(name)
    if field is None:
        return None
    if fact is not None and (fact.take in AGES or fact.field == "gap_days"):
        return "days"
    if field.kind == "int":
        return "points" if policy.step(name) is not None else "count"
    return "share" if fact is not None and fact.take == "share" else _typed_unit(policy, field)


def _typed_unit(policy: Policy, type_: FieldType) -> str:
    return policy.currency.code if type_.amount else _UNITS[type_.kind]


def plain_nodes(
    explanation: Explanation, decision: Decision, plainly: Plainly
) -> list[dict[str, object]]:
    """Return the nodes of one decision, in the order in which they were looked at."""
    return list(_nodes(explanation, decision, plainly))


def _nodes(
    explanation: Explanation, decision: Decision, plainly: Plainly
) -> Iterator[dict[str, object]]:
    policy, path = explanation.policy, path_of(explanation.policy, decision.name)
    step = policy.step(decision.name)
    match step:
        case BandStep() | NestedStep():
            yield _band(explanation, decision, step, path, plainly)
        case SumStep():
            for name, weight, points in decision.parts:
                key = _weight_key(policy, decision.name, name)
                value = plainly.value(name, points)
                yield _node(
                    f"{path}.{key}", "weight", field=name, value=value, unit="points", weight=weight
                )
        case TableStep():
            for at, trace in enumerate(decision.conditions):
                yield _trace(trace, f"{path}.first.{at}", policy, plainly)
            if not decision.conditions or decision.conditions[-1].truth is not True:
                yield _node(f"{path}.otherwise", "otherwise", text=step.table.otherwise)
        case _:
            yield _node(
                f"{path}.scorer", "scorer", value=plainly.value(decision.name, decision.value)
            )


def _node(path: str, op: str, **given: object) -> dict[str, object]:
    nothing = dict[str, object].fromkeys(NODE_KEYS)
    return {**nothing, "hidden": False, "inputs": [], "terms": [], "path": path, "op": op, **given}


def _weight_key(policy: Policy, name: str, part: str) -> str:
    scores = policy.document["scores"]
    assert isinstance(scores, dict)  # or the policy had been refused
    score = scores[name]
    assert isinstance(score, dict)
    return f"weights.{part}" if "weights" in score else "cell"


def _band(
    explanation: Explanation,
    decision: Decision,
    step: BandStep | NestedStep,
    path: str,
    plainly: Plainly,
) -> dict[str, object]:
    source, band = step.source, decision.band
    hidden = explanation.policy.fields[source].personal
    if isinstance(step, NestedStep):
        outer = explanation[step.inside].value
        if not isinstance(outer, int):
            return _node(f"{path}.by", "missing", field=step.inside, unit="points")
        path, bands = f"{path}.by.{outer}", step.tables[outer]
    else:
        bands = step.bands
    unit = unit_of(explanation.policy, source)
    if band is None:
        where = f"{path}.missing" if bands.outcomes[-1] is not None else path
        return _node(where, "missing", field=source, unit=unit, hidden=hidden)
    op = "within" if bands.spans else "from"
    row = len(bands.spans) - 1 - band.index if bands.spans else band.index
    if band.index < 0:
        op = "older" if bands.spans else "below"
        where = f"{path}.below" if bands.outcomes[0] is not None else path
    else:
        where = f"{path}.{op}.{row}"
    return _node(
        where,
        op,
        field=source,
        value=plainly.value(source, band.value),
        threshold=[plainly.value(source, one) for one in (band.lower, band.upper)],
        margin=_margins(band, source, plainly),
        truth=True,
        unit=unit,
        hidden=hidden,
    )


def _margins(band: Band, source: str, plainly: Plainly) -> list[object]:
    return [plainly.value(source, one) for one in (band.margin_to_lower, band.margin_to_upper)]


def _trace(trace: ConditionTrace, path: str, policy: Policy, plainly: Plainly) -> dict[str, object]:
    unit = None if trace.field is None else unit_of(policy, trace.field)
    if unit is None and trace.type is not None:
        unit = _typed_unit(policy, trace.type)
    return _node(
        path,
        trace.op,
        text=trace.text,
        item=trace.item,
        field=trace.field,
        value=plainly.typed(trace.type, trace.value),
        threshold=_threshold(trace, plainly),
        margin=plainly.typed(trace.type, trace.margin),
        truth=trace.truth,
        unit=unit,
        hidden=trace.hidden,
        inputs=[
            {
                "field": one.name,
                "value": plainly.value(one.name, one.value),
                "unit": unit_of(policy, one.name),
                "hidden": one.hidden,
            }
            for one in trace.inputs
        ],
        terms=[
            _trace(term, f"{path}.terms.{at}", policy, plainly)
            for at, term in enumerate(trace.terms)
        ],
    )


def _threshold(trace: ConditionTrace, plainly: Plainly) -> object:
    if isinstance(trace.threshold, tuple):
        return [plainly.typed(trace.type, one) for one in trace.threshold]
    return plainly.typed(trace.type, trace.threshold)
