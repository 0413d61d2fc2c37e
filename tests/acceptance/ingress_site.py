"""A real server of the ways in on a free loopback port, with a small engine in memory behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from ingress.app import build_app, new_streams
from ingress.bounds.limits import IngressLimits
from ingress.connections.context import context_of
from ingress.connections.websocket import Doors
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing
from ingress.server import Server, build_server
from tests.unit.ingress.engine import MemoryEngine
from tests.unit.ingress.site import KEYS, SERVER, SHOP, VISITORS

WAIT_SECONDS = 5.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class RealSite:
    def __init__(self, server: Server, engine: MemoryEngine, doors: Doors) -> None:
        self.server = server
        self.engine = engine
        self.doors = doors
        self.streams = doors.world.streams
        self.address = f"127.0.0.1:{server.port}"
        # Nothing is encrypted here, and to read the certificates of the world takes longer than most of these tests.
        self.http = httpx2.AsyncClient(base_url=f"http://{self.address}", timeout=WAIT_SECONDS, verify=False)

    async def page(self, *, protocols: list[str] | None = None, origin: str | None = SHOP, **options: Any) -> Socket:
        socket = await connect(
            f"ws://{self.address}/v1/ws",
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol(name) for name in protocols] if protocols else None,
            compression=None,
            ping_interval=None,
            **options,
        )
        return Socket(socket)

    async def open_page(self, **hello: Any) -> Socket:
        page = await self.page()
        await page.say({"t": "hello", "token": SERVER} | hello)
        assert (await page.hear())["t"] == "welcome"
        return page

    async def still_works(self) -> None:
        """The server goes on, for others and by every way in."""
        page = await self.open_page()
        await page.say({"t": "ev", "id": 1, "e": [{"type": "track", "event": "x", "userId": "u"}]})
        assert (await page.hear())["t"] == "ok"
        await page.close()
        answer = await self.http.post("/v1/events", json={"event": "x", "userId": "u"}, headers=bearer())
        assert (answer.status_code, answer.json()["success"]) == (200, True)


class Socket:
    """A client's end, speaking in frames."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._heard: list[Any] = []

    async def say(self, *frames: Any) -> None:
        for frame in frames:
            message = frame if isinstance(frame, str | bytes) else msgspec.json.encode(frame).decode()
            await self.connection.send(message)

    async def hear(self) -> Any:
        """The next frame."""
        while not self._heard:
            async with asyncio.timeout(WAIT_SECONDS):
                message = msgspec.json.decode(await self.connection.recv())
            self._heard += message if isinstance(message, list) else [message]
        return self._heard.pop(0)

    async def closed(self) -> tuple[int, str]:
        """(code, reason) of the server's close."""
        async with asyncio.timeout(WAIT_SECONDS):
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""

    async def close(self) -> None:
        await self.connection.close()


def bearer(token: str = SERVER) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Wait for a named thing."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.005)
    raise AssertionError(what)


@asynccontextmanager
async def running(
    *,
    keys: KeyRing = KEYS,
    limits: IngressLimits | None = None,
    hold: bool = False,
    in_flight: Callable[[], int] = lambda: 0,
    **more: Any,
) -> AsyncIterator[RealSite]:
    limits = limits or IngressLimits(tick_ms=20)
    engine = MemoryEngine(hold=hold)
    context = context_of(
        submit=engine.submit,
        now_ms=now_ms,
        streams=new_streams("e7", now_ms, limits),
        owner=engine.owner,
        in_flight=in_flight,
        keys=keys,
        visitors=VISITORS,
        normalizer=Normalizer(),
        limits=limits,
    )
    app = build_app(context, version="1.2.3", **more)
    server = build_server(app, port=0)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done(), "the server has started")
    site = RealSite(server, engine, app.state.doors)
    try:
        yield site
    finally:
        await site.http.aclose()
        server.should_exit = True
        await task
