"""The compiled site: campaigns as flat lists of instructions, an index from event names, the memory plan.

Made by `engine/language/compile.py`; the actors only read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from actors.event import CONTROL
from actors.memory import Slot
from actors.scope import Evaluate, Horizon
from actors.turn import Channel, Purpose


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """An event pattern: that event, if `where` holds."""

    event: str
    where: Evaluate | None
    text: str


# --- instructions: `step` is how the ledger names it --------------------------------------------------------------


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    step: str


class WaitFor(Instruction, frozen=True, kw_only=True):
    duration: Evaluate


class WaitIdle(Instruction, frozen=True, kw_only=True):
    duration: Evaluate
    of: tuple[Slot, ...] | None
    """Where the newest of each named event is remembered; None: anything the user does."""


class WaitUntil(Instruction, frozen=True, kw_only=True):
    matches: tuple[Match, ...]
    up_to: Evaluate | None
    name: str | None


class WaitWhen(Instruction, frozen=True, kw_only=True):
    condition: Evaluate
    horizon: Horizon
    up_to: Evaluate | None
    name: str | None


class SendMessage(Instruction, frozen=True, kw_only=True):
    channel: Channel
    template: str
    subject: str | None
    data: tuple[tuple[str, Evaluate], ...]
    expires: Evaluate | None
    topic: str
    purpose: Purpose
    collections: tuple[tuple[str, Evaluate], ...]
    """The remembered collections that the template looks at."""


class JumpUnless(Instruction, frozen=True, kw_only=True):
    """A case of a branch: `case` is its number from 1, for the ledger."""

    condition: Evaluate
    to: int
    case: int


class Jump(Instruction, frozen=True, kw_only=True):
    to: int


class SetTraits(Instruction, frozen=True, kw_only=True):
    traits: tuple[tuple[str, Evaluate], ...]


class EmitEvent(Instruction, frozen=True, kw_only=True):
    event: str
    properties: tuple[tuple[str, Evaluate], ...]


class ExitRun(Instruction, frozen=True, kw_only=True):
    reason: str


class Finish(Instruction, frozen=True, kw_only=True):
    """The end of the list."""


# --- campaigns ----------------------------------------------------------------------------------------------------


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    matches: tuple[Match, ...]
    within: int | None
    """Milliseconds from entry."""
    value: str | None
    go_on: bool


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign in one version. `code` ends with Finish."""

    id: str
    version: str
    status: Literal["live", "paused"]
    purpose: Purpose
    topic: str
    priority: int
    entries: tuple[Match, ...]
    key: str | None
    condition: Evaluate | None
    audience: Evaluate | None
    re_entry: Literal["once", "always", "after"]
    re_entry_after: int
    """Milliseconds."""
    concurrency: Literal["one_per_user", "one_per_key", "parallel"]
    exits: tuple[Match, ...]
    goal: Goal | None
    code: tuple[Instruction, ...]
    listens: frozenset[str]
    """Names of the events that concern a run of it: of its exits, its goal and its waits."""
    conditional: bool
    """Whether a run of it may wait for a condition, which any turn may make true."""


class Interest(msgspec.Struct, frozen=True, kw_only=True):
    """Who cares about an event name."""

    slots: tuple[Slot, ...] = ()
    entries: tuple[tuple[Campaign, Match], ...] = ()
    """By priority (highest first), then campaign id."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    marketing_opt_in: bool
    tracking_opt_in: bool
    unverified_email: bool
    expires: int
    """Milliseconds."""
    time_zone: str
    lateness: int
    """Milliseconds."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A whole site, compiled. `hash` names it; `versions` also holds older versions that runs may be pinned to."""

    hash: str
    campaigns: tuple[Campaign, ...]
    versions: Mapping[str, Campaign]
    slots: tuple[Slot, ...]
    interests: Mapping[str, Interest]
    policy: Policy
    aliases: Mapping[str, str]
    """Folded event name -> canonical name: the built-in ones and the site's."""
    tells_all: bool = False
    """Whether turns hold the rows `not_entered` too (simulate, test), or only count them (live)."""

    def with_versions(self, older: Program) -> Program:
        """This program, but runs of `older`'s campaigns can go on: it keeps their code and what they ask to remember."""
        slots = {slot.key: slot for slot in older.slots}
        for slot in self.slots:
            known = slots.get(slot.key)
            slots[slot.key] = slot if known is None else slot.joined(known)
        return msgspec.structs.replace(
            self,
            versions={**older.versions, **self.versions},
            slots=tuple(slots.values()),
            interests=index(self.campaigns, tuple(slots.values())),
        )


def index(campaigns: tuple[Campaign, ...], slots: tuple[Slot, ...]) -> dict[str, Interest]:
    """Event name -> who cares about it."""
    entries: dict[str, list[tuple[Campaign, Match]]] = {}
    for campaign in sorted(campaigns, key=lambda campaign: (-campaign.priority, campaign.id)):
        for match in campaign.entries:
            entries.setdefault(match.event, []).append((campaign, match))
    remembered: dict[str, list[Slot]] = {}
    for slot in slots:
        for event in slot.events:
            remembered.setdefault(event, []).append(slot)
    return {
        event: Interest(slots=tuple(remembered.get(event, ())), entries=tuple(entries.get(event, ())))
        for event in entries.keys() | remembered.keys() | CONTROL
    }
