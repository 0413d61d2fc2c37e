"""What each campaign has done: counted as decisions and clicks are stored, and from the store when the process starts."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

import msgspec

from actors.model.event import Event
from actors.model.turn import Decision
from analytics.pace import Pace
from analytics.reasons import value_of
from persistence.interface import Commit, JournalEntry

PAGE_ROWS = 1000
RECENT_MAX = 50


class Figured(Protocol):
    """What figures are read from: a store, or a database beside its engine."""

    async def ledger(
        self, *, user: str | None = None, campaign: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[Decision]: ...

    def tail(self, after: int, until: int | None = None) -> AsyncIterator[list[JournalEntry]]: ...


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
            figures.value += value_of(decision)


async def read_figures(store: Figured, *, head: int, rows_max: int = 100_000, speed: float = 1.0) -> Figures:
    """The figures of the newest `rows_max` decisions, and of the clicks among the newest `rows_max` journal rows up to
    `head`, so that the start of a large shop stays short."""
    figures = Figures(speed)
    figures.count(reversed(await _ledger(store, rows_max)))
    async for entries in store.tail(max(0, head - rows_max), head):
        for entry in entries:
            figures.click(entry.event)
    return figures


async def _ledger(store: Figured, rows_max: int) -> Sequence[Decision]:
    """Newest first. Pages overlap in their last millisecond, which may hold more rows than a page: then pages grow."""
    rows: dict[tuple[str, int, int], Decision] = {}
    before: int | None = None
    page_rows = PAGE_ROWS
    while len(rows) < rows_max:
        page = await store.ledger(limit=page_rows, before=before)
        known = len(rows)
        rows.update(((row.user, row.turn, row.index), row) for row in page)
        if len(page) < page_rows:
            break
        if len(rows) == known:
            page_rows *= 2
        before = page[-1].at + 1
    return list(rows.values())[:rows_max]
