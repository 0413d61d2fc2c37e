"""A WebSocket client for one purpose: frames that are made already, as many as fit, with a fixed window in flight.

The frames are masked with zeros, so that they can be made beforehand; the server unmasks them like any others.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import cast

import msgspec

from bench.workload import Template, digits

HELLO = b'{"t":"hello","client":"bench","want":[]}'
PONG = b'{"t":"pong"}'

_TEXT, _CLOSE, _PING = 1, 8, 9


class Said(msgspec.Struct):
    """What a server's frame says, as far as we look."""

    t: str
    id: int = 0
    n: int = 0
    dup: int = 0
    code: str = ""
    message: str = ""
    rejected: list[msgspec.Raw] = []


_decode_one = msgspec.json.Decoder(Said).decode
_decode_many = msgspec.json.Decoder(list[Said]).decode


def masked(payload: bytes, opcode: int = _TEXT) -> bytes:
    """A client's frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


class Mould(msgspec.Struct, frozen=True, gc=False):
    """A WebSocket frame with holes: the id of the frame, its `sentAt`, and those of each of its messages."""

    text: bytes
    orders: tuple[bool, ...]

    def cast(self, frame_id: int, number: int, time: bytes) -> bytes:
        holes = [digits(frame_id), time]
        for index, is_order in enumerate(self.orders):
            it = digits(number + index)
            holes += (it, time, it) if is_order else (it, time)
        return self.text % tuple(holes)


def mould(messages: list[Template]) -> Mould:
    inner = b",".join(message.text for message in messages)
    payload = b'{"t":"ev","id":%b,"sentAt":"%b","e":[' + inner + b"]}"
    orders = tuple(message.is_order for message in messages)
    one = Mould(payload, orders)
    size = len(one.cast(0, 0, b"2026-01-05T00:00:00.000Z"))
    return Mould(masked(bytes(size))[:-size].replace(b"%", b"%%") + payload, orders)


class Tally:
    """What all connections of one measurement have seen. `counting` is set while it counts."""

    def __init__(self) -> None:
        self.counting = False
        self.frames = 0
        self.messages = 0
        self.trips: list[float] = []
        """Seconds from writing a frame to hearing its `ok`."""
        self.errors: list[str] = []


class Connection(asyncio.Protocol):
    """`make(frame_id)` gives the next frame; `window` of them are under way until `stop`. `done` is set when all of
    them were answered, or something went wrong."""

    def __init__(self, path: str, window: int, per_frame: int, make: Callable[[int], bytes], tally: Tally) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.done = asyncio.get_running_loop().create_future()
        self._path = path
        self._window = window
        self._per_frame = per_frame
        self._make = make
        self._tally = tally
        self._upgraded = False
        self._stopping = False
        self._buffer = b""
        self._id = 1_000_000_000  # ten digits from the first on
        self._flying: deque[tuple[int, float]] = deque()
        self._sent = 0
        self._taken = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: cuebird.v1.json\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the server closed the connection")

    def go(self) -> None:
        """Fill the window."""
        self._send(self._window)

    def stop(self) -> None:
        self._stopping = True
        self._end_if_all_came()

    def close(self) -> None:
        self.done.cancel()
        self._transport.abort()

    # --- in ---------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not self._upgraded:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(f"no WebSocket at {self._path}: {head[:80].decode('latin-1')}")
                return
            self._upgraded = True
            self._transport.write(masked(HELLO))
        at, size = 0, len(data)
        while size - at >= 2:
            length, begin = data[at + 1], at + 2
            if length == 126:
                length, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                length, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if begin + length > size:
                break
            self._hear(data[at] & 15, data[begin : begin + length])
            at = begin + length
        self._buffer = data[at:]

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            for said in _decode_many(payload) if payload[:1] == b"[" else (_decode_one(payload),):
                self._told(said)
        elif opcode == _CLOSE:
            self._fail(f"closed: {int.from_bytes(payload[:2], 'big')} {payload[2:].decode('utf-8', 'replace')}")

    def _told(self, said: Said) -> None:
        if said.t in ("ok", "ev"):
            if said.rejected or said.dup:
                self._fail(f"{said.dup} duplicates, rejected {[bytes(each) for each in said.rejected[:3]]}")
            self._taken += said.n
            self._answered(said.id)
        elif said.t == "welcome":
            if not self.ready.done():
                self.ready.set_result(None)
        elif said.t == "ping":
            self._transport.write(masked(PONG))
        elif said.t != "push":
            self._fail(f"{said.t}: {said.code} {said.message}")

    def _answered(self, frame_id: int) -> None:
        flying, tally = self._flying, self._tally
        now = perf_counter()
        answered = 0
        while flying and flying[0][0] <= frame_id:
            _, then = flying.popleft()
            answered += 1
            if tally.counting:
                tally.trips.append(now - then)
        if tally.counting:
            tally.frames += answered
            tally.messages += answered * self._per_frame
        if self._stopping:
            self._end_if_all_came()
        elif answered:
            self._send(answered)

    def _end_if_all_came(self) -> None:
        if not self._flying and not self.done.done():
            if self._taken not in (0, self._sent * self._per_frame):
                self._fail(f"{self._taken} of {self._sent * self._per_frame} messages were acknowledged")
            else:
                self.done.set_result(None)

    # --- out --------------------------------------------------------------------------------------------------------

    def _send(self, frames: int) -> None:
        first = self._id + 1
        self._id += frames
        self._sent += frames
        data = b"".join([self._make(frame_id) for frame_id in range(first, first + frames)])
        now = perf_counter()
        self._flying.extend((frame_id, now) for frame_id in range(first, first + frames))
        self._transport.write(data)

    def _fail(self, what: str) -> None:
        for future in (self.ready, self.done):
            if not future.done():
                self._tally.errors.append(what)
                future.set_result(None)
