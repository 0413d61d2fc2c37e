"""How often is too often: caps, cooldown and fatigue over what was sent to one user (language.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from actors.model.program import Cap, Policy, QuietHours
from actors.model.state import Actor
from actors.model.turn import Channel
from actors.values import zone

SENT_MAX: Final = 256
"""Sends of one user that are remembered for caps and cooldown; the oldest is forgotten past it."""

DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000


def note_send(actor: Actor, at: int, channel: Channel, topic: str, campaign: str, policy: Policy) -> None:
    """A marketing send went to the outbox: it counts from now on."""
    if policy.caps or policy.cooldown:
        oldest = at - policy.longest
        kept = [row for row in actor.sent if row[0] > oldest]
        actor.sent = (*kept, [at, channel, topic, campaign])[-SENT_MAX:]
    actor.ignored += 1


def capped_until(actor: Actor, now: int, channel: Channel, topic: str, policy: Policy, time_zone: str) -> int:
    """When every cap admits one more, in ms; 0 if they do now. Windows are half open: `(now - W, now]`."""
    return max((_free(actor, cap, now, channel, topic, policy, time_zone) for cap in policy.caps), default=0)


def _free(actor: Actor, cap: Cap, now: int, channel: Channel, topic: str, policy: Policy, time_zone: str) -> int:
    if (cap.channel and cap.channel != channel) or (cap.topic and cap.topic != topic):
        return 0
    limit, span = _tired(cap, actor, policy)
    times = [
        row[0]
        for row in actor.sent
        if (not cap.channel or row[1] == cap.channel) and (not cap.topic or row[2] == cap.topic)
    ]
    return next_slot(times, limit, span, cap.by_day, now, time_zone)


def next_slot(times: Sequence[int], limit: int, span: int, by_day: bool, now: int, time_zone: str) -> int:
    """When `times` (oldest first) leave room for one more of `limit` in a span, in ms; 0 if they do now."""
    since = zone.midnight(now, time_zone) - 1 - (span - DAY_MS) if by_day else now - span
    counted = [time for time in times if time > since]
    if len(counted) < limit:
        return 0
    leaving = counted[len(counted) - limit]
    return zone.next_midnight(leaving + span - DAY_MS, time_zone) if by_day else leaving + span


def _tired(cap: Cap, actor: Actor, policy: Policy) -> tuple[int, int]:
    """The cap for this user: who ignores us gets a part of it, at the least one in a longer window."""
    if not policy.fatigue_after or actor.ignored < policy.fatigue_after:
        return cap.limit, cap.span
    allowed = cap.limit * policy.fatigue_factor
    if allowed >= 1:
        return int(allowed), cap.span
    return 1, int(-(-cap.span // allowed)) if allowed else cap.span * 1000


def cooling_until(actor: Actor, now: int, topic: str, policy: Policy) -> int:
    """When the cooldown after the last send of the topic is over; 0 if it is."""
    if not policy.cooldown:
        return 0
    last = max((row[0] for row in actor.sent if row[2] == topic), default=None)
    return 0 if last is None or now - last >= policy.cooldown else int(last + policy.cooldown)


def quiet_until(now: int, policy: Policy, time_zone: str) -> int:
    """When the quiet hours that hold at `now` end; 0 if it is not quiet. Their end is not quiet any more."""
    quiet = policy.quiet
    if quiet is None:
        return 0
    place = time_zone if quiet.time_zone == "user" else quiet.time_zone
    at = now
    while _is_quiet(at, quiet, place):
        minutes = (quiet.end - zone.minute_of_day(at, place)) % 1440 or 1440
        end = at - at % MINUTE_MS + minutes * MINUTE_MS
        # Where the clock is put forward over the end, or back before it, the quiet lasts shorter or longer.
        changed = zone.next_change(at, end, place)
        if not changed:
            return end
        at = changed
    return at if at > now else 0


def _is_quiet(at: int, quiet: QuietHours, place: str) -> bool:
    minute = zone.minute_of_day(at, place)
    return quiet.start <= minute < quiet.end if quiet.start < quiet.end else minute >= quiet.start or minute < quiet.end
