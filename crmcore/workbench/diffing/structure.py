"""What stands otherwise in one policy than in another: by places of the policy, not by lines.

Both are compared in their normal form: what they extend merged in, conditions as their trees,
defaults left out. So a difference in spelling alone is none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal, TypeAlias, cast, get_args

from pydantic import BaseModel

from crmcore.calendars import Span
from crmcore.conditions import Condition, to_text
from crmcore.documents import Plain, Table
from crmcore.policy import Policy
from crmcore.policy.document import Document
from crmcore.policy.printing import inline
from crmcore.policy.runtime import NOT_DECIDING

__all__ = ["Edit", "EditKind", "aligned", "aligned_rows", "edits", "normal"]

EditKind: TypeAlias = Literal["added", "removed", "changed", "moved"]
Pair: TypeAlias = tuple[int | None, int | None]

_CONDITIONS: Final[tuple[type, ...]] = get_args(get_args(Condition)[0])


@dataclass(frozen=True, slots=True)
class Edit:
    """One place that differs.

    Parameters
    ----------
    path
        Where, such as ``"grade.from.2"``; counted as in the second policy, or as in the first
        for what was removed.
    kind
        ``added``, ``removed``, ``changed``, or ``moved``: a row of a list that stands at another
        place.
    before, after
        What stands there, as TOML on one line; ``None`` where nothing does. For a moved row its
        places.
    decides
        Whether it may change a decision: wording, names, and what is kept internal do not.

    Examples
    --------
    >>> print(Edit("grade.from.2.0", "changed", "26", "28", decides=True))
    grade.from.2.0: 26 → 28
    """

    path: str
    kind: EditKind
    before: str | None
    after: str | None
    decides: bool

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"{self.path}: added {self.after}"
            case "removed":
                return f"{self.path}: removed {self.before}"
            case "moved":
                return f"{self.path}: moved, it was {self.before}"
        return f"{self.path}: {self.before} → {self.after}"


def edits(before: Policy, after: Policy) -> tuple[Edit, ...]:
    """Return everything that differs between two policies, in the order of their tables.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> then = load_policy("classic")
    >>> now = load_policy({"extends": "classic", "name": "strict", "sale_statuses": ["paid"]})
    >>> for edit in edits(then, now):
    ...     print(edit)
    name: "classic" → "strict"
    sale_statuses: ["delivered", "paid", "shipped"] → ["paid"]
    """
    return tuple(_tables(normal(before), normal(after), ()))


def normal(policy: Policy) -> Table:
    """Return a policy's document in the form in which policies are compared."""
    table = cast(Table, _plain(Document.model_validate(policy.document)))
    for name in ("sale_statuses", "internal"):
        if name in table:
            # Sets: their order says nothing.
            table[name] = sorted(cast(list[Plain], table[name]), key=str)
    return table


def _plain(value: object) -> Plain:
    match value:
        case _ if isinstance(value, _CONDITIONS):
            return to_text(cast(Condition, value))
        case Span():
            return str(value)
        case BaseModel():
            return dict(_fields(value))
        case Mapping():
            return {str(name): _plain(entry) for name, entry in value.items()}
        case tuple() | list():
            return [_plain(entry) for entry in value]
        case _:
            return cast(Plain, value)


def _fields(model: BaseModel) -> Iterator[tuple[str, Plain]]:
    """Yield what a model says, without what goes without saying."""
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if value is not None and (
            info.is_required() or value != info.get_default(call_default_factory=True)
        ):
            yield info.alias or name, _plain(value)


def _tables(before: Table, after: Table, path: tuple[str, ...]) -> Iterator[Edit]:
    for key in dict.fromkeys([*before, *after]):
        yield from _values(before.get(key), after.get(key), (*path, key))


def _values(before: Plain | None, after: Plain | None, path: tuple[str, ...]) -> Iterator[Edit]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _tables(before, after, path)
    elif _are_rows(before) and _are_rows(after):
        yield from _rows(cast(list[list[Plain]], before), cast(list[list[Plain]], after), path)
    elif isinstance(before, dict) and after is None and _is_opened(path):
        yield from _tables(before, {}, path)
    elif isinstance(after, dict) and before is None and _is_opened(path):
        yield from _tables({}, after, path)
    else:
        yield _edit(before, after, path)


def _is_opened(path: tuple[str, ...]) -> bool:
    """Tell whether the entries of a table that came or went are told one by one."""
    return len(path) == 1 or (len(path) == 2 and path[0] == "labels")


def _edit(before: Plain | None, after: Plain | None, path: tuple[str, ...]) -> Edit:
    kind: EditKind = "added" if before is None else "removed" if after is None else "changed"
    old, new = (None if one is None else inline(one) for one in (before, after))
    return Edit(".".join(path), kind, old, new, _decides(path))


def _decides(path: tuple[str, ...]) -> bool:
    """Tell whether what stands there counts for the hash of a policy."""
    return path[0] not in NOT_DECIDING and not (path[0] == "scores" and path[2:3] == ("fitted",))


def _are_rows(value: Plain | None) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _rows(
    before: Sequence[list[Plain]], after: Sequence[list[Plain]], path: tuple[str, ...]
) -> Iterator[Edit]:
    pairs = aligned(before, after)
    steady = _ascending([old for old, new in pairs if old is not None and new is not None])
    for old, new in pairs:
        if new is None:
            assert old is not None  # a row came from somewhere or went somewhere
            yield _edit(before[old], None, (*path, str(old)))
        elif old is None:
            yield _edit(None, after[new], (*path, str(new)))
        else:
            here = (*path, str(new))
            yield from _cells(before[old], after[new], here)
            if old not in steady:
                yield Edit(".".join(here), "moved", f"row {old}", f"row {new}", _decides(path))


def _cells(before: list[Plain], after: list[Plain], path: tuple[str, ...]) -> Iterator[Edit]:
    if len(before) != len(after):
        yield _edit(before, after, path)
        return
    for at, (old, new) in enumerate(zip(before, after, strict=True)):
        yield from _values(old, new, (*path, str(at)))


def aligned_rows(before: Policy, after: Policy, name: str) -> list[tuple[int, int]]:
    """Return which row of a list of conditions became which, for those that are still there."""
    lists = []
    for policy in (before, after):
        table = normal(policy)[name]
        assert isinstance(table, dict)  # as it is a list of conditions
        lists.append(cast(list[list[Plain]], table["first"]))
    pairs = aligned(*lists)
    return [(old, new) for old, new in pairs if old is not None and new is not None]


def aligned(before: Sequence[list[Plain]], after: Sequence[list[Plain]]) -> list[Pair]:
    """Return which row of one list became which row of another, in the order of the second.

    Rows that are the same belong together wherever they stand; of the others those in the same
    stretch that still have the same start (edge, condition), then those with the same end
    (points, label). ``None`` stands for a row that came or went.

    Examples
    --------
    >>> aligned([[1, 1], [3, 2], [5, 3]], [[1, 1], [4, 2], [5, 3], [9, 4]])
    [(0, 0), (1, 1), (2, 2), (None, 3)]
    """
    old_rows, new_rows = [*map(inline, before)], [*map(inline, after)]
    found: dict[int, int] = {}
    stretches: list[tuple[list[int], list[int]]] = []
    matcher = SequenceMatcher(None, old_rows, new_rows, autojunk=False)
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        old, new = range(old_start, old_end), range(new_start, new_end)
        if tag == "equal":
            found.update(zip(new, old, strict=True))
        else:
            stretches.append(([*old], [*new]))
    every_old = [one for old, _ in stretches for one in old]
    every_new = [one for _, new in stretches for one in new]
    _pair(found, every_old, every_new, old_rows, new_rows)
    for at in (0, -1):
        keys = [[inline(row[at]) if row else "" for row in rows] for rows in (before, after)]
        for stretch in stretches:
            _pair(found, *stretch, *keys)
    return _in_order(found, len(before), len(after))


def _pair(
    found: dict[int, int],
    old: Sequence[int],
    new: Sequence[int],
    old_keys: Sequence[str],
    new_keys: Sequence[str],
) -> None:
    """Put together the rows that have one key, each with the first that is left."""
    taken = set(found.values())
    for place in new:
        if place in found:
            continue
        same = (one for one in old if one not in taken and old_keys[one] == new_keys[place])
        if (match := next(same, None)) is not None:
            found[place] = match
            taken.add(match)


def _in_order(found: Mapping[int, int], old: int, new: int) -> list[Pair]:
    """Return the pairs as in the second list; rows that went stand where they stood."""
    gone = sorted(set(range(old)) - set(found.values()))
    pairs: list[Pair] = []
    for place in range(new):
        if (match := found.get(place)) is not None:
            while gone and gone[0] < match:
                pairs.append((gone.pop(0), None))
        pairs.append((match, place))
    return [*pairs, *((one, None) for one in gone)]


def _ascending(places: Sequence[int]) -> set[int]:
    """Return a largest set of places that stand in ascending order: all others have moved."""
    ends: list[int] = []
    runs: dict[int, tuple[int, ...]] = {}
    for place in places:
        at = bisect_left(ends, place)
        runs[place] = (*(runs[ends[at - 1]] if at else ()), place)
        ends[at:] = [place, *ends[at + 1 :]]
    return set(runs[ends[-1]]) if ends else set()
