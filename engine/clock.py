"""Time: the only place that reads a clock.

Rules it keeps:

* `now_ms` never goes back, whatever the machine's clock does.
* A jump forward of more than an hour against the monotonic clock is not believed: the clock is `held` and goes on at the
  old rate, so that what only the jump would make due does not fire, until the jump is confirmed or taken back.
  (The time a machine sleeps is no jump where the system counts it, as Linux does.)
* A start more than a day after the journal's last stamp is such a jump, unless the kernel says that its clock is kept in
  step with the world's. Nothing tells it from a weekend without a server, so it too is believed after a while.
* Where the wall clock is behind what was seen before (1970 at boot, stepped back), time goes on by the monotonic clock, a
  tenth slower, so that timers ring and the wall clock catches up; then it is followed again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Callable
from typing import Final, Literal, Protocol

from engine import ntp

log = logging.getLogger(__name__)

JUMP_MS_MAX: Final = 3_600_000
"""A larger step forward of the wall clock, against the monotonic one, has to be confirmed, or to stand for a while."""

BELIEVED_AFTER_MS: Final = 600_000
"""A jump that has stood for ten minutes is believed: the clock was set right, and timers are not to be late for ever."""

START_GAP_MS_MAX: Final = 86_400_000
"""A start so long after the journal's last stamp is taken for a wrong clock. A night without an event is not."""

BEHIND_TOLD_MS: Final = 10_000
"""A wall clock that is less behind is nobody's trouble: a step of NTP, a leap second."""

LOOK_AGAIN_S_MAX: Final = 1.0
"""No sleep is longer, so that a change of the machine's clock is seen within it."""

Milliseconds = Callable[[], int]
State = Literal["followed", "held", "behind"]


class Clock(Protocol):
    @property
    def held(self) -> bool:
        """Whether the machine's clock has jumped and is not believed."""

    @property
    def offset_ms(self) -> int:
        """What the machine's clock is ahead of ours (held) or, below 0, behind it, as of the last `now_ms`; 0: it is followed."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch; never less than it was."""

    def resume(self, ms: int) -> None:
        """Go on from the journal's last stamp, 0 if it has none. Called once, before anybody is told the time."""

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
        synchronised: Callable[[], bool] = ntp.synchronised,
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be more than 0, not {speed}")
        self.speed = speed
        self._wall_ms = wall_ms
        self._steady_ms = steady_ms
        self._synchronised = synchronised
        self._start_ms = max(start_ms or 0, wall_ms())
        self._start_steady = steady_ms()
        self._last = self._start_ms
        self._last_steady = self._start_steady
        self._offset_ms = wall_ms() - self._last
        self._held_since: int | None = None
        """By the steady clock, when the wall clock was first found ahead."""
        self._held_at_start = False
        self._behind_since: tuple[int, int] | None = None
        """Our time, and the steady clock's, when the wall clock was first found behind."""
        self._state: State = "followed"

    @property
    def held(self) -> bool:
        return self._held_since is not None

    @property
    def offset_ms(self) -> int:
        return self._offset_ms

    def resume(self, ms: int) -> None:
        if self.speed != 1.0:
            self._start_ms += max(0, ms - self._last)
            self._last = max(self._last, ms)
            return
        if 0 < ms < self._last - START_GAP_MS_MAX and not self._synchronised():
            self._held_since = self._last_steady = self._steady_ms()
            self._held_at_start = True
            self._last = ms
        self._last = max(self._last, ms)
        self._look()

    def now_ms(self) -> int:
        if self.speed != 1.0:
            passed = int((self._steady_ms() - self._start_steady) * self.speed)
            self._last = max(self._last, self._start_ms + passed)
        else:
            self._look()
        return self._last

    def _look(self) -> None:
        wall, steady = self._wall_ms(), self._steady_ms()
        if wall >= self._last or self._held_since is not None:
            self._doubt(wall, steady)
            self._behind_since = None
        if self._held_since is not None:
            self._last += steady - self._last_steady
        elif wall >= self._last:
            self._last = wall
        else:
            self._go_on_slower(steady)
        self._last_steady = steady
        self._offset_ms = wall - self._last
        if self._offset_ms or self._state != "followed":
            self._tell()

    def _doubt(self, wall: int, steady: int) -> None:
        ahead = wall - (self._last + steady - self._last_steady)
        # A clock that was far behind is set right: that is no jump to doubt.
        if ahead <= JUMP_MS_MAX or self._offset_ms < -JUMP_MS_MAX:
            self._held_since = None
        elif self._held_since is None:
            self._held_since = steady
            self._held_at_start = False
        # A clock that was set right stays where it is; one that went wrong for a moment comes back.
        elif steady - self._held_since >= BELIEVED_AFTER_MS or (self._held_at_start and self._synchronised()):
            self._held_since = None

    def _go_on_slower(self, steady: int) -> None:
        if self._behind_since is None:
            self._behind_since = self._last, self._last_steady
        last, since = self._behind_since
        self._last = last + (steady - since) * 9 // 10

    def _tell(self) -> None:
        """One line a change."""
        offset_s = abs(self._offset_ms) // 1000
        if self.held:
            state: State = "held"
        elif self._offset_ms >= -BEHIND_TOLD_MS:
            state = "followed" if self._offset_ms == 0 else self._state
        else:
            state = "behind"
        if state == self._state:
            return
        self._state = state
        if state == "held":
            minutes = BELIEVED_AFTER_MS // 60_000
            log.warning(
                "the machine's clock is %d s ahead of what was to be expected: it is not believed, and what only that makes"
                " due waits; if it is right, say so with `cuebird believe-clock`, else set it; after %d minutes it is believed",
                offset_s,
                minutes,
            )
        elif state == "behind":
            log.warning(
                "the machine's clock is %d s behind what the journal holds: time goes on a tenth slower until it has caught up",
                offset_s,
            )
        else:
            log.warning("the machine's clock is followed again")

    def confirm(self) -> bool:
        """Believe the machine's clock as it stands: what it makes due fires. False if it is not held."""
        if not self.held:
            return False
        self._last = max(self._last, self._wall_ms())
        self._held_since = None
        self._look()
        return True

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
    offset_ms = 0

    def __init__(self, start_ms: int = 0) -> None:
        self._now = start_ms
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self._now

    def resume(self, ms: int) -> None:
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
