"""Leaving in good order: what clients see when the server is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from ingress.bounds.limits import IngressLimits
from tests.acceptance.ingress_site import bearer, running, until
from tests.unit.ingress.site import ev, track

pytestmark = pytest.mark.anyio

QUICK = IngressLimits(drain_ms=200, settle_ms_max=2_000, close_wait_ms_max=500, tick_ms=20)


async def test_clients_are_asked_to_go_and_what_was_taken_is_acknowledged() -> None:
    async with running(hold=True, limits=QUICK) as site:
        page = await site.open_page()
        await page.say(ev(1))
        request = asyncio.create_task(site.http.post("/v1/events", json=track(2), headers=bearer()))
        await until(lambda: len(site.engine.events) == 2, "both have come")
        os.kill(os.getpid(), signal.SIGTERM)
        assert await page.hear() == {"t": "drain", "in_ms": 200, "jitter_ms": 5_000}
        ready = await site.http.get("/readyz")
        assert (ready.status_code, ready.json()["not_draining"]) == (503, False)
        late = await site.http.post("/v1/events", json=track(3), headers=bearer())
        assert (late.status_code, late.json()["code"]) == (503, "draining")
        assert 2 <= int(late.headers["Retry-After"]) <= 5
        await page.say(ev(2))
        assert (await page.hear())["code"] == "draining"
        site.engine.commit()
        assert (await page.hear())["t"] == "ok"
        assert (await request).json()["accepted"] == 1
        assert await page.closed() == (4200, "drain")


async def test_an_event_stream_ends_itself_and_says_when_to_return() -> None:
    async with running(limits=QUICK) as site:
        request = asyncio.create_task(site.http.get("/v1/sse?key=sk_secret&userId=ann"))
        await until(lambda: site.streams.connected("ann"), "it listens")
        site.server.begin_drain()
        answer = await request
        assert answer.text.endswith("event: drain\nretry: 1500\ndata: {}\n\n")
        again = await site.http.get("/v1/sse?key=sk_secret&userId=ann")
        assert (again.status_code, again.text) == (200, "retry: 15000\n\n")


async def test_who_comes_while_the_server_leaves_is_sent_away_at_once() -> None:
    async with running(limits=QUICK, hold=True) as site:
        await site.open_page()
        site.server.begin_drain()
        page = await site.page()
        assert (await page.closed())[0] == 4200


async def test_without_the_engines_word_the_server_leaves_all_the_same() -> None:
    limits = IngressLimits(drain_ms=20, settle_ms_max=50, close_wait_ms_max=500, tick_ms=20)
    async with running(limits=limits, hold=True) as site:
        page = await site.open_page()
        await page.say(ev(1))
        await until(lambda: len(site.engine.events) == 1, "it has come")
        site.server.begin_drain()
        assert await page.closed() == (4200, "drain"), "no ok was said: the client sends it again"


PROGRAM = """
import sys, time
from tests.unit.ingress.engine import MemoryEngine
from tests.unit.ingress.site import KEYS, VISITORS
from ingress.app import build_app, new_streams
from ingress.bounds.limits import IngressLimits
from ingress.connections.context import context_of
from ingress.messages.messages import Normalizer
from ingress.server import build_server

def now_ms(): return time.time_ns() // 1_000_000
limits = IngressLimits(drain_ms=int(sys.argv[2]))
engine = MemoryEngine()
app = build_app(context_of(submit=engine.submit, owner=engine.owner, now_ms=now_ms, streams=new_streams("e", now_ms, limits), keys=KEYS,
                     visitors=VISITORS, normalizer=Normalizer(), limits=limits))
build_server(app, port=int(sys.argv[1])).run()
print("left", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("drain_ms", "signals"), [(100, 1), (60_000, 2)])
async def test_a_process_leaves_on_sigterm_and_at_once_on_the_second(drain_ms: int, signals: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(port), str(drain_ms), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            page = await connect_when_up(f"ws://127.0.0.1:{port}/v1/ws")
            await page.send('{"t":"hello","token":"sk_secret"}')
            await page.recv()
            process.send_signal(signal.SIGTERM)
            assert '"drain"' in str(await page.recv())
            if signals == 2:
                process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await page.recv()
            assert page.close_code == 4200
            out, _ = await process.communicate()
        assert (process.returncode, out) == (0, b"left\n")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def connect_when_up(address: str) -> ClientConnection:
    while True:
        try:
            return await connect(address, ping_interval=None)
        except OSError:
            await asyncio.sleep(0.02)
