"""The store in one SQLite file, for one process.

| table | row | key and indexes |
|---|---|---|
| `journal` | a block: the entries of one commit in MessagePack, how many, from when to when, their CRC-32 | `first_seq`, without gaps; where operators changed something |
| `journal_users` | only if `index_users`: a user, and the first place of a block with something of them | (`user`, `first_seq`) |
| `actors` | a snapshot: position in the journal, next due time, packed state | `user`; `due` where there is one |
| `ledger` | a decision in MessagePack, and user, turn, index, at, campaign of it | (`user`, `turn`, `idx`); `at`; (`campaign`, `at`) |
| `outbox` | a send in MessagePack, and id, user, at of it; its state (a trigger keeps the arrows), attempts, due, who claimed it, the last reply | `id`; `due` where it waits; (`state`, `at`) |
| `programs` | what a program was compiled from | `hash` |
| `names` | anonymous name -> user | `name` |
| `suppressions` | an address that gets nothing more, and why | (`address` without regard to case, `topic`) |
| `links` | target and name of a tracked link | (`send`, `idx`) |
| `changes` | what an operator changed in the part of the journal that was cut off, in MessagePack | `seq` |
| `held` | a user whose actor takes no turns, why, and after which journal position its turns have to be taken again | `user` |
| `quarantine` | an event that is in no journal, in MessagePack, and why | (`user`, `message_id`) |
| `hold` | one row if the outbox is on hold: since when, and why | |
| `released` | a send that may go out nevertheless | `send` |
| `meta` | one row: from where the journal has to be taken again, which place this is (`place.py`), how often the outbox moved | |

All writes and checkpoints go through one connection (`writing.py`), all reads through another that cannot write
(`reading.py`). Beside the file lie SQLite's `-wal` and `-shm`, and our `.lock`, `.head` and `.place`,
and while an engine runs the `.sock` of `cuebird/control/`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiosqlite

from actors.model.turn import Decision
from persistence import holding
from persistence.faults import Health
from persistence.files import OpenFiles
from persistence.head import HeadMark
from persistence.interface import (
    Commit,
    Due,
    Held,
    Hold,
    Journal,
    JournalEntry,
    JournalHead,
    Link,
    Outboxed,
    Position,
    Quarantined,
    SendState,
    Snapshot,
    StorageBusy,
    StorageFull,
    StoreRefused,
    Suppression,
)
from persistence.lock import EngineLock
from persistence.opening import connect_reader, connect_writer, migrations, prepare_file
from persistence.place import DatabasePlace
from persistence.reading import SqliteReader
from persistence.writing import Writer


class SqliteStore:
    """Keeps the contract of `interface.Store` in the file `path`, made with mode 0600 (its directory with 0700) if it is
    not there.

    `index_users` keeps an index on the journal's users. Without it `history` reads the whole journal (measured: 0.25 s for
    a million entries that the system has cached) instead of the blocks with something of the user. With it a commit of
    journal entries takes about twice as long, for the events of a thousand users lie in a thousand places of an index.
    Opening makes it from the journal if it is not there.

    `accept_loss`: a journal that ends before its head mark is opened nevertheless.

    A database that is not where it was, or is older than what was there, is a copy: opening it puts its outbox on hold.
    `machine`: see `DatabasePlace`; None: the system's own id.

    The journal says if it is not what was written: StorageDamaged from whatever reads it. After StorageFailed every method raises it again; only `close` still works. `close` has to be called in any case: the
    threads of the connections keep the process alive.
    """

    def __init__(
        self, path: Path, *, index_users: bool = False, accept_loss: bool = False, machine: str | None = None
    ) -> None:
        self._path = path
        self._index_users = index_users
        self._accept_loss = accept_loss
        self._lock = EngineLock(path)
        self._mark = HeadMark(path)
        self._place = DatabasePlace(path, machine)
        self._connections: list[aiosqlite.Connection] = []
        self._health = Health(path)
        self._opened_at = 0
        self._bytes_before: int | None = None
        """Of the journal when it was opened; None: not counted yet."""
        self._writer: Writer | None = None
        self._reader: SqliteReader | None = None

    async def open(self) -> JournalHead:
        """Raises StoreRefused (not ours, newer, held by another engine, not accessible), or as `commit` does."""
        assert not self._connections, "the store is open already"
        try:
            return await self._open()
        except BaseException as error:
            await self._release()
            if isinstance(error, OSError):
                raise StoreRefused(f"cannot open {self._path}: {error.strerror}") from error
            if isinstance(error, StorageBusy):
                raise StoreRefused(f"{error}. End what it does there, and start again") from error
            raise

    async def _open(self) -> JournalHead:
        steps = migrations()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.take()
        prepare_file(self._path, max(steps))
        self._lock.take_file()
        self._health = Health(self._path)
        with self._health.watch(f"open {self._path}"):
            writing = await connect_writer(self._path, steps, index_users=self._index_users)
            self._connections.append(writing)
            reading = await connect_reader(self._path)
            self._connections.append(reading)
        self._health.is_open = True
        self._reader = SqliteReader(reading, self._health, users_indexed=self._index_users)
        head = await self._reader.head()
        moves = await self._reader.moves()
        older = self._mark.open(head.seq, moves, accept_loss=self._accept_loss)
        await holding.at_home(writing, self._health, self._place, head.at, older)
        self._opened_at, self._bytes_before = head.seq, None
        files = OpenFiles(self._path)
        self._writer = Writer(
            writing, self._path, self._health, files, self._mark, head.seq, moves, index_users=self._index_users
        )
        await self._writer.set_up()
        return head

    async def close(self) -> None:
        """Waits for the commit under way. The file needs no recovery afterwards. Closing twice does nothing."""
        try:
            if self._writer is not None:
                await self._writer.close()
        except StorageFull:
            pass  # everything stands in the WAL, where the next start finds it
        finally:
            await self._release()

    async def _release(self) -> None:
        self._health.is_open = False
        self._writer = None
        self._reader = None
        # The reader first: whoever closes last checkpoints, and only the writer may.
        while self._connections:
            try:
                await self._connections.pop().close()
            except sqlite3.Error:
                continue  # the failure was told when it happened
        self._mark.close()
        self._lock.release()

    @property
    def _read(self) -> SqliteReader:
        self._health.check()
        assert self._reader is not None
        return self._reader

    async def commit(self, commit: Commit) -> None:
        self._health.check()
        assert self._writer is not None
        await self._writer.commit(commit)

    async def check(self) -> None:
        self._health.check()
        assert self._writer is not None
        await asyncio.to_thread(self._writer.check_files)

    async def journal(self) -> Journal:
        assert self._writer is not None
        if self._bytes_before is None:
            self._bytes_before = await self._read.journal_bytes(self._opened_at)
        return await self._read.journal(self._bytes_before + self._writer.journal_bytes)

    async def cut(self, seq: int, at: int) -> int:
        await self.journal()  # what is to be cut off has to be counted before
        assert self._writer is not None
        return await self._writer.cut(seq, at)

    async def put_on_hold(self, hold: Hold) -> None:
        self._health.check()
        assert self._writer is not None
        await self._writer.put_on_hold(hold)

    async def release(self, sends: Sequence[str] | None) -> None:
        self._health.check()
        assert self._writer is not None
        await self._writer.release(sends)

    async def head(self) -> JournalHead:
        return await self._read.head()

    async def load(self, users: Sequence[str]) -> dict[str, Snapshot]:
        return await self._read.load(users)

    def positions(self) -> AsyncIterator[list[Position]]:
        return self._read.positions()

    async def named(self, words: Sequence[str]) -> set[str]:
        self._health.check()
        if not words:
            return set()
        # A connection of its own: cold actors that wait to be loaded must not wait for all of them to be read.
        connection = await connect_reader(self._path)
        try:
            return await SqliteReader(connection, self._health, users_indexed=self._index_users).named(words)
        finally:
            await connection.close()

    async def resolve(self, names: Sequence[str]) -> dict[str, str]:
        return await self._read.resolve(names)

    def dues(self) -> AsyncIterator[list[Due]]:
        return self._read.dues()

    def tail(self, after: int, until: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        return self._read.tail(after, until)

    def history(self, user: str) -> AsyncIterator[list[JournalEntry]]:
        return self._read.history(user)

    async def ledger(self, *, user: str | None = None, campaign: str | None = None, limit: int = 100) -> list[Decision]:
        return await self._read.ledger(user=user, campaign=campaign, limit=limit)

    def whole_ledger(self, campaign: str | None = None) -> AsyncIterator[list[Decision]]:
        return self._read.whole_ledger(campaign)

    async def due_sends(self, now: int, limit: int) -> list[Outboxed]:
        return await self._read.due_sends(now, limit)

    async def next_send_due(self) -> int | None:
        return await self._read.next_send_due()

    def waiting(self) -> AsyncIterator[list[Outboxed]]:
        return self._read.waiting()

    async def hold(self) -> Hold | None:
        return await self._read.hold()

    async def sends(self, ids: Sequence[str]) -> dict[str, Outboxed]:
        return await self._read.sends(ids)

    async def in_state(self, state: SendState, limit: int = 1000) -> list[Outboxed]:
        return await self._read.in_state(state, limit)

    async def suppressed(self, addresses: Sequence[str]) -> dict[str, list[Suppression]]:
        return await self._read.suppressed(addresses)

    async def link(self, send: str, index: int) -> Link | None:
        return await self._read.link(send, index)

    async def programs(self, hashes: Sequence[str]) -> dict[str, bytes]:
        return await self._read.programs(hashes)

    async def held(self) -> list[Held]:
        return await self._read.held()

    async def quarantined(self, user: str | None = None) -> list[Quarantined]:
        return await self._read.quarantined(user)

    async def unsettled(self) -> dict[SendState, int]:
        return await self._read.unsettled()

    async def users(self) -> int:
        return await self._read.users()

    async def counts(self) -> dict[str, int]:
        return await self._read.counts()
