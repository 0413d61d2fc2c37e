"""The same actors in virtual time: inputs in the order of their stamps, and all that comes of them."""

from __future__ import annotations

import msgspec

from actors.actor import Actor, fire, new_actor, take
from actors.event import Event
from actors.joining import join
from actors.program import Program
from actors.turn import NOTHING, UNTRACKED, Decision, Send, Turn
from engine.alarms import Alarms


class Simulator:
    """Many actors, no clock, no disk. Every row that the live engine would write, and `not_entered` if `verbose`."""

    def __init__(self, program: Program, start: int, verbose: bool = True) -> None:
        self.program = msgspec.structs.replace(program, tells_all=verbose)
        self.now = start
        self.decisions: list[Decision] = []
        self.sends: list[Send] = []
        self.refusals: dict[tuple[str, str], int] = {}
        self.untracked = 0
        self._actors: dict[str, Actor] = {}
        self._alarms = Alarms()

    @property
    def actors(self) -> dict[str, Actor]:
        """By name; anonymous visitors who turned out to be somebody are not among them."""
        return {name: actor for name, actor in self._actors.items() if not actor.moved_to}

    def take(self, event: Event, at: int) -> bool:
        """Lets time run to just before `at`, then takes the event. False: it was a duplicate. `at` never goes back."""
        assert at >= self.now, f"inputs come in order: {at} after {self.now}"
        self._ring_until(at - 1)
        self.now = at
        actor = self._actor(event.user)
        source = self._visitor(event)
        turn = (
            take(actor, event, at, self.program)
            if source is None or source is actor
            else join(actor, source, event, at, self.program)
        )
        if turn is None:
            return False
        self._keep(actor, turn)
        return True

    def drain(self) -> tuple[list[Decision], list[Send]]:
        """What has come of it since the last call; it is kept here no longer. A month of a busy shop fills the memory."""
        drained = self.decisions, self.sends
        self.decisions, self.sends = [], []
        return drained

    def _visitor(self, event: Event) -> Actor | None:
        """The visitor who turns out to be the event's user. A name that was joined before stays where it is, so the second
        user of a shared computer does not take over the first."""
        if event.kind != "alias":
            return None
        name = _alias(event.body).from_
        found = self._actors.setdefault(name, new_actor(name))
        return None if found.moved_to else found

    def run(self, until: int | None) -> int:
        """Lets time run to `until`, or until nothing is due; returns the time reached."""
        self._ring_until(until)
        if until is not None:
            self.now = max(self.now, until)
        return self.now

    def _actor(self, name: str) -> Actor:
        found = self._actors.get(name)
        if found is None:
            found = self._actors[name] = new_actor(name)
        return self._actor(found.moved_to) if found.moved_to else found

    def _ring_until(self, until: int | None) -> None:
        alarms = self._alarms
        while (due := alarms.next_due()) is not None and (until is None or due <= until):
            for _, name in alarms.ring(due, 1):
                actor = self._actors[name]
                if 0 < actor.due <= due:
                    self.now = max(self.now, due)
                    self._keep(actor, fire(actor, due, self.program))
                else:
                    alarms.set(name, actor.due)

    def _keep(self, actor: Actor, turn: Turn) -> None:
        if turn is UNTRACKED:
            self.untracked += 1
        elif turn is not NOTHING:
            self.decisions += turn.decisions
            self.sends += turn.sends
            for refusal in turn.refusals:
                self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        self._alarms.set(actor.user, actor.due)


class Alias(msgspec.Struct, rename={"from_": "from"}):
    """Body of an alias event."""

    from_: str


_alias = msgspec.json.Decoder(Alias).decode
