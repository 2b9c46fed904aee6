"""Arrays in, arrays out: the loops over rows, in C where they could be built, else in NumPy.

Nothing here knows what an order is, reads a policy or raises on data: what can go wrong is
returned as a count. Signatures and descriptions are those of NumPy's functions, in
`crmcore.kernels.plain`; those in C give the same results to the bit, with any number of threads.
No other thread may change a column while a kernel reads it.
"""

from __future__ import annotations

import numpy as np

from crmcore.kernels.plain.banding import banded, local_days, weighed
from crmcore.kernels.plain.coding import (
    encode,
    encode_fixed,
    encode_texts,
    find,
    find_fixed,
    find_texts,
    has_duplicate_fixed,
    has_duplicate_texts,
    has_duplicates,
    merge,
    merge_fixed,
    merge_texts,
    places,
    places_fixed,
    places_texts,
)
from crmcore.kernels.plain.grouping import (
    add,
    count,
    distinct,
    gaps,
    largest,
    lower_median,
    overflows,
    smallest,
    spread,
)
from crmcore.kernels.plain.surveying import Survey, above, survey, translate
from crmcore.kernels.plain.tallying import Choice, Measure, Rows, Take, tally
from crmcore.kernels.selection import replacements

__all__ = [
    "INT64_MAX",
    "Choice",
    "Measure",
    "Rows",
    "Survey",
    "Take",
    "above",
    "add",
    "banded",
    "count",
    "distinct",
    "encode",
    "encode_fixed",
    "encode_texts",
    "find",
    "find_fixed",
    "find_texts",
    "gaps",
    "has_duplicate_fixed",
    "has_duplicate_texts",
    "has_duplicates",
    "largest",
    "local_days",
    "lower_median",
    "merge",
    "merge_fixed",
    "merge_texts",
    "overflows",
    "places",
    "places_fixed",
    "places_texts",
    "smallest",
    "spread",
    "survey",
    "tally",
    "translate",
    "weighed",
]

INT64_MAX = int(np.iinfo(np.int64).max)

# Where the compiled kernels are in use, they take the places of NumPy's.
globals().update(replacements())
