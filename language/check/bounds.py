"""The most messages that one user can get in a day, as far as the site itself proves it: by caps, and by `re_entry`.

Proved of a user who was one user all day: two who turn out to be one bring what each of them got. What is in the site's
files counts, not what runs of an older version may still send.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from actors.sending.frequency import DAY_MS
from language.syntax import ast
from language.syntax.walk import bodies, steps_of

_SILENT = frozenset({"draft", "archived", "shadow"})


def bound(site: ast.Site, day_ms: int = DAY_MS) -> int | None:
    """How many messages a day of so many ms can hold; None if nothing proves a number."""
    campaigns = [campaign for campaign in site.campaigns if campaign.status not in _SILENT]
    remembers = _remembers(campaigns)
    messages = [_by_campaign(campaign, day_ms, remembers) for campaign in campaigns]
    marketing = _least(_total(one for one, _ in messages), bound_of_caps(site, day_ms, campaigns))
    transactional = _total(other for _, other in messages)
    return None if marketing is None or transactional is None else marketing + transactional


def limits_entries(site: ast.Site, campaign: ast.Campaign) -> bool:
    """Whether `re_entry` ends how often a user comes into the campaign in a day."""
    return _remembers(site.campaigns) and _runs(campaign, DAY_MS) is not None


def bound_of_caps(site: ast.Site, day_ms: int, campaigns: Iterable[ast.Campaign] | None = None) -> int | None:
    """How many marketing messages the caps let through in a day; None if they do not limit all of them."""
    chosen = site.campaigns if campaigns is None else campaigns
    channels = {
        step.channel
        for campaign in chosen
        for step in steps_of(campaign)
        if isinstance(step, ast.SendStep) and (step.purpose or campaign.purpose) == "marketing"
    }
    whole = [cap for cap in site.policy.caps if cap.topic is None]
    by_channel = [
        min((_in_a_day(cap, day_ms) for cap in whole if cap.channel in (None, channel)), default=None)
        for channel in channels
    ]
    limits = [limit for limit in by_channel if limit is not None]
    if len(limits) < len(by_channel):
        return None
    return min([sum(limits), *(_in_a_day(cap, day_ms) for cap in whole if cap.channel is None)])


def _in_a_day(cap: ast.Cap, day_ms: int) -> int:
    return cap.limit if cap.seconds is None else cap.limit * math.ceil(day_ms / (cap.seconds * 1000))


def _by_campaign(campaign: ast.Campaign, day_ms: int, remembers: bool) -> tuple[int | None, int | None]:
    """The most (marketing, transactional) messages of a campaign in a day; None where nothing proves a number."""
    runs = _runs(campaign, day_ms) if remembers else None
    marketing, transactional = (
        0 if not each else _least(None if runs is None else runs * each, _own_caps(campaign, purpose, day_ms))
        for purpose, each in zip(("marketing", "transactional"), _by_purpose(campaign), strict=True)
    )
    return marketing, transactional


def _own_caps(campaign: ast.Campaign, purpose: str, day_ms: int) -> int | None:
    """What its own cap, or those of all its sends of a purpose, let through in a day; None if they do not limit them."""
    whole = None if campaign.cap is None else _in_a_day(campaign.cap, day_ms)
    sends = [step for step in steps_of(campaign) if isinstance(step, ast.SendStep)]
    # A cap counts a template, so steps that send the same one under the same cap share what it lets through.
    caps = {
        (step.channel, step.template, step.cap): None if step.cap is None else _in_a_day(step.cap, day_ms)
        for step in sends
        if (step.purpose or campaign.purpose) == purpose
    }
    return _least(whole, _total(caps.values()))


def _total(parts: Iterable[int | None]) -> int | None:
    """The sum; None if a part has no number."""
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _least(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _remembers(campaigns: Iterable[ast.Campaign]) -> bool:
    """Whether no campaign's keys can push the last entry of another out of what is remembered for `re_entry`."""
    return not any(campaign.entry.key is not None and campaign.entry.re_entry != "always" for campaign in campaigns)


def _runs(campaign: ast.Campaign, day_ms: int) -> int | None:
    """Runs of a user that may do something in one day: those that enter in it, and one from before."""
    entry = campaign.entry
    if entry.key is not None or entry.re_entry == "always":
        return None
    if entry.re_entry == "once":
        return 1
    span = round(entry.re_entry_after * 1000)
    if entry.concurrency == "parallel" or span <= 0:
        return None
    return math.ceil(day_ms / span) + 1


def _by_purpose(campaign: ast.Campaign) -> tuple[int, int]:
    """The most (marketing, transactional) messages of one run."""
    ways = [way.steps for way in campaign.experiment.ways] if campaign.experiment else [campaign.steps]
    counts = [_along(steps, campaign.purpose) for steps in ways]
    return max(one for one, _ in counts), max(other for _, other in counts)


def _along(steps: Iterable[ast.AnyStep], purpose: str) -> tuple[int, int]:
    marketing = transactional = 0
    for step in steps:
        if isinstance(step, ast.SendStep):
            is_marketing = (step.purpose or purpose) == "marketing"
            marketing, transactional = marketing + is_marketing, transactional + (not is_marketing)
        inner = [_along(body, purpose) for body in bodies(step)]
        marketing += max((one for one, _ in inner), default=0)
        transactional += max((other for _, other in inner), default=0)
    return marketing, transactional
