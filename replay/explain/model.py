"""What an explanation is made of: plain values, the same for the command line and for JSON."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from replay.ledger import iso

State = Literal["true", "false", "pending"]
"""`pending`: false now, and time alone makes it true at `until`."""


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern that has begun to match."""

    taken: tuple[str, ...]
    """What has come, each with its time."""
    waits_for: str
    until: int
    """When it is dropped (or, of `then no`, when it matches), in ms."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a condition, a pattern, a rule or a check of a send."""

    text: str
    """As the author could have written it."""
    state: State
    until: int = 0
    """Of `pending`: when time alone makes it true; of `true` and `false`: when time alone ends that, 0 if it does not."""
    saw: str = ""
    """The values it looked at, in words."""
    nearest: str = ""
    """How near it came, in words."""
    parts: tuple[Part, ...] = ()
    partials: tuple[Partial, ...] = ()


class ExplainedStep(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a run: one row of the ledger, in words."""

    at: int
    decision: str
    text: str


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    version: str
    entered: int
    key: str = ""
    variant: str = ""
    active: bool
    now: str
    """Where it stands, in words."""
    wake: int = 0
    """Its next timer, in ms; 0: none."""
    wait: tuple[Part, ...] = ()
    """What it waits for; any of them moves it."""
    exits: tuple[Part, ...] = ()
    goal: tuple[Part, ...] = ()
    sends: tuple[SendView, ...] = ()
    """The sends that may still come, as if they were due now."""
    happened: tuple[ExplainedStep, ...] = ()
    """From the ledger, oldest first."""


class SendView(msgspec.Struct, frozen=True, kw_only=True):
    """A send and every check before it; `state` is that of all of them together."""

    step: str
    channel: str
    state: State
    until: int = 0
    checks: tuple[Part, ...]


class ExplainedMove(msgspec.Struct, frozen=True, kw_only=True):
    """Something that would have to happen."""

    at: int
    kind: Literal["track", "identify"]
    event: str
    """Empty of an identify."""
    properties: dict[str, Any]


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """A shortest future that was found, and played through the actors before it was told. No moves: time alone."""

    outcome: Literal["enters", "sends"]
    moves: tuple[ExplainedMove, ...]
    at: int
    """When it enters or sends."""
    text: str


class CampaignView(msgspec.Struct, frozen=True, kw_only=True):
    campaign: str
    version: str
    status: str
    why: str
    says: str
    """All of it in one sentence."""
    entry: tuple[Part, ...]
    """The entry patterns; any of them is enough."""
    rules: tuple[Part, ...]
    """The entry rules in their order, as if a pattern matched now; all are needed."""
    refused: tuple[ExplainedStep, ...]
    """The last entries that were refused, oldest first."""
    runs: tuple[RunView, ...]
    sends: tuple[SendView, ...]
    """Of a campaign that the user is not in: its sends, as if they were due now."""
    witnesses: tuple[Witness, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    at: int
    """The moment that is explained."""
    notes: tuple[str, ...]
    """What limits the explanation, such as a journal that does not reach back to the beginning."""
    campaigns: tuple[CampaignView, ...]


_INSTANTS: Final = frozenset({"at", "until", "entered", "wake"})


def as_json(explanation: Explanation) -> dict[str, Any]:
    """Plain values; instants as the ledger writes them, null for none."""
    found: dict[str, Any] = _readable(msgspec.to_builtins(explanation))
    return found


def _readable(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: part if key == "properties" else _readable(part, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(part) for part in value]
    if name in _INSTANTS and isinstance(value, int):
        return iso(value) if value else None
    return value
