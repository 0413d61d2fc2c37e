"""The outbox on hold: nothing that waits in it goes out until an operator says so. And how a database that was copied, or
put back, comes to be on hold when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import aiosqlite

from persistence.faults import Health
from persistence.interface import Hold
from persistence.packing import as_json
from persistence.place import DatabasePlace, new_place

PUT: Final = "INSERT INTO hold (one, at, reason) VALUES (1, ?, ?) ON CONFLICT (one) DO NOTHING"

_RELEASE: Final = (
    "INSERT INTO released (send) SELECT value FROM json_each(CAST(? AS TEXT)) WHERE true ON CONFLICT DO NOTHING"
)
_END: Final = "BEGIN IMMEDIATE; DELETE FROM released; DELETE FROM hold; COMMIT;"


async def put(connection: aiosqlite.Connection, health: Health, hold: Hold) -> None:
    """Changes nothing if it is on hold already."""
    await _ask(connection, health, PUT, hold.at, hold.reason)


async def release(connection: aiosqlite.Connection, health: Health, sends: Sequence[str] | None) -> None:
    """As `Store.release`."""
    if sends is None:
        await health.patiently("end the hold", lambda: connection.executescript(_END))
    elif sends:
        await _ask(connection, health, _RELEASE, as_json(sends))


async def at_home(connection: aiosqlite.Connection, health: Health, place: DatabasePlace, at: int, older: str) -> None:
    """The database belongs here from now on: if it did not before, or is `older` than what was here (why), it is on hold.
    `at`: its journal's last stamp."""
    [(known,)] = await _ask(connection, health, "SELECT place FROM meta")
    reason = place.difference(known) or older
    if known and not reason:
        return
    identity = new_place()
    if not known:
        # The file first: a start that ends in between finds no place in the database, and begins once more.
        place.write(identity)
    if reason:
        await put(connection, health, Hold(at, reason))
    await _ask(connection, health, "UPDATE meta SET place = ?", identity)
    if known:
        place.write(identity)


async def _ask(connection: aiosqlite.Connection, health: Health, sql: str, *parameters: object) -> list[Any]:
    found = await health.patiently("hold the outbox", lambda: connection.execute_fetchall(sql, parameters))
    return list(found)
