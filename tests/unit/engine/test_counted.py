"""What the engine counts of its own work."""

from __future__ import annotations

import pytest

from tests.unit.engine.town import Town, event

pytestmark = pytest.mark.anyio


async def test_each_event_that_was_taken_is_counted_once() -> None:
    async with Town() as town:
        begun = town.engine.statistics().events
        await town.take(event("ann"))
        await town.take(event("bob"), event("ann"))
        assert town.engine.statistics().events - begun == 3
        await town.take(event("bob"), event("ann"))  # both are in memory now
        assert town.engine.statistics().events - begun == 5


async def test_of_a_journal_that_nobody_has_looked_at_yet_nothing_is_said() -> None:
    async with Town() as town:
        journal = town.engine.statistics().journal
        assert (journal.begins_at, journal.entries, journal.bytes) == (0, 0, 0)
