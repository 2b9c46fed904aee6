from collections.abc import Sequence

from crmcore.columns import Ints
from crmcore.kernels.plain.tallying import Choice as Choice
from crmcore.kernels.plain.tallying import Measure as Measure
from crmcore.kernels.plain.tallying import Rows as Rows
from crmcore.kernels.plain.tallying import Take as Take

MOST_NARROW: int

def tally(
    rows: Rows,
    choices: Sequence[Choice],
    measures: Sequence[Measure],
    groups: int,
    place: Ints | None = None,
    size: int | None = None,
) -> list[Ints]: ...
