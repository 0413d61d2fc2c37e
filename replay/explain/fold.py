"""The journal of one user through the same actors once more, up to a moment.

Twice: as it was, for what is true; and with an actor that forgets nothing, for the words (what came too late, how often
it came in all). Only the first decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from actors.actor import pack, unpack
from actors.identity import visitor_of
from actors.model.memory import Log, slot_key
from actors.model.program import Program, index
from actors.model.scope import Evaluate, Scope
from actors.model.state import Actor, Run
from actors.model.turn import Decision
from actors.model.work import Work
from replay.explain.recall import KnownPrograms, Period, Recalled
from replay.fold import Fold

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
    known, real = _folded(recalled, now, lambda program: program)
    elephant = _folded(recalled, now, forgetting_nothing)[1]
    return Moment(
        actor=real.actor(recalled.user),
        elephant=elephant.actor(recalled.user),
        known=known,
        now=now,
        decisions=real.decisions,
        complete=recalled.complete,
    )


def _folded(recalled: Recalled, now: int, change: Callable[[Program], Program]) -> tuple[KnownPrograms, Fold]:
    """What counts at `now`, and the fold that has come there with each program changed so."""
    known, *later = recalled.epochs
    folded = Fold(change(known.known.program))
    if recalled.start is not None:
        folded.resume(unpack(pack(recalled.start)))
    folded.know_elsewhere({visitor_of(entry.event) for entry in recalled.entries} - {"", *recalled.joined})
    for entry in recalled.entries:
        if entry.at > now:
            break
        while later and later[0].seq < entry.seq:
            known = _begun(folded, later.pop(0), change)
        folded.take(entry)
    while later and later[0].at <= now:
        known = _begun(folded, later.pop(0), change)
    folded.until(now)
    return KnownPrograms(known.known.site, folded.program), folded


def _begun(folded: Fold, period: Period, change: Callable[[Program], Program]) -> Period:
    folded.begin(change(period.known.program), period.at, period.seq)
    return period
