from __future__ import annotations

import asyncio

import pytest

from persistence.interface import Commit, JoinedName, Link, Mark, Snapshot, StoredProgram, StoreError, Suppression
from tests.conformance.conftest import Keeper
from tests.conformance.rows import decision, entry, every, send

pytestmark = pytest.mark.anyio


async def test_one_commit_holds_all_of_a_turn(keeper: Keeper) -> None:
    await keeper.store.commit(
        Commit(
            entries=[entry(1, body=b'{"a":1}'), entry(2, body=b'{"b":2}', context=b'{"c":3}')],
            decisions=[decision(1), decision(2)],
            sends=[send("s1"), send("s2")],
            names=[JoinedName("~a", "ann")],
            snapshots=[Snapshot("ann", 2, None, b"\x00state"), Snapshot("~a", 1, None, b"old")],
            gone=["~a"],
            replayed_from=1,
            marks=[Mark(id="s1", state="claimed", at=5, boot="b")],
            suppressions=[Suppression("x@example.test", "bounced", 1)],
            links=[Link("s1", 0, "https://shop.example/")],
            programs=[StoredProgram("h", b'{"p":1}', 1)],
        )
    )
    head = await keeper.reopen()
    assert (head.seq, head.replay_from) == (2, 1)
    assert [each.event.body for each in await every(keeper.store.tail(0))] == [b'{"a":1}', b'{"b":2}']
    assert await keeper.store.ledger() == [decision(2), decision(1)]
    assert {name: each.state for name, each in (await keeper.store.sends(["s1", "s2"])).items()} == {
        "s1": "claimed",
        "s2": "pending",
    }
    assert await keeper.store.load(["ann", "~a"]) == {"ann": Snapshot("ann", 2, None, b"\x00state")}
    assert await keeper.store.programs(["h"]) == {"h": b'{"p":1}'}


async def test_an_empty_commit_changes_nothing(keeper: Keeper) -> None:
    before = await keeper.store.counts()
    await keeper.store.commit(Commit())
    assert await keeper.store.counts() == before


async def test_commits_are_applied_in_the_order_of_the_calls(keeper: Keeper) -> None:
    await asyncio.gather(*(keeper.store.commit(Commit(entries=[entry(seq)])) for seq in range(1, 101)))
    assert [each.seq for each in await every(keeper.store.tail(0))] == list(range(1, 101))


async def test_a_cancelled_caller_leaves_no_doubt_about_the_order(keeper: Keeper) -> None:
    callers = [asyncio.ensure_future(keeper.store.commit(Commit(entries=[entry(seq)]))) for seq in range(1, 21)]
    await asyncio.sleep(0)  # let them begin
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await keeper.store.commit(Commit(entries=[entry(21)]))
    assert [each.seq for each in await every(keeper.store.tail(0))] == list(range(1, 22))


async def test_a_store_that_is_not_open_says_so(keeper: Keeper) -> None:
    await keeper.store.close()
    with pytest.raises(StoreError, match="not open"):
        await keeper.store.commit(Commit(entries=[entry(1)]))
    with pytest.raises(StoreError, match="not open"):
        await keeper.store.load(["ann"])
    with pytest.raises(StoreError, match="not open"):
        await every(keeper.store.tail(0))
    await keeper.store.close()


async def test_everything_read_while_committing_is_a_whole_commit(keeper: Keeper) -> None:
    """Ten entries and one send a commit: no reader ever sees a part of one."""

    async def write() -> None:
        for n in range(30):
            first = n * 10 + 1
            await keeper.store.commit(
                Commit(entries=[entry(seq) for seq in range(first, first + 10)], sends=[send(f"s{n}")])
            )

    writing = asyncio.ensure_future(write())
    while not writing.done():
        await asyncio.sleep(0)  # a store in memory answers without letting the writer run
        sends = len(await keeper.store.in_state("pending"))
        entries = await every(keeper.store.tail(0))
        assert len(entries) % 10 == 0
        assert len(entries) >= sends * 10
    await writing
