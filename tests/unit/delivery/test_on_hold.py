"""While the outbox is on hold nothing leaves: neither mail nor push, old or new, but what an operator has released."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.model.turn import Send
from cuebird.serving.outbox import Choice, OutboxRefused, drop, release
from persistence.interface import Commit, Hold
from persistence.memory import MemoryStore
from tests.unit.delivery.making import HOUR, NOW, a_send
from tests.unit.delivery.scripted import Scripted
from tests.unit.delivery.world import World, running

pytestmark = pytest.mark.anyio


def a_push(number: int, **changes: Any) -> Send:
    return a_send(number, **({"channel": "push", "template": "nudge", "to": "ann"} | changes))


@asynccontextmanager
async def on_hold(path: Path, port: int, *sends: Send) -> AsyncIterator[World]:
    store = MemoryStore()
    await store.open()
    await store.commit(Commit(sends=list(sends)))
    await store.put_on_hold(Hold(NOW, "a copy"))
    async with running(path, port, store=store) as world:
        await world.until(lambda: world.dispatcher.hold is not None)
        yield world


async def released(world: World, **choice: Any) -> int:
    return await release(world.store, Choice(**choice), world.dispatcher.release)


async def dropped(world: World, **choice: Any) -> int:
    return await drop(world.store, Choice(**choice), world.dispatcher.drop)


async def test_neither_mail_nor_push_leaves_while_the_outbox_is_on_hold_and_all_do_when_it_ends(tmp_path: Path) -> None:
    async with Scripted() as server, on_hold(tmp_path, server.port, a_send(1), a_push(2)) as world:
        await world.decide(a_send(3), a_push(4))
        # What is released goes out, so what was decided before it had every chance to.
        assert await released(world, campaign="receipt") == 0
        await world.decide(a_send(5, campaign="receipt"))
        assert await released(world, campaign="receipt") == 1
        await world.state(a_send(5), "sent")
        assert (len(server.accepted), world.pushed) == (1, [])
        for send in (a_send(1), a_push(2), a_send(3), a_push(4)):
            assert (await world.row(send)).state == "pending"
        assert await released(world) == 4
        for send in (a_send(1), a_push(2), a_send(3), a_push(4)):
            await world.state(send, "sent")
        assert (len(server.accepted), len(world.pushed)) == (3, 2)
        await world.decide(a_send(6))
        await world.state(a_send(6), "sent")


async def test_what_was_decided_before_a_time_is_dropped_and_its_user_hears_of_it(tmp_path: Path) -> None:
    early, late, push = a_send(1, at=NOW - HOUR), a_send(2, at=NOW), a_push(3, at=NOW - HOUR)
    async with Scripted() as server, on_hold(tmp_path, server.port, early, late, push) as world:
        assert await dropped(world, before=NOW, channel="email") == 1
        row = await world.state(early, "failed")
        assert row.reply == "dropped by an operator"
        told = await world.event("email_failed")
        assert (told["message"], told["reason"]) == (early.id, "dropped by an operator")
        assert await dropped(world, before=NOW) == 1
        assert (await world.row(push)).state == "failed"
        await released(world)
        await world.state(late, "sent")
        assert (len(server.accepted), world.pushed) == (1, [])


async def test_what_is_on_its_way_already_is_not_dropped(tmp_path: Path) -> None:
    async with Scripted() as server, running(tmp_path, server.port) as world:
        counts: list[int] = []

        async def as_it_is_claimed(marks: Any) -> None:
            if marks[0].state == "claimed":
                counts.append(await world.dispatcher.drop([await world.row(a_send())], "too late"))

        world.before_write = as_it_is_claimed
        await world.decide(a_send())
        await world.state(a_send(), "sent")
        assert counts == [0]
        assert "email_failed" not in world.names()
        assert await world.dispatcher.drop([await world.row(a_send())], "too late") == 0, "nor what has gone"


async def test_an_outbox_that_is_not_on_hold_has_nothing_to_release(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        with pytest.raises(OutboxRefused, match="is not on hold"):
            await released(world)


async def test_what_is_past_its_time_does_not_go_out_when_it_is_released(tmp_path: Path) -> None:
    async with Scripted() as server, on_hold(tmp_path, server.port, a_send()) as world:
        world.clock.advance(25 * HOUR)
        await released(world)
        assert (await world.state(a_send(), "failed")).reply == "expired"
        assert server.accepted == []
