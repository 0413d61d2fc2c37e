"""The file: whose it is, who may read it, which version it has, and who holds it."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from zlib import crc32

import pytest

from persistence import blocks, opening
from persistence.head import mark_of
from persistence.interface import Commit, Held, StoreRefused
from persistence.opening import APPLICATION_ID, connect_reader, connect_writer, migrations, prepare_file
from persistence.reading import BATCH_BYTES
from persistence.sqlite import SqliteStore
from tests.conformance.rows import entry, every

pytestmark = pytest.mark.anyio

VERSION = max(migrations())
OLDER_MARK_OF_51 = b"00000000000000000051 %08x\n" % crc32(b"00000000000000000051")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cuebird.db"


async def made(path: Path) -> bytes:
    """The bytes of a good database with one entry."""
    store = SqliteStore(path)
    await store.open()
    await store.commit(Commit(entries=[entry(1)]))
    await store.close()
    return path.read_bytes()


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()
    path.chmod(0o600)


async def assert_refused_untouched(path: Path, match: str) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match=match):
        await SqliteStore(path).open()
    assert path.read_bytes() == before
    assert {each.name for each in path.parent.iterdir()} <= {
        f"cuebird.db{end}" for end in ("", ".lock", ".head", ".place")
    }


async def test_a_second_engine_is_told_which_process_runs(path: Path) -> None:
    first, second = SqliteStore(path), SqliteStore(path)
    await first.open()
    with pytest.raises(StoreRefused, match=f"already running, pid {os.getpid()}:"):
        await second.open()
    await first.commit(Commit(entries=[entry(1)]))
    await first.close()
    assert (await second.open()).seq == 1
    await second.close()


async def test_a_start_reads_the_journal_in_batches_of_few_bytes(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    body = b'{"text":"%b"}' % (b"x" * 1_000_000)
    for seq in range(1, 25):
        await store.commit(Commit(entries=[entry(seq, body=body)]))
    batches = [[each.seq for each in batch] async for batch in store.tail(0)]
    assert [seq for batch in batches for seq in batch] == list(range(1, 25))
    assert max(map(len, batches)) <= BATCH_BYTES // 1_000_000 + 1
    await store.close()


async def test_the_lock_of_a_dead_process_holds_nobody_up(path: Path) -> None:
    path.with_name("cuebird.db.lock").write_text("99999999 and something longer than a pid\n")
    store = SqliteStore(path)
    await store.open()
    assert path.with_name("cuebird.db.lock").read_text() == f"{os.getpid()}\n"
    await store.close()


async def test_a_database_of_a_newer_version_is_refused_untouched(path: Path) -> None:
    await made(path)
    change(path, "PRAGMA user_version = 99")
    await assert_refused_untouched(path, f"is of version 99, and this Cuebird knows versions up to {VERSION}")


async def test_a_newer_version_that_stands_only_in_the_wal_is_refused_too(path: Path) -> None:
    await made(path)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    assert int.from_bytes(path.read_bytes()[60:64], "big") == VERSION
    with pytest.raises(StoreRefused, match="is of version 99"):
        await SqliteStore(path).open()
    newer.close()


async def test_a_database_of_another_program_is_refused_untouched(path: Path) -> None:
    change(path, "CREATE TABLE theirs (x); PRAGMA application_id = 7;")
    await assert_refused_untouched(path, r"belongs to another program \(application id 0x7\)")


async def test_a_database_that_names_no_program_but_has_tables_is_refused_untouched(path: Path) -> None:
    change(path, "CREATE TABLE theirs (x)")
    await assert_refused_untouched(path, "is a database of another program")


async def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"dear diary\n" * 100)
    path.chmod(0o600)
    await assert_refused_untouched(path, "is not a database of Cuebird")


async def test_an_empty_file_becomes_a_database(path: Path) -> None:
    """So it is left if the power goes right after the file was made."""
    path.touch(0o600)
    await made(path)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
async def test_a_file_that_others_may_touch_is_refused(path: Path, mode: int) -> None:
    await made(path)
    path.chmod(mode)
    with pytest.raises(StoreRefused, match=f"mode {mode:04o}, so others may read or change it: chmod 600"):
        await SqliteStore(path).open()
    path.chmod(0o600)
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreRefused, match=r"cannot open .*file/cuebird\.db"):
        await SqliteStore(tmp_path / "file" / "cuebird.db").open()


async def test_nobody_else_can_read_what_the_store_makes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "cuebird.db"
    store = SqliteStore(path)
    await store.open()
    await store.commit(Commit(entries=[entry(1)]))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    await store.close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == dict.fromkeys(
        ["cuebird.db", "cuebird.db-wal", "cuebird.db-shm", "cuebird.db.lock", "cuebird.db.head", "cuebird.db.place"],
        0o600,
    )


async def test_after_a_clean_stop_the_file_is_whole_without_its_wal(path: Path) -> None:
    await made(path)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        f"cuebird.db{end}" for end in ("", ".head", ".lock", ".place")
    ]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM journal").fetchone() == (1,)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()


async def test_a_store_can_be_opened_again_after_it_was_closed_or_refused(path: Path) -> None:
    path.touch(0o644)
    store = SqliteStore(path)
    with pytest.raises(StoreRefused):
        await store.open()
    path.chmod(0o600)
    for seq in (1, 2):
        assert (await store.open()).seq == seq - 1
        await store.commit(Commit(entries=[entry(seq)]))
        await store.close()


async def test_the_index_on_users_can_be_switched_on_and_off(path: Path) -> None:
    for on in (False, True, True, False):
        store = SqliteStore(path, index_users=on)
        head = await store.open()
        for seq in range(head.seq + 1, head.seq + 101, 2):  # more blocks than are indexed at once
            await store.commit(Commit(entries=[entry(seq, "ann"), entry(seq + 1, "bob")]))
        assert [each.seq for each in await every(store.history("bob"))] == list(range(2, head.seq + 101, 2))
        await store.close()
        connection = sqlite3.connect(path)
        found = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'journal_users'").fetchone()
        connection.close()
        assert found == (int(on),)


async def test_a_migration_is_taken_whole_and_keeps_the_rows(path: Path) -> None:
    await made(path)
    steps = migrations() | {VERSION + 1: "CREATE TABLE two (x INTEGER) STRICT;", VERSION + 2: "DROP TABLE two;"}
    writer = await connect_writer(path, steps, index_users=False)
    assert list(await writer.execute_fetchall("PRAGMA user_version")) == [(VERSION + 2,)]
    assert list(await writer.execute_fetchall("SELECT first_seq FROM journal")) == [(1,)]
    await writer.close()


async def test_a_database_of_the_first_version_is_brought_up_and_keeps_its_rows(path: Path) -> None:
    writer = await connect_writer(path, {1: migrations()[1]}, index_users=False)
    block = blocks.seal([entry(1), entry(2)])
    await writer.execute_fetchall("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", block)
    await writer.execute_fetchall("INSERT INTO actors VALUES ('ann', 2, 9, x'00')")
    await writer.close()
    path.chmod(0o600)
    store = SqliteStore(path)
    assert (await store.open()).seq == 2
    assert await every(store.tail(0)) == [entry(1), entry(2)]
    assert (await store.load(["ann"]))["ann"].position == 2
    await store.commit(Commit(entries=[entry(3)], held=[Held("ann", 1, "why", 0)]))
    assert [held.user for held in await store.held()] == ["ann"]
    await store.close()


async def test_a_migration_that_fails_leaves_the_old_version(path: Path) -> None:
    await made(path)
    wrong = "INSERT INTO two VALUES ('not a number');"
    steps = migrations() | {VERSION + 1: "CREATE TABLE two (x INTEGER) STRICT;", VERSION + 2: wrong}
    with pytest.raises(sqlite3.IntegrityError):
        await connect_writer(path, steps, index_users=False)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'two'").fetchone() == (0,)
    connection.close()


async def test_letters_from_before_links_had_names_keep_those_of_their_addresses(path: Path) -> None:
    prepare_file(path, 1)
    writer = await connect_writer(path, {1: migrations()[1]}, index_users=False)
    urls = ("https://a.example/?utm_content=report&b=1", "https://a.example/?utm_content=end#top", "https://a.example/")
    for index, url in enumerate(urls):
        await writer.execute("INSERT INTO links (send, idx, url) VALUES ('s', ?, ?)", (index, url))
    await writer.close()
    store = SqliteStore(path)
    await store.open()
    links = [await store.link("s", index) for index in range(3)]
    await store.close()
    assert [link and link.name for link in links] == ["report", "end", "2"]


def test_migrations_are_numbered_without_gaps(tmp_path: Path) -> None:
    (tmp_path / "0002_more.sql").write_text("two")
    assert list(migrations(tmp_path)) == [1, 2]
    (tmp_path / "0004_most.sql").write_text("four")
    with pytest.raises(AssertionError, match="without gaps"):
        migrations(tmp_path)


async def test_the_reading_connection_can_change_nothing(path: Path) -> None:
    await made(path)
    reader = await connect_reader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await reader.execute_fetchall("DELETE FROM journal")
    await reader.close()


async def test_the_writing_connection_syncs_every_commit(path: Path) -> None:
    """What it is good for is shown by tests/acceptance/test_power_cut.py."""
    writer = await connect_writer(path, migrations(), index_users=False)
    pragmas = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "auto_vacuum": 2, "mmap_size": 0}
    found = {name: next(iter(await writer.execute_fetchall(f"PRAGMA {name}")))[0] for name in pragmas}
    await writer.close()
    assert found == pragmas


@pytest.mark.parametrize("mark", [mark_of(51, 0), OLDER_MARK_OF_51])
async def test_a_journal_that_ends_before_its_mark_is_refused_until_the_loss_is_accepted(
    path: Path, mark: bytes
) -> None:
    await made(path)
    path.with_name("cuebird.db.head").write_bytes(mark)
    with pytest.raises(
        StoreRefused, match=r"ends at entry 1, and it was at 51: the last 50 entries are lost.*--accept-loss"
    ):
        await SqliteStore(path).open()
    store = SqliteStore(path, accept_loss=True)
    assert (await store.open()).seq == 1
    await store.close()
    store = SqliteStore(path)
    assert (await store.open()).seq == 1
    await store.close()


@pytest.mark.parametrize(
    "mark", [b"", b"\x00" * 30, mark_of(51, 0)[:20], mark_of(52, 0)[:20] + mark_of(51, 0)[20:], b"?", None]
)
async def test_a_mark_that_a_power_cut_left_behind_says_nothing(path: Path, mark: bytes | None) -> None:
    await made(path)
    head = path.with_name("cuebird.db.head")
    head.unlink()
    if mark is not None:
        head.write_bytes(mark)
    store = SqliteStore(path)
    assert (await store.open()).seq == 1
    await store.close()
    assert head.read_bytes() == mark_of(1, 0)


async def test_a_lock_while_it_opens_is_named_and_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_PRAGMAS", opening._PRAGMAS.replace("busy_timeout = 5000", "busy_timeout = 1"))
    writer = await connect_writer(path, {1: migrations()[1]}, index_users=False)
    await writer.close()
    path.chmod(0o600)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreRefused, match="another program holds the database"):
        await SqliteStore(path).open()
    other.execute("COMMIT")
    other.close()
    store = SqliteStore(path)
    await store.open()
    await store.close()


async def test_a_second_name_of_a_database_that_is_open_here_is_refused(path: Path, tmp_path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    other = tmp_path / "other.db"
    os.link(path, other)
    with pytest.raises(StoreRefused, match="another engine has this file open"):
        await SqliteStore(other).open()
    await store.commit(Commit(entries=[entry(1)]))
    await store.close()
    store = SqliteStore(other)
    assert (await store.open()).seq == 1
    await store.close()


async def test_a_new_file_is_in_its_directory_also_after_a_power_cut(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is fsynced of a file is lost with its name, if its directory is not."""
    flushed: list[tuple[int, bool]] = []
    fsync = os.fsync

    def seen(fd: int) -> None:
        flushed.append((os.fstat(fd).st_ino, path.exists()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", seen)
    prepare_file(path, VERSION)
    assert flushed == [(path.parent.stat().st_ino, True)]


async def test_a_reader_of_what_is_no_database_says_so(path: Path) -> None:
    path.write_bytes(b"dear diary\n" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await connect_reader(path)
