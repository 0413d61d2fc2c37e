"""What strangers cost: thousands of sockets that are never let in, and one client who means well among them.

    .venv/bin/python -m bench.door                 # 5,000 sockets for a minute
    .venv/bin/python -m bench.door --sockets 500 --seconds 5

Each socket takes one of the shapes below; when the server has cut it, it comes again a second later. Printed
are the server's memory before, at most and after, and how long the good client waited for the word on each of its events.
Ends with 1 if memory grew by more than 100 MB or the good client's p99 was more than 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Final, cast

import msgspec
import uvloop

from bench.client import masked
from bench.processes import cpu_seconds
from cuebird.demo.pages import SITE

GROWTH_MB_MAX: Final = 100
P99_MS_MAX: Final = 50
AGAIN_S: Final = 1.0
DRIBBLE_S: Final = 1.0
KEY: Final = "sk_bench"

_SETTINGS: Final = f"""
[server]
port = 0
secret = "0123456789abcdef0123456789abcdef"

[[keys.server]]
name = "bench"
value = "{KEY}"
"""

_HANDSHAKE: Final = (
    b"GET /v1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
_OPENED: Final = _HANDSHAKE + b"\r\n"
_BODY: Final = b"POST /v1/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n"


class Shape(msgspec.Struct, frozen=True):
    """What a stranger sends at once, then when something was answered, then once a second."""

    name: str
    first: bytes
    then: bytes = b""
    dribble: bytes = b""
    reads: bool = True


SHAPES: Final = (
    Shape("nothing", b""),
    Shape("half a head", b"GET /livez HTTP/1.1\r\nHo", dribble=b"s"),
    Shape("headers without end", b"GET /livez HTTP/1.1\r\nX: " + b"x" * 60_000, dribble=b"x"),
    Shape("a body without a key", _BODY + b'\r\n{"batch": [' + b" " * 16_000, dribble=b" "),
    Shape("a body with a wrong key", _BODY + b"X-Write-Key: wrong\r\n\r\n" + b" " * 60_000, dribble=b" " * 1_000),
    Shape("a body for nobody", _BODY.replace(b"POST /v1/batch", b"GET /livez") + b"\r\n", dribble=b" "),
    Shape("idle after a request", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"),
    Shape("requests without reading", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" * 500, reads=False),
    Shape("a handshake with a body", _HANDSHAKE + b"Content-Length: 9\r\n\r\nabc", dribble=b"d"),
    Shape("a handshake with large cookies", _HANDSHAKE + b"Cookie: " + b"x" * 9_000 + b"\r\n\r\n"),
    Shape("no hello", _OPENED),
    Shape("half a hello", _OPENED, b"\x81\xff" + struct.pack("!Q", 200_000) + bytes(4) + b"x" * 15_000, b"x"),
    Shape("pings without reading", _OPENED, masked(b"x" * 100, 9) * 10, masked(b"x" * 100, 9) * 10, reads=False),
    Shape("a hello without a key", _OPENED, masked(b'{"t":"hello","token":"wrong"}')),
    Shape("garbage", b"\x00\x01\x02\r\n\r\n"),
)  # fmt: skip


class Stranger(asyncio.Protocol):
    """One socket, again and again."""

    def __init__(self, shape: Shape, crowd: Crowd) -> None:
        self._shape = shape
        self._crowd = crowd
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._shape.first)
        self._crowd.here.add(self)
        if self._shape.dribble:
            self._dribbling = asyncio.get_running_loop().call_later(DRIBBLE_S, self._dribble)

    def data_received(self, data: bytes) -> None:
        if not self._answered:
            self._answered = True
            self._transport.write(self._shape.then)
            if not self._shape.reads:
                self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.here.discard(self)
        self._crowd.cut[self._shape.name] += 1
        if self._shape.dribble:
            self._dribbling.cancel()
        self._crowd.later(self._shape)

    def _dribble(self) -> None:
        self._transport.write(self._shape.dribble)
        self._dribbling = asyncio.get_running_loop().call_later(DRIBBLE_S, self._dribble)

    def end(self) -> None:
        self._transport.abort()


class Crowd:
    """All strangers at one address."""

    def __init__(self, port: int) -> None:
        self.here: set[Stranger] = set()
        self.most = 0
        """So many were open at once."""
        self.cut: Counter[str] = Counter()
        """How often a socket of each shape was cut."""
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    async def gather(self, sockets: int) -> None:
        for number in range(sockets):
            await self._come(SHAPES[number % len(SHAPES)])

    def later(self, shape: Shape) -> None:
        if not self._over:
            task = asyncio.get_running_loop().create_task(self._come(shape, AGAIN_S))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        self._over = True
        for task in self._tasks:
            task.cancel()
        for stranger in list(self.here):
            stranger.end()
        await asyncio.sleep(0)

    async def _come(self, shape: Shape, wait_s: float = 0.0) -> None:
        await asyncio.sleep(wait_s)
        stranger = Stranger(shape, self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: stranger, "127.0.0.1", self._port)
        except OSError:
            self.later(shape)
        self.most = max(self.most, len(self.here))


class Waits(msgspec.Struct, frozen=True):
    """Of a good client."""

    waits_ms: list[float]
    """Sorted."""
    refused: int

    def part(self, part: float) -> float:
        return self.waits_ms[min(len(self.waits_ms) - 1, int(len(self.waits_ms) * part))]


class Seen(msgspec.Struct, frozen=True):
    """Of one run."""

    before_mb: float
    most_mb: float
    good: Waits
    most_open: int
    server_busy: float
    """The part of a core that the server had."""
    cut: dict[str, int]


async def run(pid: int, port: int, *, sockets: int, seconds: float) -> Seen:
    """The crowd comes; in a process of its own the good client sends one event after the other until the time is over."""
    before = most = memory_mb(pid)
    crowd = Crowd(port)
    begun, cpu = perf_counter(), cpu_seconds(pid)
    gathering = asyncio.create_task(crowd.gather(sockets))
    command = [sys.executable, "-m", "bench.door", "--good", str(port), "--seconds", str(seconds)]
    good = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    telling = asyncio.create_task(good.communicate())
    try:
        while not telling.done():
            most = max(most, memory_mb(pid))
            await asyncio.wait([telling], timeout=0.1)
    finally:
        gathering.cancel()
        await crowd.end()
    busy = (cpu_seconds(pid) - cpu) / (perf_counter() - begun)
    said, _ = telling.result()
    return Seen(before, most, msgspec.json.decode(said, type=Waits), crowd.most, busy, dict(crowd.cut))


async def wait_on(port: int, seconds: float) -> Waits:
    """What the good client sees."""
    good = Good(port)
    waits: list[float] = []
    refused = 0
    until = perf_counter() + seconds
    while (begun := perf_counter()) < until:
        refused += not await good.send()
        waits.append((perf_counter() - begun) * 1000)
        await asyncio.sleep(0.02)
    good.close()
    return Waits(sorted(waits), refused)


class Good:
    """A back end that sends an event each, on a connection that it keeps while it may."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None
        self._sent = 0

    async def send(self) -> bool:
        """Whether it was taken; as any client does, once more if the connection had been closed meanwhile."""
        self._sent += 1
        event = {"type": "track", "event": "Product Viewed", "userId": "good", "messageId": f"good-{self._sent}"}
        body = msgspec.json.encode(event)
        head = (
            f"POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        for _ in range(2):
            with suppress(OSError, asyncio.IncompleteReadError):
                return await self._exchange(head.encode() + body)
            self.close()
        return False

    async def _exchange(self, request: bytes) -> bool:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        answer = await self._reader.readexactly(int(length[1]) if length else 0)
        return b'"accepted":1' in answer

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    told = Path(f"/proc/{pid}/statm").read_text().split()
    return int(told[1]) * 4096 / 1e6


@contextmanager
def served() -> Iterator[tuple[int, int]]:
    """(pid, port) of `cuebird serve` with one server key and all defaults."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        shutil.copytree(SITE, site)
        (site / "cuebird.toml").write_text(_SETTINGS)
        command = [str(Path(sys.executable).with_name("cuebird")), "serve", str(site)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            try:
                for line in process.stderr:
                    if found := re.search(r"serves .+ at http://[\w.]+:(\d+)", line):
                        yield process.pid, int(found[1])
                        break
            finally:
                process.terminate()
                process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sockets", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--good", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.good:
        sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(wait_on(told.good, told.seconds))))
        return
    with served() as (pid, port):
        seen = uvloop.run(run(pid, port, sockets=told.sockets, seconds=told.seconds))
    growth, good = seen.most_mb - seen.before_mb, seen.good
    print(f"memory {seen.before_mb:.0f} MB, at most {growth:+.0f} MB with up to {seen.most_open} sockets open")
    print(f"a good client: p50 {good.part(0.5):.1f} ms, p99 {good.part(0.99):.1f} ms, most {good.waits_ms[-1]:.1f} ms")
    print(f"the server had {seen.server_busy:.0%} of a core, load average {os.getloadavg()[0]:.1f}")
    print(f"of its {len(good.waits_ms)} events {good.refused} were refused")
    for name, cut in sorted(seen.cut.items()):
        print(f"{cut:8d} times cut: {name}")
    sys.exit(growth > GROWTH_MB_MAX or good.part(0.99) > P99_MS_MAX)


if __name__ == "__main__":
    main()
