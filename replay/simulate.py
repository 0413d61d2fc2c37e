"""Inputs that nobody has recorded, taken in virtual time in the order of their stamps, and all that comes of them."""

from __future__ import annotations

from actors.actor import Actor
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Decision, Send, Turn
from persistence.interface import JournalEntry
from replay.fold import LIVE_MAX, Fold


class Simulator:
    """Many actors, no clock, no disk. Every row that the live engine would write, and `not_entered` if `verbose`."""

    def __init__(self, program: Program, start: int, verbose: bool = True, live_max: int = LIVE_MAX) -> None:
        self._fold = Fold(program, tells_all=verbose, live_max=live_max, on_turn=self._note)
        self._fold.until(start)
        self._seq = 0

    @property
    def now(self) -> int:
        """The time reached, in ms."""
        return self._fold.now

    @property
    def program(self) -> Program:
        """That counts now."""
        return self._fold.program

    @property
    def decisions(self) -> list[Decision]:
        return self._fold.decisions

    @property
    def sends(self) -> list[Send]:
        return self._fold.sends

    @property
    def refusals(self) -> dict[tuple[str, str], int]:
        """(campaign, reason) -> entries refused."""
        return self._fold.refusals

    @property
    def untracked(self) -> int:
        return self._fold.untracked

    @property
    def actors(self) -> dict[str, Actor]:
        """By name; anonymous visitors who turned out to be somebody are not among them."""
        return self._fold.actors

    def begin(self, program: Program, at: int) -> None:
        """From `at` on another program counts; what is due before fires under the old one."""
        self._seq += 1
        self._fold.begin(program, at, self._seq)

    def take(self, event: Event, at: int) -> bool:
        """Lets time run to just before `at`, then takes the event. False: it was a duplicate, or too old. `at` never goes back."""
        self._seq += 1
        turn = self._fold.take(JournalEntry(self._seq, at, event))
        return turn is not None and turn.outcome in ("taken", "untracked")

    def run(self, until: int | None) -> int:
        """Lets time run to `until`, or until nothing is due; returns the time reached."""
        self._fold.until(until)
        return self.now

    def _note(self, actor: Actor, turn: Turn) -> None:
        """Look at a turn; for who counts more than its rows."""
