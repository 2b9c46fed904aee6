"""``extends``: a policy that says only what differs from another.

Tables merge key by key. Everything else is replaced: text, numbers, lists, and the weights of a
scorecard, which only mean something together. A score that is given another kind (``from``,
``within``, ``by``, ``quantiles``, ``weights``, ``cell``, ``scorer``) replaces the other as a whole.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from crmcore.documents import (
    NOTHING,
    Size,
    Table,
    Text,
    placed,
    read,
    read_file,
    read_text,
    written,
)
from crmcore.errors import PolicyError, Problem
from crmcore.policy import presets
from crmcore.policy.document import POLICY
from crmcore.suggestions import nearest

__all__ = ["merged", "read_preset", "resolve"]

MAX_EXTENDS: Final = 5
_KINDS: Final = frozenset(["from", "within", "by", "quantiles", "weights", "cell", "scorer"])


def resolve(source: Text) -> tuple[list[Text], list[Problem]]:
    """Return a policy and those it extends, itself first; and what keeps others from being read."""
    chain, seen = [source], {_identity(source)}
    try:
        while "extends" in chain[-1].table:
            base = _base(chain[-1])
            if _identity(base) in seen:
                raise _refused(chain[-1], "cycle", "these policies extend each other in a circle")
            if len(chain) > MAX_EXTENDS:
                message = f"at most {MAX_EXTENDS} policies are extended in a row"
                raise _refused(chain[-1], "too_deep", message)
            seen.add(_identity(base))
            chain.append(base)
    except PolicyError as error:
        return chain, list(error.problems)
    return chain, []


def read_preset(name: str, before: Size = NOTHING) -> Text:
    """Return a preset's text."""
    return read_text(presets.text(name), POLICY, name=f"preset {name}", before=before)


def merged(chain: list[Text]) -> Table:
    """Return the one table that the policies of a chain mean together, within the limits too."""
    table: Table = {}
    for text in reversed(chain):
        table = _merge(table, text.table, ())
    table = {key: value for key, value in table.items() if key != "extends"}
    return read(table, POLICY).table if len(chain) > 1 else table


def _merge(base: Table, changes: Table, path: tuple[str, ...]) -> Table:
    if len(path) == 2 and path[0] == "scores":
        kinds = _KINDS & changes.keys()
        if kinds and not kinds & base.keys():
            return changes
        if kinds:  # other edges are not those that were fitted
            base = {key: value for key, value in base.items() if key != "fitted"}
    result = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and key != "weights":
            value = _merge(old, value, (*path, key))
        result[key] = value
    return result


def _base(text: Text) -> Text:
    name = text.table["extends"]
    if not isinstance(name, str):
        raise _refused(text, "wrong_type", "'extends' names one preset or file")
    if not name.endswith((".toml", ".json")):
        if name not in presets.names():
            known = presets.names()
            message = "no such preset; a file is named with its ending, such as 'base.toml'"
            raise _refused(text, "unknown_name", message, ", ".join(known), nearest(name, known))
        return read_preset(name, text.size)
    if text.file is None:
        message = "only a file can extend a file: here, name a preset"
        raise _refused(text, "no_file", message)
    if not _stays(name):
        message = "a policy extends a file in its own folder or below: give a relative path"
        raise _refused(text, "outside_folder", message)
    return read_file(text.file.parent / name, POLICY, collect=True, before=text.size)


def _stays(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/"))
    return not (parts.is_absolute() or Path(name).is_absolute() or ".." in parts.parts)


def _identity(text: Text) -> object:
    return text.file.resolve() if text.file else (text.text or id(text))


def _refused(
    text: Text,
    code: str,
    message: str,
    allowed: str | None = None,
    suggestion: str | None = None,
) -> PolicyError:
    given = written(text.table["extends"])
    problem = Problem(code, message, "extends", given, allowed, suggestion)
    return PolicyError(placed([problem], [text]))
