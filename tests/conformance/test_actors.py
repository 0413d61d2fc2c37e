from __future__ import annotations

import pytest

from persistence.interface import Commit, JoinedName, Position, Snapshot
from tests.conformance.conftest import Keeper
from tests.conformance.rows import every

pytestmark = pytest.mark.anyio

EVERY_BYTE = bytes(range(256)) * 3


async def test_the_state_of_an_actor_comes_back_byte_for_byte(keeper: Keeper) -> None:
    ann, bob = Snapshot("ann", 7, 5_000, EVERY_BYTE), Snapshot("~ü 🛒", 8, None, b"")
    await keeper.store.commit(Commit(snapshots=[ann, bob]))
    assert await keeper.store.load(["~ü 🛒", "nobody", "ann"]) == {"ann": ann, "~ü 🛒": bob}
    await keeper.reopen()
    assert await keeper.store.load(["ann"]) == {"ann": ann}
    assert await keeper.store.load([]) == {}


async def test_a_state_of_no_bytes_is_kept_also_when_its_commit_holds_no_others(keeper: Keeper) -> None:
    ann = Snapshot("ann", 1, 10, b"")
    await keeper.store.commit(Commit(snapshots=[ann]))
    assert await keeper.store.load(["ann"]) == {"ann": ann}


async def test_a_later_snapshot_takes_the_place_of_the_earlier(keeper: Keeper) -> None:
    later = Snapshot("ann", 2, None, b"later, and longer than it was")
    await keeper.store.commit(Commit(snapshots=[Snapshot("ann", 1, 10, b"early")]))
    await keeper.store.commit(Commit(snapshots=[later]))
    assert await keeper.store.load(["ann"]) == {"ann": later}
    assert (await keeper.store.counts())["actors"] == 1


async def test_an_actor_that_is_gone_is_gone_after_its_snapshot(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(snapshots=[Snapshot("~a", 1, 10, b"x"), Snapshot("ann", 1, 10, b"x")]))
    await keeper.store.commit(Commit(snapshots=[Snapshot("~a", 2, 10, b"y")], gone=["~a", "never there"]))
    assert list(await keeper.store.load(["~a", "ann"])) == ["ann"]
    assert await keeper.store.users() == 1


async def test_words_are_found_in_the_states_of_actors_as_they_are_now(keeper: Keeper) -> None:
    store = keeper.store
    await store.commit(
        Commit(
            snapshots=[Snapshot("ann", 1, None, b"\x00 cart-1 \xff"), Snapshot("bob", 1, None, b"gr\xc3\xbc\xc3\x9fe")]
        )
    )
    assert await store.named(["cart-1", "cart-2", "grüße", "ann"]) == {"cart-1", "grüße"}
    assert await store.named([]) == set()
    await store.commit(Commit(snapshots=[Snapshot("ann", 2, None, b"cart-2")], gone=["bob"]))
    assert await store.named(["cart-1", "cart-2", "grüße"]) == {"cart-2"}
    assert await store.named([f"w{number}" for number in range(600)] + ["cart-2"]) == {"cart-2"}
    await store.commit(Commit(gone=["ann"]))
    assert await store.named(["cart-2"]) == set()


async def test_timers_are_listed_without_the_actors_that_have_none(keeper: Keeper) -> None:
    snapshots = [Snapshot(f"u{n:04}", 1, 10_000 + n % 5 if n % 10 else None, b"state") for n in range(5_000)]
    await keeper.store.commit(Commit(snapshots=snapshots))
    dues = await every(keeper.store.dues())
    assert sorted(dues) == [(each.user, each.due) for each in snapshots if each.due is not None]


async def test_an_anonymous_name_points_to_its_user(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(names=[JoinedName("~a", "ann"), JoinedName("~b", "bob")]))
    await keeper.store.commit(Commit(names=[JoinedName("~b", "ann")]))
    await keeper.reopen()
    assert await keeper.store.resolve(["~a", "~b", "~c"]) == {"~a": "ann", "~b": "ann"}


async def test_recovery_begins_where_the_last_snapshots_end(keeper: Keeper) -> None:
    await keeper.store.commit(Commit(replayed_from=40))
    await keeper.store.commit(Commit(names=[JoinedName("~a", "ann")]))
    assert (await keeper.reopen()).replay_from == 40
    await keeper.store.commit(Commit(replayed_from=30))
    assert (await keeper.reopen()).replay_from == 40


async def test_users_and_their_positions_are_listed_in_the_order_of_their_names(keeper: Keeper) -> None:
    snapshots = [Snapshot(name, position, None, b"x") for position, name in enumerate(["ü", "ann", "~v", "bob", "zoe"])]
    await keeper.store.commit(Commit(snapshots=snapshots))
    assert await every(keeper.store.positions()) == [("ann", 1), ("bob", 3), ("zoe", 4), ("~v", 2), ("ü", 0)]


async def test_who_is_stored_while_positions_are_read_is_neither_missed_nor_listed_twice(keeper: Keeper) -> None:
    """The notice of a site change stores everybody that it has read of, batch by batch."""
    await keeper.store.commit(Commit(snapshots=[Snapshot(f"u{n:04}", 1, None, b"x") for n in range(5_000)]))
    found: list[Position] = []
    async for batch in keeper.store.positions():
        assert batch
        found += batch
        await keeper.store.commit(Commit(snapshots=[Snapshot(one.user, 2, None, b"y") for one in batch]))
    assert found == [(f"u{n:04}", 1) for n in range(5_000)]
