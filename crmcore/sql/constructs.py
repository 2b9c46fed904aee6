"""What a query can say for which engine: exactly, guarded, or not at all, and why.

The refusals read this table, and the documentation prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from crmcore.sql.dialects import DIALECTS

__all__ = ["CONSTRUCTS", "Construct", "Standing", "construct", "printed", "sayable"]

Support: TypeAlias = Literal["exact", "guarded", "refused"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a construct stands with an engine.

    Parameters
    ----------
    support
        ``exact``: the query gives what the package gives. ``guarded``: the same, or it fails.
        ``refused``: no query is written.
    why
        How it is guarded, or why it is refused.
    """

    support: Support
    why: str = ""


_EXACT: Final = Standing("exact")


@dataclass(frozen=True, slots=True)
class Construct:
    """Something that a policy or its relations may have.

    Parameters
    ----------
    group, name
        What it is one of, and which.
    usual
        How it stands with every engine but those in `others`.
    others
        How it stands with some engines, by their names.
    """

    group: str
    name: str
    usual: Standing = _EXACT
    others: Mapping[str, Standing] = field(default_factory=dict)

    def standing(self, dialect: str) -> Standing:
        """Return how it stands with an engine."""
        return self.others.get(dialect, self.usual)


def _exact(group: str, *names: str) -> Iterator[Construct]:
    for name in names:
        yield Construct(group, name)


def _guarded(group: str, name: str, how: str = "", **others: str) -> Construct:
    """Return what is guarded: everywhere, or exact everywhere but with some."""
    usual = Standing("guarded", how) if how else _EXACT
    return Construct(
        group, name, usual, {one: Standing("guarded", by) for one, by in others.items()}
    )


def _refused(group: str, why: str, *names: str) -> Iterator[Construct]:
    for name in names:
        yield Construct(group, name, Standing("refused", why))


_LINES: Final = "orders are read without lines"
_FLOATS: Final = "engines do not add floats alike"
_TYPE: Final = "a column of another type is an error"
_WIDE: Final = "computed with 38 digits or more; what leaves 64 bits is an error"
_UNTRIED: Final = "its own columns have not been read there"
_ONE_TIME: Final = "the rows are read as they are now"
_FAR: Final = "a column of another type, infinity, or a day outside 1677 to 9999 is an error"
_LATE: Final = "of orders and returns exact; a sale that was returned after the moment is an error"
_COLLATION: Final = "another collation than that of code points is an error"
_NO_TYPE: Final = Standing("refused", "there is no such type; give them as text")

CONSTRUCTS: Final[tuple[Construct, ...]] = (
    *_exact("facts of", "order", "sale", "return"),
    *_refused("facts of", _LINES, "line"),
    *_exact("aggregate", "count"),
    *(_guarded("aggregate", name, _WIDE) for name in ("sum", "mean", "min", "max")),
    *_exact("aggregate", "first", "last", "days_since_first", "days_since_last"),
    *_exact("aggregate", "median", "distinct", "share"),
    *_refused("aggregate", _FLOATS, "spread"),
    *_exact("field", "value", "gap_days"),
    *(_guarded("field", name, _TYPE) for name in ("quantity", "channel", "promotion")),
    *_refused("field", _LINES, "product", "category"),
    *_exact("fact", "`where`", "`in` a window"),
    *(_guarded("attribute", name, _TYPE) for name in ("blocked", "a mark", "any other attribute")),
    _guarded(
        "attribute", "`min` and `max`, `values`", "a value beyond, or not listed, is an error"
    ),
    *_exact("condition", "a field compared with a value", "a field compared with a field"),
    *_exact("condition", "`between`", "`in` a list", "`is known`", "`and`, `or`, `not`"),
    *_exact("condition", "a mean compared with a number", "a mean and a field", "`band`, `case`"),
    _guarded(
        "condition",
        "a calculation",
        "exact in 64 bits; a field outside what it may hold there is an error",
    ),
    *_refused("condition", _FLOATS, "a calculation with floats"),
    *_refused("condition", "its products need more than 38 digits", "a mean and a longer edge"),
    *_exact("score", "bands", "`within` spans", "bands inside bands", "a weighted sum"),
    *_refused("score", "its code cannot run there: name its column in `scores`", "a host's scorer"),
    _guarded("score", "a host's scorer whose output is a column", _TYPE),
    *_exact("quantiles", "over a fact, an attribute or a score", "inside another score"),
    *_exact("quantiles", "inside or over other quantiles"),
    *_exact("list", "the first match", "`otherwise`"),
    _guarded("list", '`unknown = "error"`', "an error when it happens"),
    *_exact("evaluation", "a live evaluation", "a held evaluation"),
    *_exact("as of", "a moment", "several dates"),
    _guarded("as of", "a `Parameter`", "a moment after its `until` is refused when it is given"),
    _guarded("as of", "a `DateSpine`", "no date, or one beyond its ends, is an error"),
    *_refused("as of", "the query would be too long", "more than 1830 dates"),
    _guarded("returns", "linked to orders", "an order that leaves 64 bits with them is an error"),
    *_exact("returns", "not linked"),
    _guarded("returns", '`returns = "refuse"`', "an error when there are some"),
    *_exact("column", "days", "instants", "money and means"),
    _guarded("ids", "whole numbers", _TYPE),
    _guarded(
        "ids",
        "text",
        _COLLATION,
        postgres="sorted by bytes; a non-deterministic collation, or CHAR(n), is an error",
        spark="another collation than UTF8_BINARY is an error",
    ),
    Construct("ids", "UUID", others={"spark": _NO_TYPE, "bigquery": _NO_TYPE}),
    *(
        _guarded("table of facts", name, how)
        for name, how in (("counts", _TYPE), ("days, instants", _FAR), ("attributes", _FAR))
    ),
    _guarded("table of facts", "money", "a column of another type, or more digits, is an error"),
    _guarded("table of facts", "means", "sum and count: a count below 1 is an error"),
    *_refused("table of facts", "the table has only the instant", "the local day of an instant"),
    *_refused("table of facts", "facts are as of one moment", "as of several dates"),
    *(_guarded("days", name, _LATE) for name in ("count", "share", "min", "max", "first", "last")),
    *(_guarded("days", name, _LATE) for name in ("days_since_first", "days_since_last")),
    *(
        _guarded("days", name, f"{_LATE}; so is a window that leaves 64 bits")
        for name in ("sum", "mean")
    ),
    *_refused("days", "it does not merge from days", "median", "distinct", "gap_days"),
    *_refused("days", "it needs days as of two moments", "a held evaluation"),
    *_refused("days", "days are merged whole", "as of a moment within a day"),
    Construct("source", "any source", others={"bigquery": Standing("refused", _UNTRIED)}),
    *_exact("source", "`exclude` and its tests", "`status` by `first`, `map`, `otherwise`"),
    *_exact("source", "repeated rows", "rows of other currencies"),
    _guarded("source", "the kind of each column", "a column of another kind is an error"),
    _guarded(
        "source",
        "amounts, formulas and `rounding`",
        "a number with more digits than 38 can hold, or more than 9 after the point, is an error",
    ),
    _guarded("source", "local times in `zone`", "one after the year 2099 is an error"),
    *_exact("source", "instants", "whole numbers in `time_unit`", "times as text"),
    *_exact("source", '`rows = "lines"`'),
    *_refused("source", "binary fractions are no exact decimals", "floats"),
    *_refused("source", _ONE_TIME, "`status_at`, `known_at`, `version`"),
    _guarded("name", "any characters", bigquery="those that no table may have are refused"),
    Construct(
        "name",
        "a name of more than 63 bytes",
        others={"postgres": Standing("refused", "the engine would cut it off")},
    ),
)

_BY_NAME: Final[Mapping[tuple[str, str], Construct]] = MappingProxyType(
    {(one.group, one.name): one for one in CONSTRUCTS}
)


def construct(group: str, name: str) -> Construct:
    """Return a construct by its names."""
    return _BY_NAME[group, name]


def sayable(group: str, dialect: str) -> list[str]:
    """Return the names of a group that a query for an engine can say."""
    found = [one for one in CONSTRUCTS if one.group == group]
    return [one.name for one in found if one.standing(dialect).support != "refused"]


def printed() -> str:
    """Return the table in Markdown: constructs that stand alike share a row."""
    titles = [dialect.title for dialect in DIALECTS.values()]
    lines = [f"| construct | {' | '.join(titles)} | how, or why not |"]
    lines.append("|---" * (len(titles) + 2) + "|")
    for (group, cells), alike in groupby(CONSTRUCTS, lambda one: (one.group, _cells(one))):
        names = ", ".join(one.name for one in alike)
        lines.append(f"| {group}: {names} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cells(one: Construct) -> tuple[str, ...]:
    """Return how a construct stands with each engine, and why."""
    whys = [one.usual.why] if one.usual.why else []
    for name, standing in one.others.items():
        whys.append(f"{DIALECTS[name].title}: {standing.why}")
    return (*(one.standing(name).support for name in DIALECTS), "; ".join(whys))
