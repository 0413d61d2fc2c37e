"""What was played in a simulation, counted for its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from actors.model.event import Event
from actors.model.state import Actor
from cuebird.playing.campaign_counts import CampaignCounts
from cuebird.playing.data_quality import DataQuality


class PlayReport:
    """Of some of the people; `add` puts two together."""

    def __init__(self) -> None:
        self.tally = CampaignCounts()
        self.oddities = DataQuality()
        self.events: Counter[str] = Counter()
        self.users: dict[str, set[str]] = {}
        """Event -> the names it came under."""
        self.people = 0
        self.reachable = 0
        """People with an e-mail address."""
        self.untracked = 0
        self.duplicates = 0
        self.too_old = 0

    def see(self, event: Event) -> None:
        """An event that was none told before."""
        self.oddities.see(event)
        if event.kind != "alias":
            name = event.name or event.kind
            self.events[name] += 1
            users = self.users.get(name)
            if users is None:
                users = self.users[name] = set()
            users.add(event.user)

    def people_of(self, event: str) -> int:
        """How many did it."""
        return len(self.oddities.people(self.users.get(event, set())))

    def meet(self, actors: Iterable[Actor]) -> None:
        """They have been played to the end."""
        for actor in actors:
            self.people += 1
            self.reachable += isinstance(actor.traits.get("email"), str)

    def add(self, other: PlayReport) -> None:
        """Other people's."""
        self.tally.add(other.tally)
        self.oddities.add(other.oddities)
        self.events += other.events
        for name, users in other.users.items():
            self.users.setdefault(name, set()).update(users)
        self.people += other.people
        self.reachable += other.reachable
        self.untracked += other.untracked
        self.duplicates += other.duplicates
        self.too_old += other.too_old
