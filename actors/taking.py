"""One entry of the journal and the actor that takes it: the step that every fold of a journal is made of."""

from __future__ import annotations

from actors.actor import renew, take
from actors.joining import join
from actors.model.event import Event
from actors.model.program import Program
from actors.model.state import Actor
from actors.model.turn import Turn


def take_entry(
    actor: Actor, source: Actor | None, event: Event, at: int, seq: int, program: Program, began: int
) -> Turn:
    """Take the event, or let the visitor `source` turn out to be the actor; then the actor stands at `seq`.

    `began`: position from which `program` counts. If the actor's last entry is of before, its next timer is set anew,
    for there may be other things to wait for. Of what was not taken nothing has changed, the position neither.
    """
    turn = take(actor, event, at, program) if source is None else join(actor, source, event, at, program)
    if turn.outcome != "taken":
        return turn
    if actor.position < began:
        renew(actor, program, at)
    actor.position = seq
    return turn
