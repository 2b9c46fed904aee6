"""Arrays as kernels in C read them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_a_row"]

Item = TypeVar("Item", bound=np.generic)


def in_a_row(
    values: NDArray[np.generic], kind: type[Item] | np.dtype[Item] | None = None
) -> NDArray[Item]:
    """Return values next to each other, each where the processor can read it at once.

    They are those given where they lie so already, and copied otherwise: a host may have cut
    columns out of records or files, at any byte.
    """
    return np.require(values, kind, ("C_CONTIGUOUS", "ALIGNED"))
