"""The busiest day of a user, in sentences, and as a file that `cuebird simulate` plays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import msgspec

from language.syntax import ast
from language.syntax.unparse import expression_text
from replay.busiest_day import Busiest, Mute
from replay.ledger import iso

EVENTS_SHOWN_MAX = 12
MUTE_SHOWN_MAX = 10


def sentences(busiest: Busiest, site: ast.Site) -> list[str]:
    """How many messages, from what, and by which events; what was tried in vain."""
    lines = [_how_many(busiest)]
    if busiest.sent:
        lines.append(f"  from {_counts(busiest.campaigns)}")
        lines.append(f"  by {_shown([one.event or 'identify' for one in busiest.inputs[1:]])}")
    return [*lines, *_mute(busiest.mute, {one.id: one.entry.condition for one in site.campaigns})]


def _how_many(busiest: Busiest) -> str:
    what = _messages(busiest.sent)
    if busiest.unlimited:
        each = " and ".join(
            f"each `{event}` brings one more of {campaign}" for campaign, event in busiest.unlimited[:3]
        )
        rest = len(busiest.unlimited) - 3
        more = f" and so on for {rest} more" if rest > 0 else ""
        return f"No cap and no `re_entry` limits how many messages a user gets in a day: {each}{more}. Found: {what} in one day."
    cut = "; the search ended before all was tried" if busiest.cut else ""
    if not busiest.sent:
        if busiest.most == 0:
            return "No campaign sends a message."
        return f"No message was found that a user could get{cut or '; that there is none is not proved'}."
    day = "a day" if busiest.in_longer_days else "a day of 24 hours"
    if busiest.sent == busiest.most:
        why = "the caps let" if busiest.by_caps else "caps and `re_entry` let"
        return f"A user gets at most {what} in {day}: {why} no more through."
    if busiest.most is not None:
        return f"A user can get at least {what} in a day, and at most {busiest.most} in {day}{cut}."
    return f"A user can get at least {what} in a day{cut or '; that there is no busier day is not proved'}."


def _mute(campaigns: Sequence[Mute], conditions: Mapping[str, ast.Expression | None]) -> list[str]:
    """Of each campaign that was found to send nothing: what was tried, and why it sent nothing."""
    lines = []
    for one in campaigns[:MUTE_SHOWN_MAX]:
        lines.append(f"  no message of {one.campaign} was found; tried: {_shown(list(one.tried))}")
        lines += [f"    {line}" for line in one.why]
        condition = conditions[one.campaign]
        if condition is not None and any("not entered: condition" in line for line in one.why):
            lines.append(f"    no event was found for which this holds: {expression_text(condition)}")
    rest = len(campaigns) - MUTE_SHOWN_MAX
    return [*lines, f"  and none of {rest} more campaigns"] if rest > 0 else lines


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
        "proved": busiest.sent == busiest.most and not busiest.unlimited,
        "at_most": busiest.most,
        "without_messages": [
            {"campaign": one.campaign, "tried": list(one.tried), "why": list(one.why)} for one in busiest.mute
        ],
        "search_cut": busiest.cut,
        "from": iso(busiest.day[0]),
        "to": iso(busiest.day[1]),
        "events": [{**one.message(busiest.user), "timestamp": iso(one.at)} for one in busiest.inputs],
    }


def _counts(campaigns: tuple[str, ...]) -> str:
    counted = sorted(Counter(campaigns).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counted)


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _shown(events: list[str]) -> str:
    return _runs(events[:EVENTS_SHOWN_MAX]) + (", …" if len(events) > EVENTS_SHOWN_MAX else "")


def _runs(events: list[str]) -> str:
    """`a, b ×3, c`: the same event several times in a row is one."""
    runs = [(event, len(list(same))) for event, same in groupby(events)]
    return ", ".join(event if count == 1 else f"{event} ×{count}" for event, count in runs)
