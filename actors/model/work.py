"""A turn in the making: who it is about, when, and the rows that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from actors.model.context import with_context
from actors.model.event import Event
from actors.model.program import Campaign, Program
from actors.model.scope import Scope
from actors.model.state import Actor, Run
from actors.model.turn import NOTHING, Channel, Decision, DecisionKind, Send, Turn
from actors.values.kept import EVENT_BYTES_MAX, kept

EMIT_DEPTH_MAX: Final = 8
"""Events that one turn may cause by `emit`; past it an emit is written down with reason `emit_depth_max` and not told."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Work(Scope):
    """Lives for one turn. `number` is the turn's; rows are indexed in the order in which they are written."""

    # No slots: what most turns never touch stays with the class, and costs them nothing.
    event: Event | None = None
    """The event at hand."""
    decisions: Sequence[Decision] = ()
    sends: Sequence[Send] = ()
    refusals: Sequence[tuple[str, str]] = ()
    unproven = False
    """Whether nothing proves that the event at hand is the user's doing; a run that it begins is as little sure."""
    emitted: Sequence[tuple[Event, bool]] = ()
    """Events that steps emitted and that are still to be told; whether they come of something unproven."""
    emits = 0
    asking: Sequence[Run] = ()
    """Runs that have come to a send: decided when all have moved, by priority."""
    reached: tuple[str, ...] = ()
    """Limits at which something was not kept."""
    conflicts = 0
    """Words on the profile that lost to others."""
    changes: frozenset[tuple[str, bool]] = frozenset()
    """Segments that were just entered (True) or left."""

    unsettled = False
    """Whether what is known of the user's context is another now, which a condition may look at."""

    def __init__(self, actor: Actor, program: Program, at: int, number: int) -> None:
        super().__init__(actor, program, at)
        self.number = number
        self.ordinal = number

    def look_at(self, event: Event, occurred: int, ordinal: int) -> None:
        """Make `event` the event at hand; (occurred, ordinal) is its place in the user's history."""
        self.event = event
        self.name = event.name
        self.occurred = occurred
        self.ordinal = ordinal
        body = event.body
        contexts = self.program.contexts
        if contexts and event.context and (paths := contexts.get(event.name)):
            body = with_context(body, event.context, paths)
        if len(body) > EVENT_BYTES_MAX:
            self.reach("event_bytes")
            body = kept(body, EVENT_BYTES_MAX)
        self.take_up(body)

    def reach(self, limit: str) -> None:
        self.reached = (*self.reached, limit)

    def done(self) -> Turn:
        if not (self.decisions or self.refusals or self.reached or self.conflicts):
            return NOTHING
        return Turn(
            decisions=tuple(self.decisions),
            sends=tuple(self.sends),
            refusals=tuple(self.refusals),
            reached=self.reached,
            conflicts=self.conflicts,
        )

    def write(
        self,
        campaign: Campaign,
        run: Run | None,
        decision: DecisionKind,
        *,
        step: str = "",
        reason: str | None = None,
        channel: Channel | None = None,
        template: str | None = None,
        variant: str | None = None,
        message: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """One row of the ledger."""
        self.decisions = (
            *self.decisions,
            Decision(
                at=self.now,
                user=self.actor.user,
                turn=self.number,
                index=len(self.decisions),
                campaign=campaign.id,
                version=campaign.version,
                run="" if run is None else run.id,
                step=step,
                decision=decision,
                reason=reason,
                channel=channel,
                template=template,
                variant=variant or (run.variant if run is not None and run.variant else None),
                message=message,
                detail=_encode(detail) if detail else b"{}",
            ),
        )
