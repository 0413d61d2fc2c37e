"""Timers ring: whoever is due is woken, a bounded number at a time, so that inputs get their turn in between."""

from __future__ import annotations

import asyncio

from actors.alarms import Alarms
from engine.clock import Clock
from engine.committer import Committer
from engine.intake import Intake
from engine.loading import Loading
from persistence.interface import StorageFull


class TimerLoop:
    """Due timers are held while the disk is full. A slice is on disk before the next one fires."""

    def __init__(
        self, intake: Intake, alarms: Alarms, clock: Clock, committer: Committer, loading: Loading, slice_max: int
    ) -> None:
        self._intake = intake
        self._alarms = alarms
        self._clock = clock
        self._committer = committer
        self._loading = loading
        self._slice_max = slice_max
        self._wake = asyncio.Event()
        self.between = asyncio.Lock()
        """Whoever holds it knows that no slice of timers is under way: what is due stands in the index."""
        self._until: int | None = None
        self._ringing_since: int | None = None

    def look(self) -> None:
        """The next due time may have come closer."""
        due = self._alarms.next_due()
        if due is not None and (self._until is None or due < self._until):
            self._wake.set()

    def next_due(self) -> int | None:
        """When the next timer has to be looked at, in ms; those that ring just now are due until they are on disk."""
        return self._alarms.next_due() if self._ringing_since is None else self._ringing_since

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._committer.room()
            now = self._clock.now_ms()
            due = self._alarms.next_due()
            if due is None or due > now:
                self._until = due
                await self._clock.sleep_until(due, self._wake)
                continue
            async with self.between:
                await self._fire_due(now)

    async def catch_up(self) -> None:
        """All timers due until now fire. Only with `between` held, and while the disk has room."""
        while not self._committer.full:
            now, due = self._clock.now_ms(), self._alarms.next_due()
            if due is None or due > now:
                return
            await self._fire_due(now)

    async def _fire_due(self, now: int) -> None:
        ringing = self._alarms.pop_due(now, self._slice_max)
        if not ringing:
            return
        self._ringing_since = ringing[0][0]
        await self._fire(ringing, now)
        self._ringing_since = None

    async def _fire(self, ringing: list[tuple[int, str]], now: int) -> None:
        away = self._intake.fire(ringing, now)
        try:
            if away:
                await self._loading.bring([user for _, user in away])
                if self._committer.full:
                    raise StorageFull("no room on the disk")
                away = self._intake.fire(away, self._clock.now_ms())
            await self._committer.gathered()
        except StorageFull:
            pass  # what had fired has been read again from disk, and is due as before
        for due, user in away:
            self._alarms.set(user, due)
