"""A copy of a database that is written to all the time: whole, of one moment, and finished."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from persistence import copying
from persistence.copying import copy
from persistence.interface import Commit, StorageDamaged, StoreRefused
from persistence.sqlite import SqliteStore
from tests.conformance.rows import entry, every, send, store_blocks

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cuebird.db"


async def made(path: Path, entries: int = 1) -> None:
    store = SqliteStore(path)
    await store.open()
    await store_blocks(store, [entries])
    await store.close()


async def test_a_copy_is_of_one_moment_and_ends_although_commits_never_do(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 1)
    monkeypatch.setattr(copying, "PAUSE_S", 0.0)
    store = SqliteStore(path)
    await store.open()
    await store_blocks(store, [100] * 3)
    at, go = threading.Event(), threading.Event()
    steps: list[int] = []

    def progress(done: int, total: int) -> None:
        steps.append(done)
        assert len(steps) < 5_000, "it begins anew, over and over"
        if not at.is_set():
            at.set()
            assert go.wait(20), "commits come in between"

    copied = asyncio.create_task(asyncio.to_thread(copy, path, tmp_path / "copy.db", held="x", progress=progress))
    await asyncio.to_thread(at.wait, 20)
    for seq in range(301, 311):
        await store.commit(Commit(entries=[entry(seq)], sends=[send(f"s{seq}")]))
    go.set()
    assert (await copied).journal_position == 300
    assert steps == sorted(set(steps)), "it began anew"
    assert len(steps) > 10
    await store.close()
    found = SqliteStore(tmp_path / "copy.db")
    await found.open()
    assert [one.seq for one in await every(found.tail(0))] == list(range(1, 301))
    assert (await found.counts())["outbox"] == 0
    await found.close()


async def test_a_copy_is_one_file_for_its_owner_alone_and_on_hold(path: Path, tmp_path: Path) -> None:
    await made(path, 7)
    folder = tmp_path / "copies"
    folder.mkdir()
    done = copy(path, folder / "copy.db", held="it is a backup")
    assert [each.name for each in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    assert (done.journal_position, done.journal_ends_at) == (7, 1_007)
    with closing(sqlite3.connect(folder / "copy.db")) as database:
        assert database.execute("SELECT at, reason FROM hold").fetchall() == [(1_007, "it is a backup")]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT * FROM hold").fetchall() == [], "the original is not"


async def test_a_copy_of_a_damaged_database_is_refused_and_none_is_left(path: Path, tmp_path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store_blocks(store, [1] * 400)
    await store.close()
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek((pages // 2) * 4096)
        file.write(b"\xff" * 4096)
    folder = tmp_path / "copies"
    folder.mkdir()
    with pytest.raises(StorageDamaged, match="is damaged"):
        copy(path, folder / "copy.db", held="x")
    assert list(folder.iterdir()) == []


async def test_what_is_no_database_of_ours_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="there is no database"):
        copy(tmp_path / "none.db", tmp_path / "copy.db", held="x")
    (tmp_path / "diary").write_bytes(b"dear diary\n" * 100)
    with pytest.raises(StoreRefused, match="is not a database of Cuebird"):
        copy(tmp_path / "diary", tmp_path / "copy.db", held="x")
