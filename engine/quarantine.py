"""What an actor failed on, and who is held: kept apart, so that one user's fault costs nobody else anything.

An event whose turn fails is stored here instead of in the journal, and its actor is read again from the disk. An actor that
cannot be read, written or made again from the journal, or that fails time after time, is *held*: it takes no turns, its
timers rest, and what comes for it is stored here too. An operator has the last word on both (`release.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from actors.model.event import Event
from engine.clock import Clock
from engine.committer import CommitBatch, Committer
from engine.limits import Limits
from engine.residence import REASON_CHARACTERS_MAX, Residence, reason_of
from engine.restoring import Restoring
from persistence.interface import Commit, EventId, Held, Quarantined

log = logging.getLogger(__name__)

FAULTS_MAX: Final = 16
"""Since the start, of one user; then the actor is held, for each costs a look through the journal's tail."""

USERS_TOLD_MAX: Final = 10_000
"""Whose faults are in the log already and are only counted; past it each is told once more."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode


class Quarantine:
    def __init__(
        self, residence: Residence, committer: Committer, restoring: Restoring, clock: Clock, limits: Limits
    ) -> None:
        self._residence = residence
        self._restoring = restoring
        self._committer = committer
        self._clock = clock
        self._limits = limits
        self._known: dict[str, dict[str, int]] = {}
        """user -> message id of an event that is here -> its size in bytes."""
        self._going: dict[str, Held] = {}
        """Who was taken out, and is held on the disk still."""
        self._failures: dict[str, int] = {}
        self.faults = 0
        self.events = 0
        self.bytes = 0
        residence.on_hold = self._write_down

    def fill(self, held: Iterable[Held], events: Iterable[Quarantined]) -> None:
        """As the disk has them, at the start."""
        self._residence.held.update((one.user, one) for one in held)
        for one in events:
            self._know(one.event.user, one.event.message_id, len(_encode(one.event)))

    @property
    def needs_journal_after(self) -> int:
        """The journal after this position may still have to be taken again: by a start, or by a user who is held."""
        return min([self._committer.replayed_from, *(held.position for held in self._residence.held.values())])

    # --- events ---------------------------------------------------------------------------------------------------

    def put(self, event: Event, at: int, reason: str) -> bool:
        """The event is stored here with the next commit, once for a message id. False: there is no room for it."""
        user, message_id = event.user, event.message_id
        known = self._known.get(user, {})
        if message_id in known:
            return True
        size = _size_of(event)
        limits = self._limits
        if (
            size is None
            or len(known) >= limits.quarantine_user_events_max
            or self.events >= limits.quarantine_events_max
            or self.bytes + size > limits.quarantine_bytes_max
        ):
            return False
        self._know(user, message_id, size)
        self._committer.gathering.commit.quarantined.append(Quarantined(user, at, event, reason))
        self._committer.wake()
        return True

    def ids(self, user: str) -> list[str]:
        """Message ids of the user's events that are here."""
        return list(self._known.get(user, ()))

    def users(self) -> list[str]:
        """Who is held, or has events here."""
        return sorted(self._residence.held.keys() | self._known.keys())

    def dismiss(self, user: str, ids: Iterable[str]) -> None:
        """These are here no more, with the next commit."""
        commit = self._committer.gathering.commit
        for message_id in ids:
            if self._forget(user, message_id):
                commit.dismissed.append(EventId(user, message_id))
        self._committer.wake()

    def lost(self, batches: Sequence[CommitBatch]) -> None:
        """Their commits were not stored. Whoever sent an event sends it again; what was decided here is decided still."""
        commit = self._committer.gathering.commit
        for batch in batches:
            for one in batch.commit.quarantined:
                self._forget(one.user, one.event.message_id)
            commit.held += batch.commit.held
            for user in batch.commit.freed:
                if user in self._going:
                    self._residence.held[user] = self._going.pop(user)
                    self._residence.forget(user)
            commit.dismissed += batch.commit.dismissed

    def _know(self, user: str, message_id: str, size: int) -> None:
        self._known.setdefault(user, {})[message_id] = size
        self.events += 1
        self.bytes += size

    def _forget(self, user: str, message_id: str) -> bool:
        known = self._known.get(user, {})
        size = known.pop(message_id, None)
        if size is None:
            return False
        if not known:
            del self._known[user]
        self.events -= 1
        self.bytes -= size
        return True

    # --- faults and holds -----------------------------------------------------------------------------------------

    def fault(self, event: Event, at: int, error: Exception) -> bool:
        """A bug of ours met this event: the actor may be half changed, and is read again. False: no room for the event."""
        user = event.user
        self._tell(user, f"on {event.kind} {event.name!r} (message {event.message_id!r})", error)
        kept = self.put(event, at, reason_of(error))
        self._read_again(user, error, timers=False)
        return kept

    def timer_fault(self, user: str, error: Exception) -> None:
        """The actor's due timers cannot fire. They are tried again in a while."""
        self._tell(user, "on its timers", error)
        self._read_again(user, error, timers=True)

    def _read_again(self, user: str, error: Exception, *, timers: bool) -> None:
        if self._failures[user] >= FAULTS_MAX:
            self._residence.hold(user, f"it failed {FAULTS_MAX} times, at last by {reason_of(error)}")
        else:
            self._restoring.soon(user, timers)

    def doubt(self, user: str) -> None:
        """The actor may be half changed by what somebody else's failed on: it is read again."""
        self._restoring.soon(user, False)

    def refused(self, users: Iterable[tuple[str, str]]) -> bool:
        """The store refuses rows of these (user, why). True if that is news: the next commit will be without them."""
        is_news = False
        for user, why in users:
            is_news |= user not in self._residence.held
            self._residence.hold(user, f"the database refuses it: {why}")
        return is_news

    def take_out(self, user: str) -> Held:
        """The user is held no more, so that its actor can be made again; on the disk it is, until `free`."""
        held = self._residence.held.pop(user)
        self._going[user] = held
        return held

    def free(self, user: str) -> None:
        """Of a user who was taken out: on the disk too, with the commit that gathers. It has to hold the actor's snapshot,
        for a start takes nothing again that came before its hold."""
        self._failures.pop(user, None)
        self._committer.gathering.commit.freed.append(user)
        self._committer.wake()

    def settle(self, commit: Commit) -> None:
        """The commit is on disk."""
        for user in commit.freed:
            self._going.pop(user, None)

    def _write_down(self, user: str, reason: str) -> Held:
        # The journal after what every actor was snapshotted up to is still there, and stays for whom it is needed.
        before = self._going.pop(user, None)
        position = self._committer.replayed_from if before is None else before.position
        held = Held(user, self._clock.now_ms(), reason[:REASON_CHARACTERS_MAX], position)
        self._committer.gathering.commit.held.append(held)
        self._committer.wake()
        log.error("%r is held, its events go to the quarantine: %s (see `cuebird quarantine`)", user, reason)
        return held

    def _tell(self, user: str, on_what: str, error: Exception) -> None:
        """In the log once for each user."""
        self.faults += 1
        times = self._failures[user] = self._failures.get(user, 0) + 1
        if times == 1:
            log.error("actor %r failed %s; it is told once", user, on_what, exc_info=error)
            if len(self._failures) > USERS_TOLD_MAX:
                self._failures = {user: times}


def _size_of(event: Event) -> int | None:
    """Bytes of it on the disk; None if it could not be read back from there."""
    try:
        data = _encode(event)
        _decode(data)
    except (msgspec.MsgspecError, OverflowError, TypeError, UnicodeError):
        return None
    return len(data)
