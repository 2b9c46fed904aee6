"""How fast is this machine right now? Printed beside every measurement, so that runs on
different machines, or on a busy one, can be told apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

STEPS = 2_000
SIZE = 2**15  # int64: fits into the second-level cache of one core


@dataclass(frozen=True)
class Calibration:
    """Medians, in seconds."""

    one_thread: float
    two_threads: float  # twice the work, in two threads
    python: float

    def __str__(self) -> str:
        return (
            f"calibration: arithmetic in one thread {self.one_thread * 1e3:.0f} ms, "
            f"twice as much in two {self.two_threads * 1e3:.0f} ms; "
            f"plain Python loop {self.python * 1e3:.0f} ms"
        )


def calibrate(rounds: int = 5) -> Calibration:
    with ThreadPoolExecutor(2) as pool:
        return Calibration(
            median(_timed(_arithmetic) for _ in range(rounds)),
            median(_timed(lambda: list(pool.map(_two, range(2)))) for _ in range(rounds)),
            median(_timed(_loop) for _ in range(rounds)),
        )


def _two(_: int) -> None:
    _arithmetic()


def _arithmetic() -> None:
    """Integer arithmetic on arrays: NumPy lets go of the GIL."""
    values, divisors = np.arange(SIZE), np.arange(SIZE) % 1_000 + 7
    for _ in range(STEPS):
        np.add(values, 12_345, out=values)
        np.remainder(values, divisors, out=values)  # slow enough to hide the GIL's handing over


def _loop() -> None:
    total = 0
    for number in range(1_000_000):
        total = (total * 3 + number) & 0xFFFF


def _timed(work) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


if __name__ == "__main__":
    print(calibrate())
