"""Reading a database beside the engine that may hold it: nothing is locked, written or checkpointed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import aiosqlite

from persistence.faults import Health
from persistence.interface import StoreRefused
from persistence.opening import migrations, prepare_file
from persistence.reading import SqliteReader

_PRAGMAS = """
    PRAGMA query_only = ON;
    PRAGMA busy_timeout = 5000;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
"""

_USERS = (
    "SELECT user FROM actors WHERE user >= ? AND user < ? ORDER BY user LIMIT 1000",
    "SELECT DISTINCT user FROM ledger WHERE user >= ? AND user < ? ORDER BY user LIMIT 1000",
)


class ReadingStore(SqliteReader):
    """A `StoreReader` beside the engine. Each read sees what was committed when it was called."""

    async def users_like(self, name: str) -> list[str]:
        """Users with a snapshot or a decision whose names begin with the same character, at most a thousand of each: to
        suggest one that was probably meant."""
        begin = name[:1]
        end = chr(ord(begin) + 1) if begin and ord(begin) < 0x10FFFF else "\U0010ffff"
        found: set[str] = set()
        for sql in _USERS:
            found.update(user for (user,) in await self._all("look for users", sql, begin, end))
        return sorted(found)


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[ReadingStore]:
    """The database in `path`, to be read, whether an engine runs on it or not.

    Raises StoreRefused if it is not there, not ours, or of another version; StorageFailed if it cannot be read.
    """
    address, version = _checked(path)
    health = Health(path)
    with health.watch(f"open {path}"):
        connection = await aiosqlite.connect(address, uri=True, isolation_level=None)
    try:
        with health.watch(f"open {path}"):
            await connection.executescript(_PRAGMAS)
            [(found,)] = await connection.execute_fetchall("PRAGMA user_version")
            indexed = await connection.execute_fetchall("SELECT 1 FROM sqlite_schema WHERE name = 'journal_users'")
        if found != version:
            raise StoreRefused(
                f"{path} is of version {found}, this Cuebird reads {version}: `cuebird serve` brings it up"
            )
        health.is_open = True
        yield ReadingStore(connection, health, users_indexed=bool(list(indexed)))
    finally:
        with suppress(sqlite3.Error):  # nothing was written, so nothing can be lost
            await connection.close()


def _checked(path: Path) -> tuple[str, int]:
    """(the file as SQLite is to open it, the version it must have). Raises StoreRefused."""
    if not path.is_file():
        raise StoreRefused(f"there is no database {path}: `cuebird serve` makes it")
    version = max(migrations())
    try:
        prepare_file(path, version)
    except OSError as error:
        raise StoreRefused(f"cannot open {path}: {error.strerror}") from error
    # `mode=ro`: the last connection to close would else checkpoint, which only the engine's writer may.
    return f"file:{quote(str(path.absolute()))}?mode=ro", version
