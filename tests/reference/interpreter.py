"""The slow, plain interpreter: inputs in order, and time in between.

Before each input it asks, of every user and everything that could move, when it next could; it lets the first of them
have its turn, and asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from actors.model.event import Event
from language.syntax import ast
from tests.reference.expressions import Moment, is_true
from tests.reference.history import OF_THE_ACCOUNT, WITHOUT_PROOF, Became, Happening, History
from tests.reference.instants import next_change
from tests.reference.kept import as_much_as_fits
from tests.reference.patterns import deadlines, looks_beyond_the_event, milliseconds
from tests.reference.runs import Person, Run
from tests.reference.turns import Row, Turn, patterns_of

IDS = 65_536
"""Message ids by which a user's events are known again. For how long does not matter here: what is sent again after that
has a time that no way in takes."""
EVENT_BYTES = 16_384
UNMATCHED_MS = 30 * 86_400_000
TURNS_MAX = 20_000

Timer = tuple[int, Callable[[int], None]]


class Interpreter:
    def __init__(self, site: ast.Site, start: int) -> None:
        self.site = site
        self.now = start
        self.rows: list[Row] = []
        self.people: dict[str, Person] = {}
        self.names: dict[str, str] = {}
        self.taken = 0

    # --- inputs ---------------------------------------------------------------------------------------------------

    def take(self, event: Event, at: int) -> bool:
        """Lets time run to just before `at`, then takes the event. False: it was a duplicate."""
        self.run(at - 1)
        self.now = at
        person = self.person(event.user)
        properties = msgspec.json.decode(event.body)
        if event.name:
            properties = as_much_as_fits(properties, EVENT_BYTES)
        visitor = properties.get("from") if event.kind == "alias" and not person.history.user.startswith("~") else None
        if isinstance(visitor, str) and visitor[:1] == "~" and visitor[1:] and visitor not in self.names:
            return self.join(person, self.person(visitor), event)
        if event.message_id in person.ids[-IDS:]:
            return False
        if event.name and event.source != "engine" and event.name not in OF_THE_ACCOUNT and not self.may_track(person):
            return True
        person.ids.append(event.message_id)
        turn = self.turn(person)
        happening = self.happening(event, properties)
        happening.unproven = event.source in WITHOUT_PROOF
        happening.barred = happening.unproven and not person.history.user.startswith("~")
        if happening.historical:
            turn.tell_past(happening)
            return True
        turn.tell(happening)
        turn.settle(self.teller(turn))
        return True

    def person(self, name: str) -> Person:
        name = self.names.get(name, name)
        return self.people.setdefault(name, Person(History(name)))

    def may_track(self, person: Person) -> bool:
        given = person.history.consent("tracking")
        return given is True if self.site.policy.tracking_consent == "opt_in" else given is not False

    def turn(self, person: Person) -> Turn:
        self.taken += 1
        assert self.taken < TURNS_MAX, "the interpreter goes round in circles"
        return Turn(self.site, person, self.now, self.taken, self.rows)

    def happening(self, event: Event, properties: dict[str, Any]) -> Happening:
        self.taken += 1
        occurred = event.occurred if 0 < event.occurred <= self.now else self.now
        context = msgspec.json.decode(event.context or b"{}")
        return Happening(
            name=event.name,
            kind=event.kind,
            source=event.source,
            at=self.now,
            occurred=occurred
            if event.historical
            else max(occurred, self.now - milliseconds(self.site.policy.lateness)),
            ordinal=self.taken,
            properties={**properties, "context": context} if event.name and context else properties,
            time_zone=context.get("timezone"),
            context=context,
            historical=event.historical,
        )

    def teller(self, turn: Turn) -> Callable[[str, dict[str, Any], bool], None]:
        """Tells the user's actor an event that a step emitted."""

        def tell(name: str, properties: dict[str, Any], unproven: bool) -> None:
            self.taken += 1
            told = as_much_as_fits(properties, EVENT_BYTES)
            turn.tell(Happening(name, "track", "engine", self.now, self.now, self.taken, told, unproven=unproven))

        return tell

    def join(self, into: Person, source: Person, event: Event) -> bool:
        """The source turns out to be `into`: once, for what it was joined to it stays."""
        if event.message_id in into.ids[-IDS:]:
            return False
        turn = self.turn(into)
        into.history.facts.append(Became(source.history))
        self.names[source.history.user] = into.history.user
        into.ids = [*source.ids, *into.ids, event.message_id]
        into.entries = [*source.entries, *into.entries]
        into.unmatched += source.unmatched
        for kind in ("used", "silences"):
            mine, theirs = getattr(into, kind), getattr(source, kind)
            for name, values in theirs.items():
                mine.setdefault(name, []).extend(values)
        into.runs = sorted(into.runs + source.runs, key=lambda run: (run.entered, run.number))
        turn.event = self.happening(event, msgspec.json.decode(event.body))
        turn.event = replace(turn.event, occurred=self.now)
        turn.properties = turn.event.properties
        into.history.facts.append(turn.event)
        seen: set[tuple[str, str]] = set()
        for run in into.active:
            rule = run.campaign.entry.concurrency
            key = (run.campaign.id, "" if rule == "one_per_user" else run.key)
            if rule != "parallel" and key in seen:
                turn.end(run, "joined")
            seen.add(key)
        del self.people[source.history.user]
        turn.settle(self.teller(turn))
        return True

    # --- time -----------------------------------------------------------------------------------------------------

    def run(self, until: int) -> None:
        """Lets time run to the end of that instant."""
        while True:
            timers = [timer for person in self.people.values() for timer in self.timers(person)]
            due, ring = min(timers, key=lambda timer: timer[0], default=(None, None))
            if due is None or ring is None or max(due, self.now) > until:
                self.now = max(self.now, until)
                return
            self.now = max(self.now, due)
            ring(self.now)

    def timers(self, person: Person) -> list[Timer]:
        """All that time may bring: runs by age, entries by priority, segments; each with the moment of its next turn."""
        found: list[Timer] = []
        for run in person.runs:
            due = self.run_due(person, run)
            if due is not None:
                found.append((due, lambda now, run=run: self.ring(person, run)))  # type: ignore[misc]
        asked = Turn(self.site, person, self.now, 0, [])
        for campaign in asked.campaigns():
            for pattern in dict.fromkeys(campaign.entry.patterns):
                for due, entry, mark, unproven in self.by_time(person, pattern, campaign, None):
                    found.append((due, self.entering(person, campaign, entry, mark, unproven)))
        for campaign in asked.campaigns():
            if campaign.id == self.site.policy.default_campaign:
                shadows = {one.id for one in self.site.campaigns if one.status == "shadow"}
                entered = [at for name, _, at in person.entries if name not in shadows]
                last = max([0, *entered, *person.unmatched])
                last = max(last, person.history.first_seen() or 0)
                if last and last + UNMATCHED_MS < person.history.past_told():
                    last = person.history.past_told()
                mark = lambda now: person.unmatched.append(now)  # noqa: E731  # one of several marks of one shape
                if last:
                    found.append((last + UNMATCHED_MS, self.entering(person, campaign, {}, mark)))
        changes = next_change(self.site, person, self.now)
        if changes is not None:
            found.append((changes, lambda now: self.settle(person)))
        return found

    def by_time(
        self, person: Person, pattern: ast.Pattern, campaign: ast.Campaign, run: Run | None
    ) -> list[tuple[int, dict[str, Any], Callable[[int], None], bool]]:
        """What time alone will complete: when, with which properties, what marks it as done, and whether it is unproven."""
        holder = run or campaign.id
        key = (holder, pattern)
        if isinstance(pattern, ast.ThenPattern) and pattern.absent is not None:
            used = person.used.setdefault(key, [])
            return [
                (one.at, one.last.properties, lambda now, one=one: used.append(one.last), one.last.unproven)  # type: ignore[misc]
                for one in deadlines(
                    pattern,
                    person.history.told(),
                    lambda part, one: one.fitted.get((holder, part), False),
                    lambda part, one: self.is_one(person, part, one, run),
                )
                if one.last not in used
            ]
        if isinstance(pattern, ast.SilencePattern):
            last = self.silent_since(person, pattern, campaign, run)
            matched = person.silences.setdefault(key, [])
            if last is not None and run is None and last + milliseconds(pattern.seconds) < person.history.past_told():
                return []
            if last is not None and all(last > noticed for noticed in matched):
                return [(last + milliseconds(pattern.seconds), {}, lambda now: matched.append(last), False)]
        return []

    def is_one(self, person: Person, part: ast.EventPattern, one: Happening, run: Run | None) -> bool:
        looked = Moment(self.site, person.history, one.at, run, one.properties, run is not None, True)
        return one.name == part.event and is_true(part.where, looked)

    def silent_since(
        self, person: Person, pattern: ast.SilencePattern, campaign: ast.Campaign, run: Run | None
    ) -> int | None:
        history = person.history
        events = history.did_anything() if pattern.event == "activity" else history.events(pattern.event)
        part = ast.EventPattern(event=pattern.event, where=pattern.where)
        if looks_beyond_the_event(pattern.where):
            key = (run or campaign.id, part)
            events = [one for one in events if one.fitted.get(key)]
        elif pattern.where is not None:
            events = [one for one in events if self.is_one(person, part, one, run)]
        last = events[-1].occurred if events else history.first_seen()
        return last if last is None or run is None else max(last, run.entry_place[0])

    def entering(
        self,
        person: Person,
        campaign: ast.Campaign,
        entry: dict[str, Any],
        mark: Callable[[int], None],
        unproven: bool = False,
    ) -> Callable[[int], None]:
        def enter(now: int) -> None:
            mark(now)
            turn = self.turn(person)
            turn.properties = entry
            turn.enter(campaign, entry, unproven)
            turn.settle(self.teller(turn))

        return enter

    def settle(self, person: Person) -> None:
        turn = self.turn(person)
        if turn.regroup():
            turn.settle(self.teller(turn))

    # --- runs in time ---------------------------------------------------------------------------------------------

    def run_due(self, person: Person, run: Run) -> int | None:
        """When time has to look at a run next."""
        dues = [
            due
            for pattern in patterns_of(run.campaign)
            for due, _, _, _ in self.by_time(person, pattern, run.campaign, run)
            if not run.ended or run.may_reach_goal(due)
        ]
        if not run.ended and run.steps:
            step = run.steps[0]
            if isinstance(step, ast.WaitIdle):
                silent = Turn(self.site, person, self.now, 0, []).silent_at(run, step)
                dues.append(max(silent, run.until or 0))  # what is told late shortens no wait
            elif isinstance(step, ast.WaitWhen):
                dues += [due for due in (next_change(self.site, person, self.now, run), run.until) if due]
            elif run.until is not None:
                dues.append(run.until)
        return min(dues, default=None)

    def ring(self, person: Person, run: Run) -> None:
        turn = self.turn(person)
        matched = set()
        for pattern in patterns_of(run.campaign):
            for due, _, mark, _ in self.by_time(person, pattern, run.campaign, run):
                if due <= self.now and pattern not in matched:
                    mark(self.now)
                    matched.add(pattern)
        if not (matched and turn.meet(run, matched, None)):
            self.move(turn, run)
        turn.settle(self.teller(turn))

    def move(self, turn: Turn, run: Run) -> None:
        """The step at which the run waits, if its time has come."""
        if run.ended or not run.steps:
            return
        step, up = run.steps[0], run.until is not None and run.until <= self.now
        match step:
            case ast.WaitIdle():
                if max(turn.silent_at(run, step), run.until or 0) <= self.now:
                    turn.next(run)
            case ast.WaitWhen():
                if not turn.consider(run) and up:
                    turn.time_is_up(run, step)
            case ast.WaitUntil() if up:
                turn.time_is_up(run, step)
            case ast.SendStep() if up:
                run.until = None
                turn.asking.append(run)
            case _ if up:
                turn.next(run)


def play(site: ast.Site, inputs: list[tuple[Event, int]], start: int, until: int) -> list[Row]:
    """The ledger of a history."""
    interpreter = Interpreter(site, start)
    for event, at in inputs:
        interpreter.take(event, at)
    interpreter.run(until)
    return interpreter.rows
