"""The journal does not grow for ever, and nobody misses what is gone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cuebird.changes.proposal import compile_source, source_of
from engine.limits import Keep, Limits
from engine.submit import Receipt
from persistence.interface import StoreError
from persistence.program_periods import all_periods
from persistence.reader import reading
from persistence.sqlite import SqliteStore
from replay.backtest.backtest import backtest
from replay.backtest.reach import TooShort
from replay.explain.explain import explained
from replay.explain.recall import recall
from tests.unit.engine.town import START, Town, event
from tests.unit.versions import sites

pytestmark = pytest.mark.anyio

DAY = 86_400_000
ALL = 2**60


def town_of(path: Path, keep: Keep, limits: Limits | None = None) -> Town:
    return Town(SqliteStore(path / "cuebird.db"), keep=keep, limits=limits)


async def live(town: Town, days: int) -> None:
    """Ann and bob do something each day; all of it is written, and the server starts anew."""
    for day in range(days):
        await town.take(event("ann", "page_viewed", f"a{day}"), event("bob", "product_added", f"b{day}"))
        await town.engine.snapshot()
        town.clock.advance(DAY)
    await town.take(event("ann", message_id="today"))
    await town.engine.snapshot()
    await town.restart()


async def test_what_is_older_than_it_is_kept_goes_and_everybody_is_as_before(tmp_path: Path) -> None:
    async with town_of(tmp_path, Keep(age_ms=10 * DAY, reach_ms=2 * DAY)) as town:
        await live(town, 30)
        before = await town.state("ann"), await town.state("bob")
        await town.engine.retention.look()
        journal = await town.journal()
        assert [entry.event.message_id for entry in journal][:2] == ["a20", "b20"]
        now = town.engine.statistics().journal
        assert (now.begins_at, now.entries) == (START + 20 * DAY, len(journal))
        await town.restart()
        assert (await town.state("ann"), await town.state("bob")) == before
        assert await town.take(event("ann", message_id="today")) == Receipt(duplicates=1)


async def test_too_many_bytes_go_sooner_but_not_what_a_backtest_may_ask_for(tmp_path: Path) -> None:
    async with town_of(tmp_path, Keep(age_ms=400 * DAY, reach_ms=5 * DAY, bytes_max=1)) as town:
        await live(town, 30)
        town.engine.retention.looks_back_ms = 3 * DAY
        await town.engine.retention.look()
        assert town.engine.statistics().journal.begins_at == START + 22 * DAY
        town.engine.retention.looks_back_ms = 0
        await town.engine.retention.look()
        assert town.engine.statistics().journal.begins_at == START + 25 * DAY


async def test_nothing_goes_that_a_start_has_to_take_again(tmp_path: Path) -> None:
    async with town_of(tmp_path, Keep(age_ms=DAY, reach_ms=1)) as town:
        for day in range(9):
            await town.take(event("ann", message_id=f"a{day}"))
            await town.engine.written()
            town.clock.advance(DAY)
        await town.restart()
        await town.engine.retention.look()
        assert len(await town.journal()) == 9
        state = await town.state("ann")
        await town.restart()
        assert await town.state("ann") == state


async def test_nothing_goes_of_what_a_held_user_is_made_of(tmp_path: Path) -> None:
    limits = Limits(snapshot_every_ms=3_600_000, snapshot_bytes_max=2_000)
    async with town_of(tmp_path, Keep(age_ms=DAY, reach_ms=1), limits) as town:
        await town.take(event("ann", message_id="a"))
        await town.engine.snapshot()
        await town.take(event("bob", "product_added", "b1"))
        await town.take(event("bob", kind="identify", message_id="b2", text="x" * 3_000))
        await live(town, 9)
        await town.engine.retention.look()
        assert (await town.journal())[0].event.message_id == "b1"
        town.limits = msgspec.structs.replace(limits, snapshot_bytes_max=10_000)
        await town.restart()
        assert (await town.engine.release.retry("bob")).held == ""
        assert (await town.take(event("bob", message_id="b1"))).duplicates == 1
        await live(town, 3)
        await town.engine.retention.look()
        assert (await town.journal())[0].event.message_id != "b1"


async def test_a_clock_that_is_years_ahead_costs_a_day_of_the_journal(tmp_path: Path) -> None:
    async with town_of(tmp_path, Keep(age_ms=10 * DAY, reach_ms=DAY)) as town:
        await live(town, 30)
        town.clock.advance(4_000 * DAY)
        await town.engine.retention.look()
        # To the millisecond it is a day and what passed since the start.
        assert START + 20 * DAY < town.engine.statistics().journal.begins_at <= START + 22 * DAY


async def test_readers_say_where_the_journal_begins_and_know_every_change_of_the_site(tmp_path: Path) -> None:
    first, second = sites.site(sites.FIRST), sites.site(sites.SECOND)
    path, keep = tmp_path / "cuebird.db", Keep(age_ms=10 * DAY, reach_ms=2 * DAY)
    async with sites.town(first, store=SqliteStore(path), keep=keep) as town:
        await town.take(event("ann", message_id="a"))
        town.clock.advance(DAY)
        await sites.swap(town, second)
        await live(town, 30)
        await town.engine.retention.look()
        await town.restart()
        assert (await town.journal())[0].seq > 3
    async with reading(path) as store:
        assert [record.body.hash for record in await all_periods(store)] == [
            compile_source(source_of(site)).hash for site in (first, second)
        ]
        recalled = await recall(store, "ann", None)
        assert recalled is not None
        assert (recalled.complete, recalled.begins_at) == (False, START + 21 * DAY)
        assert "The journal begins at 2026" in explained(recalled, START + 40 * DAY).notes[0]
        with pytest.raises(TooShort, match="it begins at 2026"):
            await backtest(store, second, START + DAY, compile_source=compile_source)
        played = await backtest(store, second, START + 25 * DAY, compile_source=compile_source)
        assert all(one.is_empty for one in played.campaigns)


async def test_a_journal_that_lost_more_than_its_beginning_is_refused(tmp_path: Path) -> None:
    async with town_of(tmp_path, Keep()) as town:
        for number in range(5):
            await town.take(event("ann", message_id=f"a{number}"))
            await town.engine.written()
        while await town.disk.cut(3, ALL):
            pass
        await town.stop()
        with pytest.raises(StoreError, match="the journal begins at entry 4, and it has to be taken again from 1 on"):
            await town.engine.open()
