"""The engine's heart: inputs are stamped, find their actors, and each actor takes its turn.

Rules it keeps:

* A turn is synchronous: no `await` between reading and writing a user's state. That is the lock, and the order.
* `at` never goes back, and once timers due at T have fired no input is stamped T or before (design §4.1).
* Everything that comes of a turn goes into the batch that is gathering; the committer lets it go when it is on disk.
* `submit` never blocks and never raises.

The loop in `submit` is the hot path: one dictionary look-up, one `take`, one JournalEntry an event. Whatever is rare (an actor
that is not live, an alias, a fault) goes through `SlowPath` (slow_path.py), which tells a batch its counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.actor import fire, renew, take
from actors.alarms import Alarms
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import NOTHING
from engine.clock import Clock
from engine.committer import Committer
from engine.journal_tip import JournalTip
from engine.limits import Limits
from engine.loading import Loading
from engine.quarantine import Quarantine
from engine.rate import UserRate
from engine.residence import Residence
from engine.slow_path import PendingBatch, SlowPath
from engine.statistics import IntakeCounts
from engine.submit import Receipt, RefusalCode
from persistence.interface import JournalEntry, StoredProgram

CRITICAL = frozenset({"order_completed", "checkout_started", "email_unsubscribed", "email_complained", "email_bounced"})
"""Events for which there is room when others are already refused."""


class Intake:
    def __init__(
        self,
        tip: JournalTip,
        clock: Clock,
        limits: Limits,
        residence: Residence,
        alarms: Alarms,
        committer: Committer,
        loading: Loading,
        quarantine: Quarantine,
        critical: frozenset[str] = CRITICAL,
    ) -> None:
        self.draining = False
        self.counts = IntakeCounts()
        self._tip = tip
        self._advance, self._alarm = tip.advance, alarms.set  # bound once: `submit` calls them for every event
        self._clock = clock
        self._limits = limits
        self._critical = critical
        self._residence = residence
        self._changed = residence.snapshots
        self._alarms = alarms
        self._committer = committer
        self._loading = loading
        self._quarantine = quarantine
        self._rate = UserRate(limits.user_events_per_second_max)
        self._slow_path = SlowPath(tip, self.counts, clock, limits, residence, alarms, committer, loading, quarantine)

    # --- inputs ---------------------------------------------------------------------------------------------------

    def submit(self, events: Sequence[Event], done: Callable[[Receipt], None]) -> None:
        """See engine/submit.py."""
        committer = self._committer
        if committer.failure is not None:
            return
        now = self._clock.now_ms()
        size = 0
        for event in events:
            size += len(event.body) + len(event.context)
        refusal = self._refusal(events, size, now)
        if refusal is not None:
            self.counts.refused += len(events)
            done(refusal)
            return
        tip = self._tip
        at = tip.stamp(now)
        advance = self._advance
        program = tip.program
        began = tip.began
        batch = committer.gathering
        append = batch.commit.entries.append
        live = self._residence.live.young
        changed = self._changed.changed.add
        alarm = self._alarm
        pending: PendingBatch | None = None
        inputs = accepted = len(events)
        duplicates = too_old = untracked = 0
        for event in events:
            user = event.user
            actor = live.get(user)
            if actor is None or event.kind == "alias":
                if pending is None:
                    pending = PendingBatch(done, inputs, size)
                accepted -= 1
                self._slow_path.take(event, at, pending)
                continue
            due = actor.due
            try:
                turn = take(actor, event, at, program)
            except Exception as error:
                if pending is None:
                    pending = PendingBatch(done, inputs, size)
                accepted -= 1
                self._slow_path.failed(event, at, error, pending)
                continue
            if turn is not NOTHING:
                outcome = turn.outcome
                if outcome == "taken":
                    batch.gather(turn)
                    self.counts.turn(turn)
                else:
                    accepted -= 1
                    duplicates += outcome == "duplicate"
                    too_old += outcome == "too_old"
                    untracked += outcome == "untracked"
                    continue
            if actor.position < began:
                renew(actor, program, at)
            actor.position = seq = advance()
            append(JournalEntry(seq, at, event))
            changed(user)
            if actor.due != due:
                alarm(user, actor.due)
        if pending is None:
            self.counts.batch(accepted, duplicates, too_old, untracked)
            committer.take(done, inputs, size, Receipt(accepted, duplicates, too_old))
        else:
            pending.add(accepted, duplicates, too_old, untracked)
            self._slow_path.submitted(pending)

    def owner(self, name: str, then: Callable[[str], None]) -> None:
        """See Engine.owner."""
        self._slow_path.owner(name, then)

    def _refusal(self, events: Sequence[Event], size: int, now: int) -> Receipt | None:
        committer = self._committer
        code: RefusalCode
        wait = self._limits.refused_retry_ms
        if self.draining:
            code = "draining"
        elif committer.full:
            code = "storage_full"
        elif committer.inflight and not self._has_room(events, size):
            code = "overloaded"
        elif wait_ms := self._rate.wait_ms(events, now):
            code, wait = "too_many_for_user", wait_ms
        else:
            return None
        return Receipt(refused=code, retry_ms=wait)

    def _has_room(self, events: Sequence[Event], size: int) -> bool:
        limits, critical = self._limits, self._critical
        inputs = self._committer.inflight + len(events) - limits.inflight_inputs_max
        in_bytes = self._committer.inflight_bytes + size - limits.inflight_bytes_max
        if inputs <= 0 and in_bytes <= 0:
            return True
        if inputs > limits.critical_inputs_max or in_bytes > limits.critical_bytes_max:
            return False
        # Something in a large batch always is: then the room kept would be everybody's.
        small = len(events) <= limits.critical_batch_inputs_max
        return small and any(event.name in critical or event.source == "engine" for event in events)

    # --- another program ------------------------------------------------------------------------------------------

    def begin(self, program: Program, entry: JournalEntry, source: bytes) -> None:
        """What is taken from here on is taken under `program`. All timers due before the entry's stamp have fired."""
        self._tip.begin(program, entry.seq)
        commit = self._committer.gathering.commit
        commit.entries.append(entry)
        commit.programs.append(StoredProgram(program.hash, source, entry.at))
        self._committer.wake()

    # --- timers ---------------------------------------------------------------------------------------------------

    def fire(self, ringing: Sequence[tuple[int, str]], now: int) -> list[tuple[int, str]]:
        """The timers due of each (due, user). Returns those whose actors are not in memory: they are to be brought."""
        batch = self._committer.gathering
        find = self._residence.find
        mailboxes = self._loading.mailboxes
        changed = self._changed.changed
        program = self._tip.program
        fired = 0
        away: list[tuple[int, str]] = []
        for alarm in ringing:
            user = alarm[1]
            actor = find(user) if user not in mailboxes else None
            if actor is None:
                if user not in self._residence.held:
                    away.append(alarm)
                continue
            if 0 < actor.due <= now:
                try:
                    turn = fire(actor, now, program)
                except Exception as error:
                    self._quarantine.timer_fault(user, error)
                    continue
                changed.add(user)
                if turn is not NOTHING:
                    batch.fired.append(alarm)
                    self.counts.fired += 1
                    self.counts.turn(turn)
                    batch.gather(turn)
                    fired = max(fired, turn.decisions[-1].at if turn.decisions else now)
            self._alarms.set(user, actor.due)
        if fired:
            self._tip.pass_timers(fired)
            self._committer.wake()
        return away
