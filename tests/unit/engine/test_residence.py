"""Live, packed, cold: where an actor is changes nothing but where it is."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from engine.limits import Limits
from persistence.interface import Store
from persistence.memory import MemoryStore
from persistence.sqlite import SqliteStore
from tests.unit.engine.town import MINUTE, Town, event

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data" / "cuebird.db")


def tight(live: int = 10, packed_bytes: int = 1) -> Limits:
    return Limits(snapshot_every_ms=3_600_000, live_actors_max=live, packed_bytes_max=packed_bytes)


async def test_memory_keeps_to_its_limits_and_whoever_left_comes_back_as_they_were(store: Store) -> None:
    async with Town(store, limits=tight(live=10, packed_bytes=2000)) as town:
        for number in range(100):
            await town.take(event(f"u{number}", message_id="first"))
        now = town.engine.statistics()
        assert now.live_actors <= 10
        assert 0 < now.packed_actors < 90
        assert now.packed_bytes <= 2000
        receipts = [await town.take(event(f"u{number}", message_id="first")) for number in range(100)]
        assert all(receipt.duplicates == 1 for receipt in receipts)


async def test_brand_new_users_cost_no_read_of_the_database(store: Store) -> None:
    async with Town(store, limits=tight()) as town:
        for number in range(50):
            await town.take(*[event(f"u{number}-{one}") for one in range(20)])
        assert town.disk.loads == []


async def test_the_cold_actors_of_a_batch_are_loaded_in_one_query(store: Store) -> None:
    async with Town(store) as town:
        await town.take(*[event(f"u{number}") for number in range(50)])
        await town.engine.drain()
        await town.restart()
        town.disk.loads.clear()
        receipt = await town.take(*[event(f"u{number}") for number in range(50)], event("~visitor"))
        assert receipt.accepted == 51
        assert [len(users) for users in town.disk.loads] == [51]


async def test_inputs_that_come_while_an_actor_loads_wait_and_keep_their_order(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("ann", message_id="m0"))
        await town.engine.drain()
        await town.restart()
        await town.take(event("bob", message_id="b0"))
        receipts = await asyncio.gather(
            town.submit(event("ann", message_id="m1"), event("bob", message_id="b1"), event("ann", message_id="m2")),
            town.submit(event("ann", message_id="m3")),
            town.submit(event("bob", message_id="b2")),
        )
        assert [receipt.accepted for receipt in receipts] == [3, 1, 1]
        ids = [entry.event.message_id for entry in await town.journal()]
        assert [one for one in ids if one.startswith("m")] == ["m0", "m1", "m2", "m3"]
        assert [one for one in ids if one.startswith("b")] == ["b0", "b1", "b2"]


async def test_inputs_behind_an_alias_whose_visitor_is_cold_wait_for_it(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("~v", "product_added"), event("ann"))
        await town.engine.drain()
        await town.restart()
        await town.take(event("ann"))
        alias = event("ann", kind="alias", message_id="a1", **{"from": "~v"})
        await asyncio.gather(
            town.submit(alias, event("ann", "order_completed")), town.submit(event("ann", message_id="last"))
        )
        await town.pass_time(31 * MINUTE)
        assert await town.sends() == []
        assert [entry.event.message_id for entry in await town.journal()][-3:][::2] == ["a1", "last"]


async def test_a_timer_of_a_cold_actor_fires_at_its_time(store: Store) -> None:
    async with Town(store, limits=tight(live=1, packed_bytes=1)) as town:
        await town.take(*[event(f"u{number}", "product_added") for number in range(30)])
        await town.take(event("zoe"))
        await town.pass_time(31 * MINUTE)
        assert len(await town.sends()) == 30
        assert len(town.sent) == 30


async def test_a_hundred_users_under_load_with_room_for_three_lose_nothing(store: Store) -> None:
    seed = 7
    print("seed", seed)
    chance = random.Random(seed)
    async with Town(store, limits=tight(live=3, packed_bytes=900)) as town:
        told = []
        for number in range(300):
            users = chance.sample(range(100), 5)
            told.append(town.submit(*[event(f"u{user}", message_id=f"{number}") for user in users]))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
        receipts = await asyncio.wait_for(asyncio.gather(*told), 10)
        assert sum(receipt.accepted for receipt in receipts) == 1500
        for user, inputs in (await town.inputs()).items():
            order = [int(one.message_id) for _, one in inputs]
            assert order == sorted(order), user
            actor = await town.engine.user(user)
            assert actor is not None
            assert actor.turn == len(inputs)
