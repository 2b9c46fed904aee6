"""From standard columns to clean rows: what cannot count is set aside, the rest made single.

The steps, each a function from rows to fewer rows: unusable rows go, repeated rows collapse or
conflict, lines fold into orders. Positions of the rows as given are carried along, so that
everything left out can be pointed at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from crmcore.calendars import Zone
from crmcore.columns import Ints, Mask
from crmcore.errors import DataError
from crmcore.records.draft import Draft
from crmcore.records.folding import NO_LINK, Lines, fold, own_lines
from crmcore.records.ids import Ids, bad_ids, code_ids, has_repeated_ids
from crmcore.records.intake import Intake, LeftOutKind
from crmcore.records.raw import Raw
from crmcore.records.reading import Standard
from crmcore.records.repeats import single

__all__ = ["NO_LINK", "Prepared", "coded", "prepare", "settled", "usable"]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Clean rows: one an order, and one a return.

    `order` and `return_of` code the order ids; `known_until_us` is there where several versions of
    a row are kept.
    """

    rows: Standard
    lines: Lines
    order: Ints | None
    return_of: Ints | None
    known_until_us: Ints | None
    intake: Intake


def prepare(standard: Standard, *, by_line: bool, zone: Zone) -> Prepared:
    """Clean, single and fold rows; account for every row given."""
    draft = usable(Draft(standard, None, [], dict(standard.notices), zone))
    draft, lines, kept = settled(draft, by_line=by_line)
    return Prepared(
        draft.rows,
        lines,
        draft.order,
        draft.return_of,
        draft.until,
        Intake(standard.rows, kept, tuple(draft.left_out), draft.notices, standard.unused),
    )


def settled(draft: Draft, *, by_line: bool) -> tuple[Draft, Lines, int]:
    """Return usable rows single and folded, their lines, and how many of the rows are in them.

    Rows of one order must stand together; orders need not.
    """
    draft = single(coded(draft, by_line=by_line), by_line=by_line)
    return fold(draft) if by_line else own_lines(draft)


# Unusable rows


def usable(draft: Draft) -> Draft:
    """Leave out what the source excludes and what cannot be used."""
    standard = draft.rows
    dropped: Mask | None = None
    found: list[tuple[LeftOutKind, str, Callable[[], Mask | None]]] = [
        *(("excluded", entry.reason, _given(entry.rows)) for entry in standard.excluded),
        *(("quarantined", entry.reason, _given(entry.rows)) for entry in standard.set_aside),
        ("quarantined", "missing_order_id", lambda: _missing(standard.order_id)),
        ("quarantined", "bad_id", lambda: _bad(standard)),
        ("quarantined", "bad_version", lambda: _no_version(standard)),
    ]
    for kind, reason, where in found:
        mask = where()
        if mask is None:
            continue
        mask = mask if dropped is None else mask & ~dropped
        draft.account(kind, reason, mask)
        dropped = mask if dropped is None else dropped | mask
    return draft if dropped is None or not dropped.any() else draft.keep(~dropped)


def _given(mask: Mask) -> Callable[[], Mask | None]:
    return lambda: mask


def _missing(raw: Raw | None) -> Mask | None:
    return None if raw is None else raw.is_missing()


def _bad(standard: Standard) -> Mask | None:
    bad: Mask | None = None
    for column in ("order_id", "customer_id", "line_id", "returns_order_id"):
        raw: Raw | None = getattr(standard, column)
        found = None if raw is None else bad_ids(raw, column)
        if found is not None:
            bad = found if bad is None else bad | found
    return bad


def _no_version(standard: Standard) -> Mask | None:
    """Mark rows whose version is no number, which nothing can tell to be newer or older."""
    version = standard.version
    if version is None or len(version) == 0:
        return None
    if version.kind in ("coded", "text", "uuid", "bool") and not (
        version.missing is not None and version.missing.all()
    ):
        raise DataError("versions must be numbers or times", column="version")
    return version.invalid


# Order ids


def coded(draft: Draft, *, by_line: bool) -> Draft:
    """Code order ids, and the ids that returns name, where anything needs them."""
    ids, link = draft.rows.order_id, draft.rows.returns_order_id
    if link is None:
        if ids is None or not (by_line or has_repeated_ids(ids)):
            return draft
        return replace(draft, order=_wide(ids, "order_id")[0])
    link_codes, named = _wide(link, "returns_order_id")
    if ids is None:
        return replace(draft, return_of=link_codes)
    codes, known = _wide(ids, "order_id")
    found = known.find(named)
    # Orders that are not there stay apart from each other.
    found = np.where(found < 0, len(known) + np.arange(len(found)), found)
    return replace(draft, order=codes, return_of=np.append(found, NO_LINK)[link_codes])


def _wide(raw: Raw, column: str) -> tuple[Ints, Ids]:
    """Code ids by numbers wide enough to multiply."""
    codes, ids = code_ids(raw, column)
    return codes.astype(np.int64, copy=False), ids
