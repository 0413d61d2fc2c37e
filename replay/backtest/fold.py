"""The journal folded again under a program: the same actors as live, no disk, nothing sent."""

from __future__ import annotations

import heapq
from typing import Final

import msgspec

from actors.actor import Actor, fire, new_actor, pack, renew, take, unpack
from actors.joining import join
from actors.lru import Lru
from actors.model.event import ANONYMOUS, Event
from actors.model.program import Program
from actors.model.turn import TOO_OLD, Decision, Turn

LIVE_MAX: Final = 50_000
"""Actors kept as objects; past it those not used for longest are kept as bytes, a fifth of the size."""


class _Alias(msgspec.Struct):
    from_: object = msgspec.field(name="from", default="")


_alias = msgspec.json.Decoder(_Alias).decode


class Fold:
    """Takes the entries of a journal in their order. `drain` gives what came of them since it was called last."""

    def __init__(self, program: Program, *, live_max: int = LIVE_MAX) -> None:
        self._program = _feeding(program)
        self._live: Lru[Actor] = Lru()
        self._packed: dict[str, bytes] = {}
        self._moved: dict[str, str] = {}
        self._live_max = live_max
        self._alarms: list[tuple[int, str]] = []
        self._rows: list[Decision] = []
        self._seq = self._began = 0

    @property
    def people(self) -> int:
        return len(self._live) + len(self._packed)

    def begin(self, program: Program, at: int) -> None:
        """From here on another program counts; what is due before `at` fires under the one before."""
        self.until(at - 1)
        self._program = _feeding(program)
        self._began = self._seq + 1

    def take(self, event: Event, at: int) -> None:
        """Lets time run to just before `at`, then takes the event."""
        self.until(at - 1)
        self._seq += 1
        user = self._moved.get(event.user, event.user)
        actor = self._actor(user)
        name = _aliased(event)
        if name and name not in self._moved and name != user:
            turn = join(actor, self._actor(name), event, at, self._program)
            if turn is not None and turn is not TOO_OLD:
                self._moved[name] = user
                self._live.pop(name)
        else:
            turn = take(actor, event, at, self._program)
        if turn is None or turn is TOO_OLD:
            return
        if actor.position < self._began:
            renew(actor, self._program, at)
        actor.position = self._seq
        self._keep(actor, turn)
        while len(self._live) > self._live_max:
            leaving = self._live.evict()
            assert leaving is not None
            self._packed[leaving[0]] = pack(leaving[1])

    def until(self, at: int) -> None:
        """Lets time run, that instant included."""
        while self._alarms and self._alarms[0][0] <= at:
            due, name = heapq.heappop(self._alarms)
            if name in self._moved:
                continue
            actor = self._actor(name)
            if 0 < actor.due <= due:
                self._keep(actor, fire(actor, due, self._program))

    def drain(self) -> list[Decision]:
        rows, self._rows = self._rows, []
        return rows

    def _actor(self, name: str) -> Actor:
        actor = self._live.get(name)
        if actor is None:
            data = self._packed.pop(name, None)
            actor = new_actor(name) if data is None else unpack(data)
            self._live.put(name, actor)
        return actor

    def _keep(self, actor: Actor, turn: Turn) -> None:
        self._rows += turn.decisions
        if actor.due:
            heapq.heappush(self._alarms, (actor.due, actor.user))


def _feeding(program: Program) -> Program:
    return msgspec.structs.replace(program, tells_all=True)


def _aliased(event: Event) -> str:
    """The anonymous name that an alias is about, "" if it is none."""
    if event.kind != "alias" or event.user.startswith(ANONYMOUS):
        return ""
    try:
        name = _alias(event.body).from_
    except msgspec.DecodeError:
        return ""
    return name if isinstance(name, str) and name.startswith(ANONYMOUS) and len(name) > 1 else ""
