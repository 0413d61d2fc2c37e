"""Another program takes the place of the one that counts, while inputs come and timers ring.

What came before, and every timer due before, was taken under the older one: so between the last of those timers and the
journal's entry of the change nothing is awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from actors.alarms import Alarms
from actors.model.campaign_change import CampaignChange
from actors.model.program import Program
from engine import recovery
from engine.clock import Clock
from engine.committer import Committer
from engine.intake import Intake
from engine.journal_tip import JournalTip
from engine.loading import Loading
from engine.residence import Residence
from engine.restoring import Restoring
from engine.timers import TimerLoop
from persistence import program_periods
from persistence.interface import StorageFull, Store


class SiteChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal is to say of a change of program: who made it, and what of the site it changed."""

    who: str = ""
    of: tuple[CampaignChange, ...] = ()


NO_WORD: Final = SiteChange()

SOON_MS: Final = 250
"""Whoever is due so soon is in memory before a program is changed, so that nobody is waited for in the middle of it."""


class SiteSwap:
    def __init__(
        self,
        store: Store,
        tip: JournalTip,
        intake: Intake,
        alarms: Alarms,
        clock: Clock,
        residence: Residence,
        committer: Committer,
        loading: Loading,
        restoring: Restoring,
        timers: TimerLoop,
        slice_max: int,
    ) -> None:
        self._store = store
        self._tip = tip
        self._intake = intake
        self._alarms = alarms
        self._clock = clock
        self._residence = residence
        self._committer = committer
        self._loading = loading
        self._restoring = restoring
        self._timers = timers
        self._slice_max = slice_max

    async def begin_at_start(self, program: Program, source: bytes, change: SiteChange) -> None:
        """The site was changed while nothing ran: what came due meanwhile fires under the older program."""
        until = self._tip.stamp(self._clock.now_ms()) - 1
        while ringing := self._alarms.pop_due(until, self._slice_max):
            await recovery.bring(self._store, [user for _, user in ringing], self._residence)
            self._intake.fire(ringing, until)
            await self._committer.flush()
        runs_in = await self._still_run(program, self._committer.flush)
        self._begin(program, source, change, runs_in)
        await self._committer.flush()

    async def swap(self, program: Program, source: bytes, change: SiteChange = NO_WORD) -> int:
        """Another program counts from now on. `source` is what it was compiled from. Runs go on in the versions they entered
        with.

        Returns the journal's position of the change when it is on disk; 0 if the program is the one that counts.
        Raises StorageFull: then nothing has changed.
        """
        while program.hash != (before := self._tip.periods.newest):
            runs_in = await self._still_run(program, self._committer.gathered)
            async with self._timers.between:
                if self._tip.periods.newest != before:
                    continue  # another change came in between
                while not await self._try_to_begin(program, source, change, runs_in):
                    pass
                began = self._tip.seq
                await self._committer.gathered()
            return began
        return 0

    async def _still_run(self, program: Program, on_disk: Callable[[], Awaitable[None]]) -> list[str]:
        """Return the versions that `program` would leave behind and that runs are in, or may come into under the program
        that counts. `on_disk` returns when what has gathered is on disk.

        Nobody comes into such a version any more. So a run in it is in its actor's row, or in the memory of an actor that is
        ahead of its row; and a run that moves to another user (two turn out to be one) is in one row or the other at any
        moment, for a join's commit holds both. Looking at memory first, then waiting for what has gathered, then reading all
        rows as of one moment misses no run. It may find one that is over by then: a version is kept for a change more.
        """
        while self._restoring.under_way:
            await asyncio.wait(self._restoring.under_way)
        periods = self._tip.periods
        behind = periods.left_behind(program)
        if not behind:
            return []
        ahead = [
            actor for user in self._residence.snapshots.ahead() if (actor := self._residence.peek(user)) is not None
        ]
        found = {run.version for actor in ahead for run in actor.runs}
        found |= {campaign.version for campaign in periods.current.campaigns}  # beside a canary stands an older version
        await on_disk()
        found |= await self._store.named([version for version in behind if version not in found])
        return [version for version in behind if version in found]

    async def _try_to_begin(self, program: Program, source: bytes, change: SiteChange, runs_in: Sequence[str]) -> bool:
        """False: it has to be tried again, for somebody who is due was not in memory, or not as the disk has them."""
        if self._committer.full or self._committer.failure is not None:
            raise StorageFull("no room on the disk; trying again by itself")
        if self._restoring.under_way:
            await asyncio.wait(self._restoring.under_way)
            return False
        await self._timers.catch_up()
        await self._bring_those_due_soon()
        until = self._tip.stamp(self._clock.now_ms()) - 1
        ringing = self._alarms.pop_due(until, self._slice_max)
        away = self._intake.fire(ringing, until)
        for due, user in away:
            self._alarms.set(user, due)
        next_due = self._alarms.next_due()
        if self._restoring.under_way or (next_due is not None and next_due <= until):
            return False
        self._begin(program, source, change, runs_in)
        return True

    async def _bring_those_due_soon(self) -> None:
        soon = self._alarms.pop_due(self._clock.now_ms() + SOON_MS, self._slice_max)
        for due, user in soon:
            self._alarms.set(user, due)
        await self._loading.bring([user for _, user in soon if self._residence.find(user) is None])

    def _begin(self, program: Program, source: bytes, change: SiteChange, runs_in: Sequence[str]) -> None:
        """Synchronous: nothing is taken between the stamp and the change."""
        periods, at = self._tip.periods, self._tip.stamp(self._clock.now_ms())
        body = periods.next(program, at, change.who, change.of, runs_in)
        entry = program_periods.entry(body, self._tip.seq + 1, at)
        counted = periods.begin(program, program_periods.ProgramPeriod(entry.seq, at, body))
        self._intake.begin(counted, entry, source)
