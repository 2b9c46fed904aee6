"""Customers who show a finding, with what the policy gives them."""

from __future__ import annotations

from collections.abc import Mapping

from crmcore.analysis import (
    Box,
    Customer,
    Shown,
    Shows,
    Space,
    TableRegions,
    first_of_each,
    replay,
    witness,
)
from crmcore.columns import Mask, Value
from crmcore.conditions import Bound, evaluate
from crmcore.errors import DataError
from crmcore.evaluation import Evaluation
from crmcore.evaluation.plain import Shower
from crmcore.policy import Policy
from crmcore.wording import Catalogue, Label

__all__ = ["all_holding", "holding", "labelled_by", "shown_by", "shown_in", "told", "unlabelled"]


def shown_by(space: Space, customers: list[Customer]) -> tuple[Shown, ...]:
    """Return customers with what the policy gives them; nobody where it refuses one of them."""
    try:
        result = replay(space.policies[0], customers, space.scene)
    except DataError:
        return ()
    return tuple(Shown.of(result, row) for row in range(len(customers)))


def shown_in(table: TableRegions, box: Box, shows: Shows) -> tuple[Shown, ...]:
    """Return one customer of a box who shows something; nobody where none is found."""
    found = witness(table, box, shows)
    return () if found is None else (found,)


def all_holding(table: TableRegions, boxes: Mapping[int, Box]) -> dict[int, tuple[Shown, ...]]:
    """Return for each row, with a box where it holds, a customer for whom it does."""
    if not boxes:
        return {}
    try:
        there, result = first_of_each(table, list(boxes.values()))
    except DataError:
        return {}
    rows, conditions = list(boxes), table.step.table.conditions
    found: dict[int, tuple[Shown, ...]] = {}
    for spot, place in enumerate(there):
        row = rows[place]
        if holding(table.space, conditions[row])(result)[spot]:
            found[row] = (Shown.of(result, spot),)
    return found


def told(policy: Policy, name: str, value: Value) -> str:
    """Return a value of a fact or decision as people read it: local times, money with its code."""
    shown = Shower(policy).shown(name, value)
    return shown.identifier if isinstance(shown, Label) else Catalogue().shown(shown)


def unlabelled(name: str) -> Shows:
    """Return who has no label."""
    return lambda result: ~result.columns[name].is_known()


def holding(space: Space, *conditions: Bound) -> Shows:
    """Return for whom all of these conditions hold."""

    def shows(result: Evaluation) -> Mask:
        columns = {**result.columns, **space.given[0]}
        truths = [evaluate(one, columns, len(result)).true for one in conditions]
        both = truths[0]
        for truth in truths[1:]:
            both = both & truth
        return both

    return shows


def labelled_by(table: TableRegions, row: int) -> Shows:
    """Return for whom a row (-1: otherwise) decides."""

    def shows(result: Evaluation) -> Mask:
        columns = {**result.columns, **table.space.given[0]}
        _, matched = table.step.table.apply(columns, len(result))
        decided: Mask = matched == row
        return decided

    return shows
