"""Analysis: what a policy can and cannot do, whoever the customers are.

`Space` cuts the facts and attributes of one or more policies into cells that they do not tell
apart. `Customers` are one for each combination of cells, or of the values that `tried` finds beside
their edges. `TableRegions` says for which cells the rows of a table hold, as boxes; `TableVerdicts`
what follows from that. `witness` and `witness_row` make customers of cells, and `replay` puts them
through the evaluator.
"""

from __future__ import annotations

from crmcore.analysis.axes import Axis, Cell, Raw
from crmcore.analysis.boxes import Box, OutOfStepsError, Search
from crmcore.analysis.customers import Customers
from crmcore.analysis.regions import Region, TableRegions, TooManyBoxesError
from crmcore.analysis.scene import Scene
from crmcore.analysis.space import Block, Space
from crmcore.analysis.taking import as_taken
from crmcore.analysis.trying import calculated, tried
from crmcore.analysis.verdicts import TableVerdicts, Verdict
from crmcore.analysis.witnesses import (
    Customer,
    Shown,
    Shows,
    fact_table,
    first_of_each,
    replay,
    witness,
    witness_row,
)

__all__ = [
    "Axis",
    "Block",
    "Box",
    "Cell",
    "Customer",
    "Customers",
    "OutOfStepsError",
    "Raw",
    "Region",
    "Scene",
    "Search",
    "Shown",
    "Shows",
    "Space",
    "TableRegions",
    "TableVerdicts",
    "TooManyBoxesError",
    "Verdict",
    "as_taken",
    "calculated",
    "fact_table",
    "first_of_each",
    "replay",
    "tried",
    "witness",
    "witness_row",
]
