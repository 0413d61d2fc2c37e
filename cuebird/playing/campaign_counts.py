"""What the rows of the ledger come to, campaign by campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import fsum

import msgspec

from actors.model.turn import Decision, goal_value


class PlayedFigures(msgspec.Struct):
    """Of one campaign."""

    entered: int = 0
    people: set[str] = set()
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    sent: Counter[str] = msgspec.field(default_factory=Counter)
    """By channel."""
    skipped: Counter[str] = msgspec.field(default_factory=Counter)
    held: dict[str, str] = {}
    """Message -> why it had to wait at first."""
    variants: Counter[str] = msgspec.field(default_factory=Counter)
    ended: Counter[str] = msgspec.field(default_factory=Counter)
    goals: int = 0
    values: list[float] = []
    """What the goals were worth."""
    runs: dict[str, int] = {}
    """Run -> when it was entered, of those that have sent nothing yet."""
    delays: list[int] = []
    """From entry to the first send of each run, in ms."""

    @property
    def value(self) -> float:
        """The same whatever the order of the goals."""
        return fsum(self.values)

    @property
    def waiting(self) -> int:
        return self.entered - self.ended.total()

    def add(self, other: PlayedFigures) -> None:
        """Those of other people."""
        self.entered += other.entered
        self.people |= other.people
        self.refused += other.refused
        self.sent += other.sent
        self.skipped += other.skipped
        self.held |= other.held
        self.variants += other.variants
        self.ended += other.ended
        self.goals += other.goals
        self.values += other.values
        self.runs |= other.runs
        self.delays += other.delays


class CampaignCounts:
    """Counts rows as they come; keeps none of them."""

    def __init__(self) -> None:
        self._campaigns: dict[str, PlayedFigures] = {}

    def of(self, campaign: str) -> PlayedFigures:
        found = self._campaigns.get(campaign)
        if found is None:
            found = self._campaigns[campaign] = PlayedFigures()
        return found

    def count(self, decisions: Iterable[Decision]) -> None:
        """Rows in their order. Refused entries are counted by `refuse`, whether or not there are rows of them."""
        for decision in decisions:
            _count(self.of(decision.campaign), decision)

    def add(self, other: CampaignCounts) -> None:
        """What was counted of other people."""
        for name, figures in other._campaigns.items():
            self.of(name).add(figures)

    def refuse(self, refusals: Mapping[tuple[str, str], int]) -> None:
        """(campaign, reason) -> how often."""
        for (campaign, reason), count in refusals.items():
            self.of(campaign).refused[reason] += count


def _count(campaign: PlayedFigures, decision: Decision) -> None:
    match decision.decision:
        case "waiting":
            pass
        case "sent":
            campaign.sent[decision.channel or ""] += 1
            entered = campaign.runs.pop(decision.run, None)
            if entered is not None:
                campaign.delays.append(decision.at - entered)
        case "entered":
            campaign.entered += 1
            campaign.people.add(decision.user)
            campaign.runs[decision.run] = decision.at
        case "finished":
            campaign.ended["finished"] += 1
        case "held":
            campaign.held.setdefault(decision.message or "", decision.reason or "")
        case "goal":
            campaign.goals += 1
            if value := goal_value(decision):
                campaign.values.append(value)
        case "exited":
            campaign.ended[decision.reason or ""] += 1
        case "skipped":
            campaign.skipped[decision.reason or ""] += 1
        case "assigned":
            campaign.variants[decision.variant or ""] += 1
