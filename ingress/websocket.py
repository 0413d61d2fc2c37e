"""`WS /v1/ws`: carries text between a socket and a session, nothing else.

A raw ASGI application, because one task switch and one dictionary a frame are what a frame costs here. The reader is
the task that the server gave us; a writer of its own sends what comes later, as one message however many frames.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from starlette.types import Receive, Scope, Send

from ingress.frames import BEARER, PROTOCOLS
from ingress.session import Session, World

ABORT = "cuebird.abort"
"""Key in the ASGI scope, put there by our protocol classes: cuts the connection without a word."""


Abort = Callable[[], None] | None


class Drainable(Protocol):
    def drain(self) -> None:
        """End yourself, and say why."""


class Doors:
    """All open connections of a server: counts them, looks at them every second, and closes them in the end."""

    def __init__(self, world: World, now_ms: Callable[[], int]) -> None:
        self.world = world
        self.now_ms = now_ms
        self.draining = False
        self.connections: set[Connection] = set()
        self.addresses: Counter[str] = Counter()
        self.event_streams: set[Drainable] = set()
        self.requests = 0
        """HTTP requests whose events wait for the engine's word."""

    def enter(self, address: str) -> int:
        """0, or the close code for a connection too many. Every enter is followed by a leave."""
        self.addresses[address] += 1
        limits = self.world.limits
        if self.addresses[address] > limits.connections_per_address_max:
            return 4029
        if len(self.connections) + len(self.event_streams) >= limits.connections_max:
            return 4100
        return 0

    def leave(self, address: str) -> None:
        self.addresses[address] -= 1
        if self.addresses[address] <= 0:
            del self.addresses[address]

    def tick(self) -> None:
        now = self.now_ms()
        for connection in list(self.connections):
            connection.session.tick(now)
            connection.wake()
            connection.cut_if_stuck(now, self.world.limits.close_wait_ms_max)
        self.world.sessions.forget(now)

    async def watch(self) -> None:
        """Ticks until it is cancelled."""
        while True:
            await asyncio.sleep(self.world.limits.tick_ms / 1000)
            self.tick()

    def drain(self) -> None:
        self.draining = True
        for connection in list(self.connections):
            connection.session.drain()
            connection.wake()
        for stream in list(self.event_streams):
            stream.drain()

    def finish(self) -> None:
        for connection in list(self.connections):
            connection.session.finish()
            connection.wake()

    def in_flight(self) -> int:
        """What the engine has not spoken on."""
        return self.requests + sum(connection.session.acks.in_flight for connection in self.connections)


class Connection:
    """One socket and its session."""

    def __init__(self, session_of: Callable[[Callable[[], None]], Session], send: Send, abort: Abort) -> None:
        self.session = session_of(self.wake)
        self._send = send
        self._abort = abort
        self._output = asyncio.Event()
        self._sending = False
        self._cut_at: int | None = None

    def wake(self) -> None:
        """There may be something to send."""
        self._output.set()

    async def read(self, receive: Receive, now_ms: Callable[[], int]) -> None:
        """Until the peer is gone."""
        session = self.session
        while True:
            message = await receive()
            kind = message["type"]
            if kind == "websocket.receive":
                text = message.get("text")
                session.receive(text if text is not None else message["bytes"], now_ms())
                if not self._sending and session.close is None:
                    # What is known already goes at once; only later words need the writer's task.
                    self._output.clear()
                    await self._flush()
                    if session.close is None:
                        continue
                self.wake()
            elif kind == "websocket.disconnect":
                return

    async def write(self) -> None:
        """Until this side closes."""
        session = self.session
        while True:
            await self._output.wait()
            self._output.clear()
            if self._sending:
                # The reader is at it and looks again when it is done.
                continue
            await self._flush()
            if session.close is not None:
                code, reason = session.close
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                return

    async def _flush(self) -> None:
        self._sending = True
        try:
            while said := self.session.outgoing():
                text = said[0] if len(said) == 1 else f"[{','.join(said)}]"
                await self._send({"type": "websocket.send", "text": text})
        finally:
            self._sending = False

    def cut_if_stuck(self, now: int, wait_ms: int) -> None:
        """A peer that does not take its close frame is cut off: else its buffers stay for ever."""
        if self.session.close is None:
            return
        if self._cut_at is None:
            self._cut_at = now + wait_ms
        elif now >= self._cut_at and self._abort is not None:
            self._abort()


class WebSocketEndpoint:
    """The ASGI application of `/v1/ws`."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        doors, world = self.doors, self.doors.world
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        offered: list[str] = scope.get("subprotocols", [])
        chosen, known = choose(offered)
        await send({"type": "websocket.accept", "subprotocol": chosen})

        def session_of(wake: Callable[[], None]) -> Session:
            origin, token = headers.get(b"origin"), token_of(headers, offered)
            return Session(world, doors.now_ms(), token=token, origin=origin, wake=wake)

        connection = Connection(session_of, send, scope.get(ABORT))
        address = (scope.get("client") or ("", 0))[0]
        too_many = doors.enter(address)
        if too_many:
            connection.session.refuse(too_many, "too many connections")
        elif not known:
            connection.session.refuse(4006, f"sub-protocols known here: {', '.join(PROTOCOLS)}")
        elif doors.draining:
            connection.session.refuse(4200, "this server is about to restart")
        await self._carry(connection, receive, address)

    async def _carry(self, connection: Connection, receive: Receive, address: str) -> None:
        doors = self.doors
        doors.connections.add(connection)
        doors.world.counts.connections["ws"] += 1
        connection.wake()
        writer = asyncio.create_task(connection.write())
        try:
            await connection.read(receive, doors.now_ms)
        except OSError:
            # The server's way of saying that the peer is gone while we were sending.
            return
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await writer
            connection.session.gone(doors.now_ms())
            doors.connections.discard(connection)
            doors.world.counts.connections["ws"] -= 1
            doors.leave(address)


def choose(offered: Sequence[str]) -> tuple[str | None, bool]:
    """The sub-protocol to answer with, and whether we speak it. A browser needs one of its own echoed to be told more."""
    spoken = [name for name in offered if not name.startswith(BEARER)]
    ours = next((name for name in spoken if name in PROTOCOLS), None)
    if ours is not None:
        return ours, True
    return (spoken[0], False) if spoken else (None, True)


def token_of(headers: Mapping[bytes, str], offered: Sequence[str]) -> str:
    """What the handshake carries: `Authorization: Bearer`, or the sub-protocol `cuebird.bearer.<base64url>`."""
    scheme, _, token = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    carried = next((name[len(BEARER) :] for name in offered if name.startswith(BEARER)), "")
    try:
        return base64.urlsafe_b64decode(carried + "=" * (-len(carried) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
