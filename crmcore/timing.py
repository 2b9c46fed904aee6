"""The moments at which the figures of one evaluation are taken."""

from __future__ import annotations

from dataclasses import dataclass

from crmcore.calendars import Moments, Zone

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """The moment asked for, and the scheduled evaluation whose figures still stand.

    Parameters
    ----------
    zone
        The shop's zone.
    now
        The moment asked for. Facts without a window are taken here.
    held
        The moment of facts with a window: the same as `now` in a live policy, else the last
        scheduled evaluation.
    """

    zone: Zone
    now: Moments
    held: Moments

    def of(self, *, windowed: bool) -> Moments:
        """Return the moment of a fact with or without a window."""
        return self.held if windowed else self.now
