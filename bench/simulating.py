"""(g) `cuebird simulate` over generated months, as it is typed: how long, and whether twice the events take twice the time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from bench import month
from bench.processes import ROOT, ChildFailed
from bench.setting import Bench
from bench.table import Figure

SITE: Final = "templates/site"
USERS: Final = (100, 1_000, 10_000)
SECONDS_MAX: Final = 45.0
GROWTH_MAX: Final = 1.25
"""The cost of an event among a million beside that among a hundred thousand: more would be more than linear."""


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    events: int
    seconds: float
    cpu_seconds: float
    """Of all its processes."""

    @property
    def us(self) -> float:
        """Of processor time, for each event."""
        return self.cpu_seconds / self.events * 1e6


def simulation(bench: Bench) -> Iterator[Figure]:
    """(g) a month in virtual time."""
    found: list[Simulated] = []
    for users in USERS[:-1] if bench.quick else USERS:
        file = bench.folder / f"month-{users}.jsonl"
        events = month.write(users, file)
        found.append(_simulated(file, events))
        file.unlink()
        yield _figure(users, found[-1])
    before, last = found[-2:]
    yield Figure(
        part="g",
        what=f"CPU for each event, {before.events:,} · {last.events:,} events",
        measured=f"{before.us:.0f} · {last.us:.0f} µs",
        limit=f"{before.us:.0f} µs",
        ratio=last.us / before.us,
        target=f"≤ {GROWTH_MAX:g}",
        ok=last.us / before.us <= GROWTH_MAX,
    )


def _figure(users: int, one: Simulated) -> Figure:
    judged = users == USERS[-1]
    return Figure(
        part="g",
        what=f"simulate, {users:,} users in a month: {one.events:,} events",
        measured=f"{one.seconds:.1f} s",
        limit=f"{SECONDS_MAX:.0f} s" if judged else "",
        ratio=one.seconds / SECONDS_MAX if judged else None,
        target=f"≤ {SECONDS_MAX:.0f} s" if judged else "",
        ok=one.seconds <= SECONDS_MAX if judged else None,
        numbers={"events": one.events, "seconds": one.seconds, "cpu_seconds": one.cpu_seconds},
    )


def _simulated(file: Path, events: int) -> Simulated:
    started, used = perf_counter(), _children()
    done = subprocess.run(
        [Path(sys.executable).with_name("cuebird"), "simulate", SITE, "--events", file],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=False,
    )
    seconds, cpu_seconds = perf_counter() - started, _children() - used
    said = done.stdout.decode()
    if done.returncode or not said.startswith(f"{events:,} events"):
        raise ChildFailed(f"cuebird simulate ended with {done.returncode} and said {said[:200]!r}")
    return Simulated(events=events, seconds=seconds, cpu_seconds=cpu_seconds)


def _children() -> float:
    """Processor time of the processes that have ended, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system
