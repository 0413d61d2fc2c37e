"""Which program an input is taken under: the one that counted when it came, not a newer one.

A site's source is stored under its hash, and a journal entry of kind `program` says from where on it counts. Everything
before the entry, and every timer due before its stamp, is taken under the program before it; so state stays the fold of
the journal however often the site is changed, and recovery takes each part of the tail again under its own program.

Runs finish on the version of a campaign they entered with: each program is joined with the older ones, the newest of them
and those that somebody is still in, which the entry lists. Which of them is a function of the journal alone, so that the process that lived through the changes and the one that starts after them
join the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from actors.model.campaign_change import CampaignChange
from actors.model.event import Event
from actors.model.program import Campaign, Program
from persistence.interface import JournalEntry, StoreError, StoreReader

Compile = Callable[[bytes], Program]
"""Makes the program of a stored source."""

VERSIONS_MAX: Final = 32
"""Newest programs that are joined in any case, for what they ask to remember and for runs that entered under them. Only
programs that changed a campaign count."""

RUN_VERSIONS_MAX: Final = 256
"""Older versions of campaigns that are joined because runs are in them; past it the runs of the oldest end as `archived`.
Each costs a start 40 to 250 ms."""


class ProgramBeginning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of a `program` entry."""

    hash: str
    who: str = ""
    changes: tuple[CampaignChange, ...] = ()
    campaigns: dict[str, str] = {}
    """campaign -> its version, marked if it is not plainly live."""
    since: dict[int, int] = {}
    """Entry pattern that time may complete -> when it came in, in ms: no silence before that counts."""
    runs_in: tuple[str, ...] = ()
    """Older versions, in none of the newest programs, that runs were in when it began, those that came last first."""


class ProgramPeriod(msgspec.Struct, frozen=True):
    """A program's beginning, as the journal has it."""

    seq: int
    at: int
    body: ProgramBeginning


_decode = msgspec.json.Decoder(ProgramBeginning).decode
_encode = msgspec.json.encode


async def all_periods(store: StoreReader) -> list[ProgramPeriod]:
    """Every change of program, in order; the last counts now."""
    return [
        ProgramPeriod(entry.seq, entry.at, _decode(entry.event.body))
        async for entries in store.history("")
        for entry in entries
        if entry.event.kind == "program"
    ]


def is_beginning(entry: JournalEntry) -> bool:
    """Whether from this journal entry on another program counts."""
    return not entry.event.user


class ProgramPeriods:
    """The programs of a journal, and the one that counts for each of its entries."""

    def __init__(self, known: Mapping[str, Program], all_periods: Sequence[ProgramPeriod], otherwise: Program) -> None:
        """`known`: the programs by hash, all that `wanted` names. `otherwise` counts where the journal tells of none."""
        self._known = dict(known)
        self._records = list(all_periods)
        self._otherwise = otherwise
        self._joined: dict[int, Program] = {}

    @property
    def newest(self) -> str:
        """Hash of the program that counts now, "" if the journal tells of none."""
        return self._records[-1].body.hash if self._records else ""

    @property
    def current(self) -> Program:
        return self._under(len(self._records) - 1)

    @property
    def began(self) -> int:
        """Journal position at which the current program began."""
        return self._records[-1].seq if self._records else 0

    @property
    def waits_since(self) -> int:
        """Journal position at which the newest of the current program's entry patterns that time completes came into the
        site; 0: all have been there from the first program on."""
        newest = max(self.current.since.values(), default=0)
        return next((record.seq for record in reversed(self._records) if newest and record.at == newest), 0)

    def under(self, seq: int) -> tuple[Program, int]:
        """(the program under which journal entry `seq` is taken, the position at which that program began)"""
        number = len(self._records) - 1
        while number >= 0 and self._records[number].seq >= seq:
            number -= 1
        return self._under(number), self._records[number].seq if number >= 0 else 0

    def left_behind(self, program: Program) -> list[str]:
        """The versions that runs may be in now, and that would be joined no more if `program` began: those that came last
        first. Empty for most changes, and for sites that change seldom always."""
        if not self._records:
            return []
        marks = {campaign.id: _mark(campaign) for campaign in program.campaigns}
        newest = ProgramPeriod(self._records[-1].seq + 1, 0, ProgramBeginning(hash=program.hash, campaigns=marks))
        joined = {version for place in _newest([*self._records, newest]) for version in self._versions_of(place, marks)}
        age = {version: place for place in range(len(self._records)) for version in self._versions_of(place, marks)}
        behind = [
            version
            for version, campaign in self.current.versions.items()
            if version not in joined and version in age and campaign.id not in program.archived
        ]
        return sorted(behind, key=lambda version: (-age[version], version))

    def _versions_of(self, place: int, marks: Mapping[str, str]) -> list[str]:
        """Of the record at that place; past the last one, `marks` are its."""
        told = self._records[place].body.campaigns if place < len(self._records) else marks
        return [mark.removesuffix("~") for mark in told.values()]

    def next(
        self, program: Program, at: int, who: str, changes: tuple[CampaignChange, ...], runs_in: Sequence[str] = ()
    ) -> ProgramBeginning:
        """What the journal is to say of a program that begins at `at`. `runs_in`: those of `left_behind` that runs are in."""
        old = self.current if self._records else None
        return ProgramBeginning(
            hash=program.hash,
            who=who,
            changes=changes,
            campaigns={campaign.id: _mark(campaign) for campaign in program.campaigns},
            since={} if old is None else _since(program, old, at),
            runs_in=tuple(runs_in[:RUN_VERSIONS_MAX]),
        )

    def begin(self, program: Program, record: ProgramPeriod) -> Program:
        """From the record's position on `program` counts. Returns it as it counts, joined with the older ones."""
        self._known[program.hash] = program
        self._records.append(record)
        return self.current

    def back_to(self, seq: int) -> Program:
        """The beginnings after journal position `seq` did not happen."""
        while self._records and self._records[-1].seq > seq:
            self._joined.pop(len(self._records) - 1, None)
            self._records.pop()
        return self.current

    def _under(self, number: int) -> Program:
        """Of record `number`; of -1, before all all_periods: the first one's, for nothing was taken before it."""
        if not self._records:
            return self._otherwise
        number = max(number, 0)
        found = self._joined.get(number)
        if found is None:
            found = self._joined[number] = self._join(number)
        return found

    def _join(self, number: int) -> Program:
        program: Program | None = None
        for known in kept(self._records[: number + 1]):
            newer = self._known[known]
            program = newer if program is None else newer.with_versions(program)
        assert program is not None, "the newest record is always kept"
        return msgspec.structs.replace(program, since=self._records[number].body.since)


def kept(known: Sequence[ProgramPeriod]) -> list[str]:
    """Hashes of the programs that the newest of the all_periods is joined of, oldest first: the newest ones, and those of
    older versions that runs are in."""
    places = _newest(known)
    if not places:
        return []
    chosen = {known[place].body.hash for place in places}
    missing = set(known[-1].body.runs_in)
    for place in range(len(known) - 1, -1, -1):
        if not missing:
            break
        body = known[place].body
        found = missing & {mark.removesuffix("~") for mark in body.campaigns.values()}
        if found and body.hash not in chosen:
            chosen.add(body.hash)
            places.append(place)
        missing -= found
    return [known[place].body.hash for place in sorted(places)]


def _newest(known: Sequence[ProgramPeriod]) -> list[int]:
    """Places of the newest all_periods that each changed a campaign, the last one first."""
    places: list[int] = []
    hashes: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for place in range(len(known) - 1, -1, -1):
        body = known[place].body
        marks = set(body.campaigns.items())
        if body.hash in hashes or (places and marks and marks <= seen):
            continue
        places.append(place)
        hashes.add(body.hash)
        seen |= marks
        if len(places) == VERSIONS_MAX:
            break
    return places


def wanted(known: Sequence[ProgramPeriod], replay_from: int) -> set[str]:
    """Hashes of all programs that are needed to take the journal again after `replay_from`."""
    first = max((number for number, record in enumerate(known) if record.seq <= replay_from), default=0)
    return {one for number in range(first, len(known)) for one in kept(known[: number + 1])}


async def periods(
    store: StoreReader, replay_from: int, current: Program, compile_program: Compile | None
) -> ProgramPeriods:
    """The programs of the journal. Raises StoreError if one is not stored."""
    if compile_program is None:
        return ProgramPeriods({}, [], current)
    found = await all_periods(store)
    needed = wanted(found, replay_from)
    sources = await store.programs(sorted(needed - {current.hash}))
    programs = {current.hash: current}
    for known in needed - {current.hash}:
        if known not in sources:
            raise StoreError(f"program {known} of the journal is not stored: restore a backup")
        programs[known] = compile_program(sources[known])
    return ProgramPeriods(programs, found, current)


def entry(body: ProgramBeginning, seq: int, at: int) -> JournalEntry:
    """The journal entry of a program's beginning."""
    event = Event(user="", kind="program", message_id=f"program-{seq}", body=_encode(body))
    return JournalEntry(seq, at, event)


def _mark(campaign: Campaign) -> str:
    return campaign.version if campaign.is_live else f"{campaign.version}~"


def _since(program: Program, old: Program, at: int) -> dict[int, int]:
    before = {pattern.key for _, pattern in old.timed}
    return {
        pattern.key: old.since.get(pattern.key, 0) if pattern.key in before else at
        for _, pattern in program.timed
        if pattern.key not in before or pattern.key in old.since
    }
