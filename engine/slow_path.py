"""Inputs off the hot path: actors that are not live, aliases, names that are another's, actors that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.actor import Actor, pack, renew, take
from actors.alarms import Alarms
from actors.identity import visitor_of
from actors.joining import join
from actors.model.event import Event
from actors.model.recent import has_taken
from actors.model.speech import forwarded
from actors.model.turn import Turn
from engine.committer import Committer
from engine.limits import Limits
from engine.loading import Loading
from engine.quarantine import Quarantine
from engine.residence import Residence
from engine.submit import Receipt
from persistence.interface import JoinedName, JournalEntry

if TYPE_CHECKING:
    from engine.intake import Intake


class PendingEvent:
    """A batch of inputs of which some wait for their actors. Its `done` is gathered when the last has been taken."""

    __slots__ = (
        "accepted",
        "bytes",
        "crowded",
        "done",
        "duplicates",
        "inputs",
        "losses",
        "quarantined",
        "storage_full",
        "submitted",
        "too_old",
        "waiting",
    )

    def __init__(self, done: Callable[[Receipt], None], inputs: int, size: int) -> None:
        self.done = done
        self.inputs = inputs
        self.bytes = size
        self.accepted = 0
        self.duplicates = 0
        self.too_old = 0
        self.quarantined = 0
        self.crowded = False
        """An event of it found no room in quarantine."""
        self.waiting = 0
        self.storage_full = False
        self.losses = 0
        """Refused commits when it was submitted: one more, and a part of it may be among what was refused."""
        self.submitted = False


class SlowPath:
    def __init__(
        self,
        shard: Intake,
        residence: Residence,
        alarms: Alarms,
        committer: Committer,
        loading: Loading,
        quarantine: Quarantine,
        limits: Limits,
    ) -> None:
        self._shard = shard
        self._quarantine = quarantine
        self._limits = limits
        self._residence = residence
        self._alarms = alarms
        self._committer = committer
        self._loading = loading

    # --- a batch with inputs that wait -----------------------------------------------------------------------------

    def take(self, event: Event, at: int, pending: PendingEvent) -> None:
        """One event, now or when its actor is there."""
        owner = self._residence.names.get(event.user)
        if owner is not None:
            # What comes under the anonymous name of a known user is that user's, in the journal too, if it may be.
            heard = forwarded(event, self._residence.names, self._shard.program.policy.trust_anonymous_ids)
            if heard.user != owner and not self._is_new_to(owner, event, pending):
                return
            event = heard
        user = event.user
        if user in self._residence.held:
            self._keep(event, at, "its actor is held", pending)
            return
        if user in self._loading.mailboxes:
            self._wait(user, event, pending)
            return
        actor = self._residence.find(user)
        if actor is None:
            self._wait(user, event, pending)
            return
        if event.kind == "alias":
            name = visitor_of(event)
            if name and name not in self._residence.names:
                self._alias(actor, name, event, at, pending)
                return
        self._turn(actor, event, at, pending, lambda: take(actor, event, at, self._shard.program))

    def _is_new_to(self, owner: str, event: Event, pending: PendingEvent) -> bool:
        """Whether an event that stays with a visitor of its own was not taken as the user's, before it was known whose the
        name is: sent again, it would count twice. False too if the user is yet to come, and the event waits for it."""
        if owner in self._residence.held or self._loading.is_quarantined(owner):
            return True
        actor = self._residence.find(owner) if owner not in self._loading.mailboxes else None
        if actor is None:
            self._wait(owner, event, pending)
            return False
        if has_taken(actor.ids, actor.older_ids, event.message_id):
            pending.duplicates += 1
            return False
        return True

    def submitted(self, pending: PendingEvent) -> None:
        """The whole batch has been looked at."""
        pending.submitted = True
        pending.losses = self._committer.losses
        self._finish(pending)

    def owner(self, name: str, then: Callable[[str], None]) -> None:
        """See Engine.owner."""
        residence, loading = self._residence, self._loading
        if (
            name in residence.names
            or residence.holds(name)
            or residence.known_users.sure(name)
            or loading.is_quarantined(name)
            or name in residence.held
        ):
            then(residence.names.get(name, name))
        else:
            loading.ask(name, lambda: then(residence.names.get(name, name)))

    def _wait(self, name: str, event: Event, pending: PendingEvent) -> None:
        pending.waiting += 1
        self._loading.ask(name, lambda: self._again(event, pending))

    def _again(self, event: Event, pending: PendingEvent) -> None:
        """What the event waited for is there."""
        pending.waiting -= 1
        shard = self._shard
        if self._committer.failure is not None:
            return
        if self._committer.full:
            pending.storage_full = True
        else:
            self.take(event, shard.stamp(), pending)
        self._finish(pending)

    def _finish(self, pending: PendingEvent) -> None:
        if pending.waiting or not pending.submitted:
            return
        committer, limits = self._committer, self._limits
        refusal: Receipt | None = None
        if pending.storage_full or pending.losses != committer.losses:
            refusal = Receipt(refused="storage_full", retry_ms=limits.refused_retry_ms)
        elif pending.crowded:
            refusal = Receipt(refused="user_quarantined", retry_ms=limits.quarantine_retry_ms)
        if refusal is not None:
            committer.inflight -= pending.inputs
            committer.inflight_bytes -= pending.bytes
            pending.done(refusal)
            return
        self._shard.events += pending.accepted
        self._shard.duplicates += pending.duplicates
        self._shard.too_old += pending.too_old
        receipt = Receipt(pending.accepted, pending.duplicates, pending.too_old, quarantined=pending.quarantined)
        committer.gathering.dones.append((pending.done, pending.inputs, receipt))
        committer.gathering.bytes += pending.bytes
        committer.wake()

    # --- turns ----------------------------------------------------------------------------------------------------

    def _turn(self, actor: Actor, event: Event, at: int, pending: PendingEvent, turn_of: Callable[[], Turn]) -> bool:
        """Whether the event was taken: a row of the journal."""
        shard = self._shard
        due = actor.due
        try:
            turn = turn_of()
        except Exception as error:
            self.failed(event, at, error, pending)
            return False
        if turn.outcome != "taken":
            pending.duplicates += turn.outcome == "duplicate"
            pending.too_old += turn.outcome == "too_old"
            shard.untracked += turn.outcome == "untracked"
            return False
        batch = self._committer.gathering
        shard.gather(turn, batch)
        if actor.position < shard.began:
            renew(actor, shard.program, at)
        shard.seq += 1
        actor.position = shard.seq
        batch.commit.entries.append(JournalEntry(shard.seq, at, event))
        self._residence.snapshots.changed.add(actor.user)
        if actor.due != due:
            self._alarms.set(actor.user, actor.due)
        pending.accepted += 1
        return True

    def _alias(self, into: Actor, name: str, event: Event, at: int, pending: PendingEvent) -> None:
        """The visitor `name` turns out to be the user: one turn of both. A name that was joined before stays where it is,
        so the second user of a shared computer does not take over the first."""
        residence = self._residence
        if name in residence.held:
            self._keep(event, at, f"the visitor {name} is held", pending)
            return
        source = residence.find(name) if name not in self._loading.mailboxes else None
        if source is None:
            pending.waiting += 1
            self._loading.park(into.user, name, lambda: self._again(event, pending))
            return
        snapshots = residence.snapshots

        def joined() -> Turn:
            turn = join(into, source, event, at, self._shard.program)
            snapshots.packed(into)  # a join is on disk with its snapshot, so one that cannot be written must not be
            return turn

        faults = self._quarantine.faults
        if not self._turn(into, event, at, pending, joined):
            if self._quarantine.faults > faults:
                self._quarantine.on_fault(name, False)  # the visitor may be half changed too
            return
        commit = self._committer.gathering.commit
        commit.names.append(JoinedName(name, into.user))
        commit.gone.append(name)
        snapshots.put(into, pack(into), commit)
        residence.forget(name)
        residence.learn_name(name, into.user)

    # --- what no actor has taken ----------------------------------------------------------------------------------

    def failed(self, event: Event, at: int, error: Exception, pending: PendingEvent) -> None:
        """Its actor failed on the event. It is not taken, and the others go on."""
        self._counted(self._quarantine.fault(event, at, error), pending)

    def _keep(self, event: Event, at: int, reason: str, pending: PendingEvent) -> None:
        """No actor may take the event."""
        self._counted(self._quarantine.put(event, at, reason), pending)

    def _counted(self, stored: bool, pending: PendingEvent) -> None:
        pending.quarantined += stored
        pending.crowded |= not stored
