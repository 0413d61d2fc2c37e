"""What each campaign has done: counted as decisions and clicks are stored, and from the store when the process starts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from actors.model.event import Event
from actors.model.turn import Decision, goal_value
from analytics.pace import Pace
from persistence.interface import Commit, StoreReader

RECENT_MAX = 50


class CampaignFigures(msgspec.Struct, kw_only=True):
    """Rows of the ledger by what they say. `clicked` counts people's clicks, not those of scanners."""

    campaign: str
    entered: int = 0
    sent: int = 0
    skipped: dict[str, int] = {}
    """By reason."""
    clicked: int = 0
    goals: int = 0
    value: float = 0.0
    """Sum of the goals' values."""


class _Click(msgspec.Struct, frozen=True):
    """The properties of a click that we look at."""

    campaign: str = ""
    machine: bool = False


class Figures:
    """A fold over commits. Give it each commit once, after it is on disk. `speed` is that of the engine's clock."""

    def __init__(self, speed: float = 1.0) -> None:
        self.pace = Pace(speed)
        self._campaigns: dict[str, CampaignFigures] = {}
        self._recent: deque[Decision] = deque(maxlen=RECENT_MAX)

    def take(self, commit: Commit) -> None:
        if commit.entries:
            self.pace.take(commit.entries[-1].at, len(commit.entries))
        self.count(commit.decisions)
        for entry in commit.entries:
            self.click(entry.event)

    def count(self, decisions: Iterable[Decision]) -> None:
        """In the order in which they were made."""
        for decision in decisions:
            self._recent.appendleft(decision)
            if decision.campaign:
                self._count(decision)

    def click(self, event: Event) -> None:
        """Counts it if it is a person's click on one of our messages."""
        if event.name not in ("email_clicked", "push_clicked"):
            return
        try:
            click = msgspec.json.decode(event.body, type=_Click)
        except msgspec.MsgspecError:
            # A shop may have an event of this name of its own, with anything in it.
            return
        if click.campaign in self._campaigns and not click.machine:
            self._campaigns[click.campaign].clicked += 1

    def campaigns(self) -> list[CampaignFigures]:
        """By name."""
        return [self._campaigns[name] for name in sorted(self._campaigns)]

    def recent(self, limit: int = RECENT_MAX) -> list[Decision]:
        """The decisions stored last, newest first."""
        return list(self._recent)[:limit]

    def _count(self, decision: Decision) -> None:
        figures = self._campaigns.get(decision.campaign)
        if figures is None:
            figures = self._campaigns[decision.campaign] = CampaignFigures(campaign=decision.campaign, skipped={})
        if decision.decision == "entered":
            figures.entered += 1
        elif decision.decision == "sent":
            figures.sent += 1
        elif decision.decision == "skipped":
            reason = decision.reason or ""
            figures.skipped[reason] = figures.skipped.get(reason, 0) + 1
        elif decision.decision == "goal":
            figures.goals += 1
            figures.value += goal_value(decision)


async def read_figures(store: StoreReader, *, head: int, rows_max: int = 100_000, speed: float = 1.0) -> Figures:
    """The figures of the newest `rows_max` decisions, and of the clicks among the newest `rows_max` journal rows up to
    `head`, so that the start of a large shop stays short."""
    figures = Figures(speed)
    figures.count(reversed(await _newest(store, rows_max)))
    async for entries in store.tail(max(0, head - rows_max), head):
        for entry in entries:
            figures.click(entry.event)
    return figures


async def _newest(store: StoreReader, rows_max: int) -> list[Decision]:
    """Newest first."""
    rows: list[Decision] = []
    async for batch in store.whole_ledger():
        rows += batch
        if len(rows) >= rows_max:
            break
    return rows[:rows_max]
