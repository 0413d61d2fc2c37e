"""The load generator, in a process of its own: `python -m bench.load` reads an Order a line and answers with a Result."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import cycle
from time import perf_counter, process_time, time_ns

import msgspec
import uvloop

from bench.client import Connection, Mould, Tally, mould
from bench.processes import cpu_seconds, pin
from bench.workload import iso, templates

POOL_MESSAGES = 40_000
WARM_UP_SECONDS = 0.4
ANSWER_SECONDS_MAX = 20.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    path: str
    pid: int
    """The server's, whose processor time is looked at."""
    connections: int
    per_frame: int
    window: int
    """Frames in flight on each connection."""
    seconds: float
    messages: int = 0
    """Acknowledged ones after which it ends; 0: only time ends it."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    frames_s: float = 0.0
    events_s: float = 0.0
    p50_us: float = 0.0
    p99_us: float = 0.0
    server_us: float = 0.0
    """Processor time of the server for each event."""
    server_busy: float = 0.0
    """Of one core."""
    generator_busy: float = 0.0
    error: str = ""


class Pool:
    """Frames in their moulds, and message numbers that are never used twice, in none of all measurements."""

    def __init__(self) -> None:
        self._messages = templates(POOL_MESSAGES)
        self._moulds: dict[int, list[Mould]] = {}
        self._number = 1_000_000_000
        self._time = b""

    def caster(self, per_frame: int) -> Callable[[int], bytes]:
        if per_frame not in self._moulds:
            at = range(0, POOL_MESSAGES, per_frame)
            self._moulds[per_frame] = [mould(self._messages[first : first + per_frame]) for first in at]
        moulds = cycle(self._moulds[per_frame])

        def cast(frame_id: int) -> bytes:
            number = self._number
            self._number = number + per_frame
            return next(moulds).cast(frame_id, number, self._time)

        return cast

    def tell_time(self) -> None:
        self._time = iso(time_ns() // 1_000_000)

    async def keep_time(self) -> None:
        while True:
            self.tell_time()
            await asyncio.sleep(0.001)


async def measure(order: Order, pool: Pool) -> Result:
    loop = asyncio.get_running_loop()
    tally, cast = Tally(), pool.caster(order.per_frame)
    pool.tell_time()
    clock = asyncio.create_task(pool.keep_time())
    connections: list[Connection] = []
    try:
        for _ in range(order.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(order.path, order.window, order.per_frame, cast, tally), "127.0.0.1", order.port
            )
            connections.append(connection)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await asyncio.gather(*(connection.ready for connection in connections))
        if tally.errors:
            return Result(error=tally.errors[0])
        for connection in connections:
            connection.go()
        await asyncio.sleep(WARM_UP_SECONDS)
        return await _count(order, tally, connections)
    except TimeoutError:
        return Result(error=f"{order.path} did not answer within {ANSWER_SECONDS_MAX:.0f} s")
    finally:
        clock.cancel()
        for connection in connections:
            connection.close()


async def _count(order: Order, tally: Tally, connections: list[Connection]) -> Result:
    tally.counting = True
    started, served, used = perf_counter(), cpu_seconds(order.pid), process_time()
    while (left := order.seconds - (perf_counter() - started)) > 0 and not 0 < order.messages <= tally.messages:
        await asyncio.sleep(min(left, 0.1) if order.messages else left)
    tally.counting = False
    seconds = perf_counter() - started
    served, used = cpu_seconds(order.pid) - served, process_time() - used
    for connection in connections:
        connection.stop()
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await asyncio.gather(*(connection.done for connection in connections))
    if tally.errors or not tally.frames:
        return Result(error=tally.errors[0] if tally.errors else "nothing was acknowledged")
    trips = sorted(tally.trips)
    return Result(
        frames_s=tally.frames / seconds,
        events_s=tally.messages / seconds,
        p50_us=trips[len(trips) // 2] * 1e6,
        p99_us=trips[len(trips) * 99 // 100] * 1e6,
        server_us=served / tally.messages * 1e6,
        server_busy=served / seconds,
        generator_busy=used / seconds,
    )


def main() -> None:
    pin(1)
    pool = Pool()
    loop = uvloop.new_event_loop()
    for line in sys.stdin:
        result = loop.run_until_complete(measure(msgspec.json.decode(line, type=Order), pool))
        print(msgspec.json.encode(result).decode(), flush=True)
    loop.close()


if __name__ == "__main__":
    main()
