"""What comes of one input or one due timer: decisions for the ledger, sends for the outbox."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

DecisionKind = Literal[
    "entered",
    "not_entered",
    "waiting",
    "matched",
    "timed_out",
    "branched",
    "assigned",
    "sent",
    "held",
    "skipped",
    "set",
    "emitted",
    "goal",
    "exited",
    "finished",
]

Channel = Literal["email", "push"]
Purpose = Literal["marketing", "transactional"]

Outcome = Literal["taken", "duplicate", "untracked", "too_old"]
"""What became of an input. `taken`: a row of the journal. `duplicate`: it was taken before. `untracked`: the user does not
want to be tracked. `too_old`: it is from a time of which the actor has forgotten what it was told, so it may have been
taken before. Of all but `taken` nothing has changed, and there is no row."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """One row of the ledger (language.md §9). (`user`, `turn`, `index`) is its key: doing a turn twice makes the same row.

    The fields' order is how the ledger keeps them: a new one comes last and has a default.
    """

    at: int
    user: str
    turn: int
    index: int
    campaign: str
    version: str
    run: str = ""
    step: str = ""
    decision: DecisionKind
    reason: str | None = None
    channel: Channel | None = None
    template: str | None = None
    variant: str | None = None
    message: str | None = None
    detail: bytes = b"{}"
    """Raw JSON object."""


_decode_detail = msgspec.json.Decoder(dict[str, Any]).decode


def detail_of(decision: Decision) -> dict[str, Any]:
    """Read a row's detail: nothing if it is no JSON object."""
    try:
        return _decode_detail(decision.detail)
    except msgspec.MsgspecError:
        return {}


def goal_value(decision: Decision) -> float:
    """Read what a goal was worth, 0 if it tells no number."""
    value = detail_of(decision).get("value")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


class Send(msgspec.Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """A message that was decided. It holds all that rendering needs: delivery never asks the engine about a user.

    The fields' order is how the outbox keeps them: a new one comes last and has a default.
    """

    id: str
    """A pure function of (campaign, version, user, run, step): the same on every replay."""
    user: str
    campaign: str
    version: str
    run: str
    step: str
    channel: Channel
    template: str
    purpose: Purpose
    topic: str
    to: str
    """E-mail address; for a push the user's name."""
    subject: str | None = None
    """Overrides the template's subject."""
    at: int
    expires: int
    """Milliseconds since the epoch after which it is not worth sending."""
    context: bytes
    """Raw JSON object: `user`, `entry`, `run`, `data` and the collections that the template looks at."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that came of one input or of the timers due before it. Empty for an event that concerned nobody."""

    decisions: tuple[Decision, ...] = ()
    sends: tuple[Send, ...] = ()
    refusals: tuple[tuple[str, str], ...] = ()
    """(campaign, reason) of each entry refused, to be counted; rows `not_entered` are made only if the program asks."""
    reached: tuple[str, ...] = ()
    """Limits at which something was not kept, or only a part of it, to be counted."""
    conflicts: int = 0
    """Words on the user's profile that lost to others, to be counted; they are in `Actor.conflicts`."""
    outcome: Outcome = "taken"


NOTHING = Turn()
"""The usual turn: taken, and nothing came of it. Whether it is this very one may be asked to save work, never to decide."""

DUPLICATE = Turn(outcome="duplicate")
UNTRACKED = Turn(outcome="untracked")
TOO_OLD = Turn(outcome="too_old")
