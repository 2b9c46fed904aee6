"""Documents: policies, source files and catalogues, from text to plain tables within limits.

What is wrong with one becomes a list of `Problem`: the same codes and words for all of them.
"""

from __future__ import annotations

from crmcore.documents.kinds import ANY, DocumentKind, Location
from crmcore.documents.places import placed
from crmcore.documents.problems import problems_of, written
from crmcore.documents.reading import Plain, Table, Text, is_text, plain, read, read_file, read_text

__all__ = [
    "ANY",
    "DocumentKind",
    "Location",
    "Plain",
    "Table",
    "Text",
    "is_text",
    "placed",
    "plain",
    "problems_of",
    "read",
    "read_file",
    "read_text",
    "written",
]
