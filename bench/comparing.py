"""Servers side by side: each gets the same load in turn, round after round."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from bench.load import Order, Result
from bench.processes import Child, ChildFailed
from cuebird.demo.pages import SITE


class Way(msgspec.Struct, frozen=True):
    """A server and a path on it."""

    name: str
    child: Child
    port: int
    path: str


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    connections: int
    per_frame: int
    window: int
    seconds: float
    """Of one round, at most."""
    rounds: int
    messages: int = 0
    """Acknowledged ones after which a round ends; 0: only time ends it."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the rounds."""

    frames_s: float
    events_s: float
    p50_us: float
    p99_us: float
    server_us: float
    server_busy: float
    generator_busy: float
    spread: float
    """(most - least) / median of events_s."""


class _Port(msgspec.Struct):
    port: int


def new_site(folder: Path) -> Path:
    """The demo's site, copied to where it can have a database."""
    shutil.copytree(SITE, folder, ignore=shutil.ignore_patterns("data"))
    return folder


@contextmanager
def server(
    what: str, site: Path, environment: dict[str, str] | None = None, profile: Path | None = None
) -> Iterator[tuple[Child, int]]:
    more = ("--profile", str(profile)) if profile else ()
    with Child("bench.server", what, str(site), *more, environment=environment) as child:
        yield child, msgspec.json.decode(child.line(), type=_Port).port


def compare(generator: Child, ways: Sequence[Way], shape: Shape) -> dict[str, Measured]:
    """Each way in turn, round after round, so that what else the machine does falls on all of them."""
    results: dict[str, list[Result]] = {way.name: [] for way in ways}
    for _ in range(shape.rounds):
        for way in ways:
            results[way.name].append(_once(generator, way, shape))
    return {name: _median(rounds) for name, rounds in results.items()}


def _once(generator: Child, way: Way, shape: Shape) -> Result:
    order = Order(
        port=way.port,
        path=way.path,
        pid=way.child.pid,
        connections=shape.connections,
        per_frame=shape.per_frame,
        window=shape.window,
        seconds=shape.seconds,
        messages=shape.messages,
    )
    generator.say(msgspec.json.encode(order))
    result = msgspec.json.decode(generator.line(), type=Result)
    if result.error:
        raise ChildFailed(f"{way.name}: {result.error}")
    return result


def _median(rounds: Sequence[Result]) -> Measured:
    def of(field: str) -> float:
        return float(median(getattr(result, field) for result in rounds))

    rates = [result.events_s for result in rounds]
    return Measured(
        frames_s=of("frames_s"),
        events_s=of("events_s"),
        p50_us=of("p50_us"),
        p99_us=of("p99_us"),
        server_us=of("server_us"),
        server_busy=of("server_busy"),
        generator_busy=of("generator_busy"),
        spread=(max(rates) - min(rates)) / median(rates),
    )
