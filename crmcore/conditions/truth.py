"""Three-valued truth over many rows, after Kleene.

False and unknown is false, true or unknown is true, not unknown is unknown: what is decided without
an unknown value stays decided with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from crmcore.columns import Mask

__all__ = ["Truth", "both", "either", "opposite"]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """For each row: true, false or unknown.

    Parameters
    ----------
    true
        Where the condition is true; never where it is unknown.
    known
        Where it is true or false; ``None`` when that is everywhere.

    Notes
    -----
    The masks may be shared with columns: they are read, never written.
    """

    true: Mask
    known: Mask | None = None

    def __getitem__(self, row: int) -> bool | None:
        if self.known is not None and not self.known[row]:
            return None
        return bool(self.true[row])


def both(left: Truth, right: Truth) -> Truth:
    """Return where both hold."""
    return Truth(left.true & right.true, _known_and(left, right))


def either(left: Truth, right: Truth) -> Truth:
    """Return where at least one holds."""
    return Truth(left.true | right.true, _known_or(left, right))


def opposite(term: Truth) -> Truth:
    """Return where the term is false; unknown stays unknown."""
    if term.known is None:
        return Truth(~term.true)
    return Truth(term.known & ~term.true, term.known)


def _known_and(left: Truth, right: Truth) -> Mask | None:
    # One false term is enough; else both must be known.
    if left.known is None:
        return None if right.known is None else right.known | ~left.true
    if right.known is None:
        return left.known | ~right.true
    return (left.known & ~left.true) | (right.known & ~right.true) | (left.known & right.known)


def _known_or(left: Truth, right: Truth) -> Mask | None:
    if left.known is None:
        return None if right.known is None else right.known | left.true
    if right.known is None:
        return left.known | right.true
    return left.true | right.true | (left.known & right.known)
