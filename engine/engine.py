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
from collections.abc import Callable, Sequence

from actors.actor import standing
from actors.event import Event
from actors.program import Program
from actors.state import Actor
from actors.turn import Send
from engine import programs, recovery
from engine.alarms import Alarms
from engine.clock import Clock
from engine.committer import Batch, Committer
from engine.limits import Limits
from engine.loading import Loading
from engine.residence import Residence
from engine.ringing import Ringing
from engine.shard import CRITICAL, Shard
from engine.statistics import Recent, Statistics
from engine.submit import Receipt
from persistence.interface import Commit, Head, Link, Mark, StorageFull, Store, StoreError, Suppression

FAULT_RETRY_MS = 60_000
"""After an actor's timers failed, they are tried again so much later."""


class Engine:
    """`on_sends` is called with sends that have just been committed, each at most once in all lives of the database; also
    with none, when there may be something in the outbox that is not told by name.

    `source` is what `program` was compiled from, and `compile_program` compiles such a source again: with them the
    programs of the journal are kept, and recovery uses the one that the journal was written under."""

    def __init__(
        self,
        store: Store,
        program: Program,
        *,
        clock: Clock,
        limits: Limits | None = None,
        source: bytes = b"",
        compile_program: programs.Compile | None = None,
        on_sends: Callable[[list[Send]], None] = lambda sends: None,
        critical: frozenset[str] = CRITICAL,
    ) -> None:
        self.limits = limits = limits or Limits()
        self._store = store
        self._clock = clock
        self._source = source
        self._compile = compile_program
        self._on_sends = on_sends
        self._told_before = 0
        self._alarms = Alarms()
        self._residence = Residence(limits, self._alarms)
        self._committer = Committer(
            store,
            prepare=self._prepare,
            settle=self._settle,
            on_full=self._restore_touched,
            on_sends=self._announce,
            retry_ms=limits.refused_retry_ms,
        )
        self._loading = Loading(store, self._residence, self._committer.fail)
        self._shard = Shard(
            program, clock, limits, self._residence, self._alarms, self._committer, self._loading, critical
        )
        self._shard.unusual.on_fault = self._restore_soon
        self._ringing = Ringing(
            self._shard, self._alarms, clock, self._committer, self._loading, limits.timers_per_slice_max
        )
        self._lateness = Recent()
        self._restoring: set[asyncio.Task[None]] = set()
        self.replayed = 0
        """Journal rows that were taken again at the start."""

    @property
    def program(self) -> Program:
        return self._shard.program

    @property
    def failed(self) -> asyncio.Event:
        """Set when the store has failed: close the sockets without a word and exit 74."""
        return self._committer.failed

    # --- start and end --------------------------------------------------------------------------------------------

    async def open(self) -> Head:
        """Recovery. When it returns, `submit` takes inputs; timers fire and commits are written once `run` runs."""
        head = await self._store.open()
        recovery.refuse_mixed_files(head)
        shard, committer, residence = self._shard, self._committer, self._residence
        residence.absence.complete = head.seq == 0  # else somebody is stored, and who is new has to be asked
        shard.seq = committer.durable_seq = head.seq
        committer.replayed_from = head.replay_from
        shard.floor = await recovery.floor_of(self._store, head)
        self._told_before = shard.floor
        self._clock.not_before(head.at)
        current = shard.program
        before, is_new = await self._recorded_program()
        if before is not None:
            shard.program = current.with_versions(before)
        await recovery.arm(self._store, self._alarms)
        under = before if is_new and before is not None else shard.program
        self.replayed = await recovery.replay(self._store, head, residence, self._alarms, under)
        if is_new:
            await self._begin_program(current.hash)
        return head

    async def _recorded_program(self) -> tuple[Program | None, bool]:
        """(the older programs of the journal, joined; whether the current one is not the newest of the journal)"""
        if self._compile is None:
            return None, False
        hashes = await programs.recorded(self._store)
        current = self._shard.program.hash
        before = await programs.older(self._store, hashes, current, self._compile)
        return before, not hashes or hashes[-1] != current

    async def _begin_program(self, program: str) -> None:
        """All that was taken under the older program is snapshotted first: it is never taken again under this one."""
        shard, snapshots = self._shard, self._residence.snapshots
        snapshots.begin(shard.seq)
        while snapshots.busy:
            commit = Commit()
            snapshots.ride(commit, self.limits.snapshots_per_commit_max)
            await self._store.commit(commit)
            snapshots.settle(commit)
        self._committer.replayed_from = shard.seq
        await self._store.commit(programs.record(program, self._source, shard.seq + 1, shard.stamp()))
        shard.seq += 1
        self._committer.durable_seq = shard.seq

    async def run(self) -> None:
        """Until cancelled. Raises StorageFailed when the store has failed; `failed` is set then."""
        parts = [asyncio.ensure_future(part.run()) for part in (self._committer, self._loading, self._ringing)] + [
            asyncio.ensure_future(self._snapshot_at_intervals())
        ]
        try:
            ended, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, *self._restoring, return_exceptions=True)

    async def drain(self) -> None:
        """Take no more; returns when all is on disk and snapshotted. Raises StorageFull if there is no room for that."""
        self._shard.draining = True
        await self._committer.drain()
        await self.snapshot()

    async def snapshot(self) -> None:
        """Every actor that has changed is written. Raises StorageFull."""
        await self._end_of_round()
        self._residence.snapshots.begin(self._shard.seq)
        await self._end_of_round()

    async def _end_of_round(self) -> None:
        while self._residence.snapshots.busy:
            await self._committer.gathered()

    # --- the engine's word ----------------------------------------------------------------------------------------

    def submit(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        """See engine/submit.py."""
        self._shard.submit(events, done)

    async def write(
        self, marks: Sequence[Mark] = (), links: Sequence[Link] = (), suppressions: Sequence[Suppression] = ()
    ) -> None:
        """Delivery's rows: see Committer.write."""
        await self._committer.write(marks, links, suppressions)

    async def recheck(self, send: Send) -> str | None:
        """Why a send that was decided may no longer go out, as of now; None: it may."""
        actor = await self._actor(send.user)
        return standing(actor, send, self._clock.now_ms(), self._shard.program)

    async def user(self, name: str) -> Actor | None:
        """The user's state, to be read at once and not kept; None if nothing was ever heard of the user."""
        actor = await self._actor(name)
        return actor if actor.turn else None

    async def _actor(self, name: str) -> Actor:
        while True:
            name = self._residence.names.get(name, name)
            actor = self._residence.find(name) if name not in self._loading.mailboxes else None
            if actor is not None:
                return actor
            await self._loading.bring([name])

    def next_due(self) -> int | None:
        """When the next timer has to be looked at, in ms; None if there is none. Past while timers are firing."""
        return self._ringing.next_due()

    async def written(self) -> None:
        """Returns when all that was taken so far is on disk. Raises StorageFull if it could not be stored."""
        await self._committer.gathered()

    def statistics(self) -> Statistics:
        shard, committer, residence = self._shard, self._committer, self._residence
        commit_p50, commit_p99 = committer.commit_ms.percentiles(0.5, 0.99)
        late_p50, late_p99 = self._lateness.percentiles(0.5, 0.99)
        return Statistics(
            events=shard.events,
            duplicates=shard.duplicates,
            untracked=shard.untracked,
            refused=shard.refused,
            faults=shard.unusual.faults,
            decisions=shard.decisions,
            sends=shard.sends,
            fired=shard.fired,
            refusals={campaign: dict(reasons) for campaign, reasons in shard.refusals.items()},
            live_actors=len(residence.live),
            packed_actors=len(residence.packed),
            packed_bytes=residence.packed_bytes,
            dirty_actors=len(residence.snapshots),
            loads=self._loading.loads,
            timers=len(self._alarms),
            inflight=committer.inflight,
            commits=committer.commits,
            commit_ms_p50=commit_p50,
            commit_ms_p99=commit_p99,
            last_commit_rows=committer.last_rows,
            lateness_ms_p50=late_p50,
            lateness_ms_p99=late_p99,
            seq=committer.durable_seq,
            replayed_from=committer.replayed_from,
            clock_held=self._clock.held,
            storage="failed" if committer.failure else "full" if committer.full else "good",
            draining=shard.draining,
        )

    # --- around a commit ------------------------------------------------------------------------------------------

    def _prepare(self, batch: Batch) -> None:
        self._residence.snapshots.ride(batch.commit, self.limits.snapshots_per_commit_max)
        self._residence.trim(batch.commit)

    def _settle(self, batch: Batch) -> None:
        snapshots = self._residence.snapshots
        snapshots.settle(batch.commit)
        if batch.fired:
            now = self._clock.now_ms()
            for due, _ in batch.fired:
                self._lateness.add(now - due)
        if snapshots.busy and batch.commit.snapshots:
            self._committer.wake()
        self._ringing.look()

    def _announce(self, sends: list[Send]) -> None:
        """A timer that fired before its actor was read again fires again, and its sends are in the outbox already, perhaps
        gone: only the outbox knows about those."""
        told_before = self._told_before
        self._on_sends([send for send in sends if send.at >= told_before])

    async def _snapshot_at_intervals(self) -> None:
        while True:
            await asyncio.sleep(self.limits.snapshot_every_ms / 1000)
            snapshots = self._residence.snapshots
            if not snapshots.busy and len(snapshots):
                snapshots.begin(self._shard.seq)
            if snapshots.busy:
                self._committer.wake()

    # --- actors whose state in memory is lost ---------------------------------------------------------------------

    async def _restore_touched(self, lost: Sequence[Batch]) -> None:
        """The disk was full: what was gathered never happened, so its actors are read again."""
        snapshots, residence = self._residence.snapshots, self._residence
        snapshots.roll_back()
        touched: set[str] = set()
        for batch in lost:
            touched |= batch.touched()
            for name, _ in batch.commit.names:
                residence.names.pop(name, None)
        self._loading.keep_out(touched)
        for user in touched:
            snapshots.forget(user)
        self._shard.seq = self._committer.durable_seq
        await self._rebuild(touched)
        self._loading.let_in(touched)

    def _restore_soon(self, user: str, timers: bool) -> None:
        """An actor failed in the middle of a turn: it is read again when its earlier turns are on disk."""
        self._loading.keep_out([user])
        task = asyncio.ensure_future(self._restore(user, timers))
        self._restoring.add(task)
        task.add_done_callback(self._restoring.discard)

    async def _restore(self, user: str, timers: bool) -> None:
        try:
            await self._committer.gathered()
        except StorageFull:
            await self._committer.room()
        if not self._loading.is_kept_out(user):
            return  # it was among those read again when the disk was full
        try:
            await self._rebuild({user})
        except StoreError as error:
            self._committer.fail(error)
        if timers:
            self._alarms.settle(user, self._clock.now_ms() + FAULT_RETRY_MS)
        self._loading.let_in([user])

    async def _rebuild(self, users: set[str]) -> None:
        after = self._committer.replayed_from
        self._told_before = self._shard.floor
        await recovery.rebuild(self._store, users, after, self._residence, self._alarms, self._shard.program)
