"""(e) Starts: `python -m bench.opening SITE` opens an engine on the site's database and tells how long it took."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter, process_time

import msgspec
import uvloop

from bench.databases import engine_of, store_of
from bench.processes import lines_of, pin
from engine.clock import SystemClock


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float
    cpu_seconds: float
    replayed: int
    timers: int


async def opened(site: Path) -> Opened:
    store = store_of(site)
    engine = engine_of(site, store, SystemClock())
    try:
        started, used = perf_counter(), process_time()
        await engine.open()
        seconds, used = perf_counter() - started, process_time() - used
    finally:
        await store.close()
    return Opened(seconds=seconds, cpu_seconds=used, replayed=engine.replayed, timers=engine.statistics().timers)


def measure(site: Path, environment: dict[str, str]) -> Opened:
    (said,) = lines_of("bench.opening", str(site), environment=environment)
    return msgspec.json.decode(said, type=Opened)


async def _main() -> None:
    print(msgspec.json.encode(await opened(Path(sys.argv[1]))).decode(), flush=True)


if __name__ == "__main__":
    pin(0)
    uvloop.run(_main())
