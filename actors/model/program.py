"""The compiled site: campaigns as flat lists of instructions, an index from event names, the memory plan.

Made by `language/compiler/compile.py`; the actors only read it.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cached_property
from typing import Final, Literal

import msgspec

from actors.model.compiled_patterns import (
    Absence,
    AllOf,
    ArrivedEarly,
    EventPattern,
    Membership,
    Pattern,
    Segment,
    SequencePattern,
    Silence,
    Timed,
    Unmatched,
)
from actors.model.context import IP, ContextPart, Path, asked_of
from actors.model.event import CONTROL
from actors.model.memory import Slot, slot_key
from actors.model.scope import Evaluate, Horizon
from actors.model.turn import Channel, Purpose

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
    patterns: tuple[Pattern, ...]
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
    user_context: tuple[tuple[Path, int], ...] = ()
    """Parts of the user's context that the template looks at, and the slots that keep them."""
    entry_context: tuple[Path, ...] = ()
    """Parts of the entry event's context that it looks at."""
    printed: tuple[tuple[str, str], ...] = ()
    """(`user`, `entry` or `data`; name) that the template prints with no default: without a value there is no message."""
    cap: Cap | None = None
    """Of the messages with this template that the campaign decides to send to one user."""


class WaitAt(Instruction, frozen=True, kw_only=True):
    """Until it is that time of day, on one of the days (ISO, 1 to 7; None: any)."""

    minute: int
    days: frozenset[int] | None
    time_zone: str
    """`user`, or an IANA zone for all."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    weight: float


class Split(Instruction, frozen=True, kw_only=True):
    """One way for each variant; `to` are the ways' first instructions."""

    id: str
    variants: tuple[Variant, ...]
    to: tuple[int, ...]


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
    patterns: tuple[Pattern, ...]
    told: tuple[ArrivedEarly, ...] = ()
    """Those of them that a run may find told already when it begins."""
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
    entries: tuple[Pattern, ...]
    key: str | None
    condition: Evaluate | None
    audience: Evaluate | None
    re_entry: Literal["once", "always", "after"]
    re_entry_after: int
    """Milliseconds."""
    concurrency: Literal["one_per_user", "one_per_key", "parallel"]
    exits: tuple[Pattern, ...]
    exits_told: tuple[ArrivedEarly, ...] = ()
    """Those of them that a run may find told already when it begins."""
    goal: Goal | None
    code: tuple[Instruction, ...]
    """Of the first variant, if there is an experiment."""
    codes: Mapping[str, tuple[Instruction, ...]] = {}
    """By variant: alike in shape, different in values."""
    experiment: str = ""
    variants: tuple[Variant, ...] = ()
    holdout: float = 0.0
    """Part of the users, 0 to 1, who are enrolled and measured but sent nothing."""
    shadow: bool = False
    """Decides everything, sends nothing."""
    canary: float = 1.0
    """Part of the users, 0 to 1, who may enter."""
    cap: Cap | None = None
    """Of all messages that it decides to send to one user."""
    side: Literal["", "canary", "others"] = ""
    """While a canary runs beside the last live version: whose entries this version takes; "": everybody's."""
    listens: frozenset[str]
    """Names of the events that concern a run of it: of its exits, its goal and its waits."""
    conditional: bool
    """Whether a run of it may wait for a condition, which any turn may make true."""
    partial: tuple[SequencePattern | Absence | AllOf | Silence, ...] = ()
    """Patterns inside a run that are told events and keep something of them, of its exits, its goal and its waits."""
    timed: tuple[Absence | Silence, ...] = ()
    """Patterns inside a run that match by time."""

    @property
    def is_live(self) -> bool:
        """Plainly: nobody is kept out and nothing is held back."""
        return self.status == "live" and not self.shadow and self.canary >= 1 and not self.side


class Interest(msgspec.Struct, frozen=True, kw_only=True):
    """Who cares about an event name."""

    slots: tuple[Slot, ...] = ()
    entries: tuple[tuple[Campaign, EventPattern], ...] = ()
    """By priority (highest first), then campaign id."""


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` sends in `span` ms, of one topic or channel if named."""

    limit: int
    span: int
    by_day: bool
    """Calendar days in the user's zone; `span` is then a day."""
    topic: str | None = None
    channel: Channel | None = None
    text: str = ""
    """`1 per 1d`."""


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """From `start` to `end` (not included), minutes of the day; over midnight if `end` is not later."""

    start: int
    end: int
    time_zone: str
    """`user`, or an IANA zone for all."""
    hold: bool


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    marketing_opt_in: bool
    tracking_opt_in: bool
    unverified_email: bool
    expires: int
    """Milliseconds."""
    time_zone: str
    lateness: int
    """Milliseconds."""
    caps: tuple[Cap, ...] = ()
    cooldown: int = 0
    """Milliseconds after a send in which nothing more of its topic goes out; 0: none."""
    fatigue_after: int = 0
    """Sends in a row without a human open or click after which the caps are multiplied by `fatigue_factor`; 0: never."""
    fatigue_factor: float = 1.0
    quiet: QuietHours | None = None
    holds_capped: bool = True
    """Whether what a cap refuses waits for the next free slot, or is skipped."""
    default_campaign: str | None = None
    deduplicate: int = 7 * 86_400_000
    """For how long an event is known again by its message id, in ms."""
    trust_anonymous_ids: bool = False
    """Whether what is told under the anonymous id of a known user, by whoever knows it, is that user's behaviour."""

    @property
    def longest(self) -> int:
        """How far back caps and cooldown may look, in ms."""
        spans = [cap.span * 2 if cap.by_day else cap.span for cap in self.caps]
        stretch = 1 if not self.fatigue_after else max(1.0, 1 / max(self.fatigue_factor, 0.001))
        return int(max([*spans, self.cooldown], default=0) * stretch)


class Program(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A whole site, compiled. `hash` names it; `versions` also holds older versions that runs may be pinned to."""

    hash: str
    campaigns: tuple[Campaign, ...]
    versions: Mapping[str, Campaign]
    slots: tuple[Slot, ...]
    interests: Mapping[str, Interest]
    policy: Policy
    aliases: Mapping[str, str]
    """Folded event name -> canonical name: the built-in ones and the site's."""
    segments: tuple[Segment, ...] = ()
    """Those that patterns watch."""
    timed: tuple[tuple[Campaign, Timed], ...] = ()
    """Entry patterns that match by time."""
    memberships: tuple[tuple[Campaign, Membership], ...] = ()
    """Entry patterns that match when a segment is entered or left."""
    every_turn: bool = False
    """Whether any event at all may change a watched segment."""
    tells_all: bool = False
    """Whether turns hold the rows `not_entered` too (simulate, test), or only count them (live)."""
    archived: frozenset[str] = frozenset()
    """Campaigns that were put away: their runs end at their next move."""
    last_live: Mapping[str, Campaign] = {}
    """Each campaign's newest version that was plainly live, in this program or an older one."""
    contexts: Mapping[str, tuple[Path, ...]] = {}
    """Event -> the parts of its context that the site asks for."""
    since: Mapping[int, int] = {}
    """Entry pattern that time may complete -> when it came into the site, in ms: no silence before that counts."""

    @cached_property
    def context_parts(self) -> tuple[ContextPart, ...]:
        """What is remembered of the users' contexts."""
        return tuple(slot for slot in self.slots if isinstance(slot, ContextPart))

    @cached_property
    def keeps_ip(self) -> bool:
        """Whether the site asks for the addresses of its users."""
        asked = [path for paths in self.contexts.values() for path in paths]
        return any(path[0] == IP for path in (*asked, *(part.path for part in self.context_parts)))

    @cached_property
    def steady(self) -> frozenset[str]:
        """Versions whose runs move only by events that they listen to and by their own timers: they wait neither for
        conditions nor for patterns that time completes."""
        return frozenset(name for name, one in self.versions.items() if not (one.conditional or one.timed))

    @cached_property
    def capped(self) -> Mapping[str, int]:
        """What caps of campaigns and sends count (`cap_name`) -> the most that one of them, of any version, admits."""
        limits: dict[str, int] = {}
        for campaign in self.versions.values():
            sends = [one for code in (campaign.code, *campaign.codes.values()) for one in code]
            named = [(campaign.id, campaign.cap)]
            named += [(cap_name(campaign.id, one), one.cap) for one in sends if isinstance(one, SendMessage)]
            for name, cap in named:
                if cap is not None:
                    limits[name] = max(limits.get(name, 0), cap.limit)
        return limits

    @cached_property
    def silence(self) -> int:
        """The least span of the entry patterns that wait for nothing to happen, in ms; 0: there are none."""
        return min((pattern.span for _, pattern in self.timed if not isinstance(pattern, Absence)), default=0)

    @cached_property
    def absences(self) -> frozenset[str]:
        """Events that may begin or end a wait of an entry pattern `a then no b`."""
        return frozenset(name for _, pattern in self.timed if isinstance(pattern, Absence) for name in pattern.events)

    def with_versions(self, older: Program) -> Program:
        """This program, but runs of `older`'s campaigns can go on: it keeps their code, what they ask to remember and the
        segments they watch. Beside a canary stands the campaign's last live version, for everybody else."""
        slots = {slot.key: slot for slot in older.slots}
        for slot in self.slots:
            known = slots.get(slot.key)
            slots[slot.key] = slot if known is None else slot.joined(known)
        last_live = {
            **{campaign.id: campaign for campaign in older.campaigns if campaign.is_live},
            **older.last_live,
            **{campaign.id: campaign for campaign in self.campaigns if campaign.is_live},
        }
        campaigns = tuple(part for campaign in self.campaigns for part in _beside(campaign, last_live))
        segments = {segment.name: segment for segment in (*older.segments, *self.segments)}
        versions = {**older.versions, **self.versions, **{campaign.version: campaign for campaign in campaigns}}
        return msgspec.structs.replace(
            self,
            campaigns=campaigns,
            versions={name: one for name, one in versions.items() if one.id not in self.archived},
            slots=tuple(slots.values()),
            interests=index(campaigns, tuple(slots.values())),
            segments=tuple(segments[name] for name in sorted(segments)),
            timed=timed_entries(campaigns, {one.id for one, known in self.timed if isinstance(known, Unmatched)}),
            memberships=membership_entries(campaigns),
            every_turn=self.every_turn or older.every_turn,
            contexts=asked_of(self.contexts, older.contexts),
            last_live={name: one for name, one in last_live.items() if name not in self.archived},
        )


UNMATCHED: Final = Unmatched(key=slot_key("unmatched for 30d"), span=30 * 86_400_000, text="nothing matched for 30d")
"""How users come into the policy's `default_campaign`."""


def cap_name(campaign: str, send: SendMessage) -> str:
    """What the cap of a send counts; that of a campaign counts by the campaign's id."""
    return f"{campaign}\x1f{send.channel}\x1f{send.template}"


def _beside(campaign: Campaign, last_live: Mapping[str, Campaign]) -> tuple[Campaign, ...]:
    """A canary and the version that everybody else stays on, or the campaign as it is."""
    others = last_live.get(campaign.id)
    if campaign.canary >= 1 or campaign.status != "live" or others is None:
        return (campaign,)
    return (
        msgspec.structs.replace(campaign, side="canary"),
        msgspec.structs.replace(others, side="others", canary=campaign.canary),
    )


def timed_entries(campaigns: Iterable[Campaign], default: Container[str]) -> tuple[tuple[Campaign, Timed], ...]:
    """Entry patterns that match by time, by priority; `default`: ids of those entered by who matched nothing."""
    ordered = by_priority(campaigns)
    return (
        *((one, pattern) for one in ordered for pattern in one.entries if isinstance(pattern, Absence | Silence)),
        *((one, UNMATCHED) for one in ordered if one.id in default),
    )


def membership_entries(campaigns: Iterable[Campaign]) -> tuple[tuple[Campaign, Membership], ...]:
    """Entry patterns that match when a segment is entered or left, by priority."""
    return tuple(
        (one, pattern) for one in by_priority(campaigns) for pattern in one.entries if isinstance(pattern, Membership)
    )


def by_priority(campaigns: Iterable[Campaign]) -> list[Campaign]:
    return sorted(campaigns, key=lambda campaign: (-campaign.priority, campaign.id))


def index(campaigns: tuple[Campaign, ...], slots: tuple[Slot, ...]) -> dict[str, Interest]:
    """Event name -> who cares about it."""
    entries: dict[str, list[tuple[Campaign, EventPattern]]] = {}
    for campaign in by_priority(campaigns):
        for pattern in campaign.entries:
            if not isinstance(pattern, Membership):
                for event in pattern.events:
                    entries.setdefault(event, []).append((campaign, pattern))
    remembered: dict[str, list[Slot]] = {}
    for slot in slots:
        for event in slot.events:
            remembered.setdefault(event, []).append(slot)
    return {
        event: Interest(slots=tuple(remembered.get(event, ())), entries=tuple(entries.get(event, ())))
        for event in entries.keys() | remembered.keys() | CONTROL
    }
