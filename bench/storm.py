"""More than the server can take, in a process of its own: `python -m bench.storm` reads an Order a line and answers with
a Result.

Batches of events over HTTP that heed no `Retry-After`: the rudest of back ends. Either as fast as they are answered
(`rate` 0), or so many a second, whatever becomes of those before.
"""

from __future__ import annotations

import asyncio
import os
import sys
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable
from itertools import cycle
from time import perf_counter, process_time, time_ns
from typing import Literal, cast

import msgspec
import uvloop

from bench.load import WARM_UP_SECONDS
from bench.processes import cpu_seconds, pin
from bench.workload import Template, digits, iso, templates

POOL_MESSAGES = 20_000
What = Literal["batches", "orders", "visitors", "profiles"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    pid: int
    """The server's, whose processor time is looked at."""
    what: What
    """Batches of 500 as the canonical workload has them, single orders, batches of views by 500 visitors who were never
    seen before, or such a visitor with as many traits as can be told of one and nothing in them that could be packed."""
    connections: int
    rate: float = 0.0
    """Batches a second over all connections; 0: the next as soon as one is answered."""
    seconds: float = 3.0
    key: str = ""
    """What it shows; empty in development mode."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    accepted_s: float
    """Events a second that were acknowledged."""
    offered_s: float
    """Events a second that were sent."""
    answers: dict[str, int]
    """Status -> how often."""
    p50_ms: float
    p99_ms: float
    most_ms: float
    """Of those that were acknowledged, from sending to hearing of it."""
    server_busy: float
    generator_busy: float


class Bodies:
    """Bodies that were never sent before: each number is used once."""

    def __init__(self) -> None:
        self._number = time_ns() // 1000 % 1_000_000_000 * 10
        pool = templates(POOL_MESSAGES)
        self._moulds = cycle([_mould(pool[at : at + BATCH]) for at in range(0, len(pool), BATCH)])

    def next(self, what: What) -> tuple[bytes, int]:
        """(a body, how many events it holds)"""
        if what == "batches":
            return self._batch(), BATCH
        if what == "orders":
            return ORDER % ((number := self._next()), number, number), 1
        if what == "visitors":
            return b'{"batch":[' + b",".join(
                VIEW % ((number := self._next()), number) for _ in range(BATCH)
            ) + b"]}", BATCH
        traits = b",".join(b'"t%d":"%b"' % (index, b64encode(os.urandom(TRAIT_BYTES))) for index in range(TRAITS))
        return PROFILE % (self._next(), traits), 1

    def _batch(self) -> bytes:
        text, orders = next(self._moulds)
        time = iso(time_ns() // 1_000_000)
        holes: list[bytes] = []
        for is_order in orders:
            number = self._next()
            holes += (number, time, number) if is_order else (number, time)
        return text % tuple(holes)

    def _next(self) -> bytes:
        self._number += 1
        return digits(self._number)


def _mould(messages: list[Template]) -> tuple[bytes, list[bool]]:
    text = b'{"batch":[' + b",".join(message.text for message in messages) + b"]}"
    return text, [message.is_order for message in messages]


BATCH = 500
TRAITS, TRAIT_BYTES = 50, 300
ORDER = (
    b'{"type":"track","event":"Order Completed","userId":"buyer-%b","messageId":"order-%b",'
    b'"properties":{"order_id":"%b","total":40}}'
)
VIEW = (
    b'{"type":"track","event":"Product Viewed","anonymousId":"v-%b","messageId":"m-%b","properties":{"product_id":"A"}}'
)
PROFILE = b'{"type":"identify","anonymousId":"p-%b","traits":{%b}}'


class Connection(asyncio.Protocol):
    """One request at a time. `free` is called when it is answered."""

    def __init__(self, storm: Storm, free: Callable[[Connection], None]) -> None:
        self._storm = storm
        self._free = free
        self._buffer = b""
        self._sent_at = 0.0
        self._events = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._storm.lost += 1

    def close(self) -> None:
        self._transport.abort()

    def send(self) -> None:
        order = self._storm.order
        body, self._events = self._storm.bodies.next(order.what)
        key = f"Authorization: Bearer {order.key}\r\n" if order.key else ""
        head = f"POST /v1/batch HTTP/1.1\r\nHost: bench\r\n{key}Content-Length: {len(body)}\r\n\r\n"
        self._sent_at = perf_counter()
        self._storm.sent += self._events
        self._transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        if len(rest) < size:
            return
        self._buffer = rest[size:]
        self._storm.answered(head[9:12].decode(), self._events, perf_counter() - self._sent_at)
        self._free(self)


class Storm:
    def __init__(self, order: Order, bodies: Bodies) -> None:
        self.order = order
        self.bodies = bodies
        self.sent = 0
        self.accepted = 0
        self.lost = 0
        self.answers: Counter[str] = Counter()
        self.trips: list[float] = []
        self.ended = False
        self._idle: deque[Connection] = deque()

    async def run(self) -> Result:
        order, loop = self.order, asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(lambda: Connection(self, self._freed), "127.0.0.1", order.port))[1]
            for _ in range(order.connections)
        ]
        self._idle.extend(connections)
        try:
            pacing = asyncio.create_task(self._pace() if order.rate else self._all_at_once())
            await asyncio.sleep(WARM_UP_SECONDS)
            return await self._count()
        finally:
            self.ended = True
            pacing.cancel()
            for connection in connections:
                connection.close()

    def answered(self, status: str, events: int, seconds: float) -> None:
        self.answers[status] += 1
        if status == "200":
            self.accepted += events
            self.trips.append(seconds)

    async def _count(self) -> Result:
        self.answers.clear()
        self.trips.clear()
        self.accepted = 0
        sent, used = self.sent, process_time()
        served, started = cpu_seconds(self.order.pid), perf_counter()
        await asyncio.sleep(self.order.seconds)
        seconds = perf_counter() - started
        trips = sorted(self.trips) or [0.0]
        return Result(
            accepted_s=self.accepted / seconds,
            offered_s=(self.sent - sent) / seconds,
            answers=dict(self.answers) | ({"lost": self.lost} if self.lost else {}),
            p50_ms=trips[len(trips) // 2] * 1000,
            p99_ms=trips[len(trips) * 99 // 100] * 1000,
            most_ms=trips[-1] * 1000,
            server_busy=(cpu_seconds(self.order.pid) - served) / seconds,
            generator_busy=(process_time() - used) / seconds,
        )

    def _freed(self, connection: Connection) -> None:
        if self.order.rate or self.ended:
            self._idle.append(connection)
        else:
            connection.send()

    async def _all_at_once(self) -> None:
        while self._idle:
            self._idle.popleft().send()

    async def _pace(self) -> None:
        """By the clock: what could not be sent in time, for want of a free connection, is not made up for."""
        due = perf_counter()
        while True:
            now = perf_counter()
            while due <= now:
                due += 1 / self.order.rate
                if self._idle:
                    self._idle.popleft().send()
            await asyncio.sleep(min(0.005, due - now))


def main() -> None:
    pin(1)
    loop = uvloop.new_event_loop()
    bodies = Bodies()
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        result = loop.run_until_complete(Storm(order, bodies).run())
        print(msgspec.json.encode(result).decode(), flush=True)
    loop.close()


if __name__ == "__main__":
    main()
