"""Rows or lines that facts look at, and the conditions that narrow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Codes, Column, Ints, Mask
from crmcore.conditions import Condition, FieldType, bind, evaluate, names
from crmcore.errors import PolicyError
from crmcore.records.lines import Dimension, LineColumns
from crmcore.records.orders import RETURN, OrderTable
from crmcore.records.reading import STATUSES

__all__ = ["Selection", "narrow", "row_fields"]

Scalar = TypeVar("Scalar", bound=np.generic)
Statuses = NDArray[np.uint8]

_OF_LINES = ("amount", "quantity", "product", "category")


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Rows (or lines) that one or more facts aggregate.

    Parameters
    ----------
    rows
        Positions in the order table, or among its lines; ``None``: all of them.
    codes
        The customer of each.
    """

    rows: Ints | None
    codes: Codes

    def of(self, column: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return the values of a column for the rows selected."""
        return column if self.rows is None else column[self.rows]

    def where(self, mask: Mask) -> Selection:
        """Return the selected rows for which the mask, one value a selected row, holds."""
        rows = np.flatnonzero(mask) if self.rows is None else self.rows[mask]
        return Selection(rows, self.codes[mask])


def row_fields(of: str, exponent: int) -> dict[str, FieldType]:
    """Return the fields that a fact's ``where`` may name."""
    fields = {
        "status": FieldType("label", categories=STATUSES),
        "channel": FieldType("text"),
        "promotion": FieldType("text"),
        "amount": FieldType("money", exponent=exponent),
        "quantity": FieldType("int"),
    }
    if of == "line":
        fields |= {"product": FieldType("text"), "category": FieldType("text")}
    return fields


def narrow(
    selection: Selection, where: Condition, of: str, orders: OrderTable, status: Statuses
) -> Selection:
    """Return the selected rows, or lines if `of` says so, for which a condition holds."""
    bound, problems = bind(where, row_fields(of, orders.currency.exponent), "where", given={})
    if bound is None:
        raise PolicyError(problems)
    asked = names(where)
    columns = {name: _row_column(name, of, selection, orders, status) for name in asked}
    return selection.where(evaluate(bound, columns, len(selection.codes)).true)


def _row_column(
    name: str, of: str, selection: Selection, orders: OrderTable, status: Statuses
) -> Column:
    rows, lines = selection.rows, orders.lines
    if of == "line" and name in _OF_LINES:
        return _column(name, lines, rows, selection, orders)
    if of == "line" and lines.row is not None:
        rows = lines.row if rows is None else lines.row[rows]
    if name == "status":
        codes = status if rows is None else status[rows]
        inside = codes < RETURN
        return Column("label", np.where(inside, codes, np.int16(0)), inside, categories=STATUSES)
    return _column(name, orders, rows, selection, orders)


def _column(
    name: str,
    table: OrderTable | LineColumns,
    rows: Ints | None,
    selection: Selection,
    orders: OrderTable,
) -> Column:
    """Return a column that a table of orders or of lines has under that name, or none of."""
    given: Ints | Dimension | None = getattr(table, "amount_minor" if name == "amount" else name)
    known: Mask | None = table.quantity_known if name == "quantity" else None
    kind = {"amount": "money", "quantity": "int"}.get(name, "text")
    size = len(selection.codes)
    if given is None:
        nothing = np.zeros(size, np.int64 if kind != "text" else np.object_)
        return Column("int" if kind == "int" else "text", nothing, np.zeros(size, np.bool_))
    if isinstance(given, Dimension):
        codes = given.codes if rows is None else given.codes[rows]
        values = np.empty(len(given.values) + 1, np.object_)
        values[:-1] = [str(value) for value in given.values]
        return Column("text", values[codes], codes >= 0)
    picked = given if rows is None else given[rows]
    known = known if known is None or rows is None else known[rows]
    if kind == "money":
        return Column("money", picked, known, exponent=orders.currency.exponent)
    return Column("int", picked, known)
