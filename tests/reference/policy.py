"""May we send? Asked of all that was ever sent to the user, each time anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from language.syntax import ast
from tests.reference.clocks import DAY_MS, day_ends, is_quiet, quiet_ends, shown
from tests.reference.expressions import Moment, is_true
from tests.reference.patterns import milliseconds


@dataclass(frozen=True)
class Objection:
    reason: str
    until: int = 0
    """When it may be gone, if the message waits for that; 0: it is skipped."""
    cap: str = ""


@dataclass(frozen=True)
class Wanted:
    """What is to be sent."""

    channel: str
    topic: str
    purpose: str
    audience: ast.Expression | None
    held_out: bool
    unproven: bool
    """Whether it is for what is proven alone, and nobody proved what it answers."""
    own: tuple[tuple[str, ast.Cap, list[int]], ...]
    """Caps of the campaign and of the send: what the ledger calls each, and when those that it counts were decided."""


def objections(wanted: Wanted, moment: Moment) -> Iterator[Objection]:
    """All of them, in the order in which they count."""
    history, policy = moment.history, moment.site.policy
    marketing = wanted.purpose == "marketing"
    if not is_true(wanted.audience, replace(moment, in_run=False)):
        yield Objection("audience")
    if marketing and not _consents(wanted.topic, moment):
        yield Objection("no_consent")
    if wanted.unproven:
        yield Objection("unproven")
    if wanted.channel == "email":
        address = history.traits().get("email")
        if not isinstance(address, str):
            yield Objection("no_address")
        elif address in history.suppressed():
            yield Objection("suppressed")
    if wanted.held_out:
        yield Objection("holdout")
    own = [name for name, cap, times in wanted.own if _in_window(times, cap, 1.0, moment.now, moment) >= cap.limit]
    if own:
        yield Objection("capped", cap=own[0])
    if not marketing:
        return
    waits = policy.on_cap == "hold"
    full = max((_cap_ends(cap, wanted, moment) for cap in policy.caps), default=0)
    if full and not own:
        yield Objection("capped", full if waits else 0)
    cooling = max((sent.at for sent in history.sends() if sent.topic == wanted.topic), default=None)
    if cooling is not None and moment.now < cooling + milliseconds(policy.cooldown):
        yield Objection("cooldown", cooling + milliseconds(policy.cooldown) if waits else 0)
    quiet = policy.quiet_hours
    if quiet is not None:
        zone = moment.zone.key if quiet.time_zone == "user" else quiet.time_zone
        if is_quiet(moment.now, quiet.start, quiet.end, zone):
            ends = quiet_ends(moment.now, quiet.start, quiet.end, zone)
            yield Objection("quiet_hours", ends if quiet.then == "hold" else 0)


def _consents(topic: str, moment: Moment) -> bool:
    given = moment.history.consent("marketing")
    opt_in = moment.site.policy.marketing_consent == "opt_in"
    return (given is True if opt_in else given is not False) and topic not in moment.history.unsubscribed()


def _cap_ends(cap: ast.Cap, wanted: Wanted, moment: Moment) -> int:
    """When a cap admits one more; 0 if it does now."""
    if (cap.channel and cap.channel != wanted.channel) or (cap.topic and cap.topic != wanted.topic):
        return 0
    counted = [
        sent.at
        for sent in moment.history.sends()
        if (not cap.channel or sent.channel == cap.channel) and (not cap.topic or sent.topic == cap.topic)
    ]
    limit, longer = _tired(cap, moment)
    if _in_window(counted, cap, longer, moment.now, moment) < limit:
        return 0
    if cap.seconds is not None:
        chances = [at + round(milliseconds(cap.seconds) * longer) for at in counted]
    else:
        chances = [day_ends(at + days * DAY_MS, moment.zone.key) for at in counted for days in range(round(longer))]
    return min(at for at in chances if at > moment.now and _in_window(counted, cap, longer, at, moment) < limit)


def _tired(cap: ast.Cap, moment: Moment) -> tuple[int, float]:
    """The cap's limit for this user, and how many times longer its window is: a part of one is one in a longer window."""
    policy = moment.site.policy
    if not policy.fatigue_after or moment.history.since_opened() < policy.fatigue_after:
        return cap.limit, 1.0
    part = cap.limit * policy.fatigue_factor
    return (int(part), 1.0) if part >= 1 else (1, 1 / part)


def _in_window(counted: list[int], cap: ast.Cap, longer: float, now: int, moment: Moment) -> int:
    if cap.seconds is not None:
        return sum(now - round(milliseconds(cap.seconds) * longer) < at for at in counted)
    today = shown(now, moment.zone.key).date()
    return sum((today - shown(at, moment.zone.key).date()).days < longer for at in counted)
