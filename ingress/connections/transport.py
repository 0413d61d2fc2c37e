"""One WebSocket: bytes to messages and back by `websockets`' protocol without I/O, with no queue and no task between.

Rules it keeps:

* A message is handed over in the turn of the loop it came in, and what there is to say to a burst goes as one write.
* Until there was a hello a few kilobytes are taken, in small pieces: whoever floods is out after the first of them.
* Nothing is kept for a peer that does not read, and what has not come whole is counted with all others'.
* Whatever end it takes, the socket is closed within a bounded time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from starlette.types import ASGIApp, Message, Scope
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol

from ingress.connections.socket import Socket
from ingress.connections.websocket import LINE, Doors, Listener

log = logging.getLogger(__name__)
quiet = logging.getLogger(f"{__name__}.websockets")
quiet.setLevel(logging.WARNING)  # a line a connection says nothing at a thousand a second

PIECE: Final = 65_536
"""Bytes parsed at once: the other connections get their turn between what one frame costs and not what a window does."""
EARLY_PIECE: Final = 2_048
"""The same before the hello."""
MINUTE_S: Final = 60.0
PONG: Final = bytes([0x80 | Opcode.PONG])
"""What a whole pong begins with."""

_TEXT, _OPEN = Opcode.TEXT, State.OPEN


class ServerState(Protocol):
    """What uvicorn waits for when it leaves: connections and tasks."""

    connections: set[Any]
    tasks: set[Any]


class WebSocketTransport(Socket, asyncio.Protocol):
    """Made when the head of a handshake has come; `begin` answers it by way of the application."""

    listener: Listener | None = None

    def __init__(self, app: ASGIApp, server: ServerState, doors: Doors, transport: asyncio.Transport) -> None:
        limits = doors.world.limits
        self.transport = transport
        self._app = app
        self._server = server
        self._doors = doors
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._conn = ServerProtocol(max_size=limits.frame_bytes_max, logger=quiet)
        self._response: Response | None = None
        self._pieces = bytearray()
        self._is_text = False
        self._admitted = False
        self._early = 0
        """Bytes that came before it was admitted."""
        self._unread = 0
        """Bytes that belong to no whole message yet."""
        self._held = 0
        self._controls = 0
        self._controls_since = self._loop.time()
        self._writable = asyncio.Event()
        self._writable.set()
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = self._lost = False
        server.connections.add(self)
        doors.gate.wait(self)
        self._deadline = self._loop.call_later(limits.header_wait_ms_max / 1000, self.abort)

    # --- the handshake ----------------------------------------------------------------------------------------------

    def begin(self, head: bytes, scope: Scope) -> None:
        """Answer the handshake. `head` is what the frames' protocol needs of it, `scope` all that was said."""
        self._conn.receive_data(head)
        request = next(iter(self._conn.events_received()), None)
        if not isinstance(request, Request):
            self._reject(None)
            return
        response = self._conn.accept(request)
        if response.status_code != 101:
            self._reject(response)
            return
        self._response = response
        scope[LINE] = self
        self._events.put_nowait({"type": "websocket.connect"})
        task = self._loop.create_task(self._run(scope))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _reject(self, response: Response | None) -> None:
        """Answer with something else than a WebSocket. None: the protocol has said it, or knows nothing to say."""
        self._response = None
        if response is not None:
            self._conn.send_response(response)
        writes = self._conn.data_to_send()
        if writes == [SEND_EOF]:
            writes = [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", SEND_EOF]
        self._write(writes)

    async def _run(self, scope: Scope) -> None:
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:
            log.exception("a WebSocket was closed for a fault of ours")
        finally:
            if self._response is not None and not self._lost:
                self._reject(self._conn.reject(500, "Internal Server Error\n"))
            self._end(1011, "")

    async def _receive(self) -> Message:
        if self._gone and self._events.empty():
            return {"type": "websocket.disconnect", "code": 1006}
        message = await self._events.get()
        if self._events.empty() and not self._gone:
            self.transport.resume_reading()
        return message

    async def _send(self, message: Message) -> None:
        if self._gone:
            return
        match message["type"]:
            case "websocket.accept" if self._response is not None:
                self._accept(self._response, message.get("subprotocol"))
            case "websocket.close" if self._response is not None:
                self._reject(self._conn.reject(403, "there is no WebSocket here\n"))
            case "websocket.close":
                self._end(message.get("code", 1000), message.get("reason") or "")
            case "websocket.send":
                await self._writable.wait()
                self.say(message["text"])
            case other:
                raise RuntimeError(f"{other} is not to be sent now")

    def _accept(self, response: Response, subprotocol: str | None) -> None:
        self._response = None
        self._deadline.cancel()
        if subprotocol:
            response.headers["Sec-WebSocket-Protocol"] = subprotocol
        self._conn.send_response(response)
        self._write(self._conn.data_to_send())

    # --- in ---------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if not self._admitted:
            data = self._before_hello(data)
        for start in range(0, len(data), PIECE):
            self._take(data if len(data) <= PIECE else data[start : start + PIECE])
        if self.listener is not None:
            # After all frames of a burst, so that they are answered with one message.
            self.listener.flush()
        if self._unread != self._held:
            self._held = self._unread
            self._doors.buffered.hold(self, self._held, self._loop.time())

    def admit(self) -> None:
        """It has said who it is: the limits for strangers are over."""
        self._admitted = True
        self._doors.gate.admit(self)

    def _before_hello(self, data: bytes) -> bytes:
        """Take what came until the hello is among it; what is left then."""
        if self._response is not None:
            self._reject(self._conn.reject(400, "frames come after the answer to the handshake\n"))
            return b""
        for start in range(0, len(data), EARLY_PIECE):
            self._take(data[start : start + EARLY_PIECE])
            if self._admitted:
                return data[start + EARLY_PIECE :]
            self._early += min(EARLY_PIECE, len(data) - start)
            if self._early > self._limits.hello_bytes_max:
                self._fail(1009, "no hello")
            if self.transport.is_closing():
                break
        return b""

    def _take(self, data: bytes) -> None:
        conn = self._conn
        conn.receive_data(data)
        self._unread += len(data)
        for event in conn.events_received():
            if event.__class__ is Frame:
                self._frame(event)
        if writes := conn.data_to_send():
            self._write(writes)

    def _frame(self, frame: Frame) -> None:
        data = frame.data
        size = len(data)
        self._unread -= 6 if size < 126 else 8 if size < 65_536 else 14
        opcode = frame.opcode
        if opcode is _TEXT and frame.fin:
            self._unread -= size
            self._message(data, True)
        elif opcode is Opcode.PING or opcode is Opcode.PONG:
            self._unread -= size
            self._control()
        elif opcode is Opcode.CLOSE:
            self._disconnected(int.from_bytes(data[:2], "big") if size else 1005)
        else:
            self._fragment(frame)

    def _fragment(self, frame: Frame) -> None:
        """A part of a message, or a binary one. Parts go into one buffer: a thousand empty ones weigh nothing."""
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is _TEXT
            self._pieces = bytearray()
        self._pieces += frame.data
        if frame.fin:
            whole, self._pieces = self._pieces, bytearray()
            self._unread -= len(whole)
            self._message(whole, self._is_text)

    def _message(self, data: bytes | bytearray | memoryview, is_text: bool) -> None:
        if self._conn.state is not _OPEN:
            return
        data = bytes(data)
        if not is_text:
            self._binary(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._fail(1007, "not UTF-8")
            return
        if self.listener is not None:
            self.listener.heard(data)
        else:
            self._queue({"type": "websocket.receive", "text": text})

    def _binary(self, data: bytes) -> None:
        if self.listener is not None:
            self.listener.heard_binary()
        else:
            self._queue({"type": "websocket.receive", "bytes": data})

    def _queue(self, message: Message) -> None:
        """For an application that reads one message after the other."""
        self._events.put_nowait(message)
        self.transport.pause_reading()

    def _control(self) -> None:
        self._controls += 1
        if self._controls > self._limits.control_frames_per_minute_max:
            now = self._loop.time()
            if now - self._controls_since < MINUTE_S:
                self._fail(1008, "too many pings")
            self._controls, self._controls_since = 0, now

    # --- out --------------------------------------------------------------------------------------------------------

    def may_say(self) -> bool:
        """False while the peer takes nothing: then keep it."""
        return self._writable.is_set()

    def say(self, text: str) -> None:
        """One text message; nothing if the connection is closing."""
        conn = self._conn
        if self._gone or conn.state is not _OPEN:
            return
        conn.send_text(text.encode())
        self.transport.write(b"".join(conn.data_to_send()))

    def give_up(self) -> None:
        """Its unfinished message takes room that others need."""
        self._held = self._unread = 0
        self._doors.world.counts.closes[4100] += 1
        self._fail(4100, "overloaded")

    def _write(self, writes: Sequence[bytes]) -> None:
        """What the protocol says by itself. RFC 6455 §5.5.3 wants only the latest ping answered: one pong a burst, and
        none for who does not read."""
        last = writes[-1]
        if last[:1] == PONG:
            if self._writable.is_set() and self._conn.state is _OPEN:
                self.transport.write(last)
            return
        self.transport.write(b"".join(write for write in writes if write[:1] != PONG))
        if last == SEND_EOF:
            self._disconnected(1006)
            self._close()

    def _fail(self, code: int, reason: str) -> None:
        """Close for good: the peer does not keep to the protocol."""
        if self._conn.state is not _OPEN:
            self.abort()
            return
        self._conn.fail(code, reason)
        self._write(self._conn.data_to_send())

    def _end(self, code: int, reason: str) -> None:
        """Begin the closing handshake; the peer has a while for its part."""
        if self._lost:
            return
        if self._conn.state is _OPEN and not self.transport.is_closing():
            self._conn.send_close(code, reason)
            self._write(self._conn.data_to_send())
        self._disconnected(code)
        self._cut_later()

    def _close(self) -> None:
        self.transport.close()
        self._cut_later()

    def _cut_later(self) -> None:
        """`close` waits until the peer has taken everything; some never do."""
        self._deadline.cancel()
        self._deadline = self._loop.call_later(self._limits.close_wait_ms_max / 1000, self.abort)

    def _disconnected(self, code: int) -> None:
        if not self._gone:
            self._gone = True
            self._events.put_nowait({"type": "websocket.disconnect", "code": code})

    # --- the transport's and the server's word ----------------------------------------------------------------------

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        if self.listener is not None:
            self.listener.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._deadline.cancel()
        self._server.connections.discard(self)
        self._doors.gate.admit(self)
        self._doors.buffered.hold(self, 0, 0.0)
        self._disconnected(1006)
        # Who waits to send would wait for ever: nothing is taken any more.
        self._writable.set()
        # The protocol and the generators it is made of hold each other: those who come and go are too many to leave them to
        # the garbage collector.
        vars(self._conn).clear()

    def shutdown(self) -> None:
        """The server leaves, and this one is still here."""
        self._end(1012, "")
        self._close()


def handshake_head(method: str, version: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Of a handshake what the frames' protocol looks at: it has limits of its own for cookies and addresses."""
    lines = [f"{method} / HTTP/{version}".encode()]
    lines += [
        name + b": " + value for name, value in headers if name in _OF_HANDSHAKE or name.startswith(b"sec-websocket-")
    ]
    return b"\r\n".join([*lines, b"", b""])


_OF_HANDSHAKE: Final = frozenset({b"host", b"upgrade", b"connection", b"origin"})


def websocket_scope(http: Mapping[str, Any], path: str, raw_path: bytes, query: bytes) -> Scope:
    """The ASGI scope of a handshake that came as this HTTP request."""
    headers: list[tuple[bytes, bytes]] = http["headers"]
    offered = b",".join(value for name, value in headers if name == b"sec-websocket-protocol").decode("latin-1")
    return {
        **http,
        "type": "websocket",
        "scheme": "wss" if http["scheme"] == "https" else "ws",
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "subprotocols": [name.strip() for name in offered.split(",") if name.strip()],
    }
