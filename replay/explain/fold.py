"""The journal of one user through the same actors once more, up to a moment.

Twice: as it was, for what is true; and with an actor that forgets nothing, for the words (what came too late, how often
it came in all). Only the first decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from actors.actor import fire, new_actor, pack, take, unpack
from actors.joining import join
from actors.model.memory import Log, slot_key
from actors.model.program import Program, index
from actors.model.scope import Evaluate, Scope
from actors.model.state import Actor, Run
from actors.model.turn import Decision, Turn
from actors.model.work import Work
from replay.explain.recall import KnownPrograms, Period, Recalled, source_of

KEEP: Final = 10_000
"""Events that the actor which forgets nothing remembers all the same."""

CHRONICLE: Final = slot_key("chronicle of explain")


class Came(msgspec.Struct, array_like=True, frozen=True):
    """An event in the chronicle."""

    occurred: int
    ordinal: int
    event: str
    body: bytes
    historical: bool = False
    """Whether it was told as history, which starts nothing."""

    @property
    def place(self) -> tuple[int, int]:
        return (self.occurred, self.ordinal)


class Chronicle(msgspec.Struct, frozen=True, kw_only=True):
    """A slot that keeps every event that any campaign looks at, also those that steps emitted."""

    events: tuple[str, ...]
    key: int = CHRONICLE
    where: Evaluate | None = None
    bytes_max: int = 0

    def put(self, state: Any, scope: Scope) -> Any:
        historical = isinstance(scope, Work) and scope.event is not None and scope.event.historical
        came = Came(scope.occurred, scope.ordinal, scope.name, scope.body, historical)
        state = [] if state is None else state
        state.append(came)
        if len(state) > 1 and state[-2].place > came.place:
            state.sort(key=lambda one: one.place)
        return state[-KEEP:]

    def merged(self, ours: Any, theirs: Any) -> Any:
        return sorted([*(ours or ()), *(theirs or ())], key=lambda one: one.place) or None

    def joined(self, other: Any) -> Chronicle:
        return self


def forgetting_nothing(program: Program) -> Program:
    """The same program, its questions remembered far beyond what they need."""
    events = {*program.interests, *(name for campaign in program.versions.values() for name in campaign.listens)}
    slots = [
        msgspec.structs.replace(slot, keep=KEEP, horizon=0) if isinstance(slot, Log) else slot for slot in program.slots
    ]
    kept = (*slots, Chronicle(events=tuple(sorted(events))))
    return msgspec.structs.replace(program, slots=kept, interests=index(program.campaigns, kept))


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One user at one moment."""

    actor: Actor
    elephant: Actor
    """The same user, nothing forgotten."""
    known: KnownPrograms
    """What counted at that moment; its program tells all."""
    now: int
    decisions: list[Decision]
    """All that the fold decided, `not_entered` among it."""
    complete: bool = True

    def scope(self, run: Run | None = None, body: bytes = b"{}") -> Scope:
        return _scope(self.actor, self.known.program, self.now, run, body)

    def remembering(self, run: Run | None = None) -> Scope:
        """A scope over the actor that forgets nothing: for words only."""
        return _scope(self.elephant, self.known.program, self.now, run, b"{}")

    def came(self, event: str, after: tuple[int, int] = (-1, -1)) -> list[Came]:
        """Every such event of the user after a place in the history, oldest first."""
        chronicle: list[Came] = self.elephant.memory.get(CHRONICLE) or []
        return [one for one in chronicle if one.event == event and one.place > after]


def _scope(actor: Actor, program: Program, now: int, run: Run | None, body: bytes) -> Scope:
    scope = Scope(actor, program, now)
    scope.run = run
    scope.take_up(body)
    return scope


def fold(recalled: Recalled, now: int) -> Moment:
    """The user as of `now`: after all inputs and timers up to and including it."""
    real = _Fold(recalled, _feeding_all)
    elephant = _Fold(recalled, lambda program: _feeding_all(forgetting_nothing(program)))
    known, actor = real.until(now)
    return Moment(
        actor=actor,
        elephant=elephant.until(now)[1],
        known=known,
        now=now,
        decisions=real.decisions,
        complete=recalled.complete,
    )


def _feeding_all(program: Program) -> Program:
    return msgspec.structs.replace(program, tells_all=True)


class _Fold:
    def __init__(self, recalled: Recalled, change: Callable[[Program], Program]) -> None:
        self.decisions: list[Decision] = []
        self._recalled = recalled
        self._change = change
        self._actors: dict[str, Actor] = {}
        self._epochs = list(recalled.epochs)
        self._known = self._next_period()
        if recalled.start is not None:
            self._actors[recalled.user] = unpack(pack(recalled.start))

    def until(self, now: int) -> tuple[KnownPrograms, Actor]:
        for entry in self._recalled.entries:
            if entry.at > now:
                break
            self._reach(lambda epoch, seq=entry.seq: epoch.seq < seq)  # type: ignore[misc]
            event, actor = entry.event, self._actor(entry.event.user)
            name = source_of(entry)
            source = self._actor(name) if name in self._recalled.joined else actor
            if source is actor:
                self._keep(take(actor, event, entry.at, self._known.program))
            else:
                self._keep(join(actor, source, event, entry.at, self._known.program))
        self._reach(lambda epoch: epoch.at <= now)
        actor = self._actor(self._recalled.user)
        self._keep(fire(actor, now, self._known.program))
        return self._known, actor

    def _reach(self, reached: Callable[[Period], bool]) -> None:
        """Time runs on under the old program until the new one counts."""
        while self._epochs and reached(self._epochs[0]):
            for actor in self._actors.values():
                self._keep(fire(actor, self._epochs[0].at - 1, self._known.program))
            self._known = self._next_period()

    def _next_period(self) -> KnownPrograms:
        known = self._epochs.pop(0).known
        return KnownPrograms(known.site, self._change(known.program))

    def _actor(self, name: str) -> Actor:
        found = self._actors.get(name)
        if found is None:
            found = self._actors[name] = new_actor(name)
        return self._actor(found.moved_to) if found.moved_to else found

    def _keep(self, turn: Turn | None) -> None:
        if turn is not None:
            self.decisions += turn.decisions
