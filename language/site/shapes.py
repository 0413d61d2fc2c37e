"""The files of a site as an author writes them: what keys there are, and what stands in each.

From these structs come the strict reading (`decode.py`) and the JSON Schemas for editors (`schema.py`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from actors.sending.send_caps import LIMIT_MAX
from language.site.fields import (
    Collection,
    Duration,
    DurationText,
    ExpressionText,
    Patterns,
    Placed,
    StepField,
    Texts,
    Whole,
)
from language.site.rule_fields import ClockTime, Days, Number, Per, Percent, StatusText, ZoneText


class Variants(Whole):
    """Of an experiment: their values are whatever the steps need."""

    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"weight": {"type": "number"}},
            "required": ["weight"],
        },
    }


class WaitFile(msgspec.Struct, rename={"for_": "for", "as_": "as"}):
    """Exactly one of `for`, `idle`, `until`, `when` and `at`."""

    for_: Annotated[DurationText | None, Meta(description="Wait so long.")] = None
    idle: Annotated[DurationText | None, Meta(description="Wait until the user has done nothing for so long.")] = None
    of: Annotated[Texts | None, Meta(description="With `idle`: only these events count.")] = None
    until: Annotated[Patterns | None, Meta(description="Wait until one of these patterns matches.")] = None
    when: Annotated[ExpressionText | None, Meta(description="Wait until this is true.")] = None
    up_to: Annotated[DurationText | None, Meta(description="At most so long.")] = None
    as_: Annotated[Placed | None, Meta(description="Name that is true if it came, false if time was up.")] = None
    at: Annotated[ClockTime | None, Meta(description="Wait until it is that time of day.")] = None
    days: Annotated[Days | None, Meta(description="With `at`: on one of these days.")] = None
    tz: Annotated[ZoneText | None, Meta(description="With `at`: where it is that time (user).")] = None


class OwnCapFile(msgspec.Struct):
    """At most so many sends to one user in a span of time, counted when they are decided; one more is skipped."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)]
    per: Per


class SendFile(msgspec.Struct):
    """Exactly one of `email` and `push`."""

    email: Annotated[Placed | None, Meta(description="Name of an e-mail template.")] = None
    push: Annotated[Placed | None, Meta(description="Name of a push template.")] = None
    subject: Annotated[str | None, Meta(description="Instead of the template's subject.")] = None
    data: Annotated[dict[str, ExpressionText], Meta(description="Values for the template, as expressions.")] = {}
    expires: Annotated[DurationText | None, Meta(description="Not worth sending after so long.")] = None
    topic: str | None = None
    purpose: Literal["marketing", "transactional"] | None = None
    cap: Annotated[
        OwnCapFile | None, Meta(description="Of the campaign's sends with this template, transactional ones too.")
    ] = None


class EmitFile(msgspec.Struct):
    """Tells the user's actor an event."""

    event: Placed
    properties: dict[str, ExpressionText] = {}


class CaseFile(msgspec.Struct, rename={"else_": "else"}):
    """`when` and `do`; the last case may be `else` alone."""

    when: ExpressionText | None = None
    do: list[StepField] | None = None
    else_: list[StepField] | None = None


class WayFile(msgspec.Struct):
    """One variant of a split."""

    weight: Number
    do: list[StepField]


class SplitFile(msgspec.Struct):
    """One of several ways, by a hash of the user: the same one each time."""

    id: Annotated[Placed, Meta(description="Names the split; the same id gives a user the same variant.")]
    variants: Annotated[dict[str, WayFile], Meta(description="Name: its weight and steps.")]


class StepFile(msgspec.Struct):
    """Exactly one of these."""

    wait: WaitFile | None = None
    send: SendFile | None = None
    branch: list[CaseFile] | None = None
    split: SplitFile | None = None
    set: Annotated[dict[str, ExpressionText] | None, Meta(description="User traits, as expressions.")] = None
    emit: EmitFile | None = None
    exit: Annotated[Placed | None, Meta(description="Ends the run, with this reason.")] = None


class EntryFile(msgspec.Struct, rename={"if_": "if"}):
    """How a user comes into the campaign."""

    event: Patterns
    key: Annotated[Placed | None, Meta(description="One run for each value of this property.")] = None
    if_: Annotated[ExpressionText | None, Meta(description="Checked once, when the pattern matches.")] = None
    audience: Annotated[ExpressionText | None, Meta(description="Checked at entry and before every send.")] = None
    re_entry: Annotated[Placed | None, Meta(description="once, always, or after DURATION.")] = None
    concurrency: Literal["one_per_user", "one_per_key", "parallel"] = "one_per_key"


class GoalFile(msgspec.Struct, rename={"continue_": "continue"}):
    """What the campaign is for."""

    event: Patterns
    within: Annotated[Duration | None, Meta(description="Conversion window, from entry.")] = None
    value: Annotated[Placed | None, Meta(description="Property that is the conversion's value.")] = None
    continue_: Annotated[bool, Meta(description="The run goes on after the goal.")] = False


class ExperimentFile(msgspec.Struct):
    """Values that differ by variant: `$name` in the steps."""

    id: Annotated[Placed, Meta(description="Names the experiment; the same id gives a user the same variant.")]
    variants: Annotated[Variants, Meta(description="Name: its weight, and its value of each `$name`.")]


class CampaignFile(msgspec.Struct):
    """A campaign: who enters, what happens, what it is for."""

    why: Annotated[str, Meta(description="Why it is as it is. Changes with its behaviour.")]
    entry: EntryFile
    steps: list[StepField]
    campaign: Annotated[Placed | None, Meta(description="Its id: the file's name.")] = None
    status: StatusText | None = None
    purpose: Literal["marketing", "transactional"] = "marketing"
    topic: Annotated[str | None, Meta(description="Family for unsubscribing; default: the campaign's id.")] = None
    priority: Annotated[int, Meta(description="0 to 100.", ge=0, le=100)] = 50
    exit_when: Annotated[Patterns | None, Meta(description="Any of these ends the run at once.")] = None
    goal: GoalFile | None = None
    holdout: Annotated[Percent | None, Meta(description="Part of the users who are measured and sent nothing.")] = None
    experiment: ExperimentFile | None = None
    cap: Annotated[OwnCapFile | None, Meta(description="Of all its sends, transactional ones too.")] = None


class ConsentFile(msgspec.Struct):
    """opt_in: only with a yes; opt_out: unless a no."""

    marketing: Literal["opt_in", "opt_out"] = "opt_in"
    tracking: Literal["opt_in", "opt_out"] = "opt_out"


class CapFile(msgspec.Struct):
    """At most so many sends in a span of time."""

    limit: Annotated[int, Meta(ge=1, le=1_000)]
    per: Per
    topic: Annotated[str | None, Meta(description="Only sends of this topic count, and are held back.")] = None
    channel: Literal["email", "push"] | None = None


class CooldownFile(msgspec.Struct):
    """Nothing more of a topic for so long after a send of it."""

    topic: Duration


class FatigueFile(msgspec.Struct):
    """Who ignores us gets less."""

    after_ignored: Annotated[int, Meta(description="Sends in a row neither opened nor clicked.", ge=1, le=100)]
    factor: Annotated[Number, Meta(description="What the caps are multiplied by, below 1.")]


class QuietHoursFile(msgspec.Struct, rename={"from_": "from"}):
    """Hours in which no marketing goes out."""

    from_: ClockTime
    to: ClockTime
    tz: ZoneText | None = None
    then: Literal["hold", "skip"] = "hold"


class PolicyFile(msgspec.Struct):
    """Rules over all campaigns."""

    consent: ConsentFile = msgspec.field(default_factory=ConsentFile)
    unverified_email: Annotated[
        Literal["allow", "deny"], Meta(description="Marketing to addresses that only a browser vouches for.")
    ] = "deny"
    trust_anonymous_ids: Annotated[
        bool,
        Meta(description="Whoever knows a user's anonymous id may tell what the user does, without a visitor token."),
    ] = False
    expires: Annotated[Duration | None, Meta(description="A send older than this is not worth sending (24h).")] = None
    time_zone: Annotated[Placed | None, Meta(description="For users whose zone is not known (UTC).")] = None
    lateness: Annotated[Duration | None, Meta(description="How late an event may come (24h).")] = None
    deduplicate: Annotated[
        Duration | None,
        Meta(description="How long an event that is sent again is known (7d, or `lateness` if longer)."),
    ] = None
    caps: Annotated[list[CapFile], Meta(description="All of them hold.")] = []
    cooldown: CooldownFile | None = None
    fatigue: FatigueFile | None = None
    quiet_hours: QuietHoursFile | None = None
    on_cap: Annotated[
        Literal["hold", "skip"], Meta(description="hold: try again in the next free slot, until it expires.")
    ] = "hold"
    default_campaign: Annotated[Placed | None, Meta(description="Entered by whoever entered nothing for 30d.")] = None


class CollectionFile(msgspec.Struct):
    """Exactly one of `bag`, `last`, `tally` and `sum`."""

    bag: Annotated[str | None, Meta(description="Event that adds to the bag.")] = None
    key: str | None = None
    remove: str | None = None
    clear: Texts | None = None
    last: Annotated[int, Meta(description="How many of the event are kept.", ge=1, le=100)] | None = None
    of: Annotated[str | None, Meta(description="The event of a last, tally or sum.")] = None
    distinct: str | None = None
    tally: Annotated[str | None, Meta(description="Property whose values are counted.")] = None
    half_life: Duration | None = None
    keep: Annotated[int, Meta(ge=1, le=100)] | None = None
    sum: Annotated[str | None, Meta(description="Property that is added up.")] = None


class ProfileFile(msgspec.Struct):
    """What is remembered of a user, beside what the campaigns ask for."""

    remember: dict[str, Collection] = {}
    segments: Annotated[dict[str, ExpressionText], Meta(description="Name: expression.")] = {}
    aliases: Annotated[dict[str, Placed], Meta(description="Event as it is sent: event that it stands for.")] = {}
    critical: Annotated[Texts | None, Meta(description="Events that are taken even when we are overloaded.")] = None
