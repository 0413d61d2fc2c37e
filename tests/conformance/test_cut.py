"""A journal whose beginning was cut off: what is left is whole, and what operators changed is all there."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from actors.model.event import Event
from persistence import cutting
from persistence.interface import Commit, JournalEntry, JournalHead, StorageDamaged
from persistence.sqlite import SqliteStore
from tests.conformance.conftest import Keeper
from tests.conformance.rows import entry, every, store_blocks

pytestmark = pytest.mark.anyio

FAR = 2**62


def change(seq: int) -> JournalEntry:
    return JournalEntry(seq, 1_000 + seq, Event(user="", kind="program", message_id=f"p{seq}", body=b'{"hash":"h"}'))


async def cut(keeper: Keeper, seq: int, at: int = FAR) -> int:
    """As much as there is to cut. Returns the bytes."""
    removed = 0
    while some := await keeper.store.cut(seq, at):
        removed += some
    return removed


async def test_what_is_left_of_a_journal_is_whole_wherever_it_is_read_from(keeper: Keeper) -> None:
    journal = await store_blocks(keeper.store, [1] * 12, ["ann", "bob", "cyd"])
    assert await cut(keeper, 5) > 0
    for _ in range(2):
        for after in range(len(journal) + 2):
            for until in [*range(len(journal) + 2), None]:
                assert await every(keeper.store.tail(after, until)) == journal[max(after, 5) : until], (after, until)
        for user in ("ann", "bob", "cyd"):
            assert await every(keeper.store.history(user)) == [each for each in journal[5:] if each.event.user == user]
        assert await keeper.reopen() == JournalHead(seq=12, at=1_012, replay_from=0, begins=6)
    await keeper.store.commit(Commit(entries=[entry(13)]))
    assert [each.seq for each in await every(keeper.store.tail(0))] == list(range(6, 14))


async def test_only_what_is_old_is_cut_and_never_the_newest(keeper: Keeper) -> None:
    await store_blocks(keeper.store, [1] * 9)
    assert await cut(keeper, FAR, at=1_004) > 0
    assert [each.seq for each in await every(keeper.store.tail(0))] == list(range(4, 10))
    assert await cut(keeper, FAR, at=1_004) == 0
    await cut(keeper, FAR)
    assert [each.seq for each in await every(keeper.store.tail(0))] == [9]
    assert (await keeper.reopen()).seq == 9


async def test_a_block_of_which_a_part_is_needed_stays(keeper: Keeper) -> None:
    await store_blocks(keeper.store, [4, 4, 4])
    await cut(keeper, 6)
    assert {each.seq for each in await every(keeper.store.tail(0))} >= set(range(7, 13))
    assert [each.seq for each in await every(keeper.store.tail(8))] == [9, 10, 11, 12]


async def test_what_operators_changed_is_never_forgotten(keeper: Keeper) -> None:
    changes = [change(seq) for seq in (1, 4, 6, 9)]
    for seq in range(1, 12):
        await keeper.store.commit(Commit(entries=[next((one for one in changes if one.seq == seq), entry(seq))]))
    for until in (3, 7, 11):
        await cut(keeper, until)
        assert await every(keeper.store.history("")) == changes
        await keeper.reopen()
        assert await every(keeper.store.history("")) == changes


async def test_the_size_of_the_journal_is_known_whatever_comes_and_goes(keeper: Keeper) -> None:
    assert (await keeper.store.journal()).bytes == 0
    await store_blocks(keeper.store, [1] * 10)
    before = await keeper.store.journal()
    assert (before.entries, before.begins_at) == (10, 1_001)
    removed = await cut(keeper, 4)
    after = await keeper.store.journal()
    assert (after.entries, after.begins_at, after.bytes) == (6, 1_005, before.bytes - removed)
    await keeper.store.commit(Commit(entries=[entry(11)]))
    size = (await keeper.store.journal()).bytes
    await keeper.reopen()
    await cut(keeper, 4)
    assert (await keeper.store.journal()).bytes == size


async def test_a_cut_is_small_and_many_make_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "BYTES", 5_000)
    store = SqliteStore(tmp_path / "cuebird.db", index_users=True)
    await store.open()
    for seq in range(1, 41):
        await store.commit(Commit(entries=[entry(seq, f"u{seq % 3}", body=b"x" * 1_000)]))
    cuts = []
    while some := await store.cut(30, FAR):
        cuts.append(some)
    assert max(cuts) <= 5_000
    assert len(cuts) > 5
    assert [each.seq for each in await every(store.history("u1"))] == [31, 34, 37, 40]
    await store.close()
    connection = sqlite3.connect(tmp_path / "cuebird.db")
    assert connection.execute("SELECT min(first_seq) FROM journal_users").fetchone() == (31,)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_a_change_that_cannot_be_read_any_more_is_not_cut_off(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "cuebird.db")
    await store.open()
    for one in (change(1), entry(2), entry(3)):
        await store.commit(Commit(entries=[one]))
    connection = sqlite3.connect(tmp_path / "cuebird.db")
    connection.execute("UPDATE journal SET crc = 0 WHERE first_seq = 1")
    connection.commit()
    connection.close()
    with pytest.raises(StorageDamaged, match="journal entries 1 to 1"):
        await store.cut(2, FAR)
    assert (await store.journal()).entries == 3
    await store.close()
