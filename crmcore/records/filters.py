"""Conditions of a source on raw columns: which rows meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TypeAlias, cast

import numpy as np

from crmcore import kernels
from crmcore.columns import Mask
from crmcore.errors import DataError
from crmcore.records.amounts import any_of, read_number
from crmcore.records.forms import either
from crmcore.records.objects import Codes, shortest
from crmcore.records.raw import Raw
from crmcore.records.source import Exclusion, StatusRule, Test

__all__ = ["distinct_texts", "meets"]

Texts: TypeAlias = tuple[Codes, list[str]]

_WIDE = Context(prec=400)
# Beyond, a number is written with a power of ten: it could not be spelt out.
_PLAIN_DIGITS = 400


def meets(test: Test, columns: Mapping[str, Raw]) -> Mask:
    """Return True for the rows that meet all conditions of the test, and of those beside it.

    Parameters
    ----------
    test
        From a source; a missing value meets none of its conditions but ``missing``.
    columns
        The columns by *their* names; the ones tested must be there.

    Raises
    ------
    DataError
        A column of times is compared with text or numbers.

    Examples
    --------
    >>> from crmcore.records.raw import raw_column
    >>> columns = {"InvoiceNo": raw_column("InvoiceNo", ["536365", "C536379", None])}
    >>> meets(Test(column="InvoiceNo", starts_with="C"), columns).tolist()
    [False, True, False]
    """
    also = test.also if isinstance(test, Exclusion | StatusRule) else ()
    masks = [mask for one in (test, *also) for mask in _conditions(one, columns[one.column])]
    return np.asarray(np.logical_and.reduce(masks), np.bool_)


def _conditions(test: Test, raw: Raw) -> Iterable[Mask]:
    """Return one mask for each condition of a test."""
    if test.missing is not None:
        missing = np.zeros(len(raw), np.bool_) if raw.missing is None else raw.missing
        yield missing if test.missing else ~missing
    matches = list(_text_conditions(test))
    if matches:
        codes, texts = distinct_texts(test.column, raw)
        fits = [all(match(text) for match in matches) for text in texts]
        found = kernels.translate(codes, np.array([*fits, False], np.uint8))
        yield _present(raw, found.view(np.bool_))
    if test.above is not None or test.below is not None:
        yield _between(test, raw)


def _text_conditions(test: Test) -> Iterable[Callable[[str], bool]]:
    start, end, part = test.starts_with, test.ends_with, test.contains
    if start is not None:
        yield lambda text: text.startswith(start)
    if end is not None:
        yield lambda text: text.endswith(end)
    if part is not None:
        yield lambda text: part in text
    if test.equals is not None:
        yield frozenset({_text(test.equals)}).__contains__
    if test.one_of is not None:
        yield frozenset(map(_text, test.one_of)).__contains__


def _present(raw: Raw, mask: Mask) -> Mask:
    """Return the rows of a mask with a value: an infinity is none."""
    absent = either(raw.missing, raw.invalid)
    return mask if absent is None else mask & ~absent


def distinct_texts(name: str, raw: Raw) -> Texts:
    """Return a column as codes into distinct texts; what is missing has any code, or -1.

    Numbers are written plainly, without superfluous zeros; truth values as true and false.
    """
    if raw.kind in {"time", "date"}:
        raise DataError("times cannot be compared as text", column=name)
    raw = raw.coded(name)
    if raw.kind == "coded":
        assert raw.categories is not None
        return cast("Codes", raw.values), list(map(_text, raw.categories))
    values, codes = np.unique(raw.values, return_inverse=True)
    if raw.kind == "decimal":
        return codes, [_text(Decimal(one).scaleb(-raw.scale, _WIDE)) for one in values.tolist()]
    return codes, list(map(_text, values.tolist()))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal) and value.is_finite():
        value = shortest(value)
        return f"{value:f}" if abs(value.adjusted()) < _PLAIN_DIGITS else str(value)
    return str(value)


def _between(test: Test, raw: Raw) -> Mask:
    """Return the rows above and below the bounds, exactly; unreadable numbers are neither."""
    number = read_number(test.column, raw, exact=False)
    mask = np.ones(len(raw), np.bool_)
    if test.above is not None:
        mask &= number.values > _scaled(test.above, number.scale, ROUND_FLOOR)
    if test.below is not None:
        mask &= number.values < _scaled(test.below, number.scale, ROUND_CEILING)
    bad = any_of(number.faults)
    return mask if bad is None else mask & ~bad


def _scaled(bound: Decimal, scale: int, rounding: str) -> int:
    return int(bound.scaleb(scale, _WIDE).to_integral_value(rounding, _WIDE))
