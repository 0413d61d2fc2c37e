"""A backup is taken of a running server, the server goes on and sends, and the copy is served: nobody gets a letter twice."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cuebird.transfer.backups import back_up
from engine.clock import SystemClock
from tests.acceptance.kill.post_office import PostOffice, post_office
from tests.acceptance.kill.process import SITE, launched, until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SERVE = ("serve", SITE, "--dev", "--port", "0")


class Shop:
    """One site, one database, one post office."""

    def __init__(self, database: Path, office: PostOffice) -> None:
        self.database = database
        self.office = office
        self.settings = {"STORE__PATH": str(database), "SMTP__PORT": str(office.port)}

    async def run(self, *arguments: str | Path, code: int = 0) -> str:
        async with launched(*arguments, settings=self.settings) as process:
            assert await process.ended() == code, process.said
            return process.said

    async def outbox(self, *arguments: str | Path) -> Any:
        return json.loads(await self.run("outbox", *arguments, "--site", SITE, "--json"))

    def letters(self) -> list[str]:
        return sorted(f"{letter.to.split('@')[0]}: {letter.subject}" for letter in self.office.letters)


@pytest.fixture
async def shop(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Shop]:
    async with post_office(random.Random(1)) as office:
        yield Shop(tmp_path / "data" / "cuebird.db", office)


async def tell(url: str, user: str, event: str, **properties: str) -> None:
    known = {"email": f"{user}@kill.example", "consent": {"marketing": True}}
    batch = [
        {"type": "identify", "userId": user, "traits": known, "messageId": f"{user}-known"},
        {
            "type": "track",
            "userId": user,
            "event": event,
            "properties": properties,
            "messageId": f"{user}-{event}",
        },
    ]
    async with httpx2.AsyncClient(base_url=url) as http:
        answer = await http.post("/v1/batch", json={"batch": batch})
        assert answer.json()["accepted"] >= 1, answer.text


async def ready(url: str) -> dict[str, Any]:
    async with httpx2.AsyncClient(base_url=url) as http:
        answer = await http.get("/readyz")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


async def waiting(shop: Shop, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    async def are_there() -> bool:
        nonlocal found
        found = (await shop.outbox("list"))["waiting"]
        return len(found) == count

    await until(are_there, f"{count} messages wait")
    return found


async def sent_after_the_backup(shop: Shop, backup: Path) -> None:
    """Ann and Bob fill their carts, the backup is taken, and then both get a letter."""
    async with launched(*SERVE, settings=shop.settings) as server:
        url = await server.ready()
        assert "outbox_on_hold" not in await ready(url)
        for user in ("ann", "bob"):
            await tell(url, user, "product_added", cart_id=user)
        # Not as a command: on a busy machine it may not have begun before the carts are two seconds old.
        _, told = await asyncio.to_thread(back_up, shop.database, backup, SystemClock().now_ms(), force=False)
        assert told.journal_position == 5, "the program, two users, two carts"
        assert shop.letters() == [], "the backup was taken before"
        await until(lambda: len(shop.office.letters) == 2, "both letters came")
        assert await server.terminate() == 0, server.said


async def test_a_restored_backup_doubles_nobodys_letter_and_the_right_ones_go_out(shop: Shop, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    await sent_after_the_backup(shop, backup)
    once = shop.letters()
    backup.chmod(0o644)  # as a copy from elsewhere comes under an ordinary umask
    said = await shop.run("restore", backup, "--site", SITE)
    assert "on hold" in said
    async with launched(*SERVE, settings=shop.settings) as server:
        url = await server.ready()
        assert "NOTHING IS SENT, the outbox is on hold: it is a backup of" in server.said
        assert (await ready(url))["outbox_on_hold"] == 1
        await tell(url, "eve", "order_completed", order_id="1")
        assert shop.letters() == once
        [receipt] = [one for one in await waiting(shop, 4) if one["user"] == "eve" and one["campaign"] == "receipt"][:1]
        dropped = await shop.outbox("drop", "--campaign", "cart", "--before", receipt["decided"], "--yes")
        assert dropped["messages"] == 2
        assert shop.letters() == once
        released = await shop.outbox("release")
        assert released == {"messages": 2, "hold": ""}
        await until(lambda: len(shop.office.letters) == 4, "what was decided since goes out")
        assert "outbox_on_hold" not in await ready(url)
        assert await server.terminate() == 0, server.said
    assert [one for one in shop.letters() if not one.startswith("eve")] == once, "nobody got a letter twice"
    async with launched(*SERVE, settings=shop.settings) as server:
        await server.ready()
        assert "on hold" not in server.said


async def test_a_copy_that_is_put_back_by_hand_is_noticed_and_sends_nothing(shop: Shop, tmp_path: Path) -> None:
    await sent_after_the_backup(shop, tmp_path / "backup.db")
    once = shop.letters()
    # As the shell does it: the file is written over, and what lies beside it stays.
    with closing(sqlite3.connect(tmp_path / "backup.db")) as plain:
        plain.execute("DELETE FROM hold")  # as a copy by other means than ours has none
        plain.commit()
    shutil.copyfile(tmp_path / "backup.db", shop.database)
    shop.database.chmod(0o644)
    said = await shop.run(*SERVE, code=1)
    assert f"`cuebird restore {shop.database} --site SITE`" in said
    shop.database.chmod(0o600)
    async with launched(*SERVE, "--accept-loss", settings=shop.settings) as server:
        await server.ready()
        assert "NOTHING IS SENT, the outbox is on hold: it is older than what was here" in server.said
        await waiting(shop, 2)
        assert shop.letters() == once
        assert await server.terminate() == 0, server.said
    dropped = await shop.outbox("drop", "--yes")
    assert dropped["messages"] == 2, "an operator may decide while nothing runs"
    assert (await shop.outbox("list"))["hold"] == dropped["hold"] != "", "what comes is on hold still"
    await shop.run("restore", shop.database, "--site", SITE)
    assert (await shop.outbox("release"))["hold"] == ""


async def test_a_restore_is_refused_while_an_engine_runs_and_keeps_what_was_there(shop: Shop, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    async with launched(*SERVE, settings=shop.settings) as server:
        url = await server.ready()
        await tell(url, "ann", "page_viewed")
        made = json.loads(await shop.run("backup", SITE, "--to", backup, "--json"))
        assert (made["file"], made["journal_position"]) == (str(backup), 3), "the program, and two of Ann's"
        await tell(url, "bob", "page_viewed")
        said = await shop.run("restore", backup, "--site", SITE, code=1)
        assert f"already running, pid {server.pid}" in said
        await server.kill()
    told = json.loads(await shop.run("restore", backup, "--site", SITE, "--json"))
    kept = await shop.run("history", "cart", "--site", SITE, "--db", told["aside"])
    assert "cart" in kept
    assert told["journal_position"] == 3
    assert {path.stat().st_mode & 0o777 for path in shop.database.parent.iterdir() if path.is_file()} == {0o600}


async def test_a_server_that_was_started_with_no_send_decides_and_sends_nothing(shop: Shop) -> None:
    async with launched(*SERVE, "--no-send", settings=shop.settings) as server:
        await tell(await server.ready(), "ann", "order_completed", order_id="1")
        await waiting(shop, 2)
        said = await shop.run("outbox", "release", "--site", SITE, code=1)
        assert "started with --no-send" in said
        assert shop.letters() == []
        assert await server.terminate() == 0, server.said
    async with launched(*SERVE, settings=shop.settings) as server:
        await server.ready()
        assert "it was started with --no-send" in server.said, "only an operator's word lets them out"
        assert (await shop.outbox("release"))["messages"] == 2
        await until(lambda: len(shop.office.letters) == 2, "they go out")
        assert await server.terminate() == 0, server.said
