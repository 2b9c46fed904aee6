"""A made-up shop: raw orders and customers to try everything on.

The shop sells in China (local time Asia/Shanghai, which has been UTC+8 all these years) in yuan.
It has regulars, occasional buyers, people who bought once, people who drift away, seasonal
buyers, buyers of expensive things, newcomers, trouble-makers, people who registered and never
ordered, and walk-in sales without a customer. Its export is as untidy as a real one. There is
nobody behind the ids: no names, no addresses.

All numbers come from the raw PCG64 stream, which NumPy promises never to change, and from
integer and plain float arithmetic, so a seed gives the same shop everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask

__all__ = ["RawColumn", "SampleShop", "sample_shop"]

RawColumn: TypeAlias = NDArray[np.generic] | list[str | None]
Floats: TypeAlias = NDArray[np.float64]

AS_OF = date(2025, 6, 30)
LAST_EVALUATED_ON = date(2025, 3, 31)
FEWEST_CUSTOMERS = 100

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_OPENED = date(2021, 1, 1).toordinal() - _EPOCH_DAY
_LAST_DAY = AS_OF.toordinal() - _EPOCH_DAY
_EVALUATED = LAST_EVALUATED_ON.toordinal() - _EPOCH_DAY
_SHANGHAI_SECONDS = 8 * 3600


class _Group(NamedTuple):
    """How one kind of customer behaves; `taste` is where on the price ladders they buy."""

    share: float
    orders_a_year: float
    habit: str
    taste: tuple[float, float]


_GROUPS = {
    "silent": _Group(0.060, 0.0, "even", (0.0, 0.0)),
    "loyal": _Group(0.085, 8.5, "even", (0.25, 0.95)),
    "occasional": _Group(0.300, 2.4, "even", (0.15, 0.75)),
    "once": _Group(0.273, 0.0, "once", (0.05, 0.60)),
    "fading": _Group(0.120, 3.0, "early", (0.15, 0.70)),
    "seasonal": _Group(0.080, 3.0, "season", (0.15, 0.75)),
    "expensive": _Group(0.030, 2.5, "even", (0.75, 1.00)),
    "newcomer": _Group(0.040, 5.0, "even", (0.10, 0.80)),
    "trouble": _Group(0.012, 3.0, "even", (0.20, 0.70)),
    "walk_in": _Group(0.000, 0.0, "once", (0.05, 0.60)),
}
_NAMES = tuple(_GROUPS)
_HABITS = ("even", "early", "once", "season")
_WALK_IN = _NAMES.index("walk_in")
_WALK_INS_PER_CUSTOMER = 1 / 12

_CATEGORIES = ("tea", "skincare", "kitchen", "apparel", "electronics", "jewellery")
_YUAN = np.array(
    [
        [39, 68, 98, 158, 268, 398, 688, 1280],
        [59, 99, 169, 259, 399, 699, 1180, 1980],
        [29, 59, 129, 199, 349, 599, 1299, 2499],
        [79, 129, 199, 299, 459, 799, 1299, 2199],
        [99, 199, 399, 799, 1499, 2999, 4999, 7999],
        [199, 399, 799, 1599, 2999, 5999, 9999, 16800],
    ],
    np.int64,
)
_STEPS: int = _YUAN.shape[1]
_PRODUCTS = tuple(f"{name[:3].upper()}-{k + 1:02d}" for name in _CATEGORIES for k in range(_STEPS))
_CHANNELS = ("app", "mini_program", "web", "store")
_CITIES = ("Shanghai", "Hangzhou", "Suzhou", "Nanjing", "Ningbo", "Beijing", "Chengdu", "Shenzhen")
_PROMOTIONS = ("member_day", "spring_festival", "618", "double_11", "gift")
_MEMBER_DAY, _SPRING, _JUNE, _NOVEMBER, _GIFT = range(len(_PROMOTIONS))
_PERCENT_OFF = np.array([5, 10, 10, 15, 100, 0])  # the last one: no promotion
_PROMOTION_OF_MONTH = np.array([_SPRING] * 2 + [0] * 3 + [_JUNE] + [0] * 4 + [_NOVEMBER, 0])
_SEASON_STARTS = [date(y, m, d) for y in range(2021, 2026) for m, d in ((1, 10), (6, 5), (11, 1))]
_SEASONS = np.array([day.toordinal() - _EPOCH_DAY for day in _SEASON_STARTS], np.int64)
_STATUSES = ("placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned")
_PLACED, _PAID, _SHIPPED, _DELIVERED, _CANCELLED, _REFUSED, _RETURNED = range(len(_STATUSES))


@dataclass(frozen=True, slots=True, eq=False)
class SampleShop:
    """The raw columns of the sample shop, under their standard names.

    Parameters
    ----------
    orders
        ``order_id``, ``customer_id`` (``None`` for walk-in sales), ``placed_at`` (datetime64[us],
        UTC instants; NaT where missing), ``amount_minor`` (int64 fen; negative for returns),
        ``status``, ``returns_order_id``, ``quantity`` (negative for returns), ``product_id``,
        ``category``, ``channel``, ``promotion``. One row an order. Text columns are lists,
        ``None`` where missing.
    customers
        ``customer_id``, ``registered_on`` and ``birthday`` (datetime64[D]; some birthdays are
        missing), ``blocked`` (bool), ``city``.
    as_of
        The last day of the data, a local date in Asia/Shanghai.
    last_evaluated_at
        When the customers were last graded before that: a local date, meaning its end.
    """

    orders: dict[str, RawColumn]
    customers: dict[str, RawColumn]
    as_of: date
    last_evaluated_at: date


def sample_shop(customers: int = 3000, seed: int = 7) -> SampleShop:
    """Make the sample shop: the same columns for the same arguments, on any machine.

    Made for demonstrations and first steps. With the default size every customer class
    occurs. Rows stand in the order of time, as exported, and some of them are bad on purpose:
    repeated rows, an order id used twice with different content, and missing times.

    Parameters
    ----------
    customers
        How many customers are registered; about 6 orders each.
    seed
        Any whole number from 0.

    Raises
    ------
    ValueError
        When there are fewer than 100 customers, or the seed is negative.

    Examples
    --------
    >>> shop = sample_shop(customers=500, seed=1)
    >>> shop.as_of, len(shop.customers["customer_id"])
    (datetime.date(2025, 6, 30), 500)
    >>> shop.orders["order_id"][0], shop.orders["amount_minor"].dtype
    ('O-0000001', dtype('int64'))
    """
    if customers < FEWEST_CUSTOMERS:
        raise ValueError(f"the sample shop needs at least {FEWEST_CUSTOMERS} customers")
    draw = _Draws(seed)
    people = _make_people(customers, draw)
    rows = _make_orders(people, draw)
    rows = _in_order_of_time(_stacked([rows, _make_returns(rows, draw)]))
    return SampleShop(
        _order_columns(rows, customers),
        _customer_columns(people, customers, draw),
        AS_OF,
        LAST_EVALUATED_ON,
    )


class _Draws:
    """Uniform numbers straight from the PCG64 stream."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def unit(self, count: int) -> Floats:
        """Return numbers in [0, 1)."""
        raw: NDArray[np.uint64] = self._bits.random_raw(count)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, limit: int | Ints | Floats, count: int) -> Ints:
        """Return whole numbers from 0 to under `limit`."""
        return (self.unit(count) * limit).astype(np.int64)


@dataclass(frozen=True, slots=True)
class _People:
    """One entry a person, the walk-ins last."""

    group: Ints
    registered: Ints
    taste: Floats
    favourite: Ints
    channel: Ints
    order_count: Ints


def _make_people(customers: int, draw: _Draws) -> _People:
    walk_ins = int(customers * _WALK_INS_PER_CUSTOMER)
    total = customers + walk_ins
    shares = np.cumsum([group.share for group in _GROUPS.values()])
    rank = np.argsort(draw.unit(customers), kind="stable")
    group = np.searchsorted(shares * customers, rank, side="right").astype(np.int64)
    group = np.append(np.minimum(group, _WALK_IN - 1), np.full(walk_ins, _WALK_IN))
    newcomer = group == _NAMES.index("newcomer")
    first = np.where(newcomer, _EVALUATED + 1, _OPENED)
    last = np.where(newcomer, _LAST_DAY, np.where(group == _WALK_IN, _LAST_DAY - 14, _EVALUATED))
    registered = first + draw.below(last - first, total)
    low, high = np.array([group.taste for group in _GROUPS.values()]).T
    appetite = draw.unit(total)
    taste = low[group] + (high - low)[group] * appetite * appetite
    favourite = (len(_CATEGORIES) * draw.unit(total) * draw.unit(total)).astype(np.int64)
    favourite[group == _NAMES.index("expensive")] += 3
    channel = np.where(group == _WALK_IN, _CHANNELS.index("store"), draw.below(4, total))
    count = _order_counts(group, registered, draw)
    return _People(group, registered, taste, np.minimum(favourite, 5), channel, count)


def _order_counts(group: Ints, registered: Ints, draw: _Draws) -> Ints:
    """Return how often each person orders: few order often (a Pareto-like tail)."""
    a_year = np.array([group.orders_a_year for group in _GROUPS.values()])[group]
    eagerness = 0.56 / (0.25 + draw.unit(len(group)))
    years = (_LAST_DAY - registered) / 365
    count = (a_year * eagerness * years + draw.unit(len(group))).astype(np.int64)
    return np.where(group == _NAMES.index("silent"), 0, np.maximum(count, 1))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Orders or returns in columns: everything a whole number, -1 for nothing."""

    person: Ints
    second: Ints  # UTC seconds since 1970
    amount: Ints
    status: Ints
    returns: Ints  # the row that is returned
    quantity: Ints
    product: Ints
    channel: Ints
    promotion: Ints

    def take(self, rows: Ints | Mask) -> _Rows:
        return _Rows(*(getattr(self, name)[rows] for name in self.__slots__))


def _stacked(parts: Sequence[_Rows]) -> _Rows:
    columns = ([getattr(part, name) for part in parts] for name in _Rows.__slots__)
    return _Rows(*(np.concatenate(column) for column in columns))


def _make_orders(people: _People, draw: _Draws) -> _Rows:
    person = np.repeat(np.arange(len(people.group)), people.order_count)
    count = len(person)
    day = _order_days(people, person, draw)
    product = _products(people, person, draw)
    spree = draw.unit(count)
    quantity = 1 + (4 * spree * spree * spree).astype(np.int64)
    promotion = _promotions(day, draw)
    fen = 100 * _YUAN.reshape(-1)[product] * quantity
    amount = fen * (100 - _PERCENT_OFF[promotion]) // 100
    changed_mind = draw.unit(count) < 0.25
    channel = np.where(changed_mind, draw.below(3, count), people.channel[person])
    channel = np.where(people.group[person] == _WALK_IN, people.channel[person], channel)
    status = _statuses(day, people.group[person] == _NAMES.index("trouble"), draw)
    nothing = np.full(count, -1)
    second = _seconds(day, draw)
    return _Rows(person, second, amount, status, nothing, quantity, product, channel, promotion)


def _order_days(people: _People, person: Ints, draw: _Draws) -> Ints:
    """Return the local day of each order, from registration to the last day of the data."""
    registered = people.registered[person]
    life = _LAST_DAY - registered
    habits = np.array([_HABITS.index(group.habit) for group in _GROUPS.values()])
    when = draw.unit(len(person))
    even = registered + (when * (life + 1)).astype(np.int64)
    early = registered + (when * when * np.minimum(life + 1, 900)).astype(np.int64)
    once = np.minimum(registered + (when * 14).astype(np.int64), _LAST_DAY)
    season = _SEASONS[np.maximum(np.searchsorted(_SEASONS, even, side="right") - 1, 0)]
    season += draw.below(14, len(person))
    season = np.where((season < registered) | (season > _LAST_DAY), even, season)
    days: Ints = np.choose(habits[people.group[person]], [even, early, once, season])
    return days


def _products(people: _People, person: Ints, draw: _Draws) -> Ints:
    count = len(person)
    elsewhere = draw.unit(count) < 0.4
    category: Ints = np.where(elsewhere, draw.below(4, count), people.favourite[person])
    mood = 0.6 + 0.6 * draw.unit(count)
    step: Ints = (people.taste[person] * mood * _STEPS).astype(np.int64)
    step[step >= _STEPS] = _STEPS - 1
    return category * _STEPS + step


def _promotions(day: Ints, draw: _Draws) -> Ints:
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    promotion = _PROMOTION_OF_MONTH[month]
    chance = np.where(promotion == _MEMBER_DAY, 0.08, 0.5)
    promotion = np.where(draw.unit(len(day)) < chance, promotion, -1)
    return np.where(draw.unit(len(day)) < 0.0006, _GIFT, promotion)


def _statuses(day: Ints, trouble: Mask, draw: _Draws) -> Ints:
    age = _LAST_DAY - day
    on_its_way = np.searchsorted(np.array([1, 3, 8]), age, side="right")
    fate = draw.unit(len(day)) / np.where(trouble, 6, 1)
    bad = np.searchsorted(np.array([0.05, 0.07, 0.085]), fate, side="right")
    return np.where(bad < 3, _CANCELLED + bad, _PLACED + on_its_way)


def _seconds(day: Ints, draw: _Draws) -> Ints:
    """Return UTC seconds on those local days, between 7:00 and 23:54, mostly in the evening."""
    late = np.maximum(draw.unit(len(day)), draw.unit(len(day)))
    return day * 86_400 + 7 * 3600 + (late * 60_800).astype(np.int64) - _SHANGHAI_SECONDS


def _make_returns(orders: _Rows, draw: _Draws) -> _Rows:
    """Return rows that give back a part or all of an order, some without saying which."""
    chosen = (draw.unit(len(orders.person)) < 0.05) & (orders.status == _DELIVERED)
    day = (orders.second + _SHANGHAI_SECONDS) // 86_400 + 3 + draw.below(25, len(chosen))
    original = np.flatnonzero(chosen & (day <= _LAST_DAY) & (orders.amount > 0))
    sold, count = orders.take(original), len(original)
    quarters = np.where(draw.unit(count) < 0.6, 4, 1 + draw.below(3, count))
    unlinked = draw.unit(count) < 0.05
    return replace(
        sold,
        second=_seconds(day[original], draw),
        amount=-(sold.amount * quarters // 4),
        status=np.where(draw.unit(count) < 0.04, _CANCELLED, _RETURNED),
        returns=np.where(unlinked, -1, original),
        quantity=-np.maximum(sold.quantity * quarters // 4, 1),
    )


def _in_order_of_time(rows: _Rows) -> _Rows:
    order = np.argsort(rows.second, kind="stable")
    position = np.append(np.empty_like(order), -1)  # so that -1 stays -1
    position[order] = np.arange(len(order))
    return replace(rows.take(order), returns=position[rows.returns[order]])


def _order_columns(rows: _Rows, customers: int) -> dict[str, RawColumn]:
    """Return the columns as exported, with blemishes: see `_blemished`."""
    count = len(rows.person)
    number, raw = _blemished(rows)
    placed_at = raw.second.astype("datetime64[s]").astype("datetime64[us]")
    placed_at[-2:] = np.datetime64("NaT")
    ids = _ids("O-%07d", count + 3)
    person = np.where(raw.person < customers, raw.person, -1)
    return {
        "order_id": _texts(ids, number),
        "customer_id": _texts(_ids("C-%05d", customers), person),
        "placed_at": placed_at,
        "amount_minor": raw.amount,
        "status": _texts(_STATUSES, raw.status),
        "returns_order_id": _texts(ids, raw.returns),
        "quantity": raw.quantity,
        "product_id": _texts(_PRODUCTS, raw.product),
        "category": _texts(_CATEGORIES, raw.product // _STEPS),
        "channel": _texts(_CHANNELS, raw.channel),
        "promotion": _texts(_PROMOTIONS, raw.promotion),
    }


def _blemished(rows: _Rows) -> tuple[Ints, _Rows]:
    """Return order numbers and rows, with eight bad rows at the end.

    Five rows are repeated as they are, and one comes again under the same order number with
    another amount. The last two have new numbers, and lose their time. Two returns
    name an order that is not in the export.
    """
    count = len(rows.person)
    order = np.flatnonzero((rows.returns == -1) & (rows.amount > 0))
    spoiled = order[len(order) // 2]
    again = np.append(np.arange(1, 6) * count // 7, [spoiled, order[7], order[11]])
    number = np.concatenate([np.arange(count), again[:6], [count, count + 1]])
    raw = _stacked([rows, rows.take(again)])
    raw.amount[count + 5] += 1000
    raw.returns[np.flatnonzero((rows.amount < 0) & (rows.returns == -1))[:2]] = count + 2
    return number, raw


def _customer_columns(people: _People, customers: int, draw: _Draws) -> dict[str, RawColumn]:
    birthday = (_OPENED - 15 * 365 - draw.below(50 * 365, customers)).astype("datetime64[D]")
    birthday[draw.unit(customers) < 0.3] = np.datetime64("NaT")
    city = (len(_CITIES) * draw.unit(customers) * draw.unit(customers)).astype(np.int64)
    city[draw.unit(customers) < 0.02] = -1
    return {
        "customer_id": _texts(_ids("C-%05d", customers), np.arange(customers)),
        "registered_on": people.registered[:customers].astype("datetime64[D]"),
        "birthday": birthday,
        "blocked": people.group[:customers] == _NAMES.index("trouble"),
        "city": _texts(_CITIES, city),
    }


def _ids(pattern: str, count: int) -> Sequence[str]:
    """Return ids numbered from 1."""
    texts: list[str] = np.char.mod(pattern, np.arange(1, count + 1)).tolist()
    return texts


def _texts(names: Sequence[str], codes: Ints) -> list[str | None]:
    """Return the names the codes stand for, ``None`` for -1."""
    lookup = np.array([*names, None], dtype=object)
    texts: list[str | None] = lookup[codes].tolist()
    return texts
