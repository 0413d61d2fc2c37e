"""How long those who are refused stay away: the longer an overload lasts, and not all until the same moment."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

GROWTH: Final = 0.25
"""Of the time an overload has lasted: so much longer is the least wait."""
CALM_MS: Final = 5_000
"""Without a refusal for so long, an overload is over, and what had grown shrinks by the time that passes."""


class Backoff:
    """`chance` gives numbers from 0 to 1."""

    def __init__(self, least_ms: int, most_ms: int, chance: Callable[[], float] = random.random) -> None:
        self._least_ms = least_ms
        self._most_ms = most_ms
        self._chance = chance
        self._lasted = 0
        self._last = 0

    def wait_ms(self, now: int) -> int:
        """What to tell one who is refused now: once to twice the least wait, at random."""
        since = max(0, now - self._last)
        if since <= CALM_MS:
            # No longer than it takes to grow to the most: else as long a calm would be needed to forget it.
            self._lasted = min(self._lasted + since, int(self._most_ms / GROWTH))
        else:
            self._lasted = max(0, self._lasted - since)
        self._last = now
        least = self._least_ms + self._lasted * GROWTH
        return int(min(least * (1 + self._chance()), self._most_ms))
