"""Why a message was not sent, in a line: from the rows of the ledger, for `test` and for `check`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from actors.model.turn import Decision, detail_of
from language.syntax.durations import written
from language.syntax.problems import one_of

LINES_MAX: Final = 6

_WORDS: Final[Mapping[str, str]] = {
    "paused": "the campaign is paused",
    "condition": "its `if` did not hold",
    "audience": "not of its audience",
    "re_entry": "`re_entry` did not allow it yet",
    "concurrency": "there was a run already",
    "canary": "not among the users let in so far",
    "no_consent": "no consent to marketing",
    "suppressed": "the address is suppressed",
    "no_address": "no usable address",
    "holdout": "in the holdout",
    "capped": "a cap is full",
    "cooldown": "too soon after the last of its topic",
    "quiet_hours": "quiet hours",
    "expired": "it came too late to be worth sending",
    "shadow": "the campaign is in shadow",
}
_AGAINST: Final = frozenset({"skipped", "held", "not_entered", "exited"})


Moment = Callable[[int], str]
"""Writes a time (ms since the epoch) as the reader counts it."""


def why_not(decisions: Sequence[Decision], wanted: Collection[str], moment: Moment) -> Iterator[str]:
    """What kept the wanted campaigns from sending, or where they stand; at most LINES_MAX lines."""
    lines = [line for campaign in sorted(wanted) for line in _of_campaign(campaign, decisions, moment)]
    yield from lines[:LINES_MAX]
    if len(lines) > LINES_MAX:
        yield f"and {len(lines) - LINES_MAX} more"


def obstacle(row: Decision, moment: Moment) -> str:
    """What one row says against sending: `skipped: no_consent (no consent to marketing)`."""
    detail = detail_of(row)
    reason = row.reason or ""
    if row.decision == "held":
        return f"held by {reason} until {moment(detail['until'])}"
    if row.decision == "exited":
        pattern = detail.get("pattern")
        return f"left: {reason}" + (f" ({pattern})" if pattern else "")
    said = "not entered" if row.decision == "not_entered" else "skipped"
    if reason == "render_error":
        names = detail.get("missing") or []
        verb = "has" if len(names) == 1 else "have"
        return f"{said}: render_error: {_and(names)} {verb} no value, and no default in the template"
    return f"{said}: {reason} ({_WORDS[reason]})" if reason in _WORDS else f"{said}: {reason}"


def _of_campaign(campaign: str, decisions: Sequence[Decision], moment: Moment) -> Iterator[str]:
    own = [row for row in decisions if row.campaign == campaign]
    if not own:
        yield f"{campaign}: nothing that came matched its entry"
        return
    seen: set[tuple[str, str | None, str]] = set()
    last = own[-1]
    for row in own:
        told = (row.decision, row.reason, row.run)
        if row.decision in _AGAINST and told not in seen:
            seen.add(told)
            yield f"{moment(row.at)}  {_where(row)}: {obstacle(row, moment)}"
    if last.decision == "waiting":
        until = detail_of(last).get("until")
        end = f" until {moment(until)}" if isinstance(until, int) and until else ""
        yield f"{moment(last.at)}  {_where(last)}: waits{end}"
    elif not seen and not any(row.decision == "sent" for row in own):
        yield f"{moment(last.at)}  {_where(last)}: {last.decision}, and nothing was sent on the way"


def _where(row: Decision) -> str:
    return f"{row.campaign}, {row.step}" if row.step else row.campaign


def _and(names: Sequence[str]) -> str:
    return one_of(names).replace(" or ", " and ") or "a value"


def since(start: int) -> Moment:
    """Times as durations since a start, as scenarios have them."""
    return lambda at: written(at - start)
