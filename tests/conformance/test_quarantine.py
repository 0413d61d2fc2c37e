"""What an actor failed on, who is held, and whose rows a refused commit was refused for."""

from __future__ import annotations

import pytest

from actors.model.event import Event
from persistence import interface
from persistence.interface import Commit, EventId, Held, Quarantined, RowsRefused, Snapshot
from tests.conformance.conftest import Keeper
from tests.conformance.rows import decision, entry, every

pytestmark = pytest.mark.anyio


def kept(user: str, message_id: str, at: int = 5) -> Quarantined:
    event = Event(user=user, name="page_viewed", message_id=message_id, body=b'{"a": "\x00"}', source="client")
    return Quarantined(user, at, event, "it failed: KeyError")


async def test_the_quarantine_gives_back_what_was_put_there_in_its_order(keeper: Keeper) -> None:
    events = [kept("bob", "m2"), kept("ann", "m9"), kept("bob", "m1")]
    await keeper.store.commit(Commit(quarantined=events[:2]))
    await keeper.store.commit(Commit(quarantined=events[2:]))
    await keeper.reopen()
    assert await keeper.store.quarantined() == events
    assert await keeper.store.quarantined("bob") == [events[0], events[2]]
    assert await keeper.store.quarantined("zoe") == []


async def test_an_event_is_in_quarantine_once_however_often_it_is_sent(keeper: Keeper) -> None:
    for at in (5, 6):
        await keeper.store.commit(Commit(quarantined=[kept("bob", "m1", at), kept("ann", "m1", at)]))
    assert await keeper.store.quarantined() == [kept("bob", "m1"), kept("ann", "m1")]


async def test_what_is_dismissed_and_fails_again_in_one_commit_stays(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(quarantined=[kept("bob", "m1"), kept("bob", "m2"), kept("ann", "m1")]))
    await keeper.store.commit(
        Commit(dismissed=[EventId("bob", f"m{number}") for number in (1, 2, 3)], quarantined=[kept("bob", "m1", 7)])
    )
    assert await keeper.store.quarantined("bob") == [kept("bob", "m1", 7)]
    assert await keeper.store.quarantined("ann") == [kept("ann", "m1")]


async def test_who_is_held_stays_held_until_set_free(keeper: Keeper) -> None:
    ann, bob = Held("ann", 2, "its row cannot be read", 7), Held("bob", 1, "it cannot be written", 0)
    await keeper.store.commit(Commit(held=[ann, bob]))
    await keeper.store.commit(Commit(held=[Held("ann", 9, "again", 9)]))
    await keeper.reopen()
    assert await keeper.store.held() == [bob, ann]
    await keeper.store.commit(Commit(freed=["ann", "zoe"]))
    assert await keeper.store.held() == [bob]
    await keeper.store.commit(Commit(freed=["bob"], held=[Held("bob", 3, "once more", 4)]))
    assert await keeper.store.held() == [Held("bob", 3, "once more", 4)]


async def test_a_snapshot_that_is_too_big_is_refused_in_its_users_name_and_nothing_is_stored(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interface, "STATE_BYTES_MAX", 1_000)
    snapshots = [Snapshot("ann", 1, None, b"x" * 1_000), Snapshot("bob", 1, None, b"x" * 1_001)]
    with pytest.raises(RowsRefused) as refused:
        await keeper.store.commit(Commit(entries=[entry(1)], snapshots=snapshots))
    assert refused.value.users == {"bob": "its state has 1,001 bytes, and 1,000 are the most"}
    assert set((await keeper.store.counts()).values()) == {0}
    await keeper.store.commit(Commit(entries=[entry(1)], snapshots=snapshots[:1]))
    assert list(await keeper.store.load(["ann", "bob"])) == ["ann"]


async def test_a_timer_at_no_time_is_refused_in_its_users_name(keeper: Keeper) -> None:
    with pytest.raises(RowsRefused) as refused:
        await keeper.store.commit(Commit(snapshots=[Snapshot("ann", 1, 5, b"x"), Snapshot("bob", 1, 0, b"x")]))
    assert list(refused.value.users) == ["bob"]


async def test_the_rest_of_a_refused_commit_can_be_written_without_the_culprit(keeper: Keeper) -> None:
    bad, good = Snapshot("bob", 1, 0, b"x"), Snapshot("ann", 1, 5, b"x")
    commit = Commit(entries=[entry(1)], decisions=[decision()], snapshots=[good, bad])
    with pytest.raises(RowsRefused):
        await keeper.store.commit(commit)
    commit.snapshots.remove(bad)
    await keeper.store.commit(commit)
    assert [each.seq for each in await every(keeper.store.tail(0))] == [1]
    assert await keeper.store.load(["ann"]) == {"ann": good}
