"""What one of the two sites did from a moment on: its runs, their messages, their goals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from typing import Final

import msgspec

from actors.model.turn import Decision, goal_value

SAME_MS_MAX: Final = 86_400_000
"""Messages of one template to one user that are no further apart may be the same message at another time."""

RunKey = tuple[str, str, int]
"""campaign, user, when it entered: the same run on both sides has the same, whatever its id."""


class Message(msgspec.Struct, kw_only=True):
    campaign: str
    user: str
    entered: int
    """When its run entered, in ms."""
    at: int
    template: str
    channel: str
    converted: bool = False
    """Whether the run's goal was reached after it."""
    value: float = 0.0


class Went(msgspec.Struct, kw_only=True):
    """One run, as far as it says why something was not sent."""

    ended: str = ""
    skipped: dict[str, str] = {}
    """template -> reason"""


class SideTotals(msgspec.Struct, kw_only=True):
    entered: int = 0
    sent: int = 0
    goals: int = 0
    value: float = 0.0
    not_entered: Counter[str] = msgspec.field(default_factory=Counter)
    """By reason."""


class Side:
    """Counts from `since` on. Messages and runs are looked at from a day before it on, so that one that only came later
    across that line is known as the same; rows before make only the runs that go on."""

    def __init__(self, since: int) -> None:
        self.since = since
        self._started: dict[str, int] = {}
        """Active runs: id -> when it entered."""
        self._open: dict[str, list[Message]] = {}
        """Runs with messages whose goal may still come."""
        self.messages: list[Message] = []
        self.runs: dict[RunKey, Went] = {}
        self.refused: dict[RunKey, str] = {}
        """Entries that this side refused and the other made: why."""
        self.totals: dict[str, SideTotals] = {}

    def see(self, rows: Iterable[Decision]) -> None:
        """In the order in which they were made."""
        for row in rows:
            if row.decision == "entered":
                self._started[row.run] = row.at
            if row.at >= self.since - SAME_MS_MAX:
                self._look_at(row, self.total(row.campaign) if row.at >= self.since else SideTotals())
            if row.decision in ("exited", "finished"):
                self._started.pop(row.run, None)

    def leave_out(self, users: Container[str]) -> None:
        """Drop the messages of these users: what is compared is what both sides played to the end."""
        self.messages = [message for message in self.messages if message.user not in users]

    def total(self, campaign: str) -> SideTotals:
        return self.totals.setdefault(campaign, SideTotals())

    def _look_at(self, row: Decision, total: SideTotals) -> None:
        key = (row.campaign, row.user, self._started.get(row.run, 0))
        match row.decision:
            case "entered":
                total.entered += 1
                self.runs[key] = Went()
            case "not_entered":
                total.not_entered[row.reason or ""] += 1
            case "sent":
                total.sent += 1
                self._send(row, key)
            case "skipped":
                self.runs.setdefault(key, Went()).skipped[row.template or ""] = row.reason or ""
            case "goal":
                self._reach(row, total)
            case "exited" | "finished":
                self.runs.setdefault(key, Went()).ended = row.reason or "finished"
            case _:
                pass

    def _send(self, row: Decision, key: RunKey) -> None:
        message = Message(
            campaign=row.campaign,
            user=row.user,
            entered=key[2],
            at=row.at,
            template=row.template or "",
            channel=row.channel or "",
        )
        self.messages.append(message)
        self._open.setdefault(row.run, []).append(message)

    def _reach(self, row: Decision, total: SideTotals) -> None:
        worth = goal_value(row)
        total.goals += 1
        total.value += worth
        for message in self._open.pop(row.run, ()):
            message.converted, message.value = True, worth


def note_refusals(before: Side, after: Side, old: Iterable[Decision], new: Iterable[Decision]) -> None:
    """What came of one input on both sides: where one entered and the other refused, the reason is kept."""
    for entering, refusing, side in ((old, new, after), (new, old, before)):
        made = {(row.campaign, row.user, row.at) for row in entering if row.decision == "entered"}
        if made:
            for row in refusing:
                key = (row.campaign, row.user, row.at)
                if row.decision == "not_entered" and key in made:
                    side.refused[key] = row.reason or ""
