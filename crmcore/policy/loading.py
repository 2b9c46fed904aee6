"""Loading: from a file, a text, a mapping or a preset to a policy, or to all its problems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crmcore.calendars import zone
from crmcore.documents import (
    Plain,
    Table,
    Text,
    is_text,
    placed,
    read,
)
from crmcore.errors import PolicyError, Problem
from crmcore.policy import presets
from crmcore.policy.binding import bind_document
from crmcore.policy.document import POLICY
from crmcore.policy.merging import merged, read_preset, resolve
from crmcore.policy.runtime import Policy, hash_of
from crmcore.policy.salvage import salvaged
from crmcore.scoring import Scorer
from crmcore.suggestions import Suggestions, nearest

__all__ = ["load_policy", "load_recipe", "rebuild"]


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
        With every problem: file, line and column, what was given, what is allowed, and the nearest
        known name. A text that is no TOML or JSON, or is beyond the limits, has that problem only.

    Examples
    --------
    >>> load_policy("classic").name
    'classic'
    >>> shop = load_policy('extends = "classic"\nname = "shop"\nzone = "Europe/Berlin"')
    >>> shop.zone.name, [label for _, label in shop.document["grade"]["from"]]
    ('Europe/Berlin', ['bronze', 'silver', 'gold', 'platinum'])
    """
    if isinstance(source, Policy):
        return rebuild(source._document, source.scorers if scorers is None else scorers)
    return _build(*resolve(_read(source)), scorers or {})


def load_recipe(source: str | Path | Mapping[str, object], scorers: Mapping[str, Scorer]) -> Policy:
    """Load a policy that may have quantiles still to be fitted; not for use before they are."""
    return _build(*resolve(_read(source)), scorers, fitting=True)


def rebuild(document: Mapping[str, object], scorers: Mapping[str, Scorer]) -> Policy:
    """Return the policy of a resolved document; how policies are unpickled."""
    return _build([read(document, POLICY)], [], scorers)


def _read(source: str | Path | Mapping[str, object]) -> Text:
    if not isinstance(source, str) or is_text(source) or Path(source).suffix:
        return read(source, POLICY, collect=True)
    if source in presets.names():
        return read_preset(source)
    known = ", ".join(presets.names())
    message = "no such preset; a file is named with its ending, such as 'shop.toml'"
    suggestion = nearest(source[:100], presets.names())
    raise PolicyError([Problem("unknown_name", message, "", source[:100], known, suggestion)])


def _build(
    chain: list[Text],
    unread: list[Problem],
    scorers: Mapping[str, Scorer],
    *,
    fitting: bool = False,
) -> Policy:
    # One for all: a document with thousands of wrong names must be refused fast too.
    suggestions = Suggestions()
    table = merged(chain)
    told = [*unread, *(problem for text in chain for problem in text.problems)]
    if not table and not told:
        least = "; ".join(POLICY.examples.values())
        message = f'this policy is empty: write, line by line, {least}; or only extends = "classic"'
        raise PolicyError(placed([Problem("missing_key", message)], chain))
    rest = salvaged(table, told, suggestions)
    problems, document = [*told, *rest.problems], rest.document
    if document is not None:
        bindings = bind_document(document, scorers, rest.gaps, suggestions, fitting=fitting)
        problems += map(rest.as_written, bindings.problems)
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
                _document=table,
                scorers=scorers,
                hash=hash_of(document, bindings.facts),
            )
    if unread:
        problems = [one for one in problems if one in unread or not _may_come(one, table)]
    raise PolicyError(placed(dict.fromkeys(problems), chain))


def _may_come(problem: Problem, table: Table) -> bool:
    """Whether a problem may be no more when a policy that is extended, but not read, is there."""
    if problem.line is not None or problem.path == "extends" or problem.code == "unknown_key":
        return False
    found: Plain | None = table
    for part in problem.path.split("."):
        if isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found is None or isinstance(found, dict) or problem.code == "unknown_name"
