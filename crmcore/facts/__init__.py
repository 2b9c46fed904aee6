"""Facts: declared figures about customers, worked out from their orders."""

from __future__ import annotations

from crmcore.facts.compute import scatter, summarise
from crmcore.facts.selection import Books, row_fields
from crmcore.facts.spec import USUAL_FACTS, Fact, MergeKind
from crmcore.facts.table import FactTable, check_ranges

__all__ = [
    "USUAL_FACTS",
    "Books",
    "Fact",
    "FactTable",
    "MergeKind",
    "check_ranges",
    "row_fields",
    "scatter",
    "summarise",
]
