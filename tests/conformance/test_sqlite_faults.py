"""Rows that must not be, a full disk, a failing disk, a long WAL, long scans."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.model.event import Event
from persistence import reading, writing
from persistence.interface import (
    Commit,
    Hold,
    JoinedName,
    JournalEntry,
    Link,
    Mark,
    RowsRefused,
    Snapshot,
    StorageFailed,
    StorageFull,
    Suppression,
)
from persistence.sqlite import SqliteStore
from tests.conformance.rows import decision, entry, every, send, store_blocks

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "cuebird.db")
    await store.open()
    yield store
    await store.close()


def wrong(row: Any, **fields: Any) -> Any:
    """The row with fields that its type forbids."""
    return msgspec.structs.replace(row, **fields)


BAD_ROWS = {
    "an unknown kind": Commit(entries=[JournalEntry(1, 1, wrong(Event(user="ann"), kind="click"))]),
    "an unknown source": Commit(entries=[JournalEntry(1, 1, wrong(Event(user="ann"), source="moon"))]),
    "nobody's event": Commit(entries=[JournalEntry(1, 1, Event(user=""))]),
    "a text where a number is due": Commit(entries=[wrong(entry(1), at="soon")]),
    "a fraction of a millisecond": Commit(entries=[wrong(entry(1), at=1.5)]),
    "a number over 2^63": Commit(entries=[wrong(entry(1), at=2**63)]),
    "a time before the epoch": Commit(entries=[wrong(entry(1), at=-1)]),
    "a time that goes back": Commit(entries=[entry(1, at=9), entry(2, at=8)]),
    "an instant over 2^64": Commit(entries=[JournalEntry(1, 1, wrong(Event(user="ann"), occurred=2**64))]),
    "a name that is no text": Commit(entries=[JournalEntry(1, 1, wrong(Event(user="ann"), name=b"x"))]),
    "a body that is no bytes": Commit(entries=[JournalEntry(1, 1, wrong(Event(user="ann"), body="{}"))]),
    "a context that is nothing we know": Commit(
        entries=[JournalEntry(1, 1, wrong(Event(user="ann"), context=object()))]
    ),
    "an event without a user": Commit(entries=[JournalEntry(1, 1, wrong(Event(user="ann"), user=None))]),
    "an unknown decision": Commit(entries=[entry(1)], decisions=[wrong(decision(), decision="guessed")]),
    "a decision without a campaign": Commit(entries=[entry(1)], decisions=[wrong(decision(), campaign=None)]),
    "an unknown channel": Commit(entries=[entry(1)], sends=[wrong(send(), channel="pigeon")]),
    "an unknown purpose": Commit(entries=[entry(1)], sends=[wrong(send(), purpose="fun")]),
    "an unknown state": Commit(sends=[send()], marks=[wrong(Mark(id="s1", state="claimed", at=1), state=None)]),
    "a timer at no time": Commit(entries=[entry(1)], snapshots=[Snapshot("ann", 1, 0, b"")]),
    "a name joined to itself": Commit(entries=[entry(1)], names=[JoinedName("~a", "~a")]),
    "no address": Commit(entries=[entry(1)], suppressions=[Suppression("", "bounced", 1)]),
    "a link to nowhere": Commit(entries=[entry(1)], links=[Link("s1", 0, "")]),
}


@pytest.mark.parametrize("what", BAD_ROWS)
async def test_a_row_that_must_not_be_takes_its_whole_commit_with_it(store: SqliteStore, what: str) -> None:
    with pytest.raises((AssertionError, RowsRefused), match="commit: "):
        await store.commit(BAD_ROWS[what])
    assert set((await store.counts()).values()) == {0}
    await store.commit(Commit(entries=[entry(1)]))


async def test_half_a_surrogate_pair_is_refused_and_the_store_goes_on(store: SqliteStore) -> None:
    with pytest.raises(RowsRefused, match="surrogates not allowed"):
        await store.commit(Commit(entries=[entry(1, "\ud800")]))
    await store.commit(Commit(entries=[entry(1)]))


async def limit_pages(store: SqliteStore, pages: int) -> None:
    await store._connections[0].execute_fetchall(f"PRAGMA max_page_count = {pages}")


async def test_a_full_disk_stores_nothing_of_the_commit_and_passes_when_there_is_room(store: SqliteStore) -> None:
    await store.commit(Commit(entries=[entry(1)]))
    await limit_pages(store, 1)  # SQLite makes it as many as there are
    big = Commit(entries=[entry(2, body=b'"%s"' % (b"x" * 100_000))], sends=[send()], decisions=[decision()])
    for _ in range(3):
        with pytest.raises(StorageFull, match="full"):
            await store.commit(big)
        assert [each.seq for each in await every(store.tail(0))] == [1]
        assert await store.sends(["s1"]) == {}
        assert await store.ledger() == []
    await limit_pages(store, 10_000)
    await store.commit(big)
    assert [each.seq for each in await every(store.tail(0))] == [1, 2]
    assert list(await store.sends(["s1"])) == ["s1"]


async def test_what_needs_no_room_is_committed_while_the_disk_is_full(store: SqliteStore) -> None:
    """A message in flight must be settled even then."""
    await store.commit(Commit(sends=[send()], marks=[Mark(id="s1", state="claimed", at=1, boot="b")]))
    await limit_pages(store, 1)
    with pytest.raises(StorageFull):
        await store.commit(Commit(entries=[entry(1, body=b"x" * 100_000)]))
    await store.commit(Commit(marks=[Mark(id="s1", state="at_dot", at=2), Mark(id="s1", state="sent", at=3)]))
    assert (await store.sends(["s1"]))["s1"].state == "sent"


@contextmanager
def failing_writes(bytes_max: int) -> Iterator[None]:
    """Past that size of a file every write fails with EFBIG, which SQLite takes as any I/O error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_after_an_io_error_the_store_refuses_everything(store: SqliteStore, tmp_path: Path) -> None:
    await store.commit(Commit(entries=[entry(1)]))
    size = (tmp_path / "cuebird.db-wal").stat().st_size
    with failing_writes(size + 5_000), pytest.raises(StorageFailed, match="SQLITE_IOERR_WRITE"):
        await store.commit(Commit(entries=[entry(2, body=b"x" * 100_000)]))
    with pytest.raises(StorageFailed, match="failed before"):
        await store.commit(Commit(entries=[entry(2)]))
    with pytest.raises(StorageFailed, match="failed before"):
        await store.load(["ann"])
    with pytest.raises(StorageFailed, match="failed before"):
        await every(store.tail(0))
    await store.close()

    again = SqliteStore(tmp_path / "cuebird.db")
    head = await again.open()
    assert head.seq in (1, 2)
    assert [each.seq for each in await every(again.tail(0))] == list(range(1, head.seq + 1))
    await again.close()


async def test_a_caller_that_was_cancelled_does_not_hide_an_io_error(store: SqliteStore, tmp_path: Path) -> None:
    with failing_writes(1):
        caller = asyncio.ensure_future(store.commit(Commit(entries=[entry(1)])))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        with pytest.raises(StorageFailed):
            await store.commit(Commit(entries=[entry(2)]))


async def test_the_wal_is_kept_short(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHECKPOINT_PAGES", 40)
    monkeypatch.setattr(writing, "_WORK_BETWEEN_CHECKPOINTS_MIN", 10)
    await store.close()
    await store.open()
    wal = tmp_path / "cuebird.db-wal"
    sizes = []
    for n in range(100):
        snapshots = [Snapshot(f"u{n * i}", n, 1, b"s" * 500) for i in range(10)]
        entries = [entry(n * 20 + i + 1, body=b"x" * 3_000) for i in range(20)]
        await store.commit(Commit(entries=entries, snapshots=snapshots))
        sizes.append(wal.stat().st_size)
    written = 100 * 20 * 3_000
    assert max(sizes[20:]) < written / 4
    assert len(await every(store.tail(0))) == 2_000

    monkeypatch.setattr(writing, "WAL_BYTES_MAX", 10_000)
    for n in range(100, 120):
        await store.commit(Commit(entries=[entry(n * 20 + i + 1, body=b"x" * 3_000) for i in range(20)]))
        sizes.append(wal.stat().st_size)
    assert min(sizes[100:]) < min(sizes[20:100]) / 2
    assert len(await every(store.tail(0))) == 2_400


async def test_a_disk_that_fails_under_a_checkpoint_stops_the_store(store: SqliteStore, tmp_path: Path) -> None:
    assert store._writer is not None
    await store.commit(Commit(entries=[entry(seq, body=b"x" * 3_000) for seq in range(1, 51)]))
    # The database has no room for the pages that are copied into it.
    with failing_writes((tmp_path / "cuebird.db").stat().st_size):
        await store._writer._run_checkpoint()
    with pytest.raises(StorageFailed, match="checkpoint"):
        await store.commit(Commit(entries=[entry(51)]))


async def test_a_history_is_whole_however_the_journal_is_cut(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_blocks(store, [7] * 14 + [1, 1], ["u0", "u1", "u2"])
    await store.close()
    monkeypatch.setattr(reading, "SCAN_ENTRIES", 13)
    monkeypatch.setattr(reading, "HITS", 2)
    monkeypatch.setattr(reading, "BATCH_ROWS", 3)
    await store.open()
    assert [each.seq for each in await every(store.history("u1"))] == list(range(1, 101, 3))
    assert [each.seq for each in await every(store.tail(0))] == list(range(1, 101))


async def test_no_question_of_the_engine_reads_a_whole_table(store: SqliteStore) -> None:
    asked: list[str] = []
    connection = store._connections[1]
    await connection.set_trace_callback(asked.append)
    await store.load(["a"])
    await store.resolve(["~a"])
    await every(store.dues())
    await store.commit(Commit(entries=[entry(seq) for seq in range(1, 12)]))
    await every(store.tail(5, 10))
    await every(store.history("a"))
    await every(store.history(""))
    await store.ledger(user="a")
    await store.ledger(campaign="c")
    await every(store.whole_ledger())
    await every(store.whole_ledger("c"))
    await every(store.positions())
    await store.ledger()
    await store.due_sends(5, 5)
    await store.next_send_due()
    await every(store.waiting())
    await store.put_on_hold(Hold(1, "a copy"))
    await store.due_sends(5, 5)
    await store.next_send_due()
    await store.sends(["s"])
    await store.in_state("unknown")
    await store.suppressed(["a@example.test"])
    await store.link("s", 0)
    await store.programs(["h"])
    await connection.set_trace_callback(None)  # type: ignore[arg-type]  # None switches it off
    assert len(asked) > 13
    for sql in asked:
        plan = [row[3] for row in await connection.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}")]
        scans = [step for step in plan if step.startswith("SCAN") and " USING " not in step and "json_each" not in step]
        # Only `meta` and `hold`, which have one row, what was released, and the journal backwards from its end.
        assert [
            s
            for s in scans
            if s not in ("SCAN meta", "SCAN hold", "SCAN released", "SCAN journal", "SCAN asked VIRTUAL TABLE INDEX 1:")
        ] == [], sql
        assert not any("SCAN journal" in step for step in plan) or "LIMIT 1" in sql, sql


@pytest.mark.parametrize(
    ("bad", "user"),
    [
        (Commit(entries=[entry(1), JournalEntry(2, 9_999, wrong(Event(user="bob"), kind="click"))]), "bob"),
        (Commit(entries=[entry(1)], decisions=[decision(), wrong(decision(user="bob"), campaign=None)]), "bob"),
        (Commit(entries=[entry(1)], names=[JoinedName("~a", "ann"), JoinedName("~b", "~b")]), "~b"),
        (Commit(entries=[entry(1)], snapshots=[Snapshot("ann", 1, 5, b""), Snapshot("bob", -1, 5, b"")]), "bob"),
    ],
    ids=["entry", "decision", "name", "snapshot"],
)
async def test_a_refused_row_is_told_with_its_user_and_leaves_no_transaction_open(
    store: SqliteStore, bad: Commit, user: str
) -> None:
    with pytest.raises(RowsRefused) as refused:
        await store.commit(bad)
    assert list(refused.value.users) == [user]
    assert set((await store.counts()).values()) == {0}
    await store.commit(Commit(entries=[entry(1)]))
    assert not store._connections[0].in_transaction


async def test_a_commit_that_is_too_much_for_sqlite_costs_the_largest_state_alone(store: SqliteStore) -> None:
    [wide] = store._connections[:1]
    # SQLITE_LIMIT_LENGTH: as a gigabyte, but quick
    await wide._execute(wide._conn.setlimit, 0, 10_000)  # type: ignore[no-untyped-call]  # the way to its thread
    snapshots = [Snapshot(f"u{n}", 1, None, b"x" * (4_000 + n)) for n in range(3)]
    with pytest.raises(RowsRefused) as refused:
        await store.commit(Commit(entries=[entry(1)], snapshots=snapshots))
    assert list(refused.value.users) == ["u2"]
    await store.commit(Commit(entries=[entry(1)], snapshots=snapshots[:2]))
