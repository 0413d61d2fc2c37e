"""Patterns over time: whether they have matched, what has begun to match and until when, and how near they came."""

from __future__ import annotations

from typing import Any, Final

from actors.model import compiled_patterns as shapes
from actors.model.scope import SESSION_MS
from actors.model.state import Run
from actors.runs.patterns import due
from language.syntax import ast
from language.syntax.unparse import event_text, pattern_text
from replay.explain import words
from replay.explain.expressions import Walk
from replay.explain.fold import Came, Moment
from replay.explain.language import Language
from replay.explain.model import Part, Partial
from replay.explain.nearest import answered, late_chain, spread

Place = tuple[int, int]

BEGINNING: Final = (-1, -1)


class PatternWalk:
    """The patterns of one place: of a campaign's entry (`run` None), or within a run, where nothing counts that came
    before its entry. `since` is a later place from which they count, such as the beginning of a wait."""

    def __init__(
        self, language: Language, moment: Moment, campaign: str, *, run: Run | None = None, since: Place = BEGINNING
    ) -> None:
        self._language = language
        self._moment = moment
        self._campaign = campaign
        self._run = run
        self._since = max(since, (run.occurred, run.ordinal)) if run is not None else since
        self._holder = moment.actor if run is None else run
        self._partials: dict[int, Any] = self._holder.partials or {}

    def part(self, pattern: ast.Pattern) -> Part:
        compiled = self._language.pattern(pattern, self._campaign, in_run=self._run is not None)
        match pattern, compiled:
            case ast.EventPattern(), shapes.Match():
                return self._event(pattern, compiled)
            case ast.CalledPattern(), shapes.Match():
                return self._called(pattern, compiled)
            case ast.SessionPattern(), shapes.SequencePattern() | shapes.AllOf():
                return self._session(pattern, compiled)
            case ast.ThenPattern(), shapes.SequencePattern():
                return self._sequence(pattern, compiled)
            case ast.ThenPattern(), shapes.Absence():
                return self._absence(pattern, compiled)
            case ast.AllPattern(), shapes.AllOf():
                return self._all(pattern, compiled)
            case ast.SilencePattern(), shapes.Silence():
                return self._silence(pattern, compiled)
            case ast.SegmentPattern(), shapes.Membership():
                return self._segment(pattern)
        raise AssertionError(f"{type(pattern).__name__} is compiled to {type(compiled).__name__}")

    # --- one event -----------------------------------------------------------------------------------------------------

    def last_match(self, match: shapes.Match) -> Came | None:
        """The newest event that fits. What was told as history brings nobody in."""
        came = reversed(self._came(match.event))
        return next((one for one in came if (self._run or not one.historical) and self._fits(match, one)), None)

    def _came(self, event: str) -> list[Came]:
        return self._moment.came(event, self._since)

    def _fits(self, match: shapes.Match, came: Came) -> bool:
        return match.where is None or bool(match.where(self._moment.scope(self._run, came.body)))

    def _event(self, pattern: ast.EventPattern, match: shapes.Match) -> Part:
        text, what = pattern_text(pattern), event_text(pattern.event)
        came = self._came(pattern.event)
        fitting = self.last_match(match)
        past = [one for one in came if one.historical and self._run is None]
        if fitting is None and past and self._fits(match, past[-1]):
            saw = f"{what} came {self._ago(past[-1])}, told as history: that starts nothing"
            return Part(text=text, state="false", saw=saw)
        if fitting is not None:
            often = sum(self._fits(match, one) for one in came)
            times = f", {often} times in all" if often > 1 and self._run is None else ""
            return Part(text=text, state="true", saw=f"{what} came {self._ago(fitting)}{times}")
        if not came or pattern.where is None:
            return Part(text=text, state="false", saw=f"{what} has not come{self._when()}")
        walk = Walk(self._language, self._moment, run=self._run, body=came[-1].body, in_run=self._run is not None)
        return Part(
            text=text,
            state="false",
            saw=f"{what} came {self._ago(came[-1])}, but not as wanted",
            parts=(walk.part(pattern.where, in_where=True),),
        )

    def _when(self) -> str:
        """Since when it could have come."""
        if self._run is None:
            return "" if self._moment.complete else ", as far as is known"
        return " since the entry" if self._since == (self._run.occurred, self._run.ordinal) else " since the wait began"

    def _ago(self, came: Came) -> str:
        return words.ago(came.occurred, self._moment.now)

    def _at(self, at: int) -> str:
        return words.moment(at, self._moment.now)

    def _called(self, pattern: ast.CalledPattern, match: shapes.Match) -> Part:
        fitting = self.last_match(match)
        if fitting is not None:
            return Part(text=pattern_text(pattern), state="true", saw=f"it was called {self._ago(fitting)}")
        return Part(text=pattern_text(pattern), state="false", saw=f"nobody called POST /trigger/{self._campaign}")

    # --- a then b ------------------------------------------------------------------------------------------------------

    def _sequence(self, pattern: ast.ThenPattern, compiled: shapes.SequencePattern) -> Part:
        now = self._moment.now
        open_ones = [
            one for one in self._partials.get(compiled.key, ()) if now - one[0][0] <= compiled.within and one[0]
        ]
        partials = tuple(
            Partial(
                taken=self._taken(compiled.steps, one),
                waits_for=compiled.steps[len(one)].text,
                until=one[0][0] + compiled.within,
            )
            for one in open_ones
        )
        saw = f"nothing of it has come within {words.span(compiled.within)}"
        if open_ones:
            longest = max(open_ones, key=len)
            waits = compiled.steps[len(longest)].text
            until = self._at(longest[0][0] + compiled.within)
            saw = f"{len(longest)} of {len(compiled.steps)} steps; waits for {waits} until {until}"
        fitting = [[one for one in self._came(step.event) if self._fits(step, one)] for step in compiled.steps]
        late = late_chain([[one.place for one in step] for step in fitting])
        nearest = ""
        if late is not None and late[0] > compiled.within:
            last = compiled.steps[-1].text
            nearest = f"{last} came {words.span(late[0] - compiled.within)} late, at {self._at(late[1])}"
        elif late is not None:
            nearest = f"it was complete at {self._at(late[1])}"
        return Part(text=pattern_text(pattern), state="false", saw=saw, nearest=nearest, partials=partials)

    def _taken(self, steps: tuple[shapes.Match, ...], places: list[list[int]]) -> tuple[str, ...]:
        return tuple(f"{step.text} at {self._at(place[0])}" for step, place in zip(steps, places, strict=False))

    # --- in session ---------------------------------------------------------------------------------------------------

    def _session(self, pattern: ast.SessionPattern, compiled: shapes.SequencePattern | shapes.AllOf) -> Part:
        """A chain, or each of several, in the session that is open now."""
        text, actor, now = pattern_text(pattern), self._moment.actor, self._moment.now
        ends = actor.last_seen + SESSION_MS
        if not actor.session_start or ends <= now:
            return Part(text=text, state="false", saw="no session is open")
        kept = self._partials.get(compiled.key, ())
        if isinstance(compiled, shapes.SequencePattern):
            steps = compiled.steps
            begun = [one for one in kept if one and one[0][0] >= actor.session_start]
            taken = self._taken(steps, max(begun, key=len, default=[]))
            missing = [step.text for step in steps[len(taken) :]][:1]
        else:
            steps = compiled.matches
            newest = {one[0]: one[1] for one in kept if one[1] >= actor.session_start}
            taken = tuple(f"{steps[step].text} at {self._at(at)}" for step, at in sorted(newest.items()))
            missing = [step.text for number, step in enumerate(steps) if number not in newest]
        saw = f"{len(taken)} of {len(steps)} in this session"
        if not taken:
            return Part(text=text, state="false", saw=saw)
        waits = words.joined(missing)
        partial = Partial(taken=taken, waits_for=waits, until=ends)
        saw = f"{saw}; waits for {waits}, and the session ends at {self._at(ends)} if nothing more is done"
        return Part(text=text, state="false", saw=saw, partials=(partial,))

    # --- a then no b ---------------------------------------------------------------------------------------------------

    def _absence(self, pattern: ast.ThenPattern, compiled: shapes.Absence) -> Part:
        text, now = pattern_text(pattern), self._moment.now
        kept = [one for one in self._partials.get(compiled.key, ()) if one[0] or now - one[1][0][0] <= compiled.within]
        partials = tuple(
            Partial(
                taken=self._taken(compiled.steps, one[1]),
                waits_for=f"no {compiled.absent.text}" if one[0] else compiled.steps[len(one[1])].text,
                until=one[0] or one[1][0][0] + compiled.within,
            )
            for one in kept
        )
        ripe = min((one[0] for one in kept if one[0]), default=0)
        if ripe:
            saw = f"no {compiled.absent.text} so far; it matches at {self._at(ripe)} if none comes"
            return Part(text=text, state="pending", until=ripe, saw=saw, partials=partials)
        begun = [one.place for one in self._came(compiled.steps[-1].event) if self._fits(compiled.steps[-1], one)]
        ended = [one.place for one in self._came(compiled.absent.event) if self._fits(compiled.absent, one)]
        if not begun:
            return Part(
                text=text,
                state="false",
                saw=f"{compiled.steps[-1].text} has not come{self._when()}",
                partials=partials,
            )
        gap = answered(begun[-1], ended)
        if gap is not None and gap <= compiled.within:
            spare = words.span(compiled.within - gap)
            nearest = f"{compiled.absent.text} came {words.span(gap)} after it, {spare} before the time was up"
            return Part(text=text, state="false", saw="it was answered", nearest=nearest, partials=partials)
        saw = f"{compiled.steps[-1].text} last came {words.ago(begun[-1][0], now)}; that has matched or is used up"
        return Part(text=text, state="false", saw=saw, partials=partials)

    # --- all(a, b) -----------------------------------------------------------------------------------------------------

    def _all(self, pattern: ast.AllPattern, compiled: shapes.AllOf) -> Part:
        now = self._moment.now
        kept = [one for one in self._partials.get(compiled.key, ()) if now - one[1] <= compiled.within]
        newest = {one[0]: one[1] for one in kept}
        missing = [match.text for step, match in enumerate(compiled.matches) if step not in newest]
        partials: tuple[Partial, ...] = ()
        if newest:
            taken = tuple(f"{compiled.matches[step].text} at {self._at(at)}" for step, at in sorted(newest.items()))
            until = min(newest.values()) + compiled.within
            partials = (Partial(taken=taken, waits_for=words.joined(missing), until=until),)
        of = len(compiled.matches)
        saw = f"{len(newest)} of {of} within {words.span(compiled.within)}" + (
            f"; missing {words.joined(missing)}" if newest else ""
        )
        fitting = [
            [one.place for one in self._came(match.event) if self._fits(match, one)] for match in compiled.matches
        ]
        apart = spread(fitting)
        nearest = ""
        if apart is not None and apart > compiled.within:
            nearest = f"all came, {words.span(apart - compiled.within)} too far apart"
        return Part(text=pattern_text(pattern), state="false", saw=saw, nearest=nearest, partials=partials)

    # --- by time, by segment -------------------------------------------------------------------------------------------

    def _silence(self, pattern: ast.SilencePattern, compiled: shapes.Silence) -> Part:
        text = pattern_text(pattern)
        since = self._run.occurred if self._run is not None else self._moment.known.program.since.get(compiled.key, 0)
        ripe = due(compiled, self._holder, self._moment.actor, since)
        what = "the user" if compiled.last is None else event_text(compiled.event)
        if ripe:
            began = self._at(ripe - compiled.span)
            saw = f"quiet since {began}; it matches at {self._at(ripe)} if {what} stays quiet"
            return Part(text=text, state="pending", until=ripe, saw=saw)
        told = self._partials.get(compiled.key)
        if told:
            saw = f"it matched for the silence since {self._at(told)}; only once until {what} is heard again"
            return Part(text=text, state="false", saw=saw)
        if self._run is None and self._moment.actor.past_told:
            saw = f"it was over when history told of it; it begins again when {what} is heard"
            return Part(text=text, state="false", saw=saw)
        return Part(text=text, state="false", saw="the user has never been seen")

    def _segment(self, pattern: ast.SegmentPattern) -> Part:
        expression = self._language.segments[pattern.segment]
        inside = pattern.segment in self._moment.actor.segments
        member = Walk(self._language, self._moment).part(expression)
        text = pattern_text(pattern)
        if inside is pattern.entered:
            saw = f"the user is {'in it already' if inside else 'not in it'}; only a change counts"
            return Part(text=text, state="false", saw=saw, parts=(member,))
        saw = "the user is in it" if inside else "the user is not in it"
        if member.until:
            return Part(text=text, state="pending", until=member.until, saw=saw, parts=(member,))
        return Part(text=text, state="false", saw=saw, parts=(member,))
