"""One user's history: all that was told of the user, in the order in which we took it, and what follows from it.

Nothing here is kept up to date: each answer is found by going through the whole list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

SESSION_MS = 30 * 60_000

PAGES = {"client", "visitor", "bare"}
WITHOUT_PROOF = {"visitor", "bare"}

NEVER_ACTIVITY = {
    "email_delivered",
    "email_deferred",
    "email_bounced",
    "email_failed",
    "email_complained",
    "push_delivered",
    "push_expired",
}
OPENED = {"email_opened", "email_clicked"}
NOT_IGNORED = {*OPENED, "push_seen", "push_clicked"}
BY_A_PERSON = {*OPENED, "email_unsubscribed", "push_seen", "push_clicked", "push_dismissed"}
OF_THE_ACCOUNT = {*NEVER_ACTIVITY, *BY_A_PERSON, "email_subscribed", "signed_in", "signed_up", "signed_out"}

WISHES = {"email_subscribed", "email_unsubscribed"}

Profile = dict[tuple[str, ...], tuple[Any, int]]
"""Of `(trait,)`, `("consent", part)` and `("topic", name)`: the newest word, and when it was said."""

Place = tuple[int, int]
"""(when it happened, in which order it was taken)"""


@dataclass(eq=False)
class Happening:
    """One event, as it was told. `name` is empty for identify and alias."""

    name: str
    kind: str
    source: str
    at: int
    occurred: int
    ordinal: int
    properties: dict[str, Any]
    time_zone: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    unproven: bool = False
    """Whether it comes of what a page said without proof."""
    barred: bool = False
    """Whether a page said it without proof, of a user who was known then."""
    historical: bool = False
    """Whether it was told of the past, to be remembered."""
    fitted: dict[Any, bool] = field(default_factory=dict)
    """Whether it was what a pattern looks for: decided when it was told, by what was true then."""

    @property
    def place(self) -> Place:
        return (self.occurred, self.ordinal)

    @property
    def active(self) -> bool:
        """Whether it is something the user did."""
        if not self.name:
            return self.source in PAGES
        if self.name in NEVER_ACTIVITY:
            return False
        if self.name in OPENED:
            return not self.properties.get("machine")
        return self.source != "engine" or self.name in BY_A_PERSON


@dataclass(eq=False)
class TraitsWritten:
    """A step `set` wrote traits."""

    values: dict[str, Any]
    at: int


@dataclass(eq=False)
class Sent:
    """A marketing message went out."""

    at: int
    channel: str
    topic: str


@dataclass(eq=False)
class Decided:
    """A campaign decided to send a message, of whatever purpose."""

    at: int
    campaign: str
    channel: str
    template: str


@dataclass(eq=False)
class Assigned:
    experiment: str
    variant: str


@dataclass(eq=False)
class Became:
    """`other` turned out to be this user."""

    other: History


Fact = Happening | TraitsWritten | Sent | Decided | Assigned | Became


class History:
    """Of one user. After a `Became` the other's history is part of this one's."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.facts: list[Fact] = []

    # --- what happened --------------------------------------------------------------------------------------------

    def told(self) -> list[Happening]:
        """Everything told of the user, in the order in which it was taken."""
        return sorted(self._happenings(), key=lambda one: one.ordinal)

    def _happenings(self) -> Iterator[Happening]:
        for fact in self.facts:
            if isinstance(fact, Happening):
                yield fact
            elif isinstance(fact, Became):
                yield from fact.other._happenings()

    def events(self, name: str) -> list[Happening]:
        """All events of that name, in the order in which they happened."""
        return sorted((one for one in self._happenings() if one.name == name), key=lambda one: one.place)

    def sends(self) -> list[Sent]:
        mine = [fact for fact in self.facts if isinstance(fact, Sent)]
        theirs = [sent for fact in self.facts if isinstance(fact, Became) for sent in fact.other.sends()]
        return sorted(mine + theirs, key=lambda sent: sent.at)

    def decided(self) -> list[Decided]:
        mine = [fact for fact in self.facts if isinstance(fact, Decided)]
        return mine + [one for fact in self.facts if isinstance(fact, Became) for one in fact.other.decided()]

    # --- when the user was seen -----------------------------------------------------------------------------------

    def first_seen(self) -> int | None:
        """When the first thing we heard of the user happened."""
        seen: list[int] = []
        for fact in self.facts:
            if isinstance(fact, Happening) and not seen:
                seen.append(fact.occurred)
            elif isinstance(fact, Happening) and fact.historical:
                seen = [min(fact.occurred, *seen)]
            elif isinstance(fact, Became) and (theirs := fact.other.first_seen()) is not None:
                seen = [min([theirs, *seen])]
        return seen[0] if seen else None

    def past_told(self) -> int:
        """When we were told of the past the last time; 0: never."""
        return max((one.at for one in self._happenings() if one.historical), default=0)

    def did_anything(self) -> list[Happening]:
        return sorted((one for one in self._happenings() if one.active), key=lambda one: one.place)

    def last_seen(self) -> int | None:
        return max((one.occurred for one in self._happenings() if one.active), default=None)

    def session(self, now: int) -> list[Happening]:
        """What the user did in the session that is open now; empty if none is."""
        done = self.did_anything()
        if not done or now - done[-1].occurred >= SESSION_MS:
            return []
        start = len(done) - 1
        while start > 0 and done[start].occurred - done[start - 1].occurred < SESSION_MS:
            start -= 1
        return done[start:]

    def since_opened(self) -> int:
        """How many marketing messages went out since the user last opened, saw or clicked one."""
        count = 0
        for fact in self.facts:
            if isinstance(fact, Sent):
                count += 1
            elif isinstance(fact, Happening) and fact.name in NOT_IGNORED and fact.active and not fact.historical:
                count = 0
        return count

    # --- who the user is ------------------------------------------------------------------------------------------

    def traits(self) -> dict[str, Any]:
        traits: dict[str, Any] = {}
        for part, (value, _) in self.profile().items():
            if value is None or part[0] == "topic":
                continue
            if len(part) == 1:
                traits[part[0]] = value
            else:
                traits.setdefault("consent", {})[part[1]] = value
        return traits

    def profile(self) -> Profile:
        """The newest word on each part, by its own time: traits, parts of the consent, topics; null: it was forgotten."""
        known: Profile = {}
        for fact in self.facts:
            if isinstance(fact, TraitsWritten):
                _hear(known, fact.values, fact.at)
            elif isinstance(fact, Became):
                for part, (value, said) in fact.other.carried().items():
                    mine = known.get(part)
                    is_no = value is False and len(part) == 2
                    if mine is None or said > mine[1] or (said == mine[1] and is_no):
                        known[part] = (value, said)
            elif isinstance(fact, Happening) and fact.kind == "identify":
                if not fact.barred:
                    _hear(known, fact.properties, fact.occurred)
                elif fact.source == "visitor" and (no := _taken_back(fact.properties.get("consent"))):
                    _hear(known, {"consent": no}, fact.occurred)
            elif isinstance(fact, Happening) and fact.name in WISHES and not fact.barred:
                topic, wanted = fact.properties.get("topic"), fact.name == "email_subscribed"
                _newer(known, ("topic", topic) if topic else ("consent", "marketing"), wanted, fact.occurred)
        return known

    def carried(self) -> Profile:
        """Of a visitor: what becomes that of whom he turns out to be. What only a bare id said does not, but for a no."""
        claims: set[str] = set()
        so_far = History(self.user)
        for fact in self.facts:
            before = so_far.traits()
            so_far.facts.append(fact)
            if isinstance(fact, Happening) and fact.kind == "identify":
                after = so_far.traits()
                if fact.source == "bare":
                    claims |= {name for name in fact.properties if after.get(name) != before.get(name)}
                else:
                    claims -= {name for name, value in fact.properties.items() if after.get(name) == value}
                claims &= set(after)
        return {
            part: (value, said)
            for part, (value, said) in self.profile().items()
            if part[0] not in claims or (value is False and part[1:] in (("marketing",), ("tracking",)))
        }

    def context(self, path: tuple[str, ...]) -> Any:
        """A part of the newest context that tells anything of what it belongs to."""
        told = [one for one in self._happenings() if one.context.get(path[0]) is not None and not one.barred]
        value: Any = max(told, key=lambda one: one.place).context if told else None
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def consent(self, purpose: str) -> object:
        return (self.traits().get("consent") or {}).get(purpose)

    def signed_in(self) -> bool:
        found = False
        for fact in self.facts:
            if not isinstance(fact, Happening) or fact.barred or fact.historical:
                continue
            if fact.name in ("signed_in", "signed_up") or (fact.kind == "identify" and fact.source in PAGES):
                found = True
            elif fact.name == "signed_out":
                found = False
        return found

    def time_zone(self, default: str) -> str:
        told = self.traits().get("time_zone")
        if isinstance(told, str) and _is_zone(told):
            return told
        zones = [one.time_zone for one in self.told() if one.time_zone and not one.barred]
        return zones[-1] if zones and _is_zone(zones[-1]) else default

    def suppressed(self) -> set[str]:
        """Addresses that bounced for good, or whose owner complained."""
        found = set()
        for one in self._happenings():
            if one.name == "email_complained" or (one.name == "email_bounced" and one.properties.get("permanent")):
                found.add(str(one.properties.get("address")))
        return found

    def unsubscribed(self) -> set[str]:
        """Topics the user wants no mail about."""
        return {part[1] for part, (value, _) in self.profile().items() if part[0] == "topic" and value is False}

    def variant_of(self, experiment: str) -> str | None:
        """What the user was assigned; a user who was known as two keeps what the known one had."""
        found = None
        for fact in self.facts:
            if isinstance(fact, Assigned) and fact.experiment == experiment:
                found = fact.variant
            elif isinstance(fact, Became) and found is None:
                found = fact.other.variant_of(experiment)
        return found


def _hear(known: Profile, told: dict[str, Any], said: int) -> None:
    for name, value in told.items():
        if name != "consent":
            _newer(known, (name,), value, said)
        else:
            for part, one in value.items():
                _newer(known, (name, part), one, said)


def _newer(known: Profile, part: tuple[str, ...], value: Any, said: int) -> None:
    if part not in known or said >= known[part][1]:
        known[part] = (value, said)


def _taken_back(consent: Any) -> dict[str, bool]:
    return {
        part: False for part in ("marketing", "tracking") if isinstance(consent, dict) and consent.get(part) is False
    }


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
