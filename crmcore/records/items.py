"""Ids given as Python objects, coded kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from crmcore import kernels
from crmcore.columns import Codes, Ints
from crmcore.errors import DataError
from crmcore.texts import Texts

__all__ = ["Id", "checked_items", "code_items"]

Id: TypeAlias = int | str | UUID
Bytes: TypeAlias = NDArray[np.uint8]


def checked_items(items: Iterable[object]) -> list[Id]:
    """Return objects that are to be ids, numbers of NumPy as those of Python.

    Raises
    ------
    DataError
        One of them is no id.
    """
    given = [int(item) if isinstance(item, np.integer) else item for item in items]
    found = [item for item in given if isinstance(item, int | str | UUID)]
    if len(found) < len(given) or any(isinstance(item, bool) for item in found):
        raise DataError("ids are whole numbers, text or UUIDs")
    return found


def code_items(items: Sequence[Id]) -> tuple[Codes, dict[str, Any]]:
    """Code ids, which may be equal: codes, and the distinct ones of each kind, ascending."""
    codes = np.full(len(items), -1)
    parts: dict[str, Any] = {}
    before = 0
    for name, (kind, code) in _PARTS.items():
        rows = [at for at, item in enumerate(items) if isinstance(item, kind)]
        if rows:
            found, parts[name] = code([items[at] for at in rows])
            codes[rows] = found + before
            before += len(parts[name])
    return codes.astype(np.int32) if before < 2**31 else codes, parts


def _code_numbers(items: Sequence[Any]) -> tuple[Codes, Ints]:
    try:
        return kernels.encode(np.array(items, np.int64))
    except OverflowError:
        raise DataError("whole numbers beyond 64 bits; give them as text") from None


def _code_strings(items: Sequence[Any]) -> tuple[Codes, Texts]:
    return kernels.encode_texts(Texts.from_strings(items))


def _code_uuids(items: Sequence[Any]) -> tuple[Codes, Bytes]:
    data = b"".join(item.bytes for item in items)
    return kernels.encode_fixed(np.frombuffer(data, np.uint8).reshape(-1, 16))


_PARTS: Mapping[str, tuple[type, Callable[[Sequence[Any]], tuple[Codes, Any]]]] = {
    "numbers": (int, _code_numbers),
    "texts": (str, _code_strings),
    "uuids": (UUID, _code_uuids),
}
