"""The slow, obvious reference: orders to facts, scores, grades and classes, one customer at a time.

It uses the standard library only, imports nothing of the package, and prefers the plain definition
of a rule to a fast way of computing it. Money is in integer minor units, means and shares are exact
fractions, instants are aware and in UTC, and a missing value is ``None``.
"""

from __future__ import annotations

import calendar
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

Value = Any
Raw = Mapping[str, Value]
Spec = Mapping[str, Value]
Truth = bool | None

FIRST_INSTANT = datetime(1677, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
LARGEST = 2**63 - 1
DEFAULT_SALE_STATUSES = ("paid", "shipped", "delivered")

CATALOGUE: dict[str, dict[str, str]] = {
    "order_count": {"of": "order", "take": "count"},
    "sale_count": {"of": "sale", "take": "count"},
    "return_count": {"of": "return", "take": "count"},
    "item_count": {"of": "line", "take": "sum", "field": "quantity"},
    "net_sales": {"of": "sale", "take": "sum"},
    "mean_sale": {"of": "sale", "take": "mean"},
    "min_sale": {"of": "sale", "take": "min"},
    "max_sale": {"of": "sale", "take": "max"},
    "first_sale_on": {"of": "sale", "take": "first"},
    "last_sale_on": {"of": "sale", "take": "last"},
    "first_order_at": {"of": "order", "take": "first"},
    "last_order_on": {"of": "order", "take": "last"},
    "days_since_last_sale": {"of": "sale", "take": "days_since_last"},
    "tenure_days": {"of": "order", "take": "days_since_first"},
    "gap_median_days": {"of": "sale", "take": "median", "field": "gap_days"},
    "gap_spread_days": {"of": "sale", "take": "spread", "field": "gap_days"},
    "product_count": {"of": "line", "take": "distinct", "field": "product"},
    "category_count": {"of": "line", "take": "distinct", "field": "category"},
    "promotion_share": {"of": "sale", "take": "share", "field": "promotion"},
}


class DataError(ValueError):
    """The data, or an argument, cannot be evaluated."""


class PolicyError(ValueError):
    """The policy says something that has no meaning."""


# --- local days ---------------------------------------------------------------------------------


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone of that name."""
    return ZoneInfo(name)


def wall_clock(instant: datetime, zone: str) -> datetime:
    """What the clock on the wall shows, as a naive time; stops at the last time there is."""
    try:
        return instant.astimezone(zone_of(zone)).replace(tzinfo=None)
    except OverflowError:
        return datetime.max if instant.year > 5000 else datetime.min


def offset(instant: datetime, zone: str) -> timedelta:
    """How far the wall clock is ahead of UTC."""
    return wall_clock(instant, zone) - instant.replace(tzinfo=None)


@cache
def clock_changes(day: date, zone: str) -> tuple[datetime, ...]:
    """The instants in (00:00, 24:00] UTC of that day at which the clocks were changed."""
    if not date(1, 1, 3) < day < date(9999, 12, 30):
        return ()
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    hours = [midnight + n * HOUR for n in range(25)]
    return tuple(
        first_second_after_change(before, after, zone)
        for before, after in pairwise(hours)
        if offset(before, zone) != offset(after, zone)
    )


def first_second_after_change(before: datetime, after: datetime, zone: str) -> datetime:
    """The first whole second with another offset than `before`, found by halving."""
    old, seconds = offset(before, zone), int((after - before).total_seconds())
    same, changed = 0, seconds
    while changed - same > 1:
        middle = (same + changed) // 2
        if offset(before + timedelta(seconds=middle), zone) == old:
            same = middle
        else:
            changed = middle
    return before + timedelta(seconds=changed)


def local_day(instant: datetime, zone: str) -> date:
    """The latest date that the wall clock has shown up to this instant."""
    return latest_date_shown(instant.astimezone(UTC), zone)


@cache
def latest_date_shown(instant: datetime, zone: str) -> date:
    """See `local_day`; the instant is in UTC.

    Between changes the clock only goes forward, so it is enough to look at the instant itself and
    at the last tick before every change of the two days before it.
    """
    looked_at = [instant]
    if instant.year > 1:
        for back in range(3):
            for change in clock_changes(instant.date() - timedelta(days=back), zone):
                if change <= instant:
                    looked_at.append(change - TICK)
    return max(wall_clock(moment, zone).date() for moment in looked_at)


@cache
def day_start(day: date, zone: str) -> datetime:
    """The first instant whose local day is this day or a later one."""
    if day < date(1, 1, 10):
        return datetime.min.replace(tzinfo=UTC)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    before = midnight - timedelta(days=2)
    low, high = 0, 4 * 24 * 3600
    while high - low > 1:
        middle = (low + high) // 2
        try:
            reached = local_day(before + timedelta(seconds=middle), zone) >= day
        except OverflowError:  # later than the last time there is
            reached = True
        low, high = (low, middle) if reached else (middle, high)
    return before + timedelta(seconds=high)


def day_end(day: date, zone: str) -> datetime:
    """The last microsecond of a local day."""
    if day == date.max:
        return LAST_INSTANT
    return day_start(day + timedelta(days=1), zone) - TICK


# --- spans, windows and the evaluation calendar -------------------------------------------------


def span_of(text: str) -> tuple[int, int]:
    """A span such as "3 months" or "2 weeks" as (months, days)."""
    found = re.fullmatch(r"(\d+) (day|week|month|year)s?", text.strip())
    if found is None:
        raise PolicyError(f"not a span: {text!r}")
    number, unit = int(found[1]), found[2]
    return {
        "day": (0, number),
        "week": (0, 7 * number),
        "month": (number, 0),
        "year": (12 * number, 0),
    }[unit]


def shift(day: date, span: str, times: int = 1) -> date:
    """The day `times` spans later, earlier when negative; a month too short gives its last day."""
    months, days = span_of(span)
    try:
        if days:
            return day + times * timedelta(days=days)
        return month_shift(day, times * months)
    except (OverflowError, ValueError):
        return date.max if times > 0 else date.min


def month_shift(day: date, months: int) -> date:
    """The same day of another month, or the last day of it where there is none."""
    year, month0 = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError("outside the calendar")
    last = calendar.monthrange(year, month0 + 1)[1]
    return date(year, month0 + 1, min(day.day, last))


def window_bounds(window: Value, moment: datetime, zone: str) -> tuple[datetime, datetime]:
    """The first and the last instant of a window; both belong to it."""
    today = local_day(moment, zone)
    if isinstance(window, str):
        return day_start(shift(today, window, -1), zone), moment
    if "tiles" in window:
        after = shift(today, window["tiles"], -1)
        return day_start(after + timedelta(days=1), zone), moment
    first, last = calendar_period(today, window["calendar"], window.get("back", 0))
    return day_start(first, zone), min(day_end(last, zone), moment)


def calendar_period(today: date, unit: str, back: int) -> tuple[date, date]:
    """First and last day of the calendar period of today, or `back` periods earlier."""
    size = {"month": 1, "quarter": 3, "year": 12}[unit]
    into = (today.month - 1) % size
    first = month_shift(today.replace(day=1), -into - back * size)
    last_month = month_shift(first, size - 1)
    return first, last_month.replace(day=calendar.monthrange(last_month.year, last_month.month)[1])


def moment_of(given: date | datetime, zone: str) -> datetime:
    """An aware instant as it is; a date as the end of that local day."""
    if not isinstance(given, datetime):
        return day_end(given, zone)
    if given.tzinfo is None:
        raise DataError("a time without a zone")
    return given.astimezone(UTC)


@cache
def last_scheduled(every: str, anchor: date, zone: str, moment: datetime) -> datetime:
    """The end of the latest scheduled local day that is over at the moment."""
    k = 0
    while day_end(shift(anchor, every, k), zone) > moment:
        k -= 1
    while day_end(shift(anchor, every, k + 1), zone) <= moment:
        k += 1
    return day_end(shift(anchor, every, k), zone)


def held_at(policy: Spec, moment: datetime) -> datetime | None:
    """The scheduled evaluation whose results are held at the moment; None when live."""
    schedule = policy.get("evaluation", "live")
    if schedule == "live":
        return None
    return last_scheduled(schedule["every"], schedule["anchor"], policy["zone"], moment)


# --- rows ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class Line:
    """One line of an order; in orders mode the whole row."""

    amount: int
    quantity: Value
    product: Value
    category: Value


@dataclass(eq=False)
class Record:
    """One order, or one return (its amount is negative), after folding."""

    order_id: Value
    customer: Value
    at: datetime
    amount: int
    status: str
    status_at: datetime | None
    quantity: Value
    product: Value
    category: Value
    channel: Value
    promotion: Value
    returns: Value
    lines: list[Line] = field(default_factory=list)
    link: Record | None = None


class BadIdError(ValueError):
    """An id of a kind that is not allowed."""


def clean(value: Value) -> Value:
    """NaN and NaT, which are not equal to themselves, become missing; instants go to UTC.

    In one zone Python compares wall clocks and takes a repeated hour for the first one.
    """
    if value is None or value != value:
        return None
    return in_utc(value) if isinstance(value, datetime) and value.tzinfo else value


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC; one beyond the last year there is stays as it is."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return instant


def read_id(value: Value) -> Value:
    """An int, a text or a UUID; whole floats are ints; truth values are no ids."""
    if value is None or (isinstance(value, (int, str, UUID)) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise BadIdError


def id_order(value: Value) -> tuple[int, Value]:
    """Ints before texts before UUIDs, each in its own order."""
    if isinstance(value, int):
        return 0, value
    return (1, value) if isinstance(value, str) else (2, value.bytes)


def read_row(raw: Raw, columns: set[str]) -> tuple[dict[str, Value], str | None]:
    """The row with missing values and ids in one form, and the reason to set it aside, if any."""
    row = {name: clean(raw.get(name)) for name in columns}
    try:
        for name in ("order_id", "customer_id", "returns_order_id", "line_id"):
            if name in columns:
                row[name] = read_id(row[name])
    except BadIdError:
        return row, "bad_id"
    if "order_id" in columns and row["order_id"] is None:
        return row, "missing_order_id"
    if row["placed_at"] is None:
        return row, "missing_time"
    if not FIRST_INSTANT <= row["placed_at"] <= LAST_INSTANT:
        return row, "time_out_of_range"
    return row, "missing_amount" if row["amount"] is None else None


def key_of(row: Raw, rows_are: str, columns: set[str]) -> Value:
    """What makes two rows the same one; None where nothing can."""
    if "order_id" not in columns:
        return None
    if rows_are == "orders":
        return row["order_id"]
    return None if row.get("line_id") is None else (row["order_id"], row["line_id"])


def version_order(row: Raw) -> tuple[bool, Value]:
    """Higher versions later; a missing one first."""
    version = row.get("version")
    return (version is not None, version if version is not None else 0)


def distinct_rows(rows: Iterable[dict[str, Value]]) -> list[dict[str, Value]]:
    """Every content once, as it became known first: when is not part of what a row says."""
    found: list[dict[str, Value]] = []
    for row in sorted(rows, key=lambda row: row.get("known_at") or FIRST_INSTANT):
        if not any(says(row) == says(other) for other in found):
            found.append(row)
    return found


def says(row: Raw) -> dict[str, Value]:
    """The row without the time at which it became known."""
    return {name: value for name, value in row.items() if name != "known_at"}


def same_key(
    rows: list[dict[str, Value]],
    columns: set[str],
    quarantine: Counter[str],
    notices: Counter[str],
) -> list[dict[str, Value]]:
    """What stays of the rows with one key: see duplicates, conflicts and versions."""
    contents = distinct_rows(rows)
    highest = max(version_order(row) for row in contents)
    keep = [row for row in contents if version_order(row) == highest]
    all_stay = {"version", "known_at"} <= columns
    versions = Counter(version_order(row) for row in contents)
    conflict = max(versions.values()) > 1 if all_stay else len(keep) > 1
    if conflict:
        quarantine["conflicting_duplicate"] += len(rows)
        return []
    notices["duplicate"] += len(rows) - len(contents)
    if all_stay:
        return contents
    notices["superseded"] += len(contents) - len(keep)
    return keep


def one_of_each(
    rows: list[dict[str, Value]],
    rows_are: str,
    columns: set[str],
    quarantine: Counter[str],
    notices: Counter[str],
) -> list[dict[str, Value]]:
    """The rows with repetitions, conflicts and superseded versions taken out."""
    kept, groups = [], defaultdict(list)
    for row in rows:
        key = key_of(row, rows_are, columns)
        if key is None:
            kept.append(row)
        else:
            groups[key].append(row)
    for group in groups.values():
        kept.extend(same_key(group, columns, quarantine, notices))
    return kept


def as_known(
    rows: list[dict[str, Value]], rows_are: str, columns: set[str], known_at: datetime | None
) -> list[dict[str, Value]]:
    """The rows that were known at that moment, each in its highest version known by then."""
    if "known_at" not in columns:
        return rows
    if known_at is not None:
        rows = [row for row in rows if row["known_at"] is None or row["known_at"] <= known_at]
    if "version" not in columns:
        return rows
    best: dict[Value, dict[str, Value]] = {}
    for position, row in enumerate(rows):
        key = key_of(row, rows_are, columns)
        key = ("alone", position, "") if key is None else key
        if key not in best or version_order(row) > version_order(best[key]):
            best[key] = row
    return list(best.values())


def fold(
    rows: list[dict[str, Value]], rows_are: str, columns: set[str], quarantine: Counter[str]
) -> list[Record]:
    """Lines become orders; rows that are orders already stay what they are."""
    if rows_are == "orders" or "order_id" not in columns:
        return [folded([row], columns) for row in rows]
    orders = defaultdict(list)
    for row in rows:
        orders[row["order_id"]].append(row)
    records: list[Record] = []
    for lines in orders.values():
        parts = defaultdict(list)
        for line in lines:
            parts[line.get("returns_order_id")].append(line)
        if disagree(lines, ("customer_id",)) or any(
            disagree(part, ONE_PER_PART) for part in parts.values()
        ):
            quarantine["conflicting_order"] += len(lines)
            continue
        records.extend(folded(part, columns) for part in parts.values())
    return records


ONE_PER_PART = ("status", "channel", "promotion")


def disagree(lines: list[dict[str, Value]], names: Iterable[str]) -> bool:
    """Whether the lines differ in something that they should have in common."""
    return any(len({line.get(name) for line in lines}) > 1 for name in names)


def folded(rows: list[dict[str, Value]], columns: set[str]) -> Record:
    """One record of the rows that belong together."""
    first = rows[0]
    amounts = [row["amount"] for row in rows]
    check_fits(amounts)
    status = (first["status"] or "placed") if "status" in columns else "delivered"
    return Record(
        order_id=first.get("order_id"),
        customer=first.get("customer_id"),
        at=min(row["placed_at"] for row in rows),
        amount=sum(amounts),
        status=status,
        status_at=max(present(row.get("status_at") for row in rows), default=None),
        quantity=total_or_none(present(row.get("quantity") for row in rows)),
        product=the_only(row.get("product_id") for row in rows),
        category=the_only(row.get("category") for row in rows),
        channel=first.get("channel"),
        promotion=first.get("promotion"),
        returns=first.get("returns_order_id"),
        lines=[line_of(row) for row in rows],
    )


def line_of(row: Raw) -> Line:
    """The line in a row."""
    return Line(row["amount"], row.get("quantity"), row.get("product_id"), row.get("category"))


def present(values: Iterable[Value]) -> list[Value]:
    """The values that are not missing."""
    return [value for value in values if value is not None]


def the_only(values: Iterable[Value]) -> Value:
    """The value when all are the same one, else missing."""
    found = list(values)
    return found[0] if all(value == found[0] for value in found) else None


def total_or_none(values: list[Value]) -> Value:
    """The sum, missing when there is nothing to add."""
    return sum(values) if values else None


def check_fits(amounts: Iterable[int]) -> None:
    """Raise OverflowError when the absolute amounts of one sum exceed int64."""
    if sum(abs(amount) for amount in amounts) > LARGEST:
        raise OverflowError("a sum exceeds int64")


def link(orders: list[Record], returns: list[Record], notices: Counter[str]) -> None:
    """Give every return the order of the same customer that it names."""
    by_id = {(order.customer, order.order_id): order for order in orders}
    for row in returns:
        if row.returns is not None:
            row.link = by_id.get((row.customer, row.returns))
            notices["return_link_not_found"] += row.link is None


def prepare(
    rows: Sequence[Raw],
    rows_are: str = "orders",
    has: set[str] | None = None,
    known_at: datetime | None = None,
) -> tuple[list[Record], list[Record], Counter[str], Counter[str]]:
    """Orders, returns with their links, and how many rows were set aside or worth a notice.

    `has` names the columns that the data have (by default: every key of any row). With `known_at`
    the rows that became known later do not exist. Counts of rows set aside are counts of the rows
    given, lines in lines mode.
    """
    columns = (set().union(*rows) if has is None else set(has)) | {"placed_at", "amount"}
    quarantine: Counter[str] = Counter()
    notices: Counter[str] = Counter()
    good = []
    for raw in rows:
        row, reason = read_row(raw, columns)
        if reason is None:
            good.append(row)
        else:
            quarantine[reason] += 1
    kept = one_of_each(good, rows_are, columns, quarantine, notices)
    seen = as_known(kept, rows_are, columns, known_at)
    records = fold(seen, rows_are, columns, quarantine)
    orders, returns = split(records, quarantine)
    link(orders, returns, notices)
    notices["zero_amount"] += sum(order.amount == 0 for order in orders)
    notices["anonymous"] += sum(len(row.lines) for row in orders + returns if row.customer is None)
    notices["no_order_id"] += len(rows) if "order_id" not in columns else 0
    notices["no_line_id"] += len(rows) if rows_are == "lines" and "line_id" not in columns else 0
    return orders, returns, +quarantine, +notices


def split(records: list[Record], quarantine: Counter[str]) -> tuple[list[Record], list[Record]]:
    """Orders and returns apart; a return that brings money in is set aside."""
    orders, returns = [], []
    for record in records:
        if record.amount < 0:
            returns.append(record)
        elif record.returns is None:
            orders.append(record)
        else:
            quarantine["positive_return"] += len(record.lines)
    return orders, returns


# --- what is true at a moment -------------------------------------------------------------------


@dataclass
class Snapshot:
    """Orders and returns of every customer, as known for one moment."""

    moment: datetime
    today: date
    orders: dict[Value, list[Record]]
    returns: dict[Value, list[Record]]


def snapshot(
    policy: Spec,
    rows: Sequence[Raw],
    rows_are: str,
    has: set[str] | None,
    moment: datetime,
    known_at: datetime | None,
) -> Snapshot:
    """Everything known for the moment, by customer; anonymous rows are left out."""
    orders, returns, _, _ = prepare(rows, rows_are, has, known_at or moment)
    return Snapshot(
        moment, local_day(moment, policy["zone"]), by_customer(orders), by_customer(returns)
    )


def by_customer(records: list[Record]) -> dict[Value, list[Record]]:
    """The records of each identified customer."""
    found: dict[Value, list[Record]] = defaultdict(list)
    for record in records:
        if record.customer is not None:
            found[record.customer].append(record)
    return found


def status_at(record: Record, moment: datetime) -> str:
    """The status at the moment: before a later status came, the order was merely placed."""
    later = record.status_at is not None and record.status_at > moment
    return "placed" if later else record.status


def placed_orders(snap: Snapshot, customer: Value) -> list[Record]:
    """The orders placed by then, whatever became of them."""
    return [order for order in snap.orders.get(customer, ()) if order.at <= snap.moment]


def counting_returns(snap: Snapshot, customer: Value) -> list[Record]:
    """The returns that had happened by then and were not withdrawn."""
    return [
        row
        for row in snap.returns.get(customer, ())
        if row.at <= snap.moment and status_at(row, snap.moment) not in ("cancelled", "refused")
    ]


def refuse_unlinked(snap: Snapshot) -> None:
    """Raise when any customer has a counting return that belongs to no order."""
    for customer in snap.returns:
        if any(row.link is None for row in counting_returns(snap, customer)):
            raise DataError("returns that name no order")


# --- facts --------------------------------------------------------------------------------------


@dataclass
class Item:
    """One thing that a fact may count: an order, a sale, a return or a line."""

    at: datetime
    fields: dict[str, Value]
    lines: list[Line]
    parts: list[int]  # the amounts that were added to make the value
    counts: bool = True  # False: in the net sum only


def item_of(record: Record, value: int, parts: list[int], counts: bool = True) -> Item:
    """A record as an item."""
    fields = {
        "value": value,
        "quantity": record.quantity,
        "product": record.product,
        "category": record.category,
        "channel": record.channel,
        "promotion": record.promotion,
    }
    return Item(record.at, fields, record.lines, parts, counts)


def order_items(_: Spec, snap: Snapshot, customer: Value) -> list[Item]:
    """Every order placed."""
    return [item_of(row, row.amount, [row.amount]) for row in placed_orders(snap, customer)]


def return_items(_: Spec, snap: Snapshot, customer: Value) -> list[Item]:
    """Every counting return, linked or not, with a positive value."""
    return [item_of(row, -row.amount, [row.amount]) for row in counting_returns(snap, customer)]


def sale_items(policy: Spec, snap: Snapshot, customer: Value) -> list[Item]:
    """Every sale with what is left of it; over-returned sales and unlinked returns for the sum."""
    returns = counting_returns(snap, customer)
    wanted = policy.get("sale_statuses", DEFAULT_SALE_STATUSES)
    items = []
    for order in placed_orders(snap, customer):
        if status_at(order, snap.moment) in wanted:
            parts = [order.amount] + [row.amount for row in returns if row.link is order]
            items.append(item_of(order, sum(parts), parts, counts=sum(parts) > 0))
    unlinked = [row for row in returns if row.link is None]
    return items + [item_of(row, row.amount, [row.amount], counts=False) for row in unlinked]


def line_items(policy: Spec, snap: Snapshot, customer: Value) -> list[Item]:
    """Every line of every sale."""
    items = []
    for sale in sale_items(policy, snap, customer):
        for line in sale.lines if sale.counts else ():
            own = {
                "value": line.amount,
                "quantity": line.quantity,
                "product": line.product,
                "category": line.category,
            }
            items.append(Item(sale.at, {**sale.fields, **own}, [line], [line.amount]))
    return items


ITEMS: dict[str, Callable[[Spec, Snapshot, Value], list[Item]]] = {
    "order": order_items,
    "sale": sale_items,
    "return": return_items,
    "line": line_items,
}


def fact(policy: Spec, name: str, spec: Spec, snap: Snapshot, customer: Value) -> Value:
    """One fact of one customer."""
    items = ITEMS[spec["of"]](policy, snap, customer)
    if "in" in spec:
        window = policy["windows"][spec["in"]]
        start, end = window_bounds(window, snap.moment, policy["zone"])
        items = [item for item in items if start <= item.at <= end]
    if "where" in spec:
        items = [item for item in items if meets(spec["where"], item, policy, snap)]
    if spec["of"] == "sale":
        for item in items:
            check_fits(item.parts)
    return TAKES[spec["take"]](Taking(name, spec, items, snap.today, policy["zone"]))


def meets(condition: str, item: Item, policy: Spec, snap: Snapshot) -> bool:
    """Whether an item is one of those the fact is about; unknown is no."""

    def lookup(name: str) -> Value:
        if name == "as_of":
            return snap.moment
        name = {"product_id": "product", "amount": "value"}.get(name, name)
        if name not in item.fields:
            raise PolicyError(f"no such field: {name}")
        return in_major(item.fields[name], policy) if name == "value" else item.fields[name]

    return truth(parse(condition), Asking(lookup, policy["zone"])) is True


def field_of(spec: Spec) -> str:
    """The field a fact is about."""
    if "field" in spec:
        return str(spec["field"])
    if spec["take"] == "share":
        return "promotion"
    return "quantity" if spec["of"] == "line" else "value"


@dataclass
class Taking:
    """What a fact takes of the items it is about: one method for every `take`."""

    name: str
    spec: Spec
    items: list[Item]
    today: date
    zone: str

    @property
    def counted(self) -> list[Item]:
        """The items without what only enters the net sum."""
        return [item for item in self.items if item.counts]

    @property
    def values(self) -> list[Value]:
        """The values of the field that are there, in ascending order, of the items that count."""
        name = field_of(self.spec)
        if name == "gap_days":
            days = sorted(local_day(item.at, self.zone) for item in self.counted)
            return sorted((later - day).days for day, later in pairwise(days))
        return sorted(present(item.fields[name] for item in self.counted))

    def count(self) -> int:
        """How many there are."""
        return len(self.counted)

    def sum(self) -> Value:
        """The sum of a field; of the value of sales the net sum."""
        if field_of(self.spec) == "value":
            check_fits(part for item in self.items for part in item.parts)
            return sum(item.fields["value"] for item in self.items)
        check_fits(self.values)
        return sum(self.values)

    def mean(self) -> Fraction | None:
        """The sum over the number of values, exactly; of sales the net sum over the sales."""
        number = len(self.values)
        total = self.sum()
        return Fraction(total, number) if number else None

    def min(self) -> Value:
        """The smallest value."""
        return min(self.values, default=None)

    def max(self) -> Value:
        """The largest value."""
        return max(self.values, default=None)

    def median(self) -> Value:
        """The lower median."""
        values = self.values
        return values[(len(values) - 1) // 2] if values else None

    def spread(self) -> float | None:
        """The sample standard deviation, in one stated order of operations."""
        values = self.values
        if len(values) < 2:
            return None
        replace(self, items=self.counted).sum()  # raises where the sum does not fit
        mean = float(sum(values)) / len(values)
        total = 0.0
        for value in values:
            deviation = float(value) - mean
            total += deviation * deviation
        return math.sqrt(total / (len(values) - 1))

    def distinct(self) -> int:
        """How many different values; of products and categories those of all lines."""
        name = field_of(self.spec)
        if name in ("product", "category"):
            lines = [line for item in self.counted for line in item.lines]
            return len(set(present(getattr(line, name) for line in lines)))
        return len(set(self.values))

    def share(self) -> Fraction | None:
        """The share of the items where the field (the promotion, if not said) is not missing."""
        number = len(self.counted)
        return Fraction(len(self.values), number) if number else None

    def first(self) -> Value:
        """The earliest instant, or its local day, as the fact's name says."""
        return self.dated(min((item.at for item in self.counted), default=None))

    def last(self) -> Value:
        """The latest instant, or its local day, as the fact's name says."""
        return self.dated(max((item.at for item in self.counted), default=None))

    def dated(self, instant: datetime | None) -> Value:
        """An instant for names in _at, its local day for names in _on."""
        if not self.name.endswith(("_on", "_at")):
            raise PolicyError("a first or last must be named in _on or _at")
        return local_day(instant, self.zone) if instant and self.name.endswith("_on") else instant

    def days_since_first(self) -> int | None:
        """Days from the local day of the first to today."""
        first = replace(self, name="first_on").first()
        return (self.today - first).days if first else None

    def days_since_last(self) -> int | None:
        """Days from the local day of the last to today."""
        last = replace(self, name="last_on").last()
        return (self.today - last).days if last else None


TAKES: dict[str, Callable[[Taking], Value]] = {
    "count": Taking.count,
    "sum": Taking.sum,
    "mean": Taking.mean,
    "min": Taking.min,
    "max": Taking.max,
    "first": Taking.first,
    "last": Taking.last,
    "median": Taking.median,
    "spread": Taking.spread,
    "distinct": Taking.distinct,
    "share": Taking.share,
    "days_since_first": Taking.days_since_first,
    "days_since_last": Taking.days_since_last,
}


def is_money(spec: Spec) -> bool:
    """Whether a fact is an amount of money."""
    return (
        spec["take"] in ("sum", "mean", "min", "max", "median", "spread")
        and field_of(spec) == "value"
    )


def in_major(minor: Value, policy: Spec) -> Fraction | None:
    """Minor units as major units, exactly."""
    currency = policy.get("currency")
    exponent = currency.get("exponent", 2) if isinstance(currency, Mapping) else 2
    return None if minor is None else Fraction(minor) / 10**exponent


# --- conditions ---------------------------------------------------------------------------------

Node = tuple[Any, ...]


@dataclass(frozen=True)
class Label:
    """A label of a scale: it compares by its place among the others."""

    text: str
    scale: tuple[str, ...]


TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>\d+(?:\.\d+)?)
  | (?P<text>"(?:[^"\\]|\\.)*")
  | (?P<word>(?:tag:)?[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark>==|!=|<=|>=|[-<>()\[\],:+*])
    )""",
    re.VERBOSE,
)
CALLS = {"divide", "days_between", "shift_days", "shift_months", "band", "case"}
SIGNS = ("==", "!=", "<=", ">=", "<", ">")


def tokens(text: str) -> list[tuple[str, str]]:
    """The words of a condition with their kinds, and an end mark."""
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise PolicyError(f"not understood: {text[at:]!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*found, ("end", "")]


class Parser:
    """Recursive descent: or, and, not, test, sum, product, primary."""

    def __init__(self, text: str) -> None:
        self.left = tokens(text)

    def accept(self, *words: str) -> str | None:
        """Take the next word if it is one of these."""
        kind, word = self.left[0]
        if kind in ("word", "mark") and word in words:
            self.left.pop(0)
            return word
        return None

    def expect(self, word: str) -> None:
        """Take this word or complain."""
        if self.accept(word) is None:
            raise PolicyError(f"expected {word!r}, found {self.left[0][1]!r}")

    def whole(self) -> Node:
        """A condition and nothing after it."""
        node = self.either()
        if self.left[0][0] != "end":
            raise PolicyError(f"not understood: {self.left[0][1]!r}")
        return node

    def either(self) -> Node:
        node = self.both()
        while self.accept("or"):
            node = ("or", node, self.both())
        return node

    def both(self) -> Node:
        node = self.negation()
        while self.accept("and"):
            node = ("and", node, self.negation())
        return node

    def negation(self) -> Node:
        return ("not", self.negation()) if self.accept("not") else self.test()

    def test(self) -> Node:
        node = self.sum()
        if sign := self.accept(*SIGNS):
            return ("compare", sign, node, self.sum())
        if self.accept("between"):
            above = self.edge_word("above")
            low = ("compare", ">" if above else ">=", node, self.sum())
            self.expect("and")
            below = self.edge_word("below")
            return ("and", low, ("compare", "<" if below else "<=", node, self.sum()))
        if self.accept("is"):
            known = ("known", node)
            if self.accept("unknown"):
                return ("not", known)
            self.expect("known")
            return known
        if self.accept("in"):
            return self.among(node)
        if self.accept("not"):
            self.expect("in")
            return ("not", self.among(node))
        return node

    def edge_word(self, word: str) -> bool:
        """The word above or below, unless it is the name of a field."""
        follows, mark = self.left[min(1, len(self.left) - 1)]
        begins_value = follows in ("number", "text") or mark in ("(", "-")
        begins_value |= follows == "word" and mark not in ("and", "or")
        return begins_value and self.accept(word) is not None

    def among(self, node: Node) -> Node:
        """x in [a, b] is x == a or x == b."""
        self.expect("[")
        found: Node = ("compare", "==", node, self.primary())
        while self.accept(","):
            found = ("or", found, ("compare", "==", node, self.primary()))
        self.expect("]")
        return found

    def sum(self) -> Node:
        node = self.product()
        while sign := self.accept("+", "-"):
            node = (sign, node, self.product())
        return node

    def product(self) -> Node:
        node = self.primary()
        while self.accept("*"):
            node = ("*", node, self.primary())
        return node

    def primary(self) -> Node:
        if self.accept("("):
            node = self.either()
            self.expect(")")
            return node
        if self.accept("-"):
            node = self.primary()
            if node[0] != "literal" or not isinstance(node[1], Fraction):
                raise PolicyError("a minus stands before numbers only")
            return ("literal", -node[1])
        kind, word = self.left.pop(0)
        if kind == "number":
            return ("literal", Fraction(word))
        if kind == "text":
            return ("literal", json.loads(word))
        if kind != "word":
            raise PolicyError(f"not understood: {word!r}")
        if word in CALLS and self.left[0][1] == "(":
            return self.call(word)
        return ("literal", word == "true") if word in ("true", "false") else ("field", word)

    def call(self, name: str) -> Node:
        """A function and what it is given; rows are pairs of what stands before and after ':'."""
        self.expect("(")
        given: list[Node] = []
        rows: list[tuple[Node, Node]] = []
        otherwise: Node = ("literal", None)
        while True:
            if self.accept("else"):
                self.expect(":")
                otherwise = self.either()
            elif self.accept("unknown"):
                given.append(("literal", None))
            else:
                node = self.either()
                if self.accept(":"):
                    rows.append((node, self.either()))
                else:
                    given.append(node)
            if not self.accept(","):
                self.expect(")")
                return (name, *given, rows, otherwise)


@cache
def parse(text: str) -> Node:
    """The tree of a condition."""
    return Parser(text).whole()


@dataclass(frozen=True)
class Asking:
    """Where a condition finds its values: a name gives a value, None where it is not known.

    Whole numbers are ints, money a Fraction of major units, other exact numbers Fractions too,
    floats floats. `scales` has the labels of each field that has an order of them.
    """

    value: Callable[[str], Value]
    zone: str = "UTC"
    scales: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def truth(node: Node, asking: Asking) -> Truth:
    """True, false or unknown (None), after Kleene."""
    kind: str = node[0]
    if kind == "not":
        inner = truth(node[1], asking)
        return None if inner is None else not inner
    if kind in ("and", "or"):
        sides = (truth(node[1], asking), truth(node[2], asking))
        decisive = kind == "or"
        if decisive in sides:
            return decisive
        return None if None in sides else not decisive
    if kind == "known":
        return valued(node[1], asking) is not None
    if kind == "compare":
        return compare(node[1], valued(node[2], asking), valued(node[3], asking))
    value = valued(node, asking)
    if value is None:
        return None
    if not isinstance(value, bool):
        raise PolicyError("a condition must be true or false")
    return value


def valued(node: Node, asking: Asking) -> Value:
    """The value of an expression, None when it is unknown."""
    match node:
        case ("field", name):
            value = clean(asking.value(name))
            return Fraction(value) if isinstance(value, Decimal) else on_scale(value, node, asking)
        case ("literal", value):
            return value
        case ("+" | "-" | "*" as sign, left, right):
            return calculate(sign, valued(left, asking), valued(right, asking))
        case ("divide", x, y, z, [], _):
            return divide(*(valued(part, asking) for part in (x, y, z)))
        case ("days_between", start, end, [], _):
            first, last = (day_of(valued(part, asking), asking.zone) for part in (start, end))
            return None if first is None or last is None else (last - first).days
        case ("shift_days" | "shift_months" as name, day, count, [], _):
            start, number = day_of(valued(day, asking), asking.zone), valued(count, asking)
            return None if start is None or number is None else shifted(name, start, int(number))
        case ("band", x, edges, otherwise):
            return points(valued(x, asking), edges, otherwise, asking)
        case ("case", rows, otherwise):
            for condition, value in rows:
                if truth(condition, asking) is True:
                    return on_scale(valued(value, asking), node, asking)
            return on_scale(valued(otherwise, asking), node, asking)
    return truth(node, asking)


def on_scale(value: Value, node: Node, asking: Asking) -> Value:
    """A label that is text yet, with the scale of the field or of the values of the case."""
    scale = scale_of(node, asking)
    return Label(value, scale) if isinstance(value, str) and scale else value


def scale_of(node: Node, asking: Asking) -> tuple[str, ...] | None:
    """The labels of a field, lowest first; of a case those of its values."""
    if node[0] == "field":
        return asking.scales.get(node[1])
    if node[0] != "case":
        return None
    _, rows, otherwise = node
    values = [*(value for _, value in rows), otherwise]
    return next((found for value in values if (found := scale_of(value, asking))), None)


def calculate(sign: str, a: Value, b: Value) -> Value:
    """A sum, difference or product; a float that is not finite is unknown."""
    if a is None or b is None:
        return None
    a, b = alike(a, b), alike(b, a)
    if kind_of(a) != "number" or kind_of(b) != "number":
        raise PolicyError("only numbers are calculated with")
    return finite(a + b if sign == "+" else a - b if sign == "-" else a * b)


def divide(x: Value, y: Value, z: Value) -> Value:
    """x / y; z where y is known and zero, whatever x is."""
    if y is None:
        return None
    if y == 0:
        return z if z is None or not isinstance(y, float) else float(z)
    if x is None:
        return None
    if isinstance(x, float) or isinstance(y, float):
        return finite(float(x) / float(y))
    return Fraction(x) / Fraction(y)


def finite(value: Value) -> Value:
    """The number, None where it is infinite or not a number."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def day_of(value: Value, zone: str) -> date | None:
    """A date as it is, the local day of an instant, the date that a text says."""
    if isinstance(value, datetime):
        return local_day(value, zone)
    return date.fromisoformat(value) if isinstance(value, str) else value


def shifted(name: str, day: date, count: int) -> date | None:
    """The day so many days or months later; None outside the calendar."""
    try:
        if name == "shift_days":
            return day + timedelta(days=count)
        return month_shift(day, count)
    except (OverflowError, ValueError):
        return None


def points(
    value: Value, edges: Sequence[tuple[Node, Node]], otherwise: Node, asking: Asking
) -> Value:
    """The points of the greatest edge that is not above the value."""
    if value is None:
        return None
    found = otherwise
    for edge, its_points in edges:
        if compare(">=", value, valued(edge, asking)):
            found = its_points
    return valued(found, asking)


def compare(sign: str, left: Value, right: Value) -> Truth:
    """A comparison; unknown when a side is missing."""
    if left is None or right is None:
        return None
    a, b = alike(left, right), alike(right, left)
    if kind_of(a) != kind_of(b) or (kind_of(a) in ("truth", "other") and sign not in ("==", "!=")):
        raise PolicyError(f"{kind_of(a)} {sign} {kind_of(b)} has no meaning")
    answers: dict[str, bool] = {"==": a == b, "!=": a != b}
    if sign not in answers:
        answers |= {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
    return answers[sign]


def alike(mine: Value, other: Value) -> Value:
    """A value in the kind of the other side, where it is written as text or exactly."""
    if isinstance(mine, Label):
        return mine.scale.index(mine.text)
    if isinstance(mine, (int, Fraction)) and isinstance(other, float):
        return mine if isinstance(mine, bool) else float(mine)
    if not isinstance(mine, str):
        return mine
    if isinstance(other, Label):
        return other.scale.index(mine)
    if isinstance(other, datetime):
        return in_utc(datetime.fromisoformat(mine))
    if isinstance(other, date):
        return date.fromisoformat(mine)
    return Fraction(mine) if isinstance(other, Fraction) else mine


def kind_of(value: Value) -> str:
    """The kind of a value; values of different kinds are never compared."""
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, (int, float, Fraction)):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "instant"
    return "date" if isinstance(value, date) else "other"


# --- scores, grade and tables -------------------------------------------------------------------


@dataclass
class Case:
    """Everything about one customer that a score or a condition may ask for."""

    policy: Spec
    live: Snapshot
    held: Snapshot
    last_evaluated_at: datetime | None
    customer: Value
    attributes: Raw
    answers: dict[str, Value] = field(default_factory=dict)

    def fact_spec(self, name: str) -> Spec | None:
        """The fact of that name: the policy's own, else a usual one."""
        own: Mapping[str, Spec] = self.policy.get("facts", {})
        if name in own or name in self.policy.get("scores", {}):
            return own.get(name)
        return CATALOGUE.get(name)

    def snapshot_of(self, name: str) -> Snapshot:
        """Facts with a window are held between evaluations, everything else is live."""
        spec = self.fact_spec(name)
        return self.held if spec is not None and "in" in spec else self.live

    def lookup(self, name: str) -> Value:
        """A field of a condition or a score."""
        if name == "as_of":
            return self.live.moment
        if name == "last_evaluated_at":
            return self.last_evaluated_at
        spec, value = self.fact_spec(name), self.answer(name)
        if spec is not None and is_money(spec):
            return in_major(value, self.policy)
        return value

    @property
    def asking(self) -> Asking:
        """What conditions ask."""
        grades = self.policy.get("grade", {}).get("from", ())
        scales = {"grade": tuple(label for _, label in grades)}
        return Asking(self.lookup, self.policy["zone"], scales)

    def answer(self, name: str) -> Value:
        """The value of a fact, score, grade, table or attribute, computed once."""
        if name not in self.answers:
            self.answers[name] = self.compute(name)
        return self.answers[name]

    def compute(self, name: str) -> Value:
        """See `answer`."""
        spec = self.fact_spec(name)
        if spec is not None:
            return fact(self.policy, name, spec, self.snapshot_of(name), self.customer)
        if name in self.policy.get("scores", {}):
            return self.score(self.policy["scores"][name])
        if name == "grade" and "grade" in self.policy:
            return self.score(self.policy["grade"])
        if name in TABLES and name in self.policy:
            return self.first_match(self.policy[name])
        value = clean(self.attributes.get(name))
        return False if name == "blocked" and value is None else value

    def score(self, spec: Spec) -> Value:
        """A band table, a weighted sum or a cell."""
        if "weights" in spec:
            parts = [self.answer(name) for name in spec["weights"]]
            weights = spec["weights"].values()
            if None in parts:
                return None
            return sum(weight * part for weight, part in zip(weights, parts, strict=True))
        if "cell" in spec:
            digits = [self.answer(name) for name in spec["cell"]]
            if None in digits:
                return None
            return digits[0] * 100 + digits[1] * 10 + digits[2]
        name = spec.get("fact") or spec.get("score")
        given = self.lookup(str(name))
        if "inside" in spec:
            outer = self.answer(spec["inside"])
            if outer is None:
                return None
            spec = spec["by"][str(outer)]
        if given is None:
            return spec.get("missing")
        if "within" in spec:
            return self.within(spec["within"], given, self.snapshot_of(str(name)).today)
        return banded(spec, given)

    def within(self, rows: Sequence[Sequence[Value]], value: Value, today: date) -> Value:
        """The first row whose day, counted back from today, is not after the value's day."""
        zone = self.policy["zone"]
        day = local_day(value, zone) if isinstance(value, datetime) else value
        for span, points in rows:
            if shift(today, span, -1) <= day:
                return points
        return None

    def first_match(self, table: Spec) -> Value:
        """The label of the first row that holds."""
        unknown = table.get("unknown", "skip")
        for condition, label in table["first"]:
            holds = truth(parse(condition), self.asking)
            if holds:
                return self.label(label)
            if holds is None and unknown == "error":
                raise DataError("a condition is unknown")
            if holds is None and unknown == "default":
                break
        return self.label(table.get("otherwise"))

    def label(self, label: str | None) -> Value:
        """A label, or the grade where the table says so."""
        return self.answer("grade") if label == "@grade" else label


TABLES = ("class", "segment", "stage")


def banded(spec: Spec, given: Value) -> Value:
    """The points of the highest edge that is not above the value."""
    found = spec.get("below")
    for edge, points in spec["from"]:
        if compare(">=", given, Fraction(str(edge))):
            found = points
    return found


# --- the whole ----------------------------------------------------------------------------------


def read_customers(customers: Sequence[Raw] | None) -> dict[Value, Raw]:
    """The customer table by id; rows without a usable id are left out."""
    found: dict[Value, Raw] = {}
    for row in customers or ():
        try:
            customer = read_id(clean(row["customer_id"]))
        except BadIdError:
            continue
        if customer is not None:
            found[customer] = row
    return found


def result_of(case: Case) -> dict[str, Value]:
    """Declared facts, scores, and the grade and tables that the policy has."""
    names = [*case.policy.get("facts", {}), *case.policy.get("scores", {})]
    names += [name for name in ("grade", *TABLES) if name in case.policy]
    return {name: case.answer(name) for name in names}


def evaluate(
    policy: Spec,
    rows: Sequence[Raw],
    customers: Sequence[Raw] | None = None,
    *,
    as_of: date | datetime,
    known_at: datetime | None = None,
    last_evaluated_at: datetime | None = None,
    rows_are: str = "orders",
    has: set[str] | None = None,
) -> dict[Value, dict[str, Value]]:
    """Every customer's facts, scores, grade and tables as of a moment.

    `policy` is the plain mapping of a policy file with `extends` resolved. `rows` are orders or
    lines as a source has mapped them, `amount` in minor units. A date as `as_of` is the end of that
    local day. Customers come in the order of their ids. Raises OverflowError when a customer's sum
    does not fit in int64, DataError and PolicyError.
    """
    policy = {"zone": "UTC", **policy}
    now, known_at = moment_of(as_of, policy["zone"]), clean(known_at)
    evaluated = held_at(policy, now)
    live = snapshot(policy, rows, rows_are, has, now, known_at)
    held = live
    if evaluated is not None:
        held = snapshot(policy, rows, rows_are, has, evaluated, known_at)
    if policy.get("returns", "customer_total") == "refuse":
        refuse_unlinked(live)
        refuse_unlinked(held)
    table = read_customers(customers)
    last = clean(last_evaluated_at) or evaluated
    results = {}
    for customer in sorted({*table, *live.orders, *live.returns}, key=id_order):
        case = Case(policy, live, held, last, customer, table.get(customer, {}))
        results[customer] = result_of(case)
    return results
