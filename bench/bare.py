"""What the same web server does without the engine: the limits that the engine is measured against.

| path | what is done with a frame |
|---|---|
| `/bare/echo` | it is sent back |
| `/bare/decode` | the typed decoder of `cuebird.v1`, then an `ok` |
| `/bare/events` | the same, and its messages become events (JSON -> Event), then an `ok` |
| `/bare/stock` | as `decode`, through a queue and a task for each frame, as any ASGI application gets it |
| `/v1/ws` | all of the ways in (session, credit, acks in order); nothing behind them: each event is acknowledged at once |

All run in one process on the server that the product runs on: uvicorn, uvloop, the same protocol class and settings.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from actors.model.event import Event
from actors.values.token import SECRET_BYTES_MIN, Tokens
from engine.clock import SystemClock
from engine.submit import Receipt
from ingress.app import build_app, new_streams
from ingress.bounds.limits import IngressLimits
from ingress.connections import frames
from ingress.connections.context import context_of
from ingress.connections.frames import PROTOCOL, Ev
from ingress.connections.websocket import LINE, Transport
from ingress.messages import scan
from ingress.messages.clocks import ClientClock
from ingress.messages.instants import milliseconds
from ingress.messages.messages import Normalizer
from ingress.principals.keys import KeyRing
from ingress.principals.principal import Principal
from ingress.principals.visitor_tokens import VisitorTokens
from ingress.server import Server, build_server
from language.compiler.compile import compile_site
from language.load import load_site

SPEAKER = Principal(source="client", key="dev")
WELCOME = frames.frame("welcome")


class _Listener(ABC):
    """Knows how to answer with one message for a burst."""

    def __init__(self, line: Transport) -> None:
        self._line = line
        self._said: list[str] = []
        line.admit()

    @abstractmethod
    def heard(self, data: bytes) -> None:
        """One text message as it came."""

    def heard_binary(self) -> None:
        raise AssertionError("the bench sends text")

    def flush(self) -> None:
        if self._said:
            said, self._said = self._said, []
            self._line.say(said[0] if len(said) == 1 else f"[{','.join(said)}]")


class Echo(_Listener):
    def heard(self, data: bytes) -> None:
        self._said.append(WELCOME if data.startswith(b'{"t":"hello"') else data.decode())


class Decode(_Listener):
    """One `ok` for all frames of a burst, as the product says it."""

    def __init__(self, line: Transport) -> None:
        super().__init__(line)
        self._id = self._messages = 0

    def heard(self, data: bytes) -> None:
        frame = frames.decode_frame(data)
        if isinstance(frame, Ev):
            self._id = frame.id
            self._messages += self.taken(frame, data)
        else:
            self._said.append(WELCOME)

    def taken(self, frame: Ev, data: bytes) -> int:
        return len(frame.e)

    def flush(self) -> None:
        if self._id:
            self._said.append(frames.ok(self._id, self._messages, 0, 1000))
            self._id = self._messages = 0
        super().flush()


class Events(Decode):
    def __init__(self, line: Transport, normalizer: Normalizer, now_ms: Callable[[], int]) -> None:
        super().__init__(line)
        self._normalizer = normalizer
        self._now_ms = now_ms
        self._clock = ClientClock()

    def taken(self, frame: Ev, data: bytes) -> int:
        batch = self._normalizer.wires(
            frame.e,
            received_at=self._now_ms(),
            sent_at=milliseconds(frame.sent_at, "sentAt") if frame.sent_at is not None else None,
            speaker=SPEAKER,
            checked=not scan.suspicious(data),
            plain=scan.plain(data, self._normalizer.sizes.plain_bytes_max),
            clock=self._clock,
        )
        assert batch is not None, "the canonical workload is made of Segment messages"
        return batch.messages


class Endpoint:
    """An ASGI application that has a listener for each line."""

    def __init__(self, listener: Callable[[Transport], _Listener]) -> None:
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        line: Transport = scope[LINE]
        listener = self._listener(line)
        line.listener = listener
        while (message := await receive())["type"] == "websocket.receive":
            listener.heard(message["text"].encode())
            listener.flush()


class Stock:
    """As any ASGI application gets its frames, and answers each."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        scope[LINE].admit()
        while (message := await receive())["type"] == "websocket.receive":
            frame = frames.decode_frame(message["text"])
            said = frames.ok(frame.id, len(frame.e), 0, 1000) if isinstance(frame, Ev) else WELCOME
            await send({"type": "websocket.send", "text": said})


def at_once(events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
    """An engine that does nothing and keeps nothing."""
    done(Receipt(accepted=len(events)))


def bare_server(site: Path) -> Server:
    clock, limits = SystemClock(), IngressLimits()
    program = compile_site(load_site(site))

    def normalizer() -> Normalizer:
        return Normalizer(aliases=program.aliases, lateness_ms=program.policy.lateness)

    shared = normalizer()
    listeners: Mapping[str, Callable[[Transport], _Listener]] = {
        "echo": Echo,
        "decode": Decode,
        "events": lambda line: Events(line, shared, clock.now_ms),
    }
    routes = [WebSocketRoute(f"/bare/{name}", Endpoint(listener)) for name, listener in listeners.items()]
    app = build_app(
        context_of(
            submit=at_once,
            now_ms=clock.now_ms,
            streams=new_streams("bench", clock.now_ms, limits),
            owner=lambda name, then: then(name),
            keys=KeyRing(dev=True),
            visitors=VisitorTokens(Tokens([bytes(SECRET_BYTES_MIN)])),
            normalizer=normalizer(),
            limits=limits,
        ),
        extra_routes=[*routes, WebSocketRoute("/bare/stock", Stock())],
    )
    return build_server(app, port=0)


async def until_ended(server: Server, ready: Callable[[int], None]) -> None:
    """Serves until SIGTERM; `ready` is given the port."""
    serving = asyncio.create_task(server.serve())
    while not server.started and not serving.done():  # uvicorn tells it by a flag alone
        await asyncio.sleep(0.005)
    if server.started:
        ready(server.port)
    await serving
