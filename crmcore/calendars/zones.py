"""Time zones as tables of integers: instants to local days, local days to instants.

A table is made from `zoneinfo` once for each stretch of about a year that occurs in the data, so
that millions of instants are answered by array arithmetic. The local day never goes back: after
clocks were set back across midnight, the repeated minutes belong to the later day. Every local
day therefore starts at exactly one instant, and days cut time without gap or overlap.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from crmcore import kernels
from crmcore.columns import Ints, Mask

__all__ = ["DAY_US", "FIRST_INSTANT", "LAST_DAY", "LAST_INSTANT", "Zone", "zone"]

_DAY = 86_400
DAY_US = _DAY * 1_000_000
_SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What may occur as time: the years 1677 to 9999, in UTC.
FIRST_INSTANT = (datetime(1677, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
LAST_INSTANT = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
LAST_DAY = LAST_INSTANT // DAY_US
# Tables are cached in blocks of 2**45 µs, about 407 days: a shift tells an instant's block.
_BLOCK_BITS = 45
# From so many blocks on only those are looked up that occur; each must be longer than 2 pads.
_MANY_BLOCKS = 64
# Offsets lie within a day of UTC, and no clock was ever set back by more than a day.
_PAD_US = 2 * DAY_US
# Offsets are constant before the first of these seconds and after the last one, which is early
# enough for its local time to be a Python datetime.
_FIRST_PROBE, _LAST_PROBE = FIRST_INSTANT // _SECOND_US, (LAST_DAY - 1) * _DAY
# Files that a system may keep among its zones, and which mean something else on each system.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})

_NO_CUTS = np.empty(0, np.int64)

_Blocks: TypeAlias = range | tuple[int, ...]
_Segment: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Zone:
    """An IANA time zone, for arrays. Make one with `zone`.

    All arrays are int64: instants and wall clocks in microseconds since 1970-01-01, days since
    1970-01-01. None of the methods knows missing values: what comes out of a nonsense integer
    is nonsense, never an error.

    Parameters
    ----------
    name
        The IANA name.

    Examples
    --------
    >>> import numpy as np
    >>> shanghai = zone("Asia/Shanghai")
    >>> shanghai.local_days(np.array([0, 57_600_000_000]))
    array([0, 1])
    >>> shanghai.day_starts(np.array([1]))
    array([57600000000])
    """

    name: str
    _fixed: int | None = field(default=None, repr=False, compare=False)

    def local_days(self, instants: Ints) -> Ints:
        """Return the local day of each instant; a later instant never has an earlier day."""
        if self._fixed is not None:
            offsets = np.array([self._fixed], np.int64)
            return kernels.local_days(instants, _NO_CUTS, offsets, None, LAST_DAY)
        table = _table(self.name, _blocks(instants, 0))
        floors = table.floors if table.goes_back else None
        # East of Greenwich the year 10000 begins before the last instant: those hours still
        # belong to the last day that Python has.
        return kernels.local_days(instants, table.cuts, table.offsets, floors, LAST_DAY)

    def day_ends(self, days: Ints) -> Ints:
        """Return the last instant of each local day: just before the next one starts.

        A day that was skipped ends together with the one before.
        """
        return np.where(days < LAST_DAY, self.day_starts(days + 1) - 1, LAST_INSTANT)

    def day_starts(self, days: Ints) -> Ints:
        """Return the first instant of each local day.

        A day that was skipped starts together with the next one.
        """
        walls: Ints = days * DAY_US
        if self._fixed is not None:
            walls -= self._fixed
            return walls
        table = _table(self.name, _blocks(walls, _PAD_US))
        at = table.reached.searchsorted(walls, "right")
        walls -= table.offsets[at]
        np.maximum(walls, table.starts[at], out=walls)
        return walls

    def to_utc(self, wall_us: Ints) -> tuple[Ints, Mask, Mask]:
        """Return the instants of naive wall clock times.

        Parameters
        ----------
        wall_us
            Microseconds from 1970-01-01 00:00 to what the wall clock showed.

        Returns
        -------
        instants, ambiguous, nonexistent
            An ambiguous time (shown twice) means its first showing. A nonexistent one (skipped)
            is moved forward by as much as was skipped. Both as PEP 495 has it with ``fold=0``.

        Examples
        --------
        >>> import numpy as np
        >>> from datetime import datetime
        >>> wall = np.array(["2024-03-31T02:30", "2024-10-27T02:30"], "M8[us]").astype(np.int64)
        >>> instants, ambiguous, nonexistent = zone("Europe/Berlin").to_utc(wall)
        >>> instants.astype("M8[us]").astype("M8[m]").tolist()[0]
        datetime.datetime(2024, 3, 31, 1, 30)
        >>> ambiguous.tolist(), nonexistent.tolist()
        ([False, True], [True, False])
        """
        if self._fixed is not None:
            never = np.zeros(len(wall_us), np.bool_)
            return wall_us - self._fixed, never, never.copy()
        table = _table(self.name, _blocks(wall_us, _PAD_US))
        at = table.change_ends.searchsorted(wall_us, "right")
        changing = wall_us >= table.change_begins[at]
        back = table.set_back[at]
        return wall_us - table.offsets[at], changing & back, changing & ~back

    def wall_offsets(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Yield runs of naive wall clock times, and what to take off to get their instants.

        Parameters
        ----------
        first, last
            Of the wall clock times that are asked for, the first and the last.

        Yields
        ------
        tuple
            The first and the last wall clock time of a run, and its offset, in microseconds: as
            `to_utc` has it.

        Examples
        --------
        >>> day = 86_400_000_000
        >>> for low, high, offset in zone("Europe/Berlin").wall_offsets(0, 100 * day):
        ...     print(low, high, offset // 3_600_000_000)
        0 8640000000000 1
        """
        if self._fixed is not None:
            yield first, last, self._fixed
            return
        blocks = range((first - _PAD_US) >> _BLOCK_BITS, ((last + _PAD_US) >> _BLOCK_BITS) + 1)
        table = _table(self.name, blocks)
        ends = [*(end - 1 for end in table.change_ends.tolist()), last]
        begin = first
        for end, offset in zip(ends, table.offsets.tolist(), strict=True):
            if end >= begin:
                yield begin, min(end, last), offset
                begin = end + 1
            if begin > last:
                return


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """Return the zone of an IANA name.

    Raises
    ------
    ValueError
        When there is no such zone.

    Examples
    --------
    >>> zone("Europe/Berlin")
    Zone(name='Europe/Berlin')
    >>> zone("Europe/Atlantis")
    Traceback (most recent call last):
    ...
    ValueError: no time zone named 'Europe/Atlantis': give an IANA name such as 'Asia/Shanghai'
    """
    try:
        if name in _NOT_ZONES or name.startswith(("posix/", "right/")):
            raise ValueError("not a zone of the IANA database")
        # A zone without any change in its whole history tells its offset even without a date.
        offset = time(tzinfo=zoneinfo.ZoneInfo(name)).utcoffset()
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"no time zone named {name!r}: give an IANA name such as 'Asia/Shanghai'"
        ) from error
    return Zone(name, None if offset is None else offset // timedelta(microseconds=1))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Segments of constant offset; `cuts` are the instants between them.

    `floors` are the local days already reached when a segment starts, which matter where the
    wall clock `goes_back` across midnight; `reached` is the latest wall time shown up to the end
    of each segment but the last. Around each cut the wall times from
    `change_begins` to `change_ends` are shown twice (`set_back`) or never.
    """

    starts: Ints
    cuts: Ints
    offsets: Ints
    floors: Ints
    goes_back: bool
    reached: Ints
    change_begins: Ints
    change_ends: Ints
    set_back: Mask


def _blocks(values: Ints, pad: int) -> _Blocks:
    """Return the blocks of all values, and of what is `pad` microseconds around them."""
    if not len(values):
        return range(1)
    first = (int(values.min()) - pad) >> _BLOCK_BITS
    last = (int(values.max()) + pad) >> _BLOCK_BITS
    if last - first < _MANY_BLOCKS:
        return range(first, last + 1)
    sides = (values - pad, values + pad) if pad else (values,)
    seen = {block for side in sides for block in np.unique(side >> _BLOCK_BITS).tolist()}
    return tuple(sorted(seen))


@lru_cache(maxsize=512)
def _table(name: str, blocks: _Blocks) -> _Table:
    starts, offsets, floors = np.array(list(_segments(name, blocks)), np.int64).T.copy()
    cuts, before, after = starts[1:], offsets[:-1], offsets[1:]
    return _Table(
        starts=starts,
        cuts=cuts,
        offsets=offsets,
        floors=floors,
        goes_back=bool((floors > (starts + offsets) // DAY_US).any()),
        reached=np.maximum.accumulate(cuts + before),
        change_begins=np.append(cuts + np.minimum(before, after), np.iinfo(np.int64).max),
        change_ends=cuts + np.maximum(before, after),
        set_back=np.append(after < before, False),
    )


def _segments(name: str, blocks: _Blocks) -> Iterator[_Segment]:
    """Join the segments of these blocks, where one block only goes on as the one before ended."""
    last, current = None, None
    for block in blocks:
        if last != block - 1:
            current = None
        for segment in _block(name, block):
            if segment[1] != current:
                yield segment
            current = segment[1]
        last = block


@lru_cache(maxsize=16_384)
def _block(name: str, block: int) -> Sequence[_Segment]:
    """Return the segments of one block: first instant, offset, local day already reached."""
    begin, end = block << _BLOCK_BITS, (block + 1) << _BLOCK_BITS
    # Starting earlier tells what local day was reached when the block begins.
    changes = [*_changes(name, begin - _PAD_US, end), (end, 0)]
    segments, reached = [], changes[0][0] + changes[0][1]
    for (start, offset), (until, _) in pairwise(changes):
        if until > begin:
            segments.append((max(start, begin), offset, (reached - 1) // DAY_US))
        reached = max(reached, until + offset)
    return tuple(segments)


def _changes(name: str, begin: int, end: int) -> list[tuple[int, int]]:
    """Return the offset at `begin` and each change before `end`, in microseconds."""
    tz = zoneinfo.ZoneInfo(name)
    first = min(max(begin // _SECOND_US, _FIRST_PROBE), _LAST_PROBE)
    last = min(max(-(-end // _SECOND_US), _FIRST_PROBE), _LAST_PROBE)
    probes = [(at, _offset(tz, at)) for at in (*range(first, last, _DAY), last)]
    changes = [(begin, probes[0][1])]
    for (low, before), (high, after) in pairwise(probes):
        if before != after:
            changes.append((_bisect(tz, low, high) * _SECOND_US, after))
    return [
        (start, offset // timedelta(microseconds=1)) for start, offset in changes if start < end
    ]


def _bisect(tz: zoneinfo.ZoneInfo, low: int, high: int) -> int:
    """Return the first second in (low, high] with the offset that `high` has."""
    after = _offset(tz, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(tz, middle) == after else (middle, high)
    return high


def _offset(tz: zoneinfo.ZoneInfo, second: int) -> timedelta:
    offset = (_EPOCH + timedelta(seconds=second)).astimezone(tz).utcoffset()
    assert offset is not None  # a ZoneInfo always knows
    return offset
