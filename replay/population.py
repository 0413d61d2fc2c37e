"""Actors by name, in virtual time: who is told what, and who turns out to be whom. No clock, no alarms, no disk."""

from __future__ import annotations

import msgspec

from actors.actor import Actor, new_actor, take
from actors.joining import join
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Turn


class Population:
    def __init__(self) -> None:
        self.everybody: dict[str, Actor] = {}
        """By name, also those who turned out to be somebody else."""

    @property
    def actors(self) -> dict[str, Actor]:
        """By name; anonymous visitors who turned out to be somebody are not among them."""
        return {name: actor for name, actor in self.everybody.items() if not actor.moved_to}

    def take(self, event: Event, at: int, program: Program) -> tuple[Actor, Turn | None]:
        """Whose event it was, and that actor's turn; None as in `actors.actor.take`."""
        actor = self._owner(event.user)
        source = self._visitor(event) if event.kind == "alias" else None
        if source is None or source is actor:
            return actor, take(actor, event, at, program)
        return actor, join(actor, source, event, at, program)

    def _owner(self, name: str) -> Actor:
        found = self.everybody.get(name)
        if found is None:
            found = self.everybody[name] = new_actor(name)
        return self._owner(found.moved_to) if found.moved_to else found

    def _visitor(self, event: Event) -> Actor | None:
        """The visitor who turns out to be the event's user. A name that was joined before stays where it is, so the second
        user of a shared computer does not take over the first."""
        name = previous_name(event)
        found = self.everybody.get(name)
        if found is None:
            found = self.everybody[name] = new_actor(name)
        return None if found.moved_to else found


class _Alias(msgspec.Struct, rename={"from_": "from"}):
    from_: str


_alias = msgspec.json.Decoder(_Alias).decode


def previous_name(event: Event) -> str:
    """Whom an alias event says that its user was before."""
    return _alias(event.body).from_
