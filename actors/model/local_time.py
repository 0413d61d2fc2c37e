"""Which time zone a user lives in."""

from __future__ import annotations

from actors.model.program import Program
from actors.model.state import Actor
from actors.values import zone


def time_zone(actor: Actor, program: Program) -> str:
    """The trait `time_zone`, else what the device told last, else the policy's."""
    told = actor.traits.get("time_zone")
    if isinstance(told, str) and zone.zone(told) is not None:
        return told
    if actor.zone and zone.zone(actor.zone) is not None:
        return actor.zone
    return program.policy.time_zone
