"""What the store knows of one user: the journal (also from before the user had a name), the ledger, and the programs
that the journal was written under."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from actors.actor import unpack
from actors.identity import visitor_of
from actors.model.program import Program
from actors.model.state import Actor
from actors.model.turn import Decision
from language.compiler.compile import compile_site, version_of
from language.load import read_site
from language.syntax import ast
from persistence import program_periods
from persistence.interface import JournalEntry, Outboxed, StoreError, StoreReader

LEDGER_MAX: Final = 1_000
"""Newest rows of the user that are read."""


class KnownPrograms(msgspec.Struct, frozen=True):
    """A site and its program."""

    site: ast.Site
    program: Program


class Period(msgspec.Struct, frozen=True):
    """From journal position `seq` on, stamped `at`, this counted. The first holds from the beginning."""

    seq: int
    at: int
    known: KnownPrograms


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    entries: list[JournalEntry]
    """In order, those of visitors who turned out to be the user among them."""
    joined: frozenset[str]
    """Anonymous names that became this user, and nobody else before."""
    epochs: list[Period]
    rows: list[Decision]
    """Oldest first."""
    outbox: Mapping[str, Outboxed] = {}
    """Message -> how it stands, of those that were sent; empty for a moment of the past."""
    start: Actor | None = None
    """Where the fold begins, if the journal does not reach back to the beginning."""
    complete: bool = True
    """Whether the journal reaches back to the beginning."""
    begins_at: int = 0
    """Stamp of its first entry, 0 if there is none."""

    @property
    def latest(self) -> int:
        """When the last of it came, in ms."""
        return max([0, *(entry.at for entry in self.entries[-1:]), *(row.at for row in self.rows[-1:])])


_recorded = msgspec.json.Decoder(program_periods.ProgramBeginning).decode


def known_site(site: ast.Site) -> KnownPrograms:
    return KnownPrograms(site, compile_site(site))


async def recall(
    store: StoreReader, user: str, current: KnownPrograms | None, at: int | None = None
) -> Recalled | None:
    """All that is known of the user up to `at`; None if nothing ever was heard.

    `current` is the site that is explained if the journal does not say which counted. Raises StoreError.
    """
    owner = (await store.resolve([user])).get(user, user)
    own = await _history(store, owner, at)
    if owner != user and not any(visitor_of(entry.event) == user for entry in own):
        owner, own = user, await _history(store, user, at)  # at that time nobody knew who the visitor was
    names = {name for entry in own if (name := visitor_of(entry.event))}
    owners = await store.resolve(sorted(names))
    joined = frozenset(name for name in names if owners.get(name, owner) == owner)
    entries = sorted([*own, *[one for name in joined for one in await _history(store, name, at)]], key=_seq)
    rows = [row for name in (owner, *sorted(joined)) for row in await store.ledger(user=name, limit=LEDGER_MAX)]
    rows = sorted((row for row in rows if at is None or row.at <= at), key=lambda row: (row.at, row.turn, row.index))
    first = await _first(store)
    complete = first is not None and first.seq == 1
    start = None if complete else await _start(store, owner, at)
    if not entries and not rows and start is None:
        return None
    if start is not None:
        entries = [entry for entry in entries if entry.seq > start.position]
    return Recalled(
        user=owner,
        entries=entries,
        joined=joined,
        epochs=await _periods(store, current, at),
        rows=rows,
        outbox=await store.sends([row.message for row in rows if row.decision == "sent" and row.message])
        if at is None
        else {},
        start=start,
        complete=complete,
        begins_at=first.at if first is not None else 0,
    )


def _seq(entry: JournalEntry) -> int:
    return entry.seq


async def _history(store: StoreReader, user: str, at: int | None) -> list[JournalEntry]:
    return [entry async for batch in store.history(user) for entry in batch if at is None or entry.at <= at]


async def _first(store: StoreReader) -> JournalEntry | None:
    """Where the journal begins."""
    async for batch in store.tail(0):
        return batch[0]
    return None


async def _start(store: StoreReader, user: str, at: int | None) -> Actor | None:
    """The newest snapshot, unless it is younger than the moment in question."""
    snapshot = (await store.load([user])).get(user)
    if snapshot is None:
        return None
    actor = unpack(snapshot.state)
    return actor if at is None or max(actor.last_seen, actor.last_entered) <= at else None


async def _periods(store: StoreReader, current: KnownPrograms | None, at: int | None) -> list[Period]:
    records = [
        program_periods.ProgramPeriod(entry.seq, entry.at, _recorded(entry.event.body))
        async for batch in store.history("")
        for entry in batch
        if entry.event.kind == "program" and (at is None or entry.at <= at)
    ]
    if not records:
        if current is None:
            raise StoreError("the journal does not say which site it was written under: give the site")
        return [Period(0, 0, current)]
    known = await _sites(store, list(dict.fromkeys(record.body.hash for record in records)), current)
    joined = program_periods.ProgramPeriods(
        {name: one.program for name, one in known.items()}, records, known[records[0].body.hash].program
    )
    return [
        Period(record.seq, record.at, KnownPrograms(known[record.body.hash].site, joined.under(record.seq + 1)[0]))
        for record in records
    ]


async def _sites(store: StoreReader, hashes: list[str], current: KnownPrograms | None) -> dict[str, KnownPrograms]:
    sources = await store.programs(hashes)
    found = {}
    for name in hashes:
        if current is not None and name == current.program.hash:
            found[name] = current
        elif name not in sources:
            raise StoreError(f"program {name} of the journal is not stored: restore a backup")
        else:
            found[name] = known_source(sources[name])
    return found


@lru_cache(maxsize=32)
def known_source(source: bytes) -> KnownPrograms:
    """The site of a program's stored sources. Raises SiteErrors."""
    files: list[tuple[str, str]] = msgspec.json.decode(source, type=list[tuple[str, str]])
    return known_site(read_site({file: text.encode() for file, text in files}, stored=True).site)


def campaigns_by_version(epochs: Iterable[Period]) -> dict[str, tuple[ast.Site, ast.Campaign]]:
    """Every version of a campaign that a run may be pinned to, with the site it stood in."""
    return {
        version_of(campaign, epoch.known.site.profile): (epoch.known.site, campaign)
        for epoch in epochs
        for campaign in epoch.known.site.campaigns
    }
