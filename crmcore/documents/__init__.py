"""Documents: policies, source files and catalogues, from text to plain tables within limits.

What is wrong with one becomes a list of `Problem`: the same codes and words for all of them.
"""

from __future__ import annotations

from crmcore.documents.kinds import ANY, DocumentKind, Location, upwards
from crmcore.documents.places import placed
from crmcore.documents.problems import pointing, problems_of, untold, written
from crmcore.documents.reading import is_text, read, read_file, read_text
from crmcore.documents.texts import NOTHING, Plain, Size, Table, Text, copied

__all__ = [
    "ANY",
    "NOTHING",
    "DocumentKind",
    "Location",
    "Plain",
    "Size",
    "Table",
    "Text",
    "copied",
    "is_text",
    "placed",
    "pointing",
    "problems_of",
    "read",
    "read_file",
    "read_text",
    "untold",
    "upwards",
    "written",
]
