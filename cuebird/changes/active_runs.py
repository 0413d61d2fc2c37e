"""Who is in a campaign now, from the ledger: for saying whom a change concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from actors.model.turn import Decision
from persistence.interface import StoreReader

ROWS_MAX: Final = 500_000


class ActiveRun(msgspec.Struct, frozen=True):
    user: str
    run: str
    version: str
    entered: int
    """`at` of the entry, in ms."""


async def _rows(store: StoreReader, campaign: str) -> AsyncIterator[Decision]:
    """Of a campaign, newest first: the newest ROWS_MAX, and what its batch holds besides."""
    count = 0
    async for batch in store.whole_ledger(campaign):
        for row in batch:
            yield row
        count += len(batch)
        if count >= ROWS_MAX:
            return


async def active_runs(store: StoreReader, campaign: str) -> list[ActiveRun]:
    """Entered and not yet ended, oldest first."""
    ended: set[str] = set()
    found: list[ActiveRun] = []
    async for row in _rows(store, campaign):
        if row.decision in ("exited", "finished"):
            ended.add(row.run)
        elif row.decision == "entered" and row.run not in ended:
            found.append(ActiveRun(row.user, row.run, row.version, row.at))
    return found[::-1]


def by_version(runs: list[ActiveRun]) -> dict[str, int]:
    return dict(Counter(run.version for run in runs))
