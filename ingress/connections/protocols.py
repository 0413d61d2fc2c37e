"""uvicorn's HTTP protocol with what a public port needs besides: a deadline for each part of a request, limits before
there is one, and an answer to every handshake.

What is relied on of uvicorn beyond its documentation is listed and held by `tests/unit/ingress/test_uvicorn.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Final
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingress.connections.socket import Socket
from ingress.connections.transport import WebSocketTransport, handshake_head, websocket_scope
from ingress.connections.websocket import Doors

SOCKET: Final = "cuebird.socket"
"""Key in the ASGI scope of a request: its protocol object."""

GRACE_MS: Final = 1_000
"""Who reads a body gives it up first, with an answer; what nobody reads is cut so much later."""

RETRY: Final = (b"retry-after: 5",)

WRITE_BUFFER_BYTES: Final = 16_384
"""What is kept for a client that does not read, before its answers are held back."""

Headers = Sequence[tuple[bytes, bytes]]


class Refusal(msgspec.Struct, frozen=True):
    """What is answered to a request that is none."""

    status: bytes
    code: str
    message: str
    headers: Sequence[bytes] = ()


MALFORMED: Final = Refusal(b"400 Bad Request", "malformed", "this is no HTTP request")
TOO_MANY: Final = {
    "overloaded": Refusal(b"503 Service Unavailable", "overloaded", "too many connections; come later", RETRY),
    "connection_limit": Refusal(b"429 Too Many Requests", "connection_limit", "too many connections of yours", RETRY),
}


class HandshakeRefused(Exception):
    """Thrown through the parser: the head is not read further. `refusal` is on the protocol."""


class HttpProtocol(Socket, HttpToolsProtocol):
    """One HTTP connection, until it closes or becomes a WebSocket. Nothing of it lasts without a deadline but the wait for
    our own answer."""

    doors: ClassVar[Doors]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._limits = self.doors.world.limits
        self._address = self.client[0] if self.client else ""
        self._refusal: Refusal | None = None
        self._handshake = False
        self._begun = False
        """Something of a request has come, and not yet all of it."""
        self._in_head = True
        self._requests = 0
        """So many have begun."""
        self._held = 0
        self._raw_bytes = self._other_bytes = 0
        self._awaited: tuple[str, int] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        too_many = self.doors.gate.enter(self._address)
        self._counted = too_many is None
        if too_many is not None:
            self._answer(TOO_MANY[too_many])
            return
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.doors.gate.wait(self)
        self._await("head", self._limits.header_wait_ms_max)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        super().connection_lost(exc)
        if self.scope is not None:
            # A circle through ourselves, which the garbage collector would find only much later.
            self.scope.pop(SOCKET, None)  # type: ignore[typeddict-item]  # a key of our own

    # --- what came --------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._in_head:
            self._raw_bytes += len(data)
        else:
            self._other_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._handshake or len(data) > upgrade.args[0]:
                self._upgrade(early=len(data) > upgrade.args[0])
                return
        except httptools.HttpParserError:
            self._refuse(self._refusal or MALFORMED)
            return
        # Checked after parsing: what came may hold whole headers and much body, or body alone.
        if max(self._raw_bytes if self._in_head else 0, self._other_bytes) > self._limits.header_bytes_max:
            self._refuse(self._too_large())
        else:
            self._hold(self._raw_bytes if self._in_head and self._begun else 0)
            self._await_the_rest()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if len(self.pipeline) >= self._limits.pipelined_requests_max:
            self._throw(MALFORMED)
        self._begun = True
        self._requests += 1

    def on_headers_complete(self) -> None:
        if self._is_too_large():
            self._throw(self._too_large())
        if sum(1 for name, _ in self.headers if name == b"host") > 1:
            # What is in front of us may believe the other one.
            self._throw(Refusal(b"400 Bad Request", "malformed", "two Host headers"))
        if self.parser.should_upgrade() and _wants_websocket(self.headers):
            fault = _handshake_fault(self.headers)
            if fault is not None:
                self._throw(fault)
            # Here, where a broken address is refused like a broken header.
            self._target = httptools.parse_url(self.url)
            self._path = unquote(self._target.path.decode("ascii"))
            self._handshake = True
            return
        super().on_headers_complete()
        self._in_head = False
        scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]  # a key of our own
        scope[SOCKET] = self

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._other_bytes = 0

    def on_message_complete(self) -> None:
        self._in_head = True
        self._begun = False
        self._raw_bytes = self._other_bytes = 0
        if self._handshake:
            return
        super().on_message_complete()
        self.doors.gate.admit(self)
        if self.cycle.response_complete:
            self.doors.gate.wait(self)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            # What came of a body that nobody read would stay as long as the connection.
            self.cycle.body = bytearray()
            self.doors.gate.wait(self)

    def _is_too_large(self) -> bool:
        headers, limits = self.headers, self._limits
        if len(headers) > limits.headers_max:
            return True
        if self._raw_bytes <= limits.header_bytes_max:
            return False
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in headers) > limits.header_bytes_max

    def _throw(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise HandshakeRefused

    # --- deadlines --------------------------------------------------------------------------------------------------

    def _await_the_rest(self) -> None:
        """Set the deadline for what is missing now. Each part has one, however many bytes of it come."""
        if self.transport.is_closing():
            return
        if self._begun:
            if self._in_head:
                self._await("head", self._limits.header_wait_ms_max)
            else:
                self._await("body", self._limits.body_wait_ms_max + GRACE_MS)
        elif self.cycle is not None and self.cycle.response_complete:
            # uvicorn's own wait ended with the bytes that came after the answer.
            self._await("next", self.timeout_keep_alive * 1000)
        elif self.cycle is not None:
            self._await_nothing()

    def _await(self, part: str, wait_ms: int) -> None:
        if self._awaited != (part, self._requests):
            self._await_nothing()
            self._awaited = (part, self._requests)
            self._deadline = self.loop.call_later(wait_ms / 1000, self.abort)

    def _await_nothing(self) -> None:
        self._awaited = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self.doors.gate.wait(self)
        self._stalled = self.loop.call_later(self._limits.write_wait_ms_max / 1000, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.cycle is not None and not self.cycle.response_complete:
            self.doors.gate.admit(self)
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # --- ends -------------------------------------------------------------------------------------------------------

    def admit(self) -> None:
        """Who asks has shown a key: the rest of the body may take its time."""
        self.doors.gate.admit(self)

    def give_up(self) -> None:
        """Its unfinished head takes room that others need."""
        self._held = 0
        self.abort()

    def _hold(self, size: int) -> None:
        """So much of a head is kept until the rest has come. A usual one comes whole, and is not counted."""
        if size != self._held:
            self._held = size
            self.doors.buffered.hold(self, size, self.loop.time())

    def streams(self) -> None:
        """It is an event stream from now on, and counted with those."""
        if self._counted:
            self._counted = False
            self.doors.gate.leave(self._address)

    def _let_go(self) -> None:
        """It is no HTTP connection any more."""
        self._await_nothing()
        self._hold(0)
        if self._stalled is not None:
            self._stalled.cancel()
        self.doors.gate.admit(self)
        self.streams()

    def _upgrade(self, *, early: bool) -> None:
        """The connection becomes a WebSocket, or hears why not."""
        if early:
            self._refuse(Refusal(b"400 Bad Request", "malformed", "nothing may follow a handshake before its answer"))
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(Refusal(b"400 Bad Request", "malformed", "a handshake waits for the answers before it"))
            return
        self._unset_keepalive_if_required()
        self._let_go()
        self.connections.discard(self)
        target = self._target
        method, version = self.parser.get_method().decode("ascii"), self.parser.get_http_version()
        # It and the parser hold each other, and the large headers of a page.
        self.parser = None  # type: ignore[assignment]  # as uvicorn does when a connection is lost
        line = WebSocketTransport(self.app, self.server_state, self.doors, self.transport)
        self.transport.set_protocol(line)
        line.begin(
            handshake_head(method, version, self.headers),
            websocket_scope(self.scope, self._path, target.path, target.query or b""),
        )

    def _too_large(self) -> Refusal:
        text = f"at most {self._limits.header_bytes_max} bytes in {self._limits.headers_max} headers"
        return Refusal(b"431 Request Header Fields Too Large", "headers_too_large", text)

    def _refuse(self, refusal: Refusal) -> None:
        self.doors.gate.malformed(refusal.code, self._address)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._answer(refusal)
        elif self._in_head:
            # Nothing can be said between the answers that are due: they are given, and then it is closed.
            self.shutdown()
        elif self.pipeline or cycle.response_started:
            self.abort()
        else:
            # The body of the one request there is: whoever reads it hears that it ended.
            self._answer(refusal)

    def _answer(self, refusal: Refusal) -> None:
        """Answer, and close."""
        body = msgspec.json.encode({"success": False, "code": refusal.code, "message": refusal.message})
        lines = [
            b"HTTP/1.1 " + refusal.status,
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
            *refusal.headers,
        ]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()


def http_protocol(doors: Doors) -> type[HttpProtocol]:
    """The protocol of these doors; uvicorn wants a class."""
    return type("HttpProtocol", (HttpProtocol,), {"doors": doors})


def _wants_websocket(headers: Headers) -> bool:
    return any(name == b"upgrade" and value.strip().lower() == b"websocket" for name, value in headers)


def _handshake_fault(headers: Headers) -> Refusal | None:
    """What the frames' protocol would not answer, or not as RFC 6455 §4.4 has it."""
    told = dict(headers)
    if b"transfer-encoding" in told or told.get(b"content-length", b"0") != b"0":
        return Refusal(b"400 Bad Request", "malformed", "a handshake has no body")
    if told.get(b"sec-websocket-version") != b"13":
        newest = (b"sec-websocket-version: 13", b"upgrade: websocket")
        return Refusal(b"426 Upgrade Required", "unsupported_version", "WebSocket version 13 is spoken here", newest)
    return None
