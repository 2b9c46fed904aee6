"""Facts: declared figures about customers, worked out from their orders."""

from __future__ import annotations

from crmcore.facts.books import Books
from crmcore.facts.partial import FactPlan, Partial
from crmcore.facts.selection import row_fields
from crmcore.facts.spec import USUAL_FACTS, Fact, MergeKind
from crmcore.facts.summary import scatter, summarise
from crmcore.facts.table import FactTable, check_ranges, read_column

__all__ = [
    "USUAL_FACTS",
    "Books",
    "Fact",
    "FactPlan",
    "FactTable",
    "MergeKind",
    "Partial",
    "check_ranges",
    "read_column",
    "row_fields",
    "scatter",
    "summarise",
]
