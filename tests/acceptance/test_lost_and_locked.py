"""Files that are lost, replaced or locked by somebody else while a server has them open, or between two of its runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.kill.process import SITE, launched, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cuebird.db"


def settings(database: Path) -> dict[str, str]:
    return {"STORE__PATH": str(database)}


async def tell(http: httpx2.AsyncClient, message_id: str) -> httpx2.Response:
    return await http.post("/v1/events", json={"user_id": "ann", "event": "page_viewed", "messageId": message_id})


async def is_acked(http: httpx2.AsyncClient, message_id: str) -> bool:
    try:
        return (await tell(http, message_id)).status_code == 200
    except httpx2.TransportError:
        return False


def remove(database: Path, what: str) -> None:
    if what == "the directory":
        shutil.rmtree(database.parent)
    elif what == "replaced by a copy":
        shutil.copy(database, database.with_name("copy"))
        database.with_name("copy").replace(database)
    else:
        database.with_name(database.name + what).unlink()


@pytest.mark.parametrize("what", ["", "-wal", "the directory", "replaced by a copy"])
async def test_a_server_whose_files_are_gone_stops_at_once_and_says_so(database: Path, what: str) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            assert (await tell(http, "m1")).json()["accepted"] == 1
            remove(database, what)
            assert not await is_acked(http, "m2"), "no event is acknowledged into files that nobody will find again"
        assert await server.ended() == 74
        assert "was removed or replaced while it was open" in server.said
        assert "nothing acknowledged is lost" not in server.said


async def test_a_server_at_rest_whose_files_are_gone_stops_by_itself(database: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as server:
        await server.ready()
        remove(database, "")
        assert await server.ended() == 74


async def test_a_wal_that_is_lost_between_two_runs_is_noticed_and_can_be_accepted(database: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            for number in range(20):
                assert (await tell(http, f"m{number}")).json()["accepted"] == 1
        await server.kill()
    remove(database, "-wal")
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as server:
        assert await server.ended() == 1
        assert "entries are lost" in server.said
        assert "--accept-loss" in server.said
    command = ("serve", SITE, "--dev", "--port", "0", "--accept-loss")
    async with launched(*command, settings=settings(database)) as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            assert (await tell(http, "m0")).json()["accepted"] == 1
        assert await server.terminate() == 0, server.said


@asynccontextmanager
async def locked(database: Path) -> AsyncIterator[int]:
    """The sqlite3 shell, or what stands for it, with the write lock. Gives its process."""
    shell = await asyncio.create_subprocess_exec(
        shutil.which("python3") or "python3",
        "-c",
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE');"
        "print('held', flush=True); sys.stdin.read(); c.execute('COMMIT')",
        str(database),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert shell.stdout is not None
    assert shell.stdin is not None
    assert await shell.stdout.readline() == b"held\n"
    try:
        yield shell.pid
    finally:
        shell.stdin.close()
        await shell.wait()


async def test_a_lock_of_another_program_is_waited_for_and_named(database: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as server:
        async with httpx2.AsyncClient(base_url=await server.ready(), timeout=30) as http:
            assert (await tell(http, "m0")).json()["accepted"] == 1
            async with locked(database) as pid:
                waiting = [asyncio.create_task(tell(http, f"m{number}")) for number in range(1, 6)]
                await until(lambda: f"another program holds the database: process {pid}" in server.said, "it is named")
                # Longer than anybody waits for a lock: this is what ended the server.
                await asyncio.wait(waiting, timeout=5.5)
                assert not any(one.done() for one in waiting)
                assert (await http.get("/livez")).status_code == 200
            assert [(await one).json()["accepted"] for one in waiting] == [1] * 5
            assert (await tell(http, "m1")).json()["duplicates"] == 1
        assert await server.terminate() == 0, server.said
        assert "the database is free again" in server.said


@pytest.mark.parametrize("how", ["by a hard link", "without the lock file"])
async def test_a_second_engine_on_one_file_is_told_whatever_its_name(database: Path, how: str) -> None:
    other = database
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as first:
        url = await first.ready()
        if how == "by a hard link":
            other = database.parent.parent / "other" / "same.db"
            other.parent.mkdir(mode=0o700)
            os.link(database, other)
        else:
            database.with_name("cuebird.db.lock").unlink()
        async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(other)) as second:
            assert await second.ended() == 1, second.said
            assert f"another engine has this file open, process {first.pid}" in second.said
        async with httpx2.AsyncClient(base_url=url) as http:
            assert (await tell(http, "m1")).json()["accepted"] == 1
        assert await first.terminate() == 0, first.said


async def test_what_another_engine_wrote_is_told_by_its_name(database: Path) -> None:
    async with launched("serve", SITE, "--dev", "--port", "0", settings=settings(database)) as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            assert (await tell(http, "m1")).json()["accepted"] == 1
            connection: Any = sqlite3.connect(database)
            [(last,)] = connection.execute("SELECT max(first_seq + count) FROM journal")
            connection.execute("INSERT INTO journal VALUES (?, 1, 1, 1, 0, 0, x'90')", (last,))
            connection.commit()
            connection.close()
            assert not await is_acked(http, "m2")
        assert await server.ended() == 74
        assert "another engine wrote to this file" in server.said
        assert "the disk failed" not in server.said
