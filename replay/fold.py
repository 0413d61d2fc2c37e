"""The fold of a journal in virtual time: the same actors as live, no clock, no disk, nothing sent.

Simulate, scenarios, recordings, backtest and explain are all this fold, of other entries or under another program. What
it decides is what the live engine decides: before an entry stamped `t` every timer due before `t` fires, in order of time
and then of user; timers due at `t` fire after the entries of `t`; where another program begins, what is due before fires
under the old one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from actors.actor import Actor, fire, new_actor, pack, unpack
from actors.alarms import Alarms
from actors.identity import visitor_of
from actors.lru import Lru
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import NOTHING, Decision, Send, Turn
from actors.taking import take_entry
from persistence.interface import JournalEntry

LIVE_MAX: Final = 50_000
"""Actors kept as objects; past it those not used for longest are kept as bytes, a fifth of the size."""

NEVER: Final = sys.maxsize


class Fold:
    """Takes the entries of a journal in their order, and gathers what comes of them."""

    def __init__(
        self,
        program: Program,
        *,
        tells_all: bool = True,
        live_max: int = LIVE_MAX,
        spares: bool = False,
        on_turn: Callable[[Actor, Turn], None] | None = None,
    ) -> None:
        """`tells_all`: rows `not_entered` too. `spares`: a user whose actor fails is left out, and the others go on.
        `on_turn` is told of every turn, after it."""
        self.now = 0
        """Time has run to here, in ms."""
        self.decisions: list[Decision] = []
        self.sends: list[Send] = []
        self.refusals: dict[tuple[str, str], int] = {}
        """(campaign, reason) -> entries refused."""
        self.untracked = 0
        self.left_out: dict[str, str] = {}
        """User -> why his actor takes no more turns."""
        self._tells_all = tells_all
        self.program = self._telling(program)
        """That counts now."""
        self._began = 0
        self._live: Lru[Actor] = Lru()
        self._packed: dict[str, bytes] = {}
        self._moved: dict[str, str] = {}
        self._live_max = live_max
        self._crowded = False
        self._spares = spares
        self._on_turn = on_turn
        self._alarms = Alarms()
        self._next = NEVER
        """No timer is due before it."""
        self._sole: Actor | None = None
        """The only actor there is so far: it has no alarm."""

    def __len__(self) -> int:
        """Users, and visitors who are nobody else."""
        return len(self._live) + len(self._packed)

    @property
    def actors(self) -> dict[str, Actor]:
        """By name; a visitor who turned out to be somebody is not among them."""
        for name in list(self._packed):
            self._actor(name)
        return {**self._live.old, **self._live.young}

    def actor(self, user: str) -> Actor:
        """Return the user's actor as it is now; of one who did nothing, a new one."""
        return self._actor(self._moved.get(user, user))

    # --- where it begins ------------------------------------------------------------------------------------------

    def resume(self, actor: Actor) -> None:
        """Go on from this state of a user, as a snapshot has it. It is the fold's from here on."""
        self._settle_in(actor)
        self._arm(actor)

    def know_elsewhere(self, names: Iterable[str]) -> None:
        """Visitors who are known to belong to users that this fold does not see: an alias moves none of them."""
        self._moved.update((name, name) for name in names)

    # --- entries and time -----------------------------------------------------------------------------------------

    def begin(self, program: Program, at: int, seq: int) -> None:
        """Let another program count from position `seq` on; what is due before `at` fires under the one before."""
        self.until(at - 1)
        self.program = self._telling(program)
        self._began = seq

    def take(self, entry: JournalEntry) -> Turn | None:
        """Let time run to just before the entry, then let its actor take it. None: the user is left out."""
        event, at = entry.event, entry.at
        assert at >= self.now, f"entries come in order: {at} after {self.now}"
        if self._next < at:
            self.until(at - 1)
        self.now = at
        user = self._moved.get(event.user)
        if user is None:
            user = event.user
        else:
            event = msgspec.structs.replace(event, user=user)
        name = self._joined_by(event) if event.kind == "alias" else ""
        if self.left_out:
            if name in self.left_out:
                self.leave_out(user, f"the visitor {name} was left out: {self.left_out[name]}")
            if user in self.left_out:
                return None
        actor = self._actor(user)
        source = self._actor(name) if name else None
        due = actor.due
        try:
            turn = take_entry(actor, source, event, at, entry.seq, self.program, self._began)
        except Exception as error:
            self._fail(error, user, name)
            return None
        if turn.outcome in ("duplicate", "too_old"):
            return turn
        if name:
            self._moved[name] = user
            self._live.pop(name)
            self._alarms.set(name, 0)
        if actor.due != due:
            self._arm(actor)
        if turn is not NOTHING or self._on_turn is not None:
            self._gather(actor, turn)
        if self._crowded:
            self._put_away()
        return turn

    def _joined_by(self, event: Event) -> str:
        """Who was joined before stays where he is: the second user of a computer does not take over the first."""
        name = visitor_of(event)
        return "" if name in self._moved else name

    def until(self, at: int | None) -> None:
        """Let time run, that instant included; None: until nothing is due."""
        last = NEVER - 1 if at is None else at
        while self._next <= last:
            if self._sole is not None:
                self._look_at(self._sole, self._next)
            else:
                for due, name in self._alarms.pop_due(self._next, 1):
                    self._look_at(self._actor(name), due)
                self._next = self._alarms.next_due() or NEVER
        if at is not None and at > self.now:
            self.now = at

    def _look_at(self, actor: Actor, due: int) -> None:
        """An alarm may ring too soon, never too late."""
        if not 0 < actor.due <= due:
            self._arm(actor)
            return
        if due > self.now:
            self.now = due
        try:
            turn = fire(actor, due, self.program)
        except Exception as error:
            self._fail(error, actor.user, "")
            return
        self._arm(actor)
        self._gather(actor, turn)
        if self._crowded:
            self._put_away()

    def clear(self) -> None:
        """Forget all users and the time that has run, for an independent history; what was counted stays."""
        if len(self._alarms):
            self._alarms = Alarms()
        self._sole, self._next, self.now = None, NEVER, 0
        self._live.clear()
        if self._packed:
            self._packed.clear()
        if self._moved:
            self._moved.clear()

    def drain(self) -> Sequence[Decision]:
        """Return what was decided since it was called last."""
        if not self.decisions:
            return ()
        rows, self.decisions, self.sends = self.decisions, [], []
        return rows

    # --- faults ---------------------------------------------------------------------------------------------------

    def leave_out(self, user: str, why: str) -> None:
        """Let the user take no more turns. The first reason stays."""
        self.left_out.setdefault(user, why)
        self._live.pop(user)
        self._packed.pop(user, None)
        self._alarms.set(user, 0)
        if self._sole is not None and self._sole.user == user:
            self._sole, self._next = None, NEVER

    def _fail(self, error: Exception, user: str, visitor: str) -> None:
        if not self._spares:
            raise error
        for name in filter(None, (user, visitor)):  # of a join both may be half changed
            self.leave_out(name, f"{type(error).__name__}: {error}")

    # --- actors ---------------------------------------------------------------------------------------------------

    def _telling(self, program: Program) -> Program:
        # Not a copy without need: what a program works out once, each copy works out again.
        same = program.tells_all == self._tells_all
        return program if same else msgspec.structs.replace(program, tells_all=self._tells_all)

    def _actor(self, name: str) -> Actor:
        actor = self._live.get(name)
        if actor is None:
            data = self._packed.pop(name, None)
            actor = new_actor(name) if data is None else unpack(data)
            self._settle_in(actor)
        return actor

    def _settle_in(self, actor: Actor) -> None:
        """Most people of a recording have one name, and a history of one actor needs no alarms."""
        live = self._live
        if self._sole is not None:
            self._no_longer_sole()
        elif not (live.young or live.old or self._packed):
            self._sole = actor
        live.put(actor.user, actor)
        self._crowded = len(live.young) + len(live.old) > self._live_max

    def _no_longer_sole(self) -> None:
        first, self._sole = self._sole, None
        if first is not None:
            self._arm(first)

    def _put_away(self) -> None:
        """Only between two turns: a turn may hold two actors."""
        self._crowded = False
        self._no_longer_sole()  # it may be the one that leaves
        while len(self._live) > self._live_max:
            leaving = self._live.evict()
            assert leaving is not None, "more than none are live"
            self._packed[leaving[0]] = pack(leaving[1])

    def _arm(self, actor: Actor) -> None:
        if actor is self._sole:
            self._next = actor.due or NEVER
            return
        self._alarms.set(actor.user, actor.due)
        if 0 < actor.due < self._next:
            self._next = actor.due

    def _gather(self, actor: Actor, turn: Turn) -> None:
        if turn.outcome == "untracked":
            self.untracked += 1
        elif turn is not NOTHING:
            self.decisions += turn.decisions
            self.sends += turn.sends
            for refusal in turn.refusals:
                self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        if self._on_turn is not None:
            self._on_turn(actor, turn)
