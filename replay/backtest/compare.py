"""Two sides beside each other, campaign by campaign: what is no longer sent, what is new, what comes sooner or later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from statistics import median

import msgspec

from replay.backtest.side import SAME_MS_MAX, Message, Side, SideTotals


class UnmatchedRows(msgspec.Struct, frozen=True, kw_only=True):
    """A message that only one side sent, and why the other did not."""

    user: str
    at: int
    template: str
    channel: str
    reason: str
    converted: bool
    """Whether the goal of its run was reached after it, in the recorded past."""
    value: float


class Shifted(msgspec.Struct, frozen=True, kw_only=True):
    """A message of both sides, at different times."""

    user: str
    at: int
    """As recorded."""
    template: str
    later_ms: int
    """Negative: sooner."""


class BacktestDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign. `before` is the recorded version, `after` the changed one."""

    campaign: str
    before: SideTotals
    after: SideTotals
    same: int
    """Messages of both sides at the same time."""
    gone: list[UnmatchedRows]
    new: list[UnmatchedRows]
    shifted: list[Shifted]

    @property
    def later_ms(self) -> float | None:
        """Median of the shifts; None if there are none."""
        return median(one.later_ms for one in self.shifted) if self.shifted else None

    @property
    def is_empty(self) -> bool:
        return not (self.gone or self.new or self.shifted) and self.before.entered == self.after.entered


def compare(
    before: Side, after: Side, known_before: Collection[str], known_after: Collection[str]
) -> list[BacktestDifference]:
    """By campaign. `known_…`: the campaigns that each site has at the end."""
    names = sorted({*before.totals, *after.totals, *known_before, *known_after})
    old, new = _by_campaign(before), _by_campaign(after)
    return [
        _difference(name, before, after, old[name], new[name], name in known_before, name in known_after)
        for name in names
    ]


def _difference(
    name: str, before: Side, after: Side, old: list[Message], new: list[Message], was: bool, is_still: bool
) -> BacktestDifference:
    pairs, gone, come = _paired(old, new)
    since = before.since
    pairs = [(one, other) for one, other in pairs if max(one.at, other.at) >= since]
    return BacktestDifference(
        campaign=name,
        before=before.totals.get(name, SideTotals()),
        after=after.totals.get(name, SideTotals()),
        same=sum(one.at == other.at for one, other in pairs),
        gone=[_unmatched(message, _why_not(message, after, is_still)) for message in gone if message.at >= since],
        new=[_unmatched(message, _why_not(message, before, was)) for message in come if message.at >= since],
        shifted=[
            Shifted(user=one.user, at=one.at, template=one.template, later_ms=other.at - one.at)
            for one, other in pairs
            if one.at != other.at
        ],
    )


def _paired(
    old: Sequence[Message], new: Sequence[Message]
) -> tuple[list[tuple[Message, Message]], list[Message], list[Message]]:
    """(the same message on both sides, only on the old, only on the new). First those of the same run, then those that
    went to the same user within a day."""
    pairs: list[tuple[Message, Message]] = []
    waiting: dict[tuple[str, str, int], list[Message]] = defaultdict(list)
    for message in new:
        waiting[message.user, message.template, message.entered].append(message)
    rest = []
    for message in old:
        same = waiting.get((message.user, message.template, message.entered))
        if same:
            pairs.append((message, same.pop(0)))
        else:
            rest.append(message)
    left: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for messages in waiting.values():
        for message in messages:
            left[message.user, message.template].append(message)
    gone = []
    for message in rest:
        near = [
            one for one in left.get((message.user, message.template), ()) if abs(one.at - message.at) <= SAME_MS_MAX
        ]
        if near:
            chosen = min(near, key=lambda one: abs(one.at - message.at))
            left[message.user, message.template].remove(chosen)
            pairs.append((message, chosen))
        else:
            gone.append(message)
    come = sorted((one for messages in left.values() for one in messages), key=lambda one: (one.at, one.user))
    return pairs, gone, come


def _why_not(message: Message, other: Side, is_there: bool) -> str:
    """Why the other side did not send it."""
    key = (message.campaign, message.user, message.entered)
    went = other.runs.get(key)
    if went is not None:
        if message.template in went.skipped:
            return f"skipped: {went.skipped[message.template]}"
        if went.ended:
            return f"its run had ended: {went.ended}"
        return "its run was still waiting at the end of the journal"
    if key in other.refused:
        return f"not entered: {other.refused[key]}"
    if not is_there:
        return "there is no such campaign"
    return "its entry did not match at that time"


def _unmatched(message: Message, reason: str) -> UnmatchedRows:
    return UnmatchedRows(
        user=message.user,
        at=message.at,
        template=message.template,
        channel=message.channel,
        reason=reason,
        converted=message.converted,
        value=message.value,
    )


def _by_campaign(side: Side) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = defaultdict(list)
    for message in side.messages:
        found[message.campaign].append(message)
    return found
