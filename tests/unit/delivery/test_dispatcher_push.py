"""Pushes: at once to the pages that are open, kept for those that come back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.model.turn import Send
from persistence.interface import Commit, Mark, StorageFailed
from persistence.memory import MemoryStore
from tests.unit.delivery.making import NOW, a_send
from tests.unit.delivery.world import running

pytestmark = pytest.mark.anyio

STEPS_MAX = 12
"""Turns of the loop from a push's commit to its settlement: no clock, for it is the machine's affair how long those take."""


def a_push(number: int = 1, **changes: Any) -> Send:
    return a_send(number, **({"channel": "push", "template": "nudge", "to": "ann"} | changes))


async def test_a_push_reaches_the_open_page_right_after_its_commit(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        for number in range(1, 6):
            await world.decide(a_push(number))
            for _ in range(STEPS_MAX):
                if (await world.row(a_push(number))).state == "sent":
                    break
                await asyncio.sleep(0)
            else:
                raise AssertionError(f"push {number} is not settled after {STEPS_MAX} turns of the loop")
        assert (await world.event("push_delivered", 5))["message"] == a_push(5).id
        user, push = world.pushed[0]
        assert (user, push.id, push.kind, push.expires) == ("ann", a_push().id, "push", a_push().expires)
        assert msgspec.json.decode(push.data) == {"title": "Still thinking?"}
        assert push.about["campaign"] == "abandoned_cart"
        assert world.commits == [("claimed",), ("at_dot", "sent")] * 5


async def test_a_push_with_no_page_open_waits_in_the_ring_and_is_not_called_delivered(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.pages_open = 0
        await world.decide(a_push())
        row = await world.state(a_push(), "sent")
        assert row.reply == "0 streams"
        assert len(world.pushed) == 1
        assert world.names() == []


async def test_many_pushes_of_one_commit_share_their_commits(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.decide(*(a_push(number) for number in range(1, 501)))
        await world.state(a_push(500), "sent")
        assert len({push.id for _, push in world.pushed}) == len(world.pushed) == 500
        assert len(world.commits) < 10


async def test_a_push_does_not_wait_behind_mails_that_cannot_go_out(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.decide(*(a_send(number) for number in range(1, 300)))
        await world.decide(a_push(1000))
        await world.state(a_push(1000), "sent")


async def test_a_push_found_in_the_outbox_after_a_restart_goes_out_once(tmp_path: Path) -> None:
    store = MemoryStore()
    await store.open()
    await store.commit(Commit(sends=[a_push(1), a_push(2)]))
    await store.commit(Commit(marks=[Mark(id=a_push(1).id, state="claimed", at=NOW, boot="boot-1")]))
    async with running(tmp_path, store=store) as world:
        await world.state(a_push(1), "sent")
        await world.state(a_push(2), "sent")
        assert sorted(push.id for _, push in world.pushed) == [a_push(1).id, a_push(2).id]


async def test_what_has_expired_or_may_not_be_or_cannot_be_shown_is_not(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.reasons[a_push(2).id] = "exited"
        await world.decide(a_push(1, expires=NOW - 1), a_push(2), a_push(3, template="gone"), a_push(4))
        await world.state(a_push(4), "sent")
        replies = [(await world.row(a_push(number))).reply for number in (1, 2, 3)]
        assert replies[:2] == ["expired", "exited"]
        assert replies[2].startswith("render_error: template 'gone'")
        assert [push.id for _, push in world.pushed] == [a_push(4).id]
        assert (await world.event("push_expired"))["message"] == a_push(1).id


async def test_a_push_goes_out_in_the_very_moment_in_which_it_expires(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.decide(a_push(1, expires=NOW))
        await world.state(a_push(1), "sent")
        assert [push.id for _, push in world.pushed] == [a_push(1).id]


async def test_with_the_disk_full_nothing_is_shown_before_its_claim_is_on_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        world.full = 1
        await world.decide(a_push())
        await world.until(lambda: world.dispatcher.counts["storage_full"])
        assert world.pushed == []
        world.clock.advance(1000)
        await world.state(a_push(), "sent")
        assert len(world.pushed) == 1


async def test_a_push_whose_query_overlaps_its_sending_is_not_sent_twice(tmp_path: Path) -> None:
    """The outbox is read while the push goes out: what was read is old by then."""
    async with running(tmp_path) as world:
        real = world.store.due_sends
        overlaps = 0

        async def slow(now: int, limit: int) -> Any:
            nonlocal overlaps
            rows = await real(now, limit)
            if rows and world.dispatcher._tasks:
                overlaps += 1
                await world.state(a_push(), "sent")
            return rows

        world.store.due_sends = slow  # type: ignore[method-assign]
        await world.decide(a_push())
        await world.state(a_push(), "sent")
        await world.decide(a_push(2))
        await world.state(a_push(2), "sent")
        assert overlaps
        assert [push.id for _, push in world.pushed].count(a_push().id) == 1


async def test_a_failure_of_the_store_stops_the_dispatcher(tmp_path: Path) -> None:
    async with running(tmp_path) as world:

        async def fails(marks: Sequence[Mark]) -> None:
            raise StorageFailed("commit")

        world.before_write = fails
        await world.decide(a_push())
        with pytest.raises(StorageFailed):
            await asyncio.wait_for(asyncio.shield(world.task), 5)
        assert world.pushed == []
        world.may_stop = True


async def test_a_push_is_worth_sending_up_to_the_millisecond_at_which_it_expires(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.decide(a_push(1, expires=NOW), a_push(2, expires=NOW - 1))
        await world.state(a_push(1), "sent")
        assert (await world.state(a_push(2), "failed")).reply == "expired"
