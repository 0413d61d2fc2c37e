"""(f) How late timers are: `python -m bench.lateness SITE FIRST_DUE COUNT WITHIN_MS` runs an engine on the site's database.

Every timer decides a send, and a send is announced when its commit is on disk: so late is what lies between a timer's due
time and that moment, told by the engine's own clock. All actors come from the disk. The clock is the machine's, moved by
a constant so that the first timer is due soon after the start; it runs at its own speed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from time import process_time

import msgspec
import uvloop

from actors.model.turn import Send
from bench.databases import engine_of, store_of
from bench.processes import lines_of, pin
from cuebird.serving.recovered_engine import settle_memory
from engine.clock import Clock, SystemClock
from engine.listener import EngineListener

AHEAD_MS = 2_000
"""From the start of the clock to the first timer."""
OVERDUE_SECONDS_MAX = 20.0


class Late(msgspec.Struct, frozen=True, kw_only=True):
    timers: int
    """That rang within the time and 20 s."""
    p50_ms: float
    p99_ms: float
    most_ms: float
    cpu_us: float
    """Processor time of the process for each timer."""
    commits: int


class _Sent(EngineListener):
    """How late each send was decided; `all` is set when there are `count` of them."""

    def __init__(self, clock: Clock, count: int) -> None:
        self.late: list[int] = []
        self.all = asyncio.Event()
        self._clock = clock
        self._count = count

    def on_sends(self, sends: list[Send]) -> None:
        now = self._clock.now_ms()
        self.late += [now - send.at for send in sends]
        if len(self.late) >= self._count:
            self.all.set()


async def run(site: Path, first_due: int, count: int, within_ms: int) -> Late:
    moved = first_due - AHEAD_MS - time.time_ns() // 1_000_000
    clock = SystemClock(wall_ms=lambda: time.time_ns() // 1_000_000 + moved)
    sent = _Sent(clock, count)
    store = store_of(site)
    engine = engine_of(site, store, clock, sent)
    try:
        await engine.open()
        settle_memory()
        used = process_time()
        running = asyncio.create_task(engine.run())
        overdue = (AHEAD_MS + within_ms) / 1000 + OVERDUE_SECONDS_MAX
        waiting = asyncio.create_task(sent.all.wait())
        await asyncio.wait([running, waiting], timeout=overdue, return_when=asyncio.FIRST_COMPLETED)
        used = process_time() - used
        for task in (running, waiting):
            task.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
    finally:
        await store.close()
    ordered = sorted(sent.late) or [0]
    return Late(
        timers=len(sent.late),
        p50_ms=ordered[len(ordered) // 2],
        p99_ms=ordered[len(ordered) * 99 // 100],
        most_ms=ordered[-1],
        cpu_us=used / max(len(sent.late), 1) * 1e6,
        commits=engine.statistics().commits,
    )


def measure(site: Path, first_due: int, count: int, within_ms: int, environment: dict[str, str]) -> Late:
    arguments = (str(site), str(first_due), str(count), str(within_ms))
    (said,) = lines_of("bench.lateness", *arguments, environment=environment)
    return msgspec.json.decode(said, type=Late)


async def _main() -> None:
    first_due, count, within_ms = (int(each) for each in sys.argv[2:])
    print(msgspec.json.encode(await run(Path(sys.argv[1]), first_due, count, within_ms)).decode(), flush=True)


if __name__ == "__main__":
    pin(0)
    uvloop.run(_main())
