"""Time: the only place that reads a clock.

Rules it keeps:

* `now_ms` never goes back, whatever the machine's clock does.
* A jump forward of more than an hour against the monotonic clock is not believed: the clock is `held` and goes on at the
  old rate, so that what only the jump would make due does not fire, until the jump is confirmed or taken back.
  (The time a machine sleeps is no jump where the system counts it, as Linux does.)
* A clock that was behind (1970 at boot, stepped back) stands still until it has caught up with what was seen before.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Final, Protocol

JUMP_MS_MAX: Final = 3_600_000
"""A larger step forward of the wall clock, against the monotonic one, has to be confirmed, or to stand for a while."""

BELIEVED_AFTER_MS: Final = 600_000
"""A jump that has stood for ten minutes is believed: the clock was set right, and timers are not to be late for ever."""

LOOK_AGAIN_S_MAX: Final = 1.0
"""No sleep is longer, so that a change of the machine's clock is seen within it."""

Milliseconds = Callable[[], int]


class Clock(Protocol):
    @property
    def held(self) -> bool:
        """Whether the machine's clock has jumped and is not believed."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never less than it was."""

    def not_before(self, ms: int) -> None:
        """From here on no time before `ms` is told: what the journal already holds."""

    def seconds_until(self, ms: int) -> float:
        """Real seconds until then, 0 if it has come."""

    async def sleep_until(self, ms: int | None, wake: asyncio.Event) -> None:
        """Returns at `ms` (None: never), when `wake` is set, or sooner for a look at the clock; clears `wake`."""


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    """Never stepped, and counts the time that the machine sleeps where the system can tell."""
    if _BOOTTIME is not None:
        return time.clock_gettime_ns(_BOOTTIME) // 1_000_000
    return time.monotonic_ns() // 1_000_000


_BOOTTIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """The machine's time. With a `speed` other than 1 it starts at the machine's time and runs by itself: 60 is a
    minute a second. It never starts before `start_ms` (the journal's last stamp)."""

    def __init__(
        self,
        speed: float = 1.0,
        start_ms: int | None = None,
        *,
        wall_ms: Milliseconds = _wall_ms,
        steady_ms: Milliseconds = _steady_ms,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.speed = speed
        self._wall_ms = wall_ms
        self._steady_ms = steady_ms
        self._start_ms = max(start_ms or 0, wall_ms())
        self._start_steady = steady_ms()
        self._last = self._start_ms
        self._last_steady = self._start_steady
        self._behind = wall_ms() < self._last
        self._held = False
        self._held_since: int | None = None
        """By the steady clock, when the wall clock was first found ahead."""

    @property
    def held(self) -> bool:
        return self._held

    def not_before(self, ms: int) -> None:
        if ms > self._last:
            self._start_ms += ms - self._last
            self._last = ms
            self._behind = True

    def now_ms(self) -> int:
        steady = self._steady_ms()
        if self.speed != 1.0:
            self._last = max(self._last, self._start_ms + int((steady - self._start_steady) * self.speed))
            return self._last
        wall = self._wall_ms()
        if wall < self._last and not self._held:
            self._behind = True
        else:
            self._step(wall, steady)
        self._last_steady = steady
        return self._last

    def _step(self, wall: int, steady: int) -> None:
        expected = self._last + steady - self._last_steady
        ahead = wall - expected > JUMP_MS_MAX and not self._behind
        if not ahead:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = steady
        # A clock that was set right stays where it is; one that went wrong for a moment comes back.
        self._held = self._held_since is not None and steady - self._held_since < BELIEVED_AFTER_MS
        if self._held:
            self._last = expected
        else:
            self._held_since = None
            self._last = max(wall, self._last)
            self._behind = False

    def confirm(self) -> None:
        """Believe the machine's clock as it stands: what it makes due fires."""
        self._last = max(self._last, self._wall_ms())
        self._last_steady = self._steady_ms()
        self._held = False
        self._held_since = None

    def seconds_until(self, ms: int) -> float:
        return max(0.0, (ms - self.now_ms()) / 1000.0 / self.speed)

    async def sleep_until(self, ms: int | None, wake: asyncio.Event) -> None:
        seconds = LOOK_AGAIN_S_MAX if ms is None else min(self.seconds_until(ms), LOOK_AGAIN_S_MAX)
        handle = asyncio.get_running_loop().call_later(seconds, wake.set)
        try:
            await wake.wait()
        finally:
            handle.cancel()
            wake.clear()


class ManualClock:
    """Stands still until it is moved. For tests and virtual time."""

    held = False

    def __init__(self, start_ms: int = 0) -> None:
        self._now = start_ms
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self._now

    def not_before(self, ms: int) -> None:
        self._now = max(self._now, ms)

    def advance(self, ms: int) -> None:
        self.move_to(self._now + ms)

    def move_to(self, ms: int) -> None:
        """Wakes who sleeps until then or sooner. A move back is refused."""
        if ms < self._now:
            raise ValueError(f"a clock cannot go back from {self._now} to {ms}")
        self._now = ms
        while self._sleepers and self._sleepers[0][0] <= ms:
            heapq.heappop(self._sleepers)[2].set()

    def seconds_until(self, ms: int) -> float:
        return max(0.0, (ms - self._now) / 1000.0)

    async def sleep_until(self, ms: int | None, wake: asyncio.Event) -> None:
        if ms is not None and ms > self._now:
            self._count += 1
            heapq.heappush(self._sleepers, (ms, self._count, wake))
        if ms is None or ms > self._now:
            await wake.wait()
        wake.clear()
