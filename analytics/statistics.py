"""What the dashboard shows: one value a second, made from the engine's counters and the ledger's figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from actors.model.reasons import SKIPPED
from actors.model.turn import Decision
from analytics.figures import CampaignFigures, Figures
from analytics.naming import label
from analytics.reasons import Tone, sentence, tone, words


class EngineFigures(Protocol):
    """Of the engine's statistics, those that are shown; counts since the start of the process, times in ms,
    `lateness` by the engine's clock."""

    @property
    def events(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def decisions(self) -> int: ...
    @property
    def sends(self) -> int: ...
    @property
    def live_actors(self) -> int: ...
    @property
    def packed_actors(self) -> int: ...
    @property
    def timers(self) -> int: ...
    @property
    def commit_ms_p50(self) -> float: ...
    @property
    def commit_ms_p99(self) -> float: ...
    @property
    def lateness_ms_p99(self) -> float: ...
    @property
    def storage(self) -> str: ...


class CampaignFigureRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it is shown."""

    at: int
    user: str
    label: str
    """What the user is called on a page."""
    turn: int
    index: int
    campaign: str
    tone: Tone
    text: str


class CampaignRow(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's figures as they are shown: `skipped` by plain words."""

    campaign: str
    entered: int
    sent: int
    skipped: dict[str, int]
    clicked: int
    goals: int
    value: float


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `GET /v1/stats`. `history` is events a second over the last two minutes, oldest first."""

    now: int
    events_per_second: float
    history: list[int]
    events: int
    duplicates: int
    decisions_total: int
    sends: int
    waiting: int
    """Sends not yet settled."""
    live_actors: int
    packed_actors: int
    timers: int
    commit_ms_p50: float
    commit_ms_p99: float
    lateness_ms_p99: float
    """From when a timer was due to when what it did was on disk, in real milliseconds."""
    storage: str
    campaigns: list[CampaignRow]
    decisions: list[CampaignFigureRow]
    site: object = None
    """What became of the last edit of the site's files: `at`, `taken`, `campaigns`, `problems`; None if there was none."""


class Board:
    """Makes overviews. `now_ms` is the engine's clock, which runs `speed` times as fast as the wall's."""

    def __init__(
        self,
        engine: Callable[[], EngineFigures],
        figures: Figures,
        now_ms: Callable[[], int],
        site_news: Callable[[], object] = lambda: None,
        *,
        speed: float = 1.0,
    ) -> None:
        self._engine = engine
        self._figures = figures
        self._now_ms = now_ms
        self._site_news = site_news
        self._speed = speed

    def overview(self, waiting: int) -> Overview:
        """`waiting`: sends that are not settled yet."""
        engine = self._engine()
        now, pace = self._now_ms(), self._figures.pace
        return Overview(
            now=now,
            events_per_second=round(pace.current(now), 2),
            history=pace.history(now),
            events=engine.events,
            duplicates=engine.duplicates,
            decisions_total=engine.decisions,
            sends=engine.sends,
            waiting=waiting,
            live_actors=engine.live_actors,
            packed_actors=engine.packed_actors,
            timers=engine.timers,
            commit_ms_p50=round(engine.commit_ms_p50, 2),
            commit_ms_p99=round(engine.commit_ms_p99, 2),
            lateness_ms_p99=round(engine.lateness_ms_p99 / self._speed, 2),
            storage=engine.storage,
            campaigns=[shown_campaign(figures) for figures in self._figures.campaigns()],
            decisions=[shown(decision) for decision in self._figures.recent()],
            site=self._site_news(),
        )


def shown(decision: Decision) -> CampaignFigureRow:
    return CampaignFigureRow(
        at=decision.at,
        user=decision.user,
        label=label(decision.user),
        turn=decision.turn,
        index=decision.index,
        campaign=decision.campaign,
        tone=tone(decision),
        text=sentence(decision),
    )


def shown_campaign(figures: CampaignFigures) -> CampaignRow:
    return CampaignRow(
        campaign=figures.campaign,
        entered=figures.entered,
        sent=figures.sent,
        skipped={words(reason, SKIPPED): count for reason, count in figures.skipped.items()},
        clicked=figures.clicked,
        goals=figures.goals,
        value=round(figures.value, 2),
    )
