"""Small sites and histories for tests of the actors: what an author writes, without the files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from actors.model.event import Event, Kind, Source
from actors.model.turn import Decision
from language.compiler.compile import compile_site
from language.syntax import ast
from language.syntax.expressions import parse_duration, parse_expression, parse_pattern
from replay.simulate import Simulator

START = 1_767_607_200_000
"""2026-01-05T10:00Z, a Monday."""


def at(text: str) -> int:
    """The instant of an ISO time, in ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def ms(duration: str) -> int:
    return round(parse_duration(duration) * 1000)


def wait(kind: str, what: str, up_to: str | None = None, name: str | None = None) -> ast.AnyStep:
    """`wait("for", "1h")`, `wait("idle", "30m")`, `wait("when", "count(a) > 2")`, `wait("until", "a then b within 1h")`."""
    end = None if up_to is None else parse_expression(up_to)
    match kind:
        case "for":
            return ast.WaitFor(duration=parse_expression(what))
        case "idle":
            return ast.WaitIdle(duration=parse_expression(what))
        case "when":
            return ast.WaitWhen(condition=parse_expression(what), up_to=end, name=name)
        case _:
            return ast.WaitUntil(patterns=(parse_pattern(what),), up_to=end, name=name)


def push(template: str = "hello", **options: Any) -> ast.SendStep:
    return ast.SendStep(channel="push", template=template, **options)


def email(template: str = "hello", **options: Any) -> ast.SendStep:
    return ast.SendStep(channel="email", template=template, **options)


def campaign(
    name: str, entry: str | tuple[str, ...], *steps: ast.AnyStep, exits: tuple[str, ...] = (), **options: Any
) -> ast.Campaign:
    patterns = (entry,) if isinstance(entry, str) else entry
    goal = options.pop("goal", None)
    within = options.pop("within", None)
    rules = {
        rule: options.pop(rule) for rule in ("key", "re_entry", "re_entry_after", "concurrency") if rule in options
    }
    return ast.Campaign(
        id=name,
        why="a test",
        file=f"campaigns/{name}.yaml",
        topic=options.pop("topic", name),
        entry=ast.Entry(patterns=tuple(map(parse_pattern, patterns)), **rules),
        exits=tuple(map(parse_pattern, exits)),
        goal=None if goal is None else ast.Goal(patterns=(parse_pattern(goal),), within=within and ms(within) / 1000),
        steps=steps,
        **options,
    )


def site(*campaigns: ast.Campaign, segments: dict[str, str] | None = None, **policy: Any) -> ast.Site:
    """Marketing is opt-out, unless the policy says otherwise."""
    return ast.Site(
        path="test",
        campaigns=campaigns,
        profile=ast.Profile(
            remember=(),
            segments=tuple((name, parse_expression(text)) for name, text in (segments or {}).items()),
        ),
        policy=ast.Policy(**{"marketing_consent": "opt_out", **policy}),
        templates=None,
        sources=(),
    )


class Story:
    """A site and what happens to its users, in virtual time."""

    def __init__(self, *campaigns: ast.Campaign, start: int = START, **options: Any) -> None:
        self.start = start
        self.simulator = Simulator(compile_site(site(*campaigns, **options)), start)
        self._told = 0

    def tell(
        self,
        when: str,
        name: str,
        *,
        user: str = "ann",
        late_by: str = "0s",
        kind: Kind = "track",
        source: Source = "server",
        **properties: Any,
    ) -> None:
        """An event that comes so long after the start, and happened earlier if it is late."""
        self._take(when, name, properties, user=user, late_by=late_by, kind=kind, source=source)

    def past(
        self, when: str, ago: str, name: str, *, user: str = "ann", kind: Kind = "track", **properties: Any
    ) -> None:
        """A historical event, told so long after the start, that happened so long before."""
        self._take(when, name, properties, user=user, late_by=ago, kind=kind, historical=True)

    def _take(
        self,
        when: str,
        name: str,
        properties: dict[str, Any],
        *,
        user: str,
        late_by: str = "0s",
        kind: Kind = "track",
        source: Source = "server",
        historical: bool = False,
    ) -> None:
        self._told += 1
        moment = self.start + ms(when)
        event = Event(
            user=user,
            kind=kind,
            name=name,
            message_id=f"m{self._told}",
            occurred=moment - ms(late_by),
            body=msgspec.json.encode(properties),
            source=source,
            historical=historical,
        )
        self.simulator.take(event, moment)

    def identify(self, when: str, *, user: str = "ann", late_by: str = "0s", **traits: Any) -> None:
        self._take(when, "", traits, user=user, late_by=late_by, kind="identify")

    def alias(self, when: str, visitor: str, user: str = "ann") -> None:
        self._take(when, "", {"from": visitor}, user=user, kind="alias")

    def until(self, when: str) -> list[tuple[str, str, str, str | None]]:
        """Lets time run; (after, campaign, decision, reason) of every row but `waiting`, in order."""
        self.simulator.run(self.start + ms(when))
        return [
            (f"{(row.at - self.start) / 1000:g}s", row.campaign, row.decision, row.reason)
            for row in self.simulator.decisions
            if row.decision != "waiting"
        ]

    def rows(self, decision: str) -> list[Decision]:
        return [row for row in self.simulator.decisions if row.decision == decision]
