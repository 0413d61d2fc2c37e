"""The busiest day of a user, in sentences, and as a file that `cuebird simulate` plays."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from pathlib import Path

import msgspec

from engine.language.busiest import Busiest
from engine.ledger import iso

EVENTS_SHOWN_MAX = 12


def sentences(busiest: Busiest) -> list[str]:
    """How many messages, from what, and by which events."""
    if not busiest.sent:
        return ["No message was found that a user could get: no sequence of events that was tried brings one."]
    what = "1 message" if busiest.sent == 1 else f"{busiest.sent} messages"
    if busiest.unlimited:
        each = " and ".join(
            f"each `{event}` brings one more of {campaign}" for campaign, event in busiest.unlimited[:3]
        )
        rest = len(busiest.unlimited) - 3
        more = f" and so on for {rest} more" if rest > 0 else ""
        lines = [f"Nothing limits how many messages a user gets in a day: {each}{more}. Found: {what} in one day."]
    elif busiest.proved:
        lines = [f"A user gets at most {what} in a day: the caps let no more through."]
    elif busiest.cut:
        lines = [f"A user can get at least {what} in a day; the search ended before all was tried."]
    else:
        lines = [f"The most that was found for one user in a day: {what}."]
    lines.append(f"  from {_counts(busiest.campaigns)}")
    events = [one.event or "identify" for one in busiest.inputs[1:]]
    shown = _runs(events[:EVENTS_SHOWN_MAX])
    lines.append(f"  by {shown}{', …' if len(events) > EVENTS_SHOWN_MAX else ''}")
    return lines


def replay_hint(busiest: Busiest, site: Path, file: Path) -> str:
    """The command that shows it."""
    first, after = (iso(moment) for moment in busiest.day)
    return (
        f"  {file}: {len(busiest.inputs)} messages; the day is {first} to {after}\n"
        f"  cuebird simulate {site} --events {file} --until {after}"
    )


def write_witness(busiest: Busiest, file: Path) -> None:
    """One Segment message a line. Raises OSError."""
    lines = []
    for one in busiest.inputs:
        message = one.message(busiest.user)
        lines.append(msgspec.json.encode({**message, "timestamp": iso(one.at)}) + b"\n")
    file.write_bytes(b"".join(lines))


def as_json(busiest: Busiest) -> dict[str, object]:
    return {
        "messages": busiest.sent,
        "campaigns": dict(sorted(Counter(busiest.campaigns).items())),
        "unlimited": [{"campaign": campaign, "event": event} for campaign, event in busiest.unlimited],
        "proved": busiest.proved,
        "search_cut": busiest.cut,
        "from": iso(busiest.day[0]),
        "to": iso(busiest.day[1]),
        "events": [{**one.message(busiest.user), "timestamp": iso(one.at)} for one in busiest.inputs],
    }


def _counts(campaigns: tuple[str, ...]) -> str:
    counted = sorted(Counter(campaigns).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counted)


def _runs(events: list[str]) -> str:
    """`a, b ×3, c`: the same event several times in a row is one."""
    runs = [(event, len(list(same))) for event, same in groupby(events)]
    return ", ".join(event if count == 1 else f"{event} ×{count}" for event, count in runs)
