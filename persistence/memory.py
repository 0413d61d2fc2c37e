"""The store in plain Python: for tests and for runs that nothing has to survive.

It keeps the same contract as SQLite, held by the same suite; a commit is durable as soon as it is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final, TypeVar, get_args

import msgspec

from actors.model.turn import Decision
from persistence.interface import (
    UNSETTLED,
    Commit,
    Due,
    Held,
    Hold,
    Journal,
    JournalEntry,
    JournalHead,
    Link,
    Mark,
    Outboxed,
    Position,
    Quarantined,
    RowsRefused,
    SendState,
    Snapshot,
    StoreError,
    Suppression,
)
from persistence.packing import REPLY_CHARACTERS_MAX
from persistence.refusing import refused_snapshots

ARROWS: Final[Mapping[SendState, frozenset[SendState]]] = {
    "pending": frozenset({"claimed", "failed"}),
    "claimed": frozenset({"at_dot", "retry", "failed"}),
    "at_dot": frozenset({"sent", "retry", "failed", "unknown"}),
    "retry": frozenset({"claimed", "failed"}),
    "unknown": frozenset({"retry"}),
    "sent": frozenset(),
    "failed": frozenset(),
}
"""The same arrows as the trigger in `schema.sql`."""

WAITING: Final = ("pending", "retry")

BATCH_ROWS: Final = 1_000

T = TypeVar("T")


class MemoryStore:
    def __init__(self) -> None:
        self._open = False
        self._journal: list[JournalEntry] = []
        self._cut_off = 0
        """Entries that are not in `_journal` any more."""
        self._changes: list[JournalEntry] = []
        self._replay_from = 0
        self._actors: dict[str, Snapshot] = {}
        self._ledger: dict[tuple[str, int, int], Decision] = {}
        self._outbox: dict[str, Outboxed] = {}
        self._names: dict[str, str] = {}
        self._suppressions: dict[tuple[str, str], Suppression] = {}
        self._links: dict[tuple[str, int], Link] = {}
        self._programs: dict[str, bytes] = {}
        self._held: dict[str, Held] = {}
        self._hold: Hold | None = None
        self._released: set[str] = set()
        self._quarantine: dict[tuple[str, str], Quarantined] = {}

    async def open(self) -> JournalHead:
        assert not self._open, "the store is open already"
        self._open = True
        return await self.head()

    async def head(self) -> JournalHead:
        self._check()
        last = self._journal[-1] if self._journal else None
        return JournalHead(
            seq=last.seq if last else 0,
            at=last.at if last else 0,
            replay_from=self._replay_from,
            begins=self._cut_off + 1,
        )

    async def close(self) -> None:
        self._open = False

    def crash(self) -> None:
        """As if the process had died: it is closed without a word, and holds every commit when it is opened again."""
        self._open = False

    def _check(self) -> None:
        if not self._open:
            raise StoreError("the store is not open")

    async def commit(self, commit: Commit) -> None:
        self._check()
        # First what may refuse, so that a refused commit leaves nothing behind.
        for seq, entry in enumerate(commit.entries, self._cut_off + len(self._journal) + 1):
            assert entry.seq == seq, f"entry {entry.seq} where {seq} is next in the journal"
        if refused := refused_snapshots(commit):
            raise RowsRefused(refused)
        self._journal += commit.entries
        for decision in commit.decisions:
            self._ledger.setdefault((decision.user, decision.turn, decision.index), decision)
        for send in commit.sends:
            waiting = Outboxed(send=send, state="pending", attempts=0, due=send.at, boot="", reply="")
            self._outbox.setdefault(send.id, waiting)
        self._names.update(commit.names)
        self._actors.update((snapshot.user, snapshot) for snapshot in commit.snapshots)
        for user in commit.gone:
            self._actors.pop(user, None)
        self._replay_from = max(self._replay_from, commit.replayed_from or 0)
        for mark in commit.marks:
            self._move(mark)
        for suppression in commit.suppressions:
            self._suppressions.setdefault((suppression.address.lower(), suppression.topic), suppression)
        self._links.update(((link.send, link.index), link) for link in commit.links)
        for program in commit.programs:
            self._programs.setdefault(program.hash, program.source)
        for user in commit.freed:
            self._held.pop(user, None)
        for held in commit.held:
            self._held.setdefault(held.user, held)
        for key in commit.dismissed:
            self._quarantine.pop(key, None)
        for each in commit.quarantined:
            self._quarantine.setdefault((each.user, each.event.message_id), each)
        # A real commit lets others run before it returns; one that did not would hide what happens meanwhile.
        await asyncio.sleep(0)

    def _move(self, mark: Mark) -> None:
        held = self._outbox.get(mark.id)
        if held is None or mark.state not in ARROWS[held.state]:
            return
        claims = mark.state == "claimed"
        self._outbox[mark.id] = msgspec.structs.replace(
            held,
            state=mark.state,
            attempts=held.attempts + claims,
            boot=mark.boot if claims else held.boot,
            due=(mark.at if mark.due is None else mark.due) if mark.state == "retry" else held.due,
            reply=held.reply if mark.state in ("claimed", "at_dot") else mark.reply[:REPLY_CHARACTERS_MAX],
        )

    async def check(self) -> None:
        self._check()

    async def journal(self) -> Journal:
        self._check()
        size = sum(map(_size, self._journal))
        first = self._journal[0].at if self._journal else 0
        return Journal(begins_at=first, entries=len(self._journal), bytes=size)

    async def cut(self, seq: int, at: int) -> int:
        self._check()
        old = list(takewhile(lambda entry: entry.seq <= seq and entry.at < at, self._journal[:-1]))[:BATCH_ROWS]
        self._changes += [entry for entry in old if not entry.event.user]
        self._cut_off += len(old)
        del self._journal[: len(old)]
        return sum(map(_size, old))

    async def load(self, users: Sequence[str]) -> dict[str, Snapshot]:
        self._check()
        return {user: self._actors[user] for user in users if user in self._actors}

    async def positions(self) -> AsyncIterator[list[Position]]:
        self._check()
        last = ""
        while batch := self._positions(last):
            yield batch
            last = batch[-1].user

    def _positions(self, last: str) -> list[Position]:
        names = sorted(user.encode() for user in self._actors if user.encode() > last.encode())[:BATCH_ROWS]
        return [Position(name.decode(), self._actors[name.decode()].position) for name in names]

    async def named(self, words: Sequence[str]) -> set[str]:
        self._check()
        return {word for word in words if any(word.encode() in each.state for each in self._actors.values())}

    async def resolve(self, names: Sequence[str]) -> dict[str, str]:
        self._check()
        return {name: self._names[name] for name in names if name in self._names}

    async def dues(self) -> AsyncIterator[list[Due]]:
        self._check()
        due = [Due(each.user, each.due) for each in self._actors.values() if each.due is not None]
        for batch in _batches(due):
            yield batch

    async def tail(self, after: int, until: int | None = None) -> AsyncIterator[list[JournalEntry]]:
        self._check()
        until = self._cut_off + len(self._journal) if until is None else until
        for batch in _batches(self._journal[max(0, after - self._cut_off) : max(0, until - self._cut_off)]):
            yield batch

    async def history(self, user: str) -> AsyncIterator[list[JournalEntry]]:
        self._check()
        before = [] if user else self._changes
        for batch in _batches([*before, *(entry for entry in self._journal if entry.event.user == user)]):
            yield batch

    async def ledger(self, *, user: str | None = None, campaign: str | None = None, limit: int = 100) -> list[Decision]:
        self._check()
        return self._newest(user, campaign)[:limit]

    async def whole_ledger(self, campaign: str | None = None) -> AsyncIterator[list[Decision]]:
        self._check()
        for batch in _batches(self._newest(None, campaign)):
            yield batch

    def _newest(self, user: str | None, campaign: str | None) -> list[Decision]:
        found = [
            row
            for row in reversed(self._ledger.values())
            if (user is None or row.user == user) and (campaign is None or row.campaign == campaign)
        ]
        return sorted(found, key=lambda row: -row.at)

    async def due_sends(self, now: int, limit: int) -> list[Outboxed]:
        self._check()
        return sorted((each for each in self._may_go() if each.due <= now), key=lambda each: each.due)[:limit]

    async def next_send_due(self) -> int | None:
        self._check()
        return min((each.due for each in self._may_go()), default=None)

    def _may_go(self) -> list[Outboxed]:
        waiting = [each for each in self._outbox.values() if each.state in WAITING]
        return waiting if self._hold is None else [each for each in waiting if each.send.id in self._released]

    async def waiting(self) -> AsyncIterator[list[Outboxed]]:
        self._check()
        last = (-1, "")
        while batch := self._waiting(last):
            yield batch
            last = batch[-1].due, batch[-1].send.id

    def _waiting(self, last: tuple[int, str]) -> list[Outboxed]:
        waiting = {(each.due, each.send.id): each for each in self._outbox.values() if each.state in WAITING}
        return [waiting[place] for place in sorted(waiting) if place > last][:BATCH_ROWS]

    async def hold(self) -> Hold | None:
        self._check()
        return self._hold

    async def put_on_hold(self, hold: Hold) -> None:
        self._check()
        self._hold = self._hold or hold

    async def release(self, sends: Sequence[str] | None) -> None:
        self._check()
        if sends is None:
            self._hold = None
            self._released.clear()
        else:
            self._released.update(sends)

    async def sends(self, ids: Sequence[str]) -> dict[str, Outboxed]:
        self._check()
        return {name: self._outbox[name] for name in ids if name in self._outbox}

    async def in_state(self, state: SendState, limit: int = 1000) -> list[Outboxed]:
        self._check()
        found = [each for each in self._outbox.values() if each.state == state]
        return sorted(found, key=lambda each: each.send.at)[:limit]

    async def suppressed(self, addresses: Sequence[str]) -> dict[str, list[Suppression]]:
        self._check()
        by_address: dict[str, list[Suppression]] = {}
        for (folded, _topic), suppression in sorted(self._suppressions.items()):
            by_address.setdefault(folded, []).append(suppression)
        return {asked: by_address[asked.lower()] for asked in addresses if asked.lower() in by_address}

    async def link(self, send: str, index: int) -> Link | None:
        self._check()
        return self._links.get((send, index))

    async def programs(self, hashes: Sequence[str]) -> dict[str, bytes]:
        self._check()
        return {name: self._programs[name] for name in hashes if name in self._programs}

    async def held(self) -> list[Held]:
        self._check()
        return sorted(self._held.values(), key=lambda held: (held.at, held.user))

    async def quarantined(self, user: str | None = None) -> list[Quarantined]:
        self._check()
        return [each for each in self._quarantine.values() if user is None or each.user == user]

    async def unsettled(self) -> dict[SendState, int]:
        self._check()
        states = [each.state for each in self._outbox.values()]
        return {state: states.count(state) for state in UNSETTLED}

    async def users(self) -> int:
        self._check()
        return len(self._actors)

    async def counts(self) -> dict[str, int]:
        self._check()
        tables: dict[str, int] = {
            "journal": len(self._journal),
            "actors": len(self._actors),
            "ledger": len(self._ledger),
            "outbox": len(self._outbox),
            "programs": len(self._programs),
            "names": len(self._names),
            "suppressions": len(self._suppressions),
            "links": len(self._links),
            "held": len(self._held),
            "quarantine": len(self._quarantine),
            "changes": len(self._changes),
        }
        states = [each.state for each in self._outbox.values()]
        return tables | {f"outbox.{state}": states.count(state) for state in get_args(SendState)}


def _batches(rows: Sequence[T]) -> Iterable[list[T]]:
    for start in range(0, len(rows), BATCH_ROWS):
        yield list(rows[start : start + BATCH_ROWS])


def _size(entry: JournalEntry) -> int:
    return len(msgspec.msgpack.encode(entry))
