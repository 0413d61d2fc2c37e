"""State is the fold of the journal: a process that dies anywhere goes on as if it had not (design §6)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Decision
from engine.limits import Limits
from persistence.interface import JournalHead, Store, StoreError
from persistence.memory import MemoryStore
from persistence.sqlite import SqliteStore
from tests.unit.engine.town import MINUTE, START, Disk, Town, event, site

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "data" / "cuebird.db")


def shopping() -> list[tuple[int, list[Event]]]:
    """(minutes to pass first, what comes then)"""
    alias = event("ann", kind="alias", message_id="a1", **{"from": "~v"})
    return [
        (0, [event("~v", "product_added", "e1"), event("bob", "signed_up", "e2")]),
        (10, [event("~v", "page_viewed", "e3")]),
        (4, [alias, event("ann", kind="identify", message_id="e4", email="ann@shop.example")]),
        (20, [event("~v", "page_viewed", "e5"), event("cyd", "product_added", "e6")]),
        (29, [event("bob", "product_added", "e7"), event("cyd", "order_completed", "e8")]),
        (50, [event("ann", "order_completed", "e9")]),
        (200, []),
    ]


async def shop(town: Town, restart_before: int | None = None) -> tuple[list[Decision], dict[str, bytes]]:
    for number, (minutes, events) in enumerate(shopping()):
        if number == restart_before:
            await town.restart()
        await town.pass_time(minutes * MINUTE)
        if events:
            assert (await town.take(*events)).accepted == len(events)
    return await town.ledger(), {user: await town.state(user) for user in ("ann", "bob", "cyd")}


def sends(rows: list[Decision]) -> list[tuple[str, str, int]]:
    return sorted((row.user, row.template or "", (row.at - START) // MINUTE) for row in rows if row.decision == "sent")


async def test_the_straight_run_sends_what_the_campaigns_say() -> None:
    async with Town() as town:
        ledger, _ = await shop(town)
    assert sends(ledger) == [
        ("ann", "cart_1", 64),
        ("bob", "cart_1", 93),
        ("bob", "cart_2", 153),
        ("bob", "hello", 0),
        ("bob", "tips", 5),
    ]


@pytest.mark.parametrize("moment", range(7))
async def test_a_restart_between_any_two_inputs_gives_the_same_ledger_and_state(store: Store, moment: int) -> None:
    async with Town() as town:
        straight = await shop(town)
    async with Town(store) as town:
        assert await shop(town, restart_before=moment) == straight
        assert (await town.disk.counts())["outbox"] == len(sends(straight[0]))
        assert len({send.id for send in town.sent}) == len(town.sent)


async def test_a_kill_between_commit_and_ack_is_a_duplicate_when_it_is_sent_again(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("ann", "product_added", "m1"))
        await town.restart()
        assert (await town.take(event("ann", "product_added", "m1"))).duplicates == 1
        assert len(await town.journal()) == 1


async def test_a_kill_before_the_commit_leaves_nothing(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("bob"))
        town.disk.shut()
        town.submit(event("ann", "signed_up", "m1"))
        await asyncio.wait_for(town.disk.waiting.wait(), 5)
        await town.restart()
        town.disk.let_through()
        assert await town.engine.user("ann") is None
        assert (await town.take(event("ann", "signed_up", "m1"))).accepted == 1
        assert sends(await town.ledger()) == [("ann", "hello", 0)]


async def test_a_timer_that_fired_and_was_not_snapshotted_fires_again_under_the_same_ids(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("ann", "product_added"))
        await town.pass_time(31 * MINUTE)
        before = await town.ledger()
        await town.restart()
        await town.quiet()
        assert await town.ledger() == before
        assert (await town.disk.counts())["outbox"] == 1
        assert len(town.sent) == 1


async def test_timers_that_came_due_while_the_engine_was_down_fire_once_at_their_time(store: Store) -> None:
    async with Town(store) as town:
        await town.take(*[event(f"u{number}", "product_added") for number in range(100)])
        await town.engine.drain()
        await town.stop()
        town.clock.advance(6 * 60 * MINUTE)
        await town.start()
        await town.quiet()
        assert sends(await town.ledger()) == sorted(
            (f"u{number}", template, at) for number in range(100) for template, at in (("cart_1", 30), ("cart_2", 90))
        )


async def test_no_input_after_a_restart_is_stamped_before_a_timer_that_fired(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("ann", "product_added"))
        await town.pass_time(30 * MINUTE)
        await town.stop()
        town.clock = type(town.clock)(START + 10 * MINUTE)
        await town.start()
        await town.take(event("ann", "order_completed"))
        assert (await town.journal())[-1].at == START + 30 * MINUTE + 1
        assert sends(await town.ledger()) == [("ann", "cart_1", 30)]


async def test_a_snapshot_shortens_what_is_taken_again(store: Store) -> None:
    async with Town(store) as town:
        await town.take(*[event(f"u{number}") for number in range(600)])
        await town.engine.snapshot()
        await town.take(event("u1"), event("u2"))
        state = await town.state("u1")
        await town.restart()
        assert town.engine.replayed == 2
        assert await town.state("u1") == state


async def test_a_snapshot_in_the_middle_of_a_users_inputs_takes_none_of_them_twice(store: Store) -> None:
    async with Town(store) as town:
        for number in range(5):
            await town.take(event("ann", message_id=f"m{number}"))
            if number == 2:
                await town.engine.snapshot()
        actor = await town.engine.user("ann")
        assert actor is not None
        turns = actor.turn
        await town.restart()
        actor = await town.engine.user("ann")
        assert actor is not None
        assert (actor.turn, actor.position) == (turns, 5)


async def test_a_visitor_who_was_joined_stays_joined(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("~v", "product_added"))
        await town.engine.snapshot()
        await town.take(event("~v", "page_viewed"), event("ann", kind="alias", **{"from": "~v"}))
        ann = await town.state("ann")
        await town.restart()
        assert await town.state("ann") == ann
        await town.take(event("~v", "order_completed"))
        assert (await town.journal())[-1].event.user == "ann"
        assert (await town.disk.load(["~v"])) == {}
        await town.pass_time(2 * 60 * MINUTE)
        assert await town.sends() == []


async def test_the_second_user_of_a_shared_computer_does_not_take_over_the_first(store: Store) -> None:
    async with Town(store) as town:
        await town.take(event("~v", "product_added"), event("ann", kind="alias", **{"from": "~v"}))
        await town.restart()
        await town.take(event("bob", kind="alias", **{"from": "~v"}))
        await town.pass_time(31 * MINUTE)
        assert [(user, template) for user, template, _ in await town.sends()] == [("ann", "cart_1")]


async def test_a_database_whose_snapshots_are_newer_than_its_journal_is_refused() -> None:
    class Mixed(Disk):
        async def open(self) -> JournalHead:
            return JournalHead(seq=3, at=START, replay_from=9)

    town = Town()
    town.disk = Mixed(MemoryStore())
    with pytest.raises(StoreError, match="position 9, but the journal ends at 3"):
        await town.start()


# --- a changed site ---


SITES: dict[bytes, Program] = {b'"old"': site("1", "old_reminder"), b'"new"': site("2", "new_reminder")}


async def test_a_run_finishes_on_the_version_it_entered_with(store: Store) -> None:
    old, new = SITES.values()
    town = Town(store, program=old, source=b'"old"', compile_program=SITES.__getitem__)
    async with town:
        await town.take(event("ann", "product_added"))
        await town.stop()
        town.program, town.options["source"] = new, b'"new"'
        await town.start()
        await town.take(event("bob", "product_added"))
        await town.restart()
        await town.pass_time(31 * MINUTE)
        assert [(user, template) for user, template, _ in await town.sends()] == [
            ("ann", "old_reminder"),
            ("bob", "new_reminder"),
        ]
        journal = await town.journal()
        assert [entry.event.kind for entry in journal] == ["program", "track", "program", "track"]
        assert [entry.seq for entry in journal] == [1, 2, 3, 4]


async def test_the_same_site_again_writes_nothing(store: Store) -> None:
    async with Town(store, source=b'"old"', program=SITES[b'"old"'], compile_program=SITES.__getitem__) as town:
        await town.restart()
        await town.restart()
        assert len(await town.journal()) == 1


async def test_a_program_of_the_journal_that_is_not_stored_is_named() -> None:
    town = Town(program=SITES[b'"old"'], source=b'"old"', compile_program=SITES.__getitem__)
    async with town:
        await town.stop()

        async def none(hashes: list[str]) -> dict[str, bytes]:
            return {}

        town.disk.programs = none
        town.program, town.options["source"] = SITES[b'"new"'], b'"new"'
        with pytest.raises(StoreError, match="program site-1-old_reminder of the journal is not stored"):
            await town.start()


# --- anything at any time ---


NAMES = ("page_viewed", "product_added", "order_completed", "signed_up", "product_viewed")


def _random_day(chance: random.Random) -> list[tuple[int, list[Event]]]:
    """(milliseconds to pass first, one batch). Inputs never come at the very instant of a timer: whether they or it are
    first is then told by their stamps, and a restart may turn that round."""
    users = [f"u{number}" for number in range(8)]
    visitors = [f"~v{number}" for number in range(4)]
    day = []
    for number in range(120):
        message_id = f"m{number}" if chance.random() > 0.1 else f"m{chance.randrange(number + 1)}"
        kind = chance.random()
        if kind < 0.05:
            name = chance.choice(visitors)
            events = [event(chance.choice(users), kind="alias", message_id=message_id, **{"from": name})]
        elif kind < 0.3:
            events = [event(chance.choice(visitors), chance.choice(NAMES), message_id)]
        else:
            size = chance.choice((1, 1, 2, 5))
            events = [event(chance.choice(users), chance.choice(NAMES), f"{message_id}-{n}") for n in range(size)]
        day.append((chance.choice((0, 1, 3, 12, 40)) * MINUTE + chance.randrange(1, MINUTE), events))
    return day


async def _live(
    store: Store, day: list[tuple[int, list[Event]]], limits: Limits, chance: random.Random | None
) -> tuple[list[Decision], dict[str, list[tuple[int, Event]]], dict[str, bytes]]:
    town = Town(store, limits=limits)
    async with town:
        for ms, events in day:
            if chance is not None and chance.random() < 0.15:
                await (town.engine.snapshot() if chance.random() < 0.4 else town.restart())
            await town.pass_time(ms)
            await town.take(*events)
        await town.pass_time(200 * MINUTE)
        states = {}
        for number in range(8):
            if await town.engine.user(f"u{number}") is not None:
                states[f"u{number}"] = await town.state(f"u{number}")
        return await town.ledger(), await town.inputs(), states


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_random_restarts_and_evictions_change_nothing(store: Store, seed: int) -> None:
    print("seed", seed)
    day = _random_day(random.Random(seed))
    roomy = Limits(snapshot_every_ms=3_600_000)
    tight = Limits(
        snapshot_every_ms=3_600_000,
        live_actors_max=2,
        packed_bytes_max=seed % 3 * 600,
        snapshots_per_commit_max=2,
        timers_per_slice_max=2,
    )
    straight = await _live(MemoryStore(), day, roomy, None)
    assert await _live(store, day, tight, random.Random(seed)) == straight


@pytest.mark.parametrize("restart_before", [None, 1, 2, 3])
async def test_what_was_told_of_the_past_is_of_the_past_after_a_restart_too(
    store: Store, restart_before: int | None
) -> None:
    def past(user: str, name: str, message_id: str, occurred: int) -> Event:
        return msgspec.structs.replace(event(user, name, message_id), occurred=occurred, historical=True)

    async with Town(store) as town:
        for number, one in enumerate(
            [
                event("eve", "product_added", "e1"),
                past("dan", "product_added", "d1", START - 400 * 24 * 60 * MINUTE),
                past("eve", "order_completed", "e2", START + MINUTE // 2),
            ]
        ):
            if number == restart_before:
                await town.restart()
            assert (await town.take(one)).accepted == 1
            await town.pass_time(MINUTE)
        if restart_before == 3:
            await town.restart()
        assert (await town.take(past("dan", "product_added", "d1", START))).duplicates == 1
        await town.pass_time(200 * MINUTE)
        rows = [(row.user, row.decision) for row in await town.ledger() if row.decision != "waiting"]
    assert rows == [("eve", "entered"), ("eve", "exited")]
