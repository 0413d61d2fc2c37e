"""A site changed while it runs: what came before was taken under the old program, what comes after under the new."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Decision
from engine.limits import Limits
from engine.site_swap import SiteChange
from persistence.interface import StorageFull, Store
from persistence.memory import MemoryStore
from persistence.sqlite import SqliteStore
from replay.simulate import Simulator
from tests.unit.engine.town import MINUTE, START, Town, event, site

pytestmark = pytest.mark.anyio

SITES: dict[bytes, Program] = {f'"{name}"'.encode(): site(name, f"{name}_reminder") for name in ("one", "two", "three")}
SOURCES = list(SITES)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data" / "cuebird.db")


def town(store: Store | None = None, limits: Limits | None = None) -> Town:
    source = SOURCES[0]
    return Town(store, limits=limits, program=SITES[source], source=source, compile_program=SITES.__getitem__)


async def swap(shop: Town, number: int) -> None:
    """The change, and the site as a restart finds it from now on."""
    source = SOURCES[number]
    await asyncio.wait_for(shop.engine.swap(SITES[source], source, SiteChange(who="ann")), 5)
    shop.program, shop.options["source"] = SITES[source], source


async def test_who_came_before_the_change_gets_the_old_reminder_and_who_came_after_the_new(store: Store) -> None:
    async with town(store) as shop:
        await shop.take(event("ann", "product_added"))
        await swap(shop, 1)
        await shop.take(event("bob", "product_added"))
        await shop.pass_time(31 * MINUTE)
        assert [(user, template) for user, template, _ in await shop.sends()] == [
            ("ann", "one_reminder"),
            ("bob", "two_reminder"),
        ]
        assert [entry.event.kind for entry in await shop.journal()] == ["program", "track", "program", "track"]


async def test_the_same_program_again_is_no_change() -> None:
    async with town() as shop:
        assert await shop.engine.swap(SITES[SOURCES[0]], SOURCES[0]) == 0
        assert len(await shop.journal()) == 1


async def test_a_change_back_brings_the_first_version_back() -> None:
    async with town() as shop:
        await swap(shop, 1)
        await swap(shop, 0)
        await shop.restart()
        await shop.take(event("ann", "product_added"))
        await shop.pass_time(31 * MINUTE)
        assert [template for _, template, _ in await shop.sends()] == ["one_reminder"]


async def test_with_a_full_disk_nothing_changes_and_later_it_can_be_done() -> None:
    async with town(limits=Limits(snapshot_every_ms=3_600_000)) as shop:
        await shop.take(event("ann", "product_added"))
        shop.disk.is_full = True
        with pytest.raises(StorageFull):
            await shop.engine.swap(SITES[SOURCES[1]], SOURCES[1])
        shop.disk.is_full = False
        await _room(shop)
        await shop.take(event("bob", "product_added"))
        assert shop.engine.program.hash == SITES[SOURCES[0]].hash
        await swap(shop, 1)
        await shop.take(event("cyd", "product_added"))
        await shop.pass_time(31 * MINUTE)
        assert [template for _, template, _ in await shop.sends()] == ["one_reminder", "one_reminder", "two_reminder"]


async def _room(shop: Town) -> None:
    async with asyncio.timeout(5):
        while shop.engine.statistics().storage == "full":
            await asyncio.sleep(0.01)


async def test_a_timer_that_is_due_when_the_site_changes_fires_under_the_old_program() -> None:
    """Nobody had got round to it: time is data, not when the process looks."""
    async with town() as shop:
        await shop.take(event("ann", "product_added"))
        shop.clock.advance(31 * MINUTE)
        await swap(shop, 1)
        assert [(template, at) for _, template, at in await shop.sends()] == [("one_reminder", START + 30 * MINUTE)]


async def test_what_came_due_while_nothing_ran_fires_under_the_program_that_counted_then(store: Store) -> None:
    """The users are on disk alone, and come in to be fired."""
    shop = town(store, Limits(live_actors_max=1, packed_bytes_max=1, snapshot_every_ms=3_600_000))
    async with shop:
        for user in ("ann", "bob", "cyd"):
            await shop.take(event(user, "product_added"))
        await shop.stop()
        shop.clock.advance(45 * MINUTE)
        shop.program, shop.options["source"] = SITES[SOURCES[1]], SOURCES[1]
        await shop.start()
        assert {template for _, template, _ in await shop.sends()} == {"one_reminder"}
        assert [entry.event.kind for entry in await shop.journal()] == ["program", "track", "track", "track", "program"]


# --- any change at any time ---

Step = Callable[[Town], Awaitable[object]]


def moments() -> list[tuple[int, list[Event]]]:
    """(minutes to pass first, what comes then)"""
    alias = event("ann", kind="alias", message_id="a1", **{"from": "~v"})
    return [
        (0, [event("~v", "product_added", "e1"), event("bob", "signed_up", "e2")]),
        (4, [event("~v", "page_viewed", "e3")]),
        (10, [alias, event("dan", "product_added", "e4")]),
        (31, [event("cyd", "product_added", "e6")]),
        (29, [event("bob", "product_added", "e7"), event("cyd", "order_completed", "e8")]),
        (61, [event("ann", "order_completed", "e9"), event("bob", "page_viewed", "e10")]),
        (200, []),
    ]


async def live(
    swaps: dict[int, int], crashes: frozenset[int], limits: Limits, store: Store
) -> tuple[list[Decision], list[bytes]]:
    """`swaps`: before which moment which site comes. `crashes`: before which moments, after the swap, memory is lost."""
    async with town(store, limits) as shop:
        for number, (minutes, events) in enumerate(moments()):
            await shop.pass_time(minutes * MINUTE)
            if number in swaps:
                await swap(shop, swaps[number])
            if number in crashes:
                await shop.restart()
                await shop.quiet()
            if events:
                assert (await shop.take(*events)).accepted == len(events)
        return await shop.ledger(), [await shop.state(user) for user in ("ann", "bob", "cyd", "dan")]


PLANS: list[dict[int, int]] = [{2: 1}, {1: 1, 3: 2}, {2: 1, 4: 2, 5: 0}, {3: 1, 4: 0, 6: 2}]
SMALL = Limits(snapshot_every_ms=3_600_000, live_actors_max=1, packed_bytes_max=1)
ROOMY = Limits(snapshot_every_ms=3_600_000)


@pytest.mark.parametrize("limits", [ROOMY, SMALL], ids=["all in memory", "one in memory"])
@pytest.mark.parametrize("plan", PLANS, ids=str)
async def test_a_crash_anywhere_between_changes_leaves_no_trace(plan: dict[int, int], limits: Limits) -> None:
    straight = await live(plan, frozenset(), limits, MemoryStore())
    assert len({row.version for row in straight[0]}) > 2
    for number in range(len(moments())):
        assert await live(plan, frozenset({number}), limits, MemoryStore()) == straight, f"restarted before {number}"
    assert await live(plan, frozenset(range(len(moments()))), limits, MemoryStore()) == straight


async def test_the_database_file_holds_the_changes_too(tmp_path: Path) -> None:
    straight = await live(PLANS[2], frozenset(), ROOMY, MemoryStore())
    stored = SqliteStore(tmp_path / "data" / "cuebird.db")
    assert await live(PLANS[2], frozenset({3, 5, 6}), SMALL, stored) == straight


@pytest.mark.parametrize("seed", range(6))
async def test_random_days_with_changes_and_crashes_are_as_a_simulation_of_them(seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    users, names = ("ann", "bob", "cyd"), ("product_added", "signed_up", "order_completed", "page_viewed")
    day: list[tuple[int, str, object]] = []
    for number in range(40):
        minutes = chance.choice([0, 1, 5, 29, 30, 31])
        roll = chance.random()
        if roll < 0.15:
            day.append((minutes, "swap", chance.randrange(3)))
        elif roll < 0.3:
            day.append((minutes, "crash", None))
        else:
            day.append((minutes, "event", event(chance.choice(users), chance.choice(names), f"e{number}")))
    limits = Limits(snapshot_every_ms=3_600_000, live_actors_max=chance.choice([1, 100]), packed_bytes_max=1)
    async with town(None, limits) as shop:
        simulator = Simulator(SITES[SOURCES[0]], START, verbose=False)
        for minutes, what, argument in day:
            await shop.pass_time(minutes * MINUTE)
            if what == "swap":
                assert isinstance(argument, int)
                before = shop.engine.program.hash
                await swap(shop, argument)
                if shop.engine.program.hash != before:
                    simulator.begin(shop.engine.program, shop.clock.now_ms())
            elif what == "crash":
                await shop.restart()
                await shop.quiet()
            else:
                assert isinstance(argument, Event)
                await shop.take(argument)
                simulator.take(argument, shop.engine._tip.floor)
        await shop.pass_time(300 * MINUTE)
        simulator.run(shop.clock.now_ms())
        expected = sorted(simulator.decisions, key=lambda row: (row.user, row.turn, row.index))
        assert await shop.ledger() == expected
