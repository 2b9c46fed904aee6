"""How long it takes to read the raw columns once: less is not possible for anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

import numpy as np
from job import THREADS

WORDS = 1 << 18  # read at a time: two megabytes


def seconds_to_read(columns: Iterable[object], rounds: int = 5) -> float:
    """Return the median time of adding up all words of NumPy arrays or Arrow columns."""
    parts = [
        words[at : at + WORDS] for words in _words(columns) for at in range(0, len(words), WORDS)
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        return median(_timed(pool, parts) for _ in range(rounds))


def _timed(pool: ThreadPoolExecutor, parts: list[np.ndarray]) -> float:
    start = perf_counter()
    list(pool.map(_add, [parts[first::THREADS] for first in range(THREADS)]))
    return perf_counter() - start


def _add(parts: list[np.ndarray]) -> None:
    for part in parts:
        np.add.reduce(part)


def _words(columns: Iterable[object]) -> Iterator[np.ndarray]:
    """Return the memory of the columns as 64-bit words, without what is left over at the end."""
    for column in columns:
        for block in [column] if isinstance(column, np.ndarray) else _buffers(column):
            data = np.frombuffer(block, np.uint8)
            yield data[: len(data) // 8 * 8].view(np.int64)


def _buffers(column) -> Iterator[object]:
    for chunk in column.chunks:
        yield from (buffer for buffer in chunk.buffers() if buffer is not None)
