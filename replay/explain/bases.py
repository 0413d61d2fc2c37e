"""From a pattern back to the events that would complete it, from where it stands now."""

from __future__ import annotations

from typing import Any, Final

from actors.model import compiled_patterns as shapes
from actors.model.state import Run
from language.syntax import ast
from replay.explain.fold import Moment
from replay.explain.goals import Goals, Happen
from replay.explain.language import Language

Base = tuple[Happen, ...]

ACTIVITY: Final = Happen("page_viewed", {})


class Bases:
    """Of the patterns of one campaign's entry, or of one run. What time has to complete ends with its last event."""

    def __init__(
        self, language: Language, moment: Moment, campaign: str, wishes: Goals, run: Run | None = None
    ) -> None:
        self._language = language
        self._campaign = campaign
        self._wishes = wishes
        self._now = moment.now
        self._in_run = run is not None
        self._inside = moment.actor.segments
        holder = moment.actor if run is None else run
        self._partials: dict[int, Any] = holder.partials or {}

    def of(self, pattern: ast.Pattern) -> list[Base]:
        match pattern:
            case ast.EventPattern():
                return [(self._event(pattern),)]
            case ast.CalledPattern():
                return [(Happen("called", {"campaign": self._campaign}),)]
            case ast.ThenPattern():
                return self._chain(pattern)
            case ast.AllPattern():
                return self._all(pattern)
            case ast.SessionPattern(steps=steps):
                return [tuple(map(self._event, steps))]
            case ast.SilencePattern(event="activity"):
                return [(ACTIVITY,)]
            case ast.SilencePattern(event=event, where=where):
                return [(self._event(ast.EventPattern(event=event, where=where)),)]
            case ast.SegmentPattern():
                return self._membership(pattern)

    def _event(self, pattern: ast.EventPattern) -> Happen:
        return Happen(pattern.event, self._wishes.properties(pattern.where))

    def _chain(self, pattern: ast.ThenPattern) -> list[Base]:
        """The rest of the longest partial match, and the whole chain."""
        compiled = self._language.pattern(pattern, self._campaign, in_run=self._in_run)
        steps = tuple(map(self._event, pattern.steps))
        if not isinstance(compiled, shapes.SequencePattern):
            return [steps]
        taken = [
            len(one) for one in self._partials.get(compiled.key, ()) if one and self._now - one[0][0] < compiled.within
        ]
        return [steps[max(taken) :], steps] if taken else [steps]

    def _all(self, pattern: ast.AllPattern) -> list[Base]:
        compiled = self._language.pattern(pattern, self._campaign, in_run=self._in_run)
        assert isinstance(compiled, shapes.AllOf)
        kept = self._partials.get(compiled.key, ())
        there = {one[0] for one in kept if self._now - one[1] < compiled.within}
        steps = tuple(map(self._event, pattern.patterns))
        missing = tuple(step for number, step in enumerate(steps) if number not in there)
        return [missing, steps] if there else [steps]

    def _membership(self, pattern: ast.SegmentPattern) -> list[Base]:
        expression, entered = self._language.segments[pattern.segment], pattern.entered
        change = [wish.events for wish in self._wishes.of(expression, entered)]
        if (pattern.segment in self._inside) is not entered:
            return [events for events in change if events]
        back = [wish.events for wish in self._wishes.of(expression, not entered) if wish.events]
        # Once out of it, the way in is not known from here: what led to it last is the best guess.
        return [(*out, *change_back) for out in back for change_back in (change or [()])]
