"""One value made now and then, and handed to many who watch; nobody watching, nothing is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable


class Ticker:
    """`make` is called every `period_s` while there are watchers, at most `watchers_max` of them.

    A watcher that is slow misses values and always gets the newest: nothing queues up behind it.
    """

    def __init__(self, make: Callable[[], Awaitable[bytes]], *, period_s: float = 1.0, watchers_max: int = 50) -> None:
        self._make = make
        self._period_s = period_s
        self._watchers_max = watchers_max
        self._watchers = 0
        self._value = b""
        self._fresh = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether there is no room for another watcher."""
        return self._watchers >= self._watchers_max

    async def watch(self) -> AsyncIterator[bytes]:
        """Values from now on, the newest at once. Ends if `make` fails or the ticker is ended."""
        self._watchers += 1
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            elif self._value:
                yield self._value
            while True:
                await self._fresh.wait()
                if self._task.done():
                    return
                yield self._value
        finally:
            self._watchers -= 1

    def end(self) -> None:
        """Ends all who watch. A later watcher starts it anew."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._watchers:
                self._value = await self._make()
                self._tell()
                await asyncio.sleep(self._period_s)
        finally:
            # Whoever still waits must learn that nothing more will come.
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        # A new event for the next round: whoever comes late to this one waits for the next value.
        fresh, self._fresh = self._fresh, asyncio.Event()
        fresh.set()
