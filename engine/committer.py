"""Commits that batch themselves: while one transaction is being written, turns gather; then they go together.

No timer and no tuning: at rest an event waits for one fsync, under load hundreds share one. What the committer promises:

* Nothing is let go (no `done`, no sends, no waiter) before the transaction that holds it is on disk.
* Let go in the order in which it was gathered.
* Disk full: nothing of the batch is stored. All who waited are told, the listener restores what is in memory, and the
  committer tries by itself until there is room again.
* Rows that the store refuses: nothing of the batch is stored either. The listener holds whose rows they are, and the
  others' are to be sent again at once.
* Any other failure of the store: nobody is told anything, because nothing is known (reliability.md §3.4): `failed` is set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Protocol

from actors.model.turn import Send, Turn
from engine.latencies import COMMIT_BOUNDS_MS, Latencies
from engine.statistics import StorageState
from engine.submit import Receipt
from persistence.interface import (
    Commit,
    Link,
    Mark,
    RowsRefused,
    StorageFailed,
    StorageFull,
    Store,
    StoreError,
    Suppression,
)

log = logging.getLogger(__name__)

Done = Callable[[Receipt], None]

PROBE_S_MIN = 0.1
PROBE_S_MAX = 5.0
STALL_S = 60.0
"""A commit under way for longer stalls: another program holds the database, or the disk hangs."""


class TryAgain(StorageFull):
    """The commit was lost for the sake of one user's rows. There is room, and the same without them will be stored."""


class CommitBatch:
    """What gathers for one transaction, and who waits for it."""

    __slots__ = ("bytes", "commit", "dones", "fired", "inputs", "waiters")

    def __init__(self) -> None:
        self.commit = Commit()
        self.dones: list[tuple[Done, Receipt]] = []
        """(done, our word if all is well)"""
        self.inputs = 0
        """Of `dones`, in flight until they are told."""
        self.bytes = 0
        """Of those inputs."""
        self.fired: list[tuple[int, str]] = []
        """(due, user) of the timers that fired."""
        self.waiters: list[asyncio.Future[None]] = []

    def gather(self, turn: Turn) -> None:
        """Take up what came of a turn."""
        if turn.decisions:
            self.commit.decisions.extend(turn.decisions)
        if turn.sends:
            self.commit.sends.extend(turn.sends)

    def answer(self, done: Done, inputs: int, size: int, receipt: Receipt) -> None:
        """Have `done` told `receipt` when this is on disk."""
        self.dones.append((done, receipt))
        self.inputs += inputs
        self.bytes += size

    def rows(self) -> int:
        """How much there is to write."""
        commit = self.commit
        return (
            len(commit.entries)
            + len(commit.decisions)
            + len(commit.sends)
            + len(commit.snapshots)
            + len(commit.marks)
            + len(commit.links)
            + len(commit.suppressions)
            + len(commit.names)
            + len(commit.gone)
            + len(commit.held)
            + len(commit.freed)
            + len(commit.quarantined)
            + len(commit.dismissed)
            + (commit.replayed_from is not None)
        )

    def touched(self) -> set[str]:
        """The actors whose state in memory is ahead of the disk until this is committed."""
        names = {entry.event.user for entry in self.commit.entries}
        names.update(user for _, user in self.fired)
        names.update(source for source, _ in self.commit.names)
        names.discard("")  # a change of program is nobody's
        return names


class CommitListener(Protocol):
    """What the rest of the engine has to do with a commit."""

    def prepare(self, batch: CommitBatch) -> None:
        """It is about to be written: what else is to go with it is added now."""

    def settle(self, batch: CommitBatch) -> None:
        """It is on disk, and nobody has been told."""

    def announce(self, sends: list[Send]) -> None:
        """They are on disk, and all who waited for them were told."""

    async def restore(self, lost: Sequence[CommitBatch]) -> None:
        """Nothing of these was stored: memory is to be what the disk has. Raises StoreError."""

    def hold(self, refused: Mapping[str, str]) -> bool:
        """The store refuses rows of these users, and why. Returns whether that is news: the next commit is without them."""


class Committer:
    """Writes what gathers. `listener` is set once, before anything is written: what it does needs a committer."""

    def __init__(
        self,
        store: Store,
        retry_ms: int,
    ) -> None:
        self.listener: CommitListener
        self._store = store
        self.losses = 0
        """Commits that found no room."""
        self.retry_ms = retry_ms
        self.gathering = CommitBatch()
        self.inflight = 0
        """Inputs submitted whose `done` is still to be called."""
        self.inflight_bytes = 0
        """Of their properties and contexts."""
        self.full = False
        self._loss: type[StorageFull] = StorageFull
        """Why it is full: there is no room, or the commit is to be made again without somebody's rows."""
        self.failed = asyncio.Event()
        self.failure: StoreError | None = None
        self._flying_since: float | None = None
        self.commits = 0
        self.last_rows = 0
        self.commit_ms = Latencies(COMMIT_BOUNDS_MS)
        self.durable_seq = 0
        self.replayed_from = 0
        self._room = asyncio.Event()
        self._room.set()
        self._asleep: asyncio.Future[None] | None = None
        self._awake = False

    # --- gathering ------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something has gathered. Cheap: called once a batch."""
        if not self._awake:
            self._awake = True
            if self._asleep is not None and not self._asleep.done():
                self._asleep.set_result(None)

    def take(self, done: Done, inputs: int, size: int, receipt: Receipt) -> None:
        """Count inputs as in flight, and have `done` told `receipt` when what has gathered is on disk."""
        self.inflight += inputs
        self.inflight_bytes += size
        batch = self.gathering  # as `CommitBatch.answer`, once a batch of the hot path
        batch.dones.append((done, receipt))
        batch.inputs += inputs
        batch.bytes += size
        if not self._awake:
            self.wake()

    def expect(self, inputs: int, size: int) -> None:
        """Count inputs as in flight whose word is to come, by `answer` or `refuse`."""
        self.inflight += inputs
        self.inflight_bytes += size

    def answer(self, done: Done, inputs: int, size: int, receipt: Receipt) -> None:
        """Have `done` told `receipt` when what has gathered is on disk. The inputs are in flight."""
        self.gathering.answer(done, inputs, size, receipt)
        self.wake()

    def refuse(self, done: Done, inputs: int, size: int, receipt: Receipt) -> None:
        """Tell `done` at once that its inputs, which are in flight, were not taken."""
        self.inflight -= inputs
        self.inflight_bytes -= size
        done(receipt)

    def gathered(self) -> asyncio.Future[None]:
        """Done when all that has gathered so far is on disk; raises StorageFull if it could not be stored."""
        waiter = asyncio.get_running_loop().create_future()
        if self.full:
            waiter.set_exception(self._loss("nothing is stored just now; it goes on by itself"))
            return waiter
        self.gathering.waiters.append(waiter)
        self.wake()
        return waiter

    async def write(
        self, marks: Sequence[Mark] = (), links: Sequence[Link] = (), suppressions: Sequence[Suppression] = ()
    ) -> None:
        """Delivery's rows, in the next commit. Returns when they are on disk; raises StorageFull if they are not.

        If the store fails it never returns: the process is about to stop, and no word is the right word."""
        if not self.full:
            commit = self.gathering.commit
            commit.marks.extend(marks)
            commit.links.extend(links)
            commit.suppressions.extend(suppressions)
        await self.gathered()

    async def room(self) -> None:
        """Returns when the disk is not full."""
        await self._room.wait()

    # --- writing --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Writes what gathers, until cancelled. Raises StorageFailed when the store has failed, `failed` being set."""
        while True:
            await self._sleep()
            await self._fly()

    async def flush(self) -> None:
        """Writes what has gathered, where `run` does not run yet. Raises StorageFailed."""
        await self._fly()

    async def drain(self) -> None:
        """Returns when all inputs in flight are on disk. Raises StorageFull if they could not be stored."""
        while self.inflight:
            await self.gathered()
            await asyncio.sleep(0)
        await self.gathered()

    async def _sleep(self) -> None:
        if not self._awake:
            self._asleep = asyncio.get_running_loop().create_future()
            try:
                await self._asleep
            finally:
                self._asleep = None
        self._awake = False

    async def _fly(self) -> None:
        batch = self.gathering
        try:
            self.listener.prepare(batch)
            self.gathering = CommitBatch()
            if batch.rows():
                started = self._flying_since = perf_counter()
                await self._store.commit(batch.commit)
                self.commit_ms.add((perf_counter() - started) * 1000)
                self.commits += 1
                self.last_rows = batch.rows()
                if batch.commit.entries:
                    self.durable_seq = batch.commit.entries[-1].seq
                if batch.commit.replayed_from is not None:
                    self.replayed_from = batch.commit.replayed_from
        except StorageFull as error:
            await self._wait_for_room(batch, error)
        except RowsRefused as error:
            await self._do_without(batch, error)
        except StoreError as error:
            self.fail(error)
        except Exception as error:  # a row of nobody's that the store refuses is a bug of ours: as little is known as after an I/O error
            self.fail(StorageFailed(f"a commit was refused: {error}"))
        else:
            self._let_go(batch)
        finally:
            self._flying_since = None

    @property
    def storage(self) -> StorageState:
        if self.failure is not None:
            return "failed"
        if self.full:
            return "full"
        return "good" if self._flying_since is None or perf_counter() - self._flying_since < STALL_S else "stalled"

    def fail(self, error: StoreError) -> None:
        """Stop: nobody is told anything any more. Always raises."""
        self.failure = error
        self.failed.set()
        log.critical("the store failed; stopping without a word to clients: %s", error)
        raise error if isinstance(error, StorageFailed) else StorageFailed(error.what) from error

    def _let_go(self, batch: CommitBatch) -> None:
        self.listener.settle(batch)
        self._landed(batch)
        for done, receipt in batch.dones:
            _tell(done, receipt)
        for waiter in batch.waiters:
            if not waiter.done():
                waiter.set_result(None)
        if batch.commit.sends:
            self.listener.announce(batch.commit.sends)

    def _landed(self, batch: CommitBatch) -> None:
        self.inflight -= batch.inputs
        self.inflight_bytes -= batch.bytes

    # --- nothing of it is stored ----------------------------------------------------------------------------------

    async def _wait_for_room(self, batch: CommitBatch, error: StorageFull) -> None:
        log.error("no room on the disk, refusing inputs until there is: %s", error)
        lost = self._lose(batch, error)
        try:
            await self.listener.restore(lost)
            await self._probe()
        except StoreError as other:
            self.fail(other)
        self._go_on()
        log.warning("there is room on the disk again")

    async def _do_without(self, batch: CommitBatch, error: RowsRefused) -> None:
        lost = self._lose(batch, TryAgain(error.what))
        if not self.listener.hold(error.users):
            self.fail(StorageFailed(f"a commit was refused, and not for what is new in it: {error}"))
        try:
            await self.listener.restore(lost)
        except StoreError as other:
            self.fail(other)
        self._go_on()

    def _lose(self, batch: CommitBatch, error: StorageFull) -> list[CommitBatch]:
        """Nothing of `batch` is stored, so what gathered upon it cannot be either. All who waited are told."""
        self.full = True
        self._loss = type(error)
        self._room.clear()
        lost = [batch, self.gathering]
        self.gathering = CommitBatch()
        for one in lost:
            self._refuse(one, error)
        self.losses += 1
        return lost

    def _go_on(self) -> None:
        self.full = False
        self._room.set()

    def _refuse(self, batch: CommitBatch, error: StorageFull) -> None:
        receipt = Receipt(refused="storage_full", retry_ms=self.retry_ms)
        self._landed(batch)
        for done, _ in batch.dones:
            _tell(done, receipt)
        for waiter in batch.waiters:
            if not waiter.done():
                waiter.set_exception(type(error)(error.what))

    async def _probe(self) -> None:
        """Until a small write succeeds. It repeats what is there already, so it may be lost or doubled."""
        seconds = PROBE_S_MIN
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._store.commit(Commit(replayed_from=self.replayed_from))
            except StorageFull:
                seconds = min(seconds * 2, PROBE_S_MAX)
            else:
                return


def _tell(done: Done, receipt: Receipt) -> None:
    """One listener's fault must not keep the word from the others."""
    try:
        done(receipt)
    except Exception:
        log.exception("a listener failed on its receipt %r", receipt)
