"""The engine counts bytes beside inputs and actors."""

from __future__ import annotations

import pytest

from engine.limits import Limits
from persistence.interface import Commit
from tests.unit.engine.town import Town, event

pytestmark = pytest.mark.anyio

LARGE = "x" * 20_000


def _snapshot_bytes(commit: Commit) -> int:
    return sum(len(snapshot.state) for snapshot in commit.snapshots)


async def test_a_batch_that_would_pass_the_bytes_in_flight_is_refused_and_an_order_is_not() -> None:
    limits = Limits(inflight_bytes_max=50_000, critical_bytes_max=30_000, snapshot_every_ms=3_600_000)
    async with Town(limits=limits) as town:
        town.disk.shut()
        first = [town.submit(event("ann", text=LARGE)) for _ in range(2)]
        assert (await town.submit(event("bob", text=LARGE))).refused == "overloaded"
        small, order = town.submit(event("bob")), town.submit(event("bob", "order_completed", text=LARGE))
        assert (await town.submit(event("cas", "order_completed", text=LARGE))).refused == "overloaded"
        assert 60_000 < town.engine.statistics().inflight_bytes < 61_000
        town.disk.let_through()
        for told in (*first, small, order):
            assert (await told).accepted == 1
        assert town.engine.statistics().inflight_bytes == 0


async def test_bytes_are_no_longer_in_flight_when_the_disk_had_no_room_for_them() -> None:
    async with Town() as town:
        await town.take(event("ann"))
        town.disk.is_full = True
        refused = await town.take(event("ann", text=LARGE), event("new", text=LARGE))
        assert refused.refused == "storage_full"
        assert (town.engine.statistics().inflight, town.engine.statistics().inflight_bytes) == (0, 0)


async def test_one_batch_may_be_larger_than_all_that_may_wait() -> None:
    async with Town(limits=Limits(inflight_bytes_max=10_000, snapshot_every_ms=3_600_000)) as town:
        assert (await town.take(event("ann", text=LARGE))).accepted == 1


async def test_large_actors_leave_before_they_are_too_much_and_come_back_whole() -> None:
    limits = Limits(live_heavy_bytes_max=100_000, snapshot_every_ms=3_600_000)
    async with Town(limits=limits) as town:
        for number in range(20):
            await town.take(event(f"u{number}", kind="identify", text=LARGE), event(f"small{number}"))
        assert town.engine.statistics().live_heavy_bytes == 0, "they are weighed when they are written"
        await town.engine.snapshot()
        now = town.engine.statistics()
        assert 60_000 < now.live_heavy_bytes <= 100_000
        assert (now.live_actors, now.packed_actors) == (24, 16)
        for number in range(20):
            actor = await town.engine.user(f"u{number}")
            assert actor is not None
            assert actor.traits == {"text": LARGE}
            await town.take(event(f"u{number}", kind="identify", text="short"))
        assert town.engine.statistics().live_heavy_bytes <= 100_000
        await town.engine.snapshot()
        assert town.engine.statistics().live_heavy_bytes == 0


async def test_nested_traits_weigh_what_they_take_as_objects() -> None:
    async with Town() as town:
        await town.take(event("ann", kind="identify", text=[[] for _ in range(900)]))
        await town.engine.snapshot()
        assert town.engine.statistics().live_heavy_bytes > 28_800


async def test_a_restart_weighs_the_actors_that_it_reads() -> None:
    async with Town() as town:
        await town.take(event("ann", kind="identify", text=LARGE))
        await town.engine.snapshot()
        await town.restart()
        assert town.engine.statistics().live_heavy_bytes == 0
        assert await town.engine.user("ann") is not None
        assert town.engine.statistics().live_heavy_bytes > 20_000


async def test_a_commit_takes_no_more_bytes_of_snapshots_than_its_share() -> None:
    limits = Limits(snapshot_bytes_per_commit_max=50_000, snapshot_every_ms=3_600_000)
    async with Town(limits=limits) as town:
        for number in range(12):
            await town.take(event(f"u{number}", kind="identify", text=LARGE))
        await town.engine.snapshot()
        written = [_snapshot_bytes(commit) for commit in town.disk.commits if commit.snapshots]
        assert len(written) == 4
        assert max(written) < 50_000 + 21_000
        assert len(await town.disk.store.load([f"u{number}" for number in range(12)])) == 12


async def test_visitors_who_become_one_user_in_one_batch_cost_one_snapshot() -> None:
    async with Town() as town:
        await town.take(event("ann", kind="identify", text=LARGE))
        aliases = [
            event("ann", kind="alias", message_id=f"a{number}", **{"from": f"~v{number}"}) for number in range(50)
        ]
        assert (await town.take(*aliases)).accepted == 50
        assert sum(_snapshot_bytes(commit) for commit in town.disk.commits) < 25_000
        await town.take(event("~v7", "product_added"))
        await town.engine.snapshot()
        await town.restart()
        actor = await town.engine.user("~v7")
        assert actor is not None
        assert (actor.user, actor.traits) == ("ann", {"text": LARGE})


async def test_what_was_not_kept_of_a_user_is_counted() -> None:
    async with Town() as town:
        await town.take(event("ann", kind="identify", text="x" * 40_000), event("ann", "product_added", text=LARGE))
        assert town.engine.statistics().reached == {"event_bytes": 2, "traits": 1}


async def test_large_actors_may_fill_what_there_is_for_them_to_the_last_byte() -> None:
    async def weighed(most: int) -> tuple[int, int]:
        async with Town(limits=Limits(live_heavy_bytes_max=most, snapshot_every_ms=3_600_000)) as town:
            await town.take(event("ann", kind="identify", message_id="m", text=LARGE))
            await town.engine.snapshot()
            now = town.engine.statistics()
            return now.live_heavy_bytes, now.live_actors

    weight, _ = await weighed(10**9)
    assert weight > 20_000
    assert await weighed(weight) == (weight, 1)
    assert await weighed(weight - 1) == (0, 0)
