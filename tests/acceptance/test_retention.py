"""A journal of years under a server that keeps 400 days: killed in the middle of it, started again, asked about it."""

from __future__ import annotations

import re
import sqlite3
import time
from pathlib import Path

import httpx2
import pytest

from actors.actor import new_actor, pack
from actors.model.event import Event
from persistence.interface import Commit, JournalEntry, Snapshot
from persistence.sqlite import SqliteStore
from tests.acceptance.kill.process import SITE, launched, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DAY_MS = 86_400_000
BLOCKS = 1_500
OLD = 1_200


async def grown(database: Path) -> None:
    """A block an entry, of which the first OLD are older than 400 days; nobody has to take them again."""
    now = time.time_ns() // 1_000_000
    store = SqliteStore(database)
    await store.open()
    await store._connections[0].execute_fetchall("PRAGMA synchronous = OFF")
    for seq in range(1, BLOCKS + 1):
        at = now - (500 if seq <= OLD else 100) * DAY_MS + seq
        event = Event(
            user=f"u{seq % 7}", name="page_viewed", message_id=f"m{seq}", body=b'{"text":"%s"}' % (b"x" * 2_000)
        )
        await store.commit(Commit(entries=[JournalEntry(seq, at, event)]))
    actors = [new_actor(f"u{n}") for n in range(7)]
    for actor in actors:
        actor.position = BLOCKS
    snapshots = [Snapshot(actor.user, BLOCKS, None, pack(actor)) for actor in actors]
    await store.commit(Commit(snapshots=snapshots, replayed_from=BLOCKS))
    await store.close()


def begins(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        [(first,)] = connection.execute("SELECT min(first_seq) FROM journal")
        return int(first)
    finally:
        connection.close()


async def test_a_server_that_is_killed_while_it_forgets_goes_on_where_it_was(tmp_path: Path) -> None:
    database = tmp_path / "data" / "cuebird.db"
    await grown(database)
    settings = {"STORE__PATH": str(database)}
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings) as server:
        await server.ready()
        await until(lambda: begins(database) > 1, "something is cut off")
        await server.kill()
    assert 1 < begins(database) < OLD, "it was killed in the middle of it"
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings) as server:
        url = await server.ready()
        await until(lambda: begins(database) == OLD + 1, "all of it is cut off")
        async with httpx2.AsyncClient(base_url=url) as http:
            answer = await http.post("/v1/events", json={"user_id": "u1", "event": "page_viewed"})
            assert answer.json()["accepted"] == 1

            async def is_told() -> bool:
                figures = (await http.get("/metrics")).text
                found = re.search(r"^cuebird_journal_entries (\d+)", figures, re.MULTILINE)
                # And the change of site that each start may have written.
                return found is not None and BLOCKS - OLD < int(found[1]) < BLOCKS - OLD + 5

            await until(is_told, "the metrics say how much is left")
        assert await server.terminate() == 0, server.said
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    async with launched("explain", "u1", "--site", SITE, settings=settings) as explained:
        assert await explained.ended() == 0, explained.said
        assert "The journal begins at" in explained.said
