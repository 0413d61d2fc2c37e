"""What the policy's caps and cooldown say of a campaign's messages, without playing anything."""

from __future__ import annotations

from actors.frequency import DAY_MS
from engine.language import ast
from engine.language.walk import steps_of


def is_ruled(campaign: ast.Campaign, policy: ast.Policy) -> bool:
    """Whether a cap or the cooldown counts each of its messages."""
    for step in steps_of(campaign):
        if not isinstance(step, ast.SendStep):
            continue
        topic = step.topic or campaign.topic
        if (step.purpose or campaign.purpose) == "transactional":
            return False
        if not policy.cooldown and not any(
            cap.topic in (None, topic) and cap.channel in (None, step.channel) for cap in policy.caps
        ):
            return False
    return True


def most_in_a_day(site: ast.Site) -> int | None:
    """How many messages the caps let through in one calendar day; None if they do not limit all of them."""
    sends = [
        (step.channel, step.purpose or campaign.purpose)
        for campaign in site.campaigns
        if campaign.status not in ("draft", "archived", "paused", "shadow")
        for step in steps_of(campaign)
        if isinstance(step, ast.SendStep)
    ]
    if any(purpose == "transactional" for _, purpose in sends):
        return None
    whole = [limit for cap in site.policy.caps if cap.topic is None and cap.channel is None for limit in _in_a_day(cap)]
    by_channel = []
    for channel in {channel for channel, _ in sends}:
        own = [
            limit
            for cap in site.policy.caps
            if cap.topic is None and cap.channel in (None, channel)
            for limit in _in_a_day(cap)
        ]
        by_channel.append(min(own, default=None))
    limits = [limit for limit in by_channel if limit is not None]
    return min([sum(limits), *whole]) if len(limits) == len(by_channel) else None


def _in_a_day(cap: ast.Cap) -> list[int]:
    if cap.seconds is None or cap.seconds * 1000 >= DAY_MS:
        return [cap.limit]
    return [cap.limit * -int(-DAY_MS // (cap.seconds * 1000))]
