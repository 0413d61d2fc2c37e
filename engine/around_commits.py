"""What the parts of the engine do around each commit: before it is written, when it is on disk, when it was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.model.turn import Send
from engine.clock import Clock
from engine.committer import CommitBatch, CommitListener
from engine.journal_tip import JournalTip
from engine.latencies import LATENESS_BOUNDS_MS, Latencies
from engine.listener import EngineListener
from engine.quarantine import Quarantine
from engine.residence import Residence
from engine.restoring import Restoring
from engine.snapshot_rounds import SnapshotRounds
from engine.timers import TimerLoop


class AroundCommits(CommitListener):
    def __init__(
        self,
        listener: EngineListener,
        tip: JournalTip,
        clock: Clock,
        residence: Residence,
        rounds: SnapshotRounds,
        timers: TimerLoop,
        quarantine: Quarantine,
        restoring: Restoring,
    ) -> None:
        self.listener = listener
        self.lateness = Latencies(LATENESS_BOUNDS_MS)
        """Of timers, from due to on disk."""
        self._tip = tip
        self._clock = clock
        self._residence = residence
        self._rounds = rounds
        self._timers = timers
        self._quarantine = quarantine
        self._restoring = restoring

    def prepare(self, batch: CommitBatch) -> None:
        self._rounds.ride(batch.commit)
        self._residence.shrink(batch.commit)

    def settle(self, batch: CommitBatch) -> None:
        self.listener.on_commit(batch.commit)
        self._quarantine.settle(batch.commit)
        self._residence.snapshots.settle(batch.commit)
        if batch.fired:
            now = self._clock.now_ms()
            for due, _ in batch.fired:
                self.lateness.add(now - due)
        self._timers.look()

    def announce(self, sends: list[Send]) -> None:
        # A timer that fired before its actor was read again fires again, and its sends are in the outbox already, perhaps
        # gone: only the outbox knows about those.
        before = self._tip.replayed_before
        self.listener.on_sends([send for send in sends if send.at >= before])

    async def restore(self, lost: Sequence[CommitBatch]) -> None:
        self._quarantine.lost(lost)
        await self._restoring.touched(lost)

    def hold(self, refused: Mapping[str, str]) -> bool:
        return self._quarantine.refused(refused.items())
