"""The most messages that one user can get in one day, with the events that do it: found by trying them in the simulator.

Greedy and bounded: a stimulus is added where it brings one more message that day, as long as any does; then every event
that is not needed is taken out again. So the number is one that can happen; that nothing brings more is said only where
`bounds.py` proves it. Of a campaign of which no message was found it is kept what was tried, and what kept it from sending.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from actors.actor import Actor
from actors.model.assignment import share
from actors.model.event import Event
from actors.model.program import Program
from actors.model.turn import Turn
from actors.sending.frequency import DAY_MS
from actors.values import zone
from language.check.bounds import bound, bound_of_caps, limits_entries
from language.syntax import ast
from language.syntax.rules import is_ruled
from language.syntax.walk import steps_of
from replay.simulate import Simulator
from replay.stimuli import Stimuli, Stimulus, StimulusStep
from replay.why_not import since, why_not

START: Final = 1_767_571_200_000
"""Monday, 2026-01-05 00:00 UTC."""

DAYS_BEFORE: Final = 40
"""The day that is looked at comes so long after the start: campaigns with long waits reach it too."""

EFFORT_MAX: Final = 60_000
"""Work of all trials (turns, and the decisions that come of them): about a second. Shortening may take as much again."""

REPEATS_MAX: Final = 5
"""A stimulus that brings one more message each time, so often, is taken to be without limit."""

EACH_MAX: Final = 50
"""How often one stimulus is added in a row, if a rule will end it some time."""

USERS_TRIED_MAX: Final = 200

LONG_DAY_MS: Final = 25 * 3_600_000
"""The day on which clocks are set back."""

DELAYS_MAX: Final = 6
WAITS_MAX: Final = 2

_HOURS: Final = (12, 9, 15, 18, 21, 6, 0, 3, 10, 14, 8, 20, 16, 22, 1, 2, 4, 5, 7, 11, 13, 17, 19, 23)
"""At which hours of the day a message is aimed."""

_MINUTE_MS: Final = 60_000

_encode = msgspec.json.Encoder().encode


class Input(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Something that is told: an event, or (no `event`) traits."""

    at: int
    number: int
    event: str = ""
    properties: Mapping[str, Any] = {}

    def made(self, user: str) -> Event:
        return Event(
            user=user,
            kind="track" if self.event else "identify",
            name=self.event,
            message_id=self.message_id,
            occurred=self.at,
            body=_encode(self.properties),
        )

    @property
    def message_id(self) -> str:
        return f"witness-{self.number}"

    def message(self, user: str) -> dict[str, Any]:
        """The Segment message that says the same."""
        told = {"timestamp": self.at, "userId": user, "messageId": self.message_id}
        if self.event:
            return {"type": "track", "event": self.event, "properties": dict(self.properties), **told}
        return {"type": "identify", "traits": dict(self.properties), **told}


class Mute(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign of which no message was found."""

    campaign: str
    tried: tuple[str, ...]
    """Events, the last try's."""
    why: tuple[str, ...]
    """What kept it from sending then; times are from the first event on."""


class Busiest(msgspec.Struct, frozen=True, kw_only=True):
    user: str
    day: tuple[int, int]
    """Its first instant, and that of the next one."""
    sent: int
    inputs: tuple[Input, ...]
    """In order of time; the first says who the user is."""
    campaigns: tuple[str, ...]
    """What sent, in order of time."""
    unlimited: tuple[tuple[str, str], ...]
    """(campaign, event): each such event brings one more message, and no rule ends it."""
    most: int | None
    """What a day of 24 hours can hold at the most; None if nothing proves a number."""
    by_caps: bool
    """Whether the caps alone prove it."""
    in_longer_days: bool
    """Whether it holds in a day of 25 hours too."""
    mute: tuple[Mute, ...]
    cut: bool
    """Whether the search ended before it had tried all it wanted to."""


def busiest_day(site: ast.Site, program: Program) -> Busiest:
    """The same site gives the same answer. Tried from the most important campaign down and from the least up: what one
    campaign needs may be what ends another."""
    first = _Search(site, program).run()
    if first.sent == first.most:
        return first
    second = _Search(site, program).run(upwards=True)
    best = max(first, second, key=lambda one: (len(one.unlimited), one.sent, -len(one.inputs)))
    return msgspec.structs.replace(best, cut=first.cut or second.cut)


class _Counting(Simulator):
    """Counts its work, so that the search ends after so much of it, the same on every machine: a turn costs as much as
    there are runs to look at."""

    work = 0

    def _note(self, actor: Actor, turn: Turn) -> None:
        self.work += 1 + len(actor.runs) // 2


class _Search:
    def __init__(self, site: ast.Site, program: Program) -> None:
        self._site = site
        self._program = program
        self._user = _user(program)
        place = site.policy.time_zone
        start = zone.midnight(START + DAYS_BEFORE * DAY_MS, place)
        self._day = (start, zone.next_midnight(start, place))
        self._traits: dict[str, Any] = {
            "email": f"{self._user}@example.test",
            "consent": {"marketing": True, "tracking": True},
        }
        self._inputs: list[Input] = []
        self._by_campaign: Counter[str] = Counter()
        self._effort = 0
        self._numbers = 0
        self._unlimited: dict[str, str] = {}
        self._free = {
            campaign.id
            for campaign in site.campaigns
            if not is_ruled(campaign, site.policy) and not limits_entries(site, campaign)
        }
        self._mute: dict[str, Mute | None] = {}

    def run(self, *, upwards: bool = False) -> Busiest:
        campaigns = self._campaigns()
        self._gain([found for one in campaigns for found in self._candidates(one)], upwards)
        self._gain([found for one in campaigns for found in self._chosen(one)], upwards)
        cut = self._effort >= EFFORT_MAX
        self._shorten()
        sends = self._sends(self._inputs, self._traits)
        assert len(sends) >= self._sent, f"{len(sends)} messages after shortening, {self._sent} before"
        most = bound(self._site)
        assert most is None or len(sends) <= most, f"{len(sends)} messages, where {most} were proved to be the most"
        return Busiest(
            user=self._user,
            day=self._day,
            sent=len(sends),
            inputs=(self._known(self._traits), *sorted(self._inputs)),
            campaigns=tuple(sends),
            unlimited=tuple(sorted(self._unlimited.items())),
            most=most,
            by_caps=most == bound_of_caps(self._site, DAY_MS),
            in_longer_days=most == bound(self._site, LONG_DAY_MS),
            mute=tuple(one for one in self._mute.values() if one is not None and one.campaign not in sends),
            cut=cut,
        )

    def _gain(self, candidates: list[tuple[Stimulus, int]], upwards: bool) -> None:
        if upwards:
            candidates.reverse()
        gained = True
        while gained and self._effort < EFFORT_MAX:
            gained = False
            for stimulus, delay in candidates:
                gained = self._repeat(stimulus, delay) or gained

    def _campaigns(self) -> list[ast.Campaign]:
        live = {
            campaign.id for campaign in self._program.campaigns if campaign.status == "live" and not campaign.shadow
        }
        found = [campaign for campaign in self._site.campaigns if campaign.id in live]
        found = [one for one in found if any(isinstance(step, ast.SendStep) for step in steps_of(one))]
        return sorted(found, key=lambda campaign: (-campaign.priority, campaign.id))

    def _candidates(self, campaign: ast.Campaign) -> Iterator[tuple[Stimulus, int]]:
        """Stimuli, each with the time from its first event to one of the messages that it brings by itself."""
        stimuli = Stimuli(self._site)
        for plain in stimuli.of(campaign):
            answered = [
                plain.then(stimuli.answer(pattern), plain.entered + at)
                for at in self._waits(plain)
                for step in steps_of(campaign)
                if isinstance(step, ast.WaitUntil)
                for pattern in step.patterns
            ]
            for stimulus in (plain, *answered):
                for delay in self._delays(stimulus):
                    yield stimulus, delay

    def _chosen(self, campaign: ast.Campaign) -> Iterator[tuple[Stimulus, int]]:
        """Those that go a way through the steps on purpose: they cost more, so they come after the others."""
        stimuli = Stimuli(self._site)
        for plain in stimuli.of(campaign):
            for stimulus in stimuli.choosing(campaign, plain):
                if self._effort < EFFORT_MAX:
                    yield from ((stimulus, delay) for delay in self._delays(stimulus))

    def _alone(self, stimulus: Stimulus) -> tuple[int, Simulator]:
        """When it began, and what comes of it in forty days with nothing else: at the first hour at which a message
        does."""
        for hour in _HOURS:
            start = START + hour * 3_600_000
            traits = {**self._traits, **stimulus.traits}
            simulator = self._play(self._placed(stimulus, start), traits, start + DAYS_BEFORE * DAY_MS)
            if self._effort >= EFFORT_MAX or any(send.campaign == stimulus.campaign for send in simulator.sends):
                break
        return start, simulator

    def _delays(self, stimulus: Stimulus) -> list[int]:
        start, simulator = self._alone(stimulus)
        found = any(send.campaign == stimulus.campaign for send in simulator.sends)
        if found:
            self._mute[stimulus.campaign] = None
        elif stimulus.campaign not in self._mute:
            self._mute[stimulus.campaign] = self._muted(stimulus, start)
        return sorted({send.at - start for send in simulator.sends if send.campaign == stimulus.campaign})[:DELAYS_MAX]

    def _muted(self, stimulus: Stimulus, start: int) -> Mute:
        traits = {**self._traits, **stimulus.traits}
        told = self._play(self._placed(stimulus, start), traits, start + DAYS_BEFORE * DAY_MS, verbose=True)
        decisions = [one for one in told.decisions if one.at >= start]
        return Mute(
            campaign=stimulus.campaign,
            tried=tuple(step.event or "identify" for step in stimulus.steps),
            why=tuple(why_not(decisions, {stimulus.campaign}, since(start))),
        )

    def _waits(self, stimulus: Stimulus) -> list[int]:
        """When it comes to wait for a pattern, in ms after it entered; a second later, so that it is there."""
        start, simulator = self._alone(stimulus)
        found = [
            decision.at - start - stimulus.entered + 1_000
            for decision in simulator.decisions
            if decision.campaign == stimulus.campaign
            and decision.at >= start
            and decision.step == "wait until"
            and decision.decision == "waiting"
        ]
        return found[:WAITS_MAX]

    @property
    def _sent(self) -> int:
        return self._by_campaign.total()

    # --- trying ---------------------------------------------------------------------------------------------------

    def _repeat(self, stimulus: Stimulus, delay: int) -> bool:
        """Adds the stimulus as often as it brings one more message."""
        before = Counter(self._by_campaign)
        times = 0
        while stimulus.campaign not in self._unlimited and self._try(stimulus, delay):
            times += 1
            gained = self._by_campaign - before
            endless = [one for one, sent in gained.items() if sent >= REPEATS_MAX and one in self._free]
            for campaign in endless:
                self._unlimited.setdefault(campaign, stimulus.event)
            if endless or times >= EACH_MAX or stimulus.event in self._unlimited.values():
                break
        return times > 0

    def _try(self, stimulus: Stimulus, delay: int) -> bool:
        for hour in _HOURS:
            if self._effort >= EFFORT_MAX:
                return False
            aimed = self._day[0] + hour * 3_600_000 + len(self._inputs) * _MINUTE_MS
            if aimed - delay < START or aimed >= self._day[1]:
                continue
            inputs = [*self._inputs, *self._placed(stimulus, aimed - delay)]
            traits = {**self._traits, **stimulus.traits}
            sends = self._sends(inputs, traits)
            if len(sends) > self._sent:
                self._inputs, self._traits, self._by_campaign = inputs, traits, Counter(sends)
                return True
        return False

    def _placed(self, stimulus: Stimulus, start: int) -> list[Input]:
        self._numbers += 1
        own = {stimulus.key: f"k{self._numbers}"} if stimulus.key else {}
        return [self._input(step, start, {**own, **step.properties}) for step in stimulus.steps]

    def _input(self, step: StimulusStep, start: int, properties: Mapping[str, Any]) -> Input:
        self._numbers += 1
        told = properties if step.event else step.properties
        return Input(at=start + step.after, number=self._numbers, event=step.event, properties=told)

    def _shorten(self) -> None:
        """Takes out every input that the number does not need, the latest first."""
        limit = self._effort + EFFORT_MAX
        for one in sorted(self._inputs, reverse=True):
            if self._effort >= limit:
                return
            fewer = [other for other in self._inputs if other is not one]
            if len(self._sends(fewer, self._traits)) >= self._sent:
                self._inputs = fewer

    def _sends(self, inputs: Sequence[Input], traits: Mapping[str, Any]) -> list[str]:
        """The campaigns of the messages sent that day."""
        simulator = self._play(inputs, traits, self._day[1] - 1)
        return [send.campaign for send in simulator.sends if self._day[0] <= send.at < self._day[1]]

    def _play(
        self, inputs: Sequence[Input], traits: Mapping[str, Any], until: int, *, verbose: bool = False
    ) -> Simulator:
        simulator = _Counting(self._program, start=START, verbose=verbose)
        simulator.take(self._known(traits).made(self._user), START)
        for one in sorted(inputs):
            if one.at <= until:
                simulator.take(one.made(self._user), one.at)
        simulator.run(until)
        self._effort += simulator.work + len(simulator.decisions)
        return simulator

    def _known(self, traits: Mapping[str, Any]) -> Input:
        return Input(at=START, number=0, properties=traits)


def _user(program: Program) -> str:
    """A user whom canaries let in and holdouts leave out, as far as there is one."""

    def refused(user: str) -> int:
        return sum(
            share(f"{one.id}/canary", user) >= one.canary or share(f"{one.id}/holdout", user) < one.holdout
            for one in program.campaigns
        )

    return min((f"user{number}" for number in range(1, USERS_TRIED_MAX)), key=refused)
