"""One turn: what comes of one event, or of one moment at which time itself brought something."""

from __future__ import annotations

from typing import Any

import msgspec

from language.syntax import ast
from tests.reference.expressions import Moment, is_member, is_true
from tests.reference.history import Happening
from tests.reference.kept import short_name
from tests.reference.patterns import completed, simple_parts
from tests.reference.runs import Run, share
from tests.reference.steps import Row, Walk, text_of, topic_of
from tests.reference.values import Value, number

__all__ = ["Row", "Turn", "patterns_of"]

ROUNDS = 16


class Turn(Walk):
    """Goals and exits before steps, runs by priority and age before entries, events before sends before conditions."""

    # --- an event -------------------------------------------------------------------------------------------------

    def tell(self, event: Happening) -> None:
        """The event at hand: goals, exits and waits of the runs, then who enters."""
        self.event = event
        self.unproven = event.unproven = self.unproven or event.unproven
        self.ordinal = event.ordinal
        self.properties = event.properties
        self.person.history.facts.append(event)
        if not event.name:
            return
        for run in self.person.by_priority:
            if event.place > run.entry_place:
                self.hear(run, event)
        if event.name == "email_unsubscribed":
            topic = event.properties.get("topic")
            history = self.person.history
            stopped = history.consent("marketing") is False or topic in history.unsubscribed()
            for run in self.person.by_priority:
                campaign = run.campaign
                if (
                    stopped
                    and not run.ended
                    and campaign.purpose == "marketing"
                    and (not topic or topic_of(campaign) == topic)
                ):
                    self.end(run, "unsubscribed")
        found: dict[str, ast.Campaign] = {}
        for campaign in self.campaigns():
            matches = [self.match(pattern, campaign, None, event) for pattern in dict.fromkeys(campaign.entry.patterns)]
            if any(matches):
                found[campaign.id] = campaign
        for campaign in found.values():
            self.enter(campaign, event.properties)

    def tell_past(self, event: Happening) -> None:
        """Something of the past: goals and exits of runs that were entered before it happened; nobody enters."""
        self.event = event
        self.ordinal = event.ordinal
        self.properties = event.properties
        history = self.person.history
        history.facts.append(event)
        for run in self.person.runs:
            if event.place <= run.entry_place:
                continue
            for pattern in patterns_of(run.campaign):
                self.fit_past(pattern, run, event)
            goal = run.campaign.goal
            reached = self.plainly(goal.patterns if goal is not None else (), run, event)
            if goal is not None and reached is not None and run.may_reach_goal(event.occurred):
                told = number(event.properties.get(goal.value)) if goal.value else None
                value = {} if told is None else {"value": told}
                self.write(run.campaign, run, "goal", detail={"pattern": text_of(reached), **value})
                run.goal_reached = True
                if not run.ended and not goal.go_on:
                    self.end(run, "goal", reached)
            left = self.plainly(run.campaign.exits, run, event)
            if left is not None and not run.ended:
                self.end(run, "exit_when", left)
        for campaign in self.campaigns():
            for pattern in dict.fromkeys(campaign.entry.patterns):
                self.fit_past(pattern, campaign.id, event)
            rules = campaign.entry
            moment = self.moment()
            if (
                self.plainly(rules.patterns, None, event) is not None
                and is_true(rules.condition, moment)
                and is_true(rules.audience, moment)
            ):
                key = _key(event.properties.get(rules.key)) if rules.key else ""
                before = [at for name, its_key, at in self.person.entries if (name, its_key) == (campaign.id, key)]
                after = round(rules.re_entry_after * 1000) if rules.re_entry == "after" else 0
                if not before or (rules.re_entry == "after" and event.occurred - max(before) >= after):
                    self.person.entries.append((campaign.id, key, event.occurred))
        self.regroup_in_silence()

    def fit_past(self, pattern: ast.Pattern, holder: Run | str, event: Happening) -> None:
        """What history tells is a part of no match, but a silence may be about it."""
        if isinstance(pattern, ast.SilencePattern):
            for part in simple_parts(pattern):
                event.fitted[holder, part] = self.is_plain(part, holder if isinstance(holder, Run) else None, event)

    def is_plain(self, part: ast.EventPattern, run: Run | None, event: Happening) -> bool:
        looked = Moment(
            self.site, self.person.history, self.now, run, event.properties, in_run=run is not None, in_where=True
        )
        return part.event == event.name and is_true(part.where, looked)

    def plainly(self, patterns: tuple[ast.Pattern, ...], run: Run | None, event: Happening) -> ast.Pattern | None:
        """The first of the patterns that is one event alone, and this one."""
        for pattern in patterns:
            if isinstance(pattern, ast.EventPattern) and self.is_plain(pattern, run, event):
                return pattern
        return None

    def campaigns(self) -> list[ast.Campaign]:
        running = [one for one in self.site.campaigns if one.status not in ("draft", "archived")]
        return sorted(running, key=lambda one: (-one.priority, one.id))

    def match(self, pattern: ast.Pattern, campaign: ast.Campaign, run: Run | None, event: Happening) -> bool:
        """Whether the event completes a match; that is then used up."""
        if isinstance(pattern, ast.CalledPattern):
            return event.name == "called" and event.properties.get("campaign") in (None, campaign.id)
        holder = run or campaign.id
        for part in simple_parts(pattern):
            looked = Moment(
                self.site,
                self.person.history,
                self.now,
                run,
                event.properties,
                in_run=run is not None,
                in_where=True,
            )
            event.fitted[holder, part] = (
                part.event == event.name and not self.is_barred(campaign, pattern) and is_true(part.where, looked)
            )
        used = self.person.used.setdefault((holder, pattern), [])
        before = [one for one in self.person.history.told() if one is not event and one not in used]
        session = self.person.history.session(self.now)
        match = completed(pattern, event, before, lambda part, one: one.fitted.get((holder, part), False), session)
        if match is None:
            return False
        used += match
        return True

    def is_barred(self, campaign: ast.Campaign, pattern: ast.Pattern) -> bool:
        """Whether the event at hand is no part of a match of that pattern, because nobody proved it. A plain entry has its
        own word for that."""
        return self.asks_for_proof(campaign.purpose) and self.unproven and not isinstance(pattern, ast.EventPattern)

    def hear(self, run: Run, event: Happening) -> None:
        campaign = run.campaign
        if self.unproven and self.asks_for_proof(campaign.purpose):
            return
        matched = {pattern for pattern in patterns_of(campaign) if self.match(pattern, campaign, run, event)}
        self.meet(run, matched, event)

    def meet(self, run: Run, matched: set[ast.Pattern], event: Happening | None) -> bool:
        """Goals, then exits, then what the run waits for; true if the run moved."""
        goal = run.campaign.goal
        now = event.occurred if event is not None else self.place[0]
        if goal is not None and run.may_reach_goal(now):
            pattern = self.first(goal.patterns, matched)
            if pattern is not None:
                told = number(self.properties.get(goal.value)) if goal.value and event is not None else None
                value = {} if told is None else {"value": told}
                self.write(run.campaign, run, "goal", detail={"pattern": text_of(pattern), **value})
                run.goal_reached = True
                if not run.ended and not goal.go_on:
                    self.end(run, "goal", pattern)
                    return True
        if run.ended:
            return False
        pattern = self.first(run.campaign.exits, matched)
        if pattern is not None:
            self.end(run, "exit_when", pattern)
            return True
        step = run.steps[0] if run.steps else None
        if isinstance(step, ast.WaitUntil) and self.first(step.patterns, matched) is not None:
            self.came(run, step)
            return True
        return False

    def first(self, patterns: tuple[ast.Pattern, ...], matched: set[ast.Pattern]) -> ast.Pattern | None:
        for pattern in patterns:
            if pattern in matched:
                return pattern
            if isinstance(pattern, ast.SegmentPattern) and (pattern.segment, pattern.entered) in self.changed:
                return pattern
        return None

    # --- entry ----------------------------------------------------------------------------------------------------

    def enter(self, campaign: ast.Campaign, entry: dict[str, Any], unproven: bool = False) -> None:
        person, rules = self.person, campaign.entry
        unproven = unproven or self.unproven
        key = _key(self.properties.get(rules.key)) if rules.key else ""
        reason = self.refusal(campaign, key, unproven)
        detail = {"key": key} if key else {}
        if reason is not None:
            self.write(campaign, None, "not_entered", reason=reason, detail=detail)
            return
        person.entries.append((campaign.id, key, self.now))
        run = Run(
            campaign=campaign,
            key=key,
            number=self.ordinal * 1000 + len(person.runs),
            entered=self.now,
            entry_place=self.place,
            entry=entry,
            steps=list(campaign.steps),
            unproven=unproven,
        )
        person.runs.append(run)
        self.write(campaign, run, "entered", detail=detail)
        experiment = campaign.experiment
        if campaign.holdout and share(f"{campaign.id}/holdout", person.history.user) < campaign.holdout / 100:
            run.variant = "holdout"
        elif experiment is not None:
            run.variant = self.assigned(experiment.id, experiment.ways)
            run.steps = [step for way in experiment.ways if way.name == run.variant for step in way.steps]
        if run.variant:
            self.write(campaign, run, "assigned", detail={"experiment": experiment.id if experiment else campaign.id})
        self.told_before(run)
        if not run.ended:
            self.go_on(run)

    def told_before(self, run: Run) -> None:
        """A run that is told late may find that its goal or an exit came after its entry, and was told before it."""
        goal = run.campaign.goal
        reached = [
            (pattern, one)
            for pattern in (goal.patterns if goal else ())
            for one in self.after_entry(run, pattern)
            if run.may_reach_goal(one.occurred)
        ]
        if goal is not None and reached:
            pattern, one = reached[0]
            told = number(one.properties.get(goal.value)) if goal.value else None
            value = {} if told is None else {"value": told}
            self.write(run.campaign, run, "goal", detail={"pattern": text_of(pattern), **value})
            run.goal_reached = True
            if not goal.go_on:
                self.end(run, "goal", pattern)
                return
        exits = [pattern for pattern in run.campaign.exits if self.after_entry(run, pattern)]
        if exits:
            self.end(run, "exit_when", exits[0])

    def after_entry(self, run: Run, pattern: ast.Pattern) -> list[Happening]:
        """What fits a plain pattern, happened after the run's entry and has been told, in the order in which it happened."""
        if not isinstance(pattern, ast.EventPattern):
            return []
        history = self.person.history
        return [
            one
            for one in history.events(pattern.event)
            if one.place > run.entry_place
            and is_true(
                pattern.where, Moment(self.site, history, self.now, run, one.properties, in_run=True, in_where=True)
            )
        ]

    def refusal(self, campaign: ast.Campaign, key: str, unproven: bool) -> str | None:
        rules, person = campaign.entry, self.person
        moment = self.moment()
        if campaign.status == "paused":
            return "paused"
        if campaign.status == "canary" and share(f"{campaign.id}/canary", person.history.user) >= campaign.canary / 100:
            return "canary"
        if unproven and self.asks_for_proof(campaign.purpose):
            return "unproven"
        if not is_true(rules.condition, moment):
            return "condition"
        if not is_true(rules.audience, moment):
            return "audience"
        before = [at for name, its_key, at in person.entries if (name, its_key) == (campaign.id, key)]
        if before and rules.re_entry == "once":
            return "re_entry"
        if before and rules.re_entry == "after" and self.now - max(before) < round(rules.re_entry_after * 1000):
            return "re_entry"
        running = [run for run in person.active if run.campaign.id == campaign.id]
        if rules.concurrency == "one_per_user" and running:
            return "concurrency"
        if rules.concurrency == "one_per_key" and any(run.key == key for run in running):
            return "concurrency"
        return None

    # --- consequences ---------------------------------------------------------------------------------------------

    def consider(self, run: Run) -> bool:
        """Whether what the run waits for is true now, and it goes on."""
        step = run.steps[0] if run.steps and not run.ended else None
        if not isinstance(step, ast.WaitWhen) or run in self.asking or not is_true(step.condition, self.moment(run)):
            return False
        self.came(run, step)
        return True

    def watched(self) -> set[str]:
        """The segments of which some pattern speaks that the user is in now."""
        watched = {
            pattern.segment
            for campaign in self.campaigns()
            for pattern in (*campaign.entry.patterns, *patterns_of(campaign))
            if isinstance(pattern, ast.SegmentPattern)
        }
        return {name for name in watched if is_member(name, self.moment())}

    def regroup_in_silence(self) -> None:
        self.person.member_of = self.watched()

    def regroup(self) -> bool:
        """Segments that the user has just entered or left; true if there are any."""
        person = self.person
        now = self.watched()
        before, person.member_of = person.member_of, now
        self.changed = {(name, True) for name in now - before} | {(name, False) for name in before - now}
        if not self.changed:
            return False
        for run in person.by_priority:
            self.meet(run, set(), None)
        for campaign in self.campaigns():
            if any(
                isinstance(pattern, ast.SegmentPattern) and (pattern.segment, pattern.entered) in self.changed
                for pattern in campaign.entry.patterns
            ):
                self.enter(campaign, self.properties)
        self.changed = set()
        return True

    def settle(self, tell: Any) -> None:
        """Emitted events, sends, conditions, segments: until nothing moves. `tell` takes an emitted event."""
        for _ in range(ROUNDS):
            while self.emitted:
                tell(*self.emitted.pop(0))
            self.decide_sends()
            moved = [self.consider(run) for run in self.person.by_priority]
            if not self.regroup() and not any(moved) and not self.emitted and not self.asking:
                break


def patterns_of(campaign: ast.Campaign) -> list[ast.Pattern]:
    """Those inside a run: of its goal, its exits and its waits."""
    ways = campaign.experiment.ways if campaign.experiment else ()
    steps = [*campaign.steps, *(step for way in ways for step in way.steps)]
    waits = [pattern for step in _all_steps(steps) if isinstance(step, ast.WaitUntil) for pattern in step.patterns]
    return list(dict.fromkeys([*(campaign.goal.patterns if campaign.goal else ()), *campaign.exits, *waits]))


def _all_steps(steps: list[ast.AnyStep]) -> list[ast.AnyStep]:
    found = []
    for step in steps:
        found.append(step)
        if isinstance(step, ast.Branch):
            found += _all_steps([one for _, case in step.cases for one in case] + list(step.otherwise))
        elif isinstance(step, ast.Split):
            found += _all_steps([one for way in step.ways for one in way.steps])
    return found


def _key(value: Value) -> str:
    return "" if value is None else short_name(value if isinstance(value, str) else msgspec.json.encode(value).decode())
