"""A user and the user's runs, as facts: what was entered, which steps are left, since when it waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from language.syntax import ast
from tests.reference.history import Happening, History, Place

TEN_YEARS_MS = 10 * 366 * 86_400_000


@dataclass(eq=False)
class Run:
    campaign: ast.Campaign
    key: str
    number: int
    """Of the entry, over all users: the older run has the smaller."""
    entered: int
    entry_place: Place
    entry: dict[str, Any]
    steps: list[ast.AnyStep]
    """Those that are left; it waits at the first."""
    variant: str | None = None
    named: dict[str, bool] = field(default_factory=dict)
    sent: int = 0
    ended: bool = False
    goal_reached: bool = False
    until: int | None = None
    """When the wait is over whatever happens."""
    length: int = 0
    """How long a wait for silence is."""
    unproven: bool = False
    """Whether nobody proved what began it."""
    asked: int | None = None
    """When the send that it holds was first due."""

    @property
    def goal_until(self) -> int | None:
        """The last moment at which something that happens counts as its goal; None: as long as it lasts."""
        goal = self.campaign.goal
        assert goal is not None
        return None if goal.within is None else self.entry_place[0] + round(goal.within * 1000)

    @property
    def step(self) -> str:
        return step_name(self.steps[0]) if self.steps else "finish"

    def may_reach_goal(self, occurred: int) -> bool:
        if self.campaign.goal is None or self.goal_reached:
            return False
        return not self.ended if self.goal_until is None else occurred <= self.goal_until


def step_name(step: ast.AnyStep) -> str:
    match step:
        case ast.SendStep(template=template):
            return f"send {template}"
        case ast.Emit(event=event):
            return f"emit {event}"
        case ast.Split(id=id_):
            return f"split {id_}"
    names: dict[type, str] = {
        ast.WaitFor: "wait for",
        ast.WaitIdle: "wait idle",
        ast.WaitUntil: "wait until",
        ast.WaitWhen: "wait when",
        ast.WaitAt: "wait at",
        ast.Branch: "branch",
        ast.SetTraits: "set",
        ast.Exit: "exit",
    }
    return names[type(step)]


@dataclass(eq=False)
class Person:
    history: History
    runs: list[Run] = field(default_factory=list)
    """Every run there ever was, in order of entry."""
    ids: list[str] = field(default_factory=list)
    """Message ids taken, in order."""
    entries: list[tuple[str, str, int]] = field(default_factory=list)
    """(campaign, key, at) of every entry."""
    member_of: set[str] = field(default_factory=set)
    """Segments the user was in when last looked at."""
    used: dict[Any, list[Happening]] = field(default_factory=dict)
    """(run or None, pattern) -> events that its matches have used up."""
    silences: dict[Any, list[int]] = field(default_factory=dict)
    """(run or None, pattern) -> beginnings of the silences that it has matched."""
    unmatched: list[int] = field(default_factory=list)
    """When it was noted that the user matched nothing for 30 days."""

    @property
    def active(self) -> list[Run]:
        return [run for run in self.runs if not run.ended]

    @property
    def by_priority(self) -> list[Run]:
        return sorted(self.runs, key=lambda run: -run.campaign.priority)


def share(subject: str, user: str) -> float:
    """Chance that is none: a number in [0, 1) that follows from (subject, user)."""
    return int.from_bytes(blake2b(f"{subject}\x1f{user}".encode(), digest_size=7).digest(), "big") / (1 << 56)


def drawn(experiment: str, user: str, ways: Iterable[ast.Way]) -> str:
    """A variant, by the weights."""
    ways = list(ways)
    point = share(experiment, user) * sum(way.weight for way in ways)
    for way in ways:
        if point < way.weight:
            return way.name
        point -= way.weight
    return ways[-1].name
