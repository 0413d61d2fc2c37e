"""What there is to see after the killing: what clients were told, what is on disk, what arrived."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import msgspec

from actors.model.turn import Decision
from persistence.interface import JournalEntry, Outboxed, SendState
from persistence.sqlite import SqliteStore
from tests.acceptance.kill.post_office import Letter
from tests.acceptance.kill.teller import Message

ALL = 10**7


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    acked: Sequence[Message] = ()
    journal: Sequence[JournalEntry] = ()
    ledger: Sequence[Decision] = ()
    """In the order in which it was written."""
    outbox: Sequence[Outboxed] = ()
    letters: Sequence[Letter] = ()


async def gather(database: Path, acked: Sequence[Message], letters: Sequence[Letter]) -> Evidence:
    """Reads a database that no engine holds."""
    store = SqliteStore(database)
    await store.open()
    try:
        return Evidence(
            acked=acked,
            journal=[entry async for batch in store.tail(0) for entry in batch],
            ledger=(await store.ledger(limit=ALL))[::-1],
            outbox=[row for state in get_args(SendState) for row in await store.in_state(state, ALL)],
            letters=letters,
        )
    finally:
        await store.close()
