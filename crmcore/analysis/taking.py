"""What two policies take of a field of one name: one may have room for less than the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crmcore.analysis.axes import Axis
from crmcore.columns import Column
from crmcore.conditions import FieldType

__all__ = ["as_taken", "common_type"]


def as_taken(type_: FieldType, column: Column) -> Column:
    """Return a column as a policy takes it: what the type has no room for is missing.

    Examples
    --------
    >>> import numpy as np
    >>> given = Column("label", np.array([0, 2]), categories=("dry", "oily", "mixed"))
    >>> as_taken(FieldType("label", categories=("oily", "dry")), given).to_list()
    ['dry', None]
    """
    if (type_.kind, type_.exponent) != (column.kind, column.exponent):
        return Axis("", type_, ()).column([None] * len(column))
    if type_.kind == "label" and type_.categories not in ((), column.categories):
        labels, own = column.categories, type_.categories
        places = np.array([own.index(one) if one in own else -1 for one in (*labels, "")])
        codes = places.take(column.values.astype(np.int64), mode="clip")
        known = column.is_known() & (codes >= 0)
        return Column("label", np.maximum(codes, 0), known, categories=own)
    if type_.kind != "int" or (type_.low is None and type_.high is None):
        return column
    known, values = column.is_known(), column.values.astype(np.int64)
    if type_.low is not None:
        known = known & (values >= type_.low)
    if type_.high is not None:
        known = known & (values <= type_.high)
    return replace(column, known=known)


def common_type(types: Sequence[FieldType]) -> FieldType:
    """Return the type that has room for what any of some types of one kind has room for."""
    categories: tuple[str, ...] = ()
    if all(one.categories for one in types):
        categories = tuple(dict.fromkeys(label for one in types for label in one.categories))
    lows = [one.low for one in types if one.low is not None]
    highs = [one.high for one in types if one.high is not None]
    return replace(
        types[0],
        nullable=any(one.nullable for one in types),
        categories=categories,
        low=min(lows) if len(lows) == len(types) else None,
        high=max(highs) if len(highs) == len(types) else None,
    )
