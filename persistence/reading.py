"""All that is read, through a connection that cannot write. Every query is short: a long one would hold up the WAL's
checkpoint, and the cold actors that wait to be loaded."""

# ruff: noqa: S608 -- the pieces of SQL are constants of ours; what comes from outside goes in as parameters

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, get_args

import aiosqlite

from actors.turn import Decision
from persistence import rows
from persistence.faults import Health
from persistence.interface import Entry, Head, Outboxed, SendState, Snapshot, Suppression
from persistence.packing import as_json

BATCH_ROWS: Final = 2_000

SCAN_ROWS: Final = 50_000
"""Rows of the journal that one query of `history` looks through if there is no index on users: some 5 ms if they are cached."""

_ALL_ROWS: Final = 2**62

_COUNTED: Final = ("actors", "ledger", "outbox", "programs", "names", "suppressions", "links")


class Reader:
    """The reading half of the contract, over one connection."""

    def __init__(self, connection: aiosqlite.Connection, health: Health, *, users_indexed: bool) -> None:
        self._connection = connection
        self._health = health
        self._span = _ALL_ROWS if users_indexed else SCAN_ROWS

    async def _all(self, what: str, sql: str, *parameters: object) -> list[Any]:
        self._health.check()
        with self._health.watch(what):
            found = await self._connection.execute_fetchall(sql, parameters)
        return found if isinstance(found, list) else list(found)

    async def head(self) -> Head:
        [(replay_from,)] = await self._all("read the head", "SELECT replay_from FROM meta")
        last = await self._all("read the head", "SELECT seq, at FROM journal ORDER BY seq DESC LIMIT 1")
        seq, at = last[0] if last else (0, 0)
        return Head(seq=seq, at=at, replay_from=replay_from)

    async def load(self, users: Sequence[str]) -> dict[str, Snapshot]:
        found = await self._all(
            "load actors",
            f"SELECT {rows.SNAPSHOT} FROM actors WHERE user IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            as_json(users),
        )
        return {row[0]: rows.snapshot(row) for row in found}

    async def resolve(self, names: Sequence[str]) -> dict[str, str]:
        found = await self._all(
            "resolve names",
            "SELECT name, user FROM names WHERE name IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            as_json(names),
        )
        return dict(found)

    async def dues(self) -> AsyncIterator[list[tuple[str, int]]]:
        user, due = "", 0
        while batch := await self._all(
            "read the timers",
            "SELECT user, due FROM actors WHERE due IS NOT NULL AND (due, user) > (?, ?) ORDER BY due, user LIMIT ?",
            due,
            user,
            BATCH_ROWS,
        ):
            yield batch
            user, due = batch[-1]

    async def tail(self, after: int, until: int | None) -> AsyncIterator[list[Entry]]:
        last = until if until is not None else (await self.head()).seq
        while batch := await self._all(
            "read the journal",
            f"SELECT {rows.ENTRY} FROM journal WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            after,
            last,
            BATCH_ROWS,
        ):
            yield [rows.entry(row) for row in batch]
            after = batch[-1][0]

    async def history(self, user: str) -> AsyncIterator[list[Entry]]:
        last = (await self.head()).seq
        after = await self._before_first()
        while after < last:
            until = min(after + self._span, last)
            batch = await self._all(
                "read the journal of a user",
                f"SELECT {rows.ENTRY} FROM journal WHERE user = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                user,
                after,
                until,
                BATCH_ROWS,
            )
            if batch:
                yield [rows.entry(row) for row in batch]
            after = batch[-1][0] if len(batch) == BATCH_ROWS else until

    async def _before_first(self) -> int:
        first = await self._all("read the journal", "SELECT seq FROM journal ORDER BY seq LIMIT 1")
        return first[0][0] - 1 if first else 0

    async def ledger(self, user: str | None, campaign: str | None, limit: int, before: int | None) -> list[Decision]:
        wanted = {"user = ?": user, "campaign = ?": campaign, "at < ?": before}
        given = {condition: value for condition, value in wanted.items() if value is not None}
        where = f"WHERE {' AND '.join(given)}" if given else ""
        sql = f"SELECT {rows.DECISION} FROM ledger {where} ORDER BY at DESC, row DESC LIMIT ?"
        return [rows.decision(row) for row in await self._all("read the ledger", sql, *given.values(), limit)]

    async def due_sends(self, now: int, limit: int) -> list[Outboxed]:
        return await self._outbox(
            "WHERE state IN ('pending', 'retry') AND due <= ? ORDER BY due, row LIMIT ?", now, limit
        )

    async def next_send_due(self) -> int | None:
        sql = "SELECT min(due) FROM outbox WHERE state IN ('pending', 'retry')"
        [(due,)] = await self._all("read the outbox", sql)
        assert due is None or isinstance(due, int)
        return due

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

    async def link(self, send: str, index: int) -> str | None:
        found = await self._all("read a link", "SELECT url FROM links WHERE send = ? AND idx = ?", send, index)
        return found[0][0] if found else None

    async def programs(self, hashes: Sequence[str]) -> dict[str, bytes]:
        found = await self._all(
            "read the programs",
            "SELECT hash, CAST(source AS BLOB) FROM programs WHERE hash IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            as_json(hashes),
        )
        return dict(found)

    async def counts(self) -> dict[str, int]:
        tables = ", ".join(f"(SELECT count(*) FROM {table})" for table in _COUNTED)
        [counted] = await self._all("count", f"SELECT {tables}")
        by_state = dict(await self._all("count", "SELECT state, count(*) FROM outbox GROUP BY state"))
        return {
            # The journal has no gaps, so nothing needs counting there.
            "journal": (await self.head()).seq - await self._before_first(),
            **dict(zip(_COUNTED, counted, strict=True)),
            **{f"outbox.{state}": by_state.get(state, 0) for state in get_args(SendState)},
        }
