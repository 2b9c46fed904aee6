"""A difference as plain data: dates in ISO form, exact numbers as text."""

from __future__ import annotations

from crmcore.evaluation.plain import Plainly, Shower
from crmcore.policy import Policy
from crmcore.wording import plain
from crmcore.workbench.diffing.movement import Movement
from crmcore.workbench.diffing.result import DecisionDiff, PolicyDiff, RowDiff, Witness
from crmcore.workbench.diffing.structure import Edit

__all__ = ["plain_diff"]


def plain_diff(found: PolicyDiff, movers: int) -> dict[str, object]:
    """Return a difference as plain data."""
    plainly = Plainly(Shower(found.after))
    return {
        "format": 1,
        "before": _policy(found.before),
        "after": _policy(found.after),
        "decides_alike": found.decides_alike,
        "edits": [_edit(edit) for edit in found.edits],
        "facts": [{"name": one.name, "because": list(one.because)} for one in found.facts],
        "decisions": [_decision(one, plainly) for one in found.decisions],
        "rows": [_row(one, plainly) for one in found.rows],
        "as_of": None if found.as_of is None else plain(found.as_of),
        "given": found.given,
        "movements": None
        if found.movements is None
        else [_movement(one, movers, plainly) for one in found.movements if one],
        "without_movement": None
        if found.movements is None
        else [one.name for one in found.movements if not one],
    }


def _policy(policy: Policy) -> dict[str, object]:
    return {"name": policy.name, "hash": policy.hash}


def _edit(edit: Edit) -> dict[str, object]:
    return {
        "path": edit.path,
        "kind": edit.kind,
        "before": edit.before,
        "after": edit.after,
        "decides": edit.decides,
    }


def _decision(one: DecisionDiff, plainly: Plainly) -> dict[str, object]:
    return {
        "name": one.name,
        "verdict": one.verdict,
        "witness": _witness(one.witness, one.name, plainly),
        "reason": one.reason,
    }


def _row(one: RowDiff, plainly: Plainly) -> dict[str, object]:
    return {
        "path": one.path,
        "label": one.label,
        "before": one.before,
        "after": one.after,
        "relation": one.relation,
        "only_before": _witness(one.only_before, "", plainly),
        "only_after": _witness(one.only_after, "", plainly),
        "reason": one.reason,
    }


def _witness(witness: Witness | None, name: str, plainly: Plainly) -> dict[str, object] | None:
    if witness is None:
        return None
    return {
        "customer": {one: plainly.value(one, value) for one, value in witness.customer.items()},
        "matters": list(witness.matters),
        "before": plainly.value(name, witness.before),
        "after": plainly.value(name, witness.after),
        "refused": witness.refused,
        "as_of": plain(witness.as_of),
        "last_evaluated_at": plain(witness.last_evaluated_at),
    }


def _movement(one: Movement, movers: int, plainly: Plainly) -> dict[str, object]:
    sales = one.sales_fact or ""
    return {
        "name": one.name,
        "customers": one.customers,
        "unchanged": one.unchanged,
        "moved": one.moved,
        "upgraded": one.upgraded,
        "downgraded": one.downgraded,
        "labels": list(one.labels),
        "matrix": [list(row) for row in one.matrix],
        "sales_fact": one.sales_fact,
        "sales_moved": plainly.value(sales, one.sales_moved),
        "sales": plainly.value(sales, one.sales),
        "movers": [
            {
                "customer_id": plain_id(mover.customer_id),
                "before": plainly.value(one.name, mover.before),
                "after": plainly.value(one.name, mover.after),
            }
            for mover in one.movers(movers)
        ],
    }


def plain_id(customer_id: object) -> int | str:
    """Return an id as JSON has it: whole numbers stay, everything else is text."""
    return customer_id if isinstance(customer_id, int) else str(customer_id)
