"""Opening the database file: whose it is, who may read it, its pragmas, its version."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiosqlite

from persistence.indexing import index_journal
from persistence.interface import StoreRefused
from persistence.place import sync_directory

APPLICATION_ID: Final = 0x43756542
"""`CueB`, at byte 68 of the file."""

_HERE = Path(__file__).parent
_MAGIC = b"SQLite format 3\0"

_PRAGMAS = """
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA busy_timeout = 5000;
    PRAGMA temp_store = MEMORY;
    PRAGMA mmap_size = 0;
    PRAGMA cache_size = -65536;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA secure_delete = FAST;
"""

# Once it is open: whoever waits for a lock asks again (`Health.patiently`), and says so in between.
_PATIENCE = "PRAGMA busy_timeout = 250;"

# Only before the first table, and outside of a transaction.
_NEW_FILE = """
    PRAGMA page_size = 4096;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
"""


def migrations(folder: Path = _HERE / "migrations") -> dict[int, str]:
    """The SQL that leads to each version. Version 1 is `schema.sql`; `folder/0002_what.sql` leads from it to 2."""
    later = {int(path.name.split("_")[0]): path.read_text() for path in sorted(folder.glob("[0-9]*.sql"))}
    steps = {1: (_HERE / "schema.sql").read_text(), **later}
    assert list(steps) == list(range(1, len(steps) + 1)), f"the migrations are not numbered without gaps: {list(steps)}"
    return steps


def prepare_file(path: Path, version: int) -> None:
    """Makes an empty file that only its owner may read, or looks at the one that is there without changing it.

    Raises StoreRefused for one that is no database of ours, is newer than `version`, or that others may read.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        sync_directory(path.parent)
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise StoreRefused(
            f"{path} has mode {mode:04o}, so others may read or change it: chmod 600 {path}, or, if it was copied here, "
            f"`cuebird restore {path} --site SITE`, which does that and holds back what the original may have sent"
        )
    check_header(path, version)


def check_header(path: Path, version: int) -> None:
    """Raises StoreRefused for a file that is no database of ours, or is newer than `version`. An empty one may become one."""
    with path.open("rb") as file:
        header = file.read(100)
    if not header:
        return
    if not header.startswith(_MAGIC):
        raise StoreRefused(f"{path} is not a database of Cuebird: give another path")
    _refuse(path, int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"), version)


def _refuse(path: Path, application_id: int, found: int, version: int) -> None:
    # Both are 0 if the power went between the making of the file and the first transaction.
    if (application_id, found) != (0, 0) and application_id != APPLICATION_ID:
        raise StoreRefused(f"{path} belongs to another program (application id {application_id:#x}): give another path")
    if found > version:
        raise StoreRefused(
            f"{path} is of version {found}, and this Cuebird knows versions up to {version}: start the newer Cuebird"
        )


async def connect_writer(path: Path, steps: Mapping[int, str], *, index_users: bool) -> aiosqlite.Connection:
    """The one connection that writes, its file brought to the newest version in `steps`."""
    connection = await _connect(path)
    try:
        await connection.executescript(_PRAGMAS)
        await _migrate(connection, path, steps)
        if await _value(connection, "PRAGMA journal_mode") != "wal":
            raise StoreRefused(f"{path} lies on a file system without shared memory, which SQLite's WAL needs")
        await index_journal(connection, wanted=index_users)
        await connection.executescript(_PATIENCE)
    except BaseException:
        await connection.close()
        raise
    return connection


async def connect_reader(path: Path) -> aiosqlite.Connection:
    """A connection that can change nothing: neither a row nor, by a checkpoint, the file."""
    connection = await _connect(path)
    try:
        await connection.executescript(_PRAGMAS + _PATIENCE + "PRAGMA query_only = ON;")
    except BaseException:
        await connection.close()
        raise
    return connection


async def _connect(path: Path) -> aiosqlite.Connection:
    # Without isolation_level=None Python's module would open transactions of its own.
    return await aiosqlite.connect(path, isolation_level=None)


async def _migrate(connection: aiosqlite.Connection, path: Path, steps: Mapping[int, str]) -> None:
    """Old or new, never between: every missing step and the new version are one transaction."""
    version = max(steps)
    found = await _value(connection, "PRAGMA user_version")
    application_id = await _value(connection, "PRAGMA application_id")
    if application_id == 0 and await _value(connection, "SELECT count(*) FROM sqlite_schema"):
        raise StoreRefused(f"{path} is a database of another program: give another path")
    _refuse(path, application_id, found, version)  # again: a newer version may stand in the WAL only
    if found == 0:
        await connection.executescript(_NEW_FILE)
    if found == version:
        return
    missing = "\n".join(steps[number] for number in range(found + 1, version + 1))
    try:
        await connection.executescript(
            f"BEGIN IMMEDIATE;\n{missing}\nPRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {version};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            await connection.rollback()
        raise


async def _value(connection: aiosqlite.Connection, sql: str) -> Any:
    return next(iter(await connection.execute_fetchall(sql)))[0]
