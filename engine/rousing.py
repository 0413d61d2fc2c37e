"""Who has done nothing since the site was changed is told of the change, if the site waits for silence now where it did not.

A timer is set when its user takes a turn, and who is silent takes none: without this a campaign for those who have gone,
added to a shop that runs, would find only those who come back. So the engine says an event of its own (`ROUSED`) of
every user whose snapshot is older than the change, some at a time. It is an input like any other: in the journal, once
for each user and change, and what is not done when the process ends is found again after its next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from actors.event import ROUSED, Event
from engine.submit import Stopping, Submit, stored
from persistence.interface import StorageFull, Store

USERS_A_SLICE: Final = 500


class Rousing:
    """`since` says from which journal position on users know of all that the site waits for; 0: all do. `snapshot` writes
    all that has changed (raises StorageFull), and `room` returns when the disk has room again."""

    def __init__(
        self,
        store: Store,
        submit: Submit,
        *,
        since: Callable[[], int],
        snapshot: Callable[[], Awaitable[None]],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._submit = submit
        self._since = since
        self._snapshot = snapshot
        self._room = room
        self._woken = asyncio.Event()
        self._done = 0
        self.settled = asyncio.Event()
        """Nobody is to be told of anything."""

    def look(self) -> None:
        """The site was changed."""
        self.settled.clear()
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Raises what the store raises if it fails."""
        self._woken.set()
        while True:
            await self._woken.wait()
            self._woken.clear()
            since = self._since()
            while since > self._done:
                try:
                    await self._rouse(since)
                    self._done = since
                except StorageFull:
                    await self._room()
                except Stopping:
                    break  # the next start finds who is left
            self.settled.set()

    async def _rouse(self, since: int) -> None:
        # Who was never written is not found among those behind.
        await self._snapshot()
        last = ""
        while users := await self._store.behind(since, last, USERS_A_SLICE):
            await stored(self._submit, [_roused(user, since) for user in users])
            last = users[-1]


def _roused(user: str, since: int) -> Event:
    return Event(user=user, name=ROUSED, message_id=f"{ROUSED}-{since}", source="engine")
