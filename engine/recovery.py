"""What the disk says, brought back to memory: at the start, and for single actors whose state was lost.

State is the fold of the journal over the snapshots, so taking an input again gives what it gave before, and nothing of
it has to be written: its decisions and sends were committed with it. Timers that had fired fire again later, if the
actor's snapshot is older; they write the same rows under the same ids, which the store ignores.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Set

from actors.actor import take
from actors.program import Program
from engine.alarms import Alarms
from engine.loading import read
from engine.residence import Residence
from persistence.interface import Commit, Entry, Head, Store, StoreError

log = logging.getLogger(__name__)


async def arm(store: Store, alarms: Alarms) -> None:
    """The index of due times, from the snapshots alone: no state is decoded."""
    enabled = gc.isenabled()
    gc.disable()  # a million small tuples that all stay: looking through them again and again would take longer than this
    try:
        async for dues in store.dues():
            alarms.fill(dues)
        alarms.order()
    finally:
        if enabled:
            gc.enable()


async def replay(store: Store, head: Head, residence: Residence, alarms: Alarms, program: Program) -> int:
    """Take the journal's tail again. Memory stays within its limits: who leaves it is written. Returns the inputs taken."""
    taken = 0
    async for entries in store.tail(head.replay_from):
        taken += await _again(store, entries, residence, program)
        evicted = Commit()
        residence.trim(evicted)
        if evicted.snapshots:
            await store.commit(evicted)
            residence.snapshots.settle(evicted)
    _arm_again(residence, alarms, residence.snapshots.changed)
    return taken


async def rebuild(
    store: Store, users: Set[str], after: int, residence: Residence, alarms: Alarms, program: Program
) -> None:
    """These users as the disk has them, and nothing else: their snapshots and what the journal holds after `after`."""
    names = sorted(users)
    moved, found = await read(store, names)
    for name, user in moved.items():
        residence.learn_name(name, user)
    for user in names:
        snapshot = found.get(user)
        if snapshot is not None:
            residence.arrive(user, snapshot)
    async for entries in store.tail(after):
        theirs = [entry for entry in entries if entry.event.user in users]
        if theirs:
            await _again(store, theirs, residence, program)
    _arm_again(residence, alarms, users)


def _arm_again(residence: Residence, alarms: Alarms, users: Set[str]) -> None:
    for user in users:
        actor = residence.peek(user)
        if actor is not None:
            alarms.settle(user, actor.due)


async def _again(store: Store, entries: list[Entry], residence: Residence, program: Program) -> int:
    """Bring in the actors of these entries, in one query, and let them take what their snapshots do not hold."""
    missing = {entry.event.user for entry in entries if entry.event.user and not residence.holds(entry.event.user)}
    if missing:
        moved, found = await read(store, sorted(missing))
        for name, user in moved.items():
            residence.learn_name(name, user)
        for user in missing - moved.keys():
            residence.arrive(user, found.get(user))
    taken = 0
    find = residence.find
    changed = residence.snapshots.changed
    names = residence.names
    for entry in entries:
        event = entry.event
        user = event.user
        if not user or user in names:
            continue  # a change by an operator; a visitor whose history is in the snapshot of who it turned out to be
        actor = find(user)
        assert actor is not None, f"{user!r} has left memory between two entries of one batch"
        if entry.seq <= actor.position:
            continue
        try:
            take(actor, event, entry.at, program)
        except Exception:
            log.exception("actor %r failed on journal entry %d, which it had taken before", user, entry.seq)
        actor.position = entry.seq
        changed.add(user)
        taken += 1
    return taken


async def floor_of(store: Store, head: Head) -> int:
    """No input may be stamped before this: past every input, and past every timer that is known to have fired."""
    newest = await store.ledger(limit=1)
    return max(head.at, newest[0].at + 1 if newest else 0)


def refuse_mixed_files(head: Head) -> None:
    """A snapshot position past the journal's head means that files of two databases were mixed."""
    if head.replay_from > head.seq:
        raise StoreError(
            f"the snapshots are of journal position {head.replay_from}, but the journal ends at {head.seq}: "
            "the files are not of one database; restore a backup"
        )
