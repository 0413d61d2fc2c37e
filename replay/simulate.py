"""The same actors in virtual time: inputs in the order of their stamps, and all that comes of them."""

from __future__ import annotations

import msgspec

from actors.actor import Actor, fire
from actors.alarms import Alarms
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import NOTHING, TOO_OLD, UNTRACKED, Decision, Send, Turn
from replay.population import Population


class Simulator:
    """Many actors, no clock, no disk. Every row that the live engine would write, and `not_entered` if `verbose`."""

    def __init__(self, program: Program, start: int, verbose: bool = True) -> None:
        self.program = msgspec.structs.replace(program, tells_all=verbose)
        self.now = start
        self.decisions: list[Decision] = []
        self.sends: list[Send] = []
        self.refusals: dict[tuple[str, str], int] = {}
        self.untracked = 0
        self._population = Population()
        self._alarms = Alarms()

    @property
    def actors(self) -> dict[str, Actor]:
        """By name; anonymous visitors who turned out to be somebody are not among them."""
        return self._population.actors

    def take(self, event: Event, at: int) -> bool:
        """Lets time run to just before `at`, then takes the event. False: it was a duplicate, or too old. `at` never goes back."""
        assert at >= self.now, f"inputs come in order: {at} after {self.now}"
        self._fire_until(at - 1)
        self.now = at
        actor, turn = self._population.take(event, at, self.program)
        if turn is None or turn is TOO_OLD:
            return False
        self._keep(actor, turn)
        return True

    def run(self, until: int | None) -> int:
        """Lets time run to `until`, or until nothing is due; returns the time reached."""
        self._fire_until(until)
        if until is not None:
            self.now = max(self.now, until)
        return self.now

    def _fire_until(self, until: int | None) -> None:
        alarms = self._alarms
        while (due := alarms.next_due()) is not None and (until is None or due <= until):
            for _, name in alarms.pop_due(due, 1):
                actor = self._population.everybody[name]
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
