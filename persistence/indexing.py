"""The index of the journal's users, switched on or off when the store is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import aiosqlite

from persistence import blocks
from persistence.packing import as_json

_TABLE: Final = (Path(__file__).parent / "users.sql").read_text()

_BLOCKS: Final = 64
"""As many are indexed at once, so that memory holds few."""


async def index_journal(connection: aiosqlite.Connection, *, wanted: bool) -> None:
    """Makes the index from the whole journal if it is wanted and not there, and drops it if it is there and not wanted.

    Either whole or not at all. Raises StorageDamaged if the journal is.
    """
    sql = "SELECT 1 FROM sqlite_schema WHERE name = 'journal_users'"
    is_there = bool(await connection.execute_fetchall(sql))
    if is_there and not wanted:
        await connection.executescript("DROP TABLE journal_users")
    elif wanted and not is_there:
        await connection.executescript(f"BEGIN IMMEDIATE;\n{_TABLE}")
        try:
            await _fill(connection)
        except BaseException:
            await connection.rollback()
            raise
        await connection.commit()


async def _fill(connection: aiosqlite.Connection) -> None:
    after = 0
    sql = f"SELECT {blocks.COLUMNS} FROM journal WHERE first_seq > ? ORDER BY first_seq LIMIT {_BLOCKS}"  # noqa: S608 -- constants
    while rows := list(await connection.execute_fetchall(sql, (after,))):
        for row in rows:
            users = as_json(blocks.users_of(blocks.unseal(row)))
            await connection.execute_fetchall(
                "INSERT INTO journal_users (user, first_seq) SELECT value, ? FROM json_each(CAST(? AS TEXT)) WHERE true "
                "ON CONFLICT (user, first_seq) DO NOTHING",
                (row[0], users),
            )
        after = rows[-1][0]
