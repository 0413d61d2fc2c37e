"""`WS /v1/ws`: carries text between a socket and a session, nothing else.

An ASGI application for the handshake and the end. In between its frames go by a line of their own, past the server's
queue and task switches (measured: 12 of 30 µs a frame), and however many answers there are go as one message.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from starlette.types import Receive, Scope, Send

from ingress.bounds.buffered import Buffered
from ingress.bounds.descriptors import Lookout
from ingress.bounds.gate import Gate
from ingress.connections.context import ConnectionContext
from ingress.connections.frames import BEARER, PROTOCOLS
from ingress.connections.session import Session
from ingress.principals.visitor_tokens import in_cookies

BATCH_EVENTS_MIN: Final = 50
"""Events in flight from which on a connection is one that sends batches, and may be made to wait."""

LINE = "cuebird.line"
"""Key in the ASGI scope of a WebSocket: its protocol object (`ingress.connections.transport.WebSocketLine`)."""


class Listener(Protocol):
    """Who hears what comes on a line."""

    def heard(self, data: bytes) -> None:
        """A text message, valid UTF-8."""

    def heard_binary(self) -> None: ...

    def flush(self) -> None:
        """A burst is over, or the peer takes again: say what there is to say."""


class Transport(Protocol):
    """One WebSocket, for a listener: words are written at once, without a task between."""

    listener: Listener | None

    def admit(self) -> None:
        """Who talks has said who it is."""

    def may_say(self) -> bool: ...
    def say(self, text: str) -> None: ...
    def pause(self) -> None:
        """Read nothing more from it."""

    def resume(self) -> None: ...


class Drainable(Protocol):
    def drain(self) -> None:
        """End yourself, and say why."""

    def look_again(self) -> None:
        """Keys were changed: end yourself if who listens would not be let in now."""


class Doors:
    """All open connections of a server: counts them, looks at them every second, and closes them in the end."""

    def __init__(self, world: ConnectionContext) -> None:
        self.world = world
        self.now_ms = world.now_ms
        self.draining = False
        self.gate = Gate(world.limits, world.counts, world.now_ms)
        self.buffered = Buffered(world.limits)
        self.lookout = Lookout()
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
            if connection.paused:
                connection.session.unheard(now)
            connection.session.tick(now)
            connection.wake()
        self.world.sessions.forget(now)
        self.world.admission.settled()
        self.lookout.look()

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

    def look_again(self) -> None:
        """The site's keys were changed: who came in by one that is gone goes."""
        for connection in list(self.connections):
            connection.session.look_again()
            connection.wake()
        for stream in list(self.event_streams):
            stream.look_again()

    def finish(self) -> None:
        self.buffered.end()
        for connection in list(self.connections):
            connection.session.finish()
            connection.wake()

    def in_flight(self) -> int:
        """What the engine has not spoken on."""
        return self.requests + sum(connection.session.acks.in_flight for connection in self.connections)


class Connection:
    """One socket and its session. It listens to the line; the task that the server gave us only waits for the end."""

    def __init__(
        self,
        session_of: Callable[[Callable[[], None]], Session],
        line: Transport,
        world: ConnectionContext,
    ) -> None:
        self.session = session_of(self.wake)
        self._limits = world.limits
        self._admission = world.admission
        self._line = line
        self._now_ms = world.now_ms
        self._loop = asyncio.get_running_loop()
        self._flush_is_due = False
        self.paused = False
        """It is not read from: it waits for its turn, or spoke too fast."""
        self._admitted = False
        self.closing = asyncio.Event()

    def heard(self, data: bytes) -> None:
        self.session.receive_text(data, self._now_ms())
        if not self._admitted and self.session.state != "new":
            self._admitted = True
            self._line.admit()

    def heard_binary(self) -> None:
        self.session.receive_binary(self._now_ms())

    def wake(self) -> None:
        """There may be something to send: soon, so that the words on all frames of a commit go together."""
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        self._flush_is_due = False
        session = self.session
        if session.events.rest_ms or session.acks.in_flight >= BATCH_EVENTS_MIN:
            self._pause()
        if self._line.may_say() and (said := session.outgoing()):
            self._line.say(said[0] if len(said) == 1 else f"[{','.join(said)}]")
        if session.close is not None:
            self.closing.set()

    def _pause(self) -> None:
        """Let it wait, in its own buffers: as long as it spoke too fast, or until the engine has room for batches."""
        limits, admission = self._limits, self._admission
        rest_ms, self.session.events.rest_ms = min(self.session.events.rest_ms, limits.refusal_wait_ms_max), 0
        if self.paused or not (rest_ms or admission.full):
            return
        self.paused = True
        self._line.pause()
        if rest_ms:
            self._loop.call_later(rest_ms / 1000, self._resume)
        else:
            admission.wait(self._resume)

    def _resume(self) -> bool:
        self.paused = False
        if self._line.listener is not self:
            return False
        self.session.unheard(self._now_ms())
        self._line.resume()
        return True

    async def hang_up(self, send: Send) -> None:
        """Send the close frame once this side has ended the session."""
        await self.closing.wait()
        assert self.session.close is not None
        code, reason = self.session.close
        with suppress(OSError):
            await send({"type": "websocket.close", "code": code, "reason": reason})


class WebSocketEndpoint:
    """The ASGI application of `/v1/ws`."""

    def __init__(self, doors: Doors) -> None:
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        doors, world = self.doors, self.doors.world
        message = await receive()
        if message["type"] != "websocket.connect":
            return
        address = (scope.get("client") or ("", 0))[0]
        offered: list[str] = scope.get("subprotocols", [])
        chosen, known = choose(offered)
        origin, token, visitor = _told(scope["headers"], offered)
        # Cookies may be large, and whoever waits for a hello waits with them.
        scope["headers"] = []
        await send({"type": "websocket.accept", "subprotocol": chosen})

        def session_of(wake: Callable[[], None]) -> Session:
            return Session(
                world, doors.now_ms(), token=token, visitor=visitor, origin=origin, address=address, wake=wake
            )

        line: Transport = scope[LINE]
        connection = Connection(session_of, line, world)
        too_many = doors.enter(address)
        try:
            if too_many:
                connection.session.refuse(too_many, "too many connections")
            elif not known:
                connection.session.refuse(4006, f"sub-protocols known here: {', '.join(PROTOCOLS)}")
            elif doors.draining:
                connection.session.refuse(4200, "this server is about to restart")
            await self._carry(connection, line, receive, send)
        finally:
            doors.leave(address)

    async def _carry(self, connection: Connection, line: Transport, receive: Receive, send: Send) -> None:
        doors = self.doors
        doors.connections.add(connection)
        doors.world.counts.connections["ws"] += 1
        closer = asyncio.create_task(connection.hang_up(send))
        try:
            line.listener = connection
            connection.flush()
            # What came before there was a listener, and in the end the news that the peer is gone.
            while (message := await receive())["type"] == "websocket.receive":
                if (text := message.get("text")) is not None:
                    connection.heard(text.encode())
                else:
                    connection.heard_binary()
                connection.flush()
        finally:
            line.listener = None
            closer.cancel()
            with suppress(asyncio.CancelledError):
                await closer
            connection.session.gone(doors.now_ms())
            doors.connections.discard(connection)
            doors.world.counts.connections["ws"] -= 1


def choose(offered: Sequence[str]) -> tuple[str | None, bool]:
    """The sub-protocol to answer with, and whether we speak it. A browser needs one of its own echoed to be told more."""
    spoken = [name for name in offered if not name.startswith(BEARER)]
    ours = next((name for name in spoken if name in PROTOCOLS), None)
    if ours is not None:
        return ours, True
    return (spoken[0], False) if spoken else (None, True)


def _told(headers: Sequence[tuple[bytes, bytes]], offered: Sequence[str]) -> tuple[str | None, str, str]:
    """(origin, token, visitor token) of a handshake."""
    found = {name: value.decode("latin-1") for name, value in headers}
    return found.get(b"origin"), token_of(found, offered), in_cookies(found.get(b"cookie", ""))


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
