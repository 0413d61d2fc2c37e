"""Snapshots of all that has changed: a round at a time, each commit taking some of them along."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from engine.committer import Committer
from engine.journal_tip import JournalTip
from engine.limits import Limits
from engine.snapshots import Snapshots
from persistence.interface import Commit, StorageFull


class SnapshotRounds:
    def __init__(self, snapshots: Snapshots, committer: Committer, tip: JournalTip, limits: Limits) -> None:
        self._snapshots = snapshots
        self._committer = committer
        self._tip = tip
        self._limits = limits
        self._rides = False
        """The next commit takes some along."""

    async def whole(self) -> None:
        """Returns when every actor that has changed is written. Raises StorageFull."""
        await self._finish()
        self._snapshots.begin(self._tip.seq)
        await self._finish()

    async def reach(self, position: int) -> None:
        """Returns when everybody's snapshot is of that journal position or a later one. Raises StorageFull."""
        if self._committer.replayed_from < position:
            await self.whole()

    async def run(self) -> None:
        """Begins a round at every interval, until cancelled: spread over half of it, so that no commit is long because of
        them and no timer late."""
        interval = self._limits.snapshot_every_ms / 1000
        while True:
            await asyncio.sleep(interval)
            await self._committer.room()
            if len(self._snapshots):
                slices = len(self._snapshots) / self._limits.snapshots_per_commit_max
                self._snapshots.begin(self._tip.seq)
                with suppress(StorageFull):
                    await self._finish(interval / 2 / max(slices, 1.0))

    def ride(self, commit: Commit) -> None:
        """The commit, about to be written, takes some of a round along."""
        if self._rides:
            self._rides = False
            limits = self._limits
            self._snapshots.ride(commit, limits.snapshots_per_commit_max, limits.snapshot_bytes_per_commit_max)

    async def _finish(self, pause_s: float = 0.0) -> None:
        while self._snapshots.busy:
            self._rides = True
            await self._committer.gathered()
            if pause_s:
                await asyncio.sleep(pause_s)
