"""The engine's heart: inputs are stamped, find their actors, and each actor takes its turn.

Rules it keeps:

* A turn is synchronous: no `await` between reading and writing a user's state. That is the lock, and the order.
* `at` never goes back, and once timers due at T have fired no input is stamped T or before (design §4.1).
* Everything that comes of a turn goes into the batch that is gathering; the committer lets it go when it is on disk.
* `submit` never blocks and never raises.

The loop in `submit` is the hot path: one dictionary look-up, one `take`, one JournalEntry an event. Whatever is rare (an actor
that is not live, an alias, a fault) goes through `SlowPath` (unusual.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.actor import fire, renew, take
from actors.alarms import Alarms
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import NOTHING, Turn
from engine.clock import Clock
from engine.committer import CommitBatch, Committer
from engine.limits import Limits
from engine.loading import Loading
from engine.quarantine import Quarantine
from engine.rate import UserRate
from engine.residence import Residence
from engine.slow_path import PendingEvent, SlowPath
from engine.submit import Receipt, RefusalCode
from persistence.interface import JournalEntry, StoredProgram

CRITICAL = frozenset({"order_completed", "checkout_started", "email_unsubscribed", "email_complained", "email_bounced"})
"""Events for which there is room when others are already refused."""


class Intake:
    def __init__(
        self,
        program: Program,
        clock: Clock,
        limits: Limits,
        residence: Residence,
        alarms: Alarms,
        committer: Committer,
        loading: Loading,
        quarantine: Quarantine,
        critical: frozenset[str] = CRITICAL,
    ) -> None:
        self.program = program
        self.began = 0
        """Journal position at which the program began."""
        self.seq = 0
        """Of the newest journal row, on disk or gathering."""
        self.floor = 0
        """The next input is stamped no earlier."""
        self.draining = False
        self.events = 0
        self.duplicates = 0
        self.too_old = 0
        self.untracked = 0
        self.refused = 0
        self.decisions = 0
        self.sends = 0
        self.fired = 0
        self.refusals: dict[str, dict[str, int]] = {}
        self.reached: dict[str, int] = {}
        self.conflicts = 0
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
        self.unusual = SlowPath(self, residence, alarms, committer, loading, quarantine, limits)

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
            self.refused += len(events)
            done(refusal)
            return
        if now > self.floor:
            self.floor = now
        at = self.floor
        batch = committer.gathering
        append = batch.commit.entries.append
        live = self._residence.live.young
        changed = self._changed.changed.add
        alarm = self._alarms.set
        program = self.program
        began = self.began
        pending: PendingEvent | None = None
        seq = start = self.seq
        duplicates = too_old = 0
        for event in events:
            user = event.user
            actor = live.get(user)
            if actor is None or event.kind == "alias":
                if pending is None:
                    pending = PendingEvent(done, len(events), size)
                self.seq = seq
                self.unusual.take(event, at, pending)
                seq = self.seq
                continue
            due = actor.due
            try:
                turn = take(actor, event, at, program)
            except Exception as error:
                if pending is None:
                    pending = PendingEvent(done, len(events), size)
                self.unusual.failed(event, at, error, pending)
                continue
            if turn is not NOTHING:
                outcome = turn.outcome
                if outcome == "taken":
                    self.gather(turn, batch)
                else:
                    if outcome == "duplicate":
                        duplicates += 1
                    elif outcome == "too_old":
                        too_old += 1
                    else:
                        self.untracked += 1
                    continue
            if actor.position < began:
                renew(actor, program, at)
            seq += 1
            actor.position = seq
            append(JournalEntry(seq, at, event))
            changed(user)
            if actor.due != due:
                alarm(user, actor.due)
        self.seq = seq
        committer.inflight += len(events)
        committer.inflight_bytes += size
        if pending is None:
            self.events += seq - start
            self.duplicates += duplicates
            self.too_old += too_old
            batch.dones.append((done, len(events), Receipt(seq - start, duplicates, too_old)))
            batch.bytes += size
            committer.wake()
        else:
            pending.accepted += seq - start - pending.accepted
            pending.duplicates += duplicates
            pending.too_old += too_old
            self.unusual.submitted(pending)

    def stamp(self) -> int:
        """`at` of an input that is taken now; from here on no input is stamped before it."""
        self.floor = max(self.floor, self._clock.now_ms())
        return self.floor

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
        assert entry.seq == self.seq + 1, f"program entry {entry.seq} after {self.seq}"
        commit = self._committer.gathering.commit
        commit.entries.append(entry)
        commit.programs.append(StoredProgram(program.hash, source, entry.at))
        self.seq = entry.seq
        self.count_under(program, entry.seq)
        self._committer.wake()

    def count_under(self, program: Program, began: int) -> None:
        self.program, self.began = program, began

    # --- what comes of a turn -------------------------------------------------------------------------------------

    def gather(self, turn: Turn, batch: CommitBatch) -> None:
        commit = batch.commit
        if turn.decisions:
            commit.decisions.extend(turn.decisions)
            self.decisions += len(turn.decisions)
        if turn.sends:
            commit.sends.extend(turn.sends)
            self.sends += len(turn.sends)
        for campaign, reason in turn.refusals:
            counts = self.refusals.setdefault(campaign, {})
            counts[reason] = counts.get(reason, 0) + 1
        for limit in turn.reached:
            self.reached[limit] = self.reached.get(limit, 0) + 1
        self.conflicts += turn.conflicts

    # --- timers ---------------------------------------------------------------------------------------------------

    def fire(self, ringing: Sequence[tuple[int, str]], now: int) -> list[tuple[int, str]]:
        """The timers due of each (due, user). Returns those whose actors are not in memory: they are to be brought."""
        batch = self._committer.gathering
        find = self._residence.find
        mailboxes = self._loading.mailboxes
        changed = self._changed.changed
        program = self.program
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
                    self.fired += 1
                    self.gather(turn, batch)
                    fired = max(fired, turn.decisions[-1].at if turn.decisions else now)
            self._alarms.set(user, actor.due)
        if fired:
            self.floor = max(self.floor, fired + 1)
            self._committer.wake()
        return away
