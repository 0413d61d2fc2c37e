"""The one connection that writes and checkpoints.

SQLite before 3.51.3, which distributions ship, can corrupt a file that two connections write or checkpoint at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import aiosqlite
import msgspec

from persistence import blocks, cutting, holding
from persistence.faults import Health
from persistence.files import OpenFiles
from persistence.head import HeadMark
from persistence.interface import Commit, Hold, RowsRefused, StorageBusy, StorageLost, StoreError
from persistence.packing import INSERT, SETUP, SETUP_USERS, Parameters, pack
from persistence.refusing import culprits, refused_snapshots

CHECKPOINT_PAGES: Final = 4_000
"""Length of the WAL at which it is copied into the database, between two commits."""

WAL_BYTES_MAX: Final = 64 * 2**20
"""Size of the WAL's file past which a checkpoint also cuts it."""

_PAGE_BYTES: Final = 4_096
_WORK_BETWEEN_CHECKPOINTS_MIN: Final = 250


class Writer:
    """Commits, one after the other in the order of the calls, each of them one hop to the connection's thread."""

    def __init__(
        self,
        connection: aiosqlite.Connection,
        path: Path,
        health: Health,
        files: OpenFiles,
        mark: HeadMark,
        seq: int,
        moves: int,
        *,
        index_users: bool,
    ) -> None:
        self._connection = connection
        self._wal = path.with_name(path.name + "-wal")
        self._health = health
        self._files = files
        self._mark = mark
        self._seq = seq
        self._moves = moves
        """Commits that changed something in the outbox."""
        self._index_users = index_users
        self.journal_bytes = 0
        """Written to the journal since it was opened, without what was cut off."""
        self._turn = asyncio.Lock()
        self._checkpoint: asyncio.Task[None] | None = None
        # Rows, and pages that their bytes fill: what was written since the last checkpoint, and how much of it may be.
        self._work = 0
        self._work_max = CHECKPOINT_PAGES

    async def set_up(self) -> None:
        await self._connection.executescript(SETUP + cutting.SETUP)
        if self._index_users:
            await self._connection.executescript(SETUP_USERS + cutting.SETUP_USERS)

    async def commit(self, commit: Commit) -> None:
        """As the contract says. A caller that is cancelled does not stop it: the next commit comes after its end."""
        running = asyncio.ensure_future(self._commit(commit))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(_look_at)
            raise

    async def _commit(self, commit: Commit) -> None:
        async with self._turn:
            self._health.check()
            entries = commit.entries
            assert_follows(self._seq, commit)
            parameters = await self._write(commit)
            self.check_files()
            moved = bool(commit.sends or commit.marks)
            self._moves += moved
            if entries:
                self._seq = entries[-1].seq
            if entries or moved:
                self._mark.write(self._seq, self._moves)
            if entries:
                block = parameters[blocks.ENTRIES]
                assert isinstance(block, bytes)
                self.journal_bytes += len(block)
            pages = sum(len(each) for each in parameters if isinstance(each, bytes)) // _PAGE_BYTES
            rows = len(commit.decisions) + len(commit.snapshots) + (len(entries) if self._index_users else 0)
            self._work += 1 + rows + pages
            if self._work >= self._work_max:
                # Not awaited: it takes its place on the connection's thread, so the next commit waits and not this ack.
                self._checkpoint = asyncio.ensure_future(self._run_checkpoint())

    async def _write(self, commit: Commit) -> Parameters:
        if refused := refused_snapshots(commit):
            raise RowsRefused(refused)
        try:
            parameters = pack(commit, index_users=self._index_users)
            await self._insert(parameters)
        except (AssertionError, UnicodeEncodeError) as error:
            if found := await culprits(commit, self._refusal):
                raise RowsRefused(found) from error
            raise
        return parameters

    async def _insert(self, parameters: Parameters) -> None:
        await self._health.patiently("commit", lambda: self._connection.execute_fetchall(INSERT, parameters))

    def check_files(self) -> None:
        """Raises StorageLost, now and ever after, if the database's files are not those that were opened."""
        try:
            self._files.check()
        except StorageLost as lost:
            raise self._health.fail(lost) from None

    async def _refusal(self, part: Commit) -> str:
        """Why this part of a commit would be refused by itself, "" if it would not. Nothing of it stays."""
        try:
            for entry in part.entries:
                blocks.seal([entry])
            parameters = pack(msgspec.structs.replace(part, entries=[]), index_users=False)
            if self._checkpoint is not None:
                await asyncio.wait([self._checkpoint])  # SQLite does not checkpoint in the middle of a transaction
            await self._connection.execute_fetchall("SAVEPOINT trial")
            try:
                await self._insert(parameters)
            finally:
                await self._connection.execute_fetchall("ROLLBACK TO trial")
                await self._connection.execute_fetchall("RELEASE trial")
        except (AssertionError, UnicodeEncodeError) as error:
            return str(error)
        return ""

    async def cut(self, seq: int, at: int) -> int:
        """As the contract says, between two commits."""
        async with self._turn:
            self._health.check()
            removed = await cutting.cut(self._connection, self._health, seq, at, index_users=self._index_users)
            self.journal_bytes -= removed
            self._work += removed // _PAGE_BYTES
            return removed

    async def put_on_hold(self, hold: Hold) -> None:
        """As the contract says, between two commits."""
        async with self._turn:
            self._health.check()
            await holding.put(self._connection, self._health, hold)

    async def release(self, sends: Sequence[str] | None) -> None:
        """As the contract says, between two commits."""
        async with self._turn:
            self._health.check()
            await holding.release(self._connection, self._health, sends)

    async def _run_checkpoint(self) -> None:
        work, self._work = self._work, 0
        try:
            with self._health.watch("checkpoint"):
                frames = await self._pragma_checkpoint("PASSIVE")
                if self._wal.stat().st_size > WAL_BYTES_MAX:
                    await self._pragma_checkpoint("TRUNCATE")
        except StoreError:
            # No room: the commits stand in the WAL, and the next one says so when there is none for it either.
            # Failed: `Health` remembers it, and the next commit says so.
            return
        # SQLite tells the length of the WAL only when asked to checkpoint it: so this time says when the next is due.
        self._work_max = max(_WORK_BETWEEN_CHECKPOINTS_MIN, work * CHECKPOINT_PAGES // max(frames, 1))

    async def _pragma_checkpoint(self, mode: str) -> int:
        rows = await self._connection.execute_fetchall(f"PRAGMA wal_checkpoint({mode})")
        _busy, frames, _copied = next(iter(rows))
        return int(frames)

    async def close(self) -> None:
        """Waits for what is under way. The file is whole without its WAL afterwards, unless the store failed."""
        async with self._turn:
            if self._checkpoint is not None:
                await asyncio.wait([self._checkpoint])
            if not self._health.failed:
                with suppress(StorageBusy), self._health.watch("checkpoint"):  # the next start finds it in the WAL
                    await self._pragma_checkpoint("TRUNCATE")


def _look_at(running: asyncio.Future[None]) -> None:
    """Nobody waits for it any more. What went wrong is remembered by `Health`; asyncio shall not report it as unseen."""
    if not running.cancelled():
        running.exception()


def assert_follows(seq: int, commit: Commit) -> None:
    """The journal has no gap and no place twice."""
    seqs = [entry.seq for entry in commit.entries]
    if seqs != list(range(seq + 1, seq + 1 + len(seqs))):
        wrong, due = next((found, due) for due, found in enumerate(seqs, seq + 1) if found != due)
        raise AssertionError(f"entry {wrong} where {due} is next in the journal")
