"""Plain tables to TOML text that reads back as the same tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from crmcore.documents import Plain, Table

__all__ = ["to_toml"]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH: Final = 90
# Tables of whose entries each is one line, and tables whose entries are tables of their own.
_LINES: Final = ("currency", "evaluation", "windows", "notes", "attributes", "facts")
_NESTED: Final = ("scores", "labels")


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
            blocks += _blocks(key, value)
    return "\n\n".join(blocks) + "\n"


def _blocks(name: str, table: Table) -> Iterator[str]:
    if table and name in _NESTED and all(isinstance(value, dict) for value in table.values()):
        for key, value in table.items():
            assert isinstance(value, dict)  # just tested
            yield "\n".join([f"[{name}.{_key(key)}]", *_lines(value)])
    else:
        yield "\n".join([f"[{_key(name)}]", *_lines(table)])


def _lines(table: Mapping[str, Plain]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_long(value)}"


def _long(value: Plain) -> str:
    text = _value(value)
    if isinstance(value, list) and len(text) > _WIDTH:
        rows = "".join(f"  {_value(entry)},\n" for entry in value)
        return f"[\n{rows}]"
    return text


def _value(value: Plain) -> str:
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
            return f"[{', '.join(map(_value, value))}]"
    entries = ", ".join(f"{_key(key)} = {_value(entry)}" for key, entry in value.items())
    return f"{{ {entries} }}" if entries else "{}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON escapes the same signs in the same way, but lets this one stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
