"""Advice on a site without errors (language.md §10): what is allowed, and probably not meant."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import msgspec

from language.check.advise_context import advise_context
from language.check.advise_letters import advise_letters
from language.check.advise_properties import advise_properties
from language.check.advise_rows import advise_rows
from language.check.advise_values import advise_values
from language.check.possible import all_of, negated, never_parts, why_never
from language.site.context import Places
from language.syntax import ast
from language.syntax.durations import written
from language.syntax.events import FEEDBACK, WELL_KNOWN
from language.syntax.problems import Problem, did_you_mean, nearest, one_of
from language.syntax.vocabulary import NAMESPACES, WORDS
from language.syntax.walk import conditions_of, events_in, patterns_of, simple_patterns, steps_of

MISSPELT: Final = 0.9
"""How alike (difflib's ratio) an event must be to a well-known one to be taken for its misspelling."""

FOR_EVER: Final = "and the wait has no `up_to`: whoever comes here stays for ever"


def advise(site: ast.Site, places: Places) -> Iterator[Problem]:
    """All advice that needs nothing but the site."""
    advice = _Advice(site, places)
    for campaign in site.campaigns:
        if campaign.status != "archived":
            advice.campaign(campaign)
    for name, condition in site.profile.segments:
        advice.never(condition, f"in the segment `{name}`")
    advice.shared_events()
    yield from advice.found
    yield from _misspelt(site, places)
    yield from advise_values(site, places)
    yield from advise_properties(site, places)
    yield from advise_letters(site, places)
    yield from advise_context(site, places)
    yield from advise_rows(site, places)


def _misspelt(site: ast.Site, places: Places) -> Iterator[Problem]:
    """Events that nobody knows and that are all but the name of a well-known one: `product_aded`."""
    campaigns = [campaign for campaign in site.campaigns if campaign.status != "archived"]
    emitted = {step.event for campaign in campaigns for step in steps_of(campaign) if isinstance(step, ast.Emit)}
    own = {*emitted, *(name for pair in site.profile.aliases for name in pair), *site.profile.critical}
    for campaign in campaigns:
        for node in (*patterns_of(campaign), *conditions_of(campaign)):
            for event, at in events_in(node):
                close = difflib.get_close_matches(event, WELL_KNOWN, n=1, cutoff=MISSPELT)
                if event in WELL_KNOWN or event in own or not close:
                    continue
                problem = places.problem(node, f"no source is known to send `{event}`{did_you_mean(close[0])}", at)
                if problem is not None:
                    yield problem


def advise_catalogue(site: ast.Site, places: Places, seen: Collection[str]) -> list[Problem]:
    """Events that campaigns and segments look at and that were never seen. `seen`: canonical names."""
    campaigns = [campaign for campaign in site.campaigns if campaign.status != "archived"]
    emitted = {step.event for campaign in campaigns for step in steps_of(campaign) if isinstance(step, ast.Emit)}
    known = {*seen, *emitted, *FEEDBACK, "called", "activity"}
    found: list[Problem | None] = []
    for campaign in campaigns:
        told: set[str] = set()
        for node in (*patterns_of(campaign), *conditions_of(campaign)):
            found += _unseen(node, known, seen, told, places)
        for step in steps_of(campaign):
            if isinstance(step, ast.WaitUntil) and step.up_to is None and _all_unseen(step, known):
                found.append(places.problem(step, f"nothing that it waits for was ever seen, {FOR_EVER}"))
    for _, condition in site.profile.segments:
        found += _unseen(condition, known, seen, set(), places)
    return [problem for problem in found if problem is not None]


def _unseen(
    node: ast.Pattern | ast.Expression, known: Collection[str], seen: Collection[str], told: set[str], places: Places
) -> Iterator[Problem | None]:
    for event, at in events_in(node):
        if event not in known and event not in told:
            told.add(event)
            yield places.problem(node, f"no event `{event}` was ever seen{did_you_mean(nearest(event, seen))}", at)


def _all_unseen(step: ast.WaitUntil, known: Collection[str]) -> bool:
    events = [[one.event for one in simple_patterns(pattern)] for pattern in step.patterns]
    return all(names and not any(name in known for name in names) for names in events)


class _Advice:
    def __init__(self, site: ast.Site, places: Places) -> None:
        self._site = site
        self._places = places
        self._segments = dict(site.profile.segments)
        self._collections = frozenset(name for name, _ in site.profile.remember)
        self._channels: set[str] = {
            step.channel
            for campaign in site.campaigns
            for step in steps_of(campaign)
            if campaign.status not in ("draft", "archived") and isinstance(step, ast.SendStep)
        }
        self.found: list[Problem] = []

    def _tell(self, node: object, message: str, at: int = 0) -> None:
        problem = self._places.problem(node, message, at)
        if problem is not None:
            self.found.append(problem)

    # --- conditions -----------------------------------------------------------------------------------------------

    def never(self, condition: ast.Expression, where: str = "", behind: str = "") -> bool:
        """Tells each part that can never hold; whether it is the whole."""
        for part, reason in never_parts(condition):
            why = f": {reason}" if reason else ""
            self._tell(condition, f"this can never hold{f' {where}' if where else ''}{why}{behind}", part.at)
        return why_never(condition) is not None

    def campaign(self, campaign: ast.Campaign) -> None:
        for pattern in patterns_of(campaign):
            for simple in _with_conditions(pattern):
                for part, reason in never_parts(simple):
                    self._tell(pattern, f"this can never hold{f': {reason}' if reason else ''}", part.at)
        self._entry(campaign)
        for step in steps_of(campaign):
            match step:
                case ast.Branch():
                    self._branch(step)
                case ast.WaitWhen(condition=condition, up_to=up_to):
                    self.never(condition, behind=f"; {FOR_EVER}" if up_to is None else "")
                case ast.WaitUntil(up_to=None):
                    self._endless(step)
        if campaign.goal is not None:
            self._goal(campaign, campaign.goal)

    def _entry(self, campaign: ast.Campaign) -> None:
        """`if` and `audience` by themselves, together, and with what the entry's event has to be."""
        entry = campaign.entry
        told = [self.never(one) for one in (entry.condition, entry.audience) if one is not None]
        if any(told) or not told:
            return
        own = [one for one in (entry.condition, entry.audience) if one is not None]
        reason = why_never(all_of(own))
        if reason is not None:
            self._tell(own[-1], f"nobody is let in: `if` and `audience` exclude each other ({reason})")
            return
        patterns = [pattern for pattern in entry.patterns if isinstance(pattern, ast.EventPattern)]
        if len(patterns) < len(entry.patterns) or not all(pattern.where for pattern in patterns):
            return
        reasons = [why_never(all_of([_of_event(pattern.where, self._collections), *own])) for pattern in patterns]
        if all(reason is not None for reason in reasons):
            self._tell(own[0], f"nobody is let in: this and the entry's `where` exclude each other ({reasons[0]})")

    def _branch(self, branch: ast.Branch) -> None:
        before: list[ast.Expression] = []
        for condition, _ in branch.cases:
            if not self.never(condition) and before and why_never(all_of([*before, condition])) is not None:
                self._tell(condition, "this case is never reached: whenever it holds, one before it does")
            before.append(negated(condition))
        if branch.otherwise and why_never(all_of(before)) is not None:
            self._tell(branch.otherwise[0], "this step is never reached: one of the cases before it always holds")

    # --- waits and goals ------------------------------------------------------------------------------------------

    def _endless(self, step: ast.WaitUntil) -> None:
        reasons = [self._impossible(pattern) for pattern in step.patterns]
        if reasons and all(reasons):
            self._tell(step, f"{reasons[0]}, {FOR_EVER}")

    def _impossible(self, pattern: ast.Pattern) -> str | None:
        """Why the pattern can never match."""
        needed = pattern.steps if isinstance(pattern, ast.ThenPattern) else simple_patterns(pattern)
        for simple in needed:
            channel = simple.event.partition("_")[0]
            if simple.event in FEEDBACK and channel in ("email", "push") and channel not in self._channels:
                return f"nothing sends `{simple.event}`, for no campaign sends {_article(channel)}"
            if simple.where is not None and why_never(simple.where) is not None:
                return f"`{simple.event}` with this condition never comes"
        if isinstance(pattern, ast.SegmentPattern) and why_never(self._segments[pattern.segment]) is not None:
            return f'nobody can be in the segment "{pattern.segment}"'
        return None

    def _goal(self, campaign: ast.Campaign, goal: ast.Goal) -> None:
        if _exits_on(campaign, goal):
            return
        if goal.go_on:
            self._tell(campaign, "the run goes on after the goal, and no exit ends it then")
            return
        last = max((_last_send(way, 0.0)[0] for way in _variants(campaign)), default=-1.0)
        if goal.within is not None and last > goal.within:
            until = "for ever" if math.isinf(last) else f"{written(round(last * 1000))} after the entry"
            self._tell(
                goal.patterns[0],
                f"the goal ends a run only within {written(round(goal.within * 1000))}, and it may still send {until}: "
                "name the goal's event in `exit_when` too",
            )

    # --- campaigns side by side -----------------------------------------------------------------------------------

    def shared_events(self) -> None:
        """Events on which several campaigns send, without a cap over them."""
        by_event: dict[tuple[str, str], list[tuple[ast.Campaign, ast.Pattern]]] = {}
        topics = {cap.topic for cap in self._site.policy.caps}
        for campaign in self._site.campaigns:
            if campaign.status in ("draft", "archived", "paused", "shadow"):
                continue
            for sends_by in sorted({send.channel for send in _uncapped(campaign, self._site.policy)}):
                for pattern in campaign.entry.patterns:
                    if isinstance(pattern, ast.EventPattern):
                        by_event.setdefault((pattern.event, sends_by), []).append((campaign, pattern))
        told: set[str] = set()
        for (event, channel), entries in by_event.items():
            # Those of one topic that has a cap hold each other back.
            families = {
                campaign.id: topic if (topic := _one_topic(campaign, channel)) in topics else f"{campaign.id}/"
                for campaign, _ in entries
            }
            first, *rest = families
            others = [campaign for campaign in rest if families[campaign] != families[first]]
            if others and event not in told:
                told.add(event)
                named = one_of(others).replace(" or ", " and ")
                cap = f"{{limit: 1, per: 24h, channel: {channel}}}"
                self._tell(
                    entries[0][1],
                    f"`{event}` also enters {named}, and no cap in policy.yaml keeps a user from {_article(channel)} of "
                    f"each: write caps: [{cap}] there",
                )


def _one_topic(campaign: ast.Campaign, channel: str) -> str | None:
    """The topic of all its marketing sends by the channel, None if they have several."""
    topics = {
        step.topic or campaign.topic or campaign.id
        for step in steps_of(campaign)
        if isinstance(step, ast.SendStep)
        and step.channel == channel
        and (step.purpose or campaign.purpose) == "marketing"
    }
    return topics.pop() if len(topics) == 1 else None


def _article(channel: str) -> str:
    return "an e-mail" if channel == "email" else "a push"


def _with_conditions(pattern: ast.Pattern) -> Iterator[ast.Expression]:
    for simple in simple_patterns(pattern):
        if simple.where is not None:
            yield simple.where
    if isinstance(pattern, ast.SilencePattern) and pattern.where is not None:
        yield pattern.where


def _of_event(node: Any, collections: frozenset[str]) -> Any:
    """A pattern's condition as `if` would write it: a bare name is a property of the event. One that might be a
    collection as well is neither here, for which it is depends on the event."""
    match node:
        case ast.Name(parts=(first, *rest)):
            if (first in NAMESPACES and rest) or (first in WORDS and not rest):
                return node
            return msgspec.structs.replace(node, parts=("?" if first in collections else "event", *node.parts))
        case ast.Binary(left=left, right=right):
            return msgspec.structs.replace(node, left=_of_event(left, collections), right=_of_event(right, collections))
        case ast.Unary(operand=operand):
            return msgspec.structs.replace(node, operand=_of_event(operand, collections))
    return node


def _exits_on(campaign: ast.Campaign, goal: ast.Goal) -> bool:
    ending = {pattern.event for pattern in campaign.exits if isinstance(pattern, ast.EventPattern)}
    return all(isinstance(pattern, ast.EventPattern) and pattern.event in ending for pattern in goal.patterns)


def _variants(campaign: ast.Campaign) -> Iterable[tuple[ast.AnyStep, ...]]:
    return [way.steps for way in campaign.experiment.ways] if campaign.experiment else [campaign.steps]


def _last_send(steps: tuple[ast.AnyStep, ...], start: float) -> tuple[float, float]:
    """(the latest second after entry at which one of the steps may send, -1 if none does; when they are over)."""
    last, now = -1.0, start
    for step in steps:
        match step:
            case ast.SendStep():
                last = max(last, now)
            case ast.WaitFor(duration=duration) | ast.WaitIdle(duration=duration):
                now += _seconds(duration)
            case ast.WaitUntil(up_to=up_to) | ast.WaitWhen(up_to=up_to):
                now += math.inf if up_to is None else _seconds(up_to)
            case ast.Branch(cases=cases, otherwise=otherwise):
                ways = [_last_send(body, now) for body in (*(body for _, body in cases), otherwise)]
                last, now = max(last, *(way[0] for way in ways)), max(way[1] for way in ways)
            case ast.Split(ways=split):
                ways = [_last_send(way.steps, now) for way in split]
                last, now = max([last, *(way[0] for way in ways)]), max([now, *(way[1] for way in ways)])
            case ast.Exit():
                return last, start
    return last, now


def _seconds(duration: ast.Expression) -> float:
    """Of a literal; what is computed counts as nothing, for nothing is known of it."""
    value = duration.value if isinstance(duration, ast.Constant) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _uncapped(campaign: ast.Campaign, policy: ast.Policy) -> Iterator[ast.SendStep]:
    """Its marketing sends that no cap counts."""
    for step in steps_of(campaign):
        if not isinstance(step, ast.SendStep) or (step.purpose or campaign.purpose) != "marketing":
            continue
        if not any(cap.topic is None and cap.channel in (None, step.channel) for cap in policy.caps):
            yield step
