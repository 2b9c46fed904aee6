"""When a shop's rows were placed: by a clock or in UTC, given as times, dates, numbers or text.

Text is taken apart by places in it, and its calendar is arithmetic on whole numbers: no engine's
own reading of text, which differs from engine to engine and with settings, is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from crmcore.calendars import DAY_US, FIRST_INSTANT, LAST_INSTANT, zone
from crmcore.sql import nodes
from crmcore.sql.nodes import Node, Query
from crmcore.sql.source.shop import Shop

__all__ = ["Clock", "within"]

_UNITS: Final = {"s": 1_000_000, "ms": 1_000, "us": 1}
_UNTIL: Final = (datetime(2100, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // (
    datetime.resolution
)
_RUN: Final = ("from_us", "to_us", "offset_us")
_TEXT: Final = "time text"
_NAIVE: Final = "time without offset"
_READ: Final = "time is read"
# The shape of what `crmcore.records.instants` reads. Days of a month are counted later.
_SHAPE: Final = (
    "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    "(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,9})?)?"
    "(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?"
)
_FIRST_DAY: Final = 719_468
"""Days from 1 March of the year 0 to 1970."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How the times of a shop's rows are read.

    Parameters
    ----------
    shop
        The columns.
    """

    shop: Shop

    @property
    def kind(self) -> str:
        """What the column of times holds."""
        return self.shop.kinds[self.shop.names["placed_at"]]

    @property
    def is_text(self) -> bool:
        """Whether times are text, of which each row tells whether it has an offset."""
        return self.kind == "text"

    @property
    def in_zone(self) -> bool:
        """Whether times are those of a clock in the source's zone, or some may be."""
        return self.kind in ("time", "date") or (self.is_text and self.shop.source.zone is not None)

    @property
    def needs_zone(self) -> bool:
        """Whether a time without an offset is an error, as no zone is named."""
        return self.is_text and self.shop.source.zone is None

    # From the column to a clock

    def texts(self, table: str) -> dict[str, Node]:
        """Return the text of each row, where it has the shape of a time."""
        text = self.shop.dialect.text(self._given(table))
        return {_TEXT: nodes.choose([(self.shop.dialect.matches(text, _SHAPE), text)])}

    def pieces(self, table: str) -> dict[str, Node]:
        """Return the numbers in a text, and whether there is no offset."""
        text = nodes.column(_TEXT, table)
        tail = _call("SUBSTR", text, 17)
        marked = tail
        for sign in "-Z":
            marked = nodes.call("REPLACE", marked, nodes.text(sign), nodes.text("+"))
        seconds = nodes.call("SPLIT_PART", marked, nodes.text("+"), _int(1))
        offset = nodes.call("SPLIT_PART", marked, nodes.text("+"), _int(2))
        digits = _padded(nodes.call("REPLACE", offset, nodes.text(":"), nodes.text("")), 4)
        minutes = _sum(
            _times(_whole(_call("LEFT", digits, 2)), 60), _whole(_call("RIGHT", digits, 2))
        )
        west = nodes.compare(
            nodes.call("REPLACE", tail, nodes.text("-"), nodes.text("")), "!=", tail
        )
        return {
            "time year": _whole(_call("LEFT", text, 4)),
            "time month": _whole(_call("SUBSTR", text, 6, 2)),
            "time day": _whole(_call("SUBSTR", text, 9, 2)),
            "time hour": _whole(_padded(_call("SUBSTR", text, 12, 2), 2)),
            "time minute": _whole(_padded(_call("SUBSTR", text, 15, 2), 2)),
            "time second": _whole(_padded(_call("SUBSTR", seconds, 2, 2), 2)),
            "time micro": _whole(_padded(_call("SUBSTR", seconds, 5), 6)),
            "time offset": nodes.choose([(west, _times(minutes, -1))], minutes),
            "text without offset": nodes.compare(seconds, "==", tail),
        }

    def read(self, table: str) -> dict[str, Node]:
        """Return microseconds by the clock, or of UTC; missing where there is no usable time."""
        if not self.is_text:
            return {"clock_us": self._clock(table)}
        found = _micros(table, self.shop)
        exists = _is_day(table)
        naive = nodes.column("text without offset", table)
        return {
            "clock_us": nodes.choose([(exists, within(found, FIRST_INSTANT, LAST_INSTANT, found))]),
            _READ: nodes.choose([(exists, nodes.truth(True))], nodes.truth(False)),
            _NAIVE: nodes.choose([(exists, naive)]),
        }

    def _given(self, table: str) -> Node:
        return self.shop.column(self.shop.names["placed_at"], table)

    def _clock(self, table: str) -> Node:
        placed, dialect = self._given(table), self.shop.dialect
        match self.kind:
            case "date":
                day = dialect.day_number(placed)
                ticks = _times(nodes.cast(day, "bigint"), DAY_US)
                return within(day, FIRST_INSTANT // DAY_US, LAST_INSTANT // DAY_US, ticks)
            case "whole":
                scale = _UNITS[self.shop.source.time_unit or "us"]
                ticks = _times(nodes.cast(placed, "bigint"), scale)
                return within(placed, FIRST_INSTANT // scale, LAST_INSTANT // scale, ticks)
            case "time":
                clock = dialect.wall_micros(placed)
            case _:
                clock = dialect.micros(placed)
        return within(clock, FIRST_INSTANT, LAST_INSTANT, clock)

    # From a clock to an instant

    def zone(self) -> Query:
        """Return the runs of the clock's times, and how far each is from UTC."""
        assert self.shop.source.zone is not None  # or times without an offset were refused
        runs = zone(self.shop.source.zone).wall_offsets(FIRST_INSTANT, _UNTIL - 1)
        rows = nodes.rows_of(_RUN, runs, "run")
        typed = {name: nodes.cast(nodes.column(name, "run"), "bigint") for name in _RUN}
        return nodes.select(typed, rows)

    def instant(self, table: str, run: str) -> Node:
        """Return the instant of a row that was joined to a run of the clock's times."""
        clock, offset = nodes.column("clock_us", table), nodes.column("offset_us", run)
        cases = []
        if self.is_text:
            cases.append((nodes.negate(nodes.column(_NAIVE, table)), clock))
        late = nodes.all_of([nodes.negate(nodes.is_missing(clock)), nodes.is_missing(offset)])
        cases.append((late, self.shop.dialect.refuse("a local time after the year 2099", clock)))
        return nodes.choose(cases, nodes.compute(clock, "-", offset))

    def in_run(self, table: str, run: str) -> Node:
        """Return whether a row's time is one of a run."""
        clock = nodes.column("clock_us", table)
        terms = [
            nodes.compare(clock, ">=", nodes.column("from_us", run)),
            nodes.compare(clock, "<=", nodes.column("to_us", run)),
        ]
        return nodes.all_of(terms)

    # What is wrong

    def lacks_zone(self, table: str) -> Node:
        """Return whether a time has no offset."""
        return nodes.column(_NAIVE, table)

    def faults(self, table: str) -> Mapping[str, Node]:
        """Return what may be wrong with a row's time, in the order of the reasons."""
        placed = nodes.column("placed_us", table)
        found = {"missing_time": nodes.is_missing(self._given(table))}
        if self.is_text:
            found["unreadable_time"] = nodes.negate(nodes.column(_READ, table))
        inside = within(placed, FIRST_INSTANT, LAST_INSTANT, placed)
        return {**found, "time_out_of_range": nodes.is_missing(inside)}


def within(value: Node, first: int, last: int, found: Node) -> Node:
    """Return what was found where a value is within bounds; else it is missing."""
    inside = [nodes.compare(value, ">=", nodes.number(first))]
    inside.append(nodes.compare(value, "<=", nodes.number(last)))
    return nodes.choose([(nodes.all_of(inside), found)])


# The calendar, in whole numbers


def _is_day(table: str) -> Node:
    """Return whether a year has such a day."""
    year, month, day = _parts(table, "year", "month", "day")
    four, hundred, more = (_is_multiple(year, size) for size in (4, 100, 400))
    leap = nodes.any_of([nodes.all_of([four, nodes.negate(hundred)]), more])
    february = nodes.choose([(leap, nodes.number(29))], nodes.number(28))
    short = nodes.among(month, map(nodes.number, (4, 6, 9, 11)))
    second = nodes.compare(month, "==", nodes.number(2))
    length = nodes.choose([(second, february), (short, nodes.number(30))], nodes.number(31))
    return nodes.all_of(
        [nodes.compare(year, ">=", nodes.number(1)), nodes.compare(day, "<=", length)]
    )


def _is_multiple(value: Node, size: int) -> Node:
    rest = nodes.compute(value, "%", nodes.number(size))
    return nodes.compare(rest, "==", nodes.number(0))


def _micros(table: str, shop: Shop) -> Node:
    """Return microseconds since 1970 by the clock, without the offset where there is one.

    Years begin in March here, so that a day between February and March is the last of a year.
    """
    year, month, day, hour, minute, second, micro, offset = _parts(
        table, "year", "month", "day", "hour", "minute", "second", "micro", "offset"
    )
    early = nodes.compare(month, "<=", nodes.number(2))
    year = nodes.compute(year, "-", nodes.choose([(early, nodes.number(1))], nodes.number(0)))
    month = _sum(month, nodes.choose([(early, nodes.number(9))], nodes.number(-3)))

    def quotient(value: Node, size: int) -> Node:
        return shop.dialect.quotient(value, nodes.number(size))

    leaps = nodes.compute(quotient(year, 4), "-", quotient(year, 100))
    before = _sum(_sum(_times(year, 365), leaps), quotient(year, 400))
    of_year = quotient(_sum(_times(month, 153), nodes.number(2)), 5)
    days = _sum(_sum(_sum(before, of_year), day), nodes.number(-1 - _FIRST_DAY))
    minutes = _sum(_times(_sum(_times(days, 24), hour), 60), minute)
    minutes = nodes.compute(minutes, "-", offset)
    return _sum(_times(_sum(_times(minutes, 60), second), 1_000_000), micro)


def _parts(table: str, *names: str) -> Sequence[Node]:
    return [nodes.column(f"time {name}", table) for name in names]


# Pieces of text


def _call(name: str, text: Node, *places: int) -> Node:
    return nodes.call(name, text, *map(_int, places))


def _padded(digits: Node, size: int) -> Node:
    """Return digits with zeros after them, as many as there should be."""
    return _call("LEFT", nodes.compute(digits, "||", nodes.text("0" * size)), size)


def _whole(digits: Node) -> Node:
    return nodes.cast(digits, "bigint")


def _int(value: int) -> Node:
    return nodes.number(value, "int")


def _sum(one: Node, other: Node) -> Node:
    return nodes.compute(one, "+", other)


def _times(value: Node, factor: int) -> Node:
    return nodes.compute(value, "*", nodes.number(factor))
