"""The engine of a served site: put together over its store, and recovered."""

from __future__ import annotations

import gc
from time import perf_counter
from typing import Final

from actors.model.turn import Send
from analytics.figures import Figures, read_figures
from cuebird.changes.last_good import Start
from cuebird.changes.proposal import compile_source, operator, told_figures
from cuebird.serving.starting import Recovered, tell_recovered
from cuebird.settings.config import Settings
from delivery.dispatcher import Dispatcher
from engine.clock import Clock
from engine.engine import Engine
from engine.intake import CRITICAL
from engine.listener import EngineListener
from engine.site_swap import SiteChange
from language import versions
from persistence.interface import Commit, JournalHead, Store
from replay.backtest.reach import furthest

GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Actors are many and live long: looking through them as often as Python does by default costs a third of the time."""


async def recovered_engine(
    settings: Settings, store: Store, head: JournalHead, start: Start, clock: Clock, began: float
) -> Engine:
    """Return the engine that goes on where the store ends, under the site of `start`. `began`: `perf_counter` when opening
    the store was begun. Raises StoreError."""
    engine = Engine(
        store,
        start.program,
        clock=clock,
        limits=settings.engine,
        source=start.source,
        compile_program=compile_source,
        critical=frozenset(start.site.profile.critical) or CRITICAL,
        keep=settings.store.keep(),
    )

    async def describe(before: str) -> SiteChange:
        done = await read_figures(store, head=engine.statistics().seq)
        return SiteChange(who=operator(), of=tuple(versions.with_figures(start.changes, told_figures(done))))

    engine.retention.looks_back_ms = furthest(start.site)[0]
    await engine.open(head, describe)
    recovered = Recovered(
        users=await store.users(), position=head.seq, replayed=engine.replayed, seconds=perf_counter() - began
    )
    tell_recovered(recovered, start.site, engine.program.hash)
    return engine


def settle_memory() -> None:
    """Tell the collector that what is in memory now stays, and to look seldom."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Following(EngineListener):
    """What a served site makes of the engine's word: its figures, and messages that go out."""

    def __init__(self, figures: Figures, dispatcher: Dispatcher) -> None:
        self._figures = figures
        self._dispatcher = dispatcher

    def on_commit(self, commit: Commit) -> None:
        self._figures.take(commit)

    def on_sends(self, sends: list[Send]) -> None:
        self._dispatcher.wake(sends)
