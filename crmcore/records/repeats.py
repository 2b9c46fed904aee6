"""Rows that say the same, or say it newer: one of each key is kept."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from crmcore import kernels
from crmcore.columns import Ints, Mask
from crmcore.records.draft import Draft, codes_of, dense, first_of_each, take_rows
from crmcore.records.ids import code_ids
from crmcore.records.intake import LeftOutKind
from crmcore.records.raw import Raw
from crmcore.records.reading import Standard

__all__ = ["single"]


def single(draft: Draft, *, by_line: bool) -> Draft:
    """Keep one row of each key; set aside keys whose rows contradict each other.

    The key is the order, for lines the order and the line. Rows without a key all stay, with a
    notice.
    """
    rows = draft.rows
    if rows.order_id is None:
        draft.notices["no_order_id"] = rows.rows
        return draft
    if by_line and rows.line_id is None:
        draft.notices["no_line_id"] = rows.rows
        return draft
    keep_versions = rows.version is not None and rows.known_us is not None
    key = draft.order
    if key is None:
        return _never_superseded(draft) if keep_versions else draft
    if by_line and rows.line_id is not None:
        lines, names = code_ids(rows.line_id, "line_id")
        # A line without id is like no other line.
        lines = np.where(lines < 0, len(names) + np.arange(len(lines)), lines)
        key, _ = dense(key * (len(names) + len(lines) + 1) + lines)
    unversioned = _unversioned(rows, key)
    if unversioned is not None:
        draft, key = draft.without("quarantined", "bad_version", unversioned), key[~unversioned]
    return _resolve(draft, key, keep_versions=keep_versions)


def _unversioned(rows: Standard, key: Ints) -> Mask | None:
    """Mark rows without a version whose key has one elsewhere: nothing tells which is newer."""
    version = rows.version
    if version is None or version.missing is None:
        return None
    has_one = np.zeros(int(key.max(initial=-1)) + 1, np.bool_)
    has_one[key[~version.missing]] = True
    unversioned: Mask = has_one[key] & version.missing
    return unversioned


def _never_superseded(draft: Draft) -> Draft:
    return replace(draft, until=np.full(draft.rows.rows, kernels.INT64_MAX))


def _resolve(draft: Draft, key: Ints, *, keep_versions: bool) -> Draft:
    """Leave out what repeats, what is superseded and what contradicts itself."""
    repeated = np.bincount(key)[key] > 1 if len(key) else np.zeros(0, np.bool_)
    if keep_versions:
        draft = _never_superseded(draft)
    if not repeated.any():
        return draft
    where = np.flatnonzero(repeated)
    rows = take_rows(draft.rows, where)
    group, groups = dense(key[where])
    version = _versions(rows)
    edition, editions = dense(group * (int(version.max()) + 1) + version)
    newest = version == kernels.largest(group, version, groups)[group]

    clashes = kernels.distinct(edition, _content(rows), editions)[edition] > 1
    if not keep_versions:
        clashes &= newest
    clashing = np.isin(group, group[clashes])
    repeats = ~first_of_each(edition, editions, rows.known_us) & ~clashing
    older = ~newest & ~repeats & ~clashing
    if keep_versions:
        assert rows.known_us is not None
        assert draft.until is not None
        draft.until[where] = _superseded_at(group, version, rows.known_us)
        older[:] = False

    kept = np.ones(len(key), np.bool_)
    reasons: tuple[tuple[LeftOutKind, str, Mask], ...] = (
        ("quarantined", "conflicting_duplicate", clashing),
        ("collapsed", "duplicate", repeats),
        ("collapsed", "superseded", older),
    )
    for kind, reason, found in reasons:
        mask = np.zeros(len(key), np.bool_)
        mask[where] = found
        draft.account(kind, reason, mask)
        kept &= ~mask
    return draft.keep(kept)


def _versions(rows: Standard) -> Ints:
    """Return the rank of each row's version; 0 for all where there are none."""
    if rows.version is None:
        return np.zeros(rows.rows, np.int64)
    return codes_of(rows.version)


def _content(rows: Standard) -> Ints:
    """Code what each row says; when it became known and its version are not part of it."""
    content = np.zeros(rows.rows, np.int64)
    for field in fields(rows):
        column = getattr(rows, field.name)
        if field.name in ("known_us", "version") or not isinstance(column, np.ndarray | Raw):
            continue
        if field.name == "quantity" and rows.quantity is not None:
            known = rows.quantity_known
            column = rows.quantity if known is None else np.where(known, rows.quantity, 0)
        codes = codes_of(column)
        content, _ = dense(content * (int(codes.max()) + 1) + codes)
    return content


def _superseded_at(group: Ints, version: Ints, known_us: Ints) -> Ints:
    """Return when a higher version of each row first became known; far away when none did."""
    order = np.lexsort((-version, group))
    group, version, known = group[order], version[order], known_us[order]
    until = np.full(len(order), kernels.INT64_MAX)
    new_version = np.append(True, (group[1:] != group[:-1]) | (version[1:] != version[:-1]))
    new_group = np.append(True, group[1:] != group[:-1])
    edition_known = np.minimum.reduceat(known, np.flatnonzero(new_version))
    edition_of = np.cumsum(new_version) - 1
    first_edition = edition_of[new_group][np.cumsum(new_group) - 1]
    # Editions stand newest first; each ends when any newer one became known.
    best = _running_minimum(edition_known, np.unique(first_edition))
    later = edition_of > first_edition
    until[later] = best[edition_of[later] - 1]
    result = np.empty_like(until)
    result[order] = until
    return result


def _running_minimum(values: Ints, starts: Ints) -> Ints:
    """Return the running minimum of each run that begins at one of the starts."""
    run = np.zeros(len(values), np.int64)
    run[starts] = 1
    run = np.cumsum(run)
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), np.int64)
    rank[order] = np.arange(len(values))
    # Ranks of earlier runs are lifted above those of later ones, so one sweep serves all runs.
    lifted = rank - run * len(values)
    lowest = np.minimum.accumulate(lifted) + run * len(values)
    return values[order][lowest]
