"""How many events came in each of the last seconds, counted as they are committed: it is there before anybody looks."""

from __future__ import annotations

from collections import deque
from typing import Final

SECONDS: Final = 120
"""So far back it goes."""
CURRENT_SECONDS: Final = 5
"""The pace of now is the mean of so many whole seconds."""


class Pace:
    """A count for each real second. Times are the engine's, which runs `speed` times as fast as the wall's."""

    def __init__(self, speed: float = 1.0) -> None:
        self._second_ms = 1000 * speed
        self._counts: deque[tuple[int, int]] = deque(maxlen=SECONDS + 1)
        """(second, events in it), rising; seconds in which nothing came are left out."""

    def take(self, at: int, events: int) -> None:
        """Count events committed together, of which the last was taken `at`."""
        second = self._second(at)
        if self._counts and self._counts[-1][0] >= second:
            second, before = self._counts.pop()
            events += before
        self._counts.append((second, events))

    def history(self, now: int) -> list[int]:
        """Return the events of each of the last 120 whole seconds, oldest first."""
        known = dict(self._counts)
        end = self._second(now)
        return [known.get(second, 0) for second in range(end - SECONDS, end)]

    def current(self, now: int) -> float:
        """Return events a second, over the last five whole seconds."""
        return sum(self.history(now)[-CURRENT_SECONDS:]) / CURRENT_SECONDS

    def _second(self, at: int) -> int:
        return int(at // self._second_ms)
