"""Plain tables to TOML text that reads back as the same tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from crmcore.documents import Plain, Table

__all__ = ["inline", "to_toml"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH: Final = 90
# What holds tables that have a heading of their own; elsewhere tables are one line.
_NESTED: Final = ("scores", "labels", "by")


def to_toml(table: Table) -> str:
    """Write a policy's tables as TOML.

    Examples
    --------
    >>> print(to_toml({"name": "shop", "scores": {"f": {"fact": "x", "from": [[1, 1]]}}}), end="")
    name = "shop"
    <BLANKLINE>
    [scores.f]
    fact = "x"
    from = [[1, 1]]
    """
    single = {key: value for key, value in table.items() if not isinstance(value, dict)}
    blocks = ["\n".join(_lines(single))] if single else []
    for key, value in table.items():
        if isinstance(value, dict):
            blocks += _blocks((key,), value)
    return "\n\n".join(blocks) + "\n"


def _blocks(path: tuple[str, ...], table: Table) -> Iterator[str]:
    inner = {
        (*path, key): value
        for key, value in table.items()
        if isinstance(value, dict) and (path[-1] in _NESTED or key in _NESTED)
    }
    own = {key: value for key, value in table.items() if (*path, key) not in inner}
    if own or not inner:
        yield "\n".join([f"[{'.'.join(map(_key, path))}]", *_lines(own)])
    for key, value in inner.items():
        yield from _blocks(key, value)


def _lines(table: Mapping[str, Plain]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_long(value)}"


def _long(value: Plain) -> str:
    text = inline(value)
    if isinstance(value, list) and len(text) > _WIDTH:
        rows = "".join(f"  {inline(entry)},\n" for entry in value)
        return f"[\n{rows}]"
    return text


def inline(value: Plain) -> str:
    """Write one value as TOML, on one line.

    Examples
    --------
    >>> inline([["300.00", 2], ["500.00", 3]]), inline({"of": "sale", "in": "period"})
    ('[["300.00", 2], ["500.00", 3]]', '{ of = "sale", in = "period" }')
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return _text(value)
        case date():
            return value.isoformat()
        case Decimal():
            text = format(value, "f")
            return text if "." in text else f"{text}.0"
        case list():
            return f"[{', '.join(map(inline, value))}]"
    entries = ", ".join(f"{_key(key)} = {inline(entry)}" for key, entry in value.items())
    return f"{{ {entries} }}" if entries else "{}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON escapes the same signs in the same way, but lets this one stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
