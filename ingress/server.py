"""uvicorn, started from our own code, and leaving in good order.

On SIGTERM: /readyz says 503 and new events are refused; clients are asked to go (`drain`), event streams end
themselves; what the engine has taken is waited for and acknowledged; then sockets close 4200. A second signal: now.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from ingress.bounds.gate import proxies
from ingress.connections.protocols import http_protocol
from ingress.connections.websocket import Doors

LOOK_SECONDS = 0.02
"""How often a draining server looks whether all is done."""


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, doors: Doors) -> None:
        super().__init__(config)
        self.doors = doors
        self.draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    @property
    def port(self) -> int:
        """Where it listens, once it has started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not passed on to uvicorn's: it would close every socket at once, and raise the signal again at the end."""
        if self._loop is None or self.doors.draining:
            # uvicorn tells what it cuts short as if it were a fault of ours.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            self.should_exit = True
            self.force_exit = True
            return
        # In the loop, not here: a signal may come between any two lines.
        self._loop.call_soon_threadsafe(self.begin_drain)

    def begin_drain(self) -> None:
        if self.draining is None:
            self.doors.drain()
            self.draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        doors, limits = self.doors, self.doors.world.limits
        await self._until(lambda: not doors.connections, limits.drain_ms)
        await self._until(lambda: not doors.in_flight(), limits.settle_ms_max)
        doors.finish()
        await self._until(lambda: not doors.connections and not doors.event_streams, limits.close_wait_ms_max)
        self.should_exit = True

    async def _until(self, done: Callable[[], bool], wait_ms: int) -> None:
        """Wait for it, but not longer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_ms / 1000
        while not done() and loop.time() < deadline and not self.should_exit:  # noqa: ASYNC110  # three conditions in three places
            await asyncio.sleep(LOOK_SECONDS)


def build_server(app: Starlette, *, host: str = "127.0.0.1", port: int = 8700, fd: int | None = None) -> Server:
    """A server of an application of `build_app`; `await server.serve()`, or `server.run()`. Port 0: any free one."""
    doors: Doors = app.state.doors
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        fd=fd,
        loop="uvloop",
        http=http_protocol(doors),
        # Our HTTP protocol answers handshakes itself (`ingress.connections.transport`).
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    doors.gate.is_proxy = proxies(config.forwarded_allow_ips)
    return Server(config, doors)
