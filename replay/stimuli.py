"""For each campaign, short sequences of events that ought to bring a user into it and through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from language.syntax import ast
from language.syntax.walk import steps_of
from replay.needs import GivenEvent, NeededEvents, Needs, with_properties

APART_MS: Final = 1_000
"""Between two events of one sequence."""

CHOICES_MAX: Final = 12
"""Ways through the steps of one campaign that are tried to be gone on purpose."""

PLAIN: Final = "page_viewed"
"""What stands for any activity."""


class StimulusStep(msgspec.Struct, frozen=True, kw_only=True):
    """Something a user does, or (no `event`) that a server tells of his traits; `after` ms from the sequence's start."""

    after: int
    event: str = ""
    properties: Mapping[str, Any] = {}


class Stimulus(msgspec.Struct, frozen=True, kw_only=True):
    campaign: str
    event: str
    """What brings the user in, for the reader."""
    steps: tuple[StimulusStep, ...]
    traits: Mapping[str, Any]
    entered: int
    """When the user is in, in ms after the first step."""
    key: str | None
    """Property that tells one run from another: each use of the stimulus needs its own value of it."""

    def then(self, steps: tuple[StimulusStep, ...], at: int) -> Stimulus:
        """With more steps, that begin at `at`."""
        later = tuple(msgspec.structs.replace(step, after=step.after + at) for step in steps)
        return msgspec.structs.replace(self, steps=(*self.steps, *later))

    def with_needs(self, needs: Needs) -> Stimulus:
        """With the properties on the event that brings the user in, the traits, and what has to happen after the entry."""
        *before, last = self.steps or (StimulusStep(after=0),)
        if last.event:
            last = msgspec.structs.replace(last, properties={**last.properties, **needs.properties})
        entered = msgspec.structs.replace(self, steps=(*before, last), traits={**self.traits, **needs.traits})
        return entered.then(_steps(needs.before), self.entered + APART_MS) if needs.before else entered


class Stimuli:
    """Of one site."""

    def __init__(self, site: ast.Site) -> None:
        self._site = site
        self._wishes = NeededEvents(site.profile)

    def of(self, campaign: ast.Campaign) -> Iterator[Stimulus]:
        for pattern in campaign.entry.patterns:
            yield self._stimulus(campaign, pattern)
        if campaign.id == self._site.policy.default_campaign:
            yield Stimulus(
                campaign=campaign.id,
                event=PLAIN,
                steps=(StimulusStep(after=0, event=PLAIN),),
                traits={},
                entered=0,
                key=None,
            )

    def answer(self, pattern: ast.Pattern) -> tuple[StimulusStep, ...]:
        """What completes a pattern that a run waits for."""
        return _steps(self._events(pattern, Needs(), ""))

    def choosing(self, campaign: ast.Campaign, plain: Stimulus) -> Iterator[Stimulus]:
        """The same, so that the conditions of its steps hold: each way through each branch, each thing waited for."""
        for choice in list(_choices(campaign))[:CHOICES_MAX]:
            needs = Needs()
            for condition, holds in choice:
                self._wishes.of(condition, needs, holds=holds)
            chosen = plain.with_needs(needs)
            if chosen != plain:
                yield chosen

    def _stimulus(self, campaign: ast.Campaign, pattern: ast.Pattern) -> Stimulus:
        needs = Needs()
        self._wishes.of(campaign.entry.condition, needs)
        self._wishes.of(campaign.entry.audience, needs)
        events = self._events(pattern, needs, campaign.id)
        if events and needs.properties:
            events[-1] = GivenEvent(
                event=events[-1].event, properties=with_properties(events[-1].properties, needs.properties)
            )
        # Who is to enter a segment by his traits has none of them before.
        become = needs.traits if isinstance(pattern, ast.SegmentPattern) else {}
        steps = _steps([*needs.before, *events])
        if become:
            steps = (*steps, StimulusStep(after=len(steps) * APART_MS, properties=become))
        last = steps[-1].after if steps else 0
        return Stimulus(
            campaign=campaign.id,
            event=events[-1].event if events else needs.before[-1].event if needs.before else "identify",
            steps=steps,
            traits={} if become else needs.traits,
            entered=last + _lasts(pattern),
            key=campaign.entry.key,
        )

    def _events(self, pattern: ast.Pattern, needs: Needs, campaign: str) -> list[GivenEvent]:
        wishes = self._wishes
        match pattern:
            case ast.EventPattern(event=event, where=where):
                return [wishes.event(event, where)]
            case ast.ThenPattern(steps=steps) | ast.AllPattern(patterns=steps) | ast.SessionPattern(steps=steps):
                return [wishes.event(step.event, step.where) for step in steps]
            case ast.SilencePattern(event="activity"):
                return [GivenEvent(event=PLAIN)]
            case ast.SilencePattern(event=event, where=where):
                return [wishes.event(event, where)]
            case ast.SegmentPattern(segment=segment):
                wishes.of(dict(self._site.profile.segments).get(segment), needs)
                return []
            case ast.CalledPattern():
                return [GivenEvent(event="called", properties={"campaign": campaign} if campaign else {})]


def _choices(campaign: ast.Campaign) -> Iterator[list[tuple[ast.Expression, bool]]]:
    """Each a list of (condition, whether it is to hold)."""
    for step in steps_of(campaign):
        match step:
            case ast.Branch(cases=cases, otherwise=otherwise):
                conditions = [condition for condition, _ in cases]
                for number, condition in enumerate(conditions):
                    yield [*((one, False) for one in conditions[:number]), (condition, True)]
                if otherwise:
                    yield [(one, False) for one in conditions]
            case ast.WaitWhen(condition=condition):
                yield [(condition, True)]


def _steps(events: list[GivenEvent]) -> tuple[StimulusStep, ...]:
    return tuple(
        StimulusStep(after=number * APART_MS, event=told.event, properties=told.properties)
        for number, told in enumerate(events)
    )


def _lasts(pattern: ast.Pattern) -> int:
    """How long after its last event a pattern matches, in ms."""
    match pattern:
        case ast.ThenPattern(absent=absent, within=within) if absent is not None:
            return round(within * 1000)
        case ast.SilencePattern(seconds=span):
            return round(span * 1000)
    return 0
