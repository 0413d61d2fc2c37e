"""A full disk is waited out; a broken one stops the engine without a word (design §4.3, reference cases 19 to 22)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.actor import Actor
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Turn
from engine import committer
from engine.submit import Receipt
from persistence.interface import Mark, StorageFailed, StorageFull
from tests.unit.engine.town import MINUTE, START, Town, event

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _probe_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "PROBE_S_MIN", 0.001)
    monkeypatch.setattr(committer, "PROBE_S_MAX", 0.001)


async def room(town: Town) -> None:
    town.disk.is_full = False
    town.disk.full_after = None
    async with asyncio.timeout(5):
        while town.engine.statistics().storage != "good":
            await asyncio.sleep(0.001)


async def test_a_full_disk_is_told_to_clients_and_forgets_what_was_not_stored() -> None:
    async with Town() as town:
        await town.take(event("ann", "product_added", "m1"))
        before = await town.state("ann")
        town.disk.is_full = True
        receipt = await town.take(event("ann", "order_completed", "m2"), event("bob", "signed_up", "m3"))
        assert (receipt.refused, receipt.retry_ms) == ("storage_full", town.limits.refused_retry_ms)
        assert (await town.take(event("cyd"))).refused == "storage_full"
        assert await town.state("ann") == before
        assert await town.engine.user("bob") is None
        assert town.sent == []
        await room(town)
        again = await town.take(event("ann", "order_completed", "m2"), event("bob", "signed_up", "m3"))
        assert again == Receipt(accepted=2)
        assert [entry.seq for entry in await town.journal()] == [1, 2, 3]
        assert [send.user for send in town.sent] == ["bob"]


async def test_what_gathered_behind_a_commit_that_found_no_room_is_refused_too() -> None:
    async with Town() as town:
        town.disk.shut()
        first = town.submit(event("ann", message_id="m1"))
        await asyncio.wait_for(town.disk.waiting.wait(), 5)
        second = town.submit(event("ann", message_id="m2"), event("bob", message_id="m3"))
        duplicate = town.submit(event("ann", message_id="m1"))
        town.disk.is_full = True
        town.disk.let_through()
        receipts = await asyncio.wait_for(asyncio.gather(first, second, duplicate), 5)
        assert [receipt.refused for receipt in receipts] == ["storage_full"] * 3
        await room(town)
        assert await town.journal() == []
        assert (await town.take(event("ann", message_id="m1"))).accepted == 1


async def test_due_timers_are_held_while_the_disk_is_full_and_fire_once_when_it_is_not() -> None:
    async with Town() as town:
        await town.take(*[event(f"u{number}", "product_added") for number in range(20)])
        town.disk.is_full = True
        town.clock.advance(31 * MINUTE)
        async with asyncio.timeout(5):
            while town.engine.statistics().storage != "full":
                await asyncio.sleep(0.001)
        assert town.sent == []
        await room(town)
        await town.quiet()
        assert await town.sends() == sorted((f"u{number}", "cart_1", START + 30 * MINUTE) for number in range(20))
        assert (await town.disk.counts())["outbox"] == 20


async def test_a_join_that_was_not_stored_never_happened() -> None:
    async with Town() as town:
        await town.take(event("~v", "product_added"))
        visitor = await town.state("~v")
        town.disk.is_full = True
        alias = event("ann", kind="alias", message_id="a1", **{"from": "~v"})
        assert (await town.take(alias)).refused == "storage_full"
        await room(town)
        assert await town.state("~v") == visitor
        assert await town.engine.user("ann") is None
        assert (await town.take(alias)).accepted == 1
        joined = await town.engine.user("~v")
        assert joined is not None
        assert joined.user == "ann"


async def test_deliverys_rows_are_refused_while_the_disk_is_full() -> None:
    async with Town() as town:
        await town.take(event("ann", "signed_up"))
        town.disk.is_full = True
        mark = Mark(id=town.sent[0].id, state="claimed", at=START, boot="b1")
        for _ in range(2):
            with pytest.raises(StorageFull):
                await town.engine.write(marks=[mark])
        await room(town)
        await town.engine.write(marks=[mark])
        assert (await town.disk.sends([mark.id]))[mark.id].state == "claimed"


@pytest.mark.parametrize("position", range(8))
async def test_a_disk_found_full_at_any_commit_changes_nothing_in_the_end(position: int) -> None:
    ledgers = []
    for full_after in (None, position):
        async with Town() as town:
            town.disk.full_after = full_after
            for number in range(4):
                for name in ("product_added", "signed_up"):
                    one = event("ann", name, f"{name}-{number}")
                    while (await town.take(one)).refused:
                        await room(town)
                    await town.engine.written()
                    town.clock.advance(7 * MINUTE)
                    while True:
                        try:
                            await town.quiet()
                            break
                        except StorageFull:
                            await room(town)
            ledgers.append(await town.ledger())
    assert ledgers[0] == ledgers[1]


async def test_a_broken_disk_stops_the_engine_without_a_word() -> None:
    async with Town() as town:
        told: list[Receipt] = []
        town.disk.is_broken = True
        town.engine.submit([event("ann", "signed_up")], told.append)
        await asyncio.wait_for(town.engine.failed.wait(), 5)
        with pytest.raises(StorageFailed):
            await asyncio.wait_for(asyncio.shield(town.running), 5)
        town.engine.submit([event("bob")], told.append)
        assert told == []
        assert town.sent == []
        assert town.engine.statistics().storage == "failed"


async def test_a_disk_that_cannot_be_read_stops_the_engine_too() -> None:
    async with Town() as town:
        await town.take(event("ann"))
        await town.restart()

        async def cannot(users: Any) -> Any:
            raise StorageFailed("the disk answered with an I/O error")

        town.disk.load = cannot
        told: list[Receipt] = []
        town.engine.submit([event("zoe")], told.append)
        await asyncio.wait_for(town.engine.failed.wait(), 5)
        assert told == []


async def test_an_event_that_an_actor_fails_on_is_left_out_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Town() as town:
        await town.take(event("ann", "product_added", "m1"))
        before = await town.state("ann")
        bad = event("ann", "signed_up", "bad")
        bad = type(bad)(
            user="ann", kind="track", name="email_clicked", message_id="bad", body=b"not json", source="engine"
        )
        receipt = await town.take(event("ann", "page_viewed", "m2"), bad, event("bob", message_id="m3"))
        assert receipt == Receipt(accepted=2, quarantined=1)
        assert town.engine.statistics().faults == 1
        assert "'ann' failed on track 'email_clicked' (message 'bad')" in caplog.text
        assert await town.state("ann") != before
        await town.take(event("ann", "page_viewed", "m4"))
        assert [entry.event.message_id for entry in await town.journal()] == ["m1", "m2", "m3", "m4"]
        state = await town.state("ann")
        await town.restart()
        assert await town.state("ann") == state


async def test_a_join_that_fails_midway_leaves_the_visitor_and_the_user_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails_midway(into: Actor, source: Actor, event: Event, at: int, program: Program) -> Turn:
        into.traits["half"] = source.traits["half"] = True
        source.runs = []
        raise ArithmeticError("in the middle of it")

    async with Town() as town:
        await town.take(event("ann", message_id="m1"), event("~visitor", "product_added", "m2"))
        before = await town.state("ann"), await town.state("~visitor")
        monkeypatch.setattr("engine.slow_path.join", fails_midway)
        receipt = await town.take(event("ann", "", "bad", kind="alias", **{"from": "~visitor"}))
        assert receipt == Receipt(quarantined=1)
        await town.quiet()
        assert (await town.state("ann"), await town.state("~visitor")) == before
        await town.pass_time(60 * 60_000)
        assert {user for user, *_ in await town.sends()} == {"~visitor"}
