"""Databases as a long life would have left them: a journal to take again, idle actors, timers about to ring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import msgspec

from actors.actor import Actor, new_actor, pack, take
from actors.model.event import Event
from actors.model.program import Program
from bench.workload import Template, events, identify, templates
from cuebird.changes.proposal import compile_source
from cuebird.settings.config import StoreSettings
from engine.clock import Clock, SystemClock
from engine.engine import Engine
from engine.listener import EngineListener
from ingress.messages.messages import Normalizer
from language.compiler.compile import compile_site
from language.load import load_site
from persistence.interface import Commit, JournalEntry, JournalHead, Snapshot, Store
from persistence.sqlite import SqliteStore

BEGIN_MS: Final = 1_767_600_000_000
ROW_MS: Final = 86
"""Between two rows of a journal: a million a day."""
ROWS_PER_COMMIT: Final = 5_000
IDLE_MS: Final = 1_800_000
"""The wait of the demo's cart reminder."""
MODELS: Final = 500
"""Idle actors that differ in more than their name."""


def store_of(site: Path) -> Store:
    """Not open yet."""
    return SqliteStore(site / StoreSettings().path)


def engine_of(site: Path, store: Store, clock: Clock, listener: EngineListener | None = None) -> Engine:
    """As the application makes it."""
    read = load_site(site)
    return Engine(
        store,
        compile_site(read),
        clock=clock,
        source=msgspec.json.encode(read.sources),
        compile_program=compile_source,
        listener=listener,
    )


@asynccontextmanager
async def _begun(site: Path, clock: Clock) -> AsyncIterator[tuple[Store, Program, Normalizer, JournalHead]]:
    """A store that an engine has opened once: its journal names the program."""
    store = store_of(site)
    try:
        program = (engine := engine_of(site, store, clock)).program
        await engine.open()
        await store.close()
        head = await store.open()
        yield store, program, Normalizer(aliases=program.aliases, lateness_ms=program.policy.lateness), head
    finally:
        await store.close()


async def journal(site: Path, rows: int) -> None:
    """So many events of the canonical mix, and no snapshot: all of them have to be taken again."""
    async with _begun(site, _Still(BEGIN_MS)) as (store, _, normalizer, head):
        endless = cycle(templates(min(rows, 200_000)))
        seq, at = head.seq, head.at
        while seq < head.seq + rows:
            many = list(islice(endless, min(ROWS_PER_COMMIT, head.seq + rows - seq)))
            entries = []
            for taken in events(many, normalizer, 1_000_000_000 + seq, at, ROW_MS):
                for event in taken:
                    seq, at = seq + 1, event.occurred
                    entries.append(JournalEntry(seq, at, event))
            await store.commit(Commit(entries=entries))


async def idle_actors(site: Path, count: int) -> None:
    """Actors at rest that wait for their timers, which are due in ten to thirty minutes from now."""
    clock = SystemClock()
    async with _begun(site, clock) as (store, program, normalizer, head):
        now = clock.now_ms()
        added, apart = _cart_message(), 1_200_000 / MODELS
        models = [_model(index, now - int(index * apart), added, program, normalizer) for index in range(MODELS)]
        for first in range(0, count, 20_000):
            numbers = range(first, min(first + 20_000, count))
            await store.commit(Commit(snapshots=[_as(models[n % MODELS], f"u{n:07d}", head.seq) for n in numbers]))


async def due_timers(site: Path, count: int, within_ms: int) -> int:
    """Actors whose cart has been left alone, so that they are reminded of it one after the other within that time.

    Returns when the first of them is due."""
    first_due = BEGIN_MS + 7_200_000
    async with _begun(site, _Still(BEGIN_MS)) as (store, program, normalizer, head):
        added = _cart_message()
        seq = head.seq
        for start in range(0, count, ROWS_PER_COMMIT):
            commit = Commit()
            for index in range(start, min(start + ROWS_PER_COMMIT, count)):
                at = first_due - IDLE_MS + index * within_ms // count
                actor = new_actor(f"u{index:07d}")
                commit.entries.extend(_leave_cart(actor, at, seq, added, program, normalizer))
                assert actor.due == at + IDLE_MS, f"{actor.user} is due at {actor.due}, not {at + IDLE_MS}"
                seq = actor.position
                commit.snapshots.append(Snapshot(actor.user, actor.position, actor.due, pack(actor)))
            commit.replayed_from = seq
            await store.commit(commit)
    return first_due


# --- actors -------------------------------------------------------------------------------------------------------


class _Still(SystemClock):
    """Stands: a database of the past is written in it."""

    def __init__(self, at: int) -> None:
        super().__init__(wall_ms=lambda: at, steady_ms=lambda: 0)


def _cart_message() -> Template:
    """The first message of the canonical mix that makes a cart of more than $50."""
    return next(each for each in templates(5_000) if b'"Product Added"' in each.text and b'"lamp"' in each.text)


def _leave_cart(
    actor: Actor, at: int, seq: int, added: Template, program: Program, normalizer: Normalizer
) -> list[JournalEntry]:
    """Who it is, and something in the cart; both stamped `at`, the rows after `seq`."""
    entries = []
    user = actor.user
    for event in (*identify(user, at, normalizer), *_one(added.of(user), normalizer, at, 0)):
        seq += 1
        take(actor, event, at, program)
        entries.append(JournalEntry(seq, at, event))
    actor.position = seq
    return entries


def _model(index: int, at: int, added: Template, program: Program, normalizer: Normalizer) -> Actor:
    """A few events of the mix, then something in the cart."""
    actor = new_actor(f"model{index}")
    for step, template in enumerate(templates(8, seed=index)):
        for event in _one(template.of(actor.user), normalizer, at + (step - 8) * 30_000, step + 1):
            take(actor, event, event.occurred, program)
    _leave_cart(actor, at, 0, added, program, normalizer)
    return actor


def _one(template: Template, normalizer: Normalizer, at: int, number: int) -> Iterator[Event]:
    for taken in events([template], normalizer, 1_000_000_000 + number, at):
        yield from taken


def _as(actor: Actor, user: str, position: int) -> Snapshot:
    actor.user, actor.position = user, position
    return Snapshot(user, position, actor.due or None, pack(actor))
