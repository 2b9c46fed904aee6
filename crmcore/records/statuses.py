"""Statuses: from their words, or from rules over their columns, to the standard ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Mask
from crmcore.errors import DataError
from crmcore.records.filters import distinct_texts, meets
from crmcore.records.lookup import Lookup
from crmcore.records.raw import Raw
from crmcore.records.source import STATUSES, StatusRules

__all__ = ["read_statuses"]

_NONE = 255


def read_statuses(
    columns: Lookup, rules: StatusRules
) -> tuple[NDArray[np.uint8] | None, dict[str, Mask]]:
    """Return codes into `STATUSES` and faults; no codes when nothing says the status.

    Raises
    ------
    DataError
        The source maps statuses, and there is no status column.
    """
    name = columns.name_of("status")
    if name is None and rules.map:
        raise DataError("the source maps statuses, but there is no such column", column="status")
    if name is None and not rules.first and rules.otherwise is None:
        return None, {}
    raw = None if name is None else columns.raw[name]
    codes = np.full(columns.rows, _NONE, np.uint8) if raw is None else _by_word(raw, rules)
    codes = _by_rule(codes, columns, rules)
    if not len(codes) or codes.max() != _NONE:
        return codes, {}
    return _rest(codes, raw, rules)


def _by_word(raw: Raw, rules: StatusRules) -> NDArray[np.uint8]:
    """Return the status of each word; `_NONE` where there is none."""
    raw = raw.coded("status")
    words = {word: STATUSES.index(status) for word, status in rules.map.items()}
    words = words or {status: code for code, status in enumerate(STATUSES)}
    codes, texts = distinct_texts("status", raw)
    meant = [words.get(text, _NONE) for text in texts]
    if raw.missing is None and codes.dtype.itemsize == 1 and meant == list(range(len(meant))):
        return codes.view(np.uint8)
    found = kernels.translate(codes, np.array([*meant, _NONE], np.uint8))
    if raw.missing is not None:
        found[raw.missing] = _NONE
    return found


def _by_rule(codes: NDArray[np.uint8], columns: Lookup, rules: StatusRules) -> NDArray[np.uint8]:
    """Return the codes with those of the rules in place, of the first that fits each row."""
    for rule in reversed(rules.first):
        columns.theirs([one.column for one in (rule, *rule.also)], "status")
        codes = np.where(meets(rule, columns.raw), np.uint8(STATUSES.index(rule.status)), codes)
    return codes


def _rest(
    codes: NDArray[np.uint8], raw: Raw | None, rules: StatusRules
) -> tuple[NDArray[np.uint8], dict[str, Mask]]:
    """Deal with the rows that have no status yet."""
    none = codes == _NONE
    codes = np.where(none, np.uint8(0), codes)
    if rules.otherwise is not None:
        codes[none] = STATUSES.index(rules.otherwise)
        return codes, {}
    if raw is None or raw.missing is None:
        return codes, {"unknown_status": none}
    masks = {"missing_status": none & raw.missing, "unknown_status": none & ~raw.missing}
    return codes, {reason: mask for reason, mask in masks.items() if mask.any()}
