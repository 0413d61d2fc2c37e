"""A disk that says something else than what was written: it is told, with the place, and never taken for true."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from persistence import blocks, rows
from persistence.interface import Commit, JournalEntry, StorageDamaged
from persistence.sqlite import SqliteStore
from tests.conformance.rows import decision, every, send, store_blocks

pytestmark = pytest.mark.anyio

BLOCKS = [3, 4, 5]


@pytest.fixture
async def path(tmp_path: Path, anyio_backend: str) -> Path:
    """A database whose journal has the entries 1 to 3, 4 to 7, 8 to 12; a decision and a send."""
    path = tmp_path / "cuebird.db"
    store = SqliteStore(path)
    await store.open()
    await store_blocks(store, BLOCKS)
    await store.commit(Commit(decisions=[decision()], sends=[send()]))
    await store.close()
    return path


def change(path: Path, sql: str, *parameters: object) -> None:
    connection = sqlite3.connect(path)
    try:
        connection.execute(sql, parameters)
        connection.commit()
    finally:
        connection.close()


def flip(path: Path, bit: int) -> None:
    connection = sqlite3.connect(path)
    [(entries,)] = connection.execute("SELECT entries FROM journal WHERE first_seq = 4")
    connection.close()
    changed = bytearray(entries)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    change(path, "UPDATE journal SET entries = ? WHERE first_seq = 4", bytes(changed))


async def assert_told(path: Path, match: str) -> None:
    """What lies before the damage is read, and then it is told."""
    store = SqliteStore(path)
    await store.open()
    sound: list[JournalEntry] = await every(store.tail(0, 3))
    with pytest.raises(StorageDamaged, match=match):
        await every(store.tail(0))
    with pytest.raises(StorageDamaged, match=match):
        await every(store.tail(5))
    await store.close()
    assert [each.seq for each in sound] == [1, 2, 3]


@pytest.mark.parametrize("seed", range(10))
async def test_a_flipped_bit_in_the_journal_is_told_with_its_place(path: Path, seed: int) -> None:
    print(f"seed {seed}")
    flip(path, random.Random(seed).randrange(10_000))
    await assert_told(path, "journal entries 4 to 7 are damaged.*restore a backup.*before entry 4 can be read")


async def test_a_block_that_is_missing_is_told_with_its_place(path: Path) -> None:
    change(path, "DELETE FROM journal WHERE first_seq = 4")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StorageDamaged, match="from entry 4 on the journal is missing"):
        await every(store.tail(0))
    await store.close()


@pytest.mark.parametrize("wrong", ["count = 3", "count = 5", "crc = crc + 1"])
async def test_a_block_whose_columns_are_of_another_is_told(path: Path, wrong: str) -> None:
    change(path, f"UPDATE journal SET {wrong} WHERE first_seq = 4")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StorageDamaged, match="journal entries 4 to"):
        await every(store.tail(0))
    await store.close()


async def test_the_history_of_a_user_does_not_hide_damage(path: Path) -> None:
    change(path, "UPDATE journal SET crc = 0 WHERE first_seq = 4")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StorageDamaged, match="journal entries 4 to 7"):
        await every(store.history("ann"))
    await store.close()


async def test_no_index_is_made_of_a_damaged_journal(path: Path) -> None:
    change(path, "UPDATE journal SET crc = 0 WHERE first_seq = 4")
    with pytest.raises(StorageDamaged, match="journal entries 4 to 7"):
        await SqliteStore(path, index_users=True).open()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'journal_users'").fetchone() == (0,)
    connection.close()


async def test_a_row_with_a_byte_that_is_no_utf_8_is_named_by_every_reader(path: Path) -> None:
    whole = msgspec.msgpack.encode(decision())
    change(path, "UPDATE ledger SET decision = ?", whole.replace(b"cart", b"\xff\xfe\xfd\xfc"))
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StorageDamaged, match="row 1 of the ledger is damaged"):
        await store.ledger()
    assert [each.seq for each in await every(store.tail(0, 3))] == [1, 2, 3]
    await store.close()


async def test_a_column_with_a_byte_that_is_no_utf_8_is_damage_and_no_failed_disk(path: Path) -> None:
    change(path, "UPDATE outbox SET reply = CAST(x'fffe' AS TEXT)")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StorageDamaged, match="restore a backup"):
        await store.in_state("pending")
    assert len(await store.ledger()) == 1
    await store.close()


async def test_a_damaged_decision_or_send_is_named(path: Path) -> None:
    change(path, "UPDATE ledger SET decision = x'00'")
    change(path, "UPDATE outbox SET send = x'00'")
    store = SqliteStore(path)
    await store.open()
    with pytest.raises(StorageDamaged, match="row 1 of the ledger is damaged"):
        await store.ledger()
    with pytest.raises(StorageDamaged, match="send s1 of the outbox is damaged"):
        await store.in_state("pending")
    await store.close()


@pytest.mark.parametrize(
    ("read", "row", "match"),
    [
        (blocks.unseal, (17, 0, 0, None, None, None, None), "journal entries 17 to 16 are damaged"),
        (blocks.unseal, (17, None, None, None, None, None, None), r"journal entries 17 to \? are damaged"),
        (rows.decision, (3, None), "row 3 of the ledger is damaged"),
        (rows.outboxed, ("s1", None, None, None, None, None, None), "send s1 of the outbox is damaged"),
        (rows.decision, (3, b"\x9a\x01\xa3\xff\xfe\xfd"), "row 3 of the ledger is damaged"),
        (rows.outboxed, ("s1", b"\x81\xa2id\xa2\xc3\x28", *[None] * 5), "send s1 of the outbox is damaged"),
    ],
)
def test_a_row_that_a_torn_page_cuts_short_is_told(
    read: Callable[[Sequence[Any]], object], row: Sequence[Any], match: str
) -> None:
    with pytest.raises(StorageDamaged, match=match):
        read(row)


@pytest.mark.parametrize("first", [12, 14, 1])
async def test_the_file_itself_refuses_a_gap_in_the_journal(path: Path, first: int) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        change(path, "INSERT INTO journal VALUES (?, 1, 1, 1, 0, 0, x'90')", first)
    change(path, "INSERT INTO journal VALUES (13, 1, 1, 1, 0, 0, x'90')")
