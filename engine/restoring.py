"""Actors whose state in memory is lost: after a full disk, and after a fault of ours. They are read again from the disk.

Nobody finds them meanwhile (`Loading.quarantine_users`): what comes for them waits in their mailboxes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from typing import Final

from actors.alarms import Alarms
from engine import recovery
from engine.clock import Clock
from engine.committer import CommitBatch, Committer
from engine.journal_tip import JournalTip
from engine.loading import Loading
from engine.residence import Residence
from persistence.interface import StorageFull, Store, StoreError

FAULT_RETRY_MS: Final = 60_000
"""After an actor's timers failed, they are tried again so much later."""


class Restoring:
    def __init__(
        self,
        store: Store,
        tip: JournalTip,
        residence: Residence,
        loading: Loading,
        committer: Committer,
        alarms: Alarms,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tip = tip
        self._residence = residence
        self._loading = loading
        self._committer = committer
        self._alarms = alarms
        self._clock = clock
        self.under_way: set[asyncio.Task[None]] = set()

    async def touched(self, lost: Sequence[CommitBatch]) -> None:
        """The disk was full: what was gathered never happened, so its actors are read again."""
        snapshots, residence = self._residence.snapshots, self._residence
        snapshots.roll_back()
        touched: set[str] = set()
        for batch in lost:
            touched |= batch.touched()
            for name, _ in batch.commit.names:
                residence.names.pop(name, None)
        self._loading.quarantine_users(touched)
        for user in touched:
            snapshots.forget(user)
        self._tip.rewind(self._committer.durable_seq)
        await self.rebuild(touched, self._committer.replayed_from)
        self._loading.readmit(touched)

    def soon(self, user: str, timers: bool) -> None:
        """An actor failed in the middle of a turn: it is read again when its earlier turns are on disk. `timers`: they
        were at fault."""
        self._loading.quarantine_users([user])
        task = asyncio.ensure_future(self._restore(user, timers))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)

    async def _restore(self, user: str, timers: bool) -> None:
        try:
            await self._committer.gathered()
        except StorageFull:
            await self._committer.room()
        if not self._loading.is_quarantined(user):
            return  # it was among those read again when the disk was full
        try:
            await self.rebuild({user}, self._committer.replayed_from)
        except StoreError as error:
            self._committer.fail(error)
        if timers:
            self._alarms.rearm(user, self._clock.now_ms() + FAULT_RETRY_MS)
        self._loading.readmit([user])

    async def rebuild(self, users: Set[str], after: int) -> None:
        """Make these actors anew from their snapshots and the journal after a position. Raises StoreError."""
        self._tip.replay()
        await recovery.rebuild(self._store, users, after, self._residence, self._alarms, self._tip.periods)
