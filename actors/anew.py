"""A user whose actor is begun anew, because an operator asked for it: what it was cannot be read, written or taken again."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from actors.model.event import Event
from actors.model.state import Actor

BEGUN_ANEW: Final = "begun_anew"
"""Name of the event by which an operator asks; only believed if its source is the engine."""


class _Body(msgspec.Struct):
    turn: int = 0


_decode = msgspec.json.Decoder(_Body).decode


def begin_anew(actor: Actor, event: Event, occurred: int) -> None:
    """Forget all that is known of the user. What was consented to is not known any more either, so no marketing goes out until
    it is consented to again. Turns go on after the one that the event names: ids are made of them."""
    turn = max(actor.turn, _decode(event.body).turn)
    fresh: Any = Actor(actor.user)
    for field in actor.__struct_fields__:
        setattr(actor, field, getattr(fresh, field))
    actor.turn = turn
    actor.traits = {"consent": {"marketing": False}}
    actor.told_at = occurred
