"""Loading: from a file, a text, a mapping or a preset to a policy, or to all its problems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from crmcore.calendars import zone
from crmcore.conditions import Suggestions, nearest
from crmcore.documents import (
    Location,
    Plain,
    Table,
    Text,
    is_text,
    placed,
    plain,
    problems_of,
    read,
    read_text,
)
from crmcore.errors import PolicyError, Problem
from crmcore.policy import presets
from crmcore.policy.binding import bind_document
from crmcore.policy.document import POLICY, Document
from crmcore.policy.merging import merged, resolve
from crmcore.policy.runtime import Policy, hash_of
from crmcore.scoring import Scorer

__all__ = ["load_policy", "rebuild"]

_BY_NAME: Final = ("windows", "attributes", "facts", "scores")
_TABLES: Final = ("class", "segment", "stage")
# What stands in where something required has a problem, so that the rest can still be checked.
_STAND_INS: Final[Mapping[str, Plain]] = {
    "format": 1,
    "name": "policy",
    "zone": "UTC",
    "currency": {"code": "XXX", "exponent": 6},
    "sale_statuses": ["delivered"],
}


def load_policy(
    source: str | Path | Mapping[str, object] | Policy,
    *,
    scorers: Mapping[str, Scorer] | None = None,
) -> Policy:
    r"""Load a policy and check all of it.

    Parameters
    ----------
    source
        A `Path`, or text naming a file that ends in ``.toml`` or ``.json``; the name of a preset;
        a TOML or JSON text (one with a line break or ``=``, or that starts with a brace); a
        mapping of plain values; or a policy, which is loaded again with these scorers.
    scorers
        The host's scorers that scores may name.

    Raises
    ------
    PolicyError
        With every problem: where, what was given, what is allowed, and the nearest known name. A
        text that is no TOML or JSON has that one problem only.

    Examples
    --------
    >>> load_policy("classic").name
    'classic'
    >>> shop = load_policy('extends = "classic"\nname = "shop"\nzone = "Europe/Berlin"')
    >>> shop.zone.name, [label for _, label in shop.document["grade"]["from"]]
    ('Europe/Berlin', ['bronze', 'silver', 'gold', 'platinum'])
    """
    if isinstance(source, Policy):
        return rebuild(source.document, source.scorers if scorers is None else scorers)
    return _build(resolve(_read(source)), scorers or {})


def rebuild(document: Mapping[str, object], scorers: Mapping[str, Scorer]) -> Policy:
    """Return the policy of a resolved document; how policies are unpickled."""
    return _build([Text(plain(document, POLICY))], scorers)


def _read(source: str | Path | Mapping[str, object]) -> Text:
    if not isinstance(source, str) or is_text(source) or Path(source).suffix:
        return read(source, POLICY)
    if source in presets.names():
        return read_text(presets.text(source), POLICY)
    known = ", ".join(presets.names())
    message = "no such preset; a file is named with its ending, such as 'shop.toml'"
    suggestion = nearest(source[:100], presets.names())
    raise PolicyError([Problem("unknown_name", message, "", source[:100], known, suggestion)])


def _build(chain: list[Text], scorers: Mapping[str, Scorer]) -> Policy:
    # One for all: a document with thousands of wrong names must be refused fast too.
    suggestions = Suggestions()
    table = merged(chain)
    document, problems, broken = _validate(table, suggestions)
    if document:
        bindings = bind_document(document, scorers, broken, suggestions)
        problems += bindings.problems
        if not problems:
            return Policy(
                name=document.name,
                zone=zone(document.zone),
                currency=document.currency,
                sale_statuses=frozenset(document.sale_statuses),
                returns=document.returns,
                evaluation=document.evaluation,
                windows=document.windows,
                facts=bindings.facts,
                attributes=bindings.attributes,
                fields=bindings.fields,
                steps=bindings.steps,
                internal=frozenset(document.internal),
                labels=document.labels,
                notes=document.notes,
                document=table,
                scorers=scorers,
                hash=hash_of(document, bindings.facts),
            )
    raise PolicyError(placed(problems, [(text.text, text.file) for text in chain]))


def _validate(
    table: Table, suggestions: Suggestions
) -> tuple[Document | None, list[Problem], frozenset[str]]:
    """Return the document without what has a problem, the problems, and the names left out."""
    try:
        return Document.model_validate(table), [], frozenset()
    except ValidationError as error:
        found = problems_of(error, POLICY, suggestions)
    problems = [problem for _, problem in found]
    if any(len(place) == 1 and place[0] in _BY_NAME for place, _ in found):
        # Which names there should be cannot be told.
        return None, problems, frozenset()
    rest = {key: dict(one) if isinstance(one, dict) else one for key, one in table.items()}
    broken = set[str]()
    for place, _ in found:
        broken |= _leave_out(rest, place)
    return Document.model_validate({**_STAND_INS, **rest}), problems, frozenset(broken)


def _leave_out(rest: Table, place: Location) -> set[str]:
    """Take what has a problem out of a document's tables; return the names that are missing."""
    head = str(place[0])
    group = rest.get(head)
    if not isinstance(group, dict) or len(place) == 1:
        rest.pop(head, None)
        return {head}
    name = str(place[1])
    if head in _TABLES and len(place) > 2:
        group["first"] = _without_row(group["first"], place[2])
        return {f"{head}.first.{place[2]}"}
    if head in _BY_NAME or (head in _TABLES and name != "first"):
        group.pop(name, None)
        return {name if head in ("attributes", "facts", "scores") else f"{head}.{name}"}
    rest.pop(head)
    return {head}


def _without_row(rows: Plain, row: str | int) -> list[Plain]:
    # The rows after it keep their places.
    assert isinstance(rows, list)  # as its entries have places
    return [["true", "x"] if at == row else entry for at, entry in enumerate(rows)]
