"""An engine that a command starts for its own work, where none runs: with the site that counts, and no ways in or out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from cuebird.changes.database_state import running
from cuebird.changes.proposal import compile_source, source_of
from cuebird.settings.config import ConfigError, load
from engine.clock import SystemClock
from engine.engine import Engine
from persistence.interface import Store, StoreError
from persistence.sqlite import SqliteStore


@asynccontextmanager
async def engine_alone(site: Path, path: Path) -> AsyncIterator[tuple[Engine, Store]]:
    """It runs until it is left; all that was done is on disk then. Raises StoreError, click.ClickException if the settings
    cannot be read."""
    try:
        settings = load(site, os.environ).settings
    except ConfigError as error:
        raise click.ClickException("\n".join(error.problems)) from None
    now = await running(path)
    if now.site is None:
        raise StoreError(f"{path} does not say which site counts: `cuebird serve` writes it down")
    source = source_of(now.site)
    store = SqliteStore(path, index_users=settings.store.index_users, machine=settings.store.machine or None)
    engine = Engine(
        store,
        compile_source(source),
        clock=SystemClock(),
        limits=settings.engine,
        source=source,
        compile_program=compile_source,
    )
    try:
        await engine.open()
        work = asyncio.create_task(engine.run())
        yield engine, store
        await engine.drain()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    finally:
        await store.close()
