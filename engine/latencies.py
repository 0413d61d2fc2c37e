"""How long something takes, counted in two ways: percentiles of the newest for people, a histogram of all for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Final

import msgspec

COMMIT_BOUNDS_MS: Final = (0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
"""A transaction takes a millisecond on a good disk, ten on a slow one, and seconds while another program holds the file."""

LATENESS_BOUNDS_MS: Final = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000, 300_000, 3_600_000)
"""A timer is milliseconds late while the engine runs, and as late as it was down for after it was."""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """`counts[i]` values were above the bound before it and at most `bounds_ms[i]`; the last of `counts` is of what was above
    every bound. Since the start of the process, so those of several processes add up."""

    bounds_ms: tuple[float, ...]
    counts: tuple[int, ...]
    sum_ms: float


class Latencies:
    """The newest 8,192 values, in milliseconds, and how many of all fell between which bounds."""

    __slots__ = ("_bounds_ms", "_counts", "_newest", "_sum_ms")

    def __init__(self, bounds_ms: tuple[float, ...], size: int = 8192) -> None:
        self._bounds_ms = bounds_ms
        self._counts = [0] * (len(bounds_ms) + 1)
        self._sum_ms = 0.0
        self._newest: deque[float] = deque(maxlen=size)

    def add(self, value_ms: float) -> None:
        self._newest.append(value_ms)
        self._counts[bisect_left(self._bounds_ms, value_ms)] += 1
        self._sum_ms += value_ms

    def percentiles(self, *ranks: float) -> tuple[float, ...]:
        """Return the value at each rank of 0 to 1 among the newest; zeros if there are none."""
        ordered = sorted(self._newest)
        if not ordered:
            return tuple(0.0 for _ in ranks)
        last = len(ordered) - 1
        return tuple(ordered[min(last, int(rank * len(ordered)))] for rank in ranks)

    def histogram(self) -> Histogram:
        """Return what was counted of all."""
        return Histogram(bounds_ms=self._bounds_ms, counts=tuple(self._counts), sum_ms=self._sum_ms)
