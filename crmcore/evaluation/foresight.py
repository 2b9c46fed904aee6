"""When a decision will change if nothing happens: the coming days on which anything can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import numpy as np

from crmcore.calendars import LAST_DAY, Moments, Window, first_day_beyond, shift_days, to_date
from crmcore.columns import Column, Ints, Value
from crmcore.evaluation.crossing import Passing, ages_of, days_of, guarded_steps, restless_steps
from crmcore.evaluation.pipeline import decide
from crmcore.evaluation.variation import differs
from crmcore.facts import Fact, summarise
from crmcore.policy import Policy
from crmcore.records.orders import RETURN, OrderTable
from crmcore.timing import Timing

__all__ = ["DAYS_AHEAD", "Outlook", "outlook_of"]

DAYS_AHEAD = 3_700
"""So many days are tried one by one for what calculates with time: a little over ten years."""
_CELLS = 200_000
"""Rows times days that are pretended at once."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of decisions if nothing happens.

    `changes` has the first day on which each differs, and what it is then. `until` has the last
    day that was tried, for those that are the same up to it and may change after it. `hidden`
    are those of which nothing is said, as the day would tell what is personal.
    """

    changes: Mapping[str, tuple[date, Value]] = field(default_factory=dict)
    until: Mapping[str, date] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()


def outlook_of(
    policy: Policy,
    columns: Mapping[str, Column],
    orders: OrderTable,
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> Outlook:
    """Return what becomes of one customer's decisions without a new event.

    The facts are worked out anew for the days on which an order leaves a window; from one such
    day to the next only ages grow. The decisions are tried at the end of every day on which a
    date or an age crosses an edge; those that calculate with time, on each of `DAYS_AHEAD` days.
    """
    return _Foresight(policy, columns, orders, timing, last_evaluated_us).outlook()


@dataclass(eq=False)
class _Foresight:
    policy: Policy
    columns: Mapping[str, Column]
    orders: OrderTable
    timing: Timing
    last_evaluated_us: Ints | None

    def outlook(self) -> Outlook:
        policy, found = self.policy, dict[str, tuple[date, Value]]()
        hidden = guarded_steps(policy)
        for days, then, facts in self._blocks():
            outcome = self._decided(facts, then)
            tried = int(np.searchsorted(days, self._horizon, "right"))
            for step in policy.steps:
                value = outcome[step.name]
                changed = np.flatnonzero(differs(value, self.columns[step.name]))
                if step.name in self._restless:  # other days after the last one were not tried
                    changed = changed[changed < tried]
                if len(changed) and step.name not in found:
                    row = int(changed[0])
                    found[step.name] = (to_date(int(days[row])), value[row])
            if len(found) == len(policy.steps):
                break
        until = to_date(self._horizon)
        return Outlook(
            {name: change for name, change in found.items() if name not in hidden},
            {name: until for name in self._restless if name not in found and name not in hidden},
            hidden,
        )

    # Days

    @cached_property
    def _first(self) -> int:
        """The first day to be tried: today, unless it is over."""
        today = self.timing.now.day
        is_over = self.timing.now.at[0] >= self.timing.zone.day_ends(today)[0]
        return int(today[0]) + int(is_over)

    @cached_property
    def _horizon(self) -> int:
        """The last of the days that are tried one by one."""
        return min(self._first + DAYS_AHEAD - 1, LAST_DAY)

    @cached_property
    def _passing(self) -> Passing:
        is_last_held = self.last_evaluated_us is self.timing.held.at
        moments = {"as_of", "last_evaluated_at"} if is_last_held else {"as_of"}
        return Passing(frozenset(moments), ages_of(self.policy))

    @cached_property
    def _restless(self) -> frozenset[str]:
        return restless_steps(self.policy, self._passing)

    @cached_property
    def _is_held(self) -> bool:
        return self.policy.evaluation.every is not None

    def _starts(self) -> Ints:
        """Return the days from which on facts with a window may be others, ascending."""
        placed = self.timing.zone.local_days(self._quiet.placed_us)
        today = int(self.timing.now.day[0])
        days = [_leaving(window, placed, today) for window in self.policy.windows.values()]
        if self._is_held:
            # The next evaluation is the first to see what happened since the last one.
            days.append(np.array([self._first]))
        found = self._coming(np.concatenate([np.empty(0, np.int64), *days]))
        return self._scheduled(found) if self._is_held else found

    def _coming(self, days: Ints) -> Ints:
        return np.unique(days[(days >= self._first) & (days <= LAST_DAY)])

    def _scheduled(self, days: Ints) -> Ints:
        """Return the first scheduled evaluation on or after each day."""
        every, zone = self.policy.evaluation.every, self.timing.zone
        assert every is not None
        own = self.policy.evaluation.held(Moments.at_end_of(days, zone), zone).day
        # A month's end comes later than the clamped end of a shorter month, moved.
        later = shift_days(own, every, 1) + (3 if every.months else 0)
        inside = np.minimum(later, LAST_DAY)
        following = self.policy.evaluation.held(Moments.at_end_of(inside, zone), zone).day
        return self._coming(np.where(own == days, days, following))

    def _days(
        self, begin: int, end: int, starts: Ints, given: Mapping[str, Column], since: Timing
    ) -> Ints:
        """Return the days to be tried from `begin` to before `end`."""
        found = [np.array([begin]), starts]
        for step in self.policy.steps:
            found += days_of(step, self._passing, given, since)
        if self._is_held:
            crossed = self._coming(np.concatenate(found))
            found += [self._scheduled(crossed)]
        if self._restless:
            found.append(np.arange(begin, min(end, self._horizon + 1)))
        days = np.concatenate(found)
        return np.unique(days[(days >= begin) & (days < end)])

    # Facts

    @cached_property
    def _quiet(self) -> OrderTable:
        """The orders without anything that lies ahead of the moment."""
        at, orders = int(self.timing.now.at[0]), self.orders
        quiet = orders if (orders.placed_us <= at).all() else orders.take(orders.placed_us <= at)
        if quiet.status_us is None:
            return quiet
        early = quiet.status_us > at
        before = np.where(quiet.status >= RETURN, RETURN, 0).astype(np.uint8)
        return replace(quiet, status=np.where(early, before, quiet.status), status_us=None)

    @cached_property
    def _windowed(self) -> dict[str, Fact]:
        """The facts with a window: of the others nothing but ages ever moves."""
        return {name: fact for name, fact in self.policy.facts.items() if fact.window}

    def _blocks(self) -> Iterator[tuple[Ints, Timing, dict[str, Column]]]:
        """Yield the days to be tried, their moments and their facts, in the order of time.

        The first days have the facts of the moment itself.
        """
        starts = self._starts()
        size = max(1, _CELLS // max(1, len(self._quiet)))
        for at in range(0, max(1, len(starts)), size):
            part = starts[at : at + size]
            facts, held = self._facts_at(part)
            if not at:
                facts = {name: _joined(self.columns[name], one) for name, one in facts.items()}
                held = _after(self.timing.held, held)
            begin = int(part[0]) if at else self._first
            end = int(starts[at + size]) if at + size < len(starts) else LAST_DAY + 1
            given = {name: self.columns[name] for name in self._given} | facts
            since = Timing(self.timing.zone, self.timing.now, held)
            days = self._days(begin, end, part, given, since)
            then = self._timing_on(days)
            place = np.searchsorted(part, days, "right") - (1 if at else 0)
            yield days, then, self._grown(given, since, place, then)

    @cached_property
    def _given(self) -> tuple[str, ...]:
        return (*self.policy.facts, *self.policy.attributes)

    def _facts_at(self, days: Ints) -> tuple[dict[str, Column], Moments]:
        """Return the facts with a window on each day, and the moments they are of."""
        timing = self._timing_on(days)
        facts = summarise(
            self._windowed,
            self._quiet.repeat(len(days)),
            timing=timing,
            windows=self.policy.windows,
            sale_statuses=self.policy.sale_statuses,
        )
        return facts, timing.held

    def _grown(
        self, given: Mapping[str, Column], since: Timing, place: Ints, then: Timing
    ) -> dict[str, Column]:
        """Return facts and attributes on each day: those of its place, ages grown since then."""
        columns, single = {}, np.zeros(len(place), np.int64)
        for name, column in given.items():
            at = place if name in self._windowed else single
            columns[name] = column.take(at)
            windowed = self._passing.ages.get(name)
            if windowed is not None:
                days = then.of(windowed=windowed).day - since.of(windowed=windowed).day[at]
                ages = columns[name].values.astype(np.int64)
                columns[name] = replace(columns[name], values=ages + days)
        return columns

    def _timing_on(self, days: Ints) -> Timing:
        zone = self.timing.zone
        now = Moments.at_end_of(days, zone)
        return Timing(zone, now, self.policy.evaluation.held(now, zone))

    def _decided(self, facts: Mapping[str, Column], then: Timing) -> dict[str, Column]:
        """Return all decisions at each of the moments."""
        # Held results are measured against the evaluation that stands on each day.
        is_held = "last_evaluated_at" in self._passing.moments
        last = then.held.at if is_held else self.last_evaluated_us
        return decide(self.policy, facts, len(then.now), then, last)


def _leaving(window: Window, placed: Ints, today: int) -> Ints:
    """Return the days on which orders leave a window, or enter it when it lies in the past."""
    if window.within is not None:
        return first_day_beyond(placed, window.within)
    if window.tiles is not None:
        # The window starts a day later than within the same span.
        return first_day_beyond(placed - 1, window.tiles)
    return _period_starts(window, today)


def _period_starts(window: Window, today: int) -> Ints:
    """Return the next few starts of calendar periods: one for each period with orders, at most."""
    months = {"year": 12, "quarter": 3, "month": 1}[window.calendar or "year"]
    first = np.array([today], "M8[D]").astype("M8[M]").astype(np.int64) // months
    periods = first + np.arange(1, window.back + 3)
    return (periods * months).astype("M8[M]").astype("M8[D]").astype(np.int64)


def _joined(first: Column, more: Column) -> Column:
    """Return one column with the values of both."""
    known = None
    if first.known is not None or more.known is not None:
        known = np.concatenate([first.is_known(), more.is_known()])
    divisor = None
    if first.divisor is not None and more.divisor is not None:
        divisor = np.concatenate([first.divisor, more.divisor])
    return replace(
        first, values=np.concatenate([first.values, more.values]), known=known, divisor=divisor
    )


def _after(first: Moments, more: Moments) -> Moments:
    """Return the moments of both, one after the other."""
    return Moments(np.concatenate([first.at, more.at]), np.concatenate([first.day, more.day]))
