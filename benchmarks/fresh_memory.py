"""What it takes to write memory for the first time, at once after it was freed and later.

    python benchmarks/fresh_memory.py

The C library gives large blocks back to the system when they are freed. A virtual machine may hand
them on to its host, and must get them back page by page when they are written again: then the last
two figures are far apart.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter, sleep

import numpy as np

SIZE = 2**29
ROUNDS = 5


def main() -> None:
    block = np.empty(SIZE, np.uint8)
    print(f"again, the same memory      {median(_written(block) for _ in range(ROUNDS)):.3f} s")
    del block
    for wait in (0, 6):
        times = [_fresh(wait) for _ in range(ROUNDS)]
        print(f"fresh, {wait} s after it was freed {median(times):.3f} s", flush=True)


def _fresh(wait: int) -> float:
    sleep(wait)
    return _written(np.empty(SIZE, np.uint8))


def _written(block: np.ndarray) -> float:
    started = perf_counter()
    block[:] = 1
    return perf_counter() - started


if __name__ == "__main__":
    main()
