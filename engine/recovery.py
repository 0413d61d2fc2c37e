"""What the disk says, brought back to memory: at the start, and for single actors whose state was lost.

State is the fold of the journal over the snapshots, so taking an input again gives what it gave before, and nothing of
it has to be written: its decisions and sends were committed with it. Timers that had fired fire again later, if the
actor's snapshot is older; they write the same rows under the same ids, which the store ignores.

Each part of the journal is taken again under the program that counted then. Where another began, the timers due before
that fire first, under the old one, as they did then.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Set
from typing import Final

from actors.actor import Actor, fire
from actors.alarms import Alarms
from actors.model.program import Program
from actors.taking import take_entry
from engine.loading import read
from engine.memory.gc_pause import uncollected
from engine.residence import Residence, reason_of
from persistence.interface import Commit, JournalEntry, JournalHead, RowsRefused, Store, StoreError
from persistence.program_periods import ProgramPeriods, is_beginning

log = logging.getLogger(__name__)

SLICE_USERS: Final = 2_000
"""Whose timers fire at once where another program began."""


async def arm(store: Store, alarms: Alarms) -> None:
    """The index of due times, from the snapshots alone: no state is decoded."""
    with uncollected():
        async for dues in store.dues():
            alarms.fill(dues)
        alarms.order()


async def replay(store: Store, head: JournalHead, residence: Residence, alarms: Alarms, eras: ProgramPeriods) -> int:
    """Take the journal's tail again. Memory stays within its limits: who leaves it is written. Returns the inputs taken."""
    taken = 0
    with uncollected():
        async for entries in store.tail(head.replay_from):
            for part in _parts(entries):
                if is_beginning(part[0]):
                    _arm_again(residence, alarms, residence.snapshots.changed)
                    await _fire_before(store, part[0], residence, alarms, eras)
                else:
                    taken += await _again(store, part, residence, eras)
                    await _trim(store, residence)
    _arm_again(residence, alarms, residence.snapshots.changed)
    return taken


async def _trim(store: Store, residence: Residence) -> None:
    evicted = Commit()
    residence.shrink(evicted)
    while evicted.snapshots:
        try:
            await store.commit(evicted)
        except RowsRefused as refused:
            for user, why in refused.users.items():
                residence.hold(user, f"the database refuses it: {why}")
            evicted.snapshots = [each for each in evicted.snapshots if each.user not in refused.users]
        else:
            residence.snapshots.settle(evicted)
            return


async def _fire_before(
    store: Store, beginning: JournalEntry, residence: Residence, alarms: Alarms, eras: ProgramPeriods
) -> None:
    """All timers due before another program began fire under the one before it."""
    program, _ = eras.under(beginning.seq)
    past: list[str] = []
    while ringing := alarms.pop_due(beginning.at - 1, SLICE_USERS):
        await bring(store, [user for _, user in ringing], residence)
        for _, user in ringing:
            actor = residence.find(user)
            if actor is None:
                continue  # it was joined into another, who has its timers; or it is held, and they rest
            if actor.position >= beginning.seq or not _fired(actor, beginning.at - 1, program):
                past.append(user)
                continue
            residence.snapshots.changed.add(user)
            alarms.set(user, actor.due)
        await _trim(store, residence)
    _arm_again(residence, alarms, set(past))


def _parts(entries: list[JournalEntry]) -> Iterator[list[JournalEntry]]:
    """The entries in their order, each beginning of a program by itself."""
    start = 0
    for place, entry in enumerate(entries):
        if is_beginning(entry):
            if start < place:
                yield entries[start:place]
            yield [entry]
            start = place + 1
    if start < len(entries):
        yield entries[start:]


async def rebuild(
    store: Store, users: Set[str], after: int, residence: Residence, alarms: Alarms, eras: ProgramPeriods
) -> None:
    """These users as the disk has them, and nothing else: their snapshots and what the journal holds after `after`. Who is
    held stays away."""
    users = users - residence.held.keys()
    names = sorted(users)
    moved, found = await read(store, names)
    parts = [
        part
        async for entries in store.tail(after)
        for part in _parts([entry for entry in entries if entry.event.user in users or is_beginning(entry)])
    ]
    # From here on nothing is awaited: an actor that is half rebuilt must not be seen, by an input or by a snapshot.
    for name, user in moved.items():
        residence.learn_name(name, user)
    for user in names:
        if user not in moved:
            residence.arrive(user, found.get(user))
    for part in parts:
        if is_beginning(part[0]):
            _fire_theirs_before(part[0], users, residence, eras)
        else:
            _take_again(part, residence, eras)
    _arm_again(residence, alarms, users)


def _fire_theirs_before(beginning: JournalEntry, users: Set[str], residence: Residence, eras: ProgramPeriods) -> None:
    program, _ = eras.under(beginning.seq)
    for user in users:
        actor = residence.peek(user)
        if actor is not None and actor.position < beginning.seq and 0 < actor.due < beginning.at:
            _fired(actor, beginning.at - 1, program)


def _fired(actor: Actor, until: int, program: Program) -> bool:
    """False: its timers failed, as they did when they were first due; one user's fault must not keep the engine from
    starting."""
    try:
        fire(actor, until, program)
    except Exception:
        log.exception("actor %r failed on its timers, due before %d", actor.user, until)
        return False
    return True


def _arm_again(residence: Residence, alarms: Alarms, users: Set[str]) -> None:
    for user in users:
        actor = residence.peek(user)
        if actor is not None:
            alarms.rearm(user, actor.due)


async def bring(store: Store, users: Iterable[str], residence: Residence) -> None:
    """Those of the users who are not in memory come in, in one query."""
    missing = {user for user in users if not residence.holds(user)}
    if missing:
        moved, found = await read(store, sorted(missing))
        for name, user in moved.items():
            residence.learn_name(name, user)
        for user in missing - moved.keys():
            residence.arrive(user, found.get(user))


async def _again(store: Store, entries: list[JournalEntry], residence: Residence, eras: ProgramPeriods) -> int:
    """Bring in the actors of these entries, all of one program, and let them take what their snapshots do not hold."""
    await bring(store, [entry.event.user for entry in entries], residence)
    return _take_again(entries, residence, eras)


def _take_again(entries: list[JournalEntry], residence: Residence, eras: ProgramPeriods) -> int:
    """The actors of these entries are in memory."""
    program, began = eras.under(entries[0].seq)
    taken = 0
    find = residence.find
    changed = residence.snapshots.changed
    names, held = residence.names, residence.held
    for entry in entries:
        event = entry.event
        user = event.user
        if user in names or user in held:
            continue  # a visitor whose history is in the snapshot of who it turned out to be; or who takes no turns
        actor = find(user)
        assert actor is not None, f"{user!r} has left memory between two entries of one batch"
        if entry.seq <= actor.position:
            continue
        try:
            take_entry(actor, None, event, entry.at, entry.seq, program, began)
        except Exception as error:  # whatever is in the actor: it is this user's
            residence.hold(user, f"it failed on journal entry {entry.seq}, which it had taken: {reason_of(error)}")
            continue
        changed.add(user)
        taken += 1
    return taken


async def floor_of(store: Store, head: JournalHead) -> int:
    """No input may be stamped before this: past every input, and past every timer that is known to have fired."""
    newest = await store.ledger(limit=1)
    return max(head.at, newest[0].at + 1 if newest else 0)


def refuse_mixed_files(head: JournalHead) -> None:
    """A snapshot position past the journal's head means that files of two databases were mixed."""
    if head.replay_from > head.seq:
        raise StoreError(
            f"the snapshots are of journal position {head.replay_from}, but the journal ends at {head.seq}: "
            "the files are not of one database; restore a backup"
        )
    if head.begins > head.replay_from + 1 and head.seq:
        raise StoreError(
            f"the journal begins at entry {head.begins}, and it has to be taken again from {head.replay_from + 1} on: "
            "restore a backup"
        )
