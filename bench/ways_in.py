"""(a), (b) and (c): events over WebSockets, against the same server that does less.

For each disk the product is started once. Its users are made known first: 20 events each, so that what is measured is a
shop in the middle of its day and not 10,000 first visits within a second.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping

import msgspec

from bench import disk
from bench.comparing import Measured, Shape, Way, compare, server
from bench.processes import Child
from bench.sampler import Profile
from bench.setting import Bench, Mode
from bench.table import Figure, rate, took
from bench.workload import USERS

WAYS_IN = ("a", "b", "c")

NO_ENGINE = "ways in, no engine"

FRAMES = Shape(connections=50, per_frame=1, window=8, seconds=2.0, rounds=3)
BATCHES = Shape(connections=10, per_frame=100, window=8, seconds=2.0, rounds=3)
ALONE = Shape(connections=1, per_frame=1, window=1, seconds=1.5, rounds=3)
MET = Shape(connections=10, per_frame=100, window=8, seconds=60.0, rounds=1, messages=20 * USERS)

Found = Mapping[str, Measured]


def ways_in(bench: Bench, parts: str) -> Iterator[Figure]:
    """Those of (a), (b), (c) that are in `parts`, for each disk."""
    with Child("bench.load") as generator, server("bare", bench.site("bare")) as (bare, bare_port):
        for mode in bench.modes:
            site = bench.site(f"ways-in-{len(mode.environment)}")
            profile = bench.folder / "profile" if bench.profile and mode is bench.modes[0] else None
            with server("cuebird", site, mode.environment, profile) as (child, port):
                product = Way("cuebird", child, port, "/v1/ws")
                compare(generator, [product], _met(bench))
                if profile:
                    child.sample()
                run = Run(bench, mode, generator, product, bare, bare_port)
                for part in parts:
                    yield from PARTS[part](run)
            shutil.rmtree(site)
            if profile:
                bench.profiles[parts] = msgspec.json.decode(profile.read_bytes(), type=Profile)


def _met(bench: Bench) -> Shape:
    return msgspec.structs.replace(MET, messages=3 * USERS) if bench.quick else MET


class Run(msgspec.Struct, frozen=True):
    """The two servers, on one disk."""

    bench: Bench
    mode: Mode
    generator: Child
    product: Way
    bare: Child
    bare_port: int

    def compare(self, part: str, shape: Shape, paths: Mapping[str, str], more: Mapping[str, str]) -> Found:
        """The paths of the bare server and the product, taking turns; with the first disk `more` paths too, once."""
        if self.bench.quick:
            shape = msgspec.structs.replace(shape, seconds=1.0, rounds=1)
        found = compare(self.generator, [*self._ways(paths), self.product], shape)
        if self.mode is self.bench.modes[0]:
            found |= compare(self.generator, self._ways(more), msgspec.structs.replace(shape, rounds=1))
        self.bench.notes.extend(_doubts(part, self.mode, found))
        return found

    def _ways(self, paths: Mapping[str, str]) -> list[Way]:
        return [Way(name, self.bare, self.bare_port, path) for name, path in paths.items()]


def _doubts(part: str, mode: Mode, found: Found) -> Iterator[str]:
    """What makes a wall-clock figure doubtful."""
    for name, measured in found.items():
        told = f"({part}) {name}, disk {mode.name}:"
        if measured.generator_busy > 0.9:
            yield f"{told} the load generator was {measured.generator_busy:.0%} busy, it may be the limit"
        if part != "c" and name != "cuebird" and measured.server_busy < 0.85:
            yield f"{told} the server got {measured.server_busy:.0%} of its core, others use it: read `by CPU`"
        if measured.spread > 0.2:
            yield f"{told} the rounds differ by {measured.spread:.0%}"


def frames(run: Run) -> Iterator[Figure]:
    """(a) one event a frame."""
    found = run.compare(
        "a",
        FRAMES,
        {"bare": "/bare/decode"},
        {"decode, ok through a queue": "/bare/stock", NO_ENGINE: "/v1/ws"},
    )
    bare, product, disk_name = found["bare"], found["cuebird"], run.mode.name
    ratio = product.frames_s / bare.frames_s
    yield Figure(
        part="a",
        what=f"frames, one event each, {FRAMES.connections} connections, {FRAMES.window} in flight on each",
        disk=disk_name,
        measured=rate(product.frames_s),
        limit=f"decode, ok: {rate(bare.frames_s)}",
        ratio=ratio,
        by_cpu=bare.server_us / product.server_us,
        target="≥ 0.40",
        ok=ratio >= 0.40,
        numbers=_numbers(found),
    )
    yield Figure(
        part="a",
        what="round trip p50 · p99",
        disk=disk_name,
        measured=f"{took(product.p50_us)} · {took(product.p99_us)}",
        limit=f"{took(bare.p50_us)} · {took(bare.p99_us)}",
    )
    yield _cpu("a", run.mode, product, bare)
    yield from _others("a", run.mode, found, lambda measured: measured.frames_s)


def batches(run: Run) -> Iterator[Figure]:
    """(b) a hundred events a frame."""
    found = run.compare(
        "b", BATCHES, {"bare": "/bare/events"}, {"typed decoder alone": "/bare/decode", NO_ENGINE: "/v1/ws"}
    )
    bare, product = found["bare"], found["cuebird"]
    ratio = product.events_s / bare.events_s
    yield Figure(
        part="b",
        what=f"events in frames of 100, {BATCHES.connections} connections, {BATCHES.window} frames in flight on each",
        disk=run.mode.name,
        measured=rate(product.events_s),
        limit=f"JSON → events, ok: {rate(bare.events_s)}",
        ratio=ratio,
        by_cpu=bare.server_us / product.server_us,
        target="≥ 80k/s, ≥ 0.35",
        ok=ratio >= 0.35 and product.events_s >= 80_000,
        numbers=_numbers(found),
    )
    yield _cpu("b", run.mode, product, bare)
    yield from _others("b", run.mode, found, lambda measured: measured.events_s)


def _cpu(part: str, mode: Mode, product: Measured, bare: Measured) -> Figure:
    return Figure(
        part=part,
        what="server's CPU for each event, all threads",
        disk=mode.name,
        measured=f"{product.server_us:.1f} µs",
        limit=f"{bare.server_us:.1f} µs",
    )


def _others(part: str, mode: Mode, found: Found, per_second: Callable[[Measured], float]) -> Iterator[Figure]:
    """How the product compares with the other paths."""
    product = found["cuebird"]
    for name, measured in found.items():
        if name not in ("bare", "echo", "cuebird"):
            yield Figure(
                part=part,
                what=f"against {name}",
                disk=mode.name,
                measured=rate(per_second(product)),
                limit=f"{rate(per_second(measured))}, {measured.server_us:.1f} µs CPU",
                ratio=per_second(product) / per_second(measured),
                by_cpu=measured.server_us / product.server_us,
            )


def alone(run: Run) -> Iterator[Figure]:
    """(c) one client, one event at a time."""
    found = run.compare("c", ALONE, {"echo": "/bare/echo"}, {NO_ENGINE: "/v1/ws"})
    # The least of several: whoever shares the machine can only lengthen it, and a longer limit is easier to keep.
    commit = min(disk.measure(run.bench.folder, 0.3, run.mode.environment).commit_us for _ in range(ALONE.rounds))
    echo, product = found["echo"], found["cuebird"]
    limit = echo.p50_us + commit
    yield Figure(
        part="c",
        what="one client alone, round trip p50",
        disk=run.mode.name,
        measured=took(product.p50_us),
        limit=f"echo {echo.p50_us:.0f} + commit {commit:.0f} = {took(limit)}",
        ratio=product.p50_us / limit,
        target="≤ limit + 100 µs",
        ok=product.p50_us <= limit + 100,
        numbers=_numbers(found) | {"commit_us": commit},
    )
    yield Figure(
        part="c",
        what="p99",
        disk=run.mode.name,
        measured=took(product.p99_us),
        limit=f"echo {took(echo.p99_us)}",
    )
    if NO_ENGINE in found:
        without = took(found[NO_ENGINE].p50_us)
        yield Figure(part="c", what=f"p50 of {NO_ENGINE}", disk=run.mode.name, measured="", limit=without)


def _numbers(found: Found) -> dict[str, float]:
    return {
        f"{name}.{field}": value
        for name, measured in found.items()
        for field, value in msgspec.structs.asdict(measured).items()
    }


PARTS: Mapping[str, Callable[[Run], Iterator[Figure]]] = {"a": frames, "b": batches, "c": alone}
