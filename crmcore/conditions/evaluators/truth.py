"""Three-valued truth over many rows, after Kleene.

False and unknown is false, true or unknown is true, not unknown is unknown: what is decided without
an unknown value stays decided with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crmcore.columns import Mask

__all__ = ["Truth", "both", "either", "opposite", "where_known"]


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

    Examples
    --------
    >>> truth = Truth(np.array([True, False, False]), np.array([True, True, False]))
    >>> truth[0], truth[1], truth[2]
    (True, False, None)
    """

    true: Mask
    known: Mask | None = None

    def __getitem__(self, row: int) -> bool | None:
        if self.known is not None and not self.known[row]:
            return None
        return bool(self.true[row])

    def is_known(self) -> Mask:
        """Return where it is true or false, made when that is everywhere."""
        return np.ones(len(self.true), np.bool_) if self.known is None else self.known

    @property
    def is_false_everywhere(self) -> bool:
        """Whether no row is true and none is unknown."""
        return not self.true.any() and (self.known is None or bool(self.known.all()))

    @property
    def is_true_everywhere(self) -> bool:
        """Whether every row is true."""
        return bool(self.true.all())


def where_known(holds: Mask, known: Mask | None) -> Truth:
    """Return what holds as a truth, unknown where nothing is known."""
    return Truth(holds) if known is None else Truth(holds & known, known)


def both(left: Truth, right: Truth) -> Truth:
    """Return where both hold."""
    true = left.true & right.true
    if left.known is None and right.known is None:
        return Truth(true)
    # Known: both are true, or one is false.
    return Truth(true, true | _false(left) | _false(right))


def either(left: Truth, right: Truth) -> Truth:
    """Return where at least one holds."""
    true = left.true | right.true
    if left.known is None and right.known is None:
        return Truth(true)
    # Known: one is true, or both are false.
    return Truth(true, true | (_false(left) & _false(right)))


def opposite(term: Truth) -> Truth:
    """Return where the term is false; unknown stays unknown."""
    return Truth(_false(term), term.known)


def _false(term: Truth) -> Mask:
    if term.known is None:
        return ~term.true
    # Of two truth values "greater" means the first and not the second, in one pass.
    false: Mask = np.greater(term.known, term.true)
    return false
