"""uvicorn's two protocols with what a public port needs besides: deadlines and limits before there is a request, and a
way to cut off a peer that takes nothing."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import OPEN

from ingress.limits import IngressLimits
from ingress.websocket import ABORT, LINE, Listener


class HttpProtocol(HttpToolsProtocol):
    """Cuts connections whose headers do not come in time (slowloris), refuses headers that are too long or name two
    hosts."""

    limits: ClassVar[IngressLimits] = IngressLimits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._header_bytes = 0
        self._header_deadline: asyncio.TimerHandle | None = None
        self._in_headers = True
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._expect_headers()
            self._header_bytes += len(data)
        super().data_received(data)
        # Checked after parsing: what came may hold whole headers and much body.
        if self._in_headers and self._header_bytes > self.limits.header_bytes_max and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large", "headers_too_large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # It may have come in one piece with the request before it.
        self._expect_headers()

    def on_headers_complete(self) -> None:
        self._headers_came()
        self._in_headers = False
        if sum(1 for name, _ in self.headers if name == b"host") > 1:
            # Two hosts: what is in front of us may believe the other one.
            raise ValueError("two Host headers")
        super().on_headers_complete()
        if self.cycle is not None:
            scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]  # a key of our own
            scope[ABORT] = self.transport.abort

    def on_message_complete(self) -> None:
        self._in_headers = True
        self._header_bytes = 0
        super().on_message_complete()

    def _expect_headers(self) -> None:
        if self._header_deadline is None:
            wait = self.limits.header_wait_ms_max / 1000
            self._header_deadline = self.loop.call_later(wait, self._cut)

    def _headers_came(self) -> None:
        if self._header_deadline is not None:
            self._header_deadline.cancel()
            self._header_deadline = None

    def _cut(self) -> None:
        self._header_deadline = None
        self.transport.abort()

    def _refuse(self, status: bytes, code: str) -> None:
        body = f'{{"success":false,"code":"{code}","message":"at most {self.limits.header_bytes_max} bytes"}}'.encode()
        head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Hands frames to whoever listens without a queue and a task between: those cost more than a frame itself.

    Until there is a listener, and for all but text and binary messages, it is uvicorn's.
    """

    listener: Listener | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope[LINE] = self

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.listener is not None:
            # After all frames of a burst, so that they are answered with one message.
            self.listener.flush()

    def send_receive_event_to_app(self) -> None:
        if self.listener is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type != "text":
            self.listener.heard_binary()
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        self.listener.heard(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.listener is not None:
            self.listener.flush()

    def may_say(self) -> bool:
        """False while the peer takes nothing: then keep it."""
        return self.writable.is_set()

    def say(self, text: str) -> None:
        """One text message; nothing if the connection is closing."""
        if self.disconnected or self.close_sent or self.conn.state is not OPEN:
            return
        self.conn.send_text(text.encode())
        self.transport.write(b"".join(self.conn.data_to_send()))

    def pause(self) -> None:
        """Read nothing more from it, until `resume`."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        """Cut it, without a word."""
        self.transport.abort()


def http_protocol(limits: IngressLimits) -> type[HttpProtocol]:
    """The protocol with these limits; uvicorn wants a class."""
    return type("HttpProtocol", (HttpProtocol,), {"limits": limits})
