"""Inputs off the hot path: actors that are not live, aliases, names that are another's, actors that fail."""

from __future__ import annotations

from collections.abc import Callable

from actors.actor import Actor, pack, renew, take
from actors.alarms import Alarms
from actors.identity import visitor_of
from actors.joining import join
from actors.model.event import Event
from actors.model.recent import has_taken
from actors.model.speech import forwarded
from actors.model.turn import Turn
from engine.clock import Clock
from engine.committer import Committer
from engine.journal_tip import JournalTip
from engine.limits import Limits
from engine.loading import Loading
from engine.quarantine import Quarantine
from engine.residence import Residence
from engine.statistics import IntakeCounts
from engine.submit import Receipt
from persistence.interface import JoinedName, JournalEntry


class PendingBatch:
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
        "untracked",
        "waiting",
    )

    def __init__(self, done: Callable[[Receipt], None], inputs: int, size: int) -> None:
        self.done = done
        self.inputs = inputs
        self.bytes = size
        self.accepted = 0
        self.duplicates = 0
        self.too_old = 0
        self.untracked = 0
        self.quarantined = 0
        self.crowded = False
        """An event of it found no room in quarantine."""
        self.waiting = 0
        self.storage_full = False
        self.losses = 0
        """Refused commits when it was submitted: one more, and a part of it may be among what was refused."""
        self.submitted = False

    def add(self, accepted: int, duplicates: int, too_old: int, untracked: int) -> None:
        """Count those that were taken on the hot path."""
        self.accepted += accepted
        self.duplicates += duplicates
        self.too_old += too_old
        self.untracked += untracked

    def count(self, turn: Turn) -> bool:
        """Count one that had its turn. Returns whether it was taken: a row of the journal."""
        outcome = turn.outcome
        is_taken = outcome == "taken"
        self.add(is_taken, outcome == "duplicate", outcome == "too_old", outcome == "untracked")
        return is_taken


class SlowPath:
    def __init__(
        self,
        tip: JournalTip,
        counts: IntakeCounts,
        clock: Clock,
        limits: Limits,
        residence: Residence,
        alarms: Alarms,
        committer: Committer,
        loading: Loading,
        quarantine: Quarantine,
    ) -> None:
        self._tip = tip
        self._counts = counts
        self._clock = clock
        self._quarantine = quarantine
        self._limits = limits
        self._residence = residence
        self._alarms = alarms
        self._committer = committer
        self._loading = loading

    # --- a batch with inputs that wait -----------------------------------------------------------------------------

    def take(self, event: Event, at: int, pending: PendingBatch) -> None:
        """One event, now or when its actor is there."""
        owner = self._residence.names.get(event.user)
        if owner is not None:
            # What comes under the anonymous name of a known user is that user's, in the journal too, if it may be.
            heard = forwarded(event, self._residence.names, self._tip.program.policy.trust_anonymous_ids)
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
        self._turn(actor, event, at, pending, lambda: take(actor, event, at, self._tip.program))

    def _is_new_to(self, owner: str, event: Event, pending: PendingBatch) -> bool:
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

    def submitted(self, pending: PendingBatch) -> None:
        """The whole batch has been looked at."""
        pending.submitted = True
        pending.losses = self._committer.losses
        self._committer.expect(pending.inputs, pending.bytes)
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

    def _wait(self, name: str, event: Event, pending: PendingBatch) -> None:
        pending.waiting += 1
        self._loading.ask(name, lambda: self._again(event, pending))

    def _again(self, event: Event, pending: PendingBatch) -> None:
        """What the event waited for is there."""
        pending.waiting -= 1
        if self._committer.failure is not None:
            return
        if self._committer.full:
            pending.storage_full = True
        else:
            self.take(event, self._tip.stamp(self._clock.now_ms()), pending)
        self._finish(pending)

    def _finish(self, pending: PendingBatch) -> None:
        if pending.waiting or not pending.submitted:
            return
        committer, limits = self._committer, self._limits
        refusal: Receipt | None = None
        if pending.storage_full or pending.losses != committer.losses:
            refusal = Receipt(refused="storage_full", retry_ms=limits.refused_retry_ms)
        elif pending.crowded:
            refusal = Receipt(refused="user_quarantined", retry_ms=limits.quarantine_retry_ms)
        if refusal is not None:
            committer.refuse(pending.done, pending.inputs, pending.bytes, refusal)
            return
        receipt = Receipt(pending.accepted, pending.duplicates, pending.too_old, quarantined=pending.quarantined)
        self._counts.batch(pending.accepted, pending.duplicates, pending.too_old, pending.untracked)
        committer.answer(pending.done, pending.inputs, pending.bytes, receipt)

    # --- turns ----------------------------------------------------------------------------------------------------

    def _turn(self, actor: Actor, event: Event, at: int, pending: PendingBatch, turn_of: Callable[[], Turn]) -> bool:
        """Whether the event was taken: a row of the journal."""
        tip = self._tip
        due = actor.due
        try:
            turn = turn_of()
        except Exception as error:
            self.failed(event, at, error, pending)
            return False
        if not pending.count(turn):
            return False
        batch = self._committer.gathering
        batch.gather(turn)
        self._counts.turn(turn)
        if actor.position < tip.began:
            renew(actor, tip.program, at)
        actor.position = seq = tip.advance()
        batch.commit.entries.append(JournalEntry(seq, at, event))
        self._residence.snapshots.changed.add(actor.user)
        if actor.due != due:
            self._alarms.set(actor.user, actor.due)
        return True

    def _alias(self, into: Actor, name: str, event: Event, at: int, pending: PendingBatch) -> None:
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
            turn = join(into, source, event, at, self._tip.program)
            snapshots.packed(into)  # a join is on disk with its snapshot, so one that cannot be written must not be
            return turn

        faults = self._quarantine.faults
        if not self._turn(into, event, at, pending, joined):
            if self._quarantine.faults > faults:
                self._quarantine.doubt(name)
            return
        commit = self._committer.gathering.commit
        commit.names.append(JoinedName(name, into.user))
        commit.gone.append(name)
        snapshots.put(into, pack(into), commit)
        residence.forget(name)
        residence.learn_name(name, into.user)

    # --- what no actor has taken ----------------------------------------------------------------------------------

    def failed(self, event: Event, at: int, error: Exception, pending: PendingBatch) -> None:
        """Its actor failed on the event. It is not taken, and the others go on."""
        self._counted(self._quarantine.fault(event, at, error), pending)

    def _keep(self, event: Event, at: int, reason: str, pending: PendingBatch) -> None:
        """No actor may take the event."""
        self._counted(self._quarantine.put(event, at, reason), pending)

    def _counted(self, stored: bool, pending: PendingBatch) -> None:
        pending.quarantined += stored
        pending.crowded |= not stored
