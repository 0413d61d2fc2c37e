"""A whole, consistent copy of a database while an engine writes to it, or of one at rest: one file, checked, on disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from persistence.holding import PUT
from persistence.interface import StorageDamaged, StoreError, StoreRefused
from persistence.opening import check_header, connect_writer, migrations
from persistence.place import sync_directory

PAGES: Final = 256
"""Copied at once: a megabyte."""
PAUSE_S: Final = 0.005
"""Between them, so that the disk has time for commits: some 150 MB a second."""
HOLDS_SINCE: Final = 5
"""The database's first version that knows a hold."""

_LAST: Final = "SELECT first_seq + count - 1, last_at FROM journal ORDER BY first_seq DESC LIMIT 1"

Progress = Callable[[int, int], None]
"""(pages copied, pages in all)"""


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy holds."""

    schema: int
    """The database's version."""
    journal_position: int
    journal_ends_at: int
    """Stamp of its last entry, in ms since the epoch; 0 if there is none."""
    size_bytes: int


def copy(
    source: Path, target: Path, *, held: str, resting: bool = False, progress: Progress = lambda done, total: None
) -> Copied:
    """Writes `target`, mode 0600, over whatever is there. Its outbox is on hold, for the reason `held`.

    An engine may run on `source`, unless it is `resting`, and its commits do not wait: the copy is what was committed when it
    began. Until it ends the WAL is not cut. Raises StoreRefused if `source` is no database of ours, StorageDamaged if the copy
    is not whole, StoreError if it cannot be read or written, OSError.
    """
    if not source.is_file():
        raise StoreRefused(f"there is no database {source}")
    check_header(source, max(migrations()))
    half = _empty(target)
    try:
        _copy(_address(source, resting=resting), half, progress)
        copied = finish(half, held)
        half.replace(target)
        sync_directory(target.parent)
    except sqlite3.Error as error:
        raise StoreError(f"cannot copy {source}: {error}") from error
    finally:
        _remove(half)
    return copied


def finish(file: Path, held: str) -> Copied:
    """Checks a database that nobody has open, puts it on hold, and sees to it that it is on disk, without a WAL. Raises
    StorageDamaged."""
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
            if found != "ok":
                raise StorageDamaged(f"{file} is damaged: {found}. Take another backup")
            [(schema,)] = connection.execute("PRAGMA user_version").fetchall()
            last = connection.execute(_LAST).fetchone()
            seq, at = last or (0, 0)
            if schema >= HOLDS_SINCE:
                connection.execute(PUT, (at, held))
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.DatabaseError as error:
        raise StorageDamaged(f"{file} is damaged: {error}. Take another backup") from error
    _sync(file)
    return Copied(schema=schema, journal_position=seq, journal_ends_at=at, size_bytes=file.stat().st_size)


def bring_up(file: Path) -> None:
    """A database that nobody has open gets the newest version. Raises StoreError."""

    async def up() -> None:
        with closing(sqlite3.connect(file)) as connection:
            indexed = bool(connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'journal_users'").fetchall())
        await (await connect_writer(file, migrations(), index_users=indexed)).close()

    asyncio.run(up())


def _copy(source: str, target: Path, progress: Progress) -> None:
    with (
        closing(sqlite3.connect(source, uri=True, isolation_level=None, timeout=5.0)) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        # The transaction keeps what is read the same, else each commit would make the copy begin anew.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        reading.backup(
            writing, pages=PAGES, sleep=PAUSE_S, progress=lambda _status, left, total: progress(total - left, total)
        )
        reading.execute("COMMIT")


def _empty(target: Path) -> Path:
    """A new file beside the target for its owner alone, to become it when it is whole."""
    half = target.with_name(target.name + ".part")
    _remove(half)
    os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return half


def _remove(file: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + end).unlink()


def _sync(file: Path) -> None:
    fd = os.open(file, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _address(path: Path, *, resting: bool) -> str:
    wal = path.with_name(path.name + "-wal")
    # A file at rest may lie where nothing can be written, and SQLite would need to, beside it. As for `mode=ro`: the last
    # connection to close would else checkpoint, which only the engine's writer may.
    how = "immutable=1" if resting and not (wal.exists() and wal.stat().st_size) else "mode=ro"
    return f"file:{quote(str(path.absolute()))}?{how}"
