"""The abstract syntax of a site: what the parsers make and what compile, check and explain walk.

Expression and pattern nodes know where they stand (`at`: offset in their text), so that a message can put a caret under
the place. Nodes are frozen values: equal text gives equal nodes but for `at`."""

from __future__ import annotations

from typing import Literal

import msgspec

from templating.sources import TemplateSources


class Node(msgspec.Struct, frozen=True, kw_only=True):
    at: int = 0


# --- expressions (language.md §4) ---------------------------------------------------------------------------------


class Constant(Node, frozen=True, kw_only=True, tag=True):
    """A number, text, true, false or null. Durations are numbers of seconds."""

    value: bool | int | float | str | None


class ListOf(Node, frozen=True, kw_only=True, tag=True):
    items: tuple[Expression, ...]


class Name(Node, frozen=True, kw_only=True, tag=True):
    """`cart.value` is ("cart", "value"); a bare `x` is ("x",)."""

    parts: tuple[str, ...]


class Unary(Node, frozen=True, kw_only=True, tag=True):
    operator: Literal["not", "-"]
    operand: Expression


BinaryOperator = Literal[
    "or", "and", "=", "!=", "<", "<=", ">", ">=", "in", "contains", "starts_with", "matches", "+", "-", "*", "/", "%"
]


class Binary(Node, frozen=True, kw_only=True, tag=True):
    """`==` is `=` here."""

    operator: BinaryOperator
    left: Expression
    right: Expression


class Call(Node, frozen=True, kw_only=True, tag=True):
    """A plain function over values: len lower upper round min max coalesce hour weekday, or `segment`."""

    function: str
    arguments: tuple[Expression, ...]


class Lookup(Node, frozen=True, kw_only=True, tag=True):
    """`lookup(x, 50: a, 500: b, else c)`."""

    subject: Expression
    steps: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression


class Window(Node, frozen=True, kw_only=True, tag=True):
    """`last 10m` (seconds), `since entry`, `after entry`, `since session`, `since E` (event), `today`, `ever`."""

    kind: Literal["last", "since_entry", "after_entry", "since_session", "since_event", "today", "ever"]
    seconds: float = 0.0
    event: str = ""


class Did(Node, frozen=True, kw_only=True, tag=True):
    """`did E where C W`; `negated` for `no E …`. Event names are canonical, `activity` is any activity."""

    event: str
    where: Expression | None = None
    window: Window | None = None
    negated: bool = False


class Aggregate(Node, frozen=True, kw_only=True, tag=True):
    function: Literal["count", "distinct", "sum", "avg", "min", "max"]
    event: str
    property: str | None = None
    where: Expression | None = None
    window: Window | None = None


class Pick(Node, frozen=True, kw_only=True, tag=True):
    """`last(E where C).p`, `first(E).p`."""

    which: Literal["last", "first"]
    event: str
    property: str
    where: Expression | None = None


class Top(Node, frozen=True, kw_only=True, tag=True):
    event: str
    property: str
    window: Window | None = None
    half_life: float | None = None


class Score(Node, frozen=True, kw_only=True, tag=True):
    weights: tuple[tuple[str, float], ...]
    half_life: float


Expression = Constant | ListOf | Name | Unary | Binary | Call | Lookup | Did | Aggregate | Pick | Top | Score

# --- patterns (language.md §3) ------------------------------------------------------------------------------------


class EventPattern(Node, frozen=True, kw_only=True, tag=True):
    """That event, if the condition holds. `text` is the pattern as written, for reasons in the ledger."""

    event: str
    where: Expression | None = None
    text: str = ""


class ThenPattern(Node, frozen=True, kw_only=True, tag=True):
    """`a then b then c within 48h` (the whole chain); with `absent`: `a then no b within 2h`."""

    steps: tuple[EventPattern, ...]
    within: float
    absent: EventPattern | None = None
    text: str = ""


class AllPattern(Node, frozen=True, kw_only=True, tag=True):
    patterns: tuple[EventPattern, ...]
    within: float
    text: str = ""


class SessionPattern(Node, frozen=True, kw_only=True, tag=True):
    """`a then b in session` (`ordered`), `all(a, b) in session`. A node of its own, so that others stay what they hash to."""

    steps: tuple[EventPattern, ...]
    ordered: bool
    text: str = ""


class SilencePattern(Node, frozen=True, kw_only=True, tag=True):
    """`no activity for 30d` (event "activity"), `no signed_in for 7d`."""

    event: str
    seconds: float
    where: Expression | None = None
    text: str = ""


class SegmentPattern(Node, frozen=True, kw_only=True, tag=True):
    """`entered segment("vip")`, `left segment("vip")`."""

    segment: str
    entered: bool
    text: str = ""


class CalledPattern(Node, frozen=True, kw_only=True, tag=True):
    text: str = "called"


Pattern = EventPattern | ThenPattern | AllPattern | SessionPattern | SilencePattern | SegmentPattern | CalledPattern

# --- steps (language.md §2) ---------------------------------------------------------------------------------------


class Step(msgspec.Struct, frozen=True, kw_only=True):
    line: int = 0
    """Line in the campaign's file, from 1."""


class WaitFor(Step, frozen=True, kw_only=True, tag=True):
    duration: Expression


class WaitIdle(Step, frozen=True, kw_only=True, tag=True):
    duration: Expression
    of: tuple[str, ...] = ()
    """Canonical event names; empty: anything the user does."""


class WaitUntil(Step, frozen=True, kw_only=True, tag=True):
    patterns: tuple[Pattern, ...]
    up_to: Expression | None = None
    name: str | None = None


class WaitWhen(Step, frozen=True, kw_only=True, tag=True):
    condition: Expression
    up_to: Expression | None = None
    name: str | None = None


class WaitAt(Step, frozen=True, kw_only=True, tag=True):
    """Until it is that minute of the day, on one of the days (ISO: Monday is 1; empty: any)."""

    minute: int
    days: tuple[int, ...] = ()
    time_zone: str = "user"
    """`user`, or an IANA name."""


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` sends in `seconds`, or in a calendar day of the user's zone; of one topic or channel if named."""

    limit: int
    seconds: float | None
    """None: a calendar day."""
    topic: str | None = None
    channel: Literal["email", "push"] | None = None


class SendStep(Step, frozen=True, kw_only=True, tag=True):
    channel: Literal["email", "push"]
    template: str
    subject: str | None = None
    data: tuple[tuple[str, Expression], ...] = ()
    expires: Expression | None = None
    topic: str | None = None
    purpose: Literal["marketing", "transactional"] | None = None
    cap: Cap | None = None
    """Of the campaign's sends with this template."""


class Branch(Step, frozen=True, kw_only=True, tag=True):
    cases: tuple[tuple[Expression, tuple[AnyStep, ...]], ...]
    otherwise: tuple[AnyStep, ...] = ()


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One variant of a split or an experiment, and its steps."""

    name: str
    weight: float
    steps: tuple[AnyStep, ...]


class Split(Step, frozen=True, kw_only=True, tag=True):
    id: str
    ways: tuple[Way, ...]


class SetTraits(Step, frozen=True, kw_only=True, tag=True):
    traits: tuple[tuple[str, Expression], ...]


class Emit(Step, frozen=True, kw_only=True, tag=True):
    event: str
    properties: tuple[tuple[str, Expression], ...] = ()


class Exit(Step, frozen=True, kw_only=True, tag=True):
    reason: str


AnyStep = WaitFor | WaitIdle | WaitUntil | WaitWhen | WaitAt | SendStep | Branch | Split | SetTraits | Emit | Exit

# --- a campaign and its site --------------------------------------------------------------------------------------


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    patterns: tuple[Pattern, ...]
    key: str | None = None
    condition: Expression | None = None
    audience: Expression | None = None
    re_entry: Literal["once", "always", "after"] = "always"
    re_entry_after: float = 0.0
    """Seconds, of `after`."""
    concurrency: Literal["one_per_user", "one_per_key", "parallel"] = "one_per_key"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    patterns: tuple[Pattern, ...]
    within: float | None = None
    """Seconds from entry; None: as long as the run lasts."""
    value: str | None = None
    go_on: bool = False
    """`continue: true`: reaching it does not end the run."""


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    """`ways` are the campaign's steps, once for each variant, with the variant's values in the place of `$name`: alike in
    shape, different in values."""

    id: str
    ways: tuple[Way, ...]


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    why: str
    file: str
    status: Literal["draft", "shadow", "canary", "live", "paused", "archived"] = "live"
    canary: float = 100.0
    """Percent of the users who may enter, of status `canary`."""
    purpose: Literal["marketing", "transactional"] = "marketing"
    topic: str = ""
    """Never empty: the campaign's id if none was written."""
    priority: int = 50
    entry: Entry
    exits: tuple[Pattern, ...] = ()
    goal: Goal | None = None
    holdout: float = 0.0
    """Percent of the users who are enrolled, measured and never sent to."""
    experiment: Experiment | None = None
    steps: tuple[AnyStep, ...] = ()
    """Of the first variant, if there is an experiment."""
    cap: Cap | None = None
    """Of all its sends."""


class Bag(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Adds up quantities by key: a cart."""

    event: str
    key: str
    remove: str | None = None
    clear: tuple[str, ...] = ()


class LastOf(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The last few of an event, newest first; `distinct`: only the newest for each value of that property."""

    event: str
    keep: int
    distinct: str | None = None


class Tally(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How often each value of a property came, decaying by `half_life` seconds if given."""

    event: str
    property: str
    half_life: float | None = None
    keep: int = 10


class SumOf(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    event: str
    property: str


Collection = Bag | LastOf | Tally | SumOf


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    remember: tuple[tuple[str, Collection], ...]
    """The author's and the four defaults (cart, recent_views, top_categories, spent) that he did not replace."""
    segments: tuple[tuple[str, Expression], ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    """(canonical form of what is sent, canonical name it stands for)"""
    critical: tuple[str, ...] = ()
    """Canonical names of the events that are taken even under overload; empty: those that the engine knows of."""


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes of the day; from 22:00 to 08:00 is over midnight."""

    start: int
    end: int
    time_zone: str = "user"
    then: Literal["hold", "skip"] = "hold"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    marketing_consent: Literal["opt_in", "opt_out"] = "opt_in"
    tracking_consent: Literal["opt_in", "opt_out"] = "opt_out"
    unverified_email: Literal["allow", "deny"] = "deny"
    trust_anonymous_ids: bool = False
    expires: float = 86_400.0
    time_zone: str = "UTC"
    lateness: float = 86_400.0
    """How long before its arrival an event may have happened, in seconds."""
    deduplicate: float = 7 * 86_400.0
    """For how long an event that is sent again is known, in seconds."""
    caps: tuple[Cap, ...] = ()
    cooldown: float = 0.0
    """Seconds after a send in which nothing more of its topic goes out."""
    fatigue_after: int = 0
    """0: none."""
    fatigue_factor: float = 1.0
    quiet_hours: QuietHours | None = None
    on_cap: Literal["hold", "skip"] = "hold"
    default_campaign: str | None = None


class TemplateInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the compiler must know of a template: the names its text looks at (`user`, `cart`, `data`, …)."""

    name: str
    channel: Literal["email", "push"]
    names: frozenset[str]
    printed: frozenset[tuple[str, str]] = frozenset()
    """`user.x`, `entry.x` and `data.x` that it prints whatever else is so, and with no default: (root, x)."""
    contexts: frozenset[tuple[str, tuple[str, ...]]] = frozenset()
    """Parts of `user.context` and `entry.context` that it looks at: (root, path)."""
    links: frozenset[str] = frozenset()
    """What its links are called, as `links.link_names` tells."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    campaigns: tuple[Campaign, ...]
    profile: Profile
    policy: Policy
    templates: tuple[TemplateInfo, ...] | None
    """None: the site has no `templates/`, sends are decided and not rendered."""
    sources: tuple[tuple[str, str], ...]
    """(file relative to the site, its text) of all that the program is made of, sorted: what is hashed and stored."""
    letters: TemplateSources = TemplateSources()
    """The templates among them, taken apart: what is rendered."""
