"""The recorded journal through a changed site, beside the recorded version: two folds of the same inputs.

Both begin with the journal: the changed site as if it had always been there, the recorded one with all its changes in
their places. What they decided from `since` on is compared; what came before only made the state. Nothing is sent, and
the database is only read.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from actors.model.program import Program
from language.compiler.compile import compile_site
from language.syntax import ast
from persistence import program_periods
from persistence.interface import JournalEntry, StoreError, StoreReader
from replay.backtest.compare import BacktestDifference, compare
from replay.backtest.reach import require
from replay.backtest.side import Side, note_refusals
from replay.fold import Fold


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ms. `since` is never before the journal's first entry."""

    since: int
    until: int
    inputs: int
    """Taken from `since` on."""
    people: int
    left_out: dict[str, str]
    """User -> why his actor failed, on either side. From then on he is played on neither, and his messages are not compared."""
    campaigns: list[BacktestDifference]


async def backtest(
    store: StoreReader,
    site: ast.Site,
    since: int,
    *,
    compile_source: Callable[[bytes], Program],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Backtest:
    """Raises StoreError if there is nothing to play, TooShort if the journal does not reach back far enough.

    `progress` is told how many of the journal's entries have been played, now and then.
    """
    head = await store.head()
    first = await _first(store)
    require(site, first.seq, first.at, since)
    since = max(since, first.at)
    changed = compile_site(site)
    recorded = await _recorded(store, compile_source)
    before, after = Side(since), Side(since)
    old, new = Fold(recorded.under(first.seq + 1)[0], spares=True), Fold(changed, spares=True)
    inputs = 0
    async for entries in store.tail(first.seq - 1, head.seq):
        for entry in entries:
            if program_periods.is_beginning(entry):
                old.begin(recorded.under(entry.seq + 1)[0], entry.at, entry.seq)
                continue
            inputs += entry.at >= since
            old.take(entry)
            new.take(_renamed(entry, changed))
            _leave_out_on_both(old, new)
            _see(before, after, old, new)
        progress(entries[-1].seq - first.seq + 1, head.seq - first.seq + 1)
    for fold in (old, new):
        fold.until(head.at)
    _leave_out_on_both(old, new)
    _see(before, after, old, new)
    for side in (before, after):
        side.leave_out(new.left_out)
    return Backtest(
        since=since,
        until=head.at,
        inputs=inputs,
        people=len(new),
        left_out=dict(sorted(new.left_out.items())),
        campaigns=compare(
            before,
            after,
            {one.id for one in recorded.current.campaigns},
            {one.id for one in changed.campaigns},
        ),
    )


async def _first(store: StoreReader) -> JournalEntry:
    async for entries in store.tail(0):
        return entries[0]
    raise StoreError("the journal is empty: there is nothing to play")


async def _recorded(store: StoreReader, compile_source: Callable[[bytes], Program]) -> program_periods.ProgramPeriods:
    records = await program_periods.all_periods(store)
    if not records:
        raise StoreError("the journal does not say which site it was written under")
    hashes = sorted({record.body.hash for record in records})
    sources = await store.programs(hashes)
    missing = [known for known in hashes if known not in sources]
    if missing:
        raise StoreError(f"program {missing[0]} of the journal is not stored: restore a backup")
    known = {name: compile_source(source) for name, source in sources.items()}
    return program_periods.ProgramPeriods(known, records, known[records[0].body.hash])


def _see(before: Side, after: Side, old: Fold, new: Fold) -> None:
    """What came of one input, and of the time before it, on both sides."""
    was, is_now = old.drain(), new.drain()
    if was or is_now:
        note_refusals(before, after, was, is_now)
        before.see(was)
        after.see(is_now)


def _leave_out_on_both(old: Fold, new: Fold) -> None:
    """Whom one side cannot play the other must not: else all that it sends him would look like the change's doing."""
    if old.left_out or new.left_out:
        for one, other in ((old, new), (new, old)):
            for user, why in one.left_out.items() - other.left_out.items():
                other.leave_out(user, why)


def _renamed(entry: JournalEntry, program: Program) -> JournalEntry:
    """The changed site may call an event of the past by another name."""
    event = entry.event
    name = program.aliases.get(event.name)
    if name is None or name == event.name:
        return entry
    return msgspec.structs.replace(entry, event=msgspec.structs.replace(event, name=name))
