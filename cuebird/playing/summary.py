"""What a simulation comes to, in words and figures for the one who runs the shop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Final

import msgspec

from actors.model.reasons import REASONS
from cuebird.playing.campaign_counts import PlayedFigures
from cuebird.playing.report import PlayReport
from language.syntax.ast import Campaign
from language.syntax.durations import UNITS, written
from replay.ledger import iso

EVENTS_SHOWN_MAX: Final = 15


class SummaryInput(msgspec.Struct, kw_only=True):
    """What was played."""

    first: int
    last: int
    until: int
    census: PlayReport


def summary(seen: SummaryInput, campaigns: Iterable[Campaign], oddities: Sequence[str]) -> str:
    """The whole page. The same input gives the same text."""
    lines = [*_overview(seen), "", *_events(seen)]
    for campaign in campaigns:
        lines += ["", *_campaign(campaign, seen.census.tally.of(campaign.id))]
    if oddities:
        lines += ["", "What is odd in the data", *(f"  {sentence}" for sentence in oddities)]
    return "\n".join(lines)


def _overview(seen: SummaryInput) -> Iterator[str]:
    yield f"{seen.census.events.total():,} events from {_day(seen.first)} to {_day(seen.last)}; then time ran to {_day(seen.until)}"
    yield f"{_people(seen.census.people)}, {seen.census.reachable:,} of them with an e-mail address"


def _people(count: int) -> str:
    return f"{count:,} {'person' if count == 1 else 'people'}"


def _day(at: int) -> str:
    return iso(at)[:16].replace("T", " ")


def _events(seen: SummaryInput) -> Iterator[str]:
    ordered = sorted(seen.census.events.items(), key=lambda item: (-item[1], item[0]))
    shown = ordered[:EVENTS_SHOWN_MAX]
    width = max([len("What happened"), *(len(name) + 2 for name, _ in shown)])
    yield f"{'What happened':<{width}}  {'times':>9}  {'people':>9}"
    for name, count in shown:
        yield f"  {name:<{width - 2}}  {count:>9,}  {seen.census.people_of(name):>9,}"
    others = ordered[EVENTS_SHOWN_MAX:]
    if others:
        yield f"  and {len(others)} other events, {sum(count for _, count in others):,} times"


def _campaign(campaign: Campaign, found: PlayedFigures) -> Iterator[str]:
    part = f" {campaign.canary:g}%" if campaign.status == "canary" else ""
    status = "" if campaign.status == "live" else f" ({campaign.status}{part})"
    yield f"{campaign.id}{status}: {campaign.why}"
    by = f" by {_people(len(found.people))}" if found.entered else ""
    yield from _row("entered", found.entered, by.strip())
    yield from _row("not entered", found.refused.total(), _reasons(found.refused), always=False)
    yield from _row("assigned", found.variants.total(), _reasons(found.variants), always=False)
    yield from _row(
        "sent", found.sent.total(), ", ".join(f"{count:,} by {name}" for name, count in _ordered(found.sent))
    )
    yield from _row("had to wait", len(found.held), _reasons(Counter(found.held.values())), always=False)
    yield from _row("not sent", found.skipped.total(), _reasons(found.skipped), always=False)
    if campaign.goal is not None:
        worth = f"worth {found.value:,.2f}" if campaign.goal.value and found.goals else ""
        yield from _row("goal reached", found.goals, worth)
    yield from _row("ended", found.ended.total(), _reasons(found.ended), always=False)
    yield from _row("still waiting", found.waiting, "", always=False)
    if found.delays:
        yield f"  {'entry to send':<15}{_rounded(median(found.delays)):>9}  median"


def _row(name: str, count: int, detail: str, always: bool = True) -> Iterator[str]:
    if count or always:
        yield f"  {name:<15}{count:>9,}  {detail}".rstrip()


def _ordered(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _reasons(counts: Counter[str]) -> str:
    return ", ".join(f"{_words(reason)} {count:,}" for reason, count in _ordered(counts))


def _words(reason: str) -> str:
    """Of a reason, of the end of all steps; a variant and the campaign's own word stand for themselves."""
    known = REASONS.get(reason)
    return known.counted if known is not None else "all steps done" if reason == "finished" else reason


def _rounded(milliseconds: float) -> str:
    """To the second, or to the minute past an hour: nobody needs more of a median."""
    unit = UNITS["m"] if milliseconds >= UNITS["h"] else UNITS["s"] if milliseconds >= UNITS["s"] else 1
    return written(round(milliseconds / unit) * unit)
