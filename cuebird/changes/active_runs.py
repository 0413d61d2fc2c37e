"""Who is in a campaign now, from the ledger: for saying whom a change concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final, Protocol

import msgspec

from actors.model.turn import Decision

PAGE_ROWS: Final = 2_000
ROWS_MAX: Final = 500_000


class Ledger(Protocol):
    async def ledger(
        self, *, user: str | None = None, campaign: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[Decision]: ...


class ActiveRun(msgspec.Struct, frozen=True):
    user: str
    run: str
    version: str
    entered: int
    """`at` of the entry, in ms."""


async def rows(store: Ledger, campaign: str, rows_max: int = ROWS_MAX) -> AsyncIterator[Decision]:
    """Of a campaign, newest first, each once. Pages overlap in their last millisecond."""
    before: int | None = None
    limit = PAGE_ROWS
    known: set[tuple[str, int, int]] = set()
    yielded = 0
    while yielded < rows_max:
        page = await store.ledger(campaign=campaign, limit=limit, before=before)
        fresh = [row for row in page if (row.user, row.turn, row.index) not in known]
        for row in fresh:
            yield row
        yielded += len(fresh)
        if len(page) < limit:
            return
        limit = limit if fresh else limit * 2
        before = page[-1].at + 1
        known = {(row.user, row.turn, row.index) for row in page if row.at == page[-1].at}


async def active_runs(store: Ledger, campaign: str) -> list[ActiveRun]:
    """Entered and not yet ended, oldest first."""
    ended: set[str] = set()
    found: list[ActiveRun] = []
    async for row in rows(store, campaign):
        if row.decision in ("exited", "finished"):
            ended.add(row.run)
        elif row.decision == "entered" and row.run not in ended:
            found.append(ActiveRun(row.user, row.run, row.version, row.at))
    return found[::-1]


def by_version(runs: list[ActiveRun]) -> dict[str, int]:
    return dict(Counter(run.version for run in runs))
