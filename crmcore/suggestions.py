"""The known name that a wrong one is most like."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["Suggestions", "nearest"]

_MAX_NAME: Final = 100
_MAX_DIFFERENCE: Final = 4


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like the one given, ``None`` when none is near.

    Examples
    --------
    >>> nearest("sale_cout", ["sale_count", "mean_sale"])
    'sale_count'
    """
    matches = get_close_matches(name, _of_like_length(name, known), n=1)
    return matches[0] if matches else None


class Suggestions:
    """Nearest names for wrong ones, as long as searching them stays quick.

    A document with hundreds of wrong names must be refused fast too: after so many comparisons
    nothing more is suggested. With a long name a comparison counts as several.
    """

    def __init__(self, comparisons: int = 3_000) -> None:
        self._left = comparisons

    def nearest(self, name: str, known: Iterable[str]) -> str | None:
        """Return the known name most like the one given, if it is near and still searched."""
        candidates = _of_like_length(name, known) if self._left else []
        # Comparing takes time that grows with the square of the length.
        cost = len(candidates) * max(1, len(name) ** 2 // 256)
        if cost > self._left:
            self._left = 0
            return None
        self._left -= cost
        return nearest(name, candidates) if candidates else None


def _of_like_length(name: str, known: Iterable[str]) -> list[str]:
    if len(name) > _MAX_NAME:
        return []
    return [other for other in known if abs(len(other) - len(name)) <= _MAX_DIFFERENCE]
