"""One user's fault is one user's fault: what an actor fails on is kept, who cannot be read or written is held."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.actor import Actor, fire, take, unpack
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import TOO_OLD, Turn
from engine import committer
from engine.limits import Limits
from engine.quarantine import FAULTS_MAX
from engine.submit import Receipt
from persistence.interface import StorageFull
from persistence.sqlite import SqliteStore
from tests.unit.engine.town import MINUTE, START, Town, event

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def _probe_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "PROBE_S_MIN", 0.001)


@pytest.fixture
async def town(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Town]:
    limits = Limits(snapshot_every_ms=HOUR_MS, quarantine_user_events_max=3, snapshot_bytes_max=2_000)
    async with Town(SqliteStore(tmp_path / "cuebird.db"), limits=limits) as town:
        yield town


def failing(on: Callable[[Event], bool]) -> Callable[[Actor, Event, int, Program], Turn]:
    """`take`, but half of it and then a fault for some events."""

    def fails(actor: Actor, event: Event, at: int, program: Program) -> Turn:
        if on(event):
            actor.traits["half"] = True
            raise KeyError("a bug")
        return take(actor, event, at, program)

    return fails


def kept(town: Town) -> tuple[int, int]:
    """(users held, events in quarantine)"""
    now = town.engine.statistics()
    return now.held_users, now.quarantined_events


def fat(user: str, message_id: str) -> Event:
    return event(user, kind="identify", message_id=message_id, text="x" * 3_000)


def spoil(town: Town, sql: str) -> None:
    connection = sqlite3.connect(town.disk.store._path)
    connection.execute(sql)
    connection.commit()
    connection.close()


async def test_an_event_that_an_actor_fails_on_is_kept_once_and_taken_when_it_is_tried_again(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patched:
        for place in ("engine.intake.take", "engine.slow_path.take"):
            patched.setattr(place, failing(lambda event: event.message_id == "bad"))
        bad = event("ann", "signed_up", "bad")
        assert await town.take(event("ann", message_id="m1"), bad, event("bob")) == Receipt(accepted=2, quarantined=1)
        assert await town.take(bad) == Receipt(quarantined=1)
        [kept_event] = await town.disk.quarantined()
        assert (kept_event.event, kept_event.reason) == (bad, "KeyError: 'a bug'")
        assert caplog.text.count("actor 'ann' failed") == 1
        assert (await town.engine.release.retry("ann")).left == 1
    assert "bad" not in {entry.event.message_id for entry in await town.journal()}
    told = await town.engine.release.retry("ann")
    assert (told.taken, told.left, kept(town)) == (1, 0, (0, 0))
    assert await town.disk.quarantined() == []
    assert (await town.journal())[-1].event == bad
    assert [send.user for send in town.sent] == ["ann"]
    assert await town.take(bad) == Receipt(duplicates=1)


async def test_what_is_too_old_to_be_taken_stays_until_an_operator_drops_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("engine.slow_path.take", failing(lambda event: True))
        await town.take(event("ann", message_id="m1"))
    with monkeypatch.context() as patched:
        for place in ("engine.intake.take", "engine.slow_path.take"):
            patched.setattr(place, lambda *_: TOO_OLD)
        told = await town.engine.release.retry("ann")
    assert (told.taken, told.left) == (0, 1)
    assert (await town.engine.release.drop("ann")).dropped == 1
    assert kept(town) == (0, 0)


async def test_who_fails_time_after_time_is_held(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.limits = msgspec.structs.replace(town.limits, quarantine_user_events_max=100)
    await town.restart()
    with monkeypatch.context() as patched:
        for place in ("engine.intake.take", "engine.slow_path.take"):
            patched.setattr(place, failing(lambda event: event.user == "ann"))
        for number in range(FAULTS_MAX):
            assert kept(town) == (0, number)
            await town.take(event("ann", message_id=f"m{number}"), event("bob"))
        assert kept(town) == (1, FAULTS_MAX)
    assert (await town.take(event("ann"))).quarantined == 1
    assert (await town.engine.release.retry("ann")).taken == FAULTS_MAX + 1


async def test_who_fails_on_its_timers_time_after_time_is_held(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.take(event("ann", "product_added"), event("bob", "product_added"))
    with monkeypatch.context() as patched:

        def fire_but_of_ann(actor: Actor, now: int, program: Program) -> Turn:
            assert actor.user != "ann"
            return fire(actor, now, program)

        patched.setattr("engine.intake.fire", fire_but_of_ann)
        await town.pass_time(30 * MINUTE)
        async with asyncio.timeout(5):
            while kept(town) == (0, 0):
                await asyncio.sleep(0)  # it is read again beside the commits
                if town.engine.next_due() is not None:
                    await town.pass_time(MINUTE)
        assert town.engine.statistics().faults == FAULTS_MAX
    await town.engine.release.retry("ann")
    await town.quiet()
    first = [sent for sent in await town.sends() if sent[1] == "cart_1"]
    assert first == [(user, "cart_1", START + 30 * MINUTE) for user in ("ann", "bob")]


async def test_an_actor_that_is_too_big_to_be_written_is_held_alone_and_is_whole_when_it_is_taken_in_again(
    town: Town,
) -> None:
    await town.take(event("bob", "product_added", "b1"), event("ann", "product_added", "a1"))
    await town.engine.snapshot()
    await town.take(fat("bob", "b2"), event("ann", message_id="a2"))
    await town.engine.snapshot()
    assert kept(town) == (1, 0)
    assert await town.take(event("bob", "product_viewed", "b3"), event("ann", message_id="a3")) == Receipt(
        accepted=1, quarantined=1
    )
    for _ in range(2):
        await town.restart()
        assert kept(town) == (1, 1)
        assert await town.engine.user("bob") is None
    assert "it has 3" in (await town.engine.release.retry("bob")).held
    town.limits = msgspec.structs.replace(town.limits, snapshot_bytes_max=10_000)
    await town.restart()
    await town.engine.release.retry("bob")
    assert kept(town) == (0, 0)
    state = await town.state("bob")
    await town.engine.snapshot()
    await town.restart()
    assert await town.state("bob") == state
    assert [one.message_id for _, one in (await town.inputs())["bob"]] == ["b1", "b2", "b3"]


async def test_the_timers_of_who_is_held_rest_and_ring_when_it_is_not(town: Town) -> None:
    await town.take(event("bob", "product_added"), event("ann", "product_added"), fat("bob", "b2"))
    await town.engine.snapshot()
    await town.restart()
    await town.pass_time(40 * MINUTE)
    assert await town.sends() == [("ann", "cart_1", START + 30 * MINUTE)]
    town.limits = msgspec.structs.replace(town.limits, snapshot_bytes_max=10_000)
    await town.restart()
    await town.engine.release.retry("bob")
    await town.quiet()
    assert await town.sends() == [(user, "cart_1", START + 30 * MINUTE) for user in ("ann", "bob")]


async def test_a_quarantine_without_room_refuses_its_user_and_stores_the_others(town: Town) -> None:
    await town.take(fat("bob", "b1"))
    await town.engine.snapshot()
    for number in range(3):
        assert (await town.take(event("bob", message_id=f"b2-{number}"))).quarantined == 1
    refused = await town.take(event("bob", message_id="late"), event("ann", message_id="a1"))
    assert (refused.refused, refused.retry_ms) == ("user_quarantined", town.limits.quarantine_retry_ms)
    assert (await town.take(event("ann", message_id="a1"))).duplicates == 1
    assert (await town.take(event("bob", message_id="b2-0"))).quarantined == 1
    assert town.engine.statistics().inflight == 0
    await town.engine.release.drop("bob")
    assert (await town.take(event("bob", message_id="late"))).quarantined == 1


@pytest.mark.parametrize("state", ["x'93a3626f62ff'", "x''", "x'00'", "x'9ca3626f62'"])
async def test_a_row_that_cannot_be_read_costs_its_user_and_is_begun_anew_by_an_operator(
    town: Town, state: str
) -> None:
    await town.take(event("bob", "signed_up", "b1"), event("ann", message_id="a1"))
    turn = (await town.ledger())[0].turn
    await town.engine.snapshot()
    await town.stop()
    spoil(town, f"UPDATE actors SET state = {state} WHERE user = 'bob'")
    await town.start()
    assert await town.take(event("bob"), event("ann")) == Receipt(accepted=1, quarantined=1)
    assert await town.engine.recheck(town.sent[0]) == "user_quarantined"
    assert "its state cannot be read" in (await town.engine.release.retry("bob")).held
    assert (await town.engine.release.drop("bob")).held
    told = await town.engine.release.drop("bob", anew=True)
    assert (told.begun_anew, told.held, kept(town)) == (True, "", (0, 0))
    await town.restart()
    assert (await town.take(event("bob", "signed_up", "b9"))).accepted == 1
    actor = await town.engine.user("bob")
    assert actor is not None
    assert actor.turn > turn
    assert actor.traits["consent"] == {"marketing": False}
    assert [entry.event.name for entry in await town.journal() if entry.event.user == "bob"][-2:] == [
        "begun_anew",
        "signed_up",
    ]


async def test_a_journal_that_cannot_be_taken_again_holds_its_user_and_the_start_goes_on(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    await town.take(
        event("bob", "product_added", "b1"), event("ann", "product_added", "a1"), event("bob", message_id="b2")
    )
    before = await town.state("bob")
    with monkeypatch.context() as patched:
        patched.setattr("actors.taking.take", failing(lambda event: event.message_id == "b2"))
        await town.restart()
        assert kept(town) == (1, 0)
        assert (await town.take(event("bob", message_id="b3"), event("ann"))) == Receipt(accepted=1, quarantined=1)
        await town.engine.snapshot()
        await town.restart()
        assert "failed on journal entry 3" in (await town.engine.release.retry("bob")).held
    await town.engine.release.drop("bob")
    assert (await town.engine.release.retry("bob")).held == ""
    assert await town.state("bob") == before


async def test_rows_that_the_disk_refuses_hold_their_user_and_everybody_else_tries_again(town: Town) -> None:
    spoil(
        town,
        "CREATE TRIGGER poison BEFORE INSERT ON actors WHEN NEW.user = 'bob' BEGIN SELECT RAISE(ABORT, 'no bob'); END",
    )
    await town.take(event("bob", "product_added", "b1"), event("ann", "product_added", "a1"))
    rounds = asyncio.ensure_future(town.engine.drain())
    await asyncio.wait_for(rounds, 5)
    assert kept(town) == (1, 0)
    assert town.engine.statistics().storage == "good"
    await town.restart()
    assert await town.take(event("bob"), event("ann")) == Receipt(accepted=1, quarantined=1)
    [held] = await town.disk.held()
    assert held.user == "bob"
    assert "no bob" in held.reason
    assert "no bob" in (await town.engine.release.retry("bob")).held
    spoil(town, "DROP TRIGGER poison")
    assert (await town.engine.release.retry("bob")).taken == 1
    assert await town.take(event("bob", message_id="b1")) == Receipt(duplicates=1)


async def test_a_kill_right_after_a_user_was_set_free_loses_nothing_of_it(town: Town) -> None:
    await town.take(event("ann", message_id="a1"))
    await town.engine.snapshot()
    await town.take(event("bob", "product_added", "b1"), fat("bob", "b2"))
    await town.engine.snapshot()
    await town.take(event("ann", message_id="a2"))
    await town.engine.snapshot()
    town.limits = msgspec.structs.replace(town.limits, snapshot_bytes_max=10_000)
    await town.restart()
    await town.engine.release.retry("bob")
    state = await town.state("bob")
    await town.restart()
    assert await town.state("bob") == state
    assert (await town.take(event("bob", message_id="b1"))).duplicates == 1


async def test_setting_free_that_finds_no_room_leaves_the_user_held(town: Town) -> None:
    await town.take(event("bob", "product_added", "b1"), fat("bob", "b2"))
    await town.engine.snapshot()
    await town.engine.written()
    town.limits = msgspec.structs.replace(town.limits, snapshot_bytes_max=10_000)
    await town.restart()
    town.disk.full_after = 0
    with pytest.raises(StorageFull):
        await town.engine.release.retry("bob")
    town.disk.full_after, town.disk.is_full = None, False
    async with asyncio.timeout(5):
        while town.engine.statistics().storage != "good":
            await asyncio.sleep(0.001)
    assert kept(town) == (1, 0)
    assert (await town.engine.release.retry("bob")).held == ""
    assert (await town.take(event("bob", message_id="b1"))).duplicates == 1


async def test_a_visitor_who_is_held_cannot_be_joined_and_the_user_goes_on(town: Town) -> None:
    await town.take(fat("~v", "v1"), event("ann", message_id="a1"))
    await town.engine.snapshot()
    alias = event("ann", "", "alias", kind="alias", **{"from": "~v"})
    assert await town.take(alias, event("ann", message_id="a2")) == Receipt(accepted=1, quarantined=1)
    town.limits = msgspec.structs.replace(town.limits, snapshot_bytes_max=10_000)
    await town.restart()
    await town.engine.release.retry("~v")
    assert (await town.engine.release.retry("ann")).taken == 1
    joined = await town.engine.user("~v")
    assert joined is not None
    assert joined.user == "ann"


async def test_a_join_that_would_be_too_big_to_be_written_leaves_both_as_they_were(town: Town) -> None:
    small = [event(user, kind="identify", message_id=user, **{f"t{user}": "x" * 1_200}) for user in ("~v", "ann")]
    await town.take(*small)
    before = await town.state("~v"), await town.state("ann")
    alias = event("ann", "", "alias", kind="alias", **{"from": "~v"})
    assert await town.take(alias) == Receipt(quarantined=1)
    await town.quiet()
    assert (await town.state("~v"), await town.state("ann")) == before
    assert kept(town) == (0, 1)


async def test_what_went_into_quarantine_as_the_disk_was_full_is_sent_again_and_is_there_then(town: Town) -> None:
    await town.take(fat("bob", "b1"))
    town.disk.is_full = True
    with pytest.raises(StorageFull):
        await town.engine.snapshot()
    assert (await town.take(event("bob", message_id="b2"))).refused == "storage_full"
    town.disk.is_full = False
    async with asyncio.timeout(5):
        while town.engine.statistics().storage != "good":
            await asyncio.sleep(0.001)
    assert (await town.take(event("bob", message_id="b2"))).quarantined == 1
    await town.restart()
    assert kept(town) == (1, 1)


async def test_beginning_anew_forgets_everything_but_the_turn() -> None:
    async with Town() as town:
        await town.take(event("ann", "product_added"), event("ann", kind="identify", colour="red"))
        anew: Any = event("ann", "begun_anew", turn=1_000)
        await town.take(msgspec.structs.replace(anew, source="engine"))
        actor = unpack(await town.state("ann"))
        assert actor == Actor("ann", turn=1_000, traits={"consent": {"marketing": False}}, told_at=actor.told_at)
        assert actor.told_at > 0, "what was said before the user was begun anew is older than the no"
        assert await town.take(event("bob", "begun_anew", turn=1_000)) == Receipt(accepted=1)
        bob = await town.engine.user("bob")
        assert bob is not None
        assert bob.turn == 1, "only the engine is believed"
