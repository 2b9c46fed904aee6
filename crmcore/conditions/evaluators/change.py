"""The smallest change of a row that would change what a condition says of it.

Values are tried, not solved for: whatever is told was put through the condition itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Final

import numpy as np

from crmcore.columns import Column, Value
from crmcore.conditions.evaluators.blocks import Block
from crmcore.conditions.evaluators.candidates import (
    Changed,
    Raw,
    candidates,
    changed_column,
    with_neighbours,
)
from crmcore.conditions.evaluators.evaluation import evaluate
from crmcore.conditions.typed.bound import Bound, fields_of, guarded_fields
from crmcore.conditions.typed.types import GIVEN

__all__ = ["FieldChange", "smallest_change"]

_TRIALS: Final = 50_000


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field, the value it has and the value it would need."""

    field: str
    seen: Value
    needed: Value


def smallest_change(
    bound: Bound, columns: Mapping[str, Column], row: int, *, most: int | None = None
) -> tuple[FieldChange, ...] | None:
    """Return the fewest fields, and their nearest values, that turn a condition for one row.

    A condition that is true becomes false; one that is false or unknown becomes true. Where
    several fields would do, those named first in the condition are told. ``as_of`` and
    ``last_evaluated_at`` stay as they are, and so do floats in calculations, personal fields, and
    what a comparison reads together with a personal field: the place where it turns would tell
    that field's value. Texts become only what the condition names; ratios in calculations move by
    whole units.

    Parameters
    ----------
    bound, columns
        As for `evaluate`.
    row
        Position from 0.
    most
        How many fields may change; by default all.

    Returns
    -------
    The changes, which all are needed; ``None`` when nothing was found within 50,000 trials.

    Examples
    --------
    >>> from crmcore.conditions import FieldType, bind, parse
    >>> fields = {"total": FieldType("money", 2), "count": FieldType("int", low=0)}
    >>> bound, _ = bind(parse("divide(total, count, 0) >= 300 and count > 1"), fields, "x")
    >>> total = Column("money", np.array([50_000]), exponent=2)
    >>> columns = {"total": total, "count": Column("int", np.array([2]))}
    >>> for change in smallest_change(bound, columns, 0):
    ...     print(change)
    FieldChange(field='total', seen=Decimal('500.00'), needed=Decimal('600.00'))
    """
    here = Block(columns, np.array([row]), 1)
    wanted = evaluate(bound, here, 1)[0] is not True
    kept = guarded_fields(bound) | GIVEN.keys()
    tried: dict[str, list[Raw]] = {}
    for name, type_ in fields_of(bound).items():
        if name in kept:
            continue
        values = candidates(bound, name, type_, here)
        alone = with_neighbours(values, bound, name, type_, here)
        found = _try(bound, here, {name: alone}, wanted) if alone else None
        if found is not None:
            return found
        if values:
            tried[name] = values
    return _together(bound, here, tried, wanted, most or len(tried))


def _together(
    bound: Bound, here: Block, tried: Mapping[str, list[Raw]], wanted: bool, most: int
) -> tuple[FieldChange, ...] | None:
    """Return the changes of several fields that do, as few as possible."""
    left = _TRIALS
    for count in range(2, min(len(tried), most) + 1):
        for names in combinations(tried, count):
            left -= math.prod(len(tried[name]) for name in names)
            if left < 0:
                return None
            found = _try(bound, here, {name: tried[name] for name in names}, wanted)
            if found is not None:
                return found
    return None


def _try(
    bound: Bound, here: Block, tried: Mapping[str, list[Raw]], wanted: bool
) -> tuple[FieldChange, ...] | None:
    """Return the nearest values of these fields that do."""
    places = list(product(*(range(len(values)) for values in tried.values())))
    trial: dict[str, Column] = {}
    for at, (name, values) in enumerate(tried.items()):
        trial[name] = changed_column(here[name], [values[place[at]] for place in places])
    truth = evaluate(bound, Changed(here, trial), len(places))
    holds = np.flatnonzero(truth.is_known() & (truth.true == wanted)).tolist()
    if not holds:
        return None
    best = min(holds, key=lambda one: sum(places[one]))
    return tuple(FieldChange(name, here[name][0], trial[name][best]) for name in tried)
