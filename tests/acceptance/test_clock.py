"""A machine whose clock is wrong: the server goes on, says so, and does nothing that only a wrong clock makes due."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx2
import pytest

from actors.model.event import Event
from cuebird.changes.proposal import compile_source, source_of
from cuebird.serving.app import open_app
from cuebird.settings.config import load
from engine.clock import ManualClock, SystemClock
from engine.engine import Engine
from language.load import load_site
from persistence.sqlite import SqliteStore
from tests.acceptance.kill.process import launched, until
from tests.acceptance.test_apply import cuebird, make_site, signed_up, write

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DAYS = 4 * 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def lived(site: Path, database: Path, event: Event, at: int) -> None:
    """A server with another clock took that event at that time, and ended."""
    source = source_of(load_site(site))
    store = SqliteStore(database)
    engine = Engine(store, compile_source(source), clock=ManualClock(at), source=source, compile_program=compile_source)
    await engine.open()
    work = asyncio.create_task(engine.run())
    engine.submit([event], lambda receipt: None)
    await engine.drain()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await store.close()


async def test_timers_ring_while_the_clock_is_days_behind_the_journal_and_the_server_says_so(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    write(site, wait="1s")
    database = site / "data" / "cuebird.db"
    await lived(site, database, Event(user="ann", kind="track", name="page_viewed", message_id="m1"), now_ms() + DAYS)
    async with launched("serve", site, "--dev", "--port", "0") as server:
        async with httpx2.AsyncClient(base_url=await server.ready()) as http:
            await signed_up(http, "bob")
            ready = await http.get("/readyz")
            assert ready.status_code == 200
            assert DAYS - 60_000 < ready.json()["clock_behind_s"] * 1000 < DAYS + 60_000

            async def greeted() -> bool:
                return bool((await http.get("/v1/stats")).json()["sends"] == 1)

            await until(greeted, "bob is greeted a second after he signed up")
            figures = (await http.get("/metrics")).text
        assert await server.terminate() == 0, server.said
    assert "cuebird_clock_offset_seconds -345" in figures
    assert server.said.count("s behind what the journal holds") == 1


async def test_a_start_days_later_makes_nothing_due_until_an_operator_believes_the_clock(tmp_path: Path) -> None:
    site = make_site(tmp_path / "shop")
    settings = load(site, {}, {"server.dev": True, "server.port": 0}).settings
    database = site / settings.store.path
    await lived(site, database, Event(user="ann", kind="track", name="signed_up", message_id="m1"), now_ms() - DAYS)
    doubting = SystemClock(synchronised=lambda: False)
    async with open_app(settings, site, clock=doubting) as app, httpx2.AsyncClient(base_url=app.url) as http:
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["clock"]) == (503, False)
        assert DAYS - 60_000 < ready.json()["clock_ahead_s"] * 1000 < DAYS + 60_000
        assert app.engine.statistics().fired == 0
        told = await asyncio.to_thread(cuebird, "believe-clock", site)
        assert "goes by the machine's clock again" in told.stdout, told.stderr
        await until(lambda: app.engine.statistics().sends == 1, "the greeting that was due days ago is sent")
        assert (await http.get("/readyz")).json() == {
            "clock": True,
            "storage": True,
            "taking_events": True,
            "not_draining": True,
        }
        told = await asyncio.to_thread(cuebird, "believe-clock", site)
        assert "there is nothing to believe" in told.stdout
    told = await asyncio.to_thread(cuebird, "believe-clock", site)
    assert "no engine runs" in told.stderr
