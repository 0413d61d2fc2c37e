"""Who has done nothing since the site was changed is told of the change, if the site waits for silence now where it did not.

A timer is set when its user takes a turn, and who is silent takes none: without this a campaign for those who have gone,
added to a shop that runs, would find only those who come back. So the engine says an event of its own (`ROUSED`) of
every user whose snapshot is older than the change, some at a time. It is an input like any other: in the journal, once
for each user and change, and what is not done when the process ends is found again after its next start, which looks once
through the positions of all.
"""

from __future__ import annotations

import asyncio
from typing import Final

from actors.model.event import ROUSED, Event
from engine.committer import Committer
from engine.journal_tip import JournalTip
from engine.snapshot_rounds import SnapshotRounds
from engine.submit import Stopping, Submit, stored
from persistence.interface import StorageFull, Store

TOLD_AT_ONCE: Final = 250
"""Nothing comes between the turns of one batch: so many are brought in and taken in some milliseconds."""


class SiteChangeNotice:
    def __init__(
        self, store: Store, submit: Submit, tip: JournalTip, committer: Committer, rounds: SnapshotRounds
    ) -> None:
        self._store = store
        self._submit = submit
        self._tip = tip
        self._committer = committer
        self._rounds = rounds
        self._woken = asyncio.Event()
        self._done = 0
        self.settled = asyncio.Event()
        """Nobody is to be told of anything."""

    def look(self) -> None:
        """The site was changed, and that is on disk."""
        self.settled.clear()
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. Raises what the store raises if it fails."""
        self._woken.set()
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while (since := self._since()) > self._done:
                    await self._notify(since)
                    self._done = since
                self.settled.set()
            except StorageFull:
                await self._committer.room()
                self._woken.set()
            except Stopping:
                pass  # the next start finds who is left

    def _since(self) -> int:
        """From which journal position on users know of all that the site waits for, as far as that is on disk; 0: all do."""
        since = self._tip.periods.waits_since
        return since if since <= self._committer.durable_seq else 0

    async def _notify(self, since: int) -> None:
        # Who was never written is not found.
        await self._rounds.reach(since)
        async for positions in self._store.positions():
            behind = [one.user for one in positions if one.seq < since]
            for start in range(0, len(behind), TOLD_AT_ONCE):
                some = behind[start : start + TOLD_AT_ONCE]
                await stored(self._submit, [_notified(user, since) for user in some])


def _notified(user: str, since: int) -> Event:
    # No client can have taken that id before: the ways in let no control character through.
    return Event(user=user, name=ROUSED, message_id=f"{ROUSED}\x1f{since}", source="engine")
