from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crmcore.columns import Ints, Mask
from crmcore.kernels.plain.banding import Edges, Numbers, Outcome

def banded(
    values: Numbers,
    edges: Edges,
    outcomes: NDArray[Outcome],
    there: Mask | None = None,
    known: Mask | None = None,
    divisors: Ints | None = None,
    scale: int = 1,
) -> tuple[NDArray[Outcome], Mask | None]: ...
def weighed(
    columns: Sequence[NDArray[np.int64 | np.int32]],
    weights: Sequence[int],
    dtype: type[np.int64 | np.int32],
) -> NDArray[np.int64 | np.int32]: ...
def local_days(
    instants: Ints, cuts: Ints, offsets: Ints, floors: Ints | None, last: int
) -> Ints: ...
