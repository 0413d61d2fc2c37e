"""The live engine: the parts put together, their start, their end, and their word to the rest.

engine = Engine(store, program, clock=SystemClock())
await engine.open()                     # recovery
async with asyncio.TaskGroup() as tasks:
    tasks.create_task(engine.run())     # raises StorageFailed if the store fails: exit 74
    ...                                 # ingress and delivery are given engine.submit, engine.write, engine.recheck
    await engine.drain()                # inputs refused as `draining`; all on disk, the next start replays nothing
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from actors.actor import veto_at_dispatch
from actors.alarms import Alarms
from actors.model.event import Event
from actors.model.program import Program
from actors.model.state import Actor
from actors.model.turn import Send
from engine import recovery
from engine.around_commits import AroundCommits
from engine.clock import Clock
from engine.committer import Committer, TryAgain
from engine.intake import CRITICAL, Intake
from engine.journal_tip import JournalTip
from engine.limits import Keep, Limits
from engine.listener import EngineListener
from engine.loading import Loading
from engine.quarantine import Quarantine
from engine.release import Release
from engine.residence import Residence
from engine.restoring import Restoring
from engine.retention import Retention
from engine.site_change_notice import SiteChangeNotice
from engine.site_swap import NO_WORD, SiteChange, SiteSwap
from engine.snapshot_rounds import SnapshotRounds
from engine.statistics import Statistics
from engine.submit import Receipt
from engine.timers import TimerLoop
from persistence import program_periods
from persistence.interface import JournalHead, Link, Mark, Store, StoreError, Suppression

CHECK_S: Final = 1.0

Describe = Callable[[str], Awaitable[SiteChange]]


class Engine:
    """`source` is what `program` was compiled from, and `compile_program` compiles such a source again: with them the
    programs of the journal are kept, recovery uses those that the journal was written under, and `swap` puts another in
    the place of the one that counts. `listener` is told what is committed."""

    def __init__(
        self,
        store: Store,
        program: Program,
        *,
        clock: Clock,
        limits: Limits | None = None,
        source: bytes = b"",
        compile_program: program_periods.Compile | None = None,
        listener: EngineListener | None = None,
        critical: frozenset[str] = CRITICAL,
        keep: Keep | None = None,
    ) -> None:
        self.limits = limits = limits or Limits()
        self._store = store
        self._clock = clock
        self._source = source
        self._compile = compile_program
        self._tip = tip = JournalTip(program)
        self._alarms = alarms = Alarms()
        self._residence = residence = Residence(limits, alarms)
        self._committer = committer = Committer(store, limits.refused_retry_ms)
        self._loading = loading = Loading(store, residence, committer)
        self._restoring = restoring = Restoring(store, tip, residence, loading, committer, alarms, clock)
        self.quarantine = quarantine = Quarantine(residence, committer, restoring, clock, limits)
        self._intake = intake = Intake(tip, clock, limits, residence, alarms, committer, loading, quarantine, critical)
        self.release = Release(store, quarantine, residence, loading, committer, intake, restoring)
        self._timers = timers = TimerLoop(intake, alarms, clock, committer, loading, limits.timers_per_slice_max)
        self._rounds = rounds = SnapshotRounds(residence.snapshots, committer, tip, limits)
        self._site_swap = SiteSwap(
            store,
            tip,
            intake,
            alarms,
            clock,
            residence,
            committer,
            loading,
            restoring,
            timers,
            limits.timers_per_slice_max,
        )
        self.rousing = SiteChangeNotice(store, intake.submit, tip, committer, rounds)
        self.retention = Retention(store, clock, keep, committer, quarantine)
        self._around_commits = committer.listener = AroundCommits(
            listener or EngineListener(), tip, clock, residence, rounds, timers, quarantine, restoring
        )
        self.replayed = 0
        """Journal rows that were taken again at the start."""

    @property
    def listener(self) -> EngineListener:
        """Who is told what is committed; may be replaced at any time."""
        return self._around_commits.listener

    @listener.setter
    def listener(self, listener: EngineListener) -> None:
        self._around_commits.listener = listener

    @property
    def program(self) -> Program:
        return self._tip.program

    @property
    def failed(self) -> asyncio.Event:
        """Set when the store has failed: close the sockets without a word and exit 74."""
        return self._committer.failed

    # --- start and end --------------------------------------------------------------------------------------------

    async def open(self, head: JournalHead | None = None, describe: Describe | None = None) -> JournalHead:
        """Recovery. When it returns, `submit` takes inputs; timers fire and commits are written once `run` runs. `head`: what
        `Store.open` returned, if the store is open already. `describe` is asked what to write of a change of the site that
        is found, and is given the hash of the program before, "" if there was none."""
        if head is None:
            head = await self._store.open()
        recovery.refuse_mixed_files(head)
        tip, committer, residence = self._tip, self._committer, self._residence
        residence.known_users.complete = head.seq == 0  # else somebody is stored, and who is new has to be asked
        tip.resume(head.seq, await recovery.floor_of(self._store, head))
        committer.durable_seq, committer.replayed_from = head.seq, head.replay_from
        self._clock.resume(max(head.at, tip.floor - 1))
        self.retention.begin(head.at)
        self.quarantine.fill(await self._store.held(), await self._store.quarantined())
        current = tip.program
        tip.follow(
            await program_periods.periods(self._store, self.quarantine.needs_journal_after, current, self._compile)
        )
        await recovery.arm(self._store, self._alarms)
        for user in residence.held:
            self._alarms.set(user, 0)
        self.replayed = await recovery.replay(self._store, head, residence, self._alarms, tip.periods)
        if self._compile is not None and tip.periods.newest != current.hash:
            change = NO_WORD if describe is None else await describe(tip.periods.newest)
            await self._site_swap.begin_at_start(current, self._source, change)
        return head

    async def swap(self, program: Program, source: bytes, change: SiteChange = NO_WORD) -> int:
        """See SiteSwap.swap."""
        assert self._compile is not None, "an engine without `compile_program` keeps no programs"
        began = await self._site_swap.swap(program, source, change)
        if began:
            self.rousing.look()
        return began

    async def run(self) -> None:
        """Until cancelled. Raises StorageFailed when the store has failed; `failed` is set then."""
        parts = [
            asyncio.ensure_future(part.run())
            for part in (self._committer, self._loading, self._timers, self.rousing, self._rounds)
        ]
        try:
            # A rebuild that meets a failed store runs beside the parts: its word must end them too.
            parts.append(asyncio.ensure_future(self._until_failed()))
            parts.append(asyncio.ensure_future(self._check_the_files()))
            parts.append(asyncio.ensure_future(self._retain()))
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
            if self._committer.failure is not None:
                raise self._committer.failure
        finally:
            for part in (*parts, *self._restoring.under_way):
                part.cancel()
            await asyncio.gather(*parts, *self._restoring.under_way, return_exceptions=True)

    async def _until_failed(self) -> None:
        await self.failed.wait()

    async def _retain(self) -> None:
        await self.retention.run()
        await self._until_failed()  # it gave up, and the others go on

    async def _check_the_files(self) -> None:
        """Every second, so that a server at rest notices too."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                await self._store.check()
            except StoreError as error:
                self._committer.fail(error)

    async def drain(self) -> None:
        """Take no more; returns when all is on disk and snapshotted. Raises StorageFull if there is no room for that."""
        self._intake.draining = True
        while True:
            try:
                await self._committer.drain()
                await self.snapshot()
            except TryAgain:
                await self._committer.room()
            else:
                return

    async def snapshot(self) -> None:
        """Every actor that has changed is written. Raises StorageFull."""
        await self._rounds.whole()

    # --- the engine's word ----------------------------------------------------------------------------------------

    def submit(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        """See engine/submit.py."""
        self._intake.submit(events, done)

    def in_flight(self) -> int:
        """Inputs that were submitted and whose `done` is still to be called."""
        return self._committer.inflight

    async def write(
        self, marks: Sequence[Mark] = (), links: Sequence[Link] = (), suppressions: Sequence[Suppression] = ()
    ) -> None:
        """Delivery's rows: see Committer.write."""
        await self._committer.write(marks, links, suppressions)

    async def recheck(self, send: Send) -> str | None:
        """Why a send that was decided may no longer go out, as of now; None: it may. Of a user who is held nobody knows
        what was consented to since."""
        actor = await self._actor(send.user)
        return (
            "user_quarantined"
            if actor is None
            else veto_at_dispatch(actor, send, self._clock.now_ms(), self._tip.program)
        )

    def owner(self, name: str, then: Callable[[str], None]) -> None:
        """Calls `then` with the user that an anonymous name belongs to; with the name itself if it is nobody's. At once if
        that is known, else when the store has been asked."""
        self._intake.owner(name, then)

    async def user(self, name: str) -> Actor | None:
        """The user's state, to be read at once and not kept; None if nothing was ever heard of the user, or it is held."""
        actor = await self._actor(name)
        return actor if actor is not None and actor.turn else None

    async def _actor(self, name: str) -> Actor | None:
        while True:
            name = self._residence.names.get(name, name)
            if name in self._residence.held:
                return None
            actor = self._residence.find(name) if name not in self._loading.mailboxes else None
            if actor is not None:
                return actor
            await self._loading.bring([name])

    def next_due(self) -> int | None:
        """When the next timer has to be looked at, in ms; None if there is none. Past while timers are firing."""
        return self._timers.next_due()

    async def written(self) -> None:
        """Returns when all that was taken so far is on disk. Raises StorageFull if it could not be stored."""
        await self._committer.gathered()

    def statistics(self) -> Statistics:
        counts, committer, residence = self._intake.counts, self._committer, self._residence
        commit_p50, commit_p99 = committer.commit_ms.percentiles(0.5, 0.99)
        late_p50, late_p99 = self._around_commits.lateness.percentiles(0.5, 0.99)
        return Statistics(
            events=counts.events,
            duplicates=counts.duplicates,
            too_old=counts.too_old,
            untracked=counts.untracked,
            refused=counts.refused,
            faults=self.quarantine.faults,
            held_users=len(residence.held),
            quarantined_events=self.quarantine.events,
            decisions=counts.decisions,
            sends=counts.sends,
            fired=counts.fired,
            refusals={campaign: dict(reasons) for campaign, reasons in counts.refusals.items()},
            reached=dict(counts.reached),
            conflicts=counts.conflicts,
            live_actors=len(residence.live),
            live_heavy_bytes=residence.heavy_bytes,
            packed_actors=len(residence.packed),
            packed_bytes=residence.packed_bytes,
            dirty_actors=len(residence.snapshots),
            loads=self._loading.loads,
            timers=len(self._alarms),
            inflight=committer.inflight,
            inflight_bytes=committer.inflight_bytes,
            commits=committer.commits,
            commit_ms_p50=commit_p50,
            commit_ms_p99=commit_p99,
            commit=committer.commit_ms.histogram(),
            last_commit_rows=committer.last_rows,
            lateness_ms_p50=late_p50,
            lateness_ms_p99=late_p99,
            lateness=self._around_commits.lateness.histogram(),
            seq=committer.durable_seq,
            replayed_from=committer.replayed_from,
            journal=self.retention.journal,
            clock_held=self._clock.held,
            storage=committer.storage,
            clock_offset_ms=self._clock.offset_ms,
            draining=self._intake.draining,
        )
