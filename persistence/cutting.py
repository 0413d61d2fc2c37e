"""The journal's beginning is cut off, some blocks at a time, each time in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiosqlite
import msgspec

from persistence import blocks
from persistence.faults import Health
from persistence.packing import as_json

SETUP: Final = (Path(__file__).parent / "cut.sql").read_text()
"""Run once on the connection that writes."""

SETUP_USERS: Final = (Path(__file__).parent / "cut_users.sql").read_text()
"""And this, if the journal's users are indexed."""

BLOCKS: Final = 64
BYTES: Final = 1_000_000
"""Of one cut: what it holds up a commit by is a few milliseconds."""

# Never the last: where the journal ends is read from it.
_OLDEST: Final = (
    "SELECT first_seq, count, last_at, length(entries) FROM journal "
    "WHERE first_seq < (SELECT max(first_seq) FROM journal) ORDER BY first_seq LIMIT ?"
)
_WHOLE: Final = f"SELECT {blocks.COLUMNS} FROM journal WHERE first_seq <= ? AND (operators > 0 OR ?) ORDER BY first_seq"  # noqa: S608 -- constants
_CUT: Final = "INSERT INTO cut (until, changes, raw, users) VALUES (?, ?, ?, ?)"


async def cut(connection: aiosqlite.Connection, health: Health, seq: int, at: int, *, index_users: bool) -> int:
    """As `Store.cut`, of one slice. Raises StorageDamaged if what operators changed cannot be read any more."""

    async def ask(sql: str, *parameters: object) -> Sequence[Any]:
        found = await health.patiently("cut the journal", lambda: connection.execute_fetchall(sql, parameters))
        return list(found)

    gone, size = _slice(await ask(_OLDEST, BLOCKS), seq, at)
    if not gone:
        return 0
    whole = [(row[0], blocks.unseal(row)) for row in await ask(_WHOLE, gone, index_users)]
    changes = [entry for _, entries in whole for entry in entries if not entry.event.user]
    encoded = [blocks.encode(entry) for entry in changes]
    places = [1 + sum(map(len, encoded[:number])) for number in range(len(encoded))]
    rows = [(entry.seq, place, len(data)) for entry, place, data in zip(changes, places, encoded, strict=True)]
    users = [(user, first) for first, entries in whole for user in blocks.users_of(entries)] if index_users else []
    await ask(_CUT, gone, msgspec.json.encode(rows), b"".join(encoded), as_json(users))
    return size


def _slice(oldest: Sequence[Any], seq: int, at: int) -> tuple[int, int]:
    """(first place of the last block to go, 0 if none is to; the bytes of all that go)"""
    gone = size = 0
    for first, count, last_at, length in oldest:
        if first + count - 1 > seq or last_at >= at or (gone and size + length > BYTES):
            break
        gone, size = first, size + length
    return gone, size
