"""(i) and (j): more than the server can take, and one visitor who does his worst. The server is one in public, with keys."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from bench.comparing import server
from bench.processes import Child
from bench.setting import Bench, Mode
from bench.storm import Order, Result, What
from bench.table import Figure, rate

KEYS: Final = """
[[keys.server]]
name = "bench"
value = "sk_bench"

[[keys.write]]
name = "page"
value = "wk_bench"
"""
ORDERS_A_SECOND: Final = 40.0
MB: Final = 1_000_000


class Run(msgspec.Struct, frozen=True):
    """A server, and two processes that load it: with batches, and with what is measured beside them."""

    child: Child
    port: int
    storm: Child
    beside: Child

    def batches(self, connections: int, seconds: float, events_s: float = 0.0) -> tuple[Result, Result]:
        """(of the batches, of single orders at the same time). `events_s` 0: as fast as the server answers."""
        for child, order in (
            (self.storm, self._order("batches", connections, seconds, events_s / 500)),
            (self.beside, self._order("orders", 16, seconds, ORDERS_A_SECOND)),
        ):
            child.say(msgspec.json.encode(order))
        batches, orders = (msgspec.json.decode(child.line(), type=Result) for child in (self.storm, self.beside))
        return batches, orders

    def visitor(self, what: What, seconds: float) -> Result:
        order = msgspec.structs.replace(self._order(what, 4, seconds, 0.0), key="wk_bench")
        self.storm.say(msgspec.json.encode(order))
        return msgspec.json.decode(self.storm.line(seconds + 60), type=Result)

    def _order(self, what: What, connections: int, seconds: float, rate: float) -> Order:
        return Order(
            port=self.port,
            pid=self.child.pid,
            what=what,
            connections=connections,
            rate=rate,
            seconds=seconds,
            key="sk_bench",
        )


def public_site(bench: Bench, name: str) -> Path:
    site = bench.site(name)
    with (site / "cuebird.toml").open("a") as toml:
        toml.write(KEYS)
    return site


@contextmanager
def public(site: Path, mode: Mode) -> Iterator[Run]:
    with (
        Child("bench.storm") as storm,
        Child("bench.storm") as beside,
        server("public", site, mode.environment) as (child, port),
    ):
        yield Run(child, port, storm, beside)


# --- (i): overload ------------------------------------------------------------------------------------------------


def overload(bench: Bench) -> Iterator[Figure]:
    """(i) three times and ten times of what can be taken."""
    seconds = 3.0 if bench.quick else 8.0
    for number, mode in enumerate(bench.modes):
        site = public_site(bench, f"overload-{number}")
        with public(site, mode) as run:
            run.batches(8, seconds / 2)
            before, calm = run.batches(8, seconds)
            found = {
                "3 times that": run.batches(200, seconds, 3 * before.accepted_s),
                "10 times that": run.batches(400, seconds, 10 * before.accepted_s),
                "120 connections that heed no refusal": run.batches(120, seconds),
            }
            run.batches(8, seconds / 2)
            after, _ = run.batches(8, seconds)
        shutil.rmtree(site)
        yield from _figures(mode, before, after, calm, found)


def _figures(
    mode: Mode, before: Result, after: Result, calm: Result, found: dict[str, tuple[Result, Result]]
) -> Iterator[Figure]:
    # What the batches decided (letters, pushes) is still done while the next are measured: so it is the mean.
    capacity = (before.accepted_s + after.accepted_s) / 2
    cpu = (before.server_busy + after.server_busy) / 2 / capacity
    told = f"{rate(before.accepted_s)} before, {rate(after.accepted_s)} after"
    yield Figure(
        part="i", what="capacity: batches of 500, 8 connections", disk=mode.name, measured=rate(capacity), limit=told
    )
    yield _orders(mode, "beside them", calm, None)
    for name, (batches, orders) in found.items():
        ratio = batches.accepted_s / capacity
        yield Figure(
            part="i",
            what=f"accepted of {name} ({rate(batches.offered_s)} offered)",
            disk=mode.name,
            measured=rate(batches.accepted_s),
            limit=rate(capacity),
            ratio=ratio,
            by_cpu=cpu * batches.accepted_s / batches.server_busy if batches.server_busy else None,
            target="≥ 0.80",
            ok=ratio >= 0.80,
            numbers=_numbers(batches, orders),
        )
        yield _orders(mode, "meanwhile", orders, 250)


def _orders(mode: Mode, when: str, orders: Result, target: int | None) -> Figure:
    return Figure(
        part="i",
        what=f"single orders {when}, p50 · p99 ({orders.answers.get('200', 0)} of {sum(orders.answers.values())})",
        disk=mode.name,
        measured=f"{orders.p50_ms:.0f} · {orders.p99_ms:.0f} ms",
        limit=f"{target} ms" if target else "",
        ratio=orders.p99_ms / target if target else None,
        target=f"p99 ≤ {target} ms" if target else "",
        ok=orders.p99_ms <= target and set(orders.answers) == {"200"} if target else None,
    )


def _numbers(batches: Result, orders: Result) -> dict[str, float]:
    return {
        "accepted_s": batches.accepted_s,
        "offered_s": batches.offered_s,
        "refused": batches.answers.get("429", 0),
        "batch_p99_ms": batches.p99_ms,
        "server_busy": batches.server_busy,
        "generator_busy": batches.generator_busy,
        "order_p50_ms": orders.p50_ms,
        "order_p99_ms": orders.p99_ms,
        "order_most_ms": orders.most_ms,
    }


# --- (j): one visitor ---------------------------------------------------------------------------------------------


def visitor(bench: Bench) -> Iterator[Figure]:
    """(j) one visitor with the public key at full speed for a minute."""
    seconds = 10.0 if bench.quick else 60.0
    kinds: tuple[tuple[What, str], ...] = (
        ("visitors", "new visitors, 500 a batch"),
        ("profiles", "new visitors of 20 kB of traits each"),
    )
    mode = bench.modes[0]
    for what, told in kinds:
        site = public_site(bench, f"visitor-{what}")
        with public(site, mode) as run:
            memory, disk = _memory(run.child.pid), _disk(site)
            result = run.visitor(what, seconds)
            moved = {"memory": _memory(run.child.pid) - memory, "disk": _disk(site) - disk}
        started = perf_counter()
        with server("public", site, mode.environment):
            restart = perf_counter() - started
        shutil.rmtree(site)
        for name, size in moved.items():
            yield Figure(
                part="j",
                what=f"one page, {seconds:.0f} s at full speed, {told} ({rate(result.accepted_s)}): {name}",
                measured=f"{size / MB:+.1f} MB",
                limit="64 MB",
                ratio=size / (64 * MB),
                target="≤ +64 MB",
                ok=size <= 64 * MB,
                numbers={"bytes": size, "accepted_s": result.accepted_s, "offered_s": result.offered_s},
            )
        yield Figure(part="j", what="the start after it", measured=f"{restart:.1f} s")


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _disk(site: Path) -> int:
    return sum(file.stat().st_size for file in (site / "data").rglob("*") if file.is_file())
