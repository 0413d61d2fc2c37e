"""(d) to (j): memory, starts, timers, simulations, turns, overload. Each gives its figures as they come."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter

import msgspec

from bench import databases, lateness, memory, opening, turns
from bench.comparing import server
from bench.overload import overload, visitor
from bench.setting import Bench
from bench.simulating import simulation
from bench.table import Figure

MILLION = 1_000_000


# --- (d): memory --------------------------------------------------------------------------------------------------


def weight(bench: Bench) -> Iterator[Figure]:
    """(d) bytes of an actor."""
    weighed = memory.measure(2_000)
    what = "actor with its name and place, five campaigns, 20 events"
    for name, value, limit in (("live", weighed.live, 2_000), ("packed", weighed.packed, 500)):
        yield Figure(
            part="d",
            what=f"{name} {what}",
            measured=f"{value:,.0f} B",
            limit=f"{limit:,} B",
            ratio=value / limit,
            target=f"≤ {limit:,} B",
            ok=value <= limit,
            numbers={"bytes": value},
        )
    yield Figure(part="d", what="its alarm, in either case", measured=f"{weighed.alarm:,.0f} B")


# --- (e): starts --------------------------------------------------------------------------------------------------


def starts(bench: Bench) -> Iterator[Figure]:
    """(e) recovery, and a start with many idle actors."""
    rows, actors = (50_000, 100_000) if bench.quick else (200_000, MILLION)
    site = bench.site("journal")
    asyncio.run(databases.journal(site, rows))
    for number, mode in enumerate(bench.modes):
        one = bench.folder / f"journal-{number}"
        shutil.copytree(site, one)
        opened = opening.measure(one, mode.environment)
        shutil.rmtree(one)
        assert opened.replayed == rows, f"{opened.replayed} of {rows} journal rows were taken again"
        seconds = opened.seconds * MILLION / rows
        yield Figure(
            part="e",
            what=f"recovery for a million journal rows (measured with {rows:,})",
            disk=mode.name,
            measured=f"{seconds:.1f} s",
            limit="25 s",
            ratio=seconds / 25,
            target="≤ 25 s",
            ok=seconds <= 25,
            numbers={"seconds": opened.seconds, "cpu_seconds": opened.cpu_seconds, "rows": rows},
        )
    shutil.rmtree(site)
    yield from _start_with_idle_actors(bench, actors)


def _start_with_idle_actors(bench: Bench, actors: int) -> Iterator[Figure]:
    site = bench.site("idle")
    asyncio.run(databases.idle_actors(site, actors))
    opened = opening.measure(site, {})
    assert opened.timers == actors, f"{opened.timers} of {actors} actors have a timer"
    for mode in bench.modes:
        started = perf_counter()
        with server("cuebird", site, mode.environment):
            seconds = perf_counter() - started
        yield Figure(
            part="e",
            what=f"start with {actors:,} idle actors that have timers, from nothing to serving",
            disk=mode.name,
            measured=f"{seconds:.1f} s",
            limit="8 s",
            ratio=seconds / 8,
            target="≤ 8 s",
            ok=seconds <= 8 if actors == MILLION else None,
            numbers={"seconds": seconds, "actors": actors, "engine_open_seconds": opened.seconds},
        )
    shutil.rmtree(site)


# --- (f): timers --------------------------------------------------------------------------------------------------


def timers(bench: Bench) -> Iterator[Figure]:
    """(f) how late timers are."""
    count, within_ms = (10_000, 6_000) if bench.quick else (100_000, 60_000)
    site = bench.site("timers")
    first_due = asyncio.run(databases.due_timers(site, count, within_ms))
    for number, mode in enumerate(bench.modes):
        one = bench.folder / f"timers-{number}"
        shutil.copytree(site, one)
        late = lateness.measure(one, first_due, count, within_ms, mode.environment)
        shutil.rmtree(one)
        yield Figure(
            part="f",
            what=f"lateness p50 · p99 of {count:,} timers due within {within_ms // 1000} s, all actors on disk",
            disk=mode.name,
            measured=f"{late.p50_ms:.0f} · {late.p99_ms:.0f} ms",
            limit="50 ms",
            ratio=late.p99_ms / 50,
            target="p99 ≤ 50 ms",
            ok=late.p99_ms <= 50 and late.timers == count,
            numbers={name: float(value) for name, value in msgspec.structs.asdict(late).items()},
        )
        told = f"{late.most_ms:.0f} ms · {late.cpu_us:.0f} µs"
        yield Figure(part="f", what="the latest · CPU for each timer", disk=mode.name, measured=told)
        if late.timers != count:
            bench.notes.append(f"(f) disk {mode.name}: only {late.timers:,} of {count:,} timers rang")
    shutil.rmtree(site)


# --- (h): turns ---------------------------------------------------------------------------------------------------


def campaigns(bench: Bench) -> Iterator[Figure]:
    """(h) a turn with twenty campaigns beside a turn with one."""
    turned = turns.measure()
    yield Figure(
        part="h",
        what="a turn with 20 campaigns, one of which the event concerns",
        measured=f"{turned.twenty:.1f} µs",
        limit=f"{turned.one:.1f} µs with that one",
        ratio=turned.twenty / turned.one,
        target="≤ 2",
        ok=turned.twenty <= 2 * turned.one,
        numbers={"one_us": turned.one, "twenty_us": turned.twenty},
    )


PARTS: Mapping[str, Callable[[Bench], Iterator[Figure]]] = {
    "d": weight,
    "e": starts,
    "f": timers,
    "g": simulation,
    "h": campaigns,
    "i": overload,
    "j": visitor,
}
