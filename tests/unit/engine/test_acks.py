"""An ack is our word that an input is on disk; a refusal says that nothing of the batch was stored."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from actors.model import recent
from engine.limits import Limits
from engine.submit import Receipt
from persistence.interface import Link, Mark, Suppression
from persistence.memory import MemoryStore
from tests.unit.engine.town import MINUTE, START, Town, event

pytestmark = pytest.mark.anyio


async def test_nobody_is_acked_and_nothing_is_sent_before_the_commit_is_on_disk() -> None:
    async with Town() as town:
        town.disk.shut()
        told = town.submit(event("ann", "signed_up"))
        await asyncio.wait_for(town.disk.waiting.wait(), 5)
        await asyncio.sleep(0)
        assert not told.done()
        assert town.sent == []
        town.disk.let_through()
        assert await asyncio.wait_for(told, 5) == Receipt(accepted=1)
        assert [send.template for send in town.sent] == ["hello"]


async def test_what_comes_while_a_commit_is_written_goes_together_in_the_next() -> None:
    async with Town() as town:
        town.disk.shut()
        first = town.submit(event("ann"))
        await asyncio.wait_for(town.disk.waiting.wait(), 5)
        rest = [town.submit(event(f"u{number}")) for number in range(50)]
        town.disk.let_through()
        await asyncio.wait_for(asyncio.gather(first, *rest), 5)
        assert [len(commit.entries) for commit in town.disk.commits] == [1, 50]


async def test_a_users_inputs_are_taken_and_acked_in_order() -> None:
    async with Town() as town:
        order: list[int] = []
        for number in range(20):
            town.engine.submit([event("ann", message_id=f"m{number}")], lambda _, number=number: order.append(number))  # type: ignore[misc]
        await town.quiet()
        assert order == list(range(20))
        journal = await town.journal()
        assert [entry.event.message_id for entry in journal] == [f"m{number}" for number in range(20)]
        assert [entry.seq for entry in journal] == list(range(1, 21))


async def test_sending_it_again_is_acked_as_a_duplicate_and_changes_nothing() -> None:
    async with Town() as town:
        assert await town.take(event("ann", "product_added", "m1")) == Receipt(accepted=1)
        before = await town.state("ann")
        assert await town.take(event("ann", "product_added", "m1")) == Receipt(duplicates=1)
        assert await town.state("ann") == before
        assert len(await town.journal()) == 1


async def test_an_event_of_which_the_user_has_forgotten_whether_it_came_is_told_as_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recent, "IDS_MAX", 256)
    monkeypatch.setattr(recent, "CHUNK_MAX", 64)
    async with Town(MemoryStore(), limits=Limits(live_actors_max=1, snapshot_every_ms=3_600_000)) as town:
        first = msgspec.structs.replace(event("ann", "product_added", "m1"), occurred=START)
        late = msgspec.structs.replace(event("ann", "order_completed", "late"), occurred=START)
        assert await town.take(first) == Receipt(accepted=1)
        await town.pass_time(MINUTE)
        views = [event("ann", message_id=f"v{number}") for number in range(600)]
        assert await town.take(*views) == Receipt(accepted=600)
        before = await town.state("ann")
        assert await town.take(first, late, views[-1]) == Receipt(duplicates=1, too_old=2)
        assert await town.take(event("bob")) == Receipt(accepted=1), "ann is packed"
        assert await town.take(first, event("bob")) == Receipt(accepted=1, too_old=1)
        assert await town.state("ann") == before
        await town.restart()
        assert await town.take(first, event("ann", message_id="fresh")) == Receipt(accepted=1, too_old=1)
        assert town.engine.statistics().too_old == 1
        assert len(await town.journal()) == 604


async def test_the_ack_of_a_duplicate_waits_for_the_commit_of_the_first() -> None:
    async with Town() as town:
        town.disk.shut()
        first = town.submit(event("ann", message_id="m1"))
        await asyncio.wait_for(town.disk.waiting.wait(), 5)
        again = town.submit(event("ann", message_id="m1"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not again.done()
        town.disk.let_through()
        assert (await asyncio.wait_for(first, 5), await asyncio.wait_for(again, 5)) == (
            Receipt(accepted=1),
            Receipt(duplicates=1),
        )


async def test_stamps_never_go_back_and_are_the_clocks() -> None:
    async with Town() as town:
        await town.take(event("ann"))
        town.clock.advance(5)
        await town.take(event("ann"))
        assert [entry.at for entry in await town.journal()] == [START, START + 5]


async def test_no_input_is_stamped_at_a_time_whose_timers_have_fired() -> None:
    async with Town() as town:
        await town.take(event("ann", "product_added"))
        await town.pass_time(30 * MINUTE)
        await town.take(event("ann", "order_completed"))
        assert [at - START for _, _, at in await town.sends()] == [30 * MINUTE]
        assert (await town.journal())[-1].at == START + 30 * MINUTE + 1


async def test_past_the_bound_a_batch_is_refused_and_what_matters_most_still_goes() -> None:
    limits = Limits(inflight_inputs_max=10, critical_inputs_max=5, snapshot_every_ms=3_600_000)
    async with Town(limits=limits) as town:
        town.disk.shut()
        taken = [town.submit(event(f"u{number}")) for number in range(10)]
        refused = await town.take(event("ann"))
        assert (refused.refused, refused.retry_ms) == ("overloaded", limits.refused_retry_ms)
        bought = [town.submit(event("ann", "order_completed")) for _ in range(5)]
        assert (await town.take(event("ann", "order_completed"))).refused == "overloaded"
        town.disk.let_through()
        receipts = await asyncio.wait_for(asyncio.gather(*taken, *bought), 5)
        assert all(receipt == Receipt(accepted=1) for receipt in receipts)
        assert await town.take(event("ann")) == Receipt(accepted=1)
        assert town.engine.statistics().refused == 2


async def test_the_room_kept_for_an_order_is_not_for_a_batch_that_holds_one_among_others() -> None:
    limits = Limits(inflight_inputs_max=10, critical_inputs_max=50, critical_batch_inputs_max=3)
    async with Town(limits=limits) as town:
        town.disk.shut()
        taken = [town.submit(event(f"u{number}")) for number in range(10)]
        order = event("ann", "order_completed")
        assert (await town.take(*[event("ann") for _ in range(3)], order)).refused == "overloaded"
        taken.append(town.submit(event("ann"), event("ann"), order))
        town.disk.let_through()
        assert sum(receipt.accepted for receipt in await asyncio.wait_for(asyncio.gather(*taken), 5)) == 13


async def test_a_batch_larger_than_the_bound_is_taken_when_nothing_else_is_in_flight() -> None:
    async with Town(limits=Limits(inflight_inputs_max=10)) as town:
        assert (await town.take(*[event("ann") for _ in range(30)])).accepted == 30


async def test_a_user_who_speaks_too_fast_is_told_when_to_go_on() -> None:
    async with Town(limits=Limits(user_events_per_second_max=10)) as town:
        noisy = [msgspec.structs.replace(event("ann"), source="client") for _ in range(12)]
        assert (await town.take(*noisy[:11])).accepted == 11
        receipt = await town.take(noisy[11])
        assert receipt.refused == "too_many_for_user"
        town.clock.advance(receipt.retry_ms)
        assert (await town.take(noisy[11])).accepted == 1


async def test_a_draining_engine_refuses_and_leaves_nothing_to_replay() -> None:
    async with Town() as town:
        last = town.submit(event("ann", "product_added"))
        await asyncio.wait_for(town.engine.drain(), 5)
        assert last.result() == Receipt(accepted=1)
        assert (await town.take(event("ann"))).refused == "draining"
        await town.restart()
        assert town.engine.replayed == 0
        assert (await town.take(event("ann"))).accepted == 1


async def test_deliverys_rows_are_on_disk_when_write_returns() -> None:
    async with Town() as town:
        await town.take(event("ann", "signed_up"))
        send = town.sent[0].id
        await town.engine.write(
            marks=[Mark(id=send, state="claimed", at=START, boot="b1")],
            links=[Link(send, 0, "https://shop.example/a")],
            suppressions=[Suppression("ann@shop.example", "bounced", START)],
        )
        assert (await town.disk.sends([send]))[send].state == "claimed"
        link = await town.disk.link(send, 0)
        assert link is not None
        assert link.url == "https://shop.example/a"
        assert "ann@shop.example" in await town.disk.suppressed(["ann@shop.example"])


async def test_one_listeners_fault_does_not_keep_the_word_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async with Town() as town:

        def falls_over(receipt: Receipt) -> None:
            raise RuntimeError("this listener has a bug")

        town.engine.submit([event("ann")], falls_over)
        assert await town.take(event("bob")) == Receipt(accepted=1)
        assert "this listener has a bug" in caplog.text


async def test_a_user_who_does_not_want_to_be_tracked_leaves_no_row() -> None:
    async with Town() as town:
        await town.take(event("ann", kind="identify", consent={"tracking": False}))
        assert (await town.take(event("ann", "product_added"))).accepted == 0
        assert len(await town.journal()) == 1
        assert town.engine.statistics().untracked == 1


async def test_a_send_is_looked_at_again_right_before_it_goes() -> None:
    async with Town() as town:
        await town.take(event("ann", "signed_up"))
        (send,) = town.sent
        assert await town.engine.recheck(send) is None
        town.clock.move_to(send.expires + 1)
        assert await town.engine.recheck(send) == "expired"
