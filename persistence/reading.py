"""All that is read, through a connection that cannot write. Every query is short: a long one would hold up the WAL's
checkpoint, and the cold actors that wait to be loaded."""

# ruff: noqa: S608 -- the pieces of SQL are constants of ours; what comes from outside goes in as parameters

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, get_args

import aiosqlite
import msgspec

from actors.model.turn import Decision
from persistence import blocks, rows
from persistence.faults import Health
from persistence.interface import (
    INT_MAX,
    UNSETTLED,
    Due,
    Held,
    Hold,
    Journal,
    JournalEntry,
    JournalHead,
    Link,
    Outboxed,
    Position,
    Quarantined,
    SendState,
    Snapshot,
    Suppression,
)
from persistence.packing import as_json

BATCH_ROWS: Final = 2_000
"""Of the journal a batch may hold one block more."""

SENDS: Final = 500
"""That wait, in one batch: who reads them settles them, and a commit is not to be long."""

BATCH_BYTES: Final = 8_000_000
"""Of the journal likewise: a start is not to need more memory than the life before it."""

SCAN_ENTRIES: Final = 20_000
"""Entries of the journal that one query of `history` looks through if there is no index on users: some 10 ms if they are
cached, in which the event loop goes on."""

HITS: Final = 8
"""Blocks that are decoded at once in search of a user's entries: some milliseconds, in which it does not."""

SCAN_ACTORS: Final = 500
"""Whose states are looked through at once: a millisecond in which the event loop does not go on."""

_EVERYTHING: Final = 2**62

_OPERATORS: Final = (
    "first_seq IN (SELECT first_seq FROM journal INDEXED BY journal_operators WHERE operators > 0 AND first_seq >= ?)"
)

_LAST: Final = "SELECT first_seq + count - 1, last_at FROM journal ORDER BY first_seq DESC LIMIT 1"

_WAITING: Final = "state IN ('pending', 'retry')"

_COUNTED: Final = (
    "actors",
    "ledger",
    "outbox",
    "programs",
    "names",
    "suppressions",
    "links",
    "held",
    "quarantine",
    "changes",
)


class SqliteReader:
    """The contract's `StoreReader`, and all else that is read of SQLite, over one connection."""

    def __init__(self, connection: aiosqlite.Connection, health: Health, *, users_indexed: bool) -> None:
        self._connection = connection
        self._health = health
        self._users_indexed = users_indexed

    async def _all(self, what: str, sql: str, *parameters: object) -> list[Any]:
        self._health.check()
        found = await self._health.patiently(what, lambda: self._connection.execute_fetchall(sql, parameters))
        return found if isinstance(found, list) else list(found)

    async def head(self) -> JournalHead:
        sql = "SELECT replay_from, (SELECT min(first_seq) FROM journal) FROM meta"
        [(replay_from, begins)] = await self._all("read the head", sql)
        last = await self._all("read the head", _LAST)
        seq, at = last[0] if last else (0, 0)
        return JournalHead(seq=seq, at=at, replay_from=replay_from, begins=begins or 1)

    async def journal_bytes(self, until: int) -> int:
        """Of the blocks that begin at `until` or before. No entry is read."""
        after = total = 0
        sql = (
            "SELECT max(first_seq), sum(length) FROM (SELECT first_seq, length(entries) AS length FROM journal "
            "WHERE first_seq > ? AND first_seq <= ? ORDER BY first_seq LIMIT ?)"
        )
        while (found := (await self._all("measure the journal", sql, after, until, BATCH_ROWS))[0])[0] is not None:
            after, length = found
            total += length
        return total

    async def journal(self, size: int) -> Journal:
        """Of so many bytes."""
        head = await self.head()
        sql = "SELECT first_at FROM journal ORDER BY first_seq LIMIT 1"
        first = await self._all("read the journal", sql)
        entries = head.seq + 1 - head.begins if first else 0
        return Journal(begins_at=first[0][0] if first else 0, entries=entries, bytes=size)

    async def load(self, users: Sequence[str]) -> dict[str, Snapshot]:
        found = await self._all(
            "load actors",
            f"SELECT {rows.SNAPSHOT} FROM actors WHERE user IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            as_json(users),
        )
        return {row[0]: rows.snapshot(row) for row in found}

    async def positions(self) -> AsyncIterator[list[Position]]:
        sql = "SELECT user, position FROM actors WHERE user > ? ORDER BY user LIMIT ?"
        last = ""
        while found := await self._all("look for users", sql, last, BATCH_ROWS):
            batch = list(map(Position._make, found))
            yield batch
            last = batch[-1].user

    async def resolve(self, names: Sequence[str]) -> dict[str, str]:
        found = await self._all(
            "resolve names",
            "SELECT name, user FROM names WHERE name IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            as_json(names),
        )
        return dict(found)

    async def named(self, words: Sequence[str]) -> set[str]:
        """See Store; on a connection that nobody else waits for, for it is the one query that is not short."""
        what, missing = "look through the actors", {word: word.encode() for word in words}
        cursor = await self._health.patiently(what, lambda: self._connection.execute("SELECT state FROM actors"))
        try:
            # `instr` takes 2.4 ns a byte and word, this about 0.6.
            while missing and (rows := await self._health.patiently(what, lambda: cursor.fetchmany(SCAN_ACTORS))):
                for word in await asyncio.to_thread(_occurring, [state for (state,) in rows], missing):
                    del missing[word]
        finally:
            await cursor.close()
        return set(words) - missing.keys()

    async def dues(self) -> AsyncIterator[list[Due]]:
        user, due = "", 0
        while found := await self._all(
            "read the timers",
            "SELECT user, due FROM actors WHERE due IS NOT NULL AND (due, user) > (?, ?) ORDER BY due, user LIMIT ?",
            due,
            user,
            BATCH_ROWS,
        ):
            yield list(map(Due._make, found))
            user, due = found[-1]

    async def tail(self, after: int, until: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        head = (await self.head()).seq
        last = head if until is None else min(until, head)
        at = await self._block_of(after + 1) if after < last else head + 1
        while at <= last:
            batch: list[JournalEntry] = []
            for row in await self._blocks(at, await self._end_of_batch(at, min(at + BATCH_ROWS, last + 1))):
                if row[0] != at:
                    break
                batch += blocks.unseal(row)
                at = batch[-1].seq + 1
            if not batch:
                raise blocks.missing(at)
            if batch[0].seq <= after or batch[-1].seq > last:
                batch = [entry for entry in batch if after < entry.seq <= last]
            yield batch

    async def history(self, user: str) -> AsyncIterator[list[JournalEntry]]:
        if not user:
            async for changes in self._changes():
                yield changes
        last = (await self.head()).seq
        at = await self._first()
        where, parameter, span = self._whose(user)
        while at <= last:
            until = min(at + span, last + 1)
            found = await self._blocks(at, until, where, parameter, limit=HITS)
            entries = [entry for row in found for entry in blocks.unseal(row) if entry.event.user == user]
            if entries:
                yield entries
            at = found[-1][0] + found[-1][1] if len(found) == HITS else until

    async def _changes(self) -> AsyncIterator[list[JournalEntry]]:
        """What operators changed in the part of the journal that was cut off."""
        after = 0
        sql = "SELECT seq, entry FROM changes WHERE seq > ? ORDER BY seq LIMIT ?"
        while found := await self._all("read the changes", sql, after, HITS):
            yield [rows.change(row) for row in found]
            after = found[-1][0]

    def _whose(self, user: str) -> tuple[str, object, int]:
        """How blocks with something of a user are found: condition, its parameter, entries to look through at once."""
        if not user:
            return _OPERATORS, 0, _EVERYTHING
        if self._users_indexed:
            [indexed] = msgspec.json.decode(as_json([user]))
            return "first_seq IN (SELECT first_seq FROM journal_users WHERE user = ?)", indexed, _EVERYTHING
        # The name as it lies in the block; another text may have the same bytes, so the entries are looked at as well.
        return "instr(entries, ?) > 0", blocks.encode(user), SCAN_ENTRIES

    async def _blocks(
        self, at: int, until: int, where: str = "? IS NULL", parameter: object = None, *, limit: int = _EVERYTHING
    ) -> list[Any]:
        """Blocks that begin at `at` or after and before `until`, in order."""
        return await self._all(
            "read the journal",
            f"SELECT {blocks.COLUMNS} FROM journal WHERE first_seq >= ? AND first_seq < ? AND {where} "
            "ORDER BY first_seq LIMIT ?",
            at,
            until,
            parameter,
            limit,
        )

    async def _end_of_batch(self, at: int, until: int) -> int:
        """Where a batch of blocks from `at` ends for its bytes, `until` if they are few. No entry is read."""
        sql = "SELECT first_seq, length(entries) FROM journal WHERE first_seq >= ? AND first_seq < ? ORDER BY first_seq"
        size = 0
        for first, length in await self._all("measure the journal", sql, at, until):
            if size > BATCH_BYTES:
                assert isinstance(first, int)
                return first
            size += length or 0  # of a torn row, NULL
        return until

    async def _block_of(self, seq: int) -> int:
        """Where the block begins that holds `seq`, or the journal, if it begins after."""
        sql = "SELECT max(first_seq) FROM journal WHERE first_seq <= ?"
        [(first,)] = await self._all("read the journal", sql, seq)
        return first or await self._first()

    async def _first(self) -> int:
        [(first,)] = await self._all("read the journal", "SELECT min(first_seq) FROM journal")
        return first or 1

    async def ledger(self, *, user: str | None = None, campaign: str | None = None, limit: int = 100) -> list[Decision]:
        return [rows.decision(row) for row in await self._ledger({"user = ?": user, "campaign = ?": campaign}, limit)]

    async def whole_ledger(self, campaign: str | None = None) -> AsyncIterator[list[Decision]]:
        where, at, row = {"campaign = ?": campaign}, INT_MAX, INT_MAX
        while found := await self._ledger(where, BATCH_ROWS, at, row):
            batch = [rows.decision(each) for each in found]
            yield batch
            at, row = batch[-1].at, found[-1][0]

    async def _ledger(self, where: Mapping[str, str | None], limit: int, *before: int) -> list[Any]:
        """Newest first, those before (at, row). Many rows may have one `at`."""
        given = {condition: value for condition, value in where.items() if value is not None}
        conditions = [*given, "(at, row) < (?, ?)"] if before else [*given]
        clause = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = f"SELECT {rows.DECISION} FROM ledger {clause} ORDER BY at DESC, row DESC LIMIT ?"
        return await self._all("read the ledger", sql, *given.values(), *before, limit)

    async def due_sends(self, now: int, limit: int) -> list[Outboxed]:
        return await self._outbox(f"WHERE {await self._may_go()} AND due <= ? ORDER BY due, row LIMIT ?", now, limit)

    async def next_send_due(self) -> int | None:
        [(due,)] = await self._all("read the outbox", f"SELECT min(due) FROM outbox WHERE {await self._may_go()}")
        assert due is None or isinstance(due, int)
        return due

    async def _may_go(self) -> str:
        """While it is on hold the outbox is long, and what was released of it is little."""
        return f"id IN (SELECT send FROM released) AND {_WAITING}" if await self.hold() else _WAITING

    async def waiting(self) -> AsyncIterator[list[Outboxed]]:
        due, name = -1, ""
        where = f"WHERE {_WAITING} AND (due, id) > (?, ?) ORDER BY due, id LIMIT ?"
        while batch := await self._outbox(where, due, name, SENDS):
            yield batch
            due, name = batch[-1].due, batch[-1].send.id

    async def hold(self) -> Hold | None:
        found = await self._all("read the hold", "SELECT at, reason FROM hold")
        return Hold(*found[0]) if found else None

    async def moves(self) -> int:
        """How many commits have changed something in the outbox."""
        [(moves,)] = await self._all("read the head", "SELECT moves FROM meta")
        assert isinstance(moves, int)
        return moves

    async def sends(self, ids: Sequence[str]) -> dict[str, Outboxed]:
        found = await self._outbox("WHERE id IN (SELECT value FROM json_each(CAST(? AS TEXT)))", as_json(ids))
        return {each.send.id: each for each in found}

    async def in_state(self, state: SendState, limit: int) -> list[Outboxed]:
        return await self._outbox("WHERE state = ? ORDER BY at, row LIMIT ?", state, limit)

    async def _outbox(self, where: str, *parameters: object) -> list[Outboxed]:
        sql = f"SELECT {rows.OUTBOXED} FROM outbox {where}"
        return [rows.outboxed(row) for row in await self._all("read the outbox", sql, *parameters)]

    async def suppressed(self, addresses: Sequence[str]) -> dict[str, list[Suppression]]:
        found = await self._all(
            "read the suppressions",
            "SELECT asked.value, address, reason, at, topic FROM json_each(CAST(? AS TEXT)) AS asked "
            "CROSS JOIN suppressions ON address = asked.value ORDER BY asked.key, topic",
            as_json(list(dict.fromkeys(addresses))),
        )
        suppressed: dict[str, list[Suppression]] = {}
        for asked, *row in found:
            suppressed.setdefault(asked, []).append(Suppression(*row))
        return suppressed

    async def link(self, send: str, index: int) -> Link | None:
        sql = "SELECT send, idx, url, name FROM links WHERE send = ? AND idx = ?"
        found = await self._all("read a link", sql, send, index)
        return Link(*found[0]) if found else None

    async def programs(self, hashes: Sequence[str]) -> dict[str, bytes]:
        found = await self._all(
            "read the programs",
            "SELECT hash, CAST(source AS BLOB) FROM programs WHERE hash IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            as_json(hashes),
        )
        return dict(found)

    async def held(self) -> list[Held]:
        sql = f"SELECT {rows.HELD} FROM held ORDER BY at, user"
        return [rows.held(row) for row in await self._all("read who is held", sql)]

    async def quarantined(self, user: str | None = None) -> list[Quarantined]:
        where = "" if user is None else "WHERE user = ?"
        sql = f"SELECT {rows.QUARANTINED} FROM quarantine {where} ORDER BY row"
        given = () if user is None else (user,)
        return [rows.quarantined(row) for row in await self._all("read the quarantine", sql, *given)]

    async def unsettled(self) -> dict[SendState, int]:
        one = "SELECT ?, (SELECT count(*) FROM outbox WHERE state = ?)"
        asked = [state for state in UNSETTLED for _ in range(2)]
        return dict(await self._all("count", " UNION ALL ".join([one] * len(UNSETTLED)), *asked))

    async def users(self) -> int:
        # By the index of their names.
        [[count]] = await self._all(
            "count the users", "SELECT count(user) FROM actors INDEXED BY sqlite_autoindex_actors_1"
        )
        return int(count)

    async def counts(self) -> dict[str, int]:
        tables = ", ".join(f"(SELECT count(*) FROM {table})" for table in _COUNTED)
        [counted] = await self._all("count", f"SELECT {tables}")
        by_state = dict(await self._all("count", "SELECT state, count(*) FROM outbox GROUP BY state"))
        return {
            # The journal has no gaps, so nothing needs counting there.
            "journal": (await self.head()).seq + 1 - await self._first(),
            **dict(zip(_COUNTED, counted, strict=True)),
            **{f"outbox.{state}": by_state.get(state, 0) for state in get_args(SendState)},
        }


def _occurring(states: list[bytes], words: dict[str, bytes]) -> list[str]:
    together = b"\n".join(states)
    return [word for word, data in words.items() if data in together]
